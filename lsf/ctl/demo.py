"""`lsfctl demo`: runs a FreeBSD program that the package brings, and says whether this machine is fit."""

from __future__ import annotations

import statistics
import subprocess
import sys

from lsf.demo import HERE, NATIVE, PROGRAM

#: Engines and how many calls are timed on each (a few tenths of a second).
ENGINES = {"sud": 100_000, "trap": 50_000, "ptrace": 10_000}
NATIVE_CALLS = 1_000_000
ROUNDS = 3


def command(engine: str, *arguments: str) -> list[str]:
    """The command that runs the demo program on an engine."""
    # Not -m: it would take a source tree in the current directory for the package.
    start = f"import sys; sys.path[0] = {str(HERE.parent.parent)!r}; from lsf.start import cli; sys.exit(cli.main())"
    return [sys.executable, "-c", start, "--engine", engine, str(PROGRAM), *arguments]


def measure(argv: list[str]) -> tuple[float | None, str]:
    """Nanoseconds per call, the median of a few runs, and the reason where there is none."""
    times = []
    for _ in range(ROUNDS):
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, str(error)
        if done.returncode or not done.stdout.strip().isdigit():
            return None, done.stderr.strip() or f"exit status {done.returncode}"
        times.append(int(done.stdout))
    return statistics.median(times), ""


def run() -> int:
    """Run the demo; the exit status is 0 where the default engine ran every item."""
    print("A FreeBSD program on this machine, through LSF's default engine:", flush=True)
    try:
        status = subprocess.run(command("auto"), timeout=60).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"  it did not run: {error}")
        status = 1
    print("Time of one FreeBSD syscall (getppid):")
    native, why = measure([str(NATIVE), "time", str(NATIVE_CALLS)])
    print(f"  {'Linux':10}  {native:8.0f} ns" if native else f"  {'Linux':10}  not measured: {why}")
    fit = []
    for engine, calls in ENGINES.items():
        value, why = measure(command(engine, "time", str(calls)))
        if value is None:
            print(f"  {engine:10}  not available here: {why}")
            continue
        fit.append(engine)
        print(f"  {engine:10}  {value:8.0f} ns" + (f"  ({value / native:.1f} x Linux)" if native else ""), flush=True)
    if status == 0 and fit:
        print(f"This machine is fit for LSF: engines {', '.join(fit)}.")
        return 0
    print("This machine is not fit for LSF: " + ("something above FAILED." if fit else "no engine runs here."))
    return 1

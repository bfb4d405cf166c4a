"""Benchmarks compare a FreeBSD program under LSF with its native twin, run in turn with it.

    pytest benchmarks --benchmark-only --benchmark-json=FILE        everything, some minutes
    pytest benchmarks --benchmark-only -m calls                     a part: calls, ipc, processes, start, go, servers, tools, programs
    pytest benchmarks --benchmark-only -k "getppid and sud"

The time of each benchmark is that of the guest's whole run. What counts stands in its extra_info: `ns_per_call` and
`native_ns_per_call` (medians), `ratio` (the median of the ratios of the rounds, each a native run and the guest's
beside it), `ratios`, `linux_calls` (false where Linux is not called at all), `best_ratio` (of the fastest runs, which other load disturbs least), `per` (what a call is), `native` (what the twin is), `engine`, `load`. Compare ratios and not times:
the machine's noise is in both. report.py draws them, compare.py finds what became slower.

The tools come from a FreeBSD root in LSF_TEST_ROOTS; without one those benchmarks are skipped, and the end says so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
import harness  # noqa: E402

ENGINES = ("sud", "trap", "ptrace")
PARTS = {"calls": "one system call each", "ipc": "threads and processes that talk",
         "processes": "what makes threads and processes", "start": "how a program starts", "go": "Go programs",
         "servers": "servers of many connections", "tools": "FreeBSD's tools", "programs": "programs of others"}  # fmt: skip
COMPILE = ["gcc", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie", "-nostdlib", "-static",
           "-fcf-protection=none", "-Wl,--build-id=none", "-Wl,-z,noexecstack"]  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--engines", default=os.environ.get("LSF_TEST_ENGINES", ""),
                     help="comma-separated engines to measure: sud, trap, ptrace (default: all)")  # fmt: skip


def pytest_configure(config):
    for name, what in PARTS.items():
        config.addinivalue_line("markers", f"{name}: benchmarks of {what}")


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        wanted = [name for name in metafunc.config.getoption("--engines").split(",") if name]
        metafunc.parametrize("engine", [name for name in ENGINES if not wanted or name in wanted])


@pytest.fixture(autouse=True)
def _engine_is_there(request):
    if "engine" in request.fixturenames:
        engine = request.getfixturevalue("engine")
        reason = harness.engine_missing(engine)
        if reason is not None:
            harness.not_covered(f"benchmarks of the engine {engine}", reason)


@pytest.fixture(scope="session")
def loops(tmp_path_factory):
    """loops(file, kind): the path of loops_FILE.c, compiled as a "guest" or as a "native" program."""
    folder = tmp_path_factory.mktemp("loops")
    for source in HERE.glob("loops_*.c"):
        for kind, flags in (("guest", ["-DGUEST"]), ("native", [])):
            subprocess.run([*COMPILE, *flags, str(source), "-o", str(folder / f"{source.stem}-{kind}")], check=True)
    return lambda file, kind: str(folder / f"loops_{file}-{kind}")


@pytest.fixture(scope="session")
def shim() -> str:
    return str(harness.Runner.image())


@pytest.fixture
def engine_command(shim):
    """engine_command(engine, patch): what stands before a guest program's name; sud and trap need no Python."""

    def command(engine: str, patch: bool = True) -> list[str]:
        if engine == "ptrace":
            return [sys.executable, "-m", "lsf.start.cli", "--engine", "ptrace", *([] if patch else ["--no-patch"])]
        return ["env", f"LSF_ENGINE={engine}", f"LSF_PATCH={int(patch)}", shim]

    return command


def one_cpu() -> list[str]:
    """A prefix that binds a command to one CPU: where two sides take turns, where they run is most of the time."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def printed_nanoseconds(command: list[str]) -> int:
    """Run a loop: the time that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: status {done.returncode}: {done.stderr}")
    return int(done.stdout)


def wall_nanoseconds(command: list[str], **options) -> int:
    """Run a program that says nothing of its time: how long that took."""
    start = time.perf_counter_ns()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
                          **options)  # fmt: skip
    taken = time.perf_counter_ns() - start
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: status {done.returncode}: {done.stderr}")
    return taken


@pytest.fixture
def side_by_side(benchmark):
    """side_by_side(guest, native, ...): run both in turn; each is a function that returns nanoseconds of `count` calls.

    per: what a call is. native_is: what the twin is. native_count: its calls, where they are not as many.
    """

    def run(guest, native, count: int, *, per: str = "call", native_is: str, native_count: int | None = None, rounds: int = 7,
            **info) -> None:  # fmt: skip
        here, there = [], []
        benchmark.pedantic(lambda: here.append(guest() / count),
                           setup=lambda: there.append(native() / (native_count or count)),
                           rounds=rounds, iterations=1, warmup_rounds=0)  # fmt: skip
        ratios = [a / b for a, b in zip(here, there, strict=True)]
        benchmark.extra_info.update(
            ns_per_call=round(statistics.median(here), 1), native_ns_per_call=round(statistics.median(there), 1),
            ratio=round(statistics.median(ratios), 3), best_ratio=round(min(here) / min(there), 3),
            ratios=[round(ratio, 3) for ratio in ratios], per=per, native=native_is, load=round(os.getloadavg()[0], 2), **info)  # fmt: skip

    return run


@pytest.fixture
def compare(side_by_side, loops, engine_command):
    """compare(engine, file, loop, chunk, samples, ...): a loop of loops_FILE.c on an engine beside its native twin.

    The time of a call is that of the median sample, of `chunk` calls each.
    """

    def run(engine: str, file: str, loop: str, chunk: int, samples: int, *arguments: str, native_chunk: int | None = None,
            patch: bool = True, pinned: bool = False, native_is: str = "the same loop", **info) -> None:  # fmt: skip
        prefix = one_cpu() if pinned else []
        words = [str(samples), *arguments]
        guest = [*prefix, *engine_command(engine, patch), loops(file, "guest"), loop, str(chunk), *words]
        native = [*prefix, loops(file, "native"), loop, str(native_chunk or chunk), *words]
        side_by_side(lambda: printed_nanoseconds(guest), lambda: printed_nanoseconds(native), chunk, engine=engine,
                     native_is=native_is, native_count=native_chunk, patched=patch, pinned=pinned, **info)  # fmt: skip

    return run


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.2f} {unit}"
    return f"{ns:.1f} ns"


def pytest_terminal_summary(terminalreporter):
    """The ratios as a table: pytest-benchmark's own shows whole runs."""
    session = getattr(terminalreporter.config, "_benchmarksession", None)
    rows = [b for b in (session.benchmarks if session else ()) if "ratio" in b.extra_info]
    if rows:
        terminalreporter.section("beside the native twin")
    for b in rows:
        i = b.extra_info
        terminalreporter.write_line(f"{b.name:44} {_time(i['ns_per_call']):>11}  native {_time(i['native_ns_per_call']):>11}"
                                    f"  ratio {i['ratio']:7.2f}  (best {i['best_ratio']:.2f}, {min(i['ratios']):.2f} to {max(i['ratios']):.2f})"
                                    f"  per {i['per']}")  # fmt: skip
    for (what, reason), count in sorted(harness.NOT_COVERED.items()):
        terminalreporter.write_line(f"not measured: {what}: {reason} ({count})")

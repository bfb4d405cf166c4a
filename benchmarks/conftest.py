"""Benchmarks compare a FreeBSD program under LSF with the same program built for Linux, run in turn with it.

`pytest benchmarks --benchmark-only --benchmark-json=FILE`: the time of each benchmark is the guest's; extra_info has
`ns_per_call`, `native_ns_per_call`, `ratio` (medians of interleaved runs) and `syscalls_per_second`. Compare ratios, not
times: the machine's noise is in both.
"""
from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import lsf

HERE = Path(__file__).resolve().parent
SHIM = Path(lsf.__file__).parent / "shim.elf"
COMPILE = ["gcc", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie", "-nostdlib", "-static",
           "-fcf-protection=none", "-Wl,--build-id=none", "-Wl,-z,noexecstack"]


@pytest.fixture(scope="session")
def loops(tmp_path_factory):
    """The loops as a guest and as a native program: {"guest": path, "native": path}."""
    folder = tmp_path_factory.mktemp("loops")
    source = str(HERE / "loops.c")
    paths = {"guest": folder / "guest", "native": folder / "native"}
    subprocess.run([*COMPILE, "-DGUEST", source, "-o", str(paths["guest"])], check=True)
    subprocess.run([*COMPILE, source, "-o", str(paths["native"])], check=True)
    return paths


@pytest.fixture(scope="session")
def shim() -> str:
    return str(SHIM)


def engine_command(engine: str, patch: bool = True) -> list[str]:
    """What stands before a guest program's name; sud and trap need no Python."""
    if engine == "ptrace":
        return [sys.executable, "-m", "lsf.cli", "--engine", "ptrace", *([] if patch else ["--no-patch"])]
    return ["env", f"LSF_ENGINE={engine}", f"LSF_PATCH={int(patch)}", str(SHIM)]


def nanoseconds(command: list[str]) -> int:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}: status {done.returncode}: {done.stderr}")
    return int(done.stdout)


@pytest.fixture
def compare(benchmark, loops):
    """compare(engine, loop, count, native_count): measure a loop on an engine beside its native twin."""

    def run(engine: str, loop: str, count: int, native_count: int, rounds: int = 5, patch: bool = True) -> None:
        guest, native = [], []

        def once():
            guest.append(nanoseconds([*engine_command(engine, patch), str(loops["guest"]), loop, str(count)]) / count)

        def native_once():
            native.append(nanoseconds([str(loops["native"]), loop, str(native_count)]) / native_count)

        benchmark.pedantic(once, setup=native_once, rounds=rounds, iterations=1, warmup_rounds=0)
        here, there = statistics.median(guest), statistics.median(native)
        benchmark.extra_info.update(
            engine=engine, loop=loop, patched=patch, ns_per_call=round(here, 1), native_ns_per_call=round(there, 1),
            ratio=round(here / there, 3), syscalls_per_second=round(1e9 / here), load=os.getloadavg()[0])

    return run


def pytest_terminal_summary(terminalreporter):
    """The ratios as a table: pytest-benchmark's own shows whole runs."""
    session = getattr(terminalreporter.config, "_benchmarksession", None)
    rows = [b for b in (session.benchmarks if session else ()) if "ratio" in b.extra_info]
    if rows:
        terminalreporter.section("per call, beside the same loop built for Linux")
    for b in rows:
        i = b.extra_info
        terminalreporter.write_line(f"{b.name:36} {i['ns_per_call']:10.1f} ns  native {i['native_ns_per_call']:8.1f} ns  "
                                    f"ratio {i['ratio']:8.2f}  {i['syscalls_per_second']:>12,} calls/s")
    for b in session.benchmarks if session else ():
        if "over_ms" in b.extra_info:
            i = b.extra_info
            terminalreporter.write_line(f"{b.name:36} {i['ms']:10.2f} ms  bare {i['bare_ms']:10.2f} ms  "
                                        f"over {i['over_ms']:9.2f} ms")

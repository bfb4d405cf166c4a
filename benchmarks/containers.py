"""What a FreeBSD container's start costs more than a Linux container's of the same engine, measured in turn.

    python benchmarks/containers.py [podman-runc|podman-crun|docker] [TIMES]

Both images have the same files. Two pairs: the same static program, which ends at once, built for each system (what LSF and its runtime
cost), and FreeBSD's `sh -c :` beside the static Linux program (what its dynamic linking costs besides). LSF_TEST_ROOTS names the root, as
for the tests.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests")]
sys.path.append(str(TOP))  # where no LSF is installed

import engines  # noqa: E402
import harness  # noqa: E402


def end_at_once(folder: Path) -> Path:
    """A static FreeBSD program of one call, exit(0)."""
    source = folder / "ends.c"
    source.write_text(
        'void _start(void) { __asm__ volatile("syscall" ::"a"(1L), "D"(0L)); __builtin_unreachable(); }\n'
    )
    return harness.compile_guest(source)


def measure(name: str, times: int) -> None:
    """Print, for each pair, the medians, the median of the pairs' differences, and the fastest."""
    with tempfile.TemporaryDirectory() as folder:
        images = engines.Images(Path(folder) / "images", {"ends": end_at_once(Path(folder))})
        command = harness.commands(Path(folder) / "bin")
        stack = engines.Stack()
        try:
            if name == "docker":
                engine = engines.docker(stack, command, images)
            else:
                engine = engines.podman(stack, command, name.partition("-")[2], images)
            for what, words in (
                ("a static program", ("freebsd", "/ends")),
                ("sh -c :", ("freebsd", "/bin/sh", "-c", ":")),
            ):
                report(f"{name}, {what}", *measured(engine, words, times))
        finally:
            stack.close()


def measured(engine: engines.Engine, words: tuple[str, ...], times: int) -> tuple[list[float], list[float]]:
    """Milliseconds of the Linux container's runs and of the FreeBSD container's, in turn."""
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(times):
        for taken, run, command in ((theirs, engine.run_linux, ("linux", "/linux")), (ours, engine.run, words)):
            start = time.perf_counter()
            run("--rm", *command, check=True)
            taken.append(1000 * (time.perf_counter() - start))
    return theirs, ours


def report(what: str, theirs: list[float], ours: list[float]) -> None:
    more = statistics.median(our - their for our, their in zip(ours, theirs, strict=True))
    print(f"{what}: Linux {statistics.median(theirs):.0f} ms, FreeBSD {statistics.median(ours):.0f} ms, {more:+.1f} ms of a pair;"
          f" the fastest {min(theirs):.0f} and {min(ours):.0f} ms")  # fmt: skip


if __name__ == "__main__":
    measure(sys.argv[1] if len(sys.argv) > 1 else "podman-runc", int(sys.argv[2]) if len(sys.argv) > 2 else 30)

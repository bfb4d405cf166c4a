"""What a FreeBSD container's start costs more than a Linux container's of the same engine, measured in turn.

    python benchmarks/containers.py [podman-runc|podman-crun|docker] [TIMES]

Both images have the same files, and both programs end at once. LSF_TEST_ROOTS names the root, as for the tests.
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


def measure(name: str, times: int) -> None:
    """Print the medians, and the median of the differences of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        images = engines.Images(Path(folder) / "images")
        command = harness.commands(Path(folder) / "bin")
        stack = engines.Stack()
        try:
            if name == "docker":
                engine = engines.docker(stack, command, images)
            else:
                engine = engines.podman(stack, command, name.partition("-")[2], images)
            ours, theirs = [], []
            for _ in range(times):
                for taken, run, words in (
                    (theirs, engine.run_linux, ("linux", "/linux")),
                    (ours, engine.run, ("freebsd", "/bin/sh", "-c", ":")),
                ):
                    start = time.perf_counter()
                    run("--rm", *words, check=True)
                    taken.append(1000 * (time.perf_counter() - start))
        finally:
            stack.close()
    more = statistics.median(our - their for our, their in zip(ours, theirs, strict=True))
    print(f"{name}: Linux {statistics.median(theirs):.0f} ms, FreeBSD {statistics.median(ours):.0f} ms, {more:+.1f} ms of a pair;"
          f" the fastest {min(theirs):.0f} and {min(ours):.0f} ms")  # fmt: skip


if __name__ == "__main__":
    measure(sys.argv[1] if len(sys.argv) > 1 else "podman-runc", int(sys.argv[2]) if len(sys.argv) > 2 else 30)

"""Runs a cross-compiled program, as a test suite does: text and bytes, options, statuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lsf
from lsf.demo import PROGRAM


def nanoseconds(program: Path, calls: int) -> int:
    done = lsf.run([program, "time", str(calls)], capture_output=True, text=True, timeout=30, check=True, engine="sud")
    return int(done.stdout.strip())


def output(program: Path) -> bytes:
    done = lsf.run(program, stdout=subprocess.PIPE, env={"LANG": "C"}, setenv={"LD_LIBRARY_PATH": "/nowhere"})
    return bytes(done.stdout)


def first_line(program: Path) -> str:
    with lsf.Popen([program], stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        line: str = process.stdout.readline()
        process.stdout.read()
    return line


def main() -> int:
    print(nanoseconds(PROGRAM, 10) >= 0, b"file" in output(PROGRAM), first_line(PROGRAM).split()[0])
    missing = lsf.run(["/no/such/program"], capture_output=True, text=True)
    print(missing.returncode, missing.stderr.rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())

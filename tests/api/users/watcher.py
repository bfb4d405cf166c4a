"""Watches a program by lsf.trace: what each event has is known to a type checker by its kind."""

from __future__ import annotations

import subprocess
import sys

import lsf
from lsf.demo import PROGRAM


def shown(event: lsf.TraceEvent) -> str | None:
    if event.kind == "exec":
        return f"exec {event.path == str(PROGRAM)} {len(event.argv)}"
    if event.kind == "exit":
        return f"{event.name} {event.error or (event.result is not None)}"
    if event.kind == "exited":
        return f"status {event.status}"
    if event.kind == "killed" or event.kind == "signal":
        return f"signal {event.name}"
    return None


def main() -> int:
    with lsf.trace([PROGRAM, "time", "1"], syscalls=["getppid"], stdout=subprocess.DEVNULL, timeout=30) as trace:
        for event in trace:
            if isinstance(event, lsf.events.SyscallEntry):
                event.skip(7)
            elif line := shown(event):
                print(line)
    return trace.returncode or 0


if __name__ == "__main__":
    sys.exit(main())

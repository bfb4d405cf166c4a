"""A full /dev/shm, in a mount namespace: what guests share there is refused, and nobody dies of it."""

from __future__ import annotations

import subprocess

import harness
import pytest


@pytest.mark.engines("sud", "trap")
def test_tracing(lsf):
    unshare = harness.unshare_command("a full /dev/shm")
    program = harness.compile_guest(harness.GUESTS / "process/ptrace_stops.c", name="ptrace_stops")
    full = "mount -t tmpfs -o mode=1777,size=64k none /dev/shm && head -c 61440 /dev/zero > /dev/shm/full"
    shell = f"{full} && exec {lsf.image()} -- {program} @no_room"
    done = subprocess.run([unshare, "--mount", "sh", "-c", shell], env=lsf.environment(None), capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr

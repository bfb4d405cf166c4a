"""kern.trap_enotcap is the whole machine's: set in a mount namespace, whose /dev/shm nobody else has."""

from __future__ import annotations

import subprocess

import harness
import pytest


@pytest.mark.engines("sud", "trap")
def test_root_sets_it_for_everybody(lsf):
    unshare = harness.unshare_command("kern.trap_enotcap")
    program = harness.compile_guest(harness.GUESTS / "file/capmode.c", name="capmode")
    shell = f"mount -t tmpfs -o mode=1777 none /dev/shm && exec {lsf.image()} -- {program} @machine"
    done = subprocess.run([unshare, "--mount", "sh", "-c", shell], env=lsf.environment(None), capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr

"""Sysctls that are the whole machine's: set in a mount namespace, whose /dev/shm nobody else has."""

from __future__ import annotations

import subprocess

import harness
import pytest


def run_alone(lsf, what, guest, helper):
    """Run a guest's helper where what it sets is nobody else's; it says ok."""
    unshare = harness.unshare_command(what)
    program = harness.compile_guest(guest)
    shell = f"mount -t tmpfs -o mode=1777 none /dev/shm && exec {lsf.image()} -- {program} @{helper}"
    done = subprocess.run([unshare, "--mount", "sh", "-c", shell], env=lsf.environment(None), capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.engines("sud", "trap")
def test_violations_of_capabilities_are_signals_for_everybody(lsf):
    run_alone(lsf, "kern.trap_enotcap", "capmode", "machine")


@pytest.mark.engines("sud", "trap")
def test_who_is_left_by_a_tracer_goes_on(lsf):
    run_alone(lsf, "kern.kill_on_debugger_exit", "ptrace_stops", "left_by_its_tracer")

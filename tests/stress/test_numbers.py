"""The numbers of threads in a new process namespace, where Linux begins at 1: 16 and 17 mean something else in the word of a mutex."""

from __future__ import annotations

import subprocess

import harness
import pytest


@pytest.mark.engines("sud", "trap")
@pytest.mark.parametrize("before", range(4))
def test_no_thread_has_a_number_that_means_a_dead_owner(lsf, before):
    """UMUTEX_RB_OWNERDEAD is UMUTEX_CONTESTED | 16 (sys/umtx.h): a contested mutex of thread 16 would be anybody's. `before` shifts
    which kind of call comes to these numbers."""
    unshare = harness.unshare_command("numbers of threads")
    program = harness.compile_guest(harness.GUESTS / "sync/umtx_mutex.c", name="umtx_mutex")
    shell = "; ".join(["true"] + ["(true)"] * before + [f"exec {lsf.image()} -- {program} @numbers"])
    done = subprocess.run([unshare, "--pid", "--fork", "--kill-child", "sh", "-c", shell], env=lsf.environment(None),
                          capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, done.stderr
    numbers = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert max(numbers) > 17 and min(numbers) < 16
    assert not {16, 17} & set(numbers)

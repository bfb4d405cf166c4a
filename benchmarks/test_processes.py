"""Threads and processes: made, waited for, and talking to each other."""

import pytest

#: loop: how often. Each is a sample of its own.
MADE = {"thread_create_join": 1_500, "fork_wait": 400, "fork_exec_wait": 200, "vfork_exec_wait": 200}
#: loop: (what one is, how many take some tenths of a millisecond). Both sides are on one CPU, so that each has the same
#: switches. pipe_*: one byte there and one back.
TALK = {"pipe_threads": ("round trip", 20), "pipe_processes": ("round trip", 20),
        "mutex_contended": ("lock and unlock", 40)}  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("loop", MADE)
def test_made(compare, engine, loop):
    compare(engine, "processes", loop, 1, MADE[loop], per="one of them")


@pytest.mark.ipc
@pytest.mark.parametrize("loop", TALK)
def test_talk(compare, engine, loop):
    per, chunk = TALK[loop]
    twin = "futex, as glibc's mutex" if loop == "mutex_contended" else "the same loop"
    compare(engine, "processes", loop, chunk, 300, pinned=True, per=per, native_is=twin)

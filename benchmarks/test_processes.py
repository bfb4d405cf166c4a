"""Threads and processes: made, waited for, and talking to each other."""
import pytest

#: loop: how often
MADE = {"thread_create_join": 2_000, "fork_wait": 600, "fork_exec_wait": 250, "vfork_exec_wait": 250}
#: Both sides on one CPU, so that each round has the same switches. pipe_*: one byte there and one back.
TALK = {"pipe_threads": ("round trip", 8_000), "pipe_processes": ("round trip", 8_000),
        "mutex_contended": ("lock and unlock", 10_000)}  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("loop", MADE)
def test_made(compare, engine, loop):
    compare(engine, "processes", loop, MADE[loop], per="one of them")


@pytest.mark.ipc
@pytest.mark.parametrize("loop", TALK)
def test_talk(compare, engine, loop):
    per, count = TALK[loop]
    twin = "futex, as glibc's mutex" if loop == "mutex_contended" else "the same loop"
    compare(engine, "processes", loop, count, pinned=True, per=per, native_is=twin)

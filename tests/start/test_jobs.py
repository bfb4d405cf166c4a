"""Guests as jobs of a shell and of a terminal: stops, interrupts, ends, and what stays behind, on each engine.

The process that is started is the guest itself on every engine, so all of this is the kernel's doing; these tests hold that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import harness
import pytest
from terminal import Terminal, alive, kill_process, quoted, status_field, supervisor_of, wait_until


@pytest.fixture
def job(lsf):
    """`job(helper, *arguments)` is the command line and environment of a helper in job.c."""
    program = harness.compile_guest("job")

    def command(helper: str, *arguments: object) -> tuple[list[str], dict[str, str]]:
        return lsf.command(program, f"@{helper}", *map(str, arguments)), lsf.environment({"TERM": "dumb"})

    return command


@pytest.fixture
def start(job):
    """`start(helper, *arguments)` starts a helper on pipes, and ends it with the test."""
    started = []

    def run(helper: str, *arguments: object) -> subprocess.Popen:
        command, env = job(helper, *arguments)
        started.append(subprocess.Popen(command, env=env, text=True, start_new_session=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE))  # fmt: skip
        return started[-1]

    yield run
    for process in started:
        harness.kill_session(process.pid)
        process.communicate(timeout=10)


@pytest.fixture
def terminal(job):
    """`terminal(helper)` starts a helper on a terminal; with `shell`, a shell with job control runs it there."""
    opened = []

    def run(helper: str, shell: str | None = None) -> Terminal:
        command, env = job(helper)
        if shell is not None:
            command = ["sh", "-c", f"set -m; {' '.join(map(quoted, command))}; {shell}"]
        opened.append(Terminal(command, env))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


def test_ctrl_c_reaches_a_guest_once(terminal):
    t = terminal("interrupts")
    t.expect("ready")
    for _ in range(3):
        t.send("\x03")
        t.expect("interrupt 2")
        t.expect("tick")
        t.expect("tick")
        assert "interrupt" not in t.passed


def test_ctrl_c_ends_a_guest_without_a_handler(terminal):
    t = terminal("sleep")
    t.expect("ready")
    t.send("\x03")
    assert t.wait() == -signal.SIGINT


def test_ctrl_z_stops_a_guest_and_fg_continues_it(terminal):
    t = terminal("echo", shell="echo status $?; fg; echo status $?")
    t.expect("ready")
    time.sleep(0.1)
    t.send("\x1a")
    assert t.expect(r"status (\d+)")[1] == str(128 + signal.SIGTSTP)
    t.send("word\n")
    t.expect("got word")
    assert t.expect(r"status (\d+)")[1] == "6"


@pytest.mark.parametrize("name", ["TERM", "KILL", "HUP", "INT", "QUIT", "ABRT"])
def test_signal_to_the_command_ends_the_guest(start, name):
    process = start("sleep")
    ready, pid = process.stdout.readline().split()
    assert ready == "ready"
    assert int(pid) == process.pid
    process.send_signal(signal.Signals[f"SIG{name}"])
    assert process.wait(timeout=10) == -signal.Signals[f"SIG{name}"]


@pytest.mark.parametrize("threads", [0, 50])
def test_stopped_guest_is_stopped_for_its_parent_and_goes_on(start, threads):
    process = start("threads", threads)
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert {status_field(int(task), "State") for task in os.listdir(f"/proc/{process.pid}/task")} <= {"t", "T"}
        process.send_signal(signal.SIGCONT)
        _, status = os.waitpid(process.pid, os.WCONTINUED)
        assert os.WIFCONTINUED(status)
    out, _ = process.communicate("on\n", timeout=10)
    assert (out, process.returncode) == ("got on\n", 6)


def test_command_ends_with_its_first_guest_and_the_others_live_on(start):
    process = start("leave_child")
    begun = time.monotonic()
    out, _ = process.communicate(timeout=20)  # the pipe ends too, though a supervisor may live
    assert process.returncode == 4
    assert time.monotonic() - begun < 20
    child = int(out)
    time.sleep(0.2)
    assert alive(child)
    assert os.getsid(child) == process.pid  # so the end of the test finds it


@pytest.mark.engines("ptrace")
def test_no_guest_outlives_a_killed_supervisor(start):
    process = start("family")
    family = [int(process.stdout.readline()) for _ in range(4)]
    assert all(map(alive, family))
    supervisor = supervisor_of(process.pid)
    assert Path(f"/proc/{supervisor}/comm").read_text() == "lsf-supervisor\n"
    kill_process(supervisor)
    wait_until(lambda: not any(map(alive, family[1:])), "the guests' end")
    assert process.wait(timeout=10) == -signal.SIGKILL

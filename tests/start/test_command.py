"""How a program is started and how it ends, seen from outside: arguments, environment, descriptors, status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import harness
import pytest

pytestmark = pytest.mark.engines("sud", "trap", "ptrace", "sud-cli")

ARGUMENTS = ["plain", "two words", "", "-option", "--", "a\\b\"c'd", "$HOME", "tab\there", "é", "x" * 100000]


@pytest.fixture(scope="session")
def start():
    """The guest whose helpers these tests run."""
    return harness.compile_guest("start")


def test_arguments(lsf, start):
    lsf(start, "@arguments", *ARGUMENTS).check("".join(f"[{argument}]\n" for argument in ARGUMENTS))


def test_environment(lsf, start):
    given = {"A": "1", "WITH_SPACE": "two words", "EMPTY": "", "LONG": "y" * 1500}
    result = lsf(start, "@environment", env=given).check()
    seen = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert given.items() <= seen.items()
    assert seen["HOME"] == str(lsf.cwd)
    # Nothing is added that was not there.
    assert set(seen) <= {*lsf.environment(given)}


def test_names(lsf, start):
    lsf(start, "@names").check(f"argv0 {start}\nexecpath {start}\n")


def test_relative_name(lsf, start):
    (lsf.cwd / "folder").mkdir()
    (lsf.cwd / "folder/program").symlink_to(start)
    result = lsf("folder/program", "@names").check()
    argv0, execpath = (line.split(" ", 1)[1] for line in result.stdout.splitlines())
    assert argv0 == "folder/program"
    assert os.path.isabs(execpath)
    assert os.path.samefile(execpath, start)


def test_found_in_path(lsf, start):
    (lsf.cwd / "bin").mkdir()
    (lsf.cwd / "bin/a-freebsd-program").symlink_to(start)
    result = lsf("a-freebsd-program", "@names", env={"PATH": f"/nowhere:{lsf.cwd}/bin"}).check()
    assert result.stdout.startswith("argv0 a-freebsd-program\n")


@pytest.mark.parametrize("status", [0, 1, 2, 42, 125, 126, 127, 128, 255])
def test_exit_status(lsf, start, status):
    lsf(start, "@exit", str(status)).check("", status=status)


@pytest.mark.parametrize(("freebsd", "linux"), [
    (1, signal.SIGHUP), (6, signal.SIGABRT), (9, signal.SIGKILL), (10, signal.SIGBUS), (11, signal.SIGSEGV),
    (12, signal.SIGSYS), (15, signal.SIGTERM), (30, signal.SIGUSR1), (31, signal.SIGUSR2),
])  # fmt: skip
def test_death_by_signal(lsf, start, freebsd, linux):
    """Who waits for a program that a signal ended sees that signal, by Linux's number: 128+n in a shell."""
    result = lsf(start, "@kill_self", str(freebsd))
    assert result.returncode == -linux, result.explain()
    assert result.stderr == ""


@pytest.mark.parametrize("sent", ["SIGPWR", "SIGSTKFLT"])
def test_a_signal_that_freebsd_does_not_have(lsf, sent):
    """It is SIGTERM to the program: its handler's, and blocked with it. So a container's init is told to end."""
    program = harness.compile_guest("signal_default")
    process = subprocess.Popen(lsf.command(program, "@told_to_end"), cwd=lsf.cwd, env=lsf.environment(None), text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    try:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, getattr(signal, sent, 16))
        print("x", file=process.stdin, flush=True)
        assert process.communicate(timeout=30)[0] == "signal 15\n"
        assert process.returncode == 0
    finally:
        harness.kill_session(process.pid)


def test_standard_input(lsf, start):
    data = os.urandom(1 << 20)
    result = lsf(start, "@cat", input=data).check(stdout=None)
    assert result.raw == data


def test_standard_output_is_closed(lsf, start):
    """Writes to a pipe that nobody reads end the program by SIGPIPE, as on FreeBSD."""
    read, write = os.pipe()
    os.close(read)
    result = lsf(start, "@cat", input=b"x" * 100, stdio={"stdout": write})
    os.close(write)
    assert result.returncode == -signal.SIGPIPE, result.explain()


def test_no_other_descriptors(lsf, start):
    lsf(start, "@open_descriptors").check("0\n1\n2\n")


def test_inherited_descriptors(lsf, start):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    result = lsf(start, "@exit", "0", pass_fds=[write])
    os.close(write)
    assert result.returncode == 0, result.explain()
    assert os.read(read, 1) == b""  # nobody holds the other end any more
    os.close(read)


def test_unknown_syscall_returns(lsf, start):
    lsf(start, "@unknown_syscall").check("still here\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_name_in_proc(lsf, start):
    """ps on the host shows the program's name and arguments, not LSF's."""
    import subprocess
    import time

    command = lsf.command(start, "@sleep", "5000")
    process = subprocess.Popen(command, env=lsf.environment(None), stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout.readline() == b"sleeping\n"
        deadline = time.monotonic() + 5
        shown = set()
        while time.monotonic() < deadline:
            shown = set()
            for pid in harness.session_members(process.pid):
                with open(f"/proc/{pid}/comm") as comm, open(f"/proc/{pid}/cmdline") as line:
                    shown.add((comm.read().strip(), line.read().rstrip("\0")))
            if (start.name[:15], "\0".join([str(start), "@sleep", "5000"])) in shown:
                return
            time.sleep(0.05)
        pytest.fail(f"shown: {shown}")
    finally:
        harness.kill_session(process.pid)
        process.communicate()


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@pytest.mark.engines("sud", "trap", "ptrace", "sud-cli")
@pytest.mark.parametrize("stats", [None, "json:summary"])
def test_ignored_child_signal(lsf, tmp_path, stats):
    """A start is an exec: SIGCHLD that the caller ignores has its default, other signals are as they were."""
    if stats and not lsf.starts_by_command(None):
        pytest.skip("--stats is the command's")
    guest = harness.compile_guest("exec_keeps")
    env = {"LSF_STATS": stats} if stats else {}
    lsf(guest, "@look_started", before=ignore_children, env=env, cwd=tmp_path).check(stdout="", status=0)
    assert not stats or (tmp_path / "summary").read_text().startswith("{")

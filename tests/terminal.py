"""A terminal for tests, and small questions about processes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from pathlib import Path

import harness


def status_field(pid: int, name: str) -> str:
    """A field of /proc/PID/status."""
    match = re.search(rf"^{name}:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match
    return match[1]


def command_name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return status_field(pid, "State") not in "ZX"
    except FileNotFoundError:
        return False


def supervisor_of(pid: int) -> int:
    """The process that traces this one; a failure where none does."""
    tracer = int(status_field(pid, "TracerPid"))
    assert tracer > 0, f"{pid} has no supervisor"
    return tracer


def kill_process(pid: int) -> None:
    """End one process. 0 and negative numbers, which would mean whole groups, are refused."""
    assert pid > 1, f"{pid} is not a process to kill"
    os.kill(pid, signal.SIGKILL)


def wait_until(condition, what: str, timeout: float = 10) -> None:
    """Wait for a condition that nothing announces."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def quoted(text: str) -> str:
    """A word for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


class Terminal:
    """A program on a terminal of its own, in a session of its own."""

    def __init__(self, command: list[str], env: dict[str, str]):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        self.text = ""
        self.passed = ""
        self.ended = False

    def expect(self, pattern: str, timeout: float = 20) -> re.Match:
        """Read until the pattern matches; what came before it is in `passed`, what came after it is still to be read."""
        end = time.monotonic() + timeout
        while not (match := re.search(pattern, self.text)):
            readable, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert readable, f"no {pattern!r} within {timeout} s in {self.text!r}"
            try:
                piece = os.read(self.fd, 4096)
            except OSError:
                piece = b""
            assert piece, f"no {pattern!r} before the end in {self.text!r}"
            self.text += piece.decode(errors="replace")
        self.passed = self.text[: match.start()]
        self.text = self.text[match.end() :]
        return match

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.fd, text.encode())

    def wait(self, timeout: float = 10) -> int:
        """The program's end, as subprocess gives it."""
        wait_until(lambda: not alive(self.pid), "the program's end", timeout)
        self.ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        """End the program with all its session."""
        os.close(self.fd)
        if not self.ended:
            harness.kill_session(self.pid)
            os.waitpid(self.pid, 0)

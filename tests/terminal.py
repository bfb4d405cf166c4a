"""A terminal for tests, and small questions about processes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
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

    def forget(self) -> None:
        """Let `expect` find new text alone."""
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

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


class TmuxTerminal:
    """A program in a window of a tmux server of its own: what a person sees, and not what is sent.

    `expect` looks at the screen and what has scrolled off it, as they are: it finds old text again.
    """

    TERM = "screen"

    def __init__(self, command: list[str], env: dict[str, str], folder: Path, rows: int = 24, columns: int = 80):
        self.socket = folder / "tmux"
        config = folder / "tmux.conf"
        # The window stays when its program has ended; a held-back Escape would look like an Alt.
        config.write_text(f"set -g default-terminal {self.TERM}\nset -g remain-on-exit on\nset -g escape-time 0\n")
        variables = [f"-e{name}={value}" for name, value in env.items() if os.environ.get(name) != value]
        self._tmux("-f", str(config), "new-session", "-d", "-x", str(columns), "-y", str(rows), *variables,
                   "exec " + " ".join(map(shlex.quote, command)), env=env)  # fmt: skip
        self.pid = int(self._tmux("list-panes", "-F", "#{pane_pid}"))

    @staticmethod
    def missing() -> str | None:
        """Why there is none here."""
        return None if shutil.which("tmux") else "tmux is not installed"

    def _tmux(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        environment = {**(env if env is not None else os.environ)}
        environment.pop("TMUX", None)
        done = subprocess.run(["tmux", "-S", str(self.socket), *arguments], capture_output=True, text=True, timeout=60,
                              env=environment, check=False, errors="replace")  # fmt: skip
        assert done.returncode == 0, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout

    def screen(self) -> str:
        """The text of the window, from what has scrolled off to its last line."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def expect(self, pattern: str, timeout: float = 30) -> re.Match:
        """Wait until the pattern is to be seen."""
        end = time.monotonic() + timeout
        while not (match := re.search(pattern, text := self.screen(), re.MULTILINE)):
            assert time.monotonic() < end, f"no {pattern!r} within {timeout} s on the screen:\n{text}"
            time.sleep(0.05)
        return match

    def send(self, text: str) -> None:
        """Type."""
        self._tmux("send-keys", "-H", *(f"{byte:x}" for byte in text.encode()))

    def forget(self) -> None:
        """Clear the window, so that `expect` finds new text alone."""
        self._tmux("send-keys", "-R")
        self._tmux("clear-history")

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait(self, timeout: float = 10) -> int | None:
        """The program's exit status, or None where tmux has not told it: it does not always."""
        wait_until(lambda: not alive(self.pid), "the program's end", timeout)
        shown = self._tmux("list-panes", "-F", "#{pane_dead} #{pane_dead_status}").split()
        return int(shown[1]) if len(shown) == 2 else None

    def close(self) -> None:
        """End the server, and with it the program."""
        harness.kill_session(self.pid)
        self._tmux("kill-server")

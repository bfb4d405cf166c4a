"""`lsf.trace`: what a FreeBSD program does, one event at a time, and the power to change it.

The program runs under the ptrace engine, whose supervisor (a process of its own; lsf/supervisor/) shows here what it
meets and waits for the answer. So nothing of this process is traced or waited for but the program, which is its child,
and any thread may read the events.
"""

from __future__ import annotations

import errno as linux_errno
import os
import select
import socket
import struct
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lsf.api import process
from lsf.freebsd.tables import signals as freebsd_signals

try:
    from lsf import _trace
except ImportError as error:  # the message of launch._supervise, where it is needed
    raise ImportError(f"the ptrace engine is not built: {error}") from None

from lsf.api.events import CLASSES, Event, NewProcess, TraceEvent, call_number, signal_number

if TYPE_CHECKING:
    from typing_extensions import Unpack

_KINDS, _REQUESTS = _trace.EVENT_KINDS, _trace.REQUESTS
_EVENT = struct.Struct("=IIiiQQ8QQq")
_REQUEST = struct.Struct("=IIQQ")
_ANSWER = struct.Struct("=iI")
_CONFIG = struct.Struct("=II10Q10Q3Q72s136s")
_DATA_MAX = _trace.MESSAGE_SIZES["data"]
_WORD = (1 << 64) - 1
_CALL_BITS, _SIGNAL_BITS = 640, 192
_REASONS = {125: "LSF failed", 126: "it cannot be run", 127: "it was not found"}


class TraceError(Exception):
    """The program did not begin. `returncode` says how it ended, `stderr` what was captured of the reason."""

    def __init__(self, program: str, returncode: int | None, stderr: Any) -> None:
        reason = _REASONS.get(returncode or 0, f"status {returncode}")
        said = os.fsdecode(stderr).strip() if stderr else ""
        super().__init__(f"{program} did not begin: {said or reason + '; standard error has the reason'}")
        self.returncode = returncode
        self.stderr = stderr


def _bits(wanted: Iterable[int | str] | bool | None, number: Callable[[int | str], int], size: int) -> int:
    """A bit for each; the highest for the numbers beyond."""
    if wanted is None or wanted is True:
        return (1 << size) - 1
    if wanted is False:
        return 0
    if isinstance(wanted, (str, int)):
        wanted = (wanted,)
    bits = 0
    for one in wanted:
        bits |= 1 << min(number(one), size - 1)
    return bits


def _config(syscalls: Any, entries: bool, exits: bool, signals: Any, follow: bool) -> bytes:
    calls = _bits(syscalls, call_number, _CALL_BITS)
    wanted = _bits(signals, signal_number, _SIGNAL_BITS)

    def words(bits: int) -> list[int]:
        return [bits >> shift & _WORD for shift in range(0, _CALL_BITS, 64)]

    return _CONFIG.pack(
        0xFFFFFFFF,
        follow,
        *words(calls if entries else 0),
        *words(calls if exits else 0),
        *(wanted >> shift & _WORD for shift in range(0, _SIGNAL_BITS, 64)),
        bytes(freebsd_signals.from_linux(number) if number <= 64 else 0 for number in range(72)),
        bytes(freebsd_signals.to_linux(number) for number in range(136)),
    )


# ------------------------------------------------------------------ the session


class _Popen(process.Popen[Any]):
    """The program, started with the sockets of its observer."""

    def __init__(self, args: Any, sockets: tuple[int, int], **options: Any) -> None:
        self._sockets = sockets
        super().__init__(args, pass_fds=(*options.pop("pass_fds", ()), *sockets), **options)

    def _command(self, args: Any, view: dict[str, Any]) -> list[str]:
        made = process.command(args, **{**view, "engine": "ptrace"})
        place = made.index("-c") + 1
        start, comma, rest = made[place].rpartition("; sys.exit")
        made[place] = f"{start}; cli.launch.observer = {self._sockets!r}{comma}{rest}"
        return made


class _Session:
    """The observer's end of the sockets, and the program. Events refer to it, and not to the Trace, so that a loop that
    is left ends the session although its last event is still there."""

    def __init__(self, args: Any, config: bytes, options: dict[str, Any]) -> None:
        self.current: Event | None = None
        self.ended = self.detached = False
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.life, their_life = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.control.send(_REQUEST.pack(_REQUESTS["config"], len(config), 0, 0) + config)
            self.popen = _Popen(args, (theirs.fileno(), their_life.fileno()), **options)
        except BaseException:
            self.control.close()
            self.life.close()
            raise
        finally:
            theirs.close()
            their_life.close()

    def receive(self, deadline: float | None) -> tuple[int, ...] | None:
        """The next event, None at the end of the stream. Raises TimeoutError at the deadline."""
        while True:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if self.ended:
                return None  # closed by another thread
            poll = select.poll()
            poll.register(self.control, select.POLLIN)
            if not poll.poll(None if wait is None else wait * 1000):
                raise TimeoutError
            try:
                data = self.control.recv(_EVENT.size + 1)
            except OSError:
                return None
            if not data:
                return None
            fields = _EVENT.unpack(data)
            if fields[0] != _KINDS["hello"]:
                return fields

    def go(self) -> None:
        """Let the program go on."""
        self.current = None
        try:
            self.control.send(_REQUEST.pack(_REQUESTS["go"], 0, 0, 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the supervisor was killed: the stream ends

    def ask(self, request: str, address: int, value: int, data: bytes, size: int | None) -> bytes:
        head = _REQUEST.pack(_REQUESTS[request], len(data) if size is None else size, address & _WORD, value)
        try:
            self.control.send(head + data)
            answer = self.control.recv(_ANSWER.size + _DATA_MAX)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        if not answer:
            raise ProcessLookupError(linux_errno.ESRCH, "the supervisor is gone")
        error, length = _ANSWER.unpack_from(answer)
        if error:
            raise OSError(error, os.strerror(error))
        return answer[_ANSWER.size : _ANSWER.size + length]

    def close(self) -> None:
        """End the supervisor, and by that all guests that still live; after a detach, only let go."""
        self.current = None
        ended, self.ended = self.ended, True
        if not (ended or self.detached):
            try:
                self.life.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            # A program that has not got as far as a supervisor is killed by itself.
            self.popen.kill()
        self.life.close()
        if not (ended or self.detached):
            self._await_supervisor()
            self.popen.wait()
        self.control.close()

    def _await_supervisor(self) -> None:
        """It ends at once; its guests are killed before its end can be seen."""
        while True:
            try:
                if not self.control.recv(_EVENT.size + _DATA_MAX):
                    return
            except OSError:
                return


class Trace(Iterator[TraceEvent]):
    """A FreeBSD program that runs and is observed: an iterator of events, and a context manager that ends it.

    pid, stdin, stdout, stderr: as of a Popen. returncode: its status as a Popen's, None before its end.
    """

    def __init__(
        self,
        args: Any,
        config: bytes,
        timeout: float | None,
        capture: bool,
        input: Any,
        options: dict[str, Any],
    ) -> None:
        self.args = args
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._begun = self._over = False
        self._captured: tuple[Any, Any] | None = None
        self._session = _Session(args, config, options)
        self._finalizer = weakref.finalize(self, self._session.close)
        self._reader: threading.Thread | None = None
        if capture or input is not None:
            self._output: list[Any] = []
            popen, output = self._session.popen, self._output
            self._reader = threading.Thread(target=lambda: output.append(popen.communicate(input)), daemon=True)
            self._reader.start()

    @property
    def pid(self) -> int:
        return self._session.popen.pid

    @property
    def stdin(self) -> Any:
        return self._session.popen.stdin

    @property
    def stdout(self) -> Any:
        return self._session.popen.stdout

    @property
    def stderr(self) -> Any:
        return self._session.popen.stderr

    @property
    def returncode(self) -> int | None:
        return self._session.popen.poll() if self._reader is None or not self._reader.is_alive() else None

    def __iter__(self) -> Trace:
        return self

    def __next__(self) -> TraceEvent:
        session = self._session
        if self._over or session.ended:
            raise StopIteration
        if session.current is not None and not session.detached:
            session.go()
        session.current = None
        try:
            fields = session.receive(self._deadline)
        except TimeoutError:
            self.close()
            raise subprocess.TimeoutExpired(self.args, self._timeout or 0.0) from None
        if fields is None:
            self._finish()
            raise StopIteration
        kind, flags, pid, tid, nanoseconds = fields[:5]
        event = CLASSES[kind](session, flags, pid, tid, nanoseconds, fields[5:])
        if isinstance(event, NewProcess):
            event.vfork = kind == _KINDS["vfork"]
        self._begun = True
        session.current = event
        return event

    def _finish(self) -> None:
        """The stream has ended: every process that was observed is gone, or was let go."""
        self._over = True
        if self._session.detached:
            return
        self._session.ended = True
        self._finalizer()
        # Whoever was not followed may live on, and hold the streams that are captured.
        self._wait(None if self._deadline is None else max(0.0, self._deadline - time.monotonic()))
        if not self._begun:
            program = self.args if isinstance(self.args, (str, bytes, os.PathLike)) else next(iter(self.args))
            stderr = self._output[0][1] if self._reader is not None and self._output else None
            raise TraceError(os.fsdecode(program), self.returncode, stderr)

    def _wait(self, timeout: float | None) -> int:
        if self._reader is None:
            return self._session.popen.wait(timeout)
        self._reader.join(timeout)
        if self._reader.is_alive():
            raise subprocess.TimeoutExpired(self.args, self._timeout or timeout or 0.0)
        return self._session.popen.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Let the program run to its end, without looking at what it does; returns `returncode`.

        timeout: seconds; then subprocess.TimeoutExpired is raised, and the program is killed unless it was detached.
        """
        if timeout is not None and not self._session.detached:
            self._timeout, self._deadline = timeout, time.monotonic() + timeout
        for _ in self:
            pass
        return self._wait(timeout)

    def result(self) -> subprocess.CompletedProcess[Any]:
        """The program's end, as lsf.run gives it; the output is what was captured. Lets it run to there."""
        status = self.wait()
        stdout, stderr = self._output[0] if self._reader is not None and self._output else (None, None)
        return subprocess.CompletedProcess(self.args, status, stdout, stderr)

    def watch(
        self,
        syscalls: Iterable[int | str] | bool | None = None,
        *,
        entries: bool = True,
        exits: bool = True,
        signals: Iterable[int | str] | bool | None = True,
        follow: bool = True,
    ) -> None:
        """From now on show this; the arguments of `trace`. Only while an event is the current one."""
        if self._session.current is None:
            raise RuntimeError("no event is the current one")
        self._session.ask("config", 0, 0, _config(syscalls, entries, exits, signals, follow), None)

    def kill(self) -> None:
        """Kill the program and all that is observed with it."""
        self.close()

    def detach(self) -> None:
        """As the current event's detach."""
        if self._session.current is None:
            raise RuntimeError("no event is the current one")
        self._session.current.detach()

    def close(self) -> None:
        """End the observation, and by that every process that was not let go by detach."""
        self._over = True
        self._finalizer()
        if self._reader is not None and not self._session.detached:
            self._reader.join(10)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None and not self._session.detached:
                stream.close()


def trace(
    args: process.Argument | Sequence[process.Argument],
    *,
    syscalls: Iterable[int | str] | bool | None = None,
    entries: bool = True,
    exits: bool = True,
    signals: Iterable[int | str] | bool | None = True,
    follow: bool = True,
    timeout: float | None = None,
    input: bytes | str | None = None,
    capture_output: bool = False,
    **options: Unpack[process.TextOptions],
) -> Trace:
    """Run a FreeBSD program and show what it does: `for event in lsf.trace(["/bin/ls"], root="14.1"): print(event)`.

    syscalls: the calls to show, by name or number; all by default, False for none. entries, exits: before and after.
    signals: those to show, all by default. Programs, processes, threads and their ends are always shown. follow: show
    what children do too. timeout: seconds; then the program is killed and subprocess.TimeoutExpired raised. input,
    capture_output: as of lsf.run, for `result()`. The other options are those of lsf.Popen, but for `engine`.

    The program runs until its first event, and on when the next one is asked for. When the iterator is left, closed or
    forgotten, every process that it shows is killed. Raises ValueError for a name that FreeBSD has not; when the
    program did not begin, the first `next` raises TraceError.
    """
    given: dict[str, Any] = dict(options)
    engine = given.pop("engine", None)
    if engine not in (None, "ptrace"):
        raise ValueError(f"tracing needs the engine ptrace, not {engine!r}")
    process.add_pipes(given, input, capture_output)
    return Trace(args, _config(syscalls, entries, exits, signals, follow), timeout, capture_output, input, given)

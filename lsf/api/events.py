"""The events of lsf.trace: what a FreeBSD program did, and what can be done about it (docs/user/python.md)."""

from __future__ import annotations

import errno as linux_errno
import os
import struct
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from lsf import _trace
from lsf.api import values
from lsf.freebsd.tables import errno as errors
from lsf.freebsd.tables import signals as freebsd_signals
from lsf.freebsd.tables import table

_KINDS, _FLAGS = _trace.EVENT_KINDS, _trace.EVENT_FLAGS
_DATA_MAX = _trace.MESSAGE_SIZES["data"]
_WORD = (1 << 64) - 1
#: The registers in the kernel's order (struct user_regs_struct).
REGISTERS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
_REGISTERS = struct.Struct(f"={len(REGISTERS)}Q")
_ERESTART = -1  # FreeBSD's own word for a call that will be made again


# ------------------------------------------------------------------ names and numbers


def _alike(wrong: str, names: Iterable[str]) -> str:
    """A clause with the names that may have been meant: those with the wrong one in them, then those spelt alike."""
    import difflib

    upper = {name.upper(): name for name in names}
    found = [name for name in upper if len(wrong) > 2 and wrong.upper() in name]
    # The old form of a call comes first (freebsd11_stat), then what begins or ends so.
    found.sort(key=lambda name: (not name.endswith("_" + wrong.upper()), len(name), name))
    found += difflib.get_close_matches(wrong.upper(), upper, 3, 0.75)
    few = [upper[name] for name in dict.fromkeys(found)][:5]
    return f"; there is {', '.join(few)}" if few else ""


def call_number(call: int | str) -> int:
    if isinstance(call, int):
        if not 0 <= call < 1 << 32:
            raise ValueError(f"{call} is no number of a syscall")
        return call
    rows = table.by_name()
    if call not in rows:
        offered = [name for name, row in rows.items() if row.state != "refused"]
        raise ValueError(f"FreeBSD has no syscall {call!r}{_alike(call, offered)}")
    return rows[call].number


def signal_number(name: int | str) -> int:
    if isinstance(name, str):
        if name not in freebsd_signals.BY_NAME:
            raise ValueError(f"FreeBSD has no signal {name!r}{_alike(name, freebsd_signals.BY_NAME)}")
        return freebsd_signals.BY_NAME[name].number
    if not 0 < name <= freebsd_signals.NSIG:
        raise ValueError(f"{name} is no FreeBSD signal")
    return name


def errno_number(name: int | str) -> int:
    if isinstance(name, str):
        if name not in errors.NUMBER:
            raise ValueError(f"FreeBSD has no errno {name!r}{_alike(name, errors.NUMBER)}")
        return errors.NUMBER[name]
    if name not in errors.BY_NUMBER:
        raise ValueError(f"{name} is no FreeBSD errno")
    return name


# ------------------------------------------------------------------ events


class Event:
    """Something that a program did. Its thread stands still until the next event is asked for, and no longer.

    kind: what it is, a word. pid, tid: FreeBSD's and Linux's process and thread. time: seconds since 1970.
    What needs the thread (memory, registers, every change) raises RuntimeError once the loop has gone on.
    """

    kind: str = "event"
    __slots__ = ("_flags", "_raw", "_session", "pid", "tid", "time")

    def __init__(self, session: Any, flags: int, pid: int, tid: int, nanoseconds: int, raw: tuple[int, ...]) -> None:
        self._session = session
        self._flags = flags
        self._raw = raw  # number, eight words, value, error
        self.pid = pid
        self.tid = tid
        self.time = nanoseconds / 1e9

    def _ask(self, request: str, address: int = 0, value: int = 0, data: bytes = b"", size: int | None = None) -> bytes:
        if self._session.current is not self:
            raise RuntimeError("the event is over: the program has gone on")
        answer: bytes = self._session.ask(request, address, value, data, size)
        return answer

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the process's memory; fewer than `size` where it ends. Raises OSError where there is none."""
        if size < 0 or not 0 <= address <= _WORD:
            raise ValueError("no such memory")
        found = b""
        while len(found) < size:
            wanted = min(size - len(found), _DATA_MAX)
            try:
                piece = self._ask("read", address + len(found), size=wanted)
            except OSError:
                if found:
                    break
                raise
            found += piece
            if len(piece) < wanted:
                break
        return found

    def _read(self, address: int, size: int) -> bytes:
        """The same, with nothing for no memory."""
        try:
            return self.read_memory(address, size) if address + size <= _WORD else b""
        except OSError:
            return b""

    def read_string(self, address: int) -> str:
        """The string at an address, up to 4,096 bytes (os.fsencode gives its bytes). Raises OSError as read_memory."""
        found = values.string(self._read, address)
        if not isinstance(found, str):
            raise OSError(linux_errno.EFAULT, f"no string at {address:#x}")
        return found

    def write_memory(self, address: int, data: bytes) -> None:
        """Write to the process's memory, read-only memory too. Raises OSError (EFAULT) where there is none."""
        for at in range(0, len(data), _DATA_MAX):
            self._ask("write", address + at, data=bytes(data[at : at + _DATA_MAX]))

    @property
    def registers(self) -> dict[str, int]:
        """The thread's registers, at a SyscallEntry, a Breakpoint, or a Signal that met the program outside of a call.

        Raises LookupError at other events: what the processor holds then is LSF's own.
        """
        try:
            data = self._ask("registers")
        except FileNotFoundError:
            raise LookupError("the thread is inside LSF, its registers are not the program's") from None
        return dict(zip(REGISTERS, _REGISTERS.unpack(data), strict=True))

    def set_registers(self, **changed: int) -> None:
        """Change registers, at a Breakpoint, or a Signal that met the program outside of a call."""
        if unknown := changed.keys() - set(REGISTERS):
            raise ValueError(f"no register {', '.join(sorted(unknown))}")
        if isinstance(self, SyscallEntry):
            raise LookupError("at a call: set_argument, set_number and skip")
        now = self.registers | {name: value & _WORD for name, value in changed.items()}
        self._ask("set registers", data=_REGISTERS.pack(*now.values()))

    def set_breakpoint(self, address: int) -> None:
        """Stop the process, in any of its threads, before the instruction at this address: a Breakpoint event.

        Children that are followed have their parent's; an executed program has none. Raises OSError: EFAULT where there
        is no memory, ENOSPC at more than 256.
        """
        self._ask("break", address)

    def clear_breakpoint(self, address: int) -> None:
        """Raises LookupError where there is none."""
        try:
            self._ask("unbreak", address)
        except FileNotFoundError:
            raise LookupError(f"no breakpoint at {address:#x}") from None

    def kill(self) -> None:
        """Kill the process (SIGKILL)."""
        self._ask("kill")

    def detach(self) -> None:
        """Let all processes run on unseen: this is the last event."""
        self._ask("detach")
        self._session.detached = True

    def __str__(self) -> str:
        return self.kind

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid}: {self}>"


class Syscall(Event):
    """A call: `number` and `name` (FreeBSD's; `#NUMBER` without one), and `args`, the arguments as 64-bit numbers."""

    __slots__ = ("_arguments", "args", "name", "number")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.number = self._raw[0]
        row = table.by_number().get(self.number)
        self.name = row.name if row else f"#{self.number}"
        self.args: tuple[int, ...] = self._raw[1 : 1 + (values.shown(row, self._raw[1:9]) if row and row.result else 6)]
        self._arguments: dict[str, Any] | None = None

    def _row(self) -> table.Syscall | None:
        row = table.by_number().get(self.number)
        return row if row and row.result else None

    def _decode(self, result: int | None) -> dict[str, Any]:
        if self._arguments is None:
            row = self._row()
            if row is None:
                self._arguments = {f"arg{i}": values.Address(value) for i, value in enumerate(self.args)}
            else:
                self._arguments = values.arguments(row, self._raw[1:9], self._read, result)
        return self._arguments

    def __str__(self) -> str:
        shown = dict(self.arguments)
        if self.name in ("execve", "fexecve"):
            shown["envv"] = values.Address(self.args[2])  # as truss: it is long, and has secrets
        return f"{self.name}({','.join(map(values.text, shown.values()))})"

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name, decoded: strings, bytes, structs as dictionaries, flags that print as FreeBSD's names.
        What the call writes is an address until it has succeeded. To be read while the event is the current one."""
        return self._decode(None)


class SyscallEntry(Syscall):
    """Before a call."""

    kind: Literal["entry"] = "entry"
    __slots__ = ("_changed", "_skipped")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self._changed: list[int] | None = None

    def _change(self, index: int, value: int) -> None:
        """index: 0 to 5 the arguments, 6 the number."""
        changed = self._changed
        if changed is None:
            words = list(self._raw[1:7])
            changed = [self.number, *words[:5], 0] if self._flags & _FLAGS["indirect"] else [*words, self.number]
            if self._flags & _FLAGS["indirect"]:
                changed[6] = self.registers["orig_rax"] & 0xFFFFFFFF
        if self._flags & _FLAGS["indirect"]:
            index = 0 if index == 6 else index + 1
        changed[index] = value & _WORD
        self._ask("call", data=struct.pack("=7Q", *changed))
        self._changed = changed

    def set_argument(self, argument: int | str, value: int) -> None:
        """Let the call be made with another argument, by its place or its name. The program's register keeps its value.

        Raises LookupError for an argument that the call has not, or that is not passed in a register.
        """
        row = self._row()
        names = [one.name for one in row.arguments] if row else []
        index = names.index(argument) if isinstance(argument, str) and argument in names else argument
        if not isinstance(index, int) or not 0 <= index < (5 if self._flags & _FLAGS["indirect"] else 6):
            raise LookupError(f"{self.name} has no argument {argument!r} in a register")
        self._change(index, value)

    def set_number(self, call: int | str) -> None:
        """Let another call be made, with the same arguments."""
        self._change(6, call_number(call))

    def skip(self, result: int = 0, *, errno: int | str | None = None) -> None:
        """Do not make the call: it returns this result, or fails with FreeBSD's errno."""
        self._ask("skip", 0 if errno is None else errno_number(errno), result & _WORD)


class SyscallExit(Syscall):
    """After a call. `errno` is FreeBSD's, None for success, and `result` what it returned then, else None.

    A call that a signal interrupted and that will be made again has `restarts`. Calls that do not return have no exit:
    exit, thr_exit, sigreturn, a successful execve; nor has the child of a fork. skipped: the call was not made.
    """

    kind: Literal["exit"] = "exit"
    __slots__ = ("_changed_result",)

    @property
    def skipped(self) -> bool:
        return bool(self._flags & _FLAGS["skipped"])

    @property
    def restarts(self) -> bool:
        return self._raw[10] == _ERESTART

    @property
    def errno(self) -> int | None:
        return self._raw[10] if self._raw[10] > 0 else None

    @property
    def error(self) -> str | None:
        """The name of the errno: "ENOENT"."""
        return errors.name(self._raw[10]) if self._raw[10] > 0 else None

    @property
    def result(self) -> int | None:
        if self._raw[10]:
            return None
        row = self._row()
        return values.result(row, self._raw[9]) if row else values.signed(self._raw[9], 64)

    @property
    def arguments(self) -> dict[str, Any]:
        result = self.result
        return self._decode(None if self._raw[10] or self.skipped else result if result is not None else 0)

    def set_result(self, value: int) -> None:
        """Let the call succeed, with this result."""
        self._ask("result", 0, value & _WORD)

    def set_error(self, errno: int | str) -> None:
        """Let the call fail with FreeBSD's errno. What it did is done."""
        self._ask("result", errno_number(errno), 0)

    def __str__(self) -> str:
        if self.restarts:
            end = "ERESTART"
        elif self.errno:
            end = values.error_text(self.errno)
        else:
            result = self.result
            end = f"= {0 if result is None else result}"
        return f"{super().__str__()} {end}"


class Signal(Event):
    """A signal on its way to a thread, also one that is blocked or ignored. `number` and `name` are FreeBSD's.

    code: FreeBSD's si_code. sender, uid: who sent it, where a process did, else None. address: of a fault, else None.
    """

    kind: Literal["signal"] = "signal"
    __slots__ = ("address", "code", "name", "number", "sender", "uid")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.number, linux, raw_code, pid, uid, address = self._raw[:6]
        linux_code = values.signed(raw_code, 64)
        self.name = freebsd_signals.name(self.number)
        carried = linux == 63
        self.code = 0x10001 if carried else freebsd_signals.from_linux_code(linux, linux_code)[1]
        sent = linux_code <= 0 or self.name == "SIGCHLD"
        self.sender = values.signed(pid, 32) if sent and linux_code != -2 else None
        self.uid = uid if self.sender is not None else None
        self.address = address if not sent and linux_code != 0x80 and self.number in (4, 5, 8, 10, 11) else None

    def suppress(self) -> None:
        """Do not deliver it."""
        self._ask("signal", value=0)

    def replace(self, number: int | str) -> None:
        """Deliver another FreeBSD signal."""
        self._ask("signal", value=signal_number(number))

    def __str__(self) -> str:
        return f"SIGNAL {self.number} ({self.name})"


class Exec(Event):
    """A program is about to begin, everything mapped. path: its file. base: what to add to the addresses in the file (0
    for one that is not position-independent). entry: where it, or its interpreter, begins; interpreter_base as base.

    `linux` says that it is a Linux program, of which nothing is seen but its processes, signals and end; the addresses
    are 0 then.
    """

    kind: Literal["exec"] = "exec"
    __slots__ = ("base", "entry", "interpreter_base", "path", "stack")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        path, self.base, self.entry, self.interpreter_base, self.stack = self._raw[1:6]
        self._session.current = self
        if self.linux:
            try:
                self.path = os.readlink(f"/proc/{self.pid}/exe")
            except OSError:
                self.path = "?"
        else:
            self.path = str(values.string(self._read, path))

    @property
    def linux(self) -> bool:
        return bool(self._flags & _FLAGS["linux"])

    @property
    def argv(self) -> list[str]:
        """The program's arguments; none for a Linux program."""
        if self.linux:
            return []
        count = int.from_bytes(self._read(self.stack, 8), "little")
        block = self._read(self.stack + 8, 8 * min(count, values.ELEMENTS_MAX))
        words = struct.iter_unpack("=Q", block[: len(block) // 8 * 8])
        return [str(values.string(self._read, word)) for (word,) in words]

    def __str__(self) -> str:
        return f"exec {self.path}"


class NewProcess(Event):
    """fork, vfork or rfork made the process `child`, which has done nothing yet. `vfork`: in its parent's memory."""

    kind: Literal["fork"] = "fork"
    __slots__ = ("child", "vfork")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.child = self._raw[0]
        self.vfork = False

    def __str__(self) -> str:
        return f"new process {self.child}"


class NewThread(Event):
    """thr_new made the thread `child`."""

    kind: Literal["thread"] = "thread"
    __slots__ = ("child",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.child = self._raw[0]

    def __str__(self) -> str:
        return f"new thread {self.child}"


class ThreadExit(Event):
    """A thread that was not its process's first is gone."""

    kind: Literal["thread-exit"] = "thread-exit"
    __slots__ = ()


class Exit(Event):
    """A process has ended with `status`."""

    kind: Literal["exited"] = "exited"
    __slots__ = ("status",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.status = self._raw[0]

    def __str__(self) -> str:
        return f"process exit, rval = {self.status}"


class Killed(Event):
    """A process was killed by the FreeBSD signal `number`, `name`; `core`: it left a core."""

    kind: Literal["killed"] = "killed"
    __slots__ = ("name", "number")

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.number = self._raw[0]
        self.name = freebsd_signals.name(self.number)

    @property
    def core(self) -> bool:
        return bool(self._flags & _FLAGS["core"])

    def __str__(self) -> str:
        return f"process killed, signal = {self.number}"


class Breakpoint(Event):
    """A thread is before the instruction at `address`, where a breakpoint is. It executes it when the loop goes on."""

    kind: Literal["breakpoint"] = "breakpoint"
    __slots__ = ("address",)

    def __init__(self, *fields: Any) -> None:
        super().__init__(*fields)
        self.address = self._raw[0]

    def __str__(self) -> str:
        return f"breakpoint {self.address:#x}"


#: What lsf.trace shows. `event.kind` tells a type checker which of them it is.
TraceEvent: TypeAlias = (
    SyscallEntry | SyscallExit | Signal | Exec | NewProcess | NewThread | ThreadExit | Exit | Killed | Breakpoint
)

#: By the kind's number.
CLASSES: dict[int, type[TraceEvent]] = {
    _KINDS[name]: cls
    for name, cls in (
        *(("entry", SyscallEntry), ("exit", SyscallExit), ("signal", Signal), ("exec", Exec), ("fork", NewProcess)),
        *(("vfork", NewProcess), ("thread", NewThread), ("thread-exit", ThreadExit), ("exited", Exit)),
        *(("killed", Killed), ("breakpoint", Breakpoint)),
    )
}

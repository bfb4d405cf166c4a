"""The arguments and results of syscalls as Python values, and as text in the manner of truss(1).

What an argument is says `decode`, by the table; the memory behind a pointer comes from a function
`read(address, size)`, which returns the bytes that are there. The layouts of structs are those of `lsf._structs`. A
pointer that leads to nothing stays a number, and so does one to a struct that has no form here.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Callable
from typing import Any

from lsf.freebsd.tables import decode, errno, ioctls, signals
from lsf.freebsd.tables.decode import Kind
from lsf.freebsd.tables.table import Argument, Syscall

Read = Callable[[int, int], bytes]

STRING_MAX = 4096  # bytes of a guest's string, at most
BUFFER_MAX = 1 << 20  # bytes of a buffer
ELEMENTS_MAX = 1024  # of an array


class Word(int):
    """A number with a name, or a flag word: an int whose text is FreeBSD's ("O_RDONLY|O_CLOEXEC", "SIGTERM")."""

    text: str

    def __new__(cls, value: int, text: str) -> Word:
        word = super().__new__(cls, value)
        word.text = text
        return word

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class Address(int):
    """An address in the guest, written in hexadecimal."""

    def __str__(self) -> str:
        return hex(self)

    __repr__ = __str__


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


#: Structs as dictionaries: (name in the dictionary, member of the struct in lsf._structs, format of `struct`).
_FIELDS: dict[Kind, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    Kind.STAT: ("freebsd_stat", (
        ("dev", "st_dev", "Q"), ("ino", "st_ino", "Q"), ("nlink", "st_nlink", "Q"), ("mode", "st_mode", "H"),
        ("uid", "st_uid", "I"), ("gid", "st_gid", "I"), ("rdev", "st_rdev", "Q"), ("atime", "st_atim", "qq"),
        ("mtime", "st_mtim", "qq"), ("ctime", "st_ctim", "qq"), ("birthtime", "st_birthtim", "qq"),
        ("size", "st_size", "q"), ("blocks", "st_blocks", "q"), ("blksize", "st_blksize", "i"),
        ("flags", "st_flags", "I"),
    )),
    Kind.STAT11: ("freebsd11_stat", (
        ("dev", "st_dev", "I"), ("ino", "st_ino", "I"), ("mode", "st_mode", "H"), ("nlink", "st_nlink", "H"),
        ("uid", "st_uid", "I"), ("gid", "st_gid", "I"), ("atime", "st_atim", "qq"), ("mtime", "st_mtim", "qq"),
        ("ctime", "st_ctim", "qq"), ("size", "st_size", "q"), ("blocks", "st_blocks", "q"),
        ("blksize", "st_blksize", "i"), ("flags", "st_flags", "I"),
    )),
    Kind.RUSAGE: ("freebsd_rusage", (
        ("utime", "ru_utime", "qq"), ("stime", "ru_stime", "qq"), ("maxrss", "ru_maxrss", "q"),
        ("minflt", "ru_minflt", "q"), ("majflt", "ru_majflt", "q"), ("nvcsw", "ru_nvcsw", "q"),
        ("nivcsw", "ru_nivcsw", "q"),
    )),
    Kind.THR_PARAM: ("freebsd_thr_param", (
        ("start_func", "start_func", "Q"), ("arg", "arg", "Q"), ("stack_base", "stack_base", "Q"),
        ("stack_size", "stack_size", "Q"), ("tls_base", "tls_base", "Q"),
    )),
    Kind.SIGINFO: ("freebsd_siginfo", (
        ("signo", "si_signo", "i"), ("code", "si_code", "i"), ("pid", "si_pid", "i"), ("uid", "si_uid", "I"),
        ("status", "si_status", "i"), ("addr", "si_addr", "Q"),
    )),
    Kind.SIGACTION: ("freebsd_sigaction", (
        ("handler", "sa_handler", "Q"), ("flags", "sa_flags", "I"), ("mask", "sa_mask", "16s"),
    )),
    Kind.STATFS: ("freebsd_statfs", (
        ("flags", "f_flags", "Q"), ("bsize", "f_bsize", "Q"), ("blocks", "f_blocks", "Q"), ("bfree", "f_bfree", "Q"),
        ("bavail", "f_bavail", "q"), ("files", "f_files", "Q"), ("ffree", "f_ffree", "q"),
        ("fstypename", "f_fstypename", "16s"), ("mntfromname", "f_mntfromname", "1024s"),
        ("mntonname", "f_mntonname", "1024s"),
    )),
    Kind.POLLFD: ("freebsd_pollfd", (("fd", "fd", "i"), ("events", "events", "H"), ("revents", "revents", "H"))),
    Kind.IOVEC: ("freebsd_iovec", (("base", "iov_base", "Q"), ("len", "iov_len", "Q"))),
    Kind.KEVENT: ("freebsd_kevent", (
        ("ident", "ident", "Q"), ("filter", "filter", "H"), ("flags", "flags", "H"), ("fflags", "fflags", "I"),
        ("data", "data", "q"), ("udata", "udata", "Q"),
    )),
    Kind.KEVENT11: ("freebsd11_kevent", (
        ("ident", "ident", "Q"), ("filter", "filter", "H"), ("flags", "flags", "H"), ("fflags", "fflags", "I"),
        ("data", "data", "q"), ("udata", "udata", "Q"),
    )),
    Kind.MSGHDR: ("freebsd_msghdr", (
        ("name", "msg_name", "Q"), ("namelen", "msg_namelen", "I"), ("iov", "msg_iov", "Q"),
        ("iovlen", "msg_iovlen", "i"), ("control", "msg_control", "Q"), ("controllen", "msg_controllen", "I"),
        ("flags", "msg_flags", "I"),
    )),
}  # fmt: skip

_ARRAYS = (Kind.POLLFD, Kind.IOVEC, Kind.KEVENT, Kind.KEVENT11)
_NUMBERS = {Kind.INTP: "i", Kind.LONGP: "q", Kind.OFFP: "q", Kind.OID: "i"}
_TIMES = {Kind.TIMESPEC: 2, Kind.TIMEVAL: 2, Kind.ITIMERVAL: 4, Kind.ITIMERSPEC: 4, Kind.RLIMITP: 2}
_WORDS_WITHIN = {"mode": Kind.OCT, "handler": Kind.PTR, "filter": Kind.KEVENT_FILTER, "events": Kind.POLL_EVENTS,
                 "revents": Kind.POLL_EVENTS, "base": Kind.PTR, "signo": Kind.SIGNAL, "addr": Kind.PTR,
                 "start_func": Kind.PTR, "arg": Kind.PTR, "stack_base": Kind.PTR, "tls_base": Kind.PTR,
                 "udata": Kind.PTR, "name": Kind.PTR, "iov": Kind.PTR, "control": Kind.PTR}  # fmt: skip
_FLAGS_WITHIN = {Kind.SIGACTION: Kind.SA_FLAGS, Kind.KEVENT: Kind.KEVENT_FLAGS, Kind.KEVENT11: Kind.KEVENT_FLAGS,
                 Kind.MSGHDR: Kind.MSG_FLAGS, Kind.STAT: Kind.FILE_FLAGS, Kind.STAT11: Kind.FILE_FLAGS}  # fmt: skip

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 28
_O_CREAT = 0x200
_SOL_SOCKET = 0xFFFF


def _mmap_flags(value: int) -> Word:
    """The alignment is a number in the highest byte."""
    alignment = value >> 24
    text = decode.format_flags(Kind.MMAP_FLAGS, value & 0xFFFFFF)
    if not alignment:
        return Word(value, text)
    aligned = "MAP_ALIGNED_SUPER" if alignment == 1 else f"MAP_ALIGNED({alignment})"
    return Word(value, f"{aligned}|{text}" if value & 0xFFFFFF else aligned)


@functools.cache
def _has_names(kind: Kind) -> bool:
    return bool(decode.names(kind))


def scalar(kind: Kind, value: int) -> int:
    """A register as what it is: with the sign and the width of its type, and with its name where it has one."""
    if kind in (Kind.INT, Kind.FD, Kind.PID):
        return signed(value, 32)
    if kind is Kind.ATFD:
        value = signed(value, 32)
        return Word(value, "AT_FDCWD") if value == -100 else value
    if kind is Kind.UINT:
        return value & 0xFFFFFFFF
    if kind is Kind.LONG:
        return signed(value, 64)
    if kind is Kind.SIGNAL:
        value &= 0xFFFFFFFF
        return Word(value, signals.name(value) if value else "0")
    if kind is Kind.OCT:
        value &= 0xFFFF
        return Word(value, f"0{value:o}")
    if kind is Kind.IOCTL:
        value &= 0xFFFFFFFF
        return Word(value, ioctls.name(value))
    if kind is Kind.HEX32:
        return Address(value & 0xFFFFFFFF)
    if kind in (Kind.ULONG, Kind.DEVICE):
        return value
    if kind in (Kind.HEX, Kind.PTR, Kind.FCNTL_ARG):
        return Address(value)
    if kind is Kind.PROT and not value & 0xFFFFFFFF:
        return Word(0, "PROT_NONE")
    if kind is Kind.MMAP_FLAGS:
        return _mmap_flags(value & 0xFFFFFFFF)
    if _has_names(kind):
        value &= 0xFFFF if kind in (Kind.KEVENT_FILTER, Kind.KEVENT_FLAGS, Kind.POLL_EVENTS) else 0xFFFFFFFF
        return Word(value, decode.format_flags(kind, value))
    return Address(value)


def string(read: Read, address: int) -> str | Address:
    """A guest's string, which may hold surrogates (os.fsencode gives its bytes); the address where there is none."""
    data = b""
    while len(data) < STRING_MAX:
        piece = read(address + len(data), min(256 - (address + len(data)) % 256, STRING_MAX - len(data)))
        end = piece.find(b"\0")
        if end >= 0:
            return os.fsdecode(data + piece[:end])
        if not piece:
            return Address(address)
        data += piece
    return os.fsdecode(data)


def _strings(read: Read, address: int) -> list[str] | Address:
    found: list[Any] = []
    while len(found) < ELEMENTS_MAX:
        word = read(address + 8 * len(found), 8)
        if len(word) < 8:
            return found or Address(address)
        pointer = int.from_bytes(word, "little")
        if not pointer:
            break
        found.append(string(read, pointer))
    return found


def _sigset(data: bytes) -> frozenset[Word]:
    bits = int.from_bytes(data, "little")
    return frozenset(Word(number, signals.name(number)) for number in range(1, 129) if bits >> (number - 1) & 1)


def _sockaddr(data: bytes) -> Any:
    """(address, port), a path, or (family, bytes)."""
    import socket

    if len(data) < 2:
        return data
    family = data[1]
    if family == _AF_INET and len(data) >= 8:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), int.from_bytes(data[2:4], "big")
    if family == _AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), int.from_bytes(data[2:4], "big")
    if family == _AF_UNIX:
        return os.fsdecode(data[2:].partition(b"\0")[0])
    return family, data[2:]


@functools.cache
def _layout(kind: Kind) -> tuple[int, tuple[tuple[str, int, struct.Struct], ...]]:
    from lsf import _structs

    name, fields = _FIELDS[kind]
    return _structs.SIZES[name], tuple(
        (field, _structs.OFFSETS[f"{name}.{member}"], struct.Struct("<" + form)) for field, member, form in fields
    )


def _record(kind: Kind, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, offset, form in _layout(kind)[1]:
        value: Any = form.unpack_from(data, offset)
        value = value[0] if len(value) == 1 else value
        if field == "flags" and kind in _FLAGS_WITHIN:
            value = scalar(_FLAGS_WITHIN[kind], value)
        elif field in _WORDS_WITHIN:
            value = scalar(_WORDS_WITHIN[field], value)
        elif field == "mask":
            value = _sigset(value)
        elif isinstance(value, bytes):
            value = os.fsdecode(value.partition(b"\0")[0])
        found[field] = value
    return found


def _wait_status(status: int) -> Word:
    if status == signals.CONTINUED:
        text = "CONTINUED"
    elif status & 0x7F == 0:
        text = f"EXITED,val={status >> 8 & 0xFF}"
    elif status & 0x7F == signals.WSTOPPED:
        text = f"STOPPED,sig={signals.name(status >> 8 & 0xFF)}"
    else:
        text = f"SIGNALED,sig={signals.name(status & 0x7F)}{',cored' if status & 0x80 else ''}"
    return Word(status, f"{{ {text} }}")


def _count(call: Syscall, argument: Argument, raw: tuple[int, ...], read: Read) -> int:
    """How many elements, or bytes, an argument leads to."""
    size = decode.argument_size(call, argument)
    if size == decode.NO_SIZE:
        return 1
    if size & decode.SIZE_IS_CONSTANT:
        return size - decode.SIZE_IS_CONSTANT
    index = size & ~decode.SIZE_IS_POINTED_TO
    if size & decode.SIZE_IS_POINTED_TO:
        width = 4 if decode.argument_kind(call, call.arguments[index]) is Kind.INTP else 8
        return int.from_bytes(read(raw[index], width), "little") if raw[index] else 0
    return raw[index]


def _behind(kind: Kind, address: int, count: int, read: Read) -> Any:
    """What a pointer leads to."""
    if kind is Kind.STR:
        return string(read, address)
    if kind is Kind.STRS:
        return _strings(read, address)
    if kind is Kind.BUF:
        data = read(address, min(count, BUFFER_MAX))
        return data if data or not count else Address(address)
    if kind is Kind.SIGSET:
        data = read(address, 16)
        return _sigset(data) if len(data) == 16 else Address(address)
    if kind is Kind.SOCKADDR:
        return _sockaddr(read(address, min(count, 128))) or Address(address)
    if kind is Kind.WAIT_STATUS:
        data = read(address, 4)
        return _wait_status(int.from_bytes(data, "little")) if len(data) == 4 else Address(address)
    if kind in _NUMBERS:
        width = struct.calcsize("<" + _NUMBERS[kind])
        size = 4 * count if kind is Kind.OID else width * min(count, ELEMENTS_MAX)
        data = read(address, min(size, BUFFER_MAX))
        numbers = struct.unpack(f"<{len(data) // width}{_NUMBERS[kind]}", data[: len(data) // width * width])
        return (numbers if kind is Kind.OID or count != 1 else numbers[0]) if numbers else Address(address)
    if kind in _TIMES:
        words = _TIMES[kind] * (count if kind in (Kind.TIMESPEC, Kind.TIMEVAL) and count == 2 else 1)
        data = read(address, 8 * words)
        if len(data) < 8 * words:
            return Address(address)
        numbers = struct.unpack(f"<{words}q", data)
        return numbers if words == 2 else (numbers[:2], numbers[2:])
    if kind is Kind.FDSET:
        bits = int.from_bytes(read(address, (min(count, ELEMENTS_MAX) + 63) // 64 * 8), "little")
        return frozenset(fd for fd in range(min(count, ELEMENTS_MAX)) if bits >> fd & 1)
    if kind in _FIELDS:
        size = _layout(kind)[0]
        wanted = min(count, ELEMENTS_MAX) if kind in _ARRAYS else 1
        data = read(address, size * wanted)
        rows = [_record(kind, data[at : at + size]) for at in range(0, len(data) - size + 1, size)]
        return rows if kind in _ARRAYS else rows[0] if rows else Address(address)
    return Address(address)


def shown(call: Syscall, raw: tuple[int, ...]) -> int:
    """How many of its arguments a call has: the mode of an open and the argument of a question are not there."""
    number = len(call.arguments)
    if call.name in ("open", "openat") and not raw[number - 2] & _O_CREAT:
        return number - 1
    if call.name == "fcntl" and str(scalar(Kind.FCNTL_CMD, raw[1])) in ("F_GETFD", "F_GETFL", "F_GETOWN"):
        return number - 1
    return number


def _by_another(kind: Kind, decides: int, value: int) -> int:
    """An argument whose meaning the second one decides: the command of fcntl, the level of a socket option."""
    if kind is Kind.SOCKOPT_NAME:
        return scalar(Kind.SO_OPTION if decides & 0xFFFFFFFF == _SOL_SOCKET else Kind.INT, value)
    command = str(scalar(Kind.FCNTL_CMD, decides))
    if command == "F_SETFD" and value == 1:
        return Word(1, "FD_CLOEXEC")
    if command == "F_SETFL":
        return scalar(Kind.OPEN_FLAGS, value)
    return signed(value, 32) if command.startswith("F_DUP") else Address(value)


def arguments(call: Syscall, raw: tuple[int, ...], read: Read, result: int | None = None) -> dict[str, Any]:
    """The arguments by name. result: that of the call, where it is over and has succeeded; what a call writes is
    decoded then, and is an address before."""
    found: dict[str, Any] = {}
    for argument, value in zip(call.arguments[: shown(call, raw)], raw, strict=False):
        kind = decode.argument_kind(call, argument)
        if kind in (Kind.FCNTL_ARG, Kind.SOCKOPT_NAME):
            found[argument.name] = _by_another(kind, raw[1], value)
        elif not argument.is_pointer:
            found[argument.name] = scalar(kind, value)
        elif not value or not argument.direction or (argument.direction == "out" and result is None):
            found[argument.name] = Address(value)
        else:
            count = raw[0] if kind is Kind.FDSET else _count(call, argument, raw, read)
            if (
                result is not None
                and argument.direction == "out"
                and kind in (Kind.BUF, Kind.KEVENT, Kind.KEVENT11)
                and call.result in ("ssize_t", "int")
                and 0 <= result < count
            ):
                count = result  # so many were written
            found[argument.name] = _behind(kind, value, count, read)
    return found


def result(call: Syscall, value: int) -> int | None:
    """What a call returned, as its type says; None for one that returns nothing."""
    kind = decode.result_kind(call) if call.result else Kind.LONG
    return None if kind is Kind.NONE else scalar(kind, value)


# ------------------------------------------------------------------ text

_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '"', 92: "\\\\"}


def _quoted(data: bytes, most: int) -> str:
    text = "".join(_ESCAPES.get(c) or (chr(c) if 32 <= c < 127 else f"\\{c:03o}") for c in data[:most])
    return f'"{text}"' + ("..." if len(data) > most else "")


def text(value: Any, most: int = 32) -> str:
    """A decoded value as truss writes it, or nearly so. most: characters of a buffer that are shown."""
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(ord(c), c) if c in "\a\b\t\n\v\f\r\\" else c for c in value) + '"'
    if isinstance(value, bytes):
        return _quoted(value, most)
    if isinstance(value, dict):
        return "{ " + ",".join(f"{name}={text(one, most)}" for name, one in value.items()) + " }"
    if isinstance(value, frozenset):
        if len(value) > 64 and all(isinstance(one, Word) for one in value):
            missing = [row.name for row in signals.TABLE if row.number not in value]
            return "~{ " + "|".join(missing) + (" }" if missing else "}")
        return "{ " + "|".join(text(one, most) for one in sorted(value)) + " }"
    if isinstance(value, list):
        return "[ " + ", ".join(text(one, most) for one in value) + " ]"
    if isinstance(value, tuple):
        return "{ " + ",".join(text(one, most) for one in value) + " }"
    return "NULL" if value is None else str(value)


def error_text(number: int) -> str:
    return f"ERR#{number} '{errno.strerror(number)}'"

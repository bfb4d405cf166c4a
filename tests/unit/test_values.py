"""The decoder of arguments and results for Python (lsf/api/values.py), on memory that the tests make."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf._structs import SIZES
from lsf.api import values
from lsf.freebsd.tables import decode, table
from lsf.freebsd.tables.decode import Kind

BASE = 0x1000


def memory(data: bytes, base: int = BASE):
    """A guest that has this at `base`, and nothing else."""

    def read(address: int, size: int) -> bytes:
        return data[address - base : address - base + size] if base <= address < base + len(data) else b""

    return read


NOTHING = memory(b"")


def arguments(name: str, *raw: int, read=NOTHING, result: int | None = None) -> dict:
    call = table.by_name()[name]
    return values.arguments(call, (*raw, *[0] * (8 - len(raw))), read, result)


@pytest.mark.parametrize(
    ("kind", "raw", "value", "text"),
    [
        (Kind.INT, 0xFFFFFFFF, -1, "-1"), (Kind.FD, 0xABC00000003, 3, "3"),
        (Kind.UINT, 2**64 - 1, 2**32 - 1, "4294967295"),
        (Kind.LONG, 2**64 - 5, -5, "-5"), (Kind.ULONG, 2**64 - 5, 2**64 - 5, "18446744073709551611"),
        (Kind.OCT, 0o644, 0o644, "0644"), (Kind.ATFD, 2**64 - 100, -100, "AT_FDCWD"), (Kind.SIGNAL, 30, 30, "SIGUSR1"),
        (Kind.SIGNAL, 0, 0, "0"), (Kind.PTR, 0x7FFF, 0x7FFF, "0x7fff"),
        (Kind.OPEN_FLAGS, 0x601, 0x601, "O_WRONLY|O_CREAT|O_TRUNC"),
        (Kind.PROT, 0, 0, "PROT_NONE"), (Kind.PROT, 3, 3, "PROT_READ|PROT_WRITE"),
        (Kind.MMAP_FLAGS, 0x0C001002, 0x0C001002, "MAP_ALIGNED(12)|MAP_PRIVATE|MAP_ANON"),
        (Kind.MMAP_FLAGS, 0x01001000, 0x01001000, "MAP_ALIGNED_SUPER|MAP_ANON"), (Kind.WHENCE, 2, 2, "SEEK_END"),
        (Kind.IOCTL, 0x402C7413, 0x402C7413, "TIOCGETA"), (Kind.CLOCK, 4, 4, "CLOCK_MONOTONIC"),
    ],
)  # fmt: skip
def test_scalars(kind, raw, value, text):
    found = values.scalar(kind, raw)
    assert (found, values.text(found)) == (value, text)


@pytest.mark.parametrize("raw", [0, 1, BASE, 2**64 - 1])
@pytest.mark.parametrize("read", [NOTHING, memory(b"\0" * 4096), memory(bytes(range(256)) * 16)])
def test_every_call_is_decoded(raw, read):
    """Whatever the arguments are, and with any memory behind them."""
    for call in (call for call in table.load() if call.result):
        for result in (None, 0, 5):
            found = values.arguments(call, (raw,) * 8, read, result)
            assert list(found) == [argument.name for argument in call.arguments][: len(found)]
            assert all(isinstance(values.text(value), str) for value in found.values())
        assert values.result(call, raw) is None or isinstance(values.result(call, raw), int)


def test_kinds_have_a_form():
    """A pointer with a direction is more than a number, save those that are named here."""
    plain = {Kind.PTR, Kind.STATFS11, Kind.RLIMITP}
    seen = {decode.argument_kind(call, one) for call in table.load() for one in call.arguments if one.direction}
    for kind in seen - plain:
        found = values._behind(kind, BASE, 1, memory(b"\2" * 4096))
        assert not isinstance(found, values.Address), kind


def test_strings():
    read = memory(b"one\0two words\0" + b"x" * 6000)
    assert values.string(read, BASE) == "one"
    assert values.string(read, BASE + 4) == "two words"
    assert values.string(read, BASE + 14) == "x" * values.STRING_MAX
    assert values.string(read, BASE - 1) == BASE - 1
    assert os.fsencode(values.string(memory(b"\xff\x80\0"), BASE)) == b"\xff\x80"
    assert values.string(memory(b"cut"), BASE) == BASE


@given(st.binary(max_size=600).filter(lambda data: 0 not in data), st.integers(0, 4096))
def test_any_string(data, offset):
    assert os.fsencode(values.string(memory(data + b"\0rest", BASE + offset), BASE + offset)) == data


def test_arguments_of_open():
    read = memory(b"/etc/passwd\0")
    assert arguments("open", BASE, 0, 0o777, read=read) == {"path": "/etc/passwd", "flags": 0}
    found = arguments("open", BASE, 0x200, 0o644, read=read)
    assert [values.text(value) for value in found.values()] == ['"/etc/passwd"', "O_RDONLY|O_CREAT", "0644"]
    assert values.text(arguments("open", 8, 0)["path"]) == "0x8"


def test_buffers_before_and_after():
    read = memory(b"hello, world")
    assert arguments("write", 1, BASE, 5, read=read)["buf"] == b"hello"
    assert arguments("read", 0, BASE, 12, read=read)["buf"] == BASE
    assert arguments("read", 0, BASE, 12, read=read, result=4)["buf"] == b"hell"
    assert arguments("read", 0, BASE, 12, read=read, result=0)["buf"] == b""
    assert arguments("write", 1, 99, 5, read=read)["buf"] == 99


def test_structs():
    stat = bytearray(SIZES["freebsd_stat"])
    struct.pack_into("<QQQH", stat, 0, 1, 2, 3, 0o100644)
    struct.pack_into("<q", stat, 112, 12345)
    found = arguments("fstat", 3, BASE, read=memory(bytes(stat)), result=0)["sb"]
    assert (found["ino"], found["nlink"], found["size"], str(found["mode"])) == (2, 3, 12345, "0100644")
    assert arguments("fstat", 3, BASE, read=memory(bytes(stat[:-1])), result=0)["sb"] == BASE
    times = memory(struct.pack("<4q", 1, 2, 3, 4))
    assert arguments("nanosleep", BASE, 0, read=times) == {"rqtp": (1, 2), "rmtp": 0}
    assert arguments("setitimer", 0, BASE, 0, read=times)["itv"] == ((1, 2), (3, 4))
    status = arguments("wait4", 5, BASE, 0, 0, read=memory(struct.pack("<i", 3 << 8)), result=5)["status"]
    assert (status, str(status)) == (3 << 8, "{ EXITED,val=3 }")
    polled = arguments("poll", BASE, 2, 0, read=memory(struct.pack("<iHHiHH", 3, 1, 0, -1, 4, 0)), result=0)["fds"]
    assert [(one["fd"], str(one["events"])) for one in polled] == [(3, "POLLIN"), (-1, "POLLOUT")]


def test_sockets():
    inet = memory(struct.pack(">BBH4s8x", 16, 2, 80, bytes([127, 0, 0, 1])))
    assert arguments("connect", 3, BASE, 16, read=inet)["name"] == ("127.0.0.1", 80)
    inet6 = memory(struct.pack(">BBHI16sI", 28, 28, 443, 0, b"\0" * 15 + b"\1", 0))
    assert arguments("connect", 3, BASE, 28, read=inet6)["name"] == ("::1", 443)
    assert arguments("connect", 3, BASE, 10, read=memory(b"\x0a\x01/tmp/x\0\0"))["name"] == "/tmp/x"
    option = arguments("setsockopt", 3, 0xFFFF, 4, 0, 0)
    assert (str(option["level"]), str(option["name"])) == ("SOL_SOCKET", "SO_REUSEADDR")


def test_text_of_bytes():
    assert values.text(b'a"\n\x00\xff') == '"a"\\n\\000\\377"'
    assert values.text(b"x" * 40) == '"' + "x" * 32 + '"...'
    assert values.text('a "quoted"\n') == '"a "quoted"\\n"'
    assert values.text({"a": 1, "b": (2, 3)}) == "{ a=1,b={ 2,3 } }"
    assert values.text(None) == "NULL"


def test_text_of_signal_sets():
    def text(bits: int) -> str:
        mask = memory(bits.to_bytes(16, "little"))
        return values.text(arguments("sigprocmask", 1, BASE, 0, read=mask)["set"])

    assert text(1 | 1 << 29) == "{ SIGHUP|SIGUSR1 }"
    assert text((1 << 128) - 1) == "~{ }"
    assert text((1 << 128) - 1 - (1 << 8)) == "~{ SIGKILL }"

"""Memory, limits, clocks and sysctl, called in-process: what must hold for any argument."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsf._shim import call
from lsf.freebsd.tables import errno, sysctls, table

NUMBER = {row.name: row.number for row in table.load()}
PAGE = 4096
ANON, PRIVATE, SHARED, FIXED, GUARD, STACK, EXCL = 0x1000, 0x2, 0x1, 0x10, 0x2000, 0x400, 0x4000
LOW, HIGH = 0x6FFFF0000000, 0x700030800000
LEAVES = [row for row in sysctls.TABLE if not row.is_node and row.name.partition(".")[0] != "sysctl"]


def run(name, *arguments):
    """(errno's name or '', value)"""
    error, value, _ = call(NUMBER[name], *arguments)
    return errno.BY_NUMBER[error].name if error else "", value


def sysctl(oid, size, new=b"", space=None):
    """(errno's name, what came back)"""
    buffer = bytearray(size)
    length = bytearray(struct.pack("<Q", size))
    mib = bytearray(struct.pack(f"<{len(oid)}i", *oid))
    error, _ = run("__sysctl", mib, len(oid), buffer if size else 0, length, bytearray(new) if new else 0, len(new))
    return error, bytes(buffer[: struct.unpack("<Q", length)[0]])


# --- sysctl


@given(st.sampled_from(sysctls.TABLE))
def test_names_and_numbers(row):
    numbers = sysctls.numbers(row.name)
    packed = struct.pack(f"<{len(numbers)}i", *numbers)
    if row.name.endswith("."):  # the number of the node, to which a dot at the end says nothing
        packed = packed[:-4]
    assert sysctl((0, 3), 96, row.name.encode()) == ("", packed)
    assert sysctl((0, 1, *numbers), 1024) == ("", row.name.encode() + b"\0")
    error, answer = sysctl((0, 4, *numbers), 1024)
    if row.is_node and len(numbers) == 1 and not row.function:
        assert error == ""
    assert error == "" and struct.unpack_from("<I", answer)[0] == row.kind & ~sysctls.CTLFLAG_GUESTS
    assert answer[4:] == row.format.encode() + b"\0"


@given(st.text(st.sampled_from("kernhw.osty_x0"), max_size=24))
def test_a_name_that_is_not_there(text):
    stripped = text.removesuffix(".")
    if text and stripped not in sysctls.BY_NAME:
        assert sysctl((0, 3), 96, text.encode())[0] == "ENOENT"


CONSTANT = [row for row in LEAVES if row.how == "="]


@given(st.sampled_from(CONSTANT), st.integers(0, 80))
def test_a_short_buffer(row, size):
    """What fits is there, the rest is ENOMEM, and without a buffer there is the length."""
    if row.function == "string":
        whole = row.text.encode().decode("unicode_escape").encode() + b"\0"
    else:
        whole = struct.pack({1: "<B", 4: "<i", 8: "<q"}[sysctls.SIZES[row.format.partition(",")[0]]], row.value)
    numbers = sysctls.numbers(row.name)
    error, answer = sysctl(numbers, size)
    if size == 0:
        assert error == ""
    else:
        assert error == ("ENOMEM" if size < len(whole) else "")
        assert answer == whole[:size]


@given(st.lists(st.integers(0, 600), min_size=2, max_size=6))
def test_any_number(oid):
    """Never anything but what kern_sysctl.c can answer."""
    if oid[0] == 0:
        return
    error, _ = sysctl(tuple(oid), 4096)
    assert error in ("", "ENOENT", "ENOTDIR", "EISDIR", "EINVAL", "ESRCH", "ENOMEM", "EPERM")


@given(st.sampled_from([row for row in LEAVES if not row.kind & (sysctls.CTLFLAG_ANYBODY | sysctls.CTLFLAG_GUESTS)]))
def test_nothing_can_be_written(row):
    assert sysctl(sysctls.numbers(row.name), 0, b"\0" * 8)[0] == "EPERM"


# --- memory


@settings(max_examples=200)
@given(
    length=st.one_of(st.integers(0, 1 << 22), st.integers(0, 1 << 64)),
    prot=st.sampled_from([0, 1, 3, 5, 7, 8, 0x30003, 0x10003, 0x80000000]),
    flags=st.lists(st.sampled_from([ANON, PRIVATE, SHARED, STACK, GUARD, EXCL, 0x80, 0x800, 0x20000, 0x40000])),
    align=st.sampled_from([0, 0, 1, 11, 12, 16, 21, 30, 63, 64, 255]),
    fd=st.sampled_from([-1, -1, -1, 999]),
    pos=st.sampled_from([0, 0, PAGE, 5]),
)
def test_mmap(length, prot, flags, align, fd, pos):
    word = align << 24
    for flag in flags:
        word |= flag
    error, value = run("mmap", 0, length, prot, word, fd, pos)
    if error:
        assert error in ("EINVAL", "ENOMEM", "EBADF", "ENOTSUP", "EOPNOTSUPP")
        return
    assert 0 < length < 1 << 47
    assert value % PAGE == 0 and not (value < HIGH and value + length > LOW)
    if align >= 12:
        assert value % (1 << align) == 0
    assert not (word & SHARED and word & PRIVATE) and not word & EXCL and prot & ~0x70007 == 0
    assert word & (ANON | STACK | GUARD) and fd == -1
    assert run("munmap", value, length) == ("", 0)
    assert run("mincore", value, PAGE, bytearray(1))[0] == "ENOMEM"


@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from(["munmap", "mprotect", "madvise", "minherit"]),
)
def test_the_shim_is_out_of_reach(offset, length, name):
    """Any range that touches the shim's is EINVAL."""
    start = LOW - PAGE + offset % (HIGH - LOW)
    length = PAGE + 1 + length % (1 << 30)
    assert run(name, start, length, 0)[0] == "EINVAL"


@given(st.integers(0, 12), st.integers(1, 12), st.data())
def test_maximum_protection(first, count, data):
    """mprotect may give a page what its mapping allows, and no more, after any cutting up."""
    size = 16 * PAGE
    error, base = run("mmap", 0, size, 3, ANON | PRIVATE, -1, 0)
    assert not error
    allowed = [7] * 16
    try:
        for _ in range(4):
            low = data.draw(st.integers(0, 15))
            high = data.draw(st.integers(low + 1, 16))
            most = data.draw(st.sampled_from([1, 3, 5, 7]))
            assert (
                run("mmap", base + low * PAGE, (high - low) * PAGE, 1 | most << 16, ANON | PRIVATE | FIXED, -1, 0)[0]
                == ""
            )
            allowed[low:high] = [most] * (high - low)
        last = min(16, first + count)
        for prot in (1, 3, 5, 7):
            error, _ = run("mprotect", base + first * PAGE, (last - first) * PAGE, prot)
            assert error == ("" if all(prot & ~page == 0 for page in allowed[first:last]) else "EACCES"), (
                allowed,
                prot,
            )
    finally:
        assert run("munmap", base, size)[0] == ""


# --- clocks and limits

KNOWN_CLOCKS = {0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}


@given(st.integers(0, 64))
def test_clocks(number):
    now = bytearray(16)
    error, _ = run("clock_gettime", number, now)
    assert error == ("" if number in KNOWN_CLOCKS else "EINVAL")
    if not error:
        seconds, nanoseconds = struct.unpack("<qq", now)
        assert seconds >= 0 and 0 <= nanoseconds < 10**9


@given(st.integers(-(2**31), -1))
def test_clocks_of_nobody(number):
    """A negative clock is some process's or thread's; of one that is not there it is EINVAL, never a crash."""
    assert run("clock_gettime", number, bytearray(16))[0] in ("", "EINVAL")


@pytest.mark.parametrize("which", range(16))
def test_limits(which):
    limit = bytearray(16)
    assert run("getrlimit", which, limit) == ("", 0)
    current, most = struct.unpack("<qq", limit)
    assert 0 <= current <= most
    assert run("setrlimit", which, limit) == ("", 0)


@given(st.integers(16, 2**32 - 1))
def test_no_such_limit(which):
    assert run("getrlimit", which, bytearray(16))[0] == "EINVAL"


@given(st.integers(-5, 2**31 - 1))
def test_uuids_count(count):
    """Only 1 to 2048 at a time."""
    if not 1 <= count <= 2048:
        assert run("uuidgen", bytearray(16), count)[0] == "EINVAL"

"""Flag words and choices: the headers' values, and walks that lead back."""

from __future__ import annotations

import fcntl
import os
import socket

import constants
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf.freebsd.tables import flags

GROUPS = [*flags.WORDS, *flags.CHOICES]
ROWS = [row for group in GROUPS for row in group.rows if row.name]

FREEBSD_HEADERS = [
    *("sys/types.h", "fcntl.h", "sys/mman.h", "sys/socket.h", "sys/un.h", "sys/wait.h", "time.h", "sys/resource.h"),
    *("poll.h", "signal.h", "sys/stat.h", "sys/mount.h", "netinet/in.h", "netinet/tcp.h", "sched.h", "sys/eventfd.h"),
    *("sys/timerfd.h", "sys/file.h", "unistd.h"),
]
LINUX_HEADERS = [
    *("fcntl.h", "sys/mman.h", "sys/socket.h", "sys/wait.h", "time.h", "sys/resource.h", "poll.h", "signal.h"),
    *("sys/stat.h", "netinet/in.h", "netinet/tcp.h", "sched.h", "sys/eventfd.h", "sys/timerfd.h", "sys/statvfs.h"),
    *("linux/fs.h", "asm/socket.h"),
]


def test_constants_are_those_of_freebsd():
    rows = [(row.name, row.freebsd) for row in ROWS]
    assert len(rows) > 300
    later = {row.name for row in ROWS if row.since} | flags.LATER
    constants.check_freebsd("FreeBSD's flags", FREEBSD_HEADERS, [*rows, *flags.CONSTANTS], later)


def test_constants_are_those_of_linux():
    rows = [(row.twin_name, row.linux) for row in ROWS if row.linux is not None]
    assert len(rows) > 200
    # newer than some glibc's headers
    constants.check_linux("Linux's flags", LINUX_HEADERS, rows, {"MADV_COLD", "ST_NOSYMFOLLOW"})


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_rows(group):
    """No two rows are one; two rows share a Linux number only where all but one are one-way, or nothing comes back."""
    names = [row.name for row in group.rows]
    assert len(set(names)) == len(names)
    if isinstance(group, flags.Word):
        assert all(not row.freebsd & other.freebsd for row in group.bits for other in group.bits if row is not other)
        assert all(bin(row.freebsd).count("1") == 1 for row in group.bits)
        assert not any(row.freebsd & field.freebsd_mask for row in group.bits for field in group.fields)
        returning = group.bits if group.returns else ()
    else:
        assert len({row.freebsd for row in group.rows}) == len(names)
        returning = group.rows
    back = [row.linux for row in returning if row.linux is not None and not row.one_way]
    assert len(set(back)) == len(back)
    assert not any(row.ignored and row.linux is not None for row in group.rows)


def words(returning: bool = False):
    return st.sampled_from([word for word in flags.WORDS if word.returns or not returning])


@given(st.data())
def test_words_there_and_back(data):
    """What has a twin of its own survives the way to Linux and back."""
    word = data.draw(words(returning=True))
    bits = [row for row in word.bits if row.linux and not row.one_way]
    chosen = data.draw(st.lists(st.sampled_from(bits), unique=True))
    value = sum(row.freebsd for row in chosen)
    linux = 0
    for row in chosen:
        linux |= row.linux
    for field in word.fields:
        row = data.draw(st.sampled_from(field.rows))
        value |= row.freebsd
        linux |= row.linux
    assert flags.walk_word(word, value) == linux
    if any(row.linux & other.linux for row in chosen for other in chosen if row is not other):
        # O_SYNC contains O_DSYNC on Linux: the smaller one is not told apart, and nothing else is lost.
        assert word.name == "open_flags"
        assert flags.walk_word(word, linux, from_linux=True) | 0x1000000 == value | 0x1000000
    else:
        assert flags.walk_word(word, linux, from_linux=True) == value


@given(words(), st.integers(0, 0xFFFFFFFF))
def test_strict_words_refuse_and_others_drop(word, value):
    known = 0
    for row in word.bits:
        known |= row.freebsd if row.linux is not None or row.ignored else 0
    for field in word.fields:
        known |= field.freebsd_mask
    result = flags.walk_word(word, value)
    if value & ~known:
        if word.strict:
            assert result == flags.UNKNOWN
        else:
            assert result == flags.walk_word(word, value & known)
    elif not word.fields:
        assert result >= 0


@given(st.data())
def test_choices_there_and_back(data):
    choice = data.draw(st.sampled_from(flags.CHOICES))
    row = data.draw(st.sampled_from(choice.rows))
    linux = flags.walk_choice(choice, row.freebsd)
    if row.linux is None:
        assert linux == flags.NO_TWIN
    else:
        assert linux == row.linux
        back = flags.walk_choice(choice, linux, from_linux=True)
        assert (back == row.freebsd) == (not row.one_way)
        assert back in {other.freebsd for other in choice.rows if other.linux == linux}


@given(st.sampled_from(flags.CHOICES), st.integers(-10, 0x12000))
def test_unknown_choices(choice, value):
    if value not in {row.freebsd for row in choice.rows}:
        assert flags.walk_choice(choice, value) == flags.UNKNOWN
    if value not in {row.linux for row in choice.rows}:
        assert flags.walk_choice(choice, value, from_linux=True) == flags.UNKNOWN


def test_examples():
    """A few by hand, with Python's own idea of Linux."""
    assert flags.to_linux("open_flags", 0x601) == os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    assert flags.to_linux("open_flags", 0x80) == os.O_SYNC
    assert flags.from_linux("open_flags", os.O_SYNC) == 0x80
    assert flags.from_linux("open_flags", os.O_DSYNC) == 0x1000000
    assert flags.to_linux("open_flags", 0x10 | 0x80000000) == os.O_RDONLY
    assert flags.to_linux("at_flags", 0x200) == 0x100
    assert flags.to_linux("at_flags", 0x2000) == flags.UNKNOWN
    assert flags.to_linux("at_flags", 1) == flags.UNKNOWN
    assert flags.to_linux("msync_flags", 0) == 4
    assert flags.to_linux("msync_flags", 1) == 1
    assert flags.from_linux("msync_flags", 4 | 2) == 2
    assert flags.to_linux("socket_type", 0x10000000 | 1) == socket.SOCK_STREAM | socket.SOCK_CLOEXEC
    assert flags.to_linux("socket_type", 9) == flags.UNKNOWN
    assert flags.to_linux("fcntl_cmd", 12) == fcntl.F_SETLK
    assert flags.to_linux("fcntl_cmd", 10) == flags.NO_TWIN
    assert flags.to_linux("fcntl_cmd", 99) == flags.UNKNOWN
    assert flags.to_linux("address_family", 28) == socket.AF_INET6
    assert flags.to_linux("address_family", 44) == flags.NO_TWIN, "AF_DIVERT"
    assert flags.to_linux("so_option", 0x1007) == socket.SO_ERROR
    assert flags.to_linux("madvice", 4) == 20, "FreeBSD's MADV_DONTNEED keeps the contents"
    assert flags.from_linux("clock", 1) == 4

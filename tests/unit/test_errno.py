"""The table of errors: complete, the same as both systems' headers, and two-way wherever it says so."""

from __future__ import annotations

import errno as linux_errno
import subprocess
import sys

import constants
import harness
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf.freebsd.tables import errno

LAST = 97  # ELAST of sys/errno.h


def test_there_is_no_hole():
    assert [row.number for row in errno.TABLE] == list(range(1, LAST + 1))
    assert len({row.name for row in errno.TABLE}) == LAST
    assert len({row.text for row in errno.TABLE}) == LAST


def test_names_and_numbers_are_those_of_freebsd():
    rows = [(row.name, row.number) for row in errno.TABLE]
    rows += [(alias, errno.NUMBER[alias]) for alias in errno.ALIASES]
    # the headers hide the last ones from programs
    constants.check_freebsd("FreeBSD's errno numbers", ["sys/errno.h"], [("ELAST", LAST), *rows])


def test_texts_are_those_of_libc():
    """FreeBSD's own libc holds the texts as strings: those of its release, so every root is asked."""
    harness.root_with("lib/libc.so.7", covers="texts of strerror")
    strings = set()
    for root in harness.roots():
        libc = root / "lib/libc.so.7"
        if libc.exists():
            strings.update(libc.read_bytes().split(b"\0"))
    newer = {"Integrity check failed"} if b"Integrity check failed" not in strings else set()
    wrong = [row.text for row in errno.TABLE if row.text.encode() not in strings and row.text not in newer]
    assert not wrong


LINUX_NAMES = {"ENOATTR": "ENODATA", "EINTEGRITY": "EUCLEAN"}


@pytest.mark.parametrize("row", errno.TABLE, ids=lambda row: row.name)
def test_twin(row):
    """A row leads to the Linux errno of its name, or says why not, and back again."""
    if row.lossy:
        assert errno.from_linux(row.linux) != row.number, "the way back is fine, so nothing is lossy"
        assert row.name not in linux_errno.errorcode.values()
    else:
        assert row.linux == getattr(linux_errno, LINUX_NAMES.get(row.name, row.name))
        assert errno.from_linux(row.linux) == row.number
    assert errno.to_linux(row.number) == row.linux


@pytest.mark.parametrize("number", sorted(linux_errno.errorcode))
def test_every_linux_errno_becomes_one_of_freebsd(number):
    name, translated = linux_errno.errorcode[number], errno.from_linux(number)
    assert translated in errno.BY_NUMBER
    # A name that both systems have means the same.
    if name in errno.NUMBER:
        assert translated == errno.NUMBER[name]
    elif translated == errno.UNKNOWN:
        assert number not in {row.linux for row in errno.TABLE}


def test_linux_only_rows():
    visible = [(name, number) for number, name, *_ in errno.LINUX_ONLY if number < errno.ERESTARTSYS]
    constants.check_linux("Linux's errno numbers", ["errno.h"], visible)
    for number, name, twin, reason in errno.LINUX_ONLY:
        assert errno.from_linux(number) == errno.NUMBER[twin]
        assert name not in errno.NUMBER
        assert reason
    assert [number for number, *_ in errno.LINUX_ONLY] == sorted({number for number, *_ in errno.LINUX_ONLY})


@given(st.integers(0, 4095))
def test_raw_errors(raw):
    number = errno.from_raw(raw)
    if raw == errno.NO_ERROR:
        assert number == 0
    else:
        assert number in errno.BY_NUMBER
    if raw > errno.FREEBSD_ERRNO and raw <= errno.FREEBSD_ERRNO + LAST:
        assert number == raw - errno.FREEBSD_ERRNO
    # No Linux errno lies where FreeBSD's are.
    assert not linux_errno.errorcode.get(raw) or raw < errno.NO_ERROR


def test_the_ones_that_are_easily_mistaken():
    assert errno.from_linux(linux_errno.EAGAIN) == 35
    assert errno.from_linux(linux_errno.EDEADLK) == 11
    assert errno.from_linux(linux_errno.ELOOP) == 62
    assert errno.from_linux(linux_errno.ENOSYS) == 78
    assert errno.from_raw(errno.ERESTARTSYS) == errno.NUMBER["EINTR"]
    assert errno.from_raw(errno.FREEBSD_ERRNO + errno.NUMBER["EFTYPE"]) == 79
    assert errno.from_linux(4000) == errno.UNKNOWN == linux_errno.EINVAL


def test_names_and_texts_of_what_is_unknown():
    assert (errno.name(2), errno.name(0), errno.name(98)) == ("ENOENT", "0", "98")
    assert errno.strerror(2) == "No such file or directory"
    assert errno.strerror(0) == "No error: 0"
    assert errno.strerror(98) == "Unknown error: 98"


def test_nothing_else_is_imported():
    """The launcher may import the table; it must stay light."""
    done = subprocess.run(
        [sys.executable, "-c", "import lsf.freebsd.tables.errno, sys; print('ctypes' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"

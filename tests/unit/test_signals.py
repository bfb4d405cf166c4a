"""Signals, their carriers, the codes of siginfo, and wait statuses."""

from __future__ import annotations

import os
import signal as linux

import constants
import harness
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf.freebsd.tables import signals

TWINS = [row for row in signals.TABLE if row.linux]


def test_there_is_no_hole():
    numbers = [row.number for row in signals.TABLE]
    assert numbers == [*range(1, 34), *range(65, 127)]
    assert len({row.name for row in signals.TABLE}) == len(numbers)


def test_numbers_are_those_of_freebsd():
    rows = [(name, row.number) for name, row in signals.BY_NAME.items() if row.number < signals.SIGRTMIN]
    rows += [("SIGRTMIN", signals.SIGRTMIN), ("SIGRTMAX", signals.SIGRTMAX)]
    constants.check_freebsd("FreeBSD's signals", ["signal.h"], rows)


@pytest.mark.parametrize("row", [row for row in signals.TABLE if row.number < 32], ids=lambda row: row.name)
def test_twin_has_the_same_name(row):
    expected = getattr(linux.Signals, row.name, None)
    if expected is None:
        assert row.name in ("SIGEMT", "SIGINFO")
        assert row.linux in range(34, 63)
    else:
        assert row.linux == expected


def test_carriers():
    """No two FreeBSD signals share a carrier; 63 and 64 are LSF's; as many real-time signals as fit have one."""
    carriers = [row.linux for row in TWINS]
    assert len(set(carriers)) == len(carriers)
    assert not {63, 64} & set(carriers)
    assert [signals.to_linux(number) for number in (7, 29, 32, 33, 65, 76, 77, 126)] == [34, 35, 32, 33, 51, 62, 0, 0]
    without = {number for number in range(1, 65) if number not in carriers}
    assert without == {63, 64} | {number for number, *_ in signals.LINUX_ONLY} | set(signals.QUEUED.values())


def test_queued():
    """A second number is a real-time one of Linux's, in FreeBSD's order, for signals that Linux keeps one of."""
    numbers = [linux for _, linux in sorted(signals.QUEUED.items())]
    assert numbers == sorted(set(numbers))
    assert all(32 <= number < 63 for number in numbers)
    assert all(signals.to_linux(number) < 32 for number in signals.QUEUED)
    assert not {signals.BY_NAME[name].number for name in ("SIGKILL", "SIGSTOP", "SIGCONT", "SIGTSTP")} & set(
        signals.QUEUED
    )
    assert [signals.from_linux(signals.to_queued(number)) for number in signals.QUEUED] == list(signals.QUEUED)
    assert signals.to_queued(9) == signals.to_queued(65) == 0


@pytest.mark.parametrize("row", TWINS, ids=lambda row: row.name)
def test_there_and_back(row):
    assert signals.from_linux(row.linux) == row.number


def test_linux_only():
    for number, name, twin, reason in signals.LINUX_ONLY:
        # Python does not list SIGSTKFLT before 3.11
        assert getattr(linux.Signals, name, number) == number
        assert signals.from_linux(number) == twin
        assert signals.to_linux(twin) != number
        assert signals.default(twin) == signals.TERMINATE, "Linux terminates without a core"
        assert reason


@given(st.integers(-5, 200))
def test_unknown_signals_have_no_twin(number):
    if number not in signals.BY_NUMBER:
        assert signals.to_linux(number) == 0
    if not 1 <= number <= 62:
        assert signals.from_linux(number) == 0


def test_defaults():
    """Those of FreeBSD's sigproptbl, which differs from Linux's for SIGIO, SIGXCPU and SIGXFSZ."""
    by = {kind: [row.name for row in signals.TABLE if row.default == kind] for kind in range(5)}
    core = ["SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGEMT", "SIGFPE", "SIGBUS", "SIGSEGV", "SIGSYS"]
    assert by[signals.CORE] == core
    assert by[signals.STOP] == ["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"]
    assert by[signals.CONTINUE] == ["SIGCONT"]
    assert by[signals.IGNORE] == ["SIGURG", "SIGCHLD", "SIGIO", "SIGWINCH", "SIGINFO"]
    assert signals.default(50) == signals.TERMINATE


def test_texts_are_those_of_libc():
    libc = harness.root_with("lib/libc.so.7", covers="texts of strsignal") / "lib/libc.so.7"
    strings = set(libc.read_bytes().split(b"\0"))
    assert not [row.text for row in signals.TABLE if row.number < 32 and row.text.encode() not in strings]


# --- siginfo


ALL_CODES = [(number, code) for number, codes in signals.CODES.items() for code in codes]


def test_codes_are_those_of_freebsd():
    rows = [(name, freebsd) for name, freebsd, _ in signals.SENDER_CODES]
    rows += [(code.name, code.freebsd) for _, code in ALL_CODES if code.freebsd and not code.lossy]
    assert len(rows) > 40
    constants.check_freebsd("FreeBSD's siginfo codes", ["signal.h"], rows)


def test_codes_are_those_of_linux():
    rows = [("SI_TKILL" if name == "SI_LWP" else name, number) for name, _, number in signals.SENDER_CODES]
    rows += [(name, number) for name, number, *_ in signals.SENDER_CODES_LINUX_ONLY]
    rows += [(code.name, code.linux) for _, code in ALL_CODES if code.linux]
    assert len(rows) > 50
    constants.check_linux("Linux's siginfo codes", ["asm/siginfo.h"], rows)


@pytest.mark.parametrize(("number", "code"), ALL_CODES, ids=lambda x: getattr(x, "name", None) or signals.name(x))
def test_code_there_and_back(number, code):
    carrier = signals.to_linux(number)
    if code.linux:
        assert signals.from_linux_code(carrier, code.linux) == (code.freebsd_signal or number, code.freebsd)
    if code.linux and not code.lossy:
        assert signals.to_linux_code(number, code.freebsd) == code.linux


@given(st.sampled_from(TWINS), st.sampled_from(signals.SENDER_CODES))
def test_sender_codes(row, sender):
    """Who sent a signal does not depend on its number, save that some traps come without a code of their own."""
    name, freebsd, number = sender
    traps = {signal for signal, codes in signals.CODES.items() if any(code.linux == 0x80 for code in codes)}
    if name == "SI_KERNEL" and row.number in traps:
        return
    assert signals.from_linux_code(row.linux, number) == (row.number, freebsd)
    assert signals.to_linux_code(row.number, freebsd) == number


def test_traps_that_freebsd_reports_otherwise():
    assert signals.from_linux_code(linux.SIGSEGV, 0x80) == (10, 3)  # a non-canonical address
    assert signals.from_linux_code(linux.SIGTRAP, 0x80) == (5, 1)  # int3
    assert signals.from_linux_code(linux.SIGILL, 2) == (4, 5)  # ud2
    assert signals.from_linux_code(linux.SIGFPE, 1) == (8, 2)  # division by zero
    assert signals.from_linux_code(linux.SIGBUS, 2) == (10, 3)  # behind the end of a mapped file
    assert signals.from_linux_code(linux.SIGSEGV, 77) == (11, signals.SI_NOINFO)


# --- wait


@given(st.integers(0, 255))
def test_exit_status(code):
    assert signals.from_linux_wait_status(code << 8) == code << 8


@given(st.sampled_from([row for row in TWINS if row.number < 33]), st.booleans())
def test_wait_status(row, core):
    """Python's os module reads Linux's form, which FreeBSD's is too, with other numbers."""
    killed = signals.from_linux_wait_status(row.linux | 0x80 * core)
    assert os.WIFSIGNALED(killed)
    assert os.WTERMSIG(killed) == row.number
    assert os.WCOREDUMP(killed) == core
    stopped = signals.from_linux_wait_status(row.linux << 8 | 0x7F)
    assert os.WIFSTOPPED(stopped)
    assert os.WSTOPSIG(stopped) == row.number


def test_wait_status_continued():
    """FreeBSD's WIFCONTINUED asks for 0x13."""
    assert os.WIFCONTINUED(0xFFFF)
    assert signals.from_linux_wait_status(0xFFFF) == 0x13

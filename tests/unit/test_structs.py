"""The converters of lsf/_structs.pxd: round trips and properties by hypothesis, samples with extremes, and real data.

A converter's whole output is compared, so what it forgets to zero or to copy shows: the Python face fills the target
with garbage first.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
import subprocess
import sys
import sysconfig
import termios
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lsf._structs import OFFSETS, SIZES, convert
from lsf.freebsd.tables import flags, signals

ROOT = Path(__file__).resolve().parents[2]
GARBAGE = 0xA5

libc = ctypes.CDLL(None, use_errno=True)

uint8 = st.integers(0, 2**8 - 1)
uint16 = st.integers(0, 2**16 - 1)
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)


def raw(name: str):
    """Any bytes of one struct, the extremes among them."""
    size = SIZES[name]
    return st.one_of(
        st.binary(min_size=size, max_size=size), st.sampled_from([bytes(size), b"\xff" * size, b"\x80" * size])
    )


def take(data: bytes, name: str, member: str) -> bytes:
    offset = OFFSETS[f"{name}.{member}"]
    return data[offset : offset + SIZES[f"{name}.{member}"]]


def number(data: bytes, name: str, member: str, signed: bool = False) -> int:
    return int.from_bytes(take(data, name, member), "little", signed=signed)


def pack(name: str, **members: int | bytes) -> bytes:
    """One struct; what is not named is 0. A number that does not fit is cut off, bytes may be too short."""
    data = bytearray(SIZES[name])
    for member, value in members.items():
        offset, size = OFFSETS[f"{name}.{member}"], SIZES[f"{name}.{member}"]
        if isinstance(value, int):
            value = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        assert len(value) <= size, f"{member}: {len(value)} bytes for {size}"
        data[offset : offset + len(value)] = value
    return bytes(data)


def timespec(seconds: int, nanoseconds: int) -> bytes:
    return struct.pack("<qq", seconds, nanoseconds)


# --- time --------------------------------------------------------------------------------------------------------------


@given(int64, int64)
def test_timespec(seconds, nanoseconds):
    data = timespec(seconds, nanoseconds)
    assert convert.freebsd_timespec_from_linux(data) == data
    assert convert.linux_timespec_from_freebsd(data) == data


@given(int64, st.integers(0, 999_999))
def test_timeval_round_trip(seconds, microseconds):
    timeval = struct.pack("<qq", seconds, microseconds)
    data = convert.freebsd_timespec_from_timeval(timeval)
    assert data == timespec(seconds, microseconds * 1000)
    assert convert.freebsd_timeval_from_timespec(data) == timeval


@given(int64, st.integers(0, 999_999_999))
def test_timeval_rounds_down(seconds, nanoseconds):
    result = convert.freebsd_timeval_from_timespec(timespec(seconds, nanoseconds))
    assert result == struct.pack("<qq", seconds, nanoseconds // 1000)


@given(int64, int64)
@example(0, -1)
@example(0, -2)
@example(0, -3)
@example(0, 999_999_999)
@example(0, 1_000_000_000)
@example(0, 0x3FFFFFFF)  # UTIME_NOW of Linux: no special value for FreeBSD
@example(0, 0x3FFFFFFE)
def test_utimens(seconds, nanoseconds):
    result, data = convert.linux_utimens_from_freebsd(timespec(seconds, nanoseconds))
    got = struct.unpack("<qq", data)
    if nanoseconds in (-1, -2):
        assert (result, got) == (0, (seconds, 0x3FFFFFFF + 1 + nanoseconds))
    elif 0 <= nanoseconds < 1_000_000_000:
        assert (result, got) == (0, (seconds, nanoseconds))
    else:
        assert result == -22


@given(int64, st.integers(0, 999_999_999))
def test_bintime(seconds, nanoseconds):
    got_seconds, fraction = struct.unpack("<qQ", convert.freebsd_bintime_from_timespec(timespec(seconds, nanoseconds)))
    assert got_seconds == seconds
    assert 0 <= (nanoseconds << 64) // 10**9 - fraction < 2**30  # the constant is 2^64 / 10^9 rounded down


# --- files -------------------------------------------------------------------------------------------------------------


@given(uint32, uint32)
@example(0xFFFFFFFF, 0xFFFFFFFF)
@example(8, 0xFFFFF)
@example(0x12345678, 0x9ABCDEF0)
def test_dev(major, minor):
    """major() and minor() mean the same on both sides; Linux's encoding is libc's, FreeBSD's is its MMMmmmMm."""
    linux = convert.linux_makedev(major, minor)
    assert (os.major(linux), os.minor(linux)) == (
        ctypes.c_int(major).value & 0xFFFFFFFF,
        ctypes.c_int(minor).value & 0xFFFFFFFF,
    )
    assert (convert.linux_major(linux), convert.linux_minor(linux)) == (major, minor)
    freebsd = convert.freebsd_makedev(major, minor)
    digits = f"{freebsd:016x}"
    assert digits[0:6] + digits[12:14] == f"{major:08x}"
    assert digits[8:12] + digits[6:8] + digits[14:16] == f"{minor:08x}"[0:4] + f"{minor:08x}"[4:6] + f"{minor:08x}"[6:8]
    assert (convert.freebsd_major(freebsd), convert.freebsd_minor(freebsd)) == (major, minor)
    assert convert.freebsd_dev_from_linux(linux) == freebsd
    assert convert.linux_dev_from_freebsd(freebsd) == linux


def test_small_device_numbers_look_as_they_always_did():
    assert convert.freebsd_makedev(5, 1) == 0x0501
    assert convert.freebsd_dev_from_linux(os.makedev(5, 1)) == 0x0501


NO_BIRTH = timespec(-1, 0)


def expected_stat(data: bytes) -> bytes:
    def of(member):
        return number(data, "linux_stat", member)

    return pack(
        "freebsd_stat",
        st_dev=convert.freebsd_dev_from_linux(of("st_dev")),
        st_ino=of("st_ino"),
        st_nlink=of("st_nlink"),
        st_mode=of("st_mode"),
        st_uid=of("st_uid"),
        st_gid=of("st_gid"),
        st_rdev=convert.freebsd_dev_from_linux(of("st_rdev")),
        st_atim=take(data, "linux_stat", "st_atim"),
        st_mtim=take(data, "linux_stat", "st_mtim"),
        st_ctim=take(data, "linux_stat", "st_ctim"),
        st_birthtim=NO_BIRTH,
        st_size=of("st_size"),
        st_blocks=of("st_blocks"),
        st_blksize=of("st_blksize"),
    )


@given(raw("linux_stat"))
def test_stat(data):
    assert convert.freebsd_stat_from_linux(data) == expected_stat(data)


STAT_MEMBERS = [
    "st_dev",
    "st_ino",
    "st_mode",
    "st_nlink",
    "st_uid",
    "st_gid",
    "st_rdev",
    "st_atim",
    "st_mtim",
    "st_ctim",
    "st_birthtim",
    "st_size",
    "st_blocks",
    "st_blksize",
    "st_flags",
    "st_gen",
]


def cut(source: str, data: bytes, target: str) -> bytes:
    """Member by member, numbers cut off at the top."""
    members = {}
    for member in STAT_MEMBERS:
        value = take(data, source, member)
        members[member] = value[: SIZES[f"{target}.{member}"]]
    return pack(target, **members)


@given(raw("freebsd_stat"))
def test_freebsd11_stat_cuts_off(data):
    assert convert.freebsd11_stat_from_freebsd(data) == cut("freebsd_stat", data, "freebsd11_stat")


@given(raw("freebsd_stat"))
def test_nstat_cuts_off(data):
    assert convert.freebsd_nstat_from_freebsd(data) == cut("freebsd_stat", data, "freebsd_nstat")


@given(raw("linux_stat"))
def test_freebsd11_stat_from_linux_goes_by_the_new_stat(data):
    new = convert.freebsd_stat_from_linux(data)
    assert convert.freebsd11_stat_from_linux(data) == convert.freebsd11_stat_from_freebsd(new)


def test_freebsd11_stat_extremes():
    data = pack("freebsd_stat", st_nlink=65536, st_ino=2**32 + 7, st_dev=convert.freebsd_makedev(8, 0x1234))
    old = convert.freebsd11_stat_from_freebsd(data)
    assert number(old, "freebsd11_stat", "st_nlink") == 0
    assert number(old, "freebsd11_stat", "st_ino") == 7
    assert number(old, "freebsd11_stat", "st_dev") == 0x0834


@given(raw("linux_statx"))
def test_statx(data):
    def of(member):
        return number(data, "linux_statx", member)

    def time(member):
        stamp = take(data, "linux_statx", member)
        return stamp[:8] + stamp[8:12] + bytes(4)

    def moment(member):
        return struct.unpack("<qI", take(data, "linux_statx", member)[:12])

    born = min("stx_btime", "stx_mtime", key=moment)  # who is given an earlier time was born then
    attributes = of("stx_attributes")
    pairs = ((0x10, 0x20000), (0x20, 0x40000), (0x40, 0x1))  # immutable, append only, no dump
    assert convert.freebsd_stat_from_statx(data) == pack(
        "freebsd_stat",
        st_dev=convert.freebsd_makedev(of("stx_dev_major"), of("stx_dev_minor")),
        st_ino=of("stx_ino"),
        st_nlink=of("stx_nlink"),
        st_mode=of("stx_mode"),
        st_uid=of("stx_uid"),
        st_gid=of("stx_gid"),
        st_rdev=convert.freebsd_makedev(of("stx_rdev_major"), of("stx_rdev_minor")),
        st_atim=time("stx_atime"),
        st_mtim=time("stx_mtime"),
        st_ctim=time("stx_ctime"),
        st_birthtim=time(born) if of("stx_mask") & 0x800 else NO_BIRTH,
        st_size=of("stx_size"),
        st_blocks=of("stx_blocks"),
        st_blksize=of("stx_blksize"),
        st_flags=sum(theirs for ours, theirs in pairs if attributes & ours),
    )


def linux_stat(path: str) -> bytes:
    data = ctypes.create_string_buffer(SIZES["linux_stat"])
    assert libc.stat(os.fsencode(path), data) == 0
    return data.raw


def linux_statx(path: str) -> bytes:
    data = ctypes.create_string_buffer(SIZES["linux_statx"])
    assert libc.statx(-100, os.fsencode(path), 0, 0xFFF, data) == 0
    return data.raw


@pytest.mark.parametrize("path", ["/", "/dev/null", "/proc/self/stat", __file__])
def test_real_files(path):
    """What the system says of a file, both ways, against Python's own view."""
    truth = os.stat(path)
    by_stat = convert.freebsd_stat_from_linux(linux_stat(path))
    by_statx = convert.freebsd_stat_from_statx(linux_statx(path))
    for data in (by_stat, by_statx):
        for member in ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blksize"):
            assert number(data, "freebsd_stat", member) == getattr(truth, member), member
        for member, value in (("st_dev", truth.st_dev), ("st_rdev", truth.st_rdev)):
            dev = number(data, "freebsd_stat", member)
            assert (convert.freebsd_major(dev), convert.freebsd_minor(dev)) == (os.major(value), os.minor(value))
        assert struct.unpack("<qq", take(data, "freebsd_stat", "st_mtim")) == divmod(truth.st_mtime_ns, 10**9)
    assert take(by_stat, "freebsd_stat", "st_birthtim") == NO_BIRTH


# --- directories -------------------------------------------------------------------------------------------------------

names = st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name)


def linux_dirent(name: bytes, ino: int = 1, offset: int = 2, kind: int = 8, end: bytes = b"\0") -> bytes:
    record = struct.pack("<QqHB", ino, offset, 0, kind) + name + end
    record += bytes(-len(record) % 8)
    return record[:16] + struct.pack("<H", len(record)) + record[18:]


@given(names, uint64, int64, uint8)
@example(b"a", 0, 0, 0)
@example(b"x" * 255, 2**64 - 1, -1, 255)
def test_dirent(name, ino, offset, kind):
    entry = linux_dirent(name, ino, offset, kind)
    size, data = convert.freebsd_dirent_from_linux(entry, 512)
    head = struct.pack("<QqHBBHH", ino, offset, size, kind, 0, len(name), 0)
    assert size % 8 == 0
    assert 24 + len(name) + 1 <= size < 24 + len(name) + 1 + 8
    assert data[:size] == head + name + bytes(size - 24 - len(name))
    assert data[size:] == bytes([GARBAGE]) * (512 - size)


@given(names, uint64, uint8)
@example(b"x" * 255, 2**64 - 1, 255)
def test_freebsd11_dirent(name, ino, kind):
    size, data = convert.freebsd11_dirent_from_linux(linux_dirent(name, ino, 0, kind), 512)
    assert size % 4 == 0
    assert 8 + len(name) + 1 <= size < 8 + len(name) + 1 + 4
    head = struct.pack("<IHBB", ino & 0xFFFFFFFF, size, kind, len(name))
    assert data[:size] == head + name + bytes(size - 8 - len(name))
    assert data[size:] == bytes([GARBAGE]) * (512 - size)


def inotify_event(head: tuple[int, int, int], name: bytes, align: int) -> bytes:
    text = name + bytes(align - len(name) % align) if name else b""
    return struct.pack("<iIII", *head, len(text)) + text


@given(st.lists(st.tuples(st.tuples(int32, uint32, uint32), st.one_of(st.just(b""), names)), max_size=6))
@example([((1, 2, 3), b"x" * n) for n in (1, 3, 4, 14, 15, 16, 255)])
def test_inotify_events(events):
    linux = b"".join(inotify_event(head, name, 16) for head, name in events)
    freebsd = b"".join(inotify_event(head, name, 4) for head, name in events)
    assert convert.freebsd_inotify_events_from_linux(linux) == freebsd


@pytest.mark.parametrize("converter", [convert.freebsd_dirent_from_linux, convert.freebsd11_dirent_from_linux])
@given(name=names, missing=st.integers(1, 24))
def test_dirent_without_room(converter, name, missing):
    entry = linux_dirent(name)
    size, _ = converter(entry, 512)
    assert converter(entry, size)[0] == size
    assert converter(entry, max(0, size - missing)) == (0, bytes([GARBAGE]) * 512)


@pytest.mark.parametrize("converter", [convert.freebsd_dirent_from_linux, convert.freebsd11_dirent_from_linux])
@pytest.mark.parametrize(
    "entry",
    [
        linux_dirent(b"x" * 13, end=b""),  # 32 bytes: the name runs to the end of the record
        linux_dirent(b"x" * 256),  # longer than MAXNAMLEN
        struct.pack("<QqHB", 1, 1, 19, 8) + b"a\0",  # a record without room for a name
        struct.pack("<QqHB", 1, 1, 0, 8) + b"a\0",
    ],
)
def test_dirent_that_cannot_be(converter, entry):
    assert converter(entry, 512) == (0, bytes([GARBAGE]) * 512)


def test_real_directory(tmp_path):
    for name in ("a", "b" * 255, "ä€😀"):
        (tmp_path / name).touch()
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    buffer = ctypes.create_string_buffer(8192)
    length = libc.syscall(217, descriptor, buffer, 8192)
    os.close(descriptor)
    found, position = {}, 0
    while position < length:
        record = buffer.raw[position : position + struct.unpack_from("<H", buffer.raw, position + 16)[0]]
        position += len(record)
        size, data = convert.freebsd_dirent_from_linux(record, 512)
        ino, _, reclen, kind, _, namlen, _ = struct.unpack_from("<QqHBBHH", data)
        assert reclen == size
        found[os.fsdecode(data[24 : 24 + namlen])] = (ino, kind)
    assert found.pop(".") == (tmp_path.stat().st_ino, 4)
    assert found.pop("..")[1] == 4
    assert found == {entry.name: (entry.inode(), 8) for entry in os.scandir(tmp_path)}


# --- locks -------------------------------------------------------------------------------------------------------------


@given(raw("freebsd_flock"), st.sampled_from([1, 2, 3]))
def test_flock_round_trip(data, kind):
    data = bytearray(data)
    offset = OFFSETS["freebsd_flock.l_type"]
    data[offset : offset + 2] = kind.to_bytes(2, "little")
    result, linux = convert.linux_flock_from_freebsd(bytes(data))
    assert result == 0
    assert number(linux, "linux_flock", "l_type") == flags.to_linux("flock_type", kind)
    expected = pack(
        "freebsd_flock",
        **{m: take(data, "freebsd_flock", m) for m in ("l_start", "l_len", "l_pid", "l_type", "l_whence")},
    )
    assert convert.freebsd_flock_from_linux(linux) == expected
    old = convert.freebsd_oflock_from_freebsd(bytes(data))
    assert convert.freebsd_flock_from_oflock(old)[:28] == bytes(data)[:24] + bytes(4)


@given(st.integers(-(2**15), 2**15 - 1).filter(lambda kind: kind not in (1, 2, 3)))
def test_flock_refuses_unknown_types(kind):
    assert convert.linux_flock_from_freebsd(pack("freebsd_flock", l_type=kind))[0] == -22


# --- file systems ------------------------------------------------------------------------------------------------------


@given(st.one_of(st.none(), st.binary(max_size=80)), st.integers(1, 64))
def test_copy_text(text, room):
    visible = b"" if text is None else text.split(b"\0")[0][: room - 1]
    length, data = convert.copy_text(text, room)
    assert length == len(visible)
    assert data == visible + b"\0" + bytes([GARBAGE]) * (64 - len(visible) - 1)


def test_file_system_table():
    rows = convert.fstypes()
    assert len({magic for magic, _, _ in rows}) == len(rows)
    assert all(0 < len(name) < 16 for _, name, _ in rows)
    for magic, name, local in rows:
        assert convert.fstype_from_linux(magic) == (name, local)
    assert convert.fstype_from_linux(0x12345678) == (b"unknown", True)


@given(uint64)
def test_mount_flags_agree_with_the_table(word):
    assert convert.freebsd_mount_flags_from_linux(word) == flags.from_linux("mount_flags", word)


paths = st.one_of(st.none(), st.binary(max_size=1100).map(lambda path: path.replace(b"\0", b"/")))


@given(raw("linux_statfs"), paths, paths)
@example(pack("linux_statfs", f_type=0x6969, f_bsize=4096, f_frsize=512), b"host:/x", b"/" + b"y" * 2000)
@example(pack("linux_statfs", f_type=0xEF53, f_bsize=4096), None, b"/")
def test_statfs(data, mounted_from, mounted_on):
    def of(member):
        return number(data, "linux_statfs", member)

    name, local = convert.fstype_from_linux(of("f_type") & 0xFFFFFFFF)
    word = flags.from_linux("mount_flags", of("f_flags")) | (0x1000 if local else 0)
    expected = pack(
        "freebsd_statfs",
        f_version=0x20140518,
        f_type=of("f_type"),
        f_flags=word,
        f_bsize=of("f_frsize") or of("f_bsize"),
        f_iosize=of("f_bsize"),
        f_blocks=of("f_blocks"),
        f_bfree=of("f_bfree"),
        f_bavail=of("f_bavail"),
        f_files=of("f_files"),
        f_ffree=of("f_ffree"),
        f_namemax=of("f_namelen"),
        f_fsid=take(data, "linux_statfs", "f_fsid"),
        f_fstypename=name,
        f_mntfromname=(mounted_from or b"")[:1023],
        f_mntonname=(mounted_on or b"")[:1023],
    )
    result = convert.freebsd_statfs_from_linux(data, mounted_from, mounted_on)
    assert result == expected
    same = [
        "f_type",
        "f_flags",
        "f_bsize",
        "f_iosize",
        "f_blocks",
        "f_bfree",
        "f_bavail",
        "f_files",
        "f_ffree",
        "f_syncwrites",
        "f_asyncwrites",
        "f_syncreads",
        "f_asyncreads",
        "f_namemax",
        "f_owner",
        "f_fsid",
        "f_fstypename",
    ]
    assert convert.freebsd11_statfs_from_freebsd(result) == pack(
        "freebsd11_statfs",
        f_version=0x20030518,
        **{member: take(result, "freebsd_statfs", member) for member in same},
        f_mntfromname=(mounted_from or b"")[:87],
        f_mntonname=(mounted_on or b"")[:87],
    )


@given(raw("freebsd_statfs"))
def test_freebsd11_statfs(data):
    """Every number is kept; texts end at their NUL or where there is no more room."""
    members = [key.split(".")[1] for key in OFFSETS if key.startswith("freebsd11_statfs.")]
    texts = ("f_fstypename", "f_mntfromname", "f_mntonname")
    numbers = {
        member: take(data, "freebsd_statfs", member)
        for member in members
        if member not in (*texts, "f_version", "f_spare", "f_charspare")
    }
    cut_texts = {
        member: take(data, "freebsd_statfs", member).split(b"\0")[0][: SIZES[f"freebsd11_statfs.{member}"] - 1]
        for member in texts
    }
    expected = pack("freebsd11_statfs", f_version=0x20030518, **numbers, **cut_texts)
    assert convert.freebsd11_statfs_from_freebsd(data) == expected


def test_real_statfs():
    data = ctypes.create_string_buffer(SIZES["linux_statfs"])
    assert libc.statfs(b"/proc", data) == 0
    result = convert.freebsd_statfs_from_linux(data.raw, b"proc", b"/proc")
    assert take(result, "freebsd_statfs", "f_fstypename").rstrip(b"\0") == b"linprocfs"
    truth = os.statvfs("/")
    assert libc.statfs(b"/", data) == 0
    result = convert.freebsd_statfs_from_linux(data.raw, None, b"/")
    assert number(result, "freebsd_statfs", "f_bsize") == truth.f_frsize
    assert number(result, "freebsd_statfs", "f_blocks") == truth.f_blocks
    assert number(result, "freebsd_statfs", "f_namemax") == truth.f_namemax


# --- signals -----------------------------------------------------------------------------------------------------------

TO_LINUX = bytes(signals.to_linux(signo) for signo in range(129))
FROM_LINUX = bytes(signals.from_linux(signo) for signo in range(65))
CARRIED = [signo for signo in range(1, 129) if TO_LINUX[signo]]

signal_sets = st.sets(st.integers(1, 128))


def sigset(members) -> bytes:
    return sum(1 << (signo - 1) for signo in members).to_bytes(16, "little")


@given(signal_sets)
@example(set(range(1, 129)))
@example({1, 32, 33, 64, 65, 96, 97, 128})
def test_sigset(members):
    mask = convert.linux_sigset_from_freebsd(sigset(members), TO_LINUX)
    assert mask == sum(1 << (TO_LINUX[signo] - 1) for signo in members if TO_LINUX[signo])
    back = convert.freebsd_sigset_from_linux(mask, FROM_LINUX, TO_LINUX)
    assert back == sigset(members.intersection(CARRIED))


@given(uint64)
@example(2**64 - 1)
def test_sigset_from_linux_counts_carriers_only(mask):
    members = {signo for signo in CARRIED if mask >> (TO_LINUX[signo] - 1) & 1}
    assert convert.freebsd_sigset_from_linux(mask, FROM_LINUX, TO_LINUX) == sigset(members)


@given(uint64, uint64, st.sampled_from([0, 1, 2, 3]))
def test_stack_round_trip(address, size, linux_flags):
    linux = pack("linux_stack", ss_sp=address, ss_size=size, ss_flags=linux_flags)
    data = convert.freebsd_stack_from_linux(linux)
    assert number(data, "freebsd_stack", "ss_flags") == flags.from_linux("ss_flags", linux_flags)
    assert convert.linux_stack_from_freebsd(data) == linux


def siginfo(signo: int, code: int, body: bytes) -> bytes:
    data = struct.pack("<iii4x", signo, 0, code) + body
    return data + b"\x5a" * (128 - len(data))  # the kernel leaves what it does not use


#: (Linux signal, Linux code, body) -> members of the FreeBSD siginfo.
SIGINFO_SAMPLES = {
    "kill": (15, 0, struct.pack("<iI", 7, 8), {"si_pid": 7, "si_uid": 8}),
    "tkill": (15, -6, struct.pack("<iI", 7, 8), {"si_pid": 7, "si_uid": 8}),
    "queue": (10, -1, struct.pack("<iIQ", 7, 8, 2**64 - 9), {"si_pid": 7, "si_uid": 8, "si_value": 2**64 - 9}),
    "mesgq": (10, -3, struct.pack("<iIQ", 7, 8, 9), {"si_pid": 7, "si_uid": 8, "si_value": 9}),
    "asyncio": (10, -4, struct.pack("<iIQ", 7, 8, 9), {"si_pid": 7, "si_uid": 8, "si_value": 9}),
    "timer": (14, -2, struct.pack("<iiQ", 3, 4, 5), {"reason": struct.pack("<ii", 3, 4), "si_value": 5}),
    "sigio": (29, 1, struct.pack("<qi", 0x41, 9), {"reason": struct.pack("<q", 0x41)}),
    "sigio queued": (29, -5, struct.pack("<qi", -1, 9), {"reason": struct.pack("<q", -1)}),
    "segv": (11, 1, struct.pack("<Q", 2**47 - 1), {"si_addr": 2**47 - 1}),
    "segv kernel": (11, 0x80, struct.pack("<iI", 0, 0), {}),
    "bus": (7, 2, struct.pack("<Q", 0x1000), {"si_addr": 0x1000}),
    "ill": (4, 2, struct.pack("<Q", 0x1000), {"si_addr": 0x1000}),
    "fpe": (8, 1, struct.pack("<Q", 0x1000), {"si_addr": 0x1000}),
    "trap": (5, 2, struct.pack("<Q", 0x1000), {"si_addr": 0x1000}),
    "sys": (31, 1, struct.pack("<QiI", 0x1000, 39, 0xC000003E), {"si_addr": 0x1000, "reason": struct.pack("<i", 39)}),
    "exited": (17, 1, struct.pack("<iIi4xqq", 7, 8, 10, 1, 2), {"si_pid": 7, "si_uid": 8, "si_status": 10}),
    "killed": (17, 2, struct.pack("<iIi4xqq", 7, 8, 10, 1, 2), {"si_pid": 7, "si_uid": 8, "si_status": 30}),
    "dumped": (17, 3, struct.pack("<iIi4xqq", 7, 8, 7, 1, 2), {"si_pid": 7, "si_uid": 8, "si_status": 10}),
    "stopped": (17, 5, struct.pack("<iIi4xqq", 7, 8, 19, 1, 2), {"si_pid": 7, "si_uid": 8, "si_status": 17}),
    "continued": (17, 6, struct.pack("<iIi4xqq", 7, 8, 18, 1, 2), {"si_pid": 7, "si_uid": 8, "si_status": 19}),
    "child by kill": (17, 0, struct.pack("<iI", 7, 8), {"si_pid": 7, "si_uid": 8}),
    "unknown code": (12, 5, struct.pack("<iI", 7, 8), {}),
}


@pytest.mark.parametrize("name", SIGINFO_SAMPLES)
def test_siginfo(name):
    linux_signo, linux_code, body, members = SIGINFO_SAMPLES[name]
    signo, code = signals.from_linux_code(linux_signo, linux_code)
    data = convert.freebsd_siginfo_from_linux(siginfo(linux_signo, linux_code, body), signo, code, FROM_LINUX)
    assert data == pack("freebsd_siginfo", si_signo=signo, si_code=code, **members)
    # And back: nothing but what FreeBSD cannot say is lost.
    linux = convert.linux_siginfo_from_freebsd(data, linux_signo, linux_code, TO_LINUX)
    again = convert.freebsd_siginfo_from_linux(linux, signo, code, FROM_LINUX)
    assert again == data
    assert struct.unpack_from("<iii", linux) == (linux_signo, 0, linux_code)


@given(raw("linux_siginfo"), int32, int32)
def test_siginfo_of_anything(data, signo, code):
    """Whatever stands there, no table is read outside, and the padding is clean."""
    result = convert.freebsd_siginfo_from_linux(data, signo, code, FROM_LINUX)
    assert struct.unpack_from("<iii", result) == (signo, 0, code)
    assert result[48:] == bytes(32)
    convert.linux_siginfo_from_freebsd(result, signo, code, TO_LINUX)


@given(uint64)
@example(19)
@example(20)
def test_trap_numbers(vector):
    """The table itself is compared with FreeBSD's header in test_abi_oracle.py."""
    number = convert.freebsd_trapno_from_linux(vector)
    if vector < 20:
        assert convert.linux_trapno_from_freebsd(number) == vector
    else:
        assert number == 30  # T_RESERVED
    assert convert.linux_trapno_from_freebsd(255) == 0


REGISTERS = [
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "rdi",
    "rsi",
    "rbp",
    "rbx",
    "rdx",
    "rax",
    "rcx",
    "rsp",
    "rip",
    "err",
]


@given(raw("linux_sigcontext"), st.one_of(st.none(), st.binary(min_size=512, max_size=512)), uint64, uint64)
def test_mcontext(data, image, fsbase, gsbase):
    registers = {f"mc_{name}": number(data, "linux_sigcontext", name) for name in REGISTERS}
    floating = {"mc_fpformat": 0x10000, "mc_ownedfp": 0x20000}
    if image is not None:
        floating = {"mc_fpformat": 0x10002, "mc_ownedfp": 0x20001, "mc_fpstate": image[:464]}
    result = convert.freebsd_mcontext_from_linux(data, image, fsbase, gsbase)
    assert result == pack(
        "freebsd_mcontext",
        **registers,
        **floating,
        mc_rflags=number(data, "linux_sigcontext", "eflags"),
        mc_addr=number(data, "linux_sigcontext", "cr2"),
        mc_trapno=convert.freebsd_trapno_from_linux(number(data, "linux_sigcontext", "trapno")),
        mc_flags=1,
        mc_cs=0x43,
        mc_ss=0x3B,
        mc_ds=0x3B,
        mc_es=0x3B,
        mc_fs=0x13,
        mc_gs=0x1B,
        mc_len=800,
        mc_fsbase=fsbase,
        mc_gsbase=gsbase,
    )
    trapno = number(data, "linux_sigcontext", "trapno")
    back = {name: number(data, "linux_sigcontext", name) for name in (*REGISTERS, "eflags", "cr2")}
    assert convert.linux_sigcontext_from_freebsd(result) == pack(
        "linux_sigcontext", **back, trapno=trapno if trapno < 20 else 15, cs=0x33, ss=0x2B
    )


def test_registers_are_not_mixed_up():
    linux = pack("linux_sigcontext", **{name: index + 1 for index, name in enumerate(REGISTERS)})
    result = convert.freebsd_mcontext_from_linux(linux, None, 0, 0)
    for index, name in enumerate(REGISTERS):
        assert number(result, "freebsd_mcontext", f"mc_{name}") == index + 1


#: What a tracer sets: all but the flags, the selectors and what a fault left behind.
TRACED = [name for name in REGISTERS if name != "err"]


@given(raw("linux_sigcontext"))
def test_registers_for_a_tracer(data):
    """<machine/reg.h>, and the way back: the flags are the caller's to check."""
    registers = {f"r_{name}": number(data, "linux_sigcontext", name) for name in TRACED}
    result = convert.freebsd_reg_from_linux(data)
    flags = number(data, "linux_sigcontext", "eflags")
    assert result == pack("freebsd_reg", **registers, r_rflags=flags, r_cs=0x43, r_ss=0x3B)
    back = convert.linux_sigcontext_from_reg(result)
    for name in TRACED:
        assert number(back, "linux_sigcontext", name) == number(data, "linux_sigcontext", name)
    for name in ("eflags", "cs", "ss", "cr2", "trapno"):
        assert set(take(back, "linux_sigcontext", name)) == {GARBAGE}


def signal_frame_fpstate(features: int, extended: bytes, image: bytes = bytes(464)) -> bytes:
    """What Linux puts into a signal frame: FXSAVE image with notes, XSAVE header and components, closing magic."""
    header = struct.pack("<QQ48x", features, 0)
    size = 512 + 64 + len(extended)
    notes = struct.pack("<IIQI28x", 0x46505853, size + 4, 0xFF, size)
    return image + notes + header + extended + struct.pack("<I", 0x46505845)


@given(
    st.binary(min_size=464, max_size=464),
    st.binary(max_size=700),
    st.integers(0, 0xFF),
    st.sampled_from([0, 0xFFFF, 0xFFBF, 0x3FFFF]),
)
def test_floating_point_state_round_trip(image, extended, features, mask):
    frame = signal_frame_fpstate(features, extended, image)
    context = convert.freebsd_mcontext_from_linux(bytes(256), frame, 0, 0)
    length, state = convert.freebsd_xfpustate_from_linux(frame, 1024)
    assert length == 64 + len(extended)
    assert state == frame[512 : 512 + length] + bytes([GARBAGE]) * (1024 - length)
    assert convert.freebsd_xfpustate_from_linux(frame, length - 1) == (length, bytes([GARBAGE]) * (length - 1))

    result, back = convert.linux_fpstate_from_freebsd(2048, context, state[:length], 0xFF, mask)
    assert result == len(frame)
    mxcsr = int.from_bytes(image[24:28], "little") & (mask or 0xFFBF)
    expected = frame[:24] + mxcsr.to_bytes(4, "little") + frame[28:]
    assert back == expected + bytes([GARBAGE]) * (2048 - len(frame))
    assert convert.linux_fpstate_from_freebsd(result - 1, context, state[:length], 0xFF, mask)[0] == -28


@given(st.binary(min_size=512, max_size=512))
def test_floating_point_state_without_extension(image):
    assume(image[464:468] != struct.pack("<I", 0x46505853))
    assert convert.freebsd_xfpustate_from_linux(image, 0) == (0, b"")
    context = convert.freebsd_mcontext_from_linux(bytes(256), image, 0, 0)
    result, back = convert.linux_fpstate_from_freebsd(512, context, None, 0xFF, 0xFFFFFFFF)
    assert (result, back) == (512, image[:464] + bytes(48))
    assert convert.linux_fpstate_from_freebsd(511, context, None, 0xFF, 0)[0] == -28


def test_floating_point_state_that_the_processor_would_refuse():
    context = bytes(SIZES["freebsd_mcontext"])
    header = struct.pack("<QQ48s", 0x7, 2**64 - 1, b"\xff" * 48) + b"data"
    refused = convert.linux_fpstate_from_freebsd(1024, context, header, 0x3, 0)
    assert refused[0] == -22
    result, data = convert.linux_fpstate_from_freebsd(1024, context, header, 0x7, 0)
    assert result == 512 + 68 + 4
    assert data[512:580] == struct.pack("<Q56x", 0x7) + b"data"  # the rest of the header cannot make XRSTOR fault
    assert convert.linux_fpstate_from_freebsd(1024, context, header[:63], 0x7, 0)[0] == -22
    # A length that wraps around is no room at all.
    assert convert.linux_fpstate_from_freebsd(64, context, header, 0x7, 0)[0] == -28


# --- processes ---------------------------------------------------------------------------------------------------------


@given(raw("linux_rusage"))
def test_rusage(data):
    assert convert.freebsd_rusage_from_linux(data) == data


def expected_perm(data: bytes) -> bytes:
    """freebsd_ipc_perm for a linux_ipc_perm: mode and seq have 16 bits, the key 64 with its sign."""
    members = {name: number(data, "linux_ipc_perm", name) for name in ("uid", "gid", "cuid", "cgid", "mode", "seq")}
    return pack("freebsd_ipc_perm", key=number(data, "linux_ipc_perm", "key", True), **members)


@given(raw("linux_ipc_perm"))
def test_ipc_perm(data):
    assert convert.freebsd_ipc_perm_from_linux(data) == expected_perm(data)


@given(raw("freebsd_ipc_perm"))
def test_ipc_perm_to_set(data):
    """IPC_SET takes owner, group and mode, and nothing else is passed on."""
    members = {name: number(data, "freebsd_ipc_perm", name) for name in ("uid", "gid", "mode")}
    assert convert.linux_ipc_perm_from_freebsd(data) == pack("linux_ipc_perm", **members)


@given(raw("linux_shmid_ds"))
def test_shmid_ds(data):
    names = ("segsz", "lpid", "cpid", "nattch", "atime", "dtime", "ctime")
    members = {f"shm_{name}": number(data, "linux_shmid_ds", f"shm_{name}") for name in names}
    perm = expected_perm(take(data, "linux_shmid_ds", "shm_perm"))
    assert convert.freebsd_shmid_ds_from_linux(data) == pack("freebsd_shmid_ds", shm_perm=perm, **members)


@given(raw("linux_semid_ds"))
def test_semid_ds(data):
    members = {f"sem_{name}": number(data, "linux_semid_ds", f"sem_{name}") for name in ("nsems", "otime", "ctime")}
    perm = expected_perm(take(data, "linux_semid_ds", "sem_perm"))
    assert convert.freebsd_semid_ds_from_linux(data) == pack("freebsd_semid_ds", sem_perm=perm, **members)


@given(raw("linux_msqid_ds"), uint64)
def test_msqid_ds(data, held):
    names = ("qnum", "qbytes", "lspid", "lrpid", "stime", "rtime", "ctime")
    members = {f"msg_{name}": number(data, "linux_msqid_ds", f"msg_{name}") for name in names}
    perm = expected_perm(take(data, "linux_msqid_ds", "msg_perm"))
    wanted = pack("freebsd_msqid_ds", msg_perm=perm, msg_cbytes=held, **members)
    assert convert.freebsd_msqid_ds_from_linux(data, held) == wanted


def old_perm(data: bytes) -> bytes:
    """freebsd_ipc_perm_old for a freebsd_ipc_perm: the lower halves of the ids."""
    names = ("cuid", "cgid", "uid", "gid", "mode", "seq", "key")
    return pack("freebsd_ipc_perm_old", **{name: number(data, "freebsd_ipc_perm", name) for name in names})


@given(raw("freebsd_ipc_perm"))
def test_ipc_perm_old(data):
    old = convert.freebsd_ipc_perm_old_from_new(data)
    assert old == old_perm(data)
    back = convert.freebsd_ipc_perm_from_old(old)
    names = ("cuid", "cgid", "uid", "gid", "mode", "seq", "key")
    assert back == pack("freebsd_ipc_perm", **{name: number(old, "freebsd_ipc_perm_old", name) for name in names})


@given(raw("freebsd_shmid_ds"))
@example(pack("freebsd_shmid_ds", shm_segsz=2**31 - 1, shm_nattch=2**15 - 1))
@example(pack("freebsd_shmid_ds", shm_segsz=2**31, shm_nattch=2**15))
@example(pack("freebsd_shmid_ds", shm_segsz=2**32 + 5, shm_nattch=2**16 + 5))
def test_shmid_ds_old(data):
    names = ("lpid", "cpid", "atime", "dtime", "ctime")
    members = {f"shm_{name}": number(data, "freebsd_shmid_ds", f"shm_{name}") for name in names}
    members["shm_segsz"] = min(number(data, "freebsd_shmid_ds", "shm_segsz"), 2**31 - 1)
    members["shm_nattch"] = min(number(data, "freebsd_shmid_ds", "shm_nattch"), 2**15 - 1)
    perm = old_perm(take(data, "freebsd_shmid_ds", "shm_perm"))
    assert convert.freebsd_shmid_ds_old_from_new(data) == pack("freebsd_shmid_ds_old", shm_perm=perm, **members)


@given(raw("freebsd_semid_ds"))
def test_semid_ds_old(data):
    names = ("sem_base", "sem_nsems", "sem_otime", "sem_ctime")
    members = {name: number(data, "freebsd_semid_ds", name) for name in names}
    perm = old_perm(take(data, "freebsd_semid_ds", "sem_perm"))
    assert convert.freebsd_semid_ds_old_from_new(data) == pack("freebsd_semid_ds_old", sem_perm=perm, **members)


@given(raw("freebsd_msqid_ds"))
def test_msqid_ds_old(data):
    names = ("first", "last", "cbytes", "qnum", "qbytes", "lspid", "lrpid", "stime", "rtime", "ctime")
    members = {f"msg_{name}": number(data, "freebsd_msqid_ds", f"msg_{name}") for name in names}
    perm = old_perm(take(data, "freebsd_msqid_ds", "msg_perm"))
    assert convert.freebsd_msqid_ds_old_from_new(data) == pack("freebsd_msqid_ds_old", msg_perm=perm, **members)


INFINITY, LINUX_INFINITY = 2**63 - 1, 2**64 - 1


@given(uint64, uint64)
@example(LINUX_INFINITY, INFINITY)
@example(INFINITY - 1, 0)
@example(2**63, INFINITY + 1)
def test_rlimit_from_linux(soft, hard):
    data = convert.freebsd_rlimit_from_linux(struct.pack("<QQ", soft, hard))
    assert struct.unpack("<qq", data) == (min(soft, INFINITY), min(hard, INFINITY))
    back = struct.unpack("<QQ", convert.linux_rlimit_from_freebsd(data))
    assert back == tuple(LINUX_INFINITY if limit >= INFINITY else limit for limit in (soft, hard))


@given(int64, int64)
@example(-1, INFINITY)
@example(-(2**63), INFINITY - 1)
def test_rlimit_from_freebsd(soft, hard):
    got = struct.unpack("<QQ", convert.linux_rlimit_from_freebsd(struct.pack("<qq", soft, hard)))
    assert got == tuple(limit if 0 <= limit < INFINITY else LINUX_INFINITY for limit in (soft, hard))


def facts(**changes) -> dict:
    rusage = struct.pack("<qqqq14q", 3, 600_000, 1, 500_000, *range(14))
    children = struct.pack("<qqqq14q", 1, 700_000, 2, 800_000, *range(14, 28))
    return {
        "pid": 500, "ppid": 1, "pgid": 500, "sid": 400, "tpgid": 500, "tid": 501, "threads": 2, "processor": 3, "tracer": 9, "nice": 5,
        "osreldate": 1400000,
        "uid": 10, "ruid": 11, "svuid": 12, "gid": 20, "rgid": 21, "svgid": 22, "groups": [30, 31], "terminal": 0x8805,
        "size": 2**40, "resident_pages": 9, "text_pages": 1, "data_pages": 2, "stack_pages": 3,
        "start": (1000, 5), "now": (1060, 0), "self": rusage, "children": children, "state": "S",
        "comm": b"sh", "thread_name": b"worker", "wait_message": b"select", "login": b"root",
        "pending": sigset({1}), "mask": sigset({2}), "ignored": sigset({3}), "caught": sigset({128}),
    } | changes  # fmt: skip


def test_kinfo_proc():
    given_facts = facts()
    data = convert.freebsd_kinfo_proc_from_facts(given_facts)
    expected = pack(
        "freebsd_kinfo_proc",
        ki_structsize=1088, ki_pid=500, ki_ppid=1, ki_pgid=500, ki_sid=400, ki_tpgid=500, ki_tsid=400,
        ki_tdev=0x8805, ki_tdev_freebsd11=0x8805, ki_flag=0x10000082, ki_kiflag=1, ki_sflag=1,
        ki_siglist=sigset({1}), ki_sigmask=sigset({2}), ki_sigignore=sigset({3}), ki_sigcatch=sigset({128}),
        ki_uid=10, ki_ruid=11, ki_svuid=12, ki_rgid=21, ki_svgid=22, ki_ngroups=3,
        ki_groups=struct.pack("<3I", 20, 30, 31), ki_size=2**40, ki_rssize=9, ki_tsize=1, ki_dsize=2, ki_ssize=3,
        ki_runtime=5_100_000, ki_start=struct.pack("<qq", 1000, 5), ki_swtime=60,
        ki_childtime=struct.pack("<qq", 4, 500_000), ki_stat=3, ki_nice=5,
        ki_pri=bytes([3, 113, 113, 113]), ki_lastcpu=3, ki_lastcpu_old=3, ki_oncpu=-1, ki_oncpu_old=255,
        ki_tracer=9, ki_numthreads=2, ki_tid=501, ki_tdname=b"worker", ki_wmesg=b"select", ki_login=b"root", ki_comm=b"sh",
        ki_emul=b"FreeBSD ELF64", ki_loginclass=b"default",
        ki_rusage=given_facts["self"], ki_rusage_ch=given_facts["children"],
    )  # fmt: skip
    assert data == expected


def test_kinfo_proc_extremes():
    def of(member, signed=False, **changes):
        data = convert.freebsd_kinfo_proc_from_facts(facts(**changes))
        return number(data, "freebsd_kinfo_proc", member, signed)

    assert of("ki_tdev", tpgid=-1) == 2**64 - 1
    assert of("ki_tdev_freebsd11", tpgid=-1) == 2**32 - 1
    assert of("ki_flag", tpgid=-1, threads=1) == 0x10000000
    assert of("ki_kiflag", tpgid=-1, sid=500) == 2
    assert [of("ki_stat", state=letter) for letter in "RSDTtZXI?"] == [2, 3, 3, 4, 4, 5, 5, 3, 3]
    assert of("ki_oncpu", state="R") == 3
    assert (of("ki_lastcpu", processor=300), of("ki_lastcpu_old", processor=300)) == (300, 255)
    assert of("ki_nice", signed=True, nice=-20) == -20
    assert of("ki_swtime", now=(999, 0)) == 0
    full = [100 + group for group in range(15)]
    assert (of("ki_ngroups", groups=full), of("ki_cr_flags", groups=full)) == (16, 0)
    assert (of("ki_ngroups", groups=[*full, 1]), of("ki_cr_flags", groups=[*full, 1])) == (16, 0x80000000)


@given(st.binary(max_size=40).filter(lambda text: b"\0" not in text))
def test_kinfo_proc_names_are_cut(text):
    data = convert.freebsd_kinfo_proc_from_facts(facts(comm=text, thread_name=text, wait_message=None, login=text))
    for member, room in (("ki_comm", 20), ("ki_tdname", 17), ("ki_login", 18)):
        assert take(data, "freebsd_kinfo_proc", member) == text[: room - 1].ljust(room, b"\0")
    assert take(data, "freebsd_kinfo_proc", "ki_wmesg") == bytes(9)


@given(st.integers(0, 1023))
def test_packed_kinfo_size(length):
    for name, member in (("freebsd_kinfo_file", "kf_path"), ("freebsd_kinfo_vmentry", "kve_path")):
        offset = OFFSETS[f"{name}.{member}"]
        size = convert.packed_kinfo_size(offset, length)
        assert size % 8 == 0
        assert offset + length + 1 <= size <= SIZES[name]


# --- events ------------------------------------------------------------------------------------------------------------


@given(raw("freebsd11_kevent"))
def test_kevent_round_trip(data):
    new = convert.freebsd_kevent_from_freebsd11(data)
    assert new == data + bytes(32)
    assert convert.freebsd11_kevent_from_freebsd(new) == data


@given(raw("freebsd_kevent"))
def test_freebsd11_kevent_drops_the_extensions(data):
    assert convert.freebsd11_kevent_from_freebsd(data) == data[:32]


# --- sockets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", range(-1, 256))
def test_families_agree_with_the_table(family):
    linux, freebsd = flags.to_linux("address_family", family), flags.from_linux("address_family", family)
    assert convert.linux_family_from_freebsd(family) == (linux if linux >= 0 else -1)
    assert convert.freebsd_family_from_linux(family) == (freebsd if freebsd >= 0 else -1)


def sockaddr_in(length: int = 16) -> bytes:
    return (struct.pack("<BB", length, 2) + struct.pack(">H4s8x", 8080, bytes([127, 0, 0, 1])))[:length]


def sockaddr_in6() -> bytes:
    return struct.pack("<BB", 28, 28) + struct.pack(">HI16s", 8080, 7, bytes(range(16))) + struct.pack("<I", 3)


def sockaddr_un(path: bytes) -> bytes:
    return bytes([min(255, 2 + len(path)), 1]) + path


#: FreeBSD address -> Linux address, or an errno.
SOCKADDR_SAMPLES = {
    "inet": (sockaddr_in(), struct.pack("<H", 2) + sockaddr_in()[2:]),
    "inet, wrong sa_len": (b"\x00" + sockaddr_in()[1:], struct.pack("<H", 2) + sockaddr_in()[2:]),
    "inet, too short": (sockaddr_in(15), -22),
    "inet, too long": (sockaddr_in() + b"\0", -22),
    "inet6": (sockaddr_in6(), struct.pack("<H", 10) + sockaddr_in6()[2:]),
    "inet6, too short": (sockaddr_in6()[:24], -22),
    "unix": (sockaddr_un(b"/tmp/s"), struct.pack("<H", 1) + b"/tmp/s\0"),
    "unix, with NUL": (sockaddr_un(b"/tmp/s\0\0\0"), struct.pack("<H", 1) + b"/tmp/s\0"),
    "unix, longest": (sockaddr_un(b"x" * 104), struct.pack("<H", 1) + b"x" * 104 + b"\0"),
    "unix, too long": (sockaddr_un(b"x" * 105), -22),
    "unix, no path": (sockaddr_un(b""), -22),
    "unix, empty path": (sockaddr_un(b"\0abstract"), -2),
    "unspecified": (bytes([16, 0]) + bytes(14), bytes(16)),
    "netlink": (bytes([12, 38]) + bytes(10), struct.pack("<H", 16) + bytes(10)),
    "link layer": (bytes([54, 18]) + bytes(52), -97),
    "no family": (b"\x01", -22),
    "nothing": (b"", -22),
    "longest": (bytes([255, 0]) + b"x" * 253, struct.pack("<H", 0) + b"x" * 253),
    "above the longest": (bytes(256), -36),
}


@pytest.mark.parametrize("name", SOCKADDR_SAMPLES)
def test_sockaddr_from_freebsd(name):
    source, expected = SOCKADDR_SAMPLES[name]
    result, data = convert.linux_sockaddr_from_freebsd(source, 300)
    if isinstance(expected, int):
        assert result == expected
    else:
        assert data[:result] == expected
        assert convert.linux_sockaddr_from_freebsd(source, len(source))[0] == -22  # no room for a NUL


@given(st.binary(max_size=300))
def test_sockaddr_from_freebsd_of_anything(source):
    result, data = convert.linux_sockaddr_from_freebsd(source, 257)
    assert result <= len(source) + 1
    assert data[257:] == bytes([GARBAGE]) * 43


@pytest.mark.parametrize("name", ["inet", "inet6", "unix", "unix, longest", "netlink"])
def test_sockaddr_round_trip(name):
    source = SOCKADDR_SAMPLES[name][0]
    length, linux = convert.linux_sockaddr_from_freebsd(source, 300)
    size, data = convert.freebsd_sockaddr_from_linux(linux[:length], 300)
    assert data == source + bytes([GARBAGE]) * (300 - len(source))
    assert size == len(source)


@given(st.text("./ab", min_size=1, max_size=104), st.integers(0, 103))
def test_bound_path_round_trip(path, nuls):
    """The path that Linux gets leads to the same file, and tells the guest's and the NULs behind it."""
    path = path.encode()
    nuls = min(nuls, 104 - len(path))
    linux = convert.linux_bound_path(path, nuls)
    if linux is None:
        assert len(path) > 70
        return
    assert len(linux) <= 108
    assert os.path.normpath(b"/d/e/" + linux) == os.path.normpath(b"/d/e/" + path)
    assert linux.startswith(b"/") == path.startswith(b"/")
    assert linux.endswith(b"/") == path.endswith(b"/")
    back = convert.freebsd_bound_path(linux)
    assert back[0] == path
    # A path that leaves no room for the number has one NUL behind it.
    assert back[1] == nuls or (back[1] == 1 and len(path) > 70)


@pytest.mark.parametrize(
    ("linux", "guest"),
    [
        (b"sock", (b"sock", 0)),
        (b"/tmp/sock", (b"/tmp/sock", 0)),
        (b"//tmp/sock", (b"/tmp/sock", 1)),
        (b"./sock", (b"sock", 1)),
        (b".//sock", (b"sock", 100)),
        (b".////sock", (b"./sock", 0)),
        (b"/proc/self/fd/12/sock", (b"sock", 0)),
        (b"//proc/self/fd/12/sock", (b"sock", 1)),
        (b"/proc/self/fd/x", (b"/proc/self/fd/x", 0)),
        (b"////sock", (b"////sock", 0)),  # no code, since nothing counts follows
        (b"x" * 108, (b"x" * 104, 0)),
    ],
)
def test_bound_path(linux, guest):
    assert convert.freebsd_bound_path(linux) == guest


@given(st.binary(max_size=108))
def test_bound_path_of_anything(linux):
    path, nuls = convert.freebsd_bound_path(linux)
    assert len(path) + nuls <= 104


NO_NAME = bytes([16, 1]) + bytes(14)


@pytest.mark.parametrize(
    ("linux", "expected"),
    [
        (struct.pack("<H", 1), NO_NAME),  # a socket without a name
        (struct.pack("<H", 1) + b"\0abstract", NO_NAME),
        (struct.pack("<H", 1) + b"x" * 108, bytes([106, 1]) + b"x" * 104),
        (struct.pack("<H", 17) + bytes(18), bytes([20, 0]) + bytes(18)),  # AF_PACKET
        (b"", b""),
        (b"\x01", b""),
    ],
)
def test_sockaddr_from_linux(linux, expected):
    size, data = convert.freebsd_sockaddr_from_linux(linux, 300)
    assert (size, data[:size]) == (len(expected), expected)
    # A guest's buffer that is too small gets the start, and the whole length.
    for room in range(size):
        assert convert.freebsd_sockaddr_from_linux(linux, room) == (
            size,
            expected[:room] + bytes([GARBAGE]) * (300 - room),
        )


@given(st.binary(max_size=300), st.integers(0, 300))
def test_sockaddr_from_linux_of_anything(source, room):
    size, data = convert.freebsd_sockaddr_from_linux(source, room)
    assert size <= 106
    assert data[min(size, room) :] == bytes([GARBAGE]) * (300 - min(size, room))


def test_real_sockets(tmp_path):
    """Bind with a converted address, ask for it, and convert it back."""
    for family, source in (
        (socket.AF_UNIX, sockaddr_un(os.fsencode(tmp_path / "socket"))),
        (socket.AF_INET, bytes([16, 2]) + bytes(2) + bytes([127, 0, 0, 1]) + bytes(8)),
        (socket.AF_UNIX, None),
    ):
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            if source is not None:
                length, linux = convert.linux_sockaddr_from_freebsd(source, 300)
                assert libc.bind(listener.fileno(), linux, length) == 0, os.strerror(ctypes.get_errno())
            buffer, size = ctypes.create_string_buffer(128), ctypes.c_uint(128)
            assert libc.getsockname(listener.fileno(), buffer, ctypes.byref(size)) == 0
            length, data = convert.freebsd_sockaddr_from_linux(buffer.raw[: size.value], 300)
            if source is None:
                assert data[:length] == NO_NAME
            elif family == socket.AF_INET:
                assert (data[:2], data[4:length]) == (source[:2], source[4:])
                assert struct.unpack(">H", data[2:4])[0] == listener.getsockname()[1]
            else:
                assert data[:length] == source


@given(raw("freebsd_msghdr"))
def test_msghdr(data):
    result = convert.linux_msghdr_from_freebsd(data)
    same = ["msg_name", "msg_namelen", "msg_iov", "msg_iovlen", "msg_control", "msg_controllen"]
    assert result == pack("linux_msghdr", **{member: number(data, "freebsd_msghdr", member) for member in same})


def freebsd_cmsg(level: int, kind: int, data: bytes, pad: bool = True) -> bytes:
    message = struct.pack("<Iii4x", 16 + len(data), level, kind) + data
    return message + bytes(-len(message) % 8) if pad else message


def linux_cmsg(level: int, kind: int, data: bytes, pad: bool = True) -> bytes:
    message = struct.pack("<Qii", 16 + len(data), level, kind) + data
    return message + bytes(-len(message) % 8) if pad else message


ADDRESS = bytes([192, 0, 2, 1])

#: FreeBSD (level, type, data) -> Linux's.
CMSG_SENT = {
    "rights": ((0xFFFF, 1, struct.pack("<3i", 3, 4, 5)), (1, 1, struct.pack("<3i", 3, 4, 5))),
    "one right": ((0xFFFF, 1, struct.pack("<i", 3)), (1, 1, struct.pack("<i", 3))),
    "source address": ((0, 7, ADDRESS), (0, 8, bytes(4) + ADDRESS + bytes(4))),
    "tos": ((0, 3, b"\x10"), (0, 1, b"\x10")),
    "ttl": ((0, 4, b"\x40"), (0, 2, struct.pack("<i", 64))),
    "ttl as int": ((0, 4, struct.pack("<i", 64)), (0, 2, struct.pack("<i", 64))),
    "pktinfo": ((41, 46, bytes(range(20))), (41, 50, bytes(range(20)))),
    "hop limit": ((41, 47, struct.pack("<i", 5)), (41, 52, struct.pack("<i", 5))),
    "traffic class": ((41, 61, struct.pack("<i", 5)), (41, 67, struct.pack("<i", 5))),
}


@given(st.lists(st.sampled_from(sorted(CMSG_SENT)), max_size=6))
def test_cmsgs_sent(chosen):
    source = b"".join(freebsd_cmsg(*CMSG_SENT[name][0]) for name in chosen)
    expected = b"".join(linux_cmsg(*CMSG_SENT[name][1]) for name in chosen)
    result, data = convert.linux_cmsgs_from_freebsd(source, 4096)
    assert data[:result] == expected
    assert data[result:] == bytes([GARBAGE]) * (4096 - result)
    if expected:
        assert convert.linux_cmsgs_from_freebsd(source, len(expected) - 1)[0] == -7


@pytest.mark.parametrize(
    "source",
    [
        freebsd_cmsg(0xFFFF, 1, b"abc"),  # no whole descriptor
        freebsd_cmsg(0xFFFF, 99, b""),
        freebsd_cmsg(1, 1, bytes(4)),  # SOL_SOCKET of Linux
        freebsd_cmsg(0, 7, bytes(3)),
        struct.pack("<Iii4x", 15, 0xFFFF, 1),  # shorter than its header
        struct.pack("<Iii4x", 17, 0xFFFF, 1),  # longer than the buffer
        struct.pack("<Iii4x", 0xFFFFFFFF, 0xFFFF, 1),
    ],
)
def test_cmsgs_that_are_refused(source):
    assert convert.linux_cmsgs_from_freebsd(source, 4096)[0] == -22


@given(st.binary(max_size=200))
def test_cmsgs_sent_of_anything(source):
    result, data = convert.linux_cmsgs_from_freebsd(source, 256)
    assert result in (-22, -7) or 0 <= result <= 256
    assert data[256:] == bytes([GARBAGE]) * 3840


#: Linux (level, type, data) -> FreeBSD's.
CMSG_RECEIVED = {
    "rights": ((1, 1, struct.pack("<3i", 3, 4, 5)), (0xFFFF, 1, struct.pack("<3i", 3, 4, 5))),
    "timestamp": ((1, 29, struct.pack("<2q", 7, 8)), (0xFFFF, 2, struct.pack("<2q", 7, 8))),
    "timestamp in ns": ((1, 35, struct.pack("<2q", 7, 8999)), (0xFFFF, 2, struct.pack("<2q", 7, 8))),
    "destination": ((0, 8, bytes(8) + ADDRESS), (0, 7, ADDRESS)),
    "ttl": ((0, 2, struct.pack("<i", 64)), (0, 65, b"\x40")),
    "tos": ((0, 1, b"\x10"), (0, 68, b"\x10")),
    "pktinfo": ((41, 50, bytes(range(20))), (41, 46, bytes(range(20)))),
    "hop limit": ((41, 52, struct.pack("<i", 5)), (41, 47, struct.pack("<i", 5))),
    "traffic class": ((41, 67, struct.pack("<i", 5)), (41, 61, struct.pack("<i", 5))),
    "original destination": ((0, 20, b"\x02\x00" + bytes(range(14))), (0, 27, b"\x10\x02" + bytes(range(14)))),
    "of IPv6": ((41, 74, b"\x0a\x00" + bytes(range(26))), (41, 72, b"\x1c\x1c" + bytes(range(26)))),
}

LINK = b"\x38\x12" + bytes(range(54))


def asked(timestamp=1, bintime=0, dstaddr=1, recvif=0, clock=0, boot=0) -> bytes:
    """A struct lsf_received."""
    return struct.pack("<4Biq56s", timestamp, bintime, dstaddr, recvif, clock, boot, LINK)


@pytest.mark.parametrize(
    "what, expected",
    [
        ({"timestamp": 0}, []),
        ({"clock": 1}, [(4, (7, 9223372036854775807))]),
        ({"clock": 2}, [(5, (7, 500000000))]),
        ({"clock": 3, "boot": 6 * 10**9 + 1}, [(6, (1, 499999999))]),
        ({"bintime": 1}, [(4, (7, 9223372036854775807)), (2, (7, 500000))]),
        ({"timestamp": 0, "bintime": 1}, [(4, (7, 9223372036854775807))]),
    ],
)
def test_times_of_a_datagram(what, expected):
    """ip_savecontrol. Half a second is 2^63; FreeBSD's own arithmetic ends one or two short of it."""
    source = linux_cmsg(1, 35, struct.pack("<2q", 7, 500000000))
    length, word, data = convert.freebsd_cmsgs_from_linux(source, 4096, 0, asked(**what))
    assert length == 32 * len(expected)
    assert word == 0
    for i, (kind, (seconds, rest)) in enumerate(expected):
        assert struct.unpack_from("<Iii", data, 32 * i) == (32, 0xFFFF, kind)
        got = struct.unpack_from("<qQ", data, 32 * i + 16)
        assert got[0] == seconds
        assert abs(got[1] - rest) < 2 if kind != 4 else abs(got[1] - rest) < 1 << 32


def test_destination_and_interface():
    source = linux_cmsg(0, 8, bytes(8) + ADDRESS)
    first, second = freebsd_cmsg(0, 7, ADDRESS), freebsd_cmsg(0, 20, LINK)
    for what, expected in (
        (asked(), first),
        (asked(recvif=1), first + second),
        (asked(0, 0, 0, 1), second),
        (asked(0, 0, 0), b""),
    ):
        length, _, data = convert.freebsd_cmsgs_from_linux(source, 4096, 0, what)
        assert data[:length] == expected


@given(st.lists(st.sampled_from(sorted(CMSG_RECEIVED)), max_size=6), uint32)
def test_cmsgs_received(chosen, word):
    # Linux gives no padding after the last one; what FreeBSD does not have is left out.
    source = linux_cmsg(1, 99, b"") + b"".join(linux_cmsg(*CMSG_RECEIVED[name][0]) for name in chosen)
    source += linux_cmsg(1, 37, b"abcd", pad=False)
    expected = b"".join(freebsd_cmsg(*CMSG_RECEIVED[name][1]) for name in chosen)
    length, got_word, data = convert.freebsd_cmsgs_from_linux(source, 4096, word, asked())
    assert data[:length] == expected
    assert data[length:] == bytes([GARBAGE]) * (4096 - length)
    assert got_word == word


@given(st.integers(0, 200))
def test_cmsgs_received_without_room(room):
    """Whole messages with their padding or none, MSG_CTRUNC for what is lost, and with it all that follows."""
    messages = [CMSG_RECEIVED["rights"], CMSG_RECEIVED["timestamp"], CMSG_RECEIVED["ttl"]]
    source = b"".join(linux_cmsg(*message[0]) for message in messages)
    length, word, data = convert.freebsd_cmsgs_from_linux(source, room, 0, asked())
    whole = b"".join(freebsd_cmsg(*message[1]) for message in messages)
    assert length == max(end for end in (0, 32, 64, 88) if end <= room)
    assert word == (0 if room >= 88 else 0x20)
    assert data == whole[:length] + bytes([GARBAGE]) * (4096 - length)


@given(st.binary(max_size=200), st.integers(0, 256))
def test_cmsgs_received_of_anything(source, room):
    length, _, data = convert.freebsd_cmsgs_from_linux(source, room, 0, asked())
    assert length <= room
    assert data[room:] == bytes([GARBAGE]) * (4096 - room)


def test_real_descriptor_passing():
    """A control message written as a FreeBSD program writes it carries a descriptor through Linux."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        source = freebsd_cmsg(0xFFFF, 1, struct.pack("<i", left.fileno()), pad=False)
        length, control = convert.linux_cmsgs_from_freebsd(source, 4096)
        text = ctypes.create_string_buffer(b"x", 1)
        vector = struct.pack("<QQ", ctypes.addressof(text), 1)
        header = pack("freebsd_msghdr", msg_iov=0, msg_iovlen=1, msg_controllen=length)
        vector, control = ctypes.create_string_buffer(vector), ctypes.create_string_buffer(control[:length])
        header = bytearray(convert.linux_msghdr_from_freebsd(header))
        struct.pack_into("<Q", header, OFFSETS["linux_msghdr.msg_iov"], ctypes.addressof(vector))
        struct.pack_into("<Q", header, OFFSETS["linux_msghdr.msg_control"], ctypes.addressof(control))
        assert libc.sendmsg(left.fileno(), bytes(header), 0) == 1, os.strerror(ctypes.get_errno())
        _, received, _, _ = right.recvmsg(1, 256)
        (level, kind, data) = received[0]
        length, _, result = convert.freebsd_cmsgs_from_linux(linux_cmsg(level, kind, data, pad=False), 256, 0, asked())
        (descriptor,) = struct.unpack("<i", data)
        try:
            assert os.path.sameopenfile(descriptor, left.fileno())
            assert result[:length] == freebsd_cmsg(0xFFFF, 1, struct.pack("<i", descriptor))
        finally:
            os.close(descriptor)


# --- terminals ---------------------------------------------------------------------------------------------------------

#: All bits that both systems have (test_abi_oracle.py checks each), with FreeBSD's two bits of CRTSCTS together.
TERMIOS_MASKS = {"c_iflag": 0x6FFF, "c_oflag": 0x77, "c_cflag": 0x3FF00, "c_lflag": 0xA2C00DFF}
WITHOUT_LINUX_CHARACTER = (19,)  # the spare one
VMIN, VTIME = 16, 17


def representable(data: bytes) -> bytes:
    """The nearest termios that Linux can keep."""
    members: dict[str, int | bytes] = {}
    for member, mask in TERMIOS_MASKS.items():
        members[member] = number(data, "freebsd_termios", member) & mask
    if members["c_cflag"] & 0x30000:
        members["c_cflag"] |= 0x30000
    characters = bytearray(take(data, "freebsd_termios", "c_cc"))
    for index in range(20):
        if index in WITHOUT_LINUX_CHARACTER or (characters[index] == 0 and index not in (VMIN, VTIME)):
            characters[index] = 0xFF
    speed = number(data, "freebsd_termios", "c_ospeed")
    return pack(
        "freebsd_termios",
        **members,
        c_cc=bytes(characters),
        c_ospeed=speed,
        c_ispeed=number(data, "freebsd_termios", "c_ispeed") or speed,
    )


@given(raw("freebsd_termios"), st.one_of(st.none(), raw("linux_termios2")))
def test_termios_round_trip(data, current):
    linux = convert.linux_termios2_from_freebsd(data, current)
    assert convert.freebsd_termios_from_linux(linux) == representable(data)


@given(raw("linux_termios2"), raw("freebsd_termios"))
def test_termios_keeps_what_only_linux_has(current, data):
    linux = convert.linux_termios2_from_freebsd(data, current)
    assert take(linux, "linux_termios2", "c_line") == take(current, "linux_termios2", "c_line")
    only_linux = {"c_iflag": 0x200, "c_oflag": 0xFFFFE7C2, "c_cflag": 0x60000000, "c_lflag": 0xFDFE2004}
    for member, mask in only_linux.items():
        assert number(linux, "linux_termios2", member) & mask == number(current, "linux_termios2", member) & mask


def test_termios_default():
    """Linux can keep all of it. The values: test_abi_oracle.py."""
    data = convert.freebsd_termios_default()
    assert convert.freebsd_termios_from_linux(convert.linux_termios2_from_freebsd(data, None)) == data


@pytest.mark.parametrize(
    ("speeds", "bits"),
    [
        ((9600, 9600), 0xD),
        ((0, 9600), 0xD),  # input as output
        ((9600, 0), 0xD << 16),  # hang up
        ((12345, 12345), 0x1000),
        ((12345, 9600), 0xD | 0x1000 << 16),
        ((115200, 9600), 0xD | 0x1002 << 16),
    ],
)
def test_termios_speed_bits(speeds, bits):
    data = pack("freebsd_termios", c_ispeed=speeds[0], c_ospeed=speeds[1])
    linux = convert.linux_termios2_from_freebsd(data, b"\xff" * SIZES["linux_termios2"])
    assert number(linux, "linux_termios2", "c_cflag") & 0x100F100F == bits
    assert number(linux, "linux_termios2", "c_ospeed") == speeds[1]
    assert number(linux, "linux_termios2", "c_ispeed") == (speeds[0] or speeds[1])


def test_real_terminal():
    """What a FreeBSD program reads and writes back unchanged changes nothing; what it changes arrives."""
    tcgets2, tcsets2 = 0x802C542A, 0x402C542B
    leader, follower = os.openpty()
    try:
        now = ctypes.create_string_buffer(SIZES["linux_termios2"])
        assert libc.ioctl(follower, ctypes.c_ulong(tcgets2), now) == 0
        freebsd = convert.freebsd_termios_from_linux(now.raw)
        assert number(freebsd, "freebsd_termios", "c_lflag") & 0x188 == 0x188  # ICANON, ISIG, ECHO
        assert take(freebsd, "freebsd_termios", "c_cc")[8] == 3  # VINTR is ^C
        assert number(freebsd, "freebsd_termios", "c_ospeed") == 38400
        unchanged = convert.linux_termios2_from_freebsd(freebsd, now.raw)
        assert libc.ioctl(follower, ctypes.c_ulong(tcsets2), unchanged) == 0
        after = ctypes.create_string_buffer(SIZES["linux_termios2"])
        assert libc.ioctl(follower, ctypes.c_ulong(tcgets2), after) == 0
        assert after.raw == now.raw

        changed = bytearray(freebsd)
        lflag = number(freebsd, "freebsd_termios", "c_lflag") & ~0x108  # no ICANON, no ECHO
        struct.pack_into("<I", changed, OFFSETS["freebsd_termios.c_lflag"], lflag)
        changed[OFFSETS["freebsd_termios.c_cc"] + VMIN] = 7
        wanted = convert.linux_termios2_from_freebsd(bytes(changed), now.raw)
        assert libc.ioctl(follower, ctypes.c_ulong(tcsets2), wanted) == 0
        attributes = termios.tcgetattr(follower)
        assert not attributes[3] & (termios.ICANON | termios.ECHO)
        assert attributes[3] & termios.ISIG
        assert attributes[6][termios.VMIN] in (7, b"\x07")
    finally:
        os.close(leader)
        os.close(follower)


# --- sysctl ------------------------------------------------------------------------------------------------------------


@given(raw("linux_sysinfo"))
@example(pack("linux_sysinfo", loads=struct.pack("<QQQ", 65536, 98304, 6553600)))  # 1.0, 1.5, 100.0
def test_loadavg(data):
    loads = struct.unpack("<QQQ", take(data, "linux_sysinfo", "loads"))
    result = convert.freebsd_loadavg_from_linux(data)
    averages = [load * 2048 // 65536 & 0xFFFFFFFF for load in loads]
    assert result == struct.pack("<3I4xq", *averages, 2048)


# --- the shim's rules --------------------------------------------------------------------------------------------------


def test_every_converter_is_tested():
    """A converter that the Python face does not have has no test."""
    text = Path(__file__).read_text()
    missing = [name for name in vars(convert) if not name.startswith("_") and f"convert.{name}" not in text]
    assert missing == []


def converters_of_the_pxd() -> list[str]:
    found = []
    for path in sorted((ROOT / "lsf" / "freebsd" / "abi").glob("*.pxi")):
        if path.name != "layout.pxi":
            found += re.findall(r"^cdef inline [^(]*?(\w+)\(", path.read_text(), re.MULTILINE)
    return found


def test_the_face_is_complete():
    names = converters_of_the_pxd()
    assert len(names) > 50
    helpers = {
        # reached through the converters that use them
        "linux_dirent64_name_length", "freebsd_dirent_size", "freebsd11_dirent_size", "freebsd_limit_from_linux",
        "linux_limit_from_freebsd", "freebsd_process_state_from_linux", "linux_xstate_size", "cmsg_align", "put_cmsg",
        "bintime_fraction", "cmsg_add", "cmsg_add_times",
            "put_slashes", "string_begins", "linux_bound_address", "freebsd_user_priority",
        "tty_bits", "tty_mask", "linux_speed_bits",
    }  # fmt: skip
    assert sorted(set(names) - set(vars(convert)) - helpers) == []


def test_freestanding(tmp_path):
    """Every converter links without Python and libc: all that is undefined is memcpy and memset, which the shim has."""
    pytest.importorskip("Cython", reason="the shim is built with Cython")
    shim = pytest.importorskip("lsf._build.shim", reason="the installed package has no build scripts")
    names = converters_of_the_pxd()
    lines = ["from lsf._structs cimport *", "cdef public void *entry(int number) noexcept nogil:"]
    for index, name in enumerate(names):
        lines += [f"    if number == {index}:", f"        return <void *>{name}"]
    lines += ["    return NULL"]
    source = tmp_path / "unit.pyx"
    source.write_text("\n".join(lines) + "\n")
    c_file, target = tmp_path / "unit.c", tmp_path / "unit.o"
    directives = ",".join(f"{key}={value}" for key, value in shim.DIRECTIVES.items() if key != "language_level")
    command = [
        sys.executable,
        "-m",
        "cython",
        "-3",
        "-Werror",
        "-X",
        directives,
        f"-I{ROOT}",
        str(source),
        "-o",
        c_file,
    ]
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path)
    include = [f"-I{folder}" for folder in (sysconfig.get_path("include"), ROOT / "lsf", ROOT / "lsf" / "generated")]
    subprocess.run(["gcc", *shim.CFLAGS, *include, "-c", c_file, "-o", target], check=True, timeout=120)
    command = [
        "ld",
        "--gc-sections",
        "-e",
        "entry",
        str(target),
        "-o",
        str(tmp_path / "unit"),
        "--warn-unresolved-symbols",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"undefined reference to `(\w+)'", done.stderr)) == {"memcpy", "memset"}

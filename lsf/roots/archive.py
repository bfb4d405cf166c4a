"""Reads what a root comes in: a tar archive of any usual compression, or a folder. Both become a stream of entries."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import hashlib
import io
import lzma
import math
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast

from lsf.roots import RootError
from lsf.roots.tree import Entry, Limits, UnsafeTree

#: What xz may use for its dictionary. The strongest setting, xz -9, needs 65 MiB; the format allows 4 GiB.
XZ_MEMORY = 256 << 20
ZSTD_WINDOW = 128 << 20
#: The longest extended header that is read: it lies in memory whole. Names and ACLs need a few hundred bytes.
MAX_HEADER = 1 << 20
BLOCK = 1 << 20

DEVICES = "left out: devices, sockets and named pipes"
FLAGS = "left out: file flags (chflags), which Linux has not"
ACLS = "left out: access control lists"
ATTRIBUTES = "left out: extended attributes"


class DamagedArchive(RootError):
    """The archive cannot be read to its end."""


class _XzReader(io.RawIOBase):
    """lzma.LZMAFile with a limit to its memory."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ended:
            data = b""
            if self._decompressor.needs_input:
                data = self._source.read(1 << 16)
                if not data:
                    raise EOFError("the compressed data end too early")
            piece = self._decompressor.decompress(data, len(buffer))
            if self._decompressor.eof:
                self._next_stream()
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def _next_stream(self) -> None:
        """Another stream may follow, after padding with zeros (`cat a.xz b.xz`)."""
        rest = self._decompressor.unused_data.lstrip(b"\x00")
        while not rest:
            more = self._source.read(1 << 16)
            if not more:
                self._ended = True
                return
            rest = more.lstrip(b"\x00")
        self._source.seek(-len(rest), os.SEEK_CUR)
        self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)


def _zstd_reader(source: BinaryIO) -> BinaryIO:
    try:
        import zstandard
    except ImportError:
        raise RootError(
            "this archive is compressed with zstd, for which the Python package zstandard is needed:"
            " pip install zstandard"
        ) from None
    return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(
        source, read_across_frames=True, closefd=False
    )


def decompressed(source: BinaryIO) -> BinaryIO:
    """The contents of a file that may be compressed, by its first bytes: gzip, bzip2, xz, zstd or none."""
    head = source.read(6)
    source.seek(0)
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=source)  # type: ignore[return-value]
    if head[:3] == b"BZh":
        return bz2.BZ2File(source)  # type: ignore[return-value]
    if head == b"\xfd7zXZ\x00" or head[:3] == b"\x5d\x00\x00":
        return _XzReader(source)  # type: ignore[return-value]
    if head[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd_reader(source)
    return source


class Meter:
    """Counts what comes out of a decompressor, and stops a bomb. `digest` is of the uncompressed stream."""

    def __init__(self, source: BinaryIO, limits: Limits, algorithm: str = "") -> None:
        self._source, self._limits = source, limits
        self._reader = decompressed(source)
        self.total = 0
        self.digest = hashlib.new(algorithm) if algorithm else None

    def count(self, size: int) -> None:
        """Count bytes that unpacking gives. Raises UnsafeTree past a limit."""
        self.total += size
        if self.total > self._limits.size:
            raise UnsafeTree(f"it unpacks to more than {self._limits.size} bytes")
        if self.total > self._limits.ratio_from and self.total > self._limits.ratio * max(1, self._source.tell()):
            raise UnsafeTree(f"it unpacks to more than {self._limits.ratio} times its size")

    def read(self, size: int) -> bytes:
        """At most this many bytes, b"" at the end."""
        data = self._reader.read(size)
        self.count(len(data))
        if self.digest is not None:
            self.digest.update(data)
        return data

    def drain(self) -> None:
        """Read what comes after the end of the archive: padding, which belongs to the digest."""
        while self.read(BLOCK):
            pass


class _Header(tarfile.TarInfo):
    """A header that does not fill the memory, and knows an archive's end from a cut."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        parse = super().frombuf
        return cls._examined(buf, lambda: parse(buf, encoding, errors))

    # Newer releases of tarfile, and old ones as Debian mends them, call this form.
    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **how: Any) -> _Header:
        parse = super()._frombuf  # type: ignore[misc]
        return cls._examined(buf, lambda: parse(buf, encoding, errors, **how))

    @staticmethod
    def _examined(buf: bytes | bytearray, parse: Callable[[], _Header]) -> _Header:
        # tarfile takes a cut and a broken header for the end; a whole archive ends with a block of zeros.
        if len(buf) != tarfile.BLOCKSIZE:
            raise DamagedArchive("it ends too early")
        try:
            header = parse()
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise DamagedArchive(f"a header of it is broken ({error})") from None
        extended = (
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
        )
        if header.type in extended and header.size > MAX_HEADER:
            raise UnsafeTree(f"an extended header has {header.size} bytes")
        return header


_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
}


def _seconds(value: float) -> float:
    return min(max(value, -float(1 << 31)), float(1 << 33)) if math.isfinite(value) else 0.0


def _lost(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What bsdtar stores beside a file that has no place here."""
    found = set()
    for key in headers:
        if key == "SCHILY.fflags":
            found.add(FLAGS)
        elif key.startswith("SCHILY.acl."):
            found.add(ACLS)
        elif key.startswith(("SCHILY.xattr.", "LIBARCHIVE.xattr.")):
            found.add(ATTRIBUTES)
    return tuple(sorted(found))


def _flags(text: str) -> str:
    """File flags as bsdtar has them, "" where they are none that chflags(1) could know."""
    return text if re.fullmatch(r"[a-z]+(,[a-z]+)*", text) and len(text) < 200 else ""


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    found = archive.extractfile(member)
    assert found is not None  # a file
    return cast(BinaryIO, found)


def _itself(file: BinaryIO) -> BinaryIO:
    return file


def _entries(archive: tarfile.TarFile, meter: Meter) -> Iterator[Entry]:
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
        kind = _KINDS.get(member.type, DEVICES)
        entry = Entry(
            member.name,
            kind,
            member.mode & 0o7777,
            member.uid,
            member.gid,
            _seconds(float(member.mtime)),
            target=member.linkname,
            lost=_lost(member.pax_headers),
            owner=(member.uname, member.gname),
            flags=_flags(member.pax_headers.get("SCHILY.fflags", "")),
        )
        if kind == "file":
            if member.size < 0:
                raise DamagedArchive(f"{member.name} has a negative size")
            entry.size = member.size
            entry.data = functools.partial(_contents, archive, member)
            if member.issparse():
                meter.count(member.size)  # holes are not in the stream, and are written nevertheless
        yield entry


@contextlib.contextmanager
def blamed(label: str) -> Iterator[None]:
    """Say of which archive it was that reading or writing its entries failed.

    Raises DamagedArchive and UnsafeTree that begin with the label; an OSError of the disk goes through.
    """
    try:
        yield
    except UnsafeTree as error:
        raise UnsafeTree(f"{label} is refused: {error}") from None
    except (DamagedArchive, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise DamagedArchive(f"{label} is damaged: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DamagedArchive(f"{label} is damaged: {error}") from None  # gzip and bz2 say so of bad data
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise DamagedArchive(f"{label} is damaged: {error}") from None


def tar_entries(path: str, limits: Limits, expect: str = "") -> Iterator[Entry]:
    """The files of a tar archive, in its order; each one's data can be read until the next is asked for.

    expect: "ALGORITHM:HEX", which the uncompressed archive must have. To be used within blamed(): what is wrong with
    the archive shows in many ways.
    """
    with open(path, "rb") as source:
        yield from entries(source, limits, expect)


def entries(source: BinaryIO, limits: Limits, expect: str = "") -> Iterator[Entry]:
    """The same of an open file."""
    algorithm, _, digest = expect.partition(":")
    meter = Meter(source, limits, algorithm)
    try:
        archive = tarfile.open(  # noqa: SIM115
            fileobj=meter,
            mode="r|",
            bufsize=BLOCK,
            tarinfo=_Header,  # type: ignore
            encoding="utf-8",
            errors="surrogateescape",
        )
    except tarfile.ReadError:
        raise DamagedArchive("it is no tar archive, or its beginning is lost") from None
    with archive:
        yield from _entries(archive, meter)
    meter.drain()
    if meter.digest is not None and meter.digest.hexdigest() != digest:
        raise DamagedArchive(f"its contents have the {algorithm} digest {meter.digest.hexdigest()}, not {digest}")


def folder_entries(path: str) -> Iterator[Entry]:
    """The files of a folder tree; what is mounted in it is left out, but for the mount point."""
    device = os.stat(path).st_dev
    seen: dict[tuple[int, int], str] = {}

    def walk(folder: str, prefix: str) -> Iterator[Entry]:
        status = os.stat(folder)
        yield Entry(
            prefix or ".", "folder", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime
        )
        if status.st_dev != device:
            return
        with os.scandir(folder) as scan:
            items = sorted(scan, key=lambda item: item.name)
        for item in items:
            name = f"{prefix}/{item.name}" if prefix else item.name
            status = item.stat(follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            common = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime)
            if kind == stat.S_IFDIR:
                yield from walk(item.path, name)
                continue
            if kind not in (stat.S_IFREG, stat.S_IFLNK):
                yield Entry(name, DEVICES)
                continue
            if status.st_nlink > 1:
                first = seen.setdefault((status.st_dev, status.st_ino), name)
                if first != name:
                    yield Entry(name, "hardlink", *common, target=first)
                    continue
            if kind == stat.S_IFLNK:
                yield Entry(name, "symlink", *common, target=os.readlink(item.path))
            else:
                with open(item.path, "rb") as data:
                    yield Entry(name, "file", *common, size=status.st_size, data=functools.partial(_itself, data))

    yield from walk(path, "")

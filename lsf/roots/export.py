"""`lsfctl root export`: a root as a tar archive as FreeBSD's base.txz is one, or as a container image (OCI).

A file's owner is what `lsf --fakeroot` shows, else what its record says (root.mtree), so an ordinary user's root comes out with
FreeBSD's owners; set-user-id bits and file flags, which this machine does not keep, come from the record too. The same root gives the
same bytes. Specification: opencontainers/image-spec (image-layout.md, config.md, layer.md); flags as bsdtar has them (SCHILY.fflags).
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from lsf.roots import Root, RootError, oci, record
from lsf.roots.record import Line
from lsf.roots.tree import OWNER_ATTRIBUTE
from lsf.roots.verify import counting, named

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
#: of gzip: 1 is fastest, 9 smallest. A base system is 3 % larger than with 9, in a third of the time.
LEVEL = 5
BUFFER = 1 << 20
#: What FreeBSD's login.conf(5) gives root.
PATH = "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/root/bin"


class _Hashed(io.RawIOBase):
    """A file to write to that counts and digests what it gets."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._inner.write(data)


def _owner(path: str, status: os.stat_result, line: Line | None) -> tuple[int, int]:
    """Whose file it is to FreeBSD."""
    with contextlib.suppress(OSError, ValueError):
        uid, _, gid = os.getxattr(path, OWNER_ATTRIBUTE, follow_symlinks=False).decode("ascii").partition(":")
        return int(uid), int(gid)
    own = os.geteuid()
    if own and status.st_uid == own:
        return (line.uid, line.gid) if line is not None else (0, 0)  # as `lsf --fakeroot` shows it
    return status.st_uid, status.st_gid


def _header(path: str, name: str, status: os.stat_result, line: Line | None) -> tarfile.TarInfo | None:
    """The header of a file but for hard links, None for what no archive of a root has (a socket)."""
    header = tarfile.TarInfo("." if name == "." else "./" + name)
    header.mode, header.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
    header.uid, header.gid = _owner(path, status, line)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        header.type = tarfile.DIRTYPE
    elif kind == stat.S_IFLNK:
        header.type, header.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif kind == stat.S_IFIFO:
        header.type = tarfile.FIFOTYPE
    elif kind == stat.S_IFREG:
        header.size = status.st_size
    else:
        return None
    if line is not None:
        if line.kind != "link" and header.mode == line.mode & record.KEPT_MODE:
            header.mode = line.mode
        if line.flags:
            header.pax_headers = {"SCHILY.fflags": line.flags}
    return header


def write_tar(root: Root, out: IO[bytes], seen: Callable[[], object]) -> list[str]:
    """Write a root as a tar archive, uncompressed. Returns the names that were left out. Raises OSError."""
    recorded: dict[str, Line] = {}
    with contextlib.suppress(RootError):  # a root from before there were records
        recorded = record.read(root.path, root.name)
    left: list[str] = []
    first: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape",
                      bufsize=BUFFER) as archive:  # fmt: skip
        for name, status in record.walk(root.path):
            seen()
            path = root.path if name == "." else f"{root.path}/{name}"
            header = _header(path, name, status, recorded.get(name))
            if header is None:
                left.append(name)
                continue
            linked = first.setdefault((status.st_dev, status.st_ino), header.name)
            if linked != header.name and header.type in (tarfile.REGTYPE, tarfile.SYMTYPE):
                header.type, header.linkname, header.size = tarfile.LNKTYPE, linked, 0
            if header.type == tarfile.REGTYPE:
                with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as data:
                    archive.addfile(header, data)
            else:
                archive.addfile(header)
    return left


@contextlib.contextmanager
def _compressed(out: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Compress what is written, by the ending of a file's name."""
    ending = name.rpartition(".")[2]
    if ending in ("gz", "tgz"):
        with gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as packed:
            yield cast(IO[bytes], packed)
    elif ending in ("xz", "txz"):
        import lzma

        with lzma.LZMAFile(out, "wb") as smallest:
            yield cast(IO[bytes], smallest)
    elif ending in ("zst", "tzst"):
        from lsf.roots.download import need

        with need("zstandard").ZstdCompressor(level=LEVEL).stream_writer(out, closefd=False) as quick:
            yield quick
    else:
        yield out


def _blob(folder: str, data: bytes, media_type: str) -> dict[str, object]:
    """Put a document into an image layout; its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(folder, "blobs/sha256", digest), "wb") as file:
        file.write(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write_layout(root: Root, folder: str, seen: Callable[[], object], system: str = "") -> list[str]:
    """Write a root as an image layout into an empty folder. Returns the names that were left out. Raises OSError.

    system: the `os` that the image is said to be for, where it is not freebsd: some engines take no other than linux.
    """
    os.makedirs(os.path.join(folder, "blobs/sha256"))
    whole = os.path.join(folder, "layer")
    with open(whole, "wb") as file:
        packed = _Hashed(file)
        with gzip.GzipFile("", "wb", LEVEL, cast(IO[bytes], packed), mtime=0) as inner:
            plain = _Hashed(cast(IO[bytes], inner))
            left = write_tar(root, cast(IO[bytes], plain), seen)
    layer = {"mediaType": LAYER_TYPE, "digest": f"sha256:{packed.digest.hexdigest()}", "size": packed.size}
    os.rename(whole, os.path.join(folder, "blobs/sha256", packed.digest.hexdigest()))
    freebsd, architecture = oci.PLATFORM
    version = root.release.partition("-")[0] if system in ("", freebsd) else ""  # it is that system's
    platform = {"os": system or freebsd, "architecture": architecture, "os.version": version}
    platform = {key: value for key, value in platform.items() if value}
    config = {
        **platform,
        "config": {"Env": [PATH], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain.digest.hexdigest()}"]},
        "history": [{"created_by": "lsfctl root export"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST_TYPES[0],
        "config": _blob(folder, _json(config), oci.CONFIG_TYPES[0]),
        "layers": [layer],
    }
    described = _blob(folder, _json(manifest), oci.MANIFEST_TYPES[0])
    described |= {"platform": platform, "annotations": {oci.REF_NAME: root.name}}
    index = {"schemaVersion": 2, "mediaType": oci.INDEX_TYPES[0], "manifests": [described]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(_json(value))
    return left


def _pack(folder: str, out: IO[bytes]) -> None:
    """An image layout as one archive."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=BUFFER) as archive:
        for name in ("oci-layout", "index.json", "blobs", "blobs/sha256"):
            archive.add(os.path.join(folder, name), name, recursive=False, filter=_anonymous)
        for name in sorted(os.listdir(os.path.join(folder, "blobs/sha256"))):
            archive.add(os.path.join(folder, "blobs/sha256", name), f"blobs/sha256/{name}", filter=_anonymous)


def _anonymous(header: tarfile.TarInfo) -> tarfile.TarInfo:
    header.uid = header.gid = 0
    header.uname = header.gname = ""
    header.mtime, header.mode = 0, 0o755 if header.isdir() else 0o644
    return header


def _make(
    root: Root, target: str, kind: str, work: str, seen: Callable[[], object], system: str
) -> tuple[str, list[str]]:
    """Make what was asked for in a folder of its own; its path there, and what was left out."""
    made = os.path.join(work, "made")
    if kind == "tar":
        with open(made, "wb") as file, _compressed(file, target) as out:
            return made, write_tar(root, out, seen)
    layout = os.path.join(work, "layout")
    os.mkdir(layout)
    left = write_layout(root, layout, seen, system)
    if kind == "oci":
        return layout, left
    with open(made, "wb") as file, _compressed(file, target) as out:
        _pack(layout, out)
    return made, left


def export(root: Root, target: str, kind: str = "", quiet: bool = False, system: str = "") -> list[str]:
    """Write a root to a file, or for the kind "oci" to a folder. It is there whole or not at all. Returns what was left out.

    kind: "tar" (also compressed, by the name's ending), "oci", "oci-archive"; "" is tar. system: as for `write_layout`. Raises RootError, OSError.
    """
    target = os.path.abspath(target)
    if os.path.lexists(target):
        raise RootError(f"{target} is there already")
    place, name = os.path.split(target)
    if os.path.commonpath((os.path.realpath(place), os.path.realpath(root.path))) == os.path.realpath(root.path):
        raise RootError(f"{target} lies in the root itself")
    work = tempfile.mkdtemp(prefix=f".{name[:100]}-", dir=place)
    try:
        files = root.fields.get("files", "")
        with counting(int(files) if files.isdecimal() else 0, f"exporting {root.name}", quiet) as seen:
            made, left = _make(root, target, kind or "tar", work, seen, system)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(made, (0o777 if kind == "oci" else 0o666) & ~mask)
        os.rename(made, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return left


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command; its arguments are in command.py."""
    from lsf.roots.manage import Options

    root = named(arguments.name)
    if arguments.os and arguments.format == "tar":
        raise RootError(f"--os {arguments.os}: a tar archive is for no system (--format oci, --format oci-archive)")
    left = export(root, arguments.target, arguments.format, arguments.quiet, arguments.os)
    options = Options(quiet=arguments.quiet)
    if left:
        options.say(f"left out: devices and sockets ({len(left)} {'file' if len(left) == 1 else 'files'})")
    options.say(f"{root.name}: written to {arguments.target}")

"""Writes a tree of files that someone else composed, and lets nothing land outside its folder.

Every step into a folder is an openat(2) that follows no symbolic link, so an archive cannot lead the writer out,
whatever links it has made before. Links themselves are free to point anywhere: inside the root they mean the root.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from lsf.roots import RootError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LINUX_FS_IOC_GETFLAGS = 0x80086601
LINUX_FS_IOC_SETFLAGS = 0x40086602
LOCKING_FLAGS = 0x30  # FS_IMMUTABLE_FL, FS_APPEND_FL
MAX_DEPTH = 128
MAX_SYMLINKS = 40
CHUNK = 1 << 20
#: lsf/freebsd/kernel/file/fakeroot.pxi
OWNER_ATTRIBUTE = "user.lsf.owner"


class UnsafeTree(RootError):
    """What was to be unpacked is hostile or absurd."""


@dataclass(frozen=True)
class Limits:
    """How much may be unpacked: bytes, files, and how much smaller than its contents an archive may be.

    FreeBSD's base.txz has 1 GB in 30,000 files, at a ratio of 5.
    """

    size: int = 16 << 30
    files: int = 1_000_000
    ratio: int = 200
    #: below this many bytes the ratio is not looked at
    ratio_from: int = 64 << 20


@dataclass
class Entry:
    """One file to be made. `kind`: file, folder, symlink, hardlink, or what it is where it cannot be made."""

    name: str
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: float = 0.0
    size: int = 0
    target: str = ""
    data: Callable[[], BinaryIO] | None = None
    #: what FreeBSD knows of the file and Linux does not: "file flags", "access control list", "extended attributes"
    lost: tuple[str, ...] = ()
    #: the file flags, as chflags(1) names them: "schg,uarch"
    flags: str = ""
    #: names of the owner and the group, "" where only the numbers are known
    owner: tuple[str, str] = ("", "")


class Fact(NamedTuple):
    """What was said of a file where it came from, whether or not it could be kept here: owner, group, mode and file flags."""

    uid: int
    gid: int
    mode: int
    flags: str


@dataclass
class Report:
    """What was unpacked, and what was left out."""

    files: int = 0
    size: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    #: by the parts of their names; of what was removed again, too
    facts: dict[tuple[str, ...], Fact] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """One line for each kind of thing that was left out."""
        return [f"{what} ({count} {'file' if count == 1 else 'files'})" for what, count in sorted(self.notes.items())]


def digest_of_open(file: BinaryIO, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of what is left of an open file."""
    digest = hashlib.new(algorithm)
    while piece := file.read(CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def parts_of(name: str) -> tuple[str, ...]:
    """The components of an archive's path. Raises UnsafeTree for what may not be in one."""
    if name.startswith("/"):
        raise UnsafeTree(f"{name!r} is an absolute path")
    if "\0" in name:
        raise UnsafeTree(f"{name!r} has a null byte in it")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise UnsafeTree(f"{name!r} leads out with ..")
    if len(parts) > MAX_DEPTH:
        raise UnsafeTree(f"a path has {len(parts)} components; {MAX_DEPTH} are the limit")
    return parts


def remove_tree(parent: int, name: str) -> None:
    """Remove a file or a whole folder, its unwritable parts too. `parent` is the descriptor of the folder it is in."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        try:
            os.unlink(name, dir_fd=parent)
        except PermissionError:
            if not stat.S_ISREG(status.st_mode) or not _unlock(parent, name):
                raise
            os.unlink(name, dir_fd=parent)
        return
    if status.st_mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.chmod(name, 0o700, dir_fd=parent)
    folder = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        if os.geteuid() == 0:
            _unlock(parent, name)
        for child in os.listdir(folder):
            remove_tree(folder, child)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def _unlock(parent: int, name: str) -> bool:
    """Take away the flags by which Linux keeps a file or folder from being removed (FreeBSD's chflags sets them for root): whether it
    had any."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        flags = struct.unpack("l", fcntl.ioctl(fd, LINUX_FS_IOC_GETFLAGS, bytes(8)))[0]
        if flags & LOCKING_FLAGS:
            fcntl.ioctl(fd, LINUX_FS_IOC_SETFLAGS, struct.pack("l", flags & ~LOCKING_FLAGS))
        return bool(flags & LOCKING_FLAGS)
    except OSError:  # a file system without flags, or a user who may not
        return False
    finally:
        os.close(fd)


def resolve_inside(root: str, path: str, missing: bool = False) -> str:
    """Where a path of the root lies on the host: symbolic links mean what they mean inside the root.

    The last component need not be there; missing: nor any other. Raises OSError (ELOOP, ENOTDIR, ENOENT, EACCES).
    """
    root = os.path.abspath(root).rstrip("/")
    waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        here = "/".join((root, *done, part))
        try:
            target = os.readlink(here)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT) or (
                error.errno == errno.ENOENT and waiting and not missing
            ):
                raise
            done.append(part)
            continue
        links += 1
        if links > MAX_SYMLINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        waiting += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return "/".join((root, *done)) or "/"


class Writer:
    """Makes files below one folder. Use it as a context manager, and call finish() at the end.

    A later entry replaces an earlier one of its name, but a folder stays when another of its name comes.
    """

    def __init__(self, folder: str, limits: Limits) -> None:
        self.limits = limits
        self.report = Report()
        self._root = os.open(folder, FOLDER_FLAGS)
        self._cached: tuple[tuple[str, ...], int] = ((), -1)
        self._folders: dict[tuple[str, ...], Entry] = {}
        self._own = os.geteuid() == 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self._root)

    def _forget(self) -> None:
        if self._cached[1] >= 0:
            os.close(self._cached[1])
        self._cached = ((), -1)

    def _walk(self, parts: tuple[str, ...], create: bool) -> int:
        """A new descriptor of a folder below the root."""
        folder = os.dup(self._root)
        for depth, part in enumerate(parts):
            try:
                try:
                    inner = os.open(part, FOLDER_FLAGS, dir_fd=folder)
                except FileNotFoundError:
                    if not create:
                        raise
                    os.mkdir(part, 0o755, dir_fd=folder)
                    inner = os.open(part, FOLDER_FLAGS, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise UnsafeTree(
                        f"{'/'.join(parts)!r} goes through {'/'.join(parts[: depth + 1])!r}, which is not a folder"
                    ) from None
                raise
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _parent(self, parts: tuple[str, ...]) -> int:
        """The folder that a path is in, made where it is missing. Valid until the next call."""
        if self._cached[1] < 0 or self._cached[0] != parts[:-1]:
            self._forget()
            self._cached = (parts[:-1], self._walk(parts[:-1], create=True))
        return self._cached[1]

    def _clear(self, parts: tuple[str, ...]) -> None:
        """Make room for a file."""
        parent = self._parent(parts)
        try:
            remove_tree(parent, parts[-1])
        except FileNotFoundError:
            return
        self._drop_folders(parts)

    def _drop_folders(self, parts: tuple[str, ...]) -> None:
        gone = [known for known in self._folders if known[: len(parts)] == parts]
        for known in gone:
            del self._folders[known]

    def add(self, entry: Entry) -> None:
        """Make one file. Raises UnsafeTree, or OSError of the folder written to."""
        parts = parts_of(entry.name)
        if any(len(os.fsencode(part)) > 255 for part in parts):
            raise UnsafeTree(f"the name {entry.name[:60]!r}... is longer than a file's name may be")
        self.report.files += 1
        if self.report.files > self.limits.files:
            raise UnsafeTree(f"it has more than {self.limits.files} files")
        for what in entry.lost:
            self.report.notes[what] += 1
        if not parts:
            if entry.kind == "folder":
                self._folders[()] = entry
                self._state(parts, entry)
            return
        self._state(parts, entry)
        if entry.kind == "folder":
            self._add_folder(parts, entry)
        elif entry.kind == "file":
            self._add_file(parts, entry)
        elif entry.kind == "symlink":
            self._add_symlink(parts, entry)
        elif entry.kind == "hardlink":
            self._add_hardlink(parts, entry)
        else:
            self.report.notes[entry.kind] += 1

    def _state(self, parts: tuple[str, ...], entry: Entry) -> None:
        fact = Fact(entry.uid, entry.gid, entry.mode & 0o7777, entry.flags)
        if entry.kind == "hardlink":
            fact = self.report.facts.get(tuple(p for p in entry.target.split("/") if p not in ("", ".")), fact)
        self.report.facts[parts] = fact

    def add_all(self, entries: Iterable[Entry]) -> None:
        """Make all of them."""
        for entry in entries:
            self.add(entry)

    def _add_folder(self, parts: tuple[str, ...], entry: Entry) -> None:
        parent = self._parent(parts)
        try:
            os.mkdir(parts[-1], 0o755, dir_fd=parent)
        except FileExistsError:
            status = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(parts[-1], dir_fd=parent)
                os.mkdir(parts[-1], 0o755, dir_fd=parent)
        self._folders[parts] = entry  # its mode may forbid to fill it: that comes last

    def _add_file(self, parts: tuple[str, ...], entry: Entry) -> None:
        if entry.size + self.report.size > self.limits.size:
            raise UnsafeTree(f"it unpacks to more than {self.limits.size} bytes")
        self._clear(parts)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(parts[-1], flags, 0o600, dir_fd=self._parent(parts))
        try:
            written = 0
            if entry.data is not None:
                source = entry.data()
                while piece := source.read(CHUNK):
                    written += len(piece)
                    if written + self.report.size > self.limits.size:
                        raise UnsafeTree(f"it unpacks to more than {self.limits.size} bytes")
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(fd, view) :]
            if written != entry.size:
                raise UnsafeTree(f"{entry.name} has {written} bytes, not {entry.size}")
            self.report.size += written
            self._attributes(fd, entry)
        finally:
            os.close(fd)

    def _add_symlink(self, parts: tuple[str, ...], entry: Entry) -> None:
        if not entry.target or "\0" in entry.target or len(os.fsencode(entry.target)) > 4095:
            raise UnsafeTree(f"the symbolic link {entry.name!r} has no possible target")
        self._clear(parts)
        parent = self._parent(parts)
        os.symlink(entry.target, parts[-1], dir_fd=parent)
        if self._own:
            self._chown(parts[-1], entry, dir_fd=parent, follow_symlinks=False)
        times = (int(entry.mtime * 1e9), int(entry.mtime * 1e9))
        os.utime(parts[-1], ns=times, dir_fd=parent, follow_symlinks=False)

    def _add_hardlink(self, parts: tuple[str, ...], entry: Entry) -> None:
        try:
            target = parts_of(entry.target)
        except UnsafeTree as error:
            raise UnsafeTree(f"the hard link {entry.name!r} leads out: {error}") from None
        if not target:
            raise UnsafeTree(f"the hard link {entry.name!r} has no possible target")
        if target == parts:
            return
        try:
            source = self._walk(target[:-1], create=False)
        except FileNotFoundError:
            source = -1
        try:
            status = os.stat(target[-1], dir_fd=source, follow_symlinks=False) if source >= 0 else None
            if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                raise FileNotFoundError
            self._clear(parts)
            os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=self._parent(parts), follow_symlinks=False)
        except FileNotFoundError:
            raise UnsafeTree(f"the hard link {entry.name!r} is to {entry.target!r}, which it does not have") from None
        finally:
            if source >= 0:
                os.close(source)

    def _chown(self, target: int | str, entry: Entry, **place: object) -> None:
        try:
            os.chown(target, entry.uid, entry.gid, **place)  # type: ignore[arg-type]
        except (OSError, OverflowError):  # a user namespace without that id
            self.report.notes["left out: owners that this user may not give"] += 1

    def _attributes(self, fd: int, entry: Entry) -> None:
        if self._own:
            self._chown(fd, entry)
        elif (entry.uid, entry.gid) != (0, 0):
            # What `lsf --fakeroot` shows as the owner; all else belongs to root there.
            with contextlib.suppress(OSError):  # a file system without such attributes
                os.setxattr(fd, OWNER_ATTRIBUTE, b"%d:%d" % (entry.uid, entry.gid))
        mode = entry.mode & 0o1777
        if entry.mode & 0o6000 and entry.kind == "file":
            # A set-user-id program of FreeBSD's would be one of the host's too, which Linux would run as its own.
            self.report.notes["left out: set-user-id and set-group-id bits"] += 1
        os.fchmod(fd, mode)
        times = (int(entry.mtime * 1e9), int(entry.mtime * 1e9))
        os.utime(fd, ns=times)

    def finish(self) -> Report:
        """Give the folders their modes and times, the deepest first."""
        self._forget()
        for parts in sorted(self._folders, key=len, reverse=True):
            entry = self._folders[parts]
            folder = self._walk(parts, create=False)
            try:
                self._attributes(folder, entry)
            finally:
                os.close(folder)
        self._folders.clear()
        return self.report

    def clear_folder(self, name: str) -> None:
        """Remove all that is in a folder, and leave it: an image layer's opaque mark. No such folder: nothing."""
        parts = parts_of(name)
        self._forget()
        try:
            folder = self._walk(parts, create=False)
        except FileNotFoundError:
            return
        own = self._folders.get(parts)
        try:
            for child in os.listdir(folder):
                remove_tree(folder, child)
        finally:
            os.close(folder)
        self._drop_folders(parts)
        if own is not None:
            self._folders[parts] = own

    def remove(self, name: str) -> None:
        """Remove a file or a folder: an image layer's whiteout. No such file: nothing."""
        parts = parts_of(name)
        if not parts:
            raise UnsafeTree(f"{name!r} would remove the root itself")
        self._forget()
        try:
            folder = self._walk(parts[:-1], create=False)
        except FileNotFoundError:
            return
        try:
            remove_tree(folder, parts[-1])
        except FileNotFoundError:
            return
        finally:
            os.close(folder)
        self._drop_folders(parts)

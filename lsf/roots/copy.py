"""Copies roots, so that packages can be installed into the copy while the original stays as it was fetched.

No file is shared by name with the original: contents are shared where the file system can (reflinks: Btrfs, XFS), and copied where it
cannot. Hard links of the tree are links to each other in the copy. What --fakeroot and chflags keep in attributes comes along.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lsf import roots
from lsf.roots import Root, RootError, identify, manage, record
from lsf.roots.tree import LINUX_FS_IOC_GETFLAGS, LINUX_FS_IOC_SETFLAGS, OWNER_ATTRIBUTE

LINUX_FICLONE = 0x40049409
#: immutable, append-only, no dump (FS_ of linux/fs.h): those that FreeBSD's chflags(2) sets under LSF
FILE_FLAGS = 0x70
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM)


def flags_of(fd: int) -> int:
    """An open file's flags as Linux has them; 0 where its file system has none."""
    try:
        return int(struct.unpack("l", fcntl.ioctl(fd, LINUX_FS_IOC_GETFLAGS, bytes(8)))[0])
    except OSError:
        return 0


@dataclass
class _Copier:
    """Copies a tree. `left` counts what was not copied, by kind."""

    files: int = 0
    size: int = 0
    left: dict[str, int] = field(default_factory=dict)
    reflinks: bool = True
    _links: dict[tuple[int, int], str] = field(default_factory=dict)
    _locked: list[tuple[str, int]] = field(default_factory=list)
    _own: bool = os.geteuid() == 0

    def tree(self, source: str, target: str) -> None:
        """Copy the folder `source` to a new one, `target`. Raises OSError; what is mounted in the source is left out."""
        self._folder(source, target, os.stat(source).st_dev)
        for path, flags in reversed(self._locked):
            with _opened(path) as fd:
                fcntl.ioctl(fd, LINUX_FS_IOC_SETFLAGS, struct.pack("l", flags_of(fd) | flags))

    def _folder(self, source: str, target: str, device: int) -> None:
        status = os.stat(source)
        os.mkdir(target, 0o700)
        if status.st_dev == device:
            with os.scandir(source) as scan:
                items = sorted(scan, key=lambda item: item.name)
            for item in items:
                self._item(item, f"{target}/{item.name}", device)
        with _opened(source) as read, _opened(target) as write:
            self._attributes(read, write, status, target)

    def _item(self, item: os.DirEntry[str], target: str, device: int) -> None:
        status = item.stat(follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            self._folder(item.path, target, device)
            return
        if kind not in (stat.S_IFREG, stat.S_IFLNK):
            self.left["devices, sockets and named pipes"] = self.left.get("devices, sockets and named pipes", 0) + 1
            return
        self.files += 1
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), target)
            if first != target:
                os.link(first, target, follow_symlinks=False)
                return
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(item.path), target)
            self._give(target, status)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
            return
        self.size += status.st_size
        with _opened(item.path) as read, _opened(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as write:
            self._contents(read, write, status.st_size)
            self._attributes(read, write, status, target)

    def _contents(self, read: int, write: int, size: int) -> None:
        if self.reflinks and size:
            try:
                fcntl.ioctl(write, LINUX_FICLONE, read)
                return
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self.reflinks = False
        try:
            while size > 0 and (done := os.copy_file_range(read, write, size)):
                size -= done
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        with open(read, "rb", closefd=False) as source, open(write, "wb", closefd=False) as copy:
            shutil.copyfileobj(source, copy)  # the rest, from where both stand

    def _give(self, target: int | str, status: os.stat_result) -> None:
        if self._own:
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=isinstance(target, int))

    def _attributes(self, read: int, write: int, status: os.stat_result, target: str) -> None:
        self._give(write, status)
        os.fchmod(write, stat.S_IMODE(status.st_mode))
        names = [name for name in _names(read) if not name.startswith("security.")]
        for name in names:
            try:
                os.setxattr(write, name, os.getxattr(read, name))
            except OSError as error:
                if error.errno not in (*_CANNOT, errno.EACCES, errno.ENODATA) or name.startswith("user.lsf."):
                    raise
        if not self._own and OWNER_ATTRIBUTE not in names:
            _remember_owner(write, status)
        flags = flags_of(read) & FILE_FLAGS if self._own else 0
        if flags:
            self._locked.append((target, flags))
        os.utime(write, ns=(status.st_atime_ns, status.st_mtime_ns))


def _names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError:
        return []


def _remember_owner(fd: int, status: os.stat_result) -> None:
    """Keep who owned a file that is now the user's, for --fakeroot, which shows the user as root."""
    uid = 0 if status.st_uid == os.geteuid() else status.st_uid
    gid = 0 if status.st_gid == os.getegid() else status.st_gid
    if uid or gid:
        with contextlib.suppress(OSError):  # a file system without attributes
            os.setxattr(fd, OWNER_ATTRIBUTE, f"{uid}:{gid}".encode())


@contextlib.contextmanager
def _opened(path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _described(source: str, path: str) -> dict[str, str]:
    """What root.conf is to say of a copy."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    root = roots.load(os.path.basename(os.path.dirname(path)))
    if root is not None and root.path == path:
        return {"installed": now, **root.fields, "copied": now, "copy_of": root.name}
    release, number = identify.identify(path)
    return {"release": release, "osreldate": str(number or ""), "source": path, "installed": now, "copied": now,
            "copy_of": source}  # fmt: skip


def _furnish(tree: str) -> bool:
    """Add what programs need that are to install packages: places to mount on, and whom to ask for names. Whether it lacked the latter.

    What cannot be made (a user's copy of folders that may not be written to) is left out."""
    try:
        manage.make_places(tree)
        return manage.give_resolver(tree)
    except OSError:
        return False


def copy_tree(source: str, target: str) -> None:
    """Copy a folder to a new one that is no root of the store. Raises OSError."""
    _Copier().tree(source, target)


def copy(source: str, name: str, quiet: bool = False) -> Root:
    """Make a root `name` that has what `source` has, a root's name or folder. It is there whole or not at all.

    Raises RootError, and OSError of the disk.
    """
    path = roots.resolve(source)
    lacks = roots.missing(path)
    if lacks:
        raise RootError(f"{source} is not a FreeBSD root: {lacks}")
    options = manage.Options(name, quiet=quiet)
    manage.check_name(name)
    if os.path.realpath(roots.store()).startswith(os.path.realpath(path) + "/"):
        raise RootError(f"{source}: the store of roots lies in this folder")
    copier = _Copier()
    with manage.new_root(name) as work:
        try:
            copier.tree(path, f"{work}/{roots.TREE}")
        except PermissionError as error:
            raise RootError(f"{error.filename or path}: {error.strerror}: who made this root can copy it") from None
        asks = _furnish(f"{work}/{roots.TREE}")
        if os.path.basename(path) == roots.TREE and os.path.exists(f"{os.path.dirname(path)}/{record.FILE}"):
            shutil.copyfile(f"{os.path.dirname(path)}/{record.FILE}", f"{work}/{record.FILE}")
        manage.write_conf(work, {**_described(source, path), "files": str(copier.files), "size": str(copier.size)})
    for what, count in copier.left.items():
        options.say(f"left out: {what} ({count} {'file' if count == 1 else 'files'})")
    if asks:
        options.say("/etc/resolv.conf, which it lacked, is this machine's")
    how = "sharing its contents" if copier.reflinks else "all of it copied"
    options.say(f"{name}: a copy of {source}, {copier.files} files, {how}")
    root = roots.load(name)
    assert root is not None
    return root

"""Makes, lists and removes the roots of the store.

A root is made beside its place, in a hidden folder, and gets its name by one rename at the end: whatever goes wrong
before leaves nothing behind but what was downloaded, which the next try continues. Hidden folders of processes that
are gone are removed by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import errno
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lsf import roots
from lsf.roots import Root, RootError, archive, hints, identify, record
from lsf.roots.tree import Entry, Limits, Report, Writer, remove_tree, resolve_inside

SWEEP_AGE = 10.0
#: fcntl.h and linux/fs.h
LINUX_AT_FDCWD = -100
LINUX_RENAME_EXCHANGE = 2


@dataclass
class Options:
    """What every way to make a root can be told."""

    name: str = ""
    force: bool = False  # take a tree that does not look like FreeBSD's
    quiet: bool = False
    limits: Limits = field(default_factory=Limits)

    def say(self, line: str) -> None:
        """Tell what is being done, on standard error."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)


def open_store() -> str:
    """The store, made where it is missing. Others of the machine have no business in it."""
    folder = roots.store()
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            error = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(error, os.strerror(error))
    except OSError as error:
        raise RootError(f"{folder}: {error.strerror}; LSF_ROOTS names another place for roots") from None
    return folder


@contextlib.contextmanager
def held(path: str) -> Iterator[bool]:
    """Hold the lock of a file or folder; whether it was to be had. The kernel drops it when the process ends."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


def remove_path(path: str) -> None:
    """Remove a file or a whole folder, its unwritable parts too."""
    parent = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(parent, os.path.basename(path))
    finally:
        os.close(parent)


def sweep(folder: str) -> None:
    """Remove what processes that were killed have left."""
    for name in os.listdir(folder):
        if name.startswith((".unpack-", ".remove-", ".run-")):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError), held(path) as gone:
                # A new one may not be held yet.
                if gone and time.time() - os.stat(path).st_mtime > SWEEP_AGE:
                    remove_path(path)


def check_name(name: str) -> str:
    """A name for a new root. Raises RootError where it is none, or taken."""
    if not roots.name_is_valid(name):
        raise RootError(f"{name!r} cannot be a root's name: letters, digits and . _ + - (not in front), 100 at most")
    if os.path.lexists(os.path.join(roots.store(), name)):
        raise RootError(f"a root is called {name} already: `lsfctl root remove {name}` first, or --name another")
    return name


def make_places(tree: str) -> None:
    """Make what the isolated view mounts on, and /tmp, where a tree has none: then its own top is what is shown. Raises OSError."""
    for part, mode in (("dev", 0o755), ("proc", 0o555), ("tmp", 0o1777)):
        place = os.path.join(tree, part)
        if not os.path.lexists(place):
            os.mkdir(place)
            os.chmod(place, mode)


def give_resolver(tree: str) -> bool:
    """Tell the programs of a tree whom to ask for names, as the host's do, where it does not say: FreeBSD's userland as it is published
    has no /etc/resolv.conf. Returns whether it was made. Raises OSError."""
    target = resolve_inside(tree, "etc") + "/resolv.conf"
    if os.path.lexists(target) or not os.path.isfile("/etc/resolv.conf"):
        return False
    shutil.copyfile("/etc/resolv.conf", target)
    return True


def _complete(tree: str, options: Options) -> tuple[str, int]:
    """What every new root gets: a check that it is one, places to mount on, the linker's hints. Returns its release."""
    lacks = roots.missing(tree)
    if lacks and not options.force:
        raise RootError(f"this is not a FreeBSD root: {lacks} (--force takes it nevertheless)")
    try:
        make_places(tree)
        hints.write(tree)
    except OSError as error:
        options.say(f"note: {error.filename or tree}: {error.strerror}: the linker's hints could not be made")
    return identify.identify(tree)


def write_conf(folder: str, fields: Mapping[str, str]) -> None:
    """Write the root.conf of a root that is being made."""
    with open(os.path.join(folder, roots.CONF), "w", encoding="utf-8", errors="surrogateescape") as file:
        for key, value in fields.items():
            clean = "".join(c if c.isprintable() else "?" for c in value)
            file.write(f"{key}={clean}\n")
        os.fchmod(file.fileno(), 0o644)  # FreeBSD's programs may run as another user
        file.flush()
        os.fsync(file.fileno())


def unpack_entries(tree: str, entries: Iterable[Entry], options: Options, label: str) -> Report:
    """Write files into a new folder. `label` is what messages call the archive."""
    os.mkdir(tree)
    with Writer(tree, options.limits) as writer, archive.blamed(label):
        writer.add_all(_counted(entries, options.quiet))
        return writer.finish()


def _counted(entries: Iterable[Entry], quiet: bool) -> Iterable[Entry]:
    """Count the files as they are unpacked, on a terminal."""
    try:
        from tqdm import tqdm
    except ImportError:  # unpacking goes without
        return entries
    counted: Iterable[Entry] = tqdm(
        entries, desc="unpacking", unit=" files", disable=quiet or None, dynamic_ncols=True, mininterval=0.2
    )
    return counted


@contextlib.contextmanager
def new_root(name: str, replace: bool = False) -> Iterator[str]:
    """A folder of the store that becomes the root `name` when the block ends, in one step; after an error nothing is left of it.

    As long as its lock is held nobody takes it for a dead process's. replace: as make() has it.
    """
    folder = open_store()
    sweep(folder)
    work = tempfile.mkdtemp(prefix=".unpack-", dir=folder)
    try:
        with held(work):
            yield work
            os.chmod(work, 0o755)
            _put_in_place(work, name, replace)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_path(work)
        raise


def make(
    name: str,
    options: Options,
    source: str,
    fill: Callable[[str], Report],
    announced: str = "",
    more: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Root:
    """Make a root. `fill(work)` makes the folder `root` in work; what else it leaves there vanishes.

    announced: the release it should be, which counts where the root itself says no more than 14.1, or nothing. more: what root.conf is to
    say besides. replace: exchange the root of this name, which stays until the new one is whole.
    """
    with new_root(name, replace) as work:
        report = fill(work)
        fields = _described(work, options, source, report, announced)
        record.write(os.path.join(work, roots.TREE), os.path.join(work, record.FILE), report.facts)
        write_conf(work, {**fields, **(more or {})})
    for line in report.lines():
        options.say(line)
    root = roots.load(name)
    assert root is not None
    options.say(f"{name}: FreeBSD {root.release or 'of unknown release'}, {report.files} files in {root.path}")
    return root


def _described(work: str, options: Options, source: str, report: Report, announced: str) -> dict[str, str]:
    """Complete a new root in its folder; what root.conf is to say of it."""
    release, number = _complete(os.path.join(work, roots.TREE), options)
    if not release or announced.startswith(release + "-"):
        release, number = announced, number or roots.number_of(announced)
    for left in os.listdir(work):
        if left != roots.TREE:
            remove_path(os.path.join(work, left))
    return {
        "release": release,
        "osreldate": str(number) if number else "",
        "source": source,
        "installed": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": str(report.files),
        "size": str(report.size),
    }


def _put_in_place(work: str, name: str, replace: bool) -> None:
    """Give a whole root its name, in one step."""
    place = os.path.join(os.path.dirname(work), name)
    if replace and os.path.lexists(place):
        exchange(work, place)
        remove_path(work)
        return
    try:
        os.rename(work, place)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            check_name(name)  # another process was faster
        raise


def exchange(first: str, second: str) -> None:
    """Exchange the names of two folders: in one step where Linux and the file system can (renameat2), else in three."""
    libc = ctypes.CDLL(None, use_errno=True)
    rename = getattr(libc, "renameat2", None)
    if rename is not None:
        if rename(LINUX_AT_FDCWD, os.fsencode(first), LINUX_AT_FDCWD, os.fsencode(second), LINUX_RENAME_EXCHANGE) == 0:
            return
        error = ctypes.get_errno()
        if error not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(error, os.strerror(error), second)
    aside = tempfile.mkdtemp(prefix=".remove-", dir=os.path.dirname(first))
    os.rename(second, aside)  # onto an empty folder
    os.rename(first, second)
    os.rename(aside, first)


def own_root(name: str) -> Root:
    """A root of the user's own store, which may be changed. Raises RootError where there is none of that name."""
    root = roots.load_own(name)
    if root is not None:
        return root
    if roots.load(name) is not None:
        raise RootError(
            f"{name} is in {roots.SYSTEM_STORE}, for all users: `lsfctl root --system` is for its administrator"
        )
    known = ", ".join(root.name for root in roots.installed()) or "none"
    raise RootError(f"no root is called {name}; there are: {known}")


def remove(names: list[str]) -> None:
    """Remove roots. Raises RootError where one is not there, before anything is removed."""
    folder = open_store()
    for name in names:
        if not (roots.name_is_valid(name) and os.path.lexists(os.path.join(folder, name))):
            own_root(name)
    for name in dict.fromkeys(names):
        # The name goes first, in one step: what is half removed is no root.
        grave = tempfile.mkdtemp(prefix=".remove-", dir=folder)
        with held(grave):
            os.rename(os.path.join(folder, name), os.path.join(grave, name))
            remove_path(grave)
    sweep(folder)

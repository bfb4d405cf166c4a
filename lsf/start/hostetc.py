"""The files that the merged view lays over a root's /etc: the host's users and groups beside FreeBSD's own, and the
host's resolv.conf, hosts and localtime.

They are made once and kept in $XDG_CACHE_HOME/lsf/etc (~/.cache/lsf/etc) until one of the files they are made of changes.
"""

import os
import stat
import time

from lsf.start.files import with_large_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Copied as they are.
HOSTS = ("resolv.conf", "hosts", "localtime")
_SOURCES = ("passwd", "group", *HOSTS)
_ROOT_SOURCES = ("master.passwd", "passwd", "group")
#: From here on uids and gids are of people; below, FreeBSD and Linux give them to different services.
FIRST_PERSON = 1000
NOBODY = 65534
#: For a root that has no users of its own.
SUPERUSER = ("root", "*", "0", "0", "", "0", "0", "Charlie &", "/root", "/bin/sh")
_FORMAT = 3  # another number makes every layer anew
MAX_SYMLINKS = 40
MAX_FILE = 1 << 22
ENOTDIR, ELOOP = 20, 40  # the module errno is not loaded yet at a start
#: Seconds: after how long without use a layer is removed, how often its use is noted, what is too new to be left behind.
UNUSED = 30 * 86400
DAY = 86400
FRESH = 10
SCRATCH = ".new-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NAME_LENGTH = 16  # of what is kept: a number in hexadecimal


def _read(path: str, root: str = "") -> bytes | None:
    """A file's contents, by its path on the host or inside a root; None where it cannot be read, or is no file."""
    try:
        fd = (
            open_inside(root, path) if root else os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        )
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data = b""
        while len(data) < MAX_FILE and (piece := os.read(fd, MAX_FILE)):
            data += piece
        return data
    except OSError:
        return None
    finally:
        os.close(fd)


def _rows(path: str, fields: int, root: str = "") -> list[list[str]] | None:
    text = _read(path, root)
    if text is None:
        return None
    lines = os.fsdecode(text).split("\n")
    rows = [line.split(":") for line in lines if line and line[0] not in "#+-"]
    return [row for row in rows if len(row) == fields and row[0] and row[2].isdecimal()]


def _root_users(etc: str) -> list[list[str]]:
    """The root's users with the ten fields of master.passwd, which only its owner may be able to read."""
    top, name = os.path.split(etc)
    rows = _rows(f"{name}/master.passwd", 10, top)
    if rows is None:
        rows = [[*row[:4], "", "0", "0", *row[4:]] for row in _rows(f"{name}/passwd", 7, top) or []]
    return rows


def _is_program(top: str, path: str) -> bool:
    """Whether a root has a program."""
    try:
        fd = open_inside(top, path)
    except OSError:
        return False
    try:
        mode = os.fstat(fd).st_mode
        return stat.S_ISREG(mode) and mode & 0o111 != 0
    finally:
        os.close(fd)


def _is_ours(number: str, own: set[int]) -> bool:
    return int(number) in own or (FIRST_PERSON <= int(number) < NOBODY)


def users(
    root_users: list[list[str]], host_users: list[list[str]], shells: "Callable[[str], bool]", own: int
) -> list[list[str]]:
    """FreeBSD's users and the host's people, the latter first where they share a uid. FreeBSD's root stays.

    shells(path) tells whether the root has a shell; who would have none gets /bin/sh.
    """
    people = [
        [row[0], "*", row[2], row[3], "", "0", "0", row[4], row[5], row[6] if shells(row[6]) else "/bin/sh"]
        for row in host_users
        if row[3].isdecimal() and int(row[2]) != 0 and _is_ours(row[2], {own})
    ]
    names = {row[0] for row in people}
    superusers = [row for row in root_users if row[2] == "0"] or [list(SUPERUSER)]
    return superusers + people + [
        row for row in root_users if row[2] != "0" and row[0] not in names
    ]  # fmt: skip


def groups(root_groups: list[list[str]], host_groups: list[list[str]], own: set[int]) -> list[list[str]]:
    """FreeBSD's groups and those of the host's that are people's or this process's, the latter first."""
    names = {row[0] for row in root_groups}
    people = [
        [row[0], "*", row[2], row[3]]
        for row in host_groups
        if int(row[2]) != 0 and row[0] not in names and _is_ours(row[2], own)
    ]
    if not any(row[2] == "0" for row in root_groups):
        root_groups = [["wheel", "*", "0", "root"], *root_groups]
    return people + root_groups


def contents(etc: str) -> dict[str, bytes]:
    """The files of the layer over a root's `etc`, by name."""
    from lsf.roots import pwdb

    top, name = os.path.split(etc)
    every = users(_root_users(etc), _rows("/etc/passwd", 7) or [], lambda shell: _is_program(top, shell),
                  os.getuid())  # fmt: skip
    group = groups(_rows(f"{name}/group", 4, top) or [], _rows("/etc/group", 4) or [], {os.getgid(), *os.getgroups()})
    public, secret = pwdb.databases(every)

    def text(rows: "Iterable[list[str]]") -> bytes:
        return os.fsencode("".join(":".join(row) + "\n" for row in rows))

    files = {
        "master.passwd": text(every),
        "passwd": text([row[0], "*", *row[2:4], *row[7:]] for row in every),
        "group": text(group),
        "pwd.db": public,
        "spwd.db": secret,
    }
    for name in HOSTS:
        data = _read("/etc/" + name)
        if data is not None:
            files[name] = data
    return files


def write(files: dict[str, bytes], folder: str) -> None:
    """Write a layer's files into a folder. Raises OSError."""
    for name, data in files.items():
        mode = 0o600 if name in ("master.passwd", "spwd.db") else 0o644
        fd = os.open(
            os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
        try:
            os.fchmod(fd, mode)  # whatever the umask
            while data:
                data = data[os.write(fd, data) :]
            os.fsync(fd)
        finally:
            os.close(fd)


def _signature(etc: str) -> int:
    """A number that is another one after any change to what a layer is made of."""
    parts: list[int] = [_FORMAT, os.getuid(), os.getgid(), *sorted(os.getgroups())]
    for path in [f"/etc/{name}" for name in _SOURCES] + [f"{etc}/{name}" for name in _ROOT_SOURCES]:
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                status = _status_of_link(path, etc)
            parts += [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        except OSError:
            parts.append(0)
    return hash(tuple(parts)) & 0xFFFFFFFFFFFFFFFF  # of integers it is the same in every process


def _status_of_link(path: str, etc: str) -> os.stat_result:
    """What a symbolic link among the sources leads to, for a root's inside the root. Raises OSError."""
    if not path.startswith(etc + "/"):
        return os.stat(path)
    fd = open_inside(os.path.dirname(etc), f"{os.path.basename(etc)}/{os.path.basename(path)}")
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def open_inside(root: str, path: str) -> int:
    """Open a file of a root for reading: symbolic links mean what they mean inside the root, whoever makes them meanwhile.
    Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    folders = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    try:
        while waiting:
            part = waiting.pop()
            if part == "..":
                if len(folders) > 1:
                    os.close(folders.pop())
                continue
            try:
                fd = os.open(part, flags | os.O_PATH | os.O_DIRECTORY if waiting else flags, dir_fd=folders[-1])
            except OSError as error:
                if error.errno not in (ELOOP, ENOTDIR):
                    raise
                links += 1
                if links > MAX_SYMLINKS:
                    raise
                try:
                    target = os.readlink(part, dir_fd=folders[-1])
                except OSError:
                    raise error from None
                if target.startswith("/"):
                    while len(folders) > 1:
                        os.close(folders.pop())
                waiting += [part for part in reversed(target.split("/")) if part not in ("", ".")]
                continue
            if not waiting:
                return fd
            folders.append(fd)
        raise IsADirectoryError(21, "Is a directory", path)
    finally:
        for folder in folders:
            os.close(folder)


# ---------------------------------------------------------------- the cache
#
# What is kept is used by root, too, and by who has another user's HOME (sudo -E). So the way there must be nobody else's to
# change, and the folder `lsf` is the user's alone. Where that is not so nothing is kept. Only the folder that `lsf` is in may be
# one for all, as /tmp is: so what is made is made by descriptors, and what is opened is looked at once more.


def _owners() -> tuple[int, ...]:
    """Whose folders and links may be trusted: this user's, root's, and, in a user namespace, whoever the / is of."""
    return os.geteuid(), 0, os.lstat("/").st_uid


def _is_safe(path: str) -> bool:
    """Whether nobody but this user and root can lead an absolute path elsewhere. Symbolic links of theirs may be on it."""
    owners = _owners()
    done = "/"
    waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    hidden = False  # behind a folder that only this user can enter
    status = os.lstat("/")
    while True:
        if status.st_uid not in owners or (not hidden and status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
            return False
        hidden = hidden or (status.st_uid == owners[0] and not status.st_mode & 0o011)
        if not waiting:
            return stat.S_ISDIR(status.st_mode)
        part = waiting.pop()
        if part == "..":
            done, hidden = os.path.dirname(done), False
            status = os.lstat(done)
            continue
        here = os.path.join(done, part)
        inner = os.lstat(here)
        if not stat.S_ISLNK(inner.st_mode):
            done, status = here, inner
            continue
        links += 1
        if links > MAX_SYMLINKS or inner.st_uid not in owners:
            return False
        target = os.readlink(here)
        waiting += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        if target.startswith("/"):
            done, hidden = "/", False
            status = os.lstat("/")


#: The folder, its descriptor, and whether nobody can put another one in its place.
_cache: tuple[str, int, bool] | None = None
_cache_known: tuple[str, str, int] | None = None


def prepare() -> None:
    """Find the cache. To be called before a user namespace is entered, in which other users look like root."""
    place("")


def place(kind: str) -> str | None:
    """The folder of what is kept for views, by kind; None where nothing can be."""
    global _cache, _cache_known
    known = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", ""), os.getpid()
    if known != _cache_known:
        _cache_known = known
        try:
            _cache = _private_folder(*known[:2])
        except OSError:
            _cache = None
    return _cache and f"{_cache[0]}/{kind}"


def is_lasting() -> bool:
    """Whether the paths of what is kept can be used for as long as a program runs: nobody else can make them lead elsewhere."""
    return _cache is not None and _cache[2]


def _private_folder(cache: str, home: str) -> tuple[str, int, bool] | None:
    """The folder lsf of the user's cache, made where it is missing; a home is not made. Raises OSError."""
    if not cache.startswith("/"):  # the XDG specification: a relative path is to be ignored
        if not home.startswith("/"):
            return None
        cache = home.rstrip("/") + "/.cache"
    cache = cache.rstrip("/")
    above, _, name = cache.rpartition("/")
    if not name or not _is_safe(above or "/"):
        return None
    if not os.path.lexists(cache):
        if not above or os.stat(above).st_uid != os.geteuid():
            return None
        os.mkdir(cache, 0o700)
    outer = os.open(cache, FOLDER)
    try:
        if os.fstat(outer).st_uid not in _owners():
            return None
        return cache + "/lsf", _open_own("lsf", outer, private=True), _is_safe(cache)
    finally:
        os.close(outer)


def _is_own(status: os.stat_result) -> bool:
    """Whether this is a folder that nobody but this user writes in."""
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _open_own(name: str, above: int, private: bool = False) -> int:
    """Open a folder of the cache in the opened folder `above`, made where it is missing. Raises OSError where it is not the
    user's alone. private: others are to be kept out."""
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        pass
    fd = os.open(name, FOLDER, dir_fd=above)
    status = os.fstat(fd)
    if not _is_own(status):
        os.close(fd)
        raise PermissionError(name)
    if private and status.st_mode & 0o077:
        os.fchmod(fd, 0o700)
    return fd


def open_layer(folder: str) -> int:
    """Open what is kept. Raises OSError where it is not the user's alone (any more)."""
    fd = os.open(folder, FOLDER)
    if not _is_own(os.fstat(fd)):
        os.close(fd)
        raise PermissionError(folder)
    return fd


def cached(etc: str) -> str | None:
    """The folder with the layer over a root's `etc`, made now if need be. None where no cache can be kept."""
    kept = place("etc")
    return None if kept is None else keep(f"{kept}/{_signature(etc):016x}", lambda folder: write(contents(etc), folder))


def keep(folder: str, make: "Callable[[str], None]") -> str | None:
    """A folder of the cache that `make(folder)` fills where it is not there yet: its name, None where it cannot be kept."""
    if _cache is None:
        return None
    kind, name = folder.split("/")[-2:]
    try:
        above = _open_own(kind, _cache[1])
    except OSError:
        return None
    try:
        if not _note_use(name, above):
            with_large_files(lambda: _make(name, above, os.path.dirname(folder), make))
        return folder
    except OSError:
        return None
    finally:
        os.close(above)


def _note_use(name: str, above: int) -> bool:
    """Whether something is kept by this name; that it is used keeps it from being swept. Raises OSError where it is not good."""
    try:
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not _is_own(status) or not os.access(name, os.R_OK | os.X_OK, dir_fd=above):
        raise PermissionError(name)
    if time.time() - status.st_mtime > DAY:
        os.utime(name, dir_fd=above)
    return True


def _make(name: str, above: int, folder: str, make: "Callable[[str], None]") -> None:
    """Make something to keep in `above`, which is the folder of that path: it has its name when it is whole. Raises OSError."""
    import fcntl

    _sweep(above)
    # Not by the process id: containers that share a home have the same ones.
    scratch = SCRATCH + os.urandom(8).hex()
    os.mkdir(scratch, 0o755, dir_fd=above)
    fd = os.open(scratch, FOLDER, dir_fd=above)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # as long as it is held it is being made
        os.fchmod(fd, 0o755)
        make(f"{folder}/{scratch}" if is_lasting() else f"/proc/self/fd/{fd}")
        os.fsync(fd)
        try:
            os.rename(scratch, name, src_dir_fd=above, dst_dir_fd=above)
        except OSError:
            if not _note_use(name, above):
                raise
            remove(scratch, above)  # another start made it at the same time
    except BaseException:
        remove(scratch, above)
        raise
    finally:
        os.close(fd)


def _sweep(above: int) -> None:
    """Remove what starts that were killed have left half made, and what none has used for a month."""
    import fcntl

    now = time.time()
    try:
        names = os.listdir(above)
    except OSError:
        return
    for name in names:
        try:
            age = now - os.stat(name, dir_fd=above, follow_symlinks=False).st_mtime
            if len(name) == NAME_LENGTH and name.isalnum():
                if age > UNUSED:
                    remove(name, above)
                continue
            if age < FRESH:
                continue  # it may not be held yet
            fd = os.open(name, FOLDER, dir_fd=above)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(name, above)
            finally:
                os.close(fd)
        except OSError:
            continue


def remove(name: str, above: int) -> None:
    """Remove a folder of the cache. What cannot be removed stays."""
    try:
        fd = os.open(name, FOLDER, dir_fd=above)
        try:
            for inner in os.listdir(fd):
                try:
                    os.unlink(inner, dir_fd=fd)
                except IsADirectoryError:
                    os.rmdir(inner, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=above)
    except OSError:
        pass

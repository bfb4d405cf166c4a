"""The files that the merged view lays over a root's /etc: the host's users and groups beside FreeBSD's own, and the
host's resolv.conf, hosts and localtime.

They are made once and kept in $XDG_CACHE_HOME/lsf/etc (~/.cache/lsf/etc) until one of the files they are made of changes.
"""

import os

#: Copied as they are.
HOSTS = ("resolv.conf", "hosts", "localtime")
_SOURCES = ("passwd", "group", *HOSTS)
_ROOT_SOURCES = ("master.passwd", "passwd", "group")
#: From here on uids and gids are of people; below, FreeBSD and Linux give them to different services.
FIRST_PERSON = 1000
NOBODY = 65534
#: For a root that has no users of its own.
SUPERUSER = ("root", "*", "0", "0", "", "0", "0", "Charlie &", "/root", "/bin/sh")
_FORMAT = 2  # another number makes every layer anew


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 22)
    except OSError:
        return None


def _rows(path: str, fields: int) -> list[list[str]] | None:
    text = _read(path)
    if text is None:
        return None
    lines = os.fsdecode(text).split("\n")
    rows = [line.split(":") for line in lines if line and line[0] not in "#+-"]
    return [row for row in rows if len(row) == fields and row[0] and row[2].isdecimal()]


def _root_users(etc: str) -> list[list[str]]:
    """The root's users with the ten fields of master.passwd, which only its owner may be able to read."""
    rows = _rows(f"{etc}/master.passwd", 10)
    if rows is None:
        rows = [[*row[:4], "", "0", "0", *row[4:]] for row in _rows(f"{etc}/passwd", 7) or []]
    return rows


def _is_ours(number: str, own: set[int]) -> bool:
    return int(number) in own or (FIRST_PERSON <= int(number) < NOBODY)


def users(root_users: list[list[str]], host_users: list[list[str]], shells, own: int) -> list[list[str]]:
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
    from lsf.freebsd import pwdb

    top = os.path.dirname(etc)
    every = users(_root_users(etc), _rows("/etc/passwd", 7) or [], lambda shell: os.access(top + shell, os.X_OK),
                  os.getuid())  # fmt: skip
    group = groups(_rows(f"{etc}/group", 4) or [], _rows("/etc/group", 4) or [], {os.getgid(), *os.getgroups()})
    public, secret = pwdb.databases(every)

    def text(rows) -> bytes:
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
        fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.fchmod(fd, mode)  # whatever the umask
            os.write(fd, data)
        finally:
            os.close(fd)


def _signature(etc: str) -> int:
    """A number that is another one after any change to what a layer is made of."""
    parts: list[int] = [_FORMAT, os.getuid(), os.getgid(), *sorted(os.getgroups())]
    for path in [f"/etc/{name}" for name in _SOURCES] + [f"{etc}/{name}" for name in _ROOT_SOURCES]:
        try:
            status = os.stat(path)
            parts += [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        except OSError:
            parts.append(0)
    return hash(tuple(parts)) & 0xFFFFFFFFFFFFFFFF  # of integers it is the same in every process


def place(kind: str) -> str | None:
    """Where what is made for views is kept, by kind; None where no variable says where."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not cache.startswith("/"):
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        cache = home + "/.cache"
    return f"{cache}/lsf/{kind}"


def cached(etc: str) -> str | None:
    """The folder with the layer over a root's `etc`, made now if need be. None where no cache can be kept."""
    kept = place("etc")
    return None if kept is None else keep(f"{kept}/{_signature(etc):016x}", lambda folder: write(contents(etc), folder))


def keep(folder: str, make) -> str | None:
    """A folder that `make(folder)` fills where it is not there yet: its name, None where it cannot be kept."""
    try:
        status = os.stat(folder)
        return folder if status.st_uid == os.geteuid() else None
    except OSError:
        pass
    scratch = f"{folder}.{os.getpid()}"
    try:
        os.makedirs(scratch, 0o755)
        os.chmod(scratch, 0o755)
        make(scratch)
        os.rename(scratch, folder)
    except OSError:
        remove(scratch)
        return folder if os.path.isdir(folder) else None  # another start made it at the same time
    return folder


def remove(folder: str) -> None:
    """Remove a layer that is not complete."""
    try:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
        os.rmdir(folder)
    except OSError:
        pass

"""FreeBSD roots: where they are kept and how one is named.

A root is a folder that holds FreeBSD's userland. The store is a folder of roots: $LSF_ROOTS, else
$XDG_DATA_HOME/lsf/roots, else ~/.local/share/lsf/roots. Where LSF_ROOTS does not name it, the roots of SYSTEM_STORE, which the
machine's administrator keeps for all, are found too. In a store, NAME/root is the root itself and NAME/root.conf says
what it is (`key=value` lines). Names that begin with a dot are not roots: what is being made or removed lies there.

`lsf --root` comes through here, so nothing but os is imported, not even __future__. The modules
beside it make, fetch and remove roots; none of them is on that way.
"""

import os

CONF = "root.conf"
TREE = "root"
#: Roots for all users of the machine, who read them; `lsfctl root --system` keeps them.
SYSTEM_STORE = "/var/lib/lsf/roots"
SYSTEM_CACHE = "/var/cache"  # as XDG_CACHE_HOME
INSTALL = "lsfctl root install"
#: what gets somebody a root who has none
INSTALL_HINT = f"{INSTALL} 14"


class RootError(Exception):
    """What was asked of a root cannot be done; the text is one sentence for a person."""


class Root:
    """One root of the store.

    `release` is as uname -r shows it ("14.1-RELEASE", "14.0" where only a program's note tells it, "" unknown);
    `osreldate` FreeBSD's number for it (0 unknown); `fields` all that root.conf says.
    """

    def __init__(self, name: str, path: str, fields: dict[str, str]) -> None:
        self.name = name
        self.path = path
        self.fields = fields
        self.release = fields.get("release", "")
        number = fields.get("osreldate", "")
        self.osreldate = int(number) if number.isdecimal() else 0

    @property
    def age(self) -> tuple[int, bool, str]:
        """Sorts roots: the newer FreeBSD, then what is no copy, then the one that was installed later, is greater."""
        return self.osreldate, "copy_of" not in self.fields, self.fields.get("installed", "")


def store() -> str:
    """The folder of roots, whether or not it is there. Raises RootError where no variable says where it would be."""
    place = os.environ.get("LSF_ROOTS")
    if place:
        try:
            return os.path.abspath(place)
        except OSError as error:
            raise RootError(f"LSF_ROOTS={place}: {error.strerror}: the current directory") from None
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = os.path.expanduser("~")
        if not home.startswith("/"):
            raise RootError("there is no place for FreeBSD roots: neither LSF_ROOTS nor HOME names one")
        data = home + "/.local/share"
    return data + "/lsf/roots"


def name_is_valid(name: str) -> bool:
    """Whether a root may be called so: letters, digits and ._+- without a dot or dash in front, 100 at most."""
    plain = name.replace(".", "").replace("_", "").replace("+", "").replace("-", "")
    return 0 < len(name) <= 100 and plain.isalnum() and plain.isascii() and name[0] not in ".-"


def is_release(name: str) -> bool:
    """Whether `lsfctl root install` may know it as a release: 14, 14.1, 14.1-RELEASE, 15.0-BETA2."""
    number, dash, kind = name.removeprefix("FreeBSD-").partition("-")
    parts = number.split(".")
    if len(parts) > 3 or not all(part.isdecimal() and part.isascii() and len(part) < 3 for part in parts):
        return False
    if not dash:
        return len(parts) < 3
    return len(parts) > 1 and kind.rstrip("0123456789") in (
        "RELEASE",
        "RC",
        "BETA",
        "ALPHA",
        "STABLE",
        "CURRENT",
        "PRERELEASE",
    )


#: What CURRENT had counted up to when a first release of a series was made of it: 14.0 is 1400097. (release.pxi has them, too.)
BUMPS = {14: 97, 15: 68}


def number_of(release: str) -> int:
    """FreeBSD's number for a release (__FreeBSD_version of sys/param.h): 1305000 for "13.5-RELEASE", "13.5" and "1305000"; 0
    for what is no release."""
    number, _, _ = release.partition("-")
    major, dot, minor = number.partition(".")
    if not release.isascii() or not major.isdecimal():  # digits of other scripts are digits to Python
        return 0
    if not dot:
        return int(major) if 100000 <= int(major) <= 9999999 else 0
    if not minor.isdecimal() or not 0 < int(major) < 100 or int(minor) >= 100:
        return 0
    return int(major) * 100000 + int(minor) * 1000 + (BUMPS.get(int(major), 0) if int(minor) == 0 else 0)


def release_of_number(number: int) -> str:
    """14.1 for 1401000, "" for what is no such number."""
    return f"{number // 100000}.{number // 1000 % 100}" if number >= 100000 else ""


def _read(path: str, limit: int = 1 << 16) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.fsdecode(os.read(fd, limit))
    finally:
        os.close(fd)


def _load(folder: str, name: str) -> Root | None:
    path = f"{folder}/{name}"
    try:
        text = _read(f"{path}/{CONF}")
    except OSError:
        return None
    fields = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            fields[key] = value
    return Root(name, f"{path}/{TREE}", fields)


def stores() -> list[str]:
    """The folders in which roots are looked for; the first is the user's own. Raises RootError as store() does."""
    own = store()
    return [own] if os.environ.get("LSF_ROOTS") or own == SYSTEM_STORE else [own, SYSTEM_STORE]


def load(name: str) -> Root | None:
    """The root of this name in the stores, or None."""
    if name_is_valid(name):
        for folder in stores():
            root = _load(folder, name)
            if root:
                return root
    return None


def load_own(name: str) -> Root | None:
    """The root of this name in the user's own store, or None: what may be changed and removed."""
    return _load(store(), name) if name_is_valid(name) else None


def installed() -> list[Root]:
    """The roots of the stores, the newest first; the first is the default. Of two of one name the user's own counts."""
    known: dict[str, Root] = {}
    for folder in stores():
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name not in known and name_is_valid(name) and (root := _load(folder, name)):
                known[name] = root
    found = list(known.values())
    found.sort(key=lambda root: root.name)
    found.sort(key=lambda root: root.age, reverse=True)
    return found


def find(name: str) -> Root | None:
    """The root of this name; else the newest whose release or name begins so: 14 and 14.1 find 14.1-RELEASE."""
    root = load(name)
    if root is None and name[:1].isdigit():
        for candidate in installed():
            for known in (candidate.release, candidate.name):
                if known.startswith(name) and known[len(name) : len(name) + 1] in ("", ".", "-"):
                    return candidate
    return root


def none_installed() -> str:
    """The sentence where there is no root at all. Raises RootError as store() does."""
    return f"there is no FreeBSD root in {store()}: `{INSTALL_HINT}` fetches one"


def meant(name: str | None = None) -> str:
    """What `resolve` is to be asked for where an option may name a root: the option, else LSF_ROOT. "" is the default root, as is
    LSF_ROOT=none, which keeps programs out of it but does not make it another."""
    wanted = name or os.environ.get("LSF_ROOT", "")
    return "" if wanted == "none" else wanted


def resolve(name: str = "") -> str:
    """The folder of a root: by name, by the beginning of its release, or by path; "" is the default root.

    What has a slash in it, or is . or .., is a path. Another name is looked for in the store first, then as a folder
    here. Raises RootError.
    """
    if not name:
        every = installed()
        if not every:
            raise RootError(none_installed())
        return every[0].path
    if "/" not in name and name not in (".", ".."):
        root = find(name)
        if root is not None:
            return root.path
        if not os.path.isdir(name):
            known = ", ".join(root.name for root in installed()) or "none"
            hint = f": `{INSTALL} {name}` fetches it" if is_release(name) else ""
            raise RootError(f"{name}: neither a FreeBSD root ({known} in {store()}) nor a folder here{hint}")
    try:
        path = os.path.abspath(name)
        os.stat(path + "/.")
    except OSError as error:  # of the current directory, too: it may have been removed
        raise RootError(f"{name}: {error.strerror}") from None
    return path


def release_of(path: str) -> str:
    """The release of a root by its folder, as uname -r shows it; "" where nothing tells it.

    For a root of the store its root.conf says it; else the root's bin/freebsd-version.
    """
    folder, _, last = path.rstrip("/").rpartition("/")
    if last == TREE:
        root = _load(folder.rpartition("/")[0], folder.rpartition("/")[2])
        if root is not None:
            return root.release
    try:
        return version_line(_read(f"{path}/bin/freebsd-version"))
    except OSError:
        return ""


def version_line(script: str) -> str:
    """The release that a bin/freebsd-version script says, or ""."""
    _, found, rest = script.partition('USERLAND_VERSION="')
    release = rest.partition('"')[0]
    return release if found and release[:1].isdigit() and len(release) < 64 and release.isprintable() else ""


#: Files of which a FreeBSD userland has at least one, and a Linux tree none.
WITNESSES = (
    "libexec/ld-elf.so.1",
    "bin/freebsd-version",
    "lib/libc.so.7",
    "rescue/sh",
    "etc/master.passwd",
    "etc/login.conf",
    "usr/share/misc/termcap",
)


def missing(path: str) -> str:
    """What a folder lacks to be a FreeBSD root, as a clause for a sentence; "" where it is one."""
    if not os.path.isdir(path):
        return "it is not a folder"
    if any(os.path.lexists(f"{path}/{name}") for name in WITNESSES):
        return ""
    for name in ("lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu", "etc/debian_version", "lib/ld-musl-x86_64.so.1"):
        if os.path.lexists(f"{path}/{name}"):
            return f"it is a Linux tree (it has {name})"
    return f"it has none of {', '.join(WITNESSES)}"

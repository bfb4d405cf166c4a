"""The hints of FreeBSD's dynamic linker: var/run/ld-elf.so.hints, which ldconfig(8) makes at every boot of FreeBSD.

Format: struct elfhints_hdr of FreeBSD's elf-hints.h, then the folders to search, joined by colons. Which folders:
etc/rc.d/ldconfig with etc/defaults/rc.conf.
"""

from __future__ import annotations

import os
import re
import struct
import tempfile

from lsf.roots.tree import resolve_inside

PATH = "var/run/ld-elf.so.hints"
MAGIC = 0x746E6845
VERSION = 1
#: magic, version, offset and size of the string table, offset of the list in it, its length; 26 spare words
HEADER = struct.Struct("<6I104x")
MAX_FILE = 16 * 1024  # ldconfig reads no larger one

DEFAULT_PATHS = ("/lib", "/usr/lib")
CASPER = "/lib/casper"  # since FreeBSD 12 before the two, where it is there
#: as etc/defaults/rc.conf says
LDCONFIG_PATHS = "/usr/lib/compat /usr/local/lib /usr/local/lib/compat/pkg"
LOCALBASE = "/usr/local"
LOCAL_DIRS = "/usr/local/libdata/ldconfig"
#: Listed whether or not they are there: packages that are installed later need no ldconfig then.
ALWAYS = (*DEFAULT_PATHS, "/usr/local/lib")


def encode(folders: list[str]) -> bytes:
    """The file for these folders, in this order."""
    text = os.fsencode(":".join(folders))
    return HEADER.pack(MAGIC, VERSION, HEADER.size, len(text) + 1, 0, len(text)) + text + b"\x00"


def decode(data: bytes) -> list[str]:
    """The folders that a hints file lists; empty where rtld would not take the file."""
    if len(data) < HEADER.size:
        return []
    magic, version, strtab, _, dirlist, length = HEADER.unpack_from(data)
    start = strtab + dirlist
    if magic != MAGIC or version != VERSION or data[start + length : start + length + 1] != b"\x00":
        return []
    return [part for part in re.split("[:;]", os.fsdecode(data[start : start + length])) if part]


def _text(root: str, path: str) -> str:
    try:
        place = resolve_inside(root, path)
        if os.path.isfile(place) and os.path.getsize(place) < 1 << 20:
            with open(place, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
    except OSError:
        pass
    return ""


def _is_folder(root: str, path: str) -> bool:
    try:
        return os.path.isdir(resolve_inside(root, path))
    except OSError:
        return False


def _listed(text: str) -> list[str]:
    """The folders in a file of ldconfig's: the first word of each line that is no comment."""
    words = [line.split()[0] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [word for word in words if word.startswith("/")]


def _setting(root: str, name: str, default: str) -> str:
    value = default
    for file in ("etc/defaults/rc.conf", "etc/rc.conf", "etc/rc.conf.local"):
        for match in re.finditer(rf'^[ \t]*{name}=(?:"([^"\n]*)"|([^\s#"]+))', _text(root, file), re.MULTILINE):
            new = match[1] if match[1] is not None else match[2]
            value = new.replace(f"${{{name}}}", value).replace("${_localbase}", LOCALBASE)
    return value


def folders_of(root: str) -> list[str]:
    """The folders that FreeBSD's ldconfig would list for a root."""
    wanted = [CASPER, *DEFAULT_PATHS]
    wanted += _setting(root, "ldconfig_paths", LDCONFIG_PATHS).split()
    for place in _setting(root, "ldconfig_local_dirs", LOCAL_DIRS).split():
        try:
            names = sorted(os.listdir(resolve_inside(root, place)))
        except OSError:
            continue
        for name in names:
            wanted += _listed(_text(root, f"{place}/{name}"))
    wanted += _listed(_text(root, "etc/ld-elf.so.conf"))
    good = [word for word in wanted if word.startswith("/") and not set(word) & set(":;$")]
    good += [word for word in ALWAYS if word not in good]
    return list(dict.fromkeys(word for word in good if word in ALWAYS or _is_folder(root, word)))


def read(root: str) -> list[str]:
    """The folders that a root's hints file lists, empty where there is none."""
    try:
        with open(resolve_inside(root, PATH), "rb") as file:
            return decode(file.read(MAX_FILE))
    except OSError:
        return []


def write(root: str) -> list[str]:
    """Make the hints file of a root, in one step. Returns the folders it lists. Raises OSError."""
    folders = folders_of(root)
    for part in ("var", "var/run"):
        place = resolve_inside(root, part)
        os.makedirs(place, mode=0o755, exist_ok=True)
    fd, temporary = tempfile.mkstemp(prefix=".ld-elf.so.hints.", dir=place)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(encode(folders))
            os.fchmod(file.fileno(), 0o444)
        os.rename(temporary, os.path.join(place, os.path.basename(PATH)))
    except OSError:
        os.unlink(temporary)
        raise
    return folders

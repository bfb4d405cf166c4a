"""Packages of pkg(8): their versions, their checksums, and what is in one.

Source: libpkg/pkg_version.c, pkg_checksum.c and packing.c of FreeBSD's pkg.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from lsf.roots import archive
from lsf.roots.tree import Entry, Limits

MANIFESTS = ("+MANIFEST", "+COMPACT_MANIFEST")
MAX_MANIFEST = 64 << 20

#: FreeBSD's users and groups that own files of the base system: etc/master.passwd and etc/group of its sources.
USERS = {
    "root": 0, "toor": 0, "daemon": 1, "operator": 2, "bin": 3, "tty": 4, "kmem": 5, "games": 7, "news": 8, "man": 9, "sshd": 22,
    "smmsp": 25, "mailnull": 26, "bind": 53, "unbound": 59, "proxy": 62, "_pflogd": 64, "_dhcp": 65, "uucp": 66, "pop": 68,
    "auditdistd": 78, "www": 80, "ntpd": 123, "_ypldap": 160, "hast": 845, "tests": 977, "nobody": 65534,
}  # fmt: skip
GROUPS = {
    "wheel": 0, "daemon": 1, "kmem": 2, "sys": 3, "tty": 4, "operator": 5, "mail": 6, "bin": 7, "news": 8, "man": 9, "games": 13,
    "ftp": 14, "staff": 20, "sshd": 22, "smmsp": 25, "mailnull": 26, "guest": 31, "bind": 53, "unbound": 59, "proxy": 62,
    "authpf": 63, "_pflogd": 64, "_dhcp": 65, "uucp": 66, "dialer": 68, "network": 69, "audit": 77, "www": 80, "ntpd": 123,
    "_ypldap": 160, "hast": 845, "tests": 977, "nogroup": 65533, "nobody": 65534,
}  # fmt: skip

# ---------------------------------------------------------------- versions

#: words that come before a number in the order of versions, with their place among the letters
_STAGES = {"pl": 0, "snap": 20, "alpha": 2, "beta": 3, "pre": 17, "rc": 19}
_FIRST_LETTER = 2
_PIECE = re.compile(r"(\d+)|(\*[^+]*)|([a-z]+)|(\+)|([^a-z\d+*]+)")

Component = tuple[int, int, int]


def _components(text: str) -> Iterator[Component]:
    """Number, letter and patch level of each part of a version; "missing" is 0 each, so 15 and 15.0 are the same."""
    at = 0
    while at < len(text):
        number, letter, level = -1, 0, 0
        match = _PIECE.match(text, at)
        assert match is not None  # every character is of one kind
        if match[5] or match[4]:
            at = match.end()
            continue
        if match[1]:
            number, at = int(match[1]), match.end()
        elif match[2]:
            number, at = -2, match.end()
        word = _PIECE.match(text, at)
        if word is not None and word[3]:
            stage = _STAGES.get(word[3]) if len(word[3]) > 1 else None
            if stage is not None and number >= 0:
                yield number, 0, 0  # a part of its own: 10alpha is 10.alpha
                continue
            letter, at = stage if stage is not None else ord(word[3][0]) - ord("a") + _FIRST_LETTER, word.end()
            patch = _PIECE.match(text, at)
            level = -1
            if patch is not None and patch[1]:
                level, at = int(patch[1]), patch.end()
        yield number, letter, level


def compare(first: str, second: str) -> int:
    """Negative, 0 or positive as the first version is older, the same or newer: VERSION[_REVISION][,EPOCH], epochs first."""
    found = []
    for text in (first, second):
        text, _, epoch = text.lower().partition(",")
        text, _, revision = text.partition("_")
        found.append(
            (
                int(epoch) if epoch.isdecimal() else 0,
                list(_components(text)),
                int(revision) if revision.isdecimal() else 0,
            )
        )
    (one, left, older), (two, right, newer) = found
    length = max(len(left), len(right))
    nothing: Component = (0, 0, 0)
    key = [
        (epoch, parts + [nothing] * (length - len(parts)), rev)
        for epoch, parts, rev in ((one, left, older), (two, right, newer))
    ]
    return (key[0] > key[1]) - (key[0] < key[1])


#: to sort versions with
by_version = functools.cmp_to_key(compare)

# ---------------------------------------------------------------- checksums

_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
#: by the number before the "$": algorithm, bytes of a digest, and whether it is in base32 instead of hexadecimal
_CHECKSUMS = {
    "0": ("sha256", 32, True),
    "1": ("sha256", 32, False),
    "2": ("blake2b", 64, True),
    "5": ("blake2s", 32, True),
}


def checksum(text: str) -> str:
    """A checksum of pkg's as "ALGORITHM:HEX": "TYPE$DIGEST", or 64 hexadecimal digits. Raises ValueError for another thing."""
    kind, dollar, value = text.rpartition("$")
    if dollar and kind not in _CHECKSUMS:
        raise ValueError(f"a checksum of unknown kind ({text[:20]!r})")
    algorithm, size, packed = _CHECKSUMS.get(kind, ("sha256", 32, False))
    digest = _unpacked(value, size) if packed else value.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{size * 2}}}", digest):
        raise ValueError(f"{text[:20]!r} is no checksum")
    return f"{algorithm}:{digest}"


def _unpacked(text: str, size: int) -> str:
    """The hexadecimal digest of so many bytes that base32() has made of it, "" where it is none."""
    if len(text) != (size * 8 + 4) // 5 or not set(text) <= set(_ALPHABET):
        return ""
    number = sum(_ALPHABET.index(letter) << 5 * place for place, letter in enumerate(text))
    return "" if number >> size * 8 else number.to_bytes(size, "little").hex()


def base32(data: bytes) -> str:
    """pkg's own base32 of a digest: groups of five bits, the lowest first."""
    number = int.from_bytes(data, "little")
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range((len(data) * 8 + 4) // 5))


# ---------------------------------------------------------------- a package's files


class Package:
    """A package file. `has_scripts` is known when its files have been read: pkg would run some that are in it."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self.has_scripts = False

    def entries(self, limits: Limits) -> Iterator[Entry]:
        """Its files by their names in a root, with FreeBSD's owners. To be used within archive.blamed().

        Raises DamagedArchive where it is no package, or one of another name.
        """
        described = False
        for entry in archive.tar_entries(self._path, limits):
            if entry.name in MANIFESTS:
                self._look(entry)
                described = True
                continue
            if not described:
                raise archive.DamagedArchive("it does not begin with the manifest of a package")
            if entry.name.startswith("+"):
                continue  # what pkg 1.0 had beside the manifest
            yield self._placed(entry)
        if not described:
            raise archive.DamagedArchive("it has no manifest of a package")

    def _look(self, entry: Entry) -> None:
        if entry.kind != "file" or entry.data is None or entry.size > MAX_MANIFEST:
            raise archive.DamagedArchive(f"{entry.name} is no manifest")
        try:
            manifest: Any = json.loads(entry.data().read(entry.size))
        except (ValueError, RecursionError):
            raise archive.DamagedArchive(f"{entry.name} is not JSON") from None
        if not isinstance(manifest, dict) or manifest.get("name") != self._name:
            raise archive.DamagedArchive(f"{entry.name} is not that of {self._name}")
        self.has_scripts = self.has_scripts or bool(manifest.get("scripts") or manifest.get("lua_scripts"))

    def _placed(self, entry: Entry) -> Entry:
        """In a package names begin with a slash, and the numbers of owners mean nothing: pkg goes by their names."""
        entry.name = entry.name.removeprefix("/")
        if entry.kind == "hardlink":
            entry.target = entry.target.removeprefix("/")
        user, group = entry.owner
        entry.uid, entry.gid = USERS.get(user, 0), GROUPS.get(group, 0)
        if user and user not in USERS or group and group not in GROUPS:
            entry.lost = (*entry.lost, "left out: owners that FreeBSD's base system does not have")
        return entry

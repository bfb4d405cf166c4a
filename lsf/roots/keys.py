"""Whom LSF trusts to sign packages of the base system: fingerprints of public keys, as pkg(8) keeps them in folders of files.

Source: FreeBSD's share/keys/pkgbase-15/trusted (in a root: /usr/share/keys/pkgbase-15), each file's line `fingerprint`, by its name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from lsf.roots import RootError

#: By FreeBSD's major version: FreeBSD.conf of usr.sbin/pkg has `fingerprints: "/usr/share/keys/pkgbase-${VERSION_MAJOR}"`.
PKGBASE = {
    15: {
        "awskms-15": "1d7b45d20fa8d6ed26f9b4a13ac81a6b5df860b9fe644d07b87e92298ba72595",
        "backup-signing-15": "56a77bdcb6c3cf7984729c6138bd5617c24aa0d466b3b604c96205b2c5629f3c",
    }
}

_LINE = re.compile(r'^\s*"?(function|fingerprint)"?\s*[:=]?\s*"?([0-9A-Za-z_]+)"?\s*[;,]?\s*$', re.MULTILINE)
MAX_FILE = 1 << 16


@dataclass(frozen=True)
class Trusted:
    """The sha256 of public keys: of those that are trusted, and of those that are no longer."""

    trusted: frozenset[str]
    revoked: frozenset[str] = frozenset()


def of_freebsd(major: int) -> Trusted:
    """Those of FreeBSD's own repositories. Raises RootError where none are known."""
    known = PKGBASE.get(major)
    if known is None:
        raise RootError(
            f"LSF knows no keys for packages of FreeBSD {major}: --keys DIR, as FreeBSD has it in /usr/share/keys/pkgbase-{major}"
        )
    return Trusted(frozenset(known.values()))


def of_folder(folder: str) -> Trusted:
    """Those of a folder as pkg.conf(5) describes it: files in `trusted` and `revoked`. Raises RootError where there are none."""
    trusted = _fingerprints(os.path.join(folder, "trusted"), needed=True)
    return Trusted(trusted, _fingerprints(os.path.join(folder, "revoked"), needed=False))


def _fingerprints(folder: str, needed: bool) -> frozenset[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        if not needed:
            return frozenset()
        raise RootError(f"{folder}: no such folder of fingerprints") from None
    except OSError as error:
        raise RootError(f"{folder}: {error.strerror}") from None
    found = frozenset(_fingerprint(os.path.join(folder, name)) for name in names)
    if needed and not found:
        raise RootError(f"{folder} has no fingerprint in it")
    return found


def _fingerprint(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            values = dict(_LINE.findall(file.read(MAX_FILE)))
    except OSError as error:
        raise RootError(f"{path}: {error.strerror}") from None
    fingerprint: str = values.get("fingerprint", "").lower()
    if values.get("function") != "sha256" or not re.fullmatch("[0-9a-f]{64}", fingerprint):
        raise RootError(f"{path}: not the fingerprint of a key (function: sha256, fingerprint: 64 hexadecimal digits)")
    return fingerprint

"""Catalogues of package repositories, which are signed as pkg(8) does with signature_type "fingerprints".

An archive NAME.pkg has the file NAME, and for each signer SIGNER.sig and SIGNER.pub. What is signed is the sha256 of NAME in
hexadecimal. A key is known by the sha256 of its .pub file. Source: libpkg/pkg_repo.c, pkgsign_ossl.c, pkgsign_ecc.c of FreeBSD's pkg.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any

from lsf.roots import RootError, archive
from lsf.roots.download import need
from lsf.roots.keys import Trusted
from lsf.roots.tree import Entry, Limits

#: what pkg allows: that many .sig and .pub, of that size
MAX_SIGNATURES = 8
MAX_SIGNATURE = 1 << 20
HEADER = b"$PKGSIGN:"
DEFAULT_TYPE = "rsa"
#: a catalogue of all of FreeBSD's ports has 100 MB
LIMITS = Limits(size=512 << 20, files=64)


class NotTrusted(RootError):
    """Nobody who is trusted has signed this."""


@dataclass
class _Signer:
    kind: str = DEFAULT_TYPE
    signature: bytes = b""
    key: bytes = b""


def _typed(data: bytes) -> tuple[str, bytes]:
    """The kind of a signature or key, and itself: "$PKGSIGN:ecdsa$..." says it, else it is RSA."""
    if data.startswith(HEADER):
        kind, dollar, rest = data[len(HEADER) :].partition(b"$")
        if dollar:
            return kind.decode("ascii", "replace"), rest
    return DEFAULT_TYPE, data


def _read(entry: Entry, limit: int) -> bytes:
    if entry.kind != "file" or entry.data is None or not 0 < entry.size <= limit:
        raise archive.DamagedArchive(f"{entry.name} is no file of 1 to {limit} bytes")
    data = entry.data().read(entry.size)
    if len(data) != entry.size:
        raise archive.DamagedArchive("it ends too early")
    return data


def _members(packed: bytes, name: str) -> tuple[bytes, dict[str, _Signer]]:
    """The catalogue of an archive and its signers by name."""
    content: bytes | None = None
    signers: dict[str, _Signer] = {}
    seen: set[str] = set()
    for entry in archive.entries(io.BytesIO(packed), LIMITS):
        if entry.name in seen:
            raise archive.DamagedArchive(f"{entry.name} is in it twice")
        seen.add(entry.name)
        signer, dot, ending = entry.name.rpartition(".")
        if dot and ending in ("sig", "pub"):
            kind, data = _typed(_read(entry, MAX_SIGNATURE))
            known = signers.setdefault(signer, _Signer())
            if ending == "sig":
                known.kind, known.signature = kind, data
            else:
                known.key = data
            if len(seen) > MAX_SIGNATURES + 1:
                raise archive.DamagedArchive(f"it has more than {MAX_SIGNATURES} signatures and keys")
        elif entry.name == name:
            content = _read(entry, LIMITS.size)
    if content is None:
        raise archive.DamagedArchive(f"{name} is not in it")
    return content, signers


def _is_right(signer: _Signer, message: bytes) -> bool:
    """Whether a signature is of this key. Raises NotTrusted where LSF does not know how to tell."""
    need("cryptography")
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    load: Any = serialization.load_der_public_key
    if signer.key.lstrip().startswith(b"-----BEGIN"):
        load = serialization.load_pem_public_key
    try:
        key = load(signer.key)
        if signer.kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif signer.kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            raise NotTrusted(f"its signature is of a kind that LSF cannot check ({signer.kind[:20]!r})")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def catalogue(packed: bytes, name: str, trusted: Trusted, where: str) -> bytes:
    """What NAME of a signed archive holds. Raises RootError where the archive is damaged, or nobody who is trusted has signed it."""
    with archive.blamed(where):
        content, signers = _members(packed, name)
    if not signers:
        raise NotTrusted(f"{where} is refused: it is not signed")
    chosen = []
    for signer, found in signers.items():
        if not found.signature or not found.key:
            raise NotTrusted(
                f"{where} is refused: {signer} has no {'key' if found.signature else 'signature'} beside it"
            )
        fingerprint = hashlib.sha256(found.key).hexdigest()
        if fingerprint in trusted.revoked:
            raise NotTrusted(f"{where} is refused: a key of it has been revoked ({fingerprint})")
        if fingerprint in trusted.trusted:
            chosen.append(found)
    if not chosen:
        known = ", ".join(sorted(hashlib.sha256(found.key).hexdigest() for found in signers.values()))
        raise NotTrusted(f"{where} is refused: it is signed with a key that is not trusted ({known})")
    message = hashlib.sha256(content).hexdigest().encode()
    try:
        right = any(_is_right(found, message) for found in chosen)
    except NotTrusted as error:
        raise NotTrusted(f"{where} is refused: {error}") from None
    if not right:
        raise NotTrusted(f"{where} is refused: its signature is wrong")
    return content

"""Packages and signed package repositories as FreeBSD's pkg makes them, for tests of roots from packages."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import archives
import zstandard
from archives import Item
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from lsf.roots import package

ABI = "FreeBSD:15:amd64"


class Key:
    """A key that signs catalogues; `kind`: rsa, or ecdsa."""

    def __init__(self, kind: str = "rsa") -> None:
        self.kind = kind
        self.header = b"" if kind == "rsa" else b"$PKGSIGN:" + kind.encode() + b"$"
        self._key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP384R1())
        encoding = serialization.Encoding.PEM if kind == "rsa" else serialization.Encoding.DER
        self.public = self._key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(self.public).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """As a .sig file has it: of the sha256 in hexadecimal; another kind than RSA is said in front, of a .pub file too."""
        message = hashlib.sha256(data).hexdigest().encode()
        if self.kind == "rsa":
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.header + self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def trust(self, folder: Path, name: str = "key", kind: str = "trusted") -> Path:
        """A folder for --keys that trusts it."""
        (folder / "trusted").mkdir(parents=True, exist_ok=True)
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / name).write_text(f'function: "sha256"\nfingerprint: "{self.fingerprint}"\n')
        return folder


def packed(name: str, version: str, items: Iterable[Item], scripts: dict[str, str] | None = None,
           manifest: bytes | None = None) -> bytes:  # fmt: skip
    """A package file: its manifests, then its files with names that begin with a slash."""
    about = {"name": name, "version": version, "abi": ABI, "origin": f"base/{name}"}
    compact = json.dumps(about).encode()
    whole = manifest if manifest is not None else json.dumps({**about, "scripts": scripts or {}, "files": {}}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        every = [Item("+COMPACT_MANIFEST", compact), Item("+MANIFEST", whole), *items]
        for item in every:
            header = tarfile.TarInfo(item.name if item.name.startswith("+") else "/" + item.name.lstrip("/"))
            header.type, header.mode, header.mtime, header.pax_headers = item.type, item.mode, 1_700_000_000, item.pax
            header.uid = header.gid = 65534  # as pkg does: the names count
            header.uname, header.gname = item.pax.get("uname", "root"), item.pax.get("gname", "wheel")
            header.pax_headers = {key: value for key, value in item.pax.items() if key not in ("uname", "gname")}
            archives.add(archive, header, item)
    return zstandard.compress(out.getvalue())


def catalogue(
    content: bytes, name: str, keys: Iterable[Key], spoil: Callable[[bytes], bytes] = lambda data: data
) -> bytes:
    """NAME.pkg with the signatures of these keys; what spoil() makes of the content is in it."""
    items = []
    for number, key in enumerate(keys):
        items += [
            Item(f"{name}{number or ''}.sig", key.sign(content)),
            Item(f"{name}{number or ''}.pub", key.header + key.public),
        ]
    return zstandard.compress(archives.tar([*items, Item(name, spoil(content))]))


class Repository:
    """A package repository on a web server of archives.Server."""

    def __init__(self, server: archives.Server, keys: Iterable[Key], path: str = f"/{ABI}/base_release_0") -> None:
        self.server, self.keys, self.path, self.url = server, list(keys), path, server.url + path
        self.listed: list[dict[str, object]] = []
        server.files[f"{path}/meta.conf"] = b'version = 2;\npacking_format = "tzst";\nmanifests = "packagesite.yaml";\n'

    def add(self, name: str, version: str, /, items: Iterable[Item] = (), needs: Iterable[str] = (), checksum: str = "blake2b",
            data: bytes | None = None, **about: object) -> bytes:  # fmt: skip
        """A package; `about` changes what the catalogue says of it."""
        if data is None:
            data = packed(name, version, items)
        if checksum == "blake2b":
            total = "2$" + package.base32(hashlib.blake2b(data).digest())
        else:
            total = hashlib.sha256(data).hexdigest()
        path = f"{name}-{version}.pkg"
        deps = {need: {"origin": "base", "version": version} for need in needs}
        self.listed.append({"name": name, "version": version, "abi": ABI, "path": path, "sum": total, "pkgsize": len(data),
                            "deps": deps, **about})  # fmt: skip
        self.server.files[f"{self.path}/{path}"] = data
        return data

    def publish(self, spoil: Callable[[bytes], bytes] = lambda data: data, old: bool = False) -> None:
        """Put up the catalogue as data.pkg; old: only as packagesite.pkg, as pkg before 1.18 had it."""
        data = json.dumps({"groups": [], "expired_packages": [], "packages": self.listed}).encode()
        lines = b"".join(json.dumps(item).encode() + b"\n" for item in self.listed)
        self.server.files[f"{self.path}/packagesite.pkg"] = catalogue(lines, "packagesite.yaml", self.keys, spoil)
        if not old:
            self.server.files[f"{self.path}/data.pkg"] = catalogue(data, "data", self.keys, spoil)


def base(repository: Repository, version: str = "15.0", patch: str = "") -> None:
    """A small base system in packages: FreeBSD-set-base needs FreeBSD-set-minimal, and that FreeBSD-runtime and -clibs."""
    items = [Item(item.name.removeprefix("./"), item.data, item.type, item.mode, item.pax)
             for item in archives.base(f"{version}-RELEASE{patch}", 1500068) if item.name != "./"]  # fmt: skip
    clibs = [item for item in items if item.name.startswith(("lib", "libexec")) and item.name != "libexec"]
    passwd = b"root::0:0::0:0:Charlie &:/root:/bin/sh\nbin:*:3:7::0:0:Binaries:/:/usr/sbin/nologin\n"
    runtime = [Item(item.name, passwd, mode=0o600) if item.name == "etc/master.passwd" else item
               for item in items if item not in clibs]  # fmt: skip
    runtime.append(
        Item("var/spool/clientmqueue", type=tarfile.DIRTYPE, mode=0o770, pax={"uname": "smmsp", "gname": "smmsp"})
    )
    number = version + patch.replace("-", "")
    repository.add("FreeBSD-runtime", number, data=packed("FreeBSD-runtime", number, runtime, {"post-install": "pwd_mkdb"}),
                   needs=["FreeBSD-clibs"])  # fmt: skip
    repository.add("FreeBSD-clibs", version, clibs, checksum="sha256")
    repository.add("FreeBSD-runtime-dbg", version, [Item("usr/lib/debug/x", b"x")], needs=["FreeBSD-runtime"])
    repository.add("FreeBSD-set-minimal", version, needs=["FreeBSD-runtime", "FreeBSD-clibs"])
    repository.add("FreeBSD-set-base", number, needs=["FreeBSD-set-minimal"])


# ---------------------------------------------------------------- for pkg(8) itself

#: name, version, files with owner and mode, and the rest of the manifest
STAGED = {
    "library": ("1.0", {"/usr/local/lib/library/file": ("root,wheel,0644", "library\n")}, ""),
    "tool": (
        "1.0",
        {
            "/usr/local/bin/tool": ("root,operator,4555", "#!/bin/sh\ncat /usr/local/lib/library/file\n"),
            "/var/db/tool/state": ("games,games,0640", "state\n"),
            "/usr/local/lib/tool/flagged": ("root,wheel,0644,schg", "flagged\n"),
        },
        'deps: { library: { origin: "test/library", version: "1.0" } }\n'
        'scripts: { post-install: "echo post-install; pw useradd tooluser -u 777 -d /nonexistent" }\n',
    ),
    "many": ("1.0", {f"/usr/local/share/many/{n}": ("root,wheel,0644", f"{n}\n") for n in range(500)}, ""),
}


def stage(folder: Path, packages: dict) -> None:
    """The trees and manifests of which `pkg create` makes packages."""
    for name, (version, files, more) in packages.items():
        for path, (_, text) in files.items():
            place = folder / name / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        (folder / f"{name}.plist").write_text("".join(f"@({how}) {path}\n" for path, (how, _) in files.items()))
        (folder / f"{name}.ucl").write_text(
            f'name: {name}\nversion: "{version}"\norigin: test/{name}\ncomment: "c"\ndesc: "d"\nmaintainer: "m@example.org"\n'
            f'www: "http://127.0.0.1/"\nprefix: /usr/local\n{more}'
        )

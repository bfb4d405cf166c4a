"""Roots from packages of the base system (pkgbase), which FreeBSD has from 15 on: a signed catalogue, and what it lists.

A repository is a folder of a web server: meta.conf, the catalogue as data.pkg and as packagesite.pkg, and the packages.
Source: freebsd-base(7); libpkg/repo/binary/update.c, pkg_repo_meta.c and pkg_repo_create.c of FreeBSD's pkg.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsf import roots
from lsf.roots import Root, RootError, archive, digests, signed
from lsf.roots.download import Client, check_url, shown
from lsf.roots.downloads import Cache
from lsf.roots.keys import Trusted, of_folder, of_freebsd
from lsf.roots.manage import Options, check_name, make, open_store
from lsf.roots.package import Package, by_version, checksum
from lsf.roots.tree import Entry, Report, Writer

if TYPE_CHECKING:
    from lsf.roots.update import Replaced

#: As base.txz: FreeBSD's own set of all that is neither a kernel, debugging symbols, 32-bit libraries, tests nor sources.
DEFAULT_PACKAGES = ("FreeBSD-set-base",)
FIRST_MAJOR = 15
META_VERSIONS = (1, 2)
MAX_META = 1 << 20
MAX_CATALOGUE = 128 << 20
MAX_PACKAGES = 20_000
MAX_DOWNLOAD = 8 << 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_RELEASE = re.compile(r"(\d{1,2})(?:\.(\d{1,2})(-RELEASE)?)?")


@dataclass(frozen=True)
class Listed:
    """A package as a catalogue lists it. `digest`: "ALGORITHM:HEX" of the file at `path` of the repository, `size` its length."""

    name: str
    version: str
    path: str
    digest: str
    size: int
    needs: tuple[str, ...]


def repository_of(release: str, mirror: str) -> tuple[str, int]:
    """The address of FreeBSD's own repository for a release (15.0, 15; "" is the newest that LSF knows), and its major version."""
    match = _RELEASE.fullmatch(release.removeprefix("FreeBSD-")) if release else _RELEASE.fullmatch(digests.NEWEST)
    if match is None:
        raise RootError(
            f"{release}: not a release whose packages there are (15.0 or 15); --repository URL is another one's"
        )
    major, minor = int(match[1]), match[2]
    if major < FIRST_MAJOR:
        raise RootError(f"{release}: FreeBSD's base system comes in packages from {FIRST_MAJOR} on")
    if minor is None:
        known = [
            int(name.partition(".")[2].partition("-")[0]) for name in digests.BASE_TXZ if name.startswith(f"{major}.")
        ]
        if not known:
            raise RootError(f"{release}: which is the newest {major}.x? Name it in full ({major}.0)")
        minor = str(max(known))
    return f"{mirror}/FreeBSD:{major}:amd64/base_release_{minor}", major


def _major_of(url: str) -> int:
    match = re.search(r"/FreeBSD:(\d{1,2}):amd64(/|$)", url)
    return int(match[1]) if match else 0


def _listed(value: Any, major: int) -> Listed:
    """A package of a catalogue. Raises ValueError for what cannot be one."""
    if not isinstance(value, dict):
        raise ValueError("an entry is no object")
    name, version, path = (value.get(key) for key in ("name", "version", "path"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:60]!r} is not the name of a package")
    if not isinstance(version, str) or not re.fullmatch(r"[\x21-\x7e]{1,100}", version):
        raise ValueError(f"{name} has no version")
    if not isinstance(path, str) or not re.fullmatch(r"[A-Za-z0-9._+,:~@%/-]{1,500}", path) or ".." in path.split("/"):
        raise ValueError(f"{name} lies at {str(path)[:60]!r}")
    abi, size, needs = value.get("abi") or value.get("arch"), value.get("pkgsize"), value.get("deps") or {}
    # "freebsd:15:x86:64" is how `arch` says it.
    if not isinstance(abi, str) or not re.fullmatch(
        rf"freebsd:({major or '[0-9]+'}|\*):(amd64|x86:64|\*)", abi.lower()
    ):
        raise ValueError(f"{name} is for {str(abi)[:60]!r}, and not for FreeBSD:{major or '*'}:amd64")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_DOWNLOAD:
        raise ValueError(f"{name} has no possible size")
    if not isinstance(needs, dict):
        raise ValueError(f"{name} has no list of what it needs")
    return Listed(name, version, path.lstrip("/"), checksum(str(value.get("sum"))), size, tuple(needs))


class Repository:
    """A package repository, read through `client`; `trusted`: whose signatures count."""

    def __init__(self, client: Client, url: str, trusted: Trusted, major: int) -> None:
        self.url, self._client, self._trusted, self._major = url, client, trusted, major
        self.packages: dict[str, Listed] = {}

    def read(self) -> None:
        """Fetch the catalogue and check it; the newest version of each package counts. Raises RootError."""
        self._check_meta()
        for name in ("data", "packagesite.yaml"):
            packed = self._fetch(f"{name.partition('.')[0]}.pkg")
            if packed is not None:
                break
        else:
            raise RootError(f"{shown(self.url)} has no catalogue of packages")
        where = f"{shown(self.url)}/{name.partition('.')[0]}.pkg"
        content = signed.catalogue(packed, name, self._trusted, where)
        try:
            for value in _values(content, name):
                listed = _listed(value, self._major)
                known = self.packages.get(listed.name)
                if known is None or by_version(listed.version) > by_version(known.version):
                    self.packages[listed.name] = listed
                if len(self.packages) > MAX_PACKAGES:
                    raise ValueError(f"it has more than {MAX_PACKAGES} packages")
        except (ValueError, RecursionError) as error:
            raise RootError(f"{where} is damaged: {error}") from None

    def _fetch(self, name: str, limit: int = MAX_CATALOGUE) -> bytes | None:
        response = self._client.get(f"{self.url}/{name}", limit)
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise RootError(f"{shown(self.url)}/{name}: the server answers {response.status_code} {response.reason}")
        body: bytes = response.body
        return body

    def _check_meta(self) -> None:
        meta = self._fetch("meta.conf", MAX_META)
        if meta is None:
            raise RootError(f"{shown(self.url)} is not there: it is no package repository (it has no meta.conf)")
        match = re.search(rb'^\s*"?version"?\s*[=:]?\s*(\d{1,9})\s*[;,]?\s*$', meta, re.MULTILINE)
        if match is None or int(match[1]) not in META_VERSIONS:
            raise RootError(f"{shown(self.url)}/meta.conf: a package repository of a kind that LSF does not know")

    def chosen(self, names: Sequence[str]) -> list[Listed]:
        """Packages with all that they need, by their names. Raises RootError where the repository lacks one."""
        found: dict[str, Listed] = {}
        waiting = [(name, "") for name in names]
        while waiting:
            name, needed_by = waiting.pop()
            if name in found:
                continue
            listed = self.packages.get(name)
            if listed is None:
                reason = f", which {needed_by} needs" if needed_by else ""
                raise RootError(f"{shown(self.url)} has no package {name}{reason}")
            found[name] = listed
            waiting += [(need, name) for need in listed.needs]
        return [found[name] for name in sorted(found)]


def _values(content: bytes, name: str) -> Iterator[Any]:
    """The packages of a catalogue: data is one object, packagesite.yaml has one in each line."""
    if name == "data":
        document = json.loads(content)
        packages = document.get("packages") if isinstance(document, dict) else None
        if not isinstance(packages, list):
            raise ValueError("it has no list of packages")
        yield from packages
        return
    for line in content.splitlines():
        if line.strip():
            yield json.loads(line)


@dataclass
class Source:
    """What a root is made of, and made of again when it is brought up to date."""

    url: str
    major: int
    names: tuple[str, ...]
    keys: str = ""  # a folder of fingerprints, "": FreeBSD's

    def trusted(self) -> Trusted:
        """Whose signatures count. Raises RootError."""
        return of_folder(self.keys) if self.keys else of_freebsd(self.major)

    def fields(self, packages: list[Listed]) -> dict[str, str]:
        """What root.conf says of it."""
        listing = "".join(f"{listed.name} {listed.version} {listed.digest}\n" for listed in packages)
        return {
            "kind": "pkgbase",
            "repository": shown(self.url),
            "packages": ",".join(self.names),
            "keys": self.keys,
            "digest": "sha256:" + hashlib.sha256(listing.encode()).hexdigest(),
        }


def source_of(release: str, mirror: str, repository: str, names: str, keys: str) -> Source:
    """From what the command line says. Raises RootError."""
    if repository:
        url = check_url(repository, "--repository")
        major = _major_of(url)
        if not major and not keys:
            raise RootError(
                f"--repository {shown(url)}: for which FreeBSD is not in its name: --keys DIR says whose packages to trust"
            )
    else:
        url, major = repository_of(release, check_url(mirror, "the mirror of packages"))
    chosen = tuple(name for name in names.split(",") if name) or DEFAULT_PACKAGES
    for name in chosen:
        if not _NAME.fullmatch(name):
            raise RootError(f"--packages {names}: {name!r} is not the name of a package")
    return Source(url, major, chosen, os.path.abspath(keys) if keys else "")


def source_of_root(fields: dict[str, str]) -> Source:
    """From what Source.fields() said in a root's root.conf. Raises RootError."""
    url = check_url(fields.get("repository", ""), "the repository in root.conf")
    return Source(url, _major_of(url), tuple(fields.get("packages", "").split(",")), fields.get("keys", ""))


def install(source: Source, options: Options, old: Replaced | None = None) -> Root | None:
    """Fetch packages, check them and make a root of them. None where they are those of `old`, the root to be replaced."""
    trusted = source.trusted()
    default = f"{source.major or 'freebsd'}{('.' + source.url.rpartition('_')[2]) if '/base_release_' in source.url else ''}-pkgbase"
    name = options.name if old is not None else check_name(options.name or default)
    open_store()
    with Client(options.quiet) as client:
        repository = Repository(client, source.url, trusted, source.major)
        repository.read()
        packages = repository.chosen(source.names)
        fields = source.fields(packages)
        if old is not None:
            if old.is_same(fields["digest"]):
                return None
            old.may_go()
        total = sum(listed.size for listed in packages)
        if total > MAX_DOWNLOAD:
            raise RootError(f"{shown(source.url)}: the packages have {total} bytes; {MAX_DOWNLOAD} are the limit")
        options.say(
            f"its signature is right; fetching {len(packages)} packages, {total / 1e6:.0f} MB, from {shown(source.url)}"
        )
        with Cache(client) as cache:
            with client.together(total, f"{len(packages)} packages"):
                paths = [
                    cache.get(
                        f"{source.url}/{listed.path}", listed.digest, size=listed.size, label=f"{listed.name}.pkg"
                    )
                    for listed in packages
                ]
            return make(
                name,
                options,
                shown(source.url),
                lambda work: _fill(os.path.join(work, roots.TREE), packages, paths, options),
                more=fields,
                replace=old is not None,
            )


def _fill(tree: str, packages: list[Listed], paths: list[str], options: Options) -> Report:
    """Write the files of packages into a new folder."""
    os.mkdir(tree)
    scripts = 0
    with Writer(tree, options.limits) as writer:
        for listed, path in zip(packages, paths, strict=True):
            package = Package(path, listed.name)
            with archive.blamed(f"{listed.name}-{listed.version}.pkg"):
                writer.add_all(_once(package.entries(options.limits), writer))
            scripts += package.has_scripts
        report = writer.finish()
    if scripts:
        report.notes["left out: what packages do when they are installed"] += scripts
    _databases(tree)
    return report


def _once(entries: Iterator[Entry], writer: Writer) -> Iterator[Entry]:
    """What two packages have is refused, but for folders: pkg(8) would not install both."""
    before = set(writer.report.facts)
    for entry in entries:
        if entry.kind != "folder" and tuple(part for part in entry.name.split("/") if part not in ("", ".")) in before:
            raise archive.DamagedArchive(f"{entry.name!r} is in another package, too")
        yield entry


def _databases(tree: str) -> None:
    """/etc/passwd, pwd.db and spwd.db, by which libc finds users: base.txz has them, and a package makes them with pwd_mkdb(8)."""
    from lsf.roots.pwdb import databases
    from lsf.roots.tree import resolve_inside

    try:
        place = resolve_inside(tree, "etc/master.passwd")
        with open(place, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file if line.strip() and line[0] not in "#+-"]
    except OSError:
        return  # this set has no users
    users = [
        row
        for row in (line.split(":") for line in lines)
        if len(row) == 10 and row[2].isdecimal() and row[3].isdecimal()
    ]
    public, secret = databases(users)
    passwd = "".join(":".join((row[0], "*", row[2], row[3], *row[7:])) + "\n" for row in users)
    folder = os.path.dirname(place)
    for name, data, mode in (
        ("passwd", passwd.encode("utf-8", "surrogateescape"), 0o644),
        ("pwd.db", public, 0o644),
        ("spwd.db", secret, 0o600),
    ):
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            continue
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as out:
            out.write(data)

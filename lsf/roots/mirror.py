"""Roots from a mirror of FreeBSD's releases: base.txz."""

from __future__ import annotations

import os
import re

from lsf import roots
from lsf.roots import Root, RootError, archive, digests
from lsf.roots.download import Client, check_url, comes_safely, shown
from lsf.roots.downloads import Cache
from lsf.roots.manage import Options, check_name, make, open_store, unpack_entries

ARCHIVE = "base.txz"
MAX_MANIFEST = 1 << 20

_RELEASE = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,2})?-(RELEASE|RC\d+|BETA\d+|ALPHA\d+|STABLE|CURRENT|PRERELEASE)")
_SHORT = re.compile(r"\d{1,2}(\.\d{1,2})?")


def _releases_of(client: Client, mirror: str) -> list[str]:
    """The releases that a mirror's listing names, the newest first; empty where it has no listing."""
    response = client.get(mirror + "/", 4 << 20)
    if response.status_code != 200:
        return []
    text = response.body.decode("utf-8", "replace")
    found = set(re.findall(r"href=[\"']?[^\"'>]*?(\d{1,2}\.\d{1,2}-RELEASE)/?[\"'> ]", text))
    return sorted(found, key=roots.number_of, reverse=True)


def _release(client: Client, mirror: str, wanted: str) -> str:
    """The full name of a release: "" and "newest" are the newest that the mirror has, 14 its newest 14.x, 14.1 is 14.1-RELEASE."""
    wanted = "" if wanted == "newest" else wanted.removeprefix("FreeBSD-")
    if _RELEASE.fullmatch(wanted):
        return wanted
    if wanted and not _SHORT.fullmatch(wanted):
        raise RootError(f"{wanted}: not a FreeBSD release (14.1-RELEASE, 14.1 or 14)")
    if "." in wanted:
        return wanted + "-RELEASE"
    listed = _releases_of(client, mirror)
    for release in listed:
        if not wanted or release.startswith(wanted + "."):
            return release
    if wanted:
        known = ", ".join(listed) or "it lists none"
        raise RootError(f"{shown(mirror)} has no release {wanted}.x ({known})")
    return digests.NEWEST


def find_release(wanted: str, options: Options, mirror: str) -> str:
    """The full name of the release that `install` would fetch; the mirror is asked only where the name leaves it open."""
    mirror = check_url(mirror, "--mirror")
    with Client(options.quiet) as client:
        return _release(client, mirror, wanted)


def _announced(client: Client, url: str) -> str:
    """The sha256 of base.txz in a release's MANIFEST: lines of tab-separated name, digest, number of files and more."""
    response = client.get(url + "/MANIFEST", MAX_MANIFEST)
    if response.status_code == 404:
        raise RootError(f"{shown(url)} is not there: the mirror has no such release")
    if response.status_code != 200:
        raise RootError(f"{shown(url)}/MANIFEST: the server answers {response.status_code} {response.reason}")
    for line in response.body.decode("utf-8", "replace").splitlines():
        words: list[str] = line.split("\t")
        if words[0] == ARCHIVE and len(words) > 1 and re.fullmatch("[0-9a-fA-F]{64}", words[1]):
            return words[1].lower()
    raise RootError(f"{shown(url)}/MANIFEST says nothing of {ARCHIVE}")


def _digest(client: Client, url: str, release: str) -> str:
    """The sha256 that base.txz of a release must have.

    Of a release that FreeBSD has published a digest of, it is that one, and the mirror's MANIFEST must say the same. Of another one
    the MANIFEST is believed, if it comes by https or from this machine.
    """
    known = digests.BASE_TXZ.get(release)
    if known is None and not comes_safely(url):
        raise RootError(
            f"{shown(url)}: LSF has no digest of {release}, and what plain http says of it is not safe: an https mirror,"
            " or --sha256 HEX"
        )
    announced = _announced(client, url)
    if known is None:
        client.say(
            f"note: LSF has no digest of {release} of its own: {ARCHIVE} is checked by the mirror's MANIFEST alone"
        )
    elif announced != known:
        raise RootError(
            f"{shown(url)}/MANIFEST is not to be trusted: it says that {ARCHIVE} has the sha256 {announced}, and FreeBSD"
            f" has published {known} for {release}"
        )
    return announced


def _installed(release: str, sha256: str) -> Root | None:
    """The root that an earlier `install` of a release has made; with a digest, of a base.txz of that one."""
    root = roots.load(release)
    if root is None or root.fields.get("kind") != "release" or "copy_of" in root.fields:
        return None
    return root if not sha256 or root.fields.get("digest") == f"sha256:{sha256.lower()}" else None


def _unpack(path: str, name: str, options: Options, source: str, release: str, digest: str) -> Root:
    """Make a root of a base.txz whose digest is right. source: where it comes from, as it may be shown."""
    if not options.name and roots.load(name) is not None:
        check_name(name)  # another process has made it while this one waited
    options.say("its sha256 is right; unpacking")
    return make(
        name,
        options,
        source,
        lambda work: unpack_entries(
            os.path.join(work, roots.TREE), archive.tar_entries(path, options.limits), options, f"{source}/{ARCHIVE}"
        ),
        announced=release,
        more={"kind": "release", "digest": f"sha256:{digest}"},
    )


def install(release: str, options: Options, mirror: str, sha256: str = "") -> Root:
    """Fetch a release of FreeBSD from a mirror, check it and make a root of it.

    sha256: the digest that base.txz must have, instead of the one in the mirror's MANIFEST. Where the release has been installed already,
    without a name of its own, nothing is fetched, and that root is returned.
    """
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise RootError(f"--sha256 {sha256}: not 64 hexadecimal digits")
    mirror = check_url(mirror, "--mirror")
    if options.name:
        check_name(options.name)
    with Client(options.quiet) as client:
        release = _release(client, mirror, release)
        if not options.name and (there := _installed(release, sha256)):
            options.say(f"{release} is installed already")
            return there
        name = check_name(options.name or release)
        open_store()
        url = f"{mirror}/{release}"
        digest = sha256.lower() or _digest(client, url, release)
        options.say(f"fetching {shown(url)}/{ARCHIVE}")
        with Cache(client) as cache:
            path = cache.get(f"{url}/{ARCHIVE}", f"sha256:{digest}", label=f"{release} {ARCHIVE}")
            try:
                root = _unpack(path, name, options, shown(url), release, digest)
            except RootError:
                if options.name or not (there := _installed(release, digest)):
                    raise
                options.say(f"another process has installed {release} meanwhile")
                return there
    if root.release and roots.number_of(root.release) != roots.number_of(release):
        options.say(f"note: what the mirror calls {release} says of itself that it is {root.release}")
    return root

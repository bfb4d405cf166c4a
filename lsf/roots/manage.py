"""Makes, lists and removes the roots of the store.

A root is made beside its place, in a hidden folder, and gets its name by one rename at the end: whatever goes wrong
before leaves nothing behind but what was downloaded, which the next try continues. Hidden folders of processes that
are gone are removed by the next one.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lsf import roots
from lsf.roots import Root, RootError, archive, hints, identify, oci
from lsf.roots.download import ChecksumError, Client, DownloadError, check_url, shown
from lsf.roots.tree import Entry, Limits, Report, Writer, remove_tree

#: what is installed where a mirror does not say what it has
FALLBACK_RELEASE = "14.3-RELEASE"
ARCHIVE = "base.txz"
DOWNLOADS = ".download"
MAX_MANIFEST = 1 << 20
SWEEP_AGE = 10.0
DOWNLOAD_AGE = 30 * 86400.0

_RELEASE = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,2})?-(RELEASE|RC\d+|BETA\d+|ALPHA\d+|STABLE|CURRENT|PRERELEASE)")
_SHORT = re.compile(r"\d{1,2}(\.\d{1,2})?")


@dataclass
class Options:
    """What every way to make a root can be told."""

    name: str = ""
    force: bool = False  # take a tree that does not look like FreeBSD's
    quiet: bool = False
    limits: Limits = field(default_factory=Limits)

    def say(self, line: str) -> None:
        """Tell what is being done, on standard error."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the store


def _store() -> str:
    """The store, made where it is missing. Others of the machine have no business in it."""
    folder = roots.store()
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            error = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(error, os.strerror(error))
    except OSError as error:
        raise RootError(f"{folder}: {error.strerror}; LSF_ROOTS names another place for roots") from None
    return folder


@contextlib.contextmanager
def _held(path: str) -> Iterator[bool]:
    """Hold the lock of a file or folder; whether it was to be had. The kernel drops it when the process ends."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


def remove_path(path: str) -> None:
    """Remove a file or a whole folder, its unwritable parts too."""
    parent = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(parent, os.path.basename(path))
    finally:
        os.close(parent)


def _sweep(folder: str) -> None:
    """Remove what processes that were killed have left."""
    for name in os.listdir(folder):
        if name.startswith((".unpack-", ".remove-")):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError), _held(path) as gone:
                # A new one may not be held yet.
                if gone and time.time() - os.stat(path).st_mtime > SWEEP_AGE:
                    remove_path(path)


def check_name(name: str) -> str:
    """A name for a new root. Raises RootError where it is none, or taken."""
    if not roots.name_is_valid(name):
        raise RootError(f"{name!r} cannot be a root's name: letters, digits and . _ + - (not in front), 100 at most")
    if os.path.lexists(os.path.join(roots.store(), name)):
        raise RootError(f"a root is called {name} already: `lsfctl root remove {name}` first, or --name another")
    return name


def _complete(tree: str, options: Options) -> tuple[str, int]:
    """What every new root gets: a check that it is one, places to mount on, the linker's hints. Returns its release."""
    lacks = roots.missing(tree)
    if lacks and not options.force:
        raise RootError(f"this is not a FreeBSD root: {lacks} (--force takes it nevertheless)")
    try:
        for part, mode in (("dev", 0o755), ("proc", 0o555), ("tmp", 0o1777)):
            place = os.path.join(tree, part)
            if not os.path.lexists(place):
                os.mkdir(place)
                os.chmod(place, mode)
        hints.write(tree)
    except OSError as error:
        options.say(f"note: {error.filename or tree}: {error.strerror}: the linker's hints could not be made")
    return identify.identify(tree)


def _write_conf(path: str, fields: dict[str, str]) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        for key, value in fields.items():
            clean = "".join(c if c.isprintable() else "?" for c in value)
            file.write(f"{key}={clean}\n")
        file.flush()
        os.fsync(file.fileno())


def _unpack(tree: str, entries: Iterable[Entry], options: Options, label: str) -> Report:
    """Write files into a new folder. `label` is what messages call the archive."""
    os.mkdir(tree)
    with Writer(tree, options.limits) as writer, archive.blamed(label):
        writer.add_all(_counted(entries, options.quiet))
        return writer.finish()


def _counted(entries: Iterable[Entry], quiet: bool) -> Iterable[Entry]:
    """Count the files as they are unpacked, on a terminal."""
    try:
        from tqdm import tqdm
    except ImportError:  # unpacking goes without
        return entries
    counted: Iterable[Entry] = tqdm(
        entries, desc="unpacking", unit=" files", disable=quiet or None, dynamic_ncols=True, mininterval=0.2
    )
    return counted


def _make(name: str, options: Options, source: str, fill: Callable[[str], Report], announced: str = "") -> Root:
    """Make a root. `fill(work)` makes the folder `root` in work; what else it leaves there vanishes.

    announced: the release it should be, which counts where the root itself says no more than 14.1, or nothing.
    """
    folder = _store()
    _sweep(folder)
    work = tempfile.mkdtemp(prefix=".unpack-", dir=folder)
    try:
        with _held(work):
            report = fill(work)
            release, number = _complete(os.path.join(work, roots.TREE), options)
            if not release or announced.startswith(release + "-"):
                release, number = announced, number or roots.number_of(announced)
            for left in os.listdir(work):
                if left != roots.TREE:
                    remove_path(os.path.join(work, left))
            _write_conf(
                os.path.join(work, roots.CONF),
                {
                    "release": release,
                    "osreldate": str(number) if number else "",
                    "source": source,
                    "installed": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "files": str(report.files),
                    "size": str(report.size),
                },
            )
            os.chmod(work, 0o755)  # FreeBSD's programs may run as another user
            try:
                os.rename(work, os.path.join(folder, name))
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    check_name(name)  # another process was faster
                raise
    except BaseException:
        with contextlib.suppress(OSError):
            remove_path(work)
        raise
    for line in report.lines():
        options.say(line)
    root = roots.load(name)
    assert root is not None
    options.say(f"{name}: FreeBSD {release or 'of unknown release'}, {report.files} files in {root.path}")
    return root


def remove(names: list[str]) -> None:
    """Remove roots. Raises RootError where one is not there, before anything is removed."""
    folder = _store()
    for name in names:
        if roots.load(name) is None and not (roots.name_is_valid(name) and os.path.lexists(os.path.join(folder, name))):
            known = ", ".join(root.name for root in roots.installed()) or "none"
            raise RootError(f"no root is called {name}; there are: {known}")
    for name in dict.fromkeys(names):
        # The name goes first, in one step: what is half removed is no root.
        grave = tempfile.mkdtemp(prefix=".remove-", dir=folder)
        with _held(grave):
            os.rename(os.path.join(folder, name), os.path.join(grave, name))
            remove_path(grave)
    _sweep(folder)


# ---------------------------------------------------------------- install


def _releases_of(client: Client, mirror: str) -> list[str]:
    """The releases that a mirror's listing names, the newest first; empty where it has no listing."""
    response = client.get(mirror + "/", 4 << 20)
    if response.status_code != 200:
        return []
    text = response.body.decode("utf-8", "replace")
    found = set(re.findall(r"href=[\"']?[^\"'>]*?(\d{1,2}\.\d{1,2}-RELEASE)/?[\"'> ]", text))
    return sorted(found, key=roots.number_of, reverse=True)


def _release(client: Client, mirror: str, wanted: str) -> str:
    """The full name of a release: "" is the newest that the mirror has, 14 its newest 14.x, 14.1 is 14.1-RELEASE."""
    wanted = wanted.removeprefix("FreeBSD-")
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
    return FALLBACK_RELEASE


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


def install(release: str, options: Options, mirror: str, sha256: str = "") -> Root:
    """Fetch a release of FreeBSD from a mirror, check it and make a root of it.

    sha256: the digest that base.txz must have, instead of the one in the mirror's MANIFEST.
    """
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise RootError(f"--sha256 {sha256}: not 64 hexadecimal digits")
    mirror = check_url(mirror, "--mirror")
    if options.name:
        check_name(options.name)
    with Client(options.quiet) as client:
        release = _release(client, mirror, release)
        name = check_name(options.name or release)
        _store()
        url = f"{mirror}/{release}"
        digest = sha256.lower() or _announced(client, url)
        plain = shown(url)
        options.say(f"fetching {plain}/{ARCHIVE}")
        # By its digest: another mirror's file of the same release is the same file.
        with _downloads(f"{release}-{digest[:16]}") as folder:
            path = os.path.join(folder, ARCHIVE)
            client.fetch(f"{url}/{ARCHIVE}", path, f"sha256:{digest}", label=f"{release} {ARCHIVE}")
            options.say("its sha256 is right; unpacking")
            root = _make(
                name,
                options,
                plain,
                lambda work: _unpack(
                    os.path.join(work, roots.TREE),
                    archive.tar_entries(path, options.limits),
                    options,
                    f"{plain}/{ARCHIVE}",
                ),
                announced=release,
            )
    if root.release and roots.number_of(root.release) != roots.number_of(release):
        options.say(f"note: what the mirror calls {release} says of itself that it is {root.release}")
    return root


@contextlib.contextmanager
def _downloads(name: str) -> Iterator[str]:
    """A folder for what is fetched. It stays for the next try where that can go on; not where all went well, or where
    what came is not wanted."""
    parent = os.path.join(_store(), DOWNLOADS)
    folder = os.path.join(parent, name)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        with _held(folder) as alone:
            if not alone:
                raise RootError(f"{name} is being fetched by another process")
            _sweep_downloads(parent)
            try:
                yield folder
            except BaseException as error:
                if not os.listdir(folder) or not _can_go_on(error):
                    remove_path(folder)
                raise
            remove_path(folder)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(parent)


def _can_go_on(error: BaseException) -> bool:
    """Whether the next try has a use for what came until this error: a cut, a full disk, somebody who lost patience."""
    if isinstance(error, DownloadError):
        return not error.status and not isinstance(error, ChecksumError)
    return not isinstance(error, RootError)


def _sweep_downloads(parent: str) -> None:
    """Remove what nobody went on with for a month."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            newest = max(os.lstat(os.path.join(path, file)).st_mtime for file in (".", *os.listdir(path)))
            if time.time() - newest > DOWNLOAD_AGE:
                with _held(path) as gone:
                    if gone:
                        remove_path(path)


# ---------------------------------------------------------------- import


def _plain_name(source: str) -> str:
    """A root's name from a file's: FreeBSD-14.2-RELEASE-amd64-container-image-static.txz without its ending."""
    name = os.path.basename(os.path.normpath(source))
    name = re.sub(r"(\.tar)?\.(tar|txz|tgz|tbz2?|tzst|xz|gz|bz2|zst)$", "", name)
    name = re.sub(r"[^A-Za-z0-9._+-]", "-", name).lstrip(".-")
    return name[:100] or "root"


def _inner_root(tree: str) -> str:
    """The folder in an archive that is the root: its top, or the only folder there where that one is FreeBSD's."""
    if roots.missing(tree):
        names = os.listdir(tree)
        if len(names) == 1:
            inner = os.path.join(tree, names[0])
            if stat.S_ISDIR(os.lstat(inner).st_mode) and not roots.missing(inner):
                return inner
    return tree


def import_root(source: str, options: Options, tag: str = "") -> Root:
    """Make a root of a tar archive, a folder, an image layout, or an archive of one (podman save --format oci-archive).

    tag: which image of a layout that has several.
    """
    try:
        status = os.stat(source)
    except OSError as error:
        raise RootError(f"{source}: {error.strerror}") from None
    source = os.path.abspath(source)

    name = check_name(options.name or _plain_name(source))
    if stat.S_ISDIR(status.st_mode):
        if oci.is_layout(source):
            return _make(name, options, source, lambda work: _unpack_layout(source, tag, work, options))
        _no_tag(source, tag)
        if _is_within(roots.store(), source):
            raise RootError(f"{source}: the store of roots lies in this folder")
        return _make(
            name,
            options,
            source,
            lambda work: _unpack(os.path.join(work, roots.TREE), archive.folder_entries(source), options, source),
        )
    if not stat.S_ISREG(status.st_mode):
        raise RootError(f"{source}: neither a file nor a folder")
    return _make(name, options, source, lambda work: _unpack_archive(source, tag, work, options))


def _is_within(path: str, folder: str) -> bool:
    return os.path.commonpath((os.path.realpath(path), os.path.realpath(folder))) == os.path.realpath(folder)


def _no_tag(source: str, tag: str) -> None:
    if tag:
        raise RootError(f"--tag {tag}: {source} is not a container image")


def _unpack_layout(folder: str, tag: str, work: str, options: Options) -> Report:
    """Fill from an image layout."""
    with open(os.path.join(folder, "index.json"), "rb") as file:
        index = oci.parse(file.read(oci.MAX_JSON), folder)
    source = oci.Layout(folder)
    return _unpack_image(source, oci.choose(source, index, tag), work, options)


def _unpack_image(source: oci.Source, manifest: dict[str, Any], work: str, options: Options) -> Report:
    tree = os.path.join(work, roots.TREE)
    os.mkdir(tree)
    with Writer(tree, options.limits) as writer:
        oci.unpack(source, manifest, writer, options.limits)
        return writer.finish()


def _unpack_archive(path: str, tag: str, work: str, options: Options) -> Report:
    """Fill from a tar archive: of a root, of a folder that is one, or of an image layout."""
    beside = os.path.join(work, "beside")
    report = _unpack(beside, archive.tar_entries(path, options.limits), options, path)
    if oci.is_layout(beside):
        return _unpack_layout(beside, tag, work, options)
    _no_tag(path, tag)
    if os.path.isfile(os.path.join(beside, "manifest.json")) and roots.missing(beside):
        raise RootError(
            f"{path} is an image in docker's own form; `podman save --format oci-archive` makes one that LSF reads"
        )
    inner = _inner_root(beside)
    mode = stat.S_IMODE(os.stat(inner).st_mode)
    os.chmod(inner, mode | 0o700)  # a folder that may not be written to cannot be moved to another
    os.rename(inner, os.path.join(work, roots.TREE))
    os.chmod(os.path.join(work, roots.TREE), mode)
    return report


# ---------------------------------------------------------------- pull


def pull(image: str, options: Options, auth_file: str = "") -> Root:
    """Fetch an image from a registry and make a root of it."""
    from lsf.roots.registry import Reference, Registry

    reference = Reference(image, os.environ.get("LSF_REGISTRY", ""))
    name = options.name or _plain_name(reference.repository.rpartition("/")[2] + "-" + reference.tag)
    if reference.digest and not options.name:
        name = _plain_name(reference.repository.rpartition("/")[2] + "-" + reference.digest.partition(":")[2][:12])
    check_name(name)
    with Client(options.quiet) as client, _downloads(name) as folder:
        registry = Registry(client, reference, folder, auth_file)
        manifest = oci.choose(registry, registry.index())
        return _make(name, options, str(reference), lambda work: _unpack_image(registry, manifest, work, options))

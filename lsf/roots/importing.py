"""Roots of archives, folders and container images."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

from lsf import roots
from lsf.roots import Root, RootError, archive, images, oci
from lsf.roots.download import Client
from lsf.roots.downloads import Cache
from lsf.roots.manage import Options, check_name, make, open_store, unpack_entries
from lsf.roots.tree import Report, Writer

if TYPE_CHECKING:
    from lsf.roots.update import Replaced


def plain_name(source: str) -> str:
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

    name = check_name(options.name or plain_name(source))
    facts: dict[str, str] = {}  # known when it is unpacked
    if stat.S_ISDIR(status.st_mode):
        if oci.is_layout(source):
            return make(
                name, options, source, lambda work: _unpack_layout(source, tag, work, options, facts), more=facts
            )
        _no_tag(source, tag)
        if _is_within(roots.store(), source):
            raise RootError(f"{source}: the store of roots lies in this folder")
        return make(
            name,
            options,
            source,
            lambda work: unpack_entries(
                os.path.join(work, roots.TREE), archive.folder_entries(source), options, source
            ),
        )
    if not stat.S_ISREG(status.st_mode):
        raise RootError(f"{source}: neither a file nor a folder")
    return make(name, options, source, lambda work: _unpack_archive(source, tag, work, options, facts), more=facts)


def _is_within(path: str, folder: str) -> bool:
    return os.path.commonpath((os.path.realpath(path), os.path.realpath(folder))) == os.path.realpath(folder)


def _no_tag(source: str, tag: str) -> None:
    if tag:
        raise RootError(f"--tag {tag}: {source} is not a container image")


def _unpack_layout(folder: str, tag: str, work: str, options: Options, facts: dict[str, str]) -> Report:
    """Fill from an image layout; facts gets what root.conf is to say of it."""
    with open(os.path.join(folder, "index.json"), "rb") as file:
        index = oci.parse(file.read(oci.MAX_JSON), folder)
    source = oci.Layout(folder)
    manifest = oci.choose(source, index, tag)
    facts.update(images.keep(oci.config_of(source, manifest)))
    return _unpack_image(source, manifest, work, options)


def _unpack_image(source: oci.Source, manifest: dict[str, Any], work: str, options: Options) -> Report:
    tree = os.path.join(work, roots.TREE)
    os.mkdir(tree)
    with Writer(tree, options.limits) as writer:
        oci.unpack(source, manifest, writer, options.limits)
        return writer.finish()


def _unpack_archive(path: str, tag: str, work: str, options: Options, facts: dict[str, str]) -> Report:
    """Fill from a tar archive: of a root, of a folder that is one, or of an image layout."""
    beside = os.path.join(work, "beside")
    report = unpack_entries(beside, archive.tar_entries(path, options.limits), options, path)
    if oci.is_layout(beside):
        return _unpack_layout(beside, tag, work, options, facts)
    _no_tag(path, tag)
    if os.path.isfile(os.path.join(beside, "manifest.json")) and roots.missing(beside):
        raise RootError(
            f"{path} is an image in docker's own form; `podman save --format oci-archive` makes one that LSF reads"
        )
    inner = _inner_root(beside)
    if inner != beside:
        report.facts = {parts[1:]: fact for parts, fact in report.facts.items()}
    mode = stat.S_IMODE(os.stat(inner).st_mode)
    os.chmod(inner, mode | 0o700)  # a folder that may not be written to cannot be moved to another
    os.rename(inner, os.path.join(work, roots.TREE))
    os.chmod(os.path.join(work, roots.TREE), mode)
    return report


def pull(image: str, options: Options, auth_file: str = "", old: Replaced | None = None) -> Root | None:
    """Fetch an image from a registry and make a root of it. None where that is what `old` is made of, the root to be replaced."""
    from lsf.roots.registry import Reference, Registry

    reference = Reference(image, os.environ.get("LSF_REGISTRY", ""))
    name = options.name or plain_name(reference.repository.rpartition("/")[2] + "-" + reference.tag)
    if reference.digest and not options.name:
        name = plain_name(reference.repository.rpartition("/")[2] + "-" + reference.digest.partition(":")[2][:12])
    if old is None:
        check_name(name)
    open_store()
    with Client(options.quiet) as client, Cache(client) as cache:
        registry = Registry(client, reference, cache, auth_file)
        manifest = oci.choose(registry, registry.index())
        digest = "sha256:" + hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        if old is not None:
            if old.is_same(digest):
                return None
            old.may_go()
        return make(
            name,
            options,
            str(reference),
            lambda work: _unpack_image(registry, manifest, work, options),
            more={
                "kind": "image",
                "image": f"{reference.scheme}://{reference}",
                "digest": digest,
                **images.keep(oci.config_of(registry, manifest)),
            },
            replace=old is not None,
        )

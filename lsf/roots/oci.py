"""Container images of the Open Container Initiative: which of an image's variants is FreeBSD's, and its layers.

Specification: opencontainers/image-spec (image-layout.md, image-index.md, manifest.md, layer.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from lsf.roots import RootError
from lsf.roots.archive import blamed, tar_entries
from lsf.roots.tree import Limits, UnsafeTree, Writer

PLATFORM = ("freebsd", "amd64")
MAX_JSON = 4 << 20
MAX_LAYERS = 256
MAX_VARIANTS = 1000

INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LAYER_TYPES = re.compile(
    r"application/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(\.gzip|\.zstd)?)"
)
REF_NAME = "org.opencontainers.image.ref.name"

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class ImageError(RootError):
    """The image is damaged, or not one that LSF can use."""


@dataclass(frozen=True)
class Blob:
    """A descriptor: what is named by its digest."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, value: Any, where: str) -> Blob:
        """From JSON. Raises ImageError for what is no descriptor."""
        if not isinstance(value, dict):
            raise ImageError(f"{where} is damaged: a descriptor is missing")
        media_type, digest, size = value.get("mediaType", ""), value.get("digest"), value.get("size")
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise ImageError(f"{where} is damaged: {digest!r} is no sha256 or sha512 digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not isinstance(media_type, str):
            raise ImageError(f"{where} is damaged: the descriptor of {digest} has no size or type")
        return cls(media_type, digest, size)


class Source(Protocol):
    """Where blobs come from."""

    name: str

    def document(self, blob: Blob) -> bytes:
        """A manifest or index, checked against its digest."""

    def file(self, blob: Blob, label: str) -> str:
        """The path of a blob, checked against its digest."""


class Layout:
    """An image layout on disk."""

    def __init__(self, folder: str) -> None:
        self.name = folder

    def _path(self, blob: Blob) -> str:
        algorithm, _, value = blob.digest.partition(":")
        path = os.path.join(self.name, "blobs", algorithm, value)
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise ImageError(f"{self.name}: the image lacks blob {blob.digest}: {error.strerror}") from None
        if size != blob.size:
            raise ImageError(f"{self.name}: blob {blob.digest} has {size} bytes, not {blob.size}")
        return path

    def document(self, blob: Blob) -> bytes:
        """A manifest or index, checked against its digest."""
        if blob.size > MAX_JSON:
            raise ImageError(f"{self.name}: a manifest has {blob.size} bytes; {MAX_JSON} are the limit")
        with open(self._path(blob), "rb") as file:
            data = file.read()
        check_digest(data, blob.digest, self.name)
        return data

    def file(self, blob: Blob, label: str) -> str:
        """The path of a blob, checked against its digest."""
        from lsf.roots.download import digest_of

        path = self._path(blob)
        algorithm, _, value = blob.digest.partition(":")
        if digest_of(path, algorithm) != value:
            raise ImageError(f"{self.name} is damaged: blob {blob.digest} does not have this digest")
        return path


def check_digest(data: bytes, digest: str, where: str) -> None:
    """Raises ImageError where data do not have a digest."""
    algorithm, _, value = digest.partition(":")
    if hashlib.new(algorithm, data).hexdigest() != value:
        raise ImageError(f"{where} is damaged: {digest} does not have this digest")


def is_layout(folder: str) -> bool:
    """Whether a folder is an image layout."""
    return os.path.isfile(os.path.join(folder, "oci-layout")) and os.path.isfile(os.path.join(folder, "index.json"))


def parse(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object. Raises ImageError for another thing."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ImageError(f"{where} is damaged: it is not JSON") from None
    if not isinstance(value, dict):
        raise ImageError(f"{where} is damaged: it is not a JSON object")
    return value


def _list(document: dict[str, Any], key: str, where: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ImageError(f"{where} is damaged: it has no list of {key}")
    return value


def _platform(value: Any) -> tuple[str, str, str]:
    if not isinstance(value, dict):
        return "", "", ""
    return tuple(str(value.get(key, "")) for key in ("os", "architecture", "os.version"))  # type: ignore[return-value]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", text)[:4])


@dataclass
class Variant:
    """One image of an index: its manifest, for what it is, and how it is called."""

    manifest: dict[str, Any]
    platform: tuple[str, str, str]
    tag: str


def variants(source: Source, index: dict[str, Any]) -> Iterator[Variant]:
    """The images of an index, those in nested indexes too."""
    waiting: list[tuple[dict[str, Any], str, int]] = [(index, "", 0)]
    count = 0
    while waiting:
        document, tag, depth = waiting.pop(0)
        for value in _list(document, "manifests", source.name):
            count += 1
            if count > MAX_VARIANTS:
                raise ImageError(f"{source.name}: more than {MAX_VARIANTS} images are in one index")
            blob = Blob.of(value, source.name)
            notes = value.get("annotations")
            own = notes.get(REF_NAME, "") if isinstance(notes, dict) else ""
            name = own if isinstance(own, str) and own else tag
            announced = _platform(value.get("platform"))
            if announced[0] and announced[:2] != PLATFORM:
                yield Variant({}, announced, name)
                continue
            inner = parse(source.document(blob), source.name)
            if blob.media_type in INDEX_TYPES or "manifests" in inner:
                if depth >= 3:
                    raise ImageError(f"{source.name}: indexes lie within indexes too deeply")
                waiting.append((inner, name, depth + 1))
            elif "layers" in inner:
                yield Variant(inner, announced, name)


def config_of(source: Source, manifest: dict[str, Any]) -> dict[str, Any]:
    """The configuration of an image: what platform it is for, and the digests of its layers unpacked."""
    return parse(source.document(Blob.of(manifest.get("config"), source.name)), source.name)


def choose(source: Source, index: dict[str, Any], tag: str = "") -> dict[str, Any]:
    """The manifest of FreeBSD's amd64 image in an index; of several, the one for the newest FreeBSD.

    Raises ImageError where there is none, or where several have names and no tag says which.
    """
    seen = []
    fitting: list[Variant] = []
    for variant in variants(source, index):
        if variant.manifest and not variant.platform[0]:
            variant.platform = _platform(config_of(source, variant.manifest))
        seen.append(variant)
        if variant.manifest and variant.platform[:2] == PLATFORM and tag in ("", variant.tag):
            fitting.append(variant)
    if not fitting:
        if tag and tag not in {variant.tag for variant in seen}:
            known = ", ".join(sorted({variant.tag for variant in seen if variant.tag})) or "none"
            raise ImageError(f"{source.name}: no image has the tag {tag}; tags: {known}")
        have = ", ".join(sorted({"/".join(variant.platform[:2]) for variant in seen if variant.platform[0]}))
        raise ImageError(f"{source.name}: the image is for {have or 'no known platform'}, and not for freebsd/amd64")
    tags = {variant.tag for variant in fitting}
    if len(tags) > 1:
        raise ImageError(f"{source.name} has several images: --tag {' or --tag '.join(sorted(tags - {''}))}")
    return max(fitting, key=lambda variant: _version(variant.platform[2])).manifest


def unpack(source: Source, manifest: dict[str, Any], writer: Writer, limits: Limits) -> None:
    """Apply the layers of an image, the lowest first."""
    config = config_of(source, manifest)
    platform = _platform(config)
    if platform[:2] != PLATFORM:
        raise ImageError(f"{source.name}: the image is for {'/'.join(platform[:2])}, and not for freebsd/amd64")
    layers = [Blob.of(value, source.name) for value in _list(manifest, "layers", source.name)]
    rootfs = config.get("rootfs")
    diffs = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diffs, list) or len(diffs) != len(layers):
        raise ImageError(f"{source.name} is damaged: it has {len(layers)} layers, and not a digest for each")
    if len(layers) > MAX_LAYERS:
        raise ImageError(f"{source.name}: the image has {len(layers)} layers; {MAX_LAYERS} are the limit")
    for number, (layer, diff) in enumerate(zip(layers, diffs, strict=True), 1):
        label = f"layer {number} of {len(layers)}"
        if not LAYER_TYPES.fullmatch(layer.media_type):
            raise ImageError(f"{source.name}: {label} is of a kind that LSF does not know: {layer.media_type}")
        if not isinstance(diff, str) or not DIGEST.fullmatch(diff):
            raise ImageError(f"{source.name} is damaged: {diff!r} is no sha256 or sha512 digest")
        path = source.file(layer, label)
        with blamed(f"{source.name}: {label}"):
            if number > 1:
                _apply_whiteouts(path, writer, limits)
            for entry in tar_entries(path, limits, diff):
                if not entry.name.rstrip("/").rpartition("/")[2].startswith(WHITEOUT):
                    writer.add(entry)


def _apply_whiteouts(path: str, writer: Writer, limits: Limits) -> None:
    """Remove what a layer hides of those below it. It hides nothing of its own, so this comes before the rest."""
    for entry in tar_entries(path, limits):
        folder, slash, name = entry.name.rstrip("/").rpartition("/")
        if not name.startswith(WHITEOUT):
            continue
        if name == OPAQUE:
            writer.clear_folder(folder)
        elif not name.startswith(WHITEOUT + WHITEOUT):
            hidden = name[len(WHITEOUT) :]
            if hidden in ("", ".", ".."):
                raise UnsafeTree(f"{entry.name!r} hides no possible name")
            writer.remove(folder + slash + hidden)

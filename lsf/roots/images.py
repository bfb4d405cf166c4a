"""Roots that are container images: found by an image's name, with what the image says of its programs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from lsf import roots
from lsf.roots import Root, RootError
from lsf.roots.manage import Options

#: What root.conf keeps of an image's configuration (image-spec, config.md).
KEPT = ("Env", "Entrypoint", "Cmd", "WorkingDir", "User")
#: What a root that is no image, or an image that says nothing, is run with.
SHELL = ["/bin/sh"]
MAX_CONFIG = 32 << 10  # the store reads 64 KiB of a root.conf


@dataclass
class Config:
    """How an image wants its program to be run."""

    env: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    directory: str = ""
    user: str = ""


def keep(config: dict[str, Any]) -> dict[str, str]:
    """What root.conf is to say of an image, from the image's configuration document."""
    said = config.get("config")
    kept = {key: said[key] for key in KEPT if said.get(key)} if isinstance(said, dict) else {}
    text = json.dumps(kept, separators=(",", ":"))
    return {"config": text} if kept and len(text) <= MAX_CONFIG else {}


def _words(value: Any) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def config(root: Root) -> Config:
    """What the image that a root was made of says."""
    try:
        said = json.loads(root.fields.get("config", "{}"))
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    pairs = [text.partition("=") for text in _words(said.get("Env"))]
    made = Config({name: value for name, _, value in pairs if name}, _words(said.get("Entrypoint")), _words(said.get("Cmd")),
                  str(said.get("WorkingDir") or ""), str(said.get("User") or ""))  # fmt: skip
    if not made.entrypoint and not made.command:
        made.command = list(SHELL)
    return made


def find(image: str) -> Root | None:
    """The root of an image or of a name, None where there is none yet. A folder is a root of its own. Raises RootError."""
    if image.startswith(("/", "./", "../")) or image in (".", ".."):
        path = roots.resolve(image)
        lacks = roots.missing(path)
        if lacks:
            raise RootError(f"{image} is not a FreeBSD root: {lacks}")
        return Root(os.path.basename(path) or "root", path, {"release": roots.release_of(path)})
    if "/" not in image and ":" not in image and (root := roots.find(image)) is not None:
        return root
    from lsf.roots.registry import Reference

    reference = Reference(image, os.environ.get("LSF_REGISTRY", ""))
    wanted = f"{reference.scheme}://{reference}"
    return next((root for root in roots.installed() if root.fields.get("image") == wanted), None)


def get(image: str, options: Options, login: str = "") -> Root:
    """The root of an image, which is fetched where there is none. Raises RootError."""
    try:
        root = find(image)
    except RootError as error:
        if "/" in image or "names no registry" not in str(error):
            raise
        known = ", ".join(root.name for root in roots.installed()) or "none"
        raise RootError(f"{image}: no root has this name ({known} in {roots.store()}), and it names no registry"
                        " (HOST/REPOSITORY[:TAG], or LSF_REGISTRY=HOST)") from None  # fmt: skip
    if root is None:
        from lsf.roots import importing

        root = importing.pull(image, options, login)
        assert root is not None  # it has none to compare with
    return root


def name_of(root: Root) -> str:
    """What a root is called among images: by its image where it is one."""
    return root.fields.get("image", "").partition("://")[2] or root.name

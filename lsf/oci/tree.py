"""The files of a container that is not there yet: its root and what will be mounted on it, looked up without ever leaving them."""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LINKS = 40


class Tree:
    """A container's files, by the names that they will have in it.

    places: what will be mounted, the last first: the place in the container, and the host's file or folder that will be seen there;
    None for a file system of Linux's, of whose files nothing is known.
    """

    def __init__(self, root: str, mounts: "list[Any]", bundle: str) -> None:
        self.root = root
        self.places: list[tuple[str, str | None]] = []
        for mount in mounts:
            if isinstance(mount, dict) and isinstance(mount.get("destination"), str):
                self.places.insert(0, (self.resolve(mount["destination"]), bind_source(mount, bundle)))

    def host(self, path: str) -> str | None:
        """Where on the host a resolved path of the container lies; None for a file system of Linux's."""
        for place, source in self.places:
            if path == place or path.startswith(place.rstrip("/") + "/"):
                return None if source is None else source + path[len(place.rstrip("/")) :]
        return self.root + path

    def resolve(self, path: str) -> str:
        """The path without links, `.` and `..`; what is not there stays as it is named."""
        waiting = [part for part in reversed(path.split("/")) if part]
        resolved = ""
        links = 0
        while waiting:
            part = waiting.pop()
            if part == ".":
                continue
            if part == "..":
                resolved = resolved.rpartition("/")[0]
                continue
            at = f"{resolved}/{part}"
            host = self.host(at)
            try:
                target = os.readlink(host) if host is not None and links < MAX_LINKS else ""
            except (OSError, ValueError):
                target = ""
            if not target:
                resolved = at
                continue
            links += 1
            if target.startswith("/"):
                resolved = ""
            waiting += [part for part in reversed(target.split("/")) if part]
        return resolved or "/"

    def is_mounted(self, path: str) -> bool:
        """Whether a file is no image's own, but mounted by itself."""
        return any(place == path for place, source in self.places if source is not None)

    def find(self, path: str) -> str | None:
        """The host's path of a regular file, or None."""
        try:
            host = self.host(self.resolve(path))
            return host if host is not None and stat.S_ISREG(os.lstat(host).st_mode) else None
        except (OSError, ValueError):
            return None

    def find_program(self, name: str, path: str, directory: str) -> str | None:
        """The host's path of a program as execvp(3) finds it in the container, or None."""
        if "/" in name:
            return self.find(name if name.startswith("/") else f"{directory}/{name}")
        for folder in path.split(":"):
            found = self.find(f"{folder}/{name}") if folder.startswith("/") else None
            if found is not None and os.access(found, os.X_OK):
                return found
        return None


def bind_source(mount: "dict[str, Any]", bundle: str) -> str | None:
    """The host's file or folder that a mount of config.json shows, None where it is a file system of its own."""
    options = mount.get("options")
    source = mount.get("source")
    bound = mount.get("type") in ("bind", "nullfs") or isinstance(options, list) and not {"bind", "rbind"}.isdisjoint(
        option for option in options if isinstance(option, str)
    )  # fmt: skip
    return os.path.realpath(os.path.join(bundle, source)) if bound and isinstance(source, str) else None

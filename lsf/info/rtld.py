"""Where FreeBSD's dynamic linker finds the libraries of a program (find_library of libexec/rtld-elf/rtld.c)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from lsf.info import elf as elf_module
from lsf.info.elf import BadFile, Elf
from lsf.roots import hints
from lsf.roots.tree import resolve_inside
from lsf.start import plan

#: since FreeBSD 12; before, without the first
STANDARD_PATH = ("/lib/casper", "/lib", "/usr/lib")
MAX_OBJECTS = 2000


def absolute(path: str) -> str:
    """A path without dots, from the current directory; that may have been removed, and is then / here."""
    try:
        return os.path.abspath(path)
    except OSError:
        return os.path.normpath("/" + path)


class View:
    """The tree that a program sees, on paper (lsf/start/mounts.py makes it): the root's folders and the host's.

    root: the folder of a root, "" for the host's own tree; isolated: nothing of the host.
    """

    def __init__(self, root: str = "", isolated: bool = False) -> None:
        self.root = absolute(root) if root else ""
        self.isolated = isolated
        self._owners: dict[str, bool] = {}

    def _is_hosts(self, path: str) -> bool:
        """Whether the view shows the host at a path; else it shows the root."""
        if not self.root:
            return True
        top = path.split("/")[1]
        if self.isolated:
            return top in plan.SYSTEM
        here = absolute(".")
        if here != "/" and (path + "/").startswith(here + "/"):
            return True
        if top not in self._owners:
            names = [{top} if os.path.lexists(f"{tree}/{top}") else set() for tree in (self.root, "")]
            self._owners[top] = plan.owners(*names).get(top, False)
        return not self._owners[top]

    def find(self, path: str) -> str:
        """Where a file that a program names so lies on the host; "" where it sees none."""
        path = os.path.normpath("/" + path.lstrip("/"))
        if self._is_hosts(path):
            return os.path.realpath(path) if os.path.exists(path) else ""
        try:
            place = resolve_inside(self.root, path)
        except OSError:
            return ""
        return place if os.path.exists(place) else ""

    def seen(self, place: str) -> str:
        """How a program names a file of the host: the inverse of find()."""
        if self.root and (place + "/").startswith(self.root + "/"):
            return place[len(self.root) :] or "/"
        return place

    def hints(self) -> list[str]:
        """The folders that the root's hints list."""
        return hints.read(self.root or "/")


@dataclass
class Library:
    """One library that a program, or one of its libraries, needs.

    `path` is as the program sees it, "" where it is not found; `file` is on the host; `why` says what is wrong with it.
    """

    name: str
    needed_by: str
    path: str = ""
    file: str = ""
    why: str = ""
    searched: list[str] = field(default_factory=list)


@dataclass
class Version:
    """A version of symbols that a library does not have."""

    version: str
    library: str
    needed_by: str


@dataclass
class _Object:
    name: str  # what is shown: the base name of its path
    path: str  # as the program sees it
    elf: Elf


def _substitute(text: str, path: str, release: str) -> str:
    """$ORIGIN and its like, in a path of the object `path`."""
    words = {"ORIGIN": os.path.dirname(path), "OSNAME": "FreeBSD", "OSREL": release, "PLATFORM": "amd64", "LIB": "lib"}
    return re.sub(r"\$(?:\{(\w+)\}|(ORIGIN|OSNAME|OSREL|PLATFORM|LIB))",
                  lambda match: words.get(match[1] or match[2], match[0]), text)  # fmt: skip


def _folders(text: str, owner: _Object, release: str) -> list[str]:
    return [word for word in re.split("[:;]", _substitute(text, owner.path, release)) if word]


def _libmap(seen: View) -> dict[str, str]:
    """The unconditional lines of etc/libmap.conf: another library for a name."""
    place = seen.find("/etc/libmap.conf") if seen.root else ""
    found: dict[str, str] = {}
    if place:
        try:
            with open(place, encoding="utf-8", errors="replace") as file:
                for line in file.read(1 << 20).splitlines():
                    words = line.partition("#")[0].split()
                    if line.startswith("["):
                        break  # for certain programs only
                    if len(words) == 2 and words[0] not in ("include", "includedir"):
                        found[words[0]] = words[1]
        except OSError:
            pass
    return found


class Loader:
    """Loads a program's libraries as rtld would, on paper. `libraries` and `versions` say what came of it."""

    def __init__(self, seen: View, release: str = "", library_path: str = "") -> None:
        self._view, self._release = seen, release
        self._library_path = [word for word in re.split("[:;]", library_path) if word]
        self._hints = seen.hints()
        self._map = _libmap(seen)
        self.libraries: list[Library] = []
        self.versions: list[Version] = []

    def load(self, path: str, elf: Elf) -> None:
        """Find all that a program needs, and what those need, the nearest first."""
        main = _Object(os.path.basename(path), path, elf)
        objects = [main]
        names: dict[str, _Object | None] = {}
        files: dict[str, _Object] = {}
        at = 0
        while at < len(objects) and len(self.libraries) < MAX_OBJECTS:
            owner = objects[at]
            at += 1
            for name in owner.elf.needed:
                if name in names:
                    continue
                library = self._find(name, owner, main)
                self.libraries.append(library)
                loaded = files.get(library.file)
                if loaded is None and library.file and not library.why:
                    loaded = self._read(library)
                    if loaded is not None:
                        objects.append(loaded)
                        files[library.file] = loaded
                names[name] = loaded
                if loaded is not None and loaded.elf.soname:
                    names.setdefault(loaded.elf.soname, loaded)
        for owner in objects:
            for library_name, versions in owner.elf.versions_needed.items():
                provider = names.get(library_name)
                if provider is None or not provider.elf.versions_defined:
                    continue
                self.versions += [Version(version, provider.path, owner.path) for version in versions
                                  if version not in provider.elf.versions_defined]  # fmt: skip

    def _read(self, library: Library) -> _Object | None:
        try:
            elf = elf_module.read(library.file)
        except BadFile as error:
            library.why = str(error)
        except OSError as error:
            library.why = error.strerror or "it cannot be read"
        else:
            if not elf.is_amd64:
                library.why = f"it is for {elf.machine}, {elf.bits} bits"
            elif elf.type != "ET_DYN":
                library.why = "it is not a shared library"
            else:
                # rtld takes $ORIGIN of the real path
                return _Object(os.path.basename(library.path), self._view.seen(library.file), elf)
        return None

    def _paths(self, owner: _Object, main: _Object) -> list[str]:
        """The folders to search for what an object needs, in rtld's order."""
        folders = _folders(owner.elf.rpath, owner, self._release)
        if not owner.elf.runpath and owner is not main:
            folders += _folders(main.elf.rpath, main, self._release)
        folders += self._library_path
        folders += _folders(owner.elf.runpath, owner, self._release)
        if owner.elf.nodefaultlib:
            folders += [folder for folder in self._hints if folder not in STANDARD_PATH]
        else:
            folders += [*self._hints, *STANDARD_PATH]
        return list(dict.fromkeys(folders))

    def _find(self, name: str, owner: _Object, main: _Object) -> Library:
        wanted = self._map.get(name, name)
        library = Library(name, owner.path)
        if "/" in wanted:
            paths = [_substitute(wanted, owner.path, self._release)]
        else:
            library.searched = self._paths(owner, main)
            paths = [f"{folder}/{wanted}" for folder in library.searched]
        for path in paths:
            place = self._view.find(absolute(path))
            if place:
                library.path, library.file = absolute(path), place
                if not os.path.isfile(place):
                    library.why = "it is not a file"
                return library
        return library

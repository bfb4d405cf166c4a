"""What a root held when it was made: the file root.mtree beside it, in FreeBSD's mtree(5) form.

One line for each file, by its whole path: kind, mode, size and sha256, by which `lsfctl root verify` finds what has changed, and what
FreeBSD knows of the file and this machine does not keep: owner and group, set-user-id bits, file flags, for `lsfctl root export`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lsf.roots import RootError
from lsf.roots.tree import Fact, digest_of_open

FILE = "root.mtree"
MAX_FILE = 1 << 30
#: What Linux keeps of a mode for whoever made the root: Writer leaves the set-id bits out.
KEPT_MODE = 0o1777

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
_PLAIN = re.compile(rb"[A-Za-z0-9._+,:@%^~!$&(){}|;<>'\"/\-]+")


@dataclass
class Line:
    """One file of a record. `mode` and the three after it are FreeBSD's; `digest` is a sha256 ("" not readable), `target` of a link."""

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    flags: str = ""
    size: int = 0
    digest: str = ""
    target: str = ""


def encode(text: str) -> str:
    """A name as mtree(5) has it: strvis(3), other bytes in octal."""
    data = os.fsencode(text)
    if _PLAIN.fullmatch(data):
        return data.decode()
    return "".join(chr(byte) if _PLAIN.fullmatch(bytes((byte,))) else f"\\{byte:03o}" for byte in data)


def decode(text: str) -> str:
    """The reverse of encode."""
    if "\\" not in text:
        return text
    data = re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes((int(match[1], 8),)), text.encode())
    return os.fsdecode(data)


def walk(tree: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files of a tree by their names in it ("." is itself), each folder before what is in it, in the order of their names.
    What is mounted in it is left out, but for the mount point."""
    status = os.stat(tree)
    device = status.st_dev
    waiting = [(".", status)]
    while waiting:
        name, status = waiting.pop()
        yield name, status
        if not stat.S_ISDIR(status.st_mode) or status.st_dev != device:
            continue
        path = tree if name == "." else f"{tree}/{name}"
        with os.scandir(path) as scan:
            inner = sorted(scan, key=lambda item: item.name, reverse=True)
        prefix = "" if name == "." else name + "/"
        waiting += [(prefix + item.name, item.stat(follow_symlinks=False)) for item in inner]


def digest_of(path: str) -> str:
    """The sha256 of a file, "" where it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return ""
    with open(fd, "rb") as file:
        return digest_of_open(file)


def _line_of(tree: str, name: str, status: os.stat_result) -> Line:
    """What is to be said of a file as it is now."""
    path = tree if name == "." else f"{tree}/{name}"
    line = Line(_KINDS.get(stat.S_IFMT(status.st_mode), "other"), stat.S_IMODE(status.st_mode))
    if line.kind == "file":
        line.size, line.digest = status.st_size, digest_of(path)
    elif line.kind == "link":
        line.target = os.readlink(path)
    return line


def write(tree: str, path: str, facts: Mapping[tuple[str, ...], Fact]) -> None:
    """Record a tree. facts: what was said of its files where they came from. Raises OSError."""
    digests: dict[tuple[int, int], str] = {}
    with open(path, "w", encoding="ascii") as out:
        out.write("#mtree\n")
        for name, status in walk(tree):
            line = _line_of(tree, name, status)
            fact = facts.get(() if name == "." else tuple(name.split("/")))
            if fact is not None:
                line.uid, line.gid, line.flags = fact.uid, fact.gid, fact.flags
                line.mode = fact.mode if fact.mode & KEPT_MODE == line.mode & KEPT_MODE else line.mode
            if status.st_nlink > 1 and line.digest:
                line.digest = digests.setdefault((status.st_dev, status.st_ino), line.digest)
            out.write(_text(name, line))
        out.flush()
        os.fchmod(out.fileno(), 0o644)
        os.fsync(out.fileno())


def _text(name: str, line: Line) -> str:
    words = ["." if name == "." else "./" + encode(name), f"type={line.kind}"]
    words += [f"uid={line.uid}", f"gid={line.gid}", f"mode={line.mode:04o}"]
    if line.flags:
        words.append(f"flags={line.flags}")
    if line.kind == "file":
        words.append(f"size={line.size}")
        words += [f"sha256digest={line.digest}"] if line.digest else []
    elif line.kind == "link":
        words.append(f"link={encode(line.target)}")
    return " ".join(words) + "\n"


def read(root: str, name: str) -> dict[str, Line]:
    """The record of a root by its folder. `name` is what messages call it. Raises RootError where it has none, or a damaged one."""
    path = os.path.join(os.path.dirname(root), FILE)
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE:
                raise ValueError("too long")
            return dict(_parse(line) for line in file if line.strip() and not line.startswith("#"))
    except FileNotFoundError:
        raise RootError(f"{name}: no record of its files was made when it was installed ({path} is missing)") from None
    except ValueError as error:
        raise RootError(f"{path} is damaged: {error}") from None


def _parse(text: str) -> tuple[str, Line]:
    first, *words = text.split()
    values = dict(word.partition("=")[::2] for word in words)
    if first != "." and not first.startswith("./"):
        raise ValueError(f"a line begins with {first[:60]!r}")
    line = Line(values.get("type", ""), int(values["mode"], 8) if "mode" in values else 0)
    line.uid, line.gid, line.size = (int(values.get(key, "0")) for key in ("uid", "gid", "size"))
    line.flags, line.digest, line.target = (
        values.get("flags", ""),
        values.get("sha256digest", ""),
        decode(values.get("link", "")),
    )
    return decode(first.removeprefix("./")), line


def differences(
    tree: str, recorded: Mapping[str, Line], seen: Callable[[], object] = lambda: None
) -> Iterator[tuple[str, str]]:
    """How a tree differs from its record: names with what is different; "added" for what the record does not have.

    seen() is called for each file that was looked at. Raises OSError.
    """
    left = set(recorded)
    for name, status in walk(tree):
        seen()
        line = recorded.get(name)
        if line is None:
            yield name, "added"
            continue
        left.discard(name)
        words = _difference(tree, name, status, line)
        if words:
            yield name, words
    for name in sorted(left):
        yield name, "missing"


def _difference(tree: str, name: str, status: os.stat_result, line: Line) -> str:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
    if kind != line.kind:
        return f"kind {kind}, was {line.kind}"
    path = tree if name == "." else f"{tree}/{name}"
    found = []
    mode = stat.S_IMODE(status.st_mode)
    if kind != "link" and mode not in (line.mode, line.mode & KEPT_MODE):
        found.append(f"mode {mode:04o}, was {line.mode:04o}")
    if kind == "link" and os.readlink(path) != line.target:
        found.append(f"link to {os.readlink(path)}, was to {line.target}")
    if kind == "file" and status.st_size != line.size:
        found.append(f"size {status.st_size}, was {line.size}")
    elif kind == "file" and line.digest:
        digest = digest_of(path)
        if digest != line.digest:
            found.append("cannot be read" if not digest else "contents")
    return "; ".join(found)

"""The view by look-up: the rules after which the shim finds files where Linux lets LSF neither mount nor chroot.

A rule is a pair of paths, what the program calls it and where it is on the host; the longest name wins. The pair
("", ...) is all that no other rule names, and ("/", ...) the folder that is listed as the top (lsf/machine/view/lookup.pxi).
"""

import os
import stat

from lsf.start import plan
from lsf.start.errors import LaunchError

LIMIT = 256  # LOOKUP_RULES of the shim


def _merged(root: str, cwd: str) -> plan.Rules:
    """The merged view, as mounts._show_merged makes it of mounts."""
    parts = plan.parts(root)
    roots_own = {name for name, _, is_roots in parts if is_roots}
    rules = [("/" + name, source) for name, source, is_roots in parts if is_roots or source != "/" + name]
    if "var" in roots_own and os.path.isdir("/var/tmp"):
        rules.append(("/var/tmp", os.path.realpath("/var/tmp")))
    if "etc" in roots_own:
        rules += _etc(f"{root}/etc")
    if cwd.split("/")[1] in roots_own:
        rules.append((cwd, cwd))
    rules.append(("", ""))
    top = _top(parts)
    if top is not None:
        rules.append(("/", os.path.realpath(top)))
    return rules


def _etc(etc: str) -> plan.Rules:
    """The host's users, groups and names over the root's /etc. Without a cache the root keeps its users and groups."""
    from lsf.start import hostetc

    layer = hostetc.cached(etc)
    if layer is not None and hostetc.is_lasting():
        return [("/etc/" + name, f"{os.path.realpath(layer)}/{name}") for name in os.listdir(layer)]
    return [(path, path) for path in ("/etc/" + name for name in hostetc.HOSTS) if os.path.exists(path)]


def _top(parts: list[tuple[str, str, bool]]) -> str | None:
    """A kept folder that has the names of the merged view's top, to be listed; None where no cache can be kept."""
    from lsf.start import hostetc

    place = hostetc.place("top")
    if place is None or not hostetc.is_lasting():
        return None
    names = []
    for name, path, _ in sorted(parts):
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        kind = os.readlink(path) if stat.S_ISLNK(mode) else "/" if stat.S_ISDIR(mode) else ""
        names.append((name, kind))
    number = 0xCBF29CE484222325  # FNV-1a: the same in every process, as hash() of a string is not
    for byte in os.fsencode(repr(names)):
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return hostetc.keep(f"{place}/{number:016x}", lambda folder: _make_top(folder, names))


def _make_top(folder: str, names: list[tuple[str, str]]) -> None:
    for name, kind in names:
        path = os.path.join(folder, name)
        if kind == "/":
            os.mkdir(path, 0o755)
        elif kind:
            os.symlink(kind, path)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def make(root: str, isolated: bool, binds: list[plan.Bind], cwd: str) -> plan.Rules:
    """The rules of a root's view (root "": the host's tree). Raises LaunchError for a bind it cannot have, OSError.

    The host's side of each is without symbolic links, as Linux tells the current directory: it is found again by that.
    """
    root = root and os.path.realpath(root)
    if not root:
        found = [("", "")]
    elif isolated:
        found = [("", root)]
    else:
        found = _merged(root, cwd)
    found += [("/" + name, "/" + name) for name in plan.SYSTEM]
    for bind in binds:
        if bind.read_only:
            raise bind.wrong("only mount namespaces, which are not allowed here, can protect it from being written to")
        try:
            os.stat(bind.source)
        except OSError as error:
            raise bind.wrong(error.strerror) from None
        # A later bind wins over what is there.
        found = [rule for rule in found if rule[0] != bind.target] + [(bind.target, os.path.realpath(bind.source))]
    if len(found) > LIMIT:
        raise LaunchError(f"the view has {len(found)} parts; without mount namespaces there can be {LIMIT}")
    found.sort(key=lambda rule: len(rule[0]), reverse=True)
    return found

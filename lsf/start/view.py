"""The views: which files a program sees when it runs in a FreeBSD root (docs/user/views.md tells it to users).

*merged*, the default: FreeBSD's own folders are the root's, the user's files are the host's. *isolated*: the root and
what is bound into it. Both are what lsf/start/plan.py says. Mounts make them (mounts.py); where Linux does not allow that, the
shim looks paths up by rules (rules.py), or chroot shows the root alone.

It is on the way of `lsf --root`, so it imports nothing that costs.
"""

import os
import stat

from lsf.start.errors import LaunchError, say
from lsf.start.plan import Bind, Rules

#: A folder without one of these is no FreeBSD root.
EXPECTED = ("libexec", "lib", "bin", "usr", "rescue", "etc")


def _check(root: str, isolated: bool) -> None:
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise LaunchError(f"--root {root}: Not a directory")
        if not isolated and not any(os.path.lexists(os.path.join(root, name)) for name in EXPECTED):
            expected = ", ".join(EXPECTED[:-1])
            raise LaunchError(f"--root {root}: not a FreeBSD root: it has no {expected} or {EXPECTED[-1]}")
    except OSError as error:
        raise LaunchError(f"--root {root}: {error.strerror}") from None


def bind_on_host(binds: list[Bind], debug: bool = False, way: str = "auto") -> Rules | None:
    """Without a root: the host's tree with binds in it. Returns the rules of a view by look-up. Raises LaunchError."""
    if way == "chroot":
        raise LaunchError("--view chroot: shows a root alone, and --bind adds to what is shown")
    try:
        cwd = os.getcwd()
    except OSError as error:
        raise LaunchError(f"the current directory cannot be shown: {error.strerror}; cd elsewhere") from None
    if way == "lookup":
        return _by_lookup("", False, binds, cwd, debug, "--view lookup")
    from lsf.start import mounts

    why = mounts.show_binds(binds, cwd)
    if why is None:
        return None
    if way == "auto":
        return _by_lookup("", False, binds, cwd, debug, why)
    raise LaunchError(f"--bind: needs mount namespaces, which are not allowed here ({why}): {mounts.remedy()}")


def _by_lookup(root: str, isolated: bool, binds: list[Bind], cwd: str, debug: bool, why: str | None) -> Rules:
    """The last way: rules, after which the shim looks every path up."""
    from lsf.start import rules

    try:
        found = rules.make(root, isolated, binds, cwd)
        if isolated:
            os.chdir(root)
    except OSError as error:
        raise LaunchError(f"the view of {root or '/'} cannot be made: {error}") from None
    if debug:
        say(f"no mount namespaces ({why}): paths are looked up in {root or 'the binds'} first")
    return found


def enter(
    root: str, isolated: bool = False, binds: tuple[str, ...] = (), debug: bool = False, way: str = "auto"
) -> Rules | None:
    """Make this process see a root's view. Raises LaunchError.

    In the merged view the current directory stays; in the isolated one it becomes the root's top. Returns None, or the rules
    of a view by look-up, which the program is to be started with. way: namespace, chroot or lookup, or auto for what is
    allowed: chroot shows the root alone, so that the merged view comes by look-up before it.
    """
    wanted = [Bind(text) for text in binds]
    _check(root, isolated)
    root = os.path.abspath(root)
    try:
        cwd = "/" if isolated else os.getcwd()
        here = os.open(cwd, os.O_PATH)
    except OSError as error:
        raise LaunchError(f"the current directory cannot be shown: {error.strerror}; cd elsewhere") from None
    os.close(here)
    if root == "/":
        rules = bind_on_host(wanted, debug, way) if wanted else None
        os.chdir(cwd)
        return rules
    if not isolated:
        from lsf.start import hostetc

        hostetc.prepare()
    why: str | None = f"--view {way}"
    if way in ("auto", "namespace"):
        from lsf.start import mounts

        why = mounts.show_root(root, isolated, wanted, cwd)
        if why is None:
            return None
        if way == "namespace":
            raise LaunchError(
                f"--root {root}: this needs root, or user namespaces, which are not allowed here ({why}): {mounts.remedy()}"
            )
    if way == "lookup" or way == "auto" and (not isolated or wanted or not _may_chroot()):
        return _by_lookup(root, isolated, wanted, cwd, debug, why)
    if wanted:
        raise LaunchError("--view chroot: shows a root alone, and --bind adds to what is shown")
    try:
        os.chroot(root)
        os.chdir("/")
    except OSError as error:
        raise LaunchError(f"--root {root}: {error.strerror}: chroot needs root, or CAP_SYS_CHROOT") from None
    if debug:
        say(f"no mount namespaces ({why}): chroot to {root} alone, without the host's files, /dev and /proc")
    return None


def _may_chroot() -> bool:
    """Whether this process may; tried, for what forbids it (capabilities, seccomp, a policy) differs."""
    top = os.open("/", os.O_PATH)
    try:
        os.chroot(f"/proc/self/fd/{top}")
        return True
    except OSError:
        return False
    finally:
        os.close(top)

"""`lsfctl run`: a container image's program, in docker's words, without an engine.

There is no daemon and nothing to be root for: the image is a root of the store (lsf/roots/images.py), the program sees it alone, as with
`lsf --isolated`, and is shown as root there. What it changes is its own: with --rm in a layer over the root that ends with it, else in a
copy of the root. Networks, processes and /dev are the machine's: LSF is no sandbox.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile

from lsf import roots
from lsf.roots import Root, RootError, images
from lsf.roots.manage import Options as RootOptions
from lsf.roots.manage import give_resolver, held, open_store, remove_path, sweep
from lsf.roots.tree import resolve_inside
from lsf.start import launch
from lsf.start.errors import STATUS_FAILED, LaunchError, say
from lsf.start.files import DEFAULT_PATH
from lsf.start.options import Options
from lsf.start.plan import SYSTEM, Bind

#: What is taken over from the caller's environment: docker gives a program none of it but the terminal's kind.
TAKEN = ("TERM",)
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class User:
    """Who the program is to be: -u NAME|UID[:GROUP|GID], by the image's own /etc/passwd and /etc/group."""

    def __init__(self, text: str, tree: str) -> None:
        name, _, group = text.partition(":")
        self.home = "/"
        self.uid, self.gid = 0, 0
        row = next((row for row in _rows(tree, "passwd", 7) if name in (row[0], row[2])), None)
        if row is not None:
            self.uid, self.gid, self.home = _number(row[2]), _number(row[3]), row[5] or "/"
        elif name.isdecimal():
            self.uid = _number(name)
        elif name:
            raise RootError(f"-u {text}: the image has no user {name}")
        else:
            self.home = "/root"
        if group:
            line = next((line for line in _rows(tree, "group", 4) if line[0] == group), None)
            if line is None and not group.isdecimal():
                raise RootError(f"-u {text}: the image has no group {group}")
            self.gid = _number(line[2] if line is not None else group)


def _as_volume(error: LaunchError) -> LaunchError:
    """An error of a bind, by the name of the option here."""
    return LaunchError(str(error).replace("--bind", "-v", 1), error.status)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFFFFFE:
        raise RootError(f"{text}: not the number of a user or group")
    return int(text)


def _rows(tree: str, name: str, fields: int) -> list[list[str]]:
    """The lines of a file in the image's /etc. No link is followed: it could lead out of the image."""
    try:
        folder = os.open(f"{tree}/etc", os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
        with open(fd, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []
    return [row for row in rows if len(row) == fields]


class Plan:
    """A program to be run in a root: what the image says, and what the command line says instead."""

    def __init__(self, root: Root, arguments: argparse.Namespace) -> None:
        config = images.config(root)
        self.root = root
        self.user = User(config.user if arguments.user is None else arguments.user, root.path)
        entry = (
            config.entrypoint
            if arguments.entrypoint is None
            else [arguments.entrypoint]
            if arguments.entrypoint
            else []
        )
        rest = arguments.arguments or ([] if arguments.entrypoint is not None else config.command)
        self.command = [*entry, *rest]
        if not self.command:
            raise RootError("there is nothing to run: the image says no command, and none is given")
        self.directory = arguments.workdir or config.directory or "/"
        if not self.directory.startswith("/"):
            raise RootError(f"-w {self.directory}: not an absolute path")
        try:
            self.binds = [Bind(text) for text in arguments.volume]
        except LaunchError as error:
            raise _as_volume(error) from None
        self.env = {"PATH": DEFAULT_PATH, "HOME": self.user.home, **config.env}
        self.env |= {name: os.environ[name] for name in TAKEN if name in os.environ}
        for text in arguments.env:
            name, equals, value = text.partition("=")
            if not name:
                raise RootError(f"-e {text}: not of the form NAME=VALUE")
            if equals:
                self.env[name] = value
            elif name in os.environ:
                self.env[name] = os.environ[name]

    def furnish(self, tree: str) -> None:
        """What docker makes in a container where it is missing: the directory to start in, and whom the resolver asks. Raises OSError."""
        if not any(f"{self.directory}/".startswith(f"{bind.target}/") for bind in self.binds):
            place(tree, self.directory, True)
        place(tree, "/etc", True)
        give_resolver(tree)

    def mount(self, tree: str) -> None:
        """Show /dev, /proc and the volumes in a tree, in this process's own mount namespace. Raises OSError, LaunchError."""
        from lsf import _namespace

        for name in SYSTEM:
            _namespace.bind(f"/{name}", place(tree, f"/{name}", True))
        for bind in self.binds:
            try:
                target = place(tree, bind.target, os.path.isdir(bind.source))
                _namespace.bind(bind.source, target)
                if bind.read_only:
                    _namespace.protect(target)
            except OSError as error:
                raise _as_volume(bind.wrong(error.strerror)) from None

    def become(self, tree: str, mounted: bool) -> None:
        """Become the program, which sees the folder `tree`; mounted: with all that it is to see in it. Raises LaunchError."""
        options = Options()
        options.root, options.isolated = tree, True
        if mounted:
            options.view = "chroot"
        else:
            options.binds = [bind.text for bind in self.binds]
        options.engine = os.environ.get("LSF_ENGINE") or "auto"
        options.osrelease = self.root.release if roots.number_of(self.root.release) else None
        options.chdir = self.directory
        options.fakeroot = (
            mounted and _is_alone()
        )  # else root, or a user who stays one: there is no namespace to be root in
        if options.fakeroot and (self.user.uid or self.user.gid):
            options.ids = self.user.uid, self.user.gid
        launch.launch(options, self.command[0], self.command[1:], self.env, self._take_ids)

    def _take_ids(self) -> None:
        """The last thing before exec. Python's own ignored signals are given back."""
        for name in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(name, signal.SIG_DFL)
        if os.geteuid() == 0 and (self.user.uid or self.user.gid) and not _is_alone():
            os.setgroups([self.user.gid])
            os.setresgid(self.user.gid, self.user.gid, self.user.gid)
            os.setresuid(self.user.uid, self.user.uid, self.user.uid)


def _is_alone() -> bool:
    """Whether this is root of a user namespace that has no other users."""
    try:
        with open("/proc/self/uid_map") as file:
            return file.read().split()[2:] == ["1"]
    except OSError:
        return False


def place(tree: str, path: str, is_folder: bool) -> str:
    """A place in a tree, made where it is missing; no link leads out of the tree. Raises OSError."""
    at = resolve_inside(tree, path, missing=True)
    if not os.path.lexists(at):
        os.makedirs(at if is_folder else os.path.dirname(at), exist_ok=True)
        if not is_folder:
            os.close(os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    return at


def _own_mounts() -> str:
    """Give this process a mount namespace of its own, in a user namespace where that is what it takes: "", or why there is none."""
    from lsf import _namespace

    try:
        if os.geteuid() != 0:
            _namespace.unshare_user(0, 0)
        _namespace.unshare_mounts()
    except OSError as error:
        return str(error.strerror)
    return ""


def _layer(work: str, tree: str) -> str:
    """Lay a folder over a tree for what changes: the folder where both are seen. Raises OSError."""
    from lsf import _namespace

    if any(character in work + tree for character in ":,\\"):
        raise OSError(0, "overlayfs takes no such names")
    for name in ("upper", "work", "root"):
        os.mkdir(f"{work}/{name}", 0o755)
    _namespace.mount_overlay(tree, f"{work}/upper", f"{work}/work", f"{work}/root")
    return f"{work}/root"


def _begin(plan: Plan, work: str = "") -> None:
    """Become the program, in the root itself or (work) in what is laid over it, or in a copy where that is not allowed. Does not return."""
    status = STATUS_FAILED
    tree = plan.root.path
    try:
        alone = _own_mounts()
        if work:
            try:
                if alone:
                    raise OSError(0, alone)
                tree = _layer(work, tree)
            except OSError as error:
                from lsf.roots.copy import copy_tree

                more = ", and its programs run as yourself" if os.geteuid() != 0 else ""
                say(f"no layer over {plan.root.name} ({error.strerror}): it is copied{more}")
                tree = f"{work}/copy"
                copy_tree(plan.root.path, tree)
        plan.furnish(tree)
        if not alone:
            plan.mount(tree)
        plan.become(tree, not alone)
    except LaunchError as error:
        say(str(_as_volume(error)))
        status = error.status
    except OSError as error:
        say(f"{error.filename or plan.root.path}: {error.strerror}")
    finally:
        os._exit(status)


def _run_and_remove(plan: Plan) -> int:
    """Run the program, and leave nothing of what it has changed: its exit status, as docker tells it."""
    store = open_store()
    sweep(store)
    work = tempfile.mkdtemp(prefix=".run-", dir=store)
    try:
        with held(work):
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                _begin(plan, work)
            # What a terminal sends both get; the program decides.
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
            for number in _FORWARDED:
                signal.signal(number, lambda number, _: os.kill(child, number))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return status if status >= 0 else 128 - status
    finally:
        remove_path(work)


def _free_name(root: Root) -> str:
    name = root.name[:90]
    number = 1
    while os.path.lexists(f"{roots.store()}/{name}.{number}"):
        number += 1
    return f"{name}.{number}"


def run(arguments: argparse.Namespace) -> int:
    """`lsfctl run`: the program's exit status, or 125, 126 and 127 as for `lsf`."""
    try:
        login = arguments.auth_file or os.environ.get("REGISTRY_AUTH_FILE", "")
        root = images.get(arguments.image, RootOptions(quiet=arguments.quiet), login)
        plan = Plan(root, arguments)
        if arguments.rm:
            return _run_and_remove(plan)
        from lsf.roots import copy

        name = arguments.name or _free_name(root)
        kept = copy.copy(root.name if roots.load(root.name) is not None else root.path, name, quiet=True)
        if not arguments.quiet:
            print(f"lsfctl: what it changes is in the root {name}: `lsf --root {name} --isolated` goes on, "
                  f"`lsfctl root remove {name}` removes it", file=sys.stderr)  # fmt: skip
        plan.root = kept
        sys.stderr.flush()
        _begin(plan)
    except RootError as error:
        print(f"lsfctl: {error}", file=sys.stderr)
    except LaunchError as error:
        say(str(error))
        return error.status
    except OSError as error:
        print(f"lsfctl: {error.filename or arguments.image}: {error.strerror}", file=sys.stderr)
    return STATUS_FAILED

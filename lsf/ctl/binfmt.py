"""binfmt_misc: Linux starts FreeBSD programs by their name alone, with the shim's image as their interpreter.

`lsfctl binfmt install` registers it for the whole machine, containers included: flag F keeps the opened image, so that
it need not be visible where a program is started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys

from lsf.start.binfmt_rule import FOLDER, NAME, BinfmtError, line
from lsf.start.files import shim_path


def status() -> dict[str, object]:
    """What is registered: `available` (binfmt_misc is there), `enabled`, `interpreter`, `flags`."""
    found: dict[str, object] = {"available": os.path.exists(FOLDER + "/register"), "enabled": False}
    try:
        with open(f"{FOLDER}/{NAME}") as file:
            text = file.read()
    except OSError:
        return found
    found["enabled"] = text.startswith("enabled")
    for row in text.splitlines():
        key, _, value = row.partition(" ")
        if key in ("interpreter", "flags:"):
            found[key.rstrip(":")] = value
    return found


def _write(name: str, text: str) -> None:
    try:
        with open(f"{FOLDER}/{name}", "w") as file:
            file.write(text)
    except PermissionError:
        raise BinfmtError("only root may change what the whole machine runs: sudo lsfctl binfmt ...") from None
    except OSError as error:
        raise BinfmtError(f"{FOLDER}/{name}: {error.strerror}") from None


def _make_available() -> None:
    if os.path.exists(FOLDER + "/register"):
        return
    from lsf import _namespace

    try:
        _namespace.mount_binfmt(FOLDER)
    except PermissionError:
        raise BinfmtError("only root may change what the whole machine runs: sudo lsfctl binfmt ...") from None
    except OSError as error:
        raise BinfmtError(
            f"binfmt_misc cannot be mounted at {FOLDER} ({error.strerror}): `modprobe binfmt_misc` on the host"
        ) from None


def install(set_ids: bool = False) -> None:
    """Register the image, in place of one that is registered already; set_ids as for `line`. Raises BinfmtError."""
    image = shim_path()
    rule = line(image, set_ids)
    if not os.access(image, os.X_OK):
        raise BinfmtError(f"{image}: not there or not executable; the package is not built completely")
    _make_available()
    if os.path.exists(f"{FOLDER}/{NAME}"):
        _write(NAME, "-1")
    _write("register", rule)


def remove() -> bool:
    """Undo `install`. Returns whether there was something to undo. Raises BinfmtError."""
    if not os.path.exists(f"{FOLDER}/{NAME}"):
        return False
    _write(NAME, "-1")
    return True


def lsf_command() -> str:
    """The path of the command `lsf` that belongs to this installation. Raises BinfmtError."""
    for path in (os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "lsf"), shutil.which("lsf")):
        if path and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise BinfmtError("the command lsf is not beside lsfctl, nor in PATH")


def run_with(command: list[str]) -> int:
    """Execute a command for which, and for whose children, FreeBSD programs run by their name alone, by `lsf` with its variables
    (LSF_ROOT, ...) and the default root. Needs no privilege: a user namespace with a binfmt_misc of its own. Does not return where
    it succeeds. Raises BinfmtError."""
    if not command:
        raise BinfmtError("what is to run? lsfctl binfmt run COMMAND ARGS")
    rule = line(lsf_command(), flags="")
    uid, gid = os.geteuid(), os.getegid()
    try:
        from lsf import _namespace

        _namespace.unshare_user(0, 0)
        _namespace.unshare_mounts()
        _namespace.mount_binfmt(FOLDER)
        with open(f"{FOLDER}/register", "w") as file:
            file.write(rule)
        if uid:
            # Only the root of the namespace that mounts it may write there: the user's own ids come back in another inside.
            _namespace.unshare_user(uid, gid)
    except (ImportError, OSError) as error:
        raise BinfmtError(
            f"needs a user namespace with a binfmt_misc of its own, as Linux 6.7 and later can have ({error}): `lsfctl doctor`"
        ) from None
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"lsfctl: binfmt run: {command[0]}: {error.strerror}", file=sys.stderr)
    return 127


def run(arguments: argparse.Namespace) -> int:
    """`lsfctl binfmt`."""
    try:
        if arguments.action == "run":
            return run_with(arguments.what)
        if arguments.action == "install":
            install(arguments.set_ids)
            print(f"FreeBSD programs now run by their name alone, until the next boot, by {shim_path()}")
        elif arguments.action == "remove":
            print("removed" if remove() else "nothing was registered")
        elif arguments.action == "line":
            print(line(shim_path(), arguments.set_ids))
        else:
            found = status()
            if arguments.json:
                json.dump(found, sys.stdout)
                print()
            elif found.get("interpreter"):
                state = "enabled" if found["enabled"] else "disabled"
                print(f"{state}: {found['interpreter']} (flags {found['flags']})")
            else:
                print("not installed" if found["available"] else "not installed: binfmt_misc is not mounted here")
            return 0 if found["enabled"] else 1
    except BinfmtError as error:
        print(f"lsfctl: binfmt {arguments.action}: {error}", file=sys.stderr)
        return 1
    return 0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to lsfctl's parser."""
    parser = commands.add_parser(
        "binfmt", help="let Linux start FreeBSD programs by their name alone",
        description="Registers LSF with Linux's binfmt_misc for the whole machine, containers included."
        " `line` prints what /etc/binfmt.d/lsf.conf needs to hold to make that last over a boot."
        " Set-user-id programs get no other ids unless --set-ids says so."
        " `status` exits with 0 where it is installed, 1 where not."
        " `run COMMAND` does it for that command and its children alone, without any privilege, by `lsf` and its default root.",
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("install", "register LSF for the whole machine"), ("remove", "undo that"),
        ("status", "say what is registered"), ("line", "print the rule"),
    ):  # fmt: skip
        action = actions.add_parser(name, help=text)
        if name in ("install", "line"):
            action.add_argument("--set-ids", action="store_true",
                                help="FreeBSD's set-user-id programs get their ids (flag C)")  # fmt: skip
        if name == "status":
            action.add_argument("--json", action="store_true", help="for programs")
    one = actions.add_parser("run", help="do so for one command, without any privilege")
    one.add_argument("what", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    parser.set_defaults(command=run)

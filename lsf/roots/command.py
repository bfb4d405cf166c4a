"""The `lsfctl root` command."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lsf import roots
from lsf.roots import Root, RootError

if TYPE_CHECKING:
    from lsf.roots.manage import Options

# What does the work is imported by each action: `lsfctl --help` needs none of it.

DEFAULT_MIRROR = "https://download.freebsd.org/releases/amd64"
DEFAULT_PACKAGES = "https://pkg.FreeBSD.org"
FAILED = 125
INTERRUPTED = 130
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size_of(text: str) -> int:
    """Bytes: 500M, 16G."""
    match = re.fullmatch(r"(\d{1,6})([KMGT]?)(i?B)?", text, re.IGNORECASE)
    if not match or not int(match[1]):
        raise RootError(f"--max-size {text}: not a size (500M, 16G)")
    return int(match[1]) * _UNITS[match[2].upper()]


def _options(arguments: argparse.Namespace) -> Options:
    from lsf.roots import manage
    from lsf.roots.tree import Limits

    limits = Limits(size=size_of(arguments.max_size)) if arguments.max_size else Limits()
    return manage.Options(arguments.name or "", arguments.force, arguments.quiet, limits)


def _install(arguments: argparse.Namespace) -> None:
    if arguments.pkgbase or arguments.repository:
        _install_packages(arguments)
        return
    if arguments.packages or arguments.keys:
        raise RootError("--packages and --keys are for --pkgbase")
    from lsf.roots import mirror as releases
    from lsf.roots.download import check_url

    variable = "" if arguments.mirror else os.environ.get("LSF_MIRROR", "")
    mirror = check_url(arguments.mirror or variable or DEFAULT_MIRROR, "LSF_MIRROR" if variable else "--mirror")
    if arguments.dry_run:
        print(releases.find_release(arguments.release, _options(arguments), mirror))
        return
    if not arguments.release:
        from lsf.roots.ask import which_release

        arguments.release = which_release()
    root = releases.install(arguments.release, _options(arguments), mirror, arguments.sha256)
    print(root.name)


def _install_packages(arguments: argparse.Namespace) -> None:
    for option in ("mirror", "sha256", "dry_run"):
        if getattr(arguments, option):
            raise RootError(f"--{option.replace('_', '-')} is for base.txz, not for packages")
    from lsf.roots import pkgbase

    mirror = os.environ.get("LSF_PKG_MIRROR") or DEFAULT_PACKAGES
    source = pkgbase.source_of(arguments.release, mirror, arguments.repository, arguments.packages, arguments.keys)
    root = pkgbase.install(source, _options(arguments))
    assert root is not None  # it has none to compare with
    print(root.name)


def _import(arguments: argparse.Namespace) -> None:
    from lsf.roots import importing

    print(importing.import_root(arguments.source, _options(arguments), arguments.tag).name)


def _pull(arguments: argparse.Namespace) -> None:
    from lsf.roots import importing

    login = arguments.auth_file or os.environ.get("REGISTRY_AUTH_FILE", "")
    root = importing.pull(arguments.image, _options(arguments), login)
    assert root is not None  # it has none to compare with
    print(root.name)


def _object(root: Root, default: bool) -> dict[str, object]:
    number = root.fields.get("size", ""), root.fields.get("files", "")
    return {
        "name": root.name,
        "default": default,
        "path": root.path,
        "release": root.release,
        "osreldate": root.osreldate,
        "installed": root.fields.get("installed", ""),
        "source": root.fields.get("source", ""),
        "size": int(number[0]) if number[0].isdecimal() else None,
        "files": int(number[1]) if number[1].isdecimal() else None,
    }


def _list(arguments: argparse.Namespace) -> None:
    objects = [_object(root, place == 0) for place, root in enumerate(roots.installed())]
    if arguments.format == "json":
        print(json.dumps(objects, indent=1))
        return
    if not objects:
        print(f"There is no root in {roots.store()}: `{roots.INSTALL_HINT}` fetches one.", file=sys.stderr)
        return
    lines = [("", "name", "release", "size", "installed", "source")]
    for item in objects:
        size = f"{item['size'] / 1e6:.0f} MB" if isinstance(item["size"], int) else "?"
        lines.append(
            (
                "*" if item["default"] else "",
                str(item["name"]),
                str(item["release"]) or "?",
                size,
                str(item["installed"])[:10],
                str(item["source"]),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        fields = [field.ljust(width) for field, width in zip(line[:5], widths, strict=True)]
        print("  ".join([*fields, line[5]]).rstrip())


def _path(arguments: argparse.Namespace) -> None:
    print(roots.resolve(arguments.name))


def _hints(arguments: argparse.Namespace) -> None:
    from lsf.roots import hints

    root = roots.resolve(arguments.name)
    lacks = roots.missing(root)
    if lacks:
        raise RootError(f"{root} is not a FreeBSD root: {lacks}")
    print(":".join(hints.write(root)))


def _copy(arguments: argparse.Namespace) -> None:
    from lsf.roots import copy

    print(copy.copy(arguments.root, arguments.name, arguments.quiet).name)


def _remove(arguments: argparse.Namespace) -> None:
    from lsf.roots import manage

    manage.remove(arguments.names)


def _update(arguments: argparse.Namespace) -> None:
    from lsf.roots import manage, update

    options = manage.Options(quiet=arguments.quiet)
    login = arguments.auth_file or os.environ.get("REGISTRY_AUTH_FILE", "")
    root = update.update(arguments.root, options, login, arguments.force)
    options.say(f"{arguments.root}: " + ("there is nothing newer" if root is None else "the old one is removed"))


def _verify(arguments: argparse.Namespace) -> int:
    from lsf.roots import verify

    return verify.run(arguments)


def _export(arguments: argparse.Namespace) -> None:
    from lsf.roots import export

    export.run(arguments)


def _clean(arguments: argparse.Namespace) -> None:
    from lsf.roots import downloads

    print(f"{downloads.clean():,} bytes")


def run(arguments: argparse.Namespace) -> int:
    """Carry out a command of `lsfctl root`: its own status, or 125 with one sentence on standard error."""
    if arguments.system:
        os.environ.update(LSF_ROOTS=roots.SYSTEM_STORE, XDG_CACHE_HOME=roots.SYSTEM_CACHE)
        os.umask(0o022)
    try:
        return arguments.action(arguments) or 0
    except RootError as error:
        print(f"lsfctl: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lsfctl: interrupted; nothing was installed", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        hint = (
            "; LSF_ROOTS names another place for roots, XDG_CACHE_HOME for what is fetched"
            if error.errno in (errno.ENOSPC, errno.EROFS)
            else ""
        )
        print(f"lsfctl: {place}{error.strerror or error}{hint}", file=sys.stderr)
    return FAILED


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `root` to lsfctl's commands."""
    parser = commands.add_parser(
        "root",
        help="fetch, import, list and remove FreeBSD roots",
        description="Manages the FreeBSD roots that programs run in.",
    )
    parser.add_argument(
        "--system",
        action="store_true",
        help=f"keep them in {roots.SYSTEM_STORE}, where all users of the machine find them",
    )
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    making = argparse.ArgumentParser(add_help=False)
    making.add_argument("--name", help="what to call the root (default: by what it is made from)")
    making.add_argument("--max-size", metavar="SIZE", default="", help="refuse more than this unpacked (default: 16G)")
    making.add_argument("--force", action="store_true", help="take it even where it does not look like FreeBSD")
    making.add_argument("-q", "--quiet", action="store_true", help="print the root's name only")

    def command(name: str, action: Callable[[argparse.Namespace], int | None], text: str,
                parents: Sequence[argparse.ArgumentParser] = ()) -> argparse.ArgumentParser:  # fmt: skip
        sub: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", parents=list(parents)
        )
        sub.set_defaults(command=run, action=action)
        return sub

    install = command("install", _install, "fetch a release of FreeBSD, check it and make a root of it", [making])
    install.add_argument(
        "release",
        nargs="?",
        default="",
        metavar="RELEASE",
        help="14.1-RELEASE, 14.1, 14 for the newest 14.x, or newest; at a terminal it is asked for",
    )
    install.add_argument(
        "--mirror", metavar="URL", default="", help=f"the folder of releases (LSF_MIRROR; default: {DEFAULT_MIRROR})"
    )
    install.add_argument(
        "--sha256",
        metavar="HEX",
        default="",
        help="what base.txz must have, instead of what the mirror's MANIFEST says",
    )
    install.add_argument(
        "--pkgbase", action="store_true", help="from packages of the base system, which FreeBSD has from 15 on"
    )
    install.add_argument(
        "--packages",
        metavar="NAMES",
        default="",
        help="which, with commas in between (default: FreeBSD-set-base, as base.txz)",
    )
    install.add_argument(
        "--repository", metavar="URL", default="",
        help=f"another repository than FreeBSD's (LSF_PKG_MIRROR; default: {DEFAULT_PACKAGES}/FreeBSD:15:amd64/base_release_0)",
    )  # fmt: skip
    install.add_argument(
        "--keys",
        metavar="DIR",
        default="",
        help="whose signatures count, as in /usr/share/keys/pkg (default: FreeBSD's)",
    )
    install.add_argument(
        "--dry-run", action="store_true", help="print the release that would be fetched, and fetch nothing"
    )
    imported = command("import", _import, "make a root of a tar archive, a folder or a container image", [making])
    imported.add_argument(
        "source",
        metavar="FILE|DIR",
        help="a tar archive of any compression, a folder, an OCI image layout, or an archive of one",
    )
    imported.add_argument("--tag", default="", help="which image of a layout that has several")
    pull = command("pull", _pull, "fetch a container image from a registry and make a root of it", [making])
    pull.add_argument("image", metavar="IMAGE", help="HOST/REPOSITORY[:TAG][@DIGEST]; LSF_REGISTRY is the default HOST")
    pull.add_argument(
        "--auth-file",
        metavar="FILE",
        default="",
        help="logins, as `podman login --authfile` writes them (REGISTRY_AUTH_FILE)",
    )
    listing = command("list", _list, "list the roots; the first, with a star, is the default")
    listing.add_argument(
        "--format", choices=("table", "json"), default="table", help="for people, or for programs (default: table)"
    )
    path = command("path", _path, "print the folder of a root")
    path.add_argument("name", nargs="?", default="", metavar="NAME", help="default: the default root")
    ldconfig = command("hints", _hints, "make the dynamic linker's hints again, as ldconfig does")
    ldconfig.add_argument("name", nargs="?", default="", metavar="NAME|DIR", help="default: the default root")
    command(
        "clean", _clean, "remove what was fetched and is kept for the next installation, and print how much that was"
    )
    update = command("update", _update, "make a root again where its image or its packages are newer now")
    update.add_argument("root", metavar="NAME", help="a root of the store")
    update.add_argument(
        "--force", action="store_true", help="even if files of it were changed or added, which are lost then"
    )
    update.add_argument("--auth-file", metavar="FILE", default="", help="logins, as for pull (REGISTRY_AUTH_FILE)")
    update.add_argument("-q", "--quiet", action="store_true", help="say nothing")
    verify = command("verify", _verify, "compare a root with what it was when it was made")
    verify.add_argument("name", nargs="?", default="", metavar="NAME", help="a root (default: the default root)")
    verify.add_argument("--added", action="store_true", help="list what was added, too; it is no difference")
    verify.add_argument("-q", "--quiet", action="store_true", help="print the differences only")
    export = command("export", _export, "write a root to a tar archive or as a container image")
    export.add_argument("name", metavar="NAME", help="a root")
    export.add_argument("target", metavar="FILE|DIR", help="what to make; .gz, .xz and .zst are compressed")
    export.add_argument(
        "--format", choices=("tar", "oci", "oci-archive"), default="tar",
        help="a tar archive, an OCI image layout (a folder), or an archive of one (default: tar)",
    )  # fmt: skip
    export.add_argument(
        "--os", choices=("freebsd", "linux"), default="",
        help="the system that an image says it is for: some engines take linux alone (default: freebsd)",
    )  # fmt: skip
    export.add_argument("-q", "--quiet", action="store_true", help="say nothing")
    copying = command("copy", _copy, "make a root of one's own of another, to install packages into")
    copying.add_argument("root", metavar="NAME|DIR", help="what is copied; it stays as it is")
    copying.add_argument("name", metavar="NEWNAME", help="what to call the copy")
    copying.add_argument("-q", "--quiet", action="store_true", help="print the root's name only")
    remove = command("remove", _remove, "remove roots")
    remove.add_argument("names", nargs="+", metavar="NAME", help="a root of the store")

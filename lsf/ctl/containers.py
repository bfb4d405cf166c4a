"""`lsfctl run` and `lsfctl images`: what they take, and the list. What does the work is imported by each action."""

from __future__ import annotations

import argparse
import json

from lsf import roots


def run(arguments: argparse.Namespace) -> int:
    """`lsfctl run`."""
    from lsf.ctl import container

    return container.run(arguments)


def list_images(arguments: argparse.Namespace) -> int:
    """`lsfctl images`."""
    from lsf.roots import images

    found = []
    for root in roots.installed():
        size = root.fields.get("size", "")
        config = images.config(root)
        found.append({"name": images.name_of(root), "root": root.name, "release": root.release, "size": int(size) if size.isdecimal() else None,
                      "created": root.fields.get("installed", ""), "command": [*config.entrypoint, *config.command]})  # fmt: skip
    if arguments.format == "json":
        print(json.dumps(found, indent=1))
        return 0
    lines = [("IMAGE", "ROOT", "FREEBSD", "CREATED", "SIZE")]
    for item in found:
        size = f"{item['size'] / 1e6:.0f} MB" if isinstance(item["size"], int) else "?"
        lines.append(
            (str(item["name"]), str(item["root"]), str(item["release"]) or "?", str(item["created"])[:10], size)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        print("  ".join([*(text.ljust(width) for text, width in zip(line[:4], widths, strict=True)), line[4]]))
    return 0


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to lsfctl's parser."""
    parser = commands.add_parser(
        "run", help="run a container image's program, without an engine",
        description="Runs a FreeBSD image's program in docker's words, without a daemon and as any user. The image is fetched where it is not"
        " there. The program sees the image alone and what -v adds; networks and processes are this machine's. The exit status is the"
        " program's, or 125, 126 and 127 as for lsf.",
    )  # fmt: skip
    parser.add_argument(
        "--rm", action="store_true", help="keep nothing of what the program changes (without it: a copy of the root)"
    )
    parser.add_argument(
        "-v",
        "--volume",
        action="append",
        default=[],
        metavar="SRC:DST",
        help="show SRC of this machine as DST (repeatable)",
    )
    parser.add_argument(
        "-w", "--workdir", default="", metavar="DIR", help="the directory to start in (default: the image's)"
    )
    parser.add_argument(
        "-e",
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a variable, or take it over (repeatable)",
    )
    parser.add_argument(
        "-u",
        "--user",
        metavar="USER",
        help="who the program is to be, USER:GROUP too (default: the image's, else root)",
    )
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="run this, with the arguments (default: the image's)")
    parser.add_argument("--name", metavar="NAME", default="", help="what to call the root that is kept without --rm")
    parser.add_argument(
        "-i", "--interactive", action="store_true", help="for docker's sake: standard input is always there"
    )
    parser.add_argument("-t", "--tty", action="store_true", help="for docker's sake: the terminal is always there")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing of the image and the root")
    parser.add_argument("--auth-file", metavar="FILE", default="", help="logins for registries (REGISTRY_AUTH_FILE)")
    parser.add_argument("image", metavar="IMAGE", help="[HOST/]REPOSITORY[:TAG], a root's name or release, or a folder")
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="a program and its arguments (default: the image's)",
    )
    parser.set_defaults(command=run)
    listing = commands.add_parser(
        "images", help="list the images that `lsfctl run` has here",
        description="Lists the roots of the store as images: by the name that they were fetched by, or by their own.",
    )  # fmt: skip
    listing.add_argument(
        "--format", choices=("table", "json"), default="table", help="for people, or for programs (default: table)"
    )
    listing.set_defaults(command=list_images)

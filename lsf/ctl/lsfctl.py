"""The `lsfctl` command: what there is to know and to manage about LSF. Running programs is `lsf`'s part."""

from __future__ import annotations

import argparse
import csv
import errno
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from lsf.ctl import binfmt, containers, toolchain
from lsf.freebsd.tables import capsicum, options, table
from lsf.roots import command as root_command
from lsf.start import usage

SYSCALL_COLUMNS = ("number", "name", "release", "lane", "state", "prototype", "note")


def _syscall_fields(row: table.Syscall) -> dict[str, object]:
    lane = " ".join([row.lane, row.target] if row.target else [row.lane]) + (" restart" if row.restart else "")
    return {"number": row.number, "name": row.name, "release": row.release, "lane": lane, "state": row.state,
            "prototype": row.prototype, "note": row.note}  # fmt: skip


def _syscall_object(row: table.Syscall) -> dict[str, object]:
    """A row for programs: the lane taken apart, and each argument with its direction and size."""
    arguments = [
        {"name": a.name, "type": a.ctype, "direction": a.direction, "size": a.size, "size_in_bytes": a.size_in_bytes}
        for a in row.arguments
    ]
    return {"number": row.number, "name": row.name, "release": row.release, "introduced": row.introduced,
            "compat": row.compat, "lane": row.lane, "target": row.target, "restart": row.restart, "state": row.state,
            "result": row.result, "arguments": arguments, "variadic": row.variadic, "prototype": row.prototype,
            "capability_mode": capsicum.is_enabled(row.name), "note": row.note, "options": _options_object(row.name)}  # fmt: skip


def _options_object(call: str) -> dict[str, list[dict[str, str]]]:
    """The flags and commands of a call, by argument."""
    found: dict[str, list[dict[str, str]]] = {}
    for argument, family in options.of_call(call):
        found.setdefault(argument, []).extend(
            {"name": o.name, "state": o.state, "errno": o.errno, "note": o.note} for o in family.options
        )
    return found


def write_options(rows: Sequence[table.Syscall], out: TextIO) -> None:
    """Write how far LSF has the flags, commands and options of calls, an argument and a state at a time."""
    for row in rows:
        for argument, family in options.of_call(row.name):
            out.write(f"\n{row.name}, {argument}:\n")
            for state, names, note in options.grouped(family):
                text = f"{state}: {' '.join(names)}" + (f" ({note})" if note else "")
                out.write(textwrap.fill(text, 120, initial_indent="  ", subsequent_indent="      ",
                                        break_on_hyphens=False, break_long_words=False) + "\n")  # fmt: skip


def write_syscalls(rows: Sequence[table.Syscall], form: str, out: TextIO) -> None:
    """Write rows of the table of syscalls as `table` (for people), `json` or `csv`."""
    if form == "json":
        json.dump([_syscall_object(row) for row in rows], out, indent=1)
        out.write("\n")
    elif form == "csv":
        writer = csv.DictWriter(out, SYSCALL_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_syscall_fields(row) for row in rows)
    else:
        columns = ("number", "name", "release", "state", "lane")
        lines = [columns, *([str(_syscall_fields(row)[column]) for column in columns] for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        notes = ["note", *(row.note for row in rows)]
        for line, note in zip(lines, notes, strict=True):
            fields = "  ".join(field.ljust(width) for field, width in zip(line, widths, strict=True))
            out.write(f"{fields}  {note}".rstrip() + "\n")
        counts = Counter(row.state for row in rows)
        out.write(", ".join(f"{counts[state]} {state}" for state in table.STATES) + f" of {len(rows)}\n")


def _command_syscalls(arguments: argparse.Namespace) -> int:
    rows = table.load()
    if arguments.names:
        by_name, by_number = table.by_name(), table.by_number()
        chosen = []
        for name in arguments.names:
            row = by_number.get(int(name)) if name.isdecimal() and len(name) < 6 else by_name.get(name)
            if row is None:
                print(f"lsfctl: {name}: no such syscall", file=sys.stderr)
                return 1
            chosen.append(row)
        rows = tuple(chosen)
    if arguments.state:
        rows = tuple(row for row in rows if row.state in arguments.state)
    write_syscalls(rows, arguments.format, sys.stdout)
    if arguments.names and arguments.format == "table":
        write_options(rows, sys.stdout)
    return 0


def _command_demo(arguments: argparse.Namespace) -> int:
    from lsf.ctl import demo

    return demo.run()


def _command_doctor(arguments: argparse.Namespace) -> int:
    from lsf.ctl import doctor

    return doctor.run(arguments)


def _command_info(arguments: argparse.Namespace) -> int:
    from lsf import info

    return info.run(arguments)


def _command_completion(arguments: argparse.Namespace) -> int:
    from lsf.ctl import completion

    sys.stdout.write(completion.SHELLS[arguments.shell](completion.commands(_parser())))
    return 0


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(usage.version(), end="")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lsfctl", description="Tells about LSF, the Linux Subsystem for FreeBSD, and manages it.",
        epilog="`lsfctl COMMAND --help` tells more. Programs are run by `lsf` (`lsf --help`).",
    )  # fmt: skip
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of LSF")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    syscalls = commands.add_parser(
        "syscalls", help="list FreeBSD's syscalls and how far LSF has them",
        description="Lists FreeBSD's syscalls: number, name, releases, how far LSF has them, and what it does. Of those named it tells which "
                    "flags, commands and options it has, too.",
    )  # fmt: skip
    syscalls.add_argument("names", nargs="*", metavar="NAME", help="only these, by name or number")
    syscalls.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="for people, or for programs (default: table)",
    )
    syscalls.add_argument(
        "--state", action="append", choices=table.STATES, help="only those in this state (repeatable)"
    )
    syscalls.set_defaults(command=_command_syscalls)
    demo = commands.add_parser(
        "demo", help="run a FreeBSD program that LSF brings, and say whether this machine is fit"
    )
    demo.set_defaults(command=_command_demo)
    root_command.add_parser(commands)
    containers.add_parsers(commands)
    doctor = commands.add_parser(
        "doctor", help="tell what this machine allows, what follows for LSF, and the remedies",
        description="Tries everything that LSF needs. The exit status is 0 where FreeBSD programs run here, 1 where not.",
    )  # fmt: skip
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_command_doctor)
    binfmt.add_parser(commands)
    toolchain.add_parser(commands)
    info = commands.add_parser(
        "info", help="tell what a FreeBSD program is and needs, and why it does not start",
        description="Tells whose program it is, for which release, where its libraries are, and which syscalls it names."
        " The exit status is 0 where it should start, 1 where not.",
    )  # fmt: skip
    info.add_argument("program", metavar="PROGRAM", help="a path, or a name in FreeBSD's usual PATH")
    info.add_argument(
        "--root", metavar="NAME|DIR", help="the root it runs in (LSF_ROOT; default: the default root; '': none)"
    )
    info.add_argument("--isolated", action="store_true", help="look at nothing but the root")
    info.add_argument("--library-path", metavar="DIRS", default="", help="the program's LD_LIBRARY_PATH")
    info.add_argument("--json", action="store_true", help="for programs")
    info.set_defaults(command=_command_info)
    completion = commands.add_parser(
        "completion", help="print what completes lsf and lsfctl in a shell",
        description="Prints a script that completes lsf and lsfctl in a shell. In bash, put"
        " `eval \"$(lsfctl completion bash)\"` into ~/.bashrc; the script for another shell says where it belongs.",
    )  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    completion.set_defaults(command=_command_completion)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The `lsfctl` command. Returns the exit status: 0, 1 for a failure, 2 for a wrong command line."""
    if sys.stdout is None or sys.stderr is None:
        usage.open_missing()
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader has seen enough (head, less).
        usage.give_up_output()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT) or error.filename is not None:
            raise
        usage.give_up_output()
        print(f"lsfctl: standard output: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

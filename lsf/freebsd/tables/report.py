"""Makes docs/user/syscalls.md of the table of syscalls.

python -m lsf.freebsd.tables.report > docs/user/syscalls.md
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

from . import capsicum, options, releases, table

#: The guest programs of the tests, in a checkout.
GUESTS = Path(__file__).resolve().parents[3] / "tests" / "guests"

_HEAD = """\
# FreeBSD's syscalls in LSF

<!-- Made by `python -m lsf.freebsd.tables.report` from lsf/freebsd/tables/syscalls.master: edit that, and make this page again. -->

One row for each number of FreeBSD 14 and 15; a number without a row answers ENOSYS. `lsfctl syscalls` prints the same
table with its arguments, also as JSON and CSV, and counts it.

- **since**: the first release with the call in this form; after a dash, the first that has it no longer or only for old
  programs (`compat11` is COMPAT_FREEBSD11, `compat` 4.3BSD); `?`: not established.
- **state**: `full`; `partial`, and what is missing; `refused`, and why; `todo`: not written yet, answers ENOSYS.
- **how**: the call of Linux that does the same with the same arguments, or the function of the shim that does the work,
  or the error that is always returned.
- **capability mode**: calls that a process in it may make (cap_enter(2)); by their arguments some of them less.
- **tested by**: the programs of `tests/guests` that make the call themselves; a number stands for more of them. What has none is used by the
  roots' libraries and programs, by Go's and Rust's, or not at all.

| number | name | since | state | how | | capability mode | tested by |
|-------:|------|-------|-------|-----|-|-----------------|-----------|
"""


def _how(row: table.Syscall) -> str:
    return row.target if row.lane == "refuse" else f"`{row.target}{'()' if row.lane == 'translate' else ''}`"


def _capability_mode(row: table.Syscall) -> str:
    if not capsicum.is_enabled(row.name):
        return ""
    return "since 15" if row.name in capsicum.ENABLED_LATER else "yes"


def tested_by(folder: Path = GUESTS) -> dict[str, list[str]]:
    """The guests in a folder that make each call by its name, in order; or a header that lies beside them and that they include."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        beside = (path.with_name(name) for name in re.findall(r'^#include "(\w+\.h)"', text, re.MULTILINE))
        text += "".join(header.read_text(encoding="utf-8") for header in beside if header.is_file())
        for name in re.findall(r"\bSYS_(\w+)", text):
            found[name].add(path.stem)
    return {name: sorted(guests) for name, guests in found.items()}


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f", {len(names) - most} more" if len(names) > most else "")


def markdown(folder: Path = GUESTS) -> str:
    """The text of docs/user/syscalls.md. folder: the guests of the tests."""
    lines = []
    guests = tested_by(folder)
    for row in table.load():
        note = row.note.replace("|", "\\|")
        lines.append(
            f"| {row.number} | {row.name} | {row.release} | {row.state} | {_how(row)} | {note} | {_capability_mode(row)} | {_some(guests.get(row.name, []))} |\n"
        )
    return _HEAD + "".join(lines)


_RELEASES = """\
# What a release has

<!-- Made by `python -m lsf.freebsd.tables.report releases` from lsf/freebsd/tables/releases.py: edit that, and make this page again. -->

A program finds the release that `--osrelease` names, or its root has, or else 14.3, or what it was built for if that is later: not only by `uname`, but in what the system does. What
differs between FreeBSD 13.5, 14 and 15, and LSF knows:

| since | what | FreeBSD's source |
|-------|------|------------------|
"""

_RELEASE_CALLS = """
Calls that came after 13.5. Before their release they are unknown numbers: ENOSYS, and SIGSYS (kern.signosys).

| since | calls |
|-------|-------|
"""


def releases_page() -> str:
    """The text of docs/user/releases.md."""
    rows = sorted(releases.DIFFERENCES, key=lambda row: row.since)
    lines = [f"| {releases.shown(row.since)} | {row.what} | sys/{row.source} |\n" for row in rows]
    calls: dict[int, list[str]] = defaultdict(list)
    for name, since in releases.CALLS.items():
        calls[since].append(name)
    lines_of_calls = [f"| {releases.shown(since)} | {', '.join(names)} |\n" for since, names in sorted(calls.items())]
    return _RELEASES + "".join(lines) + _RELEASE_CALLS + "".join(lines_of_calls)


_OPTIONS = """\
# Flags, commands and options

<!-- Made by `python -m lsf.freebsd.tables.report options` from lsf/freebsd/tables/options.master: edit that, and make this page again. -->

Which of the names that FreeBSD's headers have for an argument LSF has. `lsfctl syscalls NAME` tells it of one call. The requests of ioctl(2) and the
names of sysctl(3) have tables of their own, `lsf/freebsd/tables/ioctls.py` and `sysctls.py`: what those do not list is ENOTTY, and ENOENT.

- **done**: as FreeBSD has it; a note says how Linux was brought to it.
- **partial**: the note says what is missing.
- **ignored**: accepted, without the effect that the note names.
- **refused**: FreeBSD's errno for an option that is not there.
- **none**: no flag of a program's: of the kernel alone, a mask, a limit, another name.
"""


def options_page() -> str:
    """The text of docs/user/options.md."""
    lines = [_OPTIONS]
    for family in options.load():
        arguments: dict[str, list[str]] = defaultdict(list)
        for call, argument in family.arguments:
            arguments[argument].append(call)
        title = "; ".join(f"{', '.join(calls)}: {argument}" for argument, calls in arguments.items())
        lines.append(f"\n## {title}\n`<{'>`, `<'.join(dict.fromkeys(header for header, _ in family.headers))}>`\n\n")
        lines.append("| state | names | |\n|-------|-------|-|\n")
        lines += [f"| {state} | {' '.join(names)} | {note} |\n" for state, names, note in options.grouped(family)]
    return "".join(lines)


#: What is printed, by the argument.
PAGES = {"": markdown, "releases": releases_page, "options": options_page}

if __name__ == "__main__":
    print(PAGES["".join(sys.argv[1:])](), end="")

"""Makes docs/user/syscalls.md of the table of syscalls.

python -m lsf.freebsd.tables.report > docs/user/syscalls.md
"""

from __future__ import annotations

from . import table

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

| number | name | since | state | how | |
|-------:|------|-------|-------|-----|-|
"""


def _how(row: table.Syscall) -> str:
    return row.target if row.lane == "refuse" else f"`{row.target}{'()' if row.lane == 'translate' else ''}`"


def markdown() -> str:
    """The text of docs/user/syscalls.md."""
    lines = []
    for row in table.load():
        note = row.note.replace("|", "\\|")
        lines.append(f"| {row.number} | {row.name} | {row.release} | {row.state} | {_how(row)} | {note} |\n")
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    print(markdown(), end="")

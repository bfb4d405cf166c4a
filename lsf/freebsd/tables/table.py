"""Reads `syscalls.master`, the one table of FreeBSD's syscalls.

Everything that says which syscalls there are, what their arguments mean and how far LSF has them comes from here:
the shim's dispatch tables, the decoder of traces, `lsfctl syscalls` and docs/user/syscalls.md.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from . import errno

PATH = Path(__file__).with_name("syscalls.master")

#: Size of the dispatch tables. FreeBSD 15.0 has 599 numbers (SYS_MAXSYSCALL).
NSYSCALLS = 602

STATES = ("full", "partial", "refused", "todo")

#: What an argument is called that is a descriptor. (`to` of dup2 is a number that need not be open, and close_range and
#: closefrom take ranges.)
DESCRIPTORS = {
    "fd",
    "s",
    "fdes",
    "filedes",
    "fd1",
    "fd2",
    "oldfd",
    "newfd",
    "dfd",
    "infd",
    "outfd",
    "mqd",
    "sd",
    "tofd",
}
_MORE_DESCRIPTORS = {("dup2", "from")}


class TableError(ValueError):
    """A row that says something impossible. The text starts with file:line."""


@dataclass(frozen=True)
class Argument:
    """One argument of a syscall.

    `direction` is '' for a value or an address that is not followed, else 'in', 'out', 'inout' or 'str' (a string that
    is read). `size` is the number of elements as the table spells it: the name of an argument, `*name`, a constant, or
    '' for one object; `size_in_bytes` says that it counts bytes although the pointer is to something larger.
    """

    ctype: str
    name: str
    direction: str = ""
    size: str = ""
    size_in_bytes: bool = False

    @property
    def is_pointer(self) -> bool:
        return self.ctype.endswith("*") or self.ctype == "caddr_t"

    def __str__(self) -> str:
        mark = {"": "", "str": "in str"}.get(self.direction, self.direction)
        if self.size:
            mark += f"[{self.size}{' bytes' if self.size_in_bytes else ''}]"
        space = "" if self.ctype.endswith("*") else " "
        return f"{mark} {self.ctype}{space}{self.name}".lstrip()


@dataclass(frozen=True)
class Syscall:
    """One row of the table."""

    number: int
    name: str
    release: str
    lane: str  # 'pass', 'translate' or 'refuse'
    target: str  # the Linux call, the shim's function, or the name of the errno
    restart: bool
    state: str
    result: str  # C type; '' where there is no prototype
    arguments: tuple[Argument, ...]
    variadic: bool
    note: str
    line: int

    @property
    def has_prototype(self) -> bool:
        return bool(self.result)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The indices of the arguments that are descriptors; a semaphore of ksem(4) is one."""
        return tuple(
            index
            for index, argument in enumerate(self.arguments)
            if argument.ctype == "semid_t"
            or (argument.ctype in ("int", "u_int") and argument.name in DESCRIPTORS)
            or (self.name, argument.name) in _MORE_DESCRIPTORS
        )

    @property
    def outputs(self) -> tuple[int, ...]:
        """The indices of the arguments that say where the call writes."""
        return tuple(index for index, argument in enumerate(self.arguments) if argument.direction in ("out", "inout"))

    @property
    def introduced(self) -> str:
        """The first release with this ABI of the call; '?' where that is not established."""
        return re.split(r"[- ]", self.release)[0]

    @property
    def compat(self) -> str:
        """'' for a live call, else 'compat', 'compat4' ... 'compat14', or 'obsolete'."""
        return self.release.partition(" ")[2]

    @property
    def prototype(self) -> str:
        if not self.result:
            return "-"
        arguments = [str(argument) for argument in self.arguments] + ["..."] * self.variadic
        space = "" if self.result.endswith("*") else " "
        return f"{self.result}{space}{self.name}({', '.join(arguments) or 'void'})"


_RELEASE = re.compile(r"(\?|\d+(\.\d+)?)(-\d+(\.\d+)?)?( (compat\d*|obsolete))?")
_PROTOTYPE = re.compile(r"(?P<result>[a-z_0-9 ]+?(?: \*| ))(?P<name>\w+)\((?P<arguments>.*)\)")
_ARGUMENT = re.compile(
    r"(?:(?P<mark>in str|inout|in|out)(?:\[(?P<size>\*?\w+)(?P<bytes> bytes)?\])? )?"
    r"(?P<ctype>[A-Za-z_0-9 ]+?(?:(?: \*(?: const \*)?| const \*|\*)\**| ))(?P<name>\w+)"
)


def is_nosys(row: Syscall | None) -> bool:
    """True for a number that GENERIC's kernel does not have (any more): its answer is nosys(), ENOSYS and SIGSYS."""
    if row is None:
        return True
    ended = "-" in row.release and not row.compat
    gone = ended or row.compat in ("obsolete", "compat")
    return gone and row.lane == "refuse" and row.target == "ENOSYS"


def _argument(text: str) -> Argument:
    match = _ARGUMENT.fullmatch(text)
    if not match:
        raise ValueError(f"cannot read the argument {text!r}")
    mark = match["mark"] or ""
    argument = Argument(
        ctype=match["ctype"].strip(),
        name=match["name"],
        direction="str" if mark == "in str" else mark,
        size=match["size"] or "",
        size_in_bytes=bool(match["bytes"]),
    )
    if argument.direction and not argument.is_pointer:
        raise ValueError(f"{argument.name} has a direction and is no pointer")
    if argument.direction == "str" and argument.size:
        raise ValueError(f"{argument.name}: a string has no size")
    if (
        argument.direction in ("out", "inout")
        and argument.ctype.startswith("const ")
        and argument.ctype.count("*") == 1
    ):
        raise ValueError(f"{argument.name} is written and const")
    return argument


def _parse_prototype(text: str, name: str) -> tuple[str, tuple[Argument, ...], bool]:
    if text == "-":
        return "", (), False
    match = _PROTOTYPE.fullmatch(text)
    if not match:
        raise ValueError(f"cannot read the prototype {text!r}")
    if match["name"] != name:
        raise ValueError(f"the prototype is of {match['name']}, the row of {name}")
    parts = [] if match["arguments"] == "void" else match["arguments"].split(", ")
    variadic = bool(parts) and parts[-1] == "..."
    arguments = tuple(_argument(part) for part in parts[: len(parts) - variadic])
    names = [argument.name for argument in arguments]
    if len(set(names)) != len(names):
        raise ValueError("two arguments have one name")
    for argument in arguments:
        size = argument.size.lstrip("*")
        if size and not size.isdigit() and size not in names:
            raise ValueError(f"{argument.name} is sized by {size}, which is no argument")
    return match["result"].strip(), arguments, variadic


def _parse_lane(text: str, name: str) -> tuple[str, str, bool]:
    words = text.split(" ")
    restart = words[-1] == "restart"
    words = words[: len(words) - restart]
    if words[0] == "pass" and len(words) == 2:
        return "pass", words[1], restart
    if words[0] == "translate" and len(words) in (1, 2):
        function = words[1] if len(words) == 2 else f"sys_{name}"
        if not re.fullmatch(r"sys_\w+", function):
            raise ValueError(f"{function} is no name of a shim function (sys_...)")
        return "translate", function, restart
    if words[0] == "refuse" and len(words) == 2:
        if words[1] not in errno.NUMBER:
            raise ValueError(f"FreeBSD has no errno {words[1]}")
        return "refuse", words[1], restart
    raise ValueError(f"cannot read the lane {text!r}")


def _parse_row(fields: list[str], line: int) -> Syscall:
    if not 6 <= len(fields) <= 7:
        raise ValueError(f"{len(fields)} columns, not 6 or 7")
    number, name, release, lane_text, state, prototype = fields[:6]
    note = fields[6] if len(fields) == 7 else ""
    if not number.isdigit() or int(number) >= NSYSCALLS:
        raise ValueError(f"{number!r} is no syscall number below {NSYSCALLS}")
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"{name!r} is no name")
    if not _RELEASE.fullmatch(release):
        raise ValueError(f"cannot read the release {release!r}")
    lane, target, restart = _parse_lane(lane_text, name)
    result, arguments, variadic = _parse_prototype(prototype, name)
    if state not in STATES:
        raise ValueError(f"{state!r} is no state: {', '.join(STATES)}")
    if state == "todo" and (lane, target) != ("refuse", "ENOSYS"):
        raise ValueError("a row that is todo must be `refuse ENOSYS`")
    if (lane == "refuse") != (state in ("refused", "todo")):
        raise ValueError(f"the lane is {lane}, yet the state is {state}")
    if state in ("partial", "refused") and not note:
        raise ValueError(f"{state} needs a note that says what or why")
    if not result and lane != "refuse":
        raise ValueError("a call without a prototype cannot be served")
    return Syscall(
        number=int(number), name=name, release=release, lane=lane, target=target, restart=restart, state=state,
        result=result, arguments=arguments, variadic=variadic, note=note, line=line,
    )  # fmt: skip


def parse(text: str, filename: str = "syscalls.master") -> tuple[Syscall, ...]:
    """Parse the text of a table. Raises TableError with file:line for the first row that is wrong."""
    rows: list[Syscall] = []
    names: set[str] = set()
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip() or content.startswith("#"):
            continue
        try:
            row = _parse_row([field.strip() for field in content.split(" | ")], line)
            if rows and row.number <= rows[-1].number:
                raise ValueError(f"{row.number} comes after {rows[-1].number}")
            # An obsolete name may live on under another number (139 was 4.2BSD's sigreturn).
            if row.name in names and row.compat != "obsolete":
                raise ValueError(f"the name {row.name} is taken")
        except ValueError as error:
            raise TableError(f"{filename}:{line}: {error}") from None
        if row.compat != "obsolete":
            names.add(row.name)
        rows.append(row)
    return tuple(rows)


@functools.cache
def load() -> tuple[Syscall, ...]:
    """All rows of syscalls.master, in the order of their numbers."""
    return parse(PATH.read_text(encoding="utf-8"), str(PATH))


@functools.cache
def by_number() -> dict[int, Syscall]:
    return {row.number: row for row in load()}


@functools.cache
def by_name() -> dict[str, Syscall]:
    """Rows by name; obsolete ones are left out, for some of their names live on under other numbers."""
    return {row.name: row for row in load() if row.compat != "obsolete"}

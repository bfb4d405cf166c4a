"""The floors of the shim: who may use whom, and a check that finds a use that climbs.

    python -m lsf._build.layers            # the check
    python -m lsf._build.layers --map      # the house: each folder, and what it uses (Markdown)

The image is one unit of C, in which everything could use everything. So each folder of `lsf/machine` and `lsf/freebsd` has a place in
FLOORS, and a file uses what its own folder and those before it define. What must be called from below by name (a signal is
delivered by whoever owns it, say) stands in UP_CALLS with its reason; an entry that nobody needs any more is an error too.

Needs the standard library only: it reads the text. A name is defined by a line that begins with `cdef`, by a member of an enum, or by a
declaration in an `extern` block, and used wherever it stands outside a comment, a string, and the local names of a function.
"""
from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent

#: From the ground up. What a build generates from the tables of FreeBSD is FreeBSD's.
FLOORS = (
    "machine/linux",
    "machine/ground",
    "machine/amd64",
    "machine/engine",
    "machine/view",
    "machine/watch",
    "generated",
    "freebsd/state",
    "freebsd/abi",
    "freebsd/kernel/time",
    "freebsd/kernel/memory",
    "freebsd/kernel/sync",
    "freebsd/kernel/cred",
    "freebsd/kernel/sysctl",
    "freebsd/amd64",
    "freebsd/kernel/signal",
    "freebsd/kernel/tty",
    "freebsd/kernel/net",
    "freebsd/kernel/truss",
    "freebsd/kernel/file",
    "freebsd/kernel/ipc",
    "freebsd/kernel/process",
    "freebsd/kernel/image",
    "freebsd/kernel/event",
    "freebsd/kernel",  # python.pxi, which the extension alone has
    "oci",  # lsf-oci: a program of its own, of the machine's files and two of kernel/image's
)


class Reason(NamedTuple):
    """Which folders call a function of a floor above, and why it cannot be theirs."""

    folders: str
    text: str


#: Names that lower floors use.
UP_CALLS: dict[str, Reason] = {
    # the machine calls whose program it is
    "sys_nosys": Reason("machine/engine", "a number that no table has: the personality says what that means"),
    "called_number": Reason("machine/watch", "and which calls are indirect"),
    "vsyscall": Reason("machine/engine", "what a jump to Linux's vsyscall page is, the personality says"),
    "own_transfer": Reason("machine/engine", "a descriptor whose data the personality translates is read and written by it"),
    "passed_error": Reason("machine/engine", "an errno of the pass lane that the personality may say otherwise"),
    "signal_interrupts": Reason("machine/engine", "whether the handler that waits restarts calls, the personality decides"),
    "lookup_follows": Reason("machine/view", "which of its flags follow a link, the personality knows"),
    "kill_self": Reason("machine/engine machine/watch", "the personality's threads leave things behind when they end"),
    "ids_spread": Reason("machine/amd64", "makes all other threads come out of a trampoline, as it makes them take over ids"),
    # what a personality keeps beside the machine
    "process_own_t": Reason("machine/ground", "the machine's struct process has room for the personality's share"),
    "process_last_t": Reason("machine/ground", "as process_own_t"),
    "area_own_t": Reason("machine/ground", "and struct area"),
    # a call on its way
    "stats_site": Reason("machine/amd64", "a site that could not be patched is counted where somebody counts"),
    # what a terminal says of its foreground, who runs there
    "is_learned_master": Reason("freebsd/kernel/tty", "a transfer on a master is looked at for the status character"),
    "master_learn": Reason("freebsd/kernel/tty", "who makes a master, or treats a descriptor as one, has its writes looked at"),
    "tty_info": Reason("freebsd/kernel/tty", "the line is about processes"),
    "truss_signal": Reason("freebsd/kernel/signal", "a signal is shown at the moment of its delivery"),
    "ktr_signal": Reason("freebsd/kernel/signal", "and recorded"),
    "ktr_return": Reason("freebsd/kernel/signal", "sigsuspend returns behind the signal that it delivers"),
    "capmode_allows": Reason("freebsd/kernel/truss", "what capability mode would refuse is recorded outside of it, too"),
    "send_address": Reason("freebsd/kernel/truss", "with the address that leads outside"),
    "record_answer": Reason("freebsd/kernel/signal", "another guest's ktrace(2) arrives as a signal"),
    # what a name in /proc leads to
    "read_link_of_program": Reason("freebsd/kernel/file", "which program a process runs, and where that lies, the folder of processes knows"),
    # descriptors that are the shim's own
    "event_hides": Reason("machine/ground", "kqueues and aio(4) have hidden descriptors of their own"),
    "event_next_hidden": Reason("machine/ground", "as event_hides"),
    "event_move_hidden": Reason("machine/ground", "as event_hides"),
    # a kqueue watches what is others'
    "event_watches": Reason("freebsd/kernel/file", "a file's owner tells who watches it"),
    "event_truncates": Reason("freebsd/kernel/file", "and what Linux does not tell: that a file was truncated, not written to"),
    "event_truncated": Reason("freebsd/kernel/file", "as event_truncates"),
    "event_descriptor_closing": Reason("freebsd/kernel/file freebsd/kernel/ipc", "close(2) takes a descriptor's knotes along"),
    "event_descriptor_duplicated": Reason("freebsd/kernel/file", "dup2(2) onto one does, too"),
    "is_not_written": Reason("freebsd/kernel/net", "what a descriptor is whose write failed"),
    "inotify_learn": Reason("freebsd/kernel/net", "a descriptor that a message brought may be one whose reads are converted"),
    "event_shut": Reason("freebsd/kernel/net", "shutdown(2) ends what EVFILT_WRITE waits for"),
    "event_range_closing": Reason("freebsd/kernel/file", "and closefrom(2)"),
    "event_wants_signal": Reason(
        "freebsd/kernel/signal freebsd/kernel/image freebsd/kernel/process",
        "EVFILT_SIGNAL counts signals that are ignored, too: their disposition depends on it",
    ),
    "event_signal": Reason("freebsd/kernel/signal", "and is told of each"),
    "event_sends": Reason("freebsd/kernel/signal", "those that the process sends itself are counted at that time"),
    "event_sent": Reason("freebsd/kernel/signal", "as event_sends"),
    "signal_swallow": Reason("freebsd/kernel/signal", "a signal that only a kqueue waits for ends no sigwait(2)"),
    "event_exits": Reason("freebsd/kernel/process", "what it has made outside of the process goes with it"),
    "event_hide": Reason("freebsd/kernel/file freebsd/kernel/process", "what has hidden descriptors keeps them all in one table"),
    "event_unhide": Reason("freebsd/kernel/file freebsd/kernel/process", "as event_hide"),
    "event_way_back": Reason("freebsd/kernel/file", "a pipe is found to go the other way, too: who watches it must be told"),
    "capsicum_arm": Reason("freebsd/kernel/net", "who is passed a limited descriptor has its calls checked from then on"),
    "pipe_failed": Reason("freebsd/kernel/net", "the errors of a transfer are judged in one place, and a pipe's is a file's matter"),
    "event_after_fork": Reason("freebsd/kernel/process", "a child has no kqueues"),
    "aio_after_fork": Reason("freebsd/kernel/process", "and no requests"),
    "descriptor_is_kqueue": Reason("freebsd/kernel/net freebsd/kernel/file", "fstat(2) and SCM_RIGHTS ask what a descriptor is"),
    "watched_stream": Reason("freebsd/kernel/file", "a watched socket is known: sendfile(2) need not ask Linux of what kind it is"),
    # signals that tell of something
    "core_dump": Reason("freebsd/kernel/signal", "a core file tells what sysctl(3) tells of processes"),
    "core_is_refused": Reason("freebsd/kernel/signal", "and what else keeps a process from leaving one"),
    "mqueue_send_on": Reason("freebsd/kernel/signal", "the notification of a message queue comes as a signal of the shim's own"),
    "mqueue_siginfo": Reason("freebsd/amd64", "as mqueue_send_on"),
    "send_error": Reason("freebsd/kernel/signal", "SIGPIPE depends on the error that FreeBSD would give"),
    "procdesc_swallow": Reason("freebsd/kernel/signal", "a child that has a process descriptor raises no SIGCHLD"),
    "procdesc_pass_over": Reason("freebsd/kernel/signal", "and no wait for any child finds it"),
}

#: Generated files that the extensions for Python have, and the image has not.
OF_PYTHON = frozenset({"converters.pxi", "layout.pxi"})

#: What _shim.pxd declares beside the ground's runtime.pxi are the tables that a build generates.
DECLARATIONS = {"_shim.pxd": "generated"}

_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*', re.S)
_FUNCTION = re.compile(r"^cdef (?:public )?(?:inline )?(?:[\w ]+[ *])?(\w+)\((.*)$")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


def without_text(source: str) -> str:
    """The source with blanks in the place of its strings and comments, line by line and column by column."""
    return _STRING.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)


@dataclass
class Source:
    """A file: the names that it defines, with their lines, and the names that it uses."""

    path: str
    floor: str
    defines: dict[str, int] = field(default_factory=dict)
    uses: list[tuple[str, int]] = field(default_factory=list)


def _declared(line: str) -> list[str]:
    """The names that one line of an `extern` block or an enum declares."""
    code = re.sub(r"\[[^\]]*\]", "", line.strip())
    code = re.sub(r"\) (?:noexcept )?nogil\b", ")", code)
    if code.startswith(("pass", "enum", "cdef extern")) or code.endswith("nogil:"):
        return []
    if match := re.match(r"(?:ctypedef |cdef )?(?:struct|union|enum) (\w+)", code):
        return [match.group(1)]
    if match := re.search(r"\(\*(\w+)\)\(", code) or re.search(r"(\w+) *\(", code):
        return [match.group(1)]
    names = code.split("=")[0].split(",")
    return [found[-1] for name in names if (found := re.findall(r"\w+", name))]


def _arguments(text: str) -> set[str]:
    return {found[-1] for part in text.split(",") if (found := re.findall(r"\w+", part.split("=")[0].split(")")[0]))}


def parse(text: str, path: str, floor: str) -> Source:
    """What one file defines and uses."""
    source = Source(path, floor)
    local: set[str] = set()
    block, inside, signature = "", 0, False
    for number, line in enumerate(without_text(text).splitlines(), 1):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if indent == 0:
            block, local, signature = "", set(), False
            if match := _FUNCTION.match(line):
                source.defines[match.group(1)] = number
                block, local, signature = "function", _arguments(match.group(2)), ")" not in match.group(2)
            elif match := re.match(r"(?:cdef|ctypedef) (?:packed )?(struct|union|enum|extern)\b ?(\w*)", line):
                block = match.group(1)
                if block != "extern" and match.group(2):
                    source.defines[match.group(2)] = number
                inside = 4
            elif match := re.match(r"ctypedef .*\(\*(\w+)\)", line):
                source.defines[match.group(1)] = number
        elif block == "enum" or (block == "extern" and (indent == inside or re.match(r"\w+$|\w+ +\"", line.strip()))):
            source.defines.update(dict.fromkeys(_declared(line), number))
        elif block == "function":
            if signature:
                local |= _arguments(line)
                signature = ")" not in line
            elif match := re.match(r"\s+cdef (.*)$", line):
                local |= {found[-1] for part in re.sub(r"\[[^\]]*\]", "", match.group(1)).split(",")
                          if (found := re.findall(r"\w+", part.split("=")[0]))}
        members = set(_declared(line)) if block in ("struct", "union", "extern") else set()
        source.uses += [(name, number) for name in _NAME.findall(line) if name not in local and name not in members]
    return source


def sources(package: Path = PACKAGE) -> Iterator[Source]:
    """Every file of the unit."""
    for name, floor in DECLARATIONS.items():
        yield parse((package / name).read_text(), name, floor)
    for path in sorted(package.rglob("*.pxi")):
        relative = path.relative_to(package)
        folder = str(relative.parent)
        if folder in FLOORS and path.name not in OF_PYTHON:
            yield parse(path.read_text(), str(relative), folder)


@dataclass(frozen=True)
class Use:
    """A name of one file that another one defines."""

    name: str
    user: str
    line: int
    owner: str
    defined: int

    def __str__(self) -> str:
        return (f"lsf/{self.user}:{self.line} uses {self.name}, which lsf/{self.owner}:{self.defined} defines, a floor above "
                "(lsf/_build/layers.py)")


def uses(package: Path = PACKAGE) -> tuple[list[Use], dict[str, Source]]:
    """Every use of a name of another file, and the files."""
    files = {source.path: source for source in sources(package)}
    owners = {name: source for source in files.values() for name in source.defines}
    found = []
    for source in files.values():
        for name, line in source.uses:
            owner = owners.get(name)
            if owner is not None and owner.path != source.path and name not in source.defines:
                found.append(Use(name, source.path, line, owner.path, owner.defines[name]))
    return found, files


def climbing(found: list[Use], files: dict[str, Source]) -> list[Use]:
    """Of these, those whose owner is on a floor above the user's."""
    height = {folder: number for number, folder in enumerate(FLOORS)}
    return [use for use in found if height[files[use.owner].floor] > height[files[use.user].floor]]


def check(package: Path = PACKAGE) -> list[str]:
    """Every use that climbs and has no reason, and every reason that nothing needs; empty where all is well."""
    found, files = uses(package)
    climbs = climbing(found, files)
    allowed = {(name, folder) for name, reason in UP_CALLS.items() for folder in reason.folders.split()}
    made = {(use.name, files[use.user].floor) for use in climbs}
    problems = [str(use) for use in climbs if (use.name, files[use.user].floor) not in allowed]
    return problems + [
        f"lsf/_build/layers.py: nothing in {folder} uses {name}; take it out of UP_CALLS" for name, folder in sorted(allowed - made)
    ]


def house(package: Path = PACKAGE) -> str:
    """A map of the house in Markdown: each folder, its files, and the folders that it uses."""
    found, files = uses(package)
    below: dict[str, set[str]] = defaultdict(set)
    above: dict[str, set[str]] = defaultdict(set)
    climbs = set(climbing(found, files))
    for use in found:
        user, owner = files[use.user].floor, files[use.owner].floor
        if user != owner:
            (above if use in climbs else below)[user].add(f"`{use.name}`" if use in climbs else owner)
    lines = ["# The house", "", "<!-- Made by `python -m lsf._build.layers --map`: make this page again when files move, or use other folders. -->", "",
             "The folders of the shim from the ground up (lsf/_build/layers.py), what each uses, and what it calls on a floor above, by name.", "",
             "| folder | files | uses | calls above |", "|---|---|---|---|"]
    for folder in FLOORS:
        names = ", ".join(Path(path).stem for path, source in files.items() if source.floor == folder)
        lines.append(f"| `{folder}` | {names} | {', '.join(f for f in FLOORS if f in below[folder])} | {', '.join(sorted(above[folder]))} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--map"]:
        print(house(), end="")
        return 0
    problems = check()
    print("\n".join(problems) if problems else "every use goes down, or has its reason")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

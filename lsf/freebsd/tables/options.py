"""The table of flags, commands and options: options.master, read.

It says of every name that FreeBSD's headers have for an argument of a call how far LSF has it. `lsfctl syscalls NAME` prints it;
`python -m lsf.freebsd.tables.report options` makes docs/user/options.md of it; tests/unit/test_options.py asks the headers of
FreeBSD 13, 14 and 15 whether a name is missing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("options.master")

#: In the order in which they are shown.
STATES = ("done", "partial", "ignored", "refused", "none")


@dataclass(frozen=True)
class Option:
    """name: the header's. state: one of STATES. errno: FreeBSD's name of the error that one refused gives. note: for users."""

    name: str
    state: str
    errno: str
    note: str


@dataclass(frozen=True)
class Family:
    """The options of one argument. arguments: (call, argument) of each call that takes them. headers: (header, pattern) of names."""

    arguments: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]

    def calls(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(call for call, _ in self.arguments))


class OptionsError(ValueError):
    """A line of options.master that says nothing; the message names it."""


def parse(text: str) -> tuple[Family, ...]:
    """Read the table's text. Raises OptionsError."""
    families: list[Family] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        try:
            if words.startswith("="):
                families.append(_family(words[1:]))
            else:
                last = families.pop()
                families.append(Family(last.arguments, last.headers, (*last.options, *_options(words))))
        except (ValueError, IndexError) as error:
            raise OptionsError(f"options.master:{number}: {error or 'no block before it'}") from None
    return tuple(families)


def _family(line: str) -> Family:
    calls, _, headers = line.partition(" : ")
    arguments = tuple(_pair(word) for word in calls.split())
    words = headers.split()
    if not arguments or not words or len(words) % 2:
        raise ValueError("not `= CALL.ARGUMENT ... : HEADER PATTERN ...`")
    for pattern in words[1::2]:
        re.compile(pattern)
    return Family(arguments, tuple(zip(words[::2], words[1::2], strict=True)), ())


def _pair(word: str) -> tuple[str, str]:
    call, dot, argument = word.partition(".")
    if not dot or not call or not argument:
        raise ValueError(f"{word}: not CALL.ARGUMENT")
    return call, argument


def _options(line: str) -> Iterator[Option]:
    said, _, rest = line.partition("|")
    names, _, note = rest.partition("|")
    state, _, errno = said.strip().partition(" ")
    if state not in STATES or (state == "refused") != bool(errno):
        raise ValueError(f"{said.strip()}: no state")
    if not names.split():
        raise ValueError("no names")
    if state in ("partial", "ignored") and not note.strip():
        raise ValueError(f"{state} without saying what is missing")
    return iter([Option(name, state, errno, note.strip()) for name in names.split()])


@functools.cache
def load() -> tuple[Family, ...]:
    """All families, in the file's order."""
    return parse(PATH.read_text(encoding="utf-8"))


def of_call(name: str) -> tuple[tuple[str, Family], ...]:
    """(argument, family) of each set of options that a call takes."""
    return tuple((argument, family) for family in load() for call, argument in family.arguments if call == name)


def grouped(family: Family) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """(state with its errno, names, note) of a family, names together that have the first and the last in common; in STATES' order."""
    groups: dict[tuple[str, str], list[str]] = {}
    for option in sorted(family.options, key=lambda option: STATES.index(option.state)):
        groups.setdefault((f"{option.state} {option.errno}".strip(), option.note), []).append(option.name)
    return tuple((state, tuple(names), note) for (state, note), names in groups.items())

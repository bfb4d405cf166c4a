"""What Cython is told of runtime.h (machine/ground/runtime.pxi, and own.pxi for FreeBSD's share) is what the header has: every member with its type, every constant."""

from __future__ import annotations

import re
import shutil
import subprocess

import harness

PACKAGE = harness.sources()
DECLARATIONS = [
    PACKAGE / name for name in ("machine/ground/lock.pxi", "freebsd/state/own.pxi", "machine/ground/runtime.pxi")
]


def structs(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """The C name of each struct -> (type, name, array) of the members that are no functions."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    members = None
    for line in text.splitlines():
        code = line.split("#")[0].rstrip()
        if match := re.match(r'    ctypedef struct \w+ "(struct \w+)":$', code):
            members = found.setdefault(match.group(1), [])
        elif members is not None and re.match(r"        \S", code) and "(" not in code:
            const, head, rest = re.fullmatch(r"(const )?(\w+) (.*)", code.strip()).groups()
            for name in rest.split(","):
                match = re.fullmatch(r"(\**)(\w+)(?: \"\w+\")?((?:\[\w+\])*)", name.strip())
                assert match, line
                members.append(((const or "") + head + match.group(1), match.group(2), match.group(3)))
        elif code and not code.startswith("        "):
            members = None
    return found


def test_the_structs_are_the_header_s(tmp_path):
    compiler = shutil.which("gcc") or harness.missing_tool("runtime.h", "gcc is not installed")
    text = "\n".join(path.read_text() for path in DECLARATIONS)
    types = dict(re.findall(r'ctypedef struct (\w+) "(struct \w+)":', text))
    found = structs(text)
    assert len(found) > 8 and sum(map(len, found.values())) > 150
    checks = []
    for struct, members in found.items():
        for kind, name, array in members:
            if array == "[1]":  # of a length that Cython need not know
                continue
            kind = types.get(kind.rstrip("*"), kind.rstrip("*")) + " " + "*" * kind.count("*")
            member = f"(({struct} *) 0)->{ {'from_': 'from'}.get(name, name) }"
            checks.append(
                f'_Static_assert(__builtin_types_compatible_p(__typeof__({member}), {kind}{array}), "{struct} {name}");'
            )
    # A compiler that accepts everything would say nothing.
    wrong = '_Static_assert(__builtin_types_compatible_p(__typeof__(((struct area *) 0)->tid), uint64_t), "");'
    folders = [
        f"-I{PACKAGE / folder}" for folder in ("", "machine/ground", "machine/amd64", "freebsd/state", "generated")
    ]
    command = [compiler, "-fsyntax-only", "-w", "-x", "c", *folders, "-"]
    for lines, expected in ((checks, 0), ([wrong], 1)):
        source = "\n".join(["#define _GNU_SOURCE", '#include "runtime.h"', *lines, ""])
        done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == expected, done.stderr

"""Asks the headers of FreeBSD and of Linux for the values of constants. Nothing runs: a wrong one does not compile."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

import harness

Constant = tuple[str, int]


def _compile(command: list[str], source: str) -> list[str]:
    """The errors of a syntax check of `source`."""
    command = [*command, "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=120, check=False)
    errors = re.findall(r"error: (.*)", done.stderr)
    if done.returncode and not errors:
        errors = [done.stderr]
    return errors


def _source(includes: Iterable[str], constants: Iterable[Constant], optional: frozenset[str]) -> str:
    lines = [f"#include <{include}>" for include in includes]
    for name, value in constants:
        check = f'_Static_assert(({name}) == ({value}), "{name} is not {value}");'
        lines += [f"#ifdef {name}", check, "#endif"] if name in optional else [check]
    return "\n".join(lines) + "\n"


def _check(command: list[str], includes: list[str], constants: list[Constant], optional: frozenset[str]) -> None:
    assert constants, "nothing to compare"
    # A compiler that accepts a lie would accept everything.
    name, value = constants[0]
    assert _compile(command, _source(includes, [(name, value + 1)], frozenset())), f"{command[0]} accepts a wrong value"
    errors = _compile(command, _source(includes, constants, optional))
    assert not errors, "\n".join(errors)


def check_freebsd(what: str, includes: list[str], constants: list[Constant], optional: Iterable[str] = ()) -> None:
    """Fail unless FreeBSD's headers agree. Names in `optional` may be missing there: an older release's headers."""
    headers, compiler = harness.freebsd_headers(), shutil.which("clang")
    if headers is None:
        harness.missing_tool(what, "FreeBSD's headers are missing: pip install ziglang")
    if compiler is None:
        harness.missing_tool(what, "clang is not installed")
    command = [compiler, "--target=x86_64-unknown-freebsd14", "-nostdlibinc"]
    command += [flag for folder in headers for flag in ("-isystem", str(folder))]
    _check(command, includes, constants, frozenset(optional))


def check_linux(what: str, includes: list[str], constants: list[Constant], optional: Iterable[str] = ()) -> None:
    """Fail unless this machine's headers agree. Names in `optional` may be missing there: an older libc's headers."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        harness.missing_tool(what, "no C compiler is installed")
    _check([compiler, "-D_GNU_SOURCE"], includes, constants, frozenset(optional))

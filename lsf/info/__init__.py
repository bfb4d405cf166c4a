"""What a FreeBSD program is, what it needs, and why it would not start: `lsfctl info`, and explain() for `lsf`.

elf.py reads the file, rtld.py finds its libraries as FreeBSD's linker does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import sys
from dataclasses import dataclass, field
from typing import Any

from lsf import roots
from lsf.info import elf as elf_module
from lsf.info.elf import BadFile, Elf
from lsf.info.rtld import STANDARD_PATH, Library, Loader, Version, View, absolute
from lsf.roots import INSTALL, INSTALL_HINT, RootError
from lsf.start.files import DEFAULT_PATH

MAX_SCRIPTS = 4  # a script's interpreter may be a script


@dataclass
class Info:
    """All that is known of a program. `problem` is why it will not start, one or two sentences; "" where it should.

    `path` is as the program's own world names it, `file` where it lies on the host.
    """

    path: str
    file: str = ""
    root: str = ""
    release: str = ""  # of the root
    kind: str = ""  # elf, script, folder, other
    script: str = ""  # a script's interpreter
    elf: Elf | None = None
    interpreter_file: str = ""
    libraries: list[Library] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    problem: str = ""


def _root_name(view: View, release: str) -> str:
    return f"the root {view.root}" + (f" (FreeBSD {release})" if release else "")


def _remedy_for_root(view: View) -> str:
    if view.root:
        return ""
    if roots.installed():
        return "`lsf --root NAME` runs it in a FreeBSD root (`lsfctl root list`)"
    return f"`{INSTALL_HINT}` fetches a FreeBSD root that has it"


def _stem(name: str) -> str:
    return re.sub(r"\.so(\.[0-9.]+)?$", "", name)


def _others_of(view: View, library: Library) -> list[str]:
    """Libraries of the same name and another version, in the folders that were searched."""
    found = []
    for folder in library.searched or STANDARD_PATH:
        place = view.find(folder)
        try:
            names = os.listdir(place) if place else []
        except OSError:
            names = []
        found += [name for name in names if _stem(name) == _stem(library.name) and re.search(r"\.so\.\d", name)]
    return sorted(set(found))


def _release_remedy(info: Info) -> str:
    """What to do where a program was built for another FreeBSD than the root's; "" where it was not."""
    number = info.elf.osreldate if info.elf else 0
    wanted = number // 100000
    have = re.match(r"\d+", info.release)
    if not wanted or not have or int(have[0]) == wanted:
        return ""
    return f"the program is for FreeBSD {roots.release_of_number(number)}: `{INSTALL} {wanted}` fetches such a root"


def _explain_library(info: Info, view: View, library: Library) -> str:
    name = f"{info.path} needs the library {library.name}"
    if library.needed_by != info.path:
        name += f" (for {library.needed_by})"
    if library.why:
        return f"{name}, and {library.path} cannot be it: {library.why}"
    if not view.root:
        return f"{name}, which is not here: {_remedy_for_root(view)}"
    text = (
        f"{name}, which {_root_name(view, info.release)} does not have in {':'.join(library.searched) or library.name}"
    )
    others = _others_of(view, library)
    if others:
        remedy = _release_remedy(info) or "the program is for another release, or a package of another version"
        return f"{text}; it has {', '.join(others)}: {remedy}"
    return f"{text}: install the package that has it into the root, or name its folder (-E LD_LIBRARY_PATH=DIR)"


def _explain_elf(info: Info, view: View) -> str:
    """Why an ELF file will not start, or ""."""
    elf = info.elf
    assert elf is not None
    if elf.bits == 32 and elf.machine == "i386":
        whose = f"{elf.brand} " if elf.brand else ""
        return f"{info.path} is a 32-bit (i386) {whose}program, and LSF runs 64-bit (amd64) ones only"
    if not elf.is_amd64:
        return f"{info.path} is a program for {elf.machine}, and LSF runs FreeBSD's for amd64 (x86-64) only"
    if elf.type not in ("ET_EXEC", "ET_DYN"):
        return f"{info.path} is not a program but a {'core dump' if elf.type == 'ET_CORE' else 'relocatable object'}"
    if elf.brand == "Linux":
        return f"{info.path} is a Linux program (its {elf.recognised} says so): run it without lsf"
    if elf.brand and elf.brand != "FreeBSD":
        return f"{info.path} is a program for {elf.brand}, and LSF runs FreeBSD's only"
    if not elf.brand:
        return (f"{info.path} does not say that it is FreeBSD's: no note, no OSABI, no FreeBSD interpreter"
                " (`elfctl`, or `brandelf -t FreeBSD` of FreeBSD, can mark it)")  # fmt: skip
    if elf.linkage == "shared library" and not elf.entry:
        return f"{info.path} is a shared library, not a program"
    if elf.interpreter and not info.interpreter_file:
        where = f"{_root_name(view, info.release)} does not have" if view.root else "there is none here"
        if view.root:
            return f"{info.path} needs the dynamic linker {elf.interpreter}, which {where}: is this a FreeBSD root?"
        return f"{info.path} needs FreeBSD's dynamic linker {elf.interpreter}, and {where}: {_remedy_for_root(view)}"
    for library in info.libraries:
        if not library.path or library.why:
            return _explain_library(info, view, library)
    for version in info.versions:
        remedy = _release_remedy(info) or "it is for a newer FreeBSD than the root's"
        return f"{version.needed_by} needs {version.version} of {version.library}, which does not have it: {remedy}"
    return ""


def _locate(program: str, view: View) -> str:
    """A program's path as its world names it: a bare name is looked for as execvp(3) does."""
    if "/" in program:
        return absolute(program)
    for folder in DEFAULT_PATH.split(":"):
        if view.find(f"{folder}/{program}"):
            return f"{folder}/{program}"
    here = absolute(program)
    return here if os.path.exists(here) else program


def _read_script(line: bytes) -> str:
    words = line[2:].split(b"\n")[0].split()
    return os.fsdecode(words[0]) if words else ""


def inspect(program: str, root: str = "", *, isolated: bool = False, library_path: str = "", sites: bool = False,
            depth: int = 0) -> Info:  # fmt: skip
    """Find out all about a program.

    program: a path, or a name that is searched for in FreeBSD's usual PATH; root: the folder of a FreeBSD root, "" for
    the host's own tree; library_path: the program's LD_LIBRARY_PATH; sites: look for syscall instructions too.
    Never raises for what is wrong with the program: that is `problem`.
    """
    view = View(root, isolated)
    info = Info(_locate(program, view), root=view.root, release=roots.release_of(view.root) if view.root else "")
    if not program:
        info.path, info.problem = "", "its name is empty"
        return info
    info.file = view.find(info.path)
    if not info.file:
        where = f" in {_root_name(view, info.release)}" if view.root else ""
        try:
            os.lstat(view.root + info.path)
            info.problem = f"{info.path} is a symbolic link to what is not there{where}"
        except OSError:
            info.problem = f"{info.path} is not there{where}"
        return info
    try:
        mode = os.stat(info.file).st_mode
        if stat.S_ISDIR(mode):
            info.kind, info.problem = "folder", f"{info.path} is a folder"
            return info
        if not stat.S_ISREG(mode):
            info.kind, info.problem = "other", f"{info.path} is not a regular file"
            return info
        with open(info.file, "rb") as file:
            head = file.read(4096)
        if head[:4] == b"\x7fELF":
            info.kind = "elf"
            _inspect_elf(info, view, library_path, sites)
        elif head[:2] == b"#!":
            info.kind = "script"
            _inspect_script(info, view, _read_script(head), library_path, depth)
        else:
            info.kind = "other"
            info.problem = f"{info.path} is {'empty' if not head else 'neither an ELF program nor a script'}"
    except BadFile as error:
        info.problem = f"{info.path}: {error}"
    except OSError as error:
        info.problem = f"{info.path}: {error.strerror}"
    if not info.problem and not mode & 0o111:
        info.problem = f"{info.path} has no permission to be executed: chmod +x"
    return info


def _inspect_elf(info: Info, view: View, library_path: str, sites: bool) -> None:
    elf = info.elf = elf_module.read(info.file, sites=sites, imports=sites)
    if elf.interpreter:
        info.interpreter_file = view.find(elf.interpreter)
    if elf.is_amd64 and elf.brand == "FreeBSD" and elf.dynamic:
        loader = Loader(view, info.release or roots.release_of_number(elf.osreldate), library_path)
        loader.load(view.seen(info.file), elf)
        info.libraries, info.versions = loader.libraries, loader.versions
        for library in info.libraries:
            if library.needed_by == view.seen(info.file):
                library.needed_by = info.path
    info.problem = _explain_elf(info, view)


def _inspect_script(info: Info, view: View, interpreter: str, library_path: str, depth: int) -> None:
    info.script = interpreter
    if not interpreter:
        info.problem = f"{info.path} is a script that names no interpreter"
    elif not view.find(interpreter):
        where = _root_name(view, info.release) if view.root else "this machine"
        info.problem = (f"{info.path} is a script for {interpreter}, which {where} does not have"
                        + (f": {_remedy_for_root(view)}" if not view.root else ": install it into the root"))  # fmt: skip
    elif depth < MAX_SCRIPTS:
        inner = inspect(interpreter, view.root, isolated=view.isolated, library_path=library_path, depth=depth + 1)
        if inner.problem and not (inner.elf and inner.elf.brand == "Linux"):
            info.problem = f"{info.path} is a script, and its interpreter will not start: {inner.problem}"


def explain(path: str, root: str = "", *, isolated: bool = False, library_path: str = "") -> str:
    """Why a program does not start, as a sentence for a person; "" where nothing is wrong that can be seen.

    Meant for the way of a failure: it imports pyelftools, and never raises.
    """
    try:
        return inspect(path, root, isolated=isolated, library_path=library_path).problem
    except Exception as error:  # an explanation that fails must not hide what it was to explain
        return f"{path}: it could not be examined ({type(error).__name__}: {error})"


# ---------------------------------------------------------------- the command


def _syscalls(info: Info) -> list[dict[str, Any]]:
    """The FreeBSD syscalls that a program names: by number at its own syscall sites, or by name from libc."""
    from lsf.freebsd.tables import table

    if info.elf is None or info.elf.brand != "FreeBSD":
        return []
    found: dict[str, dict[str, Any]] = {}
    by_number, by_name = table.by_number(), table.by_name()
    for number, count in sorted(info.elf.sites.numbers.items()):
        row = by_number.get(number)
        name = row.name if row else f"#{number}"
        found[name] = {"name": name, "number": number, "sites": count, "imported": False,
                       "state": row.state if row else "unknown"}  # fmt: skip
    for symbol in info.elf.imports:
        row = by_name.get(symbol) or by_name.get(re.sub("^(__sys_|__|_)", "", symbol))
        if row is not None and row.has_prototype:
            item = found.setdefault(row.name, {"name": row.name, "number": row.number, "sites": 0, "state": row.state})
            item["imported"] = True
    return sorted(found.values(), key=lambda item: item["number"])


def as_object(info: Info) -> dict[str, Any]:
    """All of it for programs (JSON)."""
    result: dict[str, Any] = {"path": info.path, "file": info.file, "root": info.root, "root_release": info.release,
                              "kind": info.kind, "starts": not info.problem, "problem": info.problem}  # fmt: skip
    if info.script:
        result["interpreter"] = info.script
    elf = info.elf
    if elf is None:
        return result
    result.update(
        brand=elf.brand, recognised_by=elf.recognised, osreldate=elf.osreldate, release=roots.release_of_number(elf.osreldate),
        bits=elf.bits, machine=elf.machine, linkage=elf.linkage, soname=elf.soname, rpath=elf.rpath, runpath=elf.runpath,
        interpreter=elf.interpreter, interpreter_found=bool(info.interpreter_file),
        libraries=[{"name": item.name, "path": item.path, "needed_by": item.needed_by, "problem": item.why,
                    "searched": item.searched} for item in info.libraries],
        versions_missing=[vars(item) for item in info.versions],
        syscall_sites=dict(elf.sites.patterns), syscalls=_syscalls(info),
    )  # fmt: skip
    return result


def _lines(info: Info) -> list[str]:
    """All of it for people."""
    elf = info.elf
    where = f"{info.path}" + (f"  ({info.file})" if info.file and info.file != info.path else "")
    lines = [where]

    def add(label: str, text: str) -> None:
        lines.append(f"  {label:<12} {text}")

    if info.root:
        add("root", info.root + (f", FreeBSD {info.release}" if info.release else ""))
    if info.script:
        add("script for", info.script)
    if elf is not None:
        add("brand", f"{elf.brand}, by its {elf.recognised}" if elf.brand else "none")
        if elf.osreldate:
            add("built for", f"FreeBSD {roots.release_of_number(elf.osreldate)} ({elf.osreldate})")
        add("format", f"ELF, {elf.bits} bits, {elf.machine}, {elf.linkage}")
        if elf.soname:
            add("soname", elf.soname)
        for label, text in (("rpath", elf.rpath), ("runpath", elf.runpath)):
            if text:
                add(label, text)
        if elf.interpreter:
            add("interpreter", elf.interpreter + ("" if info.interpreter_file else "  MISSING"))
        width = max((len(item.name) for item in info.libraries), default=0)
        for number, item in enumerate(info.libraries):
            state = item.path or "MISSING"
            if item.why:
                state += f"  ({item.why})"
            by = "" if item.needed_by == info.path else f"  for {item.needed_by}"
            add("" if number else "libraries", f"{item.name:<{width}}  {state}{by}")
        for version in info.versions:
            add("version", f"{version.version} of {version.library} MISSING, for {version.needed_by}")
        sites = elf.sites.patterns.most_common() if elf.brand == "FreeBSD" else []
        for number, (name, count) in enumerate(sites):
            add("" if number else "sites", f"{count:>6} {elf_module.SITE_TEXT[name]}")
        lines += _syscall_lines(info)
    lines.append("")
    lines.append(
        f"It will not start: {info.problem}." if info.problem else "Nothing is seen that would keep it from starting."
    )
    return lines


def _syscall_lines(info: Info) -> list[str]:
    import textwrap

    named = _syscalls(info)
    if not named:
        return []
    lines = [f"  {'syscalls':<12} {len(named)} named: at its own syscall sites, or as functions of libc"]
    groups: dict[str, list[str]] = {}
    for item in named:
        groups.setdefault(item["state"], []).append(item["name"])
    for state in sorted(groups, key=lambda state: ("full", "partial", "refused", "todo", "unknown").index(state)):
        lines += textwrap.wrap(" ".join(groups[state]), 116, initial_indent=f"  {'':<12} {state}: ",
                               subsequent_indent=" " * 17, break_on_hyphens=False)  # fmt: skip
    return lines


def run(arguments: argparse.Namespace) -> int:
    """`lsfctl info`: 0 where the program should start, 1 where not, 125 where the root is none."""
    name = arguments.root if arguments.root is not None else os.environ.get("LSF_ROOT", "")
    none = arguments.root == "" or name == "none"
    try:
        root = "" if none or not (name or roots.installed()) else roots.resolve(name)
    except RootError as error:
        print(f"lsfctl: {error}", file=sys.stderr)
        return 125
    info = inspect(
        arguments.program, root, isolated=arguments.isolated, library_path=arguments.library_path, sites=True
    )
    if arguments.json:
        print(json.dumps(as_object(info), indent=1))
    else:
        print("\n".join(_lines(info)))
    return 1 if info.problem else 0

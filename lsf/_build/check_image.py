"""Checks of the shim image, with pyelftools: the rules that the compiler and the linker cannot know."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

WINDOW_BASE = 0x6FFFF0000000
WINDOW_SIZE = 0x100000
DATA_BASE = 0x6FFFF0110000


def function_of_section(name: str) -> str:
    """The Cython function that a section of -ffunction-sections belongs to."""
    name = re.sub(r"^\.text\.", "", name)
    return re.sub(r"^__pyx_f_3lsf_5_shim_", "", name)


#: Defined by the linker script, in no object.
LINKER_SYMBOLS = {"image_text_end"}


def explain(objects: list[Path], start: str = "_start") -> list[str]:
    """Why the objects do not link into an image: what `start` reaches, directly or not, that must not be there.

    One line for every function that uses a symbol no object defines (Python's or libc's) or a variable.
    """
    defined: dict[str, tuple[str, str]] = {}  # symbol -> (object, section)
    variables: set[tuple[str, str]] = set()  # writable sections
    edges: dict[tuple[str, str], list[tuple[str, tuple[str, str] | None]]] = {}
    for path in objects:
        with open(path, "rb") as stream:
            elf = ELFFile(stream)
            table: Any = elf.get_section_by_name(".symtab")
            names = [section.name for section in elf.iter_sections()]
            for section in elf.iter_sections():
                if section["sh_flags"] & SH_FLAGS.SHF_WRITE and not section.name.startswith((".data.rel.ro", ".shimdata")):
                    variables.add((path.name, section.name))
            for symbol in table.iter_symbols():
                if isinstance(symbol["st_shndx"], int) and symbol["st_info"]["bind"] != "STB_LOCAL":
                    defined[symbol.name] = (path.name, names[symbol["st_shndx"]])
            for section in elf.iter_sections():
                if not isinstance(section, RelocationSection):
                    continue
                uses = edges.setdefault((path.name, section.name[len(".rela"):]), [])
                for relocation in section.iter_relocations():
                    symbol = table.get_symbol(relocation["r_info_sym"])
                    if symbol["st_shndx"] == "SHN_UNDEF":
                        uses.append((symbol.name, None))
                    elif isinstance(symbol["st_shndx"], int):
                        target = names[symbol["st_shndx"]]
                        uses.append((symbol.name or target, (path.name, target)))
    if start not in defined:
        return []
    seen, todo, lines = set(), [defined[start]], set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        function = function_of_section(node[1])
        for name, direct in edges.get(node, ()):
            leads_to = direct or defined.get(name)
            if leads_to is None and name not in LINKER_SYMBOLS:
                lines.add(f"  {function} ({node[0]}) uses {name}: nothing in the shim may need Python or libc")
            elif leads_to in variables:
                lines.add(f"  {function} ({node[0]}) uses the variable {name}: state lives in struct process")
            elif leads_to:
                todo.append(leads_to)
    return sorted(lines)


def check(image: Path) -> list[str]:
    """Every broken rule of a linked image, as text; empty when it is fine."""
    problems = []
    with open(image, "rb") as stream:
        elf = ELFFile(stream)
        symbols: Any = elf.get_section_by_name(".symtab")
        for symbol in symbols.iter_symbols() if symbols else ():
            if symbol["st_info"]["type"] == "STT_OBJECT" and symbol.name.startswith("__pyx_v_"):
                problems.append(f"  {symbol.name}: a module-level variable (it is zero here, yet set in the extension); "
                                "state lives in struct process")
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name:
                problems.append(f"  {symbol.name}: undefined")
            if symbol.name == "entry" and symbol["st_value"] != WINDOW_BASE:
                problems.append("  entry is not the first byte of the window")
        for section in elf.iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or section["sh_size"] == 0:
                continue
            writable = section["sh_flags"] & SH_FLAGS.SHF_WRITE
            if writable and section["sh_addr"] < DATA_BASE:
                problems.append(f"  {section.name}: writable data inside the window")
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section.name not in (".text", ".sigcode"):
                problems.append(f"  {section.name}: code outside the window")
    return problems

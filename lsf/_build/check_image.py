"""Checks of the shim image, with pyelftools: the rules that the compiler and the linker cannot know."""
from __future__ import annotations

import re
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

WINDOW_BASE = 0x6FFFF0000000
WINDOW_SIZE = 0x100000
DATA_BASE = 0x6FFFF0200000


def function_of_section(name: str) -> str:
    """The Cython function that a section of -ffunction-sections belongs to."""
    name = re.sub(r"^\.text\.", "", name)
    return re.sub(r"^__pyx_f_3lsf_5_shim_", "", name)


def explain_undefined(objects: list[Path]) -> list[str]:
    """One line for every function of the shim that reaches a symbol no object defines (Python's or libc's)."""
    defined, uses = set(), []
    for path in objects:
        with open(path, "rb") as stream:
            elf = ELFFile(stream)
            symbols = elf.get_section_by_name(".symtab")
            for symbol in symbols.iter_symbols():
                if symbol["st_shndx"] != "SHN_UNDEF":
                    defined.add(symbol.name)
            for section in elf.iter_sections():
                if not isinstance(section, RelocationSection) or not section.name.startswith(".rela.text"):
                    continue
                where = section.name[len(".rela"):]
                for relocation in section.iter_relocations():
                    symbol = symbols.get_symbol(relocation["r_info_sym"])
                    if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name:
                        uses.append((path.name, where, symbol.name))
    lines = []
    for file, where, name in uses:
        function = function_of_section(where)
        # Module initialisation and wrappers reach Python by right: they are not part of the image.
        if name in defined or re.match(r"^(__Pyx|__pyx_pymod|__pyx_pw|PyInit|__pyx_pf|_?_?pyx_mod)", function):
            continue
        lines.append(f"  {function} ({file}) uses {name}: nothing in the shim may need Python or libc")
    return sorted(set(lines))


def check(image: Path) -> list[str]:
    """Every broken rule of a linked image, as text; empty when it is fine."""
    problems = []
    with open(image, "rb") as stream:
        elf = ELFFile(stream)
        symbols = elf.get_section_by_name(".symtab")
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

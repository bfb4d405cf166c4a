"""What an ELF file says of itself, as FreeBSD's kernel and its dynamic linker read it: by program headers alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from elftools.elf.elffile import ELFFile

MACHINES = {"EM_X86_64": "x86-64", "EM_386": "i386", "EM_AARCH64": "aarch64", "EM_ARM": "arm", "EM_RISCV": "riscv",
            "EM_PPC64": "powerpc64", "EM_PPC": "powerpc"}  # fmt: skip
BRANDS = {"ELFOSABI_FREEBSD": "FreeBSD", "ELFOSABI_LINUX": "Linux", "ELFOSABI_NETBSD": "NetBSD",
          "ELFOSABI_OPENBSD": "OpenBSD", "ELFOSABI_SOLARIS": "Solaris or illumos"}  # fmt: skip
#: who signs notes: FreeBSD's ABI note is of type 1 with the vendor FreeBSD; GNU's (type 1) names Linux or kFreeBSD
VENDORS = {b"FreeBSD": "FreeBSD", b"GNU": "Linux", b"NetBSD": "NetBSD", b"OpenBSD": "OpenBSD",
           b"DragonFly": "DragonFly BSD"}  # fmt: skip
GNU_SYSTEMS = {0: "Linux", 1: "GNU/Hurd", 2: "Solaris or illumos", 3: "GNU/kFreeBSD"}
INTERPRETERS = {"/libexec/ld-elf.so.1": "FreeBSD", "/lib64/ld-linux-x86-64.so.2": "Linux", "/lib/ld-musl-x86_64.so.1": "Linux",
                "/lib/ld-linux.so.2": "Linux", "/libexec/ld.elf_so": "NetBSD", "/usr/libexec/ld.elf_so": "NetBSD",
                "/usr/libexec/ld.so": "OpenBSD", "/usr/libexec/ld-elf.so.2": "DragonFly BSD",
                "/lib/amd64/ld.so.1": "Solaris or illumos", "/usr/lib/amd64/ld.so.1": "Solaris or illumos",
                "/lib/64/ld.so.1": "Solaris or illumos"}  # fmt: skip
DF_1_NODEFLIB = 0x800
DF_1_PIE = 0x08000000
MAX_NOTES = 1 << 16
PF_X = 1


class BadFile(Exception):
    """The file is not ELF, or broken; the text says how."""


#: How FreeBSD's syscalls look in programs. The number is in the instruction before, or comes from elsewhere.
SITES = {
    "libc": re.compile(rb"\x48\xc7\xc0(....)\x49\x89\xca\x0f\x05", re.DOTALL),  # mov $n,%rax; mov %rcx,%r10; syscall
    "libc-short": re.compile(rb"\xb8(....)\x49\x89\xca\x0f\x05", re.DOTALL),  # mov $n,%eax; mov %rcx,%r10; syscall
    "go": re.compile(rb"\xb8(....)\x0f\x05", re.DOTALL),  # mov $n,%eax; syscall
    "go-generic": re.compile(rb"\x48\x8b\x44\x24\x08\x0f\x05"),  # mov 8(%rsp),%rax; syscall
}
SITE_TEXT = {
    "libc": "mov $N,%rax; mov %rcx,%r10; syscall",
    "libc-short": "mov $N,%eax; mov %rcx,%r10; syscall",
    "go": "mov $N,%eax; syscall",
    "go-generic": "mov 8(%rsp),%rax; syscall",
    "other": "0f 05 after something else (some may be data)",
}
_SYSCALL = re.compile(rb"\x0f\x05")
NSYSCALLS = 600


@dataclass
class Sites:
    """The syscall instructions of a file: how many of each pattern, and which numbers they name."""

    patterns: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int] = field(default_factory=Counter)

    def scan(self, text: bytes) -> None:
        """Count the sites in executable bytes."""
        known: dict[int, tuple[str, int]] = {}
        for name, pattern in SITES.items():
            for match in pattern.finditer(text):
                number = int.from_bytes(match[1], "little") if match.re.groups else -1
                if number < NSYSCALLS:
                    known.setdefault(match.end() - 2, (name, number))
        for match in _SYSCALL.finditer(text):
            name, number = known.get(match.start(), ("other", -1))
            self.patterns[name] += 1
            if number >= 0:
                self.numbers[number] += 1


@dataclass
class Elf:
    """What a program or library is. `brand` is whose it is, and `recognised` by what: note, OSABI, brand string, interpreter."""

    bits: int = 64
    machine: str = ""
    little_endian: bool = True
    type: str = ""
    entry: int = 0
    brand: str = ""
    recognised: str = ""
    osreldate: int = 0
    interpreter: str = ""
    dynamic: bool = False
    needed: list[str] = field(default_factory=list)
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    nodefaultlib: bool = False
    pie: bool = False
    imports: list[str] = field(default_factory=list)
    versions_needed: dict[str, list[str]] = field(default_factory=dict)
    versions_defined: list[str] = field(default_factory=list)
    sites: Sites = field(default_factory=Sites)

    @property
    def linkage(self) -> str:
        """static, static PIE, dynamic, dynamic PIE, or shared library."""
        if self.interpreter:
            return "dynamic PIE" if self.type == "ET_DYN" else "dynamic"
        if self.type == "ET_DYN":
            return "static PIE" if self.pie or not self.dynamic else "shared library"
        return "static"

    @property
    def is_amd64(self) -> bool:
        return self.bits == 64 and self.machine == "x86-64" and self.little_endian


def _notes(data: bytes) -> Iterable[tuple[bytes, int, bytes]]:
    """Vendor, type and contents of each note; what is broken ends them, as in the kernel."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4, 8))
        name_end = at + 12 + name_size
        start = at + 12 + (name_size + 3 & ~3)
        if name_size > 4096 or start + size > len(data):
            return
        yield data[at + 12 : name_end].rstrip(b"\x00"), kind, data[start : start + size]
        at = start + (size + 3 & ~3)


def _brand(elf: Elf, header: Any, ident: bytes, notes: list[tuple[bytes, int, bytes]]) -> None:
    """Whose program it is, in FreeBSD's order (__elfN(get_brandinfo) of sys/kern/imgact_elf.c)."""
    others = []
    for vendor, kind, contents in notes:
        if kind != 1 or vendor not in VENDORS or len(contents) < 4:
            continue
        word = int.from_bytes(contents[:4], "little")
        if vendor == b"FreeBSD":
            elf.osreldate = word
            elf.brand, elf.recognised = "FreeBSD", "note"
            return
        others.append(GNU_SYSTEMS.get(word, "Linux") if vendor == b"GNU" else VENDORS[vendor])
    osabi = header["e_ident"]["EI_OSABI"]
    # GNU's linker marks a program ELFOSABI_LINUX (or GNU) only where it uses an extension; FreeBSD's is always marked.
    if osabi == "ELFOSABI_FREEBSD":
        elf.brand, elf.recognised = "FreeBSD", "OSABI"
    elif ident[8:15] == b"FreeBSD":
        elf.brand, elf.recognised = "FreeBSD", "brand string"
    elif others:
        elf.brand, elf.recognised = others[0], "note"
    elif osabi in BRANDS:
        elf.brand, elf.recognised = BRANDS[osabi], "OSABI"
    elif elf.interpreter in INTERPRETERS:
        elf.brand, elf.recognised = INTERPRETERS[elf.interpreter], "interpreter"


def _dynamic(elf: Elf, segment: Any) -> None:
    elf.dynamic = True
    for tag in segment.iter_tags():
        name = tag.entry.d_tag
        if name == "DT_NEEDED":
            elf.needed.append(tag.needed)
        elif name == "DT_SONAME":
            elf.soname = tag.soname
        elif name == "DT_RPATH":
            elf.rpath = tag.rpath
        elif name == "DT_RUNPATH":
            elf.runpath = tag.runpath
        elif name == "DT_FLAGS_1":
            elf.nodefaultlib = bool(tag.entry.d_val & DF_1_NODEFLIB)
            elf.pie = bool(tag.entry.d_val & DF_1_PIE)
    if elf.runpath:
        elf.rpath = ""  # rtld's digest_dynamic2: the one with DT_RUNPATH has no DT_RPATH


def _imports(segment: Any) -> list[str]:
    found = {symbol.name for symbol in segment.iter_symbols()
             if symbol.name and symbol.entry.st_shndx == "SHN_UNDEF"}  # fmt: skip
    return sorted(found)


def _versions(elf: Elf, file: ELFFile) -> None:
    """Which versions of symbols it wants of which library, and which it has. By sections: a stripped file may lack them."""
    needed: Any = file.get_section_by_name(".gnu.version_r")
    if needed is not None:
        for library, versions in needed.iter_versions():
            elf.versions_needed[library.name] = [version.name for version in versions]
    defined: Any = file.get_section_by_name(".gnu.version_d")
    if defined is not None:
        for _, names in defined.iter_versions():
            elf.versions_defined += [version.name for version in names][:1]


def read(path: str, sites: bool = False, imports: bool = False) -> Elf:
    """Read an ELF file. `sites`: look for syscalls in its text; `imports`: list what it imports.

    Raises BadFile for what is no ELF file or a broken one, OSError for what cannot be read.
    """
    with open(path, "rb") as opened:
        ident = opened.read(16)
        if ident[:4] != b"\x7fELF":
            raise BadFile("it is not an ELF file")
        opened.seek(0)
        try:
            return _read(ELFFile(opened), ident, sites, imports)
        except OSError:
            raise
        except Exception as error:
            # Of a broken file pyelftools raises whatever its broken values lead to.
            raise BadFile(f"it is damaged ({error or type(error).__name__})") from None


def _read(file: ELFFile, ident: bytes, sites: bool, imports: bool) -> Elf:
    header = file.header
    machine = header["e_machine"]
    elf = Elf(file.elfclass, MACHINES.get(machine, str(machine).removeprefix("EM_").lower()), file.little_endian,
              str(header["e_type"]), header["e_entry"])  # fmt: skip
    notes: list[tuple[bytes, int, bytes]] = []
    dynamic = None
    size = file.stream_len
    segment: Any  # pyelftools tells the kinds of segments apart by p_type only
    for segment in file.iter_segments():
        kind = segment["p_type"]
        if kind in ("PT_INTERP", "PT_LOAD", "PT_NOTE") and segment["p_offset"] + segment["p_filesz"] > size:
            raise BadFile(
                f"it is cut off: a segment ends at byte {segment['p_offset'] + segment['p_filesz']} of {size}"
            )
        if kind == "PT_INTERP" and not elf.interpreter:
            elf.interpreter = segment.get_interp_name()
        elif kind == "PT_NOTE" and segment["p_filesz"] <= MAX_NOTES:
            notes += _notes(segment.data())
        elif kind == "PT_DYNAMIC":
            dynamic = segment
        if sites and kind == "PT_LOAD" and segment["p_flags"] & PF_X:
            elf.sites.scan(segment.data())
    if dynamic is not None:
        _dynamic(elf, dynamic)
        _versions(elf, file)
        if imports:
            elf.imports = _imports(dynamic)
    _brand(elf, header, ident, notes)
    return elf

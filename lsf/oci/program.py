"""Whose program a file of a container is, as the shim will see it (lsf/freebsd/kernel/image/program.pxi)."""

import os

from lsf.start.default_root import FREEBSD_INTERPRETERS, elf_headers

FREEBSD, LINUX, SCRIPT, NONE = "freebsd", "linux", "script", ""

_PAGE = 4096
_X86_64 = 62
_OSABI_FREEBSD = 9
#: e_machine of the other processors that FreeBSD has images for
MACHINES = {3: "i386", 20: "powerpc", 21: "powerpc64", 40: "arm", 183: "aarch64", 243: "riscv64"}
_OLDEST = 500000


class Program:
    """A file: FREEBSD, LINUX (any other ELF file), SCRIPT (with its interpreter) or NONE of these.

    machine: "amd64", or the other processor that a FreeBSD program is for. osreldate: the release that it was built for, 0 unknown.
    """

    def __init__(self, kind: str = NONE, machine: str = "amd64", osreldate: int = 0, interpreter: str = "") -> None:
        self.kind = kind
        self.machine = machine
        self.osreldate = osreldate
        self.interpreter = interpreter


def examine(path: str) -> Program:
    """What a file of the host is. What cannot be read is none: it is told when it is executed."""
    try:
        # A named pipe must not be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Program()
    try:
        page = os.read(fd, _PAGE)
        if page[:2] == b"#!":
            words = page[2:].partition(b"\n")[0].split()
            return Program(SCRIPT, interpreter=os.fsdecode(words[0])) if words else Program()
        if page[:4] != b"\x7fELF" or len(page) < 64:
            return Program()
        return _examine_elf(fd, page)
    except (OSError, ValueError):
        return Program()
    finally:
        os.close(fd)


def _examine_elf(fd: int, page: bytes) -> Program:
    machine = int.from_bytes(page[18:20], "little" if page[5] == 1 else "big")
    if page[4:6] != b"\2\1" or machine != _X86_64:
        ours = page[7] == _OSABI_FREEBSD
        return Program(FREEBSD, MACHINES.get(machine, f"processor {machine}")) if ours else Program(LINUX)
    interpreter, notes = elf_headers(fd, page)
    numbers = [number for name, number in notes if name == b"FreeBSD\0"]
    osreldate = next(
        (number for number in numbers if number >= _OLDEST), 0
    )  # other notes of its name say small numbers
    if numbers or page[7] == _OSABI_FREEBSD or page[8:15] == b"FreeBSD" or interpreter in FREEBSD_INTERPRETERS:
        return Program(FREEBSD, osreldate=osreldate)
    return Program(LINUX)

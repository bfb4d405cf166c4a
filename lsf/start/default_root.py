"""Which programs need a FreeBSD root: where no --root is given, `lsf` runs those in the default one.

On the way of every start without --root, so it reads one page of the program and imports nothing.
"""

import os

from lsf.start.errors import STATUS_NOT_RUNNABLE, LaunchError
from lsf.start.files import find_program

_ELF = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_X86_64 = 62
_PT_INTERP, _PT_NOTE = 3, 4
_ELFOSABI_LINUX, _ELFOSABI_FREEBSD = 3, 9
_PAGE = 4096
#: What FreeBSD's kernel takes for FreeBSD's own, too (sys/kern/imgact_elf.c, get_brandinfo).
FREEBSD_INTERPRETERS = (b"/libexec/ld-elf.so.1", b"/usr/libexec/ld-elf.so.1")
_OTHERS = (b"NetBSD\0", b"OpenBSD\0", b"DragonFly\0")


def _word(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def elf_headers(fd: int, page: bytes) -> tuple[bytes, list[tuple[bytes, int]]]:
    """The interpreter's path and the notes of an ELF file, by their names and the first words of what they say."""
    interpreter, notes = b"", []
    at, size, count = _word(page, 32, 8), _word(page, 54, 2), _word(page, 56, 2)
    for number in range(min(count, 64)):
        header = page[at + number * size :][:56]
        kind, offset, length = _word(header, 0, 4), _word(header, 8, 8), min(_word(header, 32, 8), _PAGE)
        if kind == _PT_INTERP:
            interpreter = os.pread(fd, length, offset).partition(b"\0")[0]
        elif kind == _PT_NOTE:
            data = os.pread(fd, length, offset)
            while len(data) >= 12:
                name, description = _word(data, 0, 4), _word(data, 4, 4)
                at_description = 12 + (name + 3 & ~3)
                notes.append((data[12 : 12 + name], _word(data, at_description, min(description, 4))))
                data = data[at_description + (description + 3 & ~3) :]
    return interpreter, notes


def needs_root(path: str, nested: bool = False) -> bool:
    """Whether a program needs a root: it is not on the host's tree, is no FreeBSD program there, or its dynamic linker is not
    there. False for what no root would help."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it is told when it is executed
    try:
        page = os.read(fd, _PAGE)
        if page[:2] == b"#!" and not nested:
            words = page[2:].partition(b"\n")[0].split()
            return bool(words) and needs_root(os.fsdecode(words[0]), True)
        if page[:6] != _ELF or _word(page, 18, 2) != _X86_64:
            return False
        interpreter, notes = elf_headers(fd, page)
    except (OSError, ValueError):
        return False
    finally:
        os.close(fd)
    names = [name for name, _ in notes]
    if page[7] != _ELFOSABI_FREEBSD and b"FreeBSD\0" not in names and interpreter not in FREEBSD_INTERPRETERS:
        return page[7] in (0, _ELFOSABI_LINUX) and not any(name in _OTHERS for name in names)
    return bool(interpreter) and not os.path.exists(interpreter)


def choose(program: str, path: str | None, directory: str | None, always: bool) -> str | None:
    """The default root's folder where the program needs one, "" where none is installed, and None where it needs none.

    path: the guest's PATH. directory: where the program will begin (--chdir). always: whatever the program is (--isolated).
    """
    if directory and "/" in program:
        program = os.path.join(directory, program)
    try:
        needed = always or needs_root(find_program(program, path))
    except LaunchError:
        needed = True  # it may be in the root
    if not needed:
        return None
    from lsf import roots

    try:
        every = roots.installed()
    except roots.RootError:
        every = []
    return every[0].path if every else ""


def refuse_linux(program: str) -> None:
    """Raise LaunchError for a program of the host's where FreeBSD's was surely meant, and no root is installed."""
    try:
        fd = os.open(program, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # it is told when it is executed
    try:
        page = os.read(fd, _PAGE)
        interpreter = elf_headers(fd, page)[0] if page[:6] == _ELF else b""
    except (OSError, ValueError):
        return
    finally:
        os.close(fd)
    if interpreter and interpreter not in FREEBSD_INTERPRETERS and os.path.exists(interpreter):
        from lsf.roots import INSTALL_HINT

        raise LaunchError(
            f"{program}: not a FreeBSD program, but Linux's; there is no FreeBSD root: `{INSTALL_HINT}` fetches one",
            STATUS_NOT_RUNNABLE,
        )

"""Which FreeBSD a root holds."""

from __future__ import annotations

import os
from typing import Any

from lsf import roots
from lsf.roots.tree import resolve_inside


def note_of(path: str) -> int:
    """FreeBSD's release number in the ABI note of an ELF file (sys/param.h's __FreeBSD_version), 0 for none."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            segment: Any
            for segment in elf.iter_segments("PT_NOTE"):
                for note in segment.iter_notes():
                    if note["n_name"] == "FreeBSD" and note["n_type"] in (1, "NT_VERSION", "NT_GNU_ABI_TAG"):
                        data = note["n_descdata"]
                        return int.from_bytes(data[:4], "little") if len(data) >= 4 else 0
    except (OSError, ELFError, ValueError, KeyError, OverflowError, AssertionError, UnicodeError):
        pass
    return 0


def identify(root: str) -> tuple[str, int]:
    """The release of a root ("" unknown) and FreeBSD's number for it (0 unknown).

    bin/freebsd-version names the release; the note of libc gives the number, and the release where the script is not
    there.
    """
    release = ""
    try:
        place = resolve_inside(root, "bin/freebsd-version")
        if os.path.isfile(place):
            with open(place, encoding="utf-8", errors="replace") as file:
                release = roots.version_line(file.read(1 << 16))
    except OSError:
        pass
    number = 0
    for name in roots.NOTED:
        try:
            number = note_of(resolve_inside(root, name))
        except OSError:
            continue
        if number:
            break
    if not release:
        return roots.release_of_number(number), number
    named = roots.number_of(release)
    return release, number if number // 1000 == named // 1000 else named

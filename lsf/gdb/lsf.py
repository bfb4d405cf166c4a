"""gdb for FreeBSD programs that run under LSF: `gdb -x .../lsf/gdb/lsf.py -p PID` (docs/user/gdb.md).

Lets LSF's own signals pass, and `lsf-symbols` loads the symbols of what is mapped in the process; gdb itself only sees
the shim's image, which is what Linux executed.
"""

import os

import gdb

#: The shim takes syscalls, faults of guest memory and its own signal points as these.
SIGNALS = ("SIGSYS", "SIGSEGV")
WINDOW = range(0x6FFFF0000000, 0x700000000000)
ET_DYN = 3


def mapped_files(maps: str) -> list[tuple[str, int]]:
    """The files that are mapped from their beginning, as (path, address), in the order of /proc/PID/maps."""
    found: dict[str, int] = {}
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6 or not fields[5].startswith("/"):
            continue
        start, offset = int(fields[0].partition("-")[0], 16), int(fields[2], 16)
        if offset == 0 and start not in WINDOW:
            found.setdefault(fields[5], start)
    return list(found.items())


def load_offset(head: bytes, start: int) -> "int | None":
    """How far from its own addresses an ELF file is mapped, or None where it is none. head: its first bytes."""
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return None
    return start if int.from_bytes(head[16:18], "little") == ET_DYN else 0


class Symbols(gdb.Command):
    """lsf-symbols: load the symbols of the FreeBSD program in this process and of its libraries."""

    def __init__(self) -> None:
        super().__init__("lsf-symbols", gdb.COMMAND_FILES)

    def invoke(self, argument: str, from_tty: bool) -> None:
        pid = gdb.selected_inferior().pid
        if not pid:
            raise gdb.GdbError("no process: attach to one first")
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            maps = file.read()
        for path, start in mapped_files(maps):
            for place in (path, f"/proc/{pid}/root{path}"):
                try:
                    with open(place, "rb") as file:
                        offset = load_offset(file.read(64), start)
                except OSError:
                    continue
                if offset is not None:
                    gdb.execute(f'add-symbol-file "{place}" -o {offset:#x}', to_string=True)
                    gdb.write(f"{os.path.basename(path)} at {start:#x}\n")
                break


for name in SIGNALS:
    gdb.execute(f"handle {name} nostop noprint pass", to_string=True)
Symbols()
if gdb.selected_inferior().pid:
    gdb.execute("lsf-symbols")

"""How FreeBSD programs are told to Linux's binfmt_misc: by `lsfctl binfmt`, and at the start of a view."""

FOLDER = "/proc/sys/fs/binfmt_misc"
NAME = "lsf"
# e_ident (64 bit, little-endian, version 1, OSABI 9 is FreeBSD's; its last eight bytes may be anything), e_type EXEC or
# DYN, e_machine x86-64.
MAGIC = b"\x7fELF\2\1\1\x09" + bytes(8) + b"\2\0\x3e\0"
MASK = b"\xff" * 8 + bytes(8) + b"\xfe\xff\xff\xff"
#: O: the program is passed opened, so that it need not be readable. F: the image stays open, so that it need not be
#: visible. P: the program's argv[0] is kept, which the image is told of from Linux 5.12 on.
FLAGS = "OFP"
#: C: the program's set-user-id and set-group-id bits count.
SET_IDS = "C"


class BinfmtError(Exception):
    """binfmt_misc cannot be used so; the text is one sentence for a person."""


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def line(interpreter: str, set_ids: bool = False, flags: str = FLAGS) -> str:
    """What registers an interpreter: written to binfmt_misc's `register`, or kept in /etc/binfmt.d/lsf.conf.

    set_ids: FreeBSD programs with set-user-id and set-group-id bits get those ids (docs/user/binfmt.md). flags: the image's; the
    command `lsf`, which takes a program by its name, has none.
    """
    if ":" in interpreter or len(interpreter) > 127:
        raise BinfmtError(f"{interpreter}: Linux takes no interpreter's path with a colon, or longer than 127 bytes")
    return f":{NAME}:M::{_escaped(MAGIC)}:{_escaped(MASK)}:{interpreter}:{flags}{SET_IDS if set_ids else ''}"

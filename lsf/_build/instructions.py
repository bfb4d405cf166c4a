"""What follows the opcode of an x86-64 instruction, for the length decoder of the shim (lsf/machine/amd64/instructions.pxi).

Two maps of 256 letters, a row for sixteen opcodes. A letter says which bytes come after the opcode and where the
instruction leads. What user mode cannot execute, or what processors do not agree on, is `-`: not decoded.

Source: AMD64 Architecture Programmer's Manual, volume 3, appendix A; tests/unit/test_instructions.py compares with capstone.
"""

from __future__ import annotations

#: One letter: (operand bytes, where it leads). The numbers are those of lsf/machine/amd64/instructions.pxi.
MODRM, IMM8, IMM16, IMMZ, IMMV, MOFFS, GROUP_TEST = 1, 2, 4, 8, 16, 32, 64
PLAIN, BRANCH, JUMP, CALL, STOP, SYSCALL, OTHER = range(7)
PREFIX, REX, ESCAPE, VEX2, VEX3, EVEX, POP, GROUP_FF, MOV_IMM, UNKNOWN = range(7, 17)

LETTERS = {
    "-": (0, UNKNOWN),
    ".": (0, PLAIN),
    "m": (MODRM, PLAIN),
    "b": (IMM8, PLAIN),
    "B": (MODRM | IMM8, PLAIN),
    "z": (IMMZ, PLAIN),
    "Z": (MODRM | IMMZ, PLAIN),
    "v": (IMMV, PLAIN),
    "o": (MOFFS, PLAIN),
    "e": (IMM16 | IMM8, PLAIN),  # enter
    "t": (MODRM | IMM8 | GROUP_TEST, PLAIN),  # the immediate is there for /0 and /1, which are `test`
    "T": (MODRM | IMMZ | GROUP_TEST, PLAIN),
    "n": (MODRM | IMM8, MOV_IMM),  # /0 alone: the others are transactional
    "N": (MODRM | IMMZ, MOV_IMM),
    "c": (IMM8, BRANCH),
    "C": (IMMZ, BRANCH),
    "j": (IMM8, JUMP),
    "J": (IMMZ, JUMP),
    "K": (IMMZ, CALL),
    "f": (MODRM, GROUP_FF),
    "s": (0, STOP),
    "w": (IMM16, STOP),  # ret n
    "S": (0, SYSCALL),
    "i": (IMM8, OTHER),  # int n
    "p": (0, PREFIX),
    "x": (0, REX),
    "2": (0, ESCAPE),
    "V": (0, VEX2),
    "W": (0, VEX3),
    "E": (0, EVEX),
    "P": (MODRM, POP),
}

ONE_BYTE = (
    "mmmmbz-- mmmmbz-2"
    "mmmmbz-- mmmmbz--"
    "mmmmbzp- mmmmbzp-"
    "mmmmbzp- mmmmbzp-"
    "xxxxxxxx xxxxxxxx"
    "........ ........"
    "--Empppp zZbB...."
    "cccccccc cccccccc"
    "BZ-Bmmmm mmmmmmmP"
    "........ ..-....."
    "oooo.... bz......"
    "bbbbbbbb vvvvvvvv"
    "BBwsWVnN e.wssi-s"
    "mmmm---. mmmmmmmm"
    "ccccbbbb KJ-j...."
    "pspps.tT ......mf"
)

#: After 0f. 38 and 3a lead to maps of their own, in which every opcode has a ModRM byte, and in 3a an immediate one.
TWO_BYTE = (
    "mmmm-S.. ..-s-m.B"
    "mmmmmmmm mmmmmmmm"
    "-------- mmmmmmmm"
    "....ss-. 2-2-----"
    "mmmmmmmm mmmmmmmm"
    "mmmmmmmm mmmmmmmm"
    "mmmmmmmm mmmmmmmm"
    "BBBBmmm. ----mmmm"
    "CCCCCCCC CCCCCCCC"
    "mmmmmmmm mmmmmmmm"
    "...mBm-- ...mBmmm"
    "mmmmmmmm m-Bmmmmm"
    "mmBmBBBm ........"
    "mmmmmmmm mmmmmmmm"
    "mmmmmmmm mmmmmmmm"
    "mmmmmmmm mmmmmmm-"
)


def codes(letters: str) -> list[int]:
    """256 numbers for a map: the operand bytes in the lower byte, where it leads in the upper."""
    result = [operands | kind << 8 for operands, kind in (LETTERS[letter] for letter in letters.replace(" ", ""))]
    if len(result) != 256:
        raise ValueError(f"a map of opcodes has 256 letters, not {len(result)}")
    return result

"""The length decoder of the shim against capstone, and what it lets patching displace: no boundary may be wrong.

Streams of random instructions have a `syscall` planted among them and within them. A site that is an instruction may have the
instruction before it displaced, and only there; bytes that merely look like one never.
"""

from __future__ import annotations

import os
import random

import harness
import pytest
from elftools.elf.elffile import ELFFile

from lsf import _shim
from lsf._build import instructions

try:
    import capstone
except ImportError:
    capstone = None

SYSCALL = b"\x0f\x05"
STREAMS = 200_000 if os.environ.get("LSF_TEST_STRESS") == "full" else 3_000
#: Of one text: capstone is in C, the loop around it is not.
TEXT_MAX = 400_000


@pytest.fixture(scope="module")
def decoder():
    if capstone is None:
        harness.missing_tool("the length decoder beside another", "capstone is not installed: pip install capstone")
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def boundaries(decoder, text):
    """{offset: length} of a text that is decoded from its beginning; it ends where capstone does."""
    return {address: size for address, size, _, _ in decoder.disasm_lite(text, 0)}


# ---------------------------------------------------------------- the table


def test_maps_are_whole():
    assert len(instructions.codes(instructions.ONE_BYTE)) == 256
    assert len(instructions.codes(instructions.TWO_BYTE)) == 256


@pytest.mark.parametrize(
    "code, length",
    [
        ("90", 1), ("f3 90", 2), ("c3", 1), ("0f 05", 2), ("b8 14 00 00 00", 5), ("66 b8 14 00", 4), ("48 b8 01 02 03 04 05 06 07 08", 10),
        ("48 8b 54 24 28", 5), ("4c 8b 4c 24 40", 5), ("48 8d 74 24 08", 5), ("49 89 ca", 3), ("48 c7 c0 03 00 00 00", 7),
        ("c7 44 24 b8 14 00 00 00", 8), ("66 c7 44 24 b8 14 00", 7), ("f6 04 25 00 00 00 00 01", 8), ("f6 14 25 00 00 00 00", 7),
        ("f7 c0 01 00 00 00", 6), ("f7 d8", 2), ("a1 01 02 03 04 05 06 07 08", 9), ("67 a1 01 02 03 04", 6), ("c8 10 00 01", 4),
        ("0f 1f 84 00 00 00 00 00", 8), ("66 2e 0f 1f 84 00 00 00 00 00", 10), ("0f 38 00 c1", 4), ("66 0f 3a 0f c1 08", 6),
        ("c5 f8 77", 3), ("c5 f9 70 c1 08", 5), ("c4 e2 79 18 05 00 00 00 00", 9), ("c4 e3 7d 19 c1 01", 6),
        ("62 f1 7c 48 28 05 00 00 00 00", 10), ("62 f3 fd 48 1b c1 01", 7), ("8f c0", 2), ("ff 25 00 00 00 00", 6), ("ff d0", 2),
        ("e8 00 00 00 00", 5), ("66 66 48 e8 00 00 00 00", 8), ("0f 84 00 00 00 00", 6), ("f0 48 0f b1 0a", 5), ("cd 80", 2),
    ],
)  # fmt: skip
def test_lengths(code, length):
    assert _shim.instruction(bytes.fromhex(code) + bytes(15))[0] == length


@pytest.mark.parametrize(
    "code",
    ["06", "62 08 00 00 00 00", "0f ff c0", "0f 0a", "66 e9 00 00 00 00", "c7 f8 00 00 00 00", "ff f8", "48 c5 f8 77", "66 c4 e2 79 18 c0",
     "82 c0 01", "d6", "ea", "0f 20 c0", "66" * 15 + "90", "48"],
)  # fmt: skip
def test_what_is_not_decoded(code):
    """What no processor executes, or not all alike, or only the kernel."""
    assert _shim.instruction(bytes.fromhex(code) + (bytes(15) if len(code) > 2 else b"")) is None


def test_cut_instructions_are_none():
    for code in (
        "48 8b 54 24 28",
        "48 b8 01 02 03 04 05 06 07 08",
        "c4 e2 79 18 05 00 00 00 00",
        "62 f1 7c 48 28 05 00 00 00 00",
        "c8 10 00 01",
    ):
        whole = bytes.fromhex(code)
        assert _shim.instruction(whole)[0] == len(whole)
        assert [_shim.instruction(whole[:n]) for n in range(len(whole))] == [None] * len(whole)


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(decoder, seed):
    """Wherever both know an instruction it has one length. (Capstone knows the 3DNow and privileged ones, too.)"""
    source = random.Random(seed)
    known = 0
    for _ in range(20_000):
        code = source.randbytes(15)
        if source.random() < 0.5:
            code = bytes([source.choice(b"\x0f\x48\x66\xf3\xf2\xc4\xc5\x62")]) + code[:14]
        ours = _shim.instruction(code)
        theirs = next(decoder.disasm_lite(code, 0, 1), None)
        if ours is None or theirs is None:
            continue
        known += 1
        assert ours[0] == theirs[1], (code.hex(" "), theirs, ours)
    assert known > 5_000


# ---------------------------------------------------------------- real text


def texts():
    """(name, segments' text) of programs and libraries that other compilers made."""
    found = []
    for root in harness.roots():
        found += [
            root / name
            for name in (
                "lib/libc.so.7",
                "lib/libthr.so.3",
                "libexec/ld-elf.so.1",
                "lib/libm.so.5",
                "bin/busybox",
                "bin/sh",
            )
        ]
    return [path for path in found if path.is_file()]


def check_text(decoder, path):
    with open(path, "rb") as stream:
        elf = ELFFile(stream)
        table = elf.get_section_by_name(".symtab") or elf.get_section_by_name(".dynsym")
        functions = sorted({symbol["st_value"] for symbol in table.iter_symbols()
                            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_value"]}) if table else []  # fmt: skip
        segment = next(part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD" and part["p_flags"] & 1)
        text, base = segment.data(), segment["p_vaddr"]
    total = displaced = 0
    sites = []
    at = text.find(SYSCALL)
    while at >= 0:
        sites.append(at)
        at = text.find(SYSCALL, at + 1)
    functions = [start - base for start in functions if 0 <= start - base < len(text)]
    for start, end in zip(functions, [*functions[1:], len(text)], strict=True):
        body = text[start : min(end, start + 8192)]
        if total > TEXT_MAX and not any(start <= site < end for site in sites):
            continue
        found = boundaries(decoder, body)
        total += len(body)
        for offset, size in found.items():
            ours = _shim.instruction(body[offset : offset + 15])
            assert ours is None or ours[0] == size, (
                path,
                hex(base + start + offset),
                body[offset : offset + 15].hex(" "),
            )
        for site in sites:
            if start <= site < start + len(body) - 2:
                answer = _shim.displaced(body, site - start)
                if answer is not None:
                    displaced += 1
                    assert answer[0] in found and site - start in found, (path, hex(base + site))
                    assert found[answer[0]] >= 5
    return total, displaced


def test_text_of_roots(decoder):
    paths = texts()
    if not paths:
        harness.not_covered("instructions of FreeBSD's libraries", "no root in LSF_TEST_ROOTS")
    results = {path: check_text(decoder, path) for path in paths}
    assert all(total for total, _ in results.values())
    assert sum(displaced for _, displaced in results.values()) > 100


def test_text_of_a_go_program(decoder):
    total, displaced = check_text(decoder, harness.build_go(harness.TESTS / "go" / "hello"))
    assert total > TEXT_MAX and displaced > 5


# ---------------------------------------------------------------- streams


def random_instruction(source, decoder):
    """Bytes of one instruction that falls through, as capstone has it."""
    while True:
        code = source.randbytes(12)
        first = next(decoder.disasm_lite(code, 0, 1), None)
        ours = _shim.instruction(code)
        if first is not None and ours is not None and ours[:2] == (first[1], instructions.PLAIN):
            return code[: first[1]]


def stream(source, decoder, pool):
    """A function of random instructions with some syscalls as instructions, and its boundaries."""
    body, starts = b"", []
    for _ in range(source.randrange(4, 40)):
        piece = SYSCALL if source.random() < 0.15 else source.choice(pool)
        if source.random() < 0.25 and len(piece) > 3 and SYSCALL not in piece:
            # The bytes of a syscall within an instruction: as its immediate or displacement.
            at = source.randrange(1, len(piece) - 1)
            other = piece[:at] + SYSCALL + piece[at + 2 :]
            seen = _shim.instruction(other + bytes(15))
            if seen is not None and seen[0] == len(other) and seen[1] == instructions.PLAIN:
                piece = other
        starts.append(len(body))
        body += piece
    return body + b"\xc3", starts


def test_streams(decoder):
    """Of bytes that look like a syscall only instructions are sites, and what is displaced begins where one begins."""
    source = random.Random(int.from_bytes(SYSCALL, "little"))
    pool = [random_instruction(source, decoder) for _ in range(3_000)]
    # What compilers put before a syscall.
    pool += [
        bytes.fromhex(code)
        for code in ("b814000000", "488b542428", "4c8b4c2440", "488d742408", "4989ca", "48c7c003000000")
    ] * 60
    proven = 0
    for _ in range(STREAMS):
        body, starts = stream(source, decoder, pool)
        found = set(starts)
        at = body.find(SYSCALL)
        while at >= 0:
            answer = _shim.displaced(body, at)
            if answer is not None:
                proven += 1
                start, size = answer
                assert at in found, (body.hex(" "), at)
                assert start in found and start + size == at, (body.hex(" "), at, answer)
                assert starts[starts.index(start) + 1] - start >= 5
            at = body.find(SYSCALL, at + 1)
    assert proven > STREAMS // 4


def test_a_branch_into_what_would_be_displaced():
    """mov $20,%eax is displaced, unless a branch leads into it: it is no single instruction then."""
    plain = bytes.fromhex("75 02 90 90 b8 14 00 00 00 0f 05 c3")
    entered = bytes.fromhex("75 05 90 90 b8 14 00 00 00 0f 05 c3")
    answers = {_shim.displaced(b"\x90" * pad + plain, pad + 9) == (pad + 4, 5) for pad in range(64)}
    assert True in answers  # False where the jump would lie across a cache line
    assert {_shim.displaced(b"\x90" * pad + entered, pad + 9) for pad in range(64)} == {None}


def test_what_follows_an_unconditional_jump_is_not_text():
    """A table after a jump looks like the beginning of an instruction that would swallow the load."""
    code = bytes.fromhex("eb 03 c7 44 24 b8 14 00 00 00 0f 05 c3")
    answers = {_shim.displaced(b"\x90" * pad + code, pad + 10) for pad in range(64)}
    assert answers <= {None} | {(pad + 5, 5) for pad in range(64)}
    assert len(answers) > 32

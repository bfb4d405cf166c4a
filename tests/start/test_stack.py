"""The main stack of guests where the surroundings differ: limits, layouts, program headers that ask for a size."""

from __future__ import annotations

import ctypes
import random
import resource
import signal
import struct

import harness
import pytest

MIB = 1 << 20
DEFAULT, MAXSSIZ = 8 * MIB, 512 * MIB
HARD = resource.getrlimit(resource.RLIMIT_STACK)[1]
PT_GNU_STACK = 0x6474E551
ADDR_NO_RANDOMIZE = 0x0040000

wide = pytest.mark.skipif(HARD != resource.RLIM_INFINITY, reason="the hard limit of the stack is not unlimited here")
EVERY_WAY = pytest.mark.engines("sud", "trap", "ptrace", "sud-cli")


@pytest.fixture(scope="module")
def stack():
    return harness.compile_guest("stack")


def limited(soft: int, hard: int = HARD):
    return lambda: resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def sized(program, size: int, path):
    """The program with another p_memsz in its PT_GNU_STACK."""
    data = bytearray(program.read_bytes())
    (offset,) = struct.unpack_from("<Q", data, 32)
    entry, count = struct.unpack_from("<HH", data, 54)
    for at in range(offset, offset + entry * count, entry):
        if struct.unpack_from("<I", data, at)[0] == PT_GNU_STACK:
            struct.pack_into("<Q", data, at + 40, size)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@wide
@EVERY_WAY
@pytest.mark.parametrize("soft", [DEFAULT, resource.RLIM_INFINITY, 1 << 40])
def test_half_a_gigabyte(lsf, stack, soft):
    lsf(stack, "@use", str(400 * MIB), before=limited(soft)).check(f"{MAXSSIZ}\n")


@wide
@EVERY_WAY
def test_where_linux_leaves_little_room(lsf, stack):
    """Without randomisation, and for whoever was executed with a small limit, Linux leaves 128 MiB below the stack."""

    def before():
        resource.setrlimit(resource.RLIMIT_STACK, (DEFAULT, HARD))
        assert ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE) >= 0

    lsf(stack, "@use", str(400 * MIB), before=before).check(f"{MAXSSIZ}\n")
    for case in ("deep", "guard", "addresses_are_set_aside", "shown", "inherited"):
        lsf(stack, case, before=before).check(f"ok stack.{case}\n")
    start = harness.compile_guest("start")
    for case in ("stack_top", "ps_strings", "auxv_complete", "auxv_arguments", "start_block_writable"):
        lsf(start, case, before=before).check(f"ok start.{case}\n")
    result = lsf(start, "@arguments", "one", "two words", before=before)
    result.check("[one]\n[two words]\n")


@EVERY_WAY
def test_the_hard_limit_is_the_end(lsf, stack):
    lsf(stack, "@use", str(12 * MIB), before=limited(DEFAULT, 16 * MIB)).check(f"{16 * MIB}\n")
    result = lsf(stack, "@use", str(20 * MIB), before=limited(DEFAULT, 16 * MIB))
    assert result.returncode == -signal.SIGSEGV, result.explain()


@wide
@EVERY_WAY
@pytest.mark.parametrize("size", [1 * MIB, 16 * MIB, 100 * MIB])
def test_a_chosen_limit_is_kept(lsf, stack, size):
    lsf(stack, "@use", str(size // 2), before=limited(size)).check(f"{size}\n")


@wide
@pytest.mark.engines("sud", "ptrace")
@pytest.mark.parametrize("soft", [DEFAULT, 32 * MIB, resource.RLIM_INFINITY])
@pytest.mark.parametrize("how", ["@execute", "@spawn"])
def test_linux_programs_have_the_users_limit(lsf, stack, soft, how):
    """As it was before LSF; a limit that a guest sets is theirs too."""
    shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft // 1024)
    arguments = (how, "/bin/sh", "-c", "ulimit -s")
    lsf(stack, *arguments, before=limited(soft)).check(f"{shown}\n")
    lsf(stack, "@execute", str(stack), *arguments, before=limited(soft)).check(f"{shown}\n")
    if how == "@execute":
        lsf(stack, *arguments, env={"STACK": str(64 * MIB)}, before=limited(soft)).check(f"{64 * 1024}\n")


@wide
@EVERY_WAY
@pytest.mark.parametrize(
    ("header", "size", "limit"),
    [
        (MIB, MIB, MAXSSIZ),
        (16 * MIB, 16 * MIB, MAXSSIZ),
        (256 * 1024 + 5, 256 * 1024, MAXSSIZ),
        (MAXSSIZ, MAXSSIZ, MAXSSIZ),
        (1 << 40, MAXSSIZ, MAXSSIZ),
        (1 << 63, MAXSSIZ, MAXSSIZ),
        (2**64 - 1, MAXSSIZ, MAXSSIZ),
    ],
)
def test_size_in_the_program_header(lsf, stack, header, size, limit):
    """exec_map_stack: no larger than the hard limit, and the soft one stays."""
    program = sized(stack, header, lsf.cwd / "sized")
    lsf(program, "@own_size", str(size), str(limit)).check("as large as it should be\n")
    lsf(stack, "@execute", str(program), "@own_size", str(size), str(limit)).check("as large as it should be\n")


@wide
@EVERY_WAY
def test_the_program_header_raises_the_soft_limit(lsf, stack):
    program = sized(stack, 16 * MIB, lsf.cwd / "sized")
    before = limited(2 * MIB)
    lsf(program, "@own_size", str(16 * MIB), str(16 * MIB), before=before).check("as large as it should be\n")
    result = lsf(program, "@own_size", str(8 * MIB), str(8 * MIB), before=limited(2 * MIB, 8 * MIB))
    result.check("as large as it should be\n")
    if lsf.mode != "trap":
        lsf(program, "@execute", "/bin/sh", "-c", "ulimit -s", before=before).check("2048\n")


@EVERY_WAY
@pytest.mark.parametrize("header", [1, 4095, 4096, 8192])
def test_a_stack_too_small_for_its_arguments(lsf, stack, header):
    """FreeBSD kills the process when the old program is gone already (exec_fail_dealloc: exit1 with SIGABRT)."""
    program = sized(stack, header, lsf.cwd / "sized")
    result = lsf(program, "@use", "1")
    assert result.returncode == 126, result.explain()
    assert str(program) in result.stderr and result.stderr.count("\n") == 1, result.explain()
    result = lsf(stack, "@execute", str(program), "@use", "1")
    assert result.returncode == -signal.SIGABRT, result.explain()


@EVERY_WAY
def test_many_arguments_on_a_small_stack(lsf, stack):
    program = sized(stack, 128 * 1024, lsf.cwd / "sized")
    lsf(program, "@use", "1024", *["x" * 100] * 20).check(None)
    result = lsf(program, "@use", "1024", *["x" * 1000] * 200)
    assert result.returncode == 126, result.explain()
    assert "bug" not in result.stderr, result.explain()


@pytest.mark.engines("sud", "ptrace")
def test_random_sizes_and_limits(lsf, stack):
    """It runs, or it is refused, or the limit ends it; the shim itself never falls over a size."""
    rng = random.Random(lsf.engine)
    for _ in range(40):
        header = rng.choice([rng.getrandbits(64), rng.getrandbits(31), rng.getrandbits(18), 1 << rng.randrange(64)])
        soft = rng.choice([rng.getrandbits(30), rng.getrandbits(20), 1 << rng.randrange(17, 40)]) + (128 << 10)
        program = sized(stack, header, lsf.cwd / "sized")
        result = lsf(program, "@use", "4096", before=limited(min(soft, HARD) if HARD > 0 else soft))
        assert result.returncode in (0, 126, -signal.SIGSEGV), (header, soft, result.explain())
        assert "bug" not in result.stderr and result.stderr.count("\n") < 2, (header, soft, result.explain())


@wide
@pytest.mark.engines("sud")
def test_under_a_limit_of_addresses(lsf, stack):
    """RLIMIT_AS counts what is used of the stack, not what it could become."""

    def before():
        resource.setrlimit(resource.RLIMIT_STACK, (DEFAULT, HARD))
        resource.setrlimit(resource.RLIMIT_AS, (300 * MIB, 300 * MIB))

    lsf(stack, "@use", str(100 * MIB), before=before).check(f"{MAXSSIZ}\n")

"""Single calls, by lane and engine, beside the same loop on Linux."""

import shutil
import subprocess
from pathlib import Path

import harness
import pytest
from conftest import printed_nanoseconds

pytestmark = pytest.mark.calls

#: loop: (the lane it takes under LSF, how many calls take some tenths of a millisecond)
LOOPS = {
    "getppid": ("pass", 2_000),
    "read": ("pass", 2_000),
    "write": ("pass", 2_000),
    "lseek": ("translate", 2_000),
    "fstat": ("translate", 1_000),
    "stat": ("translate", 200),
    "open_close": ("translate", 150),
    "mmap_munmap": ("translate", 100),
    "sigprocmask": ("translate", 4_000),
    "signal_self": ("translate", 50),
    "refused": ("refuse", 4_000),
}
#: What the shim answers by itself: no measure of what a call costs.
NO_LINUX_CALL = ("sigprocmask", "refused")
SAMPLES = 300
#: Every call traps.
UNPATCHED = {"sud": 100, "trap": 100, "ptrace": 20}


@pytest.mark.parametrize("loop", LOOPS)
def test_call(compare, engine, loop):
    lane, chunk = LOOPS[loop]
    compare(engine, "calls", loop, chunk, SAMPLES, lane=lane, linux_calls=loop not in NO_LINUX_CALL)


def test_clock_gettime(compare, engine):
    """The guest makes the call; on Linux a program takes the vDSO, which LSF takes for it."""
    compare(
        engine, "calls", "clock_gettime", 10_000, SAMPLES, native_is="Linux's vDSO", lane="translate", linux_calls=False
    )


def test_readdir(compare, engine, tmp_path_factory):
    """A directory of 2,000 files: open, read all entries, close."""
    folder = tmp_path_factory.mktemp("entries", numbered=True)
    for number in range(2000):
        (folder / f"file{number:04}").touch()
    compare(engine, "calls", "readdir_2000", 1, 100, str(folder), per="directory", lane="translate")


def test_unpatched(compare, engine):
    """Every call traps: what a site costs that cannot be patched, or was met only once."""
    compare(engine, "calls", "getppid", UNPATCHED[engine], SAMPLES, native_chunk=2_000, patch=False, lane="pass")


@pytest.fixture(scope="session")
def clock_root(tmp_path_factory):
    """A root with libc, in it libc_clock, and the same program for Linux beside it."""
    needed = ("usr/lib/crt1.o", "usr/include/stdio.h", "lib/libc.so.7", "libexec/ld-elf.so.1")
    sysroot = harness.root_with(*needed, covers="clock_gettime by FreeBSD's libc", releases=(13, 14, 15))
    source = Path(__file__).with_name("libc_clock.c")
    root = harness.copy_root(sysroot, tmp_path_factory.mktemp("clock"), ("lib", "libexec", "usr/lib", "etc"))
    shutil.copy(harness.compile_dynamic(source, sysroot, ()), root / "guest")
    subprocess.run(["gcc", "-O1", str(source), "-o", str(root / "native")], check=True)
    return root


def test_libc_clock_gettime(side_by_side, engine, clock_root, tmp_path):
    """By FreeBSD's libc, which may do without a system call, beside glibc."""
    run, chunk = harness.Runner(engine, tmp_path), 10_000
    words = [str(chunk), str(SAMPLES)]
    side_by_side(lambda: int(run("/guest", *words, root=clock_root).check(stderr=None).stdout),
                 lambda: printed_nanoseconds([str(clock_root / "native"), *words]),
                 chunk, native_is="glibc", engine=engine, linux_calls=False)  # fmt: skip

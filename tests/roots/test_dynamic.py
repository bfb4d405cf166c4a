"""Dynamic C programs, compiled here against a FreeBSD root that is a sysroot, and run in a copy of it."""

from __future__ import annotations

import resource
import shutil

import harness
import pytest

PROGRAMS = harness.GUESTS / "dynamic"
NEEDED = ("usr/lib/crt1.o", "usr/include/stdio.h", "lib/libc.so.7", "libexec/ld-elf.so.1")


@pytest.fixture(scope="session")
def sysroot():
    """A FreeBSD root with headers and crt files (13 or later)."""
    return harness.root_with(*NEEDED, covers="dynamic C programs, libthr and __thread", releases=(13, 14, 15))


@pytest.fixture(scope="session")
def root(sysroot, tmp_path_factory):
    """A root of the session's own with the sysroot's libraries, and a shell where some root has one."""
    target = harness.copy_root(sysroot, tmp_path_factory.mktemp("dynamic"), ("lib", "libexec", "usr/lib", "etc"))
    for other in harness.roots():
        if (other / "bin/sh").exists() and harness.root_release(other) in (10, 11, 12):
            harness.copy_root(other, target, ("bin",))
            for library in (other / "lib").glob("lib*.so.*"):
                if not (target / "lib" / library.name).exists():
                    shutil.copy(library, target / "lib" / library.name)
            break
    return target


def run(lsf, root, sysroot, name: str, flags=("-lpthread",)):
    """Compile, put it into the root and run it in a folder of its own there."""
    program = harness.compile_dynamic(PROGRAMS / f"{name}.c", sysroot, flags)
    work = root / "work" / f"{name}-{lsf.engine}"
    work.mkdir(exist_ok=True)
    shutil.copy(program, work / name)
    return lsf(f"/work/{work.name}/{name}", root=root, cwd=f"/work/{work.name}", timeout=60)


def test_threads(lsf, root, sysroot):
    run(lsf, root, sysroot, "threads").check("threads ok\n")


def test_cancel(lsf, root, sysroot):
    """pthread_cancel at each of libthr's cancellation points."""
    run(lsf, root, sysroot, "cancel", ("-lrt", "-lpthread")).check("cancel ok\n")


def test_libc(lsf, root, sysroot):
    if not (root / "bin/sh").exists():
        harness.not_covered("libc's popen, system and posix_spawn", "no root with bin/sh in LSF_TEST_ROOTS")
    run(lsf, root, sysroot, "libc", ("-lm",)).check("libc ok\n")


def test_realtime(lsf, root, sysroot):
    """librt's SIGEV_THREAD: notifications come as signals to a thread of its own."""
    (root / "tmp").mkdir(exist_ok=True)
    run(lsf, root, sysroot, "realtime", ("-lrt", "-lpthread")).check("realtime ok\n")


def test_casper(lsf, root, sysroot):
    """libcasper's services, and a program in capability mode that lives on them."""
    if not (root / "lib/casper").exists() or not (sysroot / "usr/include/casper/cap_fileargs.h").exists():
        harness.not_covered("libcasper", "no sysroot in LSF_TEST_ROOTS has it")
    flags = ("-lcasper", "-lcap_pwd", "-lcap_sysctl", "-lcap_fileargs", "-lnv", "-Wl,--allow-shlib-undefined")
    run(lsf, root, sysroot, "casper", flags).check("casper ok\n")


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY,
                    reason="the hard limit of the stack is not unlimited here")  # fmt: skip
@pytest.mark.parametrize("flags", [("-lpthread",), ("-lpthread", "-fPIE", "-pie")], ids=["fixed", "pie"])
def test_main_stack(lsf, root, sysroot, flags):
    """libthr keeps the threads' stacks out of the 512 MiB of the main one, and all of those can be used."""
    run(lsf, root, sysroot, "stack", flags).check("stack ok\n")


def test_position_independent(lsf, root, sysroot):
    """A PIE is loaded somewhere, with room for its break."""
    result = run(lsf, root, sysroot, "threads", ("-lpthread", "-fPIE", "-pie"))
    result.check("threads ok\n")

"""Every struct and constant of lsf/structs against the real headers: FreeBSD's by ziglang, Linux's by the host's gcc.

The headers are compiled into an array of numbers, which is read back from the object file; nothing is run.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from lsf import _structs
from lsf._build import layout

FREEBSD = """
#define _WANT_FREEBSD11_STAT
#define _WANT_FREEBSD11_DIRENT
#define _WANT_FREEBSD11_STATFS
#define _WANT_FREEBSD11_KEVENT
#include <sys/param.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/dirent.h>
#include <sys/mount.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/timespec.h>
#include <sys/resource.h>
#include <sys/fcntl.h>
#include <sys/poll.h>
#include <sys/signal.h>
#include <sys/ucontext.h>
#include <machine/sigframe.h>
#include <sys/thr.h>
#include <sys/umtx.h>
#include <sys/rtprio.h>
#include <sys/sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/ucred.h>
#include <netinet/in.h>
#include <sys/user.h>
#include <sys/exec.h>
#include <sys/vdso.h>
#include <sys/caprights.h>
#include <sys/procctl.h>
#include <sys/aio.h>
#include <sys/vmmeter.h>
#include <vm/vm_param.h>
#include <sys/termios.h>
#include <sys/wait.h>
#include <sys/elf.h>
"""

# struct nstat is visible to the kernel only.
FREEBSD_KERNEL = """
#define _KERNEL
#include <sys/types.h>
#include <sys/_timespec.h>
#include <sys/stat.h>
"""

LINUX_LIBC = """
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <netinet/in.h>
#include <time.h>
#include <elf.h>
"""

# These cannot be included together with libc's <signal.h> and <termios.h>.
LINUX_KERNEL = """
#include <linux/types.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/termbits.h>
"""

_KINFO_FILE = "__typeof__(((struct kinfo_file *)0)->{})"
_SIGINFO = "__typeof__(((siginfo_t *)0)->{})"

#: Where the C name is not the struct's own. The value None: no C struct stands for it (the reason beside it).
FREEBSD_TYPES = {
    "freebsd_oflock": "struct __oflock",
    "freebsd_wrusage": "struct __wrusage",
    "freebsd_sigset": "__sigset_t",
    "freebsd_stack": "stack_t",
    "freebsd_sigval": "union sigval",
    "freebsd_siginfo": "siginfo_t",
    "freebsd_siginfo_reason": _SIGINFO.format("_reason"),
    "freebsd_siginfo_timer": _SIGINFO.format("_reason._timer"),
    "freebsd_mcontext": "mcontext_t",
    "freebsd_ucontext": "ucontext_t",
    "freebsd_usem": "struct _usem",
    "freebsd_usem2": "struct _usem2",
    "freebsd_umtx_time": "struct _umtx_time",
    "freebsd_kf_un": _KINFO_FILE.format("kf_un"),
    "freebsd_kf_sock": _KINFO_FILE.format("kf_un.kf_sock"),
    "freebsd_kf_file": _KINFO_FILE.format("kf_un.kf_file"),
    "freebsd_kf_pipe": _KINFO_FILE.format("kf_un.kf_pipe"),
    "freebsd_kf_pts": _KINFO_FILE.format("kf_un.kf_pts"),
    "freebsd_kf_proc": _KINFO_FILE.format("kf_un.kf_proc"),
    "freebsd_aiocb_private": "struct __aiocb_private",
    "freebsd_auxinfo": "Elf64_Auxinfo",
    "freebsd11_stat": "struct freebsd11_stat",
    "freebsd11_dirent": "struct freebsd11_dirent",
    "freebsd11_statfs": "struct freebsd11_statfs",
    "freebsd11_kevent": "struct freebsd11_kevent",
    "Elf64_Ehdr": "Elf64_Ehdr",
    "Elf64_Phdr": "Elf64_Phdr",
    "Elf64_Nhdr": "Elf_Nhdr",
}

#: C member for ours, where it differs; None: padding that C has no name for.
FREEBSD_MEMBERS = {
    "freebsd_sigset.bits": "__bits",
    "freebsd_siginfo.reason": "_reason",
    "freebsd_siginfo_timer.timerid": "_timerid",
    "freebsd_siginfo_timer.overrun": "_overrun",
    "freebsd_siginfo_reason.trapno": "_fault._trapno",
    "freebsd_siginfo_reason.timer": "_timer",
    "freebsd_siginfo_reason.mqd": "_mesgq._mqd",
    "freebsd_siginfo_reason.band": "_poll._band",
    "freebsd_siginfo_reason.syscall": "_capsicum._syscall",
    "freebsd_siginfo_reason.spare": "__spare__",
    "freebsd_ucontext.uc_spare": "__spare__",
    "freebsd_ucontext.uc_padding": None,
    "freebsd_sigframe.sf_handler": "sf_ahu",
    "freebsd_sigframe.sf_padding": None,
    "freebsd_sigevent.sigev_un": "_sigev_un",
    "freebsd_usem.has_waiters": "_has_waiters",
    "freebsd_usem.count": "_count",
    "freebsd_usem.flags": "_flags",
    "freebsd_usem2.count": "_count",
    "freebsd_usem2.flags": "_flags",
    "freebsd_umtx_time.timeout": "_timeout",
    "freebsd_umtx_time.flags": "_flags",
    "freebsd_umtx_time.clockid": "_clockid",
    "freebsd_kinfo_file.kf_ispare0": "_kf_ispare0",
    "freebsd_kinfo_file.kf_cap_spare": "_kf_cap_spare",
    "freebsd_kinfo_vmentry.kve_ispare": "_kve_ispare",
    "freebsd_sockaddr_storage.ss_pad1": "__ss_pad1",
    "freebsd_sockaddr_storage.ss_align": "__ss_align",
    "freebsd_sockaddr_storage.ss_pad2": "__ss_pad2",
    "freebsd_aiocb.spare": "__spare__",
    "freebsd_aiocb.spare2": "__spare2__",
    "freebsd_aiocb.aiocb_private": "_aiocb_private",
    "freebsd_auxinfo.a_val": "a_un.a_val",
    "freebsd_vdso_timekeep.tk_padding": None,
    "freebsd_vdso_fxrng_generation.fx_reserved": "_fx_reserved",
}

FREEBSD_KERNEL_TYPES = {"freebsd_nstat": "struct nstat"}

_LINUX_SIGINFO = "__typeof__(((siginfo_t *)0)->_sifields{})"

LINUX_KERNEL_TYPES = {
    "linux_sigaction": "struct sigaction",
    "linux_stack": "stack_t",
    "linux_siginfo": "siginfo_t",
    "linux_siginfo_fields": _LINUX_SIGINFO.format(""),
    "linux_siginfo_kill": _LINUX_SIGINFO.format("._rt"),
    "linux_siginfo_timer": _LINUX_SIGINFO.format("._timer"),
    "linux_siginfo_child": _LINUX_SIGINFO.format("._sigchld"),
    "linux_siginfo_fault": _LINUX_SIGINFO.format("._sigfault"),
    "linux_siginfo_poll": _LINUX_SIGINFO.format("._sigpoll"),
    "linux_siginfo_sys": _LINUX_SIGINFO.format("._sigsys"),
    "linux_sigcontext": "struct sigcontext",
    "linux_ucontext": "struct ucontext",
    "linux_fpx_sw_bytes": "struct _fpx_sw_bytes",
    "linux_termios": "struct termios",
    "linux_termios2": "struct termios2",
}

LINUX_KERNEL_MEMBERS = {
    "linux_siginfo.si_padding": None,
    "linux_siginfo.fields": "_sifields",
    "linux_siginfo_fields.kill": "_rt",
    "linux_siginfo_fields.timer": "_timer",
    "linux_siginfo_fields.child": "_sigchld",
    "linux_siginfo_fields.fault": "_sigfault",
    "linux_siginfo_fields.poll": "_sigpoll",
    "linux_siginfo_fields.sys": "_sigsys",
    "linux_siginfo_fields.padding": None,
    "linux_siginfo_kill.pid": "_pid",
    "linux_siginfo_kill.uid": "_uid",
    "linux_siginfo_kill.value": "_sigval",
    "linux_siginfo_timer.timerid": "_tid",
    "linux_siginfo_timer.overrun": "_overrun",
    "linux_siginfo_timer.value": "_sigval",
    "linux_siginfo_child.pid": "_pid",
    "linux_siginfo_child.uid": "_uid",
    "linux_siginfo_child.status": "_status",
    "linux_siginfo_child.utime": "_utime",
    "linux_siginfo_child.stime": "_stime",
    "linux_siginfo_fault.addr": "_addr",
    "linux_siginfo_poll.band": "_band",
    "linux_siginfo_poll.fd": "_fd",
    "linux_siginfo_sys.call_addr": "_call_addr",
    "linux_siginfo_sys.syscall": "_syscall",
    "linux_siginfo_sys.arch": "_arch",
}

#: Sizes that cannot be compared: our struct is one member of a C struct or union that has more.
SIZE_DIFFERS = {
    "linux_siginfo_timer": "the kernel's own _sys_private follows",
    "linux_siginfo_fields": "the kernel pads the siginfo, not the union, to 128 bytes",
    "linux_siginfo.fields": "as linux_siginfo_fields",
    "linux_siginfo_fault": "what only some faults carry follows",
    "linux_siginfo_fields.timer": "as linux_siginfo_timer",
    "linux_siginfo_fields.fault": "as linux_siginfo_fault",
}

#: struct rt_sigframe of arch/x86/include/asm/sigframe.h is in no exported header; it is its three members in a row.
NO_HEADER = {"linux_rt_sigframe"}

LINUX_LIBC_TYPES = {
    "linux_epoll_data": "epoll_data_t",
    "linux_fsid": "fsid_t",
    "linux_in6_addr": "struct in6_addr",
    "Elf64_Ehdr": "Elf64_Ehdr",
    "Elf64_Phdr": "Elf64_Phdr",
    "Elf64_Nhdr": "Elf64_Nhdr",
}
LINUX_LIBC_MEMBERS = {"linux_fsid.val": "__val"}


def structs() -> list[str]:
    return [name for name in _structs.SIZES if "." not in name]


def members(name: str) -> list[str]:
    return [key for key in _structs.OFFSETS if key.startswith(name + ".")]


def compile_numbers(command: list[str], preamble: str, expressions: list[str], folder: Path) -> list[int]:
    """The values of C constant expressions, by way of an object file."""
    source = folder / "numbers.c"
    body = ",\n".join(f"(long long)({expression})" for expression in expressions)
    source.write_text(f"{preamble}\nconst long long lsf_numbers[] = {{\n{body}\n}};\n")
    target = folder / "numbers.o"
    result = subprocess.run(
        [*command, "-O0", "-c", str(source), "-o", str(target)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr[-4000:]
    with target.open("rb") as stream:
        elf = ELFFile(stream)
        symbol = elf.get_section_by_name(".symtab").get_symbol_by_name("lsf_numbers")[0]
        data = elf.get_section(symbol["st_shndx"]).data()[symbol["st_value"] :][: symbol["st_size"]]
    assert len(data) == 8 * len(expressions)
    return [int.from_bytes(data[i : i + 8], "little", signed=True) for i in range(0, len(data), 8)]


@functools.cache
def zig_cc() -> tuple[str, ...]:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("SKIPPED ORACLE: ziglang, which has FreeBSD's headers, is not installed: pip install ziglang")
    return (sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-freebsd")


@functools.cache
def host_cc() -> tuple[str, ...]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "no C compiler, yet lsf was built"
    return (compiler, "-m64")


def compare(command, preamble, types, member_names, names, folder) -> None:
    """Compile the headers' numbers for the structs `names`, and list every difference."""
    expected: list[tuple[str, str, int]] = []
    expressions: list[str] = []
    for name in names:
        c_type = types.get(name) or "struct " + name.removeprefix("freebsd_").removeprefix("linux_")
        if name not in SIZE_DIFFERS:
            expected.append((name, "size", _structs.SIZES[name]))
            expressions.append(f"sizeof({c_type})")
        for key in members(name):
            member = member_names.get(key, key.split(".")[1])
            if member is None:
                continue
            expected.append((key, "offset", _structs.OFFSETS[key]))
            expressions.append(f"__builtin_offsetof({c_type}, {member})")
            if key not in SIZE_DIFFERS:
                expected.append((key, "size", _structs.SIZES[key]))
                expressions.append(f"sizeof((({c_type} *)0)->{member})")
    numbers = compile_numbers(list(command), preamble, expressions, folder)
    wrong = [
        f"{key} {what}: ours {ours}, header's {header}"
        for (key, what, ours), header in zip(expected, numbers, strict=True)
        if ours != header
    ]
    assert not wrong, "\n".join(wrong)


def freebsd_structs() -> list[str]:
    return [n for n in structs() if n.startswith(("freebsd", "Elf64")) and n not in FREEBSD_KERNEL_TYPES]


def test_freebsd_structs(tmp_path):
    compare(zig_cc(), FREEBSD, FREEBSD_TYPES, FREEBSD_MEMBERS, freebsd_structs(), tmp_path)


def test_freebsd_kernel_structs(tmp_path):
    compare(zig_cc(), FREEBSD_KERNEL, FREEBSD_KERNEL_TYPES, {}, list(FREEBSD_KERNEL_TYPES), tmp_path)


def test_linux_libc_structs(tmp_path):
    names = [n for n in structs() if n.startswith(("linux", "Elf64")) and n not in LINUX_KERNEL_TYPES]
    names = [n for n in names if n not in NO_HEADER]
    compare(host_cc(), LINUX_LIBC, LINUX_LIBC_TYPES, LINUX_LIBC_MEMBERS, names, tmp_path)


def test_linux_kernel_structs(tmp_path):
    compare(host_cc(), LINUX_KERNEL, LINUX_KERNEL_TYPES, LINUX_KERNEL_MEMBERS, list(LINUX_KERNEL_TYPES), tmp_path)


def test_every_struct_has_an_oracle():
    """A new struct is compared by default: its prefix says with what. Anything else must be said above."""
    assert [n for n in structs() if not n.startswith(("freebsd", "linux", "Elf64"))] == []
    for table in (FREEBSD_TYPES, FREEBSD_KERNEL_TYPES, LINUX_KERNEL_TYPES, LINUX_LIBC_TYPES):
        assert [n for n in table if n not in _structs.SIZES] == []
    for table in (FREEBSD_MEMBERS, LINUX_KERNEL_MEMBERS, LINUX_LIBC_MEMBERS):
        assert [n for n in table if n not in _structs.OFFSETS] == []


#: A few sizes that everything hangs on, so that a broken oracle cannot agree with a broken struct.
KNOWN_SIZES = {
    "freebsd_stat": 224,
    "freebsd11_stat": 120,
    "freebsd_statfs": 2344,
    "freebsd_ucontext": 880,
    "freebsd_mcontext": 800,
    "freebsd_sigframe": 976,
    "freebsd_siginfo": 80,
    "freebsd_thr_param": 104,
    "freebsd_kinfo_proc": 1088,
    "freebsd_kinfo_file": 1392,
    "freebsd_kinfo_vmentry": 1160,
    "linux_stat": 144,
    "linux_sigcontext": 256,
    "linux_siginfo": 128,
}


@pytest.mark.parametrize("name", KNOWN_SIZES)
def test_known_size(name):
    assert _structs.SIZES[name] == KNOWN_SIZES[name]


# --- constants -------------------------------------------------------------------------------------------------------

#: Header's name where it is not ours without the prefix; None: a number of LSF's own, or of a kernel source file.
CONSTANT_NAMES: dict[str, str | None] = {
    name: "_" + name.removeprefix("FREEBSD_") for name in _structs.CONSTANTS if name.startswith("FREEBSD_MC_")
} | {
    "FREEBSD11_STATFS_VERSION": "FREEBSD11_STATFS_VERSION",
    "FREEBSD_SIG_MAXSIG": "_SIG_MAXSIG",
    # kernel sources: SEL_RPL(x, SEL_UPL) of sys/x86/include/segments.h's selectors; arch/x86 segment.h
}


def compare_constants(command, preamble, prefix, folder) -> None:
    ours = {name: value for name, value in _structs.CONSTANTS.items() if name.startswith(prefix)}
    names = {name: CONSTANT_NAMES.get(name, name.removeprefix(prefix + "_")) for name in ours}
    names = {name: header for name, header in names.items() if header is not None}
    numbers = compile_numbers(list(command), preamble, list(names.values()), folder)
    wrong = [
        f"{name}: ours {ours[name]:#x}, header's {number:#x}"
        for name, number in zip(names, numbers, strict=True)
        if ours[name] != number
    ]
    assert not wrong, "\n".join(wrong)


def test_freebsd_constants(tmp_path):
    compare_constants(zig_cc(), FREEBSD, "FREEBSD", tmp_path)


def test_linux_constants(tmp_path):
    compare_constants(host_cc(), LINUX_LIBC, "LINUX", tmp_path)


# --- declared types ----------------------------------------------------------------------------------------------------

_SCALARS = {"char": 1} | {f"{sign}int{bits}_t": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}


def test_declared_width_is_real_width():
    """An `extern` struct has the header's layout whatever we write; a width that is wrong there would cut values off."""
    wrong = []
    for path in layout.STRUCTS.glob("*.pxi"):
        if path == layout.OUTPUT:
            continue
        text = path.read_text()
        for name, names in layout.declarations(text)[0].items():
            body = re.search(rf'(?:struct|union) {name}(?: "[^"]+")?:\n((?:(?: +.*)?\n)+)', text).group(1)
            for member in names:
                declared = re.search(rf'^ +(\w+) {member}\b(?: "[^"]+")?(\[\w+\])?', body, re.M)
                width = _SCALARS.get(declared.group(1)) if declared else None
                if width is None:
                    continue
                size = _structs.SIZES[f"{name}.{member}"]
                if size != width and not (declared.group(2) and size % width == 0):
                    wrong.append(f"{name}.{member}: declared {declared.group(1)}, has {size} bytes")
    assert not wrong, "\n".join(wrong)

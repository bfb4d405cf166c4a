"""Every struct and constant of lsf/freebsd/abi against the real headers: FreeBSD's by ziglang, Linux's by the host's gcc.

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

import harness
import pytest
from elftools.elf.elffile import ELFFile

from lsf import _structs
from lsf.freebsd.tables import numbers

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
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <machine/reg.h>
#include <sys/umtx.h>
#include <sys/rtprio.h>
#include <sys/sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/ucred.h>
#include <netinet/in.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/route.h>
#include <sys/user.h>
#include <sys/exec.h>
#include <sys/vdso.h>
#include <sys/caprights.h>
#include <sys/procctl.h>
#include <sys/aio.h>
#include <sys/vmmeter.h>
#include <sys/devicestat.h>
#include <vm/vm_param.h>
#include <sys/termios.h>
#include <sys/wait.h>
#define COMPAT_FREEBSD7
#define _WANT_SYSVSHM_INTERNALS
#define _WANT_SYSVSEM_INTERNALS
#define _WANT_SYSVMSG_INTERNALS
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/sem.h>
#include <sys/msg.h>
#undef COMPAT_FREEBSD7
#include <sys/elf.h>
#include <machine/segments.h>
#include <machine/trap.h>
#include <sys/queue.h>
#include <sys/file.h>
#include <sys/socketvar.h>
#include <sys/unpcb.h>
#include <netinet/in_pcb.h>
#include <netinet/tcp.h>
#include <netinet/tcp_var.h>
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
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/sem.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <netinet/in.h>
#include <linux/rtnetlink.h>
#include <linux/neighbour.h>
#include <time.h>
#include <elf.h>
#include <signal.h>
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
    "Elf64_Shdr": "Elf64_Shdr",
    "Elf64_Sym": "Elf64_Sym",
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
    "freebsd_xucred.cr_padding0": None,
    "freebsd_xucred.cr_padding1": None,
    "freebsd_semid_ds.sem_base": "__sem_base",
    "freebsd_semid_ds_old.sem_base": "__sem_base",
    "freebsd_msqid_ds.msg_first": "__msg_first",
    "freebsd_msqid_ds.msg_last": "__msg_last",
    "freebsd_msqid_ds_old.msg_first": "__msg_first",
    "freebsd_msqid_ds_old.msg_last": "__msg_last",
    "freebsd_msqid_ds.msg_cbytes": "msg_cbytes",
    "freebsd_aiocb.spare": "__spare__",
    "freebsd_aiocb.spare2": "__spare2__",
    "freebsd_aiocb.aiocb_private": "_aiocb_private",
    "freebsd_auxinfo.a_val": "a_un.a_val",
    "freebsd_vdso_timekeep.tk_padding": None,
    "freebsd_vdso_fxrng_generation.fx_reserved": "_fx_reserved",
    "freebsd_in_conninfo.ie_fport": "inc_ie.ie_fport",
    "freebsd_in_conninfo.ie_lport": "inc_ie.ie_lport",
    "freebsd_in_conninfo.ie_faddr": "inc_ie.ie_dependfaddr",
    "freebsd_in_conninfo.ie_laddr": "inc_ie.ie_dependladdr",
    "freebsd_in_conninfo.ie6_zoneid": "inc_ie.ie6_zoneid",
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
    "Elf64_Shdr": "Elf64_Shdr",
    "Elf64_Sym": "Elf64_Sym",
}
LINUX_LIBC_MEMBERS = {"linux_fsid.val": "__val", "linux_ipc_perm.key": "__key", "linux_ipc_perm.seq": "__seq"}


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
        [*command, "-O0", "-c", str(source), "-o", str(target)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
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
        harness.missing_tool("FreeBSD layouts and constants", "ziglang, which has FreeBSD's headers, is not installed")
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


#: Structs that have not changed since FreeBSD 10, and those that the name freebsd11_ keeps as they were.
UNCHANGED = [
    "freebsd11_stat",
    "freebsd11_dirent",
    "freebsd11_statfs",
    "freebsd11_kevent",
    "freebsd_flock",
    "freebsd_oflock",
    "freebsd_iovec",
    "freebsd_timespec",
    "freebsd_timeval",
    "freebsd_bintime",
    "freebsd_itimerval",
    "freebsd_itimerspec",
    "freebsd_timezone",
    "freebsd_clockinfo",
    "freebsd_rusage",
    "freebsd_wrusage",
    "freebsd_rlimit",
    "freebsd_sigset",
    "freebsd_sigaction",
    "freebsd_stack",
    "freebsd_sigval",
    "freebsd_siginfo",
    "freebsd_mcontext",
    "freebsd_ucontext",
    "freebsd_sigframe",
    "freebsd_sigevent",
    "freebsd_thr_param",
    "freebsd_ucond",
    "freebsd_urwlock",
    "freebsd_usem",
    "freebsd_umtx_time",
    "freebsd_rtprio",
    "freebsd_sched_param",
    "freebsd_pollfd",
    "freebsd_aiocb",
    "freebsd_termios",
    "freebsd_winsize",
    "freebsd_sockaddr",
    "freebsd_sockaddr_in",
    "freebsd_sockaddr_in6",
    "freebsd_sockaddr_un",
    "freebsd_sockaddr_storage",
    "freebsd_msghdr",
    "freebsd_cmsghdr",
    "freebsd_cmsgcred",
    "freebsd_sockcred",
    "freebsd_linger",
    "freebsd_sf_hdtr",
    "freebsd_accept_filter_arg",
    "freebsd_ps_strings",
    "freebsd_auxinfo",
    "freebsd_loadavg",
    "freebsd_priority",
]
#: Only in FreeBSD 12 and later, or not the same before: <sys/user.h> grew into its spare members.
UNCHANGED_SINCE_12 = [
    "freebsd_stat",
    "freebsd_dirent",
    "freebsd_kevent",
    "freebsd_umutex",
    "freebsd_usem2",
    "freebsd_umtx_robust_lists_params",
    "freebsd_vmtotal",
    "freebsd_xswdev",
    "freebsd_mmsghdr",
    "freebsd_cap_rights",
    "freebsd_vdso_timekeep",
    "freebsd_procctl_reaper_pids",
    "freebsd_procctl_reaper_pidinfo",
    "freebsd_procctl_reaper_status",
    "freebsd_procctl_reaper_kill",
    "freebsd_kinfo_vmentry",
]
FREEBSD_11_TYPES = {name: "struct " + name.removeprefix("freebsd11_") for name in UNCHANGED if "11_" in name}


@pytest.mark.parametrize(("oldest", "newest"), [(10, 11), (12, 13)])
def test_older_releases(oldest, newest, tmp_path):
    """The headers in a root of an older release, compiled by clang."""
    found = {}
    for root in harness.roots():
        header = root / "usr/include/sys/param.h"
        version = header.exists() and re.search(r"define __FreeBSD_version (\d+)\d{5}", header.read_text())
        if version and oldest <= int(version.group(1)) <= newest:
            found[root] = int(version.group(1))
    what = f"layouts of FreeBSD {oldest} to {newest}"
    if not found:
        harness.not_covered(what, "no root in LSF_TEST_ROOTS has its headers")
    if shutil.which("clang") is None:
        harness.missing_tool(what, "clang is not installed")
    for root, release in found.items():
        command = ("clang", f"--target=x86_64-unknown-freebsd{release}", f"--sysroot={root}", "-w")
        if release >= 12:
            compare(command, FREEBSD, FREEBSD_TYPES, FREEBSD_MEMBERS, UNCHANGED_SINCE_12, tmp_path)
            continue
        preamble = "#include <errno.h>\n" + FREEBSD.replace("#include <sys/caprights.h>", "")
        compare(command, preamble, FREEBSD_TYPES | FREEBSD_11_TYPES, FREEBSD_MEMBERS, UNCHANGED, tmp_path)


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

#: Selectors of a program's segments, which FreeBSD's headers compute.
SELECTORS = {
    "CS": "GSEL(GUCODE_SEL, SEL_UPL)",
    "SS": "GSEL(GUDATA_SEL, SEL_UPL)",
    "FS": "GSEL(GUFS32_SEL, SEL_UPL)",
    "GS": "GSEL(GUGS32_SEL, SEL_UPL)",
}

#: LSF's own numbers, and properties of the processor: the structs declare no others.
OWN_CONSTANTS = ("BOUND_", "FXSAVE_", "XSTATE_", "MXCSR_", "LAYOUT_")


def test_selectors(tmp_path):
    ours = {row.name: row.value for row in numbers.KERNEL}
    found = compile_numbers(list(zig_cc()), FREEBSD, list(SELECTORS.values()), tmp_path)
    assert {name: ours[name] for name in SELECTORS} == dict(zip(SELECTORS, found, strict=True))


def test_the_structs_declare_no_number_of_a_system():
    """FREEBSD_ ones are in the tables (test_releases.py compares them), LINUX_ ones come from Linux's headers."""
    assert [n for n in _structs.CONSTANTS if not n.startswith(OWN_CONSTANTS)] == []


def test_trap_numbers(tmp_path):
    """By the order of the processor's exceptions: what FreeBSD's exception entries call each."""
    names = [
        "DIVIDE",
        "TRCTRAP",
        "NMI",
        "BPTFLT",
        "OFLOW",
        "BOUND",
        "PRIVINFLT",
        "DNA",
        "DOUBLEFLT",
        "FPOPFLT",
        "TSSFLT",
        "SEGNPFLT",
        "STKFLT",
        "PROTFLT",
        "PAGEFLT",
        "RESERVED",
        "ARITHTRAP",
        "ALIGNFLT",
        "MCHK",
        "XMMFLT",
    ]
    numbers = compile_numbers(list(zig_cc()), FREEBSD, [f"T_{name}" for name in names], tmp_path)
    convert = _structs.convert
    assert [convert.freebsd_trapno_from_linux(vector) for vector in range(20)] == numbers
    assert [convert.linux_trapno_from_freebsd(number) for number in numbers] == list(range(20))


# --- terminals ---------------------------------------------------------------------------------------------------------

#: Bits of both systems; the names are the same.
TERMIOS_BITS = {
    "c_iflag": "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IXON IXOFF IXANY IMAXBEL IUTF8",
    "c_oflag": "OPOST ONLCR TAB3 OCRNL ONOCR ONLRET",
    "c_cflag": "CS5 CS6 CS7 CS8 CSTOPB CREAD PARENB PARODD HUPCL CLOCAL CRTSCTS",
    "c_lflag": "ECHOKE ECHOE ECHOK ECHO ECHONL ECHOPRT ECHOCTL ISIG ICANON IEXTEN EXTPROC TOSTOP FLUSHO PENDIN NOFLSH",
}
TERMIOS_CHARACTERS = (
    "VEOF VEOL VEOL2 VERASE VWERASE VKILL VREPRINT VINTR VQUIT VSUSP VSTART VSTOP VLNEXT VDISCARD VMIN VTIME"
)


def put(struct: str, **members: int) -> bytes:
    data = bytearray(_structs.SIZES[struct])
    for name, value in members.items():
        offset, size = _structs.OFFSETS[f"{struct}.{name}"], _structs.SIZES[f"{struct}.{name}"]
        data[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(data)


def get(struct: str, data: bytes, member: str) -> int:
    offset, size = _structs.OFFSETS[f"{struct}.{member}"], _structs.SIZES[f"{struct}.{member}"]
    return int.from_bytes(data[offset : offset + size], "little")


def test_termios_bits(tmp_path):
    names = [(word, name) for word, text in TERMIOS_BITS.items() for name in text.split()]
    freebsd = compile_numbers(list(zig_cc()), FREEBSD, [name for _, name in names], tmp_path)
    linux = compile_numbers(list(host_cc()), LINUX_KERNEL, [name for _, name in names], tmp_path)
    for (word, name), theirs, ours in zip(names, freebsd, linux, strict=True):
        theirs, ours = theirs & 0xFFFFFFFF, ours & 0xFFFFFFFF
        to_linux = _structs.convert.linux_termios2_from_freebsd(put("freebsd_termios", **{word: theirs}), None)
        assert get("linux_termios2", to_linux, word) == ours, name
        to_freebsd = _structs.convert.freebsd_termios_from_linux(put("linux_termios2", **{word: ours}))
        assert get("freebsd_termios", to_freebsd, word) == theirs, name


def test_termios_characters(tmp_path):
    names = TERMIOS_CHARACTERS.split()
    freebsd = compile_numbers(list(zig_cc()), FREEBSD, names, tmp_path)
    linux = compile_numbers(list(host_cc()), LINUX_KERNEL, names, tmp_path)
    place = _structs.OFFSETS["freebsd_termios.c_cc"], _structs.OFFSETS["linux_termios2.c_cc"]
    for name, theirs, ours in zip(names, freebsd, linux, strict=True):
        data = bytearray(_structs.SIZES["freebsd_termios"])
        data[place[0] + theirs] = 0x41
        result = _structs.convert.linux_termios2_from_freebsd(bytes(data), None)
        assert [i for i in range(19) if result[place[1] + i] == 0x41] == [ours], name
        data = bytearray(_structs.SIZES["linux_termios2"])
        data[place[1] + ours] = 0x41
        result = _structs.convert.freebsd_termios_from_linux(bytes(data))
        assert [i for i in range(20) if result[place[0] + i] == 0x41] == [theirs], name


def test_termios_defaults(tmp_path):
    """<sys/ttydefaults.h>: what a new terminal is like."""
    names = ["TTYDEF_IFLAG", "TTYDEF_OFLAG", "TTYDEF_CFLAG", "TTYDEF_LFLAG", "TTYDEF_SPEED"]
    names += [f"ttydefchars[{index}]" for index in range(20)]
    preamble = FREEBSD + "\n#define TTYDEFCHARS\n#include <sys/ttydefaults.h>\n"
    numbers = compile_numbers(list(zig_cc()), preamble, names, tmp_path)
    ours = _structs.convert.freebsd_termios_default()
    members = ("c_iflag", "c_oflag", "c_cflag", "c_lflag", "c_ospeed")
    assert [get("freebsd_termios", ours, member) for member in members] == [n & 0xFFFFFFFF for n in numbers[:5]]
    assert get("freebsd_termios", ours, "c_ispeed") == get("freebsd_termios", ours, "c_ospeed")
    offset = _structs.OFFSETS["freebsd_termios.c_cc"]
    assert list(ours[offset : offset + 20]) == [n & 0xFF for n in numbers[5:]]


def test_termios_speeds(tmp_path):
    """Linux numbers a speed by the bits of its B constant."""
    speeds = [
        "50",
        "75",
        "110",
        "134",
        "150",
        "200",
        "300",
        "600",
        "1200",
        "1800",
        "2400",
        "4800",
        "9600",
        "19200",
        "38400",
        "57600",
        "115200",
        "230400",
        "460800",
        "500000",
        "576000",
        "921600",
        "1000000",
        "1152000",
        "1500000",
        "2000000",
        "2500000",
        "3000000",
        "3500000",
        "4000000",
    ]
    bits = compile_numbers(list(host_cc()), LINUX_KERNEL, [f"B{speed}" for speed in speeds], tmp_path)
    for speed, number in zip(map(int, speeds), bits, strict=True):
        data = put("freebsd_termios", c_ispeed=speed, c_ospeed=speed)
        assert get("linux_termios2", _structs.convert.linux_termios2_from_freebsd(data, None), "c_cflag") == number


# --- file systems ------------------------------------------------------------------------------------------------------

FILE_SYSTEM_MAGIC = {
    "ext2fs": "EXT4_SUPER_MAGIC", "tmpfs": "TMPFS_MAGIC", "overlay": "OVERLAYFS_SUPER_MAGIC",
    "linprocfs": "PROC_SUPER_MAGIC", "linsysfs": "SYSFS_MAGIC", "devfs": "DEVPTS_SUPER_MAGIC",
    "btrfs": "BTRFS_SUPER_MAGIC", "xfs": "XFS_SUPER_MAGIC", "f2fs": "F2FS_SUPER_MAGIC", "squashfs": "SQUASHFS_MAGIC",
    "erofs": "EROFS_SUPER_MAGIC_V1", "cramfs": "CRAMFS_MAGIC", "msdosfs": "MSDOS_SUPER_MAGIC",
    "exfat": "EXFAT_SUPER_MAGIC", "cd9660": "ISOFS_SUPER_MAGIC", "udf": "UDF_SUPER_MAGIC", "jffs2": "JFFS2_SUPER_MAGIC",
    "reiserfs": "REISERFS_SUPER_MAGIC", "minix": "MINIX_SUPER_MAGIC", "ecryptfs": "ECRYPTFS_SUPER_MAGIC",
    "fusefs": "FUSE_SUPER_MAGIC", "nfs": "NFS_SUPER_MAGIC", "smbfs": "SMB2_SUPER_MAGIC", "p9fs": "V9FS_MAGIC",
    "ceph": "CEPH_SUPER_MAGIC", "afs": "AFS_SUPER_MAGIC", "coda": "CODA_SUPER_MAGIC", "autofs": "AUTOFS_SUPER_MAGIC",
    "cgroup": "CGROUP_SUPER_MAGIC", "cgroup2": "CGROUP2_SUPER_MAGIC", "debugfs": "DEBUGFS_MAGIC",
    "tracefs": "TRACEFS_MAGIC", "securityfs": "SECURITYFS_MAGIC", "selinuxfs": "SELINUX_MAGIC", "bpf": "BPF_FS_MAGIC",
    "pstore": "PSTOREFS_MAGIC", "efivarfs": "EFIVARFS_MAGIC", "hugetlbfs": "HUGETLBFS_MAGIC",
    "binfmt_misc": "BINFMTFS_MAGIC", "nsfs": "NSFS_MAGIC", "pipefs": "PIPEFS_MAGIC", "sockfs": "SOCKFS_MAGIC",
    "anon_inodefs": "ANON_INODE_FS_MAGIC",
}  # fmt: skip


def test_file_system_magic(tmp_path):
    numbers = compile_numbers(list(host_cc()), "#include <linux/magic.h>", list(FILE_SYSTEM_MAGIC.values()), tmp_path)
    for name, magic in zip(FILE_SYSTEM_MAGIC, numbers, strict=True):
        assert _structs.convert.fstype_from_linux(magic & 0xFFFFFFFF)[0].decode() == name


# --- declared types ----------------------------------------------------------------------------------------------------

_SCALARS = {"char": 1} | {f"{sign}int{bits}_t": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}


def test_declared_width_is_real_width():
    """An `extern` struct has the header's layout whatever we write; a width that is wrong there would cut values off."""
    layout = pytest.importorskip("lsf._build.layout", reason="the installed package has no build scripts")
    wrong = []
    folders = [harness.sources() / folder.relative_to(layout.PACKAGE) for folder in layout.FOLDERS]
    files = [path for folder in folders for path in folder.glob("*.pxi")]
    assert len(files) > 20
    for path in files:
        if path.name == "numbers.pxi":
            continue
        text = path.read_text()
        for name, names in layout.declarations(text)[0].items():
            body = re.search(rf'(?:struct|union) {name}(?: "[^"]+")?:\n((?:(?: +.*)?\n)+)', text).group(1)
            for member in names:
                declared = re.search(rf'^ +(\w+) {member}\b(?: "[^"]+")?(\[\w+\])?', body, re.MULTILINE)
                width = _SCALARS.get(declared.group(1)) if declared else None
                if width is None:
                    continue
                size = _structs.SIZES[f"{name}.{member}"]
                if size != width and not (declared.group(2) and size % width == 0):
                    wrong.append(f"{name}.{member}: declared {declared.group(1)}, has {size} bytes")
    assert not wrong, "\n".join(wrong)

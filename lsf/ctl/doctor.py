"""`lsfctl doctor`: what this machine allows, what follows for LSF, and the remedy for each lack.

Every probe does what LSF does, in a child of its own, and looks whether it worked: a setting that says something may be
allowed says little in a container.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import errno
import json
import mmap
import os
import platform
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable

from lsf import roots
from lsf.demo import PROGRAM
from lsf.roots import RootError
from lsf.start.files import shim_path

PR_SET_SYSCALL_USER_DISPATCH = 59
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
PR_SET_PTRACER = 0x59616D61
PTRACE_SEIZE = 0x4206
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW = 0x00030000, 0x7FFF0000
SYS_getppid = 110
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MAP_FIXED_NOREPLACE = 0x100000
MFD_CLOEXEC, MFD_EXEC = 1, 0x10
AT_HWCAP2, HWCAP2_FSGSBASE = 26, 2
WINDOW, WINDOW_SIZE = 0x6FFFF0000000, 0x100000  # the shim's text; its data follow
TIMEOUT = 20.0
ENGINES = ("sud", "trap", "ptrace")


@dataclasses.dataclass
class Check:
    """One thing that was looked at. `ok` is None where it could not be found out or means nothing here."""

    name: str
    ok: bool | None
    found: str
    follows: str = ""
    remedy: str = ""
    needed: bool = False  # without it no FreeBSD program runs


# ---------------------------------------------------------------- children


class _Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter))]


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    libc.syscall.restype = ctypes.c_long
    return libc


def _child(attempt: Callable[[ctypes.CDLL], int]) -> int:
    """Run attempt(libc) in a child: its result (an errno, 0 for success), or minus the signal that killed the child."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            for number in (signal.SIGSYS, signal.SIGILL, signal.SIGSEGV):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a probe that dies as it should leaves no core dump
            status = attempt(_libc())
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status & 0xFF)
    deadline = time.monotonic() + TIMEOUT
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return errno.ETIMEDOUT
        time.sleep(0.002)


def _failed(libc_result: int) -> int:
    return 0 if libc_result == 0 else ctypes.get_errno() or 255


def _say(result: int) -> str:
    """What a child's result means, for a person."""
    if result < 0:
        return f"the probe was killed by {signal.Signals(-result).name}"
    return os.strerror(result)


# ---------------------------------------------------------------- what stands in files


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20).strip()
    except OSError:
        return ""


def _status_field(name: str) -> str:
    match = re.search(rf"^{name}:\s*(\S+)", _read("/proc/self/status"), re.MULTILINE)
    return match[1] if match else ""


def container() -> str:
    """The kind of container this is in, or ""."""
    if os.path.exists("/.dockerenv"):
        return "Docker"
    if os.path.exists("/run/.containerenv"):
        return "Podman"
    for line in _read("/proc/1/environ").split("\0"):
        if line.startswith("container="):
            return line.partition("=")[2]
    return ""


def kernel_version() -> tuple[int, int]:
    """Linux's version: (6, 1)."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def auxiliary_vector() -> dict[int, int]:
    """What the kernel told this process at its start (/proc/self/auxv)."""
    try:
        with open("/proc/self/auxv", "rb") as file:
            data = file.read()
    except OSError:
        return {}
    words = struct.unpack(f"{len(data) // 8}Q", data[: len(data) // 8 * 8])
    return dict(zip(words[::2], words[1::2], strict=False))


def _filtered() -> str:
    """A hint where a filter that is not ours may be the cause."""
    return " (a seccomp filter is in force here)" if _status_field("Seccomp") == "2" else ""


# ---------------------------------------------------------------- the probes


def check_kernel() -> Check:
    """Linux on x86-64."""
    name = os.uname()
    where = container()
    found = (
        f"{name.sysname} {name.release} on {name.machine}"
        + (f", in a container ({where})" if where else "")
        + _filtered()
    )
    ok = name.sysname == "Linux" and name.machine == "x86_64"
    return Check("kernel", ok, found, "" if ok else "FreeBSD/amd64 programs need an x86-64 processor that runs Linux",
                 "" if ok else "another machine, or an emulator of one", needed=True)  # fmt: skip


def check_python() -> Check:
    """This Python, pyelftools, and the built parts of LSF."""
    lacks = []
    try:
        from elftools import __version__ as elftools_version
    except ImportError:
        elftools_version = ""
        lacks.append("pyelftools")
    image = shim_path()
    if not os.access(image, os.X_OK):
        lacks.append(f"the shim image ({image})")
    try:
        from lsf import _namespace, _trace  # noqa: F401
    except ImportError as error:
        lacks.append(f"an extension module ({error})")
    found = f"Python {platform.python_version()}, pyelftools {elftools_version or 'missing'}"
    if not lacks:
        return Check("installation", True, f"{found}, the shim image", needed=True)
    return Check("installation", False, f"{found}; missing: {', '.join(lacks)}", "the package is not built completely",
                 "install LSF again (pip install freebsd-lsf), or python setup.py build_ext --inplace in its source", True)  # fmt: skip


def _try_fsgsbase(_: ctypes.CDLL) -> int:
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xf3\x48\x0f\xae\xc8\xc3")  # rdgsbase %rax; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(ctypes.c_ulong)(address)()
    return 0


def check_fsgsbase() -> Check:
    """The instructions by which the shim finds its thread."""
    said = bool(auxiliary_vector().get(AT_HWCAP2, 0) & HWCAP2_FSGSBASE)
    flags = re.search(r"^flags\s*:(.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    has_flag = flags is not None and "fsgsbase" in flags[1].split()
    result = _child(_try_fsgsbase)
    if result == 0:
        return Check("fsgsbase", True, "rdgsbase works" + ("" if said else ", though the kernel does not announce it"),
                     needed=True)  # fmt: skip
    if result != -signal.SIGILL:
        # Memory that is written and executed may be refused here; the kernel's word has to do.
        return Check("fsgsbase", said, f"announced by the kernel: {'yes' if said else 'no'} (not tried: {_say(result)})",
                     needed=True)  # fmt: skip
    found = f"rdgsbase is an illegal instruction (processor flag: {'yes' if has_flag else 'no'}, kernel: {'yes' if said else 'no'})"
    remedy = ("Linux 5.9 or later, booted without nofsgsbase" if has_flag
              else "a processor with FSGSBASE (Intel since 2012, AMD since 2014), or a virtual machine that shows it")  # fmt: skip
    return Check("fsgsbase", False, found, "the shim cannot find the state of its threads", remedy, True)


def _try_window(libc: ctypes.CDLL) -> int:
    size = 16 * WINDOW_SIZE
    got = libc.mmap(WINDOW, size, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)
    if got in (None, ctypes.c_void_p(-1).value):
        return ctypes.get_errno() or 255
    return 0 if got == WINDOW else errno.EEXIST


def check_window() -> Check:
    """The place in memory where the shim lies."""
    result = _child(_try_window)
    if result == 0:
        return Check("address window", True, f"memory can be mapped at {WINDOW:#x}", needed=True)
    return Check("address window", False, f"memory cannot be mapped at {WINDOW:#x}: {_say(result)}",
                 "the shim has no place in a program's memory",
                 "ulimit -v unlimited; an address space of 47 bits (no sanitizer, no small virtual address space)", True)  # fmt: skip


def _try_sud(libc: ctypes.CDLL) -> int:
    selector = ctypes.create_string_buffer(1)
    if libc.prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, ctypes.addressof(selector)) != 0:
        return ctypes.get_errno()
    selector[0] = b"\1"  # from here on each syscall is a SIGSYS
    libc.syscall(SYS_getppid)
    return 255


def check_sud() -> Check:
    """Syscall User Dispatch: the default engine."""
    result = _child(_try_sud)
    name = "syscall user dispatch"
    if result == -signal.SIGSYS:
        return Check(name, True, "a dispatched call raises SIGSYS", "the engine sud works: the fast one")
    found = "it is announced, but no call is dispatched" if result == 255 else f"refused: {_say(result)}"
    if kernel_version() < (5, 11):
        remedy = "Linux 5.11 or later"
    else:
        remedy = f"allow prctl({PR_SET_SYSCALL_USER_DISPATCH}) in the container's seccomp profile{_filtered()}"
    return Check(name, False, found, "the engine trap takes its place where seccomp filters are allowed: 1.3 times slower,"
                 " and signals cost more", remedy)  # fmt: skip


def _try_seccomp(libc: ctypes.CDLL) -> int:
    code = (_Filter * 4)(
        _Filter(0x20, 0, 0, 0),  # load the number
        _Filter(0x15, 0, 1, SYS_getppid),  # getppid?
        _Filter(0x06, 0, 0, SECCOMP_RET_TRAP),
        _Filter(0x06, 0, 0, SECCOMP_RET_ALLOW),
    )
    program = _Program(4, ctypes.cast(code, ctypes.POINTER(_Filter)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return ctypes.get_errno()
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) != 0:
        return ctypes.get_errno()
    libc.syscall(SYS_getppid)
    return 255


def check_seccomp() -> Check:
    """Seccomp filters: the engines trap and ptrace."""
    result = _child(_try_seccomp)
    if result == -signal.SIGSYS:
        return Check("seccomp filters", True, "a filter traps a call", "the engine trap works; ptrace needs it too")
    found = "a filter is taken, but traps nothing" if result == 255 else f"refused: {_say(result)}"
    return Check("seccomp filters", False, found, "no engines trap and ptrace",
                 f"a kernel with CONFIG_SECCOMP_FILTER; allow seccomp(2) in the container's profile{_filtered()}")  # fmt: skip


def _try_ptrace(libc: ctypes.CDLL) -> int:
    """As the ptrace engine begins: a process that is no relative's parent seizes the one that asked for it."""
    reader, writer = os.pipe()
    # Yama's hook: who may trace this process. EINVAL where there is no Yama.
    libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1).value, 0, 0, 0)
    me = os.getpid()
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            error = 0 if libc.ptrace(PTRACE_SEIZE, me, None, None) == 0 else ctypes.get_errno() or 255
            os.write(writer, bytes([error & 0xFF]))
            os._exit(0)  # which detaches
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    answer = os.read(reader, 1)
    return answer[0] if answer else 255


def check_ptrace() -> Check:
    """ptrace: the engine of lsf.trace, and debuggers."""
    result = _child(_try_ptrace)
    scope = _read("/proc/sys/kernel/yama/ptrace_scope")
    yama = f" (kernel.yama.ptrace_scope={scope})" if scope else ""
    if result == 0:
        return Check("ptrace", True, f"a process can be seized{yama}", "the engine ptrace and lsf.trace work")
    if scope in ("2", "3"):
        remedy = "sysctl kernel.yama.ptrace_scope=1" + (
            " (3 stays until the next boot)" if scope == "3" else ", or root"
        )
    else:
        remedy = f"run the container with --cap-add SYS_PTRACE or a profile that allows ptrace(2){_filtered()}"
    return Check("ptrace", False, f"refused: {_say(result)}{yama}", "no engine ptrace, no lsf.trace, no gdb", remedy)


def _tiny_program() -> bytes:
    """A static ELF program that ends with status 42: mov $42,%edi; mov $60,%eax; syscall."""
    code = b"\xbf\x2a\0\0\0\xb8\x3c\0\0\0\x0f\x05"
    header = (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    size = 120 + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000) + code


def _try_memfd(libc: ctypes.CDLL) -> int:
    fd = -1
    for flags in (MFD_CLOEXEC | MFD_EXEC, MFD_CLOEXEC):  # MFD_EXEC: since Linux 6.3
        fd = libc.memfd_create(b"lsf-doctor", flags)
        if fd >= 0:
            break
    if fd < 0:
        return ctypes.get_errno()
    os.write(fd, _tiny_program())
    os.execve(fd, ["lsf-doctor"], {})
    return 255


def check_memfd() -> Check:
    """Executing what lies in memory: how the shim survives the loss of its own descriptor."""
    result = _child(_try_memfd)
    setting = _read("/proc/sys/vm/memfd_noexec")
    shown = f" (vm.memfd_noexec={setting})" if setting else ""
    if result == 42:
        return Check("memory files", True, f"a program in memory can be executed{shown}")
    return Check("memory files", False, f"refused: {_say(result)}{shown}",
                 "a program that closes every descriptor, hidden ones too, cannot execute another",
                 "sysctl vm.memfd_noexec=1 (or 0)" if setting == "2" else "allow memfd_create(2) and execveat(2)")  # fmt: skip


STACK = 512  # MiB: FreeBSD's kern.maxssiz


def check_stack() -> Check:
    """The room of a program's main stack: the soft limit is raised to FreeBSD's, which the hard limit must allow."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard == resource.RLIM_INFINITY or hard >= STACK << 20:
        return Check("stack", True, f"{STACK} MiB, as on FreeBSD")
    return Check("stack", False, f"{hard / (1 << 20):g} MiB at most (the hard limit); FreeBSD gives {STACK}",
                 "programs that recurse deeply end by SIGSEGV",
                 "ulimit -Hs unlimited, as root; in a container, --ulimit stack=-1")  # fmt: skip


def _enter_user_namespace(libc: ctypes.CDLL) -> int:
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        return ctypes.get_errno()
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)
    return 0


def _try_mounts(libc: ctypes.CDLL, namespace: bool) -> int:
    """A mount tree of one's own, something mounted in it, and a change of root."""
    if namespace:
        error = _enter_user_namespace(libc)
        if error:
            return error
    if libc.unshare(CLONE_NEWNS) != 0:
        return ctypes.get_errno()
    if libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return ctypes.get_errno()
    place = os.fsencode(tempfile.gettempdir())
    if libc.mount(b"lsf", place, b"tmpfs", 0, b"mode=755") != 0:
        return ctypes.get_errno()
    os.mkdir(os.path.join(place, b"dev"))
    if libc.mount(b"/dev", os.path.join(place, b"dev"), None, MS_BIND | MS_REC, None) != 0:
        return ctypes.get_errno()
    os.chroot(place)
    return 0


def _userns_remedy() -> str:
    settings = [("kernel.unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
                ("user.max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
                ("kernel.apparmor_restrict_unprivileged_userns", "1",
                 "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,`")]  # fmt: skip
    found = [remedy for name, bad, remedy in settings if _read("/proc/sys/" + name.replace(".", "/", 1)) == bad]
    if found:
        return "; ".join(found)
    if container() or _filtered():
        return "run the container with a seccomp profile that allows unshare(2) and mount(2), or --privileged"
    return "a kernel with CONFIG_USER_NS"


def check_user_namespace() -> Check:
    """User namespaces: roots and views without being root."""
    result = _child(_enter_user_namespace)
    if result == 0:
        return Check("user namespaces", True, "one can be entered")
    return Check("user namespaces", False, f"refused: {_say(result)}",
                 "roots are seen by look-up (--view lookup) unless you are root, and --fakeroot is refused",
                 _userns_remedy())  # fmt: skip


def check_mount_namespace() -> Check:
    """Mount namespaces: a root with the host's /dev, /proc and home in it."""
    direct = _child(lambda libc: _try_mounts(libc, namespace=False)) if os.geteuid() == 0 else errno.EPERM
    result = direct and _child(lambda libc: _try_mounts(libc, namespace=True))
    if result == 0:
        how = "as root" if direct == 0 else "in a user namespace"
        return Check("mount namespaces", True, f"one can be made, mounted in, and entered by chroot, {how}")
    return Check("mount namespaces", False, f"refused: {_say(result)}",
                 "paths are looked up in the root first, then on the host (--view lookup); an isolated root is entered by"
                 " chroot where that is allowed, without /dev and /proc", _userns_remedy())  # fmt: skip


def check_chroot() -> Check:
    """chroot: an isolated root where there are no namespaces."""

    def attempt(_: ctypes.CDLL) -> int:
        os.chroot("/")
        return 0

    result = _child(attempt)
    if result == 0:
        return Check("chroot", True, "allowed")
    ok = None if _child(lambda libc: _try_mounts(libc, namespace=True)) == 0 else False
    return Check("chroot", ok, f"refused: {_say(result)}", "" if ok is None else "an isolated root is seen by look-up too",
                 "" if ok is None else "root, or CAP_SYS_CHROOT")  # fmt: skip


BINFMT = "/proc/sys/fs/binfmt_misc"


def freebsd_handlers(folder: str = BINFMT) -> list[tuple[str, str, str]]:
    """The handlers of binfmt_misc that take FreeBSD's programs: name, interpreter, flags; only enabled ones."""
    found = []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    for name in names:
        if name in ("status", "register"):
            continue
        fields = dict(
            re.findall(
                r"^(interpreter|flags:|magic|mask|offset) ?(.*)$", text := _read(f"{folder}/{name}"), re.MULTILINE
            )
        )
        magic = fields.get("magic", "")
        # 7f 45 4c 46, class, data, version, OSABI 9
        if (
            text.startswith("enabled")
            and fields.get("offset", "0") == "0"
            and magic[:8] == "7f454c46"
            and magic[14:16] == "09"
        ):
            found.append((name, fields.get("interpreter", ""), fields.get("flags:", "")))
    return found


def _try_own_binfmt(libc: ctypes.CDLL) -> int:
    error = _enter_user_namespace(libc)
    if error:
        return error
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return ctypes.get_errno()
    return _failed(libc.mount(b"binfmt_misc", os.fsencode(BINFMT), b"binfmt_misc", 0, None))


def check_binfmt() -> Check:
    """binfmt_misc: FreeBSD programs by their name alone, also as children of Linux ones."""
    mounted = os.path.exists(f"{BINFMT}/status")
    enabled = _read(f"{BINFMT}/status") == "enabled"
    handlers = freebsd_handlers() if mounted else []
    own = _child(_try_own_binfmt)
    private = "one of its own namespace can be mounted" if own == 0 else f"no private one: {_say(own)}"
    if handlers:
        shown = ", ".join(f"{name} ({interpreter}, flags {flags})" for name, interpreter, flags in handlers)
        broken = [
            interpreter for _, interpreter, flags in handlers if "F" not in flags and not os.path.exists(interpreter)
        ]
        found = f"{'mounted' if enabled else 'mounted, disabled'}; FreeBSD programs are taken by {shown}; {private}"
        return Check("binfmt_misc", enabled and not broken, found,
                     "FreeBSD programs run by their name alone" if not broken else f"{broken[0]} is not there",
                     "" if not broken else "lsfctl binfmt remove, then install")  # fmt: skip
    found = f"{'mounted' if mounted else 'not mounted'}, FreeBSD is not registered; {private}"
    if own == 0:
        return Check("binfmt_misc", True, found, "within lsf's namespaces Linux programs can start FreeBSD ones")
    return Check("binfmt_misc", False, found, "FreeBSD programs start by `lsf PROGRAM` only, and not from Linux programs",
                 "as root: " + ("" if mounted else f"mount -t binfmt_misc binfmt_misc {BINFMT}, then ")
                 + "lsfctl binfmt install (for the whole machine); Linux 6.7 or later has private ones")  # fmt: skip


DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
OTHERS = ("fd", "stdin", "stdout", "stderr", "pts", "ptmx", "shm")


def check_devices(folder: str = "/dev") -> Check:
    """The devices that FreeBSD programs open."""
    lacks = []
    for name, (major, minor) in DEVICES.items():
        try:
            status = os.stat(f"{folder}/{name}")
            if (os.major(status.st_rdev), os.minor(status.st_rdev)) != (major, minor):
                lacks.append(f"{name} (another device)")
            elif name != "tty":  # which opens only where there is a terminal
                os.close(os.open(f"{folder}/{name}", os.O_RDWR if name in ("null", "zero") else os.O_RDONLY))
        except OSError as error:
            lacks.append(f"{name} ({error.strerror})")
    lacks += [f"{name} (missing)" for name in OTHERS if not os.path.lexists(f"{folder}/{name}")]
    if not lacks:
        return Check("/dev", True, ", ".join((*DEVICES, *OTHERS)))
    return Check("/dev", False, f"not usable: {', '.join(lacks)}", "programs that open these fail",
                 "mount devtmpfs, devpts and tmpfs there, as container engines do")  # fmt: skip


def check_root() -> Check:
    """The FreeBSD userland that programs run in."""
    try:
        wanted = roots.meant()
        path = roots.resolve(wanted)
    except RootError as error:
        return Check("FreeBSD root", None if not wanted else False, str(error), "static programs run; those that need"
                     " FreeBSD's libraries do not", roots.INSTALL_HINT if not wanted else "name another root in LSF_ROOT")  # fmt: skip
    lacks = roots.missing(path)
    release = roots.release_of(path)
    if lacks:
        return Check(
            "FreeBSD root", False, f"{path} is none: {lacks}", "FreeBSD's libraries are not found", roots.INSTALL_HINT
        )
    return Check("FreeBSD root", True, f"{path}" + (f", FreeBSD {release}" if release else ""))


def check_engine(engine: str) -> Check:
    """A FreeBSD program, run on one engine."""
    name = f"engine {engine}"
    if not PROGRAM.is_file() or not os.path.exists(shim_path()):
        return Check(
            name, None, "not tried: LSF's own program or the shim image is not built", remedy="install LSF again"
        )
    command = [sys.executable, "-m", "lsf.start.cli", "--engine", engine, str(PROGRAM), "time", "100"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("LSF_")}
    env["PYTHONPATH"] = os.pathsep.join(part for part in (str(PROGRAM.parents[2]), env.get("PYTHONPATH")) if part)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=env, stdin=subprocess.DEVNULL,
                              check=False)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, f"a FreeBSD program does not run: {error}")
    if done.returncode == 0 and done.stdout.strip().isdigit():
        return Check(name, True, f"a FreeBSD program runs; a call takes {done.stdout.strip()} ns")
    lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return Check(name, False, f"a FreeBSD program does not run: {lines[-1]}", "", "see the lines above")


CHECKS: tuple[Callable[[], Check], ...] = (
    check_kernel, check_python, check_fsgsbase, check_window, check_sud, check_seccomp, check_ptrace, check_memfd,
    check_stack, check_user_namespace, check_mount_namespace, check_chroot, check_binfmt, check_devices, check_root,
)  # fmt: skip


def examine() -> list[Check]:
    """Carry out every probe."""
    checks = [check() for check in CHECKS]
    return checks + [check_engine(engine) for engine in ENGINES]


def verdict(checks: list[Check]) -> tuple[bool, str]:
    """Whether the machine is fit, and the sentence that says so."""
    wanting = [check.name for check in checks if check.needed and check.ok is False]
    running = [check.name.removeprefix("engine ") for check in checks if check.name.startswith("engine ") and check.ok]
    if wanting:
        return False, f"This machine is not fit for LSF: {', '.join(wanting)}."
    if not running:
        return False, "This machine is not fit for LSF: no engine runs a FreeBSD program here."
    lacks = [check.name for check in checks if check.ok is False]
    but = f"; not all of it: {', '.join(lacks)}" if lacks else ""
    return True, f"This machine is fit for LSF: {', '.join(running)}{but}."


def _wrap(text: str, indent: int) -> str:
    return textwrap.fill(text, 118, initial_indent=" " * indent, subsequent_indent=" " * indent,
                         break_long_words=False, break_on_hyphens=False).lstrip()  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """`lsfctl doctor`: 0 where LSF runs FreeBSD programs here, 1 where not."""
    sys.stdout.flush()
    checks = examine()
    fit, sentence = verdict(checks)
    if arguments.json:
        print(
            json.dumps(
                {"fit": fit, "verdict": sentence, "checks": [dataclasses.asdict(check) for check in checks]}, indent=1
            )
        )
        return 0 if fit else 1
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = {True: "ok", False: "NO", None: "--"}[check.ok]
        print(f"{mark}  {check.name:<{width}}  {_wrap(check.found, width + 6)}")
        if not check.ok:
            for label, text in (("follows", check.follows), ("remedy", check.remedy)):
                if text:
                    print(f"{'':<{width + 6}}{label}: {_wrap(text, width + 8 + len(label))}")
    print(sentence)
    return 0 if fit else 1

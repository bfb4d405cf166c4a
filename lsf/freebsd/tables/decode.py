"""How to print the arguments and the result of a syscall: a kind for each, derived from the table.

The tracer in Python uses it as it is; for `truss` inside the guest lsf/_build/generate.py writes it as C.
"""

from __future__ import annotations

import enum

from . import flags
from .table import Argument, Syscall


class Kind(enum.IntEnum):
    """What an argument or a result is, for one who prints it. The values are those of the generated decode.h."""

    NONE = 0  # no result
    INT = enum.auto()  # 32 bits, signed, decimal
    UINT = enum.auto()
    LONG = enum.auto()  # 64 bits, signed, decimal
    ULONG = enum.auto()
    HEX32 = enum.auto()  # 32 bits of flags without names here
    HEX = enum.auto()  # 64 bits
    OCT = enum.auto()  # permission bits
    FD = enum.auto()
    ATFD = enum.auto()  # a directory; -100 is AT_FDCWD
    PID = enum.auto()
    SIGNAL = enum.auto()
    IOCTL = enum.auto()  # the request of ioctl(2)
    DEVICE = enum.auto()
    # pointers
    PTR = enum.auto()
    STR = enum.auto()  # a string that ends with a 0 byte
    STRS = enum.auto()  # argv: pointers to strings, ended by a null pointer
    BUF = enum.auto()  # bytes, as many as the size says
    INTP = enum.auto()  # one int
    LONGP = enum.auto()
    OFFP = enum.auto()
    SIGSET = enum.auto()
    SIGACTION = enum.auto()
    SIGINFO = enum.auto()
    TIMESPEC = enum.auto()
    TIMEVAL = enum.auto()
    ITIMERVAL = enum.auto()
    ITIMERSPEC = enum.auto()
    RUSAGE = enum.auto()
    RLIMITP = enum.auto()
    STAT = enum.auto()
    STAT11 = enum.auto()
    STATFS = enum.auto()
    STATFS11 = enum.auto()
    IOVEC = enum.auto()
    POLLFD = enum.auto()
    FDSET = enum.auto()
    SOCKADDR = enum.auto()
    MSGHDR = enum.auto()
    KEVENT = enum.auto()
    KEVENT11 = enum.auto()
    OID = enum.auto()  # the name of sysctl(2): ints, as many as the size says
    THR_PARAM = enum.auto()
    # flag words and choices; NAMES says of which table
    OPEN_FLAGS = enum.auto()
    AT_FLAGS = enum.auto()
    MMAP_FLAGS = enum.auto()
    PROT = enum.auto()
    MSYNC_FLAGS = enum.auto()
    MSG_FLAGS = enum.auto()
    WAIT_OPTIONS = enum.auto()
    SOCKET_TYPE = enum.auto()
    FILE_FLAGS = enum.auto()
    FCNTL_CMD = enum.auto()
    MADVICE = enum.auto()
    CLOCK = enum.auto()
    RLIMIT = enum.auto()
    ADDRESS_FAMILY = enum.auto()
    SOCKOPT_LEVEL = enum.auto()
    SIGPROCMASK_HOW = enum.auto()
    SCHED_POLICY = enum.auto()
    IDTYPE = enum.auto()
    FADVICE = enum.auto()
    ACCESS_MODE = enum.auto()
    FLOCK_HOW = enum.auto()
    WHENCE = enum.auto()
    SHUT_HOW = enum.auto()
    RFORK_FLAGS = enum.auto()
    UMTX_OP = enum.auto()
    # arguments whose meaning another one decides
    FCNTL_ARG = enum.auto()  # by the command
    SOCKOPT_NAME = enum.auto()  # by the level
    WAIT_STATUS = enum.auto()  # points to the status of a child
    # what stands inside structs (WITHIN_STRUCTS)
    POLL_EVENTS = enum.auto()
    SA_FLAGS = enum.auto()
    SO_OPTION = enum.auto()
    KEVENT_FILTER = enum.auto()
    KEVENT_FLAGS = enum.auto()


#: Kinds that no argument has as a whole.
WITHIN_STRUCTS = frozenset([Kind.POLL_EVENTS, Kind.SA_FLAGS, Kind.SO_OPTION, Kind.KEVENT_FILTER, Kind.KEVENT_FLAGS])


#: Words and choices that are the same on both systems and so have no table in flags.py: (name, value) by kind.
#: Bits may be combined for the kinds in BITS.
_OWN_NAMES: dict[Kind, tuple[tuple[str, int], ...]] = {
    Kind.ACCESS_MODE: (("F_OK", 0), ("X_OK", 1), ("W_OK", 2), ("R_OK", 4)),
    Kind.FLOCK_HOW: (("LOCK_SH", 1), ("LOCK_EX", 2), ("LOCK_NB", 4), ("LOCK_UN", 8)),
    Kind.WHENCE: (("SEEK_SET", 0), ("SEEK_CUR", 1), ("SEEK_END", 2), ("SEEK_DATA", 3), ("SEEK_HOLE", 4)),
    Kind.SHUT_HOW: (("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2)),
    # RFTSIGSHIFT and RFTSIGMASK are no bits.
    Kind.RFORK_FLAGS: tuple(
        (name, value)
        for name, value in flags.CONSTANTS
        if name.startswith("RF") and name not in ("RFTSIGSHIFT", "RFTSIGMASK")
    ),
    # 16 bits, signed.
    Kind.KEVENT_FILTER: tuple(
        (f"EVFILT_{name}", -number & 0xFFFF)
        for number, name in enumerate(
            (
                *("READ", "WRITE", "AIO", "VNODE", "PROC", "SIGNAL", "TIMER", "PROCDESC", "FS", "LIO", "USER"),
                *("SENDFILE", "EMPTY", "JAIL", "JAILDESC"),
            ),
            1,
        )
    ),
    Kind.KEVENT_FLAGS: (
        ("EV_ADD", 0x1),
        ("EV_DELETE", 0x2),
        ("EV_ENABLE", 0x4),
        ("EV_DISABLE", 0x8),
        ("EV_ONESHOT", 0x10),
        ("EV_CLEAR", 0x20),
        ("EV_RECEIPT", 0x40),
        ("EV_DISPATCH", 0x80),
        ("EV_FORCEONESHOT", 0x100),
        ("EV_KEEPUDATA", 0x200),
        ("EV_FLAG1", 0x2000),
        ("EV_ERROR", 0x4000),
        ("EV_EOF", 0x8000),
    ),
    Kind.UMTX_OP: (
        ("UMTX_OP_LOCK", 0),
        ("UMTX_OP_UNLOCK", 1),
        ("UMTX_OP_WAIT", 2),
        ("UMTX_OP_WAKE", 3),
        ("UMTX_OP_MUTEX_TRYLOCK", 4),
        ("UMTX_OP_MUTEX_LOCK", 5),
        ("UMTX_OP_MUTEX_UNLOCK", 6),
        ("UMTX_OP_SET_CEILING", 7),
        ("UMTX_OP_CV_WAIT", 8),
        ("UMTX_OP_CV_SIGNAL", 9),
        ("UMTX_OP_CV_BROADCAST", 10),
        ("UMTX_OP_WAIT_UINT", 11),
        ("UMTX_OP_RW_RDLOCK", 12),
        ("UMTX_OP_RW_WRLOCK", 13),
        ("UMTX_OP_RW_UNLOCK", 14),
        ("UMTX_OP_WAIT_UINT_PRIVATE", 15),
        ("UMTX_OP_WAKE_PRIVATE", 16),
        ("UMTX_OP_MUTEX_WAIT", 17),
        ("UMTX_OP_MUTEX_WAKE", 18),
        ("UMTX_OP_SEM_WAIT", 19),
        ("UMTX_OP_SEM_WAKE", 20),
        ("UMTX_OP_NWAKE_PRIVATE", 21),
        ("UMTX_OP_MUTEX_WAKE2", 22),
        ("UMTX_OP_SEM2_WAIT", 23),
        ("UMTX_OP_SEM2_WAKE", 24),
        ("UMTX_OP_SHM", 25),
        ("UMTX_OP_ROBUST_LISTS", 26),
        ("UMTX_OP_GET_MIN_TIMEOUT", 27),
        ("UMTX_OP_SET_MIN_TIMEOUT", 28),
    ),
}

_OWN_BITS = (Kind.ACCESS_MODE, Kind.FLOCK_HOW, Kind.RFORK_FLAGS, Kind.KEVENT_FLAGS)

#: The word or choice of flags.py that a kind prints by.
_TABLES: dict[Kind, str] = {
    Kind[name.upper()]: name for name in (*flags.WORD, *flags.CHOICE) if name.upper() in Kind.__members__
}


def names(kind: Kind) -> tuple[tuple[str, int, int], ...]:
    """(name, value, mask) of every name that a kind prints; () for a kind that prints none.

    A name applies where word & mask == value. The mask of a bit is the bit; of a choice it is all ones.
    """
    everything = 0xFFFFFFFF
    if kind in _OWN_NAMES:
        bits = kind in _OWN_BITS
        return tuple((name, value, (value or everything) if bits else everything) for name, value in _OWN_NAMES[kind])
    table = _TABLES.get(kind)
    if table in flags.WORD:
        word = flags.WORD[table]
        fields = [
            (row.name, row.freebsd, field.freebsd_mask) for field in word.fields for row in field.rows if row.name
        ]
        return (*fields, *((row.name, row.freebsd, row.freebsd) for row in word.bits))
    if table in flags.CHOICE:
        return tuple((row.name, row.freebsd, everything) for row in flags.CHOICE[table].rows)
    return ()


def format_flags(kind: Kind, value: int) -> str:
    """'O_RDWR|O_CREAT' for a flag word, 'F_GETFL' for a choice; what has no name is appended in hexadecimal."""
    value &= 0xFFFFFFFF
    rest, parts = value, []
    for name, bits, mask in names(kind):
        if value & mask == bits and (rest & mask or not bits) and (bits or not rest & mask):
            parts.append(name)
            rest &= ~mask
    if rest or not parts:
        parts.append(hex(rest))
    return "|".join(parts)


_STRUCTS = {
    "sigset_t": Kind.SIGSET,
    "struct sigaction": Kind.SIGACTION,
    "struct siginfo": Kind.SIGINFO,
    "struct timespec": Kind.TIMESPEC,
    "struct timeval": Kind.TIMEVAL,
    "struct itimerval": Kind.ITIMERVAL,
    "struct itimerspec": Kind.ITIMERSPEC,
    "struct rusage": Kind.RUSAGE,
    "struct rlimit": Kind.RLIMITP,
    "struct stat": Kind.STAT,
    "struct freebsd11_stat": Kind.STAT11,
    "struct statfs": Kind.STATFS,
    "struct freebsd11_statfs": Kind.STATFS11,
    "struct iovec": Kind.IOVEC,
    "struct pollfd": Kind.POLLFD,
    "fd_set": Kind.FDSET,
    "struct sockaddr": Kind.SOCKADDR,
    "struct msghdr": Kind.MSGHDR,
    "struct kevent": Kind.KEVENT,
    "struct freebsd11_kevent": Kind.KEVENT11,
    "struct thr_param": Kind.THR_PARAM,
    "int": Kind.INTP,
    "u_int": Kind.INTP,
    "pid_t": Kind.INTP,
    "uid_t": Kind.INTP,
    "gid_t": Kind.INTP,
    "__socklen_t": Kind.INTP,
    "clockid_t": Kind.INTP,
    "cpusetid_t": Kind.INTP,
    "long": Kind.LONGP,
    "size_t": Kind.LONGP,
    "off_t": Kind.OFFP,
    "void": Kind.BUF,
    "char": Kind.BUF,
}

_SCALARS = {
    "int": Kind.INT,
    "u_int": Kind.UINT,
    "uint32_t": Kind.UINT,
    "long": Kind.LONG,
    "intptr_t": Kind.LONG,
    "int64_t": Kind.LONG,
    "u_long": Kind.HEX,
    "uintptr_t": Kind.HEX,
    "uint64_t": Kind.ULONG,
    "size_t": Kind.ULONG,
    "ssize_t": Kind.LONG,
    "off_t": Kind.LONG,
    "mode_t": Kind.OCT,
    "pid_t": Kind.PID,
    "lwpid_t": Kind.INT,
    "uid_t": Kind.INT,
    "gid_t": Kind.INT,
    "id_t": Kind.LONG,
    "key_t": Kind.LONG,
    "dev_t": Kind.DEVICE,
    "clockid_t": Kind.CLOCK,
    "idtype_t": Kind.IDTYPE,
    "__socklen_t": Kind.UINT,
    "cpulevel_t": Kind.INT,
    "cpuwhich_t": Kind.INT,
    "cpusetid_t": Kind.INT,
    "acl_type_t": Kind.INT,
    "semid_t": Kind.LONG,
    "osigset_t": Kind.HEX32,
    "caddr_t": Kind.PTR,
    "void": Kind.NONE,
}

_DESCRIPTORS = frozenset(
    [
        "fd",
        "fdes",
        "filedes",
        "s",
        "sd",
        "infd",
        "outfd",
        "fd1",
        "fd2",
        "oldfd",
        "newfd",
        "dfd",
        "tofd",
        "mqd",
        "lowfd",
        "highfd",
        "fildes",
    ]
)

#: By the name of the argument, for every call that has one so named and of the type int or u_int.
_BY_NAME = {
    "signum": Kind.SIGNAL,
    "sig": Kind.SIGNAL,
    "prot": Kind.PROT,
    "amode": Kind.ACCESS_MODE,
    "whence": Kind.WHENCE,
    "behav": Kind.MADVICE,
    "atflag": Kind.AT_FLAGS,
    "flags": Kind.HEX32,
    "flag": Kind.HEX32,
    "pid": Kind.PID,
    "policy": Kind.INT,
}

#: By call and argument, where the name says too little.
_BY_CALL: dict[str, dict[str, Kind]] = {
    "open": {"flags": Kind.OPEN_FLAGS},
    "openat": {"flag": Kind.OPEN_FLAGS},
    "fhopen": {"flags": Kind.OPEN_FLAGS},
    "posix_openpt": {"flags": Kind.OPEN_FLAGS},
    "pipe2": {"flags": Kind.OPEN_FLAGS},
    "kmq_open": {"flags": Kind.OPEN_FLAGS},
    "ksem_open": {"oflag": Kind.OPEN_FLAGS},
    "inotify_add_watch_at": {"mask": Kind.HEX32},
    "shm_open2": {"flags": Kind.OPEN_FLAGS},
    "freebsd12_shm_open": {"flags": Kind.OPEN_FLAGS},
    "fcntl": {"cmd": Kind.FCNTL_CMD, "arg": Kind.FCNTL_ARG},
    "ioctl": {"com": Kind.IOCTL, "data": Kind.PTR},
    "wait4": {"pid": Kind.PID, "status": Kind.WAIT_STATUS, "options": Kind.WAIT_OPTIONS},
    "wait6": {"status": Kind.WAIT_STATUS, "options": Kind.WAIT_OPTIONS},
    "mmap": {"flags": Kind.MMAP_FLAGS},
    "freebsd6_mmap": {"flags": Kind.MMAP_FLAGS},
    "msync": {"flags": Kind.MSYNC_FLAGS},
    "flock": {"how": Kind.FLOCK_HOW},
    "shutdown": {"how": Kind.SHUT_HOW},
    "sigprocmask": {"how": Kind.SIGPROCMASK_HOW},
    "rfork": {"flags": Kind.RFORK_FLAGS},
    "getrlimit": {"which": Kind.RLIMIT},
    "setrlimit": {"which": Kind.RLIMIT},
    "getrlimitusage": {"which": Kind.RLIMIT},
    "socket": {"domain": Kind.ADDRESS_FAMILY, "type": Kind.SOCKET_TYPE},
    "socketpair": {"domain": Kind.ADDRESS_FAMILY, "type": Kind.SOCKET_TYPE},
    "accept4": {"flags": Kind.SOCKET_TYPE},
    "setsockopt": {"level": Kind.SOCKOPT_LEVEL, "name": Kind.SOCKOPT_NAME},
    "getsockopt": {"level": Kind.SOCKOPT_LEVEL, "name": Kind.SOCKOPT_NAME},
    "sendto": {"flags": Kind.MSG_FLAGS},
    "recvfrom": {"flags": Kind.MSG_FLAGS},
    "sendmsg": {"flags": Kind.MSG_FLAGS},
    "recvmsg": {"flags": Kind.MSG_FLAGS},
    "faccessat": {"flag": Kind.AT_FLAGS},
    "fchmodat": {"flag": Kind.AT_FLAGS},
    "fchownat": {"flag": Kind.AT_FLAGS},
    "fstatat": {"flag": Kind.AT_FLAGS},
    "freebsd11_fstatat": {"flag": Kind.AT_FLAGS},
    "linkat": {"flag": Kind.AT_FLAGS},
    "unlinkat": {"flag": Kind.AT_FLAGS},
    "funlinkat": {"flag": Kind.AT_FLAGS},
    "utimensat": {"flag": Kind.AT_FLAGS},
    "getfhat": {"flags": Kind.AT_FLAGS},
    "chflags": {"flags": Kind.FILE_FLAGS},
    "fchflags": {"flags": Kind.FILE_FLAGS},
    "lchflags": {"flags": Kind.FILE_FLAGS},
    "chflagsat": {"flags": Kind.FILE_FLAGS},
    "posix_fadvise": {"advice": Kind.FADVICE},
    "sched_setscheduler": {"policy": Kind.SCHED_POLICY},
    "sched_get_priority_max": {"policy": Kind.SCHED_POLICY},
    "sched_get_priority_min": {"policy": Kind.SCHED_POLICY},
    "_umtx_op": {"op": Kind.UMTX_OP, "val": Kind.HEX, "obj": Kind.PTR, "uaddr1": Kind.PTR, "uaddr2": Kind.PTR},
    "dup2": {"from": Kind.FD, "to": Kind.FD},
    "dup": {"fd": Kind.FD},
    "kill": {"pid": Kind.PID},
    "setpgid": {"pgid": Kind.PID},
    "timerfd_create": {"clockid": Kind.CLOCK},
    "freebsd11_mknod": {"mode": Kind.OCT},
    "__sysctl": {"name": Kind.OID},
    "__sysctlbyname": {"name": Kind.BUF},
    "sysarch": {"parms": Kind.PTR},
    "cap_ioctls_limit": {"cmds": Kind.PTR},
}

#: Results that are more than their C type says.
_PID_RESULTS = (
    *("fork", "vfork", "rfork", "pdfork", "wait4", "wait6"),
    *("getpgrp", "getpgid", "getsid", "setsid"),
)
_FD_RESULTS = (
    *("open", "openat", "dup", "socket", "accept", "accept4", "kqueue", "kqueuex", "posix_openpt", "shm_open2"),
    *(
        "freebsd12_shm_open",
        "timerfd_create",
        "__specialfd",
        "fhopen",
        "kmq_open",
        "freebsd10_pipe",
        "oaccept",
        "ocreat",
    ),
)
_RESULTS = dict.fromkeys(_PID_RESULTS, Kind.PID) | dict.fromkeys(_FD_RESULTS, Kind.FD) | {"umask": Kind.OCT}


def argument_kind(call: Syscall, argument: Argument) -> Kind:
    """How to print one argument of a call."""
    special = _BY_CALL.get(call.name, {}).get(argument.name)
    if special is not None:
        return special
    if argument.direction == "str":
        return Kind.STR
    if argument.is_pointer:
        if not argument.direction:
            return Kind.PTR
        pointed = argument.ctype.removeprefix("const ").removesuffix("*").strip()
        if pointed == "char *" and argument.direction == "in":
            return Kind.STRS
        kind = _STRUCTS.get(pointed, Kind.PTR)
        return Kind.PTR if kind is Kind.BUF and not argument.size else kind
    if argument.ctype in ("int", "u_int"):
        if argument.name in _DESCRIPTORS:
            arguments = call.arguments
            following = arguments[arguments.index(argument) + 1 :]
            return Kind.ATFD if following and following[0].direction == "str" else Kind.FD
        if argument.name in _BY_NAME:
            return _BY_NAME[argument.name]
    return _SCALARS[argument.ctype]


def result_kind(call: Syscall) -> Kind:
    """How to print what a call returns when it succeeds."""
    if call.name in _RESULTS:
        return _RESULTS[call.name]
    return Kind.PTR if call.result.endswith("*") else _SCALARS[call.result]


#: In place of the index of an argument: there is no size.
NO_SIZE = 0xFF
#: Added to the index: the argument points to the size.
SIZE_IS_POINTED_TO = 0x40
#: Added instead of an index: the size is this constant.
SIZE_IS_CONSTANT = 0x80


def argument_size(call: Syscall, argument: Argument) -> int:
    """Where the size of an argument is: an index, perhaps with SIZE_IS_POINTED_TO, a constant, or NO_SIZE."""
    size = argument.size
    if not size:
        return NO_SIZE
    if size.isdigit():
        return SIZE_IS_CONSTANT + int(size)
    index = [other.name for other in call.arguments].index(size.lstrip("*"))
    return index + SIZE_IS_POINTED_TO * size.startswith("*")

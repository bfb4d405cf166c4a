"""What differs from one release of FreeBSD to the next, and from which release on a program finds it.

`--osrelease`, or the root, says which release a program runs on (`process.own.osreldate`, FreeBSD's kern.osreldate). A row is one
difference: its name, the first value of kern.osreldate that has it, and what it is. The build makes FREEBSD_SINCE_NAME of each, which
handlers compare with; `python -m lsf.freebsd.tables.report releases` prints the page docs/user/releases.md.

Calls that FreeBSD 13.5 does not have are rows, too (`CALLS`): on an older release they are unknown numbers, ENOSYS with SIGSYS. What is
older than 13.5 is there on every release.

Sources: sys/sys/param.h and UPDATING for the numbers, the commits' files for the rest; a row names the file that shows it.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """name: of the constant, in capitals. since: kern.osreldate. what: for users. source: where FreeBSD's sources have it."""

    name: str
    since: int
    what: str
    source: str


DIFFERENCES = (
    Difference("RFSPAWN", 1202000, "rfork(RFSPAWN), with which posix_spawn(3) makes processes", "kern/kern_fork.c"),
    Difference("SIGFASTBLOCK", 1300000, "sigfastblock(2), and its word in the auxiliary vector", "kern/kern_sig.c"),
    Difference("SCRIPT_TOO_LONG", 1300000, "a script's first line that is too long is ENAMETOOLONG", "kern/imgact_shell.c"),
    Difference("NETLINK", 1302000, "netlink(4)", "netlink/netlink_domain.c"),
    Difference("KTR_VERSION", 1400000, "the records of ktrace(2) have struct ktr_header's version 1", "sys/ktrace.h"),
    Difference("DGRAM_EAGAIN", 1400000, "a local datagram that finds the receiver's queue full is EAGAIN on a non-blocking socket",
               "kern/uipc_usrreq.c"),
    Difference("PUSER_88", 1400000, "priorities of processes begin at 88, and no longer 120", "sys/priority.h"),
    Difference("FLOCK_FIFO", 1400000, "flock(2) locks FIFOs", "kern/kern_descrip.c"),
    Difference("MAX_PROT", 1400000, "KERN_PROC_VMMAP tells KVME_MAX_PROT_", "kern/kern_proc.c"),
    Difference("TCPSTAT_14", 1400000, "struct tcpstat (net.inet.tcp.stats) has tcps_progdrops", "netinet/tcp_var.h"),
    Difference("PIPEBUF", 1402000, "RLIMIT_PIPEBUF, in core files too", "kern/kern_resource.c"),
    Difference("KTR_CAPFAIL", 1403000, "ktrace(2)'s records of Capsicum's violations say which call it was, at the latest since then",
               "sys/ktrace.h"),
    Difference("PUSER_56", 1500000, "priorities of processes begin at 56", "sys/priority.h"),
    Difference("DGRAM_ENOBUFS", 1500000, "and ENOBUFS on every socket, as before 14", "kern/uipc_usrreq.c"),
    Difference("GROUPS_APART", 1500000, "the effective group is not one of those that credentials list", "sys/ucred.h"),
    Difference("CONTROL_EMSGSIZE", 1500000, "control messages that are too long are EMSGSIZE, and no longer EINVAL", "kern/uipc_usrreq.c"),
    Difference("WHOLE_NAMES", 1500000, "getsockname(2) and its kin tell an address's whole length, where the buffer is smaller", "kern/uipc_syscalls.c"),
    Difference("ACCEPTED_TIMES", 1500000, "what accept(2) gives does not ask for the times of what is received where the listener does", "kern/uipc_socket.c"),
    Difference("BALANCED_ALONE", 1500000, "a TCP socket with SO_REUSEPORT_LB makes no connection: EOPNOTSUPP", "netinet/tcp_usrreq.c"),
    Difference("ACCEPTED_OPTIONS", 1500000, "nor does it take over SO_DEBUG, SO_BROADCAST and SO_USELOOPBACK (nor SO_REUSEADDR and SO_REUSEPORT, which under LSF it does)",
               "kern/uipc_socket.c"),
    Difference("STREAM_RECORDS", 1500000, "a local SOCK_SEQPACKET is a stream, in which MSG_EOR ends a record", "kern/uipc_usrreq.c"),
    Difference("SHM_REMAP", 1500000, "SHM_REMAP is 040000, and no longer 030000", "sys/shm.h"),
    Difference("POSIX_2008", 1500000, "kern.posix1version is 200809, and no longer 200112", "sys/unistd.h"),
    Difference("ATTACH_ASLEEP", 1500000, "PT_ATTACH lets who sleeps sleep on, and no thread reports its stop", "kern/kern_sig.c"),
    Difference("HASTLSBASE", 1500000, "setcontext(2) takes _MC_HASTLSBASE", "amd64/amd64/exec_machdep.c"),
    Difference("CLONE", 1500068, "copy_file_range(COPY_FILE_RANGE_CLONE), EOPNOTSUPP as on UFS, and _PC_CLONE_BLKSIZE", "kern/vfs_vnops.c"),
    Difference("LOGSIGEXIT", 1500000, "procctl(PROC_LOGSIGEXIT_CTL)", "kern/kern_procctl.c"),
    Difference("TLSBASE", 1500044, "sysarch(AMD64_SET_TLSBASE) and THR_C_RUNTIME of thr_new(2): handlers of signals find that FS base",
               "amd64/amd64/sys_machdep.c"),
    Difference("ENTRIES_NOTDIR", 1500000, "getdirentries(2) of a file is ENOTDIR, and no longer EINVAL; of a removed directory ENOENT, and no longer nothing", "kern/vfs_syscalls.c"),
    Difference("MQUEUE_NAMES", 1500000, "a message queue's name may begin without a slash", "kern/uipc_mqueue.c"),
    Difference("TCPSTAT_15", 1500000, "struct tcpstat has 125 counters", "netinet/tcp_var.h"),
    Difference("INOTIFY", 1500000, "inotify(2)", "kern/vfs_inotify.c"),
    Difference("JAIL_EVENTS", 1500000, "EVFILT_JAIL", "kern/kern_event.c"),
    Difference("CAPMODE_FORKS", 1500000, "wait4, vfork and rfork are calls of capability mode", "kern/syscalls.master"),
    Difference("CAP_INOTIFY", 1500000, "the rights CAP_FCHROOT, CAP_INOTIFY_ADD and CAP_INOTIFY_RM", "sys/capsicum.h"),
    Difference("FD_FLAGS", 1500000, "FD_CLOFORK and FD_RESOLVE_BENEATH, with O_, SOCK_, MSG_CMSG_ and CLOSE_RANGE_CLOFORK, F_DUPFD_CLOFORK, F_DUP3FD",
               "kern/kern_descrip.c"),
)  # fmt: skip

#: Calls that not every release has: the first kern.osreldate that does.
CALLS: dict[str, int] = {
    "fspacectl": 1400000,
    **dict.fromkeys(("timerfd_create", "timerfd_gettime", "timerfd_settime"), 1400000),
    "getrlimitusage": 1402000,
    **dict.fromkeys(("fchroot", "setcred", "exterrctl", "inotify_add_watch_at", "inotify_rm_watch", "getgroups",
                     "setgroups", "jail_attach_jd", "jail_remove_jd"), 1500000),
    **dict.fromkeys(("pdrfork", "pdwait"), 1501000),
}  # fmt: skip

#: Calls whose flags may ask for FD_CLOFORK: (the argument with the flags, the flag's name, what it is for: 'result', or the
#: argument that names two descriptors or a message).
CLOFORK: dict[str, tuple[int, str, int | str]] = {
    "open": (1, "O_CLOFORK", "result"),
    "openat": (2, "O_CLOFORK", "result"),
    "shm_open2": (1, "O_CLOFORK", "result"),
    "pipe2": (1, "O_CLOFORK", 0),
    "socket": (1, "SOCK_CLOFORK", "result"),
    "socketpair": (1, "SOCK_CLOFORK", 3),
    "accept4": (3, "SOCK_CLOFORK", "result"),
    "recvmsg": (2, "MSG_CMSG_CLOFORK", 1),
}


def since(name: str) -> int:
    """The first kern.osreldate that has a call; 0 for one that all have."""
    return CALLS.get(name, 0)


def shown(number: int) -> str:
    """A kern.osreldate as the release that it stands for: 14.2."""
    return f"{number // 100000}.{number // 1000 % 100}"

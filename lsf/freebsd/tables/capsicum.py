"""Capsicum: which calls a process in capability mode may make, and which rights of a descriptor each call asks for.

FreeBSD marks a call of capability mode in its syscalls.master (CAPENABLED), and each handler names the rights when it looks its
descriptor up (fget, getsock, getvnode, namei). Here both are tables: the build makes capsicum.c of them, by which one hook
(lsf/freebsd/kernel/file/capsicum.pxi) stands before the calls of a process that has entered capability mode or has limited a descriptor.

Sources: FreeBSD 15's sys/kern/syscalls.master, sys/sys/capsicum.h, sys/kern/subr_capability.c (the rights), and for each call the file
that handles it.
"""

from __future__ import annotations

from typing import NamedTuple

#: Calls of capability mode. What a call allows there by its arguments (kill: the process itself) capmode.pxi says.
ENABLED = frozenset(
    """
    __acl_aclcheck_fd __acl_delete_fd __acl_get_fd __acl_set_fd __cap_rights_get __mac_get_fd __mac_get_proc __mac_set_fd
    __mac_set_proc __specialfd __sysctl __sysctlbyname _umtx_op abort2 accept accept4 aio_cancel aio_error aio_fsync
    aio_read aio_readv aio_return aio_suspend aio_waitcomplete aio_write aio_writev bindat break cap_enter cap_fcntls_get
    cap_fcntls_limit cap_getmode cap_ioctls_get cap_ioctls_limit cap_rights_limit chflagsat clock_getres clock_gettime close
    close_range connectat copy_file_range cpuset_getaffinity cpuset_getdomain cpuset_setaffinity cpuset_setdomain dup dup2
    exit extattr_delete_fd extattr_get_fd extattr_list_fd extattr_set_fd exterrctl faccessat fchflags fchmod fchmodat fchown
    fchownat fcntl fdatasync fexecve flock fork fpathconf freebsd10_pipe freebsd11_fstat freebsd11_fstatat freebsd11_fstatfs
    freebsd11_getdents freebsd11_getdirentries freebsd11_kevent freebsd11_mknodat freebsd12_closefrom freebsd12_shm_open
    freebsd14_getgroups freebsd4_getdomainname freebsd6_aio_read freebsd6_aio_write freebsd6_ftruncate freebsd6_lio_listio
    freebsd6_lseek freebsd6_mmap freebsd6_pread freebsd6_pwrite fspacectl fstat fstatat fstatfs fsync ftruncate funlinkat
    futimens futimes futimesat getaudit getaudit_addr getauid getcontext getdirentries getdtablesize getegid geteuid getgid
    getgroups getitimer getlogin getloginclass getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresuid getrlimit getrlimitusage getrusage getsid getsockname getsockopt gettimeofday getuid inotify_add_watch_at
    inotify_rm_watch ioctl issetugid kevent kill kmq_notify kmq_setattr kmq_timedreceive kmq_timedsend kqueue kqueuex
    ktimer_create ktimer_delete ktimer_getoverrun ktimer_gettime ktimer_settime linkat lio_listio listen lseek madvise
    membarrier mincore minherit mkdirat mkfifoat mknodat mlock mlockall mmap mprotect msync munlock munlockall munmap
    nanosleep ntp_gettime openat pdfork pdgetpid pdkill pdrfork pdwait pipe2 poll posix_fadvise posix_fallocate ppoll pread
    preadv profil pselect pwrite pwritev read readlinkat readv recvfrom recvmsg renameat rfork rtprio rtprio_thread
    sched_get_priority_max sched_get_priority_min sched_getcpu sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setparam sched_setscheduler sched_yield sctp_generic_recvmsg sctp_generic_sendmsg sctp_generic_sendmsg_iov
    sctp_peeloff select sendfile sendmsg sendto setaudit setaudit_addr setauid setcontext setcred setegid seteuid setgid
    setitimer setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid shm_open2 shutdown
    sigaction sigaltstack sigfastblock sigpending sigprocmask sigqueue sigreturn sigsuspend sigtimedwait sigwait sigwaitinfo
    socket socketpair symlinkat sync sysarch thr_create thr_exit thr_kill thr_new thr_self thr_set_name thr_suspend thr_wake
    timerfd_create timerfd_gettime timerfd_settime umask unlinkat utimensat utrace uuidgen vfork wait4 write writev yield
    """.split()
)

#: Of these, those that came later (CAPMODE_FORKS in releases.py).
ENABLED_LATER = frozenset({"wait4", "vfork", "rfork"})

#: The two words of cap_rights_t: a right is a bit of one of them, and bit 57 + n says which (CAPRIGHT).
Rights = tuple[int, int]


def _bits(first: int = 0, second: int = 0) -> Rights:
    return (first, second)


_SEEK, _LOOKUP, _MMAP = 0xC, 0x400, 0x10

#: What a descriptor can be limited to, and calls ask for: names of sys/capsicum.h without CAP_, and their bits without the word's mark.
RIGHTS: dict[str, Rights] = {
    "NONE": _bits(),
    "READ": _bits(0x1),
    "WRITE": _bits(0x2),
    "SEEK": _bits(_SEEK),
    "PREAD": _bits(_SEEK | 0x1),
    "PWRITE": _bits(_SEEK | 0x2),
    "MMAP": _bits(_MMAP),
    "MMAP_R": _bits(_MMAP | _SEEK | 0x1),
    "MMAP_W": _bits(_MMAP | _SEEK | 0x2),
    "MMAP_X": _bits(_MMAP | _SEEK | 0x20),
    "CREATE": _bits(0x40),
    "FEXECVE": _bits(0x80),
    "FSYNC": _bits(0x100),
    "FTRUNCATE": _bits(0x200),
    "LOOKUP": _bits(_LOOKUP),
    "FCHDIR": _bits(0x800),
    "FCHFLAGS": _bits(0x1000),
    "FCHMOD": _bits(0x2000),
    "FCHOWN": _bits(0x4000),
    "FCNTL": _bits(0x8000),
    "FLOCK": _bits(0x10000),
    "FPATHCONF": _bits(0x20000),
    "FSTAT": _bits(0x80000),
    "FSTATFS": _bits(0x100000),
    "FUTIMES": _bits(0x200000),
    "LINKAT_TARGET": _bits(_LOOKUP | 0x400000),
    "MKDIRAT": _bits(_LOOKUP | 0x800000),
    "MKFIFOAT": _bits(_LOOKUP | 0x1000000),
    "MKNODAT": _bits(_LOOKUP | 0x2000000),
    "RENAMEAT_SOURCE": _bits(_LOOKUP | 0x4000000),
    "SYMLINKAT": _bits(_LOOKUP | 0x8000000),
    "UNLINKAT": _bits(_LOOKUP | 0x10000000),
    "ACCEPT": _bits(0x20000000),
    "BIND": _bits(0x40000000),
    "CONNECT": _bits(0x80000000),
    "GETPEERNAME": _bits(0x100000000),
    "GETSOCKNAME": _bits(0x200000000),
    "GETSOCKOPT": _bits(0x400000000),
    "LISTEN": _bits(0x800000000),
    "PEELOFF": _bits(0x1000000000),
    "SETSOCKOPT": _bits(0x2000000000),
    "SHUTDOWN": _bits(0x4000000000),
    "BINDAT": _bits(_LOOKUP | 0x8000000000),
    "CONNECTAT": _bits(_LOOKUP | 0x10000000000),
    "LINKAT_SOURCE": _bits(_LOOKUP | 0x20000000000),
    "RENAMEAT_TARGET": _bits(_LOOKUP | 0x40000000000),
    "MAC_GET": _bits(0, 0x1),
    "MAC_SET": _bits(0, 0x2),
    "SEM_GETVALUE": _bits(0, 0x4),
    "SEM_POST": _bits(0, 0x8),
    "SEM_WAIT": _bits(0, 0x10),
    "EVENT": _bits(0, 0x20),
    "KQUEUE_EVENT": _bits(0, 0x40),
    "IOCTL": _bits(0, 0x80),
    "PDGETPID": _bits(0, 0x200),
    "PDWAIT": _bits(0, 0x400),
    "PDKILL": _bits(0, 0x800),
    "EXTATTR_DELETE": _bits(0, 0x1000),
    "EXTATTR_GET": _bits(0, 0x2000),
    "EXTATTR_LIST": _bits(0, 0x4000),
    "EXTATTR_SET": _bits(0, 0x8000),
    "ACL_CHECK": _bits(0, 0x10000),
    "ACL_DELETE": _bits(0, 0x20000),
    "ACL_GET": _bits(0, 0x40000),
    "ACL_SET": _bits(0, 0x80000),
    "KQUEUE_CHANGE": _bits(0, 0x100000),
    # The rights of FreeBSD 15.
    "FCHROOT": _bits(0x80000000000),
    "INOTIFY_ADD": _bits(0, 0x200000),
    "INOTIFY_RM": _bits(0, 0x400000),
    # All that a release knows (CAP_ALL0, CAP_ALL1): what a descriptor has that nobody limited.
    "ALL": _bits(0x7FFFFFFFFFF, 0x1FFFFF),
    "ALL_15": _bits(0xFFFFFFFFFFF, 0x7FFFFF),
}

#: RIGHTS that the headers of 13 and 14 lack, or have with another value.
OF_15 = frozenset({"FCHROOT", "INOTIFY_ADD", "INOTIFY_RM", "ALL_15"})

#: What CAPRIGHT adds to a right of the first word, and of the second.
WORDS = (1 << 57, 1 << 58)


class Need(NamedTuple):
    """An argument that is a descriptor, and what the call asks of it. The descriptor of a directory in which a path begins
    (`tables/paths.py`) is asked for CAP_LOOKUP as well, and only where the path begins there."""

    argument: int
    right: str


def _one(right: str, *calls: str) -> dict[str, tuple[Need, ...]]:
    return dict.fromkeys(calls, (Need(0, right),))


NEEDS: dict[str, tuple[Need, ...]] = {
    **_one("READ", "read", "readv", "recvmsg", "recvfrom", "getdirentries", "freebsd11_getdirentries", "freebsd11_getdents",
           "kmq_timedreceive"),
    **_one("WRITE", "write", "writev", "sendmsg", "sendto", "kmq_timedsend", "timerfd_gettime", "timerfd_settime"),
    **_one("PREAD", "pread", "preadv", "freebsd6_pread"),
    **_one("PWRITE", "pwrite", "pwritev", "freebsd6_pwrite", "posix_fallocate", "fspacectl"),
    **_one("SEEK", "lseek", "freebsd6_lseek"),
    **_one("FSTAT", "fstat", "freebsd11_fstat", "freebsd11_nfstat", "fstatat", "freebsd11_fstatat", "faccessat", "__realpathat"),
    **_one("FCHDIR", "fchdir"),
    **_one("FCHROOT", "fchroot"),
    **_one("FCHFLAGS", "fchflags", "chflagsat"),
    **_one("FCHMOD", "fchmod", "fchmodat"),
    **_one("FCHOWN", "fchown", "fchownat"),
    **_one("FSYNC", "fsync", "fdatasync"),
    **_one("FTRUNCATE", "ftruncate", "freebsd6_ftruncate"),
    **_one("FLOCK", "flock"),
    **_one("FPATHCONF", "fpathconf"),
    **_one("FSTATFS", "fstatfs", "freebsd11_fstatfs"),
    **_one("FUTIMES", "futimes", "futimens", "futimesat", "utimensat"),
    **_one("FEXECVE", "fexecve"),
    **_one("MKDIRAT", "mkdirat"),
    **_one("MKFIFOAT", "mkfifoat"),
    **_one("MKNODAT", "mknodat", "freebsd11_mknodat"),
    **_one("UNLINKAT", "unlinkat", "funlinkat"),
    **_one("LOOKUP", "readlinkat"),
    **_one("ACCEPT", "accept", "accept4"),
    **_one("BIND", "bind"),
    **_one("CONNECT", "connect"),
    **_one("LISTEN", "listen"),
    **_one("SHUTDOWN", "shutdown"),
    **_one("GETPEERNAME", "getpeername"),
    **_one("GETSOCKNAME", "getsockname"),
    **_one("GETSOCKOPT", "getsockopt"),
    **_one("SETSOCKOPT", "setsockopt"),
    **_one("EXTATTR_SET", "extattr_set_fd"),
    **_one("EXTATTR_GET", "extattr_get_fd"),
    **_one("EXTATTR_DELETE", "extattr_delete_fd"),
    **_one("EXTATTR_LIST", "extattr_list_fd"),
    **_one("ACL_GET", "__acl_get_fd"),
    **_one("ACL_SET", "__acl_set_fd"),
    **_one("ACL_DELETE", "__acl_delete_fd"),
    **_one("ACL_CHECK", "__acl_aclcheck_fd"),
    **_one("EVENT", "kmq_notify", "kmq_setattr"),
    **_one("SEM_POST", "ksem_post"),
    **_one("SEM_WAIT", "ksem_wait", "ksem_trywait", "ksem_timedwait"),
    **_one("SEM_GETVALUE", "ksem_getvalue"),
    **_one("PDKILL", "pdkill"),
    **_one("PDGETPID", "pdgetpid"),
    **_one("PDWAIT", "pdwait"),
    **_one("INOTIFY_RM", "inotify_rm_watch"),
    "inotify_add_watch_at": (Need(0, "INOTIFY_ADD"), Need(1, "LOOKUP")),
    "symlinkat": (Need(1, "SYMLINKAT"),),
    "linkat": (Need(0, "LINKAT_SOURCE"), Need(2, "LINKAT_TARGET")),
    "renameat": (Need(0, "RENAMEAT_SOURCE"), Need(2, "RENAMEAT_TARGET")),
    "sendfile": (Need(0, "PREAD"), Need(1, "WRITE")),
    "bindat": (Need(1, "BIND"),),
    "connectat": (Need(1, "CONNECT"),),
}  # fmt: skip

#: Calls whose rights depend on other arguments: capsicum.pxi says them.
BY_ARGUMENTS = frozenset(
    {"openat", "fcntl", "ioctl", "mmap", "freebsd6_mmap", "kevent", "freebsd11_kevent", "copy_file_range"}
)

#: Descriptors that need no right (sys/kern: cap_no_rights, or no look-up at all), and those of calls that LSF refuses.
NO_RIGHTS = frozenset(
    {"close", "dup", "dup2", "posix_fadvise", "aio_cancel", "ksem_close", "ksem_destroy", "__cap_rights_get", "cap_rights_limit",
     "cap_ioctls_limit", "cap_ioctls_get", "cap_fcntls_limit", "cap_fcntls_get", "__mac_get_fd", "__mac_set_fd", "getfhat", "fhlinkat",
     "jail_attach_jd", "jail_remove_jd", "sctp_peeloff", "sctp_generic_sendmsg", "sctp_generic_sendmsg_iov", "sctp_generic_recvmsg",
     "freebsd4_fstatfs", "freebsd4_sendfile", "oaccept", "ofstat", "oftruncate", "ogetdirentries", "ogetpeername", "ogetsockname", "olseek",
     "ommap", "orecv", "orecvfrom", "orecvmsg", "osend", "osendmsg"}
)  # fmt: skip


def is_enabled(name: str) -> bool:
    """Whether a process in capability mode may make a call. syscall(2) and __syscall(2) are what they stand for."""
    return name in ENABLED or name in ("syscall", "__syscall")

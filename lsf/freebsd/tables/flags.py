"""Flag words and numbered choices that FreeBSD and Linux spell differently.

A `Word` is a set of bits (open flags, message flags); a `Choice` is one of several numbers (a clock, an fcntl command).
Each row is a pair, and one function walks the pairs in either direction. The same rows become C tables in the shim
(lsf/_build/generate.py) and the FREEBSD_ constants there. Rows name the constants as the headers do, so that a test can
ask the headers of both systems for their values.

Sources: FreeBSD `sys/{fcntl,mman,socket,wait,poll,signal,stat,mount,eventfd,timerfd,resource,_clock_id}.h`, `sched.h`,
`netinet/{in,tcp}.h`, `netinet6/in6.h`; Linux `asm-generic/*.h` and glibc's headers.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Result of a walk for a value that the starting system does not have.
UNKNOWN = -1
#: Result of a walk for a choice that FreeBSD has and Linux does not.
NO_TWIN = -2


@dataclass(frozen=True)
class Row:
    """A bit or a choice. `linux` is None where Linux has no twin.

    `one_way` rows lead from FreeBSD to Linux only: another row leads back.
    `ignored` bits have no twin and need none: a word that has them is translated without them.
    """

    name: str
    freebsd: int
    linux: int | None
    linux_name: str = ""  # where it is not `name`
    note: str = ""
    one_way: bool = False
    ignored: bool = False
    since: str = ""  # the release whose headers first have it, if that is later than 14

    @property
    def twin_name(self) -> str:
        return self.linux_name or self.name


@dataclass(frozen=True)
class Field:
    """Bits of a word that together are a number with the same values on both systems."""

    freebsd_mask: int
    linux_mask: int
    rows: tuple[Row, ...]


class Pairs:
    """Rows that are walked in either direction."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Word(Pairs):
    """A flag word.

    A strict one refuses (UNKNOWN) bits that have no row, or no twin and are not ignored; another drops them.

    `returns` is false where nothing ever comes back from Linux (and two FreeBSD bits may share a Linux one).
    """

    name: str
    bits: tuple[Row, ...]
    fields: tuple[Field, ...] = ()
    strict: bool = False
    returns: bool = True

    @property
    def rows(self) -> tuple[Row, ...]:  # type: ignore[override]  # it is made of others
        return tuple(row for field in self.fields for row in field.rows) + self.bits


@dataclass(frozen=True)
class Choice(Pairs):
    """One of several numbers: UNKNOWN for a number without a row, NO_TWIN for one that only FreeBSD has."""

    name: str
    rows: tuple[Row, ...]


def _same(*pairs: tuple[str, int]) -> tuple[Row, ...]:
    return tuple(Row(name, value, value) for name, value in pairs)


WORDS: tuple[Word, ...] = (
    # open(2), openat(2), and what fcntl(F_GETFL) gives back. FreeBSD ignores bits it does not know.
    Word(
        "open_flags",
        fields=(Field(3, 3, _same(("O_RDONLY", 0), ("O_WRONLY", 1), ("O_RDWR", 2))),),
        bits=(
            Row("O_NONBLOCK", 0x4, 0x800),
            Row("O_APPEND", 0x8, 0x400),
            Row("O_SHLOCK", 0x10, None, note="the shim takes the lock with flock(2) after the open"),
            Row("O_EXLOCK", 0x20, None, note="as O_SHLOCK"),
            Row("O_ASYNC", 0x40, 0x2000),
            Row("O_SYNC", 0x80, 0x101000),
            Row("O_NOFOLLOW", 0x100, 0x20000),
            Row("O_CREAT", 0x200, 0x40),
            Row("O_TRUNC", 0x400, 0x200),
            Row("O_EXCL", 0x800, 0x80),
            Row("O_NOCTTY", 0x8000, 0x100),
            Row("O_DIRECT", 0x10000, 0x4000),
            Row("O_DIRECTORY", 0x20000, 0x10000),
            Row("O_EXEC", 0x40000, None, note="the shim opens with O_PATH and checks for execute permission"),
            Row("O_TTY_INIT", 0x80000, None, ignored=True, note="every terminal starts so on Linux"),
            Row("O_CLOEXEC", 0x100000, 0x80000),
            Row("O_VERIFY", 0x200000, None, ignored=True, note="asks a MAC policy that is not there"),
            Row("O_PATH", 0x400000, 0x200000),
            Row("O_RESOLVE_BENEATH", 0x800000, None, note="the shim uses openat2(2)"),
            Row("O_DSYNC", 0x1000000, 0x1000),
            Row("O_EMPTY_PATH", 0x2000000, None, note="the shim opens the descriptor's file again"),
            Row("O_NAMEDATTR", 0x4000000, None, since="15"),
            Row("O_CLOFORK", 0x8000000, None, since="15"),
        ),
    ),
    # The flag argument of the *at calls. AT_EACCESS and AT_REMOVEDIR share a bit on Linux; no call takes both.
    Word(
        "at_flags",
        strict=True,
        returns=False,
        bits=(
            Row("AT_EACCESS", 0x100, 0x200),
            Row("AT_SYMLINK_NOFOLLOW", 0x200, 0x100),
            Row("AT_SYMLINK_FOLLOW", 0x400, 0x400),
            Row("AT_REMOVEDIR", 0x800, 0x200),
            Row("AT_RESOLVE_BENEATH", 0x2000, None, note="the shim uses openat2(2), or refuses"),
            Row("AT_EMPTY_PATH", 0x4000, 0x1000),
        ),
    ),
    # mmap(2). The caller takes the alignment (bits 24 to 31) off, and MAP_GUARD and MAP_STACK, no bits on Linux.
    Word(
        "mmap_flags",
        strict=True,
        bits=(
            *_same(("MAP_SHARED", 0x1), ("MAP_PRIVATE", 0x2), ("MAP_FIXED", 0x10)),
            Row("MAP_HASSEMAPHORE", 0x200, None, ignored=True, note="a hint for the cache, without effect on amd64"),
            Row("MAP_STACK", 0x400, None, note="grows downwards on FreeBSD; the shim maps all of it"),
            Row("MAP_NOSYNC", 0x800, None, ignored=True, note="says how lazily pages are written back"),
            Row("MAP_ANON", 0x1000, 0x20, "MAP_ANONYMOUS"),
            Row("MAP_GUARD", 0x2000, None, note="a mapping without access or backing"),
            Row("MAP_EXCL", 0x4000, 0x100000, "MAP_FIXED_NOREPLACE"),
            Row("MAP_NOCORE", 0x20000, None, ignored=True, note="the shim may add madvise(MADV_DONTDUMP)"),
            Row("MAP_PREFAULT_READ", 0x40000, 0x8000, "MAP_POPULATE"),
            Row("MAP_32BIT", 0x80000, 0x40),
        ),
    ),
    # mmap(2), mprotect(2). The caller takes PROT_MAX (bits 16 and up) off.
    Word("prot", strict=True, bits=_same(("PROT_READ", 1), ("PROT_WRITE", 2), ("PROT_EXEC", 4))),
    # msync(2): MS_SYNC is no bit on FreeBSD.
    Word(
        "msync_flags",
        strict=True,
        fields=(Field(0x1, 0x5, (Row("MS_SYNC", 0, 4), Row("MS_ASYNC", 1, 1))),),
        bits=_same(("MS_INVALIDATE", 2)),
    ),
    Word("mlockall_flags", strict=True, bits=_same(("MCL_CURRENT", 1), ("MCL_FUTURE", 2))),
    # send(2), recv(2), and msg_flags of recvmsg(2). FreeBSD ignores bits it does not know.
    Word(
        "msg_flags",
        bits=(
            *_same(("MSG_OOB", 0x1), ("MSG_PEEK", 0x2), ("MSG_DONTROUTE", 0x4)),
            Row("MSG_EOR", 0x8, 0x80),
            Row("MSG_TRUNC", 0x10, 0x20),
            Row("MSG_CTRUNC", 0x20, 0x8),
            Row("MSG_WAITALL", 0x40, 0x100),
            Row("MSG_DONTWAIT", 0x80, 0x40),
            Row("MSG_EOF", 0x100, None, note="the shim shuts the sending side down after the message"),
            Row("MSG_NOTIFICATION", 0x2000, None, note="SCTP"),
            Row("MSG_NBIO", 0x4000, 0x40, "MSG_DONTWAIT", one_way=True),
            Row("MSG_NOSIGNAL", 0x20000, 0x4000),
            Row("MSG_CMSG_CLOEXEC", 0x40000, 0x40000000),
            Row("MSG_WAITFORONE", 0x80000, 0x10000),
            Row("MSG_CMSG_CLOFORK", 0x400000, None, since="15"),
        ),
    ),
    # The type of socket(2) and socketpair(2) with its flags, and the flags of accept4(2).
    Word(
        "socket_type",
        strict=True,
        fields=(
            Field(
                0x0FFFFFFF,
                0xF,
                (
                    Row("", 0, 0, note="accept4 has no type"),
                    *_same(
                        ("SOCK_STREAM", 1), ("SOCK_DGRAM", 2), ("SOCK_RAW", 3), ("SOCK_RDM", 4), ("SOCK_SEQPACKET", 5)
                    ),
                ),
            ),
        ),
        bits=(
            Row("SOCK_CLOEXEC", 0x10000000, 0x80000),
            Row("SOCK_NONBLOCK", 0x20000000, 0x800),
            Row("SOCK_CLOFORK", 0x40000000, None, since="15"),
        ),
    ),
    # wait4(2), wait6(2) -> wait4(2), waitid(2)
    Word(
        "wait_options",
        strict=True,
        bits=(
            *_same(("WNOHANG", 1), ("WUNTRACED", 2)),
            Row("WCONTINUED", 4, 8),
            Row("WNOWAIT", 8, 0x1000000),
            Row("WEXITED", 16, 4),
            Row("WLINUXCLONE", 0x80000000, 0x80000000, "__WCLONE"),
            Row("WTRAPPED", 32, None, ignored=True, note="a traced child that traps; Linux reports it as stopped"),
        ),
    ),
    # poll(2). POLLWRNORM is POLLOUT on FreeBSD.
    Word(
        "poll_events",
        bits=(
            *_same(("POLLIN", 0x1), ("POLLPRI", 0x2), ("POLLOUT", 0x4), ("POLLERR", 0x8), ("POLLHUP", 0x10)),
            *_same(("POLLNVAL", 0x20), ("POLLRDNORM", 0x40), ("POLLRDBAND", 0x80)),
            Row("POLLWRBAND", 0x100, 0x200),
            Row("POLLINIGNEOF", 0x2000, None, note="POLLIN without the end of the file"),
            Row("POLLRDHUP", 0x4000, 0x2000),
        ),
    ),
    Word(
        "sa_flags",
        strict=True,
        bits=(
            Row("SA_ONSTACK", 0x1, 0x08000000),
            Row("SA_RESTART", 0x2, 0x10000000),
            Row("SA_RESETHAND", 0x4, 0x80000000),
            Row("SA_NOCLDSTOP", 0x8, 0x1),
            Row("SA_NODEFER", 0x10, 0x40000000),
            Row("SA_NOCLDWAIT", 0x20, 0x2),
            Row("SA_SIGINFO", 0x40, 0x4),
        ),
    ),
    Word("ss_flags", strict=True, bits=(Row("SS_ONSTACK", 1, 1), Row("SS_DISABLE", 4, 2))),
    # st_flags of stat(2), chflags(2) <-> the attributes of FS_IOC_GETFLAGS. The user's and the superuser's immutable
    # are one on Linux.
    Word(
        "file_flags",
        strict=True,
        bits=(
            Row("UF_NODUMP", 0x1, 0x40, "FS_NODUMP_FL"),
            Row("SF_IMMUTABLE", 0x20000, 0x10, "FS_IMMUTABLE_FL"),
            Row("SF_APPEND", 0x40000, 0x20, "FS_APPEND_FL"),
            Row("UF_IMMUTABLE", 0x2, 0x10, "FS_IMMUTABLE_FL", one_way=True),
            Row("UF_APPEND", 0x4, 0x20, "FS_APPEND_FL", one_way=True),
            Row("UF_OPAQUE", 0x8, None),
            Row("UF_NOUNLINK", 0x10, None),
            Row("UF_SYSTEM", 0x80, None),
            Row("UF_SPARSE", 0x100, None),
            Row("UF_OFFLINE", 0x200, None),
            Row("UF_REPARSE", 0x400, None),
            Row(
                "UF_ARCHIVE",
                0x800,
                None,
                ignored=True,
                note="set by some file systems on every file: cp -p gives it back",
            ),
            Row("UF_READONLY", 0x1000, None),
            Row("UF_HIDDEN", 0x8000, None),
            Row("SF_ARCHIVED", 0x10000, None),
            Row("SF_NOUNLINK", 0x100000, None),
            Row("SF_SNAPSHOT", 0x200000, None),
        ),
    ),
    # f_flags of statfs(2) <-> f_flags of Linux's statfs
    Word(
        "mount_flags",
        bits=(
            Row("MNT_RDONLY", 0x1, 0x1, "ST_RDONLY"),
            Row("MNT_SYNCHRONOUS", 0x2, 0x10, "ST_SYNCHRONOUS"),
            Row("MNT_NOEXEC", 0x4, 0x8, "ST_NOEXEC"),
            Row("MNT_NOSUID", 0x8, 0x2, "ST_NOSUID"),
            Row("MNT_NOATIME", 0x10000000, 0x400, "ST_NOATIME"),
            Row("MNT_NOSYMFOLLOW", 0x400000, 0x2000, "ST_NOSYMFOLLOW"),
            Row("MNT_LOCAL", 0x1000, None, note="by the type of the file system"),
            Row("MNT_ROOTFS", 0x4000, None),
        ),
    ),
    # eventfd(2) comes as __specialfd(SPECIALFD_EVENTFD)
    Word(
        "eventfd_flags",
        strict=True,
        bits=(
            Row("EFD_SEMAPHORE", 0x1, 0x1),
            Row("EFD_NONBLOCK", 0x4, 0x800),
            Row("EFD_CLOEXEC", 0x100000, 0x80000),
        ),
    ),
    Word("timerfd_flags", strict=True, bits=(Row("TFD_NONBLOCK", 0x4, 0x800), Row("TFD_CLOEXEC", 0x100000, 0x80000))),
)

CHOICES: tuple[Choice, ...] = (
    Choice(
        "fcntl_cmd",
        (
            *_same(("F_DUPFD", 0), ("F_GETFD", 1), ("F_SETFD", 2), ("F_GETFL", 3), ("F_SETFL", 4)),
            Row("F_GETOWN", 5, 9),
            Row("F_SETOWN", 6, 8),
            Row("F_OGETLK", 7, None, note="the lock structure of FreeBSD 7"),
            Row("F_OSETLK", 8, None, note="as F_OGETLK"),
            Row("F_OSETLKW", 9, None, note="as F_OGETLK"),
            Row("F_DUP2FD", 10, None, note="dup2(2)"),
            Row("F_GETLK", 11, 5),
            Row("F_SETLK", 12, 6),
            Row("F_SETLKW", 13, 7),
            Row("F_SETLK_REMOTE", 14, None, note="for lockd(8)"),
            Row("F_READAHEAD", 15, None, note="posix_fadvise(2)"),
            Row("F_RDAHEAD", 16, None, note="posix_fadvise(2)"),
            Row("F_DUPFD_CLOEXEC", 17, 1030),
            Row("F_DUP2FD_CLOEXEC", 18, None, note="dup3(2)"),
            Row("F_ADD_SEALS", 19, 1033),
            Row("F_GET_SEALS", 20, 1034),
            Row("F_ISUNIONSTACK", 21, None),
            Row("F_KINFO", 22, None, note="kinfo_file of the descriptor"),
            Row("F_DUPFD_CLOFORK", 23, None, since="15"),
            Row("F_DUP3FD", 24, None, since="15"),
        ),
    ),
    Choice(
        "flock_type", (Row("F_RDLCK", 1, 0), Row("F_UNLCK", 2, 2), Row("F_WRLCK", 3, 1), Row("F_UNLCKSYS", 4, None))
    ),
    # madvise(2). FreeBSD's MADV_DONTNEED keeps the contents, Linux's discards them: MADV_COLD is what comes near.
    Choice(
        "madvice",
        (
            *_same(("MADV_NORMAL", 0), ("MADV_RANDOM", 1), ("MADV_SEQUENTIAL", 2), ("MADV_WILLNEED", 3)),
            Row("MADV_DONTNEED", 4, 20, "MADV_COLD"),
            Row("MADV_FREE", 5, 8),
            Row("MADV_NOSYNC", 6, None, note="says how lazily pages are written back"),
            Row("MADV_AUTOSYNC", 7, None, note="as MADV_NOSYNC"),
            Row("MADV_NOCORE", 8, 16, "MADV_DONTDUMP"),
            Row("MADV_CORE", 9, 17, "MADV_DODUMP"),
            Row("MADV_PROTECT", 10, None, note="protection from the out-of-memory killer, for the superuser"),
        ),
    ),
    # minherit(2) -> madvise(2)
    Choice(
        "inherit",
        (
            Row("INHERIT_SHARE", 0, None, note="a mapping cannot become shared later on Linux"),
            Row("INHERIT_COPY", 1, 11, "MADV_DOFORK"),
            Row("INHERIT_NONE", 2, 10, "MADV_DONTFORK"),
            Row("INHERIT_ZERO", 3, 18, "MADV_WIPEONFORK"),
        ),
    ),
    # FreeBSD's "fast" clocks tick with the timer interrupt, as Linux's coarse ones do.
    Choice(
        "clock",
        (
            Row("CLOCK_REALTIME", 0, 0),
            Row("CLOCK_VIRTUAL", 1, None, note="user time of the process, from getrusage(2)"),
            Row("CLOCK_PROF", 2, None, note="user and system time of the process, from getrusage(2)"),
            Row("CLOCK_MONOTONIC", 4, 1),
            Row("CLOCK_UPTIME", 5, 1, "CLOCK_MONOTONIC", one_way=True),
            Row("CLOCK_UPTIME_PRECISE", 7, 1, "CLOCK_MONOTONIC", one_way=True),
            Row("CLOCK_UPTIME_FAST", 8, 6, "CLOCK_MONOTONIC_COARSE", one_way=True),
            Row("CLOCK_REALTIME_PRECISE", 9, 0, "CLOCK_REALTIME", one_way=True),
            Row("CLOCK_REALTIME_FAST", 10, 5, "CLOCK_REALTIME_COARSE"),
            Row("CLOCK_MONOTONIC_PRECISE", 11, 1, "CLOCK_MONOTONIC", one_way=True),
            Row("CLOCK_MONOTONIC_FAST", 12, 6, "CLOCK_MONOTONIC_COARSE"),
            Row("CLOCK_SECOND", 13, None, note="CLOCK_REALTIME_COARSE with the nanoseconds cut off"),
            Row("CLOCK_THREAD_CPUTIME_ID", 14, 3),
            Row("CLOCK_PROCESS_CPUTIME_ID", 15, 2),
            Row("CLOCK_TAI", 16, 11, since="15"),
        ),
    ),
    Choice(
        "rlimit",
        (
            *_same(("RLIMIT_CPU", 0), ("RLIMIT_FSIZE", 1), ("RLIMIT_DATA", 2), ("RLIMIT_STACK", 3), ("RLIMIT_CORE", 4)),
            Row("RLIMIT_RSS", 5, 5),
            Row("RLIMIT_MEMLOCK", 6, 8),
            Row("RLIMIT_NPROC", 7, 6),
            Row("RLIMIT_NOFILE", 8, 7),
            Row("RLIMIT_SBSIZE", 9, None),
            Row("RLIMIT_VMEM", 10, 9, "RLIMIT_AS"),
            Row("RLIMIT_NPTS", 11, None),
            Row("RLIMIT_SWAP", 12, None),
            Row("RLIMIT_KQUEUES", 13, None),
            Row("RLIMIT_UMTXP", 14, None),
            Row("RLIMIT_PIPEBUF", 15, None),
        ),
    ),
    Choice(
        "address_family",
        (
            *_same(("AF_UNSPEC", 0), ("AF_UNIX", 1), ("AF_INET", 2)),
            Row("AF_ROUTE", 17, None),
            Row("AF_LINK", 18, None, note="addresses of network interfaces"),
            Row("AF_INET6", 28, 10),
            Row("AF_NETGRAPH", 32, None),
            Row("AF_BLUETOOTH", 36, 31),
            Row("AF_NETLINK", 38, 16),
            Row("AF_INET_SDP", 40, None),
            Row("AF_HYPERV", 43, None),
            Row("AF_DIVERT", 44, None, note="divert(4), of a module"),
        ),
    ),
    Choice(
        "sockopt_level",
        (
            Row("SOL_SOCKET", 0xFFFF, 1),
            *_same(("IPPROTO_IP", 0), ("IPPROTO_TCP", 6), ("IPPROTO_UDP", 17), ("IPPROTO_IPV6", 41)),
            *_same(("IPPROTO_ICMPV6", 58), ("IPPROTO_SCTP", 132), ("IPPROTO_RAW", 255)),
        ),
    ),
    # setsockopt(2) at SOL_SOCKET
    Choice(
        "so_option",
        (
            Row("SO_DEBUG", 0x1, 1),
            Row("SO_ACCEPTCONN", 0x2, 30),
            Row("SO_REUSEADDR", 0x4, 2),
            Row("SO_KEEPALIVE", 0x8, 9),
            Row("SO_DONTROUTE", 0x10, 5),
            Row("SO_BROADCAST", 0x20, 6),
            Row("SO_USELOOPBACK", 0x40, None),
            Row("SO_LINGER", 0x80, 13),
            Row("SO_OOBINLINE", 0x100, 10),
            Row("SO_REUSEPORT", 0x200, 15),
            Row("SO_TIMESTAMP", 0x400, 29),
            Row("SO_NOSIGPIPE", 0x800, None, note="the shim adds MSG_NOSIGNAL"),
            Row("SO_ACCEPTFILTER", 0x1000, None),
            Row("SO_BINTIME", 0x2000, None),
            Row("SO_NO_OFFLOAD", 0x4000, None),
            Row("SO_NO_DDP", 0x8000, None),
            # FreeBSD's SO_REUSEPORT does not share out connections among its sockets, this one and Linux's do.
            Row("SO_REUSEPORT_LB", 0x10000, 15, "SO_REUSEPORT", one_way=True),
            Row("SO_RERROR", 0x20000, None),
            Row("SO_SNDBUF", 0x1001, 7),
            Row("SO_RCVBUF", 0x1002, 8),
            Row("SO_SNDLOWAT", 0x1003, 19),
            Row("SO_RCVLOWAT", 0x1004, 18),
            Row("SO_SNDTIMEO", 0x1005, 21),
            Row("SO_RCVTIMEO", 0x1006, 20),
            Row("SO_ERROR", 0x1007, 4, note="the value is an errno"),
            Row("SO_TYPE", 0x1008, 3),
            Row("SO_LABEL", 0x1009, None),
            Row("SO_PEERLABEL", 0x1010, None),
            Row("SO_LISTENQLIMIT", 0x1011, None),
            Row("SO_LISTENQLEN", 0x1012, None),
            Row("SO_LISTENINCQLEN", 0x1013, None),
            Row("SO_SETFIB", 0x1014, None),
            Row("SO_USER_COOKIE", 0x1015, 36, "SO_MARK"),
            Row("SO_PROTOCOL", 0x1016, 38),
            Row("SO_TS_CLOCK", 0x1017, None),
            Row("SO_MAX_PACING_RATE", 0x1018, 47),
            Row("SO_DOMAIN", 0x1019, 39, note="the value is an address family"),
        ),
    ),
    # at IPPROTO_IP
    Choice(
        "ip_option",
        (
            Row("IP_OPTIONS", 1, 4),
            Row("IP_HDRINCL", 2, 3),
            Row("IP_TOS", 3, 1),
            Row("IP_TTL", 4, 2),
            Row("IP_RECVOPTS", 5, 6),
            Row("IP_RECVRETOPTS", 6, None),
            Row("IP_RECVDSTADDR", 7, None, note="the shim uses IP_PKTINFO"),
            Row("IP_RETOPTS", 8, 4, "IP_OPTIONS", one_way=True, note="another name of it"),
            Row("IP_MULTICAST_IF", 9, 32),
            Row("IP_MULTICAST_TTL", 10, 33),
            Row("IP_MULTICAST_LOOP", 11, 34),
            Row("IP_ADD_MEMBERSHIP", 12, 35),
            Row("IP_DROP_MEMBERSHIP", 13, 36),
            Row("IP_PORTRANGE", 19, None),
            Row("IP_RECVIF", 20, None, note="the shim uses IP_PKTINFO"),
            Row("IP_ONESBCAST", 23, None),
            Row("IP_BINDANY", 24, 19, "IP_TRANSPARENT"),
            Row("IP_ORIGDSTADDR", 27, 20),
            Row("IP_RECVTTL", 65, 12),
            Row("IP_MINTTL", 66, 21),
            Row("IP_DONTFRAG", 67, None, note="the shim uses IP_MTU_DISCOVER"),
            Row("IP_RECVTOS", 68, 13),
            Row("IP_ADD_SOURCE_MEMBERSHIP", 70, 39),
            Row("IP_DROP_SOURCE_MEMBERSHIP", 71, 40),
            Row("IP_BLOCK_SOURCE", 72, 38),
            Row("IP_UNBLOCK_SOURCE", 73, 37),
            Row("IP_MSFILTER", 74, 41),
            Row("MCAST_JOIN_GROUP", 80, 42),
            Row("MCAST_LEAVE_GROUP", 81, 45),
            Row("MCAST_JOIN_SOURCE_GROUP", 82, 46),
            Row("MCAST_LEAVE_SOURCE_GROUP", 83, 47),
            Row("MCAST_BLOCK_SOURCE", 84, 43),
            Row("MCAST_UNBLOCK_SOURCE", 85, 44),
        ),
    ),
    # at IPPROTO_IPV6
    Choice(
        "ipv6_option",
        (
            Row("IPV6_UNICAST_HOPS", 4, 16),
            Row("IPV6_MULTICAST_IF", 9, 17),
            Row("IPV6_MULTICAST_HOPS", 10, 18),
            Row("IPV6_MULTICAST_LOOP", 11, 19),
            Row("IPV6_JOIN_GROUP", 12, 20),
            Row("IPV6_LEAVE_GROUP", 13, 21),
            Row("IPV6_PORTRANGE", 14, None),
            Row("IPV6_CHECKSUM", 26, 7),
            Row("IPV6_V6ONLY", 27, 26),
            Row("IPV6_RTHDRDSTOPTS", 35, 55),
            Row("IPV6_RECVPKTINFO", 36, 49),
            Row("IPV6_RECVHOPLIMIT", 37, 51),
            Row("IPV6_RECVRTHDR", 38, 56),
            Row("IPV6_RECVHOPOPTS", 39, 53),
            Row("IPV6_RECVDSTOPTS", 40, 58),
            Row("IPV6_USE_MIN_MTU", 42, None),
            Row("IPV6_RECVPATHMTU", 43, 60),
            Row("IPV6_PATHMTU", 44, 61),
            Row("IPV6_PKTINFO", 46, 50),
            Row("IPV6_HOPLIMIT", 47, 52),
            Row("IPV6_NEXTHOP", 48, 9),
            Row("IPV6_HOPOPTS", 49, 54),
            Row("IPV6_DSTOPTS", 50, 59),
            Row("IPV6_RTHDR", 51, 57),
            Row("IPV6_RECVTCLASS", 57, 66),
            Row("IPV6_AUTOFLOWLABEL", 59, 70),
            Row("IPV6_TCLASS", 61, 67),
            Row("IPV6_DONTFRAG", 62, 62),
            Row("IPV6_PREFER_TEMPADDR", 63, None),
            Row("IPV6_BINDANY", 64, 75, "IPV6_TRANSPARENT"),
            Row("IPV6_ORIGDSTADDR", 72, 74),
            Row("MCAST_JOIN_GROUP", 80, 42),
            Row("MCAST_LEAVE_GROUP", 81, 45),
            Row("MCAST_JOIN_SOURCE_GROUP", 82, 46),
            Row("MCAST_LEAVE_SOURCE_GROUP", 83, 47),
            Row("MCAST_BLOCK_SOURCE", 84, 43),
            Row("MCAST_UNBLOCK_SOURCE", 85, 44),
        ),
    ),
    # at IPPROTO_TCP
    Choice(
        "tcp_option",
        (
            *_same(("TCP_NODELAY", 1), ("TCP_MAXSEG", 2)),
            Row("TCP_NOPUSH", 4, 3, "TCP_CORK"),
            Row("TCP_NOOPT", 8, None),
            Row("TCP_MD5SIG", 16, None, note="the value is a key on Linux"),
            Row("TCP_INFO", 32, 11, note="another structure"),
            Row("TCP_CONGESTION", 64, 13),
            Row("TCP_MAXUNACKTIME", 68, 18, "TCP_USER_TIMEOUT", note="seconds on FreeBSD, milliseconds on Linux"),
            Row("TCP_DELACK", 72, None, note="TCP_QUICKACK is its opposite"),
            Row("TCP_KEEPINIT", 128, None),
            Row("TCP_KEEPIDLE", 256, 4),
            Row("TCP_KEEPINTVL", 512, 5),
            Row("TCP_KEEPCNT", 1024, 6),
            Row("TCP_FASTOPEN", 1025, 23),
        ),
    ),
    Choice("sigprocmask_how", (Row("SIG_BLOCK", 1, 0), Row("SIG_UNBLOCK", 2, 1), Row("SIG_SETMASK", 3, 2))),
    Choice("sched_policy", (Row("SCHED_FIFO", 1, 1), Row("SCHED_OTHER", 2, 0), Row("SCHED_RR", 3, 2))),
    # wait6(2) -> waitid(2)
    Choice("idtype", (Row("P_PID", 0, 1), Row("P_PGID", 2, 2), Row("P_ALL", 7, 0))),
    Choice(
        "fadvice",
        _same(
            ("POSIX_FADV_NORMAL", 0),
            ("POSIX_FADV_RANDOM", 1),
            ("POSIX_FADV_SEQUENTIAL", 2),
            ("POSIX_FADV_WILLNEED", 3),
            ("POSIX_FADV_DONTNEED", 4),
            ("POSIX_FADV_NOREUSE", 5),
        ),
    ),
)

WORD = {word.name: word for word in WORDS}
CHOICE = {choice.name: choice for choice in CHOICES}

#: Of the constants below, those that FreeBSD 14 does not have.
LATER = frozenset({"FD_RESOLVE_BENEATH", "FD_CLOFORK", "F_DUP3FD_SHIFT", "CLOSE_RANGE_CLOFORK"})

#: Constants that are the same number on both systems, or that only FreeBSD has: for the shim, as FREEBSD_ constants.
CONSTANTS: tuple[tuple[str, int], ...] = (
    ("AT_FDCWD", -100),
    ("O_ACCMODE", 3),
    ("FD_CLOEXEC", 1),
    ("FD_RESOLVE_BENEATH", 2),
    ("FD_CLOFORK", 4),
    ("F_DUP3FD_SHIFT", 16),
    ("MAP_ALIGNMENT_SHIFT", 24),
    ("LOCK_SH", 1),
    ("LOCK_EX", 2),
    ("LOCK_NB", 4),
    ("LOCK_UN", 8),
    ("UTIME_NOW", -1),
    ("UTIME_OMIT", -2),
    ("CLOSE_RANGE_CLOEXEC", 4),
    ("CLOSE_RANGE_CLOFORK", 8),
    ("SOL_LOCAL", 0),
    ("LOCAL_PEERCRED", 1),
    ("LOCAL_CREDS", 2),
    ("LOCAL_CREDS_PERSISTENT", 3),
    ("SCM_RIGHTS", 1),
    ("SCM_TIMESTAMP", 2),
    ("SCM_CREDS", 3),
    ("SCM_BINTIME", 4),
    ("SCM_REALTIME", 5),
    ("SCM_MONOTONIC", 6),
    ("SCM_CREDS2", 8),
    ("RFNAMEG", 1 << 0),
    ("RFENVG", 1 << 1),
    ("RFFDG", 1 << 2),
    ("RFNOTEG", 1 << 3),
    ("RFPROC", 1 << 4),
    ("RFPROCDESC", 1 << 28),
    ("RFMEM", 1 << 5),
    ("RFNOWAIT", 1 << 6),
    ("RFCFDG", 1 << 12),
    ("RFTHREAD", 1 << 13),
    ("RFSIGSHARE", 1 << 14),
    ("RFLINUXTHPN", 1 << 16),
    ("RFTSIGZMB", 1 << 19),
    ("RFTSIGSHIFT", 20),
    ("RFTSIGMASK", 0xFF),
    ("SI_NOINFO", 0),
    ("SI_USER", 0x10001),
    ("SI_QUEUE", 0x10002),
    ("SI_TIMER", 0x10003),
    ("SI_ASYNCIO", 0x10004),
    ("SI_MESGQ", 0x10005),
    ("SI_KERNEL", 0x10006),
    ("SI_LWP", 0x10007),
    ("SIGEV_NONE", 0),
    ("SIGEV_SIGNAL", 1),
    ("SIGEV_THREAD", 2),
    ("SIGEV_KEVENT", 3),
    ("SIGEV_THREAD_ID", 4),
    ("MNT_WAIT", 1),
    ("MNT_NOWAIT", 2),
    ("RLIM_NLIMITS", 16),
)


def walk_word(word: Word, value: int, from_linux: bool = False) -> int:
    """Translate a flag word. UNKNOWN for what a strict word refuses."""
    result, rest = 0, value
    for field in word.fields:
        number = rest & (field.linux_mask if from_linux else field.freebsd_mask)
        rest &= ~number
        for row in field.rows:
            if number == (row.linux if from_linux else row.freebsd):
                result |= row.freebsd if from_linux else row.linux or 0
                break
        else:
            if word.strict:
                return UNKNOWN
    for row in word.bits:
        if from_linux:
            if row.linux and not row.one_way and rest & row.linux == row.linux:
                rest &= ~row.linux
                result |= row.freebsd
        elif rest & row.freebsd == row.freebsd and (row.linux is not None or row.ignored):
            rest &= ~row.freebsd
            result |= row.linux or 0
    return UNKNOWN if rest and word.strict else result


def walk_choice(choice: Choice, value: int, from_linux: bool = False) -> int:
    """Translate a number. UNKNOWN if the starting system does not have it, NO_TWIN if the other does not."""
    for row in choice.rows:
        if from_linux:
            if row.linux == value and not row.one_way:
                return row.freebsd
        elif row.freebsd == value:
            return NO_TWIN if row.linux is None else row.linux
    return UNKNOWN


def to_linux(name: str, value: int) -> int:
    """Translate the word or choice `name` from FreeBSD's numbers to Linux's."""
    return walk_word(WORD[name], value) if name in WORD else walk_choice(CHOICE[name], value)


def from_linux(name: str, value: int) -> int:
    """Translate the word or choice `name` from Linux's numbers to FreeBSD's."""
    return walk_word(WORD[name], value, True) if name in WORD else walk_choice(CHOICE[name], value, True)

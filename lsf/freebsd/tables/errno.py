"""FreeBSD's errors, their texts, and their twins on Linux.

One table serves both directions. A row whose Linux number is reached from it but does not lead back (or the other way
round) has its reason beside it. Sources: FreeBSD `sys/errno.h` and `lib/libc/gen/errlst.c`, Linux
`asm-generic/errno*.h`.
"""

from __future__ import annotations

from dataclasses import dataclass

#: A handler of the shim returns -(FREEBSD_ERRNO + e) for a FreeBSD errno that Linux does not have.
FREEBSD_ERRNO = 3000
#: Index of the error map that means: no error, the value is in the frame.
NO_ERROR = 2999
#: Linux's kernel-internal "restart this call": a handler returns it where FreeBSD would return ERESTART.
ERESTARTSYS = 512

#: What a Linux errno becomes that no row names: the call was refused for a reason FreeBSD has no word for.
UNKNOWN = 22


@dataclass(frozen=True)
class Errno:
    number: int
    name: str
    text: str  # strerror(3)
    linux: int
    lossy: str = ""  # why `linux` does not lead back here; '' where it does


_same = [
    # name, text: the numbers 1 to 34 are Version 7's and agree, save 11
    ("EPERM", "Operation not permitted"),
    ("ENOENT", "No such file or directory"),
    ("ESRCH", "No such process"),
    ("EINTR", "Interrupted system call"),
    ("EIO", "Input/output error"),
    ("ENXIO", "Device not configured"),
    ("E2BIG", "Argument list too long"),
    ("ENOEXEC", "Exec format error"),
    ("EBADF", "Bad file descriptor"),
    ("ECHILD", "No child processes"),
    ("EDEADLK", "Resource deadlock avoided"),
    ("ENOMEM", "Cannot allocate memory"),
    ("EACCES", "Permission denied"),
    ("EFAULT", "Bad address"),
    ("ENOTBLK", "Block device required"),
    ("EBUSY", "Device busy"),
    ("EEXIST", "File exists"),
    ("EXDEV", "Cross-device link"),
    ("ENODEV", "Operation not supported by device"),
    ("ENOTDIR", "Not a directory"),
    ("EISDIR", "Is a directory"),
    ("EINVAL", "Invalid argument"),
    ("ENFILE", "Too many open files in system"),
    ("EMFILE", "Too many open files"),
    ("ENOTTY", "Inappropriate ioctl for device"),
    ("ETXTBSY", "Text file busy"),
    ("EFBIG", "File too large"),
    ("ENOSPC", "No space left on device"),
    ("ESPIPE", "Illegal seek"),
    ("EROFS", "Read-only file system"),
    ("EMLINK", "Too many links"),
    ("EPIPE", "Broken pipe"),
    ("EDOM", "Numerical argument out of domain"),
    ("ERANGE", "Result too large"),
]

TABLE: tuple[Errno, ...] = (
    *(Errno(n, name, text, 35 if n == 11 else n) for n, (name, text) in enumerate(_same, 1)),
    Errno(35, "EAGAIN", "Resource temporarily unavailable", 11),
    Errno(36, "EINPROGRESS", "Operation now in progress", 115),
    Errno(37, "EALREADY", "Operation already in progress", 114),
    Errno(38, "ENOTSOCK", "Socket operation on non-socket", 88),
    Errno(39, "EDESTADDRREQ", "Destination address required", 89),
    # 40
    Errno(40, "EMSGSIZE", "Message too long", 90),
    Errno(41, "EPROTOTYPE", "Protocol wrong type for socket", 91),
    Errno(42, "ENOPROTOOPT", "Protocol not available", 92),
    Errno(43, "EPROTONOSUPPORT", "Protocol not supported", 93),
    Errno(44, "ESOCKTNOSUPPORT", "Socket type not supported", 94),
    Errno(45, "EOPNOTSUPP", "Operation not supported", 95),
    Errno(46, "EPFNOSUPPORT", "Protocol family not supported", 96),
    Errno(47, "EAFNOSUPPORT", "Address family not supported by protocol family", 97),
    Errno(48, "EADDRINUSE", "Address already in use", 98),
    Errno(49, "EADDRNOTAVAIL", "Can't assign requested address", 99),
    # 50
    Errno(50, "ENETDOWN", "Network is down", 100),
    Errno(51, "ENETUNREACH", "Network is unreachable", 101),
    Errno(52, "ENETRESET", "Network dropped connection on reset", 102),
    Errno(53, "ECONNABORTED", "Software caused connection abort", 103),
    Errno(54, "ECONNRESET", "Connection reset by peer", 104),
    Errno(55, "ENOBUFS", "No buffer space available", 105),
    Errno(56, "EISCONN", "Socket is already connected", 106),
    Errno(57, "ENOTCONN", "Socket is not connected", 107),
    Errno(58, "ESHUTDOWN", "Can't send after socket shutdown", 108),
    Errno(59, "ETOOMANYREFS", "Too many references: can't splice", 109),
    # 60
    Errno(60, "ETIMEDOUT", "Operation timed out", 110),
    Errno(61, "ECONNREFUSED", "Connection refused", 111),
    Errno(62, "ELOOP", "Too many levels of symbolic links", 40),
    Errno(63, "ENAMETOOLONG", "File name too long", 36),
    Errno(64, "EHOSTDOWN", "Host is down", 112),
    Errno(65, "EHOSTUNREACH", "No route to host", 113),
    Errno(66, "ENOTEMPTY", "Directory not empty", 39),
    Errno(67, "EPROCLIM", "Too many processes", 11, "fork says EAGAIN on Linux, as it does on FreeBSD too"),
    Errno(68, "EUSERS", "Too many users", 87),
    Errno(69, "EDQUOT", "Disc quota exceeded", 122),
    # 70
    Errno(70, "ESTALE", "Stale NFS file handle", 116),
    Errno(71, "EREMOTE", "Too many levels of remote in path", 66),
    Errno(72, "EBADRPC", "RPC struct is bad", 71, "Linux has no errors of RPC: a broken protocol, EPROTO"),
    Errno(73, "ERPCMISMATCH", "RPC version wrong", 71, "as EBADRPC"),
    Errno(74, "EPROGUNAVAIL", "RPC prog. not avail", 71, "as EBADRPC"),
    Errno(75, "EPROGMISMATCH", "Program version wrong", 71, "as EBADRPC"),
    Errno(76, "EPROCUNAVAIL", "Bad procedure for program", 71, "as EBADRPC"),
    Errno(77, "ENOLCK", "No locks available", 37),
    Errno(78, "ENOSYS", "Function not implemented", 38),
    Errno(79, "EFTYPE", "Inappropriate file type or format", 22, "Linux refuses the same requests with EINVAL"),
    # 80
    Errno(80, "EAUTH", "Authentication error", 13, "Linux's NFS says EACCES"),
    Errno(81, "ENEEDAUTH", "Need authenticator", 13, "Linux's NFS says EACCES"),
    Errno(82, "EIDRM", "Identifier removed", 43),
    Errno(83, "ENOMSG", "No message of desired type", 42),
    Errno(84, "EOVERFLOW", "Value too large to be stored in data type", 75),
    Errno(85, "ECANCELED", "Operation canceled", 125),
    Errno(86, "EILSEQ", "Illegal byte sequence", 84),
    Errno(87, "ENOATTR", "Attribute not found", 61),  # ENODATA: what Linux's getxattr(2) says of a missing attribute
    Errno(88, "EDOOFUS", "Programming error", 22, "a caller's mistake is EINVAL on Linux"),
    Errno(89, "EBADMSG", "Bad message", 74),
    # 90
    Errno(90, "EMULTIHOP", "Multihop attempted", 72),
    Errno(91, "ENOLINK", "Link has been severed", 67),
    Errno(92, "EPROTO", "Protocol error", 71),
    Errno(93, "ENOTCAPABLE", "Capabilities insufficient", 1, "Linux has no Capsicum: the operation is not permitted"),
    Errno(94, "ECAPMODE", "Not permitted in capability mode", 1, "as ENOTCAPABLE"),
    Errno(95, "ENOTRECOVERABLE", "State not recoverable", 131),
    Errno(96, "EOWNERDEAD", "Previous owner died", 130),
    Errno(97, "EINTEGRITY", "Integrity check failed", 117),  # EUCLEAN: what ext4 and XFS say of a checksum that fails
)

#: Linux errnos that no FreeBSD errno turns into: (Linux number, Linux name, FreeBSD name, reason).
#: What is not listed here becomes EINVAL (UNKNOWN): errors of STREAMS, ISDN, XENIX files and the like.
LINUX_ONLY: tuple[tuple[int, str, str, str], ...] = (
    (62, "ETIME", "ETIMEDOUT", "the same event, named by STREAMS"),
    (77, "EBADFD", "EBADF", "a descriptor in a state that does not allow the call"),
    (85, "ERESTART", "EAGAIN", "the caller should try again"),
    (121, "EREMOTEIO", "EIO", "a device at the far end of a bus failed"),
    (123, "ENOMEDIUM", "EIO", "reading a drive without a medium fails so on FreeBSD"),
    (124, "EMEDIUMTYPE", "EIO", "as ENOMEDIUM"),
    (126, "ENOKEY", "EIO", "an encrypted file whose key is absent cannot be read"),
    (127, "EKEYEXPIRED", "EIO", "as ENOKEY"),
    (128, "EKEYREVOKED", "EIO", "as ENOKEY"),
    (129, "EKEYREJECTED", "EIO", "as ENOKEY"),
    (132, "ERFKILL", "ENETDOWN", "the radio is switched off"),
    (133, "EHWPOISON", "EIO", "the memory page is broken"),
    (512, "ERESTARTSYS", "EINTR", "kernel-internal; at the exit of a call it means: interrupted and not restarted"),
    (513, "ERESTARTNOINTR", "EINTR", "as ERESTARTSYS"),
    (514, "ERESTARTNOHAND", "EINTR", "as ERESTARTSYS"),
    (516, "ERESTART_RESTARTBLOCK", "EINTR", "as ERESTARTSYS"),
)

#: Other names of the same numbers.
ALIASES = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP"}

BY_NUMBER: dict[int, Errno] = {row.number: row for row in TABLE}
NUMBER: dict[str, int] = {row.name: row.number for row in TABLE}
NUMBER.update({alias: NUMBER[name] for alias, name in ALIASES.items()})

_TO_LINUX = {row.number: row.linux for row in TABLE}
_FROM_LINUX = {row.linux: row.number for row in TABLE if not row.lossy}
_FROM_LINUX.update({linux: NUMBER[name] for linux, _, name, _ in LINUX_ONLY})


def to_linux(number: int) -> int:
    """The Linux errno for a FreeBSD one; Linux's EINVAL for a number that FreeBSD does not have."""
    return _TO_LINUX.get(number, UNKNOWN)


def from_linux(number: int) -> int:
    """The FreeBSD errno for a Linux one; EINVAL for a number without a twin."""
    return _FROM_LINUX.get(number, UNKNOWN)


def from_raw(raw: int) -> int:
    """The FreeBSD errno for what a handler returned, negated: a Linux errno, FREEBSD_ERRNO + e, or NO_ERROR (0)."""
    if raw == NO_ERROR:
        return 0
    if raw - FREEBSD_ERRNO in BY_NUMBER:
        return raw - FREEBSD_ERRNO
    return from_linux(raw)


def name(number: int) -> str:
    """'ENOENT' for 2; the number itself in decimal where FreeBSD has no such errno."""
    row = BY_NUMBER.get(number)
    return row.name if row else str(number)


def strerror(number: int) -> str:
    """FreeBSD's strerror(3)."""
    row = BY_NUMBER.get(number)
    if row:
        return row.text
    return "No error: 0" if number == 0 else f"Unknown error: {number}"

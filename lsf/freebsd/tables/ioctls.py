"""The requests of ioctl(2) that LSF serves, by FreeBSD's numbers, and how Linux serves each.

Sources: FreeBSD `sys/{ioccom,ttycom,filio,sockio,disk}.h`, `kern/{sys_generic,tty,tty_pts,sys_socket,sys_pipe}.c`;
Linux `asm-generic/{ioctls,sockios}.h`, `linux/fs.h`. A request that is not here answers ENOTTY.
"""

from __future__ import annotations

from dataclasses import dataclass

IOC_VOID = 0x20000000
IOC_OUT = 0x40000000
IOC_IN = 0x80000000

#: How a request is served. The numbers are those of the generated ioctls.h.
PASS = 1  #: Linux's request takes the same argument: the guest's pointer goes through
VALUE = 2  #: Linux's request with a constant argument
TRANSLATE = 3  #: code of its own in lsf/freebsd/kernel/tty/ioctl.pxi, tty.pxi or socket.pxi


@dataclass(frozen=True)
class Ioctl:
    """One request: FreeBSD's name and number, and Linux's number (None where there is no one request for it)."""

    name: str
    command: int
    how: int
    linux: int | None = None
    value: int = 0
    note: str = ""

    @property
    def size(self) -> int:
        """Bytes that the argument points to."""
        return self.command >> 16 & 0x1FFF


def _io(group: str, number: int, size: int = 0, direction: int = IOC_VOID) -> int:
    return direction | (size & 0x1FFF) << 16 | ord(group) << 8 | number


def _r(group: str, number: int, size: int) -> int:
    return _io(group, number, size, IOC_OUT)


def _w(group: str, number: int, size: int) -> int:
    return _io(group, number, size, IOC_IN)


def _wr(group: str, number: int, size: int) -> int:
    return _io(group, number, size, IOC_IN | IOC_OUT)


_TERMIOS, _WINSIZE, _INT, _IFREQ = 44, 8, 4, 32

TABLE: tuple[Ioctl, ...] = (
    # sys/filio.h
    Ioctl("FIOCLEX", _io("f", 1), VALUE, 0x5451),
    Ioctl("FIONCLEX", _io("f", 2), VALUE, 0x5450),
    Ioctl("FIONREAD", _r("f", 127, _INT), PASS, 0x541B),
    Ioctl("FIONBIO", _w("f", 126, _INT), PASS, 0x5421),
    Ioctl("FIOASYNC", _w("f", 125, _INT), PASS, 0x5452),
    Ioctl("FIOSETOWN", _w("f", 124, _INT), TRANSLATE, note="fcntl(F_SETOWN)"),
    Ioctl("FIOGETOWN", _r("f", 123, _INT), TRANSLATE, note="fcntl(F_GETOWN_EX)"),
    Ioctl("FIODTYPE", _r("f", 122, _INT), TRANSLATE, note="by the device's number"),
    Ioctl("FIODGNAME", _w("f", 120, 16), TRANSLATE, note="the device's name below /dev"),
    Ioctl("FIONWRITE", _r("f", 119, _INT), TRANSLATE, 0x5411, note="sockets only, as on FreeBSD"),
    Ioctl("FIONSPACE", _r("f", 118, _INT), TRANSLATE, note="SO_SNDBUF less what waits; sockets only, as on FreeBSD"),
    Ioctl("FIOSEEKDATA", _wr("f", 97, 8), TRANSLATE, note="lseek(SEEK_DATA)"),
    Ioctl("FIOSEEKHOLE", _wr("f", 98, 8), TRANSLATE, note="lseek(SEEK_HOLE)"),
    # sys/ttycom.h
    Ioctl("TIOCEXCL", _io("t", 13), VALUE, 0x540C),
    Ioctl("TIOCNXCL", _io("t", 14), VALUE, 0x540D),
    Ioctl("TIOCGPTN", _r("t", 15, _INT), PASS, 0x80045430),
    Ioctl("TIOCFLUSH", _w("t", 16, _INT), TRANSLATE, 0x540B),
    Ioctl("TIOCGETA", _r("t", 19, _TERMIOS), TRANSLATE, 0x802C542A),
    Ioctl("TIOCSETA", _w("t", 20, _TERMIOS), TRANSLATE, 0x402C542B),
    Ioctl("TIOCSETAW", _w("t", 21, _TERMIOS), TRANSLATE, 0x402C542C),
    Ioctl("TIOCSETAF", _w("t", 22, _TERMIOS), TRANSLATE, 0x402C542D),
    Ioctl("TIOCGETD", _r("t", 26, _INT), TRANSLATE, 0x5424, note="TTYDISC is the only line discipline"),
    Ioctl("TIOCSETD", _w("t", 27, _INT), TRANSLATE, note="ENOTTY, as since FreeBSD 8"),
    Ioctl("TIOCPTMASTER", _io("t", 28), TRANSLATE, 0x80045430),
    Ioctl("TIOCGDRAINWAIT", _r("t", 86, _INT), TRANSLATE, note="FreeBSD's default"),
    Ioctl("TIOCDRAIN", _io("t", 94), VALUE, 0x5409, value=1),
    Ioctl("TIOCSIG", _io("t", 95, _INT), TRANSLATE, 0x40045436),
    Ioctl("TIOCEXT", _w("t", 96, _INT), TRANSLATE, note="ENOTTY, as since FreeBSD 8"),
    Ioctl("TIOCSCTTY", _io("t", 97), VALUE, 0x540E),
    Ioctl("TIOCCONS", _w("t", 98, _INT), TRANSLATE, 0x541D),
    Ioctl("TIOCGSID", _r("t", 99, _INT), PASS, 0x5429),
    Ioctl("TIOCSTAT", _io("t", 101), TRANSLATE),
    Ioctl("TIOCSWINSZ", _w("t", 103, _WINSIZE), TRANSLATE, 0x5414),
    Ioctl("TIOCGWINSZ", _r("t", 104, _WINSIZE), PASS, 0x5413),
    Ioctl("TIOCMGET", _r("t", 106, _INT), PASS, 0x5415),
    Ioctl("TIOCMBIC", _w("t", 107, _INT), PASS, 0x5417),
    Ioctl("TIOCMBIS", _w("t", 108, _INT), PASS, 0x5416),
    Ioctl("TIOCMSET", _w("t", 109, _INT), PASS, 0x5418),
    Ioctl("TIOCSTART", _io("t", 110), VALUE, 0x540A, value=1),
    Ioctl("TIOCSTOP", _io("t", 111), VALUE, 0x540A, value=0),
    Ioctl("TIOCPKT", _w("t", 112, _INT), PASS, 0x5420),
    Ioctl("TIOCNOTTY", _io("t", 113), VALUE, 0x5422),
    Ioctl("TIOCSTI", _w("t", 114, 1), TRANSLATE, 0x5412, note="EPERM where Linux's dev.tty.legacy_tiocsti is 0"),
    Ioctl("TIOCOUTQ", _r("t", 115, _INT), PASS, 0x5411),
    Ioctl("TIOCSPGRP", _w("t", 118, _INT), TRANSLATE, 0x5410),
    Ioctl("TIOCGPGRP", _r("t", 119, _INT), TRANSLATE, 0x540F),
    Ioctl("TIOCCDTR", _io("t", 120), TRANSLATE, 0x5417),
    Ioctl("TIOCSDTR", _io("t", 121), TRANSLATE, 0x5416),
    Ioctl("TIOCCBRK", _io("t", 122), VALUE, 0x5428),
    Ioctl("TIOCSBRK", _io("t", 123), VALUE, 0x5427),
    # sys/sockio.h
    Ioctl("SIOCATMARK", _r("s", 7, _INT), PASS, 0x8905),
    Ioctl("SIOCSPGRP", _w("s", 8, _INT), TRANSLATE, note="as FIOSETOWN"),
    Ioctl("SIOCGPGRP", _r("s", 9, _INT), TRANSLATE, note="as FIOGETOWN"),
    # of network interfaces; the larger struct ifreq is Linux's
    Ioctl("SIOCGIFINDEX", _wr("i", 32, _IFREQ), TRANSLATE, 0x8933),
    Ioctl("SIOCGIFADDR", _wr("i", 33, _IFREQ), TRANSLATE, 0x8915, note="the IPv4 address"),
    Ioctl("SIOCGIFDSTADDR", _wr("i", 34, _IFREQ), TRANSLATE, 0x8917),
    Ioctl("SIOCGIFBRDADDR", _wr("i", 35, _IFREQ), TRANSLATE, 0x8919),
    Ioctl("SIOCGIFCONF", _wr("i", 36, 16), TRANSLATE, note="by netlink"),
    Ioctl("SIOCGIFFLAGS", _wr("i", 17, _IFREQ), TRANSLATE, 0x8913),
    Ioctl("SIOCGIFNETMASK", _wr("i", 37, _IFREQ), TRANSLATE, 0x891B),
    Ioctl("SIOCGIFMETRIC", _wr("i", 23, _IFREQ), TRANSLATE, 0x891D),
    Ioctl("SIOCGIFMTU", _wr("i", 51, _IFREQ), TRANSLATE, 0x8921),
    Ioctl("SIOCGIFGROUP", _wr("i", 136, 40), TRANSLATE, note="`all`, and `lo` of the loopback"),
    Ioctl("SIOCGIFGMEMB", _wr("i", 138, 40), TRANSLATE, note="of these two groups"),
    Ioctl("SIOCSIFFLAGS", _w("i", 16, _IFREQ), TRANSLATE, 0x8914, note="IFF_UP and IFF_DEBUG"),
    Ioctl("SIOCSIFMETRIC", _w("i", 24, _IFREQ), TRANSLATE, 0x891E),
    Ioctl("SIOCSIFMTU", _w("i", 52, _IFREQ), TRANSLATE, 0x8922),
    # netinet6/in6_var.h, for ifconfig(8): struct in6_ifreq, struct in6_ndireq
    Ioctl("SIOCGIFAFLAG_IN6", _wr("i", 73, 288), TRANSLATE, note="the flags of an IPv6 address"),
    Ioctl("SIOCGNBRINFO_IN6", _wr("i", 78, 56), TRANSLATE, note="of a neighbour"),
    Ioctl("SIOCGIFALIFETIME_IN6", _wr("i", 81, 288), TRANSLATE, note="without an end: Linux's are not told"),
    Ioctl("SIOCGDEFIFACE_IN6", _wr("i", 86, 24), TRANSLATE, note="none, as FreeBSD begins"),
    Ioctl("SIOCGIFINFO_IN6", _wr("i", 108, 72), TRANSLATE, note="neighbour discovery, as FreeBSD begins"),
    # sys/disk.h
    Ioctl("DIOCGSECTORSIZE", _r("d", 128, _INT), TRANSLATE, 0x1268),
    Ioctl("DIOCGMEDIASIZE", _r("d", 129, 8), TRANSLATE, 0x80081272),
    Ioctl("DIOCGFLUSH", _io("d", 135), TRANSLATE, note="fsync(2)"),
)

BY_COMMAND = {row.command: row for row in TABLE}
BY_NAME = {row.name: row for row in TABLE}


def name(command: int) -> str:
    """The name of a request, or _IOR('t',0x13,0x2c) and its kin for one that is not in the table (as truss prints it)."""
    command &= 0xFFFFFFFF
    if command in BY_COMMAND:
        return BY_COMMAND[command].name
    kind = {IOC_VOID: "_IO", IOC_OUT: "_IOR", IOC_IN: "_IOW", IOC_IN | IOC_OUT: "_IOWR"}.get(command & 0xE0000000)
    group = command >> 8 & 0xFF
    if kind is None or not 0x20 <= group < 0x7F:
        return hex(command)
    size = f",{command >> 16 & 0x1FFF:#x}" if kind != "_IO" else ""
    return f"{kind}('{chr(group)}',{command & 0xFF:#x}{size})"

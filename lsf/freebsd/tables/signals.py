"""FreeBSD's signals, their Linux carriers, and the codes of siginfo.

Sources: FreeBSD `sys/signal.h`, the property table of `sys/kern/kern_sig.c`, `sys/amd64/amd64/trap.c` for the codes of
traps; Linux `asm/signal.h`, `asm-generic/siginfo.h`, `arch/x86/kernel/traps.c`.

A FreeBSD signal that Linux lacks travels as one of Linux's real-time signals 32 to 62. No glibc lives in a guest, so
32 and 33, which glibc keeps for itself, are free. Linux's 63 and 64 are LSF's own. FreeBSD's real-time signals 77 to
126 have no number of their own: there are 62 of them and 12 numbers left. With the nameless ones, 34 to 64, 127 and
128, they share Linux's 63, whose siginfo says which it is (`lsf/freebsd/kernel/signal/sigqueue.pxi`).

FreeBSD queues every signal; Linux keeps one of each number below 32 while it is pending. So those that programs send
each other have a second Linux number, a real-time one, by which a guest sends them to itself and to other guests
(`QUEUED`; `lsf/freebsd/kernel/signal/queued.pxi`).
"""

from __future__ import annotations

from dataclasses import dataclass

NSIG = 128  # FreeBSD's _SIG_MAXSIG
LINUX_NSIG = 64
SIGRTMIN, SIGRTMAX = 65, 126

TERMINATE, CORE, STOP, CONTINUE, IGNORE = range(5)


@dataclass(frozen=True)
class Signal:
    number: int
    name: str
    text: str  # strsignal(3)
    linux: int  # the Linux signal that carries it alone; 0: none
    default: int


_TABLE = (
    Signal(1, "SIGHUP", "Hangup", 1, TERMINATE),
    Signal(2, "SIGINT", "Interrupt", 2, TERMINATE),
    Signal(3, "SIGQUIT", "Quit", 3, CORE),
    Signal(4, "SIGILL", "Illegal instruction", 4, CORE),
    Signal(5, "SIGTRAP", "Trace/BPT trap", 5, CORE),
    Signal(6, "SIGABRT", "Abort trap", 6, CORE),
    Signal(7, "SIGEMT", "EMT trap", 34, CORE),
    Signal(8, "SIGFPE", "Floating point exception", 8, CORE),
    Signal(9, "SIGKILL", "Killed", 9, TERMINATE),
    # 10
    Signal(10, "SIGBUS", "Bus error", 7, CORE),
    Signal(11, "SIGSEGV", "Segmentation fault", 11, CORE),
    Signal(12, "SIGSYS", "Bad system call", 31, CORE),
    Signal(13, "SIGPIPE", "Broken pipe", 13, TERMINATE),
    Signal(14, "SIGALRM", "Alarm clock", 14, TERMINATE),
    Signal(15, "SIGTERM", "Terminated", 15, TERMINATE),
    Signal(16, "SIGURG", "Urgent I/O condition", 23, IGNORE),
    Signal(17, "SIGSTOP", "Suspended (signal)", 19, STOP),
    Signal(18, "SIGTSTP", "Suspended", 20, STOP),
    Signal(19, "SIGCONT", "Continued", 18, CONTINUE),
    # 20
    Signal(20, "SIGCHLD", "Child exited", 17, IGNORE),
    Signal(21, "SIGTTIN", "Stopped (tty input)", 21, STOP),
    Signal(22, "SIGTTOU", "Stopped (tty output)", 22, STOP),
    Signal(23, "SIGIO", "I/O possible", 29, IGNORE),
    Signal(24, "SIGXCPU", "Cputime limit exceeded", 24, TERMINATE),
    Signal(25, "SIGXFSZ", "Filesize limit exceeded", 25, TERMINATE),
    Signal(26, "SIGVTALRM", "Virtual timer expired", 26, TERMINATE),
    Signal(27, "SIGPROF", "Profiling timer expired", 27, TERMINATE),
    Signal(28, "SIGWINCH", "Window size changes", 28, IGNORE),
    Signal(29, "SIGINFO", "Information request", 35, IGNORE),
    # 30
    Signal(30, "SIGUSR1", "User defined signal 1", 10, TERMINATE),
    Signal(31, "SIGUSR2", "User defined signal 2", 12, TERMINATE),
    Signal(32, "SIGTHR", "Unknown signal: 32", 32, TERMINATE),
    Signal(33, "SIGLIBRT", "Unknown signal: 33", 33, TERMINATE),
)

#: The Linux number, beside the one of `linux`, by which guests send each other a signal that shall be queued. Linux takes
#: the lowest number first, so these come before FreeBSD's real-time signals, in FreeBSD's order. Not among them: what
#: cannot be blocked; those that stop and continue, which Linux itself acts upon; and those that are faults, or that the
#: kernel alone sends.
QUEUED = {number: 36 + i for i, number in enumerate((1, 2, 3, 13, 14, 15, 16, 20, 23, 25, 26, 27, 28, 30, 31))}

#: The first Linux signal that carries a FreeBSD real-time signal, and how many follow it (itself counted).
_REALTIME_CARRIER, _REALTIME_CARRIERS = 51, 12

TABLE: tuple[Signal, ...] = _TABLE + tuple(
    Signal(
        number,
        f"SIGRT{number - SIGRTMIN}",
        f"Real-time signal {number - SIGRTMIN}",
        number - SIGRTMIN + _REALTIME_CARRIER if number - SIGRTMIN < _REALTIME_CARRIERS else 0,
        TERMINATE,
    )
    for number in range(SIGRTMIN, SIGRTMAX + 1)
)

#: Linux signals without a FreeBSD twin: (Linux number, Linux name, FreeBSD number it is delivered as, reason).
LINUX_ONLY = (
    # Only kill(2) sends it; no kernel since 2.4 does.
    (
        16,
        "SIGSTKFLT",
        15,
        "it asks to end, as SIGTERM does, and like SIGTERM ends a program that does not catch it without a core",
    ),
    # init and container managers send it when the power fails or the container shall stop.
    (30, "SIGPWR", 15, "it asks to end, as SIGTERM does, and has the same default"),
)

BY_NUMBER = {row.number: row for row in TABLE}
BY_NAME = {row.name: row for row in TABLE} | {"SIGLWP": BY_NUMBER[32], "SIGIOT": BY_NUMBER[6]}

_TO_LINUX = {row.number: row.linux for row in TABLE}
_FROM_LINUX = {row.linux: row.number for row in TABLE if row.linux}
_FROM_LINUX.update({linux: number for linux, _, number, _ in LINUX_ONLY})
_FROM_LINUX.update({linux: number for number, linux in QUEUED.items()})


def to_linux(number: int) -> int:
    """The Linux signal that carries a FreeBSD one; 0 if none does."""
    return _TO_LINUX.get(number, 0)


def to_queued(number: int) -> int:
    """The Linux signal by which guests send a FreeBSD one so that it is queued; 0: there is none but `to_linux`'s."""
    return QUEUED.get(number, 0)


def from_linux(number: int) -> int:
    """The FreeBSD signal that a Linux one is delivered as; 0 if none."""
    return _FROM_LINUX.get(number, 0)


def default(number: int) -> int:
    """What FreeBSD does with a signal that is not caught. Numbers without a name (34 to 64) terminate."""
    row = BY_NUMBER.get(number)
    return row.default if row else TERMINATE


def name(number: int) -> str:
    row = BY_NUMBER.get(number)
    return row.name if row else f"SIG#{number}"


# --- wait(2) -------------------------------------------------------------------------------------------------------

#: Low bits of the status of a stopped process, on both systems.
WSTOPPED = 0x7F
#: The status of a process that was continued.
CONTINUED, LINUX_CONTINUED = 0x13, 0xFFFF


def from_linux_wait_status(status: int) -> int:
    """FreeBSD's status of wait(2) for Linux's: the same form, but for the numbers of signals and of `continued`."""
    low = status & 0x7F
    if status & 0xFFFF == LINUX_CONTINUED:
        return CONTINUED
    if low == WSTOPPED:
        return low | from_linux(status >> 8 & 0x7F) << 8
    if low:
        return status & 0x80 | from_linux(low)
    return status & 0xFF00


# --- siginfo -------------------------------------------------------------------------------------------------------

#: Codes that say who sent a signal, whatever its number: (name, FreeBSD, Linux).
SENDER_CODES = (
    ("SI_USER", 0x10001, 0),
    ("SI_QUEUE", 0x10002, -1),
    ("SI_TIMER", 0x10003, -2),
    ("SI_ASYNCIO", 0x10004, -4),
    ("SI_MESGQ", 0x10005, -3),
    ("SI_KERNEL", 0x10006, 0x80),
    ("SI_LWP", 0x10007, -6),  # Linux: SI_TKILL
)

#: Linux sender codes that only come in: (name, Linux, FreeBSD code, reason).
SENDER_CODES_LINUX_ONLY = (
    ("SI_SIGIO", -5, 0x10006, "FreeBSD's SIGIO comes from the kernel without a code of its own"),
    ("SI_DETHREAD", -7, 0x10006, "the kernel sends it within exec"),
    ("SI_ASYNCNL", -60, 0x10006, "the kernel sends it for a name look-up"),
)


@dataclass(frozen=True)
class Code:
    """A code that belongs to one signal. 0 for `freebsd` or `linux`: that side has no such code.

    `freebsd_signal` is set where FreeBSD raises another signal than the twin of Linux's for this event.
    """

    name: str
    freebsd: int
    linux: int
    lossy: str = ""  # why the way back leads elsewhere
    freebsd_signal: int = 0


#: By FreeBSD signal; Linux's signal is its carrier.
CODES: dict[int, tuple[Code, ...]] = {
    4: (  # SIGILL
        Code("ILL_ILLOPC", 1, 1),
        Code("ILL_ILLOPN", 5, 2, "#UD: Linux says ILL_ILLOPN, FreeBSD/amd64 says ILL_PRVOPC"),
        Code("ILL_ILLADR", 3, 3),
        Code("ILL_ILLTRP", 4, 4),
        Code("ILL_PRVOPC", 5, 5),
        Code("ILL_PRVREG", 6, 6),
        Code("ILL_COPROC", 7, 7),
        Code("ILL_BADSTK", 8, 8),
    ),
    5: (  # SIGTRAP
        Code("TRAP_BRKPT", 1, 1),
        Code("TRAP_TRACE", 2, 2),
        Code("TRAP_BRANCH", 2, 3, "a kind of single step"),
        Code("TRAP_HWBKPT", 2, 4, "a debug register: FreeBSD calls every #DB a trace trap"),
        Code("SI_KERNEL", 1, 0x80, "int3: Linux gives no code of its own, FreeBSD says TRAP_BRKPT"),
        Code("TRAP_CAP", 4, 0),
    ),
    8: (  # SIGFPE
        Code("FPE_INTOVF", 1, 2),
        Code("FPE_INTDIV", 2, 1),
        Code("FPE_FLTDIV", 3, 3),
        Code("FPE_FLTOVF", 4, 4),
        Code("FPE_FLTUND", 5, 5),
        Code("FPE_FLTRES", 6, 6),
        Code("FPE_FLTINV", 7, 7),
        Code("FPE_FLTSUB", 8, 8),
        Code("FPE_FLTIDO", 9, 0),  # Linux calls a denormal operand FPE_FLTUND
        Code("FPE_FLTUNK", 7, 14, "Linux could not tell which exception it was"),
    ),
    10: (  # SIGBUS
        Code("BUS_ADRALN", 1, 1),
        Code("BUS_ADRERR", 3, 2, "a page behind the end of the file: FreeBSD says BUS_OBJERR"),
        Code("BUS_OBJERR", 3, 3),
        Code("BUS_MCEERR_AR", 3, 4, "broken memory was used: an error of the object"),
        Code("BUS_MCEERR_AO", 3, 5, "as BUS_MCEERR_AR"),
        Code("BUS_OOMERR", 100, 0),
        Code("SI_KERNEL", 2, 0x80, "#SS: FreeBSD says BUS_ADRERR"),
    ),
    11: (  # SIGSEGV
        Code("SEGV_MAPERR", 1, 1),
        Code("SEGV_ACCERR", 2, 2),
        Code("SEGV_PKUERR", 100, 4),
        Code("SI_KERNEL", 3, 0x80, "#GP, such as a non-canonical address: FreeBSD raises SIGBUS with BUS_OBJERR", 10),
    ),
    20: (  # SIGCHLD
        Code("CLD_EXITED", 1, 1),
        Code("CLD_KILLED", 2, 2),
        Code("CLD_DUMPED", 3, 3),
        Code("CLD_TRAPPED", 4, 4),
        Code("CLD_STOPPED", 5, 5),
        Code("CLD_CONTINUED", 6, 6),
    ),
    23: (  # SIGIO
        Code("POLL_IN", 1, 1),
        Code("POLL_OUT", 2, 2),
        Code("POLL_MSG", 3, 3),
        Code("POLL_ERR", 4, 4),
        Code("POLL_PRI", 5, 5),
        Code("POLL_HUP", 6, 6),
    ),
}

SI_NOINFO = 0


def from_linux_code(linux_signal: int, code: int) -> tuple[int, int]:
    """(FreeBSD signal, FreeBSD si_code) for what a Linux handler got.

    The signal is the twin of `linux_signal`, save for traps that FreeBSD reports by another signal. A code that is not
    known becomes SI_NOINFO.
    """
    signal = from_linux(linux_signal)
    for row in CODES.get(signal, ()):
        if row.linux == code != 0:
            return row.freebsd_signal or signal, row.freebsd
    for _, freebsd, linux in SENDER_CODES:
        if linux == code:
            return signal, freebsd
    for _, linux, freebsd, _ in SENDER_CODES_LINUX_ONLY:
        if linux == code:
            return signal, freebsd
    return signal, SI_NOINFO


def to_linux_code(signal: int, code: int) -> int:
    """Linux's si_code for a FreeBSD one; SI_KERNEL where Linux has none."""
    for row in CODES.get(signal, ()):
        if row.freebsd == code and row.linux and not row.lossy:
            return row.linux
    for _, freebsd, linux in SENDER_CODES:
        if freebsd == code:
            return linux
    return 0x80

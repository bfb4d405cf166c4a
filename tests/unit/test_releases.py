"""Constants that have not the same value in all of FreeBSD 13, 14 and 15, and what LSF does about each."""

from __future__ import annotations

import re
import shutil

import harness
import releases

from lsf._build import generate
from lsf.freebsd.tables import numbers

#: What changed and where LSF follows the release that it shows (--osrelease), or a reason that there is nothing to follow.
#: Patterns of names; each must match something.
CHANGED = {
    "SHM_REMAP": "sysv.pxi: shmat; guest sysv.shared_memory_in_place",
    "PUSER|PZERO|PRI_MIN_(TIMESHARE|REALTIME|KERN)|PRI_MAX_(KERN|REALTIME|ITHD)": "freebsd_user_priority; guest releases",
    "_POSIX_VERSION": "kern.posix1version; guest releases",
    "_MC_FLAG_MASK": "signal.pxi: setcontext takes _MC_HASTLSBASE since 15; guest releases",
    "SYS_[gs]etgroups": "the table has both numbers; guest ids",
    "CLOCK_BOOTTIME": "both numbers are clocks of every release",
    "CPU_MAXSIZE|CPU_SETSIZE|_NCPUWORDS|CPUSETBUFSIZ": "cpuset(2) takes sets of any size that hold the processors",
    "CAP_ALL[01]|CAP_UNUSED.*": "capsicum(4) is not there",
    # Masks of what is known, and numbers of what there is: the new bits and numbers are beside those that stay.
    ".*_(MAX|LAST|COUNT|END|NLIMITS|MAXSYSCALL|HIGHEST)|EVFILT_SYSCOUNT": "a count",
    "(MNT|JAIL|GIF|FTS|INPLOOKUP|IFCAP|PFSTATE|TH)_(.*MASK|CMDFLAGS|CANTCHANGE|FLAGS|ECNALL)": "a mask of what is known",
    "IFCAP_TXTLS_RTLMT": "the same bit, written with a sign in one of them",
    "(__)?IFCAP_B_SIZE": "a count",
    "__(ISO_C|POSIX|XSI)_VISIBLE": "what a header shows",
    # The inside of the kernel and of its modules, of which no call tells.
    "P(INOD|LOCK|PAUSE|RIBIO|SOCK|SWP|VFS|VM|WAIT)|PI_.*": "levels at which the kernel sleeps",
    "MHLEN|MINCLSIZE|MPKTHSIZE|M_VERSION|SB_MAX|DUMPSYS_.*|DYNAMIC_MAX_SLEEP|OBJT_DEFAULT|VV_.*|SV_.*|TDA_.*|SPLICE_.*":
        "inside the kernel",
    "KI_NSPARE_PTR|inp_zero_size|VM_N?FREEPOOL.*": "inside the kernel",
    "(DIOC|PF_|PFTM|PFSYNC|LOOKUP_|O_LAST|NETMAP|PTNETMAP|PMC|PCIOC|VM_|WDIOC|SCTP|BW_).*": "drivers and modules that are not there",
    "CC_(ECN|NDUPACK|RTO|RTO_ERR)": "inside the kernel",
    "FTS_STOP|IPTOS_MINCOST": "of libraries and programs",
}  # fmt: skip


def headers() -> tuple[dict[int, dict[str, int]], list[str]]:
    """The constants of each release that is at hand, and what is missing."""
    if shutil.which("clang") is None:
        harness.missing_tool("constants that change with the release", "clang is not installed")
    return releases.values(), releases.folders()[1]


def test_every_change_is_known():
    found, missing = headers()
    names = releases.changed(found)
    unknown = [
        f"{name} {numbers}" for name, numbers in names.items() if not any(re.fullmatch(p, name) for p in CHANGED)
    ]
    assert not unknown, "\n".join(unknown)
    for line in missing:
        release, _, reason = line.partition(": ")
        (harness.not_covered if release == "13" else harness.missing_tool)(f"constants of FreeBSD {release}", reason)
    idle = [pattern for pattern in CHANGED if not any(re.fullmatch(pattern, name) for name in names)]
    assert not idle
    # An oracle that sees nothing would agree with everything.
    assert names["SHM_REMAP"] == {13: 0o30000, 14: 0o30000, 15: 0o40000}


#: FREEBSD_ constants that no header shows which all releases have.
ELSEWHERE = {
    **dict.fromkeys(("CS", "SS", "FS", "GS"), "machine/segments.h, where they are computed: test_abi_oracle.py"),
    **dict.fromkeys(("LIO_SYNC", "LIO_DSYNC", "LIO_MLOCK"), "sys/aio.h, for the kernel alone"),
    **dict.fromkeys(
        ("EXTERRCTL_ENABLE", "EXTERRCTL_DISABLE", "EXTERRCTLF_FORCE", "UEXTERROR_VER"), "headers of FreeBSD 15"
    ),
    **dict.fromkeys(("TFD_CLOEXEC", "TFD_NONBLOCK"), "sys/timerfd.h, since FreeBSD 14: test_flags.py"),
    "DRAINWAIT": "sys/kern/tty.c",
    "ERESTART": "errno.h, for the kernel alone",
    **dict.fromkeys(("SYS_pdrfork", "SYS_pdwait"), "headers of FreeBSD 15.1 and later"),
    "STATFS_VERSION_11": "sys/mount.h, for the kernel alone",
}

#: Names that another header of FreeBSD's has for something else, which these headers together show.
NAMESAKES = {
    "RTM_NEWADDR": "netlink's, net/route.h: 0xc",
    "RTM_DELADDR": "netlink's, net/route.h: 0xd",
    "RTA_GATEWAY": "netlink's, net/route.h: 0x2",
}


def test_every_number_is_that_of_the_headers():
    """Whatever is called FREEBSD_ in the code is in the headers of some release, with the same value in all that have it."""
    found, _ = headers()
    assert len(found) > 1, "needs the headers of two releases"
    names = {row.name: row.constant for row in numbers.rows()}
    unlike, unknown = [], []
    for name, value in generate._constants().items():
        constant = names.get(name, name)
        theirs = {release: values[constant] for release, values in found.items() if constant in values}
        if not theirs:
            unknown.append(name)
        elif (
            name not in NAMESAKES
            and any((number ^ value) & 0xFFFFFFFF for number in theirs.values())
            and not any(re.fullmatch(p, constant) for p in CHANGED)
        ):
            unlike.append(f"{name} is {value:#x} here, and there {theirs}")
    assert not unlike, "\n".join(unlike)
    assert set(unknown) <= set(ELSEWHERE), " ".join(sorted(set(unknown) - set(ELSEWHERE)))

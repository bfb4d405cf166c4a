"""The table of flags and commands (lsf/freebsd/tables/options.master): that it is whole, and that LSF does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import harness
import pytest
import releases

from lsf.freebsd.tables import options

#: What the guest asks about, by the first (call, argument) of the family and its first header; and names that only stand for values.
PROBED = {
    "so": ("getsockopt.name", "sys/socket.h", "SO_TS_.*"),
    "local": ("getsockopt.name", "sys/un.h", ""),
    "ip": ("getsockopt.name", "netinet/in.h", "IP_PORTRANGE_.*|IP_SENDSRCADDR"),
    "ipv6": ("getsockopt.name", "netinet6/in6.h", "IPV6_PORTRANGE_.*|IPV6_HOPLIMIT|IPV6_NEXTHOP|IPV6_CHECKSUM"),
    "tcp": ("getsockopt.name", "netinet/tcp.h", ""),
    "udp": ("getsockopt.name", "netinet/udp.h", ""),
    "domain": ("socket.domain", "sys/socket.h", "AF_(ROUTE|NETLINK|LOCAL|UNIX)"),
    "type": ("socket.type", "sys/socket.h", ""),
    "fcntl": ("fcntl.cmd", "sys/fcntl.h", "F_(RD|WR|UN)LCK|F_UNLCKSYS|F_CANCEL|F_SEAL_.*|F_O?(GET|SET)LKW?|F_DUP3FD"),
    "rfork": ("rfork.flags", "sys/unistd.h", ""),
    "idtype": ("wait6.idtype", "sys/wait.h", ""),
    "sysarch": ("sysarch.op", "x86/sysarch.h", "AMD64_(SET|CLEAR)_PKRU"),
    "kenv": ("kenv.what", "sys/kenv.h", ""),
    "procctl": ("procctl.com", "sys/procctl.h", ""),
    "extattr": ("extattr_get_file.attrnamespace", "sys/extattr.h", ""),
    "shm": ("shmctl.cmd", "sys/shm.h", ""),
    "madvise": ("madvise.behav", "sys/mman.h", "MADV_PROTECT"),
    "minherit": ("minherit.inherit", "sys/mman.h", "INHERIT_SHARE"),
    "clock": ("clock_getres.clock_id", "sys/time.h", ""),
    "rlimit": ("getrlimit.which", "sys/resource.h", ""),
    "pathconf": ("fpathconf.name", "sys/unistd.h", "_PC_PIPE_BUF"),
    "filter": ("kevent.changelist", "sys/event.h", ""),
}  # fmt: skip


def _folders() -> dict[int, list[Path]]:
    found, missing = releases.folders()
    if not found:
        harness.missing_tool("the headers' flags", "; ".join(missing))
    return found


def _named(header: str, pattern: str) -> set[str]:
    """The constants of a header, of any release, whose names match."""
    known = set().union(*releases.values().values())
    names: set[str] = set()
    there = False
    for folders in _folders().values():
        for folder in folders:
            path = folder / header
            if path.is_file():
                there = True
                text = path.read_text(encoding="utf-8", errors="replace")
                names.update(name for name in re.findall(r"\b[A-Za-z_]\w*", text) if re.fullmatch(pattern, name))
    assert there, f"no release has <{header}>"
    return names & known


@pytest.mark.parametrize(
    "family", options.load(), ids=lambda family: f"{'.'.join(family.arguments[0])}-{family.headers[0][1][:12]}"
)
def test_no_name_of_the_headers_is_missing(family):
    theirs = set().union(*(_named(header, pattern) for header, pattern in family.headers))
    ours = [option.name for option in family.options]
    assert sorted(ours) == sorted(theirs)


def _header(release: int, errnos: dict[str, int]) -> str:
    """The lists of the guest: names that the headers of a release have."""
    lines = []
    for kind, (argument, header, but) in PROBED.items():
        (family,) = (
            family
            for family in options.load()
            if any(".".join(pair) == argument for pair in family.arguments)
            and family.headers[0][0] == header
            and (kind != "filter" or "EVFILT" in family.headers[0][1])
            and (kind != "so" or family.headers[0][1].startswith("SO_"))
        )
        chosen = [
            f"X({kind}, {option.name}, {option.state.upper()}, {errnos.get(option.errno, 0)})"
            for option in family.options
            if option.state != "none"
            and option.name in releases.values()[release]
            and not re.fullmatch(but or "-", option.name)
        ]
        assert chosen
        lines.append(f"#define OPTIONS_{kind} " + " ".join(chosen))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("release", [14, 15])
@pytest.mark.parametrize("case", harness.guest_cases(harness.GUESTS / "options/probe.c"))
def test_what_the_table_says(lsf, case, release, tmp_path):
    found = _folders()
    if release not in found:
        harness.missing_tool(f"options of FreeBSD {release}", "its headers are not at hand")
    text = _header(
        release, {name: value for name, value in releases.values()[release].items() if re.fullmatch("E[A-Z0-9]+", name)}
    )
    kept = harness.cached_build("options.h", [text], lambda out: out.write_text(text))
    flags = (f'-DOPTIONS_HEADER="{kept}"', f"-DGUEST_RELEASE={release}")
    guest = harness.compile_guest(
        harness.GUESTS / "options/probe.c", flags, headers=found[release] if release == 15 else None
    )
    result = lsf(guest, case, env={"LSF_OSRELEASE": "14.3" if release == 14 else f"{release}.0"})
    result.check(f"ok probe.{case}\n")

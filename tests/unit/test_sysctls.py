"""The tree of sysctl names, against FreeBSD's headers and against itself."""

from __future__ import annotations

import re

import harness
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsf.freebsd.tables import sysctls

NODES = [row for row in sysctls.TABLE if row.is_node]


def defines(*names: str) -> dict[str, int]:
    folders = harness.freebsd_headers()
    if folders is None:
        harness.missing_tool("sysctl numbers", "FreeBSD's headers are missing: pip install ziglang")
    text = "".join((folders[1] / name).read_text() for name in names)
    return {m[1]: int(m[2], 0) for m in re.finditer(r"^#define\s+(\w+)\s+(\d+|0x[0-9a-f]+)\b", text, re.MULTILINE)}


#: FreeBSD's constant for a name whose number a program may write itself.
CONSTANTS = {
    "kern": "CTL_KERN", "vm": "CTL_VM", "vfs": "CTL_VFS", "net": "CTL_NET", "debug": "CTL_DEBUG", "hw": "CTL_HW",
    "machdep": "CTL_MACHDEP", "user": "CTL_USER", "p1003_1b": "CTL_P1003_1B",
    "sysctl.name": "CTL_SYSCTL_NAME", "sysctl.next": "CTL_SYSCTL_NEXT", "sysctl.name2oid": "CTL_SYSCTL_NAME2OID",
    "sysctl.oidfmt": "CTL_SYSCTL_OIDFMT", "sysctl.oiddescr": "CTL_SYSCTL_OIDDESCR",
    "sysctl.oidlabel": "CTL_SYSCTL_OIDLABEL", "sysctl.nextnoskip": "CTL_SYSCTL_NEXTNOSKIP",
    "kern.ostype": "KERN_OSTYPE", "kern.osrelease": "KERN_OSRELEASE", "kern.osrevision": "KERN_OSREV",
    "kern.version": "KERN_VERSION", "kern.maxvnodes": "KERN_MAXVNODES", "kern.maxproc": "KERN_MAXPROC",
    "kern.maxfiles": "KERN_MAXFILES", "kern.argmax": "KERN_ARGMAX", "kern.securelevel": "KERN_SECURELVL",
    "kern.hostname": "KERN_HOSTNAME", "kern.hostid": "KERN_HOSTID", "kern.clockrate": "KERN_CLOCKRATE",
    "kern.file": "KERN_FILE", "kern.posix1version": "KERN_POSIX1", "kern.ngroups": "KERN_NGROUPS", "kern.job_control": "KERN_JOB_CONTROL",
    "kern.saved_ids": "KERN_SAVED_IDS", "kern.boottime": "KERN_BOOTTIME", "kern.domainname": "KERN_NISDOMAINNAME",
    "kern.osreldate": "KERN_OSRELDATE", "kern.bootfile": "KERN_BOOTFILE",
    "kern.maxfilesperproc": "KERN_MAXFILESPERPROC", "kern.maxprocperuid": "KERN_MAXPROCPERUID",
    "kern.ipc": "KERN_IPC", "kern.ps_strings": "KERN_PS_STRINGS", "kern.usrstack": "KERN_USRSTACK",
    "kern.logsigexit": "KERN_LOGSIGEXIT", "kern.iov_max": "KERN_IOV_MAX", "kern.hostuuid": "KERN_HOSTUUID",
    "kern.arandom": "KERN_ARND", "kern.maxphys": "KERN_MAXPHYS",
    "hw.machine": "HW_MACHINE", "hw.model": "HW_MODEL", "hw.ncpu": "HW_NCPU", "hw.byteorder": "HW_BYTEORDER",
    "hw.physmem": "HW_PHYSMEM", "hw.usermem": "HW_USERMEM", "hw.pagesize": "HW_PAGESIZE",
    "hw.floatingpoint": "HW_FLOATINGPT", "hw.machine_arch": "HW_MACHINE_ARCH", "hw.realmem": "HW_REALMEM",
    "vm.vmtotal": "VM_TOTAL", "vm.loadavg": "VM_LOADAVG", "vm.v_free_min": "VM_V_FREE_MIN",
    "vm.v_free_target": "VM_V_FREE_TARGET", "vm.v_free_reserved": "VM_V_FREE_RESERVED",
    "vm.v_inactive_target": "VM_V_INACTIVE_TARGET", "vm.swap_enabled": "VM_SWAPPING_ENABLED",
    "vm.overcommit": "VM_OVERCOMMIT",
    **{row.name: f"USER_{row.name[5:].upper()}" for row in sysctls.TABLE if row.parent == "user"},
    **{row.name: f"CTL_P1003_1B_{row.name[9:].upper()}" for row in sysctls.TABLE if row.parent == "p1003_1b"},
}  # fmt: skip


def test_numbers_are_freebsds():
    known = defines("sys/sysctl.h", "vm/vm_param.h")
    wrong = {name: (sysctls.BY_NAME[name].number, known[constant]) for name, constant in CONSTANTS.items()
             if sysctls.BY_NAME[name].number != known[constant]}  # fmt: skip
    assert not wrong


def test_every_fixed_number_is_checked():
    """A number below AUTO is FreeBSD's own, so a header can confirm it; those of the network are protocols."""
    fixed = {row.name for row in sysctls.TABLE if row.number < sysctls.AUTO and not row.name.startswith("net.")}
    assert fixed - CONSTANTS.keys() <= {"sysctl", "security", "kern.proc"} | {
        row.name for row in sysctls.TABLE if row.parent == "kern.proc"}  # fmt: skip


def test_types_are_freebsds():
    known = defines("sys/sysctl.h")
    assert {
        "N": known["CTLTYPE_NODE"], "I": known["CTLTYPE_INT"], "A": known["CTLTYPE_STRING"], "Q": known["CTLTYPE_S64"],
        "S": known["CTLTYPE_OPAQUE"], "B": known["CTLTYPE_INT"], "E": known["CTLTYPE_INT"], "IU": known["CTLTYPE_UINT"], "L": known["CTLTYPE_LONG"],
        "LU": known["CTLTYPE_ULONG"], "QU": known["CTLTYPE_U64"], "CU": known["CTLTYPE_U8"],
    } == sysctls.KIND  # fmt: skip
    for name in ("RD", "WR", "ANYBODY", "SKIP", "TUN", "MPSAFE", "CAPRD", "CAPWR"):
        assert getattr(sysctls, f"CTLFLAG_{name}") == known[f"CTLFLAG_{name}"]


def test_a_value_has_a_source():
    """Only a plain node has none, and a node has no constant."""
    for row in sysctls.TABLE:
        assert row.how or row.is_node, row
        assert not (row.is_node and row.how not in ("", "call")), row
        if row.is_node and not row.how:
            assert any(other.parent == row.name for other in sysctls.TABLE) or row.name == "debug", (
                f"{row.name} is empty"
            )


@given(st.sampled_from(sysctls.TABLE))
def test_numbers_lead_back_to_the_name(row):
    names, node = [], ""
    for number in sysctls.numbers(row.name):
        (found,) = [r for r in sysctls.TABLE if r.parent == node and r.number == number]
        names.append(found.name.rpartition(".")[2])
        node = found.name
    assert ".".join(names) == row.name


def test_order():
    """Children lie together, by number, behind their node."""
    rows = sysctls.ordered()
    assert len(rows) == len(sysctls.TABLE) + 1
    for index, (row, first, count) in enumerate(rows):
        below = [r for r, _, _ in rows[first : first + count]]
        assert all(r.parent == (row.name if row else "") for r in below)
        assert [r.number for r in below] == sorted({r.number for r in below})
        assert not count or first > index


@pytest.mark.parametrize(
    "line",
    [
        "a.b | 1 | I | = 1 | the node is missing",
        "kern | 1 | N | | \nkern.x | 1 | I | = 1 | \nkern.y | 1 | I | = 1 | the number twice",
        "kern | 1 | N | | \nkern | 2 | N | | the name twice",
        "kern | 1 | Z | = 1 | no such type",
        "kern | 1 | I | = x | no number",
        "kern | 1 | A | = x | no quotes",
        "kern | 1 | I | what 1 | no such source",
        "kern | 1 | I",
    ],
)
def test_wrong_rows_are_refused(line):
    with pytest.raises((sysctls.SysctlError, KeyError)):
        sysctls._parse(line)

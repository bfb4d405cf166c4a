"""What is told of a network that changes: guests in a network namespace of their own, where the loopback is down at first."""

from __future__ import annotations

import ctypes
import os

import harness
import pytest

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def own_network() -> None:
    """Called in the child: nobody else's network changes. Without rights it takes a user namespace."""
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if ctypes.CDLL(None).unshare(flags) != 0:
        os._exit(99)


@pytest.mark.parametrize("guest", ["netlink", "rtsock"])
def test_a_loopback_that_comes_up_is_told(lsf, guest):
    result = lsf(harness.compile_guest(guest), "@told", before=own_network)
    if result.returncode == 99:
        harness.not_covered("messages about a network that changes", "no network namespace here")
    result.check("", 0)  # a case that is skipped says so


def test_netlink_came_with_a_release(lsf):
    lsf(harness.compile_guest("netlink"), "@absent", env={"LSF_OSRELEASE": "13.1"}).check("", 0)

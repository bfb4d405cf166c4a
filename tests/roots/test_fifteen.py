"""The programs of a FreeBSD 15 base system that tell of the machine: what they print is what they found by sysctl, netlink and ioctl."""

from __future__ import annotations

import os
import re
import socket
import subprocess

import harness
import pytest

NEEDED = ("sbin/ifconfig", "usr/bin/netstat", "bin/ps", "usr/bin/ipcs", "usr/bin/w")


@pytest.fixture(scope="session")
def root():
    return harness.root_with(*NEEDED, covers="ifconfig, netstat, ps, ipcs and w of FreeBSD 15", releases=(15,))


@pytest.fixture
def run(lsf, root):
    """`run(PROGRAM, ARGUMENT...)` is what it printed, in the view that the command gives, where /dev is."""

    def told(*command: str) -> str:
        done = subprocess.run(
            [*harness.lsf_command(), "--engine", lsf.engine, "--root", str(root), *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    return told


def test_ifconfig(run):
    """15's asks by netlink, and by ioctl for the groups and neighbour discovery."""
    names = run("/sbin/ifconfig", "-l").split()
    assert "lo0" in names
    text = run("/sbin/ifconfig", "lo0")
    assert re.match(r"lo0: flags=[0-9a-f]+<UP,LOOPBACK,RUNNING\b", text)
    assert "\tinet 127.0.0.1 netmask 0xff000000\n" in text
    assert "\tgroups: lo\n" in text
    assert run("/sbin/ifconfig", "-g", "lo").split() == ["lo0"]


def test_netstat(run):
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen(3)
        port = listener.getsockname()[1]
        client.connect(listener.getsockname())
        sockets = run("/usr/bin/netstat", "-an", "-p", "tcp")
        queues = run("/usr/bin/netstat", "-Lan", "-p", "tcp")
    assert re.search(rf"^tcp4 +0 +0 127\.0\.0\.1\.{port} +\*\.\* +LISTEN", sockets, re.MULTILINE)
    assert re.search(rf"127\.0\.0\.1\.\d+ +127\.0\.0\.1\.{port} +ESTABLISHED", sockets)
    assert re.search(rf"^tcp4 +1/0/3 +127\.0\.0\.1\.{port}\b", queues, re.MULTILINE)
    routes = run("/usr/bin/netstat", "-rn", "-f", "inet")
    assert re.search(r"^127\.0\.0\.1 +link#\d+ +UH\w* +lo0", routes, re.MULTILINE)
    assert re.search(r"^lo0 .*<Link#\d+>", run("/usr/bin/netstat", "-in"), re.MULTILINE)


def test_ps(run):
    told = run("/bin/ps", "-axo", "pid,ppid,comm")
    rows = {int(line.split()[0]): line.split()[1:] for line in told.splitlines()[1:]}
    assert rows[os.getpid()][0] == str(os.getppid())
    assert "ps" in [row[1] for row in rows.values()]


def test_w_and_ipcs(run):
    assert re.match(r" ?\d+:\d\d[AP]M +up ", run("/usr/bin/w", "-n"))
    told = run("/usr/bin/ipcs", "-a")
    assert [line for line in told.splitlines() if line.endswith(":")] == [
        "Message Queues:",
        "Shared Memory:",
        "Semaphores:",
    ]

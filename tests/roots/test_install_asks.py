"""`lsfctl root install` at a terminal: the question which release, and what is shown while it comes."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import struct
import subprocess
import sys
import termios

import harness
import pytest
from archives import fails, nothing_installed
from terminal import Terminal
from test_roots_install import serve_release

from lsf import roots
from lsf.roots import digests

pytest.importorskip("requests")


def test_no_release_where_nobody_can_be_asked(root_store, run_root, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    fails(run_root("install"), "which release? `lsfctl root install 15.1`", "`lsfctl root install newest`")
    nothing_installed(root_store)


@pytest.fixture
def at_a_terminal(root_store, web_server):
    """`lsfctl root install` at a terminal, where no release is named."""
    serve_release(web_server, digests.NEWEST)
    serve_release(web_server)
    web_server.files["/"] = f'<a href="{digests.NEWEST}/"><a href="14.1-RELEASE/">'.encode()
    program = "import sys; from lsf.roots import digests; digests.BASE_TXZ = {'13.5-RELEASE': '', '14.5-RELEASE': ''}; from lsf.ctl import lsfctl; sys.exit(lsfctl.main())"
    terminal = Terminal([sys.executable, "-c", program, "root", "install", "--mirror", web_server.url],
                        {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT), "TERM": "xterm"})  # fmt: skip
    terminal.resize(25, 100)
    terminal.expect(r"Which release of FreeBSD \(13\.5, 14\.5; newest is the mirror's\)\? \[15\.1\] ")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("answer", "name"), [("\n", digests.NEWEST), ("14.1\n", "14.1-RELEASE"), ("newest\n", digests.NEWEST)]
)
def test_the_release_is_asked_for_at_a_terminal(at_a_terminal, answer, name):
    at_a_terminal.send(answer)
    at_a_terminal.expect(rf"{name} base.txz: +100%.*[0-9]+k/[0-9]+k")
    at_a_terminal.expect(rf"{name}: FreeBSD")
    assert at_a_terminal.wait() == 0 and [root.name for root in roots.installed()] == [name]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [("\x04", 125, "no release was chosen"), ("\x03", 130, "interrupted"), ("nonsense\n", 125, "not a FreeBSD release"),
     ("14.9\n", 125, "the mirror has no such release")],
)  # fmt: skip
def test_answers_that_install_nothing(at_a_terminal, root_store, answer, status, words):
    at_a_terminal.send(answer)
    at_a_terminal.expect(words)
    assert at_a_terminal.wait() == status
    nothing_installed(root_store)


def test_progress_is_shown_on_a_terminal(root_store, web_server, tmp_path):
    """On a terminal there is a bar, elsewhere not."""
    serve_release(web_server)
    env = {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT), "TERM": "xterm"}
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 25, 100, 0, 0))
    digest = hashlib.sha256(web_server.files["/14.1-RELEASE/base.txz"].body).hexdigest()
    command = [
        sys.executable,
        "-m",
        "lsf.ctl.lsfctl",
        "root",
        "install",
        "14.1",
        "--mirror",
        web_server.url,
        "--sha256",
        digest,
    ]
    done = subprocess.run(command, env=env, stdin=slave, stderr=slave, stdout=subprocess.PIPE, timeout=60, check=False)
    os.close(slave)
    shown = os.read(master, 1 << 16)
    os.close(master)
    assert (done.returncode, done.stdout) == (0, b"14.1-RELEASE\n")
    assert b"14.1-RELEASE base.txz: 100%" in shown and b"unpacking: 3" in shown

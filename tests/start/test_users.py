"""An ordinary user in every view: what FreeBSD refuses is refused as FreeBSD does it, and its tools forgive that."""

from __future__ import annotations

import os
import re

import harness
import pytest

pytestmark = pytest.mark.engines("sud-cli", "ptrace")

CASES = harness.guest_cases(harness.guest_source("ids_user"))
VIEWS = {"host": (), "namespace": ("--view", "namespace"), "lookup": ("--view", "lookup")}


def start(lsf, view: str, program, *arguments: str, root=None, options=(), cwd=None):
    """Run a program as a user in one of the views."""
    if view != "host":
        if root is None:
            root = lsf.cwd / "root"
            (root / "libexec").mkdir(parents=True, exist_ok=True)
        options = ["--root", str(root), *VIEWS[view], *options]
    environment = lsf.environment({"PATH": "/bin:/usr/bin:/usr/sbin:/sbin"})
    return harness.run_as_user(
        lsf.command(program, *arguments, options=options), environment, cwd or lsf.cwd, namespaces=True
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("case", CASES)
def test_ids(lsf, view, case):
    done = start(lsf, view, harness.compile_guest("ids_user"), case)
    assert done.returncode == 0, done.stderr
    if case == "saved_ids":
        assert done.stdout.startswith("skip")
    else:
        assert (done.stdout, done.stderr) == (f"ok ids_user.{case}\n", "")


@pytest.mark.parametrize("view", VIEWS)
def test_a_file_in_a_group_of_others(lsf, view):
    """The user namespace shows all such groups as one, 65534."""
    if os.getuid() != 0:
        harness.not_covered("files in others' groups", "only root can make one")
    theirs = lsf.cwd / "theirs"
    theirs.touch()
    os.chown(theirs, -1, 4242)
    done = start(lsf, view, harness.compile_guest("ids_user"), "@group_of_others")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.stat(theirs).st_gid == os.getgid()


@pytest.mark.parametrize("way", ["namespace", "lookup"])
def test_fakeroot_accepts_them(lsf, way):
    """Root may: nothing is refused."""
    script = ": > f; chown 5:7 f && chown -h 8 f && chgrp 4242 f && stat -f %u:%g f && su -m nobody -c 'echo became'"
    root = harness.root_with("bin/sh", "usr/bin/stat", "usr/sbin/chown", "usr/bin/su", covers="--fakeroot as a user")
    done = start(lsf, way, "/bin/sh", "-ec", script, root=root, options=["--fakeroot"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "8:4242\nbecame\n", "")


# ---------------------------------------------------------------- FreeBSD's tools


@pytest.fixture(params=["namespace", "lookup"])
def shell(lsf, request):
    """`shell(script)` runs a script with FreeBSD's tools as a user; the folder has files of others."""
    root = harness.root_with("bin/sh", "bin/cp", "bin/pax", "usr/bin/tar", "usr/bin/stat", "usr/bin/install",
                             covers="FreeBSD's tools as a user")  # fmt: skip
    if os.getuid() != 0:
        harness.not_covered("files of others", "only root can make them")
    tree = lsf.cwd / "tree"
    (tree / "in").mkdir(parents=True)
    for name, uid, gid in (("in/file", 0, 0), ("others", 4242, 4242), ("group", 0, 4242)):
        (tree / name).write_text(name)
        os.chown(tree / name, uid, gid)
        os.chmod(tree / name, 0o644)
    (tree / "link").symlink_to("others")
    os.chown(tree / "link", 4242, 4242, follow_symlinks=False)

    def run(script: str):
        return start(lsf, request.param, "/bin/sh", "-c", script, root=root)

    return run


def test_cp(shell):
    """cp.c, setfile(): EPERM of a chown is forgiven in silence."""
    done = shell(
        "cp -Rp tree copy; echo $?; cp -p tree/others .; echo $?; cp -p /proc/version v; echo $?; stat -f %u copy/others v"
    )
    assert (done.stdout, done.stderr) == ("0\n0\n0\n1000\n1000\n", "")


def test_tar(shell):
    """A user's tar does not restore owners (tar(1), -p: "for the root user")."""
    done = shell("cd tree; tar cf ../a.tar in others group; echo $?; cd ..; mkdir out own; tar xf a.tar -C out; echo $?;"
                 "stat -f %u out/others; tar xpf a.tar -C own; echo $?; cat own/in/file")  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n0\n1000\n0\nin/file", "")


def test_pax(shell):
    """file_subs.c, set_ids(): what pax -pe cannot give it says, with EPERM, and goes on."""
    done = shell("pax -w -f a.pax tree; echo $?; mkdir out; cd out; pax -r -pe -f ../a.pax; echo $?;"
                 "stat -f %u tree/others tree/in/file; cat tree/in/file; cd ..; mkdir rw; pax -rw -pp tree rw; echo $?")  # fmt: skip
    assert done.stdout == "0\n1\n1000\n1000\nin/file0\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 3, done.stderr  # others, group, link
    for line in lines:
        assert re.fullmatch(r"pax: Unable to set file uid/gid of tree/\w+ <Operation not permitted>", line), line


def test_install(shell):
    """xinstall.c: an owner that cannot be given is an error, in FreeBSD's words."""
    done = shell("install -o 4242 tree/in/file x; echo $?; install -g 4242 tree/in/file y; echo $?;"
                 "install -o 1000 tree/in/file z; echo $?")  # fmt: skip
    lines = done.stderr.splitlines()
    assert done.stdout.split() == ["71", "71", "0"], done.stderr
    assert len(lines) == 2
    for line, name in zip(lines, "xy", strict=True):
        assert re.fullmatch(rf"install: .*{name}.*: chown/chgrp: Operation not permitted", line), line

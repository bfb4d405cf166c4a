"""`lsfctl root copy`: a copy has all that the original has, shares no file with it, and is there whole or not at all."""

from __future__ import annotations

import functools
import os
import stat
import subprocess
from pathlib import Path

import harness
import pytest

from lsf import roots
from lsf.roots import RootError, copy, tree


@pytest.fixture
def original(root_store) -> Path:
    """A small root `base` with links, modes, attributes and a folder that may not be written to."""
    top = root_store / "base/root"
    for name in ("bin", "etc", "usr/local", "var/run", "shut", "dev", "proc", "tmp"):
        (top / name).mkdir(parents=True)
    (top / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    (top / "bin/sh").write_bytes(b"shell" * 1000)
    (top / "bin/sh").chmod(0o4555)
    os.link(top / "bin/sh", top / "bin/-sh")
    (top / "etc/login.conf").write_text("default:\n")
    (top / "etc/empty").touch()
    (top / "etc/link").symlink_to("/nowhere")
    (top / "shut/in").write_text("in")
    (top / "shut").chmod(0o555)
    for file in (top / "bin/sh", top / "shut/in", top):
        os.utime(file, ns=(10**18, 10**18 + 7))
    (top.parent / "root.conf").write_text(
        "release=14.1-RELEASE\nosreldate=1401000\nsource=mirror\ninstalled=2026-01-01\n"
    )
    return top


def facts(top: Path) -> dict[str, tuple]:
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        status = path.lstat()
        contents = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        names = {name: os.getxattr(path, name) for name in os.listxattr(path, follow_symlinks=False)}
        found[str(path.relative_to(top))] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns,
                                             status.st_nlink, contents, names)  # fmt: skip
    return found


def test_all_of_it(original, root_store, run_root, capsys):
    try:
        os.setxattr(original / "etc/login.conf", "user.lsf.owner", b"5:7")
        os.setxattr(original / "usr/local", "user.lsf.owner", b"5:7")
    except OSError:
        harness.not_covered("attributes of copied roots", "this file system keeps no attributes")
    assert run_root("copy", "14", "mine")[:2] == (0, "mine\n")
    mine = root_store / "mine/root"
    assert facts(mine) == facts(original)
    ours, theirs = ({path.lstat().st_ino for path in top.rglob("*")} for top in (mine, original))
    assert not ours & theirs, "no file is the original's"
    assert (mine / "bin/sh").stat().st_ino == (mine / "bin/-sh").stat().st_ino
    root = roots.load("mine")
    assert (root.release, root.osreldate, root.fields["source"]) == ("14.1-RELEASE", 1401000, "mirror")
    assert (root.fields["copy_of"], root.fields["files"]) == ("base", "7")
    assert roots.resolve() == roots.resolve("14") == str(original), "a copy is not the default before what it is of"
    assert run_root("copy", str(mine), "again")[0] == 0
    assert facts(root_store / "again/root") == facts(original)


def test_what_the_original_lacks(original, root_store, run_root):
    """Places to mount on, so that the isolated view shows the copy's own top, and whom to ask for names: pkg fetches in it."""
    for name in ("dev", "proc", "tmp"):
        (original / name).rmdir()
    (original / "etc/resolv.conf").unlink()
    before = facts(original)
    status, _, said = run_root("copy", "base", "mine")
    assert status == 0 and "/etc/resolv.conf, which it lacked, is this machine's" in said
    mine = root_store / "mine/root"
    assert (mine / "etc/resolv.conf").read_bytes() == Path("/etc/resolv.conf").read_bytes()
    assert [stat.S_IMODE((mine / name).stat().st_mode) for name in ("dev", "proc", "tmp")] == [0o755, 0o555, 0o1777]
    assert facts(original) == before
    (original / "etc/resolv.conf").symlink_to("/nowhere")
    assert "resolv.conf" not in run_root("copy", "base", "other")[2]
    assert os.readlink(root_store / "other/root/etc/resolv.conf") == "/nowhere"


def test_nothing_is_left_of_what_fails(original, root_store, run_root, monkeypatch):
    assert run_root("copy", "base", "base")[0] == 125
    assert run_root("copy", "base", "x.y/z")[0] == 125
    assert run_root("copy", "none", "mine")[0] == 125
    (root_store.parent / "linux/lib64").mkdir(parents=True)
    assert run_root("copy", f"{root_store.parent}/linux", "mine")[0] == 125
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        calls = []

        def broken(self, read, write, size, error=error, calls=calls):
            calls.append(size)
            if len(calls) == 3:
                raise error

        monkeypatch.setattr(copy._Copier, "_contents", broken)
        assert run_root("copy", "base", "mine")[0] in (125, 130)
        assert os.listdir(root_store) == ["base"]


def test_one_that_another_process_made_first(original, root_store, monkeypatch):
    def fill(self, source, target):
        os.mkdir(target)
        (root_store / "mine/root").mkdir(parents=True)

    monkeypatch.setattr(copy._Copier, "tree", fill)
    with pytest.raises(RootError, match="a root is called mine already"):
        copy.copy("base", "mine")
    assert sorted(os.listdir(root_store)) == ["base", "mine"]


@pytest.mark.parametrize("way", ["reflink", "range", "plain"])
def test_contents_by_each_means(original, root_store, monkeypatch, way):
    """Whatever the file system can: a reflink, a copy in the kernel, or read and write."""
    if way == "plain":

        def refused(*_):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "copy_file_range", refused)
    monkeypatch.setattr(copy, "_Copier", functools.partial(copy._Copier, reflinks=way == "reflink"))
    copy.copy("base", "mine", quiet=True)
    assert facts(root_store / "mine/root") == facts(original)


def test_of_somebody_elses(original, root_store, run_root, monkeypatch):
    """A user's copy is the user's. --fakeroot shows the owners that the original has; what may not be read is named."""
    if os.getuid() != 0:
        harness.not_covered("copies of others' roots", "only root can give files away")
    os.chown(original / "etc/login.conf", 0, 5)
    os.chown(original / "etc/empty", 66, 66)
    monkeypatch.setattr(
        copy, "_Copier", functools.partial(copy._Copier, _own=False)
    )  # as a user whose ids are root's, as --fakeroot shows them
    assert run_root("copy", "base", "mine")[0] == 0
    mine = root_store / "mine/root"
    assert {path.lstat().st_uid for path in mine.rglob("*")} == {os.getuid()}
    try:
        kept = {name: os.getxattr(mine / "etc" / name, "user.lsf.owner") for name in ("login.conf", "empty")}
    except OSError:
        harness.not_covered("owners of copied roots", "this file system keeps no attributes")
    assert kept == {"login.conf": b"0:5", "empty": b"66:66"}
    assert os.listxattr(mine / "bin/sh") == []

    def closed(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(copy, "_opened", lambda path, *more, opened=copy._opened: (
        closed(path) if path.endswith("login.conf") else opened(path, *more)))  # fmt: skip
    status, printed, said = run_root("copy", "base", "other")
    assert (status, printed) == (125, "")
    assert said == f"lsfctl: {original}/etc/login.conf: Permission denied: who made this root can copy it\n"
    assert sorted(os.listdir(root_store)) == ["base", "mine"]


def test_locked_files(original, root_store, run_root):
    """chflags of FreeBSD's root is Linux's immutable flag: it comes along, and keeps no root from being removed."""
    if os.getuid() != 0:
        harness.not_covered("copies of immutable files", "only root can make one")
    locked = (original / "etc/login.conf", original / "usr/local")
    try:
        if subprocess.run(["chattr", "+i", *locked], capture_output=True, check=False).returncode:
            harness.not_covered("copies of immutable files", "this file system has no such flag")
        assert run_root("copy", "base", "mine")[0] == 0
        mine = root_store / "mine/root"
        for path in (mine / "etc/login.conf", mine / "usr/local"):
            fd = os.open(path, os.O_RDONLY)
            assert copy.flags_of(fd) & tree.LOCKING_FLAGS == 0x10, path
            os.close(fd)
        assert not stat.S_IMODE((mine / "shut").stat().st_mode) & 0o222
        assert run_root("remove", "mine")[0] == 0
        assert os.listdir(root_store) == ["base"]
    finally:
        subprocess.run(["chattr", "-i", *locked], capture_output=True, check=False)

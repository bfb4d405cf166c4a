"""`lsfctl root export`: archives and images of a root, read back by LSF and by other programs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import tarfile
from pathlib import Path

import archives
import harness
import pytest
from archives import Item, fails, hardlink, link

from lsf import roots
from lsf.roots import oci, tree

ITEMS = archives.base(extra=[
    Item("usr/bin/passwd", b"setuid", mode=0o4555, pax={"SCHILY.fflags": "schg"}), hardlink("usr/bin/yppasswd", "usr/bin/passwd", 0o4555),
    Item("usr/share/caf\u00e9 \udcff", b"odd"), link("usr/share/" + "l" * 120, "t" * 150), Item("big", os.urandom(3_000_000)),
])  # fmt: skip


@pytest.fixture
def base(root_store, run_root, tmp_path):
    """A root called base; its folder."""
    (tmp_path / "base.tar").write_bytes(archives.tar(ITEMS))
    assert run_root("import", tmp_path / "base.tar", "--name", "base", "-q")[0] == 0
    return root_store / "base/root"


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path, errors="surrogateescape") as archive:
        return {member.name.removeprefix("./"): member for member in archive}


def test_what_comes_out_is_what_came_in(base, run_root, tmp_path):
    """FreeBSD's modes, owners, flags and links, which this machine has not kept."""
    assert run_root("export", "base", tmp_path / "out.tar", "-q") == (0, "", "")
    out, came = members(tmp_path / "out.tar"), members(tmp_path / "base.tar")
    for name, member in came.items():
        found = out["." if name == "." else name]
        if name.startswith("rescue/"):  # three names of one file: which one has the data is free
            assert (found.mode, found.uid, found.islnk() or found.size > 5000) == (0o555, 0, True)
            continue
        assert (found.type, found.mode, found.uid, found.gid, found.size) == (
            member.type, 0o777 if member.issym() else member.mode, 0, 0, member.size), name  # fmt: skip
        flags = came["usr/bin/passwd" if name == "usr/bin/yppasswd" else name].pax_headers.get("SCHILY.fflags")
        assert found.pax_headers.get("SCHILY.fflags") == flags, name
        assert found.linkname.removeprefix("./") == member.linkname.removeprefix("./") or member.islnk()
    assert (out["usr/bin/yppasswd"].type, out["usr/bin/yppasswd"].linkname) == (tarfile.LNKTYPE, "./usr/bin/passwd")
    assert run_root("import", tmp_path / "out.tar", "--name", "copy", "-q")[0] == 0
    record = [(base.parents[1] / name / "root.mtree").read_text() for name in ("base", "copy")]
    assert record[0] == record[1]
    assert run_root("verify", "copy", "-q") == (0, "", "")


@pytest.mark.parametrize("ending", ["tar", "tgz", "tar.xz", "tar.zst"])
def test_the_same_root_gives_the_same_bytes(base, run_root, tmp_path, ending):
    for name in ("a", "b"):
        assert run_root("export", "base", tmp_path / f"{name}.{ending}", "-q")[0] == 0
        os.utime(base)  # the time of reading does not matter, that of a file does
        os.utime(base, (1_700_000_000, 1_700_000_000))
        first = tmp_path / f"a.{ending}"
        if name == "a":
            first.unlink()
            assert run_root("export", "base", first, "-q")[0] == 0
    assert first.read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert run_root("import", first, "--name", "again", "-q")[0] == 0
    assert stat.S_IMODE(first.stat().st_mode) == 0o666 & ~_mask()


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_owners_that_fakeroot_keeps(base, run_root, tmp_path):
    """The attribute of `lsf --fakeroot` goes before the record."""
    try:
        os.setxattr(base / "etc/master.passwd", tree.OWNER_ATTRIBUTE, b"123:45")
    except OSError:
        pytest.skip("this file system has no such attributes")
    assert run_root("export", "base", tmp_path / "out.tar", "-q")[0] == 0
    out = members(tmp_path / "out.tar")
    assert (out["etc/master.passwd"].uid, out["etc/master.passwd"].gid) == (123, 45)
    assert (out["bin/sh"].uid, out["bin/sh"].gid) == (0, 0)


def test_the_owners_of_an_ordinary_users_root(base, run_root, tmp_path, monkeypatch):
    """What belongs to the user here belongs to root there, or to whom the record says."""
    for folder, names, files in os.walk(base):
        for name in (*names, *files, "."):
            os.chown(os.path.join(folder, name), 12345, 12345, follow_symlinks=False)
    text = (base.parent / "root.mtree").read_text()
    (base.parent / "root.mtree").write_text(
        text.replace("./bin/sh type=file uid=0 gid=0", "./bin/sh type=file uid=2 gid=5")
    )
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert run_root("export", "base", tmp_path / "out.tar", "-q")[0] == 0
    out = members(tmp_path / "out.tar")
    assert (out["bin/sh"].uid, out["bin/sh"].gid) == (2, 5)
    assert {(member.uid, member.gid) for name, member in out.items() if name != "bin/sh"} == {(0, 0)}


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_images(base, run_root, tmp_path, kind):
    target = tmp_path / "image"
    for name in ("image", "second"):
        assert run_root("export", "base", tmp_path / name, "--format", kind, "-q") == (0, "", "")
    assert run_root("import", target, "--name", "copy", "-q")[0] == 0
    assert run_root("verify", "copy", "-q") == (0, "", "")
    assert (roots.load("copy").release, roots.load("copy").osreldate) == ("14.1-RELEASE", 1401000)
    if kind == "oci-archive":
        assert target.read_bytes() == (tmp_path / "second").read_bytes()
        return
    every = sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
    assert all((target / path).read_bytes() == (tmp_path / "second" / path).read_bytes() for path in every)
    assert len(every) == 5
    for path in (target / "blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    (described,) = json.loads((target / "index.json").read_text())["manifests"]
    assert described["platform"] == {"os": "freebsd", "architecture": "amd64", "os.version": "14.1"}
    assert described["annotations"] == {oci.REF_NAME: "base"}


def test_another_program_reads_the_image(base, run_root, tmp_path):
    if not shutil.which("skopeo"):
        harness.missing_tool("exported images, read by another program", "skopeo is not installed")
    assert run_root("export", "base", tmp_path / "image", "--format", "oci", "-q")[0] == 0
    assert run_root("export", "base", tmp_path / "image.tar", "--format", "oci-archive", "-q")[0] == 0
    for place in (f"oci:{tmp_path}/image:base", f"oci-archive:{tmp_path}/image.tar:base"):
        shown = subprocess.run(
            ["skopeo", "--override-os", "freebsd", "inspect", place], capture_output=True, text=True, check=True
        )
        about = json.loads(shown.stdout)
        assert (about["Os"], about["Architecture"], len(about["Layers"])) == ("freebsd", "amd64", 1)
        copied = tmp_path / f"copied-{place.partition(':')[0]}"
        subprocess.run(
            ["skopeo", "--insecure-policy", "--override-os", "freebsd", "copy", "-q", place, f"dir:{copied}"],
            check=True,
        )
        assert len(list(copied.iterdir())) == 4


def test_what_cannot_be_exported(base, run_root, tmp_path, monkeypatch):
    there = tmp_path / "there"
    there.write_text("mine")
    fails(run_root("export", "base", there), "is there already")
    assert there.read_text() == "mine"
    fails(run_root("export", "nosuch", tmp_path / "x.tar"), "no root is called nosuch; there are: base")
    fails(run_root("export", "base", tmp_path / "no/where.tar"), "No such file or directory")
    fails(run_root("export", "base", base / "etc/x.tar"), "lies in the root itself")
    fails(run_root("export", "base", "/proc/x.tar"), "/proc")
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(tarfile.TarFile, "addfile", lambda *_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    for kind in ("tar", "oci", "oci-archive"):
        fails(run_root("export", "base", tmp_path / "x.tar", "--format", kind), "No space left on device")
    assert sorted(os.listdir(tmp_path)) == before


def test_what_no_archive_has_is_said(base, run_root, tmp_path):
    os.mkfifo(base / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(base)
        server.bind("socket")
        os.chdir(here)
    status, _, err = run_root("export", "base", tmp_path / "out.tar")
    assert status == 0 and "left out: devices and sockets (1 file)" in err
    assert members(tmp_path / "out.tar")["pipe"].isfifo()

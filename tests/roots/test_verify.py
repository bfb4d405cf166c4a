"""The record of a root's files (root.mtree), and `lsfctl root verify`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import archives
import harness
import pytest
from archives import Item, fails, hardlink, link

from lsf.roots import record, tree

ODD = "usr/share/a b\\c\té#=*"


@pytest.fixture
def installed(root_store, run_root, tmp_path):
    """A root of the store; its folder."""
    items = archives.base(extra=[
        Item(ODD, b"odd"), link("usr/share/odd link", "a b"), Item("usr/share/hidden", b"x", mode=0o000),
        Item("usr/bin/passwd", b"setuid", mode=0o4555, pax={"SCHILY.fflags": "schg"}), hardlink("usr/bin/yppasswd", "usr/bin/passwd"),
    ])  # fmt: skip
    (tmp_path / "base.tar").write_bytes(archives.tar(items))
    assert run_root("import", tmp_path / "base.tar", "--name", "base", "-q")[0] == 0
    return root_store / "base/root"


def verify(run_root, *arguments: str) -> tuple[int, list[str], str]:
    status, out, err = run_root("verify", *arguments)
    return status, out.splitlines(), err


def test_a_root_as_it_was_installed(installed, run_root):
    assert verify(run_root) == verify(run_root, "base") == (0, [], "base: as it was installed\n")
    lines = (installed.parent / "root.mtree").read_text().splitlines()
    assert lines[0] == "#mtree" and lines[1].startswith(". type=dir uid=0 gid=0 mode=0755")
    assert "./usr/bin/passwd type=file uid=0 gid=0 mode=4555 flags=schg size=6 sha256digest=" in "\n".join(lines)
    assert any(line.startswith("./usr/bin/yppasswd type=file uid=0 gid=0 mode=4555 flags=schg") for line in lines)
    assert any(line.endswith("type=link uid=0 gid=0 mode=0777 link=a\\040b") for line in lines)


def unlocked(path: Path) -> Path:
    path.chmod(path.stat().st_mode | 0o200)
    return path


def test_what_differs(installed, run_root):
    unlocked(installed / "bin/sh").write_bytes(b"x" * (installed / "bin/sh").stat().st_size)
    (installed / "bin/sh").chmod(0o555)
    unlocked(installed / "lib/libc.so.7").write_bytes(b"longer" * 1000)
    (installed / "lib/libc.so.7").chmod(0o444)
    (installed / "rescue/rescue").chmod(0o755)
    (installed / ODD).unlink()
    (installed / "sys").unlink()
    (installed / "sys").symlink_to("elsewhere")
    (installed / "etc/localtime").unlink()
    (installed / "etc/localtime").mkdir()
    (installed / "usr/local").mkdir(exist_ok=True)
    (installed / "usr/local/mine").write_text("mine")
    status, lines, err = verify(run_root)
    size = len(archives.elf(1401000))
    assert (status, err) == (1, "base: 8 files differ, 2 were added\n")
    assert sorted(lines) == sorted([
        "./bin/sh: contents",
        f"./lib/libc.so.7: size 6000, was {size}",
        *(f"./rescue/{name}: mode 0755, was 0555" for name in ("rescue", "sh", "ls")),
        "./sys: link to elsewhere, was to usr/src/sys",
        "./etc/localtime: kind dir, was link",
        "./usr/share/a\\040b\\134c\\011\\303\\251\\043\\075\\052: missing",
    ])  # fmt: skip
    status, lines, err = verify(run_root, "-q", "--added")
    assert (status, err) == (1, "") and {"./usr/local: added", "./usr/local/mine: added"} < set(lines)


def test_added_files_are_no_difference(installed, run_root):
    (installed / "tmp/x").write_text("x")
    assert verify(run_root, "base") == (0, [], "base: as it was installed, 1 was added\n")


def test_records_that_are_none(installed, run_root):
    place = installed.parent / "root.mtree"
    for text in ("bin/sh type=file\n", "./bin/sh type=file mode=999\n", "./x size=many\n", "\x00\n", "\udcff" * 10):
        place.write_text(text, errors="surrogateescape")
        fails(run_root("verify"), "root.mtree is damaged")
    place.unlink()
    fails(run_root("verify"), "no record of its files")
    fails(run_root("verify", "nosuch"), "no root is called nosuch")


def test_names_are_encoded_as_strvis_does():
    for name in ("plain/name", ODD, "new\nline", "\udcff\udc80", "a=b", "[x]?"):
        assert record.decode(record.encode(name)) == name
        assert record.encode(name).isascii() and not set(record.encode(name)) & set(" \t\n#=*?[")


def test_whose_files_they_are_without_rights(tmp_path):
    """An ordinary user's root remembers other owners than root, as `lsf --fakeroot` shows them, where the file system can."""
    items = [Item("a", b"x"), Item("b", b"y")]
    data = bytearray(archives.tar(items))
    (tmp_path / "t.tar").write_bytes(data)
    with tree.Writer(str(tmp_path), tree.Limits()) as writer:
        writer._own = False
        writer.add(tree.Entry("mine", "file", 0o644, 0, 0))
        writer.add(tree.Entry("mailbox", "file", 0o600, 25, 6))
        report = writer.finish()
    try:
        os.setxattr(tmp_path / "t.tar", tree.OWNER_ATTRIBUTE, b"0:0")
    except OSError:
        pytest.skip("this file system has no such attributes")
    assert os.getxattr(tmp_path / "mailbox", tree.OWNER_ATTRIBUTE) == b"25:6"
    assert os.listxattr(tmp_path / "mine") == []
    assert report.facts["mailbox",] == tree.Fact(25, 6, 0o600, "")


def test_another_program_reads_the_record(installed, tmp_path):
    """bsdtar makes an archive of what an mtree file lists, if it understands it."""
    if not shutil.which("bsdtar"):
        harness.missing_tool("root.mtree, read by libarchive", "bsdtar is not installed")
    done = subprocess.run(["bsdtar", "-cf", tmp_path / "out.tar", f"@{installed.parent / 'root.mtree'}"], cwd=installed,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = {member.name.removeprefix("./"): member for member in archive}
    assert names["usr/bin/passwd"].mode == 0o4555 and ODD in names

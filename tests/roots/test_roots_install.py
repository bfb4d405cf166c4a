"""FreeBSD roots: the store, `lsfctl root install` against mirrors on loopback, `root import`, and hostile archives."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import hashlib
import json
import lzma
import os
import random
import re
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import archives
import harness
import pytest
from archives import Answer, Item, fails, folder, hardlink, link, nothing_installed

from lsf import roots
from lsf.roots import RootError, archive, digests, download, hints, identify, manage, tree

pytest.importorskip("requests")


def serve_release(server: archives.Server, release: str = "14.1-RELEASE", data: bytes | None = None, **answer) -> bytes:
    if data is None:
        noise = random.Random(release).randbytes(400_000)  # does not compress: several pieces of a transfer
        data = archives.txz(archives.base(release, extra=[Item("boot/noise", noise)]))
    server.files[f"/{release}/MANIFEST"] = archives.manifest(data)
    server.files[f"/{release}/base.txz"] = Answer(body=data, **answer)
    return data


def fake_root(store: Path, name: str, release: str, number: int, installed: str) -> Path:
    (store / name / "root").mkdir(parents=True)
    (store / name / "root.conf").write_text(f"release={release}\nosreldate={number}\ninstalled={installed}\n")
    return store / name / "root"


# ---------------------------------------------------------------- the store


def test_the_store_is_where_the_variables_say(monkeypatch):
    monkeypatch.setenv("LSF_ROOTS", "/a/b/")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("HOME", "/home/me")
    assert roots.store() == "/a/b"
    monkeypatch.delenv("LSF_ROOTS")
    assert roots.store() == "/data/lsf/roots"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert roots.store() == "/home/me/.local/share/lsf/roots"
    monkeypatch.setenv("HOME", "nowhere")
    with pytest.raises(RootError, match="neither LSF_ROOTS nor HOME"):
        roots.store()


def test_resolve_by_name_release_and_path(root_store, tmp_path, monkeypatch):
    with pytest.raises(RootError, match="lsfctl root install"):
        roots.resolve()
    old = fake_root(root_store, "old", "13.5-RELEASE", 1305000, "2026-03-01T00:00:00Z")
    new = fake_root(root_store, "new", "14.1-RELEASE-p3", 1401000, "2026-01-01T00:00:00Z")
    other = fake_root(root_store, "other", "14.1-RELEASE", 1401000, "2025-01-01T00:00:00Z")
    unknown = fake_root(root_store, "unknown", "", 0, "2027-01-01T00:00:00Z")
    (root_store / ".unpack-x" / "root").mkdir(parents=True)
    (root_store / "half").mkdir()
    assert [root.name for root in roots.installed()] == ["new", "other", "old", "unknown"]
    assert roots.resolve() == roots.resolve("14") == roots.resolve("14.1") == str(new)
    assert roots.resolve("13.5") == roots.resolve("old") == str(old)
    assert roots.resolve("other") == str(other)
    assert roots.resolve("unknown") == str(unknown)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "new").mkdir()
    assert (
        roots.resolve("here") == roots.resolve("./here") == roots.resolve(f"{tmp_path}/here/") == str(tmp_path / "here")
    )
    assert roots.resolve("new") == str(new), "a name of the root_store goes before a folder here"
    assert roots.resolve("./new") == str(tmp_path / "new")
    assert roots.resolve(".") == str(tmp_path)
    for name, words in (
        ("1", "neither a FreeBSD root"),
        ("14.10", "neither"),
        ("./none", "No such file"),
        ("half", "neither"),
        (".unpack-x", "neither"),
        (f"{tmp_path}/store/new/root.conf", "Not a directory"),
    ):
        with pytest.raises(RootError, match=words):
            roots.resolve(name)


def test_roots_for_all_users(root_store, web_server, run_root, tmp_path, monkeypatch):
    """The administrator's are found beside one's own, which count where the name is the same; a user cannot remove them."""
    monkeypatch.setattr(roots, "SYSTEM_STORE", str(tmp_path / "system"))
    monkeypatch.setattr(roots, "SYSTEM_CACHE", str(tmp_path / "system-cache"))
    serve_release(web_server)
    with monkeypatch.context() as administrator:
        administrator.setenv("LSF_ROOTS", "overwritten")
        administrator.setattr(os, "umask", lambda mask: os.umask)
        assert run_root("--system", "install", "14.1", "--mirror", web_server.url)[0] == 0
    assert os.listdir(tmp_path / "system-cache/lsf/fetched") and not archives.fetched(root_store)
    monkeypatch.delenv("LSF_ROOTS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    system = str(tmp_path / "system/14.1-RELEASE/root")
    assert stat.S_IMODE(os.stat(tmp_path / "system/14.1-RELEASE/root.conf").st_mode) == 0o644
    assert roots.resolve() == roots.resolve("14") == roots.resolve("14.1-RELEASE") == system
    fails(run_root("remove", "14.1-RELEASE"), "for all users", "lsfctl root --system")
    mine = fake_root(tmp_path / "data/lsf/roots", "14.1-RELEASE", "14.1-RELEASE", 1401000, "")
    newer = fake_root(tmp_path / "data/lsf/roots", "mine", "14.2-RELEASE", 1402000, "")
    assert [root.path for root in roots.installed()] == [str(newer), str(mine)]
    assert run_root("remove", "14.1-RELEASE", "mine")[0] == 0
    assert roots.resolve() == system
    monkeypatch.setenv("LSF_ROOTS", str(root_store))
    assert roots.installed() == [], "who names a store has that one"


def test_release_of_a_root(root_store, tmp_path):
    assert roots.release_of(str(fake_root(root_store, "a", "14.1-RELEASE", 1401000, ""))) == "14.1-RELEASE"
    plain = tmp_path / "plain"
    (plain / "bin").mkdir(parents=True)
    assert roots.release_of(str(plain)) == ""
    (plain / "bin/freebsd-version").write_bytes(archives.VERSION_SCRIPT % b"13.2-RELEASE-p4")
    assert roots.release_of(str(plain)) == roots.release_of(f"{plain}/") == "13.2-RELEASE-p4"


def test_a_release_without_a_script(root_store, web_server, run_root):
    """Where bin/freebsd-version is not there, the mirror's name counts as far as libc's note agrees."""
    plain = [item for item in archives.base(number=1305000) if "freebsd-version" not in item.name]
    for release, found in (("13.5-RELEASE", "13.5-RELEASE"), ("14.1-RELEASE", "13.5")):
        serve_release(web_server, release, archives.txz(plain))
        assert run_root("install", release, "--mirror", web_server.url)[0] == 0
        assert (roots.load(release).release, roots.load(release).osreldate) == (found, 1305000)
    assert roots.resolve("13.5") == str(root_store / "13.5-RELEASE/root")
    assert roots.resolve("14.1") == str(root_store / "14.1-RELEASE/root")


def test_a_current_directory_that_was_removed(root_store, run_root, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    fails(run_root("path", "./x"), "./x", "No such file")
    monkeypatch.setenv("LSF_ROOTS", "relative")
    fails(run_root("path"), "LSF_ROOTS=relative", "current directory")
    fails(run_root("list"), "LSF_ROOTS=relative")
    monkeypatch.chdir("/")


@pytest.mark.parametrize("name", ["a", "14.1-RELEASE", "x_y+z", "0"])
def test_good_names(name):
    assert roots.name_is_valid(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "caf\u00e9", "a" * 101, "...", "a=b", "a:b"]
)
def test_bad_names(name):
    assert not roots.name_is_valid(name)
    with pytest.raises(RootError, match="cannot be a root's name"):
        manage.check_name(name)


def test_the_way_of_lsf_imports_nothing(tmp_path):
    """`lsf --root NAME` comes through lsf.roots."""
    code = (
        "import os, sys; before = set(sys.modules); import lsf.roots; lsf.roots.installed()\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(harness.PACKAGE_PARENT)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"LSF_ROOTS": str(tmp_path)},
        check=True,
    )
    assert done.stdout == "['lsf', 'lsf.roots']\n"


# ---------------------------------------------------------------- install


def test_install(root_store, web_server, run_root):
    serve_release(web_server)
    status, out, err = run_root("install", "14.1", "--mirror", web_server.url + "/")
    assert (status, out) == (0, "14.1-RELEASE\n"), err
    root = root_store / "14.1-RELEASE/root"
    assert "file flags (chflags)" in err and "3 files" in err and "set-user-id" in err

    def mode(path: str) -> int:
        return stat.S_IMODE(os.lstat(root / path).st_mode)

    assert [mode(p) for p in ("tmp", "var/empty", "bin/sh", "etc/master.passwd", "lib/libc.so.7", "usr/bin/su")] == [
        0o1777,
        0o555,
        0o555,
        0o600,
        0o444,
        0o555,
    ]
    assert os.path.samefile(root / "rescue/sh", root / "rescue/rescue") and os.stat(root / "rescue/ls").st_nlink == 3
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/UTC"
    assert (root / "usr/bin/caf\u00e9").read_text() == "name\n"
    assert (root / ("usr/lib/" + "long" * 30 + ".txt")).read_text() == "pax\n"
    assert int(os.stat(root / "bin/sh").st_mtime) == int(os.stat(root / "var/empty").st_mtime) == 1_700_000_000
    assert (root / "dev").is_dir() and (root / "proc").is_dir()
    assert hints.read(str(root)) == ["/lib", "/usr/lib", "/usr/local/lib"]
    found = roots.load("14.1-RELEASE")
    assert (found.release, found.osreldate) == ("14.1-RELEASE", 1401000)
    assert found.fields["source"] == f"{web_server.url}/14.1-RELEASE"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.fields["installed"])
    assert os.listdir(root_store) == ["14.1-RELEASE"], "nothing else is left"
    assert roots.resolve() == str(root)


def test_install_the_newest_of_a_listing(root_store, web_server, run_root):
    listing = "".join(
        f'<a href="{name}/">{name}/</a>\n'
        for name in ("13.5-RELEASE", "14.1-RELEASE", "14.10-RELEASE", "ISO-IMAGES", "15.0-RC2", "9.3-RELEASE")
    )
    web_server.files["/"] = listing.encode()
    for release in ("13.5-RELEASE", "14.10-RELEASE"):
        serve_release(web_server, release)
    assert run_root("install", "newest", "-q", "--mirror", web_server.url)[:2] == (0, "14.10-RELEASE\n")
    assert run_root("install", "-q", "13", "--mirror", web_server.url) == (0, "13.5-RELEASE\n", "")
    fails(run_root("install", "12", "--mirror", web_server.url), "has no release 12.x", "14.1-RELEASE")
    del web_server.files["/"]
    serve_release(web_server, digests.NEWEST)
    assert run_root("install", "newest", "-q", "--mirror", web_server.url)[1] == digests.NEWEST + "\n"


def test_the_mirror_comes_from_the_environment(root_store, web_server, run_root, monkeypatch):
    serve_release(web_server)
    monkeypatch.setenv("LSF_MIRROR", web_server.url)
    assert run_root("install", "14.1-RELEASE", "--name", "mine", "-q")[:2] == (0, "mine\n")
    assert (root_store / "mine/root/bin/sh").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["../../etc"], "not a FreeBSD release"),
        (["14.1-RELEASE/../x"], "not a FreeBSD release"),
        (["14.1.2.3"], "not a FreeBSD release"),
        (["14.1", "--mirror", "ftp://x/y"], "not an http or https address"),
        (["14.1", "--mirror", "/some/where"], "not an http or https address"),
        (["14.1", "--mirror", "http://"], "not an http or https address"),
        (["14.1", "--mirror", "http://x:99999/"], "not an http or https address"),
        (["14.1", "--name", "../x"], "cannot be a root's name"),
        (["14.1", "--sha256", "abc"], "64 hexadecimal"),
        (["14.1", "--max-size", "lots"], "not a size"),
        (["14.1", "--max-size", "0"], "not a size"),
    ],
)
def test_bad_options(root_store, web_server, run_root, arguments, words):
    mirror = [] if "--mirror" in arguments else ["--mirror", web_server.url]
    fails(run_root("install", *arguments, *mirror), words)
    assert not web_server.log
    nothing_installed(root_store)


def test_a_release_that_is_not_there(root_store, web_server, run_root):
    fails(run_root("install", "14.9", "--mirror", web_server.url), "14.9-RELEASE is not there")
    web_server.files["/14.9-RELEASE/MANIFEST"] = b"kernel.txz\tabc\n"
    fails(run_root("install", "14.9", "--mirror", web_server.url), "says nothing of base.txz")
    web_server.files["/14.9-RELEASE/MANIFEST"] = archives.manifest(b"x")
    fails(run_root("install", "14.9", "--mirror", web_server.url), "base.txz", "404")
    web_server.files["/14.9-RELEASE/MANIFEST"] = Answer(403, b"no")
    fails(run_root("install", "14.9", "--mirror", web_server.url), "403")


def test_no_server(root_store, run_root):
    for release in (["14.1"], ["14"], ["newest"]):
        fails(run_root("install", *release, "--mirror", "http://127.0.0.1:9"), "127.0.0.1:9", "Connection refused")


def test_a_name_that_is_taken(root_store, web_server, run_root):
    serve_release(web_server)
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    before = len(web_server.log)
    status, out, err = run_root("install", "14.1", "--mirror", web_server.url)
    assert (status, out) == (0, "14.1-RELEASE\n") and "14.1-RELEASE is installed already" in err
    taken = ("called 14.1-RELEASE already", "lsfctl root remove")
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--name", "14.1-RELEASE"), *taken)
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--sha256", "0" * 64), *taken)
    assert len(web_server.log) == before, "nothing was fetched"
    (root_store / "14.1-RELEASE/root.conf").write_text("release=14.1-RELEASE\nkind=archive\n")
    fails(run_root("install", "14.1", "--mirror", web_server.url), *taken)
    assert run_root("install", "14.1", "--mirror", web_server.url, "--name", "second", "-q")[1] == "second\n"


def test_a_transfer_that_is_cut_goes_on(root_store, web_server, run_root):
    """Every connection drops after a part: the same command asks for the rest each time."""
    data = serve_release(web_server)
    step = len(data) // 3 + 1
    web_server.files["/14.1-RELEASE/base.txz"] = Answer(body=data, cut=step)
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    asked = [request.headers.get("range") for request in web_server.requests("/14.1-RELEASE/base.txz")]
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text in asked[1:]]
    assert asked[0] is None and 3 <= len(asked) <= 4
    for before, start in zip([0, *starts], starts, strict=False):
        assert before + step - download.CHUNK < start <= before + step
    assert (root_store / "14.1-RELEASE/root/bin/sh").read_bytes() == archives.elf(1401000)


def test_a_download_that_was_given_up_is_continued(root_store, web_server, run_root):
    data = serve_release(web_server)
    half = len(data) // 2
    web_server.files["/14.1-RELEASE/base.txz"] = lambda request: Answer(
        body=data, cut=half if "range" not in request.headers else 0
    )
    sentence = fails(run_root("install", "14.1", "--mirror", web_server.url), "did not come whole", "bytes are kept")
    kept = int(re.search(r"(\d+) bytes are kept", sentence)[1])
    assert half - download.CHUNK < kept <= half
    nothing_installed(root_store, downloads=True)
    web_server.files["/14.1-RELEASE/base.txz"] = data
    web_server.log.clear()
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert [r.headers.get("range") for r in web_server.requests("/14.1-RELEASE/base.txz")] == [f"bytes={kept}-"]
    assert os.listdir(root_store) == ["14.1-RELEASE"]


def test_a_server_without_ranges(root_store, web_server, run_root):
    """What it sends again replaces what was there; it is not appended."""
    data = serve_release(web_server)
    answers = [
        Answer(body=data, cut=200_000, ranges=False),
        Answer(body=data, cut=100_000, ranges=False),
        Answer(body=data, ranges=False),
    ]
    web_server.files["/14.1-RELEASE/base.txz"] = lambda request: answers.pop(0)
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0 and not answers


def test_a_server_that_is_busy_once(root_store, web_server, run_root):
    data = serve_release(web_server)
    answers = [Answer(503, b"busy"), Answer(body=data)]
    web_server.files["/14.1-RELEASE/base.txz"] = lambda request: answers.pop(0)
    lists = [Answer(502, b""), Answer(body=archives.manifest(data))]
    web_server.files["/14.1-RELEASE/MANIFEST"] = lambda request: lists.pop(0)
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0


def test_a_corrupted_download(root_store, web_server, run_root):
    data = serve_release(web_server)
    bad = bytearray(data)
    bad[len(bad) // 2] ^= 1
    web_server.files["/14.1-RELEASE/base.txz"] = bytes(bad)
    fails(
        run_root("install", "14.1", "--mirror", web_server.url),
        "not what was announced",
        hashlib.sha256(data).hexdigest(),
    )
    nothing_installed(root_store)
    assert not roots.installed()


def test_a_length_that_lies(root_store, web_server, run_root):
    data = serve_release(web_server)
    web_server.files["/14.1-RELEASE/base.txz"] = Answer(body=data, length=9 << 30)
    fails(run_root("install", "14.1", "--mirror", web_server.url), "limit")


def test_the_digest_of_the_command_line_wins(root_store, web_server, run_root):
    data = serve_release(web_server)
    web_server.files["/14.1-RELEASE/MANIFEST"] = archives.manifest(b"another")
    digest = hashlib.sha256(data).hexdigest().upper()
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--sha256", "0" * 64), "not what was announced")
    assert run_root("install", "14.1", "--mirror", web_server.url, "--sha256", digest)[0] == 0


def test_redirections_are_followed(root_store, web_server, run_root):
    data = serve_release(web_server)
    web_server.files["/14.1-RELEASE/base.txz"] = Answer(302, b"", {"Location": "/elsewhere"})
    web_server.files["/elsewhere"] = data
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0


def test_redirections_that_do_not_end(root_store, web_server, run_root):
    serve_release(web_server)
    web_server.files["/14.1-RELEASE/base.txz"] = Answer(302, b"", {"Location": "base.txz"})
    fails(run_root("install", "14.1", "--mirror", web_server.url), "more than 10 redirections")
    for place in (
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://[",
        "//",
        "http://127.0.0.1:99999/",
        "http:///x",
        "\xff\xfe",
    ):
        web_server.files["/14.1-RELEASE/base.txz"] = Answer(302, b"", {"Location": place})
        fails(run_root("install", "14.1", "--mirror", web_server.url), "/14.1-RELEASE/")
    nothing_installed(root_store)


def test_a_name_and_password_of_a_mirror_are_its_own(root_store, web_server, run_root):
    """They are sent, to that mirror alone, and are not shown or kept."""
    data = serve_release(web_server)
    elsewhere = archives.Server()
    try:
        elsewhere.files["/base.txz"] = data
        web_server.files["/14.1-RELEASE/base.txz"] = Answer(302, b"", {"Location": f"{elsewhere.url}/base.txz"})
        status, _, err = run_root("install", "14.1", "--mirror", f"http://me:secret@{web_server.host}")
        assert status == 0, err
        assert all(request.headers["authorization"] == "Basic bWU6c2VjcmV0" for request in web_server.log)
        assert elsewhere.log
        assert not any("authorization" in request.headers for request in elsewhere.log)
        assert "secret" not in err
        assert roots.load("14.1-RELEASE").fields["source"] == f"{web_server.url}/14.1-RELEASE"
        web_server.files["/14.1-RELEASE/MANIFEST"] = Answer(403)
        for url in (f"http://me:secret@{web_server.host}", "http://me:secret@127.0.0.1:9", "ftp://me:secret@h"):
            assert "secret" not in fails(run_root("install", "14.1", "--mirror", url, "--name", "x"))
    finally:
        elsewhere.close()


def test_a_file_of_logins_for_everything_is_not_read(root_store, web_server, run_root, tmp_path, monkeypatch):
    serve_release(web_server)
    logins = tmp_path / "netrc"
    logins.write_text("default login me password secret\n")
    logins.chmod(0o600)
    monkeypatch.setenv("NETRC", str(logins))
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert not any("authorization" in request.headers for request in web_server.log)


@pytest.mark.parametrize("refused", ["no root", "too large", "hostile"])
def test_what_is_refused_does_not_stay(root_store, web_server, run_root, refused):
    items = {
        "no root": [Item("x", b"")],
        "too large": [Item("bin/freebsd-version", bytes(3 << 20))],
        "hostile": [Item("../x", b"")],
    }
    serve_release(web_server, data=archives.txz(items[refused]))
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--max-size", "1M"))
    nothing_installed(root_store)


def test_what_is_held_is_not_swept_away(root_store, web_server, run_root):
    """Hidden folders of processes that are gone are."""
    serve_release(web_server)
    root_store.mkdir()
    (root_store / ".unpack-dead").mkdir()
    (root_store / ".remove-alive").mkdir()
    alive = os.open(root_store / ".remove-alive", os.O_RDONLY)
    fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
        assert sorted(os.listdir(root_store)) == [".remove-alive", "14.1-RELEASE"]
    finally:
        os.close(alive)


def test_an_archive_that_is_damaged_though_its_digest_is_right(root_store, web_server, run_root):
    data = archives.txz(archives.base())
    serve_release(web_server, data=data[: len(data) * 2 // 3])
    fails(run_root("install", "14.1", "--mirror", web_server.url), "damaged")
    nothing_installed(root_store)


def test_an_interrupt_leaves_nothing(root_store, web_server, run_root, monkeypatch):
    serve_release(web_server)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hints, "write", interrupt)
    status, out, err = run_root("install", "14.1", "--mirror", web_server.url)
    assert (status, out) == (130, "") and "interrupted" in err
    nothing_installed(root_store, downloads=True)


def test_a_full_disk_is_said(root_store, web_server, run_root, monkeypatch):
    serve_release(web_server)

    def write(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tree.os, "write", write)
    fails(run_root("install", "14.1", "--mirror", web_server.url), "No space left on device", "LSF_ROOTS")
    nothing_installed(root_store, downloads=True)


def test_a_store_that_cannot_be_written(root_store, web_server, run_root, monkeypatch):
    serve_release(web_server)
    monkeypatch.setenv("LSF_ROOTS", "/proc/lsf-roots")
    fails(run_root("install", "14.1", "--mirror", web_server.url), "/proc/lsf-roots", "LSF_ROOTS")
    monkeypatch.setenv("LSF_ROOTS", "/dev/null/x")
    fails(run_root("import", "/etc"), "/dev/null/x", "Not a directory")


def test_missing_packages_are_named(root_store, run_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    fails(run_root("install", "14.1", "--mirror", "http://127.0.0.1:9"), "Python package requests",
          f"`{sys.executable} -m pip install requests tqdm zstandard cryptography`")  # fmt: skip
    listed = re.search(
        r"^dependencies = \[(.*)\]$", (harness.TESTS.parent / "pyproject.toml").read_text(), re.MULTILINE
    )[1]
    assert set(download.PACKAGES.split()) < set(re.findall(r'"(\w+)', listed))


# ---------------------------------------------------------------- list, path, remove, hints


def test_list_path_and_remove(root_store, run_root, tmp_path):
    assert run_root("list")[:2] == (0, "") and "lsfctl root install" in run_root("list")[2]
    fails(run_root("path"), "lsfctl root install")
    for name, release, number in (("a", "14.1-RELEASE", 1401000), ("b", "13.5-RELEASE", 1305000)):
        source = tmp_path / f"{name}.tar"
        source.write_bytes(archives.tar(archives.base(release, number)))
        assert run_root("import", source)[:2] == (0, f"{name}\n")
    status, out, err = run_root("list")
    lines = out.splitlines()
    assert (status, err, len(lines)) == (0, "", 3)
    assert lines[0].split() == ["name", "release", "size", "installed", "source"]
    assert lines[1].startswith("*  a  ") and lines[2].startswith("   b  ")
    items = json.loads(run_root("list", "--format", "json")[1])
    assert [(i["name"], i["default"], i["osreldate"]) for i in items] == [("a", True, 1401000), ("b", False, 1305000)]
    assert run_root("path") == (0, f"{root_store}/a/root\n", "")
    assert run_root("path", "13") == (0, f"{root_store}/b/root\n", "")
    fails(run_root("path", "nosuch"), "nosuch")
    fails(run_root("remove", "a", "nosuch"), "no root is called nosuch", "a, b")
    assert len(roots.installed()) == 2, "none was removed"
    fails(run_root("remove", ".."), "no root is called")
    assert run_root("remove", "a") == (0, "", "")
    assert os.listdir(root_store) == ["b"]
    assert run_root("path")[1] == f"{root_store}/b/root\n"


def test_remove_as_an_ordinary_user():
    """FreeBSD has folders that not even their owner may write to."""
    with tempfile.TemporaryDirectory() as above:
        _remove_as_an_ordinary_user(Path(above))


def _remove_as_an_ordinary_user(above: Path) -> None:
    place = above / "tree"
    (place / "var/empty/deep").mkdir(parents=True)
    (place / "var/empty/deep/file").write_text("x")
    (place / "var/empty/deep").chmod(0o500)
    (place / "var/empty").chmod(0o111)
    (place / "link").symlink_to("/etc")
    os.chmod(above, 0o777)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                for folder_name, _, _ in os.walk(place):
                    os.chown(folder_name, 12345, 12345)
                os.setgid(12345)
                os.setuid(12345)
            manage.remove_path(str(place))
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not place.exists() and os.path.exists("/etc")


def test_hints_are_what_freebsd_reads():
    """struct elfhints_hdr of elf-hints.h, checked with FreeBSD's own header where a compiler is at hand."""
    data = hints.encode(["/lib", "/usr/lib"])
    assert struct.unpack_from("<6I", data) == (0x746E6845, 1, 128, 14, 0, 13)
    assert data[24:128] == bytes(104) and data[128:] == b"/lib:/usr/lib\0"
    assert hints.decode(data) == ["/lib", "/usr/lib"]
    assert hints.decode(hints.encode([])) == []
    for bad in (b"", data[:127], b"x" + data[1:], data[:-1], data[:4] + b"\2" + data[5:]):
        assert hints.decode(bad) == []
    headers, compiler = harness.freebsd_headers(), harness.clang()
    if not headers or not compiler:
        harness.missing_tool("the hints' layout", "clang or FreeBSD's headers are missing")
    program = """
        #include <sys/types.h>
        #include <elf-hints.h>
        #define same(a, b) _Static_assert((a) == (b), #a)
        same(sizeof(struct elfhints_hdr), 128); same(ELFHINTS_MAGIC, 0x746e6845);
        #define offset(member) __builtin_offsetof(struct elfhints_hdr, member)
        same(offset(strtab), 8); same(offset(strsize), 12); same(offset(dirlist), 16); same(offset(dirlistlen), 20);
        _Static_assert(__builtin_strcmp(_PATH_ELF_HINTS, "/var/run/ld-elf.so.hints") == 0, "path");
    """
    includes = [flag for place in headers for flag in ("-isystem", str(place))]
    subprocess.run(
        [compiler, "--target=x86_64-unknown-freebsd14", "-nostdlibinc", *includes, "-fsyntax-only", "-xc", "-"],
        input=program,
        text=True,
        check=True,
        timeout=60,
    )


def test_the_folders_of_the_hints(tmp_path):
    root = tmp_path / "root"
    for name in (
        "lib/casper",
        "usr/lib/compat",
        "usr/local/lib/perl5",
        "usr/local/libdata/ldconfig",
        "opt/lib",
        "etc/defaults",
        "private",
    ):
        (root / name).mkdir(parents=True)
    (root / "etc/defaults/rc.conf").write_text(
        'ldconfig_paths="/usr/lib/compat ${_localbase}/lib ${_localbase}/lib/compat/pkg"\n'
        'ldconfig_local_dirs="${_localbase}/libdata/ldconfig"\n#ldconfig_paths="/x"\n'
    )
    (root / "etc/rc.conf").write_text('ldconfig_paths="${ldconfig_paths} /opt/lib"\n')
    (root / "usr/local/libdata/ldconfig/perl5").write_text(
        "# comment\n\n  /usr/local/lib/perl5 trailing\n/not/there\nrelative\n"
    )
    (root / "etc/ld-elf.so.conf").symlink_to("/private/conf")
    (root / "private/conf").write_text("/opt/lib\n/li:b\n/usr/lib\n")
    assert hints.write(str(root)) == [
        "/lib/casper",
        "/lib",
        "/usr/lib",
        "/usr/lib/compat",
        "/usr/local/lib",
        "/opt/lib",
        "/usr/local/lib/perl5",
    ]
    place = root / "var/run/ld-elf.so.hints"
    assert stat.S_IMODE(place.stat().st_mode) == 0o444 and os.listdir(place.parent) == [place.name]
    assert hints.read(str(root)) == hints.folders_of(str(root))


def test_the_hints_stay_inside(tmp_path):
    """var/run may be a link: it means a folder of the root, never one of the host."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (root / "var").mkdir(parents=True)
    (root / str(tmp_path).lstrip("/")).mkdir(parents=True)
    (root / "var/run").symlink_to(outside)
    hints.write(str(root))
    assert not os.listdir(outside)
    assert (root / str(outside).lstrip("/") / "ld-elf.so.hints").exists()


def test_ldconfig_reads_the_hints(tmp_path):
    """FreeBSD's own ldconfig lists the folders of a hints file of ours."""
    original = harness.root_with("sbin/ldconfig", "libexec/ld-elf.so.1", covers="hints, read by FreeBSD's ldconfig")
    root = harness.copy_root(original, tmp_path / "root", ["sbin/ldconfig", "libexec", "lib/libc.so.7"])
    folders = hints.write(str(root))
    done = harness.Runner("sud", tmp_path)("/sbin/ldconfig", "-r", root=root, cwd="/").check(stderr=None)
    assert f"search directories: {':'.join(folders)}" in done.stdout
    assert "libc" not in done.stderr


def test_hints_command(root_store, run_root, tmp_path):
    (tmp_path / "r/lib").mkdir(parents=True)
    (tmp_path / "r/lib/libc.so.7").write_bytes(b"")
    assert run_root("hints", tmp_path / "r") == (0, "/lib:/usr/lib:/usr/local/lib\n", "")
    (tmp_path / "empty").mkdir()
    fails(run_root("hints", tmp_path / "empty"), "not a FreeBSD root", "libexec/ld-elf.so.1")


# ---------------------------------------------------------------- import


def compressors():
    yield "tar", lambda data: data
    yield "tar.gz", gzip.compress
    yield "tbz", bz2.compress
    yield "txz", lambda data: lzma.compress(data[:5000], preset=0) + lzma.compress(data[5000:], preset=0) + bytes(8)
    yield "tar.lzma", lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE, preset=0)

    def zstd(data: bytes) -> bytes:
        zstandard = pytest.importorskip("zstandard")
        half = len(data) // 2
        return zstandard.compress(data[:half]) + zstandard.compress(data[half:])

    yield "tar.zst", zstd


@pytest.mark.parametrize(("ending", "compress"), list(compressors()))
def test_import_of_every_compression_whole_and_cut(root_store, run_root, tmp_path, ending, compress):
    data = compress(archives.tar(archives.base("13.2-RELEASE", 1302001)))
    source = tmp_path / f"my root.{ending}"
    source.write_bytes(data)
    name = f"my-root{'.tar.lzma' if ending == 'tar.lzma' else ''}"
    assert run_root("import", source)[:2] == (0, f"{name}\n")
    found = roots.load(name)
    assert (found.release, found.osreldate) == ("13.2-RELEASE", 1302001)
    for part in (0.98, 0.5, 0.02):
        source.write_bytes(data[: int(len(data.rstrip(b"\0")) * part)])
        fails(run_root("import", source, "--name", "cut"), "damaged")
    assert os.listdir(root_store) == [name]


@pytest.mark.parametrize("at", range(0, 10240 * 3, 1531))
def test_an_archive_cut_anywhere_is_never_taken_for_whole(root_store, run_root, tmp_path, at):
    data = archives.tar(archives.base())
    end = len(data.rstrip(b"\0"))
    source = tmp_path / "cut.tar"
    source.write_bytes(data[: min(at, end - end % 512)])
    fails(run_root("import", source), "damaged")
    nothing_installed(root_store)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_corruption_is_noticed_by_the_compression(root_store, run_root, tmp_path, compress):
    data = bytearray(compress(archives.tar(archives.base())))
    data[len(data) // 2] ^= 0x10
    (tmp_path / "bad.tar").write_bytes(data)
    fails(run_root("import", tmp_path / "bad.tar"), "damaged")
    nothing_installed(root_store)


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"PK\3\4" + bytes(600), os.urandom(5000)]
)
def test_what_is_no_archive(root_store, run_root, tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    fails(run_root("import", tmp_path / "x.tar"), "x.tar is damaged")
    nothing_installed(root_store)


def test_import_of_what_is_not_there_or_no_file(root_store, run_root, tmp_path):
    fails(run_root("import", tmp_path / "none"), "No such file")
    os.mkfifo(tmp_path / "pipe")
    fails(run_root("import", tmp_path / "pipe"), "neither a file nor a folder")
    fails(run_root("import", tmp_path, "--tag", "x"), "not a container image")
    fails(run_root("import", tmp_path), "the store of roots lies in this folder")


def test_a_tree_that_is_not_freebsds(root_store, run_root, tmp_path):
    linux = [folder("lib64"), Item("lib64/ld-linux-x86-64.so.2", b"x"), folder("bin"), Item("bin/sh", b"x")]
    (tmp_path / "linux.tar").write_bytes(archives.tar(linux))
    fails(run_root("import", tmp_path / "linux.tar"), "Linux tree", "--force")
    nothing_installed(root_store)
    assert run_root("import", tmp_path / "linux.tar", "--force")[:2] == (0, "linux\n")
    assert roots.load("linux").release == ""


def test_an_archive_of_a_folder_that_is_a_root(root_store, run_root, tmp_path):
    (tmp_path / "inner.tar").write_bytes(archives.tar(archives.base(root="freebsd-14.1/")))
    assert run_root("import", tmp_path / "inner.tar")[:2] == (0, "inner\n")
    assert (root_store / "inner/root/bin/sh").exists()


def test_import_of_a_folder(root_store, run_root, tmp_path):
    source = tmp_path / "source"
    for place in ("lib", "bin", "locked", "var/run"):
        (source / place).mkdir(parents=True)
    (source / "lib/libc.so.7").write_bytes(archives.elf(1400097))
    os.link(source / "lib/libc.so.7", source / "lib/libc.hard")
    (source / "bin/sh").write_bytes(b"\0" * 3_000_000)
    (source / "bin/sh").chmod(0o4755)
    (source / "abs").symlink_to("/etc/passwd")
    (source / "locked/file").write_text("x")
    os.mkfifo(source / "pipe")
    (source / "locked").chmod(0o555)
    os.utime(source / "locked", (1, 1))
    status, out, err = run_root("import", source, "--name", "copy")
    assert (status, out) == (0, "copy\n") and "devices, sockets and named pipes (1 file)" in err
    root = root_store / "copy/root"
    assert os.path.samefile(root / "lib/libc.hard", root / "lib/libc.so.7")
    assert not os.path.samefile(root / "lib/libc.so.7", source / "lib/libc.so.7"), "a copy, not the original"
    assert os.readlink(root / "abs") == "/etc/passwd" and not os.path.lexists(root / "pipe")
    assert stat.S_IMODE(os.stat(root / "locked").st_mode) == 0o555 and os.stat(root / "locked").st_mtime == 1
    assert stat.S_IMODE(os.stat(root / "bin/sh").st_mode) == 0o755 and os.stat(root / "bin/sh").st_size == 3_000_000
    assert (roots.load("copy").release, roots.load("copy").osreldate) == ("14.0", 1400097)


def test_what_cannot_be_made_is_left_out_and_said(root_store, run_root, tmp_path):
    items = archives.base(
        extra=[
            Item("dev/null", type=tarfile.CHRTYPE),
            Item("dev/ada0", type=tarfile.BLKTYPE),
            Item("pipe", type=tarfile.FIFOTYPE),
            Item("strange", type=b"9"),
            Item("acl", b"x", pax={"SCHILY.acl.access": "user::rw-", "SCHILY.xattr.user.x": "1"}),
        ]
    )
    (tmp_path / "dev.tar").write_bytes(archives.tar(items))
    status, out, err = run_root("import", tmp_path / "dev.tar")
    assert (status, out) == (0, "dev\n")
    assert "devices, sockets and named pipes (4 files)" in err
    assert "access control lists (1 file)" in err and "extended attributes (1 file)" in err
    assert os.listdir(root_store / "dev/root/dev") == [] and not os.path.lexists(root_store / "dev/root/pipe")


def test_names_that_come_twice(root_store, run_root, tmp_path):
    """As with tar: the later one counts, and a folder is not emptied."""
    items = archives.base(
        extra=[
            Item("twice", b"1"),
            Item("twice", b"22"),
            folder("d"),
            Item("d/in", b"in"),
            folder("d", 0o700),
            link("l", "/etc"),
            Item("l", b"a file now"),
            Item("f", b"x"),
            folder("f"),
            Item("f/g", b"g"),
            link("m", "bin"),
            folder("m"),
            Item("m/n", b"n"),
            Item("h", b"h"),
            hardlink("h", "h"),
            Item("", b"x"),
        ]
    )
    (tmp_path / "t.tar").write_bytes(archives.tar(items))
    assert run_root("import", tmp_path / "t.tar")[0] == 0
    root = root_store / "t/root"
    assert [(root / name).read_bytes() for name in ("twice", "d/in", "l", "f/g", "m/n", "h")] == [
        b"22",
        b"in",
        b"a file now",
        b"g",
        b"n",
        b"h",
    ]
    assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o700 and not (root / "bin/n").exists()


# ---------------------------------------------------------------- hostile archives

LONG = "x" * 300


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([Item("/tmp/lsf-evil", b"x")], "absolute path"),
        ([Item("../evil", b"x")], "leads out with .."),
        ([Item("a/../../evil", b"x")], "leads out with .."),
        ([folder("../evil")], "leads out with .."),
        ([link("out", "OUTSIDE"), Item("out/evil", b"x")], "goes through 'out'"),
        ([link("out", "OUTSIDE"), folder("out/evil")], "goes through 'out'"),
        ([link("out", "OUTSIDE"), link("out/evil", "x")], "goes through 'out'"),
        ([link("out", "OUTSIDE"), hardlink("evil", "out/secret")], "goes through 'out'"),
        ([link("a", "b"), link("b", "OUTSIDE"), Item("a/evil", b"x")], "goes through 'a'"),
        ([folder("d"), link("d/out", ".."), Item("d/out/../../evil", b"x")], "leads out with .."),
        ([hardlink("evil", "/etc/passwd")], "leads out"),
        ([hardlink("evil", "../outside/secret")], "leads out"),
        ([hardlink("evil", "nothing")], "which it does not have"),
        ([hardlink("evil", "no/thing")], "which it does not have"),
        ([hardlink("evil", "bin")], "which it does not have"),
        ([hardlink("evil", ".")], "no possible target"),
        ([link("empty", "")], "no possible target"),
        ([Item("bin/sh/evil", b"x")], "goes through 'bin/sh'"),
        ([Item(LONG, b"x")], "longer than a file's name"),
        ([Item("/".join(["d"] * 200), b"x")], "components"),
    ],
)
def test_nothing_lands_outside(root_store, run_root, tmp_path, items, words):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    items = [
        Item(i.name, i.data.replace("OUTSIDE", str(outside)) if isinstance(i.data, str) else i.data, i.type, i.mode)
        for i in items
    ]
    (tmp_path / "evil.tar").write_bytes(archives.tar([*archives.base(), *items]))
    fails(run_root("import", tmp_path / "evil.tar"), "evil.tar is refused: ", words)
    nothing_installed(root_store)
    assert sorted(os.listdir(outside)) == ["secret"] and not os.path.exists("/tmp/lsf-evil")
    assert os.stat(outside / "secret").st_nlink == 1
    assert sorted(os.listdir(tmp_path)) == ["evil.tar", "outside", "store"]


def test_a_link_that_points_out_means_the_root(root_store, run_root, tmp_path):
    """Such links are everywhere in FreeBSD (/home, /etc/localtime): they are made, and nothing follows them."""
    (tmp_path / "l.tar").write_bytes(
        archives.tar(archives.base(extra=[link("up", "../../../../etc"), link("bin/x", "/etc")]))
    )
    assert run_root("import", tmp_path / "l.tar")[0] == 0
    assert os.readlink(root_store / "l/root/up") == "../../../../etc"


def test_resolve_inside(tmp_path):
    root = tmp_path / "r"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/f").write_text("")
    (root / "abs").symlink_to("/a/b")
    (root / "up").symlink_to("../../../a")
    (root / "a/b/rel").symlink_to("../../abs/f")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("/nowhere/x")
    for path in ("a/b/f", "/abs/f", "up/b/f", "a/b/rel", "abs/../b/f", "../../../abs/./f", "up/b/../../abs/rel"):
        assert tree.resolve_inside(str(root), path) == str(root / "a/b/f"), path
    assert tree.resolve_inside(str(root), "a/new") == str(root / "a/new")
    assert tree.resolve_inside(str(root), "/") == str(root)
    for path in ("loop", "dangling", "nowhere/x", "a/b/f/g"):
        with pytest.raises(OSError):
            tree.resolve_inside(str(root), path)


class Small:
    limits = tree.Limits(size=1 << 20, files=50, ratio=20, ratio_from=1 << 16)


def unpack(path: Path, where: Path, limits: tree.Limits = Small.limits) -> None:
    where.mkdir()
    with tree.Writer(str(where), limits) as writer, archive.blamed("bomb"):
        writer.add_all(archive.tar_entries(str(path), limits))
        writer.finish()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: archives.tar([Item("big", bytes(2 << 20))]), "more than 1048576 bytes"),
        (lambda: archives.tar([Item(f"f{i}", b"") for i in range(60)]), "more than 50 files"),
        (lambda: gzip.compress(archives.tar([Item("zeros", bytes(900_000))])), "more than 20 times its size"),
        (lambda: lzma.compress(archives.tar([Item("zeros", bytes(900_000))])), "more than 20 times its size"),
        (lambda: bz2.compress(archives.tar([Item("zeros", bytes(900_000))])), "more than 20 times its size"),
        (lambda: gzip.compress(archives.tar([]) + bytes(900_000)), "more than 20 times its size"),
    ],
)
def test_bombs(tmp_path, data, words):
    (tmp_path / "bomb").write_bytes(data())
    with pytest.raises(tree.UnsafeTree, match=words):
        unpack(tmp_path / "bomb", tmp_path / "out")
    assert sum(f.stat().st_size for f in (tmp_path / "out").rglob("*")) <= 1 << 20


def test_a_header_that_would_fill_the_memory(tmp_path):
    """A PAX header of 4 GiB, which tarfile would read whole."""
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[156:157] = tarfile.XHDTYPE
    header[124:136] = b"40000000000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "bomb").write_bytes(bytes(header) + bytes(4096))
    with pytest.raises(tree.UnsafeTree, match="extended header has 4294967296 bytes"):
        unpack(tmp_path / "bomb", tmp_path / "out", tree.Limits())


def test_a_sparse_file_counts_with_its_holes(tmp_path):
    """A gigabyte of holes in one block of tar (GNU's old sparse format)."""
    size = 1 << 30
    header = bytearray(tarfile.TarInfo("holes").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0" % size + b"%011o\0" % 0
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "bomb").write_bytes(bytes(header) + bytes(10240))
    with pytest.raises(tree.UnsafeTree, match="more than"):
        unpack(tmp_path / "bomb", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_xz_dictionary_that_would_fill_the_memory(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    (tmp_path / "x").write_bytes(
        lzma.compress(bytes(100_000), format=lzma.FORMAT_RAW, filters=filters) and _xz_with_dictionary(bytes(10240))
    )
    with pytest.raises(archive.DamagedArchive, match="(?i)memory"):
        unpack(tmp_path / "x", tmp_path / "out", tree.Limits())


def _xz_with_dictionary(data: bytes) -> bytes:
    """An .xz whose header announces a dictionary of 3 GiB: byte 39 of the property (see the format's 5.3.1)."""
    packed = bytearray(lzma.compress(data, check=lzma.CHECK_CRC32, preset=0))
    header = packed[12:24]  # size, flags, filter id, size of properties, property, padding, CRC32
    assert header[2] == 0x21 and header[3] == 1
    header[4] = 39
    header[8:12] = struct.pack("<I", __import__("zlib").crc32(bytes(header[:8])))
    packed[12:24] = header
    return bytes(packed)


def test_nonsense_in_headers(tmp_path):
    for number, pax in enumerate(
        (
            {"mtime": "nan"},
            {"mtime": "1e400"},
            {"mtime": "-1e30"},
            {"uid": "99999999999999"},
            {"size": "-5"},
            {"path": "a\0b"},
        )
    ):
        (tmp_path / "x.tar").write_bytes(archives.tar([Item("f", b"x", pax=pax)]))
        try:
            unpack(tmp_path / "x.tar", tmp_path / f"out{number}")
        except RootError as error:
            assert "damaged" in str(error) or "refused" in str(error)


# ---------------------------------------------------------------- which FreeBSD


@pytest.mark.parametrize(
    ("script", "number", "found"),
    [
        (b"14.1-RELEASE-p5", 1401000, ("14.1-RELEASE-p5", 1401000)),
        (b"14.1-RELEASE", 1305000, ("14.1-RELEASE", 1401000)),
        (b"15.0-STABLE", 1500503, ("15.0-STABLE", 1500503)),
        (None, 1400097, ("14.0", 1400097)),
        (b"$(evil)", 1400097, ("14.0", 1400097)),
        (b"13.5-RELEASE", 0, ("13.5-RELEASE", 1305000)),
        (None, 0, ("", 0)),
    ],
)
def test_identify(tmp_path, script, number, found):
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    if script:
        (tmp_path / "bin/freebsd-version").write_bytes(archives.VERSION_SCRIPT % script)
    (tmp_path / "lib/libc.so.7").write_bytes(archives.elf(number) if number else b"\x7fELF" + os.urandom(200))
    assert identify.identify(str(tmp_path)) == found


def test_notes_of_others_are_not_freebsds(tmp_path):
    for number, data in enumerate(
        (
            archives.elf(owner=b"GNU\0"),
            archives.elf(owner=b"NetBSD\0\0"),
            archives.elf(owner=b""),
            archives.elf()[:100],
            b"",
            b"\x7fELF\2\1\1" + bytes(100),
        )
    ):
        (tmp_path / str(number)).write_bytes(data)
        assert identify.note_of(str(tmp_path / str(number))) == 0


def test_real_roots():
    """The FreeBSD roots at hand say which they are, and nothing is written to them."""
    covered = [root for root in harness.roots() if (root / "lib/libc.so.7").exists()]
    if not covered:
        harness.not_covered("identification of real roots", "no root in LSF_TEST_ROOTS")
    for root in covered:
        release, number = identify.identify(str(root))
        assert re.match(r"\d+\.\d+", release) and number >= 900000, root
        assert roots.missing(str(root)) == ""


def test_help_and_wrong_commands(run_root, capsys):
    for arguments in ([], ["nosuch"], ["remove"], ["import"], ["install", "--nosuch"]):
        with pytest.raises(SystemExit) as stop:
            run_root(*arguments)
        assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        run_root("install", "--help")
    assert stop.value.code == 0 and "LSF_MIRROR" in capsys.readouterr().out

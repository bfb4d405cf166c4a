"""What base.txz must be, and what is kept of what was fetched: FreeBSD's digests, the cache, two installations at once."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import archives
import harness
import pytest
from archives import Answer, Item, fails, nothing_installed
from test_roots_install import serve_release

from lsf import roots
from lsf.roots import digests, download, downloads

pytest.importorskip("requests")


def kept(store: Path, data: bytes, content: bytes | None = None, ending: str = "") -> Path:
    """Where a file lies in the cache; with this content, if one is given."""
    path = store.parent / f"cache/lsf/fetched/sha256-{hashlib.sha256(data).hexdigest()}{ending}"
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def test_a_release_whose_digest_freebsd_has_published(root_store, web_server, run_root, monkeypatch):
    """The mirror must have that very file, whatever its MANIFEST says."""
    data = serve_release(web_server)
    monkeypatch.setitem(digests.BASE_TXZ, "14.1-RELEASE", hashlib.sha256(data).hexdigest())
    status, _, err = run_root("install", "14.1", "--mirror", web_server.url)
    assert status == 0 and "note: LSF has no digest" not in err
    other = serve_release(web_server, data=archives.txz(archives.base(extra=[Item("evil", b"x")])))
    web_server.log.clear()
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--name", "x"), "not to be trusted",
          hashlib.sha256(data).hexdigest(), hashlib.sha256(other).hexdigest())  # fmt: skip
    assert not web_server.requests("/14.1-RELEASE/base.txz")
    assert os.listdir(root_store) == ["14.1-RELEASE"]
    web_server.files["/14.1-RELEASE/MANIFEST"] = archives.manifest(data)  # the MANIFEST alone is right
    kept(root_store, data).unlink()
    fails(run_root("install", "14.1", "--mirror", web_server.url, "--name", "x"), "not what was announced")
    assert run_root("install", "14.1", "--mirror", web_server.url, "--name", "mine", "--sha256",
                    hashlib.sha256(other).hexdigest())[0] == 0  # fmt: skip


def test_a_release_that_only_the_mirror_knows(root_store, web_server, run_root):
    serve_release(web_server)
    status, _, err = run_root("install", "14.1", "--mirror", web_server.url)
    assert status == 0 and "note: LSF has no digest of 14.1-RELEASE of its own" in err


def test_a_release_that_only_a_mirror_without_https_knows(root_store, run_root, monkeypatch):
    """Who is on the way could change the MANIFEST and base.txz alike; nothing is asked."""
    monkeypatch.setattr(download.Client, "open", lambda *_: pytest.fail("something was asked"))
    fails(run_root("install", "14.1", "--mirror", "http://192.0.2.1/x"), "no digest of 14.1-RELEASE", "--sha256")
    nothing_installed(root_store)


def test_the_known_digests():
    """28 releases, 10.0 to 15.1, each with a digest of its own; the newest is what is installed where a mirror names none."""
    known = digests.BASE_TXZ
    assert all(roots.is_release(name) and re.fullmatch("[0-9a-f]{64}", digest) for name, digest in known.items())
    assert len(set(known.values())) == len(known) == 28
    assert list(known) == sorted(known, key=roots.number_of)
    assert list(known)[-1] == digests.NEWEST


@pytest.mark.parametrize("age", [20, 40])
@pytest.mark.parametrize("ending", ["", ".part"])
def test_downloads_that_nobody_uses(root_store, web_server, run_root, age, ending):
    serve_release(web_server)
    old = kept(root_store, b"other", b"part", ending)
    then = time.time() - age * 86400
    os.utime(old, (then, then))
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert old.exists() == (age < 30)


def test_what_was_fetched_is_taken_again(root_store, web_server, run_root):
    """By another name, from another mirror: it is the same file. One that has been damaged meanwhile is fetched again."""
    data = serve_release(web_server)
    install = ("install", "14.1", "--mirror", web_server.url, "--name")
    assert run_root(*install, "a")[0] == 0
    del web_server.files["/14.1-RELEASE/base.txz"]
    assert run_root(*install, "b")[0] == 0
    serve_release(web_server)
    kept(root_store, data).write_bytes(data[:-1])
    web_server.log.clear()
    assert run_root(*install, "c")[0] == 0
    assert web_server.requests("/14.1-RELEASE/base.txz")
    freed = run_root("clean")
    assert freed[0] == 0 and str(len(data)) in freed[1].replace(",", "")
    assert archives.fetched(root_store) == []
    assert run_root("clean") == (0, "0 bytes\n", "")


def test_what_the_administrator_has_fetched(root_store, web_server, run_root):
    """Everybody reads it, and nobody writes to it; a damaged one is not taken."""
    data = serve_release(web_server)
    shared = Path(downloads.SYSTEM_CACHE)
    shared.mkdir()
    place = shared / f"sha256-{hashlib.sha256(data).hexdigest()}"
    place.write_bytes(data)
    before = place.stat().st_mtime_ns
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert not web_server.requests("/14.1-RELEASE/base.txz")
    place.write_bytes(b"damaged")
    assert run_root("install", "14.1", "--mirror", web_server.url, "--name", "b")[0] == 0
    assert web_server.requests("/14.1-RELEASE/base.txz") and place.read_bytes() == b"damaged"
    assert place.stat().st_mtime_ns >= before


def test_a_home_that_cannot_be_written(root_store, web_server, run_root, monkeypatch):
    """The cache is in the store then."""
    data = serve_release(web_server)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert (root_store / downloads.IN_STORE / f"sha256-{hashlib.sha256(data).hexdigest()}").read_bytes() == data
    monkeypatch.setenv("LSF_ROOTS", "/proc/nowhere/either")
    fails(run_root("install", "14.1", "--mirror", web_server.url), "/proc/nowhere/either", "LSF_ROOTS")


def test_the_cache_of_somebody_else(root_store, web_server, run_root, tmp_path):
    """As root with another user's home (sudo -E): who could exchange the file while it is unpacked is not given the choice."""
    if os.geteuid() != 0:
        harness.not_covered("another user's cache", "these tests do not run as root")
    data = serve_release(web_server)
    theirs = tmp_path / "cache"
    kept(root_store, data, data)
    os.chown(theirs, 12345, 12345)
    assert run_root("install", "14.1", "--mirror", web_server.url)[0] == 0
    assert web_server.requests("/14.1-RELEASE/base.txz")
    assert os.listdir(root_store / downloads.IN_STORE) == [kept(root_store, data).name]


def test_two_at_once(root_store, web_server, tmp_path):
    """One fetches, the other waits for it and takes the same file."""
    data = serve_release(web_server)

    def slowly(request: archives.Request) -> Answer:
        time.sleep(1)
        return Answer(body=data)

    web_server.files["/14.1-RELEASE/base.txz"] = slowly
    command = [sys.executable, "-m", "lsf.ctl.lsfctl", "root", "install", "14.1", "--mirror", web_server.url, "--name"]
    env = {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)}
    both = [subprocess.Popen([*command, name, "--sha256", hashlib.sha256(data).hexdigest()], env=env, stderr=subprocess.PIPE, text=True)
            for name in ("a", "b")]  # fmt: skip
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(web_server.requests("/14.1-RELEASE/base.txz")) == 1
    assert sum("another process fetches it" in text for text in told) == 1
    assert sorted(root.name for root in roots.installed()) == ["a", "b"]


def test_the_same_root_by_two_at_once(root_store, web_server):
    """Who comes second finds it installed, at whatever point the first one was."""
    data = serve_release(web_server)

    def slowly(request: archives.Request) -> Answer:
        time.sleep(1)
        return Answer(body=data)

    web_server.files["/14.1-RELEASE/base.txz"] = slowly
    command = [sys.executable, "-m", "lsf.ctl.lsfctl", "root", "install", "14.1", "--mirror", web_server.url]
    command += ["--sha256", hashlib.sha256(data).hexdigest()]
    env = {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)}
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    told = [process.communicate(timeout=60) for process in both]
    assert [(process.returncode, out) for process, (out, _) in zip(both, told, strict=True)] == [
        (0, "14.1-RELEASE\n")
    ] * 2, told
    assert (
        sum(
            "14.1-RELEASE is installed already" in err or "has installed 14.1-RELEASE meanwhile" in err
            for _, err in told
        )
        == 1
    )
    assert [root.name for root in roots.installed()] == ["14.1-RELEASE"]


def test_a_wrong_beginning_is_thrown_away(root_store, web_server, run_root):
    """A part from an earlier try that does not fit the rest: the file is fetched once more from its beginning."""
    data = serve_release(web_server)
    part = kept(root_store, data, b"x" * 700, ".part")
    status, out, err = run_root("install", "14.1", "--mirror", web_server.url)
    assert (status, out) == (0, "14.1-RELEASE\n") and "beginning again" in err
    kept(root_store, data).unlink()
    part.write_bytes(data + b"more")  # longer than the web_server's file: 416
    assert run_root("install", "14.1", "--mirror", web_server.url, "--name", "again")[0] == 0

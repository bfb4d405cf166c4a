"""What `lsfctl root install` may meet: a full disk, a limit, a proxy, no network, and what another version has left. One sentence, the
right status, nothing half-made."""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import archives
import harness
import pytest
from archives import Answer, Item, fails, fetched, nothing_installed

from lsf import roots
from lsf.roots import manage

pytest.importorskip("requests")

LINUX_CLONE_NEWUSER_AND_NEWNS = 0x10020000
RELEASE = "14.1-RELEASE"


@pytest.fixture
def data(web_server):
    """A base.txz of 400 KB on the server."""
    packed = archives.txz(archives.base(RELEASE, extra=[Item("boot/noise", random.Random(1).randbytes(400_000))]))
    web_server.files[f"/{RELEASE}/MANIFEST"] = archives.manifest(packed)
    web_server.files[f"/{RELEASE}/base.txz"] = packed
    return packed


def child(url: str, data: bytes, before: Callable[[], None]) -> tuple[int, str, str]:
    """`lsfctl root install` in a process that has done `before`."""
    done = subprocess.run(
        [sys.executable, "-m", "lsf.ctl.lsfctl", "root", "install", "14.1", "--mirror", url, "--sha256", hashlib.sha256(data).hexdigest()],
        env={**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)}, preexec_fn=before, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def small_disk(place: Path) -> Callable[[], None]:
    """Mount a disk of 300 KB on a folder, in a namespace of one's own."""
    place.mkdir(parents=True)
    uid, gid = os.getuid(), os.getgid()

    def mount() -> None:
        libc = ctypes.CDLL(None)
        if libc.unshare(LINUX_CLONE_NEWUSER_AND_NEWNS) != 0:
            os._exit(99)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)
        if libc.mount(b"none", os.fsencode(place), b"tmpfs", 0, b"size=300k") != 0:
            os._exit(98)

    return mount


@pytest.mark.parametrize("full", ["store", "cache"])
def test_a_full_disk(root_store, web_server, data, tmp_path, full):
    place = root_store if full == "store" else tmp_path / "cache/lsf/fetched"
    result = child(web_server.url, data, small_disk(place))
    if result[0] == 99:
        harness.not_covered("a full disk", "user namespaces are not allowed here")
    fails(result, "No space left on device", "LSF_ROOTS")
    assert not roots.installed()
    assert len(fetched(root_store)) == (full == "store"), "what came whole is kept"


def test_a_limit_of_files(root_store, web_server, data):
    """ulimit -f, which would end the process by a signal if nobody ignored it."""
    result = child(web_server.url, data, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    fails(result, "File too large")
    nothing_installed(root_store, downloads=True)


def test_a_proxy(root_store, web_server, data, run_root, monkeypatch):
    """It is asked for the whole address, and the mirror's name is not looked up here."""
    url = "http://mirror.invalid/releases"
    for name in ("MANIFEST", "base.txz"):
        web_server.files[f"{url}/{RELEASE}/{name}"] = web_server.files[f"/{RELEASE}/{name}"]
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, web_server.url)
    digest = hashlib.sha256(data).hexdigest()
    assert run_root("install", "14.1", "--mirror", url, "--sha256", digest, "-q")[:2] == (0, f"{RELEASE}\n")
    assert [request.path for request in web_server.log] == [f"{url}/{RELEASE}/base.txz"]


def test_a_proxy_that_is_not_there_or_refuses(root_store, web_server, run_root, monkeypatch):
    install = ("install", "14.1", "--sha256", "0" * 64, "--mirror")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fails(
        run_root(*install, "http://mirror.invalid"),
        "mirror.invalid",
        "by the proxy http://127.0.0.1:9",
        "Connection refused",
    )
    monkeypatch.setenv("http_proxy", web_server.url)
    web_server.files[f"http://mirror.invalid/{RELEASE}/base.txz"] = Answer(407, b"who are you")
    fails(run_root(*install, "http://mirror.invalid"), "407")
    monkeypatch.setenv("http_proxy", "nonsense://x")
    fails(run_root(*install, "http://mirror.invalid"), "mirror.invalid")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    fails(run_root("install", "14.1", "--mirror", "https://mirror.invalid"), "mirror.invalid")
    nothing_installed(root_store)


def test_no_network(root_store, run_root):
    fails(run_root("install", "14.1", "--mirror", "https://mirror.invalid"), "mirror.invalid")
    fails(
        run_root("install", "15.0", "--repository", "https://mirror.invalid/FreeBSD:15:amd64/base_release_0"),
        "mirror.invalid",
    )
    fails(run_root("pull", "mirror.invalid/base"), "mirror.invalid")
    nothing_installed(root_store)


def test_what_another_version_has_left(root_store, web_server, data, run_root):
    """In the cache and in the store: it does no harm, and stays."""
    cache = root_store.parent / "cache/lsf/fetched"
    (cache / "v2/objects").mkdir(parents=True)
    (cache / "index.db").write_bytes(b"\0" * 100)
    (cache / "dangling").symlink_to("nowhere")
    (root_store / ".locks").mkdir(parents=True)
    newer = root_store / "newer"
    (newer / "root/bin").mkdir(parents=True)
    (newer / "root.conf").write_bytes(b"format=7\nrelease=16.0-RELEASE\nosreldate=many\n\xff\xfe=\x00\nkind=hologram\n")
    assert run_root("install", "14.1", "--mirror", web_server.url, "-q")[:2] == (0, f"{RELEASE}\n")
    assert run_root("list")[0] == 0
    fails(run_root("update", "newer"), "import it again")
    fails(run_root("verify", "newer"), "no record of its files")
    assert {"v2", "index.db", "dangling"} < set(os.listdir(cache))


def test_an_old_record_of_fields(root_store, run_root):
    """A root from before it was recorded where roots came from."""
    (root_store / "old/root").mkdir(parents=True)
    (root_store / "old/root.conf").write_text("release=14.1-RELEASE\nosreldate=1401000\n")
    fails(run_root("update", "old"), "old came from an unknown place")
    assert run_root("export", "old", root_store / "old.tar", "-q") == (0, "", "")


def test_one_that_was_killed_while_it_exchanged(root_store, web_server, data, run_root):
    """What it left is swept away by the next one."""
    (root_store / ".unpack-x/root").mkdir(parents=True)
    assert run_root("install", "14.1", "--mirror", web_server.url, "-q")[0] == 0
    assert os.listdir(root_store) == [RELEASE] and manage.SWEEP_AGE < 0

"""`lsfctl root update`: the newer image or packages take the place of the old root when they are whole, and not before."""

from __future__ import annotations

import os

import archives
import packages
import pytest
from archives import Answer, Item, fails
from packages import Key, Repository
from test_oci import Image, Registry

from lsf import roots
from lsf.roots import keys, manage

KEY = Key()


@pytest.fixture
def repository(web_server, monkeypatch):
    """A repository of packages whose key is FreeBSD's."""
    monkeypatch.setattr(keys, "PKGBASE", {15: {"key": KEY.fingerprint}})
    made = Repository(web_server, [KEY])
    packages.base(made)
    made.publish()
    return made


@pytest.fixture
def hub(web_server):
    """A registry with an image."""
    made = Registry(web_server, "base")
    made.push("latest", [Image(archives.base("15.0-RELEASE", 1500068))])
    return made


@pytest.fixture(params=["packages", "image"])
def root(request, root_store, web_server, run_root):
    """A root called r of either source; newer() makes a patch level of it."""
    if request.param == "packages":
        repository = request.getfixturevalue("repository")
        assert run_root("install", "--repository", repository.url, "--name", "r", "-q")[0] == 0

        def newer() -> None:
            packages.base(repository, "15.0", "-p1")
            repository.publish()
    else:
        hub = request.getfixturevalue("hub")
        assert run_root("pull", f"{web_server.host}/base", "--name", "r", "-q")[0] == 0

        def newer() -> None:
            hub.push("latest", [Image(archives.base("15.0-RELEASE-p1", 1500068))])

    return newer


def test_update(root, root_store, web_server, run_root):
    place = os.stat(root_store / "r/root").st_ino
    status, out, err = run_root("update", "r")
    assert (status, out) == (0, "") and "r: there is nothing newer" in err
    assert os.stat(root_store / "r/root").st_ino == place and roots.load("r").release == "15.0-RELEASE"
    root()
    web_server.log.clear()
    status, out, err = run_root("update", "r")
    assert (status, out) == (0, "") and "r: the old one is removed" in err, err
    assert roots.load("r").release == "15.0-RELEASE-p1"
    assert os.listdir(root_store) == ["r"]
    assert not [request for request in web_server.log if "clibs" in request.path], (
        "what is the same is not fetched again"
    )
    assert run_root("update", "r", "-q") == (0, "", "")
    assert run_root("verify", "r", "-q") == (0, "", "")


def test_files_of_ones_own(root, root_store, run_root):
    (root_store / "r/root/usr/local").mkdir(exist_ok=True)
    (root_store / "r/root/usr/local/mine").write_text("mine")
    assert run_root("update", "r", "-q")[0] == 0, "nothing is newer, so nothing is lost"
    root()
    fails(run_root("update", "r"), "files that were changed or added", "lsfctl root verify --added r", "--force")
    assert (root_store / "r/root/usr/local/mine").exists() and roots.load("r").release == "15.0-RELEASE"
    assert run_root("update", "r", "--force", "-q") == (0, "", "")
    assert not (root_store / "r/root/usr/local").exists() and roots.load("r").release == "15.0-RELEASE-p1"


def test_a_new_one_that_is_refused(root_store, web_server, run_root, repository, hub):
    """The old one stays, and nothing else is left."""
    assert run_root("install", "--repository", repository.url, "--name", "p", "-q")[0] == 0
    assert run_root("pull", f"{web_server.host}/base", "--name", "i", "-q")[0] == 0
    repository.add("FreeBSD-clibs", "15.0p1", [Item("../evil", b"x")])
    repository.publish()
    hub.push("latest", [Image([*archives.base(), Item("../evil", b"x")])])
    for name in ("p", "i"):
        fails(run_root("update", name), "is refused", "leads out")
        assert run_root("verify", name, "-q") == (0, "", "")
    web_server.files[f"{repository.path}/data.pkg"] = Answer(500, b"")
    fails(run_root("update", "p"), "500")
    assert sorted(os.listdir(root_store)) == ["i", "p"]


def test_a_full_disk(root, root_store, run_root, monkeypatch):
    root()
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").startswith(str(root_store)):
            raise OSError(28, os.strerror(28))
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    fails(run_root("update", "r"), "No space left on device")
    monkeypatch.setattr(os, "write", write)
    assert run_root("verify", "r", "-q") == (0, "", "") and os.listdir(root_store) == ["r"]


def test_roots_that_have_nothing_newer(root_store, web_server, run_root, tmp_path, hub):
    data = archives.txz(archives.base())
    web_server.files["/14.1-RELEASE/MANIFEST"] = archives.manifest(data)
    web_server.files["/14.1-RELEASE/base.txz"] = data
    assert run_root("install", "14.1", "--mirror", web_server.url, "-q")[0] == 0
    fails(
        run_root("update", "14.1-RELEASE"),
        "base.txz, which FreeBSD does not publish again",
        "lsfctl root install --pkgbase",
    )
    (tmp_path / "mine.tar").write_bytes(archives.tar(archives.base()))
    assert run_root("import", tmp_path / "mine.tar", "-q")[0] == 0
    fails(run_root("update", "mine"), str(tmp_path / "mine.tar"), "import it again")
    fails(run_root("update", "nosuch"), "no root is called nosuch")
    assert len(roots.installed()) == 2


@pytest.mark.parametrize("way", ["renameat2", "renames"])
def test_names_are_exchanged(tmp_path, monkeypatch, way):
    class Old:
        """A libc without renameat2."""

    if way == "renames":
        monkeypatch.setattr(manage.ctypes, "CDLL", lambda *_, **__: Old())
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    manage.exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b", "b", "b/a"]

"""lsf.launch: finding the program, entering a root, and the names of releases."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
import traceback
from pathlib import Path

import harness
import pytest

from lsf import launch

_namespace = pytest.importorskip("lsf._namespace", reason="the extensions are not built")

NOBODY = 65534


def in_child(function):
    """Run a function in a forked child, whose root, namespaces and ids are its own, and give back its result."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = (True, function())
        except launch.LaunchError as error:
            result = (False, (error.status, str(error)))
        except BaseException:  # noqa: BLE001
            result = (None, traceback.format_exc())
        os.write(sending, pickle.dumps(result))
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        ok, value = pickle.loads(pipe.read())
    os.waitpid(pid, 0)
    assert ok is not None, value
    return ok, value


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # A process that changed its ids may not write its own uid_map, unless it says that it may be dumped.
    import ctypes

    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)


# ---------------------------------------------------------------- releases


@pytest.mark.parametrize(
    ("release", "number"),
    [("14.1-RELEASE", 1401000), ("13.5", 1305000), ("10.1-RELEASE-p3", 1001000), ("15.0-CURRENT", 1500000),
     ("1401000", 1401000), ("1305512", 1305512)],
)  # fmt: skip
def test_osreldate(release, number):
    assert launch.osreldate(release) == number


@pytest.mark.parametrize("release", ["", "14", "FreeBSD", "14.x", "0.1", "14.100", "-14.1", "99999", "14.1.2", "1e6"])
def test_osreldate_refuses_nonsense(release):
    with pytest.raises(launch.LaunchError):
        launch.osreldate(release)


# ---------------------------------------------------------------- the program


@pytest.fixture
def folders(tmp_path):
    """Two folders of a PATH: `both` is in each, `plain` is not executable in the first, `folder` is a folder there."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for program in ("both", "plain", "folder"):
            if (name, program) == ("one", "folder"):
                (tmp_path / name / program).mkdir()
                continue
            (tmp_path / name / program).touch()
            (tmp_path / name / program).chmod(0o644 if (name, program) == ("one", "plain") else 0o755)
    (tmp_path / "one" / "refused").touch()
    (tmp_path / "one" / "refused").chmod(0o644)
    return tmp_path


@pytest.mark.parametrize(("program", "place"), [("both", "one"), ("plain", "two"), ("folder", "two")])
def test_program_in_path(folders, program, place):
    path = f"{folders}/none:{folders}/one:{folders}/two"
    assert launch.find_program(program, path) == f"{folders}/{place}/{program}"


def test_program_in_empty_and_relative_parts_of_path(folders, monkeypatch):
    monkeypatch.chdir(folders / "two")
    assert launch.find_program("both", "/none:") == f"{folders}/two/both"
    assert launch.find_program("both", "../one") == f"{folders}/one/both"


def test_program_with_a_slash_is_not_looked_for(folders, monkeypatch):
    monkeypatch.chdir(folders)
    assert launch.find_program("one/nosuch", f"{folders}/one") == f"{folders}/one/nosuch"
    assert launch.find_program("/one/nosuch", "") == "/one/nosuch"


@pytest.mark.parametrize(("program", "status"), [("nosuch", 127), ("", 127), ("refused", 126)])
def test_program_that_is_not_there(folders, program, status):
    with pytest.raises(launch.LaunchError) as caught:
        launch.find_program(program, f"{folders}/two:{folders}/one")
    assert caught.value.status == status


def test_without_path_freebsds_default_is_searched(monkeypatch):
    asked = []
    monkeypatch.setattr(
        launch.os, "stat", lambda name: asked.append(name) or (_ for _ in ()).throw(FileNotFoundError())
    )
    with pytest.raises(launch.LaunchError):
        launch.find_program("p", None)
    assert asked == [f"{folder}/p" for folder in launch.DEFAULT_PATH.split(":")]


# ---------------------------------------------------------------- roots


@pytest.fixture
def root():
    """A root that others may enter too, with an own /tmp."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        for part in ("dev", "proc", "tmp", "etc"):
            (top / part).mkdir()
        (top / "etc" / "mark").write_text("mine\n")
        yield top


def _as_seen() -> dict[str, object]:
    return {
        "mark": Path("/etc/mark").read_text(),
        "cwd": os.getcwd(),
        "null": os.path.exists("/dev/null") and os.stat("/dev/null").st_rdev,
        "self": os.path.exists("/proc/self") and os.readlink("/proc/self") == str(os.getpid()),
        "ids": (os.getuid(), os.getgid()),
    }


NULL = os.stat("/dev/null").st_rdev
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="roots entered as root and as a user: this is not root")


def _mounts_allowed() -> bool:
    def attempt():
        try:
            _namespace.unshare_mounts()
        except OSError:
            return False
        return True

    return in_child(attempt)[1]


def _enter(root: Path):
    def entered():
        launch.enter_root(str(root))
        return _as_seen()

    return entered


@needs_root
def test_root_entered_as_root(root):
    if not _mounts_allowed():
        harness.not_covered("a root with /dev and /proc inside", "mount namespaces are not allowed")
    before = Path("/proc/self/mountinfo").read_text()
    ok, seen = in_child(_enter(root))
    assert ok, seen
    assert seen == {"mark": "mine\n", "cwd": "/", "null": NULL, "self": True, "ids": (0, 0)}
    assert Path("/proc/self/mountinfo").read_text() == before
    assert sorted(os.listdir(root)) == ["dev", "etc", "proc", "tmp"]
    assert os.listdir(root / "dev") == []


@needs_root
def test_root_that_lacks_folders_is_not_written_to(root):
    if not _mounts_allowed():
        harness.not_covered("a root without /dev, /proc and /tmp", "mount namespaces are not allowed")
    for part in ("dev", "proc", "tmp"):
        (root / part).rmdir()
    (root / "link").symlink_to("etc/mark")
    (root / "file").write_text("text")

    def entered():
        launch.enter_root(str(root))
        Path("/etc/new").write_text("new")
        try:
            Path("/new").touch()
            top = "written"
        except OSError as error:
            top = error.errno
        return _as_seen(), os.readlink("/link"), Path("/file").read_text(), os.path.exists(f"/tmp/{root.name}"), top

    assert root.parent == Path("/tmp"), "this test needs its root in /tmp"
    ok, value = in_child(entered)
    assert ok, value
    seen, link, text, host_tmp, top = value
    assert seen == {"mark": "mine\n", "cwd": "/", "null": NULL, "self": True, "ids": (0, 0)}
    assert (link, text, host_tmp, top) == ("etc/mark", "text", True, errno.EROFS)
    assert sorted(os.listdir(root)) == ["etc", "file", "link"]
    assert (root / "etc" / "new").read_text() == "new"


@needs_root
def test_root_by_chroot_alone(root, monkeypatch):
    def refuse():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_namespace_holder(), "unshare_mounts", refuse)
    ok, seen = in_child(_enter(root))
    assert ok, seen
    assert seen == {"mark": "mine\n", "cwd": "/", "null": False, "self": False, "ids": (0, 0)}


@needs_root
@pytest.mark.parametrize("lacking", [(), ("dev", "proc", "tmp")], ids=["whole", "lacking folders"])
def test_root_entered_by_a_user(root, lacking):
    """In a user namespace, where the user keeps its ids."""
    for part in lacking:
        (root / part).rmdir()

    def entered():
        become_nobody()
        return _enter(root)()

    def namespaces_allowed():
        become_nobody()
        try:
            _namespace.unshare_user()
            _namespace.unshare_mounts()
        except OSError:
            return False
        return True

    if not in_child(namespaces_allowed)[1]:
        harness.not_covered("a root entered by a user", "user namespaces are not allowed")
    ok, seen = in_child(entered)
    assert ok, seen
    assert seen == {"mark": "mine\n", "cwd": "/", "null": NULL, "self": True, "ids": (NOBODY, NOBODY)}


@needs_root
def test_root_where_nothing_is_allowed_is_an_error_with_a_reason(root, monkeypatch):
    def refuse():
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_namespace_holder(), "unshare_user", refuse)

    def entered():
        become_nobody()
        return _enter(root)()

    ok, (status, message) = in_child(entered)
    assert not ok
    assert status == launch.STATUS_FAILED
    assert "needs root, or user namespaces" in message
    assert str(root) in message


def _namespace_holder():
    """The module, for monkeypatching: launch imports it at the time of use."""
    import lsf

    return lsf._namespace

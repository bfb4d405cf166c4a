"""What LSF keeps for the views of a user: where, for whom, and what other users, killed starts and odd places do to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import harness
import pytest
from test_views import in_child

from lsf.start import hostetc
from lsf.start import rules as view_rules

OTHER = 12345
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can play another user")


@pytest.fixture
def place():
    """A folder that everybody may enter."""
    top = Path(tempfile.mkdtemp(dir="/tmp"))
    top.chmod(0o755)
    yield top
    shutil.rmtree(top)


@pytest.fixture
def root(place):
    """A small root."""
    top = place / "root"
    for part in ("dev", "proc", "tmp", "etc", "lib", "libexec", "usr", "var", "home", "bin"):
        (top / part).mkdir(parents=True)
    (top / "etc/master.passwd").write_text("root:*:0:0::0:0:Charlie &:/root:/bin/sh\ntoor:*:0:0::0:0:Bourne:/root:\n")
    (top / "etc/group").write_text("wheel:*:0:root\n")
    return top


@pytest.fixture
def home(place, monkeypatch):
    """The home of who runs the tests."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    folder = place / "home"
    folder.mkdir(0o755)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def kept(root: Path) -> str | None:
    return hostetc.cached(str(root / "etc"))


def everything(top: Path) -> dict[str, tuple]:
    """All that can be seen of a tree."""
    return {
        str(path.relative_to(top)): (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_mtime_ns)
        for path in (top, *top.rglob("*"))
    }


# ---------------------------------------------------------------- whose it is


def test_it_is_private(root, home):
    folder = kept(root)
    assert folder.startswith(str(home / ".cache/lsf/etc/"))
    for part in (".cache", ".cache/lsf", ".cache/lsf/etc"):
        assert stat.S_IMODE((home / part).stat().st_mode) == 0o700
    # Seen through a view it is /etc, which everybody may read.
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o755
    (home / ".cache/lsf").chmod(0o755)  # as it was made once
    assert kept(root) == folder
    # What is known of the variables is known for one process.
    assert in_child(lambda: kept(root)) == (True, folder)
    assert stat.S_IMODE((home / ".cache/lsf").stat().st_mode) == 0o700


@needs_root
@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("link", ["", ".cache", ".cache/lsf", ".cache/lsf/etc", ".cache/lsf/top"])
@pytest.mark.parametrize("whose", [OTHER, 0])
def test_links_that_another_user_prepared(root, home, place, monkeypatch, variable, link, whose):
    """`sudo -E lsf`: root with the HOME of somebody who wants it to write, or empty folders, elsewhere."""
    victim = place / "victim"
    for part in ("lsf/etc", "lsf/top", "etc", "top"):
        (victim / part).mkdir(parents=True)
        (victim / part / ".old").mkdir()
        (victim / part / "precious").write_text("x")
        for name in (victim / part, victim / part / ".old", victim / part / "precious"):
            os.utime(name, (1, 1))
    for part in (".cache/lsf/etc", ".cache/lsf/top"):
        (home / part).mkdir(parents=True, exist_ok=True)
    if link:
        shutil.rmtree(home / link)
        (home / link).symlink_to(victim)
    for path in (home, *home.rglob("*")):
        os.chown(path, whose, whose, follow_symlinks=False)
    monkeypatch.setenv("HOME", str(home))
    if variable == "XDG_CACHE_HOME":
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    before = everything(victim), everything(home)
    if whose or link != "":
        if whose or link != ".cache/lsf/top":
            assert kept(root) is None
        if whose or link != ".cache/lsf/etc":
            top = hostetc.place("top")
            assert top is None or hostetc.keep(f"{top}/{0:016x}", lambda folder: None) is None
    else:
        assert kept(root) is not None
    assert everything(victim) == before[0]
    if whose:
        assert everything(home) == before[1]


@needs_root
def test_links_on_the_way(root, home, place, monkeypatch):
    """Of root's and the user's own they are followed, of others' not: where one leads may change under root's hands."""
    real = place / "real"
    real.mkdir(0o700)
    link = place / "link"
    link.symlink_to(real)
    monkeypatch.setenv("HOME", str(link))
    assert kept(root).startswith(f"{link}/.cache")
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    assert in_child(lambda: kept(root)) == (True, None)


@needs_root
@pytest.mark.parametrize(
    ("mode", "good"), [(0o755, True), (0o775, False), (0o777, False), (0o1777, True), (0o770, False)]
)
def test_a_cache_that_others_may_write_to(root, place, monkeypatch, mode, good):
    """It can be used at once, looked at twice; a program whose paths are looked up could be led elsewhere later."""
    cache = place / "cache"
    cache.mkdir()
    cache.chmod(mode)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    def found() -> tuple[bool, bool, bool, bool]:
        rules = dict(view_rules.make(str(root), False, [], "/"))
        return kept(root) is not None, hostetc.is_lasting(), "/etc/passwd" in rules, "/" in rules

    assert in_child(found) == (True, (True, good, good, good))
    # Behind a door that is the user's alone it does not matter.
    place.chmod(0o700)
    assert in_child(found) == (True, (True, True, True, True))
    # One that others can write to above it does.
    place.chmod(0o777)
    assert in_child(found) == (True, (False, False, False, False))
    place.chmod(0o755)


@needs_root
def test_a_folder_that_is_exchanged_meanwhile(root, place, monkeypatch):
    """Who may write beside `lsf` may put a link in its place at any moment: nothing is written there, and nothing used."""
    cache, victim = place / "cache", place / "victim"
    cache.mkdir()
    cache.chmod(0o777)
    (victim / "etc").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    hostetc.place("etc")
    (cache / "lsf").rename(cache / "away")
    (cache / "lsf").symlink_to(victim)
    folder = kept(root)
    assert os.listdir(victim / "etc") == []
    assert os.listdir(cache / "away/etc") == [os.path.basename(folder)]
    forged = victim / "etc" / os.path.basename(folder)
    forged.mkdir()
    os.chown(forged, OTHER, OTHER)
    with pytest.raises(OSError, match=r"."):
        hostetc.open_layer(folder)


@needs_root
def test_a_way_that_leaves_a_closed_folder_again(root, place, monkeypatch):
    """Behind a door that is the user's alone others change nothing; on this side they do."""
    closed, common = place / "closed", place / "common"
    closed.mkdir(0o700)
    (common / "cache").mkdir(parents=True)
    common.chmod(0o777)
    (closed / "link").symlink_to("../common/cache")
    for way in (f"{closed}/../common/cache", f"{closed}/link/../cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", way)
        assert in_child(lambda: kept(root)) == (True, None)
    assert os.listdir(common / "cache") == []


@needs_root
def test_a_folder_of_that_name_that_is_another_users(root, place, monkeypatch):
    """In a folder for all, as /tmp is one."""
    cache = place / "cache"
    cache.mkdir()
    cache.chmod(0o1777)
    (cache / "lsf/etc").mkdir(parents=True)
    os.chown(cache / "lsf", OTHER, OTHER)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert kept(root) is None
    assert os.listdir(cache / "lsf/etc") == []


@needs_root
@pytest.mark.parametrize("options", [(), ("--view", "lookup"), ("--fakeroot",)], ids=" ".join)
def test_a_view_without_a_cache(root, home, options, monkeypatch):
    """The whole command, as root with another user's home: it works, and the home is left alone."""
    os.chown(home, OTHER, OTHER)
    (home / ".cache").symlink_to("/etc")
    before = everything(home)
    done = subprocess.run([sys.executable, "-m", "lsf.start.cli", "--root", str(root), *options, "/bin/nothing"], check=False, timeout=60,
                          env={"PATH": "/bin", "HOME": str(home), "PYTHONPATH": str(harness.PACKAGE_PARENT)},
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (127, 1), done.stderr
    assert everything(home) == before
    assert not os.path.lexists("/etc/lsf")


# ---------------------------------------------------------------- homes that are none


@pytest.mark.parametrize(
    "home", ["/nonexistent", "/nonexistent/home", "relative", "", "/proc", "/dev/null", "/proc/self"]
)
@pytest.mark.parametrize("cache", [None, "/nonexistent", "/nonexistent/cache", "relative", "/dev/null"])
def test_no_home_is_made(root, monkeypatch, home, cache):
    assert not os.path.lexists("/nonexistent")
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if cache is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
    try:
        assert kept(root) is None
        assert not os.path.lexists("/nonexistent")
    finally:
        shutil.rmtree("/nonexistent", ignore_errors=True)


@needs_root
@pytest.mark.parametrize("what", [".cache", ".cache/lsf", ".cache/lsf/etc", "layer"])
@pytest.mark.parametrize("mode", [0, 0o300, 0o500, 0o700])
def test_a_users_cache_that_cannot_be_used(root, home, what, mode):
    """Not read, not written to: what cannot be kept is made in memory, and what is kept is whole."""

    def as_user(function):
        def run():
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            return function()

        return in_child(run)

    os.chown(home, OTHER, OTHER)
    ok, layer = as_user(lambda: kept(root))
    assert ok
    path = Path(layer) if what == "layer" else home / what
    path.chmod(mode)

    def found() -> tuple[str | None, list[str]]:
        folder = kept(root)
        return folder, sorted(os.listdir(folder)) if folder else sorted(hostetc.contents(str(root / "etc")))

    for _ in range(2):
        ok, (folder, names) = as_user(found)
        assert ok
        assert names == sorted(hostetc.contents(str(root / "etc")))
        if mode == 0o700:
            assert folder is not None
        if mode == 0 and what != "layer":
            assert folder is None
        # Another layer has to be made the second time.
        (root / "etc/group").write_text("wheel:*:0:root\nnew:*:9:\n")


def test_links_that_go_round(root, home):
    (home / ".cache").symlink_to(".cache")
    assert kept(root) is None
    (home / ".cache").unlink()
    (home / "a").symlink_to("b")
    (home / "b").symlink_to("a")
    os.environ["HOME"] = str(home / "a")
    assert kept(root) is None


def test_what_lies_there_is_no_folder(root, home):
    for part in (".cache", ".cache/lsf", ".cache/lsf/etc"):
        path = home / part
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text("")
        assert in_child(lambda: kept(root)) == (True, None)
        path.unlink()
    assert kept(root) is not None


# ---------------------------------------------------------------- whole, and swept


def test_many_at_once_with_one_process_id(root, home, monkeypatch):
    """Containers that share a home have the same numbers; and threads have too."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    hostetc.place("etc")
    whole = set(hostetc.contents(str(root / "etc")))
    found, wrong = [], []

    def start() -> None:
        folder = kept(root)
        found.append(folder)
        if set(os.listdir(folder)) != whole:
            wrong.append(os.listdir(folder))

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert not wrong
    assert os.listdir(home / ".cache/lsf/etc") == [os.path.basename(found[0])]


@pytest.mark.parametrize("fault", ["full", "killed"])
def test_what_is_half_made_is_nothing(root, home, monkeypatch, fault):
    """A disk that is full in the middle, a start that is killed there: the next one makes it whole."""
    write = hostetc.write

    def fails(files, folder):
        write({name: files[name] for name in list(files)[:2]}, folder)
        if fault == "killed":
            os._exit(9)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hostetc, "write", fails)
    if fault == "full":
        assert kept(root) is None
        assert os.listdir(home / ".cache/lsf/etc") == []
    else:
        pid = os.fork()
        if pid == 0:
            kept(root)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        assert len(os.listdir(home / ".cache/lsf/etc")) == 1
    monkeypatch.setattr(hostetc, "write", write)
    folder = kept(root)
    assert set(os.listdir(folder)) == set(hostetc.contents(str(root / "etc")))


def test_short_writes_are_gone_on_with(root, home, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:100]))
    folder = kept(root)
    monkeypatch.undo()
    for name, data in hostetc.contents(str(root / "etc")).items():
        assert Path(folder, name).read_bytes() == data


def test_sweeping(root, home, place):
    first = Path(kept(root))
    folder = first.parent
    names = {"0123456789abcdef": 40, "0123456789abcde0": 20, "0123456789abcdef.123": 0, ".new-dead": 0, ".new-fresh": 0,
             ".new-held": 0}  # fmt: skip
    for name, days in names.items():
        (folder / name / "sub").mkdir(parents=True)
        (folder / name / "passwd").write_text("x")
        then = time.time() - days * 86400 - (0 if name == ".new-fresh" else 60)
        os.utime(folder / name, (then, then))
    outside = place / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (folder / "0123456789abcde1").symlink_to(outside)
    os.utime(folder / "0123456789abcde1", (1, 1), follow_symlinks=False)
    held = os.open(folder / ".new-held", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    (root / "etc/group").write_text("wheel:*:0:root\nother:*:9:\n")
    second = Path(kept(root))
    os.close(held)
    assert second != first
    assert {path.name for path in folder.iterdir()} == {first.name, second.name, "0123456789abcde0", ".new-fresh", ".new-held",
                                                       "0123456789abcde1"}  # fmt: skip
    assert os.listdir(outside) == ["file"]


def test_what_is_used_is_not_swept(root, home):
    first = Path(kept(root))
    os.utime(first, (1, 1))
    assert kept(root) == str(first)
    assert time.time() - first.stat().st_mtime < 60


@pytest.mark.engines("sud-cli")
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("options", [(), ("--view", "lookup")], ids=["mounts", "lookup"])
def test_a_limit_on_the_size_of_files(lsf, root, home, options, hard):
    """It is the program's: a soft one keeps LSF from nothing, and with a hard one the root's own users are shown."""
    import resource

    result = lsf(harness.compile_guest("observed"), "@limit", options=["--root", str(root), *options], env={"HOME": str(home)},
                 before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512 if hard else 1 << 30)))  # fmt: skip
    result.check(stdout=f"512 {512 if hard else 1 << 30}\n")
    assert any((home / ".cache/lsf/etc").iterdir()) is not hard


# ---------------------------------------------------------------- what a root may not have read


@pytest.mark.parametrize(
    "target",
    ["/etc/secret", "../../secret", "/../../etc/secret", "x/../../../secret", "fifo", "loop", "/dev/zero", ".", "/usr"],
)
def test_a_roots_files_are_read_inside_it(root, home, place, target):
    """A link means the root, as it does to programs there; and what is no file is not read."""
    secret = "leak:hash:4242:4242::0:0:Leak:/:/bin/sh\n"
    (place / "secret").write_text(secret)
    (place / "etc").mkdir()
    (place / "etc/secret").write_text(secret)
    os.mkfifo(root / "etc/fifo")
    (root / "etc/loop").symlink_to("loop")
    passwd = root / "etc/master.passwd"
    passwd.unlink()
    passwd.symlink_to(target)
    (root / "etc/group").unlink()
    (root / "etc/group").symlink_to(str(place / "secret"))
    files = hostetc.contents(str(root / "etc"))
    assert not any(b"leak" in data or b"Leak" in data for data in files.values())
    kept(root)
    # The same link inside the root is followed there, and a change of what it leads to is seen.
    (root / "etc/real").write_text("mine:*:77:77::0:0:Mine:/:/bin/sh\n")
    passwd.unlink()
    passwd.symlink_to("/etc/real")
    first = kept(root)
    assert "mine:*:77:77" in Path(first, "master.passwd").read_text()
    (root / "etc/real").write_text("mine:*:777:77::0:0:Mine:/:/bin/sh\n")
    assert kept(root) != first


def test_opening_inside(root):
    (root / "usr/link").symlink_to("/etc/../../../etc")
    for path in ("etc/group", "/etc/group", "usr/../etc//./group", "usr/link/group", "../../etc/group"):
        fd = hostetc.open_inside(str(root), path)
        assert os.read(fd, 5) == b"wheel"
        os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    for path in ("", "/", "..", "etc/none", "etc/group/x", "usr/" + "x" * 300):
        with pytest.raises(OSError, match=r"."):
            hostetc.open_inside(str(root), path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_shells_are_looked_for_inside(root):
    (root / "bin/sh").symlink_to("/usr/sh")
    assert not hostetc._is_program(str(root), "/bin/sh")
    (root / "usr/sh").write_text("#!")
    (root / "usr/sh").chmod(0o755)
    assert hostetc._is_program(str(root), "/bin/sh")
    assert not hostetc._is_program(str(root), "/bin")

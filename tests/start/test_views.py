"""lsf.start.view: what a program sees in a root, as root and as an ordinary user; no FreeBSD root is needed for most of it."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import shutil
import signal
import stat
import tempfile
import time
import traceback
from pathlib import Path

import harness
import pytest

from lsf.demo import PROGRAM
from lsf.roots import pwdb
from lsf.start import binfmt_rule, hostetc, mounts, plan, view
from lsf.start.errors import STATUS_FAILED, LaunchError

_namespace = pytest.importorskip("lsf._namespace", reason="the extensions are not built")

NOBODY = 65534
NULL = os.stat("/dev/null").st_rdev
assert binfmt_rule.NAME  # loaded here: a child that is another user may not be able to read the package


def in_child(function, user: bool = False):
    """Run a function in a forked child, whose root, namespaces and ids are its own, and give back its result.

    A LaunchError comes back as (False, (status, message)).
    """
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiving)
        try:
            if user and os.getuid() == 0:
                become_nobody()
            result = (True, function())
        except LaunchError as error:
            result = (False, (error.status, str(error)))
        except BaseException:
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
    os.environ["HOME"] = "/nonexistent"
    # A process that changed its ids may not write its own uid_map, unless it says that it may be dumped.
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)


def namespaces_allowed(user: bool) -> bool:
    def attempt():
        try:
            mounts._own_namespaces(_namespace)
        except OSError:
            return False
        return True

    return in_child(attempt, user)[1]


@pytest.fixture(params=["root", "user"])
def user(request) -> bool:
    """Whether the view is entered by an ordinary user."""
    if request.param == "root" and os.getuid() != 0:
        pytest.skip("this is not root")
    if not namespaces_allowed(request.param == "user"):
        harness.not_covered(f"views by mount namespaces, as {request.param}", "they are not allowed here")
    return request.param == "user"


@pytest.fixture
def place(monkeypatch):
    """A folder that others may enter, and no layer kept in the home of who runs the tests."""
    name = tempfile.mkdtemp(dir="/tmp")
    top = Path(name)
    top.chmod(0o755)
    cache = top / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    yield top
    shutil.rmtree(name)


@pytest.fixture
def root(place):
    """A root as small as can be."""
    top = place / "root"
    for part in (
        "dev",
        "proc",
        "tmp",
        "etc",
        "lib",
        "libexec",
        "usr/lib",
        "usr/share",
        "var/run",
        "var/tmp",
        "home",
        "bin",
    ):
        (top / part).mkdir(parents=True)
    (top / "etc" / "mark").write_text("mine\n")
    (top / "etc" / "hosts").write_text("the root's\n")
    (top / "usr" / "share" / "mark").write_text("mine\n")
    (top / "var" / "run" / "mark").write_text("mine\n")
    (top / "bin" / "prog").write_text("FreeBSD\n")
    (top / "COPYRIGHT").write_text("text")
    (top / "sys").symlink_to("usr/src/sys")
    return top


def tree_of(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def writes(path: str) -> int:
    """0, or the errno with which a new file is refused."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        return 0
    except OSError as error:
        return error.errno


def devices() -> dict[str, object]:
    with open("/dev/zero", "rb") as zero, open("/dev/urandom", "rb") as random:
        first = zero.read(2), len(random.read(3))
    reading, writing = os.pipe()
    os.write(writing, b"x")
    with open(f"/dev/fd/{reading}", "rb", buffering=0) as again:
        through = again.read(1)
    return {
        "null": os.stat("/dev/null").st_rdev == NULL,
        "read": first,
        "fd": through,
        "names": [name for name in ("random", "tty", "stdin", "stdout", "stderr", "pts", "shm")
                  if not os.path.lexists("/dev/" + name)],
        "self": os.readlink("/proc/self") == str(os.getpid()),
    }  # fmt: skip


ALL_DEVICES = {"null": True, "read": (b"\0\0", 3), "fd": b"x", "self": True,
               "names": [n for n in ("random", "tty", "stdin", "stdout", "stderr", "pts", "shm")
                         if not os.path.lexists("/dev/" + n)]}  # fmt: skip


# ---------------------------------------------------------------- who wins


def test_owners():
    chosen = plan.owners({"bin", "usr", "etc", "var", "home", "tmp", "dev", "sys", "srv"},
                         {"bin", "usr", "etc", "var", "home", "tmp", "dev", "sys", "proc", "run"})  # fmt: skip
    assert {name for name, is_roots in chosen.items() if is_roots} == {"bin", "usr", "etc", "var", "sys", "srv"}
    assert {name for name, is_roots in chosen.items() if not is_roots} == {"home", "tmp", "dev", "proc", "run"}


# ---------------------------------------------------------------- merged


def test_merged(root, user):
    before, mounts = tree_of(root), Path("/proc/self/mountinfo").read_text()

    def entered():
        os.chdir("/tmp")
        view.enter(str(root))
        return {
            "mark": [Path(p).read_text() for p in ("/etc/mark", "/usr/share/mark", "/var/run/mark", "/bin/prog")],
            "top": os.listdir("/"),
            "sys": os.readlink("/sys"),
            "copyright": Path("/COPYRIGHT").read_text(),
            "hosts": Path("/etc/hosts").read_bytes(),
            "cwd": os.getcwd(),
            "tmp": os.path.samestat(os.stat(f"/tmp/{root.parent.name}/root/bin"), os.stat("/bin")),
            "ids": (os.getuid(), os.getgid()),
            "top is read-only": writes("/new"),
            "etc is read-only": writes("/etc/new"),
            "tmp takes files": writes(f"/tmp/{root.parent.name}/cache/new"),
            "devices": devices(),
        }

    host_top = set(os.listdir("/"))
    ok, seen = in_child(entered, user)
    assert ok, seen
    top = set(seen.pop("top"))
    assert {"bin", "lib", "libexec", "usr", "etc", "var", "COPYRIGHT", "sys", "dev", "proc", "tmp"} <= top
    assert {name for name in host_top if not os.path.islink("/" + name)} <= top
    assert top - host_top <= set(os.listdir(root))
    ids = (NOBODY, NOBODY) if user and os.getuid() == 0 else (os.getuid(), os.getgid())
    assert seen == {
        "mark": ["mine\n"] * 3 + ["FreeBSD\n"], "sys": "usr/src/sys", "copyright": "text",
        "hosts": Path("/etc/hosts").read_bytes(), "cwd": "/tmp", "tmp": True, "ids": ids,
        "top is read-only": errno.EROFS, "etc is read-only": errno.EROFS, "tmp takes files": 0,
        "devices": ALL_DEVICES,
    }  # fmt: skip
    assert tree_of(root) == before
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_merged_without_links_into_the_roots_folders(root, user):
    """/lib64 -> usr/lib64 of a Linux host would lead into FreeBSD's /usr."""
    if not os.path.islink("/lib64"):
        pytest.skip("this host has no link at its top that leads into /usr")

    def entered():
        view.enter(str(root))
        return os.path.lexists("/lib64")

    assert in_child(entered, user) == (True, False)


def test_current_directory_stays_visible(root, user):
    """Wherever it is: where the root has a folder of that name, where it has none, and with blanks in the name."""
    if not os.access("/usr", os.W_OK):
        harness.not_covered("a current directory under the host's /usr", "no folder can be made there")
    with tempfile.TemporaryDirectory(dir="/usr", prefix="lsf test ") as folder:
        deep = Path(folder) / "src" / "work"
        deep.mkdir(parents=True)
        (deep / "file").write_text("the user's")
        for path in (Path(folder), deep.parent, deep):
            path.chmod(0o777)
        for path in (deep, Path("/usr/share"), Path("/etc"), Path("/usr")):

            def entered(path=path):
                os.chdir(path)
                expected = os.stat(".")
                view.enter(str(root))
                same = os.path.samestat(expected, os.stat("."))
                text = Path("file").read_text() if path == deep else ""
                return os.getcwd(), same, text, Path("/bin/prog").read_text(), os.listdir("/usr/lib")

            ok, value = in_child(entered, user)
            assert ok, value
            assert value[:4] == (str(path), True, "the user's" if path == deep else "", "FreeBSD\n")
            if path == deep:
                assert value[4] == []


def test_removed_current_directory_is_one_clear_sentence(root):
    def entered():
        gone = tempfile.mkdtemp()
        os.chdir(gone)
        os.rmdir(gone)
        view.enter(str(root))

    ok, (status, message) = in_child(entered)
    assert (ok, status) == (False, STATUS_FAILED)
    assert "current directory" in message


@pytest.mark.parametrize("lacking", [False, True], ids=["whole", "lacking it"])
def test_var_tmp_is_the_hosts(root, user, lacking):
    if lacking:
        (root / "var/tmp").rmdir()
    mark = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:

        def entered():
            view.enter(str(root))
            return os.path.isdir(mark), Path("/var/run/mark").read_text()

        assert in_child(entered, user) == (True, (True, "mine\n"))
    finally:
        mark.rmdir()


# ---------------------------------------------------------------- isolated


@pytest.mark.parametrize("lacking", [(), ("dev", "proc", "tmp"), None], ids=["whole", "lacking folders", "closed"])
def test_isolated(root, user, lacking):
    for part in lacking or ():
        (root / part).rmdir()
    if lacking is None:
        if user:
            pytest.skip("who is not its owner cannot read a closed folder")
        root.chmod(0o700)
    before = tree_of(root)

    def entered():
        os.chdir("/usr")
        view.enter(str(root), isolated=True)
        return {"top": set(os.listdir("/")), "cwd": os.getcwd(), "hosts": Path("/etc/hosts").read_text(),
                "tmp": os.listdir("/tmp"), "new": writes("/new"), "devices": devices()}  # fmt: skip

    ok, seen = in_child(entered, user)
    assert ok, seen
    # A top that lacks what is mounted there, or is closed to others, is one in memory, to be read only; else it is the root's own.
    new = errno.EROFS if lacking != () else errno.EACCES if user or os.getuid() != 0 else 0
    if new == 0:
        (root / "new").unlink()
    assert seen == {"top": {*os.listdir(root), "dev", "proc", "tmp"}, "cwd": "/", "hosts": "the root's\n", "tmp": [],
                    "new": new, "devices": ALL_DEVICES}  # fmt: skip
    assert tree_of(root) == before


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_isolated_root_can_be_changed(root):
    if not namespaces_allowed(False):
        harness.not_covered("changing a root from inside", "mount namespaces are not allowed here")

    def entered():
        view.enter(str(root), isolated=True)
        Path("/etc/new").write_text("new")
        Path("/new").mkdir()
        Path("/etc/new").rename("/new/moved")

    assert in_child(entered) == (True, None)
    assert (root / "new/moved").read_text() == "new"


def test_the_isolated_view_is_not_seen_in_what_is_bound_into_it(root, user):
    """Else a walk over the bound tree would find the view, and in it the bound tree."""

    def entered():
        view.enter(str(root), True, (f"{root.parent}:/usr/share",))
        return os.listdir("/usr/share/root/proc")

    assert in_child(entered, user) == (True, [])


def test_a_new_place_for_a_bind_below_a_folder_that_has_files(root, place, user):
    """The folder is made anew in memory, with all that it has; the top stays the root's own."""
    source = place / "source"
    source.mkdir()
    (root / "tmp/there").mkdir()
    (root / "tmp/file").write_text("text")
    before = tree_of(root)

    def entered():
        view.enter(str(root), True, (f"{source}:/tmp/new/place", f"{source}:/tmp/there"))
        return (
            os.listdir("/tmp"),
            os.listdir("/tmp/new"),
            Path("/tmp/file").read_text(),
            os.statvfs("/").f_flag & os.ST_RDONLY,
        )

    ok, (names, new, text, read_only) = in_child(entered, user)
    assert ok
    assert (set(names), new, text, read_only) == ({"there", "file", "new"}, ["place"], "text", 0)
    assert tree_of(root) == before


# ---------------------------------------------------------------- binds


@pytest.mark.parametrize("isolated", [False, True], ids=["merged", "isolated"])
def test_binds(root, place, user, isolated):
    source = place / "source"
    source.mkdir()
    source.chmod(0o777)
    (source / "file").write_text("bound")
    before = tree_of(root)

    def entered():
        view.enter(str(root), isolated, (f"{source}:/usr/share", f"{source}:/usr/local/deep/place:ro",
                                         f"{source}/file:/libexec/new", f"{source}:/brandnew"))  # fmt: skip
        return {"over": Path("/usr/share/file").read_text(), "new": Path("/usr/local/deep/place/file").read_text(),
                "file": Path("/libexec/new").read_text(), "top": Path("/brandnew/file").read_text(),
                "rw": writes("/usr/share/new"), "ro": writes("/usr/local/deep/place/other"),
                "neighbour": sorted(os.listdir("/usr")), "hosts": os.path.exists(source)}  # fmt: skip

    ok, seen = in_child(entered, user)
    assert ok, seen
    assert seen == {"over": "bound", "new": "bound", "file": "bound", "top": "bound", "rw": 0, "ro": errno.EROFS,
                    "neighbour": ["lib", "local", "share"], "hosts": not isolated}  # fmt: skip
    assert (source / "new").exists()
    assert tree_of(root) == before


def test_bind_of_one_name(root, place, user):
    (place / "one").mkdir()

    def entered():
        view.enter(str(root), True, (str(place / "one"),))
        return os.listdir(place)

    assert in_child(entered, user) == (True, ["one"])


@pytest.mark.parametrize("first", ["a/one", "a/b/one"])
def test_binds_beside_each_other(root, place, user, first):
    """The folders above the second were made for the first."""
    for name in (first, "a/two"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text(name)

    def entered():
        view.enter(str(root), True, (str(place / first), str(place / "a/two")))
        return [Path(place / name / "file").read_text() for name in (first, "a/two")], os.listdir(place)

    assert in_child(entered, user) == (True, ([first, "a/two"], ["a"]))


def test_bind_without_a_root(place, user):
    (place / "here").mkdir()
    (place / "file").write_text("bound")

    def entered():
        os.chdir(place)
        view.bind_on_host([plan.Bind(f"{place}:{place}/here"), plan.Bind(f"{place}/file:{place}/new/name")])
        return os.getcwd(), Path("here/file").read_text(), Path(f"{place}/new/name").read_text()

    assert in_child(entered, user) == (True, (str(place), "bound", "bound"))
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("text", "source", "target", "read_only"),
    [("/a", "/a", "/a", False), ("/a:/b", "/a", "/b", False), ("/a:/b/:ro", "/a", "/b", True), ("/a:ro", "/a", "/a", True),
     ("/a:/b:rw", "/a", "/b", False), ("/a/../b://c", "/b", "/c", False), ("/a:/dev/mine", "/a", "/dev/mine", False)],
)  # fmt: skip
def test_bind_is_read(text, source, target, read_only):
    bind = plan.Bind(text)
    assert (bind.source, bind.target, bind.read_only) == (source, target, read_only)


@pytest.mark.parametrize(
    "text", ["", ":", "/a:", ":/b", "/a:/b:/c", "/a:b", "/a:/b:rx", "/a:/", "/a:/dev", "/a:/x/../proc"]
)
def test_wrong_binds(text):
    with pytest.raises(LaunchError, match="--bind"):
        plan.Bind(text)


# ---------------------------------------------------------------- binfmt_misc of a view's own


@pytest.mark.parametrize("isolated", [False, True], ids=["merged", "isolated"])
def test_a_linux_program_in_a_users_view_starts_freebsd_programs(root, place, isolated):
    """This Python is the Linux program. The ids are still the user's, two user namespaces deep."""
    if not namespaces_allowed(True):
        harness.not_covered("binfmt_misc in a view", "user namespaces are not allowed here")
    if not mounts._can_have_binfmt() or not PROGRAM.is_file() or harness.engine_missing("sud"):
        harness.not_covered("binfmt_misc in a view", "Linux before 6.7, or nothing to run")
    shutil.copy(PROGRAM, root / "bin" / "demo")

    def entered():
        view.enter(str(root), isolated)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            os.execv("/bin/demo", ["demo", "time", "1"])
        os.close(writing)
        with os.fdopen(reading) as pipe:
            output = pipe.read()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output.strip().isdigit(), os.getuid(), os.getgid()

    ids = (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
    assert in_child(entered, user=True) == (True, (0, True, *ids))


@pytest.mark.parametrize(
    ("release", "can"), [("6.6.1", False), ("5.15.0-generic", False), ("odd", False), ("6.7.0", None)]
)
def test_only_linux_that_can_is_asked(monkeypatch, release, can):
    monkeypatch.setattr(mounts.os, "uname", lambda: type("uname", (), {"release": release}))
    assert mounts._can_have_binfmt() is (os.path.isdir(mounts.BINFMT) and not os.path.exists(mounts.BINFMT + "/lsf")
                                       if can is None else can)  # fmt: skip


def test_a_view_is_entered_where_binfmt_is_refused(root, monkeypatch):
    if not namespaces_allowed(True):
        harness.not_covered("views in a user namespace", "they are not allowed here")
    monkeypatch.setattr(_namespace, "mount_binfmt", refuse)

    def entered():
        view.enter(str(root))
        return Path("/usr/share/mark").read_text()

    assert in_child(entered, user=True) == (True, "mine\n")


# ---------------------------------------------------------------- where mounts are not allowed


def refuse(*_ignored):
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.fixture
def no_namespaces(monkeypatch):
    monkeypatch.setattr(_namespace, "unshare_mounts", refuse)
    monkeypatch.setattr(_namespace, "unshare_user", refuse)


@pytest.mark.skipif(os.getuid() != 0, reason="chroot needs root")
@pytest.mark.parametrize(("isolated", "way"), [(True, "auto"), (True, "chroot"), (False, "chroot")])
def test_chroot_alone(root, no_namespaces, capfd, isolated, way):
    def entered():
        rules = view.enter(str(root), isolated, debug=True, way=way)
        return rules, Path("/etc/mark").read_text(), os.getcwd(), os.listdir("/dev")

    assert in_child(entered) == (True, (None, "mine\n", "/", []))
    assert "chroot" in capfd.readouterr().err
    ok, (status, message) = in_child(lambda: view.enter(str(root), isolated, ("/usr:/x",), way="chroot"))
    assert (ok, status) == (False, STATUS_FAILED)
    assert "--bind" in message


def test_the_merged_view_and_binds_fall_back_to_rules(root, no_namespaces, capfd):
    """chroot could not show the user's files; test_lookup.py has programs that live by the rules."""
    for arguments in ((False, ()), (True, ("/usr:/x",))):
        ok, rules = in_child(lambda arguments=arguments: (view.enter(str(root), *arguments, debug=True), os.getcwd()))
        assert ok
        assert dict(rules[0])["" if arguments[0] else "/etc"] == (str(root) if arguments[0] else f"{root}/etc")
        assert rules[1] == (str(root) if arguments[0] else os.getcwd())
        error = capfd.readouterr().err
        assert error.startswith("lsf: no mount namespaces (")
        assert error.count("\n") == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize(
    ("way", "remedy"), [("namespace", "needs root, or user namespaces"), ("chroot", "CAP_SYS_CHROOT")]
)
def test_where_a_way_is_not_allowed_the_error_names_a_remedy(root, no_namespaces, way, remedy):
    ok, (status, message) = in_child(lambda: view.enter(str(root), way=way), user=True)
    assert (ok, status) == (False, STATUS_FAILED)
    assert remedy in message
    assert str(root) in message
    assert "\n" not in message


def test_apparmor_is_asked_before_a_namespace_is_entered(root, monkeypatch):
    """On Ubuntu everybody gets a user namespace and nobody may do anything in it, nor leave it."""
    real = mounts._setting
    monkeypatch.setattr(mounts, "_setting", lambda name: "1" if "apparmor" in name else real(name))
    monkeypatch.setattr(_namespace, "unshare_mounts", refuse)

    def entered():
        before = os.readlink("/proc/self/ns/user")
        rules = view.enter(str(root))
        return rules is not None, os.readlink("/proc/self/ns/user") == before, os.getuid()

    assert in_child(entered, user=True) == (True, (True, True, NOBODY if os.getuid() == 0 else os.getuid()))


def test_apparmor_is_asked_where_children_are_ignored():
    """With SIGCHLD ignored there is none to wait for; the program inherits it as it was."""
    if not namespaces_allowed(True):
        harness.not_covered("a namespace tried in a child", "they are not allowed here")

    def asked():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        mounts._try_in_child(_namespace)
        return signal.getsignal(signal.SIGCHLD)

    assert in_child(asked, user=True) == (True, signal.SIG_IGN)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_roots_process_without_the_capability_is_as_a_user(root, monkeypatch):
    """A container's root: mount namespaces only through a user namespace."""
    if not namespaces_allowed(True):
        harness.not_covered("views in a user namespace", "they are not allowed here")
    real, calls = _namespace.unshare_mounts, []

    def first_refused():
        calls.append(1)
        return refuse() if len(calls) == 1 else real()

    monkeypatch.setattr(_namespace, "unshare_mounts", first_refused)

    def entered():
        view.enter(str(root))
        return os.getuid(), Path("/usr/share/mark").read_text(), Path("/proc/self/uid_map").read_text().split()

    assert in_child(entered) == (True, (0, "mine\n", ["0", "0", "1"]))


# ---------------------------------------------------------------- the layer over /etc


def read_hash(data: bytes) -> dict[bytes, bytes]:
    """All pairs of a Berkeley DB 1.85 hash file without overflow pages."""

    def big(index: int) -> int:
        return int.from_bytes(data[4 * index : 4 * index + 4], "big")

    assert (big(0), big(1)) == (0x061561, 2)
    order = {1234: "little", 4321: "big"}[big(2)]  # of the pages: FreeBSD's pwd_mkdb has written both
    size, last, pages, check = big(3), big(10), big(15), big(16)
    assert check == pwdb._hash(b"%$sniglet^&\0")
    pairs = {}
    for bucket in range(last + 1):
        spare = big(17 + (bucket + 1 - 1).bit_length() - 1) if bucket else 0
        page = data[(pages + bucket + spare) * size :][:size]
        words = [int.from_bytes(page[2 * i : 2 * i + 2], order) for i in range(1, 1 + int.from_bytes(page[:2], order))]
        end = size
        for key, value in zip(words[::2], words[1::2], strict=True):
            if value < 4:
                continue
            name = page[key:end]
            mask = big(11) if pwdb._hash(name) & big(11) <= last else big(12)
            assert pwdb._hash(name) & mask == bucket
            pairs[name] = page[value:key]
            end = value
    return pairs


def user_row(name: str, uid: int, gecos: str = "", shell: str = "/bin/sh") -> list[str]:
    return [name, "*", str(uid), str(uid), "", "0", "0", gecos, f"/home/{name}", shell]


def test_databases_hold_every_user_under_three_keys():
    rows = [user_row(f"user{number}", number, "x" * (number % 300)) for number in range(1, 700)]
    rows.append(user_row("second", 5))
    public, secret = map(read_hash, pwdb.databases(rows))
    assert len(public) == 1 + 3 * 699 + 2
    for number, row in enumerate(rows, 1):
        record = public[pwdb.BY_NAME + row[0].encode()]
        assert record.startswith(row[0].encode() + b"\0*\0" + int(row[2]).to_bytes(4, "big"))
        assert public[pwdb.BY_NUMBER + number.to_bytes(4, "big")] == record
    assert public[pwdb.BY_UID + (5).to_bytes(4, "big")].startswith(b"user5\0")
    assert public[pwdb.VERSION_KEY] == b"\4"
    assert public == secret


def test_only_the_secret_database_has_passwords():
    row = user_row("someone", 5)
    row[1] = "$6$salt$hash"
    public, secret = pwdb.databases([row])
    assert b"$6$salt" not in public
    assert b"$6$salt" in secret


def test_databases_equal_freebsds_own():
    """A root's pwd.db, as FreeBSD's pwd_mkdb made it, and ours for the same master.passwd hold the same."""
    magic = (0x061561).to_bytes(4, "big")
    whole = [r for r in harness.roots() if (r / "etc/pwd.db").is_file() and (r / "etc/master.passwd").is_file()
             and (r / "etc/pwd.db").read_bytes()[:4] == magic]  # fmt: skip
    if not whole:
        harness.not_covered("pwd.db against FreeBSD's own", "no root with master.passwd and pwd.db in LSF_TEST_ROOTS")
    for root in whole:
        theirs = read_hash((root / "etc/pwd.db").read_bytes())
        ours = read_hash(pwdb.databases(hostetc._root_users(str(root / "etc")))[0])
        assert ours == {
            key: value for key, value in theirs.items() if key[:1] in (b"A", b"B", b"C") or key == pwdb.VERSION_KEY
        }, root


def test_users_and_groups_of_both_sides():
    rows = hostetc.users(
        [user_row("root", 0), user_row("toor", 0), user_row("bind", 53), user_row("nobody", 65534)],
        [["root", "x", "0", "0", "", "/root", "/bin/bash"], ["daemon", "x", "1", "1", "", "/", "/x"],
         ["me", "x", "501", "20", "Me", "/home/me", "/bin/bash"], ["bind", "x", "1001", "1001", "", "/home/b", "/bin/csh"]],
        lambda shell: shell == "/bin/csh", 501)  # fmt: skip
    assert [(row[0], row[2], row[9]) for row in rows] == [
        ("root", "0", "/bin/sh"), ("toor", "0", "/bin/sh"), ("me", "501", "/bin/sh"), ("bind", "1001", "/bin/csh"),
        ("nobody", "65534", "/bin/sh")]  # fmt: skip
    found = hostetc.groups([["wheel", "*", "0", "root"], ["video", "*", "44", ""]],
                           [["root", "x", "0", ""], ["video", "x", "39", ""], ["staff2", "x", "50", "me"],
                            ["other", "x", "51", ""], ["people", "x", "1000", "me"]], {50})  # fmt: skip
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("staff2", "50", "me"), ("people", "1000", "me"), ("wheel", "0", "root"), ("video", "44", "")]  # fmt: skip
    assert hostetc.users([], [], bool, 0)[0][0] == "root"
    assert hostetc.groups([], [], set()) == [["wheel", "*", "0", "root"]]


def test_layer_is_kept_until_its_sources_change(root, place):
    first = hostetc.cached(str(root / "etc"))
    assert first.startswith(str(place / "cache"))
    assert hostetc.cached(str(root / "etc")) == first
    assert stat.S_IMODE(os.stat(f"{first}/spwd.db").st_mode) == 0o600
    (root / "etc" / "master.passwd").write_text("new:*:77:77::0:0:New:/:/bin/sh\n")
    second = hostetc.cached(str(root / "etc"))
    assert second != first
    assert "new:*:77:77" in Path(second, "passwd").read_text()
    assert sorted(os.listdir(place / "cache/lsf/etc")) == sorted(os.path.basename(f) for f in (first, second))


@pytest.mark.parametrize("cache", ["", "/proc/nowhere", "relative"])
def test_without_a_cache_the_layer_is_made_in_memory(root, user, monkeypatch, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", "")

    def entered():
        os.environ["HOME"] = ""
        view.enter(str(root))
        return Path("/etc/hosts").read_bytes(), os.stat("/etc/pwd.db").st_size > 0, writes("/etc/new")

    assert in_child(entered, user) == (True, (Path("/etc/hosts").read_bytes(), True, errno.EROFS))


def test_without_overlays_the_hosts_files_cover_what_the_root_has(root, user, monkeypatch):
    monkeypatch.setattr(_namespace, "mount_layers", refuse)

    def entered():
        view.enter(str(root))
        return Path("/etc/hosts").read_bytes(), Path("/etc/mark").read_text(), os.path.exists("/etc/pwd.db")

    assert in_child(entered, user) == (True, (Path("/etc/hosts").read_bytes(), "mine\n", False))


# ---------------------------------------------------------------- what it costs


def test_a_view_is_entered_in_a_few_milliseconds(root, user):
    """Both the time and the number of mounts are bounded: every start pays for them."""

    def entered():
        before = len(Path("/proc/self/mountinfo").read_text().splitlines())
        start = time.perf_counter()
        view.enter(str(root))
        return time.perf_counter() - start, len(Path("/proc/self/mountinfo").read_text().splitlines()) - before

    in_child(entered, user)  # makes the layer
    runs = [in_child(entered, user)[1] for _ in range(5)]
    assert min(seconds for seconds, _ in runs) < 0.02
    inner = len(Path("/proc/self/mountinfo").read_text().splitlines())
    assert runs[0][1] <= len(os.listdir("/")) + len(os.listdir(root)) + inner + 3


# ---------------------------------------------------------------- FreeBSD's own programs


def freebsd_root() -> Path:
    return harness.root_with("bin/sh", "usr/bin/id", "usr/bin/getent", covers="FreeBSD's programs in a merged view")


@pytest.mark.engines("sud-cli", "ptrace")
def test_freebsd_knows_the_hosts_people(lsf, place, tmp_path):
    root = freebsd_root()
    name, uid = next(
        ((r[0], r[2]) for r in hostetc._rows("/etc/passwd", 7) if 1000 <= int(r[2]) < NOBODY), ("root", "0")
    )
    done = lsf("/bin/sh", "-c", f"cd /; getent passwd {uid}; id -un; cat /etc/hosts; cd {tmp_path}; echo here > file",
               options=["--root", str(root)], env={"XDG_CACHE_HOME": str(place / "cache")}).check(stderr="")  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{name}:*:{uid}:")
    assert (tmp_path / "file").read_text() == "here\n"
    assert done.stdout.endswith(Path("/etc/hosts").read_text())


@pytest.mark.engines("sud-cli")
def test_a_users_program_finds_its_libraries_in_the_root(lsf, place):
    """The program lies in the current directory, on the host; ld-elf.so.1 and libc in the root."""
    root = freebsd_root()
    work = place / "my work"
    work.mkdir()
    shutil.copy(root / "bin/sh", work / "prog")
    done = lsf("./prog", "-c", "echo $0; pwd; exec 3< prog && echo read", options=["--root", str(root)], cwd=work)
    done.check(f"./prog\n{work}\nread\n", stderr="")

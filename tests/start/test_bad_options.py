"""Wrong use of the commands, by real processes: one clear sentence, the right status, nothing left behind.

What a damaged program does is in test_bad_input.py; damaged archives and mirrors are in test_roots_install.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import archives
import harness
import pytest

from lsf.demo import PROGRAM
from lsf.start import usage
from lsf.start.errors import STATUS_FAILED
from lsf.start.options import OPTIONS

LONG = "x" * 5000


@pytest.fixture
def command(tmp_path):
    """`command("lsf", ...)` runs a command to its end, in an empty home and an empty folder."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def run(
        name: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        gone: bool = False,
        user: bool = False,
        before=None,
        **options,
    ) -> subprocess.CompletedProcess:
        module = {"lsf": "lsf.start.cli", "lsfctl": "lsf.ctl.lsfctl"}[name]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(harness.PACKAGE_PARENT),
            "HOME": str(home),
            **(env or {}),
        }
        folder = tmp_path / "gone"
        folder.mkdir(exist_ok=True)

        def prepare() -> None:
            if gone:
                os.chdir(folder)
                folder.rmdir()
            if user:
                harness.as_user(namespaces=True)()
            if before is not None:
                before()

        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={k: v for k, v in environment.items() if v is not None},
            cwd=options.pop("cwd", work),
            preexec_fn=prepare,
            text=True,
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
            **options,
        )

    return run


def said(done: subprocess.CompletedProcess, status: int, *words: str) -> None:
    """It ended with this status and one sentence with these words."""
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(("lsf: ", "lsfctl: ")), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["--root", LONG, "/x"], 125, "neither a FreeBSD root"),
        (["--root", "/" + LONG, "/x"], 125, "File name too long"),
        (["--chdir", LONG, "/x"], 125, "File name too long"),
        (["--truss=" + LONG, "/x"], 125, "File name too long"),
        (["--stats=text:" + LONG, "/x"], 125, "File name too long"),
        (["--ktrace=" + LONG, "/x"], 125, "File name too long"),
        (["--stats=xml", "/x"], 125, "--stats"),
        (["--bind", f"{LONG}:/mnt/x", "/x"], 125, "File name too long"),
        (["--bind", f"/tmp:/mnt/{LONG}", "/x"], 125, "--bind"),
        ([LONG], 127, "not found"),
        (["/" + LONG], 126, ""),
        ([""], 127, "not found"),
        (["."], 127, "not found"),
        (["/"], 126, "/"),
        (["/dev/null"], 126, "/dev/null"),
        (["./nosuch"], 127, "./nosuch"),
        (["--osrelease", "\u0661\u0664.\u0661", "/x"], 125, "--osrelease"),
        (["--osrelease", "13.", "/x"], 125, "--osrelease 13.:"),
        (["--osrelease", "-", "/x"], 125, "14.1-RELEASE"),
        (["--engine", "", "/x"], 125, "auto, sud, trap, ptrace"),
        (["--view", "", "/x"], 125, "auto, namespace, chroot, lookup"),
        (["--view=mount", "/x"], 125, "--view mount"),
        (["--fakeroot=1", "/x"], 125, "--fakeroot takes no argument"),
        (["--chdir", "/etc/passwd", "/x"], 125, "Not a directory"),
        (["--chdir", "", "/x"], 125, "--chdir"),
        (["--root", "/etc/passwd", "/x"], 125, "Not a directory"),
        (["--root", "/proc", "/x"], 125, "it has no libexec, lib, bin, usr, rescue or etc"),
        (["--root", "14.1", "/x"], 125, "14.1"),
        (["--bind", "::", "/x"], 125, "SOURCE[:TARGET][:ro]"),
        (["--bind", "/tmp:/mnt/../proc", "/x"], 125, "/proc is LSF's own"),
        (["--bind", "/tmp:/dev", "/x"], 125, "/dev is LSF's own"),
        (["--bind", "/tmp:/x:y:ro", "/x"], 125, "SOURCE[:TARGET][:ro]"),
        (["---"], 125, "unknown option"),
        (["--=x"], 125, "unknown option"),
        (["-hx"], 125, "takes no argument"),
        (["--help=1"], 125, "takes no argument"),
        (["-U"], 125, "needs an argument"),
        (["-E", "="], 125, "NAME=VALUE"),
        (["--view", "chroot", "--bind", "/tmp:/mnt", "/x"], 125, "--view chroot"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_options(command, arguments, status, word):
    said(command("lsf", *arguments), status, word)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("LSF_ENGINE", "x", "LSF_ENGINE=x"),
        ("LSF_VIEW", "x", "LSF_VIEW=x"),
        ("LSF_BIND", ",", "LSF_BIND"),
        ("LSF_BIND", "/tmp:/dev", "/dev"),
        ("LSF_SET_ENV", ",", "LSF_SET_ENV"),
        ("LSF_SET_ENV", "=B", "LSF_SET_ENV =B"),
        ("LSF_OSRELEASE", "x", "LSF_OSRELEASE=x"),
        ("LSF_CHDIR", "/nosuch", "LSF_CHDIR=/nosuch"),
        ("LSF_TRUSS", "/nosuch/x", "LSF_TRUSS=/nosuch/x"),
        ("LSF_KTRACE", "/nosuch/x", "LSF_KTRACE=/nosuch/x"),
        ("LSF_STATS", "json:/nosuch/x", "/nosuch/x"),
        ("LSF_ROOT", "/nosuch", "/nosuch"),
        ("LSF_ISOLATED", "1", "LSF_ISOLATED needs --root"),
    ],
)
def test_twins(command, name, value, word):
    said(command("lsf", "/x", env={name: value}), 125, word)


def test_every_option_has_a_bad_value_here():
    """But for those that take any value, or none."""
    seen = {argument.split("=")[0] for mark in test_options.pytestmark for case in mark.args[1] for argument in case[0]}
    free = {name for name, (_, _, takes) in OPTIONS.items() if takes == "no"} | {"--argv0"}
    assert set(OPTIONS) - free <= seen


# ---------------------------------------------------------------- surroundings


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["./x"], 127),
        (["x"], 127),
        (["--bind", "/tmp:/mnt", "/x"], 125),
        (["--bind", "x:/mnt", "/x"], 125),
        (["--truss=f", "/x"], 125),
        (["--chdir", "x", "/x"], 125),
        (["--chdir", "/", "/x"], 127),
        (["--root", "x", "/x"], 125),
        (["--root", ".", "/x"], 125),
        (["--view", "lookup", "--bind", "/tmp:/mnt", "/x"], 125),
        (["--view", "lookup", "--root", "./x", "/x"], 125),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_current_directory_that_was_removed(command, arguments, status):
    said(command("lsf", *arguments, gone=True), status)


def test_a_program_runs_in_a_directory_that_was_removed(command):
    done = command("lsf", str(PROGRAM), "time", "1", gone=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("view", ["namespace", "lookup"])
def test_a_root_from_a_directory_that_was_removed(command, tmp_path, view):
    (tmp_path / "root" / "usr").mkdir(parents=True)
    said(
        command("lsf", "--view", view, "--root", str(tmp_path / "root"), "/x", gone=True),
        125,
        "current directory",
        "cd elsewhere",
    )


@pytest.mark.parametrize("home", [None, "", "relative", "/dev/null", "/proc/nonexistent"])
def test_no_home(command, tmp_path, home):
    """The home of the password file serves, or what cannot be said is said; a start without a root needs none."""
    done = command("lsf", str(PROGRAM), "time", "1", env={"HOME": home})
    assert (done.returncode, done.stderr) == (0, "")
    done = command("lsf", "--root", "14.1", "/x", env={"HOME": home})
    said(done, 125, "14.1")
    (tmp_path / "root" / "usr").mkdir(parents=True)
    for view in ("auto", "lookup"):
        said(
            command("lsf", "--view", view, "--root", str(tmp_path / "root"), "/nosuch", env={"HOME": home}),
            127,
            "/nosuch",
        )
    done = command("lsfctl", "root", "path", env={"HOME": home})
    said(done, 125, "no")


def test_what_may_not_be_read(command, tmp_path):
    """As an ordinary user: a root that may not be entered, a program, a truss file, a directory, a store."""
    for name in ("root/usr", "closed/usr", "folder", "store"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("program", "unreadable"):
        (tmp_path / name).write_bytes(PROGRAM.read_bytes())
    (tmp_path / "calls").touch()
    modes = {"closed": 0, "folder": 0, "program": 0o644, "unreadable": 0, "calls": 0o400, "store": 0o500}
    for name, mode in modes.items():
        (tmp_path / name).chmod(mode)

    def user(*arguments: str, name: str = "lsf", **options):
        done = command(name, *arguments, user=True, **options)
        if done.returncode == 99:
            harness.not_covered("bad input as an ordinary user", "user namespaces are not allowed here")
        return done

    try:
        for view in ("namespace", "lookup"):
            said(user("--view", view, "--root", str(tmp_path / "closed"), "/x"), 125, "closed")
            said(
                user("--view", view, "--root", str(tmp_path / "root"), "--bind", f"{tmp_path}/folder/x:/usr/x", "/x"),
                125,
                "folder/x",
            )
        said(user("--chdir", str(tmp_path / "folder"), "/x"), 125, "Permission denied")
        said(user(str(tmp_path / "program")), 126, "permission denied")
        said(user(str(tmp_path / "unreadable")), 126, "permission denied")
        said(user("program", env={"PATH": str(tmp_path)}), 126, "Permission denied")
        said(user(f"--truss={tmp_path}/calls", "/x"), 125, "Permission denied")
        source = tmp_path / "base.tar"
        source.write_bytes(archives.tar([archives.folder("bin")]))
        said(user("root", "import", str(source), name="lsfctl", env={"LSF_ROOTS": str(tmp_path / "store")}), 125)
        assert os.listdir(tmp_path / "store") == []
    finally:
        for name in modes:
            (tmp_path / name).chmod(0o755)


def test_two_roots_with_one_name(command, tmp_path):
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    (tmp_path / "tree" / "bin" / "freebsd-version").write_text('USERLAND_VERSION="14.1-RELEASE"\n')
    (tmp_path / "tree" / "bin" / "freebsd-version").chmod(0o755)
    env = {"LSF_ROOTS": str(tmp_path / "store")}
    done = command("lsfctl", "root", "import", str(tmp_path / "tree"), "--name", "mine", "-q", env=env)
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr
    before = sorted(str(path) for path in (tmp_path / "store").rglob("*"))
    said(
        command("lsfctl", "root", "import", str(tmp_path / "tree"), "--name", "mine", "-q", env=env),
        125,
        "mine",
        "remove",
    )
    assert sorted(str(path) for path in (tmp_path / "store").rglob("*")) == before
    # A folder of the same name here: the store's is taken, as the documentation says.
    (tmp_path / "work" / "mine" / "usr").mkdir(parents=True)
    assert command("lsfctl", "root", "path", "mine", env=env).stdout == f"{tmp_path}/store/mine/root\n"
    assert command("lsfctl", "root", "path", "./mine", env=env).stdout == f"{tmp_path}/work/mine\n"


def test_a_store_on_a_file_system_that_is_read_only(command, tmp_path):
    """Nothing is half-installed, and the place is named."""
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    (tmp_path / "tree" / "bin" / "freebsd-version").write_text('USERLAND_VERSION="14.1-RELEASE"\n')
    store = tmp_path / "store"
    store.mkdir()

    def read_only() -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        uid, gid = os.getuid(), os.getgid()
        if libc.unshare(0x10020000) != 0:
            os._exit(99)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)
        place = os.fsencode(store)
        if libc.mount(b"none", place, b"tmpfs", 1, None) != 0:  # MS_RDONLY
            os._exit(98)

    for arguments in (("import", str(tmp_path / "tree")), ("install", "14.1", "--mirror", "http://127.0.0.1:9")):
        done = command("lsfctl", "root", *arguments, "-q", env={"LSF_ROOTS": str(store)}, before=read_only)
        if done.returncode == 99:
            harness.not_covered("a store that is read-only", "user namespaces are not allowed here")
        said(done, 125, "Read-only file system" if arguments[0] == "import" else "lsfctl")
    assert os.listdir(store) == []


# ---------------------------------------------------------------- output


@pytest.mark.parametrize(
    "arguments",
    [
        ("lsf", "--help"),
        ("lsf", "--version"),
        ("lsfctl", "syscalls"),
        ("lsfctl", "completion", "bash"),
        ("lsfctl", "doctor"),
        ("lsfctl", "binfmt", "line"),
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written(command, arguments):
    with open("/dev/full", "w") as full:
        done = command(*arguments, stdout=full)
    assert done.returncode == (125 if arguments[0] == "lsf" else 1), done.stderr
    assert done.stderr == f"{arguments[0]}: standard output: No space left on device\n"
    done = command(*arguments, before=lambda: os.close(1), stdout=None)
    assert "Traceback" not in done.stderr
    assert done.returncode in ((125,) if arguments[0] == "lsf" else (0, 1))


def test_show_says_that_output_is_closed(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", None)
    assert usage.show("text") == STATUS_FAILED
    assert capfd.readouterr().err == "lsf: standard output: closed\n"


# ---------------------------------------------------------------- lsfctl


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["root", "path", LONG], 125, "neither"),
        (["root", "import", "/nosuch"], 125, "/nosuch"),
        (["root", "install", "x/y"], 125, "x/y"),
        (["root", "install", "--mirror", "x"], 125, "--mirror x"),
        (["root", "pull", ""], 125, "names no registry"),
        (["root", "remove", "../x"], 125, "../x"),
        (["root", "hints", "/etc"], 125, "not a FreeBSD root"),
        (["info", "--root", "/nosuch", "/x"], 125, "/nosuch"),
        (["syscalls", "9" * 5000], 1, "no such syscall"),
        (["syscalls", "x"], 1, "x"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_lsfctl(command, arguments, status, word):
    said(command("lsfctl", *arguments), status, word)


@pytest.mark.parametrize("program", ["", "/nosuch", "/etc", "/dev/null", LONG, "/" + LONG])
def test_info_of_no_program(command, program):
    done = command("lsfctl", "info", program)
    assert (done.returncode, done.stderr) == (1, "")
    assert "It will not start: " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frob"],
        ["binfmt", "frob"],
        ["root"],
        ["root", "frob"],
        ["completion"],
        ["info"],
        ["syscalls", "--format", "xml"],
        ["root", "remove"],
    ],
    ids=" ".join,
)
def test_lsfctl_used_wrongly(command, arguments):
    """argparse's own words, and its status."""
    done = command("lsfctl", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: lsfctl")
    assert "Traceback" not in done.stderr

"""The `lsf` and `lsfctl` commands: options and their environment twins, statuses, and what a start costs."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import harness
import pytest

from lsf.ctl import lsfctl
from lsf.freebsd.tables import table
from lsf.start import cli, launch, usage
from lsf.start.errors import STATUS_FAILED, STATUS_NOT_FOUND
from lsf.start.handover import VERSION
from lsf.start.options import OPTIONS


class Handover(BaseException):
    """Raised in place of execve: the start has come to its end."""


@pytest.fixture
def handover(monkeypatch, tmp_path):
    """`handover(*arguments, **environment)` runs a command line up to its execve and returns what that was given."""
    image = tmp_path / "shim.elf"
    image.write_bytes(b"")
    given = {}

    def execve(file, argv, env):
        given.update(image=os.fstat(file), argv=argv, env=env, words=dict(w.split("=") for w in argv[1].split(",")),
                     inheritable=os.get_inheritable(file), path=argv[2], guest=argv[3:], cwd=os.getcwd())  # fmt: skip
        descriptors = [int(given["words"][key], 16) for key in "il" if key in given["words"]]
        given["truss"] = os.fstat(descriptors[1]) if len(descriptors) > 1 else None
        for fd in descriptors:
            os.close(fd)
        raise Handover

    monkeypatch.setattr(launch, "shim_path", lambda: str(image))
    monkeypatch.setattr(launch.os, "execve", execve)
    monkeypatch.setattr(cli, "_restore_signals", lambda: None)

    def run(*arguments: str, **environment: str):
        given.clear()
        monkeypatch.setattr(cli.os, "environ", {"PATH": "/bin:/usr/bin", **environment})
        try:
            given["status"] = cli.run([str(argument) for argument in arguments])
        except Handover:
            assert os.path.samestat(given["image"], image.stat())
            assert given["inheritable"]
            assert given["argv"][0] == "lsf-handover"
        return given

    cwd = os.getcwd()
    yield run
    os.chdir(cwd)


# ---------------------------------------------------------------- options


def test_plain_start(handover):
    given = handover("/bin/prog", "-x", "--help", "--")
    assert given["words"].keys() == {"v", "i", "e"}
    assert (given["words"]["v"], given["words"]["e"]) == (f"{VERSION:x}", "0")
    assert (given["path"], given["guest"]) == ("/bin/prog", ["/bin/prog", "-x", "--help", "--"])


def test_options_end_at_the_program_and_at_two_dashes(handover):
    assert handover("--debug", "/p", "--debug")["guest"] == ["/p", "--debug"]
    assert handover("--", "/p", "--", "-E")["guest"] == ["/p", "--", "-E"]
    assert handover("--debug", "--", "--debug/x")["guest"] == ["--debug/x"]
    assert handover("-", status=1).get("status") == STATUS_NOT_FOUND  # a program named "-"


@pytest.mark.parametrize(
    ("arguments", "variable", "value", "words"),
    [
        (["--engine", "auto"], "LSF_ENGINE", "auto", {"e": "0"}),
        (["--engine", "sud"], "LSF_ENGINE", "sud", {"e": "1"}),
        (["--engine=trap"], "LSF_ENGINE", "trap", {"e": "2"}),
        (["--osrelease", "13.5-RELEASE"], "LSF_OSRELEASE", "13.5", {"r": f"{1305000:x}"}),
        (["--osrelease=1401000"], "LSF_OSRELEASE", "1401000", {"r": f"{1401000:x}"}),
        (["--debug"], "LSF_DEBUG", "1", {"d": "1"}),
        (["--no-patch"], "LSF_PATCH", "0", {"x": "1"}),
    ],
)
def test_option_and_twin_give_the_same_words(handover, arguments, variable, value, words):
    for given in (handover(*arguments, "/p"), handover("/p", **{variable: value})):
        found = given["words"].copy()
        del found["i"], found["v"]
        assert found == {"e": "0", **words}


@pytest.mark.parametrize("value", ["", "0"])
def test_switches_that_are_off(handover, value):
    assert handover("/p", LSF_DEBUG=value, LSF_TRUSS=value)["words"].keys() == {"v", "i", "e"}
    assert handover("/p", LSF_PATCH="1")["words"].keys() == {"v", "i", "e"}


def test_the_option_wins_over_its_twin(handover):
    assert handover("--engine", "sud", "/p", LSF_ENGINE="trap")["words"]["e"] == "1"
    assert handover("--engine", "sud", "/p", LSF_ENGINE="nonsense")["words"]["e"] == "1"


def test_truss_to_a_file(handover, tmp_path):
    for number, given in enumerate([("--truss={}",), ()]):
        name = tmp_path / f"calls{number}"
        found = handover(*[g.format(name) for g in given], "/p", **({} if given else {"LSF_TRUSS": str(name)}))
        assert os.path.samestat(found["truss"], name.stat())


def test_truss_to_standard_error(handover):
    for found in (handover("--truss", "/p"), handover("/p", LSF_TRUSS="1")):
        assert found["guest"] == ["/p"]
        assert os.path.samestat(found["truss"], os.fstat(2))


def test_argv0_and_chdir(handover, tmp_path):
    (tmp_path / "sub").mkdir()
    assert handover("--argv0", "-sh", "/p", "x")["guest"] == ["-sh", "x"]
    assert handover("--argv0=", "/p")["guest"] == [""]
    assert handover("/p", LSF_ARGV0="-sh")["guest"] == ["-sh"]
    given = handover("--chdir", tmp_path / "sub", "./p")
    assert given["path"] == f"{tmp_path}/sub/./p"
    assert given["guest"] == ["./p"]
    assert handover("./p", LSF_CHDIR=str(tmp_path / "sub"))["cwd"] == str(tmp_path / "sub")


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--"], ["--frob", "/p"], ["-x", "/p"], ["--engine"], ["--engine", "vm", "/p"], ["-E"], ["-E", "NAME", "/p"],
        ["-E", "=v", "/p"], ["--debug=1", "/p"], ["--osrelease", "Linux", "/p"], ["--osrelease", "", "--root"],
        ["--chdir", "/nonexistent", "/p"], ["--truss=/nonexistent/x", "/p"], ["--root", "/nonexistent", "/p"],
        ["--root", "/dev/null", "/p"], ["--root", "/var/empty/lsf", "/p"], ["--isolated", "/p"], ["--isolated=1", "/p"],
        ["--root", "/proc/sys", "/p"], ["--bind", "", "/p"], ["--bind", "a:b:c", "/p"], ["--bind", "/etc:etc", "/p"],
        ["--bind", "/tmp:/dev", "/p"], ["--bind", "/tmp:/", "/p"], ["--bind", "/tmp:/proc/", "/p"],
        ["--bind", "/nonexistent", "/p"], ["--root", "/", "--bind", "/tmp:/nosuchtop", "/p"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_125_and_says_why(handover, capfd, arguments):
    given = handover(*arguments)
    assert given == {"status": STATUS_FAILED}
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("lsf: ")
    assert err.count("\n") == 1


def test_help_names_every_option_and_its_twin(handover, capsys):
    assert handover("--help") == {"status": 0}
    text = capsys.readouterr().out
    assert text == usage.HELP
    for option, (_, variable, _) in OPTIONS.items():
        assert option in text
        assert variable is None or variable in text
    assert handover("-h", "/p") == {"status": 0}


def test_version(handover, capsys):
    assert handover("--version") == {"status": 0}
    assert capsys.readouterr().out.startswith("lsf ")


# ---------------------------------------------------------------- environment


def test_guest_environment_is_the_hosts_without_its_linker(handover):
    given = handover("/p", A="1", LD_PRELOAD="/x.so", LD_LIBRARY_PATH="/y", LSF_DEBUG="0")
    assert given["env"] == {"PATH": "/bin:/usr/bin", "A": "1", "LSF_DEBUG": "0"}


def test_setting_and_unsetting(handover):
    given = handover(
        "-E", "A=1", "-EB=x=y", "-U", "C", "-E", "LD_LIBRARY_PATH=/z", "-UD", "-E", "D=4", "/p", C="3", D="3"
    )
    env = {"PATH": "/bin:/usr/bin"}
    assert given["env"] == {**env, "A": "1", "B": "x=y", "LD_LIBRARY_PATH": "/z", "D": "4"}
    given = handover("-E", "A=2", "/p", LSF_SET_ENV="A=1,B=2", LSF_UNSET_ENV="C,D", C="3", D="3")
    assert {k: v for k, v in given["env"].items() if not k.startswith("LSF_")} == {**env, "A": "2", "B": "2"}


REPORTER = """
import os, sys
from lsf.start import cli, launch
launch.shim_path = lambda: "/usr/bin/env"
def execve(image, argv, env):
    for name, value in env.items():
        os.write(1, os.fsencode(f"{name}={value}\\n"))
    os._exit(0)
launch.os.execve = execve
sys.exit(cli.run(["/p"]))
"""


@pytest.mark.parametrize(
    ("host", "want"),
    [({}, {}), ({"LC_CTYPE": "C.UTF-8"}, {"LC_CTYPE": "C.UTF-8"}), ({"LC_CTYPE": "C"}, {"LC_CTYPE": "C"}),
     ({"BYTES": os.fsdecode(b"\xff\xfe")}, {"BYTES": os.fsdecode(b"\xff\xfe")})],
    ids=str,
)  # fmt: skip
def test_python_adds_nothing_to_the_environment(host, want):
    """In the C locale Python sets LC_CTYPE for itself; a guest that was not given it must not see it."""
    found = subprocess.run([sys.executable, "-c", REPORTER], env={"PYTHONPATH": str(harness.PACKAGE_PARENT), **host},
                           capture_output=True, timeout=20, check=True)  # fmt: skip
    lines = dict(os.fsdecode(line).split("=", 1) for line in found.stdout.splitlines())
    lines.pop("PYTHONPATH")
    assert lines == want


# ---------------------------------------------------------------- processes


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(p for p in (str(harness.PACKAGE_PARENT), os.environ.get("PYTHONPATH")) if p)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, **more}


def test_signals_that_python_ignores_are_given_back():
    """A guest writing into a closed pipe dies of it, as it would anywhere."""
    program = """
        import os, sys
        from lsf.start import cli, launch
        launch.shim_path = lambda: "/bin/sh"
        execve = os.execve
        launch.os.execve = lambda image, argv, env: execve(image, ["sh", "-c", "kill -PIPE $$; kill -XFSZ $$"], env)
        sys.exit(cli.run(["/p"]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), timeout=20, check=False)
    assert done.returncode == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("options", "number"),
    [([], 1402000), (["--osrelease", "13.5"], 1305000)],
    ids=["the root's", "the option's"],
)
def test_release_follows_the_root(handover, monkeypatch, tmp_path, options, number):
    (tmp_path / "root" / "bin").mkdir(parents=True)
    (tmp_path / "root" / "bin" / "freebsd-version").write_text('#!/bin/sh\nUSERLAND_VERSION="14.2-RELEASE-p1"\n')
    monkeypatch.setattr(launch, "enter_view", lambda options: None)
    assert handover("--root", tmp_path / "root", *options, "/p")["words"]["r"] == f"{number:x}"


def test_a_shell_that_the_root_lacks(handover, monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "enter_view", lambda options: None)
    (tmp_path / "root").mkdir()

    def shell(*options: str, host: str) -> str:
        return handover(*options, "/p", SHELL=host)["env"]["SHELL"]

    rooted = ("--root", str(tmp_path / "root"))
    assert shell(*rooted, host="/nonexistent/zsh") == "/bin/sh"
    assert shell(*rooted, host="/bin/cat") == "/bin/cat"
    assert shell(*rooted, "-E", "SHELL=/nonexistent/mine", host="/nonexistent/zsh") == "/nonexistent/mine"
    assert shell(host="/nonexistent/zsh") == "/nonexistent/zsh"


def test_root_by_name(handover, monkeypatch, tmp_path):
    root = tmp_path / "store" / "mine" / "root"
    (root / "bin").mkdir(parents=True)
    (root.parent / "root.conf").write_text("release=14.1-RELEASE\nosreldate=1401000\n")
    entered = []
    monkeypatch.setattr(launch, "enter_view", lambda options: entered.append(options.root))
    given = handover("--root", "mine", "/p", LSF_ROOTS=str(tmp_path / "store"))
    assert entered == [str(root)]
    assert given["words"]["r"] == f"{1401000:x}"


def test_root_by_a_name_that_is_none(handover, capfd, tmp_path):
    assert handover("--root", "nosuch", "/p", LSF_ROOTS=str(tmp_path)) == {"status": STATUS_FAILED}
    assert "nosuch" in capfd.readouterr().err


def test_a_missing_image_is_said():
    program = """
        import sys
        from lsf.start import cli, launch
        launch.shim_path = lambda: "/nonexistent/shim.elf"
        sys.exit(cli.run(["/bin/sh"]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), timeout=20, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == STATUS_FAILED
    assert "/nonexistent/shim.elf" in done.stderr


#: What a start may import beyond what Python itself has loaded. Each costs a part of the 15 ms that a start may take.
ALLOWED = {
    "lsf",
    "lsf.start",
    *(f"lsf.start.{name}" for name in ("cli", "errors", "files", "handover", "launch", "options")),
}
#: So does the default root, where a program is not there or is none of FreeBSD's.
DEFAULT = {"lsf.start.default_root", "lsf.roots"}
#: A view does; the last one where an ordinary user gets a binfmt_misc of its own.
PLAN = {"lsf.roots", "lsf.start.view", "lsf.start.plan"}
VIEW = PLAN | {"lsf._namespace", "lsf.start.mounts", "lsf.start.binfmt_rule"}


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (["/p"], DEFAULT),
        (["/etc/passwd"], {"lsf.start.default_root"}),
        (["-E", "A=1", "--truss", "--osrelease", "13.5", "env"], DEFAULT),
        (["--stats=json", "/p"], DEFAULT | {"lsf.start.stats", "__future__", "fcntl", "mmap"}),
        (["--engine", "ptrace", "/p"], DEFAULT | {"lsf._trace"}),
        (["--root", "none", "/p"], set()),
        (["--root", "/", "/p"], PLAN),
        (["--root", "ROOT", "--isolated", "/p"], VIEW),
        (["--root", "ROOT", "/p"], VIEW | {"lsf.start.hostetc"}),
        (["--view", "lookup", "--root", "ROOT", "/p"], PLAN | {"lsf.start.hostetc", "lsf.start.rules"}),
        (["--frob"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_start_imports_nothing_slow(arguments, more, tmp_path):
    env = environment(XDG_CACHE_HOME=str(tmp_path))
    if "ROOT" in arguments:
        root = tmp_path / "root"
        (root / "etc").mkdir(parents=True)
        arguments = [str(root) if word == "ROOT" else word for word in arguments]
        # The layer over /etc is made at the first start, with one module more, and kept.
        subprocess.run([sys.executable, "-m", "lsf.start.cli", *arguments], env=env, timeout=20, check=False,
                       capture_output=True)  # fmt: skip
    program = f"""
        import sys
        before = set(sys.modules)
        from lsf.start import cli, launch
        launch.shim_path = lambda: "/usr/bin/env"
        def report(*ignored):
            import os
            os.write(1, " ".join(set(sys.modules) - before).encode())
            os._exit(0)
        launch.os.execve = report
        cli.run({arguments!r})
        report()
    """
    if more:
        pytest.importorskip(min(more), reason="an extension is not built")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=env, timeout=20, check=True,
                          capture_output=True, text=True)  # fmt: skip
    # What Cython's modules register for their own use costs nothing.
    found = {name for name in done.stdout.split() if "cython_" not in name}
    assert found <= ALLOWED | more


# ---------------------------------------------------------------- lsfctl


def test_lsfctl_lists_the_table_in_every_format(capsys):
    rows = table.load()
    assert lsfctl.main(["syscalls", "--format", "json"]) == 0
    objects = json.loads(capsys.readouterr().out)
    assert [o["name"] for o in objects] == [row.name for row in rows]
    assert [len(o["arguments"]) for o in objects] == [len(row.arguments) for row in rows]
    assert lsfctl.main(["syscalls", "--format", "csv"]) == 0
    records = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["prototype"] for r in records] == [row.prototype for row in rows]
    assert lsfctl.main(["syscalls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows) + 2
    assert lines[-1].endswith(f"of {len(rows)}")


def test_lsfctl_chooses_rows(capsys):
    assert lsfctl.main(["syscalls", "--format", "json", "read", "20"]) == 0
    assert [o["number"] for o in json.loads(capsys.readouterr().out)] == [3, 20]
    assert lsfctl.main(["syscalls", "--format", "json", "--state", "full"]) == 0
    assert {o["state"] for o in json.loads(capsys.readouterr().out)} == {"full"}
    assert lsfctl.main(["syscalls", "nosuch"]) == 1
    assert "nosuch" in capsys.readouterr().err


def test_lsfctl_ends_quietly_when_its_reader_does():
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m lsf.ctl.lsfctl syscalls --format json | head -1"],
                          env=environment(), capture_output=True, text=True, timeout=20, check=True)  # fmt: skip
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_the_man_page_is_one():
    if shutil.which("mandoc") is None:
        harness.not_covered("the man page", "mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", harness.TESTS.parent / "docs" / "lsf.1"],
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    # Other pages may not be installed here.
    assert [line for line in done.stdout.splitlines() if "referenced manual not found" not in line] == []


def test_the_man_page_names_every_option_and_its_twin():
    page = (harness.TESTS.parent / "docs" / "lsf.1").read_text()
    for option, (_, variable, _) in OPTIONS.items():
        assert "Fl " + option[1:] in page or f", {option[1:]}\n" in page, option
        assert variable is None or f"Ev {variable}" in page

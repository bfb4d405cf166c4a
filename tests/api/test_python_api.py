"""lsf.run, lsf.Popen and lsf.command, and the examples of docs/user/python.md."""

from __future__ import annotations

import doctest
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import harness
import pytest

import lsf
from lsf.api import process
from lsf.demo import PROGRAM

pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="the package is not built")


@pytest.fixture(autouse=True)
def engine():
    if harness.engine_missing("sud"):
        harness.not_covered("lsf.run and lsf.Popen", "the default engine is not to be had")


def test_examples_of_the_documentation():
    """Fenced examples: the fences are no part of what is expected."""
    text = (harness.TESTS.parent / "docs" / "user" / "python.md").read_text()
    example = doctest.DocTestParser().get_doctest(text, {}, "python.md", "docs/user/python.md", 0)
    assert len(example.examples) >= 22
    if harness.engine_missing("ptrace"):
        harness.not_covered(
            "the examples of docs/user/python.md", "one of them traces, and the ptrace engine is not to be had"
        )
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.failed == 0, "".join(report)


def test_fixture_of_the_documentation(tmp_path):
    """The pytest example, with a program in the place of the project's."""
    block = (
        (harness.TESTS.parent / "docs" / "user" / "python.md")
        .read_text()
        .rpartition("```python\n")[2]
        .partition("```")[0]
    )
    assert "--version" in block
    block = block.replace(
        '"./build/freebsd/prog", "--version").stdout == "prog 1.0\\n"', f'"{PROGRAM}", "time", "1").stdout'
    )
    (tmp_path / "test_example.py").write_text(block.replace("libexec/ld-elf.so.1", "etc"))
    loaded = any(point.value == "lsf.api.pytest_plugin" for point in entry_points(group="pytest11"))
    plugin = [] if loaded else ["-p", "lsf.api.pytest_plugin"]
    env = {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)}
    for root, outcome in (("", "1 skipped"), ("/", "1 passed")):
        done = subprocess.run([sys.executable, "-m", "pytest", *plugin, "-q", "-p", "no:cacheprovider", str(tmp_path)],
                              env={**env, "LSF_ROOT": root}, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert outcome in done.stdout, done.stdout


def test_import_is_cheap():
    """The start of every `lsf` imports the package; the API comes when it is asked for."""
    code = "import sys, lsf; assert 'subprocess' not in sys.modules; lsf.run; assert 'subprocess' in sys.modules"
    subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(harness.PACKAGE_PARENT)}, check=True, timeout=20
    )
    assert {"run", "Popen", "command", "trace", "TraceError"} <= set(dir(lsf))
    with pytest.raises(AttributeError):
        _ = lsf.nonsense


@pytest.mark.parametrize("engine", ["auto", "sud", "trap", "ptrace"])
def test_run_on_each_engine(engine):
    reason = harness.engine_missing(engine.replace("auto", "sud"))
    if reason:
        harness.not_covered(f"lsf.run on engine {engine}", reason)
    done = lsf.run([PROGRAM, "time", "10"], engine=engine, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().isdigit()
    assert done.args == [PROGRAM, "time", "10"]


def test_timeout_kills_the_program():
    start = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        lsf.run([PROGRAM, "time", "2000000000"], timeout=0.5)
    assert time.monotonic() - start < 10
    assert caught.value.cmd == [PROGRAM, "time", "2000000000"]


def test_check_raises_with_the_programs_arguments():
    with pytest.raises(subprocess.CalledProcessError) as caught:
        lsf.run("/no/such/program", capture_output=True, check=True)
    assert (caught.value.returncode, caught.value.cmd) == (127, "/no/such/program")
    assert b"not found" in caught.value.stderr


def test_popen_is_the_program_itself():
    with lsf.Popen([PROGRAM, "time", "2000000000"]) as running:
        for _ in range(500):
            if Path(f"/proc/{running.pid}/comm").read_text() == "demo.elf\n":
                break
            time.sleep(0.01)
        else:
            pytest.fail("the process never became the program")
        running.send_signal(signal.SIGUSR1)
    assert running.returncode == -signal.SIGUSR1


@pytest.fixture
def script(tmp_path):
    """A FreeBSD program as a command that reports what it was given: /bin/sh of a root."""
    root = harness.root_with("bin/sh", "usr/bin/id", covers="lsf.run in a root")

    def run(text: str, **options):
        return lsf.run(["/bin/sh", "-c", text], root=root, capture_output=True, text=True, timeout=30, **options)

    return run


def test_root_environment_and_directory(script, tmp_path):
    done = script("echo $A $LD_X $B; pwd; cat", env={"A": "1", "LD_X": "2", "PATH": "/bin"}, setenv={"B": "3"},
                  cwd=tmp_path, input="read")  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == (f"1 2 3\n{tmp_path}\nread", "", 0)
    assert script("pwd; exit 7", isolated=True, chdir="/usr").stdout == "/usr\n"
    assert script("cat /mnt/new/file", binds=[f"{tmp_path}:/mnt/new"]).returncode == 1
    (tmp_path / "file").write_text("bound")
    assert script("cat /mnt/new/file", binds=[f"{tmp_path}:/mnt/new"]).stdout == "bound"


def test_the_programs_linker_variables_do_not_reach_this_python(script):
    """With LD_PRELOAD in its environment, a Linux process would complain."""
    done = script("echo $LD_PRELOAD", env={"LD_PRELOAD": ""})
    assert (done.stdout, done.stderr) == ("\n", "")
    done = lsf.run([PROGRAM, "time", "1"], env={"LD_PRELOAD": "/nonexistent.so"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_command_names_every_option():
    made = lsf.command(["prog", "-x"], root="/r", isolated=True, binds=["/a:/b"], engine="sud", truss="/t", osrelease="14.1",
                       argv0="zero", chdir="/d", patch=False, debug=True, setenv={"A": "b"}, view="lookup", fakeroot=True)  # fmt: skip
    assert made[: made.index("--") + 1][5:] == [
        "--root=/r", "--osrelease=14.1", "--argv0=zero", "--chdir=/d", "--engine=sud", "--view=lookup", "--truss=/t", "--isolated",
        "--fakeroot", "--no-patch", "--debug", "--bind", "/a:/b", "-E", "A=b", "--"]  # fmt: skip
    assert made[made.index("--") + 1 :] == ["prog", "-x"]
    assert set(process._VIEW_OPTIONS) == set(process.command.__kwdefaults__)


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [([], {}, ValueError), (["p"], {"engine": "vm"}, ValueError), (["p"], {"view": "vm"}, ValueError), (["p"], {"shell": True}, TypeError),
     (["p"], {"executable": "/bin/sh"}, TypeError), (["p"], {"input": "", "stdin": 0}, ValueError),
     (["p"], {"capture_output": True, "stdout": 1}, ValueError), (["p"], {"nonsense": 1}, TypeError)],
)  # fmt: skip
def test_wrong_use(arguments, options, error):
    with pytest.raises(error):
        lsf.run(arguments, **options)

"""A program that needs a FreeBSD root, and no --root: it runs in the default one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import harness
import pytest

from lsf import roots
from lsf.start import default_root


def lsf(*words, store=None, cwd=None, **env):
    variables = {key: value for key, value in os.environ.items() if not key.startswith("LSF_")}
    if store is not None:
        variables["LSF_ROOTS"] = str(store)
    else:
        variables["LSF_ROOTS"] = "/nonexistent"
    path = os.pathsep.join(filter(None, (str(harness.PACKAGE_PARENT), variables.get("PYTHONPATH"))))
    variables.update(env, PYTHONPATH=path)
    return subprocess.run([sys.executable, "-m", "lsf.start.cli", *map(str, words)], env=variables, cwd=cwd, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


@pytest.fixture(scope="module")
def static():
    return harness.compile_guest(harness.GUESTS / "minimal" / "minimal.c")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with one small root in it."""
    found = harness.root_with("bin/sh", "bin/ls", "usr/bin/true", covers="the default root")
    folder = tmp_path_factory.mktemp("default")
    harness.copy_root(found, folder / "made", ("bin", "lib", "libexec", "usr/bin", "usr/lib", "etc"))
    store = folder / "store"
    store.mkdir()
    (store / "mine").mkdir()
    shutil.move(folder / "made", store / "mine" / roots.TREE)
    (store / "mine" / roots.CONF).write_text("release=10.1-RELEASE\n")
    return store


# ---------------------------------------------------------------- what needs one


def test_what_needs_a_root(tmp_path, static):
    script, own, text, empty = (tmp_path / name for name in ("script", "own", "text", "empty"))
    script.write_text("#!/bin/sh\nexit 0\n")
    own.write_text(f"#! {static}  x\n")
    text.write_text("no program\n")
    empty.touch()
    needs = {
        name: default_root.needs_root(str(name))
        for name in (static, script, own, text, empty, tmp_path, "/bin/true", "/no/such")
    }
    assert needs == {
        static: False,
        script: True,
        own: False,
        text: False,
        empty: False,
        tmp_path: False,
        "/bin/true": True,
        "/no/such": True,
    }


def test_a_script_that_names_itself(tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!{script}\n")
    assert default_root.needs_root(str(script)) is False


@pytest.mark.parametrize("cut", [0, 3, 16, 63, 64, 100, 300])
def test_damaged_programs(tmp_path, static, cut):
    """Whatever is in a file: an answer, and no exception."""
    program = tmp_path / "program"
    data = bytearray(static.read_bytes()[:4096])
    program.write_bytes(data[:cut])
    default_root.needs_root(str(program))
    for at in range(16, min(cut + 16, 400), 3):
        data[at] ^= 0xFF
    program.write_bytes(data)
    default_root.needs_root(str(program))


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert default_root.needs_root(str(tmp_path / "fifo")) is False


# ---------------------------------------------------------------- starts


def test_a_path_that_the_host_has_not_for_freebsd(store):
    result = lsf("/bin/sh", "-c", "uname; exit 3", store=store)
    assert (result.stdout, result.returncode) == ("FreeBSD\n", 3), result.stderr


def test_a_name_is_looked_for_in_the_root(store):
    result = lsf("true", store=store)
    assert result.returncode == 0, result.stderr
    result = lsf("nosuch-program", store=store)
    assert (result.stderr, result.returncode) == ("lsf: nosuch-program: not found in PATH\n", 127)


def test_a_static_program_stays_on_the_host(store, static, tmp_path):
    """It is told LSF's own release, and not the root's."""
    for where in (None, store):
        result = lsf("--debug", static, store=where, cwd=tmp_path)
        assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
        assert "osreldate 1403000" in result.stderr
    assert "osreldate 1001000" in lsf("--debug", "/bin/sh", "-c", "true", store=store).stderr


def test_none_switches_it_off(store):
    for words, env in ((["--root", "none"], {}), ([], {"LSF_ROOT": "none"}), (["--root", ""], {})):
        result = lsf(*words, "/bin/sh", "-c", "true", store=store, **env)
        assert result.returncode == 126
        assert "not a FreeBSD program" in result.stderr


def test_isolated_takes_it(store):
    result = lsf("--isolated", "/bin/ls", "/", store=store)
    assert result.returncode == 0, result.stderr
    assert "home" not in result.stdout.split()


def test_a_script_runs_in_it(store, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nuname\n")
    script.chmod(0o755)
    for words in ((script,), ("--chdir", tmp_path, "./script")):
        result = lsf(*words, store=store)
        assert (result.stdout, result.returncode) == ("FreeBSD\n", 0), result.stderr


def test_python_too(store, monkeypatch):
    import lsf as package

    monkeypatch.setenv("LSF_ROOTS", str(store))
    monkeypatch.delenv("LSF_ROOT", raising=False)
    done = package.run(["/bin/sh", "-c", "uname"], capture_output=True, text=True)
    assert done.stdout == "FreeBSD\n"
    assert package.run(["/bin/sh", "-c", "true"], root="none", capture_output=True).returncode == 126


def test_without_any_root(tmp_path):
    """The same answers as ever, and a hint where one helps."""
    hint = "there is no FreeBSD root: `lsfctl root install 14` fetches one\n"
    result = lsf("/bin/sh", "-c", "true")
    assert (result.stderr, result.returncode) == (f"lsf: /bin/sh: not a FreeBSD program, but Linux's; {hint}", 126)
    assert "`lsfctl root install 14` fetches one" in lsf("--isolated", "/bin/sh").stderr
    result = lsf("nosuch-program")
    assert (result.stderr, result.returncode) == ("lsf: nosuch-program: not found in PATH\n", 127)
    dynamic = next(iter(harness.roots()), None)
    if dynamic is None or not (dynamic / "bin/ls").is_file():
        harness.not_covered("the hint for a dynamic program", "no root with bin/ls in LSF_TEST_ROOTS")
    result = lsf(dynamic / "bin/ls")
    assert result.returncode == 126
    assert "lsfctl root install" in result.stderr

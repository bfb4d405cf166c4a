"""FreeBSD's own ktrace and kdump, of a root: what the one writes the other reads."""

from __future__ import annotations

import os
import re
import subprocess

import harness
import pytest


@pytest.fixture(scope="module")
def root():
    return harness.root_with("usr/bin/ktrace", "usr/bin/kdump", "bin/sh", "bin/ls", covers="ktrace and kdump")


@pytest.mark.parametrize("engine", ["sud", "trap", "ptrace"])
def test_a_command_and_its_children(root, tmp_path, engine):
    if reason := harness.engine_missing(engine):
        harness.not_covered(f"ktrace under {engine}", reason)
    command = harness.commands(tmp_path / "bin")

    def lsf(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(command / "lsf"), "--engine", engine, "--root", str(root), *arguments],
            cwd=tmp_path, env=os.environ | {"LSF_ROOT": ""}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done = lsf("/usr/bin/ktrace", "-i", "/bin/sh", "-c", "/bin/ls -d / && kill -TERM $$")
    assert done.stdout == "/\n", done.stderr
    text = lsf("/usr/bin/kdump", "-f", "ktrace.out").stdout
    lines = [re.sub(r"^ *\d+ ", "", line) for line in text.splitlines()]
    for wanted in ('ktrace   NAMI  "/bin/sh"', "sh       RET   execve JUSTRETURN", 'ls       NAMI  "/"', "ls       RET   execve JUSTRETURN",
                   "ls       CALL  exit(0)"):  # fmt: skip
        assert wanted in lines, text
    assert any(re.fullmatch(r"ls       GIO   fd 1 wrote 2 bytes", line) for line in lines)
    assert lines[-1].startswith("sh       PSIG  SIGTERM SIG_DFL")


@pytest.mark.parametrize("way", ["option", "variable", "image"])
def test_any_program_without_ktrace(root, tmp_path, way):
    """--ktrace, its twin, and the image started by itself: kdump reads what a shell and its child did."""
    command = harness.commands(tmp_path / "bin")
    guest = harness.compile_guest("start")
    words = {"option": [command / "lsf", "--ktrace", "records", guest], "variable": [command / "lsf", guest],
             "image": [harness.shim_image(), "--", guest]}[way]  # fmt: skip
    env = (
        os.environ | {"LSF_ROOT": "", "LSF_OSRELEASE": "10.1"} | ({} if way == "option" else {"LSF_KTRACE": "records"})
    )
    done = subprocess.run(
        [*map(str, words), "hello"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    kdump = [str(command / "lsf"), "--root", str(root), "/usr/bin/kdump", "-f", "records"]
    text = subprocess.run(
        kdump, cwd=tmp_path, env=os.environ | {"LSF_ROOT": ""}, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    lines = [re.sub(r"^ *\d+ \S+ +", "", line) for line in text.splitlines()]
    assert lines[0] == "RET   execve JUSTRETURN"
    assert any(line.startswith("GIO   fd 1 wrote") for line in lines)
    assert lines[-1] == "CALL  exit(0)"


def test_a_file_that_cannot_be_written(tmp_path):
    command = harness.commands(tmp_path / "bin")
    done = subprocess.run([str(command / "lsf"), "--ktrace", "/nosuch/x", str(harness.compile_guest("start")), "hello"], cwd=tmp_path,
                          env=os.environ | {"LSF_ROOT": ""}, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "lsf: --ktrace=/nosuch/x: No such file or directory\n"

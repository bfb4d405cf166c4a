"""`lsfctl completion`: the scripts in the shells they are for."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import harness
import pytest

from lsf.ctl import completion, lsfctl
from lsf.start.options import ALIASES, ENGINES, OPTIONS


@pytest.fixture(scope="module")
def trees():
    return completion.commands(lsfctl._parser())


@pytest.fixture
def script(tmp_path, capsys):
    """`script(shell)`: the file with the script for a shell; in a folder with two roots and a file beside it."""
    for name in ("14.1-RELEASE", "mine", "broken"):
        (tmp_path / "store" / name).mkdir(parents=True)
        if name != "broken":
            (tmp_path / "store" / name / "root.conf").touch()
    (tmp_path / "work" / "folder").mkdir(parents=True)
    (tmp_path / "work" / "prog").touch()

    def write(shell: str):
        if shutil.which(shell) is None:
            harness.not_covered(f"completion in {shell}", f"{shell} is not installed")
        assert lsfctl.main(["completion", shell]) == 0
        path = tmp_path / f"script.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


BASH = r"""
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_lsf_start
printf '%s\n' "${COMPREPLY[@]}"
"""


def ask_bash(script, words):
    # As bash takes a line apart: = is a word of its own.
    split = [
        part for word in words for part in (re.split("(=)", word, maxsplit=1) if word.startswith("--") else [word])
    ]
    split = [part for place, part in enumerate(split) if part or place == len(split) - 1]
    return ["bash", "--norc", "-c", BASH, "bash", str(script), *split]


def ask_fish(script, words):
    line = " ".join(words)
    return ["fish", "--no-config", "-c", f'source {script}; complete -C "{line}"']


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("words", "wanted", "unwanted"),
    [
        (["lsf", "--r"], {"--root"}, {"--engine"}),
        (["lsf", "--"], {name for name in OPTIONS if name.startswith("--")}, set()),
        (["lsf", "--engine", ""], set(ENGINES), {"prog", "--root"}),
        (["lsf", "--view=l"], {"lookup"}, {"auto"}),
        (["lsf", "--root", ""], {"14.1-RELEASE", "mine", "folder"}, {"broken", "prog"}),
        (["lsf", "--root=m"], {"mine"}, {"14.1-RELEASE"}),
        (["lsf", "--debug", ""], {"prog", "folder"}, {"mine"}),
        (["lsf", "--root", "mine", "./prog", "--e"], set(), {"--engine"}),
        (["lsfctl", ""], {"syscalls", "root", "completion", "binfmt"}, {"install", "prog"}),
        (["lsfctl", "root", ""], {"install", "import", "pull", "remove"}, {"syscalls", "prog"}),
        (["lsfctl", "root", "install", "--"], {"--mirror", "--sha256", "--force"}, {"--tag", "--format"}),
        (["lsfctl", "root", "remove", ""], {"14.1-RELEASE", "mine"}, {"broken"}),
        (["lsfctl", "root", "import", ""], {"prog", "folder"}, {"mine"}),
        (["lsfctl", "syscalls", "--format", ""], {"table", "json", "csv"}, {"prog"}),
        (["lsfctl", "binfmt", "--json", ""], {"install", "remove", "status", "line"}, {"prog"}),
        (["lsfctl", "completion", ""], {"bash", "zsh", "fish"}, {"prog"}),
        (["lsfctl", "run", "--"], {"--rm", "--volume", "--entrypoint"}, {"--force"}),
        (["lsfctl", "run", "--rm", ""], {"14.1-RELEASE", "mine"}, {"broken", "prog"}),
        (["lsfctl", "run", "--volume", ""], {"prog", "folder"}, {"mine"}),
        (["lsfctl", "run", "mine", "./prog", "--r"], set(), {"--rm"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_candidates(script, tmp_path, shell, words, wanted, unwanted):
    command = (ask_bash if shell == "bash" else ask_fish)(script(shell), words)
    done = subprocess.run(
        command,
        cwd=tmp_path / "work",
        env={**os.environ, "LSF_ROOTS": str(tmp_path / "store"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    found = {line.split("\t")[0].rstrip("/").rpartition("=")[2] for line in done.stdout.splitlines()}
    assert wanted <= found
    assert not unwanted & found


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("lsf --vie", "lsf --view="),
        ("lsf --view=loo", "lsf --view=lookup "),
        ("lsf --root mi", "lsf --root mine "),
        ("lsfctl comp", "lsfctl completion "),
        ("lsfctl root inst", "lsfctl root install "),
        ("lsfctl root install --mir", "lsfctl root install --mirror="),
        ("lsfctl root remove mi", "lsfctl root remove mine "),
        ("lsf --debug pr", "lsf --debug prog "),
    ],
)
@pytest.mark.parametrize("way", ["eval", "fpath"])
def test_zsh(script, tmp_path, typed, completed, way):
    """A terminal, a line and the TAB key: zsh completes nowhere else."""
    path = script("zsh")
    functions = tmp_path / "functions"
    functions.mkdir()
    shutil.copy(path, functions / "_lsf")
    load = f"fpath=({functions} $fpath)" if way == "fpath" else ":"
    after = f"source {path}" if way == "eval" else ":"
    start = f"{load}; autoload -Uz compinit; compinit -D -u; {after}; PS1='READY> '; unsetopt zle_bracketed_paste 2>/dev/null; bindkey '^X' echo-line"
    (tmp_path / ".zshrc").write_text(
        'echo-line() { print -r -- "LINE[$BUFFER]" >> $HOME/answer; BUFFER=; zle redisplay }\nzle -N echo-line\n'
        + start.replace("; ", "\n")
        + "\n"
    )
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(tmp_path / "work")
        os.execvpe(
            "zsh",
            ["zsh", "-i"],
            {
                **os.environ,
                "HOME": str(tmp_path),
                "ZDOTDIR": str(tmp_path),
                "TERM": "xterm",
                "LSF_ROOTS": str(tmp_path / "store"),
            },
        )
    try:
        seen, end = b"", time.monotonic() + 60
        answer = tmp_path / "answer"
        sent = False
        # The shell makes the file before it writes the line.
        while time.monotonic() < end and not (answer.exists() and answer.read_text().endswith("\n")):
            if select.select([master], [], [], 0.1)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:
                    break
            if b"READY> " in seen and not sent:
                os.write(master, typed.encode() + b"\t")
                os.write(master, b"\x18")
                sent = True
        assert answer.exists(), seen
        assert answer.read_text() == f"LINE[{completed}]\n"
    finally:
        os.close(master)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_every_option_and_command_is_there(trees):
    """And each has a line of help, for the shells that show one."""
    lsf, ctl = trees
    assert {name for option in lsf.options for name in option.names} == {*OPTIONS, *ALIASES}
    assert all(option.help for _, command in ctl.walk() for option in command.options)
    assert all(command.help for _, command in ctl.walk())
    assert {option.names[0]: option.values is not None for option in lsf.options} == {
        name: takes != "no" for name, (_, _, takes) in OPTIONS.items()
    }
    assert [path for path, _ in ctl.walk()][:2] == ["lsfctl", "lsfctl syscalls"]


def test_a_shell_that_is_none_of_them():
    done = subprocess.run(
        [sys.executable, "-m", "lsf.ctl.lsfctl", "completion", "tcsh"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT)},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "tcsh" in done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        lsfctl.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("lsf ")

"""The quick starts of README.md and docs/user/runners.md, run as they stand there, where their tools are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest

TOP = harness.TESTS.parent
PAGE = (TOP / "docs" / "user" / "runners.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
RUN = [title for title, text in SECTIONS.items() if "```sh" in text]
TOOLS = {
    "Go": ("go",),
    "Meson": ("meson", "ninja", "clang", "ld.lld"),
    "CMake": ("cmake", "ctest", "clang", "ld.lld"),
    "Cargo": ("cargo", "clang", "ld.lld"),
}


@pytest.fixture
def commands(tmp_path) -> Path:
    """A folder with `lsf`, `lsfctl` and `go_freebsd_amd64_exec`, as pip installs them."""
    return harness.commands(tmp_path / "bin")


@pytest.fixture
def shell(commands, tmp_path):
    """`shell(script, **environment)` runs a block in an empty folder."""
    work = tmp_path / "project"
    work.mkdir()

    def run(script: str, **environment: str) -> subprocess.CompletedProcess:
        beside = str(Path(sys.executable).parent)  # meson, go
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("LSF_", "GO", "CARGO_", "RUST"))
        }
        env |= {
            "PATH": f"{commands}:{beside}:{os.environ['PATH']}",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=mod",
            "LC_ALL": "C.UTF-8",
            **environment,
        }
        return subprocess.run(
            ["bash", "-euc", script],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            timeout=600,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


def need(*tools: str, what: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for tool in tools:
        if shutil.which(tool, path=path) is None:
            harness.not_covered(what, f"{tool} is not installed")


def sysroot() -> Path:
    return harness.root_with(
        "usr/include/stdio.h",
        "usr/lib/crt1.o",
        "lib/libc.so.7",
        "libexec/ld-elf.so.1",
        covers="quick starts that compile C",
        releases=(13, 14, 15),
    )


def test_the_page_is_what_is_tested():
    assert [*RUN] == [*TOOLS]
    assert all(SECTIONS[title].count("```sh") == SECTIONS[title].count("```text") == 1 for title in RUN)


@pytest.mark.parametrize("title", RUN)
def test_quick_start(shell, title):
    need(*TOOLS[title], what=f"the quick start with {title}")
    environment = {}
    if title != "Go":
        environment["FREEBSD"] = str(sysroot())
    block = SECTIONS[title].partition("```sh\n")[2].partition("```")[0]
    wanted = SECTIONS[title].partition("```text\n")[2].partition("```")[0].splitlines()
    done = shell(block, **environment)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    missing = [line for line in wanted if line not in output]
    assert not missing, output


def test_a_test_that_fails_fails(shell):
    """What makes all of this worth something: a wrong result is seen."""
    need("go", what="the quick start with Go")
    block = SECTIONS["Go"].partition("```sh\n")[2].partition("```")[0]
    done = shell(block.replace('runtime.GOOS != "freebsd"', 'runtime.GOOS == "freebsd"'))
    assert done.returncode == 1
    assert "--- FAIL: TestSystem" in done.stdout


def readme_commands(number: int) -> list[str]:
    """The commands of README's block of this number."""
    block = (TOP / "README.md").read_text().split("```console\n")[number].partition("```")[0]
    return re.findall(r"^\$ ([^#\n]+?) *(?:#.*)?$", block, re.MULTILINE)


def test_readme(shell):
    """The uses of README: a shell in the root, truss, the counts, Go's tests."""
    lines = [*readme_commands(2), readme_commands(3)[0]]
    root = harness.root_with("bin/sh", "bin/ls", "usr/bin/uname", "usr/bin/wc", covers="README's uses")
    need("go", what="README's uses")
    parts = ("/bin/sh", "--truss", "--stats", "go test")
    assert [part in line for part, line in zip(parts, lines, strict=True)] == [True] * len(parts)
    done = shell(lines[0], LSF_ROOT=str(root))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"FreeBSD \d+\.\d\S*\n *\d+\n", done.stdout), done.stdout
    project = (
        SECTIONS["Go"]
        .partition("```sh\n")[2]
        .partition("```")[0]
        .replace("GOOS=freebsd go test -v ./...\n", lines[3] + " -v\n")
    )
    done = shell(project)
    assert done.returncode == 0, done.stdout + done.stderr
    from lsf.demo import PROGRAM

    done = shell(lines[1].replace("/bin/date", f"{PROGRAM} time 1"))
    assert done.returncode == 0
    assert "getppid()" in done.stderr
    done = shell(lines[2].replace("/bin/date", f"{PROGRAM} time 1"))
    assert done.returncode == 0
    assert "1 process, 1 program" in done.stderr


def test_readme_sets_up(shell, tmp_path):
    """README's two commands, with the wheel for its name and a mirror of our own, and what they give: FreeBSD's shell."""
    wheel = os.environ.get("LSF_TEST_WHEEL")
    if not wheel:
        harness.not_covered("README's set-up", "LSF_TEST_WHEEL names no wheel")
    need("pipx", "uv", what="README's set-up")
    shell_root = harness.root_with("bin/sh", "lib/libc.so.7", covers="README's set-up")
    import archives

    install, fetch = readme_commands(1)
    other = re.search(r"# or: (uv tool install [\w-]+)", (TOP / "README.md").read_text())[1]
    assert (install.split()[-1], other.split()[-1], fetch) == ("freebsd-lsf", "freebsd-lsf", "lsfctl root install 14")
    mine = harness.copy_root(shell_root, tmp_path / "root", ["bin", "lib", "libexec"])
    fast = {**os.environ, "XZ_OPT": "-0"}
    packed = subprocess.run(["tar", "-C", mine, "-cJf", "-", "."], env=fast, capture_output=True, check=True).stdout
    server = archives.Server()
    server.files["/"] = b'<a href="14.99-RELEASE/">14.99-RELEASE/</a>'
    server.files["/14.99-RELEASE/MANIFEST"] = archives.manifest(packed)
    server.files["/14.99-RELEASE/base.txz"] = packed
    places = {
        name: str(tmp_path / name)
        for name in ("PIPX_HOME", "PIPX_BIN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    }
    try:
        for command, folder in ((install, "PIPX_BIN_DIR"), (other, "UV_TOOL_BIN_DIR")):
            script = command.replace("freebsd-lsf", f"--python {sys.executable} {wheel}")
            script += f'\nPATH="${folder}:$PATH"; test "$(command -v lsf)" = "${folder}/lsf"\n'
            script += f'{fetch}\nlsf /bin/sh -c "echo FreeBSD says yes"; lsfctl root remove 14.99-RELEASE'
            done = shell(script, LSF_MIRROR=server.url, **places)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "FreeBSD says yes\n" in done.stdout
    finally:
        server.close()

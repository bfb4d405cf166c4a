"""The wheel that LSF_TEST_WHEEL names (.ci/run builds it): what is in it, and that pip, pipx, uv and action.yml take it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import actions
import harness
import pytest
from test_action import mirror, small_base  # noqa: F401  # fixtures

TOP = harness.TESTS.parent


@pytest.fixture(scope="module")
def wheel() -> Path:
    name = os.environ.get("LSF_TEST_WHEEL", "")
    if not name:
        harness.not_covered("the wheel", "LSF_TEST_WHEEL names none (pip wheel --no-deps .)")
    return Path(name).absolute()


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not found:
        harness.missing_tool("the wheel", f"{name} is not installed: pip install {name}")
    return found


def run(command: list[object], **environment: str) -> str:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LSF_", "PYTHON", "VIRTUAL_ENV", "PIPX_", "UV_TOOL"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def works(folder: Path) -> None:
    """Whether the commands in a folder run FreeBSD programs."""
    assert re.fullmatch(r"lsf \d\S*\n", run([folder / "lsf", "--version"]))
    assert "This machine is fit for LSF" in run([folder / "lsfctl", "demo"])
    assert re.match(r"lsf-oci version \d", run([folder / "lsf-oci", "--runtime", "true", "--version"]))
    assert "requests" not in run([folder / "lsfctl", "root", "list"], LSF_ROOTS="/nonexistent")
    first, rest = (folder / "lsf").resolve().read_text().split("\n", 1)
    assert re.match(r"#!/\S+/python", first)
    assert rest == (TOP / "scripts/lsf").read_text().split("\n", 1)[1], (
        "an installer put its own start in the script's place"
    )


def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        scripts = {name.rpartition("/")[2]: archive.read(name).decode() for name in names if ".data/scripts/" in name}
        about = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
        program = next(name for name in names if name.endswith(".data/data/bin/lsf-oci"))
        assert archive.getinfo(program).external_attr >> 16 & 0o777 == 0o755
        assert archive.read(program)[:4] == b"\x7fELF"
    assert {"lsf", "go_freebsd_amd64_exec", "lsf-oci-config"} == set(scripts)
    assert [text.split("\n")[0] for text in scripts.values()] == ["#!python"] * 3
    assert "\nName: freebsd-lsf\n" in about
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", about, re.MULTILINE)
    assert {"cryptography", "pyelftools", "requests", "tqdm", "zstandard"} == set(required)
    for name in ("lsf/shim.elf", "lsf/demo/demo.elf", "lsf/freebsd/tables/syscalls.master", "lsf/py.typed"):
        assert name in names
    assert not [
        name
        for name in names
        if name.startswith(("tests/", "benchmarks/", "scripts/")) or name.endswith((".c", ".pyx", ".pxi"))
    ]


def test_which_systems_it_fits(wheel):
    """glibc 2.28 or later: Debian 10, RHEL 8, Ubuntu 20.04."""
    told = run([tool("auditwheel"), "show", wheel])
    newest = re.search(r'"manylinux_2_(\d+)_x86_64"', told.replace("\n", " "))
    assert newest and int(newest[1]) <= 28, told


def test_pip(wheel, tmp_path):
    run([sys.executable, "-m", "venv", tmp_path / "venv"])
    run([tmp_path / "venv/bin/pip", "install", "-q", wheel])
    works(tmp_path / "venv/bin")
    run(
        [
            tmp_path / "venv/bin/python",
            "-c",
            "import cryptography, requests, tqdm, zstandard, lsf._structs, lsf._trace, lsf._namespace",
        ]
    )


def test_pipx(wheel, tmp_path):
    run(
        [tool("pipx"), "install", "--python", sys.executable, wheel],
        PIPX_HOME=str(tmp_path / "home"),
        PIPX_BIN_DIR=str(tmp_path / "bin"),
    )
    works(tmp_path / "bin")


def test_the_commands_of_readme(wheel, mirror, tmp_path):  # noqa: F811
    """README's first screen, as it is typed in a clean home: the wheel stands for the registry, a mirror on loopback for FreeBSD's.

    The packages of pkg(8), the build systems and the engines have tests of their own.
    """
    screen = (TOP / "README.md").read_text().partition("## Install")[0]
    typed = [line.partition(" #")[0].strip() for line in re.findall(r"^\$ (.*)$", screen, re.MULTILINE)]
    install, *rest = typed
    assert install == "pipx install freebsd-lsf"
    chosen = [command for command in rest if re.match(r"lsfctl root|lsf /bin/sh|lsf --stats|lsfctl run", command)]
    assert len(chosen) == 5
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pipx").symlink_to(tool("pipx"))
    home = tmp_path / "home"
    project = home / "project"
    project.mkdir(parents=True)
    (project / "run-tests.sh").write_text("#!/bin/sh\nuname -s > tested\n")
    (project / "run-tests.sh").chmod(0o755)
    network = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")
    }
    clean = {**network, "HOME": str(home), "PATH": f"{home}/.local/bin:{tools}:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
             "PIPX_DEFAULT_PYTHON": sys.executable, "PIP_FIND_LINKS": f"{wheel.parent} {network.get('PIP_FIND_LINKS', '')}",
             "UV_FIND_LINKS": str(wheel.parent), "LSF_MIRROR": mirror.url, "no_proxy": "127.0.0.1"}  # fmt: skip
    script = "\n".join([install, *chosen]).replace(" IMAGE ", " 14 ")
    script = script.replace("/bin/date", "/bin/sh -c :").replace("; ls / | wc -l", "")  # the mirror's userland is small
    done = subprocess.run(["/bin/sh", "-exc", script], cwd=project, env=clean, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    at = lines.index("14.92-RELEASE")
    assert lines[at + 1 :] == ["FreeBSD 14.92-RELEASE", "work"], done.stdout
    assert (project / "tested").read_text() == "FreeBSD\n", done.stdout + done.stderr


def test_uv(wheel, tmp_path):
    run([tool("uv"), "tool", "install", "--python", sys.executable, wheel],
        UV_TOOL_DIR=str(tmp_path / "tools"), UV_TOOL_BIN_DIR=str(tmp_path / "bin"))  # fmt: skip
    works(tmp_path / "bin")


def test_the_action_installs_it(wheel, tmp_path):
    """And does not again for a second use in the same job; what was half made by one that was killed is made anew."""
    root = harness.root_with("bin/sh", "lib/libc.so.7", covers="the action with a wheel")
    mine = harness.copy_root(root, tmp_path / "root", ["bin", "lib", "libexec", "etc"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    network = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")
    }
    job = actions.Job(tmp_path, TOP, actions.clean_path(tmp_path / "bin"), network)
    (job.temp / "lsf/venv/bin").mkdir(parents=True)
    inputs = {"lsf": str(wheel), "root": str(mine), "run": "echo ran"}
    done = job.uses(inputs)
    assert (done.status, done.errors) == (0, []), done.log
    assert "ran\n" in done.log
    found = shutil.which("lsf", path=job.path)
    assert found and os.path.realpath(found) == str(job.temp / "lsf/venv/bin/lsf")
    assert shutil.which("python3", path=job.path) == str(tmp_path / "bin/python3"), "LSF's python is no other step's"
    made = (job.temp / "lsf/venv/pyvenv.cfg").stat().st_mtime_ns
    assert job.uses(inputs).status == 0
    assert (job.temp / "lsf/venv/pyvenv.cfg").stat().st_mtime_ns == made
    done = job.uses({"lsf": str(tmp_path / "none.whl")})
    assert done.status == 125 and "LSF cannot be installed" in done.errors[0], done.log

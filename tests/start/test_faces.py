"""What LSF says: nonsense is blamed on where it came from, a program is called what it is, and a remedy is one that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import archives
import harness
import pytest
from test_bad_options import command, said  # noqa: F401  a fixture

from lsf import info, roots
from lsf.api import events
from lsf.start.options import OPTIONS, Options, check_twins, options_from_environment

IMAGE = pytest.mark.engines("sud", "trap")
COMMAND = pytest.mark.engines("sud-cli")

# ---------------------------------------------------------------- variables


@pytest.mark.parametrize("value", ["maybe", "2", "-1", "YES PLEASE", "1 ", "\u0661"])
@pytest.mark.parametrize("variable", ["LSF_PATCH", "LSF_DEBUG", "LSF_ISOLATED", "LSF_FAKEROOT"])
def test_a_switch_that_is_none(command, variable, value):  # noqa: F811
    said(command("lsf", "/x", env={variable: value}), 125, f"{variable}={value}: neither 1 nor 0")


@pytest.mark.parametrize(
    ("variable", "value", "option"),
    [
        ("LSF_ENGINE", "foo", "--engine"),
        ("LSF_ENGINE", "Sud", "--engine"),
        ("LSF_VIEW", "mount", "--view"),
        ("LSF_ROOT", "no such root", "--root"),
        ("LSF_ROOT", "/etc/passwd", "--root"),
        ("LSF_BIND", "/nosuch:/mnt", "--bind"),
        ("LSF_BIND", "/tmp:/mnt/x,/nosuch:/mnt", "--bind"),
        ("LSF_BIND", "a:b:c:d", "--bind"),
        ("LSF_STATS", "xml", "--stats"),
        ("LSF_STATS", "json:/nosuch/x", "--stats"),
        ("LSF_TRUSS", "/nosuch/x", "--truss"),
        ("LSF_OSRELEASE", "Linux", "--osrelease"),
        ("LSF_CHDIR", "/nosuch", "--chdir"),
        ("LSF_ISOLATED", "1", "--isolated"),
        ("LSF_SET_ENV", "A", "-E"),
        ("LSF_UNSET_ENV", "A=B", "-U"),
    ],
)
def test_nonsense_is_blamed_on_its_variable(command, variable, value, option):  # noqa: F811
    done = command("lsf", "/x", env={variable: value})
    said(done, 125, variable)
    assert done.stderr.startswith(f"lsf: {variable}"), done.stderr
    assert f"{option} " not in done.stderr.replace("needs --root", ""), done.stderr
    assert value.split(",")[-1] in done.stderr or variable == "LSF_ISOLATED"


@pytest.mark.parametrize(
    ("option", "good"), [("--engine", "sud"), ("--view", "auto"), ("--osrelease", "13.5"), ("--chdir", "/")]
)
def test_the_option_wins_and_is_blamed(command, option, good):  # noqa: F811
    variable = OPTIONS[option][1]
    said(command("lsf", option, good, "/nosuch/program", env={variable: "nonsense"}), 127)
    said(command("lsf", option, "rubbish", "/x", env={variable: good}), 125, f"{option} rubbish")
    said(command("lsf", option, "rubbish", "/x", env={variable: "nonsense"}), 125, f"{option} rubbish")
    assert command("lsf", "--help", env={variable: "nonsense"}).returncode == 0
    assert command("lsf", "--no-patch", "/nosuch/program", env={"LSF_PATCH": "maybe"}).returncode == 127


def test_two_binds_and_two_blames(command):  # noqa: F811
    done = command("lsf", "--bind", "/nosuch:/mnt", "/x", env={"LSF_BIND": "/tmp:/mnt/y"})
    said(done, 125, "lsf: --bind /nosuch:/mnt: No such file")


@pytest.mark.parametrize("value", ["1", "yes", "on", "true", "0", "no", "off", "false", ""])
def test_words_for_switches(monkeypatch, value):
    options = Options()
    variables = {"LSF_PATCH": value, "LSF_DEBUG": value, "LSF_TRUSS": value, "LSF_STATS": value}
    twins = options_from_environment(variables, options, {})
    check_twins(twins, options)
    on = value in ("1", "yes", "on", "true")
    assert (options.debug, options.truss, options.stats) == (on, "" if on else None, "" if on else None)
    assert options.patch == (on or value == "")


@IMAGE
def test_the_images_own_variables(lsf):
    """The image as a command of its own, which binfmt_misc starts."""
    program = harness.compile_guest("start")
    for variable, value, words in (("LSF_ENGINE", "foo", "LSF_ENGINE must be"), ("LSF_PATCH", "maybe", "LSF_PATCH must be 1 or 0"),
                                   ("LSF_DEBUG", "2", "LSF_DEBUG must be 1 or 0"), ("LSF_OSRELEASE", "x", "LSF_OSRELEASE must be"),
                                   ("LSF_TRUSS", "/nosuch/x", "LSF_TRUSS: cannot be written to")):  # fmt: skip
        result = lsf(program, "hello", env={variable: value})
        assert (result.returncode, result.stderr.count("\n")) == (125, 1), result.explain()
        assert words in result.stderr
        assert value in result.stderr
    for value in ("0", "no", "off", "false", "", "1", "yes", "on", "true"):
        for variable in ("LSF_PATCH", "LSF_TRUSS"):
            result = lsf(program, "hello", env={variable: value})
            result.check(stdout="hello from FreeBSD/amd64\nok start.hello\n", stderr=None)
            traced = variable == "LSF_TRUSS" and value in ("1", "yes", "on", "true")
            assert ("write(" in result.stderr) == traced
    assert os.listdir(lsf.cwd) == [], "no file is called on"


@pytest.mark.parametrize(
    ("variable", "arguments"), [("LSF_MIRROR", ("install", "14.1")), ("LSF_REGISTRY", ("pull", "base"))]
)
@pytest.mark.parametrize("value", ["bad host!", "ftp://x", "://", "http://[", "a b"])
def test_variables_of_roots(command, variable, arguments, value, tmp_path):  # noqa: F811
    pytest.importorskip("requests")
    done = command("lsfctl", "root", *arguments, env={variable: value, "LSF_ROOTS": str(tmp_path / "s")})
    said(done, 125, variable, value)
    assert "--mirror" not in done.stderr


# ---------------------------------------------------------------- binds


@pytest.mark.parametrize("options", [(), ("--view", "lookup"), ("--view", "namespace")], ids=" ".join)
@pytest.mark.parametrize("bind", ["/nosuch", "/nosuch:/mnt", "/nosuch:/nosuch/either:ro", "nosuch:/mnt"])
def test_a_bind_of_what_is_not_there(command, options, bind):  # noqa: F811
    done = command("lsf", *options, "--bind", bind, "/x")
    if "lookup" in options and bind.endswith(":ro"):
        said(done, 125, f"--bind {bind}: only mount namespaces")
    else:
        said(done, 125, f"--bind {bind}: No such file or directory")


# ---------------------------------------------------------------- whose program it is

OTHERS = {
    "NetBSD by its note": (archives.elf(owner=b"NetBSD\0", osabi=0), "a NetBSD program"),
    "NetBSD by OSABI": (archives.elf(owner=b"", osabi=2), "a NetBSD program"),
    "NetBSD by its linker": (archives.elf(owner=b"", osabi=0, interp=b"/usr/libexec/ld.elf_so\0"), "a NetBSD program"),
    "OpenBSD by its note": (archives.elf(owner=b"OpenBSD\0", osabi=0), "an OpenBSD program"),
    "OpenBSD by OSABI": (archives.elf(owner=b"", osabi=12), "an OpenBSD program"),
    "OpenBSD by its linker": (archives.elf(owner=b"", osabi=0, interp=b"/usr/libexec/ld.so\0"), "an OpenBSD program"),
    "DragonFly by its note": (archives.elf(owner=b"DragonFly\0", osabi=0), "a DragonFly BSD program"),
    "DragonFly by its linker": (archives.elf(owner=b"", osabi=0, interp=b"/usr/libexec/ld-elf.so.2\0"), "a DragonFly BSD program"),
    "illumos": (archives.elf(owner=b"", osabi=6), "a Solaris or illumos program"),
    "OpenBSD for arm64": (archives.elf(owner=b"", osabi=12, machine=183), "an OpenBSD program"),
}  # fmt: skip


@pytest.mark.engines("sud", "sud-cli", "ptrace")
@pytest.mark.parametrize("name", OTHERS)
def test_another_systems_program_is_called_what_it_is(lsf, name):
    image, words = OTHERS[name]
    program = lsf.cwd / "prog"
    program.write_bytes(image)
    program.chmod(0o755)
    result = lsf(program)
    assert (result.returncode, result.stderr) == (126, f"lsf: {program}: {words}, and LSF runs FreeBSD's only\n")
    told = info.explain(str(program))
    assert "Linux" not in told
    assert words.split()[1] in told or "aarch64" in told


@pytest.mark.engines("sud", "ptrace")
@pytest.mark.parametrize("owner", [b"FreeBSD\0", b""], ids=["note", "OSABI"])
def test_freebsds_is_freebsds(lsf, owner):
    """FreeBSD looks at its own note, then at OSABI, before all else (imgact_elf.c, get_brandinfo)."""
    program = lsf.cwd / "prog"
    program.write_bytes(archives.elf(owner=owner, osabi=9 if not owner else 2))
    program.chmod(0o755)
    assert "program" not in lsf(program).stderr


def test_a_guest_does_not_execute_it(lsf):
    """To FreeBSD it is no program (ENOEXEC); Linux would run it, and take its calls for Linux's."""
    program = lsf.cwd / "prog"
    program.write_bytes(archives.elf(owner=b"OpenBSD\0", osabi=0))
    program.chmod(0o755)
    lsf(harness.compile_guest("observed"), "@executes").check(stdout="ENOEXEC\n")


# ---------------------------------------------------------------- roots


@pytest.mark.parametrize("name", ["14", "14.1", "14.1-RELEASE", "15.0-BETA2", "9"])
def test_a_release_that_is_not_installed(command, name):  # noqa: F811
    said(command("lsf", "--root", name, "/x"), 125, f"`lsfctl root install {name}` fetches it")
    said(
        command("lsf", "/x", env={"LSF_ROOT": name}),
        125,
        f"LSF_ROOT={name}",
        f"`lsfctl root install {name}` fetches it",
    )


@pytest.mark.parametrize(
    "name", ["mine", "14x", "14.1.2.3", "1.2.3", "14-RELEASE-x", "141", "-", "x14", "14.", "\u0661\u0664"]
)
def test_what_is_no_release(root_store, name):
    with pytest.raises(roots.RootError) as caught:
        roots.resolve(name)
    assert "install" not in str(caught.value)


def test_what_install_takes_is_named_alone():
    """The two ways to know a release agree."""
    from lsf.roots import mirror

    for name in ("14", "14.1", "14.1-RELEASE", "14.1.2-RELEASE", "15.0-BETA2", "15.0-ALPHA1", "14-RELEASE", "x", "141",
                 "14.1-FOO", "1.2.3", ""):  # fmt: skip
        taken = bool(mirror._RELEASE.fullmatch(name) or mirror._SHORT.fullmatch(name))
        assert roots.is_release(name) == taken, name


def test_the_command_that_brings_requests_is_one(tmp_path):
    """As where the dependencies were left out."""
    program = "import sys; sys.modules['requests'] = None; from lsf.ctl import lsfctl; sys.exit(lsfctl.main())"
    done = subprocess.run([sys.executable, "-c", program, "root", "install", "14.1"], capture_output=True, text=True, check=False,
                          env={**os.environ, "LSF_ROOTS": str(tmp_path), "PYTHONPATH": str(harness.PACKAGE_PARENT)})  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    told = done.stderr.split("`")[1].split()
    assert told[:4] == [sys.executable, "-m", "pip", "install"]
    assert "requests" in told


@COMMAND
@pytest.mark.parametrize("options", [(), ("--isolated",), ("--bind", "/etc:/mnt"), ("--fakeroot",)], ids=" ".join)
def test_without_proc_paths_are_looked_up(lsf, options):
    if os.getuid() != 0:
        harness.not_covered("a start without /proc", "only root can make a place without")
    root = lsf.cwd / "root"
    (root / "libexec").mkdir(parents=True)
    (root / "bin").mkdir()
    shutil.copy(harness.compile_guest("start"), root / "bin/prog")

    def run(*more: str) -> subprocess.CompletedProcess:
        program = lsf.command("/bin/prog", "hello", options=["--root", str(root), *options, *more])
        return subprocess.run(["unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh", *program], capture_output=True,
                              text=True, check=False, env=lsf.environment({}), cwd=lsf.cwd, timeout=60)  # fmt: skip

    done = run()
    if done.stderr.startswith(("unshare", "umount")):
        harness.not_covered("a start without /proc", done.stderr.strip())
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello from FreeBSD/amd64\nok start.hello\n", "")
    done = run("--view", "namespace")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "there is no /proc here" in done.stderr
    assert "mount -t proc" in done.stderr


# ---------------------------------------------------------------- Python


def test_names_that_were_meant():
    with pytest.raises(ValueError, match=r"no syscall 'stat'; there is freebsd11_stat, fstat, .*fstatat"):
        events.call_number("stat")
    with pytest.raises(ValueError, match="there is SIGTERM"):
        events.signal_number("TERM")
    with pytest.raises(ValueError, match="there is EAGAIN|there is EWOULDBLOCK"):
        events.errno_number("EWOULDBLOK")
    for nothing in ("", "x", "zzzzzz", "\n"):
        with pytest.raises(ValueError, match="no syscall") as caught:
            events.call_number(nothing)
        assert "there is" not in str(caught.value)

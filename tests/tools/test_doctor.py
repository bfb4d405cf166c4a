"""`lsfctl doctor`: each probe is told that a thing is refused, by refusing it, and says what follows."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import re
import subprocess
import sys
import textwrap

import harness
import pytest

from lsf.ctl import doctor, lsfctl

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filters name x86-64's syscalls")

#: Linux's numbers
NUMBERS = {"mmap": 9, "ptrace": 101, "prctl": 157, "chroot": 161, "mount": 165, "unshare": 272, "seccomp": 317,
           "memfd_create": 319}  # fmt: skip

#: Run in a child before the probes: refuse a syscall with an errno, where an argument (or its upper half) has a value.
REFUSE = """
import ctypes, sys
def refuse(number, error, argument=None, value=0, upper=False):
    F = type("F", (ctypes.Structure,), {"_fields_": [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte),
                                                     ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]})
    P = type("P", (ctypes.Structure,), {"_fields_": [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(F))]})
    tests = [(0x20, 0, 0, 0), (0x15, 0, 3 if argument is not None else 1, number)]
    if argument is not None:
        tests += [(0x20, 0, 0, 16 + 8 * argument + 4 * upper), (0x15, 0, 1, value)]
    code = (F * 8)(*[F(*t) for t in [*tests, (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7fff0000)]])
    program = P(len(tests) + 2, ctypes.cast(code, ctypes.POINTER(F)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.addressof(program), 0, 0) == 0, ctypes.get_errno()
"""


def examine(refusals: str = "", **environment: str) -> tuple[int, dict]:
    """`lsfctl doctor --json` in a process where some things are refused."""
    code = (
        REFUSE
        + textwrap.dedent(refusals)
        + "\nfrom lsf.ctl import lsfctl\nsys.exit(lsfctl.main(['doctor', '--json']))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(harness.PACKAGE_PARENT), **environment}
    env.pop("LSF_ROOT", None)
    env.update(environment)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stderr == "", done.stderr
    result = json.loads(done.stdout)
    result["by_name"] = {check["name"]: check for check in result["checks"]}
    assert done.returncode == (0 if result["fit"] else 1)
    return done.returncode, result


def refused(refusals: str, name: str, words: str = "refused", **environment: str) -> dict:
    """Check that the probe `name` fails where some things are refused, and says what follows and helps."""
    _, result = examine(refusals, **environment)
    check = result["by_name"][name]
    assert check["ok"] is False, check
    assert words in check["found"], check
    assert check["follows"] and check["remedy"], check
    return result


@pytest.fixture(scope="module")
def here():
    """What the doctor says of this machine as it is."""
    return examine()[1]


def need(here: dict, name: str) -> None:
    """The probe has something to lose on this machine."""
    if here["by_name"][name]["ok"] is not True:
        harness.not_covered(f"doctor's probe of {name}, refused", "this machine has it not anyway")


def test_the_shape_of_the_answer(here):
    assert here.keys() >= {"fit", "verdict", "checks"}
    assert [check["name"] for check in here["checks"]][:5] == [
        "kernel", "installation", "fsgsbase", "address window", "syscall user dispatch"]  # fmt: skip
    for check in here["checks"]:
        assert check.keys() == {"name", "ok", "found", "follows", "remedy", "needed"} and check["found"]
        assert check["ok"] is not False or check["name"].startswith("engine") or (check["follows"] and check["remedy"])
    assert here["by_name"]["kernel"]["ok"] and os.uname().release in here["by_name"]["kernel"]["found"]


def test_it_agrees_with_the_engines(here):
    """What the probes say of the engines is what happens when a FreeBSD program runs on them."""
    if not harness.shim_image():
        pytest.fail("lsf/shim.elf is not built: python setup.py build_ext --inplace", pytrace=False)
    for probe, engine in (("syscall user dispatch", "sud"), ("seccomp filters", "trap"), ("ptrace", "ptrace")):
        assert (
            here["by_name"][probe]["ok"]
            == here["by_name"][f"engine {engine}"]["ok"]
            == (harness.engine_missing(engine) is None)
        )
    assert here["fit"] == any(here["by_name"][f"engine {engine}"]["ok"] for engine in doctor.ENGINES)


def test_syscall_user_dispatch(here):
    need(here, "syscall user dispatch")
    result = refused(f"refuse({NUMBERS['prctl']}, {errno.EINVAL}, 0, 59)", "syscall user dispatch", "Invalid argument")
    assert result["by_name"]["engine sud"]["ok"] is False
    assert result["by_name"]["engine trap"]["ok"] == here["by_name"]["engine trap"]["ok"]
    assert result["fit"] == here["by_name"]["engine trap"]["ok"] and "syscall user dispatch" in result["verdict"]


def test_a_dispatch_that_is_only_announced(monkeypatch):
    """A sandbox that answers prctl with success and does nothing."""
    assert doctor._child(lambda libc: 255) == 255
    monkeypatch.setattr(doctor, "_try_sud", lambda libc: 255)
    check = doctor.check_sud()
    assert check.ok is False and "no call is dispatched" in check.found


def test_seccomp(here):
    need(here, "seccomp filters")
    result = refused(f"refuse({NUMBERS['prctl']}, {errno.EINVAL}, 0, 22)", "seccomp filters", "Invalid argument")
    assert "seccomp filter is in force" in result["by_name"]["kernel"]["found"]


def test_ptrace(here):
    need(here, "ptrace")
    result = refused(f"refuse({NUMBERS['ptrace']}, {errno.EPERM})", "ptrace", "Operation not permitted")
    assert result["by_name"]["engine ptrace"]["ok"] is False
    assert result["fit"] == here["fit"]


def test_no_engine_at_all(here):
    """All three refused: not fit, status 1, and it says so."""
    refusals = f"""
        refuse({NUMBERS["ptrace"]}, {errno.EPERM})
        refuse({NUMBERS["seccomp"]}, {errno.EPERM})
        refuse({NUMBERS["prctl"]}, {errno.EPERM}, 0, 59)
        refuse({NUMBERS["prctl"]}, {errno.EPERM}, 0, 22)
    """
    status, result = examine(refusals)
    assert status == 1 and not result["fit"] and "no engine runs a FreeBSD program" in result["verdict"]


def test_the_address_window(here):
    need(here, "address window")
    result = refused(
        f"refuse({NUMBERS['mmap']}, {errno.EPERM}, 0, 0x6fff, upper=True)", "address window", "0x6ffff0000000"
    )
    assert not result["fit"] and "address window" in result["verdict"]


def test_memory_files(here):
    need(here, "memory files")
    refused(f"refuse({NUMBERS['memfd_create']}, {errno.EACCES})", "memory files", "Permission denied")


def test_the_stack(here):
    need(here, "stack")
    refused(
        "import resource; resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 64 << 20))", "stack", "64 MiB at most"
    )


def test_namespaces(here):
    for name in ("user namespaces", "mount namespaces"):
        need(here, name)
    result = refused(f"refuse({NUMBERS['unshare']}, {errno.EPERM})", "user namespaces", "Operation not permitted")
    assert result["by_name"]["mount namespaces"]["ok"] is False
    assert (
        result["by_name"]["binfmt_misc"]["ok"] is False
        and "no private one" in result["by_name"]["binfmt_misc"]["found"]
    )
    # Entered, but nothing can be mounted in it: as AppArmor does on Ubuntu.
    result = refused(f"refuse({NUMBERS['mount']}, {errno.EACCES})", "mount namespaces", "Permission denied")
    assert result["by_name"]["user namespaces"]["ok"] is True


def test_chroot(here):
    need(here, "chroot")
    result = refused(f"refuse({NUMBERS['chroot']}, {errno.EPERM})", "chroot", "Operation not permitted")
    assert result["by_name"]["mount namespaces"]["ok"] is False


def test_devices(tmp_path):
    assert doctor.check_devices().ok is not None
    (tmp_path / "null").write_text("")
    (tmp_path / "fd").symlink_to("/proc/self/fd")
    check = doctor.check_devices(str(tmp_path))
    assert check.ok is False and "null (another device)" in check.found and "zero (No such file" in check.found
    assert "fd (missing)" not in check.found and "shm (missing)" in check.found and check.remedy


def test_handlers_of_binfmt_misc(tmp_path):
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").write_text("")
    magic = "7f454c4602010109"
    text = "{}\ninterpreter {}\nflags: {}\noffset 0\nmagic {}\nmask {}\n"
    (tmp_path / "lsf").write_text(text.format("enabled", "/opt/shim.elf", "OCF", magic + "00" * 12, "ff" * 20))
    (tmp_path / "off").write_text(text.format("disabled", "/x", "F", magic, "ff" * 8))
    (tmp_path / "wine").write_text("enabled\ninterpreter /usr/bin/wine\nflags: \noffset 0\nmagic 4d5a\n")
    (tmp_path / "arm").write_text(
        text.format("enabled", "/usr/bin/qemu-aarch64", "OCF", "7f454c460201010000", "ff" * 9)
    )
    (tmp_path / "ext").write_text("enabled\ninterpreter /x\nflags: \nextension .fbsd\n")
    assert doctor.freebsd_handlers(str(tmp_path)) == [("lsf", "/opt/shim.elf", "OCF")]
    assert doctor.freebsd_handlers(str(tmp_path / "none")) == []


def test_the_root(here, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "r/lib").mkdir(parents=True)
    (tmp_path / "r/lib/libc.so.7").write_bytes(b"")
    (tmp_path / "r/bin").mkdir()
    (tmp_path / "r/bin/freebsd-version").write_text('USERLAND_VERSION="14.1-RELEASE-p2"\n')

    def said(**environment: str) -> dict:
        return examine(**environment)[1]["by_name"]["FreeBSD root"]

    store = {"LSF_ROOTS": str(tmp_path / "store")}
    check = said(**store)
    assert (
        check["ok"] is None
        and check["remedy"] == "lsfctl root install 14"
        and "static programs run" in check["follows"]
    )
    assert said(LSF_ROOT=str(tmp_path / "r"), **store)["found"] == f"{tmp_path}/r, FreeBSD 14.1-RELEASE-p2"
    check = said(LSF_ROOT=str(tmp_path / "none"), **store)
    assert check["ok"] is False and "it has none of libexec/ld-elf.so.1" in check["found"]
    assert said(LSF_ROOT="nosuch", **store)["ok"] is False


@pytest.mark.parametrize(
    ("result", "said", "ok", "words"),
    [
        (0, 2, True, "rdgsbase works"),
        (-4, 2, False, "illegal instruction"),
        (-4, 0, False, "kernel: no"),
        (errno.EACCES, 2, True, "not tried: Permission denied"),
        (errno.EACCES, 0, False, "not tried"),
    ],
)
def test_fsgsbase(monkeypatch, result, said, ok, words):
    monkeypatch.setattr(doctor, "_child", lambda attempt: result)
    monkeypatch.setattr(doctor, "auxiliary_vector", lambda: {26: said})
    check = doctor.check_fsgsbase()
    assert check.ok is ok and words in check.found and check.needed
    assert bool(check.remedy) == (result == -4)


def test_what_children_can_do_to_a_probe(monkeypatch):
    assert doctor._child(lambda libc: 0) == 0
    assert doctor._child(lambda libc: os.kill(os.getpid(), 9) or 0) == -9

    def raises(_: ctypes.CDLL) -> int:
        raise PermissionError(errno.EPERM, "no")

    assert doctor._child(raises) == errno.EPERM
    monkeypatch.setattr(doctor, "TIMEOUT", 0.1)

    def hangs(_: ctypes.CDLL) -> int:
        import time

        time.sleep(60)
        return 0

    assert doctor._child(hangs) == errno.ETIMEDOUT
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_vector_and_the_version():
    vector = doctor.auxiliary_vector()
    assert vector[6] == os.sysconf("SC_PAGE_SIZE") and vector[11] == os.getuid()
    assert doctor.kernel_version() >= (3, 10)


def test_a_package_that_is_not_built(monkeypatch):
    monkeypatch.setattr(doctor, "shim_path", lambda: "/nosuch/shim.elf")
    monkeypatch.setitem(sys.modules, "elftools", None)
    check = doctor.check_python()
    assert check.ok is False and "pyelftools" in check.found and "/nosuch/shim.elf" in check.found and check.remedy
    assert doctor.check_engine("sud").ok is None
    assert doctor.verdict([check])[0] is False


def test_the_words_for_people(capsys, monkeypatch):
    checks = [
        doctor.Check("kernel", True, "Linux", needed=True),
        doctor.Check("ptrace", False, "refused " + "very " * 40, "no engine ptrace", "sysctl x"),
        doctor.Check("FreeBSD root", None, "there is none"),
        doctor.Check("engine sud", True, "runs"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert lsfctl.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok  kernel        Linux" and lines[1].startswith("NO  ptrace        refused very")
    assert lines[4:6] == [" " * 18 + "follows: no engine ptrace", " " * 18 + "remedy: sysctl x"]
    assert lines[-1] == "This machine is fit for LSF: sud; not all of it: ptrace." and max(map(len, lines)) <= 118
    checks[0].ok = False
    assert lsfctl.main(["doctor"]) == 1
    assert "not fit for LSF: kernel." in capsys.readouterr().out


def test_as_an_ordinary_user(here):
    """Not root: the probes still end, and say what they found."""
    if os.geteuid() != 0:
        harness.not_covered("doctor as another user", "this is not root")
    doctor.check_python()  # what it imports may be out of another user's reach
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(
                writer,
                json.dumps([(check.name, check.ok, check.found) for check in (c() for c in doctor.CHECKS)]).encode(),
            )
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found = {name: (ok, words) for name, ok, words in json.loads(file.read())}
    os.waitpid(pid, 0)
    assert found["chroot"][0] is not True
    ok, words = found["mount namespaces"]
    assert re.match("one can be made.*in a user namespace" if ok else "refused", words)
    assert found["syscall user dispatch"][0] == here["by_name"]["syscall user dispatch"]["ok"]

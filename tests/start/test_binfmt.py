"""binfmt_misc: FreeBSD programs started by Linux, in a user namespace with a binfmt_misc of its own (Linux 6.7)."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import harness
import pytest

from lsf.ctl import binfmt, lsfctl

_namespace = pytest.importorskip("lsf._namespace", reason="the extensions are not built")

GUEST = r"""
#include <sys/types.h>
#include <sys/syscall.h>

long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", "cc");
    return result;
}
static void put(const char *text) {
    long n = 0;
    while (text[n]) n++;
    call(SYS_write, 1, (long)text, n);
    call(SYS_write, 1, (long)"\n", 1);
}
/* Prints its arguments; where the first is "exec", it executes the rest. */
void run(long *stack) {
    long argc = stack[0];
    char **argv = (char **)&stack[1];
    char **envp = argv + argc + 1;
    if (argc > 2 && argv[1][0] == 'e' && argv[1][1] == 'x') {
        long result = call(SYS_execve, (long)argv[2], (long)&argv[2], (long)envp);
        put("not executed");
        call(SYS_exit, result & 255, 0, 0);
    }
    for (long i = 0; i < argc; i++) put(argv[i]);
    call(SYS_exit, argc, 0, 0);
}
__asm__(".globl _start\n_start: and $-16, %rsp\ncall run\n");
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory) -> Path:
    """A static FreeBSD program that prints its argv and returns argc."""
    if harness.engine_missing("sud"):
        harness.not_covered("programs started by binfmt_misc", "no engine for them")
    folder = tmp_path_factory.mktemp("binfmt")
    (folder / "argv.c").write_text(GUEST)
    program = harness.compile_guest(folder / "argv.c")
    copy = folder / "argv"
    copy.write_bytes(program.read_bytes())
    for path in (folder, *folder.parents):
        if path.owner() == "root" and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
        if path.parent == Path("/tmp"):
            break
    copy.chmod(0o755)
    return copy


def in_own_binfmt(*command: str, setup=None) -> subprocess.CompletedProcess:
    """Run a command in new user and mount namespaces, as their root, with their own binfmt_misc in which LSF is installed."""

    def prepare() -> None:
        uid, gid = os.geteuid(), os.getegid()
        libc = ctypes.CDLL(None)
        assert libc.unshare(0x10000000) == 0
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path("/proc/self", name).write_text(text)
        _namespace.unshare_mounts()
        _namespace.mount_binfmt(binfmt.FOLDER)
        binfmt.install()
        if setup is not None:
            setup()

    return subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module", autouse=True)
def own_binfmt():
    try:
        done = in_own_binfmt("cat", f"{binfmt.FOLDER}/lsf")
    except subprocess.SubprocessError:
        harness.not_covered("binfmt_misc of a namespace's own", "Linux before 6.7, or no user namespaces here")
    assert f"interpreter {binfmt.shim_path()}" in done.stdout


def test_started_by_a_linux_program(guest):
    done = in_own_binfmt("/bin/sh", "-c", f"{guest} one 'two words'")
    assert (done.stdout, done.stderr, done.returncode) == (f"{guest}\none\ntwo words\n", "", 3)


def test_argv0_is_kept(guest):
    done = in_own_binfmt(sys.executable, "-c", f"import os; os.execv({str(guest)!r}, ['my own name', 'x'])")
    assert (done.stdout, done.returncode) == ("my own name\nx\n", 2)


def test_the_programs_arguments_are_not_lsfs(guest):
    done = in_own_binfmt("/bin/sh", "-c", f"{guest} -- --help lsf-handover")
    assert done.stdout == f"{guest}\n--\n--help\nlsf-handover\n"


@pytest.mark.skipif(os.getuid() != 0, reason="needs a file of another user's, which root can make")
def test_program_that_may_be_executed_and_not_read(guest):
    os.chown(guest, 65534, 65534)
    guest.chmod(0o711)
    try:
        done = in_own_binfmt("/bin/sh", "-c", f"cat {guest} >/dev/null 2>&1 && echo readable; {guest} x")
    finally:
        os.chown(guest, 0, 0)
        guest.chmod(0o755)
    assert done.stdout == f"{guest}\nx\n", done.stderr


def test_script_with_a_freebsd_interpreter(guest):
    script = guest.parent / "script"
    script.write_text(f"#!{guest} option\n")
    script.chmod(0o755)
    done = in_own_binfmt("/bin/sh", "-c", f"{script} x")
    assert done.stdout == f"{guest}\noption\n{script}\nx\n", done.stderr


def test_a_guest_executes_guests_and_linux_programs(guest):
    """The image passes itself on, though no launcher gave it a descriptor of itself."""
    done = in_own_binfmt("/bin/sh", "-c", f"{guest} exec {guest} exec {guest} last")
    assert (done.stdout, done.stderr) == (f"{guest}\nlast\n", "")
    done = in_own_binfmt("/bin/sh", "-c", f"{guest} exec /bin/sh -c '{guest} again'")
    assert (done.stdout, done.stderr) == (f"{guest}\nagain\n", "")


def test_where_the_image_is_not_visible(guest):
    """Flag F: in a root that holds nothing but the program, not even /proc."""
    root = guest.parent / "alone"
    root.mkdir(exist_ok=True)
    (root / "prog").write_bytes(guest.read_bytes())
    (root / "prog").chmod(0o755)
    done = in_own_binfmt("/prog", "exec", "/prog", "x", setup=lambda: os.chroot(root))
    assert (done.stdout, done.stderr) == ("/prog\nx\n", "")


def test_linux_programs_are_left_alone():
    assert in_own_binfmt("/bin/echo", "hello").stdout == "hello\n"


# ---------------------------------------------------------------- lsfctl binfmt


def ctl(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lsf.ctl.lsfctl", "binfmt", *arguments]


def test_command(guest, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(harness.PACKAGE_PARENT))
    steps = " ".join(f"{' '.join(ctl(action))}; echo $?;" for action in ("status", "remove", "status", "remove", "install",
                                                                          "install", "status --json"))  # fmt: skip
    lines = in_own_binfmt("/bin/sh", "-c", steps).stdout.splitlines()
    image = binfmt.shim_path()
    assert lines[0].startswith(f"enabled: {image} (flags ")
    assert lines[1:8] == ["0", "removed", "0", "not installed", "1", "nothing was registered", "0"]
    assert [image in line for line in lines[8:12:2]] == [True, True]
    assert lines[9] == lines[11] == lines[13] == "0"
    assert json.loads(lines[12]) | {"flags": ""} == {
        "available": True,
        "enabled": True,
        "interpreter": image,
        "flags": "",
    }


def test_set_ids_only_where_asked_for(guest, monkeypatch, capsys):
    """Flag C: with it FreeBSD's set-user-id programs get their ids."""
    monkeypatch.setenv("PYTHONPATH", str(harness.PACKAGE_PARENT))
    for options, flags in (((), "flags: POF"), (("--set-ids",), "flags: POCF")):
        command = " ".join(ctl("install", *options))
        assert flags in in_own_binfmt("/bin/sh", "-c", f"{command} && cat {binfmt.FOLDER}/lsf").stdout.splitlines()
        assert lsfctl.main(["binfmt", "line", *options]) == 0
        assert ("C" in capsys.readouterr().out.strip().rpartition(":")[2]) is bool(options)


def test_line_is_what_is_registered(capsys):
    assert lsfctl.main(["binfmt", "line"]) == 0
    rule = capsys.readouterr().out.strip()
    fields = rule.split(":")
    assert (fields[1], fields[2], fields[3], fields[7]) == ("lsf", "M", "", "OFP")
    magic, mask = (bytes.fromhex(field.replace("\\x", "")) for field in fields[4:6])
    assert len(rule) <= 256 + len(binfmt.shim_path())
    for image, matches in ((harness.shim_image(), False), (Path("/bin/sh"), False)):
        head = image.read_bytes()[: len(magic)]
        assert all(h & m == g & m for h, m, g in zip(head, mask, magic, strict=True)) is matches


@pytest.mark.parametrize("path", ["/a:b/shim.elf", "/" + "x" * 200])
def test_paths_that_linux_does_not_take(path):
    with pytest.raises(binfmt.BinfmtError):
        binfmt.line(path)


def test_without_the_right_it_is_one_sentence(monkeypatch, capsys, tmp_path):
    (tmp_path / "register").touch()
    monkeypatch.setattr(binfmt, "FOLDER", str(tmp_path))

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr("builtins.open", refused)
    assert lsfctl.main(["binfmt", "install"]) == 1
    assert "only root" in capsys.readouterr().err


def test_a_command_of_ones_own(guest, tmp_path):
    """`lsfctl binfmt run`: for one command and its children, without any right, and as who one is."""
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\n{guest} one 'two words'; echo $?; id -u\n")
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    command = [str(harness.commands(tmp_path / "bin") / "lsfctl"), "binfmt", "run", str(script)]
    env = dict(os.environ, LSF_ROOT="none")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 1 and "needs a user namespace" in done.stderr:
        harness.not_covered("binfmt_misc of a command's own", done.stderr.strip())
    assert (done.stdout, done.stderr) == (f"{guest}\none\ntwo words\n3\n{os.getuid()}\n", "")
    missing = subprocess.run(
        [*command[:-1], "/no/such"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert missing.returncode == 127
    assert missing.stderr == "lsfctl: binfmt run: /no/such: No such file or directory\n"
    none = subprocess.run(command[:-1], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert none.returncode == 1
    assert "what is to run?" in none.stderr

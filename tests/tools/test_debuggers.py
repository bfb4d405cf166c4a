"""FreeBSD's own truss and gdb, of a root: they trace a guest by ptrace(2)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import harness
import pytest

ENGINES = ["sud", "trap", "ptrace"]

#: Without a libc: its debugging information is for gdb 6, which reads DWARF 2.
PROGRAM = """
static int add(int a, int b)
{
    int sum = a + b;
    return sum;
}

static long call(long number, long a, long b, long c)
{
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r8", "r9", "r10", "r11", "memory");
    return number;
}

int run(int count)
{
    int total = 0;
    for (int i = 0; i < 3; i++)
        total = add(total, i);
    call(4, 1, (long)"added\\n", 6);
    if (count > 1)
        *(volatile int *)16 = 1;
    return total;
}

__attribute__((force_align_arg_pointer)) void _start(long *stack)
{
    call(1, run(*(int *)stack), 0, 0);
}
"""

COMMANDS = """
break add
run
bt 2
print a + b
print $rip == $pc
finish
delete
continue
run crash
bt 1
print count
quit
"""


def lsf(engine: str, root, tmp_path, *arguments: str) -> subprocess.CompletedProcess:
    command = tmp_path / "bin"
    if not command.is_dir():
        harness.commands(command)
    return subprocess.run(
        [str(command / "lsf"), "--engine", engine, "--root", str(root), *arguments],
        cwd=tmp_path, env=os.environ | {"LSF_ROOT": ""}, capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_truss(tmp_path, engine):
    root = harness.root_with("usr/bin/truss", "bin/echo", covers="truss")
    if reason := harness.engine_missing(engine):
        harness.not_covered(f"truss under {engine}", reason)
    done = lsf(engine, root, tmp_path, "/usr/bin/truss", "/bin/echo", "seen")
    assert done.stdout == "seen\n", done.stderr
    lines = done.stderr.splitlines()
    assert any(line.startswith('readlink("/etc/malloc.conf",') and "ERR#2 'No such file" in line for line in lines), (
        done.stderr
    )
    assert any(line.startswith("writev(0x1,") and line.endswith("= 5 (0x5)") for line in lines), done.stderr
    assert lines[-1] == "process exit, rval = 0"


@pytest.mark.parametrize("engine", ENGINES)
def test_gdb(tmp_path, engine):
    root = harness.root_with("usr/bin/gdb", covers="gdb")
    if reason := harness.engine_missing(engine):
        harness.not_covered(f"gdb under {engine}", reason)
    if shutil.which("clang") is None:
        harness.missing_tool("gdb of a root", "clang is not installed")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "commands").write_text(COMMANDS)
    subprocess.run(
        ["clang", "--target=x86_64-unknown-freebsd10.1", "-fuse-ld=lld", "-static", "-nostdlib", "-gdwarf-2", "-O0", "program.c", "-o", "program"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    done = lsf(engine, root, tmp_path, "/usr/bin/gdb", "-q", "-batch", "-x", "commands", "program")
    text = done.stdout
    for wanted in ("Breakpoint 1, add (a=0, b=0) at program.c:4", "in run (count=1) at program.c:", "$1 = 0", "$2 = 1", "Value returned is $3 = 0",
                   "added", "Program exited with code 03.", "Program received signal SIGSEGV, Segmentation fault.", "$4 = 2"):  # fmt: skip
        assert wanted in text, text + done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_files_of_what_another_lsf_has_started(tmp_path, engine):
    """Who attaches from another terminal, with mounts of his own, finds the program and its libraries by the names that they have in the root."""
    root = harness.root_with("usr/bin/procstat", "bin/sleep", "bin/sh", covers="procstat")
    if reason := harness.engine_missing(engine):
        harness.not_covered(f"procstat under {engine}", reason)
    command = [str(harness.commands(tmp_path / "bin") / "lsf"), "--engine", engine, "--root", str(root)]
    sleeper = subprocess.Popen(
        [*command, "/bin/sh", "-c", "cd /etc; echo $$; exec /bin/sleep 100"],
        cwd=tmp_path, env=os.environ | {"LSF_ROOT": ""}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        pid = sleeper.stdout.readline().strip()
        deadline = time.monotonic() + 30
        while not (done := lsf(engine, root, tmp_path, "/usr/bin/procstat", "-b", pid)).stdout.endswith(
            " /bin/sleep\n"
        ):
            assert time.monotonic() < deadline, done
        maps = lsf(engine, root, tmp_path, "/usr/bin/procstat", "-v", pid).stdout
        assert " /bin/sleep\n" in maps and " /lib/libc.so.7\n" in maps and str(root) not in maps, maps
        files = lsf(engine, root, tmp_path, "/usr/bin/procstat", "-f", pid).stdout
        found = {line.split()[2]: line.split()[-1] for line in files.splitlines() if " v d " in line}
        assert found == {"cwd": "/etc", "root": "/"}, files
    finally:
        sleeper.kill()
        sleeper.wait()

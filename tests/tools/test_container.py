"""The Dockerfile's last stage under Docker's default profile: FreeBSD's programs, and the image as the entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import container
import harness
import pytest

from lsf import roots

ENTRYPOINT = ("/lsf", "--")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = harness.root_with("bin/sh", "bin/ls", "libexec/ld-elf.so.1", "usr/bin/id", "usr/bin/grep", "sbin/sysctl",
                             covers="the container's image")  # fmt: skip
    return container.make_tree(root, tmp_path_factory.mktemp("container") / "tree")


@pytest.fixture
def start(tree):
    """`start(*command, env=..., proc=...)`: a process of the container, as `docker run` or `docker exec` makes one."""

    def begin(*command: str, env: dict[str, str] | None = None, proc: bool = True, **options):
        environment = {"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "HOME": "/root", **(env or {})}
        try:
            return subprocess.Popen(
                command,
                env=environment,
                cwd="/",
                preexec_fn=lambda: container.enter(tree, proc),
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
        except subprocess.SubprocessError:
            harness.not_covered("the container's image", "user and mount namespaces are not allowed here")

    return begin


@pytest.fixture
def run(start):
    def complete(*command: str, **options):
        process = start(*command, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return complete


def test_the_profile_is_in_force(start, run, tree):
    """What Docker refuses is refused, by EPERM; a number that Linux does not have too. Else the rest shows nothing."""
    probe = tree / "probe"
    source = tree.parent / "probe.c"
    source.write_text(r"""
        #define _GNU_SOURCE
        #include <errno.h>
        #include <stdio.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        static void show(long nr, long a) { errno = 0; long r = syscall(nr, a, 0, 0, 0, 0, 0); printf("%d ", r < 0 ? errno : 0); }
        int main(void) {
            show(SYS_unshare, 0x10000000); show(SYS_mount, 0); show(SYS_keyctl, 0); show(435, 0); show(599, 0); show(SYS_getppid, 0);
            show(SYS_clone, 0x10000000); show(SYS_personality, 0xffffffff); show(SYS_socket, 40); show(SYS_sync, 0);
            puts(""); return 0;
        }""")
    compiled = subprocess.run(["gcc", "-static", "-o", probe, source], capture_output=True, check=False)
    if compiled.returncode:
        harness.missing_tool("Docker's profile", "no C compiler with a static libc")
    assert run("/probe") == (0, "1 1 1 38 1 0 1 0 1 0 \n", "")
    probe.unlink()


@pytest.mark.parametrize("engine", ["auto", "sud", "trap"])
@pytest.mark.parametrize("proc", [True, False], ids=["", "without proc"])
def test_a_shell(run, engine, proc):
    """Syscall User Dispatch acts before seccomp, and a filter's TRAP wins over its ERRNO."""
    if engine != "auto" and (reason := harness.engine_missing(engine)):
        harness.not_covered(f"engine {engine} in a container", reason)
    script = "id -u; uname -s; ls / | grep -c lsf; (exit 3); echo $?; echo a | cat; sh -c 'echo nested'; kill -0 $$ && echo alive"
    status, out, err = run(*ENTRYPOINT, "/bin/sh", "-c", script, env={"LSF_ENGINE": engine}, proc=proc)
    assert (status, err) == (0, "")
    assert out == "0\nFreeBSD\n1\n3\na\nnested\nalive\n"


def test_a_second_one_beside_it(start, run):
    """docker exec: its processes are told apart, and see each other."""
    first = start(*ENTRYPOINT, "/bin/sh", "-c", "echo $$; read line; echo got $line", stdin=subprocess.PIPE)
    pid = first.stdout.readline().strip()
    status, out, err = run(*ENTRYPOINT, "/bin/sh", "-c", f"kill -0 {pid} && echo second")
    assert (status, out, err) == (0, "second\n", "")
    assert first.communicate("hello\n", timeout=60) == ("got hello\n", "")
    assert first.returncode == 0


def test_statuses(run, tree):
    (tree / "plain").write_text("text")
    assert run(*ENTRYPOINT, "/bin/sh", "-c", "exit 42")[0] == 42
    assert run(*ENTRYPOINT, "/bin/sh", "-c", "kill -TERM $$")[0] == -15
    for command, wanted in (
        (("/lsf",), 125),
        (("/lsf", "--"), 125),
        ((*ENTRYPOINT, "/plain"), 126),
        ((*ENTRYPOINT, "/etc"), 126),
        ((*ENTRYPOINT, "/nosuch"), 127),
        ((*ENTRYPOINT, "nosuch"), 127),
    ):
        status, out, err = run(*command)
        assert (status, out, err.count("\n")) == (wanted, "", 1), command
        assert err.startswith("lsf: ")
    assert run(*ENTRYPOINT, "sh", "-c", "echo $0", env={"PATH": "/nosuch:/bin"}) == (0, "sh\n", "")


def test_the_environment(run, tree):
    """Options that the image has, by their twins; `lsf` and Python are not there."""
    status, out, err = run(
        *ENTRYPOINT, "/bin/sh", "-c", "uname -r; echo $LSF_OSRELEASE", env={"LSF_OSRELEASE": "13.2-RELEASE"}
    )
    assert (status, out, err) == (0, "13.2-RELEASE\n13.2-RELEASE\n", "")
    assert (
        run(*ENTRYPOINT, "/bin/sh", "-c", "sysctl -n kern.osreldate", env={"LSF_OSRELEASE": "1302001"})[1]
        == "1302001\n"
    )
    status, out, err = run(*ENTRYPOINT, "/bin/echo", "hi", env={"LSF_TRUSS": "/tmp/calls"})
    assert (status, out, err) == (0, "hi\n", "")
    assert "writev(1," in (tree / "tmp/calls").read_text()
    assert "writev(1," in run(*ENTRYPOINT, "/bin/echo", "hi", env={"LSF_TRUSS": "1"})[2]
    assert "engine " in run(*ENTRYPOINT, "/bin/echo", "hi", env={"LSF_DEBUG": "1"})[2]
    assert run(*ENTRYPOINT, "/bin/echo", "hi", env={"LSF_PATCH": "0"}) == (0, "hi\n", "")
    for name, value in (
        ("LSF_ENGINE", "vm"),
        ("LSF_OSRELEASE", "Linux"),
        ("LSF_OSRELEASE", "14"),
        ("LSF_OSRELEASE", "14.x"),
        ("LSF_OSRELEASE", "14.1x"),
        ("LSF_TRUSS", "/nosuch/file"),
    ):
        status, out, err = run(*ENTRYPOINT, "/bin/echo", "hi", env={name: value})
        assert (status, out, err.count("\n")) == (125, "", 1), (name, value)
        assert name in err
        assert value in err


def test_the_tree_is_what_the_dockerfile_makes(tree):
    """A FreeBSD root and one file; the file's last stage copies nothing else."""
    text = (harness.TESTS.parent / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert last.startswith("scratch\n")
    assert re.findall(r"^COPY .*$", last, re.MULTILINE) == ["COPY --from=root /freebsd /"]
    assert re.findall(r"^ENTRYPOINT .*$", last, re.MULTILINE) == ['ENTRYPOINT ["/lsf", "--"]']
    assert not list(tree.glob("**/python*/site-packages/lsf"))
    assert (tree / "lsf").read_bytes() == harness.shim_image().read_bytes()
    assert roots.missing(str(tree)) == ""


def test_the_command(tree, tmp_path):
    """tests/container.py by hand."""
    command = [sys.executable, container.__file__, str(tree), "--", *ENTRYPOINT, "/bin/sh", "-c", "echo hello"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(harness.TESTS), str(harness.PACKAGE_PARENT)))},
    )
    if "unshare" in done.stderr:
        harness.not_covered("the container's image", "user and mount namespaces are not allowed here")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")

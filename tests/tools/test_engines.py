"""FreeBSD images under podman, docker, buildah and containerd, by lsf-oci. What this machine cannot show is said in the summary."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import cri
import engines
import harness
import packages
import pytest

pytestmark = pytest.mark.together

FOREVER = (
    "trap 'echo got term; exit 7' TERM; trap 'echo got usr1; exit 8' USR1; echo started; while :; do sleep 0.1; done"
)


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A folder with lsf-oci: not below a folder that is the user's alone."""
    folder = Path(tmp_path_factory.mktemp("commands"))
    return harness.commands(folder / "bin")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return engines.Images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module", params=["podman-runc", "podman-crun", "docker"])
def engine(request, command, images):
    stack = engines.Stack()
    try:
        if request.param == "docker":
            made = engines.docker(stack, command, images)
        else:
            made = engines.podman(stack, command, request.param.partition("-")[2], images)
        made.folder = stack.folder
        yield made
        for name in made("ps", "-aq", check=False).stdout.split():
            made.remove(name)
    finally:
        stack.close()


@pytest.fixture
def name(engine):
    """A container's name, which is removed afterwards."""
    chosen = f"lsf-test-{time.monotonic_ns()}"
    yield chosen
    engine.remove(chosen)


def until(condition, what: str, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if got := condition():
            return got
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def started(engine, name: str, *words: object, script: str = FOREVER) -> str:
    """A container in the background, when it has said that it is there. Its main process's number."""
    engine.run("-d", "--name", name, *words, "freebsd", "/bin/sh", "-c", script, check=True)
    until(lambda: "started" in engine("logs", name).stdout, "the container says that it is there")
    return engine("inspect", "--format", "{{.State.Pid}}", name).stdout.strip()


def test_a_container(engine):
    done = engine.run(
        "--rm", "-e", "A=b c", "-w", "/usr", "freebsd", "/bin/sh", "-c", 'uname -sr; id -u; pwd; echo "$A"; exit 7'
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "FreeBSD 10.1-RELEASE\n0\n/usr\nb c\n", "")
    done = engine.run("--rm", "freebsd", "sh", "-c", "exit 0")  # by PATH
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = engine.run("--rm", "freebsd", "nosuch")
    assert (done.returncode, done.stdout) == (127, "")
    assert "nosuch: not found" in done.stderr
    done = engine.run("--rm", "--entrypoint", "/bin/echo", "freebsd", "hello")
    assert done.stdout == "hello\n"


def imported(engine, tree: Path, tag: str) -> str:
    """An image made of a root, in the engine's store."""
    tar = tree.parent / f"{tag}.tar"
    subprocess.run(["tar", "-C", tree, "-cf", tar, "."], check=True, timeout=120)
    engine("import", tar, tag)
    return tag


def test_an_image_of_14(engine, tmp_path):
    """Whose programs are all one, busybox."""
    root = harness.root_with(
        "bin/busybox", "bin/sh", "libexec/ld-elf.so.1", covers="containers of FreeBSD 14", releases=(14,)
    )
    tag = imported(engine, harness.copy_root(root, tmp_path / "tree", ("bin", "lib", "libexec", "etc")), "lsf-test-14")
    done = engine.run("--rm", tag, "sh", "-c", "uname -s; ls /bin | wc -l; echo a b | awk '{print $2}'; exit 5")
    assert (done.returncode, done.stderr) == (5, "")
    system, files, word = done.stdout.split()
    assert (system, word) == ("FreeBSD", "b")
    assert int(files) > 100


def test_an_image_of_13(engine, tmp_path):
    """The libraries of 13 and a program with a thread: what a cross build leaves."""
    root = harness.root_with(
        "usr/include/stdio.h",
        "lib/libthr.so.3",
        "libexec/ld-elf.so.1",
        covers="containers of FreeBSD 13",
        releases=(13,),
    )
    source = tmp_path / "hello.c"
    source.write_text(
        "#include <pthread.h>\n#include <stdio.h>\n#include <sys/utsname.h>\n"
        'static void *run(void *name) { printf("%s\\n", (char *)name); return 0; }\n'
        "int main(void) { struct utsname u; pthread_t t; uname(&u);\n"
        "  if (pthread_create(&t, 0, run, u.sysname) || pthread_join(t, 0)) return 1; return 3; }\n"
    )
    tree = harness.copy_root(root, tmp_path / "tree", ("lib", "libexec", "etc"))
    (tree / "bin").mkdir()
    shutil.copy(harness.compile_dynamic(source, root), tree / "bin/hello")
    done = engine.run("--rm", imported(engine, tree, "lsf-test-13"), "hello")
    assert (done.returncode, done.stdout, done.stderr) == (3, "FreeBSD\n", "")


def test_without_lsf_oci_it_does_not_run(engine):
    """So that the rest shows something."""
    assert engine("run", *engine.linux_options, *engine.limits, "--rm", "freebsd", "/bin/sh", "-c", "exit 0",
                  client=engine.linux_client, check=False).returncode != 0  # fmt: skip


def test_platforms_and_the_name_in_podmans_configuration(engine, command, tmp_path):
    """deploy/podman.conf as it stands; an image is found by its platform, and no warning is given then."""
    if engine.name != "podman-runc":
        pytest.skip("podman's alone, once")
    text = (harness.TESTS.parent / "deploy/podman.conf").read_text()
    assert "/usr/local/bin/lsf-oci" in text
    (tmp_path / "containers.conf").write_text(text.replace("/usr/local/bin/lsf-oci", f"{command}/lsf-oci"))
    client = [*engine.client[: engine.client.index("--runtime")], "--runtime", "lsf-oci"]
    for words in (["--platform", "freebsd/amd64"], ["--os", "freebsd"]):
        done = subprocess.run([*client, "run", *engine.limits, "--rm", *words, "freebsd", "uname", "-s"], capture_output=True, text=True,
                              timeout=60, check=False, env={**os.environ, "CONTAINERS_CONF": f"{tmp_path}/containers.conf"})  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "FreeBSD\n", "")


def test_a_linux_image_is_unchanged(engine, name):
    done = engine.run("--rm", "linux", "/linux", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    engine.run("-d", "--name", name, "linux", "/linux", "60", check=True)
    assert engine("exec", name, "/linux", "again").stdout == "again\n"
    assert ".lsf" not in engine("diff", name).stdout


def test_programs_of_both_kinds(engine, tmp_path):
    """Linux's in a FreeBSD image, by run and by exec of a FreeBSD shell; FreeBSD's in a Linux image."""
    shutil.copy(engines.linux_program(), tmp_path / "linux")
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\nuname -s; echo "$0" "$@"\n')
    script.chmod(0o755)
    volume = ["--rm", "-v", f"{tmp_path}:/work", "-w", "/work"]
    assert engine.run(*volume, "freebsd", "./linux", "a").stdout == "a\n"
    assert engine.run(*volume, "freebsd", "/bin/sh", "-c", "./linux b; ./script c").stdout == "b\nFreeBSD\n./script c\n"
    assert engine.run(*volume, "freebsd", "./script", "d", "e f").stdout == "FreeBSD\n./script d e f\n"
    shutil.copy(harness.build_go(harness.TESTS / "go/hello"), tmp_path / "go")
    assert engine.run(*volume, "linux", "/work/go", "x").stdout == "hello from freebsd/amd64, 1 arguments\n"


def test_a_volume(engine, tmp_path):
    (tmp_path / "file").write_text("theirs\n")
    done = engine.run("--rm", "-v", f"{tmp_path}:/work", "-v", f"{tmp_path}/file:/etc/file:ro", "freebsd", "/bin/sh", "-c",
                      "cat /work/file; echo mine > /work/new; (echo x > /etc/file) 2>/dev/null || echo kept")  # fmt: skip
    assert done.stdout.split() == ["theirs", "kept"]
    assert (tmp_path / "new").read_text() == "mine\n"


def test_exec_logs_stop_and_restart(engine, name):
    started(engine, name)
    done = engine("exec", name, "/bin/sh", "-c", "echo inside; kill -0 1 && echo sees it; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "inside\nsees it\n", "")
    done = engine("exec", "-e", "X=1", "-w", "/usr", name, "sh", "-c", "pwd; echo $X")
    assert done.stdout == "/usr\n1\n"
    assert engine("exec", name, "nosuch", check=False).returncode == 127
    engine("stop", "-t", "20", name)
    assert engine("logs", name).stdout == "started\ngot term\n"
    assert engine("inspect", "--format", "{{.State.ExitCode}}", name).stdout == "7\n"
    engine("start", name)
    until(lambda: engine("logs", name).stdout.count("started") == 2, "it is started again")
    assert engine("exec", name, "uname", "-s").stdout == "FreeBSD\n"
    engine("restart", "-t", "20", name)
    until(lambda: engine("logs", name).stdout.count("started") == 3, "it is started a third time")
    assert engine("diff", name).stdout.count("lsf") == 0  # an image made of it has nothing of LSF's


@pytest.mark.parametrize(
    ("sent", "said"),
    [("USR1", "got usr1"), ("SIGUSR1", "got usr1"), ("10", "got usr1"), ("15", "got term"), ("PWR", "got term")],
)
def test_signals_have_linuxs_numbers(engine, name, sent, said):
    """Engines translate names to Linux's numbers themselves, so that a number is Linux's: 10 is SIGUSR1, which has 30 on FreeBSD."""
    started(engine, name)
    engine("kill", "-s", sent, name)
    until(lambda: said in engine("logs", name).stdout, said)


def test_an_init(engine, name):
    done = engine.run("--rm", "--init", "freebsd", "/bin/sh", "-c", "ps -ax -o pid,command; exit 3")
    if done.returncode == 125 or "init" in done.stderr:
        harness.not_covered(f"--init of {engine.name}", engines.last_line(done.stderr))
    assert done.returncode == 3
    first = done.stdout.splitlines()[1].split()
    assert first[0] == "1"
    assert "init" in first[1]


def test_a_terminal(engine, name):
    """By run and exec: its size when it changes, and ^C."""
    script = "test -t 0 && echo a terminal; trap 'echo int; exit 4' INT; trap 'stty size' WINCH; echo started; while :; do sleep 0.1; done"
    for words in (["run", "-it", *engine.limits, "--name", name, "freebsd"], ["exec", "-it", name]):
        if words[0] == "exec":
            engine.remove(name, check=True)
            started(engine, name)
        ours, theirs = pty.openpty()
        process = subprocess.Popen([*engine.client, *words, "/bin/sh", "-c", script], stdin=theirs, stdout=theirs, stderr=theirs,
                                   start_new_session=True, cwd=engine.folder)  # fmt: skip
        os.close(theirs)
        text = b""
        os.set_blocking(ours, False)

        def seen(wanted: bytes, ours=ours):
            nonlocal text
            try:
                text += os.read(ours, 4096)
            except OSError:
                pass
            return wanted in text

        until(lambda: seen(b"started"), "the program has started")
        assert b"a terminal" in text
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 17, 71, 0, 0))
        process.send_signal(signal.SIGWINCH)
        until(lambda: seen(b"17 71"), "the size arrives")
        os.write(ours, b"\x03")
        until(lambda: seen(b"int"), "^C arrives")
        assert process.wait(timeout=30) == 4
        os.close(ours)


def test_users_and_rights(engine):
    done = engine.run("--rm", "--user", "1001:1002", "--cap-drop", "all", "--security-opt", "no-new-privileges", "freebsd", "/bin/sh", "-c",
                      "id -u; id -g; uname -s; sh -c 'echo nested'")  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "1001\n1002\nFreeBSD\nnested\n", "")
    done = engine.run(
        "--rm", "--read-only", "freebsd", "/bin/sh", "-c", "(echo x > /file) 2>/dev/null || echo kept; uname -s"
    )
    assert (done.returncode, done.stdout) == (0, "kept\nFreeBSD\n")
    if engine.run_linux("--rm", "--privileged", "linux", "/linux").returncode == 0:
        done = engine.run("--rm", "--privileged", "freebsd", "/bin/sh", "-c", "uname -s")
        assert (done.returncode, done.stdout) == (0, "FreeBSD\n")


def test_the_default_confinement_is_in_force(engine):
    """The engine's seccomp profile: the shim needs nothing that it does not allow."""
    done = engine.run("--rm", "freebsd", "/bin/sh", "-c", "uname -s; grep ^Seccomp: /proc/self/status")
    if done.stdout == "FreeBSD\nSeccomp:\t0\n":
        harness.not_covered(f"the default seccomp profile of {engine.name}", "it is not in force here")
    assert (done.returncode, done.stdout) == (0, "FreeBSD\nSeccomp:\t2\n")


def test_a_user_namespace(engine):
    if engine.name == "docker":
        harness.not_covered("user namespaces of docker", "they are a setting of the whole daemon")
    done = engine.run("--rm", "--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "freebsd", "/bin/sh", "-c",
                      "id -u; uname -s; ls -ld / | wc -l; cat /proc/self/uid_map")  # fmt: skip
    if done.returncode and "map" in done.stderr:
        harness.not_covered(f"user namespaces of {engine.name}", engines.last_line(done.stderr))
    assert (done.returncode, done.stdout.split()) == (0, ["0", "FreeBSD", "1", "0", "100000", "65536"]), done.stderr


def test_limits(engine):
    many = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done; echo all"
    done = engine.run("--rm", "--pids-limit", "16", "freebsd", "/bin/sh", "-c", many)
    if done.stdout == "all\n":
        harness.not_covered(f"--pids-limit of {engine.name}", "it is not in force here, for Linux containers either")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Cannot fork: Resource temporarily unavailable" in done.stderr
    grow = 'BEGIN { while (1) { s = s "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; a[i++] = s } }'
    done = engine.run("--rm", "--memory", "24m", "freebsd", "awk", grow, timeout=60)
    assert done.returncode == 137


def build(engine, folder: Path, tag: str) -> subprocess.CompletedProcess:
    limits = engine.limits if engine.name != "docker" else ["--network", "none"]
    return engine("build", *limits, "-t", tag, *(["--format", "docker"] if "podman" in engine.name else []), folder, check=False,
                  env={**os.environ, "DOCKER_BUILDKIT": "0"})  # fmt: skip


def test_an_image_from_a_freebsd_image(engine, tmp_path, name):
    """RUN steps, what an image says of its process, and a health check, which is an exec."""
    (tmp_path / "Dockerfile").write_text(
        "FROM freebsd\n"
        "RUN uname -s > /built && mkdir -p /work && test -z \"$LSF_OSRELEASE\"\n"
        "WORKDIR /work\nENV GREETING=hello\nUSER 1001\nSTOPSIGNAL SIGUSR1\n"
        'HEALTHCHECK --interval=1s --timeout=10s CMD ["/bin/sh", "-c", "test $(uname -s) = FreeBSD"]\n'
        'CMD ["/bin/sh", "-c", "cat /built; pwd; echo $GREETING; id -u"]\n'
    )  # fmt: skip
    done = build(engine, tmp_path, "built")
    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.run("--rm", "built").stdout == "FreeBSD\n/work\nhello\n1001\n"
    engine.run("-d", "--name", name, "built", "/bin/sh", "-c", FOREVER, check=True)
    until(lambda: "started" in engine("logs", name).stdout, "the container has started")
    if engine.name == "docker":
        until(
            lambda: engine("inspect", "--format", "{{.State.Health.Status}}", name).stdout == "healthy\n",
            "it is healthy",
        )
    else:
        assert engine("healthcheck", "run", name, check=False).returncode == 0
    engine("stop", "-t", "20", name)
    assert engine("inspect", "--format", "{{.State.ExitCode}}", name).stdout == "8\n"  # STOPSIGNAL by its name


def test_packages_in_a_run_step(engine, tmp_path):
    """FreeBSD's pkg makes a repository and installs from it while an image is built: owners, a script, a dependency."""
    given = os.environ.get("LSF_TEST_PKG")
    if not given or not Path(given, "usr/local/sbin/pkg").exists():
        harness.not_covered(
            f"`RUN pkg install` by {engine.name}", "LSF_TEST_PKG names no FreeBSD root with usr/local/sbin/pkg"
        )
    context = tmp_path / "context"
    # But for the file with schg, which who has no CAP_LINUX_IMMUTABLE cannot set, as in a jail without allow.chflags.
    staged = {
        name: (version, {path: file for path, file in files.items() if "schg" not in file[0]}, more)
        for name, (version, files, more) in packages.STAGED.items()
    }
    packages.stage(context / "work", staged)
    names = " ".join(packages.STAGED)
    (context / "Dockerfile").write_text(
        "FROM lsf-test-pkg\n"
        "ENV ASSUME_ALWAYS_YES=yes IGNORE_OSVERSION=yes\n"
        "COPY work /work\n"
        f"RUN cd /work && mkdir repo && for p in {names}; do pkg create -M $p.ucl -p $p.plist -r $p -o repo; done && pkg repo -q repo\n"
        "RUN mkdir -p /usr/local/etc/pkg/repos && echo 'FreeBSD: { enabled: no }' > /usr/local/etc/pkg/repos/FreeBSD.conf && "
        "echo 'mine: { url: \"file:///work/repo\" }' > /usr/local/etc/pkg/repos/mine.conf\n"
        "RUN pkg install -q tool many\n"
    )
    # Without headers and archives: some engines copy an image for each step.
    libraries = [str(path.relative_to(given)) for path in Path(given, "usr/lib").glob("*.so.*")]
    parts = ("bin", "etc", "lib", "libexec", "sbin", "usr/bin", "usr/local", "usr/sbin", "var", *libraries)
    imported(engine, harness.copy_root(Path(given), tmp_path / "tree", parts), "lsf-test-pkg")
    done = build(engine, context, "lsf-test-built")
    assert done.returncode == 0, done.stdout + done.stderr
    done = engine.run(
        "--rm",
        "lsf-test-built",
        "/bin/sh",
        "-c",
        "tool; pkg info -q; pkg check -qs -a && echo right; stat -f '%Su %Sg' /var/db/tool/state",
    )
    assert done.stdout.splitlines() == ["library", "library-1.0", "many-1.0", "tool-1.0", "right", "games games"], (
        done.stderr
    )


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize("image", ["freebsd", "linux"])
def test_a_go_server_on_the_hosts_loopback(engine, name, tmp_path, image):
    """In FreeBSD's root, and static in one that has nothing of FreeBSD's."""
    shutil.copy(harness.build_go(harness.TESTS / "go/server"), tmp_path / "server")
    port = free_port()
    engine.run(
        "-d",
        "--name",
        name,
        "--network",
        "host",
        "-v",
        f"{tmp_path}:/work:ro",
        image,
        "/work/server",
        port,
        check=True,
        network=True,
    )

    assert until(lambda: answer(port), "the server answers") == b"freebsd answers /here\n"
    engine("stop", "-t", "10", name)
    assert answer(port) is None


def answer(port: int) -> bytes | None:
    """What the host is told on its loopback, None for nothing."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/here", timeout=5).read()
    except OSError:
        return None


def test_a_published_port(engine, name, tmp_path):
    """The engine's own network: the container has interfaces of its own, and a port of the host's leads there."""
    port = free_port()
    publish = ["-p", f"127.0.0.1:{port}:8080"]
    for network in ([], ["--network", "slirp4netns"]):
        done = engine("run", *engine.linux_options, *engine.limits[2:], *publish, *network, "--rm", "linux", "/linux", client=engine.linux_client,
                      check=False)  # fmt: skip
        if done.returncode == 0:
            break
    else:
        harness.not_covered(f"published ports of FreeBSD containers by {engine.name}", engines.last_line(done.stderr))
    shutil.copy(harness.build_go(harness.TESTS / "go/server"), tmp_path / "server")
    engine.run("-d", "--name", name, *publish, *network, "-v", f"{tmp_path}:/work:ro", "freebsd", "/work/server", ":8080", check=True,
               network=True)  # fmt: skip
    if not engine("port", name).stdout.strip():
        harness.not_covered(
            f"published ports of FreeBSD containers by {engine.name}", "it has no network of its own here"
        )
    assert until(lambda: answer(port), "the server answers") == b"freebsd answers /here\n"
    engine("stop", "-t", "10", name)
    assert answer(port) is None


def chain(pid: str) -> dict[str, int]:
    """A container's processes and the engine's above them, by name, the nearest first."""
    found = {}
    while int(pid) > 1:
        fields = Path(f"/proc/{pid}/stat").read_text()
        comm = fields[fields.index("(") + 1 : fields.rindex(")")]
        if comm in ("dockerd", "containerd", "pytest", "python", "python3"):
            break
        found.setdefault(comm, int(pid))
        pid = fields.rpartition(")")[2].split()[1]
    return found


def with_marker(marker: str) -> list[int]:
    return [int(process.name) for process, line in harness.processes("cmdline") if marker.encode() in line]


def test_whatever_is_killed_nothing_is_left(engine, name):
    """kill -9 of each process of the chain: the container's first, its child, and what the engine keeps beside it."""
    marker = str(10**8 + time.monotonic_ns() % 10**8)
    script = f"echo started; sleep {marker}; echo over"
    pid = started(engine, name, script=script)
    victims = list(chain(pid))
    engine.remove(name, check=True)
    assert not with_marker(marker)
    # Of podman conmon, of docker containerd's shim; nothing of lsf-oci's.
    assert len(victims) == 2
    for victim in (*victims, "child"):
        pid = started(engine, name, script=script)
        until(
            lambda: any(
                line.startswith(b"sleep") for _, line in harness.processes("cmdline") if marker.encode() in line
            ),
            "sleep runs",
        )
        if victim == "child":
            target = next(int(process.name) for process, line in harness.processes("cmdline")
                          if line.startswith(b"sleep") and marker.encode() in line)  # fmt: skip
        else:
            target = chain(pid)[victim]
        os.kill(target, signal.SIGKILL)
        if victim != victims[-1] or victim == "child":
            until(lambda: not with_marker(f"sleep\0{marker}"), "the container has ended")
        engine.remove(name)
        until(lambda: not with_marker(marker), f"nothing is left after the kill of {victim}")
        left = [place for place in engines.mounts_below(engine.folder) if "merged" in place or place.endswith("/shm")]
        assert not left, victim


@pytest.mark.alone
def test_fifty_at_once(engine):
    """Started by eight at a time; all run, all answer, all end."""
    names = [f"lsf-fifty-{number}" for number in range(50)]
    script = FOREVER.replace("sleep 0.1", "sleep 1")  # or the machine would be busy with starting sleep(1)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(
                pool.map(
                    lambda name: engine.run("-d", "--name", name, "freebsd", "/bin/sh", "-c", script, timeout=300),
                    names,
                )
            )
            assert [one.stderr for one in done if one.returncode] == []
            assert len(engine("ps", "-q").stdout.split()) == 50
            answers = list(
                pool.map(
                    lambda name: engine("exec", name, "/bin/sh", "-c", "uname -s; hostname", timeout=300).stdout, names
                )
            )
            assert len(set(answers)) == 50
            assert all(answer.startswith("FreeBSD\n") for answer in answers)
            list(pool.map(lambda name: engine("stop", "-t", "60", name, timeout=300), names))
            states = engine("inspect", "--format", "{{.State.ExitCode}}", *names).stdout.split()
            assert states == ["7"] * 50
    finally:
        engine.remove(*names, timeout=300)


# ---------------------------------------------------------------- buildah, containerd


def test_buildah(command, images, tmp_path):
    """RUN with the isolation of a runtime."""
    if shutil.which("buildah") is None:
        harness.not_covered("FreeBSD images by buildah", "buildah is not installed")
    prefix = list(engines.runtime_works("runc"))
    assert prefix == [] or prefix
    stack = engines.Stack()
    try:
        client = ["buildah", "--root", f"{stack.folder}/root", "--runroot", f"{stack.folder}/run"]
        (tmp_path / "Containerfile").write_text(
            f"FROM oci-archive:{images.freebsd}\nRUN uname -s > /built && cat /built\n"
        )
        limits = (
            [] if os.geteuid() else ["--network", "none", "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=5000:5000"]
        )
        done = subprocess.run([*client, "bud", "--isolation", "oci", "--runtime", command / "lsf-oci", *limits, "-t", "built", tmp_path],
                              capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        if done.returncode and "runc" in done.stderr and "lsf-oci" not in done.stderr:
            harness.not_covered("FreeBSD images by buildah", engines.last_line(done.stderr))
        assert done.returncode == 0, done.stderr
        assert "FreeBSD\n" in done.stdout
        told = subprocess.run(
            [*client, "inspect", "--type", "image", "built"], capture_output=True, text=True, timeout=60, check=True
        )
        assert json.loads(told.stdout)["OCIv1"]["os"] == "freebsd"
    finally:
        stack.close()


def test_containerd(command, images):
    """ctr: an image with os freebsd, the runtime of containerd with BinaryName."""
    if shutil.which("containerd") is None or shutil.which("ctr") is None:
        harness.not_covered("FreeBSD containers by containerd", "containerd is not installed")
    if os.geteuid() != 0:
        harness.not_covered("FreeBSD containers by containerd", "containerd is root's to start")
    engines.runtime_works("runc")
    stack = engines.Stack()
    try:
        place = stack.folder
        (place / "config.toml").write_text(
            f'version = 2\nroot = "{place}/root"\nstate = "{place}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{place}/c.sock"\n'
        )
        stack.start("containerd", "-c", place / "config.toml")

        def ctr(*words: object, check: bool = True):
            done = subprocess.run(["ctr", "-a", f"{place}/c.sock", *map(str, words)], capture_output=True, text=True, timeout=120,
                                  check=False, stdin=subprocess.DEVNULL)  # fmt: skip
            assert not check or done.returncode == 0, done.stderr
            return done

        until(lambda: ctr("version", check=False).returncode == 0, "containerd answers")
        ctr("image", "import", "--platform", "freebsd/amd64", "--base-name", "localhost/freebsd", images.freebsd)
        (image,) = [name for name in ctr("image", "ls", "-q").stdout.split() if name.startswith("localhost/freebsd")]
        options = [
            "--runtime",
            "io.containerd.runc.v2",
            "--runc-binary",
            command / "lsf-oci",
            "--platform",
            "freebsd/amd64",
        ]
        done = ctr("run", "--rm", *options, image, "one", "/bin/sh", "-c", "uname -s; exit 3", check=False)
        assert (done.returncode, done.stdout) == (3, "FreeBSD\n")
        ctr("run", "-d", *options, image, "two", "/bin/sh", "-c", FOREVER)
        done = ctr("task", "exec", "--exec-id", "e", "two", "/bin/sh", "-c", "uname -s; kill -0 1 && echo sees it")
        assert done.stdout == "FreeBSD\nsees it\n"
        ctr("task", "kill", "-s", "SIGUSR1", "two")
        until(lambda: "STOPPED" in ctr("task", "ls").stdout, "it ends")
        done = ctr("task", "rm", "two", check=False)
        assert "code 8" in done.stderr + done.stdout
        ctr("container", "rm", "two")
    finally:
        stack.close()


def test_a_pod_of_kubernetes(command, images, tmp_path):
    """What the kubelet asks of containerd for a pod with a RuntimeClass: a sandbox by the handler, a container in it, an exec, a stop."""
    what = "a pod by containerd's CRI plug-in"
    if shutil.which("containerd") is None or shutil.which("ctr") is None:
        harness.not_covered(what, "containerd is not installed")
    if os.geteuid() != 0:
        harness.not_covered(what, "containerd is root's to start")
    if find_spec("grpc") is None:
        harness.missing_tool(what, "grpcio is not installed")
    engines.runtime_works("runc")
    stack = engines.Stack()
    client = None
    try:
        place = stack.folder
        plugin = '[plugins."io.containerd.grpc.v1.cri"'
        snippet = harness.TESTS.parent / "deploy/containerd.toml"
        (place / "config.toml").write_text(
            f'version = 2\nroot = "{place}/root"\nstate = "{place}/state"\n[grpc]\naddress = "{place}/c.sock"\n'
            f'{plugin}]\nsandbox_image = "localhost/pause:1"\nrestrict_oom_score_adj = true\nstream_server_port = "0"\n'
            f'{plugin}.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n'
            + snippet.read_text()
            .replace("/opt/lsf/bin/lsf-oci", f"{command}/lsf-oci")
            .replace("SystemdCgroup = true", "")
        )
        stack.start("containerd", "-c", place / "config.toml")

        def ctr(*words: object) -> bool:
            return subprocess.run(["ctr", "-a", f"{place}/c.sock", "-n", "k8s.io", *map(str, words)], capture_output=True, timeout=120,
                                  check=False).returncode == 0  # fmt: skip

        until(lambda: ctr("version"), "containerd answers")
        for system, archive in (
            ("linux", images.pause),
            ("freebsd", images.freebsd),
            ("linux", images.freebsd_as_linux),
        ):
            assert ctr(
                "image", "import", "--platform", f"{system}/amd64", "--base-name", f"localhost/{archive.stem}", archive
            )
        assert ctr("image", "tag", "localhost/pause:pause", "localhost/pause:1")
        client = cri.Client(f"{place}/c.sock")
        try:
            # The same machine's Linux pods: what they cannot, FreeBSD's cannot either.
            pod, _ = client.run_pod("linux", "", str(tmp_path))
            for method in ("StopPodSandbox", "RemovePodSandbox"):
                client.ask(method, {1: pod})
        except client.errors as error:
            harness.not_covered(what, f"it runs no Linux pod here: {error.details()}")
        with pytest.raises(client.errors, match="no runtime for"):
            client.run_pod("other", "nosuch", str(tmp_path))
        pod, config = client.run_pod("freebsd", "lsf", str(tmp_path))
        for image in (images.freebsd, images.freebsd_as_linux):
            name = image.stem
            container = client.create(
                pod, config, name, f"localhost/{name}:freebsd", ["/bin/sh", "-c", f"uname -s; {FOREVER}"]
            )
            client.ask("StartContainer", {1: container})
            until(lambda name=name: "started" in (tmp_path / f"{name}.log").read_text(), "the container has started")
            assert "stdout F FreeBSD\n" in (tmp_path / f"{name}.log").read_text()
            assert client.run(container, "/bin/sh", "-c", "uname -s; exit 4") == (4, "FreeBSD\n", "")
            client.ask("StopContainer", {1: container, 2: 20})
            assert client.status(container) == (cri.EXITED, 7)
        for method in ("StopPodSandbox", "RemovePodSandbox"):
            client.ask(method, {1: pod})
    finally:
        if client is not None:
            client.close()
        stack.close()


def test_rootless(images, tmp_path):
    """podman of an ordinary user, who has one id in the container: root's."""
    what = "FreeBSD containers by podman without root"
    if shutil.which("podman") is None or shutil.which("runc") is None:
        harness.not_covered(what, "podman or runc is not installed")
    stack = engines.Stack()
    try:
        place = stack.folder
        # Not where the package lies, which may be a folder that the user cannot enter.
        (place / "bin").mkdir()
        shutil.copy(harness.oci_program(), place / "bin/lsf-oci")
        (place / "lib/lsf").mkdir(parents=True)
        shutil.copy(harness.shim_image(), place / "lib/lsf/shim.elf")
        for archive in (images.linux_tar, images.freebsd):
            shutil.copy(archive, place)
            (place / archive.name).chmod(0o644)
        become = [] if os.geteuid() else ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        for folder in ("home/.config/containers", "runtime"):
            (place / folder).mkdir(parents=True)
        (place / "home/.config/containers/storage.conf").write_text(
            '[storage]\ndriver = "vfs"\n[storage.options.vfs]\nignore_chown_errors = "true"\n[storage.options]\nignore_chown_errors = "true"\n'
        )
        (place / "runtime").chmod(0o700)
        if become:
            subprocess.run(["chown", "-R", "nobody:nogroup", place / "home", place / "runtime"], check=True)
        user = [
            "env",
            "-i",
            f"HOME={place}/home",
            f"XDG_RUNTIME_DIR={place}/runtime",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        client = [*become, *user, "podman", "--cgroup-manager", "cgroupfs", "--runtime"]
        engine = engines.Engine(
            "podman without root",
            place,
            [*client, str(place / "bin/lsf-oci")],
            [*client, str(shutil.which("runc"))],
            [],
        )
        done = engine("import", place / images.linux_tar.name, "linux", check=False, cwd=place)
        if done.returncode or (reason := engine.why_not()):
            harness.not_covered(
                what,
                f"it runs no Linux container here: {engines.last_line(done.stderr) if done.returncode else reason}",
            )
        engine("load", "-i", place / images.freebsd.name)
        done = engine.run("--rm", "freebsd", "/bin/sh", "-c", "uname -s; id -u; exit 3")
        assert (done.returncode, done.stdout) == (3, "FreeBSD\n0\n"), done.stderr
        engine.run("-d", "--name", "one", "freebsd", "/bin/sh", "-c", FOREVER, check=True)
        until(lambda: "started" in engine("logs", "one").stdout, "the container has started")
        assert (
            engine("exec", "one", "/bin/sh", "-c", "uname -s; kill -0 1 && echo sees it").stdout == "FreeBSD\nsees it\n"
        )
        engine("stop", "-t", "20", "one")
        assert engine("inspect", "--format", "{{.State.ExitCode}}", "one").stdout == "7\n"
        engine("rm", "one")
        engine("system", "migrate", check=False)  # ends what podman keeps of a user's namespace
    finally:
        stack.close()

"""The engines for containers that this machine has, as the tests use them: images, and one way to ask podman and docker."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import harness

#: What an image needs for the scripts of the tests.
NEEDED = ("bin/sh", "bin/ls", "bin/ps", "bin/cat", "bin/sleep", "bin/hostname", "libexec/ld-elf.so.1", "usr/bin/id", "usr/bin/uname",
          "usr/bin/wc", "bin/freebsd-version")  # fmt: skip
#: The parts of a root that they need: all of it would take long to pack.
PARTS = ("bin", "lib", "libexec", "etc/passwd", "etc/group", "etc/master.passwd", "etc/pwd.db", "etc/spwd.db", "etc/login.conf",
         "etc/login.conf.db", "usr/bin/id", "usr/bin/uname", "usr/bin/wc", "usr/bin/grep", "usr/bin/env", "usr/bin/awk", "usr/bin/tty",
         "usr/lib/libbsm.so.3", "usr/lib/libgnuregex.so.5", "usr/lib/libz.so.6", "usr/lib/libbz2.so.4", "usr/lib/liblzma.so.5", "sbin/sysctl")  # fmt: skip
#: Takes the unified hierarchy away where others lie beside it, which crun 1.8 does not have; in a mount namespace of its own.
_WITHOUT_UNIFIED = ("unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified && exec "$@"', "sh")


def make_tree(target: Path) -> Path:
    """A small FreeBSD root, as an image has it: with FreeBSD's link /sys."""
    root = harness.root_with(*NEEDED, covers="FreeBSD images under crun, runc and the engines")
    harness.copy_root(root, target, PARTS)
    shutil.rmtree(target / "dev")
    (target / "dev").mkdir()
    (target / "etc").mkdir(exist_ok=True)
    if not os.path.lexists(target / "sys"):
        (target / "sys").symlink_to("usr/src/sys")
    return target


def copy_tree(tree: Path, target: Path) -> Path:
    """A copy that may be written to: of hard links to files that are not."""
    return harness.copy_root(tree, target, None)


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing was said"


@functools.cache
def linux_program() -> Path:
    """A static Linux program: prints its arguments, sleeps with one that is a number, ends. Without any, as bin/sh, it
    stays."""
    source = r"""
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            for (int i = 1; i < argc; i++) printf("%s\n", argv[i]);
            fflush(stdout);
            if (argc > 1 && atoi(argv[1]) > 0) sleep(atoi(argv[1]));
            while (argc == 1 && argv[0][1] == 'b') pause();
            return 0;
        }"""

    def build(out: Path) -> None:
        text = out.with_suffix(".c")
        text.write_text(source)
        done = subprocess.run(["gcc", "-static", "-O1", "-o", out, text], capture_output=True, text=True, check=False)
        if done.returncode:
            harness.missing_tool("Linux containers beside FreeBSD's", "no C compiler with a static libc")

    return harness.cached_build("linux", [source], build)


@functools.cache
def _runtime_works(name: str) -> tuple[tuple[str, ...] | None, str]:
    """What is to be put in front of a runtime's command so that it runs a Linux container here; None and why not."""
    if shutil.which(name) is None:
        return None, "not installed"
    said = ""
    for prefix in ((), _WITHOUT_UNIFIED):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "rootfs").mkdir()
            shutil.copy(linux_program(), Path(folder) / "rootfs/linux")
            subprocess.run([name, "spec"], cwd=folder, check=True, capture_output=True, timeout=60)
            config = json.loads((Path(folder) / "config.json").read_text())
            config["process"] |= {"terminal": False, "args": ["/linux", "works"], "rlimits": []}
            (Path(folder) / "config.json").write_text(json.dumps(config))
            command = [*prefix, name, "--root", f"{folder}/state", "run", f"lsf-probe-{os.getpid()}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
                                  stdin=subprocess.DEVNULL)  # fmt: skip
            if (done.returncode, done.stdout) == (0, "works\n"):
                return prefix, ""
            said = said or last_line(done.stderr)
    return None, f"it runs no Linux container here: {said}"


def runtime_works(name: str) -> tuple[str, ...]:
    """What is to be put in front of crun's or runc's command; skips where it runs no Linux container."""
    prefix, reason = _runtime_works(name)
    if prefix is None:
        harness.not_covered(f"FreeBSD containers by {name}", reason)
        raise AssertionError("not reached")
    return prefix


# ---------------------------------------------------------------- images


class Images:
    """The images of the tests: `tree` is the FreeBSD root, `freebsd` an archive of an OCI image with it (os freebsd), `freebsd_as_linux` the
    same that says it is for Linux, `pause` what a pod's sandbox runs (bin/sh, which never ends); the others are tars of roots."""

    def __init__(self, folder: Path, more: dict[str, Path] | None = None) -> None:
        """more: further files of the FreeBSD root, by name."""
        from lsf.roots import Root, export

        self.tree = make_tree(folder / "tree")
        for name, file in (more or {}).items():
            shutil.copy(file, self.tree / name)
        root = Root("freebsd", str(self.tree), {"release": "10.1-RELEASE"})
        self.freebsd = folder / "freebsd.oci"
        self.freebsd_tar = folder / "freebsd.tar"
        export.export(root, str(self.freebsd), "oci-archive", quiet=True)
        self.freebsd_as_linux = folder / "aslinux.oci"
        export.export(root, str(self.freebsd_tar), "tar", quiet=True)
        export.export(root, str(self.freebsd_as_linux), "oci-archive", quiet=True, system="linux")
        (folder / "pause/bin").mkdir(parents=True)
        shutil.copy(linux_program(), folder / "pause/bin/sh")
        self.pause = folder / "pause.oci"
        export.export(
            Root("pause", str(folder / "pause"), {}), str(self.pause), "oci-archive", quiet=True, system="linux"
        )
        # As large as the other: some engines copy an image for each container.
        harness.copy_root(self.tree, folder / "linux/padding", None)
        shutil.copy(linux_program(), folder / "linux/linux")
        self.linux_tar = folder / "linux.tar"
        export.export(Root("linux", str(folder / "linux"), {}), str(self.linux_tar), "tar", quiet=True)


# ---------------------------------------------------------------- podman and docker


class Engine:
    """An engine with a store of its own. `client` is its command, with the options that choose store and runtime; `limits` are what `run` needs
    on this machine. `images` names those that are loaded. Commands run in `folder`: conmon leaves a file there when memory has run out."""

    def __init__(
        self, name: str, folder: Path, client: list[str], linux_client: list[str], linux_options: list[str]
    ) -> None:
        self.name, self.folder = name, folder
        self.client, self.linux_client, self.linux_options = client, linux_client, linux_options
        self.limits = ["--network", "none"]

    def __call__(self, *words: object, check: bool = True, client: list[str] | None = None, timeout: float = 120,
                 **options) -> subprocess.CompletedProcess:  # fmt: skip
        options = {"stdin": subprocess.DEVNULL, "cwd": self.folder, **options}
        command = [*(client or self.client), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
        done.stderr = "".join(line for line in done.stderr.splitlines(True) if "WARNING: image platform" not in line)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def run(self, *words: object, check: bool = False, network: bool = False, **options) -> subprocess.CompletedProcess:
        """`run` with the options and the command given: a FreeBSD container."""
        limits = self.limits[2:] if network else self.limits
        return self("run", *limits, *words, check=check, **options)

    def run_linux(self, *words: object, check: bool = False) -> subprocess.CompletedProcess:
        """The same with runc or crun themselves."""
        return self("run", *self.linux_options, *self.limits, *words, check=check, client=self.linux_client)

    def remove(self, *names: str, check: bool = False, timeout: float = 120) -> None:
        """Kill and remove containers: podman would ask them to stop first, for ten seconds."""
        at_once = ["-t", "0"] if self.name.startswith("podman") else []
        self("rm", "-f", *at_once, *names, check=check, timeout=timeout)

    def why_not(self) -> str:
        """Finds the limits with which this machine runs Linux containers: "" where it does, else what was said."""
        said = ""
        for more in ([], ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=5000:5000"]):
            self.limits = ["--network", "none", *more]
            done = self.run_linux("--rm", "linux", "/linux", "works")
            if (done.returncode, done.stdout) == (0, "works\n"):
                return ""
            said = said or last_line(done.stderr)
        return said


class Stack:
    """What an engine's tests start; `close` ends it by process number."""

    def __init__(self) -> None:
        # Not pytest's folder: sockets have short names, and a user namespace's root must be able to come here.
        self.folder = Path(tempfile.mkdtemp(prefix="lsf-engines-", dir="/tmp"))
        self.folder.chmod(0o711)
        self.processes: list[subprocess.Popen] = []
        #: Network interfaces that an engine makes and leaves.
        self.bridges: list[str] = []

    def start(self, *words: object, **options) -> subprocess.Popen:
        log = (self.folder / f"log{len(self.processes)}").open("wb")
        process = subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        log.close()
        self.processes.append(process)
        return process

    def said(self) -> str:
        """The last line that the last process wrote."""
        return last_line((self.folder / f"log{len(self.processes) - 1}").read_text(errors="replace"))

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # What engines leave beside a container when a test has failed.
        for process, line in list(harness.processes("cmdline")):
            if str(self.folder).encode() in line and int(process.name) != os.getpid():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(process.name), signal.SIGKILL)
        for mount in reversed(mounts_below(self.folder)):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        for bridge in self.bridges:
            if shutil.which("ip"):
                subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def mounts_below(folder: Path) -> list[str]:
    """What is mounted in a folder, in this process's mount namespace."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


def podman(stack: Stack, command: Path, runtime: str, images: Images) -> Engine:
    """podman with one of the runtimes. Skips where it is not to be had."""
    what = f"FreeBSD containers by podman and {runtime}"
    if shutil.which("podman") is None:
        harness.not_covered(what, "podman is not installed")
    prefix = list(runtime_works(runtime))
    if not Path("/sys/class/net/cni-podman0").exists():
        stack.bridges.append("cni-podman0")
    if prefix:
        # One mount namespace for all commands: what one mounts the next sees.
        holder = stack.start(*prefix, "sh", "-c", "echo ready; exec sleep 3600")
        while "ready" not in stack.said() and holder.poll() is None:
            time.sleep(0.02)
        prefix = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "env", f"--chdir={stack.folder}"]
    place = stack.folder
    store = ["podman", "--root", f"{place}/root", "--runroot", f"{place}/run", "--tmpdir", f"{place}/tmp", "--cgroup-manager", "cgroupfs",
             "--events-backend", "none"]  # fmt: skip
    # Not by --runtime-flag, which podman does not give to its own cleaning up.
    link = command / f"lsf-oci-{runtime}"
    if not link.is_symlink():
        link.symlink_to("lsf-oci")
    client = [*prefix, *store, "--runtime", str(link)]
    engine = Engine(f"podman-{runtime}", place, client, [*prefix, *store, "--runtime", str(shutil.which(runtime))], [])
    done = engine("import", images.linux_tar, "linux", check=False, client=engine.linux_client)
    if done.returncode or (reason := engine.why_not()):
        harness.not_covered(
            what, f"it runs no Linux container here: {reason if not done.returncode else last_line(done.stderr)}"
        )
    engine("load", "-i", images.freebsd)
    engine("tag", "localhost/freebsd", "freebsd")
    return engine


def docker(stack: Stack, command: Path, images: Images) -> Engine:
    """dockerd with lsf-oci as its default runtime. Skips where it is not to be had."""
    what = "FreeBSD containers by docker"
    client = next(
        (path for path in ("/usr/bin/docker", shutil.which("docker")) if path and os.access(path, os.X_OK)), None
    )
    if shutil.which("dockerd") is None or client is None:
        harness.not_covered(what, "docker is not installed")
    if os.geteuid() != 0:
        harness.not_covered(what, "dockerd is root's to start")
    place = stack.folder
    socket = f"unix://{place}/docker.sock"
    (place / "daemon.json").write_text("{}")
    engine = Engine("docker", place, [client, "-H", socket], [client, "-H", socket], ["--runtime", "runc"])
    had_bridge = Path("/sys/class/net/docker0").exists()
    # Ports are published by docker's own proxy; without a bridge, where the machine allows none, they are not.
    for network in ("--bip=10.213.7.1/24", "--bridge=none"):
        daemon = stack.start("dockerd", "--config-file", place / "daemon.json", "--data-root", place / "root", "--exec-root", place / "exec",
                             "--pidfile", place / "pid", "-H", socket, "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false",
                             network, "--add-runtime", f"lsf={command}/lsf-oci", "--default-runtime", "lsf",
                             env={**os.environ, "DOCKER_RAMDISK": "1"})  # fmt: skip
        for _ in range(300):
            if daemon.poll() is not None or engine("version", check=False).returncode == 0:
                break
            time.sleep(0.1)
        if daemon.poll() is None:
            break
    if not had_bridge:
        stack.bridges.append("docker0")
    if engine("version", check=False).returncode:
        harness.not_covered(what, f"dockerd does not start here: {stack.said()}")
    engine("import", images.linux_tar, "linux")
    if reason := engine.why_not():
        harness.not_covered(what, f"it runs no Linux container here: {reason}")
    engine("import", images.freebsd_tar, "freebsd")
    return engine

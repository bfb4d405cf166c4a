"""The engines for containers that this machine has, as the tests use them: images, and one way to ask podman and docker."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
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
    """A static Linux program: prints its arguments, sleeps with one that is a number, ends."""
    source = r"""
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            for (int i = 1; i < argc; i++) printf("%s\n", argv[i]);
            fflush(stdout);
            if (argc > 1 && atoi(argv[1]) > 0) sleep(atoi(argv[1]));
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

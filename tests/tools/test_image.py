"""The Dockerfile, built by buildah from this checkout's wheel: FreeBSD comes from a mirror on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import archives
import engines
import harness
import pytest

from lsf.roots import Root, export

pytestmark = pytest.mark.together

TOP = harness.TESTS.parent
RELEASE = "14.9-RELEASE"
PARTS = ("bin/sh", "bin/freebsd-version", "lib/libc.so.7", "lib/libedit.so.7", "lib/libncurses.so.8", "lib/libncursesw.so.8",
         "libexec/ld-elf.so.1", "usr/bin/uname")  # fmt: skip


@pytest.fixture(scope="module")
def stack():
    made = engines.Stack()
    yield made
    made.close()


@pytest.fixture(scope="module")
def buildah(stack):
    """`buildah(*words)`, with a store of its own and this machine's /usr as what builds: an image of Debian would have to be fetched."""
    what = "the Dockerfile, built"
    if shutil.which("buildah") is None:
        harness.not_covered(what, "buildah is not installed")
    if os.geteuid() != 0:
        harness.not_covered(what, "buildah's chroot isolation is root's here")

    def run(*words: object, check: bool = True):
        command = [
            "buildah",
            "--root",
            f"{stack.folder}/root",
            "--runroot",
            f"{stack.folder}/run",
            "--storage-driver",
            "vfs",
            *map(str, words),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    base = stack.folder / "base"
    for folder in ("usr", "etc", "opt", "tmp", "var", "dev", "proc", "sys", "root", "run"):
        (base / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (base / name).symlink_to(f"usr/{name}")
    container = run("from", "scratch").stdout.strip()
    run("copy", container, base, "/")
    run("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    if run("commit", "-q", container, "localhost/base", check=False).returncode:
        harness.not_covered(what, "buildah cannot make an image here")
    run("rm", container)
    return run


@pytest.fixture(scope="module")
def context(stack):
    """The checkout, as git has it, and the wheel under test."""
    wheel = os.environ.get("LSF_TEST_WHEEL")
    if not wheel:
        harness.not_covered("the Dockerfile, built", "LSF_TEST_WHEEL names no wheel")
    told = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print('cp%d%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.stdout.strip() not in Path(wheel).name:
        harness.not_covered(
            "the Dockerfile, built", f"the wheel is not for the system's Python ({told.stdout.strip() or 'none'})"
        )
    place = stack.folder / "context"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name] or harness.not_covered(
        "the Dockerfile, built", "this is no checkout"
    )
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, place / name, follow_symlinks=False)
    (place / "dist").mkdir()
    shutil.copy(wheel, place / "dist")
    (place / "secret.txt").write_text("not for the image")
    return place


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """A mirror with one release that nobody knows, of a real root's shell."""
    folder = tmp_path_factory.mktemp("mirror")
    root = harness.root_with("bin/sh", "usr/bin/uname", "libexec/ld-elf.so.1", covers="the Dockerfile, built")
    tree = harness.copy_root(root, folder / "tree", PARTS)
    (tree / "bin/freebsd-version").unlink()
    (tree / "bin/freebsd-version").write_text(f'USERLAND_VERSION="{RELEASE}"\n')
    shutil.rmtree(tree / "dev")
    (tree / "dev").mkdir()
    export.export(Root("base", str(tree), {}), str(folder / "base.txz"), "tar", quiet=True)
    data = (folder / "base.txz").read_bytes()
    served = archives.Server()
    served.files[f"/{RELEASE}/base.txz"] = data
    served.files[f"/{RELEASE}/MANIFEST"] = archives.manifest(data)
    served.files["/"] = f'<a href="{RELEASE}/">{RELEASE}/</a>'.encode()
    served.digest = hashlib.sha256(data).hexdigest()
    yield served
    served.close()


def build(buildah, context, mirror, *words: str):
    return buildah("bud", "--isolation", "chroot", "-v", "/usr:/usr:ro", "-v", "/etc:/etc:ro", "--build-arg", "BASE=localhost/base",
                   "--build-arg", f"RELEASE={RELEASE}", "--build-arg", f"MIRROR={mirror.url}", *words, context, check=False)  # fmt: skip


def test_the_image(buildah, context, mirror, stack):
    """One layer with FreeBSD's root and the shim: no Python, no compiler, nothing of the build's."""
    done = build(buildah, context, mirror, "--build-arg", f"SHA256={mirror.digest}", "-t", "image")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gcc" not in done.stdout.replace("compiler='gcc", "").replace("command -v gcc", "")
    config = json.loads(buildah("inspect", "--type", "image", "image").stdout)["OCIv1"]["config"]
    assert config["Entrypoint"] == ["/lsf", "--"]
    assert config["Cmd"] == ["/bin/sh"]
    assert f"LSF_OSRELEASE={RELEASE}" in config["Env"]
    container = buildah("from", "image").stdout.strip()
    try:
        tree = Path(buildah("mount", container).stdout.strip())
        assert (tree / "lsf").read_bytes() == harness.shim_image().read_bytes()
        assert os.access(tree / "lsf", os.X_OK)
        names = {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}
        assert not [
            name
            for name in names
            if "python" in name or "gcc" in name or name.endswith((".py", ".whl")) or "secret" in name
        ]
        assert {"lsf", "bin/sh", "libexec/ld-elf.so.1"} <= names
        ran = buildah(
            "run", "--isolation", "chroot", container, "--", "/lsf", "--", "/bin/sh", "-c", "uname -sr", check=False
        )
        assert (ran.returncode, ran.stdout.strip()) == (0, f"FreeBSD {RELEASE}"), ran.stderr
    finally:
        buildah("rm", container, check=False)


def test_a_mirror_that_is_not_believed(buildah, context, mirror):
    done = build(buildah, context, mirror, "--build-arg", f"SHA256={'0' * 64}", "-t", "bad")
    assert done.returncode != 0
    assert "sha256" in (done.stdout + done.stderr).lower()


def test_the_installers_image(buildah, context, mirror):
    """lsf-oci and the shim, where deploy/node.py looks for them, and nothing else; it runs from there."""
    done = build(buildah, context, mirror, "--target", "installer", "-t", "installer")
    assert done.returncode == 0, done.stdout + done.stderr
    container = buildah("from", "installer").stdout.strip()
    try:
        tree = Path(buildah("mount", container).stdout.strip())
        assert (tree / "payload/lib/lsf/shim.elf").read_bytes() == harness.shim_image().read_bytes()
        names = {str(path.relative_to(tree / "payload")) for path in (tree / "payload").rglob("*") if path.is_file()}
        assert names == {"bin/lsf-oci", "lib/lsf/shim.elf"}
        runtime = tree / "tmp/runtime"
        runtime.write_text("#!/bin/sh\necho fake version 1\n")
        runtime.chmod(0o755)
        told = subprocess.run([tree / "payload/bin/lsf-oci", "--runtime", runtime, "--version"], capture_output=True, text=True,
                              timeout=60, check=False)  # fmt: skip
        assert told.stdout.startswith("lsf-oci version "), told.stderr
    finally:
        buildah("rm", container, check=False)


def test_the_context_leaves_out_what_is_not_built_of():
    """.dockerignore lets in what the package is built of, and no more."""
    allowed = [line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert {"lsf", "scripts", "setup.py", "pyproject.toml", "deploy"} <= set(allowed)
    assert not {".git", "tests", "build", "benchmarks"} & set(allowed)
    wanted = {word for line in (TOP / "setup.py").read_text().splitlines() if "scripts=" in line or "data_files" in line
              for word in line.split('"') if "/" in word and not word.startswith("share")}  # fmt: skip
    assert all(any(name == one or name.startswith(one + "/") for one in allowed) for name in wanted)

"""`lsfctl run` and `lsfctl images`: container images without an engine, in docker's words."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import archives
import engines
import harness
import pytest

from lsf.roots import Root, export, images

pytestmark = pytest.mark.together

SAYS = {
    "Env": ["PATH=/bin:/usr/bin", "GREETING=hello world"],
    "Cmd": ["-c", "echo $GREETING; pwd; id -u"],
    "Entrypoint": ["/bin/sh"],
    "WorkingDir": "/work/here",
    "User": "operator",
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """An image layout whose configuration says much."""
    folder = tmp_path_factory.mktemp("image")
    tree = engines.make_tree(folder / "tree")
    (tree / "work").rmdir()
    made = folder / "layout"
    export.export(Root("image", str(tree), {"release": "10.1-RELEASE"}), str(made), "oci", quiet=True)

    def blob(value) -> dict:
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        (made / "blobs/sha256" / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    index = json.loads((made / "index.json").read_text())
    manifest = json.loads((made / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((made / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
    manifest["config"] |= blob({**config, "config": SAYS})
    index["manifests"][0] |= blob(manifest)
    (made / "index.json").write_text(json.dumps(index))
    return made


@pytest.fixture(scope="module")
def store(layout, tmp_path_factory):
    """A store with that image as the root `image`."""
    folder = tmp_path_factory.mktemp("store")
    done = subprocess.run([sys.executable, "-m", "lsf.ctl.lsfctl", "root", "import", layout, "--name", "image", "-q"], env=environment(folder),
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def environment(store: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(store),
        "LSF_ROOTS": str(store),
        "PYTHONPATH": str(harness.PACKAGE_PARENT),
        **more,
    }


@pytest.fixture(params=["root", "user", "no mounts"])
def run(request, store, tmp_path):
    """`run(*words)`: lsfctl run as who runs the tests, as a user who may make namespaces, and as one who may not."""
    if request.param == "root" and os.geteuid() != 0:
        harness.not_covered("lsfctl run as root", "the tests are run by a user")

    def complete(*words: object, check_left: bool = True, **more: str):
        command = [sys.executable, "-m", "lsf.ctl.lsfctl", "run", *map(str, words)]
        before = sorted(os.listdir(store))
        if request.param == "root":
            done = subprocess.run(command, env=environment(store, **more), cwd=tmp_path, capture_output=True, text=True, timeout=120,
                                  check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        else:
            done = harness.run_as_user(
                command, environment(store, **more), tmp_path, namespaces=request.param == "user"
            )
        if check_left:
            assert sorted(os.listdir(store)) == before
        # Where no layers are to be had, that is said.
        said = [line for line in done.stderr.splitlines() if ": it is copied" not in line]
        assert request.param != "root" or len(said) == done.stderr.count("\n")
        return done.returncode, done.stdout, "\n".join(said)

    complete.kind = request.param
    return complete


def test_what_the_image_says(run):
    status, out, err = run("--rm", "image")
    assert (status, err) == (0, "")
    assert out == "hello world\n/work/here\n2\n" or run.kind == "no mounts"
    assert (
        run("--rm", "-e", "GREETING=mine", "-w", "/usr", "-u", "0", "image") == (0, "mine\n/usr\n0\n", "")
        or run.kind == "no mounts"
    )
    assert run("--rm", "image", "-c", "echo $0 $1", "a", "b")[1] == "a b\n"
    assert run("--rm", "--entrypoint", "/bin/echo", "image", "x", "--rm")[1] == "x --rm\n"
    assert run("--rm", "--entrypoint", "", "image", "uname", "-s")[1] == "FreeBSD\n"


def test_what_a_program_changes(run):
    """Is gone with --rm; the root is as it was."""
    script = "echo new > /file && cat /file; rm /bin/ls; echo more >> /etc/group; ls /bin/ls 2>/dev/null || echo gone"
    assert run("--rm", "-u", "0", "image", "-c", script) == (0, "new\ngone\n", "")
    assert (
        run(
            "--rm", "-u", "0", "image", "-c", "ls /file 2>/dev/null; ls /bin/ls; tail -1 /etc/group 2>/dev/null; exit 0"
        )[1].split()[0]
        == "/bin/ls"
    )


def test_statuses(run):
    assert run("--rm", "image", "-c", "exit 7")[0] == 7
    assert run("--rm", "image", "-c", "kill -9 $$")[0] == 137
    for words, status, said in (
        (["--entrypoint", "nosuch", "image"], 127, "lsf: nosuch: not found"),
        (["--entrypoint", "/etc", "image"], 126, "lsf: /etc: "),
        (["-u", "nobody2", "image"], 125, "lsfctl: -u nobody2: the image has no user nobody2"),
        (["-u", "0:none", "image"], 125, "lsfctl: -u 0:none: the image has no group none"),
        (["-w", "work", "image"], 125, "lsfctl: -w work: not an absolute path"),
        (["-v", "/nosuch:/x", "image"], 125, "lsf: -v /nosuch:/x: No such file or directory"),
        (["-v", "a", "image"], 125, "lsf: -v a: "),
        (["-e", "=x", "image"], 125, "lsfctl: -e =x: not of the form NAME=VALUE"),
        (["nosuch"], 125, "lsfctl: nosuch: no root has this name (image in "),
        (["./nosuch"], 125, "lsfctl: ./nosuch: No such file or directory"),
        (["/usr/share"], 125, "lsfctl: /usr/share is not a FreeBSD root: "),
    ):
        got = run("--rm", *words)
        assert (got[0], got[1]) == (status, ""), words
        assert got[2].startswith(said), words
        assert got[2].count("\n") == 0


def test_volumes(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("theirs\n")
    volumes = ["-v", f"{tmp_path}/data:/data", "-v", f"{tmp_path}/data/file:/usr/file:ro"]
    script = "cat /data/file; echo mine > /data/new; pwd; test ! -e /usr/file || (echo x > /usr/file) 2>/dev/null || echo kept"
    status, out, err = run("--rm", "-u", "0", "-w", "/data", *volumes, "image", "-c", script)
    if run.kind == "no mounts":  # a view by look-up writes to all that it shows, and says so
        assert (status, out) == (125, "")
        assert "/usr/file:ro" in err
        status, out, err = run("--rm", "-u", "0", "-w", "/data", *volumes[:2], "image", "-c", script)
        out += "kept\n"
    assert (status, out, err) == (0, "theirs\n/data\nkept\n", "")
    assert (tmp_path / "data/new").read_text() == "mine\n"
    assert (tmp_path / "data/file").read_text() == "theirs\n"


def test_the_environment(run):
    status, out, err = run(
        "--rm",
        "-e",
        "TAKEN",
        "-e",
        "NOT_THERE",
        "--entrypoint",
        "/usr/bin/env",
        "image",
        TAKEN="yes",
        OTHER="no",
        TERM="vt100",
    )
    assert (status, err) == (0, "")
    assert {"TAKEN=yes", "TERM=vt100", "GREETING=hello world", "PATH=/bin:/usr/bin"} <= set(out.split("\n"))
    assert not [line for line in out.split("\n") if line.startswith(("OTHER", "NOT_THERE", "LSF_", "PYTHON"))]


def test_without_rm_a_root_is_kept(store, tmp_path):
    command = [sys.executable, "-m", "lsf.ctl.lsfctl"]

    def lsfctl(*words: object):
        return subprocess.run([*command, *map(str, words)], env=environment(store), cwd=tmp_path, capture_output=True, text=True, timeout=120,
                              check=False)  # fmt: skip

    if os.geteuid() != 0:
        harness.not_covered("what `lsfctl run` keeps", "the tests are run by a user")
    done = lsfctl("run", "-u", "0", "image", "-c", "echo new > /file; exit 3")
    assert (done.returncode, done.stdout) == (3, "")
    assert "in the root image.1: `lsf --root image.1 --isolated` goes on" in done.stderr
    assert lsfctl("run", "-q", "--name", "second", "image.1", "-c", "cat /file").stdout == "new\n"
    assert lsfctl("run", "--rm", "--entrypoint", "/bin/cat", "second", "/file").stdout == "new\n"
    assert lsfctl("root", "remove", "image.1", "second").returncode == 0
    assert os.listdir(store) == ["image"]


def test_signals_go_on_to_the_program(store, tmp_path):
    """And a killed lsfctl leaves what the next one removes."""
    command = [sys.executable, "-m", "lsf.ctl.lsfctl", "run", "--rm", "-u", "0", "image", "-c"]
    script = "trap 'echo got term; exit 4' TERM; echo started; while :; do sleep 0.1; done"
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(
            [*command, script], env=environment(store), cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        if number == signal.SIGTERM:
            assert process.communicate(timeout=30) == ("got term\n", "") or process.returncode == 4
            assert process.returncode == 4
            assert os.listdir(store) == ["image"]
        else:
            process.wait()
            left = [name for name in os.listdir(store) if name.startswith(".run-")]
            assert left
            # The program itself ends by its own means; here by hand.
            for folder, line in harness.processes("cmdline"):
                if b"while :; do sleep 0.1; done" in line and script.encode() in line:
                    os.kill(int(folder.name), signal.SIGKILL)
            os.utime(store / left[0], (1, 1))
            process.stdout.close()
            done = subprocess.run([*command, "true"], env=environment(store), cwd=tmp_path, timeout=60, check=False)
            assert done.returncode == 0
            assert os.listdir(store) == ["image"]


def test_an_image_of_a_registry(layout, web_server, tmp_path):
    """Is fetched once, and called by its name from then on."""
    index = json.loads((layout / "index.json").read_text())
    manifest = index["manifests"][0]["digest"]
    for blob in (layout / "blobs/sha256").iterdir():
        for kind in ("blobs", "manifests"):
            web_server.files[f"/v2/freebsd/base/{kind}/sha256:{blob.name}"] = blob.read_bytes()
    web_server.files["/v2/freebsd/base/manifests/10.1"] = archives.Answer(
        body=(layout / "blobs/sha256" / manifest[7:]).read_bytes(),
        headers={"Content-Type": "application/vnd.oci.image.manifest.v1+json"},
    )
    store = tmp_path / "store"
    env = environment(store, LSF_REGISTRY=web_server.url, XDG_CACHE_HOME=str(tmp_path / "cache"))
    command = [sys.executable, "-m", "lsf.ctl.lsfctl"]
    for _ in range(2):
        done = subprocess.run([*command, "run", "--rm", "freebsd/base:10.1", "-c", "uname -s; echo $GREETING"], env=env, cwd=tmp_path,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "FreeBSD\nhello world\n"), done.stderr
    assert len(web_server.requests("/v2/freebsd/base/manifests/10.1")) == 1
    listed = subprocess.run(
        [*command, "images", "--format", "json"], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    (image,) = json.loads(listed.stdout)
    assert image["name"] == f"{web_server.host}/freebsd/base:10.1"
    assert (image["root"], image["release"], image["command"][:2]) == ("base-10.1", "10.1-RELEASE", ["/bin/sh", "-c"])
    text = subprocess.run([*command, "images"], env=env, capture_output=True, text=True, timeout=60, check=True).stdout
    assert text.splitlines()[0].split() == ["IMAGE", "ROOT", "FREEBSD", "CREATED", "SIZE"]
    assert text.splitlines()[1].startswith(f"{web_server.host}/freebsd/base:10.1")


def test_what_is_kept_of_a_configuration():
    kept = images.keep({"config": {**SAYS, "Labels": {"a": "b"}, "Volumes": None}})
    assert json.loads(kept["config"]) == SAYS
    config = images.config(Root("x", "/x", kept))
    assert (config.env["GREETING"], config.directory, config.user) == ("hello world", "/work/here", "operator")
    for broken in ("", "{", "[]", '{"Env": 3, "Cmd": "x", "User": null}'):
        config = images.config(Root("x", "/x", {"config": broken} if broken else {}))
        assert (config.env, config.entrypoint, config.command) == ({}, [], ["/bin/sh"])
    assert images.keep({"config": None}) == images.keep({}) == {}
    assert images.keep({"config": {"Cmd": ["x" * (40 << 10)]}}) == {}


def test_the_list_of_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-m", "lsf.ctl.lsfctl", "images"], env=environment(tmp_path / "none"), capture_output=True,
                          text=True, timeout=60, check=True)  # fmt: skip
    assert done.stdout.split() == ["IMAGE", "ROOT", "FREEBSD", "CREATED", "SIZE"]

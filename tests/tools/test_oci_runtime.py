"""`lsf-oci`, the command: what it hands on to crun or runc, what it says when it cannot, and bundles run by both of them."""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import engines
import harness
import pytest

from lsf.freebsd.tables import signals


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    return harness.commands(tmp_path_factory.mktemp("commands") / "bin") / "lsf-oci"


@pytest.fixture
def fake(tmp_path):
    """A runtime that says what it was given: its arguments, and what /proc/self/fd has that is named there."""
    runtime = tmp_path / "fake"
    runtime.write_text(
        '#!/bin/sh\ncase " $* " in *" state "*) cat "${0%/*}/state" 2>/dev/null; exit $? ;;\n'
        '*" features "*) echo "{\\"ociVersionMax\\":\\"1.0.2\\"}"; exit 0 ;;\n*" --version "*) echo "fake version 1"; exit 0 ;; esac\n'
        'for word do echo "$word"; case $word in /proc/self/fd/* | --process=/proc/self/fd/*) cat "${word#*=}" && echo ;; esac; done\n'
    )
    runtime.chmod(0o755)
    return runtime


@pytest.fixture
def run(command, tmp_path):
    def complete(*words, path="/usr/bin:/bin", **options):
        return subprocess.run([command, *map(str, words)], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
                              env={"PATH": path, **options.pop("env", {})}, **options)  # fmt: skip

    return complete


@pytest.fixture
def bundle(tmp_path):
    """A bundle with the smallest FreeBSD root that is one."""
    folder = tmp_path / "bundle"
    (folder / "rootfs/bin").mkdir(parents=True)
    (folder / "rootfs/bin/freebsd-version").write_text('USERLAND_VERSION="14.1-RELEASE"\n')
    made = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"args": ["sh"], "cwd": "/"},
            "mounts": [{"destination": "/dev", "type": "tmpfs"}]}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(made))
    return folder


# ---------------------------------------------------------------- what is handed on


def test_what_lsf_has_no_part_in_goes_to_the_runtime(run, fake):
    for words in (
        ["state", "x"],
        [
            "--root",
            "/r",
            "--log=/l",
            "--log-format",
            "json",
            "--systemd-cgroup",
            "--rootless",
            "true",
            "--debug",
            "delete",
            "--force",
            "x",
        ],
        ["start", "--runtime", "x"],
        ["kill", "--all", "x", "USR1"],
        ["events", "create"],
        ["nosuch", "a b", "", "*", "--"],
    ):
        done = run("--runtime", fake, *words)
        if words[0] != "state":
            assert (done.returncode, done.stdout.split("\n")[:-1], done.stderr) == (0, words, "")
        done = run(*words[:-1], words[-1], env={"LSF_OCI_RUNTIME": str(fake)})
        assert done.stderr == ""
    done = run("--root", "/r", f"--runtime={fake}", "start", "x")
    assert done.stdout.split() == ["--root", "/r", "start", "x"]


def test_signals_that_only_freebsd_has(run, fake):
    for name in ("INFO", "EMT"):
        number = str(signals.BY_NAME[f"SIG{name}"].linux)
        assert run("--runtime", fake, "kill", "x", name).stdout.split() == ["kill", "x", number]
        assert run("--runtime", fake, "kill", "x", f"SIG{name}").stdout.split() == ["kill", "x", number]
    assert run("--runtime", fake, "kill", "INFO").stdout.split() == ["kill", "INFO"]
    assert run("--runtime", fake, "kill", "INFO", "TERM").stdout.split() == ["kill", "INFO", "TERM"]


def test_which_runtime(run, fake, tmp_path, command):
    """By name in PATH; not itself; runc before crun."""
    (tmp_path / "names").mkdir()
    crun = tmp_path / "names/crun"
    shutil.copy(fake, crun)
    done = run("start", "x", path=f"{tmp_path}/names:/nosuch")
    if not shutil.which("runc", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"):
        assert done.stdout.split() == ["start", "x"]
    (tmp_path / "names/runc").symlink_to(fake)
    assert run("start", "x", path=f"{tmp_path}/names:/usr/bin:/bin").stdout.split() == ["start", "x"]
    assert run("--runtime", "crun", "start", "x", path=f"{tmp_path}/names").stdout.split() == ["start", "x"]
    (command.parent / "lsf-oci-crun").symlink_to("lsf-oci")
    elsewhere = tmp_path / "lsf-oci-fake"
    elsewhere.symlink_to(command)
    for called, words in ((command.parent / "lsf-oci-crun", ["start", "x"]), (elsewhere, ["create", "x"])):
        done = subprocess.run([called, *words], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
                              env={"PATH": f"{tmp_path}/names:{tmp_path}:/usr/bin:/bin"})  # fmt: skip
        assert (done.stdout.split(), done.stderr) == (words, "")
    for words, said in ((["--runtime", "nosuch"], "nosuch: no such runtime"), (["--runtime", "/etc/passwd"], "/etc/passwd: no such"),
                        (["--runtime", str(command)], "this is lsf-oci itself")):  # fmt: skip
        done = run(*words, "state", "x")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("lsf-oci: ")
        assert said in done.stderr


def test_itself_and_features(run, fake):
    from lsf import __version__

    assert run("--runtime", fake, "--version").stdout == f"lsf-oci version {__version__}\nfake version 1\n"
    told = json.loads(run("--runtime", fake, "features").stdout)
    assert told["ociVersionMax"] == "1.0.2"
    assert told["annotations"] == {"lsf.version": __version__, "lsf.runtime": str(fake)}
    assert "usage: lsf-oci" in run("--runtime", fake).stdout
    assert "usage: lsf-oci" in run("--runtime", fake, "--help").stdout


def test_create_and_run(run, fake, bundle):
    before = (bundle / "config.json").stat().st_mode
    for words in (["--bundle", str(bundle)], [f"--bundle={bundle}"], ["-b", str(bundle)]):
        for verb in ("create", "run"):
            done = run("--runtime", fake, "--root", "/r", verb, *words, "--pid-file", "/p", "x")
            assert done.stdout.split() == ["--root", "/r", verb, *words, "--pid-file", "/p", "x"]
    changed = json.loads((bundle / "config.json").read_text())
    assert changed["process"]["args"][0] == "/dev/lsf"
    assert (bundle / "config.json").stat().st_mode == before
    assert sorted(os.listdir(bundle)) == ["config.json", "rootfs"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_refused_is_one_sentence(run, fake, bundle, tmp_path, form):
    """On standard error, and in the log that engines read; nothing is executed, and the bundle is as it was."""
    good = json.loads((bundle / "config.json").read_text())
    for text, said in (
        ("{", "config.json: not JSON: "),
        ("\xff", "config.json: not JSON: "),
        (json.dumps({**good, "process": None}), "config.json: it has no process to run"),
        (json.dumps({**good, "process": {"args": ["sh", 3]}}), "process.args is not a list of strings"),
    ):
        (bundle / "config.json").write_text(text, encoding="latin-1")
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        done = run("--runtime", fake, "--log", log, "--log-format", form, "create", "--bundle", bundle, "x")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert said in done.stderr
        told = log.read_text()
        if form == "json":
            assert json.loads(told)["level"] == "error"
            assert json.loads(told)["msg"] == done.stderr.rstrip("\n")
        else:
            assert said in told
        assert (bundle / "config.json").read_text(encoding="latin-1") == text
        assert sorted(os.listdir(bundle)) == ["config.json", "rootfs"]
    (bundle / "config.json").unlink()
    assert run("--runtime", fake, "create", "--bundle", bundle, "x").returncode == 0  # the runtime's to tell


def test_a_configuration_that_is_no_file(run, fake, bundle):
    """A pipe that nobody writes to is not waited for."""
    path = bundle / "config.json"
    path.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(path)
        done = run("--runtime", fake, "run", "-b", bundle, "x")
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"lsf-oci: {path}: not a regular file\n")
        path.unlink() if path.is_fifo() else path.rmdir()


@pytest.mark.parametrize("kilobytes", [200, 900, 1500, 2500, 4000])
def test_little_memory(run, fake, bundle, kilobytes):
    """A sentence, or it is enough; the bundle is as it was then."""
    path = bundle / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": list(range(20000))}))
    before = path.read_text()
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))
    done = run("--runtime", fake, "create", "--bundle", bundle, "x", preexec_fn=limit)
    assert (done.returncode, done.stderr) == (1, "lsf-oci: there is no memory\n")
    assert path.read_text() == before
    assert sorted(os.listdir(bundle)) == ["config.json", "rootfs"]


def test_a_name_with_lines_in_it(run, fake, bundle):
    """What an image names does not write on a terminal."""
    path = bundle / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "annotations": {"lsf.freebsd": "a\nb\x1b[31m\x7f"}}))
    done = run("--runtime", fake, "create", "--bundle", bundle, "x")
    assert done.stderr == "lsf-oci: annotation lsf.freebsd=a?b?[31m?: neither true nor false\n"


def test_a_disk_that_is_full(run, fake, bundle):
    """As a limit on the size of files has it: the configuration stays, and nothing lies beside it."""
    before = (bundle / "config.json").read_text()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    done = run("--runtime", fake, "create", "--bundle", bundle, "x", preexec_fn=limit)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"lsf-oci: {bundle}/config.json: cannot be written: File too large\n"
    assert (bundle / "config.json").read_text() == before
    assert sorted(os.listdir(bundle)) == ["config.json", "rootfs"]


def test_exec(run, fake, bundle, tmp_path):
    """Arguments and files of processes are led through the shim of the container, where it has one."""
    (tmp_path / "state").write_text(json.dumps({"bundle": str(bundle), "pid": 1}))
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"args": ["sh", "-c", "true"], "cwd": "/", "env": ["A=B"]}))
    plain = ["exec", "-t", "--cwd", "/tmp", "-e", "A=B", "x", "sh", "-c", "true"]
    assert run("--runtime", fake, *plain).stdout.split() == plain  # not led yet
    assert run("--runtime", fake, "create", "--bundle", bundle, "x").returncode == 0
    shim = json.loads((bundle / "config.json").read_text())["process"]["args"][:3]
    assert run("--runtime", fake, *plain).stdout.split() == [*plain[:7], *shim, *plain[7:]]
    for words in (["--process", str(process)], ["-p", str(process)], [f"--process={process}"]):
        done = run("--runtime", fake, "exec", *words, "--detach", "x")
        lines = done.stdout.split("\n")
        made = json.loads(next(line for line in lines if line.startswith("{")))
        assert made == {"args": [*shim, "sh", "-c", "true"], "cwd": "/", "env": ["A=B"]}
        assert lines[-3:-1] == ["--detach", "x"]
    assert json.loads(process.read_text())["args"] == ["sh", "-c", "true"]
    for text in ("{", "[]", '{"args": []}', '{"args": 3}'):
        process.write_text(text)
        done = run("--runtime", fake, "exec", "--process", process, "x")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    (tmp_path / "state").unlink()
    assert run("--runtime", fake, *plain).stdout.split() == plain  # no such container: the runtime's to tell
    assert run("--runtime", fake, "exec").stdout.split() == ["exec"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_exec_without_standard_descriptors(command, run, fake, bundle, tmp_path, closed):
    """The process is led through the shim all the same, and gets no file of lsf-oci's."""
    (tmp_path / "state").write_text(json.dumps({"bundle": str(bundle), "pid": 1}))
    assert run("--runtime", fake, "create", "--bundle", bundle, "x").returncode == 0
    shim = json.loads((bundle / "config.json").read_text())["process"]["args"][:3]
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"args": ["true"]}))
    script = fake.read_text().replace(
        "\n", f"\nexec >> {tmp_path}/said; for i in 0 1 2; do readlink /proc/$$/fd/$i; done >> {tmp_path}/fds\n", 1
    )
    fake.write_text(
        script.replace(f"exec >> {tmp_path}/said;", f"case $* in *state*) ;; *) exec >> {tmp_path}/said ;; esac;", 1)
    )
    for words in ("exec x true", f"exec --process {process} x"):
        subprocess.run(
            ["sh", "-c", f"exec {command} --runtime {fake} {words} {closed}"],
            timeout=60,
            check=True,
            capture_output=True,
        )
    said = (tmp_path / "said").read_text()
    assert said.startswith("\n".join(["exec", "x", *shim, "true"]) + "\n")
    assert json.dumps([*shim, "true"], separators=(",", ":")) in said
    assert "memfd" not in (tmp_path / "fds").read_text()


@pytest.mark.alone
def test_what_a_start_costs(command, fake, bundle):
    """In time of the processor, which a busy machine stretches less: what is handed on costs less than a shell's start, and a container
    little more. benchmarks/containers.py measures whole starts beside an engine's Linux containers."""

    def cost(*words):
        best = 1e9
        for _ in range(15):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*map(str, words)], capture_output=True, timeout=60, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return best

    runtime = cost(fake, "x")
    assert cost(command, "--runtime", fake, "start", "x") - runtime < 0.002
    assert cost(command, "--runtime", fake, "create", "--bundle", bundle, "x") - runtime < 0.003


# ---------------------------------------------------------------- with crun and runc


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return engines.make_tree(tmp_path_factory.mktemp("tree") / "root")


@pytest.fixture(params=["runc", "crun"])
def real(request, tmp_path, tree):
    """`real(config)` runs a bundle with the tree of an image: status, output, error output."""
    prefix = engines.runtime_works(request.param)
    (tmp_path / "real").mkdir()
    engines.copy_tree(tree, tmp_path / "real/rootfs")
    command = harness.commands(tmp_path / "commands")
    base = subprocess.run([*prefix, request.param, "spec"], cwd=tmp_path / "real", check=True, timeout=60)
    assert base.returncode == 0
    plain = json.loads((tmp_path / "real/config.json").read_text())
    plain["process"] |= {"terminal": False, "rlimits": []}
    plain["root"]["readonly"] = False
    state = tmp_path / "state"
    name = f"lsf-test-{os.getpid()}"  # a container's cgroup has its name, and crun kills what is in it

    def complete(change, program="lsf-oci", verb=("run",)):
        wanted = json.loads(json.dumps(plain))
        change(wanted)
        (tmp_path / "real/config.json").write_text(json.dumps(wanted))
        words = (
            [str(command / "lsf-oci"), "--runtime", shutil.which(request.param)]
            if program == "lsf-oci"
            else [request.param]
        )
        words = [*prefix, *words, "--root", str(state), *verb, "--bundle", str(tmp_path / "real"), name]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        left = os.listdir(state) if state.is_dir() else []
        assert name not in left
        return done.returncode, done.stdout, done.stderr

    complete.rootfs = tmp_path / "real/rootfs"
    complete.name = request.param
    return complete


def args(*words, **more):
    def change(config):
        config["process"]["args"] = list(words)
        config |= more

    return change


def test_a_bundle(real, tree):
    assert real(args("sh", "-c", "uname -s; id -u; exit 7")) == (7, "FreeBSD\n0\n", "")
    # Linux's first process of a namespace is not killed by itself.
    assert real(args("/bin/sh", "-c", "sh -c 'kill -9 $$'; echo $?"))[1] == "137\n"
    status, out, err = real(args("nosuch"))
    assert (status, out, err) == (127, "", "lsf: nosuch: not found\n")
    # What is not done without lsf-oci, so that the rest shows something.
    assert real(args("/bin/sh", "-c", "true"), program="plain")[0] != 0


def test_no_proc(real):
    """crun and runc need it themselves, and say so; without them the shim does without (test_container.py)."""

    def change(config):
        args("/bin/sh", "-c", "uname -s")(config)
        config["mounts"] = [
            mount for mount in config["mounts"] if not mount["destination"].startswith(("/proc", "/sys"))
        ]
        config["linux"].pop("maskedPaths", None)
        config["linux"].pop("readonlyPaths", None)

    status, out, err = real(change)
    assert (status, out) in ((0, "FreeBSD\n"), (1, "")), err
    assert bool(err) == (status == 1)


def test_a_dev_that_is_read_only(real):
    def change(config):
        args("/bin/sh", "-c", "echo x > /dev/x || echo no; uname -s")(config)
        for mount in config["mounts"]:
            if mount["destination"] == "/dev":
                mount["options"] = [*mount.get("options", []), "ro"]

    status, out, err = real(change)
    assert (status, out) == (0, "no\nFreeBSD\n"), err


def test_no_dev_of_its_own(real):
    """The shim's place is at the top then; the root is not written to but for that."""

    def change(config):
        args("/bin/sh", "-c", "uname -s; ls -a / | grep -c lsf")(config)
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]

    status, out, err = real(change)
    assert (status, out) == (0, "FreeBSD\n1\n"), err


def test_a_bundle_that_freebsds_tools_wrote(real):
    """No section for Linux, FreeBSD's file systems, a jail."""

    def change(config):
        args(
            "/bin/sh",
            "-c",
            "uname -s; hostname; ls /data; ls /dev/null; test -w /data/file || echo kept; ps ax | wc -l",
        )(config)
        del config["linux"]
        config["process"].pop("capabilities")
        config |= {
            "ociVersion": "1.3.0",
            "hostname": "jail.example",
            "freebsd": {"jail": {"host": "new", "vnet": "new", "enforceStatfs": 1}},
            "mounts": [
                {"destination": "/dev", "type": "devfs", "source": "devfs", "options": ["ruleset=4"]},
                {"destination": "/dev/fd", "type": "fdescfs", "source": "fdesc"},
                {
                    "destination": "/data",
                    "type": "nullfs",
                    "source": str(real.rootfs.parent / "data"),
                    "options": ["ro"],
                },
            ],
        }

    (real.rootfs.parent / "data").mkdir()
    (real.rootfs.parent / "data/file").write_text("x")
    status, out, err = real(change)
    assert (status, out.split("\n")[:5]) == (0, ["FreeBSD", "jail.example", "file", "/dev/null", "kept"]), err
    assert int(out.split()[-1]) < 6  # a namespace of its own


def test_by_binfmt_instead(real, tmp_path):
    """`lsfctl binfmt install`: the runtime alone starts FreeBSD programs, here in a binfmt_misc of a user namespace. Without it they die."""
    if real.name == "crun":
        harness.not_covered("crun and binfmt_misc", "its cgroups are not a user namespace's to change")
    real(args("/bin/sh", "-c", "exit 0"))  # the bundle
    folder = real.rootfs.parent
    config = json.loads((folder / "config.json").read_text())
    config["process"] |= {"args": ["/bin/sh", "-c", "uname -s; sh -c 'echo nested'"], "capabilities": {}}
    config["mounts"] = [{**mount, "options": [word for word in mount.get("options", []) if not word.startswith("gid=")]}
                        for mount in config["mounts"] if not mount["destination"].startswith(("/sys", "/dev/lsf"))]  # fmt: skip
    config["linux"].pop("resources", None)
    (folder / "config.json").write_text(json.dumps(config))
    script = tmp_path / "script"
    script.write_text(
        f"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && {tmp_path}/commands/lsfctl binfmt install >/dev/null || exit 99\n"
        f"runc --root {tmp_path}/r run --bundle {folder} with; echo $?\n{tmp_path}/commands/lsfctl binfmt remove >/dev/null\n"
        f"runc --root {tmp_path}/r run --bundle {folder} without; echo $?\n"
    )
    done = subprocess.run(["unshare", "-Urm", "sh", script], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 99 or "unshare" in done.stderr:
        harness.not_covered(
            "containers by binfmt_misc", f"a user namespace has none of its own here: {engines.last_line(done.stderr)}"
        )
    if "runc run failed" in done.stderr and "FreeBSD" not in done.stdout:
        harness.not_covered("containers by binfmt_misc", engines.last_line(done.stderr))
    assert done.stdout.split() == ["FreeBSD", "nested", "0", "139"], done.stderr


def mounts():
    return Path("/proc/self/mountinfo").read_text().count("\n")


@pytest.mark.parametrize(
    ("broken", "said"), [("cpu", "a FreeBSD program for aarch64"), ("shim", "the package is not built completely")]
)
def test_what_cannot_run_leaves_nothing(real, broken, said, tmp_path):
    before = mounts()
    if broken == "cpu":
        data = bytearray((real.rootfs / "bin/sh").read_bytes())
        data[18:20] = (183).to_bytes(2, "little")
        (real.rootfs / "bin/sh").unlink()
        (real.rootfs / "bin/sh").write_bytes(data)
        (real.rootfs / "bin/sh").chmod(0o755)
    else:
        copied = tmp_path / "copied"
        copied.mkdir()
        shutil.copytree(
            harness.PACKAGE_PARENT / "lsf",
            copied / "lsf",
            ignore=shutil.ignore_patterns("shim.elf", "*.so", "__pycache__"),
        )
        (tmp_path / "commands/lsf-oci").unlink()
        (copied / "bin").mkdir()
        shutil.copy(harness.oci_program(), copied / "bin/lsf-oci")
        (tmp_path / "commands/lsf-oci").symlink_to(copied / "bin/lsf-oci")
    status, out, err = real(args("/bin/sh", "-c", "true"))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert mounts() == before

#!/usr/bin/env python3
"""What action.yml does, a command for each of its steps: install, roots, run; and `shell`, for `shell: freebsd {0}`.

The inputs come as one JSON object in LSF_ACTION_INPUTS. What one step tells the next lies in $RUNNER_TEMP/lsf, where the
FreeBSD roots are too. `prepare` works in a copy of the root, which ends with the job, so that packages can be installed. A failure is one sentence (`::error::`) and
status 125; a `prepare` or `run` that fails gives its own status. Only the standard library is used, on whatever Python the runner has.
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

FAILED = 125
DISTRIBUTION = "freebsd-lsf"
GUEST_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/root/bin"
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
RELEASE = re.compile(r"\d{1,2}(\.\d{1,2}(\.\d{1,2})?(-(RELEASE|RC\d+|BETA\d+|ALPHA\d+|STABLE|CURRENT))?)?")

#: Inputs of vmactions/freebsd-vm that mean nothing without a machine of one's own, with what holds instead.
NO_MEANING = {
    "mem": "programs have the runner's memory",
    "cpu": "programs have the runner's processors",
    "nat": "programs use the runner's network: what listens on a port is there",
    "usesh": "prepare and run are run by sh",
    "copyback": "programs work in the checkout itself",
    "sync-time": "programs have the runner's clock",
    "cache-dir": "data-dir names the folder of roots",
    "cache-after-prepare": "prepare takes no machine to boot, and runs each time",
    "debug-on-error": "there is no screen to look at; debug: true tells what LSF does",
    "vnc-password": "there is no screen to look at",
}
CHOICES = {
    "osname": ("", "freebsd"),
    "arch": ("", "x86_64", "amd64", "x64"),
    "sync": ("", "rsync", "sshfs", "nfs", "scp", "tar", "no"),
    "debug": ("", "true", "false"),
    "disable-cache": ("", "true", "false"),
    "user": ("", "root", "runner"),
    "view": ("", "auto", "namespace", "lookup"),
}
COMMANDS = ("lsf", "lsfctl", "go_freebsd_amd64_exec", "lsf-oci", "lsf-oci-config")
TOOLCHAINS = ("cmake", "meson", "autotools")  # cargo's variables are exported besides


class Failure(Exception):
    """The action cannot do what it was asked for; the text is one sentence."""


# ---------------------------------------------------------------- the runner


def escaped(text: str) -> str:
    """A text as a workflow command takes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def say(kind: str, text: str) -> None:
    print(f"::{kind}::{escaped(text)}", flush=True)


class group:
    """A part of the log that folds."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __enter__(self) -> None:
        print(f"::group::{escaped(self.title)}", flush=True)

    def __exit__(self, *_: object) -> None:
        print("::endgroup::", flush=True)


def tell(variable: str, **values: str) -> None:
    """Add lines to GITHUB_ENV or GITHUB_OUTPUT."""
    path = os.environ.get(variable)
    if path:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            for name, value in values.items():
                end = "LSF_END_OF_VALUE"
                file.write(f"{name}<<{end}\n{value}\n{end}\n" if "\n" in value else f"{name}={value}\n")


def add_to_path(folder: Path) -> None:
    path = os.environ.get("GITHUB_PATH")
    if path:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{folder}\n")


def base() -> Path:
    """The action's folder of this job."""
    temporary = os.environ.get("RUNNER_TEMP") or os.environ.get("TMPDIR") or "/tmp"
    return Path(temporary).absolute() / "lsf"


def workspace() -> Path:
    return Path(os.environ.get("GITHUB_WORKSPACE") or os.getcwd())


def read_state() -> dict:
    try:
        return json.loads((base() / "state.json").read_text())
    except (OSError, ValueError):
        raise Failure("LSF is not set up in this job: a step that uses the action comes first") from None


def write_state(state: dict) -> None:
    beside = base() / f"state.json.{os.getpid()}"
    beside.write_text(json.dumps(state))
    beside.replace(base() / "state.json")


class lock:
    """Only one process of the job installs at a time; another waits."""

    def __enter__(self) -> None:
        base().mkdir(parents=True, exist_ok=True)
        self.fd = os.open(base(), os.O_RDONLY)
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def call(command: list[str], **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False, **more
    )


def last_line(text: str) -> str:
    """What a command said last that is an error, for one sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1]


# ---------------------------------------------------------------- inputs


def read_inputs() -> dict[str, str]:
    try:
        given = json.loads(os.environ.get("LSF_ACTION_INPUTS", ""))
        return {name: str(value).strip() for name, value in given.items()}
    except (ValueError, AttributeError):
        raise Failure("LSF_ACTION_INPUTS is not the JSON object of the action's inputs") from None


def releases_of(inputs: dict[str, str]) -> list[str]:
    """The releases that were asked for, as they were written; [""] is the newest."""
    several = (
        inputs.get("releases", "")
        .replace(",", " ")
        .replace("[", " ")
        .replace("]", " ")
        .replace('"', " ")
        .replace("'", " ")
        .split()
    )
    if several and inputs.get("release"):
        raise Failure("release and releases are both given: one of them says for which FreeBSD")
    asked = several or [inputs.get("release", "")]
    for release in asked:
        if release and not RELEASE.fullmatch(release):
            raise Failure(f"release {release}: not a FreeBSD release (14, 14.3 or 14.3-RELEASE)")
    return list(dict.fromkeys(asked))


def check_inputs(inputs: dict[str, str]) -> None:
    """Refuse what cannot be done, and say what has no meaning here."""
    for name, known in CHOICES.items():
        value = inputs.get(name, "").lower()
        if value in known:
            continue
        if name == "arch":
            raise Failure(f"arch {value}: LSF runs FreeBSD's programs for x86_64 alone")
        if name == "osname":
            raise Failure(f"osname {value}: this is FreeBSD alone")
        raise Failure(f"{name} {value}: not one of {', '.join(word for word in known if word)}")
    shell = inputs.get("custom-shell-name", "")
    if shell and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", shell):
        raise Failure(f"custom-shell-name {shell}: not the name of a command")
    releases_of(inputs)
    for name, instead in NO_MEANING.items():
        if inputs.get(name, "").lower() not in ("", "false") and not (
            name == "copyback" and inputs[name].lower() == "true"
        ):
            say("notice", f"{name} has no meaning without a virtual machine: {instead}")
    if inputs.get("copyback", "").lower() == "false":
        say("notice", f"copyback has no meaning without a virtual machine: {NO_MEANING['copyback']}")


# ---------------------------------------------------------------- install


def check_machine() -> None:
    machine = os.uname()
    if machine.sysname != "Linux" or machine.machine != "x86_64":
        raise Failure(
            f"LSF needs Linux on x86-64, and this runner is {machine.sysname} on {machine.machine}: runs-on: ubuntu-latest"
        )
    if sys.version_info < (3, 10):  # noqa: UP036  # the runner's own, whatever it is
        raise Failure(
            f"LSF needs Python 3.10 or later, and python3 is {sys.version.split()[0]}:"
            " actions/setup-python brings a newer one"
        )


def own_version(action: Path) -> str:
    try:
        return re.findall(r'^__version__ = "([^"]+)"$', (action / "lsf" / "__init__.py").read_text(), re.MULTILINE)[0]
    except (OSError, IndexError):
        raise Failure(f"{action} is not the action's folder: its lsf/__init__.py does not tell a version") from None


def pip_install(python: Path, *what: str) -> str:
    """Install into the action's environment: "" for success, else what pip said last."""
    done = call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *what])
    sys.stdout.write(done.stdout + done.stderr if done.returncode else "")
    return last_line(done.stderr + done.stdout) if done.returncode else ""


def install_lsf(wanted: str) -> Path:
    """Have LSF: the folder of its commands.

    wanted: "installed" (in PATH already), "source" (built from the action's own folder), what pip takes; "" is the wheel of
    the action's version, or the source where there is no such wheel.
    """
    if wanted == "installed":
        command = shutil.which("lsf")
        if not command or not shutil.which("lsfctl"):
            raise Failure("lsf: installed was asked for, and there is no lsf in PATH")
        return Path(command).parent
    action = Path(os.environ.get("GITHUB_ACTION_PATH") or Path(__file__).resolve().parent.parent)
    folder = base() / "venv"
    stamp = folder / "lsf-is"
    what = wanted or f"{DISTRIBUTION}=={own_version(action)}"
    if stamp.exists() and stamp.read_text() == what:
        return folder / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made = call([sys.executable, "-m", "venv", str(folder)])
        if made.returncode:
            raise Failure(
                "a Python environment cannot be made (Debian: apt install python3-venv):"
                f" {last_line(made.stderr + made.stdout)}"
            )
        python = folder / "bin" / "python"
        if wanted == "source":
            said = pip_install(python, str(action))
        elif wanted:
            said = pip_install(python, wanted)
        else:
            said = pip_install(python, "--only-binary", ":all:", what)
            if said:
                say("notice", f"there is no wheel of {what} for this Python; LSF is built from its source")
                said = pip_install(python, str(action))
        if said:
            raise Failure(f"LSF cannot be installed: {said}")
        stamp.write_text(what)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder / "bin"


def lsfctl(state: dict, *arguments: str, store: str = "") -> str:
    """What `lsfctl` prints; what it tells on the way goes to the log. Raises Failure with its sentence.

    store: another folder of roots than the state's.
    """
    command = [str(Path(state["bin"]) / "lsfctl"), *arguments]
    env = {**os.environ, "LSF_ROOTS": store or state["store"]}
    said = f"lsfctl {shlex.join(arguments)} told nothing"
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        child = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        with child:
            for line in filter(str.strip, child.stderr):
                said = line.strip()
                if not said.startswith("lsfctl: "):
                    print(said, flush=True)
        if child.returncode:
            raise Failure(said.removeprefix("lsfctl: "))
        printed.seek(0)
        return printed.read().strip()


def command_install() -> None:
    """The first step: LSF itself, and which releases are meant."""
    inputs = read_inputs()
    check_inputs(inputs)
    check_machine()
    with lock(), group("Install LSF"):
        folder = install_lsf(inputs.get("lsf", ""))
        print(call([str(folder / "lsf"), "--version"]).stdout, end="", flush=True)
    store = Path(inputs.get("data-dir") or base() / "roots").absolute()
    state = {"bin": str(folder), "store": str(store), "inputs": inputs}
    mirror = ["--mirror", inputs["mirror"]] if inputs.get("mirror") else []
    releases: list[str] = []
    if inputs.get("root"):
        state["roots"] = [{"release": "", "path": lsfctl(state, "root", "path", inputs["root"])}]
    else:
        found = [lsfctl(state, "root", "install", "--dry-run", release, *mirror) for release in releases_of(inputs)]
        state["releases"] = releases = list(dict.fromkeys(found))
    write_state(state)
    cached = bool(releases) and inputs.get("disable-cache", "").lower() != "true"
    key = f"lsf-roots-1-{'+'.join(releases)}-{hashlib.sha256(inputs.get('mirror', '').encode()).hexdigest()[:8]}"
    tell("GITHUB_OUTPUT", store=str(store), cache=str(cached).lower(), **{"cache-key": key})


# ---------------------------------------------------------------- roots


def command_roots() -> None:
    """The second step: every root is there, this runner's views are known, and later steps can build and run for FreeBSD."""
    state = read_state()
    inputs = state["inputs"]
    fetched = False
    if "releases" in state:
        mirror = ["--mirror", inputs["mirror"]] if inputs.get("mirror") else []
        with lock(), group(f"FreeBSD {', '.join(state['releases'])}"):
            there = {root["name"]: root for root in json.loads(lsfctl(state, "root", "list", "--format", "json"))}
            for release in state["releases"]:
                if release not in there:
                    lsfctl(state, "root", "install", release, *mirror)
                    fetched = True
        state["roots"] = [
            {"release": release, "path": lsfctl(state, "root", "path", release)} for release in state["releases"]
        ]
    if inputs.get("prepare"):
        with lock(), group("A copy of the root for this use"):
            state["roots"] = [writable_copy(state, root) for root in state["roots"]]
    state["view"], state["fakeroot"] = choose_view(state)
    write_state(state)
    first = state["roots"][0]
    set_up(state, first["path"])
    tell("GITHUB_OUTPUT", fetched=str(fetched).lower(), root=first["path"], release=first["release"])


def writable_copy(state: dict, root: dict) -> dict:
    """A copy of a root that `prepare` may change. A later use of the action in this job begins with a new one."""
    store = str(base() / "copies")
    name = root["release"] or "root"
    try:
        if (base() / "copies" / name).exists():
            lsfctl(state, "root", "remove", name, store=store)
        lsfctl(state, "root", "copy", root["path"], name, store=store)
        return {**root, "path": lsfctl(state, "root", "path", name, store=store), "own": True}
    except Failure as failure:
        say("notice", f"prepare works in {root['path']} itself, of which no copy can be made: {failure}")
        return root


def works(state: dict, *options: str) -> str:
    """Whether FreeBSD's shell starts with these options: "", or what was said."""
    shell = state["roots"][0]["path"]
    done = call([str(Path(state["bin"]) / "lsf"), "--root", shell, "--isolated", *binds(state), *options, "/bin/sh", "-c", ":"],
                env=lsf_environment({}), cwd=workspace())  # fmt: skip
    return "" if done.returncode == 0 else last_line(done.stderr)


def choose_view(state: dict) -> tuple[str, bool]:
    """By what means the root is shown ("" leaves it to LSF), and whether programs are root there."""
    inputs = state["inputs"]
    view = inputs.get("view", "").lower().removeprefix("auto")
    said = "" if view else works(state, "--view", "namespace")
    if said and (not allow_namespaces() or works(state, "--view", "namespace")):
        view = "lookup"
        print(said, flush=True)
        say(
            "notice",
            "this runner allows no mounts to a user: LSF looks paths up instead (docs/user/views.md tells what differs)",
        )
    options = ["--view", view] if view else []
    wanted = inputs.get("user", "").lower() != "runner" and os.geteuid() != 0
    if wanted and not works(state, *options, "--fakeroot"):
        return view, True
    said = works(state, *options)
    if said:
        raise Failure(
            f"FreeBSD's shell does not start here: {said.removeprefix('lsf: ')}"
            " (`lsfctl doctor` tells what this machine allows)"
        )
    if wanted:
        say("notice", "this runner lets nobody appear as root: prepare and run are run as the runner's own user")
    return view, False


def allow_namespaces() -> bool:
    """Lift Ubuntu's restriction of user namespaces, on a machine that is thrown away after the job."""
    try:
        restricted = Path(APPARMOR).read_text().strip() == "1"
    except OSError:
        return False
    if not restricted or os.environ.get("RUNNER_ENVIRONMENT") != "github-hosted" or not shutil.which("sudo"):
        return False
    name = APPARMOR.removeprefix("/proc/sys/").replace("/", ".")
    return call(["sudo", "-n", "sysctl", "-q", "-w", f"{name}=0"]).returncode == 0


def set_up(state: dict, root: str) -> None:
    """What later steps of the job find: commands in PATH, the root, and the runners of the build systems."""
    folder = base() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    name = state["inputs"].get("custom-shell-name") or "freebsd"
    shell = folder / name
    shell.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).resolve()))} shell "$1"\n'
    )
    shell.chmod(0o755)
    # Not the folder that they are in: it has LSF's own python and pip, which are no other step's.
    for command in COMMANDS:
        place = folder / command
        target = Path(state["bin"]) / command
        if target.parent != folder and target.exists():
            place.unlink(missing_ok=True)
            place.symlink_to(target)
    add_to_path(folder)
    variables = {"LSF_ROOTS": state["store"], "LSF_ROOT": root, "FREEBSD": root}
    if state["view"]:
        variables["LSF_VIEW"] = state["view"]
    place = base() / "toolchain"
    try:
        for kind in TOOLCHAINS:
            lsfctl(state, "toolchain", kind, "--root", root, "--write", str(place))
        variables |= exported(lsfctl(state, "toolchain", "cargo", "--root", root, "--write", str(place)))
        variables |= {
            "LSF_CMAKE_TOOLCHAIN": str(place / "freebsd.cmake"),
            "LSF_MESON_CROSS": str(place / "freebsd.ini"),
        }
    except Failure as failure:
        print(f"nothing is set up for cross compilers: {failure}", flush=True)
    tell("GITHUB_ENV", **variables)


def exported(text: str) -> dict[str, str]:
    """The variables of `export NAME=VALUE` lines."""
    words = [shlex.split(line, comments=True) for line in text.splitlines()]
    return dict(pair[1].split("=", 1) for pair in words if len(pair) == 2 and pair[0] == "export")


# ---------------------------------------------------------------- run


def binds(state: dict) -> list[str]:
    """The host's folders that the programs see: the checkout, and those with the files by which steps talk to the runner.

    Not all of RUNNER_TEMP, which the root itself is in.
    """
    folders = [base() / "steps"]
    folders += [Path(os.environ[name]).parent for name in ("GITHUB_ENV", "GITHUB_EVENT_PATH") if os.environ.get(name)]
    if state["inputs"].get("sync", "").lower() != "no":
        folders = [workspace(), *(folder for folder in folders if workspace() not in folder.parents)]
    return [word for folder in dict.fromkeys(folders) if folder.is_dir() for word in ("--bind", str(folder))]


def lsf_environment(guest: dict[str, str]) -> dict[str, str]:
    """The environment of `lsf`: what the program is given, and where LSF keeps its cache."""
    return {
        **guest,
        "HOME": os.environ.get("HOME", "/"),
        "XDG_CACHE_HOME": str(base() / "cache"),
        "PATH": os.environ.get("PATH", os.defpath),
    }


def guest_environment(inputs: dict[str, str]) -> dict[str, str]:
    """What FreeBSD's login gives, and of this step's variables GITHUB_*, CI and what `envs` names (* and ? are patterns).

    pkg(8) is told that there is nobody to be asked: it would take no for the answer, even to fetching itself.
    """
    wanted = ["GITHUB_*", "CI", *inputs.get("envs", "").replace(",", " ").split()]
    passed = {
        name: value
        for name, value in os.environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
    }
    return {"LANG": "C.UTF-8", "BLOCKSIZE": "K", "SHELL": "/bin/sh", "ASSUME_ALWAYS_YES": "yes", **passed}


def lsf_command(state: dict, root: dict, guest: dict[str, str]) -> list[str]:
    user = "root" if state["fakeroot"] or os.geteuid() == 0 else os.environ.get("USER", "runner")
    home = "/root" if user == "root" else "/tmp"
    command = [str(Path(state["bin"]) / "lsf"), "--root", root["path"], "--isolated", *binds(state)]
    command += ["--view", state["view"]] if state["view"] else []
    command += ["--fakeroot"] if state["fakeroot"] else []
    command += ["--debug"] if state["inputs"].get("debug", "").lower() == "true" else []
    own = {"HOME": home, "USER": user, "LOGNAME": user, "PATH": GUEST_PATH, **guest}
    command += [
        "-U",
        "XDG_CACHE_HOME",
        *(word for name in ("HOME", "USER", "LOGNAME", "PATH") for word in ("-E", f"{name}={own[name]}")),
    ]
    inside = state["inputs"].get("sync", "").lower() != "no"
    return [*command, "--chdir", str(workspace()) if inside else home, "/bin/sh"]


def furnish(state: dict, given: dict) -> None:
    """What a root of the job's own lacks: whom its resolver asks, and the folders above those that are shown in it.

    Where paths are looked up, a folder that only a bind makes has no `..` to be looked at.
    """
    if "releases" not in state and not given.get("own"):
        return  # somebody else's, who may want it as it is
    root = given["path"]
    try:
        target = Path(root) / "etc/resolv.conf"
        if not os.path.lexists(target):
            shutil.copyfile("/etc/resolv.conf", target)
        for folder in binds(state)[1::2]:
            os.makedirs(root + folder, exist_ok=True)
    except OSError as error:
        print(f"the root is left as it is: {error.filename}: {error.strerror}", flush=True)


def run_script(state: dict, root: dict, text: str, name: str) -> int:
    """Run a script by FreeBSD's sh: its status as a shell tells it. Raises KeyboardInterrupt where the runner cancels.

    The script's processes are a session of their own, and each of them gets what the runner sends, as from a terminal: FreeBSD's
    sh outlives a SIGINT that comes to it alone, and waits for its command.
    """
    script = base() / "steps" / f"{name}.sh"
    script.parent.mkdir(exist_ok=True)
    script.write_text(text, errors="surrogateescape")
    guest = guest_environment(state["inputs"])
    command = [*lsf_command(state, root, guest), str(script)]
    child = None
    cancelled: list[int] = []

    def cancel(number: int, _frame: object = None) -> None:
        cancelled.append(number)
        if child and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, cancel)
    if not cancelled:
        child = subprocess.Popen(
            command, env=lsf_environment(guest), stdin=subprocess.DEVNULL, cwd=workspace(), start_new_session=True
        )
        for number in tuple(cancelled):  # what came while it was started
            cancel(number)
        status = child.wait()
    if cancelled:
        raise KeyboardInterrupt
    return status if status >= 0 else 128 - status


def command_run() -> int:
    """The last step: prepare and run, for each release in turn. The status of the first that failed."""
    state = read_state()
    inputs = state["inputs"]
    failed: list[tuple[str, int]] = []
    for root in state["roots"]:
        furnish(state, root)
        for part in ("prepare", "run"):
            if not inputs.get(part):
                continue
            title = f"{root['release'] or root['path']}: {part}"
            with group(title):
                status = run_script(state, root, f"set -eu\n{inputs[part]}\n", part)
            if status:
                say("error", f"{title} ended with status {status}")
                failed.append((title, status))
                break
    if len(state["roots"]) > 1:
        print(f"{len(state['roots']) - len(failed)} of {len(state['roots'])} releases passed", flush=True)
    return failed[0][1] if failed else 0


def command_shell(script: str) -> int:
    """A step with `shell: freebsd {0}`: its script in FreeBSD, in the checkout."""
    state = read_state()
    root = state["roots"][0]
    furnish(state, root)
    return run_script(state, root, Path(script).read_text(errors="surrogateescape"), "step")


def main(arguments: list[str]) -> int:
    commands = {"install": command_install, "roots": command_roots, "run": command_run, "shell": command_shell}
    try:
        if not arguments or arguments[0] not in commands or len(arguments) != (2 if arguments[0] == "shell" else 1):
            raise Failure(f"usage: action.py {'|'.join(commands)}")
        return commands[arguments[0]](*arguments[1:]) or 0
    except Failure as failure:
        say("error", str(failure))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say("error", f"{place}{error.strerror or error}")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The parts of `lsf-oci` that are not crun's or runc's: create, run and exec, features, --version and --help.

    lsf-oci-config --runtime RUNTIME [GLOBAL OPTION...] COMMAND [OPTION...] [ARGUMENT...]

Ends by executing the runtime in this process, so that nothing of LSF's stays beside a container.
"""

import os
import sys

from lsf.oci import rewrite
from lsf.oci.document import dump, load
from lsf.oci.errors import OciError, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILED = 1

#: The options of crun and runc that a value follows.
GLOBAL = frozenset(("root", "log", "log-format", "log-level", "criu", "rootless", "cgroup-manager", "runtime"))
CREATE = frozenset(
    ("b", "bundle", "f", "config", "console-socket", "pid-file", "pidfd-socket", "preserve-fds", "keep-fds")
)
EXEC = frozenset(
    ("console-socket", "pidfd-socket", "cwd", "e", "env", "u", "user", "g", "additional-gids", "p", "process", "pid-file",
     "process-label", "apparmor", "a", "c", "cap", "preserve-fds", "cgroup")
)  # fmt: skip

HELP = """\
usage: lsf-oci [--runtime RUNTIME] [OPTION...] COMMAND [ARGUMENT...]

An OCI runtime for FreeBSD images: crun or runc does the work, with their options and commands; create, run and exec lead
FreeBSD's programs through LSF. RUNTIME is a path or a name; else the name by which lsf-oci is called (lsf-oci-crun), else
LSF_OCI_RUNTIME, else runtime=RUNTIME in /etc/lsf/oci.conf says which, else runc is looked for, then crun.
"""


class Line:
    """A command line, taken apart as crun and runc do it: options end at the first word that is none.

    values: the options' values by name (the last of each), with their places in `words`. rest: the place of the first word behind.
    """

    def __init__(self, words: "list[str]", start: int, takes: "frozenset[str]") -> None:
        self.words = words
        self.values: dict[str, tuple[int, str]] = {}
        at = start
        while at < len(words) and words[at].startswith("-") and words[at] != "-":
            text = words[at]
            at += 1
            if text == "--":
                break
            name, equals, value = text.lstrip("-").partition("=")
            if equals:
                self.values[name] = at - 1, value
            elif name in takes:
                if at < len(words):
                    self.values[name] = at, words[at]
                at += 1
            elif not text.startswith("--") and name[:1] in takes:
                self.values[name[:1]] = at - 1, name[1:]  # -bDIR, which crun takes
        self.rest = min(at, len(words))

    def value(self, *names: str) -> str:
        """The value of an option by one of its names, "" for none."""
        return next((self.values[name][1] for name in names if name in self.values), "")

    def with_value(self, name: str, value: str) -> None:
        """Give an option that is there another value."""
        at, old = self.values[name]
        text = self.words[at]
        self.words[at] = text[: len(text) - len(old)] + value


def _read(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return (file.readall() or b"").decode()


def _load(path: str) -> "Any":
    try:
        return load(_read(path))
    except OSError as error:
        raise OciError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise OciError(f"{path}: not JSON: {error}") from None


def _replace(path: str, text: str) -> None:
    """Put a file in another's place, which stays where that fails."""
    new = f"{path}.lsf-{os.getpid()}"
    try:
        mode = os.stat(path).st_mode & 0o777
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            data = text.encode()
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(new, path)
    except OSError as error:
        try:
            os.unlink(new)
        except OSError:
            pass
        raise OciError(f"{path}: cannot be written: {error.strerror}") from None


def _create(line: Line) -> None:
    bundle = os.path.abspath(line.value("bundle", "b") or ".")
    path = os.path.join(bundle, line.value("config", "f") or "config.json")
    if not os.path.exists(path):
        return  # the runtime says so
    config = _load(path)
    if isinstance(config, dict) and rewrite.rewrite(config, bundle):
        _replace(path, dump(config))


def _output(words: "list[str]") -> str | None:
    """What a command prints, None where it fails. Without subprocess, which takes longer to import than this does."""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        child = os.posix_spawn(words[0], words, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, null, 2)])  # fmt: skip
    except OSError:
        child = 0
    os.close(writer)
    os.close(null)
    with open(reader, "rb") as file:
        data = file.read()
    if not child or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        return None
    return data.decode(errors="replace")


def _exec(line: Line, front: "list[str]") -> None:
    """Lead the process that a container is to get through the shim which the container's own process was led through."""
    words = line.words
    if line.rest >= len(words):
        return  # the runtime says what is missing
    state = _output([*front, "state", words[line.rest]])
    if state is None:
        return
    try:
        known = load(state)
        shim = rewrite.shim_of(load(_read(os.path.join(known["bundle"], "config.json"))))
    except (OSError, ValueError, TypeError, KeyError):
        return  # a container of somebody else's
    if not shim:
        return
    name = next((name for name in ("process", "p") if name in line.values), "")
    if not name:
        at = line.rest + 1
        words[at:] = shim + rewrite.without_shim(words[at:]) if words[at:] else []
        return
    path = line.value(name)
    process = _load(path)
    args = process.get("args") if isinstance(process, dict) else None
    if not rewrite.is_args(args):
        raise OciError(f"{path}: args is not a list of strings that begins with a program")
    process["args"] = shim + rewrite.without_shim(args)
    # In memory: nothing is left of it, whoever ends how.
    fd = os.memfd_create("lsf-process", 0)
    data = dump(process).encode()
    while data:
        data = data[os.write(fd, data) :]
    line.with_value(name, f"/proc/self/fd/{fd}")


def _features(front: "list[str]") -> int:
    """What the runtime says of itself, and that it is LSF which calls it."""
    from lsf import __version__

    text = _output([*front, "features"])
    try:
        known = load(text) if text else None
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise OciError(f"{front[0]} features: this runtime does not tell them")
    notes = known.setdefault("annotations", {})
    if isinstance(notes, dict):
        notes |= {"lsf.version": __version__, "lsf.runtime": front[0]}
    return _print(dump(known) + "\n")


def _version(runtime: str) -> int:
    from lsf import __version__

    text = _output([runtime, "--version"])
    if text is None:
        raise OciError(f"{runtime}: cannot be run")
    return _print(f"lsf-oci version {__version__}\n{text}")


def _print(text: str) -> int:
    from lsf.start import usage

    return FAILED if usage.show(text) else 0


def run(words: "list[str]") -> int:
    """The command. Returns only where no runtime is executed."""
    line = Line(list(words), 0, GLOBAL)
    runtime = line.value("runtime")
    at = line.values["runtime"][0] if runtime else -1
    front = [runtime, *(text for place, text in enumerate(words[: line.rest]) if place not in (at, at - 1))]
    command = words[line.rest] if line.rest < len(words) else ""
    try:
        if not runtime:
            raise OciError("lsf-oci-config is a part of lsf-oci, and is told a runtime by it")
        if command == "features":
            return _features(front)
        if not command and "version" in line.values or words[line.rest - 1 : line.rest] in (["--version"], ["-v"]):
            return _version(runtime)
        if not command:
            return _print(HELP)
        after = Line(words[line.rest :], 1, EXEC if command == "exec" else CREATE)
        if command in ("create", "run"):
            _create(after)
        elif command == "exec":
            _exec(after, front)
        os.execv(runtime, [*front, *after.words])
    except OciError as error:
        report(str(error), line.value("log"), line.value("log-format"))
    except OSError as error:
        report(f"{runtime}: {error.strerror}", line.value("log"), line.value("log-format"))
    return FAILED


def main() -> int:
    """`lsf-oci-config`."""
    return run(sys.argv[1:])

"""What `lsf` can be told, and the reading of it: a command line's options, which end at the first argument that is none,
and their twins in the environment."""

import os

from lsf.start.errors import LaunchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES = {"auto": 0, "sud": 1, "trap": 2, "ptrace": 3}
VIEWS = ("auto", "namespace", "chroot", "lookup")
NO_ROOT = "none"  # --root and LSF_ROOT: not even the default one

#: option: (attribute, "" where it is handled by name; environment twin; argument: "no", "needs", "may have")
OPTIONS: dict[str, tuple[str, str | None, str]] = {
    "--root": ("root", "LSF_ROOT", "needs"),
    "--isolated": ("isolated", "LSF_ISOLATED", "no"),
    "--fakeroot": ("fakeroot", "LSF_FAKEROOT", "no"),
    "--view": ("view", "LSF_VIEW", "needs"),
    "--bind": ("binds", "LSF_BIND", "needs"),
    "--engine": ("engine", "LSF_ENGINE", "needs"),
    "--truss": ("truss", "LSF_TRUSS", "may have"),
    "--ktrace": ("ktrace", "LSF_KTRACE", "needs"),
    "--stats": ("stats", "LSF_STATS", "may have"),
    "--osrelease": ("osrelease", "LSF_OSRELEASE", "needs"),
    "--argv0": ("argv0", "LSF_ARGV0", "needs"),
    "--chdir": ("chdir", "LSF_CHDIR", "needs"),
    "--debug": ("debug", "LSF_DEBUG", "no"),
    "--no-patch": ("patch", "LSF_PATCH", "no"),
    "-E": ("", "LSF_SET_ENV", "needs"),
    "-U": ("", "LSF_UNSET_ENV", "needs"),
    "--help": ("", None, "no"),
    "--version": ("", None, "no"),
}
ALIASES = {"-h": "--help"}
_OFF = ("", "0", "no", "off", "false")
_ON = ("1", "yes", "on", "true")
_SWITCHES = ("LSF_DEBUG", "LSF_PATCH", "LSF_ISOLATED", "LSF_FAKEROOT")


class Options:
    """What a start can be told; the defaults start a program on the host's own tree."""

    def __init__(self) -> None:
        self.root: str | None = (
            None  # a folder, a root's name, "none"; None: the default root for a program that needs one
        )
        self.isolated = False
        self.fakeroot = False
        self.view = "auto"  # one of VIEWS: by what means a root is shown
        self.binds: list[str] = []
        self.engine = "auto"
        self.truss: str | None = None  # a file's name; "" is standard error
        self.ktrace: str | None = None  # a file's name
        self.stats: str | None = None  # [text|json][:file], see lsf/start/stats.py
        self.osrelease: str | None = None
        self.argv0: str | None = None
        self.chdir: str | None = None
        self.debug = False
        self.patch = True
        self.ids: tuple[int, int] | None = (
            None  # user and group that a program with --fakeroot is shown as (lsfctl run)
        )
        self.given: set[str] = set()  # the options of the command line


class UsageError(LaunchError):
    """The command line is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} (see lsf --help)")


def _set_variable(env: dict[str, str], assignment: str, where: str) -> None:
    name, equals, value = assignment.partition("=")
    if not name or not equals:
        raise UsageError(f"{where} {assignment}: not of the form NAME=VALUE")
    env[name] = value


def _unset_variable(env: dict[str, str], name: str, where: str) -> None:
    if not name or "=" in name:
        raise UsageError(f"{where} {name}: not the name of a variable")
    env.pop(name, None)


def guest_environment(host: "Mapping[str, str]") -> dict[str, str]:
    """What the host's environment gives to a guest, before LSF_SET_ENV, -E and their like.

    LD_* variables speak to the host's dynamic linker, and name libraries that FreeBSD's cannot load. Where this Python
    has set LC_CTYPE for itself (in the C locale, PEP 538), the guest gets what there was before.
    """
    env = {name: value for name, value in host.items() if not name.startswith("LD_")}
    if env.get("LC_CTYPE") == "C.UTF-8" and "LC_ALL" not in env:
        _restore_lc_ctype(env)
    return env


def _restore_lc_ctype(env: dict[str, str]) -> None:
    try:
        fd = os.open("/proc/self/environ", os.O_RDONLY)  # as it was at exec
    except OSError:
        return
    block = b"\0"
    while piece := os.read(fd, 1 << 17):
        block += piece
    os.close(fd)
    _, found, rest = block.partition(b"\0LC_CTYPE=")
    if found:
        env["LC_CTYPE"] = os.fsdecode(rest.partition(b"\0")[0])
    else:
        del env["LC_CTYPE"]


def options_from_environment(
    host: "Mapping[str, str]", options: Options, env: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Apply the environment twins of the options. Returns which options came so, with variable and value."""
    twins: dict[str, tuple[str, str]] = {}
    for option, (attribute, variable, _) in OPTIONS.items():
        if not variable or not (value := host.get(variable)):
            continue
        twins[option] = variable, value
        if variable == "LSF_SET_ENV":
            for assignment in value.split(","):
                _set_variable(env, assignment, variable)
        elif variable == "LSF_UNSET_ENV":
            for name in value.split(","):
                _unset_variable(env, name, variable)
        elif variable == "LSF_TRUSS":
            options.truss = None if value in _OFF else "" if value in _ON else value
        elif variable == "LSF_STATS":
            options.stats = None if value in _OFF else "" if value in _ON else value
        elif variable == "LSF_BIND":
            options.binds += value.split(",")
        elif variable in _SWITCHES:
            setattr(options, attribute, value not in _OFF)
        else:
            setattr(options, attribute, value)
    return twins


def check_twins(twins: dict[str, tuple[str, str]], options: Options) -> None:
    """Forget the twins whose options the command line has, which win. Raises UsageError for a switch that is none."""
    for option in options.given:
        if option != "--bind":
            twins.pop(option, None)
    for variable, value in twins.values():
        if variable in _SWITCHES and value not in _OFF + _ON:
            raise UsageError(f"{variable}={value}: neither 1 nor 0")


def name_twin(message: str, twins: dict[str, tuple[str, str]]) -> str:
    """A message about an option, about the variable where that is where it came from."""
    for option, (variable, value) in twins.items():
        if not message.startswith(option):
            continue
        rest = message[len(option) :]
        if option == "--bind":
            return (
                f"{variable}={rest[1:]}" if any(rest.startswith(f" {text}: ") for text in value.split(",")) else message
            )
        return f"{variable}={rest[1:]}" if rest[:1] in ("=", " ") and rest[1:].startswith(value) else variable + rest
    return message


def scan(arguments: list[str], options: Options, env: dict[str, str]) -> tuple[str | None, list[str]]:
    """Apply the options of a command line. Returns what is left: the program and its arguments.

    The program is None after --help and --version, which are then in the second place.
    """
    index = 0
    while index < len(arguments) and arguments[index].startswith("-") and arguments[index] != "-":
        argument = arguments[index]
        index += 1
        if argument == "--":
            break
        value = None
        if argument.startswith("--"):
            name, equals, given = argument.partition("=")
            value = given if equals else None
        else:
            name = argument[:2]
            value = argument[2:] or None
        name = ALIASES.get(name, name)
        if name not in OPTIONS:
            raise UsageError(f"{argument}: unknown option")
        attribute, _, takes = OPTIONS[name]
        options.given.add(name)
        if takes == "no" and value is not None:
            raise UsageError(f"{name} takes no argument")
        if takes == "needs" and value is None:
            if index == len(arguments):
                raise UsageError(f"{name} needs an argument")
            value = arguments[index]
            index += 1
        if name in ("--help", "--version"):
            return None, [name]
        text = value or ""
        if name == "-E":
            _set_variable(env, text, "-E")
        elif name == "-U":
            _unset_variable(env, text, "-U")
        elif name == "--bind":
            options.binds.append(text)
        elif takes == "no":
            setattr(options, attribute, name != "--no-patch")
        else:
            setattr(options, attribute, text)
    rest = arguments[index:]
    if not rest:
        raise UsageError("no program given")
    return rest[0], rest[1:]

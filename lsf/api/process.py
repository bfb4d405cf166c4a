"""FreeBSD programs as child processes: `lsf.run`, `lsf.Popen` and `lsf.command`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, AnyStr, Literal, TypeAlias, TypedDict, overload

from lsf.start.options import ENGINES, VIEWS

if TYPE_CHECKING:
    from typing_extensions import Unpack

Argument: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
_File: TypeAlias = "int | IO[Any] | None"
_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# -I and -S: the guest's environment says nothing to this Python, and no site-packages are needed.
_START = f"import sys; sys.path.insert(0, {_PARENT!r}); from lsf.start import cli; sys.exit(cli.main())"


def command(
    args: Argument | Sequence[Argument],
    *,
    root: Argument | None = None,
    isolated: bool = False,
    binds: Iterable[str] = (),
    engine: str | None = None,
    truss: bool | Argument = False,
    ktrace: Argument | None = None,
    stats: bool | str = False,
    osrelease: str | None = None,
    argv0: str | None = None,
    chdir: Argument | None = None,
    patch: bool = True,
    debug: bool = False,
    setenv: Mapping[str, str] | None = None,
    view: str | None = None,
    fakeroot: bool = False,
) -> list[str]:
    """The Linux command that runs a FreeBSD program: for asyncio, or whatever else starts processes.

    args: the program and its arguments; a string alone is a program without arguments.
    root: the FreeBSD root, a folder or the name of an installed one; None: LSF_ROOT, else the default root for a program that needs
        one, else the host's tree, which "none" is in any case.
    isolated: see the root alone. binds: `SRC[:DST][:ro]`, parts of the host to show besides.
    engine: auto, sud, trap or ptrace. truss: write the calls to this file, or True for standard error.
    ktrace: write the records of FreeBSD's ktrace(2) to this file.
    stats: count the calls and write a summary at the end: True for text on standard error, or what --stats takes.
    osrelease: the FreeBSD release to show. argv0: the program's argv[0]. chdir: the directory to start in, in the view.
    patch: False leaves the program's text as it is. debug: say more about what LSF does.
    setenv: variables for the program alone, those too whose names begin with LD_.
    view: by what means the root is shown: auto, namespace, chroot or lookup. fakeroot: show the user as root.
    Raises ValueError for an engine or a view that is not known, or no program.
    """
    guest = [os.fsdecode(args)] if isinstance(args, (str, bytes, os.PathLike)) else [os.fsdecode(arg) for arg in args]
    if not guest:
        raise ValueError("args names no program")
    options: list[str] = []
    for name, value in (
        ("--root", root),
        ("--osrelease", osrelease),
        ("--argv0", argv0),
        ("--chdir", chdir),
        ("--ktrace", ktrace),
    ):
        if value is not None:
            options.append(f"{name}={os.fsdecode(value)}")
    if engine is not None:
        if engine not in ENGINES:
            raise ValueError(f"engine {engine!r} is not one of {', '.join(ENGINES)}")
        options.append(f"--engine={engine}")
    if view is not None:
        if view not in VIEWS:
            raise ValueError(f"view {view!r} is not one of {', '.join(VIEWS)}")
        options.append(f"--view={view}")
    if truss is not False:
        options.append("--truss" if truss is True else f"--truss={os.fsdecode(truss)}")
    if stats is not False:
        options.append("--stats" if stats is True else f"--stats={stats}")
    switches = (("--isolated", isolated), ("--fakeroot", fakeroot), ("--no-patch", not patch), ("--debug", debug))
    options += [name for name, wanted in switches if wanted]
    for bind in binds:
        options += ["--bind", os.fsdecode(bind)]
    for name, text in (setenv or {}).items():
        options += ["-E", f"{name}={text}"]
    return [sys.executable, "-I", "-S", "-c", _START, *options, "--", *guest]


class ViewOptions(TypedDict, total=False):
    """The options of `command`."""

    root: Argument | None
    isolated: bool
    binds: Iterable[str]
    engine: str | None
    truss: bool | Argument
    ktrace: Argument | None
    stats: bool | str
    osrelease: str | None
    argv0: str | None
    chdir: Argument | None
    patch: bool
    debug: bool
    setenv: Mapping[str, str] | None
    view: str | None
    fakeroot: bool


_VIEW_OPTIONS = tuple(ViewOptions.__annotations__)


class PopenOptions(ViewOptions, total=False):
    """The options of `Popen`, but for those that say whether it reads and writes text."""

    bufsize: int
    stdin: _File
    stdout: _File
    stderr: _File
    preexec_fn: Callable[[], object] | None
    close_fds: bool
    cwd: Argument | None
    env: Mapping[str, str] | Mapping[bytes, bytes] | None
    restore_signals: bool
    start_new_session: bool
    pass_fds: Iterable[int]
    user: str | int | None
    group: str | int | None
    extra_groups: Iterable[str | int] | None
    umask: int
    pipesize: int
    process_group: int | None


class TextOptions(PopenOptions, total=False):
    """All options of `Popen`."""

    text: bool | None
    encoding: str | None
    errors: str | None
    universal_newlines: bool | None


class Popen(subprocess.Popen[AnyStr]):
    """A FreeBSD program that runs: a `subprocess.Popen` that takes the options of `command` besides.

    The process is the program itself: signals, job control, its exit status and `pid` are its own. `cwd` is a directory of the
    host. `env` is the program's environment; variables whose names begin with LD_ reach the program, not this Python.
    The status is 125 where LSF failed, 126 where the program could not be run, 127 where it was not found; the reason
    is on standard error. `args` are the program's. `shell` and `executable` are not for FreeBSD: run ["/bin/sh", "-c", ...].
    """

    @overload
    def __init__(
        self: Popen[str], args: Argument | Sequence[Argument], *, text: Literal[True],
        encoding: str | None = None, errors: str | None = None, universal_newlines: bool | None = None,
        **options: Unpack[PopenOptions],
    ) -> None: ...  # fmt: skip
    @overload
    def __init__(
        self: Popen[str], args: Argument | Sequence[Argument], *, encoding: str,
        text: bool | None = None, errors: str | None = None, universal_newlines: bool | None = None,
        **options: Unpack[PopenOptions],
    ) -> None: ...  # fmt: skip
    @overload
    def __init__(
        self: Popen[str], args: Argument | Sequence[Argument], *, errors: str,
        text: bool | None = None, encoding: str | None = None, universal_newlines: bool | None = None,
        **options: Unpack[PopenOptions],
    ) -> None: ...  # fmt: skip
    @overload
    def __init__(
        self: Popen[str], args: Argument | Sequence[Argument], *, universal_newlines: Literal[True],
        text: bool | None = None, encoding: str | None = None, errors: str | None = None,
        **options: Unpack[PopenOptions],
    ) -> None: ...  # fmt: skip
    @overload
    def __init__(
        self: Popen[bytes], args: Argument | Sequence[Argument], *, text: Literal[False] | None = None,
        encoding: None = None, errors: None = None, universal_newlines: Literal[False] | None = None,
        **options: Unpack[PopenOptions],
    ) -> None: ...  # fmt: skip
    @overload
    def __init__(self: Popen[Any], args: Argument | Sequence[Argument], **options: Unpack[TextOptions]) -> None: ...
    def __init__(self, args: Argument | Sequence[Argument], **options: Any) -> None:
        for name in ("shell", "executable"):
            if options.pop(name, None):
                raise TypeError(f"{name} cannot be given: name the FreeBSD program in args")
        view = {name: options.pop(name) for name in _VIEW_OPTIONS if name in options}
        env = options.get("env")
        if env is not None:
            names = {os.fsdecode(name): os.fsdecode(value) for name, value in env.items()}
            linker = {name: value for name, value in names.items() if name.startswith("LD_")}
            view["setenv"] = {**linker, **(view.get("setenv") or {})}
            options["env"] = {name: value for name, value in names.items() if name not in linker}
        super().__init__(self._command(args, view), **options)
        self.args = args

    def _command(self, args: Argument | Sequence[Argument], view: dict[str, Any]) -> list[str]:
        return command(args, **view)


def add_pipes(options: dict[str, Any], input: bytes | str | None, capture_output: bool) -> None:
    """Add to the options of Popen the pipes that `input` and `capture_output` ask for. Raises ValueError."""
    if input is not None:
        if options.get("stdin") is not None:
            raise ValueError("stdin and input cannot be given both")
        options["stdin"] = subprocess.PIPE
    if capture_output:
        if options.get("stdout") is not None or options.get("stderr") is not None:
            raise ValueError("stdout and stderr cannot be given with capture_output")
        options["stdout"] = options["stderr"] = subprocess.PIPE


@overload
def run(
    args: Argument | Sequence[Argument], *, input: str | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, text: Literal[True],
    encoding: str | None = None, errors: str | None = None, universal_newlines: bool | None = None,
    **options: Unpack[PopenOptions],
) -> subprocess.CompletedProcess[str]: ...  # fmt: skip
@overload
def run(
    args: Argument | Sequence[Argument], *, input: str | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, encoding: str,
    text: bool | None = None, errors: str | None = None, universal_newlines: bool | None = None,
    **options: Unpack[PopenOptions],
) -> subprocess.CompletedProcess[str]: ...  # fmt: skip
@overload
def run(
    args: Argument | Sequence[Argument], *, input: str | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, errors: str,
    text: bool | None = None, encoding: str | None = None, universal_newlines: bool | None = None,
    **options: Unpack[PopenOptions],
) -> subprocess.CompletedProcess[str]: ...  # fmt: skip
@overload
def run(
    args: Argument | Sequence[Argument], *, input: str | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, universal_newlines: Literal[True],
    text: bool | None = None, encoding: str | None = None, errors: str | None = None,
    **options: Unpack[PopenOptions],
) -> subprocess.CompletedProcess[str]: ...  # fmt: skip
@overload
def run(
    args: Argument | Sequence[Argument], *, input: bytes | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, text: Literal[False] | None = None,
    encoding: None = None, errors: None = None, universal_newlines: Literal[False] | None = None,
    **options: Unpack[PopenOptions],
) -> subprocess.CompletedProcess[bytes]: ...  # fmt: skip
@overload
def run(
    args: Argument | Sequence[Argument], *, input: bytes | str | None = None, capture_output: bool = False,
    timeout: float | None = None, check: bool = False, **options: Unpack[TextOptions],
) -> subprocess.CompletedProcess[Any]: ...  # fmt: skip
def run(
    args: Argument | Sequence[Argument],
    *,
    input: bytes | str | None = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a FreeBSD program to its end, as `subprocess.run` does; takes the options of `Popen` besides.

    input: what it reads. capture_output: keep what it writes. timeout: seconds; then it is killed and
    subprocess.TimeoutExpired raised. check: raise subprocess.CalledProcessError for a status other than 0.
    """
    add_pipes(options, input, capture_output)
    with Popen[Any](args, **options) as process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()  # the end of `with` waits for it
            raise
        status = process.returncode
    if check and status:
        raise subprocess.CalledProcessError(status, args, stdout, stderr)
    return subprocess.CompletedProcess(args, status, stdout, stderr)

"""Starts a FreeBSD program: from options to the guest's first instruction.

The calling process becomes the guest. Imports are kept to what every Python process has loaded already; the compiled
modules are imported where an option needs them.
"""

import _signal  # the rest of signal.py is enums, which take a millisecond
import os

from lsf.start.errors import STATUS_NOT_RUNNABLE, LaunchError
from lsf.start.files import above_standard, find_program, path_of_root, shim_path
from lsf.start.handover import VERSION, word
from lsf.start.options import ENGINES, NO_ROOT, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: The sockets of lsf.trace (lsf/api/tracing.py), which it hands to this process; they make the engine ptrace.
observer: tuple[int, int] | None = None


def osreldate(release: str) -> int:
    """FreeBSD's number for a release: 1305000 for "13.5-RELEASE", "13.5" or "1305000"."""
    from lsf import roots

    if number := roots.number_of(release):
        return number
    raise LaunchError(f"--osrelease {release}: not a FreeBSD release (14.1-RELEASE, 14.1 or 1401000)")


def find_root(name: str) -> str:
    """The folder of a root that is given by name or by path."""
    if "/" in name or name in (".", ".."):
        return name
    from lsf import roots

    try:
        return roots.resolve(name)
    except roots.RootError as error:
        text = str(error)
        raise LaunchError(f"--root {text}" if text.startswith(name) else f"--root {name}: {text}") from None


def root_osreldate(root: str) -> int | None:
    """FreeBSD's number for the release of a root, or None where the root does not tell it."""
    from lsf import roots

    try:
        return roots.number_of(roots.release_of(root)) or None
    except OSError:
        return None


def enter_view(options: Options) -> list[tuple[str, str]] | None:
    """See the files that the options say: the host's own where they say nothing.

    Returns None where this process sees them now, or the rules of a view by look-up (lsf/start/rules.py).
    """
    if options.fakeroot:
        from lsf.start import mounts

        if options.root and not options.isolated:
            from lsf.start import hostetc

            hostetc.prepare()
        mounts.become_root()
    if options.root:
        from lsf.start import view

        return view.enter(options.root, options.isolated, tuple(options.binds), options.debug, options.view)
    if options.isolated:
        from lsf.roots import INSTALL_HINT

        raise LaunchError(f"--isolated needs --root, or an installed root (`{INSTALL_HINT}` fetches one)")
    if options.binds:
        from lsf.start import plan, view

        return view.bind_on_host([plan.Bind(text) for text in options.binds], options.debug, options.view)
    return None


def _open_output(option: str, name: str) -> int:
    """The file that --truss or --ktrace writes to, to be inherited; "" is standard error."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        output = above_standard(os.open(name, flags, 0o666) if name else os.dup(2))
    except OSError as error:
        raise LaunchError(f"{option}{'=' if name else ''}{name}: {error.strerror}") from None
    os.set_inheritable(output, True)
    return output


def _supervise(pin: bool) -> "Callable[[], None]":
    """Begin the ptrace engine: returns the function that arms it, to be called last before exec."""
    try:
        from lsf import _trace
    except ImportError as error:
        raise LaunchError(f"the ptrace engine is not built: {error}") from None
    control, life = observer or (-1, -1)
    try:
        _trace.start(pin=pin, control=control, life=life)
    except OSError as error:
        raise LaunchError(f"the ptrace engine cannot trace this process: {error.strerror}") from None

    if observer:
        os.close(control)
        os.close(life)

    def arm() -> None:
        try:
            _trace.install_filter(observed=observer is not None)
        except OSError as error:
            raise LaunchError(f"the ptrace engine cannot install its seccomp filter: {error.strerror}") from None

    return arm


def launch(options: Options, program: str, arguments: list[str], env: dict[str, str],
           ready: "Callable[[], None] | None" = None) -> None:  # fmt: skip
    """Become the FreeBSD program: returns never, raises LaunchError.

    The program is looked for inside the root, with the guest's PATH. ready() is called when all but exec is done.
    """
    # FreeBSD's exec gives an ignored SIGCHLD its default back, and children are waited for on the way.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    words = [word("VERSION", VERSION)]
    try:
        # O_PATH: it can be executed, and the guests, which inherit it, can neither read, write nor change it.
        image = above_standard(os.open(shim_path(), os.O_PATH))
    except OSError as error:
        raise LaunchError(f"{shim_path()}: {error.strerror}; the package is not built completely") from None
    os.set_inheritable(image, True)
    words.append(word("IMAGE", image))
    words.append(word("ENGINE", ENGINES[options.engine]))
    if options.truss is not None:
        words.append(word("TRUSS", _open_output("--truss", options.truss)))
    if options.ktrace is not None:
        words.append(word("RECORD", _open_output("--ktrace", options.ktrace)))
    if options.stats is not None:
        from lsf.start import stats

        # Before the supervisor, which must not have it as a tracee, and before the view.
        counters = stats.start(options.stats)
        os.set_inheritable(counters, True)
        words.append(word("STATS", counters))
    lacks_root = False
    if options.fakeroot and env.get("PATH") and env["PATH"] == os.environ.get("PATH"):
        env["PATH"] = path_of_root(env["PATH"])
    if options.root is None:
        from lsf.start import default_root

        chosen = default_root.choose(program, env.get("PATH"), options.chdir, options.isolated)
        options.root, lacks_root = chosen or None, chosen == ""
    elif options.root == NO_ROOT:
        options.root = None
    if options.root:
        options.root = find_root(options.root)
    if options.osrelease:
        words.append(word("OSRELDATE", osreldate(options.osrelease)))
    elif options.root and (number := root_osreldate(options.root)):
        words.append(word("OSRELDATE", number))
    if options.debug:
        words.append(word("DEBUG", 1))
    if options.fakeroot:
        words.append(word("FAKEROOT", 1))
        if options.ids is not None:
            words += [
                word(name, ident | ident << 32) for name, ident in zip(("USERS", "GROUPS"), options.ids, strict=True)
            ]
    if observer:
        words.append(word("TRACER", 1))
    if observer or not options.patch:
        words.append(word("NO_PATCH", 1))

    # The supervisor stays outside the root; the filter comes after it, or every mount would be a stop.
    arm = _supervise(pin=True) if options.engine == "ptrace" else None
    rules = enter_view(options)
    front = []
    if rules is not None:
        # The shim knows what the paths mean: it finds the directory and the program.
        path = program
        words += [word("RULES", len(rules)), word("SEARCH", 1)]
        front = [text for rule in rules for text in rule]
        if options.chdir is not None:
            words.append(word("DIRECTORY", 1))
            front.append(options.chdir)
    else:
        if options.chdir is not None:
            try:
                os.chdir(options.chdir)
            except OSError as error:
                raise LaunchError(f"--chdir {options.chdir}: {error.strerror}") from None
        path = find_program(program, env.get("PATH"))
        if lacks_root:
            default_root.refuse_linux(path)
    if options.root:
        # The host's shell may be one that the root has not, and editors and script(1) execute what this names.
        shell = env.get("SHELL")
        within = options.root if rules is not None else ""
        if shell and shell == os.environ.get("SHELL") and not os.access(within + shell, os.X_OK):
            env["SHELL"] = "/bin/sh"
    argv0 = program if options.argv0 is None else options.argv0
    if ready is not None:
        ready()
    if arm is not None:
        arm()
    try:
        os.execve(image, ["lsf-handover", ",".join(words), path, *front, argv0, *arguments], env)
    except OSError as error:
        raise LaunchError(f"{program}: {error.strerror}", STATUS_NOT_RUNNABLE) from None

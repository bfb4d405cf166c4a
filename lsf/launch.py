"""Starts a FreeBSD program: from options to the guest's first instruction.

The calling process becomes the guest. Imports are kept to what every Python process has loaded already; the compiled
modules are imported where an option needs them.
"""

import _signal  # the rest of signal.py is enums, which take a millisecond
import os
import stat

ENGINES = {"auto": 0, "sud": 1, "trap": 2, "ptrace": 3}
VIEWS = ("auto", "namespace", "chroot", "lookup")
NO_ROOT = "none"  # --root and LSF_ROOT: not even the default one
DEFAULT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

STATUS_FAILED = 125
STATUS_NOT_RUNNABLE = 126
STATUS_NOT_FOUND = 127
EFBIG = 27  # the module errno is not loaded yet at a start

#: The sockets of lsf.trace (lsf/tracing.py), which it hands to this process; they make the engine ptrace.
observer: tuple[int, int] | None = None


class LaunchError(Exception):
    """The program was not started. `status` is the exit status that says so."""

    def __init__(self, message: str, status: int = STATUS_FAILED) -> None:
        super().__init__(message)
        self.status = status


def say(text: str) -> None:
    """One line on standard error, if that takes one."""
    try:
        os.write(2, os.fsencode(f"lsf: {text}\n"))
    except OSError:
        pass


class Options:
    """What a start can be told; the defaults start a program on the host's own tree."""

    def __init__(self) -> None:
        self.root: str | None = None  # a folder, a root's name, "none"; None: the default root for a program that needs one
        self.isolated = False
        self.fakeroot = False
        self.view = "auto"  # one of VIEWS: by what means a root is shown
        self.binds: list[str] = []
        self.engine = "auto"
        self.truss: str | None = None  # a file's name; "" is standard error
        self.stats: str | None = None  # [text|json][:file], see lsf/stats.py
        self.osrelease: str | None = None
        self.argv0: str | None = None
        self.chdir: str | None = None
        self.debug = False
        self.patch = True
        self.given: set[str] = set()  # the options of the command line


def shim_path() -> str:
    """The shim image, which lies beside this module."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim.elf")


def osreldate(release: str) -> int:
    """FreeBSD's number for a release: 1305000 for "13.5-RELEASE", "13.5" or "1305000"."""
    number, _, _ = release.partition("-")
    major, dot, minor = number.partition(".")
    if not release.isascii():
        pass  # digits of other scripts are digits to Python
    elif major.isdecimal() and not dot and 100000 <= int(major) <= 9999999:
        return int(major)
    elif major.isdecimal() and minor.isdecimal() and 0 < int(major) < 100 and int(minor) < 100:
        return int(major) * 100000 + int(minor) * 1000
    raise LaunchError(f"--osrelease {release}: not a FreeBSD release (14.1-RELEASE, 14.1 or 1401000)")


def find_program(program: str, path: str | None) -> str:
    """The absolute path of a program as execvp(3) finds it, seen from the current root.

    A name with a slash is taken as it is: what is wrong with it is found when it is executed.
    """
    if "/" in program:
        try:
            return program if program.startswith("/") else os.path.join(os.getcwd(), program)
        except OSError:
            return program  # the current directory was removed: nothing is in it
    refused = None
    for folder in (DEFAULT_PATH if path is None else path).split(":") if program else ():
        candidate = os.path.join(folder, program)
        try:
            status = os.stat(candidate)
        except OSError as error:
            if isinstance(error, PermissionError):
                refused = error.strerror
            continue
        if stat.S_ISREG(status.st_mode):
            if os.access(candidate, os.X_OK):
                return os.path.abspath(candidate)
            refused = "Permission denied"
    if refused:
        raise LaunchError(f"{program}: {refused}", STATUS_NOT_RUNNABLE)
    raise LaunchError(f"{program}: not found in PATH", STATUS_NOT_FOUND)


def find_root(name: str) -> str:
    """The folder of a root that is given by name or by path."""
    if "/" in name or name in (".", ".."):
        return name
    try:
        from lsf import roots
    except ImportError:
        return name
    try:
        return roots.resolve(name)
    except roots.RootError as error:
        text = str(error)
        raise LaunchError(f"--root {text}" if text.startswith(name) else f"--root {name}: {text}") from None


def root_osreldate(root: str) -> int | None:
    """FreeBSD's number for the release of a root, or None where the root does not tell it."""
    try:
        from lsf import roots

        return osreldate(roots.release_of(root))
    except (ImportError, LaunchError, OSError):
        return None


def with_large_files(action):
    """Call action(), again with the soft limit on the size of files out of the way if that is too small: it is the program's."""
    try:
        return action()
    except OSError as error:
        if error.errno != EFBIG:
            raise
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], limit[1]))
    try:
        return action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def enter_view(options: Options) -> list[tuple[str, str]] | None:
    """See the files that the options say: the host's own where they say nothing.

    Returns None where this process sees them now, or the rules of a view by look-up (lsf/lookup.py).
    """
    if options.fakeroot:
        from lsf import view

        if options.root and not options.isolated:
            from lsf import hostetc

            hostetc.prepare()
        view.become_root()
    if options.root:
        from lsf import view

        return view.enter(options.root, options.isolated, tuple(options.binds), options.debug, options.view)
    if options.isolated:
        raise LaunchError("--isolated needs --root")
    if options.binds:
        from lsf import view

        return view.bind_on_host([view.Bind(text) for text in options.binds], options.debug, options.view)
    return None


def above_standard(fd: int) -> int:
    """The descriptor, with another number if it is one of the three standard ones: this process was started without them,
    and what others write there must not land in a file of LSF's. Raises OSError."""
    if fd > 2:
        return fd
    import fcntl

    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def _open_truss(name: str) -> int:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        return above_standard(os.open(name, flags, 0o666) if name else os.dup(2))
    except OSError as error:
        raise LaunchError(f"--truss{'=' if name else ''}{name}: {error.strerror}") from None


def _supervise(pin: bool) -> object:
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


def launch(options: Options, program: str, arguments: list[str], env: dict[str, str], ready=None) -> None:
    """Become the FreeBSD program: returns never, raises LaunchError.

    The program is looked for inside the root, with the guest's PATH. ready() is called when all but exec is done.
    """
    # FreeBSD's exec gives an ignored SIGCHLD its default back, and children are waited for on the way.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    words = ["v=1"]
    try:
        # O_PATH: it can be executed, and the guests, which inherit it, can neither read, write nor change it.
        image = above_standard(os.open(shim_path(), os.O_PATH))
    except OSError as error:
        raise LaunchError(f"{shim_path()}: {error.strerror}; the package is not built completely") from None
    os.set_inheritable(image, True)
    words.append(f"i={image:x}")
    words.append(f"e={ENGINES[options.engine]:x}")
    if options.truss is not None:
        output = _open_truss(options.truss)
        os.set_inheritable(output, True)
        words.append(f"l={output:x}")
    if options.stats is not None:
        from lsf import stats

        # Before the supervisor, which must not have it as a tracee, and before the view.
        counters = stats.start(options.stats)
        os.set_inheritable(counters, True)
        words.append(f"s={counters:x}")
    if options.root is None:
        from lsf import default_root

        options.root = default_root.choose(program, env.get("PATH"), options.chdir, options.isolated)
    elif options.root == NO_ROOT:
        options.root = None
    if options.root:
        options.root = find_root(options.root)
    if options.osrelease:
        words.append(f"r={osreldate(options.osrelease):x}")
    elif options.root and (number := root_osreldate(options.root)):
        words.append(f"r={number:x}")
    if options.debug:
        words.append("d=1")
    if options.fakeroot:
        words.append("F=1")
    if observer:
        words.append("T=1")
    if observer or not options.patch:
        words.append("x=1")

    # The supervisor stays outside the root; the filter comes after it, or every mount would be a stop.
    arm = _supervise(pin=True) if options.engine == "ptrace" else None
    rules = enter_view(options)
    front = []
    if rules is not None:
        # The shim knows what the paths mean: it finds the directory and the program.
        path = program
        words += [f"V={len(rules):x}", "q=1"]
        front = [text for rule in rules for text in rule]
        if options.chdir is not None:
            words.append("c=1")
            front.append(options.chdir)
    else:
        if options.chdir is not None:
            try:
                os.chdir(options.chdir)
            except OSError as error:
                raise LaunchError(f"--chdir {options.chdir}: {error.strerror}") from None
        path = find_program(program, env.get("PATH"))
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

"""Starts a FreeBSD program: from options to the guest's first instruction.

The calling process becomes the guest. Imports are kept to what every Python process has loaded already; the compiled
modules are imported where an option needs them.
"""

import os
import stat

ENGINES = {"auto": 0, "sud": 1, "trap": 2, "ptrace": 3}
DEFAULT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

STATUS_FAILED = 125
STATUS_NOT_RUNNABLE = 126
STATUS_NOT_FOUND = 127


class LaunchError(Exception):
    """The program was not started. `status` is the exit status that says so."""

    def __init__(self, message: str, status: int = STATUS_FAILED) -> None:
        super().__init__(message)
        self.status = status


class Options:
    """What a start can be told; the defaults start a program on the host's own tree."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.engine = "auto"
        self.truss: str | None = None  # a file's name; "" is standard error
        self.osrelease: str | None = None
        self.argv0: str | None = None
        self.chdir: str | None = None
        self.debug = False
        self.patch = True


def shim_path() -> str:
    """The shim image, which lies beside this module."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim.elf")


def osreldate(release: str) -> int:
    """FreeBSD's number for a release: 1305000 for "13.5-RELEASE", "13.5" or "1305000"."""
    number, _, _ = release.partition("-")
    major, dot, minor = number.partition(".")
    if major.isdecimal() and not dot and 100000 <= int(major) <= 9999999:
        return int(major)
    if major.isdecimal() and minor.isdecimal() and 0 < int(major) < 100 and int(minor) < 100:
        return int(major) * 100000 + int(minor) * 1000
    raise LaunchError(f"{release}: not a FreeBSD release (14.1-RELEASE, 14.1 or 1401000)")


def find_program(program: str, path: str | None) -> str:
    """The absolute path of a program as execvp(3) finds it, seen from the current root.

    A name with a slash is taken as it is: what is wrong with it is found when it is executed.
    """
    if "/" in program:
        return program if program.startswith("/") else os.path.join(os.getcwd(), program)
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


def _mount_view(root: str, namespace) -> None:
    """Show the host's /dev and /proc in a root, and its /tmp where the root has none. Raises OSError.

    A root is not written to: where it lacks the folders to mount on, a folder in memory with all that the root has
    takes its place. In that one nothing can be made at the top.
    """
    parts = ["dev", "proc"] + ([] if os.path.isdir(os.path.join(root, "tmp")) else ["tmp"])
    if not all(os.path.isdir(os.path.join(root, part)) for part in parts):
        original = os.open(root, os.O_RDONLY)
        namespace.mount_tmpfs(root)
        for name in os.listdir(original):
            if name in parts:
                continue
            source, target = f"/proc/self/fd/{original}/{name}", os.path.join(root, name)
            mode = os.stat(name, dir_fd=original, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                os.symlink(os.readlink(name, dir_fd=original), target)
                continue
            if stat.S_ISDIR(mode):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            namespace.bind(source, target)
        for part in parts:
            os.mkdir(os.path.join(root, part))
        namespace.make_read_only(root)
        os.close(original)
    for part in parts:
        namespace.bind("/" + part, os.path.join(root, part))


def enter_root(root: str) -> None:
    """Make a folder this process's root: in a mount tree of its own where that is allowed, else by chroot alone."""
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise LaunchError(f"--root {root}: Not a directory")
    except OSError as error:
        raise LaunchError(f"--root {root}: {error.strerror}") from None
    root = os.path.abspath(root)
    why = ""
    try:
        from lsf import _namespace

        if os.geteuid() != 0:
            _namespace.unshare_user()
        _namespace.unshare_mounts()
        _mount_view(root, _namespace)
    except (ImportError, OSError) as error:
        why = str(error)  # the root goes without /dev and /proc, if chroot is allowed
    try:
        os.chroot(root)
        os.chdir("/")
    except OSError as error:
        raise LaunchError(
            f"--root {root}: {error.strerror}: this needs root, or user namespaces, which are not to be had here"
            f" ({why or error.strerror})"
        ) from None


def _open_truss(name: str) -> int:
    if not name:
        return os.dup(2)
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    except OSError as error:
        raise LaunchError(f"--truss={name}: {error.strerror}") from None


def _supervise(pin: bool) -> object:
    """Begin the ptrace engine: returns the function that arms it, to be called last before exec."""
    try:
        from lsf import _trace
    except ImportError as error:
        raise LaunchError(f"the ptrace engine is not built: {error}") from None
    try:
        _trace.start(pin=pin)
    except OSError as error:
        raise LaunchError(f"the ptrace engine cannot trace this process: {error.strerror}") from None

    def arm() -> None:
        try:
            _trace.install_filter()
        except OSError as error:
            raise LaunchError(f"the ptrace engine cannot install its seccomp filter: {error.strerror}") from None

    return arm


def launch(options: Options, program: str, arguments: list[str], env: dict[str, str]) -> None:
    """Become the FreeBSD program: returns never, raises LaunchError.

    The program is looked for inside the root, with the guest's PATH.
    """
    words = ["v=1"]
    try:
        image = os.open(shim_path(), os.O_RDONLY)
    except OSError as error:
        raise LaunchError(f"{shim_path()}: {error.strerror}; the package is not built completely") from None
    os.set_inheritable(image, True)
    words.append(f"i={image:x}")
    words.append(f"e={ENGINES[options.engine]:x}")
    if options.truss is not None:
        output = _open_truss(options.truss)
        os.set_inheritable(output, True)
        words.append(f"l={output:x}")
    if options.osrelease:
        words.append(f"r={osreldate(options.osrelease):x}")
    if options.debug:
        words.append("d=1")
    if not options.patch:
        words.append("x=1")

    # The supervisor stays outside the root; the filter comes after it, or every mount would be a stop.
    arm = _supervise(pin=True) if options.engine == "ptrace" else None
    if options.root:
        enter_root(options.root)
    if options.chdir is not None:
        try:
            os.chdir(options.chdir)
        except OSError as error:
            raise LaunchError(f"--chdir {options.chdir}: {error.strerror}") from None
    path = find_program(program, env.get("PATH"))
    argv0 = program if options.argv0 is None else options.argv0
    if arm is not None:
        arm()
    try:
        os.execve(image, ["lsf-handover", ",".join(words), path, argv0, *arguments], env)
    except OSError as error:
        raise LaunchError(f"{program}: {error.strerror}", STATUS_NOT_RUNNABLE) from None

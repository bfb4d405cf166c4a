"""The files that a start handles: the program, the shim's image, descriptors, and limits in their way."""

import os
import stat

from lsf.start.errors import STATUS_NOT_FOUND, STATUS_NOT_RUNNABLE, LaunchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

DEFAULT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
EFBIG = 27  # the module errno is not loaded yet at a start


def shim_path() -> str:
    """The shim image, which lies in the package's own folder."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shim.elf")


def path_of_root(path: str) -> str:
    """A user's PATH with what FreeBSD's root has besides (login.conf(5)): the system's own programs, which pkg(8)'s scripts start by
    name."""
    folders = path.split(":")
    return ":".join([*folders, *(folder for folder in DEFAULT_PATH.split(":") if folder not in folders)])


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


def above_standard(fd: int) -> int:
    """The descriptor, with another number if it is one of the three standard ones: this process was started without them,
    and what others write there must not land in a file of LSF's. Raises OSError."""
    if fd > 2:
        return fd
    import fcntl

    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def with_large_files(action: "Callable[[], T]") -> "T":
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

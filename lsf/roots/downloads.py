"""What has been fetched, kept by its digest: the next installation, and the next update, take it from here.

The folder is $XDG_CACHE_HOME/lsf/fetched, else ~/.cache/lsf/fetched, and `.fetched` in the store where that cannot be written or others
could change it. A file's name is its digest, so it does not matter who fetched it, from where and with which LSF; its digest is
checked at each use. What is still coming is called DIGEST.part, and who fetches it holds its lock: a second process waits and
finds the file. What the machine's administrator has fetched (`lsfctl root --system`) is read from SYSTEM_CACHE by everybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any

from lsf import roots
from lsf.roots import RootError
from lsf.roots.download import ChecksumError, Client, DownloadError, digest_of
from lsf.roots.manage import open_store

SYSTEM_CACHE = roots.SYSTEM_CACHE + "/lsf/fetched"
IN_STORE = ".fetched"
#: seconds after which a file that nobody has used is removed
KEPT = 30 * 86400.0


def _home_cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "lsf", "fetched") if base.startswith("/") else ""


def _is_nobody_elses(path: str) -> bool:
    """Whether only this user and root can exchange a file below a path: `sudo -E` leaves root with somebody else's home."""
    path = os.path.realpath(path)
    while True:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            pass
        else:
            free = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if status.st_uid not in (0, os.geteuid()) or free:
                return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def _own_folder() -> str:
    """The folder to fetch into, made where it is missing."""
    folder = _home_cache()
    try:
        if folder and _is_nobody_elses(folder):
            os.makedirs(folder, mode=0o755, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    except OSError:
        pass
    folder = os.path.join(open_store(), IN_STORE)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(path: str, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file, made where it is missing; waits() is called before waiting for another process."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(fd, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(path)):
                    yield
                    return
            # It has been renamed or removed meanwhile: there is another one now, or none.
        finally:
            os.close(fd)


def _can_go_on(error: BaseException) -> bool:
    """Whether the next try has a use for a part that came until this error: a cut, a full disk, somebody who lost patience, a token that
    has run out."""
    if isinstance(error, DownloadError):
        return error.status in (0, 401) and not isinstance(error, ChecksumError)
    return not isinstance(error, RootError)


class Cache:
    """The files that one installation takes. As a context manager it forgets them where they turn out to be refused."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._folder = ""
        self._used: list[str] = []

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RootError) and not isinstance(error, DownloadError):
            for path in self._used:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _find(self, name: str, digest: str) -> str:
        """A whole file with this digest, or ""."""
        algorithm, _, value = digest.partition(":")
        for folder in (self._folder, SYSTEM_CACHE):
            path = os.path.join(folder, name)
            try:
                right = digest_of(path, algorithm) == value
                if folder == self._folder:
                    os.utime(path) if right else os.unlink(path)
            except OSError:
                continue
            if right:
                return path
        return ""

    def get(self, url: str, digest: str, *, size: int = 0, limit: int = 8 << 30, label: str = "", auth: Any = None) -> str:  # fmt: skip
        """The path of a file with this digest ("ALGORITHM:HEX"), fetched from `url` where it is not here.

        size: its length, where that is known; label: what it is called while it comes. Raises DownloadError: what has come stays
        for the next time where that can go on.
        """
        if not self._folder:
            self._folder = _own_folder()
            sweep(self._folder)
        name = digest.replace(":", "-")
        path = self._find(name, digest)
        if path:
            self._client.passed(os.path.getsize(path))
        else:
            path = os.path.join(self._folder, name)
            self._fetch(url, path, digest, size=size, limit=limit, label=label, auth=auth)
        if os.path.dirname(path) == self._folder:
            self._used.append(path)
        return path

    def _fetch(self, url: str, path: str, digest: str, **how: Any) -> None:
        part = path + ".part"
        with _locked(part, lambda: self._client.say(f"{how['label'] or url}: another process fetches it; waiting")):
            try:
                if self._find(os.path.basename(path), digest):
                    os.unlink(part)
                else:
                    self._client.fetch(url, part, digest, **how)
                    os.rename(part, path)
            except BaseException as error:
                if not os.path.getsize(part) or not _can_go_on(error):
                    os.unlink(part)
                raise


def sweep(folder: str, age: float = KEPT) -> int:
    """Remove what nobody has used for so many seconds, and is not being fetched. Returns how many bytes that were."""
    freed = 0
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if time.time() - status.st_mtime < age:
                continue
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
                freed += status.st_size
            finally:
                os.close(fd)
    return freed


def clean() -> int:
    """Remove all that was fetched and is kept. Returns how many bytes that were. Raises RootError where the store has no place."""
    freed = 0
    for folder in (_home_cache(), os.path.join(roots.store(), IN_STORE)):
        if os.path.isdir(folder):
            freed += sweep(folder, -1.0)
    return freed

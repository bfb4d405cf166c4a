"""Where what is fetched lies until it is unpacked."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from lsf.roots import RootError
from lsf.roots.download import ChecksumError, DownloadError
from lsf.roots.manage import held, open_store, remove_path

DOWNLOADS = ".download"
DOWNLOAD_AGE = 30 * 86400.0


@contextlib.contextmanager
def downloads(name: str) -> Iterator[str]:
    """A folder for what is fetched. It stays for the next try where that can go on; not where all went well, or where
    what came is not wanted."""
    parent = os.path.join(open_store(), DOWNLOADS)
    folder = os.path.join(parent, name)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        with held(folder) as alone:
            if not alone:
                raise RootError(f"{name} is being fetched by another process")
            _sweep_downloads(parent)
            try:
                yield folder
            except BaseException as error:
                if not os.listdir(folder) or not _can_go_on(error):
                    remove_path(folder)
                raise
            remove_path(folder)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(parent)


def _can_go_on(error: BaseException) -> bool:
    """Whether the next try has a use for what came until this error: a cut, a full disk, somebody who lost patience."""
    if isinstance(error, DownloadError):
        return not error.status and not isinstance(error, ChecksumError)
    return not isinstance(error, RootError)


def _sweep_downloads(parent: str) -> None:
    """Remove what nobody went on with for a month."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            newest = max(os.lstat(os.path.join(path, file)).st_mtime for file in (".", *os.listdir(path)))
            if time.time() - newest > DOWNLOAD_AGE:
                with held(path) as gone:
                    if gone:
                        remove_path(path)

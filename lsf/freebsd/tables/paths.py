"""Which arguments of a syscall are paths, and whether the last symbolic link of each is followed.

The view by look-up (lsf/machine/view/lookup.pxi) needs it: there the shim says which file of Linux's a path means. Every
string of the table's that is no path stands in NO_PATH, so that a new call cannot be forgotten (tests/unit/test_table.py).
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Follow(enum.IntEnum):
    """What becomes of a symbolic link at the end of a path. The values are those of the generated paths.h."""

    NEVER = 0
    ALWAYS = 1
    OPEN = 2  # by the flags of open(2)
    AT = 3  # unless AT_SYMLINK_NOFOLLOW is given
    LINKAT = 4  # only if AT_SYMLINK_FOLLOW is given
    INOTIFY = 5  # unless IN_DONT_FOLLOW is given


class Path(NamedTuple):
    """One argument that is a path: its index, that of the directory it starts in, and that of the flags; -1: none."""

    argument: int
    follow: Follow
    directory: int = -1
    flags: int = -1


_FOLLOWED = (Path(0, Follow.ALWAYS),)
_OWN = (Path(0, Follow.NEVER),)


def _at(flags: int) -> tuple[Path, ...]:
    return (Path(1, Follow.AT, 0, flags),)


_AT_OWN = (Path(1, Follow.NEVER, 0),)

PATHS: dict[str, tuple[Path, ...]] = {
    "open": (Path(0, Follow.OPEN, -1, 1),),
    "openat": (Path(1, Follow.OPEN, 0, 2),),
    "link": (Path(0, Follow.ALWAYS), Path(1, Follow.NEVER)),
    "linkat": (Path(1, Follow.LINKAT, 0, 4), Path(3, Follow.NEVER, 2)),
    "symlink": (Path(1, Follow.NEVER),),
    "symlinkat": (Path(2, Follow.NEVER, 1),),
    "rename": (Path(0, Follow.NEVER), Path(1, Follow.NEVER)),
    "renameat": (Path(1, Follow.NEVER, 0), Path(3, Follow.NEVER, 2)),
    "ktrace": (Path(0, Follow.NEVER),),
    "unlinkat": (Path(1, Follow.NEVER, 0, 2),),
    "funlinkat": (Path(1, Follow.NEVER, 0, 3),),
    "inotify_add_watch_at": (Path(2, Follow.INOTIFY, 1, 3),),
    "__realpathat": (Path(1, Follow.ALWAYS, 0),),
    "futimesat": (Path(1, Follow.ALWAYS, 0),),
    **dict.fromkeys(("chdir", "chmod", "chown", "access", "eaccess", "chflags", "revoke", "utimes", "freebsd11_stat",
                     "freebsd11_nstat", "pathconf", "freebsd6_truncate", "truncate", "freebsd11_statfs", "statfs",
                     "extattr_set_file", "extattr_get_file", "extattr_delete_file", "extattr_list_file"), _FOLLOWED),
    **dict.fromkeys(("unlink", "rmdir", "mkdir", "mkfifo", "freebsd11_mknod", "readlink", "freebsd11_lstat",
                     "freebsd11_nlstat", "lchown", "lchmod", "lchflags", "lutimes", "lpathconf", "extattr_set_link",
                     "extattr_get_link", "extattr_delete_link", "extattr_list_link"), _OWN),
    **dict.fromkeys(("faccessat", "fchmodat", "freebsd11_fstatat", "chflagsat", "utimensat", "fstatat"), _at(3)),
    "fchownat": _at(4),
    **dict.fromkeys(("mkdirat", "mkfifoat", "freebsd11_mknodat", "mknodat", "readlinkat"), _AT_OWN),
}  # fmt: skip

#: FreeBSD's PATH_MAX: a path has at most one byte less before its NUL. Linux takes four times as much.
PATH_MAX = 1024

#: What a symbolic link holds has the same limit.
_TARGETS = {"symlink": (0,), "symlinkat": (0,)}


def bounded(name: str) -> tuple[int, ...]:
    """The arguments of a call whose length FreeBSD's copyin of paths bounds (ENAMETOOLONG; sys/kern/vfs_lookup.c, namei)."""
    return (*(path.argument for path in PATHS.get(name, ())), *_TARGETS.get(name, ()))


#: Strings that are no path, or that the handler itself looks up: (call, argument's name).
NO_PATH = frozenset(
    {
        ("execve", "fname"),  # open_executable: the guest's name stays what the program learns of itself
        ("chroot", "path"),  # refused in this view
        ("symlink", "path"),  # what the link holds
        ("symlinkat", "path1"),
        ("shm_open2", "path"), ("shm_open2", "name"), ("freebsd12_shm_open", "path"),  # names of their own
        ("shm_unlink", "path"), ("shm_rename", "path_from"), ("shm_rename", "path_to"),
        ("kmq_open", "path"), ("kmq_unlink", "path"), ("ksem_open", "name"), ("ksem_unlink", "name"),
        ("setlogin", "namebuf"), ("kenv", "name"), ("modfind", "name"), ("abort2", "why"), ("thr_set_name", "name"),
        *((f"extattr_{what}_{of}", "attrname") for what in ("set", "get", "delete") for of in ("file", "link", "fd")),
    }
)  # fmt: skip

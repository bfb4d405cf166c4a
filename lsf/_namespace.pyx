"""Linux namespaces and mounts, for `lsf --root`: what the os module has only from Python 3.12 on, or not at all."""

from libc.errno cimport errno

import os


cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sched.h>
    #include <sys/mount.h>
    """
    int c_unshare "unshare" (int)
    int c_mount "mount" (const char *, const char *, const char *, unsigned long, const void *)
    enum:
        CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT


cdef object failed(object path=None):
    return OSError(errno, os.strerror(errno), path)


def unshare_mounts():
    """Give this process a mount tree of its own; what it mounts, no other process sees. Raises OSError."""
    if c_unshare(CLONE_NEWNS) < 0:
        raise failed()
    if c_mount(NULL, b"/", NULL, MS_REC | MS_PRIVATE, NULL) < 0:
        raise failed("/")


def unshare_user():
    """Enter a user namespace in which this process may mount and chroot, with its own user and group ids.

    Other ids have no name in there: setgroups is gone, and files of others belong to the overflow id. Raises OSError.
    """
    uid, gid = os.geteuid(), os.getegid()
    if c_unshare(CLONE_NEWUSER) < 0:
        raise failed()
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)


def bind(source, target):
    """Make a tree visible at a second place, with all that is mounted in it. Raises OSError."""
    if c_mount(os.fsencode(source), os.fsencode(target), NULL, MS_BIND | MS_REC, NULL) < 0:
        raise failed(target)


def mount_tmpfs(target):
    """Put a new empty folder, kept in memory, over a folder. Raises OSError."""
    if c_mount(b"lsf", os.fsencode(target), b"tmpfs", 0, b"mode=755") < 0:
        raise failed(target)


def make_read_only(target):
    """Let nothing be written any more into what mount_tmpfs made. Raises OSError."""
    if c_mount(NULL, os.fsencode(target), NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0:
        raise failed(target)

"""Linux namespaces and mounts, for the views: what the os module has only from Python 3.12 on, or not at all."""

from libc.errno cimport ENOSYS, errno

import os


cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <sched.h>
    #include <sys/mount.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    #ifndef AT_RECURSIVE
    #define AT_RECURSIVE 0x8000
    #endif
    #ifndef SYS_mount_setattr
    #define SYS_mount_setattr 442
    #endif

    /* struct mount_attr of Linux 5.12, which older headers lack. */
    static long set_read_only(const char *target) {
        struct { unsigned long long set, clear, propagation, userns; } attributes = {1 /* MOUNT_ATTR_RDONLY */, 0, 0, 0};
        return syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attributes, sizeof(attributes));
    }
    """
    int c_unshare "unshare" (int)
    int c_mount "mount" (const char *, const char *, const char *, unsigned long, const void *)
    long set_read_only(const char *)
    enum:
        CLONE_NEWNS, CLONE_NEWUSER
        MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT, MS_SLAVE, MS_UNBINDABLE


cdef object failed(object path=None):
    return OSError(errno, os.strerror(errno), path)


def unshare_mounts():
    """Give this process a mount tree of its own; what it mounts, no other process sees. Raises OSError.

    What the host mounts later still appears in it.
    """
    if c_unshare(CLONE_NEWNS) < 0:
        raise failed()
    if c_mount(NULL, b"/", NULL, MS_REC | MS_SLAVE, NULL) < 0:
        raise failed("/")


def unshare_user(uid=None, gid=None):
    """Enter a user namespace in which this process may mount and chroot, with its own user and group ids, or those given.

    Other ids have no name in there: setgroups is gone, and files of others belong to the overflow id. Raises OSError.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    uid = outer_uid if uid is None else uid
    gid = outer_gid if gid is None else gid
    if c_unshare(CLONE_NEWUSER) < 0:
        raise failed()
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)


def bind(source, target):
    """Make a tree visible at a second place, with all that is mounted in it. Raises OSError."""
    if c_mount(os.fsencode(source), os.fsencode(target), NULL, MS_BIND | MS_REC, NULL) < 0:
        raise failed(target)


def protect(target):
    """Let nothing be written through what `bind` made at this place. Raises OSError."""
    if set_read_only(os.fsencode(target)) == 0:
        return
    if errno != ENOSYS:
        raise failed(target)
    # Before Linux 5.12: this place alone, and in a user namespace only where the flags that are locked are named.
    flags = os.statvfs(target).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    if c_mount(NULL, os.fsencode(target), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | <unsigned long> flags, NULL) < 0:
        raise failed(target)


def mount_tmpfs(target, mode=0o755, bindable=False):
    """Put a new empty folder, kept in memory, over a folder. Raises OSError.

    Unless it is bindable, no later `bind` takes it along with a tree around it, nor can it be a layer.
    """
    cdef bytes path = os.fsencode(target), options = f"mode={mode:o}".encode()
    if c_mount(b"lsf", path, b"tmpfs", 0, <const char *> options) < 0:
        raise failed(target)
    if not bindable and c_mount(NULL, path, NULL, MS_UNBINDABLE, NULL) < 0:
        raise failed(target)


def make_read_only(target):
    """Let nothing be written any more into what mount_tmpfs made. Raises OSError."""
    if c_mount(NULL, os.fsencode(target), NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0:
        raise failed(target)


def mount_layers(upper, lower, target):
    """Show a folder with another one's entries laid over it, to be read only. Raises OSError.

    The names must contain neither colons nor commas.
    """
    cdef bytes options = os.fsencode(f"lowerdir={upper}:{lower}")
    if c_mount(b"lsf", os.fsencode(target), b"overlay", MS_RDONLY, <const char *> options) < 0:
        raise failed(target)


def mount_overlay(lower, upper, work, target):
    """Show the folder `lower`, with what is changed kept in `upper`; `work` is an empty folder beside that one. Raises OSError.

    The names must contain neither colons nor commas. In a user namespace too, from Linux 5.11 on: what overlayfs notes of files, it notes
    in their users' attributes.
    """
    cdef bytes options = os.fsencode(f"lowerdir={lower},upperdir={upper},workdir={work},userxattr")
    if c_mount(b"lsf", os.fsencode(target), b"overlay", 0, <const char *> options) < 0:
        raise failed(target)


def mount_binfmt(target):
    """Mount this user namespace's own binfmt_misc (Linux 6.7), empty at first. Raises OSError."""
    if c_mount(b"lsf", os.fsencode(target), b"binfmt_misc", 0, NULL) < 0:
        raise failed(target)

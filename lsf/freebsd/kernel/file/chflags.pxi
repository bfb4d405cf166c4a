# chflags(2) and its kin. Model: FreeBSD sys/ufs/ufs/ufs_vnops.c (ufs_setattr), sys/kern/vfs_syscalls.c (setfflags).
# Linux has one immutable flag and one append-only flag, for who may set them; FreeBSD has the user's beside the
# superuser's. Which it was is remembered in an attribute that such a process alone may read and write. Where it cannot be,
# the flag is shown as the superuser's. The flags that Linux lacks are kept_flags.pxi's.

cdef enum:
    FS_FLAGS_KNOWN = 0x70               # immutable, append-only, no dump: the ones that FreeBSD has too
    FS_FLAGS_LOCKED = 0x30              # immutable, append-only
    FS_FLAG_NODUMP = 0x40


cdef inline const char *flags_attribute() noexcept nogil:
    return b"trusted.lsf.flags"


cdef long change_attributes(int fd, uint64_t attributes) noexcept nogil:
    return linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_SETFLAGS, <uint64_t> &attributes)


cdef long set_file_flags(int fd, uint32_t flags, uint32_t kept) noexcept nogil:
    """Give an open file FreeBSD's `flags`, of which `kept` are for the attribute; Linux's that FreeBSD does not know stay."""
    cdef uint64_t was = 0, wanted = <uint64_t> freebsd_to_linux_file_flags(flags & FLAGS_OF_LINUX & ~kept)
    cdef uint32_t users = flags & ~kept & (FREEBSD_UF_IMMUTABLE | FREEBSD_UF_APPEND)
    cdef uint32_t remembered = users | (flags & (FREEBSD_SF_IMMUTABLE | FREEBSD_SF_APPEND))
    cdef long result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_GETFLAGS, <uint64_t> &was)
    was &= 0xffffffffUL
    if kept:
        wanted |= FS_FLAG_NODUMP
    if not is_error(result) and was & FS_FLAGS_LOCKED:              # the attributes of such a file cannot be changed
        result = change_attributes(fd, was & ~<uint64_t> FS_FLAGS_LOCKED)
    if not is_error(result) and (was | wanted) & FS_FLAGS_LOCKED:
        if users:
            linux_syscall5(LINUX_SYS_fsetxattr, fd, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4, 0)
        else:
            linux_syscall2(LINUX_SYS_fremovexattr, fd, <uint64_t> flags_attribute())
    if not is_error(result) and (kept or was & FS_FLAG_NODUMP or SHIM.own.fakeroot):
        result = keep_flags(fd, kept)
    if not is_error(result):
        result = change_attributes(fd, (was & ~<uint64_t> FS_FLAGS_KNOWN) | wanted)
        if is_error(result) and kept:
            keep_flags(fd, 0)
    if is_error(result) and was & FS_FLAGS_LOCKED:
        change_attributes(fd, was)
    return -LINUX_EOPNOTSUPP if result == -LINUX_ENOTTY or result == -LINUX_ENOSYS or result == -LINUX_EINVAL else result


cdef void show_user_flags(int fd, freebsd_stat *st) noexcept nogil:
    """Show the flags of an immutable, append-only or marked file as they were set; UF_NODUMP says that it is marked."""
    cdef char link[32]
    cdef uint32_t remembered = 0
    descriptor_path(fd, link)
    if st.st_flags & FREEBSD_UF_NODUMP:
        show_kept_flags(link, st)
    if not st.st_flags & (FREEBSD_SF_IMMUTABLE | FREEBSD_SF_APPEND) or linux_syscall4(
            LINUX_SYS_getxattr, <uint64_t> link, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4) != 4:
        return
    if remembered & FREEBSD_UF_IMMUTABLE and st.st_flags & FREEBSD_SF_IMMUTABLE:
        st.st_flags = (st.st_flags & ~<uint32_t> FREEBSD_SF_IMMUTABLE) | (remembered & (FREEBSD_UF_IMMUTABLE
                                                                                        | FREEBSD_SF_IMMUTABLE))
    if remembered & FREEBSD_UF_APPEND and st.st_flags & FREEBSD_SF_APPEND:
        st.st_flags = (st.st_flags & ~<uint32_t> FREEBSD_SF_APPEND) | (remembered & (FREEBSD_UF_APPEND
                                                                                     | FREEBSD_SF_APPEND))


cdef void show_user_flags_at(int dirfd, uaddr path, uint32_t flags, freebsd_stat *st) noexcept nogil:
    """The same by a path."""
    cdef long fd = path_descriptor(dirfd, path, flags)
    if fd >= 0:
        show_user_flags(<int> fd, st)
        linux_syscall1(LINUX_SYS_close, fd)


cdef long flags_refusal(int fd, long result, uint32_t flags, uint32_t kept, bint owns) noexcept nogil:
    """The answer where changing the flags of `fd` to `flags` gave `result`.

    Linux's EPERM is for all who lack CAP_LINUX_IMMUTABLE. FreeBSD lets an owner set the user's flags (ufs_setattr): for such
    a one it is this file system that cannot keep them. With --fakeroot they are remembered, and keep nobody from the file.
    """
    if result != -LINUX_EPERM and not (SHIM.own.fakeroot and result == -LINUX_EOPNOTSUPP):
        return result
    if SHIM.own.fakeroot:
        kept |= flags & FLAGS_OF_LINUX
        if is_error(set_file_flags(fd, flags & ~<uint32_t> FLAGS_OF_LINUX, kept)):
            result = keep_flags(fd, flags)              # a file system without the marker
        else:
            result = 0
        return result
    return -LINUX_EOPNOTSUPP if owns and not flags & FREEBSD_SF_SETTABLE else result


cdef long flags_forbidden(uint32_t flags, const freebsd_stat *st, uint32_t user) noexcept nogil:
    """ufs_setattr: whether `user` may change the flags of a file to `flags`. 0 or an error."""
    if flags & ~<uint32_t> (FLAGS_KEPT | FLAGS_OF_LINUX | FREEBSD_SF_SNAPSHOT):
        return -LINUX_EOPNOTSUPP
    if user == 0:
        return -LINUX_EPERM if (flags ^ st.st_flags) & FREEBSD_SF_SNAPSHOT else 0
    if user != st.st_uid or (flags ^ st.st_flags) & FREEBSD_SF_SETTABLE:
        return -LINUX_EPERM
    return -LINUX_EPERM if st.st_flags & (FREEBSD_SF_IMMUTABLE | FREEBSD_SF_APPEND | FREEBSD_SF_NOUNLINK) else 0


cdef long change_opened(int fd, uint32_t flags, bint owns) noexcept nogil:
    cdef uint32_t kept = flags & FLAGS_KEPT
    cdef long result = set_file_flags(fd, flags, kept)
    if flags & FREEBSD_UF_ARCHIVE and kept == FREEBSD_UF_ARCHIVE and result == -LINUX_EOPNOTSUPP:
        # Some file systems of FreeBSD's set it on every file, and cp -p gives it back: no loss where it cannot be kept.
        flags &= ~<uint32_t> FREEBSD_UF_ARCHIVE
        kept = 0
        result = set_file_flags(fd, flags, 0)
    return flags_refusal(fd, result, flags, kept, owns)


cdef long change_flags(int fd, uint64_t flags, bint by_path) noexcept nogil:
    """chflags of a descriptor, which is an O_PATH one of ours if `by_path`. What the file has already is no change."""
    cdef freebsd_stat st
    cdef char link[32]
    cdef long opened, result = stat_descriptor(fd, &st)
    cdef uint32_t user
    if result < 0:
        return result
    if flags >> 32:
        return -LINUX_EOPNOTSUPP
    user = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
    result = flags_forbidden(<uint32_t> flags, &st, user)
    if result < 0:
        return result
    if <uint32_t> flags == st.st_flags:
        return 0
    if is_special(st.st_mode):
        return set_special_flags(fd, st.st_mode, <uint32_t> flags, user, user == st.st_uid)
    if not by_path:
        return change_opened(fd, <uint32_t> flags, user == st.st_uid)
    descriptor_path(fd, link)
    opened = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link,
                            LINUX_O_NONBLOCK | LINUX_O_NOCTTY | LINUX_O_CLOEXEC, 0)
    if is_error(opened):
        return -LINUX_EOPNOTSUPP if opened == -LINUX_ENOENT else opened     # no /proc here
    result = change_opened(<int> opened, <uint32_t> flags, user == st.st_uid)
    linux_syscall1(LINUX_SYS_close, opened)
    return result


cdef long change_flags_at(int dirfd, uaddr path, uint64_t flags, uint32_t at_flags) noexcept nogil:
    """chflagsat(2)."""
    cdef long fd, result
    if at_flags & ~<uint32_t> (FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH | FREEBSD_AT_EMPTY_PATH):
        return -LINUX_EINVAL
    if at_flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(dirfd, path, at_flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
    else:
        fd = path_descriptor(dirfd, path, at_flags)
    if fd < 0:
        return fd
    result = change_flags(<int> fd, flags, True)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef public long sys_chflags(frame_t *frame, area_t *area) noexcept nogil:
    return change_flags_at(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], 0)


cdef public long sys_lchflags(frame_t *frame, area_t *area) noexcept nogil:
    return change_flags_at(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW)


cdef public long sys_chflagsat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], change_flags_at(
        <int> frame.arg[0], frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3]))


cdef public long sys_fchflags(frame_t *frame, area_t *area) noexcept nogil:
    cdef long opened = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL)
    if is_error(opened):
        return opened
    if opened & LINUX_O_PATH and path_kind(<int> frame.arg[0]) == ACCESS_PATH:
        return -LINUX_EBADF                 # getvnode
    return change_flags(<int> frame.arg[0], frame.arg[1], opened & LINUX_O_PATH != 0)

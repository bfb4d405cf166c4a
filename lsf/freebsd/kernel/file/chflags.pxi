# chflags(2) and its kin.
# Linux has one immutable flag and one append-only flag, for who may set them; FreeBSD has the user's beside the
# superuser's. Which it was is remembered in an attribute that such a process alone may read and write. Where it cannot be,
# the flag is shown as the superuser's.

cdef enum:
    FS_FLAGS_KNOWN = 0x70               # immutable, append-only, no dump: the ones that FreeBSD has too
    FLAGS_OF_TWO = 0x60006              # UF_ and SF_IMMUTABLE, UF_ and SF_APPEND
    FS_FLAGS_LOCKED = 0x30              # immutable, append-only


cdef inline const char *flags_attribute() noexcept nogil:
    return b"trusted.lsf.flags"


cdef long set_file_flags(int fd, long linux_flags, uint32_t flags) noexcept nogil:
    """Change the attributes of an open file to Linux's for FreeBSD's `flags`; those that FreeBSD does not know stay."""
    cdef uint64_t attributes = 0, bare
    cdef uint32_t users = flags & (FREEBSD_UF_IMMUTABLE | FREEBSD_UF_APPEND)
    cdef uint32_t remembered = users | (flags & (FREEBSD_SF_IMMUTABLE | FREEBSD_SF_APPEND))
    cdef long result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_GETFLAGS, <uint64_t> &attributes)
    if not is_error(result) and (attributes | <uint64_t> linux_flags) & FS_FLAGS_LOCKED:
        bare = attributes & ~<uint64_t> FS_FLAGS_LOCKED & 0xffffffffUL
        if attributes & FS_FLAGS_LOCKED:            # the attribute of such a file cannot be changed
            result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_SETFLAGS, <uint64_t> &bare)
        if not is_error(result):
            if users:
                linux_syscall5(LINUX_SYS_fsetxattr, fd, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4, 0)
            else:
                linux_syscall2(LINUX_SYS_fremovexattr, fd, <uint64_t> flags_attribute())
    if not is_error(result):
        attributes = (attributes & ~<uint64_t> FS_FLAGS_KNOWN & 0xffffffffUL) | <uint64_t> linux_flags
        result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_SETFLAGS, <uint64_t> &attributes)
    return -LINUX_EOPNOTSUPP if result == -LINUX_ENOTTY or result == -LINUX_ENOSYS or result == -LINUX_EINVAL else result


cdef void show_user_flags(int fd, freebsd_stat *st) noexcept nogil:
    """Show the flags of an immutable or append-only file as they were set."""
    cdef char link[32]
    cdef uint32_t remembered = 0
    descriptor_path(fd, link)
    if linux_syscall4(LINUX_SYS_getxattr, <uint64_t> link, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4) != 4:
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


cdef long flags_refusal(int fd, long result, uint32_t flags, freebsd_stat *st, uint32_t user) noexcept nogil:
    """The answer where a user's changing the flags of `fd` to `flags` gave `result`. With --fakeroot they are remembered.

    Linux's EPERM is for all who lack CAP_LINUX_IMMUTABLE. FreeBSD lets an owner set the user's flags, if the file has
    none of the superuser's (ufs_setattr): for such a one it is this file system that cannot keep them.
    """
    if SHIM.own.fakeroot:
        return fake_flags(fd, flags, result)
    if result == -LINUX_EPERM and not (flags | st.st_flags) & FREEBSD_SF_SETTABLE and user == st.st_uid:
        return -LINUX_EOPNOTSUPP
    return result


cdef long change_flags(int fd, uint64_t flags, bint by_path) noexcept nogil:
    """chflags of a descriptor, which is an O_PATH one of ours if `by_path`. What the file has already is no change."""
    cdef freebsd_stat st
    cdef char link[32]
    cdef long opened, wanted, result = stat_descriptor(fd, &st)
    cdef uint32_t user
    if result < 0:
        return result
    if flags >> 32:
        return -LINUX_EOPNOTSUPP
    wanted = freebsd_to_linux_file_flags(<uint32_t> flags)
    if wanted == LSF_UNKNOWN:
        return -LINUX_EOPNOTSUPP
    user = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
    if user != 0 and user != st.st_uid:
        return -LINUX_EPERM                 # VADMIN, whatever is to change
    if wanted == freebsd_to_linux_file_flags(st.st_flags) and not (<uint32_t> flags ^ st.st_flags) & FLAGS_OF_TWO:
        return 0
    if st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG and st.st_mode & LINUX_S_IFMT != LINUX_S_IFDIR:
        return -LINUX_EOPNOTSUPP
    if not by_path:
        return flags_refusal(fd, set_file_flags(fd, wanted, <uint32_t> flags), <uint32_t> flags, &st, user)
    descriptor_path(fd, link)
    opened = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link,
                            LINUX_O_NONBLOCK | LINUX_O_NOCTTY | LINUX_O_CLOEXEC, 0)
    if is_error(opened):
        return -LINUX_EOPNOTSUPP if opened == -LINUX_ENOENT else opened     # no /proc here
    result = set_file_flags(<int> opened, wanted, <uint32_t> flags)
    linux_syscall1(LINUX_SYS_close, opened)
    return flags_refusal(fd, result, <uint32_t> flags, &st, user)


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
    return change_flags_at(<int> frame.arg[0], frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3])


cdef public long sys_fchflags(frame_t *frame, area_t *area) noexcept nogil:
    cdef long opened = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL)
    if is_error(opened):
        return opened
    if opened & LINUX_O_PATH:
        return -LINUX_EBADF                 # getvnode
    return change_flags(<int> frame.arg[0], frame.arg[1], False)

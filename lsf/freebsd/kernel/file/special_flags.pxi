# File flags of what is neither a file nor a folder: links, devices, FIFOs and sockets. Linux keeps none of theirs, and lets them have no
# attribute of a user's; root may give them one that all may read. It is looked for where an inode was changed since it was made, and by
# processes that have been root: so others pay nothing, and are neither shown such flags nor kept from such a file.
# IMMUTABLE, APPEND and NOUNLINK keep it from being removed, renamed and linked (ufs_remove, ufs_rename, ufs_link).

cdef enum:
    FLAGS_UNLINKED = 0x160016           # UF_ and SF_IMMUTABLE, APPEND and NOUNLINK: what keeps a name


cdef inline const char *special_flags_attribute() noexcept nogil:
    return b"security.lsf.flags"


cdef inline bint is_special(uint32_t mode) noexcept nogil:
    return mode & LINUX_S_IFMT != LINUX_S_IFREG and mode & LINUX_S_IFMT != LINUX_S_IFDIR


cdef inline bint was_changed(const linux_statx *sx) noexcept nogil:
    """Whether an inode, of a file system that tells when it was made, was changed since then."""
    return sx.stx_mask & LINUX_STATX_BTIME and (sx.stx_ctime.tv_sec != sx.stx_btime.tv_sec
                                                or sx.stx_ctime.tv_nsec != sx.stx_btime.tv_nsec)


cdef inline bint special_may_have_flags(const linux_statx *sx) noexcept nogil:
    return is_special(sx.stx_mode) and was_changed(sx) and has_been_root()


cdef uint32_t special_flags(int fd) noexcept nogil:
    """The flags that were kept of what a descriptor has open; one of O_PATH will do."""
    cdef char link[32]
    cdef uint32_t flags = 0
    if linux_syscall4(LINUX_SYS_fgetxattr, fd, <uint64_t> special_flags_attribute(), <uint64_t> &flags, 4) == -LINUX_EBADF:
        descriptor_path(fd, link)
        linux_syscall4(LINUX_SYS_getxattr, <uint64_t> link, <uint64_t> special_flags_attribute(), <uint64_t> &flags, 4)
    return flags


cdef uint32_t special_flags_at(int dirfd, uaddr path, uint32_t flags) noexcept nogil:
    """The same by a path; `flags` are FreeBSD's AT_."""
    cdef uint32_t found = 0
    attribute_at(dirfd, path, flags, special_flags_attribute(), &found)
    return found


cdef long set_special_flags(int fd, uint32_t mode, uint32_t flags, uint32_t user, bint owns) noexcept nogil:
    """chflags of a special file. Devices are root's to flag (setfflags); a user's own the rest cannot be kept of."""
    cdef char link[32]
    cdef long result
    if user != 0 and (mode & LINUX_S_IFMT == LINUX_S_IFCHR or mode & LINUX_S_IFMT == LINUX_S_IFBLK):
        return -LINUX_EPERM
    descriptor_path(fd, link)
    if flags:
        result = linux_syscall5(LINUX_SYS_setxattr, <uint64_t> link, <uint64_t> special_flags_attribute(), <uint64_t> &flags, 4, 0)
    else:
        result = linux_syscall2(LINUX_SYS_removexattr, <uint64_t> link, <uint64_t> special_flags_attribute())
    if result == 0:
        SHIM.own.trusted = TRUSTED_YES
    return -LINUX_EOPNOTSUPP if result == -LINUX_EPERM and owns else result


cdef bint is_held(int dirfd, uaddr path, uint32_t at_flags, uint32_t held) noexcept nogil:
    """True for a special file that has one of the flags `held`."""
    cdef linux_statx sx
    if not has_been_root() or is_error(linux_syscall5(
            LINUX_SYS_statx, <uint64_t> <int64_t> dirfd, path,
            LINUX_AT_SYMLINK_NOFOLLOW if at_flags & FREEBSD_AT_SYMLINK_NOFOLLOW else 0, LINUX_STATX_BTIME, <uint64_t> &sx)):
        return False
    return special_may_have_flags(&sx) and special_flags_at(dirfd, path, at_flags) & held != 0

# The mode of a symbolic link. FreeBSD's file systems keep one that lchmod(2) sets; it permits and forbids nothing, and is shown.
# Linux shows 0777. It is kept in an attribute that root alone may read and write, the one kind that Linux lets a link have. Where
# it cannot be kept lchmod does nothing and succeeds, which is what FreeBSD itself finds on a file system of Linux's: its NFS
# server ignores the mode of a link (fs/nfsd/vfs.c, nfsd_setattr).

cdef inline const char *link_mode_attribute() noexcept nogil:
    return b"trusted.lsf.mode"


cdef long keep_link_mode(int fd, uint32_t mode) noexcept nogil:
    """lchmod(2) of the link that an O_PATH descriptor holds: EPERM for who neither owns it nor is root (ufs_chmod)."""
    cdef linux_stat st
    cdef char path[32]
    cdef uint16_t kept = <uint16_t> mode
    cdef uint32_t user = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
    cdef long result = linux_syscall4(LINUX_SYS_newfstatat, fd, <uint64_t> <const char *> b"", <uint64_t> &st,
                                      LINUX_AT_EMPTY_PATH)
    if is_error(result):
        return result
    if user != 0 and user != st.st_uid:
        return -LINUX_EPERM
    if user != 0 and mode & LINUX_S_ISVTX:
        return guest_error(FREEBSD_EFTYPE)          # as of any file that is no directory
    descriptor_path(fd, path)
    if mode == st.st_mode & FREEBSD_ALLPERMS:
        linux_syscall2(LINUX_SYS_removexattr, <uint64_t> path, <uint64_t> link_mode_attribute())
    else:
        linux_syscall5(LINUX_SYS_setxattr, <uint64_t> path, <uint64_t> link_mode_attribute(), <uint64_t> &kept, sizeof(kept), 0)
    return 0


cdef bint link_mode_may_be_kept(const linux_statx *sx) noexcept nogil:
    """True for a link whose inode was changed since it was made (by lchmod, or else), where this process could read it."""
    return sx.stx_mode & LINUX_S_IFMT == LINUX_S_IFLNK and was_changed(sx) and has_been_root()


cdef void show_link_mode(int fd, freebsd_stat *st) noexcept nogil:
    """Show the mode that lchmod gave the link of an O_PATH descriptor."""
    cdef char path[32]
    cdef uint16_t kept = 0
    descriptor_path(fd, path)
    if linux_syscall4(LINUX_SYS_getxattr, <uint64_t> path, <uint64_t> link_mode_attribute(), <uint64_t> &kept, sizeof(kept)) == 2:
        st.st_mode = (st.st_mode & ~<uint16_t> FREEBSD_ALLPERMS) | (kept & FREEBSD_ALLPERMS)


cdef void show_link_mode_at(int dirfd, uaddr path, uint32_t flags, freebsd_stat *st) noexcept nogil:
    """The same by a path."""
    cdef uint16_t kept = 0
    cdef long fd
    if dirfd == LINUX_AT_FDCWD and not flags & FREEBSD_AT_EMPTY_PATH:
        if linux_syscall4(LINUX_SYS_lgetxattr, path, <uint64_t> link_mode_attribute(), <uint64_t> &kept, sizeof(kept)) == 2:
            st.st_mode = (st.st_mode & ~<uint16_t> FREEBSD_ALLPERMS) | (kept & FREEBSD_ALLPERMS)
        return
    fd = path_descriptor(dirfd, path, flags)
    if fd >= 0:
        show_link_mode(<int> fd, st)
        linux_syscall1(LINUX_SYS_close, fd)

# The file flags that Linux lacks: an extended attribute keeps them, and Linux's "no dump", which an owner may set and
# statx(2) tells unasked, marks the file that has one. So a file without costs nothing. UF_NODUMP is kept there, too: Linux
# gives the mark to what is made in a marked directory, and FreeBSD gives no flag. UF_NOUNLINK and SF_NOUNLINK keep a file
# from being removed and renamed; the others mean something to programs alone, as on FreeBSD's own UFS.

cdef enum:
    # UF_NODUMP, OPAQUE, NOUNLINK, SYSTEM, SPARSE, OFFLINE, REPARSE, ARCHIVE, READONLY and HIDDEN, SF_ARCHIVED and NOUNLINK
    FLAGS_KEPT = 0x119f99
    FLAGS_OF_LINUX = 0x60006            # UF_ and SF_IMMUTABLE, UF_ and SF_APPEND
    FLAGS_NOUNLINK = 0x100010           # UF_ and SF_NOUNLINK


cdef inline const char *kept_flags_attribute() noexcept nogil:
    return b"user.lsf.flags"


cdef bint kept_flags(const char *path, uint32_t *flags) noexcept nogil:
    """What was kept of a file that is named by a link in /proc. Who may not read the file is not told."""
    return linux_syscall4(LINUX_SYS_getxattr, <uint64_t> path, <uint64_t> kept_flags_attribute(), <uint64_t> flags, 4) == 4


cdef long keep_flags(int fd, uint32_t flags) noexcept nogil:
    """Keep the flags of an opened file; 0: forget them. Linux wants the permission to write for that, FreeBSD the owner."""
    cdef linux_stat st
    cdef long result = keep_flags_here(fd, flags)
    if result != -LINUX_EACCES or is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)):
        return result
    if is_error(linux_syscall2(LINUX_SYS_fchmod, fd, (st.st_mode | 0o200) & FREEBSD_ALLPERMS)):
        return result
    result = keep_flags_here(fd, flags)
    linux_syscall2(LINUX_SYS_fchmod, fd, st.st_mode & FREEBSD_ALLPERMS)
    return result


cdef long keep_flags_here(int fd, uint32_t flags) noexcept nogil:
    cdef long result
    if flags:
        return linux_syscall5(LINUX_SYS_fsetxattr, fd, <uint64_t> kept_flags_attribute(), <uint64_t> &flags, 4, 0)
    result = linux_syscall2(LINUX_SYS_fremovexattr, fd, <uint64_t> kept_flags_attribute())
    return 0 if result == -LINUX_ENODATA or result == -LINUX_EOPNOTSUPP else result


cdef void show_kept_flags(const char *path, freebsd_stat *st) noexcept nogil:
    """The flags of a marked file, which is named by a link in /proc. Those that Linux alone could enforce are remembered
    under --fakeroot, and shown there."""
    cdef uint32_t flags = 0
    if kept_flags(path, &flags) and not SHIM.own.fakeroot:
        flags &= FLAGS_KEPT
    st.st_flags = (st.st_flags & ~<uint32_t> FREEBSD_UF_NODUMP) | flags


cdef bint attribute_at(int dirfd, uaddr path, uint32_t at_flags, const char *name, uint32_t *value) noexcept nogil:
    """A word that is kept of a path's file; `at_flags` are FreeBSD's. By names alone, where they fit: a process that has no descriptor free
    is not to remove what it may not."""
    cdef char named[FREEBSD_PATH_MAX + 32]
    cdef char first = 0
    cdef uint64_t at
    cdef long fd, result
    if at_flags & FREEBSD_AT_EMPTY_PATH:
        fd = path_descriptor(dirfd, path, at_flags)
        if fd < 0:
            return False
        descriptor_path(<int> fd, named)
        result = linux_syscall4(LINUX_SYS_getxattr, <uint64_t> named, <uint64_t> name, <uint64_t> value, 4)
        linux_syscall1(LINUX_SYS_close, fd)
        return result == 4
    if dirfd != LINUX_AT_FDCWD and copyin(path, &first, 1) == 0 and first != c'/':
        descriptor_path(dirfd, named)
        at = append(named, string_length(named), sizeof(named), b"/")
        if copyinstr(path, &named[at], FREEBSD_PATH_MAX, NULL) < 0:
            return False
        path = <uint64_t> named
    return linux_syscall4(LINUX_SYS_lgetxattr if at_flags & FREEBSD_AT_SYMLINK_NOFOLLOW else LINUX_SYS_getxattr, path,
                          <uint64_t> name, <uint64_t> value, 4) == 4


cdef bint is_nounlink(int dirfd, uaddr path) noexcept nogil:
    """True for a name whose file may be neither removed nor renamed (ufs_remove, ufs_rmdir, ufs_rename), and Linux would."""
    cdef linux_statx sx
    cdef uint32_t flags = 0
    if is_error(linux_syscall5(LINUX_SYS_statx, <uint64_t> <int64_t> dirfd, path, LINUX_AT_SYMLINK_NOFOLLOW, LINUX_STATX_BTIME,
                               <uint64_t> &sx)):
        return False
    if special_may_have_flags(&sx):
        return special_flags_at(dirfd, path, FREEBSD_AT_SYMLINK_NOFOLLOW) & FLAGS_UNLINKED != 0
    if not sx.stx_attributes & LINUX_STATX_ATTR_NODUMP:
        return False
    return (attribute_at(dirfd, path, FREEBSD_AT_SYMLINK_NOFOLLOW, kept_flags_attribute(), &flags)
            and flags & FLAGS_NOUNLINK != 0 and not SHIM.own.fakeroot)

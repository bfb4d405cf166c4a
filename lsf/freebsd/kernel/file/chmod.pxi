# access(2), chmod(2), chown(2).

cdef enum:
    MODE_ASKS = 0o3000                  # the sticky and the set-group-id bit, which not everybody may set
    ROOM_FOR_GROUPS = 1024              # FreeBSD's kern.ngroups and the one that is kern.ngroups' own

cdef long access_file(int dirfd, uaddr path, uint64_t amode, uint32_t flags) noexcept nogil:
    """faccessat(2). Linux takes flags since 5.8; before, AT_EACCESS is nothing where real and effective ids agree."""
    cdef long fd, result = linux_at_flags(flags, FREEBSD_AT_EACCESS | FREEBSD_AT_RESOLVE_BENEATH
                                          | FREEBSD_AT_EMPTY_PATH | FREEBSD_AT_SYMLINK_NOFOLLOW)
    cdef uint64_t linux_flags
    if result < 0:
        return result
    linux_flags = <uint64_t> result
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(dirfd, path, flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
        if fd < 0:
            return fd
        result = linux_syscall4(LINUX_SYS_faccessat2, fd, <uint64_t> <const char *> b"", amode,
                                linux_flags | LINUX_AT_EMPTY_PATH)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    if linux_flags == 0:
        return linux_syscall3(LINUX_SYS_faccessat, <uint64_t> <int64_t> dirfd, path, amode)
    result = linux_syscall4(LINUX_SYS_faccessat2, <uint64_t> <int64_t> dirfd, path, amode, linux_flags)
    if (result == -LINUX_ENOSYS and linux_flags == LINUX_AT_EACCESS
            and linux_syscall0(LINUX_SYS_getuid) == linux_syscall0(LINUX_SYS_geteuid)
            and linux_syscall0(LINUX_SYS_getgid) == linux_syscall0(LINUX_SYS_getegid)):
        return linux_syscall3(LINUX_SYS_faccessat, <uint64_t> <int64_t> dirfd, path, amode)
    return result


cdef public long sys_eaccess(frame_t *frame, area_t *area) noexcept nogil:
    return access_file(LINUX_AT_FDCWD, frame.arg[0], <uint32_t> frame.arg[1], FREEBSD_AT_EACCESS)


cdef public long sys_faccessat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], access_file(
        <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], <uint32_t> frame.arg[3]))


cdef bint is_group_member(uint32_t gid) noexcept nogil:
    """groupmember of kern_prot.c. Who has more groups than FreeBSD gives anybody counts as a member."""
    cdef uint32_t groups[ROOM_FOR_GROUPS]
    cdef long count, i
    if <uint32_t> linux_syscall0(LINUX_SYS_getegid) == gid:
        return True
    count = linux_syscall2(LINUX_SYS_getgroups, ROOM_FOR_GROUPS, <uint64_t> groups)
    if is_error(count):
        return True
    for i in range(count):
        if groups[i] == gid:
            return True
    return False


cdef long mode_refused(int dirfd, uaddr path, uint64_t linux_flags, uint64_t mode) noexcept nogil:
    """What ufs_chmod has against a mode, and Linux has not: the sticky bit of a file is root's to set (EFTYPE), and the
    set-group-id bit is for who is in the file's group (EPERM; Linux drops the bit). 0: nothing, or Linux will say it."""
    cdef linux_stat st
    cdef uint32_t user
    if not mode & MODE_ASKS:
        return 0
    user = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
    if user == 0 or is_error(linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> &st,
                                            linux_flags)) or st.st_uid != user:
        return 0
    if mode & LINUX_S_ISVTX and st.st_mode & LINUX_S_IFMT != LINUX_S_IFDIR:
        return guest_error(FREEBSD_EFTYPE)
    return -LINUX_EPERM if mode & LINUX_S_ISGID and not is_group_member(st.st_gid) else 0


cdef public long sys_chmod(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result = mode_refused(LINUX_AT_FDCWD, frame.arg[0], 0, frame.arg[1])
    return result if result < 0 else tail_syscall2(area, LINUX_SYS_chmod, frame.arg[0], frame.arg[1])


cdef bint is_socket_without_mode(int fd, uint64_t mode) noexcept nogil:
    """A socket has no mode to change, but for what a local one is to have when it is bound (uipc_chmod)."""
    cdef uint8_t address[128]
    cdef uint32_t length = sizeof(address)
    if linux_syscall3(LINUX_SYS_getsockname, <uint32_t> fd, <uint64_t> address, <uint64_t> &length) != 0:
        return False
    return address[0] != LINUX_AF_UNIX or length > 2 or mode & ~<uint64_t> FREEBSD_ACCESSPERMS != 0


cdef public long sys_fchmod(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result
    if is_socket_without_mode(<int> frame.arg[0], frame.arg[1]):
        return -LINUX_EINVAL
    result = mode_refused(<int> frame.arg[0], <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH, frame.arg[1])
    if result == 0:
        result = linux_syscall2(LINUX_SYS_fchmod, frame.arg[0], frame.arg[1])
    if result == -LINUX_EBADF and path_kind(<int> frame.arg[0]) == ACCESS_EXECUTE:
        return change_mode_of(<int> frame.arg[0], frame.arg[1])
    return result


cdef long change_mode_of(int fd, uint64_t mode) noexcept nogil:
    """chmod of an O_PATH descriptor's file."""
    cdef char link[32]
    cdef long result = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(result):
        return result
    if result & LINUX_S_IFMT == LINUX_S_IFLNK:
        return keep_link_mode(fd, <uint32_t> mode & FREEBSD_ALLPERMS)
    result = mode_refused(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH, mode)
    if result < 0:
        return result
    result = linux_syscall4(LINUX_SYS_fchmodat2, fd, <uint64_t> <const char *> b"", mode & FREEBSD_ALLPERMS,
                            LINUX_AT_EMPTY_PATH)
    if result == -LINUX_ENOSYS:
        descriptor_path(fd, link)
        result = linux_syscall3(LINUX_SYS_fchmodat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, mode & FREEBSD_ALLPERMS)
    return result


cdef long change_mode(int dirfd, uaddr path, uint64_t mode, uint32_t flags) noexcept nogil:
    """fchmodat(2)."""
    cdef bint nofollow = flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0
    cdef long fd, result = linux_at_flags(flags, FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH
                                          | FREEBSD_AT_EMPTY_PATH)
    if result < 0:
        return result
    if result == 0 and not flags & FREEBSD_AT_RESOLVE_BENEATH:
        result = mode_refused(dirfd, path, 0, mode)
        if result < 0:
            return result
        return linux_syscall3(LINUX_SYS_fchmodat, <uint64_t> <int64_t> dirfd, path, mode)
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(dirfd, path, nofollow)
    else:
        fd = path_descriptor(dirfd, path, flags)
    if fd < 0:
        return fd
    result = change_mode_of(<int> fd, mode)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef long path_descriptor(int dirfd, uaddr path, uint32_t flags) noexcept nogil:
    """An O_PATH descriptor for a path with AT_SYMLINK_NOFOLLOW or AT_EMPTY_PATH."""
    cdef char first = 0
    if flags & FREEBSD_AT_EMPTY_PATH:
        if copyin(path, &first, 1) < 0:
            return -LINUX_EFAULT
        if first == 0 and dirfd == LINUX_AT_FDCWD:
            return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b".",
                                  LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
        if first == 0:
            return linux_syscall3(LINUX_SYS_fcntl, <uint32_t> dirfd, LINUX_F_DUPFD_CLOEXEC, 0)
    return linux_syscall4(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path, LINUX_O_PATH | LINUX_O_CLOEXEC
                          | (LINUX_O_NOFOLLOW if flags & FREEBSD_AT_SYMLINK_NOFOLLOW else 0), 0)


cdef public long sys_fchmodat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], change_mode(
        <int> frame.arg[0], frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3]))


cdef public long sys_lchmod(frame_t *frame, area_t *area) noexcept nogil:
    return change_mode(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW)


cdef public long sys_fchownat(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t flags = <uint32_t> frame.arg[4]
    cdef long fd, result = linux_at_flags(flags, FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH
                                          | FREEBSD_AT_EMPTY_PATH)
    if result < 0:
        return result
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(<int> frame.arg[0], frame.arg[1], flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
        if fd < 0:
            return fd
        result = change_owner(area.proc, <int> fd, <uint64_t> <const char *> b"", frame.arg[2], frame.arg[3],
                              LINUX_AT_EMPTY_PATH)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return empty_path_error(<int> frame.arg[0], frame.arg[1], change_owner(
        area.proc, <int> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <uint64_t> result))

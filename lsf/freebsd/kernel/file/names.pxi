# Names and attributes: links, rename, unlink, directories, modes, owners, times, access. Model: FreeBSD
# sys/kern/vfs_syscalls.c.


cdef long linux_at_flags(uint32_t flags, uint32_t allowed) noexcept nogil:
    """Linux's flags for those of an *at call, or -EINVAL. AT_RESOLVE_BENEATH (which the caller sees to) is dropped."""
    if flags == 0:
        return 0
    if flags & ~allowed:
        return -LINUX_EINVAL
    return freebsd_to_linux_at_flags(flags & ~<uint32_t> FREEBSD_AT_RESOLVE_BENEATH)


cdef long path_beneath(int dirfd, uaddr path, bint nofollow) noexcept nogil:
    """A descriptor (O_PATH) of a file for AT_RESOLVE_BENEATH."""
    return open_beneath(dirfd, path, LINUX_O_PATH | LINUX_O_CLOEXEC | (LINUX_O_NOFOLLOW if nofollow else 0), 0)


cdef long last_component(uaddr path, char *name, uint64_t *start) noexcept nogil:
    """Copy a path and find where its last component begins, trailing slashes aside: its length, or an error."""
    cdef uint64_t length = 0, end
    cdef long result = copyinstr(path, name, FREEBSD_PATH_MAX, &length)
    if result < 0:
        return result
    end = length - 1
    while end > 1 and name[end - 1] == c'/':
        end -= 1
    start[0] = end
    while start[0] > 0 and name[start[0] - 1] != c'/':
        start[0] -= 1
    return <long> (end - start[0])


cdef bint ends_in_dots(uaddr path) noexcept nogil:
    """True where the last component is . or .. ."""
    cdef char name[FREEBSD_PATH_MAX]
    cdef uint64_t start = 0
    cdef long length = last_component(path, name, &start)
    return (length == 1 or length == 2) and name[start] == c'.' and name[start + length - 1] == c'.'


cdef long follow_slash(int dirfd, uaddr path, char *out) noexcept nogil:
    """A path that ends in a slash behind a symbolic link, with what the link holds in its place (PATH_MAX bytes): 1; 0 where
    it is no such path. FreeBSD follows the link in every call (namei: TRAILINGSLASH), Linux where it only looks up."""
    cdef char target[FREEBSD_PATH_MAX]
    cdef uint64_t start = 0, end
    cdef int links = 0
    cdef long length = last_component(path, out, &start)
    if length <= 0 or out[start + length] != c'/':
        return 0
    end = start + length
    while True:
        out[end] = 0
        length = linux_syscall4(LINUX_SYS_readlinkat, <uint64_t> <int64_t> dirfd, <uint64_t> out, <uint64_t> target,
                                FREEBSD_PATH_MAX - 1)
        if is_error(length):
            break
        links += 1
        if links > FREEBSD_MAXSYMLINKS:
            return -LINUX_ELOOP
        while length > 1 and target[length - 1] == c'/':
            length -= 1
        if target[0] == c'/':
            start = 0
        if start + length + 2 > FREEBSD_PATH_MAX:
            return -LINUX_ENAMETOOLONG
        memcpy(out + start, target, length)
        end = start + length
        start = end
        while start > 0 and out[start - 1] != c'/':
            start -= 1
    out[end] = c'/'
    out[end + 1] = 0
    return 1 if links else 0


# --- links and names -------------------------------------------------------------------------------------------------


cdef public long sys_link(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD's link follows a symbolic link, Linux's does not."""
    return linux_syscall5(LINUX_SYS_linkat, <uint64_t> LINUX_AT_FDCWD, frame.arg[0], <uint64_t> LINUX_AT_FDCWD, frame.arg[1],
                          LINUX_AT_SYMLINK_FOLLOW)


cdef public long sys_symlinkat(frame_t *frame, area_t *area) noexcept nogil:
    return tail_syscall3(area, LINUX_SYS_symlinkat, frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_linkat(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t flags = <uint32_t> frame.arg[4]
    cdef char link[32]
    cdef long fd, result
    result = linux_at_flags(flags, FREEBSD_AT_SYMLINK_FOLLOW | FREEBSD_AT_RESOLVE_BENEATH | FREEBSD_AT_EMPTY_PATH)
    if result < 0:
        return result
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(<int> frame.arg[0], frame.arg[1], not flags & FREEBSD_AT_SYMLINK_FOLLOW)
        if fd < 0:
            return fd
        descriptor_path(<int> fd, link)
        result = linux_syscall5(LINUX_SYS_linkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, frame.arg[2], frame.arg[3],
                                LINUX_AT_SYMLINK_FOLLOW)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return linux_syscall5(LINUX_SYS_linkat, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <uint64_t> result)


cdef long unlink_beneath(int dirfd, uaddr path, uint64_t linux_flags) noexcept nogil:
    """unlinkat with AT_RESOLVE_BENEATH: the parent is looked up so, and the name unlinked in it."""
    cdef char name[FREEBSD_PATH_MAX]
    cdef uint64_t start = 0
    cdef long fd, result = last_component(path, name, &start)
    if result < 0:
        return result
    if result == 2 and name[start] == c'.' and name[start + 1] == c'.':
        fd = path_beneath(dirfd, path, True)            # "..": let the look-up judge
        if fd < 0:
            return fd
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_EINVAL
    if start == 0:
        return linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> <int64_t> dirfd, <uint64_t> name, linux_flags)
    name[start - 1] = 0
    if start == 1:
        return freebsd_error(FREEBSD_ENOTCAPABLE)       # "/name"
    fd = open_beneath(dirfd, <uint64_t> name, LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY, 0)
    if fd < 0:
        return fd
    result = linux_syscall3(LINUX_SYS_unlinkat, fd, <uint64_t> &name[start], linux_flags)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef long unlink_file(int dirfd, uaddr path, uint32_t flags) noexcept nogil:
    """unlinkat(2): a directory without AT_REMOVEDIR is EPERM, where Linux says EISDIR."""
    cdef char followed[FREEBSD_PATH_MAX]
    cdef long found, result = linux_at_flags(flags, FREEBSD_AT_REMOVEDIR | FREEBSD_AT_RESOLVE_BENEATH)
    cdef uint64_t linux_flags = <uint64_t> result
    if result < 0:
        return result
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        result = unlink_beneath(dirfd, path, linux_flags)
    else:
        result = linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> <int64_t> dirfd, path, linux_flags)
        if result == -LINUX_ENOTDIR:
            found = follow_slash(dirfd, path, followed)
            if found < 0:
                return found
            if found:
                result = linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> <int64_t> dirfd, <uint64_t> followed, linux_flags)
    return -LINUX_EPERM if result == -LINUX_EISDIR else result


cdef public long sys_unlink(frame_t *frame, area_t *area) noexcept nogil:
    return unlink_file(LINUX_AT_FDCWD, frame.arg[0], 0)


cdef public long sys_unlinkat(frame_t *frame, area_t *area) noexcept nogil:
    return unlink_file(<int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2])


cdef public long sys_rmdir(frame_t *frame, area_t *area) noexcept nogil:
    return unlink_file(LINUX_AT_FDCWD, frame.arg[0], FREEBSD_AT_REMOVEDIR)


cdef public long sys_funlinkat(frame_t *frame, area_t *area) noexcept nogil:
    """unlinkat, only if the name still is the descriptor's file."""
    cdef freebsd_stat named, opened
    cdef int fd = <int> frame.arg[2]
    cdef uint32_t flags = <uint32_t> frame.arg[3]
    cdef long result
    if flags & ~<uint32_t> (FREEBSD_AT_REMOVEDIR | FREEBSD_AT_RESOLVE_BENEATH):
        return -LINUX_EINVAL
    if fd != FREEBSD_FD_NONE:
        result = -LINUX_EBADF if descriptor_is_hidden(area.proc, fd) else stat_descriptor(fd, &opened)
        if result < 0:
            return result
        result = stat_file(<int> frame.arg[0], frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW
                           | (flags & FREEBSD_AT_RESOLVE_BENEATH), &named)
        if result < 0:
            return result
        if named.st_ino != opened.st_ino or named.st_dev != opened.st_dev:
            return -LINUX_EDEADLK
    return unlink_file(<int> frame.arg[0], frame.arg[1], flags)


cdef long rename_file(uint64_t from_fd, uaddr from_path, uint64_t to_fd, uaddr to_path) noexcept nogil:
    cdef char followed_from[FREEBSD_PATH_MAX]
    cdef char followed_to[FREEBSD_PATH_MAX]
    cdef long found, found_to, result = linux_syscall4(LINUX_SYS_renameat, from_fd, from_path, to_fd, to_path)
    if result == -LINUX_ENOTDIR:
        found = follow_slash(<int> from_fd, from_path, followed_from)
        found_to = follow_slash(<int> to_fd, to_path, followed_to)
        if found < 0 or found_to < 0:
            return found if found < 0 else found_to
        if found or found_to:
            result = linux_syscall4(LINUX_SYS_renameat, from_fd, <uint64_t> followed_from if found else from_path,
                                    to_fd, <uint64_t> followed_to if found_to else to_path)
    if result == -LINUX_EBUSY and (ends_in_dots(from_path) or ends_in_dots(to_path)):
        return -LINUX_EINVAL
    return result


cdef public long sys_rename(frame_t *frame, area_t *area) noexcept nogil:
    return rename_file(<uint64_t> LINUX_AT_FDCWD, frame.arg[0], <uint64_t> LINUX_AT_FDCWD, frame.arg[1])


cdef public long sys_renameat(frame_t *frame, area_t *area) noexcept nogil:
    return rename_file(frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3])


cdef long read_link(int dirfd, uaddr path, uaddr buffer, uint64_t size) noexcept nogil:
    cdef long result
    if <int64_t> size < 0:
        return -LINUX_EINVAL
    if size == 0:                       # Linux: EINVAL
        result = mode_of(dirfd, path, LINUX_AT_SYMLINK_NOFOLLOW)
        if is_error(result):
            return result
        return 0 if result & LINUX_S_IFMT == LINUX_S_IFLNK else -LINUX_EINVAL
    return linux_syscall4(LINUX_SYS_readlinkat, <uint64_t> <int64_t> dirfd, path, buffer,
                          size if size <= 0x7fffffff else 0x7fffffff)


cdef public long sys_readlink(frame_t *frame, area_t *area) noexcept nogil:
    return read_link(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_readlinkat(frame_t *frame, area_t *area) noexcept nogil:
    return read_link(<int> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3])


# --- making ----------------------------------------------------------------------------------------------------------


cdef long make_directory(int dirfd, uaddr path, uint64_t mode) noexcept nogil:
    """The sticky bit is not for mkdir to give (kern_mkdirat: ACCESSPERMS)."""
    cdef char followed[FREEBSD_PATH_MAX]
    cdef long found, result = linux_syscall3(LINUX_SYS_mkdirat, <uint64_t> <int64_t> dirfd, path, mode & FREEBSD_ACCESSPERMS)
    if result == -LINUX_EEXIST:
        found = follow_slash(dirfd, path, followed)
        if found < 0:
            return found
        if found:
            result = linux_syscall3(LINUX_SYS_mkdirat, <uint64_t> <int64_t> dirfd, <uint64_t> followed,
                                    mode & FREEBSD_ACCESSPERMS)
    return result


cdef public long sys_mkdir(frame_t *frame, area_t *area) noexcept nogil:
    return make_directory(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1])


cdef public long sys_mkdirat(frame_t *frame, area_t *area) noexcept nogil:
    return make_directory(<int> frame.arg[0], frame.arg[1], frame.arg[2])


cdef long make_node(int dirfd, uaddr path, uint32_t mode, uint64_t dev) noexcept nogil:
    """mknodat(2): a FIFO, or a device for who may."""
    cdef uint32_t kind = mode & LINUX_S_IFMT
    if kind == LINUX_S_IFIFO and dev == 0:
        return linux_syscall4(LINUX_SYS_mknodat, <uint64_t> <int64_t> dirfd, path, LINUX_S_IFIFO
                              | (mode & FREEBSD_ALLPERMS), 0)
    if kind == LINUX_S_IFCHR or kind == LINUX_S_IFBLK:
        return linux_syscall4(LINUX_SYS_mknodat, <uint64_t> <int64_t> dirfd, path, mode, linux_dev_from_freebsd(dev))
    return -LINUX_EINVAL


cdef public long sys_mkfifo(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(LINUX_AT_FDCWD, frame.arg[0], LINUX_S_IFIFO | (<uint32_t> frame.arg[1] & FREEBSD_ALLPERMS), 0)


cdef public long sys_mkfifoat(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(<int> frame.arg[0], frame.arg[1], LINUX_S_IFIFO | (<uint32_t> frame.arg[2] & FREEBSD_ALLPERMS), 0)


cdef public long sys_mknodat(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(<int> frame.arg[0], frame.arg[1], <uint16_t> frame.arg[2], frame.arg[3])


cdef public long sys_freebsd11_mknod(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(LINUX_AT_FDCWD, frame.arg[0], <uint16_t> frame.arg[1], <uint32_t> frame.arg[2])


cdef public long sys_freebsd11_mknodat(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(<int> frame.arg[0], frame.arg[1], <uint16_t> frame.arg[2], <uint32_t> frame.arg[3])


# --- access, modes, owners -------------------------------------------------------------------------------------------


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
    return access_file(<int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], <uint32_t> frame.arg[3])


cdef long change_mode_of(int fd, uint64_t mode) noexcept nogil:
    """chmod of an O_PATH descriptor's file. Linux keeps no mode for a symbolic link: only its own is accepted."""
    cdef char link[32]
    cdef long result = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(result):
        return result
    if result & LINUX_S_IFMT == LINUX_S_IFLNK:
        return 0 if result & FREEBSD_ALLPERMS == <long> (mode & FREEBSD_ALLPERMS) else -LINUX_EOPNOTSUPP
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
    return change_mode(<int> frame.arg[0], frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3])


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
    return change_owner(area.proc, <int> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <uint64_t> result)


# --- times -----------------------------------------------------------------------------------------------------------


cdef long times_in(uaddr times, linux_timespec *linux) noexcept nogil:
    """The two times of utimensat, with UTIME_NOW and UTIME_OMIT; EINVAL for nanoseconds that are none."""
    cdef freebsd_timespec pair[2]
    if copyin(times, pair, sizeof(pair)) < 0:
        return -LINUX_EFAULT
    if linux_utimens_from_freebsd(&linux[0], &pair[0]) < 0 or linux_utimens_from_freebsd(&linux[1], &pair[1]) < 0:
        return -LINUX_EINVAL
    return 0


cdef public long sys_utimensat(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec linux[2]
    cdef uint32_t flags = <uint32_t> frame.arg[3]
    cdef uint64_t times = 0
    cdef long fd, result, linux_flags = linux_at_flags(
        flags, FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH | FREEBSD_AT_EMPTY_PATH)
    if linux_flags < 0:
        return linux_flags
    if frame.arg[2] != 0:
        result = times_in(frame.arg[2], linux)
        if result < 0:
            return result
        times = <uint64_t> linux
    if frame.arg[1] == 0:
        return -LINUX_EFAULT                  # to Linux: the descriptor's own file
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(<int> frame.arg[0], frame.arg[1], flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
        if fd < 0:
            return fd
        result = linux_syscall4(LINUX_SYS_utimensat, fd, <uint64_t> <const char *> b"", times, LINUX_AT_EMPTY_PATH)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return linux_syscall4(LINUX_SYS_utimensat, frame.arg[0], frame.arg[1], times, <uint64_t> linux_flags)


cdef public long sys_futimens(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec linux[2]
    cdef long result
    if <int> frame.arg[0] < 0 or descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if frame.arg[1] == 0:
        return linux_syscall4(LINUX_SYS_utimensat, frame.arg[0], 0, 0, 0)
    result = times_in(frame.arg[1], linux)
    return result if result < 0 else linux_syscall4(LINUX_SYS_utimensat, frame.arg[0], 0, <uint64_t> linux, 0)


cdef public long sys_futimes(frame_t *frame, area_t *area) noexcept nogil:
    if <int> frame.arg[0] < 0 or descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    return linux_syscall3(LINUX_SYS_futimesat, frame.arg[0], 0, frame.arg[1])


cdef public long sys_lutimes(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timeval pair[2]
    cdef linux_timespec linux[2]
    cdef uint64_t times = 0
    cdef int i
    if frame.arg[0] == 0:
        return -LINUX_EFAULT
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], pair, sizeof(pair)) < 0:
            return -LINUX_EFAULT
        for i in range(2):
            if not 0 <= pair[i].tv_usec < 1000000:
                return -LINUX_EINVAL
            linux[i].tv_sec = pair[i].tv_sec
            linux[i].tv_nsec = pair[i].tv_usec * 1000
        times = <uint64_t> linux
    return linux_syscall4(LINUX_SYS_utimensat, <uint64_t> LINUX_AT_FDCWD, frame.arg[0], times, LINUX_AT_SYMLINK_NOFOLLOW)

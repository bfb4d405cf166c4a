# Links and names: link(2), unlink(2), rename(2), readlink(2).

cdef enum:
    PROC_SLASH = 0x2f636f72702fUL       # "/proc/"


cdef public long sys_link(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD's link follows a symbolic link, Linux's does not."""
    if is_held(LINUX_AT_FDCWD, frame.arg[0], 0, FLAGS_OF_LINUX):
        return -LINUX_EPERM
    return linux_syscall5(LINUX_SYS_linkat, <uint64_t> LINUX_AT_FDCWD, frame.arg[0], <uint64_t> LINUX_AT_FDCWD, frame.arg[1],
                          LINUX_AT_SYMLINK_FOLLOW)


cdef public long sys_symlinkat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[1], frame.arg[2], linux_syscall3(
        LINUX_SYS_symlinkat, frame.arg[0], frame.arg[1], frame.arg[2]))


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
        if is_held(LINUX_AT_FDCWD, <uint64_t> link, 0, FLAGS_OF_LINUX):
            result = -LINUX_EPERM
        else:
            result = linux_syscall5(LINUX_SYS_linkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, frame.arg[2], frame.arg[3],
                                    LINUX_AT_SYMLINK_FOLLOW)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    if is_held(<int> frame.arg[0], frame.arg[1], 0 if flags & FREEBSD_AT_SYMLINK_FOLLOW else FREEBSD_AT_SYMLINK_NOFOLLOW, FLAGS_OF_LINUX):
        return -LINUX_EPERM
    if flags & FREEBSD_AT_EMPTY_PATH and names_open_file(frame.arg[1]) and linux_syscall0(LINUX_SYS_geteuid) != 0:
        fd = 0 if <int> frame.arg[0] == LINUX_AT_FDCWD else linux_syscall2(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFD)
        return fd if is_error(fd) else -LINUX_EPERM         # PRIV_VFS_FHOPEN
    result = linux_syscall5(LINUX_SYS_linkat, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <uint64_t> result)
    if result == -LINUX_ENOENT and not flags & FREEBSD_AT_EMPTY_PATH:
        result = empty_path_error(<int> frame.arg[0], frame.arg[1], result)
    return empty_path_error(<int> frame.arg[2], frame.arg[3], result)


cdef bint names_open_file(uaddr path) noexcept nogil:
    """True for the empty path, which with AT_EMPTY_PATH is the descriptor's file."""
    cdef char first = 0
    return copyin(path, &first, 1) == 0 and first == 0


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
        return guest_error(FREEBSD_ENOTCAPABLE)       # "/name"
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
    if is_nounlink(dirfd, path):
        return -LINUX_EPERM
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
    if result == -LINUX_EISDIR:
        return result if is_the_root(path) else -LINUX_EPERM
    return -LINUX_EISDIR if (result == -LINUX_EBUSY or result == -LINUX_ENOTEMPTY) and is_the_root(path) else result


cdef bint is_the_root(uaddr path) noexcept nogil:
    """True for a path of slashes alone, which has no last name to remove (vfs_lookup_degenerate)."""
    cdef char text[FREEBSD_PATH_MAX]
    cdef int i = 0
    if copyinstr(path, text, sizeof(text), NULL) < 0:
        return False
    if SHIM.lookup != NULL and (<lookup_t *> SHIM.lookup).top != NULL and string_starts(text, (<lookup_t *> SHIM.lookup).top):
        i = <int> string_length((<lookup_t *> SHIM.lookup).top)     # the view's name of it
        if text[i] == 0:
            return True
    while text[i] == c'/':
        i += 1
    return i > 0 and text[i] == 0


cdef public long sys_unlink(frame_t *frame, area_t *area) noexcept nogil:
    return unlink_file(LINUX_AT_FDCWD, frame.arg[0], 0)


cdef public long sys_unlinkat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], unlink_file(
        <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2]))


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
    cdef long found, found_to, result
    if is_nounlink(<int> from_fd, from_path):
        return -LINUX_EPERM
    if is_nounlink(<int> to_fd, to_path):
        result = mode_of(<int> from_fd, from_path, LINUX_AT_SYMLINK_NOFOLLOW)
        return result if is_error(result) else -LINUX_EPERM         # what is not there is said first
    result = linux_syscall4(LINUX_SYS_renameat, from_fd, from_path, to_fd, to_path)
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
    cdef long result = rename_file(frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3])
    result = empty_path_error(<int> frame.arg[0], frame.arg[1], result)
    return empty_path_error(<int> frame.arg[2], frame.arg[3], result)


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


cdef inline bint names_proc(uaddr path) noexcept nogil:
    """Whether a path begins with /proc/; it is longer then than the word that is looked at."""
    cdef uint64_t word = 0
    return fetch_guest64(path, &word) >= 0 and word & 0xffffffffffffUL == PROC_SLASH


cdef public long sys_readlink(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result = read_link(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], frame.arg[2])
    if result > 0 and names_proc(frame.arg[0]):
        return read_link_of_program(area, frame.arg[0], frame.arg[1], frame.arg[2], result)
    return result


cdef public long sys_readlinkat(frame_t *frame, area_t *area) noexcept nogil:
    """An empty path is the descriptor's own file (EMPTYPATH); of what is no link Linux then says ENOENT."""
    cdef long result = read_link(<int> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3])
    if result == -LINUX_ENOENT and names_open_file(frame.arg[1]):
        return -LINUX_EINVAL
    if result > 0 and names_proc(frame.arg[1]):
        return read_link_of_program(area, frame.arg[1], frame.arg[2], frame.arg[3], result)
    return result

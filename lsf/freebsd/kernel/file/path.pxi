# Names and attributes: links, rename, unlink, directories, modes, owners, times, access. Model: FreeBSD
# sys/kern/vfs_syscalls.c.


cdef long linux_at_flags(uint32_t flags, uint32_t allowed) noexcept nogil:
    """Linux's flags for those of an *at call, or -EINVAL. AT_RESOLVE_BENEATH (which the caller sees to) is dropped."""
    if flags == 0:
        return 0
    if flags & ~allowed:
        return -LINUX_EINVAL
    return freebsd_to_linux_at_flags(flags & ~<uint32_t> FREEBSD_AT_RESOLVE_BENEATH)


cdef long empty_path_error(int dirfd, uaddr path, long error) noexcept nogil:
    """ENOENT for an empty path is ENOTDIR where it is to begin at what is no directory: namei looks at that first. Any other `error` stays."""
    cdef char first = 0
    cdef long mode
    if error != -LINUX_ENOENT or dirfd == LINUX_AT_FDCWD or copyin(path, &first, 1) < 0 or first != 0:
        return error
    mode = mode_of(dirfd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    return error if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFDIR else -LINUX_ENOTDIR


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


cdef bint lookup_follows(const lsf_path_t *row, frame_t *frame, bint *beneath) noexcept nogil:
    """Whether a link at the end of this argument is followed; beneath: the path may not leave its folder."""
    cdef uint32_t flags = <uint32_t> frame.arg[row.flags] if row.flags >= 0 else 0
    if row.follow == LSF_FOLLOW_OPEN:
        beneath[0] = flags & FREEBSD_O_RESOLVE_BENEATH != 0
        return not flags & FREEBSD_O_NOFOLLOW and flags & (FREEBSD_O_CREAT | FREEBSD_O_EXCL) != (FREEBSD_O_CREAT
                                                                                                 | FREEBSD_O_EXCL)
    if row.follow == LSF_FOLLOW_INOTIFY:
        return not flags & LINUX_IN_DONT_FOLLOW
    beneath[0] = flags & FREEBSD_AT_RESOLVE_BENEATH != 0
    if row.follow == LSF_FOLLOW_AT:
        return not flags & FREEBSD_AT_SYMLINK_NOFOLLOW
    if row.follow == LSF_FOLLOW_LINKAT:
        return flags & FREEBSD_AT_SYMLINK_FOLLOW != 0
    return row.follow == LSF_FOLLOW_ALWAYS

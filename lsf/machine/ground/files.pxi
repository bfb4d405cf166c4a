# Files, as Linux tells of them.

cdef long mode_of(int dirfd, uaddr path, uint64_t linux_flags) noexcept nogil:
    """The mode of a file (type and permissions), or an error."""
    cdef linux_stat st
    cdef long result = linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> &st, linux_flags)
    return result if is_error(result) else st.st_mode


cdef inline bint is_one_file(const linux_stat *a, const linux_stat *b) noexcept nogil:
    """True where Linux tells both of one file."""
    return a.st_ino == b.st_ino and a.st_dev == b.st_dev


cdef void descriptor_path(int fd, char *path) noexcept nogil:
    """/proc/self/fd/N, in at least 32 bytes."""
    cdef uint64_t at = append(path, 0, 32, b"/proc/self/fd/")
    append_number(path, at, 32, <uint32_t> fd, 10)


cdef long descriptor_name(int fd, char *name, uint64_t size) noexcept nogil:
    """What /proc calls a descriptor's file, terminated and cut to size - 1 bytes: its length, or a negative errno."""
    cdef char path[32]
    cdef long length
    descriptor_path(fd, path)
    length = linux_syscall3(LINUX_SYS_readlink, <uint64_t> path, <uint64_t> name, size - 1)
    if not is_error(length):
        name[length] = 0
    return length


cdef enum:
    ACCESS_FILE = 0                     # path_kind: an ordinary one, or no descriptor at all
    ACCESS_PATH = 1                     # O_PATH
    ACCESS_EXECUTE = 2                  # O_PATH and O_NOFOLLOW, and no link: the mark of one that is for execution alone


cdef int path_kind(int fd) noexcept nogil:
    """What access a descriptor gives."""
    cdef long mode, flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL)
    if is_error(flags) or not flags & LINUX_O_PATH:
        return ACCESS_FILE
    if not flags & LINUX_O_NOFOLLOW:
        return ACCESS_PATH
    mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    return ACCESS_PATH if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFLNK else ACCESS_EXECUTE


cdef long open_to_read(int fd) noexcept nogil:
    """Another descriptor, to read by, of the file that one has open: for a call that Linux makes with no O_PATH one. (Its close gives
    up the process's record locks on the file, as any does.)"""
    cdef char link[32]
    descriptor_path(fd, link)
    return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link,
                          LINUX_O_CLOEXEC | LINUX_O_NONBLOCK | LINUX_O_NOCTTY, 0)

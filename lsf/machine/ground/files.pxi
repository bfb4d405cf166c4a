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

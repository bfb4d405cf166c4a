# Descriptors that give no access to what they name: O_PATH, and O_EXEC (O_SEARCH), which Linux does not have and is opened with
# O_PATH. To F_GETFL, F_SETFL and fdopen(3) they differ. O_NOFOLLOW tells them apart, which Linux keeps among the flags of such a
# descriptor, where it is dup'ed, passed on and over exec: one of O_EXEC has it, one of O_PATH only where it is a link.
# Model: FreeBSD sys/kern/kern_descrip.c (path_fileops, kern_fcntl), sys/sys/fcntl.h (OFLAGS).

cdef enum:
    FKQALLOWED = 0x00800000             # sys/fcntl.h: a kqueue may watch it, since it could have been read; F_GETFL shows that


cdef bint may_be_read(int fd) noexcept nogil:
    """Whether what a descriptor of O_PATH names could be opened for reading now; FreeBSD asks when it is opened."""
    return linux_syscall4(LINUX_SYS_faccessat2, fd, <uint64_t> <const char *> b"", LINUX_R_OK, LINUX_AT_EMPTY_PATH | LINUX_AT_EACCESS) == 0


cdef void replace_opened(int fd, const char *path, uint64_t linux_flags) noexcept nogil:
    """Put another descriptor of the same file in the place of one that was just opened."""
    cdef linux_stat was, now
    cdef const char *empty = b""
    cdef uint64_t close_on_exec = LINUX_O_CLOEXEC if linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD) else 0
    cdef long opened = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                                      linux_flags | LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
    if is_error(opened):
        return
    if (not is_error(linux_syscall4(LINUX_SYS_newfstatat, fd, <uint64_t> empty, <uint64_t> &was, LINUX_AT_EMPTY_PATH))
            and not is_error(linux_syscall4(LINUX_SYS_newfstatat, opened, <uint64_t> empty, <uint64_t> &now, LINUX_AT_EMPTY_PATH))
            and is_one_file(&was, &now)):
        linux_syscall3(LINUX_SYS_dup3, opened, fd, close_on_exec)
    linux_syscall1(LINUX_SYS_close, opened)


cdef void mark_executable(int fd) noexcept nogil:
    """Give a descriptor that was opened for O_EXEC the mark: its file is opened anew by the name that /proc tells, which is
    no link's. One whose name is gone stays without, and counts as O_PATH."""
    cdef char path[FREEBSD_PATH_MAX]
    if is_error(descriptor_name(fd, path, sizeof(path))) or path_kind(fd) == ACCESS_EXECUTE:
        return
    replace_opened(fd, path, LINUX_O_NOFOLLOW)


cdef void unmark_path(int fd) noexcept nogil:
    """Take the mark from a descriptor that was opened with O_PATH and O_NOFOLLOW and is no link's."""
    cdef char link[32]
    if path_kind(fd) == ACCESS_EXECUTE:
        descriptor_path(fd, link)
        replace_opened(fd, link, 0)


cdef long path_error(int fd, long result, long error) noexcept nogil:
    """`error` for a call that Linux answered with EBADF since the descriptor is one of O_PATH."""
    return error if result == -LINUX_EBADF and path_kind(fd) == ACCESS_PATH else result

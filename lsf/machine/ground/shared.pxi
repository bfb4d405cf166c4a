# Files by whose names guests of different families, which share no memory, find each other. They lie in memory, in /dev/shm, or where
# there is none in /tmp; who looks for one tries both, in that order.

cdef enum:
    SHARED_FOLDERS = 2
    SHARED_PATH = 80


cdef uint64_t shared_path(char *path, bint elsewhere, const char *name) noexcept nogil:
    """The name of such a file, in SHARED_PATH bytes: its length, for what shall follow. elsewhere: the one in /tmp."""
    cdef uint64_t at = append(path, 0, SHARED_PATH, b"/tmp/.lsf." if elsewhere else b"/dev/shm/.lsf.")
    return append(path, at, SHARED_PATH, name)


cdef uint64_t private_path(char *path, bint elsewhere, const char *name) noexcept nogil:
    """shared_path, of this user's."""
    return append_number(path, shared_path(path, elsewhere, name), SHARED_PATH, <uint64_t> linux_syscall0(LINUX_SYS_geteuid), 10)


cdef long private_folder(char *path, bint elsewhere, const char *name, bint create) noexcept nogil:
    """Open the folder of this user's at private_path, which must be nobody else's: a descriptor or a negative errno."""
    cdef linux_stat st
    cdef long fd
    private_path(path, elsewhere, name)
    if create:
        linux_syscall2(LINUX_SYS_mkdir, <uint64_t> path, 0o700)
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                        LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return fd
    linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if <long> st.st_uid != linux_syscall0(LINUX_SYS_geteuid) or st.st_mode & 0o077:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_EACCES
    return fd

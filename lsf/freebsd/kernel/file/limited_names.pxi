# Names of limited descriptors: /dev/fd/N by whatever path, "/dev/./fd/N", "N" in that folder, a symbolic link to it. FreeBSD has a file system
# there whose files are the descriptors (sys/fs/fdescfs/fdesc_vnops.c); here they are Linux's magic links, by which a file is opened anew
# and knows nothing of the descriptor's limits. So a process that has limited a descriptor asks Linux whether a path goes by such a link.

cdef enum:
    NAMES_NONE = -1                     # no limited descriptor's name


cdef bint path_is_magic(int dirfd, const char *path) noexcept nogil:
    """Whether a path goes by a magic link (or is a loop of links)."""
    cdef uint64_t how[3]
    cdef long fd
    how[0] = LINUX_O_PATH | LINUX_O_CLOEXEC
    how[1] = 0
    how[2] = LINUX_RESOLVE_NO_MAGICLINKS
    fd = linux_syscall4(LINUX_SYS_openat2, <uint64_t> <int64_t> dirfd, <uint64_t> path, <uint64_t> how, sizeof(how))
    if fd >= 0:
        linux_syscall1(LINUX_SYS_close, fd)
    return fd == -LINUX_ELOOP


cdef bint names_same_file(int fd, int folder, const char *name) noexcept nogil:
    cdef linux_statx one, other
    return (not is_error(linux_syscall5(LINUX_SYS_statx, <uint32_t> fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH,
                                        LINUX_STATX_INO, <uint64_t> &one))
            and not is_error(linux_syscall5(LINUX_SYS_statx, <uint32_t> folder, <uint64_t> name, 0, LINUX_STATX_INO, <uint64_t> &other))
            and one.stx_ino == other.stx_ino and one.stx_dev_major == other.stx_dev_major
            and one.stx_dev_minor == other.stx_dev_minor)


cdef long limited_entry(process_t *proc, int folder, const char *name) noexcept nogil:
    """The limited descriptor that an entry of a folder of /proc is, or NAMES_NONE."""
    cdef linux_statfs fs
    cdef int number = 0, i = 0
    while c'0' <= name[i] <= c'9' and i < 9:
        number = number * 10 + name[i] - 48
        i += 1
    if i == 0 or name[i] != 0 or caps_of(proc, number) == NULL:
        return NAMES_NONE
    if is_error(linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> folder, <uint64_t> &fs)) or fs.f_type != LINUX_PROC_SUPER_MAGIC:
        return NAMES_NONE
    return number if names_same_file(number, folder, name) else NAMES_NONE


cdef long limited_behind(process_t *proc, int dirfd, char *path) noexcept nogil:
    """The limited descriptor that a path is the name of, by symbolic links or at once, or NAMES_NONE. The path is used up."""
    cdef char target[FREEBSD_PATH_MAX]
    cdef const char *parent
    cdef uint64_t start
    cdef long folder = dirfd, opened, number = NAMES_NONE, length
    cdef int links
    for links in range(FREEBSD_MAXSYMLINKS):
        start = string_length(path)
        while start > 0 and path[start - 1] != c'/':
            start -= 1
        parent = path
        if start == 0:
            parent = b"."
        elif start == 1:
            parent = b"/"
        else:
            path[start - 1] = 0
        opened = linux_syscall4(LINUX_SYS_openat, <uint64_t> folder, <uint64_t> parent,
                                LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY, 0)
        if folder != dirfd:
            linux_syscall1(LINUX_SYS_close, folder)
        if is_error(opened):
            return NAMES_NONE
        folder = opened
        number = limited_entry(proc, <int> folder, &path[start])
        if number >= 0:
            break
        length = linux_syscall4(LINUX_SYS_readlinkat, <uint64_t> folder, <uint64_t> &path[start], <uint64_t> target,
                                FREEBSD_PATH_MAX - 1)
        if length <= 0:
            break
        target[length] = 0
        memcpy(path, target, <uint64_t> length + 1)
    linux_syscall1(LINUX_SYS_close, folder)
    return number


cdef long limited_descriptor(process_t *proc, int dirfd, uaddr guest_path) noexcept nogil:
    """The limited descriptor that a path names; NAMES_NONE; -ENOTDIR for a path that goes on behind such a name, which is no folder.
    In capability mode no path leads there (confine.pxi)."""
    cdef char path[FREEBSD_PATH_MAX]
    cdef char used[FREEBSD_PATH_MAX]
    cdef uint64_t length = 0
    cdef long number
    cdef bint whole = True
    if proc.own.fd_caps == NULL or proc.own.capmode or copyinstr(guest_path, path, FREEBSD_PATH_MAX, &length) < 0:
        return NAMES_NONE
    length -= 1
    while length > 0 and path_is_magic(dirfd, path):
        memcpy(used, path, length + 1)
        number = limited_behind(proc, dirfd, used)
        if number >= 0:
            return number if whole else -LINUX_ENOTDIR
        whole = False
        while length > 0 and path[length - 1] != c'/':
            length -= 1
        while length > 0 and path[length - 1] == c'/':
            length -= 1
        path[length] = 0
    return NAMES_NONE

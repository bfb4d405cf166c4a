# Opening and reading and writing. Model: FreeBSD sys/kern/vfs_syscalls.c (kern_openat), vfs_vnops.c (vn_open_cred),
# sys_generic.c.
#
# read, write, readv, writev and their positioned kin are in the pass lane. Paths go to Linux as they are: FreeBSD's
# limit of 1024 bytes is Linux's 4096 here.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_openat2, SYS_newfstatat, SYS_lseek, SYS_ftruncate, SYS_pwrite64, SYS_faccessat, SYS_fallocate
    const long SYS_copy_file_range, SYS_truncate, SYS_sendfile, SYS_writev

cdef enum:
    LINUX_SYS_faccessat2 = 439          # Linux 5.8; older kernel headers do not name it
    LINUX_AT_SYMLINK_NOFOLLOW = 0x100
    LINUX_AT_EACCESS = 0x200
    LINUX_AT_REMOVEDIR = 0x200
    LINUX_AT_SYMLINK_FOLLOW = 0x400
    LINUX_AT_EMPTY_PATH = 0x1000
    LINUX_RESOLVE_BENEATH = 0x8
    S_IFMT = 0o170000
    S_IFIFO = 0o010000
    S_IFCHR = 0o020000
    S_IFDIR = 0o040000
    S_IFBLK = 0o060000
    S_IFREG = 0o100000
    S_IFLNK = 0o120000
    S_IFSOCK = 0o140000
    ALLPERMS = 0o7777
    CREATE_MODE = 0o6777                # the modes that open(2) gives a new file: no sticky bit
    SEEK_SET = 0
    SEEK_CUR = 1
    SEEK_END = 2
    X_OK = 1

cdef enum:
    WORD_DEV_FD = 0x2f64662f7665642fUL      # "/dev/fd/"
    WORD_DEV_STD = 0x6474732f7665642fUL     # "/dev/std"


cdef long mode_of(int dirfd, uaddr path, uint64_t linux_flags) noexcept nogil:
    """The mode of a file (type and permissions), or an error."""
    cdef linux_stat st
    cdef long result = linux_syscall4(SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> &st, linux_flags)
    return result if is_error(result) else st.st_mode


cdef void descriptor_path(int fd, char *path) noexcept nogil:
    """/proc/self/fd/N, in at least 32 bytes."""
    cdef uint64_t at = append(path, 0, 32, b"/proc/self/fd/")
    append_number(path, at, 32, <uint32_t> fd, 10)


cdef int device_descriptor(uaddr path, uint64_t head) noexcept nogil:
    """The descriptor that /dev/fd/N, /dev/stdin, /dev/stdout or /dev/stderr names, or -1 for any other path."""
    cdef char name[24]
    cdef int value = 0, i = 8
    if copyinstr(path, name, 24, NULL) < 0:
        return -1
    if head == WORD_DEV_STD:
        if string_equal(&name[8], b"in"):
            return 0
        if string_equal(&name[8], b"out"):
            return 1
        if string_equal(&name[8], b"err"):
            return 2
        return -1
    while 48 <= name[i] <= 57 and i < 16:
        value = value * 10 + name[i] - 48
        i += 1
    return value if i > 8 and name[i] == 0 else -1


cdef long open_descriptor(process_t *proc, int fd, uint32_t flags) noexcept nogil:
    """Open /dev/fd/N: FreeBSD makes a duplicate, which shares the offset, where Linux opens the file anew."""
    cdef long have, want = flags & FREEBSD_O_ACCMODE
    if descriptor_is_hidden(proc, fd):
        return -ENOENT
    have = linux_syscall2(SYS_fcntl, fd, LINUX_F_GETFL)
    if is_error(have):
        return have
    if have & LINUX_O_PATH or (have & 3 != FREEBSD_O_RDWR and have & 3 != want):
        return -EACCES
    return linux_syscall3(SYS_fcntl, fd, LINUX_F_DUPFD_CLOEXEC if flags & FREEBSD_O_CLOEXEC else LINUX_F_DUPFD, 0)


cdef long open_beneath(int dirfd, uaddr path, uint64_t linux_flags, uint64_t mode) noexcept nogil:
    """openat2(2) with RESOLVE_BENEATH; ENOTCAPABLE where the path leaves the directory."""
    cdef uint64_t how[3]
    cdef long result
    how[0] = linux_flags
    if linux_flags & LINUX_O_PATH:
        how[0] = linux_flags & (LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW)
    how[1] = mode if linux_flags & LINUX_O_CREAT else 0
    how[2] = LINUX_RESOLVE_BENEATH
    result = blocking_syscall(SYS_openat2, <uint64_t> <int64_t> dirfd, path, <uint64_t> how, sizeof(how), 0, 0)
    if result == -EXDEV:
        return freebsd_error(FREEBSD_ENOTCAPABLE)
    return result


cdef long reopen(process_t *proc, int fd, uint64_t linux_flags) noexcept nogil:
    """Open the file of a descriptor anew (O_EMPTY_PATH)."""
    cdef char link[32]
    cdef long result
    if fd == AT_FDCWD:
        return linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> <const char *> b".", linux_flags, 0)
    if descriptor_is_hidden(proc, fd):
        return -EBADF
    result = linux_syscall2(SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
    if is_error(result):
        return result
    descriptor_path(fd, link)
    result = blocking_syscall(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> link,
                              linux_flags & ~<uint64_t> LINUX_O_NOFOLLOW, 0, 0, 0)
    if result == -ENOENT:           # no /proc here: a directory can do without
        result = linux_syscall4(SYS_openat, <uint32_t> fd, <uint64_t> <const char *> b".", linux_flags, 0)
        if result == -ENOTDIR:
            return -ENOENT
    return result


cdef long check_executable(int fd, bint nofollow) noexcept nogil:
    """O_EXEC: the opened file may be executed (a directory: searched)."""
    cdef long mode, result
    cdef const char *empty = b""
    if nofollow:
        mode = mode_of(fd, <uint64_t> empty, LINUX_AT_EMPTY_PATH)
        if is_error(mode):
            return mode
        if mode & S_IFMT == S_IFLNK:
            return -EMLINK
    result = linux_syscall4(LINUX_SYS_faccessat2, fd, <uint64_t> empty, X_OK, LINUX_AT_EACCESS | LINUX_AT_EMPTY_PATH)
    if result == -ENOSYS:
        mode = mode_of(fd, <uint64_t> empty, LINUX_AT_EMPTY_PATH)
        result = 0 if not is_error(mode) and mode & 0o111 else -EACCES
    return result


cdef long lock_opened(int fd, uint32_t flags, uint64_t linux_flags) noexcept nogil:
    """O_SHLOCK and O_EXLOCK, and the truncation that waited for the lock."""
    cdef uint64_t how = FREEBSD_LOCK_EX if flags & FREEBSD_O_EXLOCK else FREEBSD_LOCK_SH
    cdef long result
    if flags & FREEBSD_O_NONBLOCK:
        how |= FREEBSD_LOCK_NB
    result = blocking_syscall(SYS_flock, fd, how, 0, 0, 0, 0)
    if not is_error(result) and flags & FREEBSD_O_TRUNC and linux_flags & 3:
        result = linux_syscall2(SYS_ftruncate, fd, 0)
    return result


cdef long open_special(process_t *proc, int dirfd, uaddr path, uint32_t flags, uint64_t linux_flags,
                       uint64_t mode) noexcept nogil:
    """open with a flag that Linux does not have."""
    cdef uint32_t lock = flags & (FREEBSD_O_SHLOCK | FREEBSD_O_EXLOCK)
    cdef long fd, result = 0
    cdef char first = 0
    if flags & FREEBSD_O_EXEC:
        linux_flags = LINUX_O_PATH | (linux_flags & (LINUX_O_CLOEXEC | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW))
    if lock:
        linux_flags &= ~<uint64_t> LINUX_O_TRUNC
    if flags & FREEBSD_O_EMPTY_PATH:
        if flags & FREEBSD_O_CREAT and not flags & FREEBSD_O_DIRECTORY:
            return -EINVAL
        if copyin(path, &first, 1) < 0:
            return -EFAULT
    if flags & FREEBSD_O_EMPTY_PATH and first == 0:
        fd = reopen(proc, dirfd, linux_flags)
    elif flags & FREEBSD_O_RESOLVE_BENEATH:
        fd = open_beneath(dirfd, path, linux_flags, mode)
    else:
        fd = blocking_syscall(SYS_openat, <uint64_t> <int64_t> dirfd, path, linux_flags, mode, 0, 0)
    if fd < 0:
        return fd
    if flags & FREEBSD_O_EXEC:
        result = check_executable(<int> fd, flags & FREEBSD_O_NOFOLLOW != 0)
    elif lock and not flags & FREEBSD_O_PATH:
        result = lock_opened(<int> fd, flags, linux_flags)
    if is_error(result):
        linux_syscall1(SYS_close, fd)
        return result
    return fd


cdef long open_error(int dirfd, uaddr path, uint32_t flags, long error) noexcept nogil:
    """FreeBSD's error for a failed open, where Linux has another."""
    cdef long mode
    if (error == -ELOOP or error == -ENOTDIR) and flags & FREEBSD_O_NOFOLLOW:
        mode = mode_of(dirfd, path, LINUX_AT_SYMLINK_NOFOLLOW)
        if not is_error(mode) and mode & S_IFMT == S_IFLNK:
            return -EMLINK
    if error == -ENXIO:
        mode = mode_of(dirfd, path, 0)
        if not is_error(mode) and mode & S_IFMT == S_IFSOCK:
            return -EOPNOTSUPP
    return error


cdef long open_file(area_t *area, int dirfd, uaddr path, uint32_t flags, uint64_t mode) noexcept nogil:
    """open(2) and openat(2)."""
    cdef uint64_t head = 0, linux_flags
    cdef long result
    cdef int fd
    if flags & FREEBSD_O_PATH:
        flags &= ~<uint32_t> FREEBSD_O_ACCMODE
    elif flags & FREEBSD_O_EXEC:
        if flags & FREEBSD_O_ACCMODE:
            return -EINVAL
    elif flags & FREEBSD_O_ACCMODE == FREEBSD_O_ACCMODE:
        return -EINVAL
    if fetch_guest64(path, &head) == 0 and (head == WORD_DEV_FD or head == WORD_DEV_STD) and not flags & (
            FREEBSD_O_PATH | FREEBSD_O_EXEC | FREEBSD_O_EXCL | FREEBSD_O_DIRECTORY | FREEBSD_O_NOFOLLOW):
        fd = device_descriptor(path, head)
        if fd >= 0:
            return open_descriptor(area.proc, fd, flags)
    # A terminal never becomes the controlling one by an open (FreeBSD: TIOCSCTTY alone).
    linux_flags = <uint64_t> freebsd_to_linux_open_flags(flags) | LINUX_O_NOCTTY
    if flags & FREEBSD_O_DIRECTORY and flags & FREEBSD_O_CREAT:
        if flags & FREEBSD_O_EXCL:
            return -EINVAL
        linux_flags &= ~<uint64_t> LINUX_O_CREAT
    mode &= CREATE_MODE
    if flags & (FREEBSD_O_SHLOCK | FREEBSD_O_EXLOCK | FREEBSD_O_EXEC | FREEBSD_O_RESOLVE_BENEATH
                | FREEBSD_O_EMPTY_PATH):
        result = open_special(area.proc, dirfd, path, flags, linux_flags, mode)
    else:
        result = blocking_syscall(SYS_openat, <uint64_t> <int64_t> dirfd, path, linux_flags, mode, 0, 0)
    if result < 0:
        return open_error(dirfd, path, flags, restartable(result))
    return result


cdef public long sys_open(frame_t *frame, area_t *area) noexcept nogil:
    return open_file(area, AT_FDCWD, frame.arg[0], <uint32_t> frame.arg[1], frame.arg[2])


cdef public long sys_openat(frame_t *frame, area_t *area) noexcept nogil:
    return open_file(area, <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], frame.arg[3])


# --- reading, writing, seeking ---------------------------------------------------------------------------------------


cdef public long sys_freebsd6_pread(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD 6 has a padding argument before the offset."""
    return restartable(blocking_syscall(SYS_pread64, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[4], 0, 0))


cdef public long sys_freebsd6_pwrite(frame_t *frame, area_t *area) noexcept nogil:
    return restartable(blocking_syscall(SYS_pwrite64, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[4], 0, 0))


cdef long seek(uint64_t fd, uint64_t offset, uint64_t whence) noexcept nogil:
    cdef long result = linux_syscall3(SYS_lseek, fd, offset, whence)
    if result == -EINVAL and <int64_t> offset > 0 and (<int> whence == SEEK_CUR or <int> whence == SEEK_END):
        return -EOVERFLOW
    return result


cdef public long sys_lseek(frame_t *frame, area_t *area) noexcept nogil:
    return seek(frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_freebsd6_lseek(frame_t *frame, area_t *area) noexcept nogil:
    return seek(frame.arg[0], frame.arg[2], frame.arg[3])


cdef public long sys_freebsd6_truncate(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall2(SYS_truncate, frame.arg[0], frame.arg[2])


cdef public long sys_freebsd6_ftruncate(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall2(SYS_ftruncate, frame.arg[0], frame.arg[2])


cdef long posix_error(long result) noexcept nogil:
    """For calls that return their error as a value: 0, or FreeBSD's errno."""
    if result == -EINTR:
        return -ERESTARTSYS
    return lsf_errno_map[-result] if is_error(result) else result


cdef public long sys_posix_fallocate(frame_t *frame, area_t *area) noexcept nogil:
    return posix_error(blocking_syscall(SYS_fallocate, frame.arg[0], 0, frame.arg[1], frame.arg[2], 0, 0))


cdef public long sys_posix_fadvise(frame_t *frame, area_t *area) noexcept nogil:
    """POSIX_FADV_ numbers are Linux's."""
    return posix_error(linux_syscall4(SYS_fadvise64, frame.arg[0], frame.arg[1], frame.arg[2],
                                      <uint64_t> <int64_t> <int> frame.arg[3]))

# flock(2), and O_EXLOCK and O_SHLOCK of open(2). On FreeBSD their locks and those of fcntl(2) are of one kind, with open files and
# processes as owners; on Linux they do not see each other. So a lock of flock is two of Linux's: one of flock, which all that
# lock so see, Linux programs too, and a record lock of the open file (F_OFD_SETLK) on all of it, which those of fcntl see. Both go
# with the open file through dup, fork, exec and SCM_RIGHTS, and end with its last close. Who waits for one holds not the other: so
# nobody waits in a circle that FreeBSD has not, and who waits is in nobody's way.
# Model: FreeBSD sys/kern/kern_lockf.c (lf_setlock), kern_descrip.c (sys_flock), vfs_vnops.c (vn_open_vnode_advlock).

cdef enum:
    FHASLOCK = 0x4000                   # sys/fcntl.h: F_GETFL shows it while the open file has a lock of flock
    LOCK_ASK_AGAIN_NS = 10000000        # while a record lock is waited for by an open file that Linux gives none of its kind


cdef long open_file_lock(int fd, int command, short kind, bint *held) noexcept nogil:
    """A record lock on the whole file whose owner is the open file. F_OFD_GETLK: `held` says whether another's is in its way."""
    cdef linux_flock whole
    cdef long result
    memset(&whole, 0, sizeof(whole))
    whole.l_type = kind
    if command == LINUX_F_OFD_SETLKW:
        return blocking_syscall(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_OFD_SETLKW, <uint64_t> &whole, 0, 0, 0)
    result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, <uint64_t> command, <uint64_t> &whole)
    if command == LINUX_F_OFD_GETLK:
        held[0] = not is_error(result) and whole.l_type != LINUX_F_UNLCK
    return -LINUX_EAGAIN if result == -LINUX_EACCES else result


cdef void open_file_unlock(int fd) noexcept nogil:
    open_file_lock(fd, LINUX_F_OFD_SETLK, LINUX_F_UNLCK, NULL)


cdef long lock_records(int fd, bint exclusive) noexcept nogil:
    """The record lock beside a lock of flock; -EAGAIN where another's is in its way, and what was held stays.

    Linux gives none for writing to a descriptor that is only read, and none for reading to one that is only written to, which FreeBSD
    does. Those ask whether one is in the way; then the former has one for reading, and the latter none. A file system
    without record locks has none to mind."""
    cdef short kind = LINUX_F_WRLCK if exclusive else LINUX_F_RDLCK
    cdef long result = open_file_lock(fd, LINUX_F_OFD_SETLK, kind, NULL)
    cdef bint held = False
    if result == -LINUX_EBADF:
        open_file_lock(fd, LINUX_F_OFD_GETLK, kind, &held)
        if held:
            return -LINUX_EAGAIN
        result = open_file_lock(fd, LINUX_F_OFD_SETLK, LINUX_F_RDLCK if exclusive else LINUX_F_UNLCK, NULL)
    return result if result == -LINUX_EAGAIN else 0


cdef long wait_for_records(int fd, bint exclusive) noexcept nogil:
    """Wait until lock_records may succeed; it has, where Linux could wait."""
    cdef linux_timespec nap
    cdef long result = open_file_lock(fd, LINUX_F_OFD_SETLKW, LINUX_F_WRLCK if exclusive else LINUX_F_RDLCK, NULL)
    if result != -LINUX_EBADF:
        return result
    nap.tv_sec = 0
    nap.tv_nsec = LOCK_ASK_AGAIN_NS
    return blocking_syscall(LINUX_SYS_clock_nanosleep, LINUX_CLOCK_MONOTONIC, 0, <uint64_t> &nap, 0, 0, 0)


cdef long try_flock(int fd, bint exclusive) noexcept nogil:
    """Both locks at once, or neither; what is held stays where another of fcntl's or of a guest's is in the way."""
    cdef long result = lock_records(fd, exclusive)
    if is_error(result):
        return result
    result = linux_syscall2(LINUX_SYS_flock, <uint32_t> fd, LINUX_LOCK_NB | (LINUX_LOCK_EX if exclusive else LINUX_LOCK_SH))
    if is_error(result):
        open_file_unlock(fd)            # as Linux: a change of kind that fails gives up what was held
    return result


cdef long release_flock(int fd) noexcept nogil:
    """The record lock first, since who waits for both waits in flock."""
    open_file_unlock(fd)
    return linux_syscall2(LINUX_SYS_flock, <uint32_t> fd, LINUX_LOCK_UN)


cdef long flock_take(int fd, bint exclusive, bint wait) noexcept nogil:
    """Errors: -EAGAIN (EWOULDBLOCK) without `wait`; -EINTR, and then nothing is held, as on FreeBSD, where a shared lock is given up before
    an exclusive one is waited for."""
    cdef long result = try_flock(fd, exclusive)
    SHIM.own.flocked = 1
    while wait and result == -LINUX_EAGAIN:
        release_flock(fd)
        result = blocking_syscall(LINUX_SYS_flock, <uint32_t> fd, LINUX_LOCK_EX if exclusive else LINUX_LOCK_SH, 0, 0, 0, 0)
        if is_error(result):
            break
        result = lock_records(fd, exclusive)
        if result != -LINUX_EAGAIN:
            break
        release_flock(fd)
        result = wait_for_records(fd, exclusive)
        if is_error(result):
            break
        result = try_flock(fd, exclusive)
    return result


cdef bint holds_flock(int fd) noexcept nogil:
    """Whether the open file has a lock of flock, by /proc. Asked where this process, or one that forked it, has taken any, and of what
    may have one."""
    cdef long mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    cdef char text[FDINFO_SIZE]
    cdef char *at = text
    if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFSOCK or mode & LINUX_S_IFMT == 0:
        return False
    if not read_fdinfo(fd, text):
        return False
    while at[0] != 0:
        if string_starts(at, b"FLOCK "):
            return True
        at += 1
    return False


cdef bint is_fifo(int fd) noexcept nogil:
    """Of what Linux calls one: that it has a name, and is no pipe of pipe(2)."""
    cdef linux_statfs fs
    return linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs) == 0 and fs.f_type != LINUX_PIPEFS_MAGIC


cdef bint may_be_locked(process_t *proc, int fd) noexcept nogil:
    """A file, a folder or a device: DTYPE_VNODE; since FreeBSD 14 a FIFO, too."""
    cdef long kind = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_object(proc, fd):
        return False                    # DTYPE_SHM, DTYPE_MQUEUE
    if is_error(kind):
        return True                     # flock says what is wrong
    kind &= LINUX_S_IFMT
    if kind == LINUX_S_IFIFO:
        return proc.own.osreldate >= FREEBSD_SINCE_FLOCK_FIFO and is_fifo(fd)
    return kind == LINUX_S_IFREG or kind == LINUX_S_IFDIR or kind == LINUX_S_IFCHR or kind == LINUX_S_IFBLK or kind == LINUX_S_IFLNK


cdef public long sys_flock(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD looks at LOCK_UN, LOCK_EX and LOCK_SH in this order, where Linux wants exactly one."""
    cdef int fd = <int> frame.arg[0]
    cdef uint32_t how = <uint32_t> frame.arg[1]
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if not may_be_locked(area.proc, fd):
        return -LINUX_EOPNOTSUPP
    if how & FREEBSD_LOCK_UN:
        result = release_flock(fd)
    elif how & (FREEBSD_LOCK_EX | FREEBSD_LOCK_SH):
        result = restartable(flock_take(fd, how & FREEBSD_LOCK_EX != 0, how & FREEBSD_LOCK_NB == 0))
    else:
        result = -LINUX_EBADF
    return path_error(fd, result, -LINUX_EOPNOTSUPP)

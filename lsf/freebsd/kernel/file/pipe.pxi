# Pipes. FreeBSD's go both ways: each end can be read from and written to. Model: FreeBSD sys/kern/sys_pipe.c.
#
# Linux's have one direction, from the second descriptor to the first, and nearly all programs use no other: for them nothing
# changes, not even that Linux programs may have the other end. The way back is made when somebody first takes it
# (pipe_back.pxi): to write to the first descriptor, or read from the second, is EBADF for Linux, and the error leads here.
#
# Who waits says which descriptors it means before there is any error. So the ends of pipes are marked, by descriptor: those
# that pipe(2) gave, their duplicates, and standard input, output and error as a program begins with them. One that came by
# another way (SCM_RIGHTS, or a higher number over exec) is known when it is read from or written to, or asked for its flags.

cdef inline int pipe_end(process_t *proc, int fd) noexcept nogil:
    """MARK_READS or MARK_WRITES for a descriptor that is marked as the end of a pipe, else 0."""
    return fd_marks(proc, fd) & MARK_PIPE


cdef int pipe_learn(process_t *proc, int fd) noexcept nogil:
    """pipe_end() of any descriptor, which is asked of Linux: FIFOs and process descriptors are none."""
    cdef linux_statfs fs
    cdef long flags
    cdef int end
    if is_error(linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs)) or fs.f_type != LINUX_PIPEFS_MAGIC:
        return 0
    flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL)
    if is_error(flags) or flags & LINUX_O_PATH or flags & LINUX_O_ACCMODE == LINUX_O_RDWR \
            or mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH) == PROCDESC_MODE:
        return 0
    end = MARK_WRITES if flags & LINUX_O_ACCMODE == LINUX_O_WRONLY else MARK_READS
    fd_mark(proc, fd, fd_marks(proc, fd) | end)
    return end


cdef void pipes_at_start(process_t *proc) noexcept nogil:
    """A program begins: what may be read from or written to by convention is looked at."""
    cdef int fd
    for fd in range(3):
        pipe_learn(proc, fd)


cdef inline bint pipe_is_odd(process_t *proc, int fd, int16_t events) noexcept nogil:
    """True where these events, Linux's, are asked of the end that Linux never gives them for."""
    cdef int end = pipe_end(proc, fd)
    if end == 0:
        return False
    return events & (LINUX_POLLIN | LINUX_POLLRDNORM if end == MARK_WRITES else LINUX_POLLOUT) != 0


cdef public long sys_pipe2(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t flags = <uint32_t> frame.arg[1], linux = 0, fd = 0
    cdef long result
    if flags & ~<uint32_t> (FREEBSD_O_CLOEXEC | FREEBSD_O_NONBLOCK):
        return -LINUX_EINVAL
    if flags & FREEBSD_O_CLOEXEC:
        linux |= LINUX_O_CLOEXEC
    if flags & FREEBSD_O_NONBLOCK:
        linux |= LINUX_O_NONBLOCK
    result = linux_syscall2(LINUX_SYS_pipe2, frame.arg[0], linux)
    if is_error(result):
        return result
    if fetch_guest32(frame.arg[0], &fd) == 0:
        fd_mark(area.proc, <int> fd, MARK_READS)
    if fetch_guest32(frame.arg[0] + 4, &fd) == 0:
        fd_mark(area.proc, <int> fd, MARK_WRITES)
    return 0


cdef public long sys_freebsd10_pipe(frame_t *frame, area_t *area) noexcept nogil:
    """The pipe(2) of FreeBSD 10: two return values."""
    cdef int32_t ends[2]
    cdef long result = linux_syscall2(LINUX_SYS_pipe2, <uint64_t> ends, 0)
    if is_error(result):
        return result
    fd_mark(area.proc, ends[0], MARK_READS)
    fd_mark(area.proc, ends[1], MARK_WRITES)
    frame.arg[2] = <uint32_t> ends[1]
    return ends[0]


# ------------------------------------------------------------------ what closes descriptors

cdef inline bint pipe_closes(process_t *proc, int fd) noexcept nogil:
    """A descriptor is about to be closed: its marks go. True where pipe_closed() is to be told when it is."""
    cdef int marks = fd_marks(proc, fd)
    if marks == 0:
        return False
    if marks & MARK_PIPE and proc.own.backs != NULL:
        pipe_closing(proc, fd)
    if marks & MARK_SORT == MARK_INOTIFY:
        inotify_queue_closing(proc, fd)
    fd_mark(proc, fd, 0)
    return marks & MARK_PIPE and proc.own.backs != NULL


cdef void pipe_range_closing(process_t *proc, uint32_t low, uint32_t high) noexcept nogil:
    """All descriptors between two numbers, both included, are about to be closed; pipe_closed() comes after."""
    cdef int fd = fd_marked_from(proc, low)
    while fd >= 0 and <uint32_t> fd <= high:
        pipe_closes(proc, fd)
        fd = fd_marked_from(proc, <uint32_t> fd + 1)


# ------------------------------------------------------------------ what a pipe says of itself

cdef void pipe_stat(process_t *proc, int fd, freebsd_stat *st) noexcept nogil:
    """pipe_stat: each end has a number of its own, and the bytes that can be read from it; st_nlink is 0. Linux's are one
    file with one link."""
    cdef int32_t count = 0
    cdef int end = pipe_end(proc, fd)
    if end == 0:
        end = pipe_learn(proc, fd)
    if end == 0:
        return
    st.st_mode = LINUX_S_IFIFO
    st.st_nlink = 0
    st.st_ino = st.st_ino << 1 | (end == MARK_WRITES)
    pipe_readable(proc, fd, end, &count)
    st.st_size = count
    st.st_blocks = (count + st.st_blksize - 1) // st.st_blksize if st.st_blksize else 0


cdef long pipe_readable(process_t *proc, int fd, int end, int32_t *count) noexcept nogil:
    """FIONREAD of an end: the bytes that can be read from it. 0 or a negative errno."""
    cdef long back
    count[0] = 0
    if end == MARK_READS:
        return linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FIONREAD, <uint64_t> count)
    back = back_of(proc, fd, False)
    return 0 if back < 0 else linux_syscall3(LINUX_SYS_ioctl, back, LINUX_FIONREAD, <uint64_t> count)

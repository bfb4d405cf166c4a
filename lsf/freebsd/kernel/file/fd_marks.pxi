# What is kept of a descriptor beside its file and is not Linux's to keep: which end of a pipe it is, and the flags FD_CLOFORK and
# FD_RESOLVE_BENEATH of FreeBSD 15. Model: FreeBSD sys/kern/kern_descrip.c (fde_flags).
#
# Descriptors that are closed lose their marks, whoever closes them. Those that an execution closes go with the process's memory.

cdef enum:
    MARK_READS = 1                      # the first end of a pipe, which Linux only reads (pipe.pxi)
    MARK_WRITES = 2                     # the second, which Linux only writes
    MARK_PIPE = MARK_READS | MARK_WRITES
    MARK_CLOFORK = 4                    # FD_CLOFORK: children do not get it
    MARK_BENEATH = 8                    # FD_RESOLVE_BENEATH: no path that begins in this folder leaves it (confine.pxi)
    MARKS_HIGH = 1 << 20                # descriptors that can have any
    MARKS_CMSG = 16                     # bytes of a control message's header (CMSG_DATA)

cdef inline int fd_marks(process_t *proc, int fd) noexcept nogil:
    if <uint32_t> fd < <uint32_t> FD_MARKS:
        return proc.own.fd_marks[fd]
    if proc.own.fd_marks_high == NULL or <uint32_t> fd >= MARKS_HIGH:
        return 0
    return proc.own.fd_marks_high[fd]


cdef void fd_mark_high(process_t *proc, int fd, int marks) noexcept nogil:
    if <uint32_t> fd >= MARKS_HIGH:
        return
    if proc.own.fd_marks_high == NULL and marks:
        lock_acquire(&proc.own.lock_event)
        if proc.own.fd_marks_high == NULL:
            proc.own.fd_marks_high = <uint8_t *> map_memory(MARKS_HIGH)
        lock_release(&proc.own.lock_event)
    if proc.own.fd_marks_high != NULL:
        proc.own.fd_marks_high[fd] = <uint8_t> marks


cdef inline void fd_mark(process_t *proc, int fd, int marks) noexcept nogil:
    """These are all its marks."""
    if marks:
        proc.own.fd_marked |= <uint32_t> marks
    if <uint32_t> fd < <uint32_t> FD_MARKS:
        proc.own.fd_marks[fd] = <uint8_t> marks
    else:
        fd_mark_high(proc, fd, marks)


cdef inline void fd_duplicated(process_t *proc, int fd, long duplicate) noexcept nogil:
    """A descriptor was duplicated, perhaps onto one that was closed by that (kern_dup)."""
    if proc.own.fd_marked and not is_error(duplicate):
        fd_mark(proc, <int> duplicate, fd_marks(proc, fd) & ~MARK_CLOFORK)


cdef int fd_marked_from(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest descriptor from `fd` on that has a mark, or -1."""
    cdef const uint8_t *table = proc.own.fd_marks
    cdef uint32_t end = <uint32_t> FD_MARKS
    if proc.own.fd_marked == 0:
        return -1
    while True:
        while fd < end:
            if fd & 7 == 0 and (<const uint64_t *> &table[fd])[0] == 0:
                fd += 8
            elif table[fd]:
                return <int> fd
            else:
                fd += 1
        if end == MARKS_HIGH or proc.own.fd_marks_high == NULL:
            return -1
        table = proc.own.fd_marks_high
        end = MARKS_HIGH


cdef void fd_marks_in_vfork(process_t *proc) noexcept nogil:
    """In the copy that a vfork child has: the marks of high descriptors are still its parent's. They become its own."""
    cdef uint8_t *theirs = proc.own.fd_marks_high
    cdef uint32_t fd = <uint32_t> FD_MARKS
    proc.own.fd_marks_high = NULL
    while theirs != NULL and fd < MARKS_HIGH:
        if fd & 7 == 0 and (<uint64_t *> &theirs[fd])[0] == 0:
            fd += 8
        else:
            fd_mark_high(proc, <int> fd, theirs[fd])
            fd += 1


cdef void fd_marks_after_fork(process_t *proc) noexcept nogil:
    """In a child that has descriptors of its own: those of FD_CLOFORK are closed (fdcopy)."""
    cdef int fd
    if not proc.own.fd_marked & MARK_CLOFORK:
        return
    fd = fd_marked_from(proc, 0)
    while fd >= 0:
        if fd_marks(proc, fd) & MARK_CLOFORK:
            fd_mark(proc, fd, 0)
            linux_syscall1(LINUX_SYS_close, fd)
        fd = fd_marked_from(proc, <uint32_t> fd + 1)
    proc.own.fd_marked &= ~<uint32_t> MARK_CLOFORK


# ------------------------------------------------------------------ the flags

cdef inline bint has_fd_flags(process_t *proc) noexcept nogil:
    return proc.own.osreldate >= FREEBSD_SINCE_FD_FLAGS


cdef long fd_flags(process_t *proc, int fd) noexcept nogil:
    """F_GETFD."""
    cdef long flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
    cdef int marks = fd_marks(proc, fd)
    if not is_error(flags) and marks & (MARK_CLOFORK | MARK_BENEATH):
        flags |= (FREEBSD_FD_CLOFORK if marks & MARK_CLOFORK else 0) | (FREEBSD_FD_RESOLVE_BENEATH if marks & MARK_BENEATH else 0)
    return flags


cdef long fd_set_flags(area_t *area, int fd, uint32_t flags) noexcept nogil:
    """F_SETFD. FD_RESOLVE_BENEATH stays once it is there."""
    cdef process_t *proc = area.proc
    cdef int marks = fd_marks(proc, fd), wanted
    cdef long result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFD, flags & FREEBSD_FD_CLOEXEC)
    if is_error(result) or not has_fd_flags(proc):
        return result
    wanted = (marks & ~MARK_CLOFORK) | (MARK_CLOFORK if flags & FREEBSD_FD_CLOFORK else 0) \
        | (MARK_BENEATH if flags & FREEBSD_FD_RESOLVE_BENEATH else 0)
    if wanted != marks:
        fd_mark(proc, fd, wanted)
        if wanted & MARK_BENEATH:
            confine_arm(area)
    return 0


cdef long clofork_result(area_t *area, long result) noexcept nogil:
    """A handler's result, with the call made that it left to the exit."""
    if result == -RETURN_SYSCALL:
        return linux_syscall4(area.tail[0], area.tail[1], area.tail[2], area.tail[3], area.tail[4])
    return result


cdef void clofork_message(process_t *proc, uaddr message) noexcept nogil:
    """MSG_CMSG_CLOFORK: the descriptors that a message brought."""
    cdef freebsd_msghdr header
    cdef freebsd_cmsghdr part
    cdef uint64_t at = 0
    cdef uint32_t i, fd = 0
    if copyin(message, &header, sizeof(header)) < 0:
        return
    while at + sizeof(part) <= header.msg_controllen and copyin(header.msg_control + at, &part, sizeof(part)) == 0 \
            and part.cmsg_len >= sizeof(part):
        if part.cmsg_level == FREEBSD_SOL_SOCKET and part.cmsg_type == FREEBSD_SCM_RIGHTS:
            for i in range(<uint32_t> ((part.cmsg_len - MARKS_CMSG) // 4)):
                if fetch_guest32(header.msg_control + at + MARKS_CMSG + 4 * i, &fd) == 0:
                    fd_mark(proc, <int> fd, MARK_CLOFORK)
        at += (part.cmsg_len + 7) & ~<uint64_t> 7


cdef public long with_clofork(frame_t *frame, area_t *area, lsf_handler_t handler, int argument, uint32_t flag,
                              int where) noexcept nogil:
    """A call whose flags ask for FD_CLOFORK: it is made without, and what it opens is marked. where: the argument that names two
    descriptors or a message; CLOFORK_RESULT: they are the result."""
    cdef uint64_t flags = frame.arg[argument]
    cdef uint32_t fd = 0, i
    cdef long result
    if not has_fd_flags(area.proc):
        return handler(frame, area)
    frame.arg[argument] = flags & ~<uint64_t> flag
    result = clofork_result(area, handler(frame, area))
    frame.arg[argument] = flags
    if is_error(result):
        return result
    if where == LSF_CLOFORK_RESULT:
        fd_mark(area.proc, <int> result, fd_marks(area.proc, <int> result) | MARK_CLOFORK)
    elif flag == FREEBSD_MSG_CMSG_CLOFORK:
        clofork_message(area.proc, frame.arg[where])
    else:
        for i in range(2):
            if fetch_guest32(frame.arg[where] + 4 * i, &fd) == 0:
                fd_mark(area.proc, <int> fd, fd_marks(area.proc, <int> fd) | MARK_CLOFORK)
    return result

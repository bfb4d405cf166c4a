# The flags of a descriptor, FD_CLOEXEC and those of FreeBSD 15, which are marks of it (cred/fd_marks.pxi).

cdef enum:
    MARKS_CMSG = 16                     # bytes of a control message's header (CMSG_DATA)

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

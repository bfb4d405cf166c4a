# Calls that no table row serves, the indirect ones, and the descriptors that are the shim's own.

cdef enum:
    NO_DESCRIPTOR = 0x7fffffff          # closed, always: Linux has no numbers so high (fs.nr_open)


cdef public long sys_nosys(frame_t *frame, area_t *area) noexcept nogil:
    """A number that no FreeBSD has, or none has any more: nosys() sends SIGSYS (kern.signosys)."""
    signal_self(area, FREEBSD_SIGSYS)
    return -LINUX_ENOSYS


cdef public long sys_refuse(frame_t *frame, area_t *area) noexcept nogil:
    """A row of the table that LSF refuses, with the errno that the row names."""
    if lsf_nosys[frame.nr]:
        return sys_nosys(frame, area)
    return -<long> lsf_refuse_errno[frame.nr]


cdef public long sys_passed(frame_t *frame, area_t *area) noexcept nogil:
    """A row of the pass lane that entry.S does not pass: an argument may be the shim's, or it cannot tell."""
    return run_row(frame, area)


cdef public long without_hidden(frame_t *frame, area_t *area, lsf_handler_t handler) noexcept nogil:
    """Run a call for which the shim's own descriptors are not there: it sees a number that none can have, and answers in
    its order as for any closed one (with an absolute path, say, openat does not look at it)."""
    cdef uint32_t arguments = lsf_descriptors[frame.nr]
    cdef uint64_t saved[6]
    cdef uint32_t replaced = 0
    cdef long result
    cdef int i
    for i in range(6):
        if arguments >> i & 1 and descriptor_is_hidden(area.proc, <int> frame.arg[i]):
            saved[i] = frame.arg[i]
            frame.arg[i] = NO_DESCRIPTOR
            replaced |= 1 << i
    result = handler(frame, area)
    for i in range(6):
        if replaced >> i & 1:
            frame.arg[i] = saved[i]
    return result


cdef long run_row(frame_t *frame, area_t *area) noexcept nogil:
    """Run a call as its row says: what entry.S does, for a caller that has the arguments in a frame."""
    cdef uint64_t nr = frame.nr
    cdef uint64_t arg[6]
    cdef uint32_t outputs
    cdef long result
    cdef int i
    if lsf_pass_nr[nr] < 0:
        return lsf_handler[nr](frame, area)
    for i in range(6):
        arg[i] = frame.arg[i]
    if lsf_descriptors[nr] and descriptor_is_hidden(area.proc, <int> arg[0]):
        arg[0] = NO_DESCRIPTOR
    outputs = lsf_outputs[nr]
    while outputs:
        i = count_trailing_zeros(outputs)
        outputs &= outputs - 1
        if WINDOW_BASE <= arg[i] < SHIM_END:
            arg[i] = WINDOW_BASE        # it cannot be written to: EFAULT, when Linux comes to it
    result = blocking_syscall(lsf_pass_nr[nr], arg[0], arg[1], arg[2], arg[3], arg[4], arg[5])
    if is_doubtful(result):
        result = passed_error(area, frame, nr, result)
    if result == -LINUX_EINTR and not lsf_restart[nr] and area.not_begun and area.deferred:
        return -LINUX_ERESTARTNOINTR      # a signal came before it, to which entry.S would have gone back
    return restartable(result) if lsf_restart[nr] else result


cdef long run_call(frame_t *frame, area_t *area) noexcept nogil:
    """Run any call; in a view by look-up (lookup.pxi) its paths become Linux's first."""
    if frame.nr >= FREEBSD_NSYSCALLS:
        return sys_nosys(frame, area)
    if area.proc.lookup != NULL and lsf_path_first[frame.nr] != 0:
        return lookup_run(frame, area)
    return run_row(frame, area)


cdef long run_inner(frame_t *frame, area_t *area, uint64_t nr, uint64_t sixth) noexcept nogil:
    """Run the call `nr` that this call stands for: its arguments are this one's from the second on, and `sixth`.

    The frame is as before afterwards, but for a second result: the guest may make the whole call anew."""
    cdef uint64_t saved[6]
    cdef uint64_t outer = frame.nr
    cdef long result
    cdef int i
    for i in range(6):
        saved[i] = frame.arg[i]
    for i in range(5):
        frame.arg[i] = saved[i + 1]
    frame.arg[5] = sixth
    frame.nr = nr
    result = run_call(frame, area)
    frame.nr = outer
    sixth = frame.arg[2]
    for i in range(6):
        if i != 2 or sixth == saved[3]:
            frame.arg[i] = saved[i]
    return result


cdef public long sys_syscall(frame_t *frame, area_t *area) noexcept nogil:
    """syscall(2) and __syscall(2): the real number is the first argument, and the seventh lies on the stack."""
    cdef uint64_t nr = <uint32_t> frame.arg[0], sixth = 0
    if nr >= FREEBSD_NSYSCALLS or nr == 0 or nr == 198:
        return sys_nosys(frame, area)
    fetch_guest64(frame.rsp + 8, &sixth)
    return run_inner(frame, area, nr, sixth)


cdef bint descriptor_is_hidden(process_t *proc, int fd) noexcept nogil:
    """True for a descriptor of the shim's own, which the guest must not see."""
    return fd >= 0 and (fd == proc.image_fd or fd == proc.truss_fd or fd == proc.stats_fd or fd == proc.procdesc_fd
                        or event_hides(proc, fd))


cdef void hide_number(int fd) noexcept nogil:
    """Number fd is a hidden descriptor's: from now on the ways into the shim look closely at it (misc.pxi, entry.S). All
    processes that share the memory share the bounds, which only grow; where they hold more, nothing is wrong but slower."""
    cdef uint32_t seen = atomic_load32(&lsf_hidden_low)
    while <uint32_t> fd < seen and atomic_cas32(&lsf_hidden_low, seen, <uint32_t> fd) != seen:
        seen = atomic_load32(&lsf_hidden_low)
    seen = atomic_load32(&lsf_hidden_high)
    while <uint32_t> fd > seen and atomic_cas32(&lsf_hidden_high, seen, <uint32_t> fd) != seen:
        seen = atomic_load32(&lsf_hidden_high)


cdef int next_hidden(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest hidden descriptor from `fd` on, or -1."""
    cdef int found = event_next_hidden(proc, fd)
    if proc.image_fd >= 0 and <uint32_t> proc.image_fd >= fd and (found < 0 or proc.image_fd < found):
        found = proc.image_fd
    if proc.truss_fd >= 0 and <uint32_t> proc.truss_fd >= fd and (found < 0 or proc.truss_fd < found):
        found = proc.truss_fd
    if proc.stats_fd >= 0 and <uint32_t> proc.stats_fd >= fd and (found < 0 or proc.stats_fd < found):
        found = proc.stats_fd
    if proc.procdesc_fd >= 0 and <uint32_t> proc.procdesc_fd >= fd and (found < 0 or proc.procdesc_fd < found):
        found = proc.procdesc_fd
    return found


cdef void move_hidden(process_t *proc, int fd) noexcept nogil:
    """Give the guest the number of a hidden descriptor: it goes on under another, or is given up where there is none
    (the image is rebuilt when it is needed, truss falls silent, the next program is not counted)."""
    cdef long moved
    cdef bint passes_on = fd == proc.image_fd or fd == proc.procdesc_fd
    if event_hides(proc, fd):
        event_move_hidden(proc, fd)
        return
    # F_DUPFD for what passes on at exec, else F_DUPFD_CLOEXEC
    moved = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD if passes_on else LINUX_F_DUPFD_CLOEXEC, fd + 1)
    if is_error(moved):
        moved = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD if passes_on else LINUX_F_DUPFD_CLOEXEC, 3)
    if is_error(moved):
        moved = -1
    else:
        hide_number(<int> moved)
    if fd == proc.image_fd:
        proc.image_fd = <int> moved
    elif fd == proc.truss_fd:
        proc.truss_fd = <int> moved
    elif fd == proc.stats_fd:
        proc.stats_fd = <int> moved
    elif fd == proc.procdesc_fd:
        proc.procdesc_fd = <int> moved


cdef void after_fork(process_t *proc, area_t *area) noexcept nogil:
    """What each domain has to do in the child of a fork."""
    proc.umtx_shared_waiters = 0
    event_after_fork(proc)
    stats_after_fork(proc)
    aio_after_fork(proc)
    procdesc_after_fork(proc, area)
    proc.lock_ids.word = 0

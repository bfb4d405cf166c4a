# Calls that no table row serves, the indirect ones, and the descriptors that are the shim's own.


cdef public long sys_refuse(frame_t *frame, area_t *area) noexcept nogil:
    """A row of the table that LSF refuses, with the errno that the row names."""
    if lsf_nosys[frame.nr]:
        return sys_nosys(frame, area)
    return -<long> lsf_refuse_errno[frame.nr]


cdef public long sys_passed(frame_t *frame, area_t *area) noexcept nogil:
    """A row of the pass lane that entry.S does not pass: an argument may be the shim's, or it cannot tell."""
    return pass_row(frame, area)


cdef public int path_is_too_long(uint64_t path) noexcept nogil:
    """True where a path of the guest's is longer than its system takes. Linux says what is wrong with an address."""
    if WINDOW_BASE <= path < SHIM_END:
        return False                    # Linux's, in the place of one that the view looked at
    return guest_string_length(path, GUEST_PATH_MAX) >= <long> GUEST_PATH_MAX


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


cdef inline long run_row(frame_t *frame, area_t *area) noexcept nogil:
    """Run a call as its row says, with the guards that stand before its handler."""
    return lsf_handler[frame.nr](frame, area)


cdef long pass_row(frame_t *frame, area_t *area) noexcept nogil:
    """Pass a call to Linux: what entry.S does, for a caller that has the arguments in a frame."""
    cdef uint64_t nr = frame.nr
    cdef uint64_t arg[6]
    cdef uint32_t outputs
    cdef long result
    cdef int i
    result = own_transfer(area, frame, nr)
    if result != -LINUX_ENOSYS:
        return interrupted(area, result, lsf_restart[nr], False)
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
    return interrupted(area, result, lsf_restart[nr], False)


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


cdef inline bint is_doubtful(long result) noexcept nogil:
    """The errnos that entry.S leads to pass_failed."""
    return (result == -LINUX_EPIPE or result == -LINUX_EIO or result == -LINUX_EINVAL or result == -LINUX_ENOTCONN
            or result == -LINUX_ECONNREFUSED or result == -LINUX_EFAULT or result == -LINUX_ECONNRESET
            or result == -LINUX_EBADF)

# kill(2). Model: FreeBSD sys/kern/kern_sig.c (sys_kill).

cdef bint is_no_process(int pid) noexcept nogil:
    """True for a number that is nobody's, or a thread's: Linux would take it for its process's, FreeBSD's kill(2) knows processes alone."""
    return linux_syscall3(LINUX_SYS_tgkill, <uint64_t> pid, <uint64_t> pid, 0) == -LINUX_ESRCH


cdef public long sys_kill(frame_t *frame, area_t *area) noexcept nogil:
    cdef procdesc_t *entry
    cdef int linux = linux_signal_number(frame.arg[1])
    if is_carried(<int> frame.arg[1]):
        return signal_carried(area, <int> frame.arg[0], <int> frame.arg[1], FREEBSD_SI_USER, 0)
    if linux < 0:
        return -LINUX_EINVAL
    if area.proc.own.procdescs != NULL:
        entry = procdesc_find(area.proc, <int> frame.arg[0])
        if entry != NULL:
            procdesc_let_go(entry)      # and so it is gone
    if debug_stops(area, <int> frame.arg[0], 0, <int> frame.arg[1]):
        return 0
    if <int> frame.arg[0] > 0 and <int> frame.arg[0] != area.proc.pid:
        if linux == 0:                      # is it there? Asked as one of its threads, which a thread of another is not
            return tail_syscall3(area, LINUX_SYS_tgkill, frame.arg[0], frame.arg[0], 0)
        # Of others that it sends to again and again it was asked when they were asked whether they are guests.
        if not lsf_signal_queued[<int> frame.arg[1]] or area.own.guest_asked != <int> frame.arg[0]:
            if is_no_process(<int> frame.arg[0]):
                return -LINUX_ESRCH
    if linux and <int> frame.arg[0] > 0:
        linux = queued_number(area, <int> frame.arg[0], <int> frame.arg[1])
    if event_wants_signal(area.proc, <int> frame.arg[1]) and kill_reaches_self(area.proc, <int> frame.arg[0]):
        return signal_counted(area.proc, <int> frame.arg[1], LINUX_SYS_kill, <uint64_t> <int64_t> <int> frame.arg[0], linux, 0, 0)
    return tail_syscall2(area, LINUX_SYS_kill, <uint64_t> <int64_t> <int> frame.arg[0], linux)

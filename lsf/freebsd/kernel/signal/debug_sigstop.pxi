# SIGSTOP for a traced process, and SIGKILL for one that is stopped. Linux lets nobody catch it, and would stop the process where no tracer sees it: who sends it to a guest
# that is traced makes that stop for its tracer. (A Linux program that sends it, and one sent to a group, stop it as on Linux.)


cdef bint debug_other_stops(area_t *area, int pid, int signo) noexcept nogil:
    """Another guest is sent SIGSTOP or SIGKILL: True where it is traced, and was told."""
    cdef process_t *guest = other_guest(area, pid)
    cdef uint32_t one = 1, state = DEBUG_RUNS
    cdef uint64_t at = <uint64_t> &(<debug_page_t *> NULL).stops
    cdef long fd
    if guest == NULL:
        return False
    fd = debug_open_of(guest)
    release_guest(area, guest)
    if is_error(fd):
        return False
    if signo == FREEBSD_SIGKILL:
        linux_syscall4(LINUX_SYS_pread64, <uint64_t> fd, <uint64_t> &state, 4, <uint64_t> &(<debug_page_t *> NULL).state)
        at = <uint64_t> &(<debug_page_t *> NULL).kills
        if state != DEBUG_STOPPED:
            linux_syscall1(LINUX_SYS_close, fd)
            return False
    linux_syscall4(LINUX_SYS_pwrite64, <uint64_t> fd, <uint64_t> &one, 4, at)
    linux_syscall1(LINUX_SYS_close, fd)
    debug_signal(pid, 0, DEBUG_HALT, 0)
    return True


cdef bint debug_stops(area_t *area, int pid, int64_t tid, int signo) noexcept nogil:
    """A signal is about to be sent to a process, or (tid) one of its threads: True where it is one of these for a process that is traced,
    which has got it."""
    cdef area_t *thread
    if signo != FREEBSD_SIGSTOP and signo != FREEBSD_SIGKILL:
        return False
    if pid != area.proc.pid:
        return pid > 0 and debug_other_stops(area, pid, signo)
    if area.proc.own.debugged == 0 or signo == FREEBSD_SIGKILL:
        return False
    if tid == 0 or tid == area.tid:
        area.own.debug_stop = 1
        area.alignment |= EXIT_TOLD
        return True
    thread = thread_find(area.proc, tid)
    if thread == NULL:
        return False
    atomic_store32(&thread.own.debug_stop, 1)
    debug_signal(pid, thread.tid, DEBUG_HALT, 0)
    return True

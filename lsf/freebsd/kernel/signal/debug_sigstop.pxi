# SIGSTOP for a traced process, and SIGKILL for one that is stopped. Linux lets nobody catch it, and would stop the process where no
# tracer sees it: who sends it to a guest that is traced makes that stop for its tracer. (A Linux program that sends it, and one sent to a
# group, stop it as on Linux.)


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


cdef void debug_cont(int pid) noexcept nogil:
    """A process that this one wants to trace is stopped by job control: let it go on to its tracer's stop. (FreeBSD changes a word. Linux
    knows SIGCONT alone, which says here that it is none: its parent is told, and else nobody.)"""
    cdef linux_siginfo info
    memset(&info, 0, 128)
    info.si_signo = LINUX_SIGCONT
    info.si_code = DEBUG_CODE
    info.si_errno = DEBUG_ATTACH
    info.fields.kill.pid = SHIM.pid
    info.fields.kill.value = SHIM.pid
    linux_syscall3(LINUX_SYS_rt_sigqueueinfo, <uint64_t> pid, LINUX_SIGCONT, <uint64_t> &info)


cdef void debug_attach(int pid) noexcept nogil:
    """Ask a process to take up the page that this one has made for it: now, where it is stopped too."""
    cdef proc_stat_t stat
    debug_signal(pid, 0, DEBUG_ATTACH, SHIM.pid)
    if proc_stat(pid, &stat) == 0 and (stat.state == c'T' or stat.state == c't'):
        debug_cont(pid)                 # (t: by the supervisor of the engine `ptrace`, which does not tell why)


cdef void debug_forget_cont(area_t *area) noexcept nogil:
    """Take what debug_cont sent where SIGCONT is blocked."""
    cdef linux_siginfo info
    cdef uint64_t bits = signal_bit(LINUX_SIGCONT)
    cdef uint64_t zero[2]
    zero[0] = 0
    zero[1] = 0
    if signals_pending() & bits \
            and linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &bits, <uint64_t> &info, <uint64_t> zero, 8) > 0 \
            and not is_debug_signal(&info):
        signal_resend(area, LINUX_SIGCONT, &info)


cdef bint debug_ends_sleep(area_t *area) noexcept nogil:
    """True where a SIGSTOP waits for this process or thread. A call that sleeps is ended by it, or is made again as without a handler
    (tdsigwakeup); that of PT_ATTACH does so before FreeBSD 15."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page = debug_page(proc)
    if page == NULL or page.state == DEBUG_LEFT:
        return proc.own.debug_join != 0 and proc.own.osreldate < FREEBSD_SINCE_ATTACH_ASLEEP
    return atomic_load32(&page.stops) or area.own.debug_stop \
        or (page.attaching == 1 and proc.own.osreldate < FREEBSD_SINCE_ATTACH_ASLEEP)

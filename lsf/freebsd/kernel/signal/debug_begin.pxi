# ptrace(2): a process begins to be traced, and is traced no more. Model: FreeBSD sys/kern/sys_process.c (proc_set_traced, PT_DETACH).

cdef enum:
    NO_PATCH_TRACED = 2                 # process_t.no_patch: while another guest traces this one


cdef void debug_dispositions(process_t *proc) noexcept nogil:
    """Let Linux's dispositions follow: a traced process gets every signal that it does not ignore."""
    cdef int signo
    lock_acquire(&proc.own.lock_signal)
    for signo in range(1, SIGNAL_MAX + 1):
        if lsf_signal_to_linux[signo] and signo != FREEBSD_SIGKILL and signo != FREEBSD_SIGSTOP:
            know_handler(proc, signo)
            apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)


cdef void debug_take(area_t *area, uint64_t at, int tracer) noexcept nogil:
    """From here on this process is traced by that page. Its text is its own again, and stays so: breakpoints go where the tracer sees
    code."""
    cdef process_t *proc = area.proc
    lock_acquire(&PATCHES.lock)
    proc.no_patch |= NO_PATCH_TRACED
    unpatch_range(0, 1UL << GUEST_ADDRESS_MAX_LOG)
    lock_release(&PATCHES.lock)
    proc.own.debug_map = at
    proc.own.debugger = tracer
    proc.own.debugged = at
    linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_PTRACER, <uint64_t> tracer, 0, 0, 0)
    hook_add_everywhere(area, HOOK_DEBUG, debug_call, lsf_lane_none)
    debug_dispositions(proc)


cdef void debug_forget(area_t *area) noexcept nogil:
    """Nobody traces this process any more. The page stays mapped: another thread may be looking at it."""
    cdef process_t *proc = area.proc
    proc.own.debugged = 0
    proc.own.debugger = 0
    proc.own.debug_sent[0] = 0
    proc.own.debug_sent[1] = 0
    proc.no_patch &= ~<uint32_t> NO_PATCH_TRACED
    hook_remove_everywhere(area, HOOK_DEBUG)
    debug_dispositions(proc)


cdef void debug_over(area_t *area) noexcept nogil:
    """The tracer has let go (PT_DETACH)."""
    cdef uint64_t at = area.proc.own.debugged
    if at != 0 and atomic_cas64(&area.proc.own.debugged, at, 0) == at:
        debug_forget(area)


cdef void debug_leave(process_t *proc) noexcept nogil:
    """A new page is about to take the place of one that the tracer has left: wait until no thread is stopped by that any more."""
    while proc.own.debug_map and atomic_load32(&proc.own.debug_inside):
        pause(100000)


cdef void debug_init(debug_page_t *page, int pid, int tracer, int parent, uint32_t slots) noexcept nogil:
    page.pid = pid
    page.tracer = tracer
    page.real_parent = parent
    page.events = FREEBSD_PTRACE_EXEC   # PTRACE_DEFAULT
    page.slots = slots
    page.magic = DEBUG_MAGIC


cdef long debug_start(area_t *area, int tracer, uint32_t events) noexcept nogil:
    """This process is to be traced: PT_TRACE_ME, and the child of a fork that is followed. 0 or a negative errno."""
    cdef process_t *proc = area.proc
    cdef uint32_t slots = DEBUG_GROWS
    cdef uint64_t at
    cdef long fd
    while slots < DEBUG_THREADS and (slots <= area.index or slot_at(<int> slots - 1).mapped):
        slots += DEBUG_GROWS
    fd = debug_make(tracer, proc.pid, slots)
    if is_error(fd):
        return fd
    debug_leave(proc)
    at = debug_map_file(fd, proc.own.debug_map)
    linux_syscall1(LINUX_SYS_close, fd)
    if at == 0:
        debug_unlink(tracer, proc.pid)
        return -LINUX_ENOMEM
    debug_init(<debug_page_t *> at, proc.pid, tracer, <int> linux_syscall0(LINUX_SYS_getppid), slots)
    (<debug_page_t *> at).events |= events
    debug_take(area, at, tracer)
    return 0


cdef bint debug_join(area_t *area, int tracer) noexcept nogil:
    """Take up a page that another process has made: PT_ATTACH, and after exec. False where there is none."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page
    cdef uint64_t at
    cdef long fd = debug_open(tracer, proc.pid, 0)
    if is_error(fd):
        return False
    debug_leave(proc)
    at = debug_map_file(fd, proc.own.debug_map)
    linux_syscall1(LINUX_SYS_close, fd)
    if at == 0:
        return False
    page = <debug_page_t *> at
    proc.own.debug_map = at
    if page.magic != DEBUG_MAGIC or page.pid != proc.pid or page.tracer != tracer:
        return False
    debug_take(area, at, tracer)
    while page.slots < DEBUG_THREADS and slot_at(<int> page.slots).mapped:
        debug_grow(proc, page.slots)
        if slot_at(<int> page.slots - 1).mapped == 0:
            break
    return True

# ptrace(2): what becomes of a traced process that forks, makes a thread, executes, ends. Model: FreeBSD sys/kern/kern_fork.c (fork1,
# fork_return), kern_thr.c, kern_exit.c.

cdef enum:
    DEBUG_CHILD_WAIT = 2000             # milliseconds until a child that is followed is traced


cdef void debug_child(area_t *area, int parent) noexcept nogil:
    """In the child of a fork: it is traced by whoever traces its parent, if that follows forks, and stops when the call is over."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page = debug_page(proc)
    cdef debug_lwp_t *lwp
    cdef uint32_t code, narg
    cdef int tracer
    tracees_none(proc)
    area.own.debug_flags = 0
    area.own.debug_stop = 0
    area.own.debug_step = 0
    if page == NULL:
        return
    tracer = page.tracer
    lwp = debug_slot(page, area.index)
    code = lwp.code if lwp != NULL else 0
    narg = lwp.narg if lwp != NULL else 0
    if not page.events & FREEBSD_PTRACE_FORK or page.state == DEBUG_LEFT:
        proc.own.debug_map = 0
        debug_forget(area)
        return
    proc.own.debugged = 0
    proc.own.debug_map = 0
    if debug_start(area, tracer, page.events) < 0:
        debug_forget(area)
        return
    lwp = debug_slot(debug_page(proc), area.index)
    lwp.code = code
    lwp.narg = narg
    area.own.debug_flags = FREEBSD_PL_FLAG_CHILD
    area.alignment |= EXIT_TOLD


cdef void debug_forked(area_t *area, int child) noexcept nogil:
    """In the parent: tell of the child, when that is traced."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef linux_timespec moment
    cdef long fd = -LINUX_ENOENT
    cdef int i
    if page == NULL or not page.events & FREEBSD_PTRACE_FORK:
        return
    moment.tv_sec = 0
    moment.tv_nsec = 1000000
    for i in range(DEBUG_CHILD_WAIT):
        fd = debug_open(page.tracer, child, 0)
        if not is_error(fd):
            linux_syscall1(LINUX_SYS_close, fd)
            break
        if process_is_over(child):
            break
        linux_syscall4(LINUX_SYS_clock_nanosleep, LINUX_CLOCK_MONOTONIC, 0, <uint64_t> &moment, 0)
    area.proc.own.tracing = 1           # its end is the tracer's to see first
    area.own.debug_flags |= FREEBSD_PL_FLAG_FORKED
    area.own.debug_child = child


cdef void debug_new_thread(area_t *area, area_t *child) noexcept nogil:
    """A thread is being made: it stands, for a tracer, in the call that made it."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *maker
    cdef debug_lwp_t *lwp
    if page == NULL:
        return
    debug_grow(area.proc, child.index)
    maker = debug_slot(page, area.index)
    lwp = debug_slot(page, child.index)
    if maker == NULL or lwp == NULL:
        return
    memset(lwp, 0, sizeof(debug_lwp_t) - XSTATE_MAX)
    lwp.code = maker.code
    lwp.narg = maker.narg
    memcpy(lwp.args, maker.args, sizeof(lwp.args))


cdef void debug_born(area_t *area) noexcept nogil:
    """In a new thread."""
    cdef debug_page_t *page = debug_page(area.proc)
    if page == NULL:
        return
    if page.events & FREEBSD_PTRACE_LWP:
        area.own.debug_flags = FREEBSD_PL_FLAG_BORN
    area.alignment |= EXIT_TOLD


cdef void debug_ends(area_t *area, int status) noexcept nogil:
    """The process is about to end: a tracer that is not its parent cannot learn how from Linux."""
    cdef debug_page_t *page = debug_page(area.proc)
    if page == NULL or page.state == DEBUG_LEFT:
        return
    page.status = status
    page.ended = 1
    if page.tracer != page.real_parent:
        debug_tell(area, page, 0)


cdef void debug_started(area_t *area, uint64_t start, uint64_t stack) noexcept nogil:
    """A program that was executed by a traced process is about to begin: stop, if the tracer wants that, before its first
    instruction. Does not return where it was traced."""
    cdef process_t *proc = area.proc
    cdef resume_t *to
    cdef debug_page_t *page
    cdef debug_lwp_t *lwp
    cdef uint32_t i
    cdef int tracer = proc.own.debugger
    proc.own.debugger = 0
    if tracer == 0 or not debug_join(area, tracer):
        return
    area.scratch_size = page_up(sizeof(resume_t))
    area.scratch = map_memory(area.scratch_size)
    to = <resume_t *> area.scratch
    if to == NULL:
        return
    page = debug_page(proc)
    for i in range(page.slots):
        lwp = debug_slot(page, i)
        if i != area.index:
            lwp.tid = 0
            lwp.parked = 0
    lwp = debug_slot(page, area.index)
    lwp.code = FREEBSD_SYS_execve
    lwp.narg = 3
    lwp.error = 0
    memset(area.frame, 0, sizeof(frame_t))
    block_all(NULL)
    state_at_exit(area.frame, area, &to.uc, to.fpstate)
    to.uc.uc_mcontext.rip = start
    to.uc.uc_mcontext.rdi = stack
    to.uc.uc_mcontext.rsp = ((stack - 8) & ~15UL) + 8
    to.uc.uc_mcontext.rcx = 0
    if page.events & FREEBSD_PTRACE_EXEC:
        area.own.debug_flags = FREEBSD_PL_FLAG_EXEC
    area.alignment |= EXIT_TOLD
    debug_look(area, &to.uc)
    to.uc.uc_sigmask = linux_mask_from(area.sigmask)
    deliver_virtual(area, &to.uc)
    resume_from(&to.uc)

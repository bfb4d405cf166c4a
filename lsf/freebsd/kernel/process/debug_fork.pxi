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
    watch_forget(area)
    proc.own.debug_inside = 0
    proc.own.debug_joining = 0
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
    if page == NULL or not page.events & FREEBSD_PTRACE_FORK:
        return
    debug_child_there(page, child)
    area.proc.own.tracing = 1           # its end is the tracer's to see first
    area.own.debug_flags |= FREEBSD_PL_FLAG_FORKED
    area.own.debug_child = child


cdef void debug_child_there(debug_page_t *page, int child) noexcept nogil:
    """Wait until a child has its page."""
    cdef long fd
    cdef int i
    for i in range(DEBUG_CHILD_WAIT):
        fd = debug_open(page.tracer, child, 0)
        if not is_error(fd):
            linux_syscall1(LINUX_SYS_close, fd)
            break
        if process_is_over(child):
            break
        pause(1000000)


# vfork. The parent is told of before its child has executed a program or ended, and once more thereafter.

cdef bint debug_follows(process_t *proc) noexcept nogil:
    """True where a tracer wants to know of a vfork."""
    cdef debug_page_t *page = debug_page(proc)
    return page != NULL and page.events & (FREEBSD_PTRACE_FORK | FREEBSD_PTRACE_VFORK) != 0 and page.state != DEBUG_LEFT


cdef void debug_at_vfork(frame_t *frame, area_t *area, debug_page_t *page, int child) noexcept nogil:
    """Stop as at the end of the call, which is not over."""
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    cdef int answer
    if lwp == NULL:
        return
    debug_state_in_call(frame, area, &uc, fpstate)
    uc.uc_mcontext.rax = <uint64_t> child
    debug_save(area, lwp, &uc)
    lwp.error = 0
    lwp.retval[0] = <uint64_t> child
    lwp.retval[1] = 0
    lwp.flags = FREEBSD_PL_FLAG_SCX | FREEBSD_PL_FLAG_FORKED | FREEBSD_PL_FLAG_VFORKED
    lwp.child = child
    lwp.boundary = 1
    answer = debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
    debug_send(area, answer, False)


cdef void debug_vforked(frame_t *frame, area_t *area, area_t *child, int pid) noexcept nogil:
    """In the parent of a vfork that is followed: tell of the child, and wait until it gives up the memory."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef uint32_t seen
    atomic_store32(&area.own.debug_vfork, 1)
    if page != NULL and page.events & FREEBSD_PTRACE_FORK:
        debug_child_there(page, pid)
        area.proc.own.tracing = 1
        debug_at_vfork(frame, area, page, pid)
    while True:
        seen = atomic_load32(&child.own.debug_vfork_tid)
        if seen == 0:
            break
        linux_syscall4(LINUX_SYS_futex, <uint64_t> &child.own.debug_vfork_tid, LINUX_FUTEX_WAIT, seen, 0)
    atomic_store32(&area.own.debug_vfork, 0)
    page = debug_page(area.proc)
    if page != NULL and page.events & FREEBSD_PTRACE_VFORK:
        area.own.debug_flags |= FREEBSD_PL_FLAG_VFORK_DONE


# exec. The other threads tell of their end, and wait for it.

cdef bint debug_others_die(area_t *self, uint32_t what) noexcept nogil:
    """Set what the other threads are to do (DIES_); True where one has been asked and has not told."""
    cdef area_t *area = NULL
    cdef bint left = False
    while (area := area_next(self.proc, area)) != NULL and area.index < DEBUG_THREADS:
        if area == self or area.service != NULL or area.own.exiting:
            continue
        if is_being_made(area):
            left = True
        elif what == DIES_NOT:
            atomic_store32(&area.own.debug_dies, DIES_NOT)
            linux_syscall3(LINUX_SYS_futex, <uint64_t> &area.own.debug_dies, LINUX_FUTEX_WAKE, INT_MAX)
        elif area.own.debug_dies != DIES_TOLD:
            area.own.debug_dies = DIES_ASKED
            debug_signal(self.proc.pid, area.tid, DEBUG_HALT, 0)
            left = True
    return left


cdef void debug_before_exec(area_t *area) noexcept nogil:
    """Linux ends the other threads in execve: let a tracer that wants to know see each of them end. The program's first thread is,
    for it, the one that executed it."""
    cdef debug_page_t *page = debug_page(area.proc)
    if page == NULL or area.in_vfork or page.state == DEBUG_LEFT:
        return
    if page.events & FREEBSD_PTRACE_LWP and not is_alone(area):
        atomic_store32(&area.own.debug_vfork, 1)        # it stands still, for who gathers
        while debug_others_die(area, DIES_ASKED):
            debug_sleep(&page.parked, atomic_load32(&page.parked), DEBUG_ASK)
        atomic_store32(&area.own.debug_vfork, 0)
    page.first = lwp_shown(page, area.tid)


cdef void debug_exec_failed(area_t *area) noexcept nogil:
    if area.proc.own.debugged and not area.in_vfork:
        debug_others_die(area, DIES_NOT)


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
    lwp.reports = 0
    lwp.suspended = 0
    lwp.code = FREEBSD_SYS_fexecve if proc.own.by_fexecve else FREEBSD_SYS_execve
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

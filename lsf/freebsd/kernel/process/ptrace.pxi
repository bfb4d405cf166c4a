# ptrace(2). Model: FreeBSD sys/kern/sys_process.c (kern_ptrace), sys/amd64/amd64/ptrace_machdep.c.


cdef debug_lwp_t *lwp_of(debug_page_t *page, int lwpid) noexcept nogil:
    """The slot of a thread of a stopped process, by the number that tracers know; NULL for none."""
    cdef debug_lwp_t *lwp
    cdef uint32_t i
    for i in range(page.slots):
        lwp = debug_slot(page, i)
        if lwp != NULL and lwp.parked and lwp_shown(page, lwp.tid) == lwpid:
            return lwp
    return NULL


cdef debug_lwp_t *lwp_reporter(debug_page_t *page) noexcept nogil:
    """The thread that a request by the process's number means: the one that has reported, else the first."""
    cdef debug_lwp_t *lwp
    cdef uint32_t i
    if page.reporter:
        return debug_slot(page, page.reporter - 1)
    for i in range(page.slots):
        lwp = debug_slot(page, i)
        if lwp != NULL and lwp.parked:
            return lwp
    return NULL


cdef bint process_is_there(int pid) noexcept nogil:
    """A process that is no zombie (pfind)."""
    return pid > 0 and linux_syscall2(LINUX_SYS_kill, pid, 0) != -LINUX_ESRCH and not process_is_over(pid)


cdef tracee_t *tracee_of_thread(process_t *proc, int lwpid, debug_lwp_t **lwp) noexcept nogil:
    """The tracee one of whose threads has this number, or NULL."""
    cdef tracee_t *list_ = <tracee_t *> proc.own.tracees
    cdef int i
    for i in range(TRACEES if list_ != NULL else 0):
        if list_[i].pid:
            lwp[0] = lwp_of(list_[i].page, lwpid)
            if lwp[0] != NULL:
                return &list_[i]
    return NULL


cdef long ptrace_why_not(area_t *area, int pid) noexcept nogil:
    """The error for a process that this one does not trace."""
    cdef process_t *guest
    cdef long result = -LINUX_EPERM
    if pid == area.proc.pid:
        return -LINUX_EPERM if area.proc.own.debugged == 0 else -LINUX_EBUSY
    if not process_is_there(pid):
        return -LINUX_ESRCH
    guest = guest_process(area, pid)
    if guest != NULL and is_debugged(guest):
        result = -LINUX_EBUSY
    release_guest(area, guest)
    return result


cdef long ptrace_trace_me(area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef int parent
    cdef long result
    if proc.own.debugged:
        return -LINUX_EBUSY
    parent = <int> linux_syscall0(LINUX_SYS_getppid)
    if not is_guest(parent):
        return -LINUX_EPERM             # as with init: there is nobody who could trace
    proc.own.debug_quiet = area.in_vfork
    result = debug_start(area, parent, 0)
    if result == 0:
        debug_signal(parent, 0, DEBUG_NEWS, 0)
    return result


cdef enum:
    ATTACH_ROUNDS = 50                  # milliseconds that one who attaches leaves to another to give way


cdef bint attach_is_alone(process_t *proc, int pid) noexcept nogil:
    """This process has made its page for another one: True where it may trace it, since nobody else has made one at the same time.
    Of two, that with the higher number gives way."""
    cdef int rounds, other = 0
    for rounds in range(ATTACH_ROUNDS):
        other = debug_files(proc, 0, pid)
        if other == 0 or other < proc.pid:
            break
        linux_syscall3(LINUX_SYS_poll, 0, 0, 1)
    return other == 0


cdef long ptrace_attach(area_t *area, int pid) noexcept nogil:
    """Ask a process to be traced; it stops when it can, and a wait tells."""
    cdef process_t *proc = area.proc
    cdef process_t *guest
    cdef debug_page_t *page
    cdef linux_stat st
    cdef proc_stat_t stat
    cdef char path[64]
    cdef uint32_t slots = DEBUG_GROWS
    cdef uint64_t at
    cdef int ancestor
    cdef bint denied, debugged
    cdef long fd
    if pid == proc.pid:
        return -LINUX_EINVAL
    if not process_is_there(pid):
        return -LINUX_ESRCH
    if tracee_find(proc, pid) != NULL:
        return -LINUX_EBUSY
    guest = guest_process(area, pid)
    if guest == NULL:
        return -LINUX_EPERM
    debugged = is_debugged(guest)
    denied = guest.own.ctl[CTL_TRACE] != 0 and linux_syscall0(LINUX_SYS_geteuid) != 0
    release_guest(area, guest)
    if denied:
        return -LINUX_EPERM             # PROC_TRACE_CTL (p_candebug); root may nevertheless
    if debugged or debug_files(proc, 0, pid):
        return -LINUX_EBUSY             # the other one's page may be there before the process has noticed
    if proc.own.debugged:
        ancestor = proc.pid
        while ancestor > 1 and proc_stat(ancestor, &stat) == 0:
            ancestor = stat.ppid
            if ancestor == pid:
                return -LINUX_EINVAL
    if proc_stat(pid, &stat) < 0:
        return -LINUX_ESRCH
    while slots < <uint32_t> stat.threads + DEBUG_GROWS and slots < DEBUG_THREADS:
        slots += DEBUG_GROWS
    fd = debug_make(proc.pid, pid, slots)
    if is_error(fd):
        return fd
    proc_path(path, sizeof(path), pid, b"")
    if linux_syscall2(LINUX_SYS_stat, <uint64_t> path, <uint64_t> &st) == 0 and <long> st.st_uid != linux_syscall0(LINUX_SYS_geteuid):
        linux_syscall3(LINUX_SYS_fchown, <uint64_t> fd, st.st_uid, st.st_gid)
    at = debug_map_file(fd, 0)
    linux_syscall1(LINUX_SYS_close, fd)
    if at == 0:
        debug_unlink(proc.pid, pid)
        return -LINUX_ENOMEM
    page = <debug_page_t *> at
    page.attaching = 1
    debug_init(page, pid, proc.pid, stat.ppid, slots)
    linux_syscall2(LINUX_SYS_munmap, at, debug_size(DEBUG_THREADS))
    if not attach_is_alone(proc, pid):
        debug_unlink(proc.pid, pid)
        return -LINUX_EBUSY
    proc.own.tracing = 1
    if tracee_find(proc, pid) == NULL:
        debug_unlink(proc.pid, pid)
        return -LINUX_ENOMEM
    if stat.ppid != proc.pid and is_guest(stat.ppid):
        debug_signal(stat.ppid, 0, DEBUG_NEWS, 0)       # its waits have to leave this child to us
    debug_attach(pid)
    return 0


cdef long ptrace_resume(area_t *area, tracee_t *tracee, debug_lwp_t *lwp, int request, uint64_t at, int sig) noexcept nogil:
    """Let a stopped process run, or go."""
    cdef debug_page_t *page = tracee.page
    cdef debug_lwp_t *reporter = debug_slot(page, page.reporter - 1) if page.reporter else NULL
    if sig < 0 or sig > SIGNAL_MAX:
        return -LINUX_EINVAL
    if request == FREEBSD_PT_STEP:
        lwp.step = STEP_SET
    elif request != FREEBSD_PT_DETACH and request != FREEBSD_PT_KILL:
        if at != 1:
            lwp.regs.r_rip = at
            lwp.regs_set = 1
        if request == FREEBSD_PT_TO_SCE or request == FREEBSD_PT_SYSCALL:
            page.events |= FREEBSD_PTRACE_SCE
        if request == FREEBSD_PT_TO_SCX or request == FREEBSD_PT_SYSCALL:
            page.events |= FREEBSD_PTRACE_SCX
    if sig == FREEBSD_SIGKILL:
        linux_syscall2(LINUX_SYS_kill, <uint64_t> tracee.pid, LINUX_SIGKILL)
        page.waited = 1
        page.state = DEBUG_STOPPING     # until a wait has seen its end
        return 0
    if reporter != NULL:
        reporter.xsig = sig
        atomic_store32(&reporter.reports, 0)
    page.reporter = 0
    page.waited = 0
    if request == FREEBSD_PT_DETACH:
        ptrace_let_go(area, tracee)
        return 0
    atomic_store32(&page.state, DEBUG_RUNS)
    debug_wake(&page.resumed)
    return 0


cdef void ptrace_let_go(area_t *area, tracee_t *tracee) noexcept nogil:
    """PT_DETACH."""
    debug_let_go(tracee.page, False)
    tracee_remove(area.proc, tracee)


cdef void lwp_pending(debug_page_t *page, debug_lwp_t *lwp, uint32_t *pending) noexcept nogil:
    """td_siglist: what is pending for this one thread, as Linux says and the thread itself."""
    cdef char name[64]
    cdef char status[3072]
    cdef uint64_t found[2]
    cdef uint64_t at = append(name, 0, sizeof(name), b"task/")
    at = append_number(name, at, sizeof(name), <uint32_t> lwp.tid, 10)
    append(name, at, sizeof(name), b"/status")
    found[0] = 0
    found[1] = 0
    if proc_read(page.pid, name, status, sizeof(status)) > 0:
        mask_from_linux(status_number(status, b"SigPnd:", 0, 16), found)
    found[0] |= lwp.siglist[0]
    found[1] |= lwp.siglist[1]
    memcpy(pending, found, 16)


cdef void lwp_fill(debug_page_t *page, debug_lwp_t *lwp, freebsd_ptrace_lwpinfo *info) noexcept nogil:
    """What PT_LWPINFO tells of a thread, and a core file too."""
    info.pl_lwpid = lwp_shown(page, lwp.tid)
    memcpy(info.pl_sigmask, lwp.sigmask, 16)
    lwp_pending(page, lwp, info.pl_siglist)
    memcpy(info.pl_tdname, lwp.name, sizeof(info.pl_tdname) - 1)


cdef long ptrace_lwpinfo(frame_t *frame, debug_page_t *page, debug_lwp_t *lwp) noexcept nogil:
    cdef freebsd_ptrace_lwpinfo info
    cdef int size = <int> frame.arg[3]
    if size <= 0 or size > <int> sizeof(info):
        return -LINUX_EINVAL
    memset(&info, 0, sizeof(info))
    lwp_fill(page, lwp, &info)
    info.pl_flags = <int32_t> (lwp.flags & ~<uint32_t> FREEBSD_PL_FLAG_SI)
    if lwp.reports:
        info.pl_event = FREEBSD_PL_EVENT_SIGNAL
        if lwp.flags & FREEBSD_PL_FLAG_SI and lwp.info.si_signo \
                and size >= <int> (<uint64_t> &info.pl_siginfo - <uint64_t> &info + sizeof(info.pl_siginfo)):
            info.pl_flags |= FREEBSD_PL_FLAG_SI
            info.pl_siginfo = lwp.info
    if lwp.flags & FREEBSD_PL_FLAG_FORKED:
        info.pl_child_pid = lwp.child
    info.pl_syscall_code = lwp.code
    info.pl_syscall_narg = lwp.narg
    return copyout(&info, frame.arg[2], size)


cdef long ptrace_lwps(frame_t *frame, debug_page_t *page, bint count_alone) noexcept nogil:
    """PT_GETNUMLWPS and PT_GETLWPLIST."""
    cdef int32_t id_
    cdef debug_lwp_t *lwp
    cdef uint32_t i
    cdef long count = 0
    if not count_alone and <int> frame.arg[3] <= 0:
        return -LINUX_EINVAL
    for i in range(page.slots):
        lwp = debug_slot(page, i)
        if lwp == NULL or not lwp.parked:
            continue
        if not count_alone:
            if count == <int> frame.arg[3]:
                break
            id_ = lwp_shown(page, lwp.tid)
            if copyout(&id_, frame.arg[2] + 4 * <uint64_t> count, 4) < 0:
                return -LINUX_EFAULT
        count += 1
    return count


cdef long ptrace_call(frame_t *frame, debug_lwp_t *lwp, bint args) noexcept nogil:
    """PT_GET_SC_ARGS and PT_GET_SC_RET."""
    cdef freebsd_ptrace_sc_ret ret
    cdef uint64_t size = <uint64_t> <int64_t> <int> frame.arg[3]
    if args:
        if lwp.code == 0:
            return -LINUX_EINVAL
        return copyout(lwp.args, frame.arg[2], size if size < sizeof(lwp.args) else sizeof(lwp.args))
    if not lwp.flags & FREEBSD_PL_FLAG_SCX:
        return -LINUX_EINVAL
    memset(&ret, 0, sizeof(ret))
    ret.sr_error = lwp.error if lwp.error != AGAIN else -1      # ERESTART
    if lwp.error == 0:
        memcpy(ret.sr_retval, lwp.retval, 16)
    return copyout(&ret, frame.arg[2], size if size < sizeof(ret) else sizeof(ret))


cdef void ptrace_event(debug_page_t *page, uint32_t event, bint on) noexcept nogil:
    page.events = page.events | event if on else page.events & ~event


cdef long ptrace_events(frame_t *frame, debug_page_t *page, bint set_) noexcept nogil:
    """PT_GET_EVENT_MASK and PT_SET_EVENT_MASK."""
    cdef uint32_t events = page.events
    if <int> frame.arg[3] != 4:
        return -LINUX_EINVAL
    if not set_:
        return copyout(&events, frame.arg[2], 4)
    if copyin(frame.arg[2], &events, 4) < 0:
        return -LINUX_EFAULT
    if events & ~<uint32_t> (FREEBSD_PTRACE_EXEC | FREEBSD_PTRACE_SCE | FREEBSD_PTRACE_SCX | FREEBSD_PTRACE_FORK
                             | FREEBSD_PTRACE_LWP | FREEBSD_PTRACE_VFORK):
        return -LINUX_EINVAL
    page.events = events
    return 0


cdef inline bint lets_go_on(int request) noexcept nogil:
    return (request == FREEBSD_PT_CONTINUE or request == FREEBSD_PT_STEP or request == FREEBSD_PT_DETACH
            or request == FREEBSD_PT_TO_SCE or request == FREEBSD_PT_TO_SCX or request == FREEBSD_PT_SYSCALL)


cdef long ptrace_request(frame_t *frame, area_t *area, tracee_t *tracee, debug_lwp_t *lwp, int request) noexcept nogil:
    """A request for a process that is stopped. lwp: the thread that it is about."""
    cdef debug_page_t *page = tracee.page
    cdef int sig = <int> frame.arg[3]
    cdef long result
    if request == FREEBSD_PT_KILL:
        return ptrace_resume(area, tracee, lwp, request, 1, FREEBSD_SIGKILL)
    if lets_go_on(request):
        return ptrace_resume(area, tracee, lwp, request, frame.arg[2], sig)
    if request == FREEBSD_PT_READ_I or request == FREEBSD_PT_READ_D:
        return ptrace_word(frame, area, tracee.pid, False)
    if request == FREEBSD_PT_WRITE_I or request == FREEBSD_PT_WRITE_D:
        return ptrace_word(frame, area, tracee.pid, True)
    if request == FREEBSD_PT_IO:
        return ptrace_io(frame, area, tracee.pid)
    if request == FREEBSD_PT_LWPINFO:
        return ptrace_lwpinfo(frame, page, lwp)
    if request == FREEBSD_PT_GETNUMLWPS or request == FREEBSD_PT_GETLWPLIST:
        return ptrace_lwps(frame, page, request == FREEBSD_PT_GETNUMLWPS)
    if request == FREEBSD_PT_SETSTEP or request == FREEBSD_PT_CLEARSTEP:
        lwp.step = STEP_SET if request == FREEBSD_PT_SETSTEP else STEP_CLEARED
        lwp.regs.r_rflags = lwp.regs.r_rflags & ~<uint64_t> EFLAGS_TF | (EFLAGS_TF if request == FREEBSD_PT_SETSTEP else 0)
        return 0
    if request == FREEBSD_PT_SUSPEND or request == FREEBSD_PT_RESUME:
        atomic_store32(&lwp.suspended, request == FREEBSD_PT_SUSPEND)
        return 0
    if request == FREEBSD_PT_FOLLOW_FORK:
        ptrace_event(page, FREEBSD_PTRACE_FORK, sig != 0)
        return 0
    if request == FREEBSD_PT_LWP_EVENTS:
        ptrace_event(page, FREEBSD_PTRACE_LWP, sig != 0)
        return 0
    if request == FREEBSD_PT_GET_EVENT_MASK or request == FREEBSD_PT_SET_EVENT_MASK:
        return ptrace_events(frame, page, request == FREEBSD_PT_SET_EVENT_MASK)
    if request == FREEBSD_PT_GET_SC_ARGS or request == FREEBSD_PT_GET_SC_RET:
        return ptrace_call(frame, lwp, request == FREEBSD_PT_GET_SC_ARGS)
    if request == FREEBSD_PT_VM_TIMESTAMP:
        return <long> (page.maps & 0x7fffffff)
    if request == FREEBSD_PT_VM_ENTRY:
        return ptrace_vm_entry(frame, area, page)
    if request == FREEBSD_PT_GETREGSET or request == FREEBSD_PT_SETREGSET:
        return ptrace_regset(frame, area, page, lwp, request == FREEBSD_PT_SETREGSET)
    if request == FREEBSD_PT_COREDUMP:
        return ptrace_coredump(frame, area, page)
    if request == FREEBSD_PT_SC_REMOTE:
        return ptrace_remote(frame, tracee, lwp)
    result = ptrace_registers(frame, area, page, lwp, request)
    return -LINUX_EINVAL if result == -LINUX_ENOSYS else result


cdef public long sys_ptrace(frame_t *frame, area_t *area) noexcept nogil:
    cdef int request = <int> frame.arg[0], pid = <int> frame.arg[1]
    cdef tracee_t *tracee
    cdef debug_lwp_t *lwp = NULL
    cdef bint stands
    if request == FREEBSD_PT_TRACE_ME:
        return ptrace_trace_me(area)
    if request == FREEBSD_PT_ATTACH:
        return ptrace_attach(area, pid)
    tracee = tracee_find(area.proc, pid)
    if tracee == NULL:
        tracee = tracee_of_thread(area.proc, pid, &lwp)
    if tracee == NULL:
        return ptrace_why_not(area, pid)
    stands = atomic_load32(&tracee.page.state) == DEBUG_STOPPED and tracee.page.waited
    # What Linux has killed meanwhile, as for the last close of its descriptor, would stand there still (tdsendsignal).
    if not process_is_there(tracee.pid) and not (stands and (lets_go_on(request) or request == FREEBSD_PT_KILL)):
        return -LINUX_ESRCH
    if not stands:
        return -LINUX_EBUSY
    if lwp == NULL:
        lwp = lwp_reporter(tracee.page)
    if lwp == NULL:
        return -LINUX_EBUSY
    return ptrace_request(frame, area, tracee, lwp, request)

# ptrace(2): a traced process stops. Model: FreeBSD sys/kern/kern_sig.c (ptracestop), amd64/amd64/exec_machdep.c (fill_regs, set_regs).
#
# A thread stops only where its whole state is FreeBSD's: at a signal, and at the beginning and the end of a call. One that sleeps in a
# call is woken, and the call begins anew when it goes on.

cdef enum:
    DEBUG_LOOK = 200000000              # nanoseconds until a stopped thread looks whether its tracer lives
    DEBUG_ASK = 2000000                 # until the one that reports looks at the others again,
    DEBUG_ROUNDS = 10                   # and asks them once more
    DIES_NOT = 0                        # area.own.debug_dies
    DIES_ASKED = 1                      # another thread executes a program: tell of your end,
    DIES_TOLD = 2                       # and wait for it
    STEP_NOW = 1                        # bits of area.own.debug_step: the next instruction;
    STEP_LATER = 2                      # when a handler returns, whose frame has the flag
    STEP_SET = 1                        # debug_lwp_t.step: the tracer has set it,
    STEP_CLEARED = 2                    # or has cleared it
    REMOTE_ASKED = 1                    # debug_lwp_t.remote
    REMOTE_DONE = 2
    REMOTE_WATCH = 3                    # set the debug registers


cdef void debug_sleep(uint32_t *word, uint32_t seen, int64_t nanoseconds) noexcept nogil:
    """Wait on a futex of the page, for so long at most."""
    cdef linux_timespec time
    time.tv_sec = 0
    time.tv_nsec = nanoseconds
    linux_syscall4(LINUX_SYS_futex, <uint64_t> word, LINUX_FUTEX_WAIT, seen, <uint64_t> &time)


cdef void debug_wake(uint32_t *word) noexcept nogil:
    """Count on, and wake who waits."""
    atomic_add32(word, 1)
    linux_syscall3(LINUX_SYS_futex, <uint64_t> word, LINUX_FUTEX_WAKE, INT_MAX)


cdef bint process_is_over(int pid) noexcept nogil:
    """True for a process that is not there, or a zombie."""
    cdef linux_pollfd poll
    cdef long fd = linux_syscall2(LINUX_SYS_pidfd_open, <uint64_t> pid, 0), result
    if is_error(fd):
        return fd == -LINUX_ESRCH
    poll.fd = <int> fd
    poll.events = LINUX_POLLIN
    poll.revents = 0
    result = linux_syscall3(LINUX_SYS_poll, <uint64_t> &poll, 1, 0)
    linux_syscall1(LINUX_SYS_close, fd)
    return result == 1


# ------------------------------------------------------------------ what the tracer sees and sets

cdef void debug_name(area_t *area, debug_lwp_t *lwp) noexcept nogil:
    """td_name: the thread's, or the command's."""
    memset(lwp.name, 0, sizeof(lwp.name))
    if area.own.name[0]:
        memcpy(lwp.name, area.own.name, sizeof(lwp.name) - 1)
    else:
        append(lwp.name, 0, sizeof(lwp.name), area.proc.own.comm)


cdef void debug_save(area_t *area, debug_lwp_t *lwp, linux_ucontext *uc) noexcept nogil:
    """Put down how this thread stands."""
    cdef uint64_t size
    lwp.tid = area.tid
    freebsd_reg_from_linux(&lwp.regs, &uc.uc_mcontext)
    if area.own.debug_step & STEP_NOW:
        lwp.regs.r_rflags |= EFLAGS_TF
    lwp.step = 0
    lwp.fsbase = read_fsbase()
    lwp.gsbase = area.own.guest_gsbase
    lwp.tlsbase = area.own.guest_tlsbase
    lwp.has_tlsbase = area.own.has_tlsbase
    memcpy(lwp.sigmask, area.sigmask, 16)
    lwp.siglist[0] = area.own.virtual_pending
    lwp.siglist[1] = 0
    kept_pending(area, lwp.siglist, True)
    memcpy(lwp.debug_registers, area.own.debug_registers, sizeof(lwp.debug_registers))
    lwp.regs_set = 0
    lwp.vector_set = 0
    lwp.bases_set = 0
    lwp.vector_size = 0
    if uc.uc_mcontext.fpstate:
        size = linux_xstate_size(<void *> uc.uc_mcontext.fpstate)
        if size <= XSTATE_MAX:
            memcpy(lwp.vector, <void *> uc.uc_mcontext.fpstate, size)
            memset(&lwp.vector[FXSAVE_SOFTWARE], 0, FXSAVE_SIZE - FXSAVE_SOFTWARE)
            lwp.vector_size = <uint32_t> size
    debug_name(area, lwp)


cdef void debug_load_vector(area_t *area, debug_lwp_t *lwp, uint64_t fpstate) noexcept nogil:
    """The vector state that the tracer has set, without what would fault: reserved bits and unknown components."""
    cdef uint64_t *header = <uint64_t *> (fpstate + FXSAVE_SIZE)
    cdef uint32_t mask = (<uint32_t *> (fpstate + 28))[0]       # MXCSR_MASK
    cdef uint64_t features = area.proc.xstate_features
    memcpy(<void *> fpstate, lwp.vector, FXSAVE_SOFTWARE)
    (<uint32_t *> (fpstate + 24))[0] &= mask if mask else 0xffbf
    (<uint32_t *> (fpstate + 28))[0] = mask
    if lwp.vector_size <= FXSAVE_SIZE:
        return
    memcpy(<void *> (fpstate + FXSAVE_SIZE), &lwp.vector[FXSAVE_SIZE], lwp.vector_size - FXSAVE_SIZE)
    memset(&header[1], 0, XSTATE_HEADER_SIZE - 8)
    header[0] = (header[0] | 3) & features


cdef bint debug_load(area_t *area, debug_lwp_t *lwp, linux_ucontext *uc) noexcept nogil:
    """Take what the tracer has set: True where that is a register."""
    cdef bint changed = lwp.regs_set != 0
    uc.uc_sigmask &= ~signal_bit(LINUX_SIGTRAP)     # as linux_mask_from
    if lwp.regs_set:
        linux_sigcontext_from_reg(&uc.uc_mcontext, &lwp.regs)
        uc.uc_mcontext.eflags = (lwp.regs.r_rflags & FLAGS_RESTORED) | 0x202
        if is_no_place_to_run(uc.uc_mcontext.rip) or uc.uc_mcontext.rip >= 1UL << GUEST_ADDRESS_MAX_LOG:
            uc.uc_mcontext.rip = <uint64_t> sigcode_end - 1     # it faults there
        if WINDOW_BASE <= uc.uc_mcontext.rsp < SHIM_END:
            uc.uc_mcontext.rsp = 0
    if lwp.vector_set and uc.uc_mcontext.fpstate:
        debug_load_vector(area, lwp, uc.uc_mcontext.fpstate)
    if lwp.bases_set:
        write_fsbase(lwp.fsbase)
        area.own.guest_gsbase = lwp.gsbase
        if lwp.has_tlsbase:
            tlsbase_set(area, lwp.tlsbase)
    if lwp.step == STEP_SET:
        area.own.debug_step |= STEP_NOW
        uc.uc_mcontext.eflags |= EFLAGS_TF
    elif lwp.step == STEP_CLEARED or (changed and not lwp.regs.r_rflags & EFLAGS_TF and area.own.debug_step & STEP_NOW):
        area.own.debug_step &= ~<uint32_t> STEP_NOW
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF
    return changed


# ------------------------------------------------------------------ stopping

cdef bint debug_leads_away(uint64_t nr) noexcept nogil:
    """Calls that do not come back to where they were made, or come back twice."""
    return (nr == FREEBSD_SYS_fork or nr == FREEBSD_SYS_vfork or nr == FREEBSD_SYS_rfork or nr == FREEBSD_SYS_pdfork or nr == FREEBSD_SYS_pdrfork
            or nr == FREEBSD_SYS_thr_new or nr == FREEBSD_SYS_thr_create or nr == FREEBSD_SYS_thr_exit or nr == FREEBSD_SYS_execve
            or nr == FREEBSD_SYS_fexecve or nr == FREEBSD_SYS_sigreturn or nr == FREEBSD_SYS_setcontext
            or nr == FREEBSD_SYS_getcontext or nr == FREEBSD_SYS_swapcontext)


cdef void debug_did(debug_lwp_t *lwp) noexcept nogil:
    """What the tracer has asked for is done."""
    atomic_store32(&lwp.remote, REMOTE_DONE)
    linux_syscall3(LINUX_SYS_futex, <uint64_t> &lwp.remote, LINUX_FUTEX_WAKE, INT_MAX)


cdef void debug_remote(area_t *area, debug_lwp_t *lwp) noexcept nogil:
    """Make the call that the tracer has asked for, as the kernel makes it for a thread at a boundary (ptrace_syscallreq): it is the one that
    PT_LWPINFO tells of from now on, and changes no register."""
    cdef frame_t kept = area.frame[0]
    cdef frame_t *frame = area.frame
    cdef uint64_t retval = area.retval, first = 0
    cdef long result
    cdef int i
    frame.nr = lwp.remote_code
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        first = 1
        frame.nr = <uint32_t> lwp.remote_args[0]
    for i in range(6):
        frame.arg[i] = lwp.remote_args[i + first]
    lwp.remote_retval[0] = 0
    lwp.remote_retval[1] = 0
    if frame.nr >= GUEST_NSYSCALLS or debug_leads_away(frame.nr):
        lwp.remote_error = FREEBSD_ENOSYS
    else:
        debug_know_call(lwp, frame)
        result = run_hooks(frame, area, area.hooks & ~(1UL << HOOK_DEBUG))
        if result == -RETURN_SYSCALL:
            result = linux_syscall4(area.tail[0], area.tail[1], area.tail[2], area.tail[3], area.tail[4])
        lwp.remote_error = call_error(area, result)
        if lwp.remote_error == 0:
            lwp.remote_retval[0] = area.retval if result == -RETURN_IN_AREA else <uint64_t> result
            lwp.remote_retval[1] = frame.arg[2] if frame.arg[2] != lwp.remote_args[2 + first] else 0
    area.retval = retval
    frame[0] = kept
    debug_did(lwp)


cdef void debug_let_go(debug_page_t *page, bint drops) noexcept nogil:
    """A process is traced no more: no thread is suspended or stepped. drops: nor is there a signal that one of them stopped for."""
    cdef debug_lwp_t *lwp
    cdef uint32_t i
    for i in range(page.slots):
        lwp = debug_slot(page, i)
        if lwp != NULL:
            lwp.suspended = 0
            lwp.step = STEP_CLEARED
            if drops:
                lwp.xsig = 0
                atomic_store32(&lwp.reports, 0)
    atomic_store32(&page.state, DEBUG_LEFT)
    debug_wake(&page.resumed)


cdef void debug_wait(area_t *area, debug_page_t *page, debug_lwp_t *lwp) noexcept nogil:
    """Be stopped until the process runs, and this thread is not suspended, or the tracer lets go. A tracer that dies takes the process
    along (exit1 in kern_exit.c)."""
    cdef uint32_t seen, state
    atomic_add32(&area.proc.own.debug_inside, 1)
    while True:
        atomic_store32(&lwp.parked, 1)
        debug_wake(&page.parked)
        while True:
            seen = atomic_load32(&page.resumed)
            state = atomic_load32(&page.state)
            if state == DEBUG_LEFT or (state == DEBUG_RUNS and not atomic_load32(&lwp.suspended)):
                break
            if area.proc.own.record_asked.state:
                record_answer(area)
            if atomic_load32(&lwp.remote) == REMOTE_ASKED:
                debug_remote(area, lwp)
                continue
            if atomic_load32(&lwp.remote) == REMOTE_WATCH:
                lwp.remote_error = <int32_t> watch_set(area, lwp.debug_registers)
                debug_did(lwp)
                continue
            debug_sleep(&page.resumed, seen, DEBUG_LOOK)
            if seen == atomic_load32(&page.resumed) and process_is_over(page.tracer):
                debug_unlink(page.tracer, area.proc.pid)
                if not keep_debugged():
                    linux_syscall2(LINUX_SYS_kill, area.proc.pid, LINUX_SIGKILL)
                debug_let_go(page, True)
        atomic_store32(&lwp.parked, 0)
        state = atomic_load32(&page.state)          # once more: who gathers may have seen it parked
        if state == DEBUG_LEFT or (state == DEBUG_RUNS and not atomic_load32(&lwp.suspended)):
            break
    atomic_add32(&area.proc.own.debug_inside, 0xffffffffUL)


cdef inline bint is_being_made(area_t *area) noexcept nogil:
    """A thread that has not begun, and cannot be sent SIGBUS yet: it will be there in a moment, or its maker fails."""
    return area.tid <= 0 or not atomic_load32(&area.own.ready)


cdef bint debug_others_parked(area_t *self, debug_page_t *page, bint ask) noexcept nogil:
    """True where all other threads are stopped, or run none of the guest's code. ask: tell them to stop."""
    cdef debug_lwp_t *lwp
    cdef area_t *area = NULL
    cdef bint all_ = True
    while (area := area_next(self.proc, area)) != NULL:
        if area == self or area.service != NULL or area.own.exiting \
                or atomic_load32(&area.own.debug_vfork) or atomic_load32(&area.own.debug_dies) == DIES_TOLD:
            continue
        if is_being_made(area):
            all_ = False                # it stops when it is there
            continue
        lwp = debug_slot(page, area.index)
        if lwp == NULL or atomic_load32(&lwp.parked):
            continue
        all_ = False
        if ask:
            debug_signal(self.proc.pid, area.tid, DEBUG_HALT, 0)
    return all_


cdef void debug_gather(area_t *area, debug_page_t *page) noexcept nogil:
    """Make the other threads stop, and wait until they have. SIGBUS does not queue, so they are asked again."""
    cdef uint32_t seen, made, rounds = 0
    if is_alone(area):
        return
    while True:
        seen = atomic_load32(&page.parked)
        made = atomic_load32(&area.proc.own.threads_made)
        if debug_others_parked(area, page, rounds % DEBUG_ROUNDS == 0) and made == atomic_load32(&area.proc.own.threads_made):
            return                      # (else a new one may have got a place that had been looked at)
        debug_sleep(&page.parked, seen, DEBUG_ASK)
        rounds += 1


cdef void debug_info(debug_lwp_t *lwp, int signo, int code) noexcept nogil:
    """The thread stops by a signal of which no more is known."""
    memset(&lwp.info, 0, sizeof(lwp.info))
    lwp.info.si_signo = signo
    lwp.info.si_code = code
    lwp.flags = FREEBSD_PL_FLAG_SI


cdef bint debug_stop_all(area_t *area, debug_page_t *page, debug_lwp_t *lwp, int sig, bint reports) noexcept nogil:
    """Let the process stop by a signal, which this thread reports or nobody: False where it stops already. It is still to wait."""
    if atomic_cas32(&page.state, DEBUG_RUNS, DEBUG_STOPPING) != DEBUG_RUNS:
        return False
    if sig == FREEBSD_SIGSTOP:
        atomic_cas32(&page.attaching, 2, 0)
    page.reporter = area.index + 1 if reports else 0
    page.xsig = sig
    page.waited = 0
    atomic_store32(&lwp.parked, 1)
    debug_gather(area, page)
    atomic_store32(&page.state, DEBUG_STOPPED)
    debug_tell(area, page, LINUX_CLD_STOPPED if sig == FREEBSD_SIGSTOP else LINUX_CLD_TRAPPED)
    return True


cdef void debug_stop_asleep(area_t *area, debug_page_t *page, debug_lwp_t *lwp) noexcept nogil:
    """The stop of PT_ATTACH as it is since FreeBSD 15: the process is stopped as it is, and no thread has anything to report
    (sig_handle_first_stop)."""
    lwp.flags = 0
    lwp.info.si_signo = 0
    atomic_store32(&lwp.reports, 0)
    while atomic_load32(&page.state) != DEBUG_LEFT and not debug_stop_all(area, page, lwp, FREEBSD_SIGSTOP, False):
        debug_wait(area, page, lwp)
    debug_wait(area, page, lwp)


cdef void debug_stop_first(area_t *area, debug_page_t *page, debug_lwp_t *lwp) noexcept nogil:
    """A thread that has something else to report makes the stop of PT_ATTACH."""
    cdef freebsd_siginfo info = lwp.info
    cdef uint32_t flags = lwp.flags, boundary = lwp.boundary
    cdef int sig = lwp.xsig
    if area.proc.own.osreldate >= FREEBSD_SINCE_ATTACH_ASLEEP:
        debug_stop_asleep(area, page, lwp)
    else:
        debug_info(lwp, FREEBSD_SIGSTOP, FREEBSD_SI_KERNEL)
        debug_stop(area, page, lwp, FREEBSD_SIGSTOP)
    lwp.info = info
    lwp.flags = flags
    lwp.boundary = boundary
    lwp.xsig = sig
    atomic_store32(&lwp.reports, 1)


cdef int debug_stop(area_t *area, debug_page_t *page, debug_lwp_t *lwp, int sig) noexcept nogil:
    """Report an event of this thread, whose state is in its slot, and be stopped until the tracer has seen it: the signal that the
    tracer answers with, 0 for none. One thread reports at a time; the others that have something to report do so when it goes on."""
    cdef int answer
    lwp.xsig = sig
    atomic_store32(&lwp.reports, 1)
    while atomic_load32(&page.state) != DEBUG_LEFT:
        if sig != FREEBSD_SIGSTOP and atomic_load32(&page.attaching):
            # The first stop is that of PT_ATTACH (P2_PTRACE_FSTP). Where no other thread is about to make it, this one does.
            if atomic_cas32(&page.attaching, 1, 2) == 1:
                debug_stop_first(area, page, lwp)
            else:
                pause(100000)
            continue
        debug_stop_all(area, page, lwp, sig, True)
        debug_wait(area, page, lwp)
        if not atomic_load32(&lwp.reports):
            break
    answer = lwp.xsig
    if atomic_swap32(&lwp.reports, 0) and sig == FREEBSD_SIGTRAP \
            and (not lwp.flags & FREEBSD_PL_FLAG_SI or lwp.info.si_code == FREEBSD_TRAP_TRACE):
        answer = 0                      # the tracer let go before it saw what it had asked for
    lwp.flags = 0
    lwp.boundary = 0
    lwp.info.si_signo = 0
    return answer

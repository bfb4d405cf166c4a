# ptrace(2): a traced process stops at the beginning and the end of calls. Model: FreeBSD sys/kern/subr_syscall.c (syscallenter,
# syscallret), kern_fork.c (fork_return).
#
# Every call of a traced process goes through the hook debug_call, and its end comes by deliver_at_exit (EXIT_TOLD), where the whole
# state is at hand.

cdef extern from "decode.h" nogil:
    ctypedef struct debug_decode_t "struct lsf_decode":
        uint8_t narg

    const debug_decode_t debug_decode "lsf_decode"[1]


cdef void debug_know_call(debug_lwp_t *lwp, frame_t *frame) noexcept nogil:
    """The call that is made, the one within for syscall(2) and __syscall(2): cpu_fetch_syscall_args."""
    cdef uint64_t shift = 0
    cdef uint32_t code = <uint32_t> frame.nr, i
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        code = <uint32_t> frame.arg[0]
        shift = 1
    lwp.code = code
    lwp.narg = debug_decode[code].narg if code < GUEST_NSYSCALLS else 0
    memset(lwp.args, 0, sizeof(lwp.args))
    for i in range(lwp.narg if lwp.narg < 8 else 8):
        if i + shift < 6:
            lwp.args[i] = frame.arg[i + shift]
        else:
            fetch_guest64(frame.rsp + 8 * (i + shift - 5), &lwp.args[i])


cdef void debug_state_in_call(frame_t *frame, area_t *area, linux_ucontext *uc, unsigned char *fpstate) noexcept nogil:
    """The state of a call that is not over, with the arguments in place, but for those whose registers get its results."""
    state_at_exit(frame, area, uc, fpstate)
    uc.uc_mcontext.rdi = frame.arg[0]
    uc.uc_mcontext.rsi = frame.arg[1]
    uc.uc_mcontext.r10 = frame.arg[3]
    uc.uc_mcontext.r8 = frame.arg[4]
    uc.uc_mcontext.r9 = frame.arg[5]
    uc.uc_mcontext.rip = frame.ret
    uc.uc_mcontext.rcx = frame.ret
    uc.uc_mcontext.rsp = frame.rsp


cdef int debug_in_call(area_t *area, frame_t *frame, debug_page_t *page, debug_lwp_t *lwp, uint32_t flags, int sig,
                       const uint64_t *waited) noexcept nogil:
    """Stop in a call that is not over: what debug_stop answers. What the tracer does to registers is done now, but for those that the exit
    finds in place: they wait for debug_call_over. waited: signals that are not blocked meanwhile, or NULL."""
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    cdef linux_sigcontext *regs = &uc.uc_mcontext
    cdef int answer
    debug_state_in_call(frame, area, &uc, fpstate)
    regs.rax = frame.nr
    regs.rdx = frame.arg[2]
    regs.rcx = frame.arg[3]             # FreeBSD keeps the fourth argument there
    debug_save(area, lwp, &uc)
    if waited != NULL:
        lwp.sigmask[0] &= ~waited[0]
        lwp.sigmask[1] &= ~waited[1]
    lwp.flags = flags
    answer = debug_stop(area, page, lwp, sig)
    if debug_load(area, lwp, &uc):
        frame.nr = <uint32_t> regs.rax
        frame.arg[0] = regs.rdi
        frame.arg[1] = regs.rsi
        frame.arg[2] = regs.rdx
        frame.arg[3] = regs.rcx if regs.rcx != frame.arg[3] else regs.r10
        frame.arg[4] = regs.r8
        frame.arg[5] = regs.r9
        frame.ret = regs.rip
        frame.rsp = regs.rsp
        lwp.kept[0] = regs.rbx
        lwp.kept[1] = regs.rbp
        lwp.kept[2] = regs.r12
        lwp.kept[3] = regs.r13
        lwp.kept[4] = regs.r14
        lwp.kept[5] = regs.r15
        lwp.kept_set = 1
        debug_know_call(lwp, frame)
    if lwp.vector_set:
        xrstor(<void *> regs.fpstate, area.proc.xstate_features)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    return answer


cdef void debug_at_call(area_t *area, frame_t *frame, debug_page_t *page, debug_lwp_t *lwp, uint32_t flags) noexcept nogil:
    """Stop at the beginning of a call; the tracer may make another one of it."""
    cdef int answer = debug_in_call(area, frame, page, lwp, flags, FREEBSD_SIGTRAP, NULL)
    if answer > 0 and answer != FREEBSD_SIGSTOP:
        area.own.debug_later = answer   # a call that does not sleep is made; a sleep ends


cdef long debug_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """The hook of a traced process: tell of the beginning of a call, and see to it that its end is told of."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp
    cdef int pid = area.proc.pid
    cdef bint woken = False, again
    cdef long result
    if page == NULL or page.state == DEBUG_LEFT:
        area.alignment |= EXIT_TOLD
        return run_hooks(frame, area, rest)
    debug_grow(area.proc, area.index)
    lwp = debug_slot(page, area.index)
    if lwp == NULL:
        return run_hooks(frame, area, rest)
    lwp.tid = area.tid
    area.alignment |= EXIT_TOLD
    debug_know_call(lwp, frame)
    again = area.own.debug_site == frame.ret
    area.own.debug_site = 0
    if page.events & FREEBSD_PTRACE_SCE and not again and not area.proc.own.debug_quiet:
        debug_at_call(area, frame, page, lwp, FREEBSD_PL_FLAG_SCE)
    if frame.nr == FREEBSD_SYS_thr_exit and page.events & FREEBSD_PTRACE_LWP and not debug_is_last(area):
        debug_at_call(area, frame, page, lwp, FREEBSD_PL_FLAG_EXITED | FREEBSD_PL_FLAG_SCE)
    if area.own.debug_later and area.woken == 0:
        wake_set(area)
        woken = True
    result = run_hooks(frame, area, rest)
    if area.proc.pid != pid or current_area() != area:
        return result
    if woken and area.woken == WOKEN_PENDING:
        wake_over(area, 0)
    page.maps += 1
    lwp.error = call_error(area, result)
    lwp.retval[0] = area.retval if result == -RETURN_IN_AREA else <uint64_t> result
    lwp.retval[1] = frame.arg[2]
    return result


cdef bint debug_is_last(area_t *self) noexcept nogil:
    """The process has no other thread: thr_exit does not end this one."""
    cdef area_t *other = NULL
    while (other := area_next(self.proc, other)) != NULL:
        if other != self and not other.own.exiting and other.service == NULL:
            return False
    return True


cdef bint debug_call_over(area_t *area, linux_ucontext *uc) noexcept nogil:
    """A call is over, and the registers are as the guest will find them. True where the tracer has set one."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    cdef uint32_t flags = area.own.debug_flags
    cdef bint changed = False
    cdef int sig = FREEBSD_SIGSTOP if flags & FREEBSD_PL_FLAG_CHILD else FREEBSD_SIGTRAP, answer
    area.own.debug_flags = 0
    debug_send(area, area.own.debug_later, False)
    area.own.debug_later = 0
    if lwp == NULL:
        return False
    if lwp.kept_set:
        lwp.kept_set = 0
        uc.uc_mcontext.rbx = lwp.kept[0]
        uc.uc_mcontext.rbp = lwp.kept[1]
        uc.uc_mcontext.r12 = lwp.kept[2]
        uc.uc_mcontext.r13 = lwp.kept[3]
        uc.uc_mcontext.r14 = lwp.kept[4]
        uc.uc_mcontext.r15 = lwp.kept[5]
    if (flags or page.events & FREEBSD_PTRACE_SCX) and not area.proc.own.debug_quiet:
        debug_save(area, lwp, uc)
        lwp.flags = flags if flags & FREEBSD_PL_FLAG_VFORK_DONE else flags | FREEBSD_PL_FLAG_SCX
        lwp.child = area.own.debug_child
        lwp.boundary = 1
        answer = debug_stop(area, page, lwp, sig)
        changed = debug_load(area, lwp, uc)
        if answer != sig or sig != FREEBSD_SIGSTOP:
            debug_send(area, answer, False)
    if area.own.debug_step & STEP_NOW and page.state != DEBUG_LEFT:
        # The step was the call, which has cleared the flag.
        debug_step_over(area, uc)
        debug_save(area, lwp, uc)
        debug_info(lwp, FREEBSD_SIGTRAP, FREEBSD_TRAP_TRACE)
        lwp.info.si_addr = uc.uc_mcontext.rip
        answer = debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
        changed = debug_load(area, lwp, uc) or changed
        debug_send(area, answer, False)
    return changed


cdef void debug_dying(area_t *area, linux_ucontext *uc) noexcept nogil:
    """This thread ends because another one executes a program; if that fails it goes on."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    if area.own.debug_dies == DIES_ASKED and lwp != NULL:
        debug_save(area, lwp, uc)
        lwp.flags = FREEBSD_PL_FLAG_EXITED
        debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
        debug_load(area, lwp, uc)
        atomic_cas32(&area.own.debug_dies, DIES_ASKED, DIES_TOLD)
    while atomic_load32(&area.own.debug_dies) == DIES_TOLD:
        debug_sleep(&area.own.debug_dies, DIES_TOLD, DEBUG_LOOK)


cdef bint debug_look(area_t *area, linux_ucontext *uc) noexcept nogil:
    """This thread is about to go on in the guest, with these registers: do what a tracer is waiting for. True where it has set a
    register."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page
    cdef debug_lwp_t *lwp
    cdef bint changed = False
    cdef int tracer = proc.own.debug_join
    if tracer and atomic_cas32(&proc.own.debug_joining, 0, 1) == 0:
        proc.own.debug_join = 0
        if proc.own.debugged and debug_page(proc).state == DEBUG_LEFT:
            debug_over(area)
        if proc.own.debugged == 0:
            debug_join(area, tracer)
        atomic_store32(&proc.own.debug_joining, 0)
    while True:
        page = debug_page(proc)
        if page == NULL:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            area.own.debug_flags = 0
            if area.own.debug_step & STEP_NOW:
                debug_step_over(area, uc)
            return changed
        if atomic_load32(&page.state) == DEBUG_LEFT:
            debug_over(area)
            continue
        lwp = debug_slot(page, area.index)
        if lwp == NULL or area.proc.own.debug_quiet:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            return changed
        if area.alignment & EXIT_TOLD and area.own.debug_again:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            area.own.debug_again = 0
            if area.own.debug_step & STEP_NOW:
                uc.uc_mcontext.eflags |= EFLAGS_TF          # the step is still to be made
        elif area.alignment & EXIT_TOLD:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            changed = debug_call_over(area, uc) or changed
        elif page.attaching and atomic_cas32(&page.attaching, 1, 2) == 1:
            changed = debug_by_sigstop(area, uc, True) or changed
        elif area.own.debug_dies:
            debug_dying(area, uc)
        elif page.kills and atomic_cas32(&page.kills, 1, 0) == 1:
            changed = debug_by_sigkill(area, uc) or changed
        elif area.own.debug_stop or (page.stops and atomic_cas32(&page.stops, 1, 0) == 1):
            area.own.debug_stop = 0
            changed = debug_by_sigstop(area, uc, False) or changed
        elif atomic_load32(&page.state) != DEBUG_RUNS or atomic_load32(&lwp.suspended):
            debug_save(area, lwp, uc)
            lwp.boundary = area.own.debug_site == 0
            debug_wait(area, page, lwp)
            lwp.boundary = 0
            changed = debug_load(area, lwp, uc) or changed
        else:
            return changed


cdef bint debug_arrived(area_t *area, linux_siginfo *info) noexcept nogil:
    """In the handler, a SIGBUS of another guest's (is_debug_signal): False where the thread is stopped already. Else it comes out of
    what it is in, which Linux has ended, to begin it anew."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page = debug_page(proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index) if page != NULL else NULL
    cdef area_t *other = NULL
    if lwp != NULL and atomic_load32(&lwp.parked):
        return False
    if info.si_errno == DEBUG_NEWS:
        proc.own.tracing = 1
        while info.fields.kill.value == 0 and (other := area_next(proc, other)) != NULL:
            if other != area and atomic_load32(&other.own.waits):
                debug_signal(proc.pid, other.tid, DEBUG_NEWS, 1)
    elif info.si_errno == DEBUG_ATTACH and (page == NULL or page.state == DEBUG_LEFT):
        proc.own.debug_join = <int> info.fields.kill.value
    return True

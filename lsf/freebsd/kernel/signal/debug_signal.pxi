# ptrace(2): a traced process stops at each signal, and the tracer says what becomes of it. Model: FreeBSD sys/kern/kern_sig.c
# (sigprocess, ptracestop).

cdef enum:
    DEBUG_SENT = 0x4c534405             # si_errno of a signal that the tracer has sent
    TAKEN_NOT = 0                       # debug_taken
    TAKEN = 1
    TAKEN_AGAIN = 2


cdef void debug_send(area_t *area, int sig, bint again) noexcept nogil:
    """A signal that the tracer sends: it is delivered, and does not stop the process again, but where one that is blocked has taken
    another's place."""
    cdef process_t *proc = area.proc
    cdef linux_siginfo info
    cdef int linux
    if sig <= 0 or sig > SIGNAL_MAX or sig == FREEBSD_SIGSTOP:
        return
    if is_carried(sig):
        carrier_info(area, &info, sig, FREEBSD_SI_USER, 0)
        linux = LINUX_CARRIER
        if not again:
            atomic_or64(&proc.own.debug_sent[(sig - 1) >> 6], signal_bit(sig))
    else:
        linux = queued_self(area, sig)
        memset(&info, 0, 128)
        info.si_signo = linux
        info.si_errno = 0 if again else DEBUG_SENT
        info.si_code = -1               # SI_QUEUE
        info.fields.kill.pid = proc.pid
    event_sends(proc)
    if linux_syscall3(LINUX_SYS_rt_sigqueueinfo, proc.pid, linux, <uint64_t> &info) != 0 and linux != LINUX_CARRIER:
        atomic_or64(&proc.own.debug_sent[(sig - 1) >> 6], signal_bit(sig))     # Linux's queue is full: one of each goes without
        linux_syscall2(LINUX_SYS_kill, proc.pid, lsf_signal_to_linux[sig])
    event_sent(proc, sig, True)


cdef bint debug_was_sent(process_t *proc, int sig, linux_siginfo *info) noexcept nogil:
    """True, once, for a signal that the tracer has sent."""
    cdef uint64_t *word = &proc.own.debug_sent[(sig - 1) >> 6]
    cdef uint64_t bit = 1UL << ((sig - 1) & 63)
    if info.si_code == -1 and info.si_errno == DEBUG_SENT:
        memset(&info.si_errno, 0, 124)  # nothing is known of it
        info.si_code = LINUX_SI_KERNEL
        return True
    if not atomic_or64(word, 0) & bit:
        return False
    atomic_and64(word, ~bit)
    return True


cdef void debug_replace(area_t *area, int sig) noexcept nogil:
    """The tracer wants another signal in the place of the one that stopped the process. Where it is blocked FreeBSD has it twice, as
    what the tracer sent and as what was there, which stops again (sigprocess)."""
    cdef area_t *other = NULL
    cdef bint elsewhere = False
    while (other := area_next(area.proc, other)) != NULL:
        if not is_blocked(other, sig):
            elsewhere = True            # sigtd: another thread takes it
    if not elsewhere:
        debug_send(area, sig, True)
    debug_send(area, sig, False)


cdef bint debug_deliver(area_t *area, linux_ucontext *uc, int sig) noexcept nogil:
    """The tracer wants this signal instead of SIGSTOP. One that Linux never blocks would come before the thread has left the shim, and be
    kept as one that nobody sent: it is delivered here. True: done."""
    cdef linux_siginfo info
    if not is_virtual(sig) or mask_has(area.sigmask, sig):
        return False
    memset(&info, 0, 128)
    info.si_signo = lsf_signal_to_linux[sig]
    info.si_errno = DEBUG_SENT
    info.si_code = -1                   # SI_QUEUE
    info.fields.kill.pid = area.proc.pid
    deliver(area, uc, info.si_signo, &info, False, 0)
    return True


cdef void debug_stop_really(area_t *area) noexcept nogil:
    """The tracer let go with SIGSTOP."""
    linux_syscall2(LINUX_SYS_kill, area.proc.pid, LINUX_SIGSTOP)


cdef bint debug_by_sigstop(area_t *area, linux_ucontext *uc, bint attached) noexcept nogil:
    """Stop by a SIGSTOP: the tracer's own, for PT_ATTACH, or one that was sent. True where it has set a register."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    cdef bint changed
    cdef int answer
    if lwp == NULL:
        return False
    if attached:
        debug_forget_cont(area)
    debug_save(area, lwp, uc)
    if attached and area.proc.own.osreldate >= FREEBSD_SINCE_ATTACH_ASLEEP:
        lwp.boundary = area.own.debug_site == 0
        debug_stop_asleep(area, page, lwp)
        lwp.boundary = 0
        changed = debug_load(area, lwp, uc)
        if atomic_load32(&page.state) == DEBUG_LEFT:
            debug_over(area)
        return changed
    debug_info(lwp, FREEBSD_SIGSTOP, FREEBSD_SI_KERNEL if attached else FREEBSD_SI_LWP)
    if not attached:
        lwp.info.si_pid = area.proc.pid
        lwp.info.si_uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    lwp.boundary = area.own.debug_site == 0
    answer = debug_stop(area, page, lwp, FREEBSD_SIGSTOP)
    changed = debug_load(area, lwp, uc)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    if area.proc.own.debugged == 0 and answer == FREEBSD_SIGSTOP:
        debug_stop_really(area)
    elif answer and answer != FREEBSD_SIGSTOP:
        if debug_deliver(area, uc, answer):
            return True
        debug_replace(area, answer)
    return changed


cdef bint debug_by_sigkill(area_t *area, linux_ucontext *uc) noexcept nogil:
    """SIGKILL was sent while the process was stopped: the tracer gets it too, and may drop it."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    if lwp == NULL:
        return False
    debug_save(area, lwp, uc)
    debug_info(lwp, FREEBSD_SIGKILL, FREEBSD_SI_USER)
    if debug_stop(area, page, lwp, FREEBSD_SIGKILL) == FREEBSD_SIGKILL:
        linux_syscall2(LINUX_SYS_kill, area.proc.pid, LINUX_SIGKILL)
    return debug_load(area, lwp, uc)


cdef int debug_taken(area_t *area, const uint64_t *set_, linux_siginfo *info, int signo, int *code) noexcept nogil:
    """A wait has taken a signal of its set, which a tracer sees first (kern_sigtimedwait, cursig): TAKEN where it has it. The one that the
    tracer wants in its place is sent: TAKEN_AGAIN where the process is traced no more, and the wait finds that, else TAKEN_NOT."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index) if page != NULL else NULL
    cdef linux_ucontext none
    cdef int answer
    if lwp == NULL or area.proc.own.debug_quiet or page.state == DEBUG_LEFT:
        return TAKEN
    if debug_was_sent(area.proc, signo, info):
        code[0] = FREEBSD_SI_KERNEL
        return TAKEN
    memset(&none, 0, sizeof(none))
    fill_siginfo(&lwp.info, info, info.si_signo, signo, code[0], &none)
    answer = debug_in_call(area, area.frame, page, lwp, FREEBSD_PL_FLAG_SI, signo, set_)
    if answer == signo:
        return TAKEN
    if answer and area.proc.own.debugged == 0:
        debug_send(area, answer, True)
        return TAKEN_AGAIN
    if answer and is_blocked(area, answer) and not mask_has(set_, answer):
        debug_replace(area, answer)
    else:
        debug_send(area, answer, False)
    return TAKEN_NOT


cdef void debug_step_over(area_t *area, linux_ucontext *uc) noexcept nogil:
    """The step that a tracer asked for has been made."""
    uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF
    area.own.debug_step &= ~<uint32_t> (STEP_NOW if area.own.debug_step & STEP_NOW else STEP_LATER)


cdef void debug_force(area_t *area, int signo) noexcept nogil:
    """A fault of a traced thread that blocks or ignores its signal: it does so no more (trapsignal, with kern_forcesigexit)."""
    cdef process_t *proc = area.proc
    know_handler(proc, signo)
    if not mask_has(area.sigmask, signo) and proc.handlers[signo].function != FREEBSD_SIG_IGN:
        return
    area.sigmask[(signo - 1) >> 6] &= ~signal_bit(signo)
    lock_acquire(&proc.own.lock_signal)
    proc.handlers[signo].function = FREEBSD_SIG_DFL
    apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)


cdef int debug_by_signal(area_t *area, linux_ucontext *uc, int signo, int linux, linux_siginfo *info, int code,
                         bint *changed) noexcept nogil:
    """A signal is about to be delivered to a traced process, which stops: the signal that the tracer wants it to be, 0 for none.
    changed: it has set a register."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index) if page != NULL else NULL
    cdef int answer
    if lwp == NULL or area.proc.own.debug_quiet or page.state == DEBUG_LEFT:
        return signo
    if info.si_code <= 0 or not is_fault_signal(linux):
        if debug_was_sent(area.proc, signo, info):
            return signo
    else:
        debug_force(area, signo)
        if is_step(linux, info, uc):
            debug_step_over(area, uc)
    fill_siginfo(&lwp.info, info, linux, signo, code, uc)
    debug_save(area, lwp, uc)
    lwp.flags = FREEBSD_PL_FLAG_SI
    lwp.boundary = 1
    answer = debug_stop(area, page, lwp, signo)
    changed[0] = debug_load(area, lwp, uc)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    return answer

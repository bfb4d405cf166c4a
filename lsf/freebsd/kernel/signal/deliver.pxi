# A signal reaches the program: at once, or at the end of the call that it interrupted.

cdef bint defer_kept(area_t *area, const uint64_t *mask) noexcept nogil:
    """Deliver a kept signal that `mask` does not block at the end of the call. True: done, and all are blocked."""
    cdef process_t *proc = area.proc
    if (atomic_or64(&proc.own.kept_bits[0], 0) & ~mask[0]) == 0 and (atomic_or64(&proc.own.kept_bits[1], 0) & ~mask[1]) == 0:
        return False
    block_all(NULL)
    if area.deferred:
        return True
    if not kept_take(area, mask, <linux_siginfo *> area.info):
        return False
    area.deferred = LINUX_CARRIER
    return True


cdef bint defer_virtual(area_t *area, const uint64_t *mask) noexcept nogil:
    """Deliver a virtual signal that was sent while blocked, and that `mask` does not block, at the end of the call. True: done, and all
    are blocked."""
    cdef int signo
    if virtual_waits(area) & ~<uint32_t> mask[0] == 0:
        return False
    block_all(NULL)
    if area.deferred:
        return True
    signo = virtual_take(area, ~<uint32_t> mask[0])
    if signo == 0:
        return False
    memset(area.info, 0, sizeof(area.info))
    (<linux_siginfo *> area.info).si_signo = lsf_signal_to_linux[signo]
    area.deferred = lsf_signal_to_linux[signo]
    return True


cdef public void deliver_at_exit(frame_t *frame, area_t *area) noexcept nogil:
    """The call is over, its frame is complete, and a signal waits. Build the state that Linux would have saved, with the
    vector registers, which are the guest's still, deliver the signal on it, and go on there. Never returns."""
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    state_at_exit(frame, area, &uc, fpstate)
    if not area.deferred:
        block_all(NULL)
    if area.deferred:
        deliver_deferred(area, &uc)
    else:
        finish_translated(&uc, area)        # it is here for EFLAGS.AC alone, or for a tracer
        if area.alignment & EXIT_TOLD:
            debug_look(area, &uc)
        uc.uc_sigmask = linux_mask_from(area.sigmask)
        deliver_virtual(area, &uc)
    resume_from(&uc)


cdef void deliver_deferred(area_t *area, linux_ucontext *uc) noexcept nogil:
    cdef uint64_t info[16]
    cdef int linux = area.deferred
    cdef bint restart, quiet = linux == LINUX_CARRIER and not carrier_wanted(area, <linux_siginfo *> area.info)
    if quiet and debug_ends_sleep(area):
        quiet = False                   # a SIGSTOP, which is none of Linux's here
    if quiet and area.proc.own.debugged and (
            <long> area.frame.result == -LINUX_EINTR or <long> area.frame.result == -LINUX_ERESTARTSYS
            or <long> area.frame.result == -LINUX_ERESTARTNOINTR):
        area.own.debug_again = 1
        area.own.debug_site = area.frame.ret
    area.own.debug_redo = not quiet and <long> area.frame.result == -LINUX_EINTR and area.frame.nr == FREEBSD_SYS_sigsuspend
    area.frame.result = <uint64_t> interrupted(area, <long> area.frame.result, False, quiet)
    if not quiet or <long> area.frame.result != -LINUX_ERESTARTNOINTR:
        area.own.wait_until = 0
    restart = finish_translated(uc, area)
    memcpy(info, area.info, 128)
    area.deferred = 0
    uc.uc_sigmask = linux_mask_from(area.sigmask)
    area.not_begun = 0
    deliver(area, uc, linux, <linux_siginfo *> info, restart, area.frame.ret)
    area.suspended = 0
    area.own.debug_redo = 0
    if area.own.ktr_late:
        area.own.ktr_late = 0
        ktr_return(area, FREEBSD_SYS_sigsuspend, FREEBSD_EINTR, 0)
    deliver_virtual(area, uc)


cdef void call_again(area_t *area, linux_ucontext *uc) noexcept nogil:
    """The signal that ended a sigsuspend does nothing after all, as the tracer wants it: it goes on (kern_sigsuspend). What else it
    has ended stays ended: it was woken when the signal was sent (tdsigwakeup)."""
    if area.own.debug_redo:
        uc.uc_mcontext.rip = area.frame.ret - 2
        uc.uc_mcontext.rax = area.frame.nr
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_CF


cdef inline void end_call(linux_ucontext *uc, uint64_t ret) noexcept nogil:
    """A call that would have been made again gives EINTR."""
    uc.uc_mcontext.rip = ret
    uc.uc_mcontext.rax = LINUX_EINTR
    uc.uc_mcontext.eflags |= EFLAGS_CF


cdef void deliver_virtual(area_t *area, linux_ucontext *uc) noexcept nogil:
    """Deliver what waited among the virtual signals, and those that the shim keeps, and is not blocked any more."""
    cdef uint64_t info[16]
    cdef int signo
    if fast_blocked(area):
        if virtual_waits(area) & ~<uint32_t> area.sigmask[0] or atomic_or64(&area.proc.own.kept_bits[0], 0) & ~area.sigmask[0] \
                or atomic_or64(&area.proc.own.kept_bits[1], 0) & ~area.sigmask[1]:
            fast_pend(area)
        return
    while True:
        signo = virtual_take(area, ~<uint32_t> area.sigmask[0])
        if signo == 0:
            break
        memset(info, 0, sizeof(info))
        deliver(area, uc, lsf_signal_to_linux[signo], <linux_siginfo *> info, False, 0)
    while kept_take(area, area.sigmask, <linux_siginfo *> info):
        deliver(area, uc, LINUX_CARRIER, <linux_siginfo *> info, False, 0)


cdef void signal_resend(area_t *area, int linux, linux_siginfo *info) noexcept nogil:
    """Give back a signal that this thread, which has all blocked, cannot take now. If it was sent to the process it came here by
    chance, and another thread may have it. What kill(2) or the kernel sent Linux lets none but the first thread send: it
    goes as if it were queued, and says what it was."""
    if lsf_signal_queued[lsf_signal_from_linux[linux]]:
        linux = lsf_signal_queued[lsf_signal_from_linux[linux]]
        if info.fields.kill.pid == area.proc.pid:
            atomic_add32(&area.proc.own.queued, 1)
    if info.si_code == LINUX_SI_TKILL or (linux == LINUX_CARRIER and info.si_errno & CARRIER_THREAD):
        linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, area.tid, linux, <uint64_t> info)
        return
    if linux_syscall3(LINUX_SYS_rt_sigqueueinfo, area.proc.pid, linux, <uint64_t> info) != -LINUX_EPERM:
        return
    info.si_errno = RESENT_MAGIC | (info.si_code & 0xffff)
    info.si_code = -1
    linux_syscall3(LINUX_SYS_rt_sigqueueinfo, area.proc.pid, linux, <uint64_t> info)


cdef int trap_signal(linux_siginfo *info, int linux, int *code) noexcept nogil:
    """FreeBSD's signal and si_code for a Linux one."""
    cdef int signo = lsf_signal_from_linux[linux]
    resent_restore(info)
    if linux == LINUX_SIGCHLD:
        core_told(info)
    if linux == LINUX_CARRIER:
        return carried_signal(info, code)
    if info.si_errno == TOLD_BY_CHILD:
        code[0] = FREEBSD_SI_KERNEL     # exit1 in kern_exit.c sends it by kern_psignal
        return signo
    if linux == LINUX_SIGTRAP and info.si_code == TRAP_CAP_PRIVATE:
        code[0] = FREEBSD_TRAP_CAP
        return signo
    code[0] = linux_to_freebsd_si_code(linux, info.si_code, &signo)
    return signo


cdef inline bint is_told_of_signals(process_t *proc) noexcept nogil:
    """True where somebody watches this process from inside."""
    return proc.truss_fd >= 0 or proc.record_fd >= 0


cdef void tell_of_signal(area_t *area, const freebsd_siginfo *info, uint64_t action, bint fatal, const linux_ucontext *at) noexcept nogil:
    """A signal is delivered, to a function or (0) with its default effect; fatal: the process dies of it. at: of a fault, where it was."""
    if area.proc.record_fd >= 0:
        ktr_signal(area, info, action, at)
    if area.proc.truss_fd >= 0:
        truss_signal(area, info, fatal)


cdef void deliver(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info, bint restart,
                  uint64_t ret) noexcept nogil:
    """Deliver a signal to the guest, whose complete state is uc: run its handler, or do what FreeBSD does by default.

    restart: rip stands at the site of an interrupted call, which only SA_RESTART lets happen; ret: after the site."""
    cdef process_t *proc = area.proc
    cdef handler_t handler
    cdef freebsd_siginfo traced
    cdef int code = 0
    cdef int signo, answer
    cdef bint fault, changed = False, stepped = is_step(linux, info, uc)
    if proc.own.core_page:
        core_park(area, uc, restart, ret)
    if (proc.own.debugged or proc.own.debug_join) and debug_look(area, uc):
        restart = False
    if proc.own.record_asked.state:
        record_answer(area)
    signo = trap_signal(info, linux, &code)
    fault = info.si_code > 0 and is_fault_signal(linux) and info.si_errno != TOLD_BY_CHILD
    if signo <= 0 or (not fault and fast_hold(area, uc, linux, info, signo)):
        return
    if (is_virtual(signo) or (signo == FREEBSD_SIGTRAP and proc.own.debugged)) and not fault and is_blocked(area, signo):
        if proc.handlers[signo].function != FREEBSD_SIG_IGN:
            info.si_signo = linux
            virtual_keep(area, signo, info)
        return
    if linux == LINUX_CARRIER:
        if not info.si_errno & CARRIER_SEEN or info.si_code != -1:
            event_signal(proc, signo, False)
        if is_blocked(area, signo):
            info.si_errno |= CARRIER_SEEN
            keep_carried(area, info)
            uc.uc_sigmask |= carrier_mask(area.sigmask)
            return
        kept_before(area, info)
    elif event_wants_signal(proc, signo):
        event_signal(proc, signo, is_own_signal(proc, info))
    if stepped and not proc.own.debugged and proc.own.debug_map and proc.handlers[signo].function == FREEBSD_SIG_DFL:
        debug_step_over(area, uc)       # a step that a tracer has left behind: it let go meanwhile, or a handler's frame has the flag
        return
    if proc.own.debugged:
        answer = debug_by_signal(area, uc, signo, linux, info, code, &changed)
        if changed:
            restart = False
            area.own.debug_redo = 0
        if answer == 0:
            if restart and proc.handlers[signo].function > FREEBSD_SIG_IGN and not proc.handlers[signo].flags & FREEBSD_SA_RESTART:
                end_call(uc, ret)
            call_again(area, uc)
            return
        if answer != signo:
            if is_blocked(area, answer):
                debug_replace(area, answer)
                call_again(area, uc)
                return
            linux = signal_info(area, info, answer)
            signo = answer
            code = 0
            fault = False
    lock_acquire(&proc.own.lock_signal)
    handler = proc.handlers[signo]
    if handler.function > FREEBSD_SIG_IGN and handler.flags & FREEBSD_SA_RESETHAND:
        proc.handlers[signo].function = FREEBSD_SIG_DFL
        proc.handlers[signo].flags &= ~<uint32_t> FREEBSD_SA_SIGINFO
        apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)
    if signo == FREEBSD_SIGCHLD and (handler.function <= FREEBSD_SIG_IGN or handler.flags & FREEBSD_SA_NODEFER):
        children_look(area)             # it is blocked in no handler
    if fault and (handler.function <= FREEBSD_SIG_IGN or mask_has(area.sigmask, signo)):
        # A fault that cannot be delivered kills; executing the instruction again gives an exact core.
        if is_told_of_signals(proc):
            fill_siginfo(&traced, info, linux, signo, code, uc)
            tell_of_signal(area, &traced, 0, True, uc if fault else NULL)
        if core_signal(area, uc, signo, info, linux, code) or linux == LINUX_SIGTRAP or lsf_signal_to_linux[signo] != linux:
            kill_self(area, lsf_signal_to_linux[signo])
        set_linux_handler(linux, FREEBSD_SIG_DFL, LINUX_SA_RESTORER)
        return
    if handler.function == FREEBSD_SIG_IGN:
        call_again(area, uc)
        return
    if handler.function == FREEBSD_SIG_DFL:
        if lsf_signal_default[signo] == LSF_SIGNAL_IGNORE or lsf_signal_default[signo] == LSF_SIGNAL_CONTINUE:
            call_again(area, uc)
            return
        if lsf_signal_default[signo] == LSF_SIGNAL_STOP:
            # It is a traced process's, which ignores it, or it was traced until now.
            if not proc.own.debugged:
                linux_syscall3(LINUX_SYS_tgkill, proc.pid, area.tid, lsf_signal_to_linux[signo])
            call_again(area, uc)
            return
        if is_told_of_signals(proc):
            fill_siginfo(&traced, info, linux, signo, code, uc)
            tell_of_signal(area, &traced, 0, True, uc if fault else NULL)
        core_signal(area, uc, signo, info, linux, code)
        if linux == LINUX_CARRIER:
            carrier_last_words(signo)
        kill_self(area, linux)
        return
    if is_told_of_signals(proc):
        fill_siginfo(&traced, info, linux, signo, code, uc)
        tell_of_signal(area, &traced, handler.function, False, uc if fault else NULL)
    if restart and not handler.flags & FREEBSD_SA_RESTART:
        end_call(uc, ret)
    if area.own.debug_step & STEP_NOW and uc.uc_mcontext.eflags & EFLAGS_TF:
        area.own.debug_step = STEP_LATER
    if push_frame(area, uc, &handler, signo, code, info, linux) < 0:
        core_signal(area, uc, FREEBSD_SIGILL, NULL, 0, 0)
        kill_self(area, LINUX_SIGILL)       # as FreeBSD does when the frame cannot be written
        return
    area.own.wait_until = 0
    area.own.signals += 1
    atomic_add32(&proc.own.signals, 1)
    if area.suspended:
        # The frame has the mask from before the wait; the handler runs with the one of the wait.
        area.sigmask[0] = area.own.suspend_mask[0]
        area.sigmask[1] = area.own.suspend_mask[1]
        area.suspended = 0
    area.sigmask[0] |= handler.mask[0]
    area.sigmask[1] |= handler.mask[1]
    if not handler.flags & FREEBSD_SA_NODEFER:
        area.sigmask[(signo - 1) >> 6] |= signal_bit(signo)
    area.sigmask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    uc.uc_sigmask = linux_mask_from(area.sigmask)


cdef int signal_info(area_t *area, linux_siginfo *info, int signo) noexcept nogil:
    """Make of a signal the one that the tracer wants in its place, of which nothing more is known; its Linux number."""
    if is_carried(signo):
        carrier_info(area, info, signo, FREEBSD_SI_USER, 0)
        (<uint64_t *> info)[CARRIER_KEPT] = 1
        return LINUX_CARRIER
    memset(info, 0, 128)
    info.si_signo = lsf_signal_to_linux[signo]
    return lsf_signal_to_linux[signo]


cdef bint signal_interrupts(area_t *area) noexcept nogil:
    """True where the signal that waits has a handler without SA_RESTART: the call will give EINTR."""
    cdef handler_t *handler
    cdef int signo
    if area.deferred == 0 or area.not_begun:
        return False
    signo = lsf_signal_from_linux[area.deferred]
    handler = &area.proc.handlers[signo]
    return handler.function > FREEBSD_SIG_IGN and not handler.flags & FREEBSD_SA_RESTART

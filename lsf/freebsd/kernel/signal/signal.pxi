# Signals. Linux's handlers all lead to on_signal, which redirects syscalls (SIGSYS), repairs accessor faults, and
# delivers FreeBSD's signal frames. A signal never shows the guest a state inside the shim: see the regions in entry.S.
#
# SIGSEGV, SIGBUS and SIGSYS are in no Linux mask, ever, and always have the shim's handler: their masks and
# dispositions, as the guest sees them, are the shim's data ("virtual").
# Model: FreeBSD sys/amd64/amd64/exec_machdep.c (sendsig, sys_sigreturn), sys/kern/kern_sig.c.


cdef enum:
    CHILD_CODE_LAST = 6             # si_code of what is told of a child: CLD_EXITED (1) to CLD_CONTINUED


cdef void vsyscall(area_t *area, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A filter stopped a call of Linux's vsyscall page, and Linux has returned from it: where FreeBSD has its kernel, and
    a jump to it is a fault."""
    cdef uint64_t at = info.fields.sys.call_addr
    memset(info, 0, 128)
    info.si_signo = LINUX_SIGSEGV
    info.si_code = 1                    # SEGV_MAPERR
    info.fields.fault.addr = at
    if area.proc.handlers[FREEBSD_SIGSEGV].function <= FREEBSD_SIG_IGN or mask_has(area.sigmask, FREEBSD_SIGSEGV):
        kill_self(area, LINUX_SIGSEGV)
    uc.uc_mcontext.rip = at
    uc.uc_mcontext.rsp -= 8
    uc.uc_mcontext.trapno = 14
    deliver(area, uc, LINUX_SIGSEGV, info, False, 0)


cdef bint is_told_by_child(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """True for a signal that Linux sends at the end of a child that rfork gave another signal than SIGCHLD. Its si_code is
    SIGCHLD's, and so that of a fault too, which however names the address at which it was."""
    if not 0 < info.si_code <= CHILD_CODE_LAST or linux == LINUX_SIGCHLD or linux == LINUX_SIGIO or linux == LINUX_SIGSYS:
        return False
    if not is_fault_signal(linux):
        return linux != LINUX_CARRIER
    if linux == LINUX_SIGBUS and (info.si_code >= LINUX_BUS_MCEERR_AR
                                  or info.si_code == FREEBSD_BUS_ADRALN and uc.uc_mcontext.trapno == TRAPNO_ALIGNMENT):
        return False
    return info.fields.fault.addr != uc.uc_mcontext.cr2 and info.fields.fault.addr != uc.uc_mcontext.rip


cdef void defer(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info) noexcept nogil:
    """Keep a signal for the end of the call under way, with all others blocked, and let a wait not begin."""
    if area.deferred == 0:
        memcpy(area.info, info, 128)
        area.deferred = linux
    elif is_virtual(lsf_signal_from_linux[linux]):
        virtual_keep(area, lsf_signal_from_linux[linux], info)      # these come while all others are blocked
    else:
        # A virtual one was deferred when this thread was about to leave the shim, and has not been delivered yet: this
        # one comes again when it has been.
        signal_resend(area, linux, info)
    begin_no_wait(uc)


cdef public void on_signal(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """Every Linux signal that the shim handles comes here, on the thread's Linux signal stack, all others blocked."""
    cdef area_t *area = current_area()
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef bint from_kernel, by_second, held = is_never_blocked(linux)
    cdef bint restart = False, quiet = False, wanted = False
    cdef uint64_t region
    if uc.uc_mcontext.eflags & EFLAGS_AC:
        clear_alignment_check()             # Linux leaves it on in a handler
    if <uint64_t> area - <uint64_t> uc >= AREA_STRUCT or is_vfork_born(rip):
        area = find_area(area, uc)
    if area.service != NULL and is_for_process(info) and signal_hand_on(area, linux, info, True):
        return                              # a thread of the shim's own takes none
    by_second = queued_first(linux) != linux
    linux = queued_arrived(linux, info)
    from_kernel = info.si_code > 0 and info.si_code != 0x10000
    if linux == LINUX_CARRIER:
        carrier_from_timer(area.proc, info)
        quiet = not carrier_wanted(area, info)
        if info.si_code == LINUX_SI_MESGQ:
            mqueue_send_on(area, info)
    elif linux == LINUX_SIGCHLD and info.si_code > 0 and (
            area.proc.own.procdescs != NULL and procdesc_swallow(area.proc, info)
            or not child_is_news(area.proc, info, by_second)):
        children_look(area)             # others that it stood for
        linux = LINUX_CARRIER           # as below
        info.si_code = LINUX_SI_MESGQ
        quiet = True
    elif linux == LINUX_SIGBUS and is_wake_signal(info):
        wake_again(area)
        return
    elif linux == LINUX_SIGBUS and (is_ids_signal(info) or is_look_signal(info)):
        if is_ids_signal(info):
            ids_adopt(area)
        if area.deferred or is_signal_stack(area, uc.uc_mcontext.rsp):
            return                      # what this interrupts sees to the call
        linux = LINUX_CARRIER           # from here on as one that nobody wants
        info.si_code = LINUX_SI_MESGQ
        quiet = True
    elif (linux == LINUX_SIGBUS or linux == LINUX_SIGCONT) and is_debug_signal(info):
        if not debug_arrived(area, info) or area.deferred or is_signal_stack(area, uc.uc_mcontext.rsp):
            return
        linux = LINUX_CARRIER           # as above
        info.si_code = LINUX_SI_MESGQ
        quiet = True
    elif linux == LINUX_SIGTRAP and info.si_code == TRAP_PERF and not watch_hit(area, uc, info):
        return
    if linux == LINUX_SIGSYS and (info.si_code == LINUX_SYS_USER_DISPATCH or info.si_code == LINUX_SYS_SECCOMP):
        enter_call(area, uc, info)
        return
    if linux == LINUX_SIGILL and call_was_taken(uc, info):
        enter_taken(uc, FREEBSD_SYS_utrace)
        return
    if is_told_by_child(linux, info, uc):
        info.si_errno = TOLD_BY_CHILD
        from_kernel = False
    if linux == LINUX_SIGSYS and call_was_dropped(area.proc, uc):
        rip -= 2                            # it is made after the handler
        uc.uc_mcontext.rip = rip
    if linux == LINUX_SIGBUS and from_kernel and info.si_code == FREEBSD_BUS_ADRALN \
            and uc.uc_mcontext.eflags & EFLAGS_AC \
            and (rip - WINDOW_BASE < WINDOW_SIZE or area.proc.vdso <= rip < area.proc.vdso_end):
        # The guest has set AC, and the shim's code is not made for it: without AC until the call ends.
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_AC
        if not is_signal_stack(area, uc.uc_mcontext.rsp):
            area.alignment |= EXIT_ALIGNMENT
        return
    if from_kernel and (linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS):
        if <uint64_t> accessors <= rip < <uint64_t> accessors_end:
            uc.uc_mcontext.rip = <uint64_t> accessor_fault
            return
    if held and not is_signal_stack(area, uc.uc_mcontext.rsp):
        faults_unblock()
    if rip - WINDOW_BASE >= WINDOW_SIZE and (not is_shim_stack(uc.uc_mcontext.rsp) or not area.proc.vdso <= rip < area.proc.vdso_end):
        # (It has its own code's word for that, whatever it has made of its stack pointer: the shim leaves its window for the vDSO alone.)
        if is_step(linux, info, uc) and step_is_ours(rip):
            return                      # the guest steps: our jump is no instruction of its own, what it displaced is
        uc.uc_mcontext.rip = outside_trampolines(rip)
        deliver(area, uc, linux, info, False, 0)
        return
    if is_step(linux, info, uc):
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF       # the guest single-steps itself: that ends at a syscall
        return
    if from_kernel and is_fault_signal(linux):
        if not is_shim_stack(uc.uc_mcontext.rsp):
            # The program jumped here by itself: the shim's code has left its stack only where nothing can fault, but for
            # the jump back to an address that is none.
            deliver(area, uc, linux, info, False, 0)
            return
        if <uint64_t> entry <= rip < <uint64_t> entry_end:
            kill_self(area, linux)      # the same, between the loading of the stack and the call of a handler
        if is_below_signal_stack(area, info.fields.fault.addr):
            kill_self(area, LINUX_SIGSEGV)      # Linux put a signal's frame where the program's stack pointer was, in its last page
        shim_bug(linux, uc, info)
    region = region_of(rip)
    if region == REGION_PASSED and linux == LINUX_SIGPIPE and <long> uc.uc_mcontext.rax == -LINUX_EPIPE:
        uc.uc_mcontext.rax = <uint64_t> send_error(<int> uc.uc_mcontext.rdi, -LINUX_EPIPE, False, &wanted)
        if not wanted:
            finish_call(uc, <long> uc.uc_mcontext.rax, area.nr, area.ret, area)
            return
    if not come_out(uc, area, region, quiet, &restart):
        defer(area, uc, linux, info)
        return
    deliver(area, uc, linux, info, restart, area.ret)


# entry.S calls these with the guest's FXSAVE image; the frame has the callee-saved registers too.
# Model: FreeBSD sys/kern/kern_context.c.

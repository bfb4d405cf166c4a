# The frame of a signal handler: pushed, and taken back. Model: FreeBSD sys/amd64/amd64/exec_machdep.c (sendsig, sys_sigreturn).

cdef enum:
    TOLD_BY_CHILD = 0x0c535401      # in si_errno: a signal other than SIGCHLD that comes from the end of a child (rfork)
    TRAPNO_ALIGNMENT = 17
    SIGNAL_MINSTKSZ = 2048


cdef inline bint on_altstack(area_t *area, uint64_t rsp) noexcept nogil:
    return (not area.altstack_flags & FREEBSD_SS_DISABLE
            and area.altstack_sp <= rsp < area.altstack_sp + area.altstack_size)


cdef enum:
    TRAP_CAP_PRIVATE = 0x4c             # Linux has no si_code for TRAP_CAP: the shim's own (trap_signal)


cdef void fill_siginfo(freebsd_siginfo *to, linux_siginfo *source, int linux, int signo, int code,
                       linux_ucontext *uc) noexcept nogil:
    memset(to, 0, sizeof(freebsd_siginfo))
    to.si_signo = signo
    to.si_code = code
    if source.si_code > 0 and source.si_code != LINUX_SI_KERNEL and linux != LINUX_SIGCHLD \
            and source.si_errno != TOLD_BY_CHILD:
        if linux == LINUX_SIGTRAP and source.si_code == TRAP_CAP_PRIVATE:
            to.si_errno = source.si_errno
            to.reason.trapno = <int32_t> source.fields.fault.addr         # _capsicum._syscall
            return
        to.si_addr = source.fields.fault.addr
        if linux == LINUX_SIGSEGV and code == FREEBSD_SEGV_MAPERR and stack_holds(current_area().proc, to.si_addr, 1):
            # the guard of the main stack, of which all that is not in use is a part
            to.si_code = FREEBSD_SEGV_ACCERR
        to.reason.trapno = <int32_t> freebsd_trapno(linux, uc.uc_mcontext.trapno)
        return
    if source.si_code == LINUX_SI_KERNEL or source.si_errno == TOLD_BY_CHILD:
        return
    to.si_pid = source.fields.kill.pid
    to.si_uid = source.fields.kill.uid
    if linux == LINUX_SIGCHLD and source.si_code > 0:
        to.si_status = source.fields.child.status
        if source.si_code != 1:                 # not CLD_EXITED: the status is a signal
            to.si_status = lsf_signal_from_linux[source.fields.child.status & 63]
    elif code == FREEBSD_SI_TIMER:
        to.si_pid = 0
        to.si_uid = 0
        to.reason.timer.timerid = source.fields.timer.timerid
        to.reason.timer.overrun = source.fields.timer.overrun
        to.si_value = source.fields.timer.value
    else:
        to.si_value = (source.fields.kill.value if source.si_code == -1 or source.si_code == LINUX_SI_ASYNCIO
                       or source.si_code == LINUX_SI_MESGQ else 0)
        if code == FREEBSD_SI_MESGQ:
            mqueue_siginfo(current_area(), to)


cdef uint32_t freebsd_trapno(int linux, uint64_t trapno) noexcept nogil:
    """FreeBSD's T_ number (machine/trap.h) for x86's vector."""
    if trapno == 0:
        return 18           # T_DIVIDE
    if trapno == 1:
        return 10           # T_TRCTRAP
    if trapno == 3:
        return 3            # T_BPTFLT
    if trapno == 4:
        return 20           # T_OFLOW
    if trapno == 6:
        return 1            # T_PRIVINFLT
    if trapno == 13:
        return 9            # T_PROTFLT
    if trapno == 14:
        return 12           # T_PAGEFLT
    if trapno == 16:
        return 22           # T_ARITHTRAP
    if trapno == 17:
        return 14           # T_ALIGNFLT
    if trapno == 19:
        return 29           # T_XMMFLT
    return 0


cdef long push_frame(area_t *area, linux_ucontext *uc, handler_t *handler, int signo, int code, linux_siginfo *info,
                     int linux) noexcept nogil:
    """FreeBSD's sigframe on the guest's stack, and the registers of its handler: 0 or -EFAULT."""
    cdef freebsd_sigframe frame
    cdef freebsd_mcontext *mc = &frame.sf_uc.uc_mcontext
    cdef linux_sigcontext *regs = &uc.uc_mcontext
    cdef uint64_t sp, at, extended = 0
    cdef bint onstack = on_altstack(area, regs.rsp)
    memset(&frame, 0, sizeof(frame))
    memcpy(&frame.sf_uc.uc_sigmask, area.sigmask, 16)
    frame.sf_uc.uc_stack.ss_sp = area.altstack_sp
    frame.sf_uc.uc_stack.ss_size = area.altstack_size
    frame.sf_uc.uc_stack.ss_flags = (FREEBSD_SS_DISABLE if area.altstack_flags & FREEBSD_SS_DISABLE
                                     else FREEBSD_SS_ONSTACK if onstack else 0)
    freebsd_mcontext_from_linux(mc, regs, <void *> regs.fpstate, read_fsbase(), area.own.guest_gsbase)
    mc.mc_onstack = 1 if onstack else 0
    mc.mc_flags |= FREEBSD_MC_HASBASES
    mc.mc_trapno = 0
    mc.mc_err = 0
    mc.mc_addr = 0
    fill_siginfo(&frame.sf_si, info, linux, signo, code, uc)
    if info.si_code > 0 and is_fault_signal(linux) and info.si_errno != TOLD_BY_CHILD \
            and not (linux == LINUX_SIGTRAP and info.si_code == TRAP_CAP_PRIVATE):
        mc.mc_trapno = freebsd_trapno(linux, regs.trapno)
        mc.mc_err = regs.err
        mc.mc_addr = frame.sf_si.si_addr
        frame.sf_si.reason.trapno = mc.mc_trapno
    if regs.fpstate != 0:
        extended = linux_xstate_size(<void *> regs.fpstate) - FXSAVE_SIZE
        know_xstate(area.proc, regs.fpstate)
    if handler.flags & FREEBSD_SA_ONSTACK and not area.altstack_flags & FREEBSD_SS_DISABLE and not onstack:
        sp = area.altstack_sp + area.altstack_size
    else:
        sp = regs.rsp - 128
    if extended:
        sp = (sp - extended) & ~63UL
        mc.mc_xfpustate = sp
        mc.mc_xfpustate_len = extended
        mc.mc_flags |= FREEBSD_MC_HASFPXSTATE
        if copyout(<void *> (regs.fpstate + FXSAVE_SIZE), sp, extended) < 0:
            return -LINUX_EFAULT
    at = (sp - sizeof(frame)) & ~15UL
    frame.sf_handler = handler.function
    if copyout(&frame, at, sizeof(frame)) < 0:
        return -LINUX_EFAULT
    regs.rdi = signo
    if handler.flags & FREEBSD_SA_SIGINFO:
        regs.rsi = at + <uint64_t> (<char *> &frame.sf_si - <char *> &frame)
    else:
        regs.rsi = <uint64_t> <int64_t> frame.sf_si.si_code
    regs.rdx = at + <uint64_t> (<char *> &frame.sf_uc - <char *> &frame)
    regs.rcx = frame.sf_si.si_addr
    regs.rsp = at
    regs.cs = LINUX_CS                  # whatever code was interrupted
    regs.ss = LINUX_SS
    regs.rip = <uint64_t> sigcode_traced if area.proc.tracer or area.proc.own.debugged else <uint64_t> sigcode
    regs.eflags &= ~<uint64_t> (EFLAGS_TF | EFLAGS_DF)
    if area.own.has_tlsbase:
        write_fsbase(area.own.guest_tlsbase)        # sendsig: PCB_TLSBASE
    return 0


cdef inline bint is_fault_signal(int linux) noexcept nogil:
    return (linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS or linux == LINUX_SIGILL or linux == LINUX_SIGFPE
            or linux == LINUX_SIGTRAP)

# Contexts: getcontext(2) and its kin, and how one is entered. Model: FreeBSD sys/kern/kern_context.c, sys/amd64/amd64/exec_machdep.c.

cdef enum:
    FLAGS_RESTORED = 0x40dd5        # what Linux restores of the flags: CF PF AF ZF SF TF DF OF AC


# A Linux signal frame as rt_sigreturn takes it back: ucontext, and the vector state (at most AREA_STACK's worth of it).
cdef struct resume_t:
    linux_ucontext uc
    unsigned char fpstate[XSTATE_MAX + 64]
    bint extended


cdef long context_convert(process_t *proc, const freebsd_ucontext *context, resume_t *to) noexcept nogil:
    """The registers and the vector state of a context of the guest's: 0 or an error. The caller has checked mc_rflags, and
    sets the mask."""
    cdef const freebsd_mcontext *mc = &context.uc_mcontext
    cdef uint64_t at, extended = 0, length, limit = xstate_limit(proc), features = proc.xstate_features
    cdef int64_t size
    if mc.mc_flags & ~<uint32_t> (FREEBSD_MC_HASSEGS | FREEBSD_MC_HASBASES | FREEBSD_MC_HASFPXSTATE
                                  | (FREEBSD_MC_HASTLSBASE if proc.own.osreldate >= FREEBSD_SINCE_HASTLSBASE else 0)):
        return -LINUX_EINVAL                      # _MC_FLAG_MASK
    if is_no_place_to_run(mc.mc_rip) or WINDOW_BASE <= mc.mc_rsp < SHIM_END:
        return -LINUX_EINVAL
    if mc.mc_flags & FREEBSD_MC_HASBASES and (mc.mc_fsbase | mc.mc_gsbase) >> GUEST_ADDRESS_MAX_LOG:
        return -LINUX_EINVAL
    at = (<uint64_t> to.fpstate + 63) & ~63UL
    memset(&to.uc, 0, sizeof(to.uc))
    linux_sigcontext_from_freebsd(&to.uc.uc_mcontext, mc)
    if mc.mc_fpformat != FREEBSD_MC_FPFMT_NODEV and mc.mc_ownedfp != FREEBSD_MC_FPOWNED_NONE:
        if mc.mc_fpformat != FREEBSD_MC_FPFMT_XMM or (mc.mc_ownedfp != FREEBSD_MC_FPOWNED_FPU
                                                      and mc.mc_ownedfp != FREEBSD_MC_FPOWNED_PCB):
            return -LINUX_EINVAL
        if mc.mc_flags & FREEBSD_MC_HASFPXSTATE:
            extended = limit - FXSAVE_SIZE
            length = mc.mc_xfpustate_len
            if length > xstate_guest_limit(proc) - FXSAVE_SIZE or length < 64:
                return -LINUX_EINVAL
            length = length if length < extended else extended
            memset(<void *> (at + FXSAVE_SIZE), 0, extended)
            if copyin(mc.mc_xfpustate, <void *> (at + FXSAVE_SIZE), length) < 0:
                return -LINUX_EFAULT
            size = linux_fpstate_from_freebsd(<void *> at, XSTATE_MAX, mc, <void *> (at + FXSAVE_SIZE), extended,
                                              features, 0)
        else:
            size = linux_fpstate_from_freebsd(<void *> at, XSTATE_MAX, mc, NULL, 0, features, 0)
        if size < 0:
            return -LINUX_EINVAL
        to.uc.uc_mcontext.fpstate = at
    to.extended = extended != 0
    return 0


cdef void context_go(area_t *area, resume_t *to) noexcept nogil:
    """Leave the shim for a converted context, with the guest's mask; all signals are blocked. Does not return."""
    cdef uint64_t info[16]
    cdef int linux
    children_unblocked(area, area.sigmask)
    resumable(area, &to.uc, to.uc.uc_mcontext.fpstate, to.extended)
    if area.alignment & EXIT_TOLD:
        debug_look(area, &to.uc)
    to.uc.uc_sigmask = linux_mask_from(area.sigmask)
    if area.deferred:
        # It came while this call was under way: deliver it on top of the context, or leave it to the kernel.
        linux = area.deferred
        area.deferred = 0
        memcpy(info, area.info, 128)
        if to.uc.uc_sigmask & signal_bit(linux):
            info[CARRIER_KEPT] = 0
            signal_resend(area, linux, <linux_siginfo *> info)
        else:
            deliver(area, &to.uc, linux, <linux_siginfo *> info, False, 0)
    deliver_virtual(area, &to.uc)
    resume_from(&to.uc)


cdef long context_resume(area_t *area, const freebsd_ucontext *context) noexcept nogil:
    """Go on with a context of the guest's; returns only errors."""
    cdef resume_t to
    cdef long result = context_convert(area.proc, context, &to)
    if result < 0:
        return result
    block_all(NULL)
    memcpy(area.sigmask, &context.uc_sigmask, 16)
    area.sigmask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    if context.uc_mcontext.mc_flags & FREEBSD_MC_HASBASES:
        write_fsbase(context.uc_mcontext.mc_fsbase)
        area.own.guest_gsbase = context.uc_mcontext.mc_gsbase
    if context.uc_mcontext.mc_flags & FREEBSD_MC_HASTLSBASE:
        tlsbase_set(area, context.uc_mcontext.mc_spare[0])
    context_go(area, &to)
    return 0


cdef long context_store(frame_t *frame, area_t *area, uaddr to, const void *fxsave) noexcept nogil:
    """The context of a thread that is in getcontext: it goes on after the call, which then returns 0."""
    cdef freebsd_ucontext context
    cdef linux_sigcontext regs
    memset(&context, 0, sizeof(context))
    memset(&regs, 0, sizeof(regs))
    regs.rdi = frame.arg[0]
    regs.rsi = frame.arg[1]
    regs.r10 = frame.arg[3]
    regs.r8 = frame.arg[4]
    regs.r9 = frame.arg[5]
    regs.rbx = frame.rbx
    regs.rbp = frame.rbp
    regs.r12 = frame.r12
    regs.r13 = frame.r13
    regs.r14 = frame.r14
    regs.r15 = frame.r15
    regs.rcx = frame.ret
    regs.rip = frame.ret
    regs.rsp = frame.rsp
    regs.r11 = 0x202
    regs.eflags = 0x202
    freebsd_mcontext_from_linux(&context.uc_mcontext, &regs, fxsave, read_fsbase(), area.own.guest_gsbase)
    if area.own.has_tlsbase:
        context.uc_mcontext.mc_spare[0] = area.own.guest_tlsbase
    context.uc_mcontext.mc_trapno = 0
    context.uc_mcontext.mc_onstack = 1 if on_altstack(area, frame.rsp) else 0
    memcpy(&context.uc_sigmask, area.sigmask, 16)
    # uc_link and what follows it are the caller's.
    return copyout(&context, to, <uint64_t> &context.uc_link - <uint64_t> &context)


cdef long context_load(area_t *area, uaddr source) noexcept nogil:
    cdef freebsd_ucontext context
    memset(&context, 0, sizeof(context))
    if copyin(source, &context, <uint64_t> &context.uc_link - <uint64_t> &context) < 0:
        return -LINUX_EFAULT
    if not context_is_machine(&context.uc_mcontext):
        return -LINUX_EINVAL
    return context_resume(area, &context)


cdef bint context_is_machine(freebsd_mcontext *mc) noexcept nogil:
    """As set_mcontext looks at it: the size is checked, and flags that are not the program's are put right."""
    mc.mc_rflags = (mc.mc_rflags & FLAGS_RESTORED) | 0x202
    return mc.mc_len == sizeof(freebsd_mcontext)


cdef public long getcontext_with(frame_t *frame, area_t *area, const void *fxsave) noexcept nogil:
    if frame.arg[0] == 0:
        return -LINUX_EINVAL
    return context_store(frame, area, frame.arg[0], fxsave)


cdef public long swapcontext_with(frame_t *frame, area_t *area, const void *fxsave) noexcept nogil:
    cdef long result
    if frame.arg[0] == 0 or frame.arg[1] == 0:
        return -LINUX_EINVAL
    result = context_store(frame, area, frame.arg[0], fxsave)
    if result < 0:
        return result
    return context_load(area, frame.arg[1])


cdef public long sys_setcontext(frame_t *frame, area_t *area) noexcept nogil:
    if frame.arg[0] == 0:
        return -LINUX_EINVAL
    return context_load(area, frame.arg[0])


cdef public long sys_sigreturn(frame_t *frame, area_t *area) noexcept nogil:
    """Take back a context: registers, vector state and mask change at once, through Linux's rt_sigreturn."""
    cdef freebsd_ucontext context
    cdef freebsd_mcontext *mc = &context.uc_mcontext
    if copyin(frame.arg[0], &context, sizeof(context)) < 0:
        return -LINUX_EFAULT
    if (mc.mc_rflags ^ 0x202) & ~<uint64_t> FREEBSD_PSL_USERCHANGE != 0 or mc.mc_cs & 3 != 3:
        return -LINUX_EINVAL
    return context_resume(area, &context)

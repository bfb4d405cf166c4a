# Signals. Linux's handlers all lead to on_signal, which redirects syscalls (SIGSYS), repairs accessor faults, and
# delivers FreeBSD's signal frames. A signal never shows the guest a state inside the shim: see the regions in entry.S.
#
# SIGSEGV, SIGBUS and SIGSYS are in no Linux mask, ever, and always have the shim's handler: their masks and
# dispositions, as the guest sees them, are the shim's data ("virtual").
# Model: FreeBSD sys/amd64/amd64/exec_machdep.c (sendsig, sys_sigreturn), sys/kern/kern_sig.c.


cdef enum:
    CHILD_CODE_LAST = 6             # si_code of what is told of a child: CLD_EXITED (1) to CLD_CONTINUED
    VSYSCALL_PAGE = 0xffffffffff600000UL    # a page of Linux's, at which it answers three calls


cdef void shim_bug(int linux, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A fault inside the shim that no guest pointer explains: say so, where, and abort."""
    cdef char text[200]
    cdef uint64_t at = append(text, 0, 200, b"a bug in LSF: Linux signal ")
    at = append_number(text, at, 200, linux, 10)
    at = append(text, at, 200, b" at 0x")
    at = append_number(text, at, 200, uc.uc_mcontext.rip, 16)
    at = append(text, at, 200, b", address 0x")
    at = append_number(text, at, 200, info.fields.fault.addr, 16)
    at = append(text, at, 200, b", in FreeBSD syscall ")
    at = append_number(text, at, 200, current_area().frame.nr, 10)
    complain(text, NULL, NULL, NULL)
    kill_self(current_area(), LINUX_SIGABRT)


cdef public void foreign_call(area_t *area) noexcept nogil:
    """A thread called the kernel from 32-bit code. On Linux that is an i386 call, on FreeBSD/amd64 one of FreeBSD's with
    registers that have lost their upper halves: nothing that a program can mean."""
    complain(area.proc.execpath, b" made a system call from 32-bit code, which LSF does not run", NULL, NULL)
    kill_self(area, LINUX_SIGSYS)


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


cdef void enter_call(area_t *area, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A syscall outside the window trapped: lead it into the shim."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef bint by_interrupt = info.fields.sys.arch != LINUX_AUDIT_ARCH_X86_64
    if area.proc.vdso <= rip < area.proc.vdso_end and is_shim_stack(uc.uc_mcontext.rsp) and not by_interrupt:
        # The vDSO, which the shim called, fell back to its syscall: a Linux one.
        uc.uc_mcontext.rax = linux_syscall6(uc.uc_mcontext.rax, uc.uc_mcontext.rdi, uc.uc_mcontext.rsi,
                                            uc.uc_mcontext.rdx, uc.uc_mcontext.r10, uc.uc_mcontext.r8,
                                            uc.uc_mcontext.r9)
        return
    if uc.uc_mcontext.cs != LINUX_CS:
        foreign_call(area)
    if info.fields.sys.call_addr >= VSYSCALL_PAGE:
        vsyscall(area, uc, info)
        return
    if by_interrupt and uc.uc_mcontext.rcx != rip:
        # int 0x80. FreeBSD takes the fourth argument from rcx (cpu_fetch_syscall_args), which `syscall` would have
        # lost. When a call is made anew it is in r10 already, and rcx says where the site ends.
        uc.uc_mcontext.r10 = uc.uc_mcontext.rcx
    uc.uc_mcontext.rcx = rip
    uc.uc_mcontext.rip = <uint64_t> entry
    if not by_interrupt and trapped_enough(area.proc, rip):
        uc.uc_mcontext.rip = <uint64_t> patch_entry
    uc.uc_mcontext.eflags &= ~<uint64_t> FREEBSD_PSL_D


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


cdef bint finish_call(linux_ucontext *uc, long raw, uint64_t nr, uint64_t ret, area_t *area) noexcept nogil:
    """Leave a call on the guest's behalf, as entry.S would. True: the call will be restarted (rip at the site)."""
    uc.uc_mcontext.rcx = ret
    uc.uc_mcontext.r11 = 0
    uc.uc_mcontext.rip = ret
    if raw == -LINUX_ERESTARTSYS or raw == -LINUX_ERESTARTNOINTR:
        uc.uc_mcontext.rip = ret - 2
        uc.uc_mcontext.rax = nr
        return raw == -LINUX_ERESTARTSYS
    if raw == -RETURN_IN_AREA:
        uc.uc_mcontext.rax = area.retval
        uc.uc_mcontext.eflags &= ~<uint64_t> FREEBSD_PSL_C
    elif is_error(raw):
        uc.uc_mcontext.rax = lsf_errno_map[-raw]
        uc.uc_mcontext.eflags |= FREEBSD_PSL_C
    else:
        uc.uc_mcontext.rax = <uint64_t> raw
        uc.uc_mcontext.eflags &= ~<uint64_t> FREEBSD_PSL_C
    return False


cdef bint finish_translated(linux_ucontext *uc, area_t *area) noexcept nogil:
    """finish_call for the translate lane: the frame says how the guest goes on."""
    cdef frame_t *frame = area.frame
    if area.woken == WOKEN_ENDED:           # as at translate_apart
        if frame.result == <uint64_t> -LINUX_ERESTARTSYS:
            frame.result = <uint64_t> -LINUX_EINTR
        area.woken = 0
    uc.uc_mcontext.rdi = frame.arg[0]
    uc.uc_mcontext.rsi = frame.arg[1]
    uc.uc_mcontext.rdx = frame.arg[2]
    uc.uc_mcontext.r10 = frame.arg[3]
    uc.uc_mcontext.r8 = frame.arg[4]
    uc.uc_mcontext.r9 = frame.arg[5]
    uc.uc_mcontext.rsp = frame.rsp
    if area.alignment:
        area.alignment = 0
        uc.uc_mcontext.eflags |= FREEBSD_PSL_AC
    return finish_call(uc, <long> frame.result, frame.nr, frame.ret, area)


cdef void rewind(linux_ucontext *uc, area_t *area, uint64_t args) noexcept nogil:
    """Interrupted before the call was begun: back to the site. Past `args` rdi and rsi are in the frame."""
    if is_shim_stack(uc.uc_mcontext.rsp):
        if uc.uc_mcontext.rip > args:
            uc.uc_mcontext.rdi = area.frame.arg[0]
            uc.uc_mcontext.rsi = area.frame.arg[1]
        uc.uc_mcontext.rsp = area.guest_rsp
    uc.uc_mcontext.rip = uc.uc_mcontext.rcx - 2


cdef inline bint is_shim_stack(uint64_t rsp) noexcept nogil:
    return AREAS_BASE <= rsp < HEAP_BASE


cdef inline bint is_signal_stack(area_t *area, uint64_t rsp) noexcept nogil:
    """True in a handler of the shim's own."""
    return rsp - (<uint64_t> area - AREA_STRUCT + AREA_SIGSTACK) < AREA_SIGSTACK_SIZE


cdef void defer(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info) noexcept nogil:
    """Keep a signal for the end of the call under way, with all others blocked, and let a wait not begin."""
    if area.deferred == 0:
        memcpy(area.info, info, 128)
        area.deferred = linux
    elif is_virtual(lsf_signal_from_linux[linux]):
        # These come while all others are blocked.
        atomic_or32(&area.virtual_pending, <uint32_t> signal_bit(lsf_signal_from_linux[linux]))
    else:
        # A virtual one was deferred when this thread was about to leave the shim, and has not been delivered yet: this
        # one comes again when it has been.
        linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, area.tid, linux, <uint64_t> info)
    uc.uc_sigmask = linux_all_mask()
    if <uint64_t> blocking_check <= uc.uc_mcontext.rip <= <uint64_t> blocking_call \
            or <uint64_t> undeferred_check <= uc.uc_mcontext.rip <= <uint64_t> undeferred_call:
        uc.uc_mcontext.rip = <uint64_t> blocking_cancel


cdef void check_gs(area_t *area, uint64_t frame) noexcept nogil:
    """The signal stack, on which `frame` lies, tells the area too (but in the child of a vfork, which has its parent's).
    A program that loads the GS base itself, with wrgsbase, loses the shim: say so while it can be said."""
    cdef uint64_t at = (frame - AREAS_BASE) & ~(AREA_STRIDE - 1)
    cdef area_t *owner = <area_t *> (AREAS_BASE + at + AREA_STRUCT)
    cdef uint64_t other = <uint64_t> area - AREAS_BASE - AREA_STRUCT
    if other < AREA_STRIDE * AREA_COUNT and other & (AREA_STRIDE - 1) == 0 and slot_at(<int> (other // AREA_STRIDE)).state \
            and area.in_vfork:
        return
    write_gsbase(<uint64_t> owner)
    complain(owner.proc.execpath, b" changed the GS base, which LSF uses itself", NULL, NULL)
    kill_self(owner, LINUX_SIGABRT)


cdef bint call_was_dropped(process_t *proc, linux_ucontext *uc) noexcept nogil:
    """True where a syscall was executed and did not trap. Linux raises no SIGSYS for it while another one, which was sent
    to the thread, is on its way: what is left are the registers as `syscall` sets them, as no call that was made leaves
    them (r11)."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef uint16_t code = 0
    return ((proc.engine == ENGINE_SUD or proc.engine == ENGINE_TRAP) and rip - WINDOW_BASE >= WINDOW_SIZE
            and uc.uc_mcontext.rcx == rip and (uc.uc_mcontext.r11 ^ uc.uc_mcontext.eflags) & ~<uint64_t> FREEBSD_PSL_RF == 0
            and copyin(rip - 2, &code, 2) == 0 and (code == SYSCALL_BYTES or site_is_patched(rip)))


cdef inline bint is_step(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """True for the trap after an instruction of who set the trap flag."""
    return linux == LINUX_SIGTRAP and info.si_code > 0 and uc.uc_mcontext.eflags & FREEBSD_PSL_T != 0


cdef public void on_signal(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """Every Linux signal that the shim handles comes here, on the thread's Linux signal stack, all others blocked."""
    cdef area_t *area = current_area()
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef bint from_kernel = info.si_code > 0 and info.si_code != 0x10000
    cdef bint restart = False, quiet = False, wanted = False
    if uc.uc_mcontext.eflags & FREEBSD_PSL_AC:
        clear_alignment_check()             # Linux leaves it on in a handler
    if <uint64_t> area - <uint64_t> uc >= AREA_STRUCT:
        check_gs(area, <uint64_t> uc)
    if linux == LINUX_CARRIER:
        carrier_from_timer(area.proc, info)
        quiet = not carrier_wanted(area, info)
        if info.si_code == LINUX_SI_MESGQ:
            mqueue_send_on(area, info)
    elif linux == LINUX_SIGCHLD and area.proc.procdescs != NULL and info.si_code > 0 and procdesc_swallow(area.proc, info):
        linux = LINUX_CARRIER           # as below
        info.si_code = LINUX_SI_MESGQ
        quiet = True
    elif linux == LINUX_SIGBUS and is_wake_signal(info):
        wake_again(area)
        return
    elif linux == LINUX_SIGBUS and is_ids_signal(info):
        ids_adopt(area)
        if area.deferred or is_signal_stack(area, uc.uc_mcontext.rsp):
            return                      # what this interrupts sees to the call
        linux = LINUX_CARRIER           # from here on as one that nobody wants
        info.si_code = LINUX_SI_MESGQ
        quiet = True
    if linux == LINUX_SIGSYS and (info.si_code == LINUX_SYS_USER_DISPATCH or info.si_code == LINUX_SYS_SECCOMP):
        enter_call(area, uc, info)
        return
    if is_told_by_child(linux, info, uc):
        info.si_errno = TOLD_BY_CHILD
        from_kernel = False
    if linux == LINUX_SIGSYS and call_was_dropped(area.proc, uc):
        rip -= 2                            # it is made after the handler
        uc.uc_mcontext.rip = rip
    if linux == LINUX_SIGBUS and from_kernel and info.si_code == FREEBSD_BUS_ADRALN \
            and uc.uc_mcontext.eflags & FREEBSD_PSL_AC \
            and (rip - WINDOW_BASE < WINDOW_SIZE or area.proc.vdso <= rip < area.proc.vdso_end):
        # The guest has set AC, and the shim's code is not made for it: without AC until the call ends.
        uc.uc_mcontext.eflags &= ~<uint64_t> FREEBSD_PSL_AC
        if not is_signal_stack(area, uc.uc_mcontext.rsp):
            area.alignment = 1
        return
    if from_kernel and (linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS):
        if <uint64_t> accessors <= rip < <uint64_t> accessors_end:
            uc.uc_mcontext.rip = <uint64_t> accessor_fault
            return
    if rip - WINDOW_BASE >= WINDOW_SIZE and not is_shim_stack(uc.uc_mcontext.rsp):
        if is_step(linux, info, uc) and step_is_ours(rip):
            return                      # the guest steps: our jump is no instruction of its own, what it displaced is
        uc.uc_mcontext.rip = outside_trampolines(rip)
        deliver(area, uc, linux, info, False, 0)
        return
    if is_step(linux, info, uc):
        uc.uc_mcontext.eflags &= ~<uint64_t> FREEBSD_PSL_T       # the guest single-steps itself: that ends at a syscall
        return
    if from_kernel and is_fault_signal(linux):
        if not is_shim_stack(uc.uc_mcontext.rsp):
            # The program jumped here by itself: the shim's code has left its stack only where nothing can fault, but for
            # the jump back to an address that is none.
            deliver(area, uc, linux, info, False, 0)
            return
        if <uint64_t> entry <= rip < <uint64_t> entry_end:
            kill_self(area, linux)      # the same, between the loading of the stack and the call of a handler
        shim_bug(linux, uc, info)
    if <uint64_t> entry <= rip <= <uint64_t> pass_syscall:
        if rip == <uint64_t> pass_syscall:
            uc.uc_mcontext.rcx = area.ret
            uc.uc_mcontext.rax = area.nr
        uc.uc_mcontext.rip = uc.uc_mcontext.rcx - 2
    elif <uint64_t> pass_return <= rip < <uint64_t> pass_converted:
        if linux == FREEBSD_SIGPIPE and <long> uc.uc_mcontext.rax == -LINUX_EPIPE:
            uc.uc_mcontext.rax = <uint64_t> send_error(<int> uc.uc_mcontext.rdi, -LINUX_EPIPE, False, &wanted)
            if not wanted:
                finish_call(uc, <long> uc.uc_mcontext.rax, area.nr, area.ret, area)
                return
        if <long> uc.uc_mcontext.rax == -LINUX_EINTR and quiet:
            finish_call(uc, -LINUX_ERESTARTNOINTR, area.nr, area.ret, area)
        elif <long> uc.uc_mcontext.rax == -LINUX_EINTR and lsf_restart[area.nr]:
            restart = finish_call(uc, -LINUX_ERESTARTSYS, area.nr, area.ret, area)
        else:
            finish_call(uc, <long> uc.uc_mcontext.rax, area.nr, area.ret, area)
    elif <uint64_t> pass_converted <= rip < <uint64_t> pass_end:
        uc.uc_mcontext.rip = area.ret
        uc.uc_mcontext.eflags |= FREEBSD_PSL_C
    elif <uint64_t> guarded <= rip <= <uint64_t> translate_call:
        rewind(uc, area, <uint64_t> translate_args)
    elif <uint64_t> patch_entry <= rip <= <uint64_t> patch_call:
        rewind(uc, area, <uint64_t> patch_args)
    elif <uint64_t> translate_commit <= rip < <uint64_t> translate_end \
            or <uint64_t> patch_commit <= rip < <uint64_t> patch_end:
        restart = finish_translated(uc, area)
    elif <uint64_t> tail_return <= rip < <uint64_t> tail_end and not area.deferred:
        area.frame.result = uc.uc_mcontext.rax
        restart = finish_translated(uc, area)
    else:
        defer(area, uc, linux, info)
        return
    deliver(area, uc, linux, info, restart, area.ret)


# entry.S calls these with the guest's FXSAVE image; the frame has the callee-saved registers too.
# Model: FreeBSD sys/kern/kern_context.c.

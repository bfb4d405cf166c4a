# Signals. Linux's handlers all lead to on_signal, which redirects syscalls (SIGSYS), repairs accessor faults, and
# delivers FreeBSD's signal frames. A signal never shows the guest a state inside the shim: see the regions in entry.S.
#
# SIGSEGV, SIGBUS and SIGSYS are in no Linux mask, ever, and always have the shim's handler: their masks and
# dispositions, as the guest sees them, are the shim's data ("virtual").
# Model: FreeBSD sys/amd64/amd64/exec_machdep.c (sendsig, sys_sigreturn), sys/kern/kern_sig.c.

cdef enum:
    RESENT_MAGIC = 0x4c540000       # in si_errno, above the si_code: a signal that signal_resend had to queue

cdef enum:
    SIGNAL_MAX = 128
    HANDLER_KNOWN = 0x80000000UL    # in handler_t.flags: what the shim inherited was looked up
    HANDLER_SET = 0x40000000        # the guest has set it: else it shows SA_RESTART, as on FreeBSD
    CHILD_CODE_LAST = 6             # si_code of what is told of a child: CLD_EXITED (1) to CLD_CONTINUED
    TOLD_BY_CHILD = 0x0c535401      # in si_errno: a signal other than SIGCHLD that comes from the end of a child (rfork)
    FLAGS_RESTORED = 0x40dd5        # what Linux restores of the flags: CF PF AF ZF SF TF DF OF AC
    TRAPNO_ALIGNMENT = 17
    SYSCALL_BYTES = 0x050f
    SW_BYTES = 464                  # where struct linux_fpx_sw_bytes lies in the FXSAVE image
    SIGNAL_MINSTKSZ = 2048
    XSTATE_MAX = 12288
    VSYSCALL_PAGE = 0xffffffffff600000UL    # a page of Linux's, at which it answers three calls
    AMX_COMPONENTS = 0x60000UL


cdef inline uint64_t signal_bit(int signo) noexcept nogil:
    return 1UL << ((signo - 1) & 63)


cdef inline uint64_t linux_all_mask() noexcept nogil:
    """Every Linux signal but the three that must never be blocked."""
    return ~(signal_bit(LINUX_SIGSEGV) | signal_bit(LINUX_SIGBUS) | signal_bit(LINUX_SIGSYS))


cdef inline bint mask_has(const uint64_t *mask, int signo) noexcept nogil:
    return (mask[(signo - 1) >> 6] >> ((signo - 1) & 63)) & 1


cdef inline bint is_blocked(area_t *area, int signo) noexcept nogil:
    """Blocked now: by the mask of a wait, while one is under way."""
    if area.suspended:
        return mask_has(area.suspend_mask, signo)
    return mask_has(area.sigmask, signo)


cdef uint64_t linux_mask_from(const uint64_t *mask) noexcept nogil:
    """Linux's mask for a FreeBSD one, without the three virtual signals."""
    cdef uint64_t result = carrier_mask(mask), bits
    cdef int word, bit, linux
    for word in range(2):
        bits = mask[word]
        while bits:
            bit = count_trailing_zeros(bits)
            bits = bits & (bits - 1)
            linux = lsf_signal_to_linux[word * 64 + bit + 1]
            if linux:
                result |= signal_bit(linux)
    return result & linux_all_mask()


cdef void mask_from_linux(uint64_t linux_mask, uint64_t *mask) noexcept nogil:
    cdef int signo
    mask[0] = 0
    mask[1] = 0
    for signo in range(1, 65):
        if linux_mask & signal_bit(signo) and lsf_signal_from_linux[signo]:
            mask[(lsf_signal_from_linux[signo] - 1) >> 6] |= signal_bit(lsf_signal_from_linux[signo])


cdef inline void mask_inherited(uint64_t linux_mask, uint64_t *mask) noexcept nogil:
    """The guest's mask where only Linux's is known."""
    mask_from_linux(linux_mask, mask)
    if linux_mask & signal_bit(LINUX_CARRIER):
        mask[0] |= CARRIED_LOW
        mask[1] |= CARRIED_HIGH


cdef inline bint is_virtual(int signo) noexcept nogil:
    return signo == FREEBSD_SIGSEGV or signo == FREEBSD_SIGBUS or signo == FREEBSD_SIGSYS


cdef uint64_t virtual_ignored(process_t *proc) noexcept nogil:
    """Bits of the virtual signals that the guest ignores (for a handover)."""
    cdef uint64_t bits = 0
    if proc.handlers[FREEBSD_SIGSEGV].function == FREEBSD_SIG_IGN:
        bits |= signal_bit(FREEBSD_SIGSEGV)
    if proc.handlers[FREEBSD_SIGBUS].function == FREEBSD_SIG_IGN:
        bits |= signal_bit(FREEBSD_SIGBUS)
    if proc.handlers[FREEBSD_SIGSYS].function == FREEBSD_SIG_IGN:
        bits |= signal_bit(FREEBSD_SIGSYS)
    return bits


cdef void carried_ignored(process_t *proc, uint64_t *bits) noexcept nogil:
    """The same for signals without a Linux number, added to two words."""
    cdef int signo
    for signo in range(34, SIGNAL_MAX + 1):
        if is_carried(signo) and proc.handlers[signo].function == FREEBSD_SIG_IGN:
            bits[(signo - 1) >> 6] |= signal_bit(signo)


cdef uint64_t linux_virtual_mask(area_t *area) noexcept nogil:
    """The guest's blocked virtual signals as a Linux mask (for a Linux program that it executes)."""
    cdef uint64_t bits = 0
    if mask_has(area.sigmask, FREEBSD_SIGSEGV):
        bits |= signal_bit(LINUX_SIGSEGV)
    if mask_has(area.sigmask, FREEBSD_SIGBUS):
        bits |= signal_bit(LINUX_SIGBUS)
    if mask_has(area.sigmask, FREEBSD_SIGSYS):
        bits |= signal_bit(LINUX_SIGSYS)
    return bits


cdef void set_linux_handler(int linux, uint64_t function, uint64_t flags) noexcept nogil:
    cdef uint64_t action[4]
    action[0] = function
    action[1] = flags
    action[2] = <uint64_t> signal_restorer
    # SIGSYS too: on_signal makes no call that would raise it, and who sends it fast shall not fill the signal stack.
    action[3] = linux_all_mask() | signal_bit(LINUX_SIGSYS)
    # NODEFER: an accessor may fault within the handler, and that fault must come through.
    action[1] |= 0x40000000
    linux_syscall4(LINUX_SYS_rt_sigaction, linux, <uint64_t> action, 0, 8)


cdef bint is_watched(process_t *proc, int signo) noexcept nogil:
    """True for a signal that the shim wants to see although the guest leaves it to its default, the end: truss shows
    it, and SIGPIPE may be one that FreeBSD does not send (failed.pxi)."""
    if signo == FREEBSD_SIGPIPE and proc.nosigpipe:
        return True
    return proc.traced and signo != FREEBSD_SIGKILL and (lsf_signal_default[signo] == LSF_SIGNAL_TERMINATE
                                                 or lsf_signal_default[signo] == LSF_SIGNAL_CORE)


cdef void apply_disposition(process_t *proc, int signo) noexcept nogil:
    """Make Linux's disposition follow the guest's."""
    cdef int linux = lsf_signal_to_linux[signo]
    cdef uint64_t flags = 0x04000000 | 0x08000000 | 4       # RESTORER | ONSTACK | SIGINFO
    cdef uint64_t function = proc.handlers[signo].function
    if linux == 0 or is_virtual(signo):
        return
    if proc.handlers[signo].flags & FREEBSD_SA_NOCLDSTOP:
        flags |= 1
    if proc.handlers[signo].flags & FREEBSD_SA_NOCLDWAIT:
        flags |= 2
    if function == FREEBSD_SIG_DFL and lsf_signal_default[signo] == LSF_SIGNAL_IGNORE \
            and (linux >= 32 or linux == LINUX_SIGIO):
        function = FREEBSD_SIG_IGN          # Linux's default for the carrier would kill
    if event_wants_signal(proc, signo) and (function == FREEBSD_SIG_IGN or lsf_signal_default[signo] == LSF_SIGNAL_IGNORE):
        function = <uint64_t> on_signal
    elif function > FREEBSD_SIG_IGN or (function == FREEBSD_SIG_DFL and is_watched(proc, signo)):
        function = <uint64_t> on_signal
    elif signo == FREEBSD_SIGTRAP and proc.tracer:
        function = <uint64_t> on_signal     # a single step of a tracer would make Linux forget that it is ignored
    set_linux_handler(linux, function, flags)


cdef inline bint is_ignored(process_t *proc, int signo) noexcept nogil:
    """ps_sigignore: what is sent is forgotten at once, even while it is blocked. (Linux keeps what is blocked.)"""
    return (proc.handlers[signo].function == FREEBSD_SIG_IGN
            or (proc.handlers[signo].function == FREEBSD_SIG_DFL and lsf_signal_default[signo] == LSF_SIGNAL_IGNORE))


cdef void ignored_signals(process_t *proc, uint64_t *set_) noexcept nogil:
    """The members of a set that the guest ignores."""
    cdef uint64_t bits
    cdef int word, bit
    for word in range(2):
        bits = set_[word]
        set_[word] = 0
        while bits:
            bit = count_trailing_zeros(bits)
            bits = bits & (bits - 1)
            if not proc.handlers[word * 64 + bit + 1].flags & HANDLER_KNOWN:
                lock_acquire(&proc.lock_signal)
                know_handler(proc, word * 64 + bit + 1)
                lock_release(&proc.lock_signal)
            if is_ignored(proc, word * 64 + bit + 1):
                set_[word] |= 1UL << bit


cdef void forget_pending(int linux) noexcept nogil:
    """Take what Linux kept of a blocked signal while the guest ignored it."""
    cdef uint64_t set_ = signal_bit(linux)
    cdef uint64_t zero[2]
    zero[0] = 0
    zero[1] = 0
    while linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &set_, 0, <uint64_t> zero, 8) > 0:
        pass


cdef void know_handler(process_t *proc, int signo) noexcept nogil:
    """Look up, once, whether an untouched signal was inherited as ignored."""
    cdef uint64_t action[4]
    cdef int linux = lsf_signal_to_linux[signo]
    if proc.handlers[signo].flags & HANDLER_KNOWN:
        return
    proc.handlers[signo].flags |= HANDLER_KNOWN
    if linux == 0 or is_virtual(signo) or (linux >= 32 and lsf_signal_default[signo] == LSF_SIGNAL_IGNORE) \
            or linux == LINUX_SIGIO:
        return
    action[0] = 0
    linux_syscall4(LINUX_SYS_rt_sigaction, linux, 0, <uint64_t> action, 8)
    if action[0] == FREEBSD_SIG_IGN:
        proc.handlers[signo].function = FREEBSD_SIG_IGN


cdef void signal_stack(area_t *area) noexcept nogil:
    """Give this thread its Linux signal stack."""
    cdef uint64_t stack[3]
    stack[0] = <uint64_t> area - AREA_STRUCT + AREA_SIGSTACK
    stack[1] = 0
    stack[2] = AREA_SIGSTACK_SIZE
    linux_syscall2(LINUX_SYS_sigaltstack, <uint64_t> stack, 0)


cdef void arm(process_t *proc) noexcept nogil:
    """Let every syscall outside the window trap (per thread: fork and clone lose it)."""
    if proc.engine == ENGINE_SUD:
        linux_syscall5(LINUX_SYS_prctl, 59, 1, WINDOW_BASE, WINDOW_SIZE, 0)      # PR_SET_SYSCALL_USER_DISPATCH


cdef void arm_first(process_t *proc) noexcept nogil:
    """Arm the engine at the start of a program; auto falls back to a seccomp filter where the kernel has no SUD."""
    cdef long result
    if proc.engine == ENGINE_PTRACE or proc.filter_installed:
        return
    if proc.engine == ENGINE_AUTO or proc.engine == ENGINE_SUD:
        result = linux_syscall5(LINUX_SYS_prctl, 59, 1, WINDOW_BASE, WINDOW_SIZE, 0)
        if not is_error(result):
            proc.engine = ENGINE_SUD
            return
        if proc.engine == ENGINE_SUD:
            die(EXIT_LSF, b"this kernel has no Syscall User Dispatch (Linux 5.11 or later has)", NULL)
        complain(b"no Syscall User Dispatch here (Linux 5.11 or later has it); a seccomp filter traps instead",
                 NULL, NULL, NULL)
        proc.engine = ENGINE_TRAP
    result = seccomp_trap_outside_window()
    proc.filter_installed = 1
    if is_error(result):
        die(EXIT_LSF, b"neither Syscall User Dispatch nor a seccomp filter is allowed here", NULL)


cdef void signals_start(process_t *proc, area_t *area, start_t *start) noexcept nogil:
    """Save the inherited mask, install the shim's handlers, unblock the virtual signals, arm."""
    cdef uint64_t old = 0, all_ = linux_all_mask(), flags = 0x04000000 | 0x08000000 | 4
    cdef int signo
    linux_syscall4(LINUX_SYS_rt_sigprocmask, 2, <uint64_t> &all_, <uint64_t> &old, 8)
    if start.has_mask:
        area.sigmask[0] = start.mask[0]
        area.sigmask[1] = start.mask[1]
    else:
        mask_inherited(old, area.sigmask)
        know_virtual(proc, FREEBSD_SIGSEGV, LINUX_SIGSEGV)
        know_virtual(proc, FREEBSD_SIGBUS, LINUX_SIGBUS)
        know_virtual(proc, FREEBSD_SIGSYS, LINUX_SIGSYS)
        set_linux_handler(LINUX_SIGCHLD, FREEBSD_SIG_DFL, LINUX_SA_RESTORER)    # never ignored at a start (execsigs)
    if start.ignored & signal_bit(FREEBSD_SIGSEGV):
        proc.handlers[FREEBSD_SIGSEGV].function = FREEBSD_SIG_IGN
    if start.ignored & signal_bit(FREEBSD_SIGBUS):
        proc.handlers[FREEBSD_SIGBUS].function = FREEBSD_SIG_IGN
    if start.ignored & signal_bit(FREEBSD_SIGSYS):
        proc.handlers[FREEBSD_SIGSYS].function = FREEBSD_SIG_IGN
    for signo in range(34, SIGNAL_MAX + 1):
        if is_carried(signo) and ((start.ignored if signo <= 64 else start.ignored_high) & signal_bit(signo)) != 0:
            proc.handlers[signo].function = FREEBSD_SIG_IGN
    area.virtual_pending = <uint32_t> start.pending
    area.altstack_flags = FREEBSD_SS_DISABLE
    signal_stack(area)
    area.ready = 1
    set_linux_handler(LINUX_SIGSYS, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_SIGSEGV, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_SIGBUS, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_CARRIER, <uint64_t> on_signal, flags)
    if not start.ordinary:
        apply_disposition(proc, FREEBSD_SIGIO)
        apply_disposition(proc, FREEBSD_SIGINFO)
        apply_disposition(proc, FREEBSD_SIGTHR)
        apply_disposition(proc, FREEBSD_SIGLIBRT)
    if proc.nosigpipe:
        know_handler(proc, FREEBSD_SIGPIPE)
        apply_disposition(proc, FREEBSD_SIGPIPE)
    arm_first(proc)
    set_linux_mask(area)


cdef void know_virtual(process_t *proc, int signo, int linux) noexcept nogil:
    cdef uint64_t action[4]
    action[0] = 0
    linux_syscall4(LINUX_SYS_rt_sigaction, linux, 0, <uint64_t> action, 8)
    if action[0] == FREEBSD_SIG_IGN:
        proc.handlers[signo].function = FREEBSD_SIG_IGN


cdef void set_linux_mask(area_t *area) noexcept nogil:
    """Make Linux's mask follow the guest's. While a signal is deferred all stay blocked; deliver_at_exit
    sets the mask then."""
    cdef uint64_t mask
    if area.deferred:
        return
    if area.virtual_pending & ~<uint32_t> area.sigmask[0]:
        defer_virtual(area)
        return
    if defer_kept(area, area.sigmask):
        return
    mask = linux_mask_from(area.sigmask)
    set_mask_unless_deferred(area, mask)


cdef void set_mask_unless_deferred(area_t *area, uint64_t mask) noexcept nogil:
    """Give Linux a mask as one step with the check that no signal is deferred: one that came between the two has blocked
    all others, and must find them blocked."""
    cdef uint32_t not_begun = area.not_begun
    undeferred_syscall(LINUX_SYS_rt_sigprocmask, 2, <uint64_t> &mask, 0, 8, 0, 0)
    area.not_begun = not_begun


cdef void block_all(uint64_t *old) noexcept nogil:
    cdef uint64_t mask = linux_all_mask()
    linux_syscall4(LINUX_SYS_rt_sigprocmask, 2, <uint64_t> &mask, <uint64_t> old, 8)


cdef bint defer_kept(area_t *area, const uint64_t *mask) noexcept nogil:
    """Deliver a kept signal that `mask` does not block at the end of the call. True: done, and all are blocked."""
    cdef process_t *proc = area.proc
    if (atomic_or64(&proc.kept_bits[0], 0) & ~mask[0]) == 0 and (atomic_or64(&proc.kept_bits[1], 0) & ~mask[1]) == 0:
        return False
    block_all(NULL)
    if area.deferred:
        return True
    if not kept_take(area, mask, <linux_siginfo *> area.info):
        return False
    area.deferred = LINUX_CARRIER
    return True


cdef void defer_virtual(area_t *area) noexcept nogil:
    """A virtual signal that was sent while blocked is now unblocked: deliver it at the end of the call."""
    cdef uint32_t ready
    cdef int signo
    block_all(NULL)
    ready = area.virtual_pending & ~<uint32_t> area.sigmask[0]
    if ready == 0 or area.deferred:
        return
    signo = count_trailing_zeros(ready) + 1
    atomic_and32(&area.virtual_pending, ~<uint32_t> signal_bit(signo))
    memset(area.info, 0, sizeof(area.info))
    (<linux_siginfo *> area.info).si_signo = lsf_signal_to_linux[signo]
    area.deferred = lsf_signal_to_linux[signo]


cdef void signal_self(area_t *area, int signo) noexcept nogil:
    """Send the calling thread one of SEGV, BUS and SYS, as FreeBSD's kernel does; it is delivered at the end of the call."""
    if area.proc.handlers[signo].function == FREEBSD_SIG_IGN:
        return
    if not is_blocked(area, signo):
        block_all(NULL)
        if area.deferred == 0:
            memset(area.info, 0, sizeof(area.info))
            (<linux_siginfo *> area.info).si_signo = lsf_signal_to_linux[signo]
            (<linux_siginfo *> area.info).si_code = LINUX_SI_KERNEL
            area.deferred = lsf_signal_to_linux[signo]
            return
    atomic_or32(&area.virtual_pending, <uint32_t> signal_bit(signo))


cdef void kill_self(area_t *area, int linux) noexcept nogil:
    """Die by a signal's default action."""
    cdef uint64_t mask
    umtx_thread_exit(area)
    set_linux_handler(linux, FREEBSD_SIG_DFL, 0x04000000)
    linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, linux)
    mask = linux_all_mask() & ~signal_bit(linux)
    linux_syscall4(LINUX_SYS_rt_sigprocmask, 2, <uint64_t> &mask, 0, 8)
    linux_syscall1(LINUX_SYS_exit_group, 128 + linux)


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


cdef inline bint is_fault_signal(int linux) noexcept nogil:
    return (linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS or linux == LINUX_SIGILL or linux == LINUX_SIGFPE
            or linux == LINUX_SIGTRAP)


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


cdef void resumable(area_t *area, linux_ucontext *uc, uint64_t fpstate, bint extended) noexcept nogil:
    """Make a Linux signal frame of registers, for resume_from."""
    uc.uc_mcontext.fpstate = fpstate
    uc.uc_flags = 7 if extended else 6          # UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
    uc.uc_stack.ss_sp = <uint64_t> area - AREA_STRUCT + AREA_SIGSTACK
    uc.uc_stack.ss_size = AREA_SIGSTACK_SIZE


cdef public void deliver_at_exit(frame_t *frame, area_t *area) noexcept nogil:
    """The call is over, its frame is complete, and a signal waits. Build the state that Linux would have saved, with the
    vector registers, which are the guest's still, deliver the signal on it, and go on there. Never returns."""
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    cdef uint64_t at = (<uint64_t> fpstate + 63) & ~63UL, size = xstate_limit(area.proc)
    cdef linux_fpx_sw_bytes *notes = <linux_fpx_sw_bytes *> (at + SW_BYTES)
    memset(&uc, 0, sizeof(uc))
    uc.uc_mcontext.rbx = frame.rbx
    uc.uc_mcontext.rbp = frame.rbp
    uc.uc_mcontext.r12 = frame.r12
    uc.uc_mcontext.r13 = frame.r13
    uc.uc_mcontext.r14 = frame.r14
    uc.uc_mcontext.r15 = frame.r15
    uc.uc_mcontext.eflags = 0x202
    uc.uc_mcontext.cs = LINUX_CS
    uc.uc_mcontext.ss = LINUX_SS
    notes.magic1 = LINUX_FP_XSTATE_MAGIC1
    notes.extended_size = <uint32_t> size + 4
    notes.xfeatures = area.proc.xstate_features
    notes.xstate_size = <uint32_t> size
    memset(<void *> (at + FXSAVE_SIZE), 0, 64)      # the XSAVE header
    xsave(<void *> at, area.proc.xstate_features)
    (<uint32_t *> (at + size))[0] = LINUX_FP_XSTATE_MAGIC2
    resumable(area, &uc, at, True)
    if not area.deferred:
        block_all(NULL)
    if area.deferred:
        deliver_deferred(area, &uc)
    else:
        finish_translated(&uc, area)        # it is here for EFLAGS.AC alone
        uc.uc_sigmask = linux_mask_from(area.sigmask)
        deliver_virtual(area, &uc)
    resume_from(&uc)


cdef void deliver_deferred(area_t *area, linux_ucontext *uc) noexcept nogil:
    cdef uint64_t info[16]
    cdef int linux = area.deferred
    cdef bint restart
    if linux == LINUX_CARRIER and area.frame.result == <uint64_t> -LINUX_EINTR and area.woken != WOKEN_ENDED \
            and not carrier_wanted(area, <linux_siginfo *> area.info):
        area.frame.result = <uint64_t> -LINUX_ERESTARTNOINTR       # nothing that the guest shall see ended the call
    restart = finish_translated(uc, area)
    memcpy(info, area.info, 128)
    area.deferred = 0
    uc.uc_sigmask = linux_mask_from(area.sigmask)
    # A call that had not begun to wait is begun anew after the handler, as if the signal had come before it.
    restart = restart and not area.not_begun
    area.not_begun = 0
    deliver(area, uc, linux, <linux_siginfo *> info, restart, area.frame.ret)
    area.suspended = 0
    deliver_virtual(area, uc)


cdef void deliver_virtual(area_t *area, linux_ucontext *uc) noexcept nogil:
    """Deliver what waited among the virtual signals, and those that the shim keeps, and is not blocked any more."""
    cdef uint64_t info[16]
    cdef uint32_t ready
    cdef int signo
    if fast_blocked(area):
        if area.virtual_pending & ~<uint32_t> area.sigmask[0] or atomic_or64(&area.proc.kept_bits[0], 0) & ~area.sigmask[0] \
                or atomic_or64(&area.proc.kept_bits[1], 0) & ~area.sigmask[1]:
            fast_pend(area)
        return
    while True:
        ready = area.virtual_pending & ~<uint32_t> area.sigmask[0]
        if ready == 0:
            break
        signo = count_trailing_zeros(ready) + 1
        atomic_and32(&area.virtual_pending, ~<uint32_t> signal_bit(signo))
        memset(info, 0, sizeof(info))
        deliver(area, uc, lsf_signal_to_linux[signo], <linux_siginfo *> info, False, 0)
    while kept_take(area, area.sigmask, <linux_siginfo *> info):
        deliver(area, uc, LINUX_CARRIER, <linux_siginfo *> info, False, 0)


cdef void signal_resend(area_t *area, int linux, linux_siginfo *info) noexcept nogil:
    """Give back a signal that this thread, which has all blocked, cannot take now. If it was sent to the process it came here by
    chance, and another thread may have it. What kill(2) or the kernel sent Linux lets none but the first thread send: it
    goes as if it were queued, and says what it was."""
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
    if info.si_code == -1 and <uint32_t> info.si_errno & 0xffff0000UL == RESENT_MAGIC:
        info.si_code = info.si_errno & 0xffff
        info.si_errno = 0
    if linux == LINUX_CARRIER:
        return carried_signal(info, code)
    if info.si_errno == TOLD_BY_CHILD:
        code[0] = FREEBSD_SI_KERNEL     # exit1 in kern_exit.c sends it by kern_psignal
        return signo
    code[0] = linux_to_freebsd_si_code(linux, info.si_code, &signo)
    return signo


cdef void deliver(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info, bint restart,
                  uint64_t ret) noexcept nogil:
    """Deliver a signal to the guest, whose complete state is uc: run its handler, or do what FreeBSD does by default.

    restart: rip stands at the site of an interrupted call, which only SA_RESTART lets happen; ret: after the site."""
    cdef process_t *proc = area.proc
    cdef handler_t handler
    cdef freebsd_siginfo traced
    cdef int code = 0
    cdef int signo = trap_signal(info, linux, &code)
    cdef bint fault = info.si_code > 0 and is_fault_signal(linux) and info.si_errno != TOLD_BY_CHILD
    if signo <= 0 or (not fault and fast_hold(area, uc, linux, info, signo)):
        return
    if is_virtual(signo) and not fault and mask_has(area.sigmask, signo):
        if proc.handlers[signo].function == FREEBSD_SIG_IGN:
            return
        atomic_or32(&area.virtual_pending, <uint32_t> signal_bit(signo))
        return
    if linux == LINUX_CARRIER:
        if not info.si_errno & CARRIER_SEEN or info.si_code != -1:
            event_signal(proc, signo)
        if is_blocked(area, signo):
            info.si_errno |= CARRIER_SEEN
            keep_carried(area, info)
            uc.uc_sigmask |= carrier_mask(area.sigmask)
            return
        kept_before(area, info)
    else:
        event_signal(proc, signo)
    lock_acquire(&proc.lock_signal)
    handler = proc.handlers[signo]
    if handler.function > FREEBSD_SIG_IGN and handler.flags & FREEBSD_SA_RESETHAND:
        proc.handlers[signo].function = FREEBSD_SIG_DFL
        proc.handlers[signo].flags &= ~<uint32_t> FREEBSD_SA_SIGINFO
        apply_disposition(proc, signo)
    lock_release(&proc.lock_signal)
    if fault and (handler.function <= FREEBSD_SIG_IGN or mask_has(area.sigmask, signo)):
        # A fault that cannot be delivered kills; executing the instruction again gives an exact core.
        if proc.truss_fd >= 0:
            fill_siginfo(&traced, info, linux, signo, code, uc)
            truss_signal(area, &traced, True)
        if linux == LINUX_SIGTRAP or lsf_signal_to_linux[signo] != linux:
            kill_self(area, lsf_signal_to_linux[signo])
        set_linux_handler(linux, FREEBSD_SIG_DFL, 0x04000000)
        return
    if handler.function == FREEBSD_SIG_IGN:
        return
    if handler.function == FREEBSD_SIG_DFL:
        if lsf_signal_default[signo] == LSF_SIGNAL_IGNORE or lsf_signal_default[signo] == LSF_SIGNAL_CONTINUE:
            return
        if proc.truss_fd >= 0:
            fill_siginfo(&traced, info, linux, signo, code, uc)
            truss_signal(area, &traced, True)
        if linux == LINUX_CARRIER:
            carrier_last_words(signo)
        kill_self(area, linux)
        return
    if proc.truss_fd >= 0:
        fill_siginfo(&traced, info, linux, signo, code, uc)
        truss_signal(area, &traced, False)
    if restart and not handler.flags & FREEBSD_SA_RESTART:
        uc.uc_mcontext.rip = ret
        uc.uc_mcontext.rax = LINUX_EINTR
        uc.uc_mcontext.eflags |= FREEBSD_PSL_C
    if push_frame(area, uc, &handler, signo, code, info, linux) < 0:
        kill_self(area, LINUX_SIGILL)       # as FreeBSD does when the frame cannot be written
        return
    if area.suspended:
        # The frame has the mask from before the wait; the handler runs with the one of the wait.
        area.sigmask[0] = area.suspend_mask[0]
        area.sigmask[1] = area.suspend_mask[1]
        area.suspended = 0
    area.sigmask[0] |= handler.mask[0]
    area.sigmask[1] |= handler.mask[1]
    if not handler.flags & FREEBSD_SA_NODEFER:
        area.sigmask[(signo - 1) >> 6] |= signal_bit(signo)
    area.sigmask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    uc.uc_sigmask = linux_mask_from(area.sigmask)


cdef inline bint on_altstack(area_t *area, uint64_t rsp) noexcept nogil:
    return (not area.altstack_flags & FREEBSD_SS_DISABLE
            and area.altstack_sp <= rsp < area.altstack_sp + area.altstack_size)


cdef void fill_siginfo(freebsd_siginfo *to, linux_siginfo *source, int linux, int signo, int code,
                       linux_ucontext *uc) noexcept nogil:
    memset(to, 0, sizeof(freebsd_siginfo))
    to.si_signo = signo
    to.si_code = code
    if source.si_code > 0 and source.si_code != LINUX_SI_KERNEL and linux != LINUX_SIGCHLD \
            and source.si_errno != TOLD_BY_CHILD:
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
    freebsd_mcontext_from_linux(mc, regs, <void *> regs.fpstate, read_fsbase(), area.guest_gsbase)
    mc.mc_onstack = 1 if onstack else 0
    mc.mc_flags |= FREEBSD_MC_HASBASES
    mc.mc_trapno = 0
    mc.mc_err = 0
    mc.mc_addr = 0
    fill_siginfo(&frame.sf_si, info, linux, signo, code, uc)
    if info.si_code > 0 and is_fault_signal(linux) and info.si_errno != TOLD_BY_CHILD:
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
    regs.rip = <uint64_t> sigcode_traced if area.proc.tracer else <uint64_t> sigcode
    regs.eflags &= ~<uint64_t> (FREEBSD_PSL_T | FREEBSD_PSL_D)
    return 0


cdef public long sys_sigreturn(frame_t *frame, area_t *area) noexcept nogil:
    """Take back a context: registers, vector state and mask change at once, through Linux's rt_sigreturn."""
    cdef freebsd_ucontext context
    cdef freebsd_mcontext *mc = &context.uc_mcontext
    if copyin(frame.arg[0], &context, sizeof(context)) < 0:
        return -LINUX_EFAULT
    if (mc.mc_rflags ^ 0x202) & ~<uint64_t> FREEBSD_PSL_USERCHANGE != 0 or mc.mc_cs & 3 != 3:
        return -LINUX_EINVAL
    return context_resume(area, &context)


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
                                  | (FREEBSD_MC_HASTLSBASE if proc.osreldate >= 1500000 else 0)):
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
    resumable(area, &to.uc, to.uc.uc_mcontext.fpstate, to.extended)
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
        area.guest_gsbase = context.uc_mcontext.mc_gsbase
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
    freebsd_mcontext_from_linux(&context.uc_mcontext, &regs, fxsave, read_fsbase(), area.guest_gsbase)
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


# entry.S calls these with the guest's FXSAVE image; the frame has the callee-saved registers too.
# Model: FreeBSD sys/kern/kern_context.c.

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


cdef void know_xstate(process_t *proc, uint64_t fpstate) noexcept nogil:
    """Learn from a frame that Linux made which vector state one holds, and how much it is."""
    cdef uint64_t size = linux_xstate_size(<void *> fpstate)
    if proc.xstate_size == 0 and FXSAVE_SIZE < size <= XSTATE_MAX - 8:
        proc.xstate_features = (<linux_fpx_sw_bytes *> (fpstate + SW_BYTES)).xfeatures
        proc.xstate_size = size


cdef uint64_t xstate_limit(process_t *proc) noexcept nogil:
    """Bytes of the XSAVE area for proc.xstate_features, the components that Linux keeps for this process. What the
    processor says is asked once: CPUID leaves a virtual machine, which takes longer than all the rest of a signal.
    AMX's tiles are not among them: a process must ask Linux for them first."""
    cdef uint32_t a = 0, b = 0, c = 0, d = 0
    cdef uint64_t size = FXSAVE_SIZE + 64, bits
    cdef int component
    if proc.xstate_size == 0:
        bits = read_xcr0() & ~AMX_COMPONENTS
        proc.xstate_features = bits
        bits &= ~3UL
        while bits:
            component = count_trailing_zeros(bits)
            bits &= bits - 1
            cpuid(13, component, &a, &b, &c, &d)
            if a + b > size and a + b <= XSTATE_MAX - 8:
                size = a + b
        proc.xstate_size = size
    return proc.xstate_size


cdef uint64_t xstate_guest_limit(process_t *proc) noexcept nogil:
    """What the guest may take the size for, by CPUID: AMX's tiles too."""
    return XSTATE_MAX - 8 if read_xcr0() & AMX_COMPONENTS else xstate_limit(proc)


cdef public long sys_sigaction(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef freebsd_sigaction action, old
    cdef int signo = <int> frame.arg[0]
    cdef uint32_t flags
    cdef bint was_ignored
    if signo <= 0 or signo > SIGNAL_MAX:
        return -LINUX_EINVAL
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], &action, sizeof(action)) < 0:
            return -LINUX_EFAULT
        if action.sa_handler > FREEBSD_SIG_IGN and action.sa_flags & ~(FREEBSD_SA_ONSTACK | FREEBSD_SA_RESTART
                                                                       | FREEBSD_SA_RESETHAND | FREEBSD_SA_NOCLDSTOP
                                                               | FREEBSD_SA_NODEFER | FREEBSD_SA_NOCLDWAIT | FREEBSD_SA_SIGINFO):
            return -LINUX_EINVAL
        if (signo == FREEBSD_SIGKILL or signo == FREEBSD_SIGSTOP) and action.sa_handler != FREEBSD_SIG_DFL:
            return -LINUX_EINVAL
    if frame.arg[1] != 0 and is_carried(signo) and proc.handlers[signo].function == FREEBSD_SIG_IGN:
        carrier_drain(area)             # what was sent while it is ignored is forgotten
    lock_acquire(&proc.lock_signal)
    know_handler(proc, signo)
    memset(&old, 0, sizeof(old))
    old.sa_handler = proc.handlers[signo].function
    flags = proc.handlers[signo].flags
    old.sa_flags = <int32_t> (flags & ~(HANDLER_KNOWN | HANDLER_SET) if flags & HANDLER_SET else FREEBSD_SA_RESTART)
    memcpy(&old.sa_mask, proc.handlers[signo].mask, 16)
    if frame.arg[1] != 0 and signo != FREEBSD_SIGKILL and signo != FREEBSD_SIGSTOP:
        was_ignored = is_ignored(proc, signo)
        flags = <uint32_t> action.sa_flags & (FREEBSD_SA_ONSTACK | FREEBSD_SA_RESTART | FREEBSD_SA_RESETHAND
                                              | FREEBSD_SA_NODEFER | FREEBSD_SA_SIGINFO
                                              | (FREEBSD_SA_NOCLDSTOP | FREEBSD_SA_NOCLDWAIT
                                                 if signo == FREEBSD_SIGCHLD else 0))
        if action.sa_handler <= FREEBSD_SIG_IGN:
            flags &= ~<uint32_t> FREEBSD_SA_SIGINFO
        proc.handlers[signo].function = action.sa_handler
        proc.handlers[signo].flags = flags | HANDLER_KNOWN | HANDLER_SET
        memcpy(proc.handlers[signo].mask, &action.sa_mask, 16)
        proc.handlers[signo].mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
        apply_disposition(proc, signo)
        if action.sa_handler == FREEBSD_SIG_IGN or (action.sa_handler == FREEBSD_SIG_DFL
                                            and lsf_signal_default[signo] == LSF_SIGNAL_IGNORE):
            if is_virtual(signo):
                atomic_and32(&area.virtual_pending, ~<uint32_t> signal_bit(signo))
            elif is_carried(signo):
                kept_discard(proc, signo)
        elif was_ignored and lsf_signal_to_linux[signo] and not is_virtual(signo):
            forget_pending(lsf_signal_to_linux[signo])
    lock_release(&proc.lock_signal)
    if frame.arg[2] != 0:
        return copyout(&old, frame.arg[2], sizeof(old))
    return 0


cdef public long sys_sigprocmask(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t mask[2]
    cdef uint64_t old[2]
    old[0] = area.sigmask[0]
    old[1] = area.sigmask[1]
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], mask, 16) < 0:
            return -LINUX_EFAULT
        mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
        if <int> frame.arg[0] == 1:             # SIG_BLOCK
            area.sigmask[0] |= mask[0]
            area.sigmask[1] |= mask[1]
        elif <int> frame.arg[0] == 2:           # SIG_UNBLOCK
            area.sigmask[0] &= ~mask[0]
            area.sigmask[1] &= ~mask[1]
        elif <int> frame.arg[0] == 3:           # SIG_SETMASK
            area.sigmask[0] = mask[0]
            area.sigmask[1] = mask[1]
        else:
            return -LINUX_EINVAL
        set_linux_mask(area)
    if frame.arg[2] != 0:
        return copyout(old, frame.arg[2], 16)
    return 0


cdef public long sys_sigpending(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t linux = 0
    cdef uint64_t mask[2]
    cdef uint64_t ignored[2]
    linux_syscall2(LINUX_SYS_rt_sigpending, <uint64_t> &linux, 8)
    if linux & signal_bit(LINUX_CARRIER):
        carrier_drain(area)
    if area.deferred:
        linux |= signal_bit(area.deferred)
    mask_from_linux(linux, mask)
    mask[0] |= area.virtual_pending
    kept_pending(area, mask)
    memcpy(ignored, mask, 16)
    ignored_signals(area.proc, ignored)
    mask[0] &= ~ignored[0]
    mask[1] &= ~ignored[1]
    return copyout(mask, frame.arg[0], 16)


cdef inline void suspend_with(area_t *area, const uint64_t *mask) noexcept nogil:
    """A wait with another mask begins (Linux gets it with the call): a handler that ends it runs with that mask."""
    area.suspend_mask[0] = mask[0]
    area.suspend_mask[1] = mask[1]
    area.suspended = 1
    if not area.deferred:
        defer_kept(area, mask)          # the wait then does not begin


cdef inline long suspend_over(area_t *area, long result) noexcept nogil:
    """The wait is over; where no signal ended it, its mask is forgotten."""
    if not area.deferred:
        area.suspended = 0
    return result


cdef public long sys_sigsuspend(frame_t *frame, area_t *area) noexcept nogil:
    """Wait with another mask for a signal that is handled; always EINTR. The handler's frame holds the old mask."""
    cdef uint64_t mask[2]
    cdef uint64_t linux
    cdef long result
    if copyin(frame.arg[0], mask, 16) < 0:
        return -LINUX_EFAULT
    mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    if area.virtual_pending & ~<uint32_t> mask[0]:
        area.sigmask[0] &= ~<uint64_t> (area.virtual_pending & ~<uint32_t> mask[0])
        defer_virtual(area)
        return -LINUX_EINTR
    linux = linux_mask_from(mask)
    suspend_with(area, mask)
    while not area.deferred:
        blocking_syscall(LINUX_SYS_rt_sigsuspend, <uint64_t> &linux, 8, 0, 0, 0, 0)
    return -LINUX_EINTR


cdef public long sys_sigaltstack(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stack stack, old
    cdef bint onstack = on_altstack(area, frame.rsp)
    memset(&old, 0, sizeof(old))
    old.ss_sp = area.altstack_sp
    old.ss_size = area.altstack_size
    old.ss_flags = (FREEBSD_SS_DISABLE if area.altstack_flags & FREEBSD_SS_DISABLE
                    else FREEBSD_SS_ONSTACK if onstack else 0)
    if frame.arg[0] != 0:
        if copyin(frame.arg[0], &stack, sizeof(stack)) < 0:
            return -LINUX_EFAULT
        if onstack:
            return -LINUX_EPERM
        if stack.ss_flags & ~FREEBSD_SS_DISABLE:
            return -LINUX_EINVAL
        if not stack.ss_flags & FREEBSD_SS_DISABLE:
            if stack.ss_size < SIGNAL_MINSTKSZ:
                return -LINUX_ENOMEM
            area.altstack_sp = stack.ss_sp
            area.altstack_size = stack.ss_size
            area.altstack_flags = 0
        else:
            area.altstack_flags = FREEBSD_SS_DISABLE
    if frame.arg[1] != 0:
        return copyout(&old, frame.arg[1], sizeof(old))
    return 0


cdef int linux_signal_number(uint64_t signo) noexcept nogil:
    """The Linux signal for a guest's argument: 0 for 0, -1 for one that is none or has no carrier."""
    if <int> signo == 0:
        return 0
    if <int> signo < 0 or <int> signo > SIGNAL_MAX or lsf_signal_to_linux[<int> signo] == 0:
        return -1
    return lsf_signal_to_linux[<int> signo]


cdef public long sys_kill(frame_t *frame, area_t *area) noexcept nogil:
    cdef procdesc_t *entry
    cdef int linux = linux_signal_number(frame.arg[1])
    if is_carried(<int> frame.arg[1]):
        return signal_carried(area, <int> frame.arg[0], <int> frame.arg[1], FREEBSD_SI_USER, 0)
    if linux < 0:
        return -LINUX_EINVAL
    if area.proc.procdescs != NULL:
        entry = procdesc_find(area.proc, <int> frame.arg[0])
        if entry != NULL:
            procdesc_let_go(entry)      # and so it is gone
    return tail_syscall2(area, LINUX_SYS_kill, <uint64_t> <int64_t> <int> frame.arg[0], linux)

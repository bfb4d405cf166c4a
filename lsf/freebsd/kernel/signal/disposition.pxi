# What becomes of a signal: handlers, defaults, what is ignored. Linux's part of it is set here.

cdef enum:
    HANDLER_KNOWN = 0x80000000UL    # in handler_t.flags: what the shim inherited was looked up
    HANDLER_SET = 0x40000000        # the guest has set it: else it shows SA_RESTART, as on FreeBSD


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


cdef bint is_watched(process_t *proc, int signo) noexcept nogil:
    """True for a signal that the shim wants to see although the guest leaves it to its default, the end: truss shows
    it, a tracer gets it, a core file is left of it, and SIGPIPE may be one that FreeBSD does not send (errors.pxi)."""
    if signo == FREEBSD_SIGPIPE and proc.own.nosigpipe or proc.own.cores and is_core_of_linux(signo):
        return True
    if proc.own.debugged:
        return signo != FREEBSD_SIGKILL and signo != FREEBSD_SIGSTOP and lsf_signal_default[signo] != LSF_SIGNAL_IGNORE
    return proc.own.traced and signo != FREEBSD_SIGKILL and (lsf_signal_default[signo] == LSF_SIGNAL_TERMINATE
                                                 or lsf_signal_default[signo] == LSF_SIGNAL_CORE)


cdef inline uint64_t queued_disposition(int signo, uint64_t function) noexcept nogil:
    """Linux's disposition of a signal's second number, for that of the first: its default would be another."""
    if function != FREEBSD_SIG_DFL:
        return function
    return FREEBSD_SIG_IGN if lsf_signal_default[signo] == LSF_SIGNAL_IGNORE else <uint64_t> on_signal


cdef void queued_start(process_t *proc, bint from_linux) noexcept nogil:
    """At a start: the dispositions of the second numbers. What the guest before ignored is ignored still; what a Linux
    program did, only the first number tells."""
    cdef uint64_t action[4]
    cdef uint64_t old[4]
    cdef int signo
    for signo in range(1, 32):
        if lsf_signal_queued[signo] == 0:
            continue
        if from_linux:
            know_handler(proc, signo)
        old[0] = 0
        linux_action(action, queued_disposition(signo, proc.handlers[signo].function), LINUX_SA_RESTORER | LINUX_SA_ONSTACK | LINUX_SA_SIGINFO)
        linux_syscall4(LINUX_SYS_rt_sigaction, lsf_signal_queued[signo], <uint64_t> action, <uint64_t> old, 8)
        if old[0] == FREEBSD_SIG_IGN and not from_linux and action[0] != FREEBSD_SIG_IGN:
            know_handler(proc, signo)
            if proc.handlers[signo].function == FREEBSD_SIG_IGN:
                set_linux_handler(lsf_signal_queued[signo], FREEBSD_SIG_IGN, LINUX_SA_RESTORER)


cdef void queued_give_up(process_t *proc) noexcept nogil:
    """Before a Linux program is executed: the second numbers that are ignored get their default, and what is pending by
    them is pending by the first."""
    cdef uint64_t pending = 0, bit
    cdef uint64_t zero[2]
    cdef int signo
    zero[0] = 0
    zero[1] = 0
    linux_syscall2(LINUX_SYS_rt_sigpending, <uint64_t> &pending, 8)
    for signo in range(1, 32):
        if lsf_signal_queued[signo] == 0:
            continue
        bit = signal_bit(lsf_signal_queued[signo])
        while pending & bit and linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &bit, 0, <uint64_t> zero, 8) > 0:
            linux_syscall2(LINUX_SYS_kill, proc.pid, lsf_signal_to_linux[signo])
        if queued_disposition(signo, proc.handlers[signo].function) == FREEBSD_SIG_IGN:
            set_linux_handler(lsf_signal_queued[signo], FREEBSD_SIG_DFL, LINUX_SA_RESTORER)


cdef void queued_again(process_t *proc) noexcept nogil:
    """The exec failed."""
    cdef int signo
    for signo in range(1, 32):
        if lsf_signal_queued[signo] and queued_disposition(signo, proc.handlers[signo].function) == FREEBSD_SIG_IGN:
            set_linux_handler(lsf_signal_queued[signo], FREEBSD_SIG_IGN, LINUX_SA_RESTORER)


cdef void apply_disposition(process_t *proc, int signo) noexcept nogil:
    """Make Linux's disposition follow the guest's."""
    cdef int linux = lsf_signal_to_linux[signo]
    cdef uint64_t flags = LINUX_SA_RESTORER | LINUX_SA_ONSTACK | LINUX_SA_SIGINFO
    cdef uint64_t function = proc.handlers[signo].function, others
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
    elif signo == FREEBSD_SIGTRAP and (proc.tracer or proc.own.debug_map):
        function = <uint64_t> on_signal     # a single step of a tracer would make Linux forget that it is ignored
    elif signo == FREEBSD_SIGILL and proc.engine != ENGINE_SUD:
        function = <uint64_t> on_signal     # it may be a call (call_was_taken)
    set_linux_handler(linux, function, flags)
    if lsf_signal_queued[signo]:
        set_linux_handler(lsf_signal_queued[signo], queued_disposition(signo, function), flags)
    others = lsf_signal_linux_only(signo)
    while others:
        set_linux_handler(count_trailing_zeros(others) + 1, function, flags)
        others &= others - 1


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
                lock_acquire(&proc.own.lock_signal)
                know_handler(proc, word * 64 + bit + 1)
                lock_release(&proc.own.lock_signal)
            if is_ignored(proc, word * 64 + bit + 1):
                set_[word] |= 1UL << bit


cdef void forget_pending(int signo) noexcept nogil:
    """Take what Linux kept of a blocked signal while the guest ignored it."""
    cdef uint64_t set_ = linux_bits(signo)
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


cdef void know_virtual(process_t *proc, int signo, int linux) noexcept nogil:
    cdef uint64_t action[4]
    action[0] = 0
    linux_syscall4(LINUX_SYS_rt_sigaction, linux, 0, <uint64_t> action, 8)
    if action[0] == FREEBSD_SIG_IGN:
        proc.handlers[signo].function = FREEBSD_SIG_IGN

# Which thread takes a signal that was sent to the process: the three that Linux never blocks come to any, and to threads of the shim's own.
# Model: FreeBSD sys/kern/kern_sig.c (sigtd, tdsigcleanup).


cdef inline bint is_for_process(linux_siginfo *info) noexcept nogil:
    """Sent by somebody, and not to one thread."""
    return info.si_code <= 0 and info.si_code != LINUX_SI_TKILL


cdef area_t *signal_taker(area_t *area, int signo, bint any_) noexcept nogil:
    """Another thread of the guest that does not block a signal, or waits for it; else, with any_, one that there is; NULL for none."""
    cdef area_t *other = NULL
    cdef area_t *found = NULL
    while (other := area_next(area.proc, other)) != NULL:
        if other == area or other.service != NULL or other.own.exiting or other.tid <= 0 or not atomic_load32(&other.own.ready):
            continue
        if not is_blocked(other, signo) or mask_has(other.own.waiting, signo):
            return other
        found = other
    return found if any_ else NULL


cdef bint signal_hand_on(area_t *area, int linux, linux_siginfo *info, bint any_) noexcept nogil:
    """Give a signal that was sent to the process, and met this thread, to one that takes it (signal_taker): True where there is one. Linux
    lets no other thread be sent what kill(2) sends: it goes as if it were queued, and says what it was."""
    cdef area_t *other
    cdef int attempt
    if info.si_code != -1:
        info.si_errno = RESENT_MAGIC | (info.si_code & 0xffff)
        info.si_code = -1
    for attempt in range(4):
        other = signal_taker(area, lsf_signal_from_linux[linux], any_)
        if other == NULL:
            return False
        if linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, other.tid, linux, <uint64_t> info) == 0:
            return True                 # (else it has just ended)
    return False


cdef void virtual_offer(area_t *area, int signo, linux_siginfo *info) noexcept nogil:
    """One of the three that waits for the process goes to another thread that takes it, if there is one. One that begins to looks at
    virtual_kept thereafter."""
    cdef uint32_t bit = <uint32_t> signal_bit(signo)
    while signal_taker(area, signo, False) != NULL and atomic_and32(&area.proc.own.virtual_kept, ~bit) & bit:
        if signal_hand_on(area, info.si_signo, info, False):
            return
        atomic_or32(&area.proc.own.virtual_kept, bit)


cdef void virtual_keep(area_t *area, int signo, linux_siginfo *info) noexcept nogil:
    """One of the three waits, for this thread, or for the process until one of its threads takes it."""
    if not is_for_process(info):
        atomic_or32(&area.own.virtual_pending, <uint32_t> signal_bit(signo))
        return
    atomic_or32(&area.proc.own.virtual_kept, <uint32_t> signal_bit(signo))
    if is_blocked(area, signo) and not mask_has(area.own.waiting, signo):
        virtual_offer(area, signo, info)


cdef uint32_t virtual_waits(area_t *area) noexcept nogil:
    """The bits of those of the three that wait for this thread or the process."""
    return area.own.virtual_pending | atomic_or32(&area.proc.own.virtual_kept, 0)


cdef int virtual_take(area_t *area, uint32_t wanted) noexcept nogil:
    """Take the first of `wanted` that waits: FreeBSD's number, or 0. (Another thread may have been faster.)"""
    cdef uint32_t ready, bit
    while True:
        ready = virtual_waits(area) & wanted
        if ready == 0:
            return 0
        bit = ready & (~ready + 1)
        if atomic_and32(&area.own.virtual_pending, ~bit) & bit or atomic_and32(&area.proc.own.virtual_kept, ~bit) & bit:
            return count_trailing_zeros(bit) + 1


cdef void thread_leaves_signals(area_t *area) noexcept nogil:
    """This thread ends: what the process was sent, and it has, is another's. Nothing comes to it any more (and what Linux has not given it
    yet Linux gives another)."""
    cdef uint64_t all_ = ~0UL
    cdef uint64_t words[16]
    cdef linux_siginfo *info = <linux_siginfo *> area.info
    cdef uint32_t bits
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> &all_, 0, 8)
    if area.deferred and is_virtual(lsf_signal_from_linux[area.deferred]):
        if is_for_process(info):
            signal_hand_on(area, area.deferred, info, True)
    elif area.deferred and info.si_code != LINUX_SI_TKILL and not (area.deferred == LINUX_CARRIER and info.si_errno & CARRIER_THREAD):
        area.info[CARRIER_KEPT] = 0
        signal_resend(area, area.deferred, info)
    bits = atomic_or32(&area.proc.own.virtual_kept, 0)
    info = <linux_siginfo *> words
    while bits:
        memset(words, 0, sizeof(words))
        info.si_signo = lsf_signal_to_linux[count_trailing_zeros(bits) + 1]
        virtual_offer(area, count_trailing_zeros(bits) + 1, info)
        bits &= bits - 1

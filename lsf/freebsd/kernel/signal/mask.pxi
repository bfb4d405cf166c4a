# The mask of a thread: FreeBSD's, and Linux's part of it.

cdef enum:
    SIGNAL_MAX = 128


cdef inline bint mask_has(const uint64_t *mask, int signo) noexcept nogil:
    return (mask[(signo - 1) >> 6] >> ((signo - 1) & 63)) & 1


cdef inline bint is_blocked(area_t *area, int signo) noexcept nogil:
    """Blocked now: by the mask of a wait, while one is under way."""
    if area.suspended:
        return mask_has(area.own.suspend_mask, signo)
    return mask_has(area.sigmask, signo)


cdef uint64_t linux_mask_from(const uint64_t *mask) noexcept nogil:
    """Linux's mask for a FreeBSD one, without the three virtual signals. A tracer's breakpoints and steps come while SIGTRAP is
    blocked, too, for which Linux would end the process."""
    cdef uint64_t result = carrier_mask(mask), bits
    cdef int word, bit
    for word in range(2):
        bits = mask[word]
        while bits:
            bit = count_trailing_zeros(bits)
            bits = bits & (bits - 1)
            result |= linux_bits(word * 64 + bit + 1)
    if SHIM.own.debugged:
        result &= ~signal_bit(LINUX_SIGTRAP)
    return result & linux_all_mask()


cdef void mask_from_linux(uint64_t linux_mask, uint64_t *mask) noexcept nogil:
    """The FreeBSD signals of a Linux mask; by a second number, too (queued.pxi)."""
    cdef int signo
    mask[0] = 0
    mask[1] = 0
    for signo in range(1, 65):
        if linux_mask & signal_bit(signo) and lsf_signal_from_linux[signo]:
            mask[(lsf_signal_from_linux[signo] - 1) >> 6] |= signal_bit(lsf_signal_from_linux[signo])


cdef inline int lowest_signal(const uint64_t *mask) noexcept nogil:
    """The lowest number of a set of FreeBSD's; 0 for an empty one."""
    if mask[0]:
        return count_trailing_zeros(mask[0]) + 1
    return count_trailing_zeros(mask[1]) + 65 if mask[1] else 0


cdef inline void mask_inherited(uint64_t linux_mask, uint64_t *mask) noexcept nogil:
    """The guest's mask where only Linux's is known."""
    cdef int signo
    for signo in range(1, 32):
        if lsf_signal_queued[signo]:    # a Linux program has it for something of its own
            linux_mask &= ~signal_bit(lsf_signal_queued[signo])
    mask_from_linux(linux_mask, mask)
    if linux_mask & signal_bit(LINUX_CARRIER):
        mask[0] |= CARRIED_LOW
        mask[1] |= CARRIED_HIGH


cdef uint64_t signals_pending() noexcept nogil:
    """What is pending for this thread, in Linux's bits."""
    cdef uint64_t pending = 0
    linux_syscall2(LINUX_SYS_rt_sigpending, <uint64_t> &pending, 8)
    return pending


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


cdef void set_linux_mask(area_t *area) noexcept nogil:
    """Make Linux's mask follow the guest's. While a signal is deferred all stay blocked; deliver_at_exit
    sets the mask then."""
    cdef uint64_t mask
    if area.deferred:
        return
    if defer_virtual(area, area.sigmask) or defer_kept(area, area.sigmask):
        return
    children_unblocked(area, area.sigmask)
    mask = linux_mask_from(area.sigmask)
    set_mask_unless_deferred(area, mask)


cdef void set_mask_unless_deferred(area_t *area, uint64_t mask) noexcept nogil:
    """Give Linux a mask as one step with the check that no signal is deferred: one that came between the two has blocked
    all others, and must find them blocked."""
    cdef uint32_t not_begun = area.not_begun
    undeferred_syscall(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> &mask, 0, 8, 0, 0)
    area.not_begun = not_begun

# Linux's signal mask of this thread.

cdef inline uint64_t signal_bit(int signo) noexcept nogil:
    return 1UL << ((signo - 1) & 63)


cdef inline bint is_never_blocked(int linux) noexcept nogil:
    """True for the signals of faults of memory, but in their own handlers."""
    return linux == LINUX_SIGSEGV or linux == LINUX_SIGBUS


cdef inline uint64_t linux_faults() noexcept nogil:
    return signal_bit(LINUX_SIGSEGV) | signal_bit(LINUX_SIGBUS)


cdef inline uint64_t linux_all_mask() noexcept nogil:
    """Every Linux signal but the three that must never be blocked."""
    return ~(signal_bit(LINUX_SIGSEGV) | signal_bit(LINUX_SIGBUS) | signal_bit(LINUX_SIGSYS))


cdef void block_all(uint64_t *old) noexcept nogil:
    cdef uint64_t mask = linux_all_mask()
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> &mask, <uint64_t> old, 8)

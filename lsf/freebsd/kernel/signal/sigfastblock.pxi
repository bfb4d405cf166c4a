# sigfastblock(2): a thread names a word of its memory, and blocks all its signals by counting in it, without a call. FreeBSD's
# rtld does so around its locks, and libthr around its critical sections.
# Model: FreeBSD sys/kern/kern_sig.c (sys_sigfastblock, sigfastblock_fetch_sig, sigfastblock_setpend1).
#
# Linux knows nothing of the word, so signals come while it blocks. Such a one is put back into Linux's queue with all
# signals blocked there (`deliver` asks fast_hold first), where another thread may take it if it was sent to the process; and
# the word says that it is pending: so the program makes a call when it counts down to zero, which gives Linux the
# thread's mask again. As on FreeBSD a wait that the word covers may be interrupted. What Linux does by default, stop or
# end the process, is not held up.

cdef bint fast_blocked(area_t *area) noexcept nogil:
    """True where this thread's word blocks its signals now. A word that cannot be read any more is forgotten."""
    cdef uint32_t word = 0
    if not area.own.fast_block_set:
        return False
    if fetch_guest32(area.own.fast_block, &word) < 0:
        area.own.fast_block_set = 0
        return False
    return word & ~<uint32_t> FREEBSD_SIGFASTBLOCK_FLAGS != 0


cdef void fast_pend(area_t *area) noexcept nogil:
    """Note in the word that a signal is pending."""
    cdef uint32_t seen = 0, before
    if fetch_guest32(area.own.fast_block, &seen) < 0:
        return
    while True:
        before = seen
        if cas_guest32(area.own.fast_block, &seen, before | FREEBSD_SIGFASTBLOCK_PEND) < 0 or seen == before:
            return


cdef bint fast_hold(area_t *area, linux_ucontext *uc, int linux, linux_siginfo *info, int signo) noexcept nogil:
    """Keep a signal that has come while the word blocks: False where it does not."""
    if not fast_blocked(area):
        return False
    fast_pend(area)
    if is_virtual(signo):
        virtual_keep(area, signo, info)
    elif linux == LINUX_CARRIER:
        info.si_errno |= CARRIER_SEEN
        keep_carried(area, info)
    else:
        signal_resend(area, linux, info)        # also where this thread ends with its word as it is
    uc.uc_sigmask = linux_all_mask()
    return True


cdef public long sys_sigfastblock(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t seen = FREEBSD_SIGFASTBLOCK_PEND
    cdef int cmd = <int> frame.arg[0]
    if cmd == FREEBSD_SIGFASTBLOCK_SETPTR:
        if area.own.fast_block_set:
            return -LINUX_EBUSY
        if frame.arg[1] & 3:
            return -LINUX_EINVAL
        area.own.fast_block = frame.arg[1]
        area.own.fast_block_set = 1
        return 0
    if (cmd != FREEBSD_SIGFASTBLOCK_UNBLOCK and cmd != FREEBSD_SIGFASTBLOCK_UNSETPTR) or not area.own.fast_block_set:
        return -LINUX_EINVAL
    if cmd == FREEBSD_SIGFASTBLOCK_UNBLOCK:
        if cas_guest32(area.own.fast_block, &seen, 0) < 0:
            area.own.fast_block_set = 0
            set_linux_mask(area)
            return -LINUX_EFAULT
        if seen != FREEBSD_SIGFASTBLOCK_PEND:
            return -LINUX_EBUSY
    else:
        if fetch_guest32(area.own.fast_block, &seen) < 0:
            area.own.fast_block_set = 0
            set_linux_mask(area)
            return -LINUX_EFAULT
        if seen != 0 and seen != FREEBSD_SIGFASTBLOCK_PEND:
            return -LINUX_EBUSY
        area.own.fast_block_set = 0
    set_linux_mask(area)
    return 0

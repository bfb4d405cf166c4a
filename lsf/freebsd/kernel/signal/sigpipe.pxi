# SIGPIPE: who must not see one.

cdef enum:
    NOSIGPIPE_SEEN = 1              # process.nosigpipe: the shim sees every SIGPIPE
    NOSIGPIPE_SOCKETS = 2           # and some socket has SO_NOSIGPIPE


cdef void watch_sigpipe(process_t *proc, uint32_t why) noexcept nogil:
    """From now on the shim sees every SIGPIPE (write(2) has no flag to prevent it)."""
    if proc.own.nosigpipe & why == why:
        return
    lock_acquire(&proc.own.lock_signal)
    proc.own.nosigpipe |= NOSIGPIPE_SEEN | why
    know_handler(proc, FREEBSD_SIGPIPE)
    apply_disposition(proc, FREEBSD_SIGPIPE)
    lock_release(&proc.own.lock_signal)


cdef void forget_sigpipe(area_t *area) noexcept nogil:
    """Take back the SIGPIPE that Linux sent with a call that has just failed."""
    cdef uint64_t mask = signal_bit(FREEBSD_SIGPIPE)
    cdef uint64_t now[2]
    if area.deferred == FREEBSD_SIGPIPE:
        area.deferred = 0
        set_linux_mask(area)
    elif is_blocked(area, FREEBSD_SIGPIPE):
        now[0] = now[1] = 0
        linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &mask, 0, <uint64_t> now, 8)

# Waiting for signals without a handler, and sending them with a value. Model: FreeBSD sys/kern/kern_sig.c
# (kern_sigtimedwait, kern_sigqueue).

cdef enum:
    SIGQUEUE_TID = 0x80000000UL         # __SIGQUEUE_TID: pid is a thread of the caller's process


cdef int take_virtual(area_t *area, const uint64_t *set_, linux_siginfo *info) noexcept nogil:
    """One of SEGV, BUS and SYS that was sent while it was blocked: FreeBSD's number, or 0."""
    cdef uint32_t ready = area.virtual_pending & <uint32_t> set_[0]
    cdef int signo
    if ready == 0:
        return 0
    signo = count_trailing_zeros(ready) + 1
    atomic_and32(&area.virtual_pending, ~<uint32_t> signal_bit(signo))
    memset(info, 0, 128)
    info.si_signo = lsf_signal_to_linux[signo]
    return signo


cdef bint take_deferred(area_t *area, const uint64_t *set_, linux_siginfo *info) noexcept nogil:
    """The signal that interrupted the wait is one that was waited for (and is never blocked by Linux, or was not by
    the guest): it goes to the waiter and not to a handler, as FreeBSD has it."""
    cdef int signo
    if area.deferred == 0:
        return False
    signo = lsf_signal_from_linux[area.deferred]
    if signo == 0 or not mask_has(set_, signo):
        return False
    memcpy(info, area.info, 128)
    area.deferred = 0
    area.not_begun = 0
    set_linux_mask(area)
    return True


cdef long signal_wait(area_t *area, uaddr guest_set, freebsd_siginfo *out, const freebsd_timespec *timeout) noexcept nogil:
    """kern_sigtimedwait: FreeBSD's number of the signal, -EAGAIN when the time is up, -EINTR when another one came."""
    cdef uint64_t set_[2]
    cdef uint64_t linux_set
    cdef uint64_t info[16]
    cdef linux_ucontext none
    cdef linux_siginfo *source = <linux_siginfo *> info
    cdef freebsd_timespec now, end, left
    cdef bint poll_ = True
    cdef long result
    cdef int signo, code = 0
    if copyin(guest_set, set_, sizeof(set_)) < 0:
        return -EFAULT
    set_[0] &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP))
    linux_set = linux_mask_from(set_)
    memset(info, 0, sizeof(info))
    if timeout != NULL and timespec_is_interval(timeout):
        read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &end)
        timespec_add(&end, timeout)
    while True:
        signo = take_virtual(area, set_, source)
        if signo != 0 or take_deferred(area, set_, source):
            break
        left.tv_sec = 0
        left.tv_nsec = 0
        if not poll_:
            if timeout != NULL and not timespec_is_interval(timeout):
                return -EINVAL              # only now: a signal that is pending comes first
            if timeout != NULL:
                read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &now)
                if not timespec_reached(&now, &end):
                    left = end
                    timespec_sub(&left, &now)
        result = blocking_syscall(SYS_rt_sigtimedwait, <uint64_t> &linux_set, <uint64_t> info,
                                  0 if timeout == NULL and not poll_ else <uint64_t> &left, 8, 0, 0)
        if result > 0:
            break
        if take_deferred(area, set_, source):
            break
        if result == -EINTR:
            if area.deferred and not signal_swallow(area):
                return -EINTR
        elif result != -EAGAIN:
            return result
        elif not poll_:
            return -EAGAIN
        poll_ = False                       # (a stop and a continue also end Linux's wait)
    signo = trap_signal(source, source.si_signo, &code)
    if event_wants_signal(area.proc, signo):
        event_signal(area.proc, signo)
    memset(&none, 0, sizeof(none))
    fill_siginfo(out, source, source.si_signo, signo, code, &none)
    return signo


cdef public long sys_sigtimedwait(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec timeout
    cdef freebsd_siginfo info
    cdef long result
    if frame.arg[2] != 0 and copyin(frame.arg[2], &timeout, sizeof(timeout)) < 0:
        return -EFAULT
    result = signal_wait(area, frame.arg[0], &info, &timeout if frame.arg[2] != 0 else NULL)
    if result > 0 and frame.arg[1] != 0 and copyout(&info, frame.arg[1], sizeof(info)) < 0:
        return -EFAULT
    return result


cdef public long sys_sigwaitinfo(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_siginfo info
    cdef long result = signal_wait(area, frame.arg[0], &info, NULL)
    if result > 0 and frame.arg[1] != 0 and copyout(&info, frame.arg[1], sizeof(info)) < 0:
        return -EFAULT
    return result


cdef public long sys_sigwait(frame_t *frame, area_t *area) noexcept nogil:
    """The error is the value; the signal's number goes to memory. Programs from before FreeBSD 10 are not shown EINTR."""
    cdef freebsd_siginfo info
    cdef int signo
    cdef long result
    if copyin(frame.arg[0], &info, 16) < 0:
        return -EFAULT
    result = signal_wait(area, frame.arg[0], &info, NULL)
    if result < 0:
        return lsf_errno_map[-result]
    signo = <int> result
    return EFAULT if copyout(&signo, frame.arg[1], 4) < 0 else 0


cdef public long sys_sigqueue(frame_t *frame, area_t *area) noexcept nogil:
    """kern_sigqueue: a signal with a value, to one process, or to a thread of this one."""
    cdef uint64_t info[16]
    cdef linux_siginfo *out = <linux_siginfo *> info
    cdef int pid = <int> frame.arg[0]
    cdef uint32_t signo = <uint32_t> frame.arg[1] & ~<uint32_t> SIGQUEUE_TID
    cdef bint to_thread = <uint32_t> frame.arg[1] & SIGQUEUE_TID != 0
    cdef int linux
    if signo > SIGNAL_MAX:
        return -EINVAL
    linux = linux_signal_number(signo)
    if not to_thread and pid <= 0:
        return -EINVAL
    if linux <= 0:
        if to_thread:
            linux = <int> linux_syscall3(SYS_tgkill, area.proc.pid, <uint64_t> <int64_t> pid, 0)
        else:
            linux = <int> linux_syscall2(SYS_kill, <uint64_t> <int64_t> pid, 0)
        return linux if linux < 0 or signo == 0 else -EINVAL       # no Linux signal carries it
    memset(info, 0, sizeof(info))
    out.si_signo = linux
    out.si_code = -1                        # SI_QUEUE
    out.fields.kill.pid = area.proc.pid
    out.fields.kill.uid = <uint32_t> linux_syscall0(SYS_getuid)
    out.fields.kill.value = frame.arg[2]
    if to_thread:
        if pid <= 0:
            return -ESRCH
        return linux_syscall4(SYS_rt_tgsigqueueinfo, area.proc.pid, pid, linux, <uint64_t> info)
    return linux_syscall3(SYS_rt_sigqueueinfo, pid, linux, <uint64_t> info)

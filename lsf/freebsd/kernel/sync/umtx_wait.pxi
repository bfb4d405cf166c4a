# _umtx_op(2): WAIT and WAKE, on a word.

cdef long umtx_wait_long(process_t *proc, uaddr at, uint64_t value, deadline_t *deadline) noexcept nogil:
    """Sleep while 64 bits have this value.

    A wake-up names the address alone, so it is the low word that is slept on; but a store that changes the high word
    alone must keep us from sleeping too. futex_waitv queues on both before it compares the second. Where Linux lacks
    it (before 5.16), a store that changes only the high word within the microsecond before the sleep is missed."""
    cdef linux_futex_waitv words[2]
    cdef uint64_t seen = 0
    cdef long result
    if fetch_guest64(at, &seen) < 0:
        return -LINUX_EFAULT
    if seen != value:
        return 0
    if deadline.kind != DEADLINE_POLLED:
        words[0].val = <uint32_t> value
        words[0].uaddr = at
        words[0].flags = LINUX_FUTEX2_SIZE_U32
        words[0].reserved = 0
        words[1].val = value >> 32
        words[1].uaddr = at + 4
        words[1].flags = LINUX_FUTEX2_SIZE_U32
        words[1].reserved = 0
        result = blocking_syscall(LINUX_SYS_futex_waitv, <uint64_t> words, 2, 0,
                                  0 if deadline.kind == DEADLINE_NONE else <uint64_t> &deadline.at,
                                  LINUX_CLOCK_REALTIME if deadline.kind == DEADLINE_REALTIME
                                  else LINUX_CLOCK_MONOTONIC, 0)
        if result != -LINUX_ENOSYS and result != -LINUX_EPERM:
            return deadline_left(proc, deadline, result)
    return umtx_sleep(proc, at, <uint32_t> value, True, FUTEX_ANY, deadline)


cdef long umtx_wait(process_t *proc, frame_t *frame, bint is_long, bint is_private) noexcept nogil:
    """do_wait: 0 when woken or when the value is another one; never restarted."""
    cdef deadline_t deadline
    cdef uint32_t seen = 0
    cdef long result = umtx_deadline(proc, frame, &deadline)
    if result < 0:
        return result
    if not is_long:
        if fetch_guest32(frame.arg[0], &seen) < 0:
            return -LINUX_EFAULT
        if seen != frame.arg[2]:
            return 0
    if is_private:
        result = umtx_sleep(proc, frame.arg[0], seen, False, FUTEX_ANY, &deadline)
    else:
        # WAKE_PRIVATE finds a sleeper of a private mapping on FreeBSD, whichever operation it sleeps in. Linux keeps
        # the two kinds of futexes apart, so such a waker looks at both kinds while this count is not 0. It changed
        # the word before it looks, and we are counted before Linux compares the word, so one sees the other.
        atomic_add32(&proc.own.umtx_shared_waiters, 1)
        if is_long:
            result = umtx_wait_long(proc, frame.arg[0], frame.arg[2], &deadline)
        else:
            result = umtx_sleep(proc, frame.arg[0], seen, True, FUTEX_ANY, &deadline)
        atomic_add32(&proc.own.umtx_shared_waiters, <uint32_t> -1)
    if result > 0 or result == -LINUX_EAGAIN:
        return 0
    return result


cdef long umtx_wake_private(process_t *proc, uaddr at, int64_t count) noexcept nogil:
    cdef long woken = umtx_wake(at, count, False, FUTEX_ANY)
    # The locked addition also orders the guest's store before our look at the count.
    if atomic_add32(&proc.own.umtx_shared_waiters, 0) != 0 and woken < <int> count:
        umtx_wake(at, <int> count - woken if woken > 0 else count, True, FUTEX_ANY)
    return 0


cdef long umtx_wake_shared(uaddr at, int64_t count) noexcept nogil:
    """WAKE: first who sleeps on a shared futex, then who sleeps on a private one of this process."""
    cdef long woken = umtx_wake(at, count, True, FUTEX_ANY)
    if woken == -LINUX_EFAULT:
        return -LINUX_EFAULT
    if woken < <int> count or woken == 0:
        umtx_wake(at, <int> count - woken if woken > 0 else count, False, FUTEX_ANY)
    return 0


cdef long umtx_nwake_private(process_t *proc, uaddr list, int count) noexcept nogil:
    cdef uint64_t addresses[128]
    cdef int now, i
    while count > 0:
        now = count if count < 128 else 128
        if copyin(list, addresses, now * 8) < 0:
            return -LINUX_EFAULT
        for i in range(now):
            umtx_wake_private(proc, addresses[i], INT_MAX)
        list += now * 8
        count -= now
    return 0

# _umtx_op(2): struct _usem2 and struct _usem.
#
# _count is the futex of both; libc adds to it before it asks for a wake-up, so who is on the way to sleep sees that.

cdef enum:
    USEM_COUNT = 0x7fffffff
    SEM2_FLAGS = 4
    SEM_COUNT = 4                   # in struct _usem: _has_waiters, _count, _flags
    SEM_FLAGS = 8


cdef long sem_result(long result, const freebsd_umtx_time *t, bint timed) noexcept nogil:
    """A wait is begun anew after a handler unless its timeout is relative."""
    if result == -LINUX_EINTR and not (timed and not t.flags & FREEBSD_UMTX_ABSTIME):
        return -LINUX_ERESTARTSYS
    return result


cdef long sem2_wait(process_t *proc, frame_t *frame) noexcept nogil:
    """do_sem2_wait: 0 when there may be something to take, which libc does itself."""
    cdef uaddr sem = frame.arg[0]
    cdef uint32_t flags = 0, count = 0, seen = 0
    cdef freebsd_umtx_time t
    cdef freebsd_timespec now
    cdef deadline_t deadline
    cdef long result
    deadline.kind = DEADLINE_NONE
    if frame.arg[4] != 0:
        result = umtx_timeout_in(frame.arg[4], frame.arg[3], &t)
        if result == 0:
            result = deadline_set(proc, &deadline, &t.timeout, t.clockid, t.flags & FREEBSD_UMTX_ABSTIME != 0)
        if result < 0:
            return result
    if fetch_guest32(sem + SEM2_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    while True:
        if fetch_guest32(sem, &count) < 0:
            return -LINUX_EFAULT
        if count & USEM_COUNT:
            return 0
        if count == 0:
            result = guest_cas(sem, 0, FREEBSD_USEM_HAS_WAITERS, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        result = umtx_sleep(proc, sem, FREEBSD_USEM_HAS_WAITERS, flags & FREEBSD_USYNC_PROCESS_SHARED != 0, FUTEX_ANY,
                            &deadline)
        if result == -LINUX_EAGAIN:
            continue
        break
    if result == -LINUX_EINTR and frame.arg[4] != 0 and not t.flags & FREEBSD_UMTX_ABSTIME \
            and frame.arg[3] >= sizeof(freebsd_umtx_time) + sizeof(freebsd_timespec):
        # The rest of the time, behind the struct.
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC if deadline.kind == DEADLINE_MONOTONIC else deadline.clock, &now)
        timespec_sub(&deadline.at, &now)
        if copyout(&deadline.at, frame.arg[4] + sizeof(freebsd_umtx_time), sizeof(freebsd_timespec)) < 0:
            return -LINUX_EFAULT
    return sem_result(result, &t, frame.arg[4] != 0)


cdef long sem2_wake(uaddr sem) noexcept nogil:
    """do_sem2_wake. The flag goes when the last one is woken; if another one fell asleep meanwhile, it comes back."""
    cdef uint32_t flags = 0, count = 0, seen = 0
    cdef bint shared
    cdef long waiting, result
    if fetch_guest32(sem + SEM2_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    waiting = sleepers(sem, shared)
    if waiting == 0:
        return 0
    if waiting == 1:
        if fetch_guest32(sem, &count) < 0:
            return -LINUX_EFAULT
        while count & FREEBSD_USEM_HAS_WAITERS:
            result = guest_cas(sem, count, count & ~<uint32_t> FREEBSD_USEM_HAS_WAITERS, &seen)
            if result < 0:
                return result
            count = seen
            if result == 0:
                break
    umtx_wake(sem, 1, shared, FUTEX_ANY)
    while waiting == 1 and sleepers(sem, shared) > 0:
        # Nobody sleeps there for long without the flag: set it, and if something can be taken, wake one more.
        if fetch_guest32(sem, &count) < 0:
            return 0
        if not count & FREEBSD_USEM_HAS_WAITERS and guest_cas(sem, count, count | <uint32_t> FREEBSD_USEM_HAS_WAITERS,
                                                              &seen) != 0:
            continue
        if count & USEM_COUNT:
            umtx_wake(sem, 1, shared, FUTEX_ANY)
        break
    return 0


cdef long sem_wait(process_t *proc, frame_t *frame) noexcept nogil:
    """do_sem_wait, of libc up to FreeBSD 9. _has_waiters stays set when there is something to take: taking it back could
    wipe it for another one."""
    cdef uaddr sem = frame.arg[0]
    cdef uint32_t flags = 0, count = 0, seen = 0
    cdef freebsd_umtx_time t
    cdef deadline_t deadline
    cdef long result
    deadline.kind = DEADLINE_NONE
    if frame.arg[4] != 0:
        result = umtx_timeout_in(frame.arg[4], frame.arg[3], &t)
        if result == 0:
            result = deadline_set(proc, &deadline, &t.timeout, t.clockid, t.flags & FREEBSD_UMTX_ABSTIME != 0)
        if result < 0:
            return result
    if fetch_guest32(sem + SEM_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    while True:
        if guest_cas(sem, 0, 1, &seen) < 0 or fetch_guest32(sem + SEM_COUNT, &count) < 0:
            return -LINUX_EFAULT
        if count != 0:
            return 0
        result = umtx_sleep(proc, sem + SEM_COUNT, 0, flags & FREEBSD_USYNC_PROCESS_SHARED != 0, FUTEX_ANY, &deadline)
        if result != -LINUX_EAGAIN:
            return sem_result(result, &t, frame.arg[4] != 0)


cdef long sem_wake(uaddr sem) noexcept nogil:
    """do_sem_wake; as sem2_wake."""
    cdef uint32_t flags = 0, count = 0
    cdef bint shared
    cdef long waiting
    if fetch_guest32(sem + SEM_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    waiting = sleepers(sem + SEM_COUNT, shared)
    if waiting == 0:
        return 0
    if waiting == 1 and store_guest32(sem, 0) < 0:
        return -LINUX_EFAULT
    umtx_wake(sem + SEM_COUNT, 1, shared, FUTEX_ANY)
    if waiting == 1 and sleepers(sem + SEM_COUNT, shared) > 0:
        if store_guest32(sem, 1) == 0 and fetch_guest32(sem + SEM_COUNT, &count) == 0 and count != 0:
            umtx_wake(sem + SEM_COUNT, 1, shared, FUTEX_ANY)
    return 0

# _umtx_op(2): struct urwlock.
#
# rw_state is the futex: readers sleep with bit 1, writers with bit 2. rw_blocked_readers and rw_blocked_writers count who
# is in here; libthr does not look at them. The WAITERS bits in the state say to an unlocking thread that it must
# come here. Who is last to leave takes the bit away, and looks at the count again: if somebody came in the meantime,
# it wakes that kind, and each of them finds its way again.

cdef enum:
    RW_FLAGS = 4
    RW_BLOCKED_READERS = 8
    RW_BLOCKED_WRITERS = 12
    RW_READERS = 1                  # bits of the futex
    RW_WRITERS = 2


cdef long rw_leave(uaddr rw, uint64_t counter, uint32_t bit, uint32_t kind, bint shared) noexcept nogil:
    """One waiter less; the last one takes the WAITERS bit away."""
    cdef uint32_t count = 0, state = 0, seen = 0
    cdef long result
    if guest_add(rw + counter, -1, &count) < 0:
        return -LINUX_EFAULT
    if count != 0:
        return 0
    if fetch_guest32(rw, &state) < 0:
        return -LINUX_EFAULT
    while state & bit:
        result = guest_cas(rw, state, state & ~bit, &seen)
        if result < 0:
            return result
        state = seen
        if result == 0:
            break
    if fetch_guest32(rw + counter, &count) < 0:
        return -LINUX_EFAULT
    if count != 0:
        umtx_wake(rw, INT_MAX, shared, kind)
    return 0


cdef long rw_lock(area_t *area, frame_t *frame, bint write) noexcept nogil:
    """do_rw_rdlock and do_rw_wrlock. Never restarted."""
    cdef uaddr rw = frame.arg[0]
    cdef uint64_t counter = RW_BLOCKED_WRITERS if write else RW_BLOCKED_READERS
    cdef uint32_t flags = 0, state = 0, seen = 0, taken = FREEBSD_URWLOCK_WRITE_OWNER, count = 0
    cdef uint32_t bit = FREEBSD_URWLOCK_WRITE_WAITERS if write else FREEBSD_URWLOCK_READ_WAITERS
    cdef deadline_t deadline
    cdef bint shared, waiting = False
    cdef long error = umtx_deadline(area.proc, frame, &deadline), result
    if error < 0:
        return error
    if fetch_guest32(rw + RW_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    if write:
        taken |= FREEBSD_URWLOCK_MAX_READERS
    elif not (frame.arg[2] | flags) & FREEBSD_URWLOCK_PREFER_READER:
        taken |= FREEBSD_URWLOCK_WRITE_WAITERS
    while True:
        if fetch_guest32(rw, &state) < 0:
            return -LINUX_EFAULT
        if state & taken == 0:
            if not write and state & FREEBSD_URWLOCK_MAX_READERS == FREEBSD_URWLOCK_MAX_READERS:
                error = -LINUX_EAGAIN
                break
            result = guest_cas(rw, state, state | <uint32_t> FREEBSD_URWLOCK_WRITE_OWNER if write else state + 1, &seen)
            if result == 0:
                error = 0
                break
            if result < 0:
                return result
            continue
        if error != 0:
            break
        if not waiting:
            if guest_add(rw + counter, 1, &count) < 0:
                return -LINUX_EFAULT
            waiting = True
        if not state & bit:
            result = guest_cas(rw, state, state | bit, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        error = umtx_sleep(area.proc, rw, state | bit, shared, RW_WRITERS if write else RW_READERS, &deadline)
        if error == -LINUX_EAGAIN:
            error = 0
    if waiting:
        rw_leave(rw, counter, bit, RW_WRITERS if write else RW_READERS, shared)
        if write and error != 0:
            # Readers may have waited for this writer alone.
            if fetch_guest32(rw, &state) == 0 and fetch_guest32(rw + RW_BLOCKED_READERS, &count) == 0 \
                    and state & (FREEBSD_URWLOCK_WRITE_OWNER | FREEBSD_URWLOCK_WRITE_WAITERS) == 0 and count != 0:
                umtx_wake(rw, INT_MAX, shared, RW_READERS)
    return error


cdef long rw_unlock(uaddr rw) noexcept nogil:
    """do_rw_unlock."""
    cdef uint32_t flags = 0, state = 0, seen = 0
    cdef bint shared
    cdef long result
    if fetch_guest32(rw + RW_FLAGS, &flags) < 0 or fetch_guest32(rw, &state) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    while True:
        if state & FREEBSD_URWLOCK_WRITE_OWNER:
            result = guest_cas(rw, state, state & ~<uint32_t> FREEBSD_URWLOCK_WRITE_OWNER, &seen)
        elif state & FREEBSD_URWLOCK_MAX_READERS:
            result = guest_cas(rw, state, state - 1, &seen)
        else:
            return -LINUX_EPERM
        if result < 0:
            return result
        if result == 0:
            break
        state = seen
    if state & FREEBSD_URWLOCK_WRITE_WAITERS and not (flags & FREEBSD_URWLOCK_PREFER_READER
                                                      and state & FREEBSD_URWLOCK_READ_WAITERS):
        umtx_wake(rw, 1, shared, RW_WRITERS)
    elif state & FREEBSD_URWLOCK_READ_WAITERS:
        umtx_wake(rw, INT_MAX, shared, RW_READERS)
    return 0

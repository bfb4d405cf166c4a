# _umtx_lock(2), _umtx_unlock(2): struct umtx (libthr of FreeBSD 5 and 6).
#
# A 64-bit owner with the highest bit for UMTX_CONTESTED. The futex is the upper half, which an unlock always makes 0. The
# lock is taken in here, and who has slept takes it with the bit: there may be others.

cdef enum:
    UMTX_CONTESTED_HALF = 0x80000000UL


cdef long umtx_lock(process_t *proc, uaddr at, uint64_t id_, deadline_t *deadline) noexcept nogil:
    """do_lock_umtx."""
    cdef uint64_t contested = 1UL << 63, owner, seen
    cdef bint slept = False
    cdef long error = 0
    while True:
        owner = 0
        if cas_guest64(at, &owner, id_ | contested if slept else id_) < 0:
            return -LINUX_EFAULT
        if owner == 0:
            return 0
        if owner == contested:
            seen = owner
            if cas_guest64(at, &seen, id_ | contested) < 0:
                return -LINUX_EFAULT
            if seen == owner:
                return 0
            continue
        seen = owner
        if cas_guest64(at, &seen, owner | contested) < 0:
            return -LINUX_EFAULT
        if seen != owner:
            continue
        if error != 0:
            if error == -LINUX_EINTR and deadline.kind == DEADLINE_NONE:
                return -LINUX_ERESTARTNOINTR
            return error
        slept = True
        error = umtx_sleep(proc, at + 4, UMTX_CONTESTED_HALF | <uint32_t> (owner >> 32), True, FUTEX_ANY, deadline)
        if error == -LINUX_EAGAIN:
            error = 0


cdef long umtx_unlock(uaddr at, uint64_t id_) noexcept nogil:
    """do_unlock_umtx."""
    cdef uint64_t contested = 1UL << 63, owner = 0, seen
    if fetch_guest64(at, &owner) < 0:
        return -LINUX_EFAULT
    while True:
        if owner & ~contested != id_:
            return -LINUX_EPERM
        seen = owner
        if cas_guest64(at, &seen, 0) < 0:
            return -LINUX_EFAULT
        if seen == owner:
            break
        owner = seen
    if owner & contested:
        umtx_wake(at + 4, 1, True, FUTEX_ANY)
    return 0


cdef long umtx_lock_op(process_t *proc, frame_t *frame) noexcept nogil:
    cdef freebsd_timespec timeout
    cdef deadline_t deadline
    deadline.kind = DEADLINE_NONE
    if frame.arg[4] != 0:
        if copyin(frame.arg[4], &timeout, sizeof(timeout)) < 0:
            return -LINUX_EFAULT
        if not timespec_is_interval(&timeout):
            return -LINUX_EINVAL
        deadline_set(proc, &deadline, &timeout, FREEBSD_CLOCK_REALTIME, False)
    return umtx_lock(proc, frame.arg[0], frame.arg[2], &deadline)


cdef public long sys_freebsd10__umtx_lock(frame_t *frame, area_t *area) noexcept nogil:
    cdef deadline_t never
    never.kind = DEADLINE_NONE
    return umtx_lock(area.proc, frame.arg[0], <uint64_t> area.tid, &never)


cdef public long sys_freebsd10__umtx_unlock(frame_t *frame, area_t *area) noexcept nogil:
    return umtx_unlock(frame.arg[0], <uint64_t> area.tid)

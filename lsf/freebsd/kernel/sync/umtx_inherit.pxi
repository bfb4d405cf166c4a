# _umtx_op(2): mutexes that lend priority to their owner, UMUTEX_PRIO_INHERIT. Model: do_lock_pi, do_unlock_pi.
#
# FreeBSD's word is a Linux PI futex as it stands: the owner's number, and a high bit that says that somebody may wait. So Linux lends
# (to real-time threads; it has no other lending), and its unlock hands the mutex to the first of those who wait, the one of the highest
# priority. Three things are FreeBSD's alone:
#   - OWNERDEAD and NOTRECOV are words that Linux would take for the threads 16 and 17. Only who finds the mutex without a waiter stores
#     them; where somebody waits, Linux passes the mutex on, with its FUTEX_OWNER_DIED when the owner has ended, and who gets it reads
#     that, or UMUTEX_NONCONSISTENT in the flags. One who is on the way into Linux meanwhile finds such a word there; so the wait for
#     a robust mutex is made in pieces.
#   - A mutex that is not robust stays its dead owner's. Linux passes it on; who gets it leaves FUTEX_OWNER_DIED in the word, by
#     which everybody knows that it will never be free.
#   - FreeBSD notices no ring of owners and waiters, and lets them sleep. Linux refuses, and then we ask again and again.

cdef enum:
    INHERIT_NAP = 10000000          # nanoseconds until Linux is asked once more for what it has refused


cdef long inherit_wait(process_t *proc, uaddr m, bint shared, deadline_t *deadline) noexcept nogil:
    """FUTEX_LOCK_PI2, and on a Linux before 5.14 FUTEX_LOCK_PI, whose time is CLOCK_REALTIME's."""
    cdef uint64_t private_flag = 0 if shared else LINUX_FUTEX_PRIVATE_FLAG
    cdef freebsd_timespec now
    cdef long result = futex_sleep(proc, m, LINUX_FUTEX_LOCK_PI2 | private_flag, 0, 0, deadline)
    if result != -LINUX_ENOSYS:
        return result
    if deadline.kind == DEADLINE_NONE:
        return blocking_syscall(LINUX_SYS_futex, m, LINUX_FUTEX_LOCK_PI | private_flag, 0, 0, 0, 0)
    deadline_remains(proc, deadline, &now)
    timespec_from_now(proc, FREEBSD_CLOCK_REALTIME, &now)
    return blocking_syscall(LINUX_SYS_futex, m, LINUX_FUTEX_LOCK_PI | private_flag, 0, <uint64_t> &now, 0, 0)


cdef bint inherit_waited_for(uaddr m, bint shared) noexcept nogil:
    """Whether somebody waits in FUTEX_LOCK_PI: Linux refuses to requeue such a one, and there is nobody else."""
    return linux_syscall6(LINUX_SYS_futex, m, LINUX_FUTEX_REQUEUE | (0 if shared else LINUX_FUTEX_PRIVATE_FLAG), 0, INT_MAX, m,
                          0) == -LINUX_EINVAL


cdef long inherit_nap(process_t *proc, int64_t nanoseconds, deadline_t *deadline) noexcept nogil:
    """Sleep so long, or until the deadline: 0, -ETIMEDOUT, -EINTR."""
    cdef deadline_t piece
    cdef uint32_t nobody = 0
    deadline_piece(proc, deadline, nanoseconds, &piece)
    return piece_over(proc, deadline, umtx_sleep(proc, <uint64_t> &nobody, 0, False, FUTEX_ANY, &piece))


cdef long inherit_sleep(process_t *proc, uaddr m, uint32_t flags, deadline_t *deadline) noexcept nogil:
    """Wait in Linux for an owned mutex: 1 when it is this thread's, 0 to look again, -ETIMEDOUT, -EINTR, -EFAULT."""
    cdef deadline_t piece
    cdef bint shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    cdef bint pieces = flags & (FREEBSD_UMUTEX_ROBUST | FREEBSD_UMUTEX_NONCONSISTENT) != 0
    cdef long result
    if pieces:
        deadline_piece(proc, deadline, ROBUST_LOOK, &piece)
    result = inherit_wait(proc, m, shared, &piece if pieces else deadline)
    if result == 0:
        return 1
    if result == -LINUX_ETIMEDOUT and pieces:
        return piece_over(proc, deadline, result)
    return result if result == -LINUX_ETIMEDOUT or result == -LINUX_EINTR or result == -LINUX_EFAULT or result == -LINUX_ESRCH \
        else inherit_nap(proc, INHERIT_NAP, deadline)


cdef long inherit_owner_gone(area_t *area, uaddr m, uint32_t flags, uint32_t owner, deadline_t *deadline) noexcept nogil:
    """The owner's thread is no more. A robust mutex is the next one's; any other is nobody's for ever."""
    cdef uint32_t seen = 0
    cdef long result
    if not flags & FREEBSD_UMUTEX_ROBUST:
        return inherit_nap(area.proc, ROBUST_LOOK, deadline)
    result = guest_cas(m, owner, FREEBSD_UMUTEX_RB_OWNERDEAD, &seen)
    return result if result < 0 else 0


cdef long inherit_taken(area_t *area, uaddr m) noexcept nogil:
    """Linux has given us the mutex: 0, -EOWNERDEAD, -ENOTRECOVERABLE, or 1 where it stays a dead owner's."""
    cdef uint32_t flags = 0, owner = 0, seen = 0
    cdef long result
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if owner & LINUX_FUTEX_OWNER_DIED:
            if not flags & FREEBSD_UMUTEX_ROBUST:
                return 1
            result = guest_cas(m, owner, owner & ~<uint32_t> LINUX_FUTEX_OWNER_DIED | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &seen)
            if result == 1:
                continue
            return result if result < 0 else -LINUX_EOWNERDEAD
        if flags & FREEBSD_UMUTEX_NONCONSISTENT:
            mutex_unlock_inherit(area, m, flags, False)
            return -LINUX_ENOTRECOVERABLE
        return 0


cdef long mutex_lock_inherit(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_pi."""
    cdef uint32_t owner = 0, seen = 0, id_ = <uint32_t> area.tid
    cdef long error = 0, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if owner == FREEBSD_UMUTEX_RB_NOTRECOV:
            return -LINUX_ENOTRECOVERABLE
        if owner == FREEBSD_UMUTEX_UNOWNED or owner == FREEBSD_UMUTEX_CONTESTED or owner == FREEBSD_UMUTEX_RB_OWNERDEAD:
            result = guest_cas(m, owner, id_ if owner == FREEBSD_UMUTEX_UNOWNED
                               else id_ | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &seen)
            if result == 0:
                return -LINUX_EOWNERDEAD if owner == FREEBSD_UMUTEX_RB_OWNERDEAD else 0
            if result < 0:
                return result
            continue
        if owner & ~FREEBSD_UMUTEX_CONTESTED == id_:
            return -LINUX_EDEADLK
        if mode != MUTEX_LOCK:
            return -LINUX_EBUSY
        if error != 0:
            return error            # it was tried once more after the sleep ended
        if owner & LINUX_FUTEX_OWNER_DIED and not flags & FREEBSD_UMUTEX_ROBUST:
            error = inherit_nap(area.proc, ROBUST_LOOK, deadline)
            continue
        if not owner & FREEBSD_UMUTEX_CONTESTED:
            result = guest_cas(m, owner, owner | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        error = inherit_sleep(area.proc, m, flags, deadline)
        if error == -LINUX_ESRCH:
            error = inherit_owner_gone(area, m, flags, owner | <uint32_t> FREEBSD_UMUTEX_CONTESTED, deadline)
        elif error == 1:
            result = inherit_taken(area, m)
            if result != 1:
                return result
            error = 0


cdef long mutex_unlock_inherit(area_t *area, uaddr m, uint32_t flags, bint dead) noexcept nogil:
    """do_unlock_pi. What a dying thread leaves to those who wait, Linux passes on when the thread is gone."""
    cdef uint32_t owner = 0, seen = 0, value = unlock_value(flags, dead)
    cdef bint shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    cdef long result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if owner & ~FREEBSD_UMUTEX_CONTESTED != <uint32_t> area.tid:
            return -LINUX_EPERM
        if owner & FREEBSD_UMUTEX_CONTESTED and (value == FREEBSD_UMUTEX_UNOWNED or inherit_waited_for(m, shared)):
            if dead:
                return 0
            result = linux_syscall6(LINUX_SYS_futex, m, LINUX_FUTEX_UNLOCK_PI | (0 if shared else LINUX_FUTEX_PRIVATE_FLAG), 0, 0,
                                    0, 0)
            # EINVAL: the program has written another owner into the word while somebody waited ("userland messed the mutex").
            return -LINUX_EPERM if result == -LINUX_EINVAL else result
        result = guest_cas(m, owner, value, &seen)
        if result <= 0:
            return result

# _umtx_op(2): struct umutex.
#
# m_owner is the futex: the owner's thread number, and UMUTEX_CONTESTED when somebody may sleep. Who wants to sleep sets
# that bit in the owner's word and sleeps while the word is unchanged. libthr unlocks without us where the bit is clear;
# where it is set it stores 0 and asks for WAKE2, or asks for UNLOCK. Invariant: while someone sleeps, the bit is set in
# an owned word, or the thread that took it away has not yet come to mutex_repair. mutex_repair therefore counts the
# sleepers after the word was released: who is not counted was not asleep, and its futex sees another word.

cdef enum:
    M_FLAGS = 4                     # offsets in struct umutex
    M_CEILINGS = 8

cdef enum:
    MUTEX_LOCK = 0                  # how do_lock_umutex is asked
    MUTEX_TRY = 1
    MUTEX_WAIT = 2
    ROBUST_LOOK = 100000000         # nanoseconds between two looks at the owner of a shared robust mutex
    UMTX_MAX_ROBUST = 1000          # kern.ipc.umtx_max_robust


cdef inline bint mutex_is_free(uint32_t owner) noexcept nogil:
    return owner & ~FREEBSD_UMUTEX_CONTESTED == 0 or owner == FREEBSD_UMUTEX_RB_OWNERDEAD \
            or owner == FREEBSD_UMUTEX_RB_NOTRECOV


cdef long mutex_repair(uaddr m, bint shared) noexcept nogil:
    """After a mutex was released: wake one of its sleepers, and mark the word for the others. WAKE2's body."""
    cdef uint32_t owner = 0, seen = 0
    cdef long count, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        count = sleepers(m, shared)
        if count == 0:
            return 0
        if not owner & FREEBSD_UMUTEX_CONTESTED and (count > 1 or owner != 0):
            result = guest_cas(m, owner, owner | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        if mutex_is_free(owner):
            # FreeBSD wakes one here too; but who then finds the mutex unrecoverable wakes nobody else.
            umtx_wake(m, INT_MAX if owner == FREEBSD_UMUTEX_RB_NOTRECOV else 1, shared, FUTEX_ANY)
        return 0


cdef bint thread_is_gone(uint32_t tid) noexcept nogil:
    """True where no thread of that number runs any more, in whatever process."""
    cdef char path[40]
    cdef char text[400]
    cdef uint64_t at
    cdef long fd, size
    if linux_syscall2(LINUX_SYS_tkill, tid, 0) == -LINUX_ESRCH:
        return True
    at = append(path, 0, 40, b"/proc/")
    at = append_number(path, at, 40, tid, 10)
    append(path, at, 40, b"/stat")
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return False
    size = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> text, sizeof(text))
    linux_syscall1(LINUX_SYS_close, fd)
    while size > 2:                 # pid (name) state ...; the name may hold anything
        size -= 1
        if text[size - 1] == c')' and text[size] == c' ':
            return text[size + 1] == c'Z' or text[size + 1] == c'X'        # Z, X
    return False


cdef long mutex_sleep(area_t *area, uaddr m, uint32_t owner, uint32_t flags, deadline_t *deadline) noexcept nogil:
    """Sleep until a contested mutex is released.

    When a FreeBSD process ends, its kernel walks the lists of robust mutexes. When Linux kills one (kill -9) nobody does;
    so who waits for a robust mutex of several processes looks now and then whether its owner lives."""
    cdef deadline_t look
    cdef freebsd_timespec interval
    cdef uint32_t seen = 0, tid = owner & ~<uint32_t> FREEBSD_UMUTEX_CONTESTED
    cdef bint shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    cdef long result
    if not (shared and flags & FREEBSD_UMUTEX_ROBUST):
        return umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, deadline)
    if thread_is_gone(tid):
        result = guest_cas(m, owner, FREEBSD_UMUTEX_RB_OWNERDEAD, &seen)
        return result if result < 0 else 0
    interval.tv_sec = 0
    interval.tv_nsec = ROBUST_LOOK
    look.kind = DEADLINE_MONOTONIC
    read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &look.at)
    timespec_add(&look.at, &interval)
    if deadline.kind == DEADLINE_MONOTONIC and timespec_reached(&look.at, &deadline.at):
        return umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, deadline)
    result = umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, &look)
    if result == -LINUX_ETIMEDOUT:
        result = 0
        if deadline.kind == DEADLINE_REALTIME:
            read_clock(area.proc, FREEBSD_CLOCK_REALTIME, &look.at)
            if timespec_reached(&look.at, &deadline.at):
                result = -LINUX_ETIMEDOUT
    return result


cdef long mutex_lock_normal(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_normal, and do_lock_pi without its lending of priorities."""
    cdef uint32_t owner = 0, seen = 0, id_ = <uint32_t> area.tid
    cdef bint inherit = flags & FREEBSD_UMUTEX_PRIO_INHERIT != 0
    cdef long error = 0, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if mode == MUTEX_WAIT and not inherit:
            if mutex_is_free(owner):
                return 0
        else:
            if owner == FREEBSD_UMUTEX_RB_NOTRECOV:
                return -LINUX_ENOTRECOVERABLE
            if owner == FREEBSD_UMUTEX_RB_OWNERDEAD or owner == FREEBSD_UMUTEX_UNOWNED or owner == FREEBSD_UMUTEX_CONTESTED:
                result = guest_cas(m, owner, id_ if owner == FREEBSD_UMUTEX_UNOWNED else id_
                                   | <uint32_t> FREEBSD_UMUTEX_CONTESTED,
                                   &seen)
                if result == 0:
                    return -LINUX_EOWNERDEAD if owner == FREEBSD_UMUTEX_RB_OWNERDEAD else 0
                if result < 0:
                    return result
                continue
            if inherit and owner & ~FREEBSD_UMUTEX_CONTESTED == id_:
                return -LINUX_EDEADLK
            if mode != MUTEX_LOCK:
                return -LINUX_EBUSY
        if error != 0:
            return error            # it was tried once more after the sleep ended
        if not owner & FREEBSD_UMUTEX_CONTESTED:
            result = guest_cas(m, owner, owner | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        error = mutex_sleep(area, m, owner | <uint32_t> FREEBSD_UMUTEX_CONTESTED, flags, deadline)
        if error == -LINUX_EAGAIN:
            error = 0


cdef long mutex_lock_protect(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_pp without the change of priority, though a thread above the ceiling is refused. A free mutex of this kind is UMUTEX_CONTESTED, never 0, so that every lock
    and unlock comes here, and each unlock wakes one."""
    cdef uint32_t ceiling = 0, owner = 0, id_ = <uint32_t> area.tid
    cdef int priority = 0
    cdef long error = 0, result
    while True:
        if fetch_guest32(m + M_CEILINGS, &ceiling) < 0:
            return -LINUX_EFAULT
        if ceiling > FREEBSD_RTP_PRIO_MAX:
            return -LINUX_EINVAL
        result = policy_of(0, &priority)
        if (result == FREEBSD_SCHED_FIFO or result == FREEBSD_SCHED_RR) and priority > <int> ceiling:
            return -LINUX_EINVAL
        result = guest_cas(m, FREEBSD_UMUTEX_CONTESTED, id_ | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &owner)
        if result <= 0:
            return result
        if owner == FREEBSD_UMUTEX_RB_OWNERDEAD:
            result = guest_cas(m, FREEBSD_UMUTEX_RB_OWNERDEAD, id_ | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &owner)
            if result <= 0:
                return -LINUX_EOWNERDEAD if result == 0 else result
            if mode == MUTEX_LOCK:
                continue
        elif owner == FREEBSD_UMUTEX_RB_NOTRECOV:
            error = -LINUX_ENOTRECOVERABLE
        if mode != MUTEX_LOCK:
            error = -LINUX_EBUSY
        if error != 0:
            return error
        error = mutex_sleep(area, m, owner, flags, deadline)
        if error == -LINUX_EAGAIN:
            error = 0


cdef long mutex_lock(area_t *area, frame_t *frame, int mode) noexcept nogil:
    """do_lock_umutex. A lock without a timeout is begun anew after any handler."""
    cdef deadline_t deadline
    cdef uint32_t flags = 0
    cdef long result
    deadline.kind = DEADLINE_NONE
    if mode != MUTEX_TRY:
        result = umtx_deadline(area.proc, frame, &deadline)
        if result < 0:
            return result
    if fetch_guest32(frame.arg[0] + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    if flags & FREEBSD_UMUTEX_PRIO_INHERIT and flags & FREEBSD_UMUTEX_PRIO_PROTECT:
        return -LINUX_EINVAL
    if flags & FREEBSD_UMUTEX_PRIO_PROTECT:
        result = mutex_lock_protect(area, frame.arg[0], flags, &deadline, mode)
    else:
        result = mutex_lock_normal(area, frame.arg[0], flags, &deadline, mode)
    if result == -LINUX_EINTR and deadline.kind == DEADLINE_NONE:
        return -LINUX_ERESTARTNOINTR if mode != MUTEX_WAIT else -LINUX_ERESTARTSYS
    return result


cdef long mutex_unlock(area_t *area, uaddr m, bint dead) noexcept nogil:
    """do_unlock_umutex; `dead`: the owner ends and leaves the mutex to the next one."""
    cdef uint32_t flags = 0, owner = 0, free_, seen = 0, ceiling = 0, id_ = <uint32_t> area.tid
    cdef bint shared
    cdef long result
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    if flags & FREEBSD_UMUTEX_PRIO_INHERIT and flags & FREEBSD_UMUTEX_PRIO_PROTECT:
        return -LINUX_EINVAL
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    free_ = (FREEBSD_UMUTEX_RB_OWNERDEAD if dead else FREEBSD_UMUTEX_RB_NOTRECOV if flags & FREEBSD_UMUTEX_NONCONSISTENT
             else FREEBSD_UMUTEX_UNOWNED)
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if owner & ~FREEBSD_UMUTEX_CONTESTED != id_:
            return -LINUX_EPERM
        if flags & FREEBSD_UMUTEX_PRIO_PROTECT:
            if fetch_guest32(m + M_CEILINGS + 4, &ceiling) < 0:
                return -LINUX_EFAULT
            if ceiling != 0xffffffffUL and ceiling > FREEBSD_RTP_PRIO_MAX:
                return -LINUX_EINVAL
            if store_guest32(m, free_ | <uint32_t> FREEBSD_UMUTEX_CONTESTED) < 0:
                return -LINUX_EFAULT
            umtx_wake(m, INT_MAX if free_ == FREEBSD_UMUTEX_RB_NOTRECOV else 1, shared, FUTEX_ANY)
            return 0
        result = guest_cas(m, owner, free_, &seen)
        if result < 0:
            return result
        if result == 0:
            return mutex_repair(m, shared) if owner & FREEBSD_UMUTEX_CONTESTED else 0


cdef long mutex_wake(uaddr m) noexcept nogil:
    """MUTEX_WAKE, of libthr up to FreeBSD 9: it has stored UMUTEX_CONTESTED, and counts on us to take the bit away."""
    cdef uint32_t owner = 0, flags = 0, seen = 0
    cdef long count, result
    if fetch_guest32(m, &owner) < 0:
        return -LINUX_EFAULT
    if not mutex_is_free(owner):
        return 0
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    count = sleepers(m, flags & FREEBSD_USYNC_PROCESS_SHARED != 0)
    if count <= 1 and owner == FREEBSD_UMUTEX_CONTESTED:
        result = guest_cas(m, FREEBSD_UMUTEX_CONTESTED, FREEBSD_UMUTEX_UNOWNED, &seen)
        if result < 0:
            return result
    # Also where nobody was counted: someone may have fallen asleep before the bit was taken away.
    return mutex_repair(m, flags & FREEBSD_USYNC_PROCESS_SHARED != 0)


cdef long mutex_wake2(uaddr m, uint32_t flags) noexcept nogil:
    if flags & FREEBSD_UMUTEX_PRIO_INHERIT and flags & FREEBSD_UMUTEX_PRIO_PROTECT:
        return -LINUX_EINVAL
    return mutex_repair(m, flags & FREEBSD_USYNC_PROCESS_SHARED != 0)


cdef long mutex_set_ceiling(area_t *area, uaddr m, uint32_t ceiling, uaddr old) noexcept nogil:
    """do_set_ceiling: lock, change, unlock; or just change, for the owner."""
    cdef deadline_t never
    cdef uint32_t flags = 0, owner = 0, was = 0, id_ = <uint32_t> area.tid
    cdef bint shared
    cdef long error = 0, result
    never.kind = DEADLINE_NONE
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    if not flags & FREEBSD_UMUTEX_PRIO_PROTECT or ceiling > FREEBSD_RTP_PRIO_MAX:
        return -LINUX_EINVAL
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    while True:
        if fetch_guest32(m + M_CEILINGS, &was) < 0:
            return -LINUX_EFAULT
        result = guest_cas(m, FREEBSD_UMUTEX_CONTESTED, id_ | <uint32_t> FREEBSD_UMUTEX_CONTESTED, &owner)
        if result < 0:
            return result
        if result == 0:
            if store_guest32(m + M_CEILINGS, ceiling) < 0 or store_guest32(m, FREEBSD_UMUTEX_CONTESTED) < 0:
                return -LINUX_EFAULT
            break
        if owner & ~FREEBSD_UMUTEX_CONTESTED == id_:
            if store_guest32(m + M_CEILINGS, ceiling) < 0:
                return -LINUX_EFAULT
            break
        if owner == FREEBSD_UMUTEX_RB_OWNERDEAD:
            return -LINUX_EOWNERDEAD
        if owner == FREEBSD_UMUTEX_RB_NOTRECOV:
            return -LINUX_ENOTRECOVERABLE
        if error != 0:
            return restartable(error)
        error = umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, &never)
        if error == -LINUX_EAGAIN:
            error = 0
    umtx_wake(m, INT_MAX, shared, FUTEX_ANY)
    return 0 if old == 0 or store_guest32(old, was) == 0 else -LINUX_EFAULT

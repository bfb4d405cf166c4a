# _umtx_op(2): mutexes with a ceiling, UMUTEX_PRIO_PROTECT. Model: do_lock_pp, do_unlock_pp, do_set_ceiling.
#
# Who holds one runs with at least the priority of its ceiling, if it is root's: nobody else's priority is raised, on FreeBSD either
# (policy.pxi). A free mutex of this kind is UMUTEX_CONTESTED, never 0, so that every lock and unlock comes here, and each unlock wakes one.

cdef long mutex_lock_protect(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_pp."""
    cdef uint32_t lent = area.own.lent
    cdef long result = protect_try(area, m, flags, deadline, mode)
    if result != 0 and result != -LINUX_EOWNERDEAD:
        priority_lend(area, lent)
    return result


cdef long protect_try(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_pp's loop, which leaves the priority raised when it fails."""
    cdef uint32_t ceiling = 0, owner = 0, lent = area.own.lent, id_ = <uint32_t> area.tid
    cdef bint raises = linux_syscall0(LINUX_SYS_geteuid) == 0       # PRIV_SCHED_RTPRIO
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
        if raises and ceiling + 1 > area.own.lent:
            priority_lend(area, ceiling + 1)
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
        priority_lend(area, lent)
        if error == -LINUX_EAGAIN:
            error = 0


cdef long mutex_unlock_protect(area_t *area, uaddr m, uint32_t flags, bint dead) noexcept nogil:
    """do_unlock_pp. m_ceilings[1] is the ceiling of what the thread holds besides, or -1, as the program has it."""
    cdef uint32_t owner = 0, ceiling = 0, value = unlock_value(flags, dead)
    if fetch_guest32(m, &owner) < 0:
        return -LINUX_EFAULT
    if owner & ~FREEBSD_UMUTEX_CONTESTED != <uint32_t> area.tid:
        return -LINUX_EPERM
    if fetch_guest32(m + M_CEILINGS + 4, &ceiling) < 0:
        return -LINUX_EFAULT
    if ceiling != 0xffffffffUL and ceiling > FREEBSD_RTP_PRIO_MAX:
        return -LINUX_EINVAL
    if store_guest32(m, value | <uint32_t> FREEBSD_UMUTEX_CONTESTED) < 0:
        return -LINUX_EFAULT
    umtx_wake(m, INT_MAX if value == FREEBSD_UMUTEX_RB_NOTRECOV else 1, flags & FREEBSD_USYNC_PROCESS_SHARED != 0, FUTEX_ANY)
    if ceiling == 0xffffffffUL:
        priority_lend(area, 0)
    elif linux_syscall0(LINUX_SYS_geteuid) == 0:
        priority_lend(area, ceiling + 1)
    return 0


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

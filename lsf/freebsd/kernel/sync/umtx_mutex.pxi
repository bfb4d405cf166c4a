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


cdef inline bint is_no_owner(long tid) noexcept nogil:
    """The two thread numbers whose contested word would be OWNERDEAD or NOTRECOV, so that libthr itself took the mutex away. FreeBSD's begin
    at 100000; Linux gives them in every new process namespace, and who makes a thread or a process makes another instead."""
    return tid == <long> (FREEBSD_UMUTEX_RB_OWNERDEAD & ~FREEBSD_UMUTEX_CONTESTED) \
        or tid == <long> (FREEBSD_UMUTEX_RB_NOTRECOV & ~FREEBSD_UMUTEX_CONTESTED)


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
    cdef uint32_t seen = 0
    cdef bint shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    cdef long result
    if not (shared and flags & FREEBSD_UMUTEX_ROBUST):
        return umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, deadline)
    if thread_is_gone(owner & ~<uint32_t> FREEBSD_UMUTEX_CONTESTED):
        result = guest_cas(m, owner, FREEBSD_UMUTEX_RB_OWNERDEAD, &seen)
        return result if result < 0 else 0
    deadline_piece(area.proc, deadline, ROBUST_LOOK, &look)
    return piece_over(area.proc, deadline, umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, &look))


cdef long mutex_lock_normal(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_normal."""
    cdef uint32_t owner = 0, seen = 0, id_ = <uint32_t> area.tid
    cdef long error = 0, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if mode == MUTEX_WAIT:
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
    elif flags & FREEBSD_UMUTEX_PRIO_INHERIT:
        result = mutex_lock_inherit(area, frame.arg[0], flags, &deadline, mode)
    else:
        result = mutex_lock_normal(area, frame.arg[0], flags, &deadline, mode)
    if result == -LINUX_EINTR and deadline.kind == DEADLINE_NONE:
        return -LINUX_ERESTARTNOINTR if mode != MUTEX_WAIT else -LINUX_ERESTARTSYS
    return result


cdef inline uint32_t unlock_value(uint32_t flags, bint dead) noexcept nogil:
    """umtx_unlock_val: what the word becomes. `dead`: the owner ends and leaves the mutex to the next one."""
    return (FREEBSD_UMUTEX_RB_OWNERDEAD if dead else FREEBSD_UMUTEX_RB_NOTRECOV if flags & FREEBSD_UMUTEX_NONCONSISTENT
            else FREEBSD_UMUTEX_UNOWNED)


cdef long mutex_unlock(area_t *area, uaddr m, bint dead) noexcept nogil:
    """do_unlock_umutex and do_unlock_normal; `dead` as of unlock_value."""
    cdef uint32_t flags = 0, owner = 0, seen = 0
    cdef long result
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    if flags & FREEBSD_UMUTEX_PRIO_PROTECT:
        return -LINUX_EINVAL if flags & FREEBSD_UMUTEX_PRIO_INHERIT else mutex_unlock_protect(area, m, flags, dead)
    if flags & FREEBSD_UMUTEX_PRIO_INHERIT:
        return mutex_unlock_inherit(area, m, flags, dead)
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -LINUX_EFAULT
        if owner & ~FREEBSD_UMUTEX_CONTESTED != <uint32_t> area.tid:
            return -LINUX_EPERM
        result = guest_cas(m, owner, unlock_value(flags, dead), &seen)
        if result < 0:
            return result
        if result == 0:
            return mutex_repair(m, flags & FREEBSD_USYNC_PROCESS_SHARED != 0) if owner & FREEBSD_UMUTEX_CONTESTED else 0


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

# _umtx_op(2): struct ucond.
#
# libthr looks at c_has_waiters alone (0: a signal needs no call). The futex is c_spare[0], which it does not use:
# a generation in the upper 16 bits and, below, how many wait. It is changed by compare-and-swap only.
#   wait       counts itself (in the generation g), sets c_has_waiters, unlocks the mutex, sleeps with the bit of g.
#   signal     takes one off the count, then wakes one sleeper of g. If none sleeps, those of g are on their way to sleep
#              or on their way out: it begins a new generation with nobody in it and wakes who fell asleep in g in the
#              meantime. So nobody of g sleeps on.
#   broadcast  begins a new generation and wakes who sleeps in the old one.
#   time-out   takes itself off if its generation still is the current one and somebody is counted; otherwise it was
#              signalled.
# So each waiter is taken off exactly once. The bits of two generations that live at once differ (the older one has no
# sleepers but those about to be woken).
# Who brings the count to 0 clears c_has_waiters and looks again: if someone was counted in the meantime, its flag may
# have been wiped, so that it could miss a signal; it is woken (a spurious wake-up, which POSIX allows).
# The woken waiter may free the object. So all this is done before the wake-up, and the waiter touches nothing after.

cdef enum:
    C_FLAGS = 4
    C_CLOCKID = 8
    C_WORD = 12
    CV_COUNT = 0xffff
    CV_GENERATION = 0x10000


cdef inline uint32_t cv_bit(uint32_t word) noexcept nogil:
    return 1U << ((word >> 16) & 31)


cdef long cv_change(uaddr cv, uint32_t generation, int32_t by, uint32_t *word) noexcept nogil:
    """Add to the count while the generation is this one: 0, 1 where it is another one, -EFAULT."""
    cdef uint32_t seen = 0
    cdef long result
    if fetch_guest32(cv + C_WORD, &seen) < 0:
        return -LINUX_EFAULT
    while True:
        word[0] = seen
        if seen >> 16 != generation or (by < 0 and seen & CV_COUNT == 0):
            return 1
        result = guest_cas(cv + C_WORD, word[0], word[0] + <uint32_t> by, &seen)
        if result <= 0:
            word[0] += <uint32_t> by
            return result


cdef inline long cv_next_generation(uaddr cv, uint32_t word, uint32_t *seen) noexcept nogil:
    """Begin a generation with nobody in it. The caller wakes who sleeps in the one of `word`: 0, 1 (another word), -EFAULT."""
    return guest_cas(cv + C_WORD, word, (word & ~<uint32_t> CV_COUNT) + <uint32_t> CV_GENERATION, seen)


cdef long cv_empty(uaddr cv, bint shared) noexcept nogil:
    """The count came to 0: clear c_has_waiters, and wake who was counted just now (see above)."""
    cdef uint32_t flag = 0, word = 0, seen = 0
    cdef long result
    while True:
        if fetch_guest32(cv, &flag) < 0:
            return -LINUX_EFAULT
        if flag != 0 and guest_cas(cv, flag, 0, &seen) < 0:     # a locked store: it is seen before the next load
            return -LINUX_EFAULT
        if fetch_guest32(cv + C_WORD, &word) < 0:
            return -LINUX_EFAULT
        if word & CV_COUNT == 0:
            return 0
        result = cv_next_generation(cv, word, &seen)
        if result < 0:
            return result
        if result == 0:
            umtx_wake(cv + C_WORD, INT_MAX, shared, cv_bit(word))


cdef long cv_wait(area_t *area, frame_t *frame) noexcept nogil:
    """do_cv_wait. It does not take the mutex back: libthr does."""
    cdef process_t *proc = area.proc
    cdef uaddr cv = frame.arg[0]
    cdef freebsd_timespec timeout
    cdef deadline_t deadline
    cdef uint32_t flags = 0, clock_id = FREEBSD_CLOCK_REALTIME, word = 0, seen = 0, generation
    cdef bint shared
    cdef long result, changed
    deadline.kind = DEADLINE_NONE
    if frame.arg[4] != 0:
        if copyin(frame.arg[4], &timeout, sizeof(timeout)) < 0:
            return -LINUX_EFAULT
        if not timespec_is_interval(&timeout):
            return -LINUX_EINVAL
    if fetch_guest32(cv + C_FLAGS, &flags) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    if frame.arg[2] & FREEBSD_CVWAIT_CLOCKID:
        if fetch_guest32(cv + C_CLOCKID, &clock_id) < 0:
            return -LINUX_EFAULT
        if clock_id >= FREEBSD_CLOCK_THREAD_CPUTIME_ID:
            return -LINUX_EINVAL
    if fetch_guest32(cv + C_WORD, &word) < 0:
        return -LINUX_EFAULT
    while True:
        result = guest_cas(cv + C_WORD, word, word + 1, &seen)
        if result < 0:
            return result
        if result == 0:
            break
        word = seen
    word += 1
    generation = word >> 16
    if fetch_guest32(cv, &seen) < 0 or (seen == 0 and store_guest32(cv, 1) < 0):
        return -LINUX_EFAULT
    result = mutex_unlock(area, frame.arg[3], False)
    if frame.arg[4] != 0 and result == 0:
        result = deadline_set(proc, &deadline, &timeout, clock_id, frame.arg[2] & FREEBSD_CVWAIT_ABSTIME != 0)
    while result == 0:
        result = umtx_sleep(proc, cv + C_WORD, word, shared, cv_bit(word), &deadline)
        if result == 0:
            return 0
        if result != -LINUX_EAGAIN:
            break
        # Somebody came, left or was signalled. In a new generation we were.
        if fetch_guest32(cv + C_WORD, &word) < 0 or word >> 16 != generation:
            return 0
        result = 0
    changed = cv_change(cv, generation, -1, &word)
    if changed != 0:
        return 0 if changed > 0 else result
    if word & CV_COUNT == 0:
        cv_empty(cv, shared)
    return result


cdef long cv_signal(uaddr cv, bint all_) noexcept nogil:
    """do_cv_signal and do_cv_broadcast."""
    cdef uint32_t flags = 0, word = 0, seen = 0, generation, bit
    cdef bint shared
    cdef long result
    if fetch_guest32(cv + C_FLAGS, &flags) < 0 or fetch_guest32(cv + C_WORD, &word) < 0:
        return -LINUX_EFAULT
    shared = flags & FREEBSD_USYNC_PROCESS_SHARED != 0
    while word & CV_COUNT:
        generation = word >> 16
        bit = cv_bit(word)
        if all_:
            result = cv_next_generation(cv, word, &seen)
        else:
            result = guest_cas(cv + C_WORD, word, word - 1, &seen)
        if result < 0:
            return result
        if result != 0:
            word = seen
            continue
        if all_ or word & CV_COUNT == 1:
            result = cv_empty(cv, shared)
        if all_:
            umtx_wake(cv + C_WORD, INT_MAX, shared, bit)
            return result
        if umtx_wake(cv + C_WORD, 1, shared, bit) > 0:
            return result
        while True:
            if fetch_guest32(cv + C_WORD, &word) < 0 or word >> 16 != generation:
                return result
            if cv_next_generation(cv, word, &seen) == 0:
                break
        cv_empty(cv, shared)
        umtx_wake(cv + C_WORD, INT_MAX, shared, bit)
        return result
    return cv_empty(cv, shared)

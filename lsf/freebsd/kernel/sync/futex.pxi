# Sleeping on a word, with a deadline, and waking who sleeps there: Linux's futexes.

cdef enum:
    FUTEX_ANY = 0xffffffffUL
    DEADLINE_NONE = 0
    DEADLINE_MONOTONIC = 1      # a time of Linux's CLOCK_MONOTONIC
    DEADLINE_REALTIME = 2       # ... of its CLOCK_REALTIME
    DEADLINE_POLLED = 3         # ... of a clock that counts CPU time; it is looked at again and again, as FreeBSD does


cdef struct linux_futex_waitv:
    uint64_t val
    uint64_t uaddr
    uint32_t flags
    uint32_t reserved


cdef struct deadline_t:
    int kind
    uint32_t clock
    bint relative                       # what was asked for is a time from now on
    freebsd_timespec at


cdef long deadline_set(process_t *proc, deadline_t *deadline, const freebsd_timespec *timeout, uint32_t clock_id,
                       bint absolute) noexcept nogil:
    """When a wait ends: 0 or -EINVAL for a clock that does not exist."""
    cdef area_t *area = current_area()
    cdef freebsd_timespec least, now
    cdef bint real = (clock_id == FREEBSD_CLOCK_REALTIME or clock_id == FREEBSD_CLOCK_REALTIME_PRECISE
                      or clock_id == FREEBSD_CLOCK_REALTIME_FAST or clock_id == FREEBSD_CLOCK_SECOND)
    cdef bint monotonic = (clock_id == FREEBSD_CLOCK_MONOTONIC or clock_id == FREEBSD_CLOCK_MONOTONIC_PRECISE
                           or clock_id == FREEBSD_CLOCK_MONOTONIC_FAST or clock_id == FREEBSD_CLOCK_UPTIME
                           or clock_id == FREEBSD_CLOCK_UPTIME_PRECISE or clock_id == FREEBSD_CLOCK_UPTIME_FAST)
    deadline.clock = clock_id
    deadline.relative = not absolute
    if area.own.wait_until and not absolute and wait_left(area, &now):
        timeout = &now
    if real and absolute:
        deadline.kind = DEADLINE_REALTIME
        deadline.at = timeout[0]
        if clock_id == FREEBSD_CLOCK_SECOND and timeout.tv_nsec > 0 and timeout.tv_sec < 0x3fffffffffffffffL:
            deadline.at.tv_sec += 1
            deadline.at.tv_nsec = 0
    elif monotonic and absolute:
        deadline.kind = DEADLINE_MONOTONIC
        deadline.at = timeout[0]
    elif real or monotonic:
        deadline.kind = DEADLINE_MONOTONIC
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &deadline.at)
        timespec_add(&deadline.at, timeout)
    else:
        deadline.kind = DEADLINE_POLLED
        if read_clock(proc, clock_id, &deadline.at) < 0:
            return -LINUX_EINVAL
        if absolute:
            deadline.at = timeout[0]
        else:
            timespec_add(&deadline.at, timeout)
    if proc.own.umtx_min_timeout > 0 and deadline.kind != DEADLINE_POLLED:
        least.tv_sec = proc.own.umtx_min_timeout // 1000000000
        least.tv_nsec = proc.own.umtx_min_timeout % 1000000000
        read_clock(proc, FREEBSD_CLOCK_REALTIME if deadline.kind == DEADLINE_REALTIME else FREEBSD_CLOCK_MONOTONIC, &now)
        timespec_add(&now, &least)
        if timespec_reached(&now, &deadline.at):
            deadline.at = now
    return 0


cdef long deadline_remains(process_t *proc, const deadline_t *deadline, freebsd_timespec *left) noexcept nogil:
    """How long it is until a deadline, not DEADLINE_NONE: 0, or -ETIMEDOUT when it has come."""
    cdef freebsd_timespec now
    read_clock(proc, FREEBSD_CLOCK_MONOTONIC if deadline.kind == DEADLINE_MONOTONIC else
               FREEBSD_CLOCK_REALTIME if deadline.kind == DEADLINE_REALTIME else deadline.clock, &now)
    left.tv_sec = 0
    left.tv_nsec = 0
    if timespec_reached(&now, &deadline.at):
        return -LINUX_ETIMEDOUT
    left[0] = deadline.at
    timespec_sub(left, &now)
    return 0


cdef inline void timespec_from_now(process_t *proc, uint32_t clock_id, freebsd_timespec *t) noexcept nogil:
    """Make an interval the time of a clock when it will be over."""
    cdef freebsd_timespec now
    read_clock(proc, clock_id, &now)
    timespec_add(t, &now)


cdef void deadline_piece(process_t *proc, const deadline_t *deadline, int64_t nanoseconds, deadline_t *piece) noexcept nogil:
    """The deadline of a wait that is made in pieces of less than a second; piece_over tells whether the whole is over."""
    cdef freebsd_timespec left
    piece.kind = DEADLINE_MONOTONIC
    piece.relative = False
    piece.at.tv_sec = 0
    piece.at.tv_nsec = nanoseconds
    if deadline.kind != DEADLINE_NONE:
        deadline_remains(proc, deadline, &left)
        if timespec_reached(&piece.at, &left):
            piece.at = left
    timespec_from_now(proc, FREEBSD_CLOCK_MONOTONIC, &piece.at)


cdef long piece_over(process_t *proc, const deadline_t *deadline, long result) noexcept nogil:
    """What a piece's end means for the whole wait: 0 where only the piece is over."""
    cdef freebsd_timespec left
    if result != -LINUX_ETIMEDOUT or deadline.kind == DEADLINE_NONE:
        return 0 if result == -LINUX_ETIMEDOUT else result
    return deadline_remains(proc, deadline, &left)


cdef long deadline_left(process_t *proc, const deadline_t *deadline, long result) noexcept nogil:
    """The result of a wait that is over, whose time goes on if it is made again."""
    cdef freebsd_timespec left
    if result == -LINUX_EINTR and deadline.kind != DEADLINE_NONE and deadline.relative:
        deadline_remains(proc, deadline, &left)
        wait_leave(current_area(), &left)
    return result


cdef long futex_sleep(process_t *proc, uaddr at, uint64_t op, uint32_t value, uint32_t bits, deadline_t *deadline) noexcept nogil:
    """One of Linux's waits on a futex whose time is absolute, CLOCK_MONOTONIC's or CLOCK_REALTIME's."""
    cdef freebsd_timespec until, tick
    cdef long result
    if deadline.kind == DEADLINE_NONE:
        return blocking_syscall(LINUX_SYS_futex, at, op, value, 0, 0, bits)
    if deadline.kind == DEADLINE_REALTIME:
        op |= LINUX_FUTEX_CLOCK_REALTIME
    if deadline.kind != DEADLINE_POLLED:
        result = blocking_syscall(LINUX_SYS_futex, at, op, value, <uint64_t> &deadline.at, 0, bits)
        return deadline_left(proc, deadline, result)
    while True:
        if deadline_remains(proc, deadline, &until) < 0:
            return -LINUX_ETIMEDOUT
        timespec_from_now(proc, FREEBSD_CLOCK_MONOTONIC, &until)
        tick.tv_sec = 0
        tick.tv_nsec = 1000000
        timespec_add(&until, &tick)
        result = blocking_syscall(LINUX_SYS_futex, at, op, value, <uint64_t> &until, 0, bits)
        if result != -LINUX_ETIMEDOUT:
            return result


cdef inline long umtx_sleep(process_t *proc, uaddr at, uint32_t value, bint shared, uint32_t bits,
                            deadline_t *deadline) noexcept nogil:
    """Sleep while the word has this value: 0 when woken, -EAGAIN when it has another, -ETIMEDOUT, -EINTR, -EFAULT."""
    return futex_sleep(proc, at, LINUX_FUTEX_WAIT_BITSET | (0 if shared else LINUX_FUTEX_PRIVATE_FLAG), value, bits, deadline)


cdef inline long umtx_wake(uaddr at, int64_t count, bint shared, uint32_t bits) noexcept nogil:
    """Wake so many of a word's sleepers (at least one, as FreeBSD does for 0): how many were woken."""
    return linux_syscall6(LINUX_SYS_futex, at, LINUX_FUTEX_WAKE_BITSET | (0 if shared else LINUX_FUTEX_PRIVATE_FLAG),
                          1 if <int> count < 1 else <int> count, 0, 0, bits)


cdef inline long sleepers(uaddr at, bint shared) noexcept nogil:
    """How many sleep on a word. No memory of the guest is read or written."""
    cdef long result = linux_syscall6(LINUX_SYS_futex, at, LINUX_FUTEX_REQUEUE
                                      | (0 if shared else LINUX_FUTEX_PRIVATE_FLAG), 0, INT_MAX, at,
                                      0)
    return 0 if is_error(result) else result


cdef inline long guest_cas(uaddr at, uint32_t expected, uint32_t value, uint32_t *seen) noexcept nogil:
    """casueword32: 0 when stored, 1 when the word is another one (*seen), -EFAULT."""
    seen[0] = expected
    if cas_guest32(at, seen, value) < 0:
        return -LINUX_EFAULT
    return 0 if seen[0] == expected else 1


cdef long guest_add(uaddr at, int32_t by, uint32_t *now) noexcept nogil:
    """Add to a word of the guest atomically: 0 and the new value, or -EFAULT."""
    cdef uint32_t seen = 0
    cdef long result
    if fetch_guest32(at, &seen) < 0:
        return -LINUX_EFAULT
    while True:
        now[0] = seen + <uint32_t> by
        result = guest_cas(at, seen, now[0], &seen)
        if result <= 0:
            return result

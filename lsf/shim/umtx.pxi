# _umtx_op(2): what FreeBSD's locks, condition variables and semaphores stand on, over Linux's futexes.
# Model: FreeBSD sys/kern/kern_umtx.c.
#
# FreeBSD's kernel keeps a queue of waiters for each object and a lock on it ("busy"), under which it looks at the
# queue and changes the object. Here the queue is a futex's, inside the object, which serves threads of one process and
# of several alike, and there is no such lock. What takes its place, stated where it is used:
#   - `sleepers` asks Linux how many sleep on a word: FUTEX_REQUEUE from a word to itself moves nobody and counts them.
#   - A futex sleeps only while its word has the expected value. So who is on the way to sleep, and not counted yet, has
#     left a mark in the word (a CONTESTED or WAITERS bit), and whoever takes the mark away changes the word.
#   - Who takes a mark away looks at the queue again afterwards, and repairs.
#   - Nothing is written into an object after a waiter was woken, unless other waiters still sleep on it: the woken
#     one may free the memory.
# Which key a futex has: FreeBSD's THREAD_SHARE is Linux's private futex; PROCESS_SHARE and AUTO_SHARE are the shared
# kind, where Linux looks up the mapping as FreeBSD does.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_sched_getscheduler, SYS_sched_getparam

cdef enum:
    SYS_futex_waitv = 449
    FUTEX_REQUEUE = 3
    FUTEX_WAIT_BITSET = 9
    FUTEX_WAKE_BITSET = 10
    FUTEX_PRIVATE = 128
    FUTEX_CLOCK_REALTIME = 256
    FUTEX_ANY = 0xffffffffUL
    FUTEX2_SIZE_U32 = 2
    INT_MAX = 0x7fffffff

cdef enum:
    UMTX_OP_LOCK = 0
    UMTX_OP_UNLOCK = 1
    UMTX_OP_WAIT = 2
    UMTX_OP_WAKE = 3
    UMTX_OP_MUTEX_TRYLOCK = 4
    UMTX_OP_MUTEX_LOCK = 5
    UMTX_OP_MUTEX_UNLOCK = 6
    UMTX_OP_SET_CEILING = 7
    UMTX_OP_CV_WAIT = 8
    UMTX_OP_CV_SIGNAL = 9
    UMTX_OP_CV_BROADCAST = 10
    UMTX_OP_WAIT_UINT = 11
    UMTX_OP_RW_RDLOCK = 12
    UMTX_OP_RW_WRLOCK = 13
    UMTX_OP_RW_UNLOCK = 14
    UMTX_OP_WAIT_UINT_PRIVATE = 15
    UMTX_OP_WAKE_PRIVATE = 16
    UMTX_OP_MUTEX_WAIT = 17
    UMTX_OP_MUTEX_WAKE = 18
    UMTX_OP_SEM_WAIT = 19
    UMTX_OP_SEM_WAKE = 20
    UMTX_OP_NWAKE_PRIVATE = 21
    UMTX_OP_MUTEX_WAKE2 = 22
    UMTX_OP_SEM2_WAIT = 23
    UMTX_OP_SEM2_WAKE = 24
    UMTX_OP_SHM = 25
    UMTX_OP_ROBUST_LISTS = 26
    UMTX_OP_GET_MIN_TIMEOUT = 27
    UMTX_OP_SET_MIN_TIMEOUT = 28
    UMTX_OP_32BIT_FLAGS = 0xc0000000UL      # UMTX_OP__I386 | UMTX_OP__32BIT
    UMTX_ABSTIME = 1

cdef struct linux_futex_waitv:
    uint64_t val
    uint64_t uaddr
    uint32_t flags
    uint32_t reserved

cdef enum:
    DEADLINE_NONE = 0
    DEADLINE_MONOTONIC = 1      # a time of Linux's CLOCK_MONOTONIC
    DEADLINE_REALTIME = 2       # ... of its CLOCK_REALTIME
    DEADLINE_POLLED = 3         # ... of a clock that counts CPU time; it is looked at again and again, as FreeBSD does

cdef struct deadline_t:
    int kind
    uint32_t clock
    freebsd_timespec at


cdef inline bint timespec_reached(const freebsd_timespec *now, const freebsd_timespec *at) noexcept nogil:
    return now.tv_sec > at.tv_sec or (now.tv_sec == at.tv_sec and now.tv_nsec >= at.tv_nsec)


cdef void timespec_add(freebsd_timespec *to, const freebsd_timespec *more) noexcept nogil:
    """Add an interval, whose parts are valid; stops at the end of time."""
    if more.tv_sec > 0x3fffffffffffffffL or to.tv_sec > 0x3fffffffffffffffL:
        to.tv_sec = 0x7fffffffffffffffL
        return
    to.tv_sec += more.tv_sec
    to.tv_nsec += more.tv_nsec
    if to.tv_nsec >= 1000000000:
        to.tv_sec += 1
        to.tv_nsec -= 1000000000


cdef void timespec_sub(freebsd_timespec *to, const freebsd_timespec *less) noexcept nogil:
    to.tv_sec -= less.tv_sec
    to.tv_nsec -= less.tv_nsec
    if to.tv_nsec < 0:
        to.tv_sec -= 1
        to.tv_nsec += 1000000000


cdef inline bint timespec_is_interval(const freebsd_timespec *t) noexcept nogil:
    """timespecvalid_interval()."""
    return t.tv_sec >= 0 and 0 <= t.tv_nsec < 1000000000


cdef long umtx_timeout_in(uint64_t address, uint64_t size, freebsd_umtx_time *t) noexcept nogil:
    """umtx_copyin_umtx_time: a timespec, or a struct _umtx_time where the caller says that it is larger."""
    memset(t, 0, sizeof(freebsd_umtx_time))
    if copyin(address, t, sizeof(freebsd_timespec) if size <= sizeof(freebsd_timespec)
              else sizeof(freebsd_umtx_time)) < 0:
        return -EFAULT
    if size <= sizeof(freebsd_timespec):
        t.flags = 0
        t.clockid = FREEBSD_CLOCK_REALTIME
    return 0 if timespec_is_interval(&t.timeout) else -EINVAL


cdef long deadline_set(process_t *proc, deadline_t *deadline, const freebsd_timespec *timeout, uint32_t clock_id,
                       bint absolute) noexcept nogil:
    """When a wait ends: 0 or -EINVAL for a clock that does not exist."""
    cdef freebsd_timespec least, now
    cdef bint real = (clock_id == FREEBSD_CLOCK_REALTIME or clock_id == FREEBSD_CLOCK_REALTIME_PRECISE
                      or clock_id == FREEBSD_CLOCK_REALTIME_FAST or clock_id == FREEBSD_CLOCK_SECOND)
    cdef bint monotonic = (clock_id == FREEBSD_CLOCK_MONOTONIC or clock_id == FREEBSD_CLOCK_MONOTONIC_PRECISE
                           or clock_id == FREEBSD_CLOCK_MONOTONIC_FAST or clock_id == FREEBSD_CLOCK_UPTIME
                           or clock_id == FREEBSD_CLOCK_UPTIME_PRECISE or clock_id == FREEBSD_CLOCK_UPTIME_FAST)
    deadline.clock = clock_id
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
            return -EINVAL
        if absolute:
            deadline.at = timeout[0]
        else:
            timespec_add(&deadline.at, timeout)
    if proc.umtx_min_timeout > 0 and deadline.kind != DEADLINE_POLLED:
        least.tv_sec = proc.umtx_min_timeout // 1000000000
        least.tv_nsec = proc.umtx_min_timeout % 1000000000
        read_clock(proc, FREEBSD_CLOCK_REALTIME if deadline.kind == DEADLINE_REALTIME else FREEBSD_CLOCK_MONOTONIC, &now)
        timespec_add(&now, &least)
        if timespec_reached(&now, &deadline.at):
            deadline.at = now
    return 0


cdef long umtx_deadline(process_t *proc, frame_t *frame, deadline_t *deadline) noexcept nogil:
    """The deadline that an operation's uaddr1 and uaddr2 give; none where uaddr2 is NULL."""
    cdef freebsd_umtx_time t
    cdef long result
    deadline.kind = DEADLINE_NONE
    if frame.arg[4] == 0:
        return 0
    result = umtx_timeout_in(frame.arg[4], frame.arg[3], &t)
    if result < 0:
        return result
    return deadline_set(proc, deadline, &t.timeout, t.clockid, (t.flags & UMTX_ABSTIME) != 0)


cdef long umtx_sleep(process_t *proc, uaddr at, uint32_t value, bint shared, uint32_t bits,
                     deadline_t *deadline) noexcept nogil:
    """Sleep while the word has this value: 0 when woken, -EAGAIN when it has another, -ETIMEDOUT, -EINTR, -EFAULT."""
    cdef uint64_t op = FUTEX_WAIT_BITSET | (0 if shared else FUTEX_PRIVATE)
    cdef freebsd_timespec now, until, tick
    cdef long result
    if deadline.kind == DEADLINE_NONE:
        return blocking_syscall(SYS_futex, at, op, value, 0, 0, bits)
    if deadline.kind == DEADLINE_REALTIME:
        op |= FUTEX_CLOCK_REALTIME
    if deadline.kind != DEADLINE_POLLED:
        return blocking_syscall(SYS_futex, at, op, value, <uint64_t> &deadline.at, 0, bits)
    while True:
        read_clock(proc, deadline.clock, &now)
        if timespec_reached(&now, &deadline.at):
            return -ETIMEDOUT
        until = deadline.at
        timespec_sub(&until, &now)
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
        timespec_add(&until, &now)
        tick.tv_sec = 0
        tick.tv_nsec = 1000000
        timespec_add(&until, &tick)
        result = blocking_syscall(SYS_futex, at, op, value, <uint64_t> &until, 0, bits)
        if result != -ETIMEDOUT:
            return result


cdef inline long umtx_wake(uaddr at, int64_t count, bint shared, uint32_t bits) noexcept nogil:
    """Wake so many of a word's sleepers (at least one, as FreeBSD does for 0): how many were woken."""
    return linux_syscall6(SYS_futex, at, FUTEX_WAKE_BITSET | (0 if shared else FUTEX_PRIVATE),
                          1 if <int> count < 1 else <int> count, 0, 0, bits)


cdef inline long sleepers(uaddr at, bint shared) noexcept nogil:
    """How many sleep on a word. No memory of the guest is read or written."""
    cdef long result = linux_syscall6(SYS_futex, at, FUTEX_REQUEUE | (0 if shared else FUTEX_PRIVATE), 0, INT_MAX, at,
                                      0)
    return 0 if is_error(result) else result


# ------------------------------------------------------------------ WAIT and WAKE

cdef long umtx_wait_long(process_t *proc, uaddr at, uint64_t value, deadline_t *deadline) noexcept nogil:
    """Sleep while 64 bits have this value.

    A wake-up names the address alone, so it is the low word that is slept on; but a store that changes the high word
    alone must keep us from sleeping too. futex_waitv queues on both before it compares the second. Where Linux lacks
    it (before 5.16), a store that changes only the high word within the microsecond before the sleep is missed."""
    cdef linux_futex_waitv words[2]
    cdef uint64_t seen = 0
    cdef long result
    if fetch_guest64(at, &seen) < 0:
        return -EFAULT
    if seen != value:
        return 0
    if deadline.kind != DEADLINE_POLLED:
        words[0].val = <uint32_t> value
        words[0].uaddr = at
        words[0].flags = FUTEX2_SIZE_U32
        words[0].reserved = 0
        words[1].val = value >> 32
        words[1].uaddr = at + 4
        words[1].flags = FUTEX2_SIZE_U32
        words[1].reserved = 0
        result = blocking_syscall(SYS_futex_waitv, <uint64_t> words, 2, 0,
                                  0 if deadline.kind == DEADLINE_NONE else <uint64_t> &deadline.at,
                                  LINUX_CLOCK_REALTIME if deadline.kind == DEADLINE_REALTIME
                                  else LINUX_CLOCK_MONOTONIC, 0)
        if result != -ENOSYS and result != -EPERM:
            return result
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
            return -EFAULT
        if seen != frame.arg[2]:
            return 0
    if is_private:
        result = umtx_sleep(proc, frame.arg[0], seen, False, FUTEX_ANY, &deadline)
    else:
        # WAKE_PRIVATE finds a sleeper of a private mapping on FreeBSD, whichever operation it sleeps in. Linux keeps
        # the two kinds of futexes apart, so such a waker looks at both kinds while this count is not 0. It changed
        # the word before it looks, and we are counted before Linux compares the word, so one sees the other.
        atomic_add32(&proc.umtx_shared_waiters, 1)
        if is_long:
            result = umtx_wait_long(proc, frame.arg[0], frame.arg[2], &deadline)
        else:
            result = umtx_sleep(proc, frame.arg[0], seen, True, FUTEX_ANY, &deadline)
        atomic_add32(&proc.umtx_shared_waiters, <uint32_t> -1)
    if result > 0 or result == -EAGAIN:
        return 0
    return result


cdef long umtx_wake_private(process_t *proc, uaddr at, int64_t count) noexcept nogil:
    cdef long woken = umtx_wake(at, count, False, FUTEX_ANY)
    # The locked addition also orders the guest's store before our look at the count.
    if atomic_add32(&proc.umtx_shared_waiters, 0) != 0 and woken < <int> count:
        umtx_wake(at, <int> count - woken if woken > 0 else count, True, FUTEX_ANY)
    return 0


cdef long umtx_wake_shared(uaddr at, int64_t count) noexcept nogil:
    """WAKE: first who sleeps on a shared futex, then who sleeps on a private one of this process."""
    cdef long woken = umtx_wake(at, count, True, FUTEX_ANY)
    if woken == -EFAULT:
        return -EFAULT
    if woken < <int> count or woken == 0:
        umtx_wake(at, <int> count - woken if woken > 0 else count, False, FUTEX_ANY)
    return 0


cdef long umtx_nwake_private(process_t *proc, uaddr list, int count) noexcept nogil:
    cdef uint64_t addresses[128]
    cdef int now, i
    while count > 0:
        now = count if count < 128 else 128
        if copyin(list, addresses, now * 8) < 0:
            return -EFAULT
        for i in range(now):
            umtx_wake_private(proc, addresses[i], INT_MAX)
        list += now * 8
        count -= now
    return 0


cdef public long sys__umtx_op(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef uint32_t op = <uint32_t> frame.arg[1]
    if op & UMTX_OP_32BIT_FLAGS:
        return -EOPNOTSUPP          # the layouts of 32-bit programs
    if op == UMTX_OP_WAIT:
        return umtx_wait(proc, frame, True, False)
    if op == UMTX_OP_WAKE:
        return umtx_wake_shared(frame.arg[0], <int64_t> frame.arg[2])
    if op == UMTX_OP_WAIT_UINT:
        return umtx_wait(proc, frame, False, False)
    if op == UMTX_OP_WAIT_UINT_PRIVATE:
        return umtx_wait(proc, frame, False, True)
    if op == UMTX_OP_WAKE_PRIVATE:
        return umtx_wake_private(proc, frame.arg[0], <int64_t> frame.arg[2])
    if op == UMTX_OP_NWAKE_PRIVATE:
        return umtx_nwake_private(proc, frame.arg[0], <int> frame.arg[2])
    if op > UMTX_OP_SET_MIN_TIMEOUT:
        return -EINVAL
    return -EOPNOTSUPP

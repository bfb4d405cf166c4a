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
    const long UMTX_SYS_UNLINK "SYS_unlink"

cdef extern from *:
    """
    #define UMTX_FILE "/dev/shm/.lsf.umtx."
    #define UMTX_FILE_TMP "/tmp/.lsf.umtx."
    """
    const char *UMTX_FILE
    const char *UMTX_FILE_TMP

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


# ------------------------------------------------------------------ struct umutex
#
# m_owner is the futex: the owner's thread number, and UMUTEX_CONTESTED when somebody may sleep. Who wants to sleep sets
# that bit in the owner's word and sleeps while the word is unchanged. libthr unlocks without us where the bit is clear;
# where it is set it stores 0 and asks for WAKE2, or asks for UNLOCK. Invariant: while someone sleeps, the bit is set in
# an owned word, or the thread that took it away has not yet come to mutex_repair. mutex_repair therefore counts the
# sleepers after the word was released: who is not counted was not asleep, and its futex sees another word.

cdef enum:
    USYNC_PROCESS_SHARED = 0x0001
    UMUTEX_PRIO_INHERIT = 0x0004
    UMUTEX_PRIO_PROTECT = 0x0008
    UMUTEX_ROBUST = 0x0010
    UMUTEX_NONCONSISTENT = 0x0020
    UMUTEX_UNOWNED = 0
    UMUTEX_CONTESTED = 0x80000000UL
    UMUTEX_RB_OWNERDEAD = 0x80000010UL
    UMUTEX_RB_NOTRECOV = 0x80000011UL
    M_FLAGS = 4                     # offsets in struct umutex
    M_CEILINGS = 8

cdef enum:
    MUTEX_LOCK = 0                  # how do_lock_umutex is asked
    MUTEX_TRY = 1
    MUTEX_WAIT = 2
    ROBUST_LOOK = 100000000         # nanoseconds between two looks at the owner of a shared robust mutex
    UMTX_MAX_ROBUST = 1000          # kern.ipc.umtx_max_robust


cdef inline bint mutex_is_free(uint32_t owner) noexcept nogil:
    return owner & ~UMUTEX_CONTESTED == 0 or owner == UMUTEX_RB_OWNERDEAD or owner == UMUTEX_RB_NOTRECOV


cdef inline long guest_cas(uaddr at, uint32_t expected, uint32_t value, uint32_t *seen) noexcept nogil:
    """casueword32: 0 when stored, 1 when the word is another one (*seen), -EFAULT."""
    seen[0] = expected
    if cas_guest32(at, seen, value) < 0:
        return -EFAULT
    return 0 if seen[0] == expected else 1


cdef long mutex_repair(uaddr m, bint shared) noexcept nogil:
    """After a mutex was released: wake one of its sleepers, and mark the word for the others. WAKE2's body."""
    cdef uint32_t owner = 0, seen = 0
    cdef long count, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -EFAULT
        count = sleepers(m, shared)
        if count == 0:
            return 0
        if not owner & UMUTEX_CONTESTED and (count > 1 or owner != 0):
            result = guest_cas(m, owner, owner | <uint32_t> UMUTEX_CONTESTED, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        if mutex_is_free(owner):
            # FreeBSD wakes one here too; but who then finds the mutex unrecoverable wakes nobody else.
            umtx_wake(m, INT_MAX if owner == UMUTEX_RB_NOTRECOV else 1, shared, FUTEX_ANY)
        return 0


cdef bint thread_is_gone(uint32_t tid) noexcept nogil:
    """True where no thread of that number runs any more, in whatever process."""
    cdef char path[40]
    cdef char text[400]
    cdef uint64_t at
    cdef long fd, size
    if linux_syscall2(SYS_tkill, tid, 0) == -ESRCH:
        return True
    at = append(path, 0, 40, b"/proc/")
    at = append_number(path, at, 40, tid, 10)
    append(path, at, 40, b"/stat")
    fd = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> path, 0o2000000, 0)
    if is_error(fd):
        return False
    size = linux_syscall3(SYS_read, fd, <uint64_t> text, sizeof(text))
    linux_syscall1(SYS_close, fd)
    while size > 2:                 # pid (name) state ...; the name may hold anything
        size -= 1
        if text[size - 1] == 41 and text[size] == 32:
            return text[size + 1] == 90 or text[size + 1] == 88        # Z, X
    return False


cdef long mutex_sleep(area_t *area, uaddr m, uint32_t owner, uint32_t flags, deadline_t *deadline) noexcept nogil:
    """Sleep until a contested mutex is released.

    When a FreeBSD process ends, its kernel walks the lists of robust mutexes. When Linux kills one (kill -9) nobody does;
    so who waits for a robust mutex of several processes looks now and then whether its owner lives."""
    cdef deadline_t look
    cdef freebsd_timespec interval
    cdef uint32_t seen = 0, tid = owner & ~<uint32_t> UMUTEX_CONTESTED
    cdef bint shared = flags & USYNC_PROCESS_SHARED != 0
    cdef long result
    if not (shared and flags & UMUTEX_ROBUST):
        return umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, deadline)
    if thread_is_gone(tid):
        result = guest_cas(m, owner, UMUTEX_RB_OWNERDEAD, &seen)
        return result if result < 0 else 0
    interval.tv_sec = 0
    interval.tv_nsec = ROBUST_LOOK
    look.kind = DEADLINE_MONOTONIC
    read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &look.at)
    timespec_add(&look.at, &interval)
    if deadline.kind == DEADLINE_MONOTONIC and timespec_reached(&look.at, &deadline.at):
        return umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, deadline)
    result = umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, &look)
    if result == -ETIMEDOUT:
        result = 0
        if deadline.kind == DEADLINE_REALTIME:
            read_clock(area.proc, FREEBSD_CLOCK_REALTIME, &look.at)
            if timespec_reached(&look.at, &deadline.at):
                result = -ETIMEDOUT
    return result


cdef long mutex_lock_normal(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_normal, and do_lock_pi without its lending of priorities."""
    cdef uint32_t owner = 0, seen = 0, id_ = <uint32_t> area.tid
    cdef bint inherit = flags & UMUTEX_PRIO_INHERIT != 0
    cdef long error = 0, result
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -EFAULT
        if mode == MUTEX_WAIT and not inherit:
            if mutex_is_free(owner):
                return 0
        else:
            if owner == UMUTEX_RB_NOTRECOV:
                return -ENOTRECOVERABLE
            if owner == UMUTEX_RB_OWNERDEAD or owner == UMUTEX_UNOWNED or owner == UMUTEX_CONTESTED:
                result = guest_cas(m, owner, id_ if owner == UMUTEX_UNOWNED else id_ | <uint32_t> UMUTEX_CONTESTED,
                                   &seen)
                if result == 0:
                    return -EOWNERDEAD if owner == UMUTEX_RB_OWNERDEAD else 0
                if result < 0:
                    return result
                continue
            if inherit and owner & ~UMUTEX_CONTESTED == id_:
                return -EDEADLK
            if mode != MUTEX_LOCK:
                return -EBUSY
        if error != 0:
            return error            # it was tried once more after the sleep ended
        if not owner & UMUTEX_CONTESTED:
            result = guest_cas(m, owner, owner | <uint32_t> UMUTEX_CONTESTED, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        error = mutex_sleep(area, m, owner | <uint32_t> UMUTEX_CONTESTED, flags, deadline)
        if error == -EAGAIN:
            error = 0


cdef long mutex_lock_protect(area_t *area, uaddr m, uint32_t flags, deadline_t *deadline, int mode) noexcept nogil:
    """do_lock_pp without the change of priority, though a thread above the ceiling is refused. A free mutex of this kind is UMUTEX_CONTESTED, never 0, so that every lock
    and unlock comes here, and each unlock wakes one."""
    cdef uint32_t ceiling = 0, owner = 0, id_ = <uint32_t> area.tid
    cdef int priority = 0
    cdef long error = 0, result
    while True:
        if fetch_guest32(m + M_CEILINGS, &ceiling) < 0:
            return -EFAULT
        if ceiling > RTP_PRIO_MAX:
            return -EINVAL
        result = policy_of(0, &priority)
        if (result == FREEBSD_SCHED_FIFO or result == FREEBSD_SCHED_RR) and priority > <int> ceiling:
            return -EINVAL
        result = guest_cas(m, UMUTEX_CONTESTED, id_ | <uint32_t> UMUTEX_CONTESTED, &owner)
        if result <= 0:
            return result
        if owner == UMUTEX_RB_OWNERDEAD:
            result = guest_cas(m, UMUTEX_RB_OWNERDEAD, id_ | <uint32_t> UMUTEX_CONTESTED, &owner)
            if result <= 0:
                return -EOWNERDEAD if result == 0 else result
            if mode == MUTEX_LOCK:
                continue
        elif owner == UMUTEX_RB_NOTRECOV:
            error = -ENOTRECOVERABLE
        if mode != MUTEX_LOCK:
            error = -EBUSY
        if error != 0:
            return error
        error = mutex_sleep(area, m, owner, flags, deadline)
        if error == -EAGAIN:
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
        return -EFAULT
    if flags & UMUTEX_PRIO_INHERIT and flags & UMUTEX_PRIO_PROTECT:
        return -EINVAL
    if flags & UMUTEX_PRIO_PROTECT:
        result = mutex_lock_protect(area, frame.arg[0], flags, &deadline, mode)
    else:
        result = mutex_lock_normal(area, frame.arg[0], flags, &deadline, mode)
    if result == -EINTR and deadline.kind == DEADLINE_NONE:
        return -ERESTARTNOINTR if mode != MUTEX_WAIT else -ERESTARTSYS
    return result


cdef long mutex_unlock(area_t *area, uaddr m, bint dead) noexcept nogil:
    """do_unlock_umutex; `dead`: the owner ends and leaves the mutex to the next one."""
    cdef uint32_t flags = 0, owner = 0, free_, seen = 0, ceiling = 0, id_ = <uint32_t> area.tid
    cdef bint shared
    cdef long result
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -EFAULT
    if flags & UMUTEX_PRIO_INHERIT and flags & UMUTEX_PRIO_PROTECT:
        return -EINVAL
    shared = flags & USYNC_PROCESS_SHARED != 0
    free_ = (UMUTEX_RB_OWNERDEAD if dead else UMUTEX_RB_NOTRECOV if flags & UMUTEX_NONCONSISTENT
             else UMUTEX_UNOWNED)
    while True:
        if fetch_guest32(m, &owner) < 0:
            return -EFAULT
        if owner & ~UMUTEX_CONTESTED != id_:
            return -EPERM
        if flags & UMUTEX_PRIO_PROTECT:
            if fetch_guest32(m + M_CEILINGS + 4, &ceiling) < 0:
                return -EFAULT
            if ceiling != 0xffffffffUL and ceiling > RTP_PRIO_MAX:
                return -EINVAL
            if store_guest32(m, free_ | <uint32_t> UMUTEX_CONTESTED) < 0:
                return -EFAULT
            umtx_wake(m, INT_MAX if free_ == UMUTEX_RB_NOTRECOV else 1, shared, FUTEX_ANY)
            return 0
        result = guest_cas(m, owner, free_, &seen)
        if result < 0:
            return result
        if result == 0:
            return mutex_repair(m, shared) if owner & UMUTEX_CONTESTED else 0


cdef long mutex_wake(uaddr m) noexcept nogil:
    """MUTEX_WAKE, of libthr up to FreeBSD 9: it has stored UMUTEX_CONTESTED, and counts on us to take the bit away."""
    cdef uint32_t owner = 0, flags = 0, seen = 0
    cdef long count, result
    if fetch_guest32(m, &owner) < 0:
        return -EFAULT
    if not mutex_is_free(owner):
        return 0
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -EFAULT
    count = sleepers(m, flags & USYNC_PROCESS_SHARED != 0)
    if count <= 1 and owner == UMUTEX_CONTESTED:
        result = guest_cas(m, UMUTEX_CONTESTED, UMUTEX_UNOWNED, &seen)
        if result < 0:
            return result
    # Also where nobody was counted: someone may have fallen asleep before the bit was taken away.
    return mutex_repair(m, flags & USYNC_PROCESS_SHARED != 0)


cdef long mutex_wake2(uaddr m, uint32_t flags) noexcept nogil:
    if flags & UMUTEX_PRIO_INHERIT and flags & UMUTEX_PRIO_PROTECT:
        return -EINVAL
    return mutex_repair(m, flags & USYNC_PROCESS_SHARED != 0)


cdef long mutex_set_ceiling(area_t *area, uaddr m, uint32_t ceiling, uaddr old) noexcept nogil:
    """do_set_ceiling: lock, change, unlock; or just change, for the owner."""
    cdef deadline_t never
    cdef uint32_t flags = 0, owner = 0, was = 0, id_ = <uint32_t> area.tid
    cdef bint shared
    cdef long error = 0, result
    never.kind = DEADLINE_NONE
    if fetch_guest32(m + M_FLAGS, &flags) < 0:
        return -EFAULT
    if not flags & UMUTEX_PRIO_PROTECT or ceiling > RTP_PRIO_MAX:
        return -EINVAL
    shared = flags & USYNC_PROCESS_SHARED != 0
    while True:
        if fetch_guest32(m + M_CEILINGS, &was) < 0:
            return -EFAULT
        result = guest_cas(m, UMUTEX_CONTESTED, id_ | <uint32_t> UMUTEX_CONTESTED, &owner)
        if result < 0:
            return result
        if result == 0:
            if store_guest32(m + M_CEILINGS, ceiling) < 0 or store_guest32(m, UMUTEX_CONTESTED) < 0:
                return -EFAULT
            break
        if owner & ~UMUTEX_CONTESTED == id_:
            if store_guest32(m + M_CEILINGS, ceiling) < 0:
                return -EFAULT
            break
        if owner == UMUTEX_RB_OWNERDEAD:
            return -EOWNERDEAD
        if owner == UMUTEX_RB_NOTRECOV:
            return -ENOTRECOVERABLE
        if error != 0:
            return restartable(error)
        error = umtx_sleep(area.proc, m, owner, shared, FUTEX_ANY, &never)
        if error == -EAGAIN:
            error = 0
    umtx_wake(m, INT_MAX, shared, FUTEX_ANY)
    return 0 if old == 0 or store_guest32(old, was) == 0 else -EFAULT


# ------------------------------------------------------------------ robust mutexes

cdef long robust_release(area_t *area, uaddr m, uint64_t *next_, bint inactive) noexcept nogil:
    """umtx_handle_rb: leave one mutex of an ending thread to the next owner."""
    cdef freebsd_umutex mutex
    if copyin(m, &mutex, sizeof(mutex)) < 0:
        return -EFAULT
    if next_ != NULL:
        next_[0] = mutex.m_rb_lnk
    if not mutex.m_flags & UMUTEX_ROBUST:
        return -EINVAL
    if <uint32_t> mutex.m_owner & ~UMUTEX_CONTESTED != <uint32_t> area.tid:
        return 0 if inactive else -EINVAL
    return mutex_unlock(area, m, True)


cdef void robust_list(area_t *area, uaddr head, uint64_t *inactive) noexcept nogil:
    cdef uint64_t m = 0, next_
    cdef bint is_inactive
    cdef int i
    if head == 0 or fetch_guest64(head, &m) < 0:
        return
    for i in range(UMTX_MAX_ROBUST):
        if m == 0:
            return
        is_inactive = m == inactive[0]
        if is_inactive:
            inactive[0] = 0
        next_ = 0
        if robust_release(area, m, &next_, is_inactive) < 0:
            return
        m = next_


cdef void umtx_thread_exit(area_t *area) noexcept nogil:
    """When a thread ends: the robust mutexes that it holds are their next owners' (EOWNERDEAD)."""
    cdef uint64_t inactive = 0
    if area.robust[0] == 0 and area.robust[1] == 0 and area.robust[2] == 0:
        return
    if area.robust[2] != 0:
        fetch_guest64(area.robust[2], &inactive)
    robust_list(area, area.robust[0], &inactive)
    robust_list(area, area.robust[1], &inactive)
    if inactive != 0:
        robust_release(area, inactive, NULL, True)
    area.robust[0] = 0
    area.robust[1] = 0
    area.robust[2] = 0


cdef long umtx_robust_lists(area_t *area, uaddr params, uint64_t size) noexcept nogil:
    cdef uint64_t lists[3]
    if size > sizeof(lists):
        return -EINVAL
    memset(lists, 0, sizeof(lists))
    if copyin(params, lists, size) < 0:
        return -EFAULT
    memcpy(area.robust, lists, sizeof(lists))
    return 0


# ------------------------------------------------------------------ struct ucond
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
    CVWAIT_ABSTIME = 0x02
    CVWAIT_CLOCKID = 0x04
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
        return -EFAULT
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
            return -EFAULT
        if flag != 0 and guest_cas(cv, flag, 0, &seen) < 0:     # a locked store: it is seen before the next load
            return -EFAULT
        if fetch_guest32(cv + C_WORD, &word) < 0:
            return -EFAULT
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
            return -EFAULT
        if not timespec_is_interval(&timeout):
            return -EINVAL
    if fetch_guest32(cv + C_FLAGS, &flags) < 0:
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
    if frame.arg[2] & CVWAIT_CLOCKID:
        if fetch_guest32(cv + C_CLOCKID, &clock_id) < 0:
            return -EFAULT
        if clock_id >= FREEBSD_CLOCK_THREAD_CPUTIME_ID:
            return -EINVAL
    if fetch_guest32(cv + C_WORD, &word) < 0:
        return -EFAULT
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
        return -EFAULT
    result = mutex_unlock(area, frame.arg[3], False)
    if frame.arg[4] != 0 and result == 0:
        result = deadline_set(proc, &deadline, &timeout, clock_id, frame.arg[2] & CVWAIT_ABSTIME != 0)
    while result == 0:
        result = umtx_sleep(proc, cv + C_WORD, word, shared, cv_bit(word), &deadline)
        if result == 0:
            return 0
        if result != -EAGAIN:
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
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
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


# ------------------------------------------------------------------ struct urwlock
#
# rw_state is the futex: readers sleep with bit 1, writers with bit 2. rw_blocked_readers and rw_blocked_writers count who
# is in here; libthr does not look at them. The WAITERS bits in the state say to an unlocking thread that it must
# come here. Who is last to leave takes the bit away, and looks at the count again: if somebody came in the meantime,
# it wakes that kind, and each of them finds its way again.

cdef enum:
    URWLOCK_PREFER_READER = 0x0002
    URWLOCK_WRITE_OWNER = 0x80000000UL
    URWLOCK_WRITE_WAITERS = 0x40000000
    URWLOCK_READ_WAITERS = 0x20000000
    URWLOCK_MAX_READERS = 0x1fffffff
    RW_FLAGS = 4
    RW_BLOCKED_READERS = 8
    RW_BLOCKED_WRITERS = 12
    RW_READERS = 1                  # bits of the futex
    RW_WRITERS = 2


cdef long guest_add(uaddr at, int32_t by, uint32_t *now) noexcept nogil:
    """Add to a word of the guest atomically: 0 and the new value, or -EFAULT."""
    cdef uint32_t seen = 0
    cdef long result
    if fetch_guest32(at, &seen) < 0:
        return -EFAULT
    while True:
        now[0] = seen + <uint32_t> by
        result = guest_cas(at, seen, now[0], &seen)
        if result <= 0:
            return result


cdef long rw_leave(uaddr rw, uint64_t counter, uint32_t bit, uint32_t kind, bint shared) noexcept nogil:
    """One waiter less; the last one takes the WAITERS bit away."""
    cdef uint32_t count = 0, state = 0, seen = 0
    cdef long result
    if guest_add(rw + counter, -1, &count) < 0:
        return -EFAULT
    if count != 0:
        return 0
    if fetch_guest32(rw, &state) < 0:
        return -EFAULT
    while state & bit:
        result = guest_cas(rw, state, state & ~bit, &seen)
        if result < 0:
            return result
        state = seen
        if result == 0:
            break
    if fetch_guest32(rw + counter, &count) < 0:
        return -EFAULT
    if count != 0:
        umtx_wake(rw, INT_MAX, shared, kind)
    return 0


cdef long rw_lock(area_t *area, frame_t *frame, bint write) noexcept nogil:
    """do_rw_rdlock and do_rw_wrlock. Never restarted."""
    cdef uaddr rw = frame.arg[0]
    cdef uint64_t counter = RW_BLOCKED_WRITERS if write else RW_BLOCKED_READERS
    cdef uint32_t flags = 0, state = 0, seen = 0, taken = URWLOCK_WRITE_OWNER, count = 0
    cdef uint32_t bit = URWLOCK_WRITE_WAITERS if write else URWLOCK_READ_WAITERS
    cdef deadline_t deadline
    cdef bint shared, waiting = False
    cdef long error = umtx_deadline(area.proc, frame, &deadline), result
    if error < 0:
        return error
    if fetch_guest32(rw + RW_FLAGS, &flags) < 0:
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
    if write:
        taken |= URWLOCK_MAX_READERS
    elif not (frame.arg[2] | flags) & URWLOCK_PREFER_READER:
        taken |= URWLOCK_WRITE_WAITERS
    while True:
        if fetch_guest32(rw, &state) < 0:
            return -EFAULT
        if state & taken == 0:
            if not write and state & URWLOCK_MAX_READERS == URWLOCK_MAX_READERS:
                error = -EAGAIN
                break
            result = guest_cas(rw, state, state | <uint32_t> URWLOCK_WRITE_OWNER if write else state + 1, &seen)
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
                return -EFAULT
            waiting = True
        if not state & bit:
            result = guest_cas(rw, state, state | bit, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        error = umtx_sleep(area.proc, rw, state | bit, shared, RW_WRITERS if write else RW_READERS, &deadline)
        if error == -EAGAIN:
            error = 0
    if waiting:
        rw_leave(rw, counter, bit, RW_WRITERS if write else RW_READERS, shared)
        if write and error != 0:
            # Readers may have waited for this writer alone.
            if fetch_guest32(rw, &state) == 0 and fetch_guest32(rw + RW_BLOCKED_READERS, &count) == 0 \
                    and state & (URWLOCK_WRITE_OWNER | URWLOCK_WRITE_WAITERS) == 0 and count != 0:
                umtx_wake(rw, INT_MAX, shared, RW_READERS)
    return error


cdef long rw_unlock(uaddr rw) noexcept nogil:
    """do_rw_unlock."""
    cdef uint32_t flags = 0, state = 0, seen = 0
    cdef bint shared
    cdef long result
    if fetch_guest32(rw + RW_FLAGS, &flags) < 0 or fetch_guest32(rw, &state) < 0:
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
    while True:
        if state & URWLOCK_WRITE_OWNER:
            result = guest_cas(rw, state, state & ~<uint32_t> URWLOCK_WRITE_OWNER, &seen)
        elif state & URWLOCK_MAX_READERS:
            result = guest_cas(rw, state, state - 1, &seen)
        else:
            return -EPERM
        if result < 0:
            return result
        if result == 0:
            break
        state = seen
    if state & URWLOCK_WRITE_WAITERS and not (flags & URWLOCK_PREFER_READER and state & URWLOCK_READ_WAITERS):
        umtx_wake(rw, 1, shared, RW_WRITERS)
    elif state & URWLOCK_READ_WAITERS:
        umtx_wake(rw, INT_MAX, shared, RW_READERS)
    return 0


# ------------------------------------------------------------------ struct _usem2 and struct _usem
#
# _count is the futex of both; libc adds to it before it asks for a wake-up, so who is on the way to sleep sees that.

cdef enum:
    USEM_HAS_WAITERS = 0x80000000UL
    USEM_COUNT = 0x7fffffff
    SEM2_FLAGS = 4
    SEM_COUNT = 4                   # in struct _usem: _has_waiters, _count, _flags
    SEM_FLAGS = 8


cdef long sem_result(long result, const freebsd_umtx_time *t, bint timed) noexcept nogil:
    """A wait is begun anew after a handler unless its timeout is relative."""
    if result == -EINTR and not (timed and not t.flags & UMTX_ABSTIME):
        return -ERESTARTSYS
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
            result = deadline_set(proc, &deadline, &t.timeout, t.clockid, t.flags & UMTX_ABSTIME != 0)
        if result < 0:
            return result
    if fetch_guest32(sem + SEM2_FLAGS, &flags) < 0:
        return -EFAULT
    while True:
        if fetch_guest32(sem, &count) < 0:
            return -EFAULT
        if count & USEM_COUNT:
            return 0
        if count == 0:
            result = guest_cas(sem, 0, USEM_HAS_WAITERS, &seen)
            if result < 0:
                return result
            if result != 0:
                continue
        result = umtx_sleep(proc, sem, USEM_HAS_WAITERS, flags & USYNC_PROCESS_SHARED != 0, FUTEX_ANY, &deadline)
        if result == -EAGAIN:
            continue
        break
    if result == -EINTR and frame.arg[4] != 0 and not t.flags & UMTX_ABSTIME \
            and frame.arg[3] >= sizeof(freebsd_umtx_time) + sizeof(freebsd_timespec):
        # The rest of the time, behind the struct.
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC if deadline.kind == DEADLINE_MONOTONIC else deadline.clock, &now)
        timespec_sub(&deadline.at, &now)
        if copyout(&deadline.at, frame.arg[4] + sizeof(freebsd_umtx_time), sizeof(freebsd_timespec)) < 0:
            return -EFAULT
    return sem_result(result, &t, frame.arg[4] != 0)


cdef long sem2_wake(uaddr sem) noexcept nogil:
    """do_sem2_wake. The flag goes when the last one is woken; if another one fell asleep meanwhile, it comes back."""
    cdef uint32_t flags = 0, count = 0, seen = 0
    cdef bint shared
    cdef long waiting, result
    if fetch_guest32(sem + SEM2_FLAGS, &flags) < 0:
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
    waiting = sleepers(sem, shared)
    if waiting == 0:
        return 0
    if waiting == 1:
        if fetch_guest32(sem, &count) < 0:
            return -EFAULT
        while count & USEM_HAS_WAITERS:
            result = guest_cas(sem, count, count & ~<uint32_t> USEM_HAS_WAITERS, &seen)
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
        if not count & USEM_HAS_WAITERS and guest_cas(sem, count, count | <uint32_t> USEM_HAS_WAITERS, &seen) != 0:
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
            result = deadline_set(proc, &deadline, &t.timeout, t.clockid, t.flags & UMTX_ABSTIME != 0)
        if result < 0:
            return result
    if fetch_guest32(sem + SEM_FLAGS, &flags) < 0:
        return -EFAULT
    while True:
        if guest_cas(sem, 0, 1, &seen) < 0 or fetch_guest32(sem + SEM_COUNT, &count) < 0:
            return -EFAULT
        if count != 0:
            return 0
        result = umtx_sleep(proc, sem + SEM_COUNT, 0, flags & USYNC_PROCESS_SHARED != 0, FUTEX_ANY, &deadline)
        if result != -EAGAIN:
            return sem_result(result, &t, frame.arg[4] != 0)


cdef long sem_wake(uaddr sem) noexcept nogil:
    """do_sem_wake; as sem2_wake."""
    cdef uint32_t flags = 0, count = 0
    cdef bint shared
    cdef long waiting
    if fetch_guest32(sem + SEM_FLAGS, &flags) < 0:
        return -EFAULT
    shared = flags & USYNC_PROCESS_SHARED != 0
    waiting = sleepers(sem + SEM_COUNT, shared)
    if waiting == 0:
        return 0
    if waiting == 1 and store_guest32(sem, 0) < 0:
        return -EFAULT
    umtx_wake(sem + SEM_COUNT, 1, shared, FUTEX_ANY)
    if waiting == 1 and sleepers(sem + SEM_COUNT, shared) > 0:
        if store_guest32(sem, 1) == 0 and fetch_guest32(sem + SEM_COUNT, &count) == 0 and count != 0:
            umtx_wake(sem + SEM_COUNT, 1, shared, FUTEX_ANY)
    return 0


# ------------------------------------------------------------------ SHM: where libthr keeps shared objects
#
# A pthread object with PTHREAD_PROCESS_SHARED is a key in memory that processes share; the object itself is in a page that the
# kernel keeps for that key. Here the page is a file of /dev/shm, whose name has the device, inode and offset behind the
# key, which Linux tells in /proc/self/maps, for anonymous shared memory too.

cdef enum:
    UMTX_SHM_CREAT = 1
    UMTX_SHM_LOOKUP = 2
    UMTX_SHM_DESTROY = 4
    UMTX_SHM_ALIVE = 8

cdef struct mapping_t:
    uint64_t start, end, offset, device, inode
    bint shared
    bint text                       # r-xp, from a file
    bint umtx                       # one of our pages
    bint vvar                       # data of Linux's vDSO
    bint deleted


cdef int hex_digit(char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    return c - 87 if 97 <= c <= 102 else -1


cdef bint mapping_parse(const char *line, mapping_t *mapping) noexcept nogil:
    """A line of /proc/self/maps: start-end perms offset major:minor inode path."""
    cdef uint64_t numbers[6]
    cdef uint64_t length
    cdef int field, base
    for field in range(6):
        base = 10 if field == 5 else 16
        while line[0] == 32:
            line += 1
        if field == 2:
            mapping.shared = line[3] == 115         # rwxs
            mapping.text = line[0] == 114 and line[1] == 45 and line[2] == 120 and not mapping.shared
            line += 5
        numbers[field] = 0
        while 0 <= hex_digit(line[0]) < base:
            numbers[field] = numbers[field] * base + <uint64_t> hex_digit(line[0])
            line += 1
        if field < 5:
            line += 1                               # the separator
    mapping.start = numbers[0]
    mapping.end = numbers[1]
    mapping.offset = numbers[2]
    mapping.device = numbers[3] << 20 | numbers[4]
    mapping.inode = numbers[5]
    mapping.text = mapping.text and mapping.inode != 0
    while line[0] == 32:
        line += 1
    mapping.umtx = string_starts(line, UMTX_FILE) or string_starts(line, UMTX_FILE_TMP)
    mapping.vvar = string_starts(line, b"[vvar")
    length = string_length(line)
    mapping.deleted = length > 10 and string_equal(line + length - 10, b" (deleted)")
    return mapping.end > mapping.start


cdef long mapping_find(uaddr address, mapping_t *mapping) noexcept nogil:
    """What is mapped at an address: 0 or -EFAULT."""
    cdef char text[2048]
    cdef long fd, size
    cdef uint64_t have = 0, i, line
    cdef long result = -EFAULT
    fd = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> <const char *> b"/proc/self/maps", 0o2000000, 0)
    if is_error(fd):
        return -EFAULT
    while result == -EFAULT:
        size = linux_syscall3(SYS_read, fd, <uint64_t> &text[have], sizeof(text) - 1 - have)
        if size <= 0:
            break
        have += <uint64_t> size
        line = 0
        for i in range(have):
            if text[i] == 10:
                text[i] = 0
                if mapping_parse(&text[line], mapping) and mapping.start <= address < mapping.end:
                    result = 0
                    break
                line = i + 1
        if line == 0 and have == sizeof(text) - 1:
            break                                   # no line is that long
        have -= line
        for i in range(have):
            text[i] = text[line + i]
    linux_syscall1(SYS_close, fd)
    return result


cdef void umtx_shm_path(area_t *area, uaddr key, const mapping_t *mapping, const char *prefix, char *path) noexcept nogil:
    cdef uint64_t at = append(path, 0, 100, prefix)
    if mapping.shared:
        at = append_number(path, at, 100, mapping.device, 16)
        at = append(path, at, 100, b".")
        at = append_number(path, at, 100, mapping.inode, 16)
        at = append(path, at, 100, b".")
        append_number(path, at, 100, key - mapping.start + mapping.offset, 16)
    else:
        at = append(path, at, 100, b"p")            # private memory: this process's alone
        at = append_number(path, at, 100, <uint64_t> area.proc.pid, 16)
        at = append(path, at, 100, b".")
        append_number(path, at, 100, key, 16)


cdef long umtx_shm(area_t *area, uaddr key, uint32_t flags) noexcept nogil:
    """A descriptor of the page that belongs to a key, which is made or looked up; or is it destroyed, or alive?"""
    cdef mapping_t mapping
    cdef linux_stat st
    cdef char path[100]
    cdef uint64_t how = 0o2400002                   # O_RDWR | O_CLOEXEC | O_NOFOLLOW
    cdef long fd
    cdef int attempt
    flags &= UMTX_SHM_CREAT | UMTX_SHM_LOOKUP | UMTX_SHM_DESTROY | UMTX_SHM_ALIVE
    if flags == 0 or flags & (flags - 1):
        return -EINVAL
    if mapping_find(key, &mapping) < 0:
        return -EFAULT
    if flags == UMTX_SHM_ALIVE:
        return -ENOTTY if mapping.umtx and mapping.deleted else 0
    if flags == UMTX_SHM_CREAT:
        how |= 0o100
    fd = -ESRCH
    for attempt in range(2):
        umtx_shm_path(area, key, &mapping, UMTX_FILE if attempt == 0 else UMTX_FILE_TMP, path)
        if flags == UMTX_SHM_DESTROY:
            fd = linux_syscall1(UMTX_SYS_UNLINK, <uint64_t> path)
        else:
            fd = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> path, how, 0o600)
        if not is_error(fd):
            break
    if is_error(fd):
        return -ESRCH if fd == -ENOENT else fd
    if flags == UMTX_SHM_CREAT and linux_syscall2(SYS_fstat, fd, <uint64_t> &st) == 0 and st.st_size < PAGE_SIZE:
        linux_syscall2(SYS_ftruncate, fd, PAGE_SIZE)
    return fd


# ------------------------------------------------------------------ struct umtx (libthr of FreeBSD 5 and 6)
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
            return -EFAULT
        if owner == 0:
            return 0
        if owner == contested:
            seen = owner
            if cas_guest64(at, &seen, id_ | contested) < 0:
                return -EFAULT
            if seen == owner:
                return 0
            continue
        seen = owner
        if cas_guest64(at, &seen, owner | contested) < 0:
            return -EFAULT
        if seen != owner:
            continue
        if error != 0:
            if error == -EINTR and deadline.kind == DEADLINE_NONE:
                return -ERESTARTNOINTR
            return error
        slept = True
        error = umtx_sleep(proc, at + 4, UMTX_CONTESTED_HALF | <uint32_t> (owner >> 32), True, FUTEX_ANY, deadline)
        if error == -EAGAIN:
            error = 0


cdef long umtx_unlock(uaddr at, uint64_t id_) noexcept nogil:
    """do_unlock_umtx."""
    cdef uint64_t contested = 1UL << 63, owner = 0, seen
    if fetch_guest64(at, &owner) < 0:
        return -EFAULT
    while True:
        if owner & ~contested != id_:
            return -EPERM
        seen = owner
        if cas_guest64(at, &seen, 0) < 0:
            return -EFAULT
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
            return -EFAULT
        if not timespec_is_interval(&timeout):
            return -EINVAL
        deadline_set(proc, &deadline, &timeout, FREEBSD_CLOCK_REALTIME, False)
    return umtx_lock(proc, frame.arg[0], frame.arg[2], &deadline)


cdef public long sys_freebsd10__umtx_lock(frame_t *frame, area_t *area) noexcept nogil:
    cdef deadline_t never
    never.kind = DEADLINE_NONE
    return umtx_lock(area.proc, frame.arg[0], <uint64_t> area.tid, &never)


cdef public long sys_freebsd10__umtx_unlock(frame_t *frame, area_t *area) noexcept nogil:
    return umtx_unlock(frame.arg[0], <uint64_t> area.tid)


# ------------------------------------------------------------------ _umtx_op(2)

cdef public long sys__umtx_op(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef uint32_t op = <uint32_t> frame.arg[1]
    if op & UMTX_OP_32BIT_FLAGS:        # the layouts of 32-bit programs
        return -EINVAL if op & ~<uint32_t> UMTX_OP_32BIT_FLAGS > UMTX_OP_SET_MIN_TIMEOUT else -EOPNOTSUPP
    if op == UMTX_OP_WAIT_UINT_PRIVATE:
        return umtx_wait(proc, frame, False, True)
    if op == UMTX_OP_WAKE_PRIVATE:
        return umtx_wake_private(proc, frame.arg[0], <int64_t> frame.arg[2])
    if op == UMTX_OP_WAIT:
        return umtx_wait(proc, frame, True, False)
    if op == UMTX_OP_WAKE:
        return umtx_wake_shared(frame.arg[0], <int64_t> frame.arg[2])
    if op == UMTX_OP_WAIT_UINT:
        return umtx_wait(proc, frame, False, False)
    if op == UMTX_OP_MUTEX_WAIT:
        return mutex_lock(area, frame, MUTEX_WAIT)
    if op == UMTX_OP_MUTEX_WAKE2:
        return mutex_wake2(frame.arg[0], <uint32_t> frame.arg[2])
    if op == UMTX_OP_MUTEX_LOCK:
        return mutex_lock(area, frame, MUTEX_LOCK)
    if op == UMTX_OP_MUTEX_TRYLOCK:
        return mutex_lock(area, frame, MUTEX_TRY)
    if op == UMTX_OP_MUTEX_UNLOCK:
        return mutex_unlock(area, frame.arg[0], False)
    if op == UMTX_OP_MUTEX_WAKE:
        return mutex_wake(frame.arg[0])
    if op == UMTX_OP_SET_CEILING:
        return mutex_set_ceiling(area, frame.arg[0], <uint32_t> frame.arg[2], frame.arg[3])
    if op == UMTX_OP_CV_WAIT:
        return cv_wait(area, frame)
    if op == UMTX_OP_CV_SIGNAL:
        return cv_signal(frame.arg[0], False)
    if op == UMTX_OP_CV_BROADCAST:
        return cv_signal(frame.arg[0], True)
    if op == UMTX_OP_RW_RDLOCK:
        return rw_lock(area, frame, False)
    if op == UMTX_OP_RW_WRLOCK:
        return rw_lock(area, frame, True)
    if op == UMTX_OP_RW_UNLOCK:
        return rw_unlock(frame.arg[0])
    if op == UMTX_OP_SEM2_WAIT:
        return sem2_wait(proc, frame)
    if op == UMTX_OP_SEM2_WAKE:
        return sem2_wake(frame.arg[0])
    if op == UMTX_OP_SEM_WAIT:
        return sem_wait(proc, frame)
    if op == UMTX_OP_SEM_WAKE:
        return sem_wake(frame.arg[0])
    if op == UMTX_OP_NWAKE_PRIVATE:
        return umtx_nwake_private(proc, frame.arg[0], <int> frame.arg[2])
    if op == UMTX_OP_SHM:
        return umtx_shm(area, frame.arg[3], <uint32_t> frame.arg[2])
    if op == UMTX_OP_ROBUST_LISTS:
        return umtx_robust_lists(area, frame.arg[3], frame.arg[2])
    if op == UMTX_OP_GET_MIN_TIMEOUT:
        return copyout(&proc.umtx_min_timeout, frame.arg[3], 8)
    if op == UMTX_OP_SET_MIN_TIMEOUT:
        if <int64_t> frame.arg[2] < 0:
            return -EINVAL
        proc.umtx_min_timeout = <int64_t> frame.arg[2]
        return 0
    if op == UMTX_OP_LOCK:
        return umtx_lock_op(proc, frame)
    if op == UMTX_OP_UNLOCK:
        return umtx_unlock(frame.arg[0], frame.arg[2])
    return -EINVAL

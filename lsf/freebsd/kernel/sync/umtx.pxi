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

cdef extern from *:
    """
    #define UMTX_FILE "/dev/shm/.lsf.umtx."
    #define UMTX_FILE_TMP "/tmp/.lsf.umtx."
    """
    const char *UMTX_FILE
    const char *UMTX_FILE_TMP


cdef enum:
    UMTX_OP_32BIT_FLAGS = 0xc0000000UL      # UMTX_OP__I386 | UMTX_OP__32BIT


cdef long umtx_timeout_in(uint64_t address, uint64_t size, freebsd_umtx_time *t) noexcept nogil:
    """umtx_copyin_umtx_time: a timespec, or a struct _umtx_time where the caller says that it is larger."""
    memset(t, 0, sizeof(freebsd_umtx_time))
    if copyin(address, t, sizeof(freebsd_timespec) if size <= sizeof(freebsd_timespec)
              else sizeof(freebsd_umtx_time)) < 0:
        return -LINUX_EFAULT
    if size <= sizeof(freebsd_timespec):
        t.flags = 0
        t.clockid = FREEBSD_CLOCK_REALTIME
    return 0 if timespec_is_interval(&t.timeout) else -LINUX_EINVAL


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
    return deadline_set(proc, deadline, &t.timeout, t.clockid, (t.flags & FREEBSD_UMTX_ABSTIME) != 0)


# ------------------------------------------------------------------ _umtx_op(2)

cdef public long sys__umtx_op(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef uint32_t op = <uint32_t> frame.arg[1]
    if op & UMTX_OP_32BIT_FLAGS:        # the layouts of 32-bit programs
        return -LINUX_EINVAL if op & ~<uint32_t> UMTX_OP_32BIT_FLAGS > FREEBSD_UMTX_OP_SET_MIN_TIMEOUT else -LINUX_EOPNOTSUPP
    if op == FREEBSD_UMTX_OP_WAIT_UINT_PRIVATE:
        return umtx_wait(proc, frame, False, True)
    if op == FREEBSD_UMTX_OP_WAKE_PRIVATE:
        return umtx_wake_private(proc, frame.arg[0], <int64_t> frame.arg[2])
    if op == FREEBSD_UMTX_OP_WAIT:
        return umtx_wait(proc, frame, True, False)
    if op == FREEBSD_UMTX_OP_WAKE:
        return umtx_wake_shared(frame.arg[0], <int64_t> frame.arg[2])
    if op == FREEBSD_UMTX_OP_WAIT_UINT:
        return umtx_wait(proc, frame, False, False)
    if op == FREEBSD_UMTX_OP_MUTEX_WAIT:
        return mutex_lock(area, frame, MUTEX_WAIT)
    if op == FREEBSD_UMTX_OP_MUTEX_WAKE2:
        return mutex_wake2(frame.arg[0], <uint32_t> frame.arg[2])
    if op == FREEBSD_UMTX_OP_MUTEX_LOCK:
        return mutex_lock(area, frame, MUTEX_LOCK)
    if op == FREEBSD_UMTX_OP_MUTEX_TRYLOCK:
        return mutex_lock(area, frame, MUTEX_TRY)
    if op == FREEBSD_UMTX_OP_MUTEX_UNLOCK:
        return mutex_unlock(area, frame.arg[0], False)
    if op == FREEBSD_UMTX_OP_MUTEX_WAKE:
        return mutex_wake(frame.arg[0])
    if op == FREEBSD_UMTX_OP_SET_CEILING:
        return mutex_set_ceiling(area, frame.arg[0], <uint32_t> frame.arg[2], frame.arg[3])
    if op == FREEBSD_UMTX_OP_CV_WAIT:
        return cv_wait(area, frame)
    if op == FREEBSD_UMTX_OP_CV_SIGNAL:
        return cv_signal(frame.arg[0], False)
    if op == FREEBSD_UMTX_OP_CV_BROADCAST:
        return cv_signal(frame.arg[0], True)
    if op == FREEBSD_UMTX_OP_RW_RDLOCK:
        return rw_lock(area, frame, False)
    if op == FREEBSD_UMTX_OP_RW_WRLOCK:
        return rw_lock(area, frame, True)
    if op == FREEBSD_UMTX_OP_RW_UNLOCK:
        return rw_unlock(frame.arg[0])
    if op == FREEBSD_UMTX_OP_SEM2_WAIT:
        return sem2_wait(proc, frame)
    if op == FREEBSD_UMTX_OP_SEM2_WAKE:
        return sem2_wake(frame.arg[0])
    if op == FREEBSD_UMTX_OP_SEM_WAIT:
        return sem_wait(proc, frame)
    if op == FREEBSD_UMTX_OP_SEM_WAKE:
        return sem_wake(frame.arg[0])
    if op == FREEBSD_UMTX_OP_NWAKE_PRIVATE:
        return umtx_nwake_private(proc, frame.arg[0], <int> frame.arg[2])
    if op == FREEBSD_UMTX_OP_SHM:
        return umtx_shm(area, frame.arg[3], <uint32_t> frame.arg[2])
    if op == FREEBSD_UMTX_OP_ROBUST_LISTS:
        return umtx_robust_lists(area, frame.arg[3], frame.arg[2])
    if op == FREEBSD_UMTX_OP_GET_MIN_TIMEOUT:
        return copyout(&proc.own.umtx_min_timeout, frame.arg[3], 8)
    if op == FREEBSD_UMTX_OP_SET_MIN_TIMEOUT:
        if <int64_t> frame.arg[2] < 0:
            return -LINUX_EINVAL
        proc.own.umtx_min_timeout = <int64_t> frame.arg[2]
        return 0
    if op == FREEBSD_UMTX_OP_LOCK:
        return umtx_lock_op(proc, frame)
    if op == FREEBSD_UMTX_OP_UNLOCK:
        return umtx_unlock(frame.arg[0], frame.arg[2])
    return -LINUX_EINVAL

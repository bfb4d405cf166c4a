# Clocks, sleeping, and timers.
# Model: FreeBSD sys/kern/kern_time.c.

cdef enum:
    NANOSECONDS = 1000000000
    WAIT_KEPT = 1 << 30                 # seconds of a time that is worth keeping
    HZ = 1000                       # FreeBSD's kern.hz; kern.clockrate says the same

cdef enum:
    CPUCLOCK_BIT = 0x80000000UL     # of a clock that clock_getcpuclockid2 made
    CPUCLOCK_PROCESS_BIT = 0x40000000UL
    CPUCLOCK_ID_MASK = 0x3fffffffUL


cdef int linux_clock(uint32_t clock_id) noexcept nogil:
    """Linux's number for a clock, LSF_NO_TWIN for one that is computed, LSF_UNKNOWN for none.

    The clocks of other processes and threads are negative on both sides; Linux has the complement of the id times 8."""
    cdef int32_t id_
    if clock_id & CPUCLOCK_BIT:
        id_ = <int32_t> (clock_id & CPUCLOCK_ID_MASK)
        if id_ >= 1 << 28:
            return LSF_UNKNOWN      # no Linux process has such a number
        return ~id_ * 8 | (2 if clock_id & CPUCLOCK_PROCESS_BIT else 6)
    return freebsd_to_linux_clock(<int> clock_id)


cdef inline bint is_clock(int linux) noexcept nogil:
    return linux >= 0 or linux < -2


cdef inline long read_linux_clock(process_t *proc, int linux, freebsd_timespec *now) noexcept nogil:
    """The time of one of Linux's clocks that are not computed."""
    if linux >= 0 and proc.vdso_clock_gettime != NULL:
        return proc.vdso_clock_gettime(linux, now)
    return linux_syscall2(LINUX_SYS_clock_gettime, <uint64_t> <int64_t> linux, <uint64_t> now)


cdef long read_clock(process_t *proc, uint32_t clock_id, freebsd_timespec *now) noexcept nogil:
    """The time of a FreeBSD clock: 0 or a negative errno."""
    cdef linux_rusage usage
    cdef int linux = linux_clock(clock_id)
    cdef int64_t micro
    if is_clock(linux):
        return read_linux_clock(proc, linux, now)
    if clock_id == FREEBSD_CLOCK_SECOND:
        linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_REALTIME_COARSE, <uint64_t> now)
        now.tv_nsec = 0
        return 0
    if clock_id == FREEBSD_CLOCK_VIRTUAL or clock_id == FREEBSD_CLOCK_PROF:
        linux_syscall2(LINUX_SYS_getrusage, 0, <uint64_t> &usage)
        micro = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec
        if clock_id == FREEBSD_CLOCK_PROF:
            micro += usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec
        now.tv_sec = micro // 1000000
        now.tv_nsec = micro % 1000000 * 1000
        return 0
    return -LINUX_EINVAL


cdef public long sys_clock_gettime(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec now
    cdef int clock_id = <int> frame.arg[0], linux = LSF_UNKNOWN
    cdef long result
    if clock_id >= 0 and area.proc.vdso_clock_gettime != NULL:
        linux = freebsd_to_linux_clock(clock_id)
    if linux >= 0:                      # nearly always, and 25 ns: no function more than needed
        result = area.proc.vdso_clock_gettime(linux, &now)
    else:
        result = read_clock(area.proc, <uint32_t> clock_id, &now)
    if result < 0:
        return result
    return copyout(&now, frame.arg[1], sizeof(now))


cdef public long sys_clock_getres(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec step
    cdef uint32_t clock_id = <uint32_t> frame.arg[0]
    cdef int linux = linux_clock(clock_id)
    cdef long result
    step.tv_sec = 0
    step.tv_nsec = 0
    if is_clock(linux):
        result = linux_syscall2(LINUX_SYS_clock_getres, <uint64_t> <int64_t> linux, <uint64_t> &step)
        if result < 0:
            return result
    elif clock_id == FREEBSD_CLOCK_SECOND:
        step.tv_sec = 1
    elif clock_id == FREEBSD_CLOCK_VIRTUAL or clock_id == FREEBSD_CLOCK_PROF:
        step.tv_nsec = NANOSECONDS // HZ
    else:
        return -LINUX_EINVAL
    if frame.arg[1] == 0:
        return 0
    return copyout(&step, frame.arg[1], sizeof(step))


cdef public long sys_gettimeofday(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec now
    cdef freebsd_timeval micro
    cdef freebsd_timezone zone
    if frame.arg[0] != 0:
        read_clock(area.proc, FREEBSD_CLOCK_REALTIME, &now)
        freebsd_timeval_from_timespec(&micro, &now)
        if copyout(&micro, frame.arg[0], sizeof(micro)) < 0:
            return -LINUX_EFAULT
    if frame.arg[1] != 0:
        zone.tz_minuteswest = 0
        zone.tz_dsttime = 0
        return copyout(&zone, frame.arg[1], sizeof(zone))
    return 0


# A wait that something ends of which the program is not to know (another thread reports to a tracer, say) is made again, and its time goes on.

cdef void wait_leave(area_t *area, const freebsd_timespec *left) noexcept nogil:
    """The call's wait has ended early: keep when its time is over. deliver_deferred forgets it where the call is not made again."""
    cdef freebsd_timespec now
    if area.deferred and left.tv_sec < WAIT_KEPT:
        read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &now)
        timespec_add(&now, left)
        area.own.wait_until = now.tv_sec * NANOSECONDS + now.tv_nsec
        area.own.wait_site = area.frame.ret


cdef bint wait_left(area_t *area, freebsd_timespec *left) noexcept nogil:
    """True where this call is one that is made again, and what is left of its time. Asked where wait_until is not 0, once a call."""
    cdef freebsd_timespec now
    cdef int64_t rest = area.own.wait_until
    area.own.wait_until = 0
    if area.own.wait_site != area.frame.ret:
        return False
    read_clock(area.proc, FREEBSD_CLOCK_MONOTONIC, &now)
    rest -= now.tv_sec * NANOSECONDS + now.tv_nsec
    if rest < 0:
        rest = 0
    left.tv_sec = rest // NANOSECONDS
    left.tv_nsec = rest % NANOSECONDS
    return True


cdef long sleep_on(process_t *proc, int linux, int flags, uaddr request, uaddr remainder) noexcept nogil:
    """Sleep; what remains goes to `remainder` (0: nowhere) when a signal ends it. It is reckoned from the clock, as in
    kern_clock_nanosleep: Linux's has the slack of its timers in it, and is more than was asked for where the sleep was short."""
    cdef area_t *area = current_area()
    cdef freebsd_timespec wanted, left, since, now
    cdef long result
    if copyin(request, &wanted, sizeof(wanted)) < 0:
        return -LINUX_EFAULT
    if not 0 <= wanted.tv_nsec < NANOSECONDS:
        return -LINUX_EINVAL
    if wanted.tv_sec < 0 or (wanted.tv_sec == 0 and wanted.tv_nsec == 0):
        return 0
    if area.own.wait_until and not flags & FREEBSD_TIMER_ABSTIME and wait_left(area, &wanted) \
            and wanted.tv_sec == 0 and wanted.tv_nsec == 0:
        return 0
    if flags & FREEBSD_TIMER_ABSTIME:
        remainder = 0
    if remainder != 0:
        read_linux_clock(proc, linux, &since)
    result = blocking_syscall(LINUX_SYS_clock_nanosleep, linux, flags, <uint64_t> &wanted, <uint64_t> &left, 0, 0)
    if result == -LINUX_EINTR and not flags & FREEBSD_TIMER_ABSTIME:
        wait_leave(area, &wanted if area.not_begun else &left)
    if result == -LINUX_EINTR and remainder != 0:
        read_linux_clock(proc, linux, &now)
        timespec_sub(&now, &since)
        left = wanted
        timespec_sub(&left, &now)
        if left.tv_sec < 0:
            left.tv_sec = 0
            left.tv_nsec = 0
        if copyout(&left, remainder, sizeof(left)) < 0:
            return -LINUX_EFAULT
    return result


cdef public long sys_nanosleep(frame_t *frame, area_t *area) noexcept nogil:
    return sleep_on(area.proc, LINUX_CLOCK_REALTIME, 0, frame.arg[0], frame.arg[1])


cdef long clock_sleep(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t clock_id = <uint32_t> frame.arg[0], flags = <uint32_t> frame.arg[1]
    cdef int linux
    if flags & ~<uint32_t> FREEBSD_TIMER_ABSTIME:
        return -LINUX_EINVAL
    if clock_id == FREEBSD_CLOCK_REALTIME or clock_id == FREEBSD_CLOCK_REALTIME_PRECISE \
            or clock_id == FREEBSD_CLOCK_REALTIME_FAST or clock_id == FREEBSD_CLOCK_SECOND:
        linux = LINUX_CLOCK_REALTIME
    elif clock_id == FREEBSD_CLOCK_MONOTONIC or clock_id == FREEBSD_CLOCK_MONOTONIC_PRECISE \
            or clock_id == FREEBSD_CLOCK_MONOTONIC_FAST or clock_id == FREEBSD_CLOCK_UPTIME \
            or clock_id == FREEBSD_CLOCK_UPTIME_PRECISE or clock_id == FREEBSD_CLOCK_UPTIME_FAST:
        linux = LINUX_CLOCK_MONOTONIC
    elif clock_id == FREEBSD_CLOCK_VIRTUAL or clock_id == FREEBSD_CLOCK_PROF \
            or clock_id == FREEBSD_CLOCK_PROCESS_CPUTIME_ID:
        return -LINUX_EOPNOTSUPP
    else:
        return -LINUX_EINVAL
    return sleep_on(area.proc, linux, flags, frame.arg[2], frame.arg[3])


cdef public long sys_clock_nanosleep(frame_t *frame, area_t *area) noexcept nogil:
    """The error is the value, not a failure (kern_posix_error)."""
    cdef long result = clock_sleep(frame, area)
    return lsf_errno_map[-result] if result < 0 else 0


cdef public long sys_clock_getcpuclockid2(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t clock_id, which = <uint32_t> frame.arg[1]
    cdef uint64_t id_ = frame.arg[0]
    cdef freebsd_timespec now
    if which == 0:                  # CPUCLOCK_WHICH_PID
        if id_ == 0:
            id_ = area.proc.pid
        clock_id = <uint32_t> (CPUCLOCK_BIT | CPUCLOCK_PROCESS_BIT | (id_ & CPUCLOCK_ID_MASK))
    elif which == 1:                # CPUCLOCK_WHICH_TID
        if id_ == 0:
            id_ = area.tid
        clock_id = <uint32_t> (CPUCLOCK_BIT | (id_ & CPUCLOCK_ID_MASK))
    else:
        return -LINUX_EINVAL
    if id_ > CPUCLOCK_ID_MASK or read_clock(area.proc, clock_id, &now) < 0:
        return -LINUX_ESRCH
    return store_guest32(frame.arg[2], clock_id)


cdef public long sys_setitimer(frame_t *frame, area_t *area) noexcept nogil:
    """Without a new value it only reads; Linux would disarm."""
    if frame.arg[1] == 0:
        return linux_syscall2(LINUX_SYS_getitimer, frame.arg[0], frame.arg[2])
    return linux_syscall3(LINUX_SYS_setitimer, frame.arg[0], frame.arg[1], frame.arg[2])


# POSIX timers are Linux's own; what differs is struct sigevent.


cdef public long sys_adjtime(frame_t *frame, area_t *area) noexcept nogil:
    """What is left of the last adjustment may be read; to adjust is refused."""
    cdef int64_t timex[32]
    cdef freebsd_timeval left
    cdef long result
    if frame.arg[0] != 0:
        return -LINUX_EPERM
    if frame.arg[1] == 0:
        return 0
    memset(timex, 0, sizeof(timex))
    (<uint32_t *> timex)[0] = 0xa001        # ADJ_OFFSET_SS_READ
    result = linux_syscall1(LINUX_SYS_adjtimex, <uint64_t> timex)
    if is_error(result):
        return result
    left.tv_sec = timex[1] // 1000000
    left.tv_usec = timex[1] - left.tv_sec * 1000000
    return copyout(&left, frame.arg[1], sizeof(left))


cdef struct freebsd_ntptimeval:
    freebsd_timespec time
    int64_t maxerror, esterror, tai
    int32_t time_state, pad


cdef public long sys_ntp_gettime(frame_t *frame, area_t *area) noexcept nogil:
    """Linux's clock discipline, read only."""
    cdef int64_t timex[32]
    cdef freebsd_ntptimeval out
    cdef long state
    memset(timex, 0, sizeof(timex))
    memset(&out, 0, sizeof(out))
    state = linux_syscall1(LINUX_SYS_adjtimex, <uint64_t> timex)
    if is_error(state):
        return state
    read_clock(area.proc, FREEBSD_CLOCK_REALTIME, &out.time)
    out.maxerror = timex[3]
    out.esterror = timex[4]
    out.tai = (<int32_t *> timex)[40]
    out.time_state = <int32_t> state
    if copyout(&out, frame.arg[0], sizeof(out)) < 0:
        return -LINUX_EFAULT
    return state

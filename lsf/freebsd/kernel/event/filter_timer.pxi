# EVFILT_TIMER.

cdef enum:
    SECOND_LAG = 500000                 # nanoseconds until Linux's clock of seconds is looked at again


cdef long timer_start(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """Set the clock of a TIMER knote: 0 or an error."""
    cdef freebsd_timespec real
    cdef int64_t unit = 1000000, span, now
    cdef uint32_t units = kn.sfflags & NOTE_TIMER_UNITS
    if kn.sdata < 0 or kn.sfflags & ~<uint32_t> (NOTE_TIMER_UNITS | FREEBSD_NOTE_ABSTIME):
        return -LINUX_EINVAL
    if kn.sdata == 0 and not kn.kev.flags & FREEBSD_EV_ONESHOT and not kn.sfflags & FREEBSD_NOTE_ABSTIME:
        kn.sdata = 1
    if units == FREEBSD_NOTE_SECONDS:
        unit = 1000000000
    elif units == FREEBSD_NOTE_USECONDS:
        unit = 1000
    elif units == FREEBSD_NOTE_NSECONDS:
        unit = 1
    elif units != FREEBSD_NOTE_MSECONDS and units != 0:
        return -LINUX_EINVAL
    span = 0x3fffffffffffffffL if kn.sdata > 0x3fffffffffffffffL // unit else kn.sdata * unit
    now = monotonic_now(proc)
    kn.period = span
    kn.size = 0
    if kn.sfflags & FREEBSD_NOTE_ABSTIME:
        read_clock(proc, FREEBSD_CLOCK_REALTIME, &real)
        kn.size = span // 1000000000 if span % 1000000000 == 0 else 0
        span -= real.tv_sec * 1000000000 + real.tv_nsec
        if span < 0:
            span = 0
        kn.period = 0
    if kn.kev.flags & FREEBSD_EV_ONESHOT:
        kn.period = 0
    kn.next_time = now + span
    if kn.next_time == 0:
        kn.next_time = 1
    return timers_arm(proc, ev, kn.kq)


cdef long timers_arm(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Set the kqueue's timerfd to the first of its timers."""
    cdef freebsd_itimerspec when
    cdef knote_t *kn = kq.list
    cdef int64_t first = 0
    cdef long result
    while kn != NULL:
        if kn.next_time != 0 and (first == 0 or kn.next_time < first):
            first = kn.next_time
        kn = kn.list_next
    if first == kq.armed or (first == 0 and kq.timer_fd < 0):
        return 0
    result = kqueue_part(ev, kq, &kq.timer_fd, EVENT_TIMER)
    if result < 0:
        return result
    kq.armed = first
    memset(&when, 0, sizeof(when))
    when.it_value.tv_sec = first // 1000000000
    when.it_value.tv_nsec = first % 1000000000
    linux_syscall4(LINUX_SYS_timerfd_settime, kq.timer_fd, 1, <uint64_t> &when, 0)       # TFD_TIMER_ABSTIME
    return 0


cdef bint second_has_begun(process_t *proc, const knote_t *kn) noexcept nogil:
    """Linux's clock of whole seconds, time(3)'s, lags behind by some ticks: whoever is woken for a second finds it begun."""
    cdef freebsd_timespec now
    if kn.size == 0:
        return True
    read_clock(proc, FREEBSD_CLOCK_SECOND, &now)
    return now.tv_sec >= kn.size


cdef void timers_expire(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Some timer of this kqueue may have run out."""
    cdef uint64_t count
    cdef int64_t now = monotonic_now(proc), missed
    cdef knote_t *kn = kq.list
    linux_syscall3(LINUX_SYS_read, kq.timer_fd, <uint64_t> &count, 8)
    while kn != NULL:
        if kn.next_time != 0 and kn.next_time <= now:
            if kn.kev.filter == FREEBSD_EVFILT_EMPTY:
                kn.next_time = 0
            elif not second_has_begun(proc, kn):
                kn.next_time = now + SECOND_LAG
                kn = kn.list_next
                continue
            elif kn.period == 0:
                kn.kev.data += 1
                kn.next_time = 0
            else:
                missed = (now - kn.next_time) // kn.period + 1
                kn.kev.data += missed
                kn.next_time += missed * kn.period
            kn.status |= KN_ACTIVE
            knote_enqueue(kn)
        kn = kn.list_next
    kq.armed = 0
    timers_arm(proc, ev, kq)

# Arithmetic of times.

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

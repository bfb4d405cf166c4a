# Times: <sys/time.h>, <sys/timespec.h>, <sys/_timeval.h>.
#
# timespec, timeval, itimerval, itimerspec and timezone have the same layout on both sides (the oracle asserts it), so a
# guest address of one may go straight to Linux. What differs is the meaning of some values: see utimens below.

cdef struct freebsd_timespec:
    int64_t tv_sec
    int64_t tv_nsec

cdef struct freebsd_timeval:
    int64_t tv_sec
    int64_t tv_usec

cdef struct freebsd_bintime:
    int64_t sec
    uint64_t frac

cdef struct freebsd_itimerval:
    freebsd_timeval it_interval
    freebsd_timeval it_value

cdef struct freebsd_itimerspec:
    freebsd_timespec it_interval
    freebsd_timespec it_value

cdef struct freebsd_timezone:
    int32_t tz_minuteswest
    int32_t tz_dsttime

cdef struct freebsd_clockinfo:
    int32_t hz
    int32_t tick        # microseconds per hz tick
    int32_t spare
    int32_t stathz
    int32_t profhz


cdef inline void freebsd_timespec_from_linux(freebsd_timespec *to, const linux_timespec *source) noexcept nogil:
    to.tv_sec = source.tv_sec
    to.tv_nsec = source.tv_nsec


cdef inline void linux_timespec_from_freebsd(linux_timespec *to, const freebsd_timespec *source) noexcept nogil:
    to.tv_sec = source.tv_sec
    to.tv_nsec = source.tv_nsec


cdef inline void freebsd_timeval_from_timespec(freebsd_timeval *to, const freebsd_timespec *source) noexcept nogil:
    """Rounds down, as TIMESPEC_TO_TIMEVAL does."""
    to.tv_sec = source.tv_sec
    to.tv_usec = source.tv_nsec // 1000


cdef inline void freebsd_timespec_from_timeval(freebsd_timespec *to, const freebsd_timeval *source) noexcept nogil:
    """The caller has checked 0 <= tv_usec < 1000000 (FreeBSD answers EINVAL otherwise)."""
    to.tv_sec = source.tv_sec
    to.tv_nsec = source.tv_usec * 1000


cdef inline int linux_utimens_from_freebsd(linux_timespec *to, const freebsd_timespec *source) noexcept nogil:
    """One of the two times of utimensat(2): UTIME_NOW and UTIME_OMIT are -1 and -2 on FreeBSD.

    Returns 0, or -EINVAL (-22) for a tv_nsec that FreeBSD refuses; among those are the numbers that mean UTIME_NOW and
    UTIME_OMIT to Linux.
    """
    to.tv_sec = source.tv_sec
    if source.tv_nsec == FREEBSD_UTIME_NOW:
        to.tv_nsec = LINUX_UTIME_NOW
    elif source.tv_nsec == FREEBSD_UTIME_OMIT:
        to.tv_nsec = LINUX_UTIME_OMIT
    elif source.tv_nsec < 0 or source.tv_nsec >= 1000000000:
        to.tv_nsec = 0
        return -22
    else:
        to.tv_nsec = source.tv_nsec
    return 0


cdef inline void freebsd_bintime_from_timespec(freebsd_bintime *to, const freebsd_timespec *source) noexcept nogil:
    """A bintime counts seconds and 2^-64 seconds; 18446744073 is 2^64 / 10^9 rounded down, as FreeBSD uses it."""
    to.sec = source.tv_sec
    to.frac = <uint64_t>source.tv_nsec * 18446744073UL

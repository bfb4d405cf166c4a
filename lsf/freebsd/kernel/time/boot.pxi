# When the machine was started.

# ns that may pass between two readings of CLOCK_MONOTONIC with one of another clock between them, and how often that is tried
cdef enum: READ_TOGETHER = 100000, READ_TRIES = 32


cdef int64_t clock_now(int clock) noexcept nogil:
    """A Linux clock, in ns."""
    cdef linux_timespec now
    linux_syscall2(LINUX_SYS_clock_gettime, <uint64_t> clock, <uint64_t> &now)
    return now.tv_sec * 1000000000 + now.tv_nsec


cdef int64_t time_asleep() noexcept nogil:
    """How much CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC, in ns: as long as the machine was suspended. There is no moment at which both
    are read, so milliseconds are what is certain."""
    cdef int64_t before, boot, after
    cdef int32_t tries
    for tries in range(READ_TRIES):
        before = clock_now(LINUX_CLOCK_MONOTONIC)
        boot = clock_now(LINUX_CLOCK_BOOTTIME)
        after = clock_now(LINUX_CLOCK_MONOTONIC)
        if after - before < READ_TOGETHER:
            break
    return (boot - before + 500000) // 1000000 * 1000000


cdef int64_t real_less_monotonic() noexcept nogil:
    """CLOCK_REALTIME less CLOCK_MONOTONIC, in ns: the same at every call until somebody sets the clock. The difference of two clocks that are read
    one after the other is never the same twice, but the coarse ones stand still between two ticks: where no tick came between the readings,
    they are of one moment."""
    cdef int64_t real, up, again
    cdef int32_t tries
    real = clock_now(LINUX_CLOCK_REALTIME_COARSE)
    for tries in range(READ_TRIES):
        up = clock_now(LINUX_CLOCK_MONOTONIC_COARSE)
        again = clock_now(LINUX_CLOCK_REALTIME_COARSE)
        if again == real:
            break
        real = again
    return real - up


cdef void getboottime(freebsd_timeval *to) noexcept nogil:
    """CLOCK_REALTIME when CLOCK_BOOTTIME was 0, which FreeBSD knows as a time that does not move: programs know a process by its number and
    its start, which is counted from here."""
    cdef int64_t at = (real_less_monotonic() - time_asleep()) // 1000
    to.tv_sec = at // 1000000
    to.tv_usec = at % 1000000

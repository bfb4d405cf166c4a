# What a handler returns, and what a raw call of Linux's did.

cdef enum:
    INT_MAX = 0x7fffffff


cdef inline bint is_error(long result) noexcept nogil:
    """True where a raw Linux result is a negative errno."""
    return <uint64_t> result >= <uint64_t> -4095


cdef inline long guest_error(int error) noexcept nogil:
    """A handler's result for an errno that only the guest's system has."""
    return -(GUEST_ERRNO + error)


cdef inline long return_value(area_t *area, long value) noexcept nogil:
    """A handler's result for a success whose value may look like an error (getpriority's -5)."""
    area.retval = <uint64_t> value
    return -RETURN_IN_AREA


cdef inline long restartable(long result) noexcept nogil:
    """The result of a blocking call that the guest's system restarts after a handler with SA_RESTART."""
    return -LINUX_ERESTARTSYS if result == -LINUX_EINTR else result

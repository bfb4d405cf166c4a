# What became of a call: it returned, failed, or begins anew.

cdef bint call_begins_anew(area_t *area, long result) noexcept nogil:
    """True for a call that a signal interrupted and that will be made again."""
    if result == -LINUX_ERESTARTNOINTR:
        return True
    if result == -LINUX_ERESTARTSYS or (result == -LINUX_EINTR and area.deferred and area.not_begun):
        return not signal_interrupts(area)
    return False

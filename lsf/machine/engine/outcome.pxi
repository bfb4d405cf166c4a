# What becomes of a call whose raw result is known: it is over, or will be made again. Whoever finishes a call, delivers a signal
# after it, prints, counts or traces it asks here. entry.S does the same where no signal waits (translate_again).

cdef enum:
    CALL_OVER = 0           # it returned, or failed
    CALL_AGAIN = 1          # it is made again, after whatever handler
    CALL_RESTARTS = 2       # it is made again after a handler that restarts calls, and after another one it failed with EINTR
    AGAIN = -1              # call_error: no errno


cdef int call_outcome(area_t *area, long raw) noexcept nogil:
    """CALL_OVER, CALL_AGAIN or CALL_RESTARTS, for what a handler or the pass lane came to."""
    if raw == -LINUX_ERESTARTNOINTR:
        return CALL_AGAIN
    if raw != -LINUX_ERESTARTSYS or area.woken == WOKEN_ENDED:
        return CALL_OVER
    # One that had not begun to wait begins anew after the handler, as if the signal had come before it.
    return CALL_AGAIN if area.deferred and area.not_begun else CALL_RESTARTS


cdef long interrupted(area_t *area, long raw, bint restarts, bint quiet) noexcept nogil:
    """The raw result of a call that a signal ended, EINTR: restarts, by its row; quiet: the guest sees nothing of the signal."""
    if raw != -LINUX_EINTR or area.woken == WOKEN_ENDED:
        return raw
    if quiet:
        return -LINUX_ERESTARTNOINTR
    return -LINUX_ERESTARTSYS if restarts else raw


cdef int call_error(area_t *area, long raw) noexcept nogil:
    """The guest's errno of a raw result, 0 for success, AGAIN for a call that will be made again."""
    cdef int outcome = call_outcome(area, raw)
    if outcome == CALL_AGAIN or (outcome == CALL_RESTARTS and not signal_interrupts(area)):
        return AGAIN
    if not is_error(raw) or raw == -RETURN_IN_AREA:
        return 0
    return lsf_errno_map[-raw]          # of ERESTARTSYS, too: EINTR

# Tracing from outside (lsf/supervisor/): the supervisor of the ptrace engine shows a call before it leads the guest
# here, and this file tells it of what only the shim knows: that the call is over, and that a program is about to begin.
#
# The way to tell is a Linux syscall that does not exist: the supervisor's filter stops it, and its answer is the
# result. Unlike a signal it cannot be blocked and changes nothing, and it costs nothing where nobody traces.

cdef enum:
    TRACE_EXIT = 1          # frame, area, result, the guest's errno, value: answers the result


cdef public long trace_call(frame_t *frame, area_t *area) noexcept nogil:
    """Run a call whose result a tracer wants to see, and let it see, or choose, the result.

    A call that does not return (exit, sigreturn, execve) is over with what follows it. Neither does the child of a fork
    tell: its first event is its creation."""
    cdef int pid = area.proc.pid
    cdef uint64_t value
    cdef long result
    if not area.hooks & 1 << HOOK_TRACE:
        kill_self(area, LINUX_SIGSEGV)          # nobody traces: the program jumped here by itself
    result = call_hooked(frame, area)
    if area.proc.pid != pid:
        return result
    value = area.retval if result == -RETURN_IN_AREA else <uint64_t> result
    return linux_syscall6(TRACE_CALL, TRACE_EXIT, <uint64_t> frame, <uint64_t> area, <uint64_t> result,
                          <uint64_t> <int64_t> call_error(area, result), value)

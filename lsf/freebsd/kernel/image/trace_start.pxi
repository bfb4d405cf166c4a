# What a tracer is told of a program, and of errors (machine/watch/trace.pxi).

cdef enum:
    TRACE_EXEC = 2          # path, load offset, entry, interpreter's load offset, stack


cdef int trace_error(area_t *area, long result) noexcept nogil:
    """FreeBSD's errno of a raw result, 0 for success; ERESTART for a call that will be made again."""
    if not is_error(result) or result == -RETURN_IN_AREA:
        return 0
    if call_begins_anew(area, result):
        return FREEBSD_ERESTART
    return LINUX_EINTR if result == -LINUX_ERESTARTSYS else lsf_errno_map[-result]


cdef void trace_start(area_t *area, const image_t *image, const image_t *interp, bint has_interp,
                      uint64_t stack) noexcept nogil:
    """A program is about to begin, everything mapped."""
    if area.hook == NULL:
        area.hook = run_call
    know_handler(area.proc, FREEBSD_SIGTRAP)
    apply_disposition(area.proc, FREEBSD_SIGTRAP)
    linux_syscall6(TRACE_CALL, TRACE_EXEC, <uint64_t> area.proc.execpath, image.base, image.entry,
                   interp.base if has_interp else 0, stack)

# What a tracer is told of a program (machine/watch/trace.pxi).

cdef enum:
    TRACE_EXEC = 2          # path, load offset, entry, interpreter's load offset, stack


cdef void trace_start(area_t *area, const image_t *image, const image_t *interp, bint has_interp,
                      uint64_t stack) noexcept nogil:
    """A program is about to begin, everything mapped."""
    hook_add(area, HOOK_TRACE, NULL, NULL)
    know_handler(area.proc, FREEBSD_SIGTRAP)
    apply_disposition(area.proc, FREEBSD_SIGTRAP)
    linux_syscall6(TRACE_CALL, TRACE_EXEC, <uint64_t> area.proc.execpath, image.base, image.entry,
                   interp.base if has_interp else 0, stack)

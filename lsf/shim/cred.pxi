# Users and groups.
# Model: FreeBSD sys/kern/kern_prot.c.


cdef public long sys_issetugid(frame_t *frame, area_t *area) noexcept nogil:
    """Whether the ids were changed since the program was executed. It is not started with foreign ids: Linux executes the
    shim, which is not set-uid."""
    return area.proc.sugid

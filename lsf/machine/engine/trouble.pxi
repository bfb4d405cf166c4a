# What a program does that LSF cannot bear, and faults of the shim's own: a message, and the end.

cdef void shim_bug(int linux, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A fault inside the shim that no guest pointer explains: say so, where, and abort."""
    cdef char text[200]
    cdef uint64_t at = append(text, 0, 200, b"a bug in LSF: Linux signal ")
    at = append_number(text, at, 200, linux, 10)
    at = append(text, at, 200, b" at 0x")
    at = append_number(text, at, 200, uc.uc_mcontext.rip, 16)
    at = append(text, at, 200, b", address 0x")
    at = append_number(text, at, 200, info.fields.fault.addr, 16)
    at = append(text, at, 200, b", in call ")
    at = append_number(text, at, 200, current_area().frame.nr, 10)
    complain(text, NULL, NULL, NULL)
    kill_self(current_area(), LINUX_SIGABRT)


cdef void check_gs(area_t *area, uint64_t frame) noexcept nogil:
    """The signal stack, on which `frame` lies, tells the area too (but in the child of a vfork, which has its parent's).
    A program that loads the GS base itself, with wrgsbase, loses the shim: say so while it can be said."""
    cdef uint64_t at = (frame - AREAS_BASE) & ~(AREA_STRIDE - 1)
    cdef area_t *owner = <area_t *> (AREAS_BASE + at + AREA_STRUCT)
    cdef uint64_t other = <uint64_t> area - AREAS_BASE - AREA_STRUCT
    if other < AREA_STRIDE * AREA_COUNT and other & (AREA_STRIDE - 1) == 0 and slot_at(<int> (other // AREA_STRIDE)).state \
            and area.in_vfork:
        return
    write_gsbase(<uint64_t> owner)
    complain(owner.proc.execpath, b" changed the GS base, which LSF uses itself", NULL, NULL)
    kill_self(owner, LINUX_SIGABRT)

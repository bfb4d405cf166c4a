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


cdef area_t *area_around(uint64_t at) noexcept nogil:
    """The area in which an address lies, one of a stack of the shim's."""
    return <area_t *> (AREAS_BASE + ((at - AREAS_BASE) & ~(AREA_STRIDE - 1)) + AREA_STRUCT)


cdef inline bint is_vfork_born(uint64_t rip) noexcept nogil:
    """Where clone has returned, and the child has still its parent's GS base and signal stack."""
    return rip - <uint64_t> vfork_born < <uint64_t> vfork_born_end - <uint64_t> vfork_born


cdef area_t *find_area(area_t *area, linux_ucontext *uc) noexcept nogil:
    """The area of the thread that a signal has met, where the GS base does not tell.

    A new thread, and the child of a vfork, begin with their maker's GS base, and SEGV, BUS and SYS are not blocked then, nor does one of
    them block another. Linux has no signal stack for a thread that shares memory: these come on its stack, which is in its own area
    already. The child of a plain vfork has its parent's, and until the GS base is its own its stack pointer alone tells which of the two
    it is.
    The signal stack, on which `uc` lies, tells the area too (but, again, in the child of a vfork). A program that loads the GS base
    itself, with wrgsbase, loses the shim: say so while it can be said."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef area_t *owner = area_around(<uint64_t> uc)
    cdef uint64_t other = <uint64_t> area - AREAS_BASE - AREA_STRUCT
    cdef bint born = is_shim_stack(<uint64_t> uc) and not is_signal_stack(owner, <uint64_t> uc)
    if is_vfork_born(rip) and is_shim_stack(uc.uc_mcontext.rsp):
        owner = area_around(uc.uc_mcontext.rsp)
        born = True
    if born:
        write_gsbase(<uint64_t> owner)
        return owner
    if other < AREA_STRIDE * AREA_COUNT and other & (AREA_STRIDE - 1) == 0 and slot_at(<int> (other // AREA_STRIDE)).state \
            and area.in_vfork:
        return area
    write_gsbase(<uint64_t> owner)
    complain(owner.proc.execpath, b" changed the GS base, which LSF uses itself", NULL, NULL)
    kill_self(owner, LINUX_SIGABRT)
    return owner

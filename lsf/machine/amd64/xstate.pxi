# The vector state in a signal frame.

cdef enum:
    XSTATE_MAX = 12288
    AMX_COMPONENTS = 0x60000UL


cdef void know_xstate(process_t *proc, uint64_t fpstate) noexcept nogil:
    """Learn from a frame that Linux made which vector state one holds, and how much it is."""
    cdef uint64_t size = linux_xstate_size(<void *> fpstate)
    if proc.xstate_size == 0 and FXSAVE_SIZE < size <= XSTATE_MAX - 8:
        proc.xstate_features = (<linux_fpx_sw_bytes *> (fpstate + FXSAVE_SOFTWARE)).xfeatures
        proc.xstate_size = size


cdef uint64_t xstate_limit(process_t *proc) noexcept nogil:
    """Bytes of the XSAVE area for proc.xstate_features, the components that Linux keeps for this process. What the
    processor says is asked once: CPUID leaves a virtual machine, which takes longer than all the rest of a signal.
    AMX's tiles are not among them: a process must ask Linux for them first."""
    cdef uint32_t a = 0, b = 0, c = 0, d = 0
    cdef uint64_t size = FXSAVE_SIZE + 64, bits
    cdef int component
    if proc.xstate_size == 0:
        bits = read_xcr0() & ~AMX_COMPONENTS
        proc.xstate_features = bits
        bits &= ~3UL
        while bits:
            component = count_trailing_zeros(bits)
            bits &= bits - 1
            cpuid(13, component, &a, &b, &c, &d)
            if a + b > size and a + b <= XSTATE_MAX - 8:
                size = a + b
        proc.xstate_size = size
    return proc.xstate_size


cdef uint64_t xstate_guest_limit(process_t *proc) noexcept nogil:
    """What the guest may take the size for, by CPUID: AMX's tiles too."""
    return XSTATE_MAX - 8 if read_xcr0() & AMX_COMPONENTS else xstate_limit(proc)

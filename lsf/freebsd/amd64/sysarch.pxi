# sysarch(2). Model: FreeBSD sys/amd64/amd64/sys_machdep.c.

cdef struct freebsd_get_xfpustate:
    uint64_t addr
    int32_t len


cdef long xfpustate_out(process_t *proc, uaddr arguments) noexcept nogil:
    """The vector state behind the FXSAVE image: libthr completes a context with it, which it goes on with later."""
    cdef unsigned char state[XSTATE_MAX + 64]
    cdef freebsd_get_xfpustate request
    cdef uint64_t at = (<uint64_t> state + 63) & ~63UL
    if copyin(arguments, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    if <uint32_t> request.len > xstate_guest_limit(proc) - FXSAVE_SIZE:
        return -LINUX_EINVAL
    memset(<void *> at, 0, XSTATE_MAX)
    xstate_limit(proc)
    xsave(<void *> at, proc.xstate_features)
    return copyout(<void *> (at + FXSAVE_SIZE), request.addr, <uint32_t> request.len)


cdef public long sys_sysarch(frame_t *frame, area_t *area) noexcept nogil:
    """The FS base; the GS base is remembered for the guest but not loaded: GS is the shim's."""
    cdef uint64_t base = 0
    cdef int op = <int> frame.arg[0]
    if op == 128:               # AMD64_GET_FSBASE
        return store_guest64(frame.arg[1], read_fsbase())
    if op == 129:               # AMD64_SET_FSBASE
        if fetch_guest64(frame.arg[1], &base) < 0:
            return -LINUX_EFAULT
        if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
            return -LINUX_EINVAL
        write_fsbase(base)
        return 0
    if op == 132:               # AMD64_GET_XFPUSTATE
        return xfpustate_out(area.proc, frame.arg[1])
    if op == 130:               # AMD64_GET_GSBASE
        return store_guest64(frame.arg[1], area.own.guest_gsbase)
    if op == 131:               # AMD64_SET_GSBASE
        if fetch_guest64(frame.arg[1], &base) < 0:
            return -LINUX_EFAULT
        if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
            return -LINUX_EINVAL
        area.own.guest_gsbase = base
        return 0
    return -LINUX_EINVAL

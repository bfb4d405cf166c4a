# sysarch(2). Model: FreeBSD sys/amd64/amd64/sys_machdep.c.

cdef enum:
    IO_PORTS = 65536
    PROTECTION_KEYS = 16

cdef struct freebsd_get_xfpustate:
    uint64_t addr
    int32_t len

cdef struct freebsd_set_pkru:
    uint64_t addr
    uint64_t len
    uint32_t keyidx
    int32_t flags

cdef struct freebsd_ioperm_args:
    uint32_t start
    uint32_t length
    int32_t enable


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


cdef void tlsbase_set(area_t *area, uint64_t base) noexcept nogil:
    """The FS base that every handler of a signal finds from now on (PCB_TLSBASE), whatever it is elsewhere. push_frame loads it."""
    area.own.guest_tlsbase = base
    area.own.has_tlsbase = 1


cdef long protection_key(uaddr arguments, bint clear) noexcept nogil:
    """pmap_pkru_check_uargs, of a processor that has no protection keys."""
    cdef freebsd_set_pkru request
    cdef uint64_t start, end
    if copyin(arguments, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    if request.keyidx >= PROTECTION_KEYS or request.flags & ~<int32_t> (FREEBSD_AMD64_PKRU_EXCL | FREEBSD_AMD64_PKRU_PERSIST) \
            or (clear and (request.keyidx or request.flags)):
        return -LINUX_EINVAL
    start = page_down(request.addr)
    end = page_up(request.addr + request.len)
    return -LINUX_EFAULT if end <= start or end > 1UL << GUEST_ADDRESS_MAX_LOG else -LINUX_EOPNOTSUPP


cdef long io_permission(uaddr arguments) noexcept nogil:
    """amd64_get_ioperm of a thread that never asked for a port: it has none."""
    cdef freebsd_ioperm_args request
    if copyin(arguments, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    if request.start >= IO_PORTS:
        return -LINUX_EINVAL
    request.length = 0
    return copyout(&request, arguments, sizeof(request))


cdef long set_base(area_t *area, int op, uaddr arguments) noexcept nogil:
    """The FS base is loaded; the GS base is remembered for the guest but not loaded: GS is the shim's."""
    cdef bint short_ = op == FREEBSD_I386_SET_FSBASE or op == FREEBSD_I386_SET_GSBASE
    cdef uint64_t base = 0
    if (fetch_guest32(arguments, <uint32_t *> &base) if short_ else fetch_guest64(arguments, &base)) < 0:
        return -LINUX_EFAULT
    if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
        return -LINUX_EINVAL
    if op == FREEBSD_AMD64_SET_GSBASE or op == FREEBSD_I386_SET_GSBASE:
        area.own.guest_gsbase = base
        return 0
    write_fsbase(base)
    if op == FREEBSD_AMD64_SET_TLSBASE:
        tlsbase_set(area, base)
    return 0


cdef long sysarch_tlsbase(area_t *area, int op, uaddr arguments) noexcept nogil:
    """What came with FreeBSD 15."""
    if area.proc.own.osreldate < FREEBSD_SINCE_TLSBASE:
        return -LINUX_EINVAL
    if op == FREEBSD_AMD64_SET_TLSBASE:
        return set_base(area, op, arguments)
    if op == FREEBSD_AMD64_DISABLE_TLSBASE:
        area.own.has_tlsbase = 0
        return 0
    return store_guest64(arguments, area.own.guest_tlsbase) if area.own.has_tlsbase else -LINUX_ESRCH


cdef public long sys_sysarch(frame_t *frame, area_t *area) noexcept nogil:
    cdef int op = <int> frame.arg[0]
    cdef uaddr arguments = frame.arg[1]
    if op == FREEBSD_AMD64_SET_FSBASE or op == FREEBSD_AMD64_SET_GSBASE or op == FREEBSD_I386_SET_FSBASE \
            or op == FREEBSD_I386_SET_GSBASE:
        return set_base(area, op, arguments)
    if op == FREEBSD_AMD64_GET_FSBASE:
        return store_guest64(arguments, read_fsbase())
    if op == FREEBSD_AMD64_GET_GSBASE:
        return store_guest64(arguments, area.own.guest_gsbase)
    if FREEBSD_AMD64_GET_TLSBASE <= op <= FREEBSD_AMD64_DISABLE_TLSBASE:
        return sysarch_tlsbase(area, op, arguments)
    if op == FREEBSD_AMD64_GET_XFPUSTATE:
        return xfpustate_out(area.proc, arguments)
    if op == FREEBSD_AMD64_SET_PKRU or op == FREEBSD_AMD64_CLEAR_PKRU:
        return protection_key(arguments, op == FREEBSD_AMD64_CLEAR_PKRU)
    if op == FREEBSD_I386_GET_FSBASE:
        return store_guest32(arguments, <uint32_t> read_fsbase())
    if op == FREEBSD_I386_GET_GSBASE:
        return store_guest32(arguments, <uint32_t> area.own.guest_gsbase)
    if op == FREEBSD_I386_GET_IOPERM:
        return io_permission(arguments)
    return -LINUX_EPERM if op == FREEBSD_I386_SET_IOPERM else -LINUX_EINVAL

# ptrace(2): the registers of a tracee. Model: FreeBSD sys/amd64/amd64/exec_machdep.c (set_regs), ptrace_machdep.c.

cdef long ptrace_tls(frame_t *frame, debug_lwp_t *lwp, int request) noexcept nogil:
    cdef uint64_t base = 0
    if request == FREEBSD_PT_GETTLSBASE:
        return copyout(&lwp.tlsbase, frame.arg[2], 8) if lwp.has_tlsbase else -LINUX_ESRCH
    if copyin(frame.arg[2], &base, 8) < 0:
        return -LINUX_EFAULT
    if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
        return -LINUX_EINVAL
    lwp.tlsbase = base
    lwp.has_tlsbase = 1
    lwp.bases_set = 1
    return 0


cdef long ptrace_registers(frame_t *frame, area_t *area, debug_lwp_t *lwp, int request) noexcept nogil:
    """The requests for registers; -ENOSYS for another one."""
    cdef freebsd_reg regs
    cdef freebsd_ptrace_xstate_info about
    cdef uint64_t debug_registers[16]
    cdef uaddr at = frame.arg[2]
    cdef uint64_t size = <uint64_t> <int64_t> <int> frame.arg[3], base = 0
    cdef int i
    if request == FREEBSD_PT_GETREGS:
        return copyout(&lwp.regs, at, sizeof(regs))
    if request == FREEBSD_PT_SETREGS:
        if copyin(at, &regs, sizeof(regs)) < 0:
            return -LINUX_EFAULT
        base = (regs.r_rflags ^ lwp.regs.r_rflags) & 0xffffffffUL
        if base & ~<uint64_t> (FREEBSD_PSL_USERCHANGE | EFLAGS_RF) or regs.r_cs & 3 != 3:
            return -LINUX_EINVAL
        memcpy(&lwp.regs, &regs, sizeof(regs))
        lwp.regs_set = 1
        return 0
    if request == FREEBSD_PT_GETFPREGS:
        return copyout(lwp.vector, at, FXSAVE_SIZE)
    if request == FREEBSD_PT_SETFPREGS:
        if copyin(at, lwp.vector, FXSAVE_SIZE) < 0:
            return -LINUX_EFAULT
        (<uint64_t *> &lwp.vector[FXSAVE_SIZE])[0] |= 3
        lwp.vector_set = 1
        return 0
    if request == FREEBSD_PT_GETDBREGS or request == FREEBSD_PT_SETDBREGS:
        memset(debug_registers, 0, sizeof(debug_registers))
        if request == FREEBSD_PT_GETDBREGS:
            return copyout(debug_registers, at, sizeof(debug_registers))
        if copyin(at, debug_registers, sizeof(debug_registers)) < 0:
            return -LINUX_EFAULT
        for i in range(8):
            if debug_registers[i] and i != 6:
                return -LINUX_EINVAL    # Linux lets a tracer of its own alone set them
        return 0
    if request == FREEBSD_PT_GETXSTATE_INFO:
        if size != sizeof(about):
            return -LINUX_EINVAL
        memset(&about, 0, sizeof(about))
        about.xsave_len = lwp.vector_size
        about.xsave_mask = area.proc.xstate_features if area.proc.xstate_size else 0
        if about.xsave_mask == 0:
            xstate_limit(area.proc)
            about.xsave_mask = area.proc.xstate_features
        return copyout(&about, at, sizeof(about))
    if request == FREEBSD_PT_GETXSTATE:
        return copyout(lwp.vector, at, lwp.vector_size)
    if request == FREEBSD_PT_SETXSTATE:
        if size < FXSAVE_SIZE or size > lwp.vector_size:
            return -LINUX_EINVAL
        if copyin(at, lwp.vector, size) < 0:
            return -LINUX_EFAULT
        lwp.vector_set = 1
        return 0
    if request == FREEBSD_PT_GETFSBASE or request == FREEBSD_PT_GETGSBASE:
        return copyout(&lwp.fsbase if request == FREEBSD_PT_GETFSBASE else &lwp.gsbase, at, 8)
    if request == FREEBSD_PT_SETFSBASE or request == FREEBSD_PT_SETGSBASE:
        if copyin(at, &base, 8) < 0:
            return -LINUX_EFAULT
        if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
            return -LINUX_EINVAL
        if request == FREEBSD_PT_SETFSBASE:
            lwp.fsbase = base
        else:
            lwp.gsbase = base
        lwp.bases_set = 1
        return 0
    if (request == FREEBSD_PT_GETTLSBASE or request == FREEBSD_PT_SETTLSBASE) and area.proc.own.osreldate >= FREEBSD_SINCE_HASTLSBASE:
        return ptrace_tls(frame, lwp, request)
    return -LINUX_ENOSYS

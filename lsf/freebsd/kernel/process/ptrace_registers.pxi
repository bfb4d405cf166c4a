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


cdef long registers_set(debug_lwp_t *lwp, const freebsd_reg *regs) noexcept nogil:
    """set_regs: 0, or -EINVAL for flags that are not the program's."""
    cdef uint64_t changed = (regs.r_rflags ^ lwp.regs.r_rflags) & 0xffffffffUL
    if changed & ~<uint64_t> (FREEBSD_PSL_USERCHANGE | EFLAGS_RF) or regs.r_cs & 3 != 3:
        return -LINUX_EINVAL
    lwp.regs = regs[0]
    lwp.regs_set = 1
    return 0


cdef long vector_set(debug_lwp_t *lwp, uaddr source) noexcept nogil:
    """PT_SETFPREGS."""
    if copyin(source, lwp.vector, FXSAVE_SIZE) < 0:
        return -LINUX_EFAULT
    (<uint64_t *> &lwp.vector[FXSAVE_SIZE])[0] |= 3
    lwp.vector_set = 1
    return 0


cdef long debug_registers_get(debug_lwp_t *lwp, uaddr to) noexcept nogil:
    """PT_GETDBREGS: sixteen words, of which 4 and 5 and those from 8 on are 0 (fill_dbregs)."""
    cdef uint64_t registers[16]
    memset(registers, 0, sizeof(registers))
    memcpy(registers, lwp.debug_registers, sizeof(lwp.debug_registers))
    return copyout(registers, to, sizeof(registers))


cdef long debug_registers_set(debug_page_t *page, debug_lwp_t *lwp, uaddr source) noexcept nogil:
    """PT_SETDBREGS, as set_dbregs looks at them. Where Linux allows no breakpoints they are EINVAL."""
    cdef uint64_t registers[16]
    cdef uint64_t before[8]
    cdef int i
    if copyin(source, registers, sizeof(registers)) < 0:
        return -LINUX_EFAULT
    for i in range(WATCHES):
        if registers[DR_CONTROL] >> 16 + 4 * i & 3 == 2:
            return -LINUX_EINVAL
        if watch_enabled(registers[DR_CONTROL], i) and registers[i] >> GUEST_ADDRESS_MAX_LOG:
            return -LINUX_EINVAL
    if (registers[DR_STATUS] | registers[DR_CONTROL]) >> 32:
        return -LINUX_EINVAL
    registers[4] = 0
    registers[5] = 0
    memcpy(before, lwp.debug_registers, sizeof(before))
    memcpy(lwp.debug_registers, registers, sizeof(lwp.debug_registers))
    if not remote_do(page, lwp, REMOTE_WATCH):
        return -LINUX_ESRCH
    if lwp.remote_error == 0:
        return 0
    memcpy(lwp.debug_registers, before, sizeof(before))
    remote_do(page, lwp, REMOTE_WATCH)
    return -LINUX_EINVAL


cdef long ptrace_registers(frame_t *frame, area_t *area, debug_page_t *page, debug_lwp_t *lwp, int request) noexcept nogil:
    """The requests for registers; -ENOSYS for another one."""
    cdef freebsd_reg regs
    cdef freebsd_ptrace_xstate_info about
    cdef uaddr at = frame.arg[2]
    cdef uint64_t size = <uint64_t> <int64_t> <int> frame.arg[3], base = 0
    if request == FREEBSD_PT_GETREGS:
        return copyout(&lwp.regs, at, sizeof(regs))
    if request == FREEBSD_PT_SETREGS:
        return -LINUX_EFAULT if copyin(at, &regs, sizeof(regs)) < 0 else registers_set(lwp, &regs)
    if request == FREEBSD_PT_GETFPREGS:
        return copyout(lwp.vector, at, FXSAVE_SIZE)
    if request == FREEBSD_PT_SETFPREGS:
        return vector_set(lwp, at)
    if request == FREEBSD_PT_GETDBREGS or request == FREEBSD_PT_SETDBREGS:
        return debug_registers_get(lwp, at) if request == FREEBSD_PT_GETDBREGS else debug_registers_set(page, lwp, at)
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


cdef uint64_t regset_size(debug_lwp_t *lwp, int note) noexcept nogil:
    """How long a set of registers is; 0 for one that there is not (proc_find_regset). The sets of lwpinfo and thread names cannot be set."""
    if note == FREEBSD_NT_PRSTATUS:
        return sizeof(freebsd_prstatus)
    if note == FREEBSD_NT_FPREGSET:
        return FXSAVE_SIZE
    if note == FREEBSD_NT_THRMISC:
        return sizeof(freebsd_thrmisc)
    if note == FREEBSD_NT_PTLWPINFO:
        return 4 + sizeof(freebsd_ptrace_lwpinfo)
    return 16 if note == FREEBSD_NT_X86_SEGBASES else 0


cdef long regset_get(area_t *area, debug_page_t *page, debug_lwp_t *lwp, int note, uaddr to) noexcept nogil:
    cdef freebsd_prstatus status
    cdef freebsd_thrmisc misc
    cdef freebsd_ptrace_lwpinfo info
    cdef uint64_t bases[2]
    cdef int32_t size = sizeof(info)
    if note == FREEBSD_NT_PRSTATUS:
        thread_status(area.proc, page, lwp, 0, &status)
        return copyout(&status, to, sizeof(status))
    if note == FREEBSD_NT_FPREGSET:
        return copyout(lwp.vector, to, FXSAVE_SIZE)
    if note == FREEBSD_NT_THRMISC:
        memset(&misc, 0, sizeof(misc))
        memcpy(misc.pr_tname, lwp.name, sizeof(misc.pr_tname) - 1)
        return copyout(&misc, to, sizeof(misc))
    if note == FREEBSD_NT_X86_SEGBASES:
        bases[0] = lwp.fsbase
        bases[1] = lwp.gsbase
        return copyout(bases, to, sizeof(bases))
    memset(&info, 0, sizeof(info))
    lwp_fill(page, lwp, &info)
    if lwp.info.si_signo:
        info.pl_event = FREEBSD_PL_EVENT_SIGNAL
        info.pl_flags = FREEBSD_PL_FLAG_SI
        info.pl_siginfo = lwp.info
    return -LINUX_EFAULT if copyout(&size, to, 4) < 0 else copyout(&info, to + 4, sizeof(info))


cdef long regset_set(debug_lwp_t *lwp, int note, uaddr source) noexcept nogil:
    cdef freebsd_prstatus status
    cdef uint64_t bases[2]
    if note == FREEBSD_NT_PRSTATUS:
        return -LINUX_EFAULT if copyin(source, &status, sizeof(status)) < 0 else registers_set(lwp, &status.pr_reg)
    if note == FREEBSD_NT_FPREGSET:
        return vector_set(lwp, source)
    if note != FREEBSD_NT_X86_SEGBASES:
        return -LINUX_EINVAL
    if copyin(source, bases, sizeof(bases)) < 0:
        return -LINUX_EFAULT
    if (bases[0] | bases[1]) >> GUEST_ADDRESS_MAX_LOG:
        return -LINUX_EINVAL            # FreeBSD takes it, and the thread faults when it goes on
    lwp.fsbase = bases[0]
    lwp.gsbase = bases[1]
    lwp.bases_set = 1
    return 0


cdef long ptrace_regset(frame_t *frame, area_t *area, debug_page_t *page, debug_lwp_t *lwp, bint set_) noexcept nogil:
    """PT_GETREGSET and PT_SETREGSET: a set of registers by its note, of exactly its length (proc_read_regset)."""
    cdef freebsd_iovec vector
    cdef int note = <int> frame.arg[3]
    cdef uint64_t size = regset_size(lwp, note)
    cdef long result
    if copyin(frame.arg[2], &vector, sizeof(vector)) < 0:
        return -LINUX_EFAULT
    if size == 0:
        return -LINUX_EINVAL
    if set_:
        return regset_set(lwp, note, vector.iov_base) if vector.iov_len == size else -LINUX_EINVAL
    if vector.iov_base != 0:
        if vector.iov_len != size:
            return -LINUX_EINVAL
        result = regset_get(area, page, lwp, note, vector.iov_base)
        if result < 0:
            return result
    vector.iov_len = size
    return copyout(&vector, frame.arg[2], sizeof(vector))

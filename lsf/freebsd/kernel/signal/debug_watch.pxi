# ptrace(2): debug registers. Model: FreeBSD sys/amd64/amd64/exec_machdep.c (set_dbregs), trap.c (T_TRCTRAP).
#
# Linux lets a tracer of its own alone set them, but gives every thread breakpoints of its own as performance events that raise
# SIGTRAP (since 5.13): the same registers of the processor. The thread that is traced makes them for itself. An event lives as long as a
# mapping of it, so that no descriptor is kept; a child has none of it, and exec ends it. Where perf_event_open(2) is refused (containers,
# Debian's perf_event_paranoid of 3), so are they.

cdef enum:
    TRAP_PERF = 6                       # si_code of Linux's SIGTRAP
    TRAP_PERF_LATE = 1                  # TRAP_PERF_FLAG_ASYNC: it was blocked when it happened
    PERF_EXCLUDE_KERNEL = 1 << 5        # bits of linux_perf_event_attr.flags
    PERF_EXCLUDE_HV = 1 << 6
    PERF_REMOVE_ON_EXEC = 1UL << 36
    PERF_SIGTRAP = 1UL << 37
    HW_BREAKPOINT_W = 2
    HW_BREAKPOINT_RW = 3
    HW_BREAKPOINT_X = 4
    PERF_TYPE_BREAKPOINT = 5
    PERF_FLAG_FD_CLOEXEC = 8
    DR_STATUS = 6
    DR_CONTROL = 7
    WATCHES = 4

cdef struct linux_perf_event_attr:      # struct perf_event_attr (PERF_ATTR_SIZE_VER7), which older headers have not whole
    uint32_t type, size
    uint64_t config, sample_period, sample_type, read_format, flags
    uint32_t wakeup_events, bp_type
    uint64_t bp_addr, bp_len, branch_sample_type, sample_regs_user
    uint32_t sample_stack_user
    int32_t clockid
    uint64_t sample_regs_intr
    uint32_t aux_watermark
    uint16_t sample_max_stack, reserved
    uint32_t aux_sample_size, reserved_too
    uint64_t sig_data


cdef inline bint watch_enabled(uint64_t control, int i) noexcept nogil:
    return control >> 2 * i & 3 != 0


cdef void watch_close(area_t *area) noexcept nogil:
    """Take this thread's breakpoints out."""
    cdef int i
    for i in range(WATCHES):
        if area.own.watch[i]:
            linux_syscall2(LINUX_SYS_munmap, area.own.watch[i], PAGE_SIZE)
            area.own.watch[i] = 0


cdef void watch_forget(area_t *area) noexcept nogil:
    """In a copy of the area, which has none of the mappings."""
    memset(area.own.watch, 0, sizeof(area.own.watch))
    memset(area.own.debug_registers, 0, sizeof(area.own.debug_registers))


cdef long watch_open(area_t *area, int i, uint64_t address, uint64_t control) noexcept nogil:
    """Make the calling thread's breakpoint of one register: 0 or a negative errno."""
    cdef linux_perf_event_attr attr
    cdef uint64_t access = control >> 16 + 4 * i & 3, length = control >> 18 + 4 * i & 3
    cdef long fd, at
    memset(&attr, 0, sizeof(attr))
    attr.type = PERF_TYPE_BREAKPOINT
    attr.size = sizeof(attr)
    attr.sample_period = 1
    attr.flags = PERF_EXCLUDE_KERNEL | PERF_EXCLUDE_HV | PERF_REMOVE_ON_EXEC | PERF_SIGTRAP
    attr.bp_type = HW_BREAKPOINT_X if access == 0 else HW_BREAKPOINT_W if access == 1 else HW_BREAKPOINT_RW
    attr.bp_addr = address
    attr.bp_len = 8 if access == 0 or length == 2 else length + 1
    attr.sig_data = <uint64_t> i
    fd = linux_syscall5(LINUX_SYS_perf_event_open, <uint64_t> &attr, 0, <uint64_t> -1, <uint64_t> -1, PERF_FLAG_FD_CLOEXEC)
    if is_error(fd):
        return fd
    at = linux_syscall6(LINUX_SYS_mmap, 0, PAGE_SIZE, LINUX_PROT_READ, LINUX_MAP_SHARED, <uint64_t> fd, 0)
    linux_syscall1(LINUX_SYS_close, <uint64_t> fd)
    if is_error(at):
        return at
    area.own.watch[i] = <uint64_t> at
    return 0


cdef long watch_set(area_t *area, const uint64_t *registers) noexcept nogil:
    """Set this thread's debug registers, 0 to 7: 0, or a negative errno, and then none is set."""
    cdef uint64_t control = registers[DR_CONTROL]
    cdef long result = 0
    cdef int i
    watch_close(area)
    for i in range(WATCHES):
        if result == 0 and watch_enabled(control, i):
            result = watch_open(area, i, registers[i], control)
    if result < 0:
        watch_close(area)
        return result
    memcpy(area.own.debug_registers, registers, sizeof(area.own.debug_registers))
    return 0


cdef bint watch_hit(area_t *area, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A SIGTRAP of a breakpoint: make it the debug exception's. False where it is none of the program's: what the kernel accesses, which here
    the shim does, is not watched."""
    cdef uint32_t *words = <uint32_t *> info
    cdef uint64_t which = words[6]
    if words[9] & TRAP_PERF_LATE or uc.uc_mcontext.rip - WINDOW_BASE < WINDOW_SIZE or is_shim_stack(uc.uc_mcontext.rsp) \
            or which >= WATCHES or area.own.watch[which] == 0:
        return False
    area.own.debug_registers[DR_STATUS] |= 1UL << which
    memset(info, 0, 128)
    info.si_signo = LINUX_SIGTRAP
    info.si_code = FREEBSD_TRAP_TRACE
    info.fields.fault.addr = uc.uc_mcontext.rip
    return True

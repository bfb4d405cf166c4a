# ptrace(2): debug registers. Model: FreeBSD sys/amd64/amd64/exec_machdep.c (set_dbregs), trap.c (T_TRCTRAP).
#
# Linux lets a tracer of its own alone set them, but gives every thread breakpoints of its own as performance events that raise
# SIGTRAP (since 5.13): the same registers of the processor. The thread that is traced makes them for itself. An event lives as long as a
# mapping of it, so that no descriptor is kept; a child has none of it, and exec ends it. Where perf_event_open(2) is refused (containers,
# Debian's perf_event_paranoid of 3), so are they.

cdef enum:
    TRAP_PERF = 6                       # si_code of Linux's SIGTRAP
    TRAP_PERF_LATE = 1                  # TRAP_PERF_FLAG_ASYNC: it was blocked when it happened
    PERF_ATTR_SIZE = 128                # PERF_ATTR_SIZE_VER7
    PERF_TYPE_BREAKPOINT = 5
    PERF_FLAG_FD_CLOEXEC = 8
    DR_STATUS = 6
    DR_CONTROL = 7
    WATCHES = 4


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
    cdef uint64_t attr[16]
    cdef uint64_t access = control >> 16 + 4 * i & 3, length = control >> 18 + 4 * i & 3
    cdef long fd, at
    memset(attr, 0, sizeof(attr))
    attr[0] = PERF_TYPE_BREAKPOINT | <uint64_t> PERF_ATTR_SIZE << 32
    attr[2] = 1                                                 # sample_period
    attr[5] = 1UL << 5 | 1UL << 6 | 1UL << 36 | 1UL << 37       # exclude_kernel, exclude_hv, remove_on_exec, sigtrap
    attr[6] = <uint64_t> (4 if access == 0 else 2 if access == 1 else 3) << 32      # HW_BREAKPOINT_X, W, RW
    attr[7] = address
    attr[8] = 8 if access == 0 or length == 2 else length + 1
    attr[15] = <uint64_t> i                                     # sig_data
    fd = linux_syscall5(LINUX_SYS_perf_event_open, <uint64_t> attr, 0, <uint64_t> -1, <uint64_t> -1, PERF_FLAG_FD_CLOEXEC)
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

# What a process gets before its program begins: descriptors and signals.
# Model: FreeBSD sys/kern/kern_descrip.c (fdsetugidsafety, fdcheckstd), sys/kern/kern_sig.c (execsigs).

cdef bint is_of_a_process(int fd) noexcept nogil:
    """True for an opened file of /proc that tells of a process, whose meaning so changes with who that process is."""
    cdef linux_statfs fs
    cdef char path[17]
    cdef long got
    if is_error(linux_syscall2(LINUX_SYS_fstatfs, fd, <uint64_t> &fs)) or fs.f_type != LINUX_PROC_SUPER_MAGIC:
        return False
    got = descriptor_name(fd, path, sizeof(path))
    return got <= 6 or not string_starts(path, b"/proc/") or c'0' <= path[6] <= c'9'


cdef void standard_descriptors(start_t *start) noexcept nogil:
    """What exec does to 0, 1 and 2 of a program that gets other ids: none of them is a process's file of /proc
    (fdsetugidsafety in sys/kern/kern_descrip.c), and each of them is open (fdcheckstd), so that no file that the program
    opens takes its place."""
    cdef int fd
    cdef long result
    if 0 <= start.target_fd <= 2:
        result = linux_syscall3(LINUX_SYS_fcntl, start.target_fd, LINUX_F_DUPFD_CLOEXEC, 3)
        if is_error(result):
            die(EXIT_NOT_RUNNABLE, start.path, error_text(result))
        linux_syscall1(LINUX_SYS_close, start.target_fd)
        start.target_fd = <int> result
    for fd in range(3):
        if is_of_a_process(fd):
            linux_syscall1(LINUX_SYS_close, fd)
        if linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD) != -LINUX_EBADF:                          # F_GETFD
            continue
        result = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/dev/null",
                                LINUX_O_RDWR, 0)
        if result != fd:
            die(EXIT_NOT_RUNNABLE, b"/dev/null", b"cannot be opened for a program with other ids than its caller's")


cdef void hidden_descriptors(process_t *proc) noexcept nogil:
    """Move what truss, ktrace and the counters write to out of the guest's way."""
    if proc.truss_fd >= 0:
        proc.truss_fd = hide_descriptor(proc.truss_fd, True)
    if proc.record_fd >= 0:
        proc.record_fd = hide_descriptor(proc.record_fd, True)
    if proc.stats_fd >= 0:
        proc.stats_fd = hide_descriptor(proc.stats_fd, True)


cdef void signals_start(process_t *proc, area_t *area, start_t *start) noexcept nogil:
    """Save the inherited mask, install the shim's handlers, unblock the virtual signals, arm."""
    cdef uint64_t old = 0, all_ = linux_all_mask(), flags = LINUX_SA_RESTORER | LINUX_SA_ONSTACK | LINUX_SA_SIGINFO
    cdef int signo
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> &all_, <uint64_t> &old, 8)
    if start.has_mask:
        area.sigmask[0] = start.mask[0]
        area.sigmask[1] = start.mask[1]
    else:
        mask_inherited(old, area.sigmask)
        know_virtual(proc, FREEBSD_SIGSEGV, LINUX_SIGSEGV)
        know_virtual(proc, FREEBSD_SIGBUS, LINUX_SIGBUS)
        know_virtual(proc, FREEBSD_SIGSYS, LINUX_SIGSYS)
        set_linux_handler(LINUX_SIGCHLD, FREEBSD_SIG_DFL, LINUX_SA_RESTORER)    # never ignored at a start (execsigs)
    if start.ignored & signal_bit(FREEBSD_SIGSEGV):
        proc.handlers[FREEBSD_SIGSEGV].function = FREEBSD_SIG_IGN
    if start.ignored & signal_bit(FREEBSD_SIGBUS):
        proc.handlers[FREEBSD_SIGBUS].function = FREEBSD_SIG_IGN
    if start.ignored & signal_bit(FREEBSD_SIGSYS):
        proc.handlers[FREEBSD_SIGSYS].function = FREEBSD_SIG_IGN
    for signo in range(34, SIGNAL_MAX + 1):
        if is_carried(signo) and ((start.ignored if signo <= 64 else start.ignored_high) & signal_bit(signo)) != 0:
            proc.handlers[signo].function = FREEBSD_SIG_IGN
    area.own.virtual_pending = <uint32_t> start.pending
    area.altstack_flags = FREEBSD_SS_DISABLE
    signal_stack(area)
    area.own.ready = 1
    set_linux_handler(LINUX_SIGSYS, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_SIGSEGV, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_SIGBUS, <uint64_t> on_signal, flags)
    set_linux_handler(LINUX_CARRIER, <uint64_t> on_signal, flags)
    if not start.ordinary:
        apply_disposition(proc, FREEBSD_SIGIO)
        apply_disposition(proc, FREEBSD_SIGINFO)
        apply_disposition(proc, FREEBSD_SIGTHR)
        apply_disposition(proc, FREEBSD_SIGLIBRT)
    proc.own.child_taken = 1
    queued_start(proc, not start.has_mask)
    guest_mark_set()
    cores_start(proc)
    if proc.own.nosigpipe:
        know_handler(proc, FREEBSD_SIGPIPE)
        apply_disposition(proc, FREEBSD_SIGPIPE)
    if proc.engine != ENGINE_SUD:
        know_handler(proc, FREEBSD_SIGILL)
        apply_disposition(proc, FREEBSD_SIGILL)
    arm_first(proc)
    set_linux_mask(area)

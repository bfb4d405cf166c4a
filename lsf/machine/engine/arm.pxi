# The engine is armed: for each thread, and again in a child.


cdef void signal_stack(area_t *area) noexcept nogil:
    """Give this thread its Linux signal stack."""
    cdef uint64_t stack[3]
    stack[0] = <uint64_t> area - AREA_STRUCT + AREA_SIGSTACK
    stack[1] = 0
    stack[2] = AREA_SIGSTACK_SIZE
    linux_syscall2(LINUX_SYS_sigaltstack, <uint64_t> stack, 0)


cdef inline long dispatch_on() noexcept nogil:
    """Syscall User Dispatch for this thread, but for the window."""
    return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_SYSCALL_USER_DISPATCH, LINUX_PR_SYS_DISPATCH_ON, WINDOW_BASE,
                          WINDOW_SIZE, 0)


cdef void arm(process_t *proc) noexcept nogil:
    """Let every syscall outside the window trap (per thread: fork and clone lose it)."""
    if proc.engine == ENGINE_SUD:
        dispatch_on()


cdef void arm_first(process_t *proc) noexcept nogil:
    """Arm the engine at the start of a program; auto falls back to a seccomp filter where the kernel has no SUD."""
    cdef long result
    if proc.engine == ENGINE_PTRACE or proc.filter_installed:
        return
    if proc.engine == ENGINE_AUTO or proc.engine == ENGINE_SUD:
        result = dispatch_on()
        if not is_error(result):
            proc.engine = ENGINE_SUD
            return
        if proc.engine == ENGINE_SUD:
            die(EXIT_LSF, b"this kernel has no Syscall User Dispatch (Linux 5.11 or later has)", NULL)
        complain(b"no Syscall User Dispatch here (Linux 5.11 or later has it); a seccomp filter traps instead",
                 NULL, NULL, NULL)
        proc.engine = ENGINE_TRAP
    result = seccomp_trap_outside_window()
    proc.filter_installed = 1
    if is_error(result):
        die(EXIT_LSF, b"neither Syscall User Dispatch nor a seccomp filter is allowed here", NULL)


cdef void linux_action(uint64_t *action, uint64_t function, uint64_t flags) noexcept nogil:
    """Make a struct kernel_sigaction of Linux's, but for SIGSEGV and SIGBUS; flags: SA_."""
    action[0] = function
    action[1] = flags
    action[2] = <uint64_t> signal_restorer
    # SIGSYS too: the shim's handler makes no call that would raise it, and who sends it fast shall not fill the signal stack.
    action[3] = linux_all_mask() | signal_bit(LINUX_SIGSYS)
    # NODEFER: an accessor may fault within the handler, and that fault must come through.
    action[1] |= 0x40000000


cdef void set_linux_handler(int linux, uint64_t function, uint64_t flags) noexcept nogil:
    """Set Linux's disposition of a signal; flags: SA_."""
    cdef uint64_t action[4]
    linux_action(action, function, flags)
    if is_never_blocked(linux):
        action[3] |= linux_faults()     # nor who sends these; the handler takes them again where it needs that (faults_unblock)
    linux_syscall4(LINUX_SYS_rt_sigaction, linux, <uint64_t> action, 0, 8)


cdef void faults_unblock() noexcept nogil:
    """In the handler of SIGSEGV or SIGBUS, which has come from outside the signal stack: from here on an accessor may fault, and a thread
    that waits be asked for something."""
    cdef uint64_t mask = linux_faults()
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_UNBLOCK, <uint64_t> &mask, 0, 8)

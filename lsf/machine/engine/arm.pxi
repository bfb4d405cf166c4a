# The engine is armed: for each thread, and again in a child.


cdef void signal_stack(area_t *area) noexcept nogil:
    """Give this thread its Linux signal stack."""
    cdef uint64_t stack[3]
    stack[0] = <uint64_t> area - AREA_STRUCT + AREA_SIGSTACK
    stack[1] = 0
    stack[2] = AREA_SIGSTACK_SIZE
    linux_syscall2(LINUX_SYS_sigaltstack, <uint64_t> stack, 0)


cdef void arm(process_t *proc) noexcept nogil:
    """Let every syscall outside the window trap (per thread: fork and clone lose it)."""
    if proc.engine == ENGINE_SUD:
        linux_syscall5(LINUX_SYS_prctl, 59, 1, WINDOW_BASE, WINDOW_SIZE, 0)      # PR_SET_SYSCALL_USER_DISPATCH

# pdrfork(2) of a child that shares its parent's descriptors. The writing end of its pipe is to be its alone, and no number of a table that
# both have is: so a thread of the child's has it, which has a table of its own, never enters the guest (area.service), and ends with
# its process. An execution ends it, too; the process has a table of its own then, and takes the writing end over.

cdef enum:
    HOLDER_LOOK = 20000000              # nanoseconds until the parent asks whether its child is still there


cdef void procdesc_hold(area_t *area) noexcept nogil:
    """The thread. Every signal is blocked. It tells its maker's parent when it has the writing end and nothing else."""
    cdef process_t *proc = area.proc
    cdef int end = proc.own.procdesc_held, ready = proc.own.procdesc_ready
    cdef uint32_t low = <uint32_t> (end if end < ready else ready), high = <uint32_t> (ready if end < ready else end)
    cdef uint64_t one = 1
    procdesc_arm(proc, end, proc.own.procdesc_daemon != 0)
    if low > 0:
        close_between(0, low - 1, 0)
    close_between(low + 1, high - 1, 0)
    close_between(high + 1, 0xffffffffUL, 0)
    linux_syscall3(LINUX_SYS_write, ready, <uint64_t> &one, sizeof(one))
    linux_syscall1(LINUX_SYS_close, ready)
    atomic_store32(&proc.own.procdesc_holder, <uint32_t> linux_syscall0(LINUX_SYS_gettid))
    linux_syscall3(LINUX_SYS_futex, <uint64_t> &proc.own.procdesc_holder, LINUX_FUTEX_WAKE | LINUX_FUTEX_PRIVATE_FLAG, 1)
    while True:
        linux_syscall4(LINUX_SYS_ppoll, 0, 0, 0, 0)


cdef void procdesc_make_holder(process_t *proc, area_t *area, int end, int ready, bint daemon) noexcept nogil:
    """In the child, which does not go on before the thread has told. One that can have no thread ends, and its maker is told."""
    cdef area_t *holder = area_take(proc)
    cdef uint64_t *stack
    cdef long result = -LINUX_EAGAIN
    proc.own.procdesc_held = end
    proc.own.procdesc_ready = ready
    proc.own.procdesc_daemon = daemon
    if holder != NULL:
        holder.own.exiting = 1              # the last thread of the guest does not wait for it
        holder.service = procdesc_hold
        stack = <uint64_t *> (<uint64_t> holder.frame - 32)
        stack[0] = <uint64_t> holder
        block_all(NULL)
        result = clone_thread(LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_SIGHAND | LINUX_CLONE_THREAD | LINUX_CLONE_SYSVSEM
                              | LINUX_CLONE_CHILD_CLEARTID, stack, 0, &holder.slot.state, 0)
        set_linux_mask(area)
    while not is_error(result) and atomic_load32(&proc.own.procdesc_holder) == 0:
        linux_syscall4(LINUX_SYS_futex, <uint64_t> &proc.own.procdesc_holder, LINUX_FUTEX_PRIVATE_FLAG, 0, 0)      # FUTEX_WAIT
    if is_error(result):
        linux_syscall1(LINUX_SYS_exit_group, 0)


cdef bint procdesc_await_holder(int pid, int ready) noexcept nogil:
    """In the parent: wait until the child's thread has the writing end. False where there is no child any more before that."""
    cdef linux_pollfd one
    cdef linux_timespec nap
    while True:
        one.fd = ready
        one.events = LINUX_POLLIN
        one.revents = 0
        nap.tv_sec = 0
        nap.tv_nsec = HOLDER_LOOK
        linux_syscall5(LINUX_SYS_ppoll, <uint64_t> &one, 1, <uint64_t> &nap, 0, 8)
        if one.revents & LINUX_POLLIN:
            return True
        if process_is_over(pid):
            return False


cdef long procdesc_share(frame_t *frame, area_t *area) noexcept nogil:
    """The call, with neither RFFDG nor RFCFDG."""
    cdef process_t *proc = area.proc
    cdef uint32_t flags = <uint32_t> frame.arg[1]
    cdef int ends[2]
    cdef long ready, result
    cdef bint held
    if flags & ~<uint32_t> (FREEBSD_PD_DAEMON | FREEBSD_PD_CLOEXEC):
        return -LINUX_EINVAL
    procdesc_sweep(proc)
    result = procdesc_pipe(proc, area, ends)
    if is_error(result):
        return result
    ready = linux_syscall2(LINUX_SYS_eventfd2, 0, LINUX_O_CLOEXEC)
    if is_error(ready):
        procdesc_made(proc, ends[1])
        linux_syscall1(LINUX_SYS_close, ends[0])
        return ready
    proc.own.files_shared = 1
    result = fork_with(frame, area, LINUX_CLONE_FILES)
    if result == 0:
        procdesc_make_holder(proc, area, ends[1], <int> ready, flags & FREEBSD_PD_DAEMON != 0)
        return 0
    held = not is_error(result) and procdesc_await_holder(<int> result, <int> ready)
    linux_syscall1(LINUX_SYS_close, ready)
    procdesc_made(proc, ends[1])
    if not held:
        linux_syscall1(LINUX_SYS_close, ends[0])
        if is_error(result):
            return result
        linux_syscall4(LINUX_SYS_wait4, result, 0, LINUX___WALL, 0)
        return -LINUX_EAGAIN
    return procdesc_give(area, frame.arg[0], flags, ends[0], <int> result)


cdef void procdesc_before_exec(process_t *proc) noexcept nogil:
    """The thread is about to be gone: the process has a table of its own (fdunshare), and in it the writing end."""
    cdef char path[64]
    cdef uint64_t at
    cdef long end
    if proc.own.procdesc_holder == 0 or proc.life_fd >= 0 or is_error(linux_syscall1(LINUX_SYS_unshare, LINUX_CLONE_FILES)):
        return
    proc.own.files_shared = 0
    at = append(path, 0, sizeof(path), b"/proc/self/task/")
    at = append_number(path, at, sizeof(path), proc.own.procdesc_holder, 10)
    at = append(path, at, sizeof(path), b"/fd/")
    append_number(path, at, sizeof(path), <uint32_t> proc.own.procdesc_held, 10)
    end = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                         LINUX_O_WRONLY | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC, 0)
    if not is_error(end):
        procdesc_begin(proc, <int> end, proc.own.procdesc_daemon != 0)

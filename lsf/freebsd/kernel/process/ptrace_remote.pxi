# ptrace(2): what a tracee that stands still is to do or to give. Model: FreeBSD sys/kern/sys_process.c (PT_COREDUMP, PT_SC_REMOTE).

cdef enum:
    REMOTE_LOOK = 200000000             # nanoseconds until the tracer looks whether the tracee lives


cdef void ptrace_stopped_again(debug_page_t *page) noexcept nogil:
    """The thread has run for a moment (thread_run_flash), and stands still once more: which a wait tells anew."""
    page.waited = 0
    debug_sigchld(page, LINUX_CLD_STOPPED if page.xsig == FREEBSD_SIGSTOP else LINUX_CLD_TRAPPED)


cdef bint remote_do(debug_page_t *page, debug_lwp_t *lwp, uint32_t what) noexcept nogil:
    """Let a thread that stands still do this (REMOTE_), and wait for it: False where the process has ended."""
    cdef linux_timespec time
    atomic_store32(&lwp.remote, what)
    debug_wake(&page.resumed)
    time.tv_sec = 0
    time.tv_nsec = REMOTE_LOOK
    while atomic_load32(&lwp.remote) == what:
        linux_syscall4(LINUX_SYS_futex, <uint64_t> &lwp.remote, LINUX_FUTEX_WAIT, what, <uint64_t> &time)
        if atomic_load32(&lwp.remote) == what and process_is_over(page.pid):
            return False
    return True


cdef long ptrace_coredump(frame_t *frame, area_t *area, debug_page_t *page) noexcept nogil:
    """PT_COREDUMP: a core file of a process that goes on afterwards. The tracer writes it, to a file that it has open. Compression is
    allowed and not asked for, so that there is none."""
    cdef freebsd_ptrace_coredump about
    cdef linux_stat st
    cdef core_t *core
    cdef long flags, result
    if <int> frame.arg[3] != sizeof(about):
        return -LINUX_EINVAL
    if copyin(frame.arg[2], &about, sizeof(about)) < 0:
        return -LINUX_EFAULT
    if about.pc_flags & ~<uint32_t> (FREEBSD_PC_COMPRESS | FREEBSD_PC_ALL):
        return -LINUX_EINVAL
    flags = linux_syscall3(LINUX_SYS_fcntl, <uint64_t> about.pc_fd, LINUX_F_GETFL, 0)
    if descriptor_is_hidden(area.proc, about.pc_fd) or is_error(flags) or flags & LINUX_O_ACCMODE == 0 or flags & LINUX_O_PATH:
        return -LINUX_EBADF
    if linux_syscall2(LINUX_SYS_fstat, <uint64_t> about.pc_fd, <uint64_t> &st) != 0 or st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG:
        return -LINUX_EPIPE
    core = core_new(area, page, page.pid, page.reporter - 1 if page.reporter else 0)
    if core == NULL:
        return -LINUX_ENOMEM
    core.all_ = about.pc_flags & FREEBSD_PC_ALL != 0
    core.fd = about.pc_fd
    result = core_write_all(core, <uint64_t> about.pc_limit if about.pc_limit else 1UL << 63)
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> core, page_up(sizeof(core_t)))
    ptrace_stopped_again(page)
    return result


cdef long ptrace_remote(frame_t *frame, tracee_t *tracee, debug_lwp_t *lwp) noexcept nogil:
    """PT_SC_REMOTE: a thread that stands at a boundary makes a call (debug_remote), and stays where it is."""
    cdef freebsd_ptrace_sc_remote about
    cdef freebsd_ptrace_sc_ret ret
    if <int> frame.arg[3] != sizeof(about):
        return -LINUX_EINVAL
    if copyin(frame.arg[2], &about, sizeof(about)) < 0:
        return -LINUX_EFAULT
    if about.pscr_nargs > 8:
        return -LINUX_EINVAL
    if not lwp.boundary:
        return -LINUX_EBUSY
    memset(lwp.remote_args, 0, sizeof(lwp.remote_args))
    if copyin(about.pscr_args, lwp.remote_args, 8 * <uint64_t> about.pscr_nargs) < 0:
        return -LINUX_EFAULT
    lwp.remote_code = about.pscr_syscall
    if about.pscr_nargs == 0 and (lwp.remote_code == FREEBSD_SYS_syscall or lwp.remote_code == FREEBSD_SYS___syscall):
        lwp.remote_error = FREEBSD_EINVAL       # no call is named (15.0's kernel does not look)
    elif not remote_do(tracee.page, lwp, REMOTE_ASKED):
        return -LINUX_ESRCH
    ptrace_stopped_again(tracee.page)
    memset(&ret, 0, sizeof(ret))
    ret.sr_error = lwp.remote_error
    memcpy(ret.sr_retval, lwp.remote_retval, 16)
    return copyout(&ret, frame.arg[2], sizeof(ret))

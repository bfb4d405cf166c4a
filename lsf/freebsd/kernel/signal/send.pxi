# A signal for this thread itself, or for its process.

cdef bint is_own_signal(process_t *proc, const linux_siginfo *info) noexcept nogil:
    """This process sent it: EVFILT_SIGNAL counted it then (signal_counted)."""
    return (info.si_signo != LINUX_CARRIER and info.fields.kill.pid == proc.pid
            and (info.si_code == LINUX_SI_USER or info.si_code == LINUX_SI_QUEUE or info.si_code == LINUX_SI_TKILL))


cdef long signal_counted(process_t *proc, int signo, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d) noexcept nogil:
    """A call of Linux's that sends this process a signal for which an EVFILT_SIGNAL exists: FreeBSD counts what is sent
    (tdsendsignal in sys/kern/kern_sig.c), and of a blocked signal Linux knows no number."""
    cdef long result
    event_sends(proc)
    result = linux_syscall4(nr, a, b, c, d)
    event_sent(proc, signo, result == 0)
    return result


cdef void signal_self(area_t *area, int signo) noexcept nogil:
    """Send the calling thread one of SEGV, BUS and SYS, as FreeBSD's kernel does; it is delivered at the end of the call."""
    if area.proc.handlers[signo].function == FREEBSD_SIG_IGN:
        return
    if not is_blocked(area, signo):
        block_all(NULL)
        if area.deferred == 0:
            memset(area.info, 0, sizeof(area.info))
            (<linux_siginfo *> area.info).si_signo = lsf_signal_to_linux[signo]
            (<linux_siginfo *> area.info).si_code = LINUX_SI_KERNEL
            area.deferred = lsf_signal_to_linux[signo]
            return
    atomic_or32(&area.own.virtual_pending, <uint32_t> signal_bit(signo))


cdef void kill_self(area_t *area, int linux) noexcept nogil:
    """Die by a signal's default action."""
    cdef uint64_t mask
    umtx_thread_exit(area)
    set_linux_handler(linux, FREEBSD_SIG_DFL, LINUX_SA_RESTORER)
    linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, linux)
    mask = linux_all_mask() & ~signal_bit(linux)
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> &mask, 0, 8)
    linux_syscall1(LINUX_SYS_exit_group, 128 + linux)


cdef bint kill_reaches_self(process_t *proc, int pid) noexcept nogil:
    """kill(2)'s first argument means this process, among others."""
    return pid == proc.pid or pid == 0 or (pid < -1 and linux_syscall0(LINUX_SYS_getpgrp) == -pid)

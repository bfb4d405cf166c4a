# sigaction(2) and its kin. Model: FreeBSD sys/kern/kern_sig.c.

cdef public long sys_sigaction(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef freebsd_sigaction action, old
    cdef int signo = <int> frame.arg[0]
    cdef uint32_t flags
    cdef bint was_ignored
    if signo <= 0 or signo > SIGNAL_MAX:
        return -LINUX_EINVAL
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], &action, sizeof(action)) < 0:
            return -LINUX_EFAULT
        if action.sa_handler > FREEBSD_SIG_IGN and action.sa_flags & ~(FREEBSD_SA_ONSTACK | FREEBSD_SA_RESTART
                                                                       | FREEBSD_SA_RESETHAND | FREEBSD_SA_NOCLDSTOP
                                                               | FREEBSD_SA_NODEFER | FREEBSD_SA_NOCLDWAIT | FREEBSD_SA_SIGINFO):
            return -LINUX_EINVAL
        if (signo == FREEBSD_SIGKILL or signo == FREEBSD_SIGSTOP) and action.sa_handler != FREEBSD_SIG_DFL:
            return -LINUX_EINVAL
    if frame.arg[1] != 0 and is_carried(signo) and proc.handlers[signo].function == FREEBSD_SIG_IGN:
        carrier_drain(area)             # what was sent while it is ignored is forgotten
    lock_acquire(&proc.own.lock_signal)
    know_handler(proc, signo)
    memset(&old, 0, sizeof(old))
    old.sa_handler = proc.handlers[signo].function
    flags = proc.handlers[signo].flags
    old.sa_flags = <int32_t> (flags & ~(HANDLER_KNOWN | HANDLER_SET) if flags & HANDLER_SET else FREEBSD_SA_RESTART)
    memcpy(&old.sa_mask, proc.handlers[signo].mask, 16)
    if frame.arg[1] != 0 and signo != FREEBSD_SIGKILL and signo != FREEBSD_SIGSTOP:
        was_ignored = is_ignored(proc, signo)
        flags = <uint32_t> action.sa_flags & (FREEBSD_SA_ONSTACK | FREEBSD_SA_RESTART | FREEBSD_SA_RESETHAND
                                              | FREEBSD_SA_NODEFER | FREEBSD_SA_SIGINFO
                                              | (FREEBSD_SA_NOCLDSTOP | FREEBSD_SA_NOCLDWAIT
                                                 if signo == FREEBSD_SIGCHLD else 0))
        if action.sa_handler <= FREEBSD_SIG_IGN:
            flags &= ~<uint32_t> FREEBSD_SA_SIGINFO
        proc.handlers[signo].function = action.sa_handler
        proc.handlers[signo].flags = flags | HANDLER_KNOWN | HANDLER_SET
        memcpy(proc.handlers[signo].mask, &action.sa_mask, 16)
        proc.handlers[signo].mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
        apply_disposition(proc, signo)
        if action.sa_handler == FREEBSD_SIG_IGN or (action.sa_handler == FREEBSD_SIG_DFL
                                            and lsf_signal_default[signo] == LSF_SIGNAL_IGNORE):
            if is_virtual(signo):
                atomic_and32(&area.own.virtual_pending, ~<uint32_t> signal_bit(signo))
                atomic_and32(&proc.own.virtual_kept, ~<uint32_t> signal_bit(signo))
            elif is_carried(signo):
                kept_discard(proc, signo)
        elif was_ignored and lsf_signal_to_linux[signo] and not is_virtual(signo):
            forget_pending(signo)
    lock_release(&proc.own.lock_signal)
    if frame.arg[2] != 0:
        return copyout(&old, frame.arg[2], sizeof(old))
    return 0


cdef public long sys_sigprocmask(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t mask[2]
    cdef uint64_t old[2]
    old[0] = area.sigmask[0]
    old[1] = area.sigmask[1]
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], mask, 16) < 0:
            return -LINUX_EFAULT
        mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
        if <int> frame.arg[0] == 1:             # SIG_BLOCK
            area.sigmask[0] |= mask[0]
            area.sigmask[1] |= mask[1]
        elif <int> frame.arg[0] == 2:           # SIG_UNBLOCK
            area.sigmask[0] &= ~mask[0]
            area.sigmask[1] &= ~mask[1]
        elif <int> frame.arg[0] == 3:           # SIG_SETMASK
            area.sigmask[0] = mask[0]
            area.sigmask[1] = mask[1]
        else:
            return -LINUX_EINVAL
        set_linux_mask(area)
    if frame.arg[2] != 0:
        return copyout(old, frame.arg[2], 16)
    return 0


cdef public long sys_sigpending(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t linux
    cdef uint64_t mask[2]
    cdef uint64_t ignored[2]
    linux = signals_pending()
    if area.proc.own.child_check or linux & linux_bits(FREEBSD_SIGCHLD):
        children_settle(area.proc)
        children_look(area)
        linux = signals_pending()
    if linux & signal_bit(LINUX_CARRIER):
        carrier_drain(area)
    if area.deferred:
        linux |= signal_bit(area.deferred)
    mask_from_linux(linux, mask)
    mask[0] |= virtual_waits(area)
    kept_pending(area, mask, False)
    memcpy(ignored, mask, 16)
    ignored_signals(area.proc, ignored)
    mask[0] &= ~ignored[0]
    mask[1] &= ~ignored[1]
    return copyout(mask, frame.arg[0], 16)


cdef inline void suspend_with(area_t *area, const uint64_t *mask) noexcept nogil:
    """A wait with another mask begins (Linux gets it with the call): a handler that ends it runs with that mask."""
    area.own.suspend_mask[0] = mask[0]
    area.own.suspend_mask[1] = mask[1]
    area.suspended = 1
    children_unblocked(area, mask)
    if not area.deferred:
        defer_kept(area, mask)          # the wait then does not begin


cdef bint suspend_virtual(area_t *area, const uint64_t *mask) noexcept nogil:
    """One of the three waits already and such a wait lets it through: it is delivered at the end of the call. False for none."""
    if area.deferred or virtual_waits(area) & ~<uint32_t> mask[0] == 0:
        return False
    if defer_virtual(area, mask):
        return True
    set_linux_mask(area)                # another thread has taken it
    return False


cdef inline long suspend_over(area_t *area, long result) noexcept nogil:
    """The wait is over; where no signal ended it, its mask is forgotten."""
    if not area.deferred:
        area.suspended = 0
    return result


cdef public long sys_sigsuspend(frame_t *frame, area_t *area) noexcept nogil:
    """Wait with another mask for a signal that is handled; always EINTR. The handler's frame holds the old mask."""
    cdef uint64_t mask[2]
    cdef uint64_t linux
    cdef long result
    if copyin(frame.arg[0], mask, 16) < 0:
        return -LINUX_EFAULT
    mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    linux = linux_mask_from(mask)
    suspend_with(area, mask)
    suspend_virtual(area, mask)
    while not area.deferred:
        blocking_syscall(LINUX_SYS_rt_sigsuspend, <uint64_t> &linux, 8, 0, 0, 0, 0)
    return -LINUX_EINTR


cdef public long sys_sigaltstack(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stack stack, old
    cdef bint onstack = on_altstack(area, frame.rsp)
    memset(&old, 0, sizeof(old))
    old.ss_sp = area.altstack_sp
    old.ss_size = area.altstack_size
    old.ss_flags = (FREEBSD_SS_DISABLE if area.altstack_flags & FREEBSD_SS_DISABLE
                    else FREEBSD_SS_ONSTACK if onstack else 0)
    if frame.arg[0] != 0:
        if copyin(frame.arg[0], &stack, sizeof(stack)) < 0:
            return -LINUX_EFAULT
        if onstack:
            return -LINUX_EPERM
        if stack.ss_flags & ~FREEBSD_SS_DISABLE:
            return -LINUX_EINVAL
        if not stack.ss_flags & FREEBSD_SS_DISABLE:
            if stack.ss_size < SIGNAL_MINSTKSZ:
                return -LINUX_ENOMEM
            area.altstack_sp = stack.ss_sp
            area.altstack_size = stack.ss_size
            area.altstack_flags = 0
        else:
            area.altstack_flags = FREEBSD_SS_DISABLE
    if frame.arg[1] != 0:
        return copyout(&old, frame.arg[1], sizeof(old))
    return 0


cdef int linux_signal_number(uint64_t signo) noexcept nogil:
    """The Linux signal for a guest's argument: 0 for 0, -1 for one that is none or has no carrier."""
    if <int> signo == 0:
        return 0
    if <int> signo < 0 or <int> signo > SIGNAL_MAX or lsf_signal_to_linux[<int> signo] == 0:
        return -1
    return lsf_signal_to_linux[<int> signo]

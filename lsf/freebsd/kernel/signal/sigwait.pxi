# Waiting for signals without a handler, and sending them with a value. Model: FreeBSD sys/kern/kern_sig.c
# (kern_sigtimedwait, kern_sigqueue).

cdef enum:
    SIGQUEUE_TID = 0x80000000UL         # __SIGQUEUE_TID: pid is a thread of the caller's process


cdef int take_virtual(area_t *area, const uint64_t *set_, linux_siginfo *info) noexcept nogil:
    """One of SEGV, BUS and SYS that was sent while it was blocked: FreeBSD's number, or 0."""
    cdef int signo = virtual_take(area, <uint32_t> set_[0])
    if signo == 0:
        return 0
    memset(info, 0, 128)
    info.si_signo = lsf_signal_to_linux[signo]
    return signo


cdef bint take_deferred(area_t *area, const uint64_t *set_, linux_siginfo *info) noexcept nogil:
    """The signal that interrupted the wait is one that was waited for (and is never blocked by Linux, or was not by
    the guest): it goes to the waiter and not to a handler, as FreeBSD has it."""
    cdef int signo, code = 0
    if area.deferred == 0:
        return False
    signo = lsf_signal_from_linux[area.deferred]
    if area.deferred == LINUX_CARRIER:
        signo = carried_signal(<linux_siginfo *> area.info, &code)
    if signo == 0 or not mask_has(set_, signo):
        return False
    memcpy(info, area.info, 128)
    area.deferred = 0
    area.not_begun = 0
    set_linux_mask(area)
    return True


cdef bint carrier_set_aside(area_t *area) noexcept nogil:
    """The wait was ended by a carried signal that is blocked or ignored: keep or forget it, so that the wait goes on."""
    if area.deferred != LINUX_CARRIER or carrier_wanted(area, <linux_siginfo *> area.info):
        return False
    area.deferred = 0
    area.not_begun = 0
    keep_carried(area, <linux_siginfo *> area.info)
    set_linux_mask(area)
    return True


cdef bint take_pending(area_t *area, const uint64_t *set_, uint64_t linux_set, linux_siginfo *info) noexcept nogil:
    """A signal of the set that is pending already, the one with the lowest number of FreeBSD's. (Linux takes what was sent to the
    thread before what was sent to the process.) linux_set: Linux's bits of the set."""
    cdef uint64_t pending = signals_pending() & linux_set
    cdef uint64_t none[2]
    cdef uint64_t found[2]
    cdef uint64_t others[2]
    cdef uint64_t bits
    cdef int signo
    none[0] = 0
    none[1] = 0
    if pending & signal_bit(LINUX_CARRIER):
        carrier_drain(area)
        pending &= ~signal_bit(LINUX_CARRIER)
    mask_from_linux(pending, found)
    signo = lowest_signal(found)
    others[0] = ~set_[0]
    others[1] = ~set_[1]
    if 0 < signo <= 64:
        others[0] |= ~0UL << (signo - 1)
        others[1] = ~0UL
    elif signo:
        others[1] |= ~0UL << (signo - 65)
    if kept_take(area, others, info):
        return True
    if signo == 0:
        return False
    bits = linux_bits(signo)
    return linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &bits, <uint64_t> info, <uint64_t> none, 8) > 0


cdef bint is_told_already(process_t *proc, linux_siginfo *info) noexcept nogil:
    """Linux has given this signal to a waiter: True where there is none for the guest (child_is_news)."""
    cdef int linux = info.si_signo
    if linux == LINUX_SIGCONT and is_debug_signal(info):
        return True
    queued_arrived(linux, info)
    return info.si_signo == LINUX_SIGCHLD and not child_is_news(proc, info, info.si_signo != linux)


cdef uint64_t stops_by_default(process_t *proc, const uint64_t *set_) noexcept nogil:
    """The stop signals of a set whose action is the default, as Linux's bits: they stop the process that waits for them,
    blocked or not, and are not what the wait returns."""
    cdef uint64_t bits = 0
    if mask_has(set_, FREEBSD_SIGTSTP) and proc.handlers[FREEBSD_SIGTSTP].function == FREEBSD_SIG_DFL:
        bits |= signal_bit(lsf_signal_to_linux[FREEBSD_SIGTSTP])
    if mask_has(set_, FREEBSD_SIGTTIN) and proc.handlers[FREEBSD_SIGTTIN].function == FREEBSD_SIG_DFL:
        bits |= signal_bit(lsf_signal_to_linux[FREEBSD_SIGTTIN])
    if mask_has(set_, FREEBSD_SIGTTOU) and proc.handlers[FREEBSD_SIGTTOU].function == FREEBSD_SIG_DFL:
        bits |= signal_bit(lsf_signal_to_linux[FREEBSD_SIGTTOU])
    return bits


cdef long signal_wait(area_t *area, const uint64_t *wanted, freebsd_siginfo *out,
                      const freebsd_timespec *timeout) noexcept nogil:
    """signal_wait_for, which other threads see meanwhile: one that a carried signal of the set comes to sends it on."""
    cdef long result
    area.own.waiting[0] = wanted[0]
    area.own.waiting[1] = wanted[1]
    result = signal_wait_for(area, wanted, out, timeout)
    area.own.waiting[0] = 0
    area.own.waiting[1] = 0
    return result


# What a wait for signals asks for.
cdef struct signal_wait_t:
    uint64_t set_[2]
    uint64_t linux_set              # Linux's bits of it,
    uint64_t mask                   # and Linux's mask while it waits
    bint timed, valid
    freebsd_timespec end


cdef void signal_wait_begin(area_t *area, signal_wait_t *wait, const uint64_t *wanted, const freebsd_timespec *timeout) noexcept nogil:
    """Linux gets the signals of the set blocked while the thread waits: so the one that comes is the waiter's whatever its action
    is, the default one included."""
    cdef process_t *proc = area.proc
    cdef freebsd_timespec left
    cdef uint64_t others[2]
    cdef uint64_t stops
    memcpy(wait.set_, wanted, sizeof(wait.set_))
    wait.set_[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    memcpy(others, wait.set_, sizeof(others))
    ignored_signals(proc, others)
    wait.set_[0] &= ~others[0]
    wait.set_[1] &= ~others[1]
    stops = stops_by_default(proc, wait.set_)
    wait.linux_set = linux_mask_from(wait.set_) & ~stops
    if wait.set_[0] & CARRIED_LOW != 0 or wait.set_[1] & CARRIED_HIGH != 0:
        wait.linux_set |= signal_bit(LINUX_CARRIER)
    wait.mask = (linux_mask_from(area.sigmask) | wait.linux_set) & ~stops
    wait.timed = timeout != NULL
    wait.valid = timeout == NULL or 0 <= timeout.tv_nsec < NANOSECONDS      # a time below zero is one that is past
    if wait.timed and wait.valid:
        if area.own.wait_until and wait_left(area, &left):
            timeout = &left
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &wait.end)
        if timeout.tv_sec >= 0:
            timespec_add(&wait.end, timeout)


cdef inline bint is_wanted_outside(process_t *proc) noexcept nogil:
    """A tracer may want a thread of this process, who writes its core file, or another process's ktrace(2)."""
    return proc.own.debugged or proc.own.debug_join or proc.own.record_asked.state or proc.own.core_page


cdef long signal_wait_once(area_t *area, signal_wait_t *wait, linux_siginfo *source, bint *slept) noexcept nogil:
    """Take a signal of the set, which source tells of: 0 or an error. slept: it came while the thread slept."""
    cdef process_t *proc = area.proc
    cdef freebsd_timespec now, left
    cdef long result
    cdef int code = 0
    while True:
        if mask_has(wait.set_, FREEBSD_SIGCHLD):
            children_look(area)
        if take_virtual(area, wait.set_, source) != 0 or take_deferred(area, wait.set_, source):
            return 0
        if take_pending(area, wait.set_, wait.linux_set, source):
            if is_told_already(proc, source):
                continue
            return 0
        left.tv_sec = 0
        left.tv_nsec = 0
        if not wait.valid:
            return -LINUX_EINVAL              # only now: a signal that is pending comes first
        if wait.timed:
            read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
            if not timespec_reached(&now, &wait.end):
                left = wait.end
                timespec_sub(&left, &now)
        if wait.mask != linux_mask_from(area.sigmask):
            set_mask_unless_deferred(area, wait.mask)
        slept[0] = True
        result = blocking_syscall(LINUX_SYS_rt_sigtimedwait, <uint64_t> &wait.linux_set, <uint64_t> source,
                                  <uint64_t> &left if wait.timed else 0, 8, 0, 0)
        if result == LINUX_CARRIER:
            carrier_from_timer(proc, source)
            if mask_has(wait.set_, carried_signal(source, &code)):
                return 0
            keep_carried(area, source)
            continue
        if result > 0 and is_told_already(proc, source):
            continue
        if result > 0 or take_deferred(area, wait.set_, source):
            return 0
        if result != -LINUX_EINTR:
            return result
        if area.deferred == LINUX_CARRIER and is_wanted_outside(proc):
            if wait.timed:
                read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
                left = wait.end
                timespec_sub(&left, &now)
                wait_leave(area, &left)
            return -LINUX_ERESTARTNOINTR        # this thread does outside what somebody wants of it, and waits anew
        if area.woken == WOKEN_ENDED or (area.deferred and not carrier_set_aside(area) and not signal_swallow(area)):
            return -LINUX_EINTR
        # (a stop and a continue also end Linux's wait)


cdef long signal_wait_for(area_t *area, const uint64_t *wanted, freebsd_siginfo *out,
                          const freebsd_timespec *timeout) noexcept nogil:
    """kern_sigtimedwait: FreeBSD's number of the signal, -EAGAIN when the time is up, -EINTR when another one came."""
    cdef process_t *proc = area.proc
    cdef signal_wait_t wait
    cdef uint64_t info[16]
    cdef linux_ucontext none
    cdef linux_siginfo *source = <linux_siginfo *> info
    cdef bint slept
    cdef long result
    cdef int signo = 0, code = 0, taken
    signal_wait_begin(area, &wait, wanted, timeout)
    memset(info, 0, sizeof(info))
    while True:
        slept = False
        result = signal_wait_once(area, &wait, source, &slept)
        if result < 0:
            break
        signo = trap_signal(source, source.si_signo, &code)
        taken = debug_taken(area, wait.set_, source, signo, &code) if proc.own.debugged else TAKEN
        if taken == TAKEN:
            break
        if slept and taken == TAKEN_NOT:
            result = -LINUX_EINTR       # what the tracer has dropped has ended the sleep
            break
    if result != -LINUX_ERESTARTNOINTR and wait.mask != linux_mask_from(area.sigmask):
        set_linux_mask(area)
    if result < 0:
        return result
    if event_wants_signal(proc, signo):
        event_signal(proc, signo, is_own_signal(proc, source))
    memset(&none, 0, sizeof(none))
    fill_siginfo(out, source, source.si_signo, signo, code, &none)
    if proc.record_fd >= 0:
        ktr_signal(area, out, proc.handlers[signo].function, NULL)
    return signo


cdef public long sys_sigtimedwait(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec timeout
    cdef freebsd_siginfo info
    cdef uint64_t wanted[2]
    cdef long result
    if frame.arg[2] != 0 and copyin(frame.arg[2], &timeout, sizeof(timeout)) < 0:
        return -LINUX_EFAULT
    if copyin(frame.arg[0], wanted, sizeof(wanted)) < 0:
        return -LINUX_EFAULT
    result = signal_wait(area, wanted, &info, &timeout if frame.arg[2] != 0 else NULL)
    if result > 0 and frame.arg[1] != 0 and copyout(&info, frame.arg[1], sizeof(info)) < 0:
        return -LINUX_EFAULT
    return result


cdef public long sys_sigwaitinfo(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_siginfo info
    cdef uint64_t wanted[2]
    cdef long result
    if copyin(frame.arg[0], wanted, sizeof(wanted)) < 0:
        return -LINUX_EFAULT
    result = signal_wait(area, wanted, &info, NULL)
    if result > 0 and frame.arg[1] != 0 and copyout(&info, frame.arg[1], sizeof(info)) < 0:
        return -LINUX_EFAULT
    return result


cdef public long sys_sigwait(frame_t *frame, area_t *area) noexcept nogil:
    """The error is the value; the signal's number goes to memory. Programs from before FreeBSD 10 are not shown EINTR."""
    cdef freebsd_siginfo info
    cdef uint64_t wanted[2]
    cdef int signo
    cdef long result
    if copyin(frame.arg[0], wanted, sizeof(wanted)) < 0:
        return LINUX_EFAULT
    result = signal_wait(area, wanted, &info, NULL)
    if result < 0:
        return result if result == -LINUX_ERESTARTNOINTR else lsf_errno_map[-result]
    signo = <int> result
    return LINUX_EFAULT if copyout(&signo, frame.arg[1], 4) < 0 else 0


cdef public long sys_sigqueue(frame_t *frame, area_t *area) noexcept nogil:
    """kern_sigqueue: a signal with a value, to one process, or to a thread of this one."""
    cdef uint64_t info[16]
    cdef linux_siginfo *out = <linux_siginfo *> info
    cdef int pid = <int> frame.arg[0]
    cdef uint32_t signo = <uint32_t> frame.arg[1] & ~<uint32_t> SIGQUEUE_TID
    cdef bint to_thread = <uint32_t> frame.arg[1] & SIGQUEUE_TID != 0
    cdef int linux
    if signo > SIGNAL_MAX:
        return -LINUX_EINVAL
    if not to_thread and pid <= 0:
        return -LINUX_EINVAL
    if to_thread and pid <= 0:
        return -LINUX_ESRCH
    if signo == 0:
        if to_thread:
            return linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, pid, 0)
        return linux_syscall2(LINUX_SYS_kill, pid, 0)
    if debug_stops(area, area.proc.pid if to_thread else pid, pid if to_thread else 0, <int> signo):
        return 0
    memset(info, 0, sizeof(info))
    linux = queued_self(area, <int> signo) if to_thread else queued_number(area, pid, <int> signo)
    if linux == 0:
        linux = LINUX_CARRIER
        carrier_info(area, out, <int> signo, FREEBSD_SI_QUEUE, frame.arg[2])
        if to_thread:
            out.si_errno |= CARRIER_THREAD
    elif linux == lsf_signal_to_linux[signo] and lsf_signal_queued[signo] and queued_is_full(area, to_thread or pid == area.proc.pid):
        return -LINUX_EAGAIN
    else:
        out.si_signo = linux
        out.si_code = -1                    # SI_QUEUE
        out.fields.kill.pid = area.proc.pid
        out.fields.kill.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
        out.fields.kill.value = frame.arg[2]
    if linux != LINUX_CARRIER and (to_thread or pid == area.proc.pid) and event_wants_signal(area.proc, <int> signo):
        if to_thread:
            return signal_counted(area.proc, <int> signo, LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, pid, linux, <uint64_t> info)
        return signal_counted(area.proc, <int> signo, LINUX_SYS_rt_sigqueueinfo, pid, linux, <uint64_t> info, 0)
    if to_thread:
        return linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, pid, linux, <uint64_t> info)
    return linux_syscall3(LINUX_SYS_rt_sigqueueinfo, pid, linux, <uint64_t> info)

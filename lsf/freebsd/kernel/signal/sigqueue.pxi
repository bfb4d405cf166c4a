# FreeBSD signals that have no Linux number of their own: 34 to 64, which have no name, and 77 to 128. One Linux signal
# carries them all; its siginfo says which one it is. Model: FreeBSD sys/kern/kern_sig.c (sigqueue_*, sigtd, tdsendsignal).
#
# Linux's mask has the carrier only when the guest blocks every one of them. Else a blocked one that arrives is kept
# here until it is unblocked. What is kept is struct process's, under lock_signal, with the thread it is meant for. When it
# is much, the carrier is blocked, so that Linux keeps the rest, and tells who sends more than it keeps (EAGAIN).
# Linux queues the carrier as it does real-time signals, and keeps it across exec, to which the kept ones return.

cdef enum:
    LINUX_CARRIER = 63
    CARRIER_MAGIC = 0x4c530000      # in si_errno, above the code (8 bits) and the number (8 bits)
    CARRIER_THREAD = 0x8000         # in the code's byte: sent to a thread, not to the process
    CARRIER_SEEN = 0x4000           # in the code's byte: EVFILT_SIGNAL has counted it
    KEPT_FULL = 128                 # then the carrier is blocked (kern.sigqueue.max_pending_per_proc, too, is 128)
    TIMER_MAX = 29                  # timers of a process: FreeBSD's TIMER_MAX, less three that are setitimer's
    CARRIER_KEPT = 8                # which word of siginfo, beyond what Linux uses, says that it comes from the kept ones
    CARRIER_FOREIGN = 126           # SIGRTMAX: what a bare carrier that a Linux program sends is taken for

cdef enum:
    CARRIED_LOW = 0xfffffffe00000000UL      # 34 to 64
    CARRIED_HIGH = 0xfffffffffffff000UL     # 77 to 128


cdef inline bint is_carried(int signo) noexcept nogil:
    """A valid FreeBSD signal without a Linux number."""
    return 0 < signo <= SIGNAL_MAX and lsf_signal_to_linux[signo] == 0


cdef inline uint64_t carrier_mask(const uint64_t *mask) noexcept nogil:
    """The carrier's bit of Linux's mask, when all that it carries is blocked, or too much is kept."""
    if PATCHES.kept_full:
        return signal_bit(LINUX_CARRIER)
    if mask[0] & CARRIED_LOW == CARRIED_LOW and mask[1] & CARRIED_HIGH == CARRIED_HIGH:
        return signal_bit(LINUX_CARRIER)
    return 0


cdef int carried_signal(linux_siginfo *info, int *code) noexcept nogil:
    """The FreeBSD signal and si_code in the carrier's siginfo; 0 for the notification of a message queue, which sends
    another signal on."""
    cdef uint32_t word = <uint32_t> info.si_errno
    if info.si_code == LINUX_SI_MESGQ:
        code[0] = FREEBSD_SI_MESGQ
        return 0
    if info.si_code != -1 or word & 0xffff0000UL != CARRIER_MAGIC or not is_carried(<int> (word & 0xff)):
        code[0] = FREEBSD_SI_USER
        return CARRIER_FOREIGN
    code[0] = <int> (0x10000 | (word >> 8 & 0x3f))
    return <int> (word & 0xff)


cdef void carrier_from_timer(process_t *proc, linux_siginfo *info) noexcept nogil:
    """Linux's timer does not say which FreeBSD signal it sends: find that by its number, and mark the carrier. What
    si_pid and si_uid are to others is the timer's number and overrun."""
    cdef int i
    if info.si_code != LINUX_SI_TIMER:
        return
    for i in range(TIMER_MAX):
        if proc.own.timer_words[i] and proc.own.timer_ids[i] == info.fields.timer.timerid:
            info.si_errno = <int32_t> proc.own.timer_words[i]
            info.si_code = -1
            return


cdef void carrier_info(area_t *area, linux_siginfo *info, int signo, int code, uint64_t value) noexcept nogil:
    """The siginfo to send; code is FreeBSD's SI_ one. A kernel lets others' processes only have codes below zero."""
    memset(info, 0, 128)
    info.si_signo = LINUX_CARRIER
    info.si_errno = CARRIER_MAGIC | (code & 0x3f) << 8 | signo
    info.si_code = -1
    info.fields.kill.pid = area.proc.pid
    info.fields.kill.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    info.fields.kill.value = value


cdef long signal_thread(area_t *area, int pid, int tid, int signo) noexcept nogil:
    """Send a FreeBSD signal (or 0) to a thread, as thr_kill does."""
    cdef linux_siginfo info
    if signo == 0 or lsf_signal_to_linux[signo]:
        # of another process the first thread's queue alone is looked at
        return linux_syscall3(LINUX_SYS_tgkill, pid, tid,
                              queued_number(area, pid, signo) if pid == area.proc.pid or pid == tid else lsf_signal_to_linux[signo])
    carrier_info(area, &info, signo, FREEBSD_SI_LWP, 0)
    info.si_errno |= CARRIER_THREAD
    return linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, pid, tid, LINUX_CARRIER, <uint64_t> &info)


cdef long signal_carried(area_t *area, int pid, int signo, int code, uint64_t value) noexcept nogil:
    """Send a carried signal as kill(2) does: to a process, a group (0 or negative), or all (-1)."""
    cdef linux_siginfo info
    cdef proc_walk_t walk
    cdef int64_t group
    cdef int other
    cdef long sent, result = -LINUX_ESRCH
    carrier_info(area, &info, signo, code, value)
    if pid > 0:
        return linux_syscall3(LINUX_SYS_rt_sigqueueinfo, pid, LINUX_CARRIER, <uint64_t> &info)
    # Linux sends no siginfo to a group: its members are found in /proc.
    group = -<int64_t> pid if pid != 0 else linux_syscall0(LINUX_SYS_getpgrp)
    if walk_begin(&walk, b"/proc") < 0:
        return -LINUX_ESRCH
    other = walk_next(&walk)
    while other >= 0:
        if (other > 1 and other != area.proc.pid) if pid == -1 else linux_syscall1(LINUX_SYS_getpgid, other) == group:
            sent = linux_syscall3(LINUX_SYS_rt_sigqueueinfo, other, LINUX_CARRIER, <uint64_t> &info)
            if sent == 0 or result == -LINUX_ESRCH:
                result = sent
        other = walk_next(&walk)
    return result


cdef bint carrier_wanted(area_t *area, linux_siginfo *info) noexcept nogil:
    """Does this carrier's signal do anything to this thread now? A blocked or an ignored one must not end a call."""
    cdef int code = 0
    cdef int signo = carried_signal(info, &code)
    if signo == 0 or is_blocked(area, signo):
        return False
    return area.proc.handlers[signo].function != FREEBSD_SIG_IGN


cdef void kept_bits_update(process_t *proc) noexcept nogil:
    """Under lock_signal."""
    cdef uint32_t i
    cdef int code = 0, signo
    cdef uint64_t bits[2]
    bits[0] = 0
    bits[1] = 0
    for i in range(proc.own.kept_count):
        signo = <int> (proc.last.kept[i].word & 0xff)
        bits[(signo - 1) >> 6] |= signal_bit(signo)
    proc.own.kept_bits[0] = bits[0]
    proc.own.kept_bits[1] = bits[1]


cdef void kept_remove(process_t *proc, uint32_t at) noexcept nogil:
    cdef uint32_t i
    for i in range(at + 1, proc.own.kept_count):
        proc.last.kept[i - 1] = proc.last.kept[i]
    proc.own.kept_count -= 1
    if proc.own.kept_count < KEPT_FULL // 2:
        PATCHES.kept_full = 0


cdef void kept_to_info(kept_t *kept, linux_siginfo *info) noexcept nogil:
    memset(info, 0, 128)
    info.si_signo = LINUX_CARRIER
    info.si_errno = <int32_t> kept.word
    info.si_code = -1
    info.fields.kill.pid = kept.pid
    info.fields.kill.uid = kept.uid
    info.fields.kill.value = kept.value
    (<uint64_t *> info)[CARRIER_KEPT] = 1


cdef void kept_add(process_t *proc, linux_siginfo *info, uint32_t word, int tid) noexcept nogil:
    """Put one at the end. Under lock_signal; a queue that has no room forgets it."""
    cdef uint32_t at = proc.own.kept_count
    if at == KEPT_SIGNALS:
        return
    proc.last.kept[at].word = word
    proc.last.kept[at].tid = tid
    proc.last.kept[at].pid = info.fields.kill.pid
    proc.last.kept[at].uid = info.fields.kill.uid
    proc.last.kept[at].value = info.fields.kill.value
    proc.own.kept_count = at + 1
    atomic_or64(&proc.own.kept_bits[((word & 0xff) - 1) >> 6], signal_bit(<int> (word & 0xff)))
    if proc.own.kept_count >= KEPT_FULL:
        PATCHES.kept_full = 1


cdef void kept_before(area_t *area, linux_siginfo *info) noexcept nogil:
    """This one is about to be delivered: if earlier ones of its number are kept, it takes its place behind them, and the
    first of them is delivered."""
    cdef process_t *proc = area.proc
    cdef int code = 0
    cdef int signo = carried_signal(info, &code)
    cdef linux_siginfo first
    cdef uint32_t i, word
    if (<uint64_t *> info)[CARRIER_KEPT] or not mask_has(proc.own.kept_bits, signo):
        return
    word = CARRIER_MAGIC | <uint32_t> (code & 0x3f) << 8 | <uint32_t> signo | CARRIER_SEEN
    word |= <uint32_t> info.si_errno & CARRIER_THREAD
    lock_acquire(&proc.own.lock_signal)
    for i in range(proc.own.kept_count):
        if <int> (proc.last.kept[i].word & 0xff) == signo and (proc.last.kept[i].tid == 0 or proc.last.kept[i].tid == area.tid):
            kept_to_info(&proc.last.kept[i], &first)
            kept_remove(proc, i)
            kept_add(proc, info, word, area.tid if word & CARRIER_THREAD else 0)
            memcpy(info, &first, 128)
            break
    lock_release(&proc.own.lock_signal)


cdef void keep_carried(area_t *area, linux_siginfo *info) noexcept nogil:
    """A blocked one arrived: another thread takes it, or it is kept, unless it is ignored."""
    cdef process_t *proc = area.proc
    cdef int code = 0
    cdef int signo = carried_signal(info, &code)
    cdef uint32_t word = CARRIER_MAGIC | <uint32_t> (code & 0x3f) << 8 | <uint32_t> signo, at
    cdef area_t *other = NULL
    if signo == 0:
        mqueue_send_on(area, info)
        return
    word |= <uint32_t> info.si_errno & (CARRIER_THREAD | CARRIER_SEEN)
    if proc.handlers[signo].function == FREEBSD_SIG_IGN:
        return
    lock_acquire(&proc.own.lock_signal)
    at = proc.own.kept_count
    kept_add(proc, info, word, area.tid if word & CARRIER_THREAD else 0)
    if proc.own.kept_count > at:
        if not word & CARRIER_THREAD:
            # Another thread may have it unblocked, or wait for it. One that begins to now looks at kept_bits thereafter.
            while (other := area_next(proc, other)) != NULL:
                if other != area and other.tid > 0 and (not mask_has(other.sigmask, signo) or mask_has(other.own.waiting, signo)):
                    info.si_errno = <int32_t> word
                    info.si_code = -1
                    (<uint64_t *> info)[CARRIER_KEPT] = 0
                    if linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, proc.pid, other.tid, LINUX_CARRIER, <uint64_t> info) == 0:
                        proc.own.kept_count -= 1
                        kept_bits_update(proc)
                        break
    lock_release(&proc.own.lock_signal)


cdef bint kept_take(area_t *area, const uint64_t *blocked, linux_siginfo *info) noexcept nogil:
    """Take out the first of the lowest number that is not in `blocked` and is this thread's to have."""
    cdef process_t *proc = area.proc
    cdef uint32_t i, best = KEPT_SIGNALS
    cdef bint found = False
    # A locked operation: the caller's mask must be visible before this looks (see keep_carried).
    if (atomic_or64(&proc.own.kept_bits[0], 0) & ~blocked[0]) == 0 and (atomic_or64(&proc.own.kept_bits[1], 0) & ~blocked[1]) == 0:
        return False
    lock_acquire(&proc.own.lock_signal)
    for i in range(proc.own.kept_count):
        if proc.last.kept[i].tid != 0 and proc.last.kept[i].tid != area.tid:
            continue
        if mask_has(blocked, <int> (proc.last.kept[i].word & 0xff)):
            continue
        if best == KEPT_SIGNALS or proc.last.kept[i].word & 0xff < proc.last.kept[best].word & 0xff:
            best = i
    if best < KEPT_SIGNALS:
        kept_to_info(&proc.last.kept[best], info)
        kept_remove(proc, best)
        kept_bits_update(proc)
        found = True
    lock_release(&proc.own.lock_signal)
    return found


cdef void kept_pending(area_t *area, uint64_t *mask, bint thread) noexcept nogil:
    """Add what is kept for this thread and, but where `thread` says for it alone, its process to a set of pending signals."""
    cdef process_t *proc = area.proc
    cdef uint32_t i
    cdef int signo
    if proc.own.kept_bits[0] == 0 and proc.own.kept_bits[1] == 0:
        return
    lock_acquire(&proc.own.lock_signal)
    for i in range(proc.own.kept_count):
        signo = <int> (proc.last.kept[i].word & 0xff)
        if (proc.last.kept[i].tid == 0 and not thread) or proc.last.kept[i].tid == area.tid:
            mask[(signo - 1) >> 6] |= signal_bit(signo)
    lock_release(&proc.own.lock_signal)


cdef void kept_discard(process_t *proc, int signo) noexcept nogil:
    """It is ignored now: what waits is forgotten. Under lock_signal."""
    cdef uint32_t i = 0
    while i < proc.own.kept_count:
        if <int> (proc.last.kept[i].word & 0xff) == signo:
            kept_remove(proc, i)
        else:
            i += 1
    kept_bits_update(proc)


cdef void kept_clear(process_t *proc) noexcept nogil:
    """A new process has no pending signals, and no timers."""
    memset(proc.own.timer_words, 0, sizeof(proc.own.timer_words))
    proc.own.queued = 0
    children_none(proc)
    PATCHES.kept_full = 0
    proc.own.kept_count = 0
    proc.own.kept_bits[0] = 0
    proc.own.kept_bits[1] = 0


cdef void kept_thread_ends(area_t *area) noexcept nogil:
    """What was sent to this thread dies with it."""
    cdef process_t *proc = area.proc
    cdef uint32_t i = 0
    if proc.own.kept_count == 0:
        return
    lock_acquire(&proc.own.lock_signal)
    while i < proc.own.kept_count:
        if proc.last.kept[i].tid == area.tid:
            kept_remove(proc, i)
        else:
            i += 1
    kept_bits_update(proc)
    lock_release(&proc.own.lock_signal)


cdef void carrier_drain(area_t *area) noexcept nogil:
    """The carrier is blocked and pending in Linux: bring all to where their numbers show."""
    cdef linux_siginfo info
    cdef uint64_t set_ = signal_bit(LINUX_CARRIER)
    cdef uint64_t zero[2]
    zero[0] = 0
    zero[1] = 0
    while not PATCHES.kept_full and linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &set_, <uint64_t> &info,
                                                   <uint64_t> zero, 8) == LINUX_CARRIER:
        carrier_from_timer(area.proc, &info)
        keep_carried(area, &info)


cdef void kept_before_exec(area_t *area) noexcept nogil:
    """Linux keeps a blocked pending signal across exec: give it what is kept. set_linux_mask undoes this."""
    cdef process_t *proc = area.proc
    cdef linux_siginfo info
    cdef uint64_t none[2]
    cdef uint64_t mask = signal_bit(LINUX_CARRIER)
    if proc.own.kept_count == 0:
        return
    none[0] = 0
    none[1] = 0
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_BLOCK, <uint64_t> &mask, 0, 8)
    while kept_take(area, none, &info):
        (<uint64_t *> &info)[CARRIER_KEPT] = 0
        if info.si_errno & CARRIER_THREAD:
            linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, proc.pid, area.tid, LINUX_CARRIER, <uint64_t> &info)
        else:
            linux_syscall3(LINUX_SYS_rt_sigqueueinfo, proc.pid, LINUX_CARRIER, <uint64_t> &info)


# Linux's wait status of a process that a carried signal killed says 63. Its name, which a zombie keeps, says the rest: it is
# the first thread's, whichever one dies.

cdef void carrier_last_words(int signo) noexcept nogil:
    cdef char name[16]
    cdef uint64_t at = append(name, 0, 16, b"lsf:SIG ")
    cdef long fd
    at = append_number(name, at, 16, <uint64_t> signo, 10)
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/proc/self/comm",
                        LINUX_O_WRONLY | LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        linux_syscall2(LINUX_SYS_prctl, LINUX_PR_SET_NAME, <uint64_t> name)         # of this thread, which may be the first
        return
    linux_syscall3(LINUX_SYS_write, fd, <uint64_t> name, at)
    linux_syscall1(LINUX_SYS_close, fd)


cdef int carrier_killed_by(int pid) noexcept nogil:
    """The FreeBSD signal that killed a zombie whose status says the carrier; SIGRTMAX if it left no word."""
    cdef char path[64]
    cdef char text[32]
    cdef int64_t signo = 0
    cdef uint64_t at = append(path, 0, 64, b"/proc/")
    at = append_number(path, at, 64, <uint64_t> pid, 10)
    append(path, at, 64, b"/comm")
    memset(text, 0, sizeof(text))
    if read_file(path, text, sizeof(text) - 1) > 8 and string_starts(text, b"lsf:SIG "):
        parse_number(&text[8], &signo)
    return <int> signo if is_carried(<int> signo) else CARRIER_FOREIGN


cdef enum:
    STATUS_CARRIED = 0x100          # in a child's status: the low byte is a FreeBSD signal


cdef bint child_interrupts(process_t *proc) noexcept nogil:
    """True where a SIGCHLD has come that is caught."""
    return current_area().deferred == LINUX_SIGCHLD and proc.handlers[FREEBSD_SIGCHLD].function > FREEBSD_SIG_IGN


cdef long waitid_carried(process_t *proc, int idtype, int64_t id_, linux_siginfo *info, long options,
                         void *usage) noexcept nogil:
    """waitid(2) of Linux, which for all children passes over those with a descriptor. Where a carried signal killed the
    child, info's status is STATUS_CARRIED and its number: so a child is looked at before it is taken."""
    cdef long result
    cdef int signo = 0, pid
    cdef bint dumped = False
    while True:
        result = blocking_syscall(LINUX_SYS_waitid, idtype, <uint64_t> id_, <uint64_t> info, options | LINUX_WNOWAIT,
                                  <uint64_t> usage, 0)
        if is_error(result) or info.fields.child.pid == 0:
            return result
        pid = info.fields.child.pid
        if not options & LINUX_WNOHANG and child_interrupts(proc):
            return -LINUX_EINTR         # its SIGCHLD ended the sleep, before the child could be taken (exit1 in kern_exit.c)
        if idtype == LINUX_P_ALL and proc.own.procdescs != NULL and procdesc_pass_over(proc, info):
            memset(info, 0, 128)
            continue
        if info.si_code == LINUX_CLD_KILLED and info.fields.child.status == LINUX_CARRIER:
            signo = carrier_killed_by(pid)
        dumped = info.si_code == LINUX_CLD_KILLED \
            and core_was_left(pid, signo if signo else lsf_signal_from_linux[info.fields.child.status & 63])
        if options & LINUX_WNOWAIT:
            break
        memset(info, 0, 128)
        result = linux_syscall6(LINUX_SYS_waitid, LINUX_P_PID, pid, <uint64_t> info, options | LINUX_WNOHANG | LINUX___WALL,
                                <uint64_t> usage, 0)
        if result == -LINUX_ECHILD or (result == 0 and info.fields.child.pid == 0):
            continue                    # another thread took it
        break
    if result == 0 and not options & LINUX_WNOWAIT and is_end_of_child(info):
        child_forget(proc, info.fields.child.pid)
    if not is_error(result) and info.si_code == LINUX_CLD_KILLED and info.fields.child.status == LINUX_CARRIER:
        info.fields.child.status = STATUS_CARRIED | (signo if signo else CARRIER_FOREIGN)
    if dumped and not is_error(result):
        info.si_code = LINUX_CLD_DUMPED
    return result

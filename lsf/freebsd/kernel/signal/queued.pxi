# Signals that are queued. FreeBSD keeps every signal that is sent (sigqueue_add in sys/kern/kern_sig.c), Linux one of each
# number below 32 while it is pending. So those that programs send each other have a second Linux number, a real-time one
# (QUEUED in tables/signals.py): a guest sends by it to itself and to other guests, and Linux keeps all of them, in order, with
# their values, blocked by the same masks. What comes from Linux programs and from Linux itself comes by the first number.
#
# Who is sent to must be a guest: the second number would end any other program. A guest's first thread tells Linux the
# address of an empty list of robust futexes, which is the same in all guests, and Linux tells it to who may look
# (get_robust_list(2)). That call costs as much as kill(2), so what was learnt holds for GUEST_LEASE. Linux forgets the address
# at exec, and in the child of a fork, which tells its own when it runs: until then its parent knows it. A guest that
# executes a guest has the second numbers blocked until the new one has its handlers; one that executes a Linux program
# tells another address first, and lets that time pass. (The child of a vfork never told one.)
# Who may not look sends by the first number, and so does a signal to a group.

cdef enum:
    GUEST_LEASE = 1 << 18           # the processor's cycles: 0.1 ms
    QUEUED_MOST = 128               # kern.sigqueue.max_pending_per_proc
    RESENT_MAGIC = 0x4c540000       # in si_errno, above the si_code: a signal that signal_resend had to queue


cdef inline int queued_first(int linux) noexcept nogil:
    """The first Linux number of a signal that has come by the second one, else the number itself."""
    cdef int signo = lsf_signal_from_linux[linux]
    return lsf_signal_to_linux[signo] if linux >= 32 and lsf_signal_queued[signo] == linux else linux


cdef inline uint64_t linux_bits(int signo) noexcept nogil:
    """The bits of a FreeBSD signal in Linux's masks, 0 for one without a number of its own."""
    cdef uint64_t bits = lsf_signal_linux_only(signo)
    if lsf_signal_to_linux[signo]:
        bits |= 1UL << (lsf_signal_to_linux[signo] - 1)
    if lsf_signal_queued[signo]:
        bits |= 1UL << (lsf_signal_queued[signo] - 1)
    return bits


cdef inline int queued_own(int signo) noexcept nogil:
    """The Linux number by which a guest sends a signal to itself; 0 where it has none, and for 0."""
    return lsf_signal_queued[signo] if lsf_signal_queued[signo] else lsf_signal_to_linux[signo]


cdef bint is_guest(int pid) noexcept nogil:
    """True for a guest that the caller may look at."""
    cdef uint64_t head = 0, size = 0
    return linux_syscall3(LINUX_SYS_get_robust_list, pid, <uint64_t> &head, <uint64_t> &size) == 0 \
        and head == <uint64_t> SHIM.own.guest_mark


cdef bint has_told_nothing(int pid) noexcept nogil:
    """A process that executes what this one does has told Linux no address: it has not run yet, or another guest has just been executed."""
    cdef char path[32]
    cdef char own[128]
    cdef char other[128]
    cdef uint64_t head = 1, size = 0
    cdef long length, got
    if linux_syscall3(LINUX_SYS_get_robust_list, pid, <uint64_t> &head, <uint64_t> &size) != 0 or head != 0:
        return False
    proc_path(path, sizeof(path), pid, b"exe")
    length = linux_syscall3(LINUX_SYS_readlink, <uint64_t> <const char *> b"/proc/self/exe", <uint64_t> own, sizeof(own))
    got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> path, <uint64_t> other, sizeof(other))
    return length > 0 and got == length and memcmp(own, other, <uint64_t> length) == 0


cdef void guest_known(area_t *area, int pid) noexcept nogil:
    """This process is a guest, if it has not run yet: a child of the caller's, with all signals blocked until it has."""
    area.own.guest_forked = pid
    area.own.guest_answer = 1
    area.own.guest_sent = 0
    area.own.guest_asked = pid
    area.own.guest_time = read_tsc()


cdef uint64_t pending_of(const char *path) noexcept nogil:
    """What is pending for a thread, and for its process, by its status in /proc; 0 where that cannot be read."""
    cdef char text[2048]
    cdef const char *line
    cdef uint64_t mine = 0, shared = 0
    if read_file(path, text, sizeof(text)) <= 0:
        return 0
    line = find_text(text, b"SigPnd:\t")
    if line != NULL:
        hex_field(line, &mine)
    line = find_text(text, b"ShdPnd:\t")
    if line != NULL:
        hex_field(line, &shared)
    return mine | shared


cdef bint queued_pending(int pid) noexcept nogil:
    """True where a process, or its first thread, has something pending that came by a second number."""
    cdef char path[64]
    proc_path(path, sizeof(path), pid, b"status")
    return pending_of(path) & LSF_SIGNALS_QUEUED != 0


cdef bint queued_anywhere(area_t *area) noexcept nogil:
    """The same for this process and all its threads."""
    cdef char path[64]
    cdef area_t *other = NULL
    cdef uint64_t at
    if signals_pending() & LSF_SIGNALS_QUEUED:
        return True
    while (other := area_next(area.proc, other)) != NULL:
        if other == area or other.tid <= 0:
            continue
        at = append(path, 0, sizeof(path), b"/proc/self/task/")
        at = append_number(path, at, sizeof(path), <uint64_t> other.tid, 10)
        append(path, at, sizeof(path), b"/status")
        if pending_of(path) & LSF_SIGNALS_QUEUED:
            return True
    return False


cdef int queued_self(area_t *area, int signo) noexcept nogil:
    """The Linux number by which this process is sent a signal by itself; 0 for one without any. What arrives is taken off
    the count again (queued_arrived); what was forgotten is not, so a count that is full is looked at now and then."""
    cdef process_t *proc = area.proc
    cdef uint64_t now
    if lsf_signal_queued[signo] == 0:
        return lsf_signal_to_linux[signo]
    if <int32_t> proc.own.queued >= QUEUED_MOST:
        now = read_tsc()
        if now - proc.own.queued_looked < GUEST_LEASE:
            return lsf_signal_to_linux[signo]
        proc.own.queued_looked = now
        if queued_anywhere(area):
            return lsf_signal_to_linux[signo]
        proc.own.queued = 0
    atomic_add32(&proc.own.queued, 1)
    return lsf_signal_queued[signo]


cdef inline void queued_off(process_t *proc) noexcept nogil:
    """One that this process has sent itself has arrived."""
    if <int32_t> atomic_add32(&proc.own.queued, 0xffffffffUL) <= 0:
        atomic_add32(&proc.own.queued, 1)


cdef int queued_number(area_t *area, int pid, int signo) noexcept nogil:
    """The Linux number by which a process is sent a signal; 0 for one without any. As on FreeBSD one that has many pending gets
    no more of them: what is sent merges with what is pending (sigqueue_add). Others' counts are not known here, so who has sent
    so many looks whether any is left."""
    cdef area_own_t *own = &area.own
    cdef uint64_t now
    if lsf_signal_queued[signo] == 0 or pid == area.proc.pid:
        return queued_self(area, signo)
    now = read_tsc()
    if own.guest_asked != pid or now - own.guest_time >= GUEST_LEASE:
        if own.guest_asked != pid:
            own.guest_sent = 0
        own.guest_answer = is_guest(pid) or (own.guest_forked == pid and has_told_nothing(pid))
        own.guest_asked = pid
        own.guest_time = now
        if own.guest_sent >= QUEUED_MOST and not queued_pending(pid):
            own.guest_sent = 0
    elif own.guest_sent == QUEUED_MOST and not queued_pending(pid):
        own.guest_sent = 0
    if not own.guest_answer:
        return lsf_signal_to_linux[signo]
    if own.guest_sent >= QUEUED_MOST:
        own.guest_sent = QUEUED_MOST + 1        # until the lease is over
        return lsf_signal_to_linux[signo]
    own.guest_sent += 1
    return lsf_signal_queued[signo]


cdef bint queued_is_full(area_t *area, bint own) noexcept nogil:
    """Why the first number was given: True where the second one's queue is full, of the process itself or of another."""
    return <int32_t> area.proc.own.queued >= QUEUED_MOST if own else area.own.guest_answer and area.own.guest_sent > QUEUED_MOST


cdef void guest_mark_set() noexcept nogil:
    """Tell Linux, and so other guests, that this thread, a process's first one, is a guest's."""
    cdef uint64_t *mark = SHIM.own.guest_mark
    mark[0] = <uint64_t> mark               # struct robust_list_head: a list that ends where it begins
    linux_syscall2(LINUX_SYS_set_robust_list, <uint64_t> mark, 24)


cdef void guest_mark_clear() noexcept nogil:
    """From here on nobody takes this process for a guest: it tells another address, of an empty list too."""
    cdef uint64_t since = read_tsc()
    cdef uint64_t *mark = SHIM.own.guest_unmark
    mark[0] = <uint64_t> mark
    linux_syscall2(LINUX_SYS_set_robust_list, <uint64_t> mark, 24)
    while read_tsc() - since < 2 * GUEST_LEASE:
        pause(50000)


cdef void queued_block() noexcept nogil:
    """Before an exec of a guest: what comes by second numbers waits for it."""
    cdef uint64_t mask = LSF_SIGNALS_QUEUED
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_BLOCK, <uint64_t> &mask, 0, 8)


cdef void resent_restore(linux_siginfo *info) noexcept nogil:
    """Give a signal that had to be queued by its receiver (signal_resend) the code that it had."""
    if info.si_code == -1 and <uint32_t> info.si_errno & 0xffff0000UL == RESENT_MAGIC:
        info.si_code = info.si_errno & 0xffff
        info.si_errno = 0


cdef int queued_arrived(int linux, linux_siginfo *info) noexcept nogil:
    """A signal has come: from here on one that came by its second number is as if it had come by the first. What Linux sends
    for a write that failed names the process itself as who sent it; on FreeBSD it comes from the kernel."""
    cdef int first = queued_first(linux)
    if first != linux:
        if info.fields.kill.pid == current_area().proc.pid:
            queued_off(current_area().proc)
        info.si_signo = first
        resent_restore(info)
    elif (linux == LINUX_SIGPIPE or linux == LINUX_SIGXFSZ) and info.si_code == LINUX_SI_USER \
            and info.fields.kill.pid == current_area().proc.pid:
        info.si_code = LINUX_SI_KERNEL
    return first

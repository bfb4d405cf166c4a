# Signals on their way to a guest.

cdef uint64_t status_field(supervisor_t *self, pid_t pid, const char *name, int base) noexcept nogil:
    """A number of /proc/PID/status; all ones where that cannot be read."""
    cdef char path[32]
    cdef char text[4096]
    cdef const char *field
    cdef ssize_t length
    cdef int fd
    snprintf(path, sizeof(path), "%d/status", <int>pid)
    fd = openat(self.proc, path, O_RDONLY | O_CLOEXEC)
    if fd < 0:
        return ~0UL
    length = read(fd, text, sizeof(text) - 1)
    close(fd)
    if length <= 0:
        return ~0UL
    text[length] = 0
    field = strstr(text, name)
    return ~0UL if field == NULL else strtoul(field + strlen(name), NULL, base)


cdef bint is_caught(supervisor_t *self, pid_t pid, int signo) noexcept nogil:
    """Has the process a Linux handler for a signal? True where that cannot be learnt."""
    return status_field(self, pid, b"SigCgt:", 16) >> (signo - 1) & 1


cdef int carried_death(supervisor_t *self, pid_t pid) noexcept nogil:
    """The FreeBSD signal of which a process dies by the carrier: the shim has put it into its name (sigqueue.pxi)."""
    cdef char name[32]
    cdef char text[32]
    cdef ssize_t length = 0
    cdef int fd
    snprintf(name, sizeof(name), "%d/comm", <int>pid)
    fd = openat(self.proc, name, O_RDONLY | O_CLOEXEC)
    if fd >= 0:
        length = read(fd, text, sizeof(text) - 1)
        close(fd)
    if length > 8 and memcmp(text, <const char *>b"lsf:SIG ", 8) == 0:
        text[length] = 0
        return <int>strtoul(text + 8, NULL, 10)
    return FREEBSD_SIGRTMAX


cdef bint comes_by_two(supervisor_t *self, int signo) noexcept nogil:
    """True for a Linux signal that has a second number, by which guests send it (freebsd/kernel/signal/queued.pxi)."""
    cdef const uint8_t *numbers = self.observer.config.from_linux
    cdef int other
    for other in range(32, 65):
        if other != signo and numbers[other] == numbers[signo]:
            return True
    return False


cdef int observe_signal(supervisor_t *self, tracee_t *tracee, int signo) noexcept nogil:
    """A signal on its way to a tracee. Returns the Linux signal that it gets, 0 for none, -1 when it runs already."""
    cdef observer_t *observer = &self.observer
    cdef siginfo_t info
    cdef event_t *event
    cdef user_regs_struct regs
    cdef tracee_t *leader
    cdef pid_t pid = tracee.pid
    cdef bint guest = tracee.flags & TRACEE_GUEST, in_shim = False
    cdef uint64_t number
    cdef int code
    if ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) < 0:
        return signo
    code = signal_code(&info)
    if guest:
        if ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0:
            return signo
        in_shim = regs.rip - WINDOW_START < WINDOW_SIZE
        if signo == LINUX_SIGBUS and signal_is_shims(&info):
            return signo
        if (signo == LINUX_SIGSEGV or signo == LINUX_SIGBUS) and code > 0:
            if in_shim:
                return signo      # the shim's own: a bad pointer of the guest's, or a signal that was deferred
            if code == SI_KERNEL and find_breakpoint(self, tracee.space, regs.rip) != NULL:
                observe_breakpoint(self, tracee, &regs)
                return -1
            if code == SI_KERNEL and tracee.forgiven and tracee.forgiven == regs.rip:
                tracee.forgiven = 0
                return 0          # if the instruction itself faults, it does so again
        if (signo == LINUX_SIGSEGV or signo == LINUX_SIGBUS or signo == LINUX_SIGSYS or signo == SIGTRAP
                or signo == LINUX_CARRIER or (code == SI_TKILL and signal_sender(&info) == tracee.process
                                              and comes_by_two(self, signo))) \
                and not is_caught(self, pid, signo):
            # The shim, to whom it came before, lets the process die of it.
            if signo == LINUX_CARRIER:
                leader = find_tracee(self, tracee.process)
                if leader != NULL:
                    leader.fatal = carried_death(self, tracee.process)
            return signo
    number = observer.config.from_linux[signo]
    if signo == LINUX_CARRIER:
        number = FREEBSD_SIGRTMAX
        if code == -1 and signal_errno(&info) & 0xffff0000UL == CARRIER_MAGIC:
            number = signal_errno(&info) & 0xff
            if signal_errno(&info) & CARRIER_SEEN:
                return signo      # it was shown when it was sent; now it has found its thread
    elif signo == LINUX_SIGSEGV and code == SI_KERNEL:
        number = FREEBSD_SIGBUS   # lsf/freebsd/tables/signals.py: what FreeBSD says of such an address
    if not is_wanted(self, tracee, EVENT_SIGNAL) or not has_bit(observer.config.signals, SIGNAL_WORDS, number):
        return signo
    event = begin_event(self, EVENT_SIGNAL, tracee.process, pid)
    event.number = number
    event.value = number
    event.arg[0] = <uint64_t>signo
    event.arg[1] = <uint64_t><int64_t>code
    event.arg[2] = <uint64_t><int64_t>signal_sender(&info)
    event.arg[3] = <uint64_t><uint32_t>signal_user(&info)
    event.arg[4] = signal_address(&info)
    event.arg[5] = <uint64_t><int64_t>signal_status(&info)
    if guest and not in_shim:
        observer.regs = regs
        observer.has_regs = True
        event.flags |= FLAG_IN_GUEST
    show(self, pid)
    if observer.regs_changed:
        ptrace(PTRACE_SETREGS, pid, NULL, &observer.regs)
    if event.value == number:
        return signo
    if event.value == 0:
        return 0
    signo = observer.config.to_linux[event.value]
    if signo == 0:
        signal_carry(&info, <int>event.value)
        ptrace(PTRACE_SETSIGINFO, pid, NULL, &info)
        signo = LINUX_CARRIER
    return signo

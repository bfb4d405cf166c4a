# The memory of guests, and breakpoints in it. A breakpoint is a `hlt`: its fault is a SIGSEGV, which no guest blocks or
# ignores in Linux's eyes, so it disturbs no disposition. While one thread steps over it no other runs in its memory.

# ------------------------------------------------------------------ memory

cdef ssize_t guest_memory(supervisor_t *self, pid_t pid, uint64_t address, void *data, size_t size,
                          bint writing) noexcept nogil:
    """Read or write the memory of a tracee that is stopped; a protection is no hindrance. The bytes done, or -1."""
    cdef char name[32]
    cdef ssize_t done = -1
    cdef int fd
    snprintf(name, sizeof(name), "%d/mem", <int>pid)
    fd = openat(self.proc, name, (O_RDWR if writing else O_RDONLY) | O_CLOEXEC)
    if fd >= 0:
        done = pwrite(fd, data, size, <long>address) if writing else pread(fd, data, size, <long>address)
        close(fd)
    if done <= 0 and size:
        done = guest_words(pid, address, <uint8_t *>data, size, writing)
    return done


cdef ssize_t guest_words(pid_t pid, uint64_t address, uint8_t *data, size_t size, bint writing) noexcept nogil:
    """The same word by word, which needs no /proc."""
    cdef uint64_t word = 0
    cdef size_t done = 0, start, length
    while done < size:
        start = (address + done) & 7
        length = 8 - start if 8 - start < size - done else size - done
        if syscall(SYS_ptrace, PTRACE_PEEKDATA, pid, (address + done) & ~7UL, &word) < 0:
            break
        if writing:
            memcpy(<uint8_t *>&word + start, data + done, length)
            if syscall(SYS_ptrace, PTRACE_POKEDATA, pid, (address + done) & ~7UL, word) < 0:
                break
        else:
            memcpy(data + done, <uint8_t *>&word + start, length)
        done += length
    return <ssize_t>done if done else -1


cdef uint64_t guest_word(pid_t pid, uint64_t address) noexcept nogil:
    """64 bits, 0 where there is no memory."""
    cdef uint64_t word = 0
    guest_words(pid, address, <uint8_t *>&word, 8, False)
    return word


# ------------------------------------------------------------------ stops that wait

cdef void queue_stop(supervisor_t *self, pid_t pid, int status) noexcept nogil:
    """Keep a report of waitpid for later. Without memory the tracee dies."""
    cdef observer_t *observer = &self.observer
    cdef queued_t *larger
    cdef tracee_t *tracee
    cdef uint32_t size
    if observer.queue_end == observer.queue_size:
        size = observer.queue_size * 2 if observer.queue_size else 64
        larger = <queued_t *>realloc(observer.queue, size * sizeof(queued_t))
        if larger == NULL:
            syscall(SYS_kill, pid, SIGKILL)
            return
        observer.queue = larger
        observer.queue_size = size
    observer.queue[observer.queue_end].pid = pid
    observer.queue[observer.queue_end].status = status
    observer.queue_end += 1
    tracee = find_tracee(self, pid)
    if tracee != NULL:
        tracee.flags |= TRACEE_QUEUED


cdef bint next_queued(supervisor_t *self, pid_t *pid, int *status) noexcept nogil:
    cdef observer_t *observer = &self.observer
    cdef tracee_t *tracee
    if observer.queue_first == observer.queue_end:
        observer.queue_first = 0
        observer.queue_end = 0
        return False
    pid[0] = observer.queue[observer.queue_first].pid
    status[0] = observer.queue[observer.queue_first].status
    observer.queue_first += 1
    tracee = find_tracee(self, pid[0])
    if tracee != NULL:
        tracee.flags &= ~<uint32_t>TRACEE_QUEUED
    return True


cdef void stop_others(supervisor_t *self, pid_t space, pid_t but) noexcept nogil:
    """Stop every tracee but one in an address space, where it is not stopped already; what they report is queued.

    Not those that wait in vfork, which cannot be stopped and do not run, nor those that end."""
    cdef uint32_t i, awaited = 0
    cdef tracee_t *other
    cdef pid_t pid
    cdef int status
    for i in range(self.size):
        other = &self.slots[i]
        if other.pid == 0 or other.pid == but or other.space != space:
            continue
        if other.flags & (TRACEE_HELD | TRACEE_ANNOUNCED | TRACEE_VFORKING | TRACEE_EXITING | TRACEE_QUEUED):
            continue
        if ptrace(PTRACE_INTERRUPT, other.pid, NULL, NULL) == 0:
            other.flags |= TRACEE_AWAITED
            awaited += 1
    while awaited:
        pid = waitpid(-1, &status, __WALL)
        if pid < 0:
            if errno == EINTR:
                continue
            break
        queue_stop(self, pid, status)
        other = find_tracee(self, pid)
        if other != NULL and other.flags & TRACEE_AWAITED:
            other.flags &= ~<uint32_t>TRACEE_AWAITED
            awaited -= 1


# ------------------------------------------------------------------ breakpoints

cdef breakpoint_t *find_breakpoint(supervisor_t *self, pid_t space, uint64_t address) noexcept nogil:
    cdef int i
    if self.observer.breakpoint_count:
        for i in range(BREAKPOINTS):
            if self.observer.breakpoints[i].space == space and self.observer.breakpoints[i].address == address:
                return &self.observer.breakpoints[i]
    return NULL


cdef breakpoint_t *note_breakpoint(supervisor_t *self, pid_t space, uint64_t address, uint8_t original) noexcept nogil:
    cdef int i
    for i in range(BREAKPOINTS):
        if self.observer.breakpoints[i].space == 0:
            self.observer.breakpoints[i].space = space
            self.observer.breakpoints[i].address = address
            self.observer.breakpoints[i].original = original
            self.observer.breakpoint_count += 1
            return &self.observer.breakpoints[i]
    return NULL


cdef void forget_breakpoints(supervisor_t *self, pid_t space) noexcept nogil:
    """The address space is gone."""
    cdef int i
    for i in range(BREAKPOINTS):
        if self.observer.breakpoints[i].space == space:
            self.observer.breakpoints[i].space = 0
            self.observer.breakpoint_count -= 1


cdef void remove_breakpoints(supervisor_t *self, pid_t pid, pid_t space) noexcept nogil:
    """Take the breakpoints of a space out of the memory of a tracee that has it."""
    cdef int i
    cdef breakpoint_t *at
    for i in range(BREAKPOINTS):
        at = &self.observer.breakpoints[i]
        if at.space == space:
            guest_memory(self, pid, at.address, &at.original, 1, True)
    forget_breakpoints(self, space)


cdef int set_breakpoint(supervisor_t *self, const tracee_t *tracee, uint64_t address) noexcept nogil:
    """0 or an errno."""
    cdef uint8_t byte, hlt = HLT
    cdef breakpoint_t *at
    if address - WINDOW_START < WINDOW_SIZE:
        return EINVAL
    if find_breakpoint(self, tracee.space, address) != NULL:
        return 0
    if guest_memory(self, tracee.pid, address, &byte, 1, False) != 1:
        return EFAULT
    at = note_breakpoint(self, tracee.space, address, byte)
    if at == NULL:
        return ENOSPC
    if guest_memory(self, tracee.pid, address, &hlt, 1, True) != 1:
        at.space = 0
        self.observer.breakpoint_count -= 1
        return EFAULT
    return 0


cdef int clear_breakpoint(supervisor_t *self, const tracee_t *tracee, uint64_t address) noexcept nogil:
    """0 or an errno. A thread that has met the breakpoint, which nobody was told yet, goes on."""
    cdef breakpoint_t *at = find_breakpoint(self, tracee.space, address)
    cdef observer_t *observer = &self.observer
    if at == NULL:
        return ENOENT
    stop_others(self, tracee.space, tracee.pid)
    forgive_hits(self, tracee.space, address)
    guest_memory(self, tracee.pid, address, &at.original, 1, True)
    at.space = 0
    observer.breakpoint_count -= 1
    return 0


cdef void forgive_hits(supervisor_t *self, pid_t space, uint64_t address) noexcept nogil:
    """Who has met this breakpoint (0: any) and waits in the queue goes on as if it had only been interrupted. Linux may tell of the
    interruption first, and of the fault when the breakpoint is gone: who stands at it is noted."""
    cdef observer_t *observer = &self.observer
    cdef queued_t *queued
    cdef tracee_t *tracee
    cdef user_regs_struct regs
    cdef siginfo_t info
    cdef uint32_t i
    for i in range(observer.queue_first, observer.queue_end):
        queued = &observer.queue[i]
        tracee = find_tracee(self, queued.pid)
        if (tracee == NULL or tracee.space != space or queued.status >> 8 != LINUX_SIGSEGV
                or ptrace(PTRACE_GETSIGINFO, queued.pid, NULL, &info) < 0 or signal_code(&info) != SI_KERNEL
                or ptrace(PTRACE_GETREGS, queued.pid, NULL, &regs) < 0):
            continue
        if (regs.rip == address if address else find_breakpoint(self, space, regs.rip) != NULL):
            queued.status = PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f
    for i in range(self.size):
        tracee = &self.slots[i]
        if tracee.pid != 0 and tracee.space == space and ptrace(PTRACE_GETREGS, tracee.pid, NULL, &regs) == 0 \
                and (regs.rip == address if address else find_breakpoint(self, space, regs.rip) != NULL):
            tracee.forgiven = regs.rip


cdef void step_over(supervisor_t *self, pid_t pid, uint64_t address) noexcept nogil:
    """Let a tracee execute the instruction under a breakpoint, and nobody else meanwhile; then let it run.

    No signal but a fault of the instruction may come in between: the step is the only thing that happens. SIGTRAP must
    not be blocked, or the kernel would forget the guest's disposition for it."""
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef breakpoint_t *at = find_breakpoint(self, tracee.space, address) if tracee != NULL else NULL
    # SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS
    cdef uint64_t faults = 1UL << 3 | 1UL << 4 | 1UL << 6 | 1UL << 7 | 1UL << 10 | 1UL << 30
    cdef uint64_t mask = 0, others = ~faults
    cdef uint8_t hlt = HLT
    cdef int status = 0
    cdef bint masked
    if at == NULL:
        ptrace(PTRACE_CONT, pid, NULL, NULL)
        return
    stop_others(self, tracee.space, pid)
    guest_memory(self, pid, address, &at.original, 1, True)
    masked = ptrace(PTRACE_GETSIGMASK, pid, <void *>8, &mask) == 0
    if masked:
        ptrace(PTRACE_SETSIGMASK, pid, <void *>8, &others)
    while True:
        if ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0:
            return            # killed meanwhile
        while waitpid(pid, &status, __WALL) < 0:
            if errno != EINTR:
                return
        if not WIFSTOPPED(status) or status >> 8 != (PTRACE_EVENT_STOP << 8 | SIGTRAP):
            break             # else it was told to stop while it met the breakpoint, and stops for that now
    if not WIFSTOPPED(status):
        queue_stop(self, pid, status)
        return
    if masked:
        ptrace(PTRACE_SETSIGMASK, pid, <void *>8, &mask)
    guest_memory(self, pid, address, &hlt, 1, True)
    if status >> 8 == SIGTRAP:
        ptrace(PTRACE_CONT, pid, NULL, NULL)
    else:
        queue_stop(self, pid, status)


cdef void inherit_breakpoints(supervisor_t *self, const tracee_t *created, pid_t from_space) noexcept nogil:
    """A copy of an address space has its breakpoints too: they are the child's, or, where it is not observed, are taken
    out. (Through /proc, for it may not have stopped yet.)"""
    cdef breakpoint_t *at
    cdef int i
    for i in range(BREAKPOINTS):
        at = &self.observer.breakpoints[i]
        if at.space == from_space and (not created.flags & TRACEE_OBSERVED or note_breakpoint(
                self, created.space, at.address, at.original) == NULL):
            guest_memory(self, created.pid, at.address, &at.original, 1, True)


cdef void observe_breakpoint(supervisor_t *self, tracee_t *tracee, user_regs_struct *regs) noexcept nogil:
    cdef observer_t *observer = &self.observer
    cdef uint64_t address = regs.rip
    cdef pid_t pid = tracee.pid
    cdef event_t *event = begin_event(self, EVENT_BREAKPOINT, tracee.process, pid)
    if tracee.flags & TRACEE_OBSERVED:
        event.number = address
        event.flags |= FLAG_IN_GUEST
        observer.regs = regs[0]
        observer.has_regs = True
        show(self, pid)
        if observer.regs_changed:
            address = observer.regs.rip
            ptrace(PTRACE_SETREGS, pid, NULL, &observer.regs)
    step_over(self, pid, address)

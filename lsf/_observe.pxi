# The observed supervisor: what lsf.trace (lsf/tracing.py) sees and does. Included by _trace.pyx, which says who is who.
#
# The supervisor sends an event for each stop that the observer wants to see, and serves the observer's requests until
# the one to go on; meanwhile no other stop is handled. It waits for its tracees in waitpid alone: an observer that ends,
# however it ends, closes its end of the socket `life`, whose SIGIO ends the supervisor, and that kills the guests.
#
# A call has two stops: the one that every call has, before it, and one inside the shim, when it is over (shim/trace.pxi).
# The second one comes with the result as the shim has it, so it needs no knowledge of signals, restarts and threads here,
# and it is not made for calls that nobody wants to see.

cdef extern from * nogil:
    """
    #include <poll.h>
    #include <signal.h>
    #include <sys/socket.h>
    #define TRACE_ENTRY 0x480UL     /* from the window's start: TRACE_ENTRY_OFFSET of shim/layout.h */
    #define TRACE_CALL 0x0c535400

    static const struct sock_filter observed_filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_HIGH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WINDOW_START >> 32, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_LOW),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, WINDOW_START & 0xffffffffUL, 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (WINDOW_START & 0xffffffffUL) + WINDOW_SIZE, 3, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRACE_CALL, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
    };
    static struct sock_fprog observed_program = {
        sizeof observed_filter / sizeof observed_filter[0], (struct sock_filter *) observed_filter
    };

    /* What is needed of siginfo_t, whose members are macros. */
    static inline int signal_code(const siginfo_t *info) { return info->si_code; }
    static inline int signal_errno(const siginfo_t *info) { return info->si_errno; }
    static inline int signal_sender(const siginfo_t *info) { return info->si_pid; }
    static inline int signal_user(const siginfo_t *info) { return info->si_uid; }
    static inline int signal_status(const siginfo_t *info) { return info->si_status; }
    static inline unsigned long signal_address(const siginfo_t *info) { return (unsigned long) info->si_addr; }
    static inline void signal_carry(siginfo_t *info, int number)
    {
        memset(info, 0, sizeof *info);
        info->si_signo = 63;
        info->si_code = SI_QUEUE;
        info->si_errno = 0x4c530000 | 1 << 8 | number;  /* carrier.pxi: the magic, SI_USER's code, the signal */
        info->si_pid = getpid();
        info->si_uid = getuid();
    }
    """
    const uint64_t TRACE_ENTRY
    const uint64_t TRACE_CALL
    sock_fprog observed_program

    enum:
        PTRACE_POKEDATA, PTRACE_SINGLESTEP, PTRACE_INTERRUPT, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO
        PTRACE_GETSIGMASK, PTRACE_SETSIGMASK
        PTRACE_O_TRACEEXIT, PTRACE_O_TRACEVFORKDONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, PTRACE_EVENT_EXIT
    bint WIFEXITED(int)
    int WEXITSTATUS(int)
    int WTERMSIG(int)
    bint WCOREDUMP(int)
    ctypedef struct siginfo_t:
        pass
    int signal_code(const siginfo_t *)
    int signal_errno(const siginfo_t *)
    int signal_sender(const siginfo_t *)
    int signal_user(const siginfo_t *)
    int signal_status(const siginfo_t *)
    unsigned long signal_address(const siginfo_t *)
    void signal_carry(siginfo_t *, int)
    enum:
        MSG_NOSIGNAL, F_SETOWN, F_SETFL, O_ASYNC, POLLHUP, POLLIN
        CLOCK_REALTIME, LINUX_SIGSEGV "SIGSEGV", LINUX_SIGBUS "SIGBUS", LINUX_SIGSYS "SIGSYS", LINUX_SIGSTOP "SIGSTOP"
    ssize_t send(int, const void *, size_t, int)
    ssize_t recv(int, void *, size_t, int)
    int fcntl(int, int, ...)
    struct pollfd_t "pollfd":
        int fd
        short events, revents
    int poll(pollfd_t *, unsigned long, int)
    ssize_t pread(int, void *, size_t, long)
    ssize_t pwrite(int, const void *, size_t, long)


cdef enum:
    # kinds of event; each but the first is a bit of config_t.kinds
    EVENT_HELLO = 0               # the supervisor's process id
    EVENT_ENTRY = 1
    EVENT_EXIT_CALL = 2
    EVENT_SIGNAL = 3
    EVENT_EXEC = 4
    EVENT_FORK = 5
    EVENT_VFORK = 6
    EVENT_THREAD = 7
    EVENT_THREAD_EXIT = 8
    EVENT_EXITED = 9
    EVENT_KILLED = 10
    EVENT_BREAKPOINT = 11

    # event_t.flags
    FLAG_SKIPPED = 1              # the call was not made
    FLAG_LINUX = 2                # the executed program is Linux's
    FLAG_CORE = 4                 # the end left a core
    FLAG_INDIRECT = 8             # made through syscall(2)
    FLAG_IN_GUEST = 16            # the registers are the guest's

    REQUEST_GO = 0
    REQUEST_READ = 1
    REQUEST_WRITE = 2
    REQUEST_REGISTERS = 3
    REQUEST_SET_REGISTERS = 4
    REQUEST_CALL = 5              # data: the six registers of the arguments and the number
    REQUEST_SKIP = 6              # value, and in `address` the errno
    REQUEST_RESULT = 7            # as REQUEST_SKIP
    REQUEST_SIGNAL = 8            # value: the signal to deliver, 0 for none
    REQUEST_BREAK = 9
    REQUEST_UNBREAK = 10
    REQUEST_KILL = 11
    REQUEST_DETACH = 12
    REQUEST_CONFIG = 13

    # what the shim tells (shim/trace.pxi)
    TRACE_EXIT = 1
    TRACE_EXEC = 2
    FREEBSD_ERRNO = 3000          # shim/layout.h
    RETURN_IN_AREA = 2999
    AREA_RETVAL = 56

    FREEBSD_SYSCALL = 0           # the indirect calls
    FREEBSD___SYSCALL = 198
    LINUX_CARRIER = 63            # shim/carrier.pxi
    CARRIER_MAGIC = 0x4c530000
    CARRIER_SEEN = 0x4000
    FREEBSD_SIGBUS = 10
    FREEBSD_SIGRTMAX = 126
    SI_KERNEL = 0x80
    HLT = 0xf4                    # the breakpoint: its fault cannot be blocked, and changes no disposition
    EFLAGS_CF = 1


# ------------------------------------------------------------------ the memory of a guest

cdef ssize_t guest_memory(supervisor_t *self, pid_t pid, uint64_t address, void *data, size_t size, bint writing) noexcept nogil:
    """Read or write the memory of a tracee that is stopped; a protection is no hindrance. The bytes done, or -1 (errno)."""
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
    """0 or an errno. A thread that has met the breakpoint, which nobody was told yet, goes on as if it was not there."""
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
    """Who has met this breakpoint (0: any) and waits in the queue goes on as if it had only been interrupted."""
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


cdef void step_over(supervisor_t *self, pid_t pid, uint64_t address) noexcept nogil:
    """Let a tracee execute the instruction under a breakpoint, and nobody else meanwhile; then let it run.

    No signal but a fault of the instruction may come in between: the step is the only thing that happens. SIGTRAP must
    not be blocked, or the kernel would forget the guest's disposition for it."""
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef breakpoint_t *at = find_breakpoint(self, tracee.space, address) if tracee != NULL else NULL
    cdef uint64_t faults = (1UL << 3 | 1UL << 4 | 1UL << 6 | 1UL << 7 | 1UL << 10 | 1UL << 30)   # ILL TRAP BUS FPE SEGV SYS
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


# ------------------------------------------------------------------ to show, and to be told

cdef bint has_bit(const uint64_t *words, uint64_t count, uint64_t bit) noexcept nogil:
    if bit >= count * 64:
        bit = count * 64 - 1
    return words[bit >> 6] >> (bit & 63) & 1


cdef event_t *begin_event(supervisor_t *self, uint32_t kind, pid_t process, pid_t thread) noexcept nogil:
    cdef observer_t *observer = &self.observer
    cdef timespec now
    memset(&observer.event, 0, sizeof(event_t))
    observer.event.kind = kind
    observer.event.process = process
    observer.event.thread = thread
    clock_gettime(CLOCK_REALTIME, &now)
    observer.event.time = <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec
    observer.has_regs = False
    observer.regs_changed = False
    observer.changed = False
    observer.skipped = False
    return &observer.event


cdef bint is_wanted(supervisor_t *self, const tracee_t *tracee, uint32_t kind) noexcept nogil:
    return (self.observer.control >= 0 and self.observer.begun and tracee.flags & TRACEE_OBSERVED
            and self.observer.config.kinds >> kind & 1)


cdef void observer_is_gone() noexcept nogil:
    """The end, and that of the guests: PTRACE_O_EXITKILL."""
    _exit(1)


cdef void show(supervisor_t *self, pid_t pid) noexcept nogil:
    """Send the event and do what the observer asks until it lets the tracee go on. pid: the stopped tracee, 0 for none."""
    cdef observer_t *observer = &self.observer
    cdef ssize_t got
    while send(observer.control, &observer.event, sizeof(event_t), MSG_NOSIGNAL) < 0:
        if errno != EINTR:
            observer_is_gone()
    while True:
        got = recv(observer.control, &observer.request, sizeof(request_t), 0)
        if got < 0 and errno == EINTR:
            continue
        if got < REQUEST_SIZE or observer.request.size > DATA_MAX:
            observer_is_gone()
        if observer.request.op == REQUEST_GO:
            return
        observer.answer.size = 0
        observer.answer.error = serve(self, find_tracee(self, pid) if pid else NULL, got - REQUEST_SIZE)
        while send(observer.control, &observer.answer, 8 + observer.answer.size, MSG_NOSIGNAL) < 0:
            if errno != EINTR:
                observer_is_gone()
        if observer.request.op == REQUEST_DETACH:
            stop_observing(self, pid)
            return


cdef int serve(supervisor_t *self, tracee_t *tracee, ssize_t given) noexcept nogil:
    """Do one request; given: bytes of data in it. 0 or an errno."""
    cdef observer_t *observer = &self.observer
    cdef request_t *request = &observer.request
    cdef answer_t *answer = &observer.answer
    cdef user_regs_struct *regs = &observer.regs
    cdef ssize_t done
    if request.op == REQUEST_DETACH:
        return 0
    if request.op == REQUEST_CONFIG:
        if given != sizeof(config_t):
            return EINVAL
        memcpy(&observer.config, request.data, sizeof(config_t))
        return 0
    if tracee == NULL:
        return ESRCH
    if request.op == REQUEST_READ:
        done = guest_memory(self, tracee.pid, request.address, answer.data, request.size, False)
        if done < 0:
            return EFAULT
        answer.size = <uint32_t>done
        overlay(self, tracee.space, request.address, answer.data, answer.size, False)
        return 0
    if request.op == REQUEST_WRITE:
        overlay(self, tracee.space, request.address, request.data, <uint64_t>given, True)
        done = guest_memory(self, tracee.pid, request.address, request.data, given, True)
        return 0 if done == given else EFAULT
    if request.op == REQUEST_REGISTERS:
        if not observer.has_regs:
            return ENOENT
        memcpy(answer.data, regs, sizeof(user_regs_struct))
        answer.size = sizeof(user_regs_struct)
        return 0
    if request.op == REQUEST_SET_REGISTERS:
        if not observer.has_regs or given != sizeof(user_regs_struct):
            return EINVAL
        memcpy(regs, request.data, sizeof(user_regs_struct))
        observer.regs_changed = True
        return 0
    if request.op == REQUEST_CALL:
        if observer.event.kind != EVENT_ENTRY or given != sizeof(tracee.changed):
            return EINVAL
        memcpy(tracee.changed, request.data, sizeof(tracee.changed))
        observer.changed = True
        return 0
    if request.op == REQUEST_SKIP or request.op == REQUEST_RESULT:
        if observer.event.kind != (EVENT_ENTRY if request.op == REQUEST_SKIP else EVENT_EXIT_CALL):
            return EINVAL
        observer.skipped = True
        observer.event.value = request.value
        observer.event.error = <int64_t>request.address
        return 0
    if request.op == REQUEST_SIGNAL:
        if observer.event.kind != EVENT_SIGNAL or request.value > 128:
            return EINVAL
        observer.event.value = request.value
        return 0
    if request.op == REQUEST_BREAK:
        return set_breakpoint(self, tracee, request.address)
    if request.op == REQUEST_UNBREAK:
        return clear_breakpoint(self, tracee, request.address)
    if request.op == REQUEST_KILL:
        return 0 if syscall(SYS_kill, tracee.process, SIGKILL) == 0 else errno
    return EINVAL


cdef void overlay(supervisor_t *self, pid_t space, uint64_t address, uint8_t *data, uint64_t size, bint writing) noexcept nogil:
    """Let the observer see, or replace, what lies under the breakpoints."""
    cdef breakpoint_t *at
    cdef int i
    if self.observer.breakpoint_count == 0:
        return
    for i in range(BREAKPOINTS):
        at = &self.observer.breakpoints[i]
        if at.space == space and at.address - address < size:
            if writing:
                at.original = data[at.address - address]
                data[at.address - address] = HLT
            else:
                data[at.address - address] = at.original


cdef void stop_observing(supervisor_t *self, pid_t stopped) noexcept nogil:
    """The observer lets go: from now on this is a supervisor as any other. stopped: whose event is shown now."""
    cdef observer_t *observer = &self.observer
    cdef tracee_t *tracee
    cdef uint32_t i
    fcntl(observer.life, F_SETFL, 0)
    close(observer.control)
    close(observer.life)
    observer.control = -1
    for i in range(self.size):
        tracee = &self.slots[i]
        if tracee.pid != 0 and tracee.pid == tracee.space and observer.breakpoint_count:
            stop_others(self, tracee.space, stopped)
            forgive_hits(self, tracee.space, 0)
            remove_breakpoints(self, tracee.pid, tracee.space)
    for i in range(self.size):
        tracee = &self.slots[i]
        if tracee.pid != 0 and tracee.flags & TRACEE_HELD and WIFSTOPPED(tracee.stop):
            release_held(self, tracee)


cdef void end_if_unobserved(supervisor_t *self) noexcept nogil:
    """Where the last observed process has ended, tell the observer by the end of the stream."""
    cdef uint32_t i
    for i in range(self.size):
        if self.slots[i].pid != 0 and self.slots[i].flags & TRACEE_OBSERVED:
            return
    if self.observer.control >= 0:
        stop_observing(self, 0)


# ------------------------------------------------------------------ calls

cdef void take_call(tracee_t *tracee, const user_regs_struct *regs, event_t *event) noexcept nogil:
    """Note a call in its tracee and, the call within for syscall(2) and __syscall(2), in an event."""
    cdef int i, shift = 0
    tracee.number = <uint32_t>regs.orig_rax
    tracee.arg[0] = regs.rdi
    tracee.arg[1] = regs.rsi
    tracee.arg[2] = regs.rdx
    tracee.arg[3] = regs.r10
    tracee.arg[4] = regs.r8
    tracee.arg[5] = regs.r9
    memcpy(tracee.changed, tracee.arg, sizeof(tracee.arg))
    tracee.changed[6] = tracee.number
    event.number = tracee.number
    if tracee.number == FREEBSD_SYSCALL or tracee.number == FREEBSD___SYSCALL:
        event.number = <uint32_t>tracee.arg[0]
        event.flags |= FLAG_INDIRECT
        shift = 1
    for i in range(6 - shift):
        event.arg[i] = tracee.arg[i + shift]


cdef void take_stack(pid_t pid, uint64_t rsp, event_t *event) noexcept nogil:
    """The arguments of a call that are on the stack."""
    cdef int i = 5 if event.flags & FLAG_INDIRECT else 6
    cdef int place = 0
    while i < 8:
        event.arg[i] = guest_word(pid, rsp + 8 + 8 * place)
        i += 1
        place += 1


cdef void put_call(tracee_t *tracee, user_regs_struct *regs) noexcept nogil:
    regs.rdi = tracee.changed[0]
    regs.rsi = tracee.changed[1]
    regs.rdx = tracee.changed[2]
    regs.r10 = tracee.changed[3]
    regs.r8 = tracee.changed[4]
    regs.r9 = tracee.changed[5]
    regs.orig_rax = tracee.changed[6]


cdef void observe_call(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """A syscall stop: of a guest before a call, of the shim when it tells something, or of somebody else."""
    cdef observer_t *observer = &self.observer
    cdef user_regs_struct regs
    cdef event_t *event
    cdef pid_t pid = tracee.pid
    cdef bint entry, exit_
    if not tracee.flags & TRACEE_GUEST:
        answer(self, tracee)
        return
    count_stop(self, tracee)
    if ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0:
        return
    if regs.rip - WINDOW_START < WINDOW_SIZE:
        shim_tells(self, tracee, &regs)
        return
    if self.pinning:
        keep_cpus_hidden(self, tracee, regs.orig_rax)
    if regs.rip - tracee.vdso < self.vdso_size:
        return
    tracee.flags &= ~<uint32_t>(TRACEE_CALLING | TRACEE_QUIET)
    event = begin_event(self, EVENT_ENTRY, tracee.process, pid)
    take_call(tracee, &regs, event)
    entry = is_wanted(self, tracee, EVENT_ENTRY) and has_bit(observer.config.entries, CALL_WORDS, event.number)
    exit_ = is_wanted(self, tracee, EVENT_EXIT_CALL) and has_bit(observer.config.exits, CALL_WORDS, event.number)
    if entry or exit_:
        take_stack(pid, regs.rsp, event)
    if entry:
        observer.regs = regs
        observer.regs.rax = regs.orig_rax
        observer.has_regs = True
        event.flags |= FLAG_IN_GUEST
        show(self, pid)
        if observer.control < 0:
            exit_ = False
    if observer.skipped:
        skip_call(self, tracee, &regs, exit_)
        return
    put_call(tracee, &regs)
    if entry or exit_:
        # An entry that was shown gets its end, shown or not: so it is not shown twice (see trace_entry).
        tracee.flags |= TRACEE_CALLING
        if not exit_:
            tracee.flags |= TRACEE_QUIET
    redirect(&regs, TRACE_ENTRY if entry or exit_ else 0)
    ptrace(PTRACE_SETREGS, pid, NULL, &regs)


cdef void skip_call(supervisor_t *self, tracee_t *tracee, user_regs_struct *regs, bint exit_) noexcept nogil:
    """The observer has said how a call ends: it is not made."""
    cdef observer_t *observer = &self.observer
    cdef pid_t pid = tracee.pid
    cdef event_t *event = &observer.event
    cdef event_t entry = event[0]
    if exit_:
        event = begin_event(self, EVENT_EXIT_CALL, tracee.process, pid)
        event.flags = (entry.flags & FLAG_INDIRECT) | FLAG_SKIPPED
        event.number = entry.number
        memcpy(event.arg, entry.arg, sizeof(event.arg))
        event.value = entry.value
        event.error = entry.error
        show(self, pid)
    regs.orig_rax = <unsigned long long>-1
    regs.rax = event.value if event.error == 0 else <uint64_t>event.error
    if event.error == 0:
        regs.eflags &= ~<unsigned long long>EFLAGS_CF
    else:
        regs.eflags |= EFLAGS_CF
    ptrace(PTRACE_SETREGS, pid, NULL, regs)


cdef void shim_tells(supervisor_t *self, tracee_t *tracee, user_regs_struct *regs) noexcept nogil:
    """TRACE_CALL: the end of a call (the answer is its raw result), or the begin of a program."""
    cdef observer_t *observer = &self.observer
    cdef event_t *event
    cdef pid_t pid = tracee.pid
    cdef uint64_t frame = regs.rsi, area = regs.rdx
    cdef uint64_t answer_ = regs.r10 if regs.rdi == TRACE_EXIT else 0
    if regs.rdi == TRACE_EXIT and tracee.flags & TRACEE_CALLING:
        restore_arguments(self, tracee, frame)
        if not tracee.flags & TRACEE_QUIET and is_wanted(self, tracee, EVENT_EXIT_CALL):
            event = begin_event(self, EVENT_EXIT_CALL, tracee.process, pid)
            event.number = tracee.changed[6]
            memcpy(event.arg, tracee.changed, sizeof(tracee.arg))
            if event.number == FREEBSD_SYSCALL or event.number == FREEBSD___SYSCALL:
                event.flags |= FLAG_INDIRECT
                event.number = <uint32_t>event.arg[0]
                memmove(event.arg, &event.arg[1], 5 * 8)
            take_stack(pid, guest_word(pid, frame + 8 * 8), event)
            event.value = regs.r9
            event.error = <int64_t>regs.r8
            show(self, pid)
            if observer.skipped:
                answer_ = <uint64_t>-<int64_t>(RETURN_IN_AREA if event.error == 0 else FREEBSD_ERRNO + event.error)
                guest_memory(self, pid, area + AREA_RETVAL, &event.value, 8, True)
        tracee = find_tracee(self, pid)
        tracee.flags &= ~<uint32_t>(TRACEE_CALLING | TRACEE_QUIET)
    elif regs.rdi == TRACE_EXEC:
        observer.begun = True
        if is_wanted(self, tracee, EVENT_EXEC):
            event = begin_event(self, EVENT_EXEC, tracee.process, pid)
            event.arg[0] = regs.rsi           # the path
            event.arg[1] = regs.rdx           # the load offset
            event.arg[2] = regs.r10           # the entry
            event.arg[3] = regs.r8            # the interpreter's load offset
            event.arg[4] = regs.r9            # the stack
            show(self, pid)
    regs.orig_rax = <unsigned long long>-1
    regs.rax = answer_
    ptrace(PTRACE_SETREGS, pid, NULL, regs)


cdef void restore_arguments(supervisor_t *self, const tracee_t *tracee, uint64_t frame) noexcept nogil:
    """The guest finds its registers as they were, and a call that is made again is the guest's own: it will be shown
    again. A register that the call changed stays changed (struct frame: six arguments, then the number)."""
    cdef uint64_t now[7]
    cdef bint differs = False
    cdef int i
    if (memcmp(tracee.arg, tracee.changed, sizeof(tracee.arg)) == 0 and tracee.number == tracee.changed[6]) \
            or guest_memory(self, tracee.pid, frame, now, sizeof(now), False) != sizeof(now):
        return
    for i in range(6):
        if now[i] == tracee.changed[i] and now[i] != tracee.arg[i]:
            now[i] = tracee.arg[i]
            differs = True
    if now[6] != tracee.number:
        now[6] = tracee.number
        differs = True
    if differs:
        guest_memory(self, tracee.pid, frame, now, sizeof(now), True)


# ------------------------------------------------------------------ signals

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
    """The FreeBSD signal of which a process dies by the carrier: the shim has written it into its name (carrier.pxi)."""
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


cdef int observe_signal(supervisor_t *self, tracee_t *tracee, int signo) noexcept nogil:
    """A signal on its way to a tracee. Returns the Linux signal that it shall get, 0 for none, -1 when it runs already."""
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
        if (signo == LINUX_SIGSEGV or signo == LINUX_SIGBUS) and code > 0:
            if in_shim:
                return signo      # the shim's own: a bad pointer of the guest's, or a signal that was deferred
            if code == SI_KERNEL and find_breakpoint(self, tracee.space, regs.rip) != NULL:
                observe_breakpoint(self, tracee, &regs)
                return -1
        if (signo == LINUX_SIGSEGV or signo == LINUX_SIGBUS or signo == LINUX_SIGSYS or signo == SIGTRAP
                or signo == LINUX_CARRIER) \
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
        number = FREEBSD_SIGBUS   # lsf/freebsd/signals.py: what FreeBSD says of such an address
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


# ------------------------------------------------------------------ processes and threads

cdef void release_held(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """Let a new tracee run whose creator has told of it; or stay stopped, or be gone, where it is so already."""
    tracee.flags &= ~<uint32_t>TRACEE_HELD
    if not WIFSTOPPED(tracee.stop):
        observe_end(self, tracee.pid, tracee.stop)
        return
    ptrace(PTRACE_CONT if WSTOPSIG(tracee.stop) == SIGTRAP else PTRACE_LISTEN, tracee.pid, NULL, NULL)


cdef void observe_creation(supervisor_t *self, pid_t pid, int event) noexcept nogil:
    """A tracee has made another one, which is stopped, or will be."""
    cdef observer_t *observer = &self.observer
    cdef tracee_t *creator = find_tracee(self, pid)
    cdef tracee_t *created
    cdef unsigned long message = 0
    cdef pid_t child
    cdef bint thread
    cdef uint32_t kind
    if ptrace(PTRACE_GETEVENTMSG, pid, NULL, &message) < 0:
        return
    child = <pid_t>message
    created = find_tracee(self, child)
    if created == NULL:
        created = add_tracee(self, child)
        creator = find_tracee(self, pid)
        if created == NULL:
            syscall(SYS_kill, child, SIGKILL)
            return
        created.flags |= TRACEE_ANNOUNCED
    thread = event == PTRACE_EVENT_CLONE and syscall(SYS_tgkill, creator.process, child, 0) == 0
    created.process = creator.process if thread else child
    created.space = creator.space if thread or event == PTRACE_EVENT_VFORK else child
    if creator.flags & TRACEE_OBSERVED and (thread or observer.config.follow):
        created.flags |= TRACEE_OBSERVED
    if event == PTRACE_EVENT_VFORK:
        creator.flags |= TRACEE_VFORKING
    if created.space == child and observer.breakpoint_count:
        inherit_breakpoints(self, created, creator.space)
    kind = EVENT_THREAD if thread else EVENT_VFORK if event == PTRACE_EVENT_VFORK else EVENT_FORK
    if is_wanted(self, creator, kind):
        begin_event(self, kind, creator.process, pid).number = <uint64_t>child
        show(self, pid)


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


cdef void observe_end(supervisor_t *self, pid_t pid, int status) noexcept nogil:
    """A thread or a process is gone."""
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef tracee_t gone
    cdef event_t *event = NULL
    cdef uint32_t i
    if tracee == NULL:
        return
    if tracee.flags & TRACEE_HELD:
        tracee.stop = status      # its creator has not told of it yet
        return
    gone = tracee[0]
    remove_tracee(self, tracee)
    if gone.pid != gone.process:
        if is_wanted(self, &gone, EVENT_THREAD_EXIT):
            begin_event(self, EVENT_THREAD_EXIT, gone.process, pid)
            show(self, 0)
        return
    for i in range(self.size):
        if self.slots[i].pid != 0 and self.slots[i].flags & TRACEE_HELD and self.slots[i].creator == pid \
                and WIFSTOPPED(self.slots[i].stop):
            orphan(self, &self.slots[i], &gone)
    if gone.space == pid:
        forget_breakpoints(self, pid)
    if not gone.flags & TRACEE_OBSERVED or self.observer.control < 0:
        return
    if self.observer.begun:
        if WIFEXITED(status) and is_wanted(self, &gone, EVENT_EXITED):
            event = begin_event(self, EVENT_EXITED, pid, pid)
            event.number = <uint64_t>WEXITSTATUS(status)
        elif not WIFEXITED(status) and is_wanted(self, &gone, EVENT_KILLED):
            event = begin_event(self, EVENT_KILLED, pid, pid)
            event.number = <uint64_t>gone.fatal if gone.fatal else self.observer.config.from_linux[WTERMSIG(status)]
            event.flags = FLAG_CORE if WCOREDUMP(status) else 0
        if event != NULL:
            show(self, 0)
    end_if_unobserved(self)


cdef void orphan(supervisor_t *self, tracee_t *tracee, const tracee_t *gone) noexcept nogil:
    """Let go of a process whose creator was killed before it could tell of it."""
    tracee.process = tracee.pid
    tracee.space = tracee.pid
    if gone.flags & TRACEE_OBSERVED and self.observer.config.follow:
        tracee.flags |= TRACEE_OBSERVED
    inherit_breakpoints(self, tracee, gone.space)
    release_held(self, tracee)


cdef void observe_exec(supervisor_t *self, pid_t pid) noexcept nogil:
    """What was executed: after_exec, and what is to be known of an observed process."""
    cdef unsigned long former = 0
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef uint32_t observed = 0
    cdef event_t *event
    if tracee != NULL:
        observed = tracee.flags & TRACEE_OBSERVED
    elif ptrace(PTRACE_GETEVENTMSG, pid, NULL, &former) == 0:
        tracee = find_tracee(self, <pid_t>former)
        observed = tracee.flags & TRACEE_OBSERVED if tracee != NULL else 0
    after_exec(self, pid)
    tracee = find_tracee(self, pid)
    if tracee == NULL:
        return
    forget_breakpoints(self, pid)
    tracee.process = pid
    tracee.space = pid
    tracee.fatal = 0
    tracee.flags &= ~<uint32_t>(TRACEE_CALLING | TRACEE_QUIET | TRACEE_VFORKING | TRACEE_EXITING)
    tracee.flags |= observed
    if not tracee.flags & TRACEE_GUEST and is_wanted(self, tracee, EVENT_EXEC):
        event = begin_event(self, EVENT_EXEC, pid, pid)
        event.flags = FLAG_LINUX
        show(self, pid)


cdef void observe(supervisor_t *self, pid_t pid, int status) noexcept nogil:
    """`handle` while somebody observes."""
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef int event = status >> 16
    cdef int signo = 0
    cdef unsigned long child = 0
    if not WIFSTOPPED(status):
        observe_end(self, pid, status)
        return
    if tracee == NULL and event != PTRACE_EVENT_EXEC:
        tracee = adopt(self, pid)
        if tracee == NULL:
            syscall(SYS_kill, pid, SIGKILL)
            return
        if event == PTRACE_EVENT_STOP:
            tracee.flags |= TRACEE_HELD
            tracee.stop = status
            tracee.creator = <pid_t>status_field(self, pid, b"Tgid:", 10)
            if tracee.creator == pid:
                tracee.creator = <pid_t>status_field(self, pid, b"PPid:", 10)
            return
    elif tracee != NULL and tracee.flags & TRACEE_ANNOUNCED:
        tracee.flags &= ~<uint32_t>TRACEE_ANNOUNCED
        examine(self, tracee)
    if tracee != NULL:
        tracee.flags &= ~<uint32_t>TRACEE_VFORKING
    if event == PTRACE_EVENT_SECCOMP:
        observe_call(self, tracee)
    elif event == 0:
        signo = WSTOPSIG(status)
        if self.observer.begun:
            signo = observe_signal(self, tracee, signo)
            if signo < 0:
                return
    elif event == PTRACE_EVENT_STOP:
        if WSTOPSIG(status) != SIGTRAP:
            ptrace(PTRACE_LISTEN, pid, NULL, NULL)
            return
    elif event == PTRACE_EVENT_EXEC:
        observe_exec(self, pid)
    elif event == PTRACE_EVENT_EXIT:
        tracee.flags |= TRACEE_EXITING
    elif event == PTRACE_EVENT_FORK or event == PTRACE_EVENT_VFORK or event == PTRACE_EVENT_CLONE:
        if event == PTRACE_EVENT_CLONE:
            tracee.flags |= TRACEE_THREADED
            unpin(self, tracee)
        observe_creation(self, pid, event)
        if self.observer.control >= 0 and ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0:
            tracee = find_tracee(self, <pid_t>child)
            if tracee != NULL and tracee.flags & TRACEE_HELD:
                release_held(self, tracee)
    ptrace(PTRACE_CONT, pid, NULL, <void *><size_t>signo)


cdef int start_observing(supervisor_t *self) noexcept nogil:
    """After the observer has sent its wishes: 0 or an errno."""
    cdef observer_t *observer = &self.observer
    cdef ssize_t got
    while True:
        got = recv(observer.control, &observer.request, sizeof(request_t), 0)
        if got >= 0 or errno != EINTR:
            break
    if got != REQUEST_SIZE + <ssize_t>sizeof(config_t) or observer.request.op != REQUEST_CONFIG:
        return EPROTO
    memcpy(&observer.config, observer.request.data, sizeof(config_t))
    return 0


cdef void watch_observer(supervisor_t *self) noexcept nogil:
    """From now on the observer's end is this process's: SIGIO, which comes with the end of `life`, is not handled."""
    cdef pollfd_t life
    fcntl(self.observer.life, F_SETOWN, getpid())
    fcntl(self.observer.life, F_SETFL, O_ASYNC)
    memset(&life, 0, sizeof(life))
    life.fd = self.observer.life
    life.events = POLLIN
    if poll(&life, 1, 0) != 0:
        observer_is_gone()
    begin_event(self, EVENT_HELLO, getpid(), getpid())
    while send(self.observer.control, &self.observer.event, sizeof(event_t), MSG_NOSIGNAL) < 0:
        if errno != EINTR:
            observer_is_gone()


EVENT_KINDS = {
    "entry": EVENT_ENTRY, "exit": EVENT_EXIT_CALL, "signal": EVENT_SIGNAL, "exec": EVENT_EXEC, "fork": EVENT_FORK,
    "vfork": EVENT_VFORK, "thread": EVENT_THREAD, "thread-exit": EVENT_THREAD_EXIT, "exited": EVENT_EXITED,
    "killed": EVENT_KILLED, "breakpoint": EVENT_BREAKPOINT, "hello": EVENT_HELLO,
}
EVENT_FLAGS = {"skipped": FLAG_SKIPPED, "linux": FLAG_LINUX, "core": FLAG_CORE, "indirect": FLAG_INDIRECT, "in guest": FLAG_IN_GUEST}
REQUESTS = {
    "go": REQUEST_GO, "read": REQUEST_READ, "write": REQUEST_WRITE, "registers": REQUEST_REGISTERS,
    "set registers": REQUEST_SET_REGISTERS, "call": REQUEST_CALL, "skip": REQUEST_SKIP, "result": REQUEST_RESULT,
    "signal": REQUEST_SIGNAL, "break": REQUEST_BREAK, "unbreak": REQUEST_UNBREAK, "kill": REQUEST_KILL,
    "detach": REQUEST_DETACH, "config": REQUEST_CONFIG,
}
MESSAGE_SIZES = {
    "event": sizeof(event_t), "request": REQUEST_SIZE, "data": DATA_MAX, "config": sizeof(config_t),
    "registers": sizeof(user_regs_struct),
}

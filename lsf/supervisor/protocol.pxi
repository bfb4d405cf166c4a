# The observed supervisor: what lsf.trace (lsf/api/tracing.py) sees and does. Included by _trace.pyx, which says who is who.
#
# The supervisor sends an event for each stop that the observer wants to see, and serves the observer's requests until
# the one to go on; meanwhile no other stop is handled. It waits for its tracees in waitpid alone: an observer that
# ends, however it ends, closes its end of the socket `life`, whose SIGIO ends the supervisor, which kills the guests.
#
# A call has two stops: the one that every call has, before it, and one inside the shim, when it is over
# (machine/watch/trace.pxi). The second one comes with the result as the shim has it, so nothing here knows of restarts and the
# like, and it is not made for calls that nobody wants to see.

cdef extern from * nogil:
    """
    #include <poll.h>
    #include <signal.h>
    #include <sys/socket.h>
    #define TRACE_ENTRY 0x500UL     /* from the window's start: TRACE_ENTRY_OFFSET of machine/amd64/layout.h */
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
    /* A SIGBUS by which the shim speaks with its own threads (freebsd/kernel/cred/cred_threads.pxi, freebsd/kernel/signal/wake.pxi,
     * look_again.pxi). */
    static inline int signal_is_shims(const siginfo_t *info)
    {
        return (info->si_code == SI_QUEUE && (info->si_errno == 0x4c530001 || info->si_errno == 0x4c530002))
            || (info->si_code == SI_TIMER && (unsigned long) info->si_value.sival_ptr == 0x4c5346776b75);
    }
    static inline int signal_sender(const siginfo_t *info) { return info->si_pid; }
    static inline int signal_user(const siginfo_t *info) { return info->si_uid; }
    static inline int signal_status(const siginfo_t *info) { return info->si_status; }
    static inline unsigned long signal_address(const siginfo_t *info) { return (unsigned long) info->si_addr; }
    static inline void signal_carry(siginfo_t *info, int number)
    {
        memset(info, 0, sizeof *info);
        info->si_signo = 63;
        info->si_code = SI_QUEUE;
        info->si_errno = 0x4c530000 | 1 << 8 | number;  /* sigqueue.pxi: the magic, SI_USER's code, the signal */
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
    bint signal_is_shims(const siginfo_t *)
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

    # what the shim tells (machine/watch/trace.pxi)
    TRACE_EXIT = 1
    TRACE_EXEC = 2
    FREEBSD_ERRNO = 3000          # machine/amd64/layout.h
    RETURN_IN_AREA = 2999
    AREA_RETVAL = 56

    FREEBSD_SYSCALL = 0           # the indirect calls
    FREEBSD___SYSCALL = 198
    LINUX_CARRIER = 63            # freebsd/kernel/signal/sigqueue.pxi
    CARRIER_MAGIC = 0x4c530000
    CARRIER_SEEN = 0x4000
    FREEBSD_SIGBUS = 10
    FREEBSD_SIGRTMAX = 126
    SI_KERNEL = 0x80
    SI_TKILL = -6
    HLT = 0xf4                    # the breakpoint: its fault cannot be blocked, and changes no disposition
    EFLAGS_CF = 1


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
    """Send the event and do what the observer asks until it lets the tracee go on. pid: the stopped tracee, or 0."""
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
        if observer.event.kind != <uint32_t>(EVENT_ENTRY if request.op == REQUEST_SKIP else EVENT_EXIT_CALL):
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


cdef void overlay(supervisor_t *self, pid_t space, uint64_t address, uint8_t *data, uint64_t size,
                  bint writing) noexcept nogil:
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
EVENT_FLAGS = {"skipped": FLAG_SKIPPED, "linux": FLAG_LINUX, "core": FLAG_CORE, "indirect": FLAG_INDIRECT,
               "in guest": FLAG_IN_GUEST}
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

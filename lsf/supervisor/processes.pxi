# Processes and threads: their creation, programs and ends; and the stops of all kinds.

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

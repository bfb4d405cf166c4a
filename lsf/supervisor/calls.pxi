# Calls: shown before and after, changed, skipped; and what else the shim tells.

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
    if is_vdso(self, tracee, &regs) or is_foreign(pid, &regs):
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

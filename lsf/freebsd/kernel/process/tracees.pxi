# ptrace(2): the processes that this one traces, and waiting for them. Model: FreeBSD sys/kern/kern_exit.c (kern_wait6, exit1).
#
# On FreeBSD a traced process is its tracer's child. Linux's waits know children alone, and none of these stops: a wait of who traces
# looks at the pages of its tracees first. The signal of a stop (DEBUG_NEWS) ends the sleep of a wait, which then begins anew.

cdef enum:
    TRACEES = 256
    TRACEES_AGAIN = 20                  # milliseconds until a tracee that is no child is looked at again
    WAIT_TRAPPED = 1 << 20              # beside Linux's options of a wait: stops of tracees count

cdef struct tracee_t:
    int32_t pid                         # 0: free
    uint32_t child                      # of this process's, for Linux too
    int32_t ends[4]                     # of two pipes, hidden: tracee_tie
    debug_page_t *page


cdef tracee_t *tracee_known(process_t *proc, int pid) noexcept nogil:
    cdef tracee_t *list_ = <tracee_t *> proc.own.tracees
    cdef int i
    if list_ == NULL or pid <= 0:
        return NULL
    for i in range(TRACEES):
        if list_[i].pid == pid:
            return &list_[i]
    return NULL


cdef tracee_t *tracee_place(process_t *proc) noexcept nogil:
    """A free entry of the table; NULL for none. Under lock_thread."""
    cdef tracee_t *list_ = <tracee_t *> proc.own.tracees
    cdef int i
    if list_ == NULL:
        list_ = <tracee_t *> map_memory(page_up(TRACEES * sizeof(tracee_t)))
        if list_ == NULL:
            return NULL
        proc.own.tracees = list_
    for i in range(TRACEES):
        if list_[i].pid == 0:
            return &list_[i]
    return NULL


cdef void tracee_tie(process_t *proc, tracee_t *tracee) noexcept nogil:
    """Let the tracee end with this process, however that ends (exit1 in kern_exit.c). The reading end of a pipe has O_ASYNC, the tracee
    as its owner and SIGKILL as its signal, and this process alone has both ends: when it is gone Linux closes them, and the signal is
    sent if the writing end is first. Which is depends on their numbers and on the release of Linux, so there is one pipe of each order."""
    cdef int32_t ends[2]
    cdef int i, j, first
    cdef long fd
    for i in range(4):
        tracee.ends[i] = -1
    if keep_debugged():
        return
    for i in range(2):
        if is_error(linux_syscall2(LINUX_SYS_pipe2, <uint64_t> ends, LINUX_O_CLOEXEC)):
            return
        for j in range(2):
            first = j if i == 0 else 1 - j
            lock_acquire(&proc.own.lock_event)
            fd = event_hide(proc, ends[first])
            lock_release(&proc.own.lock_event)
            tracee.ends[2 * i + first] = <int32_t> fd if fd >= 0 else -1
    tracee_async(tracee, True)


cdef void tracee_async(tracee_t *tracee, bint on) noexcept nogil:
    """With False the ends may be closed."""
    cdef int i
    cdef uint64_t fd
    for i in range(0, 4, 2):
        if not descriptor_is_hidden(SHIM, tracee.ends[i]):
            continue                    # it was given up for a number that the guest wanted
        fd = <uint64_t> tracee.ends[i]
        if on:
            linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETOWN, <uint64_t> tracee.pid)
            linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETSIG, LINUX_SIGKILL)
        linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFL, LINUX_O_ASYNC if on else 0)


cdef void tracee_untie(process_t *proc, tracee_t *tracee) noexcept nogil:
    cdef int i
    tracee_async(tracee, False)
    lock_acquire(&proc.own.lock_event)
    for i in range(4):
        if descriptor_is_hidden(proc, tracee.ends[i]):
            event_unhide(proc, tracee.ends[i])
        tracee.ends[i] = -1
    lock_release(&proc.own.lock_event)


cdef void tracees_async(process_t *proc, bint on) noexcept nogil:
    """Around an exec, which closes the ends and does not end what is traced."""
    cdef tracee_t *list_ = <tracee_t *> proc.own.tracees
    cdef int i
    for i in range(TRACEES if list_ != NULL else 0):
        if list_[i].pid:
            tracee_async(&list_[i], on)


cdef tracee_t *tracee_find(process_t *proc, int pid) noexcept nogil:
    """A process that this one traces, or NULL."""
    cdef tracee_t *tracee = tracee_known(proc, pid)
    cdef debug_page_t *page
    cdef bint new_ = False
    cdef long fd
    if tracee != NULL or not proc.own.tracing or pid <= 0:
        return tracee
    fd = debug_open(proc.pid, pid, 0)
    if is_error(fd):
        return NULL
    lock_acquire(&proc.own.lock_thread)
    tracee = tracee_known(proc, pid)
    if tracee == NULL:
        tracee = tracee_place(proc)
        page = <debug_page_t *> debug_map_file(fd, 0) if tracee != NULL else NULL
        if page != NULL and page.magic == DEBUG_MAGIC and page.pid == pid and page.tracer == proc.pid:
            tracee.page = page
            tracee.child = page.real_parent == proc.pid
            tracee.pid = pid
            new_ = True
        else:
            if page != NULL:
                linux_syscall2(LINUX_SYS_munmap, <uint64_t> page, debug_size(DEBUG_THREADS))
            tracee = NULL
    lock_release(&proc.own.lock_thread)
    linux_syscall1(LINUX_SYS_close, fd)
    if new_:
        tracee_tie(proc, tracee)
    return tracee


cdef void tracee_remove(process_t *proc, tracee_t *tracee) noexcept nogil:
    """It is gone, or let go."""
    cdef int pid
    tracee_untie(proc, tracee)
    lock_acquire(&proc.own.lock_thread)
    pid = tracee.pid
    if pid:
        debug_unlink(proc.pid, pid)
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> tracee.page, debug_size(DEBUG_THREADS))
        tracee.page = NULL
        tracee.pid = 0
    lock_release(&proc.own.lock_thread)


cdef int debug_file_pid(const char *name, int *owner) noexcept nogil:
    """The tracee that a name in the folder of pages is of, 0 for another name. owner: the tracer."""
    cdef const char *at
    cdef int64_t first = 0, second = 0
    if not string_starts(name, b".lsf.ptrace."):
        return 0
    at = parse_number(name + 12, &first)
    if at[0] != c'.':
        return 0
    parse_number(at + 1, &second)
    owner[0] = <int> first
    return <int> second


cdef int debug_files(process_t *proc, int tracer, int tracee) noexcept nogil:
    """Take up the pages of this tracer that are not known; or, with a tracee, what other process traces that and lives: 0 for
    none."""
    cdef char buffer[2048]
    cdef const char *name
    cdef long fd, got, at
    cdef int folder, pid, owner = 0
    for folder in range(SHARED_FOLDERS):
        fd = linux_syscall3(LINUX_SYS_open, <uint64_t> (<const char *> b"/dev/shm" if folder == 0 else <const char *> b"/tmp"),
                            LINUX_O_DIRECTORY | LINUX_O_CLOEXEC, 0)
        if is_error(fd):
            continue
        while True:
            got = linux_syscall3(LINUX_SYS_getdents64, fd, <uint64_t> buffer, sizeof(buffer))
            at = 0
            if is_error(got) or got == 0:
                break
            while at < got:
                name = &buffer[at + 19]
                at += (<uint16_t *> &buffer[at + 16])[0]
                pid = debug_file_pid(name, &owner)
                if pid and process_is_over(pid) and process_is_over(owner):
                    debug_unlink(owner, pid)        # nobody was left to do it
                    continue
                if tracer and owner != tracer:
                    continue
                if pid and tracee == 0:
                    tracee_find(proc, pid)
                elif pid and pid == tracee and owner != proc.pid and not process_is_over(owner):
                    linux_syscall1(LINUX_SYS_close, fd)
                    return owner
        linux_syscall1(LINUX_SYS_close, fd)
        if folder == 0:
            return 0                    # there is a /dev/shm
    return 0


cdef void tracees_scan(process_t *proc) noexcept nogil:
    debug_files(proc, proc.pid, 0)


cdef bint tracees_any(process_t *proc) noexcept nogil:
    cdef tracee_t *list_ = <tracee_t *> proc.own.tracees
    cdef int i
    for i in range(TRACEES if list_ != NULL else 0):
        if list_[i].pid:
            return True
    return False


cdef void tracees_end(process_t *proc) noexcept nogil:
    """This process ends, and those that it traces end with it, unless they are to go on (exit1)."""
    cdef tracee_t *list_
    cdef bint keeps
    cdef int i
    if not proc.own.tracing:
        return
    tracees_scan(proc)
    list_ = <tracee_t *> proc.own.tracees
    keeps = list_ != NULL and keep_debugged()
    for i in range(TRACEES if list_ != NULL else 0):
        if list_[i].pid and keeps:
            debug_let_go(list_[i].page, True)
            tracee_remove(proc, &list_[i])
        elif list_[i].pid and list_[i].page.state != DEBUG_LEFT:
            linux_syscall2(LINUX_SYS_kill, list_[i].pid, LINUX_SIGKILL)
            debug_unlink(proc.pid, list_[i].pid)


cdef void tracees_none(process_t *proc) noexcept nogil:
    """A new process traces none."""
    proc.own.tracees = NULL
    proc.own.tracing = 0


# ------------------------------------------------------------------ waiting

cdef bint tracee_matches(int pid, int idtype, int64_t id_) noexcept nogil:
    """True for a process that a wait of Linux's kinds means."""
    if idtype == LINUX_P_PID:
        return pid == id_
    if idtype == LINUX_P_PGID:
        return linux_syscall1(LINUX_SYS_getpgid, <uint64_t> pid) == id_
    return idtype == LINUX_P_ALL


cdef void tracee_status(tracee_t *tracee, child_t *child) noexcept nogil:
    """How a tracee ended that is no child: as it said itself, or as Linux tells of a zombie that its parent has not taken."""
    cdef char text[1024]
    cdef const char *at
    cdef int64_t status = LINUX_SIGKILL
    cdef int i
    child.pid = tracee.pid
    child.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    if tracee.page.ended:
        status = tracee.page.status
    elif proc_read(tracee.pid, b"stat", text, sizeof(text)) > 0:
        at = text + string_length(text)             # the exit code is the last field
        while at > <const char *> text and (at - 1)[0] != c' ':
            at -= 1
        parse_number(at, &status)
    child.code = LINUX_CLD_KILLED if status & 0x7f else LINUX_CLD_EXITED
    if status & 0x7f and core_was_left(tracee.pid, lsf_signal_from_linux[status & 63]):
        child.code = LINUX_CLD_DUMPED
    child.status = <int> (status & 0x7f if status & 0x7f else status >> 8 & 0xff)


cdef void parent_told(process_t *proc, const child_t *child) noexcept nogil:
    """A tracer has taken the end of another's child: now it is the parent's, who is sent SIGCHLD (proc_reap). Linux sent it when the child
    ended, and then a wait found none."""
    cdef proc_stat_t stat
    cdef linux_siginfo info
    if proc_stat(child.pid, &stat) < 0 or stat.ppid == proc.pid or not is_guest(stat.ppid):
        return
    memset(&info, 0, 128)
    info.si_code = child.code
    info.fields.child.pid = child.pid
    info.fields.child.uid = child.uid
    info.fields.child.status = child.status
    child_send(stat.ppid, &info)


cdef bint tracee_look(process_t *proc, tracee_t *tracee, long options, child_t *child) noexcept nogil:
    """True where a tracee has something that a wait takes."""
    cdef debug_page_t *page = tracee.page
    if not tracee.child and process_is_over(tracee.pid):
        tracee_status(tracee, child)
        if not options & LINUX_WNOWAIT:
            tracee_remove(proc, tracee)
            parent_told(proc, child)
        return True
    if atomic_load32(&page.attaching) == 1:
        debug_attach(tracee.pid)        # the first one may have met another
    if not options & (WAIT_TRAPPED | LINUX_WSTOPPED) or atomic_load32(&page.state) != DEBUG_STOPPED or page.waited:
        return False
    if not options & LINUX_WNOWAIT:
        page.waited = 1
    child.pid = tracee.pid
    child.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    child.code = LINUX_CLD_TRAPPED if options & WAIT_TRAPPED else LINUX_CLD_STOPPED
    child.status = STATUS_CARRIED | page.xsig
    return True


cdef bint child_is_held(process_t *proc, child_t *child) noexcept nogil:
    """A child has ended that another process traces, which has not waited for it yet: until then it has not ended for us."""
    cdef int tracer = debug_files(proc, 0, child.pid)
    return tracer != 0


cdef long wait_traced(process_t *proc, int idtype, int64_t id_, long options, child_t *child) noexcept nogil:
    """wait_child of a process that traces others, or whose child is traced by another."""
    cdef tracee_t *list_
    cdef linux_timespec again
    cdef bint strangers, any_, held
    cdef long result
    cdef int i
    while True:
        tracees_scan(proc)
        list_ = <tracee_t *> proc.own.tracees
        strangers = False
        any_ = False
        memset(child, 0, sizeof(child_t))
        for i in range(TRACEES if list_ != NULL else 0):
            if list_[i].pid == 0 or not tracee_matches(list_[i].pid, idtype, id_):
                continue
            if idtype == LINUX_P_ALL and procdesc_is_over(proc, list_[i].pid):
                tracee_remove(proc, &list_[i])      # it ends traced no more (exit1), and its descriptor tells of that
                continue
            any_ = True
            if not list_[i].child or list_[i].page.attaching:
                strangers = True
            if tracee_look(proc, &list_[i], options, child):
                return 0
        result = wait_linux(proc, idtype, id_, (options & ~WAIT_TRAPPED) | LINUX_WNOHANG | LINUX_WNOWAIT, child)
        held = result == 0 and child.pid != 0 and child.code != LINUX_CLD_STOPPED and child.code != LINUX_CLD_CONTINUED \
            and tracee_known(proc, child.pid) == NULL and child_is_held(proc, child)
        if result == 0 and child.pid != 0 and not held:
            if options & LINUX_WNOWAIT:
                return 0
            i = child.pid
            result = wait_linux(proc, LINUX_P_PID, i, (options & ~WAIT_TRAPPED) | LINUX_WNOHANG, child)
            if result == -LINUX_ECHILD or (result == 0 and child.pid == 0):
                continue                # another thread took it
            if result == 0 and child.code != LINUX_CLD_STOPPED and child.code != LINUX_CLD_CONTINUED \
                    and tracee_known(proc, child.pid) != NULL:
                tracee_remove(proc, tracee_known(proc, child.pid))
            return result
        if result < 0 and not (result == -LINUX_ECHILD and any_):
            return result
        memset(child, 0, sizeof(child_t))
        if options & LINUX_WNOHANG:
            return 0
        if strangers or held or result == -LINUX_ECHILD:
            again.tv_sec = 0
            again.tv_nsec = TRACEES_AGAIN * 1000000
            result = blocking_syscall(LINUX_SYS_ppoll, 0, 0, <uint64_t> &again, 0, 0, 0)
            if result == -LINUX_EINTR:
                return result
            continue
        result = wait_linux(proc, idtype, id_, (options & ~WAIT_TRAPPED) | LINUX_WNOWAIT, child)
        if result < 0:
            return result


cdef long wait_child(process_t *proc, int idtype, int64_t id_, long options, child_t *child) noexcept nogil:
    """Wait for a child, or for a process that this one traces; child.pid is 0 where WNOHANG found none. 0 or a negative errno. options:
    Linux's, and WAIT_TRAPPED."""
    cdef area_t *area = current_area()
    cdef long result
    atomic_store32(&area.own.waits, 1)          # before one asks: a stop from here on ends the sleep
    if proc.own.tracing and not options & LINUX___WCLONE:
        result = wait_traced(proc, idtype, id_, options, child)
    else:
        result = wait_linux(proc, idtype, id_, options & ~WAIT_TRAPPED, child)
    area.own.waits = 0
    return result

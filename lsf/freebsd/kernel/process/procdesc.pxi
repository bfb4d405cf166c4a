# Process descriptors: pdfork and what is done with one. Model: FreeBSD sys/kern/sys_procdesc.c, kern_exit.c (proc_to_reap).
#
# The descriptor is the reading end of a pipe whose writing end the child keeps open, hidden, until it ends: so the last
# close, by whoever it is and in whatever process (dup, fork, SCM_RIGHTS, exit, kill -9), is Linux's to notice. The
# writing end has O_ASYNC, the child as its owner and SIGKILL as its signal: when the pipe has no reader any more Linux
# kills the child. When the child is gone the descriptor polls POLLHUP, as FreeBSD's does. What it stands for is written
# on the pipe itself, where every process that has it finds it: its mode is 0700, its access time the child's start, its
# modification time the child's number and a mark; and the owner of its open file (F_GETOWN) is the child while that exists.
#
# (A pidfd knows of no last close, and polls POLLIN.)
#
# The parent keeps a list, since the child's end is told to nobody but who asks for its number: Linux would give
# one that has executed a program to any wait, and a zombie whose descriptor is closed to nobody.

cdef enum:
    PROCDESCS = 256
    PROCDESC_FREE = 0
    PROCDESC_LIVE = 1
    PROCDESC_TAKING = 2
    PROCDESC_ENDED = 3                  # Linux's zombie is reaped, FreeBSD's is not
    PROCDESC_WAITED = 4                 # FreeBSD's too: the status is kept for who asks the descriptor
    PROCDESC_CLONE = 5                  # no descriptor at all: rfork with another signal than SIGCHLD
    PROCDESC_SEARCH = 1024              # descriptors among which one is looked for

cdef struct procdesc_t:
    uint32_t state
    int32_t pid
    uint64_t inode                      # of the pipe
    int32_t fd                          # where the descriptor was last
    child_t child                       # how it ended


# ------------------------------------------------------------------ the parent's list

cdef procdesc_t *procdesc_find(process_t *proc, int64_t pid) noexcept nogil:
    cdef procdesc_t *list_ = <procdesc_t *> proc.own.procdescs
    cdef int i
    if list_ == NULL:
        return NULL
    for i in range(PROCDESCS):
        if list_[i].pid == pid and list_[i].state != PROCDESC_FREE:
            return &list_[i]
    return NULL


cdef bint procdesc_is_held(procdesc_t *entry) noexcept nogil:
    """Whether this process has the descriptor still, by whatever number."""
    cdef linux_statx sx
    cdef int fd
    if procdesc_look(entry.fd, &sx) == entry.pid and sx.stx_ino == entry.inode:
        return True
    for fd in range(PROCDESC_SEARCH):
        if procdesc_look(fd, &sx) == entry.pid and sx.stx_ino == entry.inode:
            entry.fd = fd
            return True
    return False


cdef bint procdesc_take(procdesc_t *entry) noexcept nogil:
    """Reap the child, if it is dead, into the list. (Also in the handler of a signal: no lock.) True where it has been."""
    cdef linux_siginfo info
    memset(&info, 0, sizeof(info))
    if atomic_cas32(&entry.state, PROCDESC_LIVE, PROCDESC_TAKING) != PROCDESC_LIVE:
        return entry.state == PROCDESC_ENDED
    if linux_syscall5(LINUX_SYS_waitid, LINUX_P_PID, <uint64_t> entry.pid, <uint64_t> &info,
                      LINUX_WEXITED | LINUX_WNOHANG | LINUX___WALL, <uint64_t> &entry.child.usage) != 0 \
            or info.fields.child.pid == 0:
        atomic_store32(&entry.state, PROCDESC_LIVE)
        return False
    child_from_info(&entry.child, &info)
    atomic_store32(&entry.state, PROCDESC_ENDED)
    return True


cdef bint procdesc_is_over(process_t *proc, int pid) noexcept nogil:
    """A child with a descriptor that has ended: no wait but one for its number finds it (proc_to_reap)."""
    cdef procdesc_t *entry = procdesc_find(proc, pid)
    return entry != NULL and entry.state != PROCDESC_CLONE and (entry.state != PROCDESC_LIVE or process_is_over(pid))


cdef void procdesc_let_go(procdesc_t *entry) noexcept nogil:
    """Reap it if it is dead and this process has closed its descriptor: nobody will ask for it (FreeBSD: init reaps it)."""
    if (entry.state == PROCDESC_LIVE or entry.state == PROCDESC_ENDED) and not procdesc_is_held(entry) \
            and procdesc_take(entry):
        atomic_store32(&entry.state, PROCDESC_FREE)


cdef void procdesc_sweep(process_t *proc) noexcept nogil:
    cdef procdesc_t *list_ = <procdesc_t *> proc.own.procdescs
    cdef int i
    if list_ == NULL:
        return
    for i in range(PROCDESCS):
        procdesc_let_go(&list_[i])


cdef void procdesc_note(process_t *proc, int pid, uint32_t state, int fd) noexcept nogil:
    """A child that waits treat apart. Where the list is full it is treated as others are."""
    cdef procdesc_t *entry = procdesc_find(proc, pid)
    cdef linux_statx sx
    cdef procdesc_t *list_
    cdef int i
    if proc.own.procdescs == NULL:
        proc.own.procdescs = <void *> map_memory(page_up(PROCDESCS * sizeof(procdesc_t)))
    list_ = <procdesc_t *> proc.own.procdescs
    if list_ == NULL:
        return
    for i in range(PROCDESCS):
        if entry != NULL:
            break
        if list_[i].state == PROCDESC_FREE:
            entry = &list_[i]
    for i in range(PROCDESCS):
        if entry != NULL:
            break
        if list_[i].state == PROCDESC_WAITED:
            entry = &list_[i]
    if entry == NULL:
        return
    memset(entry, 0, sizeof(procdesc_t))
    entry.pid = pid
    entry.fd = fd
    if fd >= 0 and procdesc_look(fd, &sx) > 0:
        entry.inode = sx.stx_ino
    atomic_store32(&entry.state, state)


cdef bint procdesc_swallow(process_t *proc, linux_siginfo *info) noexcept nogil:
    """A SIGCHLD has come: True where it is of a child with a descriptor, whose parent gets none. Linux may have merged the
    one of another child with it, which then takes its place."""
    cdef procdesc_t *entry = procdesc_find(proc, info.fields.child.pid)
    cdef linux_siginfo other
    if entry == NULL or entry.state == PROCDESC_CLONE or entry.state == PROCDESC_WAITED:
        return False
    procdesc_take(entry)
    while True:
        memset(&other, 0, sizeof(other))
        if linux_syscall5(LINUX_SYS_waitid, LINUX_P_ALL, 0, <uint64_t> &other,
                          LINUX_WEXITED | LINUX_WNOHANG | LINUX_WNOWAIT, 0) != 0 \
                or other.fields.child.pid == 0:
            return True
        entry = procdesc_find(proc, other.fields.child.pid)
        if entry == NULL or not procdesc_take(entry):
            memcpy(info, &other, sizeof(other))
            return False


cdef bint procdesc_pass_over(process_t *proc, linux_siginfo *info) noexcept nogil:
    """A wait for any child has found this one: True where only its number finds it. It is out of the way then."""
    cdef procdesc_t *entry = procdesc_find(proc, info.fields.child.pid)
    cdef linux_siginfo state
    if entry == NULL or entry.state == PROCDESC_CLONE or entry.state == PROCDESC_WAITED:
        return False
    if info.si_code == LINUX_CLD_STOPPED or info.si_code == LINUX_CLD_CONTINUED or info.si_code == LINUX_CLD_TRAPPED:
        linux_syscall5(LINUX_SYS_waitid, LINUX_P_PID, <uint64_t> entry.pid, <uint64_t> &state,
                       LINUX_WSTOPPED | LINUX_WCONTINUED | LINUX_WNOHANG | LINUX___WALL, 0)
        return True
    procdesc_take(entry)
    return True


cdef long procdesc_wait(process_t *proc, procdesc_t *entry, long options, child_t *child) noexcept nogil:
    """wait_child for one of the list: 0, with child.pid 0 where WNOHANG found nothing, or an error."""
    cdef linux_siginfo info
    cdef long result
    if not procdesc_is_held(entry):
        procdesc_let_go(entry)
        return -LINUX_ECHILD                  # it is init's child now
    while True:
        if entry.state == PROCDESC_ENDED:
            if not options & LINUX_WEXITED:
                return -LINUX_ECHILD
            memcpy(child, &entry.child, sizeof(child_t))
            if not options & LINUX_WNOWAIT:
                atomic_store32(&entry.state, PROCDESC_WAITED)
            return 0
        if options & LINUX_WEXITED and procdesc_hung_up(entry.fd):
            wait_for_zombie(entry.pid)  # it has closed its files, and is a zombie in a moment
        memset(&info, 0, sizeof(info))
        result = waitid_carried(proc, LINUX_P_PID, entry.pid, &info, options | LINUX___WALL, &child.usage)
        if result == -LINUX_ECHILD and entry.state == PROCDESC_ENDED:
            continue                    # a signal's handler took it meanwhile
        if is_error(result):
            return result
        child_from_info(child, &info)
        if child.pid != 0 and not options & LINUX_WNOWAIT \
                and (child.code == LINUX_CLD_EXITED or child.code == LINUX_CLD_KILLED
                                                               or child.code == LINUX_CLD_DUMPED):
            memcpy(&entry.child, child, sizeof(child_t))
            atomic_store32(&entry.state, PROCDESC_WAITED)
        return 0


cdef bint procdesc_status(process_t *proc, int64_t pid, int32_t *status) noexcept nogil:
    """FreeBSD's status word of a child that has been reaped; False where it has not been here."""
    cdef procdesc_t *entry = procdesc_find(proc, pid)
    if entry == NULL or (entry.state != PROCDESC_ENDED and entry.state != PROCDESC_WAITED):
        return False
    status[0] = wait_status(&entry.child)
    return True


# ------------------------------------------------------------------ the calls

cdef void procdesc_begin(process_t *proc, int fd, bint daemon) noexcept nogil:
    """In the child of pdfork: keep the writing end, and die with the last reader."""
    proc.life_fd = hide_descriptor(fd, False)
    procdesc_arm(proc, proc.life_fd, daemon)


cdef void procdesc_arm(process_t *proc, int fd, bint daemon) noexcept nogil:
    """Have Linux kill this process when the pipe of this writing end has no reader any more."""
    cdef uint64_t pid = <uint64_t> proc.pid
    if daemon:
        return
    linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETOWN, pid)
    linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETSIG, LINUX_SIGKILL)
    linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFL, LINUX_O_ASYNC | LINUX_O_NONBLOCK)
    if procdesc_hung_up(fd):
        linux_syscall2(LINUX_SYS_kill, pid, LINUX_SIGKILL)        # it was closed before Linux knew whom to kill


cdef void procdesc_end(process_t *proc) noexcept nogil:
    """In a child of a process with a descriptor: it has none itself."""
    if proc.life_fd >= 0 and not proc.own.files_shared:
        linux_syscall1(LINUX_SYS_close, proc.life_fd)
        proc.life_fd = -1


cdef void procdesc_after_fork(process_t *proc, area_t *area) noexcept nogil:
    """The child of a fork: nor does it hold the pipe of another thread's pdfork, which it would keep from hanging up."""
    procdesc_end(proc)
    if proc.own.procdesc_maker != 0 and proc.own.procdesc_maker != area.index + 1 and not proc.own.files_shared:
        linux_syscall1(LINUX_SYS_close, proc.own.procdesc_making)
    proc.own.procdesc_maker = 0
    proc.own.procdesc_holder = 0
    proc.own.procdescs = NULL               # the children are the parent's


cdef long procdesc_pipe(process_t *proc, area_t *area, int *ends) noexcept nogil:
    """The pipe of a pdfork, of which there is one at a time: 0 or an error. fork takes lock_thread: no other thread's is
    made between the pipe and the note."""
    cdef long result
    while atomic_cas32(&proc.own.procdesc_maker, 0, area.index + 1) != 0:
        linux_syscall0(LINUX_SYS_sched_yield)
    lock_acquire(&proc.own.lock_thread)
    result = linux_syscall2(LINUX_SYS_pipe2, <uint64_t> ends, LINUX_O_CLOEXEC | LINUX_O_NONBLOCK)
    proc.own.procdesc_making = ends[1]
    if is_error(result):
        atomic_store32(&proc.own.procdesc_maker, 0)
    lock_release(&proc.own.lock_thread)
    return result


cdef void procdesc_made(process_t *proc, int end) noexcept nogil:
    """In the parent: the writing end is the child's alone."""
    lock_acquire(&proc.own.lock_thread)
    linux_syscall1(LINUX_SYS_close, end)
    atomic_store32(&proc.own.procdesc_maker, 0)
    lock_release(&proc.own.lock_thread)


cdef void procdesc_describe(int fd, int pid) noexcept nogil:
    """In the parent: write on the pipe what it stands for."""
    cdef linux_timespec times[2]
    linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_REALTIME, <uint64_t> &times[0])
    times[1].tv_sec = pid
    times[1].tv_nsec = PROCDESC_MARK
    linux_syscall4(LINUX_SYS_utimensat, fd, 0, <uint64_t> times, 0)
    linux_syscall2(LINUX_SYS_fchmod, fd, PROCDESC_MODE & 0o777)
    linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETOWN, <uint64_t> pid)


cdef public long sys_pdfork(frame_t *frame, area_t *area) noexcept nogil:
    """fork that also gives a process descriptor."""
    return procdesc_fork(frame, area)


cdef public long pdrfork_other(frame_t *frame, area_t *area) noexcept nogil:
    """The same with rfork's flags, of which two are needed: those that LSF knows make a process with copies of everything, with its
    parent's descriptors, or with none.
    (RFSPAWN alone, which is a vfork, has left for there: calls.S.)"""
    cdef uint32_t flags = <uint32_t> frame.arg[2]
    cdef long result
    if flags & ~<uint32_t> (FREEBSD_RFFDG | FREEBSD_RFCFDG) != FREEBSD_RFPROC | FREEBSD_RFPROCDESC \
            or flags & (FREEBSD_RFFDG | FREEBSD_RFCFDG) == FREEBSD_RFFDG | FREEBSD_RFCFDG:
        return -LINUX_EINVAL
    if not flags & (FREEBSD_RFFDG | FREEBSD_RFCFDG):
        return procdesc_share(frame, area)
    result = procdesc_fork(frame, area)
    if result == 0 and flags & FREEBSD_RFCFDG:
        close_visible(area.proc, 0, 0xffffffffUL, 0)
    return result


cdef long procdesc_spawn_begin(frame_t *frame, area_t *area) noexcept nogil:
    """Before the vfork of a pdrfork: its pipe, both ends of which stand in the area until the parent goes on. 0 or an error."""
    cdef int ends[2]
    cdef long result
    if <uint32_t> frame.arg[1] & ~<uint32_t> (FREEBSD_PD_DAEMON | FREEBSD_PD_CLOEXEC):
        return -LINUX_EINVAL
    procdesc_sweep(area.proc)
    result = procdesc_pipe(area.proc, area, ends)
    if is_error(result):
        return result
    area.own.procdesc_ends[0] = ends[0]
    area.own.procdesc_ends[1] = ends[1]
    return 0


cdef void procdesc_spawn_child(frame_t *frame, area_t *area) noexcept nogil:
    """In the child, which has descriptors and a process state of its own."""
    linux_syscall1(LINUX_SYS_close, area.own.procdesc_ends[0])
    procdesc_begin(area.proc, area.own.procdesc_ends[1], <uint32_t> frame.arg[1] & FREEBSD_PD_DAEMON != 0)


cdef long procdesc_spawn_end(frame_t *frame, area_t *area, long result) noexcept nogil:
    """In the parent, when the child has executed a program or is gone, or was never made: what pdrfork returns."""
    procdesc_made(area.proc, area.own.procdesc_ends[1])
    if is_error(result):
        linux_syscall1(LINUX_SYS_close, area.own.procdesc_ends[0])
        return result
    return procdesc_give(area, frame.arg[0], <uint32_t> frame.arg[1], area.own.procdesc_ends[0], <int> result)


cdef public long sys_pdwait(frame_t *frame, area_t *area) noexcept nogil:
    """wait6 for the process of a descriptor (kern_pdwait): 0 in the place of its number, EWOULDBLOCK where WNOHANG found nothing, ESRCH for
    a process that was waited for, EINVAL for what is no such descriptor."""
    cdef uint64_t saved[6]
    cdef long pid, result
    pid = -LINUX_EBADF if descriptor_is_hidden(area.proc, <int> frame.arg[0]) else procdesc_process(<int> frame.arg[0])
    if pid < 0:
        return -LINUX_EINVAL if ioctl_check(area.proc, <int> frame.arg[0]) == 0 else pid
    memcpy(saved, frame.arg, sizeof(saved))
    frame.arg[0] = FREEBSD_P_PID
    frame.arg[1] = <uint64_t> pid
    frame.arg[2] = saved[1]
    frame.arg[3] = saved[2]
    frame.arg[4] = saved[3]
    frame.arg[5] = saved[4]
    result = sys_wait6(frame, area)
    memcpy(frame.arg, saved, sizeof(saved))
    if result == 0:
        return -LINUX_EAGAIN
    return 0 if result > 0 else -LINUX_ESRCH if result == -LINUX_ECHILD else result


cdef void procdesc_quiet(area_t *area, int pid) noexcept nogil:
    """The child may have ended before it was noted; then its SIGCHLD waits for the end of this call."""
    cdef linux_siginfo *info = <linux_siginfo *> area.info
    if area.deferred == LINUX_SIGCHLD and info.si_code > 0 and info.fields.child.pid == pid and procdesc_swallow(area.proc, info):
        area.deferred = 0
        set_linux_mask(area)


cdef long procdesc_give(area_t *area, uaddr out, uint32_t flags, int fd, int pid) noexcept nogil:
    """In the parent: the reading end is the descriptor of its child, whose number is the call's result."""
    procdesc_describe(fd, pid)
    procdesc_note(area.proc, pid, PROCDESC_LIVE, fd)
    procdesc_quiet(area, pid)
    if not flags & FREEBSD_PD_CLOEXEC:
        linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFD, 0)
    return -LINUX_EFAULT if store_guest32(out, fd) < 0 else pid


cdef long procdesc_fork(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef uint32_t flags = <uint32_t> frame.arg[1]
    cdef int ends[2]
    cdef uaddr out = frame.arg[0]
    cdef long result
    if flags & ~<uint32_t> (FREEBSD_PD_DAEMON | FREEBSD_PD_CLOEXEC):
        return -LINUX_EINVAL
    procdesc_sweep(proc)
    result = procdesc_pipe(proc, area, ends)
    if is_error(result):
        return result
    result = fork_with(frame, area, 0)
    if result == 0:
        linux_syscall1(LINUX_SYS_close, ends[0])
        procdesc_begin(proc, ends[1], flags & FREEBSD_PD_DAEMON != 0)
        return 0
    procdesc_made(proc, ends[1])
    if is_error(result):
        linux_syscall1(LINUX_SYS_close, ends[0])
        return result
    return procdesc_give(area, out, flags, ends[0], <int> result)


cdef public long sys_pdgetpid(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef long pid = -LINUX_EBADF if descriptor_is_hidden(area.proc, fd) else procdesc_process(fd)
    return pid if pid < 0 else store_guest32(frame.arg[1], <uint32_t> pid)


cdef public long sys_pdkill(frame_t *frame, area_t *area) noexcept nogil:
    """A number may be another process's by now; its pidfd, opened before the pipe's owner is asked, is not."""
    cdef linux_siginfo info
    cdef linux_siginfo *carried = NULL
    cdef procdesc_t *entry
    cdef int fd = <int> frame.arg[0], status = 0
    cdef int linux = LINUX_CARRIER if is_carried(<int> frame.arg[1]) else linux_signal_number(frame.arg[1])
    cdef long pid, pidfd, result = -LINUX_ESRCH
    if linux < 0:
        return -LINUX_EINVAL
    pid = -LINUX_EBADF if descriptor_is_hidden(area.proc, fd) else procdesc_process(fd)
    if pid < 0:
        return pid
    if linux == LINUX_CARRIER:
        carrier_info(area, &info, <int> frame.arg[1], FREEBSD_SI_KERNEL, 0)
        info.fields.kill.pid = 0
        info.fields.kill.uid = 0
        carried = &info
    elif linux and queued_number(area, <int> pid, <int> frame.arg[1]) != linux:
        memset(&info, 0, 128)
        linux = lsf_signal_queued[<int> frame.arg[1]]
        info.si_signo = linux
        info.si_errno = RESENT_MAGIC | LINUX_SI_KERNEL  # kern_psignal tells of no sender
        info.si_code = -1
        carried = &info
    pidfd = linux_syscall2(LINUX_SYS_pidfd_open, <uint64_t> pid, 0)
    if not is_error(pidfd):
        if linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETOWN) == pid:
            result = linux_syscall4(LINUX_SYS_pidfd_send_signal, pidfd, linux, <uint64_t> carried, 0)
        linux_syscall1(LINUX_SYS_close, pidfd)
    elif pidfd != -LINUX_ESRCH and pidfd != -LINUX_EINVAL:
        result = pidfd
    if result == -LINUX_ESRCH:
        entry = procdesc_find(area.proc, pid)
        if entry != NULL and entry.state == PROCDESC_ENDED:
            return 0                    # a zombie still, as FreeBSD sees it
    return result

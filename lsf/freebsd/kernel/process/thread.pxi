# The calls of libthr on threads. What makes and ends one is in thr_new.pxi. Model: FreeBSD sys/kern/kern_thr.c.


cdef bint thread_is_last(area_t *self) noexcept nogil:
    """True where every other thread of this process is gone or on its way out. Under lock_thread."""
    cdef area_t *other = NULL
    while (other := area_next(self.proc, other)) != NULL:
        if other != self and not other.own.exiting:
            return False
    return True


cdef inline bint is_signal_argument(uint64_t signo) noexcept nogil:
    """0 or a signal."""
    return 0 <= <int> signo <= SIGNAL_MAX


cdef long thread_signal(area_t *area, int64_t id_, uint64_t signo) noexcept nogil:
    """Send a signal to a thread of this process, by number: 0, -ESRCH, or -EINVAL for no signal."""
    cdef process_t *proc = area.proc
    cdef int number
    if id_ <= 0 or id_ > INT_MAX:
        return -LINUX_ESRCH
    # sig 0 asks Linux whether the thread lives; that comes before the check of the signal, as in FreeBSD.
    if not is_signal_argument(signo):
        return -LINUX_ESRCH if linux_syscall3(LINUX_SYS_tgkill, proc.pid, id_, 0) == -LINUX_ESRCH else -LINUX_EINVAL
    number = <int> signo                # the upper half of the register is anything
    if debug_stops(area, proc.pid, id_, number):
        return 0
    if event_wants_signal(proc, number) and lsf_signal_to_linux[number]:
        return signal_counted(proc, number, LINUX_SYS_tgkill, proc.pid, <uint64_t> id_, queued_self(area, number), 0)
    if number == 0 or lsf_signal_to_linux[number]:
        return tail_syscall3(area, LINUX_SYS_tgkill, proc.pid, id_, queued_self(area, number) if number else 0)
    return signal_thread(area, proc.pid, <int> id_, <int> signo)


cdef long signal_own_thread(area_t *area, int tid, int signo) noexcept nogil:
    """signal_thread for a thread of this process."""
    cdef process_t *proc = area.proc
    if debug_stops(area, proc.pid, tid, signo):
        return 0
    if event_wants_signal(proc, signo) and lsf_signal_to_linux[signo]:
        return signal_counted(proc, signo, LINUX_SYS_tgkill, proc.pid, tid, queued_self(area, signo), 0)
    return signal_thread(area, proc.pid, tid, signo)


cdef long thread_signal_others(process_t *proc, area_t *self, uint64_t signo) noexcept nogil:
    """Send a signal to every thread but the caller: -ESRCH where there is no other."""
    cdef long result = -LINUX_ESRCH
    cdef area_t *area = NULL
    if not is_signal_argument(signo):
        return -LINUX_EINVAL
    while (area := area_next(proc, area)) != NULL:
        if area == self or area.tid == 0:
            continue
        if signal_own_thread(self, area.tid, <int> signo) == 0:
            result = 0
            if <int> signo == 0:
                break
    return result


cdef public long sys_thr_kill(frame_t *frame, area_t *area) noexcept nogil:
    if <int64_t> frame.arg[0] == -1:
        return thread_signal_others(area.proc, area, frame.arg[1])
    return thread_signal(area, <int64_t> frame.arg[0], frame.arg[1])


cdef public long sys_thr_kill2(frame_t *frame, area_t *area) noexcept nogil:
    """thr_kill in a process that is named. Its threads are Linux's, so a Linux process is as good."""
    cdef int pid = <int> frame.arg[0]
    cdef int64_t id_ = <int64_t> frame.arg[1]
    cdef long result
    if pid == area.proc.pid and id_ == -1:
        return thread_signal_others(area.proc, area, frame.arg[2])
    if pid <= 0:
        return -LINUX_ESRCH
    if id_ == -1:
        result = linux_syscall2(LINUX_SYS_kill, pid, 0)
        if result < 0:
            return result
        if not is_signal_argument(frame.arg[2]):
            return -LINUX_EINVAL
        return threads_signal(area, pid, <int> frame.arg[2])
    if id_ <= 0 or id_ > INT_MAX:
        return -LINUX_ESRCH
    if not is_signal_argument(frame.arg[2]):
        result = linux_syscall3(LINUX_SYS_tgkill, pid, id_, 0)
        return result if result < 0 else -LINUX_EINVAL
    if pid == area.proc.pid:
        return signal_own_thread(area, <int> id_, <int> frame.arg[2])
    if debug_stops(area, pid, 0, <int> frame.arg[2]):
        return 0
    return signal_thread(area, pid, <int> id_, <int> frame.arg[2])


cdef long threads_signal(area_t *area, int pid, int signo) noexcept nogil:
    """Send a signal to each thread of another process, by its list in /proc; without one, to its first thread."""
    cdef char path[64]
    cdef proc_walk_t walk
    cdef long result = -LINUX_ESRCH
    cdef int tid
    proc_path(path, sizeof(path), pid, b"task")
    if walk_begin(&walk, path) < 0:
        return signal_thread(area, pid, pid, signo)
    tid = walk_next(&walk)
    while tid >= 0:
        if signal_thread(area, pid, tid, signo) == 0:
            result = 0
        tid = walk_next(&walk)
    return result


cdef public long sys_thr_set_name(frame_t *frame, area_t *area) noexcept nogil:
    """Name a thread of this process. Linux keeps the first 15 characters. The first thread's Linux name is the
    command's, which thr_set_name does not change on FreeBSD: its name is kept by the shim alone."""
    cdef char name[FREEBSD_MAXCOMLEN + 1]
    cdef char path[64]
    cdef area_t *thread
    cdef uint64_t at
    cdef long result = 0, fd
    memset(name, 0, sizeof(name))
    if frame.arg[1] != 0:
        result = copyinstr(frame.arg[1], name, FREEBSD_MAXCOMLEN + 1, NULL)
        if result == -LINUX_ENAMETOOLONG:
            name[FREEBSD_MAXCOMLEN] = 0
        elif result < 0:
            return result
    thread = thread_find(area.proc, <int64_t> frame.arg[0])
    if thread == NULL:
        return -LINUX_ESRCH
    memcpy(thread.own.name, name, FREEBSD_MAXCOMLEN + 1)
    if thread.tid == area.proc.pid:
        return 0
    if thread == area:
        linux_syscall2(LINUX_SYS_prctl, LINUX_PR_SET_NAME, <uint64_t> name)
        return 0
    at = append(path, 0, 64, b"/proc/self/task/")
    at = append_number(path, at, 64, <uint64_t> thread.tid, 10)
    append(path, at, 64, b"/comm")
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, LINUX_O_WRONLY | LINUX_O_CLOEXEC, 0)
    if fd >= 0:
        linux_syscall3(LINUX_SYS_write, fd, <uint64_t> name, string_length(name))
        linux_syscall1(LINUX_SYS_close, fd)
    return 0


cdef public long sys_thr_suspend(frame_t *frame, area_t *area) noexcept nogil:
    """Sleep until thr_wake names this thread; one that came before counts."""
    cdef freebsd_timespec timeout
    cdef deadline_t deadline
    cdef long result
    deadline.kind = DEADLINE_NONE
    if frame.arg[0] != 0:
        if copyin(frame.arg[0], &timeout, sizeof(timeout)) < 0:
            return -LINUX_EFAULT
        if not timespec_is_interval(&timeout):
            return -LINUX_EINVAL
        deadline_set(area.proc, &deadline, &timeout, FREEBSD_CLOCK_MONOTONIC, False)
    if area.woken == WOKEN_PENDING:
        wake_over(area, 0)
        return 0
    while atomic_swap32(&area.own.wakeup, 0) == 0:
        result = umtx_sleep(area.proc, <uint64_t> &area.own.wakeup, 0, False, FUTEX_ANY, &deadline)
        if result < 0 and result != -LINUX_EAGAIN:
            if atomic_swap32(&area.own.wakeup, 0) != 0:
                return 0
            return result if deadline.kind != DEADLINE_NONE else restartable(result)
    return 0


cdef public long sys_thr_wake(frame_t *frame, area_t *area) noexcept nogil:
    """End another thread's thr_suspend, or the next sleep of this thread (wake.pxi)."""
    cdef area_t *thread
    if <int64_t> frame.arg[0] == area.tid:
        wake_set(area)
        return 0
    thread = thread_find(area.proc, <int> frame.arg[0])
    if thread == NULL:
        return -LINUX_ESRCH
    atomic_store32(&thread.own.wakeup, 1)
    umtx_wake(<uint64_t> &thread.own.wakeup, 1, False, FUTEX_ANY)
    return 0

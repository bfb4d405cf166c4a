# wait6(2): children by session, user, group or jail, which Linux cannot wait for; and what the child's own children used.
# Model: FreeBSD sys/kern/kern_exit.c (kern_wait6, proc_to_reap).

cdef enum:
    WAIT_MOST = 128                 # children that a wait looks at
    WAIT_AGAIN = 20                 # milliseconds until a stopped child is looked for once more: a pidfd tells of the end alone


cdef int64_t status_id(int pid, const char *name) noexcept nogil:
    """The effective id of a process, the second in a line of /proc/PID/status; -1 where it cannot be read."""
    cdef char text[2048]
    if proc_read(pid, b"status", text, sizeof(text)) <= 0 or find_text(text, name) == NULL:
        return -1
    return <int64_t> status_number(text, name, 1, 10)


cdef bint child_is_of(int idtype, int64_t id_, int pid) noexcept nogil:
    """True for a child, a zombie too, that a kind of wait6(2) means."""
    if idtype == FREEBSD_P_SID:
        return linux_syscall1(LINUX_SYS_getsid, <uint64_t> pid) == <int> id_
    if idtype == FREEBSD_P_UID:
        return status_id(pid, b"Uid:") == <int64_t> <uint32_t> id_
    if idtype == FREEBSD_P_GID:
        return status_id(pid, b"Gid:") == <int64_t> <uint32_t> id_
    return idtype == FREEBSD_P_JAILID and <int> id_ == 0        # nobody is in a jail


cdef long wait_for_one_of(const int32_t *pids, int count, bint ends_alone) noexcept nogil:
    """Sleep until one of these children has ended, or for a while where more than its end is asked for: 0 or -EINTR."""
    cdef linux_pollfd fds[WAIT_MOST]
    cdef linux_timespec again
    cdef int n = 0, i
    cdef long fd, result
    again.tv_sec = 0
    again.tv_nsec = WAIT_AGAIN * 1000000
    for i in range(count):
        fd = linux_syscall2(LINUX_SYS_pidfd_open, <uint64_t> pids[i], 0)
        if not is_error(fd):
            fds[n].fd = <int> fd
            fds[n].events = LINUX_POLLIN
            n += 1
    result = blocking_syscall(LINUX_SYS_ppoll, <uint64_t> fds, n, 0 if ends_alone and n == count else <uint64_t> &again, 0, 0, 0)
    for i in range(n):
        linux_syscall1(LINUX_SYS_close, fds[i].fd)
    return -LINUX_EINTR if result == -LINUX_EINTR else 0


cdef long wait_by_kind(process_t *proc, int idtype, int64_t id_, long options, child_t *child, int *seen) noexcept nogil:
    """wait_child for a kind that Linux has not; seen: a child that it was about. As there: 0, with child.pid 0 for WNOHANG."""
    cdef int32_t all_[WAIT_MOST]
    cdef int32_t pids[WAIT_MOST]
    cdef int i, count
    cdef long result
    while True:
        count = 0
        for i in range(children_of(proc, all_, WAIT_MOST)):
            if not child_is_of(idtype, id_, all_[i]):
                continue
            result = wait_child(proc, LINUX_P_PID, all_[i], options | LINUX_WNOHANG, child)
            if result == 0 and child.pid != 0:
                return 0
            if result == 0:
                pids[count] = all_[i]
                count += 1
        if count == 0:
            return -LINUX_ECHILD
        seen[0] = pids[0]
        if options & LINUX_WNOHANG:
            return 0
        result = wait_for_one_of(pids, count, not options & (LINUX_WSTOPPED | LINUX_WCONTINUED))
        if result < 0:
            return result


cdef void usage_of_children(int pid, freebsd_rusage *usage) noexcept nogil:
    """What the children used that a child has waited for: their times, in hundredths of a second, and faults."""
    cdef proc_stat_t stat
    if proc_stat(pid, &stat) < 0:
        return
    ticks_to_timeval(stat.cutime, &usage.ru_utime)
    ticks_to_timeval(stat.cstime, &usage.ru_stime)
    usage.ru_minflt = stat.cminflt
    usage.ru_majflt = stat.cmajflt


cdef long wait_kind(process_t *proc, int idtype, int64_t id_, long options, child_t *child, int *seen) noexcept nogil:
    """wait_child by FreeBSD's idtype; -ECHILD for one of which no child is."""
    cdef int linux = freebsd_to_linux_idtype(idtype)
    if linux < 0:
        return wait_by_kind(proc, idtype, id_, options, child, seen)
    if <int> id_ == 0 and (linux == LINUX_P_PID or linux == LINUX_P_PGID):
        linux = LINUX_P_PGID
        id_ = linux_syscall1(LINUX_SYS_getpgid, 0)
    return wait_child(proc, linux, id_, options, child)


cdef long wait_with_usage(process_t *proc, int idtype, int64_t id_, long options, child_t *child, int *seen,
                          freebsd_wrusage *usage) noexcept nogil:
    """wait_kind, and what the child and its children used. A zombie's /proc is gone once it is waited for: it is looked at first."""
    cdef long result
    memset(usage, 0, sizeof(freebsd_wrusage))
    while True:
        memset(child, 0, sizeof(child_t))
        result = wait_kind(proc, idtype, id_, options | LINUX_WNOWAIT, child, seen)
        if result < 0 or child.pid == 0:
            return result
        usage_of_children(child.pid, &usage.wru_children)
        if not options & LINUX_WNOWAIT:
            result = wait_child(proc, LINUX_P_PID, child.pid, options | LINUX_WNOHANG, child)
            if result == -LINUX_ECHILD or (result == 0 and child.pid == 0):
                continue                # another thread took it
        if result == 0:
            memcpy(&usage.wru_self, &child.usage, sizeof(freebsd_rusage))
        return result


cdef public long sys_wait6(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef child_t child
    cdef freebsd_wrusage usage
    cdef freebsd_siginfo info
    cdef int idtype = <int> frame.arg[0], seen = 0
    cdef int64_t id_ = <int64_t> frame.arg[1]
    cdef uint32_t word = <uint32_t> frame.arg[3]
    cdef long options = freebsd_to_linux_wait_options(word)
    cdef long result
    if options < 0 or word & (FREEBSD_WEXITED | FREEBSD_WUNTRACED | FREEBSD_WCONTINUED | FREEBSD_WTRAPPED) == 0:
        return -LINUX_EINVAL
    if options & (FREEBSD_WUNTRACED | 4 | 8) == 0:
        options |= FREEBSD_WUNTRACED    # WTRAPPED alone
    if word & FREEBSD_WTRAPPED:
        options |= WAIT_TRAPPED
    memset(&child, 0, sizeof(child))
    if frame.arg[4] != 0:
        result = wait_with_usage(proc, idtype, id_, options, &child, &seen, &usage)
    else:
        result = wait_kind(proc, idtype, id_, options, &child, &seen)
    if result < 0:
        return restartable(result)
    if child.pid != 0:
        if frame.arg[2] != 0 and store_guest32(frame.arg[2], wait_status(&child)) < 0:
            return -LINUX_EFAULT
        if frame.arg[4] != 0 and copyout(&usage, frame.arg[4], sizeof(usage)) < 0:
            return -LINUX_EFAULT
    if frame.arg[5] != 0:
        memset(&info, 0, sizeof(info))
        info.si_signo = FREEBSD_SIGCHLD
        if child.pid != 0:
            info.si_code = child.code
            info.si_pid = child.pid
            info.si_uid = child.uid
            info.si_status = child.status if child.code == LINUX_CLD_EXITED else child_signal(&child)
        else:
            # WNOHANG, and nothing to tell: proc_to_reap has filled it with what it looked at last.
            info.si_code = LINUX_CLD_EXITED
            info.si_pid = <int> id_ if idtype == FREEBSD_P_PID and <int> id_ != 0 else seen if seen else first_child()
            info.si_uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
        if copyout(&info, frame.arg[5], sizeof(info)) < 0:
            return -LINUX_EFAULT
    return child.pid

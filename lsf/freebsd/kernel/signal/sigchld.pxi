# SIGCHLD. On FreeBSD the signal of a child is queued by itself (p_ksi, sigparent in sys/kern/kern_sig.c): five children that end
# are five signals, and a wait takes away the one of its child (sigqueue_take in kern_exit.c). Linux keeps one of them while it is
# pending, and a wait takes nothing.
#
# So the zombies are the queue. A SIGCHLD that comes from Linux is looked at: has its child been waited for, it is forgotten;
# else its child is noted as told. From then on (child_check) the others, which Linux may have dropped, are looked for wherever the
# program could notice: when SIGCHLD is unblocked, waited for or asked about. Each zombie that was not told of is sent as
# Linux would have sent it, by the second number (queued.pxi), behind what is pending. A process whose handler waits for all
# its children pays one call for it, one that does not catch SIGCHLD nothing.
#
# What is not found again is the stop or the continuation of a child while the signal of another one is pending.
#
# Also in the handler of a signal, whatever it interrupts: no lock.

cdef enum:
    CHILDREN_TEXT = 512
    CHILDREN_SETTLED = 16
    CHILDREN_MOST = 512             # children that are looked at


cdef inline bint is_end_of_child(const linux_siginfo *info) noexcept nogil:
    return info.si_code == LINUX_CLD_EXITED or info.si_code == LINUX_CLD_KILLED or info.si_code == LINUX_CLD_DUMPED


cdef bint zombie_look(int idtype, int64_t pid, linux_siginfo *info) noexcept nogil:
    """A child that ended and was not waited for: any, or this one."""
    memset(info, 0, 128)
    return linux_syscall5(LINUX_SYS_waitid, idtype, <uint64_t> pid, <uint64_t> info,
                          LINUX_WEXITED | LINUX_WNOHANG | LINUX_WNOWAIT, 0) == 0 and info.fields.child.pid != 0


cdef int child_tell(process_t *proc, int pid) noexcept nogil:
    """Note that the program is told of the end of a child: 1, 0 where it was before, -1 where there is no room."""
    cdef uint32_t i, high = proc.own.told_high
    for i in range(high):
        if proc.last.told[i] == <uint32_t> pid:
            return 0
    for i in range(CHILDREN_TOLD):
        if proc.last.told[i] == 0 and atomic_cas32(&proc.last.told[i], 0, <uint32_t> pid) == 0:
            if i >= high:
                proc.own.told_high = i + 1
            return 1
    return -1


cdef void child_forget(process_t *proc, int pid) noexcept nogil:
    """A wait has taken a child that ended."""
    cdef uint32_t i, high = proc.own.told_high, left = 0
    cdef bint told = False
    for i in range(high):
        if proc.last.told[i] == <uint32_t> pid:
            proc.last.told[i] = 0
            told = True
        elif proc.last.told[i]:
            left = i + 1
    if high and left == 0:
        proc.own.told_high = 0
    if not told:
        proc.own.child_taken = 1        # its SIGCHLD may be pending


cdef void children_none(process_t *proc) noexcept nogil:
    """A new process has none."""
    proc.own.child_check = 0
    if proc.own.told_high:
        memset(proc.last.told, 0, sizeof(proc.last.told))
        proc.own.told_high = 0


cdef bint child_is_news(process_t *proc, const linux_siginfo *info, bint again) noexcept nogil:
    """A SIGCHLD is about to be shown to the program: False where it tells of a child that was waited for, or was told of.
    again: it was sent here (child_send, signal_resend)."""
    cdef linux_siginfo zombie
    if info.si_code <= 0 or not is_end_of_child(info):
        return True
    proc.own.child_check = 1
    if again or proc.own.child_taken or proc.handlers[FREEBSD_SIGCHLD].flags & FREEBSD_SA_NOCLDWAIT:
        if not again:
            proc.own.child_taken = 0    # Linux has one pending at most
        if not zombie_look(LINUX_P_PID, info.fields.child.pid, &zombie):
            return False
    return again or child_tell(proc, info.fields.child.pid) != 0


cdef void child_send(int pid, linux_siginfo *info) noexcept nogil:
    """Send a guest a SIGCHLD as Linux would have sent it, to be kept until it is taken."""
    info.si_signo = lsf_signal_queued[FREEBSD_SIGCHLD]
    if info.si_code > 0:
        info.si_errno = RESENT_MAGIC | info.si_code
        info.si_code = -1
    linux_syscall3(LINUX_SYS_rt_sigqueueinfo, <uint64_t> pid, info.si_signo, <uint64_t> info)


cdef void child_look(process_t *proc, int64_t pid) noexcept nogil:
    """Send what Linux has dropped for this child."""
    cdef linux_siginfo zombie
    if pid > 0 and zombie_look(LINUX_P_PID, pid, &zombie) and child_tell(proc, <int> pid) > 0:
        child_send(proc.pid, &zombie)


cdef int children_of_thread(int tid, int32_t *list_, int most) noexcept nogil:
    """The children that a thread of this process made, the oldest first; how many, 0 where Linux does not tell."""
    cdef char path[64]
    cdef char text[CHILDREN_TEXT]
    cdef uint64_t at = append(path, 0, sizeof(path), b"/proc/self/task/")
    cdef int32_t pid = 0
    cdef int count = 0
    cdef long fd, got, i
    at = append_number(path, at, sizeof(path), <uint64_t> tid, 10)
    append(path, at, sizeof(path), b"/children")
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, LINUX_O_RDONLY | LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return 0
    while True:
        got = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> text, sizeof(text))
        if is_error(got) or got == 0:
            break
        for i in range(got):
            if text[i] != c' ':
                pid = pid * 10 + (text[i] - c'0')
                continue
            if count < most:            # one stands behind each number
                list_[count] = pid
                count += 1
            pid = 0
    linux_syscall1(LINUX_SYS_close, fd)
    return count


cdef int children_of(process_t *proc, int32_t *list_, int most) noexcept nogil:
    """The children of this process."""
    cdef area_t *area = NULL
    cdef int count = 0
    while (area := area_next(proc, area)) != NULL:
        if area.tid > 0:
            count += children_of_thread(area.tid, &list_[count], most - count)
    return count


cdef void children_look(area_t *area) noexcept nogil:
    """Send what Linux has dropped, if it can have: from here on it is pending."""
    cdef process_t *proc = area.proc
    cdef linux_siginfo zombie
    cdef int32_t pids[CHILDREN_MOST]
    cdef int i
    if atomic_swap32(&proc.own.child_check, 0) == 0 or not zombie_look(LINUX_P_ALL, 0, &zombie):
        return
    child_look(proc, zombie.fields.child.pid)       # where there is no /proc, one after the other
    for i in range(children_of(proc, pids, CHILDREN_MOST)):
        child_look(proc, pids[i])


cdef inline void children_unblocked(area_t *area, const uint64_t *mask) noexcept nogil:
    """The thread is about to get this mask."""
    if area.proc.own.child_check and not mask_has(mask, FREEBSD_SIGCHLD):
        children_look(area)


cdef void children_settle(process_t *proc) noexcept nogil:
    """SIGCHLD is pending, blocked: what tells of nothing any more is taken out of the queue."""
    cdef linux_siginfo kept[CHILDREN_SETTLED]
    cdef linux_siginfo zombie
    cdef uint64_t set_ = linux_bits(FREEBSD_SIGCHLD)
    cdef uint64_t none[2]
    cdef int count = 0, i
    cdef bint again
    none[0] = 0
    none[1] = 0
    while count < CHILDREN_SETTLED and linux_syscall4(LINUX_SYS_rt_sigtimedwait, <uint64_t> &set_, <uint64_t> &kept[count],
                                                      <uint64_t> none, 8) > 0:
        again = kept[count].si_signo != LINUX_SIGCHLD
        queued_arrived(kept[count].si_signo, &kept[count])
        if child_is_news(proc, &kept[count], again):
            count += 1
    for i in range(count):
        child_send(proc.pid, &kept[i])

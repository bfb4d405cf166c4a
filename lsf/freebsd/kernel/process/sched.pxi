# Priorities and scheduling.
# Model: FreeBSD sys/kern/kern_resource.c (getpriority, donice, rtprio_thread), p1003_1b.c and ksched.c.

cdef enum:
    LINUX_NICE_MAX = 19

cdef struct freebsd_rtprio:
    uint16_t type, prio


cdef public long sys_getpriority(frame_t *frame, area_t *area) noexcept nogil:
    cdef int which = <int> frame.arg[0], who = <int> frame.arg[1]
    cdef long result
    if which < FREEBSD_PRIO_PROCESS or which > FREEBSD_PRIO_USER:
        return -LINUX_EINVAL
    result = linux_syscall2(LINUX_SYS_getpriority, which, who)
    if is_error(result):
        return result
    result = 20 - result            # Linux's call answers 1 to 40
    if result == LINUX_NICE_MAX and area.proc.own.nice_beyond and which == FREEBSD_PRIO_PROCESS \
            and (who == 0 or who == area.proc.pid):
        result = FREEBSD_PRIO_MAX
    return return_value(area, result)


cdef public long sys_setpriority(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD's priority is the process's; Linux's is each thread's, so all of this process are set."""
    cdef proc_walk_t walk
    cdef int which = <int> frame.arg[0], who = <int> frame.arg[1], priority = <int> frame.arg[2], tid
    cdef bint own = which == FREEBSD_PRIO_PROCESS and (who == 0 or who == area.proc.pid)
    cdef long result
    if which < FREEBSD_PRIO_PROCESS or which > FREEBSD_PRIO_USER:
        return -LINUX_EINVAL
    priority = FREEBSD_PRIO_MAX if priority > FREEBSD_PRIO_MAX else -20 if priority < -20 else priority
    if own:
        who = area.proc.pid
    result = linux_syscall3(LINUX_SYS_setpriority, which, who, <uint64_t> <int64_t> (
        LINUX_NICE_MAX if priority == FREEBSD_PRIO_MAX else priority))
    if is_error(result) or not own:
        return result
    area.proc.own.nice_beyond = priority == FREEBSD_PRIO_MAX
    if walk_begin(&walk, b"/proc/self/task") == 0:
        while True:
            tid = walk_next(&walk)
            if tid < 0:
                break
            linux_syscall3(LINUX_SYS_setpriority, FREEBSD_PRIO_PROCESS, tid, <uint64_t> <int64_t> (
                LINUX_NICE_MAX if priority == FREEBSD_PRIO_MAX else priority))
    return 0


# POSIX scheduling. FreeBSD's real-time priorities are 0 to 31, Linux's 1 to 99: one more is the same.


cdef long set_policy(int pid, int policy, int priority) noexcept nogil:
    cdef int linux_priority = 0, linux = freebsd_to_linux_sched_policy(policy)
    if linux < 0 or priority < 0:
        return -LINUX_EINVAL
    if policy == FREEBSD_SCHED_OTHER:
        if priority > timeshare_max():
            return -LINUX_EINVAL
    else:
        if priority > P1B_PRIO_MAX:
            return -LINUX_EINVAL
        linux_priority = priority + 1
    return linux_policy_set(pid, linux, linux_priority)


cdef public long sys_sched_getscheduler(frame_t *frame, area_t *area) noexcept nogil:
    cdef int priority = 0
    return policy_of(<int> frame.arg[0], &priority)


cdef public long sys_sched_getparam(frame_t *frame, area_t *area) noexcept nogil:
    cdef int priority = 0
    cdef long policy = policy_of(<int> frame.arg[0], &priority)
    return policy if policy < 0 else store_guest32(frame.arg[1], priority)


cdef public long sys_sched_setscheduler(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t priority = 0
    if linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM               # PRIV_SCHED_SETPOLICY, also for what lowers
    if fetch_guest32(frame.arg[2], &priority) < 0:
        return -LINUX_EFAULT
    return set_policy(<int> frame.arg[0], <int> frame.arg[1], <int> priority)


cdef public long sys_sched_setparam(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t priority = 0
    cdef int now = 0
    cdef long policy
    if fetch_guest32(frame.arg[1], &priority) < 0:
        return -LINUX_EFAULT
    policy = policy_of(<int> frame.arg[0], &now)
    return policy if policy < 0 else set_policy(<int> frame.arg[0], <int> policy, <int> priority)


cdef public long sys_sched_get_priority_max(frame_t *frame, area_t *area) noexcept nogil:
    cdef int policy = <int> frame.arg[0]
    if policy == FREEBSD_SCHED_FIFO or policy == FREEBSD_SCHED_RR:
        return P1B_PRIO_MAX
    return timeshare_max() if policy == FREEBSD_SCHED_OTHER else -LINUX_EINVAL


cdef public long sys_sched_get_priority_min(frame_t *frame, area_t *area) noexcept nogil:
    return 0 if FREEBSD_SCHED_FIFO <= <int> frame.arg[0] <= FREEBSD_SCHED_RR else -LINUX_EINVAL


cdef public long sys_sched_rr_get_interval(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec interval
    cdef long result = linux_syscall2(LINUX_SYS_sched_rr_get_interval, frame.arg[0], <uint64_t> &interval)
    if is_error(result):
        return result
    if interval.tv_sec == 0 and interval.tv_nsec == 0:
        interval.tv_nsec = 94488000     # kern.sched.quantum; Linux has none for some threads
    return copyout(&interval, frame.arg[1], sizeof(interval))


# rtprio: 0 is the highest priority.

cdef long rtprio_lookup(int pid, freebsd_rtprio *out) noexcept nogil:
    cdef int priority = 0
    cdef long policy = policy_of(pid, &priority)
    if policy < 0:
        return policy
    if policy == FREEBSD_SCHED_OTHER:
        if linux_policy_of(pid, &priority) == LINUX_SCHED_IDLE:
            out.type = FREEBSD_RTP_PRIO_IDLE
            out.prio = FREEBSD_RTP_PRIO_MAX
        else:
            out.type = FREEBSD_RTP_PRIO_NORMAL
            out.prio = TIMESHARE_NOW
        return 0
    out.type = FREEBSD_RTP_PRIO_FIFO if policy == FREEBSD_SCHED_FIFO else FREEBSD_RTP_PRIO_REALTIME
    out.prio = <uint16_t> (FREEBSD_RTP_PRIO_MAX - priority)
    return 0


cdef long rtprio_set(int pid, const freebsd_rtprio *wanted) noexcept nogil:
    cdef int priority = 0, policy
    if wanted.type == FREEBSD_RTP_PRIO_REALTIME or wanted.type == FREEBSD_RTP_PRIO_FIFO:
        if wanted.prio > FREEBSD_RTP_PRIO_MAX:
            return -LINUX_EINVAL
        priority = FREEBSD_RTP_PRIO_MAX - wanted.prio + 1
        policy = LINUX_SCHED_FIFO if wanted.type == FREEBSD_RTP_PRIO_FIFO else LINUX_SCHED_RR
    elif wanted.type == FREEBSD_RTP_PRIO_NORMAL:
        if wanted.prio > timeshare_max():
            return -LINUX_EINVAL
        policy = LINUX_SCHED_OTHER
    elif wanted.type == FREEBSD_RTP_PRIO_IDLE:
        if wanted.prio > FREEBSD_RTP_PRIO_MAX:
            return -LINUX_EINVAL
        policy = LINUX_SCHED_IDLE
    else:
        return -LINUX_EINVAL
    return linux_policy_set(pid, policy, priority)


cdef long rtprio_call(frame_t *frame) noexcept nogil:
    cdef freebsd_rtprio value
    cdef int function = <int> frame.arg[0], pid = <int> frame.arg[1]
    cdef long result
    if function == FREEBSD_RTP_LOOKUP:
        result = rtprio_lookup(pid, &value)
        return result if result < 0 else copyout(&value, frame.arg[2], sizeof(value))
    if function != FREEBSD_RTP_SET:
        return -LINUX_EINVAL
    if copyin(frame.arg[2], &value, sizeof(value)) < 0:
        return -LINUX_EFAULT
    return rtprio_set(pid, &value)


cdef public long sys_rtprio(frame_t *frame, area_t *area) noexcept nogil:
    """Of a process: its first thread on Linux, the calling one for 0."""
    return rtprio_call(frame)


cdef public long sys_rtprio_thread(frame_t *frame, area_t *area) noexcept nogil:
    return rtprio_call(frame)

# Priorities and scheduling.
# Model: FreeBSD sys/kern/kern_resource.c (getpriority, donice, rtprio_thread), p1003_1b.c and ksched.c.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_getpriority, SYS_setpriority, SYS_sched_setscheduler, SYS_sched_rr_get_interval
    const long SYS_sched_getscheduler, SYS_sched_getparam

cdef enum:
    PRIO_PROCESS = 0
    PRIO_USER = 2
    PRIO_MAX = 20                   # Linux: 19
    LINUX_PRIO_MAX = 19
    LINUX_SCHED_OTHER = 0
    LINUX_SCHED_FIFO = 1
    LINUX_SCHED_RR = 2
    LINUX_SCHED_BATCH = 3
    LINUX_SCHED_IDLE = 5
    P1B_PRIO_MAX = 31               # of SCHED_FIFO and SCHED_RR
    PRI_MAX_TIMESHARE = 223
    TIMESHARE_NOW = 32              # where an ordinary process stands in it: PUSER + nice 0
    RTP_PRIO_REALTIME = 2
    RTP_PRIO_NORMAL = 3
    RTP_PRIO_IDLE = 4
    RTP_PRIO_FIFO = 10
    RTP_PRIO_MAX = 31
    RTP_LOOKUP = 0
    RTP_SET = 1

cdef struct freebsd_rtprio:
    uint16_t type, prio


cdef inline int timeshare_max() noexcept nogil:
    """The highest priority of SCHED_OTHER: PRI_MAX_TIMESHARE - PRI_MIN_TIMESHARE."""
    return PRI_MAX_TIMESHARE - freebsd_user_priority(SHIM.osreldate)


cdef public long sys_getpriority(frame_t *frame, area_t *area) noexcept nogil:
    cdef int which = <int> frame.arg[0], who = <int> frame.arg[1]
    cdef long result
    if which < PRIO_PROCESS or which > PRIO_USER:
        return -EINVAL
    result = linux_syscall2(SYS_getpriority, which, who)
    if is_error(result):
        return result
    result = 20 - result            # Linux's call answers 1 to 40
    if result == LINUX_PRIO_MAX and area.proc.nice_beyond and which == PRIO_PROCESS \
            and (who == 0 or who == area.proc.pid):
        result = PRIO_MAX
    return return_value(area, result)


cdef public long sys_setpriority(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD's priority is the process's; Linux's is each thread's, so all of this process are set."""
    cdef proc_walk_t walk
    cdef int which = <int> frame.arg[0], who = <int> frame.arg[1], priority = <int> frame.arg[2], tid
    cdef bint own = which == PRIO_PROCESS and (who == 0 or who == area.proc.pid)
    cdef long result
    if which < PRIO_PROCESS or which > PRIO_USER:
        return -EINVAL
    priority = PRIO_MAX if priority > PRIO_MAX else -20 if priority < -20 else priority
    if own:
        who = area.proc.pid
    result = linux_syscall3(SYS_setpriority, which, who, <uint64_t> <int64_t> (
        LINUX_PRIO_MAX if priority == PRIO_MAX else priority))
    if is_error(result) or not own:
        return result
    area.proc.nice_beyond = priority == PRIO_MAX
    if walk_begin(&walk, b"/proc/self/task") == 0:
        while True:
            tid = walk_next(&walk)
            if tid < 0:
                break
            linux_syscall3(SYS_setpriority, PRIO_PROCESS, tid, <uint64_t> <int64_t> (
                LINUX_PRIO_MAX if priority == PRIO_MAX else priority))
    return 0


# POSIX scheduling. FreeBSD's real-time priorities are 0 to 31, Linux's 1 to 99: one more is the same.

cdef inline int priority_from_linux(int priority) noexcept nogil:
    return priority - 1 if priority <= P1B_PRIO_MAX + 1 else P1B_PRIO_MAX


cdef long policy_of(int pid, int *priority) noexcept nogil:
    """FreeBSD's policy and priority of a thread: the policy or a negative errno."""
    cdef int linux_priority = 0
    cdef long policy = linux_syscall1(SYS_sched_getscheduler, pid)
    if is_error(policy):
        return policy
    policy &= ~0x40000000           # SCHED_RESET_ON_FORK
    linux_syscall2(SYS_sched_getparam, pid, <uint64_t> &linux_priority)
    if policy == LINUX_SCHED_FIFO or policy == LINUX_SCHED_RR:
        priority[0] = priority_from_linux(linux_priority)
        return FREEBSD_SCHED_FIFO if policy == LINUX_SCHED_FIFO else FREEBSD_SCHED_RR
    priority[0] = timeshare_max() - TIMESHARE_NOW
    return FREEBSD_SCHED_OTHER


cdef long set_policy(int pid, int policy, int priority) noexcept nogil:
    cdef int linux_priority = 0, linux = freebsd_to_linux_sched_policy(policy)
    if linux < 0 or priority < 0:
        return -EINVAL
    if policy == FREEBSD_SCHED_OTHER:
        if priority > timeshare_max():
            return -EINVAL
    else:
        if priority > P1B_PRIO_MAX:
            return -EINVAL
        linux_priority = priority + 1
    return linux_syscall3(SYS_sched_setscheduler, pid, linux, <uint64_t> &linux_priority)


cdef public long sys_sched_getscheduler(frame_t *frame, area_t *area) noexcept nogil:
    cdef int priority = 0
    return policy_of(<int> frame.arg[0], &priority)


cdef public long sys_sched_getparam(frame_t *frame, area_t *area) noexcept nogil:
    cdef int priority = 0
    cdef long policy = policy_of(<int> frame.arg[0], &priority)
    return policy if policy < 0 else store_guest32(frame.arg[1], priority)


cdef public long sys_sched_setscheduler(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t priority = 0
    if linux_syscall0(SYS_geteuid) != 0:
        return -EPERM               # PRIV_SCHED_SETPOLICY, also for what lowers
    if fetch_guest32(frame.arg[2], &priority) < 0:
        return -EFAULT
    return set_policy(<int> frame.arg[0], <int> frame.arg[1], <int> priority)


cdef public long sys_sched_setparam(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t priority = 0
    cdef int now = 0
    cdef long policy
    if fetch_guest32(frame.arg[1], &priority) < 0:
        return -EFAULT
    policy = policy_of(<int> frame.arg[0], &now)
    return policy if policy < 0 else set_policy(<int> frame.arg[0], <int> policy, <int> priority)


cdef public long sys_sched_get_priority_max(frame_t *frame, area_t *area) noexcept nogil:
    cdef int policy = <int> frame.arg[0]
    if policy == FREEBSD_SCHED_FIFO or policy == FREEBSD_SCHED_RR:
        return P1B_PRIO_MAX
    return timeshare_max() if policy == FREEBSD_SCHED_OTHER else -EINVAL


cdef public long sys_sched_get_priority_min(frame_t *frame, area_t *area) noexcept nogil:
    return 0 if FREEBSD_SCHED_FIFO <= <int> frame.arg[0] <= FREEBSD_SCHED_RR else -EINVAL


cdef public long sys_sched_rr_get_interval(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timespec interval
    cdef long result = linux_syscall2(SYS_sched_rr_get_interval, frame.arg[0], <uint64_t> &interval)
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
        if linux_syscall1(SYS_sched_getscheduler, pid) & 0xff == LINUX_SCHED_IDLE:
            out.type = RTP_PRIO_IDLE
            out.prio = RTP_PRIO_MAX
        else:
            out.type = RTP_PRIO_NORMAL
            out.prio = TIMESHARE_NOW
        return 0
    out.type = RTP_PRIO_FIFO if policy == FREEBSD_SCHED_FIFO else RTP_PRIO_REALTIME
    out.prio = <uint16_t> (RTP_PRIO_MAX - priority)
    return 0


cdef long rtprio_set(int pid, const freebsd_rtprio *wanted) noexcept nogil:
    cdef int priority = 0, policy
    if wanted.type == RTP_PRIO_REALTIME or wanted.type == RTP_PRIO_FIFO:
        if wanted.prio > RTP_PRIO_MAX:
            return -EINVAL
        priority = RTP_PRIO_MAX - wanted.prio + 1
        policy = LINUX_SCHED_FIFO if wanted.type == RTP_PRIO_FIFO else LINUX_SCHED_RR
    elif wanted.type == RTP_PRIO_NORMAL:
        if wanted.prio > timeshare_max():
            return -EINVAL
        policy = LINUX_SCHED_OTHER
    elif wanted.type == RTP_PRIO_IDLE:
        if wanted.prio > RTP_PRIO_MAX:
            return -EINVAL
        policy = LINUX_SCHED_IDLE
    else:
        return -EINVAL
    return linux_syscall3(SYS_sched_setscheduler, pid, policy, <uint64_t> &priority)


cdef long rtprio_call(frame_t *frame) noexcept nogil:
    cdef freebsd_rtprio value
    cdef int function = <int> frame.arg[0], pid = <int> frame.arg[1]
    cdef long result
    if function == RTP_LOOKUP:
        result = rtprio_lookup(pid, &value)
        return result if result < 0 else copyout(&value, frame.arg[2], sizeof(value))
    if function != RTP_SET:
        return -EINVAL
    if copyin(frame.arg[2], &value, sizeof(value)) < 0:
        return -EFAULT
    return rtprio_set(pid, &value)


cdef public long sys_rtprio(frame_t *frame, area_t *area) noexcept nogil:
    """Of a process: its first thread on Linux, the calling one for 0."""
    return rtprio_call(frame)


cdef public long sys_rtprio_thread(frame_t *frame, area_t *area) noexcept nogil:
    return rtprio_call(frame)

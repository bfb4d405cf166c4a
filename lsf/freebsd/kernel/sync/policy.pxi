# The policy and priority of a thread.

cdef enum:
    P1B_PRIO_MAX = 31               # of SCHED_FIFO and SCHED_RR
    TIMESHARE_NOW = 32              # where an ordinary process stands in it: PUSER + nice 0


cdef inline int timeshare_max() noexcept nogil:
    """The highest priority of SCHED_OTHER: PRI_MAX_TIMESHARE - PRI_MIN_TIMESHARE."""
    return FREEBSD_PRI_MAX_TIMESHARE - freebsd_user_priority(SHIM.own.osreldate)


cdef inline int priority_from_linux(int priority) noexcept nogil:
    return priority - 1 if priority <= P1B_PRIO_MAX + 1 else P1B_PRIO_MAX


cdef long policy_of(int pid, int *priority) noexcept nogil:
    """FreeBSD's policy and priority of a thread: the policy or a negative errno."""
    cdef int linux_priority = 0
    cdef long policy = linux_syscall1(LINUX_SYS_sched_getscheduler, pid)
    if is_error(policy):
        return policy
    policy &= ~0x40000000           # SCHED_RESET_ON_FORK
    linux_syscall2(LINUX_SYS_sched_getparam, pid, <uint64_t> &linux_priority)
    if policy == LINUX_SCHED_FIFO or policy == LINUX_SCHED_RR:
        priority[0] = priority_from_linux(linux_priority)
        return FREEBSD_SCHED_FIFO if policy == LINUX_SCHED_FIFO else FREEBSD_SCHED_RR
    priority[0] = timeshare_max() - TIMESHARE_NOW
    return FREEBSD_SCHED_OTHER

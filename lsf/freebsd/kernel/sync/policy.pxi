# The policy and priority of a thread, its own and what a mutex lends it.

cdef enum:
    P1B_PRIO_MAX = 31               # of SCHED_FIFO and SCHED_RR
    SCHED_RESET_ON_FORK = 0x40000000
    TIMESHARE_NOW = 32              # where an ordinary process stands in it: PUSER + nice 0


cdef inline int timeshare_max() noexcept nogil:
    """The highest priority of SCHED_OTHER: PRI_MAX_TIMESHARE - PRI_MIN_TIMESHARE."""
    return FREEBSD_PRI_MAX_TIMESHARE - freebsd_user_priority(SHIM.own.osreldate)


cdef inline int priority_from_linux(int priority) noexcept nogil:
    return priority - 1 if priority <= P1B_PRIO_MAX + 1 else P1B_PRIO_MAX


cdef area_t *lent_to(int pid) noexcept nogil:
    """The area of a thread of this process that runs with a priority of a mutex's (umtx_protect.pxi); NULL for any other."""
    cdef area_t *self = current_area()
    cdef area_t *area = self if pid == 0 or pid == self.tid else thread_find(self.proc, pid)
    return area if area != NULL and area.own.lent else NULL


cdef long linux_policy_of(int pid, int *priority) noexcept nogil:
    """Linux's policy and priority of a thread, but for what is lent to it: the policy or a negative errno."""
    cdef area_t *area = lent_to(pid)
    cdef long policy
    if area != NULL:
        priority[0] = area.own.base_priority
        return area.own.base_policy
    policy = linux_syscall1(LINUX_SYS_sched_getscheduler, pid)
    if is_error(policy):
        return policy
    linux_syscall2(LINUX_SYS_sched_getparam, pid, <uint64_t> priority)
    return policy & ~<long> SCHED_RESET_ON_FORK


cdef long linux_policy_set(int pid, int policy, int priority) noexcept nogil:
    """Give a thread a policy and a priority; what is lent to it stays, if that is higher."""
    cdef area_t *area = lent_to(pid)
    if area == NULL:
        return linux_syscall3(LINUX_SYS_sched_setscheduler, pid, policy, <uint64_t> &priority)
    area.own.base_policy = policy
    area.own.base_priority = priority
    return lent_apply(area)


cdef long lent_apply(area_t *area) noexcept nogil:
    """Tell Linux the policy and priority of a thread to which something is lent, or was."""
    cdef int policy = area.own.base_policy, priority = area.own.base_priority
    if priority < <int> area.own.lent:
        priority = <int> area.own.lent
        if policy != LINUX_SCHED_FIFO:
            policy = LINUX_SCHED_RR
    return linux_syscall3(LINUX_SYS_sched_setscheduler, area.tid, policy, <uint64_t> &priority)


cdef void priority_lend(area_t *area, uint32_t lent) noexcept nogil:
    """sched_lend_user_prio for the calling thread: it has at least this priority of Linux's, 1 to 32; 0 takes it back. Where Linux
    permits no priorities (it asks for CAP_SYS_NICE or RLIMIT_RTPRIO), nothing is lent."""
    cdef uint32_t was = area.own.lent
    cdef int priority = 0
    if lent == was:
        return
    if was == 0:
        area.own.base_policy = <int> linux_policy_of(0, &priority)
        area.own.base_priority = priority
    area.own.lent = lent
    if lent_apply(area) < 0:
        area.own.lent = was


cdef inline void lent_to_child(const area_t *area, area_t *child) noexcept nogil:
    """Before a clone: what is lent to a thread is not to its child (lent_over), to whom Linux gives it."""
    child.own.lent = area.own.lent
    child.own.base_policy = area.own.base_policy
    child.own.base_priority = area.own.base_priority


cdef inline void lent_over(area_t *area) noexcept nogil:
    """When a thread begins, executes or ends: it has its own priority."""
    if area.own.lent:
        priority_lend(area, 0)


cdef long policy_of(int pid, int *priority) noexcept nogil:
    """FreeBSD's policy and priority of a thread: the policy or a negative errno."""
    cdef int linux_priority = 0
    cdef long policy = linux_policy_of(pid, &linux_priority)
    if policy < 0:
        return policy
    if policy == LINUX_SCHED_FIFO or policy == LINUX_SCHED_RR:
        priority[0] = priority_from_linux(linux_priority)
        return FREEBSD_SCHED_FIFO if policy == LINUX_SCHED_FIFO else FREEBSD_SCHED_RR
    priority[0] = timeshare_max() - TIMESHARE_NOW
    return FREEBSD_SCHED_OTHER

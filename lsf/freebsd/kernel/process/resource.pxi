# What a process has used and locked, and the processors it may use.
# Model: FreeBSD sys/kern/kern_resource.c, sys/vm/vm_mmap.c (kern_mlock), sys/kern/kern_cpuset.c.

cdef enum:
    CPUSET_BYTES = 128              # FreeBSD's 1024 processors; 256 before FreeBSD 14
    CPUSET_BYTES_MIN = 32
    DOMAINSET_BYTES = 32
    DOMAINSET_BYTES_MAX = 128


cdef long lock_refused(process_t *proc, uint64_t size) noexcept nogil:
    """ENOMEM where RLIMIT_MEMLOCK does not allow so much more to be locked: FreeBSD's limit is everybody's (kern_mlock), Linux's not that of
    who has CAP_IPC_LOCK. Asked of who has set it: the one that a process has from Linux is no choice of its own."""
    cdef char text[2048]
    cdef linux_rlimit limit
    if not proc.own.memlock_set:
        return 0
    if linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_MEMLOCK, 0, <uint64_t> &limit) < 0 \
            or read_file(b"/proc/self/status", text, sizeof(text)) < 0:
        return 0
    size += <uint64_t> status_number(text, b"VmLck:", 0, 10) * 1024
    return -LINUX_ENOMEM if size > limit.rlim_cur else 0


cdef long lock_range(process_t *proc, uint64_t addr, uint64_t length) noexcept nogil:
    """mlock(2), and a request of aio_mlock(2)."""
    cdef uint64_t start = page_down(addr), end = page_up(addr + length)
    cdef long result
    if addr + length < addr or end < start:
        return -LINUX_EINVAL
    result = lock_refused(proc, end - start)
    return result if result < 0 else linux_syscall2(LINUX_SYS_mlock, start, end - start)


cdef public long sys_mlock(frame_t *frame, area_t *area) noexcept nogil:
    return lock_range(area.proc, frame.arg[0], frame.arg[1])


cdef public long sys_getrusage(frame_t *frame, area_t *area) noexcept nogil:
    """Linux counts no signals and no messages: the signals that this program's handlers were called for are the shim's to count
    (postsig_done), and what its threads send and receive by calls for sockets."""
    cdef area_t *thread = NULL
    cdef linux_rusage usage
    cdef freebsd_rusage shown
    cdef int who = <int> frame.arg[0]
    cdef long result
    if who < FREEBSD_RUSAGE_CHILDREN or who > FREEBSD_RUSAGE_THREAD:
        return -LINUX_EINVAL
    result = linux_syscall2(LINUX_SYS_getrusage, <uint64_t> <int64_t> who, <uint64_t> &usage)
    if is_error(result):
        return result
    freebsd_rusage_from_linux(&shown, &usage)
    if who == FREEBSD_RUSAGE_SELF:
        shown.ru_nsignals = area.proc.own.signals
        shown.ru_msgsnd = area.proc.own.messages[0]
        shown.ru_msgrcv = area.proc.own.messages[1]
        while (thread := area_next(area.proc, thread)) != NULL:
            shown.ru_msgsnd += thread.own.messages[0]
            shown.ru_msgrcv += thread.own.messages[1]
    elif who == FREEBSD_RUSAGE_THREAD:
        shown.ru_nsignals = area.own.signals
        shown.ru_msgsnd = area.own.messages[0]
        shown.ru_msgrcv = area.own.messages[1]
    return copyout(&shown, frame.arg[1], sizeof(shown))


cdef long affinity_of(area_t *area, uint32_t level, uint32_t which, int64_t id_, unsigned char *mask) noexcept nogil:
    """The processors (CPUSET_BYTES) of a thread, a process or the whole set: 0 or a negative errno."""
    cdef long got
    cdef int tid = 0
    memset(mask, 0, CPUSET_BYTES)
    if level < FREEBSD_CPU_LEVEL_ROOT or level > FREEBSD_CPU_LEVEL_WHICH or which < FREEBSD_CPU_WHICH_TID \
            or which > FREEBSD_CPU_WHICH_TIDPID:
        return -LINUX_EINVAL
    if which == FREEBSD_CPU_WHICH_TID or which == FREEBSD_CPU_WHICH_PID or which == FREEBSD_CPU_WHICH_TIDPID:
        tid = 0 if id_ == -1 else <int> id_
        if which == FREEBSD_CPU_WHICH_PID and id_ == -1:
            tid = area.proc.pid
    elif which == FREEBSD_CPU_WHICH_CPUSET or which == FREEBSD_CPU_WHICH_DOMAIN:
        tid = area.proc.pid
    elif which == FREEBSD_CPU_WHICH_JAIL:
        if id_ != -1 and id_ != 0:
            return -LINUX_ESRCH
    else:
        return -LINUX_ESRCH if level == FREEBSD_CPU_LEVEL_WHICH else -LINUX_EINVAL
    if tid < 0:
        return -LINUX_ESRCH
    got = linux_syscall3(LINUX_SYS_sched_getaffinity, tid, CPUSET_BYTES, <uint64_t> mask)
    return got if is_error(got) else 0


cdef public long sys_cpuset_getaffinity(frame_t *frame, area_t *area) noexcept nogil:
    cdef unsigned char mask[CPUSET_BYTES]
    cdef uint64_t size = frame.arg[3], used = CPUSET_BYTES, i
    cdef long result
    cdef uaddr out = frame.arg[4]
    result = affinity_of(area, <uint32_t> frame.arg[0], <uint32_t> frame.arg[1], <int64_t> frame.arg[2], mask)
    if result < 0:
        return result
    while used > 0 and mask[used - 1] == 0:
        used -= 1
    if size < used or size < 1:
        return -LINUX_ERANGE
    if copyout(mask, out, size if size < CPUSET_BYTES else CPUSET_BYTES) < 0:
        return -LINUX_EFAULT
    if size > CPUSET_BYTES:
        return zero_guest(out + CPUSET_BYTES, size - CPUSET_BYTES)
    return 0


cdef long affinity_apply(area_t *area, uint32_t which, int64_t id_, const unsigned char *mask, uint64_t size) noexcept nogil:
    """Bind a thread, or every thread of a process."""
    cdef proc_walk_t walk
    cdef char path[32]
    cdef int pid, tid
    cdef long result
    if which == FREEBSD_CPU_WHICH_TID or which == FREEBSD_CPU_WHICH_TIDPID:
        return linux_syscall3(LINUX_SYS_sched_setaffinity, 0 if id_ == -1 else <uint64_t> id_, size, <uint64_t> mask)
    pid = area.proc.pid if id_ == -1 else <int> id_
    result = linux_syscall3(LINUX_SYS_sched_setaffinity, pid, size, <uint64_t> mask)
    if is_error(result):
        return result
    proc_path(path, sizeof(path), pid, b"task")
    if walk_begin(&walk, path) == 0:
        while True:
            tid = walk_next(&walk)
            if tid < 0:
                break
            linux_syscall3(LINUX_SYS_sched_setaffinity, tid, size, <uint64_t> mask)
    return 0


cdef public long sys_cpuset_setaffinity(frame_t *frame, area_t *area) noexcept nogil:
    cdef unsigned char mask[CPUSET_BYTES]
    cdef unsigned char byte
    cdef uint32_t level = <uint32_t> frame.arg[0], which = <uint32_t> frame.arg[1]
    cdef uint64_t size = frame.arg[3], i
    cdef bint empty = True
    if size == 0 or size > 4096:
        return -LINUX_ERANGE
    memset(mask, 0, sizeof(mask))
    if copyin(frame.arg[4], mask, size if size < CPUSET_BYTES else CPUSET_BYTES) < 0:
        return -LINUX_EFAULT
    for i in range(CPUSET_BYTES, size):
        if copyin(frame.arg[4] + i, &byte, 1) < 0:
            return -LINUX_EFAULT
        if byte != 0:
            return -LINUX_EINVAL
    for i in range(CPUSET_BYTES):
        if mask[i] != 0:
            empty = False
    if level < FREEBSD_CPU_LEVEL_ROOT or level > FREEBSD_CPU_LEVEL_WHICH or which < FREEBSD_CPU_WHICH_TID \
            or which > FREEBSD_CPU_WHICH_TIDPID:
        return -LINUX_EINVAL
    if empty:
        return -LINUX_EDEADLK
    if level == FREEBSD_CPU_LEVEL_ROOT:
        return -LINUX_EPERM
    if which == FREEBSD_CPU_WHICH_CPUSET or which == FREEBSD_CPU_WHICH_DOMAIN:
        which = FREEBSD_CPU_WHICH_PID
    elif which != FREEBSD_CPU_WHICH_TID and which != FREEBSD_CPU_WHICH_PID and which != FREEBSD_CPU_WHICH_TIDPID:
        return -LINUX_EPERM if which == FREEBSD_CPU_WHICH_JAIL else -LINUX_ESRCH
    return affinity_apply(area, which, -1 if frame.arg[1] == FREEBSD_CPU_WHICH_CPUSET else <int64_t> frame.arg[2],
                          mask, CPUSET_BYTES)


# Sets are numbers only: 0 for all processors, 1 for the first set, and one that cpuset(2) makes, named after its process.

cdef public long sys_cpuset(frame_t *frame, area_t *area) noexcept nogil:
    area.proc.own.cpuset = area.proc.pid
    return store_guest32(frame.arg[0], area.proc.own.cpuset)


cdef public long sys_cpuset_getid(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t level = <uint32_t> frame.arg[0], which = <uint32_t> frame.arg[1]
    if level == FREEBSD_CPU_LEVEL_WHICH and which != FREEBSD_CPU_WHICH_CPUSET:
        return -LINUX_EINVAL
    if level < FREEBSD_CPU_LEVEL_ROOT or level > FREEBSD_CPU_LEVEL_WHICH:
        return -LINUX_EINVAL
    if which < FREEBSD_CPU_WHICH_TID or which > FREEBSD_CPU_WHICH_TIDPID or which == FREEBSD_CPU_WHICH_IRQ \
            or which == FREEBSD_CPU_WHICH_INTRHANDLER or which == FREEBSD_CPU_WHICH_ITHREAD:
        return -LINUX_EINVAL
    if level == FREEBSD_CPU_LEVEL_ROOT:
        return store_guest32(frame.arg[3], 0)
    return store_guest32(frame.arg[3], area.proc.own.cpuset if area.proc.own.cpuset else 1)


cdef public long sys_cpuset_setid(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t set_ = <uint32_t> frame.arg[2]
    if <uint32_t> frame.arg[0] != FREEBSD_CPU_WHICH_PID:
        return -LINUX_EINVAL
    if set_ > 1 and set_ != area.proc.own.cpuset:
        return -LINUX_ESRCH
    if <int64_t> frame.arg[1] == -1 or <int64_t> frame.arg[1] == area.proc.pid:
        area.proc.own.cpuset = 0 if set_ <= 1 else set_
    return 0


cdef public long sys_cpuset_getdomain(frame_t *frame, area_t *area) noexcept nogil:
    """One memory domain, number 0, taken from first (DOMAINSET_POLICY_FIRSTTOUCH)."""
    cdef uint64_t size = frame.arg[3]
    cdef uint32_t level = <uint32_t> frame.arg[0], which = <uint32_t> frame.arg[1]
    cdef uint64_t one = 1
    if level < FREEBSD_CPU_LEVEL_ROOT or level > FREEBSD_CPU_LEVEL_WHICH or which < FREEBSD_CPU_WHICH_TID \
            or which > FREEBSD_CPU_WHICH_TIDPID:
        return -LINUX_EINVAL
    if size < DOMAINSET_BYTES or size > DOMAINSET_BYTES_MAX:
        return -LINUX_ERANGE
    if copyout(&one, frame.arg[4], 8) < 0 or zero_guest(frame.arg[4] + 8, size - 8) < 0:
        return -LINUX_EFAULT
    return store_guest32(frame.arg[5], 2)


cdef public long sys_cpuset_setdomain(frame_t *frame, area_t *area) noexcept nogil:
    """Any policy over the one domain is the same."""
    cdef uint64_t word = 0
    cdef uint64_t size = frame.arg[3], i
    cdef int policy = <int> frame.arg[5]
    if size < DOMAINSET_BYTES or size > DOMAINSET_BYTES_MAX:
        return -LINUX_ERANGE
    if policy < 1 or policy > 4:
        return -LINUX_EINVAL
    for i in range(size // 8):
        if fetch_guest64(frame.arg[4] + i * 8, &word) < 0:
            return -LINUX_EFAULT
        if word != (1 if i == 0 else 0):
            return -LINUX_EINVAL
    return 0

# procctl(2): reaping, and properties of a process.
# Model: FreeBSD sys/kern/kern_procctl.c.

cdef enum:
    FAMILY_MAX = 16384

# A process in the family of a reaper.
cdef struct relative_t:
    int pid, ppid
    int subtree                     # the reaper's child above it; 0: not of the family
    char state

cdef struct family_t:
    uint64_t memory, size
    relative_t *member
    int count                       # processes of the system; those with a subtree are of the family
    int reaper


cdef bint is_reaper() noexcept nogil:
    """Whether orphans come to this process: Linux keeps that over exec, as FreeBSD does."""
    cdef int value = 0
    linux_syscall5(LINUX_SYS_prctl, LINUX_PR_GET_CHILD_SUBREAPER, <uint64_t> &value, 0, 0, 0)
    return value != 0


cdef bint guest_number(area_t *area, int pid, const void *field, uint32_t *value) noexcept nogil:
    """A number of another guest's struct process; False where it is no guest, or not to be looked at."""
    cdef uint64_t magic = 0
    if pid == area.proc.pid:
        return False
    return (read_memory(area, pid, <uint64_t> &SHIM.own.magic, &magic, 8) == 0 and magic == PROCESS_MAGIC
            and read_memory(area, pid, <uint64_t> field, value, 4) == 0)


cdef int reaper_of(area_t *area, int pid) noexcept nogil:
    """The process to which the orphans of a process go: itself, or who is above it. (FreeBSD: who was when it was made.)"""
    cdef proc_stat_t stat
    cdef uint32_t value
    while pid > 1:
        value = 0
        if is_reaper() if pid == area.proc.pid else guest_number(area, pid, &SHIM.own.reaper, &value) and value != 0:
            return pid
        if proc_stat(pid, &stat) < 0:
            return 1
        pid = stat.ppid
    return 1


cdef void reap_inherit(process_t *proc) noexcept nogil:
    """In a new process (do_fork in sys/kern/kern_fork.c: p_reapsubtree)."""
    if proc.own.reaper:
        proc.own.subtree = <uint32_t> proc.pid
        proc.own.reaper = 0


cdef long family_read(area_t *area, family_t *family, int reaper) noexcept nogil:
    """Find every descendant of a process: 0 or a negative errno. family_free gives the memory back."""
    cdef proc_walk_t walk
    cdef proc_stat_t stat
    cdef int pid, i, j
    cdef bint more = True
    cdef uint32_t value
    cdef long result
    family.reaper = reaper
    family.count = 0
    family.size = FAMILY_MAX * sizeof(relative_t)
    family.memory = map_memory(family.size)
    if family.memory == 0:
        return -LINUX_ENOMEM
    family.member = <relative_t *> family.memory
    result = walk_begin(&walk, b"/proc")
    if result < 0:
        linux_syscall2(LINUX_SYS_munmap, family.memory, family.size)
        return result
    while True:
        pid = walk_next(&walk)
        if pid < 0:
            break
        if family.count == FAMILY_MAX or proc_stat(pid, &stat) < 0:
            continue
        family.member[family.count].pid = pid
        family.member[family.count].ppid = stat.ppid
        family.member[family.count].subtree = 0
        if stat.ppid == reaper:
            # an orphan, too, whose own forefather was the reaper's child
            value = 0
            family.member[family.count].subtree = pid
            if reaper != 1 and guest_number(area, pid, &SHIM.own.subtree, &value) and value:
                family.member[family.count].subtree = <int> value
        family.member[family.count].state = stat.state
        family.count += 1
    while more:
        more = False
        for i in range(family.count):
            if family.member[i].subtree != 0:
                continue
            for j in range(family.count):
                if family.member[j].pid == family.member[i].ppid and family.member[j].subtree != 0:
                    family.member[i].subtree = family.member[j].subtree
                    more = True
                    break
    return 0


cdef void family_free(family_t *family) noexcept nogil:
    linux_syscall2(LINUX_SYS_munmap, family.memory, family.size)


cdef long reap_status(area_t *area, int pid, uaddr data) noexcept nogil:
    cdef freebsd_procctl_reaper_status status
    cdef family_t family
    cdef int i
    cdef long result
    memset(&status, 0, sizeof(status))
    status.rs_pid = -1
    status.rs_reaper = reaper_of(area, pid)
    if status.rs_reaper == pid:
        status.rs_flags = FREEBSD_REAPER_STATUS_OWNED
    elif status.rs_reaper == 1:
        status.rs_flags = FREEBSD_REAPER_STATUS_REALINIT
    result = family_read(area, &family, status.rs_reaper)
    if result < 0:
        return result
    for i in range(family.count):
        if family.member[i].subtree == 0:
            continue
        status.rs_descendants += 1
        if family.member[i].ppid == status.rs_reaper:
            status.rs_children += 1
            if status.rs_pid == -1:
                status.rs_pid = family.member[i].pid
    family_free(&family)
    return copyout(&status, data, sizeof(status))


cdef long reap_getpids(area_t *area, int pid, uaddr data) noexcept nogil:
    cdef freebsd_procctl_reaper_pids request
    cdef freebsd_procctl_reaper_pidinfo info
    cdef family_t family
    cdef uint32_t n = 0
    cdef int i
    cdef long result
    if copyin(data, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    result = family_read(area, &family, reaper_of(area, pid))
    if result < 0:
        return result
    for i in range(family.count):
        if family.member[i].subtree == 0 or n >= request.rp_count:
            continue
        memset(&info, 0, sizeof(info))
        info.pi_pid = family.member[i].pid
        info.pi_subtree = family.member[i].subtree
        info.pi_flags = FREEBSD_REAPER_PIDINFO_VALID
        if family.member[i].ppid == family.reaper:
            info.pi_flags |= FREEBSD_REAPER_PIDINFO_CHILD
        if family.member[i].state == c'Z':
            info.pi_flags |= FREEBSD_REAPER_PIDINFO_ZOMBIE
        if family.member[i].state == c'T':
            info.pi_flags |= FREEBSD_REAPER_PIDINFO_STOPPED
        result = copyout(&info, request.rp_pids + n * sizeof(info), sizeof(info))
        if result < 0:
            break
        n += 1
    family_free(&family)
    return result


cdef long reap_kill(area_t *area, uaddr data) noexcept nogil:
    cdef freebsd_procctl_reaper_kill request
    cdef linux_siginfo info
    cdef family_t family
    cdef int linux, i
    cdef long result, error = -LINUX_ESRCH
    if copyin(data, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    if request.rk_sig <= 0 or request.rk_sig > SIGNAL_MAX or request.rk_flags > FREEBSD_REAPER_KILL_SUBTREE:
        return -LINUX_EINVAL
    linux = lsf_signal_to_linux[request.rk_sig]
    if linux == 0:
        carrier_info(area, &info, request.rk_sig, FREEBSD_SI_USER, 0)
    result = family_read(area, &family, reaper_of(area, area.proc.pid))
    if result < 0:
        return result
    request.rk_killed = 0
    request.rk_fpid = -1
    for i in range(family.count):
        if family.member[i].subtree == 0 or family.member[i].state == c'Z':
            continue
        if request.rk_flags & FREEBSD_REAPER_KILL_CHILDREN and family.member[i].ppid != family.reaper:
            continue
        if request.rk_flags & FREEBSD_REAPER_KILL_SUBTREE and family.member[i].subtree != request.rk_subtree:
            continue
        if linux:
            result = linux_syscall2(LINUX_SYS_kill, family.member[i].pid,
                                    queued_number(area, family.member[i].pid, request.rk_sig))
        else:
            result = linux_syscall3(LINUX_SYS_rt_sigqueueinfo, family.member[i].pid, LINUX_CARRIER, <uint64_t> &info)
        if result == 0:
            request.rk_killed += 1
            error = 0
        elif error == -LINUX_ESRCH and result != -LINUX_ESRCH:
            request.rk_fpid = family.member[i].pid
            error = result
    family_free(&family)
    result = copyout(&request, data, sizeof(request))
    return error if error < 0 else result


cdef long procctl_set(area_t *area, int command, int value) noexcept nogil:
    """The commands that set something of this process from an int."""
    cdef process_t *proc = area.proc
    cdef long now
    cdef int linux = 0
    if command == FREEBSD_PROC_SPROTECT:
        if value & 0xf != 1 and value & 0xf != 2 or value & ~0x3f:
            return -LINUX_EINVAL
        return -LINUX_EPERM               # protection from the out-of-memory killer is not the guest's to take
    if command == FREEBSD_PROC_PDEATHSIG_CTL:
        if value != 0:
            linux = linux_signal_number(value)
            if linux <= 0:
                return -LINUX_EINVAL
        return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_PDEATHSIG, linux, 0, 0, 0)
    if command == FREEBSD_PROC_NO_NEW_PRIVS_CTL:
        return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) if value == 1 else -LINUX_EINVAL
    if command == FREEBSD_PROC_TRACE_CTL:
        if proc.own.debugged or proc.own.ktrace_facs:
            return -LINUX_EBUSY
        if value < 1 or value > 3:
            return -LINUX_EINVAL
        proc.own.ctl[CTL_TRACE] = 0 if value == 1 else value
        return 0
    if command == FREEBSD_PROC_TRAPCAP_CTL:
        if value < 1 or value > 2:
            return -LINUX_EINVAL
        proc.own.ctl[CTL_TRAPCAP] = value == 1
        return 0
    if command == FREEBSD_PROC_ASLR_CTL:
        if value < 1 or value > 3:
            return -LINUX_EINVAL
        now = linux_syscall1(LINUX_SYS_personality, 0xffffffffUL)
        now = now | LINUX_ADDR_NO_RANDOMIZE if value == 2 else now & ~LINUX_ADDR_NO_RANDOMIZE
        proc.own.ctl[CTL_ASLR] = value
        now = linux_syscall1(LINUX_SYS_personality, now)
        return now if is_error(now) else 0
    if command == FREEBSD_PROC_PROTMAX_CTL:
        if value < 1 or value > 3:
            return -LINUX_EINVAL
        if value == 1:
            return -LINUX_EOPNOTSUPP      # nothing would enforce it
        proc.own.ctl[CTL_PROTMAX] = value
        return 0
    if command == FREEBSD_PROC_STACKGAP_CTL:
        if value & ~0xf or value & 3 == 3 or value & 0xc == 0xc:
            return -LINUX_EINVAL
        if value & 1 and proc.own.ctl[CTL_STACKGAP] & 2:
            return -LINUX_EINVAL
        if value & 3:
            proc.own.ctl[CTL_STACKGAP] = (proc.own.ctl[CTL_STACKGAP] & 0xc) | (value & 3)
        if value & 0xc:
            proc.own.ctl[CTL_STACKGAP] = (proc.own.ctl[CTL_STACKGAP] & 3) | (value & 0xc)
        return 0
    if command == FREEBSD_PROC_LOGSIGEXIT_CTL:
        if value < 1 or value > 3:
            return -LINUX_EINVAL
        proc.own.ctl[CTL_LOGSIGEXIT] = value
        return 0
    if value & ~3:                  # PROC_WXMAP_CTL
        return -LINUX_EINVAL
    proc.own.ctl[CTL_WXMAP] |= value
    return 0


cdef long procctl_get(area_t *area, int command, int *value) noexcept nogil:
    """The commands that answer with an int."""
    cdef process_t *proc = area.proc
    cdef char text[2048]
    cdef const char *at
    cdef int64_t tracer = 0
    cdef int linux = 0
    if command == FREEBSD_PROC_TRACE_STATUS:
        value[0] = -1 if proc.own.ctl[CTL_TRACE] else 0
        if value[0] == 0 and read_file(b"/proc/self/status", text, sizeof(text)) > 0:
            at = find_text(text, b"TracerPid:")
            if at != NULL and proc.engine != ENGINE_PTRACE:
                parse_number(at, &tracer)
                value[0] = <int> tracer
    elif command == FREEBSD_PROC_TRAPCAP_STATUS:
        value[0] = 1 if proc.own.ctl[CTL_TRAPCAP] else 2
    elif command == FREEBSD_PROC_PDEATHSIG_STATUS:
        linux_syscall5(LINUX_SYS_prctl, LINUX_PR_GET_PDEATHSIG, <uint64_t> &linux, 0, 0, 0)
        value[0] = lsf_signal_from_linux[linux] if 0 <= linux <= 64 else 0
    elif command == FREEBSD_PROC_ASLR_STATUS:
        value[0] = proc.own.ctl[CTL_ASLR] if proc.own.ctl[CTL_ASLR] else 3
        if not linux_syscall1(LINUX_SYS_personality, 0xffffffffUL) & LINUX_ADDR_NO_RANDOMIZE:
            value[0] |= <int> 0x80000000UL
    elif command == FREEBSD_PROC_PROTMAX_STATUS:
        value[0] = proc.own.ctl[CTL_PROTMAX] if proc.own.ctl[CTL_PROTMAX] else 3
    elif command == FREEBSD_PROC_STACKGAP_STATUS:
        value[0] = (2 if proc.own.ctl[CTL_STACKGAP] & 2 else 1) | (8 if proc.own.ctl[CTL_STACKGAP] & 8 else 4)
    elif command == FREEBSD_PROC_LOGSIGEXIT_STATUS:
        value[0] = proc.own.ctl[CTL_LOGSIGEXIT] if proc.own.ctl[CTL_LOGSIGEXIT] else 1
    elif command == FREEBSD_PROC_NO_NEW_PRIVS_STATUS:
        value[0] = 1 if linux_syscall5(LINUX_SYS_prctl, LINUX_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 else 2
    else:                           # PROC_WXMAP_STATUS
        value[0] = proc.own.ctl[CTL_WXMAP]
    return 0


cdef public long sys_procctl(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t idtype = <uint32_t> frame.arg[0]
    cdef int64_t id_ = <int64_t> frame.arg[1]
    cdef int command = <int> frame.arg[2], value = 0
    cdef uaddr data = frame.arg[3]
    cdef long result
    if command < FREEBSD_PROC_SPROTECT or command > (FREEBSD_PROC_LOGSIGEXIT_STATUS if area.proc.own.osreldate >= FREEBSD_SINCE_LOGSIGEXIT
                                                     else FREEBSD_PROC_WXMAP_STATUS):
        return -LINUX_EINVAL
    if command == FREEBSD_PROC_REAP_ACQUIRE or command == FREEBSD_PROC_REAP_RELEASE:
        if data != 0:
            return -LINUX_EINVAL
    elif command != FREEBSD_PROC_REAP_STATUS and fetch_guest32(data, <uint32_t *> &value) < 0:
        return -LINUX_EFAULT
    if idtype != FREEBSD_P_PID:
        if command != FREEBSD_PROC_SPROTECT and command != FREEBSD_PROC_TRACE_CTL and command != FREEBSD_PROC_TRAPCAP_CTL:
            return -LINUX_EINVAL
        return -LINUX_EPERM if idtype == FREEBSD_P_PGID else -LINUX_EINVAL
    if id_ == 0:
        id_ = area.proc.pid
    if id_ != area.proc.pid:
        # Linux lets a process change such things of itself alone.
        if command == FREEBSD_PROC_PDEATHSIG_CTL or command == FREEBSD_PROC_PDEATHSIG_STATUS:
            return -LINUX_EINVAL
        result = linux_syscall2(LINUX_SYS_kill, <uint64_t> id_, 0)
        if result == -LINUX_ESRCH or id_ < 0 or id_ > INT_MAX:
            return -LINUX_ESRCH
        if command != FREEBSD_PROC_REAP_STATUS and command != FREEBSD_PROC_REAP_GETPIDS:
            return -LINUX_EPERM
    if command == FREEBSD_PROC_REAP_ACQUIRE:
        if is_reaper():
            return -LINUX_EBUSY
        area.proc.own.reaper = 1
        return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if command == FREEBSD_PROC_REAP_RELEASE:
        if not is_reaper():
            return -LINUX_EINVAL
        area.proc.own.reaper = 0
        return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    if command == FREEBSD_PROC_REAP_STATUS:
        return reap_status(area, <int> id_, data)
    if command == FREEBSD_PROC_REAP_GETPIDS:
        return reap_getpids(area, <int> id_, data)
    if command == FREEBSD_PROC_REAP_KILL:
        return reap_kill(area, data)
    if command == FREEBSD_PROC_SPROTECT or command & 1 == 1 and command >= FREEBSD_PROC_TRACE_CTL:
        return procctl_set(area, command, value)
    result = procctl_get(area, command, &value)
    return result if result < 0 else store_guest32(data, <uint32_t> value)

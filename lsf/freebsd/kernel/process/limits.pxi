# Limits of resources: getrlimit(2), setrlimit(2), kern.proc.rlimit.
# Model: FreeBSD sys/kern/kern_resource.c (kern_proc_setrlimit).

cdef inline uint64_t limit_top(uint32_t which) noexcept nogil:
    """What no limit of a kind exceeds, in bytes: maxssiz and maxdsiz (kern_proc_setrlimit); 0: it has no such end."""
    if which == FREEBSD_RLIMIT_STACK:
        return FREEBSD_MAXSSIZ
    return DATA_ROOM if which == FREEBSD_RLIMIT_DATA else 0


cdef void limit_cut(uint32_t which, linux_rlimit *limit) noexcept nogil:
    """Cut a limit to what FreeBSD has at most."""
    cdef uint64_t top = limit_top(which)
    if top != 0 and limit.rlim_cur > top:
        limit.rlim_cur = top
    if top != 0 and limit.rlim_max > top:
        limit.rlim_max = top


cdef long limit_fit(uint32_t which, linux_rlimit *wanted, linux_rlimit *now) noexcept nogil:
    """Cut a wanted limit; `now` is Linux's, whose maximum beyond FreeBSD's end is kept: 0 or -EPERM."""
    cdef linux_rlimit shown = now[0]
    limit_cut(which, &shown)
    if (wanted.rlim_cur > shown.rlim_max or wanted.rlim_max > shown.rlim_max) and linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM
    limit_cut(which, wanted)
    if wanted.rlim_max == limit_top(which) and now.rlim_max > wanted.rlim_max:
        wanted.rlim_max = now.rlim_max
    return 0


cdef uint64_t files_most() noexcept nogil:
    """What no limit of open files exceeds: fs.nr_open, which kern.maxfilesperproc shows."""
    cdef char text[32]
    cdef int64_t number = 0
    if read_file(b"/proc/sys/fs/nr_open", text, sizeof(text)) > 0:
        parse_number(text, &number)
    return <uint64_t> number if number > 0 else 1048576


cdef long limit_for_root(int linux, linux_rlimit *wanted) noexcept nogil:
    """root raises a limit that Linux refuses to raise so far: on FreeBSD it is cut to what the kernel can do. -EPERM for others."""
    cdef linux_rlimit now
    cdef uint64_t most
    cdef long result
    if linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM
    if linux == LINUX_RLIMIT_NOFILE:
        most = files_most()
        if wanted.rlim_cur > most:
            wanted.rlim_cur = most
        if wanted.rlim_max > most:
            wanted.rlim_max = most
        result = linux_syscall4(LINUX_SYS_prlimit64, 0, linux, <uint64_t> wanted, 0)
        if result != -LINUX_EPERM:
            return result
    # a root without Linux's CAP_SYS_RESOURCE: of a container, or of a namespace of its own
    result = linux_syscall4(LINUX_SYS_prlimit64, 0, linux, 0, <uint64_t> &now)
    if is_error(result):
        return result
    if wanted.rlim_cur > now.rlim_max:
        wanted.rlim_cur = now.rlim_max
    if wanted.rlim_max > now.rlim_max:
        wanted.rlim_max = now.rlim_max
    return linux_syscall4(LINUX_SYS_prlimit64, 0, linux, <uint64_t> wanted, 0)


cdef long limit_get(area_t *area, int pid, uint32_t which, freebsd_rlimit *out) noexcept nogil:
    """lim_rlimit_proc of a process; which: below limit_count. 0 or a negative errno."""
    cdef linux_rlimit limit
    cdef process_t *guest
    cdef int linux = freebsd_to_linux_rlimit(which)
    cdef long result
    if linux < 0:
        guest = guest_process(area, pid)
        limit_kept(guest, which, out)
        release_guest(area, guest)
        return 0
    # (0: of this process Linux asks for no right, whatever ids its first thread has.)
    result = linux_syscall4(LINUX_SYS_prlimit64, 0 if pid == area.proc.pid else <uint64_t> pid, linux, 0, <uint64_t> &limit)
    if is_error(result):
        return result
    limit_cut(which, &limit)
    freebsd_rlimit_from_linux(out, &limit)
    return 0


cdef public long sys_getrlimit(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_rlimit out
    cdef uint32_t which = <uint32_t> frame.arg[0]
    cdef long result
    if which >= limit_count(area.proc):
        return -LINUX_EINVAL
    result = limit_get(area, area.proc.pid, which, &out)
    return result if result < 0 else copyout(&out, frame.arg[1], sizeof(out))


cdef long limit_set(area_t *area, uint32_t which, const freebsd_rlimit *limit) noexcept nogil:
    """kern_proc_setrlimit for this process; which: below limit_count."""
    cdef linux_rlimit wanted, now
    cdef int linux = freebsd_to_linux_rlimit(which)
    cdef long result
    linux_rlimit_from_freebsd(&wanted, limit)
    if linux < 0:
        return limit_keep(&area.proc.own.limits_kept[limit_kept_at(which)], &wanted)
    result = limit_fit_all(0, which, linux, &wanted, &now)
    if result < 0:
        return result
    if linux == LINUX_RLIMIT_FSIZE:
        image_needed(area.proc)     # below a small limit it could not be made any more
    result = linux_syscall4(LINUX_SYS_prlimit64, 0, linux, <uint64_t> &wanted, 0)
    if which == FREEBSD_RLIMIT_MEMLOCK and result == 0:
        area.proc.own.memlock_set = 1
    if result == 0 and which == FREEBSD_RLIMIT_STACK:
        area.proc.own.stack_linux = 0   # from now on it is the guest's choice
        stack_protect(area.proc, now.rlim_cur, wanted.rlim_cur)
    if result == 0 and which == FREEBSD_RLIMIT_CORE:
        cores_allowed(area.proc, wanted.rlim_cur != 0)
    if result == -LINUX_EPERM and (which == FREEBSD_RLIMIT_NOFILE or which == FREEBSD_RLIMIT_MEMLOCK):
        result = limit_for_root(linux, &wanted)
    return result


cdef long limit_fit_all(int pid, uint32_t which, int linux, linux_rlimit *wanted, linux_rlimit *now) noexcept nogil:
    """What FreeBSD makes of the limit that is wanted for a process (0: this one) before it is set; now: Linux's present one.
    0 or a negative errno."""
    cdef long result = linux_syscall4(LINUX_SYS_prlimit64, <uint64_t> pid, linux, 0, <uint64_t> now)
    if not is_error(result) and limit_top(which) != 0:
        result = limit_fit(which, wanted, now)
    if is_error(result):
        return result
    if wanted.rlim_cur > wanted.rlim_max:
        # FreeBSD checks both against the present maximum and then lowers the soft limit to the new one.
        if wanted.rlim_cur > now.rlim_max and linux_syscall0(LINUX_SYS_geteuid) != 0:
            return -LINUX_EPERM
        wanted.rlim_cur = wanted.rlim_max
    if which == FREEBSD_RLIMIT_NPROC and wanted.rlim_cur == 0:
        wanted.rlim_cur = 1
    if which == FREEBSD_RLIMIT_NPROC and wanted.rlim_max == 0:
        wanted.rlim_max = 1
    return 0


cdef long limit_set_other(area_t *area, int pid, uint32_t which, const freebsd_rlimit *limit) noexcept nogil:
    """The same for another process. A guest's limits that Linux does not have are in its memory."""
    cdef linux_rlimit wanted, now
    cdef uint32_t at = limit_kept_at(which)
    cdef process_t *guest
    cdef int linux = freebsd_to_linux_rlimit(which)
    cdef long result
    linux_rlimit_from_freebsd(&wanted, limit)
    if linux >= 0:
        result = limit_fit_all(pid, which, linux, &wanted, &now)
        return result if result < 0 else linux_syscall4(LINUX_SYS_prlimit64, pid, linux, <uint64_t> &wanted, 0)
    guest = guest_process(area, pid)
    if guest == NULL:
        return -LINUX_EPERM
    result = limit_keep(&guest.own.limits_kept[at], &wanted)
    if result == 0 and not guest_move(pid, &guest.own.limits_kept[at], &SHIM.own.limits_kept[at], sizeof(kept_limit_t), True):
        result = -LINUX_EPERM
    release_guest(area, guest)
    return result


cdef public long sys_setrlimit(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_rlimit limit
    cdef uint32_t which = <uint32_t> frame.arg[0]
    if copyin(frame.arg[1], &limit, sizeof(limit)) < 0:
        return -LINUX_EFAULT
    return limit_set(area, which, &limit) if which < limit_count(area.proc) else -LINUX_EINVAL


cdef public long sys_getdtablesize(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_rlimit limit
    limit.rlim_cur = 1024
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, 0, <uint64_t> &limit)
    return <long> (limit.rlim_cur if limit.rlim_cur < 0x7fffffff else 0x7fffffff)


cdef int64_t limit_used(area_t *area, int pid, uint32_t which) noexcept nogil:
    """How much of a limit a process uses: a count, bytes or seconds, or -ENXIO where that is not accounted for.
    Model: getrlimitusage_one."""
    cdef char text[2048]
    cdef proc_stat_t stat
    cdef process_t *guest
    cdef const char *field = NULL
    cdef int64_t value = -LINUX_ENXIO
    if which == FREEBSD_RLIMIT_CPU:
        if proc_stat(pid, &stat) >= 0:
            value = <int64_t> ((stat.utime + stat.stime) // LINUX_TICKS)
    elif which == FREEBSD_RLIMIT_DATA:
        guest = guest_process(area, pid)
        if guest != NULL:
            value = guest.break_end - guest.break_start
        release_guest(area, guest)
    elif which == FREEBSD_RLIMIT_NOFILE:
        value = descriptors_open(area, pid)
        if value < 0:
            value = -LINUX_ENXIO
    elif which == FREEBSD_RLIMIT_STACK:
        field = b"VmStk:"
    elif which == FREEBSD_RLIMIT_RSS:
        field = b"VmRSS:"
    elif which == FREEBSD_RLIMIT_MEMLOCK:
        field = b"VmLck:"
    elif which == FREEBSD_RLIMIT_VMEM:
        field = b"VmSize:"
    if field != NULL and proc_read(pid, b"status", text, sizeof(text)) >= 0:
        value = status_number(text, field, 0, 10) * 1024
    return value


cdef public long sys_getrlimitusage(frame_t *frame, area_t *area) noexcept nogil:
    """How much of a limit is used; ENXIO where that is not accounted for."""
    cdef uint32_t which = <uint32_t> frame.arg[0]
    cdef int64_t value
    if which >= limit_count(area.proc) or <uint32_t> frame.arg[1] > 1:
        return -LINUX_EINVAL
    value = limit_used(area, area.proc.pid, which)
    return value if value < 0 else store_guest64(frame.arg[2], value)


cdef public long sysctl_rlimit_usage(sysctl_request_t *request) noexcept nogil:
    """kern.proc.rlimit_usage.PID[.WHICH]: of all limits, or of one; -1 where that is not accounted for."""
    cdef int64_t used[FREEBSD_RLIM_NLIMITS]
    cdef uint32_t count = limit_count(request.area.proc), i
    cdef int pid
    if request.nrest != 1 and request.nrest != 2 or request.new_ != 0:
        return -LINUX_EINVAL
    pid = request.rest[0]
    if pid < 1 or linux_syscall2(LINUX_SYS_kill, pid, 0) == -LINUX_ESRCH:
        return -LINUX_ESRCH
    if request.nrest == 2 and <uint32_t> request.rest[1] >= count:
        return -LINUX_EINVAL
    for i in range(count):
        used[i] = limit_used(request.area, pid, i) if request.nrest == 1 or i == <uint32_t> request.rest[1] else 0
        if used[i] < 0:
            used[i] = -1
    if request.nrest == 2:
        return sysctl_out(request, &used[request.rest[1]], 8)
    return sysctl_out(request, used, count * 8)


cdef public long sysctl_proc_rlimit(sysctl_request_t *request) noexcept nogil:
    """kern.proc.rlimit.PID.WHICH, which also sets one (limits(1) -P)."""
    cdef freebsd_rlimit out, wanted
    cdef int pid
    cdef long result
    if request.nrest != 2 or <uint32_t> request.rest[1] >= limit_count(request.area.proc):
        return -LINUX_EINVAL
    if request.new_ != 0 and request.new_size != sizeof(wanted):
        return -LINUX_EINVAL
    pid = request.rest[0]
    if pid < 1 or linux_syscall2(LINUX_SYS_kill, pid, 0) == -LINUX_ESRCH:
        return -LINUX_ESRCH
    result = limit_get(request.area, pid, <uint32_t> request.rest[1], &out)
    if result == 0:
        result = sysctl_out(request, &out, sizeof(out))
    if result < 0 or request.new_ == 0:
        return result
    if copyin(request.new_, &wanted, sizeof(wanted)) < 0:
        return -LINUX_EFAULT
    if pid == request.area.proc.pid:
        return limit_set(request.area, <uint32_t> request.rest[1], &wanted)
    return limit_set_other(request.area, pid, <uint32_t> request.rest[1], &wanted)

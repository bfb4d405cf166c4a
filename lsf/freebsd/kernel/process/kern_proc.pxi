# kern.proc: what sysctl tells of processes. Linux's /proc has most of it; what only a FreeBSD kernel knows stands in the
# shim's struct process, which lies at the same address in every guest and is read from there.
# Model: FreeBSD sys/kern/kern_proc.c and kern_descrip.c.


# Which process.

cdef long sysctl_pid(sysctl_request_t *request, int *pid) noexcept nogil:
    """The one number behind a node: a process that is there (pget). 0 or a negative errno."""
    cdef long result
    if request.nrest != 1:
        return -LINUX_EINVAL
    pid[0] = request.rest[0]
    if pid[0] == request.area.proc.pid:
        return 0
    if pid[0] < 1:
        return -LINUX_ESRCH
    result = linux_syscall2(LINUX_SYS_kill, pid[0], 0)
    return -LINUX_ESRCH if result == -LINUX_ESRCH else 0


cdef long sysctl_pid_or_own(sysctl_request_t *request, int *pid) noexcept nogil:
    """The same where -1 is this process: of its path, its arguments and its groups alone."""
    if request.nrest == 1 and request.rest[0] == -1:
        pid[0] = request.area.proc.pid
        return 0
    return sysctl_pid(request, pid)


cdef long sysctl_out_memory(sysctl_request_t *request, int pid, uaddr source, uint64_t size) noexcept nogil:
    """Append a piece of a process's memory."""
    cdef char buffer[1024]
    cdef uint64_t part
    cdef long result
    while size > 0:
        part = size if size < sizeof(buffer) else sizeof(buffer)
        if read_memory(request.area, pid, source, buffer, part) < 0:
            return -LINUX_EFAULT
        result = sysctl_out(request, buffer, part)
        if result < 0:
            return result
        source += part
        size -= part
    return 0


cdef long sysctl_out_file(sysctl_request_t *request, int pid, const char *name) noexcept nogil:
    """Append the contents of a file of /proc/PID."""
    cdef char buffer[2048]
    cdef long fd, got, result = 0
    proc_path(buffer, sizeof(buffer), pid, name)
    fd = linux_syscall3(LINUX_SYS_open, <uint64_t> buffer, LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return -LINUX_ESRCH if fd == -LINUX_ENOENT else -LINUX_EPERM if fd == -LINUX_EACCES else fd
    while result == 0:
        got = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> buffer, sizeof(buffer))
        if got <= 0:
            result = -LINUX_EPERM if got == -LINUX_EACCES else got
            break
        result = sysctl_out(request, buffer, got)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


# struct kinfo_proc

cdef uint64_t status_number(const char *status, const char *name, int index, int base) noexcept nogil:
    """A number in a line of /proc/PID/status: the index-th (from 0), decimal or hexadecimal."""
    cdef const char *at = find_text(status, name)
    cdef uint64_t value = 0
    cdef int i
    if at == NULL:
        return 0
    for i in range(index + 1):
        while at[0] == c' ' or at[0] == c'\t':
            at += 1
        value = 0
        while True:
            if c'0' <= at[0] <= c'9':
                value = value * base + (at[0] - 48)
            elif base == 16 and c'a' <= at[0] <= c'f':
                value = value * 16 + (at[0] - 87)
            else:
                break
            at += 1
    return value


# us of a tick that a process's number stands for: few, so that none has begun later than now for longer than a millisecond
cdef enum: SORTED_BY_NUMBER = 1000


cdef void ticks_to_timeval(int64_t ticks, freebsd_timeval *to) noexcept nogil:
    to.tv_sec = ticks // LINUX_TICKS
    to.tv_usec = ticks % LINUX_TICKS * (1000000 // LINUX_TICKS)


cdef void start_from_ticks(proc_stat_t *stat, freebsd_timeval *to) noexcept nogil:
    """When a process began. Linux tells the tick of 10 ms, and FreeBSD the microsecond, by which programs sort: who began in the same tick is in
    the order of the numbers, which rise with each process, but where a thousand is full."""
    cdef freebsd_timeval boot
    getboottime(&boot)
    ticks_to_timeval(stat.start, to)
    to.tv_sec += boot.tv_sec
    to.tv_usec += boot.tv_usec + stat.pid % SORTED_BY_NUMBER
    if to.tv_usec >= 1000000:
        to.tv_usec -= 1000000
        to.tv_sec += 1


cdef void signals_to_kinfo(uint64_t linux_mask, freebsd_sigset *to) noexcept nogil:
    freebsd_sigset_from_linux(to, linux_mask, lsf_signal_from_linux, lsf_signal_to_linux)


cdef void facts_from_stat(lsf_process_facts *facts, proc_stat_t *stat) noexcept nogil:
    """What /proc/PID/stat knows."""
    cdef linux_timespec now
    facts.pid = stat.pid
    facts.tid = stat.pid
    facts.ppid = stat.ppid
    facts.pgid = stat.pgrp
    facts.sid = stat.session
    facts.tpgid = stat.tpgid if stat.tty != 0 else -1
    facts.terminal = freebsd_dev_from_linux(<uint32_t> stat.tty)
    facts.threads = stat.threads
    facts.processor = stat.cpu
    facts.nice = <int32_t> stat.nice
    facts.osreldate = SHIM.own.osreldate
    facts.size = stat.vsize
    facts.resident_pages = <int64_t> stat.rss
    facts.state = stat.state
    facts.comm = stat.comm
    ticks_to_timeval(stat.utime, &facts.self.ru_utime)
    ticks_to_timeval(stat.stime, &facts.self.ru_stime)
    facts.self.ru_minflt = stat.minflt
    facts.self.ru_majflt = stat.majflt
    ticks_to_timeval(stat.cutime, &facts.children.ru_utime)
    ticks_to_timeval(stat.cstime, &facts.children.ru_stime)
    facts.children.ru_minflt = stat.cminflt
    facts.children.ru_majflt = stat.cmajflt
    linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_REALTIME, <uint64_t> &now)
    facts.now.tv_sec = now.tv_sec
    facts.now.tv_usec = now.tv_nsec // 1000
    start_from_ticks(stat, &facts.start)


cdef void facts_from_status(lsf_process_facts *facts, const char *status, uint32_t *groups) noexcept nogil:
    """What /proc/PID/status knows: ids, memory, signals. `groups` has room for FREEBSD_KI_NGROUPS."""
    cdef const char *at = find_text(status, b"Groups:")
    cdef int64_t group = 0
    facts.ruid = <uint32_t> status_number(status, b"Uid:", 0, 10)
    facts.uid = <uint32_t> status_number(status, b"Uid:", 1, 10)
    facts.svuid = <uint32_t> status_number(status, b"Uid:", 2, 10)
    facts.rgid = <uint32_t> status_number(status, b"Gid:", 0, 10)
    facts.gid = <uint32_t> status_number(status, b"Gid:", 1, 10)
    facts.svgid = <uint32_t> status_number(status, b"Gid:", 2, 10)
    facts.groups = groups
    while at != NULL and facts.group_count < FREEBSD_KI_NGROUPS:
        while at[0] == c' ' or at[0] == c'\t':
            at += 1
        if not c'0' <= at[0] <= c'9':
            break
        at = parse_number(at, &group)
        if <uint32_t> group != facts.gid:
            groups[facts.group_count] = <uint32_t> group
            facts.group_count += 1
    facts.text_pages = <int64_t> (status_number(status, b"VmExe:", 0, 10) // 4)
    facts.data_pages = <int64_t> (status_number(status, b"VmData:", 0, 10) // 4)
    facts.stack_pages = <int64_t> (status_number(status, b"VmStk:", 0, 10) // 4)
    facts.self.ru_maxrss = <int64_t> status_number(status, b"VmHWM:", 0, 10)
    facts.self.ru_nvcsw = <int64_t> status_number(status, b"voluntary_ctxt_switches:", 0, 10)
    facts.self.ru_nivcsw = <int64_t> status_number(status, b"nonvoluntary_ctxt_switches:", 0, 10)
    facts.tracer = <int32_t> status_number(status, b"TracerPid:", 0, 10)
    signals_to_kinfo(status_number(status, b"ShdPnd:", 0, 16) | status_number(status, b"SigPnd:", 0, 16), &facts.pending)
    signals_to_kinfo(status_number(status, b"SigBlk:", 0, 16), &facts.mask)
    signals_to_kinfo(status_number(status, b"SigIgn:", 0, 16), &facts.ignored)
    signals_to_kinfo(status_number(status, b"SigCgt:", 0, 16), &facts.caught)


cdef void facts_of_self(lsf_process_facts *facts, proc_stat_t *stat, area_t *area) noexcept nogil:
    """What a process can tell of itself where there is no /proc."""
    cdef ids_t ids
    memset(stat, 0, sizeof(proc_stat_t))
    stat.pid = area.proc.pid
    stat.ppid = <int> linux_syscall0(LINUX_SYS_getppid)
    stat.pgrp = <int> linux_syscall0(LINUX_SYS_getpgrp)
    stat.session = <int> linux_syscall1(LINUX_SYS_getsid, 0)
    stat.state = 82                 # R
    stat.threads = 1
    facts_from_stat(facts, stat)
    user_ids(area.proc, &ids)
    facts.ruid = ids.real
    facts.uid = ids.effective
    facts.svuid = ids.saved
    group_ids(area.proc, &ids)
    facts.rgid = ids.real
    facts.gid = ids.effective
    facts.svgid = ids.saved


cdef void kinfo_of_guest(freebsd_kinfo_proc *info, process_t *guest) noexcept nogil:
    """What only the guest itself knows: its handlers, and its name in full."""
    cdef const char *name = guest.own.comm
    cdef int signo
    cdef uint32_t bit
    if guest.own.sugid:
        info.ki_flag |= FREEBSD_P_SUGID
    if guest.own.capmode:
        info.ki_cr_flags |= FREEBSD_KI_CRF_CAPABILITY_MODE
    memset(&info.ki_sigcatch, 0, sizeof(freebsd_sigset))
    memset(&info.ki_sigignore, 0, sizeof(freebsd_sigset))
    for signo in range(1, SIGNAL_MAX + 1):
        bit = 1U << ((signo - 1) & 31)
        if guest.handlers[signo].function == FREEBSD_SIG_IGN:
            info.ki_sigignore.bits[(signo - 1) >> 5] |= bit
        elif guest.handlers[signo].function != FREEBSD_SIG_DFL:
            info.ki_sigcatch.bits[(signo - 1) >> 5] |= bit
    if name[0] != 0 and string_starts(name, info.ki_comm):
        append(info.ki_comm, 0, sizeof(info.ki_comm), name)     # Linux cuts at 15


cdef bint is_supervisor(int pid, bint *sleeps) noexcept nogil:
    """Whether a process is the supervisor of the ptrace engine, which is no debugger; and whether it waits for something."""
    cdef proc_stat_t stat
    if proc_stat(pid, &stat) < 0 or not string_equal(stat.comm, b"lsf-supervisor"):
        return False
    sleeps[0] = stat.state == c'S'
    return True


cdef char look_at_stop(int pid, const char *name, int *tracer, uint64_t *switches) noexcept nogil:
    """The letter of a process or thread (name: "status", or "task/TID/status"), who traces it, and how often it has stopped so far."""
    cdef char text[3072]
    cdef const char *at
    if proc_read(pid, name, text, sizeof(text)) <= 0:
        return c'Z'
    at = find_text(text, b"State:")
    tracer[0] = <int> status_number(text, b"TracerPid:", 0, 10)
    switches[0] = status_number(text, b"voluntary_ctxt_switches:", 0, 10) + status_number(text, b"nonvoluntary_ctxt_switches:", 0, 10)
    while at != NULL and (at[0] == c' ' or at[0] == c'\t'):
        at += 1
    return c'Z' if at == NULL else at[0]


cdef char state_of_traced(int pid, const char *name) noexcept nogil:
    """The letter of a process or thread that /proc has as t, stopped for its tracer. The engine's supervisor stops who makes a call for a
    moment, which is no stop of FreeBSD's: it runs. Who was stopped by a signal is t, too, but then the supervisor, as soon as it has
    seen that, has nothing to do and sleeps, and it stays in this one stop."""
    cdef int tracer = 0, look, quiet = 0
    cdef uint64_t switches = 0, before = 0
    cdef bint sleeps = False
    cdef char letter
    for look in range(500):
        letter = look_at_stop(pid, name, &tracer, &switches)
        if letter != c't':
            return letter
        if not is_supervisor(tracer, &sleeps):
            break
        if look > 0 and switches != before:
            return c'R'
        before = switches
        quiet = quiet + 1 if sleeps else 0
        if quiet == 3:
            break
        pause(200000)
    return c'T'


cdef void kinfo_of_tracee(freebsd_kinfo_proc *info, const process_t *guest) noexcept nogil:
    """Where another guest traces this one by ptrace(2)."""
    cdef uint32_t state = DEBUG_RUNS
    cdef long fd = debug_open_of(guest)
    if is_error(fd):
        return
    info.ki_flag |= FREEBSD_P_TRACED
    info.ki_tracer = guest.own.debugger
    linux_syscall4(LINUX_SYS_pread64, <uint64_t> fd, <uint64_t> &state, 4, <uint64_t> &(<debug_page_t *> NULL).state)
    linux_syscall1(LINUX_SYS_close, fd)
    if state == DEBUG_STOPPED and info.ki_stat != FREEBSD_SZOMB:
        info.ki_stat = FREEBSD_SSTOP


cdef long fill_kinfo_proc(area_t *area, int pid, freebsd_kinfo_proc *info) noexcept nogil:
    """The record of a process: 0, or -ESRCH."""
    cdef char status[3072]
    cdef uint32_t groups[FREEBSD_KI_NGROUPS]
    cdef lsf_process_facts facts
    cdef proc_stat_t stat
    cdef bint sleeps
    cdef process_t *guest
    cdef int64_t elapsed, used
    memset(&facts, 0, sizeof(facts))
    if proc_stat(pid, &stat) == 0:
        facts_from_stat(&facts, &stat)
        if proc_read(pid, b"status", status, sizeof(status)) > 0:
            facts_from_status(&facts, status, groups)
        if facts.state == c't':
            facts.state = state_of_traced(pid, b"status")
    elif pid == area.proc.pid:
        facts_of_self(&facts, &stat, area)
    else:
        return -LINUX_ESRCH
    freebsd_kinfo_proc_from_facts(info, &facts)
    # Where the kernel keeps its structs: programs take 0 for none, and compare.
    info.ki_paddr = KERNEL_BASE + <uint64_t> pid * PAGE_SIZE
    info.ki_fd = info.ki_paddr + 0x400
    info.ki_vmspace = info.ki_paddr + 0x800
    info.ki_tdaddr = info.ki_paddr + 0xc00
    info.ki_tdflags = FREEBSD_TDF_INMEM | (0 if stat.state == c'D' else FREEBSD_TDF_SINTR)        # D sleeps uninterruptibly
    if stat.flags & LINUX_PF_KTHREAD:
        info.ki_flag |= FREEBSD_P_SYSTEM | FREEBSD_P_KPROC
    if info.ki_tracer and is_supervisor(info.ki_tracer, &sleeps):
        info.ki_tracer = 0
    if info.ki_tracer:
        info.ki_flag |= FREEBSD_P_TRACED
    if facts.ruid != facts.uid or facts.rgid != facts.gid:
        info.ki_flag |= FREEBSD_P_SUGID
    # Of its whole life. Linux tells the start in ticks: a young process is never shown with more than all it can have.
    elapsed = ((facts.now.tv_sec - facts.start.tv_sec) * 1000000 + facts.now.tv_usec - facts.start.tv_usec) \
        // (1000000 // LINUX_TICKS)
    used = stat.utime + stat.stime
    if elapsed < 1:
        elapsed = 1
    if used > elapsed * stat.threads:
        used = elapsed * stat.threads
    info.ki_pctcpu = <uint32_t> (used * FREEBSD_FSCALE // elapsed)
    guest = guest_process(area, pid)
    if guest != NULL:
        kinfo_of_guest(info, guest)
        kinfo_of_tracee(info, guest)
        release_guest(area, guest)
    else:
        memset(info.ki_emul, 0, sizeof(info.ki_emul))
        append(info.ki_emul, 0, sizeof(info.ki_emul), b"Linux ELF64")
    return 0


cdef long kinfo_of_thread(int pid, int tid, freebsd_kinfo_proc *info) noexcept nogil:
    """Turn the record of a process into that of one of its threads."""
    cdef char name[64]
    cdef proc_stat_t stat
    cdef uint64_t at = append(name, 0, sizeof(name), b"task/")
    cdef char text[1024]
    at = append_number(name, at, sizeof(name), <uint32_t> tid, 10)
    append(name, at, sizeof(name), b"/stat")
    if proc_read(pid, name, text, sizeof(text)) < 0 or proc_stat_parse(text, &stat) < 0:
        return -LINUX_ESRCH
    info.ki_tid = tid + LWP_FIRST if tid == pid and info.ki_flag & FREEBSD_P_TRACED else tid   # as its tracer knows it
    if stat.state == c't':
        append(name, at, sizeof(name), b"/status")
        stat.state = state_of_traced(pid, name)
    info.ki_stat = freebsd_process_state_from_linux(stat.state)
    info.ki_runtime = <uint64_t> ((stat.utime + stat.stime) * (1000000 // LINUX_TICKS))
    info.ki_lastcpu = stat.cpu
    ticks_to_timeval(stat.utime, &info.ki_rusage.ru_utime)
    ticks_to_timeval(stat.stime, &info.ki_rusage.ru_stime)
    append(info.ki_tdname, 0, sizeof(info.ki_tdname), stat.comm)
    return 0


cdef long out_kinfo_proc(sysctl_request_t *request, freebsd_kinfo_proc *info, bint threads) noexcept nogil:
    """Append the record of a process, or one for each of its threads."""
    cdef proc_walk_t walk
    cdef char path[32]
    cdef int tid
    cdef long result = 0
    if not threads or info.ki_stat == FREEBSD_SZOMB:
        return sysctl_out(request, info, sizeof(freebsd_kinfo_proc))
    proc_path(path, sizeof(path), info.ki_pid, b"task")
    if walk_begin(&walk, path) < 0:
        return sysctl_out(request, info, sizeof(freebsd_kinfo_proc))
    while True:
        tid = walk_next(&walk)
        if tid < 0:
            return result
        if result == 0 and kinfo_of_thread(info.ki_pid, tid, info) == 0:
            result = sysctl_out(request, info, sizeof(freebsd_kinfo_proc))


cdef bint kinfo_matches(freebsd_kinfo_proc *info, int64_t which, int value) noexcept nogil:
    cdef int i
    if which == FREEBSD_KERN_PROC_PGRP:
        return info.ki_pgid == value
    if which == FREEBSD_KERN_PROC_SESSION:
        return info.ki_sid == value
    if which == FREEBSD_KERN_PROC_TTY:
        return info.ki_tdev != FREEBSD_NODEV and <int> info.ki_tdev == value
    if which == FREEBSD_KERN_PROC_UID:
        return info.ki_uid == <uint32_t> value
    if which == FREEBSD_KERN_PROC_RUID:
        return info.ki_ruid == <uint32_t> value
    if which == FREEBSD_KERN_PROC_RGID:
        return info.ki_rgid == <uint32_t> value
    if which == FREEBSD_KERN_PROC_GID:
        for i in range(info.ki_ngroups):
            if info.ki_groups[i] == <uint32_t> value:
                return True
        return False
    return True


cdef void kinfo_login(area_t *area, freebsd_kinfo_proc *info, uint32_t *cached, char *name) noexcept nogil:
    """The login name: the user's, remembered from one record to the next."""
    cdef char login[FREEBSD_MAXLOGNAME]
    if info.ki_pid == area.proc.pid:
        login_name(area.proc, login)
        append(info.ki_login, 0, sizeof(info.ki_login), login)
        return
    if cached[0] != info.ki_ruid + 1:
        user_name(info.ki_ruid, name, 18)
        cached[0] = info.ki_ruid + 1
    append(info.ki_login, 0, sizeof(info.ki_login), name)


cdef public long sysctl_proc(sysctl_request_t *request) noexcept nogil:
    """Records of processes: all of them, or those that the row's kind and the number behind the name choose."""
    cdef freebsd_kinfo_proc info
    cdef proc_walk_t walk
    cdef char name[18]
    cdef uint32_t cached = 0
    cdef int64_t which = request.row.value & ~<int64_t> FREEBSD_KERN_PROC_INC_THREAD
    cdef bint threads = request.row.value & FREEBSD_KERN_PROC_INC_THREAD or request.row.value == FREEBSD_KERN_PROC_ALL
    cdef int pid = 0
    cdef long result
    if which == FREEBSD_KERN_PROC_PID:
        result = sysctl_pid(request, &pid)
        if result == 0:
            result = fill_kinfo_proc(request.area, pid, &info)
        if result < 0:
            return result
        kinfo_login(request.area, &info, &cached, name)
        return out_kinfo_proc(request, &info, threads)
    if which == FREEBSD_KERN_PROC_ALL and request.nrest != 0 or which == FREEBSD_KERN_PROC_PROC and request.nrest > 1 \
            or which != FREEBSD_KERN_PROC_ALL and which != FREEBSD_KERN_PROC_PROC and request.nrest != 1:
        return -LINUX_EINVAL
    if request.old == 0:
        # Room for five that come before the second call.
        request.old_at += 5 * sizeof(info)
    result = walk_begin(&walk, b"/proc")
    if result < 0:
        # Only this one is known.
        fill_kinfo_proc(request.area, request.area.proc.pid, &info)
        return out_kinfo_proc(request, &info, False)
    result = 0
    while True:
        pid = walk_next(&walk)
        if pid < 0:
            return result
        if result < 0 or fill_kinfo_proc(request.area, pid, &info) < 0:
            continue
        if not kinfo_matches(&info, which, request.rest[0] if request.nrest else 0):
            continue
        kinfo_login(request.area, &info, &cached, name)
        result = out_kinfo_proc(request, &info, threads)

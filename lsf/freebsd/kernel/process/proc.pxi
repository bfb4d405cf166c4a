# Processes: waiting, rfork, and what a process says of itself.
# Model: FreeBSD sys/kern/kern_exit.c (kern_wait6), kern_fork.c (sys_rfork, fork1), kern_uuid.c.

cdef enum:
    UUIDS_MAX = 2048

cdef enum:
    RFKNOWN = 0x1ff97074UL          # RFFLAGS and the signal's number

# What waitid says of a child.
cdef struct child_t:
    int pid, uid
    int code                        # CLD_*
    int status                      # exit status, or Linux's signal
    linux_rusage usage


cdef void child_from_info(child_t *child, const linux_siginfo *info) noexcept nogil:
    child.pid = info.fields.child.pid
    child.uid = info.fields.child.uid
    child.code = info.si_code
    child.status = info.fields.child.status


cdef long wait_linux(process_t *proc, int idtype, int64_t id_, long options, child_t *child) noexcept nogil:
    """waitid(2) of Linux, for wait_child (tracees.pxi); child.pid is 0 where WNOHANG found none. 0 or a negative errno.

    As on FreeBSD, a child with a descriptor (pdfork) is found only by its number, and one that ends with another signal than
    SIGCHLD (rfork) only with WLINUXCLONE."""
    cdef linux_siginfo info
    cdef procdesc_t *entry
    cdef long result
    memset(&info, 0, sizeof(info))
    memset(child, 0, sizeof(child_t))
    if idtype != LINUX_P_ALL:
        id_ = <int> id_                 # FreeBSD compares pid_t's; none is below 0, where Linux answers EINVAL
        if id_ < 0:
            return -LINUX_ECHILD
    entry = procdesc_find(proc, id_) if idtype == LINUX_P_PID else NULL
    if idtype != LINUX_P_PID:
        procdesc_sweep(proc)
    if entry != NULL and (entry.state == PROCDESC_LIVE or entry.state == PROCDESC_ENDED):
        return -LINUX_ECHILD if options & LINUX___WCLONE else procdesc_wait(proc, entry, options, child)
    if idtype == LINUX_P_PID and not options & LINUX___WCLONE and (entry == NULL or entry.state != PROCDESC_CLONE):
        options |= LINUX___WALL           # the list has not all: this image may have inherited one
    result = waitid_carried(proc, idtype, id_, &info, options, &child.usage)
    if is_error(result):
        return result
    child_from_info(child, &info)
    if entry != NULL and entry.state == PROCDESC_CLONE and child.pid != 0 and not options & LINUX_WNOWAIT:
        atomic_store32(&entry.state, PROCDESC_FREE)
    return 0


cdef int child_signal(child_t *child) noexcept nogil:
    """FreeBSD's number of the signal that killed, stopped or continued a child."""
    if child.code == LINUX_CLD_CONTINUED:
        return FREEBSD_SIGCONT
    if child.status & STATUS_CARRIED:
        return child.status & 0xff
    return lsf_signal_from_linux[child.status & 0x7f] if child.status & 0x7f <= 64 else 0


cdef int wait_status(child_t *child) noexcept nogil:
    """FreeBSD's status word."""
    if child.code == LINUX_CLD_EXITED:
        return (child.status & 0xff) << 8
    if child.code == LINUX_CLD_CONTINUED:
        return FREEBSD_SIGCONT
    if child.code == LINUX_CLD_STOPPED or child.code == LINUX_CLD_TRAPPED:
        return child_signal(child) << 8 | 0x7f
    return child_signal(child) | (0x80 if child.code == LINUX_CLD_DUMPED else 0)


cdef public long sys_wait4(frame_t *frame, area_t *area) noexcept nogil:
    cdef child_t child
    cdef int pid = <int> frame.arg[0], idtype = LINUX_P_PID
    cdef int64_t id_ = pid
    cdef long options = freebsd_to_linux_wait_options(<unsigned> frame.arg[2] | FREEBSD_WEXITED)
    cdef long result
    if options < 0:
        return -LINUX_EINVAL
    if area.proc.own.capmode and procdesc_find(area.proc, pid) != NULL:
        return -LINUX_ECHILD            # whose descriptor may be another process's by now (proc_to_reap)
    if pid == -1:
        idtype = LINUX_P_ALL
    elif pid <= 0:
        idtype = LINUX_P_PGID
        id_ = -<int64_t> pid if pid < 0 else linux_syscall1(LINUX_SYS_getpgid, 0)
    result = wait_child(area.proc, idtype, id_, options | WAIT_TRAPPED, &child)
    if result < 0:
        return restartable(result)
    if child.pid == 0:
        return 0
    if frame.arg[1] != 0 and store_guest32(frame.arg[1], wait_status(&child)) < 0:
        return -LINUX_EFAULT
    if frame.arg[3] != 0 and copyout(&child.usage, frame.arg[3], sizeof(freebsd_rusage)) < 0:
        return -LINUX_EFAULT
    return child.pid


cdef int first_child() noexcept nogil:
    """The oldest child of this thread, which FreeBSD's list has last; 0 where Linux does not tell."""
    cdef char text[32]
    cdef int64_t pid = 0
    memset(text, 0, sizeof(text))
    if read_file(b"/proc/thread-self/children", text, sizeof(text) - 1) > 0:
        parse_number(text, &pid)
    return <int> pid


cdef long rfork_descriptors(area_t *area, uint32_t flags) noexcept nogil:
    """fork_norfproc: the process gets descriptors that no other process has, or none at all. Memory that it would share it does not. Linux
    gives a thread its own, so of several threads none can."""
    cdef long result
    if not flags & (FREEBSD_RFFDG | FREEBSD_RFCFDG):
        return 0
    if area.proc.own.files_shared:
        if not is_alone(area):
            return -LINUX_EINVAL
        result = linux_syscall1(LINUX_SYS_unshare, LINUX_CLONE_FILES)
        if is_error(result):
            return result
        area.proc.own.files_shared = 0
    if flags & FREEBSD_RFCFDG:
        close_visible(area.proc, 0, 0xffffffffUL, 0)
    return 0


cdef public long rfork_other(frame_t *frame, area_t *area) noexcept nogil:
    """rfork(2): fork with a choice of what is shared. Sharing memory or signal handlers is refused: see the table.
    (RFSPAWN alone, which is a vfork, has left for there: entry.S.)"""
    cdef uint32_t flags = <uint32_t> frame.arg[0], signo = flags >> 20 & 0xff
    cdef uint64_t clone_flags = LINUX_SIGCHLD
    cdef long result
    if flags & ~<uint32_t> RFKNOWN or flags & FREEBSD_RFSPAWN:
        return -LINUX_EINVAL
    if signo != 0 and not flags & FREEBSD_RFTSIGZMB:
        return -LINUX_EINVAL
    if flags & (FREEBSD_RFFDG | FREEBSD_RFCFDG) == FREEBSD_RFFDG | FREEBSD_RFCFDG:
        return -LINUX_EINVAL
    if flags & FREEBSD_RFTSIGZMB and signo > SIGNAL_MAX:
        return -LINUX_EINVAL
    if not flags & FREEBSD_RFPROC:
        result = rfork_descriptors(area, flags)
        if result == 0:
            frame.arg[2] = 0
        return result
    if flags & (FREEBSD_RFMEM | FREEBSD_RFSIGSHARE | FREEBSD_RFTHREAD):
        return -LINUX_EINVAL
    if flags & FREEBSD_RFTSIGZMB:
        clone_flags = lsf_signal_to_linux[signo]
    elif flags & FREEBSD_RFLINUXTHPN:
        clone_flags = lsf_signal_to_linux[FREEBSD_SIGUSR1]
    if not flags & (FREEBSD_RFFDG | FREEBSD_RFCFDG):
        clone_flags |= LINUX_CLONE_FILES
        area.proc.own.files_shared = 1
    if flags & FREEBSD_RFNOWAIT:
        clone_flags = clone_flags & ~<uint64_t> 0xff | LINUX_SIGCHLD | ORPHAN
    result = fork_with(frame, area, clone_flags)
    if result > 0 and clone_flags & 0xff != LINUX_SIGCHLD:
        procdesc_note(area.proc, <int> result, PROCDESC_CLONE, -1)
    if result == 0 and flags & FREEBSD_RFCFDG:
        close_visible(area.proc, 0, 0xffffffffUL, 0)
    return result


cdef public long sys_abort2(frame_t *frame, area_t *area) noexcept nogil:
    """Die by SIGABRT with a reason for the log; by SIGKILL when the arguments are wrong."""
    cdef char reason[256]
    cdef bint good = 0 <= <int> frame.arg[1] <= 16 and copyinstr(frame.arg[0], reason, sizeof(reason), NULL) == 0
    if good:
        complain(b"abort2: ", reason, NULL, NULL)
    kill_self(area, LINUX_SIGABRT if good else 9)
    return 0


cdef public long sys_uuidgen(frame_t *frame, area_t *area) noexcept nogil:
    """UUIDs of version 1: the time, a random clock sequence and a random multicast node."""
    cdef unsigned char uuid[16]
    cdef unsigned char random[8]
    cdef linux_timespec now
    cdef uint64_t time
    cdef int count = <int> frame.arg[1], i
    if count < 1 or count > UUIDS_MAX:
        return -LINUX_EINVAL
    linux_syscall3(LINUX_SYS_getrandom, <uint64_t> random, sizeof(random), 0)
    linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_REALTIME, <uint64_t> &now)
    # 100 ns since the Gregorian calendar began (15 October 1582)
    time = (<uint64_t> now.tv_sec + 12219292800UL) * 10000000 + <uint64_t> now.tv_nsec // 100
    for i in range(count):
        (<uint32_t *> uuid)[0] = <uint32_t> time
        (<uint16_t *> uuid)[2] = <uint16_t> (time >> 32)
        (<uint16_t *> uuid)[3] = <uint16_t> ((time >> 48 & 0xfff) | 0x1000)
        uuid[8] = (random[0] & 0x3f) | 0x80
        uuid[9] = random[1]
        memcpy(&uuid[10], &random[2], 6)
        uuid[10] |= 1
        if copyout(uuid, frame.arg[0] + <uint64_t> i * 16, 16) < 0:
            return -LINUX_EFAULT
        time += 1
    return 0


cdef public long sys_sched_getcpu(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t cpu = 0
    cdef long result = linux_syscall3(LINUX_SYS_getcpu, <uint64_t> &cpu, 0, 0)
    return result if is_error(result) else cpu


cdef public long sys_kcmp(frame_t *frame, area_t *area) noexcept nogil:
    """Compare what two processes share; Linux counts the kinds otherwise."""
    cdef int kind = <int> frame.arg[2], linux
    if kind == FREEBSD_KCMP_FILE or kind == FREEBSD_KCMP_FILEOBJ:
        linux = LINUX_KCMP_FILE
        if (<int> frame.arg[0] == area.proc.pid and descriptor_is_hidden(area.proc, <int> frame.arg[3])
                or <int> frame.arg[1] == area.proc.pid and descriptor_is_hidden(area.proc, <int> frame.arg[4])):
            return -LINUX_EBADF
    elif kind == FREEBSD_KCMP_FILES:
        linux = LINUX_KCMP_FILES
    elif kind == FREEBSD_KCMP_SIGHAND:
        linux = LINUX_KCMP_SIGHAND
    elif kind == FREEBSD_KCMP_VM:
        linux = LINUX_KCMP_VM
    else:
        return -LINUX_EINVAL
    return linux_syscall5(LINUX_SYS_kcmp, frame.arg[0], frame.arg[1], linux, frame.arg[3], frame.arg[4])


cdef public long sys_setfib(frame_t *frame, area_t *area) noexcept nogil:
    """There is one routing table (net.fibs)."""
    return 0 if <int> frame.arg[0] == 0 else -LINUX_EINVAL


cdef public long sys_kldnext(frame_t *frame, area_t *area) noexcept nogil:
    """No module is loaded: after the start (0) comes nothing."""
    return 0 if <int> frame.arg[0] == 0 else -LINUX_ENOENT


cdef public long sys_kenv(frame_t *frame, area_t *area) noexcept nogil:
    """An empty kernel environment."""
    cdef uint32_t what = <uint32_t> frame.arg[0]
    if 3 <= what <= 5:                  # KENV_DUMP and its kin
        return 0
    if what == 0:                       # KENV_GET
        return -LINUX_ENOENT
    return -LINUX_EPERM if what <= 2 else -LINUX_EINVAL


cdef public long sys_freebsd4_getdomainname(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_utsname name
    cdef uint64_t size
    linux_syscall1(LINUX_SYS_uname, <uint64_t> &name)
    if string_equal(name.domainname, b"(none)"):
        name.domainname[0] = 0
    size = string_length(name.domainname) + 1
    if <int> frame.arg[1] < 0:
        return -LINUX_EINVAL
    return copyout(name.domainname, frame.arg[0], size if size < frame.arg[1] else frame.arg[1])


cdef public long sys_freebsd4_uname(frame_t *frame, area_t *area) noexcept nogil:
    """Five names of 32 bytes."""
    cdef char names[5][32]
    cdef linux_utsname name
    cdef char version[64]
    memset(names, 0, sizeof(names))
    linux_syscall1(LINUX_SYS_uname, <uint64_t> &name)
    append(names[0], 0, 32, b"FreeBSD")
    append(names[1], 0, 32, name.nodename)
    release_text(area.proc.own.osreldate, names[2], 32)
    version_text(area.proc.own.osreldate, version, sizeof(version))
    append(names[3], 0, 32, version)
    append(names[4], 0, 32, b"amd64")
    return copyout(names, frame.arg[0], sizeof(names))

# Processes: waiting, priorities, scheduling.
# Model: FreeBSD sys/kern/kern_exit.c (kern_wait6), kern_resource.c, p1003_1b.c.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_waitid, SYS_getpgid

cdef enum:
    LINUX_P_ALL = 0
    LINUX_P_PID = 1
    LINUX_P_PGID = 2
    LINUX_WALL = 0x40000000
    CLD_EXITED = 1
    CLD_KILLED = 2
    CLD_DUMPED = 3
    CLD_TRAPPED = 4
    CLD_STOPPED = 5
    CLD_CONTINUED = 6

# What waitid says of a child.
cdef struct child_t:
    int pid, uid
    int code                        # CLD_*
    int status                      # exit status, or Linux's signal
    linux_rusage usage


cdef long wait_child(int idtype, int64_t id_, long options, child_t *child) noexcept nogil:
    """waitid(2) of Linux; child.pid is 0 where WNOHANG found none. 0 or a negative errno."""
    cdef linux_siginfo info
    cdef long result
    memset(&info, 0, sizeof(info))
    memset(child, 0, sizeof(child_t))
    result = blocking_syscall(SYS_waitid, idtype, <uint64_t> id_, <uint64_t> &info, options | LINUX_WALL,
                              <uint64_t> &child.usage, 0)
    if is_error(result):
        return result
    child.pid = info.fields.child.pid
    child.uid = info.fields.child.uid
    child.code = info.si_code
    child.status = info.fields.child.status
    return 0


cdef int wait_status(child_t *child) noexcept nogil:
    """FreeBSD's status word."""
    cdef int signo
    if child.code == CLD_EXITED:
        return (child.status & 0xff) << 8
    if child.code == CLD_CONTINUED:
        return 19                               # SIGCONT
    signo = lsf_signal_from_linux[child.status & 0x7f] if child.status & 0x7f <= 64 else 0
    if child.code == CLD_STOPPED or child.code == CLD_TRAPPED:
        return signo << 8 | 0x7f
    return signo | (0x80 if child.code == CLD_DUMPED else 0)


cdef public long sys_wait4(frame_t *frame, area_t *area) noexcept nogil:
    cdef child_t child
    cdef int pid = <int> frame.arg[0], idtype = LINUX_P_PID
    cdef int64_t id_ = pid
    cdef long options = freebsd_to_linux_wait_options(<unsigned> frame.arg[2] | FREEBSD_WEXITED)
    cdef long result
    if options < 0:
        return -EINVAL
    if pid == -1:
        idtype = LINUX_P_ALL
    elif pid <= 0:
        idtype = LINUX_P_PGID
        id_ = -<int64_t> pid if pid < 0 else linux_syscall1(SYS_getpgid, 0)
    result = wait_child(idtype, id_, options, &child)
    if result < 0:
        return restartable(result)
    if child.pid == 0:
        return 0
    if frame.arg[1] != 0 and store_guest32(frame.arg[1], wait_status(&child)) < 0:
        return -EFAULT
    if frame.arg[3] != 0 and copyout(&child.usage, frame.arg[3], sizeof(freebsd_rusage)) < 0:
        return -EFAULT
    return child.pid

# Capability mode: what a process that has entered it may call, and with what. Model: FreeBSD sys/kern/subr_syscall.c (CAPENABLED, and
# the trap), and the handlers that look at IN_CAPABILITY_MODE.

cdef bint socket_is_of_capmode(int family, int kind, int protocol) noexcept nogil:
    """PR_CAPATTACH: local sockets, TCP and UDP. What has no protocol at all is told so by socket(2) itself."""
    kind &= ~<int> (FREEBSD_SOCK_CLOEXEC | FREEBSD_SOCK_NONBLOCK | FREEBSD_SOCK_CLOFORK)
    if family == FREEBSD_AF_INET or family == FREEBSD_AF_INET6:
        return kind != FREEBSD_SOCK_RAW
    return family != FREEBSD_AF_ROUTE and family != FREEBSD_AF_NETLINK


cdef bint cpuset_is_own(area_t *area, frame_t *frame) noexcept nogil:
    """cpuset_capmode_allowed: the calling thread and its process alone."""
    cdef int level = <int> frame.arg[0], which = <int> frame.arg[1]
    cdef int64_t id_ = <int64_t> frame.arg[2]
    if level != FREEBSD_CPU_LEVEL_WHICH or which != FREEBSD_CPU_WHICH_TID and which != FREEBSD_CPU_WHICH_PID:
        return False
    return id_ == -1 or id_ == (area.tid if which == FREEBSD_CPU_WHICH_TID else area.proc.pid)


cdef bint sysarch_is_of_capmode(uint32_t op) noexcept nogil:
    """sysarch in sys/amd64/amd64/sys_machdep.c"""
    # With those of other machines between them; not I386_SET_IOPERM.
    return op <= FREEBSD_I386_GET_IOPERM or FREEBSD_I386_GET_FSBASE <= op <= FREEBSD_I386_CLEAR_PKRU \
        or FREEBSD_AMD64_GET_FSBASE <= op <= FREEBSD_AMD64_DISABLE_TLSBASE


cdef bint capmode_allows(area_t *area, frame_t *frame) noexcept nogil:
    """A call of capability mode whose arguments may lead outside."""
    cdef process_t *proc = area.proc
    cdef uint64_t nr = frame.nr
    if nr == FREEBSD_SYS_kill:
        return <int> frame.arg[0] == proc.pid
    if nr == FREEBSD_SYS_fcntl:
        return <int> frame.arg[1] != FREEBSD_F_KINFO
    if nr == FREEBSD_SYS_sysarch:
        return sysarch_is_of_capmode(<uint32_t> frame.arg[0])
    if nr == FREEBSD_SYS_socket or nr == FREEBSD_SYS_socketpair:
        return socket_is_of_capmode(<int> frame.arg[0], <int> frame.arg[1], <int> frame.arg[2])
    if nr == FREEBSD_SYS_sendto or nr == FREEBSD_SYS_sendmsg:
        return send_address(frame) == 0
    if nr == FREEBSD_SYS_shm_open2 or nr == FREEBSD_SYS_freebsd12_shm_open:
        return frame.arg[0] == FREEBSD_SHM_ANON
    if FREEBSD_SYS_cpuset_getaffinity <= nr <= FREEBSD_SYS_cpuset_setaffinity \
            or nr == FREEBSD_SYS_cpuset_getdomain or nr == FREEBSD_SYS_cpuset_setdomain:
        return cpuset_is_own(area, frame)
    return True


cdef long capmode_check(area_t *area, frame_t *frame) noexcept nogil:
    """Whether a process in capability mode may make a call: 0 or an error."""
    cdef int enabled = lsf_cap_enabled[frame.nr]
    if enabled == 0 or (enabled == 2 and area.proc.own.osreldate < FREEBSD_SINCE_CAPMODE_FORKS) or not capmode_allows(area, frame):
        return guest_error(FREEBSD_ECAPMODE)
    return 0


cdef void capmode_trap(area_t *area, long error) noexcept nogil:
    """PROC_TRAPCAP_CTL and kern.trap_enotcap: SIGTRAP with TRAP_CAP at the end of a call that failed so (trapsignal, in syscallret). Where another signal
    waits for the end of this call already, that one alone comes."""
    cdef linux_siginfo *info = <linux_siginfo *> area.info
    if not area.proc.own.ctl[CTL_TRAPCAP] and not trap_enotcap():
        return
    block_all(NULL)
    if area.deferred:
        return
    memset(area.info, 0, sizeof(area.info))
    info.si_signo = LINUX_SIGTRAP
    info.si_errno = lsf_errno_map[-error]
    info.si_code = TRAP_CAP_PRIVATE
    info.fields.fault.addr = area.frame.nr
    area.deferred = LINUX_SIGTRAP

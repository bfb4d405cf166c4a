# Numbers that no FreeBSD has, and the indirect calls, syscall(2) and __syscall(2).

cdef public long sys_nosys(frame_t *frame, area_t *area) noexcept nogil:
    """A number that no FreeBSD has, or none has any more: nosys() sends SIGSYS (kern.signosys)."""
    signal_self(area, FREEBSD_SIGSYS)
    return -LINUX_ENOSYS


cdef public int release_is_before(area_t *area, uint32_t since) noexcept nogil:
    """Whether a program of this process runs on a release that lacks a call (lsf/freebsd/tables/releases.py)."""
    return area.proc.own.osreldate < since


cdef public long sys_syscall(frame_t *frame, area_t *area) noexcept nogil:
    """syscall(2) and __syscall(2): the real number is the first argument, and the seventh lies on the stack."""
    cdef uint64_t nr = <uint32_t> frame.arg[0], sixth = 0
    if nr >= GUEST_NSYSCALLS or nr == FREEBSD_SYS_syscall or nr == FREEBSD_SYS___syscall:
        return sys_nosys(frame, area)
    fetch_guest64(frame.rsp + 8, &sixth)
    return run_inner(frame, area, nr, sixth)


cdef uint64_t called_number(frame_t *frame) noexcept nogil:
    """The number of the call that a frame stands for: that of an indirect one is its first argument."""
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        return <uint32_t> frame.arg[0]
    return frame.nr

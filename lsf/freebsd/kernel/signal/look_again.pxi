# A thread that sleeps is made to look again: its call begins anew, and the guest sees nothing of it. By SIGBUS, as ids are spread
# (cred_threads.pxi).

cdef enum:
    LOOK_MAGIC = 0x4c530002             # si_errno of the SIGBUS (supervisor/protocol.pxi knows it too)


cdef inline bint is_look_signal(linux_siginfo *info) noexcept nogil:
    return info.si_code == IDS_CODE and info.si_errno == LOOK_MAGIC


cdef void look_again(area_t *area) noexcept nogil:
    cdef linux_siginfo info
    memset(&info, 0, 128)
    info.si_signo = LINUX_SIGBUS
    info.si_code = IDS_CODE
    info.si_errno = LOOK_MAGIC
    linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, area.tid, LINUX_SIGBUS, <uint64_t> &info)

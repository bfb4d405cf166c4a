# A thread that sleeps is made to look again: its call begins anew, and the guest sees nothing of it. By SIGBUS, as ids are spread
# (cred_threads.pxi).

cdef enum:
    LOOK_MAGIC = 0x4c530002             # si_errno of the SIGBUS (supervisor/protocol.pxi knows it too)


cdef inline bint is_look_signal(linux_siginfo *info) noexcept nogil:
    return is_asked(info, LOOK_MAGIC)


cdef void look_again(area_t *area) noexcept nogil:
    ask_thread(area, LOOK_MAGIC)

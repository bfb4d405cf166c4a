# POSIX timers are Linux's own; what differs is struct sigevent. Model: FreeBSD sys/kern/kern_time.c.

cdef enum:
    TIMER_SLOT_TAKEN = 1            # in timer_words: its timer is being made
    TIMER_PLAIN = 2                 # and it sends no signal, or one that Linux has a number for


cdef public long sys_ktimer_create(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_sigevent event
    cdef uint64_t linux_event[8]
    cdef int linux = 0, timer = -1, notify, slot = -1
    cdef uint32_t word = TIMER_PLAIN
    cdef uint32_t clock_id = <uint32_t> frame.arg[0]
    cdef long result
    if clock_id != FREEBSD_CLOCK_REALTIME and clock_id != FREEBSD_CLOCK_MONOTONIC:
        return -LINUX_EINVAL
    memset(linux_event, 0, sizeof(linux_event))
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], &event, sizeof(event)) < 0:
            return -LINUX_EFAULT
        notify = event.sigev_notify
        if notify != FREEBSD_SIGEV_NONE and notify != FREEBSD_SIGEV_SIGNAL and notify != FREEBSD_SIGEV_THREAD_ID:
            return -LINUX_EINVAL
        if notify != FREEBSD_SIGEV_NONE:
            if event.sigev_signo <= 0 or event.sigev_signo > SIGNAL_MAX:
                return -LINUX_EINVAL
            linux = queued_own(event.sigev_signo)
            if linux == 0:
                linux = LINUX_CARRIER
                word = CARRIER_MAGIC | (FREEBSD_SI_TIMER & 0x3f) << 8 | <uint32_t> event.sigev_signo
                if notify == FREEBSD_SIGEV_THREAD_ID:
                    word |= CARRIER_THREAD
        # union sigval, signo, notify (SIGNAL 0, NONE 1, THREAD_ID 4), thread
        linux_event[0] = event.sigev_value
        (<int *> linux_event)[2] = linux
        (<int *> linux_event)[3] = (1 if notify == FREEBSD_SIGEV_NONE else 0 if notify == FREEBSD_SIGEV_SIGNAL else 4)
        if notify == FREEBSD_SIGEV_THREAD_ID:
            (<int *> linux_event)[4] = <int> event.sigev_un[0]
    slot = timer_slot(area.proc)
    if slot < 0:
        return -LINUX_EAGAIN
    result = linux_syscall3(LINUX_SYS_timer_create, freebsd_to_linux_clock(<int> clock_id),
                            <uint64_t> linux_event if frame.arg[1] != 0 else 0, <uint64_t> &timer)
    area.proc.own.timer_ids[slot] = timer
    area.proc.own.timer_words[slot] = 0 if is_error(result) else word
    if is_error(result):
        return result
    if store_guest32(frame.arg[2], <uint32_t> timer) < 0:
        timer_delete(area.proc, timer)
        return -LINUX_EFAULT
    return 0


cdef int timer_slot(process_t *proc) noexcept nogil:
    """Room for one more timer, or -1."""
    cdef int i
    for i in range(TIMER_MAX):
        if proc.own.timer_words[i] == 0 and atomic_cas32(&proc.own.timer_words[i], 0, TIMER_SLOT_TAKEN) == 0:
            return i
    return -1


cdef long timer_delete(process_t *proc, int timer) noexcept nogil:
    cdef long result = linux_syscall1(LINUX_SYS_timer_delete, timer)
    cdef int i
    if result == 0:
        for i in range(TIMER_MAX):
            if proc.own.timer_words[i] > <uint32_t> TIMER_SLOT_TAKEN and proc.own.timer_ids[i] == timer:
                proc.own.timer_words[i] = 0
    return result


cdef public long sys_ktimer_delete(frame_t *frame, area_t *area) noexcept nogil:
    return timer_delete(area.proc, <int> frame.arg[0])

# lio_listio(2).

cdef aio_lio_t *lio_new(aio_t *aio) noexcept nogil:
    cdef int i
    cdef aio_lio_t *lio = NULL
    lock_acquire(&aio.lock)
    for i in range(AIO_JOBS):
        if not aio.lios[i].used:
            lio = &aio.lios[i]
            memset(lio, 0, sizeof(aio_lio_t))
            lio.used = 1
            lio.count = 1
            break
    lock_release(&aio.lock)
    return lio


cdef long lio_wait(area_t *area, aio_t *aio, aio_lio_t *lio) noexcept nogil:
    """LIO_WAIT: until all are done: 0 or -EINTR. With aio.lock."""
    cdef deadline_t deadline
    cdef uint32_t seen
    cdef long result = 0
    deadline.kind = DEADLINE_NONE
    while result == 0 and lio.finished != lio.count - 1:
        seen = atomic_load32(&aio.completions)
        lock_release(&aio.lock)
        result = umtx_sleep(area.proc, <uint64_t> &aio.completions, seen, False, FUTEX_ANY, &deadline)
        lock_acquire(&aio.lock)
        if result == -LINUX_EAGAIN:
            result = 0
    return result


cdef long lio_submit(frame_t *frame, area_t *area, bint old) noexcept nogil:
    """lio_listio(2)."""
    cdef process_t *proc = area.proc
    cdef aio_t *aio
    cdef aio_lio_t *lio
    cdef freebsd_sigevent event
    cdef uint64_t words[2]
    cdef uint64_t ujob = 0
    cdef int mode = <int> frame.arg[0], nent = <int> frame.arg[2], i
    cdef bint again = False, failed = False, told = frame.arg[3] != 0 and mode == FREEBSD_LIO_NOWAIT
    cdef long result = 0
    if mode != FREEBSD_LIO_NOWAIT and mode != FREEBSD_LIO_WAIT or nent < 0 or nent > AIO_JOBS:
        return -LINUX_EINVAL
    memset(&event, 0, sizeof(event))
    if told and old:
        if copyin(frame.arg[3], words, sizeof(words)) < 0:
            return -LINUX_EFAULT
        result = sigevent_from_old(&event, <int> words[0], <int> (words[0] >> 32), words[1])
    elif told:
        result = copyin(frame.arg[3], &event, sizeof(event))
    if result == 0 and told:
        result = aio_check_event(&event)
    for i in range(nent):
        if result == 0:
            result = fetch_guest64(frame.arg[1] + 8 * <uint64_t> i, &ujob)
    if result < 0:
        return result
    aio = aio_of(proc)
    lio = lio_new(aio) if aio != NULL else NULL
    if lio == NULL:
        return -LINUX_EAGAIN
    lio.event = event
    lio.signal = event.sigev_notify == FREEBSD_SIGEV_SIGNAL or event.sigev_notify == FREEBSD_SIGEV_THREAD_ID
    if event.sigev_notify == FREEBSD_SIGEV_KEVENT:
        lio.knote = aio_attach(proc, event.sigev_signo, FREEBSD_EVFILT_LIO, frame.arg[1], event.sigev_value, 0, &result)
        if result < 0:
            lio.used = 0
            return result
    for i in range(nent):
        if fetch_guest64(frame.arg[1] + 8 * <uint64_t> i, &ujob) < 0 or ujob == 0:
            continue
        result = aio_submit(area, ujob, FREEBSD_LIO_NOP, lio, old)
        if result == -LINUX_EAGAIN:
            again = True
        elif result < 0:
            failed = True
    result = 0
    lock_acquire(&aio.lock)
    if mode == FREEBSD_LIO_WAIT:
        result = lio_wait(area, aio, lio)
    elif lio.finished == lio.count - 1:
        aio_list_done(area, lio)
    lio.count -= 1
    if lio.count == 0:
        aio_detach(proc, lio.knote)
        lio.used = 0
    lock_release(&aio.lock)
    return -LINUX_EIO if failed else -LINUX_EAGAIN if again else result


cdef public long sys_lio_listio(frame_t *frame, area_t *area) noexcept nogil:
    return lio_submit(frame, area, False)


cdef public long sys_freebsd6_lio_listio(frame_t *frame, area_t *area) noexcept nogil:
    return lio_submit(frame, area, True)

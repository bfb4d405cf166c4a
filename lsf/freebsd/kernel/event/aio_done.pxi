# aio(4): completion.

cdef uint64_t aio_attach(process_t *proc, int kq_fd, int filt, uint64_t ident, uint64_t udata, uint32_t flags,
                         long *error) noexcept nogil:
    """Make the knote of a request or a list: its name, or 0 and an error."""
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef knote_t *kn
    cdef uint64_t name = 0
    lock_acquire(&proc.own.lock_event)
    ev = <events_t *> proc.own.events
    kq = kqueue_find(ev, <uint32_t> kq_fd)
    error[0] = -LINUX_EBADF
    if kq != NULL and not kq.closing:
        error[0] = kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
        if error[0] == 0:
            kn = knote_find(ev, kq, ident, filt)
            if kn != NULL:
                knote_drop(proc, ev, kn)
            kn = knote_new(ev)
            error[0] = -LINUX_ENOMEM
            if kn != NULL:
                kn.kq = kq
                kn.kev.ident = ident
                kn.kev.filter = <int16_t> filt
                kn.kev.flags = <uint16_t> flags
                kn.kev.udata = udata
                knote_insert(ev, kn)
                name = knote_name(kn)
                error[0] = 0
    lock_release(&proc.own.lock_event)
    return name


cdef void aio_detach(process_t *proc, uint64_t name) noexcept nogil:
    """A request or a list is gone, and its knote with it."""
    cdef events_t *ev = <events_t *> proc.own.events
    cdef knote_t *kn
    cdef kqueue_t *kq
    if name == 0:
        return
    lock_acquire(&proc.own.lock_event)
    kn = knote_at(ev, name)
    if kn != NULL:
        kq = kn.kq
        knote_drop(proc, ev, kn)
        kqueue_signal(kq)
    lock_release(&proc.own.lock_event)


cdef void aio_report(process_t *proc, uint64_t name, int64_t data, uint32_t flags) noexcept nogil:
    cdef knote_t *kn
    if name == 0:
        return
    lock_acquire(&proc.own.lock_event)
    kn = knote_at(<events_t *> proc.own.events, name)
    if kn != NULL:
        kn.hook = 1
        kn.kev.data = data
        kn.kev.flags |= <uint16_t> flags
        knote_activate(kn)
    lock_release(&proc.own.lock_event)


cdef void aio_signal(area_t *area, const freebsd_sigevent *event) noexcept nogil:
    """aio_sendsig."""
    if event.sigev_notify == FREEBSD_SIGEV_SIGNAL or event.sigev_notify == FREEBSD_SIGEV_THREAD_ID:
        sigevent_send(area, event.sigev_signo,
                      <int> event.sigev_un[0] if event.sigev_notify == FREEBSD_SIGEV_THREAD_ID else 0,
                      FREEBSD_SI_ASYNCIO, LINUX_SI_ASYNCIO, event.sigev_value)


cdef void aio_list_done(area_t *area, aio_lio_t *lio) noexcept nogil:
    """All requests of a list are done: say so, once."""
    aio_report(area.proc, lio.knote, 0, 0)
    if lio.signal:
        lio.signal = 0
        aio_signal(area, &lio.event)


cdef void aio_complete(area_t *area, aio_t *aio, aio_job_t *job, int64_t result) noexcept nogil:
    """A request is done: `result` is a number of bytes or Linux's errno, negative. With aio.lock."""
    aio_finish(area, aio, job, result if result >= 0 else -1, lsf_errno_map[-result] if result < 0 else 0)


cdef void aio_finish(area_t *area, aio_t *aio, aio_job_t *job, int64_t status, int error) noexcept nogil:
    cdef aio_lio_t *lio = job.lio
    cdef bint queued = job.held >= 0
    if queued:
        lock_acquire(&area.proc.own.lock_event)
        epoll_control(aio.epoll_fd, LINUX_EPOLL_CTL_DEL, job.held, 0, 0)
        hidden_close(<events_t *> area.proc.own.events, &job.held)
        lock_release(&area.proc.own.lock_event)
    if job.iov != 0:
        linux_syscall2(LINUX_SYS_munmap, job.iov, page_up(job.iovcnt * 16 + 16))
        job.iov = 0
    job.status = status
    job.error = error
    aio.sequence += 1
    job.sequence = aio.sequence
    atomic_store32(&job.state, JOB_DONE)
    if queued:
        aio_arm_next(aio, job)
    aio_signal(area, &job.event)
    aio_report(area.proc, job.knote, error, FREEBSD_EV_EOF)
    if lio != NULL:
        lio.finished += 1
        if lio.finished == lio.count:
            aio_list_done(area, lio)
    atomic_add32(&aio.completions, 1)
    umtx_wake(<uint64_t> &aio.completions, INT_MAX, False, FUTEX_ANY)


cdef void aio_free(process_t *proc, aio_t *aio, aio_job_t *job) noexcept nogil:
    """aio_free_entry: a request has been returned."""
    cdef aio_lio_t *lio = job.lio
    aio_detach(proc, job.knote)
    if lio != NULL:
        lio.count -= 1
        lio.finished -= 1
        if lio.count == 0:
            aio_detach(proc, lio.knote)
            lio.used = 0
    job.state = JOB_FREE

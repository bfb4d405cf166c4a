# aio(4): results.

cdef aio_job_t *aio_find(aio_t *aio, uaddr ujob) noexcept nogil:
    """The request that an aiocb is; NULL for none. With aio.lock."""
    cdef int i
    for i in range(AIO_JOBS):
        if aio.jobs[i].state != JOB_FREE and aio.jobs[i].ujob == ujob:
            return &aio.jobs[i]
    return NULL


cdef long aio_take_result(area_t *area, aio_t *aio, aio_job_t *job) noexcept nogil:
    """What a request that is done returned; it is gone then. Releases aio.lock."""
    cdef uaddr ujob = job.ujob
    cdef int64_t status = job.status
    cdef int error = job.error
    if job.socket and status > 0:
        area.own.messages[0 if job.opcode & FREEBSD_LIO_WRITE else 1] += 1      # kern_aio_return
    aio_free(area.proc, aio, job)
    lock_release(&aio.lock)
    store_guest64(ujob + AIOCB_ERROR, <uint64_t> <int64_t> error)
    store_guest64(ujob + AIOCB_STATUS, <uint64_t> status)
    return guest_error(error) if error else status


cdef public long sys_aio_return(frame_t *frame, area_t *area) noexcept nogil:
    cdef aio_t *aio = <aio_t *> area.proc.own.aio
    cdef aio_job_t *job
    if aio == NULL:
        return -LINUX_EINVAL
    lock_acquire(&aio.lock)
    job = aio_find(aio, frame.arg[0])
    if job == NULL or job.state != JOB_DONE:
        lock_release(&aio.lock)
        return -LINUX_EINVAL
    return aio_take_result(area, aio, job)


cdef public long sys_aio_error(frame_t *frame, area_t *area) noexcept nogil:
    """The error is the value. Of a request that was never taken it stands in the aiocb itself."""
    cdef aio_t *aio = <aio_t *> area.proc.own.aio
    cdef aio_job_t *job
    cdef uint64_t status = 0, error = 0
    cdef long result = -1
    if aio == NULL:
        return FREEBSD_EINVAL
    lock_acquire(&aio.lock)
    job = aio_find(aio, frame.arg[0])
    if job != NULL:
        result = job.error if job.state == JOB_DONE else FREEBSD_EINPROGRESS
    lock_release(&aio.lock)
    if result >= 0:
        return result
    # Memory that is not there reads as -1 (fuword), as the status and as the error.
    if fetch_guest64(frame.arg[0] + AIOCB_STATUS, &status) < 0:
        status = <uint64_t> -1
    if status != <uint64_t> -1:
        return FREEBSD_EINVAL
    if fetch_guest64(frame.arg[0] + AIOCB_ERROR, &error) < 0:
        return return_value(area, -1)
    return <int> error


cdef public long sys_aio_suspend(frame_t *frame, area_t *area) noexcept nogil:
    """Wait until one of some requests is done. Never restarted."""
    cdef aio_t *aio = <aio_t *> area.proc.own.aio
    cdef aio_job_t *job
    cdef freebsd_timespec timeout
    cdef deadline_t deadline
    cdef uint64_t ujob = 0
    cdef uint32_t seen
    cdef int nent = <int> frame.arg[1], i
    cdef bint found
    cdef long result = 0
    if nent < 0 or nent > AIO_JOBS:
        return -LINUX_EINVAL
    deadline.kind = DEADLINE_NONE
    if frame.arg[2] != 0:
        if copyin(frame.arg[2], &timeout, sizeof(timeout)) < 0:
            return -LINUX_EFAULT
        if not timespec_is_interval(&timeout):
            return -LINUX_EINVAL
        deadline_set(area.proc, &deadline, &timeout, FREEBSD_CLOCK_MONOTONIC, False)
    for i in range(nent):
        if fetch_guest64(frame.arg[0] + 8 * <uint64_t> i, &ujob) < 0:
            return -LINUX_EFAULT
    if aio == NULL:
        return -LINUX_EAGAIN
    while result == 0:
        found = False
        lock_acquire(&aio.lock)
        seen = atomic_load32(&aio.completions)
        for i in range(nent):
            ujob = 0
            fetch_guest64(frame.arg[0] + 8 * <uint64_t> i, &ujob)
            job = aio_find(aio, ujob) if ujob != 0 else NULL
            if job != NULL:
                found = True
                if job.state == JOB_DONE:
                    lock_release(&aio.lock)
                    return 0
        lock_release(&aio.lock)
        if not found:
            return 0
        result = umtx_sleep(area.proc, <uint64_t> &aio.completions, seen, False, FUTEX_ANY, &deadline)
        if result == -LINUX_EAGAIN:
            result = 0
    return -LINUX_EAGAIN if result == -LINUX_ETIMEDOUT else result


cdef public long sys_aio_waitcomplete(frame_t *frame, area_t *area) noexcept nogil:
    """The first request that is done, in the order in which they were; its error is the call's."""
    cdef process_t *proc = area.proc
    cdef aio_t *aio
    cdef aio_job_t *job
    cdef freebsd_timespec timeout
    cdef deadline_t deadline
    cdef uint32_t seen
    cdef int i
    cdef bint poll_ = False
    cdef long result = 0
    deadline.kind = DEADLINE_NONE
    if frame.arg[1] != 0 and copyin(frame.arg[1], &timeout, sizeof(timeout)) < 0:
        return -LINUX_EFAULT
    store_guest64(frame.arg[0], 0)
    if frame.arg[1] != 0:
        if not timespec_is_interval(&timeout):
            return -LINUX_EINVAL
        poll_ = timeout.tv_sec == 0 and timeout.tv_nsec == 0
        deadline_set(proc, &deadline, &timeout, FREEBSD_CLOCK_MONOTONIC, False)
    aio = aio_of(proc)
    if aio == NULL:
        return -LINUX_EAGAIN
    while result == 0:
        lock_acquire(&aio.lock)
        seen = atomic_load32(&aio.completions)
        job = NULL
        for i in range(AIO_JOBS):
            if aio.jobs[i].state == JOB_DONE and (job == NULL or aio.jobs[i].sequence < job.sequence):
                job = &aio.jobs[i]
        if job != NULL:
            store_guest64(frame.arg[0], job.ujob)
            return aio_take_result(area, aio, job)
        lock_release(&aio.lock)
        if poll_:
            return -LINUX_EAGAIN
        result = umtx_sleep(proc, <uint64_t> &aio.completions, seen, False, FUTEX_ANY, &deadline)
        if result == -LINUX_EAGAIN:
            result = 0
    if result == -LINUX_ETIMEDOUT:
        return -LINUX_EAGAIN
    return restartable(result) if deadline.kind == DEADLINE_NONE else result


cdef public long sys_aio_cancel(frame_t *frame, area_t *area) noexcept nogil:
    """Take back what still waits: a request on a socket, or all of a descriptor's."""
    cdef aio_t *aio = <aio_t *> area.proc.own.aio
    cdef aio_job_t *job
    cdef int fd = <int> frame.arg[0], i
    cdef bint cancelled = False, running = False
    cdef long mode
    if descriptor_is_hidden(area.proc, fd) or is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)):
        return -LINUX_EBADF
    if aio == NULL:
        return FREEBSD_AIO_ALLDONE
    mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if not is_error(mode) and mode & LINUX_S_IFMT == LINUX_S_IFBLK:
        return FREEBSD_AIO_NOTCANCELED
    lock_acquire(&aio.lock)
    for i in range(AIO_JOBS):
        job = &aio.jobs[i]
        if job.state == JOB_FREE or job.fd != fd or (frame.arg[1] != 0 and job.ujob != frame.arg[1]):
            continue
        if job.state == JOB_QUEUED:
            if job.done:                # of a write part was sent: it is done then, with so much (soo_aio_cancel)
                running = True
                aio_finish(area, aio, job, <int64_t> job.done, 0)
            else:
                cancelled = True
                aio_finish(area, aio, job, -1, FREEBSD_ECANCELED)
        elif job.state == JOB_RUNNING:
            running = True
    lock_release(&aio.lock)
    if cancelled and frame.arg[1] != 0:
        return FREEBSD_AIO_CANCELED
    if running:
        return FREEBSD_AIO_NOTCANCELED
    return FREEBSD_AIO_CANCELED if cancelled else FREEBSD_AIO_ALLDONE

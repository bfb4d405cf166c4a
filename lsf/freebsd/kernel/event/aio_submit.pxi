# aio(4): submission.

cdef long aiocb_in(uaddr ujob, freebsd_aiocb *cb, bint old) noexcept nogil:
    """Copy a request in; that of FreeBSD 6 has its sigevent, smaller, where the spare members are now."""
    if not old:
        return copyin(ujob, cb, sizeof(freebsd_aiocb))
    memset(cb, 0, sizeof(freebsd_aiocb))
    if copyin(ujob, cb, AIOCB_KERNELINFO + 8) < 0:
        return -LINUX_EFAULT
    return sigevent_from_old(&cb.aio_sigevent, cb.spare[0], cb.spare[1], cb.spare2)


cdef long sigevent_from_old(freebsd_sigevent *event, int notify, int signo, uint64_t value) noexcept nogil:
    """convert_old_sigevent."""
    memset(event, 0, sizeof(freebsd_sigevent))
    if notify != FREEBSD_SIGEV_NONE and notify != FREEBSD_SIGEV_SIGNAL and notify != FREEBSD_SIGEV_KEVENT:
        return -LINUX_EINVAL
    event.sigev_notify = notify
    event.sigev_signo = signo
    if notify == FREEBSD_SIGEV_KEVENT:
        event.sigev_value = value
    return 0


cdef long aio_check_event(const freebsd_sigevent *event) noexcept nogil:
    if event.sigev_notify == FREEBSD_SIGEV_SIGNAL or event.sigev_notify == FREEBSD_SIGEV_THREAD_ID:
        return 0 if is_signal(event.sigev_signo) else -LINUX_EINVAL
    return 0 if event.sigev_notify == FREEBSD_SIGEV_NONE or event.sigev_notify == FREEBSD_SIGEV_KEVENT else -LINUX_EINVAL


cdef long aio_check_descriptor(process_t *proc, aio_job_t *job, uint32_t *mode) noexcept nogil:
    """fget_read, fget_write or fget of the request's descriptor, and the type of its file: 0 or an error."""
    cdef long flags, result
    mode[0] = 0
    if job.opcode == FREEBSD_LIO_MLOCK:
        return 0
    if descriptor_is_hidden(proc, job.fd):
        return -LINUX_EBADF
    flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> job.fd, LINUX_F_GETFL)
    if is_error(flags):
        return -LINUX_EBADF
    if not caps_allow(proc, job.fd, LSF_RIGHT_PREAD if job.opcode & FREEBSD_LIO_READ else LSF_RIGHT_PWRITE
                      if job.opcode & FREEBSD_LIO_WRITE else LSF_RIGHT_FSYNC):
        return guest_error(FREEBSD_ENOTCAPABLE)
    if flags & LINUX_O_PATH or (job.opcode & FREEBSD_LIO_READ and flags & 3 == 1) \
            or (job.opcode & FREEBSD_LIO_WRITE and flags & 3 == 0):
        return -LINUX_EBADF
    result = mode_of(job.fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(result):
        return result
    mode[0] = <uint32_t> result & LINUX_S_IFMT
    return 0


cdef long aio_take_buffers(aio_job_t *job, const freebsd_aiocb *cb) noexcept nogil:
    """The request's buffers as a list that is ours: 0 or an error."""
    cdef uint64_t *iov
    cdef uint64_t i, total = 0
    job.iovcnt = cb.aio_nbytes if job.opcode & FREEBSD_LIO_VECTORED else 1
    if job.iovcnt > AIO_IOV_MAX:
        return -LINUX_EINVAL
    job.iov = map_memory(page_up(job.iovcnt * 16 + 16))
    if job.iov == 0:
        return -LINUX_ENOMEM
    if not job.opcode & FREEBSD_LIO_VECTORED:
        iov = <uint64_t *> job.iov
        iov[0] = cb.aio_buf
        iov[1] = cb.aio_nbytes
    elif copyin(cb.aio_buf, <void *> job.iov, job.iovcnt * 16) < 0:
        return -LINUX_EFAULT
    for i in range(job.iovcnt):
        iov = <uint64_t *> (job.iov + i * 16)
        total += iov[1]
        if iov[1] > INT64_LIMIT or total > INT64_LIMIT:
            return -LINUX_EINVAL
        if job.opcode & FREEBSD_LIO_READ:
            iov[1] = room_to_read(iov[0], iov[1])
        if range_is_ours(iov[0], iov[1]):
            iov[0] = NO_ADDRESS             # the shim's memory is not the guest's to name
    return 0


cdef long aio_start(area_t *area, aio_t *aio, aio_job_t *job, const freebsd_aiocb *cb, uint32_t mode) noexcept nogil:
    """Do a request, or queue it: 0 or an error of the submission, on which nothing was done."""
    cdef long result
    cdef bint file = mode == LINUX_S_IFREG or mode == LINUX_S_IFDIR or mode == LINUX_S_IFBLK
    job.socket = mode == LINUX_S_IFSOCK
    if job.opcode == FREEBSD_LIO_MLOCK:
        result = lock_range(area.proc, cb.aio_buf, cb.aio_nbytes)
    elif job.opcode & (FREEBSD_LIO_READ | FREEBSD_LIO_WRITE):
        if mode == LINUX_S_IFSOCK:
            lock_acquire(&aio.lock)
            result = aio_queue_socket(area, aio, job)
            lock_release(&aio.lock)
            return result
        if not file:
            return -LINUX_EOPNOTSUPP
        result = aio_transfer_file(job)
    else:
        if not file:
            return -LINUX_EOPNOTSUPP
        result = linux_syscall1(LINUX_SYS_fdatasync if job.opcode == FREEBSD_LIO_DSYNC else LINUX_SYS_fsync,
                                <uint32_t> job.fd)
    lock_acquire(&aio.lock)
    aio_complete(area, aio, job, result)
    lock_release(&aio.lock)
    return 0


cdef long aio_check(process_t *proc, aio_job_t *job, const freebsd_aiocb *cb, uint32_t type_,
                    uint32_t *mode) noexcept nogil:
    """What FreeBSD checks of a request before it takes it: 0 or an error."""
    cdef uint32_t opcode = type_
    cdef long result
    if type_ == FREEBSD_LIO_NOP:                # of a list: it says itself what it is
        opcode = <uint32_t> cb.aio_lio_opcode
        if opcode & ~<uint32_t> (FREEBSD_LIO_READ | FREEBSD_LIO_WRITE | FREEBSD_LIO_VECTORED | FREEBSD_LIO_FOFFSET) \
                or opcode & 3 == 3 \
                or (opcode & 3 == 0 and opcode != FREEBSD_LIO_NOP):
            return -LINUX_EINVAL
    job.opcode = opcode
    if not opcode & FREEBSD_LIO_VECTORED and cb.aio_nbytes > INT64_LIMIT:
        return -LINUX_EINVAL
    result = aio_check_event(&cb.aio_sigevent)
    if result == 0:
        result = aio_check_descriptor(proc, job, mode)
    if result < 0:
        return result
    if opcode & FREEBSD_LIO_SYNC and (mode[0] == LINUX_S_IFSOCK or mode[0] == 0
                                      or (mode[0] == LINUX_S_IFIFO and is_pipe(job.fd))):
        return -LINUX_EINVAL                  # no vnode
    if opcode & (FREEBSD_LIO_READ | FREEBSD_LIO_WRITE) and not opcode & FREEBSD_LIO_FOFFSET and cb.aio_offset < 0 \
            and mode[0] != LINUX_S_IFCHR:
        return -LINUX_EINVAL
    return 0


cdef bint is_pipe(int fd) noexcept nogil:
    """True for a pipe without a name."""
    cdef linux_stat st
    return not is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)) and st.st_nlink == 1 and st.st_dev < 16


cdef aio_job_t *aio_new_job(aio_t *aio) noexcept nogil:
    """A request's struct, in the state JOB_RUNNING; NULL when there are too many."""
    cdef aio_job_t *job = NULL
    cdef int i
    lock_acquire(&aio.lock)
    for i in range(AIO_JOBS):
        if aio.jobs[i].state == JOB_FREE:
            job = &aio.jobs[i]
            memset(job, 0, sizeof(aio_job_t))
            job.held = -1
            job.state = JOB_RUNNING
            aio.sequence += 1
            job.sequence = aio.sequence
            break
    lock_release(&aio.lock)
    return job


cdef long aio_submit(area_t *area, uaddr ujob, uint32_t type_, aio_lio_t *lio, bint old) noexcept nogil:
    """aio_aqueue: take a request. An error is stored in it too."""
    cdef process_t *proc = area.proc
    cdef aio_t *aio = aio_of(proc)
    cdef freebsd_aiocb cb
    cdef aio_job_t *job
    cdef uint32_t mode = 0
    cdef long result
    if aio == NULL:
        return -LINUX_EAGAIN
    store_guest64(ujob + AIOCB_STATUS, <uint64_t> -1)
    store_guest64(ujob + AIOCB_ERROR, 0)
    store_guest64(ujob + AIOCB_KERNELINFO, <uint64_t> -1)
    job = aio_new_job(aio)
    if job == NULL:
        store_guest64(ujob + AIOCB_ERROR, lsf_errno_map[LINUX_EAGAIN])
        return -LINUX_EAGAIN
    result = aiocb_in(ujob, &cb, old)
    if result == 0:
        job.ujob = ujob
        job.fd = cb.aio_fildes
        job.offset = cb.aio_offset
        job.event = cb.aio_sigevent
        result = aio_check(proc, job, &cb, type_, &mode)
    if result == 0:
        aio.references += 1
        if store_guest64(ujob + AIOCB_KERNELINFO, aio.references) < 0:
            result = -LINUX_EINVAL
    if result == 0 and job.opcode == FREEBSD_LIO_NOP:
        job.state = JOB_FREE
        return 0
    if result == 0 and job.opcode & (FREEBSD_LIO_READ | FREEBSD_LIO_WRITE):
        result = aio_take_buffers(job, &cb)
    if result == 0 and job.event.sigev_notify == FREEBSD_SIGEV_KEVENT:
        if <uint32_t> job.event.sigev_un[0] & ~<uint32_t> AIO_EVENT_FLAGS:
            result = -LINUX_EINVAL
        else:
            job.knote = aio_attach(proc, job.event.sigev_signo, FREEBSD_EVFILT_AIO, ujob, job.event.sigev_value,
                                   <uint32_t> job.event.sigev_un[0], &result)
    if result == 0:
        store_guest64(ujob + AIOCB_ERROR, FREEBSD_EINPROGRESS)
        if lio != NULL:
            lock_acquire(&aio.lock)
            lio.count += 1
            job.lio = lio
            lock_release(&aio.lock)
        result = aio_start(area, aio, job, &cb, mode)
        if result < 0 and lio != NULL:
            lock_acquire(&aio.lock)
            lio.count -= 1
            lock_release(&aio.lock)
    if result < 0:
        aio_detach(proc, job.knote)
        if job.iov != 0:
            linux_syscall2(LINUX_SYS_munmap, job.iov, page_up(job.iovcnt * 16 + 16))
        atomic_store32(&job.state, JOB_FREE)
        store_guest64(ujob + AIOCB_ERROR, lsf_errno_map[-result])
    return result


cdef public long sys_aio_read(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_READ, NULL, False)


cdef public long sys_aio_write(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_WRITE, NULL, False)


cdef public long sys_aio_readv(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_READ | FREEBSD_LIO_VECTORED, NULL, False)


cdef public long sys_aio_writev(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_WRITE | FREEBSD_LIO_VECTORED, NULL, False)


cdef public long sys_aio_mlock(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_MLOCK, NULL, False)


cdef public long sys_aio_fsync(frame_t *frame, area_t *area) noexcept nogil:
    if <uint32_t> frame.arg[0] == FREEBSD_O_SYNC:
        return aio_submit(area, frame.arg[1], FREEBSD_LIO_SYNC, NULL, False)
    if <uint32_t> frame.arg[0] == FREEBSD_O_DSYNC:
        return aio_submit(area, frame.arg[1], FREEBSD_LIO_DSYNC, NULL, False)
    return -LINUX_EINVAL


cdef public long sys_freebsd6_aio_read(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_READ, NULL, True)


cdef public long sys_freebsd6_aio_write(frame_t *frame, area_t *area) noexcept nogil:
    return aio_submit(area, frame.arg[0], FREEBSD_LIO_WRITE, NULL, True)

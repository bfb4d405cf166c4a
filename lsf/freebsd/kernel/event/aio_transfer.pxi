# aio(4): the transfer.

cdef int64_t aio_transfer_file(aio_job_t *job) noexcept nogil:
    cdef long nr
    if job.opcode & FREEBSD_LIO_FOFFSET:
        nr = LINUX_SYS_writev if job.opcode & FREEBSD_LIO_WRITE else LINUX_SYS_readv
    else:
        nr = LINUX_SYS_pwritev if job.opcode & FREEBSD_LIO_WRITE else LINUX_SYS_preadv
    return linux_syscall5(nr, job.fd, job.iov, job.iovcnt, <uint64_t> job.offset, 0)


cdef int64_t aio_transfer_socket(area_t *area, aio_job_t *job, int fd) noexcept nogil:
    """What can be done now: -EAGAIN where the request has to wait. A write waits until all is taken."""
    cdef uint64_t message[7]            # struct msghdr: name, namelen, iov, iovlen, control, controllen, flags
    cdef uint64_t *iov
    cdef uint64_t i, left
    cdef int64_t result
    cdef bint signal = False
    while True:
        memset(message, 0, sizeof(message))
        message[2] = job.iov
        message[3] = job.iovcnt
        if job.opcode & FREEBSD_LIO_READ:
            return linux_syscall3(LINUX_SYS_recvmsg, fd, <uint64_t> message, LINUX_MSG_DONTWAIT)
        result = linux_syscall3(LINUX_SYS_sendmsg, fd, <uint64_t> message, LINUX_MSG_DONTWAIT | LINUX_MSG_NOSIGNAL)
        if result < 0:
            result = send_error(fd, result, False, &signal)
            if signal:
                linux_syscall2(LINUX_SYS_kill, area.proc.pid, FREEBSD_SIGPIPE)
        if result < 0:
            return <int64_t> job.done if job.done and result != -LINUX_EAGAIN else result
        job.done += <uint64_t> result
        # Go on after what was taken.
        left = 0
        for i in range(job.iovcnt):
            iov = <uint64_t *> (job.iov + i * 16)
            if <uint64_t> result >= iov[1]:
                result -= <int64_t> iov[1]
                iov[0] += iov[1]
                iov[1] = 0
            else:
                iov[0] += <uint64_t> result
                iov[1] -= <uint64_t> result
                result = 0
            left += iov[1]
        if left == 0:
            return <int64_t> job.done


cdef bint aio_is_first(aio_t *aio, aio_job_t *job) noexcept nogil:
    """No earlier request waits for the same direction of the same socket."""
    cdef aio_job_t *other
    cdef int i
    for i in range(AIO_JOBS):
        other = &aio.jobs[i]
        if other.state == JOB_QUEUED and other != job and other.fd == job.fd and other.sequence < job.sequence \
                and (other.opcode & (FREEBSD_LIO_READ | FREEBSD_LIO_WRITE)) == (job.opcode & (FREEBSD_LIO_READ
                        | FREEBSD_LIO_WRITE)):
            return False
    return True


cdef void aio_arm(aio_t *aio, aio_job_t *job) noexcept nogil:
    """Let the thread be told when the request's socket is ready: once, then again after this."""
    cdef uint32_t events = LINUX_EPOLLONESHOT | (LINUX_EPOLLIN | LINUX_EPOLLRDHUP if job.opcode & FREEBSD_LIO_READ
                                                 else LINUX_EPOLLOUT)
    cdef uint64_t name = job.sequence << 16 | (<uint64_t> job - <uint64_t> aio.jobs) // sizeof(aio_job_t)
    if aio_is_first(aio, job) and epoll_control(aio.epoll_fd, LINUX_EPOLL_CTL_ADD, job.held, events, name) == -LINUX_EEXIST:
        epoll_control(aio.epoll_fd, LINUX_EPOLL_CTL_MOD, job.held, events, name)


cdef void aio_arm_next(aio_t *aio, aio_job_t *done) noexcept nogil:
    """A queued request is over: the next one for the same direction of the same socket has its turn."""
    cdef aio_job_t *job
    cdef int i
    for i in range(AIO_JOBS):
        job = &aio.jobs[i]
        if job.state == JOB_QUEUED and job.fd == done.fd and aio_is_first(aio, job):
            aio_arm(aio, job)


cdef bint aio_is_idle(aio_t *aio) noexcept nogil:
    cdef int i
    for i in range(AIO_JOBS):
        if aio.jobs[i].state == JOB_QUEUED:
            return False
    return True


cdef void aio_thread(area_t *area) noexcept nogil:
    """The thread that serves what is queued. Every signal is blocked."""
    cdef aio_t *aio = <aio_t *> area.proc.own.aio
    cdef linux_epoll_event events[RAW_EVENTS]
    cdef aio_job_t *job
    cdef int64_t result
    cdef long i, n
    while True:
        n = linux_syscall4(LINUX_SYS_epoll_wait, aio.epoll_fd, <uint64_t> events, RAW_EVENTS, AIO_IDLE)
        lock_acquire(&aio.lock)
        if n <= 0 and aio_is_idle(aio):
            aio.serving = 0
            lock_release(&aio.lock)
            linux_syscall1(LINUX_SYS_exit, 0)
        for i in range(n):
            job = &aio.jobs[events[i].data.u64 & 0xffff]
            if job.state != JOB_QUEUED or job.sequence != events[i].data.u64 >> 16:
                continue
            result = aio_transfer_socket(area, job, job.held) if aio_is_first(aio, job) else -LINUX_EAGAIN
            if result == -LINUX_EAGAIN:
                aio_arm(aio, job)
            else:
                aio_complete(area, aio, job, result)
        lock_release(&aio.lock)


cdef long aio_serve(area_t *area, aio_t *aio) noexcept nogil:
    """Make the thread, and what it waits in, where they are not there: 0 or an error. With aio.lock."""
    cdef process_t *proc = area.proc
    cdef area_t *child
    cdef uint64_t *stack
    cdef long result
    if aio.epoll_fd < 0:
        lock_acquire(&proc.own.lock_event)
        result = hidden_new(events_of(proc), linux_syscall1(LINUX_SYS_epoll_create1, LINUX_EPOLL_CLOEXEC))
        lock_release(&proc.own.lock_event)
        if result < 0:
            return -LINUX_EAGAIN
        aio.epoll_fd = <int32_t> result
    if aio.serving:
        return 0
    child = area_take(proc)
    if child == NULL:
        return -LINUX_EAGAIN
    child.own.exiting = 1                   # the last thread of the guest does not wait for it
    child.service = aio_thread
    stack = <uint64_t *> (<uint64_t> child.frame - 32)
    stack[0] = <uint64_t> child
    block_all(NULL)
    result = clone_thread(LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND
                          | LINUX_CLONE_THREAD | LINUX_CLONE_SYSVSEM
                          | LINUX_CLONE_CHILD_CLEARTID, stack, 0, &child.slot.state, 0)
    if is_error(result):
        atomic_store32(&child.slot.state, 0)
    else:
        aio.serving = 1
        result = 0
    set_linux_mask(area)
    return result


cdef long aio_queue_socket(area_t *area, aio_t *aio, aio_job_t *job) noexcept nogil:
    """A request on a socket: done now, or queued. 0 or an error of the submission. With aio.lock."""
    cdef process_t *proc = area.proc
    cdef events_t *ev
    cdef int64_t result = -LINUX_EAGAIN
    if socket_option(job.fd, LINUX_SO_ACCEPTCONN) > 0:
        return -LINUX_EINVAL
    if aio_is_first(aio, job):
        result = aio_transfer_socket(area, job, job.fd)
    if result != -LINUX_EAGAIN:
        aio_complete(area, aio, job, result)
        return 0
    lock_acquire(&proc.own.lock_event)
    ev = events_of(proc)
    result = hidden_new(ev, linux_syscall3(LINUX_SYS_fcntl, job.fd, LINUX_F_DUPFD_CLOEXEC, 3)) if ev != NULL \
            else -LINUX_ENOMEM
    lock_release(&proc.own.lock_event)
    if is_error(result):
        return -LINUX_EAGAIN
    job.held = <int32_t> result
    result = aio_serve(area, aio)
    lock_acquire(&proc.own.lock_event)
    if result == 0:
        job.state = JOB_QUEUED
        aio_arm(aio, job)
    lock_release(&proc.own.lock_event)
    if result < 0:
        lock_acquire(&proc.own.lock_event)
        hidden_close(ev, &job.held)
        lock_release(&proc.own.lock_event)
    return result

# POSIX asynchronous I/O. Model: FreeBSD sys/kern/vfs_aio.c, sys_socket.c (soo_aio_queue).
#
# As on FreeBSD in its default state, requests are for files, directories, disks and sockets; others are EOPNOTSUPP
# (vfs.aio.enable_unsafe is 0). One on a file is done when it is submitted: it does not wait for anybody. One on a socket
# that cannot be done at once is queued. A thread of ours, made for the first of them and gone when it was idle for a
# while, waits for their sockets in an epoll descriptor, where the first of each direction of a socket is armed. It runs on an area like any thread, in the shim alone, with every signal blocked; the guest
# does not see it (tid 0).
#
# Rules:
#   - aio.lock guards everything in aio_t. It is not held over I/O on a file, nor over a wait; lock_event is taken under it.
#   - A queued request has a duplicate of its descriptor, hidden, so that closing the guest's does not end it.
#   - Like a kqueue, requests are their process's own: the child of a fork has none.

cdef enum:
    AIO_JOBS = 256                      # vfs.aio.max_aio_queue_per_proc
    AIO_IOV_MAX = 1024                  # UIO_MAXIOV
    AIO_IDLE = 30000                    # milliseconds that the thread waits for more
    AIOCB_STATUS = 56                   # offsets in struct aiocb
    AIOCB_ERROR = 64
    AIOCB_KERNELINFO = 72
    AIO_EVENT_FLAGS = FREEBSD_EV_CLEAR | FREEBSD_EV_DISPATCH | FREEBSD_EV_ONESHOT
    INT64_LIMIT = 0x7fffffffffffffffUL
    NO_ADDRESS = 0x8000000000000000UL   # Linux says EFAULT

cdef enum:                              # aio_job_t.state
    JOB_FREE = 0
    JOB_RUNNING = 1                     # its submitter is at it
    JOB_QUEUED = 2
    JOB_DONE = 3

cdef struct aio_lio_t:
    uint32_t used
    uint32_t count                      # requests not yet returned, and one more while they are submitted
    uint32_t finished
    uint32_t signal                     # LIOJ_SIGNAL: one is to be sent, and was not yet
    uint64_t knote                      # name of its EVFILT_LIO, 0: none
    freebsd_sigevent event

cdef struct aio_job_t:
    uint32_t state
    uint32_t opcode
    uaddr ujob
    int32_t fd                          # the guest's
    int32_t held                        # our duplicate, while queued
    int64_t offset
    uint64_t iov                        # a mapping of ours
    uint64_t iovcnt
    uint64_t done                       # bytes
    uint64_t sequence                   # of submission, then of completion
    int64_t status
    int32_t error                       # FreeBSD's
    aio_lio_t *lio
    uint64_t knote                      # name of its EVFILT_AIO, 0: none
    freebsd_sigevent event

cdef struct aio_t:
    lock_t lock
    uint32_t completions                # who waits sleeps on it
    uint32_t serving                    # the thread is there
    int32_t epoll_fd                    # hidden: in which it waits; -1: none yet
    uint64_t sequence
    uint64_t references                 # jobrefid
    aio_job_t jobs[AIO_JOBS]
    aio_lio_t lios[AIO_JOBS]


cdef aio_t *aio_of(process_t *proc) noexcept nogil:
    """The process's table, made when it is first needed; NULL when memory is short."""
    cdef aio_t *aio
    lock_acquire(&proc.lock_event)
    if proc.aio == NULL:
        aio = <aio_t *> map_memory(page_up(sizeof(aio_t)))
        if aio != NULL:
            aio.epoll_fd = -1
            proc.aio = <void *> aio
    lock_release(&proc.lock_event)
    return <aio_t *> proc.aio


cdef void aio_after_fork(process_t *proc) noexcept nogil:
    """In the child of a fork: requests are not inherited. (Their descriptors went with the kqueues'.)"""
    if proc.aio != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> proc.aio, page_up(sizeof(aio_t)))
        proc.aio = NULL


cdef void aio_move_hidden(process_t *proc, int fd, int moved) noexcept nogil:
    """The guest wanted the number of one of our descriptors, which now has another. Under lock_event."""
    cdef aio_t *aio = <aio_t *> proc.aio
    cdef int i
    if aio == NULL:
        return
    if aio.epoll_fd == fd:
        aio.epoll_fd = moved
    for i in range(AIO_JOBS):
        if aio.jobs[i].held == fd and aio.jobs[i].state == JOB_QUEUED:
            epoll_control(aio.epoll_fd, LINUX_EPOLL_CTL_DEL, fd, 0, 0)
            aio.jobs[i].held = moved
            aio_arm(aio, &aio.jobs[i])


# ------------------------------------------------------------------ completion

cdef uint64_t aio_attach(process_t *proc, int kq_fd, int filt, uint64_t ident, uint64_t udata, uint32_t flags,
                         long *error) noexcept nogil:
    """Make the knote of a request or a list: its name, or 0 and an error."""
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef knote_t *kn
    cdef uint64_t name = 0
    lock_acquire(&proc.lock_event)
    ev = <events_t *> proc.events
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
    lock_release(&proc.lock_event)
    return name


cdef void aio_detach(process_t *proc, uint64_t name) noexcept nogil:
    """A request or a list is gone, and its knote with it."""
    cdef events_t *ev = <events_t *> proc.events
    cdef knote_t *kn
    cdef kqueue_t *kq
    if name == 0:
        return
    lock_acquire(&proc.lock_event)
    kn = knote_at(ev, name)
    if kn != NULL:
        kq = kn.kq
        knote_drop(proc, ev, kn)
        kqueue_signal(kq)
    lock_release(&proc.lock_event)


cdef void aio_report(process_t *proc, uint64_t name, int64_t data, uint32_t flags) noexcept nogil:
    cdef knote_t *kn
    if name == 0:
        return
    lock_acquire(&proc.lock_event)
    kn = knote_at(<events_t *> proc.events, name)
    if kn != NULL:
        kn.hook = 1
        kn.kev.data = data
        kn.kev.flags |= <uint16_t> flags
        knote_activate(kn)
    lock_release(&proc.lock_event)


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
        lock_acquire(&area.proc.lock_event)
        epoll_control(aio.epoll_fd, LINUX_EPOLL_CTL_DEL, job.held, 0, 0)
        hidden_close(<events_t *> area.proc.events, &job.held)
        lock_release(&area.proc.lock_event)
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


# ------------------------------------------------------------------ doing it

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
    cdef aio_t *aio = <aio_t *> area.proc.aio
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
        lock_acquire(&proc.lock_event)
        result = hidden_new(events_of(proc), linux_syscall1(LINUX_SYS_epoll_create1, LINUX_EPOLL_CLOEXEC))
        lock_release(&proc.lock_event)
        if result < 0:
            return -LINUX_EAGAIN
        aio.epoll_fd = <int32_t> result
    if aio.serving:
        return 0
    child = area_take(proc)
    if child == NULL:
        return -LINUX_EAGAIN
    child.exiting = 1                   # the last thread of the guest does not wait for it
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
    lock_acquire(&proc.lock_event)
    ev = events_of(proc)
    result = hidden_new(ev, linux_syscall3(LINUX_SYS_fcntl, job.fd, LINUX_F_DUPFD_CLOEXEC, 3)) if ev != NULL \
            else -LINUX_ENOMEM
    lock_release(&proc.lock_event)
    if is_error(result):
        return -LINUX_EAGAIN
    job.held = <int32_t> result
    result = aio_serve(area, aio)
    lock_acquire(&proc.lock_event)
    if result == 0:
        job.state = JOB_QUEUED
        aio_arm(aio, job)
    lock_release(&proc.lock_event)
    if result < 0:
        lock_acquire(&proc.lock_event)
        hidden_close(ev, &job.held)
        lock_release(&proc.lock_event)
    return result


# ------------------------------------------------------------------ submission

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
        if range_is_ours(iov[0], iov[1]):
            iov[0] = NO_ADDRESS             # the shim's memory is not the guest's to name
    return 0


cdef long aio_start(area_t *area, aio_t *aio, aio_job_t *job, const freebsd_aiocb *cb, uint32_t mode) noexcept nogil:
    """Do a request, or queue it: 0 or an error of the submission, on which nothing was done."""
    cdef long result
    cdef bint file = mode == LINUX_S_IFREG or mode == LINUX_S_IFDIR or mode == LINUX_S_IFBLK
    if job.opcode == FREEBSD_LIO_MLOCK:
        result = linux_syscall2(LINUX_SYS_mlock, cb.aio_buf, cb.aio_nbytes)
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


# ------------------------------------------------------------------ lists

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


# ------------------------------------------------------------------ results

cdef aio_job_t *aio_find(aio_t *aio, uaddr ujob) noexcept nogil:
    """The request that an aiocb is; NULL for none. With aio.lock."""
    cdef int i
    for i in range(AIO_JOBS):
        if aio.jobs[i].state != JOB_FREE and aio.jobs[i].ujob == ujob:
            return &aio.jobs[i]
    return NULL


cdef long aio_take_result(process_t *proc, aio_t *aio, aio_job_t *job) noexcept nogil:
    """What a request that is done returned; it is gone then. Releases aio.lock."""
    cdef uaddr ujob = job.ujob
    cdef int64_t status = job.status
    cdef int error = job.error
    aio_free(proc, aio, job)
    lock_release(&aio.lock)
    store_guest64(ujob + AIOCB_ERROR, <uint64_t> <int64_t> error)
    store_guest64(ujob + AIOCB_STATUS, <uint64_t> status)
    return freebsd_error(error) if error else status


cdef public long sys_aio_return(frame_t *frame, area_t *area) noexcept nogil:
    cdef aio_t *aio = <aio_t *> area.proc.aio
    cdef aio_job_t *job
    if aio == NULL:
        return -LINUX_EINVAL
    lock_acquire(&aio.lock)
    job = aio_find(aio, frame.arg[0])
    if job == NULL or job.state != JOB_DONE:
        lock_release(&aio.lock)
        return -LINUX_EINVAL
    return aio_take_result(area.proc, aio, job)


cdef public long sys_aio_error(frame_t *frame, area_t *area) noexcept nogil:
    """The error is the value. Of a request that was never taken it stands in the aiocb itself."""
    cdef aio_t *aio = <aio_t *> area.proc.aio
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
    if fetch_guest64(frame.arg[0] + AIOCB_STATUS, &status) == 0 and status == <uint64_t> -1 \
            and fetch_guest64(frame.arg[0] + AIOCB_ERROR, &error) == 0:
        return <int> error
    return FREEBSD_EINVAL


cdef public long sys_aio_suspend(frame_t *frame, area_t *area) noexcept nogil:
    """Wait until one of some requests is done. Never restarted."""
    cdef aio_t *aio = <aio_t *> area.proc.aio
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
            return aio_take_result(proc, aio, job)
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
    cdef aio_t *aio = <aio_t *> area.proc.aio
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
            cancelled = True
            if job.done:                # of a write part was sent: FreeBSD says how much
                aio_finish(area, aio, job, <int64_t> job.done, 0)
            else:
                aio_finish(area, aio, job, -1, FREEBSD_ECANCELED)
        elif job.state == JOB_RUNNING:
            running = True
    lock_release(&aio.lock)
    if cancelled and frame.arg[1] != 0:
        return FREEBSD_AIO_CANCELED
    if running:
        return FREEBSD_AIO_NOTCANCELED
    return FREEBSD_AIO_CANCELED if cancelled else FREEBSD_AIO_ALLDONE

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
    uint32_t socket                     # it is one's
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
    lock_acquire(&proc.own.lock_event)
    if proc.own.aio == NULL:
        aio = <aio_t *> map_memory(page_up(sizeof(aio_t)))
        if aio != NULL:
            aio.epoll_fd = -1
            proc.own.aio = <void *> aio
    lock_release(&proc.own.lock_event)
    return <aio_t *> proc.own.aio


cdef void aio_after_fork(process_t *proc) noexcept nogil:
    """In the child of a fork: requests are not inherited. (Their descriptors went with the kqueues'.)"""
    if proc.own.aio != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> proc.own.aio, page_up(sizeof(aio_t)))
        proc.own.aio = NULL


cdef void aio_move_hidden(process_t *proc, int fd, int moved) noexcept nogil:
    """The guest wanted the number of one of our descriptors, which now has another. Under lock_event."""
    cdef aio_t *aio = <aio_t *> proc.own.aio
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

# Records of inotify(2) that were taken from Linux and not read by the guest: what had no room in its buffer, what a bad address did not
# take (FreeBSD leaves both in the queue), and what FIONREAD has counted, since Linux counts its own padding and lets nobody look ahead.
# Model: FreeBSD sys/kern/vfs_inotify.c (inotify_read, inotify_ioctl).
#
# While there are some, Linux's queue has one record that is the shim's, the nudge, of a watch that nobody has: so whoever waits for the
# descriptor, in whatever call, finds it ready. It is dropped when it is read. A queue is its process's: another that has the same
# descriptor finds the nudge and no record. All here is called with lock_event held, but for what says otherwise.

cdef enum:
    INOTIFY_QUEUES = 16
    INOTIFY_QUEUE_ROOM = 1 << 23            # bytes that are set aside, and taken when they are used: more than Linux queues
    INOTIFY_NUDGE = 16                      # the size of a record without a name
    INOTIFY_RECORD_MOST = 272               # the largest: a struct inotify_event with a name of NAME_MAX

cdef struct inotify_queue_t:
    int32_t fd                              # a descriptor whose queue it is, and 1 more; 0: free
    int32_t nudge                           # the watch of the nudge
    uint32_t nudged                         # it is in Linux's queue
    uint64_t begin, end                     # of what is there, in `records`
    char *records                           # NULL: nothing is there

cdef struct inotify_t:
    uint64_t *folders                   # descriptor and watch of each watched directory, by hash; 0: free
    uint32_t folders_room, folders_used     # places, a power of two; and how many are not free
    uint32_t queued                     # some queue is or was used
    inotify_queue_t queues[INOTIFY_QUEUES]


cdef inline inotify_t *inotify_own(process_t *proc) noexcept nogil:
    """This process's; NULL: there is no memory for it."""
    cdef uint64_t memory
    if proc.own.inotify == NULL:
        memory = map_memory(page_up(sizeof(inotify_t)))
        proc.own.inotify = <void *> memory
    return <inotify_t *> proc.own.inotify


cdef inotify_queue_t *inotify_queue(process_t *proc, int fd) noexcept nogil:
    """The queue of a descriptor, or of a duplicate; NULL: it never had one."""
    cdef inotify_t *own = <inotify_t *> proc.own.inotify
    cdef int i
    if own == NULL or not own.queued:
        return NULL
    for i in range(INOTIFY_QUEUES):
        if own.queues[i].fd == fd + 1:
            return &own.queues[i]
    for i in range(INOTIFY_QUEUES):
        if own.queues[i].fd > 0 and linux_syscall5(LINUX_SYS_kcmp, proc.pid, proc.pid, LINUX_KCMP_FILE, fd, own.queues[i].fd - 1) == 0:
            return &own.queues[i]
    return NULL


cdef inotify_queue_t *inotify_queue_made(process_t *proc, int fd) noexcept nogil:
    """The same, with memory for records. NULL: there is none, or too many queues."""
    cdef inotify_t *own = inotify_own(proc)
    cdef inotify_queue_t *queue = inotify_queue(proc, fd)
    cdef int i
    for i in range(INOTIFY_QUEUES):
        if queue != NULL or own == NULL:
            break
        if own.queues[i].fd == 0:
            queue = &own.queues[i]
            queue.fd = fd + 1
            own.queued = 1
    if queue != NULL and queue.records == NULL:
        queue.records = <char *> map_memory(INOTIFY_QUEUE_ROOM)
        queue.begin = queue.end = 0
    return NULL if queue == NULL or queue.records == NULL else queue


cdef void inotify_queue_empty(inotify_queue_t *queue) noexcept nogil:
    if queue.records != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> queue.records, INOTIFY_QUEUE_ROOM)
    queue.records = NULL
    queue.begin = queue.end = 0


cdef void inotify_queue_closing(process_t *proc, int fd) noexcept nogil:
    """A descriptor is about to be closed, or replaced: its queue is its duplicate's, or goes. lock_event is not held."""
    cdef inotify_t *own = <inotify_t *> proc.own.inotify
    cdef int i
    if own == NULL or not own.queued:
        return
    lock_acquire(&proc.own.lock_event)
    for i in range(INOTIFY_QUEUES):
        if own.queues[i].fd == fd + 1:
            own.queues[i].fd = duplicate_here(proc, fd) + 1
            if own.queues[i].fd == 0:
                inotify_queue_empty(&own.queues[i])
                own.queues[i].nudged = 0
    lock_release(&proc.own.lock_event)


cdef void inotify_after_fork(process_t *proc) noexcept nogil:
    """In the child: what the parent has taken is the parent's to read."""
    cdef inotify_t *own = <inotify_t *> proc.own.inotify
    cdef int i
    for i in range(INOTIFY_QUEUES):
        if own != NULL and own.queues[i].fd > 0:
            inotify_queue_empty(&own.queues[i])


cdef void inotify_nudge(inotify_queue_t *queue, int fd) noexcept nogil:
    """Have a record in Linux's queue: a watch of a file that nobody has, taken away, says IN_IGNORED."""
    cdef char link[32]
    cdef long file, watch
    if queue.nudged:
        return
    file = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"", LINUX_MFD_CLOEXEC)
    if is_error(file):
        return
    descriptor_path(<int> file, link)
    watch = linux_syscall3(LINUX_SYS_inotify_add_watch, <uint32_t> fd, <uint64_t> link, LINUX_IN_DELETE_SELF)
    if not is_error(watch):
        queue.nudge = <int32_t> watch
        queue.nudged = linux_syscall2(LINUX_SYS_inotify_rm_watch, <uint32_t> fd, <uint64_t> watch) == 0
    linux_syscall1(LINUX_SYS_close, file)


cdef uint64_t inotify_drop_nudge(process_t *proc, int fd, char *data, uint64_t size) noexcept nogil:
    """Take the nudge out of records that were read: their size without it."""
    cdef inotify_queue_t *queue = inotify_queue(proc, fd)
    cdef linux_inotify_event *event
    cdef uint64_t at = 0, i
    while queue != NULL and at < size:
        event = <linux_inotify_event *> &data[at]
        if event.wd == queue.nudge and event.mask & LINUX_IN_IGNORED:
            queue.nudged = 0
            for i in range(at + INOTIFY_NUDGE, size):
                data[i - INOTIFY_NUDGE] = data[i]
            return size - INOTIFY_NUDGE
        at += sizeof(linux_inotify_event) + event.len
    return size


cdef uint64_t inotify_next(const char *data) noexcept nogil:
    """The size of a record."""
    return sizeof(linux_inotify_event) + (<const linux_inotify_event *> data).len


cdef bint inotify_append(inotify_queue_t *queue, int fd, const char *data, uint64_t size) noexcept nogil:
    """Records for the next read; False: there is no room for them."""
    if queue == NULL or size > INOTIFY_QUEUE_ROOM - queue.end:
        return False
    memcpy(&queue.records[queue.end], data, size)
    queue.end += size
    inotify_nudge(queue, fd)
    return True


cdef void inotify_put_back(process_t *proc, int fd, const char *data, uint64_t size) noexcept nogil:
    """Keep records for the next read: lock_event is not held. What has no room is lost."""
    lock_acquire(&proc.own.lock_event)
    inotify_append(inotify_queue_made(proc, fd), fd, data, size)
    lock_release(&proc.own.lock_event)


cdef long inotify_read_now(int fd, char *data, uint64_t room) noexcept nogil:
    """read(2) that does not wait, whoever else reads the descriptor: O_NONBLOCK is there for a moment (inotify_read)."""
    cdef long flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL), result
    cdef bint waits = not is_error(flags) and not flags & LINUX_O_NONBLOCK
    if waits:
        linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFL, flags | LINUX_O_NONBLOCK)
    result = linux_syscall3(LINUX_SYS_read, <uint32_t> fd, <uint64_t> data, room)
    if waits:
        linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFL, flags)
    return result


cdef long inotify_read(area_t *area, int fd, char *data, uint64_t room) noexcept nogil:
    """read(2); 0 where it is to be made again, since it did not wait for inotify_read_now alone. lock_event is not held."""
    cdef process_t *proc = area.proc
    cdef long result = blocking_syscall(LINUX_SYS_read, fd, <uint64_t> data, room, 0, 0, 0), flags
    if result != -LINUX_EAGAIN or proc.own.inotify == NULL or not (<inotify_t *> proc.own.inotify).queued:
        return result
    lock_acquire(&proc.own.lock_event)
    flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL)
    lock_release(&proc.own.lock_event)
    return 0 if not is_error(flags) and not flags & LINUX_O_NONBLOCK else result


cdef void inotify_drain(process_t *proc, inotify_queue_t *queue, int fd) noexcept nogil:
    """Take what Linux has."""
    cdef int32_t waiting = 0
    cdef long got
    while linux_syscall3(LINUX_SYS_ioctl, <uint32_t> fd, LINUX_FIONREAD, <uint64_t> &waiting) == 0 and waiting > 0 \
            and <uint64_t> waiting <= INOTIFY_QUEUE_ROOM - queue.end:
        got = inotify_read_now(fd, &queue.records[queue.end], <uint64_t> waiting)
        if got <= 0:
            break
        got = <long> freebsd_inotify_events_from_linux(&queue.records[queue.end], <uint64_t> got)
        inotify_name_folders(proc, fd, &queue.records[queue.end], <uint64_t> got)
        queue.end += inotify_drop_nudge(proc, fd, &queue.records[queue.end], <uint64_t> got)


cdef uint64_t inotify_pending(process_t *proc, int fd, uint64_t *count) noexcept nogil:
    """nbpending: the bytes that can be read, and how many records they are. lock_event is not held."""
    cdef inotify_queue_t *queue
    cdef int32_t waiting = 0
    cdef uint64_t size, at
    lock_acquire(&proc.own.lock_event)
    linux_syscall3(LINUX_SYS_ioctl, <uint32_t> fd, LINUX_FIONREAD, <uint64_t> &waiting)
    queue = inotify_queue(proc, fd)
    count[0] = 0
    if queue != NULL and queue.nudged and waiting >= INOTIFY_NUDGE:
        waiting -= INOTIFY_NUDGE
    size = <uint64_t> waiting
    if waiting:
        queue = inotify_queue_made(proc, fd)
        if queue != NULL:
            inotify_drain(proc, queue, fd)
    if queue != NULL and queue.end > queue.begin:
        inotify_nudge(queue, fd)
    if queue != NULL and queue.records != NULL:
        size = queue.end - queue.begin
        at = queue.begin
        while at < queue.end:
            at += inotify_next(&queue.records[at])
            count[0] += 1
    lock_release(&proc.own.lock_event)
    return size


cdef int64_t inotify_waiting(process_t *proc, int fd, int64_t waiting) noexcept nogil:
    """For EVFILT_READ: the bytes that Linux says, and those that are queued here."""
    cdef inotify_queue_t *queue = inotify_queue(proc, fd)
    if queue == NULL:
        return waiting
    return waiting - (INOTIFY_NUDGE if queue.nudged else 0) + <int64_t> (queue.end - queue.begin)

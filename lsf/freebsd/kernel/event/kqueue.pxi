# kqueue(2) and kevent(2). Model: FreeBSD sys/kern/kern_event.c; the filters are in filter.pxi and the files beside it.
#
# A kqueue is a Linux epoll descriptor, which the guest holds, and a struct kqueue in the shim's memory with its knotes.
# Each fd knote (READ, WRITE) is one registration: READ in the epoll itself, WRITE in a second epoll inside it, so that an
# edge of the one filter says nothing about the other. EV_CLEAR is EPOLLET. What Linux does not report through epoll
# (USER, TIMER, VNODE, ...) puts its knote on the kqueue's own queue, and an eventfd in the epoll is readable while
# that queue is not empty; so the epoll is readable exactly when an event is there, and kqueues can be polled and nested.
#
# Rules:
#   - proc.own.lock_event guards everything here. It is not held while a thread waits: it waits in epoll_wait alone, and
#     takes the lock to work on what came out. What comes out names a knote by index and generation, so a knote that was
#     deleted in the meantime is recognized.
#   - No event is lost between a changelist and a wait, since the wait is level-triggered on the kernel's state and on
#     the eventfd.
#   - Descriptors of our own (the inner epoll, eventfd, timerfd, inotify, pidfds) are hidden from the guest.
#   - A kqueue is its process's own: the child of a fork has none, and a vfork child sees none.

cdef enum:
    NONBLOCK_CLOEXEC = LINUX_O_NONBLOCK | LINUX_O_CLOEXEC       # of EFD_, TFD_ and IN_

cdef enum:
    KN_ACTIVE = 1                       # the event happened
    KN_QUEUED = 2                       # it is on the kqueue's queue
    KN_DISABLED = 4
    KN_WATCHED = 8                      # its descriptor is registered with epoll
    KN_QUIET = 16                       # Linux calls it ready and FreeBSD does not: ask for edges alone
    KN_LISTENS = 64                     # READ on a socket: it accepts connections, for good
    KN_CONNECTED = 128                  # it never will: something was received
    KN_STREAM = 256                     # on a socket of SOCK_STREAM
    KN_TCP = 512                        # on one of TCP
    KN_GONE = 1024                      # PROC: a tracked child that had ended when it was told of
    KN_BACK = 2048                      # READ or WRITE of a pipe's odd end (filter_pipe.pxi): `source` is the way back, `links` the pipe
    KN_SHUT = 4096                      # WRITE of a socket that the process has shut down for writing

cdef enum:                              # in epoll_event.data, instead of a knote's index
    EVENT_WAKE = 0xfffffff1UL
    EVENT_WRITE = 0xfffffff2UL
    EVENT_TIMER = 0xfffffff3UL
    EVENT_INOTIFY = 0xfffffff4UL
    EVENT_SIGNALFD = 0xfffffff5UL

cdef enum:
    EVENT_HASH = 1024
    CHANNELS = 8
    EVENT_WORDS = 16384                 # of 64 descriptors
    KNOTES_PER_CHUNK = 256
    KNOTE_CHUNKS = 4096
    KEVENT_BATCH = 8                    # FreeBSD's KQ_NEVENTS
    RAW_EVENTS = 64                     # that one epoll_wait is asked for

cdef struct kqueue_t

cdef struct channel_t:                  # filter_notes.pxi
    uint64_t key
    int64_t offset                      # what was read
    int32_t fd
    uint32_t knotes                     # that it is for; 0: this struct is free

cdef struct knote_t:
    freebsd_kevent kev                  # kn_kevent: what is reported; its flags and fflags change
    uint32_t sfflags                    # what was asked for: fflags and data of the change
    int64_t sdata
    uint32_t index, generation
    uint32_t status
    uint32_t revents                    # what epoll said
    uint32_t hook                       # USER: triggered; SIGNAL: seen pending
    int32_t source                      # PROC: its pidfd; VNODE and files: inotify's watch; -1: none
    int32_t parent                      # VNODE of a directory: inotify's watch of the one that it is in; -1: none
    uint32_t mode                       # of the file behind a descriptor (S_IFMT), 0 for none
    uint32_t told                       # the kqueue's turn that `revents` was told in
    int64_t next_time, period           # TIMER: nanoseconds of CLOCK_MONOTONIC
    int64_t size, links                 # VNODE: as last seen; PROC: how it ended, if links is 1; TIMER: size is the second that is to have begun, or 0
    channel_t *channel                  # PROC: by which its process tells of forks and executions, or NULL
    kqueue_t *kq
    knote_t *hash_next
    knote_t *queue_next
    knote_t *queue_previous
    knote_t *list_next                  # all of this kqueue
    knote_t *list_previous

cdef struct kqueue_t:
    kqueue_t *next
    int32_t fd                          # the guest's; -1: this struct is free
    int32_t write_fd, wake_fd, timer_fd, inotify_fd, signal_fd  # hidden; -1: not made yet
    uint32_t names                      # how many descriptors the guest has of it
    uint32_t refs                       # threads that wait in it
    uint32_t closing
    uint32_t count                      # knotes on the queue
    uint32_t signalled                  # wake_fd is readable
    uint32_t gone                       # some knote is KN_GONE
    uint32_t turn                       # goes on with every change and every call that collects: what epoll said before may
                                        # be over, since the guest has been told of it, or has a new interest
    uint32_t current                    # what epoll says is of this turn
    int64_t armed                       # when timer_fd will fire; 0: never
    knote_t *queue_first
    knote_t *queue_last
    knote_t *list

cdef struct events_t:
    uint64_t watched[EVENT_WORDS]       # descriptors that have knotes or are kqueues
    uint64_t hidden[EVENT_WORDS]
    knote_t *hash[EVENT_HASH]           # by ident; also the guest's names of kqueues (filter 0)
    knote_t *chunks[KNOTE_CHUNKS]
    uint32_t chunk_count
    knote_t *free
    kqueue_t *kqueues
    uint32_t signals[129]               # SIGNAL knotes for each
    uint32_t vnodes                     # VNODE knotes
    uint32_t backs_wanted               # some knote waits for a pipe's way back
    uint64_t own_key                    # of the channel that this process made
    channel_t channels[CHANNELS]


# ------------------------------------------------------------------ kqueue(2)

cdef bint kqueues_exhausted(process_t *proc) noexcept nogil:
    """RLIMIT_KQUEUES: the kqueues of this process. FreeBSD counts the user's."""
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef uint64_t count = 0
    if proc.own.limits_kept[limit_kept_at(FREEBSD_RLIMIT_KQUEUES)].below_cur == 0:
        return False
    lock_acquire(&proc.own.lock_event)
    ev = events_of(proc)
    kq = NULL if ev == NULL else ev.kqueues
    while kq != NULL:
        count += kq.fd >= 0
        kq = kq.next
    lock_release(&proc.own.lock_event)
    return limit_reached(proc, FREEBSD_RLIMIT_KQUEUES, count)


cdef long kqueue_new(process_t *proc, uint32_t flags) noexcept nogil:
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef long fd
    if kqueues_exhausted(proc):
        return -LINUX_ENOMEM
    fd = linux_syscall1(LINUX_SYS_epoll_create1, LINUX_EPOLL_CLOEXEC if flags & FREEBSD_KQUEUE_CLOEXEC else 0)
    if is_error(fd):
        return fd
    lock_acquire(&proc.own.lock_event)
    ev = events_of(proc)
    kq = NULL
    if ev != NULL and fd < EVENT_WORDS * 64:
        kq = ev.kqueues
        while kq != NULL and (kq.fd >= 0 or kq.refs != 0):
            kq = kq.next
        if kq == NULL:
            kq = <kqueue_t *> map_memory(page_up(sizeof(kqueue_t)))
            if kq != NULL:
                kq.next = ev.kqueues
                ev.kqueues = kq
    if kq != NULL:
        kq.fd = <int32_t> fd
        kq.write_fd = -1
        kq.wake_fd = -1
        kq.timer_fd = -1
        kq.inotify_fd = -1
        kq.signal_fd = -1
        kq.names = 0
        kq.closing = 0
        kq.signalled = 0
        kq.armed = 0
        if not kqueue_name(ev, kq, <uint64_t> fd):
            kq.fd = -1
            kq = NULL
    lock_release(&proc.own.lock_event)
    if kq == NULL:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_ENOMEM
    return fd


cdef public long sys_kqueue(frame_t *frame, area_t *area) noexcept nogil:
    return kqueue_new(area.proc, 0)


cdef public long sys_kqueuex(frame_t *frame, area_t *area) noexcept nogil:
    if <uint32_t> frame.arg[0] & ~<uint32_t> FREEBSD_KQUEUE_CLOEXEC:
        return -LINUX_EINVAL
    return kqueue_new(area.proc, <uint32_t> frame.arg[0])


# ------------------------------------------------------------------ knotes and epoll

cdef long knote_watch(events_t *ev, knote_t *kn) noexcept nogil:
    """Register a descriptor's knote with epoll, or arm it again: a condition that holds already is reported then."""
    cdef kqueue_t *kq = kn.kq
    cdef uint32_t events = LINUX_EPOLLIN | LINUX_EPOLLRDHUP
    cdef int epoll = kq.fd
    cdef long result
    if kn.kev.filter == FREEBSD_EVFILT_WRITE:
        result = kqueue_part(ev, kq, &kq.write_fd, EVENT_WRITE)
        if result < 0:
            return result
        epoll = kq.write_fd
        events = LINUX_EPOLLOUT
    if kn.kev.flags & FREEBSD_EV_CLEAR or kn.status & KN_QUIET:
        events |= LINUX_EPOLLET
    result = epoll_control(epoll, LINUX_EPOLL_CTL_MOD if kn.status & KN_WATCHED else LINUX_EPOLL_CTL_ADD, <int> kn.kev.ident,
                           events, knote_name(kn))
    if result == -LINUX_EEXIST:
        result = epoll_control(epoll, LINUX_EPOLL_CTL_MOD, <int> kn.kev.ident, events, knote_name(kn))
    if result == 0:
        kn.status |= KN_WATCHED
    elif result == -LINUX_ELOOP:
        result = -LINUX_EINVAL
    elif result == -LINUX_ENOSPC:
        result = -LINUX_ENOMEM
    return result


cdef void knote_unwatch(knote_t *kn) noexcept nogil:
    if kn.status & KN_WATCHED:
        kn.status &= ~<uint32_t> (KN_WATCHED | KN_QUIET)
        epoll_control(kn.kq.write_fd if kn.kev.filter == FREEBSD_EVFILT_WRITE else kn.kq.fd, LINUX_EPOLL_CTL_DEL,
                      <int> kn.kev.ident, 0, 0)


cdef void knote_drop(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """Detach a knote from what it watches and free it."""
    filter_detach(proc, ev, kn)
    knote_free(ev, kn)


cdef long kqueue_register(process_t *proc, events_t *ev, kqueue_t *kq, freebsd_kevent *kev) noexcept nogil:
    """One change: 0 or an error. Called with the lock held."""
    cdef int filt = kev.filter
    cdef knote_t *kn
    cdef long result
    cdef bint is_fd
    kq.turn += 1
    if kev.flags & (FREEBSD_EV_ENABLE | FREEBSD_EV_DISABLE) == (FREEBSD_EV_ENABLE | FREEBSD_EV_DISABLE):
        return -LINUX_EINVAL
    if filt > 0 or filt < FREEBSD_EVFILT_EMPTY:
        # There is no jail to watch.
        return -LINUX_ENOENT if filt == FREEBSD_EVFILT_JAIL and proc.own.osreldate >= FREEBSD_SINCE_JAIL_EVENTS else -LINUX_EINVAL
    is_fd = is_descriptor_filter(filt)
    kn = knote_find(ev, kq, kev.ident, filt)
    if is_fd and kn == NULL:            # a descriptor that has a knote is open
        if kev.ident > 0x7fffffff or descriptor_is_hidden(proc, <int> kev.ident):
            return -LINUX_EBADF
        if not caps_allow(proc, <int> kev.ident, LSF_RIGHT_EVENT):
            return guest_error(FREEBSD_ENOTCAPABLE)
        # What is added to READ or WRITE is looked at there (descriptor_attach).
        if not (kev.flags & FREEBSD_EV_ADD and (filt == FREEBSD_EVFILT_READ or filt == FREEBSD_EVFILT_WRITE)) \
                and is_error(linux_syscall2(LINUX_SYS_fcntl, kev.ident, LINUX_F_GETFD)):                  # F_GETFD
            return -LINUX_EBADF
        if kev.ident >= EVENT_WORDS * 64:
            return -LINUX_EBADF if is_error(linux_syscall2(LINUX_SYS_fcntl, kev.ident, LINUX_F_GETFD)) else -LINUX_ENOMEM
        if kqueue_find(ev, kev.ident) == kq:
            return -LINUX_EINVAL
    if kn == NULL:
        if not kev.flags & FREEBSD_EV_ADD:
            return -LINUX_ENOENT
        kn = knote_new(ev)
        if kn == NULL:
            return -LINUX_ENOMEM
        kn.kq = kq
        kn.sfflags = kev.fflags
        kn.sdata = kev.data
        kn.kev = kev[0]
        kn.kev.fflags = 0
        kn.kev.data = 0
        kn.kev.flags &= ~<uint16_t> (FREEBSD_EV_ADD | FREEBSD_EV_DELETE | FREEBSD_EV_ENABLE | FREEBSD_EV_DISABLE
                                     | FREEBSD_EV_FORCEONESHOT)
        if kev.flags & FREEBSD_EV_DISABLE:
            kn.status |= KN_DISABLED
        knote_insert(ev, kn)
        result = filter_attach(proc, ev, kn)
        if result < 0:
            knote_free(ev, kn)
            return result
        if kev.flags & FREEBSD_EV_FORCEONESHOT:
            kn.kev.flags |= FREEBSD_EV_ONESHOT
            kn.status |= KN_ACTIVE
    else:
        if kev.flags & FREEBSD_EV_DELETE:
            knote_drop(proc, ev, kn)
            return 0
        if kev.flags & FREEBSD_EV_FORCEONESHOT:
            kn.kev.flags |= FREEBSD_EV_ONESHOT
            kn.status |= KN_ACTIVE
        if kev.flags & FREEBSD_EV_ENABLE:
            kn.status &= ~<uint32_t> KN_DISABLED
        elif kev.flags & FREEBSD_EV_DISABLE:
            kn.status |= KN_DISABLED
            if is_fd:
                knote_unwatch(kn)
            knote_dequeue(kn)
        if not kev.flags & FREEBSD_EV_KEEPUDATA:
            kn.kev.udata = kev.udata
        result = filter_touch(proc, ev, kn, kev)
        if result < 0:
            return result
    if not kn.status & KN_DISABLED:
        if (not kn.status & KN_WATCHED or back_is_open(kn)) and filter_ready(proc, ev, kn):   # epoll reports a watched one
            kn.status |= KN_ACTIVE
        if kn.status & KN_ACTIVE:
            result = kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
            if result < 0:
                return result
            knote_enqueue(kn)
    kqueue_signal(kq)
    return 0

# kqueue(2) and kevent(2). Model: FreeBSD sys/kern/kern_event.c; the filters are in event_filters.pxi.
#
# A kqueue is a Linux epoll descriptor, which the guest holds, and a struct kqueue in the shim's memory with its knotes.
# Each fd knote (READ, WRITE) is one registration: READ in the epoll itself, WRITE in a second epoll inside it, so that an
# edge of the one filter says nothing about the other. EV_CLEAR is EPOLLET. What Linux does not report through epoll
# (USER, TIMER, VNODE, ...) puts its knote on the kqueue's own queue, and an eventfd in the epoll is readable while
# that queue is not empty; so the epoll is readable exactly when an event is there, and kqueues can be polled and nested.
#
# Rules:
#   - proc.lock_event guards everything here. It is not held while a thread waits: it waits in epoll_wait alone, and
#     takes the lock to work on what came out. What comes out names a knote by index and generation, so a knote that was
#     deleted in the meantime is recognized.
#   - No event is lost between a changelist and a wait, since the wait is level-triggered on the kernel's state and on
#     the eventfd.
#   - Descriptors of our own (the inner epoll, eventfd, timerfd, inotify, pidfds) are hidden from the guest.
#   - A kqueue is its process's own: the child of a fork has none, and a vfork child sees none.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_settime
    const long SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_signalfd4
    const long EVENT_SYS_POLL "SYS_poll"

cdef enum:
    SYS_epoll_pwait2 = 441              # Linux 5.11
    SYS_pidfd_open = 434                # Linux 5.3
    EPOLL_CTL_ADD = 1
    EPOLL_CTL_DEL = 2
    EPOLL_CTL_MOD = 3
    EPOLL_CLOEXEC = 0o2000000
    EPOLLIN = 1
    EPOLLOUT = 4
    EPOLLERR = 8
    EPOLLHUP = 0x10
    EPOLLRDHUP = 0x2000
    EPOLLET = 0x80000000UL
    NONBLOCK_CLOEXEC = 0o2004000        # EFD_, TFD_ and IN_

cdef enum:
    EVFILT_READ = -1
    EVFILT_WRITE = -2
    EVFILT_AIO = -3
    EVFILT_VNODE = -4
    EVFILT_PROC = -5
    EVFILT_SIGNAL = -6
    EVFILT_TIMER = -7
    EVFILT_PROCDESC = -8
    EVFILT_FS = -9
    EVFILT_LIO = -10
    EVFILT_USER = -11
    EVFILT_SENDFILE = -12
    EVFILT_EMPTY = -13

cdef enum:
    EV_ADD = 0x0001
    EV_DELETE = 0x0002
    EV_ENABLE = 0x0004
    EV_DISABLE = 0x0008
    EV_ONESHOT = 0x0010
    EV_CLEAR = 0x0020
    EV_RECEIPT = 0x0040
    EV_DISPATCH = 0x0080
    EV_FORCEONESHOT = 0x0100
    EV_KEEPUDATA = 0x0200
    EV_DROP = 0x1000
    EV_ERROR = 0x4000
    EV_EOF = 0x8000
    EV_SYSFLAGS = 0xf000

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

cdef enum:                              # in epoll_event.data, instead of a knote's index
    EVENT_WAKE = 0xfffffff1UL
    EVENT_WRITE = 0xfffffff2UL
    EVENT_TIMER = 0xfffffff3UL
    EVENT_INOTIFY = 0xfffffff4UL
    EVENT_SIGNALFD = 0xfffffff5UL

cdef enum:
    EVENT_HASH = 1024
    EVENT_WORDS = 16384                 # of 64 descriptors
    KNOTES_PER_CHUNK = 256
    KNOTE_CHUNKS = 4096
    KEVENT_BATCH = 8                    # FreeBSD's KQ_NEVENTS
    RAW_EVENTS = 64                     # that one epoll_wait is asked for
    KQUEUE_CLOEXEC = 1

cdef struct kqueue_t

cdef struct knote_t:
    freebsd_kevent kev                  # kn_kevent: what is reported; its flags and fflags change
    uint32_t sfflags                    # what was asked for: fflags and data of the change
    int64_t sdata
    uint32_t index, generation
    uint32_t status
    uint32_t revents                    # what epoll said
    uint32_t hook                       # USER: triggered; SIGNAL: seen pending
    int32_t source                      # PROC: its pidfd; VNODE and files: inotify's watch; -1: none
    uint32_t mode                       # of the file behind a descriptor (S_IFMT), 0 for none
    uint32_t told                       # the kqueue's turn that `revents` was told in
    int64_t next_time, period           # TIMER: nanoseconds of CLOCK_MONOTONIC
    int64_t size, links                 # VNODE: as last seen
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


# ------------------------------------------------------------------ memory and tables

cdef inline bint bit_test(const uint64_t *words, uint64_t n) noexcept nogil:
    return n < EVENT_WORDS * 64 and (words[n >> 6] >> (n & 63)) & 1


cdef inline void bit_set(uint64_t *words, uint64_t n) noexcept nogil:
    words[n >> 6] |= 1UL << (n & 63)


cdef inline void bit_clear(uint64_t *words, uint64_t n) noexcept nogil:
    words[n >> 6] &= ~(1UL << (n & 63))


cdef inline bint is_descriptor_filter(int filt) noexcept nogil:
    """f_isfd of the filter; 0 is a name of a kqueue."""
    return (filt == EVFILT_READ or filt == EVFILT_WRITE or filt == EVFILT_VNODE or filt == EVFILT_PROCDESC
            or filt == EVFILT_EMPTY or filt == 0)


cdef inline uint32_t event_hash(uint64_t ident) noexcept nogil:
    return <uint32_t> ((ident ^ (ident >> 10) ^ (ident >> 20)) & (EVENT_HASH - 1))


cdef events_t *events_of(process_t *proc) noexcept nogil:
    """The process's table, made when it is first needed; NULL when memory is short."""
    if proc.events == NULL:
        proc.events = <void *> map_memory(page_up(sizeof(events_t)))
    return <events_t *> proc.events


cdef knote_t *knote_new(events_t *ev) noexcept nogil:
    """A zeroed knote with an index and a generation of its own, or NULL."""
    cdef knote_t *kn
    cdef knote_t *chunk
    cdef uint32_t i, index, generation
    if ev.free == NULL:
        if ev.chunk_count == KNOTE_CHUNKS:
            return NULL
        chunk = <knote_t *> map_memory(page_up(KNOTES_PER_CHUNK * sizeof(knote_t)))
        if chunk == NULL:
            return NULL
        ev.chunks[ev.chunk_count] = chunk
        for i in range(KNOTES_PER_CHUNK):
            chunk[i].index = ev.chunk_count * KNOTES_PER_CHUNK + i
            chunk[i].hash_next = ev.free
            ev.free = &chunk[i]
        ev.chunk_count += 1
    kn = ev.free
    ev.free = kn.hash_next
    index = kn.index
    generation = kn.generation
    memset(kn, 0, sizeof(knote_t))
    kn.index = index
    kn.generation = generation + 1
    kn.source = -1
    return kn


cdef void knote_insert(events_t *ev, knote_t *kn) noexcept nogil:
    cdef uint32_t at = event_hash(kn.kev.ident)
    kn.hash_next = ev.hash[at]
    ev.hash[at] = kn
    if kn.kev.filter != 0:
        kn.list_next = kn.kq.list
        if kn.list_next != NULL:
            kn.list_next.list_previous = kn
        kn.kq.list = kn
    if is_descriptor_filter(kn.kev.filter):
        bit_set(ev.watched, kn.kev.ident)


cdef void knote_free(events_t *ev, knote_t *kn) noexcept nogil:
    """Take a knote out of every list and give it back."""
    cdef knote_t **at = &ev.hash[event_hash(kn.kev.ident)]
    cdef knote_t *other
    knote_dequeue(kn)
    while at[0] != NULL and at[0] != kn:
        at = &at[0].hash_next
    if at[0] == kn:
        at[0] = kn.hash_next
        if kn.kev.filter != 0:
            if kn.list_previous != NULL:
                kn.list_previous.list_next = kn.list_next
            else:
                kn.kq.list = kn.list_next
            if kn.list_next != NULL:
                kn.list_next.list_previous = kn.list_previous
        if is_descriptor_filter(kn.kev.filter):
            other = ev.hash[event_hash(kn.kev.ident)]
            while other != NULL and not (other.kev.ident == kn.kev.ident and is_descriptor_filter(other.kev.filter)):
                other = other.hash_next
            if other == NULL:
                bit_clear(ev.watched, kn.kev.ident)
    kn.generation += 1
    kn.kq = NULL
    kn.hash_next = ev.free
    ev.free = kn


cdef knote_t *knote_find(events_t *ev, kqueue_t *kq, uint64_t ident, int filt) noexcept nogil:
    cdef knote_t *kn = ev.hash[event_hash(ident)]
    while kn != NULL and not (kn.kev.ident == ident and kn.kev.filter == filt and (kn.kq == kq or kq == NULL)):
        kn = kn.hash_next
    return kn


cdef knote_t *knote_at(events_t *ev, uint64_t name) noexcept nogil:
    """The knote that epoll names, or NULL when it is gone."""
    cdef uint32_t index = <uint32_t> name
    cdef knote_t *kn
    if index >= ev.chunk_count * KNOTES_PER_CHUNK:
        return NULL
    kn = &ev.chunks[index / KNOTES_PER_CHUNK][index % KNOTES_PER_CHUNK]
    return kn if kn.generation == <uint32_t> (name >> 32) and kn.kq != NULL else NULL


cdef inline uint64_t knote_name(const knote_t *kn) noexcept nogil:
    return <uint64_t> kn.generation << 32 | kn.index


cdef void knote_enqueue(knote_t *kn) noexcept nogil:
    cdef kqueue_t *kq = kn.kq
    if kn.status & (KN_QUEUED | KN_DISABLED):
        return
    kn.status |= KN_QUEUED
    kn.queue_next = NULL
    kn.queue_previous = kq.queue_last
    if kq.queue_last != NULL:
        kq.queue_last.queue_next = kn
    else:
        kq.queue_first = kn
    kq.queue_last = kn
    kq.count += 1


cdef void knote_dequeue(knote_t *kn) noexcept nogil:
    cdef kqueue_t *kq = kn.kq
    if not kn.status & KN_QUEUED:
        return
    kn.status &= ~<uint32_t> KN_QUEUED
    if kn.queue_previous != NULL:
        kn.queue_previous.queue_next = kn.queue_next
    else:
        kq.queue_first = kn.queue_next
    if kn.queue_next != NULL:
        kn.queue_next.queue_previous = kn.queue_previous
    else:
        kq.queue_last = kn.queue_previous
    kq.count -= 1


cdef void knote_activate(knote_t *kn) noexcept nogil:
    """KNOTE_ACTIVATE, from outside of a scan: whoever waits is woken."""
    kn.status |= KN_ACTIVE
    knote_enqueue(kn)
    kqueue_signal(kn.kq)


cdef kqueue_t *kqueue_find(events_t *ev, uint64_t fd) noexcept nogil:
    """The kqueue that one of the guest's descriptors names, or NULL."""
    cdef knote_t *name
    if ev == NULL or not bit_test(ev.watched, fd):
        return NULL
    name = knote_find(ev, NULL, fd, 0)
    return name.kq if name != NULL else NULL


# ------------------------------------------------------------------ descriptors of our own

cdef int hidden_new(events_t *ev, long fd) noexcept nogil:
    """Hide a fresh descriptor from the guest: its new number, or the error that `fd` is."""
    cdef int result
    if is_error(fd):
        return <int> fd
    result = hide_descriptor(<int> fd, True)
    if result >= EVENT_WORDS * 64:
        linux_syscall1(SYS_close, result)
        return -EMFILE
    bit_set(ev.hidden, result)
    return result


cdef void hidden_close(events_t *ev, int32_t *fd) noexcept nogil:
    if fd[0] >= 0:
        bit_clear(ev.hidden, fd[0])
        linux_syscall1(SYS_close, fd[0])
        fd[0] = -1


cdef long epoll_control(int epoll, int op, int fd, uint32_t events, uint64_t name) noexcept nogil:
    cdef linux_epoll_event event
    event.events = events
    event.data.u64 = name
    return linux_syscall4(SYS_epoll_ctl, epoll, op, fd, <uint64_t> &event)


cdef long kqueue_part(events_t *ev, kqueue_t *kq, int32_t *part, uint64_t name) noexcept nogil:
    """Make one of a kqueue's hidden descriptors when it is first needed: 0 or an error."""
    cdef long fd
    cdef uint64_t no_signals = 0
    if part[0] >= 0:
        return 0
    if name == EVENT_WAKE:
        fd = linux_syscall2(SYS_eventfd2, 0, NONBLOCK_CLOEXEC)
    elif name == EVENT_WRITE:
        fd = linux_syscall1(SYS_epoll_create1, EPOLL_CLOEXEC)
    elif name == EVENT_TIMER:
        fd = linux_syscall2(SYS_timerfd_create, LINUX_CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
    elif name == EVENT_SIGNALFD:
        fd = linux_syscall4(SYS_signalfd4, <uint64_t> -1, <uint64_t> &no_signals, 8, NONBLOCK_CLOEXEC)
    else:
        fd = linux_syscall1(SYS_inotify_init1, NONBLOCK_CLOEXEC)
    fd = hidden_new(ev, fd)
    if fd < 0:
        return fd
    part[0] = <int32_t> fd
    fd = epoll_control(kq.fd, EPOLL_CTL_ADD, part[0], EPOLLIN | (EPOLLET if name == EVENT_SIGNALFD else 0), name)
    if fd < 0:
        hidden_close(ev, part)
    return fd


cdef void kqueue_signal(kqueue_t *kq) noexcept nogil:
    """Make the eventfd readable exactly while something is on the queue."""
    cdef uint64_t one = 1
    if kq.wake_fd < 0:
        return
    if kq.count != 0 and not kq.signalled:
        linux_syscall3(SYS_write, kq.wake_fd, <uint64_t> &one, 8)
        kq.signalled = 1
    elif kq.count == 0 and kq.signalled and not kq.closing:
        linux_syscall3(SYS_read, kq.wake_fd, <uint64_t> &one, 8)
        kq.signalled = 0


cdef bint event_hides(process_t *proc, int fd) noexcept nogil:
    """True for a hidden descriptor of a kqueue."""
    return proc.events != NULL and fd >= 0 and bit_test((<events_t *> proc.events).hidden, fd)


cdef int event_next_hidden(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest hidden descriptor of a kqueue from `fd` on, or -1."""
    cdef events_t *ev = <events_t *> proc.events
    cdef uint64_t bits
    cdef uint32_t word = fd >> 6
    if ev == NULL or word >= EVENT_WORDS:
        return -1
    bits = ev.hidden[word] & ~0UL << (fd & 63)
    while bits == 0:
        word += 1
        if word == EVENT_WORDS:
            return -1
        bits = ev.hidden[word]
    return <int> (word * 64 + count_trailing_zeros(bits))


cdef void event_move_hidden(process_t *proc, int fd) noexcept nogil:
    """The guest wants this number (dup2): a kqueue's hidden descriptor goes on under another one."""
    cdef events_t *ev = <events_t *> proc.events
    cdef kqueue_t *kq
    cdef knote_t *kn
    cdef long moved
    lock_acquire(&proc.lock_event)
    if event_hides(proc, fd):
        moved = linux_syscall3(SYS_fcntl, fd, 1030, fd + 1)             # F_DUPFD_CLOEXEC
        if is_error(moved) or moved >= EVENT_WORDS * 64:
            moved = -1
        else:
            hide_number(<int> moved)
            bit_set(ev.hidden, moved)
        kq = ev.kqueues
        while kq != NULL:
            if kq.fd >= 0:
                move_part(kq, &kq.write_fd, fd, <int> moved, EVENT_WRITE)
                move_part(kq, &kq.wake_fd, fd, <int> moved, EVENT_WAKE)
                move_part(kq, &kq.timer_fd, fd, <int> moved, EVENT_TIMER)
                move_part(kq, &kq.inotify_fd, fd, <int> moved, EVENT_INOTIFY)
                move_part(kq, &kq.signal_fd, fd, <int> moved, EVENT_SIGNALFD)
                kn = kq.list
                while kn != NULL:
                    if kn.kev.filter == EVFILT_PROC:
                        move_part(kq, &kn.source, fd, <int> moved, knote_name(kn))
                    kn = kn.list_next
            kq = kq.next
        aio_move_hidden(proc, fd, <int> moved)
        bit_clear(ev.hidden, fd)
    lock_release(&proc.lock_event)


cdef void move_part(kqueue_t *kq, int32_t *part, int fd, int moved, uint64_t name) noexcept nogil:
    if part[0] == fd:
        epoll_control(kq.fd, EPOLL_CTL_DEL, fd, 0, 0)
        part[0] = moved
        if moved >= 0:
            epoll_control(kq.fd, EPOLL_CTL_ADD, moved, EPOLLIN | (EPOLLET if name == EVENT_SIGNALFD else 0), name)


# ------------------------------------------------------------------ what the guest does to descriptors

cdef inline bint event_watches(process_t *proc, int fd) noexcept nogil:
    """True where closing this descriptor, or making it anew, means something here. One test for most processes."""
    return proc.events != NULL and fd >= 0 and bit_test((<events_t *> proc.events).watched, fd)


cdef bint descriptor_is_kqueue(process_t *proc, int fd) noexcept nogil:
    cdef kqueue_t *kq
    lock_acquire(&proc.lock_event)
    kq = kqueue_find(<events_t *> proc.events, fd)
    lock_release(&proc.lock_event)
    return kq != NULL


cdef void event_descriptor_closing(process_t *proc, int fd) noexcept nogil:
    """To be called before a descriptor is closed or replaced: its knotes go, and a kqueue's last name takes the kqueue
    with it. (After the close, Linux would not let us take the registration of a duplicated file away.)"""
    cdef events_t *ev
    cdef knote_t *kn
    cdef knote_t *next_
    cdef kqueue_t *kq = NULL
    if not event_watches(proc, fd):
        return
    ev = <events_t *> proc.events
    lock_acquire(&proc.lock_event)
    kn = ev.hash[event_hash(<uint64_t> fd)]
    while kn != NULL:
        next_ = kn.hash_next
        if kn.kev.ident == <uint64_t> fd and is_descriptor_filter(kn.kev.filter):
            if kn.kev.filter == 0:
                kq = kn.kq
                knote_free(ev, kn)
            else:
                knote_drop(proc, ev, kn)
        kn = next_
    if kq != NULL:
        kq.names -= 1
        if kq.names == 0:
            kqueue_destroy(proc, ev, kq)
        elif kq.fd == fd:
            kqueue_rename(ev, kq)
    lock_release(&proc.lock_event)


cdef void event_range_closing(process_t *proc, uint32_t low, uint32_t high) noexcept nogil:
    """The same for all descriptors between two numbers, both included."""
    cdef events_t *ev = <events_t *> proc.events
    cdef uint64_t bits
    cdef uint32_t word, fd
    if ev == NULL:
        return
    if high >= EVENT_WORDS * 64:
        high = EVENT_WORDS * 64 - 1
    for word in range(low >> 6, (high >> 6) + 1):
        bits = ev.watched[word]
        while bits:
            fd = word * 64 + count_trailing_zeros(bits)
            bits = bits & (bits - 1)
            if low <= fd <= high:
                event_descriptor_closing(proc, <int> fd)


cdef void event_descriptor_duplicated(process_t *proc, int fd, long duplicate) noexcept nogil:
    """To be called after a descriptor was duplicated: a kqueue has one name more."""
    cdef events_t *ev
    cdef kqueue_t *kq
    if not event_watches(proc, fd) or duplicate < 0 or duplicate >= EVENT_WORDS * 64:
        return
    ev = <events_t *> proc.events
    lock_acquire(&proc.lock_event)
    kq = kqueue_find(ev, fd)
    if kq != NULL:
        kqueue_name(ev, kq, <uint64_t> duplicate)
    lock_release(&proc.lock_event)


cdef bint kqueue_name(events_t *ev, kqueue_t *kq, uint64_t fd) noexcept nogil:
    cdef knote_t *name = knote_new(ev)
    if name == NULL:
        return False
    name.kev.ident = fd
    name.kq = kq
    knote_insert(ev, name)
    kq.names += 1
    return True


cdef void kqueue_rename(events_t *ev, kqueue_t *kq) noexcept nogil:
    """The name that we use ourselves is going: use another one that the guest has."""
    cdef uint32_t i
    cdef knote_t *kn
    for i in range(EVENT_HASH):
        kn = ev.hash[i]
        while kn != NULL:
            if kn.kev.filter == 0 and kn.kq == kq:
                kq.fd = <int32_t> kn.kev.ident
                return
            kn = kn.hash_next


cdef void kqueue_destroy(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Free a kqueue whose last name is about to be closed. As in FreeBSD, threads that wait in it leave first."""
    cdef uint64_t one = 1
    cdef uint32_t refs
    kq.closing = 1
    if kq.refs != 0 and kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE) == 0:
        while True:
            refs = atomic_load32(&kq.refs)
            if refs == 0:
                break
            linux_syscall3(SYS_write, kq.wake_fd, <uint64_t> &one, 8)
            lock_release(&proc.lock_event)
            linux_syscall4(SYS_futex, <uint64_t> &kq.refs, FUTEX_PRIVATE, refs, 0)     # FUTEX_WAIT
            lock_acquire(&proc.lock_event)
    while kq.list != NULL:
        knote_drop(proc, ev, kq.list)
    hidden_close(ev, &kq.write_fd)
    hidden_close(ev, &kq.wake_fd)
    hidden_close(ev, &kq.timer_fd)
    hidden_close(ev, &kq.inotify_fd)
    hidden_close(ev, &kq.signal_fd)
    kq.fd = -1


cdef void event_after_fork(process_t *proc) noexcept nogil:
    """In the child of a fork: kqueues are not inherited."""
    cdef events_t *ev = <events_t *> proc.events
    cdef uint32_t word, i
    cdef uint64_t bits
    cdef knote_t *kn
    cdef kqueue_t *kq
    cdef kqueue_t *next_
    cdef int signo
    if ev == NULL:
        return
    proc.events = NULL
    for i in range(EVENT_HASH):
        kn = ev.hash[i]
        while kn != NULL:
            if kn.kev.filter == 0:
                linux_syscall1(SYS_close, kn.kev.ident)
            kn = kn.hash_next
    for word in range(EVENT_WORDS):
        bits = ev.hidden[word]
        while bits:
            linux_syscall1(SYS_close, word * 64 + count_trailing_zeros(bits))
            bits = bits & (bits - 1)
    for signo in range(1, SIGNAL_MAX + 1):
        if ev.signals[signo]:
            apply_disposition(proc, signo)
    for i in range(ev.chunk_count):
        linux_syscall2(SYS_munmap, <uint64_t> ev.chunks[i], page_up(KNOTES_PER_CHUNK * sizeof(knote_t)))
    kq = ev.kqueues
    while kq != NULL:
        next_ = kq.next
        linux_syscall2(SYS_munmap, <uint64_t> kq, page_up(sizeof(kqueue_t)))
        kq = next_
    linux_syscall2(SYS_munmap, <uint64_t> ev, page_up(sizeof(events_t)))


# ------------------------------------------------------------------ kqueue(2)

cdef long kqueue_new(process_t *proc, uint32_t flags) noexcept nogil:
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef long fd = linux_syscall1(SYS_epoll_create1, EPOLL_CLOEXEC if flags & KQUEUE_CLOEXEC else 0)
    if is_error(fd):
        return fd
    lock_acquire(&proc.lock_event)
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
    lock_release(&proc.lock_event)
    if kq == NULL:
        linux_syscall1(SYS_close, fd)
        return -ENOMEM
    return fd


cdef public long sys_kqueue(frame_t *frame, area_t *area) noexcept nogil:
    return kqueue_new(area.proc, 0)


cdef public long sys_kqueuex(frame_t *frame, area_t *area) noexcept nogil:
    if <uint32_t> frame.arg[0] & ~<uint32_t> KQUEUE_CLOEXEC:
        return -EINVAL
    return kqueue_new(area.proc, <uint32_t> frame.arg[0])


# ------------------------------------------------------------------ knotes and epoll

cdef long knote_watch(events_t *ev, knote_t *kn) noexcept nogil:
    """Register a descriptor's knote with epoll, or arm it again: a condition that holds already is reported then."""
    cdef kqueue_t *kq = kn.kq
    cdef uint32_t events = EPOLLIN | EPOLLRDHUP
    cdef int epoll = kq.fd
    cdef long result
    if kn.kev.filter == EVFILT_WRITE:
        result = kqueue_part(ev, kq, &kq.write_fd, EVENT_WRITE)
        if result < 0:
            return result
        epoll = kq.write_fd
        events = EPOLLOUT
    if kn.kev.flags & EV_CLEAR or kn.status & KN_QUIET:
        events |= EPOLLET
    result = epoll_control(epoll, EPOLL_CTL_MOD if kn.status & KN_WATCHED else EPOLL_CTL_ADD, <int> kn.kev.ident,
                           events, knote_name(kn))
    if result == -EEXIST:
        result = epoll_control(epoll, EPOLL_CTL_MOD, <int> kn.kev.ident, events, knote_name(kn))
    if result == 0:
        kn.status |= KN_WATCHED
    elif result == -ELOOP:
        result = -EINVAL
    elif result == -ENOSPC:
        result = -ENOMEM
    return result


cdef void knote_unwatch(knote_t *kn) noexcept nogil:
    if kn.status & KN_WATCHED:
        kn.status &= ~<uint32_t> (KN_WATCHED | KN_QUIET)
        epoll_control(kn.kq.write_fd if kn.kev.filter == EVFILT_WRITE else kn.kq.fd, EPOLL_CTL_DEL,
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
    if kev.flags & (EV_ENABLE | EV_DISABLE) == (EV_ENABLE | EV_DISABLE):
        return -EINVAL
    if filt > 0 or filt < EVFILT_EMPTY:
        return -EINVAL
    is_fd = is_descriptor_filter(filt)
    kn = knote_find(ev, kq, kev.ident, filt)
    if is_fd and kn == NULL:            # a descriptor that has a knote is open
        if kev.ident > 0x7fffffff or descriptor_is_hidden(proc, <int> kev.ident):
            return -EBADF
        # What is added to READ or WRITE is looked at there (descriptor_attach).
        if not (kev.flags & EV_ADD and (filt == EVFILT_READ or filt == EVFILT_WRITE)) \
                and is_error(linux_syscall2(SYS_fcntl, kev.ident, 1)):                  # F_GETFD
            return -EBADF
        if kev.ident >= EVENT_WORDS * 64:
            return -EBADF if is_error(linux_syscall2(SYS_fcntl, kev.ident, 1)) else -ENOMEM
        if kqueue_find(ev, kev.ident) == kq:
            return -EINVAL
    if kn == NULL:
        if not kev.flags & EV_ADD:
            return -ENOENT
        kn = knote_new(ev)
        if kn == NULL:
            return -ENOMEM
        kn.kq = kq
        kn.sfflags = kev.fflags
        kn.sdata = kev.data
        kn.kev = kev[0]
        kn.kev.fflags = 0
        kn.kev.data = 0
        kn.kev.flags &= ~<uint16_t> (EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT)
        if kev.flags & EV_DISABLE:
            kn.status |= KN_DISABLED
        knote_insert(ev, kn)
        result = filter_attach(proc, ev, kn, kev.fflags)
        if result < 0:
            knote_free(ev, kn)
            return result
        if kev.flags & EV_FORCEONESHOT:
            kn.kev.flags |= EV_ONESHOT
            kn.status |= KN_ACTIVE
    else:
        if kev.flags & EV_DELETE:
            knote_drop(proc, ev, kn)
            return 0
        if kev.flags & EV_FORCEONESHOT:
            kn.kev.flags |= EV_ONESHOT
            kn.status |= KN_ACTIVE
        if kev.flags & EV_ENABLE:
            kn.status &= ~<uint32_t> KN_DISABLED
        elif kev.flags & EV_DISABLE:
            kn.status |= KN_DISABLED
            if is_fd:
                knote_unwatch(kn)
            knote_dequeue(kn)
        if not kev.flags & EV_KEEPUDATA:
            kn.kev.udata = kev.udata
        result = filter_touch(proc, ev, kn, kev)
        if result < 0:
            return result
    if not kn.status & KN_DISABLED:
        if not kn.status & KN_WATCHED and filter_ready(proc, ev, kn):       # epoll reports a watched one
            kn.status |= KN_ACTIVE
        if kn.status & KN_ACTIVE:
            result = kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
            if result < 0:
                return result
            knote_enqueue(kn)
    kqueue_signal(kq)
    return 0


# ------------------------------------------------------------------ kevent(2)

cdef void kqueue_absorb_rest(process_t *proc, events_t *ev, kqueue_t *kq, int epoll, linux_epoll_event *raw, long count,
                             uint32_t wanted) noexcept nogil:
    """Where epoll filled its list there may be more: ask on, until as many are on the queue as are wanted, or none of those
    that come is new (epoll tells of a level-triggered one again when it has told of all)."""
    cdef uint32_t before
    while count == RAW_EVENTS and kq.count < wanted:
        before = kq.count
        count = linux_syscall4(SYS_epoll_wait, epoll, <uint64_t> raw, RAW_EVENTS, 0)
        if count <= 0:
            break
        kqueue_absorb(proc, ev, kq, raw, count, wanted)
        if kq.count == before:
            break


cdef void kqueue_absorb(process_t *proc, events_t *ev, kqueue_t *kq, linux_epoll_event *raw, long count, uint32_t wanted) noexcept nogil:
    """Put the knotes that epoll named on the queue. Called with the lock held."""
    cdef linux_epoll_event inner[RAW_EVENTS]
    cdef knote_t *kn
    cdef uint64_t name
    cdef int32_t descriptor
    cdef long i, n
    for i in range(count):
        name = raw[i].data.u64
        if name == EVENT_WAKE:
            continue
        if name == EVENT_WRITE:
            n = linux_syscall4(SYS_epoll_wait, kq.write_fd, <uint64_t> inner, RAW_EVENTS, 0)
            if n > 0:
                kqueue_absorb(proc, ev, kq, inner, n, wanted)
                kqueue_absorb_rest(proc, ev, kq, kq.write_fd, inner, n, wanted)
            continue
        if name == EVENT_TIMER:
            timers_expire(proc, ev, kq)
            continue
        if name == EVENT_INOTIFY:
            vnodes_changed(proc, ev, kq)
            continue
        if name == EVENT_SIGNALFD:
            signals_look(proc, ev, kq)
            continue
        kn = knote_at(ev, name)
        if kn == NULL or kn.kq != kq or kn.status & KN_DISABLED:
            continue
        kn.revents = raw[i].events
        kn.told = kq.turn if kq.current else kq.turn - 1
        kn.status |= KN_ACTIVE
        if kn.kev.filter == EVFILT_PROC:
            process_ended(ev, kn, &kn.source)
        elif kn.kev.filter == EVFILT_PROCDESC:
            # It hangs up when the process closes its files. Whoever has waited for that is told of a zombie.
            descriptor = <int32_t> linux_syscall2(SYS_pidfd_open,
                                                  <uint64_t> procdesc_process(<int> kn.kev.ident), 0)
            process_ended(ev, kn, &descriptor)
            if descriptor >= 0:
                linux_syscall1(SYS_close, descriptor)
        knote_enqueue(kn)


cdef long kqueue_scan(process_t *proc, events_t *ev, kqueue_t *kq, freebsd_kevent *out, int max_,
                      uint32_t *turns) noexcept nogil:
    """Take events off the queue as kqueue_scan of FreeBSD does: how many. `turns` is what the queue held at first, so
    that a knote that stays on it is reported once in a call. Called with the lock held."""
    cdef knote_t *kn
    cdef int n = 0
    while n < max_ and turns[0] > 0 and kq.queue_first != NULL:
        turns[0] -= 1
        kn = kq.queue_first
        knote_dequeue(kn)
        if kn.kev.flags & EV_DROP:
            knote_drop(proc, ev, kn)
            continue
        if kn.status & KN_DISABLED:
            continue
        if not (kn.kev.flags & EV_ONESHOT and not is_descriptor_filter(kn.kev.filter)) \
                and not filter_ready(proc, ev, kn):
            kn.status &= ~<uint32_t> KN_ACTIVE
            continue
        if kn.kev.flags & EV_ONESHOT:
            out[n] = kn.kev
            knote_drop(proc, ev, kn)
            n += 1
            continue
        filter_process(kn, &out[n])
        n += 1
        if kn.kev.flags & EV_DISPATCH:
            kn.status |= KN_DISABLED
            knote_unwatch(kn)
        if kn.kev.flags & (EV_CLEAR | EV_DISPATCH) or kn.status & KN_WATCHED:
            # Level-triggered epoll reports a watched one again by itself.
            kn.status &= ~<uint32_t> KN_ACTIVE
        else:
            knote_enqueue(kn)
    return n


cdef long kevent_changes(process_t *proc, events_t *ev, kqueue_t *kq, uaddr changes, int nchanges, uaddr *events,
                         int *nevents, bint old) noexcept nogil:
    """Work through a changelist: how many errors and receipts were put into the eventlist, or an error."""
    cdef freebsd_kevent kev[KEVENT_BATCH]
    cdef uint64_t size = sizeof(freebsd11_kevent) if old else sizeof(freebsd_kevent)
    cdef long result, reported = 0
    cdef int now, i
    while nchanges > 0:
        now = nchanges if nchanges < KEVENT_BATCH else KEVENT_BATCH
        if kevents_in(changes, kev, now, old) < 0:
            return -EFAULT
        for i in range(now):
            if kev[i].filter == 0:
                continue
            kev[i].flags &= ~<uint16_t> EV_SYSFLAGS
            lock_acquire(&proc.lock_event)
            result = -EBADF if kq.closing else kqueue_register(proc, ev, kq, &kev[i])
            lock_release(&proc.lock_event)
            if result == 0 and not kev[i].flags & EV_RECEIPT:
                continue
            if nevents[0] <= 0:
                if result < 0:
                    return result
                continue
            kev[i].flags = EV_ERROR
            kev[i].data = lsf_errno_map[-result] if result < 0 else 0
            if kevents_out(&kev[i], events[0], 1, old) < 0:
                return -EFAULT
            events[0] += size
            nevents[0] -= 1
            reported += 1
        changes += now * size
        nchanges -= now
    return reported


cdef long kevents_in(uaddr source, freebsd_kevent *kev, int count, bint old) noexcept nogil:
    cdef freebsd11_kevent old_kev
    cdef int i
    if not old:
        return copyin(source, kev, count * sizeof(freebsd_kevent))
    for i in range(count):
        if copyin(source + i * sizeof(old_kev), &old_kev, sizeof(old_kev)) < 0:
            return -EFAULT
        memset(&kev[i], 0, sizeof(freebsd_kevent))
        memcpy(&kev[i], &old_kev, sizeof(old_kev))      # a prefix of the new one
    return 0


cdef long kevents_out(const freebsd_kevent *kev, uaddr target, int count, bint old) noexcept nogil:
    cdef int i
    if not old:
        return copyout(kev, target, count * sizeof(freebsd_kevent))
    for i in range(count):
        if copyout(&kev[i], target + i * sizeof(freebsd11_kevent), sizeof(freebsd11_kevent)) < 0:
            return -EFAULT
    return 0


cdef long kevent_collect(process_t *proc, events_t *ev, kqueue_t *kq, linux_epoll_event *raw, long count, uaddr events,
                         int nevents, bint current, bint old) noexcept nogil:
    """Put what epoll named on the queue, and as much of the queue as fits into the eventlist: how many, or -EFAULT. current:
    nobody has changed the kqueue, or collected from it, since epoll was asked."""
    cdef freebsd_kevent out[KEVENT_BATCH]
    cdef uint64_t size = sizeof(freebsd11_kevent) if old else sizeof(freebsd_kevent)
    cdef uint32_t turns
    cdef long got, total = 0
    kq.turn += 1
    kq.current = current
    kqueue_absorb(proc, ev, kq, raw, count, <uint32_t> nevents)
    kqueue_absorb_rest(proc, ev, kq, kq.fd, raw, count, <uint32_t> nevents)
    turns = kq.count
    while nevents > 0:
        got = kqueue_scan(proc, ev, kq, out, nevents if nevents < KEVENT_BATCH else KEVENT_BATCH, &turns)
        if got == 0:
            break
        if kevents_out(out, events + total * size, <int> got, old) < 0:
            return -EFAULT
        total += got
        nevents -= <int> got
        if got < KEVENT_BATCH:
            break
    if kq.count != 0:
        kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
    kqueue_signal(kq)
    return total


cdef long kevent_wait(area_t *area, events_t *ev, kqueue_t *kq, uaddr events, int nevents,
                      const freebsd_timespec *timeout, bint old) noexcept nogil:
    """kqueue_scan's waiting: how many events were put into the eventlist, or an error. Never restarted."""
    cdef process_t *proc = area.proc
    cdef linux_epoll_event raw[RAW_EVENTS]
    cdef freebsd_timespec now, end, left
    cdef int want = nevents if nevents < RAW_EVENTS else RAW_EVENTS
    cdef bint poll_ = timeout != NULL and timeout.tv_sec == 0 and timeout.tv_nsec == 0
    cdef bint busy, expired = False
    cdef uint32_t turn
    cdef long count, total = 0
    if timeout != NULL and not poll_:
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &end)
        timespec_add(&end, timeout)
    while True:
        lock_acquire(&proc.lock_event)
        busy = kq.count != 0
        turn = kq.turn
        lock_release(&proc.lock_event)
        if busy or poll_ or expired:
            count = linux_syscall4(SYS_epoll_wait, kq.fd, <uint64_t> raw, want, 0)
        elif timeout == NULL:
            count = blocking_syscall(SYS_epoll_wait, kq.fd, <uint64_t> raw, want, <uint64_t> -1, 0, 0)
        else:
            read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
            left.tv_sec = 0
            left.tv_nsec = 0
            if not timespec_reached(&now, &end):
                left = end
                timespec_sub(&left, &now)
            count = epoll_wait_for(kq.fd, raw, want, &left)
            expired = count == 0
        lock_acquire(&proc.lock_event)
        if kq.closing:
            total = -EBADF
        else:
            total = kevent_collect(proc, ev, kq, raw, count if count > 0 else 0, events, nevents, kq.turn == turn, old)
        lock_release(&proc.lock_event)
        if total != 0:
            return total
        # A stop and a continue also end epoll_wait, with no signal for the guest; and one that the guest ignores
        # came here only for an EVFILT_SIGNAL.
        if count < 0 and (count != -EINTR or area.woken == WOKEN_ENDED or (area.deferred and not signal_swallow(area))):
            return count
        if poll_ or (expired and not busy):
            return 0


cdef long epoll_wait_for(int epoll, linux_epoll_event *raw, int want, const freebsd_timespec *left) noexcept nogil:
    """epoll_pwait2, or where Linux lacks it (before 5.11) epoll_wait with the milliseconds rounded up."""
    cdef long result = blocking_syscall(SYS_epoll_pwait2, epoll, <uint64_t> raw, want, <uint64_t> left, 0, 8)
    cdef int64_t milliseconds
    if result != -ENOSYS and result != -EPERM:
        return result
    milliseconds = 0x7fffffff
    if left.tv_sec < 2000000:
        milliseconds = left.tv_sec * 1000 + (left.tv_nsec + 999999) // 1000000
    return blocking_syscall(SYS_epoll_wait, epoll, <uint64_t> raw, want, <uint64_t> milliseconds, 0, 0)


cdef long kevent_call(frame_t *frame, area_t *area, bint old) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef freebsd_timespec timeout
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef uaddr events = frame.arg[3]
    cdef int nevents = <int> frame.arg[4]
    cdef long result
    if frame.arg[5] != 0 and copyin(frame.arg[5], &timeout, sizeof(timeout)) < 0:
        return -EFAULT
    lock_acquire(&proc.lock_event)
    ev = <events_t *> proc.events
    kq = kqueue_find(ev, <uint32_t> frame.arg[0])
    if kq == NULL or kq.closing:
        lock_release(&proc.lock_event)
        return -EBADF
    atomic_add32(&kq.refs, 1)
    lock_release(&proc.lock_event)
    result = kevent_changes(proc, ev, kq, frame.arg[1], <int> frame.arg[2], &events, &nevents, old)
    if result == 0 and nevents > 0:
        if frame.arg[5] != 0 and not timespec_is_interval(&timeout):
            result = -EINVAL
        else:
            result = kevent_wait(area, ev, kq, events, nevents, &timeout if frame.arg[5] != 0 else NULL, old)
    atomic_add32(&kq.refs, <uint32_t> -1)
    if kq.closing:
        linux_syscall3(SYS_futex, <uint64_t> &kq.refs, FUTEX_WAKE | FUTEX_PRIVATE, INT_MAX)
    return result


cdef public long sys_kevent(frame_t *frame, area_t *area) noexcept nogil:
    return kevent_call(frame, area, False)


cdef public long sys_freebsd11_kevent(frame_t *frame, area_t *area) noexcept nogil:
    return kevent_call(frame, area, True)

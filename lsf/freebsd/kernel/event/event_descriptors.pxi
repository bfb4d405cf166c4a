# What the guest does to descriptors that a kqueue watches.

cdef inline bint event_watches(process_t *proc, int fd) noexcept nogil:
    """True where closing this descriptor, or making it anew, means something here. One test for most processes."""
    return proc.own.events != NULL and fd >= 0 and bit_test((<events_t *> proc.own.events).watched, fd)


cdef bint descriptor_is_kqueue(process_t *proc, int fd) noexcept nogil:
    cdef kqueue_t *kq
    lock_acquire(&proc.own.lock_event)
    kq = kqueue_find(<events_t *> proc.own.events, fd)
    lock_release(&proc.own.lock_event)
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
    ev = <events_t *> proc.own.events
    lock_acquire(&proc.own.lock_event)
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
            atomic_store32(&kq.closing, 1)
            if atomic_load32(&kq.refs) == 0 or not kqueue_keep(ev, kq):
                kqueue_destroy(proc, ev, kq)
        elif kq.fd == fd:
            kqueue_rename(ev, kq)
    lock_release(&proc.own.lock_event)


cdef void event_shut(process_t *proc, int fd) noexcept nogil:
    """To be called after a socket was shut down for writing: Linux tells nobody, since nothing would wait there any more."""
    cdef events_t *ev
    cdef knote_t *kn
    SHIM.own.sockets |= SOCKETS_SHUT
    if not event_watches(proc, fd):
        return
    ev = <events_t *> proc.own.events
    lock_acquire(&proc.own.lock_event)
    kn = ev.hash[event_hash(<uint64_t> fd)]
    while kn != NULL:
        if kn.kev.ident == <uint64_t> fd and kn.kev.filter == FREEBSD_EVFILT_WRITE:
            kn.status |= KN_SHUT
            knote_activate(kn)
        kn = kn.hash_next
    lock_release(&proc.own.lock_event)


cdef void event_range_closing(process_t *proc, uint32_t low, uint32_t high) noexcept nogil:
    """The same for all descriptors between two numbers, both included."""
    cdef events_t *ev = <events_t *> proc.own.events
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
    ev = <events_t *> proc.own.events
    lock_acquire(&proc.own.lock_event)
    kq = kqueue_find(ev, fd)
    if kq != NULL:
        kqueue_name(ev, kq, <uint64_t> duplicate)
    lock_release(&proc.own.lock_event)


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


cdef bint kqueue_keep(events_t *ev, kqueue_t *kq) noexcept nogil:
    """The last name of a kqueue is about to be closed, and threads are in kevent(2): as on FreeBSD, where each of them has the
    file, they wait on. True: it has a hidden descriptor now."""
    cdef int fd = hidden_new(ev, linux_syscall3(LINUX_SYS_fcntl, kq.fd, LINUX_F_DUPFD_CLOEXEC, 0))
    if fd < 0:
        return False
    kq.fd = fd
    return True


cdef void kqueue_leave(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """A thread has left a kqueue that was closed: the last one takes it along."""
    lock_acquire(&proc.own.lock_event)
    if kq.closing and kq.fd >= 0 and atomic_load32(&kq.refs) == 0:
        kqueue_destroy(proc, ev, kq)
    lock_release(&proc.own.lock_event)


cdef void kqueue_destroy(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Free a kqueue whose last name is about to be closed, or was."""
    cdef int32_t hidden = kq.fd if event_hides(proc, kq.fd) else -1
    while kq.list != NULL:
        knote_drop(proc, ev, kq.list)
    hidden_close(ev, &kq.write_fd)
    hidden_close(ev, &kq.wake_fd)
    hidden_close(ev, &kq.timer_fd)
    hidden_close(ev, &kq.inotify_fd)
    hidden_close(ev, &kq.signal_fd)
    hidden_close(ev, &hidden)
    kq.fd = -1


cdef void event_after_fork(process_t *proc) noexcept nogil:
    """In the child of a fork: kqueues are not inherited. Descriptors that are its parent's, too, stay."""
    cdef events_t *ev = <events_t *> proc.own.events
    cdef uint32_t word, i
    cdef uint64_t bits
    cdef knote_t *kn
    cdef kqueue_t *kq
    cdef kqueue_t *next_
    cdef int signo
    if ev == NULL:
        return
    proc.own.events = NULL
    for i in range(EVENT_HASH):
        kn = ev.hash[i]
        while kn != NULL:
            if kn.kev.filter == 0 and not proc.own.files_shared:
                linux_syscall1(LINUX_SYS_close, kn.kev.ident)
            kn = kn.hash_next
    for word in range(EVENT_WORDS):
        bits = ev.hidden[word] if not proc.own.files_shared else 0
        while bits:
            linux_syscall1(LINUX_SYS_close, word * 64 + count_trailing_zeros(bits))
            bits = bits & (bits - 1)
    for signo in range(1, SIGNAL_MAX + 1):
        if ev.signals[signo]:
            apply_disposition(proc, signo)
    for i in range(ev.chunk_count):
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> ev.chunks[i], page_up(KNOTES_PER_CHUNK * sizeof(knote_t)))
    kq = ev.kqueues
    while kq != NULL:
        next_ = kq.next
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> kq, page_up(sizeof(kqueue_t)))
        kq = next_
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> ev, page_up(sizeof(events_t)))

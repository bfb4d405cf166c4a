# Descriptors of a kqueue's own.

cdef int hidden_new(events_t *ev, long fd) noexcept nogil:
    """Hide a fresh descriptor from the guest: its new number, or the error that `fd` is."""
    cdef int result
    if is_error(fd):
        return <int> fd
    result = hide_descriptor(<int> fd, True)
    if result >= EVENT_WORDS * 64:
        linux_syscall1(LINUX_SYS_close, result)
        return -LINUX_EMFILE
    bit_set(ev.hidden, result)
    return result


cdef void hidden_close(events_t *ev, int32_t *fd) noexcept nogil:
    if fd[0] >= 0:
        bit_clear(ev.hidden, fd[0])
        linux_syscall1(LINUX_SYS_close, fd[0])
        fd[0] = -1


cdef long epoll_control(int epoll, int op, int fd, uint32_t events, uint64_t name) noexcept nogil:
    cdef linux_epoll_event event
    event.events = events
    event.data.u64 = name
    return linux_syscall4(LINUX_SYS_epoll_ctl, epoll, op, fd, <uint64_t> &event)


cdef long kqueue_part(events_t *ev, kqueue_t *kq, int32_t *part, uint64_t name) noexcept nogil:
    """Make one of a kqueue's hidden descriptors when it is first needed: 0 or an error."""
    cdef long fd
    cdef uint64_t no_signals = 0
    if part[0] >= 0:
        return 0
    if name == EVENT_WAKE:
        fd = linux_syscall2(LINUX_SYS_eventfd2, 0, NONBLOCK_CLOEXEC)
    elif name == EVENT_WRITE:
        fd = linux_syscall1(LINUX_SYS_epoll_create1, LINUX_EPOLL_CLOEXEC)
    elif name == EVENT_TIMER:
        fd = linux_syscall2(LINUX_SYS_timerfd_create, LINUX_CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
    elif name == EVENT_SIGNALFD:
        fd = linux_syscall4(LINUX_SYS_signalfd4, <uint64_t> -1, <uint64_t> &no_signals, 8, NONBLOCK_CLOEXEC)
    else:
        fd = linux_syscall1(LINUX_SYS_inotify_init1, NONBLOCK_CLOEXEC)
    fd = hidden_new(ev, fd)
    if fd < 0:
        return fd
    part[0] = <int32_t> fd
    fd = epoll_control(kq.fd, LINUX_EPOLL_CTL_ADD, part[0], LINUX_EPOLLIN
                       | (LINUX_EPOLLET if name == EVENT_SIGNALFD else 0), name)
    if fd < 0:
        hidden_close(ev, part)
    return fd


cdef void kqueue_signal(kqueue_t *kq) noexcept nogil:
    """Make the eventfd readable exactly while something is on the queue."""
    cdef uint64_t one = 1
    if kq.wake_fd < 0:
        return
    if kq.count != 0 and not kq.signalled:
        linux_syscall3(LINUX_SYS_write, kq.wake_fd, <uint64_t> &one, 8)
        kq.signalled = 1
    elif kq.count == 0 and kq.signalled:
        linux_syscall3(LINUX_SYS_read, kq.wake_fd, <uint64_t> &one, 8)
        kq.signalled = 0


cdef bint event_hides(process_t *proc, int fd) noexcept nogil:
    """True for a hidden descriptor of a kqueue."""
    return proc.own.events != NULL and fd >= 0 and bit_test((<events_t *> proc.own.events).hidden, fd)


cdef int event_next_hidden(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest hidden descriptor of a kqueue from `fd` on, or -1."""
    cdef events_t *ev = <events_t *> proc.own.events
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
    cdef events_t *ev = <events_t *> proc.own.events
    cdef kqueue_t *kq
    cdef knote_t *kn
    cdef long moved
    cdef int i
    lock_acquire(&proc.own.lock_event)
    if event_hides(proc, fd):
        moved = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD_CLOEXEC, fd + 1)
        if is_error(moved) or moved >= EVENT_WORDS * 64:
            moved = -1
        else:
            hide_number(<int> moved)
            bit_set(ev.hidden, moved)
        kq = ev.kqueues
        while kq != NULL:
            if kq.fd >= 0:
                if kq.fd == fd and moved >= 0:
                    kq.fd = <int32_t> moved
                move_part(kq, &kq.write_fd, fd, <int> moved, EVENT_WRITE)
                move_part(kq, &kq.wake_fd, fd, <int> moved, EVENT_WAKE)
                move_part(kq, &kq.timer_fd, fd, <int> moved, EVENT_TIMER)
                move_part(kq, &kq.inotify_fd, fd, <int> moved, EVENT_INOTIFY)
                move_part(kq, &kq.signal_fd, fd, <int> moved, EVENT_SIGNALFD)
                kn = kq.list
                while kn != NULL:
                    if kn.kev.filter == FREEBSD_EVFILT_PROC:
                        move_part(kq, &kn.source, fd, <int> moved, knote_name(kn))
                    elif kn.status & KN_BACK and kn.source == fd:
                        back_rewatch(ev, kn, <int> moved)
                    kn = kn.list_next
            kq = kq.next
        for i in range(CHANNELS):
            if ev.channels[i].knotes != 0 and ev.channels[i].fd == fd:
                ev.channels[i].fd = <int32_t> moved
        aio_move_hidden(proc, fd, <int> moved)
        back_moved(proc, fd, <int> moved)
        bit_clear(ev.hidden, fd)
    lock_release(&proc.own.lock_event)


cdef void move_part(kqueue_t *kq, int32_t *part, int fd, int moved, uint64_t name) noexcept nogil:
    if part[0] == fd:
        epoll_control(kq.fd, LINUX_EPOLL_CTL_DEL, fd, 0, 0)
        part[0] = moved
        if moved >= 0:
            epoll_control(kq.fd, LINUX_EPOLL_CTL_ADD, moved, LINUX_EPOLLIN
                          | (LINUX_EPOLLET if name == EVENT_SIGNALFD else 0), name)

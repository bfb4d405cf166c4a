# READ of a pipe's second descriptor, and WRITE of its first: the way back (file/pipe_back.pxi). Models: FreeBSD
# sys/kern/sys_pipe.c (pipe_kqfilter, filt_piperead, filt_pipewrite).
#
# Programs that know one direction add both filters to both ends all the same (Go's runtime does), so neither makes the way back.
# Until somebody has, the first end can be written to, which no call of Linux's need say, and from the second nothing can
# be read. When a process makes it, it pokes Linux's pipe: an edge at the second end, which its WRITE filter is told of, if that
# asks for edges. Where there is no such, whoever wants to read makes the way back.
#
# The knote has a duplicate of the way back's descriptor (`source`) registered beside its own, which tells of the end.


cdef bint goes_back(process_t *proc, const knote_t *kn) noexcept nogil:
    """Whether this READ or WRITE is of the end of a pipe that Linux never has it for."""
    return pipe_end(proc, <int> kn.kev.ident) == (MARK_WRITES if kn.kev.filter == FREEBSD_EVFILT_READ else MARK_READS)


cdef bint back_is_open(const knote_t *kn) noexcept nogil:
    """WRITE on the first end of a pipe nobody has written back to: there is room, and no epoll that says so."""
    return kn.status & KN_BACK != 0 and kn.source < 0 and kn.kev.filter == FREEBSD_EVFILT_WRITE \
        and kn.kev.flags & FREEBSD_EV_EOF == 0


cdef void back_watch(events_t *ev, knote_t *kn, int way) noexcept nogil:
    """The way back is there: have epoll tell of it."""
    cdef bint writes = kn.kev.filter == FREEBSD_EVFILT_WRITE
    cdef uint32_t events = LINUX_EPOLLOUT if writes else LINUX_EPOLLIN
    cdef int32_t fd
    if kn.source >= 0 or kn.status & KN_DISABLED:
        return
    if writes and kqueue_part(ev, kn.kq, &kn.kq.write_fd, EVENT_WRITE) < 0:
        return
    fd = hidden_new(ev, linux_syscall3(LINUX_SYS_fcntl, way, LINUX_F_DUPFD_CLOEXEC, 0))
    if fd < 0:
        return
    if kn.kev.flags & FREEBSD_EV_CLEAR:
        events |= LINUX_EPOLLET
    if epoll_control(kn.kq.write_fd if writes else kn.kq.fd, LINUX_EPOLL_CTL_ADD, fd, events, knote_name(kn)) < 0:
        hidden_close(ev, &fd)
    kn.source = fd


cdef void back_unwatch(events_t *ev, knote_t *kn) noexcept nogil:
    """(The duplicate alone is registered, and so its close ends that: no other descriptor is of that registration.)"""
    if kn.status & KN_BACK and kn.source >= 0:
        epoll_control(kn.kq.write_fd if kn.kev.filter == FREEBSD_EVFILT_WRITE else kn.kq.fd, LINUX_EPOLL_CTL_DEL, kn.source, 0, 0)
        hidden_close(ev, &kn.source)


cdef void backs_unwatch(events_t *ev) noexcept nogil:
    """All of them: the process ends."""
    cdef kqueue_t *kq = ev.kqueues
    cdef knote_t *kn
    while kq != NULL:
        kn = kq.list if kq.fd >= 0 else NULL
        while kn != NULL:
            back_unwatch(ev, kn)
            kn = kn.list_next
        kq = kq.next


cdef void back_rewatch(events_t *ev, knote_t *kn, int moved) noexcept nogil:
    """Its descriptor goes on under another number, or with -1 under none."""
    cdef bint writes = kn.kev.filter == FREEBSD_EVFILT_WRITE
    cdef int epoll = kn.kq.write_fd if writes else kn.kq.fd
    epoll_control(epoll, LINUX_EPOLL_CTL_DEL, kn.source, 0, 0)
    kn.source = moved
    if moved >= 0:
        epoll_control(epoll, LINUX_EPOLL_CTL_ADD, moved, (LINUX_EPOLLOUT if writes else LINUX_EPOLLIN)
                      | (LINUX_EPOLLET if kn.kev.flags & FREEBSD_EV_CLEAR else 0), knote_name(kn))


cdef void back_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """The knote is of the odd end of a pipe. Called when it is added or enabled, with the lock held."""
    cdef linux_stat st
    cdef back_t *back
    kn.status |= KN_BACK
    if linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st) != 0:
        return
    kn.links = <int64_t> st.st_ino
    back = back_find(proc, st.st_ino)
    if back != NULL:
        back_watch(ev, kn, back.fd)
    elif kn.kev.filter == FREEBSD_EVFILT_READ:
        ev.backs_wanted = 1


cdef void backs_settle(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """After a list of changes: who wants to read and would not be told of a way back that another process makes, makes it."""
    cdef knote_t *kn = kq.list
    cdef knote_t *other
    ev.backs_wanted = 0
    while kn != NULL:
        if kn.status & KN_BACK and kn.kev.filter == FREEBSD_EVFILT_READ and kn.source < 0:
            other = knote_find(ev, kq, kn.kev.ident, FREEBSD_EVFILT_WRITE)
            if other == NULL or other.kev.flags & FREEBSD_EV_CLEAR == 0 or other.status & KN_WATCHED == 0:
                if back_find(proc, <uint64_t> kn.links) == NULL:
                    back_new(proc, <uint64_t> kn.links, True)
        kn = kn.list_next


cdef void back_appears(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """WRITE on the second end of a pipe was told of something: it may be the poke of who has made a way back."""
    cdef knote_t *reader = knote_find(ev, kn.kq, kn.kev.ident, FREEBSD_EVFILT_READ)
    if reader != NULL and reader.status & KN_BACK and reader.source < 0 \
            and back_find(proc, <uint64_t> reader.links) == NULL:
        back_new(proc, <uint64_t> reader.links, False)


cdef void event_way_back(process_t *proc, uint64_t inode, int way) noexcept nogil:
    """This process has a pipe's way back now. With the lock held."""
    cdef events_t *ev = <events_t *> proc.own.events
    cdef kqueue_t *kq
    cdef knote_t *kn
    if ev == NULL:
        return
    kq = ev.kqueues
    while kq != NULL:
        kn = kq.list if kq.fd >= 0 else NULL
        while kn != NULL:
            if kn.status & KN_BACK and <uint64_t> kn.links == inode:
                back_watch(ev, kn, way)
            kn = kn.list_next
        kq = kq.next


cdef bint back_ready(knote_t *kn) noexcept nogil:
    """filt_piperead and filt_pipewrite for the way back."""
    cdef bint over = pipe_state(<int> kn.kev.ident) & (LINUX_POLLHUP | LINUX_POLLERR) != 0
    cdef long size
    kn.kev.fflags = 0
    kn.kev.flags &= ~<uint16_t> FREEBSD_EV_EOF
    if over:
        kn.kev.flags |= FREEBSD_EV_EOF
    if kn.kev.filter == FREEBSD_EVFILT_READ:
        kn.kev.data = bytes_of(kn.source, LINUX_FIONREAD) if kn.source >= 0 else 0
        return over or kn.kev.data > 0
    kn.kev.data = FREEBSD_PIPE_BUF
    if kn.source >= 0:
        size = linux_syscall2(LINUX_SYS_fcntl, kn.source, LINUX_F_GETPIPE_SZ)
        kn.kev.data = size - bytes_of(kn.source, LINUX_FIONREAD)
    if over:
        kn.kev.data = 0
        kn.kev.flags |= FREEBSD_EV_ONESHOT          # as in write_ready
    return over or kn.kev.data >= FREEBSD_PIPE_BUF


# ------------------------------------------------------------------ hidden descriptors of others

cdef long event_hide(process_t *proc, long fd) noexcept nogil:
    """Hide a fresh descriptor that the caller keeps: its new number or a negative errno. With the lock held."""
    cdef events_t *ev = events_of(proc)
    if ev == NULL:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_ENOMEM
    return hidden_new(ev, fd)


cdef void event_unhide(process_t *proc, int fd) noexcept nogil:
    """And close it."""
    cdef int32_t hidden = fd
    hidden_close(<events_t *> proc.own.events, &hidden)

# EVFILT_READ and EVFILT_WRITE.

cdef int32_t option_of(int fd, int option) noexcept nogil:
    """An int option of a socket; 0 where there is none."""
    cdef int32_t value = 0
    cdef uint32_t size = 4
    linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, option, <uint64_t> &value, <uint64_t> &size)
    return value


cdef int64_t bytes_of(int fd, uint64_t request) noexcept nogil:
    cdef int32_t value = 0
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, request, <uint64_t> &value)):
        return 0
    return value


cdef int64_t room_of(int fd) noexcept nogil:
    """Bytes that a socket's send buffer has room for. One call where it is empty, as it mostly is."""
    cdef uint32_t info[MEMINFO_WORDS]
    cdef uint32_t size = sizeof(info)
    if not is_error(linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_MEMINFO, <uint64_t> info,
                                   <uint64_t> &size)) \
            and size == sizeof(info) and info[MEMINFO_WMEM_ALLOC] == 0 and info[MEMINFO_WMEM_QUEUED] == 0:
        return <int32_t> info[MEMINFO_SNDBUF]
    return option_of(fd, LINUX_SO_SNDBUF) - bytes_of(fd, LINUX_TIOCOUTQ)


cdef bint listens(knote_t *kn) noexcept nogil:
    """True for a socket that accepts connections. That is asked until it is known for good."""
    if kn.status & KN_CONNECTED:
        return False
    if not kn.status & KN_LISTENS and option_of(<int> kn.kev.ident, LINUX_SO_ACCEPTCONN):
        kn.status |= KN_LISTENS
    return kn.status & KN_LISTENS != 0


cdef int64_t backlog_of(int fd) noexcept nogil:
    """Connections that wait at a listening socket: TCP says how many, another kind only that there is one."""
    cdef uint8_t info[104]
    cdef uint32_t size = sizeof(info)
    memset(info, 0, sizeof(info))
    if is_error(linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_TCP, LINUX_TCP_INFO, <uint64_t> info,
                               <uint64_t> &size)):
        return 1
    return (<uint32_t *> &info[TCP_INFO_UNACKED])[0]


cdef uint32_t tcp_error(int fd) noexcept nogil:
    """so_error of a connection that has one. Linux tells it once, and then reads and writes do not: so what is known of the
    connection tells. It was never made, it timed out, or it was reset."""
    cdef uint8_t info[TCP_INFO_SIZE]
    cdef uint32_t size = sizeof(info)
    memset(info, 0, sizeof(info))
    linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_TCP, LINUX_TCP_INFO, <uint64_t> info, <uint64_t> &size)
    if info[TCP_INFO_RETRANSMITS] or info[TCP_INFO_PROBES]:
        return lsf_errno_map[LINUX_ETIMEDOUT]
    if (<uint32_t *> &info[TCP_INFO_RTT])[0] == 0:
        return lsf_errno_map[LINUX_ECONNREFUSED]
    return lsf_errno_map[LINUX_ECONNRESET]


cdef int64_t messages_of(knote_t *kn, bint room) noexcept nogil:
    """How many messages a queue holds, or has room for."""
    cdef freebsd_mq_attr attr
    if mqueue_attributes(<int> kn.kev.ident, &attr) < 0:
        return 0
    return attr.mq_maxmsg - attr.mq_curmsgs if room else attr.mq_curmsgs


cdef int64_t counter_of(knote_t *kn) noexcept nogil:
    """What can be read from a timerfd or an eventfd that is ready; 1 where /proc does not tell."""
    cdef uint64_t value = 1
    cdef freebsd_itimerspec set_
    if kn.mode == ANONYMOUS_TIMERFD:
        # Linux counts what a periodic timer missed, and lets it run on, when somebody asks for its time.
        linux_syscall2(LINUX_SYS_timerfd_gettime, kn.kev.ident, <uint64_t> &set_)
        descriptor_fact(<int> kn.kev.ident, b"ticks:", 10, &value)
    else:
        descriptor_fact(<int> kn.kev.ident, b"eventfd-count:", 16, &value)
    return <int64_t> value


cdef bint read_ready(events_t *ev, knote_t *kn, uint32_t revents) noexcept nogil:
    """EVFILT_READ on what Linux can poll; `revents` is what it said."""
    cdef int fd = <int> kn.kev.ident
    cdef int32_t waits = 0
    cdef kqueue_t *kq
    kn.kev.flags &= ~<uint16_t> FREEBSD_EV_EOF
    kn.kev.fflags = 0
    if kn.mode == 0:
        kq = kqueue_find(ev, kn.kev.ident)
        if kq != NULL:
            kn.kev.data = kq.count if kq.count else 1
            return revents & LINUX_EPOLLIN != 0
    if kn.mode == ANONYMOUS_MQUEUE:
        return messages_of(kn, False) != 0          # filt_mqread says no number
    if kn.mode == ANONYMOUS_TIMERFD or kn.mode == ANONYMOUS_EVENTFD:
        kn.kev.data = counter_of(kn) if revents & LINUX_EPOLLIN else 0
        return kn.kev.data != 0
    if revents & (LINUX_EPOLLIN | LINUX_EPOLLRDHUP | LINUX_EPOLLHUP | LINUX_EPOLLERR) == 0:
        kn.kev.data = 0
        return False
    kn.kev.data = bytes_of(fd, LINUX_FIONREAD) if kn.status & KN_LISTENS == 0 else 0
    if kn.mode == ANONYMOUS_INOTIFY:
        kn.kev.data = inotify_waiting(current_area().proc, fd, kn.kev.data)
    if kn.mode == LINUX_S_IFSOCK:
        if kn.kev.data == 0 and SHIM.own.sockets & SOCKETS_NETLINK and netlink_readable(current_area(), fd, &waits) == 0:
            kn.kev.data = waits
            return waits != 0       # nothing of it may be for the guest
        if kn.kev.data > 0:         # a socket that listens has no bytes, and so it need not be asked whether it does
            kn.status |= KN_CONNECTED
        if listens(kn):
            kn.kev.data = backlog_of(fd)
            return kn.kev.data != 0
        if revents & LINUX_EPOLLHUP and not revents & (LINUX_EPOLLRDHUP | LINUX_EPOLLERR | LINUX_EPOLLIN):
            kn.kev.data = 0         # Linux's way to say that the socket was never connected
            return False
    if kn.mode == ANONYMOUS_OTHER and kn.kev.data == 0 and revents & LINUX_EPOLLIN:
        kn.kev.data = 1             # an eventfd or a timerfd, and no /proc to tell
    if revents & (LINUX_EPOLLRDHUP | LINUX_EPOLLHUP) or (revents & LINUX_EPOLLERR and kn.mode == LINUX_S_IFSOCK):
        kn.kev.flags |= FREEBSD_EV_EOF
        if kn.status & KN_TCP and revents & LINUX_EPOLLERR:
            kn.kev.fflags = tcp_error(fd)
        return True
    if kn.sfflags & FREEBSD_NOTE_LOWAT and kn.mode == LINUX_S_IFSOCK:       # filt_soread; no other filter has a mark
        return kn.kev.data >= kn.sdata
    return True


cdef void known_connected(events_t *ev, knote_t *kn) noexcept nogil:
    """A socket of TCP can be written to, which one that listens never can, and one that is not connected only with a hangup:
    READ need not ask whether it listens."""
    cdef knote_t *other = knote_find(ev, kn.kq, kn.kev.ident, FREEBSD_EVFILT_READ)
    if other != NULL:
        other.status |= KN_CONNECTED


cdef bint is_shut(const knote_t *kn) noexcept nogil:
    """A stream whose own side was shut down for writing. Of TCP its state says so (where the other side is shut down, too, Linux has a
    hangup); a local one that Linux would say EPIPE of says so of no bytes, too, where TCP would give away an error that waits."""
    cdef uint8_t info[TCP_INFO_SIZE]
    cdef uint32_t size = sizeof(info)
    cdef int fd = <int> kn.kev.ident
    if kn.status & KN_TCP:
        memset(info, 0, sizeof(info))
        linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_TCP, LINUX_TCP_INFO, <uint64_t> info, <uint64_t> &size)
        return info[0] == LINUX_TCP_FIN_WAIT1 or info[0] == LINUX_TCP_FIN_WAIT2
    return linux_syscall6(LINUX_SYS_sendto, fd, 0, 0, LINUX_MSG_DONTWAIT | LINUX_MSG_NOSIGNAL, 0, 0) == -LINUX_EPIPE


cdef bint write_ready(events_t *ev, knote_t *kn, uint32_t revents) noexcept nogil:
    """EVFILT_WRITE on what Linux can poll: `data` is the room in the buffer."""
    cdef int fd = <int> kn.kev.ident
    cdef int64_t room = 1
    cdef long size
    kn.kev.flags &= ~<uint16_t> FREEBSD_EV_EOF
    kn.kev.fflags = 0
    if kn.status & KN_SHUT and revents & (LINUX_EPOLLHUP | LINUX_EPOLLERR) == 0:
        room = room_of(fd)
        kn.kev.data = room if room > 0 else 0
        kn.kev.flags |= FREEBSD_EV_EOF
        return True
    if revents & (LINUX_EPOLLOUT | LINUX_EPOLLHUP | LINUX_EPOLLERR) == 0:
        kn.kev.data = 0
        return False
    if kn.mode == LINUX_S_IFSOCK:
        if revents & LINUX_EPOLLHUP and not revents & (LINUX_EPOLLRDHUP | LINUX_EPOLLERR | LINUX_EPOLLIN) \
                and poll_now(fd) & (LINUX_EPOLLRDHUP | LINUX_EPOLLERR | LINUX_EPOLLIN) == 0:
            kn.kev.data = 0
            return False
        if kn.status & KN_TCP and revents & (LINUX_EPOLLOUT | LINUX_EPOLLHUP) == LINUX_EPOLLOUT:
            known_connected(ev, kn)
        room = room_of(fd)
    elif kn.mode == LINUX_S_IFIFO:
        size = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETPIPE_SZ)
        if not is_error(size):
            room = size - bytes_of(fd, LINUX_FIONREAD)
    elif kn.mode == ANONYMOUS_MQUEUE:
        return messages_of(kn, True) != 0
    elif kn.mode == ANONYMOUS_EVENTFD:
        if revents & LINUX_EPOLLOUT:
            # UINT64_MAX - 1, less the count
            kn.kev.data = -2 - (0 if poll_now(fd) & LINUX_EPOLLIN == 0 else counter_of(kn))
        return revents & LINUX_EPOLLOUT != 0
    kn.kev.data = room if room > 0 else 1
    if revents & (LINUX_EPOLLHUP | LINUX_EPOLLERR):
        kn.kev.flags |= FREEBSD_EV_EOF
        kn.kev.data = 0
        if kn.status & KN_TCP and revents & LINUX_EPOLLERR:
            kn.kev.fflags = tcp_error(fd)
        elif kn.mode == LINUX_S_IFIFO:
            kn.kev.flags |= FREEBSD_EV_ONESHOT          # pipeclose clears the list of who watches (knlist_clear)
        return True
    if kn.sfflags & FREEBSD_NOTE_LOWAT and kn.mode == LINUX_S_IFSOCK:
        return kn.kev.data >= kn.sdata
    return revents & LINUX_EPOLLOUT != 0


cdef uint32_t poll_now(int fd) noexcept nogil:
    cdef linux_pollfd one
    one.fd = fd
    one.events = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLRDHUP
    one.revents = 0
    linux_syscall3(LINUX_SYS_poll, <uint64_t> &one, 1, 0)
    return <uint16_t> one.revents


cdef bint file_ready(events_t *ev, knote_t *kn) noexcept nogil:
    """READ and WRITE on files, which Linux's epoll does not take: `data` is what lies after the file's position. At the
    end of the file, inotify tells when there is more."""
    cdef linux_stat st
    cdef long at
    if kn.kev.filter == FREEBSD_EVFILT_WRITE or kn.mode == LINUX_S_IFCHR:
        kn.kev.data = 0
        return True
    if is_error(linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)):
        return False
    at = linux_syscall3(LINUX_SYS_lseek, kn.kev.ident, 0, 1)
    kn.kev.data = st.st_size - at if at >= 0 else st.st_size
    if kn.sfflags & FREEBSD_NOTE_FILE_POLL:
        kn.kev.data = 1
    if kn.kev.data == 0 and kn.source < 0 and vnode_watch(ev, kn, LINUX_IN_MODIFY) == 0:
        return file_ready(ev, kn)           # it may have grown before inotify looked at it
    return kn.kev.data != 0


cdef bint descriptor_ready(events_t *ev, knote_t *kn) noexcept nogil:
    cdef bint ready
    cdef uint32_t revents = kn.revents
    if not kn.status & KN_WATCHED:
        return file_ready(ev, kn)
    if kn.told != kn.kq.turn:
        # How many connections wait at a listener of TCP is asked anyway, and none of them is no event.
        revents = LINUX_EPOLLIN if kn.status & (KN_TCP | KN_LISTENS) == (KN_TCP | KN_LISTENS) \
            else poll_now(<int> kn.kev.ident)
    kn.told = kn.kq.turn - 1
    if kn.kev.filter == FREEBSD_EVFILT_READ:
        ready = read_ready(ev, kn, revents)
    else:
        ready = write_ready(ev, kn, revents)
    if ready == (kn.status & KN_QUIET != 0) and not kn.kev.flags & FREEBSD_EV_CLEAR:
        # Linux calls it ready and FreeBSD does not: from now on only news count, or the wait would spin.
        kn.status ^= KN_QUIET
        knote_watch(ev, kn)
    return ready


cdef long learn_kind(events_t *ev, knote_t *kn) noexcept nogil:
    """What kind of file READ or WRITE is added to: 0, or the error of a descriptor that is not open. One question for what
    servers add most, connections of TCP, and none where the other filter knows."""
    cdef linux_stat st
    cdef int fd = <int> kn.kev.ident
    cdef knote_t *other = knote_find(ev, kn.kq, kn.kev.ident, FREEBSD_EVFILT_READ if kn.kev.filter == FREEBSD_EVFILT_WRITE
                                     else FREEBSD_EVFILT_WRITE)
    cdef int value = 0
    cdef uint32_t size = 4
    cdef long result
    if other != NULL and other.mode == LINUX_S_IFSOCK:
        kn.mode = LINUX_S_IFSOCK
        kn.status |= other.status & (KN_STREAM | KN_TCP)
        return 0
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_TCP, LINUX_TCP_NODELAY, <uint64_t> &value, <uint64_t> &size)
    if result == 0:                     # no other protocol has that level
        kn.mode = LINUX_S_IFSOCK
        kn.status |= KN_STREAM | KN_TCP
        return 0
    if result != -LINUX_ENOTSOCK and result != -LINUX_EBADF:
        result = socket_option(fd, LINUX_SO_TYPE)
        if result >= 0:
            kn.mode = LINUX_S_IFSOCK
            if result == FREEBSD_SOCK_STREAM:
                kn.status |= KN_STREAM
            return 0
    result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if is_error(result):
        return result
    kn.mode = st.st_mode & LINUX_S_IFMT
    return 0


cdef bint is_read_by_nobody(process_t *proc, int fd) noexcept nogil:
    """A pipe without a name whose other end is closed (pipe_kqfilter)."""
    cdef linux_stat st
    cdef uint32_t state = poll_now(fd)
    if pipe_end(proc, fd) == MARK_READS:
        return state & LINUX_EPOLLHUP != 0
    return state & LINUX_EPOLLERR != 0 and linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 and st.st_dev < 16


cdef long descriptor_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    cdef long result = learn_kind(ev, kn)
    if result < 0:
        return result
    if kn.mode == 0:
        kn.mode = <uint32_t> anonymous_kind(<int> kn.kev.ident)
    if kn.kev.filter == FREEBSD_EVFILT_WRITE and (kn.mode == ANONYMOUS_TIMERFD or kn.mode == ANONYMOUS_INOTIFY
                                          or kqueue_find(ev, kn.kev.ident) != NULL):
        return -LINUX_EINVAL
    if kn.mode == LINUX_S_IFDIR:
        return -LINUX_EBADF if is_path_only(<int> kn.kev.ident) and not path_is_watchable(kn) else 0
    if kn.mode == LINUX_S_IFIFO and kn.kev.filter == FREEBSD_EVFILT_WRITE and is_read_by_nobody(proc, <int> kn.kev.ident):
        return -LINUX_EPIPE
    if kn.kev.filter == FREEBSD_EVFILT_WRITE and kn.status & KN_STREAM and proc.own.sockets & SOCKETS_SHUT \
            and is_shut(kn):
        kn.status |= KN_SHUT
    result = knote_watch(ev, kn)
    if result == -LINUX_EBADF and is_path_only(<int> kn.kev.ident) and path_is_watchable(kn):
        return 0
    if result == -LINUX_EPERM:
        if kn.mode != LINUX_S_IFREG:
            kn.mode = LINUX_S_IFCHR           # /dev/null and its like: always ready
        return 0
    if result == 0 and kn.mode == LINUX_S_IFREG:
        kn.mode = ANONYMOUS_MQUEUE      # the one kind of regular file that Linux polls
    if result == 0 and kn.mode == LINUX_S_IFIFO and goes_back(proc, kn):
        back_attach(proc, ev, kn)
    if result == 0 and kn.status & KN_DISABLED:
        knote_unwatch(kn)
    return result


cdef bint watched_stream(process_t *proc, int fd) noexcept nogil:
    """True for a socket with a READ knote that knows it to be a stream: sendfile(2), which servers call on each connection, need not
    ask Linux. A knote goes when its descriptor is closed or replaced, so this is never another socket's."""
    cdef events_t *ev
    cdef knote_t *kn
    cdef bint known
    if not event_watches(proc, fd):
        return False
    ev = <events_t *> proc.own.events
    lock_acquire(&proc.own.lock_event)
    kn = knote_find(ev, NULL, <uint64_t> fd, FREEBSD_EVFILT_READ)
    known = kn != NULL and kn.status & KN_STREAM != 0
    lock_release(&proc.own.lock_event)
    return known


# ------------------------------------------------------------------ EMPTY
cdef bint empty_ready(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """EVFILT_EMPTY: nothing is left in the socket's send buffer. Linux tells nobody when that comes; look again soon."""
    kn.kev.data = bytes_of(<int> kn.kev.ident, LINUX_TIOCOUTQ)
    if kn.kev.data == 0:
        kn.next_time = 0
        return True
    kn.next_time = monotonic_now(proc) + EMPTY_POLL
    timers_arm(proc, ev, kn.kq)
    return False

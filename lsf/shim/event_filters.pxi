# The filters of kqueue: what makes each kind of knote ready, and what `data` and `fflags` say. All of it is called with
# proc.lock_event held. Models: FreeBSD sys/kern/kern_event.c, uipc_socket.c (filt_soread), sys_pipe.c, tty.c,
# vfs_subr.c (filt_vfsread, filt_vfsvnode), kern_sig.c (filt_signal).

cdef enum:
    NOTE_LOWAT = 1
    NOTE_FILE_POLL = 2
    NOTE_DELETE = 0x0001
    NOTE_WRITE = 0x0002
    NOTE_EXTEND = 0x0004
    NOTE_ATTRIB = 0x0008
    NOTE_LINK = 0x0010
    NOTE_RENAME = 0x0020
    NOTE_REVOKE = 0x0040
    NOTE_OPEN = 0x0080
    NOTE_CLOSE = 0x0100
    NOTE_CLOSE_WRITE = 0x0200
    NOTE_READ = 0x0400
    NOTE_EXIT = 0x80000000UL
    NOTE_SECONDS = 1
    NOTE_MSECONDS = 2
    NOTE_USECONDS = 4
    NOTE_NSECONDS = 8
    NOTE_TIMER_UNITS = 15
    NOTE_ABSTIME = 16
    NOTE_TRIGGER = 0x01000000
    NOTE_FFCTRLMASK = 0xc0000000UL
    NOTE_FFAND = 0x40000000
    NOTE_FFOR = 0x80000000UL
    NOTE_FFCOPY = 0xc0000000UL
    NOTE_FFLAGSMASK = 0x00ffffff

cdef enum:
    IN_ACCESS = 0x001
    IN_MODIFY = 0x002
    IN_ATTRIB = 0x004
    IN_CLOSE_WRITE = 0x008
    IN_CLOSE_NOWRITE = 0x010
    IN_OPEN = 0x020
    IN_MOVED = 0x0c0
    IN_CREATE = 0x100
    IN_DELETE = 0x200
    IN_DELETE_SELF = 0x400
    IN_MOVE_SELF = 0x800
    IN_UNMOUNT = 0x2000
    IN_MASK_ADD = 0x20000000

cdef enum:
    EVENT_FIONREAD = 0x541b
    EVENT_TIOCOUTQ = 0x5411             # SIOCOUTQ too
    EVENT_SO_TYPE = 3
    EVENT_SO_SNDBUF = 7
    EVENT_SO_ACCEPTCONN = 30
    EVENT_SO_MEMINFO = 55
    MEMINFO_WORDS = 9
    MEMINFO_WMEM_ALLOC = 2
    MEMINFO_SNDBUF = 3
    MEMINFO_WMEM_QUEUED = 5
    EVENT_SOL_TCP = 6
    EVENT_TCP_NODELAY = 1
    EVENT_TCP_INFO = 11
    EVENT_F_GETPIPE_SZ = 1032
    TCP_INFO_UNACKED = 24               # offset of tcpi_unacked: of a listener, the connections that wait
    EVENT_P_PIDFD = 3
    WEXITED_NOWAIT = 0x41000004         # and __WALL: whatever signal it ends with
    PIDFD_GET_INFO = 0xc040ff0bUL       # Linux 6.13
    PIDFD_INFO_EXIT = 8                 # Linux 6.15
    EMPTY_POLL = 10000000               # nanoseconds between two looks at a socket that is to run empty


cdef inline int64_t monotonic_now(process_t *proc) noexcept nogil:
    cdef freebsd_timespec now
    read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000000000 + now.tv_nsec


# ------------------------------------------------------------------ READ and WRITE

cdef int32_t option_of(int fd, int option) noexcept nogil:
    """An int option of a socket; 0 where there is none."""
    cdef int32_t value = 0
    cdef uint32_t size = 4
    linux_syscall5(SYS_getsockopt, fd, LINUX_SOL_SOCKET, option, <uint64_t> &value, <uint64_t> &size)
    return value


cdef int64_t bytes_of(int fd, uint64_t request) noexcept nogil:
    cdef int32_t value = 0
    if is_error(linux_syscall3(SYS_ioctl, fd, request, <uint64_t> &value)):
        return 0
    return value


cdef int64_t room_of(int fd) noexcept nogil:
    """Bytes that a socket's send buffer has room for. One call where it is empty, as it mostly is."""
    cdef uint32_t info[MEMINFO_WORDS]
    cdef uint32_t size = sizeof(info)
    if not is_error(linux_syscall5(SYS_getsockopt, fd, LINUX_SOL_SOCKET, EVENT_SO_MEMINFO, <uint64_t> info, <uint64_t> &size)) \
            and size == sizeof(info) and info[MEMINFO_WMEM_ALLOC] == 0 and info[MEMINFO_WMEM_QUEUED] == 0:
        return <int32_t> info[MEMINFO_SNDBUF]
    return option_of(fd, EVENT_SO_SNDBUF) - bytes_of(fd, EVENT_TIOCOUTQ)


cdef bint listens(knote_t *kn) noexcept nogil:
    """True for a socket that accepts connections. That is asked until it is known for good."""
    if kn.status & KN_CONNECTED:
        return False
    if not kn.status & KN_LISTENS and option_of(<int> kn.kev.ident, EVENT_SO_ACCEPTCONN):
        kn.status |= KN_LISTENS
    return kn.status & KN_LISTENS != 0


cdef int64_t backlog_of(int fd) noexcept nogil:
    """Connections that wait at a listening socket: TCP says how many, another kind only that there is one."""
    cdef uint8_t info[104]
    cdef uint32_t size = sizeof(info)
    memset(info, 0, sizeof(info))
    if is_error(linux_syscall5(SYS_getsockopt, fd, EVENT_SOL_TCP, EVENT_TCP_INFO, <uint64_t> info,
                               <uint64_t> &size)):
        return 1
    return (<uint32_t *> &info[TCP_INFO_UNACKED])[0]


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
        linux_syscall2(SYS_timerfd_gettime, kn.kev.ident, <uint64_t> &set_)
        descriptor_fact(<int> kn.kev.ident, b"ticks:", 10, &value)
    else:
        descriptor_fact(<int> kn.kev.ident, b"eventfd-count:", 16, &value)
    return <int64_t> value


cdef bint read_ready(events_t *ev, knote_t *kn, uint32_t revents) noexcept nogil:
    """EVFILT_READ on what Linux can poll; `revents` is what it said."""
    cdef int fd = <int> kn.kev.ident
    cdef int64_t low = 1
    cdef kqueue_t *kq
    kn.kev.flags &= ~<uint16_t> EV_EOF
    kn.kev.fflags = 0
    if kn.mode == 0:
        kq = kqueue_find(ev, kn.kev.ident)
        if kq != NULL:
            kn.kev.data = kq.count if kq.count else 1
            return revents & EPOLLIN != 0
    if kn.mode == ANONYMOUS_MQUEUE:
        kn.kev.data = messages_of(kn, False)
        return kn.kev.data != 0
    if kn.mode == ANONYMOUS_TIMERFD or kn.mode == ANONYMOUS_EVENTFD:
        kn.kev.data = counter_of(kn) if revents & EPOLLIN else 0
        return kn.kev.data != 0
    if revents & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) == 0:
        kn.kev.data = 0
        return False
    kn.kev.data = bytes_of(fd, EVENT_FIONREAD) if kn.status & KN_LISTENS == 0 else 0
    if kn.mode == S_IFSOCK:
        if kn.kev.data > 0:         # a socket that listens has no bytes, and so it need not be asked whether it does
            kn.status |= KN_CONNECTED
        if listens(kn):
            kn.kev.data = backlog_of(fd)
            return kn.kev.data != 0
        if revents & EPOLLHUP and not revents & (EPOLLRDHUP | EPOLLERR | EPOLLIN):
            kn.kev.data = 0         # Linux's way to say that the socket was never connected
            return False
    if kn.mode == ANONYMOUS_OTHER and kn.kev.data == 0 and revents & EPOLLIN:
        kn.kev.data = 1             # an eventfd or a timerfd, and no /proc to tell
    if revents & (EPOLLRDHUP | EPOLLHUP) or (revents & EPOLLERR and kn.mode == S_IFSOCK):
        kn.kev.flags |= EV_EOF
        return True
    if kn.sfflags & NOTE_LOWAT:
        low = kn.sdata
        return kn.kev.data >= low
    return True


cdef void known_connected(events_t *ev, knote_t *kn) noexcept nogil:
    """A socket of TCP can be written to, which one that listens never can, and one that is not connected only with a hangup:
    READ need not ask whether it listens."""
    cdef knote_t *other = knote_find(ev, kn.kq, kn.kev.ident, EVFILT_READ)
    if other != NULL:
        other.status |= KN_CONNECTED


cdef bint write_ready(events_t *ev, knote_t *kn, uint32_t revents) noexcept nogil:
    """EVFILT_WRITE on what Linux can poll: `data` is the room in the buffer."""
    cdef int fd = <int> kn.kev.ident
    cdef int64_t room = 1
    cdef long size
    kn.kev.flags &= ~<uint16_t> EV_EOF
    kn.kev.fflags = 0
    if revents & (EPOLLOUT | EPOLLHUP | EPOLLERR) == 0:
        kn.kev.data = 0
        return False
    if kn.mode == S_IFSOCK:
        if revents & EPOLLHUP and not revents & (EPOLLRDHUP | EPOLLERR | EPOLLIN) \
                and poll_now(fd) & (EPOLLRDHUP | EPOLLERR | EPOLLIN) == 0:
            kn.kev.data = 0
            return False
        if kn.status & KN_TCP and revents & (EPOLLOUT | EPOLLHUP) == EPOLLOUT:
            known_connected(ev, kn)
        room = room_of(fd)
    elif kn.mode == S_IFIFO:
        size = linux_syscall2(SYS_fcntl, fd, EVENT_F_GETPIPE_SZ)
        if not is_error(size):
            room = size - bytes_of(fd, EVENT_FIONREAD)
    elif kn.mode == ANONYMOUS_MQUEUE:
        kn.kev.data = messages_of(kn, True)
        return kn.kev.data != 0
    elif kn.mode == ANONYMOUS_EVENTFD:
        if revents & EPOLLOUT:
            kn.kev.data = -2 - (0 if poll_now(fd) & EPOLLIN == 0 else counter_of(kn))   # UINT64_MAX - 1, less the count
        return revents & EPOLLOUT != 0
    kn.kev.data = room if room > 0 else 1
    if revents & (EPOLLHUP | EPOLLERR):
        kn.kev.flags |= EV_EOF
        kn.kev.data = 0
        return True
    if kn.sfflags & NOTE_LOWAT:
        return kn.kev.data >= kn.sdata
    return revents & EPOLLOUT != 0


cdef uint32_t poll_now(int fd) noexcept nogil:
    cdef linux_pollfd one
    one.fd = fd
    one.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP
    one.revents = 0
    linux_syscall3(EVENT_SYS_POLL, <uint64_t> &one, 1, 0)
    return <uint16_t> one.revents


cdef bint file_ready(events_t *ev, knote_t *kn) noexcept nogil:
    """READ and WRITE on files, which Linux's epoll does not take: `data` is what lies after the file's position. At the
    end of the file, inotify tells when there is more."""
    cdef linux_stat st
    cdef long at
    if kn.kev.filter == EVFILT_WRITE or kn.mode == S_IFCHR:
        kn.kev.data = 0
        return True
    if is_error(linux_syscall2(SYS_fstat, kn.kev.ident, <uint64_t> &st)):
        return False
    at = linux_syscall3(SYS_lseek, kn.kev.ident, 0, 1)
    kn.kev.data = st.st_size - at if at >= 0 else st.st_size
    if kn.sfflags & NOTE_FILE_POLL:
        kn.kev.data = 1
    if kn.kev.data == 0 and kn.source < 0 and vnode_watch(ev, kn, IN_MODIFY) == 0:
        return file_ready(ev, kn)           # it may have grown before inotify looked at it
    return kn.kev.data != 0


cdef bint descriptor_ready(events_t *ev, knote_t *kn) noexcept nogil:
    cdef bint ready
    cdef uint32_t revents = kn.revents
    if not kn.status & KN_WATCHED:
        return file_ready(ev, kn)
    if kn.told != kn.kq.turn:
        # How many connections wait at a listener of TCP is asked anyway, and none of them is no event.
        revents = EPOLLIN if kn.status & (KN_TCP | KN_LISTENS) == (KN_TCP | KN_LISTENS) else poll_now(<int> kn.kev.ident)
    kn.told = kn.kq.turn - 1
    if kn.kev.filter == EVFILT_READ:
        ready = read_ready(ev, kn, revents)
    else:
        ready = write_ready(ev, kn, revents)
    if ready == (kn.status & KN_QUIET != 0) and not kn.kev.flags & EV_CLEAR:
        # Linux calls it ready and FreeBSD does not: from now on only news count, or the wait would spin.
        kn.status ^= KN_QUIET
        knote_watch(ev, kn)
    return ready


cdef long learn_kind(events_t *ev, knote_t *kn) noexcept nogil:
    """What kind of file READ or WRITE is added to: 0, or the error of a descriptor that is not open. One question for what
    servers add most, connections of TCP, and none where the other filter knows."""
    cdef linux_stat st
    cdef int fd = <int> kn.kev.ident
    cdef knote_t *other = knote_find(ev, kn.kq, kn.kev.ident, EVFILT_READ if kn.kev.filter == EVFILT_WRITE else EVFILT_WRITE)
    cdef int value = 0
    cdef uint32_t size = 4
    cdef long result
    if other != NULL and other.mode == S_IFSOCK:
        kn.mode = S_IFSOCK
        kn.status |= other.status & (KN_STREAM | KN_TCP)
        return 0
    result = linux_syscall5(SYS_getsockopt, fd, EVENT_SOL_TCP, EVENT_TCP_NODELAY, <uint64_t> &value, <uint64_t> &size)
    if result == 0:                     # no other protocol has that level
        kn.mode = S_IFSOCK
        kn.status |= KN_STREAM | KN_TCP
        return 0
    if result != -ENOTSOCK and result != -EBADF:
        result = socket_option(fd, EVENT_SO_TYPE)
        if result >= 0:
            kn.mode = S_IFSOCK
            if result == SOCK_STREAM:
                kn.status |= KN_STREAM
            return 0
    result = linux_syscall2(SYS_fstat, fd, <uint64_t> &st)
    if is_error(result):
        return result
    kn.mode = st.st_mode & S_IFMT
    return 0


cdef long descriptor_attach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef long result = learn_kind(ev, kn)
    if result < 0:
        return result
    if kn.mode == 0:
        kn.mode = <uint32_t> anonymous_kind(<int> kn.kev.ident)
    if kn.kev.filter == EVFILT_WRITE and (kn.mode == ANONYMOUS_TIMERFD or kn.mode == ANONYMOUS_INOTIFY
                                          or kqueue_find(ev, kn.kev.ident) != NULL):
        return -EINVAL
    if kn.mode == S_IFDIR:
        return 0
    result = knote_watch(ev, kn)
    if result == -EPERM:
        if kn.mode != S_IFREG:
            kn.mode = S_IFCHR           # /dev/null and its like: always ready
        return 0
    if result == 0 and kn.mode == S_IFREG:
        kn.mode = ANONYMOUS_MQUEUE      # the one kind of regular file that Linux polls
    if result == 0 and kn.status & KN_DISABLED:
        knote_unwatch(kn)
    return result


cdef bint is_watched_as(process_t *proc, int fd, uint32_t kind) noexcept nogil:
    """True for a socket with a READ knote that knows it to be of a kind, KN_STREAM or KN_TCP: what servers do on each connection
    (sendfile, setsockopt) need not ask Linux. A knote goes when its descriptor is closed or replaced, so this is never
    another socket's."""
    cdef events_t *ev
    cdef knote_t *kn
    cdef bint known
    if not event_watches(proc, fd):
        return False
    ev = <events_t *> proc.events
    lock_acquire(&proc.lock_event)
    kn = knote_find(ev, NULL, <uint64_t> fd, EVFILT_READ)
    known = kn != NULL and kn.status & kind != 0
    lock_release(&proc.lock_event)
    return known


# ------------------------------------------------------------------ EMPTY

cdef bint empty_ready(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """EVFILT_EMPTY: nothing is left in the socket's send buffer. Linux tells nobody when that comes; look again soon."""
    kn.kev.data = bytes_of(<int> kn.kev.ident, EVENT_TIOCOUTQ)
    if kn.kev.data == 0:
        kn.next_time = 0
        return True
    kn.next_time = monotonic_now(proc) + EMPTY_POLL
    timers_arm(proc, ev, kn.kq)
    return False


# ------------------------------------------------------------------ USER

cdef void user_touch(knote_t *kn, const freebsd_kevent *kev) noexcept nogil:
    cdef uint32_t control = kev.fflags & NOTE_FFCTRLMASK, flags = kev.fflags & NOTE_FFLAGSMASK
    if kev.fflags & NOTE_TRIGGER:
        kn.hook = 1
    if control == NOTE_FFAND:
        kn.sfflags &= flags
    elif control == NOTE_FFOR:
        kn.sfflags |= flags
    elif control == NOTE_FFCOPY:
        kn.sfflags = flags
    kn.sdata = kev.data
    if kev.flags & EV_CLEAR:
        kn.hook = 0
        kn.kev.data = 0
        kn.kev.fflags = 0


# ------------------------------------------------------------------ TIMER

cdef long timer_start(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """Set the clock of a TIMER knote: 0 or an error."""
    cdef freebsd_timespec real
    cdef int64_t unit = 1000000, span, now
    cdef uint32_t units = kn.sfflags & NOTE_TIMER_UNITS
    if kn.sdata < 0 or kn.sfflags & ~<uint32_t> (NOTE_TIMER_UNITS | NOTE_ABSTIME):
        return -EINVAL
    if kn.sdata == 0 and not kn.kev.flags & EV_ONESHOT and not kn.sfflags & NOTE_ABSTIME:
        kn.sdata = 1
    if units == NOTE_SECONDS:
        unit = 1000000000
    elif units == NOTE_USECONDS:
        unit = 1000
    elif units == NOTE_NSECONDS:
        unit = 1
    elif units != NOTE_MSECONDS and units != 0:
        return -EINVAL
    span = 0x3fffffffffffffffL if kn.sdata > 0x3fffffffffffffffL // unit else kn.sdata * unit
    now = monotonic_now(proc)
    kn.period = span
    if kn.sfflags & NOTE_ABSTIME:
        read_clock(proc, FREEBSD_CLOCK_REALTIME, &real)
        span -= real.tv_sec * 1000000000 + real.tv_nsec
        if span < 0:
            span = 0
        kn.period = 0
    if kn.kev.flags & EV_ONESHOT:
        kn.period = 0
    kn.next_time = now + span
    if kn.next_time == 0:
        kn.next_time = 1
    return timers_arm(proc, ev, kn.kq)


cdef long timers_arm(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Set the kqueue's timerfd to the first of its timers."""
    cdef freebsd_itimerspec when
    cdef knote_t *kn = kq.list
    cdef int64_t first = 0
    cdef long result
    while kn != NULL:
        if kn.next_time != 0 and (first == 0 or kn.next_time < first):
            first = kn.next_time
        kn = kn.list_next
    if first == kq.armed or (first == 0 and kq.timer_fd < 0):
        return 0
    result = kqueue_part(ev, kq, &kq.timer_fd, EVENT_TIMER)
    if result < 0:
        return result
    kq.armed = first
    memset(&when, 0, sizeof(when))
    when.it_value.tv_sec = first // 1000000000
    when.it_value.tv_nsec = first % 1000000000
    linux_syscall4(SYS_timerfd_settime, kq.timer_fd, 1, <uint64_t> &when, 0)       # TFD_TIMER_ABSTIME
    return 0


cdef void timers_expire(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """Some timer of this kqueue may have run out."""
    cdef uint64_t count
    cdef int64_t now = monotonic_now(proc), missed
    cdef knote_t *kn = kq.list
    linux_syscall3(SYS_read, kq.timer_fd, <uint64_t> &count, 8)
    while kn != NULL:
        if kn.next_time != 0 and kn.next_time <= now:
            if kn.kev.filter == EVFILT_EMPTY:
                kn.next_time = 0
            elif kn.period == 0:
                kn.kev.data += 1
                kn.next_time = 0
            else:
                missed = (now - kn.next_time) // kn.period + 1
                kn.kev.data += missed
                kn.next_time += missed * kn.period
            kn.status |= KN_ACTIVE
            knote_enqueue(kn)
        kn = kn.list_next
    kq.armed = 0
    timers_arm(proc, ev, kq)


# ------------------------------------------------------------------ PROC and PROCDESC

cdef long process_attach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef long fd
    if kn.kev.ident == 0 or kn.kev.ident > 0x7fffffff:
        return -ESRCH
    fd = linux_syscall2(SYS_pidfd_open, kn.kev.ident, 0)
    if fd == -EINVAL:
        fd = -ESRCH                     # a thread's number
    fd = hidden_new(ev, fd)
    if fd < 0:
        return fd
    kn.source = <int32_t> fd
    kn.kev.flags |= EV_CLEAR
    fd = epoll_control(kn.kq.fd, EPOLL_CTL_ADD, kn.source, EPOLLIN, knote_name(kn))
    if fd < 0:
        hidden_close(ev, &kn.source)
    return fd


cdef void process_ended(events_t *ev, knote_t *kn, int32_t *pidfd) noexcept nogil:
    """NOTE_EXIT. The status is the parent's to know; of another process Linux tells it from 6.15 on."""
    cdef uint64_t info[16]
    cdef int32_t *words = <int32_t *> info
    cdef int32_t status = 0
    cdef long result = -ECHILD
    memset(info, 0, sizeof(info))
    if pidfd[0] >= 0:
        # It has ended, and yet this may wait: whom a supervisor traces is shown to its parent when the supervisor has seen it.
        result = -EINTR
        while result == -EINTR:
            result = linux_syscall5(SYS_waitid, EVENT_P_PIDFD, pidfd[0], <uint64_t> info, WEXITED_NOWAIT, 0)
    if result == 0:
        if words[2] == 1:               # CLD_EXITED
            status = (words[6] & 0xff) << 8
        elif words[2] == 2 or words[2] == 3:
            status = lsf_signal_from_linux[words[6] & 63] | (0x80 if words[2] == 3 else 0)
    elif kn.kev.filter == EVFILT_PROCDESC and procdesc_status(SHIM, procdesc_process(<int> kn.kev.ident), &status):
        pass                            # it has been waited for
    elif pidfd[0] >= 0:
        memset(info, 0, sizeof(info))
        info[0] = PIDFD_INFO_EXIT
        if linux_syscall3(SYS_ioctl, pidfd[0], PIDFD_GET_INFO, <uint64_t> info) == 0 and info[0] & PIDFD_INFO_EXIT:
            status = words[15]
            if status & 0x7f:
                status = (status & ~0x7f) | lsf_signal_from_linux[status & 0x3f]
    if kn.kev.filter == EVFILT_PROC:
        hidden_close(ev, pidfd)
    else:
        knote_unwatch(kn)
    if kn.sfflags & NOTE_EXIT:
        kn.kev.fflags |= NOTE_EXIT
        kn.kev.data = status
    kn.kev.flags |= EV_EOF | EV_ONESHOT
    if kn.kev.fflags == 0:
        kn.kev.flags |= EV_DROP


cdef long process_descriptor_attach(events_t *ev, knote_t *kn) noexcept nogil:
    """EVFILT_PROCDESC."""
    if procdesc_process(<int> kn.kev.ident) < 0:
        return -EINVAL
    kn.kev.flags |= EV_CLEAR
    return knote_watch(ev, kn)


# ------------------------------------------------------------------ SIGNAL

cdef bint event_wants_signal(process_t *proc, int signo) noexcept nogil:
    """An EVFILT_SIGNAL exists for it: the signal has to come to the shim even if the guest ignores it."""
    return proc.events != NULL and (<events_t *> proc.events).signals[signo] != 0


cdef void event_signal(process_t *proc, int signo) noexcept nogil:
    """A signal has come. Called from its delivery, with no lock held."""
    cdef events_t *ev = <events_t *> proc.events
    cdef knote_t *kn
    if ev == NULL or ev.signals[signo] == 0:
        return
    lock_acquire(&proc.lock_event)
    kn = ev.hash[event_hash(<uint64_t> signo)]
    while kn != NULL:
        if kn.kev.ident == <uint64_t> signo and kn.kev.filter == EVFILT_SIGNAL:
            if kn.hook:
                kn.hook = 0             # it was counted when it became pending
            else:
                kn.kev.data += 1
                knote_activate(kn)
        kn = kn.hash_next
    lock_release(&proc.lock_event)


cdef bint signal_swallow(area_t *area) noexcept nogil:
    """In a call that a signal interrupted: where the guest ignores the signal, take note of it here, so that the call goes
    on. False where it has to be delivered."""
    cdef process_t *proc = area.proc
    cdef int signo = lsf_signal_from_linux[area.deferred]
    cdef uint64_t function = proc.handlers[signo].function
    if signo == 0 or is_virtual(signo) or not event_wants_signal(proc, signo):
        return False
    if function != SIG_IGN and not (function == SIG_DFL and (lsf_signal_default[signo] == LSF_SIGNAL_IGNORE
                                                             or lsf_signal_default[signo] == LSF_SIGNAL_CONTINUE)):
        return False
    event_signal(proc, signo)
    area.deferred = 0
    area.not_begun = 0
    set_linux_mask(area)
    return True


cdef uint64_t signals_pending() noexcept nogil:
    cdef uint64_t pending = 0
    linux_syscall2(SYS_rt_sigpending, <uint64_t> &pending, 8)
    return pending


cdef void signals_look(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """The signalfd reported: a signal that is blocked became pending. FreeBSD counts it at that time."""
    cdef uint64_t pending = signals_pending()
    cdef knote_t *kn = kq.list
    cdef int linux
    while kn != NULL:
        if kn.kev.filter == EVFILT_SIGNAL and kn.kev.ident <= SIGNAL_MAX:
            linux = lsf_signal_to_linux[kn.kev.ident]
            if linux and pending & signal_bit(linux):
                if not kn.hook:
                    kn.hook = 1
                    kn.kev.data += 1
                    kn.status |= KN_ACTIVE
                    knote_enqueue(kn)
            else:
                kn.hook = 0
        kn = kn.list_next


cdef long signals_watch(events_t *ev, kqueue_t *kq) noexcept nogil:
    """Let the kqueue's signalfd stand for exactly the signals of its knotes. It is never read."""
    cdef uint64_t mask = 0
    cdef knote_t *kn = kq.list
    cdef long result
    while kn != NULL:
        if kn.kev.filter == EVFILT_SIGNAL and 1 <= kn.kev.ident <= SIGNAL_MAX and lsf_signal_to_linux[kn.kev.ident]:
            mask |= signal_bit(lsf_signal_to_linux[kn.kev.ident])
        kn = kn.list_next
    mask &= linux_all_mask()
    if mask == 0 and kq.signal_fd < 0:
        return 0
    result = kqueue_part(ev, kq, &kq.signal_fd, EVENT_SIGNALFD)
    if result == 0:
        linux_syscall4(SYS_signalfd4, kq.signal_fd, <uint64_t> &mask, 8, 0)
    return result


cdef long signal_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    cdef int signo, linux
    cdef long result
    kn.kev.flags |= EV_CLEAR
    if not 1 <= kn.kev.ident <= SIGNAL_MAX:
        return 0                        # FreeBSD takes any number; such a signal never comes
    signo = <int> kn.kev.ident
    result = kqueue_part(ev, kn.kq, &kn.kq.wake_fd, EVENT_WAKE)
    if result == 0:
        result = signals_watch(ev, kn.kq)
    if result < 0:
        return result
    linux = lsf_signal_to_linux[signo]
    if linux and signals_pending() & signal_bit(linux):
        kn.hook = 1
    ev.signals[signo] += 1
    lock_acquire(&proc.lock_signal)
    know_handler(proc, signo)
    apply_disposition(proc, signo)
    lock_release(&proc.lock_signal)
    return 0


cdef void signal_detach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    if not 1 <= kn.kev.ident <= SIGNAL_MAX:
        return
    ev.signals[kn.kev.ident] -= 1
    lock_acquire(&proc.lock_signal)
    apply_disposition(proc, <int> kn.kev.ident)
    lock_release(&proc.lock_signal)


# ------------------------------------------------------------------ VNODE, and files at their end

cdef long vnode_watch(events_t *ev, knote_t *kn, uint32_t mask) noexcept nogil:
    """Let inotify watch the file behind a descriptor: 0 or an error."""
    cdef char path[32]
    cdef long result = kqueue_part(ev, kn.kq, &kn.kq.inotify_fd, EVENT_INOTIFY)
    if result < 0:
        return result
    descriptor_path(<int> kn.kev.ident, path)
    result = linux_syscall3(SYS_inotify_add_watch, kn.kq.inotify_fd, <uint64_t> path, mask | IN_MASK_ADD)
    if is_error(result):
        return -ENOMEM if result == -ENOSPC else result
    kn.source = <int32_t> result
    return 0


cdef void vnode_unwatch(knote_t *kn) noexcept nogil:
    """The file needs no watch any more, unless another knote has the same."""
    cdef knote_t *other = kn.kq.list
    cdef int32_t watch = kn.source
    kn.source = -1
    if watch < 0:
        return
    while other != NULL:
        if other.source == watch and (other.kev.filter == EVFILT_VNODE or other.kev.filter == EVFILT_READ):
            return
        other = other.list_next
    linux_syscall2(SYS_inotify_rm_watch, kn.kq.inotify_fd, watch)


cdef long vnode_attach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef linux_stat st
    cdef uint32_t wanted = kn.sfflags, mask = IN_DELETE_SELF | IN_UNMOUNT
    cdef long result = linux_syscall2(SYS_fstat, kn.kev.ident, <uint64_t> &st)
    if is_error(result):
        return result
    kn.mode = st.st_mode & S_IFMT
    if kn.mode == 0 or kn.mode == S_IFSOCK or (kn.mode == S_IFIFO and st.st_nlink == 1 and st.st_dev < 16):
        return -EINVAL
    kn.size = st.st_size
    kn.links = st.st_nlink
    if wanted & (NOTE_WRITE | NOTE_EXTEND):
        mask |= IN_MODIFY
        if kn.mode == S_IFDIR:
            mask |= IN_CREATE | IN_DELETE | IN_MOVED
    if wanted & (NOTE_ATTRIB | NOTE_LINK | NOTE_DELETE):
        mask |= IN_ATTRIB
        if kn.mode == S_IFDIR and wanted & NOTE_LINK:
            mask |= IN_CREATE | IN_DELETE | IN_MOVED
    if wanted & NOTE_RENAME:
        mask |= IN_MOVE_SELF
    if wanted & NOTE_OPEN:
        mask |= IN_OPEN
    if wanted & NOTE_CLOSE:
        mask |= IN_CLOSE_NOWRITE
    if wanted & NOTE_CLOSE_WRITE:
        mask |= IN_CLOSE_WRITE
    if wanted & NOTE_READ:
        mask |= IN_ACCESS
    return vnode_watch(ev, kn, mask)


cdef uint32_t vnode_hint(knote_t *kn, uint32_t mask) noexcept nogil:
    """FreeBSD's NOTE_ bits for what inotify said of a file."""
    cdef linux_stat st
    cdef uint32_t hint = 0
    if is_error(linux_syscall2(SYS_fstat, kn.kev.ident, <uint64_t> &st)):
        return 0
    if mask & IN_MODIFY:
        hint |= NOTE_WRITE
        if st.st_size > kn.size:
            hint |= NOTE_EXTEND
    if mask & (IN_CREATE | IN_DELETE | IN_MOVED):
        hint |= NOTE_WRITE
        if mask & IN_MOVED:
            hint |= NOTE_EXTEND
        if <int64_t> st.st_nlink != kn.links:
            hint |= NOTE_LINK           # a directory was made or removed in it
    if mask & IN_ATTRIB:
        if <int64_t> st.st_nlink < kn.links:
            hint |= NOTE_DELETE
        elif <int64_t> st.st_nlink > kn.links:
            hint |= NOTE_LINK
        else:
            hint |= NOTE_ATTRIB
    if mask & IN_DELETE_SELF:
        hint |= NOTE_DELETE
    if mask & IN_MOVE_SELF:
        hint |= NOTE_RENAME
    if mask & IN_UNMOUNT:
        hint |= NOTE_REVOKE
        kn.kev.flags |= EV_EOF
    if mask & IN_OPEN:
        hint |= NOTE_OPEN
    if mask & IN_CLOSE_NOWRITE:
        hint |= NOTE_CLOSE
    if mask & IN_CLOSE_WRITE:
        hint |= NOTE_CLOSE_WRITE
    if mask & IN_ACCESS:
        hint |= NOTE_READ
    kn.size = st.st_size
    kn.links = st.st_nlink
    return hint


cdef void vnodes_changed(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    cdef uint64_t buffer[512]
    cdef uint32_t *entry
    cdef uint64_t at
    cdef knote_t *kn
    cdef long size
    while True:
        size = linux_syscall3(SYS_read, kq.inotify_fd, <uint64_t> buffer, sizeof(buffer))
        if size <= 0:
            return
        at = 0
        while at < <uint64_t> size:
            entry = <uint32_t *> (<uint64_t> buffer + at)       # wd, mask, cookie, len
            kn = kq.list
            while kn != NULL:
                if kn.source == <int32_t> entry[0]:
                    if kn.kev.filter == EVFILT_VNODE:
                        kn.kev.fflags |= kn.sfflags & vnode_hint(kn, entry[1])
                        if kn.kev.fflags:
                            kn.status |= KN_ACTIVE
                    elif kn.kev.filter == EVFILT_READ:
                        kn.status |= KN_ACTIVE
                    if kn.status & KN_ACTIVE and kn.kev.filter != EVFILT_PROC:
                        knote_enqueue(kn)
                kn = kn.list_next
            at += 16 + entry[3]


# ------------------------------------------------------------------ all of them

cdef long filter_attach(process_t *proc, events_t *ev, knote_t *kn, uint32_t fflags) noexcept nogil:
    """f_attach: 0 or an error, on which the knote is freed."""
    cdef int filt = kn.kev.filter
    if filt == EVFILT_READ or filt == EVFILT_WRITE:
        return descriptor_attach(ev, kn)
    if filt == EVFILT_USER:
        kn.hook = 1 if fflags & NOTE_TRIGGER else 0
        kn.sfflags &= NOTE_FFLAGSMASK
        return 0
    if filt == EVFILT_TIMER:
        if not kn.sfflags & NOTE_ABSTIME:
            kn.kev.flags |= EV_CLEAR
        return timer_start(proc, ev, kn)
    if filt == EVFILT_PROC:
        return process_attach(ev, kn)
    if filt == EVFILT_PROCDESC:
        return process_descriptor_attach(ev, kn)
    if filt == EVFILT_SIGNAL:
        return signal_attach(proc, ev, kn)
    if filt == EVFILT_VNODE:
        return vnode_attach(ev, kn)
    if filt == EVFILT_EMPTY:
        if option_of(<int> kn.kev.ident, EVENT_SO_TYPE) == 0:
            return -EINVAL
        return 0
    if filt == EVFILT_FS:
        kn.kev.flags |= EV_CLEAR
        return 0
    if filt == EVFILT_AIO or filt == EVFILT_LIO:
        return -EPERM                   # the kernel's own way to attach a request; not for programs
    return -ENXIO                       # SENDFILE: no such filter in GENERIC


cdef void filter_detach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    cdef int filt = kn.kev.filter
    knote_unwatch(kn)
    if filt == EVFILT_PROC:
        hidden_close(ev, &kn.source)
    elif filt == EVFILT_SIGNAL:
        signal_detach(proc, ev, kn)
    elif filt == EVFILT_VNODE or filt == EVFILT_READ:
        vnode_unwatch(kn)
    kn.next_time = 0


cdef long filter_touch(process_t *proc, events_t *ev, knote_t *kn, const freebsd_kevent *kev) noexcept nogil:
    """A change of a knote that exists: f_touch with EVENT_REGISTER, or new parameters."""
    cdef int filt = kn.kev.filter
    cdef uint32_t fflags = kn.sfflags
    cdef int64_t data = kn.sdata
    cdef long result
    if filt == EVFILT_USER:
        user_touch(kn, kev)
        return 0
    kn.sfflags = kev.fflags
    kn.sdata = kev.data
    if filt == EVFILT_TIMER:
        if kev.flags & EV_ADD:
            result = timer_start(proc, ev, kn)
            if result < 0:
                kn.sfflags = fflags
                kn.sdata = data
                return result
            knote_dequeue(kn)
            kn.status &= ~<uint32_t> KN_ACTIVE
            kn.kev.data = 0
        else:
            kn.sfflags = fflags
            kn.sdata = data
    elif filt == EVFILT_VNODE:
        return vnode_attach(ev, kn)
    elif (filt == EVFILT_READ or filt == EVFILT_WRITE) and kn.mode != S_IFREG and kn.mode != S_IFDIR \
            and not kn.status & KN_DISABLED:
        result = knote_watch(ev, kn)
        return 0 if result == -EPERM else result
    return 0


cdef bint filter_ready(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """f_event with no hint: is there something to report now?"""
    cdef int filt = kn.kev.filter
    if filt == EVFILT_READ or filt == EVFILT_WRITE:
        return descriptor_ready(ev, kn)
    if filt == EVFILT_USER or filt == EVFILT_AIO or filt == EVFILT_LIO:
        return kn.hook != 0
    if filt == EVFILT_TIMER or filt == EVFILT_SIGNAL:
        return kn.kev.data != 0
    if filt == EVFILT_EMPTY:
        return empty_ready(proc, ev, kn)
    return kn.kev.fflags != 0


cdef void filter_process(knote_t *kn, freebsd_kevent *out) noexcept nogil:
    """What is reported, and what EV_CLEAR clears."""
    out[0] = kn.kev
    if kn.kev.filter == EVFILT_USER:
        out.fflags = kn.sfflags
        out.data = kn.sdata
        if kn.kev.flags & EV_CLEAR:
            kn.hook = 0
    if kn.kev.flags & EV_CLEAR:
        kn.kev.data = 0
        kn.kev.fflags = 0

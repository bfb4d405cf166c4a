# accept(2), and what a listener gives to what it makes.
# Model: FreeBSD sys/kern/uipc_socket.c (solisten_clone, solisten_dequeue), sys/kern/uipc_syscalls.c (kern_accept4).

cdef void local_inherit(area_t *area, int listener, int fd) noexcept nogil:
    """What Linux does not hand on from a local socket that listens."""
    if area.proc.own.nosigpipe & NOSIGPIPE_SOCKETS and socket_option(listener, KEPT_NOSIGPIPE) > 0:
        set_socket_option(fd, KEPT_NOSIGPIPE, 1)
    if has_stream_records(area) and socket_option(listener, KEPT_TYPE) == FREEBSD_SOCK_SEQPACKET:
        records_made(area, fd)


cdef void listen_shut(int fd) noexcept nogil:
    """A stream of inet that listens is about to be shut down for reading. On Linux it then listens no more, and forgets how many
    connections may wait: that is kept until the next accept is told."""
    cdef int backlog = 0
    listen_queue(fd, FREEBSD_SO_LISTENQLIMIT, &backlog)
    set_socket_option(fd, KEPT_BACKLOG, backlog)
    set_socket_option(fd, KEPT_SHUT, 1)     # before who waits in accept(2) is woken


cdef long listen_on(int fd) noexcept nogil:
    """The first accept behind that is told of it, and the socket listens on (so_error of solisten_dequeue). A port that it did not
    ask for Linux has taken from it, but for the name; and one that has connections it gives again with SO_REUSEADDR alone: where it
    does not, the next accept is told so, too."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS
    cdef long backlog = socket_option(fd, KEPT_BACKLOG)
    if linux_syscall3(LINUX_SYS_getsockname, fd, <uint64_t> address, <uint64_t> &length) == 0:
        linux_syscall3(LINUX_SYS_bind, fd, <uint64_t> address, length)
    if linux_syscall2(LINUX_SYS_listen, fd, <uint64_t> backlog) == 0:
        set_socket_option(fd, KEPT_BACKLOG, -1)
        set_socket_option(fd, KEPT_SHUT, 0)
    return -LINUX_ECONNABORTED


cdef long accept_error(int fd, long result) noexcept nogil:
    """FreeBSD's errno for an accept that failed. Of a socket that was shut down while it listened it is told that (solisten_dequeue)."""
    if result == -LINUX_EOPNOTSUPP:
        return -LINUX_EINVAL                # a socket that does not listen, whatever its type
    if result != -LINUX_EINVAL:
        return restartable(result)
    if socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX:
        return -LINUX_ECONNABORTED if socket_option(fd, LINUX_SO_ACCEPTCONN) > 0 else result
    return listen_on(fd) if socket_option(fd, KEPT_SHUT) > 0 else result


cdef long accept_with(frame_t *frame, area_t *area, uint64_t linux_flags) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef uaddr name = frame.arg[1]
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if name != 0:
        if fetch_guest32(frame.arg[2], &room) < 0:
            return -LINUX_EFAULT
    result = blocking_syscall(LINUX_SYS_accept4, fd, <uint64_t> address, <uint64_t> &length, linux_flags, 0, 0)
    if is_error(result):
        return accept_error(fd, result)
    if length >= 2 and address[0] == LINUX_AF_UNIX:
        credentials_inherit(fd, <int> result)
        local_inherit(area, fd, <int> result)
    if area.proc.own.sockets & SOCKETS_TIMES:
        times_of_accepted(area.proc, <int> result)
    if area.proc.own.sockets & SOCKETS_MARKED and area.proc.own.osreldate >= FREEBSD_SINCE_ACCEPTED_OPTIONS:
        leave_out(<int> result)
    if name != 0 and sockaddr_out(address, length, name, frame.arg[2], room, names_are_whole(area)) < 0:
        linux_syscall1(LINUX_SYS_close, result)
        return -LINUX_EFAULT
    return result


cdef public long sys_accept(frame_t *frame, area_t *area) noexcept nogil:
    """The new socket takes over O_NONBLOCK from the one that listens."""
    cdef long flags = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL, 0)
    if is_error(flags):
        return flags
    return accept_with(frame, area, LINUX_SOCK_NONBLOCK if flags & LINUX_O_NONBLOCK else 0)


cdef public long sys_accept4(frame_t *frame, area_t *area) noexcept nogil:
    cdef long flags = freebsd_to_linux_socket_type(<uint32_t> frame.arg[3])
    if flags < 0 or flags & ~<long> (LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK):
        return -LINUX_EINVAL
    return accept_with(frame, area, flags)

# What FreeBSD says where Linux says something else of a transfer that failed: on sockets, and whether SIGPIPE comes with
# it; on terminals. Model: FreeBSD sys/kern/uipc_socket.c (sousrsend, sosend_generic), uipc_usrreq.c, sys_generic.c
# (dofilewrite), tty_pts.c (ptsdev_read), tty.c (ttydev_enter), vfs_syscalls.c (kern_fsync).
#
# All of it is on the way of an error, which the pass lane leaves for pass_failed() when it is one of a few.

cdef enum:
    TCP_INFO_SEGMENTS = 136         # tcpi_segs_out and tcpi_segs_in
    TCP_INFO_ROOM = 256
    IOSIZE_MAX = 0x7fffffffffffffff     # bytes of one transfer: SSIZE_MAX (sys/uio.h)
    LINUX_TRANSFER_MOST = 0x7ffff000    # and of Linux's (MAX_RW_COUNT)
    LINUX_TASK_END = 0x7ffffffff000     # where a program's memory ends for Linux (TASK_SIZE_MAX)


cdef bint was_never_connected(int fd) noexcept nogil:
    """True for a TCP socket that listens, or has sent and got nothing yet. Linux calls that a broken pipe."""
    cdef uint8_t info[TCP_INFO_ROOM]
    cdef uint32_t length = TCP_INFO_ROOM
    if is_error(linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_TCP, LINUX_TCP_INFO, <uint64_t> info,
                               <uint64_t> &length)) or length == 0:
        return False
    if info[0] == LINUX_TCP_LISTEN:
        return True
    return (info[0] == LINUX_TCP_CLOSE and length >= TCP_INFO_SEGMENTS + 8
            and (<uint64_t *> (info + TCP_INFO_SEGMENTS))[0] == 0)


cdef bint is_local_dgram(int fd) noexcept nogil:
    return socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_DGRAM


cdef bint has_no_peer(int fd) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS
    return linux_syscall3(LINUX_SYS_getpeername, fd, <uint64_t> address, <uint64_t> &length) == -LINUX_ENOTCONN


cdef long send_error(int fd, long result, bint addressed, bint *signal) noexcept nogil:
    """FreeBSD's errno for a send that failed. signal[0]: whether SIGPIPE comes with it, which Linux sends for streams."""
    cdef long type_, domain
    signal[0] = result == -LINUX_EPIPE
    if result == -LINUX_EOPNOTSUPP and addressed and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM:
        return -LINUX_ENOTCONN                    # a local stream
    if result != -LINUX_EPIPE and result != -LINUX_ENOTCONN and result != -LINUX_ECONNREFUSED:
        return result
    type_ = socket_option(fd, LINUX_SO_TYPE)
    if is_error(type_):
        return result                       # a pipe
    domain = socket_option(fd, LINUX_SO_DOMAIN)
    if result == -LINUX_EPIPE and type_ == FREEBSD_SOCK_STREAM and domain != LINUX_AF_UNIX and was_never_connected(fd):
        signal[0] = False
        return -LINUX_ENOTCONN
    if domain == LINUX_AF_UNIX and type_ == FREEBSD_SOCK_DGRAM and not addressed:
        if result == -LINUX_ENOTCONN:
            return -LINUX_EDESTADDRREQ
        if result == -LINUX_ECONNREFUSED:
            return -LINUX_ECONNRESET              # the peer is gone
    if signal[0] and socket_option(fd, KEPT_NOSIGPIPE) > 0:
        signal[0] = False
    return result


cdef bint is_mapped_for_nobody(int fd, const uint8_t *address) noexcept nogil:
    """A mapped address of IPv4, Linux's, for a socket of IPv6 alone: EINVAL, and the socket has no port by it (udp6_send, udp6_connect,
    tcp6_usr_connect). Linux gives it one, and says ENETUNREACH."""
    cdef int alone = 0
    cdef uint32_t length = 4
    if address[0] != LINUX_AF_INET6 or (<const uint64_t *> &address[8])[0] != 0 or (<const uint32_t *> &address[16])[0] != 0xffff0000UL:
        return False
    linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_IPV6, LINUX_IPV6_V6ONLY, <uint64_t> &alone, <uint64_t> &length)
    return alone != 0


cdef bint linux_sends_sigpipe(int fd) noexcept nogil:
    """For pipes and streams alone."""
    cdef long type_ = socket_option(fd, LINUX_SO_TYPE)
    return is_error(type_) or type_ == FREEBSD_SOCK_STREAM


cdef long send_failed(area_t *area, int fd, long result, bint quiet, bint addressed) noexcept nogil:
    """The end of a send that failed: FreeBSD's errno. quiet: no SIGPIPE either way, as with MSG_NOSIGNAL."""
    cdef bint signal = False, sent_one = result == -LINUX_EPIPE and not quiet
    cdef long error = send_error(fd, result, addressed, &signal)
    if sent_one and linux_sends_sigpipe(fd):
        if not signal:
            forget_sigpipe(area)
    elif signal and not quiet:
        linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, FREEBSD_SIGPIPE)
    return error


cdef bint was_left_unread(int fd, long result) noexcept nogil:
    """True for a receive that failed since the peer closed without having read all, which FreeBSD does not tell. Linux tells it
    once: made anew, the call has what is left, or the end of the file."""
    return (result == -LINUX_ECONNRESET and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX
            and socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_DGRAM)


cdef bint was_shut_for_reading(int fd) noexcept nogil:
    """True for a socket that receives no more, in a process that has shut one down so."""
    cdef linux_pollfd waits
    if not SHIM.own.sockets & SOCKETS_DEAF:
        return False
    waits.fd = fd
    waits.events = LINUX_EPOLLRDHUP
    waits.revents = 0
    return linux_syscall3(LINUX_SYS_poll, <uint64_t> &waits, 1, 0) > 0 and waits.revents & LINUX_EPOLLRDHUP != 0


cdef long receive_error(int fd, long result) noexcept nogil:
    """FreeBSD's errno for a receive that failed: a local stream that is not connected is EINVAL on Linux. A datagram that will not come
    is none."""
    if result == -LINUX_EAGAIN and was_shut_for_reading(fd):
        return 0
    if (result == -LINUX_EINVAL and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX
            and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM and has_no_peer(fd)):
        return -LINUX_ENOTCONN
    return result


# ------------------------------------------------------------------ terminals


# ------------------------------------------------------------------ the pass lane

cdef long listen_error(int fd, long result) noexcept nogil:
    """A local socket without a name is EDESTADDRREQ (uipc_listen); one that is connected, EINVAL."""
    if (result == -LINUX_EINVAL and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX and not has_a_name(fd)
            and has_no_peer(fd)):
        return -LINUX_EDESTADDRREQ
    return result


cdef long sync_unread(int fd) noexcept nogil:
    """fsync of what a descriptor may only execute. A file that cannot be read, either, is written with all others."""
    cdef long result, opened = open_to_read(fd)
    if is_error(opened):
        return opened if opened != -LINUX_EACCES else linux_syscall0(LINUX_SYS_sync)
    result = linux_syscall1(LINUX_SYS_fsync, opened)
    linux_syscall1(LINUX_SYS_close, opened)
    return result


cdef long sync_error(int fd, long result) noexcept nogil:
    """Linux's EINVAL: FreeBSD syncs all that has a vnode (kern_fsync), devices (devfs_fsync does nothing) and FIFOs with
    a name too. The master of a terminal has none, nor has a pipe or a socket."""
    cdef linux_statfs fs
    cdef long kind
    if result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE:
        return sync_unread(fd)
    if result != -LINUX_EINVAL:
        return result
    kind = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH) & LINUX_S_IFMT
    if kind == LINUX_S_IFCHR:
        return result if is_terminal_master(fd) else 0
    if kind != LINUX_S_IFIFO or is_error(linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs)):
        return result
    return result if fs.f_type == LINUX_PIPEFS_MAGIC else 0


cdef uint64_t room_to_read(uint64_t at, uint64_t count) noexcept nogil:
    """How much of a buffer Linux may be told of: it looks whether there could be memory for all, FreeBSD at what is read (uiomove)."""
    if count > LINUX_TRANSFER_MOST:
        count = LINUX_TRANSFER_MOST
    return LINUX_TASK_END - at if at < LINUX_TASK_END and count > LINUX_TASK_END - at else count


cdef long within_memory(frame_t *frame, long linux, bint reads) noexcept nogil:
    """A transfer that Linux refused: one that reads less than there is room for is made, and one of nothing, wherever that is. (What is
    written, and is not all there, is EFAULT.)"""
    cdef uint64_t at = frame.arg[1] if frame.arg[2] else 0, count = room_to_read(at, frame.arg[2])
    if frame.arg[2] != 0 and (not reads or count == frame.arg[2]):
        return -LINUX_EFAULT
    return restartable(blocking_syscall(linux, frame.arg[0], at, count, frame.arg[3], 0, 0))


cdef long size_error(frame_t *frame, uint64_t nr) noexcept nogil:
    """The result of a transfer that Linux answered with EFAULT. It looks at the memory first, FreeBSD at the size: none is larger
    than SSIZE_MAX, the pieces of a vector together (sys_read in sys_generic.c, copyinuio in subr_uio.c)."""
    cdef freebsd_iovec piece
    cdef uint64_t left = IOSIZE_MAX, i
    if nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_write or nr == FREEBSD_SYS_pread or nr == FREEBSD_SYS_pwrite:
        if frame.arg[2] > left:
            return -LINUX_EINVAL
        return within_memory(frame, LINUX_SYS_read if nr == FREEBSD_SYS_read else LINUX_SYS_write if nr == FREEBSD_SYS_write
                             else LINUX_SYS_pread64 if nr == FREEBSD_SYS_pread else LINUX_SYS_pwrite64,
                             nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_pread)
    if nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_writev or nr == FREEBSD_SYS_preadv or nr == FREEBSD_SYS_pwritev:
        for i in range(<uint32_t> frame.arg[2]):
            if copyin(frame.arg[1] + i * sizeof(piece), &piece, sizeof(piece)) < 0:
                return -LINUX_EFAULT
            if piece.iov_len > left:
                return -LINUX_EINVAL
            left -= piece.iov_len
    return -LINUX_EFAULT


cdef long passed_error(area_t *area, frame_t *frame, uint64_t nr, long result) noexcept nogil:
    """The result of a call of the pass lane that failed with `result`, whose errno is one that FreeBSD may say otherwise."""
    cdef int fd = <int> frame.arg[0]
    cdef bint writes = nr == FREEBSD_SYS_write or nr == FREEBSD_SYS_writev
    if result == -LINUX_EFAULT:
        return size_error(frame, nr)
    if writes or nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_readv:
        if writes and (result == -LINUX_EBADF or result == -LINUX_EINVAL) and is_not_written(area.proc, fd, result):
            return -LINUX_EOPNOTSUPP
        if result == -LINUX_EBADF:
            return pipe_failed(area, frame, writes, nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_writev)
        if result == -LINUX_EIO:
            return terminal_failed(fd, writes)
        if not writes and was_left_unread(fd, result):
            result = linux_syscall3(LINUX_SYS_read if nr == FREEBSD_SYS_read else LINUX_SYS_readv, fd, frame.arg[1],
                                    frame.arg[2])
            return receive_error(fd, result) if is_error(result) else result
        return send_failed(area, fd, result, False, False) if writes else receive_error(fd, result)
    if nr == FREEBSD_SYS_fsync or nr == FREEBSD_SYS_fdatasync:
        return sync_error(fd, result)
    return listen_error(fd, result) if nr == FREEBSD_SYS_listen else result


cdef public long pass_failed(frame_t *frame, area_t *area) noexcept nogil:
    """Where entry.S leads such a call."""
    return passed_error(area, frame, frame.nr, <long> frame.result)

# Sockets. Options: sockopt.pxi; addresses and control messages are converted in lsf/freebsd/abi/socket.pxi.
# Model: FreeBSD sys/kern/uipc_syscalls.c.

cdef enum:
    OSREL_SHUTDOWN_ENOTCONN = 1100077
    LOCAL_MAXDGRAM = 8192           # net.local.dgram.maxdgram
    SOCKET_ADDRESS = 264            # room for an address of either system
    SOCKET_CONTROL = 4096           # for control messages; FreeBSD sends 2048 bytes at most
    SOCKET_CONTROL_MAX = 2048
    SHUT_RD = 0                     # shutdown(2): receiving alone ends
    SHUT_WR = 1                     # sending alone does
    FLUSH_MOST = 4096               # reads of what is dropped: who sends all the time shall not keep the caller
    CREDENTIALS_SPACE = 32          # of Linux's SCM_CREDENTIALS


cdef long sockaddr_in(uaddr name, uint64_t length, uint8_t *address) noexcept nogil:
    """Take an address from the guest (getsockaddr): its Linux length, or an error. `address` has SOCKET_ADDRESS bytes."""
    cdef uint8_t raw[256]
    length = <uint32_t> length
    if length > FREEBSD_SOCK_MAXADDRLEN:
        return -LINUX_ENAMETOOLONG
    if length < 2:
        return -LINUX_EINVAL
    if copyin(name, raw, length) < 0:
        return -LINUX_EFAULT
    return linux_sockaddr_from_freebsd(address, SOCKET_ADDRESS, raw, length)


cdef uint64_t sockaddr_shown(uint8_t *to, const uint8_t *address, uint32_t length) noexcept nogil:
    """An address as the guest sees it, in SOCKET_ADDRESS bytes: its whole length. In a view by look-up a local socket's
    has the path there, with as many NULs behind it as it was bound with."""
    cdef char path[LOOKUP_PATH]
    cdef uint64_t size = 0, nuls, whole = freebsd_sockaddr_from_linux(to, SOCKET_ADDRESS, address, length)
    if SHIM.lookup == NULL or whole <= 2 or to[1] != FREEBSD_AF_UNIX or to[2] != c'/':
        return whole
    while 2 + size < whole and to[2 + size] != 0:
        path[size] = <char> to[2 + size]
        size += 1
    path[size] = 0
    nuls = whole - 2 - size
    lookup_guest(SHIM, path, LOOKUP_PATH)
    size = string_length(path)
    if size > FREEBSD_SUNPATHLEN:
        size = FREEBSD_SUNPATHLEN
    if size + nuls > FREEBSD_SUNPATHLEN or (whole == 2 + FREEBSD_SUNPATHLEN and nuls > 1):
        nuls = FREEBSD_SUNPATHLEN - size
    memset(&to[2], 0, FREEBSD_SUNPATHLEN)
    memcpy(&to[2], path, size)
    to[0] = <uint8_t> (2 + size + nuls)
    return to[0]


cdef long sockaddr_out(const uint8_t *address, uint32_t length, uaddr name, uaddr length_at, uint32_t room,
                       bint tells_whole) noexcept nogil:
    """Give an address to the guest, and its length: that of what fits, or of the whole address."""
    cdef uint8_t raw[SOCKET_ADDRESS]
    cdef uint64_t whole = sockaddr_shown(raw, address, length), fits = whole
    if fits > room:
        fits = room
    if fits != 0 and copyout(raw, name, fits) < 0:
        return -LINUX_EFAULT
    return store_guest32(length_at, <uint32_t> (whole if tells_whole else fits))


cdef inline bint names_are_whole(area_t *area) noexcept nogil:
    """Since FreeBSD 15 accept, getsockname and getpeername tell the length that the address has, not what was given."""
    return area.proc.own.osreldate >= FREEBSD_SINCE_WHOLE_NAMES


cdef uint32_t sender_length(int fd, uint8_t *address, uint32_t length) noexcept nogil:
    """The length of a sender's address that Linux gave, as FreeBSD tells it: a local stream tells none, and a local
    datagram's sender without a name has an address too."""
    if length == 0:
        if socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_STREAM:
            memset(address, 0, 16)
            address[0] = LINUX_AF_UNIX
            return 2
    elif address[0] == LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM:
        return 0
    return length


cdef uint64_t send_flags(area_t *area, int fd, uint64_t flags) noexcept nogil:
    cdef uint64_t result = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> flags)
    if area.proc.own.nosigpipe & NOSIGPIPE_SOCKETS and socket_option(fd, KEPT_NOSIGPIPE) > 0:
        result |= LINUX_MSG_NOSIGNAL
    return result


cdef inline bint is_out_of_band(int fd, uint64_t flags) noexcept nogil:
    """True for urgent data of a local socket: there are none on FreeBSD."""
    return flags & FREEBSD_MSG_OOB != 0 and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX


cdef long full_error(area_t *area, int fd) noexcept nogil:
    """What a send says that finds no room. A local datagram is ENOBUFS, but for EAGAIN of 14's non-blocking sockets."""
    cdef long flags
    if not area.proc.own.sockets & SOCKETS_LOCAL_DGRAM or not is_local_dgram(fd):
        return -LINUX_EAGAIN
    if FREEBSD_SINCE_DGRAM_EAGAIN <= area.proc.own.osreldate < FREEBSD_SINCE_DGRAM_ENOBUFS:
        flags = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL, 0)
        if flags >= 0 and flags & LINUX_O_NONBLOCK:
            return -LINUX_EAGAIN
    return -LINUX_ENOBUFS


cdef long sent(area_t *area, int fd, uint64_t flags, bint quiet, bint addressed, long result) noexcept nogil:
    """The end of every send: MSG_EOF closes the sending side behind the message, an error becomes FreeBSD's. quiet: Linux
    was told to send no signal."""
    if is_error(result):
        if result == -LINUX_EAGAIN:
            return restartable(full_error(area, fd))
        return restartable(send_failed(area, fd, result, quiet, addressed))
    area.own.messages[0] += 1
    if flags & FREEBSD_MSG_EOF and linux_syscall2(LINUX_SYS_shutdown, fd, SHUT_WR) == 0:
        event_shut(area.proc, fd)
    return result


cdef long socket_type_error(long result, uint64_t protocol) noexcept nogil:
    """What socreate says of a type or protocol that there is not."""
    if result == -LINUX_ESOCKTNOSUPPORT or result == -LINUX_EINVAL or result == -LINUX_EPROTONOSUPPORT:
        return -LINUX_EPROTOTYPE if <uint32_t> protocol == 0 else -LINUX_EPROTONOSUPPORT
    return result


cdef inline bint has_stream_records(area_t *area) noexcept nogil:
    return area.proc.own.osreldate >= FREEBSD_SINCE_STREAM_RECORDS


cdef long local_type(area_t *area, long type_) noexcept nogil:
    """The type that Linux makes for a local socket of this one."""
    if type_ & 0xf == FREEBSD_SOCK_SEQPACKET and has_stream_records(area):
        return type_ & ~0xf | FREEBSD_SOCK_STREAM
    return type_


cdef void local_made(area_t *area, int fd, long type_) noexcept nogil:
    """What a new local socket of the guest's type `type_` is told. A datagram does not wait for room (uipc_sosend_dgram): Linux's
    wait ends with its next tick."""
    cdef uint64_t soon[2]
    if type_ & 0xf == FREEBSD_SOCK_DGRAM:
        area.proc.own.sockets |= SOCKETS_LOCAL_DGRAM
        soon[0] = 0
        soon[1] = 1
        linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_SNDTIMEO, <uint64_t> soon, 16)
    elif type_ & 0xf == FREEBSD_SOCK_SEQPACKET and has_stream_records(area):
        records_made(area, fd)


cdef public long sys_socket(frame_t *frame, area_t *area) noexcept nogil:
    cdef int domain = freebsd_to_linux_address_family(<int> frame.arg[0])
    cdef long type_ = freebsd_to_linux_socket_type(<uint32_t> frame.arg[1])
    cdef long fd
    cdef int on = 1
    if domain == LINUX_AF_NETLINK or <int> frame.arg[0] == FREEBSD_AF_ROUTE:
        return netlink_socket(frame, area)
    if domain < 0 or domain == LINUX_AF_UNSPEC:
        return -LINUX_EAFNOSUPPORT
    if type_ < 0 or (domain == LINUX_AF_UNIX and type_ & 0xf == FREEBSD_SOCK_RAW):
        return socket_type_error(-LINUX_ESOCKTNOSUPPORT, frame.arg[2])
    fd = linux_syscall3(LINUX_SYS_socket, domain, local_type(area, type_) if domain == LINUX_AF_UNIX else type_,
                        <uint32_t> frame.arg[2])
    if is_error(fd):
        return socket_type_error(fd, frame.arg[2])
    if domain == LINUX_AF_UNIX:
        local_made(area, <int> fd, type_)
    if type_ & 0xf == FREEBSD_SOCK_STREAM and (domain == LINUX_AF_INET or domain == LINUX_AF_INET6):
        watch_sigpipe(area.proc, NOSIGPIPE_SEEN)    # which Linux sends for one that is not connected, too
    if domain == LINUX_AF_INET6:
        # FreeBSD's default (net.inet6.ip6.v6only): servers bind 0.0.0.0 and :: to one port.
        linux_syscall5(LINUX_SYS_setsockopt, fd, FREEBSD_IPPROTO_IPV6, LINUX_IPV6_V6ONLY, <uint64_t> &on, 4)
    return fd


cdef public long sys_socketpair(frame_t *frame, area_t *area) noexcept nogil:
    cdef int domain = freebsd_to_linux_address_family(<int> frame.arg[0])
    cdef long type_ = freebsd_to_linux_socket_type(<uint32_t> frame.arg[1])
    cdef int pair[2]
    cdef long result
    if domain < 0 or domain == LINUX_AF_UNSPEC:
        return -LINUX_EAFNOSUPPORT
    if type_ < 0 or (domain == LINUX_AF_UNIX and type_ & 0xf == FREEBSD_SOCK_RAW):
        return socket_type_error(-LINUX_ESOCKTNOSUPPORT, frame.arg[2])
    result = linux_syscall4(LINUX_SYS_socketpair, domain, local_type(area, type_) if domain == LINUX_AF_UNIX else type_,
                            <uint32_t> frame.arg[2], <uint64_t> pair)
    if is_error(result):
        return socket_type_error(result, frame.arg[2])
    if domain == LINUX_AF_UNIX:
        local_made(area, pair[0], type_)
        local_made(area, pair[1], type_)
    if copyout(pair, frame.arg[3], sizeof(pair)) < 0:
        linux_syscall1(LINUX_SYS_close, pair[0])
        linux_syscall1(LINUX_SYS_close, pair[1])
        return -LINUX_EFAULT
    return 0


cdef uint64_t bound_nuls(uaddr name, uint64_t length) noexcept nogil:
    """How many bytes of a local socket's address lie behind its path."""
    cdef uint8_t raw[256]
    cdef uint64_t path = 2
    length = <uint32_t> length
    if copyin(name, raw, length) < 0:
        return 0
    while path < length and raw[path] != 0:
        path += 1
    return length - path


cdef bint is_of_another_family(int fd, uaddr name, uint64_t length) noexcept nogil:
    """True for an address that is not of the socket's family. Inet sockets take AF_UNSPEC for old programs' sake."""
    cdef uint8_t head[2]
    cdef int family
    cdef long domain = socket_option(fd, LINUX_SO_DOMAIN)
    if is_error(domain) or <uint32_t> length < 2 or copyin(name, head, 2) < 0:
        return False
    family = linux_family_from_freebsd(head[1])
    return family != domain and (family != LINUX_AF_UNSPEC or domain == LINUX_AF_UNIX)


cdef bint has_a_name(int fd) noexcept nogil:
    """True for a local socket that is bound."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS
    return (linux_syscall3(LINUX_SYS_getsockname, fd, <uint64_t> address, <uint64_t> &length) == 0
            and length > 2 and address[0] == LINUX_AF_UNIX)


cdef inline bint is_multicast(const uint8_t *address) noexcept nogil:
    """IN_MULTICAST, IN6_IS_ADDR_MULTICAST"""
    return address[0] == LINUX_AF_INET and address[4] & 0xf0 == 0xe0 or address[0] == LINUX_AF_INET6 and address[8] == 0xff


cdef bint is_balanced_stream(area_t *area, int fd) noexcept nogil:
    """A TCP socket with SO_REUSEPORT_LB, which makes no connection (tcp_connect)."""
    return (area.proc.own.osreldate >= FREEBSD_SINCE_BALANCED_ALONE and socket_option(fd, KEPT_BALANCED) > 0
            and socket_option(fd, LINUX_SO_DOMAIN) != LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM)


cdef long bind_or_connect(area_t *area, long number, int dirfd, int fd, uaddr name, uint64_t length) noexcept nogil:
    """bind(2), connect(2) and their *at forms, whose descriptor is where a local path starts."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t moved[SOCKET_ADDRESS]
    cdef uint64_t at
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    result = sockaddr_in(name, length, address)
    if result != -LINUX_EFAULT and result != -LINUX_ENAMETOOLONG and is_of_another_family(fd, name, length):
        return -LINUX_EAFNOSUPPORT
    if result < 0:
        return result
    if is_multicast(address) and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM:
        return -LINUX_EAFNOSUPPORT        # tcp_usr_bind, tcp_usr_connect
    if dirfd != LINUX_AT_FDCWD and address[0] == LINUX_AF_UNIX and address[2] != c'/':
        if descriptor_is_hidden(area.proc, dirfd):
            return -LINUX_EBADF
        memset(moved, 0, sizeof(moved))
        moved[0] = LINUX_AF_UNIX
        descriptor_path(dirfd, <char *> &moved[2])
        at = append(<char *> &moved[2], string_length(<char *> &moved[2]), 109, b"/")
        if at + string_length(<char *> &address[2]) > 107:
            return -LINUX_ENAMETOOLONG
        at = append(<char *> &moved[2], at, 109, <char *> &address[2])
        memcpy(address, moved, sizeof(address))
        result = at + 3
    else:
        result = lookup_address(area.proc, address, result)
        if result < 0:
            return result
    if address[0] == LINUX_AF_NETLINK:
        return netlink_bind(fd, number, address, result)
    if number == LINUX_SYS_bind and address[0] == LINUX_AF_UNIX:
        result = linux_bound_address(address, result, bound_nuls(name, length))
    if number == LINUX_SYS_bind and wants_a_range(fd, address):
        return bind_in_range(fd, address, result)
    if number == LINUX_SYS_connect and is_mapped_for_nobody(fd, address):
        return -LINUX_EINVAL
    if number == LINUX_SYS_connect and area.proc.own.sockets & SOCKETS_BALANCED and is_balanced_stream(area, fd):
        return -LINUX_EOPNOTSUPP
    if number == LINUX_SYS_connect and SHIM.own.sockets & SOCKETS_LOW_PORTS:
        at = <uint64_t> bind_low(fd, address[0])
        if is_error(<long> at):
            return <long> at
    # FreeBSD does not restart a connect: it goes on without the caller.
    result = blocking_syscall(number, fd, <uint64_t> address, result, 0, 0, 0)
    if number == LINUX_SYS_connect and result == -LINUX_EAGAIN and address[0] == LINUX_AF_UNIX:
        return -LINUX_ECONNREFUSED        # the listener's queue is full
    if number == LINUX_SYS_bind and result == -LINUX_EADDRINUSE and address[0] == LINUX_AF_UNIX and has_a_name(fd):
        return -LINUX_EINVAL              # no second name, whatever there is
    if number == LINUX_SYS_connect and result == -LINUX_EPERM and address[0] == LINUX_AF_INET:
        return -LINUX_EACCES
    return result


cdef public long sys_bind(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, LINUX_SYS_bind, LINUX_AT_FDCWD, <int> frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_connect(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, LINUX_SYS_connect, LINUX_AT_FDCWD, <int> frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_bindat(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, LINUX_SYS_bind, <int> frame.arg[0], <int> frame.arg[1], frame.arg[2], frame.arg[3])


cdef public long sys_connectat(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, LINUX_SYS_connect, <int> frame.arg[0], <int> frame.arg[1], frame.arg[2], frame.arg[3])


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


cdef long socket_name(frame_t *frame, area_t *area, long number) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if fetch_guest32(frame.arg[2], &room) < 0:
        return -LINUX_EFAULT
    result = linux_syscall3(number, <uint32_t> frame.arg[0], <uint64_t> address, <uint64_t> &length)
    if is_error(result):
        return result
    if address[0] == LINUX_AF_NETLINK:
        if number == LINUX_SYS_getpeername:
            return -LINUX_EOPNOTSUPP
        netlink_name_shown(<int> frame.arg[0], address)
    return sockaddr_out(address, length, frame.arg[1], frame.arg[2], room, names_are_whole(area))


cdef void receive_flush(process_t *proc, int fd) noexcept nogil:
    """After SHUT_RD: what waited to be read is dropped, and descriptors among it are closed (sorflush, unp_dispose)."""
    cdef uint8_t dropped[4096]
    cdef bint messages = socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_STREAM
    cdef long result
    cdef int i
    if messages:
        proc.own.sockets |= SOCKETS_DEAF
    for i in range(FLUSH_MOST):
        result = linux_syscall6(LINUX_SYS_recvfrom, fd, <uint64_t> dropped, sizeof(dropped), LINUX_MSG_DONTWAIT, 0, 0)
        if result < 0 or result == 0 and not messages:
            return


cdef public long sys_shutdown(frame_t *frame, area_t *area) noexcept nogil:
    """A local socket that is not connected is ENOTCONN, as others are on Linux too; a datagram's, and one that listens, of whatever
    family, is shut down all the same (uipc_shutdown, tcp_usr_shutdown). Programs of before FreeBSD 11 are not told."""
    cdef int fd = <int> frame.arg[0], how = <int> frame.arg[1]
    cdef long result = 0
    cdef bint alone, listens = False
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    alone = 0 <= how <= 2 and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX and has_no_peer(fd)
    listens = socket_option(fd, LINUX_SO_ACCEPTCONN) > 0
    if listens and not alone and how != SHUT_WR and 0 <= how <= 2:
        listen_shut(fd)
    if not alone or listens or socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_DGRAM:
        result = linux_syscall2(LINUX_SYS_shutdown, fd, how)
        if result == 0 and how != SHUT_RD and not listens:
            event_shut(area.proc, fd)
        if result == 0 and how != SHUT_WR and not listens:
            receive_flush(area.proc, fd)
    if not is_error(result) and (alone or listens):
        result = -LINUX_ENOTCONN
    return 0 if result == -LINUX_ENOTCONN and area.proc.own.osrel < OSREL_SHUTDOWN_ENOTCONN else result


cdef void fill_kinfo_socket(int fd, freebsd_kf_sock *info) noexcept nogil:
    """What struct kinfo_file tells of a socket of the process's own (soo_fill_kinfo)."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t shown[SOCKET_ADDRESS]
    cdef uint32_t length
    cdef uint64_t size
    cdef int peer
    info.kf_sock_domain0 = freebsd_family_from_linux(<int> socket_option(fd, LINUX_SO_DOMAIN))
    info.kf_sock_type0 = <int32_t> socket_option(fd, LINUX_SO_TYPE)
    info.kf_sock_protocol0 = <int32_t> socket_option(fd, LINUX_SO_PROTOCOL)
    for peer in range(2):
        length = SOCKET_ADDRESS
        if is_error(linux_syscall3(LINUX_SYS_getpeername if peer else LINUX_SYS_getsockname, fd, <uint64_t> address,
                                   <uint64_t> &length)):
            continue
        size = sockaddr_shown(shown, address, length)
        if size <= sizeof(freebsd_sockaddr_storage):
            memcpy(&info.kf_sa_peer if peer else &info.kf_sa_local, shown, size)


cdef public long sys_getsockname(frame_t *frame, area_t *area) noexcept nogil:
    return socket_name(frame, area, LINUX_SYS_getsockname)


cdef public long sys_getpeername(frame_t *frame, area_t *area) noexcept nogil:
    return socket_name(frame, area, LINUX_SYS_getpeername)


cdef bint is_too_long(area_t *area, int fd, uint64_t size) noexcept nogil:
    """True for a local datagram above net.local.dgram.maxdgram."""
    return (size > LOCAL_MAXDGRAM and area.proc.own.sockets & SOCKETS_LOCAL_DGRAM != 0 and is_local_dgram(fd))


cdef long implied_connect(area_t *area, frame_t *frame, const uint8_t *address, long length) noexcept nogil:
    """sendto(2) of a TCP socket that is not connected: it connects first (tcp_usr_send)."""
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t flags = send_flags(area, fd, frame.arg[3])
    cdef long result
    if is_balanced_stream(area, fd):
        return -LINUX_EOPNOTSUPP
    result = blocking_syscall(LINUX_SYS_connect, fd, <uint64_t> address, length, 0, 0, 0)
    if result == -LINUX_EISCONN:
        return -LINUX_ENOTCONN                  # it listens
    if is_error(result) and result != -LINUX_EINPROGRESS:
        return result
    result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, 0, 0)
    return sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, False, result)


cdef public long sys_sendto(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef linux_msghdr header
    cdef linux_iovec vector
    cdef uint64_t to = 0, flags
    cdef long length = 0, result
    cdef int fd = <int> frame.arg[0], kind
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        return netlink_give(area, fd, kind, 0, 1, <freebsd_iovec *> &vector, send_flags(area, fd, frame.arg[3]))
    if frame.arg[4] != 0:
        length = sockaddr_in(frame.arg[4], frame.arg[5], address)
        if length > 0:
            length = lookup_address(area.proc, address, length)
        if length < 0:
            return length
        if is_mapped_for_nobody(fd, address):
            return -LINUX_EINVAL
        to = <uint64_t> address
    if is_out_of_band(fd, frame.arg[3]):
        return -LINUX_EOPNOTSUPP
    if is_too_long(area, fd, frame.arg[2]):
        return -LINUX_EMSGSIZE
    flags = send_flags(area, fd, frame.arg[3])
    if frame.arg[3] & FREEBSD_MSG_EOR and keeps_records(area, fd):
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        memset(&header, 0, sizeof(header))
        header.msg_iov = &vector
        header.msg_iovlen = 1
        return sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, False,
                    send_record(area, fd, &header, NULL, flags))
    result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, to, length)
    if result == -LINUX_EISCONN and to != 0 and address[0] == LINUX_AF_UNIX:
        result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, 0, 0)     # a stream looks at none
    if result == -LINUX_EINVAL and to != 0 and is_of_another_family(fd, frame.arg[4], frame.arg[5]):
        return -LINUX_EAFNOSUPPORT
    result = sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, to != 0, result)
    if result == -LINUX_ENOTCONN and to != 0 and address[0] != LINUX_AF_UNIX:
        return implied_connect(area, frame, address, length)
    return result


cdef public long sys_recvfrom(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef int fd = <int> frame.arg[0], kind
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[3])
    cdef linux_iovec vector
    cdef long result, left
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        return netlink_recvfrom(frame, area, kind)
    if frame.arg[5] != 0 and fetch_guest32(frame.arg[5], &room) < 0:
        return -LINUX_EFAULT
    if range_is_ours(frame.arg[1], frame.arg[2]):
        return -LINUX_EFAULT
    left = record_left(area, fd)
    if left >= 0:
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        result = record_read(area, fd, &vector, 1, flags, <uint64_t> left)
        if is_error(result) or frame.arg[4] == 0 or frame.arg[5] == 0:
            return result
        return -LINUX_EFAULT if store_guest32(frame.arg[5], 0) < 0 else result     # a stream tells no sender
    result = blocking_syscall(LINUX_SYS_recvfrom, fd, frame.arg[1], frame.arg[2], flags, <uint64_t> address,
                              <uint64_t> &length)
    if was_left_unread(fd, result):
        result = linux_syscall6(LINUX_SYS_recvfrom, fd, frame.arg[1], frame.arg[2], flags, <uint64_t> address,
                                <uint64_t> &length)
    if is_error(result):
        return restartable(receive_error(fd, result))
    area.own.messages[1] += result > 0
    if frame.arg[4] == 0 or frame.arg[5] == 0:
        return result
    length = sender_length(fd, address, length)
    return -LINUX_EFAULT if sockaddr_out(address, length, frame.arg[4], frame.arg[5], room, False) < 0 else result


cdef public long sys_sendmsg(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0], manifest = -1, kind
    cdef uint64_t flags
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if is_out_of_band(fd, frame.arg[2]):
        return -LINUX_EOPNOTSUPP
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -LINUX_EFAULT
    kind = netlink_kind(area, fd)
    if kind and kind != SOCKET_IS_ROUTE and message.msg_control != 0:
        return -LINUX_EINVAL
    if kind:
        return netlink_give(area, fd, kind, message.msg_iov, <uint32_t> message.msg_iovlen, NULL,
                            send_flags(area, fd, frame.arg[2]))
    linux_msghdr_from_freebsd(&header, &message)
    header.msg_name = NULL
    header.msg_namelen = 0
    header.msg_control = NULL
    header.msg_controllen = 0
    if message.msg_name != 0:
        result = sockaddr_in(message.msg_name, message.msg_namelen, address)
        if result > 0:
            result = lookup_address(area.proc, address, result)
        if result < 0:
            return result
        if is_mapped_for_nobody(fd, address):
            return -LINUX_EINVAL
        header.msg_name = address
        header.msg_namelen = <uint32_t> result
    if area.proc.own.sockets & SOCKETS_LOCAL_DGRAM:
        result = vectors_size(&header)
        if result < 0 or is_too_long(area, fd, <uint64_t> result):
            return result if result < 0 else -LINUX_EMSGSIZE
    flags = send_flags(area, fd, frame.arg[2])
    if frame.arg[2] & FREEBSD_MSG_EOR and keeps_records(area, fd):
        return sent(area, fd, frame.arg[2], flags & LINUX_MSG_NOSIGNAL != 0, message.msg_name != 0,
                    send_record(area, fd, &header, &message, flags))
    if message.msg_control != 0:
        result = control_in(area, fd, &message, control, False, &manifest)
        if result < 0:
            return result
        header.msg_control = control
        header.msg_controllen = <uint64_t> result
    result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if result == -LINUX_EISCONN and header.msg_name != NULL and address[0] == LINUX_AF_UNIX:
        header.msg_name = NULL              # a stream looks at none
        header.msg_namelen = 0
        result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if manifest >= 0:
        linux_syscall1(LINUX_SYS_close, manifest)
    if result == -LINUX_EINVAL and message.msg_name != 0 and is_of_another_family(fd, message.msg_name, message.msg_namelen):
        return -LINUX_EAFNOSUPPORT
    return sent(area, fd, frame.arg[2], flags & LINUX_MSG_NOSIGNAL != 0, message.msg_name != 0, result)


cdef void receive_control(area_t *area, int fd, long domain, const freebsd_msghdr *message, linux_msghdr *header,
                          uint8_t *control, uint64_t flags, control_t *out, uint32_t *told) noexcept nogil:
    """The guest's control part for Linux's."""
    cdef uint64_t length = header.msg_controllen
    cdef lsf_received asked
    if domain == LINUX_AF_UNIX:
        local_control_out(area.proc, fd, control, length, out, flags & FREEBSD_MSG_PEEK != 0)
        if out.full:
            told[0] |= FREEBSD_MSG_CTRUNC
    elif length != 0:
        received_asked(fd, control, length, &asked)
        out.length = freebsd_cmsgs_from_linux(out.answer, out.room, control, length, told, &asked)


cdef public long sys_recvmsg(frame_t *frame, area_t *area) noexcept nogil:
    """What was asked for comes back in msg_flags, beside what Linux tells (kern_recvit)."""
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef control_t out
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0], kind
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[2])
    cdef linux_iovec vectors[VECTORS_SMALL]
    cdef uint64_t room = 0
    cdef uint32_t told, length
    cdef long result, domain = LINUX_AF_UNSPEC, left
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        return netlink_recvmsg(frame, area, kind)
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -LINUX_EFAULT
    linux_msghdr_from_freebsd(&header, &message)
    header.msg_name = NULL
    header.msg_namelen = 0
    header.msg_control = NULL
    header.msg_controllen = 0
    if message.msg_name != 0:
        header.msg_name = address
        header.msg_namelen = SOCKET_ADDRESS
    # All that may come: what does not fit, or is not wanted, is the shim's to leave out, and descriptors among it to close.
    header.msg_control = control
    header.msg_controllen = SOCKET_CONTROL
    if message.msg_control != 0:
        domain = socket_option(fd, LINUX_SO_DOMAIN)
        if domain == LINUX_AF_UNIX:
            credentials_can_come(fd)
    left = record_left(area, fd)
    if left >= 0 and header.msg_iovlen <= VECTORS_MOST:
        if header.msg_iovlen > VECTORS_SMALL:
            header.msg_iovlen = VECTORS_SMALL           # the others are not filled
        if copyin(<uaddr> header.msg_iov, vectors, header.msg_iovlen * sizeof(linux_iovec)) < 0:
            return -LINUX_EFAULT
        room = record_limit(vectors, header.msg_iovlen, <uint64_t> left)
        header.msg_iov = vectors
    result = blocking_syscall(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if was_left_unread(fd, result):
        result = linux_syscall3(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags)
    if is_error(result):
        result = receive_error(fd, result)
        if result != 0:
            return restartable(result)
        header.msg_namelen = 0          # nothing came, and nothing with it
        header.msg_controllen = 0
        header.msg_flags = 0
    area.own.messages[1] += result > 0
    told = <uint32_t> linux_to_freebsd_msg_flags(<uint32_t> header.msg_flags)
    told |= <uint32_t> frame.arg[2] & ~<uint32_t> FREEBSD_MSG_TRUNC
    if message.msg_control == 0:
        message.msg_controllen = 0
    control_begin(&out, message.msg_controllen)
    if header.msg_controllen != 0:
        if message.msg_control == 0:
            domain = socket_option(fd, LINUX_SO_DOMAIN)
        receive_control(area, fd, domain, &message, &header, control, frame.arg[2], &out, &told)
    if (out.eor != 0) if left < 0 else record_took(fd, <uint64_t> left, <uint64_t> result, room, out.eor,
                                                   frame.arg[2] & FREEBSD_MSG_PEEK != 0):
        told |= FREEBSD_MSG_EOR
    if message.msg_control == 0:
        told &= ~<uint32_t> FREEBSD_MSG_CTRUNC          # who gives no place for it does not learn that there was any
    message.msg_flags = <int32_t> told
    if message.msg_name != 0:
        length = sender_length(fd, address, header.msg_namelen)
        if sockaddr_out(address, length, message.msg_name, frame.arg[1] + 8, message.msg_namelen, False) < 0:
            control_dispose(&out)
            return -LINUX_EFAULT
        fetch_guest32(frame.arg[1] + 8, &message.msg_namelen)
    if message.msg_control != 0:
        message.msg_controllen = <uint32_t> out.length
    if copyout(out.answer, message.msg_control, out.length) < 0 \
            or copyout(&message, frame.arg[1], sizeof(message)) < 0:
        control_dispose(&out)
        return -LINUX_EFAULT
    return result

# Sockets. Options: sockopt.pxi; sending and receiving: message.pxi; addresses and control messages are converted in lsf/freebsd/abi/socket.pxi.
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

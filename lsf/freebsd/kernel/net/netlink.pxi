# Netlink sockets, as FreeBSD has them since 13.2, and what they have in common with routing sockets (rtsock.pxi). Model: FreeBSD
# sys/netlink/netlink_domain.c, netlink_io.c, netlink/route/{iface,rt,neigh}.c; netlink(4), rtnetlink(4).
#
# Either is a netlink socket of Linux's: it waits, polls and is passed on as one. What is sent and received is translated
# (netlink_request.pxi, netlink_message.pxi), also where a program uses read and write, which the pass lane would take: in a process
# that has made such a socket, or got one (socket_came), it looks closely at every descriptor, as at hidden ones.
#
# What FreeBSD keeps of one and Linux does not is in KEPT_TYPE: its protocol in the low byte, then the process that made it, then
# whether a program has bound it. Linux binds at the first send, FreeBSD never by itself: who has no port is told 0.

cdef enum:
    SOCKET_IS_NETLINK = 1
    SOCKET_IS_ROUTE = 2
    SOCKET_IS_GENERIC = 3
    NETLINK_PROTOCOL_BITS = 8
    NETLINK_BOUND = 1 << 30
    NETLINK_ROOM = 1 << 16          # of what one call sends or receives
    NETLINK_MAX_PROTOCOL = 20       # NL_MAX_HANDLERS
    ROUTE_GROUPS = 0x551            # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE

# Where a call works: what Linux sends or gets, what the guest does, and the guest's vectors.
cdef struct netlink_work_t:
    uint8_t linux[NETLINK_ROOM]
    uint8_t guest[NETLINK_ROOM]
    freebsd_iovec vectors[VECTORS_MOST]


cdef int netlink_kind(area_t *area, int fd) noexcept nogil:
    """SOCKET_IS_NETLINK, SOCKET_IS_ROUTE, or 0: what most processes have, and then without asking."""
    cdef long kept
    if not area.proc.own.sockets & SOCKETS_NETLINK or socket_option(fd, LINUX_SO_DOMAIN) != LINUX_AF_NETLINK:
        return 0
    kept = socket_option(fd, KEPT_TYPE) & 0xff
    return SOCKET_IS_ROUTE if kept == FREEBSD_AF_ROUTE else SOCKET_IS_GENERIC if kept == LINUX_NETLINK_GENERIC \
        else SOCKET_IS_NETLINK


cdef bint netlink_is_bound(int fd) noexcept nogil:
    """True for a netlink socket that a program has bound."""
    cdef long kept = socket_option(fd, KEPT_TYPE)
    return kept > 0 and kept & NETLINK_BOUND != 0


cdef uint32_t netlink_port(int fd) noexcept nogil:
    """The port that Linux has given to a netlink socket."""
    cdef uint32_t address[3]
    cdef uint32_t length = sizeof(address)
    address[1] = 0
    linux_syscall3(LINUX_SYS_getsockname, fd, <uint64_t> address, <uint64_t> &length)
    return address[1]


cdef void netlink_name_shown(int fd, uint8_t *address) noexcept nogil:
    """The name of a netlink socket, as the guest knows it (nl_sockaddr): its port, and no groups."""
    if not netlink_is_bound(fd):
        (<uint32_t *> address)[1] = 0
    (<uint32_t *> address)[2] = 0


cdef long netlink_bind(int fd, long number, uint8_t *address, long length) noexcept nogil:
    """bind(2), and connect(2) of what is connected from the beginning (nl_attach, soconnect). One that Linux has bound keeps its port."""
    cdef long kept = socket_option(fd, KEPT_TYPE), result
    if number != LINUX_SYS_bind:
        return -LINUX_EISCONN
    if length != 12:
        return -LINUX_EINVAL
    result = linux_syscall3(number, fd, <uint64_t> address, length)
    if result == -LINUX_EINVAL and (<uint32_t *> address)[1] == 0 and not netlink_is_bound(fd):
        (<uint32_t *> address)[1] = netlink_port(fd)
        result = linux_syscall3(number, fd, <uint64_t> address, length)
    if not is_error(result) and kept >= 0:
        set_socket_option(fd, KEPT_TYPE, <int> (kept | NETLINK_BOUND))
    return result


cdef long netlink_socket(frame_t *frame, area_t *area) noexcept nogil:
    """socket(2) of PF_NETLINK and PF_ROUTE. A routing socket's protocol is the family of addresses that it wants to hear of."""
    cdef bint route = <int> frame.arg[0] == FREEBSD_AF_ROUTE
    cdef long type_ = freebsd_to_linux_socket_type(<uint32_t> frame.arg[1]), fd
    cdef uint32_t protocol = <uint32_t> frame.arg[2]
    cdef uint32_t address[3]
    cdef int on = 1
    if not route and area.proc.own.osreldate < FREEBSD_SINCE_NETLINK:
        return -LINUX_EAFNOSUPPORT
    if type_ < 0 or (type_ & 0xf != LINUX_SOCK_RAW and (route or type_ & 0xf != LINUX_SOCK_DGRAM)):
        return -LINUX_EPROTOTYPE
    if not route and protocol != LINUX_NETLINK_ROUTE and protocol != LINUX_NETLINK_GENERIC:
        return -LINUX_EPROTONOSUPPORT if protocol < NETLINK_MAX_PROTOCOL else -LINUX_EINVAL
    fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_NETLINK, type_, LINUX_NETLINK_ROUTE if route else protocol)
    if is_error(fd):
        return fd
    sockets_watch(area.proc, SOCKETS_NETLINK)
    # Dumps of one family or interface are Linux's to filter; that something was dropped FreeBSD tells nobody.
    linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_NETLINK, LINUX_NETLINK_GET_STRICT_CHK, <uint64_t> &on, 4)
    linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_NETLINK, LINUX_NETLINK_NO_ENOBUFS, <uint64_t> &on, 4)
    if not route:
        set_socket_option(<int> fd, KEPT_TYPE, <int> (protocol | <uint32_t> linux_syscall0(LINUX_SYS_getpid)
                                                      << NETLINK_PROTOCOL_BITS))
    if route:
        set_socket_option(<int> fd, KEPT_TYPE, <int> (FREEBSD_AF_ROUTE | (protocol & 0xff) << 8))
        set_socket_option(<int> fd, KEPT_USELOOPBACK, 1)
        address[0] = LINUX_AF_NETLINK
        address[1] = 0
        address[2] = ROUTE_GROUPS
        linux_syscall3(LINUX_SYS_bind, fd, <uint64_t> address, sizeof(address))
    return fd


# ------------------------------------------------------------------ sending

cdef long gather(const freebsd_iovec *vectors, uint64_t count, uint8_t *to, uint64_t room) noexcept nogil:
    """What the guest's vectors hold, in one piece: its length, or an error."""
    cdef uint64_t total = 0, i
    for i in range(count):
        if vectors[i].iov_len > room - total:
            return -LINUX_EMSGSIZE
        if copyin(vectors[i].iov_base, to + total, vectors[i].iov_len) < 0:
            return -LINUX_EFAULT
        total += vectors[i].iov_len
    return <long> total


cdef long vectors_in(netlink_work_t *work, uaddr vectors, uint64_t count, const freebsd_iovec *own) noexcept nogil:
    """The vectors of a call: the guest's at `vectors`, or one of the shim's."""
    if own != NULL:
        work.vectors[0] = own[0]
        return 0
    return copyin(vectors, work.vectors, count * sizeof(freebsd_iovec))


cdef long netlink_give(area_t *area, int fd, int kind, uaddr vectors, uint64_t count, const freebsd_iovec *own,
                       uint64_t flags) noexcept nogil:
    """Send what `count` vectors hold (vectors_in); flags are Linux's."""
    cdef netlink_work_t *work
    cdef long length, result
    if count > VECTORS_MOST:
        return -LINUX_EMSGSIZE
    work = <netlink_work_t *> map_memory(page_up(sizeof(netlink_work_t)))
    if work == NULL:
        return -LINUX_ENOBUFS
    length = -LINUX_EFAULT
    if vectors_in(work, vectors, count, own) == 0:
        length = gather(work.vectors, count, work.guest, NETLINK_ROOM)
    if length < 0:
        result = length
    elif kind == SOCKET_IS_ROUTE:
        result = route_write(area, fd, work, <uint64_t> length)
    elif length < <long> sizeof(linux_nlmsghdr):
        result = -LINUX_ENOBUFS
    else:
        result = netlink_requests(area, kind, work, <uint64_t> length)
        if result > 0:
            result = blocking_syscall(LINUX_SYS_sendto, fd, <uint64_t> work.linux, result, flags, 0, 0)
        if not is_error(result):
            result = length
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> work, page_up(sizeof(netlink_work_t)))
    return restartable(result)


# ------------------------------------------------------------------ receiving

cdef long scatter(const freebsd_iovec *vectors, uint64_t count, const uint8_t *source, uint64_t length) noexcept nogil:
    """Give the guest as much as its vectors hold: how much that is, or an error."""
    cdef uint64_t done = 0, part, i
    for i in range(count):
        part = length - done
        if part > vectors[i].iov_len:
            part = vectors[i].iov_len
        if copyout(source + done, vectors[i].iov_base, part) < 0:
            return -LINUX_EFAULT
        done += part
    return <long> done


cdef long netlink_next(area_t *area, int fd, int kind, netlink_work_t *work, uint64_t room, uint64_t flags) noexcept nogil:
    """The next messages that say something to the guest, in work.guest: their length. Linux fills no more than `room`, if that
    is not less than it wants."""
    cdef long result, length
    while True:
        result = blocking_syscall(LINUX_SYS_recvfrom, fd, <uint64_t> work.linux, room, flags, 0, 0)
        if is_error(result):
            return result
        if kind == SOCKET_IS_ROUTE:
            length = route_read(area, fd, work, <uint64_t> result)
        else:
            length = netlink_messages(fd, kind, work, <uint64_t> result)
        if length > 0:
            return length
        if flags & LINUX_MSG_PEEK:          # nothing for the guest: out of the way
            linux_syscall6(LINUX_SYS_recvfrom, fd, <uint64_t> work.linux, room, LINUX_MSG_DONTWAIT, 0, 0)


cdef long netlink_take(area_t *area, int fd, int kind, uaddr vectors, uint64_t count, const freebsd_iovec *own,
                       uint64_t flags, uint32_t *told) noexcept nogil:
    """Receive into `count` vectors (vectors_in); flags are FreeBSD's, and *told gets MSG_TRUNC for what did not fit."""
    cdef netlink_work_t *work
    cdef uint64_t room = 0, i
    cdef long length, result = -LINUX_EFAULT
    if count > VECTORS_MOST:
        return -LINUX_EMSGSIZE
    work = <netlink_work_t *> map_memory(page_up(sizeof(netlink_work_t)))
    if work == NULL:
        return -LINUX_ENOBUFS
    if vectors_in(work, vectors, count, own) == 0:
        for i in range(count):
            room += work.vectors[i].iov_len if work.vectors[i].iov_len < NETLINK_ROOM else NETLINK_ROOM
        room = NETLINK_ROOM if room > NETLINK_ROOM else 8192 if room < 8192 else room
        length = netlink_next(area, fd, kind, work, room, <uint64_t> freebsd_to_linux_msg_flags(
            <uint32_t> flags & ~<uint32_t> FREEBSD_MSG_TRUNC))
        result = length
        if length > 0:
            result = scatter(work.vectors, count, work.guest, <uint64_t> length)
            if 0 <= result < length:
                told[0] |= FREEBSD_MSG_TRUNC
                if flags & FREEBSD_MSG_TRUNC:
                    result = length
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> work, page_up(sizeof(netlink_work_t)))
    return restartable(result)


cdef uint64_t netlink_sender(uint8_t *to, int kind) noexcept nogil:
    """Who a message is from, as the guest's address: the kernel."""
    memset(to, 0, 12)
    to[0] = 2 if kind == SOCKET_IS_ROUTE else 12
    to[1] = FREEBSD_AF_ROUTE if kind == SOCKET_IS_ROUTE else FREEBSD_AF_NETLINK
    return to[0]


cdef long netlink_name(int kind, uaddr name, uaddr length_at, uint32_t room) noexcept nogil:
    cdef uint8_t address[16]
    cdef uint64_t size = netlink_sender(address, kind)
    if size > room:
        size = room
    if copyout(address, name, size) < 0:
        return -LINUX_EFAULT
    return store_guest32(length_at, <uint32_t> size)


cdef long netlink_recvfrom(frame_t *frame, area_t *area, int kind) noexcept nogil:
    cdef freebsd_iovec vector
    cdef uint32_t room = 0, told = 0
    cdef long result
    if frame.arg[5] != 0 and fetch_guest32(frame.arg[5], &room) < 0:
        return -LINUX_EFAULT
    vector.iov_base = frame.arg[1]
    vector.iov_len = frame.arg[2]
    result = netlink_take(area, <int> frame.arg[0], kind, 0, 1, &vector, frame.arg[3], &told)
    if is_error(result) or frame.arg[4] == 0 or frame.arg[5] == 0:
        return result
    return -LINUX_EFAULT if netlink_name(kind, frame.arg[4], frame.arg[5], room) < 0 else result


cdef long netlink_readable(area_t *area, int fd, int32_t *count) noexcept nogil:
    """FIONREAD: how much the next read gets. FreeBSD counts what later ones get, too. 0, or -LINUX_ENOTTY for any other socket."""
    cdef netlink_work_t *work
    cdef int kind = netlink_kind(area, fd)
    cdef long result
    if kind == 0:
        return -LINUX_ENOTTY
    work = <netlink_work_t *> map_memory(page_up(sizeof(netlink_work_t)))
    if work == NULL:
        return -LINUX_ENOBUFS
    result = netlink_next(area, fd, kind, work, NETLINK_ROOM, LINUX_MSG_PEEK | LINUX_MSG_DONTWAIT)
    count[0] = <int32_t> result if result > 0 else 0
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> work, page_up(sizeof(netlink_work_t)))
    return 0


cdef uint64_t netlink_control(int fd, uint8_t *to) noexcept nogil:
    """What NETLINK_MSG_INFO adds to a message: two attributes, the process that made the socket and the socket's port (nl_createcontrol).
    Its length: at most 32 bytes."""
    cdef uint64_t at = 16
    cdef long kept = socket_option(fd, KEPT_TYPE)
    nla_put32(to, &at, FREEBSD_NLMSGINFO_ATTR_PROCESS_ID, (<uint32_t> kept & NETLINK_BOUND - 1) >> NETLINK_PROTOCOL_BITS)
    nla_put32(to, &at, FREEBSD_NLMSGINFO_ATTR_PORT_ID, netlink_port(fd) if kept & NETLINK_BOUND else 0)
    put_cmsg(<char *> to, at - 16, LINUX_SOL_NETLINK, FREEBSD_NETLINK_MSG_INFO, 1)
    return at


cdef long netlink_recvmsg(frame_t *frame, area_t *area, int kind) noexcept nogil:
    cdef uint8_t control[32]
    cdef uint64_t size = 0
    cdef freebsd_msghdr message
    cdef uint32_t told = 0
    cdef long result
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -LINUX_EFAULT
    result = netlink_take(area, <int> frame.arg[0], kind, message.msg_iov, <uint32_t> message.msg_iovlen,
                          NULL, frame.arg[2], &told)
    if is_error(result):
        return result
    if message.msg_name != 0 and netlink_name(kind, message.msg_name, frame.arg[1] + 8, message.msg_namelen) < 0:
        return -LINUX_EFAULT
    if message.msg_name != 0:
        fetch_guest32(frame.arg[1] + 8, &message.msg_namelen)
    if message.msg_control != 0 and kind != SOCKET_IS_ROUTE and socket_option(<int> frame.arg[0], KEPT_MSG_INFO) > 0:
        size = netlink_control(<int> frame.arg[0], control)
        if size > message.msg_controllen:
            size = message.msg_controllen
            told |= FREEBSD_MSG_CTRUNC
        if copyout(control, message.msg_control, size) < 0:
            return -LINUX_EFAULT
    message.msg_controllen = <uint32_t> size
    message.msg_flags = <int32_t> (told | <uint32_t> frame.arg[2] & ~<uint32_t> FREEBSD_MSG_TRUNC)
    return -LINUX_EFAULT if copyout(&message, frame.arg[1], sizeof(message)) < 0 else result


cdef long netlink_transfer(area_t *area, frame_t *frame, uint64_t nr) noexcept nogil:
    """read(2), readv(2), write(2) and writev(2) on a netlink or routing socket: -LINUX_ENOSYS where it is none."""
    cdef freebsd_iovec vector
    cdef uint32_t told = 0
    cdef int kind = netlink_kind(area, <int> frame.arg[0])
    if kind == 0:
        return -LINUX_ENOSYS
    if nr == FREEBSD_SYS_readv:
        return netlink_take(area, <int> frame.arg[0], kind, frame.arg[1], <uint32_t> frame.arg[2], NULL, 0, &told)
    if nr == FREEBSD_SYS_writev:
        return netlink_give(area, <int> frame.arg[0], kind, frame.arg[1], <uint32_t> frame.arg[2], NULL, 0)
    vector.iov_base = frame.arg[1]
    vector.iov_len = frame.arg[2]
    if nr == FREEBSD_SYS_read:
        return netlink_take(area, <int> frame.arg[0], kind, 0, 1, &vector, 0, &told)
    return netlink_give(area, <int> frame.arg[0], kind, 0, 1, &vector, 0)

# Options of sockets: setsockopt(2), getsockopt(2). Numbers: the tables so_option, ip_option, ipv6_option and tcp_option
# of lsf/freebsd/tables/flags.py. Model: FreeBSD sys/kern/uipc_socket.c (sosetopt, sogetopt), uipc_usrreq.c (uipc_ctloutput),
# netinet/{ip_output,in_mcast,tcp_usrreq}.c, netinet6/ip6_output.c.

cdef enum:
    SOCKOPT_MAX = 512               # the largest value that either system takes here
    XUCRED_GROUPS = 16
    TCP_INFO_COMMON = 104           # FreeBSD copied the layout of Linux's so far

# TCPS_ of FreeBSD for Linux's TCP_ states, which begin with 1 (TCP_ESTABLISHED).
cdef extern from *:
    """
    static const unsigned char lsf_tcp_states[13] = {
        0, 4, 2, 3, 6, 9, 10, 0, 5, 8, 1, 7, 3  /* CLOSED ESTABLISHED SYN_SENT SYN_RECEIVED FIN_WAIT_1 FIN_WAIT_2
                                                   TIME_WAIT CLOSED CLOSE_WAIT LAST_ACK LISTEN CLOSING SYN_RECEIVED */
    };
    """
    const uint8_t lsf_tcp_states[13]


cdef bint option_is_flag(uint32_t name) noexcept nogil:
    """True for what FreeBSD keeps in so_options: getsockopt shows the bit itself."""
    return (name == FREEBSD_SO_DEBUG or name == FREEBSD_SO_ACCEPTCONN or name == FREEBSD_SO_REUSEADDR
            or name == FREEBSD_SO_KEEPALIVE or name == FREEBSD_SO_DONTROUTE or name == FREEBSD_SO_BROADCAST
            or name == FREEBSD_SO_USELOOPBACK or name == FREEBSD_SO_OOBINLINE or name == FREEBSD_SO_REUSEPORT
            or name == FREEBSD_SO_TIMESTAMP or name == FREEBSD_SO_NOSIGPIPE or name == FREEBSD_SO_BINTIME
            or name == FREEBSD_SO_NO_OFFLOAD or name == FREEBSD_SO_NO_DDP or name == FREEBSD_SO_REUSEPORT_LB
            or name == FREEBSD_SO_RERROR)


cdef bint option_has_no_effect(uint32_t name, int domain, long type_) noexcept nogil:
    """True for what is accepted and forgotten: without meaning for this socket on FreeBSD either, or a hint. Among them
    are the bits that keep something else (KEPT_)."""
    if domain == LINUX_AF_UNIX and (name == FREEBSD_SO_KEEPALIVE or name == FREEBSD_SO_DONTROUTE
                                    or name == FREEBSD_SO_REUSEPORT or name == FREEBSD_SO_REUSEPORT_LB):
        return True                 # newer versions of Linux refuse SO_REUSEPORT where it has no meaning
    if name == FREEBSD_SO_BROADCAST or name == FREEBSD_SO_OOBINLINE:
        return kept_nosigpipe(domain, type_) == freebsd_to_linux_so_option(<int> name)
    return (name == FREEBSD_SO_USELOOPBACK or name == FREEBSD_SO_NO_OFFLOAD or name == FREEBSD_SO_NO_DDP
            or name == FREEBSD_SO_RERROR or name == FREEBSD_SO_SNDLOWAT or name == FREEBSD_SO_USER_COOKIE)


cdef inline bint option_needs_kind(int level, uint32_t name) noexcept nogil:
    """False for the options that servers set on each connection, and that mean the same on every socket that has them: what
    kind of socket it is need not be asked first. (TCP's are another socket's EOPNOTSUPP, and then it is asked.)"""
    if level == FREEBSD_SOL_SOCKET:
        return not (name == FREEBSD_SO_REUSEADDR or name == FREEBSD_SO_ERROR or name == FREEBSD_SO_TYPE
                    or name == FREEBSD_SO_SNDBUF
                    or name == FREEBSD_SO_RCVBUF or name == FREEBSD_SO_LINGER or name == FREEBSD_SO_SNDTIMEO
                    or name == FREEBSD_SO_RCVTIMEO)
    return level != FREEBSD_IPPROTO_TCP


cdef inline long type_if_it_matters(int fd, uint32_t name) noexcept nogil:
    """The socket's type where option_has_no_effect or kept_nosigpipe asks for it, else 0."""
    if name == FREEBSD_SO_BROADCAST or name == FREEBSD_SO_OOBINLINE or name == FREEBSD_SO_NOSIGPIPE:
        return socket_option(fd, LINUX_SO_TYPE)
    return 0


cdef long set_at_socket(area_t *area, int fd, int domain, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    """setsockopt at SOL_SOCKET."""
    cdef int linux = freebsd_to_linux_so_option(<int> name)
    cdef int number = (<int *> value)[0]
    cdef long result, type_ = type_if_it_matters(fd, name)
    if name == FREEBSD_SO_ACCEPTFILTER:
        # A kernel without such a filter; taking one off where there is none is an error too.
        return -LINUX_EINVAL if size == 0 else -LINUX_ENOENT
    if name == FREEBSD_SO_LINGER or name == FREEBSD_SO_SNDTIMEO or name == FREEBSD_SO_RCVTIMEO:
        if size < (8 if name == FREEBSD_SO_LINGER else 16):
            return -LINUX_EINVAL
        return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_SOCKET, linux, <uint64_t> value,
                              8 if name == FREEBSD_SO_LINGER else 16)
    if size < 4:
        return -LINUX_EINVAL
    if option_has_no_effect(name, domain, type_):
        return 0
    if name == FREEBSD_SO_NOSIGPIPE:
        if number:
            watch_sigpipe(area.proc, NOSIGPIPE_SOCKETS)
        return set_socket_option(fd, kept_nosigpipe(domain, type_), number != 0)
    if name == FREEBSD_SO_SETFIB:
        return 0 if number == 0 else -LINUX_EINVAL
    if name == FREEBSD_SO_TS_CLOCK:
        if number == FREEBSD_SO_TS_REALTIME:
            return set_socket_option(fd, LINUX_SO_TIMESTAMPNS, 1)
        return 0 if number == 0 else -LINUX_EINVAL
    if (name == FREEBSD_SO_SNDBUF or name == FREEBSD_SO_RCVBUF or name == FREEBSD_SO_RCVLOWAT) and number < 1:
        return -LINUX_EINVAL
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    result = set_socket_option(fd, linux, number)
    if name == FREEBSD_SO_DEBUG and (result == -LINUX_EACCES or result == -LINUX_EPERM):
        return 0                    # anybody may, on FreeBSD; it does nothing without a debugger of the kernel
    if name == FREEBSD_SO_ACCEPTCONN or name == FREEBSD_SO_ERROR or name == FREEBSD_SO_TYPE \
            or name == FREEBSD_SO_PROTOCOL or name == FREEBSD_SO_DOMAIN:
        return -LINUX_ENOPROTOOPT
    return result


cdef long get_at_socket(int fd, int domain, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    """getsockopt at SOL_SOCKET; *size in: room, out: what there is."""
    cdef int linux = freebsd_to_linux_so_option(<int> name)
    cdef int *number = <int *> value
    cdef long result, type_ = type_if_it_matters(fd, name)
    cdef uint32_t length = 16
    if name == FREEBSD_SO_ACCEPTFILTER or name == FREEBSD_SO_LABEL or name == FREEBSD_SO_PEERLABEL:
        return -LINUX_EINVAL
    size[0] = 4
    number[0] = 0
    if name == FREEBSD_SO_NOSIGPIPE:
        if socket_option(fd, kept_nosigpipe(domain, type_)) > 0:
            number[0] = FREEBSD_SO_NOSIGPIPE
        return 0
    if name == FREEBSD_SO_SNDLOWAT:
        number[0] = 2048            # SO_SNDLOWAT's default
        return 0
    if option_has_no_effect(name, domain, type_) or name == FREEBSD_SO_SETFIB or name == FREEBSD_SO_BINTIME:
        return 0
    if name == FREEBSD_SO_TS_CLOCK:
        if socket_option(fd, LINUX_SO_TIMESTAMPNS) > 0:
            number[0] = FREEBSD_SO_TS_REALTIME
        return 0
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, linux, <uint64_t> value, <uint64_t> &length)
    if is_error(result):
        return result
    size[0] = length
    if name == FREEBSD_SO_LINGER:
        number[0] = FREEBSD_SO_LINGER if number[0] else 0
    elif name == FREEBSD_SO_SNDBUF or name == FREEBSD_SO_RCVBUF:
        number[0] = number[0] // 2  # Linux doubles what is asked for
    elif name == FREEBSD_SO_ERROR:
        number[0] = lsf_errno_map[number[0] & 4095] if number[0] else 0
    elif name == FREEBSD_SO_DOMAIN:
        number[0] = linux_to_freebsd_address_family(number[0])
    elif option_is_flag(name) and number[0]:
        number[0] = <int> name
    return 0


cdef long set_local(int fd, uint32_t name, const uint8_t *value, uint64_t size) noexcept nogil:
    """Level SOL_LOCAL, of local sockets."""
    cdef int on = (<const int *> value)[0] != 0
    if name == FREEBSD_LOCAL_CREDS or name == FREEBSD_LOCAL_CREDS_PERSISTENT:
        if size < 4:
            return -LINUX_EINVAL
        # One excludes the other.
        if on and socket_option(fd, KEPT_CREDS_PERSISTENT if name == FREEBSD_LOCAL_CREDS else KEPT_CREDS) > 0:
            return -LINUX_EINVAL
        set_socket_option(fd, LINUX_SO_PASSCRED, on)
        return set_socket_option(fd, KEPT_CREDS if name == FREEBSD_LOCAL_CREDS else KEPT_CREDS_PERSISTENT, on)
    return -LINUX_ENOPROTOOPT


cdef long get_local(int fd, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    cdef freebsd_xucred *answer = <freebsd_xucred *> value
    cdef linux_ucred peer
    cdef uint32_t groups[64]
    cdef uint32_t length = sizeof(peer), i
    cdef long result
    if name == FREEBSD_LOCAL_CREDS or name == FREEBSD_LOCAL_CREDS_PERSISTENT:
        (<int *> value)[0] = socket_option(fd, KEPT_CREDS if name == FREEBSD_LOCAL_CREDS else KEPT_CREDS_PERSISTENT) > 0
        size[0] = 4
        return 0
    if name != FREEBSD_LOCAL_PEERCRED:
        return -LINUX_EOPNOTSUPP
    if socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_DGRAM:
        return -LINUX_EINVAL              # no connection, and so no peer
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_PEERCRED, <uint64_t> &peer,
                            <uint64_t> &length)
    if is_error(result):
        return result
    if peer.uid == <uint32_t> -1:
        return -LINUX_ENOTCONN
    memset(answer, 0, sizeof(freebsd_xucred))
    answer.cr_version = FREEBSD_XUCRED_VERSION
    answer.cr_uid = peer.uid
    answer.cr_pid = peer.pid
    # The first group is the effective one.
    answer.cr_groups[0] = peer.gid
    answer.cr_ngroups = 1
    length = sizeof(groups)
    if not is_error(linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_PEERGROUPS, <uint64_t> groups,
                                   <uint64_t> &length)):
        for i in range(length // 4):
            if groups[i] != peer.gid and answer.cr_ngroups < XUCRED_GROUPS:
                answer.cr_groups[answer.cr_ngroups] = groups[i]
                answer.cr_ngroups += 1
    size[0] = sizeof(freebsd_xucred)
    return 0


cdef long group_addresses(uint8_t *value, uint64_t size, int count) noexcept nogil:
    """Convert the addresses within a struct group_req (one) or group_source_req (two), in place."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint64_t at = 8
    cdef long result
    cdef int i
    if size < 8 + 128 * <uint64_t> count:
        return -LINUX_EINVAL
    for i in range(count):
        result = linux_sockaddr_from_freebsd(address, SOCKET_ADDRESS, value + at, value[at])
        if result < 0:
            return result
        memset(value + at, 0, 128)
        memcpy(value + at, address, result if result < 128 else 128)
        at += 128
    return 0


cdef long set_multicast_group(int fd, int level, int linux, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    """MCAST_JOIN_GROUP and its kin, the same at both levels."""
    cdef int count = 1 if name == FREEBSD_MCAST_JOIN_GROUP or name == FREEBSD_MCAST_LEAVE_GROUP else 2
    cdef long result = group_addresses(value, size, count)
    if result < 0:
        return result
    return linux_syscall5(LINUX_SYS_setsockopt, fd, level, linux, <uint64_t> value, 8 + 128 * count)


cdef long set_at_ip(int fd, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    """setsockopt at IPPROTO_IP."""
    cdef int linux = freebsd_to_linux_ip_option(<int> name)
    cdef int number = (<int *> value)[0] if size >= 4 else value[0]
    cdef uint32_t source[3]
    if name == FREEBSD_IP_RECVDSTADDR or name == FREEBSD_IP_RECVIF:
        return linux_syscall5(LINUX_SYS_setsockopt, fd, 0, LINUX_IP_PKTINFO, <uint64_t> &number, 4)
    if name == FREEBSD_IP_DONTFRAG:
        number = LINUX_IP_PMTUDISC_DO if number else LINUX_IP_PMTUDISC_DONT
        return linux_syscall5(LINUX_SYS_setsockopt, fd, 0, LINUX_IP_MTU_DISCOVER, <uint64_t> &number, 4)
    if name == FREEBSD_IP_PORTRANGE:
        return 0 if 0 <= number <= 2 else -LINUX_EINVAL
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    if name >= FREEBSD_MCAST_JOIN_GROUP and name <= FREEBSD_MCAST_UNBLOCK_SOURCE:
        return set_multicast_group(fd, 0, linux, name, value, size)
    if name == FREEBSD_IP_ADD_SOURCE_MEMBERSHIP or name == FREEBSD_IP_DROP_SOURCE_MEMBERSHIP \
            or name == FREEBSD_IP_BLOCK_SOURCE or name == FREEBSD_IP_UNBLOCK_SOURCE:
        # Group, source, interface on FreeBSD; group, interface, source on Linux.
        if size < 12:
            return -LINUX_EINVAL
        source[0] = (<uint32_t *> value)[0]
        source[1] = (<uint32_t *> value)[2]
        source[2] = (<uint32_t *> value)[1]
        return linux_syscall5(LINUX_SYS_setsockopt, fd, 0, linux, <uint64_t> source, 12)
    return linux_syscall5(LINUX_SYS_setsockopt, fd, 0, linux, <uint64_t> value, size)


cdef long get_at_ip(int fd, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    cdef int linux = freebsd_to_linux_ip_option(<int> name)
    cdef long result
    if name == FREEBSD_IP_PORTRANGE:
        (<int *> value)[0] = 0
        size[0] = 4
        return 0
    if name == FREEBSD_IP_RECVDSTADDR or name == FREEBSD_IP_RECVIF:
        linux = LINUX_IP_PKTINFO
    elif name == FREEBSD_IP_DONTFRAG:
        linux = LINUX_IP_MTU_DISCOVER
    elif linux < 0:
        return -LINUX_ENOPROTOOPT
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, 0, linux, <uint64_t> value, <uint64_t> size)
    if name == FREEBSD_IP_DONTFRAG and not is_error(result):
        (<int *> value)[0] = (<int *> value)[0] == LINUX_IP_PMTUDISC_DO
    return result


cdef long set_at_ipv6(int fd, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    cdef int linux = freebsd_to_linux_ipv6_option(<int> name)
    if name == FREEBSD_IPV6_PORTRANGE or name == FREEBSD_IPV6_USE_MIN_MTU or name == FREEBSD_IPV6_PREFER_TEMPADDR:
        return 0
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    if name >= FREEBSD_MCAST_JOIN_GROUP and name <= FREEBSD_MCAST_UNBLOCK_SOURCE:
        return set_multicast_group(fd, FREEBSD_IPPROTO_IPV6, linux, name, value, size)
    return linux_syscall5(LINUX_SYS_setsockopt, fd, FREEBSD_IPPROTO_IPV6, linux, <uint64_t> value, size)


cdef long set_at_tcp(int fd, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    cdef int linux = freebsd_to_linux_tcp_option(<int> name)
    cdef int number = (<int *> value)[0] if size >= 4 else 0
    if name == FREEBSD_TCP_CONGESTION:
        return linux_syscall5(LINUX_SYS_setsockopt, fd, 6, linux, <uint64_t> value, size)
    if name == FREEBSD_TCP_INFO or name == FREEBSD_TCP_MD5SIG:
        return -LINUX_ENOPROTOOPT
    if size < 4:
        return -LINUX_EINVAL
    if name == FREEBSD_TCP_KEEPINIT:
        return 0 if number > 0 else -LINUX_EINVAL     # Linux counts its attempts to connect, not the seconds
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    if name == FREEBSD_TCP_MAXUNACKTIME:
        number *= 1000
    return linux_syscall5(LINUX_SYS_setsockopt, fd, 6, linux, <uint64_t> &number, 4)


cdef long get_at_tcp(int fd, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    cdef int linux = freebsd_to_linux_tcp_option(<int> name)
    cdef int *number = <int *> value
    cdef uint32_t *words = <uint32_t *> value
    cdef uint32_t room = size[0]
    cdef long result
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    if name == FREEBSD_TCP_INFO:
        memset(value, 0, SOCKOPT_MAX)
        size[0] = TCP_INFO_COMMON
        result = linux_syscall5(LINUX_SYS_getsockopt, fd, 6, LINUX_TCP_INFO, <uint64_t> value, <uint64_t> size)
        if is_error(result):
            return result
        value[0] = lsf_tcp_states[value[0] if value[0] < 13 else 0]
        # A window in bytes, not in segments (offsets: snd_mss 16, snd_cwnd 80).
        words[20] = words[20] * words[4]
        size[0] = room if room < 256 else 256
        return 0
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, 6, linux, <uint64_t> value, <uint64_t> size)
    if is_error(result):
        return result
    if name == FREEBSD_TCP_NODELAY and number[0]:
        number[0] = FREEBSD_TF_NODELAY
    elif name == FREEBSD_TCP_MAXUNACKTIME:
        number[0] = number[0] // 1000
    elif name == FREEBSD_TCP_CONGESTION:
        # FreeBSD's length is that of the name and its NUL.
        size[0] = <uint32_t> string_length(<char *> value) + 1
    return 0


cdef inline long option_level_error(int level) noexcept nogil:
    """No such option, or a level that no protocol of the socket's has (ip_ctloutput, ip6_ctloutput)."""
    return -LINUX_ENOPROTOOPT if level == FREEBSD_IPPROTO_UDP or level == FREEBSD_IPPROTO_ICMPV6 else -LINUX_EINVAL


cdef public long sys_setsockopt(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef int level = <int> frame.arg[1]
    cdef uint32_t name = <uint32_t> frame.arg[2]
    cdef int32_t size = <int32_t> frame.arg[4]
    cdef uint8_t value[SOCKOPT_MAX]
    cdef long domain, result, i
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if frame.arg[3] == 0 and size != 0:
        return -LINUX_EFAULT
    if size < 0 or size > SOCKOPT_MAX:
        return -LINUX_EINVAL
    memset(value, 0, 16)
    if not option_needs_kind(level, name):
        if copyin(frame.arg[3], value, size) < 0:
            return -LINUX_EFAULT
        if level == FREEBSD_SOL_SOCKET:
            return set_at_socket(area, fd, 0, name, value, size)
        result = set_at_tcp(fd, name, value, size)
        if not is_error(result):
            return result
    if level == FREEBSD_SOL_SOCKET and name == FREEBSD_SO_KEEPALIVE and watched_tcp(area.proc, fd):
        domain = LINUX_AF_INET          # or AF_INET6: no option of a local socket, which is all that matters
    else:
        domain = socket_option(fd, LINUX_SO_DOMAIN)
        if is_error(domain):
            return domain
    if copyin(frame.arg[3], value, size) < 0:
        return -LINUX_EFAULT
    if level == FREEBSD_SOL_SOCKET:
        return set_at_socket(area, fd, <int> domain, name, value, size)
    if domain == LINUX_AF_UNIX:
        return set_local(fd, name, value, size) if level == FREEBSD_SOL_LOCAL else -LINUX_EINVAL
    if level == FREEBSD_IPPROTO_IP:
        return set_at_ip(fd, name, value, size)
    if level == FREEBSD_IPPROTO_IPV6:
        return set_at_ipv6(fd, name, value, size)
    if level == FREEBSD_IPPROTO_TCP:
        return set_at_tcp(fd, name, value, size)
    if level == FREEBSD_IPPROTO_ICMPV6 and name == FREEBSD_ICMP6_FILTER and size == 32:
        for i in range(32):
            value[i] = ~value[i]    # a bit lets through on FreeBSD and stops on Linux
        return linux_syscall5(LINUX_SYS_setsockopt, fd, level, LINUX_ICMPV6_FILTER, <uint64_t> value, 32)
    return option_level_error(level)


cdef public long sys_getsockopt(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef int level = <int> frame.arg[1]
    cdef uint32_t name = <uint32_t> frame.arg[2], room = 0, size
    cdef uint8_t value[SOCKOPT_MAX]
    cdef long domain, result, i
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if frame.arg[3] != 0:
        if fetch_guest32(frame.arg[4], &room) < 0:
            return -LINUX_EFAULT
        if <int32_t> room < 0:
            return -LINUX_EINVAL
    domain = 0
    if level != FREEBSD_SOL_SOCKET or option_needs_kind(level, name):
        domain = socket_option(fd, LINUX_SO_DOMAIN)
        if is_error(domain):
            return domain
    size = room if room < SOCKOPT_MAX else SOCKOPT_MAX
    memset(value, 0, sizeof(value))
    if level == FREEBSD_SOL_SOCKET:
        result = get_at_socket(fd, <int> domain, name, value, &size)
    elif domain == LINUX_AF_UNIX:
        result = get_local(fd, name, value, &size) if level == FREEBSD_SOL_LOCAL else -LINUX_EINVAL
    elif level == FREEBSD_IPPROTO_IP:
        result = get_at_ip(fd, name, value, &size)
    elif level == FREEBSD_IPPROTO_IPV6:
        result = freebsd_to_linux_ipv6_option(<int> name)
        if result >= 0:
            result = linux_syscall5(LINUX_SYS_getsockopt, fd, level, result, <uint64_t> value, <uint64_t> &size)
        elif name == FREEBSD_IPV6_PORTRANGE or name == FREEBSD_IPV6_USE_MIN_MTU or name == FREEBSD_IPV6_PREFER_TEMPADDR:
            size = 4
            result = 0
        else:
            result = -LINUX_ENOPROTOOPT
    elif level == FREEBSD_IPPROTO_TCP:
        result = get_at_tcp(fd, name, value, &size)
    elif level == FREEBSD_IPPROTO_ICMPV6 and name == FREEBSD_ICMP6_FILTER:
        result = linux_syscall5(LINUX_SYS_getsockopt, fd, level, LINUX_ICMPV6_FILTER, <uint64_t> value, <uint64_t> &size)
        for i in range(32):
            value[i] = ~value[i]
    else:
        result = option_level_error(level)
    if is_error(result):
        return result
    if frame.arg[3] == 0:
        return 0
    if size > room:
        size = room
    if copyout(value, frame.arg[3], size) < 0:
        return -LINUX_EFAULT
    return store_guest32(frame.arg[4], size)

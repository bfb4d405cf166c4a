# Options of sockets: setsockopt(2), getsockopt(2). Numbers: the tables so_option, ip_option, ipv6_option and tcp_option
# of lsf/freebsd/tables/flags.py. Model: FreeBSD sys/kern/uipc_socket.c (sosetopt, sogetopt), uipc_usrreq.c (uipc_ctloutput),
# netinet/{ip_output,in_mcast,tcp_usrreq}.c, netinet6/ip6_output.c.

cdef enum:
    SOCKOPT_MAX = 512               # the largest value that either system takes here
    XUCRED_GROUPS = 16
    TCP_KEEPINIT_DEFAULT = 75       # seconds: net.inet.tcp.keepinit
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


cdef inline bint option_has_no_effect(uint32_t name) noexcept nogil:
    """True for hints that are accepted and forgotten."""
    return (name == FREEBSD_SO_NO_OFFLOAD or name == FREEBSD_SO_NO_DDP or name == FREEBSD_SO_RERROR
            or name == FREEBSD_SO_SNDLOWAT or name == FREEBSD_SO_USER_COOKIE)


cdef inline bint option_needs_kind(int level, uint32_t name) noexcept nogil:
    """False for the options that mean the same on every socket that has them: what kind of socket it is need not be asked
    first. (TCP's are another socket's EOPNOTSUPP, and then it is asked.)"""
    if level == FREEBSD_SOL_SOCKET:
        return name == FREEBSD_SO_REUSEPORT or name == FREEBSD_SO_REUSEPORT_LB
    return level != FREEBSD_IPPROTO_TCP


cdef inline bint is_local_reuseport(int domain, uint32_t name) noexcept nogil:
    """True for what means nothing to a local socket, and is refused by newer versions of Linux."""
    return domain == LINUX_AF_UNIX and (name == FREEBSD_SO_REUSEPORT or name == FREEBSD_SO_REUSEPORT_LB)


cdef long set_times(int fd, bint timestamp, bint bintime, uint32_t clock) noexcept nogil:
    """SO_TIMESTAMP, SO_BINTIME and SO_TS_CLOCK together: Linux is asked for the time in microseconds where that will do."""
    cdef uint32_t before = kept_word(fd), word = before & ~<uint32_t> (KEPT_CLOCK | KEPT_BINTIME)
    cdef long result = 0
    SHIM.own.sockets |= SOCKETS_TIMES
    word |= clock << KEPT_CLOCK_SHIFT
    if bintime:
        word |= KEPT_BINTIME
    if word != before:
        result = set_socket_option(fd, KEPT_WORD, <int> word)
    if bintime or before & KEPT_BINTIME:
        set_ip_option(fd, KEPT_TIMESTAMP, timestamp and bintime)
    if is_error(result):
        return result
    if not timestamp and not bintime:
        return set_socket_option(fd, LINUX_SO_TIMESTAMP, 0)
    return set_socket_option(fd, LINUX_SO_TIMESTAMPNS if bintime or clock else LINUX_SO_TIMESTAMP, 1)


cdef bint asks_timestamp(int fd) noexcept nogil:
    """SO_TIMESTAMP."""
    if socket_option(fd, LINUX_SO_TIMESTAMP) <= 0 and socket_option(fd, LINUX_SO_TIMESTAMPNS) <= 0:
        return False
    return not kept_word(fd) & KEPT_BINTIME or ip_option(fd, KEPT_TIMESTAMP) > 0


cdef inline uint32_t times_clock(int fd) noexcept nogil:
    """SO_TS_CLOCK."""
    return (kept_word(fd) & KEPT_CLOCK) >> KEPT_CLOCK_SHIFT


cdef void times_of_accepted(process_t *proc, int fd) noexcept nogil:
    """What was accepted has the listener's clock on Linux; on FreeBSD it has not, nor, since 15, what asks for times (solisten_clone)."""
    cdef bint inherits = proc.own.osreldate < FREEBSD_SINCE_ACCEPTED_TIMES
    set_times(fd, inherits and asks_timestamp(fd), inherits and kept_word(fd) & KEPT_BINTIME != 0, 0)


cdef bint is_fixed(uint32_t name) noexcept nogil:
    """True for what can be read alone."""
    return (name == FREEBSD_SO_ACCEPTCONN or name == FREEBSD_SO_ERROR or name == FREEBSD_SO_TYPE
            or name == FREEBSD_SO_PROTOCOL or name == FREEBSD_SO_DOMAIN)


cdef long set_duration(area_t *area, int fd, uint32_t name, const uint8_t *value, uint64_t size) noexcept nogil:
    """SO_LINGER, SO_SNDTIMEO, SO_RCVTIMEO."""
    cdef int linux = freebsd_to_linux_so_option(<int> name)
    cdef const int32_t *linger = <const int32_t *> value
    cdef const int64_t *time = <const int64_t *> value
    if size < (8 if name == FREEBSD_SO_LINGER else 16):
        return -LINUX_EINVAL
    if name == FREEBSD_SO_LINGER:
        if linger[1] < 0 or linger[1] > 0xffff:
            return -LINUX_EDOM
        return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_SOCKET, linux, <uint64_t> value, 8)
    if time[0] < 0 or time[1] < 0 or time[1] >= 1000000:
        return -LINUX_EDOM
    if name == FREEBSD_SO_SNDTIMEO and area.proc.own.sockets & SOCKETS_LOCAL_DGRAM and is_local_dgram(fd):
        return 0                    # a datagram never waits (local_made)
    return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_SOCKET, linux, <uint64_t> value, 16)


cdef long set_at_socket(area_t *area, int fd, int domain, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    """setsockopt at SOL_SOCKET."""
    cdef int linux = freebsd_to_linux_so_option(<int> name), kept = kept_flag(name)
    cdef int number = (<int *> value)[0]
    cdef long result
    if name == FREEBSD_SO_ACCEPTFILTER:
        # A kernel without such a filter; taking one off where there is none is an error too.
        return -LINUX_EINVAL if size == 0 else -LINUX_ENOENT
    if name == FREEBSD_SO_LABEL:
        return -LINUX_EINVAL                # no policy labels sockets (mac_setsockopt_label)
    if name == FREEBSD_SO_LINGER or name == FREEBSD_SO_SNDTIMEO or name == FREEBSD_SO_RCVTIMEO:
        return set_duration(area, fd, name, value, size)
    if size < 4:
        return -LINUX_EINVAL
    if number and is_left_out(name):
        area.proc.own.sockets |= SOCKETS_MARKED
    if kept >= 0:
        result = set_socket_option(fd, kept, number != 0)
        if name == FREEBSD_SO_NOSIGPIPE and number and not is_error(result):
            watch_sigpipe(area.proc, NOSIGPIPE_SOCKETS)
        return result
    if is_local_reuseport(domain, name):
        return keep(fd, KEPT_REUSEPORT if name == FREEBSD_SO_REUSEPORT else KEPT_REUSEPORT_LB, number != 0)
    if name == FREEBSD_SO_REUSEPORT_LB:
        if number:
            area.proc.own.sockets |= SOCKETS_BALANCED
        set_socket_option(fd, KEPT_BALANCED, number != 0)
    if option_has_no_effect(name) or name == FREEBSD_SO_SETFIB:
        result = socket_option(fd, LINUX_SO_TYPE)       # whether it is a socket
        return result if is_error(result) else -LINUX_EINVAL if name == FREEBSD_SO_SETFIB and number else 0
    if name == FREEBSD_SO_TIMESTAMP:
        return set_times(fd, number != 0, kept_word(fd) & KEPT_BINTIME != 0, times_clock(fd))
    if name == FREEBSD_SO_BINTIME:
        return set_times(fd, asks_timestamp(fd), number != 0, times_clock(fd))
    if name == FREEBSD_SO_TS_CLOCK:
        if number < 0 or number > FREEBSD_SO_TS_MONOTONIC:
            return -LINUX_EINVAL
        return set_times(fd, asks_timestamp(fd), kept_word(fd) & KEPT_BINTIME != 0, <uint32_t> number)
    if (name == FREEBSD_SO_SNDBUF or name == FREEBSD_SO_RCVBUF or name == FREEBSD_SO_RCVLOWAT) and number < 1:
        return -LINUX_EINVAL
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    result = set_socket_option(fd, linux, number)
    return -LINUX_ENOPROTOOPT if is_fixed(name) and result != -LINUX_EBADF and result != -LINUX_ENOTSOCK else result


cdef long flag_is_kept(int fd, int domain, uint32_t name) noexcept nogil:
    """The bit of an option that Linux has no twin of; below 0: no such option, or an error."""
    cdef long result
    if kept_flag(name) >= 0:
        result = socket_option(fd, kept_flag(name))
        return result if result <= 0 else <long> name
    if name == FREEBSD_SO_BINTIME or is_local_reuseport(domain, name):
        result = socket_option(fd, KEPT_WORD)
        if is_error(result):
            return result
        if name == FREEBSD_SO_BINTIME:
            return name if result & KEPT_BINTIME else 0
        return name if result & (KEPT_REUSEPORT if name == FREEBSD_SO_REUSEPORT else KEPT_REUSEPORT_LB) else 0
    if name == FREEBSD_SO_REUSEPORT or name == FREEBSD_SO_REUSEPORT_LB:
        result = socket_option(fd, LINUX_SO_REUSEPORT)
        return result if is_error(result) else name if result and (socket_option(fd, KEPT_BALANCED) > 0) == (
            name == FREEBSD_SO_REUSEPORT_LB) else 0
    if name == FREEBSD_SO_TIMESTAMP:
        result = socket_option(fd, LINUX_SO_TIMESTAMP)
        return result if is_error(result) else name if asks_timestamp(fd) else 0
    return -LINUX_ENOPROTOOPT


cdef long get_at_socket(int fd, int domain, uint32_t name, uint8_t *value, uint32_t *size, bint records) noexcept nogil:
    """getsockopt at SOL_SOCKET; *size in: room, out: what there is. records: has_stream_records."""
    cdef int linux = freebsd_to_linux_so_option(<int> name)
    cdef int *number = <int *> value
    cdef long result
    cdef uint32_t length = 16
    if name == FREEBSD_SO_ACCEPTFILTER or name == FREEBSD_SO_LABEL or name == FREEBSD_SO_PEERLABEL:
        return -LINUX_EINVAL
    if name == FREEBSD_SO_USER_COOKIE:
        return -LINUX_ENOPROTOOPT
    size[0] = 4
    number[0] = 0
    result = flag_is_kept(fd, domain, name)
    if result != -LINUX_ENOPROTOOPT:
        if not is_error(result):
            number[0] = <int> result
        return result if is_error(result) else 0
    if option_has_no_effect(name) or name == FREEBSD_SO_SETFIB or name == FREEBSD_SO_TS_CLOCK:
        result = socket_option(fd, LINUX_SO_TYPE)
        if name == FREEBSD_SO_SNDLOWAT:
            number[0] = 2048        # SO_SNDLOWAT's default
        elif name == FREEBSD_SO_TS_CLOCK:
            number[0] = <int> times_clock(fd)
        return result if is_error(result) else 0
    if FREEBSD_SO_LISTENQLIMIT <= name <= FREEBSD_SO_LISTENINCQLEN:
        return listen_queue(fd, name, number)
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
        if number[0] == LINUX_ECONNRESET and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX \
                and socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_DGRAM:
            number[0] = 0           # the peer closed without having read all: no error (receive_error)
        number[0] = lsf_errno_map[number[0] & 4095] if number[0] else 0
    elif name == FREEBSD_SO_SNDTIMEO:
        if number[0] == 0 and number[1] == 0 and 0 < number[2] <= 10000 and is_local_dgram(fd):
            number[2] = 0           # a datagram never waits (local_made)
    elif name == FREEBSD_SO_TYPE:
        if number[0] == FREEBSD_SOCK_STREAM and records and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX \
                and socket_option(fd, KEPT_TYPE) == FREEBSD_SOCK_SEQPACKET:
            number[0] = FREEBSD_SOCK_SEQPACKET
    elif name == FREEBSD_SO_DOMAIN:
        number[0] = linux_to_freebsd_address_family(number[0])
    elif option_is_flag(name) and number[0]:
        number[0] = <int> name
    return 0


cdef inline long option_level_error(int level) noexcept nogil:
    """No such option, or a level that no protocol of the socket's has (ip_ctloutput, ip6_ctloutput)."""
    return -LINUX_ENOPROTOOPT if level == FREEBSD_IPPROTO_UDP or level == FREEBSD_IPPROTO_ICMPV6 else -LINUX_EINVAL


cdef inline bint is_level_of_another(int domain, int level) noexcept nogil:
    """True for IPv4's options of an IPv6 socket, and the other way round: neither looks at the other's level."""
    return ((level == FREEBSD_IPPROTO_IP and domain == LINUX_AF_INET6)
            or (level == FREEBSD_IPPROTO_IPV6 and domain == LINUX_AF_INET))


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
    domain = socket_option(fd, LINUX_SO_DOMAIN)
    if is_error(domain):
        return domain
    if copyin(frame.arg[3], value, size) < 0:
        return -LINUX_EFAULT
    if level == FREEBSD_SOL_SOCKET:
        return set_at_socket(area, fd, <int> domain, name, value, size)
    if domain == LINUX_AF_UNIX:
        return set_local(fd, name, value, size) if level == FREEBSD_SOL_LOCAL else -LINUX_EINVAL
    if domain == LINUX_AF_NETLINK:
        return set_netlink(fd, level, name, value, size)
    if is_level_of_another(<int> domain, level):
        return -LINUX_EINVAL
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
        result = get_at_socket(fd, <int> domain, name, value, &size, has_stream_records(area))
    elif domain == LINUX_AF_UNIX:
        result = get_local(fd, name, value, &size) if level == FREEBSD_SOL_LOCAL else -LINUX_EINVAL
    elif domain == LINUX_AF_NETLINK:
        result = get_netlink(fd, level, name, value, &size)
    elif is_level_of_another(<int> domain, level):
        result = -LINUX_EINVAL
    elif level == FREEBSD_IPPROTO_IP:
        result = get_at_ip(fd, name, value, &size)
    elif level == FREEBSD_IPPROTO_IPV6:
        result = freebsd_to_linux_ipv6_option(<int> name)
        if result >= 0:
            result = linux_syscall5(LINUX_SYS_getsockopt, fd, level, result, <uint64_t> value, <uint64_t> &size)
        elif name == FREEBSD_IPV6_PORTRANGE or name == FREEBSD_IPV6_USE_MIN_MTU or name == FREEBSD_IPV6_PREFER_TEMPADDR:
            size = 4
            result = 0
            if name == FREEBSD_IPV6_PORTRANGE:
                (<int *> value)[0] = port_range(fd)
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

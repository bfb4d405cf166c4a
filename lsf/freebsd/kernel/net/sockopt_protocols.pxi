# Options of sockets below SOL_SOCKET: those of local sockets, IP, IPv6, TCP and netlink.
# Model: FreeBSD sys/kern/uipc_usrreq.c (uipc_ctloutput), sys/netinet/ip_output.c (ip_ctloutput), sys/netinet6/ip6_output.c,
# sys/netinet/tcp_usrreq.c (tcp_ctloutput), sys/netlink/netlink_domain.c (nl_ctloutput).

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


cdef long set_packet_information(int fd, uint32_t name, bint on) noexcept nogil:
    """IP_RECVDSTADDR and IP_RECVIF, for both of which Linux has IP_PKTINFO alone."""
    cdef int kept = KEPT_RECVDSTADDR if name == FREEBSD_IP_RECVDSTADDR else KEPT_RECVIF
    cdef int other = KEPT_RECVIF if name == FREEBSD_IP_RECVDSTADDR else KEPT_RECVDSTADDR
    cdef long result = set_ip_option(fd, kept, on)
    if is_error(result):
        return result
    return set_ip_option(fd, LINUX_IP_PKTINFO, on or ip_option(fd, other) > 0)


cdef long set_at_ip(int fd, uint32_t name, uint8_t *value, uint64_t size) noexcept nogil:
    """setsockopt at IPPROTO_IP."""
    cdef int linux = freebsd_to_linux_ip_option(<int> name)
    cdef int number = (<int *> value)[0] if size >= 4 else value[0]
    cdef uint32_t source[3]
    if name == FREEBSD_IP_RECVDSTADDR or name == FREEBSD_IP_RECVIF:
        return set_packet_information(fd, name, number != 0)
    if name == FREEBSD_IP_DONTFRAG:
        number = LINUX_IP_PMTUDISC_DO if number else LINUX_IP_PMTUDISC_DONT
        return linux_syscall5(LINUX_SYS_setsockopt, fd, 0, LINUX_IP_MTU_DISCOVER, <uint64_t> &number, 4)
    if name == FREEBSD_IP_PORTRANGE:
        return -LINUX_EINVAL if size < 4 else set_port_range(fd, number)
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
        (<int *> value)[0] = port_range(fd)
        size[0] = 4
        return 0
    if name == FREEBSD_IP_RECVDSTADDR:
        linux = KEPT_RECVDSTADDR
    elif name == FREEBSD_IP_RECVIF:
        linux = KEPT_RECVIF
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
    if name == FREEBSD_IPV6_PORTRANGE:
        return -LINUX_EINVAL if size < 4 else set_port_range(fd, (<int *> value)[0])
    if name == FREEBSD_IPV6_USE_MIN_MTU or name == FREEBSD_IPV6_PREFER_TEMPADDR:
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
        return linux_syscall5(LINUX_SYS_setsockopt, fd, FREEBSD_IPPROTO_TCP, linux, <uint64_t> value, size)
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
    return linux_syscall5(LINUX_SYS_setsockopt, fd, FREEBSD_IPPROTO_TCP, linux, <uint64_t> &number, 4)


cdef long get_at_tcp(int fd, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    cdef int linux = freebsd_to_linux_tcp_option(<int> name)
    cdef int *number = <int *> value
    cdef uint32_t *words = <uint32_t *> value
    cdef uint32_t room = size[0]
    cdef long result
    if name == FREEBSD_TCP_KEEPINIT:
        number[0] = TCP_KEEPINIT_DEFAULT
        size[0] = 4
        return 0
    if linux < 0:
        return -LINUX_ENOPROTOOPT
    if name == FREEBSD_TCP_INFO:
        memset(value, 0, SOCKOPT_MAX)
        size[0] = TCP_INFO_COMMON
        result = linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_TCP, LINUX_TCP_INFO, <uint64_t> value, <uint64_t> size)
        if is_error(result):
            return result
        value[0] = lsf_tcp_states[value[0] if value[0] < 13 else 0]
        # A window in bytes, not in segments (offsets: snd_mss 16, snd_cwnd 80).
        words[20] = words[20] * words[4]
        size[0] = room if room < 256 else 256
        return 0
    result = linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_TCP, linux, <uint64_t> value, <uint64_t> size)
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


cdef inline bint is_netlink_option(int level, uint32_t name) noexcept nogil:
    """The options of <netlink/netlink.h> that have Linux's numbers and mean the same (nl_ctloutput looks at no level)."""
    return level == LINUX_SOL_NETLINK and (name == LINUX_NETLINK_CAP_ACK or name == LINUX_NETLINK_EXT_ACK)


cdef long set_netlink(int fd, int level, uint32_t name, const uint8_t *value, uint64_t size) noexcept nogil:
    """NETLINK_GET_STRICT_CHK is set in any case (netlink_socket)."""
    if size < 4:
        return -LINUX_EINVAL
    if name == LINUX_NETLINK_GET_STRICT_CHK:
        return 0
    if name == FREEBSD_NETLINK_MSG_INFO:
        return set_socket_option(fd, KEPT_MSG_INFO, (<const int32_t *> value)[0] != 0)
    if name == LINUX_NETLINK_ADD_MEMBERSHIP or name == LINUX_NETLINK_DROP_MEMBERSHIP:
        if (<const int32_t *> value)[0] <= 0 or (<const int32_t *> value)[0] >= 128:
            return -LINUX_ERANGE
        if socket_option(fd, LINUX_SO_PROTOCOL) == LINUX_NETLINK_GENERIC:
            return 0                        # of families that come and go: none does
        return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_NETLINK, name, <uint64_t> value, 4)
    if not is_netlink_option(level, name):
        return -LINUX_ENOPROTOOPT
    return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_NETLINK, name, <uint64_t> value, 4)


cdef long get_netlink(int fd, int level, uint32_t name, uint8_t *value, uint32_t *size) noexcept nogil:
    if name == FREEBSD_NETLINK_MSG_INFO:
        size[0] = 4
        (<int32_t *> value)[0] = socket_option(fd, KEPT_MSG_INFO) > 0
        return 0
    if name != LINUX_NETLINK_LIST_MEMBERSHIPS and name != LINUX_NETLINK_GET_STRICT_CHK and not is_netlink_option(level, name):
        return -LINUX_ENOPROTOOPT
    size[0] = 4
    return linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_NETLINK, name, <uint64_t> value, <uint64_t> size)

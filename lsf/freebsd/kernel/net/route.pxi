# The sysctl net.routetable: the list of network interfaces and their addresses, for getifaddrs(3) and its kin (routes:
# route_dump.pxi). Linux tells them by netlink. Model: FreeBSD sys/net/rtsock.c (sysctl_rtsock, sysctl_iflist), net/if.c.

cdef enum:
    IFF_COMMON = 0x3df              # the bits that are the same on both sides
    INTERFACE_NAME = 16             # IFNAMSIZ of both
    DUMP_SIZE = 1 << 20             # for the answers of one request
    OSREL_IF_DATA = 1100000         # struct if_data as it is now


cdef void interface_rename(char *name) noexcept nogil:
    """The name of an interface (INTERFACE_NAME bytes) on the other system, either way: Linux's loopback `lo` is `lo0`, as
    FreeBSD's is called. What somebody has called lo0 on Linux is `lo`."""
    if name[0] != c'l' or name[1] != c'o':
        return
    if name[2] == 0:
        name[2] = c'0'
        name[3] = 0
    elif name[2] == c'0' and name[3] == 0:
        name[2] = 0


cdef long netlink_collect(int fd, const void *question, uint64_t length, uint8_t *buffer, uint64_t size) noexcept nogil:
    """Put a question for a dump to netlink: the length of the messages in `buffer`, or an error."""
    cdef uint64_t at = 0, seen
    cdef linux_nlmsghdr *header
    cdef long result = linux_syscall6(LINUX_SYS_sendto, fd, <uint64_t> question, length, 0, 0, 0)
    while not is_error(result):
        result = linux_syscall6(LINUX_SYS_recvfrom, fd, <uint64_t> (buffer + at), size - at, 0, 0, 0)
        if result == -LINUX_EINTR:
            result = 0
            continue
        if is_error(result) or result == 0:
            break
        seen = at
        at += result
        while seen + sizeof(linux_nlmsghdr) <= at:
            header = <linux_nlmsghdr *> (buffer + seen)
            if header.nlmsg_len < sizeof(linux_nlmsghdr) or header.nlmsg_type == LINUX_NLMSG_DONE:
                return seen
            if header.nlmsg_type == LINUX_NLMSG_ERROR:
                return -LINUX_EPERM
            seen += (header.nlmsg_len + 3) & ~3U
        if at + 65536 > size:
            return at
    return result if is_error(result) else at


cdef long netlink_dump(int fd, int request, uint8_t *buffer, uint64_t size) noexcept nogil:
    """Ask netlink for all links or addresses: the length of the messages in `buffer`, or an error."""
    cdef uint32_t question[8]
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> question
    memset(question, 0, sizeof(question))
    header.nlmsg_len = sizeof(question)
    header.nlmsg_type = request
    header.nlmsg_flags = LINUX_NLM_F_REQUEST | LINUX_NLM_F_DUMP
    return netlink_collect(fd, question, sizeof(question), buffer, size)


cdef long netlink_ask(int request, uint8_t *buffer, uint64_t size) noexcept nogil:
    """netlink_dump on a socket of its own."""
    cdef long result, fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_NETLINK, LINUX_SOCK_RAW | LINUX_SOCK_CLOEXEC,
                                          LINUX_NETLINK_ROUTE)
    if is_error(fd):
        return fd
    result = netlink_dump(<int> fd, request, buffer, size)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef linux_nlmsghdr *netlink_message(uint8_t *buffer, uint64_t length, uint64_t *at) noexcept nogil:
    """The message at *at, which is moved on; NULL at the end."""
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> (buffer + at[0])
    if at[0] + sizeof(linux_nlmsghdr) > length or at[0] + header.nlmsg_len > length:
        return NULL
    at[0] += (header.nlmsg_len + 3) & ~3U
    return header


cdef uint8_t *netlink_attribute(linux_nlmsghdr *header, uint64_t body, uint32_t type_, uint32_t *size) noexcept nogil:
    """The data of an attribute behind a body of `body` bytes, or NULL."""
    cdef uint8_t *start = <uint8_t *> header
    cdef uint64_t at = sizeof(linux_nlmsghdr) + body
    cdef linux_rtattr *attribute
    while at + 4 <= header.nlmsg_len:
        attribute = <linux_rtattr *> (start + at)
        if attribute.rta_len < 4 or at + attribute.rta_len > header.nlmsg_len:
            return NULL
        if attribute.rta_type & 0x3fff == type_:
            size[0] = attribute.rta_len - 4
            return start + at + 4
        at += (attribute.rta_len + 3) & ~3U
    return NULL


cdef uint8_t interface_type(uint16_t linux) noexcept nogil:
    if linux == LINUX_ARPHRD_ETHER:
        return FREEBSD_IFT_ETHER
    if linux == LINUX_ARPHRD_LOOPBACK:
        return FREEBSD_IFT_LOOP
    if linux == LINUX_ARPHRD_PPP or linux == LINUX_ARPHRD_NONE:
        return FREEBSD_IFT_PPP              # what tun(4) is on FreeBSD
    if LINUX_ARPHRD_TUNNEL <= linux <= LINUX_ARPHRD_SIT:
        return FREEBSD_IFT_TUNNEL
    return FREEBSD_IFT_OTHER


cdef uint32_t interface_flags(uint32_t linux) noexcept nogil:
    cdef uint32_t flags = linux & IFF_COMMON
    if linux & LINUX_IFF_MULTICAST:
        flags |= FREEBSD_IFF_MULTICAST
    if linux & FREEBSD_IFF_BROADCAST:
        flags |= FREEBSD_IFF_SIMPLEX
    return flags


cdef void interface_data(freebsd_if_data *data, linux_nlmsghdr *link) noexcept nogil:
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef uint32_t size = 0
    cdef uint64_t stats[24]
    cdef uint8_t *found
    memset(data, 0, sizeof(freebsd_if_data))
    data.ifi_type = interface_type(info.ifi_type)
    data.ifi_datalen = sizeof(freebsd_if_data)
    data.ifi_link_state = FREEBSD_LINK_STATE_UP if info.ifi_flags & LINUX_IFF_LOWER_UP else FREEBSD_LINK_STATE_DOWN
    if data.ifi_type == FREEBSD_IFT_ETHER:
        data.ifi_hdrlen = 14
    if netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_ADDRESS, &size) != NULL \
            and data.ifi_type == FREEBSD_IFT_ETHER:
        data.ifi_addrlen = <uint8_t> size
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_MTU, &size)
    if found != NULL and size >= 4:
        data.ifi_mtu = (<uint32_t *> found)[0]
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_STATS64, &size)
    if found != NULL:
        memset(stats, 0, sizeof(stats))
        memcpy(stats, found, size if size < sizeof(stats) else sizeof(stats))
        # struct rtnl_link_stats64: packets, bytes, errors, dropped (received, sent each), multicast, collisions.
        data.ifi_ipackets = stats[0]
        data.ifi_opackets = stats[1]
        data.ifi_ibytes = stats[2]
        data.ifi_obytes = stats[3]
        data.ifi_ierrors = stats[4]
        data.ifi_oerrors = stats[5]
        data.ifi_iqdrops = stats[6]
        data.ifi_oqdrops = stats[7]
        data.ifi_imcasts = stats[8]
        data.ifi_collisions = stats[9]


cdef uint64_t old_interface_data(freebsd_if_data *data) noexcept nogil:
    """The same for a program of before FreeBSD 11: the MTU and the metric had 64 bits, the packets that were dropped on
    output came last, behind the size that the header tells. Returns these."""
    cdef uint64_t *words = <uint64_t *> data
    cdef uint64_t mtu = data.ifi_mtu, metric = data.ifi_metric, dropped = data.ifi_oqdrops
    cdef int i
    data.ifi_datalen = sizeof(freebsd_if_data) << 8     # a byte for the baud rate's exponent, one for the size
    # words[2] is the baud rate, words[12] the drops on input.
    for i in range(13, 3, -1):
        words[i] = words[i - 1]
    words[3] = data.ifi_baudrate
    words[1] = mtu
    words[2] = metric
    return dropped


cdef uint64_t link_address(uint8_t *to, linux_nlmsghdr *link, uint8_t type_) noexcept nogil:
    """A sockaddr_dl with the interface's name and hardware address: its length, padded as in a message."""
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef freebsd_sockaddr_dl *address = <freebsd_sockaddr_dl *> to
    cdef char name[INTERFACE_NAME]
    cdef uint32_t size = 0
    cdef uint8_t *found
    memset(to, 0, 56)
    address.sdl_len = 56
    address.sdl_family = FREEBSD_AF_LINK
    address.sdl_index = <uint16_t> info.ifi_index
    address.sdl_type = type_
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_IFNAME, &size)
    if found != NULL:
        copy_text(name, <char *> found, INTERFACE_NAME)
        interface_rename(name)
        address.sdl_nlen = <uint8_t> copy_text(address.sdl_data, name, INTERFACE_NAME)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_ADDRESS, &size)
    if found != NULL and type_ == FREEBSD_IFT_ETHER and size <= 20:
        memcpy(&address.sdl_data[address.sdl_nlen], found, size)
        address.sdl_alen = <uint8_t> size
    return 56


cdef uint64_t inet_address(uint8_t *to, uint8_t family, const uint8_t *bytes_, uint32_t index) noexcept nogil:
    """A sockaddr_in or sockaddr_in6: its length, padded as in a message."""
    cdef freebsd_sockaddr_in *four = <freebsd_sockaddr_in *> to
    cdef freebsd_sockaddr_in6 *six = <freebsd_sockaddr_in6 *> to
    if family == LINUX_AF_INET:
        memset(to, 0, 16)
        four.sin_len = 16
        four.sin_family = FREEBSD_AF_INET
        memcpy(&four.sin_addr, bytes_, 4)
        return 16
    memset(to, 0, 32)
    six.sin6_len = sizeof(freebsd_sockaddr_in6)
    six.sin6_family = FREEBSD_AF_INET6
    memcpy(six.sin6_addr, bytes_, 16)
    # Addresses of the link, and multicast ones of the link or the interface, say which.
    if (bytes_[0] == 0xfe and bytes_[1] & 0xc0 == 0x80) or (bytes_[0] == 0xff and 1 <= bytes_[1] & 0xf <= 2):
        six.sin6_scope_id = index
    return 32


cdef uint64_t netmask(uint8_t *to, uint8_t family, uint32_t bits) noexcept nogil:
    cdef uint8_t mask[16]
    cdef uint32_t i
    memset(mask, 0, sizeof(mask))
    for i in range(bits if bits <= 128 else 128):
        mask[i >> 3] |= 0x80 >> (i & 7)
    i = inet_address(to, family, mask, 0)
    if family != LINUX_AF_INET:
        (<freebsd_sockaddr_in6 *> to).sin6_scope_id = 0
    return i


cdef long out_link(sysctl_request_t *request, linux_nlmsghdr *link, bint long_form) noexcept nogil:
    """RTM_IFINFO."""
    cdef uint8_t message[256]
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef freebsd_if_msghdr *header = <freebsd_if_msghdr *> message
    cdef freebsd_if_msghdrl *header_l = <freebsd_if_msghdrl *> message
    cdef uint64_t at
    memset(message, 0, sizeof(message))
    # The two forms begin alike.
    header.ifm_version = FREEBSD_RTM_VERSION
    header.ifm_type = FREEBSD_RTM_IFINFO
    header.ifm_addrs = FREEBSD_RTA_IFP
    header.ifm_flags = <int32_t> interface_flags(info.ifi_flags)
    header.ifm_index = <uint16_t> info.ifi_index
    if long_form:
        header_l.ifm_data_off = sizeof(freebsd_if_msghdrl) - sizeof(freebsd_if_data)
        interface_data(&header_l.ifm_data, link)
        at = sizeof(freebsd_if_msghdrl)
        if request.area.proc.own.osrel < OSREL_IF_DATA:
            (<uint64_t *> (message + at))[0] = old_interface_data(&header_l.ifm_data)
            at += 8
        header_l.ifm_len = <uint16_t> at
    else:
        interface_data(&header.ifm_data, link)
        at = sizeof(freebsd_if_msghdr)
        if request.area.proc.own.osrel < OSREL_IF_DATA:
            old_interface_data(&header.ifm_data)
    at += link_address(message + at, link, interface_type(info.ifi_type))
    header.ifm_msglen = <uint16_t> at
    return sysctl_out(request, message, at)


cdef const uint8_t *own_address(linux_nlmsghdr *entry, linux_ifaddrmsg *info, uint32_t *size) noexcept nogil:
    """The interface's own address, not that of the other end; NULL for a family that FreeBSD lacks."""
    cdef uint8_t *own = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_LOCAL, size)
    if info.ifa_family != LINUX_AF_INET and info.ifa_family != LINUX_AF_INET6:
        return NULL
    if own == NULL:
        own = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_ADDRESS, size)
    return NULL if own == NULL or size[0] < <uint32_t> (4 if info.ifa_family == LINUX_AF_INET else 16) else own


cdef long out_address(sysctl_request_t *request, linux_nlmsghdr *entry, bint long_form) noexcept nogil:
    """RTM_NEWADDR."""
    cdef uint8_t message[320]
    cdef linux_ifaddrmsg *info = <linux_ifaddrmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef freebsd_ifa_msghdr *header = <freebsd_ifa_msghdr *> message
    cdef freebsd_ifa_msghdrl *header_l = <freebsd_ifa_msghdrl *> message
    cdef uint32_t size = 0
    cdef const uint8_t *own = own_address(entry, info, &size)
    cdef uint8_t *peer = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_ADDRESS, &size)
    cdef uint8_t *broadcast
    cdef uint64_t at = sizeof(freebsd_ifa_msghdrl) if long_form else sizeof(freebsd_ifa_msghdr)
    if own == NULL:
        return 0
    broadcast = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_BROADCAST, &size)
    memset(message, 0, sizeof(message))
    header.ifam_version = FREEBSD_RTM_VERSION
    header.ifam_type = FREEBSD_RTM_NEWADDR
    header.ifam_addrs = FREEBSD_RTA_NETMASK | FREEBSD_RTA_IFA
    header.ifam_index = <uint16_t> info.ifa_index
    if long_form:
        header_l.ifam_len = sizeof(freebsd_ifa_msghdrl)
        header_l.ifam_data_off = sizeof(freebsd_ifa_msghdrl) - sizeof(freebsd_if_data)
        header_l.ifam_data.ifi_datalen = sizeof(freebsd_if_data)
        if request.area.proc.own.osrel < OSREL_IF_DATA:
            old_interface_data(&header_l.ifam_data)
    at += netmask(message + at, info.ifa_family, info.ifa_prefixlen)
    at += inet_address(message + at, info.ifa_family, own, info.ifa_index)
    if broadcast == NULL and info.ifa_family == LINUX_AF_INET:
        broadcast = peer            # the other end; on a loopback, itself
    if broadcast != NULL:
        header.ifam_addrs |= FREEBSD_RTA_BRD
        at += inet_address(message + at, info.ifa_family, broadcast, info.ifa_index)
    header.ifam_msglen = <uint16_t> at
    return sysctl_out(request, message, at)


cdef long out_interfaces(sysctl_request_t *request, uint8_t *links, uint64_t links_length, uint8_t *addresses,
                         uint64_t addresses_length, int family, uint32_t index, bint long_form) noexcept nogil:
    cdef uint64_t at = 0, inner
    cdef linux_nlmsghdr *link
    cdef linux_nlmsghdr *entry
    cdef linux_ifinfomsg *info
    cdef linux_ifaddrmsg *address
    cdef long result = 0
    while True:
        link = netlink_message(links, links_length, &at)
        if link == NULL:
            return result
        info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
        if link.nlmsg_type != LINUX_RTM_NEWLINK or (index != 0 and <uint32_t> info.ifi_index != index):
            continue
        result = out_link(request, link, long_form)
        inner = 0
        while result >= 0 or result == -LINUX_ENOMEM:
            entry = netlink_message(addresses, addresses_length, &inner)
            if entry == NULL:
                break
            address = <linux_ifaddrmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
            if (entry.nlmsg_type != LINUX_RTM_NEWADDR or address.ifa_index != <uint32_t> info.ifi_index
                    or (address.ifa_family != LINUX_AF_INET and address.ifa_family != LINUX_AF_INET6)
                    or (family != 0 and family != freebsd_family_from_linux(address.ifa_family))):
                continue
            result = out_address(request, entry, long_form)
        if result < 0 and result != -LINUX_ENOMEM:
            return result


cdef inline bint asks_neighbours(sysctl_request_t *request) noexcept nogil:
    """True where the addresses of neighbours are asked for, and no routes."""
    return request.rest[2] == FREEBSD_NET_RT_FLAGS and (request.rest[3] == 0
                                                        or request.rest[3] & FREEBSD_RTF_LLINFO != 0)


cdef inline bint is_nexthops(int operation) noexcept nogil:
    """What asks for next hops, or for groups of them: one family and one table of routes at a time."""
    return operation == FREEBSD_NET_RT_NHOP or operation == FREEBSD_NET_RT_NHGRP


cdef long route_request_error(sysctl_request_t *request) noexcept nogil:
    """What sysctl_rtsock says of the numbers: 0, or an error."""
    cdef int family, operation
    if request.nrest < 3:
        return -LINUX_EINVAL
    family = request.rest[1]
    operation = request.rest[2]
    # A fifth number is a table of routes (a FIB), of which there is one.
    if request.nrest != 4 and not (request.nrest == 5 and (operation == FREEBSD_NET_RT_DUMP or is_nexthops(operation))):
        return -LINUX_EISDIR if request.nrest < 4 else -LINUX_ENOTDIR
    if request.nrest == 5 and request.rest[4] != 0 and request.rest[4] != -1:
        return -LINUX_EINVAL
    if asks_neighbours(request):
        return -LINUX_EINVAL if family == 0 else 0
    if is_nexthops(operation):
        if request.nrest != 5:
            return -LINUX_EINVAL
        return 0 if family == FREEBSD_AF_INET or family == FREEBSD_AF_INET6 else -LINUX_EAFNOSUPPORT
    if operation == FREEBSD_NET_RT_DUMP or operation == FREEBSD_NET_RT_FLAGS:
        if family != 0 and family != FREEBSD_AF_INET and family != FREEBSD_AF_INET6:
            return -LINUX_EAFNOSUPPORT
    return 0


cdef public long sysctl_route(sysctl_request_t *request) noexcept nogil:
    """net.routetable.0.FAMILY.OPERATION.ARGUMENT: the lists of interfaces, of multicast groups, of routes and next hops."""
    cdef int operation
    cdef uint8_t *first
    cdef uint8_t *second
    cdef uint64_t memory
    cdef long length, second_length = 0, result = route_request_error(request)
    if result < 0:
        return result
    operation = request.rest[2]
    if not FREEBSD_NET_RT_DUMP <= operation <= FREEBSD_NET_RT_NHOP:
        return 0                    # there is nothing of that kind
    memory = map_memory(2 * DUMP_SIZE)
    if memory == 0:
        return -LINUX_ENOMEM
    first = <uint8_t *> memory
    second = <uint8_t *> memory + DUMP_SIZE
    if operation == FREEBSD_NET_RT_DUMP or operation == FREEBSD_NET_RT_FLAGS or operation == FREEBSD_NET_RT_NHOP:
        length = netlink_ask(LINUX_RTM_GETNEIGH if asks_neighbours(request) else LINUX_RTM_GETROUTE, first, DUMP_SIZE)
    else:
        length = netlink_ask(LINUX_RTM_GETLINK, first, DUMP_SIZE)
    if length >= 0 and operation != FREEBSD_NET_RT_DUMP and operation != FREEBSD_NET_RT_FLAGS \
            and operation != FREEBSD_NET_RT_IFMALIST:
        second_length = netlink_ask(LINUX_RTM_GETADDR, second, DUMP_SIZE)
    if length < 0 or second_length < 0:
        result = length if length < 0 else second_length
    elif operation == FREEBSD_NET_RT_DUMP or operation == FREEBSD_NET_RT_FLAGS:
        result = out_routes(request, first, length, operation)
    elif operation == FREEBSD_NET_RT_NHOP:
        result = out_nexthops(request, first, <uint64_t> length, second, <uint64_t> second_length)
    elif operation == FREEBSD_NET_RT_IFMALIST:
        result = sysctl_groups(request, first, length, second, DUMP_SIZE)
    else:
        result = out_interfaces(request, first, length, second, second_length, request.rest[1],
                                <uint32_t> request.rest[3], operation == FREEBSD_NET_RT_IFLISTL)
    linux_syscall2(LINUX_SYS_munmap, memory, 2 * DUMP_SIZE)
    return result

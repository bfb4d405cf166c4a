# The sysctl net.routetable: routes (NET_RT_DUMP), the addresses of neighbours (NET_RT_FLAGS) and multicast groups
# (NET_RT_IFMALIST). Model: FreeBSD sys/net/rtsock.c (sysctl_dumpentry, sysctl_ifmalist).

cdef enum:
    NEIGHBOUR_REACHABLE = 30        # seconds, of Linux's base_reachable_time
    NEIGHBOUR_STALE = 60            # of its gc_stale_time


cdef int64_t clock_seconds(int clock) noexcept nogil:
    """The seconds of a clock of Linux's."""
    cdef linux_timespec now
    linux_syscall2(LINUX_SYS_clock_gettime, clock, <uint64_t> &now)
    return now.tv_sec


cdef uint64_t index_address(uint8_t *to, uint32_t index, const uint8_t *hardware, uint32_t size) noexcept nogil:
    """A sockaddr_dl of an interface without its name, as a gateway of a route is: its length."""
    cdef freebsd_sockaddr_dl *address = <freebsd_sockaddr_dl *> to
    memset(to, 0, 56)
    address.sdl_len = 54
    address.sdl_family = FREEBSD_AF_LINK
    address.sdl_index = <uint16_t> index
    if size == 6:
        address.sdl_type = FREEBSD_IFT_ETHER
        address.sdl_alen = 6
        memcpy(address.sdl_data, hardware, 6)
    return 56


cdef uint32_t route_flags(linux_nlmsghdr *entry, bint any_) noexcept nogil:
    """FreeBSD's RTF_ flags of a route, or 0 for one that it has not: of the local table it has the addresses of this machine
    in its one table. any_: whatever Linux chose is one."""
    cdef linux_rtmsg *route = <linux_rtmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef uint32_t size = 0, length = 4 if route.rtm_family == LINUX_AF_INET else 16, flags = FREEBSD_RTF_UP
    cdef bint host = route.rtm_dst_len == length * 8
    if route.rtm_family != LINUX_AF_INET and route.rtm_family != LINUX_AF_INET6:
        return 0
    if not any_ and not (route.rtm_table == LINUX_RT_TABLE_MAIN
                         or (route.rtm_table == LINUX_RT_TABLE_LOCAL and route.rtm_type == LINUX_RTN_LOCAL and host)):
        return 0
    if netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_GATEWAY, &size) != NULL and size >= length:
        flags |= FREEBSD_RTF_GATEWAY
    if host:
        flags |= FREEBSD_RTF_HOST
    if (route.rtm_protocol == LINUX_RTPROT_BOOT or route.rtm_protocol == LINUX_RTPROT_STATIC
            or route.rtm_type == LINUX_RTN_LOCAL):
        flags |= FREEBSD_RTF_STATIC
    if route.rtm_type == LINUX_RTN_BLACKHOLE:
        flags |= FREEBSD_RTF_BLACKHOLE
    elif route.rtm_type == LINUX_RTN_UNREACHABLE:
        flags |= FREEBSD_RTF_REJECT
    elif not any_ and route.rtm_type != LINUX_RTN_UNICAST and route.rtm_type != LINUX_RTN_LOCAL:
        return 0
    return flags


cdef uint32_t route_index(linux_nlmsghdr *entry) noexcept nogil:
    """The interface of a route, or 0."""
    cdef uint32_t size = 0
    cdef uint8_t *found = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_OIF, &size)
    return (<uint32_t *> found)[0] if found != NULL and size >= 4 else 0


cdef uint64_t fill_route(uint8_t *message, linux_nlmsghdr *entry, uint32_t flags) noexcept nogil:
    """A struct rt_msghdr and the destination, the gateway and the netmask of a route, in 320 bytes: their length."""
    cdef uint8_t zero[16]
    cdef linux_rtmsg *route = <linux_rtmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef freebsd_rt_msghdr *header = <freebsd_rt_msghdr *> message
    cdef uint32_t size = 0, length = 4 if route.rtm_family == LINUX_AF_INET else 16, index = route_index(entry)
    cdef uint8_t *destination
    cdef uint64_t at = sizeof(freebsd_rt_msghdr)
    memset(message, 0, 320)
    memset(zero, 0, sizeof(zero))
    destination = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_DST, &size)
    if destination == NULL or size < length:
        destination = zero
    header.rtm_version = FREEBSD_RTM_VERSION
    header.rtm_type = FREEBSD_RTM_GET
    header.rtm_index = <uint16_t> index
    header.rtm_flags = <int32_t> flags
    header.rtm_addrs = FREEBSD_RTA_DST | FREEBSD_RTA_GATEWAY
    at += inet_address(message + at, route.rtm_family, destination, index)
    if flags & FREEBSD_RTF_GATEWAY:
        at += inet_address(message + at, route.rtm_family,
                           netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_GATEWAY, &size), index)
    else:
        at += index_address(message + at, index, NULL, 0)
    if not flags & FREEBSD_RTF_HOST:
        header.rtm_addrs |= FREEBSD_RTA_NETMASK
        at += netmask(message + at, route.rtm_family, route.rtm_dst_len)
    header.rtm_msglen = <uint16_t> at
    return at


cdef long out_route(sysctl_request_t *request, linux_nlmsghdr *entry, int family, int wanted) noexcept nogil:
    """RTM_GET of one route; `wanted` are the flags that it must have one of, 0 for all."""
    cdef uint8_t message[320]
    cdef linux_rtmsg *route = <linux_rtmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef uint32_t flags = route_flags(entry, False)
    if flags == 0 or (family != 0 and family != freebsd_family_from_linux(route.rtm_family)):
        return 0
    if wanted != 0 and not flags & <uint32_t> wanted:
        return 0
    return sysctl_out(request, message, fill_route(message, entry, flags))


cdef uint32_t neighbour_lasts(linux_nlmsghdr *entry) noexcept nogil:
    """How many seconds a neighbour's state lasts, as Linux has it by default; 0 for one that is permanent."""
    cdef linux_ndmsg *neighbour = <linux_ndmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef uint32_t size = 0, age = 0, whole = NEIGHBOUR_REACHABLE
    cdef uint8_t *found = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_CACHEINFO, &size)
    if neighbour.ndm_state & LINUX_NUD_PERMANENT:
        return 0
    if found != NULL and size >= 12:            # ticks (1/100 s) since it was confirmed, used, updated
        age = (<uint32_t *> found)[0 if neighbour.ndm_state & LINUX_NUD_REACHABLE else 1] // 100
    if not neighbour.ndm_state & LINUX_NUD_REACHABLE:
        whole = NEIGHBOUR_STALE
    return whole - age if age < whole else 1


cdef long out_neighbour(sysctl_request_t *request, linux_nlmsghdr *entry, int family) noexcept nogil:
    """RTM_GET of the hardware address of a neighbour, as arp(8) and ndp(8) ask for them."""
    cdef uint8_t message[320]
    cdef linux_ndmsg *neighbour = <linux_ndmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef freebsd_rt_msghdr *header = <freebsd_rt_msghdr *> message
    cdef uint32_t size = 0, length = 4 if neighbour.ndm_family == LINUX_AF_INET else 16
    cdef uint8_t *destination
    cdef uint8_t *hardware
    cdef uint64_t at = sizeof(freebsd_rt_msghdr)
    if family != 0 and family != freebsd_family_from_linux(neighbour.ndm_family):
        return 0
    if neighbour.ndm_state & LINUX_NUD_NOARP:
        return 0                    # loopback, multicast: nobody was asked for them
    destination = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_DST, &size)
    if destination == NULL or size < length:
        return 0
    memset(message, 0, sizeof(message))
    hardware = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_LLADDR, &size)
    header.rtm_version = FREEBSD_RTM_VERSION
    header.rtm_type = FREEBSD_RTM_GET
    header.rtm_index = <uint16_t> neighbour.ndm_ifindex
    header.rtm_flags = FREEBSD_RTF_UP | FREEBSD_RTF_HOST | FREEBSD_RTF_LLINFO
    if neighbour.ndm_state & LINUX_NUD_PERMANENT:
        header.rtm_flags |= FREEBSD_RTF_STATIC
    else:
        # rmx_expire: the time since boot, since FreeBSD 11 that of day
        header.rtm_rmx[3] = <uint64_t> clock_seconds(LINUX_CLOCK_MONOTONIC if request.area.proc.own.osrel < OSREL_IF_DATA
                                                     else LINUX_CLOCK_REALTIME) + neighbour_lasts(entry)
    header.rtm_addrs = FREEBSD_RTA_DST | FREEBSD_RTA_GATEWAY
    at += inet_address(message + at, neighbour.ndm_family, destination, neighbour.ndm_ifindex)
    at += index_address(message + at, neighbour.ndm_ifindex, hardware, size if hardware != NULL else 0)
    header.rtm_msglen = <uint16_t> at
    return sysctl_out(request, message, at)


cdef long out_routes(sysctl_request_t *request, uint8_t *entries, uint64_t length, int operation) noexcept nogil:
    cdef uint64_t at = 0
    cdef linux_nlmsghdr *entry
    cdef long result = 0
    cdef bint neighbours = asks_neighbours(request)
    while result >= 0 or result == -LINUX_ENOMEM:
        entry = netlink_message(entries, length, &at)
        if entry == NULL:
            break
        if neighbours and entry.nlmsg_type == LINUX_RTM_NEWNEIGH:
            result = out_neighbour(request, entry, request.rest[1])
        elif not neighbours and entry.nlmsg_type == LINUX_RTM_NEWROUTE:
            result = out_route(request, entry, request.rest[1], request.rest[3] if operation == FREEBSD_NET_RT_FLAGS else 0)
    return result


cdef long out_group(sysctl_request_t *request, linux_nlmsghdr *link, uint8_t family, const uint8_t *group) noexcept nogil:
    """RTM_NEWMADDR: an interface and a multicast group that it listens to."""
    cdef uint8_t message[160]
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef freebsd_ifma_msghdr *header = <freebsd_ifma_msghdr *> message
    cdef uint64_t at = sizeof(freebsd_ifma_msghdr)
    memset(message, 0, sizeof(message))
    header.ifmam_version = FREEBSD_RTM_VERSION
    header.ifmam_type = FREEBSD_RTM_NEWMADDR
    header.ifmam_addrs = FREEBSD_RTA_IFP | FREEBSD_RTA_IFA
    header.ifmam_index = <uint16_t> info.ifi_index
    at += link_address(message + at, link, interface_type(info.ifi_type))
    at += inet_address(message + at, family, group, info.ifi_index)
    header.ifmam_msglen = <uint16_t> at
    return sysctl_out(request, message, at)


cdef linux_nlmsghdr *link_of_index(uint8_t *links, uint64_t length, uint32_t index) noexcept nogil:
    cdef uint64_t at = 0
    cdef linux_nlmsghdr *link
    while True:
        link = netlink_message(links, length, &at)
        if link == NULL:
            return NULL
        if (link.nlmsg_type == LINUX_RTM_NEWLINK
                and <uint32_t> (<linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))).ifi_index == index):
            return link


cdef const char *hex_bytes(const char *text, uint8_t *out, int count) noexcept nogil:
    """Bytes as pairs of hexadecimal digits; NULL where there are fewer."""
    cdef int i, high, low
    for i in range(count):
        high = hex_digit(text[2 * i])
        low = hex_digit(text[2 * i + 1]) if high >= 0 else -1
        if low < 0:
            return NULL
        out[i] = <uint8_t> (high * 16 + low)
    return text + 2 * count


cdef long out_groups(sysctl_request_t *request, uint8_t *links, uint64_t length, uint8_t family, const char *text,
                     uint32_t wanted) noexcept nogil:
    """The lines of /proc/net/igmp (a line of the interface, lines of its groups in the machine's byte order) or of igmp6
    (number, name, group)."""
    cdef linux_nlmsghdr *link = NULL
    cdef uint8_t group[16]
    cdef uint8_t swapped[4]
    cdef int64_t index = 0
    cdef const char *at
    cdef int i
    cdef long result = 0
    while text[0] != 0 and (result >= 0 or result == -LINUX_ENOMEM):
        at = text
        if c'0' <= at[0] <= c'9':
            at = parse_number(at, &index)
            link = link_of_index(links, length, <uint32_t> index)
            if family != LINUX_AF_INET:
                while at[0] == c' ' or at[0] == c'\t':
                    at += 1
                while at[0] != c' ' and at[0] != 0 and at[0] != c'\n':
                    at += 1
        while at[0] == c' ' or at[0] == c'\t':
            at += 1
        if link != NULL and (wanted == 0 or wanted == <uint32_t> index):
            if family == LINUX_AF_INET and text[0] == c'\t' and hex_bytes(at, swapped, 4) != NULL:
                for i in range(4):
                    group[i] = swapped[3 - i]
                result = out_group(request, link, family, group)
            elif family != LINUX_AF_INET and hex_bytes(at, group, 16) != NULL:
                result = out_group(request, link, family, group)
        while text[0] != 0 and text[0] != c'\n':
            text += 1
        if text[0] == c'\n':
            text += 1
    return result


cdef long sysctl_groups(sysctl_request_t *request, uint8_t *links, uint64_t length, uint8_t *text,
                        uint64_t size) noexcept nogil:
    cdef int family = request.rest[1]
    cdef long result = 0
    if (family == 0 or family == FREEBSD_AF_INET) and read_file(b"/proc/net/igmp", <char *> text, size) > 0:
        result = out_groups(request, links, length, LINUX_AF_INET, <char *> text, <uint32_t> request.rest[3])
    if (result >= 0 or result == -LINUX_ENOMEM) and (family == 0 or family == FREEBSD_AF_INET6) \
            and read_file(b"/proc/net/igmp6", <char *> text, size) > 0:
        return out_groups(request, links, length, LINUX_AF_INET6, <char *> text, <uint32_t> request.rest[3])
    return result

# What Linux says on a netlink socket, as FreeBSD says it. The structs at the heads are the same on both systems (RFC 3549); address
# families, types and flags of interfaces, errors, and which attributes there are, are not. Model: FreeBSD
# sys/netlink/route/iface.c (dump_iface, dump_iface_addr), rt.c (dump_px), neigh.c (dump_lle_locked).

cdef enum:
    NETLINK_SPARE = 1024            # more than any one message is longer for the guest than Linux's
    NLA_NESTED_ROOM = 64
    NUD_SAID = 0x1f                 # the states that both systems have
    # FreeBSD's own attributes (<netlink/route/*.h>); all others have Linux's numbers
    NL_IFLA_FREEBSD = 64
    NL_IFLAF_ORIG_HWADDR = 2
    NL_IFA_FREEBSD = 11
    NL_IFAF_FLAGS = 2
    NL_RTA_RTFLAGS = 14
    NL_NDA_FREEBSD = 18
    NL_NDAF_NEXT_STATE_TS = 1


cdef void nla_put(uint8_t *to, uint64_t *at, uint32_t type_, const void *data, uint64_t size) noexcept nogil:
    """Add an attribute."""
    (<uint16_t *> (to + at[0]))[0] = <uint16_t> (4 + size)
    (<uint16_t *> (to + at[0]))[1] = <uint16_t> type_
    memset(to + at[0] + 4, 0, (size + 3) & ~3UL)
    memcpy(to + at[0] + 4, data, size)
    at[0] += 4 + ((size + 3) & ~3UL)


cdef inline void nla_put32(uint8_t *to, uint64_t *at, uint32_t type_, uint32_t value) noexcept nogil:
    nla_put(to, at, type_, &value, 4)


cdef inline void nla_put8(uint8_t *to, uint64_t *at, uint32_t type_, uint8_t value) noexcept nogil:
    nla_put(to, at, type_, &value, 1)


cdef bint interface_name(int fd, int32_t index, char *name) noexcept nogil:
    """The guest's name of an interface (INTERFACE_NAME bytes); False where it is gone."""
    cdef linux_ifreq request
    memset(&request, 0, sizeof(request))
    (<int32_t *> request.value)[0] = index
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFNAME, <uint64_t> &request)):
        return False
    interface_rename(request.name)
    copy_text(name, request.name, INTERFACE_NAME)
    return True


cdef void put_link(linux_nlmsghdr *link, uint8_t *to, uint64_t *at) noexcept nogil:
    """RTM_NEWLINK and RTM_DELLINK."""
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef linux_ifinfomsg *own = <linux_ifinfomsg *> (to + at[0])
    cdef uint8_t type_ = interface_type(info.ifi_type)
    cdef uint8_t nested[NLA_NESTED_ROOM]
    cdef uint64_t nested_at = 0
    cdef char name[INTERFACE_NAME]
    cdef uint32_t size = 0
    cdef uint8_t *found
    cdef bint up = info.ifi_flags & LINUX_IFF_LOWER_UP != 0
    memset(own, 0, sizeof(linux_ifinfomsg))
    own.ifi_type = type_
    own.ifi_index = info.ifi_index
    own.ifi_flags = interface_flags(info.ifi_flags) | (FREEBSD_IFF_NETLINK_1 if up else 0)
    at[0] += sizeof(linux_ifinfomsg)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_IFNAME, &size)
    if found != NULL:
        copy_text(name, <char *> found, INTERFACE_NAME)
        interface_rename(name)
        nla_put(to, at, LINUX_IFLA_IFNAME, name, string_length(name) + 1)
    nla_put8(to, at, LINUX_IFLA_OPERSTATE, LINUX_IF_OPER_UP if up else LINUX_IF_OPER_DOWN)
    nla_put8(to, at, LINUX_IFLA_CARRIER, up)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_ADDRESS, &size)
    if found != NULL and type_ == FREEBSD_IFT_ETHER and size == 6:
        nla_put(to, at, LINUX_IFLA_ADDRESS, found, 6)
        nla_put(nested, &nested_at, NL_IFLAF_ORIG_HWADDR, found, 6)
        found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_BROADCAST, &size)
        if found != NULL and size == 6:
            nla_put(to, at, LINUX_IFLA_BROADCAST, found, 6)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_MTU, &size)
    if found != NULL and size >= 4:
        nla_put(to, at, LINUX_IFLA_MTU, found, 4)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_IFALIAS, &size)
    if found != NULL and size < 256:
        nla_put(to, at, LINUX_IFLA_IFALIAS, found, size)
    nla_put(to, at, NL_IFLA_FREEBSD, nested, nested_at)
    found = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_STATS64, &size)
    if found != NULL and size >= 192:
        nla_put(to, at, LINUX_IFLA_STATS64, found, 192)         # Linux has one more at the end
    nla_put32(to, at, LINUX_IFLA_PROMISCUITY, info.ifi_flags & FREEBSD_IFF_PROMISC != 0)


cdef uint8_t address_scope(uint8_t family, const uint8_t *address) noexcept nogil:
    """ifa_get_scope: by the address alone."""
    cdef int i
    if family == LINUX_AF_INET:
        if address[0] == 127:
            return LINUX_RT_SCOPE_HOST
        return LINUX_RT_SCOPE_LINK if address[0] == 169 and address[1] == 254 else LINUX_RT_SCOPE_UNIVERSE
    if address[0] == 0xfe and address[1] & 0xc0 == 0x80:
        return LINUX_RT_SCOPE_LINK
    for i in range(15):
        if address[i] != 0:
            return LINUX_RT_SCOPE_UNIVERSE
    return LINUX_RT_SCOPE_HOST if address[15] == 1 else LINUX_RT_SCOPE_UNIVERSE


cdef bint put_address(int fd, linux_nlmsghdr *entry, uint8_t *to, uint64_t *at) noexcept nogil:
    """RTM_NEWADDR and RTM_DELADDR; False for a family that FreeBSD lacks."""
    cdef linux_ifaddrmsg *info = <linux_ifaddrmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef linux_ifaddrmsg *own = <linux_ifaddrmsg *> (to + at[0])
    cdef uint32_t size = 0, flags = info.ifa_flags
    cdef const uint8_t *address = own_address(entry, info, &size)
    cdef const uint8_t *peer = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_ADDRESS, &size)
    cdef const uint8_t *found
    cdef uint64_t length = 4 if info.ifa_family == LINUX_AF_INET else 16, nested_at = 0
    cdef uint8_t nested[NLA_NESTED_ROOM]
    cdef char name[INTERFACE_NAME]
    if address == NULL:
        return False
    memset(own, 0, sizeof(linux_ifaddrmsg))
    own.ifa_family = <uint8_t> freebsd_family_from_linux(info.ifa_family)
    own.ifa_prefixlen = info.ifa_prefixlen
    own.ifa_scope = address_scope(info.ifa_family, address)
    own.ifa_index = info.ifa_index
    at[0] += sizeof(linux_ifaddrmsg)
    found = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_FLAGS, &size)
    if found != NULL and size >= 4:
        flags = (<const uint32_t *> found)[0]
    if peer == NULL or memcmp(peer, address, length) == 0:
        nla_put(to, at, LINUX_IFA_ADDRESS, address, length)
        if info.ifa_family == LINUX_AF_INET:
            nla_put(to, at, LINUX_IFA_LOCAL, address, length)
    else:
        nla_put(to, at, LINUX_IFA_ADDRESS, peer, length)
        nla_put(to, at, LINUX_IFA_LOCAL, address, length)
    found = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_BROADCAST, &size)
    if found != NULL and size == 4:
        nla_put(to, at, LINUX_IFA_BROADCAST, found, 4)
    if interface_name(fd, <int32_t> info.ifa_index, name):
        nla_put(to, at, LINUX_IFA_LABEL, name, string_length(name) + 1)
    nla_put32(to, at, LINUX_IFA_FLAGS, 0 if info.ifa_family == LINUX_AF_INET else flags & (
        LINUX_IFA_F_TEMPORARY | LINUX_IFA_F_NODAD | LINUX_IFA_F_DEPRECATED | LINUX_IFA_F_TENTATIVE))
    if info.ifa_family != LINUX_AF_INET:
        found = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_CACHEINFO, &size)
        if found != NULL and size == 16:
            nla_put(to, at, LINUX_IFA_CACHEINFO, found, 16)
        nla_put32(nested, &nested_at, NL_IFAF_FLAGS, six_flags_from_linux(flags))
    nla_put(to, at, NL_IFA_FREEBSD, nested, nested_at)
    return True


cdef bint is_answer(int fd, linux_nlmsghdr *message) noexcept nogil:
    """True for what was said to this socket because it had asked."""
    return message.nlmsg_pid != 0 and netlink_port(fd) == message.nlmsg_pid


cdef bint put_route(int fd, linux_nlmsghdr *entry, uint8_t *to, uint64_t *at) noexcept nogil:
    """RTM_NEWROUTE and RTM_DELROUTE; False for one that FreeBSD has not (route_flags)."""
    cdef linux_rtmsg *route = <linux_rtmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef linux_rtmsg *own = <linux_rtmsg *> (to + at[0])
    cdef uint32_t size = 0, flags = route_flags(entry, not entry.nlmsg_flags & LINUX_NLM_F_MULTI and is_answer(fd, entry))
    cdef uint64_t length = 4 if route.rtm_family == LINUX_AF_INET else 16
    cdef uint8_t zero[16]
    cdef const uint8_t *found
    if flags == 0:
        return False
    memset(own, 0, sizeof(linux_rtmsg))
    memset(zero, 0, sizeof(zero))
    own.rtm_family = <uint8_t> freebsd_family_from_linux(route.rtm_family)
    own.rtm_dst_len = route.rtm_dst_len
    own.rtm_protocol = route.rtm_protocol if route.rtm_protocol <= LINUX_RTPROT_STATIC else LINUX_RTPROT_STATIC
    own.rtm_scope = LINUX_RT_SCOPE_UNIVERSE
    own.rtm_type = LINUX_RTN_BLACKHOLE if flags & FREEBSD_RTF_BLACKHOLE else LINUX_RTN_UNREACHABLE \
        if flags & FREEBSD_RTF_REJECT else LINUX_RTN_UNICAST
    at[0] += sizeof(linux_rtmsg)
    nla_put32(to, at, LINUX_RTA_TABLE, 0)
    found = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_DST, &size)
    nla_put(to, at, LINUX_RTA_DST, found if found != NULL and size == length else zero, length)
    found = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_GATEWAY, &size)
    if found != NULL and size == length:
        nla_put(to, at, LINUX_RTA_GATEWAY, found, length)
    nla_put32(to, at, NL_RTA_RTFLAGS, flags & ~<uint32_t> FREEBSD_RTF_UP)         # who prints it adds that
    found = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_OIF, &size)
    if found != NULL and size == 4:
        nla_put(to, at, LINUX_RTA_OIF, found, 4)
    return True


cdef bint put_neighbour(linux_nlmsghdr *entry, uint8_t *to, uint64_t *at) noexcept nogil:
    """RTM_NEWNEIGH and RTM_DELNEIGH; False for what nobody was asked for. Of IPv4 there are fewer states."""
    cdef linux_ndmsg *neighbour = <linux_ndmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef linux_ndmsg *own = <linux_ndmsg *> (to + at[0])
    cdef uint32_t size = 0, state = neighbour.ndm_state, lasts
    cdef uint64_t length = 4 if neighbour.ndm_family == LINUX_AF_INET else 16
    cdef uint8_t nested[NLA_NESTED_ROOM]
    cdef uint64_t nested_at = 0
    cdef uint8_t cache[16]
    cdef const uint8_t *found
    cdef const uint8_t *address = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_DST, &size)
    if (neighbour.ndm_family != LINUX_AF_INET and neighbour.ndm_family != LINUX_AF_INET6) or state & LINUX_NUD_NOARP \
            or address == NULL or size != length:
        return False
    memset(own, 0, sizeof(linux_ndmsg))
    own.ndm_family = <uint8_t> freebsd_family_from_linux(neighbour.ndm_family)
    own.ndm_ifindex = neighbour.ndm_ifindex
    own.ndm_flags = neighbour.ndm_flags & (LINUX_NTF_PROXY | LINUX_NTF_ROUTER)
    if state & LINUX_NUD_PERMANENT:
        own.ndm_flags |= LINUX_NTF_STICKY
        state = LINUX_NUD_REACHABLE
    elif neighbour.ndm_family == LINUX_AF_INET and state & (LINUX_NUD_STALE | LINUX_NUD_DELAY):
        state = LINUX_NUD_REACHABLE
    elif state & LINUX_NUD_FAILED:
        state = LINUX_NUD_INCOMPLETE
    own.ndm_state = <uint16_t> (state & NUD_SAID)
    at[0] += sizeof(linux_ndmsg)
    nla_put(to, at, LINUX_NDA_DST, address, length)
    found = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_LLADDR, &size)
    if found != NULL and size <= 20:
        nla_put(to, at, LINUX_NDA_LLADDR, found, size)
    found = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_PROBES, &size)
    nla_put32(to, at, LINUX_NDA_PROBES, (<const uint32_t *> found)[0] if found != NULL and size == 4 else 0)
    memset(cache, 0, sizeof(cache))
    nla_put(to, at, LINUX_NDA_CACHEINFO, cache, sizeof(cache))
    lasts = neighbour_lasts(entry)
    nla_put32(nested, &nested_at, NL_NDAF_NEXT_STATE_TS, <uint32_t> clock_seconds(LINUX_CLOCK_REALTIME) + lasts if lasts else 0)
    nla_put(to, at, NL_NDA_FREEBSD, nested, nested_at)
    return True


cdef void put_message(int fd, int kind, bint bound, linux_nlmsghdr *source, uint8_t *to, uint64_t *at) noexcept nogil:
    """One message of Linux's; nothing where the guest would not get one. bound: the socket has a port for the guest."""
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> (to + at[0])
    cdef uint64_t start = at[0]
    cdef uint32_t type_ = source.nlmsg_type
    cdef uint32_t body = source.nlmsg_len - <uint32_t> sizeof(linux_nlmsghdr)
    cdef bint said = True
    header[0] = source[0]
    if not bound:
        header.nlmsg_pid = 0
    at[0] += sizeof(linux_nlmsghdr)
    if type_ == LINUX_NLMSG_ERROR or type_ == LINUX_NLMSG_DONE:
        put_error(fd, kind, source, header, to, at)
    elif kind == SOCKET_IS_GENERIC:
        said = put_family(source, to, at)
    elif (type_ == LINUX_RTM_NEWLINK or type_ == LINUX_RTM_DELLINK) and body >= sizeof(linux_ifinfomsg):
        said = (<linux_ifinfomsg *> (source + 1)).ifi_family == LINUX_AF_UNSPEC     # else a bridge's, or IPv6's settings
        if said:
            put_link(source, to, at)
    elif (type_ == LINUX_RTM_NEWADDR or type_ == LINUX_RTM_DELADDR) and body >= sizeof(linux_ifaddrmsg):
        said = put_address(fd, source, to, at)
    elif (type_ == LINUX_RTM_NEWROUTE or type_ == LINUX_RTM_DELROUTE) and body >= sizeof(linux_rtmsg):
        said = put_route(fd, source, to, at)
    elif (type_ == LINUX_RTM_NEWNEIGH or type_ == LINUX_RTM_DELNEIGH) and body >= sizeof(linux_ndmsg):
        said = put_neighbour(source, to, at)
    else:
        said = type_ < LINUX_NLMSG_MIN_TYPE
    if not said:
        at[0] = start
        return
    header.nlmsg_len = <uint32_t> (at[0] - start)
    while at[0] & 3:
        to[at[0]] = 0
        at[0] += 1


cdef long netlink_messages(int fd, int kind, netlink_work_t *work, uint64_t length) noexcept nogil:
    """Translate what came, in work.linux, to work.guest; its length."""
    cdef uint64_t at = 0, written = 0
    cdef bint bound = netlink_is_bound(fd)
    cdef linux_nlmsghdr *source
    while True:
        source = netlink_message(work.linux, length, &at)
        if source == NULL or source.nlmsg_len < sizeof(linux_nlmsghdr) \
                or written + source.nlmsg_len + NETLINK_SPARE > NETLINK_ROOM:
            return <long> written
        put_message(fd, kind, bound, source, work.guest, &written)

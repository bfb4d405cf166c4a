# What a guest asks on a netlink socket, as Linux is asked it: interfaces, addresses, routes, neighbours. Who wants to change
# something is told EOPNOTSUPP. Model: FreeBSD sys/netlink/route/iface.c (rtnl_handle_getlink, rtnl_handle_getaddr), rt.c
# (rtnl_handle_getroute), neigh.c (rtnl_handle_getneigh).

cdef enum:
    NETLINK_REFUSED = 0x4000        # in the type of a request: Linux has none of that number, and says so
    NLM_F_SINGLE = ~0x300 & 0xffff  # without NLM_F_DUMP


cdef uint8_t *request_attribute(const uint8_t *request, uint64_t body, uint32_t type_, uint32_t *size) noexcept nogil:
    return netlink_attribute(<linux_nlmsghdr *> request, body, type_, size)


cdef bint ask_link(const uint8_t *request, uint8_t *to, uint64_t *at) noexcept nogil:
    """One interface, by its number or name; else all, whether or not the guest says so."""
    cdef linux_ifinfomsg *asked = <linux_ifinfomsg *> (request + sizeof(linux_nlmsghdr))
    cdef linux_ifinfomsg *own = <linux_ifinfomsg *> (to + at[0])
    cdef char name[INTERFACE_NAME]
    cdef uint32_t size = 0
    cdef uint8_t *found = request_attribute(request, sizeof(linux_ifinfomsg), LINUX_IFLA_IFNAME, &size)
    memset(own, 0, sizeof(linux_ifinfomsg))
    own.ifi_index = asked.ifi_index
    at[0] += sizeof(linux_ifinfomsg)
    if asked.ifi_index == 0 and found != NULL and size > 0:
        memset(name, 0, sizeof(name))
        memcpy(name, found, size if size < INTERFACE_NAME else INTERFACE_NAME - 1)
        interface_rename(name)
        nla_put(to, at, LINUX_IFLA_IFNAME, name, string_length(name) + 1)
        return False
    return asked.ifi_index == 0


cdef void ask_addresses(const uint8_t *request, uint8_t *to, uint64_t *at) noexcept nogil:
    cdef linux_ifaddrmsg *asked = <linux_ifaddrmsg *> (request + sizeof(linux_nlmsghdr))
    cdef linux_ifaddrmsg *own = <linux_ifaddrmsg *> (to + at[0])
    memset(own, 0, sizeof(linux_ifaddrmsg))
    own.ifa_family = <uint8_t> linux_family_from_freebsd(asked.ifa_family)
    own.ifa_index = asked.ifa_index
    at[0] += sizeof(linux_ifaddrmsg)


cdef void ask_route(const uint8_t *request, bint dump, uint8_t *to, uint64_t *at) noexcept nogil:
    """All routes, or the one that leads to a destination: that which the table has, and not what comes of it."""
    cdef linux_rtmsg *asked = <linux_rtmsg *> (request + sizeof(linux_nlmsghdr))
    cdef linux_rtmsg *own = <linux_rtmsg *> (to + at[0])
    cdef uint32_t size = 0
    cdef uint8_t *found = request_attribute(request, sizeof(linux_rtmsg), LINUX_RTA_DST, &size)
    cdef uint8_t zero[16]
    cdef uint8_t address[16]
    cdef route_question_t default_
    memset(zero, 0, sizeof(zero))
    memset(&default_, 0, sizeof(default_))
    memset(own, 0, sizeof(linux_rtmsg))
    own.rtm_family = <uint8_t> linux_family_from_freebsd(asked.rtm_family)
    at[0] += sizeof(linux_rtmsg)
    if not dump:
        own.rtm_flags = LINUX_RTM_F_FIB_MATCH
        if found == NULL:
            own.rtm_src_len = 99        # EINVAL, as is a question about nothing
        if found != NULL and (size == 4 or size == 16):
            own.rtm_dst_len = <uint8_t> (size * 8)
            if memcmp(found, zero, size) == 0:      # the default route: what leads to the whole Internet
                default_.family = own.rtm_family
                default_.size = size
                route_candidate(&default_, 0, address)
                found = address
            nla_put(to, at, LINUX_RTA_DST, found, size)
        found = request_attribute(request, sizeof(linux_rtmsg), LINUX_RTA_OIF, &size)
        if found != NULL and size == 4:
            nla_put(to, at, LINUX_RTA_OIF, found, 4)


cdef bint ask_neighbour(const uint8_t *request, uint8_t *to, uint64_t *at) noexcept nogil:
    """One neighbour, by its address; else all."""
    cdef linux_ndmsg *asked = <linux_ndmsg *> (request + sizeof(linux_nlmsghdr))
    cdef linux_ndmsg *own = <linux_ndmsg *> (to + at[0])
    cdef uint32_t size = 0
    cdef int32_t index = asked.ndm_ifindex
    cdef uint8_t *found = request_attribute(request, sizeof(linux_ndmsg), LINUX_NDA_IFINDEX, &size)
    if found != NULL and size == 4:
        index = (<int32_t *> found)[0]
    memset(own, 0, sizeof(linux_ndmsg))
    own.ndm_family = <uint8_t> linux_family_from_freebsd(asked.ndm_family)
    at[0] += sizeof(linux_ndmsg)
    found = request_attribute(request, sizeof(linux_ndmsg), LINUX_NDA_DST, &size)
    if found == NULL or (size != 4 and size != 16):
        if index != 0:
            nla_put32(to, at, LINUX_NDA_IFINDEX, <uint32_t> index)
        return True
    own.ndm_ifindex = index
    nla_put(to, at, LINUX_NDA_DST, found, size)
    return False


cdef void put_request(const uint8_t *request, uint8_t *to, uint64_t *at) noexcept nogil:
    """One request. What it does not say is 0, as is the rest of a body that is too short."""
    cdef uint8_t whole[256]
    cdef linux_nlmsghdr *asked = <linux_nlmsghdr *> request
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> (to + at[0])
    cdef uint64_t start = at[0]
    cdef bint dump = asked.nlmsg_flags & LINUX_NLM_F_DUMP != 0
    header[0] = asked[0]
    at[0] += sizeof(linux_nlmsghdr)
    if asked.nlmsg_len < 64:
        memset(whole, 0, sizeof(whole))
        memcpy(whole, request, asked.nlmsg_len)
        request = whole
    if asked.nlmsg_type == LINUX_RTM_GETLINK:
        dump = ask_link(request, to, at)
    elif asked.nlmsg_type == LINUX_RTM_GETADDR:
        ask_addresses(request, to, at)
        dump = True
    elif asked.nlmsg_type == LINUX_RTM_GETROUTE:
        ask_route(request, dump, to, at)
    elif asked.nlmsg_type == LINUX_RTM_GETNEIGH:
        dump = ask_neighbour(request, to, at)
    elif asked.nlmsg_type >= LINUX_NLMSG_MIN_TYPE:
        header.nlmsg_type |= NETLINK_REFUSED
        memset(to + at[0], 0, 4)
        at[0] += 4
    header.nlmsg_flags = <uint16_t> (asked.nlmsg_flags & NLM_F_SINGLE | (LINUX_NLM_F_DUMP if dump else 0))
    header.nlmsg_len = <uint32_t> (at[0] - start)


cdef long netlink_requests(netlink_work_t *work, uint64_t length) noexcept nogil:
    """Translate what the guest sends, in work.guest, to work.linux; its length. What is no message is not looked at."""
    cdef uint64_t at = 0, written = 0
    cdef linux_nlmsghdr *asked
    while True:
        asked = netlink_message(work.guest, length, &at)
        if asked == NULL or asked.nlmsg_len < sizeof(linux_nlmsghdr) or written + 256 > NETLINK_ROOM:
            return <long> written
        put_request(<uint8_t *> asked, work.linux, &written)

# What a guest asks on a netlink socket, as Linux is asked it: interfaces, addresses, routes, neighbours. Who wants to change
# something is told EPERM, or EOPNOTSUPP if it might. Model: FreeBSD sys/netlink/netlink_route.c (rtnl_handle_message),
# netlink/route/iface.c (rtnl_handle_getlink, rtnl_handle_getaddr), rt.c (rtnl_handle_getroute), neigh.c (rtnl_handle_getneigh),
# nexthop.c (rtnl_handle_getnhop).

# A request that is refused goes to Linux as it is, so that its answer has its place among the others and repeats the request. The type
# is one that Linux does not know, by which the answer is told what to say.
cdef enum:
    NETLINK_REFUSED = 0x8000
    NETLINK_UNKNOWN = NETLINK_REFUSED               # EOPNOTSUPP: no such type
    NETLINK_UNDONE = NETLINK_REFUSED | 0x2000       # EOPNOTSUPP: LSF changes no network
    NETLINK_NO_RIGHT = NETLINK_REFUSED | 0x4000     # EPERM
    NETLINK_NOTHING = NETLINK_REFUSED | 0x6000      # ESRCH
    NETLINK_ASKED = 0x1fff                          # the guest's type
    NLM_F_SINGLE = ~0x300 & 0xffff                  # without NLM_F_DUMP
    NL_RTM_NEWNEXTHOP = 104
    NL_RTM_GETNEXTHOP = 106
    NETLINK_REQUEST_SPARE = 256                     # more than any one is longer for Linux than the guest's


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


cdef bint changes_network(uint32_t type_) noexcept nogil:
    """True for the requests that want a privilege: of each four from RTM_NEWLINK on the first two make and delete something."""
    return (LINUX_RTM_NEWLINK <= type_ <= LINUX_RTM_DELNEIGH and type_ & 3 <= 1
            or NL_RTM_NEWNEXTHOP <= type_ < NL_RTM_GETNEXTHOP)


cdef uint32_t request_refused(area_t *area, uint32_t type_) noexcept nogil:
    """What Linux gets as the type of a request that it is not to serve."""
    if type_ & ~<uint32_t> NETLINK_ASKED:
        return type_
    if type_ == NL_RTM_GETNEXTHOP:              # nobody has made any
        return type_ | NETLINK_NOTHING
    if not changes_network(type_):
        return type_ | NETLINK_UNKNOWN
    return type_ | (NETLINK_NO_RIGHT if effective_user(area.proc) else NETLINK_UNDONE)


cdef void put_refused(linux_nlmsghdr *asked, uint32_t type_, uint8_t *to, uint64_t *at) noexcept nogil:
    """The whole request, of another type; the header is there."""
    cdef uint64_t body = asked.nlmsg_len - sizeof(linux_nlmsghdr)
    (<linux_nlmsghdr *> (to + at[0] - sizeof(linux_nlmsghdr))).nlmsg_type = <uint16_t> type_
    memcpy(to + at[0], asked + 1, body)
    memset(to + at[0] + body, 0, 3)
    at[0] += body


cdef void put_request(area_t *area, int kind, const uint8_t *request, uint8_t *to, uint64_t *at) noexcept nogil:
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
    if kind == SOCKET_IS_GENERIC:
        dump = asked.nlmsg_type >= LINUX_NLMSG_MIN_TYPE and ask_generic(asked, to, at)
    elif asked.nlmsg_type == LINUX_RTM_GETLINK:
        dump = ask_link(request, to, at)
    elif asked.nlmsg_type == LINUX_RTM_GETADDR:
        ask_addresses(request, to, at)
        dump = True
    elif asked.nlmsg_type == LINUX_RTM_GETROUTE:
        ask_route(request, dump, to, at)
    elif asked.nlmsg_type == LINUX_RTM_GETNEIGH:
        dump = ask_neighbour(request, to, at)
    elif asked.nlmsg_type >= LINUX_NLMSG_MIN_TYPE:
        put_refused(asked, request_refused(area, asked.nlmsg_type), to, at)
    if not header.nlmsg_type & NETLINK_REFUSED:
        header.nlmsg_flags = <uint16_t> (asked.nlmsg_flags & NLM_F_SINGLE | (LINUX_NLM_F_DUMP if dump else 0))
    header.nlmsg_len = <uint32_t> (at[0] - start)
    at[0] = start + (at[0] - start + 3 & ~3UL)


cdef long netlink_requests(area_t *area, int kind, netlink_work_t *work, uint64_t length) noexcept nogil:
    """Translate what the guest sends, in work.guest, to work.linux; its length. What is no message is not looked at."""
    cdef uint64_t at = 0, written = 0
    cdef linux_nlmsghdr *asked
    while True:
        asked = netlink_message(work.guest, length, &at)
        if asked == NULL or asked.nlmsg_len < sizeof(linux_nlmsghdr) \
                or written + asked.nlmsg_len + NETLINK_REQUEST_SPARE > NETLINK_ROOM:
            return <long> written
        put_request(area, kind, <uint8_t *> asked, work.linux, &written)

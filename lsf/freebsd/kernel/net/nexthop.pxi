# The sysctl net.routetable: next hops (NET_RT_NHOP), which netstat -o shows: where routes lead, each once, with how many do. Linux keeps
# them with the routes; they are numbered here in the routes' order. Model: FreeBSD sys/net/route/nhop_ctl.c (dump_nhop_entry,
# nhops_dump_sysctl), nhop.h. A route of several next hops is none, as it is not to NET_RT_DUMP: there are no groups (NET_RT_NHGRP).

cdef struct freebsd_nhop_external:
    uint32_t nh_len
    uint32_t nh_idx
    uint32_t nh_fib
    uint32_t ifindex
    uint32_t aifindex
    uint8_t prepend_len
    uint8_t nh_family
    uint16_t nh_type
    uint16_t nh_mtu
    uint16_t nh_flags
    uint32_t nh_addr
    uint32_t nh_src
    uint64_t nh_pksent
    char nh_prepend[64]
    uint64_t nh_refcount

cdef struct freebsd_nhop_addrs:
    uint32_t na_len                 # of this and the addresses behind it
    uint16_t gw_sa_off
    uint16_t src_sa_off

cdef enum:
    NEXTHOPS_MOST = 512             # what differs beyond that is not told
    NHF_REJECT = 0x10
    NHF_BLACKHOLE = 0x20
    NHF_DEFAULT = 0x80
    NHF_GATEWAY = 0x200
    NHF_HOST = 0x400

cdef struct nexthop_t:
    uint32_t count                  # of routes
    uint32_t index                  # of the interface
    uint32_t flags                  # RTF_
    uint16_t kind                   # NHF_
    uint8_t gateway[16]


cdef bint nexthop_of(linux_nlmsghdr *entry, int family, nexthop_t *hop) noexcept nogil:
    """Where a route leads; False for one that FreeBSD has not (route_flags), or of another family, FreeBSD's."""
    cdef linux_rtmsg *route = <linux_rtmsg *> (entry + 1)
    cdef uint32_t size = 0, length = 4 if route.rtm_family == LINUX_AF_INET else 16
    cdef const uint8_t *gateway
    memset(hop, 0, sizeof(nexthop_t))
    if entry.nlmsg_type != LINUX_RTM_NEWROUTE or freebsd_family_from_linux(route.rtm_family) != family:
        return False
    hop.flags = route_flags(entry, False)
    hop.index = route_index(entry)
    if hop.flags == 0:
        return False
    hop.kind = NHF_HOST if hop.flags & FREEBSD_RTF_HOST else NHF_DEFAULT if route.rtm_dst_len == 0 else 0
    if hop.flags & FREEBSD_RTF_REJECT:
        hop.kind |= NHF_REJECT
    if hop.flags & FREEBSD_RTF_BLACKHOLE:
        hop.kind |= NHF_BLACKHOLE
    gateway = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_GATEWAY, &size)
    if hop.flags & FREEBSD_RTF_GATEWAY and gateway != NULL:
        hop.kind |= NHF_GATEWAY
        memcpy(hop.gateway, gateway, length)
    return True


cdef uint32_t nexthops_collect(uint8_t *entries, uint64_t length, int family, nexthop_t *hops) noexcept nogil:
    """The next hops of all routes, in NEXTHOPS_MOST places: how many there are."""
    cdef nexthop_t hop
    cdef linux_nlmsghdr *entry
    cdef uint64_t at = 0
    cdef uint32_t known = 0, i
    while True:
        entry = netlink_message(entries, length, &at)
        if entry == NULL:
            return known
        if not nexthop_of(entry, family, &hop):
            continue
        i = 0
        while i < known and (hops[i].index != hop.index or hops[i].flags != hop.flags or hops[i].kind != hop.kind
                             or memcmp(hops[i].gateway, hop.gateway, sizeof(hop.gateway)) != 0):
            i += 1
        if i == NEXTHOPS_MOST:
            continue
        if i == known:
            hops[i] = hop
            known += 1
        hops[i].count += 1


cdef uint64_t link_short(uint8_t *to, uint32_t index) noexcept nogil:
    """A struct sockaddr_dl_short of an interface: its length."""
    memset(to, 0, 16)
    to[0] = 16
    to[1] = FREEBSD_AF_LINK
    (<uint16_t *> (to + 2))[0] = <uint16_t> index
    return 16


cdef uint64_t nexthop_source(uint8_t *to, uint8_t *addresses, uint64_t length, uint8_t family, uint32_t index) noexcept nogil:
    """The first address of a family, Linux's, that an interface has; its own where it has none: the length."""
    cdef linux_nlmsghdr *entry
    cdef linux_ifaddrmsg *info
    cdef const uint8_t *own
    cdef uint64_t at = 0
    cdef uint32_t size = 0
    while True:
        entry = netlink_message(addresses, length, &at)
        if entry == NULL:
            return link_short(to, index)
        info = <linux_ifaddrmsg *> (entry + 1)
        if entry.nlmsg_type == LINUX_RTM_NEWADDR and info.ifa_index == index and info.ifa_family == family:
            own = own_address(entry, info, &size)
            if own != NULL:
                inet_address(to, family, own, index)
                return to[0]


cdef long out_nexthop(sysctl_request_t *request, const nexthop_t *hop, uint32_t number, uint8_t family, int fd,
                      uint8_t *addresses, uint64_t length) noexcept nogil:
    """RTM_GET of one: a header, struct nhop_external, struct nhop_addrs, the gateway's address, and the source's."""
    cdef uint8_t message[512]
    cdef freebsd_rt_msghdr *header = <freebsd_rt_msghdr *> message
    cdef freebsd_nhop_external *external = <freebsd_nhop_external *> (message + sizeof(freebsd_rt_msghdr))
    cdef freebsd_nhop_addrs *places = <freebsd_nhop_addrs *> (external + 1)
    cdef uint8_t *first = <uint8_t *> places
    cdef uint64_t at = sizeof(freebsd_nhop_addrs)
    cdef uint32_t mtu = interface_mtu(fd, <int32_t> hop.index)
    memset(message, 0, sizeof(message))
    header.rtm_version = FREEBSD_RTM_VERSION
    header.rtm_type = FREEBSD_RTM_GET
    header.rtm_flags = <int32_t> hop.flags
    external.nh_len = sizeof(freebsd_nhop_external)
    external.nh_idx = number
    external.ifindex = hop.index
    external.aifindex = hop.index
    external.nh_family = <uint8_t> freebsd_family_from_linux(family)
    external.nh_type = (1 if family == LINUX_AF_INET else 3) + (1 if hop.kind & NHF_GATEWAY else 0)     # NH_TYPE_
    external.nh_mtu = <uint16_t> (mtu if mtu < 65535 else 65535)
    external.nh_flags = hop.kind
    external.nh_refcount = hop.count
    places.gw_sa_off = <uint16_t> at
    if hop.kind & NHF_GATEWAY:
        inet_address(first + at, family, hop.gateway, hop.index)
        at += first[at]
    else:
        at += link_short(first + at, hop.index)
    places.src_sa_off = <uint16_t> at
    at += nexthop_source(first + at, addresses, length, family, hop.index)
    places.na_len = <uint32_t> at
    at += sizeof(freebsd_rt_msghdr) + sizeof(freebsd_nhop_external)
    header.rtm_msglen = <uint16_t> at
    return sysctl_out(request, message, at)


cdef long out_nexthops(sysctl_request_t *request, uint8_t *routes, uint64_t routes_length, uint8_t *addresses,
                       uint64_t addresses_length) noexcept nogil:
    cdef uint64_t memory = map_memory(NEXTHOPS_MOST * sizeof(nexthop_t))
    cdef nexthop_t *hops = <nexthop_t *> memory
    cdef int family = request.rest[1]
    cdef uint32_t count, i
    cdef long result = 0, fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_INET, LINUX_SOCK_DGRAM | LINUX_SOCK_CLOEXEC, 0)
    if memory == 0:
        result = -LINUX_ENOMEM
    count = 0 if memory == 0 else nexthops_collect(routes, routes_length, family, hops)
    for i in range(count):
        result = out_nexthop(request, &hops[i], i + 1, <uint8_t> linux_family_from_freebsd(family), <int> fd, addresses,
                             addresses_length)
        if result < 0 and result != -LINUX_ENOMEM:
            break
    if not is_error(fd):
        linux_syscall1(LINUX_SYS_close, fd)
    if memory != 0:
        linux_syscall2(LINUX_SYS_munmap, memory, NEXTHOPS_MOST * sizeof(nexthop_t))
    return result

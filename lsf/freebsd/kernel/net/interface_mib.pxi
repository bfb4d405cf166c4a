# The sysctl net.link.generic: how many interfaces there are, and what each is and has counted (ifmib(4)), which systat -ifstat and
# programs for SNMP read. Model: FreeBSD sys/net/if_mib.c.

cdef struct freebsd_ifmibdata:
    char ifmd_name[16]
    int32_t ifmd_pcount
    int32_t ifmd_flags
    int32_t ifmd_snd_len
    int32_t ifmd_snd_maxlen
    int32_t ifmd_snd_drops
    int32_t ifmd_filler[4]
    freebsd_if_data ifmd_data

cdef enum:
    IFMIB_SYSTEM = 1
    IFMIB_IFDATA = 2
    IFMIB_IFCOUNT = 1
    IFDATA_GENERAL = 1
    IFDATA_LINKSPECIFIC = 2
    IFDATA_DRIVERNAME = 3


cdef int32_t count_links(uint8_t *links, uint64_t length) noexcept nogil:
    """The highest number of an interface (if_index), which IFMIB_IFCOUNT tells."""
    cdef linux_nlmsghdr *link
    cdef uint64_t at = 0
    cdef int32_t most = 0, index
    while True:
        link = netlink_message(links, length, &at)
        if link == NULL:
            return most
        index = (<linux_ifinfomsg *> (link + 1)).ifi_index
        if link.nlmsg_type == LINUX_RTM_NEWLINK and index > most:
            most = index


cdef long out_ifmib(sysctl_request_t *request, linux_nlmsghdr *link, int32_t what) noexcept nogil:
    """One row of the table of interfaces: one of IFDATA_."""
    cdef freebsd_ifmibdata data
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (link + 1)
    cdef uint32_t size = 0
    cdef const uint8_t *name = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_IFNAME, &size)
    cdef const uint8_t *queue = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_TXQLEN, &size)
    cdef const uint8_t *listeners = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_PROMISCUITY, &size)
    memset(&data, 0, sizeof(data))
    if name != NULL:
        append(data.ifmd_name, 0, sizeof(data.ifmd_name), <const char *> name)
        interface_rename(data.ifmd_name)
    if what == IFDATA_DRIVERNAME:
        return sysctl_out_string(request, data.ifmd_name)
    if what == IFDATA_LINKSPECIFIC:
        return 0                    # nobody has any
    if what != IFDATA_GENERAL:
        return -LINUX_ENOENT
    interface_data(&data.ifmd_data, link)
    data.ifmd_flags = <int32_t> interface_flags(info.ifi_flags)
    data.ifmd_pcount = (<const int32_t *> listeners)[0] if listeners != NULL else 0
    data.ifmd_snd_maxlen = (<const int32_t *> queue)[0] if queue != NULL else 0
    data.ifmd_snd_drops = <int32_t> data.ifmd_data.ifi_oqdrops
    return sysctl_out(request, &data, sizeof(data))


cdef public long sysctl_ifmib(sysctl_request_t *request) noexcept nogil:
    """net.link.generic.system.ifcount and net.link.generic.ifdata.INDEX.WHAT, by their numbers."""
    cdef uint64_t memory
    cdef linux_nlmsghdr *link
    cdef int32_t count
    cdef long length, result = -LINUX_ENOENT
    cdef bint system = request.nrest == 2 and request.rest[0] == IFMIB_SYSTEM and request.rest[1] == IFMIB_IFCOUNT
    if not system and (request.nrest == 0 or request.rest[0] != IFMIB_IFDATA):
        return -LINUX_ENOENT
    if not system and request.nrest != 3:
        return -LINUX_EINVAL
    memory = map_memory(DUMP_SIZE)
    if memory == 0:
        return -LINUX_ENOMEM
    length = netlink_ask(LINUX_RTM_GETLINK, <uint8_t *> memory, DUMP_SIZE)
    if length < 0:
        result = length
    elif system:
        count = count_links(<uint8_t *> memory, <uint64_t> length)
        result = sysctl_out(request, &count, 4)
    elif request.rest[1] > 0:
        link = link_of_index(<uint8_t *> memory, <uint64_t> length, <uint32_t> request.rest[1])
        if link != NULL:
            result = out_ifmib(request, link, request.rest[2])
    linux_syscall2(LINUX_SYS_munmap, memory, DUMP_SIZE)
    return result

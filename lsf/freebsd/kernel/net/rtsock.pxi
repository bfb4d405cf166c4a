# Routing sockets, to read: RTM_GET, and what changes. Model: FreeBSD sys/net/rtsock.c (rts_attach, rts_send, update_rtm_from_rc,
# rtsock_routemsg, rtsock_addrmsg, rtsock_ifmsg, rt_ifannouncemsg), route(4).
#
# The question of an RTM_GET is put twice: on a socket of the shim's, since write(2) tells an error at once, and on the guest's
# own, where the answer then waits.

cdef enum:
    ROUTE_MESSAGE = 640             # of one message
    IFAN_DEPARTURE = 1
    ROUTE_ADDRESSES = 8             # RTAX_MAX

cdef struct freebsd_if_announcemsghdr:
    uint16_t ifan_msglen
    uint8_t ifan_version
    uint8_t ifan_type
    uint16_t ifan_index
    char ifan_name[16]
    uint16_t ifan_what


cdef inline uint64_t sa_size(const uint8_t *address) noexcept nogil:
    """SA_SIZE: what an address takes in a message."""
    return 8 if address[0] == 0 else (<uint64_t> address[0] + 7) & ~7UL


cdef const uint8_t *route_address(const uint8_t *message, uint64_t length, uint32_t which) noexcept nogil:
    """The address of a message for the bit `which` of rtm_addrs, or NULL; whole, or it is none."""
    cdef const freebsd_rt_msghdr *header = <const freebsd_rt_msghdr *> message
    cdef uint64_t at = sizeof(freebsd_rt_msghdr)
    cdef uint32_t bit = 1
    cdef int i
    for i in range(ROUTE_ADDRESSES):
        if at >= length or (length - at < 2 and <uint32_t> header.rtm_addrs & bit):
            return NULL
        if <uint32_t> header.rtm_addrs & bit:
            if at + message[at] > length:
                return NULL
            if bit == which:
                return message + at
            at += sa_size(message + at)
        bit <<= 1
    return NULL


# What an RTM_GET asks for: the route that leads to an address, or the one of a prefix.
cdef struct route_question_t:
    uint8_t address[16]
    uint32_t size, family           # of the address; Linux's family
    int bits                        # of the prefix, or -1
    uint32_t index, sequence


cdef int mask_bits(const uint8_t *mask, uint32_t first, uint32_t size) noexcept nogil:
    """How many bits a netmask has, which may end early: its address begins at `first`."""
    cdef uint32_t i
    cdef int bits = 0
    cdef uint8_t byte
    for i in range(first, first + size):
        byte = mask[i] if i < mask[0] else 0
        while byte & 0x80:
            bits += 1
            byte = <uint8_t> (byte << 1)
    return bits


cdef long route_asked(const uint8_t *message, uint64_t length, route_question_t *asked) noexcept nogil:
    """Take a guest's RTM_GET: 0, or an error."""
    cdef const uint8_t *destination = route_address(message, length, FREEBSD_RTA_DST)
    cdef const uint8_t *mask = route_address(message, length, FREEBSD_RTA_NETMASK)
    cdef uint32_t first = 4
    if destination == NULL:
        return -LINUX_EINVAL
    memset(asked, 0, sizeof(route_question_t))
    asked.sequence = <uint32_t> (<const freebsd_rt_msghdr *> message).rtm_seq
    asked.family = LINUX_AF_INET
    asked.size = 4
    if destination[1] == FREEBSD_AF_INET6:
        asked.family = LINUX_AF_INET6
        asked.size = 16
        first = 8
    if (destination[1] != FREEBSD_AF_INET and destination[1] != FREEBSD_AF_INET6) or destination[0] < first + asked.size:
        return -LINUX_EAFNOSUPPORT
    memcpy(asked.address, destination + first, asked.size)
    if destination[0] == 28:
        asked.index = (<const uint32_t *> (destination + 24))[0]
    asked.bits = -1 if mask == NULL else mask_bits(mask, first, asked.size)
    if asked.bits == <int> asked.size * 8:
        asked.bits = -1
    return 0


cdef uint64_t route_question(const route_question_t *asked, const uint8_t *address, uint8_t *to) noexcept nogil:
    """Linux's RTM_GETROUTE for the way to an address: its length."""
    cdef linux_nlmsghdr *question = <linux_nlmsghdr *> to
    cdef linux_rtmsg *route = <linux_rtmsg *> (to + sizeof(linux_nlmsghdr))
    cdef uint64_t at = sizeof(linux_nlmsghdr) + sizeof(linux_rtmsg)
    memset(to, 0, at)
    question.nlmsg_type = LINUX_RTM_GETROUTE
    question.nlmsg_flags = LINUX_NLM_F_REQUEST
    question.nlmsg_seq = asked.sequence
    route.rtm_flags = LINUX_RTM_F_FIB_MATCH
    route.rtm_family = <uint8_t> asked.family
    route.rtm_dst_len = <uint8_t> (asked.size * 8)
    nla_put(to, &at, LINUX_RTA_DST, address, asked.size)
    if asked.index != 0:
        nla_put32(to, &at, LINUX_RTA_OIF, asked.index)
    question.nlmsg_len = <uint32_t> at
    return at


cdef long route_exists(const route_question_t *asked, netlink_work_t *work, uint64_t length) noexcept nogil:
    """Ask on a socket of the shim's: 0, or -ESRCH, also for a route of another prefix than was asked for."""
    cdef linux_nlmsghdr *answer = <linux_nlmsghdr *> work.guest
    cdef long result, fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_NETLINK, LINUX_SOCK_RAW | LINUX_SOCK_CLOEXEC,
                                          LINUX_NETLINK_ROUTE)
    if is_error(fd):
        return fd
    result = linux_syscall6(LINUX_SYS_sendto, fd, <uint64_t> work.linux, length, 0, 0, 0)
    if not is_error(result):
        result = linux_syscall6(LINUX_SYS_recvfrom, fd, <uint64_t> work.guest, NETLINK_ROOM, 0, 0, 0)
    linux_syscall1(LINUX_SYS_close, fd)
    if is_error(result):
        return result
    if result < <long> (sizeof(linux_nlmsghdr) + sizeof(linux_rtmsg)) or answer.nlmsg_type != LINUX_RTM_NEWROUTE \
            or route_flags(answer, True) == 0:
        return -LINUX_ESRCH
    if asked.bits >= 0 and (<linux_rtmsg *> (answer + 1)).rtm_dst_len != asked.bits:
        return -LINUX_ESRCH
    return 0


cdef bint route_candidate(const route_question_t *asked, int which, uint8_t *address) noexcept nogil:
    """An address that a prefix may be the way to: of the default route one of the documentation's or of the whole Internet's, of
    another prefix one of its first or last. False when there are no more."""
    cdef int bit
    memcpy(address, asked.address, 16)
    if asked.bits < 0:
        return which == 0
    if which == 4:
        return False
    if asked.bits == 0:
        memset(address, 0, 16)
        if asked.family == LINUX_AF_INET6:
            address[0] = 0x20
            address[1] = 1 if which == 0 else <uint8_t> which
            address[15] = 1
        else:
            address[0] = 198 if which == 0 else 203 if which == 1 else 8 if which == 2 else 223
            address[1] = 51 if which == 0 else 0
            address[2] = 100 if which == 0 else 113
            address[3] = 1
        return True
    if which == 3:
        for bit in range(asked.bits, <int> asked.size * 8 - 1):
            address[bit >> 3] |= <uint8_t> (0x80 >> (bit & 7))
    else:
        address[asked.size - 1] |= <uint8_t> (which + 1)
    return True


cdef long route_write(area_t *area, int fd, netlink_work_t *work, uint64_t length) noexcept nogil:
    """rts_send: the guest's message is in work.guest. Only RTM_GET is served; to change routes is root's, and not done."""
    cdef const freebsd_rt_msghdr *header = <const freebsd_rt_msghdr *> work.guest
    cdef route_question_t asked
    cdef uint8_t address[16]
    cdef uint64_t question = 0
    cdef int which = 0
    cdef long result
    if length < sizeof(freebsd_rt_msghdr) or header.rtm_msglen != length:
        return -LINUX_EINVAL
    if header.rtm_version != FREEBSD_RTM_VERSION:
        return -LINUX_EPROTONOSUPPORT
    if header.rtm_type != FREEBSD_RTM_GET and linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM
    result = route_asked(work.guest, length, &asked)
    if result < 0:
        return result
    if header.rtm_type != FREEBSD_RTM_GET or header.rtm_flags & FREEBSD_RTF_LLDATA:
        return -LINUX_EOPNOTSUPP
    result = -LINUX_ESRCH
    while result == -LINUX_ESRCH and route_candidate(&asked, which, address):
        question = route_question(&asked, address, work.linux)
        result = route_exists(&asked, work, question)
        which += 1
    if result == 0:
        result = linux_syscall6(LINUX_SYS_sendto, fd, <uint64_t> work.linux, question, 0, 0, 0)
    return result if is_error(result) else <long> length


cdef uint32_t interface_mtu(int fd, int32_t index) noexcept nogil:
    cdef linux_ifreq request
    memset(&request, 0, sizeof(request))
    (<int32_t *> request.value)[0] = index
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFNAME, <uint64_t> &request)) \
            or is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFMTU, <uint64_t> &request)):
        return 0
    return (<uint32_t *> request.value)[0]


cdef uint64_t route_to_message(area_t *area, int fd, linux_nlmsghdr *entry, uint8_t *to) noexcept nogil:
    """RTM_ADD and RTM_DELETE, and the answer to RTM_GET, which has the interface and its address too."""
    cdef freebsd_rt_msghdr *header = <freebsd_rt_msghdr *> to
    cdef linux_rtmsg *route = <linux_rtmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef bint answer = is_answer(fd, entry)
    cdef uint32_t flags = route_flags(entry, answer), size = 0
    cdef uint8_t *source
    cdef uint64_t at
    if flags == 0:
        return 0
    at = fill_route(to, entry, flags | FREEBSD_RTF_DONE)
    header.rtm_type = FREEBSD_RTM_ADD if entry.nlmsg_type == LINUX_RTM_NEWROUTE else FREEBSD_RTM_DELETE
    if answer:
        header.rtm_type = FREEBSD_RTM_GET
        header.rtm_pid = area.proc.pid
        header.rtm_seq = <int32_t> entry.nlmsg_seq
        header.rtm_addrs |= FREEBSD_RTA_IFP
        fill_link(fd, <int> route_index(entry), to + at)
        header.rtm_rmx[1] = interface_mtu(fd, <int32_t> route_index(entry))     # rmx_mtu
        at += sa_size(to + at)
        source = netlink_attribute(entry, sizeof(linux_rtmsg), LINUX_RTA_PREFSRC, &size)
        if source != NULL and size == (4 if route.rtm_family == LINUX_AF_INET else 16):
            header.rtm_addrs |= FREEBSD_RTA_IFA
            at += inet_address(to + at, route.rtm_family, source, route_index(entry))
    header.rtm_msglen = <uint16_t> at
    return at


cdef uint64_t address_to_message(int fd, linux_nlmsghdr *entry, uint8_t *to) noexcept nogil:
    """RTM_NEWADDR and RTM_DELADDR: netmask, interface, address, broadcast address."""
    cdef freebsd_ifa_msghdr *header = <freebsd_ifa_msghdr *> to
    cdef linux_ifaddrmsg *info = <linux_ifaddrmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
    cdef uint32_t size = 0
    cdef const uint8_t *own = own_address(entry, info, &size)
    cdef const uint8_t *broadcast = netlink_attribute(entry, sizeof(linux_ifaddrmsg), LINUX_IFA_BROADCAST, &size)
    cdef uint64_t at = sizeof(freebsd_ifa_msghdr)
    if own == NULL:
        return 0
    memset(to, 0, ROUTE_MESSAGE)
    header.ifam_version = FREEBSD_RTM_VERSION
    header.ifam_type = FREEBSD_RTM_NEWADDR if entry.nlmsg_type == LINUX_RTM_NEWADDR else FREEBSD_RTM_DELADDR
    header.ifam_addrs = FREEBSD_RTA_NETMASK | FREEBSD_RTA_IFP | FREEBSD_RTA_IFA
    header.ifam_index = <uint16_t> info.ifa_index
    at += netmask(to + at, info.ifa_family, info.ifa_prefixlen)
    fill_link(fd, <int> info.ifa_index, to + at)
    at += sa_size(to + at)
    at += inet_address(to + at, info.ifa_family, own, info.ifa_index)
    if broadcast != NULL:
        header.ifam_addrs |= FREEBSD_RTA_BRD
        at += inet_address(to + at, info.ifa_family, broadcast, info.ifa_index)
    header.ifam_msglen = <uint16_t> at
    return at


cdef uint64_t link_to_message(area_t *area, linux_nlmsghdr *link, uint8_t *to) noexcept nogil:
    """RTM_IFANNOUNCE of an interface that comes or goes, RTM_IFINFO of one that changes."""
    cdef linux_ifinfomsg *info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
    cdef freebsd_if_announcemsghdr *announcement = <freebsd_if_announcemsghdr *> to
    cdef freebsd_if_msghdr *header = <freebsd_if_msghdr *> to
    cdef uint32_t size = 0
    cdef uint8_t *name = netlink_attribute(link, sizeof(linux_ifinfomsg), LINUX_IFLA_IFNAME, &size)
    cdef bint going = link.nlmsg_type == LINUX_RTM_DELLINK
    if info.ifi_family != LINUX_AF_UNSPEC:
        return 0
    memset(to, 0, ROUTE_MESSAGE)
    if going or info.ifi_change == 0xffffffffU:
        announcement.ifan_msglen = sizeof(freebsd_if_announcemsghdr)
        announcement.ifan_version = FREEBSD_RTM_VERSION
        announcement.ifan_type = FREEBSD_RTM_IFANNOUNCE
        announcement.ifan_index = <uint16_t> info.ifi_index
        announcement.ifan_what = IFAN_DEPARTURE if going else 0
        if name != NULL:
            copy_text(announcement.ifan_name, <char *> name, INTERFACE_NAME)
            interface_rename(announcement.ifan_name)
        return sizeof(freebsd_if_announcemsghdr)
    header.ifm_version = FREEBSD_RTM_VERSION
    header.ifm_type = FREEBSD_RTM_IFINFO
    header.ifm_flags = <int32_t> interface_flags(info.ifi_flags)
    header.ifm_index = <uint16_t> info.ifi_index
    interface_data(&header.ifm_data, link)
    if area.proc.own.osrel < OSREL_IF_DATA:
        old_interface_data(&header.ifm_data)
    header.ifm_msglen = sizeof(freebsd_if_msghdr)
    return sizeof(freebsd_if_msghdr)


cdef bint route_is_wanted(int fd, uint8_t family) noexcept nogil:
    """Whether the socket hears of this family of Linux's: its protocol is 0, for all, or one of FreeBSD's."""
    cdef long wanted = socket_option(fd, KEPT_TYPE) >> 8
    return wanted == 0 or wanted == freebsd_family_from_linux(family)


cdef long route_read(area_t *area, int fd, netlink_work_t *work, uint64_t length) noexcept nogil:
    """The message of FreeBSD's for what came, in work.guest: its length, 0 for none. Linux puts one into a datagram."""
    cdef uint64_t at = 0
    cdef linux_nlmsghdr *entry = netlink_message(work.linux, length, &at)
    if entry == NULL or entry.nlmsg_len < sizeof(linux_nlmsghdr) + sizeof(linux_ifaddrmsg):
        return 0
    if entry.nlmsg_type == LINUX_RTM_NEWLINK or entry.nlmsg_type == LINUX_RTM_DELLINK:
        if entry.nlmsg_len < sizeof(linux_nlmsghdr) + sizeof(linux_ifinfomsg):
            return 0
        return <long> link_to_message(area, entry, work.guest)
    if not is_answer(fd, entry) and not route_is_wanted(fd, (<uint8_t *> entry)[sizeof(linux_nlmsghdr)]):
        return 0
    if entry.nlmsg_type == LINUX_RTM_NEWADDR or entry.nlmsg_type == LINUX_RTM_DELADDR:
        return <long> address_to_message(fd, entry, work.guest)
    if (entry.nlmsg_type == LINUX_RTM_NEWROUTE or entry.nlmsg_type == LINUX_RTM_DELROUTE) \
            and entry.nlmsg_len >= sizeof(linux_nlmsghdr) + sizeof(linux_rtmsg):
        return <long> route_to_message(area, fd, entry, work.guest)
    return 0

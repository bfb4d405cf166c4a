# The requests of ioctl(2) about network interfaces: SIOCGIFCONF, SIOCGIF*, SIOCSIF*, and those of IPv6. Model: FreeBSD
# sys/net/if.c (ifhwioctl, ifconf), netinet6/in6.c (in6_control).

# A request about one interface: its name, then what is asked for.
cdef struct freebsd_ifreq:
    char name[INTERFACE_NAME]
    uint8_t value[16]

cdef struct linux_ifreq:
    char name[INTERFACE_NAME]
    uint8_t value[24]


cdef void interface_request(linux_ifreq *to, const char *name) noexcept nogil:
    """A request of Linux's about the interface that the guest calls `name`."""
    memset(to, 0, sizeof(linux_ifreq))
    memcpy(to.name, name, INTERFACE_NAME - 1)
    interface_rename(to.name)


cdef long interface_set_flags(int fd, linux_ifreq *request, uint32_t flags) noexcept nogil:
    """SIOCSIFFLAGS: of the flags IFF_UP and IFF_DEBUG are anybody's to set, and have one number; the others are the
    driver's (IFF_CANTCHANGE). IFF_PROMISC is IFF_PPROMISC on FreeBSD, in the half that is not looked at."""
    cdef uint32_t changed = FREEBSD_IFF_UP | FREEBSD_IFF_DEBUG
    cdef long result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFFLAGS, <uint64_t> request)
    if not is_error(result):
        (<uint16_t *> request.value)[0] = <uint16_t> ((<uint16_t *> request.value)[0] & ~changed | flags & changed)
        result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCSIFFLAGS, <uint64_t> request)
    return -LINUX_ENXIO if result == -LINUX_ENODEV else result


cdef long ioctl_interface(area_t *area, int fd, const lsf_ioctl_t *row, uaddr data) noexcept nogil:
    cdef freebsd_ifreq asked
    cdef linux_ifreq answer
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t flags
    cdef long result = socket_option(fd, LINUX_SO_DOMAIN)
    if is_error(result):
        return -LINUX_ENOTTY if result == -LINUX_ENOTSOCK else result
    if row.command == FREEBSD_SIOCGIFCONF:
        return interface_list(data)
    if row.command == FREEBSD_SIOCGIFGROUP or row.command == FREEBSD_SIOCGIFGMEMB:
        return interface_groups(fd, row.command, data)
    if row.linux_command == 0:
        return interface_six(row.command, data)
    if copyin(data, &asked, sizeof(asked)) < 0:
        return -LINUX_EFAULT
    interface_request(&answer, asked.name)
    if row.command == FREEBSD_SIOCSIFFLAGS:
        return interface_set_flags(fd, &answer, (<uint16_t *> asked.value)[0])
    if row.command == FREEBSD_SIOCSIFMTU or row.command == FREEBSD_SIOCSIFMETRIC:
        memcpy(answer.value, asked.value, 4)
    result = linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, <uint64_t> &answer)
    if is_error(result):
        return -LINUX_ENXIO if result == -LINUX_ENODEV else result
    if not row.command & FREEBSD_IOC_OUT:
        return 0
    memcpy(asked.value, answer.value, 16)
    if row.command == FREEBSD_SIOCGIFFLAGS:
        # The low half, then the high half.
        flags = interface_flags((<uint16_t *> answer.value)[0])
        memcpy(asked.value, &flags, 4)
    elif (row.command == FREEBSD_SIOCGIFADDR or row.command == FREEBSD_SIOCGIFDSTADDR
          or row.command == FREEBSD_SIOCGIFBRDADDR or row.command == FREEBSD_SIOCGIFNETMASK):
        freebsd_sockaddr_from_linux(address, sizeof(address), answer.value, 16)
        memcpy(asked.value, address, 16)
    return copyout(&asked, data, sizeof(asked))


cdef uint32_t six_flags_from_linux(uint32_t linux) noexcept nogil:
    """FreeBSD's IN6_IFF_ flags for Linux's IFA_F_."""
    cdef uint32_t flags = 0
    if linux & LINUX_IFA_F_TENTATIVE:
        flags |= FREEBSD_IN6_IFF_TENTATIVE
    if linux & LINUX_IFA_F_DADFAILED:
        flags |= FREEBSD_IN6_IFF_DUPLICATED
    if linux & LINUX_IFA_F_DEPRECATED:
        flags |= FREEBSD_IN6_IFF_DEPRECATED
    if linux & LINUX_IFA_F_TEMPORARY:
        flags |= FREEBSD_IN6_IFF_TEMPORARY
    if not linux & LINUX_IFA_F_PERMANENT:
        flags |= FREEBSD_IN6_IFF_AUTOCONF
    return flags


cdef long six_flags(const char *name, const uint8_t *wanted) noexcept nogil:
    """FreeBSD's flags of an IPv6 address of an interface (by Linux's name), from /proc/net/if_inet6, or -EADDRNOTAVAIL."""
    cdef char text[8192]
    cdef uint8_t address[16]
    cdef const char *line = text
    cdef uint64_t field[4]
    cdef long i, length
    if read_file(b"/proc/net/if_inet6", text, sizeof(text)) < 0:
        return -LINUX_EADDRNOTAVAIL
    while line[0] != 0:
        # address index prefix scope flags name
        line = hex_bytes(line, address, 16)
        if line == NULL:
            break
        for i in range(4):
            line = upper_hex(line, &field[i])
        while line[0] == c' ':
            line += 1
        length = 0
        while line[length] != c'\n' and line[length] != 0:
            length += 1
        for i in range(16):
            if address[i] != wanted[i]:
                length = -1
                break
        for i in range(length):
            if line[i] != name[i]:
                length = -1
                break
        if length > 0 and name[length] == 0:
            return six_flags_from_linux(<uint32_t> field[3])
        line = next_line(line)
    return -LINUX_EADDRNOTAVAIL


cdef int neighbour_state(uint32_t state) noexcept nogil:
    """ND6_LLINFO_ for Linux's NUD_."""
    if state & LINUX_NUD_PROBE:
        return 4
    if state & LINUX_NUD_DELAY:
        return 3
    if state & LINUX_NUD_STALE:
        return 2
    return 1 if state & (LINUX_NUD_REACHABLE | LINUX_NUD_PERMANENT) else 0


cdef long neighbour_six(const char *name, uint8_t *request, uaddr data) noexcept nogil:
    """struct in6_nbrinfo: a name (Linux's), an address; then how often was asked, whether it is a router, state, end."""
    cdef linux_ifreq answer
    cdef linux_nlmsghdr *entry
    cdef linux_ndmsg *neighbour
    cdef uint64_t memory, at = 0
    cdef uint32_t size = 0
    cdef uint8_t *found
    cdef long length, result = -LINUX_EINVAL
    cdef long fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_INET, LINUX_SOCK_DGRAM | LINUX_SOCK_CLOEXEC, 0)
    if is_error(fd):
        return fd
    memset(&answer, 0, sizeof(answer))
    memcpy(answer.name, name, INTERFACE_NAME)
    length = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFINDEX, <uint64_t> &answer)
    linux_syscall1(LINUX_SYS_close, fd)
    memory = 0 if is_error(length) else map_memory(DUMP_SIZE)
    if memory == 0:
        return -LINUX_ENXIO
    if request[16] == 0xfe and request[17] & 0xc0 == 0x80:
        request[18] = request[19] = 0           # the scope, which FreeBSD keeps there
    length = netlink_ask(LINUX_RTM_GETNEIGH, <uint8_t *> memory, DUMP_SIZE)
    while length > 0:
        entry = netlink_message(<uint8_t *> memory, <uint64_t> length, &at)
        if entry == NULL:
            break
        neighbour = <linux_ndmsg *> (entry + 1)
        found = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_DST, &size)
        if (neighbour.ndm_family != LINUX_AF_INET6 or neighbour.ndm_ifindex != (<int32_t *> answer.value)[0] or found == NULL
                or size != 16 or memcmp(found, request + 16, 16) != 0):
            continue
        memset(request + 32, 0, 24)
        found = netlink_attribute(entry, sizeof(linux_ndmsg), LINUX_NDA_PROBES, &size)
        (<int64_t *> (request + 32))[0] = (<uint32_t *> found)[0] if found != NULL and size == 4 else 0
        (<int32_t *> (request + 40))[0] = neighbour.ndm_flags & LINUX_NTF_ROUTER != 0
        (<int32_t *> (request + 44))[0] = neighbour_state(neighbour.ndm_state)
        if neighbour_lasts(entry):
            (<int32_t *> (request + 48))[0] = <int32_t> (clock_seconds(LINUX_CLOCK_REALTIME) + neighbour_lasts(entry))
        result = copyout(request + 32, data + 32, 24)
        break
    linux_syscall2(LINUX_SYS_munmap, memory, DUMP_SIZE)
    return result


cdef long interface_six(uint32_t command, uaddr data) noexcept nogil:
    """struct in6_ifreq: a name, then an address (of 288 bytes); struct in6_ndireq: a name, then struct nd_ifinfo."""
    cdef uint8_t request[72]
    cdef uint8_t address[28]
    cdef linux_ifreq answer
    cdef uint32_t *numbers = <uint32_t *> (request + 16)
    cdef long result, fd
    if command == FREEBSD_SIOCGDEFIFACE_IN6:
        memset(request, 0, 8)
        return copyout(request, data + 16, 8)               # struct in6_ndifreq: the name, the index
    if copyin(data, request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    request[15] = 0
    interface_request(&answer, <char *> request)
    fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_INET, LINUX_SOCK_DGRAM | LINUX_SOCK_CLOEXEC, 0)
    if is_error(fd):
        return fd
    result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFMTU, <uint64_t> &answer)
    linux_syscall1(LINUX_SYS_close, fd)
    if is_error(result):
        return -LINUX_ENXIO
    if command == FREEBSD_SIOCGNBRINFO_IN6:
        return neighbour_six(answer.name, request, data)
    if command == FREEBSD_SIOCGIFINFO_IN6:
        memset(numbers, 0, 56)
        numbers[0] = (<uint32_t *> answer.value)[0]         # linkmtu
        numbers[1] = numbers[0]                             # maxmtu
        numbers[2] = 30000                                  # basereachable, ms
        numbers[3] = 30000                                  # reachable, ms
        numbers[4] = 1000                                   # retrans, ms
        numbers[5] = FREEBSD_ND6_IFF_PERFORMNUD | FREEBSD_ND6_IFF_AUTO_LINKLOCAL
        request[16 + 28] = 64                               # chlim
        request[16 + 29] = 1                                # initialized
        return copyout(request, data, sizeof(request))
    memcpy(address, request + 16, sizeof(address))
    # FreeBSD keeps the scope of a link's address in its second word, and takes it so.
    if address[8] == 0xfe and address[9] & 0xc0 == 0x80:
        address[10] = 0
        address[11] = 0
    result = six_flags(answer.name, address + 8)
    if result < 0:
        return result
    if command == FREEBSD_SIOCGIFAFLAG_IN6:
        numbers[0] = <uint32_t> result
        return copyout(numbers, data + 16, 4)
    memset(numbers, 0, 24)
    numbers[4] = 0xffffffffU                                # vltime, pltime: for ever
    numbers[5] = 0xffffffffU
    return copyout(numbers, data + 16, 24)


cdef void conf_entry(uint8_t *buffer, uint64_t room, uint64_t *at, bint *full, const char *name,
                     const uint8_t *address) noexcept nogil:
    """One entry of SIOCGIFCONF: a name, and an address as long as it is, but not shorter than a struct sockaddr."""
    cdef uint64_t size = address[0] if address[0] > 16 else 16
    if full[0] or at[0] + INTERFACE_NAME + size > room:
        full[0] = True
        return
    memcpy(buffer + at[0], name, INTERFACE_NAME)
    memset(buffer + at[0] + INTERFACE_NAME, 0, size)
    memcpy(buffer + at[0] + INTERFACE_NAME, address, address[0])
    at[0] += INTERFACE_NAME + size


cdef uint64_t fill_conf(uint8_t *buffer, uint64_t room, uint8_t *links, uint64_t links_length, uint8_t *addresses,
                        uint64_t addresses_length) noexcept nogil:
    """The entries that fit whole (ifconf): of each interface its link address, then the others. Returns their length."""
    cdef char name[INTERFACE_NAME]
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint64_t at = 0, inner, written = 0
    cdef uint32_t size = 0
    cdef bint full = False
    cdef linux_nlmsghdr *link
    cdef linux_nlmsghdr *entry
    cdef linux_ifinfomsg *info
    cdef linux_ifaddrmsg *own
    cdef const uint8_t *found
    while not full:
        link = netlink_message(links, links_length, &at)
        if link == NULL:
            break
        if link.nlmsg_type != LINUX_RTM_NEWLINK:
            continue
        info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
        link_address(address, link, interface_type(info.ifi_type))
        memset(name, 0, sizeof(name))
        memcpy(name, address + 8, address[5])           # sdl_data, sdl_nlen
        conf_entry(buffer, room, &written, &full, name, address)
        inner = 0
        while True:
            entry = netlink_message(addresses, addresses_length, &inner)
            if entry == NULL:
                break
            own = <linux_ifaddrmsg *> (<uint8_t *> entry + sizeof(linux_nlmsghdr))
            if entry.nlmsg_type != LINUX_RTM_NEWADDR or own.ifa_index != <uint32_t> info.ifi_index:
                continue
            found = own_address(entry, own, &size)
            if found == NULL:
                continue
            inet_address(address, own.ifa_family, found, own.ifa_index)
            if address[1] == FREEBSD_AF_INET6:
                # As the kernel keeps it: the scope in the address, which no routing message shows.
                if (<freebsd_sockaddr_in6 *> address).sin6_scope_id != 0:
                    (<freebsd_sockaddr_in6 *> address).sin6_addr[2] = <uint8_t> (own.ifa_index >> 8)
                    (<freebsd_sockaddr_in6 *> address).sin6_addr[3] = <uint8_t> own.ifa_index
                (<freebsd_sockaddr_in6 *> address).sin6_scope_id = 0
            conf_entry(buffer, room, &written, &full, name, address)
    return written


cdef long interface_list(uaddr data) noexcept nogil:
    """SIOCGIFCONF: a length and a buffer, which gets as many entries as fit."""
    cdef uint64_t conf[2]
    cdef uint64_t memory, room
    cdef uint8_t *links
    cdef long length, result
    if copyin(data, conf, 16) < 0:
        return -LINUX_EFAULT
    if <int32_t> conf[0] <= 0:
        return -LINUX_EINVAL
    room = <uint32_t> conf[0]
    memory = map_memory(3 * DUMP_SIZE)
    if memory == 0:
        return -LINUX_ENOMEM
    links = <uint8_t *> memory
    length = netlink_ask(LINUX_RTM_GETLINK, links, DUMP_SIZE)
    result = length if length < 0 else netlink_ask(LINUX_RTM_GETADDR, links + DUMP_SIZE, DUMP_SIZE)
    if result >= 0:
        result = <long> fill_conf(links + 2 * DUMP_SIZE, room if room < DUMP_SIZE else DUMP_SIZE, links,
                                  <uint64_t> length, links + DUMP_SIZE, <uint64_t> result)
        if copyout(links + 2 * DUMP_SIZE, conf[1], <uint64_t> result) < 0:
            result = -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_munmap, memory, 3 * DUMP_SIZE)
    return result if result < 0 else store_guest32(data, <uint32_t> result)

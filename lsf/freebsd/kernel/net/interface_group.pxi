# The groups that interfaces are in: SIOCGIFGROUP, SIOCGIFGMEMB. Model: FreeBSD sys/net/if.c (if_getgroup, if_getgroupmembers). Linux has
# none of these: each interface is in `all`, and the loopback in `lo`, by the name of what makes such interfaces (if_clone.c).

cdef struct freebsd_ifgroupreq:
    char name[INTERFACE_NAME]               # of an interface, or of a group
    uint32_t length                         # of the list; 0: ask for it
    uint32_t padding
    uaddr list                              # of INTERFACE_NAME bytes each


cdef long group_put(freebsd_ifgroupreq *request, uint64_t *at, const char *name) noexcept nogil:
    """Append a name to the list, or where none is given to its length: 0 or a negative errno."""
    cdef char entry[INTERFACE_NAME]
    at[0] += INTERFACE_NAME
    if request.length == 0:
        return 0
    if at[0] > request.length:
        return -LINUX_EINVAL
    memset(entry, 0, sizeof(entry))
    append(entry, 0, sizeof(entry), name)
    return copyout(entry, request.list + at[0] - INTERFACE_NAME, sizeof(entry))


cdef long groups_of(int fd, freebsd_ifgroupreq *request, uint64_t *at) noexcept nogil:
    """SIOCGIFGROUP: those of an interface."""
    cdef linux_ifreq answer
    cdef long result
    interface_request(&answer, request.name)
    result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFFLAGS, <uint64_t> &answer)
    if is_error(result):
        return -LINUX_ENXIO if result == -LINUX_ENODEV else result
    result = group_put(request, at, b"all")
    if result == 0 and (<uint16_t *> answer.value)[0] & LINUX_IFF_LOOPBACK:
        result = group_put(request, at, b"lo")
    return result


cdef long group_members(freebsd_ifgroupreq *request, uint64_t *at) noexcept nogil:
    """SIOCGIFGMEMB: the interfaces of a group."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef bint only_loopback = string_equal(request.name, b"lo")
    cdef uint64_t memory, where = 0
    cdef long length, result = 0
    cdef linux_nlmsghdr *link
    cdef linux_ifinfomsg *info
    if not only_loopback and not string_equal(request.name, b"all"):
        return -LINUX_ENOENT
    memory = map_memory(DUMP_SIZE)
    if memory == 0:
        return -LINUX_ENOMEM
    length = netlink_ask(LINUX_RTM_GETLINK, <uint8_t *> memory, DUMP_SIZE)
    if length < 0:
        result = length
    while result == 0:
        link = netlink_message(<uint8_t *> memory, <uint64_t> length, &where)
        if link == NULL:
            break
        info = <linux_ifinfomsg *> (<uint8_t *> link + sizeof(linux_nlmsghdr))
        if link.nlmsg_type != LINUX_RTM_NEWLINK or (only_loopback and not info.ifi_flags & LINUX_IFF_LOOPBACK):
            continue
        memset(address, 0, sizeof(address))
        link_address(address, link, interface_type(info.ifi_type))
        address[8 + address[5]] = 0         # sdl_data, sdl_nlen: the hardware's address follows the name
        result = group_put(request, at, <const char *> address + 8)
    linux_syscall2(LINUX_SYS_munmap, memory, DUMP_SIZE)
    return result


cdef long interface_groups(int fd, uint64_t command, uaddr data) noexcept nogil:
    cdef freebsd_ifgroupreq request
    cdef uint64_t at = 0
    cdef long result
    if copyin(data, &request, sizeof(request)) < 0:
        return -LINUX_EFAULT
    request.name[INTERFACE_NAME - 1] = 0
    if command == FREEBSD_SIOCGIFGROUP:
        result = groups_of(fd, &request, &at)
    else:
        result = group_members(&request, &at)
    if result < 0 or request.length != 0:
        return result
    request.length = <uint32_t> at
    return copyout(&request, data, sizeof(request))

# Control messages of inet sockets: what Linux's messages do not say of what the guest has asked for. Model: FreeBSD
# sys/netinet/ip_input.c (ip_savecontrol), udp_usrreq.c (udp_append).


cdef void fill_link(int fd, int index, uint8_t *to) noexcept nogil:
    """The sockaddr_dl of an interface, as IP_RECVIF brings it: with its name and its hardware address. One that is gone has
    neither, nor a number."""
    cdef linux_ifreq request
    cdef freebsd_sockaddr_dl *address = <freebsd_sockaddr_dl *> to
    memset(to, 0, 56)
    address.sdl_len = 8
    address.sdl_family = FREEBSD_AF_LINK
    memset(&request, 0, sizeof(request))
    (<int32_t *> request.value)[0] = index
    if index == 0 or is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFNAME, <uint64_t> &request)):
        return
    address.sdl_len = 56
    address.sdl_index = <uint16_t> index
    address.sdl_type = FREEBSD_IFT_OTHER
    if not is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCGIFHWADDR, <uint64_t> &request)):
        address.sdl_type = interface_type((<uint16_t *> request.value)[0])
    interface_rename(request.name)
    address.sdl_nlen = <uint8_t> copy_text(address.sdl_data, request.name, INTERFACE_NAME)
    if address.sdl_type == FREEBSD_IFT_ETHER:
        address.sdl_alen = 6
        memcpy(&address.sdl_data[address.sdl_nlen], request.value + 2, 6)


cdef void received_asked(int fd, const uint8_t *control, uint64_t length, lsf_received *asked) noexcept nogil:
    """What the socket has asked for of what came. A stream is told no times: FreeBSD puts none into what TCP gives."""
    cdef const linux_cmsghdr *header
    cdef uint64_t at = 0
    memset(asked, 0, sizeof(lsf_received))
    while length - at >= sizeof(linux_cmsghdr):
        header = <const linux_cmsghdr *> (control + at)
        if header.cmsg_len < 16 or header.cmsg_len > length - at:
            return
        if header.cmsg_level == FREEBSD_IPPROTO_IP and header.cmsg_type == LINUX_IP_PKTINFO:
            asked.dstaddr = ip_option(fd, KEPT_RECVDSTADDR) > 0
            asked.recvif = ip_option(fd, KEPT_RECVIF) > 0
            if asked.recvif:
                fill_link(fd, (<const int32_t *> (control + at + 16))[0], asked.link)
        elif header.cmsg_level == LINUX_SOL_SOCKET and (header.cmsg_type == LINUX_SCM_TIMESTAMP
                                                        or header.cmsg_type == LINUX_SCM_TIMESTAMPNS):
            if socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_STREAM:
                asked.bintime = kept_word(fd) & KEPT_BINTIME != 0
                asked.timestamp = asks_timestamp(fd)
                asked.clock = <int32_t> times_clock(fd)
                asked.boot = real_less_monotonic() if asked.clock == FREEBSD_SO_TS_MONOTONIC else 0
        at += cmsg_align(header.cmsg_len)
        if at > length:
            return

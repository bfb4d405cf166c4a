# The ranges that a port comes from where bind(2) leaves the choice: IP_PORTRANGE, IPV6_PORTRANGE. Model: FreeBSD
# sys/netinet/in_pcb.c (in_pcb_lport_dest), netinet/in.h.
#
# IP_PORTRANGE_DEFAULT is Linux's own choice (ip_local_port_range), which lies within FreeBSD's default range. From the other two
# the shim takes a port, also for a connect(2) of a socket that wants a low one, in the process that said so or one that it made. Where
# another connect or a send chooses, Linux takes one of the high range as far as its own range reaches.

cdef enum:
    PORTS_LOW_FIRST = 600           # IPPORT_RESERVEDSTART
    PORTS_LOW_LAST = 1023           # IPPORT_RESERVED - 1
    PORTS_HIGH_FIRST = 49152        # IPPORT_HIFIRSTAUTO
    PORTS_HIGH_LAST = 65535         # IPPORT_HILASTAUTO
    LINUX_LOCAL_PORT_RANGE = 51     # IP_LOCAL_PORT_RANGE, since Linux 6.3


cdef long set_port_range(int fd, int range_) noexcept nogil:
    cdef uint32_t word = kept_word(fd), before = word
    if range_ < FREEBSD_IP_PORTRANGE_DEFAULT or range_ > FREEBSD_IP_PORTRANGE_LOW:
        return -LINUX_EINVAL
    word &= ~<uint32_t> (KEPT_LOW_PORTS | KEPT_HIGH_PORTS)
    if range_ == FREEBSD_IP_PORTRANGE_LOW:
        word |= KEPT_LOW_PORTS
        SHIM.own.sockets |= SOCKETS_LOW_PORTS
    elif range_ == FREEBSD_IP_PORTRANGE_HIGH:
        word |= KEPT_HIGH_PORTS
    if word == before:
        return 0
    set_ip_option(fd, LINUX_LOCAL_PORT_RANGE,
                  PORTS_HIGH_FIRST | PORTS_HIGH_LAST << 16 if range_ == FREEBSD_IP_PORTRANGE_HIGH else 0)
    return set_socket_option(fd, KEPT_WORD, <int> word)


cdef int port_range(int fd) noexcept nogil:
    cdef uint32_t word = kept_word(fd)
    if word & KEPT_HIGH_PORTS:
        return FREEBSD_IP_PORTRANGE_HIGH
    return FREEBSD_IP_PORTRANGE_LOW if word & KEPT_LOW_PORTS else FREEBSD_IP_PORTRANGE_DEFAULT


cdef long bind_one_of(int fd, uint8_t *address, long length, uint32_t first, uint32_t last) noexcept nogil:
    """bind(2) to a free port of the range, from a random one on; EADDRNOTAVAIL where none is."""
    cdef uint32_t span = last - first + 1, start = 0, i, port
    cdef long result
    linux_syscall3(LINUX_SYS_getrandom, <uint64_t> &start, 4, 0)
    for i in range(span):
        port = first + (start % span + i) % span
        address[2] = <uint8_t> (port >> 8)
        address[3] = <uint8_t> port
        result = linux_syscall3(LINUX_SYS_bind, fd, <uint64_t> address, length)
        if result != -LINUX_EADDRINUSE:
            return result
    return -LINUX_EADDRNOTAVAIL


cdef bint wants_a_range(int fd, const uint8_t *address) noexcept nogil:
    """True where bind(2) is to choose a port, and not Linux's way."""
    return ((address[0] == LINUX_AF_INET or address[0] == LINUX_AF_INET6) and address[2] == 0 and address[3] == 0
            and kept_word(fd) & (KEPT_LOW_PORTS | KEPT_HIGH_PORTS) != 0)


cdef long bind_in_range(int fd, uint8_t *address, long length) noexcept nogil:
    """Who may have a reserved port, Linux says (EACCES; in_pcb_lport says EPERM). A port that is shared is none that is free: while one is looked for
    the socket does not share."""
    cdef long shares = socket_option(fd, LINUX_SO_REUSEADDR), together = socket_option(fd, LINUX_SO_REUSEPORT), result
    cdef bint low = port_range(fd) == FREEBSD_IP_PORTRANGE_LOW
    if shares > 0:
        set_socket_option(fd, LINUX_SO_REUSEADDR, 0)
    if together > 0:
        set_socket_option(fd, LINUX_SO_REUSEPORT, 0)
    result = bind_one_of(fd, address, length, PORTS_LOW_FIRST if low else PORTS_HIGH_FIRST,
                         PORTS_LOW_LAST if low else PORTS_HIGH_LAST)
    if shares > 0:
        set_socket_option(fd, LINUX_SO_REUSEADDR, 1)
    if together > 0:
        set_socket_option(fd, LINUX_SO_REUSEPORT, 1)
    return -LINUX_EPERM if result == -LINUX_EACCES else result


cdef long bind_low(int fd, int family) noexcept nogil:
    """Before connect(2) of a socket that has no port yet and wants a low one (in_pcbconnect, in_pcb_lport_dest): 0 or an error."""
    cdef uint8_t name[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS
    if (family != LINUX_AF_INET and family != LINUX_AF_INET6) or port_range(fd) != FREEBSD_IP_PORTRANGE_LOW:
        return 0
    if is_error(linux_syscall3(LINUX_SYS_getsockname, <uint32_t> fd, <uint64_t> name, <uint64_t> &length)) or name[2] or name[3]:
        return 0
    return bind_in_range(fd, name, length)


cdef public long sysctl_reservedhigh(sysctl_request_t *request) noexcept nogil:
    """net.inet.ip.portrange.reservedhigh: the highest port that is not everybody's."""
    cdef char text[32]
    cdef int64_t first = 1024
    if read_file(b"/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text)) > 0:
        parse_number(text, &first)
    return sysctl_out_number(request, first - 1)

# What FreeBSD keeps of a socket and Linux has no bit for. It is kept in the socket itself, in bits of Linux's that mean nothing
# to a socket of its kind, so that it goes with the socket through dup, fork, exec, SCM_RIGHTS and accept. None of these options
# of Linux's has a twin that a guest could set.

cdef enum:
    # <asm-generic/socket.h>
    KEPT_NOSIGPIPE = 43             # SO_NOFCS, of packet sockets: SO_NOSIGPIPE
    KEPT_USELOOPBACK = 45           # SO_SELECT_ERR_QUEUE, of queues that the shim never fills: SO_USELOOPBACK
    KEPT_DEBUG = 40                 # SO_RXQ_OVFL, a count that the shim drops: SO_DEBUG, which Linux gives only to root
    KEPT_CREDS = 11                 # SO_NO_CHECK, of checksums; of a local socket: LOCAL_CREDS
    KEPT_SHUT = 11                  # and of an inet stream: it was shut down while it listened
    KEPT_BACKLOG = 49               # SO_INCOMING_CPU, of packets; of such a stream: how many connections may wait
    KEPT_MSG_INFO = 11              # and of a netlink socket: NETLINK_MSG_INFO
    KEPT_CREDS_PERSISTENT = 41      # SO_WIFI_STATUS; of a local socket: LOCAL_CREDS_PERSISTENT
    KEPT_BALANCED = 41              # and of one of inet: Linux's SO_REUSEPORT is FreeBSD's SO_REUSEPORT_LB
    KEPT_TYPE = 49                  # SO_INCOMING_CPU, of packets; of a local stream: SOCK_SEQPACKET for one
                                    # that keeps records (record.pxi); of a netlink socket: netlink.pxi
    # <linux/in.h>, on sockets of both inet families
    KEPT_RECVDSTADDR = 7            # IP_RETOPTS, an echo of options that the shim drops: IP_RECVDSTADDR
    KEPT_RECVIF = 25                # IP_RECVFRAGSIZE, which the shim drops: IP_RECVIF
    KEPT_TIMESTAMP = 26             # IP_RECVERR_RFC4884, nothing without IP_RECVERR: SO_TIMESTAMP beside SO_BINTIME
    # bits of SO_TIMESTAMPING (<linux/net_tstamp.h>) that say how, and nothing while no time of that kind is asked for
    KEPT_WORD = 37
    KEPT_CLOCK = 3 << 10            # OPT_CMSG, OPT_TSONLY: SO_TS_CLOCK
    KEPT_CLOCK_SHIFT = 10
    KEPT_BINTIME = 1 << 13          # OPT_PKTINFO: SO_BINTIME
    KEPT_LOW_PORTS = 1 << 14        # OPT_TX_SWHW: IP_PORTRANGE_LOW; of a local socket, SO_REUSEPORT
    KEPT_HIGH_PORTS = 1 << 5        # SYS_HARDWARE, unused: IP_PORTRANGE_HIGH; of a local socket, SO_REUSEPORT_LB
    KEPT_REUSEPORT = KEPT_LOW_PORTS
    KEPT_REUSEPORT_LB = KEPT_HIGH_PORTS


# What a process has made, beside what most have: calls look closer at its sockets (process_own.sockets).
cdef enum:
    SOCKETS_LOCAL_DGRAM = 1
    SOCKETS_NETLINK = 2             # of netlink and of routing
    SOCKETS_RECORDS = 4             # local streams that keep records
    SOCKETS_LOW_PORTS = 8           # such that connect(2) gives a low port
    SOCKETS_TIMES = 16              # such that tell the times of what is received
    SOCKETS_SHUT = 32               # such that were shut down for writing
    SOCKETS_BALANCED = 64           # such with SO_REUSEPORT_LB
    SOCKETS_MARKED = 128            # such with options that one which is accepted leaves out
    SOCKETS_DEAF = 256              # datagrams' that were shut down for reading
    SOCKETS_READ = SOCKETS_NETLINK | SOCKETS_RECORDS    # such that are not read as Linux reads them


cdef long socket_option(int fd, int name) noexcept nogil:
    """An int option of Linux's SOL_SOCKET, or a negative errno."""
    cdef int value = 0
    cdef uint32_t length = 4
    cdef long result = linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, name, <uint64_t> &value,
                                      <uint64_t> &length)
    return result if is_error(result) else value


cdef long set_socket_option(int fd, int name, int value) noexcept nogil:
    return linux_syscall5(LINUX_SYS_setsockopt, fd, LINUX_SOL_SOCKET, name, <uint64_t> &value, 4)


cdef long ip_option(int fd, int name) noexcept nogil:
    """An int option of Linux's IPPROTO_IP, or a negative errno."""
    cdef int value = 0
    cdef uint32_t length = 4
    cdef long result = linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_IP, name, <uint64_t> &value,
                                      <uint64_t> &length)
    return result if is_error(result) else value


cdef long set_ip_option(int fd, int name, int value) noexcept nogil:
    return linux_syscall5(LINUX_SYS_setsockopt, fd, FREEBSD_IPPROTO_IP, name, <uint64_t> &value, 4)


cdef uint32_t kept_word(int fd) noexcept nogil:
    """The bits of KEPT_WORD; 0 where they cannot be had."""
    cdef long value = socket_option(fd, KEPT_WORD)
    return 0 if value < 0 else <uint32_t> value


cdef long keep(int fd, uint32_t bits, bint on) noexcept nogil:
    cdef uint32_t before = kept_word(fd), after = before | bits if on else before & ~bits
    return 0 if after == before else set_socket_option(fd, KEPT_WORD, <int> after)


cdef int kept_flag(uint32_t name) noexcept nogil:
    """Linux's option that keeps this one of FreeBSD's (SO_NOSIGPIPE ...), or -1."""
    if name == FREEBSD_SO_NOSIGPIPE:
        return KEPT_NOSIGPIPE
    if name == FREEBSD_SO_USELOOPBACK:
        return KEPT_USELOOPBACK
    return KEPT_DEBUG if name == FREEBSD_SO_DEBUG else -1


cdef inline bint is_left_out(uint32_t name) noexcept nogil:
    """Options that since FreeBSD 15 a socket which is accepted does not take over (solisten_clone), but for those that decide who may
    bind beside it: on Linux their want would keep the next listener out."""
    return name == FREEBSD_SO_DEBUG or name == FREEBSD_SO_USELOOPBACK or name == FREEBSD_SO_BROADCAST


cdef void leave_out(int fd) noexcept nogil:
    """Of a socket that has been accepted."""
    set_socket_option(fd, KEPT_DEBUG, 0)
    set_socket_option(fd, KEPT_USELOOPBACK, 0)
    set_socket_option(fd, LINUX_SO_BROADCAST, 0)


cdef void sockets_watch(process_t *proc, uint32_t bits) noexcept nogil:
    """This process has such a socket now. What the pass lane would take for it, SOCKETS_READ's kinds, comes to the shim (own_transfer)."""
    cdef uint32_t before = proc.own.sockets
    proc.own.sockets |= bits
    if bits & ~before & SOCKETS_READ:
        hide_number(0)
        hide_number(NO_DESCRIPTOR - 1)


cdef uint32_t socket_kind(int fd) noexcept nogil:
    """The bit of process_own.sockets for a socket that somebody else made, or 0."""
    cdef long domain = socket_option(fd, LINUX_SO_DOMAIN), kept
    if domain == LINUX_AF_NETLINK:
        return SOCKETS_NETLINK
    if domain != LINUX_AF_UNIX:
        return 0
    if socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_DGRAM:
        return SOCKETS_LOCAL_DGRAM
    kept = socket_option(fd, KEPT_TYPE)
    return SOCKETS_RECORDS if kept >= 0 and kept & 0xff == FREEBSD_SOCK_SEQPACKET else 0


cdef void socket_came(process_t *proc, int fd) noexcept nogil:
    """A descriptor has come by SCM_RIGHTS."""
    if ~proc.own.sockets & (SOCKETS_READ | SOCKETS_LOCAL_DGRAM):
        sockets_watch(proc, socket_kind(fd))

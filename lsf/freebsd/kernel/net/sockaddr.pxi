# Addresses of sockets as programs give and get them.
# Model: FreeBSD sys/kern/uipc_syscalls.c (getsockaddr, kern_accept, kern_recvit).

cdef long sockaddr_in(uaddr name, uint64_t length, uint8_t *address) noexcept nogil:
    """Take an address from the guest (getsockaddr): its Linux length, or an error. `address` has SOCKET_ADDRESS bytes."""
    cdef uint8_t raw[256]
    length = <uint32_t> length
    if length > FREEBSD_SOCK_MAXADDRLEN:
        return -LINUX_ENAMETOOLONG
    if length < 2:
        return -LINUX_EINVAL
    if copyin(name, raw, length) < 0:
        return -LINUX_EFAULT
    return linux_sockaddr_from_freebsd(address, SOCKET_ADDRESS, raw, length)


cdef uint64_t sockaddr_shown(uint8_t *to, const uint8_t *address, uint32_t length) noexcept nogil:
    """An address as the guest sees it, in SOCKET_ADDRESS bytes: its whole length. In a view by look-up a local socket's
    has the path there, with as many NULs behind it as it was bound with."""
    cdef char path[LOOKUP_PATH]
    cdef uint64_t size = 0, nuls, whole = freebsd_sockaddr_from_linux(to, SOCKET_ADDRESS, address, length)
    if SHIM.lookup == NULL or whole <= 2 or to[1] != FREEBSD_AF_UNIX or to[2] != c'/':
        return whole
    while 2 + size < whole and to[2 + size] != 0:
        path[size] = <char> to[2 + size]
        size += 1
    path[size] = 0
    nuls = whole - 2 - size
    lookup_guest(SHIM, path, LOOKUP_PATH)
    size = string_length(path)
    if size > FREEBSD_SUNPATHLEN:
        size = FREEBSD_SUNPATHLEN
    if size + nuls > FREEBSD_SUNPATHLEN or (whole == 2 + FREEBSD_SUNPATHLEN and nuls > 1):
        nuls = FREEBSD_SUNPATHLEN - size
    memset(&to[2], 0, FREEBSD_SUNPATHLEN)
    memcpy(&to[2], path, size)
    to[0] = <uint8_t> (2 + size + nuls)
    return to[0]


cdef long sockaddr_out(const uint8_t *address, uint32_t length, uaddr name, uaddr length_at, uint32_t room,
                       bint tells_whole) noexcept nogil:
    """Give an address to the guest, and its length: that of what fits, or of the whole address."""
    cdef uint8_t raw[SOCKET_ADDRESS]
    cdef uint64_t whole = sockaddr_shown(raw, address, length), fits = whole
    if fits > room:
        fits = room
    if fits != 0 and copyout(raw, name, fits) < 0:
        return -LINUX_EFAULT
    return store_guest32(length_at, <uint32_t> (whole if tells_whole else fits))


cdef inline bint names_are_whole(area_t *area) noexcept nogil:
    """Since FreeBSD 15 accept, getsockname and getpeername tell the length that the address has, not what was given."""
    return area.proc.own.osreldate >= FREEBSD_SINCE_WHOLE_NAMES


cdef uint32_t sender_length(int fd, uint8_t *address, uint32_t length) noexcept nogil:
    """The length of a sender's address that Linux gave, as FreeBSD tells it: a local stream tells none, and a local
    datagram's sender without a name has an address too."""
    if length == 0:
        if socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_STREAM:
            memset(address, 0, 16)
            address[0] = LINUX_AF_UNIX
            return 2
    elif address[0] == LINUX_AF_UNIX and socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM:
        return 0
    return length

# Sockets: <sys/socket.h>, <sys/un.h>, <netinet/in.h>, <netinet6/in6.h>.

cdef struct freebsd_sockaddr:
    uint8_t sa_len
    uint8_t sa_family
    char sa_data[14]

cdef struct freebsd_sockaddr_in:
    uint8_t sin_len
    uint8_t sin_family
    uint16_t sin_port               # network byte order
    uint32_t sin_addr               # network byte order
    uint8_t sin_zero[8]

cdef struct freebsd_sockaddr_in6:
    uint8_t sin6_len
    uint8_t sin6_family
    uint16_t sin6_port
    uint32_t sin6_flowinfo
    uint8_t sin6_addr[16]
    uint32_t sin6_scope_id

cdef struct freebsd_sockaddr_un:
    uint8_t sun_len
    uint8_t sun_family
    char sun_path[104]

cdef struct freebsd_msghdr:
    uint64_t msg_name
    uint32_t msg_namelen
    uint64_t msg_iov
    int32_t msg_iovlen
    uint64_t msg_control
    uint32_t msg_controllen
    int32_t msg_flags

cdef struct freebsd_mmsghdr:
    freebsd_msghdr msg_hdr
    int64_t msg_len

cdef struct freebsd_cmsghdr:
    uint32_t cmsg_len
    int32_t cmsg_level
    int32_t cmsg_type

cdef struct freebsd_cmsgcred:
    int32_t cmcred_pid
    uint32_t cmcred_uid
    uint32_t cmcred_euid
    uint32_t cmcred_gid
    int16_t cmcred_ngroups
    uint32_t cmcred_groups[16]

cdef struct freebsd_sockcred:
    uint32_t sc_uid
    uint32_t sc_euid
    uint32_t sc_gid
    uint32_t sc_egid
    int32_t sc_ngroups
    uint32_t sc_groups[1]           # as many as sc_ngroups says

# LOCAL_CREDS_PERSISTENT, FreeBSD 13.
cdef struct freebsd_sockcred2:
    int32_t sc_version
    int32_t sc_pid
    uint32_t sc_uid
    uint32_t sc_euid
    uint32_t sc_gid
    uint32_t sc_egid
    int32_t sc_ngroups
    uint32_t sc_groups[1]

cdef struct freebsd_linger:
    int32_t l_onoff
    int32_t l_linger

cdef struct freebsd_sf_hdtr:
    uint64_t headers
    int32_t hdr_cnt
    uint64_t trailers
    int32_t trl_cnt

# What a socket has asked to be told of a datagram, and what of it is not in Linux's control messages.
cdef struct lsf_received:
    uint8_t timestamp, bintime      # SO_TIMESTAMP, SO_BINTIME
    uint8_t dstaddr, recvif         # IP_RECVDSTADDR, IP_RECVIF
    int32_t clock                   # SO_TS_CLOCK
    int64_t boot                    # CLOCK_REALTIME less CLOCK_MONOTONIC, nanoseconds
    uint8_t link[56]                # the sockaddr_dl of the interface that it came by

cdef struct freebsd_accept_filter_arg:
    char af_name[16]
    char af_arg[240]


cdef inline int linux_family_from_freebsd(int family) noexcept nogil:
    """Linux's AF_ number, or -1. The table of address families is the authority; a test compares the two."""
    if family == FREEBSD_AF_UNSPEC or family == FREEBSD_AF_UNIX or family == FREEBSD_AF_INET:
        return family
    if family == FREEBSD_AF_INET6:
        return LINUX_AF_INET6
    if family == FREEBSD_AF_NETLINK:
        return LINUX_AF_NETLINK
    if family == FREEBSD_AF_BLUETOOTH:
        return LINUX_AF_BLUETOOTH
    return -1


cdef inline int freebsd_family_from_linux(int family) noexcept nogil:
    """FreeBSD's AF_ number, or -1."""
    if family == LINUX_AF_UNSPEC or family == LINUX_AF_UNIX or family == LINUX_AF_INET:
        return family
    if family == LINUX_AF_INET6:
        return FREEBSD_AF_INET6
    if family == LINUX_AF_NETLINK:
        return FREEBSD_AF_NETLINK
    if family == LINUX_AF_BLUETOOTH:
        return FREEBSD_AF_BLUETOOTH
    return -1


cdef inline int64_t linux_sockaddr_from_freebsd(void *to, uint64_t room, const void *source,
                                                uint64_t length) noexcept nogil:
    """Returns the length of the Linux address, at most length + 1, or a negative errno. sa_len is ignored, as by FreeBSD.

    As FreeBSD: -ENAMETOOLONG above SOCK_MAXADDRLEN, -EINVAL for a length that does not fit the family, -EAFNOSUPPORT.
    A path ends at its first NUL and gets one on Linux; an empty one is -ENOENT, never one of Linux's abstract names.
    -EINVAL too if `room` is too small: 257 bytes always suffice.
    """
    cdef const uint8_t *bytes = <const uint8_t *>source
    cdef uint8_t *target = <uint8_t *>to
    cdef int family
    cdef uint64_t path
    cdef uint16_t linux_family
    if length > FREEBSD_SOCK_MAXADDRLEN:
        return -36
    if length < 2 or length + 1 > room:
        return -22
    family = linux_family_from_freebsd(bytes[1])
    if family < 0:
        return -97
    if ((family == LINUX_AF_INET and length != sizeof(freebsd_sockaddr_in))
            or (family == LINUX_AF_INET6 and length != sizeof(freebsd_sockaddr_in6))
            or (family == LINUX_AF_UNIX and (length == 2 or length > sizeof(freebsd_sockaddr_un)))):
        return -22
    memset(to, 0, length + 1)
    linux_family = <uint16_t>family
    memcpy(to, &linux_family, sizeof(linux_family))
    if family == LINUX_AF_UNIX:
        path = 2
        while path < length and bytes[path] != 0:
            target[path] = bytes[path]
            path += 1
        return <int64_t>path + 1 if path > 2 else -2
    memcpy(target + 2, bytes + 2, length - 2)
    return <int64_t>length


# The length that a local socket was bound with. FreeBSD keeps the address as bind(2) was given it, whether or not the
# NUL was counted; Linux keeps the path alone. So the path that Linux gets says it, in bytes that lead to the same file: a
# code of 0 to 3 in the slashes at its start. "/x" is 1 + code slashes and more where the guest wrote more than one
# ("//x": 5 + code), "x" is "." and `code` slashes before it (none for 0), "./x" is "." and 4 + code slashes.
cdef enum:
    BOUND_BARE = 0                  # the path and nothing behind it; what Linux programs bind looks like it
    BOUND_NUL = 1                   # one NUL was counted
    BOUND_WHOLE = 2                 # the whole struct
    BOUND_COUNTED = 3               # another number of NULs, in BOUND_DIGITS: "./" is 0, ".//" is 1
    BOUND_DIGITS = 7
    BOUND_PATH = 108                # of Linux's sun_path, which needs no NUL at its end


cdef inline uint64_t put_slashes(char *to, uint64_t at, uint64_t count) noexcept nogil:
    memset(to + at, 47, count)
    return at + count


cdef inline int64_t linux_bound_path(char *to, const char *path, uint64_t length, uint64_t nuls) noexcept nogil:
    """Write the path that Linux binds for one of `length` bytes with `nuls` NULs behind it to `to` (BOUND_PATH
    bytes); returns its length, or -1 where there is no room."""
    cdef uint64_t code, slashes = 0, at = 0, size, i
    cdef uint64_t dots = 1 if length > 1 and path[0] == c'.' and path[1] == c'/' else 0
    while dots + slashes < length and path[dots + slashes] == c'/':
        slashes += 1
    code = nuls
    if nuls > 1:
        code = BOUND_WHOLE if length + nuls >= FREEBSD_SUNPATHLEN else BOUND_COUNTED
    size = length - dots - slashes
    if slashes > 0 and not dots:
        size += 1 + code + 4 * (slashes - 1)
    elif dots or code:
        size += 1 + code + 4 * slashes
    if code == BOUND_COUNTED:
        size += 3 * BOUND_DIGITS
    if size > BOUND_PATH:
        # What is counted exactly for a path that leaves room is rounded for one that does not.
        return linux_bound_path(to, path, length, BOUND_NUL) if code == BOUND_COUNTED else -1
    if slashes > 0 and not dots:
        at = put_slashes(to, 0, 1 + code + 4 * (slashes - 1))
    elif dots or code:
        to[0] = c'.'
        at = put_slashes(to, 1, code + 4 * slashes)
    if code == BOUND_COUNTED:
        for i in range(BOUND_DIGITS):
            to[at] = c'.'
            at = put_slashes(to, at + 1, 1 + (nuls >> i & 1))
    memcpy(to + at, path + dots + slashes, length - dots - slashes)
    return <int64_t> (at + length - dots - slashes)


cdef inline uint64_t freebsd_bound_path(char *to, const char *path, uint64_t length, uint64_t *nuls) noexcept nogil:
    """The other direction: the guest's path (FREEBSD_SUNPATHLEN bytes in `to`, at most) and the NULs behind it."""
    cdef uint64_t code, slashes = 0, kept, at, i, digits = 0
    cdef uint64_t dots = 1 if length > 1 and path[0] == c'.' and path[1] == c'/' else 0
    while dots + slashes < length and path[dots + slashes] == c'/':
        slashes += 1
    code = slashes - 1 & 3 if slashes > 0 and not dots else slashes & 3
    kept = 1 + (slashes - 1 >> 2) if slashes > 0 and not dots else slashes >> 2
    at = dots + slashes
    nuls[0] = code
    if code == BOUND_COUNTED:
        nuls[0] = 0
        while digits < BOUND_DIGITS and at + 2 <= length and path[at] == c'.' and path[at + 1] == c'/':
            at += 2
            if at < length and path[at] == c'/':
                nuls[0] |= <uint64_t> 1 << digits
                at += 1
            digits += 1
        if digits < BOUND_DIGITS:               # a path of somebody else's
            nuls[0] = 0
            kept = slashes
            at = dots + slashes
    if string_begins(path + at - (1 if kept else 0), length - at + (1 if kept else 0), b"/proc/self/fd/"):
        # bindat(2): the path as it was given begins behind the descriptor.
        i = at + 13
        while i < length and c'0' <= path[i] <= c'9':
            i += 1
        if i > at + 13 and i + 1 < length and path[i] == c'/':
            at = i + 1
            kept = 0
            dots = 0
    i = 0
    if dots and kept:
        to[0] = c'.'
        i = 1
    if kept > FREEBSD_SUNPATHLEN - i:
        kept = FREEBSD_SUNPATHLEN - i
    i = put_slashes(to, i, kept)
    length -= at
    if length > FREEBSD_SUNPATHLEN - i:
        length = FREEBSD_SUNPATHLEN - i
    memcpy(to + i, path + at, length)
    i += length
    if code == BOUND_WHOLE or i + nuls[0] > FREEBSD_SUNPATHLEN:
        nuls[0] = FREEBSD_SUNPATHLEN - i
    return i


cdef inline bint string_begins(const char *text, uint64_t length, const char *start) noexcept nogil:
    cdef uint64_t i = 0
    while start[i] != 0:
        if i >= length or text[i] != start[i]:
            return False
        i += 1
    return True


cdef inline int64_t linux_bound_address(uint8_t *address, int64_t length, uint64_t nuls) noexcept nogil:
    """Give the address of a local socket (of linux_sockaddr_from_freebsd) the mark for bind(2); returns its new length.
    A path that leaves no room for it stays as it is."""
    cdef char path[BOUND_PATH]
    cdef uint64_t size = 0
    cdef int64_t marked
    while 2 + size < <uint64_t> length and address[2 + size] != 0:
        size += 1
    if size > BOUND_PATH:
        return length
    marked = linux_bound_path(path, <char *> &address[2], size, nuls)
    if marked < 0:
        return length
    memset(&address[2], 0, BOUND_PATH)
    memcpy(&address[2], path, <uint64_t> marked)
    # Linux wants no NUL where the path fills the struct.
    return 2 + marked + (1 if marked < BOUND_PATH else 0)


cdef inline uint64_t freebsd_sockaddr_from_linux(void *to, uint64_t room, const void *source,
                                                 uint64_t length) noexcept nogil:
    """Writes as much as fits `room`; returns the whole length, which is sa_len too (0: Linux gave no address).

    A Unix socket without a name has 16 bytes with an empty path, as FreeBSD's sun_noname. Linux's abstract names, which
    FreeBSD lacks, look the same. One with a name has the length that it was bound with (linux_bound_address). A family that
    FreeBSD lacks becomes AF_UNSPEC.
    """
    cdef freebsd_sockaddr_un address
    cdef uint8_t *target = <uint8_t *>&address
    cdef const uint8_t *bytes = <const uint8_t *>source
    cdef uint16_t linux_family = 0
    cdef int family
    cdef uint64_t path = 0, nuls = 0
    cdef uint64_t size = length
    if length < 2:
        return 0
    memset(&address, 0, sizeof(address))
    memcpy(&linux_family, source, sizeof(linux_family))
    family = freebsd_family_from_linux(linux_family)
    if family == FREEBSD_AF_UNIX:
        while 2 + path < length and path < BOUND_PATH and bytes[2 + path] != 0:
            path += 1
        size = sizeof(freebsd_sockaddr)
        if path > 0:
            size = 2 + freebsd_bound_path(<char *> target + 2, <const char *> bytes + 2, path, &nuls)
            size += nuls
    else:
        if size > sizeof(freebsd_sockaddr_un):
            size = sizeof(freebsd_sockaddr_un)
        memcpy(target + 2, bytes + 2, size - 2)
    target[0] = <uint8_t>size
    target[1] = <uint8_t>(family if family >= 0 else FREEBSD_AF_UNSPEC)
    memcpy(to, target, size if size < room else room)
    return size


cdef inline void linux_msghdr_from_freebsd(linux_msghdr *to, const freebsd_msghdr *source) noexcept nogil:
    """The header with guest addresses as they are: iovec is the same on both sides. The caller replaces msg_name and
    msg_control by its converted copies, and translates msg_flags (the table of message flags)."""
    memset(to, 0, sizeof(linux_msghdr))
    to.msg_name = <void *>source.msg_name
    to.msg_namelen = source.msg_namelen
    to.msg_iov = <linux_iovec *>source.msg_iov
    to.msg_iovlen = <uint64_t><uint32_t>source.msg_iovlen
    to.msg_control = <void *>source.msg_control
    to.msg_controllen = source.msg_controllen


cdef inline uint64_t cmsg_align(uint64_t length) noexcept nogil:
    """Both systems align to 8 on amd64, so the data of a message starts at 16 in either: only the header differs."""
    return (length + 7) & ~<uint64_t>7


cdef inline void put_cmsg(char *to, uint64_t length, int32_t level, int32_t type, int to_freebsd) noexcept nogil:
    """A header of 16 bytes for data of `length` bytes."""
    cdef freebsd_cmsghdr *theirs = <freebsd_cmsghdr *>to
    cdef linux_cmsghdr *ours = <linux_cmsghdr *>to
    memset(to, 0, 16)
    if to_freebsd:
        theirs.cmsg_len = <uint32_t>(16 + length)
        theirs.cmsg_level = level
        theirs.cmsg_type = type
    else:
        ours.cmsg_len = 16 + length
        ours.cmsg_level = level
        ours.cmsg_type = type


cdef inline int64_t linux_cmsgs_from_freebsd(void *to, uint64_t room, const void *source,
                                             uint64_t length) noexcept nogil:
    """The control messages of sendmsg(2), but for local sockets'. Returns the length for Linux's msg_controllen, or a
    negative errno.

    SCM_RIGHTS, IP_SENDSRCADDR, IP_TOS, IP_TTL, IPV6_PKTINFO, IPV6_HOPLIMIT and IPV6_TCLASS are translated. Anything else,
    and a length that does not fit, is -EINVAL (-22). -E2BIG (-7) if `room` is too small: length + 64 always suffices for one
    message of each.
    """
    cdef const char *bytes = <const char *>source
    cdef char *target = <char *>to
    cdef uint64_t position = 0
    cdef uint64_t written = 0
    cdef uint64_t size
    cdef uint64_t data
    cdef int32_t level
    cdef int32_t type
    cdef freebsd_cmsghdr header
    while length - position >= sizeof(freebsd_cmsghdr):
        memcpy(&header, bytes + position, sizeof(header))
        if header.cmsg_len < 16 or header.cmsg_len > length - position:
            return -22
        data = header.cmsg_len - 16
        size = data
        level = header.cmsg_level
        type = -1
        if level == FREEBSD_SOL_SOCKET:
            level = LINUX_SOL_SOCKET
            if header.cmsg_type == FREEBSD_SCM_RIGHTS and data % 4 == 0:
                type = LINUX_SCM_RIGHTS
        elif level == FREEBSD_IPPROTO_IP:
            if header.cmsg_type == FREEBSD_IP_RECVDSTADDR and data == 4:
                type = LINUX_IP_PKTINFO
                size = 12
            elif header.cmsg_type == FREEBSD_IP_TOS:
                type = LINUX_IP_TOS
            elif header.cmsg_type == FREEBSD_IP_TTL and (data == 1 or data == 4):
                type = LINUX_IP_TTL
                size = 4                                # Linux wants an int
        elif level == FREEBSD_IPPROTO_IPV6:
            if header.cmsg_type == FREEBSD_IPV6_PKTINFO:
                type = LINUX_IPV6_PKTINFO
            elif header.cmsg_type == FREEBSD_IPV6_HOPLIMIT:
                type = LINUX_IPV6_HOPLIMIT
            elif header.cmsg_type == FREEBSD_IPV6_TCLASS:
                type = LINUX_IPV6_TCLASS
        if type < 0:
            return -22
        if written + 16 + cmsg_align(size) > room:
            return -7
        put_cmsg(target + written, size, level, type, 0)
        memset(target + written + 16, 0, cmsg_align(size))
        if type == LINUX_IP_PKTINFO and level == FREEBSD_IPPROTO_IP:
            memcpy(target + written + 20, bytes + position + 16, 4)     # ipi_spec_dst: the source of what is sent
        else:
            memcpy(target + written + 16, bytes + position + 16, data)
        written += 16 + cmsg_align(size)
        position += cmsg_align(header.cmsg_len)
        if position > length:
            position = length
    return <int64_t>written


cdef inline void cmsg_add(char *to, uint64_t room, uint64_t *written, uint32_t *flags, int32_t level, int32_t type,
                          const void *content, uint64_t size) noexcept nogil:
    """Add a FreeBSD control message. What does not fit whole, with its padding, is left out, and so is all that follows it:
    then MSG_CTRUNC is added to *flags, which is a FreeBSD word."""
    if flags[0] & FREEBSD_MSG_CTRUNC or written[0] + 16 + cmsg_align(size) > room:
        flags[0] |= FREEBSD_MSG_CTRUNC
        return
    put_cmsg(to + written[0], size, level, type, 1)
    memcpy(to + written[0] + 16, content, size)
    memset(to + written[0] + 16 + size, 0, cmsg_align(size) - size)
    written[0] += 16 + cmsg_align(size)


cdef inline uint64_t bintime_fraction(uint64_t nanoseconds) noexcept nogil:
    """A fraction of a second in units of 2^-64 s (timespec2bintime)."""
    return nanoseconds * 18446744073ULL + nanoseconds * 709551616ULL // 1000000000      # 2^64 / 10^9


cdef inline void cmsg_add_times(char *to, uint64_t room, uint64_t *written, uint32_t *flags, int64_t seconds,
                                int64_t nanoseconds, const lsf_received *asked) noexcept nogil:
    """The times of a datagram that came at this CLOCK_REALTIME, as ip_savecontrol gives them."""
    cdef int64_t time[2]
    cdef int64_t since
    if asked.bintime or (asked.timestamp and asked.clock == FREEBSD_SO_TS_BINTIME):
        time[0] = seconds
        time[1] = <int64_t> bintime_fraction(<uint64_t> nanoseconds)
        cmsg_add(to, room, written, flags, FREEBSD_SOL_SOCKET, FREEBSD_SCM_BINTIME, time, 16)
    if not asked.timestamp or asked.clock == FREEBSD_SO_TS_BINTIME:
        return
    time[0] = seconds
    time[1] = nanoseconds
    if asked.clock == FREEBSD_SO_TS_REALTIME_MICRO:
        time[1] //= 1000
        cmsg_add(to, room, written, flags, FREEBSD_SOL_SOCKET, FREEBSD_SCM_TIMESTAMP, time, 16)
        return
    if asked.clock == FREEBSD_SO_TS_MONOTONIC:
        since = seconds * 1000000000 + nanoseconds - asked.boot
        time[0] = since // 1000000000
        time[1] = since % 1000000000
    cmsg_add(to, room, written, flags, FREEBSD_SOL_SOCKET, FREEBSD_SCM_MONOTONIC
             if asked.clock == FREEBSD_SO_TS_MONOTONIC else FREEBSD_SCM_REALTIME, time, 16)


cdef inline uint64_t freebsd_cmsgs_from_linux(void *to, uint64_t room, const void *source, uint64_t length,
                                              uint32_t *flags, const lsf_received *asked) noexcept nogil:
    """The control messages that recvmsg(2) got, but for local sockets'. Returns the length for FreeBSD's msg_controllen.

    What has no counterpart, or was not asked for, is left out. What does not fit: cmsg_add.
    """
    cdef const char *bytes = <const char *>source
    cdef char *target = <char *>to
    cdef uint64_t position = 0
    cdef uint64_t written = 0
    cdef uint32_t lost = 0
    cdef uint64_t size
    cdef uint64_t data
    cdef int32_t level
    cdef int32_t type
    cdef int64_t time[2]
    cdef uint8_t address[32]
    cdef linux_cmsghdr header
    cdef const void *content
    while length - position >= sizeof(linux_cmsghdr):
        memcpy(&header, bytes + position, sizeof(header))
        if header.cmsg_len < 16 or header.cmsg_len > length - position:
            break
        content = bytes + position + 16
        data = header.cmsg_len - 16
        size = data
        level = header.cmsg_level
        type = -1
        if level == LINUX_SOL_SOCKET:
            level = FREEBSD_SOL_SOCKET
            if header.cmsg_type == LINUX_SCM_RIGHTS:
                type = FREEBSD_SCM_RIGHTS
            elif (header.cmsg_type == LINUX_SCM_TIMESTAMP or header.cmsg_type == LINUX_SCM_TIMESTAMPNS) and data >= 16:
                memcpy(time, content, 16)
                if header.cmsg_type == LINUX_SCM_TIMESTAMP:
                    time[1] *= 1000
                cmsg_add_times(target, room, &written, &lost, time[0], time[1], asked)
        elif level == FREEBSD_IPPROTO_IP:
            if header.cmsg_type == LINUX_IP_PKTINFO and data >= 12:
                if asked.dstaddr:
                    cmsg_add(target, room, &written, &lost, level, FREEBSD_IP_RECVDSTADDR, <const char *> content + 8, 4)
                if asked.recvif:
                    cmsg_add(target, room, &written, &lost, level, FREEBSD_IP_RECVIF, asked.link, asked.link[0])
            elif header.cmsg_type == LINUX_IP_TTL and data >= 1:
                type = FREEBSD_IP_RECVTTL
                size = 1                                # an int on Linux, a u_char here
            elif header.cmsg_type == LINUX_IP_TOS and data >= 1:
                type = FREEBSD_IP_RECVTOS
                size = 1
            elif header.cmsg_type == LINUX_IP_ORIGDSTADDR and data == 16:
                type = FREEBSD_IP_ORIGDSTADDR
        elif level == FREEBSD_IPPROTO_IPV6:
            if header.cmsg_type == LINUX_IPV6_PKTINFO:
                type = FREEBSD_IPV6_PKTINFO
            elif header.cmsg_type == LINUX_IPV6_HOPLIMIT:
                type = FREEBSD_IPV6_HOPLIMIT
            elif header.cmsg_type == LINUX_IPV6_TCLASS:
                type = FREEBSD_IPV6_TCLASS
            elif header.cmsg_type == LINUX_IPV6_ORIGDSTADDR and data == 28:
                type = FREEBSD_IPV6_ORIGDSTADDR
        if type == FREEBSD_IP_ORIGDSTADDR or type == FREEBSD_IPV6_ORIGDSTADDR:
            memcpy(address, content, size)              # an address, of one layout but for its head
            address[0] = <uint8_t> size
            address[1] = FREEBSD_AF_INET if size == 16 else FREEBSD_AF_INET6
            content = address
        if type >= 0:
            cmsg_add(target, room, &written, &lost, level, type, content, size)
        position += cmsg_align(header.cmsg_len)
        if position > length:
            position = length
    flags[0] |= lost
    return written

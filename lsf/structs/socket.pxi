# Sockets: <sys/socket.h>, <sys/un.h>, <netinet/in.h>, <netinet6/in6.h>.

cdef enum:
    FREEBSD_AF_UNSPEC = 0
    FREEBSD_AF_UNIX = 1
    FREEBSD_AF_INET = 2
    FREEBSD_AF_INET6 = 28
    FREEBSD_AF_BLUETOOTH = 36
    FREEBSD_AF_NETLINK = 38
    LINUX_AF_UNSPEC = 0
    LINUX_AF_UNIX = 1
    LINUX_AF_INET = 2
    LINUX_AF_INET6 = 10
    LINUX_AF_NETLINK = 16
    LINUX_AF_BLUETOOTH = 31
    FREEBSD_SOCK_MAXADDRLEN = 255
    FREEBSD_SUNPATHLEN = 104
    FREEBSD_MSG_CTRUNC = 0x20
    FREEBSD_SOL_SOCKET = 0xffff
    FREEBSD_SCM_RIGHTS = 1
    FREEBSD_SCM_TIMESTAMP = 2
    FREEBSD_SCM_CREDS = 3
    FREEBSD_SCM_REALTIME = 5
    FREEBSD_SCM_CREDS2 = 8
    FREEBSD_CMGROUP_MAX = 16
    FREEBSD_IP_TOS = 3
    FREEBSD_IP_TTL = 4
    FREEBSD_IP_RECVDSTADDR = 7
    FREEBSD_IP_RECVTTL = 65
    FREEBSD_IP_RECVTOS = 68
    FREEBSD_IPV6_PKTINFO = 46
    FREEBSD_IPV6_HOPLIMIT = 47
    FREEBSD_IPV6_TCLASS = 61
    FREEBSD_IPPROTO_IP = 0
    FREEBSD_IPPROTO_IPV6 = 41
    LINUX_SOL_SOCKET = 1
    LINUX_SCM_RIGHTS = 1
    LINUX_SCM_CREDENTIALS = 2
    LINUX_SCM_TIMESTAMP = 29
    LINUX_SCM_TIMESTAMPNS = 35
    LINUX_IP_TOS = 1
    LINUX_IP_TTL = 2
    LINUX_IP_PKTINFO = 8
    LINUX_IPV6_PKTINFO = 50
    LINUX_IPV6_HOPLIMIT = 52
    LINUX_IPV6_TCLASS = 67
    # Which form credentials take on the receiving side: LSF's numbers for its socket's options.
    CREDS_CMSGCRED = 0              # the sender asked with SCM_CREDS
    CREDS_SOCKCRED = 1              # LOCAL_CREDS
    CREDS_SOCKCRED2 = 2             # LOCAL_CREDS_PERSISTENT

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

cdef struct freebsd_accept_filter_arg:
    char af_name[16]
    char af_arg[240]

cdef extern from "<sys/socket.h>" nogil:
    ctypedef struct linux_sockaddr "struct sockaddr":
        uint16_t sa_family
        char sa_data[14]
    ctypedef struct linux_msghdr "struct msghdr":
        void *msg_name
        uint32_t msg_namelen
        linux_iovec *msg_iov
        uint64_t msg_iovlen
        void *msg_control
        uint64_t msg_controllen
        int32_t msg_flags
    ctypedef struct linux_mmsghdr "struct mmsghdr":
        linux_msghdr msg_hdr
        uint32_t msg_len
    ctypedef struct linux_cmsghdr "struct cmsghdr":
        uint64_t cmsg_len
        int32_t cmsg_level
        int32_t cmsg_type
    ctypedef struct linux_ucred "struct ucred":
        int32_t pid
        uint32_t uid
        uint32_t gid
    ctypedef struct linux_linger "struct linger":
        int32_t l_onoff
        int32_t l_linger

cdef extern from "<netinet/in.h>" nogil:
    ctypedef struct linux_in_addr "struct in_addr":
        uint32_t s_addr
    ctypedef struct linux_in6_addr "struct in6_addr":
        pass
    ctypedef struct linux_sockaddr_in "struct sockaddr_in":
        uint16_t sin_family
        uint16_t sin_port
        linux_in_addr sin_addr
        uint8_t sin_zero[8]
    ctypedef struct linux_sockaddr_in6 "struct sockaddr_in6":
        uint16_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        linux_in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef extern from "<sys/un.h>" nogil:
    ctypedef struct linux_sockaddr_un "struct sockaddr_un":
        uint16_t sun_family
        char sun_path[108]


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


cdef inline uint64_t freebsd_sockaddr_from_linux(void *to, uint64_t room, const void *source,
                                                 uint64_t length) noexcept nogil:
    """Writes as much as fits `room`; returns the whole length, which is sa_len too (0: Linux gave no address).

    A Unix socket without a name has 16 bytes with an empty path, as FreeBSD's sun_noname. Linux's abstract names, which
    FreeBSD lacks, look the same. A family that FreeBSD lacks becomes AF_UNSPEC.
    """
    cdef freebsd_sockaddr_un address
    cdef uint8_t *target = <uint8_t *>&address
    cdef const uint8_t *bytes = <const uint8_t *>source
    cdef uint16_t linux_family = 0
    cdef int family
    cdef uint64_t path
    cdef uint64_t size = length
    if length < 2:
        return 0
    memset(&address, 0, sizeof(address))
    memcpy(&linux_family, source, sizeof(linux_family))
    family = freebsd_family_from_linux(linux_family)
    if family == FREEBSD_AF_UNIX:
        path = 2
        while path < length and path < sizeof(freebsd_sockaddr_un) and bytes[path] != 0:
            target[path] = bytes[path]
            path += 1
        size = path if path > 2 else sizeof(freebsd_sockaddr)
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


cdef inline int64_t linux_cmsgs_from_freebsd(void *to, uint64_t room, const void *source, uint64_t length,
                                             const linux_ucred *credentials) noexcept nogil:
    """The control messages of sendmsg(2). Returns the length for Linux's msg_controllen, or a negative errno.

    SCM_RIGHTS, SCM_CREDS (which FreeBSD's kernel fills in; `credentials` are the sender's real ones), IP_SENDSRCADDR,
    IP_TOS, IP_TTL, IPV6_PKTINFO, IPV6_HOPLIMIT and IPV6_TCLASS are translated. Anything else, and a length that does
    not fit, is -EINVAL (-22). -E2BIG (-7) if `room` is too small: length + 64 always suffices for one message of each.
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
            elif header.cmsg_type == FREEBSD_SCM_CREDS:
                type = LINUX_SCM_CREDENTIALS
                size = sizeof(linux_ucred)
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
        if type == LINUX_SCM_CREDENTIALS and level == LINUX_SOL_SOCKET:
            memcpy(target + written + 16, credentials, sizeof(linux_ucred))
        elif type == LINUX_IP_PKTINFO and level == FREEBSD_IPPROTO_IP:
            memcpy(target + written + 20, bytes + position + 16, 4)     # ipi_spec_dst: the source of what is sent
        else:
            memcpy(target + written + 16, bytes + position + 16, data)
        written += 16 + cmsg_align(size)
        position += cmsg_align(header.cmsg_len)
        if position > length:
            position = length
    return <int64_t>written


cdef inline uint64_t freebsd_cmsgs_from_linux(void *to, uint64_t room, const void *source, uint64_t length, int form,
                                              uint32_t *flags) noexcept nogil:
    """The control messages that recvmsg(2) got. Returns the length for FreeBSD's msg_controllen.

    `form` says how credentials look: CREDS_. Linux tells one user and one group id, which stand for the effective ones
    as well. What does not fit, or has no counterpart, is left out; for the former MSG_CTRUNC is added to *flags, which
    is a FreeBSD word. SCM_RIGHTS have the same length on both sides: give Linux no more room than the guest gave, and
    none are lost here.
    """
    cdef const char *bytes = <const char *>source
    cdef char *target = <char *>to
    cdef uint64_t position = 0
    cdef uint64_t written = 0
    cdef uint64_t size
    cdef uint64_t data
    cdef int32_t level
    cdef int32_t type
    cdef linux_cmsghdr header
    cdef linux_ucred sender
    cdef freebsd_cmsgcred cmsgcred
    cdef freebsd_sockcred sockcred
    cdef freebsd_sockcred2 sockcred2
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
            elif header.cmsg_type == LINUX_SCM_TIMESTAMP:
                type = FREEBSD_SCM_TIMESTAMP
            elif header.cmsg_type == LINUX_SCM_TIMESTAMPNS:
                type = FREEBSD_SCM_REALTIME
            elif header.cmsg_type == LINUX_SCM_CREDENTIALS and data >= sizeof(linux_ucred):
                memcpy(&sender, content, sizeof(sender))
                type = FREEBSD_SCM_CREDS
                if form == CREDS_CMSGCRED:
                    memset(&cmsgcred, 0, sizeof(cmsgcred))
                    cmsgcred.cmcred_pid = sender.pid
                    cmsgcred.cmcred_uid = sender.uid
                    cmsgcred.cmcred_euid = sender.uid
                    cmsgcred.cmcred_gid = sender.gid
                    cmsgcred.cmcred_ngroups = 1
                    cmsgcred.cmcred_groups[0] = sender.gid
                    content = &cmsgcred
                    size = sizeof(cmsgcred)
                elif form == CREDS_SOCKCRED:
                    memset(&sockcred, 0, sizeof(sockcred))
                    sockcred.sc_uid = sender.uid
                    sockcred.sc_euid = sender.uid
                    sockcred.sc_gid = sender.gid
                    sockcred.sc_egid = sender.gid
                    content = &sockcred
                    size = sizeof(sockcred)
                else:
                    type = FREEBSD_SCM_CREDS2
                    memset(&sockcred2, 0, sizeof(sockcred2))
                    sockcred2.sc_pid = sender.pid
                    sockcred2.sc_uid = sender.uid
                    sockcred2.sc_euid = sender.uid
                    sockcred2.sc_gid = sender.gid
                    sockcred2.sc_egid = sender.gid
                    content = &sockcred2
                    size = sizeof(sockcred2)
        elif level == FREEBSD_IPPROTO_IP:
            if header.cmsg_type == LINUX_IP_PKTINFO and data >= 12:
                type = FREEBSD_IP_RECVDSTADDR
                content = bytes + position + 16 + 8     # ipi_addr
                size = 4
            elif header.cmsg_type == LINUX_IP_TTL and data >= 1:
                type = FREEBSD_IP_RECVTTL
                size = 1                                # an int on Linux, a u_char here
            elif header.cmsg_type == LINUX_IP_TOS and data >= 1:
                type = FREEBSD_IP_RECVTOS
                size = 1
        elif level == FREEBSD_IPPROTO_IPV6:
            if header.cmsg_type == LINUX_IPV6_PKTINFO:
                type = FREEBSD_IPV6_PKTINFO
            elif header.cmsg_type == LINUX_IPV6_HOPLIMIT:
                type = FREEBSD_IPV6_HOPLIMIT
            elif header.cmsg_type == LINUX_IPV6_TCLASS:
                type = FREEBSD_IPV6_TCLASS
        if type >= 0:
            if written + 16 + size > room:
                flags[0] |= FREEBSD_MSG_CTRUNC
            else:
                put_cmsg(target + written, size, level, type, 1)
                memcpy(target + written + 16, content, size)
                # A last message need not be padded if there is no room for it.
                data = cmsg_align(size) - size
                if data > room - written - 16 - size:
                    data = room - written - 16 - size
                memset(target + written + 16 + size, 0, data)
                written += 16 + size + data
        position += cmsg_align(header.cmsg_len)
        if position > length:
            position = length
    return written

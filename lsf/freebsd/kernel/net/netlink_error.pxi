# What a netlink socket answers to a request that failed, or that wanted to hear that it did not. Model: FreeBSD
# sys/netlink/netlink_message_writer.c (nlmsg_ack), netlink_route.c (rtnl_handle_message), netlink/route/{rt,neigh}.c.

cdef enum:
    NLM_F_CAPPED = 0x100            # flags of NLMSG_ERROR, of both systems
    NLM_F_ACK_TLVS = 0x200
    NLMSGERR_ATTR_MSG = 1
    ERROR_TEXT = 64


cdef int32_t error_code(int kind, uint32_t type_, int32_t code) noexcept nogil:
    """FreeBSD's errno for Linux's of a request of this type, which may be a refused one's."""
    cdef uint32_t refused = type_ & ~<uint32_t> NETLINK_ASKED
    if code == 0:
        return 0
    if refused == NETLINK_NO_RIGHT:
        code = -LINUX_EPERM
    elif refused == NETLINK_NOTHING:
        code = -LINUX_ESRCH
    elif refused:
        code = -LINUX_EOPNOTSUPP
    elif kind == SOCKET_IS_NETLINK and ((type_ == LINUX_RTM_GETROUTE and (code == -LINUX_ENETUNREACH
                                                                         or code == -LINUX_EHOSTUNREACH))
                                       or (type_ == LINUX_RTM_GETNEIGH and code == -LINUX_ENOENT)):
        code = -LINUX_ESRCH             # nothing leads there, nobody is there
    return lsf_errno_map[-code & 4095]


cdef uint64_t refusal_words(const linux_nlmsghdr *request, int32_t code, char *text) noexcept nogil:
    """What FreeBSD says in words of a request of the kind NETLINK_ROUTE, in ERROR_TEXT bytes: its length, 0 for nothing."""
    cdef uint32_t refused = request.nlmsg_type & ~<uint32_t> NETLINK_ASKED
    if refused and refused != NETLINK_UNDONE and refused != NETLINK_NO_RIGHT and refused != NETLINK_NOTHING:
        return append_number(text, append(text, 0, ERROR_TEXT, b"unknown message type: "), ERROR_TEXT,
                             request.nlmsg_type & NETLINK_ASKED if refused == NETLINK_UNKNOWN else request.nlmsg_type, 10)
    if code != -LINUX_EINVAL or request.nlmsg_flags & LINUX_NLM_F_DUMP:
        return 0
    if request.nlmsg_type == LINUX_RTM_GETROUTE:
        return append(text, 0, ERROR_TEXT, b"No RTA_DST supplied")
    if request.nlmsg_type == LINUX_RTM_GETNEIGH:
        return append(text, 0, ERROR_TEXT, b"has NDA_DST but no ifindex provided")
    return 0


cdef uint64_t error_size(const linux_nlmsghdr *source, uint64_t size) noexcept nogil:
    """How much of an answer of Linux's, of `size` bytes, comes before its words."""
    cdef const linux_nlmsghdr *request = <const linux_nlmsghdr *> (<const uint8_t *> source + sizeof(linux_nlmsghdr) + 4)
    cdef uint64_t whole = 4
    if source.nlmsg_type == LINUX_NLMSG_ERROR and size >= 4 + sizeof(linux_nlmsghdr):
        whole = 4 + (sizeof(linux_nlmsghdr) if source.nlmsg_flags & NLM_F_CAPPED else (<uint64_t> request.nlmsg_len + 3 & ~3UL))
    return whole if source.nlmsg_flags & NLM_F_ACK_TLVS and whole < size else size


cdef bint wants_words(int fd) noexcept nogil:
    """NETLINK_EXT_ACK is set."""
    cdef int on = 0
    cdef uint32_t length = 4
    return linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_NETLINK, LINUX_NETLINK_EXT_ACK, <uint64_t> &on,
                          <uint64_t> &length) == 0 and on != 0


cdef void put_error(int fd, int kind, linux_nlmsghdr *source, linux_nlmsghdr *header, uint8_t *to, uint64_t *at) noexcept nogil:
    """NLMSG_ERROR and NLMSG_DONE: FreeBSD's errno, which is positive there. Of the request that an error repeats, the family is the
    guest's again, and the type of one that was refused. Linux's words are left out; `header` is the answer's."""
    cdef uint64_t size = error_size(source, source.nlmsg_len - sizeof(linux_nlmsghdr)), words = 0
    cdef int32_t *error = <int32_t *> (to + at[0])
    cdef linux_nlmsghdr *request = <linux_nlmsghdr *> (to + at[0] + 4)
    cdef char text[ERROR_TEXT]
    cdef int32_t code
    memcpy(to + at[0], <uint8_t *> source + sizeof(linux_nlmsghdr), size)
    at[0] += size
    header.nlmsg_flags &= ~<uint16_t> NLM_F_ACK_TLVS
    if size < 4:
        return
    code = error[0]
    error[0] = lsf_errno_map[-code & 4095] if code < 0 else code
    if source.nlmsg_type != LINUX_NLMSG_ERROR or size < 4 + sizeof(linux_nlmsghdr):
        return
    error[0] = error_code(kind, request.nlmsg_type, code)
    if code < 0 and kind == SOCKET_IS_NETLINK:
        words = refusal_words(request, code, text)
    request.nlmsg_pid = header.nlmsg_pid        # the sender's port, as the kernel stamps it
    if request.nlmsg_type & NETLINK_REFUSED:
        request.nlmsg_type &= NETLINK_ASKED
    elif size > 4 + sizeof(linux_nlmsghdr) and kind == SOCKET_IS_NETLINK and (<uint8_t *> (request + 1))[0] == LINUX_AF_INET6:
        (<uint8_t *> (request + 1))[0] = FREEBSD_AF_INET6
    if words and wants_words(fd):
        while at[0] & 3:
            to[at[0]] = 0
            at[0] += 1
        nla_put(to, at, NLMSGERR_ATTR_MSG, text, words + 1)
        header.nlmsg_flags |= NLM_F_ACK_TLVS

# How many connections may wait at each socket that listens (so_qlimit), and of local ones how many do, for netstat -L: /proc/net tells
# neither, Linux's sock_diag(7) does. Where that is not there, what listens has FreeBSD's SOMAXCONN.

cdef enum:
    LISTEN_LIMITS = 1 << 20             # the answers that are looked at, in bytes
    LISTEN_LIMIT_UNKNOWN = 128          # SOMAXCONN
    LINUX_UDIAG_SHOW_RQLEN = 0x10
    LINUX_UNIX_DIAG_RQLEN = 4           # <linux/unix_diag.h>

cdef struct linux_inet_diag_req:        # struct inet_diag_req_v2
    linux_nlmsghdr header
    uint8_t family, protocol, extensions, padding
    uint32_t states
    uint32_t socket[12]

cdef struct linux_inet_diag_msg:
    uint8_t family, state, timer, retransmissions
    uint32_t socket[12]
    uint32_t expires, waiting, limit    # idiag_rqueue, idiag_wqueue of what listens
    uint32_t uid, inode

cdef struct linux_unix_diag_req:
    linux_nlmsghdr header
    uint8_t family, protocol
    uint16_t padding
    uint32_t states, inode, show
    uint32_t cookie[2]

cdef struct linux_unix_diag_msg:
    uint8_t family, type_, state, padding
    uint32_t inode
    uint32_t cookie[2]

# What is known of those that listen.
cdef struct listen_limits_t:
    uint8_t *answers
    uint64_t length
    bint local


cdef void local_question(linux_unix_diag_req *question, uint32_t states) noexcept nogil:
    """What asks for the queues of local sockets."""
    memset(question, 0, sizeof(linux_unix_diag_req))
    question.header.nlmsg_len = sizeof(linux_unix_diag_req)
    question.header.nlmsg_type = LINUX_SOCK_DIAG_BY_FAMILY
    question.header.nlmsg_flags = LINUX_NLM_F_REQUEST
    question.family = LINUX_AF_UNIX
    question.states = states
    question.show = LINUX_UDIAG_SHOW_RQLEN


cdef bint local_answer(linux_nlmsghdr *message, uint32_t *waiting, uint32_t *limit) noexcept nogil:
    """The queue that a message tells of."""
    cdef uint32_t size = 0
    cdef uint32_t *lengths = <uint32_t *> netlink_attribute(message, sizeof(linux_unix_diag_msg), LINUX_UNIX_DIAG_RQLEN, &size)
    if lengths == NULL or size < 8:
        return False
    waiting[0] = lengths[0]
    limit[0] = lengths[1]
    return True


cdef void listen_ask(listen_limits_t *limits, int fd, void *question, uint32_t size) noexcept nogil:
    """Append the answers to a question, which begins with its header."""
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> question
    cdef long result
    header.nlmsg_len = size
    header.nlmsg_type = LINUX_SOCK_DIAG_BY_FAMILY
    header.nlmsg_flags = LINUX_NLM_F_REQUEST | LINUX_NLM_F_DUMP
    result = netlink_collect(fd, question, size, limits.answers + limits.length, LISTEN_LIMITS - limits.length)
    if result > 0:
        limits.length += result


cdef void listen_limits(listen_limits_t *limits, uint8_t *memory, bint local) noexcept nogil:
    """Ask of all that listen: by TCP, or locally. memory: LISTEN_LIMITS bytes."""
    cdef linux_inet_diag_req inet
    cdef linux_unix_diag_req unix
    cdef long fd = linux_syscall3(LINUX_SYS_socket, LINUX_AF_NETLINK, LINUX_SOCK_RAW | LINUX_SOCK_CLOEXEC, LINUX_NETLINK_SOCK_DIAG)
    limits.answers = memory
    limits.length = 0
    limits.local = local
    if is_error(fd):
        return
    if local:
        local_question(&unix, 1 << LINUX_TCP_LISTEN)
        listen_ask(limits, <int> fd, &unix, sizeof(unix))
    else:
        memset(&inet, 0, sizeof(inet))
        inet.protocol = FREEBSD_IPPROTO_TCP
        inet.states = 1 << LINUX_TCP_LISTEN
        inet.family = LINUX_AF_INET
        listen_ask(limits, <int> fd, &inet, sizeof(inet))
        inet.family = LINUX_AF_INET6
        listen_ask(limits, <int> fd, &inet, sizeof(inet))
    linux_syscall1(LINUX_SYS_close, fd)


cdef uint32_t listen_limit(const listen_limits_t *limits, uint64_t inode, uint32_t *waiting) noexcept nogil:
    """How many connections may wait at a socket that listens. *waiting: how many do, where that is told."""
    cdef linux_nlmsghdr *message
    cdef linux_inet_diag_msg *inet
    cdef uint64_t at = 0
    cdef uint32_t limit = LISTEN_LIMIT_UNKNOWN
    while True:
        message = netlink_message(limits.answers, limits.length, &at)
        if message == NULL:
            return limit
        if message.nlmsg_type != LINUX_SOCK_DIAG_BY_FAMILY:
            continue
        if limits.local:
            if (<linux_unix_diag_msg *> (<uint8_t *> message + sizeof(linux_nlmsghdr))).inode != inode:
                continue
            local_answer(message, waiting, &limit)
            return limit
        inet = <linux_inet_diag_msg *> (<uint8_t *> message + sizeof(linux_nlmsghdr))
        if inet.inode == inode:
            return inet.limit

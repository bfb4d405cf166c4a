# Sockets of NETLINK_GENERIC: families of messages that parts of the kernel register, which one asks for by name. There is one
# family, "nlctrl", which answers such questions; modules of FreeBSD's that bring others are not loaded. Model: FreeBSD
# sys/netlink/netlink_generic.c, genetlink(4). Linux has the same family, and attributes of the same numbers.

cdef enum:
    GENERIC_CONTROL = 16            # GENL_ID_CTRL, of both systems
    GENERIC_HEAD = 4                # struct genlmsghdr: the command, its version
    GENERIC_GROUP = 48              # MIN_GROUP_NUM: the first group of all, "notify" of nlctrl
    CTRL_CMD_NEWFAMILY = 1
    CTRL_CMD_GETFAMILY = 3
    CTRL_ATTR_FAMILY_ID = 1
    CTRL_ATTR_FAMILY_NAME = 2
    CTRL_ATTR_VERSION = 3
    CTRL_ATTR_HDRSIZE = 4
    CTRL_ATTR_MAXATTR = 5
    CTRL_ATTR_OPS = 6
    CTRL_ATTR_MCAST_GROUPS = 7
    CTRL_ATTR_MAX = 10
    CTRL_ATTR_OP_ID = 1
    CTRL_ATTR_OP_FLAGS = 2
    CTRL_OP_FLAGS = 0xe             # GENL_CMD_CAP_DO, _DUMP, _HASPOL
    CTRL_ATTR_MCAST_GRP_NAME = 1
    CTRL_ATTR_MCAST_GRP_ID = 2
    NO_FAMILY = 0xffff


cdef int family_asked(linux_nlmsghdr *asked) noexcept nogil:
    """The family that a CTRL_CMD_GETFAMILY wants: 0 for all, NO_FAMILY for one that there is not, or a negative errno."""
    cdef uint32_t size = 0, number = 0, end = 0
    cdef const uint8_t *found = netlink_attribute(asked, GENERIC_HEAD, CTRL_ATTR_FAMILY_ID, &size)
    if found != NULL:
        if size != 2:
            return -LINUX_EINVAL
        number = (<const uint16_t *> found)[0]
    found = netlink_attribute(asked, GENERIC_HEAD, CTRL_ATTR_FAMILY_NAME, &size)
    if found == NULL:
        return <int> number if number == 0 or number == GENERIC_CONTROL else NO_FAMILY
    while end < size and found[end] != 0:
        end += 1
    if end == size:
        return -LINUX_EINVAL
    return GENERIC_CONTROL if string_equal(<const char *> found, b"nlctrl") and (number == 0 or number == GENERIC_CONTROL) \
        else NO_FAMILY


cdef bint ask_generic(linux_nlmsghdr *asked, uint8_t *to, uint64_t *at) noexcept nogil:
    """A request, whose header is there: True where it asks for all families. Linux says itself that a body is too short, and that
    there is no family NO_FAMILY."""
    cdef const uint8_t *head = <const uint8_t *> (asked + 1)
    cdef int family
    cdef uint16_t number
    if asked.nlmsg_type != GENERIC_CONTROL or asked.nlmsg_len >= sizeof(linux_nlmsghdr) + GENERIC_HEAD \
            and head[0] != CTRL_CMD_GETFAMILY:
        put_refused(asked, NETLINK_UNKNOWN | asked.nlmsg_type & NETLINK_ASKED, to, at)
        return False
    family = -LINUX_EINVAL if asked.nlmsg_len < sizeof(linux_nlmsghdr) + GENERIC_HEAD else family_asked(asked)
    if family < 0:
        return False
    to[at[0]] = CTRL_CMD_GETFAMILY
    to[at[0] + 1] = 1
    memset(to + at[0] + 2, 0, 2)
    at[0] += GENERIC_HEAD
    number = <uint16_t> family
    if family:
        nla_put(to, at, CTRL_ATTR_FAMILY_ID, &number, 2)
    return family == 0


cdef bint put_family(linux_nlmsghdr *source, uint8_t *to, uint64_t *at) noexcept nogil:
    """CTRL_CMD_NEWFAMILY (dump_family); False for a family of Linux's own."""
    cdef const uint8_t *head = <const uint8_t *> (source + 1)
    cdef uint8_t inner[32]
    cdef uint8_t outer[40]
    cdef uint64_t inner_at = 0, outer_at = 0
    cdef uint16_t number = GENERIC_CONTROL
    cdef uint32_t size = 0
    cdef const uint8_t *found
    if source.nlmsg_type != GENERIC_CONTROL or source.nlmsg_len < sizeof(linux_nlmsghdr) + GENERIC_HEAD \
            or head[0] != CTRL_CMD_NEWFAMILY:
        return False
    found = netlink_attribute(source, GENERIC_HEAD, CTRL_ATTR_FAMILY_ID, &size)
    if found == NULL or size != 2 or (<const uint16_t *> found)[0] != GENERIC_CONTROL:
        return False
    memset(to + at[0], 0, GENERIC_HEAD)
    to[at[0]] = CTRL_CMD_NEWFAMILY
    to[at[0] + 1] = 2
    at[0] += GENERIC_HEAD
    nla_put(to, at, CTRL_ATTR_FAMILY_NAME, <const char *> b"nlctrl", 7)
    nla_put(to, at, CTRL_ATTR_FAMILY_ID, &number, 2)
    nla_put32(to, at, CTRL_ATTR_VERSION, 2)
    nla_put32(to, at, CTRL_ATTR_HDRSIZE, 0)
    nla_put32(to, at, CTRL_ATTR_MAXATTR, CTRL_ATTR_MAX)
    nla_put32(inner, &inner_at, CTRL_ATTR_OP_ID, CTRL_CMD_GETFAMILY)
    nla_put32(inner, &inner_at, CTRL_ATTR_OP_FLAGS, CTRL_OP_FLAGS)
    nla_put(outer, &outer_at, 1, inner, inner_at)
    nla_put(to, at, CTRL_ATTR_OPS, outer, outer_at)
    inner_at = outer_at = 0
    nla_put32(inner, &inner_at, CTRL_ATTR_MCAST_GRP_ID, GENERIC_GROUP)
    nla_put(inner, &inner_at, CTRL_ATTR_MCAST_GRP_NAME, <const char *> b"notify", 7)
    nla_put(outer, &outer_at, 1, inner, inner_at)
    nla_put(to, at, CTRL_ATTR_MCAST_GROUPS, outer, outer_at)
    return True

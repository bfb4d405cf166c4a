# Linux's structs: route.

cdef extern from "<linux/rtnetlink.h>" nogil:
    ctypedef struct linux_nlmsghdr "struct nlmsghdr":
        uint32_t nlmsg_len
        uint16_t nlmsg_type
        uint16_t nlmsg_flags
        uint32_t nlmsg_seq
        uint32_t nlmsg_pid
    ctypedef struct linux_ifinfomsg "struct ifinfomsg":
        uint8_t ifi_family
        uint16_t ifi_type
        int32_t ifi_index
        uint32_t ifi_flags
        uint32_t ifi_change
    ctypedef struct linux_ifaddrmsg "struct ifaddrmsg":
        uint8_t ifa_family
        uint8_t ifa_prefixlen
        uint8_t ifa_flags
        uint8_t ifa_scope
        uint32_t ifa_index
    ctypedef struct linux_rtattr "struct rtattr":
        uint16_t rta_len
        uint16_t rta_type
    ctypedef struct linux_rtmsg "struct rtmsg":
        uint8_t rtm_family
        uint8_t rtm_dst_len
        uint8_t rtm_src_len
        uint8_t rtm_tos
        uint8_t rtm_table
        uint8_t rtm_protocol
        uint8_t rtm_scope
        uint8_t rtm_type
        uint32_t rtm_flags

cdef extern from "<linux/neighbour.h>" nogil:
    ctypedef struct linux_ndmsg "struct ndmsg":
        uint8_t ndm_family
        int32_t ndm_ifindex
        uint16_t ndm_state
        uint8_t ndm_flags
        uint8_t ndm_type

# Network interfaces as the routing sysctl tells them: <net/if.h>, <net/if_dl.h>; Linux's netlink messages.

cdef struct freebsd_if_data:
    uint8_t ifi_type
    uint8_t ifi_physical
    uint8_t ifi_addrlen
    uint8_t ifi_hdrlen
    uint8_t ifi_link_state
    uint8_t ifi_vhid
    uint16_t ifi_datalen
    uint32_t ifi_mtu
    uint32_t ifi_metric
    uint64_t ifi_baudrate
    uint64_t ifi_ipackets
    uint64_t ifi_ierrors
    uint64_t ifi_opackets
    uint64_t ifi_oerrors
    uint64_t ifi_collisions
    uint64_t ifi_ibytes
    uint64_t ifi_obytes
    uint64_t ifi_imcasts
    uint64_t ifi_omcasts
    uint64_t ifi_iqdrops
    uint64_t ifi_oqdrops
    uint64_t ifi_noproto
    uint64_t ifi_hwassist
    int64_t ifi_epoch
    freebsd_timeval ifi_lastchange

cdef struct freebsd_if_msghdr:
    uint16_t ifm_msglen
    uint8_t ifm_version
    uint8_t ifm_type
    int32_t ifm_addrs
    int32_t ifm_flags
    uint16_t ifm_index
    uint16_t _ifm_spare1
    freebsd_if_data ifm_data

cdef struct freebsd_if_msghdrl:
    uint16_t ifm_msglen
    uint8_t ifm_version
    uint8_t ifm_type
    int32_t ifm_addrs
    int32_t ifm_flags
    uint16_t ifm_index
    uint16_t _ifm_spare1
    uint16_t ifm_len
    uint16_t ifm_data_off
    int32_t _ifm_spare2
    freebsd_if_data ifm_data

cdef struct freebsd_ifa_msghdr:
    uint16_t ifam_msglen
    uint8_t ifam_version
    uint8_t ifam_type
    int32_t ifam_addrs
    int32_t ifam_flags
    uint16_t ifam_index
    uint16_t _ifam_spare1
    int32_t ifam_metric

cdef struct freebsd_ifa_msghdrl:
    uint16_t ifam_msglen
    uint8_t ifam_version
    uint8_t ifam_type
    int32_t ifam_addrs
    int32_t ifam_flags
    uint16_t ifam_index
    uint16_t _ifam_spare1
    uint16_t ifam_len
    uint16_t ifam_data_off
    int32_t ifam_metric
    freebsd_if_data ifam_data

cdef struct freebsd_ifma_msghdr:
    uint16_t ifmam_msglen
    uint8_t ifmam_version
    uint8_t ifmam_type
    int32_t ifmam_addrs
    int32_t ifmam_flags
    uint16_t ifmam_index

# Of <net/route.h>, with its struct rt_metrics, of which LSF knows none.
cdef struct freebsd_rt_msghdr:
    uint16_t rtm_msglen
    uint8_t rtm_version
    uint8_t rtm_type
    uint16_t rtm_index
    int32_t rtm_flags
    int32_t rtm_addrs
    int32_t rtm_pid
    int32_t rtm_seq
    int32_t rtm_errno
    int32_t rtm_fmask
    uint64_t rtm_inits
    uint64_t rtm_rmx[14]

cdef struct freebsd_sockaddr_dl:
    uint8_t sdl_len
    uint8_t sdl_family
    uint16_t sdl_index
    uint8_t sdl_type
    uint8_t sdl_nlen
    uint8_t sdl_alen
    uint8_t sdl_slen
    char sdl_data[46]

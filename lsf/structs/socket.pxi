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

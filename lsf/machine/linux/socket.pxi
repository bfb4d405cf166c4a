# Linux's structs: socket.

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

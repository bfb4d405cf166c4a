# Sockets. Options: sockopt.pxi; addresses and control messages are converted in lsf/structs/socket.pxi.
# Model: FreeBSD sys/kern/uipc_syscalls.c.

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_socket, SYS_socketpair, SYS_bind, SYS_connect, SYS_getsockname, SYS_getpeername, SYS_sendto
    const long SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown, SYS_setsockopt

cdef enum:
    # <asm-generic/socket.h>
    LINUX_SO_TYPE = 3
    LINUX_SO_ERROR = 4
    LINUX_SO_DONTROUTE = 5
    LINUX_SO_BROADCAST = 6
    LINUX_SO_KEEPALIVE = 9
    LINUX_SO_PASSCRED = 16
    LINUX_SO_PEERCRED = 17
    LINUX_SO_TIMESTAMPNS = 35
    LINUX_SO_DOMAIN = 39
    LINUX_SO_PEERGROUPS = 59
    LINUX_IPV6_V6ONLY = 26
    LINUX_MSG_NOSIGNAL = 0x4000
    LINUX_SOCK_CLOEXEC = 0x80000
    LINUX_SOCK_NONBLOCK = 0x800
    SOCK_STREAM = 1
    # What Linux has no bit for is kept in the socket itself, in bits that mean nothing to a socket of its kind, so that
    # it goes with the socket through dup, fork, exec and SCM_RIGHTS. sockopt.pxi keeps the guest off them.
    KEPT_NOSIGPIPE = 6              # SO_BROADCAST of a stream
    KEPT_CREDS = 9                  # SO_KEEPALIVE of a local socket: LOCAL_CREDS
    KEPT_CREDS_PERSISTENT = 5       # SO_DONTROUTE of a local socket: LOCAL_CREDS_PERSISTENT
    SOCKET_ADDRESS = 264            # room for an address of either system
    SOCKET_CONTROL = 4096           # for control messages; FreeBSD sends 2048 bytes at most
    SOCKET_CONTROL_MAX = 2048
    CREDENTIALS_SPACE = 32          # of Linux's SCM_CREDENTIALS
    CMSGCRED_SPACE = 104            # of FreeBSD's SCM_CREDS
    SOCKCRED_SPACE = 48             # of SCM_CREDS2, which is the larger of what LOCAL_CREDS brings


cdef long socket_option(int fd, int name) noexcept nogil:
    """An int option of Linux's SOL_SOCKET, or a negative errno."""
    cdef int value = 0
    cdef uint32_t length = 4
    cdef long result = linux_syscall5(SYS_getsockopt, fd, LINUX_SOL_SOCKET, name, <uint64_t> &value, <uint64_t> &length)
    return result if is_error(result) else value


cdef long set_socket_option(int fd, int name, int value) noexcept nogil:
    return linux_syscall5(SYS_setsockopt, fd, LINUX_SOL_SOCKET, name, <uint64_t> &value, 4)


cdef long sockaddr_in(uaddr name, uint64_t length, uint8_t *address) noexcept nogil:
    """Take an address from the guest (getsockaddr): its Linux length, or an error. `address` has SOCKET_ADDRESS bytes."""
    cdef uint8_t raw[256]
    length = <uint32_t> length
    if length > FREEBSD_SOCK_MAXADDRLEN:
        return -ENAMETOOLONG
    if length < 2:
        return -EINVAL
    if copyin(name, raw, length) < 0:
        return -EFAULT
    return linux_sockaddr_from_freebsd(address, SOCKET_ADDRESS, raw, length)


cdef long sockaddr_out(const uint8_t *address, uint32_t length, uaddr name, uaddr length_at, uint32_t room) noexcept nogil:
    """Give an address to the guest. The length that it learns is that of what fits, as FreeBSD says it."""
    cdef uint8_t raw[SOCKET_ADDRESS]
    cdef char path[LOOKUP_PATH]
    cdef uint64_t whole = freebsd_sockaddr_from_linux(raw, sizeof(raw), address, length)
    if SHIM.lookup != NULL and whole > 2 and raw[1] == FREEBSD_AF_UNIX and raw[2] == 47:
        append(path, 0, LOOKUP_PATH, <char *> &address[2])
        lookup_guest(SHIM, path, LOOKUP_PATH)
        raw[0] = <uint8_t> (append(<char *> &raw[2], 0, 104, path) + 2)
        whole = raw[0]
    if whole > room:
        whole = room
    if whole != 0 and copyout(raw, name, whole) < 0:
        return -EFAULT
    return store_guest32(length_at, <uint32_t> whole)


cdef bint is_sigpipe_unwanted(area_t *area, uint64_t fd, long result) noexcept nogil:
    """True where a call that gave EPIPE was on a socket with SO_NOSIGPIPE."""
    return result == -EPIPE and area.proc.nosigpipe and socket_option(<int> fd, KEPT_NOSIGPIPE) > 0


cdef void drop_sigpipe(area_t *area, uint64_t fd, long result) noexcept nogil:
    """Forget the SIGPIPE of a write(2) that was made on the guest's behalf."""
    if area.deferred == SIGPIPE and is_sigpipe_unwanted(area, fd, result):
        area.deferred = 0
        set_linux_mask(area)


cdef uint64_t send_flags(area_t *area, int fd, uint64_t flags) noexcept nogil:
    cdef uint64_t result = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> flags)
    if area.proc.nosigpipe and socket_option(fd, KEPT_NOSIGPIPE) > 0:
        result |= LINUX_MSG_NOSIGNAL
    return result


cdef long sent(int fd, uint64_t flags, long result) noexcept nogil:
    """The end of every send: MSG_EOF closes the sending side behind the message."""
    if result >= 0 and flags & FREEBSD_MSG_EOF:
        linux_syscall2(SYS_shutdown, fd, 1)
    return restartable(result)


cdef long socket_type_error(long result, uint64_t protocol) noexcept nogil:
    """What socreate says of a type or protocol that there is not."""
    if result == -ESOCKTNOSUPPORT or result == -EINVAL or result == -EPROTONOSUPPORT:
        return -EPROTOTYPE if <uint32_t> protocol == 0 else -EPROTONOSUPPORT
    return result


cdef public long sys_socket(frame_t *frame, area_t *area) noexcept nogil:
    cdef int domain = freebsd_to_linux_address_family(<int> frame.arg[0])
    cdef long type_ = freebsd_to_linux_socket_type(<uint32_t> frame.arg[1])
    cdef long fd
    cdef int on = 1
    if domain < 0 or domain == LINUX_AF_UNSPEC:
        return -EAFNOSUPPORT
    if type_ < 0:
        return socket_type_error(-ESOCKTNOSUPPORT, frame.arg[2])
    fd = linux_syscall3(SYS_socket, domain, type_, <uint32_t> frame.arg[2])
    if is_error(fd):
        return socket_type_error(fd, frame.arg[2])
    if domain == LINUX_AF_INET6:
        # FreeBSD's default (net.inet6.ip6.v6only): servers bind 0.0.0.0 and :: to one port.
        linux_syscall5(SYS_setsockopt, fd, FREEBSD_IPPROTO_IPV6, LINUX_IPV6_V6ONLY, <uint64_t> &on, 4)
    return fd


cdef public long sys_socketpair(frame_t *frame, area_t *area) noexcept nogil:
    cdef int domain = freebsd_to_linux_address_family(<int> frame.arg[0])
    cdef long type_ = freebsd_to_linux_socket_type(<uint32_t> frame.arg[1])
    cdef int pair[2]
    cdef long result
    if domain < 0 or domain == LINUX_AF_UNSPEC:
        return -EAFNOSUPPORT
    if type_ < 0:
        return socket_type_error(-ESOCKTNOSUPPORT, frame.arg[2])
    result = linux_syscall4(SYS_socketpair, domain, type_, <uint32_t> frame.arg[2], <uint64_t> pair)
    if is_error(result):
        return socket_type_error(result, frame.arg[2])
    if copyout(pair, frame.arg[3], sizeof(pair)) < 0:
        linux_syscall1(SYS_close, pair[0])
        linux_syscall1(SYS_close, pair[1])
        return -EFAULT
    return 0


cdef long bind_or_connect(area_t *area, long number, int dirfd, int fd, uaddr name, uint64_t length) noexcept nogil:
    """bind(2), connect(2) and their *at forms, whose descriptor is where a local path starts."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t moved[SOCKET_ADDRESS]
    cdef uint64_t at
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    result = sockaddr_in(name, length, address)
    if result < 0:
        return result
    if dirfd != AT_FDCWD and address[0] == LINUX_AF_UNIX and address[2] != 47:
        if descriptor_is_hidden(area.proc, dirfd):
            return -EBADF
        memset(moved, 0, sizeof(moved))
        moved[0] = LINUX_AF_UNIX
        at = append(<char *> &moved[2], 0, 109, b"/proc/self/fd/")
        at = append_number(<char *> &moved[2], at, 109, <uint32_t> dirfd, 10)
        at = append(<char *> &moved[2], at, 109, b"/")
        if at + string_length(<char *> &address[2]) > 107:
            return -ENAMETOOLONG
        at = append(<char *> &moved[2], at, 109, <char *> &address[2])
        memcpy(address, moved, sizeof(address))
        result = at + 3
    else:
        result = lookup_address(area.proc, address, result)
        if result < 0:
            return result
    # FreeBSD does not restart a connect: it goes on without the caller.
    result = blocking_syscall(number, fd, <uint64_t> address, result, 0, 0, 0)
    if number == SYS_connect and result == -EAGAIN and address[0] == LINUX_AF_UNIX:
        return -ECONNREFUSED        # the listener's queue is full
    if number == SYS_connect and result == -EPERM and address[0] == LINUX_AF_INET:
        return -EACCES
    return result


cdef public long sys_bind(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, SYS_bind, AT_FDCWD, <int> frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_connect(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, SYS_connect, AT_FDCWD, <int> frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_bindat(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, SYS_bind, <int> frame.arg[0], <int> frame.arg[1], frame.arg[2], frame.arg[3])


cdef public long sys_connectat(frame_t *frame, area_t *area) noexcept nogil:
    return bind_or_connect(area, SYS_connect, <int> frame.arg[0], <int> frame.arg[1], frame.arg[2], frame.arg[3])


cdef long accept_with(frame_t *frame, area_t *area, uint64_t linux_flags) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef uaddr name = frame.arg[1]
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    if name != 0:
        if fetch_guest32(frame.arg[2], &room) < 0:
            return -EFAULT
        if <int32_t> room < 0:
            return -EINVAL
    result = blocking_syscall(SYS_accept4, fd, <uint64_t> address, <uint64_t> &length, linux_flags, 0, 0)
    if is_error(result):
        # A socket that does not listen, whatever its type.
        return -EINVAL if result == -EOPNOTSUPP else restartable(result)
    if name != 0 and sockaddr_out(address, length, name, frame.arg[2], room) < 0:
        linux_syscall1(SYS_close, result)
        return -EFAULT
    return result


cdef public long sys_accept(frame_t *frame, area_t *area) noexcept nogil:
    """The new socket takes over O_NONBLOCK from the one that listens."""
    cdef long flags = linux_syscall3(SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL, 0)
    if is_error(flags):
        return flags
    return accept_with(frame, area, LINUX_SOCK_NONBLOCK if flags & LINUX_O_NONBLOCK else 0)


cdef public long sys_accept4(frame_t *frame, area_t *area) noexcept nogil:
    cdef long flags = freebsd_to_linux_socket_type(<uint32_t> frame.arg[3])
    if flags < 0 or flags & ~<long> (LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK):
        return -EINVAL
    return accept_with(frame, area, flags)


cdef long socket_name(frame_t *frame, area_t *area, long number) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -EBADF
    if fetch_guest32(frame.arg[2], &room) < 0:
        return -EFAULT
    if <int32_t> room < 0:
        return -EINVAL
    result = linux_syscall3(number, <uint32_t> frame.arg[0], <uint64_t> address, <uint64_t> &length)
    return result if is_error(result) else sockaddr_out(address, length, frame.arg[1], frame.arg[2], room)


cdef public long sys_getsockname(frame_t *frame, area_t *area) noexcept nogil:
    return socket_name(frame, area, SYS_getsockname)


cdef public long sys_getpeername(frame_t *frame, area_t *area) noexcept nogil:
    return socket_name(frame, area, SYS_getpeername)


cdef public long sys_sendto(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint64_t to = 0
    cdef long length = 0
    cdef int fd = <int> frame.arg[0]
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    if frame.arg[4] != 0:
        length = sockaddr_in(frame.arg[4], frame.arg[5], address)
        if length > 0:
            length = lookup_address(area.proc, address, length)
        if length < 0:
            return length
        to = <uint64_t> address
    return sent(fd, frame.arg[3], blocking_syscall(SYS_sendto, fd, frame.arg[1], frame.arg[2],
                                                   send_flags(area, fd, frame.arg[3]), to, length))


cdef public long sys_recvfrom(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[3])
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    if frame.arg[5] != 0 and fetch_guest32(frame.arg[5], &room) < 0:
        return -EFAULT
    if range_is_ours(frame.arg[1], frame.arg[2]):
        return -EFAULT
    result = blocking_syscall(SYS_recvfrom, fd, frame.arg[1], frame.arg[2], flags, <uint64_t> address,
                              <uint64_t> &length)
    if is_error(result):
        return restartable(result)
    if frame.arg[5] != 0 and sockaddr_out(address, length, frame.arg[4], frame.arg[5],
                                          room if frame.arg[4] != 0 else 0) < 0:
        return -EFAULT
    return result


cdef long control_in(area_t *area, const freebsd_msghdr *message, uint8_t *control) noexcept nogil:
    """Take control messages from the guest: their Linux length. The shim's own descriptors are not the guest's to send."""
    cdef uint8_t raw[SOCKET_CONTROL_MAX]
    cdef linux_ucred credentials
    cdef freebsd_cmsghdr header
    cdef uint64_t at = 0, length = message.msg_controllen, i
    cdef int32_t fd
    if length < sizeof(freebsd_cmsghdr) or length > SOCKET_CONTROL_MAX:
        return -EINVAL
    if copyin(message.msg_control, raw, length) < 0:
        return -EFAULT
    while length - at >= sizeof(header):
        memcpy(&header, raw + at, sizeof(header))
        if header.cmsg_len < 16 or header.cmsg_len > length - at:
            break
        if header.cmsg_level == FREEBSD_SOL_SOCKET and header.cmsg_type == FREEBSD_SCM_RIGHTS:
            i = 16
            while i + 4 <= header.cmsg_len:
                memcpy(&fd, raw + at + i, 4)
                if descriptor_is_hidden(area.proc, fd):
                    return -EBADF
                i += 4
        at += cmsg_align(header.cmsg_len)
        if at > length:
            break
    credentials.pid = <int32_t> linux_syscall0(SYS_getpid)
    credentials.uid = <uint32_t> linux_syscall0(SYS_getuid)
    credentials.gid = <uint32_t> linux_syscall0(SYS_getgid)
    return linux_cmsgs_from_freebsd(control, SOCKET_CONTROL, raw, length, &credentials)


cdef public long sys_sendmsg(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0]
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -EFAULT
    linux_msghdr_from_freebsd(&header, &message)
    header.msg_name = NULL
    header.msg_namelen = 0
    header.msg_control = NULL
    header.msg_controllen = 0
    if message.msg_name != 0:
        result = sockaddr_in(message.msg_name, message.msg_namelen, address)
        if result > 0:
            result = lookup_address(area.proc, address, result)
        if result < 0:
            return result
        header.msg_name = address
        header.msg_namelen = <uint32_t> result
    if message.msg_control != 0:
        result = control_in(area, &message, control)
        if result < 0:
            return result
        header.msg_control = control
        header.msg_controllen = <uint64_t> result
    result = blocking_syscall(SYS_sendmsg, fd, <uint64_t> &header, send_flags(area, fd, frame.arg[2]), 0, 0, 0)
    return sent(fd, frame.arg[2], result)


cdef int credentials_form(int fd, uint64_t room) noexcept nogil:
    """In which form the next message of a local socket shows its sender, -1 in none; asks Linux to tell it.

    A FreeBSD sender may attach SCM_CREDS at will; Linux tells a receiver only if it has asked. So who leaves room for
    it is taken to ask, and then learns the sender of every message."""
    if socket_option(fd, KEPT_CREDS_PERSISTENT) > 0:
        return CREDS_SOCKCRED2
    if socket_option(fd, KEPT_CREDS) > 0:
        return CREDS_SOCKCRED
    if room < CMSGCRED_SPACE:
        return -1
    if socket_option(fd, LINUX_SO_PASSCRED) == 0:
        set_socket_option(fd, LINUX_SO_PASSCRED, 1)
    return CREDS_CMSGCRED


cdef uint64_t credentials_last(uint8_t *control, uint64_t length, uint64_t room, int form) noexcept nogil:
    """Linux puts its SCM_CREDENTIALS first: move them behind the rest, or drop those that nobody asked for, that say
    nothing or do not fit, so that descriptors keep their place. The new length."""
    cdef uint64_t size = CMSGCRED_SPACE if form == CREDS_CMSGCRED else SOCKCRED_SPACE
    cdef uint8_t kept[CREDENTIALS_SPACE]
    cdef linux_cmsghdr *header = <linux_cmsghdr *> control
    cdef uint64_t i
    if (length < CREDENTIALS_SPACE or header.cmsg_level != LINUX_SOL_SOCKET or header.cmsg_type != LINUX_SCM_CREDENTIALS):
        return length
    memcpy(kept, control, CREDENTIALS_SPACE)
    length -= CREDENTIALS_SPACE
    for i in range(length):
        control[i] = control[i + CREDENTIALS_SPACE]
    if form < 0 or (<linux_ucred *> &kept[16]).pid == 0 or length + size > room:
        return length
    memcpy(control + length, kept, CREDENTIALS_SPACE)
    return length + CREDENTIALS_SPACE


cdef public long sys_recvmsg(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef uint8_t answer[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0], form = -1
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[2]), room = 0, length
    cdef uint32_t told
    cdef long result, domain = LINUX_AF_UNSPEC
    if descriptor_is_hidden(area.proc, fd):
        return -EBADF
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -EFAULT
    linux_msghdr_from_freebsd(&header, &message)
    header.msg_name = NULL
    header.msg_namelen = 0
    header.msg_control = NULL
    header.msg_controllen = 0
    if message.msg_name != 0:
        header.msg_name = address
        header.msg_namelen = SOCKET_ADDRESS
    if message.msg_control != 0 and message.msg_controllen != 0:
        room = message.msg_controllen
        if room > SOCKET_CONTROL - 64:
            room = SOCKET_CONTROL - 64
        domain = socket_option(fd, LINUX_SO_DOMAIN)
        header.msg_control = control
        header.msg_controllen = room + 64       # Linux's forms are larger here and there
        if domain == LINUX_AF_UNIX:
            # No more descriptors than the guest has room for: the rest would be lost.
            form = credentials_form(fd, room)
            header.msg_controllen = room + CREDENTIALS_SPACE if form >= 0 else room
    result = blocking_syscall(SYS_recvmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if is_error(result):
        return restartable(result)
    told = <uint32_t> linux_to_freebsd_msg_flags(<uint32_t> header.msg_flags) & ~<uint32_t> FREEBSD_MSG_CMSG_CLOEXEC
    if message.msg_name != 0:
        if sockaddr_out(address, header.msg_namelen, message.msg_name, frame.arg[1] + 8, message.msg_namelen) < 0:
            return -EFAULT
        fetch_guest32(frame.arg[1] + 8, &message.msg_namelen)
    if message.msg_control != 0:
        length = 0
        if room != 0:
            length = header.msg_controllen
            if domain == LINUX_AF_UNIX:
                length = credentials_last(control, length, room, form)
            length = freebsd_cmsgs_from_linux(answer, room, control, length, form if form >= 0 else CREDS_CMSGCRED,
                                              &told)
            if copyout(answer, message.msg_control, length) < 0:
                return -EFAULT
            if form == CREDS_SOCKCRED and length != 0 and socket_option(fd, LINUX_SO_TYPE) == SOCK_STREAM:
                # A stream tells its sender once.
                set_socket_option(fd, KEPT_CREDS, 0)
                set_socket_option(fd, LINUX_SO_PASSCRED, 0)
        message.msg_controllen = <uint32_t> length
    message.msg_flags = <int32_t> told
    if copyout(&message, frame.arg[1], sizeof(message)) < 0:
        return -EFAULT
    return result

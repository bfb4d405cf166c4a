# send(2), recv(2) and their kin.
# Model: FreeBSD sys/kern/uipc_syscalls.c (kern_sendit, kern_recvit), sys/kern/uipc_socket.c.

cdef uint64_t send_flags(area_t *area, int fd, uint64_t flags) noexcept nogil:
    cdef uint64_t result = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> flags)
    if area.proc.own.nosigpipe & NOSIGPIPE_SOCKETS and socket_option(fd, KEPT_NOSIGPIPE) > 0:
        result |= LINUX_MSG_NOSIGNAL
    return result


cdef inline bint is_out_of_band(int fd, uint64_t flags) noexcept nogil:
    """True for urgent data of a local socket: there are none on FreeBSD."""
    return flags & FREEBSD_MSG_OOB != 0 and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX


cdef long full_error(area_t *area, int fd) noexcept nogil:
    """What a send says that finds no room. A local datagram is ENOBUFS, but for EAGAIN of 14's non-blocking sockets."""
    cdef long flags
    if not area.proc.own.sockets & SOCKETS_LOCAL_DGRAM or not is_local_dgram(fd):
        return -LINUX_EAGAIN
    if FREEBSD_SINCE_DGRAM_EAGAIN <= area.proc.own.osreldate < FREEBSD_SINCE_DGRAM_ENOBUFS:
        flags = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL, 0)
        if flags >= 0 and flags & LINUX_O_NONBLOCK:
            return -LINUX_EAGAIN
    return -LINUX_ENOBUFS


cdef long sent(area_t *area, int fd, uint64_t flags, bint quiet, bint addressed, long result) noexcept nogil:
    """The end of every send: MSG_EOF closes the sending side behind the message, an error becomes FreeBSD's. quiet: Linux
    was told to send no signal."""
    if is_error(result):
        if result == -LINUX_EAGAIN:
            return restartable(full_error(area, fd))
        return restartable(send_failed(area, fd, result, quiet, addressed))
    area.own.messages[0] += 1
    if flags & FREEBSD_MSG_EOF and linux_syscall2(LINUX_SYS_shutdown, fd, SHUT_WR) == 0:
        event_shut(area.proc, fd)
    return result


cdef bint is_too_long(area_t *area, int fd, uint64_t size) noexcept nogil:
    """True for a local datagram above net.local.dgram.maxdgram."""
    return (size > LOCAL_MAXDGRAM and area.proc.own.sockets & SOCKETS_LOCAL_DGRAM != 0 and is_local_dgram(fd))


cdef long implied_connect(area_t *area, frame_t *frame, const uint8_t *address, long length) noexcept nogil:
    """sendto(2) of a TCP socket that is not connected: it connects first (tcp_usr_send)."""
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t flags = send_flags(area, fd, frame.arg[3])
    cdef long result
    if is_balanced_stream(area, fd):
        return -LINUX_EOPNOTSUPP
    result = blocking_syscall(LINUX_SYS_connect, fd, <uint64_t> address, length, 0, 0, 0)
    if result == -LINUX_EISCONN:
        return -LINUX_ENOTCONN                  # it listens
    if is_error(result) and result != -LINUX_EINPROGRESS:
        return result
    result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, 0, 0)
    return sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, False, result)


cdef public long sys_sendto(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef linux_msghdr header
    cdef linux_iovec vector
    cdef uint64_t to = 0, flags
    cdef long length = 0, result
    cdef int fd = <int> frame.arg[0], kind
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        return netlink_give(area, fd, kind, 0, 1, <freebsd_iovec *> &vector, send_flags(area, fd, frame.arg[3]))
    if frame.arg[4] != 0:
        length = sockaddr_in(frame.arg[4], frame.arg[5], address)
        if length > 0:
            length = lookup_address(area.proc, address, length)
        if length < 0:
            return length
        if is_mapped_for_nobody(fd, address):
            return -LINUX_EINVAL
        to = <uint64_t> address
    if is_out_of_band(fd, frame.arg[3]):
        return -LINUX_EOPNOTSUPP
    if is_too_long(area, fd, frame.arg[2]):
        return -LINUX_EMSGSIZE
    flags = send_flags(area, fd, frame.arg[3])
    if frame.arg[3] & FREEBSD_MSG_EOR and keeps_records(area, fd):
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        memset(&header, 0, sizeof(header))
        header.msg_iov = &vector
        header.msg_iovlen = 1
        return sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, False,
                    send_record(area, fd, &header, NULL, flags))
    result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, to, length)
    if result == -LINUX_EISCONN and to != 0 and address[0] == LINUX_AF_UNIX:
        result = blocking_syscall(LINUX_SYS_sendto, fd, frame.arg[1], frame.arg[2], flags, 0, 0)     # a stream looks at none
    if result == -LINUX_EINVAL and to != 0 and is_of_another_family(fd, frame.arg[4], frame.arg[5]):
        return -LINUX_EAFNOSUPPORT
    result = sent(area, fd, frame.arg[3], flags & LINUX_MSG_NOSIGNAL != 0, to != 0, result)
    if result == -LINUX_ENOTCONN and to != 0 and address[0] != LINUX_AF_UNIX:
        return implied_connect(area, frame, address, length)
    return result


cdef public long sys_recvfrom(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, room = 0
    cdef int fd = <int> frame.arg[0], kind
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[3])
    cdef linux_iovec vector
    cdef long result, left
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        return netlink_recvfrom(frame, area, kind)
    if frame.arg[5] != 0 and fetch_guest32(frame.arg[5], &room) < 0:
        return -LINUX_EFAULT
    if range_is_ours(frame.arg[1], frame.arg[2]):
        return -LINUX_EFAULT
    left = record_left(area, fd)
    if left >= 0:
        vector.iov_base = <void *> frame.arg[1]
        vector.iov_len = frame.arg[2]
        result = record_read(area, fd, &vector, 1, flags, <uint64_t> left)
        if is_error(result) or frame.arg[4] == 0 or frame.arg[5] == 0:
            return result
        return -LINUX_EFAULT if store_guest32(frame.arg[5], 0) < 0 else result     # a stream tells no sender
    result = blocking_syscall(LINUX_SYS_recvfrom, fd, frame.arg[1], frame.arg[2], flags, <uint64_t> address,
                              <uint64_t> &length)
    if was_left_unread(fd, result):
        result = linux_syscall6(LINUX_SYS_recvfrom, fd, frame.arg[1], frame.arg[2], flags, <uint64_t> address,
                                <uint64_t> &length)
    if is_error(result):
        return restartable(receive_error(fd, result))
    area.own.messages[1] += result > 0
    if frame.arg[4] == 0 or frame.arg[5] == 0:
        return result
    length = sender_length(fd, address, length)
    return -LINUX_EFAULT if sockaddr_out(address, length, frame.arg[4], frame.arg[5], room, False) < 0 else result


cdef public long sys_sendmsg(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0], manifest = -1, kind
    cdef uint64_t flags
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if is_out_of_band(fd, frame.arg[2]):
        return -LINUX_EOPNOTSUPP
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -LINUX_EFAULT
    kind = netlink_kind(area, fd)
    if kind and kind != SOCKET_IS_ROUTE and message.msg_control != 0:
        return -LINUX_EINVAL
    if kind:
        return netlink_give(area, fd, kind, message.msg_iov, <uint32_t> message.msg_iovlen, NULL,
                            send_flags(area, fd, frame.arg[2]))
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
        if is_mapped_for_nobody(fd, address):
            return -LINUX_EINVAL
        header.msg_name = address
        header.msg_namelen = <uint32_t> result
    if area.proc.own.sockets & SOCKETS_LOCAL_DGRAM:
        result = vectors_size(&header)
        if result < 0 or is_too_long(area, fd, <uint64_t> result):
            return result if result < 0 else -LINUX_EMSGSIZE
    flags = send_flags(area, fd, frame.arg[2])
    if frame.arg[2] & FREEBSD_MSG_EOR and keeps_records(area, fd):
        return sent(area, fd, frame.arg[2], flags & LINUX_MSG_NOSIGNAL != 0, message.msg_name != 0,
                    send_record(area, fd, &header, &message, flags))
    if message.msg_control != 0:
        result = control_in(area, fd, &message, control, False, &manifest)
        if result < 0:
            return result
        header.msg_control = control
        header.msg_controllen = <uint64_t> result
    result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if result == -LINUX_EISCONN and header.msg_name != NULL and address[0] == LINUX_AF_UNIX:
        header.msg_name = NULL              # a stream looks at none
        header.msg_namelen = 0
        result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if manifest >= 0:
        linux_syscall1(LINUX_SYS_close, manifest)
    if result == -LINUX_EINVAL and message.msg_name != 0 and is_of_another_family(fd, message.msg_name, message.msg_namelen):
        return -LINUX_EAFNOSUPPORT
    return sent(area, fd, frame.arg[2], flags & LINUX_MSG_NOSIGNAL != 0, message.msg_name != 0, result)


cdef void receive_control(area_t *area, int fd, long domain, const freebsd_msghdr *message, linux_msghdr *header,
                          uint8_t *control, uint64_t flags, control_t *out, uint32_t *told) noexcept nogil:
    """The guest's control part for Linux's."""
    cdef uint64_t length = header.msg_controllen
    cdef lsf_received asked
    if domain == LINUX_AF_UNIX:
        local_control_out(area.proc, fd, control, length, out, flags & FREEBSD_MSG_PEEK != 0)
        if out.full:
            told[0] |= FREEBSD_MSG_CTRUNC
    elif length != 0:
        received_asked(fd, control, length, &asked)
        out.length = freebsd_cmsgs_from_linux(out.answer, out.room, control, length, told, &asked)


cdef public long sys_recvmsg(frame_t *frame, area_t *area) noexcept nogil:
    """What was asked for comes back in msg_flags, beside what Linux tells (kern_recvit)."""
    cdef freebsd_msghdr message
    cdef linux_msghdr header
    cdef control_t out
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int fd = <int> frame.arg[0], kind
    cdef uint64_t flags = <uint64_t> freebsd_to_linux_msg_flags(<uint32_t> frame.arg[2])
    cdef linux_iovec vectors[VECTORS_SMALL]
    cdef uint64_t room = 0
    cdef uint32_t told, length
    cdef long result, domain = LINUX_AF_UNSPEC, left
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    kind = netlink_kind(area, fd)
    if kind:
        return netlink_recvmsg(frame, area, kind)
    if copyin(frame.arg[1], &message, sizeof(message)) < 0:
        return -LINUX_EFAULT
    linux_msghdr_from_freebsd(&header, &message)
    header.msg_name = NULL
    header.msg_namelen = 0
    header.msg_control = NULL
    header.msg_controllen = 0
    if message.msg_name != 0:
        header.msg_name = address
        header.msg_namelen = SOCKET_ADDRESS
    # All that may come: what does not fit, or is not wanted, is the shim's to leave out, and descriptors among it to close.
    header.msg_control = control
    header.msg_controllen = SOCKET_CONTROL
    if message.msg_control != 0:
        domain = socket_option(fd, LINUX_SO_DOMAIN)
        if domain == LINUX_AF_UNIX:
            credentials_can_come(fd)
    left = record_left(area, fd)
    if left >= 0 and header.msg_iovlen <= VECTORS_MOST:
        if header.msg_iovlen > VECTORS_SMALL:
            header.msg_iovlen = VECTORS_SMALL           # the others are not filled
        if copyin(<uaddr> header.msg_iov, vectors, header.msg_iovlen * sizeof(linux_iovec)) < 0:
            return -LINUX_EFAULT
        room = record_limit(vectors, header.msg_iovlen, <uint64_t> left)
        header.msg_iov = vectors
    result = blocking_syscall(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if was_left_unread(fd, result):
        result = linux_syscall3(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags)
    if is_error(result):
        result = receive_error(fd, result)
        if result != 0:
            return restartable(result)
        header.msg_namelen = 0          # nothing came, and nothing with it
        header.msg_controllen = 0
        header.msg_flags = 0
    area.own.messages[1] += result > 0
    told = <uint32_t> linux_to_freebsd_msg_flags(<uint32_t> header.msg_flags)
    told |= <uint32_t> frame.arg[2] & ~<uint32_t> FREEBSD_MSG_TRUNC
    if message.msg_control == 0:
        message.msg_controllen = 0
    control_begin(&out, message.msg_controllen)
    if header.msg_controllen != 0:
        if message.msg_control == 0:
            domain = socket_option(fd, LINUX_SO_DOMAIN)
        receive_control(area, fd, domain, &message, &header, control, frame.arg[2], &out, &told)
    if (out.eor != 0) if left < 0 else record_took(fd, <uint64_t> left, <uint64_t> result, room, out.eor,
                                                   frame.arg[2] & FREEBSD_MSG_PEEK != 0):
        told |= FREEBSD_MSG_EOR
    if message.msg_control == 0:
        told &= ~<uint32_t> FREEBSD_MSG_CTRUNC          # who gives no place for it does not learn that there was any
    message.msg_flags = <int32_t> told
    if message.msg_name != 0:
        length = sender_length(fd, address, header.msg_namelen)
        if sockaddr_out(address, length, message.msg_name, frame.arg[1] + 8, message.msg_namelen, False) < 0:
            control_dispose(&out)
            return -LINUX_EFAULT
        fetch_guest32(frame.arg[1] + 8, &message.msg_namelen)
    if message.msg_control != 0:
        message.msg_controllen = <uint32_t> out.length
    if copyout(out.answer, message.msg_control, out.length) < 0 \
            or copyout(&message, frame.arg[1], sizeof(message)) < 0:
        control_dispose(&out)
        return -LINUX_EFAULT
    return result

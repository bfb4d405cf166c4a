# The records of local sockets: MSG_EOR. Model: FreeBSD sys/kern/uipc_usrreq.c.
#
# Before FreeBSD 15 each message to a SEQPACKET socket is a record, as on Linux, and MSG_EOR is told to the receiver: a manifest
# (control.pxi) says so. Since 15 it is a stream in which MSG_EOR ends a record, and what a read leaves of one stays. There the
# socket is a stream of Linux's. A read of such a stream ends behind a message that descriptors came with, so a record has the
# manifest; one too long for one piece of Linux's has it with its last byte. A read of a part gets the manifest: it
# says how long the record is, and KEPT_TYPE then keeps how much is left.

cdef enum:
    VECTORS_SMALL = 32              # that fit the shim's stack
    VECTORS_MOST = 1024             # UIO_MAXIOV of both
    RECORD_PIECE = 32768            # what Linux puts into one piece in any case
    RECORD_LEFT_MOST = 0x7fffff


cdef bint keeps_records(area_t *area, int fd) noexcept nogil:
    """True where MSG_EOR is to be carried."""
    cdef long type_ = socket_option(fd, LINUX_SO_TYPE)
    if type_ != FREEBSD_SOCK_SEQPACKET and not (type_ == FREEBSD_SOCK_STREAM and has_stream_records(area)):
        return False
    return socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX


cdef long vectors_size(const linux_msghdr *header) noexcept nogil:
    """How many bytes the guest's message has, or an error."""
    cdef freebsd_iovec piece
    cdef uint64_t total = 0, i
    if header.msg_iovlen > VECTORS_MOST:
        return -LINUX_EMSGSIZE
    for i in range(header.msg_iovlen):
        if copyin(<uaddr> header.msg_iov + i * sizeof(piece), &piece, sizeof(piece)) < 0:
            return -LINUX_EFAULT
        if piece.iov_len > IOSIZE_MAX - total:
            return -LINUX_EINVAL
        total += piece.iov_len
    return <long> total


cdef long send_end(area_t *area, int fd, uint64_t last, uint64_t flags) noexcept nogil:
    """The last byte of a record, which lies at `last` in the guest."""
    cdef uint8_t control[64]
    cdef linux_msghdr header
    cdef linux_iovec vector
    cdef int manifest = -1
    cdef long result = local_control_in(area.proc, control, 0, control, 1, &manifest)
    if result < 0:
        return result
    memset(&header, 0, sizeof(header))
    vector.iov_base = <void *> last
    vector.iov_len = 1
    header.msg_iov = &vector
    header.msg_iovlen = 1
    header.msg_control = control
    header.msg_controllen = <uint64_t> result
    result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    linux_syscall1(LINUX_SYS_close, manifest)
    return result


cdef long send_split(area_t *area, int fd, linux_msghdr *header, linux_iovec *vectors, uint64_t flags) noexcept nogil:
    """A record of more than a piece into a stream: all but its last byte, and then that one."""
    cdef uint64_t i, total = 0, at = 0
    cdef long result
    for i in range(header.msg_iovlen):
        total += vectors[i].iov_len
        if vectors[i].iov_len:
            at = i
    vectors[at].iov_len -= 1
    header.msg_iov = vectors
    result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> header, flags, 0, 0, 0)
    if result != <long> total - 1:
        return result
    if is_error(send_end(area, fd, <uint64_t> vectors[at].iov_base + vectors[at].iov_len, flags)):
        return <long> total - 1
    return <long> total


cdef long send_vectors_split(area_t *area, int fd, linux_msghdr *header, uint64_t flags) noexcept nogil:
    """send_split on a copy of the guest's vectors."""
    cdef linux_iovec small[VECTORS_SMALL]
    cdef uint64_t memory = 0, size = header.msg_iovlen * sizeof(linux_iovec)
    cdef linux_iovec *vectors = small
    cdef long result
    if header.msg_iovlen > VECTORS_SMALL:
        memory = map_memory(page_up(size))
        if memory == 0:
            return -LINUX_ENOBUFS
        vectors = <linux_iovec *> memory
    result = -LINUX_EFAULT
    if copyin(<uaddr> header.msg_iov, vectors, size) == 0:
        result = send_split(area, fd, header, vectors, flags)
    if memory:
        linux_syscall2(LINUX_SYS_munmap, memory, page_up(size))
    return result


cdef long send_record(area_t *area, int fd, linux_msghdr *header, const freebsd_msghdr *message,
                      uint64_t flags) noexcept nogil:
    """Send what ends a record. message: the guest's, whose control messages are not in `header` yet, or NULL: the header's
    vector is the shim's own."""
    cdef uint8_t control[SOCKET_CONTROL]
    cdef int manifest = -1
    cdef long result = 0, total = vectors_size(header) if message != NULL else <long> header.msg_iov.iov_len
    cdef bint stream = socket_option(fd, LINUX_SO_TYPE) == FREEBSD_SOCK_STREAM, at_once = not stream or total <= RECORD_PIECE
    cdef uint64_t size = <uint64_t> total if total > 0 else 1
    if total < 0 or (stream and total == 0):
        return total                # nothing is sent, and so no record ends
    if message != NULL and message.msg_control != 0:
        result = control_in(area, fd, message, control, size if at_once else 0, &manifest)
    elif at_once:
        result = local_control_in(area.proc, control, 0, control, size, &manifest)
    if result < 0:
        return result
    if result:
        header.msg_control = control
        header.msg_controllen = <uint64_t> result
    header.msg_name = NULL                  # a connection looks at none
    header.msg_namelen = 0
    if at_once:
        result = blocking_syscall(LINUX_SYS_sendmsg, fd, <uint64_t> header, flags, 0, 0, 0)
    elif message == NULL:
        result = send_split(area, fd, header, header.msg_iov, flags)
    else:
        result = send_vectors_split(area, fd, header, flags)
    if manifest >= 0:
        linux_syscall1(LINUX_SYS_close, manifest)
    return result


# ------------------------------------------------------------------ receiving from a stream that keeps records

cdef void records_made(area_t *area, int fd) noexcept nogil:
    """Mark a stream of Linux's as one that keeps records. Its reads are not passed to Linux as they are."""
    set_socket_option(fd, KEPT_TYPE, FREEBSD_SOCK_SEQPACKET)
    sockets_watch(area.proc, SOCKETS_RECORDS)


cdef long record_left(area_t *area, int fd) noexcept nogil:
    """How much is left of a record that was read in part; -1 for any other socket, for which most need not ask."""
    cdef long kept
    if not area.proc.own.sockets & SOCKETS_RECORDS:
        return -1
    kept = socket_option(fd, KEPT_TYPE)
    if kept < 0 or kept & 0xff != FREEBSD_SOCK_SEQPACKET or socket_option(fd, LINUX_SO_DOMAIN) != LINUX_AF_UNIX:
        return -1
    return kept >> 8


cdef uint64_t record_limit(linux_iovec *vectors, uint64_t count, uint64_t left) noexcept nogil:
    """Cut the vectors of a read to what is left of a record (0: it is not cut), and say how much they hold."""
    cdef uint64_t room = 0, i
    for i in range(count):
        if left != 0 and vectors[i].iov_len > left - room:
            vectors[i].iov_len = left - room
        room += vectors[i].iov_len
    return room


cdef bint record_took(int fd, uint64_t left, uint64_t took, uint64_t room, uint64_t size, bint peek) noexcept nogil:
    """After a read of `took` bytes into `room`, with the mark of a record of `size` bytes or 0: whether the record has ended."""
    cdef uint64_t rest = 0
    if left != 0:
        rest = left - took
    elif size > took and took == room:
        rest = size - took
    elif size == 0:
        return False
    if not peek and rest != left:
        set_socket_option(fd, KEPT_TYPE, <int> (FREEBSD_SOCK_SEQPACKET | (rest if rest < RECORD_LEFT_MOST
                                                                        else RECORD_LEFT_MOST) << 8))
    return rest == 0


cdef long record_read(area_t *area, int fd, linux_iovec *vectors, uint64_t count, uint64_t flags,
                      uint64_t left) noexcept nogil:
    """A read that is told nothing but data."""
    cdef linux_msghdr header
    cdef control_t out
    cdef uint8_t control[SOCKET_CONTROL]
    cdef uint64_t room = record_limit(vectors, count, left)
    cdef long result
    memset(&header, 0, sizeof(header))
    header.msg_iov = vectors
    header.msg_iovlen = count
    header.msg_control = control
    header.msg_controllen = SOCKET_CONTROL
    result = blocking_syscall(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags, 0, 0, 0)
    if was_left_unread(fd, result):
        result = linux_syscall3(LINUX_SYS_recvmsg, fd, <uint64_t> &header, flags)
    if is_error(result):
        return restartable(receive_error(fd, result))
    control_begin(&out, 0)
    if header.msg_controllen != 0:
        local_control_out(area.proc, fd, control, header.msg_controllen, &out, flags & LINUX_MSG_PEEK != 0)
    record_took(fd, left, <uint64_t> result, room, out.eor, flags & LINUX_MSG_PEEK != 0)
    return result


cdef long record_passed(area_t *area, frame_t *frame, uint64_t nr, uint64_t left) noexcept nogil:
    """read(2) and readv(2). More than so many vectors are not filled."""
    cdef linux_iovec vectors[VECTORS_SMALL]
    cdef uint64_t count = 1
    if nr == FREEBSD_SYS_read:
        vectors[0].iov_base = <void *> frame.arg[1]
        vectors[0].iov_len = frame.arg[2]
    else:
        count = <uint32_t> frame.arg[2]
        if count > VECTORS_MOST:
            return -LINUX_EINVAL
        if count > VECTORS_SMALL:
            count = VECTORS_SMALL
        if copyin(frame.arg[1], vectors, count * sizeof(linux_iovec)) < 0:
            return -LINUX_EFAULT
    return record_read(area, <int> frame.arg[0], vectors, count, 0, left)


cdef public long sysctl_local_space(sysctl_request_t *request) noexcept nogil:
    """net.local.stream.sendspace and its kin: FreeBSD's defaults, which have been larger since its streams are new."""
    return sysctl_out_number(request, 65536 if has_stream_records(request.area) else 8192)

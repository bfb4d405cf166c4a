# SO_LISTENQLIMIT, SO_LISTENQLEN, SO_LISTENINCQLEN. Model: FreeBSD sys/kern/uipc_socket.c (sogetopt).

cdef enum:
    TCP_INFO_UNACKED = 24           # tcpi_unacked: of a listening socket, the connections that wait
    TCP_INFO_SACKED = 28            # tcpi_sacked: and how many may


cdef bint local_queue(int fd, uint32_t *length, uint32_t *limit) noexcept nogil:
    """The queue of a local socket, which sock_diag(7) tells."""
    cdef linux_unix_diag_req question
    cdef uint8_t answer[512]
    cdef linux_nlmsghdr *header = <linux_nlmsghdr *> answer
    cdef linux_stat st
    cdef long got, diag
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)):
        return False
    local_question(&question, 0xffffffff)
    question.inode = <uint32_t> st.st_ino
    question.cookie[0] = question.cookie[1] = 0xffffffff            # none
    diag = linux_syscall3(LINUX_SYS_socket, LINUX_AF_NETLINK, LINUX_SOCK_RAW | LINUX_SOCK_CLOEXEC, LINUX_NETLINK_SOCK_DIAG)
    if is_error(diag):
        return False
    got = linux_syscall6(LINUX_SYS_sendto, diag, <uint64_t> &question, sizeof(question), 0, 0, 0)
    if not is_error(got):
        got = linux_syscall6(LINUX_SYS_recvfrom, diag, <uint64_t> answer, sizeof(answer), 0, 0, 0)
    linux_syscall1(LINUX_SYS_close, diag)
    if got < <long> sizeof(linux_nlmsghdr) or header.nlmsg_type != LINUX_SOCK_DIAG_BY_FAMILY:
        return False
    return local_answer(header, length, limit)


cdef uint32_t half_open(int fd, bint six) noexcept nogil:
    """How many connections to a listening TCP socket's port are not complete yet."""
    cdef uint8_t address[SOCKET_ADDRESS]
    cdef uint32_t length = SOCKET_ADDRESS, count = 0
    cdef uint64_t memory
    cdef const char *line
    cdef lsf_pcb pcb
    if is_error(linux_syscall3(LINUX_SYS_getsockname, fd, <uint64_t> address, <uint64_t> &length)):
        return 0
    memory = map_memory(PCB_TEXT)
    if memory == 0:
        return 0
    read_file(b"/proc/net/tcp6" if six else b"/proc/net/tcp", <char *> memory, PCB_TEXT)
    line = <const char *> memory
    while line[0] != 0:
        if parse_inet(line, six, PCB_TCP, &pcb) and pcb.state == LINUX_TCP_SYN_RECV \
                and pcb.connection.ie_lport == (<uint16_t *> address)[1]:
            count += 1
        line = next_line(line)
    linux_syscall2(LINUX_SYS_munmap, memory, PCB_TEXT)
    return count


cdef long listen_queue(int fd, uint32_t name, int *number) noexcept nogil:
    """0 for a socket that does not listen."""
    cdef uint8_t info[TCP_INFO_ROOM]
    cdef uint32_t length = 0, limit = 0
    cdef long domain = socket_option(fd, LINUX_SO_DOMAIN)
    number[0] = 0
    if is_error(domain):
        return domain
    if socket_option(fd, LINUX_SO_ACCEPTCONN) <= 0:
        return 0
    if domain == LINUX_AF_UNIX:
        if not local_queue(fd, &length, &limit):
            return -LINUX_ENOPROTOOPT
    else:
        length = TCP_INFO_ROOM
        if is_error(linux_syscall5(LINUX_SYS_getsockopt, fd, FREEBSD_IPPROTO_TCP, LINUX_TCP_INFO, <uint64_t> info,
                                   <uint64_t> &length)):
            return -LINUX_ENOPROTOOPT
        length = (<uint32_t *> (info + TCP_INFO_UNACKED))[0]
        limit = (<uint32_t *> (info + TCP_INFO_SACKED))[0]
        if name == FREEBSD_SO_LISTENINCQLEN:
            number[0] = <int> half_open(fd, domain == LINUX_AF_INET6)
            return 0
    if name == FREEBSD_SO_LISTENQLEN:
        number[0] = <int> length
    elif name == FREEBSD_SO_LISTENQLIMIT:
        number[0] = <int> limit
    return 0

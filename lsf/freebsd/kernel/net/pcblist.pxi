# Lists of sockets (net.inet.*.pcblist, net.local.*.pcblist) and of open files (kern.file), for netstat(1), sockstat(1) and
# fstat(1). Linux tells them as text in /proc/net. Model: FreeBSD sys/netinet/{in_pcb,tcp_subr,udp_usrreq,raw_ip}.c,
# sys/kern/{uipc_socket,uipc_usrreq,kern_descrip}.c.
#
# The records have been the same since FreeBSD 12. Those of 10, which programs of that release want, were the kernel's own
# structs: what is known of them is written at their offsets. 11 had others, which nobody gets here.

cdef enum:
    OSREL_XINPCB = 1100000          # programs of before: the records of FreeBSD 10
    PCB_TCP = 0                     # the values of the rows
    PCB_UDP = 1
    PCB_RAW = 2
    PCB_UDPLITE = 3
    PCB_TEXT = 1 << 22              # of a file in /proc/net
    FREEBSD_FREAD_FWRITE = 3

# FreeBSD 10's records, from its headers.
cdef enum:
    XINPGEN_10 = 32
    XINPCB_10 = 552
    XINPCB_10_SOCKET = 400
    XTCPCB_10 = 1216
    XTCPCB_10_SOCKET = 1040
    XTCPCB_10_STATE = 448
    INPCB_10_PPCB = 56
    INPCB_10_VFLAG = 124
    INPCB_10_PROTOCOL = 126
    INPCB_10_CONNECTION = 200
    XSOCKET_10 = 144
    XUNPCB_10 = 920
    XUNPCB_10_ADDRESS = 256
    XUNPCB_10_SOCKET = 768
    XFILE_10 = 80

# One socket, as /proc/net tells it.
cdef struct lsf_pcb:
    uint64_t inode
    uint32_t uid, receive, send
    int32_t type_, protocol, family, state
    uint32_t queue, limit, listening, connected
    freebsd_in_conninfo connection
    uint8_t vflag


cdef inline uint64_t socket_handle(uint64_t inode) noexcept nogil:
    """What stands for the address of struct socket: xso_so here, and xf_data of who has it open."""
    return KERNEL_BASE + (inode << 8)


cdef void fill_xsocket(freebsd_xsocket *to, const lsf_pcb *pcb) noexcept nogil:
    to.xso_len = sizeof(freebsd_xsocket)
    to.xso_so = socket_handle(pcb.inode)
    to.so_pcb = to.xso_so + 0x80
    to.xso_protocol = pcb.protocol
    to.xso_family = pcb.family
    to.so_qlen = pcb.queue
    to.so_qlimit = pcb.limit
    to.so_uid = pcb.uid
    to.so_type = <int16_t> pcb.type_
    to.so_options = FREEBSD_SO_ACCEPTCONN if pcb.listening else 0
    to.so_state = FREEBSD_SS_ISCONNECTED if pcb.connected else 0
    to.so_rcv.sb_cc = pcb.receive
    to.so_snd.sb_cc = pcb.send


cdef void fill_xsocket_10(uint8_t *to, const lsf_pcb *pcb) noexcept nogil:
    (<uint64_t *> to)[0] = XSOCKET_10
    (<uint64_t *> (to + 8))[0] = socket_handle(pcb.inode)
    (<int16_t *> (to + 16))[0] = <int16_t> pcb.type_
    (<int16_t *> (to + 18))[0] = FREEBSD_SO_ACCEPTCONN if pcb.listening else 0
    (<int16_t *> (to + 22))[0] = FREEBSD_SS_ISCONNECTED if pcb.connected else 0
    (<uint64_t *> (to + 24))[0] = socket_handle(pcb.inode) + 0x80
    (<int32_t *> (to + 32))[0] = pcb.protocol
    (<int32_t *> (to + 36))[0] = pcb.family
    (<uint16_t *> (to + 40))[0] = <uint16_t> pcb.queue
    (<uint16_t *> (to + 44))[0] = <uint16_t> pcb.limit
    (<uint32_t *> (to + 64))[0] = pcb.receive
    (<uint32_t *> (to + 100))[0] = pcb.send
    (<uint32_t *> (to + 136))[0] = pcb.uid


cdef int tcp_state(int linux) noexcept nogil:
    """FreeBSD's number of a TCP state (<netinet/tcp_fsm.h>)."""
    if linux == 1:
        return 4                    # ESTABLISHED
    if linux == 2:
        return 2                    # SYN_SENT
    if linux == 3 or linux == 12:
        return 3                    # SYN_RECEIVED
    if linux == 4:
        return 6                    # FIN_WAIT_1
    if linux == 5:
        return 9                    # FIN_WAIT_2
    if linux == 6:
        return 10                   # TIME_WAIT
    if linux == 8:
        return 5                    # CLOSE_WAIT
    if linux == 9:
        return 8                    # LAST_ACK
    if linux == LINUX_TCP_LISTEN:
        return 1
    return 7 if linux == 11 else 0  # CLOSING, CLOSED


cdef const char *inet_field(const char *text, bint six, uint8_t *address, uint16_t *port) noexcept nogil:
    """`ADDRESS:PORT`: words of the machine's byte order, and a port that is left in it. NULL for anything else."""
    cdef uint8_t bytes_[16]
    cdef uint64_t number = 0
    cdef int i, words = 4 if six else 1
    text = hex_bytes(text, bytes_, 4 * words)
    if text == NULL or text[0] != c':':
        return NULL
    for i in range(4 * words):
        address[(0 if six else 12) + i] = bytes_[(i & ~3) + 3 - (i & 3)]
    for i in range(1, 5):
        if hex_digit(text[i]) < 0:
            return NULL
        number = number * 16 + <uint64_t> hex_digit(text[i])
    port[0] = <uint16_t> number
    return text + 5


cdef bint is_mapped(const uint8_t *address) noexcept nogil:
    """::ffff:a.b.c.d, or :: ."""
    cdef int i
    for i in range(10):
        if address[i] != 0:
            return False
    return address[10] == address[11] and (address[10] == 0xff or address[10] == 0)


cdef const char *upper_hex(const char *text, uint64_t *value) noexcept nogil:
    """A hexadecimal number after blanks."""
    value[0] = 0
    while text[0] == c' ':
        text += 1
    while hex_digit(text[0]) >= 0:
        value[0] = value[0] * 16 + <uint64_t> hex_digit(text[0])
        text += 1
    return text


cdef bint parse_inet(const char *line, bint six, int kind, lsf_pcb *pcb) noexcept nogil:
    """`sl: local remote st tx:rx tr:when retries uid timeout inode ...` of tcp, udp and raw; False for a heading."""
    cdef freebsd_in_conninfo *connection = &pcb.connection
    cdef uint64_t number = 0
    cdef int64_t skipped = 0, value = 0
    memset(pcb, 0, sizeof(lsf_pcb))
    line = parse_number(line, &skipped)
    if line[0] != c':' or line[1] != c' ':
        return False
    line = inet_field(line + 2, six, connection.ie_laddr, &connection.ie_lport)
    if line == NULL:
        return False
    line = inet_field(line + 1, six, connection.ie_faddr, &connection.ie_fport)
    if line == NULL or hex_digit(line[1]) < 0 or hex_digit(line[2]) < 0:
        return False
    pcb.state = hex_digit(line[1]) * 16 + hex_digit(line[2])
    line = upper_hex(line + 4, &number) + 1
    pcb.send = <uint32_t> number
    line = upper_hex(line, &number) + 1
    pcb.receive = <uint32_t> number
    line = upper_hex(line, &number) + 1                 # tr
    line = upper_hex(line, &number) + 1                 # when
    line = upper_hex(line, &number)                     # retries
    line = parse_number(line, &value)
    pcb.uid = <uint32_t> value
    line = parse_number(line, &value)                   # timeout
    line = parse_number(line, &value)
    pcb.inode = <uint64_t> value
    pcb.family = FREEBSD_AF_INET6 if six else FREEBSD_AF_INET
    pcb.vflag = FREEBSD_INP_IPV6 | FREEBSD_INP_IPV6PROTO if six else FREEBSD_INP_IPV4
    if kind == PCB_TCP:
        pcb.type_ = 1
        pcb.protocol = 6
        pcb.listening = pcb.state == LINUX_TCP_LISTEN
        if pcb.listening:
            pcb.queue = pcb.receive
            pcb.receive = 0
    elif kind == PCB_UDP or kind == PCB_UDPLITE:
        pcb.type_ = 2
        pcb.protocol = 17 if kind == PCB_UDP else 136
    else:
        pcb.type_ = 3
        pcb.protocol = connection.ie_lport              # what Linux tells as the port
        connection.ie_lport = 0
    pcb.connected = pcb.state == LINUX_TCP_ESTABLISHED
    # An IPv4 connection of an IPv6 socket.
    if six and connection.ie_laddr[10] == 0xff and is_mapped(connection.ie_laddr) and is_mapped(connection.ie_faddr):
        pcb.vflag = FREEBSD_INP_IPV4 | FREEBSD_INP_IPV6PROTO
        memset(connection.ie_laddr, 0, 12)
        memset(connection.ie_faddr, 0, 12)
    connection.ie_lport = <uint16_t> (connection.ie_lport << 8 | connection.ie_lport >> 8)
    connection.ie_fport = <uint16_t> (connection.ie_fport << 8 | connection.ie_fport >> 8)
    connection.inc_flags = 0 if pcb.vflag & FREEBSD_INP_IPV4 else 1
    return True


cdef long out_inet(sysctl_request_t *request, const lsf_pcb *pcb) noexcept nogil:
    cdef freebsd_xtcpcb record
    cdef freebsd_xinpcb *inp = &record.xt_inp
    cdef uint8_t old[XTCPCB_10]
    cdef bint tcp = request.row.value == PCB_TCP
    if request.area.proc.own.osrel < OSREL_XINPCB:
        memset(old, 0, sizeof(old))
        (<uint64_t *> old)[0] = XTCPCB_10 if tcp else XINPCB_10
        (<uint64_t *> (old + INPCB_10_PPCB))[0] = socket_handle(pcb.inode) + 0xc0
        old[INPCB_10_VFLAG] = pcb.vflag
        old[INPCB_10_PROTOCOL] = <uint8_t> pcb.protocol
        memcpy(old + INPCB_10_CONNECTION, &pcb.connection, sizeof(pcb.connection))
        fill_xsocket_10(old + (XTCPCB_10_SOCKET if tcp else XINPCB_10_SOCKET), pcb)
        if tcp:
            (<int32_t *> (old + XTCPCB_10_STATE))[0] = tcp_state(pcb.state)
        return sysctl_out(request, old, XTCPCB_10 if tcp else XINPCB_10)
    memset(&record, 0, sizeof(record))
    inp.xi_len = sizeof(freebsd_xinpcb)
    fill_xsocket(&inp.xi_socket, pcb)
    inp.inp_inc = pcb.connection
    inp.inp_ppcb = inp.xi_socket.xso_so + 0xc0
    inp.inp_vflag = pcb.vflag
    inp.inp_ip_p = <uint8_t> pcb.protocol
    if not tcp:
        return sysctl_out(request, inp, sizeof(freebsd_xinpcb))
    record.xt_len = sizeof(freebsd_xtcpcb)
    append(record.xt_stack, 0, sizeof(record.xt_stack), b"freebsd")
    record.t_state = tcp_state(pcb.state)
    return sysctl_out(request, &record, sizeof(record))


cdef long out_generation(sysctl_request_t *request, uint32_t count, bint local) noexcept nogil:
    """What stands before the list and behind it. The generations are 0, and so is every record's: nothing changed between."""
    cdef freebsd_xinpgen generation
    cdef uint64_t size = sizeof(freebsd_xinpgen)
    memset(&generation, 0, sizeof(generation))
    if local:
        size = sizeof(freebsd_xunpgen)
    elif request.area.proc.own.osrel < OSREL_XINPCB:
        size = XINPGEN_10
    generation.xig_len = size
    generation.xig_count = count
    return sysctl_out(request, &generation, size)


cdef long out_inet_text(sysctl_request_t *request, const char *line, bint six, const listen_limits_t *limits,
                        uint32_t *count) noexcept nogil:
    """All sockets of a file's text; with `count` only their number."""
    cdef lsf_pcb pcb
    cdef long result = 0
    while line[0] != 0 and (result >= 0 or result == -LINUX_ENOMEM):
        if parse_inet(line, six, <int> request.row.value, &pcb):
            if count != NULL:
                count[0] += 1
            else:
                if pcb.listening:
                    pcb.limit = listen_limit(limits, pcb.inode, &pcb.queue)
                result = out_inet(request, &pcb)
        line = next_line(line)
    return result


cdef void leave_room(sysctl_request_t *request, uint64_t before, uint32_t count) noexcept nogil:
    """Who asks for the size alone is told one with room for sockets to come: an eighth, and ten at least (tcp_pcblist)."""
    cdef uint64_t record = sizeof(freebsd_xtcpcb)
    if request.old != 0:
        return
    if count != 0:
        record = (request.old_at - before) / count
    request.old_at += record * (count / 8 if count > 80 else 10)


cdef public long sysctl_pcblist(sysctl_request_t *request) noexcept nogil:
    """net.inet.tcp.pcblist and its kin."""
    cdef uint64_t memory = map_memory(2 * PCB_TEXT + LISTEN_LIMITS)
    cdef listen_limits_t limits
    cdef char *four = <char *> memory
    cdef char *six = <char *> memory + PCB_TEXT
    cdef uint32_t count = 0
    cdef uint64_t begin
    cdef long result
    if memory == 0:
        return -LINUX_ENOMEM
    if request.row.value == PCB_UDP:
        read_file(b"/proc/net/udp", four, PCB_TEXT)
        read_file(b"/proc/net/udp6", six, PCB_TEXT)
    elif request.row.value == PCB_UDPLITE:
        read_file(b"/proc/net/udplite", four, PCB_TEXT)
        read_file(b"/proc/net/udplite6", six, PCB_TEXT)
    elif request.row.value == PCB_RAW:
        read_file(b"/proc/net/raw", four, PCB_TEXT)
        read_file(b"/proc/net/raw6", six, PCB_TEXT)
    else:
        read_file(b"/proc/net/tcp", four, PCB_TEXT)
        read_file(b"/proc/net/tcp6", six, PCB_TEXT)
        listen_limits(&limits, <uint8_t *> memory + 2 * PCB_TEXT, False)
    out_inet_text(request, four, False, &limits, &count)
    out_inet_text(request, six, True, &limits, &count)
    result = out_generation(request, count, False)
    begin = request.old_at
    if result >= 0 or result == -LINUX_ENOMEM:
        result = out_inet_text(request, four, False, &limits, NULL)
    if result >= 0 or result == -LINUX_ENOMEM:
        result = out_inet_text(request, six, True, &limits, NULL)
    leave_room(request, begin, count)
    if result >= 0 or result == -LINUX_ENOMEM:
        result = out_generation(request, count, False)
    linux_syscall2(LINUX_SYS_munmap, memory, 2 * PCB_TEXT + LISTEN_LIMITS)
    return result


# --- local sockets ---------------------------------------------------------------------------------------------------


cdef const char *parse_local(const char *line, lsf_pcb *pcb) noexcept nogil:
    """`num: references protocol flags type state inode path`: where the path is, or NULL for a heading."""
    cdef uint64_t number = 0, flags = 0, type_ = 0, state = 0
    cdef int64_t inode = 0
    memset(pcb, 0, sizeof(lsf_pcb))
    line = upper_hex(line, &number)
    if line[0] != c':':
        return NULL
    line = upper_hex(line + 1, &number)
    line = upper_hex(line, &number)
    line = upper_hex(line, &flags)
    line = upper_hex(line, &type_)
    line = upper_hex(line, &state)
    line = parse_number(line, &inode)
    pcb.inode = <uint64_t> inode
    pcb.type_ = <int32_t> type_
    pcb.family = FREEBSD_AF_UNIX
    pcb.listening = flags & 0x10000 != 0
    pcb.connected = state == 3
    return line + 1 if line[0] == c' ' else line


cdef long out_local(sysctl_request_t *request, const lsf_pcb *pcb, const char *path) noexcept nogil:
    cdef freebsd_xunpcb record
    cdef uint8_t old[XUNPCB_10]
    cdef uint8_t *address = <uint8_t *> record.xu_dummy1
    cdef uint8_t linux[SOCKET_ADDRESS]
    cdef uint8_t shown[SOCKET_ADDRESS]
    cdef uint64_t length = 0
    memset(&record, 0, sizeof(record))
    memset(old, 0, sizeof(old))
    if request.area.proc.own.osrel < OSREL_XINPCB:
        address = old + XUNPCB_10_ADDRESS
    memset(linux, 0, sizeof(linux))
    linux[0] = LINUX_AF_UNIX
    while path[length] != 0 and path[length] != c'\n' and length < BOUND_PATH:
        linux[2 + length] = <uint8_t> path[length]
        length += 1
    if length != 0 and path[0] != c'@':  # one of Linux's abstract names
        memcpy(address, shown, sockaddr_shown(shown, linux, <uint32_t> (2 + length)))
    if request.area.proc.own.osrel < OSREL_XINPCB:
        (<uint64_t *> old)[0] = XUNPCB_10
        (<uint64_t *> (old + 8))[0] = socket_handle(pcb.inode) + 0x80
        fill_xsocket_10(old + XUNPCB_10_SOCKET, pcb)
        return sysctl_out(request, old, XUNPCB_10)
    record.xu_len = sizeof(record)
    record.xu_unpp = socket_handle(pcb.inode) + 0x80
    fill_xsocket(&record.xu_socket, pcb)
    return sysctl_out(request, &record, sizeof(record))


cdef public long sysctl_local_pcblist(sysctl_request_t *request) noexcept nogil:
    """net.local.*.pcblist: the row's value is the type. Who is connected to whom, Linux does not tell there."""
    cdef uint64_t memory = map_memory(PCB_TEXT + LISTEN_LIMITS)
    cdef listen_limits_t limits
    cdef lsf_pcb pcb
    cdef const char *line
    cdef const char *path
    cdef uint32_t count = 0
    cdef int passes = 0
    cdef long result = 0
    if memory == 0:
        return -LINUX_ENOMEM
    read_file(b"/proc/net/unix", <char *> memory, PCB_TEXT)
    listen_limits(&limits, <uint8_t *> memory + PCB_TEXT, True)
    while passes < 2 and (result >= 0 or result == -LINUX_ENOMEM):
        line = <char *> memory
        while line[0] != 0 and (result >= 0 or result == -LINUX_ENOMEM):
            path = parse_local(line, &pcb)
            if path != NULL and pcb.type_ == request.row.value:
                if passes == 0:
                    count += 1
                else:
                    if pcb.listening:
                        pcb.limit = listen_limit(&limits, pcb.inode, &pcb.queue)
                    result = out_local(request, &pcb, path)
            line = next_line(line)
        if result >= 0 or result == -LINUX_ENOMEM:
            result = out_generation(request, count, True)
        passes += 1
    linux_syscall2(LINUX_SYS_munmap, memory, PCB_TEXT + LISTEN_LIMITS)
    return result


# --- open files ------------------------------------------------------------------------------------------------------


cdef int file_of_link(const char *text, uint64_t *inode) noexcept nogil:
    """The type of what a link of /proc/PID/fd leads to; a socket's inode."""
    cdef int64_t number = 0
    if string_starts(text, b"socket:["):
        parse_number(text + 8, &number)
        inode[0] = <uint64_t> number
        return FREEBSD_DTYPE_SOCKET
    if string_starts(text, b"pipe:["):
        return FREEBSD_DTYPE_PIPE
    if string_starts(text, b"/dev/pts/"):
        return FREEBSD_DTYPE_PTS
    return FREEBSD_DTYPE_VNODE if text[0] == c'/' else FREEBSD_DTYPE_NONE


cdef long out_file(sysctl_request_t *request, int pid, uint32_t uid, int fd) noexcept nogil:
    """One descriptor; nothing where it is gone or LSF's own."""
    cdef freebsd_xfile record
    cdef uint8_t *old = <uint8_t *> &record
    cdef char name[24]
    cdef char text[64]
    cdef char path[64]
    cdef linux_stat st
    cdef uint64_t at, inode = 0, vnode = 0
    cdef int type_
    at = append(name, 0, sizeof(name), b"fd/")
    append_number(name, at, sizeof(name), <uint32_t> fd, 10)
    if proc_link(pid, name, text, sizeof(text)) < 0:
        return 0
    type_ = file_of_link(text, &inode)
    if type_ != FREEBSD_DTYPE_SOCKET:
        proc_path(path, sizeof(path), pid, name)
        if is_error(linux_syscall2(LINUX_SYS_stat, <uint64_t> path, <uint64_t> &st)):
            return 0
        vnode = KERNEL_BASE + (st.st_ino << 8)
    memset(&record, 0, sizeof(record))
    if request.area.proc.own.osrel < OSREL_XINPCB:
        (<uint64_t *> old)[0] = XFILE_10
        (<int32_t *> (old + 8))[0] = pid
        (<uint32_t *> (old + 12))[0] = uid
        (<int32_t *> (old + 16))[0] = fd
        (<uint64_t *> (old + 24))[0] = KERNEL_BASE + (<uint64_t> pid << 24) + (<uint64_t> fd << 6)
        (<int16_t *> (old + 32))[0] = <int16_t> type_
        (<int32_t *> (old + 36))[0] = 1
        (<uint64_t *> (old + 56))[0] = socket_handle(inode) if type_ == FREEBSD_DTYPE_SOCKET else vnode
        (<uint64_t *> (old + 64))[0] = vnode
        (<uint32_t *> (old + 72))[0] = FREEBSD_FREAD_FWRITE
        return sysctl_out(request, old, XFILE_10)
    record.xf_size = sizeof(record)
    record.xf_pid = pid
    record.xf_uid = uid
    record.xf_fd = fd
    record.xf_file = KERNEL_BASE + (<uint64_t> pid << 24) + (<uint64_t> fd << 6)
    record.xf_type = <int16_t> type_
    record.xf_count = 1
    record.xf_data = socket_handle(inode) if type_ == FREEBSD_DTYPE_SOCKET else vnode
    record.xf_vnode = vnode
    record.xf_flag = FREEBSD_FREAD_FWRITE
    return sysctl_out(request, &record, sizeof(record))


cdef public long sysctl_file_table(sysctl_request_t *request) noexcept nogil:
    """kern.file: the descriptors of the processes that this one may look into. Offsets and modes are not told."""
    cdef proc_walk_t processes, descriptors
    cdef process_t *guest
    cdef char path[48]
    cdef linux_stat st
    cdef int pid, fd, hidden1, hidden2
    cdef long result = walk_begin(&processes, b"/proc")
    if result < 0:
        return -LINUX_ENOENT
    while True:
        pid = walk_next(&processes)
        if pid < 0:
            return result
        proc_path(path, sizeof(path), pid, b"fd")
        if (result < 0 and result != -LINUX_ENOMEM) or is_error(linux_syscall2(LINUX_SYS_stat, <uint64_t> path,
                                                                               <uint64_t> &st)) \
                or walk_begin(&descriptors, path) < 0:
            continue
        hidden1 = -1
        hidden2 = -1
        guest = guest_process(request.area, pid)
        if guest != NULL:
            hidden1 = guest.image_fd
            hidden2 = guest.truss_fd
            release_guest(request.area, guest)
        while True:
            fd = walk_next(&descriptors)
            if fd < 0:
                break
            if fd == hidden1 or fd == hidden2 or (pid == request.area.proc.pid
                                                  and (fd == processes.fd or fd == descriptors.fd)):
                continue
            if result >= 0 or result == -LINUX_ENOMEM:
                result = out_file(request, pid, st.st_uid, fd)

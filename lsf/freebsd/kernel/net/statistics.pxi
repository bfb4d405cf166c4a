# The counters of the protocols, which netstat -s shows: net.inet.ip.stats and its kin. Linux tells them in /proc/net/snmp and
# snmp6; those that it does not count stand at 0. Model: FreeBSD sys/netinet/ip_var.h, icmp_var.h, udp_var.h, tcp_var.h,
# sys/netinet6/ip6_var.h, sys/netinet/icmp6.h. Each is a struct of 64-bit counters; here they are known by their place in it.

cdef enum:
    STATISTICS_TEXT = 16384             # room for the file
    STATISTICS_IP = 0                   # sysctl_statistics' argument
    STATISTICS_ICMP = 1
    STATISTICS_UDP = 2
    STATISTICS_TCP = 3
    STATISTICS_IP6 = 4
    STATISTICS_ICMP6 = 5
    STATISTICS_MOST = 579               # counters of the longest, struct icmp6stat
    ICMP_OUT = 3                        # icps_outhist and icps_inhist, by type
    ICMP_IN = 49
    ICMP6_OUT = 3
    ICMP6_IN = 265
    TCP_STATES = 11                     # TCP_NSTATES
    OSREL_STATISTICS13 = 1300000        # programs of before have shorter structs


cdef int64_t snmp_number(const char *text, const char *protocol, const char *name) noexcept nogil:
    """A column of /proc/net/snmp: a protocol has a line of names and one of numbers, both with its own name before. 0: none."""
    cdef const char *names = find_text(text, protocol)
    cdef const char *numbers
    cdef uint64_t length = string_length(name)
    cdef int64_t value = 0
    if names == NULL:
        return 0
    numbers = names
    while numbers[0] != 0 and numbers[0] != c'\n':
        numbers += 1
    numbers = find_text(numbers + 1 if numbers[0] != 0 else numbers, protocol)
    if numbers == NULL:
        return 0
    while names[0] == c' ':
        names += 1
        numbers = parse_number(numbers, &value)
        if string_starts(names, name) and (names[length] == c' ' or names[length] == c'\n'):
            return value
        while names[0] != c' ' and names[0] != c'\n' and names[0] != 0:
            names += 1
    return 0


cdef int64_t snmp6_number(const char *text, const char *name) noexcept nogil:
    """A line of /proc/net/snmp6: a name and, behind blanks, its number."""
    cdef const char *at = find_text(text, name)
    cdef int64_t value = 0
    if at != NULL and (at[0] == c' ' or at[0] == c'\t'):
        parse_number(at, &value)
    return value


cdef void ip_statistics(const char *text, int64_t *to) noexcept nogil:
    cdef const char *ip = b"Ip:"
    to[0] = snmp_number(text, ip, b"InReceives")
    to[6] = snmp_number(text, ip, b"ReasmReqds")
    to[7] = snmp_number(text, ip, b"ReasmFails")
    to[8] = snmp_number(text, ip, b"ReasmTimeout")
    to[9] = snmp_number(text, ip, b"ForwDatagrams")
    to[13] = snmp_number(text, ip, b"InUnknownProtos")
    to[14] = snmp_number(text, ip, b"InDelivers")
    to[15] = snmp_number(text, ip, b"OutRequests")
    to[16] = snmp_number(text, ip, b"OutDiscards")
    to[17] = snmp_number(text, ip, b"ReasmOKs")
    to[18] = snmp_number(text, ip, b"FragOKs")
    to[19] = snmp_number(text, ip, b"FragCreates")
    to[20] = snmp_number(text, ip, b"FragFails")
    to[22] = snmp_number(text, ip, b"OutNoRoutes")
    to[28] = snmp_number(text, ip, b"InAddrErrors")


cdef void icmp_types(const char *text, int64_t *to, bint out) noexcept nogil:
    """Counters by the type of the message, whose numbers are the protocol's."""
    cdef const char *icmp = b"Icmp:"
    to[0] = snmp_number(text, icmp, b"OutEchoReps" if out else b"InEchoReps")
    to[3] = snmp_number(text, icmp, b"OutDestUnreachs" if out else b"InDestUnreachs")
    to[4] = snmp_number(text, icmp, b"OutSrcQuenchs" if out else b"InSrcQuenchs")
    to[5] = snmp_number(text, icmp, b"OutRedirects" if out else b"InRedirects")
    to[8] = snmp_number(text, icmp, b"OutEchos" if out else b"InEchos")
    to[11] = snmp_number(text, icmp, b"OutTimeExcds" if out else b"InTimeExcds")
    to[12] = snmp_number(text, icmp, b"OutParmProbs" if out else b"InParmProbs")
    to[13] = snmp_number(text, icmp, b"OutTimestamps" if out else b"InTimestamps")
    to[14] = snmp_number(text, icmp, b"OutTimestampReps" if out else b"InTimestampReps")
    to[17] = snmp_number(text, icmp, b"OutAddrMasks" if out else b"InAddrMasks")
    to[18] = snmp_number(text, icmp, b"OutAddrMaskReps" if out else b"InAddrMaskReps")


cdef void icmp_statistics(const char *text, int64_t *to) noexcept nogil:
    icmp_types(text, to + ICMP_OUT, True)
    icmp_types(text, to + ICMP_IN, False)
    to[0] = to[ICMP_OUT + 3] + to[ICMP_OUT + 11] + to[ICMP_OUT + 12]            # errors that were sent
    to[46] = snmp_number(text, b"Icmp:", b"InCsumErrors")
    to[48] = to[ICMP_OUT]                                                       # echoes that were answered


cdef void udp_statistics(const char *text, int64_t *to) noexcept nogil:
    cdef const char *udp = b"Udp:"
    to[5] = snmp_number(text, udp, b"NoPorts")
    to[0] = snmp_number(text, udp, b"InDatagrams") + to[5] + snmp_number(text, udp, b"InErrors")
    to[2] = snmp_number(text, udp, b"InCsumErrors")
    to[7] = snmp_number(text, udp, b"RcvbufErrors")
    to[10] = snmp_number(text, udp, b"OutDatagrams")


cdef void tcp_statistics(const char *text, int64_t *to, int shift) noexcept nogil:
    """`shift`: since FreeBSD 14 a counter more stands before those of what was sent."""
    cdef const char *tcp = b"Tcp:"
    to[0] = snmp_number(text, tcp, b"ActiveOpens")
    to[1] = snmp_number(text, tcp, b"PassiveOpens")
    to[4] = snmp_number(text, tcp, b"AttemptFails")
    to[2] = to[0] + to[1] - to[4]
    to[3] = snmp_number(text, tcp, b"EstabResets")
    to[19 + shift] = snmp_number(text, tcp, b"RetransSegs")
    to[16 + shift] = snmp_number(text, tcp, b"OutSegs") + to[19 + shift]
    to[27 + shift] = snmp_number(text, tcp, b"InSegs")
    to[30 + shift] = snmp_number(text, tcp, b"InCsumErrors")


cdef void ip6_statistics(const char *text, int64_t *to) noexcept nogil:
    to[0] = snmp6_number(text, b"Ip6InReceives")
    to[3] = snmp6_number(text, b"Ip6ReasmReqds")
    to[5] = snmp6_number(text, b"Ip6ReasmTimeout")
    to[7] = snmp6_number(text, b"Ip6OutForwDatagrams")
    to[10] = snmp6_number(text, b"Ip6InDelivers")
    to[11] = snmp6_number(text, b"Ip6OutRequests")
    to[12] = snmp6_number(text, b"Ip6OutDiscards")
    to[13] = snmp6_number(text, b"Ip6ReasmOKs")
    to[15] = snmp6_number(text, b"Ip6FragOKs")
    to[16] = snmp6_number(text, b"Ip6FragCreates")
    to[17] = snmp6_number(text, b"Ip6FragFails")
    to[19] = snmp6_number(text, b"Ip6OutNoRoutes")


cdef void icmp6_statistics(const char *text, int64_t *to) noexcept nogil:
    """Linux has a line for each type that it has seen: Icmp6InType135, Icmp6OutType135."""
    cdef const char *at = text
    cdef int64_t type_ = 0, value = 0
    cdef bint out
    while at[0] != 0:
        out = string_starts(at, b"Icmp6OutType")
        if out or string_starts(at, b"Icmp6InType"):
            at = parse_number(at + (12 if out else 11), &type_)
            at = parse_number(at, &value)
            if 0 <= type_ < 256:
                to[(ICMP6_OUT if out else ICMP6_IN) + type_] = value
        while at[0] != 0 and at[0] != c'\n':
            at += 1
        if at[0] == c'\n':
            at += 1
    to[0] = to[ICMP6_OUT + 1] + to[ICMP6_OUT + 2] + to[ICMP6_OUT + 3] + to[ICMP6_OUT + 4]
    to[261] = snmp6_number(text, b"Icmp6InCsumErrors")


cdef uint32_t statistics_release(process_t *proc) noexcept nogil:
    """Whose structs are told: those of the release that is shown, and to an older program its own."""
    return proc.own.osrel if 0 < proc.own.osrel < FREEBSD_SINCE_TCPSTAT_14 else proc.own.osreldate


cdef uint64_t statistics_size(int64_t which, uint32_t osrel) noexcept nogil:
    """Of the struct, in bytes."""
    if which == STATISTICS_IP:
        return 232
    if which == STATISTICS_ICMP:
        return 752
    if which == STATISTICS_UDP:
        return 112
    if which == STATISTICS_IP6:
        return 3320
    if which == STATISTICS_ICMP6:
        return 4632
    if osrel >= FREEBSD_SINCE_TCPSTAT_15:
        return 1000
    return 984 if osrel >= FREEBSD_SINCE_TCPSTAT_14 else 904


cdef public long sysctl_statistics(sysctl_request_t *request) noexcept nogil:
    """A program of before FreeBSD 13 has shorter structs, of which it gets the beginning."""
    cdef int64_t counters[STATISTICS_MOST]
    cdef int64_t which = request.row.value
    cdef uint32_t osrel = statistics_release(request.area.proc)
    cdef uint64_t size = statistics_size(which, osrel), buffer = map_memory(STATISTICS_TEXT)
    cdef const char *text = <const char *> buffer
    cdef bint six = which == STATISTICS_IP6 or which == STATISTICS_ICMP6
    if buffer == 0:
        return -LINUX_ENOMEM
    memset(counters, 0, sizeof(counters))
    if read_file(b"/proc/net/snmp6" if six else b"/proc/net/snmp", <char *> buffer, STATISTICS_TEXT) > 0:
        if which == STATISTICS_IP:
            ip_statistics(text, counters)
        elif which == STATISTICS_ICMP:
            icmp_statistics(text, counters)
        elif which == STATISTICS_UDP:
            udp_statistics(text, counters)
        elif which == STATISTICS_TCP:
            tcp_statistics(text, counters, 1 if osrel >= FREEBSD_SINCE_TCPSTAT_14 else 0)
        elif which == STATISTICS_IP6:
            ip6_statistics(text, counters)
        else:
            icmp6_statistics(text, counters)
    linux_syscall2(LINUX_SYS_munmap, buffer, STATISTICS_TEXT)
    if osrel < OSREL_STATISTICS13 and request.old != 0 and request.old_size < size:
        size = request.old_size
    return sysctl_out(request, counters, size)


cdef int freebsd_tcp_state(int linux) noexcept nogil:
    """TCPS_ for a number of Linux's (include/net/tcp_states.h); below 0: none."""
    if linux == 1:
        return 4                        # ESTABLISHED
    if linux == 2 or linux == 3:
        return linux                    # SYN_SENT, SYN_RECEIVED
    if linux == 4 or linux == 5:
        return 6 if linux == 4 else 9   # FIN_WAIT_1, FIN_WAIT_2
    if linux == 6:
        return 10                       # TIME_WAIT
    if linux == 7:
        return 0                        # CLOSED
    if linux == 8:
        return 5                        # CLOSE_WAIT
    if linux == 9:
        return 8                        # LAST_ACK
    if linux == 10:
        return 1                        # LISTEN
    if linux == 11:
        return 7                        # CLOSING
    return 3 if linux == 12 else -1     # a request that is being answered


cdef long count_tcp_states(const char *path, int64_t *states) noexcept nogil:
    """Add up a table of /proc/net, whose lines are `number: local remote state ...`, in hexadecimal."""
    cdef uint64_t room = 1 << 20, buffer = map_memory(room)
    cdef const char *at
    cdef uint64_t linux
    cdef int word, state
    if buffer == 0:
        return -LINUX_ENOMEM
    if read_file(path, <char *> buffer, room) > 0:
        at = <const char *> buffer
        while at[0] != 0 and at[0] != c'\n':
            at += 1
        while at[0] == c'\n':
            at += 1
            for word in range(3):
                while at[0] == c' ':
                    at += 1
                while at[0] != c' ' and at[0] != c'\n' and at[0] != 0:
                    at += 1
            while at[0] == c' ':
                at += 1
            if at[0] != 0 and at[0] != c'\n':
                at = hex_field(at, &linux)
                state = freebsd_tcp_state(<int> linux)
                if state >= 0:
                    states[state] += 1
            while at[0] != 0 and at[0] != c'\n':
                at += 1
    linux_syscall2(LINUX_SYS_munmap, buffer, room)
    return 0


cdef public long sysctl_tcp_states(sysctl_request_t *request) noexcept nogil:
    cdef int64_t states[TCP_STATES]
    cdef long result
    memset(states, 0, sizeof(states))
    result = count_tcp_states(b"/proc/net/tcp", states)
    if result == 0:
        result = count_tcp_states(b"/proc/net/tcp6", states)
    return result if result < 0 else sysctl_out(request, states, sizeof(states))

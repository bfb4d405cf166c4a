# The queues of received packets, which netstat -Q shows: net.isr.proto, net.isr.workstream, net.isr.work. Model: FreeBSD
# sys/net/netisr.c (sysctl_netisr_proto, sysctl_netisr_workstream, sysctl_netisr_work), netisr.h. There is one stream of work, as
# net.isr.maxthreads has it, and every packet is handled where it comes (net.isr.dispatch), as on Linux.

cdef struct freebsd_netisr_proto:
    uint32_t snp_version            # the struct's length
    char snp_name[32]
    uint32_t snp_proto
    uint32_t snp_qlimit
    uint32_t snp_policy
    uint32_t snp_flags
    uint32_t snp_dispatch
    uint32_t snp_spare[6]

cdef struct freebsd_netisr_workstream:
    uint32_t snws_version
    uint32_t snws_flags
    uint32_t snws_wsid
    uint32_t snws_cpu
    uint32_t snws_spare[12]

cdef struct freebsd_netisr_work:
    uint32_t snw_version
    uint32_t snw_wsid
    uint32_t snw_proto
    uint32_t snw_len
    uint32_t snw_watermark
    uint32_t snw_spare[3]
    uint64_t snw_dispatched
    uint64_t snw_hybrid_dispatched
    uint64_t snw_qdrops
    uint64_t snw_queued
    uint64_t snw_handled
    uint64_t snw_spare64[7]

cdef enum:
    NETISR_PROTOCOLS = 6            # IP, IGMP, ROUTE, ARP, ETHER and IPV6, from 1 on (NETISR_ numbers)
    NETISR_IP = 1
    NETISR_ETHER = 5
    NETISR_IPV6 = 6
    NETISR_QLIMIT = 256             # net.isr.defaultqlimit
    NETISR_POLICY_SOURCE = 1
    NETISR_POLICY_FLOW = 2
    NETISR_DISPATCH_DIRECT = 3
    SNWS_FLAGS_INTR = 1
    NETISR_LIST_PROTO = 0           # sysctl_netisr's argument
    NETISR_LIST_WORKSTREAM = 1


cdef const char *netisr_name(uint32_t protocol) noexcept nogil:
    if protocol == NETISR_IP:
        return b"ip"
    if protocol == NETISR_IPV6:
        return b"ip6"
    if protocol == NETISR_ETHER:
        return b"ether"
    return b"igmp" if protocol == 2 else b"rtsock" if protocol == 3 else b"arp"


cdef uint64_t hex_column(const char *path, int column, char *text, uint64_t size, int skipped) noexcept nogil:
    """The sum of a column of hexadecimal numbers, the lines of processors, below `skipped` lines of names."""
    cdef const char *at = text
    cdef uint64_t sum_ = 0, value = 0
    cdef int i
    if read_file(path, text, size) <= 0:
        return 0
    while at[0] != 0:
        for i in range(column):
            while at[0] != c' ' and at[0] != c'\n' and at[0] != 0:
                at += 1
            while at[0] == c' ':
                at += 1
        if skipped == 0 and at[0] != c'\n' and at[0] != 0:
            at = hex_field(at, &value)
            sum_ += value
        at = next_line(at)
        skipped -= 1 if skipped else 0
    return sum_


cdef void netisr_work(freebsd_netisr_work *work, uint32_t protocol, char *text, uint64_t size) noexcept nogil:
    """What was received of a protocol, as far as Linux counts it; drops are those of every protocol."""
    memset(work, 0, sizeof(freebsd_netisr_work))
    work.snw_version = sizeof(freebsd_netisr_work)
    work.snw_proto = protocol
    if protocol == NETISR_ETHER:
        work.snw_qdrops = hex_column(b"/proc/net/softnet_stat", 1, text, size, 0)
        work.snw_dispatched = hex_column(b"/proc/net/softnet_stat", 0, text, size, 0)
    elif protocol == NETISR_IP and read_file(b"/proc/net/snmp", text, size) > 0:
        work.snw_dispatched = <uint64_t> snmp_number(text, b"Ip:", b"InReceives")
    elif protocol == NETISR_IPV6 and read_file(b"/proc/net/snmp6", text, size) > 0:
        work.snw_dispatched = <uint64_t> snmp6_number(text, b"Ip6InReceives")
    work.snw_handled = work.snw_dispatched


cdef public long sysctl_netisr(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_netisr_proto proto
    cdef freebsd_netisr_workstream stream
    cdef freebsd_netisr_work work
    cdef uint64_t memory
    cdef uint32_t protocol
    cdef long result = 0
    if request.row.value == NETISR_LIST_WORKSTREAM:
        memset(&stream, 0, sizeof(stream))
        stream.snws_version = sizeof(stream)
        stream.snws_flags = SNWS_FLAGS_INTR
        return sysctl_out(request, &stream, sizeof(stream))
    memory = map_memory(STATISTICS_TEXT)
    if memory == 0:
        return -LINUX_ENOMEM
    for protocol in range(1, NETISR_PROTOCOLS + 1):
        if request.row.value == NETISR_LIST_PROTO:
            memset(&proto, 0, sizeof(proto))
            proto.snp_version = sizeof(proto)
            append(proto.snp_name, 0, sizeof(proto.snp_name), netisr_name(protocol))
            proto.snp_proto = protocol
            proto.snp_qlimit = NETISR_QLIMIT
            proto.snp_policy = NETISR_POLICY_FLOW if protocol == NETISR_IP or protocol == NETISR_IPV6 else NETISR_POLICY_SOURCE
            proto.snp_dispatch = NETISR_DISPATCH_DIRECT if protocol == NETISR_ETHER else 0
            result = sysctl_out(request, &proto, sizeof(proto))
        else:
            netisr_work(&work, protocol, <char *> memory, STATISTICS_TEXT)
            result = sysctl_out(request, &work, sizeof(work))
    linux_syscall2(LINUX_SYS_munmap, memory, STATISTICS_TEXT)
    return result


cdef public long sysctl_arp_statistics(sysctl_request_t *request) noexcept nogil:
    """struct arpstat: Linux counts what was dropped while it waited for an answer."""
    cdef uint64_t counters[12]
    cdef uint64_t memory = map_memory(STATISTICS_TEXT)
    if memory == 0:
        return -LINUX_ENOMEM
    memset(counters, 0, sizeof(counters))
    counters[9] = hex_column(b"/proc/net/stat/arp_cache", 11, <char *> memory, STATISTICS_TEXT, 1)
    linux_syscall2(LINUX_SYS_munmap, memory, STATISTICS_TEXT)
    return sysctl_out(request, counters, sizeof(counters))


cdef public long sysctl_igmp_statistics(sysctl_request_t *request) noexcept nogil:
    """struct igmpstat: its version, its length, and 20 counters, of which Linux has none."""
    cdef uint32_t words[42]
    memset(words, 0, sizeof(words))
    words[0] = 3                    # IGPS_VERSION_3
    words[1] = sizeof(words)
    return sysctl_out(request, words, sizeof(words))

# kern.sched.topology_spec: which processors share a cache, and which are threads of one core, in XML.
# Model: FreeBSD sys/kern/sched_ule.c (sysctl_kern_sched_topology_spec), where a machine's processors are a group, and the threads of
# each core one below it.

cdef enum:
    TOPOLOGY_ROOM = 1 << 18
    TOPOLOGY_CPUS = 1024
    TOPOLOGY_WORDS = TOPOLOGY_CPUS // 64


cdef bint cpu_list(const char *path, uint64_t *mask) noexcept nogil:
    """A list of processors like 0-3,6 as bits; False where Linux does not tell."""
    cdef char text[1024]
    cdef const char *at = text
    cdef int64_t first = 0, last = 0
    memset(mask, 0, TOPOLOGY_WORDS * 8)
    if read_file(path, text, sizeof(text)) <= 0:
        return False
    while c'0' <= at[0] <= c'9':
        at = cpu_range(at, &first, &last)
        while first <= last and first < TOPOLOGY_CPUS:
            mask[first // 64] |= 1UL << (first & 63)
            first += 1
    return True


cdef uint32_t cpus_count(const uint64_t *mask) noexcept nogil:
    cdef uint32_t i, count = 0
    for i in range(TOPOLOGY_CPUS):
        count += mask[i // 64] >> (i & 63) & 1
    return count


cdef uint64_t append_cpus(char *text, uint64_t at, const uint64_t *mask) noexcept nogil:
    """The element of a group's processors: its words from the lowest on, and the numbers."""
    cdef uint32_t count = 0, i
    at = append_number(text, append(text, at, TOPOLOGY_ROOM, b"<cpu count=\""), TOPOLOGY_ROOM, cpus_count(mask), 10)
    at = append(text, at, TOPOLOGY_ROOM, b"\" mask=\"")
    for i in range(TOPOLOGY_WORDS):
        at = append_number(text, append(text, at, TOPOLOGY_ROOM, b"," if i else b""), TOPOLOGY_ROOM, mask[i], 16)
    at = append(text, at, TOPOLOGY_ROOM, b"\">")
    for i in range(TOPOLOGY_CPUS):
        if mask[i // 64] >> (i & 63) & 1:
            at = append_number(text, append(text, at, TOPOLOGY_ROOM, b", " if count else b""), TOPOLOGY_ROOM, i, 10)
            count += 1
    return append(text, at, TOPOLOGY_ROOM, b"</cpu>\n")


cdef uint64_t append_cores(char *text, uint64_t at, const uint64_t *mask) noexcept nogil:
    """The groups of the cores that have several threads."""
    cdef uint64_t threads[TOPOLOGY_WORDS]
    cdef char path[96]
    cdef uint64_t end
    cdef bint any_ = False
    cdef uint32_t i
    for i in range(TOPOLOGY_CPUS):
        if not mask[i // 64] >> (i & 63) & 1:
            continue
        end = append_number(path, append(path, 0, sizeof(path), b"/sys/devices/system/cpu/cpu"), sizeof(path), i, 10)
        append(path, end, sizeof(path), b"/topology/thread_siblings_list")
        if not cpu_list(path, threads) or cpus_lowest(threads) != i or cpus_count(threads) < 2:
            continue
        if not any_:
            at = append(text, at, TOPOLOGY_ROOM, b"  <children>\n")
        any_ = True
        at = append(text, at, TOPOLOGY_ROOM, b"   <group level=\"2\" cache-level=\"1\">\n    ")
        at = append_cpus(text, at, threads)
        at = append(text, at, TOPOLOGY_ROOM, b"    <flags><flag name=\"THREAD\">THREAD group</flag><flag name=\"SMT\">SMT group</flag></flags>\n"
                                             b"   </group>\n")
    return append(text, at, TOPOLOGY_ROOM, b"  </children>\n") if any_ else at


cdef uint32_t cpus_lowest(const uint64_t *mask) noexcept nogil:
    cdef uint32_t i
    for i in range(TOPOLOGY_WORDS):
        if mask[i]:
            return 64 * i + count_trailing_zeros(mask[i])
    return TOPOLOGY_CPUS


cdef public long sysctl_topology(sysctl_request_t *request) noexcept nogil:
    cdef uint64_t mask[TOPOLOGY_WORDS]
    cdef uint64_t memory = map_memory(TOPOLOGY_ROOM), at
    cdef char *text = <char *> memory
    cdef uint32_t i
    cdef long result
    if memory == 0:
        return -LINUX_ENOMEM
    if not cpu_list(b"/sys/devices/system/cpu/online", mask):
        for i in range(highest_cpu(request.area.proc) + 1):
            mask[i // 64 & TOPOLOGY_WORDS - 1] |= 1UL << (i & 63)
    at = append(text, 0, TOPOLOGY_ROOM, b"<groups>\n <group level=\"1\" cache-level=\"3\">\n  ")
    at = append_cpus(text, at, mask)
    at = append_cores(text, at, mask)
    append(text, at, TOPOLOGY_ROOM, b" </group>\n</groups>\n")
    result = sysctl_out_string(request, text)
    linux_syscall2(LINUX_SYS_munmap, memory, TOPOLOGY_ROOM)
    return result

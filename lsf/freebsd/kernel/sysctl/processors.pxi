# The processors of the machine. hw.ncpu is how many of them this process may use (kernel/image/host.pxi); their numbers are the
# machine's, since masks of processors have them.

cdef enum:
    STAT_ROOM = 1 << 16                 # /proc/stat has some 60 bytes for each processor


cdef const char *cpu_range(const char *at, int64_t *first, int64_t *last) noexcept nogil:
    """One range of a list like 0-3,6, which begins with a digit; where the next one begins."""
    at = parse_number(at, first)
    last[0] = first[0]
    if at[0] == c'-':
        at = parse_number(at + 1, last)
    return at + 1 if at[0] == c',' else at


cdef uint32_t listed_cpus(uint32_t *highest) noexcept nogil:
    """The processors of the machine, from a list like 0-3,6; 0 where Linux does not show it (a root has no /sys)."""
    cdef char text[256]
    cdef const char *at = text
    cdef int64_t first = 0, last = 0
    cdef uint32_t count = 0
    if read_file(b"/sys/devices/system/cpu/online", text, sizeof(text)) < 0:
        return 0
    while c'0' <= at[0] <= c'9':
        at = cpu_range(at, &first, &last)
        count += <uint32_t> (last - first + 1)
        highest[0] = <uint32_t> last
    return count


cdef uint32_t counted_cpus(uint32_t *highest) noexcept nogil:
    """The same from /proc/stat, which has a line for each ("cpu0 ...") behind that of all; 0 without /proc."""
    cdef uint64_t memory = map_memory(STAT_ROOM)
    cdef const char *at
    cdef int64_t number = 0
    cdef uint32_t count = 0
    if memory == 0:
        return 0
    at = <const char *> memory
    if read_file(b"/proc/stat", <char *> memory, STAT_ROOM) < 0:
        at = b""
    while string_starts(at, b"cpu"):
        if c'0' <= at[3] <= c'9':
            parse_number(at + 3, &number)
            highest[0] = <uint32_t> number
            count += 1
        at = next_line(at)
    linux_syscall2(LINUX_SYS_munmap, memory, STAT_ROOM)
    return count


cdef uint32_t count_online_cpus(uint32_t *highest) noexcept nogil:
    """The processors of the machine, and the highest number of one; 0 where nothing tells."""
    cdef uint32_t count = listed_cpus(highest)
    return count if count else counted_cpus(highest)


cdef uint32_t highest_cpu(process_t *proc) noexcept nogil:
    """The highest number of a processor, whichever of them this process may use."""
    cdef uint32_t highest = 0
    return highest if count_online_cpus(&highest) else proc.ncpu - 1


cdef public long sysctl_maxid(sysctl_request_t *request) noexcept nogil:
    """libc drops what is above it from a mask (sched_setaffinity(3))."""
    return sysctl_out_number(request, highest_cpu(request.area.proc))


cdef public long sysctl_cpusetsizemin(sysctl_request_t *request) noexcept nogil:
    """How many bytes the highest processor needs."""
    return sysctl_out_number(request, highest_cpu(request.area.proc) // 8 + 1)

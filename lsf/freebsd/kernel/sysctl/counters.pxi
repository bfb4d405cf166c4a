# The counters of sysctl names: the processors' ticks, and what the kernel has done since boot. From /proc/stat.

cdef enum:
    LINUX_TICKS = 100               # a second, in Linux's /proc


cdef void cp_ticks(const char *at, int64_t *out) noexcept nogil:
    """FreeBSD's user, nice, system, interrupt and idle of a line of /proc/stat."""
    cdef int64_t field[8]
    cdef int i
    for i in range(8):
        at = parse_number(at, &field[i])
    out[0] = field[0]
    out[1] = field[1]
    out[2] = field[2] + field[7]
    out[3] = field[5] + field[6]
    out[4] = field[3] + field[4]
    for i in range(5):
        out[i] = out[i] * STATHZ // LINUX_TICKS


cdef public long sysctl_cp_time(sysctl_request_t *request) noexcept nogil:
    cdef char text[512]
    cdef int64_t ticks[5]
    memset(ticks, 0, sizeof(ticks))
    if read_file(b"/proc/stat", text, sizeof(text)) > 0 and string_starts(text, b"cpu "):
        cp_ticks(text + 4, ticks)
    return sysctl_out(request, ticks, sizeof(ticks))


cdef public long sysctl_cp_times(sysctl_request_t *request) noexcept nogil:
    """Five numbers for each processor up to kern.smp.maxid; of one that is not there they are 0."""
    cdef char text[8192]
    cdef int64_t ticks[5]
    cdef const char *at
    cdef const char *behind
    cdef int64_t number = 0
    cdef uint32_t i, highest = highest_cpu(request.area.proc)
    cdef long result
    if read_file(b"/proc/stat", text, sizeof(text)) < 0:
        text[0] = 0
    at = next_line(text)
    for i in range(highest + 1):
        memset(ticks, 0, sizeof(ticks))
        if string_starts(at, b"cpu"):
            behind = parse_number(at + 3, &number)
            if number == i:
                cp_ticks(behind, ticks)
                at = next_line(at)
        result = sysctl_out(request, ticks, sizeof(ticks))
        if result < 0:
            return result
    return 0


cdef public long sysctl_counter(sysctl_request_t *request) noexcept nogil:
    """A counter that Linux does not have."""
    return out_counter(request, 0)


cdef long out_counter(sysctl_request_t *request, int64_t value) noexcept nogil:
    """64 bits; 32 for who asks for no more, as programs of before FreeBSD 12 do."""
    if request.old != 0 and request.old_size == 4:
        return sysctl_out(request, &value, 4)
    return sysctl_out_number(request, value)


cdef public long sysctl_vmstat(sysctl_request_t *request) noexcept nogil:
    """Counters since boot: context switches, interrupts, faults, forks."""
    cdef int64_t value = 0
    cdef int64_t which = request.row.value
    cdef uint64_t size = 65536, buffer = map_memory(size)
    cdef const char *at = NULL
    cdef const char *name = b"/proc/stat"
    if buffer == 0:
        return -LINUX_ENOMEM
    if which == 2:
        name = b"/proc/vmstat"
    if read_file(name, <char *> buffer, size) > 0:
        if which == 0:
            at = find_text(<char *> buffer, b"ctxt ")
        elif which == 1:
            at = find_text(<char *> buffer, b"intr ")
        elif which == 2:
            at = find_text(<char *> buffer, b"pgfault ")
        else:
            at = find_text(<char *> buffer, b"processes ")
    if at != NULL:
        parse_number(at, &value)
    linux_syscall2(LINUX_SYS_munmap, buffer, size)
    return out_counter(request, value)

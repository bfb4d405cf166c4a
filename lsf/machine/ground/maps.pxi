# What is mapped where, as /proc/self/maps tells it.

cdef struct mapping_t:
    uint64_t start, end, offset, device, inode
    bint shared
    bint umtx                       # one of our pages
    bint vvar                       # data of Linux's vDSO
    bint deleted


cdef bint mapping_parse(const char *line, mapping_t *mapping) noexcept nogil:
    """A line of /proc/self/maps: start-end perms offset major:minor inode path."""
    cdef uint64_t numbers[6]
    cdef uint64_t length
    cdef int field, base
    for field in range(6):
        base = 10 if field == 5 else 16
        while line[0] == c' ':
            line += 1
        if field == 2:
            mapping.shared = line[3] == c's'         # rwxs
            line += 5
        numbers[field] = 0
        while 0 <= hex_digit(line[0]) < base:
            numbers[field] = numbers[field] * base + <uint64_t> hex_digit(line[0])
            line += 1
        if field < 5:
            line += 1                               # the separator
    mapping.start = numbers[0]
    mapping.end = numbers[1]
    mapping.offset = numbers[2]
    mapping.device = numbers[3] << 20 | numbers[4]
    mapping.inode = numbers[5]
    while line[0] == c' ':
        line += 1
    mapping.umtx = string_starts(line, UMTX_FILE) or string_starts(line, UMTX_FILE_TMP)
    mapping.vvar = string_starts(line, b"[vvar")
    length = string_length(line)
    mapping.deleted = length > 10 and string_equal(line + length - 10, b" (deleted)")
    return mapping.end > mapping.start


cdef long mapping_find(uaddr address, mapping_t *mapping) noexcept nogil:
    """What is mapped at an address: 0 or -EFAULT."""
    cdef char text[2048]
    cdef long fd, size
    cdef uint64_t have = 0, i, line
    cdef long result = -LINUX_EFAULT
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/proc/self/maps",
                        LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return -LINUX_EFAULT
    while result == -LINUX_EFAULT:
        size = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> &text[have], sizeof(text) - 1 - have)
        if size <= 0:
            break
        have += <uint64_t> size
        line = 0
        for i in range(have):
            if text[i] == c'\n':
                text[i] = 0
                if mapping_parse(&text[line], mapping) and mapping.start <= address < mapping.end:
                    result = 0
                    break
                line = i + 1
        if line == 0 and have == sizeof(text) - 1:
            break                                   # no line is that long
        have -= line
        for i in range(have):
            text[i] = text[line + i]
    linux_syscall1(LINUX_SYS_close, fd)
    return result

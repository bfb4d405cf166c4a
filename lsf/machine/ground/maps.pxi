# What is mapped where, as /proc/self/maps tells it.

cdef struct mapping_t:
    uint64_t start, end, offset, inode
    uint32_t major, minor           # of the device
    int prot                        # PROT_ bits
    bint shared
    bint deleted                    # the file has no name any more
    const char *path                # in the text that was parsed, not ended by NUL; or "[stack]" and the like
    uint64_t path_length
    char name[24]                   # what the path begins with


cdef const char *hex_field(const char *text, uint64_t *value) noexcept nogil:
    """A hexadecimal number; where it ends."""
    value[0] = 0
    while 0 <= hex_digit(text[0]) < 16:
        value[0] = value[0] * 16 + <uint64_t> hex_digit(text[0])
        text += 1
    return text


cdef const char *mapping_parse(const char *line, mapping_t *mapping) noexcept nogil:
    """One line of /proc/PID/maps: `start-end rwxp offset major:minor inode path`. Returns where the next one begins."""
    cdef uint64_t major = 0, minor = 0, length = 0
    cdef int64_t inode = 0
    line = hex_field(line, &mapping.start)
    line = hex_field(line + 1, &mapping.end) + 1
    mapping.prot = (LINUX_PROT_READ if line[0] == c'r' else 0) | (LINUX_PROT_WRITE if line[1] == c'w' else 0) \
            | (LINUX_PROT_EXEC if line[2] == c'x' else 0)
    mapping.shared = line[3] == c's'
    line = hex_field(line + 5, &mapping.offset)
    line = hex_field(line + 1, &major)
    line = hex_field(line + 1, &minor)
    line = parse_number(line, &inode)
    mapping.major = <uint32_t> major
    mapping.minor = <uint32_t> minor
    mapping.inode = <uint64_t> inode
    while line[0] == c' ':
        line += 1
    while line[length] != c'\n' and line[length] != 0:
        length += 1
    mapping.path = line
    mapping.path_length = length
    mapping.deleted = length > 10 and memcmp(line + length - 10, b" (deleted)", 10) == 0
    memset(mapping.name, 0, sizeof(mapping.name))
    memcpy(mapping.name, line, length if length < sizeof(mapping.name) else sizeof(mapping.name) - 1)
    return line + length + (1 if line[length] == c'\n' else 0)


cdef long mapping_find(uaddr address, mapping_t *mapping) noexcept nogil:
    """What is mapped at an address: 0 or -EFAULT. The path is not there any more."""
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
                mapping_parse(&text[line], mapping)
                if mapping.start <= address < mapping.end:
                    mapping.path = NULL
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


cdef inline bint is_file_text(const mapping_t *mapping) noexcept nogil:
    """True for code of a file that nobody can write to: r-xp."""
    return mapping.prot == LINUX_PROT_READ | LINUX_PROT_EXEC and not mapping.shared and mapping.inode != 0

# Text: strings that end with NUL, numbers, messages.

cdef enum:
    EXIT_LSF = 125              # LSF's own failure
    EXIT_NOT_RUNNABLE = 126
    EXIT_NOT_FOUND = 127


cdef int hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - 48
    if c'A' <= c <= c'F':
        return c - 55
    return c - 87 if c'a' <= c <= c'f' else -1


cdef uint64_t string_length(const char *text) noexcept nogil:
    cdef uint64_t n = 0
    while text[n] != 0:
        n += 1
    return n


cdef bint string_equal(const char *a, const char *b) noexcept nogil:
    cdef uint64_t i = 0
    while a[i] != 0 and a[i] == b[i]:
        i += 1
    return a[i] == b[i]


cdef bint string_starts(const char *text, const char *prefix) noexcept nogil:
    cdef uint64_t i = 0
    while prefix[i] != 0:
        if text[i] != prefix[i]:
            return False
        i += 1
    return True


cdef const char *base_name(const char *path) noexcept nogil:
    """What stands behind the last slash of a path."""
    cdef uint64_t at = string_length(path)
    while at > 0 and path[at - 1] != c'/':
        at -= 1
    return path + at


cdef uint64_t append(char *buffer, uint64_t at, uint64_t size, const char *text) noexcept nogil:
    """Append text at offset `at` of a buffer of `size` bytes, NUL-terminated and cut where it does not fit; the new end."""
    cdef uint64_t i = 0
    while text[i] != 0 and at + 1 < size:
        buffer[at] = text[i]
        at += 1
        i += 1
    buffer[at] = 0
    return at


cdef uint64_t append_number(char *buffer, uint64_t at, uint64_t size, uint64_t value, unsigned base) noexcept nogil:
    """Append an unsigned number in the given base (2 to 16)."""
    cdef char digits[65]
    cdef int n = 64
    cdef unsigned digit
    digits[64] = 0
    while True:
        digit = value % base
        n -= 1
        digits[n] = 48 + digit if digit < 10 else 87 + digit
        value = value / base
        if value == 0:
            break
    return append(buffer, at, size, &digits[n])


cdef const char *next_line(const char *text) noexcept nogil:
    """The beginning of the next line, or the end of the text."""
    while text[0] != 0 and text[0] != c'\n':
        text += 1
    return text + 1 if text[0] == c'\n' else text


cdef const char *parse_number(const char *text, int64_t *value) noexcept nogil:
    """Read a decimal number after blanks, which may be one of 64 bits without a sign; where the text goes on."""
    cdef bint negative = False
    cdef uint64_t read = 0
    while text[0] == c' ' or text[0] == c'\t' or text[0] == c'\n':
        text += 1
    if text[0] == c'-':
        negative = True
        text += 1
    while c'0' <= text[0] <= c'9':
        read = read * 10 + <uint64_t> (text[0] - 48)
        text += 1
    value[0] = <int64_t> (0 - read if negative else read)
    return text


cdef char *environment(char **envp, const char *name) noexcept nogil:
    """The value of a variable, or NULL."""
    cdef uint64_t length = string_length(name)
    while envp[0] != NULL:
        if string_starts(envp[0], name) and envp[0][length] == c'=':
            return &envp[0][length + 1]
        envp += 1
    return NULL


cdef void complain(const char *a, const char *b, const char *c, const char *d) noexcept nogil:
    """One line on stderr, in one write: `lsf: ` and up to four strings (NULL ends them early)."""
    cdef char line[1400]
    cdef uint64_t at = append(line, 0, 1400, b"lsf: ")
    if a != NULL:
        at = append(line, at, 1390, a)
        if b != NULL:
            at = append(line, at, 1390, b)
            if c != NULL:
                at = append(line, at, 1390, c)
                if d != NULL:
                    at = append(line, at, 1390, d)
    at = append(line, at, 1400, b"\n")
    linux_syscall3(LINUX_SYS_write, 2, <uint64_t> line, at)


cdef void die(int status, const char *program, const char *reason) noexcept nogil:
    if reason == NULL:
        complain(program, NULL, NULL, NULL)
    else:
        complain(program, b": ", reason, NULL)
    linux_syscall1(LINUX_SYS_exit_group, status)

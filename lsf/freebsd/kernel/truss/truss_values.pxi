# How truss prints a value of each kind; structs by truss_structs.pxi. Model: usr.bin/truss/syscalls.c.

cdef enum:
    TRUSS_ELEMENTS = 16         # of an array


cdef void put_names(text_t *text, int kind, uint32_t value) noexcept nogil:
    """A flag word or a choice by its names; what has none in hexadecimal. As decode.format_flags."""
    cdef const lsf_flag_name_t *row
    cdef uint32_t rest = value
    cdef bint any_ = False
    cdef int i
    for i in range(lsf_flag_names[kind].count):
        row = &lsf_flag_name[lsf_flag_names[kind].first + i]
        if value & row.mask != row.value:
            continue
        if not (rest & row.mask or row.value == 0) or (row.value == 0 and rest & row.mask):
            continue
        if any_:
            put_char(text, 124)
        put(text, &lsf_strings[row.name])
        any_ = True
        rest &= ~row.mask
    if rest or not any_:
        if any_:
            put_char(text, 124)
        put_hex(text, rest)


cdef void put_signal(text_t *text, uint64_t signo) noexcept nogil:
    cdef const char *name = lsf_signal_name(<uint32_t> signo)
    if name[0] == 0:
        put_unsigned(text, <uint32_t> signo)
    else:
        put(text, name)


cdef void put_string(text_t *text, uaddr address) noexcept nogil:
    """A guest string."""
    cdef char buffer[TRUSS_ARGUMENT]
    cdef uint64_t length = 0
    cdef long result
    if address == 0:
        put(text, b"0x0")
        return
    result = copyinstr(address, buffer, TRUSS_ARGUMENT, &length)
    if result == -LINUX_ENAMETOOLONG:
        put_visible(text, <uint8_t *> buffer, TRUSS_ARGUMENT, TRUSS_ARGUMENT - 8, False)
    elif result < 0:
        put_hex(text, address)
    else:
        put_visible(text, <uint8_t *> buffer, length - 1, 4 * TRUSS_ARGUMENT, False)


cdef void put_buffer(text_t *text, uaddr address, uint64_t length) noexcept nogil:
    cdef uint8_t buffer[TRUSS_STRING + 1]
    cdef uint64_t n = length if length <= TRUSS_STRING else TRUSS_STRING + 1
    cdef uint64_t before = text.at
    if address == 0 or n == 0 or copyin(address, buffer, n) < 0:
        put_hex(text, address)
        return
    # The 33rd byte never fits, so the dots come.
    put_visible(text, buffer, n, TRUSS_STRING, True)


cdef void put_strings(text_t *text, uaddr address) noexcept nogil:
    """argv."""
    cdef uint64_t one = 0
    cdef int i = 0
    if address == 0 or fetch_guest64(address, &one) < 0:
        put_hex(text, address)
        return
    put_char(text, 91)
    while one != 0:
        if i:
            put_char(text, 44)
        if i == 4 * TRUSS_ELEMENTS:
            put(text, b" ...")
            break
        put_char(text, 32)
        put_string(text, one)
        i += 1
        if fetch_guest64(address + 8 * i, &one) < 0:
            break
    put(text, b" ]")


cdef void put_ioctl(text_t *text, uint32_t command) noexcept nogil:
    cdef const lsf_ioctl_t *row = ioctl_row(command)
    cdef uint32_t group = (command >> 8) & 0xff
    if row != NULL:
        put(text, row.name)
        return
    put_hex(text, command)
    put(text, b" { IO")
    if command & FREEBSD_IOC_OUT:
        put_char(text, 82)
    if command & FREEBSD_IOC_IN:
        put_char(text, 87)
    put_char(text, 32)
    put_hex(text, group)
    put(text, b"('")
    put_char(text, group if 32 <= group < 127 else 63)
    put(text, b"'), ")
    put_unsigned(text, command & 0xff)
    put(text, b", ")
    put_unsigned(text, (command >> 16) & 0x1fff)
    put(text, b" }")


cdef void put_inet(text_t *text, uint32_t address) noexcept nogil:
    """An IPv4 address in network byte order."""
    cdef int i
    for i in range(4):
        if i:
            put_char(text, 46)
        put_unsigned(text, (address >> (8 * i)) & 0xff)


cdef void put_inet6(text_t *text, const uint8_t *address) noexcept nogil:
    """An IPv6 address, the longest run of zeros as ::."""
    cdef int i = 0, best = -1, best_length = 1, start, word
    while i < 8:
        if address[2 * i] or address[2 * i + 1]:
            i += 1
            continue
        start = i
        while i < 8 and not address[2 * i] and not address[2 * i + 1]:
            i += 1
        if i - start > best_length:
            best = start
            best_length = i - start
    i = 0
    while i < 8:
        if i == best:
            put(text, b"::")
            i += best_length
            continue
        if i and i != best + best_length:
            put_char(text, 58)
        elif i and best < 0:
            put_char(text, 58)
        word = address[2 * i] << 8 | address[2 * i + 1]
        text.at = append_number(text.start, text.at, text.size, word, 16)
        i += 1


cdef void put_sockaddr(text_t *text, uaddr address, uint64_t size) noexcept nogil:
    cdef uint8_t raw[128]
    cdef freebsd_sockaddr_in *inet
    cdef freebsd_sockaddr_in6 *inet6
    cdef uint64_t i
    if address == 0:
        put(text, b"NULL")
        return
    if size > sizeof(raw):
        size = sizeof(raw)
    memset(raw, 0, sizeof(raw))
    if size < 2 or copyin(address, raw, size) < 0:
        put_hex(text, address)
        return
    if raw[1] == 2:
        inet = <freebsd_sockaddr_in *> raw
        put(text, b"{ AF_INET ")
        put_inet(text, inet.sin_addr)
        put_char(text, 58)
        put_unsigned(text, (inet.sin_port & 0xff) << 8 | inet.sin_port >> 8)
    elif raw[1] == 28:
        inet6 = <freebsd_sockaddr_in6 *> raw
        put(text, b"{ AF_INET6 [")
        put_inet6(text, inet6.sin6_addr)
        put(text, b"]:")
        put_unsigned(text, (inet6.sin6_port & 0xff) << 8 | inet6.sin6_port >> 8)
    elif raw[1] == 1:
        put(text, b"{ AF_UNIX ")
        i = 2
        while i < size and raw[i] != 0:
            i += 1
        put_visible(text, &raw[2], i - 2, 128, False)
    else:
        put(text, b"{ sa_len = ")
        put_unsigned(text, raw[0])
        put(text, b", sa_family = ")
        put_unsigned(text, raw[1])
        put(text, b", sa_data = {")
        for i in range(2, size):
            put_char(text, 32)
            put_hex(text, raw[i])
            put_char(text, 44)
        put(text, b" }")
    put(text, b" }")


cdef void put_wait_status(text_t *text, uint32_t status) noexcept nogil:
    if status == 19:
        put(text, b"{ CONTINUED }")
    elif status & 0x7f == 0:
        put(text, b"{ EXITED,val=")
        put_unsigned(text, (status >> 8) & 0xff)
        put(text, b" }")
    elif status & 0x7f == 0x7f:
        put(text, b"{ STOPPED,sig=")
        put_signal(text, (status >> 8) & 0xff)
        put(text, b" }")
    else:
        put(text, b"{ SIGNALED,sig=")
        put_signal(text, status & 0x7f)
        put(text, b",cored }" if status & 0x80 else b" }")


cdef void put_numbers(text_t *text, uaddr address, uint64_t count, int size) noexcept nogil:
    """An array of ints (size 4) or longs."""
    cdef uint64_t value = 0, i
    cdef uint32_t small = 0
    put(text, b"{ ")
    for i in range(count):
        if i:
            put(text, b", ")
        if i == TRUSS_ELEMENTS:
            put(text, b"...")
            break
        if size == 4:
            if fetch_guest32(address + 4 * i, &small) < 0:
                break
            put_signed(text, <int32_t> small)
        else:
            if fetch_guest64(address + 8 * i, &value) < 0:
                break
            put_signed(text, <int64_t> value)
    put(text, b" }")


cdef void put_oid(text_t *text, uaddr address, uint64_t count) noexcept nogil:
    cdef uint32_t value = 0
    cdef uint64_t i
    put_char(text, 34)
    for i in range(count if count < 24 else 24):
        if i:
            put_char(text, 46)
        if fetch_guest32(address + 4 * i, &value) < 0:
            break
        put_signed(text, <int32_t> value)
    put_char(text, 34)


cdef void put_mmap_flags(text_t *text, uint32_t flags) noexcept nogil:
    """The alignment is a number in the high byte."""
    cdef uint32_t align = flags >> 24
    if align:
        if align == 1:
            put(text, b"MAP_ALIGNED_SUPER")
        else:
            put(text, b"MAP_ALIGNED(")
            put_unsigned(text, align)
            put_char(text, 41)
        flags &= 0xffffff
        if flags == 0:
            return
        put_char(text, 124)
    put_names(text, LSF_KIND_MMAP_FLAGS, flags)

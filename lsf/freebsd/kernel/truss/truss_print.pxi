# How truss prints an argument. The kinds are those of lsf/freebsd/tables/decode.py. Model: usr.bin/truss/syscalls.c.

cdef extern from "decode.h" nogil:
    enum:
        LSF_KIND_NONE, LSF_KIND_INT, LSF_KIND_UINT, LSF_KIND_LONG, LSF_KIND_ULONG, LSF_KIND_HEX32, LSF_KIND_HEX
        LSF_KIND_OCT, LSF_KIND_FD, LSF_KIND_ATFD, LSF_KIND_PID, LSF_KIND_SIGNAL, LSF_KIND_IOCTL, LSF_KIND_DEVICE
        LSF_KIND_PTR, LSF_KIND_STR, LSF_KIND_STRS, LSF_KIND_BUF, LSF_KIND_INTP, LSF_KIND_LONGP, LSF_KIND_OFFP
        LSF_KIND_SIGSET, LSF_KIND_SIGACTION, LSF_KIND_SIGINFO, LSF_KIND_TIMESPEC, LSF_KIND_TIMEVAL
        LSF_KIND_ITIMERVAL, LSF_KIND_ITIMERSPEC, LSF_KIND_RUSAGE, LSF_KIND_RLIMITP, LSF_KIND_STAT, LSF_KIND_STAT11
        LSF_KIND_STATFS, LSF_KIND_STATFS11, LSF_KIND_IOVEC, LSF_KIND_POLLFD, LSF_KIND_FDSET, LSF_KIND_SOCKADDR
        LSF_KIND_MSGHDR, LSF_KIND_KEVENT, LSF_KIND_KEVENT11, LSF_KIND_OID, LSF_KIND_THR_PARAM
        LSF_KIND_OPEN_FLAGS, LSF_KIND_MMAP_FLAGS, LSF_KIND_PROT, LSF_KIND_CLOCK, LSF_KIND_FCNTL_CMD
        LSF_KIND_ADDRESS_FAMILY, LSF_KIND_MSG_FLAGS
        LSF_KIND_FCNTL_ARG, LSF_KIND_SOCKOPT_NAME, LSF_KIND_WAIT_STATUS
        LSF_KIND_POLL_EVENTS, LSF_KIND_SA_FLAGS, LSF_KIND_SO_OPTION, LSF_KIND_KEVENT_FILTER, LSF_KIND_KEVENT_FLAGS
        LSF_NKINDS, LSF_IN, LSF_OUT, LSF_SIZE_POINTED, LSF_SIZE_CONSTANT, LSF_NO_SIZE, LSF_SIZE_INDEX
    ctypedef struct lsf_decode_arg_t "struct lsf_decode_arg":
        uint16_t name
        uint8_t kind, direction, size, size_in_bytes
    ctypedef struct lsf_decode_t "struct lsf_decode":
        uint16_t name, arg
        uint8_t narg, result
    ctypedef struct lsf_flag_name_t "struct lsf_flag_name":
        uint32_t value, mask
        uint16_t name
    ctypedef struct lsf_flag_names_t "struct lsf_flag_names":
        uint16_t first, count
    const char lsf_strings[1]
    const lsf_decode_t lsf_decode[1]
    const lsf_decode_arg_t lsf_decode_args[1]
    const lsf_flag_name_t lsf_flag_name[1]
    const lsf_flag_names_t lsf_flag_names[1]
    const char *lsf_syscall_name(uint64_t nr)
    const char *lsf_strerror(unsigned number)
    const char *lsf_signal_name(unsigned number)
    const char *lsf_si_code_name(unsigned signal, unsigned code)

cdef enum:
    TRUSS_STRING = 32           # truss -s: what is shown of a buffer at most
    TRUSS_ELEMENTS = 16         # of an array
    TRUSS_ARGUMENT = 1024       # a guest string is read up to here

# A text that grows; what does not fit is cut.
cdef struct text_t:
    char *start
    uint64_t at
    uint64_t size

# A call while it is printed.
cdef struct truss_t:
    uint64_t nr
    const lsf_decode_t *call
    uint64_t arg[8]
    int narg
    bint after                  # the call is over: what it wrote can be read
    bint failed
    long result


cdef void put(text_t *text, const char *what) noexcept nogil:
    text.at = append(text.start, text.at, text.size, what)


cdef void put_char(text_t *text, char c) noexcept nogil:
    if text.at + 1 < text.size:
        text.start[text.at] = c
        text.at += 1
        text.start[text.at] = 0


cdef void put_unsigned(text_t *text, uint64_t value) noexcept nogil:
    text.at = append_number(text.start, text.at, text.size, value, 10)


cdef void put_signed(text_t *text, int64_t value) noexcept nogil:
    if value < 0:
        put_char(text, 45)
        value = -value
    put_unsigned(text, <uint64_t> value)


cdef void put_hex(text_t *text, uint64_t value) noexcept nogil:
    put(text, b"0x")
    text.at = append_number(text.start, text.at, text.size, value, 16)


cdef void put_octal(text_t *text, uint64_t value) noexcept nogil:
    put_char(text, 48)
    text.at = append_number(text.start, text.at, text.size, value, 8)


cdef void put_padded(text_t *text, uint64_t value, int width) noexcept nogil:
    """Decimal with leading zeros."""
    cdef uint64_t power = 1
    cdef int i
    for i in range(width - 1):
        power *= 10
    while power > 1 and value < power:
        put_char(text, 48)
        power = power // 10
    put_unsigned(text, value)


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


cdef void put_visible(text_t *text, const uint8_t *bytes_, uint64_t length, uint64_t most, bint binary) noexcept nogil:
    """Bytes in quotes, as vis(3) writes them with VIS_CSTYLE|VIS_TAB|VIS_NL, at most `most` characters; what is cut
    shows as `...`. Bytes above 127 of a name stay as they are."""
    cdef char piece[8]
    cdef uint64_t i, n, shown = 0
    cdef uint8_t c
    put_char(text, 34)
    for i in range(length):
        c = bytes_[i]
        n = 0
        piece[0] = c'\\'                   # the backslash
        if c' ' <= c < 127 or (c >= 128 and not binary):
            if c == c'\\':
                piece[1] = c'\\'
                n = 2
            else:
                piece[0] = c
                n = 1
        elif c == 0:
            piece[1] = c'0'
            n = 2
            if i + 1 < length and c'0' <= bytes_[i + 1] <= c'7':
                piece[2] = c'0'
                piece[3] = c'0'
                n = 4
        elif 7 <= c <= 13:
            piece[1] = 97 if c == 7 else (98 if c == 8 else (116 if c == c'\t' else (110 if c == c'\n' else (
                118 if c == 11 else (102 if c == 12 else 114)))))
            n = 2
        else:
            n = 1
            if c & 0x80:
                piece[n] = 77           # M
                n += 1
                c &= 0x7f
            if c < c' ' or c == 127:
                piece[n] = 94           # ^
                piece[n + 1] = 63 if c == 127 else c + 64
            else:
                piece[n] = 45           # -
                piece[n + 1] = c
            n += 2
        if shown + n > most:
            put(text, b"\"...")
            return
        piece[n] = 0
        put(text, piece)
        shown += n
    put_char(text, 34)


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


cdef void put_timespec(text_t *text, const freebsd_timespec *value) noexcept nogil:
    put_signed(text, value.tv_sec)
    put_char(text, 46)
    put_padded(text, <uint64_t> value.tv_nsec, 9)


cdef void put_timeval(text_t *text, const freebsd_timeval *value) noexcept nogil:
    put_signed(text, value.tv_sec)
    put_char(text, 46)
    put_padded(text, <uint64_t> value.tv_usec, 6)


cdef void put_mode(text_t *text, uint32_t mode) noexcept nogil:
    """strmode(3)."""
    cdef const char *types = b"?pc?d?b?-?l?s?w?"
    cdef const char *letters = b"rwxrwxrwx"
    cdef int i
    cdef char c
    put_char(text, (types + ((mode >> 12) & 15))[0])
    for i in range(9):
        c = (letters + i)[0] if mode & (0o400 >> i) else 45
        if i == 2 and mode & 0o4000:
            c = 115 if c == c'x' else 83
        elif i == 5 and mode & 0o2000:
            c = 115 if c == c'x' else 83
        elif i == 8 and mode & 0o1000:
            c = 116 if c == c'x' else 84
        put_char(text, c)
    put_char(text, 32)


cdef void put_stat(text_t *text, uint32_t mode, uint64_t inode, int64_t size, int64_t blksize) noexcept nogil:
    put(text, b"{ mode=")
    put_mode(text, mode)
    put(text, b",inode=")
    put_unsigned(text, inode)
    put(text, b",size=")
    put_signed(text, size)
    put(text, b",blksize=")
    put_signed(text, blksize)
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


cdef void put_sigset(text_t *text, const uint32_t *bits) noexcept nogil:
    cdef int signo, count = 0
    cdef bint first = True
    cdef uint32_t wanted = 1
    for signo in range(1, 129):
        count += bits[(signo - 1) >> 5] >> ((signo - 1) & 31) & 1
    if count > 64:
        # Nearly all: say which are not.
        put_char(text, 126)
        wanted = 0
    put(text, b"{ ")
    for signo in range(1, 129):
        if bits[(signo - 1) >> 5] >> ((signo - 1) & 31) & 1 == wanted and (wanted or lsf_signal_to_linux[signo]):
            if not first:
                put_char(text, 124)
            first = False
            put_signal(text, signo)
    put(text, b"}" if first else b" }")


cdef void put_kevent(text_t *text, uaddr address, uint64_t count, uint64_t size) noexcept nogil:
    cdef freebsd_kevent event
    cdef uint64_t i
    put(text, b"{ ")
    for i in range(count):
        if i:
            put_char(text, 32)
        if i == TRUSS_ELEMENTS:
            put(text, b"...")
            break
        if copyin(address + i * size, &event, sizeof(freebsd11_kevent)) < 0:
            put(text, b"?")
            break
        if <int16_t> event.filter == -6:            # EVFILT_SIGNAL
            put_signal(text, event.ident)
        else:
            put_unsigned(text, event.ident)
        put_char(text, 44)
        put_names(text, LSF_KIND_KEVENT_FILTER, <uint16_t> event.filter)
        put_char(text, 44)
        put_names(text, LSF_KIND_KEVENT_FLAGS, event.flags)
        put_char(text, 44)
        if event.fflags:
            put_hex(text, event.fflags)
        else:
            put_char(text, 48)
        put_char(text, 44)
        put_signed(text, event.data)
        put_char(text, 44)
        put_hex(text, event.udata)
    put(text, b" }")


cdef void put_iovec(text_t *text, uaddr address, uint64_t count, uint64_t most) noexcept nogil:
    """At most `most` bytes in all: what was read."""
    cdef freebsd_iovec one
    cdef uint64_t i, length
    if address == 0 or copyin(address, &one, sizeof(one)) < 0:
        put_hex(text, address)
        return
    put_char(text, 91)
    for i in range(count):
        if i:
            put_char(text, 44)
        if i == TRUSS_ELEMENTS or copyin(address + i * sizeof(one), &one, sizeof(one)) < 0:
            put(text, b"...")
            break
        length = one.iov_len if one.iov_len < most else most
        most -= length
        put_char(text, 123)
        put_buffer(text, one.iov_base, length)
        put_char(text, 44)
        put_unsigned(text, one.iov_len)
        put_char(text, 125)
    put_char(text, 93)


cdef void put_msghdr(text_t *text, truss_t *call, uaddr address) noexcept nogil:
    cdef freebsd_msghdr message
    if copyin(address, &message, sizeof(message)) < 0:
        put_hex(text, address)
        return
    put_char(text, 123)
    put_sockaddr(text, message.msg_name, message.msg_namelen)
    put_char(text, 44)
    put_unsigned(text, message.msg_namelen)
    put_char(text, 44)
    put_iovec(text, message.msg_iov, <uint32_t> message.msg_iovlen,
              <uint64_t> call.result if call.after else <uint64_t> -1)
    put_char(text, 44)
    put_signed(text, message.msg_iovlen)
    put_char(text, 44)
    put_hex(text, message.msg_control)
    put_char(text, 44)
    put_unsigned(text, message.msg_controllen)
    put_char(text, 44)
    if message.msg_flags:
        put_names(text, LSF_KIND_MSG_FLAGS, <uint32_t> message.msg_flags)
    else:
        put_char(text, 48)
    put_char(text, 125)


cdef void put_pollfds(text_t *text, uaddr address, uint64_t count) noexcept nogil:
    cdef freebsd_pollfd one
    cdef uint64_t i
    put(text, b"{ ")
    for i in range(count):
        if i:
            put_char(text, 32)
        if i == TRUSS_ELEMENTS or copyin(address + i * sizeof(one), &one, sizeof(one)) < 0:
            put(text, b"...")
            break
        put_signed(text, one.fd)
        put_char(text, 47)
        put_names(text, LSF_KIND_POLL_EVENTS, <uint16_t> one.events)
    put(text, b" }")


cdef void put_fdset(text_t *text, uaddr address, uint64_t count) noexcept nogil:
    cdef uint32_t word = 0
    cdef uint64_t i
    if address == 0:
        put(text, b"0x0")
        return
    put(text, b"{ ")
    for i in range(count if count < 1024 else 1024):
        if i & 31 == 0 and fetch_guest32(address + i // 8, &word) < 0:
            break
        if word >> (i & 31) & 1:
            put_unsigned(text, i)
            put_char(text, 32)
    put_char(text, 125)


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


cdef uint64_t truss_count(truss_t *call, const lsf_decode_arg_t *argument) noexcept nogil:
    """How many elements (or bytes) an argument leads to, by another one; 1 where the table says nothing."""
    cdef uint64_t value
    if argument.size == LSF_NO_SIZE:
        return 1
    if argument.size & LSF_SIZE_CONSTANT:
        return argument.size - LSF_SIZE_CONSTANT
    value = call.arg[argument.size & LSF_SIZE_INDEX]
    if argument.size & LSF_SIZE_POINTED:
        if value == 0 or fetch_guest64(value, &value) < 0:
            return 0
        if lsf_decode_args[call.call.arg + (argument.size & LSF_SIZE_INDEX)].kind == LSF_KIND_INTP:
            value = <uint32_t> value
    return value


cdef void put_struct(text_t *text, truss_t *call, int kind, uaddr address, uint64_t count) noexcept nogil:
    """The structs of one fixed size."""
    cdef uint64_t raw[336]              # statfs is the largest
    cdef uint64_t size = 0
    cdef freebsd_rusage *usage = <freebsd_rusage *> raw
    cdef freebsd_sigaction *action = <freebsd_sigaction *> raw
    cdef freebsd_siginfo *info = <freebsd_siginfo *> raw
    cdef freebsd_stat *stat = <freebsd_stat *> raw
    cdef freebsd11_stat *stat11 = <freebsd11_stat *> raw
    cdef freebsd_thr_param *param = <freebsd_thr_param *> raw
    if kind == LSF_KIND_SIGSET:
        size = 16
    elif kind == LSF_KIND_SIGACTION:
        size = sizeof(freebsd_sigaction)
    elif kind == LSF_KIND_SIGINFO:
        size = sizeof(freebsd_siginfo)
    elif kind == LSF_KIND_TIMESPEC or kind == LSF_KIND_TIMEVAL:
        size = 32 if count == 2 else 16
    elif kind == LSF_KIND_ITIMERVAL or kind == LSF_KIND_ITIMERSPEC:
        size = 32
    elif kind == LSF_KIND_RUSAGE:
        size = sizeof(freebsd_rusage)
    elif kind == LSF_KIND_RLIMITP:
        size = 16
    elif kind == LSF_KIND_STAT:
        size = sizeof(freebsd_stat)
    elif kind == LSF_KIND_STAT11:
        size = sizeof(freebsd11_stat)
    elif kind == LSF_KIND_STATFS:
        size = sizeof(freebsd_statfs)
    elif kind == LSF_KIND_STATFS11:
        size = sizeof(freebsd11_statfs)
    elif kind == LSF_KIND_THR_PARAM:
        size = sizeof(freebsd_thr_param)
    if size == 0 or size > sizeof(raw) or copyin(address, raw, size) < 0:
        put_hex(text, address)
        return
    if kind == LSF_KIND_SIGSET:
        put_sigset(text, <uint32_t *> raw)
    elif kind == LSF_KIND_SIGACTION:
        put(text, b"{ ")
        if action.sa_handler == FREEBSD_SIG_DFL:
            put(text, b"SIG_DFL")
        elif action.sa_handler == FREEBSD_SIG_IGN:
            put(text, b"SIG_IGN")
        else:
            put_hex(text, action.sa_handler)
        put_char(text, 32)
        put_names(text, LSF_KIND_SA_FLAGS, <uint32_t> action.sa_flags)
        put(text, b" ss_t }")
    elif kind == LSF_KIND_SIGINFO:
        put(text, b"{ signo=")
        put_signal(text, <uint32_t> info.si_signo)
        put_siginfo(text, info)
        put(text, b" }")
    elif kind == LSF_KIND_TIMESPEC or kind == LSF_KIND_ITIMERSPEC:
        put(text, b"{ ")
        put_timespec(text, <freebsd_timespec *> raw)
        if size == 32:
            put(text, b", ")
            put_timespec(text, <freebsd_timespec *> &raw[2])
        put(text, b" }")
    elif kind == LSF_KIND_TIMEVAL or kind == LSF_KIND_ITIMERVAL:
        put(text, b"{ ")
        put_timeval(text, <freebsd_timeval *> raw)
        if size == 32:
            put(text, b", ")
            put_timeval(text, <freebsd_timeval *> &raw[2])
        put(text, b" }")
    elif kind == LSF_KIND_RUSAGE:
        put(text, b"{ u=")
        put_timeval(text, &usage.ru_utime)
        put(text, b",s=")
        put_timeval(text, &usage.ru_stime)
        put(text, b",in=")
        put_signed(text, usage.ru_inblock)
        put(text, b",out=")
        put_signed(text, usage.ru_oublock)
        put(text, b" }")
    elif kind == LSF_KIND_RLIMITP:
        put(text, b"{ cur=")
        put_unsigned(text, raw[0])
        put(text, b",max=")
        put_unsigned(text, raw[1])
        put(text, b" }")
    elif kind == LSF_KIND_STAT:
        put_stat(text, stat.st_mode, stat.st_ino, stat.st_size, stat.st_blksize)
    elif kind == LSF_KIND_STAT11:
        put_stat(text, stat11.st_mode, stat11.st_ino, stat11.st_size, stat11.st_blksize)
    elif kind == LSF_KIND_STATFS or kind == LSF_KIND_STATFS11:
        put_statfs(text, kind, raw)
    else:
        put(text, b"{ start_func=")
        put_hex(text, param.start_func)
        put(text, b",arg=")
        put_hex(text, param.arg)
        put(text, b",stack_base=")
        put_hex(text, param.stack_base)
        put(text, b",stack_size=")
        put_unsigned(text, param.stack_size)
        put(text, b" }")


cdef void put_statfs(text_t *text, int kind, void *raw) noexcept nogil:
    cdef freebsd_statfs *new = <freebsd_statfs *> raw
    cdef freebsd11_statfs *old = <freebsd11_statfs *> raw
    put(text, b"{ fstypename=")
    put(text, &new.f_fstypename[0] if kind == LSF_KIND_STATFS else &old.f_fstypename[0])
    put(text, b",mntonname=")
    put(text, &new.f_mntonname[0] if kind == LSF_KIND_STATFS else &old.f_mntonname[0])
    put(text, b",mntfromname=")
    put(text, &new.f_mntfromname[0] if kind == LSF_KIND_STATFS else &old.f_mntfromname[0])
    put(text, b" }")


cdef void put_siginfo(text_t *text, const freebsd_siginfo *info) noexcept nogil:
    """What comes after the signal's name: code and what belongs to it (truss's decode_siginfo)."""
    cdef const char *name = lsf_si_code_name(<uint32_t> info.si_signo, <uint32_t> info.si_code)
    put(text, b" code=")
    if name[0] == 0:
        put_signed(text, info.si_code)
    else:
        put(text, name)
    if info.si_code == 0x10002 or info.si_code == 0x10003 or info.si_code == 0x10004 or info.si_code == 0x10005:
        put(text, b" value=")
        put_hex(text, info.si_value)
    if info.si_code == 0x10003:                 # SI_TIMER
        put(text, b" timerid=")
        put_signed(text, info.reason.timer.timerid)
        put(text, b" overrun=")
        put_signed(text, info.reason.timer.overrun)
    elif info.si_code == 0x10001 or info.si_code == 0x10002 or info.si_code == 0x10007 or (
            info.si_signo == FREEBSD_SIGCHLD and 0 < info.si_code < 0x10000):
        put(text, b" pid=")
        put_signed(text, info.si_pid)
        put(text, b" uid=")
        put_unsigned(text, info.si_uid)
        if info.si_code < 0x10000:
            put(text, b" status=")
            put_signed(text, info.si_status)
    elif (info.si_signo == FREEBSD_SIGILL or info.si_signo == FREEBSD_SIGFPE or info.si_signo == FREEBSD_SIGSEGV
          or info.si_signo == FREEBSD_SIGBUS) \
            and 0 < info.si_code < 0x10000:
        put(text, b" trapno=")
        put_signed(text, info.reason.trapno)
        put(text, b" addr=")
        put_hex(text, info.si_addr)


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


cdef void put_argument(text_t *text, truss_t *call, int index) noexcept nogil:
    cdef const lsf_decode_arg_t *argument = &lsf_decode_args[call.call.arg + index]
    cdef int kind = argument.kind
    cdef uint64_t value = call.arg[index], count
    cdef uint32_t small = 0
    if kind == LSF_KIND_INT or kind == LSF_KIND_FD or kind == LSF_KIND_PID:
        put_signed(text, <int32_t> value)
    elif kind == LSF_KIND_UINT:
        put_unsigned(text, <uint32_t> value)
    elif kind == LSF_KIND_LONG:
        put_signed(text, <int64_t> value)
    elif kind == LSF_KIND_ULONG:
        put_unsigned(text, value)
    elif kind == LSF_KIND_HEX32:
        put_hex(text, <uint32_t> value)
    elif kind == LSF_KIND_HEX or kind == LSF_KIND_PTR or kind == LSF_KIND_DEVICE:
        put_hex(text, value)
    elif kind == LSF_KIND_OCT:
        put_octal(text, <uint32_t> value)
    elif kind == LSF_KIND_ATFD:
        if <int32_t> value == LINUX_AT_FDCWD:
            put(text, b"AT_FDCWD")
        else:
            put_signed(text, <int32_t> value)
    elif kind == LSF_KIND_SIGNAL:
        put_signal(text, value)
    elif kind == LSF_KIND_IOCTL:
        put_ioctl(text, <uint32_t> value)
    elif kind == LSF_KIND_MMAP_FLAGS:
        put_mmap_flags(text, <uint32_t> value)
    elif kind == LSF_KIND_PROT and <uint32_t> value == 0:
        put(text, b"PROT_NONE")
    elif kind == LSF_KIND_FCNTL_ARG:
        if call.arg[index - 1] == 2 and value & 1:      # F_SETFD
            put(text, b"FD_CLOEXEC")
        elif call.arg[index - 1] == 4:                  # F_SETFL
            put_names(text, LSF_KIND_OPEN_FLAGS, <uint32_t> value)
        else:
            put_hex(text, value)
    elif kind == LSF_KIND_SOCKOPT_NAME:
        if <uint32_t> call.arg[index - 1] == 0xffff:    # SOL_SOCKET
            put_names(text, LSF_KIND_SO_OPTION, <uint32_t> value)
        else:
            put_hex(text, <uint32_t> value)
    elif lsf_flag_names[kind].count != 0:
        put_names(text, kind, <uint32_t> value)
    elif kind == LSF_KIND_STR:
        put_string(text, value)
    elif value == 0:
        put(text, b"NULL" if kind == LSF_KIND_SOCKADDR else b"0x0")
    elif kind == LSF_KIND_STRS:
        # truss shows argv with -a and the environment with -e; this one shows argv.
        if index == 2:
            put_hex(text, value)
        else:
            put_strings(text, value)
    elif kind == LSF_KIND_BUF:
        count = truss_count(call, argument)
        if call.after:
            if call.call.result == LSF_KIND_LONG:
                count = <uint64_t> call.result
            elif not argument.size & LSF_SIZE_POINTED or argument.size == LSF_NO_SIZE:
                put_string(text, value)
                return
        put_buffer(text, value, count)
    elif kind == LSF_KIND_INTP:
        put_numbers(text, value, truss_count(call, argument), 4)
    elif kind == LSF_KIND_LONGP or kind == LSF_KIND_OFFP:
        put_numbers(text, value, truss_count(call, argument), 8)
    elif kind == LSF_KIND_OID:
        put_oid(text, value, truss_count(call, argument))
    elif kind == LSF_KIND_IOVEC:
        put_iovec(text, value, truss_count(call, argument), <uint64_t> call.result if call.after else <uint64_t> -1)
    elif kind == LSF_KIND_POLLFD:
        put_pollfds(text, value, truss_count(call, argument))
    elif kind == LSF_KIND_FDSET:
        put_fdset(text, value, call.arg[0])
    elif kind == LSF_KIND_SOCKADDR:
        put_sockaddr(text, value, truss_count(call, argument))
    elif kind == LSF_KIND_MSGHDR:
        put_msghdr(text, call, value)
    elif kind == LSF_KIND_KEVENT or kind == LSF_KIND_KEVENT11:
        count = <uint64_t> call.result if call.after else truss_count(call, argument)
        put_kevent(text, value, count, sizeof(freebsd_kevent) if kind == LSF_KIND_KEVENT else sizeof(freebsd11_kevent))
    elif kind == LSF_KIND_WAIT_STATUS:
        if fetch_guest32(value, &small) < 0 or call.result == 0:
            put_hex(text, value)
        else:
            put_wait_status(text, small)
    else:
        put_struct(text, call, kind, value, truss_count(call, argument))

# How truss prints a value of each kind. Model: usr.bin/truss/syscalls.c.

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

# How truss prints structs and arrays. Model: usr.bin/truss/syscalls.c.

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

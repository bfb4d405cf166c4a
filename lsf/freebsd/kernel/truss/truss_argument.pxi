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
    const char *lsf_signal_name(unsigned number)
    const char *lsf_si_code_name(unsigned signal, unsigned code)

cdef enum:
    TRUSS_ARGUMENT = 1024       # a guest string is read up to here


# A call while it is printed.
cdef struct truss_t:
    uint64_t nr
    const lsf_decode_t *call
    uint64_t arg[8]
    int narg
    bint after                  # the call is over: what it wrote can be read
    bint failed
    long result


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

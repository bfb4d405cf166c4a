# What ktrace(2) records of Capsicum, KTR_CAPFAIL: what it refuses, and outside capability mode what that would not let a call have.
# Model: FreeBSD sys/kern/kern_ktrace.c (ktrcapfail) and its callers, where CAP_TRACING is asked.

cdef enum:
    CAPFAIL_SIGNAL = 3                  # enum ktr_cap_violation of sys/ktrace.h, since 15
    CAPFAIL_PROTO = 4
    CAPFAIL_SOCKADDR = 5
    CAPFAIL_NAMEI = 6
    CAPFAIL_CPUSET = 7
    CAP_HEADER = 16                     # bytes before the data, since 15
    CAP_SOCKADDR = 16                   # of struct sockaddr


cdef void ktr_cap_begin(area_t *area, ktr_record_t *record, uint64_t nr, int type_) noexcept nogil:
    """The type, and since 15 the call and the flags of its ABI."""
    cdef uint32_t words[4]
    cdef bint told = area.proc.own.osreldate >= FREEBSD_SINCE_KTR_CAPFAIL
    words[0] = <uint32_t> type_
    words[1] = <uint16_t> nr if told else 0
    words[2] = KTR_SV_FLAGS
    words[3] = 0
    record.at = 0
    ktr_add(record, words, CAP_HEADER if told else 8)


cdef void ktr_cap_write(area_t *area, ktr_record_t *record) noexcept nogil:
    """Write a record; since 15 its data are a union, as long as the longest path."""
    cdef uint64_t end = CAP_HEADER + FREEBSD_PATH_MAX
    if area.proc.own.osreldate < FREEBSD_SINCE_KTR_CAPFAIL:
        end = 8 + sizeof(area.own.cap_rights)
    memset(&record.bytes[record.at], 0, end - record.at if end > record.at else 0)
    record.at = end
    ktr_write(area, FREEBSD_KTR_CAPFAIL, record)


cdef void ktr_cap_rights(area_t *area, uint64_t nr, int type_) noexcept nogil:
    """A descriptor lacks a right: which were wanted, and which it has."""
    cdef ktr_record_t record
    ktr_cap_begin(area, &record, nr, type_)
    ktr_add(&record, area.own.cap_rights, sizeof(area.own.cap_rights))
    ktr_cap_write(area, &record)


cdef void ktr_cap_data(area_t *area, uint64_t nr, int type_, const void *data, uint64_t size) noexcept nogil:
    cdef ktr_record_t record
    ktr_cap_begin(area, &record, nr, type_)
    ktr_add(&record, data, size)
    ktr_cap_write(area, &record)


cdef void ktr_cap_name(area_t *area, uint64_t nr, uaddr name) noexcept nogil:
    """Of a path."""
    cdef char bytes[FREEBSD_PATH_MAX]
    cdef uint64_t length = 0
    if copyinstr(name, bytes, sizeof(bytes), &length) >= 0:
        ktr_cap_data(area, nr, CAPFAIL_NAMEI, bytes, length)


cdef void ktr_cap_address(area_t *area, uint64_t nr, frame_t *frame) noexcept nogil:
    """Of the address that a message goes to."""
    cdef freebsd_msghdr about
    cdef uint8_t bytes[256]
    cdef uint64_t given = <uint32_t> frame.arg[5]
    if nr == FREEBSD_SYS_sendmsg:
        given = about.msg_namelen if copyin(frame.arg[1], &about, sizeof(about)) == 0 else 0
    memset(bytes, 0, CAP_SOCKADDR)
    if ktr_address(send_address(frame), given, bytes):
        ktr_cap_data(area, nr, CAPFAIL_SOCKADDR, bytes, CAP_SOCKADDR)


cdef void ktr_cap_argument(area_t *area, frame_t *frame, truss_t *call) noexcept nogil:
    """What leads a call outside that capability mode has (capmode_allows)."""
    cdef uint64_t nr = call.nr
    cdef int32_t word = <int32_t> call.arg[1]
    if nr == FREEBSD_SYS_kill:
        ktr_cap_data(area, nr, CAPFAIL_SIGNAL, &word, 4)
    elif nr == FREEBSD_SYS_fcntl:
        ktr_cap_data(area, nr, CAPFAIL_SYSCALL, &word, 4)
    elif nr == FREEBSD_SYS_sysarch:
        word = <int32_t> call.arg[0]
        ktr_cap_data(area, nr, CAPFAIL_SYSCALL, &word, 4)
    elif nr == FREEBSD_SYS_socket or nr == FREEBSD_SYS_socketpair:
        word = <int32_t> call.arg[2]
        ktr_cap_data(area, nr, CAPFAIL_PROTO, &word, 4)
    elif nr == FREEBSD_SYS_sendto or nr == FREEBSD_SYS_sendmsg:
        ktr_cap_address(area, nr, frame)
    elif nr == FREEBSD_SYS_shm_open2 or nr == FREEBSD_SYS_freebsd12_shm_open:
        ktr_cap_name(area, nr, call.arg[0])
    else:
        ktr_cap_data(area, nr, CAPFAIL_CPUSET, &word, 0)


cdef void ktr_cap_path(area_t *area, truss_t *call, int directory, uaddr path) noexcept nogil:
    """A look-up begins outside: at the current folder, or (namei_handle_root) at the root."""
    cdef char first[1]
    if directory == FREEBSD_AT_FDCWD:
        ktr_cap_data(area, call.nr, CAPFAIL_NAMEI, b"AT_FDCWD", 9)
    elif path != 0 and copyin(path, first, 1) == 0 and first[0] == c'/':
        ktr_cap_name(area, call.nr, path)


cdef bint ktr_cap_tells(area_t *area, uint64_t nr) noexcept nogil:
    """Whether it is told of a call of capability mode what leads outside, as it is since 15."""
    return (ktr_wants(area, FREEBSD_KTR_CAPFAIL) and area.proc.own.osreldate >= FREEBSD_SINCE_KTR_CAPFAIL
            and nr < GUEST_NSYSCALLS and lsf_cap_enabled[nr])


cdef void ktr_cap_paths(area_t *area, truss_t *call, bint over) noexcept nogil:
    """The paths of a call of capability mode: the first before it (ktr_paths), and (over) a second one behind it, which nobody looks at
    where the first is missing."""
    cdef const lsf_path_t *row
    cdef bint second = False
    if not ktr_cap_tells(area, call.nr) or lsf_path_first[call.nr] == 0:
        return
    row = &lsf_paths[lsf_path_first[call.nr] - 1]
    while row.nr == call.nr:
        if row.directory >= 0 and second == over:
            ktr_cap_path(area, call, <int> call.arg[row.directory], call.arg[row.argument])
        second = True
        row += 1


cdef void ktr_cap_call(area_t *area, frame_t *frame, truss_t *call) noexcept nogil:
    """A call is about to be made: tell which it would not be in capability mode. Before 15 those alone that it has not at all."""
    cdef uint64_t nr = call.nr
    area.own.cap_failed = 0
    if nr >= GUEST_NSYSCALLS:
        return                          # nosys_sysent is a call of capability mode
    if not lsf_cap_enabled[nr]:
        ktr_cap_data(area, nr, CAPFAIL_SYSCALL, NULL, 0)
        return
    if area.proc.own.osreldate < FREEBSD_SINCE_KTR_CAPFAIL:
        return
    if not capmode_allows(area, frame):
        ktr_cap_argument(area, frame, call)
    if nr == FREEBSD_SYS_bindat or nr == FREEBSD_SYS_connectat:
        ktr_cap_path(area, call, <int> call.arg[0], 0)

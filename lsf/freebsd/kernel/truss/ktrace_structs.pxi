# The structs and names that ktrace(2) records of a call's arguments: KTR_STRUCT, KTR_STRUCT_ARRAY, KTR_SYSCTL. Which argument is
# what the decoder's table says, as for truss. Model: FreeBSD sys/kern/kern_ktrace.c (ktrstruct, ktrstructarray, ktrsysctl) and its callers.

cdef enum:
    KTR_OLD_SOCKADDR = 2                # bytes of a struct sockaddr before its data
    KTR_CPUSET = 128                    # of the kernel's cpuset_t,
    KTR_CPUSET_13 = 32                  # and before 14
    KTR_ITIMERS = 3

cdef void ktr_struct_of(area_t *area, const char *name, const void *data, uint64_t size) noexcept nogil:
    """KTR_STRUCT of what is not the guest's memory, or was read from it."""
    cdef ktr_record_t record
    if not ktr_wants(area, FREEBSD_KTR_STRUCT):
        return
    record.at = 0
    ktr_add(&record, name, string_length(name) + 1)
    ktr_add(&record, data, size)
    ktr_write(area, FREEBSD_KTR_STRUCT, &record)


cdef void ktr_struct(area_t *area, const char *name, uaddr data, uint64_t size) noexcept nogil:
    """KTR_STRUCT: a name with its NUL, and the guest's struct."""
    cdef ktr_record_t record
    record.at = 0
    ktr_add(&record, name, string_length(name) + 1)
    ktr_add_guest(&record, data, size)
    if record.at > string_length(name) + 1:
        ktr_write(area, FREEBSD_KTR_STRUCT, &record)


cdef void ktr_structs(area_t *area, const char *name, uaddr data, uint64_t count, uint64_t each) noexcept nogil:
    """KTR_STRUCT_ARRAY: the size of each, the name, and as many as one transfer may have."""
    cdef ktr_record_t record
    if not ktr_wants(area, FREEBSD_KTR_STRUCT_ARRAY):
        return
    if count > KTR_DATA // each:
        count = KTR_DATA // each
    record.at = 0
    ktr_add(&record, &each, 8)
    ktr_add(&record, name, string_length(name) + 1)
    if data != 0 and count != 0:
        ktr_add_guest(&record, data, count * each)
    ktr_write(area, FREEBSD_KTR_STRUCT_ARRAY, &record)


cdef uint64_t ktr_address(uaddr address, uint64_t given, uint8_t *bytes) noexcept nogil:
    """An address, in 256 bytes, as the kernel has it: with the length that the call was given (getsockaddr). 0: none."""
    if address == 0 or not KTR_OLD_SOCKADDR <= given <= 255 or copyin(address, bytes, given) < 0:
        return 0
    bytes[0] = <uint8_t> given
    return given


cdef void ktr_sockaddr(area_t *area, uaddr address, uint64_t given) noexcept nogil:
    """ktrsockaddr."""
    cdef uint8_t bytes[256]
    given = ktr_address(address, given, bytes)
    if given:
        ktr_struct_of(area, b"sockaddr", bytes, given)


cdef void ktr_message(area_t *area, uaddr message) noexcept nogil:
    """The address in a message."""
    cdef freebsd_msghdr about
    if copyin(message, &about, sizeof(about)) == 0:
        ktr_sockaddr(area, about.msg_name, about.msg_namelen)


cdef void ktr_thread(area_t *area, uaddr param, int size) noexcept nogil:
    """ktrthrparam: what a thread is to be, with what the caller's struct has not."""
    cdef freebsd_thr_param whole
    memset(&whole, 0, sizeof(whole))
    if 0 <= size <= <int> sizeof(whole) and copyin(param, &whole, <uint64_t> size) == 0:
        ktr_struct_of(area, b"thrparam", &whole, sizeof(whole))


cdef void ktr_cpus(area_t *area, uaddr mask, uint64_t size, bint over) noexcept nogil:
    """ktrcpuset: the kernel's whole set, or as much as was asked for."""
    cdef uint8_t whole[KTR_CPUSET]
    cdef uint64_t most = KTR_CPUSET if area.proc.own.osreldate >= FREEBSD_SINCE_KTR_VERSION else KTR_CPUSET_13
    memset(whole, 0, sizeof(whole))
    if size > most:
        size = most
    if copyin(mask, whole, size) == 0:
        ktr_struct_of(area, b"cpuset_t", whole, size if over else most)


cdef void ktr_rights(area_t *area, uaddr rights) noexcept nogil:
    """ktrcaprights: of those that there are."""
    cdef rights_t whole
    if copyin(rights, &whole, sizeof(whole)) == 0 and rights_are_valid(area.proc, &whole):
        ktr_struct_of(area, b"caprights", &whole, sizeof(whole))


cdef void ktr_call_structs(area_t *area, truss_t *call, bint over) noexcept nogil:
    """The structs of calls whose arguments the decoder does not tell apart by their kind alone."""
    cdef uint64_t nr = call.nr
    if nr == FREEBSD_SYS_cap_rights_limit and not over:
        ktr_rights(area, call.arg[1])
    elif nr == FREEBSD_SYS___cap_rights_get and over:
        ktr_rights(area, call.arg[2])
    elif nr == FREEBSD_SYS_cpuset_setaffinity and not over or nr == FREEBSD_SYS_cpuset_getaffinity and over:
        ktr_cpus(area, call.arg[4], call.arg[3], over)
    elif nr == FREEBSD_SYS_sendmsg and not over or nr == FREEBSD_SYS_recvmsg and over:
        ktr_message(area, call.arg[1])
    elif nr == FREEBSD_SYS_thr_new and not over:
        ktr_thread(area, call.arg[0], <int> call.arg[1])


cdef void ktr_sysctl_numbers(area_t *area, const int32_t *numbers, uint64_t length) noexcept nogil:
    """KTR_SYSCTL: the dotted name of a number, which is not written where it has none."""
    cdef ktr_record_t record
    cdef char text[SYSCTL_NAME_MAX]
    record.at = 0
    ktr_add(&record, text, sysctl_dotted(numbers, length, text, sizeof(text)) + 1)
    ktr_write(area, FREEBSD_KTR_SYSCTL, &record)


cdef void ktr_sysctl(area_t *area, uaddr name, uint64_t length) noexcept nogil:
    """Of __sysctl."""
    cdef int32_t numbers[FREEBSD_CTL_MAXNAME]
    if ktr_wants(area, FREEBSD_KTR_SYSCTL) and 2 <= length <= FREEBSD_CTL_MAXNAME and copyin(name, numbers, 4 * length) == 0:
        ktr_sysctl_numbers(area, numbers, length)


cdef void ktr_sysctl_name(area_t *area, uaddr name, uint64_t size) noexcept nogil:
    """Of __sysctlbyname, where there is that name."""
    cdef int32_t numbers[FREEBSD_CTL_MAXNAME]
    cdef char text[SYSCTL_NAME_MAX]
    cdef uint32_t length = 0
    if ktr_wants(area, FREEBSD_KTR_SYSCTL) and 0 < size <= sizeof(text) and copyin(name, text, size) == 0 \
            and sysctl_by_name(text, size, numbers, &length) >= 0:
        ktr_sysctl_numbers(area, numbers, length)


cdef void ktr_arguments(area_t *area, truss_t *call, bint over) noexcept nogil:
    """Before a call what it is given, and after one that did it (over) what it gave."""
    cdef const lsf_decode_arg_t *argument
    cdef uint64_t given = 0
    cdef int i, kind
    if call.nr == FREEBSD_SYS___sysctlbyname and not over:
        ktr_sysctl_name(area, call.arg[0], call.arg[1])
    for i in range(call.call.narg):
        argument = &lsf_decode_args[call.call.arg + i]
        kind = argument.kind
        if kind == LSF_KIND_OID and not over:
            ktr_sysctl(area, call.arg[i], call.arg[i + 1])
        elif kind == LSF_KIND_KEVENT:
            # The changes, whatever becomes of them, and the events that there were.
            if over == (argument.direction & LSF_OUT != 0):
                ktr_structs(area, b"kevent", call.arg[i], <uint64_t> call.result if over else <uint32_t> call.arg[i + 1], sizeof(freebsd_kevent))
        elif kind == LSF_KIND_POLLFD and over:
            ktr_structs(area, b"pollfd", call.arg[i], <uint32_t> call.arg[i + 1], sizeof(freebsd_pollfd))
        elif not ktr_wants(area, FREEBSD_KTR_STRUCT):
            continue
        elif kind == LSF_KIND_ITIMERVAL and over == (argument.direction & LSF_OUT != 0) and <uint32_t> call.arg[0] < KTR_ITIMERS:
            ktr_struct(area, b"itimerval", call.arg[i], sizeof(freebsd_itimerval))
        elif kind == LSF_KIND_STAT and over:
            ktr_struct(area, b"stat", call.arg[i], sizeof(freebsd_stat))
        elif kind == LSF_KIND_SOCKADDR and over == (argument.direction & LSF_OUT != 0):
            given = <uint32_t> call.arg[i + 1]
            if over and (call.arg[i + 1] == 0 or fetch_guest32(call.arg[i + 1], <uint32_t *> &given) < 0):
                continue                # nobody asked
            ktr_sockaddr(area, call.arg[i], given)
    if ktr_wants(area, FREEBSD_KTR_STRUCT):
        ktr_call_structs(area, call, over)

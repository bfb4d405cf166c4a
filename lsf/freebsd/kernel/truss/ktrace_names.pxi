# What ktrace(2) records of names: KTR_NAMEI, the paths of a call and those in addresses of local sockets, and KTR_ARGS and KTR_ENVS, the
# strings of an exec. Model: FreeBSD sys/kern/vfs_lookup.c (namei), uipc_usrreq.c (unp_bindat, unp_connectat), kern_exec.c (kern_execve).

cdef enum:
    SUN_PATH = 2                        # where the path begins in a struct sockaddr_un

cdef void ktr_path(area_t *area, uaddr path) noexcept nogil:
    """KTR_NAMEI of a path that can be read; an empty one is told of since 14 (namei_getpath)."""
    cdef ktr_record_t record
    cdef uint64_t length = 0
    if path == 0 or not ktr_wants(area, FREEBSD_KTR_NAMEI) or copyinstr(path, <char *> record.bytes, FREEBSD_PATH_MAX, &length) < 0:
        return
    if length == 1 and area.proc.own.osreldate < FREEBSD_SINCE_KTR_VERSION:
        return
    record.at = length - 1
    ktr_write(area, FREEBSD_KTR_NAMEI, &record)


cdef void ktr_paths(area_t *area, truss_t *call) noexcept nogil:
    """The paths of a call, and after the first what capability mode has against it. (Of two the second is told of even where namei does
    not find the first.)"""
    cdef const lsf_path_t *row
    cdef uint64_t nr = call.nr
    if nr == FREEBSD_SYS_execve or nr == FREEBSD_SYS_chroot:
        ktr_path(area, call.arg[0])
        return
    if nr >= GUEST_NSYSCALLS or lsf_path_first[nr] == 0 or (nr == FREEBSD_SYS_ktrace and call.arg[1] & KTR_OP == FREEBSD_KTROP_CLEAR):
        return
    row = &lsf_paths[lsf_path_first[nr] - 1]
    while row.nr == nr:
        ktr_path(area, call.arg[row.argument])
        if row == &lsf_paths[lsf_path_first[nr] - 1]:
            ktr_cap_paths(area, call, False)
        row += 1


cdef void ktr_local_path(area_t *area, truss_t *call) noexcept nogil:
    """The path of a local socket that a call binds or sends to."""
    cdef ktr_record_t record
    cdef freebsd_msghdr about
    cdef uint8_t bytes[257]
    cdef uint64_t nr = call.nr, address = call.arg[1], given = <uint32_t> call.arg[2]
    cdef int directory = FREEBSD_AT_FDCWD
    if nr == FREEBSD_SYS_bindat or nr == FREEBSD_SYS_connectat:
        directory = <int> call.arg[0]
        address = call.arg[2]
        given = <uint32_t> call.arg[3]
    elif nr == FREEBSD_SYS_sendto:
        address = call.arg[4]
        given = <uint32_t> call.arg[5]
    elif nr == FREEBSD_SYS_sendmsg and copyin(call.arg[1], &about, sizeof(about)) == 0:
        address = about.msg_name
        given = about.msg_namelen
    elif nr != FREEBSD_SYS_bind and nr != FREEBSD_SYS_connect:
        return
    given = ktr_address(address, given, bytes)
    if given <= SUN_PATH or bytes[1] != FREEBSD_AF_UNIX:
        return
    bytes[given] = 0
    if ktr_wants(area, FREEBSD_KTR_NAMEI):
        record.at = 0
        ktr_add(&record, &bytes[SUN_PATH], string_length(<char *> &bytes[SUN_PATH]))
        ktr_write(area, FREEBSD_KTR_NAMEI, &record)
    if not ktr_cap_tells(area, nr):
        return
    if directory == FREEBSD_AT_FDCWD:
        ktr_cap_data(area, nr, CAPFAIL_NAMEI, b"AT_FDCWD", 9)
    elif bytes[SUN_PATH] == c'/':
        ktr_cap_data(area, nr, CAPFAIL_NAMEI, &bytes[SUN_PATH], given + 1 - SUN_PATH)


cdef void ktr_strings(area_t *area, int type_, uaddr vector) noexcept nogil:
    """KTR_ARGS, KTR_ENVS: strings with their NULs, as many as a record holds; nothing where they cannot be read."""
    cdef ktr_record_t record
    cdef uint64_t at = 0, length = 0
    cdef long result = 0
    if not ktr_wants(area, type_):
        return
    record.at = 0
    while vector != 0 and result == 0:
        if fetch_guest64(vector, &at) < 0:
            return
        if at == 0:
            break
        result = copyinstr(at, <char *> &record.bytes[record.at], KTR_ROOM - record.at, &length)
        if result == -LINUX_EFAULT:
            return
        record.at += length if result == 0 else 0
        vector += 8
    ktr_write(area, type_, &record)


cdef void ktr_exec(area_t *area, truss_t *call) noexcept nogil:
    """What an exec is given, since 15."""
    if area.proc.own.osreldate < FREEBSD_SINCE_KTR_CAPFAIL or call.arg[1] == 0 \
            or (call.nr != FREEBSD_SYS_execve and call.nr != FREEBSD_SYS_fexecve):
        return
    ktr_strings(area, FREEBSD_KTR_ARGS, call.arg[1])
    ktr_strings(area, FREEBSD_KTR_ENVS, call.arg[2])

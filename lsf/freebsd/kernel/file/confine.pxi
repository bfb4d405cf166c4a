# FD_RESOLVE_BENEATH of FreeBSD 15: a folder's descriptor confines the paths that begin in it, as O_RESOLVE_BENEATH does in one call.
# So does one that is limited, and in capability mode every one (NI_LCF_STRICTREL; capsicum.pxi).
# Models: FreeBSD sys/kern/kern_descrip.c (fgetvp_lookup), vfs_lookup.c (namei_setup), vfs_syscalls.c (sys_fchdir, openatfp).
#
# Who has such a descriptor pays for it: from then on every call of the process that takes a path comes here first, as it does for a
# view by look-up. A call that knows AT_RESOLVE_BENEATH gets it; for others the folder that a name lies in is looked up so, and
# they are made in there.

cdef struct confined_t:
    char name[2][1024]                  # what is left of each path
    uint64_t saved[6]
    int32_t opened[2]
    int32_t count


cdef void confine_arm(area_t *area) noexcept nogil:
    """Lead the calls of every thread here, and of those that come."""
    hook_add_everywhere(area, HOOK_CONFINE, confine_call, lsf_lane_lookup)


cdef inline bint dirfd_confines(process_t *proc, int dirfd) noexcept nogil:
    return dirfd >= 0 and (proc.own.capmode != 0 or fd_marks(proc, dirfd) & (MARK_BENEATH | MARK_LIMITED) != 0)


cdef bint confines(process_t *proc, int dirfd, uaddr path) noexcept nogil:
    """Whether a path begins in such a folder. An absolute one begins nowhere."""
    cdef char first = 0
    return dirfd_confines(proc, dirfd) and copyin(path, &first, 1) == 0 and first != 0 and first != c'/'


cdef uint64_t confine_flag(uint64_t nr) noexcept nogil:
    """The flag by which a call confines its path by itself; 0: it has none."""
    if nr == FREEBSD_SYS_openat:
        return FREEBSD_O_RESOLVE_BENEATH
    if nr == FREEBSD_SYS_fstatat or nr == FREEBSD_SYS_faccessat or nr == FREEBSD_SYS_fchmodat or nr == FREEBSD_SYS_fchownat \
            or nr == FREEBSD_SYS_chflagsat or nr == FREEBSD_SYS_utimensat or nr == FREEBSD_SYS_unlinkat or nr == FREEBSD_SYS_funlinkat:
        return FREEBSD_AT_RESOLVE_BENEATH
    return 0


cdef long confine_check(int dirfd, uaddr path, bint follow) noexcept nogil:
    """Look a path up that is to stay inside: 0 or a negative errno."""
    cdef long fd = path_beneath(dirfd, path, not follow)
    if fd < 0:
        return fd
    linux_syscall1(LINUX_SYS_close, fd)
    return 0


cdef long confine_parent(confined_t *call, const lsf_path_t *row, frame_t *frame) noexcept nogil:
    """Give a call the folder that a name lies in, and the name: 0 or a negative errno."""
    cdef char *name = call.name[call.count]
    cdef uint64_t start = 0
    cdef int dirfd = <int> frame.arg[row.directory]
    cdef long fd, length = last_component(frame.arg[row.argument], name, &start)
    if length < 0:
        return length
    if length == 2 and name[start] == c'.' and name[start + 1] == c'.':
        return confine_check(dirfd, frame.arg[row.argument], False)
    if start == 0:
        return 0                            # a plain name
    name[start - 1] = 0
    fd = open_beneath(dirfd, <uint64_t> name, LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY, 0)
    if fd < 0:
        return fd
    call.opened[call.count] = <int32_t> fd
    call.count += 1
    frame.arg[row.directory] = <uint64_t> fd
    frame.arg[row.argument] = <uint64_t> &name[start]
    return 0


cdef long confine_path(confined_t *call, const lsf_path_t *row, frame_t *frame) noexcept nogil:
    """One path of a call: 0 or a negative errno."""
    cdef uint64_t flag = confine_flag(frame.nr)
    cdef bint beneath = False, follow
    if flag:
        frame.arg[row.flags] |= flag
        return 0
    follow = lookup_follows(row, frame, &beneath)
    if follow:
        return confine_check(<int> frame.arg[row.directory], frame.arg[row.argument], True)
    return confine_parent(call, row, frame)


cdef long confine_socket(frame_t *frame) noexcept nogil:
    """bindat(2), connectat(2): the path of the address."""
    cdef char path[SOCKET_ADDRESS]
    cdef uint64_t length = frame.arg[3], at
    cdef long fd
    if length <= 2 or length > SOCKET_ADDRESS - 2 or copyin(frame.arg[2] + 2, path, length - 2) < 0 or path[0] == c'/':
        return 0
    path[length - 2] = 0
    at = string_length(path)
    while at > 0 and path[at - 1] != c'/':
        at -= 1
    if at == 0:
        return 0
    path[at] = 0
    fd = open_beneath(<int> frame.arg[0], <uint64_t> path, LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY, 0)
    if fd < 0:
        return fd
    linux_syscall1(LINUX_SYS_close, fd)
    return 0


cdef long confine_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """The hook."""
    cdef const lsf_path_t *row
    if frame.nr == FREEBSD_SYS_bindat or frame.nr == FREEBSD_SYS_connectat:
        if dirfd_confines(area.proc, <int> frame.arg[0]):
            return confine_bound(frame, area, rest)
    elif frame.nr < GUEST_NSYSCALLS and lsf_path_first[frame.nr] != 0:
        row = &lsf_paths[lsf_path_first[frame.nr] - 1]
        while row.nr == frame.nr:
            if row.directory >= 0 and confines(area.proc, <int> frame.arg[row.directory], frame.arg[row.argument]):
                return confine_run(frame, area, rest)
            row += 1
    return run_hooks(frame, area, rest)


cdef long confine_bound(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    cdef long result = confine_socket(frame)
    return result if result < 0 else run_hooks(frame, area, rest)


cdef long confine_run(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Run a call one of whose paths is confined."""
    cdef confined_t call
    cdef const lsf_path_t *row = &lsf_paths[lsf_path_first[frame.nr] - 1]
    cdef uint64_t nr = frame.nr
    cdef long result = 0
    cdef bint opens = nr == FREEBSD_SYS_openat
    cdef int i
    call.count = 0
    memcpy(call.saved, frame.arg, sizeof(call.saved))
    while row.nr == nr and result == 0:
        if row.directory >= 0 and confines(area.proc, <int> frame.arg[row.directory], frame.arg[row.argument]):
            result = confine_path(&call, row, frame)
        row += 1
    if result == 0:
        result = run_hooks(frame, area, rest)
    for i in range(call.count):
        linux_syscall1(LINUX_SYS_close, call.opened[i])
    memcpy(frame.arg, call.saved, sizeof(call.saved))
    if opens and not is_error(result) and fd_marks(area.proc, <int> frame.arg[0]) & MARK_BENEATH:
        # what is opened in there confines, too (NIRES_BENEATH)
        fd_mark(area.proc, <int> result, fd_marks(area.proc, <int> result) | MARK_BENEATH)
    return result


cdef public long sys_fchdir(frame_t *frame, area_t *area) noexcept nogil:
    """A folder that confines is none to go to: paths would begin there without it."""
    if fd_marks(area.proc, <int> frame.arg[0]) & MARK_BENEATH:
        return guest_error(FREEBSD_ENOTCAPABLE)
    return tail_syscall2(area, LINUX_SYS_fchdir, <uint32_t> frame.arg[0], 0)

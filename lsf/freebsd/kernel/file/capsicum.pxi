# capsicum(4): the calls by which descriptors are limited, and the check of their rights before every other call.
# Model: FreeBSD sys/kern/sys_capability.c, and for each call where it looks its descriptor up (lsf/freebsd/tables/capsicum.py).
#
# Who never limits a descriptor nor enters capability mode pays nothing: these calls hook the check into the process's calls, and it
# stays there. A child has its maker's hooks; over exec the handover tells (image/handover.pxi). The check comes before the call's own
# look at its arguments, so of two errors ENOTCAPABLE may be the one that is told.

cdef enum:
    FREEBSD6_MMAP = 197                 # mmap with a padding argument behind the descriptor


cdef void capsicum_arm(area_t *area) noexcept nogil:
    """Check the calls of every thread from now on, and keep paths where they begin (confine.pxi)."""
    hook_add_everywhere(area, HOOK_RIGHTS, capsicum_call, lsf_lane_capsicum)
    confine_arm(area)


cdef inline bint descriptor_is_open(process_t *proc, int fd) noexcept nogil:
    return not descriptor_is_hidden(proc, fd) and not is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD))


cdef long caps_limit(area_t *area, int fd, const caps_t *caps) noexcept nogil:
    """Give a descriptor what is less than it has: 0 or -ENOMEM."""
    cdef long result = caps_set(area.proc, fd, caps)
    if result == 0:
        capsicum_arm(area)
    return result


# ------------------------------------------------------------------ the calls

cdef public long sys_cap_enter(frame_t *frame, area_t *area) noexcept nogil:
    area.proc.own.capmode = 1
    capsicum_arm(area)
    return 0


cdef public long sys_cap_getmode(frame_t *frame, area_t *area) noexcept nogil:
    return copyout_int(area.proc.own.capmode != 0, frame.arg[0])


cdef public long sys_cap_rights_limit(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef int fd = <int> frame.arg[0]
    cdef caps_t caps
    cdef rights_t rights
    if copyin(frame.arg[1], &rights, 8) < 0:
        return -LINUX_EFAULT
    if rights.word[0] >> 62:
        return -LINUX_EINVAL
    if copyin(frame.arg[1], &rights, sizeof(rights)) < 0:
        return -LINUX_EFAULT
    if not rights_are_valid(proc, &rights):
        return -LINUX_EINVAL
    if not descriptor_is_open(proc, fd):
        return -LINUX_EBADF
    caps_get(proc, fd, &caps)
    if not rights_contain(&caps.rights, &rights):
        caps_lack(&caps.rights, &rights, CAPFAIL_INCREASE)
        return guest_error(FREEBSD_ENOTCAPABLE)
    caps.rights = rights
    if not rights_contain(&rights, &lsf_rights[LSF_RIGHT_IOCTL]):
        caps.nioctls = 0
        caps.ioctls = NULL
    if not rights_contain(&rights, &lsf_rights[LSF_RIGHT_FCNTL]):
        caps.fcntls = 0
    return caps_limit(area, fd, &caps)


cdef public long sys___cap_rights_get(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[1]
    cdef caps_t caps
    if <int> frame.arg[0] != 0:             # CAP_RIGHTS_VERSION_00
        return -LINUX_EINVAL
    if not descriptor_is_open(area.proc, fd):
        return -LINUX_EBADF
    caps_get(area.proc, fd, &caps)
    return copyout(&caps.rights, frame.arg[2], sizeof(rights_t))


cdef public long sys_cap_fcntls_limit(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef uint32_t fcntls = <uint32_t> frame.arg[1]
    cdef caps_t caps
    if fcntls & ~<uint32_t> FCNTLS_ALL:
        return -LINUX_EINVAL
    if not descriptor_is_open(area.proc, fd):
        return -LINUX_EBADF
    caps_get(area.proc, fd, &caps)
    if fcntls & ~caps.fcntls:
        return guest_error(FREEBSD_ENOTCAPABLE)
    caps.fcntls = fcntls
    return caps_limit(area, fd, &caps)


cdef public long sys_cap_fcntls_get(frame_t *frame, area_t *area) noexcept nogil:
    cdef caps_t caps
    if not descriptor_is_open(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    caps_get(area.proc, <int> frame.arg[0], &caps)
    return copyout_int(<int> caps.fcntls, frame.arg[1])


cdef public long sys_cap_ioctls_limit(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t list_[IOCTLS_MOST]
    cdef uint64_t count = frame.arg[2], i
    cdef caps_t caps
    if count > IOCTLS_MOST:
        return -LINUX_EINVAL
    if count and copyin(frame.arg[1], list_, 8 * count) < 0:
        return -LINUX_EFAULT
    if not descriptor_is_open(area.proc, fd):
        return -LINUX_EBADF
    caps_get(area.proc, fd, &caps)
    if caps.nioctls >= 0:
        if <uint64_t> caps.nioctls < count:
            return guest_error(FREEBSD_ENOTCAPABLE)
        for i in range(count):
            if not ioctl_allowed(&caps, list_[i]):
                return guest_error(FREEBSD_ENOTCAPABLE)
    caps.nioctls = <int32_t> count
    caps.ioctls = NULL
    if count:
        caps.ioctls = ioctls_keep(area.proc, list_, count)
        if caps.ioctls == NULL:
            return -LINUX_ENOMEM
    return caps_limit(area, fd, &caps)


cdef public long sys_cap_ioctls_get(frame_t *frame, area_t *area) noexcept nogil:
    """The number of commands, of which as many are shown as there is room for; CAP_IOCTLS_ALL: all are allowed."""
    cdef caps_t caps
    cdef uint64_t count
    if not descriptor_is_open(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    caps_get(area.proc, <int> frame.arg[0], &caps)
    if caps.nioctls < 0:
        return 0x7fffffffffffffffL
    count = <uint64_t> caps.nioctls if <uint64_t> caps.nioctls < frame.arg[2] else frame.arg[2]
    if frame.arg[1] != 0 and count and copyout(caps.ioctls, frame.arg[1], 8 * count) < 0:
        return -LINUX_EFAULT
    return caps.nioctls


# ------------------------------------------------------------------ rights that depend on arguments

cdef void open_rights(uint32_t flags, rights_t *rights) noexcept nogil:
    """flags_to_rights in sys/kern/vfs_syscalls.c"""
    cdef uint32_t access = flags & FREEBSD_O_ACCMODE
    rights[0] = lsf_rights[LSF_RIGHT_LOOKUP]
    if flags & FREEBSD_O_EXEC:
        rights_add(rights, LSF_RIGHT_FEXECVE)
        if flags & FREEBSD_O_PATH:
            return
    else:
        if access == FREEBSD_O_RDONLY or access == FREEBSD_O_RDWR:
            rights_add(rights, LSF_RIGHT_READ)
        if access == FREEBSD_O_WRONLY or access == FREEBSD_O_RDWR:
            rights_add(rights, LSF_RIGHT_WRITE)
            if not flags & (FREEBSD_O_APPEND | FREEBSD_O_TRUNC):
                rights_add(rights, LSF_RIGHT_SEEK)
    if flags & FREEBSD_O_CREAT:
        rights_add(rights, LSF_RIGHT_CREATE)
    if flags & FREEBSD_O_TRUNC:
        rights_add(rights, LSF_RIGHT_FTRUNCATE)
    if flags & FREEBSD_O_SYNC:
        rights_add(rights, LSF_RIGHT_FSYNC)
    if flags & (FREEBSD_O_EXLOCK | FREEBSD_O_SHLOCK):
        rights_add(rights, LSF_RIGHT_FLOCK)


cdef bint fcntl_allowed(process_t *proc, int fd, int command) noexcept nogil:
    """kern_fcntl: fget_fcntl for what has a bit in CAP_FCNTL_ALL; locks need CAP_FLOCK, the rest needs nothing."""
    cdef const caps_t *caps = caps_of(proc, fd)
    if caps == NULL:
        return True
    if command == FREEBSD_F_GETFL or command == FREEBSD_F_SETFL or command == FREEBSD_F_GETOWN or command == FREEBSD_F_SETOWN:
        return caps_allow(proc, fd, LSF_RIGHT_FCNTL) and caps.fcntls >> command & 1 != 0
    if command == FREEBSD_F_KINFO:
        return caps_allow(proc, fd, LSF_RIGHT_FCNTL)
    if command == FREEBSD_F_GETLK or command == FREEBSD_F_SETLK or command == FREEBSD_F_SETLKW or command == FREEBSD_F_OGETLK \
            or command == FREEBSD_F_OSETLK or command == FREEBSD_F_OSETLKW:
        return caps_allow(proc, fd, LSF_RIGHT_FLOCK)
    return True


cdef bint mmap_allowed(process_t *proc, int fd, uint32_t prot, uint32_t flags) noexcept nogil:
    """kern_mmap: what a mapping of a descriptor asks for."""
    cdef rights_t rights = lsf_rights[LSF_RIGHT_MMAP]
    if flags & FREEBSD_MAP_ANON:
        return True
    if prot & FREEBSD_PROT_READ:
        rights_add(&rights, LSF_RIGHT_MMAP_R)
    if prot & FREEBSD_PROT_WRITE and flags & FREEBSD_MAP_SHARED:
        rights_add(&rights, LSF_RIGHT_MMAP_W)
    if prot & FREEBSD_PROT_EXEC:
        rights_add(&rights, LSF_RIGHT_MMAP_X)
    return caps_contain(proc, fd, &rights)


cdef void mmap_limit(process_t *proc, int fd, uint32_t flags, uint64_t start, uint64_t size) noexcept nogil:
    """cap_rights_to_vmprot: what mprotect may make of a mapping of a limited descriptor. A private one may be written to."""
    cdef uint64_t most = 0
    if flags & FREEBSD_MAP_ANON or caps_of(proc, fd) == NULL:
        return
    if caps_allow(proc, fd, LSF_RIGHT_MMAP_R):
        most |= FREEBSD_PROT_READ
    if not flags & FREEBSD_MAP_SHARED or caps_allow(proc, fd, LSF_RIGHT_MMAP_W):
        most |= FREEBSD_PROT_WRITE
    if caps_allow(proc, fd, LSF_RIGHT_MMAP_X):
        most |= FREEBSD_PROT_EXEC
    size = page_up(size + (start & (PAGE_SIZE - 1)))
    start = page_down(start)
    limits_set(proc, start, size, most & <uint64_t> limits_kept(proc, start, start + size))


cdef bint select_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    """getselfd_cap, for those of a limited descriptor that the sets name."""
    cdef int fd = fd_marked_from(proc, 0), i
    cdef uint64_t word
    while 0 <= fd < <int> frame.arg[0]:
        if not caps_allow(proc, fd, LSF_RIGHT_EVENT):
            for i in range(1, 4):
                word = 0
                if frame.arg[i] != 0 and fetch_guest64(frame.arg[i] + <uint64_t> (fd >> 6) * 8, &word) == 0 and word >> (fd & 63) & 1:
                    return False
        fd = fd_marked_from(proc, <uint32_t> fd + 1)
    return True


cdef bint send_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    """kern_sendit: who names an address connects. What it needs besides is in the table."""
    return send_address(frame) == 0 or caps_allow(proc, <int> frame.arg[0], LSF_RIGHT_CONNECT)


cdef uaddr send_address(frame_t *frame) noexcept nogil:
    """The address that a sendto(2) or sendmsg(2) names; 0: none."""
    cdef uint64_t name = 0
    if frame.nr == FREEBSD_SYS_sendto:
        return frame.arg[4]
    fetch_guest64(frame.arg[1], &name)
    return name


cdef bint arguments_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    """Calls whose rights no table tells (BY_ARGUMENTS), and those whose descriptors stand in memory."""
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t nr = frame.nr
    cdef const caps_t *caps
    if nr == FREEBSD_SYS_fcntl:
        return fcntl_allowed(proc, fd, <int> frame.arg[1])
    if nr == FREEBSD_SYS_ioctl:
        caps = caps_of(proc, fd)
        return caps == NULL or ioctl_allowed(caps, <uint32_t> frame.arg[1])
    if nr == FREEBSD_SYS_mmap or nr == FREEBSD6_MMAP:
        return mmap_allowed(proc, <int> frame.arg[4], <uint32_t> frame.arg[2], <uint32_t> frame.arg[3])
    if nr == FREEBSD_SYS_kevent or nr == FREEBSD_SYS_freebsd11_kevent:
        return (<int> frame.arg[2] <= 0 or caps_allow(proc, fd, LSF_RIGHT_KQUEUE_CHANGE)) \
            and (<int> frame.arg[4] <= 0 or caps_allow(proc, fd, LSF_RIGHT_KQUEUE_EVENT))
    if nr == FREEBSD_SYS_select or nr == FREEBSD_SYS_pselect:
        return select_allowed(proc, frame)
    if nr == FREEBSD_SYS_sendto or nr == FREEBSD_SYS_sendmsg:
        return send_allowed(proc, frame)
    if nr == FREEBSD_SYS_copy_file_range:
        return caps_allow(proc, fd, LSF_RIGHT_PREAD if frame.arg[1] != 0 else LSF_RIGHT_READ) \
            and caps_allow(proc, <int> frame.arg[2], LSF_RIGHT_PWRITE if frame.arg[3] != 0 else LSF_RIGHT_WRITE)
    return True


# ------------------------------------------------------------------ paths

cdef long path_rights(process_t *proc, int dirfd, uaddr path, rights_t *need) noexcept nogil:
    """namei's first steps, where a path begins in the directory of a descriptor or in the current one: 0 or an error."""
    cdef char first = 0
    cdef long length = guest_string_length(path, GUEST_PATH_MAX)
    if length < 0:
        return length
    if length >= <long> GUEST_PATH_MAX:
        return -LINUX_ENAMETOOLONG
    if proc.own.capmode and dirfd == LINUX_AT_FDCWD:
        return guest_error(FREEBSD_ECAPMODE)
    if copyin(path, &first, 1) == 0 and first == c'/':
        return guest_error(FREEBSD_ENOTCAPABLE) if proc.own.capmode else 0
    rights_add(need, LSF_RIGHT_LOOKUP)
    return 0 if dirfd == LINUX_AT_FDCWD or caps_contain(proc, dirfd, need) else guest_error(FREEBSD_ENOTCAPABLE)


cdef long open_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    cdef rights_t need
    open_rights(<uint32_t> frame.arg[2], &need)
    return path_rights(proc, <int> frame.arg[0], frame.arg[1], &need)


cdef long rename_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    """A name that is there already is removed, which needs CAP_UNLINKAT (kern_renameat)."""
    cdef long fd
    if <int> frame.arg[2] == LINUX_AT_FDCWD or caps_allow(proc, <int> frame.arg[2], LSF_RIGHT_UNLINKAT):
        return 0
    fd = path_beneath(<int> frame.arg[2], frame.arg[3], True)
    if fd < 0:
        return 0
    linux_syscall1(LINUX_SYS_close, fd)
    return guest_error(FREEBSD_ENOTCAPABLE)


cdef long local_address_allowed(process_t *proc, frame_t *frame) noexcept nogil:
    """bindat(2), connectat(2): where the path of a local address begins (uipc_bindat, unp_connectat)."""
    cdef uint8_t head[3]
    cdef rights_t need
    if proc.own.capmode and <int> frame.arg[0] == LINUX_AT_FDCWD:
        return guest_error(FREEBSD_ECAPMODE)
    if frame.arg[3] < 3 or copyin(frame.arg[2], head, 3) < 0 or head[1] != FREEBSD_AF_UNIX:
        return 0
    if head[2] == c'/':
        return guest_error(FREEBSD_ENOTCAPABLE) if proc.own.capmode else 0
    need = lsf_rights[LSF_RIGHT_BINDAT if frame.nr == FREEBSD_SYS_bindat else LSF_RIGHT_CONNECTAT]
    return 0 if <int> frame.arg[0] == LINUX_AT_FDCWD or caps_contain(proc, <int> frame.arg[0], &need) \
        else guest_error(FREEBSD_ENOTCAPABLE)


# ------------------------------------------------------------------ the hook

cdef long rights_check(process_t *proc, frame_t *frame) noexcept nogil:
    """Whether the descriptors of a call have the rights that it needs: 0 or an error."""
    cdef const cap_need_t *need
    cdef rights_t rights
    cdef long result
    if frame.nr == FREEBSD_SYS_openat:
        return open_allowed(proc, frame)
    if lsf_cap_first[frame.nr]:
        need = &lsf_cap_needs[lsf_cap_first[frame.nr] - 1]
        while need.nr == frame.nr:
            rights = lsf_rights[need.right]
            if need.path >= 0:
                result = path_rights(proc, <int> frame.arg[need.argument], frame.arg[need.path], &rights)
                if result < 0:
                    return result
            elif not caps_contain(proc, <int> frame.arg[need.argument], &rights):
                return guest_error(FREEBSD_ENOTCAPABLE)
            need += 1
    if frame.nr == FREEBSD_SYS_renameat:
        return rename_allowed(proc, frame)
    if frame.nr == FREEBSD_SYS_bindat or frame.nr == FREEBSD_SYS_connectat:
        return local_address_allowed(proc, frame)
    return 0 if arguments_allowed(proc, frame) else guest_error(FREEBSD_ENOTCAPABLE)


cdef long capsicum_made(process_t *proc, frame_t *frame, long result) noexcept nogil:
    """A call has made a descriptor, or a mapping: it has no more rights than what it comes from."""
    cdef char first = 0
    if is_error(result) or proc.own.fd_caps == NULL:
        return result
    if frame.nr == FREEBSD_SYS_openat:
        if copyin(frame.arg[1], &first, 1) == 0 and first != c'/' and caps_of(proc, <int> frame.arg[0]) != NULL:
            caps_copied(proc, <int> frame.arg[0], <int> result)
    elif frame.nr == FREEBSD_SYS_accept or frame.nr == FREEBSD_SYS_accept4:
        if caps_of(proc, <int> frame.arg[0]) != NULL:
            caps_copied(proc, <int> frame.arg[0], <int> result)
    elif frame.nr == FREEBSD_SYS_mmap or frame.nr == FREEBSD6_MMAP:
        mmap_limit(proc, <int> frame.arg[4], <uint32_t> frame.arg[3], <uint64_t> result, frame.arg[1])
    return result


cdef long capsicum_run(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Check a call and run it."""
    cdef long result = 0
    if area.proc.own.capmode:
        result = capmode_check(area, frame)
    if result == 0:
        result = rights_check(area.proc, frame)
    if result < 0 and frame.nr == FREEBSD_SYS_posix_fallocate:
        return posix_error(result)
    return result if result < 0 else capsicum_made(area.proc, frame, run_hooks(frame, area, rest))


cdef long capsicum_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """The hook. syscall(2) is checked as what it stands for (run_inner)."""
    cdef long result
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        return run_hooks(frame, area, rest)
    if frame.nr >= GUEST_NSYSCALLS:
        return guest_error(FREEBSD_ECAPMODE) if area.proc.own.capmode else run_hooks(frame, area, rest)
    result = capsicum_run(frame, area, rest)
    if area.proc.own.capmode and (result == guest_error(FREEBSD_ENOTCAPABLE) or result == guest_error(FREEBSD_ECAPMODE)):
        capmode_trap(area, result)
    return result

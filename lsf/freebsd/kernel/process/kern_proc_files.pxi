# kern.proc.filedesc, cwd and nfds: what a process has open. kern.devname.
# Model: FreeBSD sys/kern/kern_descrip.c (export_file_to_kinfo), sys/kern/kern_conf.c (sysctl_devname).

cdef long out_kinfo_file(sysctl_request_t *request, freebsd_kinfo_file *info) noexcept nogil:
    """Append a record without the unused end of its path."""
    if info.kf_cap_rights.cr_rights[0] == 0:
        memcpy(&info.kf_cap_rights, &lsf_rights[0], sizeof(rights_t))      # what is no descriptor has no rights
    info.kf_structsize = <int32_t> packed_kinfo_size(<uint64_t> info.kf_path - <uint64_t> info,
                                                     string_length(info.kf_path))
    return sysctl_out(request, info, info.kf_structsize)


cdef void kinfo_of_path(const char *link, int kind, const view_top_t *top, freebsd_kinfo_file *info) noexcept nogil:
    """A record of what a link in /proc leads to (the current folder, the root, the program)."""
    cdef linux_stat st
    cdef long got
    memset(info, 0, sizeof(freebsd_kinfo_file))
    info.kf_type = FREEBSD_KF_TYPE_VNODE
    info.kf_fd = kind
    info.kf_ref_count = -1
    info.kf_offset = -1
    info.kf_structsize = sizeof(freebsd_kinfo_file)
    got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> link, <uint64_t> info.kf_path, sizeof(info.kf_path) - 1)
    if is_error(got):
        info.kf_path[0] = 0
    name_in_view(top, info.kf_path, sizeof(info.kf_path))
    if is_error(linux_syscall2(LINUX_SYS_stat, <uint64_t> link, <uint64_t> &st)):
        return
    info.kf_flags = FREEBSD_KF_FLAG_READ
    info.kf_status = FREEBSD_KF_ATTR_VALID
    info.kf_un.kf_file.kf_file_type = kinfo_vnode_type(st.st_mode)
    info.kf_un.kf_file.kf_file_fsid = freebsd_dev_from_linux(st.st_dev)
    info.kf_un.kf_file.kf_file_fileid = st.st_ino
    info.kf_un.kf_file.kf_file_size = <uint64_t> st.st_size
    info.kf_un.kf_file.kf_file_mode = <uint16_t> st.st_mode


cdef public long sysctl_cwd(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_kinfo_file info
    cdef view_top_t top
    cdef char path[48]
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    view_top(request.area, pid, &top)
    proc_path(path, sizeof(path), pid, b"cwd")
    kinfo_of_path(path, FREEBSD_KF_FD_TYPE_CWD, &top, &info)
    if pid == request.area.proc.pid and info.kf_path[0] == 0:
        linux_syscall2(LINUX_SYS_getcwd, <uint64_t> info.kf_path, sizeof(info.kf_path))
        lookup_guest(SHIM, info.kf_path, sizeof(info.kf_path))
    if info.kf_path[0] == 0:
        return -LINUX_EPERM
    return out_kinfo_file(request, &info)


cdef void kinfo_rights(area_t *area, int pid, int fd, process_t *guest, freebsd_kinfo_file *info) noexcept nogil:
    """What another guest's descriptor is limited to."""
    cdef caps_t caps
    cdef uint8_t marks = 0
    memcpy(&info.kf_cap_rights, rights_all(guest if guest != NULL else area.proc), sizeof(rights_t))
    if guest == NULL or guest.own.fd_caps == NULL:
        return
    if fd < FD_MARKS:
        marks = guest.own.fd_marks[fd]
    elif guest.own.fd_marks_high != NULL:
        read_memory(area, pid, <uaddr> &guest.own.fd_marks_high[fd], &marks, 1)
    if marks & MARK_LIMITED and read_memory(area, pid, <uaddr> &(<caps_t *> guest.own.fd_caps)[fd], &caps, sizeof(caps)) == 0:
        memcpy(&info.kf_cap_rights, &caps.rights, sizeof(rights_t))


cdef void kinfo_of_socket(int pid, int fd, freebsd_kinfo_file *info) noexcept nogil:
    """The addresses of another process's socket, by a duplicate of its descriptor, where Linux gives one (pidfd_getfd(2), 5.6)."""
    cdef long process = linux_syscall2(LINUX_SYS_pidfd_open, <uint64_t> pid, 0), here
    if is_error(process):
        return
    here = linux_syscall3(LINUX_SYS_pidfd_getfd, <uint64_t> process, <uint64_t> fd, 0)
    linux_syscall1(LINUX_SYS_close, process)
    if is_error(here):
        return
    memset(&info.kf_un.kf_sock, 0, sizeof(info.kf_un.kf_sock))
    fill_kinfo_socket(<int> here, &info.kf_un.kf_sock)
    linux_syscall1(LINUX_SYS_close, here)


cdef long kinfo_of_descriptor(area_t *area, int pid, int fd, process_t *guest, const view_top_t *top,
                             freebsd_kinfo_file *info) noexcept nogil:
    """A descriptor of this process, or what /proc tells of another's (guest: its struct process, or NULL): 0, or a negative errno where
    it is hidden or gone."""
    cdef char path[64]
    cdef char text[256]
    cdef const char *at
    cdef int64_t position = 0
    cdef uint64_t end, flags
    if pid == area.proc.pid:
        return -LINUX_EBADF if descriptor_is_hidden(area.proc, fd) else fill_kinfo_file(fd, info)
    end = append(text, 0, sizeof(text), b"fd/")
    append_number(text, end, sizeof(text), <uint32_t> fd, 10)
    proc_path(path, sizeof(path), pid, text)
    kinfo_of_path(path, fd, top, info)
    kinfo_rights(area, pid, fd, guest, info)
    info.kf_ref_count = 1
    info.kf_type = kinfo_type(info.kf_path, info.kf_un.kf_file.kf_file_mode)
    if info.kf_path[0] != c'/' or info.kf_type == FREEBSD_KF_TYPE_SHM:
        memset(info.kf_path, 0, sizeof(info.kf_path))
    if info.kf_type == FREEBSD_KF_TYPE_SOCKET:
        kinfo_of_socket(pid, fd, info)
    end = append(text, 0, sizeof(text), b"fdinfo/")
    append_number(text, end, sizeof(text), <uint32_t> fd, 10)
    if proc_read(pid, text, text, sizeof(text)) > 0:
        at = find_text(text, b"pos:")
        if at != NULL:
            while at[0] == c'\t':
                at += 1
            parse_number(at, &position)
            info.kf_offset = position
        at = find_text(text, b"flags:")
        flags = 0
        if at != NULL:
            while at[0] == c'\t':
                at += 1
            while c'0' <= at[0] <= c'7':
                flags = flags * 8 + (at[0] - 48)
                at += 1
        end = linux_to_freebsd_open_flags(<unsigned> flags & 0o17777777)
        info.kf_flags = kinfo_flags(<uint32_t> end)
    return 0


cdef bint is_shims(area_t *area, process_t *guest, int fd) noexcept nogil:
    """True for a descriptor of a guest that its shim hides. Of another guest, `guest` is a copy, or NULL for a Linux program; what its kqueues
    hide is not known."""
    if guest == area.proc:
        return descriptor_is_hidden(guest, fd)
    return guest != NULL and (fd == guest.image_fd or fd == guest.truss_fd or fd == guest.stats_fd or fd == guest.record_fd or fd == guest.life_fd)


cdef int64_t descriptors_open(area_t *area, int pid) noexcept nogil:
    """How many descriptors a process has that are the guest's, or Linux's error where it does not tell."""
    cdef process_t *guest
    cdef proc_walk_t walk
    cdef char path[32]
    cdef int64_t count = 0
    cdef int fd
    cdef long result
    proc_path(path, sizeof(path), pid, b"fd")
    result = walk_begin(&walk, path)
    if result < 0:
        return result
    guest = guest_process(area, pid)
    fd = walk_next(&walk)
    while fd >= 0:
        if not (fd == walk.fd and pid == area.proc.pid) and not is_shims(area, guest, fd):
            count += 1
        fd = walk_next(&walk)
    release_guest(area, guest)
    return count


cdef inline long fds_error(int64_t result) noexcept nogil:
    return -LINUX_EPERM if result == -LINUX_EACCES else -LINUX_ESRCH


cdef public long sysctl_nfds(sysctl_request_t *request) noexcept nogil:
    """kern.proc.nfds.0: how many descriptors the caller has."""
    cdef int64_t open_
    cdef int32_t count
    if request.nrest != 1 or request.rest[0] != 0:
        return -LINUX_EINVAL
    open_ = descriptors_open(request.area, request.area.proc.pid)
    if open_ < 0:
        return fds_error(open_)
    count = <int32_t> open_
    return sysctl_out(request, &count, 4)


cdef public long sysctl_filedesc(sysctl_request_t *request) noexcept nogil:
    """Program, current folder, root, and the descriptors."""
    cdef freebsd_kinfo_file info
    cdef view_top_t top
    cdef proc_walk_t walk
    cdef process_t *guest
    cdef char path[48]
    cdef int pid = 0, fd
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    view_top(request.area, pid, &top)
    guest = guest_process(request.area, pid)
    if guest != NULL:
        proc_path(path, sizeof(path), pid, b"exe")
        kinfo_of_path(path, FREEBSD_KF_FD_TYPE_TEXT, &top, &info)
        append(info.kf_path, 0, sizeof(info.kf_path), guest.execpath)
        result = out_kinfo_file(request, &info)
    if result == 0:
        proc_path(path, sizeof(path), pid, b"cwd")
        kinfo_of_path(path, FREEBSD_KF_FD_TYPE_CWD, &top, &info)
        result = out_kinfo_file(request, &info)
    if result == 0:
        proc_path(path, sizeof(path), pid, b"root")
        kinfo_of_path(path, FREEBSD_KF_FD_TYPE_ROOT, &top, &info)
        result = out_kinfo_file(request, &info)
    if result == 0:
        proc_path(path, sizeof(path), pid, b"fd")
        result = walk_begin(&walk, path)
        if result < 0:
            result = fds_error(result)
    if result < 0:
        release_guest(request.area, guest)
        return result
    fd = walk_next(&walk)
    while fd >= 0:
        if not is_shims(request.area, guest, fd) and not (pid == request.area.proc.pid and fd == walk.fd) \
                and result == 0 and kinfo_of_descriptor(request.area, pid, fd, guest, &top, &info) == 0:
            result = out_kinfo_file(request, &info)
        fd = walk_next(&walk)
    release_guest(request.area, guest)
    return result


cdef public long sysctl_devname(sysctl_request_t *request) noexcept nogil:
    """The name of the device with a number, which comes as the new value."""
    cdef char name[64]
    cdef uint64_t dev = 0, at, linux
    cdef uint32_t major, minor
    if request.new_ == 0:
        return -LINUX_EINVAL
    if request.new_size != 8 and request.new_size != 4:
        return -LINUX_EINVAL
    if copyin(request.new_, &dev, request.new_size) < 0:
        return -LINUX_EFAULT
    if dev == (0xffffffffUL if request.new_size == 4 else <uint64_t> -1):
        return -LINUX_EINVAL                # NODEV
    linux = linux_dev_from_freebsd(dev)
    major = linux_major(linux)
    minor = linux_minor(linux)
    name[0] = 0
    if 136 <= major <= 143:
        at = append(name, 0, sizeof(name), b"pts/")
        append_number(name, at, sizeof(name), (major - 136) * 256 + minor, 10)
    elif major == 5 and minor == 0:
        append(name, 0, sizeof(name), b"tty")
    elif major == 5 and minor == 1:
        append(name, 0, sizeof(name), b"console")
    elif major == 4 and minor < 64:
        at = append(name, 0, sizeof(name), b"ttyv")
        append_number(name, at, sizeof(name), minor, 16)
    elif major == 1 and minor == 3:
        append(name, 0, sizeof(name), b"null")
    elif major == 1 and minor == 5:
        append(name, 0, sizeof(name), b"zero")
    if name[0] == 0:
        return -LINUX_ENOENT
    return sysctl_out_string(request, name)

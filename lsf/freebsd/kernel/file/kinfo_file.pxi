# What a descriptor is: struct kinfo_file.

cdef enum:
    KINFO_PATH = 1024                   # kf_path


cdef int kinfo_vnode_type(uint32_t mode) noexcept nogil:
    cdef uint32_t kind = mode & LINUX_S_IFMT
    if kind == LINUX_S_IFREG:
        return FREEBSD_KF_VTYPE_VREG
    if kind == LINUX_S_IFDIR:
        return FREEBSD_KF_VTYPE_VDIR
    if kind == LINUX_S_IFBLK:
        return FREEBSD_KF_VTYPE_VBLK
    if kind == LINUX_S_IFCHR:
        return FREEBSD_KF_VTYPE_VCHR
    if kind == LINUX_S_IFLNK:
        return FREEBSD_KF_VTYPE_VLNK
    if kind == LINUX_S_IFSOCK:
        return FREEBSD_KF_VTYPE_VSOCK
    return FREEBSD_KF_VTYPE_VFIFO if kind == LINUX_S_IFIFO else FREEBSD_KF_VTYPE_UNKNOWN


cdef int kinfo_flags(uint32_t flags) noexcept nogil:
    """KF_FLAG_ bits for FreeBSD's open flags."""
    cdef int result = 0
    if flags & FREEBSD_O_ACCMODE != FREEBSD_O_WRONLY:
        result |= FREEBSD_KF_FLAG_READ
    if flags & FREEBSD_O_ACCMODE != FREEBSD_O_RDONLY:
        result |= FREEBSD_KF_FLAG_WRITE
    if flags & FREEBSD_O_PATH:
        result = 0
    if flags & FREEBSD_O_EXEC:
        result = FREEBSD_KF_FLAG_EXEC
    if flags & FREEBSD_O_APPEND:
        result |= FREEBSD_KF_FLAG_APPEND
    if flags & FREEBSD_O_ASYNC:
        result |= FREEBSD_KF_FLAG_ASYNC
    if flags & FREEBSD_O_SYNC:
        result |= FREEBSD_KF_FLAG_FSYNC
    if flags & FREEBSD_O_NONBLOCK:
        result |= FREEBSD_KF_FLAG_NONBLOCK
    if flags & FREEBSD_O_DIRECT:
        result |= FREEBSD_KF_FLAG_DIRECT
    return result


cdef int kinfo_type(const char *path, uint32_t mode) noexcept nogil:
    """What kind of object: by the mode, and by the name that /proc gives what is no file."""
    cdef uint32_t kind = mode & LINUX_S_IFMT
    if kind == LINUX_S_IFSOCK and not path[0] == c'/':
        return FREEBSD_KF_TYPE_SOCKET
    if kind == LINUX_S_IFIFO:
        return FREEBSD_KF_TYPE_FIFO if path[0] == c'/' else FREEBSD_KF_TYPE_PIPE
    if string_starts(path, b"/memfd:"):
        return FREEBSD_KF_TYPE_SHM
    if string_starts(path, b"anon_inode:"):
        if string_starts(path, b"anon_inode:[eventpoll"):
            return FREEBSD_KF_TYPE_KQUEUE
        if string_starts(path, b"anon_inode:[eventfd"):
            return FREEBSD_KF_TYPE_EVENTFD
        if string_starts(path, b"anon_inode:[timerfd"):
            return FREEBSD_KF_TYPE_TIMERFD
        if string_starts(path, b"anon_inode:inotify"):
            return FREEBSD_KF_TYPE_INOTIFY
        return FREEBSD_KF_TYPE_UNKNOWN
    return FREEBSD_KF_TYPE_VNODE


cdef long fill_kinfo_file(int fd, freebsd_kinfo_file *info) noexcept nogil:
    """struct kinfo_file of one of the process's own descriptors."""
    cdef freebsd_stat st
    cdef caps_t caps
    cdef long result = stat_descriptor(fd, &st)
    memset(info, 0, sizeof(freebsd_kinfo_file))
    if result < 0:
        return result
    if is_error(descriptor_name(fd, info.kf_path, KINFO_PATH)):
        info.kf_path[0] = 0
    elif st.st_nlink == 0 and info.kf_path[0] == c'/':
        info.kf_path[0] = 0                 # Linux's "... (deleted)": FreeBSD has no path for what has no name (vn_fullpath)
    lookup_guest(SHIM, info.kf_path, KINFO_PATH)
    info.kf_structsize = sizeof(freebsd_kinfo_file)
    info.kf_type = kinfo_type(info.kf_path, st.st_mode)
    if info.kf_path[0] != c'/' or info.kf_type == FREEBSD_KF_TYPE_SHM:
        memset(info.kf_path, 0, KINFO_PATH)
    if st.st_mode == PROCDESC_MODE and procdesc_process(fd) > 0:
        info.kf_type = FREEBSD_KF_TYPE_PROCDESC
        info.kf_un.kf_proc.kf_pid = <int> procdesc_process(fd)
    caps_get(SHIM, fd, &caps)
    memcpy(&info.kf_cap_rights, &caps.rights, sizeof(rights_t))
    info.kf_fd = fd
    info.kf_ref_count = 1
    got = get_status_flags(SHIM, fd)
    if not is_error(got):
        info.kf_flags = kinfo_flags(<uint32_t> got)
    got = linux_syscall3(LINUX_SYS_lseek, fd, 0, 1)
    info.kf_offset = 0 if is_error(got) else got
    info.kf_status = FREEBSD_KF_ATTR_VALID
    if info.kf_type == FREEBSD_KF_TYPE_VNODE or info.kf_type == FREEBSD_KF_TYPE_FIFO or info.kf_type == FREEBSD_KF_TYPE_SHM:
        info.kf_un.kf_file.kf_file_type = kinfo_vnode_type(st.st_mode)
        info.kf_un.kf_file.kf_file_fsid = st.st_dev
        info.kf_un.kf_file.kf_file_rdev = st.st_rdev
        info.kf_un.kf_file.kf_file_fileid = st.st_ino
        info.kf_un.kf_file.kf_file_size = <uint64_t> st.st_size
        info.kf_un.kf_file.kf_file_nlink = st.st_nlink
        info.kf_un.kf_file.kf_file_fsid_freebsd11 = <uint32_t> st.st_dev
        info.kf_un.kf_file.kf_file_rdev_freebsd11 = <uint32_t> st.st_rdev
        info.kf_un.kf_file.kf_file_mode = st.st_mode
    elif info.kf_type == FREEBSD_KF_TYPE_SOCKET:
        fill_kinfo_socket(fd, &info.kf_un.kf_sock)
    return 0


cdef long describe_descriptor(int fd, uaddr target) noexcept nogil:
    """F_KINFO: the caller says in the first word how large it takes the struct to be."""
    cdef freebsd_kinfo_file info
    cdef uint32_t size = 0
    cdef long result
    if fetch_guest32(target, &size) < 0:
        return -LINUX_EFAULT
    if size != sizeof(freebsd_kinfo_file):
        return -LINUX_EINVAL
    result = fill_kinfo_file(fd, &info)
    memcpy(&info.kf_cap_rights, &lsf_rights[0], sizeof(rights_t))      # as FreeBSD: it tells none here
    return result if result < 0 else copyout(&info, target, sizeof(info))

# mkdir(2), mkfifo(2), mknod(2).

cdef long make_directory(int dirfd, uaddr path, uint64_t mode) noexcept nogil:
    """The sticky bit is not for mkdir to give (kern_mkdirat: ACCESSPERMS)."""
    cdef char followed[FREEBSD_PATH_MAX]
    cdef long found, result = linux_syscall3(LINUX_SYS_mkdirat, <uint64_t> <int64_t> dirfd, path, mode & FREEBSD_ACCESSPERMS)
    if result == -LINUX_EEXIST:
        found = follow_slash(dirfd, path, followed)
        if found < 0:
            return found
        if found:
            result = linux_syscall3(LINUX_SYS_mkdirat, <uint64_t> <int64_t> dirfd, <uint64_t> followed,
                                    mode & FREEBSD_ACCESSPERMS)
    return result


cdef public long sys_mkdir(frame_t *frame, area_t *area) noexcept nogil:
    return make_directory(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1])


cdef public long sys_mkdirat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], make_directory(<int> frame.arg[0], frame.arg[1], frame.arg[2]))


cdef long make_node(int dirfd, uaddr path, uint32_t mode, uint64_t dev) noexcept nogil:
    """mknodat(2): a FIFO, or a device for who may, which is looked at before the path is."""
    cdef uint32_t kind = mode & LINUX_S_IFMT
    cdef bint device = kind == LINUX_S_IFCHR or kind == LINUX_S_IFBLK
    if (device or kind == FREEBSD_S_IFWHT) and linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM
    if kind == FREEBSD_S_IFWHT:
        return -LINUX_EOPNOTSUPP            # a file system without whiteouts
    if device and dev == <uint64_t> -1:
        return -LINUX_EINVAL                # VNOVAL
    if kind == LINUX_S_IFIFO and dev == 0:
        return linux_syscall4(LINUX_SYS_mknodat, <uint64_t> <int64_t> dirfd, path, LINUX_S_IFIFO
                              | (mode & FREEBSD_ALLPERMS), 0)
    if device:
        return linux_syscall4(LINUX_SYS_mknodat, <uint64_t> <int64_t> dirfd, path, mode, linux_dev_from_freebsd(dev))
    return -LINUX_EINVAL


cdef public long sys_mkfifo(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(LINUX_AT_FDCWD, frame.arg[0], LINUX_S_IFIFO | (<uint32_t> frame.arg[1] & FREEBSD_ALLPERMS), 0)


cdef public long sys_mkfifoat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], make_node(
        <int> frame.arg[0], frame.arg[1], LINUX_S_IFIFO | (<uint32_t> frame.arg[2] & FREEBSD_ALLPERMS), 0))


cdef public long sys_mknodat(frame_t *frame, area_t *area) noexcept nogil:
    return empty_path_error(<int> frame.arg[0], frame.arg[1], make_node(
        <int> frame.arg[0], frame.arg[1], <uint16_t> frame.arg[2], frame.arg[3]))


cdef public long sys_freebsd11_mknod(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(LINUX_AT_FDCWD, frame.arg[0], <uint16_t> frame.arg[1], <uint32_t> frame.arg[2])


cdef public long sys_freebsd11_mknodat(frame_t *frame, area_t *area) noexcept nogil:
    return make_node(<int> frame.arg[0], frame.arg[1], <uint16_t> frame.arg[2], <uint32_t> frame.arg[3])

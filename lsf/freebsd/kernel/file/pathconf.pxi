# pathconf(2).

cdef enum:
    POSIX_ASYNCHRONOUS_IO = 200112
    EXT_LINK_MAX = 65000
    BTRFS_LINK_MAX = 65535
    LINK_MAX_OTHER = 0x7fffffff
    UNIX98_PTY_LAST_MAJOR = 143


cdef bint is_terminal_device(uint64_t dev) noexcept nogil:
    cdef uint32_t major = linux_major(dev)
    return major == LINUX_TTY_MAJOR or major == LINUX_TTYAUX_MAJOR \
            or LINUX_UNIX98_PTY_MASTER_MAJOR <= major <= UNIX98_PTY_LAST_MAJOR


cdef long pathconf_value(area_t *area, int name, const linux_stat *st, const linux_statfs *fs) noexcept nogil:
    cdef uint32_t kind = st.st_mode & LINUX_S_IFMT
    if kind == LINUX_S_IFIFO and fs.f_type == LINUX_PIPEFS_MAGIC or kind == LINUX_S_IFSOCK \
            and fs.f_type == LINUX_SOCKFS_MAGIC:
        return FREEBSD_PIPE_BUF if name == FREEBSD_PC_PIPE_BUF else -LINUX_EINVAL         # no vnode: kern_fpathconf
    if name == FREEBSD_PC_LINK_MAX:
        if fs.f_type == LINUX_EXT4_SUPER_MAGIC:
            return EXT_LINK_MAX
        return BTRFS_LINK_MAX if fs.f_type == LINUX_BTRFS_SUPER_MAGIC else LINK_MAX_OTHER
    if name == FREEBSD_PC_NAME_MAX:
        return fs.f_namelen if 0 < fs.f_namelen < FREEBSD_MAXNAMLEN else FREEBSD_MAXNAMLEN
    if name == FREEBSD_PC_PATH_MAX or name == FREEBSD_PC_SYMLINK_MAX:
        return FREEBSD_PATH_MAX
    if name == FREEBSD_PC_PIPE_BUF:
        return FREEBSD_PIPE_BUF if kind == LINUX_S_IFIFO or kind == LINUX_S_IFDIR else -LINUX_EINVAL
    if name == FREEBSD_PC_CHOWN_RESTRICTED or name == FREEBSD_PC_NO_TRUNC:
        return 1
    if name == FREEBSD_PC_MAX_CANON or name == FREEBSD_PC_MAX_INPUT or name == FREEBSD_PC_VDISABLE:
        if kind != LINUX_S_IFCHR or not is_terminal_device(st.st_rdev):
            return -LINUX_EINVAL
        return FREEBSD_POSIX_VDISABLE if name == FREEBSD_PC_VDISABLE else FREEBSD_MAX_CANON
    if name == FREEBSD_PC_ALLOC_SIZE_MIN:
        return fs.f_frsize if fs.f_frsize > 0 else fs.f_bsize
    if name == FREEBSD_PC_FILESIZEBITS:
        return 64
    if (name == FREEBSD_PC_REC_INCR_XFER_SIZE or name == FREEBSD_PC_REC_MIN_XFER_SIZE or name == FREEBSD_PC_MIN_HOLE_SIZE):
        return st.st_blksize
    if name == FREEBSD_PC_REC_MAX_XFER_SIZE:
        return return_value(area, -1)               # no limit
    if name == FREEBSD_PC_REC_XFER_ALIGN:
        return PAGE_SIZE
    if name == FREEBSD_PC_ASYNC_IO:
        return POSIX_ASYNCHRONOUS_IO
    if name == FREEBSD_PC_PRIO_IO or name == FREEBSD_PC_SYNC_IO:
        return 0
    if name == FREEBSD_PC_DEALLOC_PRESENT:
        return 1
    if FREEBSD_PC_ACL_EXTENDED <= name <= FREEBSD_PC_HAS_HIDDENSYSTEM or (
            name == FREEBSD_PC_CLONE_BLKSIZE and area.proc.own.osreldate >= FREEBSD_SINCE_CLONE):
        return 0
    return -LINUX_EINVAL


cdef public long sys_fpathconf(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_stat st
    cdef linux_statfs fs
    cdef long result = -LINUX_EBADF
    if not descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        result = linux_syscall2(LINUX_SYS_fstat, <uint32_t> frame.arg[0], <uint64_t> &st)
    if not is_error(result):
        result = linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> frame.arg[0], <uint64_t> &fs)
    return result if is_error(result) else pathconf_value(area, <int> frame.arg[1], &st, &fs)


cdef long pathconf_path(area_t *area, uaddr path, int name, uint32_t at_flags) noexcept nogil:
    cdef linux_stat st
    cdef linux_statfs fs
    cdef long fd = path_descriptor(LINUX_AT_FDCWD, path, at_flags), result
    if is_error(fd):
        return fd
    result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if not is_error(result):
        result = linux_syscall2(LINUX_SYS_fstatfs, fd, <uint64_t> &fs)
    linux_syscall1(LINUX_SYS_close, fd)
    return result if is_error(result) else pathconf_value(area, name, &st, &fs)


cdef public long sys_pathconf(frame_t *frame, area_t *area) noexcept nogil:
    return pathconf_path(area, frame.arg[0], <int> frame.arg[1], 0)


cdef public long sys_lpathconf(frame_t *frame, area_t *area) noexcept nogil:
    return pathconf_path(area, frame.arg[0], <int> frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW)

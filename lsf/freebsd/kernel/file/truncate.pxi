# truncate(2) and ftruncate(2). A kqueue of this process that watches the file is to know that it was not written to.

cdef long set_size(area_t *area, uint64_t nr, uint64_t file, uint64_t size) noexcept nogil:
    cdef long result
    if not event_truncates(area.proc):
        return tail_syscall2(area, nr, file, size)
    result = linux_syscall2(nr, file, size)
    event_truncated(area.proc)
    return result


cdef long truncate_path(area_t *area, uaddr path, uint64_t size) noexcept nogil:
    """By the name of a limited descriptor it takes CAP_EXTATTR_SET (fdesc_setattr)."""
    cdef long limited
    if area.proc.own.fd_caps != NULL:
        limited = limited_descriptor(area.proc, LINUX_AT_FDCWD, path)
        if limited < NAMES_NONE:
            return limited
        if limited >= 0 and not caps_allow(area.proc, <int> limited, LSF_RIGHT_EXTATTR_SET):
            return guest_error(FREEBSD_ENOTCAPABLE)
    return set_size(area, LINUX_SYS_truncate, path, size)


cdef public long sys_truncate(frame_t *frame, area_t *area) noexcept nogil:
    return truncate_path(area, frame.arg[0], frame.arg[1])


cdef public long sys_ftruncate(frame_t *frame, area_t *area) noexcept nogil:
    """A descriptor of O_PATH is, as any that cannot be written to, EINVAL (kern_ftruncate)."""
    if area.proc.own.paths_opened & OPENED_PATHS and path_kind(<int> frame.arg[0]) != ACCESS_FILE:
        return -LINUX_EINVAL
    return set_size(area, LINUX_SYS_ftruncate, frame.arg[0], frame.arg[1])


cdef public long sys_freebsd6_truncate(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD 6 has a padding argument before the size."""
    return truncate_path(area, frame.arg[0], frame.arg[2])


cdef public long sys_freebsd6_ftruncate(frame_t *frame, area_t *area) noexcept nogil:
    return set_size(area, LINUX_SYS_ftruncate, frame.arg[0], frame.arg[2])

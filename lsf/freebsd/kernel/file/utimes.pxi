# utimensat(2) and its kin.

cdef long times_in(uaddr times, linux_timespec *linux) noexcept nogil:
    """The two times of utimensat, with UTIME_NOW and UTIME_OMIT; EINVAL for nanoseconds that are none."""
    cdef freebsd_timespec pair[2]
    if copyin(times, pair, sizeof(pair)) < 0:
        return -LINUX_EFAULT
    if linux_utimens_from_freebsd(&linux[0], &pair[0]) < 0 or linux_utimens_from_freebsd(&linux[1], &pair[1]) < 0:
        return -LINUX_EINVAL
    return 0


cdef public long sys_utimensat(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec linux[2]
    cdef uint32_t flags = <uint32_t> frame.arg[3]
    cdef uint64_t times = 0
    cdef long fd, result, linux_flags = linux_at_flags(
        flags, FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH | FREEBSD_AT_EMPTY_PATH)
    if linux_flags < 0:
        return linux_flags
    if frame.arg[2] != 0:
        result = times_in(frame.arg[2], linux)
        if result < 0:
            return result
        times = <uint64_t> linux
    if frame.arg[1] == 0:
        return -LINUX_EFAULT                  # to Linux: the descriptor's own file
    if flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(<int> frame.arg[0], frame.arg[1], flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
        if fd < 0:
            return fd
        result = linux_syscall4(LINUX_SYS_utimensat, fd, <uint64_t> <const char *> b"", times, LINUX_AT_EMPTY_PATH)
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return empty_path_error(<int> frame.arg[0], frame.arg[1], linux_syscall4(
        LINUX_SYS_utimensat, frame.arg[0], frame.arg[1], times, <uint64_t> linux_flags))


cdef long set_times_of(int fd, uint64_t times) noexcept nogil:
    """utimensat of a descriptor's own file; one of O_EXEC Linux takes by the empty path alone."""
    cdef long result = linux_syscall4(LINUX_SYS_utimensat, <uint32_t> fd, 0, times, 0)
    if result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE:
        return linux_syscall4(LINUX_SYS_utimensat, <uint32_t> fd, <uint64_t> <const char *> b"", times, LINUX_AT_EMPTY_PATH)
    return result


cdef public long sys_futimens(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec linux[2]
    cdef long result
    if <int> frame.arg[0] < 0 or descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if frame.arg[1] == 0:
        return set_times_of(<int> frame.arg[0], 0)
    result = times_in(frame.arg[1], linux)
    return result if result < 0 else set_times_of(<int> frame.arg[0], <uint64_t> linux)


cdef public long sys_futimes(frame_t *frame, area_t *area) noexcept nogil:
    cdef char link[32]
    cdef long result
    if <int> frame.arg[0] < 0 or descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    result = linux_syscall3(LINUX_SYS_futimesat, frame.arg[0], 0, frame.arg[1])
    if result == -LINUX_EBADF and path_kind(<int> frame.arg[0]) == ACCESS_EXECUTE:
        descriptor_path(<int> frame.arg[0], link)
        result = linux_syscall3(LINUX_SYS_futimesat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, frame.arg[1])
    return result


cdef public long sys_lutimes(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_timeval pair[2]
    cdef linux_timespec linux[2]
    cdef uint64_t times = 0
    cdef int i
    if frame.arg[0] == 0:
        return -LINUX_EFAULT
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], pair, sizeof(pair)) < 0:
            return -LINUX_EFAULT
        for i in range(2):
            if not 0 <= pair[i].tv_usec < 1000000:
                return -LINUX_EINVAL
            linux[i].tv_sec = pair[i].tv_sec
            linux[i].tv_nsec = pair[i].tv_usec * 1000
        times = <uint64_t> linux
    return linux_syscall4(LINUX_SYS_utimensat, <uint64_t> LINUX_AT_FDCWD, frame.arg[0], times, LINUX_AT_SYMLINK_NOFOLLOW)

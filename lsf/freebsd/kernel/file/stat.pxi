# stat and its former layouts. Model: FreeBSD sys/kern/vfs_syscalls.c (kern_statat), kern_descrip.c (kern_fstat).
#
# All of them ask statx(2): it costs what stat(2) does and tells the birth time and the file flags too.


cdef enum:
    LINK_MODE = 0o120777                # every symbolic link's on Linux


cdef long stat_file(int dirfd, uaddr path, uint32_t flags, freebsd_stat *st) noexcept nogil:
    """fstatat(2) with FreeBSD's flags."""
    cdef linux_statx sx
    cdef uint64_t linux_flags = 0
    cdef long result, fd
    if flags:
        if flags & ~<uint32_t> (FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_EMPTY_PATH | FREEBSD_AT_RESOLVE_BENEATH):
            return -LINUX_EINVAL
        if flags & FREEBSD_AT_SYMLINK_NOFOLLOW:
            linux_flags = LINUX_AT_SYMLINK_NOFOLLOW
        if flags & FREEBSD_AT_EMPTY_PATH:
            if path == 0:
                return -LINUX_EFAULT    # which Linux takes for an empty one, since 6.11
            linux_flags |= LINUX_AT_EMPTY_PATH
        if flags & FREEBSD_AT_RESOLVE_BENEATH:
            fd = open_beneath(dirfd, path, LINUX_O_PATH | LINUX_O_CLOEXEC
                              | (LINUX_O_NOFOLLOW if flags & FREEBSD_AT_SYMLINK_NOFOLLOW else 0), 0)
            if fd < 0:
                return fd
            result = stat_descriptor(<int> fd, st)
            linux_syscall1(LINUX_SYS_close, fd)
            return result
    result = linux_syscall5(LINUX_SYS_statx, <uint64_t> <int64_t> dirfd, path, linux_flags, LINUX_STATX_ALL,
                            <uint64_t> &sx)
    if is_error(result):
        return empty_path_error(dirfd, path, result)
    freebsd_stat_from_statx(st, &sx)
    if st.st_flags:
        show_user_flags_at(dirfd, path, flags, st)
    elif special_may_have_flags(&sx):
        st.st_flags = special_flags_at(dirfd, path, flags)
    if linux_flags and link_mode_may_be_kept(&sx):
        show_link_mode_at(dirfd, path, flags, st)
    if SHIM.own.fakeroot:
        fake_owner_at(dirfd, path, linux_flags, st)
    return 0


cdef long stat_descriptor(int fd, freebsd_stat *st) noexcept nogil:
    """fstat(2). No path at all is faster than an empty one, where Linux (6.11 or later) takes it."""
    cdef linux_statx sx
    cdef long result
    if fd < 0:
        return -LINUX_EBADF                   # AT_FDCWD is a directory to statx
    result = linux_syscall5(LINUX_SYS_statx, fd, 0, LINUX_AT_EMPTY_PATH, LINUX_STATX_ALL, <uint64_t> &sx)
    if result == -LINUX_EFAULT:
        result = linux_syscall5(LINUX_SYS_statx, fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH, LINUX_STATX_ALL,
                                <uint64_t> &sx)
    if is_error(result):
        return result
    freebsd_stat_from_statx(st, &sx)
    if st.st_flags:
        show_user_flags(fd, st)
    elif special_may_have_flags(&sx):
        st.st_flags = special_flags(fd)
    if link_mode_may_be_kept(&sx):
        show_link_mode(fd, st)
    if SHIM.own.fakeroot:
        fake_owner(fd, st)
    return 0


cdef inline long stat_visible(area_t *area, uint64_t fd, freebsd_stat *st) noexcept nogil:
    """fstat(2) for the guest, which does not see the shim's descriptors."""
    if descriptor_is_hidden(area.proc, <int> fd):
        return -LINUX_EBADF
    if event_watches(area.proc, <int> fd) and descriptor_is_kqueue(area.proc, <int> fd):
        memset(st, 0, sizeof(freebsd_stat))
        st.st_mode = LINUX_S_IFIFO                # kqueue_stat
        return 0
    return stat_typed(area.proc, <int> fd, st)


cdef long stat_typed(process_t *proc, int fd, freebsd_stat *st) noexcept nogil:
    cdef long result = stat_untyped(fd, st)
    if result == 0 and st.st_mode & LINUX_S_IFMT == LINUX_S_IFIFO:
        pipe_stat(proc, fd, st)
    if result == 0 and is_object(proc, fd):
        object_stat(fd, st)
    return result


cdef void inotify_stat(int fd, freebsd_stat *st) noexcept nogil:
    """Model: sys/kern/vfs_inotify.c (inotify_stat)."""
    cdef process_t *proc = current_area().proc
    cdef uint64_t records = 0
    cdef int64_t ino = st.st_ino
    memset(st, 0, sizeof(freebsd_stat))
    st.st_ino = ino
    st.st_mode = LINUX_S_IFREG | 0o400
    st.st_uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    st.st_gid = <uint32_t> linux_syscall0(LINUX_SYS_getgid)
    st.st_blksize = INOTIFY_RECORD_MOST
    if is_inotify(proc, fd):
        st.st_size = <int64_t> inotify_pending(proc, fd, &records)
        st.st_blocks = <int64_t> records


cdef inline long stat_untyped(int fd, freebsd_stat *st) noexcept nogil:
    """fstat(2) with the mode that FreeBSD shows for what is no file, and Linux calls a file without a type."""
    cdef long result = stat_descriptor(fd, st)
    cdef int kind
    if result == 0 and st.st_mode & LINUX_S_IFMT == 0:
        kind = anonymous_kind(fd)
        if kind == ANONYMOUS_EVENTFD:
            st.st_mode = LINUX_S_IFIFO
        elif kind == ANONYMOUS_TIMERFD:
            timerfd_stat(st)
        elif kind == ANONYMOUS_INOTIFY:
            inotify_stat(fd, st)
    if result == 0 and st.st_mode == PROCDESC_MODE:
        procdesc_stat(fd, st)
    return result


cdef public long sys_fstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    cdef linux_statx sx
    cdef int fd = <int> frame.arg[0]
    cdef long result = -LINUX_EFAULT
    # The common case without a call of a function: its return would be mispredicted after Linux's (see tail_syscall).
    if fd >= 0 and area.proc.own.events == NULL and fd != area.proc.image_fd and fd != area.proc.truss_fd and fd != area.proc.record_fd \
            and fd != area.proc.stats_fd and fd != area.proc.life_fd and not area.proc.own.stat_apart:
        result = linux_syscall5(LINUX_SYS_statx, fd, 0, LINUX_AT_EMPTY_PATH, LINUX_STATX_ALL, <uint64_t> &sx)
    if result == 0 and sx.stx_mode & LINUX_S_IFMT and sx.stx_mode != PROCDESC_MODE and sx.stx_mode != LINK_MODE:
        freebsd_stat_from_statx(&st, &sx)
        if sx.stx_mode & LINUX_S_IFMT == LINUX_S_IFIFO:
            pipe_stat(area.proc, fd, &st)
        if st.st_flags:
            show_user_flags(fd, &st)
        elif special_may_have_flags(&sx):
            st.st_flags = special_flags(fd)
    else:
        result = stat_visible(area, frame.arg[0], &st)
        if result < 0:
            return result
    return copyout(&st, frame.arg[1], sizeof(st))


cdef public long sys_fstatat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    cdef linux_statx sx
    cdef long result
    if frame.arg[3] & 0xffffffffUL == 0 and not area.proc.own.fakeroot:
        result = linux_syscall5(LINUX_SYS_statx, <uint64_t> <int64_t> <int> frame.arg[0], frame.arg[1], 0, LINUX_STATX_ALL,
                                <uint64_t> &sx)
        if is_error(result):
            return empty_path_error(<int> frame.arg[0], frame.arg[1], result)
        freebsd_stat_from_statx(&st, &sx)
        if st.st_flags:
            show_user_flags_at(<int> frame.arg[0], frame.arg[1], 0, &st)
        elif special_may_have_flags(&sx):
            st.st_flags = special_flags_at(<int> frame.arg[0], frame.arg[1], 0)
        return copyout(&st, frame.arg[2], sizeof(st))
    result = stat_file(<int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[3], &st)
    if result < 0:
        return result
    return copyout(&st, frame.arg[2], sizeof(st))


# --- FreeBSD 11 and before -------------------------------------------------------------------------------------------


cdef inline void ktr_stat(const freebsd_stat *st) noexcept nogil:
    """ktrace(2) is told the kernel's struct, whatever the program gets."""
    cdef area_t *area = current_area()
    if area.proc.record_fd >= 0:
        ktr_struct_of(area, b"stat", st, sizeof(freebsd_stat))


cdef long copyout_stat11(long result, const freebsd_stat *st, uaddr target) noexcept nogil:
    cdef freebsd11_stat old
    if result < 0:
        return result
    ktr_stat(st)
    freebsd11_stat_from_freebsd(&old, st)
    return copyout(&old, target, sizeof(old))


cdef long copyout_nstat(long result, const freebsd_stat *st, uaddr target) noexcept nogil:
    cdef freebsd_nstat old
    if result < 0:
        return result
    ktr_stat(st)
    freebsd_nstat_from_freebsd(&old, st)
    return copyout(&old, target, sizeof(old))


cdef public long sys_freebsd11_stat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_stat11(stat_file(LINUX_AT_FDCWD, frame.arg[0], 0, &st), &st, frame.arg[1])


cdef public long sys_freebsd11_fstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_stat11(stat_visible(area, frame.arg[0], &st), &st, frame.arg[1])


cdef public long sys_freebsd11_lstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_stat11(stat_file(LINUX_AT_FDCWD, frame.arg[0], FREEBSD_AT_SYMLINK_NOFOLLOW, &st), &st, frame.arg[1])


cdef public long sys_freebsd11_fstatat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_stat11(stat_file(<int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[3], &st), &st,
                          frame.arg[2])


cdef public long sys_freebsd11_nstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_nstat(stat_file(LINUX_AT_FDCWD, frame.arg[0], 0, &st), &st, frame.arg[1])


cdef public long sys_freebsd11_nfstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_nstat(stat_visible(area, frame.arg[0], &st), &st, frame.arg[1])


cdef public long sys_freebsd11_nlstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_stat st
    return copyout_nstat(stat_file(LINUX_AT_FDCWD, frame.arg[0], FREEBSD_AT_SYMLINK_NOFOLLOW, &st), &st, frame.arg[1])

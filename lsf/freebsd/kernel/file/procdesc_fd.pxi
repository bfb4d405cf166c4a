# What a process descriptor is (process/procdesc.pxi): the reading end of a pipe.

cdef enum:
    PROCDESC_MARK = 0x4c5350            # nanoseconds of the modification time
    PROCDESC_MODE = 0o10700             # S_IFIFO: a pipe has 0600 else


cdef long procdesc_look(int fd, linux_statx *sx) noexcept nogil:
    """The number of the process that a descriptor stands for, or -EBADF where it is no process descriptor."""
    cdef long result = linux_syscall5(LINUX_SYS_statx, <uint32_t> fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH,
                                      LINUX_STATX_ALL, <uint64_t> sx) if fd >= 0 else -LINUX_EBADF
    if is_error(result) or sx.stx_mode != PROCDESC_MODE or sx.stx_mtime.tv_nsec != PROCDESC_MARK:
        return -LINUX_EBADF
    return <int> sx.stx_mtime.tv_sec


cdef long procdesc_process(int fd) noexcept nogil:
    cdef linux_statx sx
    return procdesc_look(fd, &sx)


cdef bint procdesc_hung_up(int fd) noexcept nogil:
    """True where the process has closed its files: it is ending, or gone."""
    cdef linux_pollfd one
    cdef uint64_t none[2]
    memset(none, 0, sizeof(none))
    one.fd = fd
    one.events = 0
    one.revents = 0
    linux_syscall5(LINUX_SYS_ppoll, <uint64_t> &one, 1, <uint64_t> none, 0, 8)
    return one.revents & (LINUX_POLLHUP | LINUX_POLLERR) != 0


cdef void procdesc_stat(int fd, freebsd_stat *st) noexcept nogil:
    """procdesc_stat of FreeBSD, where this is one: all times are the start's."""
    cdef linux_statx sx
    cdef freebsd_timespec start
    cdef uint64_t inode = st.st_ino
    if procdesc_look(fd, &sx) < 0:
        return
    start = st.st_atim
    memset(st, 0, sizeof(freebsd_stat))
    st.st_mode = LINUX_S_IFREG
    if linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETOWN) <= 0:
        return
    if not procdesc_hung_up(fd):
        st.st_mode |= 0o700
    st.st_atim = start
    st.st_mtim = start
    st.st_ctim = start
    st.st_birthtim = start
    st.st_uid = sx.stx_uid
    st.st_gid = sx.stx_gid

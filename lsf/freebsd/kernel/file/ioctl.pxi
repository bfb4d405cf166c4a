# ioctl(2): the requests of every descriptor. Requests are known by FreeBSD's numbers (lsf/freebsd/tables/ioctls.py).
# Model: sys/kern/sys_generic.c (sys_ioctl, kern_ioctl), sys/fs/devfs/devfs_vnops.c (FIODTYPE, FIODGNAME).

# The argument of FIODGNAME.
cdef struct freebsd_fiodgname_arg:
    int32_t len
    uint64_t buf


cdef public long sys_ioctl(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef uint32_t command = <uint32_t> frame.arg[1]
    cdef uaddr data = frame.arg[2]
    cdef const lsf_ioctl_t *row = ioctl_row(command)
    cdef long result
    cdef int32_t count
    cdef uint64_t records
    if row == NULL:
        result = ioctl_check(area.proc, fd)
        return -LINUX_ENOTTY if result == 0 else result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if row.how == LSF_IOCTL_PASS:
        if command & FREEBSD_IOC_OUT and range_is_ours(data, (command >> 16) & 0x1fff):
            return -LINUX_EFAULT
        if command == FREEBSD_FIONREAD and pipe_end(area.proc, fd) == MARK_WRITES:
            result = pipe_readable(area.proc, fd, MARK_WRITES, &count)
            return result if result < 0 else copyout_int(count, data)
        if command == FREEBSD_FIONREAD and is_inotify(area.proc, fd):
            return copyout_int(<int> inotify_pending(area.proc, fd, &records), data)
        result = linux_ioctl(fd, row.linux_command, data)
        if result == -LINUX_ENOTTY and command == FREEBSD_FIOASYNC:
            return async_refused(fd, data)
        if result == -LINUX_ENOTTY and command == FREEBSD_FIONREAD:
            result = netlink_readable(area, fd, &count)
            return result if result < 0 else copyout_int(count, data)
    elif row.how == LSF_IOCTL_VALUE:
        result = linux_ioctl(fd, row.linux_command, row.value)
    elif (command >> 8) & 0xff == 116:          # 't'
        result = ioctl_tty(area, fd, row, data)
    elif (command >> 8) & 0xff == 105:          # 'i'
        result = ioctl_interface(area, fd, row, data)
    else:
        result = ioctl_file(area, fd, row, data)
    if result == -LINUX_EIO and (command >> 8) & 0xff == 116 and is_hung_up(fd):
        return -LINUX_ENXIO
    # Linux's drivers say EINVAL, too, for a request that is not theirs.
    if result == -LINUX_EINVAL and row.how == LSF_IOCTL_PASS and command & FREEBSD_IOC_OUT:
        return -LINUX_ENOTTY
    return result


cdef long async_refused(int fd, uaddr data) noexcept nogil:
    """FIOASYNC of what Linux knows no SIGIO for: a file's is taken (vn_ioctl), of null and zero only 0 is (null_ioctl)."""
    cdef int number = 0
    cdef long mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if copyin(data, &number, 4) < 0:
        return -LINUX_EFAULT
    if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFREG or mode & LINUX_S_IFMT == LINUX_S_IFDIR:
        return mode if is_error(mode) else 0
    return -LINUX_EINVAL if number != 0 else 0


cdef bint has_no_owner(int fd) noexcept nogil:
    """A file or a folder: nobody is told of its input (vn_ioctl)."""
    cdef long mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    return not is_error(mode) and (mode & LINUX_S_IFMT == LINUX_S_IFREG or mode & LINUX_S_IFMT == LINUX_S_IFDIR) \
        and path_kind(fd) != ACCESS_PATH


cdef long set_owner(int fd, int owner) noexcept nogil:
    return -LINUX_ENOTTY if has_no_owner(fd) else linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETOWN, <uint64_t> <long> owner)


cdef long get_owner(int fd, int *owner) noexcept nogil:
    """F_GETOWN gives a process group as a small negative number, which looks like an error; F_GETOWN_EX does not."""
    cdef int pair[2]
    cdef long result
    if has_no_owner(fd):
        return -LINUX_ENOTTY
    result = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_GETOWN_EX, <uint64_t> pair)
    if is_error(result):
        return result
    owner[0] = -pair[1] if pair[0] == LINUX_F_OWNER_PGRP else pair[1]
    return 0


cdef long socket_send_space(int fd, int *space) noexcept nogil:
    cdef int size = 0, waiting = 0
    cdef uint32_t length = 4
    cdef long result = linux_syscall5(LINUX_SYS_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, <uint64_t> &size, <uint64_t> &length)
    if is_error(result):
        return result
    result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCOUTQ, <uint64_t> &waiting)
    if is_error(result):
        return result
    # Linux doubles what was asked for and counts its own overhead in.
    space[0] = size // 2 - waiting if size // 2 > waiting else 0
    return 0


cdef long ioctl_file(area_t *area, int fd, const lsf_ioctl_t *row, uaddr data) noexcept nogil:
    """The translated requests that are not a terminal's."""
    cdef uint32_t command = row.command
    cdef long result
    cdef int number = 0
    cdef int64_t offset = 0
    cdef linux_stat st
    if command == FREEBSD_FIOSETOWN or command == FREEBSD_SIOCSPGRP:
        if copyin(data, &number, 4) < 0:
            return -LINUX_EFAULT
        return set_owner(fd, number)
    if command == FREEBSD_FIOGETOWN or command == FREEBSD_SIOCGPGRP:
        result = get_owner(fd, &number)
        return result if result < 0 else copyout_int(number, data)
    if command == FREEBSD_FIODGNAME:
        return device_name(fd, data)
    result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if is_error(result):
        return result
    if command == FREEBSD_FIODTYPE:
        if st.st_mode & LINUX_S_IFMT != LINUX_S_IFCHR and st.st_mode & LINUX_S_IFMT != LINUX_S_IFBLK:
            return -LINUX_ENOTTY
        return copyout_int(device_type(st.st_mode, st.st_rdev, fd), data)
    if command == FREEBSD_FIONWRITE or command == FREEBSD_FIONSPACE:
        if st.st_mode & LINUX_S_IFMT != LINUX_S_IFSOCK:
            result = ioctl_check(area.proc, fd)
            return -LINUX_ENOTTY if result == 0 else result
        if command == FREEBSD_FIONSPACE:
            result = socket_send_space(fd, &number)
        else:
            result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_SIOCOUTQ, <uint64_t> &number)
            if result == -LINUX_ENOTTY:
                result = 0              # of netlink and routing sockets, where nothing waits
        return result if is_error(result) else copyout_int(number, data)
    if command == FREEBSD_FIOSEEKDATA or command == FREEBSD_FIOSEEKHOLE:
        if st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG:
            return -LINUX_ENOTTY
        if copyin(data, &offset, 8) < 0:
            return -LINUX_EFAULT
        result = seek_without_moving(fd, offset,
                                     LINUX_SEEK_DATA if command == FREEBSD_FIOSEEKDATA else LINUX_SEEK_HOLE, &offset)
        return result if result < 0 else copyout(&offset, data, 8)
    if command == FREEBSD_DIOCGSECTORSIZE or command == FREEBSD_DIOCGMEDIASIZE:
        if st.st_mode & LINUX_S_IFMT != LINUX_S_IFBLK:
            return -LINUX_ENOTTY
        if command == FREEBSD_DIOCGSECTORSIZE:
            result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_BLKSSZGET, <uint64_t> &number)
            return result if is_error(result) else copyout_int(number, data)
        result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_BLKGETSIZE64, <uint64_t> &offset)
        return result if is_error(result) else copyout(&offset, data, 8)
    if command == FREEBSD_DIOCGFLUSH:
        if st.st_mode & LINUX_S_IFMT != LINUX_S_IFBLK:
            return -LINUX_ENOTTY
        return linux_syscall1(LINUX_SYS_fsync, fd)
    return -LINUX_ENOTTY


cdef long seek_without_moving(int fd, int64_t offset, int whence, int64_t *found) noexcept nogil:
    """FIOSEEKDATA and FIOSEEKHOLE leave the file's offset alone, Linux's lseek moves it: it is put back."""
    cdef long before = linux_syscall3(LINUX_SYS_lseek, fd, 0, 1)
    cdef long result
    if is_error(before):
        return before
    result = linux_syscall3(LINUX_SYS_lseek, fd, <uint64_t> offset, whence)
    linux_syscall3(LINUX_SYS_lseek, fd, before, 0)
    if is_error(result):
        return result
    found[0] = result
    return 0


cdef int device_type(uint32_t mode, uint64_t rdev, int fd) noexcept nogil:
    """What FIODTYPE says of a device."""
    cdef uint32_t major = linux_major(rdev), minor = linux_minor(rdev)
    cdef uint8_t size[8]
    if mode & LINUX_S_IFMT == LINUX_S_IFBLK:
        return FREEBSD_D_DISK
    if major == 1 and 1 <= minor <= 2:                  # mem and kmem; null and zero have no type (sys/dev/null/null.c)
        return FREEBSD_D_MEM
    if not is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGWINSZ, <uint64_t> size)):
        return FREEBSD_D_TTY
    return 0


cdef long device_name(int fd, uaddr data) noexcept nogil:
    """FIODGNAME: the name of a device below /dev. ptsname(3) wants the slave's name from the master."""
    cdef freebsd_fiodgname_arg argument
    cdef char name[256]
    cdef uint64_t length
    cdef long result
    if copyin(data, &argument, sizeof(argument)) < 0:
        return -LINUX_EFAULT
    result = find_device_name(fd, name)
    if result < 0:
        return result
    length = string_length(name) + 1
    if argument.len < 0 or length > <uint64_t> argument.len:
        return -LINUX_EINVAL
    return copyout(name, argument.buf, length)


cdef long find_device_name(int fd, char *name) noexcept nogil:
    """The name (256 bytes) of the device that a descriptor is open to, without /dev/: 0, -ENOTTY where it is none."""
    cdef linux_stat st
    cdef uint32_t major, minor, number = 0
    cdef uint64_t at
    cdef long result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if is_error(result):
        return result
    if st.st_mode & LINUX_S_IFMT != LINUX_S_IFCHR and st.st_mode & LINUX_S_IFMT != LINUX_S_IFBLK:
        return -LINUX_ENOTTY
    major = linux_major(st.st_rdev)
    minor = linux_minor(st.st_rdev)
    # Terminals by their number: that needs no /proc and no /dev in a root.
    if major == 5 and minor == 2 and not is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGPTN, <uint64_t> &number)):
        at = append(name, 0, 256, b"pts/")              # the master: TIOCGPTN
        append_number(name, at, 256, number, 10)
        return 0
    if (major == 5 and minor == 0 and not is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGDEV, <uint64_t> &number))
            and 136 <= linux_major(number) <= 143):
        major = linux_major(number)         # who opens /dev/tty has opened the controlling terminal itself, on FreeBSD
        minor = linux_minor(number)
    if 136 <= major <= 143:
        at = append(name, 0, 256, b"pts/")
        append_number(name, at, 256, (major - 136) * 0x100000 + minor, 10)
        return 0
    if major == 5 and minor <= 1:
        append(name, 0, 256, b"tty" if minor == 0 else b"console")
        return 0
    if is_error(descriptor_name(fd, name, 256)):
        return -LINUX_ENOTTY
    if not string_starts(name, b"/dev/"):
        return -LINUX_ENOTTY
    at = 5
    while True:
        name[at - 5] = name[at]
        if name[at] == 0:
            return 0
        at += 1

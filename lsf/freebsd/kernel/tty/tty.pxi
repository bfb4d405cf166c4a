# Terminals: termios(4), tty(4), pts(4). Model: sys/kern/tty.c (tty_ioctl), sys/kern/tty_pts.c.

cdef enum:
    FREEBSD_NO_PID = 100000         # TIOCGPGRP where the terminal has no foreground process group


cdef uint32_t linux_speed_of_bits(uint32_t bits) noexcept nogil:
    """The speed of CBAUD bits, for a kernel that does not say it as a number."""
    cdef const lsf_bits *row = lsf_speeds
    while row[0][0] != 0:
        if row[0][0] == bits:
            return row[0][1]
        row += 1
    return 0


cdef long get_termios(int fd, linux_termios2 *termios) noexcept nogil:
    """TCGETS2, or TCGETS where a kernel has not the former."""
    cdef long result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TCGETS2, <uint64_t> termios)
    if result != -LINUX_ENOTTY and result != -LINUX_EINVAL:
        return result
    result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TCGETS, <uint64_t> termios)
    if is_error(result):
        return result
    termios.c_ospeed = linux_speed_of_bits(termios.c_cflag & LINUX_CBAUD)
    termios.c_ispeed = termios.c_ospeed
    return 0


cdef long set_termios(int fd, int when, linux_termios2 *termios) noexcept nogil:
    """when: 0 now, 1 after the output has drained, 2 and with the input flushed."""
    cdef long result = linux_ioctl(fd, LINUX_TCSETS2 + when, <uint64_t> termios)
    if result == -LINUX_ENOTTY or result == -LINUX_EINVAL:
        result = linux_ioctl(fd, LINUX_TCSETS + when, <uint64_t> termios)
    return result


cdef long ioctl_set_termios(int fd, int when, uaddr data) noexcept nogil:
    cdef freebsd_termios wanted
    cdef linux_termios2 now, termios
    cdef long result
    if copyin(data, &wanted, sizeof(wanted)) < 0:
        return -LINUX_EFAULT
    result = get_termios(fd, &now)
    if is_error(result):
        return result
    linux_termios2_from_freebsd(&termios, &wanted, &now)
    if wanted.c_cflag & FREEBSD_CIGNORE:
        termios.c_cflag = now.c_cflag
        termios.c_ispeed = now.c_ispeed
        termios.c_ospeed = now.c_ospeed
    return set_termios(fd, when, &termios)


cdef long ioctl_tty(area_t *area, int fd, const lsf_ioctl_t *row, uaddr data) noexcept nogil:
    """The translated requests of terminals."""
    cdef uint32_t command = row.command
    cdef linux_termios2 termios
    cdef freebsd_termios answer
    cdef long result
    cdef int number = 0
    if command == FREEBSD_TIOCGETA:
        result = get_termios(fd, &termios)
        if is_error(result):
            return result
        freebsd_termios_from_linux(&answer, &termios)
        return copyout(&answer, data, sizeof(answer))
    if command == FREEBSD_TIOCSETA or command == FREEBSD_TIOCSETAW or command == FREEBSD_TIOCSETAF:
        return ioctl_set_termios(fd, command - FREEBSD_TIOCSETA, data)
    if command == FREEBSD_TIOCPTMASTER:
        result = linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, <uint64_t> &number)
        if not is_error(result):
            # grantpt(3) and unlockpt(3) ask no more than this: the slave of who opened /dev/ptmx by its name is locked still.
            number = 0
            linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCSPTLCK, <uint64_t> &number)
            master_learn(area, fd)
        return result
    if command == FREEBSD_TIOCSWINSZ:
        master_learn(area, fd)          # who gives it a size has a master, got as a descriptor perhaps
        return linux_ioctl(fd, row.linux_command, data)
    if command == FREEBSD_TIOCSTAT:
        result = get_termios(fd, &termios)
        if not is_error(result):
            tty_info(area, fd, is_learned_master(area.proc, fd) and fd_marks(area.proc, fd) & MARK_MIDLINE != 0)
        return 0 if not is_error(result) else result
    if command == FREEBSD_TIOCSTI:
        # tty_sti_check: who may not do all has the terminal open for reading.
        if linux_syscall0(LINUX_SYS_geteuid) != 0 \
                and linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL) & LINUX_O_ACCMODE == LINUX_O_WRONLY:
            return -LINUX_EPERM
        result = linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, data)
        # Another's terminal; and where dev.tty.legacy_tiocsti is 0, the superuser's to do.
        return -LINUX_EACCES if result == -LINUX_EPERM else (-LINUX_EPERM if result == -LINUX_EIO else result)
    if command == FREEBSD_TIOCGPGRP:
        # On a socket and a pipe it tells the owner of the signal, as a positive number.
        result = linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, <uint64_t> &number)
        if is_error(result):
            return result
        return copyout_int(number if number > 0 else FREEBSD_NO_PID, data)
    if command == FREEBSD_TIOCCDTR or command == FREEBSD_TIOCSDTR:
        number = 2                  # TIOCM_DTR
        return linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, <uint64_t> &number)
    if command == FREEBSD_TIOCSIG:
        # _IOWINT: the number is the argument itself.
        if data == 0 or data > SIGNAL_MAX or lsf_signal_to_linux[data] == 0:
            return -LINUX_EINVAL
        return linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, lsf_signal_to_linux[data])
    if command == FREEBSD_TIOCGETD:
        result = linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, <uint64_t> &number)
        return result if is_error(result) else copyout_int(0, data)
    if command == FREEBSD_TIOCSETD or command == FREEBSD_TIOCEXT:
        return ioctl_check(area.proc, fd) or -LINUX_ENOTTY        # no kernel since FreeBSD 8 has them, its headers do
    if command == FREEBSD_TIOCGDRAINWAIT:
        result = get_termios(fd, &termios)
        return result if is_error(result) else copyout_int(FREEBSD_DRAINWAIT, data)
    if copyin(data, &number, 4) < 0:
        return -LINUX_EFAULT
    if command == FREEBSD_TIOCSPGRP:
        result = linux_ioctl(fd, row.linux_command, <uint64_t> &number)
        # FreeBSD has no ESRCH here.
        return -LINUX_EPERM if result == -LINUX_ESRCH else result
    if command == FREEBSD_TIOCFLUSH:
        number &= FREEBSD_FREAD | FREEBSD_FWRITE
        # Linux: 0 input, 1 output, 2 both.
        return linux_ioctl(fd, row.linux_command,
                           1 if number == FREEBSD_FWRITE else (0 if number == FREEBSD_FREAD else 2))
    if command == FREEBSD_TIOCCONS:
        # Only ever taken, never given back, on Linux.
        return linux_syscall3(LINUX_SYS_ioctl, fd, row.linux_command, 0) if number else 0
    return -LINUX_ENOTTY


cdef bint terminals_exhausted(process_t *proc) noexcept nogil:
    """RLIMIT_NPTS: the user's pseudo-terminals, whoever has opened them."""
    cdef proc_walk_t walk
    cdef linux_stat info
    cdef char name[16]
    cdef uint64_t count = 0
    cdef uint32_t user = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    cdef int number
    if proc.own.limits_kept[limit_kept_at(FREEBSD_RLIMIT_NPTS)].below_cur == 0 or walk_begin(&walk, b"/dev/pts") < 0:
        return False
    while True:
        number = walk_next(&walk)
        if number < 0:
            return limit_reached(proc, FREEBSD_RLIMIT_NPTS, count)
        append_number(name, 0, sizeof(name), number, 10)
        if not is_error(linux_syscall4(LINUX_SYS_newfstatat, walk.fd, <uint64_t> name, <uint64_t> &info, 0)) and info.st_uid == user:
            count += 1

cdef public long sys_posix_openpt(frame_t *frame, area_t *area) noexcept nogil:
    """A new pseudo-terminal's master. Its slave is usable at once: unlockpt(3) does nothing on FreeBSD."""
    cdef uint32_t flags = <uint32_t> frame.arg[0]
    cdef uint64_t linux_flags = LINUX_O_NOCTTY | (LINUX_O_RDWR if flags & FREEBSD_O_RDWR else LINUX_O_RDONLY)
    cdef freebsd_termios begins
    cdef linux_termios2 now, termios
    cdef long fd
    cdef int unlocked = 0
    # O_RDWR, O_NOCTTY and O_CLOEXEC are what there is; without O_RDWR it can be read alone.
    if flags & ~<uint32_t> (FREEBSD_O_RDWR | FREEBSD_O_NOCTTY | FREEBSD_O_CLOEXEC):
        return -LINUX_EINVAL
    if flags & FREEBSD_O_CLOEXEC:
        linux_flags |= LINUX_O_CLOEXEC
    if terminals_exhausted(area.proc):
        return -LINUX_EAGAIN
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/dev/ptmx", linux_flags, 0)
    if fd == -LINUX_ENOENT or fd == -LINUX_EACCES:
        fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/dev/pts/ptmx",
                            linux_flags, 0)
    if is_error(fd):
        # FreeBSD's answer when no terminal is left.
        return fd if fd == -LINUX_EMFILE or fd == -LINUX_ENFILE else -LINUX_EAGAIN
    linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCSPTLCK, <uint64_t> &unlocked)
    freebsd_termios_default(&begins)
    if not is_error(get_termios(<int> fd, &now)):
        linux_termios2_from_freebsd(&termios, &begins, &now)
        set_termios(<int> fd, 0, &termios)
    master_learn(area, <int> fd)
    return fd


cdef bint is_terminal_master(int fd) noexcept nogil:
    cdef uint32_t number
    return not is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGPTN, <uint64_t> &number))


cdef bint is_hung_up(int fd) noexcept nogil:
    """True for a slave whose master is gone. (A background process of an orphaned group gets EIO too, but may ask.)"""
    cdef linux_termios2 termios
    return get_termios(fd, &termios) == -LINUX_EIO


cdef long terminal_failed(int fd, bint writes) noexcept nogil:
    """EIO of a terminal. The master reads the end of file while nobody has the slave open. Who has the slave of a master
    that is gone gets ENXIO where he writes."""
    if writes:
        return -LINUX_ENXIO if is_hung_up(fd) else -LINUX_EIO
    return 0 if is_terminal_master(fd) else -LINUX_EIO

# ^T: the status character, SIGINFO, and the line that says what runs in the foreground. Model: FreeBSD sys/kern/tty_info.c,
# tty_ttydisc.c (ttydisc_rint), tty.c (tty_signal_pgrp).
#
# Linux's terminals have no status character and no hook. So it is seen where it comes from, by a guest that writes to a master
# (sshd, script, tmux, expect): the writes of a process that has one are looked at (own_transfer), and the character is not passed on. It is
# kept where Linux keeps control characters, in the terminal (lsf_cc), so that every guest knows it; a terminal that Linux made has none.

cdef enum:
    STATUS_PIECE = 256              # so much of a write is looked at at once
    STATUS_LINE = 256               # t_prbufsz
    TTY_MEMBERS = 64                # processes of a foreground group that are compared


cdef struct status_t:
    # What a write to a master is searched for.
    uint8_t status, literal         # the characters; 0: off
    bint quoted                     # the next one is taken as it is (TF_LITERAL)


cdef void master_learn(area_t *area, int fd) noexcept nogil:
    """A descriptor is treated as a master: if it is one, what is written to it is looked at from now on."""
    if fd_marks(area.proc, fd) & MARK_MASTER or not is_terminal_master(fd):
        return
    fd_mark(area.proc, fd, fd_marks(area.proc, fd) | MARK_MASTER)
    hide_number(0)
    hide_number(NO_DESCRIPTOR - 1)


cdef inline bint is_learned_master(process_t *proc, int fd) noexcept nogil:
    return proc.own.fd_marked & MARK_MASTER != 0 and fd_marks(proc, fd) & MARK_MASTER != 0


# ------------------------------------------------------------------ the line

cdef bint status_is_better(const freebsd_kinfo_proc *one, const freebsd_kinfo_proc *two) noexcept nogil:
    """proc_compare: whether the second is the more interesting."""
    cdef bint runs_one = one.ki_stat == FREEBSD_SRUN, runs_two = two.ki_stat == FREEBSD_SRUN
    if runs_one != runs_two:
        return runs_two
    if one.ki_pctcpu != two.ki_pctcpu:
        return two.ki_pctcpu > one.ki_pctcpu
    if (one.ki_stat == FREEBSD_SZOMB) != (two.ki_stat == FREEBSD_SZOMB):
        return one.ki_stat == FREEBSD_SZOMB
    return two.ki_pid > one.ki_pid


cdef int walk_next_of(proc_walk_t *walk, int group) noexcept nogil:
    """The next process of a group in a walk over /proc; negative for no more."""
    cdef int pid = walk_next(walk)
    while pid >= 0 and linux_syscall1(LINUX_SYS_getpgid, pid) != group:
        pid = walk_next(walk)
    return pid


cdef bint status_pick(area_t *area, int group, freebsd_kinfo_proc *best) noexcept nogil:
    """The most interesting process of a group; False where it has none."""
    cdef freebsd_kinfo_proc info
    cdef proc_walk_t walk
    cdef int pid, found = 0
    if walk_begin(&walk, b"/proc") < 0:
        return False
    while True:
        pid = walk_next_of(&walk, group)
        if pid < 0:
            return found > 0
        if found == TTY_MEMBERS:
            continue
        memset(&info, 0, sizeof(info))
        if fill_kinfo_proc(area, pid, &info) == 0:
            found += 1
            if found == 1 or status_is_better(best, &info):
                best[0] = info


cdef uint64_t append_hundredths(char *text, uint64_t at, int64_t seconds, int64_t microseconds, const char *unit) noexcept nogil:
    at = append_number(text, append(text, at, STATUS_LINE, b" "), STATUS_LINE, <uint64_t> seconds, 10)
    at = append(text, at, STATUS_LINE, b"." if microseconds >= 100000 else b".0")
    return append(text, append_number(text, at, STATUS_LINE, <uint64_t> microseconds // 10000, 10), STATUS_LINE, unit)


cdef const char *status_state(const freebsd_kinfo_proc *info) noexcept nogil:
    if info.ki_stat == FREEBSD_SRUN:
        return b"running"
    if info.ki_stat == FREEBSD_SSTOP:
        return b"suspended"
    if info.ki_stat == FREEBSD_SZOMB:
        return b"zombie"
    if info.ki_wmesg[0]:
        return info.ki_wmesg
    return b"sleeping without queue"


cdef uint64_t status_of(area_t *area, const freebsd_kinfo_proc *info, char *text, uint64_t at) noexcept nogil:
    """command, pid, state, real, user and system time, share of the processor, and resident memory."""
    cdef linux_timespec now
    cdef int64_t real
    linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_REALTIME, <uint64_t> &now)
    real = (now.tv_sec - info.ki_start.tv_sec) * 1000000 + now.tv_nsec // 1000 - info.ki_start.tv_usec
    if real < 0:
        real = 0
    at = append(text, at, STATUS_LINE, b" cmd: ")
    at = append(text, at, STATUS_LINE, info.ki_comm)
    at = append_number(text, append(text, at, STATUS_LINE, b" "), STATUS_LINE, <uint64_t> info.ki_pid, 10)
    at = append(text, append(text, at, STATUS_LINE, b" ["), STATUS_LINE, status_state(info))
    at = append(text, at, STATUS_LINE, b"]")
    at = append_hundredths(text, at, real // 1000000, real % 1000000, b"r")
    at = append_hundredths(text, at, info.ki_rusage.ru_utime.tv_sec, info.ki_rusage.ru_utime.tv_usec, b"u")
    at = append_hundredths(text, at, info.ki_rusage.ru_stime.tv_sec, info.ki_rusage.ru_stime.tv_usec, b"s")
    at = append_number(text, append(text, at, STATUS_LINE, b" "), STATUS_LINE,
                       (<uint64_t> info.ki_pctcpu * 10000 + FREEBSD_FSCALE // 2) // FREEBSD_FSCALE // 100, 10)
    at = append_number(text, append(text, at, STATUS_LINE, b"% "), STATUS_LINE, <uint64_t> info.ki_rssize * (PAGE_SIZE >> 10), 10)
    return append(text, at, STATUS_LINE, b"k\n")


cdef uint64_t status_line(area_t *area, int fd, bint midline, char *text) noexcept nogil:
    """The line about the terminal of a descriptor; its length. midline: something stands in the cursor's line."""
    cdef freebsd_kinfo_proc info
    cdef char load[32]
    cdef int group = 0
    cdef uint64_t at = append(text, 0, STATUS_LINE, b"\nload: " if midline else b"load: "), i = 0
    memset(load, 0, sizeof(load))
    read_file(b"/proc/loadavg", load, sizeof(load) - 1)
    while load[i] > c' ':
        i += 1
    load[i] = 0
    at = append(text, append(text, at, STATUS_LINE, load), STATUS_LINE, b" ")
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGSID, <uint64_t> &group)):
        return append(text, at, STATUS_LINE, b"not a controlling terminal\n")
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGPGRP, <uint64_t> &group)) or group <= 0:
        return append(text, at, STATUS_LINE, b"no foreground process group\n")
    if not status_pick(area, group, &info):
        return append(text, at, STATUS_LINE, b"empty foreground process group\n")
    return status_of(area, &info, text, at)


cdef void tty_info(area_t *area, int fd, bint midline) noexcept nogil:
    """Print the line on a terminal that a descriptor of either side names, as far as there is room."""
    cdef char text[STATUS_LINE]
    cdef char path[32]
    cdef uint64_t size
    cdef uint64_t flags = LINUX_O_WRONLY | LINUX_O_NOCTTY | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC
    cdef long slave = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGPTPEER, flags)
    if is_error(slave):
        descriptor_path(fd, path)
        slave = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, flags, 0)
    if is_error(slave):
        return
    size = status_line(area, fd, midline, text)
    block_all(NULL)                 # who is in the background prints all the same, whatever TOSTOP says
    linux_syscall3(LINUX_SYS_write, slave, <uint64_t> text, size)
    linux_syscall1(LINUX_SYS_close, slave)
    set_linux_mask(area)


cdef void tty_signal_info(area_t *area, int fd) noexcept nogil:
    """tty_signal_pgrp with SIGINFO, for a master's terminal. Programs of Linux's know no such signal, and would die of it."""
    cdef linux_termios2 termios
    cdef proc_walk_t walk
    cdef int group = 0, pid
    if get_termios(fd, &termios) == 0 and not termios.c_lflag & FREEBSD_NOKERNINFO:
        tty_info(area, fd, fd_marks(area.proc, fd) & MARK_MIDLINE != 0)
    if is_error(linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_TIOCGPGRP, <uint64_t> &group)) or group <= 0 \
            or walk_begin(&walk, b"/proc") < 0:
        return
    while (pid := walk_next_of(&walk, group)) >= 0:
        if is_guest(pid):
            linux_syscall2(LINUX_SYS_kill, pid, lsf_signal_to_linux[FREEBSD_SIGINFO])


# ------------------------------------------------------------------ what is written to a master

cdef bint status_begin(area_t *area, int fd, status_t *search) noexcept nogil:
    """What to look for in a write to a master; False for nothing."""
    cdef linux_termios2 termios
    cdef uint32_t needed = LINUX_ISIG | LINUX_ICANON | LINUX_IEXTEN
    memset(search, 0, sizeof(status_t))
    if get_termios(fd, &termios) < 0 or termios.c_lflag & needed != needed:
        area.proc.own.master_quoted = 0
        return False
    search.status = termios.c_cc[lsf_cc[FREEBSD_VSTATUS]]
    search.literal = termios.c_cc[LINUX_VLNEXT]
    search.quoted = area.proc.own.master_quoted == <uint32_t> fd + 1
    return search.status != 0


cdef uint64_t status_find(status_t *search, uaddr data, uint64_t size) noexcept nogil:
    """Where the status character stands in a write, or its size; an address that is none ends the search."""
    cdef uint8_t piece[STATUS_PIECE]
    cdef uint64_t at = 0, i, length
    while at < size:
        length = size - at if size - at < STATUS_PIECE else STATUS_PIECE
        if copyin(data + at, piece, length) < 0:
            return size
        for i in range(length):
            if search.quoted:
                search.quoted = False
            elif piece[i] == search.literal and search.literal != 0:
                search.quoted = True
            elif piece[i] == search.status:
                return at + i
        at += length
    return size


cdef long master_write(area_t *area, int fd, uaddr data, uint64_t size) noexcept nogil:
    """A write to a master, without its status characters: how much of it was taken, or an error."""
    cdef status_t search
    cdef uint64_t done = 0, here
    cdef long result = 0
    if not status_begin(area, fd, &search):
        return blocking_syscall(LINUX_SYS_write, fd, data, size, 0, 0, 0)
    while True:
        here = status_find(&search, data + done, size - done)
        if here or size == 0:
            result = blocking_syscall(LINUX_SYS_write, fd, data + done, here, 0, 0, 0)
            if is_error(result):
                return <long> done if done else result
            done += <uint64_t> result
            if <uint64_t> result < here:
                return <long> done
        if done >= size:
            area.proc.own.master_quoted = <uint32_t> fd + 1 if search.quoted else 0
            return <long> done
        tty_signal_info(area, fd)
        done += 1


cdef long master_writev(area_t *area, int fd, uaddr vector, uint32_t count) noexcept nogil:
    cdef freebsd_iovec part
    cdef uint32_t i
    cdef long done = 0, result
    if count > VECTORS_MOST:
        return -LINUX_EINVAL
    for i in range(count):
        if copyin(vector + i * sizeof(part), &part, sizeof(part)) < 0:
            return done if done else -LINUX_EFAULT
        if part.iov_len == 0:
            continue
        result = master_write(area, fd, part.iov_base, part.iov_len)
        if is_error(result):
            return done if done else result
        done += result
        if <uint64_t> result < part.iov_len:
            break
    return done


cdef long master_transfer(area_t *area, frame_t *frame, uint64_t nr) noexcept nogil:
    """A transfer of the pass lane on a master. What is read tells whether the cursor is at the beginning of a line."""
    cdef int fd = <int> frame.arg[0]
    cdef uaddr data = frame.arg[1] if not WINDOW_BASE <= frame.arg[1] < SHIM_END else WINDOW_BASE
    cdef uint8_t last = 0
    cdef long result
    if nr == FREEBSD_SYS_write:
        result = master_write(area, fd, frame.arg[1], frame.arg[2])
    elif nr == FREEBSD_SYS_writev:
        result = master_writev(area, fd, frame.arg[1], <uint32_t> frame.arg[2])
    else:
        result = blocking_syscall(lsf_pass_nr[nr], fd, data, frame.arg[2], 0, 0, 0)
        if nr == FREEBSD_SYS_read and result > 0 and copyin(data + <uint64_t> result - 1, &last, 1) == 0:
            fd_mark(area.proc, fd, fd_marks(area.proc, fd) & ~MARK_MIDLINE
                    | (MARK_MIDLINE if last != c'\n' and last != c'\r' else 0))
    return passed_error(area, frame, nr, result) if is_doubtful(result) else result

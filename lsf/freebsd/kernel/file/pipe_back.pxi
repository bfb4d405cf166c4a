# The way back of a pipe: what is written to its first descriptor, and read from its second. Model: FreeBSD sys/kern/sys_pipe.c.
#
# It is a FIFO, which both ends find by its name, the number of the pipe's inode, in a folder of this user's. Who first writes or
# reads the wrong way, or waits for that, makes it; a process has one hidden descriptor of it, open for reading and writing, so
# that none of that waits. Whether the other end is still there Linux's own pipe tells: POLLHUP and POLLERR.
#
# A FIFO that nobody has open loses what is in it. So a process that ends, executes or closes its last descriptor of the pipe
# while something is unread leaves a process behind that has the FIFO, and not the pipe, until it is read or nobody can.
#
# Who makes a FIFO pokes Linux's pipe, which wakes those that wait at the other end and have not seen it yet (filter_pipe.pxi).

cdef enum:
    BACKS = 32                          # ways back that a process has open
    BACK_PATIENCE = 20000000            # nanoseconds between two looks of who was left behind, at first

cdef struct back_t:
    uint64_t inode                      # of Linux's pipe; 0: this struct is free
    int32_t fd                          # hidden
    uint32_t poked

cdef struct backs_t:
    back_t list[BACKS]


# ------------------------------------------------------------------ the files

cdef long back_folder(char *path, bint elsewhere, bint create) noexcept nogil:
    """The folder of this user's ways back, which is nobody else's: a descriptor that has it locked, or a negative errno."""
    cdef long fd = private_folder(path, elsewhere, b"pipes.", create)
    if not is_error(fd):
        linux_syscall2(LINUX_SYS_flock, fd, LINUX_LOCK_EX)
    return fd


cdef long back_name(int folder, uint64_t inode, uint64_t flags) noexcept nogil:
    """Open a FIFO in the folder: a descriptor or a negative errno."""
    cdef char name[24]
    append_number(name, 0, sizeof(name), inode, 10)
    return linux_syscall4(LINUX_SYS_openat, folder, <uint64_t> name,
                          flags | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC | LINUX_O_NOFOLLOW, 0)


cdef void back_remove_unused(int folder, uint64_t inode) noexcept nogil:
    """Remove a FIFO that nobody has open. The folder is locked, in which all are made and opened."""
    cdef char name[24]
    cdef long fd = back_name(folder, inode, LINUX_O_WRONLY)
    if fd == -LINUX_ENXIO:
        append_number(name, 0, sizeof(name), inode, 10)
        linux_syscall3(LINUX_SYS_unlinkat, folder, <uint64_t> name, 0)
    elif not is_error(fd):
        linux_syscall1(LINUX_SYS_close, fd)


cdef void back_sweep(int folder, const char *path) noexcept nogil:
    """Remove what processes left behind that were killed."""
    cdef proc_walk_t walk
    cdef int number
    if walk_begin(&walk, path) < 0:
        return
    number = walk_next(&walk)
    while number >= 0:
        back_remove_unused(folder, <uint64_t> number)
        number = walk_next(&walk)


cdef long back_file(uint64_t inode, bint create) noexcept nogil:
    """The FIFO of a pipe: a descriptor, -ENOENT where nobody has made it, or another negative errno."""
    cdef char path[SHARED_PATH]
    cdef char name[24]
    cdef linux_stat st
    cdef long folder, fd = -LINUX_ENOENT
    cdef int attempt
    for attempt in range(SHARED_FOLDERS):
        folder = back_folder(path, attempt != 0, create)
        if is_error(folder):
            continue
        fd = back_name(<int> folder, inode, LINUX_O_RDWR)
        if fd == -LINUX_ENOENT and create:
            back_sweep(<int> folder, path)
            append_number(name, 0, sizeof(name), inode, 10)
            linux_syscall4(LINUX_SYS_mknodat, folder, <uint64_t> name, LINUX_S_IFIFO | 0o600, 0)
            fd = back_name(<int> folder, inode, LINUX_O_RDWR)
        linux_syscall1(LINUX_SYS_close, folder)
        if not is_error(fd) and (is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st))
                                 or st.st_mode & LINUX_S_IFMT != LINUX_S_IFIFO):
            linux_syscall1(LINUX_SYS_close, fd)
            fd = -LINUX_EACCES
        if not is_error(fd) or create:
            return fd
    return fd


# ------------------------------------------------------------------ those that this process has

cdef back_t *back_find(process_t *proc, uint64_t inode) noexcept nogil:
    cdef backs_t *backs = <backs_t *> proc.own.backs
    cdef int i
    if backs != NULL:
        for i in range(BACKS):
            if backs.list[i].inode == inode:
                return &backs.list[i]
    return NULL


cdef long back_new(process_t *proc, uint64_t inode, bint create) noexcept nogil:
    """Open one, with the lock held: its descriptor or a negative errno."""
    cdef back_t *back
    cdef long fd
    fd = back_file(inode, create)
    if is_error(fd):
        return fd
    if proc.own.backs == NULL:
        proc.own.backs = <void *> map_memory(page_up(sizeof(backs_t)))
    back = back_find(proc, 0)
    if back == NULL:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_ENFILE
    fd = event_hide(proc, fd)
    if fd < 0:
        return fd
    back.inode = inode
    back.fd = <int32_t> fd
    back.poked = 0
    event_way_back(proc, inode, <int> fd)
    return fd


cdef long back_of(process_t *proc, int fd, bint create) noexcept nogil:
    """The way back of a pipe, one end of which is fd: a hidden descriptor, or a negative errno (-ENOENT: there is none yet)."""
    cdef linux_stat st
    cdef back_t *back
    cdef long result
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)):
        return -LINUX_EBADF
    lock_acquire(&proc.own.lock_event)
    back = back_find(proc, st.st_ino)
    result = back.fd if back != NULL else back_new(proc, st.st_ino, create)
    lock_release(&proc.own.lock_event)
    return result


cdef void back_poke(process_t *proc, int fd, int way) noexcept nogil:
    """Wake who waits at the pipe's other end and does not know of the way back: to set a pipe's size wakes them."""
    cdef backs_t *backs = <backs_t *> proc.own.backs
    cdef long size
    cdef int i
    for i in range(BACKS):
        if backs.list[i].inode != 0 and backs.list[i].fd == way and not backs.list[i].poked:
            backs.list[i].poked = 1
            size = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETPIPE_SZ)
            linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETPIPE_SZ, size)


cdef void back_moved(process_t *proc, int fd, int moved) noexcept nogil:
    """A hidden descriptor has another number, or with -1 none. With the lock held."""
    cdef backs_t *backs = <backs_t *> proc.own.backs
    cdef int i
    if backs != NULL:
        for i in range(BACKS):
            if backs.list[i].inode != 0 and backs.list[i].fd == fd:
                backs.list[i].fd = moved
                if moved < 0:
                    backs.list[i].inode = 0


cdef void backs_after_fork(process_t *proc) noexcept nogil:
    """In the child of a fork, whose hidden descriptors were closed: it finds the FIFOs again when it needs them."""
    if proc.own.backs != NULL:
        memset(proc.own.backs, 0, sizeof(backs_t))


# ------------------------------------------------------------------ read and write

cdef uint32_t pipe_state(int fd) noexcept nogil:
    """POLLHUP of the end that reads, POLLERR of the end that writes: the other one is closed."""
    cdef linux_pollfd one
    one.fd = fd
    one.events = 0
    one.revents = 0
    linux_syscall3(LINUX_SYS_poll, <uint64_t> &one, 1, 0)
    return <uint16_t> one.revents


cdef long back_wait(int way, int fd, int16_t events) noexcept nogil:
    """Sleep until the way back may go on, or the other end is closed: 0, or what a signal makes of it."""
    cdef linux_pollfd two[2]
    cdef long result
    two[0].fd = way
    two[0].events = events
    two[1].fd = fd
    two[1].events = 0
    two[0].revents = two[1].revents = 0
    result = blocking_syscall(LINUX_SYS_ppoll, <uint64_t> two, 2, 0, 0, 8, 0)
    return result if is_error(result) else 0


cdef inline bint never_waits(int fd) noexcept nogil:
    return linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL) & LINUX_O_NONBLOCK != 0


cdef long back_read(frame_t *frame, int way, bint vector) noexcept nogil:
    """read(2) and readv(2) of the second descriptor."""
    cdef int fd = <int> frame.arg[0]
    cdef bint over
    cdef long result
    while True:
        over = pipe_state(fd) & LINUX_POLLERR != 0
        result = linux_syscall3(LINUX_SYS_readv if vector else LINUX_SYS_read, way, frame.arg[1], frame.arg[2])
        if result != -LINUX_EAGAIN:
            return result
        if over:
            return 0
        if never_waits(fd):
            return -LINUX_EAGAIN
        result = back_wait(way, fd, LINUX_POLLIN)
        if result < 0:
            return restartable(result)


cdef long back_write_rest(frame_t *frame, int way, bint vector, uint64_t done) noexcept nogil:
    """Write what comes after the first `done` bytes, or a piece of it: how much, or a negative errno; 0: that was all."""
    cdef freebsd_iovec piece
    cdef uint64_t i
    if not vector:
        return linux_syscall3(LINUX_SYS_write, way, frame.arg[1] + done, frame.arg[2] - done) if done < frame.arg[2] else 0
    if done == 0:
        return linux_syscall3(LINUX_SYS_writev, way, frame.arg[1], frame.arg[2])
    for i in range(<uint32_t> frame.arg[2]):
        if copyin(frame.arg[1] + i * sizeof(piece), &piece, sizeof(piece)) < 0:
            return -LINUX_EFAULT
        if done < piece.iov_len:
            return linux_syscall3(LINUX_SYS_write, way, piece.iov_base + done, piece.iov_len - done)
        done -= piece.iov_len
    return 0


cdef long back_write(area_t *area, frame_t *frame, int way, bint vector) noexcept nogil:
    """write(2) and writev(2) on the first descriptor."""
    cdef int fd = <int> frame.arg[0]
    cdef uint64_t done = 0
    cdef long result
    while True:
        if pipe_state(fd) & LINUX_POLLHUP:
            if done:
                return <long> done
            linux_syscall3(LINUX_SYS_tgkill, area.proc.pid, area.tid, FREEBSD_SIGPIPE)
            return -LINUX_EPIPE
        result = back_write_rest(frame, way, vector, done)
        if result == 0:
            return <long> done
        if result > 0:
            done += <uint64_t> result
            back_poke(area.proc, fd, way)
            continue
        if result != -LINUX_EAGAIN or never_waits(fd):
            return <long> done if done else result
        result = back_wait(way, fd, LINUX_POLLOUT)
        if result < 0:
            return <long> done if done else restartable(result)


cdef long pipe_failed(area_t *area, frame_t *frame, bint writes, bint vector) noexcept nogil:
    """A read or a write that is EBADF for Linux, since the descriptor is a pipe's other end."""
    cdef int fd = <int> frame.arg[0]
    cdef long way
    if descriptor_is_hidden(area.proc, fd) or pipe_learn(area.proc, fd) != (MARK_READS if writes else MARK_WRITES):
        return -LINUX_EBADF
    way = back_of(area.proc, fd, True)
    if way < 0:
        return -LINUX_EBADF
    return back_write(area, frame, <int> way, vector) if writes else back_read(frame, <int> way, vector)


# ------------------------------------------------------------------ when this process leaves

cdef void back_forget(uint64_t inode) noexcept nogil:
    """This process has closed a FIFO: its name goes where that was the last."""
    cdef char path[SHARED_PATH]
    cdef long folder
    cdef int attempt
    for attempt in range(SHARED_FOLDERS):
        folder = back_folder(path, attempt != 0, False)
        if not is_error(folder):
            back_remove_unused(<int> folder, inode)
            linux_syscall1(LINUX_SYS_close, folder)


cdef void back_guard(int way, int pipe_) noexcept nogil:
    """What was left behind: has the FIFO open until it is empty, or nobody has the end of the pipe that could read it. pipe_: the
    pipe, by O_PATH, which is to have no end of it."""
    cdef char path[40]
    cdef linux_timespec pause
    cdef int32_t count = 1
    cdef bint over = False
    cdef long fd
    pause.tv_sec = 0
    pause.tv_nsec = BACK_PATIENCE
    descriptor_path(pipe_, path)
    while count > 0 and not over:
        linux_syscall5(LINUX_SYS_ppoll, 0, 0, <uint64_t> &pause, 0, 8)
        if pause.tv_nsec < 10 * BACK_PATIENCE:
            pause.tv_nsec += BACK_PATIENCE
        count = 0
        linux_syscall3(LINUX_SYS_ioctl, way, LINUX_FIONREAD, <uint64_t> &count)
        fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0)
        over = is_error(fd) or pipe_state(<int> fd) & LINUX_POLLHUP != 0
        if not is_error(fd):
            linux_syscall1(LINUX_SYS_close, fd)


cdef void back_leave(back_t *back, int end) noexcept nogil:
    """This process will have the FIFO no more. end: a descriptor of the pipe that it has still, or -1.

    Who is left behind is nobody's child that could be waited for, and who traces this process does not see it."""
    cdef char path[40]
    cdef int32_t count = 0
    cdef long pipe_, pid
    if end < 0 or is_error(linux_syscall3(LINUX_SYS_ioctl, back.fd, LINUX_FIONREAD, <uint64_t> &count)) or count == 0 \
            or pipe_state(end) & LINUX_POLLHUP:
        return
    descriptor_path(end, path)
    pipe_ = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_PATH, 0)
    if is_error(pipe_):
        return
    pid = linux_syscall5(LINUX_SYS_clone, LINUX_CLONE_UNTRACED, 0, 0, 0, 0)
    if pid == 0:
        if linux_syscall5(LINUX_SYS_clone, LINUX_CLONE_UNTRACED, 0, 0, 0, 0) == 0:
            linux_syscall0(LINUX_SYS_setsid)
            back_keep_two(back.fd, <int> pipe_)
            back_guard(0, 1)
            linux_syscall1(LINUX_SYS_close, 0)
            back_forget(back.inode)
        linux_syscall1(LINUX_SYS_exit_group, 0)
    if not is_error(pid):
        while linux_syscall4(LINUX_SYS_wait4, pid, 0, LINUX___WALL, 0) == -LINUX_EINTR:
            pass
    linux_syscall1(LINUX_SYS_close, pipe_)


cdef void back_keep_two(int way, int pipe_) noexcept nogil:
    """Close all descriptors but two, which become 0 and 1."""
    cdef long kept = linux_syscall3(LINUX_SYS_fcntl, way, LINUX_F_DUPFD, 3)
    cdef long other = linux_syscall3(LINUX_SYS_fcntl, pipe_, LINUX_F_DUPFD, 3)
    linux_syscall3(LINUX_SYS_dup3, kept, 0, 0)
    linux_syscall3(LINUX_SYS_dup3, other, 1, 0)
    close_between(2, 0x7fffffff, 0)


cdef int back_end(process_t *proc, uint64_t inode, int but) noexcept nogil:
    """A descriptor of a pipe that this process has, other than `but`; or -1."""
    cdef linux_stat st
    cdef int fd = fd_marked_from(proc, 0)
    while fd >= 0:
        if pipe_end(proc, fd) and fd != but and linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 \
                and st.st_ino == inode:
            return fd
        fd = fd_marked_from(proc, <uint32_t> fd + 1)
    return -1


cdef void back_close(process_t *proc, back_t *back) noexcept nogil:
    """With the lock held."""
    event_unhide(proc, back.fd)
    back_forget(back.inode)
    back.inode = 0


cdef void pipe_closed(process_t *proc) noexcept nogil:
    """Descriptors of pipes were closed: a way back whose pipe this process has no more is given up."""
    cdef backs_t *backs = <backs_t *> proc.own.backs
    cdef int i
    lock_acquire(&proc.own.lock_event)
    for i in range(BACKS):
        if backs.list[i].inode != 0 and back_end(proc, backs.list[i].inode, -1) < 0:
            back_close(proc, &backs.list[i])
    lock_release(&proc.own.lock_event)


cdef void pipe_closing(process_t *proc, int fd) noexcept nogil:
    """A descriptor of a pipe is about to be closed: what went the way back and is not read stays."""
    cdef linux_stat st
    cdef back_t *back
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)):
        return
    lock_acquire(&proc.own.lock_event)
    back = back_find(proc, st.st_ino)
    if back != NULL and back_end(proc, st.st_ino, fd) < 0:
        back_leave(back, fd)
    lock_release(&proc.own.lock_event)


cdef void pipes_leave(process_t *proc, bint ends) noexcept nogil:
    """The process ends, or executes."""
    cdef backs_t *backs = <backs_t *> proc.own.backs
    cdef int i
    if backs == NULL:
        return
    for i in range(BACKS):
        if backs.list[i].inode != 0:
            back_leave(&backs.list[i], back_end(proc, backs.list[i].inode, -1))
            if ends:
                linux_syscall1(LINUX_SYS_close, backs.list[i].fd)
                back_forget(backs.list[i].inode)

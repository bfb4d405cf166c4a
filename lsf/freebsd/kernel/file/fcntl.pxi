# Descriptors: close, dup, fcntl, locks. Model: FreeBSD sys/kern/kern_descrip.c.
#
# The shim's own descriptors (its image, the output of truss) are hidden: every call here answers EBADF for them, the
# ranges of close_range leave them out, and who wants one's number gets it (it moves).

cdef enum:
    F_DUP3FD_COMMAND = 0xffff           # the command below the flags of F_DUP3FD


cdef public long sys_close(frame_t *frame, area_t *area) noexcept nogil:
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    event_descriptor_closing(area.proc, <int> frame.arg[0])
    area.proc.own.directory_changes += 1
    if pipe_closes(area.proc, <int> frame.arg[0]):
        close_and_look(area.proc, <int> frame.arg[0])
        pipe_closed(area.proc)
        return 0
    if poll_may_be_asleep(area.proc):
        return close_and_look(area.proc, <int> frame.arg[0])
    return tail_syscall2(area, LINUX_SYS_close, <uint32_t> frame.arg[0], 0)


cdef long close_and_look(process_t *proc, int fd) noexcept nogil:
    """close(2), where another thread may sleep for the descriptor."""
    cdef closing_t closing
    cdef long result
    closing_begin(proc, &closing, fd)
    result = linux_syscall1(LINUX_SYS_close, <uint32_t> fd)
    if result != -LINUX_EBADF:
        closing_done(proc, &closing, False)
    return result


cdef void close_between(uint32_t low, uint32_t high, uint32_t flags) noexcept nogil:
    """close_range(2), also on a kernel that has none (Linux 5.9 has) or where a filter refuses it."""
    cdef uint64_t limit[2]
    cdef uint32_t fd = low
    cdef long result
    if low > high:
        return
    result = linux_syscall3(LINUX_SYS_close_range, low, high, flags)
    if result != -LINUX_ENOSYS and result != -LINUX_EPERM and result != -LINUX_EINVAL:
        return
    limit[0] = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, 0, <uint64_t> limit)
    while fd <= high and fd < limit[0]:
        if flags:
            linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFD, LINUX_FD_CLOEXEC)
        else:
            linux_syscall1(LINUX_SYS_close, fd)
        fd += 1


cdef void close_visible(process_t *proc, uint32_t low, uint32_t high, uint32_t flags) noexcept nogil:
    """Close, or mark close-on-exec, what the guest sees between two numbers, both included."""
    cdef int hidden
    if not flags:
        event_range_closing(proc, low, high)
        pollers_look(proc, ~0UL, NULL, False)
        pipe_range_closing(proc, low, high)
    proc.own.directory_changes += 1
    while True:
        hidden = next_hidden(proc, low)
        if hidden < 0 or <uint32_t> hidden > high:
            break
        if <uint32_t> hidden > low:
            close_between(low, <uint32_t> hidden - 1, flags)
        low = <uint32_t> hidden + 1
    close_between(low, high, flags)
    if not flags:
        pollers_look(proc, ~0UL, NULL, True)
        if proc.own.backs != NULL:
            pipe_closed(proc)


cdef void mark_range_clofork(process_t *proc, uint32_t low, uint32_t high) noexcept nogil:
    """CLOSE_RANGE_CLOFORK: what is open gets the flag."""
    cdef proc_walk_t walk
    cdef int fd
    if walk_begin(&walk, b"/proc/self/fd") < 0:
        return
    fd = walk_next(&walk)
    while fd >= 0:
        if low <= <uint32_t> fd <= high and fd != walk.fd and not descriptor_is_hidden(proc, fd):
            fd_mark(proc, fd, fd_marks(proc, fd) | MARK_CLOFORK)
        fd = walk_next(&walk)


cdef public long sys_close_range(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t low = <uint32_t> frame.arg[0], high = <uint32_t> frame.arg[1], flags = <uint32_t> frame.arg[2]
    cdef uint32_t known = FREEBSD_CLOSE_RANGE_CLOEXEC
    if has_fd_flags(area.proc):
        known |= FREEBSD_CLOSE_RANGE_CLOFORK
    if flags & ~known or low > high:
        return -LINUX_EINVAL
    if flags & FREEBSD_CLOSE_RANGE_CLOFORK:
        mark_range_clofork(area.proc, low, high)
    if flags != FREEBSD_CLOSE_RANGE_CLOFORK:
        close_visible(area.proc, low, high, LINUX_CLOSE_RANGE_CLOEXEC if flags else 0)
    return 0


cdef public long sys_freebsd12_closefrom(frame_t *frame, area_t *area) noexcept nogil:
    cdef int low = <int> frame.arg[0]
    close_visible(area.proc, <uint32_t> low if low > 0 else 0, 0x7fffffff, 0)
    return 0


cdef long duplicate(process_t *proc, int fd, uint64_t floor_, bint close_on_exec) noexcept nogil:
    """The lowest free descriptor from `floor_` on becomes a duplicate of fd."""
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_DUPFD_CLOEXEC if close_on_exec else LINUX_F_DUPFD,
                            floor_)
    event_descriptor_duplicated(proc, fd, result)
    fd_duplicated(proc, fd, result)
    return result


cdef long duplicate_onto(process_t *proc, int fd, int to, bint close_on_exec) noexcept nogil:
    """dup2: descriptor `to` becomes a duplicate of fd."""
    cdef closing_t closing
    cdef bint watched = False
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    if fd == to:
        result = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
        if is_error(result):
            return result
        if close_on_exec:
            linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFD, LINUX_FD_CLOEXEC)
        return to
    proc.own.directory_changes += 1
    if descriptor_is_hidden(proc, to):
        if is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)):
            return -LINUX_EBADF
        move_hidden(proc, to)
    if event_watches(proc, to) and not is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)):
        event_descriptor_closing(proc, to)
    if pipe_end(proc, to) and proc.own.backs != NULL and not is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)):
        pipe_closing(proc, to)
    if is_inotify(proc, to) and not is_error(linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)):
        inotify_queue_closing(proc, to)
    if poll_may_be_asleep(proc):
        watched = True
        closing_begin(proc, &closing, to)
    while True:
        result = linux_syscall3(LINUX_SYS_dup3, <uint32_t> fd, <uint32_t> to, LINUX_O_CLOEXEC if close_on_exec else 0)
        if result != -LINUX_EBUSY:        # another thread's open has the number and not yet the file
            event_descriptor_duplicated(proc, fd, result)
            fd_duplicated(proc, fd, result)
            if watched and not is_error(result):
                closing_done(proc, &closing, True)
            if proc.own.backs != NULL:
                pipe_closed(proc)
            return result


cdef public long sys_dup(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if area.proc.own.events == NULL and not fd_marks(area.proc, <int> frame.arg[0]):
        return tail_syscall2(area, LINUX_SYS_dup, <uint32_t> frame.arg[0], 0)
    result = linux_syscall1(LINUX_SYS_dup, <uint32_t> frame.arg[0])
    event_descriptor_duplicated(area.proc, <int> frame.arg[0], result)
    fd_duplicated(area.proc, <int> frame.arg[0], result)
    return result


cdef public long sys_dup2(frame_t *frame, area_t *area) noexcept nogil:
    return duplicate_onto(area.proc, <int> frame.arg[0], <int> frame.arg[1], False)


cdef long get_status_flags(process_t *proc, int fd) noexcept nogil:
    """F_GETFL: FreeBSD keeps the flags of FMASK alone, Linux also O_NOFOLLOW, O_DIRECTORY and O_LARGEFILE. Both ends of a pipe
    are open for reading and writing."""
    cdef long flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL)
    if is_error(flags):
        return flags
    if flags & LINUX_O_ACCMODE != LINUX_O_RDWR and (pipe_end(proc, fd) or pipe_learn(proc, fd)):
        flags = (flags & ~<long> LINUX_O_ACCMODE) | LINUX_O_RDWR
    if flags & LINUX_O_PATH and flags & LINUX_O_NOFOLLOW and path_kind(fd) == ACCESS_EXECUTE:
        return FREEBSD_O_EXEC
    if flags & LINUX_O_PATH:
        return FREEBSD_O_PATH | (FKQALLOWED if may_be_read(fd) else 0)
    return linux_to_freebsd_open_flags(<uint32_t> flags) & (
        FREEBSD_O_ACCMODE | FREEBSD_O_NONBLOCK | FREEBSD_O_APPEND | FREEBSD_O_ASYNC | FREEBSD_O_SYNC
        | FREEBSD_O_DSYNC | FREEBSD_O_DIRECT) | (FHASLOCK if SHIM.own.flocked and holds_flock(fd) else 0)


cdef long set_status_flags(int fd, uint32_t flags) noexcept nogil:
    cdef uint64_t linux = <uint64_t> freebsd_to_linux_open_flags(flags) & (
        LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_ASYNC | LINUX_O_DIRECT)
    cdef long result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFL, linux)
    if result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE:
        return 0                        # nothing is read or written by way of it
    if result == -LINUX_EINVAL and linux & LINUX_O_DIRECT:
        # A file system without direct I/O: for FreeBSD the flag is a hint.
        result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETFL, linux & ~<uint64_t> LINUX_O_DIRECT)
    return result


cdef long get_signal_owner(area_t *area, int fd) noexcept nogil:
    """F_GETOWN: a process, or minus a process group (which would look like an error without return_value)."""
    cdef int owner = 0
    cdef long result = get_owner(fd, &owner)
    return result if result < 0 else return_value(area, owner)


cdef long record_lock(process_t *proc, int fd, int command, uaddr lock, bint old) noexcept nogil:
    """F_GETLK, F_SETLK, F_SETLKW with struct flock, or with the one of FreeBSD 7 (`old`)."""
    cdef freebsd_flock flock_
    cdef freebsd_oflock oflock
    cdef linux_flock linux
    cdef long result
    if old:
        if copyin(lock, &oflock, sizeof(oflock)) < 0:
            return -LINUX_EFAULT
        freebsd_flock_from_oflock(&flock_, &oflock)
    elif copyin(lock, &flock_, sizeof(flock_)) < 0:
        return -LINUX_EFAULT
    # FreeBSD locks files alone, Linux pipes too.
    result = linux_syscall3(LINUX_SYS_lseek, <uint32_t> fd, 0, 1)
    if is_error(result) or is_object(proc, fd):
        return -LINUX_EBADF
    result = linux_flock_from_freebsd(&linux, &flock_)
    if result < 0:
        return result
    if command == LINUX_F_SETLKW:
        return restartable(blocking_syscall(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_SETLKW, <uint64_t> &linux, 0, 0, 0))
    result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, command, <uint64_t> &linux)
    if is_error(result) or command != LINUX_F_GETLK:
        return -LINUX_EAGAIN if result == -LINUX_EACCES else result
    if linux.l_type == LINUX_F_UNLCK:
        flock_.l_type = FREEBSD_F_UNLCK             # and all else as it was (lf_getlock)
    else:
        freebsd_flock_from_linux(&flock_, &linux)
    if old:
        freebsd_oflock_from_freebsd(&oflock, &flock_)
        return copyout(&oflock, lock, sizeof(oflock))
    return copyout(&flock_, lock, sizeof(flock_))


cdef long read_ahead(int fd, bint on) noexcept nogil:
    cdef long result = linux_syscall4(LINUX_SYS_fadvise64, <uint32_t> fd, 0, 0,
                                      LINUX_POSIX_FADV_SEQUENTIAL if on else LINUX_POSIX_FADV_RANDOM)
    if result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE:
        return 0
    return -LINUX_EBADF if result == -LINUX_ESPIPE else result         # FreeBSD: not a vnode


cdef long seals(int fd, int command, uint32_t value) noexcept nogil:
    """EINVAL for all that has none (invfo_add_seals), whatever it may be used for."""
    cdef long result = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, <uint64_t> command, value)
    return -LINUX_EINVAL if result == -LINUX_EBADF and path_kind(fd) != ACCESS_FILE else result


cdef long duplicate_marked(process_t *proc, int fd, int command, int value) noexcept nogil:
    """F_DUPFD_CLOFORK, and F_DUP3FD with FD_ flags above it: since FreeBSD 15."""
    cdef uint32_t flags = FREEBSD_FD_CLOFORK
    cdef long result
    if not has_fd_flags(proc):
        return -LINUX_EINVAL
    if command == FREEBSD_F_DUPFD_CLOFORK:
        result = -LINUX_EINVAL if value < 0 else duplicate(proc, fd, <uint64_t> value, False)
    else:
        flags = <uint32_t> command >> FREEBSD_F_DUP3FD_SHIFT
        if flags & ~<uint32_t> (FREEBSD_FD_CLOEXEC | FREEBSD_FD_CLOFORK):
            return -LINUX_EINVAL
        result = duplicate_onto(proc, fd, value, flags & FREEBSD_FD_CLOEXEC != 0)
    if not is_error(result) and flags & FREEBSD_FD_CLOFORK:
        fd_mark(proc, <int> result, fd_marks(proc, <int> result) | MARK_CLOFORK)
    return result


cdef public long sys_fcntl(frame_t *frame, area_t *area) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef int fd = <int> frame.arg[0], command = <int> frame.arg[1]
    cdef int value = <int> frame.arg[2]
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    if command == FREEBSD_F_GETFD:
        return fd_flags(proc, fd)
    if command == FREEBSD_F_SETFD:
        return fd_set_flags(area, fd, <uint32_t> value)
    if command == FREEBSD_F_GETFL:
        return get_status_flags(proc, fd)
    if command == FREEBSD_F_SETFL:
        return set_status_flags(fd, <uint32_t> value)
    if command == FREEBSD_F_DUPFD or command == FREEBSD_F_DUPFD_CLOEXEC:
        if value < 0:
            return -LINUX_EINVAL
        return duplicate(proc, fd, <uint64_t> value, command == FREEBSD_F_DUPFD_CLOEXEC)
    if command == FREEBSD_F_DUP2FD or command == FREEBSD_F_DUP2FD_CLOEXEC:
        return duplicate_onto(proc, fd, value, command == FREEBSD_F_DUP2FD_CLOEXEC)
    if command & F_DUP3FD_COMMAND == FREEBSD_F_DUP3FD or command == FREEBSD_F_DUPFD_CLOFORK:
        return duplicate_marked(proc, fd, command, value)
    if command == FREEBSD_F_GETLK:
        return record_lock(proc, fd, LINUX_F_GETLK, frame.arg[2], False)
    if command == FREEBSD_F_SETLK:
        return record_lock(proc, fd, LINUX_F_SETLK, frame.arg[2], False)
    if command == FREEBSD_F_SETLKW:
        return record_lock(proc, fd, LINUX_F_SETLKW, frame.arg[2], False)
    if command == FREEBSD_F_OGETLK:
        return record_lock(proc, fd, LINUX_F_GETLK, frame.arg[2], True)
    if command == FREEBSD_F_OSETLK:
        return record_lock(proc, fd, LINUX_F_SETLK, frame.arg[2], True)
    if command == FREEBSD_F_OSETLKW:
        return record_lock(proc, fd, LINUX_F_SETLKW, frame.arg[2], True)
    if command == FREEBSD_F_GETOWN:
        return get_signal_owner(area, fd)
    if command == FREEBSD_F_SETOWN:
        return set_owner(fd, value)
    if command == FREEBSD_F_READAHEAD:
        return read_ahead(fd, value > 0)
    if command == FREEBSD_F_RDAHEAD:
        return read_ahead(fd, value != 0)
    if command == FREEBSD_F_ADD_SEALS:
        return seals(fd, LINUX_F_ADD_SEALS, <uint32_t> value)
    if command == FREEBSD_F_GET_SEALS:
        return seals(fd, LINUX_F_GET_SEALS, 0)
    if command == FREEBSD_F_KINFO:
        return describe_descriptor(fd, frame.arg[2])
    result = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
    if is_error(result):
        return result
    if command == FREEBSD_F_ISUNIONSTACK:
        return 0
    return -LINUX_EINVAL

# Descriptors of the shim's own, which the guest does not see.

cdef enum:
    NO_DESCRIPTOR = 0x7fffffff          # closed, always: Linux has no numbers so high (fs.nr_open)


cdef bint descriptor_is_hidden(process_t *proc, int fd) noexcept nogil:
    """True for a descriptor of the shim's own, which the guest must not see."""
    return fd >= 0 and (fd == proc.image_fd or fd == proc.truss_fd or fd == proc.stats_fd or fd == proc.life_fd
                        or fd == proc.record_fd or event_hides(proc, fd))


cdef void hide_number(int fd) noexcept nogil:
    """Number fd is a hidden descriptor's: from now on the ways into the shim look closely at it (hidden.pxi, entry.S). All
    processes that share the memory share the bounds, which only grow; where they hold more, nothing is wrong but slower."""
    cdef uint32_t seen = atomic_load32(&lsf_hidden_low)
    while <uint32_t> fd < seen and atomic_cas32(&lsf_hidden_low, seen, <uint32_t> fd) != seen:
        seen = atomic_load32(&lsf_hidden_low)
    seen = atomic_load32(&lsf_hidden_high)
    while <uint32_t> fd > seen and atomic_cas32(&lsf_hidden_high, seen, <uint32_t> fd) != seen:
        seen = atomic_load32(&lsf_hidden_high)


cdef int next_hidden(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest hidden descriptor from `fd` on, or -1."""
    cdef int found = event_next_hidden(proc, fd)
    if proc.image_fd >= 0 and <uint32_t> proc.image_fd >= fd and (found < 0 or proc.image_fd < found):
        found = proc.image_fd
    if proc.truss_fd >= 0 and <uint32_t> proc.truss_fd >= fd and (found < 0 or proc.truss_fd < found):
        found = proc.truss_fd
    if proc.record_fd >= 0 and <uint32_t> proc.record_fd >= fd and (found < 0 or proc.record_fd < found):
        found = proc.record_fd
    if proc.stats_fd >= 0 and <uint32_t> proc.stats_fd >= fd and (found < 0 or proc.stats_fd < found):
        found = proc.stats_fd
    if proc.life_fd >= 0 and <uint32_t> proc.life_fd >= fd and (found < 0 or proc.life_fd < found):
        found = proc.life_fd
    return found


cdef void move_hidden(process_t *proc, int fd) noexcept nogil:
    """Give the guest the number of a hidden descriptor: it goes on under another, or is given up where there is none
    (the image is rebuilt when it is needed, truss falls silent, the next program is not counted)."""
    cdef long moved
    cdef bint passes_on = fd == proc.image_fd or fd == proc.life_fd
    if event_hides(proc, fd):
        event_move_hidden(proc, fd)
        return
    # F_DUPFD for what passes on at exec, else F_DUPFD_CLOEXEC
    moved = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD if passes_on else LINUX_F_DUPFD_CLOEXEC, fd + 1)
    if is_error(moved):
        moved = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD if passes_on else LINUX_F_DUPFD_CLOEXEC, 3)
    if is_error(moved):
        moved = -1
    else:
        hide_number(<int> moved)
    if fd == proc.image_fd:
        proc.image_fd = <int> moved
    elif fd == proc.truss_fd:
        proc.truss_fd = <int> moved
    elif fd == proc.record_fd:
        proc.record_fd = <int> moved
    elif fd == proc.stats_fd:
        proc.stats_fd = <int> moved
    elif fd == proc.life_fd:
        proc.life_fd = <int> moved


cdef int hide_descriptor(int fd, bint close_on_exec) noexcept nogil:
    """Renumber a descriptor as high as a small table and the limit allow; the new number. The image's own passes from one
    image to the next and is closed only for a Linux program (execute_linux)."""
    cdef uint64_t limit[2]
    cdef long result = -LINUX_EINVAL
    cdef int floor_
    limit[0] = 256
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, 0, <uint64_t> limit)
    floor_ = 250 if limit[0] >= 256 else <int> limit[0] - 4
    if fd >= floor_ and floor_ > 2:
        linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFD, close_on_exec)
        hide_number(fd)
        return fd
    while floor_ > 2 and is_error(result):
        result = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD_CLOEXEC if close_on_exec else LINUX_F_DUPFD, floor_)
        floor_ -= 4
    if is_error(result):
        linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFD, close_on_exec)         # F_SETFD, FD_CLOEXEC
        hide_number(fd)
        return fd
    hide_number(<int> result)
    linux_syscall1(LINUX_SYS_close, fd)
    return <int> result

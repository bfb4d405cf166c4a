# poll, ppoll, select, pselect. None of them is restarted after a signal. Model: FreeBSD sys/kern/sys_generic.c.

cdef enum:
    POLL_SMALL = 64                     # descriptors that fit the shim stack
    POLL_MAX = 1 << 20                  # FreeBSD: kern.maxfilesperproc
    POLL_SAME = 0xff                    # the bits that both systems have alike


cdef long wait_mask(area_t *area, uaddr set_, uint64_t *linux_mask) noexcept nogil:
    """Read the signal mask of a wait: 0, -EFAULT, or -EINTR where a signal that it lets through waits already."""
    cdef uint64_t mask[2]
    if copyin(set_, mask, 16) < 0:
        return -LINUX_EFAULT
    mask[0] &= ~(signal_bit(FREEBSD_SIGKILL) | signal_bit(FREEBSD_SIGSTOP))
    linux_mask[0] = linux_mask_from(mask)
    suspend_with(area, mask)
    return -LINUX_EINTR if suspend_virtual(area, mask) else 0


cdef inline long wait_over(area_t *area, long result) noexcept nogil:
    """The result of a wait that is not restarted. A signal that came before it began is delivered first, and then it
    begins anew."""
    if result == -LINUX_EINTR and area.not_begun:
        area.suspended = 0
        return -LINUX_ERESTARTNOINTR
    return suspend_over(area, result)


cdef long wait_call(area_t *area, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f, linux_timespec *timeout) noexcept nogil:
    """ppoll or pselect6 of Linux, which count the time down. With no time to wait it is no sleep, which no thr_wake ends: but Linux
    then says EINTR too where it finds a signal."""
    cdef long result
    if area.own.wait_until and timeout != NULL:
        wait_left(area, <freebsd_timespec *> timeout)
    if timeout != NULL and timeout.tv_sec == 0 and timeout.tv_nsec == 0:
        return wait_over(area, undeferred_syscall(nr, a, b, c, d, e, f))
    result = blocking_syscall(nr, a, b, c, d, e, f) if is_alone(area) else poll_asleep(area, nr, a, b, c, d, e, f)
    if result == -LINUX_EINTR and timeout != NULL:
        wait_leave(area, <freebsd_timespec *> timeout)
    return wait_over(area, result)


cdef int16_t poll_events_seen(int fd, int16_t asked, int16_t seen) noexcept nogil:
    """FreeBSD's revents for Linux's. At the end of a pipe or terminal FreeBSD also says that a read does not block; a
    pipe without a reader is POLLHUP, where Linux says POLLERR, as is a terminal that was hung up; and POLLHUP goes without
    POLLOUT."""
    cdef long mode
    if seen & (LINUX_POLLHUP | LINUX_POLLERR):
        mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
        if not is_error(mode) and mode & LINUX_S_IFMT != LINUX_S_IFSOCK:
            if seen & LINUX_POLLHUP and not (mode == PROCDESC_MODE and procdesc_process(fd) > 0):
                seen |= asked & (LINUX_POLLIN | LINUX_POLLRDNORM)
            if seen & LINUX_POLLERR and (mode & LINUX_S_IFMT == LINUX_S_IFIFO or (mode & LINUX_S_IFMT == LINUX_S_IFCHR
                    and seen & LINUX_POLLHUP)):
                seen = (seen & ~<int16_t> LINUX_POLLERR) | LINUX_POLLHUP | (asked & (LINUX_POLLIN | LINUX_POLLRDNORM))
        elif seen & LINUX_POLLERR and socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX:
            seen &= ~<int16_t> LINUX_POLLERR    # the peer closed without having read all: no error (was_left_unread)
        if seen & LINUX_POLLHUP:
            seen &= ~<int16_t> LINUX_POLLOUT
    if seen & ~<int16_t> POLL_SAME:
        return <int16_t> linux_to_freebsd_poll_events(<uint16_t> seen)
    return seen


cdef long poll_all(area_t *area, linux_pollfd *fds, uaddr guest, uint32_t count, uint64_t timeout,
                   uint64_t mask) noexcept nogil:
    """Wait, with the guest's array copied to fds, and give the guest its revents."""
    cdef long result
    cdef uint32_t i, ready = 0, odd = 0
    cdef int16_t asked, seen
    if copyin(guest, fds, <uint64_t> count * sizeof(linux_pollfd)) < 0:
        return suspend_over(area, -LINUX_EFAULT)
    for i in range(count):
        if descriptor_is_hidden(area.proc, fds[i].fd) or not caps_allow(area.proc, fds[i].fd, LSF_RIGHT_EVENT):
            fds[i].fd = 0x7fffffff      # POLLNVAL
        asked = fds[i].events
        if asked & ~<int16_t> POLL_SAME:
            fds[i].events = <int16_t> freebsd_to_linux_poll_events(<uint16_t> asked)
        odd += pipe_is_odd(area.proc, fds[i].fd, fds[i].events)
    result = wait_both_ways(area, fds, count, odd, timeout, mask)
    if is_error(result):
        return result
    for i in range(count):
        seen = fds[i].revents
        if seen:
            asked = fds[i].events
            seen = poll_events_seen(fds[i].fd, asked, seen)
            ready += seen != 0
        if copyout(&seen, guest + <uint64_t> i * sizeof(linux_pollfd) + 6, 2) < 0:
            return -LINUX_EFAULT
    return ready


cdef long poll_files(area_t *area, uaddr guest, uint32_t count, uint64_t timeout, uint64_t mask) noexcept nogil:
    cdef linux_pollfd small[POLL_SMALL]
    cdef uint64_t memory
    cdef long result
    if count <= POLL_SMALL:
        return poll_all(area, small, guest, count, timeout, mask)
    if count > POLL_MAX:
        return suspend_over(area, -LINUX_EINVAL)
    memory = map_memory(page_up(<uint64_t> count * sizeof(linux_pollfd)))
    if memory == 0:
        return suspend_over(area, -LINUX_ENOMEM)
    result = poll_all(area, <linux_pollfd *> memory, guest, count, timeout, mask)
    linux_syscall2(LINUX_SYS_munmap, memory, page_up(<uint64_t> count * sizeof(linux_pollfd)))
    return result


cdef public long sys_poll(frame_t *frame, area_t *area) noexcept nogil:
    cdef int timeout = <int> frame.arg[2]
    cdef linux_timespec ts
    if timeout == -1:                   # INFTIM
        return poll_files(area, frame.arg[0], <uint32_t> frame.arg[1], 0, 0)
    if timeout < 0:
        return -LINUX_EINVAL
    ts.tv_sec = timeout / 1000
    ts.tv_nsec = timeout % 1000 * 1000000
    return poll_files(area, frame.arg[0], <uint32_t> frame.arg[1], <uint64_t> &ts, 0)


cdef long timespec_in(uaddr source, linux_timespec *ts) noexcept nogil:
    """A timeout: 0, -EFAULT, or -EINVAL where it is negative or has no nanoseconds."""
    if copyin(source, ts, sizeof(linux_timespec)) < 0:
        return -LINUX_EFAULT
    return 0 if ts.tv_sec >= 0 and 0 <= ts.tv_nsec < 1000000000 else -LINUX_EINVAL


cdef public long sys_ppoll(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec ts
    cdef uint64_t mask = 0, timeout = 0, mask_pointer = 0
    cdef long result
    if frame.arg[2] != 0:
        result = timespec_in(frame.arg[2], &ts)
        if result < 0:
            return result
        timeout = <uint64_t> &ts
    if frame.arg[3] != 0:
        result = wait_mask(area, frame.arg[3], &mask)
        if result < 0:
            return result
        mask_pointer = <uint64_t> &mask
    return poll_files(area, frame.arg[0], <uint32_t> frame.arg[1], timeout, mask_pointer)


cdef long select_hidden(process_t *proc, uint32_t count, const uint64_t *sets) noexcept nogil:
    """0, or an error where one of the three sets has a descriptor that is not the guest's."""
    cdef int fd = next_hidden(proc, 0), i
    cdef uint64_t word
    while 0 <= fd and <uint32_t> fd < count:
        for i in range(3):
            if sets[i] != 0:
                if fetch_guest64(sets[i] + <uint64_t> (fd >> 6) * 8, &word) < 0:
                    return -LINUX_EFAULT
                if word >> (fd & 63) & 1:
                    return -LINUX_EBADF
        fd = next_hidden(proc, <uint32_t> fd + 1)
    return 0


cdef public long sys_select(frame_t *frame, area_t *area) noexcept nogil:
    """fd_set is the same array of 64-bit words on both systems. The timeout stays as it is (Linux counts it down)."""
    cdef freebsd_timeval tv
    cdef linux_timespec ts
    cdef uint64_t timeout = 0
    cdef long result
    if <int> frame.arg[0] < 0:
        return -LINUX_EINVAL
    if frame.arg[4] != 0:
        if copyin(frame.arg[4], &tv, sizeof(tv)) < 0:
            return -LINUX_EFAULT
        if tv.tv_sec < 0 or tv.tv_usec < 0 or tv.tv_usec >= 1000000:
            return -LINUX_EINVAL
        ts.tv_sec = tv.tv_sec
        ts.tv_nsec = tv.tv_usec * 1000
        timeout = <uint64_t> &ts
    if <uint32_t> frame.arg[0] > lsf_hidden_low:
        result = select_hidden(area.proc, <uint32_t> frame.arg[0], &frame.arg[1])
        if result < 0:
            return result
    if select_is_odd(area.proc, <uint32_t> frame.arg[0], frame.arg[1], frame.arg[2]):
        return select_both_ways(area, <uint32_t> frame.arg[0], &frame.arg[1], timeout, 0)
    return wait_call(area, LINUX_SYS_pselect6, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], timeout, 0,
                     <linux_timespec *> timeout)


cdef long microseconds_in(uaddr source, linux_timespec *ts) noexcept nogil:
    """pselect's timeout, of which the kernel looks at whole microseconds alone: a nanosecond less than none is none
    (TIMESPEC_TO_TIMEVAL, kern_select)."""
    if copyin(source, ts, sizeof(linux_timespec)) < 0:
        return -LINUX_EFAULT
    if -1000 < ts.tv_nsec < 0:
        ts.tv_nsec = 0
    ts.tv_nsec -= ts.tv_nsec % 1000
    return 0 if ts.tv_sec >= 0 and 0 <= ts.tv_nsec < 1000000000 else -LINUX_EINVAL


cdef public long sys_pselect(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_timespec ts
    cdef uint64_t mask = 0, timeout = 0
    cdef uint64_t set_[2]
    cdef long result
    cdef bint odd
    if <int> frame.arg[0] < 0:
        return -LINUX_EINVAL
    if frame.arg[4] != 0:
        result = microseconds_in(frame.arg[4], &ts)
        if result < 0:
            return result
        timeout = <uint64_t> &ts
    if <uint32_t> frame.arg[0] > lsf_hidden_low:
        result = select_hidden(area.proc, <uint32_t> frame.arg[0], &frame.arg[1])
        if result < 0:
            return result
    odd = select_is_odd(area.proc, <uint32_t> frame.arg[0], frame.arg[1], frame.arg[2])
    if frame.arg[5] == 0:
        if odd:
            return select_both_ways(area, <uint32_t> frame.arg[0], &frame.arg[1], timeout, 0)
        return wait_call(area, LINUX_SYS_pselect6, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], timeout, 0,
                         <linux_timespec *> timeout)
    result = wait_mask(area, frame.arg[5], &mask)
    if result < 0:
        return result
    if odd:
        return select_both_ways(area, <uint32_t> frame.arg[0], &frame.arg[1], timeout, <uint64_t> &mask)
    set_[0] = <uint64_t> &mask
    set_[1] = 8
    return wait_call(area, LINUX_SYS_pselect6, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], timeout,
                     <uint64_t> set_, <linux_timespec *> timeout)

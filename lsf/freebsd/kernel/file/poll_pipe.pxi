# Waits for the way back of pipes (pipe_back.pxi): poll(2) and select(2) of an end for what Linux never has for it.


cdef long wait_both_ways(area_t *area, linux_pollfd *fds, uint32_t count, uint32_t odd, uint64_t timeout,
                         uint64_t mask) noexcept nogil:
    """ppoll of Linux, after which revents say also what the ways back have. odd: how many of the entries ask for them."""
    cdef uint64_t memory, size = page_up((<uint64_t> count + odd) * sizeof(linux_pollfd))
    cdef long result
    if odd == 0:
        return wait_call(area, LINUX_SYS_ppoll, <uint64_t> fds, count, timeout, mask, 8, 0, <linux_timespec *> timeout)
    memory = map_memory(size)
    if memory == 0:
        return suspend_over(area, -LINUX_ENOMEM)
    result = wait_in(area, fds, <linux_pollfd *> memory, count, timeout, mask)
    linux_syscall2(LINUX_SYS_munmap, memory, size)
    return result


cdef long wait_in(area_t *area, linux_pollfd *fds, linux_pollfd *all_, uint32_t count, uint64_t timeout,
                  uint64_t mask) noexcept nogil:
    """wait_both_ways, with room for all entries: those that were asked for, and behind them the ways back."""
    cdef uint32_t i, more = count
    cdef long way, result
    cdef int16_t events
    memcpy(all_, fds, <uint64_t> count * sizeof(linux_pollfd))
    for i in range(count):
        if not pipe_is_odd(area.proc, fds[i].fd, fds[i].events):
            continue
        way = back_of(area.proc, fds[i].fd, True)
        if way < 0:
            continue
        events = fds[i].events & (LINUX_POLLIN | LINUX_POLLRDNORM if pipe_end(area.proc, fds[i].fd) == MARK_WRITES
                                  else LINUX_POLLOUT)
        all_[more].fd = <int32_t> way
        all_[more].events = events
        more += 1
    result = wait_call(area, LINUX_SYS_ppoll, <uint64_t> all_, more, timeout, mask, 8, 0, <linux_timespec *> timeout)
    if is_error(result):
        return result
    more = count
    for i in range(count):
        fds[i].revents = all_[i].revents
        # In the order in which they were put there; one without a way back has none.
        if pipe_is_odd(area.proc, fds[i].fd, fds[i].events) and back_of(area.proc, fds[i].fd, False) == all_[more].fd:
            fds[i].revents |= all_[more].revents
            more += 1
    return result


cdef bint select_is_odd(process_t *proc, uint32_t count, uaddr readable, uaddr writable) noexcept nogil:
    """Whether the sets of a select(2) ask for a way back."""
    cdef uint64_t reads = 0, writes = 0
    cdef uint32_t fd
    if not proc.own.fd_marked & MARK_PIPE:
        return False
    for fd in range(count):
        if fd & 63 == 0:
            reads = writes = 0
            if readable != 0:
                fetch_guest64(readable + (fd >> 6) * 8, &reads)
            if writable != 0:
                fetch_guest64(writable + (fd >> 6) * 8, &writes)
        if (reads >> (fd & 63) & 1 and pipe_end(proc, <int> fd) == MARK_WRITES) \
                or (writes >> (fd & 63) & 1 and pipe_end(proc, <int> fd) == MARK_READS):
            return True
    return False


cdef long select_both_ways(area_t *area, uint32_t count, const uint64_t *sets, uint64_t timeout, uint64_t mask) noexcept nogil:
    """select(2) as a poll(2): how many bits are set in the three sets, or a negative errno."""
    cdef uint64_t size, memory
    cdef long result
    if count > POLL_MAX:
        return suspend_over(area, -LINUX_EINVAL)
    size = page_up(<uint64_t> count * sizeof(linux_pollfd))
    memory = map_memory(size)
    if memory == 0:
        return suspend_over(area, -LINUX_ENOMEM)
    result = select_by_poll(area, <linux_pollfd *> memory, count, sets, timeout, mask)
    linux_syscall2(LINUX_SYS_munmap, memory, size)
    return result


cdef long select_by_poll(area_t *area, linux_pollfd *fds, uint32_t count, const uint64_t *sets, uint64_t timeout,
                         uint64_t mask) noexcept nogil:
    cdef uint64_t words[3]
    cdef uint32_t fd, i, odd = 0, used = 0
    cdef long result
    for fd in range(count):
        if fd & 63 == 0:
            for i in range(3):
                words[i] = 0
                if sets[i] != 0 and fetch_guest64(sets[i] + (fd >> 6) * 8, &words[i]) < 0:
                    return suspend_over(area, -LINUX_EFAULT)
        if (words[0] | words[1] | words[2]) >> (fd & 63) & 1 == 0:
            continue
        fds[used].fd = <int32_t> fd
        fds[used].events = ((LINUX_POLLIN if words[0] >> (fd & 63) & 1 else 0) | (LINUX_POLLOUT if words[1] >> (fd & 63) & 1 else 0)
                            | (LINUX_POLLPRI if words[2] >> (fd & 63) & 1 else 0))
        odd += pipe_is_odd(area.proc, <int> fd, fds[used].events)
        used += 1
    result = wait_both_ways(area, fds, used, odd, timeout, mask)
    if is_error(result):
        return result
    return select_result(fds, used, count, sets)


cdef long select_result(const linux_pollfd *fds, uint32_t used, uint32_t count, const uint64_t *sets) noexcept nogil:
    """Give the sets what poll said: the end of a pipe can be read and written (selscan, pipe_poll)."""
    cdef uint64_t words[3]
    cdef uint64_t bit
    cdef uint32_t at = 0, word, i
    cdef int16_t seen
    cdef long ready = 0
    for i in range(used):
        if fds[i].revents & LINUX_POLLNVAL:
            return -LINUX_EBADF
    for word in range((count + 63) >> 6):
        words[0] = words[1] = words[2] = 0
        while at < used and <uint32_t> fds[at].fd >> 6 == word:
            bit = 1UL << (fds[at].fd & 63)
            seen = fds[at].revents
            if fds[at].events & LINUX_POLLIN and seen & (LINUX_POLLIN | LINUX_POLLHUP | LINUX_POLLERR):
                words[0] |= bit
                ready += 1
            if fds[at].events & LINUX_POLLOUT and seen & (LINUX_POLLOUT | LINUX_POLLHUP | LINUX_POLLERR):
                words[1] |= bit
                ready += 1
            if fds[at].events & LINUX_POLLPRI and seen & LINUX_POLLPRI:
                words[2] |= bit
                ready += 1
            at += 1
        for i in range(3):
            if sets[i] != 0 and copyout(&words[i], sets[i] + word * 8, 8) < 0:
                return -LINUX_EFAULT
    return ready

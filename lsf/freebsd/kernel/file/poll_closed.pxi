# What a thread closes while another sleeps for it in poll(2) or select(2). Linux's sleepers hold the files that they wait for. FreeBSD's do
# not: a socket, a pipe or whatever it is goes with its last descriptor, wakes who sleeps for it (seldrain, soisdisconnected,
# pipeclose), and they find its number closed: POLLNVAL, or EBADF of select. Model: FreeBSD sys/kern/sys_generic.c (pollrescan).
#
# A thread that is about to sleep says for which numbers, by their remainders, and is counted; who closes something looks at the count
# afterwards. One that looks again in vain only sleeps again. Processes of one thread, and those whose threads never sleep so, do not pay.
# What keeps a file open in another process is not seen: FreeBSD's sleepers sleep on then.


cdef uint64_t poll_bits(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d) noexcept nogil:
    """The numbers that a ppoll or pselect6 of Linux waits for, by remainder: these are its arguments."""
    cdef uint64_t sets[3]
    cdef uint64_t bits = 0, word, i
    cdef int set_
    if nr == LINUX_SYS_ppoll:
        for i in range(b):
            bits |= 1UL << ((<linux_pollfd *> a)[i].fd & 63)
        return bits
    sets[0], sets[1], sets[2] = b, c, d
    for i in range((a + 63) >> 6):
        for set_ in range(3):
            word = 0
            if sets[set_] != 0:
                fetch_guest64(sets[set_] + i * 8, &word)
            bits |= word
    return bits


cdef long poll_asleep(area_t *area, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) noexcept nogil:
    """A wait of a thread that is not its process's only one."""
    cdef process_t *proc = area.proc
    cdef long result
    area.own.poll_closed = 0
    area.own.poll_gone = 0
    area.own.polled = poll_bits(nr, a, b, c, d)
    atomic_store32(&proc.own.pollers_seen, 1)
    atomic_add32(&proc.own.pollers, 1)
    result = blocking_syscall(nr, a, b, c, d, e, f)
    atomic_add32(&proc.own.pollers, <uint32_t> -1)
    area.own.polled = 0
    if atomic_load32(&area.own.poll_closed):
        if nr == LINUX_SYS_ppoll:
            return poll_gone(<linux_pollfd *> a, b, <int> area.own.poll_gone - 1, result)
        return select_gone(a, b, c, d, <int> area.own.poll_gone - 1, result)
    return result


cdef long poll_gone(linux_pollfd *fds, uint64_t count, int gone, long result) noexcept nogil:
    """What a poll says in which `gone` was closed: its number may be another file's again, the shim's own for a moment."""
    cdef linux_timespec none
    cdef uint64_t i = 0
    while i < count and (gone < 0 or fds[i].fd != gone):
        i += 1
    if i == count:
        return result
    if is_error(result):                # look at the others
        none.tv_sec = none.tv_nsec = 0
        for i in range(count):
            fds[i].revents = 0
        result = linux_syscall4(LINUX_SYS_ppoll, <uint64_t> fds, count, <uint64_t> &none, 0)
        result = 0 if is_error(result) else result
    for i in range(count):
        if fds[i].fd == gone:
            result += fds[i].revents == 0
            fds[i].revents = LINUX_POLLNVAL
    return result


cdef long select_gone(uint64_t count, uint64_t readable, uint64_t writable, uint64_t odd, int gone, long result) noexcept nogil:
    """What a select says in which `gone`, or something else, was closed. Linux's looks again by itself before it says EINTR, and of a number
    that is closed by then it says that it is ready."""
    cdef uint64_t fd, bits = 0
    if result == 0 or (is_error(result) and result != -LINUX_EINTR):
        return result
    for fd in range(count):
        if fd & 63 == 0:
            bits = (poll_bits(LINUX_SYS_pselect6, 1, readable + (fd >> 3) if readable else 0, writable + (fd >> 3) if writable else 0,
                              odd + (fd >> 3) if odd else 0))
        if bits >> (fd & 63) & 1 and (<int> fd == gone or (
                result > 0 and linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD) == -LINUX_EBADF)):
            return -LINUX_EBADF
    return result


cdef void pollers_none(process_t *proc) noexcept nogil:
    """In a new process, where nobody sleeps."""
    proc.own.pollers = 0
    proc.own.pollers_seen = 0


cdef inline bint poll_may_be_asleep(process_t *proc) noexcept nogil:
    """Whether what is closed must be closed before the call returns, to look for sleepers then."""
    return proc.own.pollers_seen != 0


cdef void pollers_look(process_t *proc, uint64_t bits, int gone, bint again) noexcept nogil:
    """Descriptors with these remainders were closed: who sleeps for them knows it when it wakes, and (`again`) looks again at once. gone:
    the number whose file is gone, and that was free; or -1."""
    cdef area_t *area = NULL
    if atomic_load32(&proc.own.pollers) == 0:
        return
    while (area := area_next(proc, area)) != NULL:
        if area.own.polled & bits:
            area.own.poll_gone = <uint32_t> (gone + 1)
            atomic_store32(&area.own.poll_closed, 1)
            if again:
                look_again(area)


cdef bint goes_with(process_t *proc, int fd) noexcept nogil:
    """Whether what a descriptor has open goes with it: it has no other here, and is no terminal, whose file stays. True where nobody
    sleeps, which is asked anew behind the close."""
    cdef proc_walk_t walk
    cdef bint last = True
    cdef int other
    cdef long mode
    if atomic_load32(&proc.own.pollers) == 0:
        return True
    pollers_look(proc, 1UL << (fd & 63), -1, False)     # who is woken by that itself
    mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFCHR or walk_begin(&walk, b"/proc/self/fd") < 0:
        return not is_error(mode) and mode & LINUX_S_IFMT != LINUX_S_IFCHR
    other = walk_next(&walk)
    while other >= 0:
        if other != fd and other != walk.fd \
                and linux_syscall5(LINUX_SYS_kcmp, proc.pid, proc.pid, LINUX_KCMP_FILE, fd, other) == 0:
            last = False
        other = walk_next(&walk)
    return last

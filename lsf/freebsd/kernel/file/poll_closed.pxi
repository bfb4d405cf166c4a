# What a thread closes while another sleeps for it in poll(2) or select(2). Linux's sleepers hold the files that they wait for. FreeBSD's do
# not: a socket, a pipe or whatever it is goes with its last descriptor, wakes who sleeps for it (seldrain, soisdisconnected,
# pipeclose), and they find its number closed: POLLNVAL, or EBADF of select. Model: FreeBSD sys/kern/sys_generic.c (pollrescan).
#
# A thread that is about to sleep says for which numbers, by their remainders, and is counted; who closes something looks at the count
# afterwards. One that looks again in vain only sleeps again. Processes of one thread, and those whose threads never sleep so, do not pay.
# What keeps a file open in another process is not seen: FreeBSD's sleepers sleep on then.


cdef enum:
    LEFT_MANY = 0xffffffffffffffffUL        # more than one file


cdef struct closing_t:
    int fd
    bint goes                           # and with it its file
    uint32_t turn                       # of the waits that begin: those that began before this one slept for the file
    int other                           # a descriptor of the same file; -1: there is none
    uint64_t number                     # the file's inode; 0: nobody asked


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
    area.own.poll_left = 0
    area.own.poll_turn = atomic_add32(&proc.own.poll_turns, 1)
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


cdef void poller_look(area_t *area, const closing_t *closing, bint again) noexcept nogil:
    """One that sleeps for it. One whose wait began behind the close may sleep for another file of this number, and finds by itself that
    there is none."""
    area.own.poll_gone = <uint32_t> (closing.fd + 1) if closing != NULL and <int32_t> (area.own.poll_turn - closing.turn) < 0 else 0
    atomic_store32(&area.own.poll_closed, 1)
    if again:
        look_again(area)


cdef void pollers_look(process_t *proc, uint64_t bits, const closing_t *closing, bint again) noexcept nogil:
    """Descriptors with these remainders were closed: who sleeps for them knows it when it wakes, and (`again`) looks again at once.
    closing: whose file is gone, and whose number was free; or NULL."""
    cdef area_t *area = NULL
    if atomic_load32(&proc.own.pollers) == 0:
        return
    while (area := area_next(proc, area)) != NULL:
        if area.own.polled & bits:
            poller_look(area, closing, again)


cdef void pollers_left(process_t *proc, uint64_t number, int fd) noexcept nogil:
    """fd >= 0: this was closed, and its file, of such an inode, stays with another descriptor: who sleeps for it sleeps on. fd < 0: the
    file goes with that one, and these look again."""
    cdef area_t *area = NULL
    if atomic_load32(&proc.own.pollers) == 0 or number == 0:
        return
    while (area := area_next(proc, area)) != NULL:
        if fd >= 0 and area.own.polled >> (fd & 63) & 1:
            area.own.poll_left = number if area.own.poll_left == 0 or area.own.poll_left == number else LEFT_MANY
        elif fd < 0 and area.own.polled != 0 and (area.own.poll_left == number or area.own.poll_left == LEFT_MANY):
            poller_look(area, NULL, True)


cdef int duplicate_here(process_t *proc, int fd) noexcept nogil:
    """Another descriptor of what this one has open; -1: this process has none."""
    cdef proc_walk_t walk
    cdef int other, found = -1
    if walk_begin(&walk, b"/proc/self/fd") < 0:
        return -1
    other = walk_next(&walk)
    while other >= 0:
        if other != fd and other != walk.fd \
                and linux_syscall5(LINUX_SYS_kcmp, proc.pid, proc.pid, LINUX_KCMP_FILE, fd, other) == 0:
            found = other
        other = walk_next(&walk)
    return found


cdef void closing_begin(process_t *proc, closing_t *closing, int fd) noexcept nogil:
    """Before a descriptor is closed: whether what it has open goes with it: it has no other here, and is no terminal, whose file stays.
    True where nobody sleeps, which is asked anew behind the close."""
    cdef long mode
    closing.fd = fd
    closing.other = -1
    closing.number = 0
    closing.goes = True
    closing.turn = atomic_load32(&proc.own.poll_turns)
    if atomic_load32(&proc.own.pollers) == 0:
        return
    pollers_look(proc, 1UL << (fd & 63), NULL, False)       # who is woken by that itself
    mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    closing.goes = not is_error(mode) and mode & LINUX_S_IFMT != LINUX_S_IFCHR
    if closing.goes:
        closing.number = number_of_file(fd)
        closing.other = duplicate_here(proc, fd)
        closing.goes = closing.other < 0


cdef uint64_t number_of_file(int fd) noexcept nogil:
    """The inode of a descriptor's file; 0: it has none."""
    cdef linux_stat st
    return 0 if is_error(linux_syscall2(LINUX_SYS_fstat, <uint32_t> fd, <uint64_t> &st)) else st.st_ino


cdef void closing_done(process_t *proc, closing_t *closing, bint reused) noexcept nogil:
    """Behind the close. The other descriptor may have been closed by another thread meanwhile, which took this one for another: the
    file is gone then, too, and who comes last sees it. reused: the number is another file's."""
    if closing.other >= 0:
        pollers_left(proc, closing.number, closing.fd)      # before the look: who closes the other behind it finds this
        closing.goes = number_of_file(closing.other) != closing.number
    if closing.goes:
        pollers_left(proc, closing.number, -1)
    pollers_look(proc, 1UL << (closing.fd & 63), closing if closing.goes and not reused else NULL, closing.goes)

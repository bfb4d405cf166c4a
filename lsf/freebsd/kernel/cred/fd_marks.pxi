# What is kept of a descriptor beside its file and is not Linux's to keep: which end of a pipe it is, the flags FD_CLOFORK and
# FD_RESOLVE_BENEATH of FreeBSD 15, that it is limited (capability.pxi), and what sort of descriptor it is where that is looked at.
# Model: FreeBSD sys/kern/kern_descrip.c (fde_flags).
#
# Descriptors that are closed lose their marks, whoever closes them. Those that an execution closes go with the process's memory.

cdef enum:
    MARK_READS = 1                      # the first end of a pipe, which Linux only reads (pipe.pxi)
    MARK_WRITES = 2                     # the second, which Linux only writes
    MARK_PIPE = MARK_READS | MARK_WRITES
    MARK_CLOFORK = 4                    # FD_CLOFORK: children do not get it
    MARK_BENEATH = 8                    # FD_RESOLVE_BENEATH: no path that begins in this folder leaves it (confine.pxi)
    MARK_LIMITED = 16                   # it has less than all rights: what it has stands in proc.own.fd_caps (capability.pxi)
    MARK_MASTER = 32                    # a pseudo-terminal's master, whose writes are looked at (tty_info.pxi),
    MARK_MIDLINE = 64                   # and what was read last from it did not end a line. Of what is no master:
    MARK_INOTIFY = MARK_MIDLINE         # inotify's, whose reads are converted (inotify.pxi)
    MARK_SORT = MARK_MASTER | MARK_MIDLINE
    MARK_OBJECT = 128                   # of POSIX's shared memory, or a message queue's: Linux has a file for it (object_fd.pxi)
    MARKS_HIGH = 1 << 20                # descriptors that can have any

cdef inline int fd_marks(process_t *proc, int fd) noexcept nogil:
    if <uint32_t> fd < <uint32_t> FD_MARKS:
        return proc.own.fd_marks[fd]
    if proc.own.fd_marks_high == NULL or <uint32_t> fd >= MARKS_HIGH:
        return 0
    return proc.own.fd_marks_high[fd]


cdef void fd_mark_high(process_t *proc, int fd, int marks) noexcept nogil:
    if <uint32_t> fd >= MARKS_HIGH:
        return
    if proc.own.fd_marks_high == NULL and marks:
        lock_acquire(&proc.own.lock_event)
        if proc.own.fd_marks_high == NULL:
            proc.own.fd_marks_high = <uint8_t *> map_memory(MARKS_HIGH)
        lock_release(&proc.own.lock_event)
    if proc.own.fd_marks_high != NULL:
        proc.own.fd_marks_high[fd] = <uint8_t> marks


cdef inline void fd_mark(process_t *proc, int fd, int marks) noexcept nogil:
    """These are all its marks."""
    if marks:
        proc.own.fd_marked |= <uint32_t> marks
    if <uint32_t> fd < <uint32_t> FD_MARKS:
        proc.own.fd_marks[fd] = <uint8_t> marks
    else:
        fd_mark_high(proc, fd, marks)


cdef inline void fd_duplicated(process_t *proc, int fd, long duplicate) noexcept nogil:
    """A descriptor was duplicated, perhaps onto one that was closed by that (kern_dup)."""
    if proc.own.fd_marked and not is_error(duplicate):
        fd_mark(proc, <int> duplicate, fd_marks(proc, fd) & ~(MARK_CLOFORK | MARK_LIMITED))
        if fd_marks(proc, fd) & MARK_LIMITED:
            caps_copied(proc, fd, <int> duplicate)


cdef int fd_marked_from(process_t *proc, uint32_t fd) noexcept nogil:
    """The lowest descriptor from `fd` on that has a mark, or -1."""
    cdef const uint8_t *table = proc.own.fd_marks
    cdef uint32_t end = <uint32_t> FD_MARKS
    if proc.own.fd_marked == 0:
        return -1
    while True:
        while fd < end:
            if fd & 7 == 0 and (<const uint64_t *> &table[fd])[0] == 0:
                fd += 8
            elif table[fd]:
                return <int> fd
            else:
                fd += 1
        if end == MARKS_HIGH or proc.own.fd_marks_high == NULL:
            return -1
        table = proc.own.fd_marks_high
        end = MARKS_HIGH


cdef void fd_marks_in_vfork(process_t *proc) noexcept nogil:
    """In the copy that a vfork child has: the marks of high descriptors are still its parent's. They become its own. What limited
    ones have stays there until one of them changes (caps_table)."""
    cdef uint8_t *theirs = proc.own.fd_marks_high
    cdef uint32_t fd = <uint32_t> FD_MARKS
    proc.own.fd_marks_high = NULL
    proc.own.fd_caps_shared = proc.own.fd_caps != NULL
    while theirs != NULL and fd < MARKS_HIGH:
        if fd & 7 == 0 and (<uint64_t *> &theirs[fd])[0] == 0:
            fd += 8
        else:
            fd_mark_high(proc, <int> fd, theirs[fd])
            fd += 1


cdef void fd_marks_after_fork(process_t *proc) noexcept nogil:
    """In a child that has descriptors of its own: those of FD_CLOFORK are closed (fdcopy)."""
    cdef int fd
    if not proc.own.fd_marked & MARK_CLOFORK:
        return
    fd = fd_marked_from(proc, 0)
    while fd >= 0:
        if fd_marks(proc, fd) & MARK_CLOFORK:
            fd_mark(proc, fd, 0)
            linux_syscall1(LINUX_SYS_close, fd)
        fd = fd_marked_from(proc, <uint32_t> fd + 1)
    proc.own.fd_marked &= ~<uint32_t> MARK_CLOFORK

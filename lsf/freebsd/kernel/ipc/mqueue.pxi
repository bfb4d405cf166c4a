# POSIX message queues: Linux's own, by name and by descriptor. Model: FreeBSD sys/kern/uipc_mqueue.c.
#
# struct mq_attr is the same but for O_NONBLOCK. Linux's notification says neither which descriptor it is of (si_mqd), nor
# can it go to one thread or be a signal that Linux has no number for. So its value is the address of a note of ours, and
# in the last two cases its signal is the carrier (sigqueue.pxi), which on arrival sends on what was wanted.

cdef enum:
    MQ_NAME_MAX = 255                   # MQFS_NAMELEN
    MQ_MAXMSG = 100                     # kern.mqueue.maxmsg
    MQ_MSGSIZE = 16384                  # kern.mqueue.maxmsgsize
    MQ_DEFAULT_MAXMSG = 10
    MQ_DEFAULT_MSGSIZE = 1024
    MQ_NOTES = 128                      # per process

cdef struct freebsd_mq_attr:
    int64_t mq_flags
    int64_t mq_maxmsg
    int64_t mq_msgsize
    int64_t mq_curmsgs
    int64_t reserved[4]

# What a process asked for by kmq_notify, one for each descriptor.
cdef struct mq_note_t:
    int32_t mqd
    int32_t signo
    int32_t tid                         # 0: the process
    uint32_t used
    uint64_t value


# ------------------------------------------------------------------ sigevents, also for aio

cdef long sigevent_send(area_t *area, int signo, int tid, int code, int linux_code, uint64_t value) noexcept nogil:
    """Send a signal with a value to a thread of this process (0: the process). code is FreeBSD's SI_, linux_code
    Linux's."""
    cdef linux_siginfo info
    cdef int linux = queued_own(signo)
    carrier_info(area, &info, signo, code, value)
    if linux != 0:
        info.si_signo = linux
        info.si_errno = 0
        info.si_code = linux_code
    else:
        linux = LINUX_CARRIER
        if tid != 0:
            info.si_errno |= CARRIER_THREAD
    if tid != 0:
        return linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, tid, linux, <uint64_t> &info)
    return linux_syscall3(LINUX_SYS_rt_sigqueueinfo, area.proc.pid, linux, <uint64_t> &info)


cdef inline bint is_signal(int signo) noexcept nogil:
    """_SIG_VALID."""
    return 0 < signo <= SIGNAL_MAX


# ------------------------------------------------------------------ notes

cdef mq_note_t *mqueue_note(process_t *proc, uint64_t address) noexcept nogil:
    """The note whose address a signal's value is, or NULL."""
    cdef uint64_t start = <uint64_t> proc.own.mqueue_notes
    if start == 0 or address < start or address >= start + MQ_NOTES * sizeof(mq_note_t):
        return NULL
    return <mq_note_t *> (address - (address - start) % sizeof(mq_note_t))


cdef mq_note_t *mqueue_note_for(process_t *proc, int mqd) noexcept nogil:
    """The note of a descriptor, a free one for its first time; NULL when there is none. Under lock_event."""
    cdef mq_note_t *notes
    cdef mq_note_t *free_ = NULL
    cdef int i
    if proc.own.mqueue_notes == NULL:
        proc.own.mqueue_notes = <void *> map_memory(page_up(MQ_NOTES * sizeof(mq_note_t)))
        if proc.own.mqueue_notes == NULL:
            return NULL
    notes = <mq_note_t *> proc.own.mqueue_notes
    for i in range(MQ_NOTES):
        if notes[i].used and notes[i].mqd == mqd:
            return &notes[i]
        if not notes[i].used and free_ == NULL:
            free_ = &notes[i]
    return free_


cdef void mqueue_siginfo(area_t *area, freebsd_siginfo *to) noexcept nogil:
    """si_mqd and si_value of a SI_MESGQ, whose value is a note's address."""
    cdef mq_note_t *note = mqueue_note(area.proc, to.si_value)
    if note != NULL:
        to.si_value = note.value
        to.reason.mqd = note.mqd


cdef void mqueue_send_on(area_t *area, linux_siginfo *info) noexcept nogil:
    """The carrier has come as a queue's notification: send what was asked for."""
    cdef mq_note_t *note = mqueue_note(area.proc, info.fields.kill.value)
    if note != NULL:
        sigevent_send(area, note.signo, note.tid, FREEBSD_SI_MESGQ, LINUX_SI_MESGQ, <uint64_t> note)


# ------------------------------------------------------------------ calls

cdef long mqueue_name(uaddr guest, char *name) noexcept nogil:
    """The name without its slash, as Linux wants it, in MQ_NAME_MAX + 1 bytes. Since FreeBSD 15 it may be without one."""
    cdef char path[MQ_NAME_MAX + 1]
    cdef uint64_t i, from_
    cdef long result = copyinstr(guest, path, MQ_NAME_MAX + 1, NULL)
    if result < 0:
        return result
    from_ = 1 if path[0] == c'/' else 0
    if path[0] == 0 or path[1] == 0 or (from_ == 0 and SHIM.own.osreldate < FREEBSD_SINCE_MQUEUE_NAMES):
        return -LINUX_EINVAL
    if string_equal(&path[from_], b".") or string_equal(&path[from_], b".."):
        return -LINUX_EINVAL
    i = from_
    while path[i] != 0:
        if path[i] == c'/':
            return -LINUX_EINVAL
        name[i - from_] = path[i]
        i += 1
    name[i - from_] = 0
    return 0


cdef public long sys_kmq_open(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[MQ_NAME_MAX + 1]
    cdef freebsd_mq_attr attr
    cdef uint32_t flags = <uint32_t> frame.arg[1]
    cdef uint64_t linux_flags
    cdef long result
    if flags & FREEBSD_O_ACCMODE == FREEBSD_O_ACCMODE:
        return -LINUX_EINVAL
    memset(&attr, 0, sizeof(attr))
    attr.mq_maxmsg = MQ_DEFAULT_MAXMSG
    attr.mq_msgsize = MQ_DEFAULT_MSGSIZE
    if flags & FREEBSD_O_CREAT and frame.arg[3] != 0:
        if copyin(frame.arg[3], &attr, sizeof(attr)) < 0:
            return -LINUX_EFAULT
        if not 0 < attr.mq_maxmsg <= MQ_MAXMSG or not 0 < attr.mq_msgsize <= MQ_MSGSIZE:
            return -LINUX_EINVAL
    result = mqueue_name(frame.arg[0], name)
    if result < 0:
        return result
    linux_flags = flags & FREEBSD_O_ACCMODE
    if flags & FREEBSD_O_CREAT:
        linux_flags |= LINUX_O_CREAT
    if flags & FREEBSD_O_EXCL:
        linux_flags |= LINUX_O_EXCL
    if flags & FREEBSD_O_NONBLOCK:
        linux_flags |= LINUX_O_NONBLOCK
    result = linux_syscall4(LINUX_SYS_mq_open, <uint64_t> name, linux_flags | LINUX_O_CLOEXEC, frame.arg[2] & FREEBSD_ACCESSPERMS,
                            <uint64_t> &attr)
    object_made(area.proc, result)
    return result


cdef public long sys_kmq_unlink(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[MQ_NAME_MAX + 1]
    cdef long result = mqueue_name(frame.arg[0], name)
    return result if result < 0 else linux_syscall1(LINUX_SYS_mq_unlink, <uint64_t> name)


cdef public long sys_kmq_setattr(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_mq_attr attr, old
    cdef long result
    memset(&old, 0, sizeof(old))
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], &attr, sizeof(attr)) < 0:
            return -LINUX_EFAULT
        if attr.mq_flags & ~<int64_t> FREEBSD_O_NONBLOCK:
            return -LINUX_EINVAL
        attr.mq_flags = LINUX_O_NONBLOCK if attr.mq_flags else 0
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    result = linux_syscall3(LINUX_SYS_mq_getsetattr, <uint32_t> frame.arg[0], <uint64_t> &attr if frame.arg[1] != 0 else 0,
                            <uint64_t> &old)
    if is_error(result):
        return result
    old.mq_flags = FREEBSD_O_NONBLOCK if old.mq_flags & LINUX_O_NONBLOCK else 0
    return copyout(&old, frame.arg[2], sizeof(old)) if frame.arg[2] != 0 else 0


cdef long mqueue_transfer(frame_t *frame, long nr) noexcept nogil:
    """mq_timedsend and mq_timedreceive. FreeBSD looks at the time only when it has to wait."""
    cdef freebsd_timespec until
    cdef uint64_t timeout = 0
    cdef bint valid = True
    cdef long result
    if frame.arg[4] != 0:
        if copyin(frame.arg[4], &until, sizeof(until)) < 0:
            return -LINUX_EFAULT
        timeout = <uint64_t> &until
        valid = 0 <= until.tv_nsec < NANOSECONDS
        if not valid or until.tv_sec < 0:
            until.tv_sec = 0
            until.tv_nsec = 0
    result = blocking_syscall(nr, <uint32_t> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], timeout, 0)
    return -LINUX_EINVAL if result == -LINUX_ETIMEDOUT and not valid else restartable(result)


cdef public long sys_kmq_timedreceive(frame_t *frame, area_t *area) noexcept nogil:
    if range_is_ours(frame.arg[1], frame.arg[2]) or (frame.arg[3] != 0 and range_is_ours(frame.arg[3], 4)):
        return -LINUX_EFAULT
    return mqueue_transfer(frame, LINUX_SYS_mq_timedreceive)


cdef public long sys_kmq_timedsend(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_mq_attr attr
    if <uint32_t> frame.arg[3] >= FREEBSD_MQ_PRIO_MAX:
        # Only a queue has priorities.
        return mqueue_attributes(<int> frame.arg[0], &attr) or -LINUX_EINVAL
    frame.arg[3] = <uint32_t> frame.arg[3]
    return mqueue_transfer(frame, LINUX_SYS_mq_timedsend)


cdef inline long mqueue_attributes(int fd, freebsd_mq_attr *attr) noexcept nogil:
    """Linux's flags, the queue's sizes, and what it holds: 0 or an error."""
    return linux_syscall3(LINUX_SYS_mq_getsetattr, <uint32_t> fd, 0, <uint64_t> attr)


cdef public long sys_kmq_notify(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD notifies at once where messages are there already; Linux only of the next that comes to an empty queue."""
    cdef process_t *proc = area.proc
    cdef freebsd_sigevent event
    cdef freebsd_mq_attr attr
    cdef uint64_t linux_event[8]
    cdef mq_note_t *note
    cdef int fd = <int> frame.arg[0], linux = 0
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    if frame.arg[1] == 0:
        return linux_syscall2(LINUX_SYS_mq_notify, <uint32_t> fd, 0)
    if copyin(frame.arg[1], &event, sizeof(event)) < 0:
        return -LINUX_EFAULT
    if event.sigev_notify != FREEBSD_SIGEV_NONE and event.sigev_notify != FREEBSD_SIGEV_SIGNAL \
            and event.sigev_notify != FREEBSD_SIGEV_THREAD_ID:
        return -LINUX_EINVAL
    if event.sigev_notify != FREEBSD_SIGEV_NONE and not is_signal(event.sigev_signo):
        return -LINUX_EINVAL
    memset(linux_event, 0, sizeof(linux_event))
    lock_acquire(&proc.own.lock_event)
    note = mqueue_note_for(proc, fd)
    if note == NULL:
        lock_release(&proc.own.lock_event)
        return -LINUX_ENOMEM
    if event.sigev_notify == FREEBSD_SIGEV_NONE:
        (<int32_t *> linux_event)[3] = LINUX_SIGEV_NONE
    else:
        linux = queued_own(event.sigev_signo)
        if linux == 0 or event.sigev_notify == FREEBSD_SIGEV_THREAD_ID:
            linux = LINUX_CARRIER
        # union sigval, signo, notify
        linux_event[0] = <uint64_t> note
        (<int32_t *> linux_event)[2] = linux
        (<int32_t *> linux_event)[3] = LINUX_SIGEV_SIGNAL
    result = linux_syscall2(LINUX_SYS_mq_notify, <uint32_t> fd, <uint64_t> linux_event)
    if result == 0:
        note.mqd = fd
        note.signo = event.sigev_signo
        note.tid = <int32_t> event.sigev_un[0] if event.sigev_notify == FREEBSD_SIGEV_THREAD_ID else 0
        note.value = event.sigev_value
        note.used = 1
        if mqueue_attributes(fd, &attr) == 0 and attr.mq_curmsgs > 0:
            linux_syscall2(LINUX_SYS_mq_notify, <uint32_t> fd, 0)
            if event.sigev_notify != FREEBSD_SIGEV_NONE:
                sigevent_send(area, note.signo, note.tid, FREEBSD_SI_MESGQ, LINUX_SI_MESGQ, <uint64_t> note)
    lock_release(&proc.own.lock_event)
    return result

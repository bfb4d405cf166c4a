# NOTE_FORK, NOTE_EXEC, NOTE_TRACK and NOTE_CHILD: the watcher's end of process/notes.pxi. Model: FreeBSD sys/kern/kern_event.c
# (filt_proc, knote_fork).
#
# A channel is a file of records. A process makes one for all that it watches, or reads another's, where the process that it
# wants to watch has that one's key already. Each reader has a lock (flock) on the file; who closes it and finds that nobody
# else has one removes it, and who makes a new one removes those that readers left behind which were killed.

cdef enum:
    NOTE_SERIALS = 512                  # files that a process may have made and others still read
    NOTE_RECORDS = 64


cdef void notes_remove(int fd, uint64_t key) noexcept nogil:
    """Remove a file that nobody else reads."""
    cdef char path[SHARED_PATH]
    cdef int attempt
    if is_error(linux_syscall2(LINUX_SYS_flock, fd, LINUX_LOCK_EX | LINUX_LOCK_NB)):
        return
    for attempt in range(SHARED_FOLDERS):
        notes_path(path, attempt != 0, key & 0x7fffffff)
        linux_syscall1(LINUX_SYS_unlink, <uint64_t> path)


cdef void notes_sweep(const char *folder) noexcept nogil:
    """Remove what readers left behind."""
    cdef proc_walk_t walk
    cdef int number
    cdef long fd
    if walk_begin(&walk, folder) < 0:
        return
    number = walk_next(&walk)
    while number >= 0:
        fd = notes_open(<uint64_t> number, LINUX_O_RDONLY)
        if not is_error(fd):
            notes_remove(<int> fd, <uint64_t> number)
            linux_syscall1(LINUX_SYS_close, fd)
        number = walk_next(&walk)


cdef uint64_t notes_make(process_t *proc) noexcept nogil:
    """Make a file: its key, or 0."""
    cdef char path[SHARED_PATH]
    cdef uint64_t number
    cdef long folder, fd = -LINUX_ENOENT
    cdef int attempt, serial
    for attempt in range(SHARED_FOLDERS):
        folder = private_folder(path, attempt != 0, b"notes.", True)
        if is_error(folder):
            continue
        linux_syscall1(LINUX_SYS_close, folder)
        notes_sweep(path)
        for serial in range(NOTE_SERIALS):
            number = (<uint64_t> proc.pid << 9 | <uint64_t> serial) & 0x7fffffff
            notes_path(path, attempt != 0, number)
            fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                                LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC, 0o600)
            if fd != -LINUX_EEXIST:
                break
        if not is_error(fd):
            linux_syscall1(LINUX_SYS_close, fd)
            return <uint64_t> NOTES_MAGIC << 48 | number
    return 0


cdef channel_t *channel_find(events_t *ev, uint64_t key) noexcept nogil:
    cdef int i
    for i in range(CHANNELS):
        if ev.channels[i].knotes != 0 and ev.channels[i].key == key:
            return &ev.channels[i]
    return NULL


cdef channel_t *channel_open(events_t *ev, uint64_t key) noexcept nogil:
    """Begin to read a file, from its end: NULL where that is not possible."""
    cdef channel_t *channel = NULL
    cdef long fd
    cdef int i
    for i in range(CHANNELS):
        if ev.channels[i].knotes == 0:
            channel = &ev.channels[i]
            break
    if channel == NULL:
        return NULL
    fd = notes_open(key, LINUX_O_RDWR)
    if is_error(fd):
        return NULL
    if is_error(linux_syscall2(LINUX_SYS_flock, fd, LINUX_LOCK_SH | LINUX_LOCK_NB)):
        linux_syscall1(LINUX_SYS_close, fd)         # it is being removed
        return NULL
    channel.fd = hidden_new(ev, fd)
    if channel.fd < 0:
        return NULL
    channel.key = key
    channel.offset = linux_syscall3(LINUX_SYS_lseek, channel.fd, 0, LINUX_SEEK_END)
    return channel


cdef long notes_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """Have a process tell, if it does not yet: 0, or -EACCES where that cannot be."""
    cdef linux_rlimit limit
    cdef char path[32]
    cdef uint64_t key
    cdef channel_t *channel = NULL
    if kn.channel != NULL or not kn.sfflags & (FREEBSD_NOTE_FORK | FREEBSD_NOTE_EXEC | FREEBSD_NOTE_TRACK):
        return 0
    if kqueue_part(ev, kn.kq, &kn.kq.inotify_fd, EVENT_INOTIFY) < 0:
        return -LINUX_ENOMEM
    key = notes_key(<int> kn.kev.ident)
    if key:
        channel = channel_find(ev, key)
        if channel == NULL:
            channel = channel_open(ev, key)
    if channel == NULL:
        channel = channel_find(ev, ev.own_key)
        if channel == NULL:
            ev.own_key = notes_make(proc)
            channel = channel_open(ev, ev.own_key) if ev.own_key else NULL
        if channel == NULL:
            return -LINUX_EACCES
        limit.rlim_cur = ev.own_key
        linux_syscall4(LINUX_SYS_prlimit64, kn.kev.ident, LINUX_RLIMIT_RTTIME, 0, <uint64_t> &limit)
        limit.rlim_cur = ev.own_key
        if is_error(linux_syscall4(LINUX_SYS_prlimit64, kn.kev.ident, LINUX_RLIMIT_RTTIME, <uint64_t> &limit, 0)):
            if channel.knotes == 0:
                channel_close(ev, channel)
            return -LINUX_EACCES
    channel.knotes += 1
    kn.channel = channel
    descriptor_path(channel.fd, path)
    if is_error(linux_syscall3(LINUX_SYS_inotify_add_watch, kn.kq.inotify_fd, <uint64_t> path, LINUX_IN_MODIFY)):
        notes_detach(ev, kn)
        return -LINUX_EACCES
    return 0


cdef void channel_close(events_t *ev, channel_t *channel) noexcept nogil:
    notes_remove(channel.fd, channel.key)
    hidden_close(ev, &channel.fd)


cdef void notes_detach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef channel_t *channel = kn.channel
    if channel == NULL:
        return
    kn.channel = NULL
    channel.knotes -= 1
    if channel.knotes == 0:
        channel_close(ev, channel)


cdef void event_exits(process_t *proc) noexcept nogil:
    """This process ends: its files go, if nobody else reads them, and its hold on what others look for."""
    cdef events_t *ev = <events_t *> proc.own.events
    cdef int i
    lock_acquire(&proc.own.lock_event)
    for i in range(CHANNELS):
        if ev.channels[i].knotes != 0:
            notes_remove(ev.channels[i].fd, ev.channels[i].key)
    if proc.own.backs != NULL:
        backs_unwatch(ev)
    lock_release(&proc.own.lock_event)


# ------------------------------------------------------------------ records

cdef void process_told(knote_t *kn, uint32_t event) noexcept nogil:
    """filt_proc with a hint."""
    if kn.sfflags & event:
        kn.kev.fflags |= event
        kn.status |= KN_ACTIVE
        knote_enqueue(kn)


cdef knote_t *track(events_t *ev, knote_t *parent, uint64_t pid) noexcept nogil:
    """A knote for the child of a process that is tracked, as the kernel registers it itself: not the one that exists."""
    cdef knote_t *kn = knote_new(ev)
    if kn == NULL:
        return NULL
    kn.kq = parent.kq
    kn.kev.ident = pid
    kn.kev.filter = FREEBSD_EVFILT_PROC
    kn.kev.flags = parent.kev.flags
    kn.kev.udata = parent.kev.udata
    kn.sfflags = parent.sfflags
    kn.sdata = <int64_t> parent.kev.ident
    knote_insert(ev, kn)
    return kn


cdef void process_forked(process_t *proc, events_t *ev, knote_t *kn, const note_record_t *record) noexcept nogil:
    """knote_fork: with NOTE_TRACK, one knote that says NOTE_CHILD, and one for what the child does."""
    cdef knote_t *child
    if kn.sfflags & FREEBSD_NOTE_TRACK:
        child = track(ev, kn, <uint64_t> record.pid)
        if child == NULL:
            kn.kev.fflags |= FREEBSD_NOTE_TRACKERR
        else:
            # Without NOTE_TRACK, which FreeBSD leaves in it: until it is read, each child of the child would be tracked twice.
            child.kev.flags |= FREEBSD_EV_ONESHOT
            child.kev.fflags = FREEBSD_NOTE_CHILD
            child.kev.data = child.sdata
            child.sfflags = 0
            child.status |= KN_ACTIVE
            knote_enqueue(child)
        child = track(ev, kn, <uint64_t> record.pid)
        if child == NULL or not process_track(ev, child, kn.channel):
            kn.kev.fflags |= FREEBSD_NOTE_TRACKERR
            if child != NULL:
                knote_drop(proc, ev, child)
    process_told(kn, FREEBSD_NOTE_FORK)
    if kn.kev.fflags:
        kn.status |= KN_ACTIVE
        knote_enqueue(kn)


cdef bint process_track(events_t *ev, knote_t *kn, channel_t *channel) noexcept nogil:
    """Watch the child, which has inherited the key. It may be gone already: then its last record tells how it ended, and
    notes_read, that there is none."""
    cdef long result = process_watch(ev, kn)
    if result == -LINUX_ESRCH:
        kn.status |= KN_GONE
        kn.kq.gone = 1
    elif result < 0:
        return False
    kn.channel = channel
    channel.knotes += 1
    return True


cdef void note_record(process_t *proc, events_t *ev, channel_t *channel, const note_record_t *record) noexcept nogil:
    """Tell all knotes of the process that a record is of."""
    cdef uint64_t pid = <uint64_t> (record.parent if record.kind == NOTE_RECORD_FORK else record.pid)
    cdef knote_t *kn = ev.hash[event_hash(pid)]
    while kn != NULL:
        if kn.kev.ident == pid and kn.kev.filter == FREEBSD_EVFILT_PROC and kn.channel == channel \
                and not kn.kev.flags & FREEBSD_EV_EOF:
            if record.kind == NOTE_RECORD_FORK:
                process_forked(proc, ev, kn, record)
            elif record.kind == NOTE_RECORD_EXEC:
                process_told(kn, FREEBSD_NOTE_EXEC)
            elif record.kind == NOTE_RECORD_EXIT:
                kn.size = record.status
                kn.links = 1
            kqueue_told(ev, kn.kq)
        kn = kn.hash_next


cdef void kqueue_told(events_t *ev, kqueue_t *kq) noexcept nogil:
    """Something may be on its queue: whoever waits in it wakes."""
    if kq.count != 0:
        kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
    kqueue_signal(kq)


cdef void notes_read(process_t *proc, events_t *ev) noexcept nogil:
    """Take what watched processes have told. To be called before one of them is found to have ended: it told that before."""
    cdef note_record_t records[NOTE_RECORDS]
    cdef channel_t *channel
    cdef long size
    cdef int i
    cdef uint64_t at
    for i in range(CHANNELS):
        channel = &ev.channels[i]
        while channel.knotes != 0:
            size = linux_syscall4(LINUX_SYS_pread64, channel.fd, <uint64_t> records, sizeof(records), channel.offset)
            if size < <long> sizeof(note_record_t):
                break
            for at in range(<uint64_t> size / sizeof(note_record_t)):
                note_record(proc, ev, channel, &records[at])
                channel.offset += sizeof(note_record_t)
    notes_gone(ev)


cdef void notes_gone(events_t *ev) noexcept nogil:
    """Children that had ended before this process could look: all that they told is read."""
    cdef kqueue_t *kq = ev.kqueues
    cdef knote_t *kn
    while kq != NULL:
        if kq.fd >= 0 and kq.gone:
            kq.gone = 0
            kn = kq.list
            while kn != NULL:
                if kn.status & KN_GONE:
                    kn.status &= ~<uint32_t> KN_GONE
                    kn.status |= KN_ACTIVE
                    process_ended(ev, kn, &kn.source)
                    knote_enqueue(kn)
                kn = kn.list_next
            kqueue_told(ev, kq)
        kq = kq.next

# inotify(2). Linux's has the same bits and records, but for the padding of names, so that what is read is converted
# (inotify_transfer); and it does not say that a watched directory which was moved or removed is one. Model: FreeBSD
# sys/kern/vfs_inotify.c.
#
# A descriptor is known by its mark (fd_marks.pxi), which one gets that came by execve or SCM_RIGHTS, too.

cdef enum:
    INOTIFY_SMALL = 4096                    # bytes that are read on the shim's stack
    INOTIFY_LARGE = 1 << 20                 # bytes that are read at once
    INOTIFY_ALIGN = 16                      # what the size of Linux's records is a multiple of
    INOTIFY_FOLDERS = 512                   # places of the first table
    INOTIFY_FOLDERS_MOST = 1 << 17
    LINUX_IN_SELF = LINUX_IN_DELETE_SELF | LINUX_IN_MOVE_SELF

cdef inline bint is_inotify(process_t *proc, int fd) noexcept nogil:
    return proc.own.fd_marked & MARK_INOTIFY != 0 and fd_marks(proc, fd) & MARK_SORT == MARK_INOTIFY


# ------------------------------------------------------------------ which watches are of directories

cdef inline uint64_t inotify_folder(int fd, int wd) noexcept nogil:
    return (<uint64_t> <uint32_t> fd + 1) << 32 | <uint32_t> wd


cdef uint64_t *inotify_place(inotify_t *own, uint64_t folder) noexcept nogil:
    """Where a watch stands, or would: NULL where there is no table."""
    cdef uint32_t at
    if own == NULL or own.folders == NULL:
        return NULL
    at = <uint32_t> (folder * 0x9e3779b97f4a7c15UL >> 40) & (own.folders_room - 1)
    while own.folders[at] != 0 and own.folders[at] != folder:
        at = (at + 1) & (own.folders_room - 1)
    return &own.folders[at]


cdef void inotify_rebuild(inotify_t *own, uint32_t room, int but) noexcept nogil:
    """A table with so many places, without the watches of descriptor `but`. Where there is no memory all stays."""
    cdef uint64_t *old = own.folders
    cdef uint32_t places = own.folders_room, i
    cdef uint64_t memory = map_memory(room * 8)
    if memory == 0:
        return
    own.folders = <uint64_t *> memory
    own.folders_room = room
    own.folders_used = 0
    for i in range(places):
        if old[i] != 0 and old[i] >> 32 != <uint64_t> <uint32_t> but + 1:
            inotify_place(own, old[i])[0] = old[i]
            own.folders_used += 1
    if old != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> old, places * 8)


cdef void inotify_remember(process_t *proc, int fd, int wd) noexcept nogil:
    """A watch is of a directory. Those beyond what the table holds are not told of as directories."""
    cdef inotify_t *own
    cdef uint64_t *place
    lock_acquire(&proc.own.lock_event)
    own = inotify_own(proc)
    if own != NULL and own.folders_used * 2 >= own.folders_room and own.folders_room < INOTIFY_FOLDERS_MOST:
        inotify_rebuild(own, own.folders_room * 2 if own.folders_room else INOTIFY_FOLDERS, -1)
    place = inotify_place(own, inotify_folder(fd, wd))
    if place != NULL and place[0] == 0 and own.folders_used * 4 < own.folders_room * 3:
        place[0] = inotify_folder(fd, wd)
        own.folders_used += 1
    lock_release(&proc.own.lock_event)


cdef void inotify_name_folders(process_t *proc, int fd, char *data, uint64_t size) noexcept nogil:
    """Linux leaves IN_ISDIR out where a watched directory was moved or removed. lock_event is held."""
    cdef inotify_t *own = <inotify_t *> proc.own.inotify
    cdef linux_inotify_event *event
    cdef uint64_t *place
    cdef uint64_t at = 0
    if own == NULL or own.folders == NULL:
        return
    while at < size:
        event = <linux_inotify_event *> &data[at]
        if event.mask & LINUX_IN_SELF:
            place = inotify_place(own, inotify_folder(fd, event.wd))
            if place[0] != 0:
                event.mask |= LINUX_IN_ISDIR
        at += sizeof(linux_inotify_event) + event.len


# ------------------------------------------------------------------ reading

cdef long inotify_take(area_t *area, int fd, char *data, uint64_t room) noexcept nogil:
    """Wait for events and read as many as Linux puts into so much room: FreeBSD's records, and their size; 0: there was the nudge
    alone, or nothing after all; or an error."""
    cdef inotify_queue_t *queue
    cdef long result = inotify_read(area, fd, data, room)
    if result <= 0:
        return result
    result = <long> freebsd_inotify_events_from_linux(data, <uint64_t> result)
    lock_acquire(&area.proc.own.lock_event)
    inotify_name_folders(area.proc, fd, data, <uint64_t> result)
    result = <long> inotify_drop_nudge(area.proc, fd, data, <uint64_t> result)
    queue = inotify_queue(area.proc, fd)
    if result > 0 and queue != NULL and queue.begin < queue.end and inotify_append(queue, fd, data, <uint64_t> result):
        result = 0                          # another thread has taken what came before
    lock_release(&area.proc.own.lock_event)
    return result


cdef long inotify_take_first(area_t *area, int fd, char *data, uint64_t room) noexcept nogil:
    """The next record alone, into less room than a record may take: Linux says EINVAL until it has what its own needs,
    which is 12 bytes more than FreeBSD's at most. A record that has no room after all is put back."""
    cdef uint64_t size = sizeof(linux_inotify_event), most = room + INOTIFY_ALIGN - 4
    cdef long result = -LINUX_EINVAL
    if room < size:
        return inotify_read(area, fd, data, room)
    while result == -LINUX_EINVAL and size <= most and size <= INOTIFY_RECORD_MOST:
        result = inotify_take(area, fd, data, size)
        size += INOTIFY_ALIGN
    if result > <long> room:
        inotify_put_back(area.proc, fd, data, <uint64_t> result)
        result = -LINUX_EINVAL
    return result


cdef long inotify_copyout(frame_t *frame, bint vector, uint64_t to, const char *data, uint64_t size) noexcept nogil:
    """Give the guest's buffers `size` bytes, from the byte `to` of them on."""
    cdef freebsd_iovec piece
    cdef uint64_t done = 0, length
    cdef uint32_t i = 0
    if not vector:
        return copyout(data, frame.arg[1] + to, size)
    while done < size:
        if copyin(frame.arg[1] + i * sizeof(piece), &piece, sizeof(piece)) < 0:
            return -LINUX_EFAULT
        i += 1
        if piece.iov_len <= to:
            to -= piece.iov_len
            continue
        length = size - done if size - done < piece.iov_len - to else piece.iov_len - to
        if copyout(&data[done], piece.iov_base + to, length) < 0:
            return -LINUX_EFAULT
        to = 0
        done += length
    return 0


cdef long inotify_give(frame_t *frame, bint vector, const char *data, uint64_t size, uint64_t *given) noexcept nogil:
    """Give the guest records, all at once where that can be: how many bytes, or -EFAULT; `given` of them are read in any case."""
    cdef uint64_t next_
    given[0] = size
    if inotify_copyout(frame, vector, 0, data, size) == 0:
        return <long> size
    given[0] = 0
    while given[0] < size:
        next_ = inotify_next(&data[given[0]])
        if inotify_copyout(frame, vector, given[0], &data[given[0]], next_) < 0:
            break
        given[0] += next_
    return -LINUX_EFAULT


cdef long inotify_give_queued(area_t *area, frame_t *frame, bint vector, uint64_t room) noexcept nogil:
    """What was taken from Linux before, and what it has now, as far as there is room; 0: nothing was."""
    cdef int fd = <int> frame.arg[0]
    cdef inotify_queue_t *queue
    cdef uint64_t end, given = 0
    cdef long result = 0
    lock_acquire(&area.proc.own.lock_event)
    queue = inotify_queue(area.proc, fd)
    if queue != NULL and queue.records != NULL:
        inotify_drain(area.proc, queue, fd)
        end = queue.begin
        while end < queue.end and end + inotify_next(&queue.records[end]) - queue.begin <= room:
            end += inotify_next(&queue.records[end])
        result = -LINUX_EINVAL if queue.begin < queue.end else 0
        if end > queue.begin:
            result = inotify_give(frame, vector, &queue.records[queue.begin], end - queue.begin, &given)
            queue.begin += given
        if queue.begin == queue.end:
            inotify_queue_empty(queue)
        else:
            inotify_nudge(queue, fd)
    lock_release(&area.proc.own.lock_event)
    return result


cdef long inotify_room(frame_t *frame, bint vector) noexcept nogil:
    """How much the guest's buffers hold, or an error."""
    cdef freebsd_iovec piece
    cdef uint64_t room = 0
    cdef uint32_t i
    if not vector:
        return -LINUX_EINVAL if frame.arg[2] > IOSIZE_MAX else <long> frame.arg[2]
    if <uint32_t> frame.arg[2] > VECTORS_MOST:
        return -LINUX_EINVAL
    for i in range(<uint32_t> frame.arg[2]):
        if copyin(frame.arg[1] + i * sizeof(piece), &piece, sizeof(piece)) < 0:
            return -LINUX_EFAULT
        if piece.iov_len > IOSIZE_MAX - room:
            return -LINUX_EINVAL
        room += piece.iov_len
    return <long> room


cdef long inotify_transfer(area_t *area, frame_t *frame, uint64_t nr) noexcept nogil:
    """read(2) and readv(2) of inotify's descriptor; nobody writes to one."""
    cdef char small[INOTIFY_SMALL]
    cdef char *data = small
    cdef int fd = <int> frame.arg[0]
    cdef bint vector = nr == FREEBSD_SYS_readv
    cdef long result = inotify_room(frame, vector)
    cdef uint64_t room = <uint64_t> result, memory = 0, size, given = 0
    if nr == FREEBSD_SYS_write or nr == FREEBSD_SYS_writev:
        return -LINUX_EBADF
    if result <= 0:
        return result
    if room > INOTIFY_SMALL:
        room = room if room < INOTIFY_LARGE else INOTIFY_LARGE
        memory = map_memory(page_up(room))
        data = <char *> memory if memory else small
        room = room if memory else INOTIFY_SMALL
    result = 0
    while result == 0:                      # again where there was the nudge alone, or nothing after all
        if (<inotify_t *> area.proc.own.inotify) != NULL and (<inotify_t *> area.proc.own.inotify).queued:
            result = inotify_give_queued(area, frame, vector, room)
            if result != 0:
                break
        result = (inotify_take(area, fd, data, room) if room >= INOTIFY_RECORD_MOST
                  else inotify_take_first(area, fd, data, room))
        if result > 0:
            size = <uint64_t> result
            result = inotify_give(frame, vector, data, size, &given)
            if given < size:
                inotify_put_back(area.proc, fd, &data[given], size - given)
    if memory:
        linux_syscall2(LINUX_SYS_munmap, memory, page_up(room))
    return result


# ------------------------------------------------------------------ the calls

cdef void inotify_mark(process_t *proc, int fd) noexcept nogil:
    """A descriptor is inotify's. From now on the ways into the shim look at each read."""
    fd_mark(proc, fd, fd_marks(proc, fd) & ~MARK_SORT | MARK_INOTIFY)
    hide_number(0)
    hide_number(NO_DESCRIPTOR - 1)


cdef void inotify_learn(process_t *proc, int fd) noexcept nogil:
    """A descriptor came from elsewhere: mark it, where it is inotify's."""
    cdef long mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if not is_error(mode) and mode & LINUX_S_IFMT == 0 and anonymous_kind(fd) == ANONYMOUS_INOTIFY:
        inotify_mark(proc, fd)


cdef void inotify_learn_all(process_t *proc) noexcept nogil:
    """A process that had such descriptors has executed this program: those that were inherited."""
    cdef proc_walk_t walk
    cdef int fd
    if walk_begin(&walk, b"/proc/self/fd") < 0:
        return
    fd = walk_next(&walk)
    while fd >= 0:
        if fd != walk.fd and not descriptor_is_hidden(proc, fd):
            inotify_learn(proc, fd)
        fd = walk_next(&walk)


cdef long inotify_create(area_t *area, uint32_t flags) noexcept nogil:
    """inotify_create_file. flags: FreeBSD's O_ flags, checked."""
    cdef inotify_t *own
    cdef long fd = linux_syscall1(LINUX_SYS_inotify_init1, anonymous_flags(flags))
    if is_error(fd):
        return fd
    inotify_mark(area.proc, <int> fd)
    own = <inotify_t *> area.proc.own.inotify
    if own != NULL:                         # what an earlier descriptor of this number left
        lock_acquire(&area.proc.own.lock_event)
        if own.folders_used:
            inotify_rebuild(own, own.folders_room, <int> fd)
        lock_release(&area.proc.own.lock_event)
    return fd


cdef long inotify_watch(area_t *area, int fd, int dirfd, uint64_t path, uint32_t mask) noexcept nogil:
    """Watch a path that Linux's call takes: one of the current directory's, or the guest's own where it is absolute; dirfd >= 0:
    the file that it is open on."""
    cdef char link[32]
    cdef linux_statx sx
    cdef long result
    if dirfd >= 0:
        descriptor_path(dirfd, link)
        path = <uint64_t> link
        mask &= ~<uint32_t> LINUX_IN_DONT_FOLLOW
    result = linux_syscall3(LINUX_SYS_inotify_add_watch, <uint32_t> fd, path, mask)
    if is_error(result):
        return result
    if not is_inotify(area.proc, fd):
        inotify_mark(area.proc, fd)
    if mask & LINUX_IN_SELF and linux_syscall5(LINUX_SYS_statx, <uint64_t> LINUX_AT_FDCWD, path,
                                               LINUX_AT_SYMLINK_NOFOLLOW if mask & LINUX_IN_DONT_FOLLOW else 0,
                                               LINUX_STATX_ALL, <uint64_t> &sx) == 0 \
            and sx.stx_mode & LINUX_S_IFMT == LINUX_S_IFDIR:
        inotify_remember(area.proc, fd, <int> result)
    return result


cdef public long sys_inotify_add_watch_at(frame_t *frame, area_t *area) noexcept nogil:
    """The bits of the mask are Linux's. Linux's call has no directory: where the path needs one, it is opened first."""
    cdef uint32_t mask = <uint32_t> frame.arg[3]
    cdef int fd = <int> frame.arg[0], dirfd = <int> frame.arg[1]
    cdef char first = 0
    cdef long opened, result
    if mask & LINUX_IN_ALL_EVENTS == 0:
        return -LINUX_EINVAL                  # Linux is content with IN_UNMOUNT
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    if copyin(frame.arg[2], &first, 1) < 0:
        return -LINUX_EFAULT
    if dirfd == LINUX_AT_FDCWD or first == c'/':
        return inotify_watch(area, fd, -1, frame.arg[2], mask)
    if descriptor_is_hidden(area.proc, dirfd):
        return -LINUX_EBADF
    opened = linux_syscall4(LINUX_SYS_openat, <uint32_t> dirfd, frame.arg[2], LINUX_O_PATH | LINUX_O_CLOEXEC
                            | (LINUX_O_NOFOLLOW if mask & LINUX_IN_DONT_FOLLOW else 0), 0)
    if is_error(opened):
        return opened
    result = inotify_watch(area, fd, <int> opened, 0, mask)
    linux_syscall1(LINUX_SYS_close, opened)
    return result


cdef public long sys_inotify_rm_watch(frame_t *frame, area_t *area) noexcept nogil:
    cdef int fd = <int> frame.arg[0]
    cdef long result
    if descriptor_is_hidden(area.proc, fd):
        return -LINUX_EBADF
    result = linux_syscall2(LINUX_SYS_inotify_rm_watch, <uint32_t> fd, <uint32_t> frame.arg[1])
    if result == 0 and not is_inotify(area.proc, fd):
        inotify_mark(area.proc, fd)
    return result

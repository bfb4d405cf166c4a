# EVFILT_VNODE, and files at their end.

cdef long vnode_watch(events_t *ev, knote_t *kn, uint32_t mask) noexcept nogil:
    """Let inotify watch the file behind a descriptor: 0 or an error."""
    cdef char path[32]
    cdef long result = kqueue_part(ev, kn.kq, &kn.kq.inotify_fd, EVENT_INOTIFY)
    if result < 0:
        return result
    descriptor_path(<int> kn.kev.ident, path)
    result = linux_syscall3(LINUX_SYS_inotify_add_watch, kn.kq.inotify_fd, <uint64_t> path, mask | LINUX_IN_MASK_ADD)
    if is_error(result):
        return -LINUX_ENOMEM if result == -LINUX_ENOSPC else result
    kn.source = <int32_t> result
    return 0


cdef void vnode_unwatch(knote_t *kn) noexcept nogil:
    """The file needs no watch any more, unless another knote has the same."""
    cdef knote_t *other = kn.kq.list
    cdef int32_t watch = kn.source
    kn.source = -1
    if watch < 0:
        return
    while other != NULL:
        if other.source == watch and (other.kev.filter == FREEBSD_EVFILT_VNODE or other.kev.filter == FREEBSD_EVFILT_READ):
            return
        other = other.list_next
    linux_syscall2(LINUX_SYS_inotify_rm_watch, kn.kq.inotify_fd, watch)


cdef long vnode_attach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef linux_stat st
    cdef uint32_t wanted = kn.sfflags, mask = LINUX_IN_DELETE_SELF | LINUX_IN_UNMOUNT
    cdef long result = linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)
    if is_error(result):
        return result
    kn.mode = st.st_mode & LINUX_S_IFMT
    if kn.mode == 0 or kn.mode == LINUX_S_IFSOCK or (kn.mode == LINUX_S_IFIFO and st.st_nlink == 1 and st.st_dev < 16):
        return -LINUX_EINVAL
    kn.size = st.st_size
    kn.links = st.st_nlink
    if wanted & (FREEBSD_NOTE_WRITE | FREEBSD_NOTE_EXTEND):
        mask |= LINUX_IN_MODIFY
        if kn.mode == LINUX_S_IFDIR:
            mask |= LINUX_IN_CREATE | LINUX_IN_DELETE | LINUX_IN_MOVE
    if wanted & (FREEBSD_NOTE_ATTRIB | FREEBSD_NOTE_LINK | FREEBSD_NOTE_DELETE):
        mask |= LINUX_IN_ATTRIB
        if kn.mode == LINUX_S_IFDIR and wanted & FREEBSD_NOTE_LINK:
            mask |= LINUX_IN_CREATE | LINUX_IN_DELETE | LINUX_IN_MOVE
    if wanted & FREEBSD_NOTE_RENAME:
        mask |= LINUX_IN_MOVE_SELF
    if wanted & FREEBSD_NOTE_OPEN:
        mask |= LINUX_IN_OPEN
    if wanted & FREEBSD_NOTE_CLOSE:
        mask |= LINUX_IN_CLOSE_NOWRITE
    if wanted & FREEBSD_NOTE_CLOSE_WRITE:
        mask |= LINUX_IN_CLOSE_WRITE
    if wanted & FREEBSD_NOTE_READ:
        mask |= LINUX_IN_ACCESS
    return vnode_watch(ev, kn, mask)


cdef uint32_t vnode_hint(knote_t *kn, uint32_t mask) noexcept nogil:
    """FreeBSD's NOTE_ bits for what inotify said of a file."""
    cdef linux_stat st
    cdef uint32_t hint = 0
    if is_error(linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)):
        return 0
    if mask & LINUX_IN_MODIFY:
        hint |= FREEBSD_NOTE_WRITE
        if st.st_size > kn.size:
            hint |= FREEBSD_NOTE_EXTEND
    if mask & (LINUX_IN_CREATE | LINUX_IN_DELETE | LINUX_IN_MOVE):
        hint |= FREEBSD_NOTE_WRITE
        if mask & LINUX_IN_MOVE:
            hint |= FREEBSD_NOTE_EXTEND
        if <int64_t> st.st_nlink != kn.links:
            hint |= FREEBSD_NOTE_LINK           # a directory was made or removed in it
    if mask & LINUX_IN_ATTRIB:
        if <int64_t> st.st_nlink < kn.links:
            hint |= FREEBSD_NOTE_DELETE
        elif <int64_t> st.st_nlink > kn.links:
            hint |= FREEBSD_NOTE_LINK
        else:
            hint |= FREEBSD_NOTE_ATTRIB
    if mask & LINUX_IN_DELETE_SELF:
        hint |= FREEBSD_NOTE_DELETE
    if mask & LINUX_IN_MOVE_SELF:
        hint |= FREEBSD_NOTE_RENAME
    if mask & LINUX_IN_UNMOUNT:
        hint |= FREEBSD_NOTE_REVOKE
        kn.kev.flags |= FREEBSD_EV_EOF
    if mask & LINUX_IN_OPEN:
        hint |= FREEBSD_NOTE_OPEN
    if mask & LINUX_IN_CLOSE_NOWRITE:
        hint |= FREEBSD_NOTE_CLOSE
    if mask & LINUX_IN_CLOSE_WRITE:
        hint |= FREEBSD_NOTE_CLOSE_WRITE
    if mask & LINUX_IN_ACCESS:
        hint |= FREEBSD_NOTE_READ
    kn.size = st.st_size
    kn.links = st.st_nlink
    return hint


cdef void vnodes_changed(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    cdef uint64_t buffer[512]
    cdef uint32_t *entry
    cdef uint64_t at
    cdef knote_t *kn
    cdef long size
    while True:
        size = linux_syscall3(LINUX_SYS_read, kq.inotify_fd, <uint64_t> buffer, sizeof(buffer))
        if size <= 0:
            return
        at = 0
        while at < <uint64_t> size:
            entry = <uint32_t *> (<uint64_t> buffer + at)       # wd, mask, cookie, len
            kn = kq.list
            while kn != NULL:
                if kn.source == <int32_t> entry[0]:
                    if kn.kev.filter == FREEBSD_EVFILT_VNODE:
                        kn.kev.fflags |= kn.sfflags & vnode_hint(kn, entry[1])
                        if kn.kev.fflags:
                            kn.status |= KN_ACTIVE
                    elif kn.kev.filter == FREEBSD_EVFILT_READ:
                        kn.status |= KN_ACTIVE
                    if kn.status & KN_ACTIVE and kn.kev.filter != FREEBSD_EVFILT_PROC:
                        knote_enqueue(kn)
                kn = kn.list_next
            at += 16 + entry[3]

# EVFILT_VNODE, and files at their end: what inotify is asked to watch. What it says is vnode_change.pxi's.

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


cdef bint is_vnode_knote(const knote_t *kn) noexcept nogil:
    """Its source, if it has one, is a watch of inotify's."""
    return kn.kev.filter == FREEBSD_EVFILT_VNODE or kn.kev.filter == FREEBSD_EVFILT_READ


cdef void watch_drop(knote_t *kn, int32_t *watch) noexcept nogil:
    """A knote needs this watch no more: it ends, unless another one has the same."""
    cdef knote_t *other = kn.kq.list
    cdef int32_t number = watch[0]
    watch[0] = -1
    if number < 0:
        return
    while other != NULL:
        if is_vnode_knote(other) and (other.source == number or other.parent == number):
            return
        other = other.list_next
    linux_syscall2(LINUX_SYS_inotify_rm_watch, kn.kq.inotify_fd, number)


cdef void vnode_unwatch(knote_t *kn) noexcept nogil:
    watch_drop(kn, &kn.source)
    watch_drop(kn, &kn.parent)


cdef void parent_watch(knote_t *kn) noexcept nogil:
    """Watch the directory that this directory is in. While somebody has a directory open, Linux tells of its removal there
    alone. Where the caller may not read the parent nothing tells."""
    cdef char path[40]
    cdef long result
    descriptor_path(<int> kn.kev.ident, path)
    append(path, string_length(path), 40, b"/..")
    watch_drop(kn, &kn.parent)
    result = linux_syscall3(LINUX_SYS_inotify_add_watch, kn.kq.inotify_fd, <uint64_t> path, LINUX_IN_DELETE | LINUX_IN_MASK_ADD)
    if not is_error(result):
        kn.parent = <int32_t> result


cdef uint32_t vnode_mask(uint32_t wanted, bint directory) noexcept nogil:
    """What inotify has to tell so that all of these NOTE_ bits, and what comes with them, are known."""
    cdef uint32_t mask = LINUX_IN_DELETE_SELF | LINUX_IN_UNMOUNT
    if directory and wanted & (FREEBSD_NOTE_WRITE | FREEBSD_NOTE_EXTEND | FREEBSD_NOTE_LINK):
        mask |= LINUX_IN_CREATE | LINUX_IN_DELETE | LINUX_IN_MOVE
    if not directory and wanted & (FREEBSD_NOTE_WRITE | FREEBSD_NOTE_EXTEND | FREEBSD_NOTE_ATTRIB):
        mask |= LINUX_IN_MODIFY
    if wanted & (FREEBSD_NOTE_ATTRIB | FREEBSD_NOTE_LINK | FREEBSD_NOTE_DELETE):
        mask |= LINUX_IN_ATTRIB
    if wanted & FREEBSD_NOTE_RENAME or (directory and wanted & FREEBSD_NOTE_DELETE):
        mask |= LINUX_IN_MOVE_SELF
    if wanted & FREEBSD_NOTE_OPEN:
        mask |= LINUX_IN_OPEN
    if wanted & FREEBSD_NOTE_CLOSE:
        mask |= LINUX_IN_CLOSE_NOWRITE
    if wanted & FREEBSD_NOTE_CLOSE_WRITE:
        mask |= LINUX_IN_CLOSE_WRITE
    if wanted & FREEBSD_NOTE_READ:
        mask |= LINUX_IN_ACCESS
    return mask


cdef long vnode_attach(events_t *ev, knote_t *kn) noexcept nogil:
    cdef linux_stat st
    cdef long result = linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)
    if is_error(result):
        return result
    kn.mode = st.st_mode & LINUX_S_IFMT
    if kn.mode == 0 or kn.mode == LINUX_S_IFSOCK or (kn.mode == LINUX_S_IFIFO and st.st_nlink == 1 and st.st_dev < 16):
        return -LINUX_EINVAL
    if is_path_only(<int> kn.kev.ident) and not path_is_watchable(kn):
        return -LINUX_EBADF
    kn.size = st.st_size
    kn.links = st.st_nlink
    result = vnode_watch(ev, kn, vnode_mask(kn.sfflags, kn.mode == LINUX_S_IFDIR))
    if result == 0 and kn.mode == LINUX_S_IFDIR and kn.sfflags & FREEBSD_NOTE_DELETE:
        parent_watch(kn)
    return result


cdef bint is_path_only(int fd) noexcept nogil:
    """Opened with O_PATH."""
    cdef long flags = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL)
    return not is_error(flags) and flags & LINUX_O_PATH != 0


cdef bint path_is_watchable(knote_t *kn) noexcept nogil:
    """FKQALLOWED: which of O_PATH's descriptors kqueue(2) takes (sys/kern/vfs_vnops.c, vn_open_vnode and vn_kqfilter_opath):
    those of files that may be read, and no FIFOs or sockets."""
    if kn.mode == LINUX_S_IFIFO or kn.mode == LINUX_S_IFSOCK:
        return False
    return not is_error(linux_syscall4(LINUX_SYS_faccessat2, kn.kev.ident, <uint64_t> <const char *> b"", LINUX_R_OK,
                                       LINUX_AT_EACCESS | LINUX_AT_EMPTY_PATH))

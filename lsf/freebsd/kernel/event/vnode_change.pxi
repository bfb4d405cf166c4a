# What inotify says of watched files, in FreeBSD's words. Model: FreeBSD sys/kern/vfs_subr.c (vop_*_post, filt_vfsvnode) and
# sys/sys/vnode.h (VOP_WRITE_POST). The hints come from there, above every file system, and none of them adds its own: so a
# change of size by truncate(2), ftruncate(2) and O_TRUNC is NOTE_ATTRIB (vop_setattr_post) on UFS, tmpfs and ZFS alike.
#
# Linux calls a write and a truncation the same, IN_MODIFY. What this process truncates is known (event_truncates). Of what
# others do, a file that is empty afterwards was truncated; one that shrank and is not empty was, and may have been written to
# too; one that grew was written to.

cdef uint32_t modify_hint(const knote_t *kn, int64_t size, bint truncated) noexcept nogil:
    """A file was written to, or its size was set."""
    if truncated or size == 0:
        return FREEBSD_NOTE_ATTRIB
    if size < kn.size:
        return FREEBSD_NOTE_ATTRIB | FREEBSD_NOTE_WRITE | FREEBSD_NOTE_EXTEND
    return FREEBSD_NOTE_WRITE | (FREEBSD_NOTE_EXTEND if size > kn.size else 0)


cdef uint32_t directory_hint(const knote_t *kn, int64_t links, uint32_t mask, bint within) noexcept nogil:
    """Something happened to an entry of a directory. within: it was renamed and stays in this directory."""
    cdef uint32_t hint = FREEBSD_NOTE_WRITE
    if mask & (LINUX_IN_CREATE | LINUX_IN_DELETE):
        return hint | (FREEBSD_NOTE_LINK if mask & LINUX_IN_ISDIR else 0)
    if mask & LINUX_IN_MOVE == 0:
        return 0                                # what children do to themselves is theirs
    if within:                                  # LINK: it took another directory's place
        return hint | (FREEBSD_NOTE_LINK if mask & LINUX_IN_ISDIR and links < kn.links else 0)
    hint |= FREEBSD_NOTE_EXTEND
    # Where it goes to, not if it took another directory's place. Some file systems count no links of directories.
    if mask & LINUX_IN_ISDIR and (mask & LINUX_IN_MOVED_FROM or links > kn.links or links == 1):
        hint |= FREEBSD_NOTE_LINK
    return hint


cdef uint32_t vnode_hint(knote_t *kn, uint32_t mask, bint of_entry, bint within, bint truncated) noexcept nogil:
    """FreeBSD's NOTE_ bits for what inotify said of a file, or of an entry of a directory."""
    cdef linux_stat st
    cdef uint32_t hint = 0
    if is_error(linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)):
        return 0
    if of_entry:
        hint = directory_hint(kn, <int64_t> st.st_nlink, mask, within)
        if hint:
            kn.links = st.st_nlink
        return hint
    if mask & LINUX_IN_MODIFY:
        hint |= modify_hint(kn, st.st_size, truncated)
    if mask & LINUX_IN_ATTRIB:
        # A directory's links are those of the directories in it, too, until it is gone.
        if <int64_t> st.st_nlink < kn.links and (kn.mode != LINUX_S_IFDIR or st.st_nlink == 0):
            hint |= FREEBSD_NOTE_DELETE
        elif <int64_t> st.st_nlink > kn.links and kn.mode != LINUX_S_IFDIR:
            hint |= FREEBSD_NOTE_LINK
        elif kn.links != 0:
            hint |= FREEBSD_NOTE_ATTRIB
    if mask & LINUX_IN_DELETE_SELF and kn.links != 0:
        hint |= FREEBSD_NOTE_DELETE
    if mask & LINUX_IN_MOVE_SELF:
        hint |= FREEBSD_NOTE_RENAME
        if kn.parent >= 0:
            parent_watch(kn)
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


cdef bint directory_is_gone(knote_t *kn) noexcept nogil:
    """Something was removed beside a watched directory: was it that?"""
    cdef linux_stat st
    if kn.links == 0 or is_error(linux_syscall2(LINUX_SYS_fstat, kn.kev.ident, <uint64_t> &st)) or st.st_nlink != 0:
        return False
    kn.links = 0
    return True


cdef void vnode_told(knote_t *kn, uint32_t hint) noexcept nogil:
    """filt_vfsvnode: whoever wants one bit of a hint gets all of it."""
    if kn.sfflags & hint:
        kn.kev.fflags |= hint
    if kn.kev.fflags or hint & FREEBSD_NOTE_REVOKE:
        kn.status |= KN_ACTIVE
        knote_enqueue(kn)


cdef void vnode_event(kqueue_t *kq, const uint32_t *entry, bint within, bint truncated) noexcept nogil:
    """One event of inotify's: wd, mask, cookie, len. A directory is told of what it lost before that is told (vop_rmdir_post)."""
    cdef knote_t *kn = kq.list
    cdef int32_t watch = <int32_t> entry[0]
    while kn != NULL:
        if kn.kev.filter == FREEBSD_EVFILT_VNODE:
            if kn.source == watch:
                vnode_told(kn, vnode_hint(kn, entry[1], entry[3] != 0, within, truncated))
        elif kn.kev.filter == FREEBSD_EVFILT_READ and kn.source == watch:
            kn.status |= KN_ACTIVE
            knote_enqueue(kn)
        kn = kn.list_next
    if entry[1] & (LINUX_IN_ISDIR | LINUX_IN_DELETE) == LINUX_IN_ISDIR | LINUX_IN_DELETE:
        kn = kq.list
        while kn != NULL:
            if kn.kev.filter == FREEBSD_EVFILT_VNODE and kn.parent == watch and directory_is_gone(kn):
                vnode_told(kn, FREEBSD_NOTE_DELETE)
            kn = kn.list_next


cdef void vnodes_changed(events_t *ev, kqueue_t *kq, bint truncated) noexcept nogil:
    """Take what inotify has to say. truncated: files whose size this process has just set are all that is written to.

    What follows a file's move tells whether it has stayed in the directory; and of an unlink(2) Linux tells the file before the
    directory, FreeBSD the other way round (vop_remove_post)."""
    cdef uint64_t buffer[512]
    cdef uint32_t held[4]               # an event that waits for what follows it
    cdef uint32_t *entry
    cdef uint64_t at
    cdef bint holds = False, within
    cdef long size
    while True:
        size = linux_syscall3(LINUX_SYS_read, kq.inotify_fd, <uint64_t> buffer, sizeof(buffer))
        if size <= 0:
            break
        at = 0
        while at < <uint64_t> size:
            entry = <uint32_t *> (<uint64_t> buffer + at)
            within = holds and entry[1] & LINUX_IN_MOVED_TO != 0 and entry[0] == held[0] and entry[2] == held[2]
            if holds and held[1] & LINUX_IN_ATTRIB and entry[1] & LINUX_IN_DELETE and entry[3] != 0:
                vnode_event(kq, entry, False, truncated)
                vnode_event(kq, held, False, truncated)
                holds = False
            else:
                if holds and not within:
                    vnode_event(kq, held, False, truncated)
                holds = entry[1] & LINUX_IN_MOVED_FROM != 0 or (entry[1] & LINUX_IN_ATTRIB and entry[3] == 0)
                if holds:
                    memcpy(held, entry, sizeof(held))
                else:
                    vnode_event(kq, entry, within, truncated)
            at += 16 + entry[3]
    if holds:
        vnode_event(kq, held, False, truncated)


# ------------------------------------------------------------------ what this process itself truncates

cdef bint event_truncates(process_t *proc) noexcept nogil:
    """Before this process sets the size of a file: True where a kqueue of its own watches files, and event_truncated is to be
    called behind it. What has happened until now is taken first."""
    cdef events_t *ev = <events_t *> proc.own.events
    if ev == NULL or ev.vnodes == 0:
        return False
    events_of_files(proc, ev, False)
    return True


cdef void event_truncated(process_t *proc) noexcept nogil:
    """It is done."""
    events_of_files(proc, <events_t *> proc.own.events, True)


cdef void events_of_files(process_t *proc, events_t *ev, bint truncated) noexcept nogil:
    cdef kqueue_t *kq
    lock_acquire(&proc.own.lock_event)
    kq = ev.kqueues
    while kq != NULL:
        if kq.fd >= 0 and kq.inotify_fd >= 0:
            vnodes_changed(ev, kq, truncated)
            if kq.count != 0:
                kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
            kqueue_signal(kq)
        kq = kq.next
    lock_release(&proc.own.lock_event)

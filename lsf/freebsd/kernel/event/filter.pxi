# The filters of kqueue: what makes each kind of knote ready, and what `data` and `fflags` say. All of it is called with
# proc.own.lock_event held. Models: FreeBSD sys/kern/kern_event.c, uipc_socket.c (filt_soread), sys_pipe.c, tty.c,
# vfs_subr.c (filt_vfsread, filt_vfsvnode), kern_sig.c (filt_signal).

cdef enum:
    NOTE_TIMER_UNITS = 15

cdef enum:
    MEMINFO_WORDS = 9
    MEMINFO_WMEM_ALLOC = 2
    MEMINFO_SNDBUF = 3
    MEMINFO_WMEM_QUEUED = 5
    TCP_INFO_SIZE = 104
    TCP_INFO_RETRANSMITS = 2            # offsets in struct tcp_info
    TCP_INFO_PROBES = 3
    TCP_INFO_RTT = 68
    WEXITED_NOWAIT = 0x41000004         # and __WALL: whatever signal it ends with
    EMPTY_POLL = 10000000               # nanoseconds between two looks at a socket that is to run empty


cdef inline int64_t monotonic_now(process_t *proc) noexcept nogil:
    cdef freebsd_timespec now
    read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000000000 + now.tv_nsec


# ------------------------------------------------------------------ USER

cdef void user_touch(knote_t *kn, const freebsd_kevent *kev) noexcept nogil:
    cdef uint32_t control = kev.fflags & FREEBSD_NOTE_FFCTRLMASK, flags = kev.fflags & FREEBSD_NOTE_FFLAGSMASK
    if kev.fflags & FREEBSD_NOTE_TRIGGER:
        kn.hook = 1
    if control == FREEBSD_NOTE_FFAND:
        kn.sfflags &= flags
    elif control == FREEBSD_NOTE_FFOR:
        kn.sfflags |= flags
    elif control == FREEBSD_NOTE_FFCOPY:
        kn.sfflags = flags
    kn.sdata = kev.data
    if kev.flags & FREEBSD_EV_CLEAR:
        kn.hook = 0
        kn.kev.data = 0
        kn.kev.fflags = 0


# ------------------------------------------------------------------ all of them

cdef long filter_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """f_attach: 0 or an error, on which the knote is freed."""
    cdef int filt = kn.kev.filter
    cdef long result
    if filt == FREEBSD_EVFILT_READ or filt == FREEBSD_EVFILT_WRITE:
        return descriptor_attach(proc, ev, kn)
    if filt == FREEBSD_EVFILT_USER:
        return 0                              # a NOTE_TRIGGER of EV_ADD triggers nothing (filt_userattach)
    if filt == FREEBSD_EVFILT_TIMER:
        if not kn.sfflags & FREEBSD_NOTE_ABSTIME:
            kn.kev.flags |= FREEBSD_EV_CLEAR
        return timer_start(proc, ev, kn)
    if filt == FREEBSD_EVFILT_PROC:
        return process_attach(proc, ev, kn)
    if filt == FREEBSD_EVFILT_PROCDESC:
        return process_descriptor_attach(ev, kn)
    if filt == FREEBSD_EVFILT_SIGNAL:
        return signal_attach(proc, ev, kn)
    if filt == FREEBSD_EVFILT_VNODE:
        result = vnode_attach(ev, kn)
        if result == 0:
            ev.vnodes += 1
        return result
    if filt == FREEBSD_EVFILT_EMPTY:
        if option_of(<int> kn.kev.ident, LINUX_SO_TYPE) == 0:
            return -LINUX_EINVAL
        return 0
    if filt == FREEBSD_EVFILT_FS:
        kn.kev.flags |= FREEBSD_EV_CLEAR
        return 0
    if filt == FREEBSD_EVFILT_AIO or filt == FREEBSD_EVFILT_LIO:
        return -LINUX_EPERM                   # the kernel's own way to attach a request; not for programs
    return -LINUX_ENXIO                       # SENDFILE: no such filter in GENERIC


cdef void filter_detach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    cdef int filt = kn.kev.filter
    knote_unwatch(kn)
    if kn.status & KN_BACK:
        back_unwatch(ev, kn)
    elif filt == FREEBSD_EVFILT_PROC:
        hidden_close(ev, &kn.source)
        notes_detach(ev, kn)
    elif filt == FREEBSD_EVFILT_SIGNAL:
        signal_detach(proc, ev, kn)
    elif filt == FREEBSD_EVFILT_VNODE or filt == FREEBSD_EVFILT_READ:
        vnode_unwatch(kn)
        if filt == FREEBSD_EVFILT_VNODE:
            ev.vnodes -= 1
    kn.next_time = 0


cdef long filter_touch(process_t *proc, events_t *ev, knote_t *kn, const freebsd_kevent *kev) noexcept nogil:
    """A change of a knote that exists: f_touch with EVENT_REGISTER, or new parameters."""
    cdef int filt = kn.kev.filter
    cdef uint32_t fflags = kn.sfflags
    cdef int64_t data = kn.sdata
    cdef long result
    if filt == FREEBSD_EVFILT_USER:
        user_touch(kn, kev)
        return 0
    if filt == FREEBSD_EVFILT_VNODE:
        vnodes_changed(ev, kn.kq, False)      # what happened until now is judged by what was wanted until now
    kn.sfflags = kev.fflags
    kn.sdata = kev.data
    if filt == FREEBSD_EVFILT_TIMER:
        if kev.flags & FREEBSD_EV_ADD:
            result = timer_start(proc, ev, kn)
            if result < 0:
                kn.sfflags = fflags
                kn.sdata = data
                return result
            knote_dequeue(kn)
            kn.status &= ~<uint32_t> KN_ACTIVE
            kn.kev.data = 0
        else:
            kn.sfflags = fflags
            kn.sdata = data
    elif filt == FREEBSD_EVFILT_VNODE:
        return vnode_attach(ev, kn)
    elif filt == FREEBSD_EVFILT_PROC:
        return notes_attach(proc, ev, kn)
    elif (filt == FREEBSD_EVFILT_READ or filt == FREEBSD_EVFILT_WRITE) and kn.mode != LINUX_S_IFREG \
            and kn.mode != LINUX_S_IFDIR \
            and not kn.status & KN_DISABLED:
        if kn.status & KN_BACK:
            back_attach(proc, ev, kn)
        result = knote_watch(ev, kn)
        return 0 if result == -LINUX_EPERM else result
    return 0


cdef bint filter_ready(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """f_event with no hint: is there something to report now?"""
    cdef int filt = kn.kev.filter
    if filt == FREEBSD_EVFILT_READ or filt == FREEBSD_EVFILT_WRITE:
        return back_ready(kn) if kn.status & KN_BACK else descriptor_ready(ev, kn)
    if filt == FREEBSD_EVFILT_USER or filt == FREEBSD_EVFILT_AIO or filt == FREEBSD_EVFILT_LIO:
        return kn.hook != 0
    if filt == FREEBSD_EVFILT_TIMER or filt == FREEBSD_EVFILT_SIGNAL:
        return kn.kev.data != 0
    if filt == FREEBSD_EVFILT_EMPTY:
        return empty_ready(proc, ev, kn)
    return kn.kev.fflags != 0


cdef void filter_process(knote_t *kn, freebsd_kevent *out) noexcept nogil:
    """What is reported, and what EV_CLEAR clears."""
    out[0] = kn.kev
    if kn.kev.filter == FREEBSD_EVFILT_USER:
        out.fflags = kn.sfflags
        out.data = kn.sdata
        if kn.kev.flags & FREEBSD_EV_CLEAR:
            kn.hook = 0
    if kn.kev.flags & FREEBSD_EV_CLEAR:
        kn.kev.data = 0
        kn.kev.fflags = 0

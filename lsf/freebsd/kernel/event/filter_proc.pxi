# EVFILT_PROC and EVFILT_PROCDESC.

cdef long process_watch(events_t *ev, knote_t *kn) noexcept nogil:
    """Wait for the end of a process: 0 or an error."""
    cdef long fd = linux_syscall2(LINUX_SYS_pidfd_open, kn.kev.ident, 0)
    if fd == -LINUX_EINVAL:
        fd = -LINUX_ESRCH                     # a thread's number
    fd = hidden_new(ev, fd)
    if fd < 0:
        return fd
    kn.source = <int32_t> fd
    fd = epoll_control(kn.kq.fd, LINUX_EPOLL_CTL_ADD, kn.source, LINUX_EPOLLIN, knote_name(kn))
    if fd < 0:
        hidden_close(ev, &kn.source)
    return fd


cdef long process_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    """filt_procattach: without NOTE_EXIT a zombie is no process."""
    cdef long result
    if kn.kev.ident == 0 or kn.kev.ident > 0x7fffffff:
        return -LINUX_ESRCH
    result = process_watch(ev, kn)
    if result < 0:
        return result
    kn.kev.flags |= FREEBSD_EV_CLEAR
    if not kn.sfflags & FREEBSD_NOTE_EXIT and poll_now(kn.source) & LINUX_EPOLLIN:
        hidden_close(ev, &kn.source)
        return -LINUX_ESRCH
    result = notes_attach(proc, ev, kn)
    if result < 0:
        hidden_close(ev, &kn.source)
    return result


cdef void process_ended(events_t *ev, knote_t *kn, int32_t *pidfd) noexcept nogil:
    """NOTE_EXIT. The status is the parent's to know; of another process Linux tells it from 6.15 on."""
    cdef uint64_t info[16]
    cdef int32_t *words = <int32_t *> info
    cdef int32_t status = 0
    cdef long result = -LINUX_ECHILD
    memset(info, 0, sizeof(info))
    if pidfd[0] >= 0:
        # It has ended, and yet this may wait: whom a supervisor traces is shown to its parent when the supervisor has seen it.
        result = -LINUX_EINTR
        while result == -LINUX_EINTR:
            result = linux_syscall5(LINUX_SYS_waitid, LINUX_P_PIDFD, pidfd[0], <uint64_t> info, WEXITED_NOWAIT, 0)
    if result == 0:
        if words[2] == 1:               # CLD_EXITED
            status = (words[6] & 0xff) << 8
        elif words[2] == 2 or words[2] == 3:
            status = lsf_signal_from_linux[words[6] & 63]
            if words[2] == 3 or core_was_left(words[4], status):
                status |= 0x80
    elif kn.kev.filter == FREEBSD_EVFILT_PROCDESC and procdesc_status(SHIM, procdesc_process(<int> kn.kev.ident), &status):
        pass                            # it has been waited for
    elif kn.links:
        status = <int32_t> kn.size      # its last word
    elif pidfd[0] >= 0:
        memset(info, 0, sizeof(info))
        info[0] = LINUX_PIDFD_INFO_EXIT
        if linux_syscall3(LINUX_SYS_ioctl, pidfd[0], LINUX_PIDFD_GET_INFO, <uint64_t> info) == 0 \
                and info[0] & LINUX_PIDFD_INFO_EXIT:
            status = words[15]
            if status & 0x7f:
                status = (status & ~0x7f) | lsf_signal_from_linux[status & 0x3f]
    if kn.kev.filter == FREEBSD_EVFILT_PROC:
        hidden_close(ev, pidfd)
    else:
        knote_unwatch(kn)
    if kn.sfflags & FREEBSD_NOTE_EXIT:
        kn.kev.fflags |= FREEBSD_NOTE_EXIT
        kn.kev.data = status
    kn.kev.flags |= FREEBSD_EV_EOF | FREEBSD_EV_ONESHOT
    if kn.kev.fflags == 0:
        kn.kev.flags |= FREEBSD_EV_DROP


cdef long process_descriptor_attach(events_t *ev, knote_t *kn) noexcept nogil:
    """EVFILT_PROCDESC."""
    if procdesc_process(<int> kn.kev.ident) < 0:
        return -LINUX_EINVAL
    kn.kev.flags |= FREEBSD_EV_CLEAR
    return knote_watch(ev, kn)

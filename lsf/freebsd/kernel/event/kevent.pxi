# kevent(2).

cdef enum:
    KEVENT_OVER = 1 << 32               # more than any number of events


cdef void kqueue_absorb_rest(process_t *proc, events_t *ev, kqueue_t *kq, int epoll, linux_epoll_event *raw, long count,
                             uint32_t wanted) noexcept nogil:
    """Where epoll filled its list there may be more: ask on, until as many are on the queue as are wanted, or none of those
    that come is new (epoll tells of a level-triggered one again when it has told of all)."""
    cdef uint32_t before
    while count == RAW_EVENTS and kq.count < wanted:
        before = kq.count
        count = linux_syscall4(LINUX_SYS_epoll_wait, epoll, <uint64_t> raw, RAW_EVENTS, 0)
        if count <= 0:
            break
        kqueue_absorb(proc, ev, kq, raw, count, wanted)
        if kq.count == before:
            break


cdef void kqueue_absorb(process_t *proc, events_t *ev, kqueue_t *kq, linux_epoll_event *raw, long count,
                        uint32_t wanted) noexcept nogil:
    """Put the knotes that epoll named on the queue. Called with the lock held."""
    cdef linux_epoll_event inner[RAW_EVENTS]
    cdef knote_t *kn
    cdef uint64_t name
    cdef int32_t descriptor
    cdef long i, n
    for i in range(count):
        name = raw[i].data.u64
        if name == EVENT_WAKE:
            continue
        if name == EVENT_WRITE:
            n = linux_syscall4(LINUX_SYS_epoll_wait, kq.write_fd, <uint64_t> inner, RAW_EVENTS, 0)
            if n > 0:
                kqueue_absorb(proc, ev, kq, inner, n, wanted)
                kqueue_absorb_rest(proc, ev, kq, kq.write_fd, inner, n, wanted)
            continue
        if name == EVENT_TIMER:
            timers_expire(proc, ev, kq)
            continue
        if name == EVENT_INOTIFY:
            vnodes_changed(ev, kq, False)
            notes_read(proc, ev)
            continue
        if name == EVENT_SIGNALFD:
            signals_look(proc, ev, kq)
            continue
        kn = knote_at(ev, name)
        if kn == NULL or kn.kq != kq or kn.status & KN_DISABLED:
            continue
        kn.revents = raw[i].events
        kn.told = kq.turn if kq.current else kq.turn - 1
        kn.status |= KN_ACTIVE
        if kn.mode == LINUX_S_IFIFO and kn.kev.filter == FREEBSD_EVFILT_WRITE and not kn.status & KN_BACK:
            back_appears(proc, ev, kn)
        if kn.kev.filter == FREEBSD_EVFILT_PROC:
            notes_read(proc, ev)
            process_ended(ev, kn, &kn.source)
        elif kn.kev.filter == FREEBSD_EVFILT_PROCDESC:
            # It hangs up when the process closes its files. Whoever has waited for that is told of a zombie.
            descriptor = <int32_t> linux_syscall2(LINUX_SYS_pidfd_open,
                                                  <uint64_t> procdesc_process(<int> kn.kev.ident), 0)
            process_ended(ev, kn, &descriptor)
            if descriptor >= 0:
                linux_syscall1(LINUX_SYS_close, descriptor)
        knote_enqueue(kn)


cdef long kqueue_scan(process_t *proc, events_t *ev, kqueue_t *kq, freebsd_kevent *out, int max_,
                      uint32_t *turns) noexcept nogil:
    """Take events off the queue as kqueue_scan of FreeBSD does: how many. `turns` is what the queue held at first, so
    that a knote that stays on it is reported once in a call. Called with the lock held."""
    cdef knote_t *kn
    cdef int n = 0
    while n < max_ and turns[0] > 0 and kq.queue_first != NULL:
        turns[0] -= 1
        kn = kq.queue_first
        knote_dequeue(kn)
        if kn.kev.flags & FREEBSD_EV_DROP:
            knote_drop(proc, ev, kn)
            continue
        if kn.status & KN_DISABLED:
            continue
        if not (kn.kev.flags & FREEBSD_EV_ONESHOT and not is_descriptor_filter(kn.kev.filter)) \
                and not filter_ready(proc, ev, kn):
            kn.status &= ~<uint32_t> KN_ACTIVE
            continue
        if kn.kev.flags & FREEBSD_EV_ONESHOT:
            out[n] = kn.kev
            knote_drop(proc, ev, kn)
            n += 1
            continue
        filter_process(kn, &out[n])
        n += 1
        if kn.kev.flags & FREEBSD_EV_DISPATCH:
            kn.status |= KN_DISABLED
            knote_unwatch(kn)
        if kn.kev.flags & (FREEBSD_EV_CLEAR | FREEBSD_EV_DISPATCH) or (kn.status & KN_WATCHED and not back_is_open(kn)):
            # Level-triggered epoll reports a watched one again by itself.
            kn.status &= ~<uint32_t> KN_ACTIVE
        else:
            knote_enqueue(kn)
    return n


cdef long kevent_changes(process_t *proc, events_t *ev, kqueue_t *kq, uaddr changes, int nchanges, uaddr *events,
                         int *nevents, bint old) noexcept nogil:
    """Work through a changelist: how many errors and receipts were put into the eventlist, or an error. KEVENT_OVER: at a receipt
    that finds no room the call ends, with 0 (kqueue_kevent)."""
    cdef freebsd_kevent kev[KEVENT_BATCH]
    cdef uint64_t size = sizeof(freebsd11_kevent) if old else sizeof(freebsd_kevent)
    cdef long result, reported = 0
    cdef int now, i
    while nchanges > 0:
        now = nchanges if nchanges < KEVENT_BATCH else KEVENT_BATCH
        if kevents_in(changes, kev, now, old) < 0:
            return -LINUX_EFAULT
        for i in range(now):
            if kev[i].filter == 0:
                continue
            kev[i].flags &= ~<uint16_t> FREEBSD_EV_SYSFLAGS
            lock_acquire(&proc.own.lock_event)
            result = kqueue_register(proc, ev, kq, &kev[i])
            lock_release(&proc.own.lock_event)
            if result == 0 and not kev[i].flags & FREEBSD_EV_RECEIPT:
                continue
            if nevents[0] <= 0:
                return result if result < 0 else KEVENT_OVER
            kev[i].flags = FREEBSD_EV_ERROR
            kev[i].data = lsf_errno_map[-result] if result < 0 else 0
            if kevents_out(&kev[i], events[0], 1, old) < 0:
                return -LINUX_EFAULT
            events[0] += size
            nevents[0] -= 1
            reported += 1
        changes += now * size
        nchanges -= now
    if ev.backs_wanted:
        lock_acquire(&proc.own.lock_event)
        backs_settle(proc, ev, kq)
        lock_release(&proc.own.lock_event)
    return reported


cdef long kevents_in(uaddr source, freebsd_kevent *kev, int count, bint old) noexcept nogil:
    cdef freebsd11_kevent old_kev
    cdef int i
    if not old:
        return copyin(source, kev, count * sizeof(freebsd_kevent))
    for i in range(count):
        if copyin(source + i * sizeof(old_kev), &old_kev, sizeof(old_kev)) < 0:
            return -LINUX_EFAULT
        memset(&kev[i], 0, sizeof(freebsd_kevent))
        memcpy(&kev[i], &old_kev, sizeof(old_kev))      # a prefix of the new one
    return 0


cdef long kevents_out(const freebsd_kevent *kev, uaddr target, int count, bint old) noexcept nogil:
    cdef int i
    if not old:
        return copyout(kev, target, count * sizeof(freebsd_kevent))
    for i in range(count):
        if copyout(&kev[i], target + i * sizeof(freebsd11_kevent), sizeof(freebsd11_kevent)) < 0:
            return -LINUX_EFAULT
    return 0


cdef long kevent_collect(process_t *proc, events_t *ev, kqueue_t *kq, linux_epoll_event *raw, long count, uaddr events,
                         int nevents, bint current, bint old) noexcept nogil:
    """Put what epoll named on the queue, and as much of the queue as fits into the eventlist: how many, or -EFAULT. current:
    nobody has changed the kqueue, or collected from it, since epoll was asked."""
    cdef freebsd_kevent out[KEVENT_BATCH]
    cdef uint64_t size = sizeof(freebsd11_kevent) if old else sizeof(freebsd_kevent)
    cdef uint32_t turns
    cdef long got, total = 0
    kq.turn += 1
    kq.current = current
    kqueue_absorb(proc, ev, kq, raw, count, <uint32_t> nevents)
    kqueue_absorb_rest(proc, ev, kq, kq.fd, raw, count, <uint32_t> nevents)
    turns = kq.count
    while nevents > 0:
        got = kqueue_scan(proc, ev, kq, out, nevents if nevents < KEVENT_BATCH else KEVENT_BATCH, &turns)
        if got == 0:
            break
        if kevents_out(out, events + total * size, <int> got, old) < 0:
            return -LINUX_EFAULT
        total += got
        nevents -= <int> got
        if got < KEVENT_BATCH:
            break
    if kq.count != 0:
        kqueue_part(ev, kq, &kq.wake_fd, EVENT_WAKE)
    kqueue_signal(kq)
    return total


cdef long kevent_wait(area_t *area, events_t *ev, kqueue_t *kq, uaddr events, int nevents,
                      const freebsd_timespec *timeout, bint old) noexcept nogil:
    """kqueue_scan's waiting: how many events were put into the eventlist, or an error. Never restarted."""
    cdef process_t *proc = area.proc
    cdef linux_epoll_event raw[RAW_EVENTS]
    cdef freebsd_timespec now, end, left
    cdef int want = nevents if nevents < RAW_EVENTS else RAW_EVENTS
    cdef bint poll_ = timeout != NULL and timeout.tv_sec == 0 and timeout.tv_nsec == 0
    cdef bint busy, expired = False
    cdef uint32_t turn
    cdef long count, total = 0
    if timeout != NULL and not poll_:
        if area.own.wait_until and wait_left(area, &left):
            timeout = &left
        read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &end)
        timespec_add(&end, timeout)
    while True:
        lock_acquire(&proc.own.lock_event)
        busy = kq.count != 0
        turn = kq.turn
        lock_release(&proc.own.lock_event)
        if busy or poll_ or expired:
            count = linux_syscall4(LINUX_SYS_epoll_wait, kq.fd, <uint64_t> raw, want, 0)
        elif timeout == NULL:
            count = blocking_syscall(LINUX_SYS_epoll_wait, kq.fd, <uint64_t> raw, want, <uint64_t> -1, 0, 0)
        else:
            read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
            left.tv_sec = 0
            left.tv_nsec = 0
            if not timespec_reached(&now, &end):
                left = end
                timespec_sub(&left, &now)
            count = epoll_wait_for(kq.fd, raw, want, &left)
            expired = count == 0
        lock_acquire(&proc.own.lock_event)
        total = kevent_collect(proc, ev, kq, raw, count if count > 0 else 0, events, nevents, kq.turn == turn, old)
        lock_release(&proc.own.lock_event)
        if total != 0:
            return total
        # A stop and a continue also end epoll_wait, with no signal for the guest; and one that the guest ignores
        # came here only for an EVFILT_SIGNAL.
        if count < 0 and (count != -LINUX_EINTR or area.woken == WOKEN_ENDED
                          or (area.deferred and not signal_swallow(area))):
            if count == -LINUX_EINTR and timeout != NULL and not poll_:
                read_clock(proc, FREEBSD_CLOCK_MONOTONIC, &now)
                left = end
                timespec_sub(&left, &now)
                wait_leave(area, &left)
            return count
        if poll_ or (expired and not busy):
            return 0


cdef long epoll_wait_for(int epoll, linux_epoll_event *raw, int want, const freebsd_timespec *left) noexcept nogil:
    """epoll_pwait2, or where Linux lacks it (before 5.11) epoll_wait with the milliseconds rounded up."""
    cdef long result = blocking_syscall(LINUX_SYS_epoll_pwait2, epoll, <uint64_t> raw, want, <uint64_t> left, 0, 8)
    cdef int64_t milliseconds
    if result != -LINUX_ENOSYS and result != -LINUX_EPERM:
        return result
    milliseconds = 0x7fffffff
    if left.tv_sec < 2000000:
        milliseconds = left.tv_sec * 1000 + (left.tv_nsec + 999999) // 1000000
    return blocking_syscall(LINUX_SYS_epoll_wait, epoll, <uint64_t> raw, want, <uint64_t> milliseconds, 0, 0)


cdef long kevent_call(frame_t *frame, area_t *area, bint old) noexcept nogil:
    cdef process_t *proc = area.proc
    cdef freebsd_timespec timeout
    cdef events_t *ev
    cdef kqueue_t *kq
    cdef uaddr events = frame.arg[3]
    cdef int nevents = <int> frame.arg[4]
    cdef long result
    if frame.arg[5] != 0 and copyin(frame.arg[5], &timeout, sizeof(timeout)) < 0:
        return -LINUX_EFAULT
    lock_acquire(&proc.own.lock_event)
    ev = <events_t *> proc.own.events
    kq = kqueue_find(ev, <uint32_t> frame.arg[0])
    if kq == NULL:
        lock_release(&proc.own.lock_event)
        return -LINUX_EBADF
    atomic_add32(&kq.refs, 1)
    lock_release(&proc.own.lock_event)
    result = kevent_changes(proc, ev, kq, frame.arg[1], <int> frame.arg[2], &events, &nevents, old)
    if result == 0 and nevents > 0:
        if frame.arg[5] != 0 and not timespec_is_interval(&timeout):
            result = -LINUX_EINVAL
        else:
            result = kevent_wait(area, ev, kq, events, nevents, &timeout if frame.arg[5] != 0 else NULL, old)
    atomic_add32(&kq.refs, <uint32_t> -1)
    if atomic_load32(&kq.closing):
        kqueue_leave(proc, ev, kq)
    return 0 if result == KEVENT_OVER else result


cdef public long sys_kevent(frame_t *frame, area_t *area) noexcept nogil:
    return kevent_call(frame, area, False)


cdef public long sys_freebsd11_kevent(frame_t *frame, area_t *area) noexcept nogil:
    return kevent_call(frame, area, True)

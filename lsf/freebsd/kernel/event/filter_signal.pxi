# EVFILT_SIGNAL. FreeBSD counts a signal when it is sent, whatever becomes of it. What this process sends itself is counted then
# (event_sent), and so not when it arrives. What others send is counted when it is delivered, or when it becomes pending:
# of what they send while it is pending Linux knows no number.

cdef bint event_wants_signal(process_t *proc, int signo) noexcept nogil:
    """An EVFILT_SIGNAL exists for it: the signal has to come to the shim even if the guest ignores it."""
    return proc.own.events != NULL and (<events_t *> proc.own.events).signals[signo] != 0


cdef void event_sends(process_t *proc) noexcept nogil:
    """This process is about to send itself a signal that is counted. Until event_sent nobody counts what arrives."""
    lock_acquire(&proc.own.lock_event)


cdef void event_sent(process_t *proc, int signo, bint sent) noexcept nogil:
    cdef events_t *ev = <events_t *> proc.own.events
    cdef knote_t *kn
    cdef uint32_t pending
    if sent and ev != NULL:
        pending = 1 if signals_pending() & linux_bits(signo) else 0
        kn = ev.hash[event_hash(<uint64_t> signo)]
        while kn != NULL:
            if kn.kev.ident == <uint64_t> signo and kn.kev.filter == FREEBSD_EVFILT_SIGNAL:
                kn.hook = pending
                kn.kev.data += 1
                knote_activate(kn)
            kn = kn.hash_next
    lock_release(&proc.own.lock_event)


cdef void event_signal(process_t *proc, int signo, bint own) noexcept nogil:
    """A signal has come; own: this process sent it. Called from its delivery, with no lock held."""
    cdef events_t *ev = <events_t *> proc.own.events
    cdef knote_t *kn
    if ev == NULL or ev.signals[signo] == 0:
        return
    lock_acquire(&proc.own.lock_event)
    kn = ev.hash[event_hash(<uint64_t> signo)]
    while kn != NULL:
        if kn.kev.ident == <uint64_t> signo and kn.kev.filter == FREEBSD_EVFILT_SIGNAL:
            if kn.hook:
                kn.hook = 0             # it was counted when it became pending
            elif not own:
                kn.kev.data += 1
                knote_activate(kn)
        kn = kn.hash_next
    lock_release(&proc.own.lock_event)


cdef bint signal_swallow(area_t *area) noexcept nogil:
    """In a call that a signal interrupted: where the guest ignores the signal, take note of it here, so that the call goes
    on. False where it has to be delivered."""
    cdef process_t *proc = area.proc
    cdef int signo = lsf_signal_from_linux[area.deferred]
    cdef uint64_t function = proc.handlers[signo].function
    if signo == 0 or is_virtual(signo) or not event_wants_signal(proc, signo):
        return False
    if function != FREEBSD_SIG_IGN and not (function == FREEBSD_SIG_DFL and (lsf_signal_default[signo] == LSF_SIGNAL_IGNORE
                                                             or lsf_signal_default[signo] == LSF_SIGNAL_CONTINUE)):
        return False
    event_signal(proc, signo, is_own_signal(proc, <linux_siginfo *> area.info))
    area.deferred = 0
    area.not_begun = 0
    set_linux_mask(area)
    return True


cdef void signals_look(process_t *proc, events_t *ev, kqueue_t *kq) noexcept nogil:
    """The signalfd reported: a signal that is blocked became pending. FreeBSD counts it at that time."""
    cdef uint64_t pending = signals_pending()
    cdef knote_t *kn = kq.list
    while kn != NULL:
        if kn.kev.filter == FREEBSD_EVFILT_SIGNAL and kn.kev.ident <= SIGNAL_MAX:
            if pending & linux_bits(<int> kn.kev.ident):
                if not kn.hook:
                    kn.hook = 1
                    kn.kev.data += 1
                    kn.status |= KN_ACTIVE
                    knote_enqueue(kn)
            else:
                kn.hook = 0
        kn = kn.list_next


cdef long signals_watch(events_t *ev, kqueue_t *kq) noexcept nogil:
    """Let the kqueue's signalfd stand for exactly the signals of its knotes. It is never read."""
    cdef uint64_t mask = 0
    cdef knote_t *kn = kq.list
    cdef long result
    while kn != NULL:
        if kn.kev.filter == FREEBSD_EVFILT_SIGNAL and 1 <= kn.kev.ident <= SIGNAL_MAX:
            mask |= linux_bits(<int> kn.kev.ident)
        kn = kn.list_next
    mask &= linux_all_mask()
    if mask == 0 and kq.signal_fd < 0:
        return 0
    result = kqueue_part(ev, kq, &kq.signal_fd, EVENT_SIGNALFD)
    if result == 0:
        linux_syscall4(LINUX_SYS_signalfd4, kq.signal_fd, <uint64_t> &mask, 8, 0)
    return result


cdef long signal_attach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    cdef int signo
    cdef long result
    kn.kev.flags |= FREEBSD_EV_CLEAR
    if not 1 <= kn.kev.ident <= SIGNAL_MAX:
        return 0                        # FreeBSD takes any number; such a signal never comes
    signo = <int> kn.kev.ident
    result = kqueue_part(ev, kn.kq, &kn.kq.wake_fd, EVENT_WAKE)
    if result == 0:
        result = signals_watch(ev, kn.kq)
    if result < 0:
        return result
    if signals_pending() & linux_bits(signo):
        kn.hook = 1
    ev.signals[signo] += 1
    lock_acquire(&proc.own.lock_signal)
    know_handler(proc, signo)
    apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)
    return 0


cdef void signal_detach(process_t *proc, events_t *ev, knote_t *kn) noexcept nogil:
    if not 1 <= kn.kev.ident <= SIGNAL_MAX:
        return
    ev.signals[kn.kev.ident] -= 1
    lock_acquire(&proc.own.lock_signal)
    apply_disposition(proc, <int> kn.kev.ident)
    lock_release(&proc.own.lock_signal)

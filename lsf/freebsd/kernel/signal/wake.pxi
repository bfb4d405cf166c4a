# thr_wake of the own thread: its next sleep that a signal could interrupt ends with EINTR. libthr's deferred cancellation
# stands on it: the signal of pthread_cancel may come in the instant before a call that sleeps, and after its handler nothing
# else keeps the call from sleeping for ever.
# Model: FreeBSD sys/kern/kern_thr.c (sys_thr_wake, TDP_WAKEUP), subr_sleepqueue.c (sleepq_check_ast_sc_locked).
#
# FreeBSD looks at the flag when a thread is about to sleep: a call that is ready at once leaves it for the next one. Only
# Linux knows whether a call sleeps. So the call is made, and a timer sends this thread SIGBUS, which Linux never has
# blocked, until it is over: the first one that finds it asleep ends it. Who never calls thr_wake pays nothing: the entry
# and blocking_syscall see the flag with the comparison that looks for a deferred signal, and while it is set the calls of
# the pass lane are led through blocking_syscall too. What remains different: a transfer that ends in the middle, part
# done, leaves the flag for the next sleep.

cdef enum:
    WAKE_FIRST = 10000                  # nanoseconds until a call is thought to sleep, doubled each time that it did not
    WAKE_LONGEST = 20000000
    WAKE_MAGIC = 0x4c5346776b75         # sigev_value: this SIGBUS is no guest's (supervisor/protocol.pxi knows it too)


cdef struct linux_wake_event_t:         # struct sigevent
    uint64_t value
    int signo, notify, tid
    int pad[11]

cdef struct linux_wake_time_t:          # struct itimerspec
    int64_t interval_sec, interval_nsec, value_sec, value_nsec


cdef void wake_set(area_t *area) noexcept nogil:
    """The next sleep of this thread is to end."""
    if area.woken == WOKEN_PENDING:
        return
    area.woken = WOKEN_PENDING
    hook_add(area, HOOK_WAKE, NULL, lsf_lane_none)


cdef void wake_over(area_t *area, uint32_t woken) noexcept nogil:
    """No sleep is to end any more: none of this thread's, or (WOKEN_ENDED) this call's has."""
    if area.woken == WOKEN_PENDING:
        hook_remove(area, HOOK_WAKE)
    area.woken = woken


cdef void wake_inherit(area_t *child, area_t *area) noexcept nogil:
    """A new thread or process has no thr_wake of its maker's (td_pflags is not copied)."""
    hooks_inherit(child, area, HOOK_WAKE)


cdef inline bint is_wake_signal(linux_siginfo *info) noexcept nogil:
    return info.si_code == LINUX_SI_TIMER and info.fields.timer.value == WAKE_MAGIC


cdef void wake_timer_set(area_t *area) noexcept nogil:
    cdef linux_wake_time_t when
    memset(&when, 0, sizeof(when))
    when.value_nsec = area.own.wake_delay
    linux_syscall4(LINUX_SYS_timer_settime, area.own.wake_timer, 0, <uint64_t> &when, 0)


cdef void wake_again(area_t *area) noexcept nogil:
    """In the handler of the timer's signal: again, later, for the case that the call had not begun to sleep."""
    if area.own.wake_delay == 0:
        return                          # it came late: the call is over
    if area.own.wake_delay < WAKE_LONGEST:
        area.own.wake_delay *= 2
    wake_timer_set(area)


cdef bint wake_timer_start(area_t *area) noexcept nogil:
    """False where Linux has no timer for this process."""
    cdef linux_wake_event_t event
    memset(&event, 0, sizeof(event))
    event.value = WAKE_MAGIC
    event.signo = LINUX_SIGBUS
    event.notify = 4                    # SIGEV_THREAD_ID
    event.tid = area.tid
    if is_error(linux_syscall3(LINUX_SYS_timer_create, LINUX_CLOCK_MONOTONIC, <uint64_t> &event,
                               <uint64_t> &area.own.wake_timer)):
        return False
    area.own.wake_delay = WAKE_FIRST
    wake_timer_set(area)
    return True


cdef public long blocking_woken(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                uint64_t f) noexcept nogil:
    """blocking_syscall where thr_wake came before: a sleep ends with -EINTR, and no handler's SA_RESTART restarts it."""
    cdef area_t *area = current_area()
    cdef long result
    if area.woken == WOKEN_ENDED:       # a second sleep of the same call
        return undeferred_syscall(nr, a, b, c, d, e, f)
    if not wake_timer_start(area):
        wake_over(area, WOKEN_ENDED)
        return -LINUX_EINTR
    result = undeferred_syscall(nr, a, b, c, d, e, f)
    area.own.wake_delay = 0
    linux_syscall1(LINUX_SYS_timer_delete, area.own.wake_timer)
    if result == -LINUX_EINTR and not (area.deferred and area.not_begun):
        wake_over(area, WOKEN_ENDED)
    return result

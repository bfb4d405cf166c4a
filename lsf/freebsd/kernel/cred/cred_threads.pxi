# Ids of a process of several threads. Linux keeps them by thread, FreeBSD by process. After a thread has changed its own,
# it makes all others take over what it has then.
#
# They are reached by SIGBUS, which Linux never has blocked, with a siginfo that says what it is. (Not by SIGSYS: while one is
# pending, Linux drops the one that a syscall of the guest raises. A fault that is dropped comes again.) The guest does not see
# it: a call that it interrupts begins anew, as for a carrier that nobody wants (signal.pxi). lock_ids lets one change be
# made at a time. SIGBUS does not queue, so who has not answered is asked again; one asked too often does no harm.

cdef enum:
    ASK_CODE = -1                       # SI_QUEUE: Linux lets a thread send no other one SI_TKILL
    IDS_MAGIC = 0x4c530001              # si_errno of the SIGBUS (supervisor/protocol.pxi knows it too)
    IDS_WAIT = 5000000                  # nanoseconds until threads that were still being made are looked at again
    IDS_ROUNDS = 200                    # so often, until those that have not answered are asked once more

cdef struct shared_ids_t:
    ids_t users, groups
    int64_t count                       # supplementary groups; below 0: not known, leave them
    uint32_t answers                    # who waits for them sleeps on it
    uint32_t generation
    uint32_t list_[LINUX_NGROUPS_MAX]


cdef void ask_thread(area_t *area, int32_t what) noexcept nogil:
    """Send a thread of this process the SIGBUS that says what it is to do."""
    cdef linux_siginfo info
    memset(&info, 0, 128)
    info.si_signo = LINUX_SIGBUS
    info.si_code = ASK_CODE
    info.si_errno = what
    linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, area.proc.pid, area.tid, LINUX_SIGBUS, <uint64_t> &info)


cdef inline bint is_asked(linux_siginfo *info, int32_t what) noexcept nogil:
    return info.si_code == ASK_CODE and info.si_errno == what


cdef inline bint is_ids_signal(linux_siginfo *info) noexcept nogil:
    """True for the SIGBUS of ids_spread. (One that another process sends does no harm: the ids are the process's.)"""
    return is_asked(info, IDS_MAGIC)


cdef void ids_adopt(area_t *area) noexcept nogil:
    """In the handler: take over the ids of the thread that changed them. Groups first: who gives up root can do no more.
    Should they be changing again just now, then this thread will be asked again."""
    cdef shared_ids_t *shared = <shared_ids_t *> area.proc.own.shared_ids
    cdef uint64_t mask = signal_bit(LINUX_SIGBUS)
    cdef uint32_t generation
    if shared == NULL:
        return
    # The next change may begin before this handler has returned: let its signal wait until then. Nothing of the guest's
    # memory is touched from here on, and no fault can come.
    linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_BLOCK, <uint64_t> &mask, 0, 8)
    generation = atomic_load32(&shared.generation)
    if shared.count >= 0:
        linux_syscall2(LINUX_SYS_setgroups, <uint64_t> shared.count, <uint64_t> shared.list_)
    linux_syscall3(LINUX_SYS_setresgid, shared.groups.real, shared.groups.effective, shared.groups.saved)
    linux_syscall3(LINUX_SYS_setresuid, shared.users.real, shared.users.effective, shared.users.saved)
    atomic_store32(&area.own.ids_generation, generation)
    atomic_add32(&shared.answers, 1)
    linux_syscall3(LINUX_SYS_futex, <uint64_t> &shared.answers, LINUX_FUTEX_WAKE | LINUX_FUTEX_PRIVATE_FLAG, INT_MAX)


cdef bint ids_ask(area_t *self, shared_ids_t *shared, bint again) noexcept nogil:
    """Ask every thread that was not asked, or (`again`) has not answered: True when all have."""
    cdef area_t *area = NULL
    cdef bint all_ = True
    while (area := area_next(self.proc, area)) != NULL:
        if area == self or area.service != NULL or atomic_load32(&area.own.ids_generation) == shared.generation:
            continue
        all_ = False
        if area.tid <= 0 or not atomic_load32(&area.own.ready):
            continue                    # it is being made
        if area.own.ids_asked == shared.generation and not again:
            continue
        area.own.ids_asked = shared.generation
        ask_thread(area, IDS_MAGIC)
    return all_


cdef void ids_spread(area_t *area) noexcept nogil:
    """Let the other threads have this one's ids, and wait until they do."""
    cdef process_t *proc = area.proc
    cdef shared_ids_t *shared
    cdef freebsd_timespec wait
    cdef uint32_t seen, rounds = 0
    if is_alone(area) or area.in_vfork:
        return
    lock_acquire(&proc.own.lock_ids)
    if proc.own.shared_ids == NULL:
        proc.own.shared_ids = <void *> map_memory(page_up(sizeof(shared_ids_t)))
    shared = <shared_ids_t *> proc.own.shared_ids
    if shared != NULL:
        linux_user_ids(&shared.users)
        linux_group_ids(&shared.groups)
        shared.count = linux_syscall2(LINUX_SYS_getgroups, LINUX_NGROUPS_MAX, <uint64_t> shared.list_)
        atomic_add32(&shared.generation, 1)
        area.own.ids_generation = shared.generation
        seen = atomic_load32(&shared.answers)
        while not ids_ask(area, shared, rounds % IDS_ROUNDS == IDS_ROUNDS - 1):
            rounds += 1
            wait.tv_sec = 0
            wait.tv_nsec = IDS_WAIT
            # FUTEX_WAIT
            linux_syscall4(LINUX_SYS_futex, <uint64_t> &shared.answers, LINUX_FUTEX_PRIVATE_FLAG, seen, <uint64_t> &wait)
            seen = atomic_load32(&shared.answers)
    lock_release(&proc.own.lock_ids)

# fork, vfork, exit: what makes and ends a process. Threads: thr_new.pxi.
#
# Around clone every signal is blocked until the child has its own GS, signal stack and dispatch.

cdef void locks_acquire(process_t *proc) noexcept nogil:
    """Every lock of the shim, in one order: a fork takes them so that none is held in the child."""
    lock_acquire(&PATCHES.lock)
    lock_acquire(&proc.own.lock_thread)
    lock_acquire(&proc.own.lock_event)
    lock_acquire(&proc.own.lock_memory)
    lock_acquire(&proc.own.lock_signal)
    lock_acquire(&proc.own.lock_truss)


cdef void locks_release(process_t *proc) noexcept nogil:
    lock_release(&proc.own.lock_truss)
    lock_release(&proc.own.lock_signal)
    lock_release(&proc.own.lock_memory)
    lock_release(&proc.own.lock_event)
    lock_release(&proc.own.lock_thread)
    lock_release(&PATCHES.lock)


cdef void free_other_areas(area_t *area) noexcept nogil:
    """In the child of a fork only the calling thread exists."""
    cdef int i
    for i in range(AREA_COUNT):
        if slot_at(i).state != 0 and i != <int> area.index:
            slot_at(i).state = 0
        elif i > 0 and slot_at(i).mapped == 0:
            return              # areas are mapped in order


cdef void no_owner_ends(long child) noexcept nogil:
    """A process that cannot own mutexes (is_no_owner) ends, as if it had not been; its maker waits for that."""
    if child == 0:
        linux_syscall1(LINUX_SYS_exit_group, 0)
    linux_syscall4(LINUX_SYS_wait4, child, 0, LINUX___WALL, 0)


cdef long fork_with(frame_t *frame, area_t *area, uint64_t flags) noexcept nogil:
    """clone without CLONE_VM: the parent gets the child's pid, the child 0 (and 1 in rdx). flags: clone's, and ORPHAN."""
    cdef process_t *proc = area.proc
    cdef long result
    cdef bint alone
    cdef int told[2]
    cdef int parent = proc.pid
    family_learn(proc, area)
    image_open(proc)
    block_all(NULL)
    if area.deferred:
        return -LINUX_ERESTARTNOINTR         # a signal came before the fork: it is delivered first
    alone = is_alone(area)
    notes_before_fork(proc, told)
    if not alone:
        locks_acquire(proc)
    stats_expect(proc, 1)
    while True:
        result = clone_process(area, flags) if not flags & ORPHAN else clone_orphan(area, flags & ~<uint64_t> ORPHAN)
        if not is_no_owner(result or area.slot.state):
            break
        no_owner_ends(result)
    if not alone:
        locks_release(proc)
    if result == 0:
        proc.pid = <int> area.slot.state
        area.tid = proc.pid
        if area.in_vfork:
            signal_stack(area)      # it had its parent's, whose area is free now
        area.in_vfork = 0
        if not alone:
            free_other_areas(area)
        proc.own.files_shared = flags & LINUX_CLONE_FILES != 0
        area.own.virtual_pending = 0
        proc.own.virtual_kept = 0
        area.own.has_tlsbase = 0            # copy_thread
        area.own.signals = 0
        proc.own.signals = 0
        memset(area.own.messages, 0, sizeof(area.own.messages))
        memset(proc.own.messages, 0, sizeof(proc.own.messages))
        wake_over(area, 0)
        lent_over(area)
        kept_clear(proc)
        reap_inherit(proc)
        after_fork(proc, area)
        guest_mark_set()
        debug_child(area, parent)
        notes_after_fork(proc, parent, told, True)
        arm(proc)
        frame.arg[2] = 1
    else:
        notes_after_fork(proc, parent, told, False)
        if is_error(result):
            stats_expect(proc, -1)
        else:
            frame.arg[2] = 0
            guest_known(area, <int> result)
            debug_forked(area, <int> result)
    set_linux_mask(area)
    return result


cdef public long sys_fork(frame_t *frame, area_t *area) noexcept nogil:
    return fork_with(frame, area, LINUX_SIGCHLD)


cdef public long vfork_prepare(frame_t *frame, area_t *area) noexcept nogil:
    """Before a vfork, which rfork and pdrfork with RFSPAWN are too: the child's area, or an error."""
    cdef long child
    if frame.nr != FREEBSD_SYS_pdrfork:
        return vfork_area(frame, area)
    child = procdesc_spawn_begin(frame, area)
    if child < 0:
        return child
    child = vfork_area(frame, area)
    if is_error(child):
        return procdesc_spawn_end(frame, area, child)
    (<area_t *> child).own.procdesc_ends[0] = area.own.procdesc_ends[0]
    (<area_t *> child).own.procdesc_ends[1] = area.own.procdesc_ends[1]
    return child


cdef long vfork_area(frame_t *frame, area_t *area) noexcept nogil:
    """Block signals and make the child's area, with a process state of its own."""
    cdef process_t *proc = area.proc
    cdef area_t *child
    cdef process_t *copy
    cdef uint64_t spare
    if frame.nr == FREEBSD_SYS_rfork and proc.own.osreldate < FREEBSD_SINCE_RFSPAWN:
        return -LINUX_EINVAL                  # libc takes vfork then
    image_open(proc)
    block_all(NULL)
    if area.deferred:
        return -LINUX_ERESTARTNOINTR
    child = area_take(proc)
    if child == NULL:
        set_linux_mask(area)
        return -LINUX_EAGAIN
    spare = proc.own.vfork_spare
    if spare == 0 or atomic_cas64(&proc.own.vfork_spare, spare, 0) != spare:
        spare = map_memory(page_up(sizeof(process_t)))
    copy = <process_t *> spare
    if copy == NULL:
        atomic_store32(&child.slot.state, 0)
        set_linux_mask(area)
        return -LINUX_ENOMEM
    lock_acquire(&proc.own.lock_signal)
    memcpy(copy, proc, PROCESS_COPIED)
    copy.own.vfork_spare = 0
    copy.own.notes = notes_key(0)
    copy.own.executing = 0
    copy.own.lock_signal.word = 0
    copy.own.kept_count = 0
    copy.own.told_high = 0
    copy.own.queued = 0
    copy.own.signals = 0
    memset(copy.own.messages, 0, sizeof(copy.own.messages))
    copy.own.child_check = 0
    copy.own.virtual_kept = 0
    copy.own.kept_bits[0] = 0
    copy.own.kept_bits[1] = 0
    memset(copy.own.timer_words, 0, sizeof(copy.own.timer_words))
    lock_release(&proc.own.lock_signal)
    copy.own.lock_memory.word = 0
    copy.own.lock_event.word = 0
    copy.own.lock_thread.word = 0
    copy.own.events = NULL              # the child has no kqueues, and what it closes is not closed here
    copy.own.backs = NULL
    copy.own.inotify = NULL
    pollers_none(copy)
    copy.own.mqueue_notes = NULL
    copy.own.aio = NULL
    copy.own.procdescs = NULL
    copy.own.procdesc_maker = 0
    copy.own.procdesc_holder = 0
    tracees_none(copy)
    copy.own.shared_ids = NULL
    copy.own.lock_ids.word = 0
    copy.own.lock_truss.word = 0
    child.proc = copy
    child.in_vfork = 1
    wake_inherit(child, area)
    lent_to_child(area, child)
    child.sigmask[0] = area.sigmask[0]
    child.sigmask[1] = area.sigmask[1]
    child.altstack_sp = area.altstack_sp
    child.altstack_size = area.altstack_size
    child.altstack_flags = area.altstack_flags
    child.own.fast_block = area.own.fast_block
    child.own.fast_block_set = area.own.fast_block_set
    stats_expect(proc, 1)
    child.own.exterr = area.own.exterr
    area.tail[0] = 0
    area.tail[1] = <uint64_t> &child.slot.state
    debug_new_thread(area, child)
    if debug_follows(proc):
        # The parent does not sleep in clone: it has to tell of the child while that runs.
        area.tail[0] = LINUX_CLONE_VFORK | LINUX_CLONE_CHILD_CLEARTID
        area.tail[1] = <uint64_t> &child.own.debug_vfork_tid
        child.own.debug_vfork_tid = 1
    return <long> child


cdef void handlers_drop(process_t *proc) noexcept nogil:
    """RFSPAWN: what the parent catches has its default in the child (sig_drop_caught)."""
    cdef int signo
    for signo in range(1, SIGNAL_MAX + 1):
        if proc.handlers[signo].function > FREEBSD_SIG_IGN:
            proc.handlers[signo].function = FREEBSD_SIG_DFL
            proc.handlers[signo].flags &= ~<uint32_t> FREEBSD_SA_SIGINFO
            apply_disposition(proc, signo)


cdef public void vfork_child(frame_t *parent_frame, area_t *area) noexcept nogil:
    """In the child of a vfork, on its own area: take over the frame, arm, unblock."""
    cdef int parent = area.proc.pid         # what it is a copy of
    memcpy(area.frame, parent_frame, sizeof(frame_t))
    area.frame.arg[2] = 1
    area.guest_rsp = parent_frame.rsp
    area.ret = parent_frame.ret
    area.proc.pid = <int> (area.own.debug_vfork_tid if area.own.debug_vfork_tid else area.slot.state)
    if is_no_owner(area.proc.pid):
        no_owner_ends(0)
    area.tid = area.proc.pid
    lent_over(area)
    reap_inherit(area.proc)
    if area.proc.truss_fd >= 0:
        truss_new_process(area, True)
    ktrace_after_fork(area)
    stats_after_fork(area.proc)
    fd_marks_in_vfork(area.proc)
    fd_marks_after_fork(area.proc)
    procdesc_end(area.proc)
    if area.proc.own.notes:
        notes_tell(area.proc.own.notes, NOTE_RECORD_FORK, area.proc.pid, parent, 0)
    if parent_frame.nr == FREEBSD_SYS_pdrfork:
        procdesc_spawn_child(parent_frame, area)
    if parent_frame.nr == FREEBSD_SYS_rfork or parent_frame.nr == FREEBSD_SYS_pdrfork:
        handlers_drop(area.proc)
    # The Linux signal stack stays the parent's, which waits and has nothing on it. One that is traced may be asked to stop.
    if area.own.debug_vfork_tid:
        signal_stack(area)
    debug_child(area, parent)
    arm(area.proc)
    set_linux_mask(area)


cdef void wait_for_zombie(int64_t pid) noexcept nogil:
    """Until a child that is about to end has, so that wait4 finds it; it may be reaped by Linux itself, or by another
    thread, meanwhile."""
    while linux_syscall5(LINUX_SYS_waitid, LINUX_P_PID, <uint64_t> pid, 0, LINUX_WEXITED | LINUX_WNOWAIT | LINUX___WALL,
                         0) == -LINUX_EINTR:
        pass


cdef public long vfork_parent(frame_t *frame, area_t *area, area_t *child, long result) noexcept nogil:
    """In the parent, when the child has executed a program or is gone: free its area, unblock.

    Linux lets the parent go on when the child gives up its memory, which a dying process does before it can be waited
    for. On FreeBSD it is a zombie by then (kern_exit.c). One that Linux kills in execve itself is not told from one that
    has executed, as on FreeBSD nobody can say which came first."""
    cdef bint again = is_no_owner(result)
    if again:
        no_owner_ends(result)
    elif not is_error(result) and child.own.debug_vfork_tid:
        debug_vforked(frame, area, child, <int> result)
    if not is_error(result) and not again and not child.proc.own.executing:
        wait_for_zombie(result)
    if child.proc.own.debug_map and child.proc.own.debug_map != area.proc.own.debug_map:
        linux_syscall2(LINUX_SYS_munmap, child.proc.own.debug_map, debug_size(DEBUG_THREADS))
    if child.scratch != 0:
        linux_syscall2(LINUX_SYS_munmap, child.scratch, child.scratch_size)
        child.scratch = 0
    if atomic_cas64(&area.proc.own.vfork_spare, 0, <uint64_t> child.proc) != 0:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> child.proc, page_up(sizeof(process_t)))
    atomic_store32(&child.slot.state, 0)
    if again:
        result = -LINUX_ERESTARTNOINTR      # sys_vfork begins anew
    else:
        frame.arg[2] = 0
    if is_error(result):
        stats_expect(area.proc, -1)
    if frame.nr == FREEBSD_SYS_pdrfork:
        result = procdesc_spawn_end(frame, area, result)
    set_linux_mask(area)
    return result


cdef public long sys_exit(frame_t *frame, area_t *area) noexcept nogil:
    umtx_thread_exit(area)
    stats_leave(area)
    notes_exits(area.proc, <int> frame.arg[0])
    tracees_end(area.proc)
    debug_ends(area, (<int> frame.arg[0] & 0xff) << 8)
    if area.proc.own.events != NULL:
        event_exits(area.proc)
    pipes_leave(area.proc, True)
    linux_syscall1(LINUX_SYS_exit_group, frame.arg[0] & 0xff)
    return 0


cdef void after_fork(process_t *proc, area_t *area) noexcept nogil:
    """What each domain has to do in the child of a fork."""
    proc.own.umtx_shared_waiters = 0
    pollers_none(proc)
    inotify_after_fork(proc)
    event_after_fork(proc)
    backs_after_fork(proc)
    if not proc.own.files_shared:
        fd_marks_after_fork(proc)
    ktrace_after_fork(area)
    stats_after_fork(proc)
    aio_after_fork(proc)
    procdesc_after_fork(proc, area)
    proc.own.lock_ids.word = 0

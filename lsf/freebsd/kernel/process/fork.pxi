# fork, vfork, threads, exit: what makes and ends a process or a thread.
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


# What thread_create is asked for.
cdef struct new_thread_t:
    uint64_t start, argument, stack
    uint64_t tls
    bint has_tls                    # else the thread begins with its maker's FS base
    bint c_runtime                  # THR_C_RUNTIME
    uint64_t child_tid, parent_tid
    uint64_t context                # a resume_t in the shim's memory, instead of start, argument and stack; 0: none
    uint64_t context_size


cdef long thread_create(area_t *area, const new_thread_t *new_) noexcept nogil:
    """Start a thread: its number, or an error. The context is the thread's from then on."""
    cdef long result = thread_clone(area, new_)
    while is_no_owner(result):
        result = thread_clone(area, new_)
    return result


cdef long thread_clone(area_t *area, const new_thread_t *new_) noexcept nogil:
    """The same. A thread that cannot own mutexes ends at once, and its maker makes another (is_no_owner)."""
    cdef process_t *proc = area.proc
    cdef area_t *child
    cdef uint64_t *stack
    cdef uint64_t flags, parent_tid
    cdef long result
    block_all(NULL)
    if area.deferred:
        return -LINUX_ERESTARTNOINTR
    child = area_take(proc)
    if child == NULL:
        set_linux_mask(area)
        return guest_error(FREEBSD_EPROCLIM)
    atomic_add32(&proc.own.threads_made, 1)
    child.sigmask[0] = area.sigmask[0]
    child.sigmask[1] = area.sigmask[1]
    child.altstack_flags = FREEBSD_SS_DISABLE
    wake_inherit(child, area)
    lent_to_child(area, child)
    child.own.guest_gsbase = area.own.guest_gsbase
    if new_.c_runtime:
        tlsbase_set(child, new_.tls)
    child.own.thread_child_tid = new_.child_tid
    child.own.thread_context = new_.context
    child.scratch = new_.context
    child.scratch_size = new_.context_size
    stack = <uint64_t *> (<uint64_t> child.frame - 32)
    stack[0] = <uint64_t> child
    memset(child.frame, 0, sizeof(frame_t))
    # An address that the processor refuses, or that is the shim's: let the thread fault at an instruction of the guest's,
    # and on no stack.
    child.frame.ret = new_.start
    if new_.start >= 1UL << GUEST_ADDRESS_MAX_LOG or is_no_place_to_run(new_.start):
        child.frame.ret = <uint64_t> sigcode_end - 1
    child.frame.rsp = 0 if WINDOW_BASE <= new_.stack < SHIM_END else new_.stack
    child.frame.arg[0] = new_.argument
    flags = (LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND | LINUX_CLONE_THREAD
             | LINUX_CLONE_SYSVSEM | LINUX_CLONE_CHILD_SETTID
             | LINUX_CLONE_CHILD_CLEARTID)
    if new_.has_tls:
        flags |= LINUX_CLONE_SETTLS
    # Linux stores 32 bits before the child runs, so that the caller finds the number even when the child is gone
    # already; libthr gives one address as both.
    parent_tid = new_.parent_tid if new_.parent_tid != 0 else new_.child_tid
    if parent_tid != 0:
        if store_guest64(parent_tid, 0) < 0 or (new_.child_tid != 0 and store_guest64(new_.child_tid, 0) < 0):
            child.scratch = 0
            atomic_store32(&child.slot.state, 0)
            set_linux_mask(area)
            return -LINUX_EFAULT
        flags |= LINUX_CLONE_PARENT_SETTID
    debug_new_thread(area, child)
    result = clone_thread(flags, stack, parent_tid, &child.slot.state, new_.tls)
    if is_error(result):
        child.scratch = 0
        atomic_store32(&child.slot.state, 0)
        if result == -LINUX_EAGAIN:
            result = guest_error(FREEBSD_EPROCLIM)
    elif not is_no_owner(result):
        # thr_kill finds it from now on, even if it has not run yet.
        atomic_cas32(<uint32_t *> &child.tid, 0, <uint32_t> result)
    set_linux_mask(area)
    return result


cdef public long sys_thr_new(frame_t *frame, area_t *area) noexcept nogil:
    """Model: kern_thr.c (kern_thr_new, thread_create), cpu_set_upcall, cpu_set_user_tls."""
    cdef freebsd_thr_param param
    cdef freebsd_rtprio priority
    cdef new_thread_t new_
    cdef int size = <int> frame.arg[1]
    cdef long result
    if size < 0 or size > <int> sizeof(param):
        return -LINUX_EINVAL
    memset(&param, 0, sizeof(param))
    if copyin(frame.arg[0], &param, size) < 0:
        return -LINUX_EFAULT
    if area.proc.own.osreldate < FREEBSD_SINCE_TLSBASE:
        param.flags = 0                     # nobody looked at them
    if param.flags & ~<int32_t> (FREEBSD_THR_SUSPENDED | FREEBSD_THR_SYSTEM_SCOPE | FREEBSD_THR_C_RUNTIME):
        return -LINUX_EINVAL
    if param.rtp != 0:
        if copyin(param.rtp, &priority, sizeof(priority)) < 0:
            return -LINUX_EFAULT
        if priority.type == FREEBSD_RTP_PRIO_REALTIME or priority.type == FREEBSD_RTP_PRIO_FIFO:
            if linux_syscall0(LINUX_SYS_geteuid) != 0:
                return -LINUX_EPERM
            if priority.prio > FREEBSD_RTP_PRIO_MAX:
                return -LINUX_EINVAL
        elif priority.type == FREEBSD_RTP_PRIO_NORMAL:
            priority.prio = 0
        else:
            return -LINUX_EINVAL
    if param.tls_base >= 1UL << GUEST_ADDRESS_MAX_LOG:
        return -LINUX_EINVAL
    memset(&new_, 0, sizeof(new_))
    new_.start = param.start_func
    new_.argument = param.arg
    new_.stack = ((param.stack_base + param.stack_size) & ~15UL) - 8
    if store_guest64(new_.stack, 0) < 0:
        return -LINUX_EFAULT            # where cpu_set_upcall ends the stack
    new_.tls = param.tls_base
    new_.has_tls = True
    new_.c_runtime = param.flags & FREEBSD_THR_C_RUNTIME != 0
    new_.child_tid = param.child_tid
    new_.parent_tid = param.parent_tid
    result = thread_create(area, &new_)
    if is_error(result):
        return result
    if param.rtp != 0:
        rtprio_set(<int> result, &priority)
    return 0


cdef public long sys_thr_create(frame_t *frame, area_t *area) noexcept nogil:
    """A thread that goes on with a context of the guest's. It has its maker's signal mask, and where the context has no FS
    base, that too. Model: kern_thr.c (thr_create_initthr)."""
    cdef freebsd_ucontext context
    cdef new_thread_t new_
    cdef long result
    if copyin(frame.arg[0], &context, sizeof(context)) < 0:
        return -LINUX_EFAULT
    memset(&new_, 0, sizeof(new_))
    new_.child_tid = frame.arg[1]
    new_.context_size = page_up(sizeof(resume_t))
    new_.context = map_memory(new_.context_size)
    if new_.context == 0:
        return -LINUX_ENOMEM
    result = -LINUX_EINVAL
    if context_is_machine(&context.uc_mcontext):
        result = context_convert(area.proc, &context, <resume_t *> new_.context)
    if result == 0:
        if context.uc_mcontext.mc_flags & FREEBSD_MC_HASBASES:
            new_.tls = context.uc_mcontext.mc_fsbase
            new_.has_tls = True
        result = thread_create(area, &new_)
    if is_error(result):
        linux_syscall2(LINUX_SYS_munmap, new_.context, new_.context_size)
        return result
    return 0


cdef public void thread_start(area_t *area) noexcept nogil:
    """A new thread's first code, on its shim stack, all signals blocked."""
    if area.service != NULL:
        signal_stack(area)
        area.service(area)
    if is_no_owner(area.slot.state):
        area.scratch = 0                    # the next one's
        linux_syscall1(LINUX_SYS_exit, 0)
    area.tid = <int> area.slot.state
    lent_over(area)
    if area.own.thread_child_tid != 0:
        store_guest64(area.own.thread_child_tid, <uint32_t> area.tid)
    signal_stack(area)
    atomic_store32(&area.own.ready, 1)
    hooks_begin(area)
    debug_born(area)
    arm(area.proc)
    if area.own.thread_context != 0:
        context_go(area, <resume_t *> area.own.thread_context)
    set_linux_mask(area)


cdef public long sys_thr_self(frame_t *frame, area_t *area) noexcept nogil:
    if store_guest64(frame.arg[0], <uint64_t> area.tid) < 0:
        return -LINUX_EFAULT
    return 0


cdef public long sys_thr_exit(frame_t *frame, area_t *area) noexcept nogil:
    """End this thread; the kernel clears the area's state word when it is gone. The last thread of a process returns, as
    in kern_thr_exit: libthr's trampoline then ends the process."""
    cdef bint last
    block_all(NULL)
    umtx_thread_exit(area)
    if frame.arg[0] != 0:
        store_guest64(frame.arg[0], 1)
        umtx_wake_shared(frame.arg[0], INT_MAX)
    lock_acquire(&area.proc.own.lock_thread)
    last = thread_is_last(area)
    area.own.exiting = 1
    lock_release(&area.proc.own.lock_thread)
    if last:
        area.own.exiting = 0
        set_linux_mask(area)
        return 0
    kept_thread_ends(area)
    atomic_add32(&area.proc.own.messages[0], area.own.messages[0])
    atomic_add32(&area.proc.own.messages[1], area.own.messages[1])
    memset(area.own.messages, 0, sizeof(area.own.messages))
    watch_close(area)
    thread_leaves_signals(area)
    if area.scratch != 0:
        linux_syscall2(LINUX_SYS_munmap, area.scratch, area.scratch_size)
        area.scratch = 0
    linux_syscall1(LINUX_SYS_exit, 0)
    return 0


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

# fork, vfork, threads, exit: what makes and ends a process or a thread.
#
# Around clone every signal is blocked until the child has its own GS, signal stack and dispatch.

cdef enum:
    CLONE_VM = 0x100
    CLONE_FS = 0x200
    CLONE_FILES = 0x400
    CLONE_SIGHAND = 0x800
    CLONE_THREAD = 0x10000
    CLONE_SYSVSEM = 0x40000
    CLONE_SETTLS = 0x80000
    CLONE_PARENT_SETTID = 0x100000
    CLONE_CHILD_CLEARTID = 0x200000
    CLONE_CHILD_SETTID = 0x1000000
    LINUX_SIGCHLD_EXIT = 17
    FUTEX_WAKE = 1


cdef void locks_acquire(process_t *proc) noexcept nogil:
    """Every lock of the shim, in one order: a fork takes them so that none is held in the child."""
    lock_acquire(&proc.lock_thread)
    lock_acquire(&proc.lock_event)
    lock_acquire(&proc.lock_memory)
    lock_acquire(&proc.lock_signal)
    lock_acquire(&proc.lock_truss)
    lock_acquire(&PATCHES.lock)


cdef void locks_release(process_t *proc) noexcept nogil:
    lock_release(&PATCHES.lock)
    lock_release(&proc.lock_truss)
    lock_release(&proc.lock_signal)
    lock_release(&proc.lock_memory)
    lock_release(&proc.lock_event)
    lock_release(&proc.lock_thread)


cdef void free_other_areas(area_t *area) noexcept nogil:
    """In the child of a fork only the calling thread exists."""
    cdef int i
    for i in range(AREA_COUNT):
        if slot_at(i).state != 0 and i != <int> area.index:
            slot_at(i).state = 0
        elif i > 0 and slot_at(i).mapped == 0:
            return              # areas are mapped in order


cdef bint is_alone(area_t *area) noexcept nogil:
    """True where no other thread uses this memory, so that no lock of the shim can be held."""
    cdef int i
    for i in range(AREA_COUNT):
        if slot_at(i).state != 0 and i != <int> area.index:
            return False
        if i > 0 and slot_at(i).mapped == 0:
            return True
    return True


cdef long fork_with(frame_t *frame, area_t *area, uint64_t flags, int *pidfd) noexcept nogil:
    """clone without CLONE_VM: the parent gets the child's pid, the child 0 (and 1 in rdx). With CLONE_PIDFD the parent
    finds the descriptor in *pidfd."""
    cdef process_t *proc = area.proc
    cdef long result
    cdef bint alone
    image_open(proc)
    block_all(NULL)
    if area.deferred:
        return -ERESTARTNOINTR         # a signal came before the fork: it is delivered first
    alone = is_alone(area)
    if not alone:
        locks_acquire(proc)
    result = linux_syscall5(SYS_clone, flags | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, 0, <uint64_t> pidfd,
                            <uint64_t> &area.slot.state, 0)
    if not alone:
        locks_release(proc)
    if result == 0:
        proc.pid = <int> area.slot.state
        area.tid = proc.pid
        area.in_vfork = 0
        if not alone:
            free_other_areas(area)
        area.virtual_pending = 0
        kept_clear(proc)
        after_fork(proc)
        arm(proc)
        frame.arg[2] = 1
    elif not is_error(result):
        frame.arg[2] = 0
    set_linux_mask(area)
    return result


cdef public long sys_fork(frame_t *frame, area_t *area) noexcept nogil:
    return fork_with(frame, area, LINUX_SIGCHLD_EXIT, NULL)


cdef public long vfork_prepare(frame_t *frame, area_t *area) noexcept nogil:
    """Before a vfork: block signals and make the child's area, with a process state of its own."""
    cdef process_t *proc = area.proc
    cdef area_t *child
    cdef process_t *copy
    cdef uint64_t spare
    image_open(proc)
    block_all(NULL)
    if area.deferred:
        return -ERESTARTNOINTR
    child = area_take(proc)
    if child == NULL:
        set_linux_mask(area)
        return -EAGAIN
    spare = proc.vfork_spare
    if spare == 0 or atomic_cas64(&proc.vfork_spare, spare, 0) != spare:
        spare = map_memory(page_up(sizeof(process_t)))
    copy = <process_t *> spare
    if copy == NULL:
        atomic_store32(&child.slot.state, 0)
        set_linux_mask(area)
        return -ENOMEM
    lock_acquire(&proc.lock_signal)
    memcpy(copy, proc, PROCESS_COPIED)
    copy.vfork_spare = 0
    copy.lock_signal.word = 0
    kept_clear(copy)
    lock_release(&proc.lock_signal)
    copy.lock_memory.word = 0
    copy.lock_event.word = 0
    copy.lock_thread.word = 0
    copy.events = NULL              # the child has no kqueues, and what it closes is not closed here
    copy.lock_truss.word = 0
    child.proc = copy
    child.in_vfork = 1
    child.lanes = area.lanes
    child.hook = area.hook
    child.sigmask[0] = area.sigmask[0]
    child.sigmask[1] = area.sigmask[1]
    child.altstack_sp = area.altstack_sp
    child.altstack_size = area.altstack_size
    child.altstack_flags = area.altstack_flags
    return <long> child


cdef public void vfork_child(frame_t *parent_frame, area_t *area) noexcept nogil:
    """In the child of a vfork, on its own area: take over the frame, arm, unblock."""
    memcpy(area.frame, parent_frame, sizeof(frame_t))
    area.frame.arg[2] = 1
    area.guest_rsp = parent_frame.rsp
    area.ret = parent_frame.ret
    area.proc.pid = <int> area.slot.state
    area.tid = area.proc.pid
    if area.proc.truss_fd >= 0:
        truss_new_process(area.proc)
    # The Linux signal stack stays the parent's, which waits and has nothing on it.
    arm(area.proc)
    set_linux_mask(area)


cdef public long vfork_parent(frame_t *frame, area_t *area, area_t *child, long result) noexcept nogil:
    """In the parent, when the child has executed a program or is gone: free its area, unblock."""
    if child.scratch != 0:
        linux_syscall2(SYS_munmap, child.scratch, child.scratch_size)
        child.scratch = 0
    if atomic_cas64(&area.proc.vfork_spare, 0, <uint64_t> child.proc) != 0:
        linux_syscall2(SYS_munmap, <uint64_t> child.proc, page_up(sizeof(process_t)))
    atomic_store32(&child.slot.state, 0)
    frame.arg[2] = 0
    set_linux_mask(area)
    return result


cdef public long sys_thr_new(frame_t *frame, area_t *area) noexcept nogil:
    """Start a thread on an area of its own. Model: kern_thr.c (thr_new_initthr), cpu_set_upcall."""
    cdef process_t *proc = area.proc
    cdef freebsd_thr_param param
    cdef area_t *child
    cdef uint64_t *stack
    cdef uint64_t flags, parent_tid
    cdef int size = <int> frame.arg[1]
    cdef long result
    if size < 0 or size > <int> sizeof(param):
        return -EINVAL
    memset(&param, 0, sizeof(param))
    if copyin(frame.arg[0], &param, size) < 0:
        return -EFAULT
    # FreeBSD lets a thread with such a start die at once; ours would do it inside the window.
    if param.tls_base >= 1UL << GUEST_ADDRESS_MAX_LOG or param.start_func >= 1UL << GUEST_ADDRESS_MAX_LOG:
        return -EINVAL
    block_all(NULL)
    if area.deferred:
        return -ERESTARTNOINTR
    child = area_take(proc)
    if child == NULL:
        set_linux_mask(area)
        return -EAGAIN
    child.sigmask[0] = area.sigmask[0]
    child.sigmask[1] = area.sigmask[1]
    child.altstack_flags = FREEBSD_SS_DISABLE
    child.lanes = area.lanes
    child.hook = area.hook
    child.thread_child_tid = param.child_tid
    stack = <uint64_t *> (<uint64_t> child.frame - 32)
    stack[0] = <uint64_t> child
    stack[1] = param.start_func
    stack[2] = ((param.stack_base + param.stack_size) & ~15UL) - 8
    stack[3] = param.arg
    flags = (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS
             | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)
    # Linux stores 32 bits before the child runs, so that the caller finds the number even when the child is gone
    # already; libthr gives one address as both.
    parent_tid = param.parent_tid if param.parent_tid != 0 else param.child_tid
    if parent_tid != 0:
        if store_guest64(parent_tid, 0) < 0 or (param.child_tid != 0 and store_guest64(param.child_tid, 0) < 0):
            atomic_store32(&child.slot.state, 0)
            set_linux_mask(area)
            return -EFAULT
        flags |= CLONE_PARENT_SETTID
    result = clone_thread(flags, stack, parent_tid, &child.slot.state, param.tls_base)
    if is_error(result):
        atomic_store32(&child.slot.state, 0)
    else:
        # thr_kill finds it from now on, even if it has not run yet.
        atomic_cas32(<uint32_t *> &child.tid, 0, <uint32_t> result)
    set_linux_mask(area)
    return result if is_error(result) else 0


cdef public void thread_start(area_t *area) noexcept nogil:
    """A new thread's first code, on its shim stack, all signals blocked."""
    area.tid = <int> area.slot.state
    if area.thread_child_tid != 0:
        store_guest64(area.thread_child_tid, <uint32_t> area.tid)
    signal_stack(area)
    arm(area.proc)
    set_linux_mask(area)


cdef public long sys_thr_self(frame_t *frame, area_t *area) noexcept nogil:
    if store_guest64(frame.arg[0], <uint64_t> area.tid) < 0:
        return -EFAULT
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
    lock_acquire(&area.proc.lock_thread)
    last = thread_is_last(area)
    area.exiting = 1
    lock_release(&area.proc.lock_thread)
    if last:
        area.exiting = 0
        set_linux_mask(area)
        return 0
    kept_thread_ends(area)
    if area.deferred and (<linux_siginfo *> area.info).si_code != LINUX_SI_TKILL \
            and not (area.deferred == LINUX_CARRIER and (<linux_siginfo *> area.info).si_errno & CARRIER_THREAD):
        # It was sent to the process, and came to this thread by chance: another one shall have it.
        linux_syscall3(SYS_rt_sigqueueinfo, area.proc.pid, area.deferred, <uint64_t> area.info)
    if area.scratch != 0:
        linux_syscall2(SYS_munmap, area.scratch, area.scratch_size)
        area.scratch = 0
    linux_syscall1(SYS_exit, 0)
    return 0


cdef public long sys_exit(frame_t *frame, area_t *area) noexcept nogil:
    umtx_thread_exit(area)
    linux_syscall1(SYS_exit_group, frame.arg[0] & 0xff)
    return 0


cdef public long sys_sysarch(frame_t *frame, area_t *area) noexcept nogil:
    """The FS base; the GS base is remembered for the guest but not loaded: GS is the shim's."""
    cdef uint64_t base = 0
    cdef int op = <int> frame.arg[0]
    if op == 128:               # AMD64_GET_FSBASE
        return store_guest64(frame.arg[1], read_fsbase())
    if op == 129:               # AMD64_SET_FSBASE
        if fetch_guest64(frame.arg[1], &base) < 0:
            return -EFAULT
        if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
            return -EINVAL
        write_fsbase(base)
        return 0
    if op == 130:               # AMD64_GET_GSBASE
        return store_guest64(frame.arg[1], area.guest_gsbase)
    if op == 131:               # AMD64_SET_GSBASE
        if fetch_guest64(frame.arg[1], &base) < 0:
            return -EFAULT
        if base >= 1UL << GUEST_ADDRESS_MAX_LOG:
            return -EINVAL
        area.guest_gsbase = base
        return 0
    return -EINVAL

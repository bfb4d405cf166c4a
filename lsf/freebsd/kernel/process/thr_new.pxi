# Threads: how they begin and end.
# Model: FreeBSD sys/kern/kern_thr.c (thread_create, kern_thr_exit).

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

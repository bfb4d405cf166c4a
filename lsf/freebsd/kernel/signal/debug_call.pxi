# ptrace(2): where a traced process stops. Model: FreeBSD sys/kern/kern_sig.c (sigprocess), subr_syscall.c (syscallenter, syscallret),
# kern_fork.c (fork_return), kern_exec.c.
#
# Every call of a traced process goes through the hook debug_call, and its end comes by deliver_at_exit (EXIT_TOLD), where the whole
# state is at hand.

cdef extern from "decode.h" nogil:
    ctypedef struct debug_decode_t "struct lsf_decode":
        uint8_t narg

    const debug_decode_t debug_decode "lsf_decode"[1]

cdef enum:
    DEBUG_SENT = 0x4c534404             # si_errno of a signal that the tracer has sent
    NO_PATCH_TRACED = 2                 # process_t.no_patch: while another guest traces this one



cdef void debug_dispositions(process_t *proc) noexcept nogil:
    """Let Linux's dispositions follow: a traced process gets every signal that it does not ignore."""
    cdef int signo
    lock_acquire(&proc.own.lock_signal)
    for signo in range(1, SIGNAL_MAX + 1):
        if lsf_signal_to_linux[signo] and signo != FREEBSD_SIGKILL and signo != FREEBSD_SIGSTOP:
            know_handler(proc, signo)
            apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)


cdef void debug_take(area_t *area, uint64_t at, int tracer) noexcept nogil:
    """From here on this process is traced by that page. Its text is its own again, and stays so: breakpoints go where the tracer sees
    code."""
    cdef process_t *proc = area.proc
    lock_acquire(&PATCHES.lock)
    proc.no_patch |= NO_PATCH_TRACED
    unpatch_range(0, 1UL << GUEST_ADDRESS_MAX_LOG)
    lock_release(&PATCHES.lock)
    proc.own.debug_map = at
    proc.own.debugger = tracer
    proc.own.debugged = at
    linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_PTRACER, <uint64_t> tracer, 0, 0, 0)
    hook_add_everywhere(area, HOOK_DEBUG, debug_call, lsf_lane_none)
    debug_dispositions(proc)


cdef void debug_forget(area_t *area) noexcept nogil:
    """Nobody traces this process any more. The page stays mapped: another thread may be looking at it."""
    cdef process_t *proc = area.proc
    cdef int i
    proc.own.debugged = 0
    proc.own.debugger = 0
    proc.own.debug_sent[0] = 0
    proc.own.debug_sent[1] = 0
    proc.no_patch &= ~<uint32_t> NO_PATCH_TRACED
    for i in range(AREA_COUNT):
        if slot_at(i).mapped == 0 and i > 0:
            break
        if slot_at(i).state != 0 and area_at(i).proc == proc and area_at(i).hooks & 1UL << HOOK_DEBUG:
            atomic_and64(&area_at(i).hooks, ~(1UL << HOOK_DEBUG))
            hooks_apply(area_at(i))
    debug_dispositions(proc)


cdef void debug_over(area_t *area) noexcept nogil:
    """The tracer has let go (PT_DETACH)."""
    cdef uint64_t at = area.proc.own.debugged
    if at != 0 and atomic_cas64(&area.proc.own.debugged, at, 0) == at:
        debug_forget(area)


cdef void debug_init(debug_page_t *page, int pid, int tracer, int parent, uint32_t slots) noexcept nogil:
    page.pid = pid
    page.tracer = tracer
    page.real_parent = parent
    page.events = FREEBSD_PTRACE_EXEC   # PTRACE_DEFAULT
    page.slots = slots
    page.magic = DEBUG_MAGIC


cdef long debug_start(area_t *area, int tracer, uint32_t events) noexcept nogil:
    """This process is to be traced: PT_TRACE_ME, and the child of a fork that is followed. 0 or a negative errno."""
    cdef process_t *proc = area.proc
    cdef uint32_t slots = DEBUG_GROWS
    cdef uint64_t at
    cdef long fd
    while slots < DEBUG_THREADS and (slots <= area.index or slot_at(<int> slots - 1).mapped):
        slots += DEBUG_GROWS
    fd = debug_make(tracer, proc.pid, slots)
    if is_error(fd):
        return fd
    at = debug_map_file(fd, proc.own.debug_map)
    linux_syscall1(LINUX_SYS_close, fd)
    if at == 0:
        debug_unlink(tracer, proc.pid)
        return -LINUX_ENOMEM
    debug_init(<debug_page_t *> at, proc.pid, tracer, <int> linux_syscall0(LINUX_SYS_getppid), slots)
    (<debug_page_t *> at).events |= events
    debug_take(area, at, tracer)
    return 0


cdef bint debug_join(area_t *area, int tracer) noexcept nogil:
    """Take up a page that another process has made: PT_ATTACH, and after exec. False where there is none."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page
    cdef uint64_t at
    cdef long fd = debug_open(tracer, proc.pid, 0)
    if is_error(fd):
        return False
    at = debug_map_file(fd, proc.own.debug_map)
    linux_syscall1(LINUX_SYS_close, fd)
    if at == 0:
        return False
    page = <debug_page_t *> at
    proc.own.debug_map = at
    if page.magic != DEBUG_MAGIC or page.pid != proc.pid or page.tracer != tracer:
        return False
    debug_take(area, at, tracer)
    while page.slots < DEBUG_THREADS and slot_at(<int> page.slots).mapped:
        debug_grow(proc, page.slots)
        if slot_at(<int> page.slots - 1).mapped == 0:
            break
    return True


# ------------------------------------------------------------------ signals

cdef void debug_send(area_t *area, int sig, bint again) noexcept nogil:
    """A signal that the tracer sends: it is delivered, and does not stop the process again, but where one that is blocked has taken
    another's place."""
    cdef process_t *proc = area.proc
    cdef linux_siginfo info
    cdef int linux
    if sig <= 0 or sig > SIGNAL_MAX or sig == FREEBSD_SIGSTOP:
        return
    if is_carried(sig):
        carrier_info(area, &info, sig, FREEBSD_SI_USER, 0)
        linux = LINUX_CARRIER
        if not again:
            atomic_or64(&proc.own.debug_sent[(sig - 1) >> 6], signal_bit(sig))
    else:
        linux = queued_self(area, sig)
        memset(&info, 0, 128)
        info.si_signo = linux
        info.si_errno = 0 if again else DEBUG_SENT
        info.si_code = -1               # SI_QUEUE
        info.fields.kill.pid = proc.pid
    event_sends(proc)
    if linux_syscall3(LINUX_SYS_rt_sigqueueinfo, proc.pid, linux, <uint64_t> &info) != 0 and linux != LINUX_CARRIER:
        atomic_or64(&proc.own.debug_sent[(sig - 1) >> 6], signal_bit(sig))     # Linux's queue is full: one of each goes without
        linux_syscall2(LINUX_SYS_kill, proc.pid, lsf_signal_to_linux[sig])
    event_sent(proc, sig, True)


cdef bint debug_was_sent(process_t *proc, int sig, linux_siginfo *info) noexcept nogil:
    """True, once, for a signal that the tracer has sent."""
    cdef uint64_t *word = &proc.own.debug_sent[(sig - 1) >> 6]
    cdef uint64_t bit = 1UL << ((sig - 1) & 63)
    if info.si_code == -1 and info.si_errno == DEBUG_SENT:
        memset(&info.si_errno, 0, 124)  # nothing is known of it
        info.si_code = LINUX_SI_KERNEL
        return True
    if not atomic_or64(word, 0) & bit:
        return False
    atomic_and64(word, ~bit)
    return True


cdef void debug_replace(area_t *area, int sig) noexcept nogil:
    """The tracer wants another signal in the place of the one that stopped the process. Where it is blocked FreeBSD has it twice, as
    what the tracer sent and as what was there, which stops again (sigprocess)."""
    cdef int i
    cdef bint elsewhere = False
    for i in range(AREA_COUNT):
        if slot_at(i).mapped == 0 and i > 0:
            break
        if slot_at(i).state != 0 and area_at(i).proc == area.proc and not is_blocked(area_at(i), sig):
            elsewhere = True            # sigtd: another thread takes it
    if not elsewhere:
        debug_send(area, sig, True)
    debug_send(area, sig, False)


cdef void debug_stop_really(area_t *area) noexcept nogil:
    """The tracer let go with SIGSTOP."""
    linux_syscall2(LINUX_SYS_kill, area.proc.pid, LINUX_SIGSTOP)


cdef bint debug_by_sigstop(area_t *area, linux_ucontext *uc, bint attached) noexcept nogil:
    """Stop by a SIGSTOP: the tracer's own, for PT_ATTACH, or one that was sent. True where it has set a register."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    cdef bint changed
    cdef int answer
    if lwp == NULL:
        return False
    debug_save(area, lwp, uc)
    memset(&lwp.info, 0, sizeof(lwp.info))
    lwp.info.si_signo = FREEBSD_SIGSTOP
    if attached:
        lwp.info.si_code = FREEBSD_SI_KERNEL
    else:
        lwp.info.si_code = FREEBSD_SI_LWP
        lwp.info.si_pid = area.proc.pid
        lwp.info.si_uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    lwp.flags = FREEBSD_PL_FLAG_SI
    answer = debug_stop(area, page, lwp, FREEBSD_SIGSTOP)
    changed = debug_load(area, lwp, uc)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    if area.proc.own.debugged == 0 and answer == FREEBSD_SIGSTOP:
        debug_stop_really(area)
    elif answer and answer != FREEBSD_SIGSTOP:
        debug_replace(area, answer)
    return changed


cdef bint debug_by_sigkill(area_t *area, linux_ucontext *uc) noexcept nogil:
    """SIGKILL was sent while the process was stopped: the tracer gets it too, and may drop it."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    if lwp == NULL:
        return False
    debug_save(area, lwp, uc)
    memset(&lwp.info, 0, sizeof(lwp.info))
    lwp.info.si_signo = FREEBSD_SIGKILL
    lwp.info.si_code = FREEBSD_SI_USER
    lwp.flags = FREEBSD_PL_FLAG_SI
    if debug_stop(area, page, lwp, FREEBSD_SIGKILL) == FREEBSD_SIGKILL:
        linux_syscall2(LINUX_SYS_kill, area.proc.pid, LINUX_SIGKILL)
    return debug_load(area, lwp, uc)


cdef int debug_by_signal(area_t *area, linux_ucontext *uc, int signo, int linux, linux_siginfo *info, int code,
                         bint *changed) noexcept nogil:
    """A signal is about to be delivered to a traced process, which stops: the signal that the tracer wants it to be, 0 for none.
    changed: it has set a register."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index) if page != NULL else NULL
    cdef int answer
    if lwp == NULL or area.proc.own.debug_quiet or page.state == DEBUG_LEFT:
        return signo
    if info.si_code <= 0 or not is_fault_signal(linux):
        if debug_was_sent(area.proc, signo, info):
            return signo
    elif signo == FREEBSD_SIGTRAP and area.own.debug_step and uc.uc_mcontext.eflags & EFLAGS_TF:
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF
        area.own.debug_step = 0
    fill_siginfo(&lwp.info, info, linux, signo, code, uc)
    debug_save(area, lwp, uc)
    lwp.flags = FREEBSD_PL_FLAG_SI
    answer = debug_stop(area, page, lwp, signo)
    changed[0] = debug_load(area, lwp, uc)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    return answer


# ------------------------------------------------------------------ calls

cdef void debug_know_call(debug_lwp_t *lwp, frame_t *frame) noexcept nogil:
    """The call that is made, the one within for syscall(2) and __syscall(2): cpu_fetch_syscall_args."""
    cdef uint64_t shift = 0
    cdef uint32_t code = <uint32_t> frame.nr, i
    if frame.nr == FREEBSD_SYS_syscall or frame.nr == FREEBSD_SYS___syscall:
        code = <uint32_t> frame.arg[0]
        shift = 1
    lwp.code = code
    lwp.narg = debug_decode[code].narg if code < GUEST_NSYSCALLS else 0
    memset(lwp.args, 0, sizeof(lwp.args))
    for i in range(lwp.narg if lwp.narg < 8 else 8):
        if i + shift < 6:
            lwp.args[i] = frame.arg[i + shift]
        else:
            fetch_guest64(frame.rsp + 8 * (i + shift - 5), &lwp.args[i])


cdef void debug_at_call(area_t *area, frame_t *frame, debug_page_t *page, debug_lwp_t *lwp, uint32_t flags) noexcept nogil:
    """Stop at the beginning of a call; the tracer may make another one of it. What it does to registers that the call does not
    take is done now, too, but for those that the exit finds in place: they wait for debug_call_over."""
    cdef linux_ucontext uc
    cdef unsigned char fpstate[XSTATE_MAX + 64]
    cdef linux_sigcontext *regs = &uc.uc_mcontext
    cdef int answer
    state_at_exit(frame, area, &uc, fpstate)
    regs.rax = frame.nr
    regs.rdi = frame.arg[0]
    regs.rsi = frame.arg[1]
    regs.rdx = frame.arg[2]
    regs.r10 = frame.arg[3]
    regs.rcx = frame.arg[3]             # FreeBSD keeps the fourth argument there
    regs.r8 = frame.arg[4]
    regs.r9 = frame.arg[5]
    regs.rip = frame.ret
    regs.rsp = frame.rsp
    debug_save(area, lwp, &uc)
    lwp.flags = flags
    lwp.boundary = 1
    answer = debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
    if debug_load(area, lwp, &uc):
        frame.nr = <uint32_t> regs.rax
        frame.arg[0] = regs.rdi
        frame.arg[1] = regs.rsi
        frame.arg[2] = regs.rdx
        frame.arg[3] = regs.rcx if regs.rcx != frame.arg[3] else regs.r10
        frame.arg[4] = regs.r8
        frame.arg[5] = regs.r9
        frame.ret = regs.rip
        frame.rsp = regs.rsp
        lwp.kept[0] = regs.rbx
        lwp.kept[1] = regs.rbp
        lwp.kept[2] = regs.r12
        lwp.kept[3] = regs.r13
        lwp.kept[4] = regs.r14
        lwp.kept[5] = regs.r15
        lwp.kept_set = 1
        debug_know_call(lwp, frame)
    if lwp.vector_set:
        xrstor(<void *> regs.fpstate, area.proc.xstate_features)
    if atomic_load32(&page.state) == DEBUG_LEFT:
        debug_over(area)
    if answer > 0 and answer != FREEBSD_SIGSTOP:
        area.own.debug_later = answer   # a call that does not sleep is made; a sleep ends


cdef long debug_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """The hook of a traced process: tell of the beginning of a call, and see to it that its end is told of."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp
    cdef int pid = area.proc.pid
    cdef bint woken = False
    cdef long result
    if page == NULL or page.state == DEBUG_LEFT:
        area.alignment |= EXIT_TOLD
        return run_hooks(frame, area, rest)
    debug_grow(area.proc, area.index)
    lwp = debug_slot(page, area.index)
    if lwp == NULL:
        return run_hooks(frame, area, rest)
    lwp.tid = area.tid
    area.alignment |= EXIT_TOLD
    debug_know_call(lwp, frame)
    if page.events & FREEBSD_PTRACE_SCE and not area.proc.own.debug_quiet:
        debug_at_call(area, frame, page, lwp, FREEBSD_PL_FLAG_SCE)
    if frame.nr == FREEBSD_SYS_thr_exit and page.events & FREEBSD_PTRACE_LWP and not debug_is_last(area):
        debug_at_call(area, frame, page, lwp, FREEBSD_PL_FLAG_EXITED | FREEBSD_PL_FLAG_SCE)
    if area.own.debug_later and area.woken == 0:
        wake_set(area)
        woken = True
    result = run_hooks(frame, area, rest)
    if area.proc.pid != pid or current_area() != area:
        return result
    if woken and area.woken == WOKEN_PENDING:
        wake_over(area, 0)
    page.maps += 1
    lwp.error = call_error(area, result)
    lwp.retval[0] = area.retval if result == -RETURN_IN_AREA else <uint64_t> result
    lwp.retval[1] = frame.arg[2]
    return result


cdef bint debug_is_last(area_t *self) noexcept nogil:
    """The process has no other thread: thr_exit does not end this one."""
    cdef int i
    for i in range(AREA_COUNT):
        if slot_at(i).mapped == 0 and i > 0:
            return True
        if slot_at(i).state != 0 and i != <int> self.index and area_at(i).proc == self.proc and not area_at(i).own.exiting \
                and area_at(i).service == NULL:
            return False
    return True


cdef bint debug_call_over(area_t *area, linux_ucontext *uc) noexcept nogil:
    """A call is over, and the registers are as the guest will find them. True where the tracer has set one."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    cdef uint32_t flags = area.own.debug_flags
    cdef bint changed = False
    cdef int sig = FREEBSD_SIGSTOP if flags & FREEBSD_PL_FLAG_CHILD else FREEBSD_SIGTRAP, answer
    area.own.debug_flags = 0
    debug_send(area, area.own.debug_later, False)
    area.own.debug_later = 0
    if lwp == NULL:
        return False
    if lwp.kept_set:
        lwp.kept_set = 0
        uc.uc_mcontext.rbx = lwp.kept[0]
        uc.uc_mcontext.rbp = lwp.kept[1]
        uc.uc_mcontext.r12 = lwp.kept[2]
        uc.uc_mcontext.r13 = lwp.kept[3]
        uc.uc_mcontext.r14 = lwp.kept[4]
        uc.uc_mcontext.r15 = lwp.kept[5]
    if (flags or page.events & FREEBSD_PTRACE_SCX) and not area.proc.own.debug_quiet:
        debug_save(area, lwp, uc)
        lwp.flags = flags if flags & FREEBSD_PL_FLAG_VFORK_DONE else flags | FREEBSD_PL_FLAG_SCX
        lwp.child = area.own.debug_child
        lwp.boundary = 1
        answer = debug_stop(area, page, lwp, sig)
        changed = debug_load(area, lwp, uc)
        if answer != sig or sig != FREEBSD_SIGSTOP:
            debug_send(area, answer, False)
    if area.own.debug_step == STEP_NOW and page.state != DEBUG_LEFT:
        # The step was the call, which has cleared the flag.
        area.own.debug_step = 0
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF
        debug_save(area, lwp, uc)
        memset(&lwp.info, 0, sizeof(lwp.info))
        lwp.info.si_signo = FREEBSD_SIGTRAP
        lwp.info.si_code = FREEBSD_TRAP_TRACE
        lwp.info.si_addr = uc.uc_mcontext.rip
        lwp.flags = FREEBSD_PL_FLAG_SI
        answer = debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
        changed = debug_load(area, lwp, uc) or changed
        debug_send(area, answer, False)
    return changed


cdef void debug_dying(area_t *area, linux_ucontext *uc) noexcept nogil:
    """This thread ends because another one executes a program; if that fails it goes on."""
    cdef debug_page_t *page = debug_page(area.proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    if area.own.debug_dies == DIES_ASKED and lwp != NULL:
        debug_save(area, lwp, uc)
        lwp.flags = FREEBSD_PL_FLAG_EXITED
        debug_stop(area, page, lwp, FREEBSD_SIGTRAP)
        debug_load(area, lwp, uc)
        atomic_cas32(&area.own.debug_dies, DIES_ASKED, DIES_TOLD)
    while atomic_load32(&area.own.debug_dies) == DIES_TOLD:
        debug_sleep(&area.own.debug_dies, DIES_TOLD, DEBUG_LOOK)


cdef bint debug_look(area_t *area, linux_ucontext *uc) noexcept nogil:
    """This thread is about to go on in the guest, with these registers: do what a tracer is waiting for. True where it has set a
    register."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page
    cdef debug_lwp_t *lwp
    cdef bint changed = False
    cdef int tracer = proc.own.debug_join
    if tracer:
        proc.own.debug_join = 0
        if proc.own.debugged == 0:
            debug_join(area, tracer)
    while True:
        page = debug_page(proc)
        if page == NULL:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            area.own.debug_flags = 0
            if area.own.debug_step:
                area.own.debug_step = 0
                uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_TF
            return changed
        if atomic_load32(&page.state) == DEBUG_LEFT:
            debug_over(area)
            continue
        lwp = debug_slot(page, area.index)
        if lwp == NULL or area.proc.own.debug_quiet:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            return changed
        if area.alignment & EXIT_TOLD:
            area.alignment &= ~<uint16_t> EXIT_TOLD
            changed = debug_call_over(area, uc) or changed
        elif page.attaching and atomic_cas32(&page.attaching, 1, 0) == 1:
            changed = debug_by_sigstop(area, uc, True) or changed
        elif area.own.debug_dies:
            debug_dying(area, uc)
        elif page.kills and atomic_cas32(&page.kills, 1, 0) == 1:
            changed = debug_by_sigkill(area, uc) or changed
        elif area.own.debug_stop or (page.stops and atomic_cas32(&page.stops, 1, 0) == 1):
            area.own.debug_stop = 0
            changed = debug_by_sigstop(area, uc, False) or changed
        elif atomic_load32(&page.state) != DEBUG_RUNS or atomic_load32(&lwp.suspended):
            debug_save(area, lwp, uc)
            debug_wait(area, page, lwp)
            changed = debug_load(area, lwp, uc) or changed
        else:
            return changed


cdef bint debug_arrived(area_t *area, linux_siginfo *info) noexcept nogil:
    """In the handler, a SIGBUS of another guest's (is_debug_signal): False where the thread is stopped already. Else it comes out of
    what it is in, which Linux has ended, to begin it anew."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page = debug_page(proc)
    cdef debug_lwp_t *lwp = debug_slot(page, area.index) if page != NULL else NULL
    cdef area_t *other
    cdef int i
    if lwp != NULL and atomic_load32(&lwp.parked):
        return False
    if info.si_errno == DEBUG_NEWS:
        proc.own.tracing = 1
        for i in range(AREA_COUNT if info.fields.kill.value == 0 else 0):
            if slot_at(i).mapped == 0 and i > 0:
                break
            other = area_at(i)
            if slot_at(i).state != 0 and other != area and other.proc == proc and atomic_load32(&other.own.waits):
                debug_signal(proc.pid, other.tid, DEBUG_NEWS, 1)
    elif info.si_errno == DEBUG_ATTACH and page == NULL:
        proc.own.debug_join = <int> info.fields.kill.value
    return True

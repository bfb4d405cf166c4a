# Core files: who may leave one, how all threads come to stand still for it, and how a parent learns of it. What is written, and where:
# process/core_*.pxi. Model: FreeBSD sys/kern/kern_sig.c (sigexit), kern_ucoredump.c.
#
# Where RLIMIT_CORE allows a core file the shim takes the signals whose default is one, as it takes those of a traced process
# (is_watched); else Linux does what the default is, and nobody pays. Linux's own core never stands beside it.

cdef enum:
    CORE_ROUNDS = 250                   # looks (DEBUG_ASK each) until a thread that does not come is told of by its call alone
    # What a process that has left a core file sets the maximum of RLIMIT_CORE to, and with a limit of 1 Linux leaves none. Linux has no
    # core of it to tell of in its status, but a zombie has its limits still. It is too small for any core file.
    CORE_LEFT = 0x4c5


cdef inline bint is_core_signal(int signo) noexcept nogil:
    return lsf_signal_default[signo] == LSF_SIGNAL_CORE


cdef inline bint is_core_of_linux(int signo) noexcept nogil:
    """True for a signal of which Linux would leave a core, FreeBSD perhaps not."""
    return is_core_signal(signo) or signo == FREEBSD_SIGXCPU or signo == FREEBSD_SIGXFSZ


cdef void cores_allowed(process_t *proc, bint allowed) noexcept nogil:
    """RLIMIT_CORE is 0, or not: let Linux's dispositions follow."""
    cdef int signo
    if proc.own.cores == allowed:
        return
    proc.own.cores = allowed
    lock_acquire(&proc.own.lock_signal)
    for signo in range(1, 32):
        if is_core_of_linux(signo) and lsf_signal_to_linux[signo]:
            know_handler(proc, signo)
            apply_disposition(proc, signo)
    lock_release(&proc.own.lock_signal)


cdef void cores_start(process_t *proc) noexcept nogil:
    """At a start."""
    cdef linux_rlimit limit
    if linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_CORE, 0, <uint64_t> &limit) == 0 and limit.rlim_cur != 0:
        cores_allowed(proc, True)


cdef void core_mark(area_t *area, bint left) noexcept nogil:
    """The process ends, and has left a core file or not: say so to who waits, and let Linux leave none."""
    cdef linux_rlimit limit
    limit.rlim_cur = 1
    limit.rlim_max = CORE_LEFT if left else 1
    if not area.in_vfork:               # whose memory is its parent's
        linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_DUMPABLE, 0, 0, 0, 0)
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_CORE, <uint64_t> &limit, 0)


cdef bint core_was_left(int pid, int signo) noexcept nogil:
    """True for a zombie that a signal has ended, and that has left a core file."""
    cdef linux_rlimit limit
    return signo > 0 and is_core_signal(signo) \
        and linux_syscall4(LINUX_SYS_prlimit64, <uint64_t> pid, LINUX_RLIMIT_CORE, 0, <uint64_t> &limit) == 0 \
        and limit.rlim_cur == 1 and limit.rlim_max == CORE_LEFT


cdef void core_told(linux_siginfo *info) noexcept nogil:
    """What Linux tells of a child that ended: CLD_DUMPED where it has left a core file."""
    if info.si_code == LINUX_CLD_KILLED and core_was_left(info.fields.child.pid, lsf_signal_from_linux[info.fields.child.status & 63]):
        info.si_code = LINUX_CLD_DUMPED


# ------------------------------------------------------------------ threads

cdef debug_page_t *core_page(process_t *proc) noexcept nogil:
    """Memory for the states of all threads, as a tracer's page has them; NULL for none."""
    cdef uint32_t slots = 1
    cdef debug_page_t *page
    while slots < DEBUG_THREADS and slot_at(<int> slots).mapped:
        slots += 1
    page = <debug_page_t *> map_memory(debug_size(slots))
    if page != NULL:
        page.pid = proc.pid
        page.first = proc.pid           # a thread's number is what the program knows
        page.slots = slots
    return page


cdef void core_save(area_t *area, debug_page_t *page, linux_ucontext *uc, bint restart, uint64_t ret) noexcept nogil:
    """Put down how this thread stands. restart: in a call, which the signal has ended, and which would be made again."""
    cdef debug_lwp_t *lwp = debug_slot(page, area.index)
    if lwp == NULL:
        return
    debug_save(area, lwp, uc)
    if restart:
        lwp.regs.r_rip = ret
    atomic_store32(&lwp.parked, 1)


cdef void core_park(area_t *area, linux_ucontext *uc, bint restart, uint64_t ret) noexcept nogil:
    """Another thread writes the core file: put down how this one stands, and wait for the end. Does not return."""
    cdef debug_page_t *page = <debug_page_t *> area.proc.own.core_page
    core_save(area, page, uc, restart, ret)
    debug_wake(&page.parked)
    while True:
        debug_sleep(&page.resumed, 0, DEBUG_LOOK)


cdef void core_of_call(area_t *area, debug_lwp_t *lwp) noexcept nogil:
    """A thread that does not come out of a call of Linux's: its frame has most of what there is to tell."""
    cdef frame_t *frame = area.frame
    lwp.tid = area.tid
    lwp.regs.r_rip = frame.ret
    lwp.regs.r_rsp = frame.rsp
    lwp.regs.r_rax = frame.nr
    lwp.regs.r_rdi = frame.arg[0]
    lwp.regs.r_rsi = frame.arg[1]
    lwp.regs.r_rdx = frame.arg[2]
    lwp.regs.r_rcx = frame.arg[3]
    lwp.regs.r_r8 = frame.arg[4]
    lwp.regs.r_r9 = frame.arg[5]
    lwp.regs.r_rflags = 0x202
    lwp.regs.r_cs = 0x43                # as freebsd_reg_from_linux
    lwp.regs.r_ss = 0x3b
    lwp.gsbase = area.own.guest_gsbase
    memcpy(lwp.sigmask, area.sigmask, 16)
    debug_name(area, lwp)
    lwp.parked = 1


cdef bint core_missing(area_t *self, debug_page_t *page, bint ask, bint last) noexcept nogil:
    """True where another thread has not put down its state. ask: tell it to; last: do it in its place."""
    cdef debug_page_t *traced = debug_page(self.proc)
    cdef debug_lwp_t *lwp
    cdef debug_lwp_t *other
    cdef area_t *area = NULL
    cdef bint missing = False
    while (area := area_next(self.proc, area)) != NULL:
        if area == self or area.service != NULL or area.own.exiting:
            continue
        if is_being_made(area):
            missing = missing or not last
            continue
        lwp = debug_slot(page, area.index)
        if lwp == NULL or atomic_load32(&lwp.parked):
            continue
        other = debug_slot(traced, area.index) if traced != NULL else NULL
        if other != NULL and atomic_load32(&other.parked):
            memcpy(lwp, other, sizeof(debug_lwp_t))         # it stands still for a tracer (PT_SUSPEND)
        elif last or atomic_load32(&area.own.debug_vfork):
            core_of_call(area, lwp)
        else:
            missing = True
            if ask:
                debug_signal(self.proc.pid, area.tid, DEBUG_HALT, 0)
    return missing


cdef void core_gather(area_t *area, debug_page_t *page) noexcept nogil:
    """Make all other threads stand still, as thread_single(SINGLE_NO_EXIT) does; what sleeps in a call that Linux lets no signal end
    sleeps on."""
    cdef uint32_t seen, rounds = 0
    while not is_alone(area):
        seen = atomic_load32(&page.parked)
        if not core_missing(area, page, rounds % DEBUG_ROUNDS == 0, rounds >= CORE_ROUNDS):
            return
        debug_sleep(&page.parked, seen, DEBUG_ASK)
        rounds += 1


cdef bint core_signal(area_t *area, linux_ucontext *uc, int signo, linux_siginfo *info, int linux, int code) noexcept nogil:
    """A signal is about to end the process, whose default is to leave a core file as well (sigexit): leave it, if one is to be left. True:
    that was tried, and no other thread runs."""
    cdef process_t *proc = area.proc
    cdef debug_page_t *page
    cdef debug_lwp_t *lwp
    if not proc.own.cores:
        return False
    page = core_page(proc) if is_core_signal(signo) and not core_is_refused(proc) else NULL
    if page == NULL:
        core_mark(area, False)
        return False
    if atomic_cas64(&proc.own.core_page, 0, <uint64_t> page) != 0:
        core_park(area, uc, False, 0)
    core_save(area, page, uc, False, 0)
    lwp = debug_slot(page, area.index)
    if lwp != NULL and info != NULL:
        fill_siginfo(&lwp.info, info, linux, signo, code, uc)
    core_gather(area, page)
    lock_acquire(&PATCHES.lock)
    unpatch_range(0, 1UL << GUEST_ADDRESS_MAX_LOG)
    lock_release(&PATCHES.lock)
    core_mark(area, core_dump(area, page, signo) == 0)
    return True

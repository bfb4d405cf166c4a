# A signal came while a call was on its way in or out: the call is finished, or begun anew, on the guest's behalf, by the
# region of entry.S in which it was.

cdef enum:
    EXIT_ALIGNMENT = 1      # area.alignment: the guest has set EFLAGS.AC, which the exit gives it back
    EXIT_TOLD = 2           # the personality wants to see the guest's registers when this call is over


cdef uint64_t region_of(uint64_t rip) noexcept nogil:
    """The region of entry.S that an address lies in (REGION_*)."""
    cdef const region_t *region = regions
    while region.to != 0 and not region.from_ <= rip < region.to:
        region += 1
    return region.what


cdef bint finish_call(linux_ucontext *uc, long raw, uint64_t nr, uint64_t ret, area_t *area) noexcept nogil:
    """Leave a call on the guest's behalf, as entry.S would. True: the call will be restarted (rip at the site), if the handler
    allows that."""
    cdef int outcome = call_outcome(area, raw)
    uc.uc_mcontext.rcx = ret
    uc.uc_mcontext.r11 = 0
    uc.uc_mcontext.rip = ret
    if outcome != CALL_OVER:
        uc.uc_mcontext.rip = ret - 2
        uc.uc_mcontext.rax = nr
        return outcome == CALL_RESTARTS
    if raw == -RETURN_IN_AREA:
        uc.uc_mcontext.rax = area.retval
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_CF
    elif is_error(raw):
        uc.uc_mcontext.rax = lsf_errno_map[-raw]
        uc.uc_mcontext.eflags |= EFLAGS_CF
    else:
        uc.uc_mcontext.rax = <uint64_t> raw
        uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_CF
    return False


cdef bint finish_translated(linux_ucontext *uc, area_t *area) noexcept nogil:
    """finish_call for the translate lane: the frame says how the guest goes on."""
    cdef frame_t *frame = area.frame
    cdef bint restart
    uc.uc_mcontext.rdi = frame.arg[0]
    uc.uc_mcontext.rsi = frame.arg[1]
    uc.uc_mcontext.rdx = frame.arg[2]
    uc.uc_mcontext.r10 = frame.arg[3]
    uc.uc_mcontext.r8 = frame.arg[4]
    uc.uc_mcontext.r9 = frame.arg[5]
    uc.uc_mcontext.rsp = frame.rsp
    if area.alignment & EXIT_ALIGNMENT:
        area.alignment &= ~<uint16_t> EXIT_ALIGNMENT
        uc.uc_mcontext.eflags |= EFLAGS_AC
    restart = finish_call(uc, <long> frame.result, frame.nr, frame.ret, area)
    if area.woken == WOKEN_ENDED:           # as at translate_apart
        area.woken = 0
    return restart


cdef void rewind(linux_ucontext *uc, area_t *area, uint64_t args) noexcept nogil:
    """Interrupted before the call was begun: back to the site. Past `args` rdi and rsi are in the frame."""
    if is_shim_stack(uc.uc_mcontext.rsp):
        if uc.uc_mcontext.rip > args:
            uc.uc_mcontext.rdi = area.frame.arg[0]
            uc.uc_mcontext.rsi = area.frame.arg[1]
        uc.uc_mcontext.rsp = area.guest_rsp
    uc.uc_mcontext.rip = uc.uc_mcontext.rcx - 2


cdef inline bint is_shim_stack(uint64_t rsp) noexcept nogil:
    return AREAS_BASE <= rsp < HEAP_BASE


cdef inline bint is_signal_stack(area_t *area, uint64_t rsp) noexcept nogil:
    """True in a handler of the shim's own."""
    return rsp - (<uint64_t> area - AREA_STRUCT + AREA_SIGSTACK) < AREA_SIGSTACK_SIZE


cdef inline bint is_below_signal_stack(area_t *area, uint64_t address) noexcept nogil:
    """True in the guard of the handlers' stack, which none of the shim's own comes near."""
    return address - (<uint64_t> area - AREA_STRUCT) < AREA_SIGSTACK


cdef bint call_was_dropped(process_t *proc, linux_ucontext *uc) noexcept nogil:
    """True where a syscall was executed and did not trap. Linux raises no SIGSYS for it while another one, which was sent
    to the thread, is on its way: what is left are the registers as `syscall` sets them, as no call that was made leaves
    them (r11)."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef uint16_t code = 0
    return ((proc.engine == ENGINE_SUD or proc.engine == ENGINE_TRAP) and rip - WINDOW_BASE >= WINDOW_SIZE
            and uc.uc_mcontext.rcx == rip and (uc.uc_mcontext.r11 ^ uc.uc_mcontext.eflags) & ~<uint64_t> EFLAGS_RF == 0
            and copyin(rip - 2, &code, 2) == 0 and (code == SYSCALL_BYTES or site_is_patched(rip)))


cdef inline bint is_step(int linux, linux_siginfo *info, linux_ucontext *uc) noexcept nogil:
    """True for the trap after an instruction of who set the trap flag."""
    return linux == LINUX_SIGTRAP and info.si_code > 0 and uc.uc_mcontext.eflags & EFLAGS_TF != 0


cdef bint come_out(linux_ucontext *uc, area_t *area, uint64_t region, bint quiet, bint *restart) noexcept nogil:
    """A signal found a thread in the shim's code, in this region: make its registers the guest's, before the call or after
    it. False: the call is under way, and the signal must be deferred to its end. quiet: the guest sees nothing of the signal, so
    a wait that it ended begins anew. restart: the call will be made again, if the handler allows that."""
    restart[0] = False
    if region == REGION_PASS:
        if uc.uc_mcontext.rip == <uint64_t> pass_syscall:
            uc.uc_mcontext.rcx = area.ret
            uc.uc_mcontext.rax = area.nr
        uc.uc_mcontext.rip = uc.uc_mcontext.rcx - 2
    elif region == REGION_PASSED:
        restart[0] = finish_call(uc, interrupted(area, <long> uc.uc_mcontext.rax, lsf_restart[area.nr], quiet), area.nr, area.ret,
                                 area)
    elif region == REGION_CONVERTED:
        uc.uc_mcontext.rip = area.ret
        uc.uc_mcontext.eflags |= EFLAGS_CF
    elif region == REGION_TRANSLATE:
        rewind(uc, area, <uint64_t> translate_args)
    elif region == REGION_PATCH:
        rewind(uc, area, <uint64_t> patch_args)
    elif region == REGION_LEAVE:
        restart[0] = finish_translated(uc, area)
    elif region == REGION_TAIL and not area.deferred:
        area.frame.result = uc.uc_mcontext.rax
        restart[0] = finish_translated(uc, area)
    else:
        return False
    return True


cdef void begin_no_wait(linux_ucontext *uc) noexcept nogil:
    """A signal was deferred: all others are blocked until the call's end, and a wait that has not begun does not begin."""
    uc.uc_sigmask = linux_all_mask()
    if <uint64_t> blocking_check <= uc.uc_mcontext.rip <= <uint64_t> blocking_call \
            or <uint64_t> undeferred_check <= uc.uc_mcontext.rip <= <uint64_t> undeferred_call:
        uc.uc_mcontext.rip = <uint64_t> blocking_cancel


cdef void resumable(area_t *area, linux_ucontext *uc, uint64_t fpstate, bint extended) noexcept nogil:
    """Make a Linux signal frame of registers, for resume_from."""
    uc.uc_mcontext.fpstate = fpstate
    uc.uc_flags = 7 if extended else 6          # UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
    uc.uc_stack.ss_sp = <uint64_t> area - AREA_STRUCT + AREA_SIGSTACK
    uc.uc_stack.ss_size = AREA_SIGSTACK_SIZE


cdef void state_at_exit(frame_t *frame, area_t *area, linux_ucontext *uc, unsigned char *fpstate) noexcept nogil:
    """At the end of a call: the state that Linux would have saved, but for what the call's result is (finish_translated), with
    the vector registers, which are the guest's still. fpstate: XSTATE_MAX + 64 bytes for them."""
    cdef uint64_t at = (<uint64_t> fpstate + 63) & ~63UL, size = xstate_limit(area.proc)
    cdef linux_fpx_sw_bytes *notes = <linux_fpx_sw_bytes *> (at + FXSAVE_SOFTWARE)
    memset(uc, 0, sizeof(linux_ucontext))
    uc.uc_mcontext.rbx = frame.rbx
    uc.uc_mcontext.rbp = frame.rbp
    uc.uc_mcontext.r12 = frame.r12
    uc.uc_mcontext.r13 = frame.r13
    uc.uc_mcontext.r14 = frame.r14
    uc.uc_mcontext.r15 = frame.r15
    uc.uc_mcontext.eflags = 0x202
    uc.uc_mcontext.cs = LINUX_CS
    uc.uc_mcontext.ss = LINUX_SS
    notes.magic1 = LINUX_FP_XSTATE_MAGIC1
    notes.extended_size = <uint32_t> size + 4
    notes.xfeatures = area.proc.xstate_features
    notes.xstate_size = <uint32_t> size
    memset(<void *> (at + FXSAVE_SIZE), 0, 64)      # the XSAVE header
    xsave(<void *> at, area.proc.xstate_features)
    (<uint32_t *> (at + size))[0] = LINUX_FP_XSTATE_MAGIC2
    resumable(area, uc, at, True)

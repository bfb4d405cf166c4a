# Signals: <sys/signal.h>, <sys/_sigset.h>, <sys/_ucontext.h>, <machine/ucontext.h>, <machine/sigframe.h>.
#
# The Linux half is the kernel's layout, not libc's (sigset_t of 8 bytes, a ucontext with a trailing mask), written out
# here because <asm/sigcontext.h> and <signal.h> cannot be included together. Several members have a C name of their
# own: <signal.h> defines macros such as si_pid.

cdef struct freebsd_sigset:
    uint32_t bits[4]

cdef struct freebsd_sigaction:
    uint64_t sa_handler "freebsd_sa_handler"
    int32_t sa_flags
    freebsd_sigset sa_mask

cdef struct freebsd_stack:
    uint64_t ss_sp
    uint64_t ss_size
    int32_t ss_flags

cdef struct freebsd_sigval:
    uint64_t sival_ptr "freebsd_sival_ptr"      # a union with int sival_int, which is its low half

cdef struct freebsd_siginfo_timer:
    int32_t timerid
    int32_t overrun

cdef union freebsd_siginfo_reason:
    int32_t trapno
    freebsd_siginfo_timer timer
    int32_t mqd
    int64_t band
    int32_t syscall                             # FreeBSD 14
    uint64_t spare[5]

cdef struct freebsd_siginfo:
    int32_t si_signo "freebsd_si_signo"
    int32_t si_errno "freebsd_si_errno"
    int32_t si_code "freebsd_si_code"
    int32_t si_pid "freebsd_si_pid"
    uint32_t si_uid "freebsd_si_uid"
    int32_t si_status "freebsd_si_status"
    uint64_t si_addr "freebsd_si_addr"
    uint64_t si_value "freebsd_si_value"
    freebsd_siginfo_reason reason

cdef struct freebsd_mcontext:
    uint64_t mc_onstack
    uint64_t mc_rdi
    uint64_t mc_rsi
    uint64_t mc_rdx
    uint64_t mc_rcx
    uint64_t mc_r8
    uint64_t mc_r9
    uint64_t mc_rax
    uint64_t mc_rbx
    uint64_t mc_rbp
    uint64_t mc_r10
    uint64_t mc_r11
    uint64_t mc_r12
    uint64_t mc_r13
    uint64_t mc_r14
    uint64_t mc_r15
    uint32_t mc_trapno
    uint16_t mc_fs
    uint16_t mc_gs
    uint64_t mc_addr
    uint32_t mc_flags
    uint16_t mc_es
    uint16_t mc_ds
    uint64_t mc_err
    uint64_t mc_rip
    uint64_t mc_cs
    uint64_t mc_rflags
    uint64_t mc_rsp
    uint64_t mc_ss
    int64_t mc_len
    int64_t mc_fpformat
    int64_t mc_ownedfp
    uint64_t mc_fpstate[64]         # the FXSAVE image; 16-byte aligned when the mcontext is
    uint64_t mc_fsbase
    uint64_t mc_gsbase
    uint64_t mc_xfpustate
    uint64_t mc_xfpustate_len
    uint64_t mc_spare[4]            # the first is mc_tlsbase since FreeBSD 15

cdef struct freebsd_ucontext:
    freebsd_sigset uc_sigmask
    freebsd_mcontext uc_mcontext
    uint64_t uc_link
    freebsd_stack uc_stack
    int32_t uc_flags
    int32_t uc_spare[4]
    int32_t uc_padding[3]           # C pads to 16, mcontext's alignment

cdef struct freebsd_sigframe:
    uint64_t sf_handler
    uint64_t sf_padding             # C pads to the ucontext's alignment of 16
    freebsd_ucontext sf_uc
    freebsd_siginfo sf_si

cdef struct freebsd_sigevent:
    int32_t sigev_notify "freebsd_sigev_notify"         # SIGEV_
    int32_t sigev_signo "freebsd_sigev_signo"           # or sigev_notify_kqueue
    uint64_t sigev_value "freebsd_sigev_value"
    uint64_t sigev_un[8]            # [0]: thread id, kevent flags, or notify function; [1]: attributes

cdef enum:
    FXSAVE_MXCSR = 24               # offsets in the FXSAVE image
    FXSAVE_MXCSR_MASK = 28
    MXCSR_MASK_DEFAULT = 0xffbf     # of a processor that writes 0 there

cdef extern from *:
    """
    /* FreeBSD's trap number for a processor exception, as its exception entries assign them. */
    static const unsigned char lsf_trap_numbers[20] __attribute__((unused)) = {
        18, 10, 19, 3, 20, 21, 1, 22, 23, 24, 25, 26, 27, 9, 12, 30, 6, 14, 28, 29
    };
    """
    const uint8_t *lsf_trap_numbers
    int lowest_bit "__builtin_ctzl"(unsigned long) nogil


cdef inline uint64_t linux_sigset_from_freebsd(const freebsd_sigset *source, const uint8_t *to_linux) noexcept nogil:
    """A mask of Linux (bit signo - 1) for one of FreeBSD; `to_linux` has 129 entries. Signals without a carrier drop out."""
    cdef uint64_t mask = 0
    cdef uint64_t half
    cdef uint32_t signo
    cdef uint32_t word
    for word in range(2):
        half = source.bits[2 * word] | (<uint64_t>source.bits[2 * word + 1] << 32)
        while half != 0:
            signo = to_linux[64 * word + <uint32_t>lowest_bit(half) + 1]
            half &= half - 1
            if signo != 0:
                mask |= <uint64_t>1 << (signo - 1)
    return mask


cdef inline void freebsd_sigset_from_linux(freebsd_sigset *to, uint64_t mask, const uint8_t *from_linux,
                                           const uint8_t *to_linux) noexcept nogil:
    """The FreeBSD signals whose carriers are in `mask`; `from_linux` has 65 entries, `to_linux` 129.

    A Linux signal that is delivered as some FreeBSD signal without being its carrier (SIGPWR as SIGTERM) does not count.
    """
    cdef uint32_t linux_signo
    cdef uint32_t signo
    memset(to, 0, sizeof(freebsd_sigset))
    while mask != 0:
        linux_signo = <uint32_t>lowest_bit(mask) + 1
        mask &= mask - 1
        signo = from_linux[linux_signo]
        if signo != 0 and to_linux[signo] == linux_signo:
            to.bits[(signo - 1) >> 5] |= <uint32_t>1 << ((signo - 1) & 31)


cdef inline void freebsd_stack_from_linux(freebsd_stack *to, const linux_stack *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_stack))
    to.ss_sp = source.ss_sp
    to.ss_size = source.ss_size
    to.ss_flags = source.ss_flags & FREEBSD_SS_ONSTACK
    if source.ss_flags & LINUX_SS_DISABLE:
        to.ss_flags |= FREEBSD_SS_DISABLE


cdef inline void linux_stack_from_freebsd(linux_stack *to, const freebsd_stack *source) noexcept nogil:
    """FreeBSD refuses (EINVAL) every flag but SS_DISABLE; the caller has checked that."""
    memset(to, 0, sizeof(linux_stack))
    to.ss_sp = source.ss_sp
    to.ss_size = source.ss_size
    to.ss_flags = source.ss_flags & FREEBSD_SS_ONSTACK
    if source.ss_flags & FREEBSD_SS_DISABLE:
        to.ss_flags |= LINUX_SS_DISABLE


cdef inline uint32_t freebsd_trapno_from_linux(uint64_t trapno) noexcept nogil:
    """FreeBSD's T_ number for a processor exception (the trapno of Linux's sigcontext)."""
    return lsf_trap_numbers[trapno] if trapno < 20 else FREEBSD_T_RESERVED


cdef inline uint64_t linux_trapno_from_freebsd(uint32_t trapno) noexcept nogil:
    cdef uint64_t number
    for number in range(20):
        if lsf_trap_numbers[number] == trapno:
            return number
    return 0


cdef inline void freebsd_siginfo_from_linux(freebsd_siginfo *to, const linux_siginfo *source, int32_t signo, int32_t code,
                                            const uint8_t *from_linux) noexcept nogil:
    """`signo` and `code` are FreeBSD's, which the tables of signals give; what else is filled follows Linux's own code.

    si_status of SIGCHLD is an exit status, or a signal that `from_linux` (65 entries) renumbers. A fault without an
    address (SI_KERNEL: a general protection fault) has si_addr 0 here, where FreeBSD has the instruction's; it and
    reason.trapno are the caller's, who knows the registers.
    """
    cdef int32_t linux_code = source.si_code
    cdef int32_t number = source.si_signo
    memset(to, 0, sizeof(freebsd_siginfo))
    to.si_signo = signo
    to.si_code = code
    if linux_code > LINUX_SI_USER and linux_code < LINUX_SI_KERNEL:
        if number == LINUX_SIGCHLD:
            to.si_pid = source.fields.child.pid
            to.si_uid = source.fields.child.uid
            to.si_status = source.fields.child.status
            if code != FREEBSD_CLD_EXITED and 0 <= to.si_status <= 64:
                to.si_status = from_linux[to.si_status]
        elif number == LINUX_SIGIO:
            to.reason.band = source.fields.poll.band
        elif number == LINUX_SIGSYS:
            to.si_addr = source.fields.sys.call_addr
            to.reason.syscall = source.fields.sys.syscall
        elif (number == LINUX_SIGILL or number == LINUX_SIGTRAP or number == LINUX_SIGBUS or number == LINUX_SIGFPE
                or number == LINUX_SIGSEGV):
            to.si_addr = source.fields.fault.addr
    elif linux_code == LINUX_SI_TIMER:
        to.reason.timer.timerid = source.fields.timer.timerid
        to.reason.timer.overrun = source.fields.timer.overrun
        to.si_value = source.fields.timer.value
    elif linux_code == LINUX_SI_SIGIO:
        to.reason.band = source.fields.poll.band
    else:
        to.si_pid = source.fields.kill.pid
        to.si_uid = source.fields.kill.uid
        # kill(2) and tgkill(2) carry no value, and Linux leaves the place as it was.
        if linux_code < 0 and linux_code != LINUX_SI_TKILL:
            to.si_value = source.fields.kill.value


cdef inline void linux_siginfo_from_freebsd(linux_siginfo *to, const freebsd_siginfo *source, int32_t signo, int32_t code,
                                            const uint8_t *to_linux) noexcept nogil:
    """`signo` and `code` are Linux's, which the tables of signals give; `to_linux` has 129 entries."""
    memset(to, 0, sizeof(linux_siginfo))
    to.si_signo = signo
    to.si_code = code
    if code > LINUX_SI_USER and code < LINUX_SI_KERNEL:
        if signo == LINUX_SIGCHLD:
            to.fields.child.pid = source.si_pid
            to.fields.child.uid = source.si_uid
            to.fields.child.status = source.si_status
            if source.si_code != FREEBSD_CLD_EXITED and 0 <= source.si_status <= FREEBSD_SIG_MAXSIG:
                to.fields.child.status = to_linux[source.si_status]
        elif signo == LINUX_SIGIO:
            to.fields.poll.band = source.reason.band
        elif signo == LINUX_SIGSYS:
            to.fields.sys.call_addr = source.si_addr
            to.fields.sys.syscall = source.reason.syscall
        elif (signo == LINUX_SIGILL or signo == LINUX_SIGTRAP or signo == LINUX_SIGBUS or signo == LINUX_SIGFPE
                or signo == LINUX_SIGSEGV):
            to.fields.fault.addr = source.si_addr
    elif code == LINUX_SI_TIMER:
        to.fields.timer.timerid = source.reason.timer.timerid
        to.fields.timer.overrun = source.reason.timer.overrun
        to.fields.timer.value = source.si_value
    elif code == LINUX_SI_SIGIO:
        to.fields.poll.band = source.reason.band
    else:
        to.fields.kill.pid = source.si_pid
        to.fields.kill.uid = source.si_uid
        if code < 0 and code != LINUX_SI_TKILL:
            to.fields.kill.value = source.si_value


cdef inline void freebsd_mcontext_from_linux(freebsd_mcontext *to, const linux_sigcontext *source, const void *fpstate,
                                             uint64_t fsbase, uint64_t gsbase) noexcept nogil:
    """Registers, and the FXSAVE image at `fpstate` (NULL: there is none).

    Linux's notes in the image's last 48 bytes are taken out. Segment selectors are those that a FreeBSD program sees.
    The caller sets mc_onstack, and mc_xfpustate, mc_xfpustate_len and _MC_HASFPXSTATE in mc_flags if it stores what
    freebsd_xfpustate_from_linux gives.
    """
    memset(to, 0, sizeof(freebsd_mcontext))
    to.mc_rdi = source.rdi
    to.mc_rsi = source.rsi
    to.mc_rdx = source.rdx
    to.mc_rcx = source.rcx
    to.mc_r8 = source.r8
    to.mc_r9 = source.r9
    to.mc_rax = source.rax
    to.mc_rbx = source.rbx
    to.mc_rbp = source.rbp
    to.mc_r10 = source.r10
    to.mc_r11 = source.r11
    to.mc_r12 = source.r12
    to.mc_r13 = source.r13
    to.mc_r14 = source.r14
    to.mc_r15 = source.r15
    to.mc_trapno = freebsd_trapno_from_linux(source.trapno)
    to.mc_fs = FREEBSD_FS
    to.mc_gs = FREEBSD_GS
    to.mc_addr = source.cr2
    to.mc_flags = FREEBSD_MC_HASSEGS
    to.mc_es = FREEBSD_SS
    to.mc_ds = FREEBSD_SS
    to.mc_err = source.err
    to.mc_rip = source.rip
    to.mc_cs = FREEBSD_CS
    to.mc_rflags = source.eflags
    to.mc_rsp = source.rsp
    to.mc_ss = FREEBSD_SS
    to.mc_len = sizeof(freebsd_mcontext)
    to.mc_fsbase = fsbase
    to.mc_gsbase = gsbase
    if fpstate != NULL:
        memcpy(to.mc_fpstate, fpstate, FXSAVE_SOFTWARE)
        to.mc_fpformat = FREEBSD_MC_FPFMT_XMM
        to.mc_ownedfp = FREEBSD_MC_FPOWNED_FPU
    else:
        to.mc_fpformat = FREEBSD_MC_FPFMT_NODEV
        to.mc_ownedfp = FREEBSD_MC_FPOWNED_NONE


cdef inline void linux_sigcontext_from_freebsd(linux_sigcontext *to, const freebsd_mcontext *source) noexcept nogil:
    """Registers only; the caller sets fpstate, and the bases of FS and GS, which Linux has not in a sigcontext."""
    memset(to, 0, sizeof(linux_sigcontext))
    to.rdi = source.mc_rdi
    to.rsi = source.mc_rsi
    to.rdx = source.mc_rdx
    to.rcx = source.mc_rcx
    to.r8 = source.mc_r8
    to.r9 = source.mc_r9
    to.rax = source.mc_rax
    to.rbx = source.mc_rbx
    to.rbp = source.mc_rbp
    to.r10 = source.mc_r10
    to.r11 = source.mc_r11
    to.r12 = source.mc_r12
    to.r13 = source.mc_r13
    to.r14 = source.mc_r14
    to.r15 = source.mc_r15
    to.rip = source.mc_rip
    to.rsp = source.mc_rsp
    to.eflags = source.mc_rflags
    to.cs = LINUX_CS
    to.ss = LINUX_SS
    to.err = source.mc_err
    to.trapno = linux_trapno_from_freebsd(source.mc_trapno)
    to.cr2 = source.mc_addr


cdef inline uint64_t freebsd_xfpustate_from_linux(void *to, uint64_t room, const void *fpstate) noexcept nogil:
    """What follows the FXSAVE image: the XSAVE header and the components beyond SSE, as mc_xfpustate points to them.

    Returns its length, which `room` must hold for anything to be written; 0 if there is no extended state.
    """
    cdef uint64_t length = linux_xstate_size(fpstate) - FXSAVE_SIZE
    if length != 0 and length <= room:
        memcpy(to, <const char *>fpstate + FXSAVE_SIZE, length)
    return length


cdef inline int64_t linux_fpstate_from_freebsd(void *to, uint64_t room, const freebsd_mcontext *source,
                                               const void *xfpustate, uint64_t xfpustate_length, uint64_t xfeatures,
                                               uint32_t mxcsr_mask) noexcept nogil:
    """The floating-point part of a Linux signal frame, for rt_sigreturn: FXSAVE image, XSAVE header, components, magic.

    `xfpustate` (NULL: none) is the shim's copy of what mc_xfpustate points to, `xfeatures` and `mxcsr_mask` what the
    machine has (from a frame that Linux made; a mask of 0 means the default). As in FreeBSD's fpusetregs and
    fpusetxstate, bits of MXCSR that the machine lacks are cleared, features that it lacks are refused, and the rest of
    the XSAVE header is ignored, so that Linux's XRSTOR cannot fault.

    A guest may give less state than the machine has; the caller then pads its copy with zeros to the machine's size, as
    Linux would read behind it.

    Returns the bytes used, or -EINVAL (-22), or -ENOSPC (-28) if `room` is too small. `to` must be 64-byte aligned
    where the frame is.
    """
    cdef char *image = <char *>to
    cdef uint64_t features = 0
    cdef uint64_t size = FXSAVE_SIZE
    cdef linux_fpx_sw_bytes *notes = <linux_fpx_sw_bytes *>(image + FXSAVE_SOFTWARE)
    cdef uint32_t magic2 = LINUX_FP_XSTATE_MAGIC2
    if mxcsr_mask == 0:
        mxcsr_mask = MXCSR_MASK_DEFAULT
    if xfpustate != NULL:
        if xfpustate_length < XSTATE_HEADER_SIZE:
            return -22
        features = (<const uint64_t *>xfpustate)[0]
        if features & ~xfeatures:
            return -22
        size = FXSAVE_SIZE + xfpustate_length + sizeof(magic2)
    if xfpustate_length > room or size > room:
        return -28
    memcpy(image, source.mc_fpstate, FXSAVE_SOFTWARE)
    memset(image + FXSAVE_SOFTWARE, 0, FXSAVE_SIZE - FXSAVE_SOFTWARE)
    (<uint32_t *>(image + FXSAVE_MXCSR))[0] &= mxcsr_mask
    if xfpustate == NULL:
        return <int64_t>size
    notes.magic1 = LINUX_FP_XSTATE_MAGIC1
    notes.extended_size = <uint32_t>size
    notes.xfeatures = xfeatures
    notes.xstate_size = <uint32_t>(FXSAVE_SIZE + xfpustate_length)
    memset(image + FXSAVE_SIZE, 0, XSTATE_HEADER_SIZE)
    (<uint64_t *>(image + FXSAVE_SIZE))[0] = features
    memcpy(image + FXSAVE_SIZE + XSTATE_HEADER_SIZE, <const char *>xfpustate + XSTATE_HEADER_SIZE,
           xfpustate_length - XSTATE_HEADER_SIZE)
    memcpy(image + FXSAVE_SIZE + xfpustate_length, &magic2, sizeof(magic2))
    return <int64_t>size

# A syscall outside the window trapped: it is led into the shim.

cdef enum:
    VSYSCALL_PAGE = 0xffffffffff600000UL    # a page of Linux's, at which it answers three calls


cdef public void foreign_call(area_t *area) noexcept nogil:
    """A thread called the kernel from 32-bit code. On Linux that is an i386 call, on BSD for amd64 one of its own with
    registers that have lost their upper halves: nothing that a program can mean."""
    complain(area.proc.execpath, b" made a system call from 32-bit code, which LSF does not run", NULL, NULL)
    kill_self(area, LINUX_SIGSYS)


cdef bint call_was_taken(linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """True where Linux took a call for its own uretprobe(2), which no filter sees (Linux 6.11 and later; Syscall User Dispatch does),
    and sent SIGILL, since it was made from elsewhere. The registers are as `syscall` leaves them."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef uint16_t code = 0
    return (info.si_code == LINUX_SI_KERNEL and rip - WINDOW_BASE >= WINDOW_SIZE and uc.uc_mcontext.rcx == rip
            and copyin(rip - 2, &code, 2) == 0 and code == SYSCALL_BYTES)


cdef void enter_taken(linux_ucontext *uc, uint64_t nr) noexcept nogil:
    """Make such a call into the shim, by the number that Linux does not give back."""
    uc.uc_mcontext.rax = nr
    uc.uc_mcontext.rcx = uc.uc_mcontext.rip
    uc.uc_mcontext.rip = <uint64_t> entry
    uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_DF


cdef void enter_call(area_t *area, linux_ucontext *uc, linux_siginfo *info) noexcept nogil:
    """A syscall outside the window trapped: lead it into the shim."""
    cdef uint64_t rip = uc.uc_mcontext.rip
    cdef bint by_interrupt = info.fields.sys.arch != LINUX_AUDIT_ARCH_X86_64
    if area.proc.vdso <= rip < area.proc.vdso_end and is_shim_stack(uc.uc_mcontext.rsp) and not by_interrupt:
        # The vDSO, which the shim called, fell back to its syscall: a Linux one.
        uc.uc_mcontext.rax = linux_syscall6(uc.uc_mcontext.rax, uc.uc_mcontext.rdi, uc.uc_mcontext.rsi,
                                            uc.uc_mcontext.rdx, uc.uc_mcontext.r10, uc.uc_mcontext.r8,
                                            uc.uc_mcontext.r9)
        return
    if uc.uc_mcontext.cs != LINUX_CS:
        foreign_call(area)
    if info.fields.sys.call_addr >= VSYSCALL_PAGE:
        vsyscall(area, uc, info)
        return
    if by_interrupt and uc.uc_mcontext.rcx != rip:
        # int 0x80. BSD takes the fourth argument from rcx (cpu_fetch_syscall_args), which `syscall` would have
        # lost. When a call is made anew it is in r10 already, and rcx says where the site ends.
        uc.uc_mcontext.r10 = uc.uc_mcontext.rcx
    uc.uc_mcontext.rcx = rip
    uc.uc_mcontext.rip = <uint64_t> entry
    if not by_interrupt and trapped_enough(area.proc, rip):
        uc.uc_mcontext.rip = <uint64_t> patch_entry
    uc.uc_mcontext.eflags &= ~<uint64_t> EFLAGS_DF

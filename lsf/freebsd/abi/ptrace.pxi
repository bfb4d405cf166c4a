# ptrace(2): <sys/ptrace.h>, <machine/reg.h>.

cdef struct freebsd_reg:
    uint64_t r_r15
    uint64_t r_r14
    uint64_t r_r13
    uint64_t r_r12
    uint64_t r_r11
    uint64_t r_r10
    uint64_t r_r9
    uint64_t r_r8
    uint64_t r_rdi
    uint64_t r_rsi
    uint64_t r_rbp
    uint64_t r_rbx
    uint64_t r_rdx
    uint64_t r_rcx
    uint64_t r_rax
    uint32_t r_trapno
    uint16_t r_fs
    uint16_t r_gs
    uint32_t r_err
    uint16_t r_es
    uint16_t r_ds
    uint64_t r_rip
    uint64_t r_cs
    uint64_t r_rflags
    uint64_t r_rsp
    uint64_t r_ss

cdef struct freebsd_ptrace_io_desc:
    int32_t piod_op
    uint64_t piod_offs
    uint64_t piod_addr
    uint64_t piod_len

cdef struct freebsd_ptrace_lwpinfo:
    int32_t pl_lwpid
    int32_t pl_event
    int32_t pl_flags
    uint32_t pl_sigmask[4]
    uint32_t pl_siglist[4]
    freebsd_siginfo pl_siginfo
    char pl_tdname[20]
    int32_t pl_child_pid
    uint32_t pl_syscall_code
    uint32_t pl_syscall_narg

cdef struct freebsd_ptrace_sc_ret:
    uint64_t sr_retval[2]
    int32_t sr_error

cdef struct freebsd_ptrace_vm_entry:
    int32_t pve_entry
    int32_t pve_timestamp
    uint64_t pve_start
    uint64_t pve_end
    uint64_t pve_offset
    uint32_t pve_prot
    uint32_t pve_pathlen
    int64_t pve_fileid
    uint32_t pve_fsid
    uint64_t pve_path

cdef struct freebsd_ptrace_coredump:
    int32_t pc_fd
    uint32_t pc_flags
    int64_t pc_limit

cdef struct freebsd_ptrace_sc_remote:
    freebsd_ptrace_sc_ret pscr_ret
    uint32_t pscr_syscall
    uint32_t pscr_nargs
    uint64_t pscr_args

cdef struct freebsd_prstatus:
    int32_t pr_version
    uint64_t pr_statussz
    uint64_t pr_gregsetsz
    uint64_t pr_fpregsetsz
    int32_t pr_osreldate
    int32_t pr_cursig
    int32_t pr_pid
    freebsd_reg pr_reg

cdef struct freebsd_prpsinfo:
    int32_t pr_version
    uint64_t pr_psinfosz
    char pr_fname[17]
    char pr_psargs[81]
    int32_t pr_pid

cdef struct freebsd_thrmisc:
    char pr_tname[20]
    uint32_t _pad

cdef struct freebsd_ptrace_xstate_info:
    uint64_t xsave_mask
    uint32_t xsave_len


cdef inline void freebsd_reg_from_linux(freebsd_reg *to, const linux_sigcontext *source) noexcept nogil:
    """As fill_frame_regs: the selectors of data are not told."""
    memset(to, 0, sizeof(freebsd_reg))
    to.r_r15 = source.r15
    to.r_r14 = source.r14
    to.r_r13 = source.r13
    to.r_r12 = source.r12
    to.r_r11 = source.r11
    to.r_r10 = source.r10
    to.r_r9 = source.r9
    to.r_r8 = source.r8
    to.r_rdi = source.rdi
    to.r_rsi = source.rsi
    to.r_rbp = source.rbp
    to.r_rbx = source.rbx
    to.r_rdx = source.rdx
    to.r_rcx = source.rcx
    to.r_rax = source.rax
    to.r_rip = source.rip
    to.r_cs = 0x43                      # GSEL(GUCODE_SEL, SEL_UPL), as FreeBSD has it
    to.r_rflags = source.eflags
    to.r_rsp = source.rsp
    to.r_ss = 0x3b                      # GSEL(GUDATA_SEL, SEL_UPL)


cdef inline void linux_sigcontext_from_reg(linux_sigcontext *to, const freebsd_reg *source) noexcept nogil:
    """All that a tracer may set but the flags, which are the caller's to check. (Not zeroed: the rest stays.)"""
    to.r15 = source.r_r15
    to.r14 = source.r_r14
    to.r13 = source.r_r13
    to.r12 = source.r_r12
    to.r11 = source.r_r11
    to.r10 = source.r_r10
    to.r9 = source.r_r9
    to.r8 = source.r_r8
    to.rdi = source.r_rdi
    to.rsi = source.r_rsi
    to.rbp = source.r_rbp
    to.rbx = source.r_rbx
    to.rdx = source.r_rdx
    to.rcx = source.r_rcx
    to.rax = source.r_rax
    to.rip = source.r_rip
    to.rsp = source.r_rsp

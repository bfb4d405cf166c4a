# Signals: <sys/signal.h>, <sys/_sigset.h>, <sys/_ucontext.h>, <machine/ucontext.h>, <machine/sigframe.h>.
#
# The Linux half is the kernel's layout, not libc's (sigset_t of 8 bytes, a ucontext with a trailing mask), written out
# here because <asm/sigcontext.h> and <signal.h> cannot be included together. Several members have a C name of their
# own: <signal.h> defines macros such as si_pid.

cdef enum:
    FREEBSD_SIG_MAXSIG = 128
    FREEBSD_SI_NOINFO = 0
    FREEBSD_SI_USER = 0x10001
    FREEBSD_SI_QUEUE = 0x10002
    FREEBSD_SI_TIMER = 0x10003
    FREEBSD_SI_ASYNCIO = 0x10004
    FREEBSD_SI_MESGQ = 0x10005
    FREEBSD_SI_KERNEL = 0x10006
    FREEBSD_SI_LWP = 0x10007
    FREEBSD_SS_ONSTACK = 1
    FREEBSD_SS_DISABLE = 4
    FREEBSD_MC_HASSEGS = 1
    FREEBSD_MC_HASBASES = 2
    FREEBSD_MC_HASFPXSTATE = 4
    FREEBSD_MC_FPFMT_NODEV = 0x10000
    FREEBSD_MC_FPFMT_XMM = 0x10002
    FREEBSD_MC_FPOWNED_NONE = 0x20000
    FREEBSD_MC_FPOWNED_FPU = 0x20001
    FREEBSD_MC_FPOWNED_PCB = 0x20002
    FREEBSD_SIGEV_NONE = 0
    FREEBSD_SIGEV_SIGNAL = 1
    FREEBSD_SIGEV_THREAD = 2
    FREEBSD_SIGEV_KEVENT = 3
    FREEBSD_SIGEV_THREAD_ID = 4

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
    uint64_t mc_spare[4]

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

cdef struct linux_sigaction:
    uint64_t sa_handler "linux_sa_handler"
    uint64_t sa_flags
    uint64_t sa_restorer
    uint64_t sa_mask

cdef struct linux_stack:
    uint64_t ss_sp
    int32_t ss_flags
    uint64_t ss_size

cdef struct linux_siginfo_kill:
    int32_t pid
    uint32_t uid
    uint64_t value                  # sigqueue

cdef struct linux_siginfo_timer:
    int32_t timerid
    int32_t overrun
    uint64_t value

cdef struct linux_siginfo_child:
    int32_t pid
    uint32_t uid
    int32_t status
    int64_t utime
    int64_t stime

cdef struct linux_siginfo_fault:
    uint64_t addr

cdef struct linux_siginfo_poll:
    int64_t band
    int32_t fd

cdef struct linux_siginfo_sys:
    uint64_t call_addr
    int32_t syscall
    uint32_t arch

cdef union linux_siginfo_fields:
    linux_siginfo_kill kill
    linux_siginfo_timer timer
    linux_siginfo_child child
    linux_siginfo_fault fault
    linux_siginfo_poll poll
    linux_siginfo_sys sys
    uint64_t padding[14]

cdef struct linux_siginfo:
    int32_t si_signo "linux_si_signo"
    int32_t si_errno "linux_si_errno"
    int32_t si_code "linux_si_code"
    int32_t si_padding
    linux_siginfo_fields fields

cdef struct linux_sigcontext:
    uint64_t r8
    uint64_t r9
    uint64_t r10
    uint64_t r11
    uint64_t r12
    uint64_t r13
    uint64_t r14
    uint64_t r15
    uint64_t rdi
    uint64_t rsi
    uint64_t rbp
    uint64_t rbx
    uint64_t rdx
    uint64_t rax
    uint64_t rcx
    uint64_t rsp
    uint64_t rip
    uint64_t eflags
    uint16_t cs
    uint16_t gs
    uint16_t fs
    uint16_t ss
    uint64_t err
    uint64_t trapno
    uint64_t oldmask
    uint64_t cr2
    uint64_t fpstate
    uint64_t reserved1[8]

cdef struct linux_ucontext:
    uint64_t uc_flags
    uint64_t uc_link
    linux_stack uc_stack
    linux_sigcontext uc_mcontext
    uint64_t uc_sigmask

cdef struct linux_rt_sigframe:
    uint64_t pretcode
    linux_ucontext uc
    linux_siginfo info

# The last 48 bytes of the FXSAVE image, where Linux says what follows it (struct _fpx_sw_bytes).
cdef struct linux_fpx_sw_bytes:
    uint32_t magic1
    uint32_t extended_size
    uint64_t xfeatures
    uint32_t xstate_size
    uint32_t padding[7]

# Linux's structs: signal.

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

# The extended state in a Linux signal frame.
cdef enum:
    FXSAVE_SIZE = 512
    FXSAVE_SOFTWARE = 464           # where struct linux_fpx_sw_bytes lies in the FXSAVE image
    XSTATE_HEADER_SIZE = 64


cdef inline uint64_t linux_xstate_size(const void *fpstate) noexcept nogil:
    """Bytes of the XSAVE area at `fpstate` in a Linux signal frame: FXSAVE_SIZE where there is no extended state."""
    cdef const linux_fpx_sw_bytes *notes = <const linux_fpx_sw_bytes *>(<const char *>fpstate + FXSAVE_SOFTWARE)
    if notes.magic1 != LINUX_FP_XSTATE_MAGIC1 or notes.xstate_size < FXSAVE_SIZE + XSTATE_HEADER_SIZE:
        return FXSAVE_SIZE
    return notes.xstate_size

"""The ptrace engine's data: what the supervisor knows of each tracee, and the calls that work on it."""

from libc.stdint cimport uint32_t, uint64_t
from posix.types cimport pid_t


cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sched.h>
    #include <sys/user.h>
    """
    ctypedef struct cpu_set_t:
        pass

    # The order is the kernel's (struct user_regs_struct of <sys/user.h>).
    struct user_regs_struct:
        unsigned long long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8
        unsigned long long rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss
        unsigned long long fs_base, gs_base, ds, es, fs, gs


cdef enum:
    TRACEE_GUEST = 1          # its image is the shim: its syscalls outside the window are FreeBSD's
    TRACEE_THREADED = 2       # its process has, or had since its last exec, more than one thread
    TRACEE_PINNED = 4         # confined to the supervisor's CPU, by us
    TRACEE_UNCOVERED = 8      # was pinned; has its own CPU mask back for the length of one call


cdef struct tracee_t:
    pid_t pid                 # the thread's id; 0 marks a free slot
    uint32_t flags
    uint32_t stops            # syscall stops since the last look at the rates
    uint64_t vdso             # where the vDSO of its image lies, 0 where unknown
    uint64_t cpu_time         # of its process, at the last look at the rates, in ns


cdef struct supervisor_t:
    tracee_t *slots           # open addressing, linear probing; the size is a power of two
    uint32_t size
    uint32_t used
    uint64_t vdso_size        # the same for every 64-bit process of a kernel
    int proc                  # a descriptor on the host's /proc, -1 without
    uint64_t sites[4096]      # syscall sites that trapped: their keys, and how often in the lowest bit
    bint pinning              # pinning is wanted, and would change something
    uint32_t pinned           # how many tracees are
    bint ticking              # the interval timer runs
    cpu_set_t own_cpus        # what the first guest was allowed at its start
    cpu_set_t one_cpu         # the supervisor's CPU while anything is pinned


cdef tracee_t *find_tracee(supervisor_t *self, pid_t pid) noexcept nogil
cdef void handle(supervisor_t *self, pid_t pid, int status) noexcept nogil
cdef int supervise(supervisor_t *self) noexcept nogil

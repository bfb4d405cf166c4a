"""The ptrace engine's data: what the supervisor knows of each tracee, and the calls that work on it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
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
    # while somebody observes (supervisor/*.pxi)
    TRACEE_OBSERVED = 16      # what it does is shown
    TRACEE_CALLING = 32       # the shim will tell when its call is over
    TRACEE_QUIET = 64         # that end is not shown
    TRACEE_HELD = 128         # new, and stopped until its creator has told of it
    TRACEE_ANNOUNCED = 256    # new: its creator has told of it, but it has not stopped yet
    TRACEE_VFORKING = 512     # it waits for a child that uses its memory, and cannot be stopped
    TRACEE_EXITING = 1024     # it will not run again
    TRACEE_AWAITED = 2048     # it was told to stop
    TRACEE_QUEUED = 4096      # it has stopped, and that waits to be handled


cdef enum:
    REQUEST_SIZE = 24
    DATA_MAX = 32768          # bytes of memory in one message
    BREAKPOINTS = 256
    CALL_WORDS = 10           # 64 bits each: the last bit is for the numbers that no table has
    SIGNAL_WORDS = 3


# What is sent to the observer. The Python half is lsf/api/tracing.py.
cdef struct event_t:
    uint32_t kind
    uint32_t flags
    int32_t process, thread
    uint64_t time             # nanoseconds since 1970
    uint64_t number           # of the syscall or signal; the child's id; the exit status
    uint64_t arg[8]
    uint64_t value
    int64_t error


cdef struct request_t:
    uint32_t op
    uint32_t size
    uint64_t address
    uint64_t value
    uint8_t data[DATA_MAX]


cdef struct answer_t:
    int32_t error             # Linux's errno, 0 for success
    uint32_t size
    uint8_t data[DATA_MAX]


cdef struct config_t:
    uint32_t kinds            # bits of the kinds of event to show
    uint32_t follow           # children are observed too
    uint64_t entries[CALL_WORDS]
    uint64_t exits[CALL_WORDS]
    uint64_t signals[SIGNAL_WORDS]
    uint8_t from_linux[72]    # FreeBSD's signal for Linux's
    uint8_t to_linux[136]


cdef struct breakpoint_t:
    pid_t space               # 0 marks a free place
    uint8_t original          # the byte that the breakpoint replaces
    uint64_t address


cdef struct queued_t:
    pid_t pid
    int status


cdef struct observer_t:
    int control               # the socket to the observer, -1: nobody observes
    int life                  # a socket whose other end closes when the observer ends
    bint begun                # the first program has begun
    config_t config
    breakpoint_t breakpoints[BREAKPOINTS]
    uint32_t breakpoint_count
    queued_t *queue           # stops that were met while waiting for another
    uint32_t queue_first, queue_end, queue_size
    # the event that is shown now
    event_t event
    user_regs_struct regs
    bint has_regs             # and they are the guest's own
    bint regs_changed, changed, skipped
    request_t request
    answer_t answer


cdef struct tracee_t:
    pid_t pid                 # the thread's id; 0 marks a free slot
    uint32_t flags
    uint32_t stops            # syscall stops since the last look at the rates
    uint64_t vdso             # where the vDSO of its image lies, 0 where unknown
    uint64_t cpu_time         # of its process, at the last look at the rates, in ns
    # while somebody observes
    pid_t process             # the id of its process
    pid_t space               # by which its address space is known
    pid_t creator             # the process that made a tracee that is held
    int stop                  # the status with which a tracee that is held stopped
    uint64_t forgiven         # a breakpoint that is gone, at which it stood: it may have met it without having said so
    int fatal                 # the FreeBSD signal that kills it, where Linux has no number for it
    uint64_t number           # the call under way: its number, and the registers of the arguments
    uint64_t arg[6]
    uint64_t changed[7]       # and what the observer made of the arguments and the number


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
    observer_t observer


cdef tracee_t *find_tracee(supervisor_t *self, pid_t pid) noexcept nogil
cdef void handle(supervisor_t *self, pid_t pid, int status) noexcept nogil
cdef int supervise(supervisor_t *self) noexcept nogil

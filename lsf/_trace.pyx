"""The ptrace engine: a supervisor that leads the FreeBSD syscalls of its guests into the shim.

A seccomp filter lets every syscall pass whose instruction lies in the shim's window and stops every other. At that one
stop the supervisor cancels the Linux syscall and sets the guest's rip to the first byte of the window, with the
registers as a `syscall` instruction leaves them. What the call does is the shim's business; this file knows no FreeBSD
call, except the few by which a guest could see that it is pinned to a CPU.

Who is who
    `lsf` forks the supervisor, which lives in a session of its own and is nobody's job; the supervisor seizes `lsf`;
    then `lsf` installs the filter and becomes the first guest by execve. So the process that the shell started *is*
    the guest, as under the sud engine: terminal signals reach it once, stops and exit statuses go to its parent in the
    kernel's own way, and nothing is relayed. The supervisor ends with its last tracee. If it is killed,
    PTRACE_O_EXITKILL kills them all.

Images
    A process is a guest while its image is the shim. That is known from rip at PTRACE_EVENT_EXEC (the shim's ELF entry
    lies in the window), and for a new tracee from whether the window is mapped, so that it does not matter whether its
    first stop comes before or after its parent's event. Syscalls of any other image, and those of a guest's vDSO, are
    Linux's own and pass.

Privileges
    The filter is installed without no_new_privs where the caller may (CAP_SYS_ADMIN in its user namespace: root, and
    users inside `lsf --root`), else with it, and then no exec ever gains privileges. Without it the kernel still gives
    a traced program no new ids unless its supervisor has CAP_SYS_PTRACE. So a setuid program runs with its caller's
    ids under this engine unless root started it.

Pinning
    A stop is two switches between guest and supervisor: cheap on one CPU, many times dearer across two. `rebalance`
    decides who shares the supervisor's CPU; `answer` keeps that out of the guests' sight.

Observers
    While lsf.trace observes, `observe` (supervisor/*.pxi) takes the place of `handle`: it shows stops to the observer and
    does what that says, and it has a filter that also stops what the shim tells.
"""

from libc.errno cimport EACCES, ECHILD, EFAULT, EINTR, EINVAL, EIO, ENOENT, ENOMEM, ENOSPC, EPROTO, ESRCH, errno
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc, strtoul
from libc.string cimport memcmp, memcpy, memmove, memset, strlen, strstr
from posix.fcntl cimport O_CLOEXEC, O_DIRECTORY, O_RDONLY, O_RDWR, open
from posix.types cimport pid_t
from posix.unistd cimport _exit, chdir, close, fork, getpid, read, setsid, write

import os


cdef extern from * nogil:
    """
    #include <elf.h>
    #include <fcntl.h>
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <signal.h>
    #include <stddef.h>
    #include <sys/auxv.h>
    #include <sys/prctl.h>
    #include <sys/ptrace.h>
    #include <sys/resource.h>
    #include <sys/syscall.h>
    #include <sys/time.h>
    #include <sys/wait.h>
    #include <time.h>
    #include <unistd.h>

    #ifndef PR_SET_PTRACER
    #define PR_SET_PTRACER 0x59616d61
    #endif
    #ifndef SYS_close_range
    #define SYS_close_range 436
    #endif

    #define WINDOW_START 0x6ffff0000000UL
    #define WINDOW_SIZE 0x100000UL
    #define PATCH_ENTRY 0x400UL   /* from the window's start: PATCH_ENTRY_OFFSET of machine/amd64/layout.h */
    #define FOREIGN_ENTRY 0x580UL /* FOREIGN_ENTRY_OFFSET */
    #define AREAS_START 0x6ffff0140000UL  /* AREAS_BASE; up to HEAP_BASE lie the stacks of the shim */
    #define AREAS_END 0x700030800000UL
    #define CODE_64 0x33          /* selectors of Linux's 64-bit processes */
    #define DATA_64 0x2b

    /* instruction_pointer of struct seccomp_data, as the two words that a filter can load */
    #define IP_LOW (offsetof(struct seccomp_data, instruction_pointer))
    #define IP_HIGH (IP_LOW + 4)

    /* ALLOW where the window is, TRACE elsewhere. */
    static struct sock_filter window_filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_HIGH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WINDOW_START >> 32, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_LOW),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, WINDOW_START & 0xffffffffUL, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (WINDOW_START & 0xffffffffUL) + WINDOW_SIZE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
    };
    static struct sock_fprog window_program = {
        sizeof window_filter / sizeof window_filter[0], window_filter
    };

    /* clock_getcpuclockid() without its check: the clock of another process's CPU time */
    static inline clockid_t process_cpu_clock(pid_t pid) { return (clockid_t)(~(unsigned)pid << 3 | 2); }
    """
    const uint64_t WINDOW_START
    const uint64_t WINDOW_SIZE
    const uint64_t PATCH_ENTRY, FOREIGN_ENTRY, AREAS_START, AREAS_END, CODE_64, DATA_64

    enum:
        PTRACE_PEEKDATA, PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_GETEVENTMSG, PTRACE_SEIZE, PTRACE_LISTEN
        PTRACE_O_TRACESECCOMP, PTRACE_O_TRACEFORK, PTRACE_O_TRACEVFORK, PTRACE_O_TRACECLONE, PTRACE_O_TRACEEXEC
        PTRACE_O_EXITKILL
        PTRACE_EVENT_SECCOMP, PTRACE_EVENT_EXEC, PTRACE_EVENT_STOP, PTRACE_EVENT_CLONE
    long ptrace(int request, ...)

    enum:
        __WALL
    bint WIFSTOPPED(int)
    int WSTOPSIG(int)
    pid_t waitpid(pid_t, int *, int)

    enum:
        SIGALRM, SIGCHLD, SIGKILL, SIGTRAP, SIG_SETMASK, SA_NOCLDSTOP
    ctypedef void (*sighandler_t)(int) noexcept nogil
    sighandler_t SIG_DFL
    ctypedef struct sigset_t:
        pass
    struct sigaction_t "sigaction":
        sighandler_t sa_handler
        int sa_flags
    int sigaction(int, const sigaction_t *, sigaction_t *)
    int sigemptyset(sigset_t *)
    int sigprocmask(int, const sigset_t *, sigset_t *)
    enum:
        _NSIG

    enum:
        SYS_close_range, SYS_kill, SYS_ptrace, SYS_seccomp, SYS_tgkill
        SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW
        PR_SET_PTRACER, PR_SET_NO_NEW_PRIVS, PR_SET_NAME
    unsigned long PR_SET_PTRACER_ANY
    long syscall(long, ...)
    int prctl(int, ...)
    int pipe2(int *, int)
    int openat(int, const char *, int)
    struct sock_fprog:
        pass
    sock_fprog window_program

    ctypedef int clockid_t
    struct timespec:
        long tv_sec, tv_nsec
    int clock_gettime(clockid_t, timespec *)
    clockid_t process_cpu_clock(pid_t)
    struct timeval:
        long tv_sec, tv_usec
    struct itimerval:
        timeval it_interval, it_value
    int setitimer(int, const itimerval *, itimerval *)
    enum:
        ITIMER_REAL

    int sched_getcpu()
    int sched_getaffinity(pid_t, size_t, cpu_set_t *)
    int sched_setaffinity(pid_t, size_t, const cpu_set_t *)
    int CPU_COUNT(cpu_set_t *)
    bint CPU_EQUAL(cpu_set_t *, cpu_set_t *)
    void CPU_ZERO(cpu_set_t *)
    void CPU_SET(int, cpu_set_t *)

    enum:
        AT_SYSINFO_EHDR, PT_LOAD, RLIMIT_NOFILE
    unsigned long getauxval(unsigned long)
    struct elf_header "Elf64_Ehdr":
        unsigned long e_phoff
        uint16_t e_phnum
    ctypedef elf_header Elf64_Ehdr
    struct elf_segment "Elf64_Phdr":
        uint32_t p_type
        unsigned long p_vaddr, p_memsz
    ctypedef elf_segment Elf64_Phdr
    struct rlimit_t "rlimit":
        unsigned long rlim_cur
    int getrlimit(int, rlimit_t *)


cdef enum:
    EFLAGS_DF = 0x400             # a guest may call with the direction flag set; compiled code may not run with it

    FIRST_SLOTS = 64
    TICK_US = 10000               # how often the rates are looked at
    IDLE_TICK_US = 100000         # the same while nothing happened
    BUSY_STOPS = 50               # per tick: the guest lives on syscalls
    BUSY_NS = TICK_US * 1000 // 2  # per tick, with fewer stops than that: it computes

    # Calls that can tell a program on which CPUs it may run.
    FREEBSD_SYSCTL = 202
    FREEBSD_CPUSET_GETAFFINITY = 487
    FREEBSD_CPUSET_SETAFFINITY = 488
    FREEBSD_SYSCTLBYNAME = 570
    LINUX_SCHED_SETAFFINITY = 203


# ------------------------------------------------------------------ the table of tracees

cdef inline uint32_t home(const supervisor_t *self, pid_t pid) noexcept nogil:
    """The slot where a tracee is first looked for: pids are handed out in sequence, so they spread by themselves."""
    return <uint32_t>pid & (self.size - 1)


cdef tracee_t *find_tracee(supervisor_t *self, pid_t pid) noexcept nogil:
    cdef uint32_t i = home(self, pid)
    while self.slots[i].pid != 0:
        if self.slots[i].pid == pid:
            return &self.slots[i]
        i = (i + 1) & (self.size - 1)
    return NULL


cdef bint grow(supervisor_t *self) noexcept nogil:
    cdef tracee_t *old = self.slots
    cdef uint32_t old_size = self.size
    cdef uint32_t i, j
    cdef uint32_t size = old_size * 2 if old_size else FIRST_SLOTS
    cdef tracee_t *slots = <tracee_t *>calloc(size, sizeof(tracee_t))
    if slots == NULL:
        return False
    self.slots = slots
    self.size = size
    for i in range(old_size):
        if old[i].pid != 0:
            j = home(self, old[i].pid)
            while slots[j].pid != 0:
                j = (j + 1) & (size - 1)
            slots[j] = old[i]
    free(old)
    return True


cdef tracee_t *add_tracee(supervisor_t *self, pid_t pid) noexcept nogil:
    """A cleared slot for a tracee that is not in the table; NULL without memory."""
    cdef uint32_t i
    if (self.used + 1) * 4 > self.size * 3 and not grow(self) and self.used + 1 >= self.size:
        return NULL
    i = home(self, pid)
    while self.slots[i].pid != 0:
        i = (i + 1) & (self.size - 1)
    memset(&self.slots[i], 0, sizeof(tracee_t))
    self.slots[i].pid = pid
    self.used += 1
    return &self.slots[i]


cdef void remove_tracee(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """Free a slot and close the gap, so that probing needs no tombstones. Pointers into the table are void then."""
    cdef uint32_t mask = self.size - 1
    cdef uint32_t gap = <uint32_t>(tracee - self.slots)
    cdef uint32_t i = gap
    cdef uint32_t wanted
    forget_pin(self, tracee)
    while True:
        i = (i + 1) & mask
        if self.slots[i].pid == 0:
            break
        wanted = home(self, self.slots[i].pid)
        # It may move into the gap unless its home lies cyclically in (gap, i].
        if ((i - wanted) & mask) >= ((i - gap) & mask):
            self.slots[gap] = self.slots[i]
            gap = i
    self.slots[gap].pid = 0
    self.used -= 1


# ------------------------------------------------------------------ pinning

cdef volatile int ticked = 0      # set by SIGALRM


cdef void on_alarm(int signo) noexcept nogil:
    global ticked
    ticked = 1


cdef void set_timer(supervisor_t *self, long interval_us) noexcept nogil:
    """A SIGALRM each time this time has passed; 0 stops the timer. The signal's use is to end a waitpid: one that comes
    just before it does not, but the next one will."""
    cdef itimerval timer
    memset(&timer, 0, sizeof(timer))
    timer.it_value.tv_usec = interval_us
    timer.it_interval.tv_usec = interval_us
    setitimer(ITIMER_REAL, &timer, NULL)
    self.ticking = interval_us != 0


cdef void pin(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """Put a tracee on the supervisor's CPU, unless it has a CPU mask of its own making."""
    cdef cpu_set_t cpus
    if tracee.flags & TRACEE_PINNED:
        return
    if sched_getaffinity(tracee.pid, sizeof(cpus), &cpus) < 0 or not CPU_EQUAL(&cpus, &self.own_cpus):
        return
    if self.pinned == 0:
        CPU_ZERO(&self.one_cpu)
        CPU_SET(sched_getcpu(), &self.one_cpu)
        sched_setaffinity(0, sizeof(cpu_set_t), &self.one_cpu)
    if sched_setaffinity(tracee.pid, sizeof(cpu_set_t), &self.one_cpu) == 0:
        tracee.flags |= TRACEE_PINNED
        tracee.cpu_time = process_cpu_time(tracee.pid)
        self.pinned += 1
    elif self.pinned == 0:
        sched_setaffinity(0, sizeof(cpu_set_t), &self.own_cpus)


cdef void forget_pin(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """The tracee's end, or its release: where it was the last one, the supervisor has all CPUs again."""
    if tracee.flags & TRACEE_PINNED:
        tracee.flags &= ~<uint32_t>(TRACEE_PINNED | TRACEE_UNCOVERED)
        self.pinned -= 1
        if self.pinned == 0:
            sched_setaffinity(0, sizeof(cpu_set_t), &self.own_cpus)


cdef void unpin(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    if tracee.flags & TRACEE_PINNED:
        sched_setaffinity(tracee.pid, sizeof(cpu_set_t), &self.own_cpus)
        forget_pin(self, tracee)


cdef void stop_pinning(supervisor_t *self) noexcept nogil:
    """For good: a guest sets CPU masks itself, and from now on no mask can be told from ours."""
    cdef uint32_t i
    self.pinning = False
    for i in range(self.size):
        if self.slots[i].pid != 0:
            unpin(self, &self.slots[i])


cdef uint64_t process_cpu_time(pid_t pid) noexcept nogil:
    cdef timespec t
    if clock_gettime(process_cpu_clock(pid), &t) < 0:
        return 0
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef void rebalance(supervisor_t *self) noexcept nogil:
    """Look at what each tracee did since the last tick: who lives on syscalls is pinned, who computes is not.

    Only processes of one thread are pinned, for threads are there to run side by side; a process that makes one is
    released at once, and for good until it executes something. One that neither calls nor computes stays as it is: it
    is in nobody's way, and when it wakes (a shell, after each command) it is where it should be. New processes begin
    where their parent is, and the first guest begins pinned.
    """
    cdef uint32_t i
    cdef uint64_t now, used
    cdef bint active = False
    cdef tracee_t *tracee
    for i in range(self.size):
        tracee = &self.slots[i]
        if tracee.pid == 0:
            continue
        used = 0
        if tracee.flags & TRACEE_PINNED:
            now = process_cpu_time(tracee.pid)
            used = now - tracee.cpu_time
            tracee.cpu_time = now
            if tracee.stops < BUSY_STOPS and used > BUSY_NS:
                unpin(self, tracee)
        elif tracee.stops >= BUSY_STOPS and (tracee.flags & (TRACEE_GUEST | TRACEE_THREADED)) == TRACEE_GUEST:
            pin(self, tracee)
        active = active or tracee.stops != 0 or used != 0
        tracee.stops = 0
    # With one tracee pinned, or none, nobody can be in its way while it makes no call.
    set_timer(self, TICK_US if active else IDLE_TICK_US if self.pinned > 1 else 0)


cdef void keep_cpus_hidden(supervisor_t *self, tracee_t *tracee, uint64_t number) noexcept nogil:
    """Before a call: a program that asks on which CPUs it may run gets the true answer, not our pin."""
    if tracee.flags & TRACEE_UNCOVERED:
        tracee.flags &= ~<uint32_t>TRACEE_UNCOVERED
        sched_setaffinity(tracee.pid, sizeof(cpu_set_t), &self.one_cpu)
    if tracee.flags & TRACEE_GUEST:
        if number == FREEBSD_CPUSET_SETAFFINITY:
            stop_pinning(self)
        elif tracee.flags & TRACEE_PINNED and (number == FREEBSD_SYSCTL or number == FREEBSD_SYSCTLBYNAME
                                               or number == FREEBSD_CPUSET_GETAFFINITY):
            tracee.flags |= TRACEE_UNCOVERED
            sched_setaffinity(tracee.pid, sizeof(cpu_set_t), &self.own_cpus)
    elif number == LINUX_SCHED_SETAFFINITY:
        stop_pinning(self)        # Linux programs are never pinned, so they may read their mask


# ------------------------------------------------------------------ what a tracee is

cdef uint64_t own_vdso_size() noexcept nogil:
    """The length of the vDSO, which is one image for all 64-bit processes."""
    cdef unsigned long base = getauxval(AT_SYSINFO_EHDR)
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *>base
    cdef Elf64_Phdr *segment
    cdef uint64_t end = 0
    cdef int i
    if base == 0:
        return 0
    segment = <Elf64_Phdr *>(base + header.e_phoff)
    for i in range(header.e_phnum):
        if segment[i].p_type == PT_LOAD and segment[i].p_vaddr + segment[i].p_memsz > end:
            end = segment[i].p_vaddr + segment[i].p_memsz
    return (end + 4095) & ~<uint64_t>4095


cdef uint64_t find_vdso(supervisor_t *self, pid_t pid) noexcept nogil:
    """Where the vDSO of a tracee's image lies; 0 where that cannot be learnt."""
    cdef uint64_t auxv[96]        # pairs of type and value; Linux gives about 20
    cdef char name[32]
    cdef ssize_t length
    cdef int fd, i
    snprintf(name, sizeof(name), "%d/auxv", <int>pid)
    fd = openat(self.proc, name, O_RDONLY | O_CLOEXEC)
    if fd < 0:
        return 0
    length = read(fd, auxv, sizeof(auxv))
    close(fd)
    for i in range(0, <int>(length // 8) - 1, 2):
        if auxv[i] == AT_SYSINFO_EHDR:
            return auxv[i + 1]
    return 0


cdef tracee_t *adopt(supervisor_t *self, pid_t pid) noexcept nogil:
    """Take a new tracee, which is stopped, into the table: a forked child or a thread."""
    cdef tracee_t *tracee = add_tracee(self, pid)
    if tracee != NULL:
        examine(self, tracee)
    return tracee


cdef void examine(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """Learn what a tracee is, at its first stop."""
    cdef cpu_set_t cpus
    cdef long word
    cdef pid_t pid = tracee.pid
    # The raw call, for it keeps the word and the error apart.
    if syscall(SYS_ptrace, PTRACE_PEEKDATA, pid, WINDOW_START, &word) == 0:
        tracee.flags |= TRACEE_GUEST
        tracee.vdso = find_vdso(self, pid)
    # A thread's id names no process, unless it is the first one's.
    if syscall(SYS_tgkill, pid, pid, 0) < 0:
        tracee.flags |= TRACEE_THREADED
    if self.pinned and sched_getaffinity(pid, sizeof(cpus), &cpus) == 0 and CPU_EQUAL(&cpus, &self.one_cpu):
        tracee.flags |= TRACEE_PINNED
        self.pinned += 1
        if (tracee.flags & (TRACEE_GUEST | TRACEE_THREADED)) != TRACEE_GUEST:
            unpin(self, tracee)


cdef void after_exec(supervisor_t *self, pid_t pid) noexcept nogil:
    """Note what image a process has now. Its only thread has the process's id, whichever thread called exec."""
    cdef user_regs_struct regs
    cdef unsigned long former = 0
    cdef tracee_t *tracee
    if ptrace(PTRACE_GETEVENTMSG, pid, NULL, &former) == 0 and <pid_t>former != pid:
        tracee = find_tracee(self, <pid_t>former)
        if tracee != NULL:
            remove_tracee(self, tracee)
    tracee = find_tracee(self, pid)
    if tracee == NULL:
        tracee = adopt(self, pid)
    if tracee == NULL or ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0:
        return
    tracee.flags &= ~<uint32_t>(TRACEE_GUEST | TRACEE_THREADED)
    tracee.vdso = 0
    if regs.rip - WINDOW_START < WINDOW_SIZE:
        tracee.flags |= TRACEE_GUEST
        tracee.vdso = find_vdso(self, pid)
    else:
        unpin(self, tracee)


# ------------------------------------------------------------------ the loop

cdef bint second_trap(supervisor_t *self, const tracee_t *tracee, uint64_t rip) noexcept nogil:
    """Count a trap of a syscall site; True at the second, when the shim shall make a jump of it.

    The vDSO's address tells images apart well enough. Where a site's place in the table was lost to another's, it is
    counted anew: the shim finds then that it is patched, or refuses it again."""
    cdef uint64_t key = ((rip ^ (tracee.vdso << 17)) * 0x9e3779b97f4a7c15UL) | 1
    cdef uint64_t *slot = &self.sites[key >> 52]
    if slot[0] == key:
        slot[0] = key & ~1UL
        return True
    if slot[0] != key & ~1UL:
        slot[0] = key
    return False


cdef inline void count_stop(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    tracee.stops += 1
    if self.pinning and not self.ticking:
        set_timer(self, TICK_US)


cdef inline void redirect(user_regs_struct *regs, uint64_t place) noexcept nogil:
    """Instead of Linux's call, enter the shim at this place of the window, as if the call had just trapped.

    rip is behind the instruction already, and rax holds -ENOSYS. With orig_rax -1 there is no call to restart."""
    regs.rax = regs.orig_rax
    regs.orig_rax = <unsigned long long>-1
    regs.rcx = regs.rip
    regs.rip = WINDOW_START + place
    regs.eflags &= ~<unsigned long long>EFLAGS_DF


cdef inline bint is_vdso(supervisor_t *self, const tracee_t *tracee, const user_regs_struct *regs) noexcept nogil:
    """True for a call of the vDSO's that the shim called, on its stack. Who jumps there himself makes a call of FreeBSD's."""
    return (regs.rip - tracee.vdso < self.vdso_size and regs.cs == CODE_64
            and AREAS_START <= regs.rsp < AREAS_END)


cdef inline bint is_foreign(pid_t pid, user_regs_struct *regs) noexcept nogil:
    """True for a guest's call that is not by `syscall` in 64-bit code, and is answered: from 32-bit code it is the end (the
    shim says so). int 0x80 has its fourth argument in rcx, where `syscall` leaves the address behind itself: it is
    only put where the shim looks for it, and goes on as any other."""
    if regs.cs == CODE_64:
        if regs.rcx != regs.rip:
            regs.r10 = regs.rcx
        return False
    regs.cs = CODE_64
    regs.ss = DATA_64
    regs.orig_rax = <unsigned long long>-1
    regs.rip = WINDOW_START + FOREIGN_ENTRY
    ptrace(PTRACE_SETREGS, pid, NULL, regs)
    return True


cdef void answer(supervisor_t *self, tracee_t *tracee) noexcept nogil:
    """A syscall stop: lead a guest into the shim, and let anything else pass."""
    cdef user_regs_struct regs
    cdef pid_t pid = tracee.pid
    count_stop(self, tracee)
    if not tracee.flags & TRACEE_GUEST and not self.pinning:
        return
    if ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0:
        return                # killed meanwhile; its end is reported by waitpid
    if self.pinning:
        keep_cpus_hidden(self, tracee, regs.orig_rax)
    if not tracee.flags & TRACEE_GUEST or is_vdso(self, tracee, &regs):
        return
    if regs.rip - WINDOW_START < WINDOW_SIZE:
        regs.rax = regs.r10   # a call that ends, and whose observer has let go: shim_tells
        regs.orig_rax = <unsigned long long>-1
    elif is_foreign(pid, &regs):
        return
    else:
        redirect(&regs, PATCH_ENTRY if second_trap(self, tracee, regs.rip) else 0)
    ptrace(PTRACE_SETREGS, pid, NULL, &regs)


include "supervisor/protocol.pxi"
include "supervisor/breakpoints.pxi"
include "supervisor/calls.pxi"
include "supervisor/signals.pxi"
include "supervisor/processes.pxi"


cdef void handle(supervisor_t *self, pid_t pid, int status) noexcept nogil:
    """Answer one report of waitpid. A request that fails has met a tracee that was killed: its end will be reported."""
    cdef tracee_t *tracee = find_tracee(self, pid)
    cdef int event = status >> 16
    cdef int signo
    if not WIFSTOPPED(status):
        if tracee != NULL:
            remove_tracee(self, tracee)
        return
    if tracee == NULL and event != PTRACE_EVENT_EXEC:
        tracee = adopt(self, pid)
        if tracee == NULL:
            # Without memory for it, it cannot be led; unled, its FreeBSD calls would be Linux's.
            syscall(SYS_kill, pid, SIGKILL)
            return
    if tracee != NULL and tracee.flags & TRACEE_ANNOUNCED:
        tracee.flags &= ~<uint32_t>TRACEE_ANNOUNCED       # from the time when somebody observed
        examine(self, tracee)

    signo = 0
    if event == PTRACE_EVENT_SECCOMP:
        answer(self, tracee)
    elif event == 0:
        signo = WSTOPSIG(status)          # a signal on its way to the tracee
    elif event == PTRACE_EVENT_STOP:
        if WSTOPSIG(status) != SIGTRAP:
            # A group-stop: it stays stopped, as its parent sees it, and a SIGCONT is reported.
            ptrace(PTRACE_LISTEN, pid, NULL, NULL)
            return
    elif event == PTRACE_EVENT_EXEC:
        after_exec(self, pid)
    elif event == PTRACE_EVENT_CLONE:
        tracee.flags |= TRACEE_THREADED
        unpin(self, tracee)
    ptrace(PTRACE_CONT, pid, NULL, <void *><size_t>signo)


cdef int supervise(supervisor_t *self) noexcept nogil:
    """Serve tracees until none is left. Returns 0, or the errno that made waitpid fail."""
    global ticked
    cdef pid_t pid
    cdef int status, error
    while True:
        if not next_queued(self, &pid, &status):
            pid = waitpid(-1, &status, __WALL)
        if pid > 0:
            if self.observer.control >= 0:
                observe(self, pid, status)
            else:
                handle(self, pid, status)
        else:
            error = errno
            if error != EINTR:
                return 0 if error == ECHILD else error
        if ticked:
            ticked = 0
            rebalance(self)


# ------------------------------------------------------------------ the start

cdef void close_all(int but, int and_) noexcept nogil:
    """A supervisor that outlives its first guest may hold no pipe, terminal or file of anybody's, but the two
    sockets of an observer (-1: there is none)."""
    cdef rlimit_t limit
    cdef int fd, low = but if but < and_ else and_, high = and_ if but < and_ else but
    if low < 0 and syscall(SYS_close_range, 0, ~<unsigned int>0, 0) == 0:
        return
    if low >= 0 and syscall(SYS_close_range, high + 1, ~<unsigned int>0, 0) == 0:
        if low > 0:
            syscall(SYS_close_range, 0, low - 1, 0)
        if high > low + 1:
            syscall(SYS_close_range, low + 1, high - 1, 0)
        return
    # Linux before 5.9
    if getrlimit(RLIMIT_NOFILE, &limit) < 0 or limit.rlim_cur > 65536:
        limit.rlim_cur = 65536
    for fd in range(<int>limit.rlim_cur):
        if fd != low and fd != high:
            close(fd)


cdef void settle(supervisor_t *self) noexcept nogil:
    """Take nothing of the first guest's surroundings along but its CPU mask."""
    cdef sigaction_t action
    cdef sigset_t none
    cdef int signo
    memset(&action, 0, sizeof(action))
    action.sa_handler = SIG_DFL
    for signo in range(1, _NSIG):
        sigaction(signo, &action, NULL)
    action.sa_handler = on_alarm          # without SA_RESTART: it ends a waitpid
    sigaction(SIGALRM, &action, NULL)
    action.sa_handler = SIG_DFL
    action.sa_flags = SA_NOCLDSTOP        # else each stop costs the kernel a signal that nobody wants
    sigaction(SIGCHLD, &action, NULL)
    sigemptyset(&none)
    sigprocmask(SIG_SETMASK, &none, NULL)
    prctl(PR_SET_NAME, <const char *>b"lsf-supervisor")
    close_all(self.observer.control, self.observer.life)
    open(b"/dev/null", O_RDWR)
    open(b"/dev/null", O_RDWR)
    open(b"/dev/null", O_RDWR)
    chdir(b"/")


cdef void supervisor_main(pid_t first, int report, bint pinning, int control, int life) noexcept nogil:
    """The supervisor's life. Writes to `report` one int, 0 or an errno, when the first guest is seized or is not."""
    cdef supervisor_t self
    cdef tracee_t *tracee
    cdef int error = 0
    cdef size_t options = (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE
                           | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
    memset(&self, 0, sizeof(self))
    self.observer.control = control
    self.observer.life = life
    if not grow(&self):
        error = ENOMEM
    elif control >= 0:
        error = start_observing(&self)
        options |= PTRACE_O_TRACEEXIT | PTRACE_O_TRACEVFORKDONE
    if error == 0 and ptrace(PTRACE_SEIZE, first, NULL, <void *>options) < 0:
        error = errno
    write(report, &error, sizeof(error))
    if error:
        _exit(1)
    settle(&self)
    if control >= 0:
        watch_observer(&self)
    self.proc = open(b"/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    self.vdso_size = own_vdso_size()
    tracee = add_tracee(&self, first)
    tracee.process = first
    tracee.space = first
    if control >= 0:
        tracee.flags |= TRACEE_OBSERVED
    self.pinning = (pinning and sched_getaffinity(0, sizeof(cpu_set_t), &self.own_cpus) == 0
                    and CPU_COUNT(&self.own_cpus) > 1)
    if self.pinning:
        pin(&self, tracee)
    _exit(supervise(&self))


def start(*, bint pin=True, int control=-1, int life=-1):
    """Put this process, which must have one thread, under a supervisor of its own.

    pin: let guests that live on syscalls share the supervisor's CPU.
    control, life: the sockets of an observer, to which the supervisor shows what its guests do (supervisor/protocol.pxi).

    Raises OSError: EPERM where ptrace is not allowed or something else traces this process already.
    """
    cdef int report[2]
    cdef int error = 0
    cdef int status
    cdef pid_t me = getpid()
    cdef pid_t middle, supervisor
    cdef ssize_t length
    if pipe2(report, O_CLOEXEC) < 0:
        raise OSError(errno, os.strerror(errno))
    # Where Yama restricts ptrace to descendants, a process may name its tracer. It is taken back below.
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    # Two forks: the supervisor may not be a child of the guest, which would find it by wait().
    middle = fork()
    if middle == 0:
        setsid()
        supervisor = fork()
        if supervisor == 0:
            supervisor_main(me, report[1], pin, control, life)
        if supervisor < 0:
            error = errno
            write(report[1], &error, sizeof(error))
        _exit(0)
    error = errno if middle < 0 else 0
    close(report[1])
    if middle > 0:
        while waitpid(middle, &status, 0) < 0 and errno == EINTR:
            pass              # left alone, it would be a child that the guest finds
        while True:
            length = read(report[0], &error, sizeof(error))
            if length >= 0 or errno != EINTR:
                break
        if length != sizeof(error):
            error = EIO
    close(report[0])
    prctl(PR_SET_PTRACER, 0, 0, 0, 0)
    if error:
        raise OSError(error, os.strerror(error))


def install_filter(*, bint observed=False):
    """From now on every syscall of this process and its children outside the shim's window stops at the supervisor.

    observed: and those by which the shim tells an observer something (machine/watch/trace.pxi).
    Returns whether no_new_privs had to be set. Raises OSError.
    """
    cdef bint restricted = False
    cdef unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW
    cdef sock_fprog *program = &observed_program if observed else &window_program
    while syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) < 0:
        if errno == EINVAL and flags:
            flags = 0             # Linux before 4.17
        elif errno == EACCES and not restricted:
            if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
                raise OSError(errno, os.strerror(errno))
            restricted = True
        else:
            raise OSError(errno, os.strerror(errno))
    return restricted


cdef class TraceeTable:
    """The supervisor's table of tracees by itself, for tests: a set of process ids."""

    cdef supervisor_t supervisor

    def __cinit__(self):
        memset(&self.supervisor, 0, sizeof(self.supervisor))
        if not grow(&self.supervisor):
            raise MemoryError

    def __dealloc__(self):
        free(self.supervisor.slots)

    def __len__(self):
        return self.supervisor.used

    def __contains__(self, pid_t pid):
        return find_tracee(&self.supervisor, pid) != NULL

    def __iter__(self):
        cdef uint32_t i
        return iter([self.supervisor.slots[i].pid for i in range(self.supervisor.size) if self.supervisor.slots[i].pid])

    def add(self, pid_t pid):
        if pid not in self and add_tracee(&self.supervisor, pid) == NULL:
            raise MemoryError

    def discard(self, pid_t pid):
        cdef tracee_t *tracee = find_tracee(&self.supervisor, pid)
        if tracee != NULL:
            remove_tracee(&self.supervisor, tracee)

# ptrace(2): the page by which a guest that is traced and its tracer meet. Model: FreeBSD sys/kern/sys_process.c.
#
# The shim of the traced process stops it: its threads wait here, where FreeBSD's state of them is known, and what the tracer reads and
# sets is that state. Linux's ptrace is not used: it would show the shim, and a process has one such tracer at most, which under the
# engine `ptrace` is the supervisor. The page is a file of /dev/shm whose name says who traces whom, so that both find it, also over
# exec. It has a header and for each thread, by the number of its area, a slot with its registers while it is stopped.
#
# State goes from DEBUG_RUNS over DEBUG_STOPPING, while the one that reports makes the others stop, to DEBUG_STOPPED, by the
# tracee; and back by the tracer alone. A word of each kind is written by one side at a time; `resumed` is the futex that stopped threads
# sleep on. Signals tell: SIGBUS, which no guest blocks, with a siginfo that says what it is (as in cred_threads.pxi).

cdef enum:
    DEBUG_MAGIC = 0x6c736675            # and the layout's number
    DEBUG_RUNS = 0
    DEBUG_STOPPING = 1
    DEBUG_STOPPED = 2
    DEBUG_LEFT = 3                      # the tracer has let go
    DEBUG_HEADER = 4096                 # where the slots begin
    DEBUG_SLOT = 16384
    DEBUG_THREADS = 1024                # threads beyond are not traced
    DEBUG_GROWS = 8                     # slots that the file gets at once
    DEBUG_CODE = -1                     # SI_QUEUE
    DEBUG_NEWS = 0x4c534401             # si_errno of a SIGBUS: a tracee of the receiver's has stopped, or there is a new one
    DEBUG_HALT = 0x4c534402             # stop: another thread reports
    DEBUG_ATTACH = 0x4c534403           # the sender wants to trace the receiver
    DEBUG_RECORD = 0x4c534404           # the sender asks for records of the receiver's calls, or for no more (ktrace_others.pxi)

cdef struct debug_page_t:
    uint32_t magic
    int32_t pid, tracer, real_parent
    uint32_t state                      # DEBUG_RUNS, ...
    uint32_t waited                     # the tracer has seen the stop by a wait
    uint32_t resumed, parked            # counts, and futexes
    uint32_t reporter                   # the slot that has made the process stop, and 1; 0: none
    int32_t xsig                        # by which signal
    uint32_t events                     # PTRACE_
    uint32_t attaching                  # asked to be traced, and not stopped yet
    uint32_t stops                      # SIGSTOP was sent,
    uint32_t kills                      # SIGKILL, to a process that is stopped
    uint32_t slots                      # that the file has room for
    uint32_t ended                      # exit(2) was called
    int32_t status                      # with this status, as wait4(2) gives it
    int32_t first                       # the number by which the tracer knows the first thread; 0: its own
    uint32_t maps                       # PT_VM_TIMESTAMP

cdef struct debug_lwp_t:
    int32_t tid                         # 0: no thread
    uint32_t parked                     # it waits, and what follows is as it stands
    uint32_t reports                    # it has an event to report, or has reported it
    uint32_t flags                      # PL_FLAG_
    int32_t xsig                        # the signal that it goes on with: the tracer's answer
    uint32_t suspended
    uint32_t step                       # STEP_ of the tracer's
    uint32_t boundary                   # it stands where it would enter the program, or a call: it is in no sleep
    int32_t child
    uint32_t code, narg                 # of the call it is in, or was in last
    uint64_t args[8]
    uint64_t retval[2]
    int32_t error                       # of the call that is over, FreeBSD's
    uint32_t regs_set, vector_set, bases_set        # by the tracer
    uint64_t sigmask[2]
    uint64_t siglist[2]                 # pending for it, of those that Linux does not know
    uint64_t fsbase, gsbase
    uint64_t tlsbase                    # FreeBSD 15's, where
    uint32_t has_tlsbase                # one was set
    freebsd_reg regs
    freebsd_siginfo info
    char name[20]
    uint32_t kept_set                   # the tracer has set, at the beginning of a call, what its end finds in place:
    uint64_t kept[6]                    # rbx, rbp, r12 to r15
    uint32_t remote                     # REMOTE_: a call that this thread is to make where it stands (PT_SC_REMOTE),
    uint32_t remote_code
    uint64_t remote_args[8]
    int32_t remote_error                # and what came of it
    uint64_t remote_retval[2]
    uint64_t debug_registers[8]
    uint32_t vector_size
    uint8_t vector[XSTATE_MAX]


cdef inline debug_page_t *debug_page(process_t *proc) noexcept nogil:
    """The page of this process, NULL where nobody traces it."""
    return <debug_page_t *> proc.own.debugged


cdef inline debug_lwp_t *debug_slot(debug_page_t *page, uint32_t index) noexcept nogil:
    """The slot of an area; NULL where the file has none."""
    if index >= page.slots or index >= DEBUG_THREADS:
        return NULL
    return <debug_lwp_t *> (<uint64_t> page + DEBUG_HEADER + <uint64_t> index * DEBUG_SLOT)


cdef enum:
    LWP_FIRST = 0x20000000


cdef inline int lwp_shown(debug_page_t *page, int tid) noexcept nogil:
    """The number by which a tracer knows a thread. A process's first thread has the process's number on Linux; FreeBSD's threads have
    numbers of their own, and a tracer must be able to name it apart from the process: it has its number and LWP_FIRST. The thread
    that executes a program becomes the first one on Linux, and keeps its number on FreeBSD."""
    if tid == page.pid:
        return page.first if page.first else tid + LWP_FIRST
    return tid


cdef void debug_path(char *path, bint elsewhere, int tracer, int pid) noexcept nogil:
    """The file of a pair."""
    cdef uint64_t at = append_number(path, shared_path(path, elsewhere, b"ptrace."), SHARED_PATH, <uint64_t> tracer, 10)
    at = append(path, at, SHARED_PATH, b".")
    append_number(path, at, SHARED_PATH, <uint64_t> pid, 10)


cdef long debug_open(int tracer, int pid, uint64_t flags) noexcept nogil:
    """The file of a pair, where it is this user's or root's: a descriptor, or a negative errno. flags: LINUX_O_CREAT to make it."""
    cdef char path[SHARED_PATH]
    cdef linux_stat st
    cdef long fd = -LINUX_ENOENT
    cdef int attempt
    for attempt in range(SHARED_FOLDERS):
        debug_path(path, attempt != 0, tracer, pid)
        if flags & LINUX_O_CREAT:
            linux_syscall1(LINUX_SYS_unlink, <uint64_t> path)       # of one that had this number before
            flags |= LINUX_O_EXCL
        fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                            flags | LINUX_O_RDWR | LINUX_O_CLOEXEC | LINUX_O_NOFOLLOW, 0o600)
        if is_error(fd):
            continue
        if flags & LINUX_O_CREAT:
            return fd
        if linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 \
                and (st.st_uid == 0 or <long> st.st_uid == linux_syscall0(LINUX_SYS_geteuid)):
            if st.st_size != 0:
                return fd
            linux_syscall1(LINUX_SYS_close, fd)
            return -LINUX_ENOENT            # it is being made (debug_make): to touch a mapping of it would be SIGBUS
        linux_syscall1(LINUX_SYS_close, fd)
        fd = -LINUX_EACCES
    return fd


cdef long debug_open_of(const process_t *guest) noexcept nogil:
    """The file of a guest's page; an error where nobody traces it. One that was let go may not have noticed yet."""
    return debug_open(guest.own.debugger, guest.pid, 0) if guest.own.debugged else -LINUX_ENOENT


cdef bint is_debugged(const process_t *guest) noexcept nogil:
    """True for a guest that another one traces."""
    cdef long fd = debug_open_of(guest)
    if is_error(fd):
        return False
    linux_syscall1(LINUX_SYS_close, fd)
    return True


cdef void debug_unlink(int tracer, int pid) noexcept nogil:
    cdef char path[SHARED_PATH]
    debug_path(path, False, tracer, pid)
    linux_syscall1(LINUX_SYS_unlink, <uint64_t> path)
    debug_path(path, True, tracer, pid)
    linux_syscall1(LINUX_SYS_unlink, <uint64_t> path)


cdef inline uint64_t debug_size(uint32_t slots) noexcept nogil:
    return DEBUG_HEADER + <uint64_t> slots * DEBUG_SLOT


cdef bint debug_may_write(uint64_t size) noexcept nogil:
    """False where making a file so large would raise SIGXFSZ."""
    cdef linux_rlimit limit
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_FSIZE, 0, <uint64_t> &limit)
    return limit.rlim_cur >= size


cdef uint64_t debug_map_file(long fd, uint64_t at) noexcept nogil:
    """Map a page, all the slots that it can have, at an address that is its place already, or (0) a new one; 0 for a failure."""
    cdef uint64_t size = debug_size(DEBUG_THREADS)
    cdef long result
    if at == 0:
        at = map_memory(size)
        if at == 0:
            return 0
    result = linux_syscall6(LINUX_SYS_mmap, at, size, LINUX_PROT_READ | LINUX_PROT_WRITE,
                            LINUX_MAP_SHARED | LINUX_MAP_FIXED | LINUX_MAP_NORESERVE, <uint64_t> fd, 0)
    return 0 if is_error(result) else at


cdef long debug_extend(long fd, uint32_t slots) noexcept nogil:
    """Let the file have room for so many slots, of zeros, and never for less than it has, since threads may do so at once: 0 or an error.
    There is memory for them then (in a full /dev/shm to touch them would be SIGBUS), but on a file system that cannot set it aside."""
    cdef char zero = 0
    cdef uint64_t size = debug_size(slots)
    cdef long result = -LINUX_EINTR
    if not debug_may_write(size):
        return -LINUX_ENOMEM
    while result == -LINUX_EINTR:
        result = linux_syscall4(LINUX_SYS_fallocate, <uint64_t> fd, 0, 0, size)
    if result == -LINUX_EOPNOTSUPP or result == -LINUX_ENOSYS:
        # The last byte of a slot is nobody's.
        result = linux_syscall4(LINUX_SYS_pwrite64, <uint64_t> fd, <uint64_t> &zero, 1, size - 1)
    return result if is_error(result) else 0


cdef long debug_make(int tracer, int pid, uint32_t slots) noexcept nogil:
    """A new page for a pair: a descriptor, or a negative errno. The file is zeros."""
    cdef long fd
    if not debug_may_write(debug_size(slots)):
        return -LINUX_ENOMEM
    fd = debug_open(tracer, pid, LINUX_O_CREAT)
    if is_error(fd):
        return fd
    if is_error(debug_extend(fd, slots)):
        linux_syscall1(LINUX_SYS_close, fd)
        debug_unlink(tracer, pid)
        return -LINUX_ENOMEM
    return fd


cdef void debug_grow(process_t *proc, uint32_t index) noexcept nogil:
    """Let the page of this process have a slot for an area."""
    cdef debug_page_t *page = debug_page(proc)
    cdef uint32_t slots = index + DEBUG_GROWS if index + DEBUG_GROWS < DEBUG_THREADS else DEBUG_THREADS
    cdef uint32_t seen
    cdef long fd
    if page == NULL or index < atomic_load32(&page.slots) or index >= DEBUG_THREADS:
        return
    fd = debug_open(page.tracer, proc.pid, 0)
    if is_error(fd):
        return
    if not is_error(debug_extend(fd, slots)):
        seen = atomic_load32(&page.slots)
        while seen < slots and atomic_cas32(&page.slots, seen, slots) != seen:
            seen = atomic_load32(&page.slots)
    linux_syscall1(LINUX_SYS_close, fd)


cdef long debug_signal(int pid, int tid, int what, int value) noexcept nogil:
    """Send a process, or (tid) one of its threads, the SIGBUS that says `what`."""
    cdef linux_siginfo info
    memset(&info, 0, 128)
    info.si_signo = LINUX_SIGBUS
    info.si_code = DEBUG_CODE
    info.si_errno = what
    info.fields.kill.pid = SHIM.pid
    info.fields.kill.value = <uint32_t> value
    if tid:
        return linux_syscall4(LINUX_SYS_rt_tgsigqueueinfo, pid, tid, LINUX_SIGBUS, <uint64_t> &info)
    return linux_syscall3(LINUX_SYS_rt_sigqueueinfo, pid, LINUX_SIGBUS, <uint64_t> &info)


cdef bint is_debug_signal(linux_siginfo *info) noexcept nogil:
    return info.si_code == DEBUG_CODE and (info.si_errno == DEBUG_NEWS or info.si_errno == DEBUG_HALT
                                           or info.si_errno == DEBUG_ATTACH or info.si_errno == DEBUG_RECORD)


cdef void debug_tell(area_t *area, debug_page_t *page, int code) noexcept nogil:
    """Tell the tracer that something is to be waited for; with a code (CLD_) also by SIGCHLD, as childproc_stopped does."""
    if not is_guest(page.tracer):
        return
    debug_signal(page.tracer, 0, DEBUG_NEWS, 0)
    if code:
        debug_sigchld(page, code)


cdef void debug_sigchld(debug_page_t *page, int code) noexcept nogil:
    """The SIGCHLD of a stop."""
    cdef linux_siginfo info
    memset(&info, 0, 128)
    info.si_signo = lsf_signal_queued[FREEBSD_SIGCHLD]
    info.si_errno = RESENT_MAGIC | code
    info.si_code = -1
    info.fields.child.pid = page.pid
    info.fields.child.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
    info.fields.child.status = lsf_signal_to_linux[page.xsig]
    linux_syscall3(LINUX_SYS_rt_sigqueueinfo, page.tracer, info.si_signo, <uint64_t> &info)

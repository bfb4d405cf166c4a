# ktrace(2) and utrace(2): a process writes records of what it does to a file, which kdump(1) reads. Model: FreeBSD
# sys/kern/kern_ktrace.c, subr_syscall.c; the layouts are those of sys/ktrace.h of the release that is shown.
#
# Every call goes through the hook ktrace_call, as under --truss. A process traces itself, and its children where
# KTRFAC_INHERIT says so, over exec too (ktrace(1) sets itself and executes), and others where it may (ktrace_others.pxi). The file is open for
# appending, so that processes may share it; one that cannot be written any more ends the trace and not the program.

cdef enum:
    KTR_DATA = 4096                     # bytes of one transfer that are recorded (kern.ktrace.genio_size)
    KTR_ROOM = KTR_DATA + 256
    KTR_COMM = 20                       # MAXCOMLEN and the NUL
    KTR_HEADER_0 = 56                   # bytes of struct ktr_header_v0, and of the one since 14
    KTR_HEADER_1 = 64
    KTR_VERSIONED = 0x4000
    EJUSTRETURN = -2                    # what execve and sigreturn come to in the kernel
    KTR_SV_FLAGS = 0x200 | 9            # SV_LP64 and SV_ABI_FREEBSD (sys/sysent.h)
    KTR_OP = 3                          # the operation in ktrace's second argument
    TRAPNO_PAGE = 14                    # the processor's page fault,
    PAGE_WRITE = 2                      # and bits of its error
    PAGE_FETCH = 16
    VM_PROT_READ = 1                    # vm/vm.h
    VM_PROT_WRITE = 2
    VM_PROT_EXECUTE = 4
    KERN_INVALID_ADDRESS = 1            # vm/vm_param.h
    KERN_PROTECTION_FAILURE = 2
    KERN_OUT_OF_BOUNDS = 9

cdef struct ktr_record_t:
    uint64_t at                         # bytes in `bytes`, behind the header
    uint8_t bytes[KTR_ROOM]


# ------------------------------------------------------------------ records

cdef void ktr_add(ktr_record_t *record, const void *data, uint64_t size) noexcept nogil:
    if size <= KTR_ROOM - record.at:
        memcpy(&record.bytes[record.at], data, size)
        record.at += size


cdef void ktr_add_guest(ktr_record_t *record, uaddr data, uint64_t size) noexcept nogil:
    """As much of the guest's memory as is there and fits."""
    if size > KTR_ROOM - record.at:
        size = KTR_ROOM - record.at
    if copyin(data, &record.bytes[record.at], size) == 0:
        record.at += size


cdef void ktr_write(area_t *area, int type_, ktr_record_t *record) noexcept nogil:
    """Write a record, with its header before it."""
    cdef process_t *proc = area.proc
    cdef uint8_t text[KTR_HEADER_1 + KTR_ROOM]
    cdef freebsd_timespec now
    cdef uint64_t size = KTR_HEADER_1 if proc.own.osreldate >= FREEBSD_SINCE_KTR_VERSION else KTR_HEADER_0
    cdef long result
    memset(text, 0, KTR_HEADER_1)
    read_clock(proc, FREEBSD_CLOCK_REALTIME, &now)
    (<int32_t *> &text[0])[0] = <int32_t> record.at
    (<int16_t *> &text[4])[0] = <int16_t> type_
    (<int32_t *> &text[8])[0] = proc.pid
    append(<char *> &text[12], 0, KTR_COMM, proc.own.comm)
    (<int64_t *> &text[32])[0] = now.tv_sec
    (<int64_t *> &text[40])[0] = now.tv_nsec if size == KTR_HEADER_1 else now.tv_nsec // 1000
    (<int64_t *> &text[48])[0] = area.tid
    if size == KTR_HEADER_1:
        (<int16_t *> &text[4])[0] = <int16_t> (type_ | KTR_VERSIONED)
        (<int16_t *> &text[6])[0] = 1
    memcpy(&text[size], record.bytes, record.at)
    result = write_unnoticed(area, proc.record_fd, <const char *> text, size + record.at, False)
    if is_error(result):
        proc.own.ktrace_facs = 0


cdef void ktrace_all(process_t *proc, int fd) noexcept nogil:
    """From its start on this program, and what it starts, is recorded there: --ktrace, LSF_KTRACE."""
    proc.record_fd = fd
    proc.own.ktrace_facs = FREEBSD_KTRFAC_MASK | FREEBSD_KTRFAC_INHERIT


cdef inline bint ktr_wants(area_t *area, int type_) noexcept nogil:
    return area.proc.own.ktrace_facs >> type_ & 1


cdef void ktr_return(area_t *area, uint64_t nr, int error, uint64_t value) noexcept nogil:
    """KTR_SYSRET: error as the kernel has it, -1 for a call that is made again and EJUSTRETURN."""
    cdef ktr_record_t record
    cdef int16_t code[2]
    if not ktr_wants(area, FREEBSD_KTR_SYSRET):
        return
    record.at = 0
    code[0] = <int16_t> nr
    code[1] = 0
    ktr_add(&record, code, 4)
    ktr_add(&record, &error, 4)
    ktr_add(&record, &value, 8)
    ktr_write(area, FREEBSD_KTR_SYSRET, &record)


cdef void ktr_pieces(ktr_record_t *record, uaddr vector, uint64_t count, uint64_t left) noexcept nogil:
    cdef freebsd_iovec piece
    cdef uint64_t i, size
    for i in range(count):
        if left == 0 or record.at == KTR_ROOM or copyin(vector + i * sizeof(piece), &piece, sizeof(piece)) < 0:
            return
        size = piece.iov_len if piece.iov_len < left else left
        ktr_add_guest(record, piece.iov_base, size)
        left -= size


cdef bint ktr_not_begun(long result) noexcept nogil:
    """Errors of a call that writes before it has begun to (sys_write and its kin, kern_sendit), and EFAULT."""
    return (result == -LINUX_EBADF or result == -LINUX_EFAULT or result == -LINUX_EINVAL or result == -LINUX_ESPIPE
            or result == -LINUX_ENOTSOCK or result == -LINUX_ENAMETOOLONG
            or result == guest_error(FREEBSD_ENOTCAPABLE) or result == guest_error(FREEBSD_ECAPMODE))


cdef uint64_t ktr_asked(truss_t *call) noexcept nogil:
    """How many bytes a read or a write is to move."""
    cdef freebsd_iovec piece
    cdef uint64_t nr = call.nr, i, whole = 0
    if nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_writev or nr == FREEBSD_SYS_preadv or nr == FREEBSD_SYS_pwritev:
        for i in range(<uint32_t> call.arg[2]):
            if copyin(call.arg[1] + i * sizeof(piece), &piece, sizeof(piece)) < 0:
                break
            whole += piece.iov_len
        return whole
    return call.arg[2]


cdef void ktr_transfer(area_t *area, truss_t *call, long result) noexcept nogil:
    """KTR_GENIO: what a call has read or written; what it was to write where that failed."""
    cdef ktr_record_t record
    cdef freebsd_msghdr message
    cdef uint64_t nr = call.nr, size = <uint64_t> call.result
    cdef int32_t about[2]
    cdef bint messages = nr == FREEBSD_SYS_recvmsg or nr == FREEBSD_SYS_sendmsg
    cdef bint reads = nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_pread or nr == FREEBSD_SYS_preadv
    cdef bint receives = nr == FREEBSD_SYS_recvfrom or nr == FREEBSD_SYS_recvmsg
    cdef bint writes = (nr == FREEBSD_SYS_write or nr == FREEBSD_SYS_writev or nr == FREEBSD_SYS_pwrite or nr == FREEBSD_SYS_pwritev
                        or nr == FREEBSD_SYS_sendto or nr == FREEBSD_SYS_sendmsg)
    if not (reads or receives or writes) or not ktr_wants(area, FREEBSD_KTR_GENIO):
        return
    if call.failed and (not writes or ktr_not_begun(result)) or reads and ktr_asked(call) == 0:
        return
    if call.failed:
        size = KTR_DATA if messages else ktr_asked(call)
    if size > KTR_DATA:
        size = KTR_DATA
    about[0] = <int32_t> call.arg[0]
    about[1] = 1 if writes else 0
    record.at = 0
    ktr_add(&record, about, 8)
    if messages:
        if copyin(call.arg[1], &message, sizeof(message)) < 0:
            return
        ktr_pieces(&record, message.msg_iov, <uint32_t> message.msg_iovlen, size)
    elif nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_writev or nr == FREEBSD_SYS_preadv or nr == FREEBSD_SYS_pwritev:
        ktr_pieces(&record, call.arg[1], <uint32_t> call.arg[2], size)
    else:
        ktr_add_guest(&record, call.arg[1], size)
    ktr_write(area, FREEBSD_KTR_GENIO, &record)


cdef void ktr_signal(area_t *area, const freebsd_siginfo *info, uint64_t action, const linux_ucontext *uc) noexcept nogil:
    """KTR_PSIG: a signal is delivered to this function, or has its default effect (0). uc: where it is a fault's, which is told of before."""
    cdef ktr_record_t record
    cdef int32_t words[2]
    if uc != NULL and uc.uc_mcontext.trapno == TRAPNO_PAGE:
        ktr_fault(area, info, uc.uc_mcontext.cr2, uc.uc_mcontext.err)
    if not ktr_wants(area, FREEBSD_KTR_PSIG):
        return
    record.at = 0
    words[0] = info.si_signo
    words[1] = 0
    ktr_add(&record, words, 8)
    ktr_add(&record, &action, 8)
    words[0] = info.si_code
    ktr_add(&record, words, 4)
    ktr_add(&record, area.sigmask, 16)
    words[0] = 0
    ktr_add(&record, words, 4)
    ktr_write(area, FREEBSD_KTR_PSIG, &record)


cdef void ktr_fault(area_t *area, const freebsd_siginfo *info, uint64_t at, uint64_t error) noexcept nogil:
    """KTR_FAULT and KTR_FAULTEND (vm_fault_trap): a page fault that Linux has not mended. Of the others the shim never hears."""
    cdef ktr_record_t record
    cdef int32_t words[2]
    words[0] = VM_PROT_WRITE if error & PAGE_WRITE else VM_PROT_EXECUTE if error & PAGE_FETCH else VM_PROT_READ
    words[1] = 0
    record.at = 0
    ktr_add(&record, &at, 8)
    ktr_add(&record, words, 8)
    if ktr_wants(area, FREEBSD_KTR_FAULT):
        ktr_write(area, FREEBSD_KTR_FAULT, &record)
    words[0] = KERN_OUT_OF_BOUNDS if info.si_signo == FREEBSD_SIGBUS else \
        KERN_INVALID_ADDRESS if info.si_code == FREEBSD_SEGV_MAPERR else KERN_PROTECTION_FAILURE
    record.at = 0
    ktr_add(&record, words, 4)
    if ktr_wants(area, FREEBSD_KTR_FAULTEND):
        ktr_write(area, FREEBSD_KTR_FAULTEND, &record)


cdef void ktr_empty(area_t *area, int type_) noexcept nogil:
    """KTR_PROCCTOR, with the flags of the ABI (SV_ABI_FREEBSD, SV_LP64), or KTR_PROCDTOR, with nothing."""
    cdef ktr_record_t record
    cdef uint32_t flags = KTR_SV_FLAGS
    if not ktr_wants(area, type_):
        return
    record.at = 0
    if type_ == FREEBSD_KTR_PROCCTOR:
        ktr_add(&record, &flags, 4)
    ktr_write(area, type_, &record)


# ------------------------------------------------------------------ the hook

cdef void ktr_given(area_t *area, truss_t *call) noexcept nogil:
    """What a call is given."""
    ktr_exec(area, call)
    ktr_paths(area, call)
    ktr_arguments(area, call, False)
    ktr_local_path(area, call)


cdef bint kills_self(area_t *area, frame_t *frame) noexcept nogil:
    """The call is a SIGKILL for the process itself, after which it can write nothing. (Nothing is kept of who sent that.)"""
    cdef int to = <int> frame.arg[0]
    if <int> frame.arg[1] != FREEBSD_SIGKILL:
        return False
    if frame.nr == FREEBSD_SYS_kill:
        return kill_reaches_self(area.proc, to)
    return frame.nr == FREEBSD_SYS_thr_kill and frame.arg[0] == <uint64_t> area.tid


cdef long ktrace_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Run a call and record it."""
    cdef process_t *proc = area.proc
    cdef ktr_record_t record
    cdef truss_t call
    cdef freebsd_siginfo killed
    cdef int16_t words[4]
    cdef long result
    cdef int i, narg
    if not proc.own.ktrace_facs & FREEBSD_KTRFAC_MASK:
        return run_hooks(frame, area, rest)
    truss_begin(frame, &call)
    narg = call.call.narg if call.nr < GUEST_NSYSCALLS else 0       # nosys_sysent
    if ktr_wants(area, FREEBSD_KTR_SYSCALL):
        record.at = 0
        words[0] = <int16_t> call.nr
        words[1] = <int16_t> narg
        words[2] = 0
        words[3] = 0
        ktr_add(&record, words, 8)
        for i in range(narg):
            ktr_add(&record, &call.arg[i], 8)
        ktr_write(area, FREEBSD_KTR_SYSCALL, &record)
    if ktr_wants(area, FREEBSD_KTR_CAPFAIL):
        ktr_cap_call(area, frame, &call)
    if not proc.own.capmode or call.nr >= GUEST_NSYSCALLS or lsf_cap_enabled[call.nr]:
        ktr_given(area, &call)
    if call.nr == FREEBSD_SYS_exit:
        ktr_empty(area, FREEBSD_KTR_PROCDTOR)
        return run_hooks(frame, area, rest)
    if kills_self(area, frame):
        ktr_return(area, call.nr, 0, 0)
        memset(&killed, 0, sizeof(killed))
        killed.si_signo = FREEBSD_SIGKILL
        ktr_signal(area, &killed, 0, NULL)
        return run_hooks(frame, area, rest)
    if call.nr == FREEBSD_SYS_sigreturn:
        ktr_return(area, call.nr, EJUSTRETURN, 0)
        return run_hooks(frame, area, rest)
    result = run_hooks(frame, area, rest)
    if not proc.own.ktrace_facs & FREEBSD_KTRFAC_MASK:
        return result
    if area.own.cap_failed and result == guest_error(FREEBSD_ENOTCAPABLE) and ktr_wants(area, FREEBSD_KTR_CAPFAIL):
        ktr_cap_rights(area, call.nr, <int> area.own.cap_failed - 1)
    truss_result(area, &call, result)
    ktr_transfer(area, &call, result)
    if not call.failed:
        ktr_arguments(area, &call, True)
        if ktr_wants(area, FREEBSD_KTR_CAPFAIL):
            ktr_cap_paths(area, &call, True)
    if call.nr == FREEBSD_SYS_sigsuspend and area.deferred:
        area.own.ktr_late = 1           # kern_sigsuspend itself delivers what has ended it
        return result
    ktr_return(area, call.nr, call_error(area, result) if call.failed else 0, 0 if call.failed else <uint64_t> call.result)
    return result


cdef void ktrace_arm(process_t *proc, area_t *area) noexcept nogil:
    """Lead the calls of every thread through the hook, and have the signals seen that the program leaves to the system."""
    cdef int signo
    hook_add_everywhere(area, HOOK_RECORD, ktrace_call, lsf_lane_none)
    if not proc.own.ktrace_facs >> FREEBSD_KTR_PSIG & 1 or proc.own.traced:
        return
    proc.own.traced = 1
    for signo in range(1, SIGNAL_MAX + 1):
        if is_watched(proc, signo):
            know_handler(proc, signo)
            apply_disposition(proc, signo)


cdef void ktrace_start(process_t *proc, area_t *area) noexcept nogil:
    """A program begins that was executed by one that is traced."""
    if proc.record_fd < 0:
        return
    ktrace_arm(proc, area)
    ktr_return(area, FREEBSD_SYS_fexecve if proc.own.by_fexecve else FREEBSD_SYS_execve, EJUSTRETURN, 0)
    ktr_empty(area, FREEBSD_KTR_PROCCTOR)


cdef void ktrace_after_fork(area_t *area) noexcept nogil:
    """In a child: it is traced where KTRFAC_INHERIT says so (ktrprocfork)."""
    cdef process_t *proc = area.proc
    if proc.record_fd < 0:
        return
    if proc.own.ktrace_facs & FREEBSD_KTRFAC_INHERIT:
        ktr_empty(area, FREEBSD_KTR_PROCCTOR)
        return
    proc.own.ktrace_facs = 0
    ktrace_close(proc)


cdef void ktrace_close(process_t *proc) noexcept nogil:
    """(The number is given back before the descriptor is closed: nobody then takes another's file for it.)"""
    cdef int fd = proc.record_fd
    proc.record_fd = -1
    if fd >= 0:
        linux_syscall1(LINUX_SYS_close, fd)


# ------------------------------------------------------------------ ktrace(2), utrace(2)

cdef long ktrace_file(area_t *area, uaddr path) noexcept nogil:
    """Open the file of the records: a hidden descriptor or a negative errno."""
    cdef linux_stat st
    cdef long fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, path,
                                  LINUX_O_RDWR | LINUX_O_APPEND | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK, 0)
    if is_error(fd):
        return -LINUX_EMLINK if fd == -LINUX_ELOOP else fd
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)) or st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_EACCES
    return hide_descriptor(<int> fd, True)


cdef bint is_same_file(int fd, int other) noexcept nogil:
    cdef linux_stat st
    cdef linux_stat st2
    return (linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 and linux_syscall2(LINUX_SYS_fstat, other, <uint64_t> &st2) == 0
            and is_one_file(&st, &st2))


cdef void ktrace_set(area_t *area, int fd, uint32_t facs) noexcept nogil:
    """Record to this file, a hidden descriptor, from now on."""
    cdef process_t *proc = area.proc
    ktrace_close(proc)
    proc.record_fd = fd
    proc.own.ktrace_facs |= facs
    ktr_empty(area, FREEBSD_KTR_PROCCTOR)
    ktrace_arm(proc, area)


cdef long ktrace_self(area_t *area, uint32_t op, int fd, uint32_t facs) noexcept nogil:
    """ktrops for the caller: 0, or -EMFILE. The descriptor stays its giver's."""
    cdef bint root = linux_syscall0(LINUX_SYS_geteuid) == 0
    cdef long copy
    if op == FREEBSD_KTROP_CLEAR:
        ktrace_clear(area.proc, facs)
        return 0
    copy = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD_CLOEXEC, 3)
    if is_error(copy):
        return copy
    ktrace_set(area, hide_descriptor(<int> copy, True), facs | (<uint32_t> FREEBSD_KTRFAC_ROOT if root else 0))
    return 0


cdef public long sys_ktrace(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t op = <uint32_t> frame.arg[1] & KTR_OP
    cdef uint32_t facs = <uint32_t> frame.arg[2] & ~<uint32_t> FREEBSD_KTRFAC_ROOT
    cdef bint descends = frame.arg[1] & FREEBSD_KTRFLAG_DESCEND != 0
    cdef int pid = <int> frame.arg[3]
    cdef long fd = -1, result
    cdef bint before = area.proc.own.ktrace_facs & FREEBSD_KTRFAC_MASK != 0
    if op != FREEBSD_KTROP_CLEARFILE and facs == 0:
        return -LINUX_EINVAL
    if op != FREEBSD_KTROP_CLEAR:
        fd = ktrace_file(area, frame.arg[0])
        if fd < 0:
            return fd
    if op == FREEBSD_KTROP_CLEARFILE:
        result = ktrace_file_cleared(area, <int> fd)
    else:
        # What is no operation opens the file, and clears the points.
        result = ktrace_others(area, FREEBSD_KTROP_CLEAR if op == KTR_OP else op, <int> fd, facs, pid, descends)
    if fd >= 0:
        linux_syscall1(LINUX_SYS_close, fd)
    if not before:
        ktr_return(area, FREEBSD_SYS_ktrace, 0, 0)      # of the call that the trace begins with (only where it did)
    return result


cdef void ktrace_clear(process_t *proc, uint32_t facs) noexcept nogil:
    """The hook stays, and lets everything pass."""
    proc.own.ktrace_facs &= ~facs
    if not proc.own.ktrace_facs & FREEBSD_KTRFAC_MASK:
        proc.own.ktrace_facs = 0
        ktrace_close(proc)


cdef public long sys_utrace(frame_t *frame, area_t *area) noexcept nogil:
    cdef ktr_record_t record
    cdef uint64_t size = frame.arg[1]
    if not ktr_wants(area, FREEBSD_KTR_USER):
        return 0
    if size > FREEBSD_KTR_USER_MAXLEN:
        return -LINUX_EINVAL
    record.at = size
    if copyin(frame.arg[0], record.bytes, size) < 0:
        return -LINUX_EFAULT
    ktr_write(area, FREEBSD_KTR_USER, &record)
    return 0

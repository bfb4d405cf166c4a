# ktrace(2) of other processes. Model: FreeBSD sys/kern/kern_ktrace.c (sys_ktrace, ktrsetchildren, ktrops, ktrcanset).
#
# A guest is asked: the caller writes what is wanted into its struct process and sends it the SIGBUS by which guests talk (debug_signal). It
# opens the caller's file by the caller's descriptor, which is there until it has answered; so the file may be in another view of the file
# system. Who is stopped by job control does so when it goes on, and finds the file by its name if the caller has gone. Who does not answer is
# left as it is.

cdef enum:
    RECORD_WHOM = 256                   # as many processes are asked at once
    RECORD_LOOKS = 1000                 # and each so often, a millisecond between, whether it has answered;
    RECORD_STOPPED = 40                 # after so many one that is stopped is left to do it later;
    RECORD_AGAIN = 20                   # after so many it is asked again: the signal may have met a handler of the shim's, which lets it pass


cdef void record_path(char *path, int pid, int fd) noexcept nogil:
    """A name for another process's descriptor (64 bytes)."""
    proc_path(path, 64, pid, b"fd/")
    append_number(path, string_length(path), 64, <uint32_t> fd, 10)


cdef void record_know(record_file_t *file, int fd) noexcept nogil:
    """Put down which file a descriptor is; one with too long a name has none."""
    cdef char path[64]
    cdef linux_stat st
    cdef long length
    memset(file, 0, sizeof(record_file_t))
    record_path(path, SHIM.pid, fd)
    length = linux_syscall3(LINUX_SYS_readlink, <uint64_t> path, <uint64_t> file.path, sizeof(file.path))
    if length <= 0 or length >= <long> sizeof(file.path):
        file.path[0] = 0
    elif linux_syscall2(LINUX_SYS_fstat, <uint64_t> fd, <uint64_t> &st) == 0:
        file.device = st.st_dev
        file.inode = st.st_ino


cdef long record_open(const char *path, const record_file_t *file) noexcept nogil:
    """Open a file to record to, if it is that one."""
    cdef linux_stat st
    cdef long fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                                  LINUX_O_RDWR | LINUX_O_APPEND | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK, 0)
    if not is_error(fd) and (linux_syscall2(LINUX_SYS_fstat, <uint64_t> fd, <uint64_t> &st) != 0 or st.st_dev != file.device
                             or st.st_ino != file.inode):
        linux_syscall1(LINUX_SYS_close, <uint64_t> fd)
        return -LINUX_ENOENT
    return fd


cdef void record_answer(area_t *area) noexcept nogil:
    """In who was asked, before it goes on in the guest: do it, and say so by asker 0."""
    cdef process_t *proc = area.proc
    cdef record_asked_t *asked = &proc.own.record_asked
    cdef char path[64]
    cdef long fd
    if atomic_swap32(&asked.state, 0) == 0:
        return
    record_path(path, asked.asker, asked.fd)
    asked.error = 0
    if asked.op == FREEBSD_KTROP_CLEAR:
        ktrace_clear(proc, asked.facs)
    else:
        fd = record_open(path, &proc.last.record_file)
        if is_error(fd) and proc.last.record_file.path[0]:
            fd = record_open(proc.last.record_file.path, &proc.last.record_file)
        if is_error(fd):
            asked.error = 1
        elif asked.op == FREEBSD_KTROP_SET:
            ktrace_set(area, hide_descriptor(<int> fd, True), asked.facs)
        else:
            if proc.record_fd >= 0 and is_same_file(<int> fd, proc.record_fd):
                ktrace_clear(proc, ~<uint32_t> 0)
            linux_syscall1(LINUX_SYS_close, fd)
    atomic_store32(<uint32_t *> &asked.asker, 0)


cdef bint record_look(int pid, record_asked_t *asked, bint writes) noexcept nogil:
    return guest_move(pid, asked, &SHIM.own.record_asked, sizeof(record_asked_t), writes)


cdef bint record_later(int pid, uint32_t op, const record_file_t *file) noexcept nogil:
    """A process is stopped by job control (or, under the engine `ptrace`, so that it looks like it), and can be left to do it later."""
    cdef proc_stat_t stat
    return (op == FREEBSD_KTROP_CLEAR or file.path[0] != 0) and proc_stat(pid, &stat) == 0 and (stat.state == c'T' or stat.state == c't')


cdef bint record_allowed(area_t *area, int pid) noexcept nogil:
    """ktrcanset: p_candebug, which asks of memory what Linux asks, and PROC_TRACE_CTL; what root has set is root's to change."""
    cdef process_t *guest = guest_process(area, pid)
    cdef bint root = linux_syscall0(LINUX_SYS_geteuid) == 0
    cdef bint allowed = guest != NULL and (root or (guest.own.ctl[CTL_TRACE] == 0 and not guest.own.ktrace_facs & FREEBSD_KTRFAC_ROOT))
    release_guest(area, guest)
    return allowed


cdef bint record_ask(area_t *area, int pid, uint32_t op, int fd, uint32_t facs) noexcept nogil:
    """ktrops for one process: whether it has done what it was asked."""
    cdef record_asked_t asked
    cdef record_file_t file
    cdef int looks
    if not record_allowed(area, pid):
        return False
    if pid == area.proc.pid:
        return ktrace_self(area, op, fd, facs) == 0
    if op == FREEBSD_KTROP_SET and record_look(pid, &asked, False) and asked.state and asked.op == FREEBSD_KTROP_SET:
        facs |= asked.facs              # it is stopped, and has not done that yet
    memset(&asked, 0, sizeof(asked))
    asked.state = 1
    asked.asker = area.proc.pid
    asked.op = op
    asked.fd = fd
    asked.facs = facs | (<uint32_t> FREEBSD_KTRFAC_ROOT if op == FREEBSD_KTROP_SET and linux_syscall0(LINUX_SYS_geteuid) == 0 else 0)
    record_know(&file, fd)
    if not guest_move(pid, &file, &SHIM.last.record_file, sizeof(file), True) or not record_look(pid, &asked, True) \
            or is_error(debug_signal(pid, 0, DEBUG_RECORD, 0)):
        return False
    for looks in range(RECORD_LOOKS):
        if not record_look(pid, &asked, False):
            return False
        if asked.asker != area.proc.pid:
            return asked.error == 0
        if looks % RECORD_STOPPED == RECORD_STOPPED - 1 and record_later(pid, op, &file):
            return True
        if looks % RECORD_AGAIN == RECORD_AGAIN - 1:
            debug_signal(pid, 0, DEBUG_RECORD, 0)
        pause(1000000)
    asked.state = 0
    asked.asker = 0
    record_look(pid, &asked, True)
    return False


cdef uint32_t record_whom(int pid, bint descends, int32_t *list_) noexcept nogil:
    """The processes that a number means, a group's where it is below 0, and with them those that come from them."""
    cdef proc_walk_t walk
    cdef proc_stat_t stat
    cdef uint32_t count = 0, before = RECORD_WHOM + 1, i
    cdef int other
    if pid > 0:
        list_[0] = pid
        count = 1
    while count != before and count < RECORD_WHOM and walk_begin(&walk, b"/proc") == 0:
        before = count
        while (other := walk_next(&walk)) >= 0:
            if count == RECORD_WHOM or proc_stat(other, &stat) < 0:
                continue
            for i in range(count):
                if list_[i] == other:
                    break
            else:
                if pid < 0 and stat.pgrp == -pid:
                    list_[count] = other
                    count += 1
                    continue
                for i in range(count if descends else 0):
                    if list_[i] == stat.ppid:
                        list_[count] = other
                        count += 1
                        break
        if not descends:
            break
    return count


cdef long ktrace_others(area_t *area, uint32_t op, int fd, uint32_t facs, int pid, bint descends) noexcept nogil:
    """Ask everybody who is meant: 0 where somebody has done it, else -ESRCH or -EPERM."""
    cdef int32_t whom[RECORD_WHOM]
    cdef uint32_t i, count
    cdef bint done = False
    if pid == 0:
        return -LINUX_EPERM             # FreeBSD's kernel itself, which only root may trace
    if linux_syscall2(LINUX_SYS_kill, <uint64_t> <int64_t> pid, 0) == -LINUX_ESRCH:
        return -LINUX_ESRCH
    count = record_whom(pid, descends, whom)
    for i in range(count):
        if record_ask(area, whom[i], op, fd, facs):
            done = True
    return 0 if done else -LINUX_EPERM


cdef long ktrace_file_cleared(area_t *area, int fd) noexcept nogil:
    """KTROP_CLEARFILE: everybody who records to a file stops; -EPERM where somebody is out of reach."""
    cdef proc_walk_t walk
    cdef process_t *guest
    cdef linux_stat st
    cdef char path[64]
    cdef long result = 0
    cdef int pid, record
    if area.proc.record_fd >= 0 and is_same_file(fd, area.proc.record_fd):
        ktrace_clear(area.proc, ~<uint32_t> 0)
    if walk_begin(&walk, b"/proc") < 0:
        return 0
    while (pid := walk_next(&walk)) >= 0:
        if pid == area.proc.pid or not is_guest(pid):
            continue
        guest = other_guest(area, pid)
        record = guest.record_fd if guest != NULL else -1
        release_guest(area, guest)
        if record < 0:
            continue
        record_path(path, pid, record)
        if linux_syscall2(LINUX_SYS_stat, <uint64_t> path, <uint64_t> &st) == 0 and record_is(fd, &st) \
                and not record_ask(area, pid, FREEBSD_KTROP_CLEARFILE, fd, 0):
            result = -LINUX_EPERM
    return result


cdef bint record_is(int fd, const linux_stat *other) noexcept nogil:
    cdef linux_stat st
    return linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 and is_one_file(&st, other)

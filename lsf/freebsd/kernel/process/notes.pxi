# What a watched process tells: that it forked, executed, ended. Who watches is event/filter_notes.pxi. Model: FreeBSD
# sys/kern/kern_event.c (knote_fork), kern_exec.c (do_execve).
#
# Word of it has to reach processes of other families, which share no memory, and must cost nothing where nobody watches. So who
# watches sets a limit of the watched process that FreeBSD does not have and Linux gives no meaning for ordinary threads
# (RLIMIT_RTTIME, of which it leaves the hard one alone) to a key. Children inherit it, and programs that are executed, so that
# tracking (NOTE_TRACK) misses nothing. The key names a file to which records are appended, and which inotify watches for the
# watcher. A fork and a start ask for the limit, one call of 0.1 us.

cdef enum:
    NOTES_MAGIC = 0x2c53                # in the key's upper 16 bits; the rest is the number that the file is called
    NOTES_FILE_LIMIT = 1 << 20          # a process that may write no files so large tells nothing: the write would kill it
    NOTE_RECORD_FORK = 1
    NOTE_RECORD_EXEC = 2
    NOTE_RECORD_EXIT = 3
    NOTES_PATIENCE = 1000               # milliseconds until a parent waits no more for its child to tell

cdef struct note_record_t:
    int32_t kind, pid
    int32_t parent                      # FORK: who forked
    int32_t status                      # EXIT: as wait4(2) gives it


cdef uint64_t notes_key(int pid) noexcept nogil:
    """The key by which a process (0: this one) is watched, or 0."""
    cdef linux_rlimit limit
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, pid, LINUX_RLIMIT_RTTIME, 0, <uint64_t> &limit)
    return limit.rlim_cur if limit.rlim_cur >> 48 == NOTES_MAGIC else 0


cdef void notes_path(char *path, bint elsewhere, uint64_t number) noexcept nogil:
    """The file of a number, in this user's folder of them."""
    cdef uint64_t at = private_path(path, elsewhere, b"notes.")
    at = append(path, at, SHARED_PATH, b"/")
    append_number(path, at, SHARED_PATH, number, 10)


cdef long notes_open(uint64_t key, uint64_t flags) noexcept nogil:
    """The file of a key: a descriptor, or a negative errno."""
    cdef char path[SHARED_PATH]
    cdef linux_stat st
    cdef long fd = -LINUX_ENOENT
    cdef int attempt
    for attempt in range(SHARED_FOLDERS):
        notes_path(path, attempt != 0, key & 0x7fffffff)
        fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                            flags | LINUX_O_CLOEXEC | LINUX_O_NOFOLLOW, 0)
        if not is_error(fd):
            if linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 \
                    and <long> st.st_uid == linux_syscall0(LINUX_SYS_geteuid) and st.st_nlink != 0:
                return fd
            linux_syscall1(LINUX_SYS_close, fd)
            fd = -LINUX_ENOENT
    return fd


cdef void notes_tell(uint64_t key, int kind, int pid, int parent, int status) noexcept nogil:
    """Append a record, if somebody still reads."""
    cdef note_record_t record
    cdef linux_rlimit limit
    cdef long fd
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_FSIZE, 0, <uint64_t> &limit)
    if limit.rlim_cur < NOTES_FILE_LIMIT:
        return
    fd = notes_open(key, LINUX_O_WRONLY | LINUX_O_APPEND)
    if is_error(fd):
        return
    record.kind = kind
    record.pid = pid
    record.parent = parent
    record.status = status
    linux_syscall3(LINUX_SYS_write, fd, <uint64_t> &record, sizeof(record))
    linux_syscall1(LINUX_SYS_close, fd)


cdef void notes_started(process_t *proc) noexcept nogil:
    """A program begins: execve succeeded."""
    proc.own.notes = notes_key(0)
    if proc.own.notes:
        notes_tell(proc.own.notes, NOTE_RECORD_EXEC, proc.pid, 0, 0)


cdef void notes_executes_linux(process_t *proc) noexcept nogil:
    """A Linux program, which tells nothing, is about to take this process over."""
    cdef uint64_t key = notes_key(0)
    if key:
        notes_tell(key, NOTE_RECORD_EXEC, proc.pid, 0, 0)


cdef void notes_exits(process_t *proc, int status) noexcept nogil:
    """What a watcher that has not seen this process in time knows by nothing else."""
    if proc.own.notes:
        notes_tell(proc.own.notes, NOTE_RECORD_EXIT, proc.pid, 0, (status & 0xff) << 8)


# The child tells of a fork, so that its own notes come behind that. The parent's fork ends when it has.

cdef void notes_before_fork(process_t *proc, int *ends) noexcept nogil:
    """ends: a pipe by which the parent learns that the child has told; -1 where nobody watches."""
    ends[0] = -1
    ends[1] = -1
    proc.own.notes = notes_key(0)
    if proc.own.notes and is_error(linux_syscall2(LINUX_SYS_pipe2, <uint64_t> ends, LINUX_O_CLOEXEC)):
        ends[0] = -1
        ends[1] = -1


cdef void notes_after_fork(process_t *proc, int parent, const int *ends, bint child) noexcept nogil:
    """In both. parent: who forked."""
    cdef linux_pollfd one
    if not proc.own.notes:
        return
    if child:
        notes_tell(proc.own.notes, NOTE_RECORD_FORK, proc.pid, parent, 0)
        if ends[1] >= 0:
            linux_syscall3(LINUX_SYS_write, ends[1], <uint64_t> <const char *> b"", 1)
    elif ends[1] >= 0:
        linux_syscall1(LINUX_SYS_close, ends[1])
        one.fd = ends[0]
        one.events = LINUX_POLLIN
        one.revents = 0
        linux_syscall3(LINUX_SYS_poll, <uint64_t> &one, 1, NOTES_PATIENCE)
    if ends[0] >= 0:
        linux_syscall1(LINUX_SYS_close, ends[0])
        if child:
            linux_syscall1(LINUX_SYS_close, ends[1])

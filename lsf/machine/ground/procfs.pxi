# Reading Linux's /proc: what it says of processes. In a root without /proc these answer -ENOENT, and whoever asks says
# what it knows without.

# The fields of /proc/PID/stat that a personality asks for.
cdef struct proc_stat_t:
    int pid, ppid, pgrp, session, tty, tpgid, threads, cpu
    uint32_t flags
    char state
    char comm[20]
    int64_t minflt, cminflt, majflt, cmajflt
    int64_t utime, stime, cutime, cstime    # ticks, 100 a second
    int64_t nice, start                     # start: ticks since boot
    uint64_t vsize, rss                     # bytes, pages

# A walk over the numbers in a folder of /proc.
cdef struct proc_walk_t:
    long fd
    long at, got
    unsigned char buffer[2048]


cdef long read_file(const char *path, char *buffer, uint64_t size) noexcept nogil:
    """A file's beginning, NUL-terminated: its length, or a negative errno."""
    cdef long fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_CLOEXEC, 0), got
    cdef uint64_t at = 0
    if is_error(fd):
        return fd
    while at + 1 < size:
        got = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> buffer + at, size - 1 - at)
        if got <= 0:
            break
        at += got
    linux_syscall1(LINUX_SYS_close, fd)
    buffer[at] = 0
    return at


cdef const char *find_text(const char *text, const char *wanted) noexcept nogil:
    """What follows the first line that starts with `wanted`; NULL when none does."""
    while text[0] != 0:
        if string_starts(text, wanted):
            return text + string_length(wanted)
        while text[0] != 0 and text[0] != c'\n':
            text += 1
        if text[0] == c'\n':
            text += 1
    return NULL


cdef void proc_path(char *path, uint64_t size, int pid, const char *name) noexcept nogil:
    """/proc/PID/NAME."""
    cdef uint64_t at = append(path, 0, size, b"/proc/")
    at = append_number(path, at, size, <uint32_t> pid, 10)
    at = append(path, at, size, b"/")
    append(path, at, size, name)


cdef long proc_read(int pid, const char *name, char *buffer, uint64_t size) noexcept nogil:
    """The beginning of a file of a process, NUL-terminated: its length or a negative errno, -ESRCH for no process."""
    cdef char path[64]
    cdef long got
    proc_path(path, sizeof(path), pid, name)
    got = read_file(path, buffer, size)
    return -LINUX_ESRCH if got == -LINUX_ENOENT else got


cdef long proc_link(int pid, const char *name, char *buffer, uint64_t size) noexcept nogil:
    """Where a link of a process leads, NUL-terminated: the length or a negative errno."""
    cdef char path[64]
    cdef long got
    proc_path(path, sizeof(path), pid, name)
    got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> path, <uint64_t> buffer, size - 1)
    if is_error(got):
        return -LINUX_ESRCH if got == -LINUX_ENOENT else got
    buffer[got] = 0
    return got


cdef long proc_stat_parse(char *text, proc_stat_t *out) noexcept nogil:
    """Parse a line of /proc/PID/stat: 0, or -ESRCH for what is none. The name may hold blanks and parentheses."""
    cdef int64_t field[64]
    cdef const char *at
    cdef uint64_t i, open_ = 0, close_ = 0
    memset(out, 0, sizeof(proc_stat_t))
    i = 0
    while text[i] != 0:
        if text[i] == c'(' and open_ == 0:
            open_ = i
        if text[i] == c')':
            close_ = i
        i += 1
    if open_ == 0 or close_ < open_ or text[close_ + 1] == 0:
        return -LINUX_ESRCH
    parse_number(text, &field[0])
    out.pid = <int> field[0]
    for i in range(19):
        if open_ + 1 + i < close_:
            out.comm[i] = text[open_ + 1 + i]
    out.state = text[close_ + 2]
    at = text + close_ + 3
    memset(field, 0, sizeof(field))
    for i in range(3, 40):                  # as proc(5) counts less one: field[3] is the parent
        at = parse_number(at, &field[i])
    out.ppid = <int> field[3]
    out.pgrp = <int> field[4]
    out.session = <int> field[5]
    out.tty = <int> field[6]
    out.tpgid = <int> field[7]
    out.flags = <uint32_t> field[8]
    out.minflt = field[9]
    out.cminflt = field[10]
    out.majflt = field[11]
    out.cmajflt = field[12]
    out.utime = field[13]
    out.stime = field[14]
    out.cutime = field[15]
    out.cstime = field[16]
    out.nice = field[18]
    out.threads = <int> field[19]
    out.start = field[21]
    out.vsize = <uint64_t> field[22]
    out.rss = <uint64_t> field[23]
    out.cpu = <int> field[38]
    return 0


cdef long proc_stat(int pid, proc_stat_t *out) noexcept nogil:
    """What /proc/PID/stat says: 0 or a negative errno."""
    cdef char text[1024]
    cdef long got = proc_read(pid, b"stat", text, sizeof(text))
    return got if got < 0 else proc_stat_parse(text, out)


cdef long walk_begin(proc_walk_t *walk, const char *path) noexcept nogil:
    """Begin a walk over the numbers in a folder: 0 or a negative errno."""
    walk.at = 0
    walk.got = 0
    walk.fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_DIRECTORY | LINUX_O_CLOEXEC, 0)
    return walk.fd if walk.fd < 0 else 0


cdef int walk_next(proc_walk_t *walk) noexcept nogil:
    """The next number, or -1 at the end, which also closes the folder."""
    cdef const char *name
    cdef int64_t number = 0
    while True:
        if walk.at >= walk.got:
            walk.got = linux_syscall3(LINUX_SYS_getdents64, walk.fd, <uint64_t> walk.buffer, sizeof(walk.buffer))
            walk.at = 0
            if walk.got <= 0:
                linux_syscall1(LINUX_SYS_close, walk.fd)
                return -1
        name = <char *> &walk.buffer[walk.at + 19]
        walk.at += (<uint16_t *> &walk.buffer[walk.at + 16])[0]
        if c'0' <= name[0] <= c'9':
            parse_number(name, &number)
            return <int> number

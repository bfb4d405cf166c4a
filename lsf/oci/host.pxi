# What lsf-oci asks of its host: memory, files, other programs. What it says when it cannot go on.

cdef enum:
    OCI_FAILED = 1
    OCI_CHUNK = 1 << 20
    OCI_FILE_MAX = 64 << 20         # no configuration is that long
    OCI_PATH = 4096

# One run of the program. Memory is taken and never given back: the runtime is executed in its place.
cdef struct run_t:
    char **argv
    char **envp
    const char *own             # this program's file
    const char *runtime         # crun or runc
    const char *log             # of --log and --log-format, NULL where they are not given
    const char *log_format
    char *room
    uint64_t left

# A text that grows. `at` ends with NUL.
cdef struct growing_t:
    char *at
    uint64_t size, room


cdef void no_memory() noexcept nogil:
    """End with a sentence that needs none."""
    cdef const char *said = b"lsf-oci: there is no memory\n"
    linux_syscall3(LINUX_SYS_write, 2, <uint64_t> said, string_length(said))
    linux_syscall1(LINUX_SYS_exit_group, OCI_FAILED)


cdef char *take(run_t *run, uint64_t size) noexcept nogil:
    """Zeroed memory."""
    cdef uint64_t chunk
    cdef long got
    cdef char *taken
    size = (size + 15) & ~15UL
    if size > run.left:
        chunk = (size + OCI_CHUNK - 1) & ~<uint64_t> (OCI_CHUNK - 1)
        got = linux_syscall6(LINUX_SYS_mmap, 0, chunk, LINUX_PROT_READ | LINUX_PROT_WRITE,
                             LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, <uint64_t> -1, 0)
        if is_error(got):
            no_memory()
        run.room = <char *> got
        run.left = chunk
    taken = run.room
    run.room += size
    run.left -= size
    return taken


cdef void put_bytes(run_t *run, growing_t *text, const char *bytes, uint64_t size) noexcept nogil:
    cdef char *larger
    if text.size + size + 1 > text.room:
        text.room = 2 * (text.size + size) + 256
        larger = take(run, text.room)
        if text.size:
            memcpy(larger, text.at, text.size)
        text.at = larger
    memcpy(text.at + text.size, bytes, size)
    text.size += size
    text.at[text.size] = 0


cdef void put_text(run_t *run, growing_t *text, const char *more) noexcept nogil:
    if more != NULL:
        put_bytes(run, text, more, string_length(more))


cdef void put_decimal(run_t *run, growing_t *text, uint64_t number, unsigned digits) noexcept nogil:
    """A number with at least so many digits."""
    cdef char written[24]
    cdef uint64_t size = append_number(written, 0, 24, number, 10)
    while size < digits:
        put_bytes(run, text, b"0", 1)
        digits -= 1
    put_bytes(run, text, written, size)


cdef char *join(run_t *run, const char *a, const char *b, const char *c, const char *d) noexcept nogil:
    """Up to four strings as one; NULL is none."""
    cdef growing_t text
    memset(&text, 0, sizeof(growing_t))
    put_bytes(run, &text, b"", 0)
    put_text(run, &text, a)
    put_text(run, &text, b)
    put_text(run, &text, c)
    put_text(run, &text, d)
    return text.at


cdef char *portion(run_t *run, const char *text, uint64_t size) noexcept nogil:
    """The first bytes of a text as a string."""
    cdef char *made = take(run, size + 1)
    memcpy(made, text, size)
    return made


cdef char *folder_of(run_t *run, const char *path) noexcept nogil:
    """The folder of a path with a slash: what stands before the last one."""
    cdef const char *name = base_name(path)
    return portion(run, path, <uint64_t> (name - path) - 1) if name > path else portion(run, b".", 1)


cdef bint string_ends(const char *text, const char *end) noexcept nogil:
    cdef uint64_t size = string_length(text), n = string_length(end)
    return size >= n and string_equal(text + size - n, end)


# ---------------------------------------------------------------- what is wrong

cdef const char *reason(long error) noexcept nogil:
    """What a negative errno of Linux's means."""
    return lsf_strerror(lsf_errno_map[-error])


cdef void put_time(run_t *run, growing_t *text) noexcept nogil:
    """The time in UTC, as 2026-01-31T12:00:00Z."""
    cdef int64_t now[2]
    cdef int64_t days, era, of_era, year, of_year, month
    linux_syscall2(LINUX_SYS_clock_gettime, 0, <uint64_t> now)
    # Years begin in March here, so that the leap day is a year's last; 400 of them have 146,097 days.
    days = now[0] / 86400 + 719468
    era = days / 146097
    of_era = days % 146097
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365
    of_year = of_era - (365 * year + year / 4 - year / 100)
    month = (5 * of_year + 2) / 153
    put_decimal(run, text, year + era * 400 + (1 if month > 9 else 0), 4)
    put_text(run, text, b"-")
    put_decimal(run, text, month - 9 if month > 9 else month + 3, 2)
    put_text(run, text, b"-")
    put_decimal(run, text, of_year - (153 * month + 2) / 5 + 1, 2)
    put_text(run, text, b"T")
    put_decimal(run, text, now[0] / 3600 % 24, 2)
    put_text(run, text, b":")
    put_decimal(run, text, now[0] / 60 % 60, 2)
    put_text(run, text, b":")
    put_decimal(run, text, now[0] % 60, 2)
    put_text(run, text, b"Z")


cdef void put_log(run_t *run, const char *said) noexcept nogil:
    """A line in the file of --log, in the form of --log-format, as runc writes it: engines show it."""
    cdef growing_t line
    cdef bint json = run.log_format != NULL and string_equal(run.log_format, b"json")
    cdef long fd = linux_syscall3(LINUX_SYS_open, <uint64_t> run.log, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_APPEND
                                  | LINUX_O_CLOEXEC, 0o644)
    if is_error(fd):
        return          # it is on standard error
    memset(&line, 0, sizeof(growing_t))
    put_text(run, &line, b'{"level":"error","msg":' if json else b'time="')
    if not json:
        put_time(run, &line)
        put_text(run, &line, b'" level=error msg=')
    put_quoted(run, &line, said)
    if json:
        put_text(run, &line, b',"time":"')
        put_time(run, &line)
        put_text(run, &line, b'"}')
    put_text(run, &line, b"\n")
    linux_syscall3(LINUX_SYS_write, fd, <uint64_t> line.at, line.size)
    linux_syscall1(LINUX_SYS_close, fd)


cdef void refuse(run_t *run, const char *a, const char *b, const char *c, const char *d) noexcept nogil:
    """End with one sentence for a person, of up to four parts. What is no character in them, of an image's names, is not shown."""
    cdef growing_t said
    cdef uint64_t at
    memset(&said, 0, sizeof(growing_t))
    put_text(run, &said, b"lsf-oci: ")
    put_text(run, &said, a)
    put_text(run, &said, b)
    put_text(run, &said, c)
    put_text(run, &said, d)
    for at in range(said.size):
        if <unsigned char> said.at[at] < 32 or said.at[at] == 127:
            said.at[at] = c'?'
    if run.log != NULL and run.log[0] != 0:
        put_log(run, said.at)
    put_text(run, &said, b"\n")
    linux_syscall3(LINUX_SYS_write, 2, <uint64_t> said.at, said.size)
    linux_syscall1(LINUX_SYS_exit_group, OCI_FAILED)


# ---------------------------------------------------------------- files

cdef long mode_at(const char *path, uint64_t flags) noexcept nogil:
    """The type and permissions of a file, or a negative errno."""
    return mode_of(LINUX_AT_FDCWD, <uint64_t> path, flags)


cdef bint is_regular(const char *path, uint64_t flags) noexcept nogil:
    cdef long mode = mode_at(path, flags)
    return not is_error(mode) and (mode & LINUX_S_IFMT) == LINUX_S_IFREG


cdef bint is_executable(const char *path) noexcept nogil:
    return not is_error(linux_syscall3(LINUX_SYS_faccessat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 1))


cdef bint is_same(const char *a, const char *b) noexcept nogil:
    """Whether two names lead to one file."""
    cdef linux_stat x, y
    return (not is_error(linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> a, <uint64_t> &x, 0))
            and not is_error(linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> b, <uint64_t> &y, 0))
            and is_one_file(&x, &y))


cdef char *link_target(run_t *run, const char *path) noexcept nogil:
    """What a symbolic link says, NULL for what is none."""
    cdef char target[OCI_PATH]
    cdef long got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> path, <uint64_t> target, OCI_PATH)
    return NULL if got <= 0 or got == OCI_PATH else portion(run, target, got)


cdef char *real_path(run_t *run, const char *path) noexcept nogil:
    """The path of a file without links. What is not there keeps its name."""
    cdef char place[32]
    cdef char *target
    cdef long fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return portion(run, path, string_length(path))
    descriptor_path(<int> fd, place)
    target = link_target(run, place)
    linux_syscall1(LINUX_SYS_close, fd)
    return target if target != NULL and target[0] == c'/' else portion(run, path, string_length(path))


cdef char *beneath(run_t *run, const char *folder, const char *path) noexcept nogil:
    """A path, seen from a folder."""
    if path[0] == c'/':
        return portion(run, path, string_length(path))
    return join(run, folder, b"/", path, NULL)


cdef long read_whole(run_t *run, int fd, growing_t *text) noexcept nogil:
    """All that a descriptor gives: 0 or a negative errno."""
    cdef char *buffer = take(run, 65536)
    cdef long got = 1
    memset(text, 0, sizeof(growing_t))
    put_bytes(run, text, b"", 0)
    while got > 0:
        got = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> buffer, 65536)
        if got == -LINUX_EINTR:
            got = 1
        elif got > 0:
            put_bytes(run, text, buffer, got)
        if text.size > OCI_FILE_MAX:
            return -LINUX_EFBIG
    return got


cdef long load_file(run_t *run, const char *path, growing_t *text) noexcept nogil:
    """A file's text: 0 or a negative errno."""
    cdef long fd = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_CLOEXEC, 0), result
    if is_error(fd):
        return fd
    result = read_whole(run, fd, text)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef long write_whole(int fd, const growing_t *text) noexcept nogil:
    cdef uint64_t at = 0
    cdef long got
    while at < text.size:
        got = linux_syscall3(LINUX_SYS_write, fd, <uint64_t> text.at + at, text.size - at)
        if is_error(got) and got != -LINUX_EINTR:
            return got
        at += got if got > 0 else 0
    return 0


cdef void replace_file(run_t *run, const char *path, const growing_t *text) noexcept nogil:
    """Put a text in a file's place. Where that fails the file stays, and this program ends."""
    cdef char number[24]
    cdef char *fresh
    cdef long mode = mode_at(path, 0), fd, result
    append_number(number, 0, 24, linux_syscall0(LINUX_SYS_getpid), 10)
    fresh = join(run, path, b".lsf-", number, NULL)
    result = mode
    if not is_error(mode):
        fd = linux_syscall3(LINUX_SYS_open, <uint64_t> fresh, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_CLOEXEC,
                            mode & 0o777)
        result = fd
        if not is_error(fd):
            result = write_whole(fd, text)
            linux_syscall1(LINUX_SYS_close, fd)
            if not is_error(result):
                result = linux_syscall4(LINUX_SYS_renameat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> fresh,
                                        <uint64_t> LINUX_AT_FDCWD, <uint64_t> path)
            if is_error(result):
                linux_syscall1(LINUX_SYS_unlink, <uint64_t> fresh)
    if is_error(result):
        refuse(run, path, b": cannot be written: ", reason(result), NULL)


# ---------------------------------------------------------------- other programs

cdef void execute(run_t *run, char **arguments) noexcept nogil:
    """Become another program; the first argument is its path."""
    cdef long result = linux_syscall3(LINUX_SYS_execve, <uint64_t> arguments[0], <uint64_t> arguments, <uint64_t> run.envp)
    refuse(run, arguments[0], b": ", reason(result), NULL)


cdef bint output_of(run_t *run, char **arguments, growing_t *text) noexcept nogil:
    """What a program prints; False where it fails."""
    cdef int32_t ends[2]
    cdef int32_t status = 0
    cdef long child, null
    if is_error(linux_syscall2(LINUX_SYS_pipe2, <uint64_t> ends, LINUX_O_CLOEXEC)):
        return False
    child = linux_syscall5(LINUX_SYS_clone, LINUX_SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        null = linux_syscall3(LINUX_SYS_open, <uint64_t> <const char *> b"/dev/null", LINUX_O_RDWR | LINUX_O_CLOEXEC, 0)
        linux_syscall2(LINUX_SYS_dup2, null, 0)
        linux_syscall2(LINUX_SYS_dup2, ends[1], 1)
        linux_syscall2(LINUX_SYS_dup2, null, 2)
        linux_syscall3(LINUX_SYS_execve, <uint64_t> arguments[0], <uint64_t> arguments, <uint64_t> run.envp)
        linux_syscall1(LINUX_SYS_exit_group, 127)
    linux_syscall1(LINUX_SYS_close, ends[1])
    if is_error(child):
        return False
    if is_error(read_whole(run, ends[0], text)):
        return False
    linux_syscall1(LINUX_SYS_close, ends[0])
    while linux_syscall4(LINUX_SYS_wait4, child, <uint64_t> &status, 0, 0) == -LINUX_EINTR:
        pass
    return status == 0

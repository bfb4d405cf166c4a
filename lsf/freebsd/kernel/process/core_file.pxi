# Core files: where one is written, and whether. Model: FreeBSD sys/kern/kern_ucoredump.c, coredump_vnode.c.
#
# What the administrator of a FreeBSD system sets by sysctl(8) stands in /etc/sysctl.conf, of the root, and is looked up there.

cdef enum:
    CORE_FILES = 5                      # NUM_CORE_FILES, for %I
    CORE_FILES_MAX = 100000

cdef struct core_name_t:
    char text[FREEBSD_PATH_MAX]
    uint64_t at                         # its length; beyond the room it is too long
    uint64_t index, index_length        # where %I stands, and how many digits it has; 0: nowhere


cdef long open_guest(process_t *proc, const char *path, uint64_t flags, uint64_t mode) noexcept nogil:
    """Open a file by its path as the program has it: a descriptor or a negative errno."""
    cdef char host[LOOKUP_PATH]
    cdef long result = 0
    if proc.lookup != NULL:
        result = lookup_path(proc, LINUX_AT_FDCWD, <uint64_t> path, not flags & LINUX_O_NOFOLLOW, host)
    if result < 0:
        return result
    if result > 0:
        path = host
    return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, flags | LINUX_O_CLOEXEC, mode)


cdef bint core_setting(process_t *proc, const char *name, char *value, uint64_t size) noexcept nogil:
    """What /etc/sysctl.conf sets a name to, the last time that it does: False where it does not."""
    cdef uint64_t room = 1 << 16, text = map_memory(room), length
    cdef const char *line = <const char *> text
    cdef const char *end
    cdef bint found = False
    cdef long fd, got
    if text == 0:
        return False
    fd = open_guest(proc, b"/etc/sysctl.conf", 0, 0)
    if not is_error(fd):
        got = linux_syscall3(LINUX_SYS_read, fd, text, room - 1)
        linux_syscall1(LINUX_SYS_close, fd)
    while (line := find_text(line, name)) != NULL:
        while line[0] == c' ' or line[0] == c'\t':
            line += 1
        if line[0] != c'=':
            continue
        line += 1
        while line[0] == c' ' or line[0] == c'\t' or line[0] == c'"':
            line += 1
        end = line
        while end[0] != 0 and end[0] != c'\n' and end[0] != c'#' and end[0] != c'"':
            end += 1
        while end > line and ((end - 1)[0] == c' ' or (end - 1)[0] == c'\t'):
            end -= 1
        length = <uint64_t> (end - line)
        if length < size:
            memcpy(value, line, length)
            value[length] = 0
            found = True
    linux_syscall2(LINUX_SYS_munmap, text, room)
    return found


cdef int64_t core_number(process_t *proc, const char *name, int64_t default) noexcept nogil:
    cdef char text[32]
    cdef int64_t value = default
    if core_setting(proc, name, text, sizeof(text)):
        parse_number(text, &value)
    return value


cdef bint core_is_refused(process_t *proc) noexcept nogil:
    """What coredump() asks before all else. In capability mode no path leads out (kern.capmode_coredump)."""
    return proc.own.ctl[CTL_TRACE] != 0 or core_number(proc, b"kern.coredump", 1) == 0 \
        or proc.own.sugid and core_number(proc, b"kern.sugid_coredump", 0) == 0 \
        or proc.own.capmode and core_number(proc, b"kern.capmode_coredump", 0) == 0


cdef void core_format(process_t *proc, char *format) noexcept nogil:
    """kern.corefile, in FREEBSD_PATH_MAX bytes."""
    if not core_setting(proc, b"kern.corefile", format, FREEBSD_PATH_MAX):
        append(format, 0, FREEBSD_PATH_MAX, b"%N.core")


cdef public long sysctl_corefile(sysctl_request_t *request) noexcept nogil:
    cdef char format[FREEBSD_PATH_MAX]
    core_format(request.area.proc, format)
    return sysctl_out_string(request, format)


cdef public long sysctl_core_setting(sysctl_request_t *request) noexcept nogil:
    """A number under kern, by its name; the row has the default."""
    cdef char name[64]
    append(name, append(name, 0, sizeof(name), b"kern."), sizeof(name), request.row.name)
    return sysctl_out_number(request, core_number(request.area.proc, name, request.row.value))


# ------------------------------------------------------------------ the name

cdef void name_add(core_name_t *name, const char *text) noexcept nogil:
    cdef uint64_t length = string_length(text)
    if name.at + length < sizeof(name.text):
        memcpy(&name.text[name.at], text, length + 1)
    name.at += length


cdef void name_add_number(core_name_t *name, uint64_t number) noexcept nogil:
    cdef char text[24]
    append_number(text, 0, sizeof(text), number, 10)
    name_add(name, text)


cdef uint64_t core_files(process_t *proc) noexcept nogil:
    """debug.ncores."""
    cdef int64_t count = core_number(proc, b"debug.ncores", CORE_FILES)
    return 0 if count < 0 else CORE_FILES_MAX if count > CORE_FILES_MAX else <uint64_t> count


cdef void core_name(core_t *core, core_name_t *name) noexcept nogil:
    """The core file's path, as corefile_open expands kern.corefile."""
    cdef process_t *proc = core.area.proc
    cdef char format[FREEBSD_PATH_MAX]
    cdef linux_utsname host
    cdef char command[20]
    cdef char one[2]
    cdef const char *at = format
    name.at = 0
    name.index_length = 0
    one[1] = 0
    core_format(proc, format)
    while at[0] != 0:
        one[0] = at[0]
        at += 1
        if one[0] != c'%':
            name_add(name, one)
            continue
        one[0] = at[0]
        at += 1 if at[0] != 0 else 0
        if one[0] == c'%':
            name_add(name, one)
        elif one[0] == c'H':
            linux_syscall1(LINUX_SYS_uname, <uint64_t> &host)
            name_add(name, host.nodename)
        elif one[0] == c'I' and name.index_length == 0:
            name.index = name.at
            name_add_number(name, core_files(proc) - 1)
            name.index_length = name.at - name.index
        elif one[0] == c'I':
            name_add(name, b"%I")
        elif one[0] == c'N':
            append(command, 0, sizeof(command), proc.own.comm)      # p_comm
            name_add(name, command)
        elif one[0] == c'P':
            name_add_number(name, <uint64_t> core.pid)
        elif one[0] == c'S':
            name_add_number(name, <uint64_t> core.signo)
        elif one[0] == c'U':
            name_add_number(name, <uint64_t> linux_syscall0(LINUX_SYS_geteuid))


cdef void name_index(core_name_t *name, uint64_t number) noexcept nogil:
    cdef uint64_t i
    for i in range(name.index_length):
        name.text[name.index + name.index_length - 1 - i] = <char> (c'0' + number % 10)
        number //= 10


cdef long core_open_next(process_t *proc, core_name_t *name) noexcept nogil:
    """With %I: the first name that no file has, or that of the oldest (corefile_open_last)."""
    cdef linux_stat st
    cdef linux_timespec oldest
    cdef linux_timespec *time = &st.st_mtim
    cdef uint64_t i, best = 0, count = core_files(proc)
    cdef bint any_ = False
    cdef long fd
    oldest.tv_sec = 0
    oldest.tv_nsec = 0
    for i in range(count):
        name_index(name, i)
        fd = open_guest(proc, name.text, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW, 0o600)
        if fd != -LINUX_EEXIST:
            return fd
        fd = open_guest(proc, name.text, LINUX_O_WRONLY | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK, 0)
        if is_error(fd):
            return fd
        linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
        linux_syscall1(LINUX_SYS_close, fd)
        if not any_ or oldest.tv_sec > time.tv_sec or (oldest.tv_sec == time.tv_sec and oldest.tv_nsec >= time.tv_nsec):
            any_ = True
            best = i
            oldest = time[0]
    if not any_ or proc.own.sugid:
        return -LINUX_EFAULT
    name_index(name, best)
    return open_guest(proc, name.text, LINUX_O_WRONLY | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK, 0)


cdef long core_open(core_t *core) noexcept nogil:
    """Make the core file, empty: a descriptor or a negative errno. Its mode is 0600 whatever the umask is."""
    cdef process_t *proc = core.area.proc
    cdef core_name_t *name = <core_name_t *> map_memory(sizeof(core_name_t))
    cdef linux_stat st
    cdef long fd, mask
    if name == NULL:
        return -LINUX_ENOMEM
    core_name(core, name)
    if name.at >= sizeof(name.text):
        return -LINUX_ENOMEM
    mask = linux_syscall1(LINUX_SYS_umask, 0)
    if name.index_length:
        fd = core_open_next(proc, name)
    else:
        fd = open_guest(proc, name.text, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK
                        | (LINUX_O_EXCL if proc.own.sugid else 0), 0o600)
    linux_syscall1(LINUX_SYS_umask, <uint64_t> mask)
    if is_error(fd):
        return fd
    if linux_syscall2(LINUX_SYS_fstat, <uint64_t> fd, <uint64_t> &st) != 0 or st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG \
            or st.st_nlink != 1 or <long> st.st_uid != linux_syscall0(LINUX_SYS_geteuid):
        linux_syscall1(LINUX_SYS_close, <uint64_t> fd)
        return -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_flock, <uint64_t> fd, LINUX_LOCK_EX | LINUX_LOCK_NB)
    linux_syscall2(LINUX_SYS_ftruncate, <uint64_t> fd, 0)
    return fd


# ------------------------------------------------------------------ all of it

cdef uint64_t core_size(core_t *core) noexcept nogil:
    cdef uint64_t size = page_up(core.at), i
    for i in range(core.count):
        size += core.segments[i].end - core.segments[i].start
    return size


cdef long core_open_memory(core_t *core) noexcept nogil:
    cdef char path[64]
    proc_path(path, sizeof(path), core.pid, b"pagemap")
    core.pagemap = linux_syscall3(LINUX_SYS_open, <uint64_t> path, LINUX_O_CLOEXEC, 0)
    core.memory = tracee_memory(core.pid)
    return core.memory if is_error(core.memory) else 0


cdef void core_release(core_t *core) noexcept nogil:
    if core.segments != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> core.segments, page_up(core.room * sizeof(core_segment_t)))
    if core.head:
        linux_syscall2(LINUX_SYS_munmap, core.head, core.head_room)
    if not is_error(core.pagemap):
        linux_syscall1(LINUX_SYS_close, core.pagemap)
    if not is_error(core.memory):
        linux_syscall1(LINUX_SYS_close, core.memory)


cdef core_t *core_new(area_t *area, debug_page_t *page, int pid, uint32_t first) noexcept nogil:
    """A core file that is to be written of a process whose threads stand still as `page` says; NULL without memory."""
    cdef core_t *core = <core_t *> map_memory(sizeof(core_t))
    if core != NULL:
        core.area = area
        core.page = page
        core.pid = pid
        core.first = first
    return core


cdef long core_write_all(core_t *core, uint64_t limit) noexcept nogil:
    """Write the core file of a process whose threads stand still (__elfN(coredump)): 0 or a negative errno. It is written whole or, beyond
    the limit, not at all."""
    cdef process_t *guest = guest_process(core.area, core.pid)
    cdef long result = -LINUX_ESRCH
    core.memory = -1
    core.pagemap = -1
    if guest != NULL:
        core_hide_images(core, guest.own.auxv)
        core_know_trampolines(core)
        release_guest(core.area, guest)
        result = core_segments(core)
    if result == 0:
        result = core_make_head(core)
    if result == 0 and core_size(core) >= limit:
        result = -LINUX_EFAULT
    if result == 0:
        result = core_open_memory(core)
    if result == 0:
        result = core_write(core, <void *> core.head, core.at, 0)
    if result == 0:
        result = core_write_memory(core, page_up(core.at))
    core_release(core)
    return result


cdef long core_dump(area_t *area, debug_page_t *page, int signo) noexcept nogil:
    """Leave a core file of this process, all of whose threads stand still: 0 or a negative errno."""
    cdef core_t *core = core_new(area, page, area.proc.pid, area.index)
    cdef linux_rlimit limit
    cdef long result
    if core == NULL:
        return -LINUX_ENOMEM
    core.signo = signo
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_CORE, 0, <uint64_t> &limit)
    if limit.rlim_cur == 0:
        return -LINUX_EFBIG
    core.fd = core_open(core)
    if is_error(core.fd):
        return core.fd
    result = core_write_all(core, limit.rlim_cur)
    linux_syscall1(LINUX_SYS_close, core.fd)
    return result

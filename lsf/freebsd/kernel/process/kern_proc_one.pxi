# The names under kern.proc that answer one thing of one process: its path, arguments, groups.
# Model: FreeBSD sys/kern/kern_proc.c.

cdef uaddr auxiliary_value(area_t *area, int pid, uaddr vector, uint64_t type_) noexcept nogil:
    """What a guest's auxiliary vector says; 0 where it does not."""
    cdef uint64_t pair[2]
    cdef int i
    for i in range(64):
        if read_memory(area, pid, vector + i * 16, pair, sizeof(pair)) < 0 or pair[0] == 0:
            return 0
        if pair[0] == type_:
            return pair[1]
    return 0


cdef struct view_top_t:
    uint64_t length
    char name[LOOKUP_PATH]


cdef void view_top(area_t *area, int pid, view_top_t *top) noexcept nogil:
    """What Linux's names for the files of this process begin with where its mounts are others than the caller's, since another `lsf` has
    started it: the name of its root, seen from here. Of length 0 where they begin with nothing."""
    cdef char theirs[64]
    cdef char own[64]
    cdef long length
    top.length = 0
    if pid == area.proc.pid or proc_link(pid, b"ns/mnt", theirs, sizeof(theirs)) < 0 \
            or proc_link(area.proc.pid, b"ns/mnt", own, sizeof(own)) < 0 or string_equal(theirs, own):
        return
    length = proc_link(pid, b"root", top.name, sizeof(top.name))
    if length > 1 and top.name[0] == c'/':
        top.length = <uint64_t> length


cdef void name_in_view(const view_top_t *top, char *path, uint64_t size) noexcept nogil:
    """Rewrite a path of Linux's, of a process with this top, as the guests call it."""
    cdef uint64_t i, length = string_length(path)
    if top.length == 0 or not is_under(path, top.name, top.length):
        lookup_guest(SHIM, path, size)
    elif length == top.length:
        append(path, 0, size, b"/")
    else:
        for i in range(length - top.length + 1):
            path[i] = path[top.length + i]


cdef bint mapped_path(area_t *area, int pid, uaddr address, char *path, uint64_t size) noexcept nogil:
    """The file that is mapped at an address of a process, without links in its path, as the guest calls it."""
    cdef view_top_t top
    cdef mapping_t mapping
    cdef uint64_t room = 1 << 16, memory = map_memory(room), length
    cdef const char *line
    cdef bint found = False
    if memory == 0:
        return False
    line = <const char *> memory
    if proc_read(pid, b"maps", <char *> memory, room) <= 0:
        line = b""
    while line[0] != 0 and not found:
        line = mapping_parse(line, &mapping)
        found = mapping.start <= address < mapping.end and mapping.path[0] == c'/'
    if found:
        length = mapping.path_length - (10 if mapping.deleted else 0)
        if length >= size:
            found = False
        else:
            memcpy(path, mapping.path, length)
            path[length] = 0
            view_top(area, pid, &top)
            name_in_view(&top, path, size)
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    return found


cdef bint guest_binpath(area_t *area, int pid, char *path, uint64_t size) noexcept nogil:
    """The path of a guest's program, resolved, as of when it was executed (proc_get_binpath in sys/kern/kern_proc.c): the one of the
    file that is mapped, or, without /proc, as it was executed. False where the process is no guest."""
    cdef process_t *guest = guest_process(area, pid)
    cdef uint64_t length
    cdef bint found
    if guest == NULL:
        return False
    found = mapped_path(area, pid, auxiliary_value(area, pid, guest.own.auxv, FREEBSD_AT_PHDR), path, size)
    if not found:
        length = string_length(guest.execpath)
        found = length < size
        if found:
            memcpy(path, guest.execpath, length + 1)
    release_guest(area, guest)
    return found


cdef public long sysctl_pathname(sysctl_request_t *request) noexcept nogil:
    """The path of the program; of a Linux program what Linux says."""
    cdef char path[FREEBSD_PATH_MAX]
    cdef int pid = 0
    cdef long result = sysctl_pid_or_own(request, &pid)
    if result < 0:
        return result
    if guest_binpath(request.area, pid, path, sizeof(path)):
        return sysctl_out_string(request, path)
    result = proc_link(pid, b"exe", path, sizeof(path))
    if result < 0:
        return 0 if result == -LINUX_ESRCH or result == -LINUX_EACCES else result
    return sysctl_out_string(request, path)


cdef long read_link_of_program(area_t *area, uaddr guest_path, uaddr buffer, uint64_t size, long result) noexcept nogil:
    """readlink(2) of a name in Linux's /proc, which gave `result`: /proc/self/exe and /proc/PID/exe of a guest name its program.
    Linux names the shim's image."""
    cdef char path[FREEBSD_PATH_MAX]
    cdef uint64_t length = 0
    cdef const char *name = &path[6]
    cdef int64_t number = 0
    cdef int pid
    if copyinstr(guest_path, path, sizeof(path), &length) < 0 or not string_starts(path, b"/proc/"):
        return result
    if string_starts(name, b"self/"):
        pid = area.proc.pid
        name += 4
    else:
        name = parse_number(name, &number)
        pid = <int> number
    if not string_equal(name, b"/exe") or not guest_binpath(area, pid, path, sizeof(path)):
        return result
    length = string_length(path)
    if length > size:
        length = size
    result = copyout(path, buffer, length)
    return <long> length if result == 0 else result


cdef long out_strings(sysctl_request_t *request, int pid, uaddr vector, uint32_t count) noexcept nogil:
    """Append the strings of an argument or environment vector, each with its NUL."""
    cdef char text[256]
    cdef uint64_t address = 0, length
    cdef uint32_t i
    cdef long result
    for i in range(count):
        if read_memory(request.area, pid, vector + i * 8, &address, 8) < 0:
            return -LINUX_EFAULT
        if address == 0:
            break
        while True:
            length = sizeof(text)
            # A string may end close to the end of what is mapped.
            if length > PAGE_SIZE - (address & (PAGE_SIZE - 1)):
                length = PAGE_SIZE - (address & (PAGE_SIZE - 1))
            if read_memory(request.area, pid, address, text, length) < 0:
                return -LINUX_EFAULT
            address += length
            result = 0
            while result < <long> length and text[result] != 0:
                result += 1
            if result < <long> length:
                length = result + 1
                result = sysctl_out(request, text, length)
                if result < 0:
                    return result
                break
            result = sysctl_out(request, text, length)
            if result < 0:
                return result
    return 0


cdef long set_arguments(sysctl_request_t *request) noexcept nogil:
    """setproctitle(3): what kern.proc.own.args answers from now on."""
    cdef process_t *proc = request.area.proc
    cdef uint64_t size = request.new_size, memory = 0
    if size > 524288:
        return -LINUX_EINVAL
    if size > 0:
        memory = map_memory(page_up(size))
        if memory == 0:
            return -LINUX_ENOMEM
        if copyin(request.new_, <void *> memory, size) < 0:
            linux_syscall2(LINUX_SYS_munmap, memory, page_up(size))
            return -LINUX_EFAULT
    if proc.own.args != 0:
        linux_syscall2(LINUX_SYS_munmap, proc.own.args, page_up(proc.own.args_size))
    proc.own.args = memory
    proc.own.args_size = size
    proc.own.args_strings = size == 0
    if size:
        title_show(proc)
    return 0


cdef void title_show(process_t *proc) noexcept nogil:
    """Let Linux's ps see what setproctitle(3) gave. Linux shows what a process has instead of its arguments, up to a NUL, where the
    byte before their end is none: so that end is set once, and a title is a string to copy."""
    cdef char *title = <char *> proc.own.title
    cdef uint64_t size = proc.own.args_size
    if title == NULL:
        title = <char *> map_memory(PAGE_SIZE)
        if title == NULL:
            return
        title[PAGE_SIZE - 1] = c'.'
        if is_error(title_place(<uint64_t> title)):
            linux_syscall2(LINUX_SYS_munmap, <uint64_t> title, PAGE_SIZE)
            return
        proc.own.title = <uint64_t> title
    if size > PAGE_SIZE - 2:
        size = PAGE_SIZE - 2
    memcpy(title, <void *> proc.own.args, size)
    title[size] = 0


cdef long title_place(uint64_t title) noexcept nogil:
    """Make a page Linux's place of the arguments; all else stays (struct prctl_mm_map, from /proc/self/stat)."""
    cdef char text[1024]
    cdef const char *at = text
    cdef int64_t fields[52]
    cdef uint64_t map_[13]
    cdef int i
    if read_file(b"/proc/self/stat", text, sizeof(text)) <= 0:
        return -LINUX_ENOENT
    for i in range(1023):               # behind the name, which may hold anything
        if text[i] == c')':
            at = &text[i + 1]
        elif text[i] == 0:
            break
    while at[0] == c' ':
        at += 1
    at += 1                             # the state, field 3
    for i in range(4, 52):
        at = parse_number(at, &fields[i])
    memset(map_, 0, sizeof(map_))
    map_[0] = <uint64_t> fields[26]     # start_code, end_code
    map_[1] = <uint64_t> fields[27]
    map_[2] = <uint64_t> fields[45]     # start_data, end_data, start_brk, brk
    map_[3] = <uint64_t> fields[46]
    map_[4] = <uint64_t> fields[47]
    map_[5] = <uint64_t> fields[47]
    map_[6] = <uint64_t> fields[28]     # start_stack
    map_[7] = title
    map_[8] = title + PAGE_SIZE
    map_[9] = <uint64_t> fields[50]     # env_start, env_end
    map_[10] = <uint64_t> fields[51]
    map_[12] = 0xffffffff00000000UL
    return linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_MM, LINUX_PR_SET_MM_MAP, <uint64_t> map_, sizeof(map_), 0)


cdef public long sysctl_args(sysctl_request_t *request) noexcept nogil:
    cdef process_t *guest
    cdef uint64_t args = 0, size = 0
    cdef uaddr strings = 0
    cdef int pid = 0
    cdef long result = sysctl_pid_or_own(request, &pid)
    if result < 0:
        return result
    if request.new_ != 0 and pid != request.area.proc.pid:
        return -LINUX_EPERM
    guest = guest_process(request.area, pid)
    if guest != NULL:
        args = guest.own.args
        size = guest.own.args_size
        if guest.own.args_strings:
            strings = guest.own.ps_strings
        release_guest(request.area, guest)
    if args != 0:
        # What setproctitle gave, in memory of the shim.
        if pid == request.area.proc.pid:
            result = sysctl_out(request, <void *> args, size)
        else:
            result = sysctl_out_memory(request, pid, args, size)
    elif strings != 0:
        result = out_arguments(request, pid, strings)       # setproctitle_fast(3) has left it to them
    else:
        result = sysctl_out_file(request, pid, b"cmdline")
        if result == -LINUX_ESRCH and pid == request.area.proc.pid:
            result = out_arguments(request, pid, request.area.proc.own.ps_strings)
    if result == 0 and request.new_ != 0:
        return set_arguments(request)
    return result


cdef long out_arguments(sysctl_request_t *request, int pid, uaddr ps_strings) noexcept nogil:
    """A process's arguments as its struct ps_strings has them."""
    cdef uint64_t strings[4]
    if read_memory(request.area, pid, ps_strings, strings, sizeof(strings)) < 0:
        return -LINUX_EFAULT
    return out_strings(request, pid, strings[0], <uint32_t> strings[1])


cdef public long sysctl_env(sysctl_request_t *request) noexcept nogil:
    """The environment as ps_strings has it; a Linux program's from /proc."""
    cdef uint64_t strings[4]
    cdef uaddr address = 0
    cdef process_t *guest
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest == NULL:
        return sysctl_out_file(request, pid, b"environ")
    address = guest.own.ps_strings
    release_guest(request.area, guest)
    if read_memory(request.area, pid, address, strings, sizeof(strings)) < 0:
        return -LINUX_EFAULT
    return out_strings(request, pid, strings[2], <uint32_t> strings[3])


cdef public long sysctl_auxv(sysctl_request_t *request) noexcept nogil:
    cdef process_t *guest
    cdef uaddr address
    cdef uint64_t pair[2]
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest == NULL:
        return sysctl_out_file(request, pid, b"auxv")
    address = guest.own.auxv
    release_guest(request.area, guest)
    while True:
        if read_memory(request.area, pid, address, pair, sizeof(pair)) < 0:
            return -LINUX_EFAULT
        result = sysctl_out(request, pair, sizeof(pair))
        if result < 0 or pair[0] == 0:
            return result
        address += sizeof(pair)


cdef public long sysctl_of_guest(sysctl_request_t *request) noexcept nogil:
    """Numbers that a guest's struct process has: by the row's argument."""
    cdef freebsd_kinfo_sigtramp trampoline
    cdef process_t *guest
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest == NULL:
        return -LINUX_EPERM
    if request.row.value == 0:
        result = sysctl_out(request, &guest.own.ps_strings, 8)
    elif request.row.value == 1:
        result = sysctl_out(request, &guest.own.osrel, 4)
    else:
        memset(&trampoline, 0, sizeof(trampoline))
        trampoline.ksigtramp_start = SIGCODE_BASE
        trampoline.ksigtramp_end = SIGCODE_BASE + <uint64_t> (sigcode_end - sigcode)
        result = sysctl_out(request, &trampoline, sizeof(trampoline))
    release_guest(request.area, guest)
    return result


cdef public long sysctl_sv_name(sysctl_request_t *request) noexcept nogil:
    cdef process_t *guest
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest == NULL:
        return sysctl_out_string(request, b"Linux ELF64")
    release_guest(request.area, guest)
    return sysctl_out_string(request, b"FreeBSD ELF64")


cdef public long sysctl_proc_groups(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_kinfo_proc info
    cdef uint32_t groups[FREEBSD_NGROUPS_MAX + 1]
    cdef int pid = 0
    cdef long result = sysctl_pid_or_own(request, &pid)
    if result < 0:
        return result
    if pid == request.area.proc.pid:
        return sysctl_out(request, groups, group_list(request.area.proc, groups) * 4)
    result = fill_kinfo_proc(request.area, pid, &info)
    return result if result < 0 else sysctl_out(request, info.ki_groups, info.ki_ngroups * 4)


cdef public long sysctl_proc_umask(sysctl_request_t *request) noexcept nogil:
    cdef char status[1024]
    cdef const char *at
    cdef uint16_t mask = 0
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    result = proc_read(pid, b"status", status, sizeof(status))
    if result < 0:
        return result
    at = find_text(status, b"Umask:")
    if at != NULL:
        while at[0] == c'\t' or at[0] == c' ':
            at += 1
        while c'0' <= at[0] <= c'7':
            mask = mask * 8 + (at[0] - 48)
            at += 1
    return sysctl_out(request, &mask, 2)

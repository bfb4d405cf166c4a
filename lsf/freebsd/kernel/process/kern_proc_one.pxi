# The names under kern.proc that answer one thing of one process: its path, arguments, files, mappings.
# Model: FreeBSD sys/kern/kern_proc.c, kern_descrip.c.

cdef enum:
    KVME_MAX_SHIFT = 16                 # KVME_MAX_PROT_ in kve_protection


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


cdef bint mapped_path(area_t *area, int pid, uaddr address, char *path, uint64_t size) noexcept nogil:
    """The file that is mapped at an address of a process, without links in its path, as the guest calls it."""
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
            lookup_guest(area.proc, path, size)
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


# Files and mappings

cdef long out_kinfo_file(sysctl_request_t *request, freebsd_kinfo_file *info) noexcept nogil:
    """Append a record without the unused end of its path."""
    if info.kf_cap_rights.cr_rights[0] == 0:
        memcpy(&info.kf_cap_rights, &lsf_rights[0], sizeof(rights_t))      # what is no descriptor has no rights
    info.kf_structsize = <int32_t> packed_kinfo_size(<uint64_t> info.kf_path - <uint64_t> info,
                                                     string_length(info.kf_path))
    return sysctl_out(request, info, info.kf_structsize)


cdef void kinfo_of_path(const char *link, int kind, freebsd_kinfo_file *info) noexcept nogil:
    """A record of what a link in /proc leads to (the current folder, the root, the program)."""
    cdef linux_stat st
    cdef long got
    memset(info, 0, sizeof(freebsd_kinfo_file))
    info.kf_type = FREEBSD_KF_TYPE_VNODE
    info.kf_fd = kind
    info.kf_ref_count = -1
    info.kf_offset = -1
    info.kf_structsize = sizeof(freebsd_kinfo_file)
    got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> link, <uint64_t> info.kf_path, sizeof(info.kf_path) - 1)
    if is_error(got):
        info.kf_path[0] = 0
    lookup_guest(SHIM, info.kf_path, sizeof(info.kf_path))
    if is_error(linux_syscall2(LINUX_SYS_stat, <uint64_t> link, <uint64_t> &st)):
        return
    info.kf_flags = FREEBSD_KF_FLAG_READ
    info.kf_status = FREEBSD_KF_ATTR_VALID
    info.kf_un.kf_file.kf_file_type = kinfo_vnode_type(st.st_mode)
    info.kf_un.kf_file.kf_file_fsid = freebsd_dev_from_linux(st.st_dev)
    info.kf_un.kf_file.kf_file_fileid = st.st_ino
    info.kf_un.kf_file.kf_file_size = <uint64_t> st.st_size
    info.kf_un.kf_file.kf_file_mode = <uint16_t> st.st_mode


cdef public long sysctl_cwd(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_kinfo_file info
    cdef char path[48]
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    proc_path(path, sizeof(path), pid, b"cwd")
    kinfo_of_path(path, FREEBSD_KF_FD_TYPE_CWD, &info)
    if pid == request.area.proc.pid and info.kf_path[0] == 0:
        linux_syscall2(LINUX_SYS_getcwd, <uint64_t> info.kf_path, sizeof(info.kf_path))
        lookup_guest(SHIM, info.kf_path, sizeof(info.kf_path))
    if info.kf_path[0] == 0:
        return -LINUX_EPERM
    return out_kinfo_file(request, &info)


cdef void kinfo_rights(area_t *area, int pid, int fd, process_t *guest, freebsd_kinfo_file *info) noexcept nogil:
    """What another guest's descriptor is limited to."""
    cdef caps_t caps
    cdef uint8_t marks = 0
    memcpy(&info.kf_cap_rights, rights_all(guest if guest != NULL else area.proc), sizeof(rights_t))
    if guest == NULL or guest.own.fd_caps == NULL:
        return
    if fd < FD_MARKS:
        marks = guest.own.fd_marks[fd]
    elif guest.own.fd_marks_high != NULL:
        read_memory(area, pid, <uaddr> &guest.own.fd_marks_high[fd], &marks, 1)
    if marks & MARK_LIMITED and read_memory(area, pid, <uaddr> &(<caps_t *> guest.own.fd_caps)[fd], &caps, sizeof(caps)) == 0:
        memcpy(&info.kf_cap_rights, &caps.rights, sizeof(rights_t))


cdef long kinfo_of_descriptor(area_t *area, int pid, int fd, process_t *guest, freebsd_kinfo_file *info) noexcept nogil:
    """A descriptor of this process, or what /proc tells of another's (guest: its struct process, or NULL): 0, or a negative errno where
    it is hidden or gone."""
    cdef char path[64]
    cdef char text[256]
    cdef const char *at
    cdef int64_t position = 0
    cdef uint64_t end, flags
    if pid == area.proc.pid:
        return -LINUX_EBADF if descriptor_is_hidden(area.proc, fd) else fill_kinfo_file(fd, info)
    end = append(text, 0, sizeof(text), b"fd/")
    append_number(text, end, sizeof(text), <uint32_t> fd, 10)
    proc_path(path, sizeof(path), pid, text)
    kinfo_of_path(path, fd, info)
    kinfo_rights(area, pid, fd, guest, info)
    info.kf_ref_count = 1
    info.kf_type = kinfo_type(info.kf_path, info.kf_un.kf_file.kf_file_mode)
    if info.kf_path[0] != c'/' or info.kf_type == FREEBSD_KF_TYPE_SHM:
        memset(info.kf_path, 0, sizeof(info.kf_path))
    end = append(text, 0, sizeof(text), b"fdinfo/")
    append_number(text, end, sizeof(text), <uint32_t> fd, 10)
    if proc_read(pid, text, text, sizeof(text)) > 0:
        at = find_text(text, b"pos:")
        if at != NULL:
            while at[0] == c'\t':
                at += 1
            parse_number(at, &position)
            info.kf_offset = position
        at = find_text(text, b"flags:")
        flags = 0
        if at != NULL:
            while at[0] == c'\t':
                at += 1
            while c'0' <= at[0] <= c'7':
                flags = flags * 8 + (at[0] - 48)
                at += 1
        end = linux_to_freebsd_open_flags(<unsigned> flags & 0o17777777)
        info.kf_flags = kinfo_flags(<uint32_t> end)
    return 0


cdef public long sysctl_filedesc(sysctl_request_t *request) noexcept nogil:
    """Program, current folder, root, and the descriptors; with the argument 1 only their number, for the caller (process 0)."""
    cdef freebsd_kinfo_file info
    cdef proc_walk_t walk
    cdef process_t *guest
    cdef char path[48]
    cdef int pid = request.area.proc.pid, fd, hidden1 = -1, hidden2 = -1, hidden3 = -1, hidden4 = -1, count = 0
    cdef long result = 0
    if request.row.value and (request.nrest != 1 or request.rest[0] != 0):
        return -LINUX_EINVAL
    if not request.row.value:
        result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest != NULL:
        hidden1 = guest.image_fd
        hidden2 = guest.truss_fd
        hidden3 = guest.stats_fd
        hidden4 = guest.record_fd
        if request.row.value == 0:
            proc_path(path, sizeof(path), pid, b"exe")
            kinfo_of_path(path, FREEBSD_KF_FD_TYPE_TEXT, &info)
            append(info.kf_path, 0, sizeof(info.kf_path), guest.execpath)
            result = out_kinfo_file(request, &info)
    if request.row.value == 0 and result == 0:
        proc_path(path, sizeof(path), pid, b"cwd")
        kinfo_of_path(path, FREEBSD_KF_FD_TYPE_CWD, &info)
        result = out_kinfo_file(request, &info)
    if request.row.value == 0 and result == 0:
        proc_path(path, sizeof(path), pid, b"root")
        kinfo_of_path(path, FREEBSD_KF_FD_TYPE_ROOT, &info)
        result = out_kinfo_file(request, &info)
    if result == 0:
        proc_path(path, sizeof(path), pid, b"fd")
        result = walk_begin(&walk, path)
        if result < 0:
            result = -LINUX_EPERM if result == -LINUX_EACCES else -LINUX_ESRCH
    if result < 0:
        release_guest(request.area, guest)
        return result
    result = 0
    while True:
        fd = walk_next(&walk)
        if fd < 0:
            break
        if fd == hidden1 or fd == hidden2 or fd == hidden3 or fd == hidden4 or (pid == request.area.proc.pid and fd == walk.fd):
            continue
        count += 1
        if request.row.value == 0 and result == 0 and kinfo_of_descriptor(request.area, pid, fd, guest, &info) == 0:
            result = out_kinfo_file(request, &info)
    release_guest(request.area, guest)
    return result if request.row.value == 0 else sysctl_out(request, &count, 4)


cdef void kinfo_of_mapping(const mapping_t *mapping, freebsd_kinfo_vmentry *entry) noexcept nogil:
    memset(entry, 0, sizeof(freebsd_kinfo_vmentry))
    entry.kve_start = mapping.start
    entry.kve_end = mapping.end
    entry.kve_protection = mapping.prot
    if mapping.path[0] == c'/' and mapping.path_length < sizeof(entry.kve_path):
        memcpy(entry.kve_path, mapping.path, mapping.path_length)
    entry.kve_ref_count = 1
    if mapping.inode != 0:
        entry.kve_type = FREEBSD_KVME_TYPE_VNODE
        entry.kve_offset = mapping.offset
        entry.kve_vn_type = FREEBSD_KF_VTYPE_VREG
        entry.kve_vn_fileid = mapping.inode
        entry.kve_vn_fsid = freebsd_makedev(mapping.major, mapping.minor)
        entry.kve_vn_fsid_freebsd11 = <uint32_t> entry.kve_vn_fsid
        entry.kve_status = FREEBSD_KF_ATTR_VALID
        if not mapping.shared:
            entry.kve_flags |= FREEBSD_KVME_FLAG_COW
    else:
        entry.kve_type = FREEBSD_KVME_TYPE_SWAP if entry.kve_protection else FREEBSD_KVME_TYPE_GUARD
    if string_starts(mapping.name, b"[stack]"):
        entry.kve_flags |= FREEBSD_KVME_FLAG_GROWS_DOWN


cdef int mapping_maximum(process_t *proc, int pid, const mapping_t *mapping) noexcept nogil:
    """KVME_MAX_PROT_ of a mapping, as KVME_PROT_ bits. Linux does not say whether a file that is shared may be made writable:
    one that is."""
    cdef int most = PROT_ALL
    if mapping.shared and mapping.inode != 0:
        most = LINUX_PROT_READ | LINUX_PROT_EXEC | (mapping.prot & LINUX_PROT_WRITE)
    return most & limits_kept(proc, mapping.start, mapping.end) if pid == proc.pid else most


cdef inline bint mapping_is_linux_s(const mapping_t *mapping) noexcept nogil:
    """True for the shim's mappings, and the data of Linux's vDSO, which no debugger can read."""
    return range_is_ours(mapping.start, mapping.end - mapping.start) or mapping.start >= GUEST_ADDRESS_END \
        or string_starts(mapping.name, b"[vvar")


cdef public long sysctl_vmmap(sysctl_request_t *request) noexcept nogil:
    """The mappings of a process, but for the shim's own."""
    cdef freebsd_kinfo_vmentry entry
    cdef mapping_t mapping
    cdef uint64_t room = 1 << 20, memory
    cdef const char *line
    cdef int pid = 0
    cdef long got, result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    memory = map_memory(room)
    if memory == 0:
        return -LINUX_ENOMEM
    got = proc_read(pid, b"maps", <char *> memory, room)
    while got == <long> room - 1 and room < 1 << 28:
        # Many mappings: begin again with more room.
        linux_syscall2(LINUX_SYS_munmap, memory, room)
        room = room * 4
        memory = map_memory(room)
        if memory == 0:
            return -LINUX_ENOMEM
        got = proc_read(pid, b"maps", <char *> memory, room)
    if got < 0:
        result = -LINUX_EPERM if got == -LINUX_EACCES else got
    line = <const char *> memory
    while result == 0 and got > 0 and line[0] != 0:
        line = mapping_parse(line, &mapping)
        if mapping_is_linux_s(&mapping):
            continue
        kinfo_of_mapping(&mapping, &entry)
        if request.area.proc.own.osreldate >= FREEBSD_SINCE_MAX_PROT:
            entry.kve_protection |= mapping_maximum(request.area.proc, pid, &mapping) << KVME_MAX_SHIFT
        entry.kve_structsize = <int32_t> packed_kinfo_size(<uint64_t> entry.kve_path - <uint64_t> &entry,
                                                           string_length(entry.kve_path))
        result = sysctl_out(request, &entry, entry.kve_structsize)
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    return result


cdef public long sysctl_vm_layout(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_kinfo_vm_layout layout
    cdef linux_rlimit limit
    cdef process_t *guest
    cdef int pid = 0
    cdef long result = sysctl_pid(request, &pid)
    if result < 0:
        return result
    guest = guest_process(request.area, pid)
    if guest == NULL:
        return -LINUX_EPERM
    memset(&layout, 0, sizeof(layout))
    limit.rlim_cur = 8 << 20
    linux_syscall4(LINUX_SYS_prlimit64, pid, 3, 0, <uint64_t> &limit)
    layout.kvm_min_user_addr = PAGE_SIZE
    layout.kvm_max_user_addr = GUEST_ADDRESS_END
    layout.kvm_data_addr = guest.break_start
    layout.kvm_data_size = guest.break_end - guest.break_start
    layout.kvm_stack_addr = guest.stack_low
    layout.kvm_stack_size = limit.rlim_cur
    release_guest(request.area, guest)
    return sysctl_out(request, &layout, sizeof(layout))


cdef public long sysctl_devname(sysctl_request_t *request) noexcept nogil:
    """The name of the device with a number, which comes as the new value."""
    cdef char name[64]
    cdef uint64_t dev = 0, at, linux
    cdef uint32_t major, minor
    if request.new_ == 0:
        return -LINUX_EINVAL
    if request.new_size != 8 and request.new_size != 4:
        return -LINUX_EINVAL
    if copyin(request.new_, &dev, request.new_size) < 0:
        return -LINUX_EFAULT
    if dev == (0xffffffffUL if request.new_size == 4 else <uint64_t> -1):
        return -LINUX_EINVAL                # NODEV
    linux = linux_dev_from_freebsd(dev)
    major = linux_major(linux)
    minor = linux_minor(linux)
    name[0] = 0
    if 136 <= major <= 143:
        at = append(name, 0, sizeof(name), b"pts/")
        append_number(name, at, sizeof(name), (major - 136) * 256 + minor, 10)
    elif major == 5 and minor == 0:
        append(name, 0, sizeof(name), b"tty")
    elif major == 5 and minor == 1:
        append(name, 0, sizeof(name), b"console")
    elif major == 4 and minor < 64:
        at = append(name, 0, sizeof(name), b"ttyv")
        append_number(name, at, sizeof(name), minor, 16)
    elif major == 1 and minor == 3:
        append(name, 0, sizeof(name), b"null")
    elif major == 1 and minor == 5:
        append(name, 0, sizeof(name), b"zero")
    if name[0] == 0:
        return -LINUX_ENOENT
    return sysctl_out_string(request, name)

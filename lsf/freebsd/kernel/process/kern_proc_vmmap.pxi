# kern.proc.vmmap and vm_layout: the mappings of a process.
# Model: FreeBSD sys/kern/kern_proc.c (kern_proc_vmmap_out).

cdef enum:
    KVME_MAX_SHIFT = 16                 # KVME_MAX_PROT_ in kve_protection


cdef void kinfo_of_mapping(const mapping_t *mapping, const view_top_t *top, freebsd_kinfo_vmentry *entry) noexcept nogil:
    memset(entry, 0, sizeof(freebsd_kinfo_vmentry))
    entry.kve_start = mapping.start
    entry.kve_end = mapping.end
    entry.kve_protection = mapping.prot
    if mapping.path[0] == c'/' and mapping.path_length < sizeof(entry.kve_path):
        memcpy(entry.kve_path, mapping.path, mapping.path_length)
        name_in_view(top, entry.kve_path, sizeof(entry.kve_path))
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


cdef const char *mapping_resident(const char *line, freebsd_kinfo_vmentry *entry) noexcept nogil:
    """The lines of /proc/PID/smaps that tell of the mapping before them; /proc/PID/maps has none. Returns where the next mapping begins."""
    cdef int64_t number = 0
    while c'A' <= line[0] <= c'Z':
        if string_starts(line, b"Rss:"):
            parse_number(line + 4, &number)
            entry.kve_resident = <int32_t> (number * 1024 // PAGE_SIZE)
            entry.kve_private_resident = entry.kve_resident
        line = next_line(line)
    return line


cdef public long sysctl_vmmap(sysctl_request_t *request) noexcept nogil:
    """The mappings of a process, but for the shim's own."""
    cdef const char *file = b"smaps"
    cdef freebsd_kinfo_vmentry entry
    cdef view_top_t top
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
    got = proc_read(pid, file, <char *> memory, room)
    if got <= 0:                            # a Linux without it
        file = b"maps"
        got = proc_read(pid, file, <char *> memory, room)
    while got == <long> room - 1 and room < 1 << 28:
        # Many mappings: begin again with more room.
        linux_syscall2(LINUX_SYS_munmap, memory, room)
        room = room * 4
        memory = map_memory(room)
        if memory == 0:
            return -LINUX_ENOMEM
        got = proc_read(pid, file, <char *> memory, room)
    if got < 0:
        result = -LINUX_EPERM if got == -LINUX_EACCES else got
    view_top(request.area, pid, &top)
    line = <const char *> memory
    while result == 0 and got > 0 and line[0] != 0:
        line = mapping_parse(line, &mapping)
        kinfo_of_mapping(&mapping, &top, &entry)
        line = mapping_resident(line, &entry)
        if mapping_is_linux_s(&mapping):
            continue
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
    linux_syscall4(LINUX_SYS_prlimit64, pid, LINUX_RLIMIT_STACK, 0, <uint64_t> &limit)
    layout.kvm_min_user_addr = PAGE_SIZE
    layout.kvm_max_user_addr = GUEST_ADDRESS_END
    layout.kvm_data_addr = guest.break_start
    layout.kvm_data_size = guest.break_end - guest.break_start
    layout.kvm_stack_addr = guest.stack_low
    layout.kvm_stack_size = limit.rlim_cur
    release_guest(request.area, guest)
    return sysctl_out(request, &layout, sizeof(layout))

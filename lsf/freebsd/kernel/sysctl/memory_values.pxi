# The values of sysctl names about memory: vm, hw.physmem and its kin. From /proc/meminfo.

cdef enum:
    OSREL_VMTOTAL64 = 1200054


cdef struct memory_t:
    # bytes
    uint64_t total, free, cached, active, inactive, slab, mapped, shared, swap_total, swap_free, committed, anonymous


cdef uint64_t meminfo_field(const char *text, const char *name) noexcept nogil:
    cdef const char *at = find_text(text, name)
    cdef int64_t value = 0
    if at != NULL:
        parse_number(at, &value)
    return <uint64_t> value * 1024


cdef void memory_read(memory_t *memory) noexcept nogil:
    """Linux's memory counters; without /proc those of sysinfo(2)."""
    cdef char text[3072]
    cdef linux_sysinfo info
    memset(memory, 0, sizeof(memory_t))
    memset(&info, 0, sizeof(info))
    linux_syscall1(LINUX_SYS_sysinfo, <uint64_t> &info)
    memory.total = info.totalram * info.mem_unit
    memory.free = info.freeram * info.mem_unit
    memory.shared = info.sharedram * info.mem_unit
    memory.swap_total = info.totalswap * info.mem_unit
    memory.swap_free = info.freeswap * info.mem_unit
    if read_file(b"/proc/meminfo", text, sizeof(text)) > 0:
        memory.active = meminfo_field(text, b"Active:")
        memory.inactive = meminfo_field(text, b"Inactive:")
        memory.cached = meminfo_field(text, b"Cached:")
        memory.slab = meminfo_field(text, b"Slab:")
        memory.mapped = meminfo_field(text, b"Mapped:")
        memory.committed = meminfo_field(text, b"Committed_AS:")
        memory.anonymous = meminfo_field(text, b"AnonPages:")
    else:
        memory.active = memory.total - memory.free


cdef uint64_t memory_wired(memory_t *memory) noexcept nogil:
    cdef uint64_t used = memory.free + memory.active + memory.inactive
    return memory.total - used if used < memory.total else 0


cdef public long sysctl_memory(sysctl_request_t *request) noexcept nogil:
    cdef memory_t memory
    cdef int64_t which = request.row.value
    cdef uint64_t value = 0
    memory_read(&memory)
    if which == 0:
        value = memory.total
    elif which == 1:
        value = memory.free // PAGE_SIZE
    elif which == 2:
        value = memory_wired(&memory) // PAGE_SIZE
    elif which == 3:
        value = memory.active // PAGE_SIZE
    elif which == 4:
        value = memory.inactive // PAGE_SIZE
    elif which == 6:
        value = memory.total - memory_wired(&memory)
    elif which == 8:
        value = memory.total // PAGE_SIZE
    elif which == 9:
        value = memory.total // PAGE_SIZE // 3      # as FreeBSD begins (vm_pageout_init)
    elif which == 10:
        value = memory.swap_total
    elif which == 11:
        value = memory.committed
    elif which == 12:
        value = memory.slab
    return sysctl_out_number(request, value)


cdef public long sysctl_swap_devices(sysctl_request_t *request) noexcept nogil:
    """Linux's swap space is shown as one device."""
    cdef memory_t memory
    memory_read(&memory)
    return sysctl_out_number(request, 1 if memory.swap_total else 0)


cdef public long sysctl_swap_info(sysctl_request_t *request) noexcept nogil:
    cdef memory_t memory
    cdef freebsd_xswdev device
    if request.nrest != 1:
        return -LINUX_EINVAL
    memory_read(&memory)
    if request.rest[0] != 0 or memory.swap_total == 0:
        return -LINUX_ENOENT
    memset(&device, 0, sizeof(device))
    device.xsw_version = 2
    device.xsw_dev = <uint64_t> -1
    device.xsw_nblks = <int32_t> (memory.swap_total // PAGE_SIZE)
    device.xsw_used = <int32_t> ((memory.swap_total - memory.swap_free) // PAGE_SIZE)
    return sysctl_out(request, &device, sizeof(device))


# Before FreeBSD 12 the counters had 32 bits.
cdef struct freebsd11_vmtotal:
    int16_t t_rq, t_dw, t_pw, t_sl, t_sw
    int32_t t_vm, t_avm, t_rm, t_arm, t_vmshr, t_avmshr, t_rmshr, t_armshr, t_free


cdef inline int32_t cut32(uint64_t value) noexcept nogil:
    return <int32_t> (value if value < 0x7fffffff else 0x7fffffff)


cdef public long sysctl_vmtotal(sysctl_request_t *request) noexcept nogil:
    """In pages; what Linux does not count is 0."""
    cdef freebsd11_vmtotal old
    cdef memory_t memory
    cdef freebsd_vmtotal total
    cdef linux_sysinfo info
    memory_read(&memory)
    memset(&info, 0, sizeof(info))
    linux_syscall1(LINUX_SYS_sysinfo, <uint64_t> &info)
    memset(&total, 0, sizeof(total))
    total.t_vm = memory.committed // PAGE_SIZE
    total.t_avm = total.t_vm
    total.t_rm = (memory.total - memory.free) // PAGE_SIZE
    total.t_arm = memory.active // PAGE_SIZE
    total.t_vmshr = memory.shared // PAGE_SIZE
    total.t_avmshr = total.t_vmshr
    total.t_rmshr = total.t_vmshr
    total.t_armshr = total.t_vmshr
    total.t_free = memory.free // PAGE_SIZE
    total.t_rq = 1
    total.t_sl = <int16_t> (info.procs - 1)
    if request.area.proc.own.osrel >= OSREL_VMTOTAL64:
        return sysctl_out(request, &total, sizeof(total))
    memset(&old, 0, sizeof(old))
    old.t_rq = total.t_rq
    old.t_sl = total.t_sl
    old.t_vm = cut32(total.t_vm)
    old.t_avm = cut32(total.t_avm)
    old.t_rm = cut32(total.t_rm)
    old.t_arm = cut32(total.t_arm)
    old.t_vmshr = cut32(total.t_vmshr)
    old.t_avmshr = cut32(total.t_avmshr)
    old.t_rmshr = cut32(total.t_rmshr)
    old.t_armshr = cut32(total.t_armshr)
    old.t_free = cut32(total.t_free)
    return sysctl_out(request, &old, sizeof(old))

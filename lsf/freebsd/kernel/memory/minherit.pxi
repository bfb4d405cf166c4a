# minherit(2): what a child gets of a mapping.
# Model: FreeBSD sys/vm/vm_mmap.c (kern_minherit), sys/vm/vm_map.c (vmspace_fork).

cdef long share_piece(uint64_t start, uint64_t size, int prot) noexcept nogil:
    """Put a shared mapping with the same contents in the place of a private one: 0 or a negative errno."""
    cdef long shared = linux_syscall6(LINUX_SYS_mmap, 0, size, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED
                                      | LINUX_MAP_ANONYMOUS, <uint64_t> -1, 0)
    cdef long result
    if is_error(shared):
        return shared
    if prot & 1:
        result = copy_guest(<void *> shared, <void *> start, size)
    else:
        linux_syscall3(LINUX_SYS_mprotect, start, size, LINUX_PROT_READ)
        result = copy_guest(<void *> shared, <void *> start, size)
    if result == 0:
        linux_syscall3(LINUX_SYS_mprotect, shared, size, prot)
        # MAYMOVE | FIXED
        result = linux_syscall5(LINUX_SYS_mremap, shared, size, size, LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED, start)
    if is_error(result):
        linux_syscall2(LINUX_SYS_munmap, shared, size)
        return result
    return 0


cdef long share_range(uint64_t start, uint64_t end) noexcept nogil:
    """INHERIT_SHARE: every private mapping in a range becomes shared. Linux cannot do that in place, so they are replaced,
    piece by piece as /proc lists them; other threads must not write to them meanwhile."""
    cdef mapping_t mapping
    cdef uint64_t room = 1 << 20, memory = map_memory(room), low, high
    cdef const char *line = <const char *> memory
    cdef long result = 0
    if memory == 0:
        return -LINUX_ENOMEM
    if read_file(b"/proc/self/maps", <char *> memory, room) < 0:
        result = -LINUX_EINVAL
    while result == 0 and line[0] != 0:
        line = mapping_parse(line, &mapping)
        low = mapping.start if mapping.start > start else start
        high = mapping.end if mapping.end < end else end
        if low < high and not mapping.shared:
            result = share_piece(low, high - low, mapping.prot)
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    return result


cdef public long sys_minherit(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t start = page_down(frame.arg[0]), size = page_up(frame.arg[1] + frame.arg[0] - start)
    cdef int inherit = <int> frame.arg[2]
    cdef int linux = freebsd_to_linux_inherit(inherit)
    cdef long result
    if start + size < start or linux == LSF_UNKNOWN:
        return -LINUX_EINVAL
    if size == 0:
        return 0
    evict_trampolines(area, start, size)
    if range_is_kept(area.proc, start, size) or start + size > GUEST_ADDRESS_END:
        return -LINUX_EINVAL
    if inherit == FREEBSD_INHERIT_SHARE:
        result = share_range(start, start + size)
        if result < 0:
            return result
        linux = freebsd_to_linux_inherit(FREEBSD_INHERIT_COPY)
    if inherit == FREEBSD_INHERIT_ZERO:
        linux_syscall3(LINUX_SYS_madvise, start, size, freebsd_to_linux_inherit(FREEBSD_INHERIT_COPY))
    else:
        linux_syscall3(LINUX_SYS_madvise, start, size, LINUX_MADV_KEEPONFORK)
    result = linux_syscall3(LINUX_SYS_madvise, start, size, linux)
    return 0 if result == -LINUX_ENOMEM else result       # gaps are passed over

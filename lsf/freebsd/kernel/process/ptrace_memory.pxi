# ptrace(2): the memory of a tracee, and its map. Model: FreeBSD sys/kern/sys_process.c (proc_rwmem, ptrace_vm_entry).

cdef enum:
    PTRACE_PIECE = 4096


cdef long tracee_memory(int pid) noexcept nogil:
    """The memory of a process as a file, which takes writes to read-only text too: a descriptor, or a negative errno."""
    cdef char path[64]
    proc_path(path, sizeof(path), pid, b"mem")
    return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, LINUX_O_RDWR | LINUX_O_CLOEXEC, 0)


cdef inline bint tracee_may_see(uint64_t at, uint64_t size) noexcept nogil:
    """False for memory of the shim, but for the signal trampoline, which is the guest's."""
    if at - SIGCODE_BASE < SIGCODE_SIZE and at + size <= SIGCODE_BASE + SIGCODE_SIZE:
        return True
    return at + size >= at and (at >= SHIM_END or at + size <= WINDOW_BASE)


cdef long tracee_transfer(long fd, uint64_t at, void *data, uint64_t size, bint write) noexcept nogil:
    """Read or write up to a page's worth of a tracee's memory, which must all be there: 0 or -EFAULT."""
    if not tracee_may_see(at, size):
        return -LINUX_EFAULT
    return 0 if linux_syscall4(LINUX_SYS_pwrite64 if write else LINUX_SYS_pread64, <uint64_t> fd, <uint64_t> data, size,
                               at) == <long> size else -LINUX_EFAULT


cdef long ptrace_word(frame_t *frame, area_t *area, int pid, bint write) noexcept nogil:
    """PT_READ_I and PT_WRITE_I: an int, which is the value."""
    cdef int32_t word = <int32_t> frame.arg[3]
    cdef long fd = tracee_memory(pid), result
    if is_error(fd):
        return -LINUX_ENOMEM
    result = tracee_transfer(fd, frame.arg[2], &word, 4, write)
    linux_syscall1(LINUX_SYS_close, fd)
    if result < 0:
        return -LINUX_ENOMEM
    return 0 if write else return_value(area, <uint64_t> <int64_t> word)


cdef long ptrace_io(frame_t *frame, area_t *area, int pid) noexcept nogil:
    """PT_IO."""
    cdef freebsd_ptrace_io_desc io
    cdef unsigned char piece[PTRACE_PIECE]
    cdef uint64_t done = 0, size
    cdef long fd, result = 0
    cdef bint write
    if copyin(frame.arg[2], &io, sizeof(io)) < 0:
        return -LINUX_EFAULT
    if <int64_t> io.piod_len < 0 or not FREEBSD_PIOD_READ_D <= io.piod_op <= FREEBSD_PIOD_WRITE_I:
        return -LINUX_EINVAL
    write = io.piod_op == FREEBSD_PIOD_WRITE_D or io.piod_op == FREEBSD_PIOD_WRITE_I
    fd = tracee_memory(pid)
    if is_error(fd):
        return -LINUX_EFAULT
    while done < io.piod_len and result == 0:
        size = PTRACE_PIECE - ((io.piod_offs + done) & (PTRACE_PIECE - 1))
        if size > io.piod_len - done:
            size = io.piod_len - done
        if write:
            result = copyin(io.piod_addr + done, piece, size)
        if result == 0:
            result = tracee_transfer(fd, io.piod_offs + done, piece, size, write)
        if result == 0 and not write:
            result = copyout(piece, io.piod_addr + done, size)
        done += size
    linux_syscall1(LINUX_SYS_close, fd)
    if result < 0:
        return -LINUX_EFAULT
    io.piod_len = done
    return copyout(&io, frame.arg[2], sizeof(io))


cdef long ptrace_vm_entry(frame_t *frame, area_t *area, debug_page_t *page) noexcept nogil:
    """PT_VM_ENTRY: the mappings one after the other, by their number."""
    cdef freebsd_ptrace_vm_entry entry
    cdef view_top_t top
    cdef mapping_t mapping
    cdef char path[FREEBSD_PATH_MAX]
    cdef uint64_t room = 1 << 20, memory
    cdef const char *line
    cdef int index = 0
    cdef uint32_t wanted
    cdef long result = -LINUX_ENOENT
    if copyin(frame.arg[2], &entry, sizeof(entry)) < 0:
        return -LINUX_EFAULT
    if entry.pve_entry < 0:
        return -LINUX_EINVAL
    memory = map_memory(room)
    if memory == 0:
        return -LINUX_ENOMEM
    line = <const char *> memory
    if proc_read(page.pid, b"maps", <char *> memory, room) <= 0:
        line = b""
    while line[0] != 0 and result != 0:
        line = mapping_parse(line, &mapping)
        if mapping_is_linux_s(&mapping):
            continue
        if index < entry.pve_entry:
            index += 1
            continue
        result = 0
        wanted = entry.pve_pathlen
        entry.pve_entry = index + 1
        entry.pve_timestamp = <int32_t> page.maps
        entry.pve_start = mapping.start
        entry.pve_end = mapping.end - 1
        entry.pve_offset = mapping.offset
        entry.pve_prot = <uint32_t> mapping.prot
        if area.proc.own.osreldate >= FREEBSD_SINCE_MAX_PROT:
            entry.pve_prot |= (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC) << 16
        if wanted == 0:
            break
        entry.pve_pathlen = 0
        entry.pve_fsid = <uint32_t> -1
        entry.pve_fileid = -1
        if mapping.path[0] == c'/' and mapping.path_length < sizeof(path):
            memcpy(path, mapping.path, mapping.path_length)
            path[mapping.path_length] = 0
            view_top(area, page.pid, &top)
            name_in_view(&top, path, sizeof(path))
            entry.pve_fileid = <int64_t> mapping.inode
            entry.pve_fsid = <uint32_t> freebsd_makedev(mapping.major, mapping.minor)
            entry.pve_pathlen = <uint32_t> string_length(path) + 1
            if entry.pve_pathlen > wanted:
                result = -LINUX_ENAMETOOLONG
                break
            result = copyout(path, entry.pve_path, entry.pve_pathlen)
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    if result == -LINUX_ENOENT and index < entry.pve_entry:
        return -LINUX_EINVAL
    return result if result < 0 else copyout(&entry, frame.arg[2], sizeof(entry))

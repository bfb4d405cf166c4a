# Another guest's struct process, and its memory.

cdef enum:
    PROCESS_MAGIC = 0x4c53462070726f63UL
    KERNEL_BASE = 0xfffff80000000000UL


cdef process_t *guest_process(area_t *area, int pid) noexcept nogil:
    """A guest's struct process: our own, or a copy of another's (see release_guest), or NULL."""
    return area.proc if pid == area.proc.pid else other_guest(area, pid)


cdef void release_guest(area_t *area, process_t *guest) noexcept nogil:
    if guest != NULL and guest != area.proc:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> guest, page_up(sizeof(process_t)))


cdef bint guest_move(int pid, void *data, const void *there, uint64_t size, bint writes) noexcept nogil:
    """Read another process's memory, or write it: whether that was done. Another guest's struct process is where it is in this one."""
    cdef uint64_t local[2]
    cdef uint64_t remote[2]
    local[0] = <uint64_t> data
    local[1] = size
    remote[0] = <uint64_t> there
    remote[1] = size
    return linux_syscall6(LINUX_SYS_process_vm_writev if writes else LINUX_SYS_process_vm_readv, pid, <uint64_t> local, 1,
                          <uint64_t> remote, 1, 0) == <long> size


cdef long read_memory(area_t *area, int pid, uaddr source, void *target, uint64_t size) noexcept nogil:
    """Copy from the memory of this or another process: 0 or -EFAULT."""
    if pid == area.proc.pid:
        return copyin(source, target, size)
    return 0 if guest_move(pid, target, <const void *> source, size, False) else -LINUX_EFAULT


cdef process_t *other_guest(area_t *area, int pid) noexcept nogil:
    """A copy of another guest's struct process, to be given to release_guest; NULL where there is none, or Linux does not
    let us read it."""
    cdef uint64_t size = page_up(sizeof(process_t)), memory = map_memory(size)
    if memory == 0:
        return NULL
    if guest_move(pid, <void *> memory, SHIM, sizeof(process_t), False) and (<process_t *> memory).own.magic == PROCESS_MAGIC:
        return <process_t *> memory
    linux_syscall2(LINUX_SYS_munmap, memory, size)
    return NULL

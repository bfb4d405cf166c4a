# break(2): the end of the data.
# Model: FreeBSD sys/vm/vm_unix.c (kern_break).

cdef long set_break(process_t *proc, uint64_t wanted, uint64_t data_limit) noexcept nogil:
    """The new end of the data; proc.own.lock_memory is held."""
    cdef uint64_t new = page_up(wanted), old = proc.break_end
    cdef long result
    if new < proc.break_start:
        return <long> old                       # libc asks for the first break this way
    if new > old:
        if new - proc.break_start > data_limit or new > GUEST_ADDRESS_END:
            return -LINUX_ENOMEM
        result = linux_syscall6(LINUX_SYS_mmap, old, new - old, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_PRIVATE
                                | LINUX_MAP_ANONYMOUS
                                | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0)
        if is_error(result):
            return -LINUX_ENOMEM
        if <uint64_t> result != old:            # a kernel before 4.17 takes the address for a hint
            linux_syscall2(LINUX_SYS_munmap, result, new - old)
            return -LINUX_ENOMEM
    elif new < old:
        linux_syscall2(LINUX_SYS_munmap, new, old - new)
    proc.break_end = new
    return <long> new


cdef public long sys_break(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t limit[2]
    cdef long result
    limit[0] = DATA_ROOM
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_DATA, 0, <uint64_t> limit)
    if frame.arg[0] > area.proc.break_end:
        evict_trampolines(area, area.proc.break_end, page_up(frame.arg[0]) - area.proc.break_end)
    lock_acquire(&area.proc.own.lock_memory)
    result = set_break(area.proc, frame.arg[0], limit[0] if limit[0] < DATA_ROOM else DATA_ROOM)
    lock_release(&area.proc.own.lock_memory)
    return result

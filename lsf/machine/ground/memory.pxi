# Memory of the shim's own.

cdef enum:
    PAGE_SIZE = 4096
    HEAP_ATTEMPTS = 64              # the heap's addresses are used in turn: after 64 GiB some are in use


cdef inline uint64_t page_up(uint64_t value) noexcept nogil:
    return (value + PAGE_SIZE - 1) & ~<uint64_t> (PAGE_SIZE - 1)


cdef inline uint64_t page_down(uint64_t value) noexcept nogil:
    return value & ~<uint64_t> (PAGE_SIZE - 1)


cdef uint64_t map_memory(uint64_t size) noexcept nogil:
    """Fresh zeroed memory for the shim itself, where no call of the guest can reach it; 0 when there is none."""
    cdef uint64_t at, room = page_up(size)
    cdef long result
    cdef int attempt
    for attempt in range(HEAP_ATTEMPTS if HEAP_START else 0):
        at = HEAP_START + atomic_add64(&PATCHES.heap_next, room) % (SHIM_END - HEAP_START)
        if at + room > SHIM_END:
            continue
        result = linux_syscall6(LINUX_SYS_mmap, at, room, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_PRIVATE
                                | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0)
        if <uint64_t> result == at:
            return at
        if result != -LINUX_EEXIST:
            return 0
    result = linux_syscall6(LINUX_SYS_mmap, 0, room, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_PRIVATE
                            | LINUX_MAP_ANONYMOUS, <uint64_t> -1, 0)
    return 0 if is_error(result) else <uint64_t> result


cdef inline bint overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) noexcept nogil:
    return a < b + b_size and b < a + a_size

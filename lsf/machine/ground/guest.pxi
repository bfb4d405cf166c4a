# Memory of the guest: copied by the accessors of entry.S, which turn a fault into EFAULT.

cdef enum:
    PATCH_POOL_SIZE = 65536
    GUEST_ADDRESS_MAX_LOG = 47


cdef inline long copyin(uaddr source, void *target, uint64_t size) noexcept nogil:
    """Copy from the guest: 0 or -EFAULT."""
    return copy_guest(target, <void *> source, size)


cdef inline long copyout(const void *source, uaddr target, uint64_t size) noexcept nogil:
    """Copy to the guest: 0 or -EFAULT. The shim's own memory is not the guest's to name."""
    if target + size > WINDOW_BASE and target < SHIM_END:
        return -LINUX_EFAULT
    return copy_guest(<void *> target, source, size)


cdef long copyinstr(uaddr source, char *target, uint64_t max, uint64_t *length) noexcept nogil:
    """Copy a string with its NUL from the guest: 0, -EFAULT or -ENAMETOOLONG; length counts the NUL and may be NULL."""
    cdef long result = copy_guest_string(target, <void *> source, max)
    if result < 0:
        return result
    if result == 0:
        return -LINUX_ENAMETOOLONG
    if length != NULL:
        length[0] = result
    return 0


cdef bint range_is_ours(uint64_t start, uint64_t size) noexcept nogil:
    """True where [start, start + size) touches memory of the shim (or wraps), which no guest call may change."""
    return start + size < start or (start < SHIM_END and start + size > WINDOW_BASE) or range_has_trampolines(start, size)


cdef inline bint is_no_place_to_run(uint64_t rip) noexcept nogil:
    """True for an address of the shim's where a context of the guest cannot stand. It can in the signal trampoline and
    in the trampolines of patched sites: a signal interrupts those as it does any other code."""
    return WINDOW_BASE <= rip < SHIM_END and rip - SIGCODE_BASE >= SIGCODE_SIZE


cdef bint range_has_trampolines(uint64_t start, uint64_t size) noexcept nogil:
    """True where [start, start + size) touches a pool."""
    cdef uint32_t i
    if not overlap(start, size, PATCHES.pools_low, PATCHES.pools_high - PATCHES.pools_low):
        return False
    for i in range(PATCHES.pools):
        if overlap(start, size, PATCHES.pool_start[i], PATCH_POOL_SIZE):
            return True
    for i in range(PATCHES.pages):
        if overlap(start, size, PATCH_PAGES[i], PAGE_SIZE):
            return True
    return False

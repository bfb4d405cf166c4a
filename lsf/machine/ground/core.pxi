# The ground every domain stands on: errors, guest memory, areas, messages.

from libc.string cimport memcmp, memcpy, memset

# Linux's errno values that handlers name themselves; entry.S maps them to FreeBSD's at the exit.
cdef enum:
    PAGE_SIZE = 4096
    PATCH_POOL_SIZE = 65536
    HEAP_ATTEMPTS = 64              # the heap's addresses are used in turn: after 64 GiB some are in use


cdef inline bint is_error(long result) noexcept nogil:
    """True where a raw Linux result is a negative errno."""
    return <uint64_t> result >= <uint64_t> -4095


cdef inline long freebsd_error(int error) noexcept nogil:
    """A handler's result for an errno that only FreeBSD has."""
    return -(FREEBSD_ERRNO + error)


cdef inline long return_value(area_t *area, long value) noexcept nogil:
    """A handler's result for a success whose value may look like an error (getpriority's -5)."""
    area.retval = <uint64_t> value
    return -RETURN_IN_AREA


cdef inline long restartable(long result) noexcept nogil:
    """The result of a blocking call that FreeBSD restarts after a handler with SA_RESTART."""
    return -LINUX_ERESTARTSYS if result == -LINUX_EINTR else result


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


cdef inline uint64_t page_up(uint64_t value) noexcept nogil:
    return (value + PAGE_SIZE - 1) & ~<uint64_t> (PAGE_SIZE - 1)


cdef inline uint64_t page_down(uint64_t value) noexcept nogil:
    return value & ~<uint64_t> (PAGE_SIZE - 1)


cdef uint64_t string_length(const char *text) noexcept nogil:
    cdef uint64_t n = 0
    while text[n] != 0:
        n += 1
    return n


cdef bint string_equal(const char *a, const char *b) noexcept nogil:
    cdef uint64_t i = 0
    while a[i] != 0 and a[i] == b[i]:
        i += 1
    return a[i] == b[i]


cdef bint string_starts(const char *text, const char *prefix) noexcept nogil:
    cdef uint64_t i = 0
    while prefix[i] != 0:
        if text[i] != prefix[i]:
            return False
        i += 1
    return True


cdef uint64_t append(char *buffer, uint64_t at, uint64_t size, const char *text) noexcept nogil:
    """Append text at offset `at` of a buffer of `size` bytes, NUL-terminated and cut where it does not fit; the new end."""
    cdef uint64_t i = 0
    while text[i] != 0 and at + 1 < size:
        buffer[at] = text[i]
        at += 1
        i += 1
    buffer[at] = 0
    return at


cdef uint64_t append_number(char *buffer, uint64_t at, uint64_t size, uint64_t value, unsigned base) noexcept nogil:
    """Append an unsigned number in the given base (2 to 16)."""
    cdef char digits[65]
    cdef int n = 64
    cdef unsigned digit
    digits[64] = 0
    while True:
        digit = value % base
        n -= 1
        digits[n] = 48 + digit if digit < 10 else 87 + digit
        value = value / base
        if value == 0:
            break
    return append(buffer, at, size, &digits[n])


cdef void complain(const char *a, const char *b, const char *c, const char *d) noexcept nogil:
    """One line on stderr, in one write: `lsf: ` and up to four strings (NULL ends them early)."""
    cdef char line[1400]
    cdef uint64_t at = append(line, 0, 1400, b"lsf: ")
    if a != NULL:
        at = append(line, at, 1390, a)
        if b != NULL:
            at = append(line, at, 1390, b)
            if c != NULL:
                at = append(line, at, 1390, c)
                if d != NULL:
                    at = append(line, at, 1390, d)
    at = append(line, at, 1400, b"\n")
    linux_syscall3(LINUX_SYS_write, 2, <uint64_t> line, at)


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


cdef area_t *area_at(int index) noexcept nogil:
    return <area_t *> (AREAS_BASE + <uint64_t> index * AREA_STRIDE + AREA_STRUCT)


cdef bint map_area(uint64_t start, uint64_t size) noexcept nogil:
    """Map memory of an area at its address; False when there is none, or something else is there."""
    return not is_error(linux_syscall6(LINUX_SYS_mmap, start, size, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_PRIVATE
                                       | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0))


cdef bint area_map(int index) noexcept nogil:
    """Map an area's two stacks, which leaves gaps for its guard pages; False when memory is short."""
    cdef uint64_t base = AREAS_BASE + <uint64_t> index * AREA_STRIDE
    if not map_area(base + AREA_SIGSTACK, AREA_SIGSTACK_SIZE):
        return False
    if not map_area(base + AREA_STACK, AREA_STRIDE - AREA_STACK):
        linux_syscall2(LINUX_SYS_munmap, base + AREA_SIGSTACK, AREA_SIGSTACK_SIZE)
        return False
    slot_at(index).mapped = 1
    return True


cdef void area_reset(area_t *area, int index) noexcept nogil:
    """Zero an area's struct and give it its address, frame and lane table."""
    memset(area, 0, sizeof(area_t))
    area.self = area
    area.index = index
    area.slot = slot_at(index)
    area.frame = <frame_t *> (<uint64_t> area - FRAME_SIZE)
    area.lanes = lsf_lane


cdef area_t *area_take(process_t *proc) noexcept nogil:
    """A free area for a new thread, its state word held at 1 (the kernel clears it when the thread ends); NULL when none."""
    cdef int i
    cdef slot_t *slot
    cdef area_t *area
    for i in range(AREA_COUNT):
        slot = slot_at(i)
        if slot.state == 0 and atomic_cas32(&slot.state, 0, 1) == 0:
            if not slot.mapped and not area_map(i):
                atomic_store32(&slot.state, 0)
                return NULL
            area = area_at(i)
            if area.scratch != 0:
                linux_syscall2(LINUX_SYS_munmap, area.scratch, area.scratch_size)
            area_reset(area, i)
            area.proc = proc
            return area
    return NULL

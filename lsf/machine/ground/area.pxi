# Areas: what the shim has for each thread (runtime.h).

cdef area_t *area_at(int index) noexcept nogil:
    return <area_t *> (AREAS_BASE + <uint64_t> index * AREA_STRIDE + AREA_STRUCT)


cdef area_t *area_next(process_t *proc, area_t *last) noexcept nogil:
    """The area of a process's first thread, or of the next after that one; NULL when there is none. Areas are mapped in order, so
    the first that is not mapped is the end; one that is being mapped is no thread's yet."""
    cdef area_t *area
    cdef int i, first = 0 if last == NULL else <int> ((<uint64_t> last - AREAS_BASE) // AREA_STRIDE) + 1
    for i in range(first, AREA_COUNT):
        if i > 0 and slot_at(i).mapped == 0:
            break
        area = area_at(i)
        if slot_at(i).state != 0 and area.proc == proc:
            return area
    return NULL


cdef area_t *thread_find(process_t *proc, int64_t id_) noexcept nogil:
    """The area of this process's thread with that number, or NULL."""
    cdef area_t *area = NULL
    while (area := area_next(proc, area)) != NULL:
        if area.tid == id_:
            break
    return area


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


cdef void pause(int64_t nanoseconds) noexcept nogil:
    """Sleep for less than a second, before another look at something that nobody wakes a waiter for. A signal ends it early."""
    cdef int64_t moment[2]
    moment[0] = 0
    moment[1] = nanoseconds
    linux_syscall4(LINUX_SYS_clock_nanosleep, LINUX_CLOCK_MONOTONIC, 0, <uint64_t> moment, 0)


cdef void area_await(slot_t *slot) noexcept nogil:
    """Wait while another thread maps the area that it has taken: areas are mapped in order, so who walks them stops at the first
    that is not mapped."""
    while atomic_load32(&slot.state) != 0 and atomic_load32(&slot.mapped) == 0:
        pause(50000)


cdef area_t *area_take(process_t *proc) noexcept nogil:
    """A free area for a new thread, its state word held at 1 (the kernel clears it when the thread ends); NULL when none."""
    cdef int i
    cdef slot_t *slot
    cdef area_t *area
    for i in range(AREA_COUNT):
        slot = slot_at(i)
        if i > 0 and not slot.mapped:
            area_await(slot)
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


cdef bint is_alone(area_t *area) noexcept nogil:
    """True where no other thread uses this memory, so that no lock of the shim can be held."""
    cdef int i
    for i in range(AREA_COUNT):
        if slot_at(i).state != 0 and i != <int> area.index:
            return False
        if i > 0 and slot_at(i).mapped == 0:
            return True
    return True

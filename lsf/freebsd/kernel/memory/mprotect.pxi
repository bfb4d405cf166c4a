# What mprotect(2) may not give: the maximum protection of mappings that were made with PROT_MAX, and guards (MAP_GUARD),
# over which mprotect passes. Linux keeps neither, so the shim does: a table of ranges, empty in most processes.
# Model: FreeBSD sys/vm/vm_map.c (vm_map_protect).

cdef enum:
    LIMITS_FIRST = 254              # fills two pages
    LIMIT_GUARD = 8

cdef struct limit_t:
    uint64_t start, end
    uint64_t max                    # PROT_ bits, or LIMIT_GUARD

# In memory of its own, not in struct process: a vfork child shares it, as it shares what it describes.
cdef struct limits_t:
    uint64_t size                   # of this mapping
    uint64_t count, room
    uint64_t pad
    limit_t entry[1]


cdef bint limits_grow(process_t *proc) noexcept nogil:
    """Room for two more entries; False when memory is short."""
    cdef limits_t *old = <limits_t *> proc.own.limits
    cdef limits_t *new
    cdef uint64_t size
    if old != NULL and old.count + 2 <= old.room:
        return True
    size = page_up(32 + LIMITS_FIRST * sizeof(limit_t)) if old == NULL else old.size * 2
    new = <limits_t *> map_memory(size)
    if new == NULL:
        return False
    if old != NULL:
        memcpy(new, old, 32 + old.count * sizeof(limit_t))
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> old, old.size)
    new.size = size
    new.room = (size - 32) // sizeof(limit_t)
    proc.own.limits = <uint64_t> new
    return True


cdef bint limits_clear(process_t *proc, uint64_t start, uint64_t end) noexcept nogil:
    """Forget a range: entries in it go, those that reach into it shrink or split. False when memory is short."""
    cdef limits_t *limits = <limits_t *> proc.own.limits
    cdef limit_t *entry
    cdef uint64_t i = 0
    while limits != NULL and i < limits.count:
        entry = &limits.entry[i]
        if entry.end <= start or entry.start >= end:
            i += 1
        elif entry.start >= start and entry.end <= end:
            limits.count -= 1
            limits.entry[i] = limits.entry[limits.count]
        elif entry.start < start and entry.end > end:
            if not limits_grow(proc):
                return False
            limits = <limits_t *> proc.own.limits
            entry = &limits.entry[i]
            limits.entry[limits.count] = entry[0]
            limits.entry[limits.count].start = end
            limits.count += 1
            entry.end = start
            i += 1
        else:
            if entry.start < start:
                entry.end = start
            else:
                entry.start = end
            i += 1
    return True


cdef void limits_set(process_t *proc, uint64_t start, uint64_t size, uint64_t max) noexcept nogil:
    """Note what a new mapping may become; PROT_ALL is what every mapping may."""
    cdef limits_t *limits
    if proc.own.limits == 0 and max == PROT_ALL:
        return
    lock_acquire(&proc.own.lock_memory)
    # Without memory for the note the mapping has no limit.
    if limits_clear(proc, start, start + size) and max != PROT_ALL and limits_grow(proc):
        limits = <limits_t *> proc.own.limits
        limits.entry[limits.count].start = start
        limits.entry[limits.count].end = start + size
        limits.entry[limits.count].max = max
        limits.count += 1
    lock_release(&proc.own.lock_memory)


cdef long limits_refuse(process_t *proc, uint64_t start, uint64_t end, int prot, int max) noexcept nogil:
    """-EACCES when a range holds something that may not be given prot (or a new maximum); with a maximum, note that."""
    cdef limits_t *limits
    cdef uint64_t i, kept = PROT_ALL
    cdef long result = 0
    if proc.own.limits == 0 and max == 0:
        return 0
    lock_acquire(&proc.own.lock_memory)
    limits = <limits_t *> proc.own.limits
    if limits != NULL:
        for i in range(limits.count):
            if limits.entry[i].end <= start or limits.entry[i].start >= end or limits.entry[i].max & LIMIT_GUARD:
                continue
            kept &= limits.entry[i].max
    if (prot | max) & ~<int> kept:
        result = -LINUX_EACCES
    lock_release(&proc.own.lock_memory)
    return result


cdef int limits_kept(process_t *proc, uint64_t start, uint64_t end) noexcept nogil:
    """What may be given in all of a range."""
    cdef limits_t *limits
    cdef uint64_t i, kept = PROT_ALL
    if proc.own.limits == 0:
        return PROT_ALL
    lock_acquire(&proc.own.lock_memory)
    limits = <limits_t *> proc.own.limits
    if limits != NULL:
        for i in range(limits.count):
            if limits.entry[i].end > start and limits.entry[i].start < end:
                kept &= 0 if limits.entry[i].max & LIMIT_GUARD else limits.entry[i].max
    lock_release(&proc.own.lock_memory)
    return <int> kept


cdef long protect_between_guards(process_t *proc, uint64_t start, uint64_t end, int prot) noexcept nogil:
    """mprotect but for the guards in the range."""
    cdef limits_t *limits
    cdef uint64_t i, guard, guard_end
    cdef long result = 0
    while start < end and result == 0:
        guard = end
        guard_end = end
        lock_acquire(&proc.own.lock_memory)
        limits = <limits_t *> proc.own.limits
        if limits != NULL:
            for i in range(limits.count):
                if limits.entry[i].max & LIMIT_GUARD and limits.entry[i].end > start and limits.entry[i].start < guard:
                    guard = limits.entry[i].start if limits.entry[i].start > start else start
                    guard_end = limits.entry[i].end
        lock_release(&proc.own.lock_memory)
        if guard > start:
            result = protect_range(start, guard - start, prot)
        start = guard_end
    return result

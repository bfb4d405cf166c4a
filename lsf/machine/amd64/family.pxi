# Sites of families: what the children of a server find out that forks for each connection.
#
# Each such child traps at the same sites, patches some of them, and ends. So it leaves the sites at which it trapped more than
# a few times in a page that the family shares, and the next fork of any member looks whether there are new ones: it patches
# its own text there, and its children have the jumps, and the copied pages, by inheritance.
#
# What stands in the page is a hint and no more. A child may have given up rights that its parent has, may have mapped other code,
# or may be wrong: the parent patches a site only if it lies in text of its own that is mapped private from a file, and if the
# instructions are proven from the beginning of their function (the first way of patch.pxi), since it may never have trapped there.

cdef enum:
    FAMILY_AFTER = 8                # forks: a program that forks now and then needs no family
    FAMILY_SITES = 64               # that can be left; words of the page, behind their count


cdef bint family_has_none(process_t *proc) noexcept nogil:
    """True where nothing is patched."""
    return proc.no_patch or proc.truss_fd >= 0 or proc.tracer != 0


cdef void family_found(uint64_t ret) noexcept nogil:
    """Leave the site that ends at ret to this process's family."""
    cdef uint32_t *count = <uint32_t *> PATCHES.family
    cdef uint32_t at
    for at in range(<uint32_t> FAMILY_SITES):
        if at >= count[0]:
            break
        if (<uint64_t *> count)[1 + at] == ret:
            return                  # somebody said so before
    if count[0] >= <uint32_t> FAMILY_SITES:
        return
    at = atomic_add32(count, 1)
    if at < <uint32_t> FAMILY_SITES:
        atomic_cas64(&(<uint64_t *> PATCHES.family)[1 + at], 0, ret)


cdef void family_begin() noexcept nogil:
    """Map the page that the children to come share."""
    cdef uint64_t page = map_memory(PAGE_SIZE)
    if page == 0:
        return
    if is_error(linux_syscall6(LINUX_SYS_mmap, page, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                               LINUX_MAP_SHARED | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, <uint64_t> -1, 0)):
        linux_syscall2(LINUX_SYS_munmap, page, PAGE_SIZE)
        return
    PATCHES.family_seen = 0
    PATCHES.family = page


cdef bint family_patch(process_t *proc, uint64_t ret) noexcept nogil:
    """Patch a site at which this process may never have trapped, if all is proven: True where it is done. PATCHES.lock is held."""
    cdef mapped_image_t image
    cdef displaced_t displaced
    cdef mapping_t mapping
    cdef uint64_t start = 0, end = 0
    cdef uint64_t *entry
    cdef uint16_t code = 0
    if range_is_ours(ret - 2, 2) or copyin(ret - 2, &code, 2) < 0 or code != SYSCALL_BYTES or is_left_alone(ret - 2):
        return False
    if mapping_find(ret - 2, &mapping) < 0 or not is_file_text(&mapping) or ret > mapping.end:
        return False
    if not image_of(ret - 2, &image) or not (function_by_unwind(&image, ret - 2, &start, &end)
                                             or function_by_dynamic(&image, ret - 2, &start, &end)):
        return False
    if not displaced_before(&image, start, end, ret - 2, CALLS_END, &displaced) or displaced.start < mapping.start:
        return False
    entry = site_entry(ret)
    if entry == NULL or site_is_patched(ret):
        return False
    return patch_before(proc, entry, ret, &image, &displaced) == OUTCOME_PATCHED


cdef void family_learn(process_t *proc, area_t *area) noexcept nogil:
    """Before a fork: take over what children have found."""
    cdef uint32_t count, i
    cdef uint64_t ret
    if family_has_none(proc):
        return
    if PATCHES.family == 0:
        PATCHES.forks += 1
        if PATCHES.forks < <uint32_t> FAMILY_AFTER:
            return
        lock_acquire(&PATCHES.lock)
        if PATCHES.family == 0:
            family_begin()
        PATCHES.forks = 0           # where there was no memory it is tried again later
        lock_release(&PATCHES.lock)
        return
    count = atomic_load32(<uint32_t *> PATCHES.family)
    if count > <uint32_t> FAMILY_SITES:
        count = FAMILY_SITES
    if count <= PATCHES.family_seen:
        return
    lock_acquire(&PATCHES.lock)
    for i in range(PATCHES.family_seen, count):
        ret = (<uint64_t *> PATCHES.family)[1 + i]
        if ret == 0:
            break                   # it is just being written: the next fork has it
        if family_patch(proc, ret):
            PATCHES.patched += 1
            if proc.stats != NULL:
                stats_site(area, ret, OUTCOME_PATCHED)
        PATCHES.family_seen = i + 1
    lock_release(&PATCHES.lock)

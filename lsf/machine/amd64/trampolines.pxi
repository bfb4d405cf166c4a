# Trampolines: what the jumps at patched sites lead to. Each sets the return address and jumps to `entry`:
#
#     [the instructions that the jump displaced]  lea after_the_syscall(%rip),%rcx;  jmp *entry
#
# They lie in pools, which are mapped where a jump of 32 bits reaches them: a pool below the image for sites whose jump stands
# before the syscall, and single pages wherever a jump in the syscall's own place leads (patch.pxi). The first word of a pool is
# the address of `entry`, aligned, so that a program that has set EFLAGS.AC may come by.
#
# They are no property of the guest's: no call of it may write to them, and where it wants the memory for a mapping of
# its own, or for its break, it gets it: the sites are put back as they were, and the pool is unmapped (evict_trampolines).

cdef enum:
    TRAMPOLINE_TAIL = 13            # lea and jmp
    TRAMPOLINE_SLOT = 64            # of a pool of PATCH_POOL_SIZE
    TRAMPOLINE_TEXT = 56            # in a slot: the 8 bytes of text that the jump was written over
    POOL_TARGET = 8                 # where the first trampoline of a page may begin
    STACK_ROOM = 1 << 30            # below the top of the main stack, where it may grow
    LOWEST_ADDRESS = 0x10000        # vm.mmap_min_addr
    MAPPED_FROM = 0x100000000UL         # an image above was placed by Linux, or might have been
    # A record in PATCH_TRAMPOLINES: the address, and above it the bytes of displaced instructions, and the form of the jump.
    RECORD_SIZE_SHIFT = 48
    RECORD_FORM_SHIFT = 56
    FORM_BEFORE = 1                 # a jump before the syscall
    FORM_AT = 2                     # e9 in place of 0f
    FORM_AT_REX = 3                 # 48 e9 in place of 0f 05


cdef inline uint64_t record_address(uint64_t record) noexcept nogil:
    return record & SITE_ADDRESS & ((1UL << RECORD_SIZE_SHIFT) - 1)


cdef inline uint64_t record_size(uint64_t record) noexcept nogil:
    return record >> RECORD_SIZE_SHIFT & 0xff


cdef int trampoline_find(uint64_t rip) noexcept nogil:
    """The place in the table of sites of the trampoline that rip is in; -1 where it is in none."""
    cdef uint64_t record
    cdef int i
    if not range_has_trampolines(rip, 1):
        return -1
    for i in range(PATCH_SITES):
        record = PATCH_TRAMPOLINES[i]
        if record != 0 and rip - record_address(record) < record_size(record) + TRAMPOLINE_TAIL:
            return i
    return -1


cdef uint64_t outside_trampolines(uint64_t rip) noexcept nogil:
    """Where the guest stands in its own text, if it stands in a trampoline; else rip as it is. A signal shows no other
    address, and sigreturn would not take one back."""
    cdef int i = trampoline_find(rip)
    cdef uint64_t site, record
    if i < 0:
        return rip
    record = PATCH_TRAMPOLINES[i]
    site = (PATCH_TABLE[i] & SITE_ADDRESS) - 2
    if rip - record_address(record) < record_size(record):
        return site - record_size(record) + (rip - record_address(record))
    return site


cdef bint step_is_ours(uint64_t rip) noexcept nogil:
    """True for a single step that came to rip and executed no instruction of the guest's: our jump, or what follows a
    jump that stands for the syscall."""
    cdef int i = trampoline_find(rip)
    if i < 0:
        return False
    return rip == record_address(PATCH_TRAMPOLINES[i]) or record_size(PATCH_TRAMPOLINES[i]) == 0


cdef bint is_room_for_pool(process_t *proc, uint64_t at, uint64_t size) noexcept nogil:
    """False where the guest's main stack may grow, or where no address of a guest's is."""
    return (LOWEST_ADDRESS <= at and at + size < 1UL << GUEST_ADDRESS_MAX_LOG and not range_is_ours(at, size)
            and not overlap(at, size, proc.stack_top - STACK_ROOM, STACK_ROOM + PAGE_SIZE))


cdef long map_pool(uint64_t at, uint64_t size) noexcept nogil:
    """Memory for trampolines at an address: 0, or an errno (EEXIST where something is mapped already)."""
    cdef long result = linux_syscall6(LINUX_SYS_mmap, at, size, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_PRIVATE
                                      | LINUX_MAP_ANONYMOUS
                                      | LINUX_MAP_FIXED_NOREPLACE,
                                      <uint64_t> -1, 0)
    if is_error(result):
        return result
    if <uint64_t> result != at:             # a kernel before MAP_FIXED_NOREPLACE
        linux_syscall2(LINUX_SYS_munmap, result, size)
        return -LINUX_EEXIST
    (<uint64_t *> at)[0] = <uint64_t> entry
    result = linux_syscall3(LINUX_SYS_mprotect, at, size, LINUX_PROT_READ | LINUX_PROT_EXEC)
    if is_error(result):
        linux_syscall2(LINUX_SYS_munmap, at, size)
        return result
    if PATCHES.pools_high == 0 or at < PATCHES.pools_low:
        PATCHES.pools_low = at
    if at + size > PATCHES.pools_high:
        PATCHES.pools_high = at + size
    return 0


cdef uint64_t pool_add(uint64_t at) noexcept nogil:
    """Note a pool that was mapped: its first slot for a trampoline. (The one before it has the address of `entry`.)"""
    PATCHES.pool_start[PATCHES.pools] = at
    PATCHES.pool_used[PATCHES.pools] = 2 * TRAMPOLINE_SLOT
    PATCHES.pools += 1
    return at + TRAMPOLINE_SLOT


cdef uint64_t slot_for(process_t *proc, uint64_t site, uint64_t image_low) noexcept nogil:
    """Room for a trampoline of FORM_BEFORE; 0 when there is none. PATCHES.lock is held."""
    cdef uint64_t at
    cdef int64_t distance
    cdef uint32_t i
    cdef int attempt
    cdef long result
    for i in range(PATCHES.pools):
        distance = <int64_t> (PATCHES.pool_start[i] - site)
        if PATCHES.pool_used[i] + TRAMPOLINE_SLOT <= PATCH_POOL_SIZE and -0x7fff0000 < distance < 0x7ffe0000:
            at = PATCHES.pool_start[i] + PATCHES.pool_used[i]
            PATCHES.pool_used[i] += TRAMPOLINE_SLOT
            return at
    if PATCHES.pools >= <uint32_t> PATCH_POOLS:
        return 0
    # Where Linux maps things by itself, the next place is near enough.
    if image_low >= MAPPED_FROM:
        result = linux_syscall6(LINUX_SYS_mmap, 0, PATCH_POOL_SIZE, LINUX_PROT_NONE, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS,
                                <uint64_t> -1, 0)
        if not is_error(result):
            linux_syscall2(LINUX_SYS_munmap, result, PATCH_POOL_SIZE)
            distance = result - <int64_t> site
            if -0x7fff0000 < distance < 0x7ffe0000 and is_room_for_pool(proc, <uint64_t> result, PATCH_POOL_SIZE) \
                    and map_pool(<uint64_t> result, PATCH_POOL_SIZE) == 0:
                return pool_add(<uint64_t> result)
    # Right below the image (above a program lies its break), and lower, in steps that grow.
    distance = PATCH_POOL_SIZE
    for attempt in range(40):
        at = (image_low & ~<uint64_t> (PATCH_POOL_SIZE - 1)) - <uint64_t> distance
        distance += PATCH_POOL_SIZE if attempt < 16 else 0x4000000
        if at > image_low or site - at > 0x7fff0000:
            break
        if not is_room_for_pool(proc, at, PATCH_POOL_SIZE):
            continue
        result = map_pool(at, PATCH_POOL_SIZE)
        if result == 0:
            return pool_add(at)
        if result != -LINUX_EEXIST:
            return 0
    return 0


cdef bint page_is_ready(process_t *proc, uint64_t page, uint64_t *refused) noexcept nogil:
    """True where the page is a pool, or has become one now. refused: a page that cannot be, remembered between calls."""
    cdef uint32_t i
    for i in range(PATCHES.pages):
        if PATCH_PAGES[i] == page:
            return True
    if page == refused[0] or PATCHES.pages >= <uint32_t> PATCH_PAGES_MAX or not is_room_for_pool(proc, page, PAGE_SIZE) \
            or map_pool(page, PAGE_SIZE) != 0:
        refused[0] = page
        return False
    PATCH_PAGES[PATCHES.pages] = page
    PATCHES.pages += 1
    return True


cdef bint is_empty(uint64_t at) noexcept nogil:
    """True where no trampoline lies at a place in a page of ours: none has so many zero bytes in a row."""
    cdef int i
    for i in range(TRAMPOLINE_TAIL):
        if (<const unsigned char *> at)[i]:
            return False
    return True


cdef uint64_t place_that_jump_reaches(process_t *proc, uint64_t site, unsigned char *first, int *form) noexcept nogil:
    """Where a jump at the syscall's own place can lead; 0 where there is no room. Its last bytes are those that follow the
    syscall, which stay; the first one may be chosen. They lie in one page with it: another page may be mapped anew, or be
    made writable, without a word about this one. first: that byte. PATCHES.lock is held."""
    cdef unsigned char next_[4]
    cdef uint64_t target, refused = 0
    cdef bint across = site % CACHE_LINE == CACHE_LINE - 1
    cdef int low
    if site % PAGE_SIZE <= PAGE_SIZE - JUMP_SIZE and not jump_is_near(site, site + JUMP_SIZE) \
            and copyin(site + 2, next_, 3) == 0:
        target = site + 5 + <uint64_t> <int64_t> <int32_t> (<uint32_t> next_[0] << 8 | <uint32_t> next_[1] << 16
                                                            | <uint32_t> next_[2] << 24)
        form[0] = FORM_AT
        for low in range(256):
            # Where the two bytes lie in two cache lines only the first is stored: the other one remains.
            if across and low != 5:
                continue
            if (target + <uint64_t> low) % PAGE_SIZE < POOL_TARGET \
                    or (target + <uint64_t> low) % PAGE_SIZE > PAGE_SIZE - TRAMPOLINE_TAIL:
                continue
            if page_is_ready(proc, page_down(target + <uint64_t> low), &refused) and is_empty(target + <uint64_t> low):
                first[0] = <unsigned char> low
                return target + <uint64_t> low
    if not across and site % PAGE_SIZE < PAGE_SIZE - JUMP_SIZE and not jump_is_near(site, site + JUMP_SIZE + 1) \
            and copyin(site + 2, next_, 4) == 0:
        form[0] = FORM_AT_REX
        target = site + 6 + <uint64_t> <int64_t> (<int32_t *> next_)[0]
        if POOL_TARGET <= target % PAGE_SIZE <= PAGE_SIZE - TRAMPOLINE_TAIL \
                and page_is_ready(proc, page_down(target), &refused) \
                and is_empty(target):
            return target
    return 0


cdef bint write_trampoline(uint64_t to, const unsigned char *displaced, uint64_t size, const unsigned char *text,
                           uint64_t ret) noexcept nogil:
    """Write one, in its pool. displaced: what it begins with; text: the 8 bytes to keep beside it, or NULL."""
    cdef unsigned char *at = <unsigned char *> to
    cdef uint64_t page = page_down(to), pool = page, i
    if is_error(linux_syscall3(LINUX_SYS_mprotect, page, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC)):
        return False
    if size != 0:
        for i in range(PATCHES.pools):
            if to - PATCHES.pool_start[i] < PATCH_POOL_SIZE:
                pool = PATCHES.pool_start[i]
    for i in range(size):
        at[i] = displaced[i]
    at += size
    at[0] = 0x48
    at[1] = 0x8d
    at[2] = 0x0d
    (<int32_t *> &at[3])[0] = <int32_t> (<int64_t> ret - <int64_t> (<uint64_t> at + 7))
    at[7] = 0xff
    at[8] = 0x25
    (<int32_t *> &at[9])[0] = <int32_t> (<int64_t> pool - <int64_t> (<uint64_t> at + 13))
    if text != NULL:
        for i in range(8):
            (<unsigned char *> to)[TRAMPOLINE_TEXT + i] = text[i]
    linux_syscall3(LINUX_SYS_mprotect, page, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC)
    return True


cdef void drop_pools(uint64_t start, uint64_t size) noexcept nogil:
    """Unmap the pools that touch a range, into which no jump leads any more. PATCHES.lock is held."""
    cdef uint32_t i = 0
    while i < PATCHES.pools:
        if overlap(start, size, PATCHES.pool_start[i], PATCH_POOL_SIZE):
            linux_syscall2(LINUX_SYS_munmap, PATCHES.pool_start[i], PATCH_POOL_SIZE)
            PATCHES.pools -= 1
            PATCHES.pool_start[i] = PATCHES.pool_start[PATCHES.pools]
            PATCHES.pool_used[i] = PATCHES.pool_used[PATCHES.pools]
        else:
            i += 1
    i = 0
    while i < PATCHES.pages:
        if overlap(start, size, PATCH_PAGES[i], PAGE_SIZE):
            linux_syscall2(LINUX_SYS_munmap, PATCH_PAGES[i], PAGE_SIZE)
            PATCHES.pages -= 1
            PATCH_PAGES[i] = PATCH_PAGES[PATCHES.pages]
        else:
            i += 1


cdef bint leads_into(uint64_t record, uint64_t start, uint64_t size) noexcept nogil:
    """True for a trampoline in a pool that touches a range."""
    cdef uint64_t address = record_address(record)
    cdef uint32_t i
    if record >> RECORD_FORM_SHIFT != FORM_BEFORE:
        return overlap(start, size, page_down(address), PAGE_SIZE)
    for i in range(PATCHES.pools):
        if address - PATCHES.pool_start[i] < PATCH_POOL_SIZE:
            return overlap(start, size, PATCHES.pool_start[i], PATCH_POOL_SIZE)
    return False


cdef bint unpatch_those_into(uint64_t start, uint64_t size) noexcept nogil:
    """Put back every site whose jump leads into a range: True if there was one. PATCHES.lock is held."""
    cdef bint found = False
    cdef int i
    for i in range(PATCH_SITES):
        if PATCH_TRAMPOLINES[i] != 0 and PATCH_TABLE[i] >> SITE_STATE_SHIFT == SITE_PATCHED \
                and leads_into(PATCH_TRAMPOLINES[i], start, size):
            unpatch_site(i, 0)
            found = True
    return found


cdef void evict_trampolines(area_t *area, uint64_t start, uint64_t size) noexcept nogil:
    """The guest wants [start, start + size) for itself: what the shim has mapped there of trampolines goes. A thread that
    stands in one is asked to come out first, as threads are asked to take over ids."""
    if PATCHES.pools + PATCHES.pages == 0 or start + size < start or not range_has_trampolines(start, size):
        return
    while True:
        lock_acquire(&PATCHES.lock)
        if not unpatch_those_into(start, size):
            break
        lock_release(&PATCHES.lock)
        ids_spread(area)
    drop_pools(start, size)
    lock_release(&PATCHES.lock)

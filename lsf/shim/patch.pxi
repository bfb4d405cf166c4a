# Site patching, the fast lane: when a syscall site has trapped PATCH_AFTER times, the instruction that loads the number becomes a jump
# to a trampoline, which loads the number, sets the return address and jumps to `entry`: no trap any more.
#
# The `syscall` bytes stay. A thread that stands between the two instructions, and a call that is restarted (at rip-2),
# are right with either form. The jump is stored by one 8-byte store inside one cache line, so that another thread sees
# the old instruction or the new one. Patches are private to the process and are lost at exec; fork keeps them.
# Left alone: patterns that are not known, sites across a cache line, shared mappings, text that cannot be made writable.

cdef enum:
    # To patch a site costs about what six traps cost (a copy of its page, two changes of protection): a short-lived
    # process, or the child of a fork that executes at once, shall not pay for what it does not use.
    PATCH_AFTER = 6
    SITE_TRIED = 255            # the state of a site is the count of its traps, or this: patched or refused, not tried again
    SITE_STATE_SHIFT = 56
    SITE_PROBES = 8
    SITE_PAGES = 16             # neighbouring sites have neighbouring places in the table: a child of fork copies few pages
    SITE_PLACES = 256
    TRAMPOLINE_SIZE = 40
    JUMP_SIZE = 5
    CACHE_LINE = 64


cdef bint trapped_enough(process_t *proc, uint64_t rip) noexcept nogil:
    """Count a trap of the site that ends at rip; True once, when it is worth patching."""
    cdef uint64_t at, seen, count
    cdef int i
    if proc.no_patch or proc.truss_fd >= 0 or range_is_ours(rip, 1):
        return False
    at = (rip >> 12) % SITE_PAGES * SITE_PLACES + (rip >> 4) % SITE_PLACES
    for i in range(SITE_PROBES):
        # Written before it is read, so that a fresh page costs one fault and not two.
        seen = atomic_cas64(&PATCH_TABLE[at], 0, rip | (1UL << SITE_STATE_SHIFT))
        if seen == 0:
            return False
        if seen & ((1UL << SITE_STATE_SHIFT) - 1) == rip:
            count = seen >> SITE_STATE_SHIFT
            if count == SITE_TRIED:
                return False
            count = count + 1 if count + 1 < PATCH_AFTER else <uint64_t> SITE_TRIED
            return (atomic_cas64(&PATCH_TABLE[at], seen, rip | (count << SITE_STATE_SHIFT)) == seen
                    and count == SITE_TRIED)
        at = (at + 1) & (PATCH_SITES - 1)
    return False


cdef void note_shared_mapping(uint64_t start, uint64_t size) noexcept nogil:
    """The guest mapped [start, start + size) shared: sites in it are never patched (another process may run them)."""
    cdef uint32_t n
    lock_acquire(&PATCHES.lock)
    n = PATCHES.shared
    if n < <uint32_t> PATCH_SHARED:
        PATCHES.shared_start[n] = start
        PATCHES.shared_end[n] = start + size
        PATCHES.shared = n + 1
    else:
        PATCHES.shared_overflow = 1
    lock_release(&PATCHES.lock)


cdef void forget_shared_mapping(uint64_t start, uint64_t size) noexcept nogil:
    """The guest unmapped [start, start + size): mappings noted whole inside it are gone."""
    cdef uint32_t i = 0, last
    if PATCHES.shared == 0:
        return
    lock_acquire(&PATCHES.lock)
    while i < PATCHES.shared:
        if PATCHES.shared_start[i] >= start and PATCHES.shared_end[i] <= start + size:
            last = PATCHES.shared - 1
            PATCHES.shared_start[i] = PATCHES.shared_start[last]
            PATCHES.shared_end[i] = PATCHES.shared_end[last]
            PATCHES.shared = last
        else:
            i += 1
    lock_release(&PATCHES.lock)


cdef bint may_be_shared(uint64_t address) noexcept nogil:
    cdef uint32_t i
    if PATCHES.shared_overflow:
        return True
    for i in range(PATCHES.shared):
        if PATCHES.shared_start[i] <= address < PATCHES.shared_end[i]:
            return True
    return False


cdef unsigned char *trampoline_near(uint64_t site) noexcept nogil:
    """Room for a trampoline that a 32-bit jump from the site reaches; NULL when there is none. Under PATCHES.lock."""
    cdef uint64_t at, step
    cdef int64_t distance
    cdef uint32_t i
    cdef int attempt
    cdef long result
    for i in range(PATCHES.pools):
        at = PATCHES.pool_start[i] + PATCHES.pool_used[i]
        distance = <int64_t> (at - site)
        if PATCHES.pool_used[i] + TRAMPOLINE_SIZE <= PATCH_POOL_SIZE and -0x7fff0000 < distance < 0x7fff0000:
            PATCHES.pool_used[i] += TRAMPOLINE_SIZE
            return <unsigned char *> at
    if PATCHES.pools >= <uint32_t> PATCH_POOLS:
        return NULL
    # Below the site where there is room (above a program lies its break), else above it.
    for attempt in range(1, 64):
        step = <uint64_t> attempt * 0x1000000
        if attempt < 32:
            if site < step + 0x20000:
                continue
            at = (site - step) & ~0xffffUL
        else:
            at = (site + (step - 0x1f000000)) & ~0xffffUL
            if range_is_ours(at, PATCH_POOL_SIZE) or at + PATCH_POOL_SIZE >= 1UL << GUEST_ADDRESS_MAX_LOG:
                continue
        result = linux_syscall6(SYS_mmap, at, PATCH_POOL_SIZE, 7, 0x100022, <uint64_t> -1, 0)
        if not is_error(result):
            if <uint64_t> result != at:         # a kernel before MAP_FIXED_NOREPLACE
                linux_syscall2(SYS_munmap, result, PATCH_POOL_SIZE)
                return NULL
            PATCHES.pool_start[PATCHES.pools] = at
            PATCHES.pool_used[PATCHES.pools] = TRAMPOLINE_SIZE
            PATCHES.pools += 1
            return <unsigned char *> at
        if result == -ENOMEM or result == -EACCES or result == -EPERM:
            return NULL
    return NULL


cdef int site_pattern(const unsigned char *code, uint64_t nr, int *size, bint *moves_rcx) noexcept nogil:
    """Which known way of loading the number stands before the syscall; code is the 12 bytes that end with it.

    Returns the offset of the load in code, or -1; size: its bytes; moves_rcx: `mov %rcx,%r10` stands between."""
    moves_rcx[0] = code[7] == 0x49 and code[8] == 0x89 and code[9] == 0xca
    size[0] = JUMP_SIZE
    if code[10] != 0x0f or code[11] != 0x05:
        return -1
    if moves_rcx[0]:
        if code[0] == 0x48 and code[1] == 0xc7 and code[2] == 0xc0 and (<uint32_t *> &code[3])[0] == <uint32_t> nr:
            size[0] = 7
            return 0
        if code[2] == 0xb8 and (<uint32_t *> &code[3])[0] == <uint32_t> nr:
            return 2
        return -1
    if code[5] == 0xb8 and (<uint32_t *> &code[6])[0] == <uint32_t> nr:
        return 5
    if code[5] == 0x48 and code[6] == 0x8b and code[7] == 0x44 and code[8] == 0x24 and code[9] == 0x08:
        return 5
    return -1


cdef void write_trampoline(unsigned char *to, const unsigned char *load, int size, bint moves_rcx,
                           uint64_t ret) noexcept nogil:
    """[the load of the number] [mov %rcx,%r10] lea ret(%rip),%rcx; jmp *entry"""
    cdef int n = 0, i
    for i in range(size):
        to[n] = load[i]
        n += 1
    if moves_rcx:
        to[n] = 0x49
        to[n + 1] = 0x89
        to[n + 2] = 0xca
        n += 3
    to[n] = 0x48
    to[n + 1] = 0x8d
    to[n + 2] = 0x0d
    (<int32_t *> &to[n + 3])[0] = <int32_t> (<int64_t> ret - <int64_t> (<uint64_t> to + n + 7))
    n += 7
    to[n] = 0xff
    to[n + 1] = 0x25
    (<int32_t *> &to[n + 2])[0] = 0
    (<uint64_t *> &to[n + 6])[0] = <uint64_t> entry


cdef bint store_in_text(uint64_t at, uint64_t value) noexcept nogil:
    """Store 8 bytes of text. A page that can be executed but not written is made writable for the moment."""
    cdef uint64_t was = 0, seen
    cdef uint64_t page = page_down(at)
    if fetch_guest64(at, &was) < 0:
        return False
    seen = was
    if cas_guest64(at, &seen, value) == 0:
        return seen == was
    if is_error(linux_syscall3(SYS_mprotect, page, PAGE_SIZE, 7)):
        return False
    seen = was
    if cas_guest64(at, &seen, value) < 0:
        seen = ~was
    linux_syscall3(SYS_mprotect, page, PAGE_SIZE, 5)
    return seen == was


cdef public long patch_site(frame_t *frame, area_t *area) noexcept nogil:
    """Patch the site of the call in frame if it is one of the known patterns. The call itself is executed again."""
    cdef unsigned char code[12]
    cdef unsigned char word[8]
    cdef unsigned char *trampoline
    cdef uint64_t ret = frame.ret, site, at
    cdef int offset, size = 0
    cdef bint moves_rcx = False
    if (area.proc.no_patch or range_is_ours(ret, 1) or copyin(ret - 12, code, 12) < 0
            or may_be_shared(ret - 1)):
        PATCHES.refused += 1
        return -ERESTARTNOINTR
    offset = site_pattern(code, frame.nr, &size, &moves_rcx)
    site = ret - 12 + <uint64_t> offset
    if offset < 0 or site % CACHE_LINE > CACHE_LINE - JUMP_SIZE:
        PATCHES.refused += 1
        return -ERESTARTNOINTR
    at = site
    if at % CACHE_LINE > CACHE_LINE - 8:
        at = (site | (CACHE_LINE - 1)) - 7
    lock_acquire(&PATCHES.lock)
    trampoline = trampoline_near(site)
    if trampoline == NULL or copyin(at, word, 8) < 0:
        PATCHES.refused += 1
    else:
        write_trampoline(trampoline, &code[offset], size, moves_rcx, ret)
        word[site - at] = 0xe9
        (<int32_t *> &word[site - at + 1])[0] = <int32_t> (<int64_t> <uint64_t> trampoline - <int64_t> (site + JUMP_SIZE))
        if store_in_text(at, (<uint64_t *> word)[0]):
            PATCHES.patched += 1
        else:
            PATCHES.refused += 1
    lock_release(&PATCHES.lock)
    return -ERESTARTNOINTR

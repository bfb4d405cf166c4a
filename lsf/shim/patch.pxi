# Site patching, the fast lane: when a syscall site has trapped PATCH_AFTER times, the instruction that loads the number
# becomes a jump to a trampoline, which loads the number, sets the return address and jumps to `entry`: no trap any more.
#
# The `syscall` bytes stay. A thread that stands between the two instructions, and a call that is restarted (at rip-2),
# are right with either form. The jump is stored by one 8-byte store inside one cache line, so that another thread sees
# the old instruction or the new one. Patches are private to the process and are lost at exec; fork keeps them.
# Left alone: patterns that are not known, sites across a cache line, text that cannot be made writable, shared mappings,
# and code that the guest wrote or may write itself: anonymous or writable memory that can be executed, and what mprotect
# made executable. Where a guest makes patched text writable, its own bytes are put back first (unpatch_range).

cdef enum:
    # To patch a site costs about what sixteen traps cost (room for the trampoline, a copy of the site's page, two changes
    # of protection): a short-lived process, or the child of a fork that executes at once, shall not pay for what it
    # does not use. /bin/echo would patch three sites if this were six, and live a tenth longer.
    PATCH_AFTER = 16
    # The state of a site is the count of its traps, or:
    SITE_REFUSED = 254          # not tried again
    SITE_PATCHED = 255
    SITE_STATE_SHIFT = 56
    SITE_ADDRESS = (1UL << 56) - 1
    SITE_PROBES = 8
    SITE_PAGES = 16             # neighbouring sites have neighbouring places in the table: a child of fork copies few pages
    SITE_PLACES = 256
    TRAMPOLINE_SIZE = 40
    JUMP_SIZE = 5
    CACHE_LINE = 64

# What became of a site that trapped often enough; lsf/stats.py has the words.
cdef enum:
    OUTCOME_PATCHED = 0
    OUTCOME_NONE = 1            # by wish, or it was patched already
    OUTCOME_UNKNOWN_PATTERN = 2
    OUTCOME_SHARED = 3          # its text is mapped shared (stats.pxi tells it from the next)
    OUTCOME_OWN_CODE = 4        # the program wrote its text, or may
    OUTCOME_ACROSS_LINES = 5    # the jump would lie across two cache lines
    OUTCOME_NO_ROOM = 6         # for a trampoline, as near as a jump reaches
    OUTCOME_NOT_WRITABLE = 7    # or it changed meanwhile
    OUTCOME_UNREADABLE = 8
    OUTCOME_NO_PLACE = 9        # in the table of sites


cdef uint64_t *site_entry(uint64_t rip) noexcept nogil:
    """The place in PATCH_TABLE of the site that ends at rip, taken if it had none; NULL where the table is full."""
    cdef uint64_t at = (rip >> 12) % SITE_PAGES * SITE_PLACES + (rip >> 4) % SITE_PLACES, seen
    cdef int i
    for i in range(SITE_PROBES):
        # Written before it is read, so that a fresh page costs one fault and not two.
        seen = atomic_cas64(&PATCH_TABLE[at], 0, rip)
        if seen == 0 or seen & SITE_ADDRESS == rip:
            return &PATCH_TABLE[at]
        at = (at + 1) & (PATCH_SITES - 1)
    return NULL


cdef bint trapped_enough(process_t *proc, uint64_t rip) noexcept nogil:
    """Count a trap of the site that ends at rip; True once, when it is worth patching."""
    cdef uint64_t *entry
    cdef uint64_t seen, count
    if proc.no_patch or proc.truss_fd >= 0 or range_is_ours(rip, 1):
        return False
    entry = site_entry(rip)
    if entry == NULL:
        return False
    seen = entry[0]
    count = seen >> SITE_STATE_SHIFT
    if count == SITE_REFUSED:
        return False
    if count == SITE_PATCHED:
        if site_is_patched(rip):
            return False            # a call was restarted, or a thread stood between the load and the syscall
        count = 0                   # other code is mapped here now
    count = count + 1 if count + 1 < PATCH_AFTER else <uint64_t> SITE_REFUSED
    return atomic_cas64(entry, seen, rip | (count << SITE_STATE_SHIFT)) == seen and count == SITE_REFUSED


cdef void leave_alone(uint64_t start, uint64_t size) noexcept nogil:
    """No site in [start, start + size) is to be patched from now on: another process may run it, or the guest writes its
    code itself and may change a part of an instruction. PATCHES.lock is held."""
    cdef uint64_t end = start + size, gap, best = <uint64_t> -1
    cdef uint32_t i, n = PATCHES.left, which = 0
    for i in range(n):
        if PATCHES.left_start[i] <= start and end <= PATCHES.left_end[i]:
            return
    if n < <uint32_t> PATCH_LEFT:
        PATCHES.left_start[n] = start
        PATCHES.left_end[n] = end
        PATCHES.left = n + 1
        return
    for i in range(n):              # no room: the nearest range grows to take this one in
        if end < PATCHES.left_start[i]:
            gap = PATCHES.left_start[i] - end
        elif start > PATCHES.left_end[i]:
            gap = start - PATCHES.left_end[i]
        else:
            gap = 0
        if gap < best:
            best = gap
            which = i
    if start < PATCHES.left_start[which]:
        PATCHES.left_start[which] = start
    if end > PATCHES.left_end[which]:
        PATCHES.left_end[which] = end


cdef void forget_left_alone(uint64_t start, uint64_t size) noexcept nogil:
    """The guest unmapped [start, start + size): ranges noted whole inside it are gone. PATCHES.lock is held."""
    cdef uint32_t i = 0, last
    while i < PATCHES.left:
        if PATCHES.left_start[i] >= start and PATCHES.left_end[i] <= start + size:
            last = PATCHES.left - 1
            PATCHES.left_start[i] = PATCHES.left_start[last]
            PATCHES.left_end[i] = PATCHES.left_end[last]
            PATCHES.left = last
        else:
            i += 1


cdef bint is_left_alone(uint64_t address) noexcept nogil:
    cdef uint32_t i
    for i in range(PATCHES.left):
        if PATCHES.left_start[i] <= address < PATCHES.left_end[i]:
            return True
    return False


cdef void unpatch_site(uint64_t *entry) noexcept nogil:
    """Put the load of the number back in the place of our jump: it is the trampoline's first instruction."""
    cdef unsigned char code[12]
    cdef unsigned char load[8]
    cdef unsigned char word[8]
    cdef uint64_t rip = entry[0] & SITE_ADDRESS, site, at, target
    cdef int offset
    entry[0] = rip | (<uint64_t> SITE_REFUSED << SITE_STATE_SHIFT)
    if copyin(rip - 12, code, 12) < 0:
        return
    offset = 0 if code[0] == 0xe9 else 2 if code[2] == 0xe9 else 5
    site = rip - 12 + <uint64_t> offset
    target = site + JUMP_SIZE + <uint64_t> <int64_t> (<int32_t *> &code[offset + 1])[0]
    if code[offset] != 0xe9 or not range_is_ours(target, TRAMPOLINE_SIZE) or copyin(target, load, 8) < 0:
        return
    at = word_of_site(site)
    if copyin(at, word, 8) == 0:
        memcpy(&word[site - at], load, JUMP_SIZE)
        store_in_text(at, (<uint64_t *> word)[0])


cdef void unpatch_range(uint64_t start, uint64_t end) noexcept nogil:
    """The guest will write to [start, end): what it finds there, and changes a part of, must be its own code.
    PATCHES.lock is held."""
    cdef uint64_t i, n = PATCH_SITES, at = 0, rip
    if PATCHES.patched == 0:
        return
    if end - start < (SITE_PAGES - 1) * PAGE_SIZE:
        # Sites whose load begins in the range end in it or just behind it.
        at = (start >> 12) % SITE_PAGES * SITE_PLACES
        n = ((end + 12 - 1 >> 12) - (start >> 12) + 1) * SITE_PLACES + SITE_PROBES
    for i in range(n):
        rip = PATCH_TABLE[(at + i) & (PATCH_SITES - 1)]
        if rip >> SITE_STATE_SHIFT == SITE_PATCHED and start < rip & SITE_ADDRESS and (rip & SITE_ADDRESS) - 12 < end:
            unpatch_site(&PATCH_TABLE[(at + i) & (PATCH_SITES - 1)])


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


cdef inline bint is_prefix(unsigned char byte) noexcept nogil:
    """A byte that makes another load of `mov $nr,%eax` where it stands before it: 41 b8 is `mov $nr,%r8d`."""
    return byte & 0xf0 == 0x40 or byte == 0x66


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
        if code[2] == 0xb8 and (<uint32_t *> &code[3])[0] == <uint32_t> nr and not is_prefix(code[1]):
            return 2
        return -1
    if code[5] == 0xb8 and (<uint32_t *> &code[6])[0] == <uint32_t> nr and not is_prefix(code[4]):
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


cdef bint begins_trampoline(uint64_t rip) noexcept nogil:
    cdef uint32_t i
    for i in range(PATCHES.pools):
        if rip - PATCHES.pool_start[i] < PATCH_POOL_SIZE:
            return (rip - PATCHES.pool_start[i]) % TRAMPOLINE_SIZE == 0
    return False


cdef uint64_t outside_trampolines(uint64_t rip) noexcept nogil:
    """Where the guest stands in its own text, if it stands in a trampoline; else rip as it is. A signal shows no other
    address, and sigreturn would not take one back."""
    cdef uint64_t start, ret
    cdef const unsigned char *code
    cdef uint32_t i
    cdef uint64_t load, lea
    for i in range(PATCHES.pools):
        if rip - PATCHES.pool_start[i] >= PATCH_POOL_SIZE:
            continue
        start = rip - (rip - PATCHES.pool_start[i]) % TRAMPOLINE_SIZE
        code = <const unsigned char *> start
        load = 7 if code[0] == 0x48 and code[1] == 0xc7 else 5
        lea = load + 3 if code[load] == 0x49 else load
        ret = start + lea + 7 + <uint64_t> <int64_t> (<int32_t *> &code[lea + 3])[0]
        if rip >= start + lea:
            return ret - 2                  # before the syscall, whose bytes are there still
        if rip >= start + load:
            return ret - 5                  # before mov %rcx,%r10
        return ret - 2 - lea
    return rip


cdef inline uint64_t word_of_site(uint64_t site) noexcept nogil:
    """Where to store 8 bytes that hold the jump and lie in one cache line."""
    return site if site % CACHE_LINE <= CACHE_LINE - 8 else (site | (CACHE_LINE - 1)) - 7


cdef bint store_in_text(uint64_t at, uint64_t value) noexcept nogil:
    """Store 8 bytes in text that can be executed and read, but not written: it is made writable for the moment. The guest
    cannot change the protection meanwhile, since its mmap, munmap and mprotect take PATCHES.lock."""
    cdef uint64_t was = 0, seen
    cdef uint64_t page = page_down(at)
    if fetch_guest64(at, &was) < 0:
        return False
    seen = was
    if cas_guest64(at, &seen, was) == 0:
        return False                # writable: the guest's to change at any time
    if is_error(linux_syscall3(SYS_mprotect, page, PAGE_SIZE, 7)):
        return False
    seen = was
    if cas_guest64(at, &seen, value) < 0:
        seen = ~was
    linux_syscall3(SYS_mprotect, page, PAGE_SIZE, 5)
    return seen == was


cdef bint site_is_patched(uint64_t ret) noexcept nogil:
    """True where the syscall that ends at ret has a jump to a trampoline before it already."""
    cdef unsigned char code[12]
    cdef int offset = 0
    if copyin(ret - 12, code, 12) < 0 or code[10] != 0x0f or code[11] != 0x05:
        return False
    if code[7] != 0x49 or code[8] != 0x89 or code[9] != 0xca:
        offset = 5
    elif code[0] != 0xe9:
        offset = 2
    return code[offset] == 0xe9 and range_is_ours(
        ret - 12 + <uint64_t> (offset + JUMP_SIZE) + <uint64_t> <int64_t> (<int32_t *> &code[offset + 1])[0], 1)


cdef int patch_text(frame_t *frame, area_t *area) noexcept nogil:
    """Make a jump of the site of the call in frame: OUTCOME_PATCHED, or why it cannot be done. PATCHES.lock is held."""
    cdef unsigned char code[12]
    cdef unsigned char word[8]
    cdef unsigned char *trampoline
    cdef uint64_t *entry
    cdef uint64_t ret = frame.ret, site, at
    cdef int offset, size = 0
    cdef bint moves_rcx = False
    if area.proc.no_patch or range_is_ours(ret, 1):
        return OUTCOME_NONE
    if copyin(ret - 12, code, 12) < 0:
        return OUTCOME_UNREADABLE
    if is_left_alone(ret - 12) or is_left_alone(ret - 1):
        return OUTCOME_OWN_CODE
    offset = site_pattern(code, frame.nr, &size, &moves_rcx)
    if offset < 0:
        return OUTCOME_NONE if site_is_patched(ret) else OUTCOME_UNKNOWN_PATTERN
    site = ret - 12 + <uint64_t> offset
    if site % CACHE_LINE > CACHE_LINE - JUMP_SIZE:
        return OUTCOME_ACROSS_LINES
    at = word_of_site(site)
    if copyin(at, word, 8) < 0:
        return OUTCOME_UNREADABLE
    entry = site_entry(ret)         # a site that has none could not be found again by unpatch_range
    if entry == NULL:
        return OUTCOME_NO_PLACE
    trampoline = trampoline_near(site)
    if trampoline == NULL:
        return OUTCOME_NO_ROOM
    write_trampoline(trampoline, &code[offset], size, moves_rcx, ret)
    word[site - at] = 0xe9
    (<int32_t *> &word[site - at + 1])[0] = <int32_t> (<int64_t> <uint64_t> trampoline - <int64_t> (site + JUMP_SIZE))
    if not store_in_text(at, (<uint64_t *> word)[0]):
        return OUTCOME_NOT_WRITABLE
    entry[0] = ret | (<uint64_t> SITE_PATCHED << SITE_STATE_SHIFT)
    return OUTCOME_PATCHED


cdef public long patch_site(frame_t *frame, area_t *area) noexcept nogil:
    """Patch the site of the call in frame if it is one of the known patterns. The call itself then goes on at `entry`."""
    cdef int outcome
    lock_acquire(&PATCHES.lock)
    outcome = patch_text(frame, area)
    if outcome == OUTCOME_PATCHED:
        PATCHES.patched += 1
    elif outcome != OUTCOME_NONE:
        PATCHES.refused += 1
    lock_release(&PATCHES.lock)
    if area.proc.stats != NULL:
        stats_site(area, frame.ret, outcome)
    return -ERESTARTNOINTR

# Site patching, the fast lane: when a syscall site has trapped PATCH_AFTER times, a jump leads to a trampoline, which sets the
# return address and jumps to `entry`: no trap any more.
#
# Only what is proven is touched. There are two ways:
# - Before the syscall: an instruction of five bytes or more becomes a jump, and is executed in the trampoline, with what stands
#   between it and the syscall. Its boundary must be proven from the beginning of its function (functions.pxi). The `syscall`
#   bytes stay: a thread that stands between the two, and a call that is restarted (at rip-2), are right with either form.
# - In the syscall's own place: its two bytes become e9 and a byte that is chosen, so that the bytes which follow, and stay, are
#   the rest of the jump's distance. Where that leads, a page is mapped. (Or 48 e9, whose distance is the next four bytes.)
#   No other instruction is displaced, so nothing has to be known of the text around: a thread may stand before or after it
#   or come back to either, and a restarted call takes the jump too.
# The second one needs a page of its own for nearly each site, the first one shares a pool; so the first is preferred where
# a table of the image tells where functions begin at no cost. Weighed and left: displacing what follows the syscall. Its
# boundaries are certain, but threads, saved contexts and branches come back to the middle of it.
#
# Either is stored inside one cache line (of a syscall that lies in two only the first byte is), so that another thread sees
# the old instruction or the new one. Patches are private to the process and are lost at exec; fork keeps them.
# Left alone: text that cannot be made writable, shared mappings, and code that the guest wrote or may write itself: anonymous
# or writable memory that can be executed, and what mprotect made executable. Where a guest makes patched text writable, its
# own bytes are put back first (unpatch_range).

cdef enum:
    # To patch a site costs about what sixteen traps cost (room for the trampoline, a copy of the site's page, two changes
    # of protection): a short-lived process, or the child of a fork that executes at once, shall not pay for what it
    # does not use. With eight the start of a dynamic program takes a tenth longer.
    PATCH_AFTER = 16
    # The state of a site is the count of its traps, or:
    FAMILY_TRAPS = 4            # and every so many are told to the family, where there is one (family.pxi)
    SITE_REFUSED = 254          # not tried again
    SITE_PATCHED = 255
    SITE_STATE_SHIFT = 56
    SITE_ADDRESS = (1UL << 56) - 1
    SITE_PROBES = 8
    SITE_PAGES = 16             # neighbouring sites have neighbouring places in the table: a child of fork copies few pages
    SITE_PLACES = 256
    SITE_REACH = 48             # no jump of a site begins earlier, counted from its end
    JUMP_SIZE = 5
    CACHE_LINE = 64

# What became of a site that trapped often enough; lsf/stats.py has the words.
cdef enum:
    OUTCOME_PATCHED = 0
    OUTCOME_NONE = 1            # by wish, or it was patched already
    OUTCOME_UNPROVEN = 2        # no jump fits in its place, and what stands before it is not proven
    OUTCOME_SHARED = 3          # its text is mapped shared (stats.pxi tells it from the next)
    OUTCOME_OWN_CODE = 4        # the program wrote its text, or may
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
    if PATCHES.family != 0 and count % FAMILY_TRAPS == 0:
        family_found(rip)
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


cdef long copyin_unpatched(uint64_t start, unsigned char *to, uint64_t size) noexcept nogil:
    """Copy text as it is without our jumps: 0 or -EFAULT. PATCHES.lock is held."""
    cdef uint64_t ret, record, at
    cdef const unsigned char *kept
    cdef int i, k
    if copyin(start, to, size) < 0:
        return -LINUX_EFAULT
    for i in range(PATCH_SITES if PATCHES.patched else 0):
        ret = PATCH_TABLE[i]
        if ret >> SITE_STATE_SHIFT != SITE_PATCHED:
            continue
        ret &= SITE_ADDRESS
        if not start < ret < start + size + SITE_REACH or not jump_is_there(ret, PATCH_TRAMPOLINES[i]):
            continue
        record = PATCH_TRAMPOLINES[i]
        if record >> RECORD_FORM_SHIFT == FORM_BEFORE:
            at = ret - 2 - record_size(record)
            kept = <const unsigned char *> (record_address(record) + TRAMPOLINE_TEXT + (at - word_of_site(at, JUMP_SIZE)))
            for k in range(JUMP_SIZE):
                if at + <uint64_t> k - start < size:
                    to[at + <uint64_t> k - start] = kept[k]
        else:
            if ret - 2 - start < size:
                to[ret - 2 - start] = 0x0f
            if ret - 1 - start < size:
                to[ret - 1 - start] = 0x05
    return 0


cdef void unpatch_site(int i, uint64_t state) noexcept nogil:
    """Put a site's own bytes back, and give it a state. i: its place in the table. PATCHES.lock is held."""
    cdef unsigned char word[8]
    cdef unsigned char kept[8]
    cdef uint64_t ret = PATCH_TABLE[i] & SITE_ADDRESS, record = PATCH_TRAMPOLINES[i], site, at
    PATCH_TABLE[i] = ret | (state << SITE_STATE_SHIFT)
    if not jump_is_there(ret, record):
        return
    if record >> RECORD_FORM_SHIFT == FORM_BEFORE:
        site = ret - 2 - record_size(record)
        at = word_of_site(site, JUMP_SIZE)
        memcpy(kept, <void *> (record_address(record) + TRAMPOLINE_TEXT), 8)
        if copyin(at, word, 8) == 0:
            memcpy(&word[site - at], &kept[site - at], JUMP_SIZE)
            store_in_text(at, (<uint64_t *> word)[0])
        return
    site = ret - 2
    at = word_of_site(site, 2)
    if copyin(at, word, 8) == 0:
        word[site - at] = 0x0f
        if site - at < 7:
            word[site - at + 1] = 0x05
        store_in_text(at, (<uint64_t *> word)[0])


cdef void unpatch_range(uint64_t start, uint64_t end) noexcept nogil:
    """The guest will write to [start, end): what it finds there, and changes a part of, must be its own code.
    PATCHES.lock is held."""
    cdef uint64_t i, n = PATCH_SITES, at = 0, rip
    if PATCHES.patched == 0:
        return
    if end - start < (SITE_PAGES - 1) * PAGE_SIZE:
        # Sites whose jump begins in the range end in it or just behind it.
        at = (start >> 12) % SITE_PAGES * SITE_PLACES
        n = ((end + SITE_REACH - 1 >> 12) - (start >> 12) + 1) * SITE_PLACES + SITE_PROBES
    for i in range(n):
        rip = PATCH_TABLE[(at + i) & (PATCH_SITES - 1)]
        if rip >> SITE_STATE_SHIFT == SITE_PATCHED and start < rip & SITE_ADDRESS \
                and (rip & SITE_ADDRESS) - SITE_REACH < end:
            unpatch_site(<int> ((at + i) & (PATCH_SITES - 1)), SITE_REFUSED)


cdef inline uint64_t word_of_site(uint64_t site, uint64_t size) noexcept nogil:
    """Where to store 8 bytes that lie in one cache line and hold the `size` bytes at a site, or of a syscall that lies in two
    lines the first."""
    cdef uint64_t room = CACHE_LINE - site % CACHE_LINE
    return site if room >= 8 else site - (8 - room)


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
    if is_error(linux_syscall3(LINUX_SYS_mprotect, page, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC)):
        return False
    seen = was
    if cas_guest64(at, &seen, value) < 0:
        seen = ~was
    linux_syscall3(LINUX_SYS_mprotect, page, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC)
    return seen == was


cdef bint jump_is_there(uint64_t ret, uint64_t record) noexcept nogil:
    """True where the text has the jump of a record; other code may be mapped there by now."""
    cdef unsigned char code[6]
    cdef uint64_t at = ret - 2, form = record >> RECORD_FORM_SHIFT, skip = 0
    if form == FORM_BEFORE:
        at -= record_size(record)
    elif form == FORM_AT_REX:
        skip = 1
    if record == 0 or copyin(at, code, JUMP_SIZE + skip) < 0 or code[skip] != 0xe9 or (skip and code[0] != 0x48):
        return False
    return at + skip + JUMP_SIZE + <uint64_t> <int64_t> (<int32_t *> &code[skip + 1])[0] == record_address(record)


cdef bint site_is_patched(uint64_t ret) noexcept nogil:
    """True where the syscall that ends at ret is led to a trampoline already."""
    cdef uint64_t *entry = site_entry(ret)
    return (entry != NULL and entry[0] >> SITE_STATE_SHIFT == SITE_PATCHED
            and jump_is_there(ret, PATCH_TRAMPOLINES[entry - PATCH_TABLE]))


cdef bint jump_is_near(uint64_t start, uint64_t end) noexcept nogil:
    """True where a byte in [start, end), all in one page, is one of another site's jump: of its distance, too, which may be
    bytes that only follow its syscall. Of two jumps that share a byte the second one would lead the first one astray, at the
    latest when it is taken back."""
    cdef uint64_t i, ret, record, site, place = (start >> 12) % SITE_PAGES * SITE_PLACES
    cdef uint64_t n = ((end + SITE_REACH - 1 >> 12) - (start >> 12) + 1) * SITE_PLACES + SITE_PROBES
    for i in range(n):
        ret = PATCH_TABLE[(place + i) & (PATCH_SITES - 1)]
        if ret >> SITE_STATE_SHIFT != SITE_PATCHED:
            continue
        ret &= SITE_ADDRESS
        record = PATCH_TRAMPOLINES[(place + i) & (PATCH_SITES - 1)]
        site = ret - 2 - record_size(record)
        if site < end and start < site + JUMP_SIZE + (record >> RECORD_FORM_SHIFT == FORM_AT_REX) \
                and jump_is_there(ret, record):
            return True
    return False


cdef bint patch_written(uint64_t *entry, uint64_t ret, uint64_t record, uint64_t at, uint64_t word) noexcept nogil:
    """Note a site's trampoline, then lead the site to it. A signal may come between the two."""
    PATCH_TRAMPOLINES[entry - PATCH_TABLE] = record
    if not store_in_text(at, word):
        return False
    entry[0] = ret | (<uint64_t> SITE_PATCHED << SITE_STATE_SHIFT)
    return True


cdef int patch_before(process_t *proc, uint64_t *entry, uint64_t ret, const mapped_image_t *image,
                      const displaced_t *displaced) noexcept nogil:
    """Make a jump of an instruction before the syscall."""
    cdef unsigned char code[DISPLACED_MAX]
    cdef unsigned char word[8]
    cdef unsigned char text[8]
    cdef uint64_t at = word_of_site(displaced.start, JUMP_SIZE), to
    cdef int64_t distance
    cdef instruction_t found
    cdef uint32_t i = 0
    if is_left_alone(at) or copyin(at, word, 8) < 0 or copyin(displaced.start, code, displaced.size) < 0:
        return OUTCOME_UNREADABLE
    if jump_is_near(displaced.start, displaced.start + JUMP_SIZE):
        return OUTCOME_UNPROVEN
    memcpy(text, word, 8)
    to = slot_for(proc, displaced.start, image.low)
    if to == 0:
        return OUTCOME_NO_ROOM
    while i < displaced.size:               # what is relative to rip is now relative to another place
        if not decode_instruction(&code[i], displaced.size - i, &found):
            return OUTCOME_UNPROVEN
        if found.rip_at:
            distance = <int64_t> (<int32_t *> &code[i + found.rip_at])[0] + <int64_t> (displaced.start - to)
            if distance != <int32_t> distance:
                return OUTCOME_NO_ROOM
            (<int32_t *> &code[i + found.rip_at])[0] = <int32_t> distance
        i += found.length
    distance = <int64_t> (to - (displaced.start + JUMP_SIZE))
    if not write_trampoline(to, code, displaced.size, text, ret):
        return OUTCOME_NO_ROOM
    i = <uint32_t> (displaced.start - at)
    word[i] = 0xe9
    (<int32_t *> &word[i + 1])[0] = <int32_t> distance
    if not patch_written(entry, ret, to | <uint64_t> displaced.size << RECORD_SIZE_SHIFT
                         | <uint64_t> FORM_BEFORE << RECORD_FORM_SHIFT,
                         at, (<uint64_t *> word)[0]):
        return OUTCOME_NOT_WRITABLE
    return OUTCOME_PATCHED


cdef int patch_at(process_t *proc, uint64_t *entry, uint64_t ret) noexcept nogil:
    """Make a jump of the syscall itself."""
    cdef unsigned char word[8]
    cdef unsigned char low = 0
    cdef uint64_t site = ret - 2, at = word_of_site(site, 2), i = site - at, to
    cdef int form = 0
    if copyin(at, word, 8) < 0:
        return OUTCOME_UNREADABLE
    to = place_that_jump_reaches(proc, site, &low, &form)
    if to == 0:
        return OUTCOME_UNPROVEN
    if not write_trampoline(to, NULL, 0, NULL, ret):
        return OUTCOME_NO_ROOM
    if form == FORM_AT_REX:
        word[i] = 0x48
        word[i + 1] = 0xe9
    else:
        word[i] = 0xe9
        if i < 7:
            word[i + 1] = low
    if not patch_written(entry, ret, to | <uint64_t> form << RECORD_FORM_SHIFT, at, (<uint64_t *> word)[0]):
        return OUTCOME_NOT_WRITABLE
    return OUTCOME_PATCHED


cdef int patch_text(frame_t *frame, area_t *area) noexcept nogil:
    """Lead the site of the call in frame to a trampoline: OUTCOME_PATCHED, or why it cannot be done. PATCHES.lock is held."""
    cdef uint64_t *entry
    cdef uint64_t ret = frame.ret, start = 0, end = 0
    cdef mapped_image_t image
    cdef displaced_t displaced
    cdef uint16_t code = 0
    cdef int outcome
    cdef bint known, described
    if area.proc.no_patch or range_is_ours(ret, 1):
        return OUTCOME_NONE
    if copyin(ret - 2, &code, 2) < 0:
        return OUTCOME_UNREADABLE
    if is_left_alone(ret - 2) or is_left_alone(ret - 1):
        return OUTCOME_OWN_CODE
    if code != SYSCALL_BYTES:
        return OUTCOME_NONE         # another thread was here first
    entry = site_entry(ret)         # a site that has none could not be found again by unpatch_range
    if entry == NULL:
        return OUTCOME_NO_PLACE
    if site_is_patched(ret):
        return OUTCOME_NONE
    known = image_of(ret - 2, &image)
    described = known and function_by_unwind(&image, ret - 2, &start, &end)
    if (described or (known and function_by_dynamic(&image, ret - 2, &start, &end))) \
            and displaced_before(&image, start, end, ret - 2, CALLS_END, &displaced):
        outcome = patch_before(area.proc, entry, ret, &image, &displaced)
        if outcome == OUTCOME_PATCHED or outcome == OUTCOME_NOT_WRITABLE:
            return outcome
    outcome = patch_at(area.proc, entry, ret)
    if outcome == OUTCOME_UNPROVEN and known and (
            (described and displaced_before(&image, start, end, ret - 2, CALLS_DESCRIBED, &displaced))
            or (function_by_go(&image, ret - 2, &start, &end) and displaced_before(&image, start, end, ret - 2,
                    CALLS_RETURN, &displaced))
            or (function_by_file(area.proc, &image, ret - 2, &start, &end)
                and displaced_before(&image, start, end, ret - 2, CALLS_END, &displaced))):
        outcome = patch_before(area.proc, entry, ret, &image, &displaced)
    return outcome


cdef public long patch_site(frame_t *frame, area_t *area) noexcept nogil:
    """Patch the site of the call in frame if that can be done. The call itself then goes on at `entry`."""
    cdef int outcome
    lock_acquire(&PATCHES.lock)
    outcome = patch_text(frame, area)
    if outcome == OUTCOME_PATCHED:
        PATCHES.patched += 1
        if PATCHES.family != 0:
            family_found(frame.ret)
    elif outcome != OUTCOME_NONE:
        PATCHES.refused += 1
    lock_release(&PATCHES.lock)
    if area.proc.stats != NULL:
        stats_site(area, frame.ret, outcome)
    return -LINUX_ERESTARTNOINTR

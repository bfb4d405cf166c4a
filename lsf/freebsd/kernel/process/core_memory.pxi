# Core files: the memory. Model: FreeBSD sys/kern/imgact_elf.c (each_dumpable_segment), kern_ucoredump.c, kern_sig.c (core_output).
#
# A process's memory is read as a file of /proc, its own as another's, so that nothing of it can fault. What was never touched, and pages
# of zeros, become holes of the core file.

cdef enum:
    CORE_PIECE = 1 << 20                # bytes that are read at once
    CORE_PAGES = 8192                   # pages that are asked about at once
    CORE_HIDDEN = 32                    # read-only segments of the program and its interpreter
    PAGE_TOUCHED = 3                    # the upper bits of a word of pagemap: present, swapped

cdef struct core_segment_t:
    uint64_t start, end
    uint32_t prot                       # PROT_
    uint32_t anonymous                  # what was not touched is zeros

cdef struct core_range_t:
    uint64_t start, end

cdef struct core_t:
    area_t *area
    debug_page_t *page                  # how the threads stand
    int pid
    int signo                           # what ends the process; 0: nothing does
    uint32_t first                      # the slot of the thread that comes first
    bint all_                           # PC_ALL
    long fd                             # the core file
    long memory, pagemap                # /proc/PID/mem, /proc/PID/pagemap
    core_segment_t *segments
    uint64_t count, room                # segments, and for how many there is room
    patches_t patches                   # the process's, and where its single pages of trampolines are
    uint64_t pages[PATCH_PAGES_MAX]
    core_range_t hidden[CORE_HIDDEN]
    uint32_t hidden_count
    uint64_t head, head_room            # the file's beginning: headers, notes
    uint64_t at                         # how much of it there is, or would be


cdef void core_hide_image(core_t *core, uaddr headers, uint64_t count, uint64_t base) noexcept nogil:
    """What exec maps of a program's read-only segments is not dumped (MAP_DISABLE_COREDUMP in __elfN(load_section))."""
    cdef Elf64_Phdr header
    cdef uint64_t i
    for i in range(count if count < 64 else 64):
        if read_memory(core.area, core.pid, headers + i * sizeof(header), &header, sizeof(header)) < 0:
            return
        if header.p_type == ELF_PT_LOAD and not header.p_flags & ELF_PF_W and core.hidden_count < CORE_HIDDEN:
            core.hidden[core.hidden_count].start = page_down(base + header.p_vaddr)
            core.hidden[core.hidden_count].end = page_up(base + header.p_vaddr + header.p_filesz)
            core.hidden_count += 1


cdef void core_hide_images(core_t *core, uaddr auxv) noexcept nogil:
    cdef Elf64_Phdr header
    cdef Elf64_Ehdr elf
    cdef uaddr headers = auxiliary_value(core.area, core.pid, auxv, FREEBSD_AT_PHDR)
    cdef uint64_t count = auxiliary_value(core.area, core.pid, auxv, FREEBSD_AT_PHNUM), i, base = 0
    for i in range(count if count < 64 else 64):
        if read_memory(core.area, core.pid, headers + i * sizeof(header), &header, sizeof(header)) < 0:
            return
        if header.p_type == ELF_PT_PHDR:
            base = headers - header.p_vaddr
    core_hide_image(core, headers, count, base)
    base = auxiliary_value(core.area, core.pid, auxv, FREEBSD_AT_BASE)
    if base != 0 and read_memory(core.area, core.pid, base, &elf, sizeof(elf)) == 0 and elf.e_phentsize == sizeof(header):
        core_hide_image(core, base + elf.e_phoff, elf.e_phnum, base)


cdef bint core_is_hidden(const core_t *core, const mapping_t *mapping) noexcept nogil:
    cdef uint32_t i
    for i in range(core.hidden_count):
        if core.hidden[i].start <= mapping.start and mapping.end <= core.hidden[i].end:
            return mapping.inode != 0 and not mapping.shared
    return False


cdef void core_know_trampolines(core_t *core) noexcept nogil:
    """Trampolines are not the program's, and stay mapped where its sites were put back."""
    if read_memory(core.area, core.pid, <uaddr> PATCHES, &core.patches, sizeof(core.patches)) < 0 or core.patches.pools > PATCH_POOLS \
            or core.patches.pages > PATCH_PAGES_MAX \
            or read_memory(core.area, core.pid, <uaddr> PATCH_PAGES, core.pages, core.patches.pages * 8) < 0:
        core.patches.pools = 0
        core.patches.pages = 0


cdef bint core_is_trampoline(const core_t *core, const mapping_t *mapping) noexcept nogil:
    cdef uint64_t size = mapping.end - mapping.start
    cdef uint32_t i
    for i in range(core.patches.pools):
        if overlap(mapping.start, size, core.patches.pool_start[i], PATCH_POOL_SIZE):
            return True
    for i in range(core.patches.pages):
        if overlap(mapping.start, size, core.pages[i], PAGE_SIZE):
            return True
    return False


cdef bint has_word(const char *line, const char *word) noexcept nogil:
    """True where a word stands in a line, behind a blank."""
    cdef uint64_t length = string_length(word)
    while line[0] != 0 and line[0] != c'\n':
        if line[0] == c' ' and string_starts(line + 1, word) \
                and (line[1 + length] == c' ' or line[1 + length] == c'\n' or line[1 + length] == 0):
            return True
        line += 1
    return False


cdef void core_take(core_t *core, const mapping_t *mapping, const char *about) noexcept nogil:
    """Add a mapping to the segments, if it is one that is dumped. about: the lines of /proc/PID/smaps on it, or NULL."""
    cdef core_segment_t *segment
    cdef const char *flags = find_text(about, b"VmFlags:") if about != NULL else NULL
    cdef bint anonymous = mapping.inode == 0 and not mapping.shared
    cdef bint code = mapping.start - SIGCODE_BASE < SIGCODE_SIZE
    if not code and (mapping_is_linux_s(mapping) or string_starts(mapping.name, b"[v") or core_is_trampoline(core, mapping)):
        return
    if mapping.prot == 0 and (not core.all_ or anonymous):
        return                          # what nobody can reach, which may be room that is only kept
    if not core.all_ and (flags != NULL and has_word(flags, b"dd") or core_is_hidden(core, mapping)):
        return
    if flags != NULL and (has_word(flags, b"io") or has_word(flags, b"pf")):
        return                          # a device
    if anonymous and about != NULL and status_number(about, b"Rss:", 0, 10) == 0 and status_number(about, b"Swap:", 0, 10) == 0:
        return                          # never touched: there is no object
    core.count += 1
    if core.count > core.room:
        return
    segment = &core.segments[core.count - 1]
    segment.start = mapping.start
    segment.end = mapping.end
    segment.prot = <uint32_t> mapping.prot
    segment.anonymous = anonymous


cdef const char *core_next_mapping(const char *line) noexcept nogil:
    """The next line of /proc/PID/smaps that begins a mapping, from this one on: lines about one begin with a capital letter."""
    while line[0] != 0 and c'A' <= line[0] <= c'Z':
        while line[0] != 0 and line[0] != c'\n':
            line += 1
        if line[0] == c'\n':
            line += 1
    return line


cdef void core_find(core_t *core, char *text) noexcept nogil:
    """The segments, of what /proc/PID/smaps (or maps) says."""
    cdef mapping_t mapping
    cdef const char *line = text
    cdef const char *about
    cdef char *end
    cdef char kept
    core.count = 0
    while line[0] != 0:
        about = mapping_parse(line, &mapping)
        line = core_next_mapping(about)
        end = text + (line - text)
        kept = end[0]
        end[0] = 0
        core_take(core, &mapping, about if line != about else NULL)
        end[0] = kept


cdef long core_segments(core_t *core) noexcept nogil:
    """Find the segments: 0 or a negative errno. They are released by core_release."""
    cdef uint64_t room = 1 << 20, memory
    cdef const char *name = b"smaps"
    cdef long got = 0
    while room <= 1UL << 30:
        memory = map_memory(room)
        if memory == 0:
            return -LINUX_ENOMEM
        got = proc_read(core.pid, name, <char *> memory, room)
        if got <= 0 and name[0] == c's':
            name = b"maps"
            got = proc_read(core.pid, name, <char *> memory, room)
        if 0 < got < <long> room - 1:
            break
        linux_syscall2(LINUX_SYS_munmap, memory, room)
        if got <= 0:
            return -LINUX_ESRCH
        room = room * 4
    core_find(core, <char *> memory)
    core.room = core.count + 1
    core.segments = <core_segment_t *> map_memory(core.room * sizeof(core_segment_t))
    if core.segments != NULL:
        core_find(core, <char *> memory)
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    return 0 if core.segments != NULL else -LINUX_ENOMEM


# ------------------------------------------------------------------ writing

cdef long core_write(core_t *core, const void *data, uint64_t size, uint64_t offset) noexcept nogil:
    """All of it, at a place of the core file: 0 or a negative errno."""
    cdef uint64_t done = 0
    cdef long got
    while done < size:
        got = linux_syscall4(LINUX_SYS_pwrite64, core.fd, <uint64_t> data + done, size - done, offset + done)
        if got == -LINUX_EINTR:
            continue
        if got <= 0:
            return got if got else -LINUX_EIO
        done += <uint64_t> got
    return 0


cdef bint is_zeros(const uint64_t *page) noexcept nogil:
    cdef int i
    for i in range(0, PAGE_SIZE // 8, 4):
        if page[i] | page[i + 1] | page[i + 2] | page[i + 3]:
            return False
    return True


cdef long core_write_pages(core_t *core, uint64_t data, uint64_t size, uint64_t offset) noexcept nogil:
    """Write pages, but for those that are zeros."""
    cdef uint64_t at = 0, end
    cdef long result = 0
    while at < size and result == 0:
        if is_zeros(<uint64_t *> (data + at)):
            at += PAGE_SIZE
            continue
        end = at + PAGE_SIZE
        while end < size and not is_zeros(<uint64_t *> (data + end)):
            end += PAGE_SIZE
        result = core_write(core, <void *> (data + at), end - at, offset + at)
        at = end
    return result


cdef uint64_t core_touched(core_t *core, uint64_t at, uint64_t end, uint64_t *words) noexcept nogil:
    """Where the next page of an anonymous segment lies that was touched; `end` for none."""
    cdef uint64_t count, i
    cdef long got
    while at < end and core.pagemap >= 0:
        count = (end - at) // PAGE_SIZE
        if count > CORE_PAGES:
            count = CORE_PAGES
        got = linux_syscall4(LINUX_SYS_pread64, <uint64_t> core.pagemap, <uint64_t> words, count * 8, at // PAGE_SIZE * 8)
        if got <= 0:
            break
        count = <uint64_t> got // 8
        for i in range(count):
            if words[i] >> 62 & PAGE_TOUCHED:
                return at + i * PAGE_SIZE
        at += count * PAGE_SIZE
    return at


cdef long core_write_segment(core_t *core, core_segment_t *segment, uint64_t offset, uint64_t buffer) noexcept nogil:
    """Write a segment to its place. What cannot be read (a file is shorter than its mapping) stays a hole."""
    cdef uint64_t at = segment.start, size
    cdef long got, result = 0
    while at < segment.end and result == 0:
        if segment.anonymous:
            at = core_touched(core, at, segment.end, <uint64_t *> (buffer + CORE_PIECE))
            if at >= segment.end:
                break
        size = segment.end - at if segment.end - at < CORE_PIECE else CORE_PIECE
        got = linux_syscall4(LINUX_SYS_pread64, <uint64_t> core.memory, buffer, size, at)
        if got < PAGE_SIZE:
            at += PAGE_SIZE
            continue
        size = page_down(<uint64_t> got)
        result = core_write_pages(core, buffer, size, offset + (at - segment.start))
        at += size
    return result


cdef long core_write_memory(core_t *core, uint64_t offset) noexcept nogil:
    """Write all segments, one behind the other: 0 or a negative errno."""
    cdef uint64_t buffer = map_memory(CORE_PIECE + CORE_PAGES * 8), i
    cdef long result = 0
    if buffer == 0:
        return -LINUX_ENOMEM
    for i in range(core.count):
        result = core_write_segment(core, &core.segments[i], offset, buffer)
        if result < 0:
            break
        offset += core.segments[i].end - core.segments[i].start
    linux_syscall2(LINUX_SYS_munmap, buffer, CORE_PIECE + CORE_PAGES * 8)
    return result if result < 0 else linux_syscall2(LINUX_SYS_ftruncate, core.fd, offset)

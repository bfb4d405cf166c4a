# The ELF loader: maps a program. Whose it is, and what its stack holds, the personality knows.

# What mapping it gave.
cdef struct image_t:
    uint64_t base, entry, phdr, low, high   # base: what to add to p_vaddr
    uint16_t phnum
    bint stack_executable
    uint64_t stack_size                     # PT_GNU_STACK's p_memsz; 0: as large as ever


cdef long image_bounds(program_t *program, uint64_t *low, uint64_t *high, uint64_t *align) noexcept nogil:
    """The page-rounded span of the PT_LOAD segments, every one checked: 0 or -ENOEXEC."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> program.page
    cdef Elf64_Phdr *phdr = <Elf64_Phdr *> &program.page[header.e_phoff]
    cdef uint64_t limit = 1UL << GUEST_ADDRESS_MAX_LOG
    cdef int i
    low[0] = limit
    high[0] = 0
    align[0] = PAGE_SIZE
    for i in range(header.e_phnum):
        if phdr[i].p_type != ELF_PT_LOAD or phdr[i].p_memsz == 0:
            continue
        if (phdr[i].p_vaddr >= limit or phdr[i].p_memsz >= limit or phdr[i].p_vaddr + phdr[i].p_memsz > limit
                or phdr[i].p_filesz > phdr[i].p_memsz):
            return -LINUX_ENOEXEC
        if phdr[i].p_filesz != 0 and (
                phdr[i].p_offset > program.file_size or phdr[i].p_filesz > program.file_size - phdr[i].p_offset
                or (phdr[i].p_offset - phdr[i].p_vaddr) % PAGE_SIZE != 0):
            return -LINUX_ENOEXEC
        if page_down(phdr[i].p_vaddr) < low[0]:
            low[0] = page_down(phdr[i].p_vaddr)
        if page_up(phdr[i].p_vaddr + phdr[i].p_memsz) > high[0]:
            high[0] = page_up(phdr[i].p_vaddr + phdr[i].p_memsz)
        if phdr[i].p_align > align[0] and phdr[i].p_align <= 0x40000000 and phdr[i].p_align & (phdr[i].p_align - 1) == 0:
            align[0] = phdr[i].p_align
    if high[0] == 0:
        return -LINUX_ENOEXEC
    return 0


cdef long map_segment(program_t *program, Elf64_Phdr *segment, uint64_t base) noexcept nogil:
    """Map one PT_LOAD over the reserved span: file pages, the zeroed tail of the last one, then bss."""
    cdef uint64_t start = page_down(base + segment.p_vaddr)
    cdef uint64_t file_end = base + segment.p_vaddr + segment.p_filesz
    cdef uint64_t end = page_up(base + segment.p_vaddr + segment.p_memsz)
    cdef uint64_t zero_from = start
    cdef int prot = ((1 if segment.p_flags & 4 else 0) | (2 if segment.p_flags & 2 else 0)
                     | (4 if segment.p_flags & 1 else 0))
    cdef bint tail = segment.p_filesz != 0 and segment.p_memsz > segment.p_filesz and file_end % PAGE_SIZE != 0
    cdef long result
    if prot & 4 and prot & 3 != 1:
        leave_alone(start, end - start)
    if segment.p_filesz != 0:
        result = linux_syscall6(LINUX_SYS_mmap, start, file_end - start, prot | 2 if tail else prot, LINUX_MAP_PRIVATE
                                | LINUX_MAP_FIXED, program.fd,
                                page_down(segment.p_offset))
        if is_error(result):
            return result
        zero_from = page_up(file_end)
        if tail:
            result = zero_guest(file_end, zero_from - file_end)
            if result < 0:
                return result
            if not prot & 2:
                linux_syscall3(LINUX_SYS_mprotect, start, zero_from - start, prot)
    if end > zero_from:
        result = linux_syscall6(LINUX_SYS_mmap, zero_from, end - zero_from, prot, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED
                                | LINUX_MAP_ANONYMOUS, <uint64_t> -1, 0)
        if is_error(result):
            return result
    return 0


cdef long image_map(program_t *program, image_t *image, uint64_t hint) noexcept nogil:
    """Map a program: an ET_EXEC at its addresses, an ET_DYN at `hint` (0: where Linux likes). 0 or a negative errno."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> program.page
    cdef Elf64_Phdr *phdr = <Elf64_Phdr *> &program.page[header.e_phoff]
    cdef uint64_t low = 0, high = 0, align = PAGE_SIZE, room, start
    cdef long result
    cdef int i
    cdef bint stack_header = False
    memset(image, 0, sizeof(image_t))
    result = image_bounds(program, &low, &high, &align)
    if result < 0:
        return result
    if header.e_type == ELF_ET_EXEC:
        if low < 0x1000 or range_is_ours(low, high - low):
            return -LINUX_ENOEXEC
        # PRIVATE | ANONYMOUS | NORESERVE | FIXED_NOREPLACE
        result = linux_syscall6(LINUX_SYS_mmap, low, high - low, LINUX_PROT_NONE, LINUX_MAP_PRIVATE
                                | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0)
        if is_error(result):
            return -LINUX_ENOMEM
    else:
        room = high - low + align - PAGE_SIZE
        result = linux_syscall6(LINUX_SYS_mmap, hint, room, LINUX_PROT_NONE, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS
                                | LINUX_MAP_NORESERVE | (LINUX_MAP_FIXED_NOREPLACE if hint else 0), <uint64_t> -1, 0)
        if is_error(result):
            return -LINUX_ENOMEM
        start = (<uint64_t> result + align - 1) & ~(align - 1)
        if start > <uint64_t> result:
            linux_syscall2(LINUX_SYS_munmap, result, start - <uint64_t> result)
        if <uint64_t> result + room > start + (high - low):
            linux_syscall2(LINUX_SYS_munmap, start + (high - low), <uint64_t> result + room - start - (high - low))
        image.base = start - low
    for i in range(header.e_phnum):
        if phdr[i].p_type == ELF_PT_LOAD and phdr[i].p_memsz != 0:
            result = map_segment(program, &phdr[i], image.base)
            if result < 0:
                return result
            if phdr[i].p_offset <= header.e_phoff and header.e_phoff < phdr[i].p_offset + phdr[i].p_filesz:
                image.phdr = image.base + phdr[i].p_vaddr + header.e_phoff - phdr[i].p_offset
        elif phdr[i].p_type == ELF_PT_GNU_STACK:
            stack_header = True
            image.stack_executable = phdr[i].p_flags & 1
            image.stack_size = phdr[i].p_memsz
    if not stack_header:
        image.stack_executable = True       # programs that say nothing are from before that header
    for i in range(header.e_phnum):
        if phdr[i].p_type == ELF_PT_PHDR:
            image.phdr = image.base + phdr[i].p_vaddr
    image.entry = image.base + header.e_entry
    if image.entry >= 1UL << GUEST_ADDRESS_MAX_LOG:
        return -LINUX_ENOEXEC
    image.phnum = header.e_phnum
    image.low = image.base + low
    image.high = image.base + high
    return 0

# The ELF loader: recognises FreeBSD programs, maps them, and builds FreeBSD's initial stack.
# Model: FreeBSD sys/kern/imgact_elf.c and exec_copyout_strings in sys/kern/kern_exec.c.

cdef enum program_kind:
    PROGRAM_FREEBSD         # FreeBSD/amd64: the shim loads it
    PROGRAM_LINUX           # any other ELF: Linux may know it
    PROGRAM_SCRIPT          # starts with #!
    PROGRAM_UNKNOWN         # no format at all
    PROGRAM_FOREIGN         # FreeBSD's for another processor, or another system's that is neither FreeBSD nor Linux


# The systems that LSF knows by name, so that their programs are not taken for Linux's.
cdef enum other_system:
    OTHER_NONE
    OTHER_NETBSD
    OTHER_OPENBSD
    OTHER_DRAGONFLY
    OTHER_SOLARIS

# What is known of a program once its header was read.
cdef struct program_t:
    int fd
    program_kind kind
    uint64_t file_size
    uint64_t file_mode
    uint64_t interp_offset, interp_size     # PT_INTERP; size 0: none
    uint32_t osrel                          # the FreeBSD release its note names, 0 when it has none
    other_system other                      # whose it is, of those systems
    uint64_t got                            # valid bytes of page
    unsigned char page[4096]

# What mapping it gave.
cdef struct image_t:
    uint64_t base, entry, phdr, low, high   # base: what to add to p_vaddr
    uint16_t phnum
    bint stack_executable
    uint64_t stack_size                     # PT_GNU_STACK's p_memsz; 0: as large as ever


cdef bint phdrs_are_sane(program_t *program) noexcept nogil:
    """FreeBSD wants the program headers whole in the first page."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> program.page
    return (header.e_phentsize == sizeof(Elf64_Phdr) and header.e_phnum > 0 and header.e_phoff < 4096
            and header.e_phoff % 8 == 0
            and header.e_phoff + <uint64_t> header.e_phnum * sizeof(Elf64_Phdr) <= program.got)


cdef long program_read(program_t *program, void *to, uint64_t size, uint64_t offset) noexcept nogil:
    """pread(2) from a program, whose first page is here already."""
    if offset < program.got and size <= program.got - offset:
        memcpy(to, &program.page[offset], size)
        return <long> size
    return linux_syscall4(LINUX_SYS_pread64, program.fd, <uint64_t> to, size, offset)


cdef other_system other_by_note(const char *name, uint64_t size) noexcept nogil:
    """The system that signs its programs with a note of this name (of type 1), OTHER_NONE for none known."""
    if 7 <= size <= 8 and string_equal(name, b"NetBSD"):
        return OTHER_NETBSD
    if size == 8 and string_equal(name, b"OpenBSD"):
        return OTHER_OPENBSD
    return OTHER_DRAGONFLY if 10 <= size <= 12 and string_equal(name, b"DragonFly") else OTHER_NONE


cdef other_system other_by_osabi(int osabi) noexcept nogil:
    if osabi == 2:
        return OTHER_NETBSD
    if osabi == 12:
        return OTHER_OPENBSD
    return OTHER_SOLARIS if osabi == 6 else OTHER_NONE


cdef other_system other_by_linker(const char *interp) noexcept nogil:
    """The system whose dynamic linker this is, OTHER_NONE for none known."""
    if string_equal(interp, b"/libexec/ld.elf_so") or string_equal(interp, b"/usr/libexec/ld.elf_so"):
        return OTHER_NETBSD
    if string_equal(interp, b"/usr/libexec/ld.so"):
        return OTHER_OPENBSD
    if string_equal(interp, b"/usr/libexec/ld-elf.so.2"):
        return OTHER_DRAGONFLY
    if string_equal(interp, b"/lib/amd64/ld.so.1") or string_equal(interp, b"/usr/lib/amd64/ld.so.1") \
            or string_equal(interp, b"/lib/64/ld.so.1"):
        return OTHER_SOLARIS
    return OTHER_NONE


cdef const char *other_text(other_system other) noexcept nogil:
    """What a program of another system is, as a clause."""
    if other == OTHER_NETBSD:
        return b"a NetBSD program, and LSF runs FreeBSD's only"
    if other == OTHER_OPENBSD:
        return b"an OpenBSD program, and LSF runs FreeBSD's only"
    if other == OTHER_DRAGONFLY:
        return b"a DragonFly BSD program, and LSF runs FreeBSD's only"
    return b"a Solaris or illumos program, and LSF runs FreeBSD's only"


cdef int note_brand(program_t *program, uint64_t offset, uint64_t size) noexcept nogil:
    """1: FreeBSD's ABI note (its release goes to program.osrel); 2: GNU's (Linux); 3: of another system (program.other);
    0: none of these."""
    cdef unsigned char notes[4096]
    cdef uint32_t *word
    cdef uint64_t at = 0, name_size, desc_size
    cdef long got
    if size > 4096:
        size = 4096
    got = program_read(program, notes, size, offset)
    if is_error(got):
        return 0
    while at + 12 <= <uint64_t> got:
        word = <uint32_t *> &notes[at]
        name_size = word[0]
        desc_size = word[1]
        if name_size > 4096 or desc_size > 4096:
            return 0
        at += 12
        if at + ((name_size + 3) & ~3UL) + desc_size > <uint64_t> got:
            return 0
        if word[2] == 1 and name_size == 8 and string_equal(<char *> &notes[at], b"FreeBSD") and desc_size >= 4:
            program.osrel = (<uint32_t *> &notes[at + 8])[0]
            return 1
        if word[2] == 1 and name_size == 4 and string_equal(<char *> &notes[at], b"GNU"):
            return 2
        if word[2] == 1 and other_by_note(<char *> &notes[at], name_size) != OTHER_NONE:
            program.other = other_by_note(<char *> &notes[at], name_size)
            return 3
        at += ((name_size + 3) & ~3UL) + ((desc_size + 3) & ~3UL)
    return 0


cdef program_kind brand(program_t *program) noexcept nogil:
    """Whose program this is, in FreeBSD's order: note, OSABI (or the old brand string), interpreter."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> program.page
    cdef Elf64_Phdr *phdr = <Elf64_Phdr *> &program.page[header.e_phoff]
    cdef char interp[32]
    cdef int i, who = 0
    cdef bint freebsd = False
    for i in range(header.e_phnum):
        if phdr[i].p_type == ELF_PT_INTERP and program.interp_size == 0 and phdr[i].p_filesz > 0:
            program.interp_offset = phdr[i].p_offset
            program.interp_size = phdr[i].p_filesz
        elif phdr[i].p_type == ELF_PT_NOTE and who != 1:
            who = note_brand(program, phdr[i].p_offset, phdr[i].p_filesz)
    memset(interp, 0, 32)
    if program.interp_size < 32:
        program_read(program, interp, program.interp_size, program.interp_offset)
    if who == 1 or header.e_ident[7] == ELF_OSABI_FREEBSD or string_equal(<char *> &header.e_ident[8], b"FreeBSD"):
        program.other = OTHER_NONE
        freebsd = True
    elif who == 0:
        program.other = other_by_osabi(header.e_ident[7])
        if header.e_ident[7] == 0:
            program.other = other_by_linker(interp)
            freebsd = string_equal(interp, b"/libexec/ld-elf.so.1")
    if program.other != OTHER_NONE:
        return PROGRAM_FOREIGN
    return PROGRAM_FREEBSD if freebsd else PROGRAM_LINUX


cdef long program_examine(program_t *program, int fd) noexcept nogil:
    """Read the head of an opened file and say what it is: 0 or a negative errno."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> program.page
    cdef linux_stat info
    cdef long got
    memset(program, 0, <uint64_t> program.page - <uint64_t> program)
    program.fd = fd
    program.kind = PROGRAM_UNKNOWN
    got = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &info)
    if is_error(got):
        return got
    if (info.st_mode & 0o170000) != 0o100000:
        return -LINUX_EACCES
    program.file_size = info.st_size
    program.file_mode = info.st_mode
    got = linux_syscall4(LINUX_SYS_pread64, fd, <uint64_t> program.page, 4096, 0)
    if is_error(got):
        return got
    program.got = got
    if got >= 2 and program.page[0] == c'#' and program.page[1] == c'!':      # "#!"
        program.kind = PROGRAM_SCRIPT
        return 0
    if got < <long> sizeof(Elf64_Ehdr) or (<uint32_t *> program.page)[0] != 0x464c457f:
        return 0
    program.kind = PROGRAM_LINUX
    if header.e_ident[4] != 2 or header.e_machine != ELF_EM_X86_64:
        program.other = other_by_osabi(header.e_ident[7])
        if header.e_ident[7] == ELF_OSABI_FREEBSD or program.other != OTHER_NONE:
            program.kind = PROGRAM_FOREIGN
        return 0
    if header.e_type != ELF_ET_EXEC and header.e_type != ELF_ET_DYN:
        return 0
    if not phdrs_are_sane(program):
        if header.e_ident[7] == ELF_OSABI_FREEBSD:
            return -LINUX_ENOEXEC
        return 0
    program.kind = brand(program)
    return 0


cdef long program_interpreter(program_t *program, char *path) noexcept nogil:
    """The PT_INTERP path (PATH_MAX bytes): 1 when there is one, 0 when there is none, or -ENOEXEC."""
    cdef long got
    if program.interp_size == 0:
        return 0
    if program.interp_size > FREEBSD_PATH_MAX:
        return -LINUX_ENOEXEC
    got = program_read(program, path, program.interp_size, program.interp_offset)
    if got != <long> program.interp_size or path[program.interp_size - 1] != 0 or path[0] == 0:
        return -LINUX_ENOEXEC
    return 1


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
        image.stack_executable = True       # as FreeBSD has it for programs that say nothing
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

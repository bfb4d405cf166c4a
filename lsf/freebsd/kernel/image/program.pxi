# What kind of program a file is, and whose. Model: FreeBSD sys/kern/imgact_elf.c (brands).

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


cdef const char *other_text(int other) noexcept nogil:
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
    if who == 1 or header.e_ident[7] == FREEBSD_ELFOSABI or string_equal(<char *> &header.e_ident[8], b"FreeBSD"):
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
    if (info.st_mode & LINUX_S_IFMT) != LINUX_S_IFREG:
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
        if header.e_ident[7] == FREEBSD_ELFOSABI or program.other != OTHER_NONE:
            program.kind = PROGRAM_FOREIGN
        return 0
    if header.e_type != ELF_ET_EXEC and header.e_type != ELF_ET_DYN:
        return 0
    if not phdrs_are_sane(program):
        if header.e_ident[7] == FREEBSD_ELFOSABI:
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

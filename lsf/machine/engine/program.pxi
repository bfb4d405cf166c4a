# A program's file: what its header says, and reading it. Whose it is, the personality knows.

# What is known of a program once its header was read.
cdef struct program_t:
    int fd
    int kind                                # what the personality makes of it, and whose it is otherwise
    int other
    uint64_t file_size
    uint64_t file_mode
    uint64_t interp_offset, interp_size     # PT_INTERP; size 0: none
    uint32_t osrel                          # the release of its system that its note names, 0 when it has none
    uint64_t got                            # valid bytes of page
    unsigned char page[4096]


cdef bint phdrs_are_sane(program_t *program) noexcept nogil:
    """The program headers are whole in the first page, as BSD wants it."""
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

# The shim's own image: a descriptor of it, by which a guest executes it again.

cdef enum:
    IMAGE_UNKNOWN = -2                  # image_fd: none was passed, /proc was not asked yet


cdef int image_rebuild() noexcept nogil:
    """The shim's image as a memfd, made from what is mapped: for when the hidden descriptor is gone. -1: not possible."""
    cdef Elf64_Ehdr header
    cdef Elf64_Phdr phdr[6]
    cdef linux_rlimit limit
    cdef int i
    cdef uint64_t text = page_up(<uint64_t> image_text_end - WINDOW_BASE)
    cdef char link[32]
    cdef long fd, bare
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_FSIZE, 0, <uint64_t> &limit)
    if limit.rlim_cur < text + 2 * PAGE_SIZE:
        return -1                       # a memfd counts as a file: writing it would raise SIGXFSZ
    fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf", LINUX_MFD_CLOEXEC | LINUX_MFD_EXEC)
    if fd == -LINUX_EINVAL:
        fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf", LINUX_MFD_CLOEXEC)
    if is_error(fd):
        return -1
    memset(&header, 0, sizeof(header))
    memset(phdr, 0, sizeof(phdr))
    (<uint32_t *> header.e_ident)[0] = 0x464c457f
    header.e_ident[4] = 2
    header.e_ident[5] = 1
    header.e_ident[6] = 1
    header.e_type = ELF_ET_EXEC
    header.e_machine = ELF_EM_X86_64
    header.e_version = 1
    header.e_entry = <uint64_t> _start
    header.e_phoff = sizeof(header)
    header.e_ehsize = sizeof(header)
    header.e_phentsize = sizeof(Elf64_Phdr)
    header.e_phnum = 6
    for i in range(5):
        phdr[i].p_type = ELF_PT_LOAD
        phdr[i].p_align = PAGE_SIZE
        phdr[i].p_flags = 5 if i < 2 else 6
        phdr[i].p_offset = PAGE_SIZE + text + PAGE_SIZE
    phdr[0].p_offset = PAGE_SIZE
    phdr[0].p_vaddr = WINDOW_BASE
    phdr[0].p_filesz = text
    phdr[0].p_memsz = text
    phdr[1].p_offset = PAGE_SIZE + text
    phdr[1].p_vaddr = SIGCODE_BASE
    phdr[1].p_filesz = PAGE_SIZE
    phdr[1].p_memsz = PAGE_SIZE
    phdr[2].p_vaddr = DATA_BASE
    phdr[2].p_memsz = DATA_SIZE
    phdr[3].p_vaddr = AREAS_BASE + AREA_SIGSTACK
    phdr[3].p_memsz = AREA_SIGSTACK_SIZE
    phdr[4].p_vaddr = AREAS_BASE + AREA_STACK
    phdr[4].p_memsz = AREA_STRIDE - AREA_STACK
    phdr[5].p_type = ELF_PT_GNU_STACK
    phdr[5].p_flags = 6
    linux_syscall4(LINUX_SYS_pwrite64, fd, <uint64_t> &header, sizeof(header), 0)
    linux_syscall4(LINUX_SYS_pwrite64, fd, <uint64_t> phdr, sizeof(phdr), sizeof(header))
    linux_syscall4(LINUX_SYS_pwrite64, fd, WINDOW_BASE, text, PAGE_SIZE)
    linux_syscall4(LINUX_SYS_pwrite64, fd, SIGCODE_BASE, PAGE_SIZE, PAGE_SIZE + text)
    descriptor_path(<int> fd, link)
    bare = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
    if not is_error(bare):              # as in image_open; without /proc it stays as it is
        linux_syscall1(LINUX_SYS_close, fd)
        fd = bare
    return hide_descriptor(<int> fd, False)


cdef void image_open(process_t *proc) noexcept nogil:
    """Before the first fork of a process that was started without a descriptor of the image: open one, once for all
    children that will execute."""
    cdef long result
    if proc.image_fd == IMAGE_UNKNOWN:
        # O_PATH: it can be executed, and be neither read, written, changed nor mapped, whoever comes to hold it.
        result = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/proc/self/exe",
                                LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
        proc.image_fd = -1 if is_error(result) else hide_descriptor(<int> result, False)


cdef bint image_needed(process_t *proc) noexcept nogil:
    """Have a descriptor of the shim's image: False where there is none to be had."""
    if proc.image_fd >= 0 and linux_syscall2(LINUX_SYS_fcntl, proc.image_fd, LINUX_F_GETFD) == -LINUX_EBADF:
        proc.image_fd = -1
    if proc.image_fd < 0:
        proc.image_fd = IMAGE_UNKNOWN
        image_open(proc)
        if proc.image_fd < 0:
            proc.image_fd = image_rebuild()
    return proc.image_fd >= 0

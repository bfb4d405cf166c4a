# What a start learns of the host: the vDSO, the processors.

cdef void find_vdso(process_t *proc, uint64_t base) noexcept nogil:
    """Look up clock_gettime in Linux's vDSO."""
    cdef Elf64_Ehdr *header = <Elf64_Ehdr *> base
    cdef Elf64_Phdr *phdr
    cdef Elf64_Shdr *section
    cdef Elf64_Sym *symbol
    cdef const char *names
    cdef uint64_t load = base, i, j
    if base == 0:
        return
    phdr = <Elf64_Phdr *> (base + header.e_phoff)
    for i in range(header.e_phnum):
        if phdr[i].p_type == ELF_PT_LOAD:
            load = base + phdr[i].p_offset - phdr[i].p_vaddr
            proc.vdso = base
            proc.vdso_end = page_up(load + phdr[i].p_vaddr + phdr[i].p_memsz)
            vdso_look_below(proc)
    section = <Elf64_Shdr *> (base + header.e_shoff)
    for i in range(header.e_shnum):
        if section[i].sh_type != ELF_SHT_DYNSYM:
            continue
        names = <const char *> (load + section[section[i].sh_link].sh_addr)
        symbol = <Elf64_Sym *> (load + section[i].sh_addr)
        for j in range(section[i].sh_size / sizeof(Elf64_Sym)):
            if string_equal(names + symbol[j].st_name, b"__vdso_clock_gettime"):
                proc.vdso_clock_gettime = <int (*)(int, void *) noexcept nogil> (load + symbol[j].st_value)


cdef uint32_t count_cpus(uint32_t engine) noexcept nogil:
    """The processors that this process may use. A supervisor may have bound it to one for a while."""
    cdef uint64_t mask[128]
    cdef long got
    cdef uint64_t word
    cdef uint32_t count = 0, highest = 0
    cdef int i
    if engine == ENGINE_PTRACE:
        count = count_online_cpus(&highest)
        if count != 0:
            return count
    got = linux_syscall3(LINUX_SYS_sched_getaffinity, 0, sizeof(mask), <uint64_t> mask)
    if is_error(got):
        return 1
    for i in range(<int> got // 8):
        word = mask[i]
        while word:
            word = word & (word - 1)
            count += 1
    return count if count else 1

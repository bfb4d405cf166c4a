# Core files: the headers and the notes. Model: FreeBSD sys/kern/imgact_elf.c (puthdr, prepare_notes), sys/amd64/amd64/elf_machdep.c
# (elf64_dump_thread), sys/sys/procfs.h. What a note says of the process is what sysctl(3) says of it.

cdef enum:
    CORE_NOTE_HEADER = 20               # three words, and "FreeBSD"
    CORE_HEAD_MAX = 1 << 30
    CORE_XCR0 = 464                     # X86_XSTATE_XCR0_OFFSET: what the kernel saves, in the area

cdef struct core_lwpinfo_t:
    int32_t size
    freebsd_ptrace_lwpinfo info


cdef void core_add(core_t *core, const void *data, uint64_t size) noexcept nogil:
    """Append to the head of the file; beyond its room it is only counted."""
    if core.at + size <= core.head_room:
        if data != NULL:
            memcpy(<void *> (core.head + core.at), data, size)
        else:
            memset(<void *> (core.head + core.at), 0, size)
    core.at += size


cdef void core_note_begin(core_t *core, uint32_t type_, uint64_t size) noexcept nogil:
    cdef uint32_t words[3]
    words[0] = 8
    words[1] = <uint32_t> size
    words[2] = type_
    core_add(core, words, 12)
    core_add(core, b"FreeBSD", 8)


cdef void core_note_end(core_t *core) noexcept nogil:
    core_add(core, NULL, (4 - (core.at & 3)) & 3)


cdef void core_note(core_t *core, uint32_t type_, const void *data, uint64_t size) noexcept nogil:
    core_note_begin(core, type_, size)
    core_add(core, data, size)
    core_note_end(core)


cdef uint64_t core_sysctl(core_t *core, const char *name, uint32_t argument, void *to, uint64_t room) noexcept nogil:
    """What sysctl says of the process by a name, and an argument behind its number: how much it would be."""
    cdef sysctl_request_t request
    cdef int32_t numbers[FREEBSD_CTL_MAXNAME]
    cdef uint32_t length = 0, used = 0
    memset(&request, 0, sizeof(request))
    request.area = core.area
    request.inside = <uint8_t *> to
    request.old_size = room
    if sysctl_by_name(name, string_length(name), numbers, &length) < 0:
        return 0
    numbers[length] = core.pid
    numbers[length + 1] = <int32_t> argument
    if sysctl_find(numbers, length, &request.row, &used) < 0:
        return 0
    request.rest = &numbers[used]
    request.nrest = 1 if argument == <uint32_t> -1 else 2
    request.row.function(&request)
    return request.old_at


cdef void core_note_sysctl(core_t *core, uint32_t type_, const char *name, int32_t size) noexcept nogil:
    """A note of what sysctl says. size: of one record, which stands before them."""
    cdef uint64_t begin = core.at, room = 0, got
    core_note_begin(core, type_, 0)
    core_add(core, &size, 4)
    if core.at < core.head_room:
        room = core.head_room - core.at
    got = core_sysctl(core, name, <uint32_t> -1, <void *> (core.head + core.at if room else core.head), room)
    core.at += got
    if begin + 8 <= core.head_room:
        (<uint32_t *> (core.head + begin))[1] = <uint32_t> (4 + got)
    core_note_end(core)


cdef void core_note_limits(core_t *core) noexcept nogil:
    cdef freebsd_rlimit limits[FREEBSD_RLIM_NLIMITS]
    cdef uint32_t count = limit_count(core.area.proc)
    cdef int32_t size = <int32_t> (count * sizeof(freebsd_rlimit))
    cdef uint32_t i
    memset(limits, 0, sizeof(limits))
    for i in range(count):
        core_sysctl(core, b"kern.proc.rlimit", i, &limits[i], sizeof(freebsd_rlimit))
    core_note_begin(core, FREEBSD_NT_PROCSTAT_RLIMIT, 4 + <uint64_t> size)
    core_add(core, &size, 4)
    core_add(core, limits, <uint64_t> size)
    core_note_end(core)


cdef void core_note_process(core_t *core) noexcept nogil:
    """NT_PRPSINFO: the command and its arguments."""
    cdef freebsd_kinfo_proc info
    cdef freebsd_prpsinfo about
    cdef uint64_t length, i
    memset(&about, 0, sizeof(about))
    about.pr_version = 1
    about.pr_psinfosz = sizeof(about)
    about.pr_pid = core.pid
    if fill_kinfo_proc(core.area, core.pid, &info) == 0:
        append(about.pr_fname, 0, sizeof(about.pr_fname), info.ki_comm)
    length = core_sysctl(core, b"kern.proc.args", <uint32_t> -1, about.pr_psargs, sizeof(about.pr_psargs) - 1)
    if length > sizeof(about.pr_psargs) - 1:
        length = sizeof(about.pr_psargs) - 1
    if length == 0:
        append(about.pr_psargs, 0, sizeof(about.pr_psargs), about.pr_fname)
    for i in range(length - 1 if length else 0):
        if about.pr_psargs[i] == 0:
            about.pr_psargs[i] = c' '
    core_note(core, FREEBSD_NT_PRPSINFO, &about, sizeof(about))


cdef void thread_status(process_t *proc, debug_page_t *page, debug_lwp_t *lwp, int signo, freebsd_prstatus *status) noexcept nogil:
    """struct prstatus of a thread that stands still."""
    memset(status, 0, sizeof(freebsd_prstatus))
    status.pr_version = 1
    status.pr_statussz = sizeof(freebsd_prstatus)
    status.pr_gregsetsz = sizeof(freebsd_reg)
    status.pr_fpregsetsz = FXSAVE_SIZE
    status.pr_osreldate = <int32_t> proc.own.osreldate
    status.pr_cursig = signo
    status.pr_pid = lwp_shown(page, lwp.tid)
    status.pr_reg = lwp.regs


cdef void core_note_thread(core_t *core, debug_lwp_t *lwp) noexcept nogil:
    """What is told of a thread."""
    cdef process_t *proc = core.area.proc
    cdef freebsd_prstatus status
    cdef freebsd_thrmisc misc
    cdef core_lwpinfo_t about
    cdef uint64_t bases[2]
    cdef uint64_t size = xstate_limit(proc), begin
    thread_status(proc, core.page, lwp, core.signo, &status)
    core_note(core, FREEBSD_NT_PRSTATUS, &status, sizeof(status))
    core_note(core, FREEBSD_NT_FPREGSET, lwp.vector, FXSAVE_SIZE)
    memset(&misc, 0, sizeof(misc))
    memcpy(misc.pr_tname, lwp.name, sizeof(misc.pr_tname) - 1)
    core_note(core, FREEBSD_NT_THRMISC, &misc, sizeof(misc))
    memset(&about, 0, sizeof(about))
    about.size = sizeof(about.info)
    lwp_fill(core.page, lwp, &about.info)
    if lwp.info.si_signo:
        about.info.pl_event = FREEBSD_PL_EVENT_SIGNAL
        about.info.pl_flags = FREEBSD_PL_FLAG_SI
        about.info.pl_siginfo = lwp.info
    core_note_begin(core, FREEBSD_NT_PTLWPINFO, 4 + sizeof(about.info))
    core_add(core, &about.size, 4)
    core_add(core, &about.info, sizeof(about.info))
    core_note_end(core)
    bases[0] = lwp.fsbase
    bases[1] = lwp.gsbase
    core_note(core, FREEBSD_NT_X86_SEGBASES, bases, sizeof(bases))
    core_note_begin(core, FREEBSD_NT_X86_XSTATE, size)
    begin = core.at
    core_add(core, lwp.vector, size)
    if core.at <= core.head_room:
        memcpy(<void *> (core.head + begin + CORE_XCR0), &proc.xstate_features, 8)


cdef void core_notes(core_t *core) noexcept nogil:
    """All notes: the thread that ends the process comes before the others, so that a debugger begins with it."""
    cdef debug_lwp_t *lwp = debug_slot(core.page, core.first)
    cdef uint32_t i
    core_note_process(core)
    if lwp != NULL:
        core_note_thread(core, lwp)
    for i in range(core.page.slots):
        lwp = debug_slot(core.page, i)
        if lwp != NULL and i != core.first and lwp.parked and lwp.tid:
            core_note_thread(core, lwp)
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_PROC, b"kern.proc.pid_td", sizeof(freebsd_kinfo_proc))
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_FILES, b"kern.proc.filedesc", sizeof(freebsd_kinfo_file))
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_VMMAP, b"kern.proc.vmmap", sizeof(freebsd_kinfo_vmentry))
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_GROUPS, b"kern.proc.groups", 4)
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_UMASK, b"kern.proc.umask", 2)
    core_note_limits(core)
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_OSREL, b"kern.proc.osrel", 4)
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_PSSTRINGS, b"kern.proc.ps_strings", 8)
    core_note_sysctl(core, FREEBSD_NT_PROCSTAT_AUXV, b"kern.proc.auxv", 16)


cdef uint64_t core_headers(core_t *core) noexcept nogil:
    """How long the ELF header and those of segments are; more of them than 65534 are counted in a section's header."""
    return sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) * (1 + core.count) + (sizeof(Elf64_Shdr) if core.count + 1 >= ELF_PN_XNUM else 0)


cdef uint32_t core_flags(uint32_t prot) noexcept nogil:
    return (ELF_PF_R if prot & LINUX_PROT_READ else 0) | (ELF_PF_W if prot & LINUX_PROT_WRITE else 0) \
        | (ELF_PF_X if prot & LINUX_PROT_EXEC else 0)


cdef void core_put_headers(core_t *core, uint64_t size) noexcept nogil:
    """Fill in the headers, now that it is known how long the notes are (`size`)."""
    cdef Elf64_Ehdr *elf = <Elf64_Ehdr *> core.head
    cdef Elf64_Phdr *header = <Elf64_Phdr *> (core.head + sizeof(Elf64_Ehdr))
    cdef Elf64_Shdr *section
    cdef uint64_t offset = page_up(core_headers(core) + size), i
    memcpy(elf.e_ident, b"\177ELF\2\1\1", 7)
    elf.e_ident[7] = FREEBSD_ELFOSABI
    elf.e_type = ELF_ET_CORE
    elf.e_machine = ELF_EM_X86_64
    elf.e_version = ELF_EV_CURRENT
    elf.e_phoff = sizeof(Elf64_Ehdr)
    elf.e_ehsize = sizeof(Elf64_Ehdr)
    elf.e_phentsize = sizeof(Elf64_Phdr)
    elf.e_shentsize = sizeof(Elf64_Shdr)
    elf.e_phnum = <uint16_t> (core.count + 1)
    if core.count + 1 >= ELF_PN_XNUM:
        elf.e_phnum = <uint16_t> ELF_PN_XNUM
        elf.e_shnum = 1
        elf.e_shoff = elf.e_phoff + (core.count + 1) * sizeof(Elf64_Phdr)
        section = <Elf64_Shdr *> (core.head + elf.e_shoff)
        section.sh_size = 1
        section.sh_info = <uint32_t> (core.count + 1)
    header.p_type = ELF_PT_NOTE
    header.p_offset = core_headers(core)
    header.p_filesz = size
    header.p_flags = ELF_PF_R
    header.p_align = 4
    for i in range(core.count):
        header += 1
        header.p_type = ELF_PT_LOAD
        header.p_offset = offset
        header.p_vaddr = core.segments[i].start
        header.p_filesz = core.segments[i].end - core.segments[i].start
        header.p_memsz = header.p_filesz
        header.p_align = PAGE_SIZE
        header.p_flags = core_flags(core.segments[i].prot)
        offset += header.p_filesz


cdef long core_make_head(core_t *core) noexcept nogil:
    """The file's beginning, up to the segments: 0 or a negative errno."""
    cdef uint64_t room = page_up(core_headers(core) + (1 << 18) + core.page.slots * (xstate_limit(core.area.proc) + 4096))
    while room <= CORE_HEAD_MAX:
        core.head = map_memory(room)
        if core.head == 0:
            return -LINUX_ENOMEM
        core.head_room = room
        core.at = core_headers(core)
        core_notes(core)
        if core.at <= room:
            core_put_headers(core, core.at - core_headers(core))
            return 0
        linux_syscall2(LINUX_SYS_munmap, core.head, room)
        room = page_up(core.at + (1 << 16))
    core.head = 0
    return -LINUX_ENOMEM

# execve and fexecve: everything is checked while the caller is alive; then the shim's own image is executed, which
# takes over the target (start.pxi, handover). A Linux program is executed as it is and runs natively.

cdef enum:
    EXEC_ARGUMENTS_MAX = 1 << 20        # entries in argv and in the environment, each
    EXEC_ARGUMENTS_NEAR = 64            # so many need no memory of their own
    IMAGE_UNKNOWN = -2                  # image_fd: none was passed, /proc was not asked yet


cdef long open_executable(int dirfd, const char *path) noexcept nogil:
    """Open a program that the caller may execute: a descriptor (close-on-exec) or a negative errno."""
    cdef char host[LOOKUP_PATH]
    cdef long result
    if SHIM.lookup != NULL:
        result = lookup_path(SHIM, dirfd, <uint64_t> path, True, host)
        if result < 0:
            return result
        if result > 0:
            path = host
    result = linux_syscall4(439, dirfd, <uint64_t> path, 1, 0x200)              # faccessat2, X_OK, AT_EACCESS
    if result == -ENOSYS:
        result = linux_syscall3(269, dirfd, <uint64_t> path, 1)                 # faccessat
    if result < 0:
        return result
    # NONBLOCK: a FIFO must be refused, not waited for.
    result = linux_syscall4(SYS_openat, dirfd, <uint64_t> path, 0o2004000, 0)
    if result == -EMFILE:
        result = open_above_limit(dirfd, path)
    return -EACCES if result == -ENXIO or result == -ENODEV else result


cdef long open_above_limit(int dirfd, const char *path) noexcept nogil:
    """FreeBSD's exec takes no descriptor: where the guest has used all, the limit is lifted for this one open."""
    cdef uint64_t old[2]
    cdef uint64_t more[2]
    cdef long result
    linux_syscall4(SYS_prlimit64, 0, 7, 0, <uint64_t> old)         # RLIMIT_NOFILE
    more[0] = old[0] + 8
    more[1] = old[1] if old[1] > more[0] else more[0]
    result = linux_syscall4(SYS_prlimit64, 0, 7, <uint64_t> more, 0)
    if is_error(result):
        return -EMFILE
    result = linux_syscall4(SYS_openat, dirfd, <uint64_t> path, 0o2004000, 0)
    linux_syscall4(SYS_prlimit64, 0, 7, <uint64_t> old, 0)
    return result


cdef long script_line(program_t *program, char *interp, char *option) noexcept nogil:
    """Split a #! line as imgact_shell does: the interpreter and, as one argument, the rest (PATH_MAX bytes each)."""
    cdef unsigned char *page = program.page
    cdef uint64_t at = 2, n = 0, end = program.got
    while at < end and (page[at] == 32 or page[at] == 9):
        at += 1
    while at < end and page[at] != 32 and page[at] != 9 and page[at] != 10 and page[at] != 0:
        if n + 1 >= PATH_MAX:
            return -ENAMETOOLONG
        interp[n] = page[at]
        n += 1
        at += 1
    interp[n] = 0
    if n == 0:
        return -ENOEXEC
    while at < end and (page[at] == 32 or page[at] == 9):
        at += 1
    n = 0
    while at < end and page[at] != 10 and page[at] != 0:
        if n + 1 >= PATH_MAX:
            return -ENAMETOOLONG
        option[n] = page[at]
        n += 1
        at += 1
    if at >= end and end == 4096:
        return -ENOEXEC         # FreeBSD wants the line whole in the first page
    while n > 0 and (option[n - 1] == 32 or option[n - 1] == 9):
        n -= 1
    option[n] = 0
    return 0


cdef long check_loadable(program_t *program) noexcept nogil:
    """Would the next image load it? Its segments are sane and its interpreter is there: 0 or what execve says."""
    cdef uint64_t low = 0, high = 0, align = 0
    cdef char path[PATH_MAX]
    cdef long result = image_bounds(program, &low, &high, &align)
    if result < 0:
        return result
    if (<Elf64_Ehdr *> program.page).e_type == ET_EXEC and (low < 0x1000 or range_is_ours(low, high - low)):
        return -ENOEXEC
    result = program_interpreter(program, path)
    if result <= 0:
        return result
    result = open_executable(AT_FDCWD, path)
    if result < 0:
        return result
    linux_syscall1(SYS_close, result)
    return 0


cdef long count_pointers(uaddr list_) noexcept nogil:
    """How many entries a NULL-terminated guest array has, or -EFAULT, -E2BIG."""
    cdef uint64_t n = 0, value = 0
    while n < EXEC_ARGUMENTS_MAX:
        if fetch_guest64(list_ + 8 * n, &value) < 0:
            return -EFAULT
        if value == 0:
            return n
        n += 1
    return -E2BIG


cdef uint64_t append_word(char *words, uint64_t at, const char *key, uint64_t value) noexcept nogil:
    at = append(words, at, 1024, key)
    return append_number(words, at, 1024, value, 16)


cdef void handover_words(process_t *proc, area_t *area, int target, char *words) noexcept nogil:
    """The words of a handover (1024 bytes); see start.pxi's parse_words."""
    cdef uint64_t at = append(words, 0, 1024, b"v=1")
    cdef uint64_t ignored[2]
    at = append_word(words, at, b",t=", target)
    at = append_word(words, at, b",h=", proc.image_fd)
    at = append_word(words, at, b",e=", proc.engine)
    if proc.truss_fd >= 0:
        at = append_word(words, at, b",l=", proc.truss_fd)
        if proc.truss_pids:
            at = append_word(words, at, b",L=", 1)
    if proc.tracer:
        at = append_word(words, at, b",T=", proc.tracer)
    if proc.stats_fd >= 0:
        at = append_word(words, at, b",s=", proc.stats_fd)
        at = append_word(words, at, b",S=", proc.stats_counted)
    at = append_word(words, at, b",m=", area.sigmask[0])
    at = append_word(words, at, b",M=", area.sigmask[1])
    ignored[0] = virtual_ignored(proc)
    ignored[1] = 0
    carried_ignored(proc, ignored)
    at = append_word(words, at, b",g=", ignored[0])
    at = append_word(words, at, b",G=", ignored[1])
    at = append_word(words, at, b",p=", area.virtual_pending)
    if proc.filter_installed:
        at = append_word(words, at, b",f=", 1)
    if proc.debug:
        at = append_word(words, at, b",d=", proc.debug)
    at = append_word(words, at, b",r=", proc.osreldate)
    if proc.nosigpipe:
        at = append_word(words, at, b",n=", 1)
    if proc.no_patch:
        at = append_word(words, at, b",x=", proc.no_patch)
    if proc.fakeroot:
        at = append_word(words, at, b",F=", 1)
    if proc.lookup != NULL:
        at = append_word(words, at, b",V=", lookup_count(proc))
    # Where Linux ignores them now it will after exec; a handler of ours would be reset.
    if (proc.handlers[SIGIO].function <= SIG_IGN and proc.handlers[SIGINFO].function <= SIG_IGN
            and not event_wants_signal(proc, SIGIO) and not event_wants_signal(proc, SIGINFO)):
        append_word(words, at, b",o=", 1)


cdef enum:
    LINUX_RLIMIT_FSIZE = 1


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
    linux_syscall4(SYS_prlimit64, 0, LINUX_RLIMIT_FSIZE, 0, <uint64_t> &limit)
    if limit.rlim_cur < text + 2 * PAGE_SIZE:
        return -1                       # a memfd counts as a file: writing it would raise SIGXFSZ
    fd = linux_syscall2(SYS_memfd_create, <uint64_t> <const char *> b"lsf", 1 | 0x10)   # CLOEXEC | EXEC
    if fd == -EINVAL:
        fd = linux_syscall2(SYS_memfd_create, <uint64_t> <const char *> b"lsf", 1)
    if is_error(fd):
        return -1
    memset(&header, 0, sizeof(header))
    memset(phdr, 0, sizeof(phdr))
    (<uint32_t *> header.e_ident)[0] = 0x464c457f
    header.e_ident[4] = 2
    header.e_ident[5] = 1
    header.e_ident[6] = 1
    header.e_type = ET_EXEC
    header.e_machine = EM_X86_64
    header.e_version = 1
    header.e_entry = <uint64_t> _start
    header.e_phoff = sizeof(header)
    header.e_ehsize = sizeof(header)
    header.e_phentsize = sizeof(Elf64_Phdr)
    header.e_phnum = 6
    for i in range(5):
        phdr[i].p_type = PT_LOAD
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
    phdr[5].p_type = PT_GNU_STACK
    phdr[5].p_flags = 6
    linux_syscall4(18, fd, <uint64_t> &header, sizeof(header), 0)               # pwrite64
    linux_syscall4(18, fd, <uint64_t> phdr, sizeof(phdr), sizeof(header))
    linux_syscall4(18, fd, WINDOW_BASE, text, PAGE_SIZE)
    linux_syscall4(18, fd, SIGCODE_BASE, PAGE_SIZE, PAGE_SIZE + text)
    descriptor_path(<int> fd, link)
    bare = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> link, LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
    if not is_error(bare):              # as in image_open; without /proc it stays as it is
        linux_syscall1(SYS_close, fd)
        fd = bare
    return hide_descriptor(<int> fd, False)


cdef void image_open(process_t *proc) noexcept nogil:
    """Before the first fork of a process that was started without a descriptor of the image: open one, once for all
    children that will execute."""
    cdef long result
    if proc.image_fd == IMAGE_UNKNOWN:
        # O_PATH: it can be executed, and be neither read, written, changed nor mapped, whoever comes to hold it.
        result = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> <const char *> b"/proc/self/exe",
                                LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
        proc.image_fd = -1 if is_error(result) else hide_descriptor(<int> result, False)


cdef bint image_needed(process_t *proc) noexcept nogil:
    """Have a descriptor of the shim's image: False where there is none to be had."""
    if proc.image_fd >= 0 and linux_syscall2(SYS_fcntl, proc.image_fd, 1) == -EBADF:
        proc.image_fd = -1
    if proc.image_fd < 0:
        proc.image_fd = IMAGE_UNKNOWN
        image_open(proc)
        if proc.image_fd < 0:
            proc.image_fd = image_rebuild()
    return proc.image_fd >= 0


cdef void keep_over_exec(process_t *proc, int target, uint64_t flag) noexcept nogil:
    """Set close-on-exec (flag 1) or clear it (0) on what a handover passes on."""
    linux_syscall3(SYS_fcntl, target, 2, flag)
    if proc.truss_fd >= 0:
        linux_syscall3(SYS_fcntl, proc.truss_fd, 2, flag)
    if proc.stats_fd >= 0:
        linux_syscall3(SYS_fcntl, proc.stats_fd, 2, flag)


cdef uint64_t area_scratch(area_t *area, uint64_t size) noexcept nogil:
    """Memory that lives as long as the area (a vfork child leaves it to the parent, which reuses or frees it)."""
    if area.scratch != 0 and area.scratch_size < size:
        linux_syscall2(SYS_munmap, area.scratch, area.scratch_size)
        area.scratch = 0
    if area.scratch == 0:
        area.scratch_size = page_up(size)
        area.scratch = map_memory(area.scratch_size)
    return area.scratch


cdef uint64_t handover_places(process_t *proc) noexcept nogil:
    """How many arguments come before the guest's own: name, words, path, and the rules of a view by look-up."""
    return 3 + 2 * lookup_count(proc)


cdef long hand_over(area_t *area, int target, const char *execpath, uint64_t *argv, uint64_t envp) noexcept nogil:
    """Execute the shim's image with the target. argv has handover_places(proc) free places in front."""
    cdef process_t *proc = area.proc
    cdef char words[1024]
    cdef long result
    if not image_needed(proc):
        return -ENOEXEC
    handover_words(proc, area, target, words)
    argv[0] = <uint64_t> <const char *> b"lsf-handover"
    argv[1] = <uint64_t> words
    argv[2] = <uint64_t> execpath
    lookup_append(argv, 3, proc)
    if proc.files_shared:
        linux_syscall3(SYS_fcntl, proc.image_fd, 2, 0)      # the other process may be executing a Linux program
    keep_over_exec(proc, target, 0)
    truss_before_exec(area)
    umtx_thread_exit(area)
    kept_before_exec(area)
    result = restartable(blocking_syscall(SYS_execveat, proc.image_fd, <uint64_t> <const char *> b"", <uint64_t> argv,
                                          envp, 0x1000, 0))
    keep_over_exec(proc, target, 1)
    set_linux_mask(area)
    return result


cdef long execute(area_t *area, int fd, const char *path, uaddr argv, uaddr envv) noexcept nogil:
    """Replace the process by the opened program `fd`, named `path`; consumes fd when it fails."""
    cdef process_t *proc = area.proc
    cdef program_t program
    cdef char interp[PATH_MAX]
    cdef char option[PATH_MAX]
    cdef char execpath[4096]
    cdef uint64_t near_[EXEC_ARGUMENTS_NEAR]
    cdef uint64_t *list_ = near_
    cdef long argc, envc = 0, result
    cdef uint64_t extra = 0, front = handover_places(proc)
    cdef bint script = False
    result = program_examine(&program, fd)
    if result == 0 and program.kind == PROGRAM_SCRIPT:
        script = True
        result = script_line(&program, interp, option)
        if result == 0:
            linux_syscall1(SYS_close, fd)
            result = open_executable(AT_FDCWD, interp)
            if result < 0:
                return result
            fd = result
            result = program_examine(&program, fd)
            if result == 0 and program.kind == PROGRAM_SCRIPT:
                result = -ELOOP
        extra = 2 if option[0] else 1
    if result == 0:
        if program.kind == PROGRAM_FREEBSD:
            result = check_loadable(&program)
        elif program.kind != PROGRAM_LINUX:
            result = -ENOEXEC
    argc = count_pointers(argv)
    if result == 0 and argc < 0:
        result = argc
    if result == 0 and argc == 0:
        result = -EINVAL
    if result == 0 and envv != 0:
        envc = count_pointers(envv)
        if envc < 0:
            result = envc
    if result < 0:
        linux_syscall1(SYS_close, fd)
        return result
    if front + extra + argc + 1 > EXEC_ARGUMENTS_NEAR:
        list_ = <uint64_t *> area_scratch(area, (front + extra + argc + 1) * 8)
    if list_ == NULL:
        linux_syscall1(SYS_close, fd)
        return -ENOMEM
    if copyin(argv, &list_[front + extra], (argc + 1) * 8) < 0:
        linux_syscall1(SYS_close, fd)
        return -EFAULT
    list_[front + extra + argc] = 0
    if script:
        list_[front] = <uint64_t> interp
        list_[front + extra] = <uint64_t> path
        if extra == 2:
            list_[front + 1] = <uint64_t> option
        path = interp
    if program.kind == PROGRAM_LINUX:
        result = execute_linux(area, path, &list_[front], envv)
    else:
        absolute_path(path, execpath)
        result = hand_over(area, fd, execpath, list_, envv)
    linux_syscall1(SYS_close, fd)
    return result


cdef long execute_linux(area_t *area, const char *path, uint64_t *argv, uaddr envv) noexcept nogil:
    """A Linux program runs natively: Linux's exec ends the dispatch. The mask and the ignored signals that the shim
    keeps virtual become real for it. The engine `trap` cannot do it: its filter outlives exec and would kill."""
    cdef uint64_t none = 0, virtual_mask, old = 0
    cdef uint64_t envp = envv if envv != 0 else <uint64_t> &none
    cdef char host[LOOKUP_PATH]
    cdef long result
    if area.proc.engine == ENGINE_TRAP:
        return -ENOEXEC
    if area.proc.lookup != NULL and lookup_path(area.proc, AT_FDCWD, <uint64_t> path, True, host) > 0:
        path = host
    virtual_mask = linux_virtual_mask(area)
    if virtual_mask:
        linux_syscall4(SYS_rt_sigprocmask, 0, <uint64_t> &virtual_mask, <uint64_t> &old, 8)
    if area.proc.image_fd >= 0:
        linux_syscall3(SYS_fcntl, area.proc.image_fd, 2, 1)         # F_SETFD, FD_CLOEXEC
    truss_before_exec(area)
    umtx_thread_exit(area)
    stats_uncount(area.proc)
    result = restartable(blocking_syscall(SYS_execve, <uint64_t> path, <uint64_t> argv, envp, 0, 0, 0))
    stats_count(area.proc)
    if area.proc.image_fd >= 0:
        linux_syscall3(SYS_fcntl, area.proc.image_fd, 2, 0)
    if virtual_mask:
        linux_syscall4(SYS_rt_sigprocmask, 1, <uint64_t> &virtual_mask, 0, 8)
    return result


cdef void absolute_path(const char *path, char *absolute) noexcept nogil:
    """`path` as an absolute one (4096 bytes), against the current directory, not resolved."""
    cdef uint64_t at = 0
    cdef long got
    if path[0] != 47:
        got = linux_syscall2(SYS_getcwd, <uint64_t> absolute, 2048)
        if not is_error(got) and absolute[0] == 47:
            lookup_guest(SHIM, absolute, 2048)
            at = string_length(absolute)
            if at > 1:
                at = append(absolute, at, 4096, b"/")
        while string_starts(path, b"./"):
            path += 2
    append(absolute, at, 4096, path)


cdef public long sys_execve(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[PATH_MAX]
    cdef long result = copyinstr(frame.arg[0], path, PATH_MAX, NULL)
    if result < 0:
        return result
    if path[0] == 0:
        return -ENOENT
    result = open_executable(AT_FDCWD, path)
    if result < 0:
        return result
    return execute(area, <int> result, path, frame.arg[1], frame.arg[2])


cdef public long sys_fexecve(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[4096]
    cdef char link[40]
    cdef uint64_t at
    cdef long got, fd
    at = append(link, 0, 40, b"/proc/self/fd/")
    append_number(link, at, 40, <uint32_t> frame.arg[0], 10)
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -EBADF
    # A descriptor opened with O_EXEC cannot be read: opening it anew gives one that can.
    fd = linux_syscall4(SYS_openat, <uint64_t> AT_FDCWD, <uint64_t> link, 0o2000000, 0)
    if fd == -ENOENT:
        fd = linux_syscall3(SYS_fcntl, <uint32_t> frame.arg[0], 1030, 3)
    if is_error(fd):
        return fd
    got = linux_syscall3(SYS_readlink, <uint64_t> link, <uint64_t> path, 4095)
    path[got if not is_error(got) else 0] = 0
    lookup_guest(area.proc, path, 4096)
    return execute(area, <int> fd, path, frame.arg[1], frame.arg[2])

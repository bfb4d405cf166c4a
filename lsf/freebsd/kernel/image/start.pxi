# From Linux's exec to the guest's first instruction: the three entry modes (launcher, binfmt, handover).

cdef enum:
    OSRELDATE_DEFAULT = 1403000
    OSREL_NONSENSE = 10000000           # no program was built for that


cdef const char *error_text(long error) noexcept nogil:
    """What a negative Linux errno means when a program cannot be started."""
    if error == -LINUX_ENOENT:
        return b"not found"
    if error == -LINUX_EACCES:
        return b"permission denied"
    if error == -LINUX_EISDIR:
        return b"is a directory"
    if error == -LINUX_ENOTDIR:
        return b"a component of the path is not a directory"
    if error == -LINUX_ENOEXEC:
        return b"not a program that LSF can run (damaged or unknown format)"
    if error == -LINUX_ENOMEM:
        return b"no memory at the addresses it needs"
    if error == -LINUX_ELOOP:
        return b"too many symbolic links"
    if error == -LINUX_ENAMETOOLONG:
        return b"name too long"
    if error == -LINUX_ETXTBSY:
        return b"busy, being written"
    if error == -LINUX_EMFILE or error == -LINUX_ENFILE:
        return b"too many open files"
    if error == -LINUX_EFAULT:
        return b"its segments do not fit its file"
    return b"cannot be read"


cdef long open_in_path(start_t *start, char *found) noexcept nogil:
    """Open start.path, looking it up in PATH when it has no slash; `found` (4096 bytes) gets the name."""
    cdef const char *path = start.path
    cdef const char *dirs
    cdef uint64_t i = 0, n
    cdef long fd, error = -LINUX_ENOENT
    append(found, 0, 4096, path)
    while path[i] != 0:
        if path[i] == c'/' or not start.search:
            return open_executable(LINUX_AT_FDCWD, path)
        i += 1
    if i == 0:
        return -LINUX_ENOENT
    dirs = environment(start.envp, b"PATH")
    if dirs == NULL or dirs[0] == 0:
        dirs = b"/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    while True:
        n = 0
        while dirs[0] != 0 and dirs[0] != c':' and n < 3000:
            found[n] = dirs[0]
            n += 1
            dirs += 1
        found[n] = 0
        if n != 0:
            n = append(found, n, 4096, b"/")
        append(found, n, 4096, path)
        fd = open_executable(LINUX_AT_FDCWD, found)
        if fd >= 0:
            return fd
        if fd == -LINUX_EACCES:
            error = fd
        if dirs[0] == 0:
            return error
        dirs += 1


cdef void name_command(process_t *proc, int fd) noexcept nogil:
    """p_comm: the name of the program's file in its folder, where a link may have led to it by another (do_execve: nd.ni_cnd.cn_nameptr)."""
    cdef char path[4096]
    cdef const char *name = proc.execpath
    if not is_error(descriptor_name(fd, path, sizeof(path))) and path[0] == c'/':
        lookup_guest(proc, path, sizeof(path))
        name = path
    append(proc.own.comm, 0, sizeof(proc.own.comm), base_name(name))


cdef void show_command(start_t *start, process_t *proc) noexcept nogil:
    """Let ps on the host show the program's own name and arguments, not the shim's."""
    cdef uint64_t map_[13]
    cdef uint64_t end
    linux_syscall2(LINUX_SYS_prctl, LINUX_PR_SET_NAME, <uint64_t> proc.own.comm)
    if start.argc == 0:
        return
    end = <uint64_t> start.argv[start.argc - 1]
    end += string_length(<char *> end) + 1
    # struct prctl_mm_map: start_code end_code start_data end_data start_brk brk start_stack arg_start arg_end
    # env_start env_end auxv auxv_size+exe_fd. Only the argument range matters here; the rest keeps its meaning.
    memset(map_, 0, sizeof(map_))
    map_[0] = WINDOW_BASE
    map_[1] = WINDOW_BASE + WINDOW_SIZE
    map_[2] = SIGCODE_BASE
    map_[3] = SIGCODE_BASE + PAGE_SIZE
    map_[4] = SHIM_END
    map_[5] = SHIM_END
    map_[6] = <uint64_t> start.linux_stack
    map_[7] = <uint64_t> start.argv[0]
    map_[8] = end
    map_[9] = <uint64_t> start.envp[0] if start.envc else end
    map_[10] = (<uint64_t> start.envp[start.envc - 1] + string_length(start.envp[start.envc - 1]) + 1
                if start.envc else end)
    map_[12] = 0xffffffff00000000UL
    linux_syscall5(LINUX_SYS_prctl, LINUX_PR_SET_MM, LINUX_PR_SET_MM_MAP, <uint64_t> map_, sizeof(map_), 0)


cdef void tell_start(process_t *proc, image_t *image, const char *interp_path) noexcept nogil:
    """LSF_DEBUG=1: one line for each program that starts."""
    cdef char text[400]
    cdef uint64_t at = append(text, 0, 400, b": pid ")
    at = append_number(text, at, 400, proc.pid, 10)
    at = append(text, at, 400, b", engine ")
    at = append(text, at, 400, b"sud" if proc.engine == ENGINE_SUD else b"trap" if proc.engine == ENGINE_TRAP else b"ptrace")
    at = append(text, at, 400, b", osreldate ")
    at = append_number(text, at, 400, proc.own.osreldate, 10)
    at = append(text, at, 400, b", at 0x")
    at = append_number(text, at, 400, image.low, 16)
    if interp_path != NULL:
        at = append(text, at, 400, b", interpreter ")
        at = append(text, at, 400, interp_path)
    complain(proc.execpath, text, NULL, NULL)


cdef void refuse_stack(start_t *start) noexcept nogil:
    """The stack cannot hold the arguments: its limit or the program's header makes it too small. FreeBSD finds that out
    when the old program is gone, and ends the process by SIGABRT (exec_fail_dealloc in sys/kern/kern_exec.c)."""
    cdef uint64_t nothing[4]
    complain(start.path, b": its stack has no room for its arguments", NULL, NULL)
    if start.executed:
        memset(nothing, 0, sizeof(nothing))
        linux_syscall4(LINUX_SYS_rt_sigaction, 6, <uint64_t> nothing, 0, 8)
        linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_SETMASK, <uint64_t> nothing, 0, 8)
        linux_syscall2(LINUX_SYS_tkill, linux_syscall0(LINUX_SYS_gettid), 6)
    linux_syscall1(LINUX_SYS_exit_group, EXIT_NOT_RUNNABLE)


cdef long load_program(process_t *proc, start_t *start, program_t *program) noexcept nogil:
    """Map the program and its interpreter and build the stack; enters the guest, or returns a negative errno."""
    cdef program_t interp_program
    cdef image_t image, interp
    cdef char interp_path[FREEBSD_PATH_MAX]
    cdef uint64_t hint = 0, stack
    cdef long result
    cdef int has_interp, fd
    if (<Elf64_Ehdr *> program.page).e_type == ELF_ET_DYN:
        # Far below Linux's own mappings, so that `break` has room above the program.
        hint = 0x200000000000UL + (start.random & 0xfffffffUL) * PAGE_SIZE
    result = program_interpreter(program, interp_path)
    if result < 0:
        return result
    has_interp = result
    result = image_map(program, &image, hint)
    if result < 0:
        return result
    memset(&interp, 0, sizeof(image_t))
    if has_interp:
        fd = open_executable(LINUX_AT_FDCWD, interp_path)
        if fd < 0:
            complain(start.path, b" needs the interpreter ", interp_path,
                     b", which is not there: it is in a FreeBSD root (--root; `lsfctl root install 14` fetches one)")
            linux_syscall1(LINUX_SYS_exit_group, EXIT_NOT_RUNNABLE)
        result = program_examine(&interp_program, fd)
        if result == 0 and (interp_program.kind != PROGRAM_FREEBSD
                            and interp_program.kind != PROGRAM_LINUX or not phdrs_are_sane(&interp_program)):
            result = -LINUX_ENOEXEC
        if result == 0:
            result = image_map(&interp_program, &interp, 0)
        linux_syscall1(LINUX_SYS_close, fd)
        if result < 0:
            complain(interp_path, b" (the interpreter of ", start.path, b") cannot be loaded")
            linux_syscall1(LINUX_SYS_exit_group, EXIT_NOT_RUNNABLE)
    linux_syscall1(LINUX_SYS_close, program.fd)
    proc.break_start = image.high
    proc.break_end = image.high
    proc.own.osrel = program.osrel
    if not proc.own.osreldate_given and program.osrel // 1000 > proc.own.osreldate // 1000 and program.osrel < OSREL_NONSENSE:
        proc.own.osreldate = program.osrel
    proc.own.magic = PROCESS_MAGIC
    result = stack_of_image(proc, start, image.stack_size)
    if result < 0:
        refuse_stack(start)
    if image.stack_executable:
        leave_alone(proc.stack_low, proc.stack_top - proc.stack_low)
        # PROT_READ | WRITE | EXEC | GROWSDOWN
        linux_syscall3(LINUX_SYS_mprotect, page_down(<uint64_t> start.linux_stack), PAGE_SIZE, LINUX_PROT_READ
                       | LINUX_PROT_WRITE | LINUX_PROT_EXEC | LINUX_PROT_GROWSDOWN)
    show_command(start, proc)
    stack = build_stack(proc, <uint64_t> start.linux_stack, start.argc, start.argv, start.envc, start.envp,
                        program, &image, &interp, has_interp, start.stack_limit.rlim_cur)
    signals_start(proc, current_area(), start)
    lookup_arm(proc, current_area())
    if proc.own.fd_marked & MARK_BENEATH:
        confine_arm(current_area())
    if proc.own.capmode or proc.own.fd_marked & MARK_LIMITED:
        capsicum_arm(current_area())
    if proc.truss_fd >= 0:
        truss_start(proc, current_area())
    ktrace_start(proc, current_area())
    if proc.stats_fd >= 0:
        stats_start(proc, current_area())
    if proc.debug:
        tell_start(proc, &image, interp_path if has_interp else NULL)
    if proc.tracer:
        trace_start(current_area(), &image, &interp, has_interp, stack)
    if start.woken:
        wake_set(current_area())
    if proc.own.debugger:
        debug_started(current_area(), interp.entry if has_interp else image.entry, stack)
    enter_guest(interp.entry if has_interp else image.entry, stack)
    return 0


cdef long start_program(process_t *proc, start_t *start) noexcept nogil:
    """Open, recognise and run the program; returns only with a negative errno."""
    cdef program_t program
    cdef char found[4096]
    cdef long fd, result
    if start.target_fd >= 0:
        fd = start.target_fd
    else:
        fd = open_in_path(start, found)
        if fd < 0:
            return fd
        start.path = found
    execution_path(<int> fd, start.path, proc.execpath)
    result = program_examine(&program, fd)
    if result < 0:
        return result
    if program.kind == PROGRAM_SCRIPT:
        result = start_script(start, &program)
        if result < 0:
            return result
        execution_path(program.fd, start.path, proc.execpath)
    name_command(proc, program.fd)
    if start.linux and (program.kind == PROGRAM_LINUX or program.kind == PROGRAM_UNKNOWN):
        return start_linux(proc, start)
    if program.kind == PROGRAM_FOREIGN:
        if program.other != OTHER_NONE:
            die(EXIT_NOT_RUNNABLE, start.path, other_text(program.other))
        if program.page[4] == 1:            # ELFCLASS32
            die(EXIT_NOT_RUNNABLE, start.path, b"a 32-bit FreeBSD program (i386); LSF runs amd64 programs only")
        die(EXIT_NOT_RUNNABLE, start.path, b"a FreeBSD program for another processor than amd64, which LSF does not run")
    if program.kind == PROGRAM_LINUX:
        die(EXIT_NOT_RUNNABLE, start.path, b"not a FreeBSD program (a Linux program runs without lsf)")
    if program.kind == PROGRAM_UNKNOWN:
        return -LINUX_ENOEXEC
    return load_program(proc, start, &program)


cdef long start_linux(process_t *proc, start_t *start) noexcept nogil:
    """A program that is Linux's, or that only Linux may know, as if it had been executed in the place of the image; returns only with
    a negative errno."""
    cdef linux_rlimit limit
    stack_for_linux(proc, &limit)
    return linux_syscall3(LINUX_SYS_execve, <uint64_t> start.path, <uint64_t> start.argv, <uint64_t> start.envp)


cdef long start_script(start_t *start, program_t *program) noexcept nogil:
    """Put the interpreter of a #! script in its place: its name, its one argument, the script, the rest."""
    cdef script_t script
    cdef char **argv
    cdef uint64_t i, extra
    cdef long result = script_interpreter(program, &script)
    if result == -LINUX_ENOENT:
        complain(start.path, b": its #! interpreter ", script.interpreter, b" is not there")
        linux_syscall1(LINUX_SYS_exit_group, EXIT_NOT_FOUND)
    if result < 0 and script.nested:
        complain(start.path, b": its #! interpreter ", script.interpreter, b" is a script itself")
        linux_syscall1(LINUX_SYS_exit_group, EXIT_NOT_RUNNABLE)
    if result < 0:
        return result
    extra = 2 if script.option[0] else 1
    argv = <char **> map_memory((start.argc + 4) * 8)
    if argv == NULL:
        return -LINUX_ENOMEM
    argv[0] = script.interpreter
    argv[1] = script.option
    argv[extra] = start.path
    for i in range(1, start.argc):
        argv[extra + i] = start.argv[i]
    start.argc = extra + (start.argc if start.argc else 1)
    start.argv = strings_below(start, argv, start.argc)
    start.path = start.argv[0]
    return 0


cdef char **strings_below(start_t *start, char **argv, uint64_t count) noexcept nogil:
    """Copy the strings, in order, below the initial stack, where the guest may own them and ps finds them together."""
    cdef uint64_t i, size, total = 0, at
    for i in range(count):
        total += string_length(argv[i]) + 1
    at = (<uint64_t> start.linux_stack - total) & ~15UL
    start.linux_stack = <uint64_t *> at
    for i in range(count):
        size = string_length(argv[i]) + 1
        memcpy(<void *> at, argv[i], size)
        argv[i] = <char *> at
        at += size
    return argv


cdef public void shim_start(uint64_t *linux_stack) noexcept nogil:
    """C's first function, on the first area's stack. linux_stack: argc, argv, environment, auxiliary vector."""
    cdef process_t *proc = SHIM
    cdef area_t *area = area_at(0)
    cdef start_t start
    cdef uint64_t argc, i
    cdef char **argv = <char **> &linux_stack[1]
    cdef uint64_t *auxv
    cdef char *text
    cdef const char *execfn = NULL
    cdef uint64_t ids[4]
    cdef uint64_t flags = 0, skip = 0, moved
    cdef bint binfmt = False
    cdef long result
    if proc.own.magic == PROCESS_MAGIC:
        kill_self(area, LINUX_SIGSEGV)          # no start: the program jumped here
    argc = linux_stack[0]
    memset(&start, 0, sizeof(start_t))
    memset(ids, 0, sizeof(ids))
    start.target_fd = -1
    start.linux_stack = linux_stack
    start.envp = argv + argc + 1
    while start.envp[start.envc] != NULL:
        start.envc += 1
    atomic_store32(&lsf_hidden_low, 0xffffffffUL)
    proc.image_fd = IMAGE_UNKNOWN
    proc.truss_fd = -1
    proc.record_fd = -1
    proc.stats_fd = -1
    proc.life_fd = -1
    proc.own.osreldate = OSRELDATE_DEFAULT
    proc.own.minsigstksz = 2048
    auxv = <uint64_t *> (start.envp + start.envc + 1)
    while auxv[0] != 0:
        if auxv[0] == LINUX_AT_EXECFD:
            start.target_fd = <int> auxv[1]
            binfmt = True
        elif auxv[0] == LINUX_AT_FLAGS:
            flags = auxv[1]
        elif auxv[0] == LINUX_AT_SECURE:
            proc.own.sugid |= auxv[1] != 0
        elif LINUX_AT_UID <= auxv[0] <= LINUX_AT_EGID:
            ids[auxv[0] - LINUX_AT_UID] = auxv[1]
        elif auxv[0] == LINUX_AT_RANDOM:
            start.random = (<uint64_t *> auxv[1])[0]
        elif auxv[0] == LINUX_AT_EXECFN:
            execfn = <const char *> auxv[1]
        elif auxv[0] == LINUX_AT_SYSINFO_EHDR:
            start.vdso = auxv[1]
        elif auxv[0] == LINUX_AT_MINSIGSTKSZ:
            proc.own.minsigstksz = auxv[1]
        auxv += 2
    # P_SUGID, in whatever way the ids came to differ: exec clears it where they do not, and only there.
    proc.own.sugid |= ids[0] != ids[1] or ids[2] != ids[3]
    # Linux puts the name of the executed file last, just below the top of the stack.
    proc.stack_top = page_up(<uint64_t> (execfn if execfn != NULL else <const char *> auxv))
    moved = stack_room(proc, &start)
    if moved != 0:
        start.linux_stack = <uint64_t *> (<uint64_t> start.linux_stack + moved)
        argv = <char **> &start.linux_stack[1]
        start.envp = argv + argc + 1
        for i in range(argc):
            argv[i] += moved
        for i in range(start.envc):
            start.envp[i] += moved
    slot_at(0).mapped = 1
    area_reset(area, 0)
    area.proc = proc
    # Linux clears the state when this thread ends. The number of a first thread is the process's.
    proc.pid = <int> linux_syscall1(LINUX_SYS_set_tid_address, <uint64_t> &area.slot.state)
    area.slot.state = proc.pid
    area.tid = proc.pid
    notes_started(proc)
    pipes_at_start(proc)
    find_vdso(proc, start.vdso)
    if argc > 0 and string_equal(argv[0], b"lsf-handover"):
        if argc < 3:
            die(EXIT_LSF, b"a handover without words and path", NULL)
        parse_words(proc, &start, argv[1])
        start.path = argv[2]
        skip = 3
        if start.rules:
            skip += take_view(proc, &start, argv + 3, argc - 3)
    elif binfmt:
        # [interpreter, path, argv0 (with flag P), arguments]; without P the path is argv[0] too.
        if argc < 2:
            die(EXIT_LSF, b"started by binfmt_misc without a program", NULL)
        start.path = argv[1]
        skip = 2 if flags & 1 and argc > 2 else 1
        if proc.own.sugid:
            standard_descriptors(&start)
    else:
        skip = 1
        if argc > 3 and string_starts(argv[1], b"v=") and string_equal(argv[2], b"--"):
            parse_words(proc, &start, argv[1])          # lsf-oci's
            skip = 2
        if argc > skip and string_equal(argv[skip], b"--"):
            skip += 1
        if argc <= skip:
            die(EXIT_LSF, b"usage: lsf [--] PROGRAM [ARGUMENT...]", NULL)
        start.path = argv[skip]
        start.search = True
        if not proc.own.sugid:
            launcher_environment(proc, &start)
    start.argc = argc - skip
    start.argv = argv + skip
    stack_raise(proc, &start)
    if start.strings_fd:
        take_strings(proc, &start)
    proc.ncpu = count_cpus(proc.engine)
    hidden_descriptors(proc)
    result = start_program(proc, &start)
    if result == -LINUX_ENOENT:
        die(EXIT_NOT_FOUND, start.path, error_text(result))
    die(EXIT_NOT_RUNNABLE, start.path, error_text(result))

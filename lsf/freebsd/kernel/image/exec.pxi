# execve and fexecve: everything is checked while the caller is alive; then the shim's own image is executed, which
# takes over the target (start.pxi, handover). A Linux program is executed as it is and runs natively.

cdef enum:
    EXEC_ARGUMENTS_NEAR = 64            # so many need no memory of their own


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
    result = linux_syscall4(LINUX_SYS_faccessat2, dirfd, <uint64_t> path, LINUX_X_OK, LINUX_AT_EACCESS)
    if result == -LINUX_ENOSYS:
        result = linux_syscall3(LINUX_SYS_faccessat, dirfd, <uint64_t> path, LINUX_X_OK)
    if result < 0:
        return result
    # NONBLOCK: a FIFO must be refused, not waited for.
    result = linux_syscall4(LINUX_SYS_openat, dirfd, <uint64_t> path, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC, 0)
    if result == -LINUX_EMFILE:
        result = open_above_limit(dirfd, path)
    return -LINUX_EACCES if result == -LINUX_ENXIO or result == -LINUX_ENODEV else result


cdef long open_above_limit(int dirfd, const char *path) noexcept nogil:
    """FreeBSD's exec takes no descriptor: where the guest has used all, the limit is lifted for this one open."""
    cdef uint64_t old[2]
    cdef uint64_t more[2]
    cdef long result
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, 0, <uint64_t> old)
    more[0] = old[0] + 8
    more[1] = old[1] if old[1] > more[0] else more[0]
    result = linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, <uint64_t> more, 0)
    if is_error(result):
        return -LINUX_EMFILE
    result = linux_syscall4(LINUX_SYS_openat, dirfd, <uint64_t> path, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC, 0)
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_NOFILE, <uint64_t> old, 0)
    return result


cdef long check_loadable(program_t *program) noexcept nogil:
    """Would the next image load it? Its segments are sane and its interpreter is there: 0 or what execve says."""
    cdef uint64_t low = 0, high = 0, align = 0
    cdef char path[FREEBSD_PATH_MAX]
    cdef long result = image_bounds(program, &low, &high, &align)
    if result < 0:
        return result
    if (<Elf64_Ehdr *> program.page).e_type == ELF_ET_EXEC and (low < 0x1000 or range_is_ours(low, high - low)):
        return -LINUX_ENOEXEC
    result = program_interpreter(program, path)
    if result <= 0:
        return result
    result = open_executable(LINUX_AT_FDCWD, path)
    if result < 0:
        return result
    linux_syscall1(LINUX_SYS_close, result)
    return 0


cdef long capmode_executable(area_t *area, program_t *program) noexcept nogil:
    """In capability mode no interpreter is found: a script's is ECAPMODE (do_execve), one of a program's is looked for when the old
    image is gone, and the process ends (exec_fail). A Linux program would leave the mode."""
    cdef char path[FREEBSD_PATH_MAX]
    if program.kind == PROGRAM_SCRIPT:
        return guest_error(FREEBSD_ECAPMODE)
    if program.kind == PROGRAM_LINUX:
        return -LINUX_ENOEXEC
    if program_interpreter(program, path) > 0:
        kill_self(area, LINUX_SIGABRT)
    return 0


cdef void child_signal_reset(process_t *proc) noexcept nogil:
    """Before exec: an ignored SIGCHLD is the one ignored signal that FreeBSD does not leave so (execsigs)."""
    if proc.handlers[FREEBSD_SIGCHLD].function == FREEBSD_SIG_IGN:
        set_linux_handler(LINUX_SIGCHLD, FREEBSD_SIG_DFL, LINUX_SA_RESTORER)


cdef void child_signal_again(process_t *proc) noexcept nogil:
    """After an exec that failed."""
    if proc.handlers[FREEBSD_SIGCHLD].function == FREEBSD_SIG_IGN:
        apply_disposition(proc, FREEBSD_SIGCHLD)


cdef void keep_over_exec(process_t *proc, int target, uint64_t flag) noexcept nogil:
    """Set close-on-exec (flag 1) or clear it (0) on what a handover passes on."""
    linux_syscall3(LINUX_SYS_fcntl, target, LINUX_F_SETFD, flag)
    if proc.truss_fd >= 0 and not proc.own.truss_over:
        linux_syscall3(LINUX_SYS_fcntl, proc.truss_fd, LINUX_F_SETFD, flag)
    if proc.stats_fd >= 0:
        linux_syscall3(LINUX_SYS_fcntl, proc.stats_fd, LINUX_F_SETFD, flag)
    if proc.record_fd >= 0:
        linux_syscall3(LINUX_SYS_fcntl, proc.record_fd, LINUX_F_SETFD, flag)


cdef uint64_t area_scratch(area_t *area, uint64_t size) noexcept nogil:
    """Memory that lives as long as the area (a vfork child leaves it to the parent, which reuses or frees it)."""
    if area.scratch != 0 and area.scratch_size < size:
        linux_syscall2(LINUX_SYS_munmap, area.scratch, area.scratch_size)
        area.scratch = 0
    if area.scratch == 0:
        area.scratch_size = page_up(size)
        area.scratch = map_memory(area.scratch_size)
    return area.scratch


cdef long hand_over(area_t *area, int target, const char *execpath, uint64_t *argv, strings_t *strings,
                    bint long_one) noexcept nogil:
    """Execute the shim's image with the target. argv has handover_places(proc) free places in front of the strings'.
    long_one: they do not go as arguments."""
    cdef process_t *proc = area.proc
    cdef char words[HANDOVER_ROOM]
    cdef uint64_t none = 0, end
    cdef long result = -LINUX_E2BIG, file, rights
    if not image_needed(proc):
        return -LINUX_ENOEXEC
    rights = caps_file(proc)
    if rights < -1:
        return rights
    procdesc_before_exec(proc)
    handover_words(proc, area, target, words)
    if rights >= 0:
        append_word(words, string_length(words), HANDOVER_RIGHTS, rights)
    argv[0] = <uint64_t> <const char *> b"lsf-handover"
    argv[1] = <uint64_t> words
    argv[2] = <uint64_t> execpath
    lookup_append(argv, 3, proc)
    if proc.own.files_shared:
        # the other process may be executing a Linux program
        linux_syscall3(LINUX_SYS_fcntl, proc.image_fd, LINUX_F_SETFD, 0)
    keep_over_exec(proc, target, 0)
    truss_before_exec(area)
    debug_before_exec(area)
    if not area.in_vfork:
        tracees_async(proc, False)
    umtx_thread_exit(area)
    pipes_leave(proc, False)
    kept_before_exec(area)
    if not area.in_vfork:
        queued_block()
    proc.own.executing = 1
    child_signal_reset(proc)
    if not long_one:
        result = restartable(undeferred_syscall(LINUX_SYS_execveat, proc.image_fd, <uint64_t> <const char *> b"",
                                                <uint64_t> argv,
                                              strings.envp, 0x1000, 0))
    if result == -LINUX_E2BIG:
        file = strings_file(strings)
        result = file
        if file >= 0:
            end = append_word(words, string_length(words), HANDOVER_STRINGS, file)
            end = append_word(words, end, HANDOVER_STRINGS_ARGC, strings.argc)
            append_word(words, end, HANDOVER_STRINGS_ENVC, strings.envc)
            strings.argv[0] = 0
            linux_syscall3(LINUX_SYS_fcntl, file, LINUX_F_SETFD, 0)           # F_SETFD
            result = restartable(undeferred_syscall(LINUX_SYS_execveat, proc.image_fd, <uint64_t> <const char *> b"",
                                                  <uint64_t> argv, <uint64_t> &none, 0x1000, 0))
            linux_syscall1(LINUX_SYS_close, file)
    if rights >= 0:
        linux_syscall1(LINUX_SYS_close, rights)
    proc.own.executing = 0
    child_signal_again(proc)
    keep_over_exec(proc, target, 1)
    debug_exec_failed(area)
    if not area.in_vfork:
        tracees_async(proc, True)
    set_linux_mask(area)
    return result


cdef long execute(area_t *area, int fd, const char *path, const char *name, uaddr argv, strings_t *strings) noexcept nogil:
    """Replace the process by the opened program `fd`, found at `path`; consumes fd when it fails. name: what the interpreter
    of a script is to open. strings: counted."""
    cdef process_t *proc = area.proc
    cdef program_t program
    cdef script_t script
    cdef char execpath[4096]
    cdef uint64_t near_[EXEC_ARGUMENTS_NEAR]
    cdef uint64_t *list_ = near_
    cdef bint long_one = False
    cdef long result
    cdef uint64_t extra = 0, argc = strings.argc, front = handover_places(proc)
    result = program_examine(&program, fd)
    if result == 0 and proc.own.capmode:
        result = capmode_executable(area, &program)
    if result == 0 and program.kind == PROGRAM_SCRIPT:
        result = script_interpreter(&program, &script)
        extra = 2 if script.option[0] else 1
    fd = program.fd
    if result == 0:
        if program.kind == PROGRAM_FREEBSD:
            result = check_loadable(&program)
        elif program.kind != PROGRAM_LINUX:
            result = -LINUX_ENOEXEC
    if result < 0:
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    if front + extra + argc + 1 > EXEC_ARGUMENTS_NEAR:
        list_ = <uint64_t *> area_scratch(area, (front + extra + argc + 1) * 8)
    if list_ == NULL:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_ENOMEM
    if copyin(argv, &list_[front + extra], (argc + 1) * 8) < 0:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_EFAULT
    list_[front + extra + argc] = 0
    if extra != 0:
        list_[front] = <uint64_t> script.interpreter
        list_[front + extra] = <uint64_t> name
        if extra == 2:
            list_[front + 1] = <uint64_t> script.option
        path = script.interpreter
    if program.kind == PROGRAM_LINUX:
        result = execute_linux(area, path, &list_[front], strings.envp)
    else:
        execution_path(fd, path, execpath)
        strings.argv = &list_[front]
        strings.argc = extra + argc
        result = strings_size(strings, &long_one)
        if result >= 0:
            result = hand_over(area, fd, execpath, list_, strings, long_one)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef long execute_linux(area_t *area, const char *path, uint64_t *argv, uaddr envv) noexcept nogil:
    """A Linux program runs natively: Linux's exec ends the dispatch. The mask and the ignored signals that the shim
    keeps virtual become real for it. The engine `trap` cannot do it: its filter outlives exec and would kill."""
    cdef uint64_t none = 0, virtual_mask, old = 0
    cdef uint64_t envp = envv if envv != 0 else <uint64_t> &none
    cdef char host[LOOKUP_PATH]
    cdef linux_rlimit stack_limit
    cdef long result
    if area.proc.engine == ENGINE_TRAP:
        return -LINUX_ENOEXEC
    if area.proc.lookup != NULL and lookup_path(area.proc, LINUX_AT_FDCWD, <uint64_t> path, True, host) > 0:
        path = host
    procdesc_before_exec(area.proc)
    virtual_mask = linux_virtual_mask(area)
    if virtual_mask:
        linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_BLOCK, <uint64_t> &virtual_mask, <uint64_t> &old, 8)
    if area.proc.image_fd >= 0:
        linux_syscall3(LINUX_SYS_fcntl, area.proc.image_fd, LINUX_F_SETFD, LINUX_FD_CLOEXEC)
    truss_before_exec(area)
    umtx_thread_exit(area)
    pipes_leave(area.proc, False)
    stats_uncount(area.proc)
    stack_for_linux(area.proc, &stack_limit)
    area.proc.own.executing = 1
    child_signal_reset(area.proc)
    notes_executes_linux(area.proc)
    tracees_async(area.proc, False)
    if not area.in_vfork:
        guest_mark_clear()
    queued_give_up(area.proc)
    result = restartable(undeferred_syscall(LINUX_SYS_execve, <uint64_t> path, <uint64_t> argv, envp, 0, 0, 0))
    area.proc.own.executing = 0
    child_signal_again(area.proc)
    queued_again(area.proc)
    if not area.in_vfork:
        guest_mark_set()
    stack_for_guest(area.proc, &stack_limit)
    stats_count(area.proc)
    if area.proc.image_fd >= 0:
        linux_syscall3(LINUX_SYS_fcntl, area.proc.image_fd, LINUX_F_SETFD, 0)
    if virtual_mask:
        linux_syscall4(LINUX_SYS_rt_sigprocmask, LINUX_SIG_UNBLOCK, <uint64_t> &virtual_mask, 0, 8)
    return result


cdef void execution_path(int fd, const char *path, char *execpath) noexcept nogil:
    """What AT_EXECPATH says of an opened program: an absolute name as it was given, of another one the file's own, resolved
    (do_execve in sys/kern/kern_exec.c); without /proc the name in the current directory."""
    cdef long got = -LINUX_ENOENT
    if path[0] != c'/':
        got = descriptor_name(fd, execpath, 4096)
    if is_error(got) or execpath[0] != c'/':
        absolute_path(path, execpath)
        return
    lookup_guest(SHIM, execpath, 4096)


cdef void absolute_path(const char *path, char *absolute) noexcept nogil:
    """`path` as an absolute one (4096 bytes), against the current directory, not resolved."""
    cdef uint64_t at = 0
    cdef long got
    if path[0] != c'/':
        got = linux_syscall2(LINUX_SYS_getcwd, <uint64_t> absolute, 2048)
        if not is_error(got) and absolute[0] == c'/':
            lookup_guest(SHIM, absolute, 2048)
            at = string_length(absolute)
            if at > 1:
                at = append(absolute, at, 4096, b"/")
        while string_starts(path, b"./"):
            path += 2
    append(absolute, at, 4096, path)


cdef public long sys_execve(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[FREEBSD_PATH_MAX]
    cdef strings_t strings
    cdef long result
    if frame.arg[1] == 0:
        return -LINUX_EFAULT
    result = copyinstr(frame.arg[0], path, FREEBSD_PATH_MAX, NULL)
    if result == -LINUX_ENAMETOOLONG and area.proc.own.osreldate >= FREEBSD_SINCE_SCRIPT_TOO_LONG:
        return -LINUX_E2BIG               # exec_args_add_fname in sys/kern/kern_exec.c: it is a string as the arguments are
    if result == 0:
        result = count_strings(&strings, frame.arg[1], frame.arg[2])
    if result < 0:
        return result
    if path[0] == 0:
        return -LINUX_ENOENT
    result = open_executable(LINUX_AT_FDCWD, path)
    if result < 0:
        return result
    return execute(area, <int> result, path, path, frame.arg[1], &strings)


cdef long descriptor_executable(int fd) noexcept nogil:
    """May fexecve take a descriptor? 0 or a negative errno: one that writes is no program's, and the file says who may
    execute it (fgetvp_exec in sys/kern/kern_descrip.c, exec_check_permissions in kern_exec.c)."""
    cdef linux_stat info
    cdef long result = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL)         # F_GETFL
    if is_error(result):
        return result
    if not result & LINUX_O_PATH and result & 3:
        return -LINUX_EBADF
    result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &info)
    if is_error(result):
        return result
    if (info.st_mode & LINUX_S_IFMT) == LINUX_S_IFSOCK or (info.st_mode & LINUX_S_IFMT) == 0:
        return -LINUX_EINVAL              # a socket, or nothing that has a name
    if (info.st_mode & LINUX_S_IFMT) != LINUX_S_IFREG:
        return -LINUX_EACCES
    # X_OK; AT_EACCESS | AT_EMPTY_PATH
    result = linux_syscall4(LINUX_SYS_faccessat2, fd, <uint64_t> <const char *> b"", LINUX_X_OK,
                            LINUX_AT_EACCESS | LINUX_AT_EMPTY_PATH)
    if result == -LINUX_ENOSYS or result == -LINUX_EINVAL:
        result = 0 if info.st_mode & 0o111 else -LINUX_EACCES
    return result


cdef public long sys_fexecve(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[4096]
    cdef char link[40]
    cdef char name[32]
    cdef strings_t strings
    cdef uint64_t at
    cdef long got, fd = count_strings(&strings, frame.arg[1], frame.arg[2])
    if fd < 0:
        return fd
    descriptor_path(<int> frame.arg[0], link)
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    fd = descriptor_executable(<int> frame.arg[0])
    if fd < 0:
        return fd
    # A descriptor opened with O_EXEC cannot be read: opening it anew gives one that can.
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link, LINUX_O_CLOEXEC, 0)
    if fd == -LINUX_ENOENT:
        fd = linux_syscall3(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_DUPFD_CLOEXEC, 3)
    if is_error(fd):
        return fd
    got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> link, <uint64_t> path, 4095)
    path[got if not is_error(got) else 0] = 0
    lookup_guest(area.proc, path, 4096)
    at = append(name, 0, 32, b"/dev/fd/")
    append_number(name, at, 32, <uint32_t> frame.arg[0], 10)
    return execute(area, <int> fd, path, name, frame.arg[1], &strings)

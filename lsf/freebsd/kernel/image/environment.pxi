# The variables by which the image is told what its launcher tells by words, where it is a command of its own.

cdef int switch_of(const char *text, const char *wrong) noexcept nogil:
    """What a variable that is a switch says: 1 on, 0 off, -1 where it is not set or empty. Another thing ends with the
    message `wrong`; without one it is 2."""
    if text == NULL or text[0] == 0:
        return -1
    if string_equal(text, b"1") or string_equal(text, b"yes") or string_equal(text, b"on") or string_equal(text, b"true"):
        return 1
    if string_equal(text, b"0") or string_equal(text, b"no") or string_equal(text, b"off") or string_equal(text, b"false"):
        return 0
    if wrong != NULL:
        die(EXIT_LSF, wrong, text)
    return 2


cdef long open_output(const char *path) noexcept nogil:
    """The file that truss or ktrace writes to."""
    return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, LINUX_O_WRONLY
                          | LINUX_O_CREAT | LINUX_O_TRUNC | LINUX_O_APPEND | LINUX_O_CLOEXEC, 0o644)


cdef void launcher_environment(process_t *proc, start_t *start) noexcept nogil:
    """The environment twins that the image honours when it is a command of its own."""
    cdef char *text = environment(start.envp, b"LSF_ENGINE")
    cdef long result
    if text != NULL:
        if string_equal(text, b"sud"):
            proc.engine = ENGINE_SUD
        elif string_equal(text, b"trap"):
            proc.engine = ENGINE_TRAP
        elif string_equal(text, b"auto") or text[0] == 0:
            proc.engine = ENGINE_AUTO
        else:
            die(EXIT_LSF, b"LSF_ENGINE must be auto, sud or trap here", text)
    text = environment(start.envp, b"LSF_OSRELEASE")
    if text != NULL and text[0] != 0:
        proc.own.osreldate = release_number(text)
        proc.own.osreldate_given = 1
        if proc.own.osreldate == 0:
            die(EXIT_LSF, b"LSF_OSRELEASE must be as 14.1-RELEASE, 14.1 or 1401000", text)
    proc.no_patch = switch_of(environment(start.envp, b"LSF_PATCH"), b"LSF_PATCH must be 1 or 0") == 0
    proc.debug = switch_of(environment(start.envp, b"LSF_DEBUG"), b"LSF_DEBUG must be 1 or 0") == 1
    text = environment(start.envp, b"LSF_TRUSS")
    if text != NULL and text[0] != 0 and switch_of(text, NULL) != 0:
        if switch_of(text, NULL) == 1:
            result = linux_syscall3(LINUX_SYS_fcntl, 2, LINUX_F_DUPFD_CLOEXEC, 0)
        else:
            result = open_output(text)
        if is_error(result):
            die(EXIT_LSF, b"LSF_TRUSS: cannot be written to", text)
        proc.truss_fd = <int> result
    text = environment(start.envp, b"LSF_KTRACE")
    if text != NULL and text[0] != 0:
        result = open_output(text)
        if is_error(result):
            die(EXIT_LSF, b"LSF_KTRACE: cannot be written to", text)
        ktrace_all(proc, <int> result)

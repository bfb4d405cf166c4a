# Scripts: the line that names the interpreter, for execve(2) and for a start. Model: FreeBSD sys/kern/imgact_shell.c.

cdef enum:
    SCRIPT_LINE = 4096                  # MAXSHELLCMDLEN

# What the first line of a #! script says.
cdef struct script_t:
    char interpreter[FREEBSD_PATH_MAX]
    char option[SCRIPT_LINE]    # what follows the interpreter, as one argument; empty: nothing does
    bint nested                 # the interpreter is a script itself


cdef long script_line(program_t *program, script_t *script) noexcept nogil:
    """Split a #! line as exec_shell_imgact does (sys/kern/imgact_shell.c): 0, -ENAMETOOLONG, or -ENOEXEC for a line that
    names nothing or does not end in the file's first page."""
    cdef unsigned char *page = program.page
    cdef uint64_t at = 2, start, size, end = program.got
    script.option[0] = 0
    while at < end and (page[at] == c' ' or page[at] == c'\t'):
        at += 1
    start = at
    while at < end and page[at] != c' ' and page[at] != c'\t' and page[at] != c'\n' and page[at] != 0:
        at += 1
    size = at - start
    if size == 0:
        return -LINUX_ENOEXEC
    if size >= FREEBSD_PATH_MAX:
        return -LINUX_ENAMETOOLONG
    memcpy(script.interpreter, &page[start], size)
    script.interpreter[size] = 0
    while at < end and (page[at] == c' ' or page[at] == c'\t'):
        at += 1
    start = at
    while at < end and page[at] != c'\n' and page[at] != 0:
        at += 1
    if at == end:
        return -LINUX_ENOEXEC
    while at > start and (page[at - 1] == c' ' or page[at - 1] == c'\t'):
        at -= 1
    memcpy(script.option, &page[start], at - start)
    script.option[at - start] = 0
    return 0


cdef long script_interpreter(program_t *program, script_t *script) noexcept nogil:
    """Put the interpreter of an opened script in its place, opened and examined: 0 or a negative errno. It may not be a
    script again. program.fd stays the caller's to close in any case; -1 where nothing is open."""
    cdef long result = script_line(program, script)
    script.nested = False
    if result < 0:
        return result
    linux_syscall1(LINUX_SYS_close, program.fd)
    program.fd = -1
    result = open_executable(LINUX_AT_FDCWD, script.interpreter)
    if result < 0:
        return result
    result = program_examine(program, <int> result)
    script.nested = result == 0 and program.kind == PROGRAM_SCRIPT
    return -LINUX_ENOEXEC if script.nested else result

# The arguments and the environment that a program is to get by execve(2).
# Model: FreeBSD sys/kern/kern_exec.c (exec_args_add_str).

cdef enum:
    EXEC_ARGUMENTS_MAX = 1 << 20        # entries in argv and in the environment, each
    STRING_PIECE = 512


cdef long count_pointers(uaddr list_) noexcept nogil:
    """How many entries a NULL-terminated guest array has, or -EFAULT, -E2BIG."""
    cdef uint64_t n = 0, value = 0
    while n < EXEC_ARGUMENTS_MAX:
        if fetch_guest64(list_ + 8 * n, &value) < 0:
            return -LINUX_EFAULT
        if value == 0:
            return n
        n += 1
    return -LINUX_E2BIG


# The strings that a program is to get, argv's and then the environment's.
cdef struct strings_t:
    uint64_t *argv
    uint64_t argc
    uaddr envp
    uint64_t envc


cdef long strings_string(strings_t *strings, uint64_t i, uaddr *at) noexcept nogil:
    """The address of string number i: 0 or -EFAULT."""
    if i < strings.argc:
        at[0] = strings.argv[i]
        return 0
    return fetch_guest64(strings.envp + 8 * (i - strings.argc), at)


cdef long strings_size(strings_t *strings, bint *long_one) noexcept nogil:
    """How many bytes they have together, or -EFAULT, or -E2BIG for more than ARG_MAX (exec_args_add_str in
    sys/kern/kern_exec.c). long_one: one of them is more than Linux takes."""
    cdef char piece[STRING_PIECE]
    cdef uint64_t i, total = 0, start
    cdef uaddr at = 0
    cdef long got = 0
    long_one[0] = False
    for i in range(strings.argc + strings.envc):
        if strings_string(strings, i, &at) < 0:
            return -LINUX_EFAULT
        start = total
        got = 0
        while got == 0:
            got = copy_guest_string(piece, <void *> at, STRING_PIECE)
            if got < 0:
                return -LINUX_EFAULT
            total += <uint64_t> got if got else STRING_PIECE
            at += STRING_PIECE
            if total > FREEBSD_ARG_MAX:
                return -LINUX_E2BIG
        if total - start > LINUX_ARG_STRLEN:
            long_one[0] = True
    return <long> total


cdef long strings_file(strings_t *strings) noexcept nogil:
    """A memfd with all of them, one behind the other, for what Linux does not take as arguments; or a negative errno."""
    cdef linux_rlimit limit
    cdef uint64_t i, used = 0, length = 0
    cdef uaddr at = 0
    cdef long fd, memory, result = 0
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_FSIZE, 0, <uint64_t> &limit)
    if limit.rlim_cur < FREEBSD_ARG_MAX:
        return -LINUX_E2BIG                   # a memfd counts as a file: making it larger would raise SIGXFSZ
    # MFD_CLOEXEC
    fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf-arguments", LINUX_MFD_CLOEXEC)
    if is_error(fd):
        return -LINUX_E2BIG
    memory = linux_syscall2(LINUX_SYS_ftruncate, fd, FREEBSD_ARG_MAX)
    if not is_error(memory):
        # MAP_SHARED
        memory = linux_syscall6(LINUX_SYS_mmap, 0, FREEBSD_ARG_MAX, LINUX_PROT_READ | LINUX_PROT_WRITE,
                                LINUX_MAP_SHARED, fd, 0)
    if is_error(memory):
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_ENOMEM
    for i in range(strings.argc + strings.envc):
        result = strings_string(strings, i, &at)
        if result == 0:
            result = copyinstr(at, <char *> (<uint64_t> memory + used), FREEBSD_ARG_MAX - used, &length)
        if result < 0:
            break
        used += length
    linux_syscall2(LINUX_SYS_munmap, memory, FREEBSD_ARG_MAX)
    if result < 0:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_E2BIG if result == -LINUX_ENAMETOOLONG else result
    linux_syscall2(LINUX_SYS_ftruncate, fd, used)
    return fd


cdef long count_strings(strings_t *strings, uaddr argv, uaddr envp) noexcept nogil:
    """Look at the lists, which FreeBSD does before it looks for the program: 0, -EFAULT, -E2BIG or, for no argument at all,
    -EINVAL."""
    cdef long count
    if argv == 0:
        return -LINUX_EFAULT
    count = count_pointers(argv)
    if count < 0:
        return count
    strings.argc = count
    strings.envp = envp
    strings.envc = 0
    if envp != 0:
        count = count_pointers(envp)
        if count < 0:
            return count
        strings.envc = count
    return 0 if strings.argc else -LINUX_EINVAL

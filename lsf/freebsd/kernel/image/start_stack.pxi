# The main stack of a program that begins: room, limit and guard (memory/stack.pxi).

cdef enum:
    STACK_ATTEMPTS = 8
    # Far below what Linux gives out first and far above the shim: where a stack goes that has no room.
    STACK_ELSEWHERE = 0x720000000000UL


cdef uint64_t stack_room(process_t *proc, start_t *start) noexcept nogil:
    """Have room to grow below the stack that Linux made: 0, or by how much it was moved, which must be added to every
    address in it. The limit found is kept in `start`."""
    cdef uint64_t bottom = page_down(<uint64_t> start.linux_stack), room = FREEBSD_MAXSSIZ, top, size
    cdef uint64_t random = start.random >> 28       # the bits that the place of a program does not tell (load_program)
    cdef int attempt
    start.stack_limit.rlim_cur = LINUX_STACK_DEFAULT
    start.stack_limit.rlim_max = LINUX_STACK_DEFAULT
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_STACK, 0, <uint64_t> &start.stack_limit)
    if start.stack_limit.rlim_max < room:
        room = page_down(start.stack_limit.rlim_max)
    proc.stack_low = proc.stack_top - FREEBSD_MAXSSIZ
    # What Linux maps by itself begins with the vDSO: the room ends there, unless that lies above the stack.
    if (start.stack_limit.rlim_cur >= room or start.vdso == 0 or start.vdso > bottom
            or start.vdso + STACK_MARGIN <= proc.stack_top - room):
        return 0
    size = proc.stack_top - bottom
    for attempt in range(STACK_ATTEMPTS):
        top = STACK_ELSEWHERE + (random & 0x3fffff) * PAGE_SIZE
        random >>= 2
        if not range_is_free(top - room, room):
            continue
        # MAYMOVE | FIXED
        if is_error(linux_syscall5(LINUX_SYS_mremap, bottom, size, size, LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED,
                                   top - size)):
            break
        linux_syscall2(LINUX_SYS_munmap, bottom - STACK_MARGIN, STACK_MARGIN)
        size = top - proc.stack_top
        proc.stack_top = top
        proc.stack_low = top - FREEBSD_MAXSSIZ
        return size
    return 0                        # it grows as far as it can


cdef void stack_raise(process_t *proc, start_t *start) noexcept nogil:
    """Give a program that Linux started FreeBSD's limit where nobody has chosen another one."""
    cdef linux_rlimit wanted = start.stack_limit
    if start.executed or wanted.rlim_cur != LINUX_STACK_DEFAULT and wanted.rlim_cur <= FREEBSD_MAXSSIZ:
        return
    wanted.rlim_cur = wanted.rlim_max if wanted.rlim_max < FREEBSD_MAXSSIZ else FREEBSD_MAXSSIZ
    stack_set(proc, start, wanted.rlim_cur)


cdef void stack_set(process_t *proc, start_t *start, uint64_t size) noexcept nogil:
    """Another soft limit, which Linux programs do not get."""
    cdef linux_rlimit wanted
    wanted.rlim_cur = size
    wanted.rlim_max = start.stack_limit.rlim_max
    if size == start.stack_limit.rlim_cur or is_error(
            linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_STACK, <uint64_t> &wanted, 0)):
        return
    if proc.own.stack_linux == 0:
        proc.own.stack_linux = start.stack_limit.rlim_cur
    start.stack_limit.rlim_cur = size


cdef long stack_of_image(process_t *proc, start_t *start, uint64_t size) noexcept nogil:
    """Make the stack as large as the program's PT_GNU_STACK asks for (`size` bytes; 0: it does not), the lowest page of it
    the guard: 0, or -ENOMEM where that has no room for what is on it already."""
    cdef uint64_t used = proc.stack_top - <uint64_t> start.linux_stack + (start.argc + start.envc) * 8 + 2 * PAGE_SIZE
    cdef long flags = LINUX_MAP_FIXED_NOREPLACE
    if size != 0:
        size = page_down(size)
        if size > start.stack_limit.rlim_max:
            size = page_down(start.stack_limit.rlim_max)
        if size > FREEBSD_MAXSSIZ:
            size = FREEBSD_MAXSSIZ
        if size > start.stack_limit.rlim_cur:
            stack_set(proc, start, size)
        if size < used + PAGE_SIZE:
            return -LINUX_ENOMEM
        proc.stack_low = proc.stack_top - size
        if size < STACK_MARGIN:
            # Linux's new stack reaches below it.
            linux_syscall2(LINUX_SYS_munmap, proc.stack_low - STACK_MARGIN, STACK_MARGIN)
            flags = LINUX_MAP_FIXED
    elif start.stack_limit.rlim_max < FREEBSD_MAXSSIZ:
        return 0                    # the limit comes first
    # Where something is there already it is as good as a guard.
    linux_syscall6(LINUX_SYS_mmap, proc.stack_low, PAGE_SIZE, LINUX_PROT_NONE, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS
                   | LINUX_MAP_NORESERVE
                   | flags, <uint64_t> -1, 0)
    return 0

# RFNOWAIT: a child that is the reaper's from its first moment, init's where nobody else is one.
# Model: FreeBSD sys/kern/kern_fork.c (do_fork).

cdef enum:
    ORPHAN = 1UL << 40              # beside clone's flags, of which none is so high


cdef long clone_process(area_t *area, uint64_t flags) noexcept nogil:
    """clone: the child finds its number in the slot of its area."""
    return linux_syscall5(LINUX_SYS_clone, flags | LINUX_CLONE_CHILD_SETTID | LINUX_CLONE_CHILD_CLEARTID, 0, 0, <uint64_t> &area.slot.state, 0)


cdef long orphan_born(area_t *area, uint64_t flags, int64_t *born) noexcept nogil:
    """In the process in between: make the child, which comes back from here, with 0, when it is the reaper's."""
    cdef long between = linux_syscall0(LINUX_SYS_getpid), result = clone_process(area, flags)
    if result != 0:
        born[0] = result
        linux_syscall1(LINUX_SYS_exit_group, 0)
    while linux_syscall0(LINUX_SYS_getppid) == between:
        linux_syscall0(LINUX_SYS_sched_yield)
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> born, PAGE_SIZE)
    return 0


cdef long clone_orphan(area_t *area, uint64_t flags) noexcept nogil:
    """clone_process by a process in between, which makes the child and ends: only so Linux gives one to the reaper. The one in
    between raises no signal at its end, and is waited for here."""
    cdef long result
    cdef int64_t *born = <int64_t *> linux_syscall6(LINUX_SYS_mmap, 0, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                                                    LINUX_MAP_SHARED | LINUX_MAP_ANONYMOUS, <uint64_t> -1, 0)
    if is_error(<long> born):
        return -LINUX_EAGAIN
    result = linux_syscall5(LINUX_SYS_clone, flags & LINUX_CLONE_FILES, 0, 0, 0, 0)
    if result == 0:
        return orphan_born(area, flags, born)
    if not is_error(result):
        while linux_syscall4(LINUX_SYS_wait4, result, 0, LINUX___WALL, 0) == -LINUX_EINTR:
            pass
        result = born[0] if born[0] != 0 else -LINUX_EAGAIN     # 0: it was killed before
    linux_syscall2(LINUX_SYS_munmap, <uint64_t> born, PAGE_SIZE)
    return result

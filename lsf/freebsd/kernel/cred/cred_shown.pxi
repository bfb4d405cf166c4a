# The ids that a process shows. They are Linux's, but for --fakeroot, whose user namespace has root alone: who becomes somebody
# else there stays root to Linux, and is shown as what it asked for, over exec too (handover.pxi). Programs that give their
# rights up look afterwards whether they have (pkg(8) processes nothing fetched as root). Model: fakeroot(1).

cdef struct ids_t:
    uint32_t real, effective, saved


cdef inline void linux_user_ids(ids_t *ids) noexcept nogil:
    linux_syscall3(LINUX_SYS_getresuid, <uint64_t> &ids.real, <uint64_t> &ids.effective, <uint64_t> &ids.saved)


cdef inline void linux_group_ids(ids_t *ids) noexcept nogil:
    linux_syscall3(LINUX_SYS_getresgid, <uint64_t> &ids.real, <uint64_t> &ids.effective, <uint64_t> &ids.saved)


cdef inline void user_ids(process_t *proc, ids_t *ids) noexcept nogil:
    if proc.own.users_shown:
        memcpy(ids, proc.own.users, sizeof(ids_t))
    else:
        linux_user_ids(ids)


cdef inline void group_ids(process_t *proc, ids_t *ids) noexcept nogil:
    if proc.own.groups_shown:
        memcpy(ids, proc.own.groups, sizeof(ids_t))
    else:
        linux_group_ids(ids)


cdef inline uint32_t effective_user(process_t *proc) noexcept nogil:
    return proc.own.users[1] if proc.own.users_shown else <uint32_t> linux_syscall0(LINUX_SYS_geteuid)


cdef inline uint32_t effective_group(process_t *proc) noexcept nogil:
    return proc.own.groups[1] if proc.own.groups_shown else <uint32_t> linux_syscall0(LINUX_SYS_getegid)


cdef void show_ids(process_t *proc, long call, const ids_t *ids) noexcept nogil:
    """Show ids that Linux refused to SYS_setresuid or SYS_setresgid; NULL: Linux's own again."""
    if call == LINUX_SYS_setresuid:
        proc.own.users_shown = ids != NULL
        if ids != NULL:
            memcpy(proc.own.users, ids, sizeof(ids_t))
    else:
        proc.own.groups_shown = ids != NULL
        if ids != NULL:
            memcpy(proc.own.groups, ids, sizeof(ids_t))


cdef inline uint64_t ids_word(const uint32_t *ids) noexcept nogil:
    """What a handover says of shown ids: the real and the effective one, which exec makes the saved one."""
    return ids[0] | (<uint64_t> ids[1] << 32)


cdef inline void take_ids(long call, process_t *proc, uint64_t word) noexcept nogil:
    """Show the ids of a handover."""
    cdef ids_t ids
    ids.real = <uint32_t> word
    ids.effective = <uint32_t> (word >> 32)
    ids.saved = ids.effective
    show_ids(proc, call, &ids)


cdef public long sys_getuid(frame_t *frame, area_t *area) noexcept nogil:
    return area.proc.own.users[0] if area.proc.own.users_shown else tail_syscall2(area, LINUX_SYS_getuid, 0, 0)


cdef public long sys_geteuid(frame_t *frame, area_t *area) noexcept nogil:
    return area.proc.own.users[1] if area.proc.own.users_shown else tail_syscall2(area, LINUX_SYS_geteuid, 0, 0)


cdef public long sys_getgid(frame_t *frame, area_t *area) noexcept nogil:
    return area.proc.own.groups[0] if area.proc.own.groups_shown else tail_syscall2(area, LINUX_SYS_getgid, 0, 0)


cdef public long sys_getegid(frame_t *frame, area_t *area) noexcept nogil:
    return area.proc.own.groups[1] if area.proc.own.groups_shown else tail_syscall2(area, LINUX_SYS_getegid, 0, 0)

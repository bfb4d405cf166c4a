# Users, groups and login names.
# Model: FreeBSD sys/kern/kern_prot.c, kern_loginclass.c.
#
# Linux keeps ids by thread: what changes them lets the others follow (cred_threads.pxi).

cdef enum:
    ID_KEPT = 0xffffffff                # -1: leave this id as it is

    TRUSTED_UNKNOWN = 0                 # own.trusted: whether this process has been root
    TRUSTED_NO = 1
    TRUSTED_YES = 2


cdef inline bint has_been_root() noexcept nogil:
    """Asked where attributes of root's are looked for, and before a change of ids."""
    if SHIM.own.trusted == TRUSTED_UNKNOWN:
        SHIM.own.trusted = TRUSTED_NO if linux_syscall0(LINUX_SYS_geteuid) else TRUSTED_YES
    return SHIM.own.trusted == TRUSTED_YES


cdef long taint(area_t *area, long result) noexcept nogil:
    """The result of a change of ids; one that succeeded is made known to the other threads, and marks the process
    (P_SUGID). Linux's EINVAL is of an id that the user namespace does not map: to FreeBSD's programs it is one that they may
    not have. --fakeroot accepts what Linux refuses."""
    if result == -LINUX_EINVAL:
        result = -LINUX_EPERM
    if area.proc.own.fakeroot and result == -LINUX_EPERM:
        return 0
    if not is_error(result):
        area.proc.own.sugid = 1
        ids_spread(area)
    return result


cdef long give_ids(area_t *area, long call, const ids_t *wanted) noexcept nogil:
    """Give the process three ids, by Linux or, with --fakeroot, to be shown."""
    cdef long result
    has_been_root()
    result = linux_syscall3(call, wanted.real, wanted.effective, wanted.saved)
    if area.proc.own.fakeroot:
        if result == -LINUX_EPERM or result == -LINUX_EINVAL:
            show_ids(area.proc, call, wanted)
            area.proc.own.sugid = 1
            return 0
        if not is_error(result):
            show_ids(area.proc, call, NULL)
    return taint(area, result)


cdef inline bint is_one_of(uint32_t id_, const ids_t *ids) noexcept nogil:
    return id_ == ids.real or id_ == ids.effective or id_ == ids.saved


cdef long change_ids(area_t *area, long call, const ids_t *now, const ids_t *wanted, bint allowed) noexcept nogil:
    """Give the process three ids by SYS_setresuid or SYS_setresgid; allowed: its own ids let it, without being root.
    What changes nothing does not taint."""
    if not allowed and effective_user(area.proc) != 0:
        return -LINUX_EPERM
    if wanted.real == now.real and wanted.effective == now.effective and wanted.saved == now.saved:
        return 0
    if wanted.real == ID_KEPT or wanted.effective == ID_KEPT or wanted.saved == ID_KEPT:
        return -LINUX_EINVAL                  # of setuid(-1) and its like: an id to FreeBSD, and none to Linux
    return give_ids(area, call, wanted)


cdef inline void keep_or_take(uint64_t argument, uint32_t kept, uint32_t *wanted) noexcept nogil:
    """An id that is given, or the one that -1 leaves as it is."""
    wanted[0] = kept if <uint32_t> argument == ID_KEPT else <uint32_t> argument


cdef long change_all(area_t *area, long call, const ids_t *now, uint32_t id_) noexcept nogil:
    """setuid(2), setgid(2): all three ids, wherever it is permitted. It is to root, and to others for their real and effective
    id, the saved one is none of those (kern_prot.c, "we really do not want to set _POSIX_SAVED_IDS")."""
    cdef ids_t wanted
    wanted.real = id_
    wanted.effective = id_
    wanted.saved = id_
    return change_ids(area, call, now, &wanted, id_ == now.real or id_ == now.effective)


cdef long change_effective(area_t *area, long call, const ids_t *now, uint32_t id_) noexcept nogil:
    """seteuid(2), setegid(2)."""
    cdef ids_t wanted = now[0]
    wanted.effective = id_
    return change_ids(area, call, now, &wanted, id_ == now.real or id_ == now.saved)


cdef long change_two(area_t *area, long call, const ids_t *now, uint64_t real, uint64_t effective) noexcept nogil:
    """setreuid(2), setregid(2): the saved id follows the effective one where the real one is given or differs from it."""
    cdef ids_t wanted
    cdef bint allowed
    keep_or_take(real, now.real, &wanted.real)
    keep_or_take(effective, now.effective, &wanted.effective)
    wanted.saved = now.saved
    if <uint32_t> real != ID_KEPT or wanted.effective != wanted.real:
        wanted.saved = wanted.effective
    allowed = ((wanted.real == now.real or wanted.real == now.saved) and is_one_of(wanted.effective, now))
    return change_ids(area, call, now, &wanted, allowed)


cdef long change_three(area_t *area, long call, const ids_t *now, const uint64_t *argument) noexcept nogil:
    """setresuid(2), setresgid(2)."""
    cdef ids_t wanted
    keep_or_take(argument[0], now.real, &wanted.real)
    keep_or_take(argument[1], now.effective, &wanted.effective)
    keep_or_take(argument[2], now.saved, &wanted.saved)
    return change_ids(area, call, now, &wanted, is_one_of(wanted.real, now) and is_one_of(wanted.effective, now)
                      and is_one_of(wanted.saved, now))


cdef public long sys_issetugid(frame_t *frame, area_t *area) noexcept nogil:
    """Whether the ids were changed since the program was executed, or are not its caller's: Linux starts set-uid programs
    so where binfmt_misc has the flag C (docs/user/binfmt.md)."""
    return area.proc.own.sugid


cdef public long sys_setuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    user_ids(area.proc, &now)
    return change_all(area, LINUX_SYS_setresuid, &now, <uint32_t> frame.arg[0])


cdef public long sys_seteuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    user_ids(area.proc, &now)
    return change_effective(area, LINUX_SYS_setresuid, &now, <uint32_t> frame.arg[0])


cdef public long sys_setreuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    user_ids(area.proc, &now)
    return change_two(area, LINUX_SYS_setresuid, &now, frame.arg[0], frame.arg[1])


cdef public long sys_setresuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    user_ids(area.proc, &now)
    return change_three(area, LINUX_SYS_setresuid, &now, frame.arg)


cdef public long sys_setgid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    group_ids(area.proc, &now)
    return change_all(area, LINUX_SYS_setresgid, &now, <uint32_t> frame.arg[0])


cdef public long sys_setegid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    group_ids(area.proc, &now)
    return change_effective(area, LINUX_SYS_setresgid, &now, <uint32_t> frame.arg[0])


cdef public long sys_setregid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    group_ids(area.proc, &now)
    return change_two(area, LINUX_SYS_setresgid, &now, frame.arg[0], frame.arg[1])


cdef public long sys_setresgid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t now
    group_ids(area.proc, &now)
    return change_three(area, LINUX_SYS_setresgid, &now, frame.arg)


cdef long store_ids(frame_t *frame, ids_t *ids) noexcept nogil:
    """Real, effective and saved id to three addresses, of which any may be null."""
    if frame.arg[0] != 0 and store_guest32(frame.arg[0], ids.real) < 0:
        return -LINUX_EFAULT
    if frame.arg[1] != 0 and store_guest32(frame.arg[1], ids.effective) < 0:
        return -LINUX_EFAULT
    if frame.arg[2] != 0 and store_guest32(frame.arg[2], ids.saved) < 0:
        return -LINUX_EFAULT
    return 0


cdef public long sys_getresuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    user_ids(area.proc, &ids)
    return store_ids(frame, &ids)


cdef public long sys_getresgid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    group_ids(area.proc, &ids)
    return store_ids(frame, &ids)


cdef long group_list(process_t *proc, uint32_t *groups) noexcept nogil:
    """FreeBSD's list of before 15 (NGROUPS_MAX + 1 entries): the effective group first, then the supplementary ones."""
    cdef long count, i, n = 1
    groups[0] = effective_group(proc)
    count = linux_syscall2(LINUX_SYS_getgroups, FREEBSD_NGROUPS_MAX, <uint64_t> &groups[1])
    if is_error(count):
        return 1
    for i in range(1, count + 1):
        if groups[i] != groups[0]:
            groups[n] = groups[i]
            n += 1
    return n


cdef public long sys_freebsd14_getgroups(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t groups[FREEBSD_NGROUPS_MAX + 1]
    cdef int size = <int> frame.arg[0]
    cdef long count = group_list(area.proc, groups)
    if size == 0:
        return count
    if size < count:
        return -LINUX_EINVAL
    if copyout(groups, frame.arg[1], count * 4) < 0:
        return -LINUX_EFAULT
    return count


cdef public long sys_freebsd14_setgroups(frame_t *frame, area_t *area) noexcept nogil:
    """The first group is the effective one; an empty list leaves that alone."""
    cdef uint32_t groups[FREEBSD_NGROUPS_MAX + 1]
    cdef uint32_t count = <uint32_t> frame.arg[0]
    cdef ids_t ids
    cdef long result
    if count > FREEBSD_NGROUPS_MAX + 1:
        return -LINUX_EINVAL
    if count > 0 and copyin(frame.arg[1], groups, count * 4) < 0:
        return -LINUX_EFAULT
    if area.proc.own.users_shown and effective_user(area.proc) != 0:
        return -LINUX_EPERM
    result = taint(area, linux_syscall2(LINUX_SYS_setgroups, count - 1 if count else 0, <uint64_t> &groups[1]))
    if is_error(result) or count == 0:
        return result
    group_ids(area.proc, &ids)
    ids.effective = groups[0]
    return give_ids(area, LINUX_SYS_setresgid, &ids)


cdef public long sys_setgroups(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD 15's: the supplementary groups alone."""
    cdef uint32_t groups[FREEBSD_NGROUPS_MAX]
    cdef uint32_t count = <uint32_t> frame.arg[0]
    if count > FREEBSD_NGROUPS_MAX:
        return -LINUX_EINVAL
    if count > 0 and copyin(frame.arg[1], groups, count * 4) < 0:
        return -LINUX_EFAULT
    if area.proc.own.users_shown and effective_user(area.proc) != 0:
        return -LINUX_EPERM
    return taint(area, linux_syscall2(LINUX_SYS_setgroups, count, <uint64_t> groups))


cdef void user_name(uint32_t uid, char *name, uint64_t size) noexcept nogil:
    """A user's name from /etc/passwd; empty when there is none."""
    cdef uint64_t room = 65536, text = map_memory(room), at
    cdef const char *line
    cdef int64_t number = 0
    name[0] = 0
    if text == 0:
        return
    if read_file(b"/etc/passwd", <char *> text, room) > 0:
        line = <char *> text
        while line[0] != 0:
            at = 0
            while line[at] != c':' and line[at] != c'\n' and line[at] != 0:
                at += 1
            if line[at] == c':' and at < size and line[0] != c'#':
                memcpy(name, line, at)
                name[at] = 0
                line += at + 1
                while line[0] != c':' and line[0] != c'\n' and line[0] != 0:
                    line += 1
                if line[0] == c':' and c'0' <= line[1] <= c'9':
                    parse_number(line + 1, &number)
                    if number == uid:
                        break
                name[0] = 0
            while line[0] != c'\n' and line[0] != 0:
                line += 1
            if line[0] == c'\n':
                line += 1
    linux_syscall2(LINUX_SYS_munmap, text, room)


cdef void login_name(process_t *proc, char *name) noexcept nogil:
    """The session's login name (MAXLOGNAME bytes): what setlogin gave, else the name of the user that started LSF."""
    cdef char text[32]
    cdef int64_t uid = linux_syscall0(LINUX_SYS_getuid), login = 0
    if proc.own.login[0] == 0:
        if read_file(b"/proc/self/loginuid", text, sizeof(text)) > 0:
            parse_number(text, &login)
            if login < 0xfffffffeUL:
                user_name(<uint32_t> login, proc.own.login, FREEBSD_MAXLOGNAME)
        if proc.own.login[0] == 0:
            user_name(<uint32_t> uid, proc.own.login, FREEBSD_MAXLOGNAME)
    append(name, 0, FREEBSD_MAXLOGNAME, proc.own.login)


cdef public long sys_getlogin(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[FREEBSD_MAXLOGNAME]
    cdef uint32_t size = <uint32_t> frame.arg[1]
    cdef uint64_t length
    login_name(area.proc, name)
    length = string_length(name) + 1
    if length > size:
        return -LINUX_ERANGE
    return copyout(name, frame.arg[0], length)


cdef public long sys_setlogin(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[FREEBSD_MAXLOGNAME]
    cdef long result
    if effective_user(area.proc) != 0:
        return -LINUX_EPERM
    result = copyinstr(frame.arg[0], name, FREEBSD_MAXLOGNAME, NULL)
    if result < 0:
        return -LINUX_EINVAL if result == -LINUX_ENAMETOOLONG else result
    append(area.proc.own.login, 0, FREEBSD_MAXLOGNAME, name)
    return 0


cdef public long sys_getloginclass(frame_t *frame, area_t *area) noexcept nogil:
    if frame.arg[1] < 8:
        return -LINUX_ERANGE
    return copyout(b"default", frame.arg[0], 8)

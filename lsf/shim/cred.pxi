# Users, groups and login names.
# Model: FreeBSD sys/kern/kern_prot.c, kern_loginclass.c.
#
# Linux keeps ids by thread: what changes them lets the others follow (cred_all.pxi).

from libc.string cimport memcmp

cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_setresuid, SYS_setresgid, SYS_setreuid, SYS_setregid, SYS_setgroups, SYS_getgroups
    const long SYS_getresuid, SYS_getresgid

cdef enum:
    NGROUPS_MAX = 1023
    MAXLOGNAME = 33

cdef struct ids_t:
    uint32_t real, effective, saved


cdef inline void user_ids(ids_t *ids) noexcept nogil:
    linux_syscall3(SYS_getresuid, <uint64_t> &ids.real, <uint64_t> &ids.effective, <uint64_t> &ids.saved)


cdef inline void group_ids(ids_t *ids) noexcept nogil:
    linux_syscall3(SYS_getresgid, <uint64_t> &ids.real, <uint64_t> &ids.effective, <uint64_t> &ids.saved)


cdef long taint(area_t *area, long result) noexcept nogil:
    """The result of a change of ids; one that succeeded is made known to the other threads, and marks the process
    (P_SUGID). --fakeroot accepts what Linux refuses."""
    if area.proc.fakeroot and (result == -EPERM or result == -EINVAL):
        return 0
    if not is_error(result):
        area.proc.sugid = 1
        ids_spread(area)
    return result


cdef public long sys_issetugid(frame_t *frame, area_t *area) noexcept nogil:
    """Whether the ids were changed since the program was executed, or are not its caller's: Linux starts set-uid programs
    so where binfmt_misc has the flag C (docs/binfmt.md)."""
    return area.proc.sugid


cdef public long sys_setuid(frame_t *frame, area_t *area) noexcept nogil:
    """The superuser, and whoever names the effective id, changes all three ids; others the effective one alone."""
    cdef uint32_t uid = <uint32_t> frame.arg[0]
    cdef ids_t ids
    user_ids(&ids)
    if uid == ids.real and uid == ids.effective and uid == ids.saved:
        return 0
    if uid == ids.effective or ids.effective == 0:
        return taint(area, linux_syscall3(SYS_setresuid, uid, uid, uid))
    return taint(area, linux_syscall3(SYS_setresuid, 0xffffffffUL, uid, 0xffffffffUL))


cdef public long sys_setgid(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t gid = <uint32_t> frame.arg[0]
    cdef ids_t ids
    group_ids(&ids)
    if gid == ids.real and gid == ids.effective and gid == ids.saved:
        return 0
    if gid == ids.effective or linux_syscall0(SYS_geteuid) == 0:
        return taint(area, linux_syscall3(SYS_setresgid, gid, gid, gid))
    return taint(area, linux_syscall3(SYS_setresgid, 0xffffffffUL, gid, 0xffffffffUL))


cdef public long sys_seteuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    user_ids(&ids)
    if <uint32_t> frame.arg[0] == ids.effective:
        return 0
    return taint(area, linux_syscall3(SYS_setresuid, 0xffffffffUL, <uint32_t> frame.arg[0], 0xffffffffUL))


cdef public long sys_setegid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    group_ids(&ids)
    if <uint32_t> frame.arg[0] == ids.effective:
        return 0
    return taint(area, linux_syscall3(SYS_setresgid, 0xffffffffUL, <uint32_t> frame.arg[0], 0xffffffffUL))


cdef long change_ids(frame_t *frame, area_t *area, long number) noexcept nogil:
    """setreuid(2) and its kin, which Linux has too; one that changes no id marks nothing."""
    cdef ids_t before[2]
    cdef ids_t after[2]
    cdef long result
    user_ids(&before[0])
    group_ids(&before[1])
    result = linux_syscall3(number, frame.arg[0], frame.arg[1], frame.arg[2])
    if result == 0:
        user_ids(&after[0])
        group_ids(&after[1])
        if memcmp(before, after, sizeof(after)) == 0:
            return 0
    return taint(area, result)


cdef public long sys_setreuid(frame_t *frame, area_t *area) noexcept nogil:
    return change_ids(frame, area, SYS_setreuid)


cdef public long sys_setregid(frame_t *frame, area_t *area) noexcept nogil:
    return change_ids(frame, area, SYS_setregid)


cdef public long sys_setresuid(frame_t *frame, area_t *area) noexcept nogil:
    return change_ids(frame, area, SYS_setresuid)


cdef public long sys_setresgid(frame_t *frame, area_t *area) noexcept nogil:
    return change_ids(frame, area, SYS_setresgid)


cdef long store_ids(frame_t *frame, ids_t *ids) noexcept nogil:
    """Real, effective and saved id to three addresses, of which any may be null."""
    if frame.arg[0] != 0 and store_guest32(frame.arg[0], ids.real) < 0:
        return -EFAULT
    if frame.arg[1] != 0 and store_guest32(frame.arg[1], ids.effective) < 0:
        return -EFAULT
    if frame.arg[2] != 0 and store_guest32(frame.arg[2], ids.saved) < 0:
        return -EFAULT
    return 0


cdef public long sys_getresuid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    user_ids(&ids)
    return store_ids(frame, &ids)


cdef public long sys_getresgid(frame_t *frame, area_t *area) noexcept nogil:
    cdef ids_t ids
    group_ids(&ids)
    return store_ids(frame, &ids)


cdef long group_list(uint32_t *groups) noexcept nogil:
    """FreeBSD's list of before 15 (NGROUPS_MAX + 1 entries): the effective group first, then the supplementary ones."""
    cdef long count, i, n = 1
    groups[0] = <uint32_t> linux_syscall0(SYS_getegid)
    count = linux_syscall2(SYS_getgroups, NGROUPS_MAX, <uint64_t> &groups[1])
    if is_error(count):
        return 1
    for i in range(1, count + 1):
        if groups[i] != groups[0]:
            groups[n] = groups[i]
            n += 1
    return n


cdef public long sys_freebsd14_getgroups(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t groups[NGROUPS_MAX + 1]
    cdef int size = <int> frame.arg[0]
    cdef long count = group_list(groups)
    if size == 0:
        return count
    if size < count:
        return -EINVAL
    if copyout(groups, frame.arg[1], count * 4) < 0:
        return -EFAULT
    return count


cdef public long sys_freebsd14_setgroups(frame_t *frame, area_t *area) noexcept nogil:
    """The first group is the effective one; an empty list leaves that alone."""
    cdef uint32_t groups[NGROUPS_MAX + 1]
    cdef uint32_t count = <uint32_t> frame.arg[0]
    cdef long result
    if count > NGROUPS_MAX + 1:
        return -EINVAL
    if count > 0 and copyin(frame.arg[1], groups, count * 4) < 0:
        return -EFAULT
    result = linux_syscall2(SYS_setgroups, count - 1 if count else 0, <uint64_t> &groups[1])
    if is_error(result) or count == 0:
        return taint(area, result)
    return taint(area, linux_syscall3(SYS_setresgid, 0xffffffffUL, groups[0], 0xffffffffUL))


cdef public long sys_setgroups(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD 15's: the supplementary groups alone."""
    if <uint32_t> frame.arg[0] > NGROUPS_MAX:
        return -EINVAL
    return taint(area, linux_syscall2(SYS_setgroups, <uint32_t> frame.arg[0], frame.arg[1]))


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
            while line[at] != 58 and line[at] != 10 and line[at] != 0:
                at += 1
            if line[at] == 58 and at < size and line[0] != 35:
                memcpy(name, line, at)
                name[at] = 0
                line += at + 1
                while line[0] != 58 and line[0] != 10 and line[0] != 0:
                    line += 1
                if line[0] == 58 and 48 <= line[1] <= 57:
                    parse_number(line + 1, &number)
                    if number == uid:
                        break
                name[0] = 0
            while line[0] != 10 and line[0] != 0:
                line += 1
            if line[0] == 10:
                line += 1
    linux_syscall2(SYS_munmap, text, room)


cdef void login_name(process_t *proc, char *name) noexcept nogil:
    """The session's login name (MAXLOGNAME bytes): what setlogin gave, else the name of the user that started LSF."""
    cdef char text[32]
    cdef int64_t uid = linux_syscall0(SYS_getuid), login = 0
    if proc.login[0] == 0:
        if read_file(b"/proc/self/loginuid", text, sizeof(text)) > 0:
            parse_number(text, &login)
            if login < 0xfffffffeUL:
                user_name(<uint32_t> login, proc.login, MAXLOGNAME)
        if proc.login[0] == 0:
            user_name(<uint32_t> uid, proc.login, MAXLOGNAME)
    append(name, 0, MAXLOGNAME, proc.login)


cdef public long sys_getlogin(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[MAXLOGNAME]
    cdef uint32_t size = <uint32_t> frame.arg[1]
    cdef uint64_t length
    login_name(area.proc, name)
    length = string_length(name) + 1
    if length > size:
        return -ERANGE
    return copyout(name, frame.arg[0], length)


cdef public long sys_setlogin(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[MAXLOGNAME]
    cdef long result
    if linux_syscall0(SYS_geteuid) != 0:
        return -EPERM
    result = copyinstr(frame.arg[0], name, MAXLOGNAME, NULL)
    if result < 0:
        return -EINVAL if result == -ENAMETOOLONG else result
    append(area.proc.login, 0, MAXLOGNAME, name)
    return 0


cdef public long sys_getloginclass(frame_t *frame, area_t *area) noexcept nogil:
    if frame.arg[1] < 8:
        return -ERANGE
    return copyout(b"default", frame.arg[0], 8)

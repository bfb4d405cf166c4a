# --fakeroot: the user namespace shows the user as root, and here is what such a root may not do in truth: to give a file to
# somebody else, and to set its flags. Both are remembered in the file, as extended attributes that stat shows again (in this
# run and in later ones). To become somebody else is cred_shown.pxi's. Model: fakeroot(1), and the override of owners that
# container storage keeps in attributes.

cdef enum:
    OWNER_TEXT = 24                     # two numbers and a colon
    SET_IDS = 0o6000


cdef bint owner_kept(const char *path, uint32_t *uid, uint32_t *gid) noexcept nogil:
    """The remembered owner of a file that is named by a link in /proc."""
    cdef char text[OWNER_TEXT]
    cdef const char *at
    cdef int64_t number = 0
    cdef long got = linux_syscall4(LINUX_SYS_getxattr, <uint64_t> path, <uint64_t> <const char *> b"user.lsf.owner",
                                   <uint64_t> text, OWNER_TEXT - 1)
    if is_error(got):
        return False
    text[got] = 0
    at = parse_number(text, &number)
    if at[0] != c':':
        return False
    uid[0] = <uint32_t> number
    parse_number(at + 1, &number)
    gid[0] = <uint32_t> number
    return True


cdef void fake_owner(int fd, freebsd_stat *st) noexcept nogil:
    """Show the remembered owner and flags of an opened file (an O_PATH descriptor will do)."""
    cdef char link[32]
    cdef uint32_t flags = 0
    if st.st_mode & LINUX_S_IFMT == LINUX_S_IFREG or st.st_mode & LINUX_S_IFMT == LINUX_S_IFDIR:
        descriptor_path(fd, link)
        owner_kept(link, &st.st_uid, &st.st_gid)
        if kept_flags(link, &flags):
            st.st_flags |= flags


cdef void fake_owner_at(int dirfd, uaddr path, uint64_t linux_flags, freebsd_stat *st) noexcept nogil:
    cdef char first = 0
    cdef long fd
    copyin(path, &first, 1)
    if first == 0 and dirfd != LINUX_AT_FDCWD:
        fake_owner(dirfd, st)
        return
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path if first != 0 else <uint64_t> <const char *> b".",
                        LINUX_O_PATH | LINUX_O_CLOEXEC
                        | (LINUX_O_NOFOLLOW if linux_flags & LINUX_AT_SYMLINK_NOFOLLOW else 0), 0)
    if not is_error(fd):
        fake_owner(<int> fd, st)
        linux_syscall1(LINUX_SYS_close, fd)


cdef long fake_chown(int fd, uint32_t uid, uint32_t gid, long result) noexcept nogil:
    """After a chown of an opened file that gave `result`: remember what Linux did not do, forget what it did."""
    cdef char link[32]
    cdef char text[OWNER_TEXT]
    cdef linux_stat st
    cdef uint32_t kept_uid, kept_gid
    cdef uint64_t at
    if is_error(result) and result != -LINUX_EPERM and result != -LINUX_EINVAL:
        return result
    if is_error(linux_syscall4(LINUX_SYS_newfstatat, fd, <uint64_t> <const char *> b"", <uint64_t> &st,
                               LINUX_AT_EMPTY_PATH)):
        return result
    if st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG and st.st_mode & LINUX_S_IFMT != LINUX_S_IFDIR:
        return 0                        # no place to remember it in
    descriptor_path(fd, link)
    kept_uid = st.st_uid
    kept_gid = st.st_gid
    owner_kept(link, &kept_uid, &kept_gid)
    if uid != 0xffffffffU:
        kept_uid = uid
    if gid != 0xffffffffU:
        kept_gid = gid
    if kept_uid == st.st_uid and kept_gid == st.st_gid:
        linux_syscall2(LINUX_SYS_removexattr, <uint64_t> link, <uint64_t> <const char *> b"user.lsf.owner")
        return 0
    at = append_number(text, 0, OWNER_TEXT, kept_uid, 10)
    at = append(text, at, OWNER_TEXT, b":")
    at = append_number(text, at, OWNER_TEXT, kept_gid, 10)
    linux_syscall5(LINUX_SYS_setxattr, <uint64_t> link, <uint64_t> <const char *> b"user.lsf.owner", <uint64_t> text, at, 0)
    return 0


cdef long owner_refused(int dirfd, uaddr path, uint64_t uid, uint64_t gid, uint64_t linux_flags, long result) noexcept nogil:
    """The result of a chown(2) that Linux answered with `result`. Its EINVAL is of an id that the user namespace does not map.
    FreeBSD knows no such ids: it is one that may not be given (EPERM), or the group that the file has and is shown with."""
    cdef linux_stat st
    if result != -LINUX_EINVAL:
        return result
    if (<uint32_t> gid != 0xffffffffU
            and not is_error(linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> &st,
                                            linux_flags))
            and <uint32_t> gid == st.st_gid):
        # Its owner is named, so that Linux asks whether the file is the caller's.
        result = linux_syscall5(LINUX_SYS_fchownat, <uint64_t> <int64_t> dirfd, path,
                                st.st_uid if <uint32_t> uid == 0xffffffffU else uid, 0xffffffffU, linux_flags)
    return -LINUX_EPERM if result == -LINUX_EINVAL else result


cdef uint32_t set_ids_before(int dirfd, uaddr path, uint64_t linux_flags, linux_stat *before) noexcept nogil:
    """Before a user's chown(2): the mode of what has a set-id bit, else 0."""
    if linux_syscall0(LINUX_SYS_geteuid) == 0 or is_error(linux_syscall4(
            LINUX_SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> before, linux_flags)):
        return 0
    return before.st_mode if before.st_mode & SET_IDS and before.st_mode & LINUX_S_IFMT != LINUX_S_IFLNK else 0


cdef void set_ids_after(int dirfd, uaddr path, uint64_t linux_flags, const linux_stat *before, uint32_t uid,
                        uint32_t gid) noexcept nogil:
    """Behind it: FreeBSD takes both bits from what was given away, of any type, and none else (ufs_chown). Linux takes them from
    files alone, also where nothing changes, and leaves the group's where its members may not execute the file."""
    cdef uint32_t mode = before.st_mode & FREEBSD_ALLPERMS
    if (uid != 0xffffffffU and uid != before.st_uid) or (gid != 0xffffffffU and gid != before.st_gid):
        mode &= ~<uint32_t> SET_IDS
    if linux_flags & LINUX_AT_EMPTY_PATH:
        linux_syscall2(LINUX_SYS_fchmod, dirfd, mode)
    else:
        linux_syscall3(LINUX_SYS_fchmodat, <uint64_t> <int64_t> dirfd, path, mode)


cdef inline bint gives_nothing(uint64_t uid, uint64_t gid) noexcept nogil:
    """Both are -1: FreeBSD looks for the file and leaves it alone (ufs_setattr). Linux would set its time of change, and take the set-id
    bits away."""
    return <uint32_t> uid == ID_KEPT and <uint32_t> gid == ID_KEPT


cdef long change_owner(process_t *proc, int dirfd, uaddr path, uint64_t uid, uint64_t gid,
                       uint64_t linux_flags) noexcept nogil:
    """chown(2) and its kin."""
    cdef linux_stat before
    cdef uint32_t mode
    cdef long fd, result
    cdef char first = 0
    if gives_nothing(uid, gid):
        return linux_syscall4(LINUX_SYS_newfstatat, <uint64_t> <int64_t> dirfd, path, <uint64_t> &before, linux_flags)
    mode = set_ids_before(dirfd, path, linux_flags, &before)
    result = linux_syscall5(LINUX_SYS_fchownat, <uint64_t> <int64_t> dirfd, path, uid, gid, linux_flags)
    if mode and result == 0:
        set_ids_after(dirfd, path, linux_flags, &before, <uint32_t> uid, <uint32_t> gid)
    if not proc.own.fakeroot:
        return owner_refused(dirfd, path, uid, gid, linux_flags, result)
    if linux_flags & LINUX_AT_EMPTY_PATH and dirfd != LINUX_AT_FDCWD and copyin(path, &first, 1) == 0 and first == 0:
        return fake_chown(dirfd, <uint32_t> uid, <uint32_t> gid, result)
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path, LINUX_O_PATH | LINUX_O_CLOEXEC
                        | (LINUX_O_NOFOLLOW if linux_flags & LINUX_AT_SYMLINK_NOFOLLOW else 0), 0)
    if is_error(fd):
        return result
    result = fake_chown(<int> fd, <uint32_t> uid, <uint32_t> gid, result)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef public long sys_chown(frame_t *frame, area_t *area) noexcept nogil:
    return change_owner(area.proc, LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], frame.arg[2], 0)


cdef public long sys_lchown(frame_t *frame, area_t *area) noexcept nogil:
    return change_owner(area.proc, LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], frame.arg[2], LINUX_AT_SYMLINK_NOFOLLOW)


cdef public long sys_fchown(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_stat before
    cdef uint32_t mode
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if gives_nothing(frame.arg[1], frame.arg[2]):
        result = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL)
        if is_error(result):
            return result
        return -LINUX_EBADF if path_kind(<int> frame.arg[0]) == ACCESS_PATH else 0
    mode = set_ids_before(<int> frame.arg[0], <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH, &before)
    result = linux_syscall3(LINUX_SYS_fchown, frame.arg[0], frame.arg[1], frame.arg[2])
    if result == -LINUX_EBADF and path_kind(<int> frame.arg[0]) == ACCESS_EXECUTE:
        result = linux_syscall5(LINUX_SYS_fchownat, frame.arg[0], <uint64_t> <const char *> b"", frame.arg[1], frame.arg[2],
                                LINUX_AT_EMPTY_PATH)
    if mode and result == 0:
        set_ids_after(<int> frame.arg[0], <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH, &before, <uint32_t> frame.arg[1],
                      <uint32_t> frame.arg[2])
    if area.proc.own.fakeroot:
        return fake_chown(<int> frame.arg[0], <uint32_t> frame.arg[1], <uint32_t> frame.arg[2], result)
    return owner_refused(<int> frame.arg[0], <uint64_t> <const char *> b"", frame.arg[1], frame.arg[2],
                         LINUX_AT_EMPTY_PATH, result)

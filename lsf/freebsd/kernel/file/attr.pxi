# File flags (chflags), extended attributes (extattr_*), and what pathconf tells. Model: FreeBSD sys/kern/vfs_syscalls.c
# (setfflags), vfs_extattr.c, vfs_default.c (vop_stdpathconf), sys/ufs/ufs/ufs_vnops.c (ufs_pathconf).

cdef enum:
    FS_FLAGS_KNOWN = 0x70               # immutable, append-only, no dump: the ones that FreeBSD has too
    FLAGS_OF_TWO = 0x60006              # UF_ and SF_IMMUTABLE, UF_ and SF_APPEND
    FS_FLAGS_LOCKED = 0x30              # immutable, append-only


# --- file flags ------------------------------------------------------------------------------------------------------


# Linux has one immutable flag and one append-only flag, for who may set them; FreeBSD has the user's beside the
# superuser's. Which it was is remembered in an attribute that such a process alone may read and write. Where it cannot be,
# the flag is shown as the superuser's.

cdef inline const char *flags_attribute() noexcept nogil:
    return b"trusted.lsf.flags"


cdef long set_file_flags(int fd, long linux_flags, uint32_t flags) noexcept nogil:
    """Change the attributes of an open file to Linux's for FreeBSD's `flags`; those that FreeBSD does not know stay."""
    cdef uint64_t attributes = 0, bare
    cdef uint32_t users = flags & (FREEBSD_UF_IMMUTABLE | FREEBSD_UF_APPEND)
    cdef uint32_t remembered = users | (flags & (FREEBSD_SF_IMMUTABLE | FREEBSD_SF_APPEND))
    cdef long result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_GETFLAGS, <uint64_t> &attributes)
    if not is_error(result) and (attributes | <uint64_t> linux_flags) & FS_FLAGS_LOCKED:
        bare = attributes & ~<uint64_t> FS_FLAGS_LOCKED & 0xffffffffUL
        if attributes & FS_FLAGS_LOCKED:            # the attribute of such a file cannot be changed
            result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_SETFLAGS, <uint64_t> &bare)
        if not is_error(result):
            if users:
                linux_syscall5(LINUX_SYS_fsetxattr, fd, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4, 0)
            else:
                linux_syscall2(LINUX_SYS_fremovexattr, fd, <uint64_t> flags_attribute())
    if not is_error(result):
        attributes = (attributes & ~<uint64_t> FS_FLAGS_KNOWN & 0xffffffffUL) | <uint64_t> linux_flags
        result = linux_syscall3(LINUX_SYS_ioctl, fd, LINUX_FS_IOC_SETFLAGS, <uint64_t> &attributes)
    return -LINUX_EOPNOTSUPP if result == -LINUX_ENOTTY or result == -LINUX_ENOSYS or result == -LINUX_EINVAL else result


cdef void show_user_flags(int fd, freebsd_stat *st) noexcept nogil:
    """Show the flags of an immutable or append-only file as they were set."""
    cdef char link[32]
    cdef uint32_t remembered = 0
    descriptor_path(fd, link)
    if linux_syscall4(LINUX_SYS_getxattr, <uint64_t> link, <uint64_t> flags_attribute(), <uint64_t> &remembered, 4) != 4:
        return
    if remembered & FREEBSD_UF_IMMUTABLE and st.st_flags & FREEBSD_SF_IMMUTABLE:
        st.st_flags = (st.st_flags & ~<uint32_t> FREEBSD_SF_IMMUTABLE) | (remembered & (FREEBSD_UF_IMMUTABLE
                                                                                        | FREEBSD_SF_IMMUTABLE))
    if remembered & FREEBSD_UF_APPEND and st.st_flags & FREEBSD_SF_APPEND:
        st.st_flags = (st.st_flags & ~<uint32_t> FREEBSD_SF_APPEND) | (remembered & (FREEBSD_UF_APPEND
                                                                                     | FREEBSD_SF_APPEND))


cdef void show_user_flags_at(int dirfd, uaddr path, uint32_t flags, freebsd_stat *st) noexcept nogil:
    """The same by a path."""
    cdef long fd = path_descriptor(dirfd, path, flags)
    if fd >= 0:
        show_user_flags(<int> fd, st)
        linux_syscall1(LINUX_SYS_close, fd)


cdef long flags_refusal(long result, uint32_t flags, freebsd_stat *st) noexcept nogil:
    """The answer where changing a file's flags to `flags` gave `result`.

    Linux's EPERM is for all who lack CAP_LINUX_IMMUTABLE. FreeBSD lets an owner set the user's flags, if the file has
    none of the superuser's (ufs_setattr): for such a one it is this file system that cannot keep them.
    """
    if (result == -LINUX_EPERM and not (flags | st.st_flags) & FREEBSD_SF_SETTABLE
            and <uint32_t> linux_syscall0(LINUX_SYS_geteuid) == st.st_uid):
        return -LINUX_EOPNOTSUPP
    return result


cdef long change_flags(int fd, uint64_t flags, bint by_path) noexcept nogil:
    """chflags of a descriptor, which is an O_PATH one of ours if `by_path`. What the file has already is no change."""
    cdef freebsd_stat st
    cdef char link[32]
    cdef long opened, wanted, result = stat_descriptor(fd, &st)
    if result < 0:
        return result
    if flags >> 32:
        return -LINUX_EOPNOTSUPP
    wanted = freebsd_to_linux_file_flags(<uint32_t> flags)
    if wanted == LSF_UNKNOWN:
        return -LINUX_EOPNOTSUPP
    if wanted == freebsd_to_linux_file_flags(st.st_flags) and not (<uint32_t> flags ^ st.st_flags) & FLAGS_OF_TWO:
        return 0
    if st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG and st.st_mode & LINUX_S_IFMT != LINUX_S_IFDIR:
        return -LINUX_EOPNOTSUPP
    if not by_path:
        return flags_refusal(set_file_flags(fd, wanted, <uint32_t> flags), <uint32_t> flags, &st)
    descriptor_path(fd, link)
    opened = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link,
                            LINUX_O_NONBLOCK | LINUX_O_NOCTTY | LINUX_O_CLOEXEC, 0)
    if is_error(opened):
        return -LINUX_EOPNOTSUPP if opened == -LINUX_ENOENT else opened     # no /proc here
    result = set_file_flags(<int> opened, wanted, <uint32_t> flags)
    linux_syscall1(LINUX_SYS_close, opened)
    return flags_refusal(result, <uint32_t> flags, &st)


cdef long change_flags_at(int dirfd, uaddr path, uint64_t flags, uint32_t at_flags) noexcept nogil:
    """chflagsat(2)."""
    cdef long fd, result
    if at_flags & ~<uint32_t> (FREEBSD_AT_SYMLINK_NOFOLLOW | FREEBSD_AT_RESOLVE_BENEATH | FREEBSD_AT_EMPTY_PATH):
        return -LINUX_EINVAL
    if at_flags & FREEBSD_AT_RESOLVE_BENEATH:
        fd = path_beneath(dirfd, path, at_flags & FREEBSD_AT_SYMLINK_NOFOLLOW != 0)
    else:
        fd = path_descriptor(dirfd, path, at_flags)
    if fd < 0:
        return fd
    result = change_flags(<int> fd, flags, True)
    linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef public long sys_chflags(frame_t *frame, area_t *area) noexcept nogil:
    return change_flags_at(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], 0)


cdef public long sys_lchflags(frame_t *frame, area_t *area) noexcept nogil:
    return change_flags_at(LINUX_AT_FDCWD, frame.arg[0], frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW)


cdef public long sys_chflagsat(frame_t *frame, area_t *area) noexcept nogil:
    return change_flags_at(<int> frame.arg[0], frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3])


cdef public long sys_fchflags(frame_t *frame, area_t *area) noexcept nogil:
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    return change_flags(<int> frame.arg[0], frame.arg[1], False)


# --- extended attributes ---------------------------------------------------------------------------------------------
#
# FreeBSD's namespace `user` is Linux's prefix "user."; `system` is not offered. A list is a length byte and a name
# each, where Linux has names with NULs.

cdef enum:
    EXTATTR_PREFIX = 5                  # "user."
    EXTATTR_NAME_MAX = 255

# Which of Linux's calls serves: of a path, of a link, of a descriptor.
cdef enum:
    XATTR_FILE = 0
    XATTR_LINK = 1
    XATTR_FD = 2


cdef long xattr_name(uint64_t name_space, uaddr name, char *linux_name) noexcept nogil:
    """Linux's name of an attribute, in 264 bytes."""
    cdef long result
    if <int> name_space == FREEBSD_EXTATTR_NAMESPACE_SYSTEM:
        return -LINUX_EPERM if linux_syscall0(LINUX_SYS_geteuid) != 0 else -LINUX_EOPNOTSUPP
    if <int> name_space != FREEBSD_EXTATTR_NAMESPACE_USER:
        return -LINUX_EINVAL
    append(linux_name, 0, 264, b"user.")
    if name == 0:
        return 0
    result = copyinstr(name, linux_name + EXTATTR_PREFIX, EXTATTR_NAME_MAX + 1, NULL)
    if result < 0:
        return result
    return -LINUX_EINVAL if linux_name[EXTATTR_PREFIX] == 0 else 0


cdef uint64_t xattr_file(process_t *proc, uint64_t file, int kind) noexcept nogil:
    """The first argument of Linux's call: the path, or a descriptor that is none for a hidden one."""
    if kind == XATTR_FD and descriptor_is_hidden(proc, <int> file):
        return <uint64_t> -1
    return file


cdef long xattr_get(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    """extattr_get_*: the value's size without a buffer; what fits into a buffer that is too small."""
    cdef char name[264]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], kind), size = frame.arg[4], memory
    cdef uint64_t data = frame.arg[3]
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = LINUX_SYS_fgetxattr if kind == XATTR_FD else LINUX_SYS_lgetxattr if kind == XATTR_LINK \
            else LINUX_SYS_getxattr
    if result < 0:
        return result
    if data == 0 or size == 0:
        result = linux_syscall4(call, file, <uint64_t> name, 0, 0)
        return 0 if data != 0 and not is_error(result) else result
    result = linux_syscall4(call, file, <uint64_t> name, data, size if size < LINUX_XATTR_SIZE_MAX else LINUX_XATTR_SIZE_MAX)
    if result != -LINUX_ERANGE:
        return result
    memory = map_memory(LINUX_XATTR_SIZE_MAX)
    if memory == 0:
        return -LINUX_ENOMEM
    result = linux_syscall4(call, file, <uint64_t> name, memory, LINUX_XATTR_SIZE_MAX)
    if not is_error(result):
        if <uint64_t> result > size:
            result = <long> size
        if copyout(<void *> memory, data, <uint64_t> result) < 0:
            result = -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_munmap, memory, LINUX_XATTR_SIZE_MAX)
    return result


cdef long xattr_set(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    cdef char name[264]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], kind)
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = LINUX_SYS_fsetxattr if kind == XATTR_FD else LINUX_SYS_lsetxattr if kind == XATTR_LINK \
            else LINUX_SYS_setxattr
    if result < 0:
        return result
    result = linux_syscall5(call, file, <uint64_t> name, frame.arg[3], frame.arg[4], 0)
    return result if is_error(result) else <long> frame.arg[4]


cdef long xattr_delete(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    cdef char name[264]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], kind)
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = (LINUX_SYS_fremovexattr if kind == XATTR_FD else LINUX_SYS_lremovexattr if kind == XATTR_LINK
                      else LINUX_SYS_removexattr)
    if result < 0:
        return result
    return linux_syscall2(call, file, <uint64_t> name)


cdef long xattr_list(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    """extattr_list_*: the size of the list without a buffer; what fits into one that is too small."""
    cdef char name[264]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], kind), data = frame.arg[2], size = frame.arg[3]
    cdef uint64_t memory, at = 0, end = 0, length
    cdef char *text
    cdef long result = xattr_name(frame.arg[1], 0, name)
    cdef long call = LINUX_SYS_flistxattr if kind == XATTR_FD else LINUX_SYS_llistxattr if kind == XATTR_LINK \
            else LINUX_SYS_listxattr
    if result < 0:
        return result
    memory = map_memory(LINUX_XATTR_SIZE_MAX)
    if memory == 0:
        return -LINUX_ENOMEM
    text = <char *> memory
    result = linux_syscall3(call, file, memory, LINUX_XATTR_SIZE_MAX - 1)
    # In place: a name of Linux's is longer by its prefix than a name of FreeBSD's by its length byte.
    while not is_error(result) and at < <uint64_t> result:
        length = string_length(&text[at])
        if string_starts(&text[at], name) and length > EXTATTR_PREFIX:
            text[end] = <char> (length - EXTATTR_PREFIX)
            for at in range(at + EXTATTR_PREFIX, at + length):
                end += 1
                text[end] = text[at]
            end += 1
            at += 2
        else:
            at += length + 1
    if not is_error(result):
        result = <long> end
        if data != 0:
            if end > size:
                result = <long> size
            if copyout(text, data, <uint64_t> result) < 0:
                result = -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_munmap, memory, LINUX_XATTR_SIZE_MAX)
    return result


cdef public long sys_extattr_get_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_get_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_get_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_set_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_set_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_set_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_delete_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_delete_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_delete_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_list_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_list_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_list_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_FD)


# --- pathconf --------------------------------------------------------------------------------------------------------

cdef enum:
    POSIX_ASYNCHRONOUS_IO = 200112
    POSIX_VDISABLE = 0xff
    EXT_LINK_MAX = 65000
    BTRFS_LINK_MAX = 65535
    LINK_MAX_OTHER = 0x7fffffff
    UNIX98_PTY_LAST_MAJOR = 143


cdef bint is_terminal_device(uint64_t dev) noexcept nogil:
    cdef uint32_t major = linux_major(dev)
    return major == LINUX_TTY_MAJOR or major == LINUX_TTYAUX_MAJOR \
            or LINUX_UNIX98_PTY_MASTER_MAJOR <= major <= UNIX98_PTY_LAST_MAJOR


cdef long pathconf_value(area_t *area, int name, const linux_stat *st, const linux_statfs *fs) noexcept nogil:
    cdef uint32_t kind = st.st_mode & LINUX_S_IFMT
    if kind == LINUX_S_IFIFO and fs.f_type == LINUX_PIPEFS_MAGIC or kind == LINUX_S_IFSOCK \
            and fs.f_type == LINUX_SOCKFS_MAGIC:
        return FREEBSD_PIPE_BUF if name == FREEBSD_PC_PIPE_BUF else -LINUX_EINVAL         # no vnode: kern_fpathconf
    if name == FREEBSD_PC_LINK_MAX:
        if fs.f_type == LINUX_EXT4_SUPER_MAGIC:
            return EXT_LINK_MAX
        return BTRFS_LINK_MAX if fs.f_type == LINUX_BTRFS_SUPER_MAGIC else LINK_MAX_OTHER
    if name == FREEBSD_PC_NAME_MAX:
        return fs.f_namelen if 0 < fs.f_namelen < FREEBSD_MAXNAMLEN else FREEBSD_MAXNAMLEN
    if name == FREEBSD_PC_PATH_MAX or name == FREEBSD_PC_SYMLINK_MAX:
        return FREEBSD_PATH_MAX
    if name == FREEBSD_PC_PIPE_BUF:
        return FREEBSD_PIPE_BUF if kind == LINUX_S_IFIFO or kind == LINUX_S_IFDIR else -LINUX_EINVAL
    if name == FREEBSD_PC_CHOWN_RESTRICTED or name == FREEBSD_PC_NO_TRUNC:
        return 1
    if name == FREEBSD_PC_MAX_CANON or name == FREEBSD_PC_MAX_INPUT or name == FREEBSD_PC_VDISABLE:
        if kind != LINUX_S_IFCHR or not is_terminal_device(st.st_rdev):
            return -LINUX_EINVAL
        return POSIX_VDISABLE if name == FREEBSD_PC_VDISABLE else FREEBSD_MAX_CANON
    if name == FREEBSD_PC_ALLOC_SIZE_MIN:
        return fs.f_frsize if fs.f_frsize > 0 else fs.f_bsize
    if name == FREEBSD_PC_FILESIZEBITS:
        return 64
    if (name == FREEBSD_PC_REC_INCR_XFER_SIZE or name == FREEBSD_PC_REC_MIN_XFER_SIZE or name == FREEBSD_PC_MIN_HOLE_SIZE):
        return st.st_blksize
    if name == FREEBSD_PC_REC_MAX_XFER_SIZE:
        return return_value(area, -1)               # no limit
    if name == FREEBSD_PC_REC_XFER_ALIGN:
        return PAGE_SIZE
    if name == FREEBSD_PC_ASYNC_IO:
        return POSIX_ASYNCHRONOUS_IO
    if name == FREEBSD_PC_PRIO_IO or name == FREEBSD_PC_SYNC_IO:
        return 0
    if name == FREEBSD_PC_DEALLOC_PRESENT:
        return 1
    if FREEBSD_PC_ACL_EXTENDED <= name <= FREEBSD_PC_HAS_HIDDENSYSTEM:
        return 0
    return -LINUX_EINVAL


cdef public long sys_fpathconf(frame_t *frame, area_t *area) noexcept nogil:
    cdef linux_stat st
    cdef linux_statfs fs
    cdef long result = -LINUX_EBADF
    if not descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        result = linux_syscall2(LINUX_SYS_fstat, <uint32_t> frame.arg[0], <uint64_t> &st)
    if not is_error(result):
        result = linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> frame.arg[0], <uint64_t> &fs)
    return result if is_error(result) else pathconf_value(area, <int> frame.arg[1], &st, &fs)


cdef long pathconf_path(area_t *area, uaddr path, int name, uint32_t at_flags) noexcept nogil:
    cdef linux_stat st
    cdef linux_statfs fs
    cdef long fd = path_descriptor(LINUX_AT_FDCWD, path, at_flags), result
    if is_error(fd):
        return fd
    result = linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
    if not is_error(result):
        result = linux_syscall2(LINUX_SYS_fstatfs, fd, <uint64_t> &fs)
    linux_syscall1(LINUX_SYS_close, fd)
    return result if is_error(result) else pathconf_value(area, name, &st, &fs)


cdef public long sys_pathconf(frame_t *frame, area_t *area) noexcept nogil:
    return pathconf_path(area, frame.arg[0], <int> frame.arg[1], 0)


cdef public long sys_lpathconf(frame_t *frame, area_t *area) noexcept nogil:
    return pathconf_path(area, frame.arg[0], <int> frame.arg[1], FREEBSD_AT_SYMLINK_NOFOLLOW)

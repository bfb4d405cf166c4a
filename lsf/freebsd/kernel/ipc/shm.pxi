# POSIX shared memory: shm_open2, shm_unlink, shm_rename. Model: FreeBSD sys/kern/uipc_shm.c.
#
# FreeBSD's names are strings in a table of the kernel's. Here "/name" is the file /dev/shm/name, as for Linux programs,
# or lies in /tmp where there is no /dev/shm (a chroot); what cannot stand in a file's name is written %XX.

cdef enum:
    SHM_PATH = 320
    SHM_NAME_MAX = 255


cdef uint64_t shm_escape(char *path, uint64_t at, char c) noexcept nogil:
    at = append(path, at, SHM_PATH, b"%")
    if <unsigned char> c < 16:
        at = append(path, at, SHM_PATH, b"0")
    return append_number(path, at, SHM_PATH, <unsigned char> c, 16)


cdef inline long shm_path(uaddr guest, char *path, bint fallback) noexcept nogil:
    """The file of a shared memory object, in SHM_PATH bytes."""
    return object_path(guest, path, b"/tmp/.shm." if fallback else b"/dev/shm/")


cdef long object_path(uaddr guest, char *path, const char *prefix) noexcept nogil:
    """The file for a POSIX object's name, in SHM_PATH bytes: 0, -EFAULT, -ENAMETOOLONG, or -EINVAL without a slash."""
    cdef char name[FREEBSD_PATH_MAX]
    cdef uint64_t i = 1, at, start
    cdef long result = copyinstr(guest, name, FREEBSD_PATH_MAX, NULL)
    if result < 0:
        return result
    if name[0] != c'/':
        return -LINUX_EINVAL
    at = append(path, 0, SHM_PATH, prefix)
    start = at
    if name[1] == 0:
        at = shm_escape(path, at, 47)
    while name[i] != 0:
        if name[i] == c'/' or name[i] == c'%' or (name[i] == c'.' and i == 1):        # / and %, and . in front
            at = shm_escape(path, at, name[i])
        elif at + 1 < SHM_PATH:
            path[at] = name[i]
            at += 1
            path[at] = 0
        i += 1
        if at - start > SHM_NAME_MAX:
            return -LINUX_ENAMETOOLONG
    return 0


cdef long shm_anonymous(uint32_t flags, uint32_t shmflags, uaddr guest_name) noexcept nogil:
    cdef char name[256]
    cdef char *text = name
    cdef uint64_t linux_flags = 0
    cdef long result
    if flags & FREEBSD_O_ACCMODE == FREEBSD_O_RDONLY:
        return -LINUX_EINVAL
    append(name, 0, 256, b"SHM_ANON")
    if guest_name != 0:
        result = copyinstr(guest_name, name, 256, NULL)
        if result < 0:
            return result
        if string_starts(name, b"memfd:"):          # Linux shows the prefix by itself
            text = &name[6]
    if flags & FREEBSD_O_CLOEXEC:
        linux_flags |= LINUX_MFD_CLOEXEC
    if shmflags & FREEBSD_SHM_ALLOW_SEALING:
        linux_flags |= LINUX_MFD_ALLOW_SEALING
    result = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> text, linux_flags)
    return -LINUX_ENAMETOOLONG if result == -LINUX_EINVAL and string_length(text) > 249 else result


cdef long shm_open_object(uaddr guest_path, uint32_t flags, uint64_t mode, uint32_t shmflags,
                          uaddr guest_name) noexcept nogil:
    """shm_open2(2)."""
    cdef char path[SHM_PATH]
    cdef uint64_t linux_flags
    cdef long result
    if flags & FREEBSD_O_ACCMODE != FREEBSD_O_RDONLY and flags & FREEBSD_O_ACCMODE != FREEBSD_O_RDWR:
        return -LINUX_EINVAL
    if flags & ~<uint32_t> (FREEBSD_O_ACCMODE | FREEBSD_O_CREAT | FREEBSD_O_EXCL | FREEBSD_O_TRUNC
                            | FREEBSD_O_CLOEXEC):
        return -LINUX_EINVAL
    if shmflags & ~<uint32_t> (FREEBSD_SHM_ALLOW_SEALING | FREEBSD_SHM_GROW_ON_WRITE | FREEBSD_SHM_LARGEPAGE):
        return -LINUX_EINVAL
    if shmflags & FREEBSD_SHM_LARGEPAGE:
        return -LINUX_ENOTTY                              # as on a machine without large pages
    if guest_path == FREEBSD_SHM_ANON:
        return shm_anonymous(flags, shmflags, guest_name)
    linux_flags = <uint64_t> freebsd_to_linux_open_flags(flags) | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK
    if flags & FREEBSD_O_ACCMODE != FREEBSD_O_RDWR:
        linux_flags &= ~<uint64_t> LINUX_O_TRUNC
    result = shm_path(guest_path, path, False)
    if result == 0:
        result = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, linux_flags,
                                mode & FREEBSD_ACCESSPERMS)
        if result == -LINUX_ENOENT and shm_path(guest_path, path, True) == 0:
            result = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, linux_flags,
                                    mode & FREEBSD_ACCESSPERMS)
    return result


cdef public long sys_shm_open2(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result = shm_open_object(frame.arg[0], <uint32_t> frame.arg[1], frame.arg[2], <uint32_t> frame.arg[3], frame.arg[4])
    object_made(area.proc, result)
    return result


cdef public long sys_freebsd12_shm_open(frame_t *frame, area_t *area) noexcept nogil:
    """Up to FreeBSD 12 the descriptor always was close-on-exec."""
    cdef long result = shm_open_object(frame.arg[0], <uint32_t> frame.arg[1] | FREEBSD_O_CLOEXEC, frame.arg[2], 0, 0)
    object_made(area.proc, result)
    return result


cdef public long sys_shm_unlink(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[SHM_PATH]
    cdef long result = shm_path(frame.arg[0], path, False)
    if result < 0:
        return -LINUX_ENOENT if result == -LINUX_EINVAL else result         # no name of an object
    result = linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 0)
    if result == -LINUX_ENOENT and shm_path(frame.arg[0], path, True) == 0:
        result = linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 0)
    return -LINUX_EACCES if result == -LINUX_EPERM else result


cdef public long sys_shm_rename(frame_t *frame, area_t *area) noexcept nogil:
    """SHM_RENAME_NOREPLACE and SHM_RENAME_EXCHANGE are Linux's RENAME_ numbers."""
    cdef char from_path[SHM_PATH]
    cdef char to_path[SHM_PATH]
    cdef uint32_t flags = <uint32_t> frame.arg[2]
    cdef long result
    if flags & ~<uint32_t> 3 or flags == 3:
        return -LINUX_EINVAL
    result = shm_path(frame.arg[0], from_path, False)
    if result == 0:
        result = shm_path(frame.arg[1], to_path, False)
    if result < 0:
        return result
    result = linux_syscall5(LINUX_SYS_renameat2, <uint64_t> LINUX_AT_FDCWD, <uint64_t> from_path, <uint64_t> LINUX_AT_FDCWD,
                            <uint64_t> to_path, flags)
    if result == -LINUX_ENOENT and shm_path(frame.arg[0], from_path, True) == 0 and shm_path(frame.arg[1], to_path,
                                                                                      True) == 0:
        result = linux_syscall5(LINUX_SYS_renameat2, <uint64_t> LINUX_AT_FDCWD, <uint64_t> from_path,
                                <uint64_t> LINUX_AT_FDCWD,
                                <uint64_t> to_path, flags)
    return -LINUX_EACCES if result == -LINUX_EPERM else result

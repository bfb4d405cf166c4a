# _umtx_op(2): SHM, where libthr keeps shared objects.
#
# A pthread object with PTHREAD_PROCESS_SHARED is a key in memory that processes share; the object itself is in a page that the
# kernel keeps for that key. Here the page is a file of /dev/shm, whose name has the device, inode and offset behind the
# key, which Linux tells in /proc/self/maps, for anonymous shared memory too.


cdef void umtx_shm_path(area_t *area, uaddr key, const mapping_t *mapping, const char *prefix, char *path) noexcept nogil:
    cdef uint64_t at = append(path, 0, 100, prefix)
    if mapping.shared:
        at = append_number(path, at, 100, <uint64_t> mapping.major << 20 | mapping.minor, 16)
        at = append(path, at, 100, b".")
        at = append_number(path, at, 100, mapping.inode, 16)
        at = append(path, at, 100, b".")
        append_number(path, at, 100, key - mapping.start + mapping.offset, 16)
    else:
        at = append(path, at, 100, b"p")            # private memory: this process's alone
        at = append_number(path, at, 100, <uint64_t> area.proc.pid, 16)
        at = append(path, at, 100, b".")
        append_number(path, at, 100, key, 16)


cdef long umtx_shm(area_t *area, uaddr key, uint32_t flags) noexcept nogil:
    """A descriptor of the page that belongs to a key, which is made or looked up; or is it destroyed, or alive?"""
    cdef mapping_t mapping
    cdef linux_stat st
    cdef char path[100]
    cdef uint64_t how = LINUX_O_RDWR | LINUX_O_CLOEXEC | LINUX_O_NOFOLLOW
    cdef long fd
    cdef int attempt
    cdef bint gone
    flags &= FREEBSD_UMTX_SHM_CREAT | FREEBSD_UMTX_SHM_LOOKUP | FREEBSD_UMTX_SHM_DESTROY | FREEBSD_UMTX_SHM_ALIVE
    if flags == 0 or flags & (flags - 1):
        return -LINUX_EINVAL
    if mapping_find(key, &mapping) < 0:
        return -LINUX_EFAULT
    if flags == FREEBSD_UMTX_SHM_ALIVE:
        gone = mapping.deleted and (string_starts(mapping.name, UMTX_FILE) or string_starts(mapping.name, UMTX_FILE_TMP))
        return -LINUX_ENOTTY if gone else 0
    if flags == FREEBSD_UMTX_SHM_CREAT:
        how |= LINUX_O_CREAT
    fd = -LINUX_ESRCH
    for attempt in range(2):
        umtx_shm_path(area, key, &mapping, UMTX_FILE if attempt == 0 else UMTX_FILE_TMP, path)
        if flags == FREEBSD_UMTX_SHM_DESTROY:
            fd = linux_syscall1(LINUX_SYS_unlink, <uint64_t> path)
        else:
            fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, how, 0o600)
        if not is_error(fd):
            break
    if is_error(fd):
        return -LINUX_ESRCH if fd == -LINUX_ENOENT else fd
    if flags == FREEBSD_UMTX_SHM_CREAT and linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st) == 0 \
            and st.st_size < PAGE_SIZE:
        linux_syscall2(LINUX_SYS_ftruncate, fd, PAGE_SIZE)
    return fd

# kern.ipc.posix_shm_list, which posixshmcontrol(1) asks for: the shared memory objects that have a name.
# Model: FreeBSD sys/kern/uipc_shm.c (sysctl_posix_shm_list, shm_fill_kinfo_locked).

cdef enum:
    SHM_LIST_BUFFER = 4096


cdef uint64_t shm_unescape(const char *name, char *out, uint64_t size) noexcept nogil:
    """The name of an object for that of its file, which ipc/shm.pxi made: with a slash, and %XX for what cannot stand in one."""
    cdef uint64_t at = 1, i = 0
    out[0] = c'/'
    while name[i] != 0 and at + 1 < size:
        if name[i] == c'%' and hex_digit(name[i + 1]) >= 0 and hex_digit(name[i + 2]) >= 0:
            out[at] = <char> (hex_digit(name[i + 1]) * 16 + hex_digit(name[i + 2]))
            i += 2
        else:
            out[at] = name[i]
        i += 1
        at += 1
    out[at] = 0
    return at


cdef long out_shared_memory(sysctl_request_t *request, int folder, const char *name) noexcept nogil:
    """The record of one file of /dev/shm: 0, also for what is no object of this user's to see."""
    cdef freebsd_kinfo_file info
    cdef linux_stat st
    if is_error(linux_syscall4(LINUX_SYS_newfstatat, folder, <uint64_t> name, <uint64_t> &st, LINUX_AT_SYMLINK_NOFOLLOW)) \
            or st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG:
        return 0
    if is_error(linux_syscall4(LINUX_SYS_faccessat2, folder, <uint64_t> name, LINUX_R_OK, LINUX_AT_EACCESS)):
        return 0                            # shm_access: EPERM is passed over
    memset(&info, 0, sizeof(info))
    info.kf_type = FREEBSD_KF_TYPE_SHM
    info.kf_un.kf_file.kf_file_mode = <uint16_t> st.st_mode
    info.kf_un.kf_file.kf_file_size = <uint64_t> st.st_size
    shm_unescape(name, info.kf_path, sizeof(info.kf_path))
    return out_kinfo_file(request, &info)


cdef public long sysctl_posix_shm_list(sysctl_request_t *request) noexcept nogil:
    cdef unsigned char buffer[SHM_LIST_BUFFER]
    cdef const char *name
    cdef long got, at, result = 0
    cdef long folder = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/dev/shm",
                                      LINUX_O_DIRECTORY | LINUX_O_CLOEXEC, 0)
    if is_error(folder):
        return 0
    while result == 0:
        got = linux_syscall3(LINUX_SYS_getdents64, folder, <uint64_t> buffer, SHM_LIST_BUFFER)
        if got <= 0:
            break
        at = 0
        while at < got and result == 0:
            name = <const char *> &buffer[at + 19]          # struct linux_dirent64: two numbers, the length, the type
            if name[0] != c'.' and not string_starts(name, b"ksem.") and not string_starts(name, b"sem."):
                result = out_shared_memory(request, <int> folder, name)
            at += (<uint16_t *> &buffer[at + 16])[0]
    linux_syscall1(LINUX_SYS_close, folder)
    return result

# File systems: statfs, fstatfs, getfsstat and their former layout. What Linux's statfs(2) does not tell (the names) is
# read from /proc/self/mountinfo; where that is not to be had, the path is on "/".
# Model: FreeBSD sys/kern/vfs_syscalls.c (kern_statfs, kern_getfsstat).

cdef enum:
    STATX_MNT_ID_WORD = 18              # of struct statx, in 64-bit words: stx_mnt_id
    PATH_SPACE = 1024                   # the names in struct statfs, with their NUL

# One line of mountinfo; the names point into it.
cdef struct mount_t:
    uint64_t id
    char *on
    char *type
    char *source

# The mount that was described last: up to FreeBSD 12 opendir(3) asks for the file system of each directory.
cdef struct mount_cache_t:
    uint32_t busy
    uint64_t id                 # STATX_MNT_ID_UNIQUE
    char on[PATH_SPACE]
    char type[64]
    char source[PATH_SPACE]

# /proc/self/mountinfo in memory, and where the next line begins.
cdef struct mounts_t:
    char *text
    uint64_t size, used, at

cdef bint mounts_read(mounts_t *mounts) noexcept nogil:
    """Read mountinfo; False where there is none. mounts_free gives the memory back either way."""
    cdef long fd, got
    mounts.size = 65536
    mounts.text = NULL
    mounts.at = 0
    while mounts.size <= 16 << 20:
        mounts.used = 0
        mounts.text = <char *> map_memory(mounts.size)
        if mounts.text == NULL:
            return False
        fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/proc/self/mountinfo",
                            LINUX_O_CLOEXEC, 0)
        if is_error(fd):
            return False
        while True:
            got = linux_syscall3(LINUX_SYS_read, fd, <uint64_t> (mounts.text + mounts.used), mounts.size - 1 - mounts.used)
            if got <= 0:
                break
            mounts.used += got
        linux_syscall1(LINUX_SYS_close, fd)
        if mounts.used < mounts.size - 1:
            return mounts.used > 0
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> mounts.text, mounts.size)     # a line may be cut: again, with more room
        mounts.text = NULL
        mounts.size *= 4
    return False


cdef void mounts_free(mounts_t *mounts) noexcept nogil:
    if mounts.text != NULL:
        linux_syscall2(LINUX_SYS_munmap, <uint64_t> mounts.text, mounts.size)


cdef char *next_field(mounts_t *mounts) noexcept nogil:
    """The next field of the line, NUL-terminated and with \\ooo undone in place, or NULL at the line's end."""
    cdef char *text = mounts.text
    cdef uint64_t start, end
    while text[mounts.at] == c' ':
        mounts.at += 1
    if text[mounts.at] == 0:
        return NULL
    start = mounts.at
    end = start
    while text[mounts.at] != c' ' and text[mounts.at] != 0:
        if text[mounts.at] == c'\\' and c'0' <= text[mounts.at + 1] <= c'3':
            text[end] = <char> ((text[mounts.at + 1] - 48) * 64 + (text[mounts.at + 2] - 48) * 8
                                + text[mounts.at + 3] - 48)
            mounts.at += 4
        else:
            text[end] = text[mounts.at]
            mounts.at += 1
        end += 1
    if text[mounts.at] == c' ':
        mounts.at += 1
    text[end] = 0
    return &text[start]


cdef bint next_mount(mounts_t *mounts, mount_t *mount) noexcept nogil:
    """The next line: `id parent major:minor root on options [tag...] - type source superoptions`."""
    cdef char *field
    cdef uint64_t line_end
    cdef int i
    while mounts.at < mounts.used:
        memset(mount, 0, sizeof(mount_t))
        line_end = mounts.at
        while line_end < mounts.used and mounts.text[line_end] != c'\n':
            line_end += 1
        mounts.text[line_end] = 0
        field = next_field(mounts)
        if field != NULL:
            i = 0
            while c'0' <= field[i] <= c'9':
                mount.id = mount.id * 10 + field[i] - 48
                i += 1
            for i in range(4):
                field = next_field(mounts)
            mount.on = field
            while field != NULL and not string_equal(field, b"-"):
                field = next_field(mounts)
            if field != NULL:
                mount.type = next_field(mounts)
                mount.source = next_field(mounts)
        mounts.at = line_end + 1
        if mount.on != NULL and mount.type != NULL and mount.source != NULL:
            return True
    return False


cdef uint64_t mount_number(int dirfd, uaddr path, uint64_t linux_flags, uint32_t which) noexcept nogil:
    """The number of the mount that a file lies on (Linux 5.8), as mountinfo has it or a unique one; 0: not known."""
    cdef uint64_t sx[32]
    sx[0] = 0
    if is_error(linux_syscall5(LINUX_SYS_statx, <uint64_t> <int64_t> dirfd, path, linux_flags, which, <uint64_t> sx)):
        return 0
    return sx[STATX_MNT_ID_WORD] if sx[0] & which else 0


cdef void describe(freebsd_statfs *to, const linux_statfs *source, mount_t *mount) noexcept nogil:
    """FreeBSD's struct from Linux's and the mount, which may be NULL."""
    if mount == NULL:
        freebsd_statfs_from_linux(to, source, NULL, b"/")
        copy_text(to.f_mntfromname, to.f_fstypename, PATH_SPACE)
    else:
        freebsd_statfs_from_linux(to, source, mount.source, mount.on)
        if string_equal(mount.type, b"devtmpfs"):
            copy_text(to.f_fstypename, b"devfs", 16)
        elif string_equal(to.f_fstypename, b"unknown"):
            copy_text(to.f_fstypename, mount.type, 16)
    if to.f_bsize == 0:
        to.f_bsize = PAGE_SIZE
    if to.f_iosize == 0:
        to.f_iosize = to.f_bsize
    if to.f_blocks == 0:
        to.f_flags |= FREEBSD_MNT_IGNORE        # /proc and its kin: nothing for df(1) to show
    if string_equal(to.f_mntonname, b"/"):
        to.f_flags |= FREEBSD_MNT_ROOTFS


cdef mount_cache_t *mount_cache_take(process_t *proc) noexcept nogil:
    """The cache, for this thread alone until mount_cache_give; NULL where another has it or memory is short."""
    cdef mount_cache_t *cache
    if proc.own.mount_cache == 0:
        proc.own.mount_cache = map_memory(page_up(sizeof(mount_cache_t)))
    cache = <mount_cache_t *> proc.own.mount_cache
    if cache == NULL or atomic_cas32(&cache.busy, 0, 1) != 0:
        return NULL
    return cache


cdef void mount_cache_give(mount_cache_t *cache) noexcept nogil:
    if cache != NULL:
        atomic_store32(&cache.busy, 0)


cdef void describe_file(process_t *proc, freebsd_statfs *to, const linux_statfs *source, int dirfd, uaddr path,
                        uint64_t linux_flags) noexcept nogil:
    """describe, with the mount looked up that a file lies on."""
    cdef mounts_t mounts
    cdef mount_t mount
    cdef mount_cache_t *cache = NULL
    cdef uint64_t id, unique = mount_number(dirfd, path, linux_flags, LINUX_STATX_MNT_ID_UNIQUE)
    cdef bint found = False
    mounts.text = NULL
    if unique != 0:
        cache = mount_cache_take(proc)
        if cache != NULL and cache.id == unique:
            mount.on = cache.on
            mount.type = cache.type
            mount.source = cache.source
            describe(to, source, &mount)
            mount_cache_give(cache)
            return
    id = mount_number(dirfd, path, linux_flags, LINUX_STATX_MNT_ID)
    if id != 0 and mounts_read(&mounts):
        while not found and next_mount(&mounts, &mount):
            found = mount.id == id
    if found:
        describe(to, source, &mount)
        if cache != NULL:
            copy_text(cache.on, mount.on, PATH_SPACE)
            copy_text(cache.type, mount.type, sizeof(cache.type))
            copy_text(cache.source, mount.source, PATH_SPACE)
            cache.id = unique
    else:
        describe(to, source, NULL)
    mounts_free(&mounts)
    mount_cache_give(cache)


cdef public long sys_chroot(frame_t *frame, area_t *area) noexcept nogil:
    """Mounts have other paths afterwards."""
    cdef mount_cache_t *cache
    cdef char path[FREEBSD_PATH_MAX]
    cdef long result
    if area.proc.lookup != NULL:
        result = copyinstr(frame.arg[0], path, FREEBSD_PATH_MAX, NULL)
        return result if result < 0 else -LINUX_EPERM         # the rules of the view would not hold in there
    result = linux_syscall1(LINUX_SYS_chroot, frame.arg[0])
    if result == 0 and area.proc.own.mount_cache != 0:
        cache = mount_cache_take(area.proc)
        if cache != NULL:
            cache.id = 0
        mount_cache_give(cache)
    return result


cdef long statfs_path(process_t *proc, uaddr path, freebsd_statfs *to) noexcept nogil:
    cdef linux_statfs fs
    cdef long result = linux_syscall2(LINUX_SYS_statfs, path, <uint64_t> &fs)
    if not is_error(result):
        describe_file(proc, to, &fs, LINUX_AT_FDCWD, path, 0)
    return result


cdef long statfs_descriptor(process_t *proc, int fd, freebsd_statfs *to) noexcept nogil:
    cdef linux_statfs fs
    cdef long result = -LINUX_EBADF
    if not descriptor_is_hidden(proc, fd):
        result = linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs)
    if is_error(result):
        return result
    if fs.f_type == LINUX_PIPEFS_MAGIC or fs.f_type == LINUX_SOCKFS_MAGIC or fs.f_type == LINUX_ANON_INODE_FS_MAGIC:
        return -LINUX_EINVAL                  # no vnode
    describe_file(proc, to, &fs, fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    return 0


cdef long copyout_statfs(const freebsd_statfs *fs, uaddr to, bint old) noexcept nogil:
    cdef freebsd11_statfs fs11
    if not old:
        return copyout(fs, to, sizeof(freebsd_statfs))
    freebsd11_statfs_from_freebsd(&fs11, fs)
    return copyout(&fs11, to, sizeof(fs11))


cdef long all_mounts(uaddr buffer, uint64_t size, int mode, bint old) noexcept nogil:
    """getfsstat(2): fills whole structs and returns their number; without a buffer the number of file systems."""
    cdef mounts_t mounts
    cdef mount_t mount
    cdef linux_statfs fs
    cdef freebsd_statfs to
    cdef uint64_t one = sizeof(freebsd11_statfs) if old else sizeof(freebsd_statfs)
    cdef uint64_t count = 0, id, room = size / one
    cdef long result = 0
    cdef bint root = False, have
    if mode != FREEBSD_MNT_WAIT and mode != FREEBSD_MNT_NOWAIT:
        return -LINUX_EINVAL
    if buffer == 0 or size == 0:
        buffer = 0
        room = 0x7fffffff
    have = mounts_read(&mounts)
    while count < room and result == 0:
        if have and next_mount(&mounts, &mount):
            # What another mount covers has no path any more; to ask autofs would mount.
            id = mount_number(LINUX_AT_FDCWD, <uint64_t> mount.on, 0, LINUX_STATX_MNT_ID)
            if (id != 0 and id != mount.id) or string_equal(mount.type, b"autofs"):
                continue
            if is_error(linux_syscall2(LINUX_SYS_statfs, <uint64_t> mount.on, <uint64_t> &fs)):
                continue
            if string_equal(mount.on, b"/"):
                root = True
            describe(&to, &fs, &mount)
        elif not root:
            # In a chroot the root need not be a mount.
            root = True
            if is_error(linux_syscall2(LINUX_SYS_statfs, <uint64_t> <const char *> b"/", <uint64_t> &fs)):
                continue
            describe(&to, &fs, NULL)
        else:
            break
        if buffer != 0:
            result = copyout_statfs(&to, buffer + count * one, old)
        count += 1
    mounts_free(&mounts)
    return result if result < 0 else <long> count


cdef public long sys_statfs(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_statfs fs
    cdef long result = statfs_path(area.proc, frame.arg[0], &fs)
    return result if is_error(result) else copyout_statfs(&fs, frame.arg[1], False)


cdef public long sys_fstatfs(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_statfs fs
    cdef long result = statfs_descriptor(area.proc, <int> frame.arg[0], &fs)
    return result if is_error(result) else copyout_statfs(&fs, frame.arg[1], False)


cdef public long sys_getfsstat(frame_t *frame, area_t *area) noexcept nogil:
    if <int64_t> frame.arg[1] < 0:
        return -LINUX_EINVAL
    return all_mounts(frame.arg[0], frame.arg[1], <int> frame.arg[2], False)


cdef public long sys_freebsd11_statfs(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_statfs fs
    cdef long result = statfs_path(area.proc, frame.arg[0], &fs)
    return result if is_error(result) else copyout_statfs(&fs, frame.arg[1], True)


cdef public long sys_freebsd11_fstatfs(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_statfs fs
    cdef long result = statfs_descriptor(area.proc, <int> frame.arg[0], &fs)
    return result if is_error(result) else copyout_statfs(&fs, frame.arg[1], True)


cdef public long sys_freebsd11_getfsstat(frame_t *frame, area_t *area) noexcept nogil:
    if <int64_t> frame.arg[1] < 0:
        return -LINUX_EINVAL
    return all_mounts(frame.arg[0], frame.arg[1], <int> frame.arg[2], True)


# --- the kinds of file systems: getvfsbyname(3) ----------------------------------------------------------------------


cdef long add_vfsconf(sysctl_request_t *request, const char *name, uint32_t magic, int flags) noexcept nogil:
    cdef freebsd_xvfsconf conf
    memset(&conf, 0, sizeof(conf))
    copy_text(conf.vfc_name, name, sizeof(conf.vfc_name))
    conf.vfc_typenum = <int32_t> magic
    conf.vfc_flags = FREEBSD_VFCF_STATIC | flags
    return sysctl_out(request, &conf, sizeof(conf))


cdef public long sysctl_vfs_conflist(sysctl_request_t *request) noexcept nogil:
    """Every name that f_fstypename can have: the table's, and what is mounted and is in no table."""
    cdef mounts_t mounts
    cdef mount_t mount
    cdef linux_statfs fs
    cdef freebsd_statfs described
    cdef lsf_fstype *row = lsf_fstypes
    cdef lsf_fstype *before
    cdef long result = 0
    while row.magic != 0 and result == 0:
        before = lsf_fstypes
        while before != row and not string_equal(before.name, row.name):
            before += 1
        if before == row:
            result = add_vfsconf(request, row.name, row.magic, 0 if row.local else FREEBSD_VFCF_NETWORK)
        row += 1
    mounts.text = NULL
    if result == 0 and mounts_read(&mounts):
        while result == 0 and next_mount(&mounts, &mount):
            if is_error(linux_syscall2(LINUX_SYS_statfs, <uint64_t> mount.on, <uint64_t> &fs)):
                continue
            if fstype_from_linux(<uint32_t> fs.f_type).magic == 0:
                describe(&described, &fs, &mount)
                result = add_vfsconf(request, described.f_fstypename, described.f_type, 0)
    mounts_free(&mounts)
    return result

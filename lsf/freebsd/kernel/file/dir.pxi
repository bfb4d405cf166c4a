# Directories: getdirentries and its former layouts, the current directory. Model: FreeBSD sys/kern/vfs_syscalls.c
# (kern_getdirentries), vfs_cache.c (sys___getcwd).
#
# Offsets are Linux's cookies: what d_off, *basep and lseek tell is a place that lseek takes back.

cdef enum:
    DIRECTORY_BUFFER = 6144             # Linux's entries; the shim stack is small
    DIRENT_MAX = 288                    # FreeBSD's longest record, with a name of 255 bytes


cdef bint entry_is_hidden(process_t *proc, int fd, const linux_dirent64 *entry) noexcept nogil:
    """True for the name of a hidden descriptor in a directory of /proc that lists descriptors (/dev/fd)."""
    cdef uint64_t number = 0
    cdef int i = 0
    cdef linux_statfs fs
    while c'0' <= entry.d_name[i] <= c'9' and i < 9:
        number = number * 10 + entry.d_name[i] - 48
        i += 1
    if i == 0 or entry.d_name[i] != 0 or not descriptor_is_hidden(proc, <int> number) or entry.d_type != 10:
        return False
    return (not is_error(linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs))
            and fs.f_type == LINUX_PROC_SUPER_MAGIC)


cdef bint directory_is_top(process_t *proc, int fd) noexcept nogil:
    """True for the kept folder that a view by look-up lists as "/"."""
    cdef linux_statx opened, top
    if proc.lookup == NULL or (<lookup_t *> proc.lookup).top == NULL:
        return False
    return (not is_error(linux_syscall5(LINUX_SYS_statx, <uint32_t> fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH,
                                        LINUX_STATX_INO, <uint64_t> &opened))
            and not is_error(linux_syscall5(LINUX_SYS_statx, <uint64_t> LINUX_AT_FDCWD,
                                            <uint64_t> (<lookup_t *> proc.lookup).top, 0,
                                            LINUX_STATX_INO, <uint64_t> &top))
            and opened.stx_ino == top.stx_ino and opened.stx_dev_major == top.stx_dev_major
            and opened.stx_dev_minor == top.stx_dev_minor)


cdef void number_top_entry(process_t *proc, linux_dirent64 *entry) noexcept nogil:
    """Give an entry of the kept folder the file number of what the view has there: getcwd(3) searches for it."""
    cdef char host[LOOKUP_PATH]
    cdef char path[DIRENT_MAX]
    cdef linux_statx sx
    cdef const char *name = <const char *> entry.d_name
    if string_equal(name, b".") or string_equal(name, b".."):
        return
    append(path, append(path, 0, DIRENT_MAX, b"/"), DIRENT_MAX, name)
    lookup_host(<lookup_t *> proc.lookup, path, host)
    if not is_error(linux_syscall5(LINUX_SYS_statx, <uint64_t> LINUX_AT_FDCWD, <uint64_t> host, LINUX_AT_SYMLINK_NOFOLLOW,
                                   LINUX_STATX_INO, <uint64_t> &sx)):
        entry.d_ino = sx.stx_ino


cdef long directory_offset(area_t *area, int fd) noexcept nogil:
    """Where a directory is being read. lseek tells, but ext4 then throws away what it has read ahead, and a loop over
    getdirentries, which asks each time, takes twice as long: so a thread remembers where it stands, as long as nothing
    in the process can have moved the offset."""
    cdef long result
    if area.own.directory_fd == fd and area.own.directory_changes == area.proc.own.directory_changes and area.own.directory_changes:
        return area.own.directory_next
    result = linux_syscall3(LINUX_SYS_lseek, <uint32_t> fd, 0, FREEBSD_SEEK_CUR)
    return -LINUX_EINVAL if result == -LINUX_ESPIPE else result


cdef void directory_moved(area_t *area, int fd, long next_) noexcept nogil:
    """This thread has read a directory up to `next_`; other threads' knowledge of it is stale."""
    area.proc.own.directory_changes += 1
    area.own.directory_fd = fd
    area.own.directory_next = next_
    area.own.directory_changes = area.proc.own.directory_changes


cdef long access_mode(int fd) noexcept nogil:
    """O_RDONLY, O_WRONLY or O_RDWR of a descriptor, or an error."""
    cdef long flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFL)
    return flags if is_error(flags) else flags & LINUX_O_ACCMODE


cdef bint is_vnode(int fd) noexcept nogil:
    """True for what has a name, or had one: no pipe, no socket, nothing that Linux has made up."""
    cdef linux_statfs fs
    cdef long mode = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(mode) or mode & LINUX_S_IFMT == LINUX_S_IFSOCK or mode & LINUX_S_IFMT == 0:
        return False
    return mode & LINUX_S_IFMT != LINUX_S_IFIFO or (
        not is_error(linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs)) and fs.f_type != LINUX_PIPEFS_MAGIC)


cdef long read_directory(area_t *area, int fd, uaddr buffer, uint64_t count, uaddr base, bint old) noexcept nogil:
    """getdirentries(2): entries in FreeBSD's layout, or in that of FreeBSD 11 (`old`)."""
    cdef char source[DIRECTORY_BUFFER]
    cdef char record[DIRENT_MAX]
    cdef linux_dirent64 *entry
    cdef uint64_t room = count, ask, size
    cdef long start, got, at = 0
    cdef int64_t place = -1
    cdef char zero = 0
    cdef bint top
    if <int64_t> count < 0:
        return -LINUX_EINVAL
    start = directory_offset(area, fd)
    if is_error(start):
        return start
    # A record of FreeBSD's is at most 8 bytes longer than Linux's, which has 24 at least: three quarters fit for sure.
    ask = DIRECTORY_BUFFER if count > DIRECTORY_BUFFER else count
    if not old and count >= 1024 and ask > count / 4 * 3:
        ask = count / 4 * 3
    if count != 0 and copyout(&zero, buffer, 1) < 0:
        return -LINUX_EFAULT
    got = linux_syscall3(LINUX_SYS_getdents64, <uint32_t> fd, <uint64_t> source, ask)
    if is_error(got):
        if got == -LINUX_ENOENT and area.proc.own.osreldate < FREEBSD_SINCE_ENTRIES_NOTDIR:
            got = 0                     # the directory is removed: FreeBSD found it empty
        else:
            if got == -LINUX_ENOTDIR and access_mode(fd) == LINUX_O_WRONLY:
                return -LINUX_EBADF     # whatever it is
            if got == -LINUX_ENOTDIR and area.proc.own.osreldate >= FREEBSD_SINCE_ENTRIES_NOTDIR and is_vnode(fd):
                return got
            return -LINUX_EINVAL if got == -LINUX_ENOTDIR else got
    top = got > 0 and directory_is_top(area.proc, fd)
    while at < got:
        entry = <linux_dirent64 *> &source[at]
        at += entry.d_reclen
        if entry_is_hidden(area.proc, fd, entry):
            place = entry.d_off
            continue
        if top:
            number_top_entry(area.proc, entry)
        if old:
            size = freebsd11_dirent_from_linux(record, DIRENT_MAX, entry)
        else:
            size = freebsd_dirent_from_linux(record, DIRENT_MAX, entry)
        if size == 0:
            place = entry.d_off         # no name of FreeBSD's is that long
            continue
        if size > room or copyout(record, buffer + (count - room), size) < 0:
            if room == count and place < 0:
                place = start
            area.proc.own.directory_changes += 1
            linux_syscall3(LINUX_SYS_lseek, <uint32_t> fd, <uint64_t> place, FREEBSD_SEEK_SET)
            if room == count:
                return -LINUX_EINVAL if size > room else -LINUX_EFAULT
            break
        place = entry.d_off
        room -= size
    if place < 0:
        place = start                   # nothing was read: the end
    directory_moved(area, fd, place)
    if base != 0 and store_guest64(base, <uint64_t> start) < 0:
        return -LINUX_EFAULT
    return <long> (count - room)


cdef public long sys_getdirentries(frame_t *frame, area_t *area) noexcept nogil:
    return read_directory(area, <int> frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], False)


cdef public long sys_freebsd11_getdirentries(frame_t *frame, area_t *area) noexcept nogil:
    return read_directory(area, <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], frame.arg[3], True)


cdef public long sys_freebsd11_getdents(frame_t *frame, area_t *area) noexcept nogil:
    return read_directory(area, <int> frame.arg[0], frame.arg[1], frame.arg[2], 0, True)


cdef public long sys___getcwd(frame_t *frame, area_t *area) noexcept nogil:
    """The current directory with its NUL; returns 0. Too small a buffer is ENOMEM, what has no name here ENOENT."""
    cdef uint64_t size = frame.arg[1]
    cdef char first = 0
    cdef char path[LOOKUP_PATH]
    cdef long result
    if size < 2:
        return -LINUX_EINVAL
    if size > FREEBSD_PATH_MAX:
        size = FREEBSD_PATH_MAX
    if area.proc.lookup != NULL:
        result = linux_syscall2(LINUX_SYS_getcwd, <uint64_t> path, LOOKUP_PATH)
        if is_error(result):
            return -LINUX_ENOMEM if result == -LINUX_ERANGE else result
        if path[0] != c'/':
            return -LINUX_ENOENT
        lookup_guest(area.proc, path, LOOKUP_PATH)
        return -LINUX_ENOMEM if string_length(path) >= size else copyout(path, frame.arg[0], string_length(path) + 1)
    result = linux_syscall2(LINUX_SYS_getcwd, frame.arg[0], size)
    if is_error(result):
        return -LINUX_ENOMEM if result == -LINUX_ERANGE else result
    if copyin(frame.arg[0], &first, 1) < 0:
        return -LINUX_EFAULT
    return 0 if first == c'/' else -LINUX_ENOENT        # Linux: "(unreachable)/..."

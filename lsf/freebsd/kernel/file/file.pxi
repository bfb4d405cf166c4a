# Opening and reading and writing. Model: FreeBSD sys/kern/vfs_syscalls.c (kern_openat), vfs_vnops.c (vn_open_cred),
# sys_generic.c.
#
# read, write, readv, writev and their positioned kin are in the pass lane. Paths go to Linux as they are; that they have
# FreeBSD's 1023 bytes at most, the guards before the handlers have looked (lsf/_build/generate.py).

cdef enum:
    CREATE_MODE = 0o6777                # the modes that open(2) gives a new file: no sticky bit
    NOT_CREATED = -0x10000              # create_unopened: no descriptor, and no error

cdef enum:
    WORD_DEV_FD = 0x2f64662f7665642fUL      # "/dev/fd/"
    WORD_DEV_STD = 0x6474732f7665642fUL     # "/dev/std"


cdef int device_descriptor(uaddr path, uint64_t head) noexcept nogil:
    """The descriptor that /dev/fd/N, /dev/stdin, /dev/stdout or /dev/stderr names, or -1 for any other path."""
    cdef char name[24]
    cdef int value = 0, i = 8
    if copyinstr(path, name, 24, NULL) < 0:
        return -1
    if head == WORD_DEV_STD:
        if string_equal(&name[8], b"in"):
            return 0
        if string_equal(&name[8], b"out"):
            return 1
        if string_equal(&name[8], b"err"):
            return 2
        return -1
    while c'0' <= name[i] <= c'9' and i < 16:
        value = value * 10 + name[i] - 48
        i += 1
    return value if i > 8 and name[i] == 0 else -1


cdef long open_descriptor(process_t *proc, int fd, uint32_t flags) noexcept nogil:
    """Open /dev/fd/N: FreeBSD makes a duplicate, which shares the offset, where Linux opens the file anew."""
    cdef long have, want = flags & FREEBSD_O_ACCMODE
    if descriptor_is_hidden(proc, fd):
        return -LINUX_ENOENT
    have = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL)
    if is_error(have):
        return have
    if have & LINUX_O_PATH or (have & 3 != FREEBSD_O_RDWR and have & 3 != want):
        return -LINUX_EACCES
    # All is copied, close-on-exec and rights too: O_CLOEXEC has no say (dupfdopen).
    have = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_DUPFD_CLOEXEC if linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD) > 0
                          else LINUX_F_DUPFD, 0)
    fd_duplicated(proc, fd, have)
    return have


cdef long open_beneath(int dirfd, uaddr path, uint64_t linux_flags, uint64_t mode) noexcept nogil:
    """openat2(2) with RESOLVE_BENEATH; ENOTCAPABLE where the path leaves the directory."""
    cdef uint64_t how[3]
    cdef long result
    how[0] = linux_flags
    if linux_flags & LINUX_O_PATH:
        how[0] = linux_flags & (LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW)
    how[1] = mode if linux_flags & LINUX_O_CREAT else 0
    how[2] = LINUX_RESOLVE_BENEATH
    result = blocking_syscall(LINUX_SYS_openat2, <uint64_t> <int64_t> dirfd, path, <uint64_t> how, sizeof(how), 0, 0)
    if result == -LINUX_EXDEV:
        return guest_error(FREEBSD_ENOTCAPABLE)
    return result


cdef long reopen(process_t *proc, int fd, uint64_t linux_flags) noexcept nogil:
    """Open the file of a descriptor anew (O_EMPTY_PATH)."""
    cdef char link[32]
    cdef long result
    if fd == LINUX_AT_FDCWD:
        return linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b".", linux_flags, 0)
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    result = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
    if is_error(result):
        return result
    descriptor_path(fd, link)
    result = blocking_syscall(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> link,
                              linux_flags & ~<uint64_t> LINUX_O_NOFOLLOW, 0, 0, 0)
    if result == -LINUX_ENXIO and mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH) & LINUX_S_IFMT == LINUX_S_IFSOCK:
        return -LINUX_EOPNOTSUPP
    if result == -LINUX_ENOENT:           # no /proc here: a directory can do without
        result = linux_syscall4(LINUX_SYS_openat, <uint32_t> fd, <uint64_t> <const char *> b".", linux_flags, 0)
        if result == -LINUX_ENOTDIR:
            return -LINUX_ENOENT
    return result


cdef long check_executable(int fd, bint nofollow) noexcept nogil:
    """O_EXEC: the opened file may be executed (a directory: searched)."""
    cdef long mode, result
    cdef const char *empty = b""
    if nofollow:
        mode = mode_of(fd, <uint64_t> empty, LINUX_AT_EMPTY_PATH)
        if is_error(mode):
            return mode
        if mode & LINUX_S_IFMT == LINUX_S_IFLNK:
            return -LINUX_EMLINK
    result = linux_syscall4(LINUX_SYS_faccessat2, fd, <uint64_t> empty, LINUX_X_OK, LINUX_AT_EACCESS | LINUX_AT_EMPTY_PATH)
    if result == -LINUX_ENOSYS:
        mode = mode_of(fd, <uint64_t> empty, LINUX_AT_EMPTY_PATH)
        result = 0 if not is_error(mode) and mode & 0o111 else -LINUX_EACCES
    return result


cdef long lock_opened(int fd, uint32_t flags, uint64_t linux_flags) noexcept nogil:
    """O_SHLOCK and O_EXLOCK, which an opened FIFO has not (vn_open_vnode_advlock), and the truncation that waited for the lock."""
    cdef long result = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if not is_error(result) and result & LINUX_S_IFMT == LINUX_S_IFIFO:
        return -LINUX_EOPNOTSUPP
    result = flock_take(fd, flags & FREEBSD_O_EXLOCK != 0, flags & FREEBSD_O_NONBLOCK == 0)
    if not is_error(result) and flags & FREEBSD_O_TRUNC and linux_flags & 3:
        result = linux_syscall2(LINUX_SYS_ftruncate, fd, 0)
    return result


cdef long create_unopened(int dirfd, uaddr path, uint32_t flags, uint64_t linux_flags, uint64_t mode) noexcept nogil:
    """O_CREAT beside O_PATH or O_EXEC, where Linux forgets it: a descriptor of O_PATH for the new file; an error; or NOT_CREATED where
    the file is there, or a plain open says what is wrong. Model: FreeBSD sys/kern/vfs_vnops.c (vn_open_cred)."""
    cdef char link[32]
    cdef long made, kind = -LINUX_ENOENT
    cdef uint64_t nofollow = linux_flags & LINUX_O_NOFOLLOW
    if not flags & FREEBSD_O_EXCL:
        kind = mode_of(dirfd, path, LINUX_AT_SYMLINK_NOFOLLOW if nofollow else 0)
    if kind != -LINUX_ENOENT:
        return -LINUX_EISDIR if not is_error(kind) and kind & LINUX_S_IFMT == LINUX_S_IFDIR else NOT_CREATED
    linux_flags = (linux_flags & LINUX_O_CLOEXEC) | nofollow | LINUX_O_CREAT | LINUX_O_NONBLOCK | LINUX_O_NOCTTY
    if flags & FREEBSD_O_EXCL:
        linux_flags |= LINUX_O_EXCL
    if flags & FREEBSD_O_RESOLVE_BENEATH:
        made = open_beneath(dirfd, path, linux_flags, mode)
    else:
        made = linux_syscall4(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path, linux_flags, mode)
    if is_error(made):
        return made
    descriptor_path(<int> made, link)
    replace_opened(<int> made, link, 0)
    if path_kind(<int> made) == ACCESS_FILE:
        linux_syscall1(LINUX_SYS_close, made)
        return -LINUX_EMFILE
    return made


cdef long open_special(process_t *proc, int dirfd, uaddr path, uint32_t flags, uint64_t linux_flags,
                       uint64_t mode) noexcept nogil:
    """open with a flag that Linux does not have."""
    cdef uint32_t lock = flags & (FREEBSD_O_SHLOCK | FREEBSD_O_EXLOCK)
    cdef long fd, result = 0
    cdef char first = 0
    if flags & FREEBSD_O_EXEC:
        linux_flags = LINUX_O_PATH | (linux_flags & (LINUX_O_CLOEXEC | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW))
    if lock:
        linux_flags &= ~<uint64_t> LINUX_O_TRUNC
    if flags & FREEBSD_O_EMPTY_PATH:
        if flags & FREEBSD_O_CREAT and not flags & FREEBSD_O_DIRECTORY:
            return -LINUX_EINVAL
        if copyin(path, &first, 1) < 0:
            return -LINUX_EFAULT
    if flags & (FREEBSD_O_PATH | FREEBSD_O_EXEC) and flags & FREEBSD_O_CREAT and not flags & FREEBSD_O_DIRECTORY:
        fd = create_unopened(dirfd, path, flags, linux_flags, mode)
        if fd != NOT_CREATED:
            return fd                   # who makes a file may execute it, whatever its mode (vn_open_vnode)
    if flags & FREEBSD_O_EMPTY_PATH and first == 0:
        fd = reopen(proc, dirfd, linux_flags)
    elif flags & FREEBSD_O_RESOLVE_BENEATH:
        fd = open_beneath(dirfd, path, linux_flags, mode)
    else:
        fd = blocking_syscall(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path, linux_flags, mode, 0, 0)
    if fd < 0:
        return fd
    if flags & FREEBSD_O_EXEC:
        result = check_executable(<int> fd, flags & FREEBSD_O_NOFOLLOW != 0)
    elif lock and not flags & FREEBSD_O_PATH:
        result = lock_opened(<int> fd, flags, linux_flags)
    if is_error(result):
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return fd


cdef long open_error(int dirfd, uaddr path, uint32_t flags, long error) noexcept nogil:
    """FreeBSD's error for a failed open, where Linux has another."""
    cdef long mode
    if (error == -LINUX_ELOOP or error == -LINUX_ENOTDIR) and flags & FREEBSD_O_NOFOLLOW:
        mode = mode_of(dirfd, path, LINUX_AT_SYMLINK_NOFOLLOW)
        if not is_error(mode) and mode & LINUX_S_IFMT == LINUX_S_IFLNK:
            return -LINUX_EMLINK
    if error == -LINUX_ENXIO:
        mode = mode_of(dirfd, path, 0)
        if not is_error(mode) and mode & LINUX_S_IFMT == LINUX_S_IFSOCK:
            return -LINUX_EOPNOTSUPP
    return empty_path_error(dirfd, path, error)


cdef long open_limited(area_t *area, int dirfd, uaddr path, uint32_t flags, uint64_t mode) noexcept nogil:
    """open(2) in a process that has limited descriptors: one that the path names is duplicated, or what is opened is limited as it."""
    cdef long limited = limited_descriptor(area.proc, dirfd, path), result
    if limited < NAMES_NONE:
        return limited
    if limited >= 0 and not flags & (FREEBSD_O_PATH | FREEBSD_O_EXEC | FREEBSD_O_DIRECTORY | FREEBSD_O_NOFOLLOW):
        if flags & FREEBSD_O_CREAT and flags & FREEBSD_O_EXCL:
            return -LINUX_EEXIST
        return open_descriptor(area.proc, <int> limited, flags)
    result = open_file(area, dirfd, path, flags, mode)
    if limited >= 0 and result >= 0:
        caps_copied(area.proc, <int> limited, <int> result)
    return result


cdef long open_file(area_t *area, int dirfd, uaddr path, uint32_t flags, uint64_t mode) noexcept nogil:
    """open(2) and openat(2)."""
    cdef uint64_t head = 0, linux_flags
    cdef long result
    cdef int fd
    cdef bint truncates
    if flags & FREEBSD_O_PATH:
        flags &= ~<uint32_t> FREEBSD_O_ACCMODE
    elif flags & FREEBSD_O_EXEC:
        if flags & FREEBSD_O_ACCMODE:
            return -LINUX_EINVAL
    elif flags & FREEBSD_O_ACCMODE == FREEBSD_O_ACCMODE:
        return -LINUX_EINVAL
    if fetch_guest64(path, &head) == 0 and (head == WORD_DEV_FD or head == WORD_DEV_STD) and not flags & (
            FREEBSD_O_PATH | FREEBSD_O_EXEC | FREEBSD_O_EXCL | FREEBSD_O_DIRECTORY | FREEBSD_O_NOFOLLOW):
        fd = device_descriptor(path, head)
        if fd >= 0:
            return open_descriptor(area.proc, fd, flags)
    # A terminal never becomes the controlling one by an open (FreeBSD: TIOCSCTTY alone).
    linux_flags = <uint64_t> freebsd_to_linux_open_flags(flags) | LINUX_O_NOCTTY
    if flags & FREEBSD_O_DIRECTORY and flags & FREEBSD_O_CREAT:
        if flags & FREEBSD_O_EXCL:
            return -LINUX_EINVAL
        linux_flags &= ~<uint64_t> LINUX_O_CREAT
    mode &= CREATE_MODE
    truncates = flags & FREEBSD_O_TRUNC != 0 and event_truncates(area.proc)
    if flags & (FREEBSD_O_SHLOCK | FREEBSD_O_EXLOCK | FREEBSD_O_EXEC | FREEBSD_O_RESOLVE_BENEATH
                | FREEBSD_O_EMPTY_PATH | FREEBSD_O_PATH):
        result = open_special(area.proc, dirfd, path, flags, linux_flags, mode)
    else:
        result = blocking_syscall(LINUX_SYS_openat, <uint64_t> <int64_t> dirfd, path, linux_flags, mode, 0, 0)
    if truncates:
        event_truncated(area.proc)
    if result < 0:
        return open_error(dirfd, path, flags, restartable(result))
    if flags & FREEBSD_O_PATH:
        area.proc.own.paths_opened |= OPENED_PATHS
        if flags & FREEBSD_O_NOFOLLOW:
            unmark_path(<int> result)
    elif flags & FREEBSD_O_EXEC:
        area.proc.own.paths_opened |= OPENED_PATHS
        mark_executable(<int> result)
    return result


cdef public long sys_open(frame_t *frame, area_t *area) noexcept nogil:
    if area.proc.own.fd_caps != NULL:
        return open_limited(area, LINUX_AT_FDCWD, frame.arg[0], <uint32_t> frame.arg[1], frame.arg[2])
    return open_file(area, LINUX_AT_FDCWD, frame.arg[0], <uint32_t> frame.arg[1], frame.arg[2])


cdef public long sys_openat(frame_t *frame, area_t *area) noexcept nogil:
    if area.proc.own.fd_caps != NULL:
        return open_limited(area, <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], frame.arg[3])
    return open_file(area, <int> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2], frame.arg[3])


# --- reading, writing, seeking ---------------------------------------------------------------------------------------


cdef public long sys_freebsd6_pread(frame_t *frame, area_t *area) noexcept nogil:
    """FreeBSD 6 has a padding argument before the offset."""
    return restartable(blocking_syscall(LINUX_SYS_pread64, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[4], 0, 0))


cdef public long sys_freebsd6_pwrite(frame_t *frame, area_t *area) noexcept nogil:
    return restartable(blocking_syscall(LINUX_SYS_pwrite64, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[4], 0, 0))


cdef long seek(area_t *area, uint64_t fd, uint64_t offset, uint64_t whence) noexcept nogil:
    cdef long result
    area.proc.own.directory_changes += 1
    if area.proc.own.paths_opened:
        if area.proc.own.paths_opened & OPENED_PATHS:
            result = path_error(<int> fd, linux_syscall3(LINUX_SYS_lseek, fd, 0, FREEBSD_SEEK_CUR), -LINUX_ESPIPE)
            if result == -LINUX_ESPIPE:
                return result
        if is_object(area.proc, <int> fd):
            return object_seek(<int> fd, <int64_t> offset, <int> whence)
    if <int64_t> offset <= 0 or <int> whence == FREEBSD_SEEK_SET:
        return tail_syscall3(area, LINUX_SYS_lseek, fd, offset, whence)
    result = linux_syscall3(LINUX_SYS_lseek, fd, offset, whence)
    if result == -LINUX_EINVAL and (<int> whence == FREEBSD_SEEK_CUR or <int> whence == FREEBSD_SEEK_END):
        return -LINUX_EOVERFLOW
    return result


cdef public long sys_lseek(frame_t *frame, area_t *area) noexcept nogil:
    return seek(area, frame.arg[0], frame.arg[1], frame.arg[2])


cdef public long sys_freebsd6_lseek(frame_t *frame, area_t *area) noexcept nogil:
    return seek(area, frame.arg[0], frame.arg[2], frame.arg[3])


cdef long posix_error(long result) noexcept nogil:
    """For calls that return their error as a value: 0, or FreeBSD's errno."""
    if result == -LINUX_EINTR:
        return -LINUX_ERESTARTSYS
    return lsf_errno_map[-result] if is_error(result) else result


cdef public long sys_posix_fallocate(frame_t *frame, area_t *area) noexcept nogil:
    return posix_error(path_error(<int> frame.arg[0], blocking_syscall(
        LINUX_SYS_fallocate, frame.arg[0], 0, frame.arg[1], frame.arg[2], 0, 0), -LINUX_ESPIPE))


cdef public long sys_posix_fadvise(frame_t *frame, area_t *area) noexcept nogil:
    """POSIX_FADV_ numbers are Linux's. Of a descriptor for execution alone advice is taken, and nothing is done."""
    cdef int fd = <int> frame.arg[0]
    cdef uint32_t advice = <uint32_t> frame.arg[3]
    cdef long result = linux_syscall4(LINUX_SYS_fadvise64, fd, frame.arg[1], frame.arg[2], advice)
    if result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE:
        result = -LINUX_EINVAL if <int64_t> (frame.arg[1] | frame.arg[2]) < 0 or advice > LINUX_POSIX_FADV_NOREUSE else 0
    return posix_error(path_error(fd, result, -LINUX_ESPIPE))


# --- between descriptors ---------------------------------------------------------------------------------------------

cdef enum:
    COPY_BUFFER = 65536
    COPY_MOST = 1 << 20                 # bytes that one call copies by hand
    SENDFILE_MOST = 0x7ffff000          # what Linux takes at once


cdef long offset_of(uint64_t fd, uaddr offset, uint64_t *at) noexcept nogil:
    """Where a copy begins: *offset, or the descriptor's own offset where there is no pointer."""
    cdef long result
    if offset != 0:
        return fetch_guest64(offset, at)
    result = linux_syscall3(LINUX_SYS_lseek, fd, 0, FREEBSD_SEEK_CUR)
    at[0] = <uint64_t> result
    return result if is_error(result) else 0


cdef long store_offset(uint64_t fd, uaddr offset, uint64_t at) noexcept nogil:
    if offset != 0:
        return store_guest64(offset, at)
    return linux_syscall3(LINUX_SYS_lseek, fd, at, FREEBSD_SEEK_SET)


cdef long copy_by_hand(frame_t *frame) noexcept nogil:
    """copy_file_range where Linux has no method for the two file systems."""
    cdef uint64_t from_fd = frame.arg[0], to_fd = frame.arg[2], length = frame.arg[4]
    cdef uint64_t from_at = 0, to_at = 0, done = 0, memory, chunk
    cdef long result, got = 0, put = 0
    if length > COPY_MOST:
        length = COPY_MOST
    result = offset_of(from_fd, frame.arg[1], &from_at)
    if result == 0:
        result = offset_of(to_fd, frame.arg[3], &to_at)
    if result < 0:
        return result
    memory = map_memory(COPY_BUFFER)
    if memory == 0:
        return -LINUX_ENOMEM
    while done < length:
        chunk = length - done if length - done < COPY_BUFFER else COPY_BUFFER
        got = linux_syscall4(LINUX_SYS_pread64, from_fd, memory, chunk, from_at + done)
        if got <= 0:
            break
        put = linux_syscall4(LINUX_SYS_pwrite64, to_fd, memory, <uint64_t> got, to_at + done)
        if put > 0:
            done += put
        if put != got:
            break
    linux_syscall2(LINUX_SYS_munmap, memory, COPY_BUFFER)
    if done == 0 and (got < 0 or put < 0):
        return got if got < 0 else put
    result = store_offset(from_fd, frame.arg[1], from_at + done)
    if not is_error(result):
        result = store_offset(to_fd, frame.arg[3], to_at + done)
    return result if is_error(result) else <long> done


cdef public long sys_copy_file_range(frame_t *frame, area_t *area) noexcept nogil:
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]) or descriptor_is_hidden(area.proc, <int> frame.arg[2]):
        return -LINUX_EBADF
    if <uint32_t> frame.arg[5] == FREEBSD_COPY_FILE_RANGE_CLONE and area.proc.own.osreldate >= FREEBSD_SINCE_CLONE:
        return -LINUX_EOPNOTSUPP            # a file system without clones (vn_generic_copy_file_range)
    result = blocking_syscall(LINUX_SYS_copy_file_range, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3],
                              frame.arg[4], <uint32_t> frame.arg[5])
    if result == -LINUX_EXDEV or result == -LINUX_ENOSYS or result == -LINUX_EOPNOTSUPP:
        return copy_by_hand(frame)
    return -LINUX_EINVAL if result == -LINUX_EOVERFLOW else restartable(result)      # an offset below 0


cdef bint is_stream_socket(int fd, long *error) noexcept nogil:
    """True for a socket that sendfile(2) takes; else its error."""
    cdef int kind = 0
    cdef uint32_t size = 4
    error[0] = linux_syscall5(LINUX_SYS_getsockopt, <uint32_t> fd, LINUX_SOL_SOCKET, LINUX_SO_TYPE, <uint64_t> &kind,
                              <uint64_t> &size)
    if error[0] == 0 and kind != LINUX_SOCK_STREAM:
        error[0] = -LINUX_EINVAL
    return error[0] == 0


cdef long send_vectors(int to, uaddr vectors, int count, uint64_t *sent) noexcept nogil:
    """The headers or trailers of sendfile: 0 when all is sent."""
    cdef freebsd_iovec iov
    cdef uint64_t total = 0
    cdef long result
    cdef int i
    if vectors == 0 or count <= 0:
        return 0
    for i in range(count):
        if copyin(vectors + <uint64_t> i * sizeof(iov), &iov, sizeof(iov)) < 0:
            return -LINUX_EFAULT
        total += iov.iov_len
    result = blocking_syscall(LINUX_SYS_writev, <uint32_t> to, vectors, <uint32_t> count, 0, 0, 0)
    if is_error(result):
        return result
    sent[0] += <uint64_t> result
    return 0 if <uint64_t> result == total else -LINUX_EAGAIN


cdef long send_file(int source, int to, uint64_t offset, uint64_t count, freebsd_sf_hdtr *around,
                    uint64_t *sent) noexcept nogil:
    """Headers, the file from `offset` (to its end where count is 0), trailers."""
    cdef uint64_t left = count, ask
    cdef long result = send_vectors(to, around.headers, around.hdr_cnt, sent)
    while result == 0 and (count == 0 or left > 0):
        ask = left if count != 0 and left < SENDFILE_MOST else SENDFILE_MOST
        result = blocking_syscall(LINUX_SYS_sendfile, <uint32_t> to, <uint32_t> source, <uint64_t> &offset, ask, 0, 0)
        if result == 0:
            break
        if not is_error(result):
            sent[0] += <uint64_t> result
            left -= <uint64_t> result
            result = 0
    if result == 0:
        result = send_vectors(to, around.trailers, around.trl_cnt, sent)
    return result


cdef public long sys_sendfile(frame_t *frame, area_t *area) noexcept nogil:
    """sendfile(2); its seventh argument, flags, is hints about caching and read-ahead."""
    cdef freebsd_sf_hdtr around
    cdef int source = <int> frame.arg[0], to = <int> frame.arg[1]
    cdef uint64_t sent = 0
    cdef long mode, result = 0
    cdef bint signal = False
    if <int64_t> frame.arg[2] < 0:
        return -LINUX_EINVAL
    memset(&around, 0, sizeof(around))
    if frame.arg[4] != 0 and copyin(frame.arg[4], &around, sizeof(around)) < 0:
        return -LINUX_EFAULT
    if descriptor_is_hidden(area.proc, source) or descriptor_is_hidden(area.proc, to):
        return -LINUX_EBADF
    if source < 0:
        return -LINUX_EBADF
    mode = mode_of(source, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH)
    if is_error(mode):
        return mode
    if mode & LINUX_S_IFMT != LINUX_S_IFREG:
        return -LINUX_EINVAL
    if record_left(area, to) >= 0:
        return -LINUX_EINVAL                # a SEQPACKET, whatever it is to Linux
    if watched_stream(area.proc, to) or is_stream_socket(to, &result):
        watch_sigpipe(area.proc, NOSIGPIPE_SEEN)
        result = send_file(source, to, frame.arg[2], frame.arg[3], &around, &sent)
        if result == -LINUX_EPIPE:
            forget_sigpipe(area)            # kern_sendfile.c sends none
            result = send_error(to, result, False, &signal)
        if result == 0 and sent == 0 and socket_option(to, LINUX_SO_ACCEPTCONN) > 0:
            return -LINUX_ENOTCONN          # also where there was nothing to send
    if result == -LINUX_EINTR and sent == 0 and area.not_begun:
        return -LINUX_ERESTARTNOINTR          # the signal came before: then anew
    if frame.arg[5] != 0:
        store_guest64(frame.arg[5], sent)   # nobody asks whether that could be written (sys_sendfile)
    return result


cdef public long sys_fspacectl(frame_t *frame, area_t *area) noexcept nogil:
    """SPACECTL_DEALLOC: a hole, or zeros where the file system knows no holes."""
    cdef freebsd_spacectl_range range_
    cdef linux_stat st
    cdef uint64_t at, end, memory, chunk
    cdef long flags, result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    if <int> frame.arg[1] != FREEBSD_SPACECTL_DEALLOC or <int> frame.arg[3] != 0:
        return -LINUX_EINVAL
    if copyin(frame.arg[2], &range_, sizeof(range_)) < 0:
        return -LINUX_EFAULT
    if range_.r_offset < 0 or range_.r_len <= 0 or range_.r_len > 0x7fffffffffffffffL - range_.r_offset:
        return -LINUX_EINVAL
    result = linux_syscall2(LINUX_SYS_fstat, <uint32_t> frame.arg[0], <uint64_t> &st)
    if is_error(result):
        return result
    flags = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> frame.arg[0], LINUX_F_GETFL)
    if st.st_mode & LINUX_S_IFMT == LINUX_S_IFIFO or st.st_mode & LINUX_S_IFMT == LINUX_S_IFSOCK:
        return -LINUX_ESPIPE
    if flags & 3 == 0 or flags & LINUX_O_PATH:
        return -LINUX_EBADF
    if st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG:
        return -LINUX_ENODEV
    at = <uint64_t> range_.r_offset
    end = at + <uint64_t> range_.r_len
    if end > <uint64_t> st.st_size:
        end = <uint64_t> st.st_size
    if at < end:
        result = blocking_syscall(LINUX_SYS_fallocate, <uint32_t> frame.arg[0],
                                  LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE, at, end - at, 0, 0)
        if result == -LINUX_EOPNOTSUPP:
            memory = map_memory(COPY_BUFFER)
            result = -LINUX_ENOMEM if memory == 0 else 0
            while at < end and not is_error(result):
                chunk = end - at if end - at < COPY_BUFFER else COPY_BUFFER
                result = linux_syscall4(LINUX_SYS_pwrite64, frame.arg[0], memory, chunk, at)
                if not is_error(result):
                    at += <uint64_t> result
            if memory != 0:
                linux_syscall2(LINUX_SYS_munmap, memory, COPY_BUFFER)
        if is_error(result):
            return restartable(result)
    if frame.arg[4] != 0:
        # All is done: nothing is left, and the offset is where the range or the file ends.
        if <uint64_t> range_.r_offset < end:
            range_.r_offset = <int64_t> end
        range_.r_len = 0
        return copyout(&range_, frame.arg[4], sizeof(range_))
    return 0


cdef public long sys___realpathat(frame_t *frame, area_t *area) noexcept nogil:
    """The path of a file without links. By /proc: where that is missing, libc's own search serves (it always does
    where this call fails)."""
    cdef char path[FREEBSD_PATH_MAX + 16]
    cdef uint64_t size = frame.arg[3] if frame.arg[3] < FREEBSD_PATH_MAX else FREEBSD_PATH_MAX
    cdef linux_stat st
    cdef long fd, got
    if <int> frame.arg[4] != 0:
        return -LINUX_EINVAL
    fd = linux_syscall4(LINUX_SYS_openat, frame.arg[0], frame.arg[1], LINUX_O_PATH | LINUX_O_CLOEXEC, 0)
    if is_error(fd):
        return fd
    got = descriptor_name(<int> fd, path, FREEBSD_PATH_MAX + 9)
    if is_error(got) or got >= FREEBSD_PATH_MAX:
        got = -LINUX_EOPNOTSUPP if is_error(got) else -LINUX_ENAMETOOLONG
    else:
        # "(unreachable)/x", "/x (deleted)": a name is one only if it leads back to the file.
        if path[0] != c'/' or not same_file(<int> fd, path):
            got = -LINUX_ENOENT
        else:
            lookup_guest(area.proc, path, sizeof(path))
            got = <long> string_length(path) + 1
            got = -LINUX_ENOMEM if <uint64_t> got > size else copyout(path, frame.arg[2], <uint64_t> got)
    linux_syscall1(LINUX_SYS_close, fd)
    return got


cdef bint same_file(int fd, const char *path) noexcept nogil:
    """True where the path leads to the descriptor's file."""
    cdef freebsd_stat a, b
    return (stat_descriptor(fd, &a) == 0 and stat_file(LINUX_AT_FDCWD, <uint64_t> path, FREEBSD_AT_SYMLINK_NOFOLLOW, &b) == 0
            and a.st_ino == b.st_ino and a.st_dev == b.st_dev)


cdef public long sys_revoke(frame_t *frame, area_t *area) noexcept nogil:
    """Linux cannot take a device from those who have it open."""
    cdef long mode = mode_of(LINUX_AT_FDCWD, frame.arg[0], 0)
    if is_error(mode):
        return mode
    return -LINUX_EPERM if mode & LINUX_S_IFMT == LINUX_S_IFCHR else -LINUX_EINVAL

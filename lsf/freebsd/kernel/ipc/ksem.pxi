# POSIX semaphores of the kernel (the libc of FreeBSD 5 to 8 uses them). Model: FreeBSD sys/kern/uipc_sem.c.
#
# A semaphore is a descriptor. Here it is one of a small file that everyone who has it maps: a memfd, or for "/name" the
# file /dev/shm/ksem.name (/tmp/.ksem.name where there is no /dev/shm). Its words are only touched by the accessors of
# guest memory: somebody may truncate the file. Who waits sleeps on `value`.

cdef enum:
    KSEM_MAGIC = 0x6d65736b             # "ksem", and
    KSEM_MAGIC2 = 0xf1a94c53UL          # what no text begins with
    KSEM_ANONYMOUS = 1                  # KS_ANONYMOUS
    KSEM_DEAD = 2                       # KS_DEAD
    KSEM_TEMPORARY = 32                 # room for what a name gets while it is made

# The file.
cdef struct ksem_t:
    uint32_t magic
    uint32_t magic2
    uint32_t value
    uint32_t flags

cdef enum:                              # offsets in it
    KSEM_VALUE = 8
    KSEM_FLAGS = 12


cdef long ksem_get(process_t *proc, uint64_t id_, uaddr *at) noexcept nogil:
    """Map the semaphore that a descriptor is: 0, to be followed by ksem_drop; or -EINVAL."""
    cdef uint32_t flags = KSEM_DEAD
    cdef uint64_t magic = 0
    cdef int fd = <int> id_
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EINVAL
    result = mode_of(fd, <uint64_t> <const char *> b"", LINUX_AT_EMPTY_PATH) if fd >= 0 else -LINUX_EBADF
    if is_error(result) or result & LINUX_S_IFMT != LINUX_S_IFREG:
        return -LINUX_EINVAL
    # PROT_READ | PROT_WRITE, MAP_SHARED
    result = linux_syscall6(LINUX_SYS_mmap, 0, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED, fd, 0)
    if is_error(result):
        return -LINUX_EINVAL
    at[0] = <uaddr> result
    if fetch_guest64(at[0], &magic) < 0 or magic != (<uint64_t> KSEM_MAGIC2 << 32 | KSEM_MAGIC) \
            or fetch_guest32(at[0] + KSEM_FLAGS, &flags) < 0 or flags & KSEM_DEAD:
        ksem_drop(at[0])
        return -LINUX_EINVAL
    return 0


cdef inline void ksem_drop(uaddr at) noexcept nogil:
    linux_syscall2(LINUX_SYS_munmap, at, PAGE_SIZE)


cdef inline uint32_t ksem_flags(uaddr at) noexcept nogil:
    cdef uint32_t flags = 0
    fetch_guest32(at + KSEM_FLAGS, &flags)
    return flags


cdef long ksem_fill(int fd, uint32_t value, uint32_t flags) noexcept nogil:
    """Write the file of a new semaphore: 0 or an error, on which the descriptor is closed."""
    cdef ksem_t sem
    cdef long result
    sem.magic = KSEM_MAGIC
    sem.magic2 = KSEM_MAGIC2
    sem.value = value
    sem.flags = flags
    result = linux_syscall4(LINUX_SYS_pwrite64, fd, <uint64_t> &sem, sizeof(sem), 0)
    if result == sizeof(sem):
        return 0
    linux_syscall1(LINUX_SYS_close, fd)
    return result if is_error(result) else -LINUX_ENOSPC


cdef long ksem_make(process_t *proc, const char *path, uint64_t mode, uint32_t value) noexcept nogil:
    """A new named semaphore: its descriptor, or -EEXIST. It gets its name when it is complete."""
    cdef char temporary[SHM_PATH + KSEM_TEMPORARY]
    cdef uint64_t at = append(temporary, 0, sizeof(temporary), path)
    cdef long fd, result
    at = append(temporary, at, sizeof(temporary), b".")
    at = append_number(temporary, at, sizeof(temporary), <uint64_t> linux_syscall0(LINUX_SYS_gettid), 10)
    append(temporary, at, sizeof(temporary), b"~")
    linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> temporary, 0)
    fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> temporary,
                        2 | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC, mode & FREEBSD_ACCESSPERMS)
    if is_error(fd):
        return fd
    result = ksem_fill(<int> fd, value, 0)
    if result == 0:
        result = linux_syscall2(LINUX_SYS_link, <uint64_t> temporary, <uint64_t> path)
        if is_error(result):
            linux_syscall1(LINUX_SYS_close, fd)
    linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> temporary, 0)
    return result if is_error(result) else fd


cdef long ksem_path(uaddr name, char *path) noexcept nogil:
    if is_error(linux_syscall3(LINUX_SYS_faccessat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> <const char *> b"/dev/shm/", 0)):
        return object_path(name, path, b"/tmp/.ksem.")
    return object_path(name, path, b"/dev/shm/ksem.")


cdef public long sys_ksem_init(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t value = <uint32_t> frame.arg[1]
    cdef long fd, result
    if value > FREEBSD_SEM_VALUE_MAX:
        return -LINUX_EINVAL
    fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"ksem", LINUX_MFD_CLOEXEC)
    if is_error(fd):
        return -LINUX_ENOSPC
    result = ksem_fill(<int> fd, value, KSEM_ANONYMOUS)
    if result == 0 and store_guest64(frame.arg[0], <uint64_t> fd) < 0:
        linux_syscall1(LINUX_SYS_close, fd)
        return -LINUX_EFAULT
    return result


cdef public long sys_ksem_open(frame_t *frame, area_t *area) noexcept nogil:
    cdef char path[SHM_PATH]
    cdef uint32_t flags = <uint32_t> frame.arg[2], value = <uint32_t> frame.arg[4]
    cdef uaddr at = 0
    cdef bint made = False
    cdef long fd, result
    if flags & ~<uint32_t> (FREEBSD_O_CREAT | FREEBSD_O_EXCL) or value > FREEBSD_SEM_VALUE_MAX:
        return -LINUX_EINVAL
    result = ksem_path(frame.arg[1], path)
    if result < 0:
        return result
    while True:
        fd = linux_syscall4(LINUX_SYS_openat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path,
                            2 | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC, 0)
        if fd != -LINUX_ENOENT:
            break
        if not flags & FREEBSD_O_CREAT:
            return -LINUX_ENOENT
        fd = ksem_make(area.proc, path, frame.arg[3], value)
        made = not is_error(fd)
        if fd != -LINUX_EEXIST:
            break
    if not made and flags & FREEBSD_O_CREAT and flags & FREEBSD_O_EXCL and (not is_error(fd) or fd == -LINUX_EACCES):
        result = -LINUX_EEXIST
    elif is_error(fd):
        return fd
    else:
        result = ksem_get(area.proc, <uint64_t> fd, &at)
        if result == 0:
            ksem_drop(at)
            result = store_guest64(frame.arg[0], <uint64_t> fd)
            if result < 0 and made:
                linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 0)
    if result < 0 and not is_error(fd):
        linux_syscall1(LINUX_SYS_close, fd)
    return result


cdef public long sys_ksem_unlink(frame_t *frame, area_t *area) noexcept nogil:
    """Who may read and write a semaphore may take its name away."""
    cdef char path[SHM_PATH]
    cdef long result = ksem_path(frame.arg[0], path)
    if result < 0:
        return -LINUX_ENOENT if result == -LINUX_EINVAL else result
    result = linux_syscall4(LINUX_SYS_faccessat2, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 6,
                            LINUX_AT_EACCESS | LINUX_AT_SYMLINK_NOFOLLOW)
    if result == 0 or result == -LINUX_ENOSYS:
        result = linux_syscall3(LINUX_SYS_unlinkat, <uint64_t> LINUX_AT_FDCWD, <uint64_t> path, 0)
    return -LINUX_EACCES if result == -LINUX_EPERM else result


cdef long ksem_end(area_t *area, uint64_t id_, bint destroy) noexcept nogil:
    """ksem_close of a named semaphore, ksem_destroy of an anonymous one."""
    cdef uaddr at = 0
    cdef uint32_t flags
    cdef long result = ksem_get(area.proc, id_, &at)
    if result < 0:
        return result
    flags = ksem_flags(at)
    if destroy != (flags & KSEM_ANONYMOUS != 0):
        result = -LINUX_EINVAL
    elif destroy and sleepers(at + KSEM_VALUE, True) != 0:
        result = -LINUX_EBUSY
    elif destroy:
        store_guest32(at + KSEM_FLAGS, flags | KSEM_DEAD)
    ksem_drop(at)
    if result == 0:
        event_descriptor_closing(area.proc, <int> id_)
        result = linux_syscall1(LINUX_SYS_close, <uint32_t> id_)
    return result


cdef public long sys_ksem_close(frame_t *frame, area_t *area) noexcept nogil:
    return ksem_end(area, frame.arg[0], False)


cdef public long sys_ksem_destroy(frame_t *frame, area_t *area) noexcept nogil:
    return ksem_end(area, frame.arg[0], True)


cdef public long sys_ksem_post(frame_t *frame, area_t *area) noexcept nogil:
    cdef uaddr at = 0
    cdef uint32_t value = 0, seen = 0
    cdef long result = ksem_get(area.proc, frame.arg[0], &at)
    if result < 0:
        return result
    result = fetch_guest32(at + KSEM_VALUE, &value)
    while result == 0:
        if value == FREEBSD_SEM_VALUE_MAX:
            result = -LINUX_EOVERFLOW
            break
        result = guest_cas(at + KSEM_VALUE, value, value + 1, &seen)
        if result == 0:
            umtx_wake(at + KSEM_VALUE, 1, True, FUTEX_ANY)
            break
        if result > 0:
            value = seen
            result = 0
    ksem_drop(at)
    return -LINUX_EINVAL if result == -LINUX_EFAULT else result


cdef long ksem_take(area_t *area, uint64_t id_, bint try_, deadline_t *deadline) noexcept nogil:
    """kern_sem_wait."""
    cdef uaddr at = 0
    cdef uint32_t value = 0, seen = 0
    cdef long result = ksem_get(area.proc, id_, &at)
    if result < 0:
        return result
    result = fetch_guest32(at + KSEM_VALUE, &value)
    while result == 0:
        if value != 0:
            result = guest_cas(at + KSEM_VALUE, value, value - 1, &seen)
            if result <= 0:
                break
            value = seen
            result = 0
            continue
        if try_:
            result = -LINUX_EAGAIN
            break
        result = umtx_sleep(area.proc, at + KSEM_VALUE, 0, True, FUTEX_ANY, deadline)
        if result == 0 or result == -LINUX_EAGAIN:
            result = fetch_guest32(at + KSEM_VALUE, &value)
    ksem_drop(at)
    return -LINUX_EINVAL if result == -LINUX_EFAULT else restartable(result)


cdef public long sys_ksem_wait(frame_t *frame, area_t *area) noexcept nogil:
    cdef deadline_t deadline
    deadline.kind = DEADLINE_NONE
    return ksem_take(area, frame.arg[0], False, &deadline)


cdef public long sys_ksem_trywait(frame_t *frame, area_t *area) noexcept nogil:
    cdef deadline_t deadline
    deadline.kind = DEADLINE_NONE
    return ksem_take(area, frame.arg[0], True, &deadline)


cdef public long sys_ksem_timedwait(frame_t *frame, area_t *area) noexcept nogil:
    """Until a time of CLOCK_REALTIME; without one, as ksem_wait."""
    cdef freebsd_timespec until
    cdef deadline_t deadline
    deadline.kind = DEADLINE_NONE
    if frame.arg[1] != 0:
        if copyin(frame.arg[1], &until, sizeof(until)) < 0:
            return -LINUX_EFAULT
        if not 0 <= until.tv_nsec < NANOSECONDS:
            return -LINUX_EINVAL
        deadline.kind = DEADLINE_REALTIME
        deadline.relative = False
        deadline.clock = FREEBSD_CLOCK_REALTIME
        deadline.at = until
        if until.tv_sec < 0:                # over long ago; Linux would call it invalid
            deadline.at.tv_sec = 0
            deadline.at.tv_nsec = 0
    return ksem_take(area, frame.arg[0], False, &deadline)


cdef public long sys_ksem_getvalue(frame_t *frame, area_t *area) noexcept nogil:
    cdef uaddr at = 0
    cdef uint32_t value = 0
    cdef long result = ksem_get(area.proc, frame.arg[0], &at)
    if result < 0:
        return result
    fetch_guest32(at + KSEM_VALUE, &value)
    ksem_drop(at)
    return store_guest32(frame.arg[1], value)

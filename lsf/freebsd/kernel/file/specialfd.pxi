# Descriptors that are no files: timerfd, eventfd, and how inotify's are made (inotify.pxi). Linux has all three, with other
# flags. Models: FreeBSD sys/kern/sys_timerfd.c, sys_eventfd.c, sys_generic.c (sys___specialfd).

cdef enum:
    FREEBSD_CLOCK_UPTIME_NUMBER = 5
    FDINFO_SIZE = 512

cdef enum:                              # what a descriptor without a file is: anonymous_kind
    ANONYMOUS_OTHER = 0
    ANONYMOUS_TIMERFD = 1
    ANONYMOUS_EVENTFD = 2
    ANONYMOUS_INOTIFY = 3
    ANONYMOUS_MQUEUE = 4                # for kevent: a message queue, whose file Linux calls regular

cdef struct freebsd_specialfd_eventfd:
    uint32_t initval
    int32_t flags


cdef int anonymous_kind(int fd) noexcept nogil:
    """What a descriptor whose file has no type is, by the name that /proc gives it; ANONYMOUS_OTHER without /proc."""
    cdef char name[64]
    if is_error(descriptor_name(fd, name, sizeof(name))):
        return ANONYMOUS_OTHER
    if string_starts(name, b"anon_inode:[timerfd"):
        return ANONYMOUS_TIMERFD
    if string_starts(name, b"anon_inode:[eventfd"):
        return ANONYMOUS_EVENTFD
    return ANONYMOUS_INOTIFY if string_starts(name, b"anon_inode:inotify") else ANONYMOUS_OTHER


cdef void timerfd_stat(freebsd_stat *st) noexcept nogil:
    """FreeBSD's timerfd_stat, but for the times, which Linux does not keep of a timer."""
    st.st_dev = 0
    st.st_rdev = 0
    st.st_mode = 0
    st.st_nlink = 1
    st.st_uid = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
    st.st_gid = <uint32_t> linux_syscall0(LINUX_SYS_getegid)
    st.st_size = 0
    st.st_blocks = 0
    st.st_blksize = PAGE_SIZE


cdef bint read_fdinfo(int fd, char *text) noexcept nogil:
    """What /proc tells of a descriptor, into FDINFO_SIZE bytes; False for nothing."""
    cdef char path[40]
    cdef uint64_t end = append(path, 0, sizeof(path), b"/proc/self/fdinfo/")
    append_number(path, end, sizeof(path), <uint32_t> fd, 10)
    return read_file(path, text, FDINFO_SIZE) > 0


cdef bint descriptor_fact(int fd, const char *label, unsigned base, uint64_t *value) noexcept nogil:
    """A number in /proc/self/fdinfo: the one after `label` at the start of a line. False where it is not told."""
    cdef char text[FDINFO_SIZE]
    cdef char *at = text
    cdef uint64_t digit
    if not read_fdinfo(fd, text):
        return False
    while not string_starts(at, label):
        while at[0] != 0 and at[0] != c'\n':
            at += 1
        if at[0] == 0:
            return False
        at += 1
    at += string_length(label)
    while at[0] == c' ' or at[0] == c'\t':
        at += 1
    value[0] = 0
    while True:
        if c'0' <= at[0] <= c'9':
            digit = <uint64_t> (at[0] - 48)
        elif base == 16 and c'a' <= at[0] <= c'f':
            digit = <uint64_t> (at[0] - 87)
        else:
            return True
        value[0] = value[0] * base + digit
        at += 1


cdef inline uint64_t anonymous_flags(uint32_t flags) noexcept nogil:
    """Linux's for FreeBSD's O_NONBLOCK and O_CLOEXEC, which TFD_, EFD_ and IN_ are on both systems."""
    return ((LINUX_O_NONBLOCK if flags & FREEBSD_O_NONBLOCK else 0)
            | (LINUX_O_CLOEXEC if flags & FREEBSD_O_CLOEXEC else 0))


cdef public long sys_timerfd_create(frame_t *frame, area_t *area) noexcept nogil:
    cdef int clock_id = <int> frame.arg[0], linux
    cdef uint32_t flags = <uint32_t> frame.arg[1]
    if clock_id == FREEBSD_CLOCK_REALTIME:
        linux = LINUX_CLOCK_REALTIME
    elif clock_id == FREEBSD_CLOCK_MONOTONIC or clock_id == FREEBSD_CLOCK_UPTIME_NUMBER:
        linux = LINUX_CLOCK_MONOTONIC
    else:
        return -LINUX_EINVAL
    if flags & ~<uint32_t> (FREEBSD_O_NONBLOCK | FREEBSD_O_CLOEXEC):
        return -LINUX_EINVAL
    return linux_syscall2(LINUX_SYS_timerfd_create, linux, anonymous_flags(flags))


cdef public long sys_timerfd_gettime(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_itimerspec now
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    result = linux_syscall2(LINUX_SYS_timerfd_gettime, <uint32_t> frame.arg[0], <uint64_t> &now)
    return result if is_error(result) else copyout(&now, frame.arg[1], sizeof(now))


cdef public long sys_timerfd_settime(frame_t *frame, area_t *area) noexcept nogil:
    """TFD_TIMER_ flags and struct itimerspec are the same on Linux."""
    cdef freebsd_itimerspec old
    cdef long result
    if descriptor_is_hidden(area.proc, <int> frame.arg[0]):
        return -LINUX_EBADF
    result = linux_syscall4(LINUX_SYS_timerfd_settime, <uint32_t> frame.arg[0], <uint32_t> frame.arg[1], frame.arg[2],
                            <uint64_t> &old)
    if is_error(result) or frame.arg[3] == 0:
        return result
    return copyout(&old, frame.arg[3], sizeof(old))


cdef public long sys___specialfd(frame_t *frame, area_t *area) noexcept nogil:
    cdef freebsd_specialfd_eventfd event
    cdef uint32_t flags = 0
    if <int> frame.arg[0] == FREEBSD_SPECIALFD_EVENTFD:
        if frame.arg[2] != sizeof(event):
            return -LINUX_EINVAL
        if copyin(frame.arg[1], &event, sizeof(event)) < 0:
            return -LINUX_EFAULT
        flags = <uint32_t> event.flags
        if flags & ~<uint32_t> (FREEBSD_O_NONBLOCK | FREEBSD_O_CLOEXEC | FREEBSD_EFD_SEMAPHORE):
            return -LINUX_EINVAL
        return linux_syscall2(LINUX_SYS_eventfd2, event.initval, anonymous_flags(flags) | (flags & FREEBSD_EFD_SEMAPHORE))
    if <int> frame.arg[0] == FREEBSD_SPECIALFD_INOTIFY and area.proc.own.osreldate >= FREEBSD_SINCE_INOTIFY:
        if frame.arg[2] != sizeof(flags):
            return -LINUX_EINVAL
        if fetch_guest32(frame.arg[1], &flags) < 0:
            return -LINUX_EFAULT
        if flags & ~<uint32_t> (FREEBSD_O_NONBLOCK | FREEBSD_O_CLOEXEC):
            return -LINUX_EINVAL
        return inotify_create(area, flags)
    return -LINUX_EINVAL

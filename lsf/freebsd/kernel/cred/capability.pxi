# Capsicum: what descriptors are limited to, and whether the process is in capability mode. Model: FreeBSD sys/kern/sys_capability.c,
# kern_descrip.c (struct filecaps), sys/capsicum.h.
#
# A descriptor that nobody limited has all rights, and nothing is kept of it. One that is limited has MARK_LIMITED and a record in a
# table by number, which is made for the first of them; so rights are duplicated, inherited by fork and forgotten at close as marks are.
# Who checks rights: file/capsicum.pxi, before the call.

cdef extern from "capsicum.h" nogil:
    enum:
        LSF_RIGHT_READ, LSF_RIGHT_WRITE, LSF_RIGHT_SEEK, LSF_RIGHT_PREAD, LSF_RIGHT_PWRITE, LSF_RIGHT_MMAP, LSF_RIGHT_MMAP_R
        LSF_RIGHT_MMAP_W, LSF_RIGHT_MMAP_X, LSF_RIGHT_CREATE, LSF_RIGHT_FEXECVE, LSF_RIGHT_FSYNC, LSF_RIGHT_FTRUNCATE
        LSF_RIGHT_LOOKUP, LSF_RIGHT_FCNTL, LSF_RIGHT_FLOCK, LSF_RIGHT_UNLINKAT, LSF_RIGHT_CONNECT, LSF_RIGHT_BINDAT
        LSF_RIGHT_CONNECTAT, LSF_RIGHT_EVENT, LSF_RIGHT_KQUEUE_EVENT, LSF_RIGHT_KQUEUE_CHANGE, LSF_RIGHT_IOCTL, LSF_RIGHT_ALL
        LSF_RIGHT_ALL_15, LSF_RIGHT_EXTATTR_SET
    ctypedef struct rights_t "struct lsf_rights":
        uint64_t word[2]
    ctypedef struct cap_need_t "struct lsf_cap_need":
        uint16_t nr
        uint8_t argument, right
        int8_t path
    const rights_t lsf_rights[1]
    const cap_need_t lsf_cap_needs[1]
    const uint8_t lsf_cap_first[1]
    const uint8_t lsf_cap_enabled[1]
    const uint32_t lsf_lane_capsicum[1]

cdef enum:
    FCNTLS_ALL = 0x78                   # CAP_FCNTL_ALL: bits of F_GETFL, F_SETFL, F_GETOWN, F_SETOWN
    IOCTLS_MOST = 256                   # IOCTLS_MAX_COUNT
    IOCTLS_ROOM = 1 << 16               # words for all lists of a process
    CAPS_FIRST = 1024                   # descriptors that the table has room for at first

# struct filecaps
cdef struct caps_t:
    rights_t rights
    uint32_t fcntls
    int32_t nioctls                     # -1: all
    const uint64_t *ioctls


cdef inline const rights_t *rights_all(process_t *proc) noexcept nogil:
    """CAP_ALL."""
    return &lsf_rights[LSF_RIGHT_ALL_15 if proc.own.osreldate >= FREEBSD_SINCE_CAP_INOTIFY else LSF_RIGHT_ALL]


cdef inline bint rights_contain(const rights_t *have, const rights_t *need) noexcept nogil:
    """cap_rights_contains"""
    return need.word[0] & ~have.word[0] == 0 and need.word[1] & ~have.word[1] == 0


cdef inline void rights_add(rights_t *rights, int right) noexcept nogil:
    """cap_rights_set_one"""
    rights.word[0] |= lsf_rights[right].word[0]
    rights.word[1] |= lsf_rights[right].word[1]


cdef bint rights_are_valid(process_t *proc, const rights_t *rights) noexcept nogil:
    """cap_rights_is_valid: of version 0, each word in its place, and no right that the release does not know."""
    return (rights.word[0] >> 57 & 0x1f == 1 and rights.word[1] >> 57 & 0x1f == 2 and rights.word[0] >> 62 == 0
            and rights_contain(rights_all(proc), rights))


cdef inline const caps_t *caps_of(process_t *proc, int fd) noexcept nogil:
    """The record of a limited descriptor; NULL: it has all rights, or is not open."""
    if proc.own.fd_caps == NULL or not fd_marks(proc, fd) & MARK_LIMITED:
        return NULL
    return &(<const caps_t *> proc.own.fd_caps)[fd]


cdef enum:
    CAPFAIL_NOTCAPABLE = 0              # enum ktr_cap_violation of sys/ktrace.h
    CAPFAIL_INCREASE = 1
    CAPFAIL_SYSCALL = 2


cdef bint caps_lack(const rights_t *held, const rights_t *need, int type_) noexcept nogil:
    """Keep for ktrace(2) which rights were wanted (ktr_lacks), and which there are. Always False."""
    cdef area_t *area = current_area()
    area.own.cap_failed = <uint32_t> type_ + 1
    memcpy(area.own.cap_rights, need, sizeof(rights_t))
    memcpy(&area.own.cap_rights[2], held, sizeof(rights_t))
    return False


cdef inline bint caps_contain(process_t *proc, int fd, const rights_t *need) noexcept nogil:
    cdef const caps_t *caps = caps_of(proc, fd)
    return caps == NULL or rights_contain(&caps.rights, need) or caps_lack(&caps.rights, need, CAPFAIL_NOTCAPABLE)


cdef inline bint caps_allow(process_t *proc, int fd, int right) noexcept nogil:
    """Whether a descriptor has a right (LSF_RIGHT_)."""
    return caps_contain(proc, fd, &lsf_rights[right])


cdef void caps_get(process_t *proc, int fd, caps_t *caps) noexcept nogil:
    """What a descriptor has, limited or not (filecaps_fill)."""
    cdef const caps_t *limited = caps_of(proc, fd)
    if limited != NULL:
        caps[0] = limited[0]
        return
    caps.rights = rights_all(proc)[0]
    caps.fcntls = FCNTLS_ALL
    caps.nioctls = -1
    caps.ioctls = NULL


cdef bint caps_are_full(process_t *proc, const caps_t *caps) noexcept nogil:
    return rights_contain(&caps.rights, rights_all(proc)) and caps.fcntls == FCNTLS_ALL and caps.nioctls == -1


cdef caps_t *caps_table(process_t *proc, int fd) noexcept nogil:
    """The table to write to, with room for a descriptor: made where there is none or it is too small (nobody knows who reads the old
    one, which stays), and copied where it is the parent's of a vfork child; NULL: no memory. Called with the lock held."""
    cdef const caps_t *table = <const caps_t *> proc.own.fd_caps
    cdef caps_t *made
    cdef uint32_t room = proc.own.fd_caps_room
    cdef int limited
    if room > <uint32_t> fd and not proc.own.fd_caps_shared:
        return <caps_t *> proc.own.fd_caps
    if room == 0:
        room = CAPS_FIRST
    while room <= <uint32_t> fd:
        room *= 2
    made = <caps_t *> map_memory(<uint64_t> room * sizeof(caps_t))
    if made == NULL:
        return NULL
    limited = fd_marked_from(proc, 0)
    while table != NULL and limited >= 0:
        if fd_marks(proc, limited) & MARK_LIMITED:
            made[limited] = table[limited]
        limited = fd_marked_from(proc, <uint32_t> limited + 1)
    proc.own.fd_caps = made
    proc.own.fd_caps_room = room
    proc.own.fd_caps_shared = 0
    return made


cdef long caps_set(process_t *proc, int fd, const caps_t *caps) noexcept nogil:
    """This is what a descriptor has: 0 or -ENOMEM."""
    cdef caps_t *table
    if caps_are_full(proc, caps):
        if fd_marks(proc, fd) & MARK_LIMITED:
            fd_mark(proc, fd, fd_marks(proc, fd) & ~MARK_LIMITED)
        return 0
    if <uint32_t> fd >= MARKS_HIGH:
        return -LINUX_ENOMEM
    lock_acquire(&proc.own.lock_event)
    table = caps_table(proc, fd)
    if table != NULL:
        table[fd] = caps[0]
    lock_release(&proc.own.lock_event)
    if table == NULL:
        return -LINUX_ENOMEM
    fd_mark(proc, fd, fd_marks(proc, fd) | MARK_LIMITED)
    return 0


cdef void caps_copied(process_t *proc, int fd, int to) noexcept nogil:
    """A new descriptor `to` has what the limited `fd` has (filecaps_copy). Where there is no memory for that it is none."""
    cdef caps_t caps
    caps_get(proc, fd, &caps)
    if caps_set(proc, to, &caps) < 0:
        linux_syscall1(LINUX_SYS_close, <uint32_t> to)


cdef const uint64_t *ioctls_keep(process_t *proc, const uint64_t *list_, uint64_t count) noexcept nogil:
    """A lasting copy of a list of ioctl commands, which is never given back: equal lists share one. NULL where there is no room."""
    cdef uint64_t *kept
    cdef uint64_t at = 0, i
    lock_acquire(&proc.own.lock_event)
    if proc.own.cap_ioctls == NULL:
        proc.own.cap_ioctls = <uint64_t *> map_memory(8 * <uint64_t> IOCTLS_ROOM)
    kept = proc.own.cap_ioctls
    while kept != NULL and at < proc.own.cap_ioctls_used:           # a count, and so many words
        i = 0
        while kept[at] == count and i < count and kept[at + 1 + i] == list_[i]:
            i += 1
        if kept[at] == count and i == count:
            break
        at += kept[at] + 1
    if kept != NULL and at == proc.own.cap_ioctls_used:
        if at + count + 1 > IOCTLS_ROOM:
            kept = NULL
        else:
            kept[at] = count
            memcpy(&kept[at + 1], list_, 8 * count)
            proc.own.cap_ioctls_used = <uint32_t> (at + count + 1)
    lock_release(&proc.own.lock_event)
    return NULL if kept == NULL else &kept[at + 1]


cdef bint ioctl_allowed(const caps_t *caps, uint64_t command) noexcept nogil:
    """cap_ioctl_check"""
    cdef int i
    if caps.nioctls < 0:
        return True
    for i in range(caps.nioctls):
        if caps.ioctls[i] == command:
            return True
    return False


# ------------------------------------------------------------------ as words, for another process

cdef inline uint64_t caps_size(const caps_t *caps) noexcept nogil:
    """How many words tell of a descriptor: its number and the fcntls, how many ioctls (-1: all), two words of rights, and the list."""
    return 4 + (<uint64_t> caps.nioctls if caps.nioctls > 0 else 0)


cdef void caps_write(uint64_t *words, uint32_t number, const caps_t *caps) noexcept nogil:
    words[0] = <uint64_t> caps.fcntls << 32 | number
    words[1] = <uint64_t> <int64_t> caps.nioctls
    words[2] = caps.rights.word[0]
    words[3] = caps.rights.word[1]
    if caps.nioctls > 0:
        memcpy(&words[4], caps.ioctls, 8 * <uint64_t> caps.nioctls)


cdef uint64_t caps_read(process_t *proc, const uint64_t *words, uint64_t count, uint32_t *number, caps_t *caps) noexcept nogil:
    """Take such words, of which there are at most `count`: how many were taken, 0 for nonsense. What they say can be anybody's: it
    gives no more than there is."""
    cdef int64_t ioctls
    if count < 4:
        return 0
    ioctls = <int64_t> words[1]
    if ioctls < -1 or ioctls > IOCTLS_MOST or (ioctls > 0 and <uint64_t> ioctls > count - 4):
        return 0
    number[0] = <uint32_t> words[0]
    caps.fcntls = <uint32_t> (words[0] >> 32) & FCNTLS_ALL
    caps.rights.word[0] = words[2] & rights_all(proc).word[0] | lsf_rights[0].word[0]
    caps.rights.word[1] = words[3] & rights_all(proc).word[1] | lsf_rights[0].word[1]
    caps.nioctls = <int32_t> ioctls
    caps.ioctls = NULL
    if ioctls > 0:
        caps.ioctls = ioctls_keep(proc, &words[4], <uint64_t> ioctls)
        if caps.ioctls == NULL:
            caps.nioctls = 0                # no room for the list: then none
    return 4 + (<uint64_t> ioctls if ioctls > 0 else 0)


cdef long caps_file(process_t *proc) noexcept nogil:
    """A descriptor of a file with the words of all limited descriptors that an execution leaves open; -1: there are none, or an error."""
    cdef uint64_t words[4 + IOCTLS_MOST]
    cdef const caps_t *caps
    cdef long file = -1, result
    cdef int fd = -1
    if proc.own.fd_caps == NULL:
        return -1
    while True:
        fd = fd_marked_from(proc, <uint32_t> (fd + 1))
        if fd < 0:
            return file
        caps = caps_of(proc, fd)
        result = linux_syscall2(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GETFD)
        if caps == NULL or is_error(result) or result & LINUX_FD_CLOEXEC:
            continue
        if file < 0:
            file = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf-rights", 0)
            if is_error(file):
                return -LINUX_ENOMEM
        caps_write(words, <uint32_t> fd, caps)
        result = linux_syscall3(LINUX_SYS_write, file, <uint64_t> words, 8 * caps_size(caps))
        if result != <long> (8 * caps_size(caps)):
            linux_syscall1(LINUX_SYS_close, file)
            return -LINUX_ENOMEM


cdef bint caps_from_file(process_t *proc, int file) noexcept nogil:
    """In the new image: what its descriptors have. False where that cannot be known."""
    cdef uint64_t words[4 + IOCTLS_MOST]
    cdef uint64_t at = 0, used
    cdef uint32_t number = 0
    cdef caps_t caps
    cdef long got = linux_syscall4(LINUX_SYS_pread64, file, <uint64_t> words, sizeof(words), 0)
    while got > 0:
        used = caps_read(proc, words, <uint64_t> got // 8, &number, &caps)
        if used == 0 or caps_set(proc, <int> number, &caps) < 0:
            return False
        at += 8 * used
        got = linux_syscall4(LINUX_SYS_pread64, file, <uint64_t> words, sizeof(words), at)
    linux_syscall1(LINUX_SYS_close, file)
    return got == 0

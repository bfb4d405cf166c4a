# Memory: mmap(2) and its kin.
# Model: FreeBSD sys/vm/vm_mmap.c (kern_mmap and below).

cdef enum:
    PROT_ALL = 7
    ALIGNED_TRIES = 64
    MINCORE_CHUNK = 1024
    MAP_OLD_FLAGS = 0x60            # MAP_RENAME and MAP_NORESERVE, which never did anything
    SUPERPAGE = 2 << 20
    VVAR_ROOM = 16 * PAGE_SIZE      # the data of Linux's vDSO are within so much before it

cdef enum:
    GUEST_ADDRESS_END = 1UL << 47
    MAP_32BIT_END = 0x80000000UL
    # The room above the program that belongs to break; FreeBSD's maxdsiz.
    DATA_ROOM = 32UL << 30


cdef inline bint range_is_valid(uint64_t start, uint64_t end) noexcept nogil:
    """As vm_map_range_valid: a range of user addresses. The first page is none of them (security.bsd.map_at_zero is 0)."""
    return PAGE_SIZE <= start <= end <= GUEST_ADDRESS_END


cdef inline bint range_is_kept(process_t *proc, uint64_t start, uint64_t size) noexcept nogil:
    """True where a range touches what no guest call may change: the shim, and Linux's vDSO, which the shim calls, with
    its data."""
    return range_is_ours(start, size) or (start < proc.vdso_end and start + size > proc.vdso - VVAR_ROOM
                                          and start + size > vdso_start(proc))


cdef void vdso_look_below(process_t *proc) noexcept nogil:
    """At the start, when nothing else lies below the vDSO but perhaps the stack: find where its data begin, without /proc."""
    cdef unsigned char here
    cdef uint64_t at = proc.vdso
    while proc.vdso - at < VVAR_ROOM and at != proc.stack_top and not is_error(linux_syscall3(LINUX_SYS_mincore,
            at - PAGE_SIZE, PAGE_SIZE, <uint64_t> &here)):
        at -= PAGE_SIZE
    proc.own.vdso_data = at


cdef uint64_t vdso_start(process_t *proc) noexcept nogil:
    """Where the pages of data begin that lie before the vDSO; they are looked for once, when it first matters."""
    cdef mapping_t mapping
    cdef uint64_t at = proc.own.vdso_data
    if at == 0:
        at = proc.vdso
        while at != 0 and mapping_find(at - 1, &mapping) == 0 and string_starts(mapping.name, b"[vvar"):
            at = mapping.start
        proc.own.vdso_data = at
    return at


cdef bint range_is_free(uint64_t start, uint64_t size) noexcept nogil:
    """True where nothing is mapped in a range of whole pages: a mapping that replaces nothing succeeds there."""
    cdef long result = linux_syscall6(LINUX_SYS_mmap, start, size, LINUX_PROT_NONE, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS
                                      | LINUX_MAP_NORESERVE | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0)
    if is_error(result):
        return False
    linux_syscall2(LINUX_SYS_munmap, result, size)
    return <uint64_t> result == start


cdef long protect_range(uint64_t start, uint64_t size, int prot) noexcept nogil:
    """mprotect that passes over gaps, as FreeBSD's does; Linux's stops at the first."""
    cdef uint64_t half
    cdef long result
    while size != 0:
        result = linux_syscall3(LINUX_SYS_mprotect, start, size, prot)
        if result != -LINUX_ENOMEM or range_is_free(start, size):
            return 0 if result == -LINUX_ENOMEM else result
        if size == PAGE_SIZE:
            return result
        half = page_up(size // 2)
        result = protect_range(start, half, prot)
        if result < 0:
            return result
        start += half
        size -= half
    return 0


cdef long reserve_aligned(uint64_t size, uint64_t align) noexcept nogil:
    """Room for `size` bytes at a multiple of `align`, where there is not enough for more than that: RLIMIT_VMEM counts what is asked
    for, on FreeBSD. What Linux would give says where the gaps are; the multiples below it are tried."""
    cdef uint64_t at
    cdef int tries
    cdef long flags = LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE
    cdef long result = linux_syscall6(LINUX_SYS_mmap, 0, size, LINUX_PROT_NONE, flags, <uint64_t> -1, 0)
    if is_error(result) or <uint64_t> result & (align - 1) == 0:
        return result
    linux_syscall2(LINUX_SYS_munmap, result, size)
    at = <uint64_t> result & ~(align - 1)
    for tries in range(ALIGNED_TRIES):
        if at < PAGE_SIZE:
            break
        if not range_is_ours(at, size):
            result = linux_syscall6(LINUX_SYS_mmap, at, size, LINUX_PROT_NONE, flags | LINUX_MAP_FIXED_NOREPLACE, <uint64_t> -1, 0)
            if result == <long> at:
                return result
            if not is_error(result):
                linux_syscall2(LINUX_SYS_munmap, result, size)      # a Linux that does not know the flag
        at -= align
    return -LINUX_ENOMEM


cdef long map_aligned(uint64_t hint, uint64_t size, uint64_t align, int prot, int flags, int fd,
                      uint64_t offset) noexcept nogil:
    """mmap at an address that is a multiple of `align`: reserve too much, give the ends back, map over the rest."""
    cdef uint64_t start
    cdef long result
    if size + align < size:
        return -LINUX_ENOMEM
    if hint != 0:
        hint = (hint + align - 1) & ~(align - 1)
    result = linux_syscall6(LINUX_SYS_mmap, hint, size + align, LINUX_PROT_NONE, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS
                            | LINUX_MAP_NORESERVE | (flags & LINUX_MAP_32BIT), <uint64_t> -1, 0)
    if result == -LINUX_ENOMEM and not flags & LINUX_MAP_32BIT:
        result = reserve_aligned(size, align)
        if not is_error(result):
            start = <uint64_t> result
            result = linux_syscall6(LINUX_SYS_mmap, start, size, prot, flags | LINUX_MAP_FIXED, fd, offset)
            if is_error(result):
                linux_syscall2(LINUX_SYS_munmap, start, size)
        return result
    if is_error(result):
        return result
    start = (<uint64_t> result + align - 1) & ~(align - 1)
    if start > <uint64_t> result:
        linux_syscall2(LINUX_SYS_munmap, result, start - <uint64_t> result)
    linux_syscall2(LINUX_SYS_munmap, start + size, <uint64_t> result + align - start)
    result = linux_syscall6(LINUX_SYS_mmap, start, size, prot, (flags & ~LINUX_MAP_32BIT) | LINUX_MAP_FIXED, fd, offset)
    if is_error(result):
        linux_syscall2(LINUX_SYS_munmap, start, size)
    return result


cdef long map_unread(uint64_t addr, uint64_t size, int prot, long linux, int fd, uint64_t pos) noexcept nogil:
    """A mapping without PROT_READ, for which a descriptor is enough that may not be read: one for writing alone, where it is private, or
    one for execution alone (vn_mmap). Linux wants one for reading: so the file is opened anew, and EACCES it is for who may not read it."""
    cdef long opened, result, flags = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL)
    if is_error(flags) or prot & LINUX_PROT_READ:
        return -LINUX_EACCES
    if flags & LINUX_O_PATH:
        if linux & LINUX_MAP_SHARED and prot & LINUX_PROT_WRITE:
            return -LINUX_EACCES
    elif flags & LINUX_O_ACCMODE != LINUX_O_WRONLY or not linux & LINUX_MAP_PRIVATE:
        return -LINUX_EACCES
    opened = open_to_read(fd)
    if is_error(opened):
        return -LINUX_EACCES
    result = linux_syscall6(LINUX_SYS_mmap, addr, size, prot, linux, opened, pos)
    linux_syscall1(LINUX_SYS_close, opened)
    return result


cdef long map_error(long result, int prot, int fd) noexcept nogil:
    """What FreeBSD calls the failures that Linux calls otherwise."""
    cdef linux_stat info
    if result == -LINUX_EEXIST:
        return -LINUX_ENOMEM              # MAP_EXCL
    if result == -LINUX_EPERM and fd >= 0:
        return -LINUX_EACCES              # a file system mounted noexec, or memory that is sealed against writing
    if result == -LINUX_EBADF and not is_error(linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD)):
        return -LINUX_ENODEV              # O_PATH: path_fileops has no fo_mmap
    if result == -LINUX_ENODEV and not is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &info)) \
            and (info.st_mode & LINUX_S_IFMT) == LINUX_S_IFDIR:
        return -LINUX_EINVAL
    return result


cdef long map_guest(area_t *area, uint64_t addr, uint64_t len_, uint64_t prot_word, uint64_t flags_word, int fd,
                    uint64_t pos) noexcept nogil:
    """mmap(2), with FreeBSD's checks in FreeBSD's order."""
    cdef process_t *proc = area.proc
    cdef uint32_t word = <uint32_t> prot_word, flags = <uint32_t> flags_word
    cdef int prot = word & PROT_ALL, max_prot = (word >> 16) & PROT_ALL
    cdef uint64_t align = flags & FREEBSD_MAP_ALIGNMENT_MASK, offset, size
    cdef long linux, result
    cdef bint own_code, locked
    flags &= ~<uint32_t> MAP_OLD_FLAGS
    if word & ~<uint32_t> (PROT_ALL | PROT_ALL << 16):
        return -LINUX_EINVAL
    if max_prot != 0 and prot & ~max_prot:
        return -LINUX_EOPNOTSUPP
    if len_ == 0 or (flags & FREEBSD_MAP_ANON and (fd != -1 or pos != 0)):
        return -LINUX_EINVAL
    if flags & FREEBSD_MAP_STACK:
        if fd != -1 or prot & 3 != 3:
            return -LINUX_EINVAL
        flags = (flags & ~<uint32_t> FREEBSD_MAP_STACK) | FREEBSD_MAP_ANON
        pos = 0
    flags &= ~<uint32_t> FREEBSD_MAP_ALIGNMENT_MASK
    linux = freebsd_to_linux_mmap_flags(flags & ~<uint32_t> FREEBSD_MAP_GUARD)
    if linux < 0:
        return -LINUX_EINVAL
    if flags & (FREEBSD_MAP_EXCL | FREEBSD_MAP_FIXED) == FREEBSD_MAP_EXCL:
        return -LINUX_EINVAL
    if flags & (FREEBSD_MAP_SHARED | FREEBSD_MAP_PRIVATE) == FREEBSD_MAP_SHARED | FREEBSD_MAP_PRIVATE:
        return -LINUX_EINVAL
    if flags & FREEBSD_MAP_GUARD:
        if prot != 0 or fd != -1 or pos != 0 or flags & ~<uint32_t> (
                FREEBSD_MAP_FIXED | FREEBSD_MAP_GUARD | FREEBSD_MAP_EXCL | FREEBSD_MAP_32BIT):
            return -LINUX_EINVAL
        linux |= LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE
    offset = pos & (PAGE_SIZE - 1)
    pos -= offset
    size = page_up(len_ + offset)
    if len_ > size:
        return -LINUX_ENOMEM
    if align != 0 and align != FREEBSD_MAP_ALIGNED_SUPER and not 12 <= align >> FREEBSD_MAP_ALIGNMENT_SHIFT < 64:
        return -LINUX_EINVAL
    if flags & FREEBSD_MAP_FIXED:
        addr -= offset
        if addr & (PAGE_SIZE - 1) or not range_is_valid(addr, addr + size):
            return -LINUX_EINVAL
        if flags & FREEBSD_MAP_32BIT and addr + size > MAP_32BIT_END:
            return -LINUX_EINVAL
        evict_trampolines(area, addr, size)
        if range_is_kept(proc, addr, size):
            return -LINUX_ENOMEM if flags & FREEBSD_MAP_EXCL else -LINUX_EINVAL
        if flags & FREEBSD_MAP_EXCL and stack_holds(proc, addr, size):
            return -LINUX_ENOMEM
        align = 0
    elif flags & FREEBSD_MAP_32BIT:
        if addr + size > MAP_32BIT_END or addr + size < addr:
            addr = 0
        evict_trampolines(area, addr, size)
    else:
        if addr != 0:
            evict_trampolines(area, addr, size)
        if proc.break_start <= addr < proc.break_start + DATA_ROOM or range_is_ours(addr, size) \
                or stack_holds(proc, addr, size):
            addr = 0
    if size > GUEST_ADDRESS_END:
        return -LINUX_ENOMEM
    if linux & LINUX_MAP_ANONYMOUS:
        if not linux & LINUX_MAP_SHARED:
            linux |= LINUX_MAP_PRIVATE
        fd = -1
    else:
        if descriptor_is_hidden(proc, fd):
            return -LINUX_EBADF
        if not linux & (LINUX_MAP_SHARED | LINUX_MAP_PRIVATE):
            return -LINUX_EBADF if is_error(linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD)) else -LINUX_EINVAL
    if linux & LINUX_MAP_FIXED_NOREPLACE:
        linux &= ~<long> LINUX_MAP_FIXED
    if align == FREEBSD_MAP_ALIGNED_SUPER:
        align = SUPERPAGE if size >= SUPERPAGE else 0
    else:
        align = 1UL << (align >> FREEBSD_MAP_ALIGNMENT_SHIFT) if align != 0 else 0
    # What may replace patched text, or is code that must not be patched, is mapped while no site is being patched.
    own_code = linux & LINUX_MAP_SHARED or (prot & 4 and (linux & LINUX_MAP_ANONYMOUS or prot & 3 != 1))
    locked = own_code or flags & FREEBSD_MAP_FIXED
    if locked:
        lock_acquire(&PATCHES.lock)
    if align > PAGE_SIZE:
        result = map_aligned(addr, size, align, prot, <int> linux, fd, pos)
    else:
        result = linux_syscall6(LINUX_SYS_mmap, addr, size, prot, linux, fd, pos)
    if result == -LINUX_EACCES or (result == -LINUX_EBADF and path_kind(fd) == ACCESS_EXECUTE):
        result = map_unread(addr, size, prot, linux, fd, pos)
    if locked:
        if not is_error(result):
            forget_left_alone(result, size)
            if own_code:
                leave_alone(result, size)
        lock_release(&PATCHES.lock)
    if is_error(result):
        return map_error(result, prot, fd)
    if flags & FREEBSD_MAP_NOCORE:
        linux_syscall3(LINUX_SYS_madvise, result, size, LINUX_MADV_DONTDUMP)
    limits_set(proc, result, size, LIMIT_GUARD if flags & FREEBSD_MAP_GUARD else max_prot if max_prot != 0 else PROT_ALL)
    return result + <long> offset


cdef public long sys_mmap(frame_t *frame, area_t *area) noexcept nogil:
    return map_guest(area, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <int> frame.arg[4],
                     frame.arg[5])


cdef public long sys_freebsd6_mmap(frame_t *frame, area_t *area) noexcept nogil:
    """The offset follows a padding word, so it is the seventh argument, on the stack."""
    cdef uint64_t pos = 0
    if fetch_guest64(frame.rsp + 8, &pos) < 0:
        return -LINUX_EFAULT
    return map_guest(area, frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3], <int> frame.arg[4], pos)


cdef public long sys_munmap(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t start = page_down(frame.arg[0]), end = start + page_up(frame.arg[1] + frame.arg[0] - start)
    cdef long result
    if frame.arg[1] == 0 or not range_is_valid(start, end):
        return -LINUX_EINVAL
    if start == end:
        return 0                        # a size that is none when it is rounded up to pages (kern_munmap)
    evict_trampolines(area, start, end - start)
    if range_is_kept(area.proc, start, end - start):
        return -LINUX_EINVAL
    lock_acquire(&PATCHES.lock)
    forget_left_alone(start, end - start)
    result = linux_syscall2(LINUX_SYS_munmap, start, end - start)
    lock_release(&PATCHES.lock)
    return result


cdef public long sys_mprotect(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t start = page_down(frame.arg[0]), size = page_up(frame.arg[1] + frame.arg[0] - start)
    cdef uint32_t word = <uint32_t> frame.arg[2]
    cdef int prot = word & PROT_ALL, max_prot = (word >> 16) & PROT_ALL
    cdef long result
    if word & ~<uint32_t> (PROT_ALL | PROT_ALL << 16):
        return -LINUX_EINVAL
    if max_prot != 0 and prot & ~max_prot:
        return -LINUX_EOPNOTSUPP
    if start + size < start:
        return -LINUX_EINVAL
    if size == 0:
        return 0
    evict_trampolines(area, start, size)
    if range_is_kept(area.proc, start, size) or start + size > GUEST_ADDRESS_END:
        return -LINUX_EINVAL
    result = limits_refuse(area.proc, start, start + size, prot, max_prot)
    if result < 0:
        return result
    lock_acquire(&PATCHES.lock)
    if prot & 2:
        unpatch_range(start, start + size)
    if prot & 4:
        leave_alone(start, size)
    if area.proc.own.limits == 0:
        result = protect_range(start, size, prot)
    else:
        result = protect_between_guards(area.proc, start, start + size, prot)
    lock_release(&PATCHES.lock)
    if result == 0 and max_prot != 0:
        limits_set(area.proc, start, size, max_prot)
    return result


cdef public long sys_madvise(frame_t *frame, area_t *area) noexcept nogil:
    """Advice, so what Linux has no use for, or cannot do to some kind of mapping, is no error."""
    cdef uint64_t start = page_down(frame.arg[0]), end = page_up(frame.arg[0] + frame.arg[1])
    cdef int advice = <int> frame.arg[2]
    cdef int linux = freebsd_to_linux_madvice(advice)
    if advice == FREEBSD_MADV_PROTECT:
        return -LINUX_EPERM if linux_syscall0(LINUX_SYS_geteuid) != 0 else 0
    if linux == LSF_UNKNOWN:
        return -LINUX_EINVAL
    if frame.arg[0] + frame.arg[1] < frame.arg[0] or not range_is_valid(start, end):
        return -LINUX_EINVAL
    if start == end:
        return 0
    evict_trampolines(area, start, end - start)
    if range_is_kept(area.proc, start, end - start):
        return -LINUX_EINVAL
    if linux >= 0:
        linux_syscall3(LINUX_SYS_madvise, start, end - start, linux)
    return 0


cdef public long sys_msync(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint64_t start = page_down(frame.arg[0]), size = page_up(frame.arg[1] + frame.arg[0] - start)
    cdef long flags
    if start + size < start:
        return -LINUX_EINVAL
    flags = freebsd_to_linux_msync_flags(<unsigned> frame.arg[2] & 3)
    if frame.arg[2] & 3 == 3:
        return -LINUX_EINVAL
    if size == 0:
        size = PAGE_SIZE            # FreeBSD: the mapping that holds the address
    return linux_syscall3(LINUX_SYS_msync, start, size, flags)


cdef public long sys_mincore(frame_t *frame, area_t *area) noexcept nogil:
    """Linux knows only whether a page is there: MINCORE_INCORE."""
    cdef unsigned char vec[MINCORE_CHUNK]
    cdef uint64_t start = page_down(frame.arg[0]), end = page_up(frame.arg[0] + frame.arg[1]), pages
    cdef uaddr out = frame.arg[2]
    cdef uint64_t i
    cdef long result
    if end < start or end > GUEST_ADDRESS_END:
        return -LINUX_ENOMEM
    if start == end:                    # FreeBSD looks where it begins, Linux nowhere
        return linux_syscall3(LINUX_SYS_mincore, start, PAGE_SIZE, <uint64_t> vec)
    while start < end:
        pages = (end - start) // PAGE_SIZE
        if pages > MINCORE_CHUNK:
            pages = MINCORE_CHUNK
        result = linux_syscall3(LINUX_SYS_mincore, start, pages * PAGE_SIZE, <uint64_t> vec)
        if is_error(result):
            return result
        for i in range(pages):
            vec[i] &= 1
        if copyout(vec, out, pages) < 0:
            return -LINUX_EFAULT
        out += pages
        start += pages * PAGE_SIZE
    return 0


cdef public long sys_mlockall(frame_t *frame, area_t *area) noexcept nogil:
    cdef long how = freebsd_to_linux_mlockall_flags(<unsigned> frame.arg[0])
    if how <= 0:
        return -LINUX_EINVAL
    return linux_syscall1(LINUX_SYS_mlockall, how)

# Files: <sys/stat.h>, <sys/dirent.h>, <sys/fcntl.h>, <sys/_iovec.h>, <sys/caprights.h>.

# FreeBSD 12 and later.
cdef struct freebsd_stat:
    uint64_t st_dev
    uint64_t st_ino
    uint64_t st_nlink
    uint16_t st_mode
    int16_t st_padding0
    uint32_t st_uid
    uint32_t st_gid
    int32_t st_padding1
    uint64_t st_rdev
    freebsd_timespec st_atim
    freebsd_timespec st_mtim
    freebsd_timespec st_ctim
    freebsd_timespec st_birthtim
    int64_t st_size
    int64_t st_blocks
    int32_t st_blksize
    uint32_t st_flags
    uint64_t st_gen
    uint64_t st_spare[10]

# FreeBSD 5 to 11.
cdef struct freebsd11_stat:
    uint32_t st_dev
    uint32_t st_ino
    uint16_t st_mode
    uint16_t st_nlink
    uint32_t st_uid
    uint32_t st_gid
    uint32_t st_rdev
    freebsd_timespec st_atim
    freebsd_timespec st_mtim
    freebsd_timespec st_ctim
    int64_t st_size
    int64_t st_blocks
    int32_t st_blksize
    uint32_t st_flags
    uint32_t st_gen
    int32_t st_lspare
    freebsd_timespec st_birthtim

# The NetBSD-compatible nstat(2), FreeBSD 3 to 11. On amd64 its two trailing bit-fields have no width.
cdef struct freebsd_nstat:
    uint32_t st_dev
    uint32_t st_ino
    uint32_t st_mode
    uint32_t st_nlink
    uint32_t st_uid
    uint32_t st_gid
    uint32_t st_rdev
    freebsd_timespec st_atim
    freebsd_timespec st_mtim
    freebsd_timespec st_ctim
    int64_t st_size
    int64_t st_blocks
    int32_t st_blksize
    uint32_t st_flags
    uint32_t st_gen
    freebsd_timespec st_birthtim

# FreeBSD 12 and later; d_name is followed by zeros up to a multiple of 8. Member names of their own where <dirent.h>
# has macros (d_fileno).
cdef struct freebsd_dirent:
    uint64_t d_fileno "freebsd_d_fileno"
    int64_t d_off
    uint16_t d_reclen
    uint8_t d_type
    uint8_t d_pad0
    uint16_t d_namlen
    uint16_t d_pad1
    char d_name[256]

# Up to FreeBSD 11; rounded up to a multiple of 4.
cdef struct freebsd11_dirent:
    uint32_t d_fileno "freebsd_d_fileno"
    uint16_t d_reclen
    uint8_t d_type
    uint8_t d_namlen
    char d_name[256]

cdef struct freebsd_flock:
    int64_t l_start
    int64_t l_len
    int32_t l_pid
    int16_t l_type
    int16_t l_whence
    int32_t l_sysid

# struct __oflock: F_OGETLK and its kin, before FreeBSD 8.
cdef struct freebsd_oflock:
    int64_t l_start
    int64_t l_len
    int32_t l_pid
    int16_t l_type
    int16_t l_whence

cdef struct freebsd_spacectl_range:
    int64_t r_offset
    int64_t r_len

cdef struct freebsd_iovec:
    uint64_t iov_base
    uint64_t iov_len

cdef struct freebsd_cap_rights:
    uint64_t cr_rights[2]


cdef inline uint64_t freebsd_makedev(uint32_t major, uint32_t minor) noexcept nogil:
    """FreeBSD's dev_t: bytes MMMmmmMm, the lowest byte of each number where a 16-bit dev_t had it."""
    return ((<uint64_t>(major & 0xffffff00U) << 32) | ((major & 0xffU) << 8)
            | (<uint64_t>(minor & 0xff00U) << 24) | (minor & 0xffff00ffU))


cdef inline uint32_t freebsd_major(uint64_t dev) noexcept nogil:
    return <uint32_t>(((dev >> 32) & 0xffffff00U) | ((dev >> 8) & 0xff))


cdef inline uint32_t freebsd_minor(uint64_t dev) noexcept nogil:
    return <uint32_t>(((dev >> 24) & 0xff00) | (dev & 0xffff00ffU))


cdef inline uint64_t linux_makedev(uint32_t major, uint32_t minor) noexcept nogil:
    """Linux's dev_t as stat(2), mknod(2) and libc have it."""
    return ((<uint64_t>(major & 0xfffff000U) << 32) | (<uint64_t>(major & 0xfffU) << 8)
            | (<uint64_t>(minor & 0xffffff00U) << 12) | (minor & 0xffU))


cdef inline uint32_t linux_major(uint64_t dev) noexcept nogil:
    return <uint32_t>(((dev >> 32) & 0xfffff000U) | ((dev >> 8) & 0xfff))


cdef inline uint32_t linux_minor(uint64_t dev) noexcept nogil:
    return <uint32_t>(((dev >> 12) & 0xffffff00U) | (dev & 0xff))


cdef inline uint64_t freebsd_dev_from_linux(uint64_t dev) noexcept nogil:
    """The same major() and minor() on the guest's side."""
    return freebsd_makedev(linux_major(dev), linux_minor(dev))


cdef inline uint64_t linux_dev_from_freebsd(uint64_t dev) noexcept nogil:
    return linux_makedev(freebsd_major(dev), freebsd_minor(dev))


cdef inline void freebsd_stat_from_linux(freebsd_stat *to, const linux_stat *source) noexcept nogil:
    """stat(2) tells no birth time: it becomes -1, which is what FreeBSD says where a file system has none."""
    memset(to, 0, sizeof(freebsd_stat))
    to.st_dev = freebsd_dev_from_linux(source.st_dev)
    to.st_ino = source.st_ino
    to.st_nlink = source.st_nlink
    to.st_mode = <uint16_t>source.st_mode
    to.st_uid = source.st_uid
    to.st_gid = source.st_gid
    to.st_rdev = freebsd_dev_from_linux(source.st_rdev)
    freebsd_timespec_from_linux(&to.st_atim, &source.st_atim)
    freebsd_timespec_from_linux(&to.st_mtim, &source.st_mtim)
    freebsd_timespec_from_linux(&to.st_ctim, &source.st_ctim)
    to.st_birthtim.tv_sec = -1
    to.st_size = source.st_size
    to.st_blocks = source.st_blocks
    to.st_blksize = <int32_t>source.st_blksize


cdef inline void freebsd_stat_from_statx(freebsd_stat *to, const linux_statx *source) noexcept nogil:
    """Like freebsd_stat_from_linux, with the birth time and the file flags that statx(2) tells.

    Linux's immutable and append-only attributes are root's to change, so they are FreeBSD's SF_ (system) flags. A file that was given an
    earlier time of modification than that of its birth was born then (setutimes of vfs_syscalls.c). What is not assigned is
    zeroed by name: clearing the whole struct first is a tenth of the time that fstat(2) takes.
    """
    to.st_padding0 = 0
    to.st_padding1 = 0
    to.st_birthtim.tv_nsec = 0
    to.st_flags = 0
    to.st_gen = 0
    to.st_spare[0] = 0
    to.st_spare[1] = 0
    to.st_spare[2] = 0
    to.st_spare[3] = 0
    to.st_spare[4] = 0
    to.st_spare[5] = 0
    to.st_spare[6] = 0
    to.st_spare[7] = 0
    to.st_spare[8] = 0
    to.st_spare[9] = 0
    to.st_dev = freebsd_makedev(source.stx_dev_major, source.stx_dev_minor)
    to.st_ino = source.stx_ino
    to.st_nlink = source.stx_nlink
    to.st_mode = source.stx_mode
    to.st_uid = source.stx_uid
    to.st_gid = source.stx_gid
    to.st_rdev = freebsd_makedev(source.stx_rdev_major, source.stx_rdev_minor)
    to.st_atim.tv_sec = source.stx_atime.tv_sec
    to.st_atim.tv_nsec = source.stx_atime.tv_nsec
    to.st_mtim.tv_sec = source.stx_mtime.tv_sec
    to.st_mtim.tv_nsec = source.stx_mtime.tv_nsec
    to.st_ctim.tv_sec = source.stx_ctime.tv_sec
    to.st_ctim.tv_nsec = source.stx_ctime.tv_nsec
    if not source.stx_mask & LINUX_STATX_BTIME:
        to.st_birthtim.tv_sec = -1
    elif source.stx_mtime.tv_sec < source.stx_btime.tv_sec or (source.stx_mtime.tv_sec == source.stx_btime.tv_sec
                                                               and source.stx_mtime.tv_nsec < source.stx_btime.tv_nsec):
        to.st_birthtim = to.st_mtim
    else:
        to.st_birthtim.tv_sec = source.stx_btime.tv_sec
        to.st_birthtim.tv_nsec = source.stx_btime.tv_nsec
    to.st_size = <int64_t>source.stx_size
    to.st_blocks = <int64_t>source.stx_blocks
    to.st_blksize = <int32_t>source.stx_blksize
    if source.stx_attributes & LINUX_STATX_ATTR_IMMUTABLE:
        to.st_flags |= FREEBSD_SF_IMMUTABLE
    if source.stx_attributes & LINUX_STATX_ATTR_APPEND:
        to.st_flags |= FREEBSD_SF_APPEND
    if source.stx_attributes & LINUX_STATX_ATTR_NODUMP:
        to.st_flags |= FREEBSD_UF_NODUMP


cdef inline void freebsd11_stat_from_freebsd(freebsd11_stat *to, const freebsd_stat *source) noexcept nogil:
    """What does not fit is cut off, as freebsd11_cvtstat does with vfs.ino64_trunc_error at its default of 0."""
    memset(to, 0, sizeof(freebsd11_stat))
    to.st_dev = <uint32_t>source.st_dev
    to.st_ino = <uint32_t>source.st_ino
    to.st_mode = source.st_mode
    to.st_nlink = <uint16_t>source.st_nlink
    to.st_uid = source.st_uid
    to.st_gid = source.st_gid
    to.st_rdev = <uint32_t>source.st_rdev
    to.st_atim = source.st_atim
    to.st_mtim = source.st_mtim
    to.st_ctim = source.st_ctim
    to.st_size = source.st_size
    to.st_blocks = source.st_blocks
    to.st_blksize = source.st_blksize
    to.st_flags = source.st_flags
    to.st_gen = <uint32_t>source.st_gen
    to.st_birthtim = source.st_birthtim


cdef inline void freebsd11_stat_from_linux(freebsd11_stat *to, const linux_stat *source) noexcept nogil:
    cdef freebsd_stat wide
    freebsd_stat_from_linux(&wide, source)
    freebsd11_stat_from_freebsd(to, &wide)


cdef inline void freebsd_nstat_from_freebsd(freebsd_nstat *to, const freebsd_stat *source) noexcept nogil:
    """As freebsd11_cvtnstat: cut off, never an error."""
    memset(to, 0, sizeof(freebsd_nstat))
    to.st_dev = <uint32_t>source.st_dev
    to.st_ino = <uint32_t>source.st_ino
    to.st_mode = source.st_mode
    to.st_nlink = <uint32_t>source.st_nlink
    to.st_uid = source.st_uid
    to.st_gid = source.st_gid
    to.st_rdev = <uint32_t>source.st_rdev
    to.st_atim = source.st_atim
    to.st_mtim = source.st_mtim
    to.st_ctim = source.st_ctim
    to.st_size = source.st_size
    to.st_blocks = source.st_blocks
    to.st_blksize = source.st_blksize
    to.st_flags = source.st_flags
    to.st_gen = <uint32_t>source.st_gen
    to.st_birthtim = source.st_birthtim


cdef inline uint64_t linux_dirent64_name_length(const linux_dirent64 *entry) noexcept nogil:
    """Length of d_name, or 256 if it has no end inside its record or is longer than FreeBSD's MAXNAMLEN."""
    cdef uint64_t length = 0
    cdef uint64_t limit = FREEBSD_MAXNAMLEN + 1
    cdef uint64_t room
    if entry.d_reclen < 20:        # the header is 19 bytes, and a name has at least its NUL
        return FREEBSD_MAXNAMLEN + 1
    room = <uint64_t>entry.d_reclen - 19
    if limit > room:
        limit = room
    while length < limit and entry.d_name[length] != 0:
        length += 1
    return length if length < limit else FREEBSD_MAXNAMLEN + 1


cdef inline uint64_t freebsd_dirent_size(uint64_t name_length) noexcept nogil:
    """_GENERIC_DIRLEN: header of 24, name, NUL, rounded up to 8."""
    return (24 + name_length + 1 + 7) & ~<uint64_t>7


cdef inline uint64_t freebsd11_dirent_size(uint64_t name_length) noexcept nogil:
    """Header of 8, name, NUL, rounded up to 4."""
    return (8 + name_length + 1 + 3) & ~<uint64_t>3


cdef inline uint64_t freebsd_dirent_from_linux(void *to, uint64_t room, const linux_dirent64 *source) noexcept nogil:
    """Writes one record and returns its length, a multiple of 8; 0 if `room` is too small or the name too long.

    d_type has the same numbers on both sides (FreeBSD's own DT_WHT is 14 on Linux too); d_off is Linux's cookie.
    """
    cdef uint64_t length = linux_dirent64_name_length(source)
    cdef uint64_t size = freebsd_dirent_size(length)
    cdef freebsd_dirent *entry = <freebsd_dirent *>to
    if length > FREEBSD_MAXNAMLEN or size > room:
        return 0
    memset(to, 0, size)
    entry.d_fileno = source.d_ino
    entry.d_off = source.d_off
    entry.d_reclen = <uint16_t>size
    entry.d_type = source.d_type
    entry.d_namlen = <uint16_t>length
    memcpy(<char *>to + 24, source.d_name, length)
    return size


cdef inline uint64_t freebsd11_dirent_from_linux(void *to, uint64_t room, const linux_dirent64 *source) noexcept nogil:
    """Writes one record and returns its length, a multiple of 4; 0 if `room` is too small or the name too long.

    The file number is cut to 32 bits, as FreeBSD does by default.
    """
    cdef uint64_t length = linux_dirent64_name_length(source)
    cdef uint64_t size = freebsd11_dirent_size(length)
    cdef freebsd11_dirent *entry = <freebsd11_dirent *>to
    if length > FREEBSD_MAXNAMLEN or size > room:
        return 0
    memset(to, 0, size)
    entry.d_fileno = <uint32_t>source.d_ino
    entry.d_reclen = <uint16_t>size
    entry.d_type = source.d_type
    entry.d_namlen = <uint8_t>length
    memcpy(<char *>to + 8, source.d_name, length)
    return size


cdef inline int linux_flock_from_freebsd(linux_flock *to, const freebsd_flock *source) noexcept nogil:
    """Returns 0, or -EINVAL (-22) for a lock type that is none of F_RDLCK, F_WRLCK, F_UNLCK.

    l_whence has the same numbers; a bad one is left to Linux to refuse.
    """
    memset(to, 0, sizeof(linux_flock))
    if source.l_type == FREEBSD_F_RDLCK:
        to.l_type = LINUX_F_RDLCK
    elif source.l_type == FREEBSD_F_WRLCK:
        to.l_type = LINUX_F_WRLCK
    elif source.l_type == FREEBSD_F_UNLCK:
        to.l_type = LINUX_F_UNLCK
    else:
        return -22
    to.l_whence = source.l_whence
    to.l_start = source.l_start
    to.l_len = source.l_len
    to.l_pid = source.l_pid
    return 0


cdef inline void freebsd_flock_from_linux(freebsd_flock *to, const linux_flock *source) noexcept nogil:
    """l_sysid is 0: every lock is local as far as Linux tells."""
    memset(to, 0, sizeof(freebsd_flock))
    if source.l_type == LINUX_F_RDLCK:
        to.l_type = FREEBSD_F_RDLCK
    elif source.l_type == LINUX_F_WRLCK:
        to.l_type = FREEBSD_F_WRLCK
    else:
        to.l_type = FREEBSD_F_UNLCK
    to.l_whence = source.l_whence
    to.l_start = source.l_start
    to.l_len = source.l_len
    to.l_pid = source.l_pid


cdef inline void freebsd_flock_from_oflock(freebsd_flock *to, const freebsd_oflock *source) noexcept nogil:
    to.l_start = source.l_start
    to.l_len = source.l_len
    to.l_pid = source.l_pid
    to.l_type = source.l_type
    to.l_whence = source.l_whence
    to.l_sysid = 0


cdef inline void freebsd_oflock_from_freebsd(freebsd_oflock *to, const freebsd_flock *source) noexcept nogil:
    to.l_start = source.l_start
    to.l_len = source.l_len
    to.l_pid = source.l_pid
    to.l_type = source.l_type
    to.l_whence = source.l_whence

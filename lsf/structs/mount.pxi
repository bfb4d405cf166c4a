# File systems: <sys/mount.h>.

cdef enum:
    FREEBSD_STATFS_VERSION = 0x20140518
    FREEBSD11_STATFS_VERSION = 0x20030518

# FreeBSD 12 and later.
cdef struct freebsd_statfs:
    uint32_t f_version
    uint32_t f_type
    uint64_t f_flags
    uint64_t f_bsize
    uint64_t f_iosize
    uint64_t f_blocks
    uint64_t f_bfree
    int64_t f_bavail
    uint64_t f_files
    int64_t f_ffree
    uint64_t f_syncwrites
    uint64_t f_asyncwrites
    uint64_t f_syncreads
    uint64_t f_asyncreads
    uint32_t f_nvnodelistsize       # spare before 15
    uint32_t f_spare0
    uint64_t f_spare[9]
    uint32_t f_namemax
    uint32_t f_owner
    int32_t f_fsid[2]
    char f_charspare[80]
    char f_fstypename[16]
    char f_mntfromname[1024]
    char f_mntonname[1024]

# FreeBSD 5 to 11.
cdef struct freebsd11_statfs:
    uint32_t f_version
    uint32_t f_type
    uint64_t f_flags
    uint64_t f_bsize
    uint64_t f_iosize
    uint64_t f_blocks
    uint64_t f_bfree
    int64_t f_bavail
    uint64_t f_files
    int64_t f_ffree
    uint64_t f_syncwrites
    uint64_t f_asyncwrites
    uint64_t f_syncreads
    uint64_t f_asyncreads
    uint64_t f_spare[10]
    uint32_t f_namemax
    uint32_t f_owner
    int32_t f_fsid[2]
    char f_charspare[80]
    char f_fstypename[16]
    char f_mntfromname[88]
    char f_mntonname[88]

cdef extern from "<sys/statfs.h>" nogil:
    ctypedef struct linux_fsid "fsid_t":
        int32_t val "__val"[2]
    ctypedef struct linux_statfs "struct statfs":
        int64_t f_type
        int64_t f_bsize
        uint64_t f_blocks
        uint64_t f_bfree
        uint64_t f_bavail
        uint64_t f_files
        uint64_t f_ffree
        linux_fsid f_fsid
        int64_t f_namelen
        int64_t f_frsize
        int64_t f_flags

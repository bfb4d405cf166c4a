# Linux's structs: mount.

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

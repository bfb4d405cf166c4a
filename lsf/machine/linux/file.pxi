# Linux's structs: file.

cdef extern from "<sys/stat.h>" nogil:
    ctypedef struct linux_stat "struct stat":
        uint64_t st_dev
        uint64_t st_ino
        uint64_t st_nlink
        uint32_t st_mode
        uint32_t st_uid
        uint32_t st_gid
        uint64_t st_rdev
        int64_t st_size
        int64_t st_blksize
        int64_t st_blocks
        linux_timespec st_atim
        linux_timespec st_mtim
        linux_timespec st_ctim
    ctypedef struct linux_statx_timestamp "struct statx_timestamp":
        int64_t tv_sec
        uint32_t tv_nsec
    ctypedef struct linux_statx "struct statx":
        uint32_t stx_mask
        uint32_t stx_blksize
        uint64_t stx_attributes
        uint32_t stx_nlink
        uint32_t stx_uid
        uint32_t stx_gid
        uint16_t stx_mode
        uint64_t stx_ino
        uint64_t stx_size
        uint64_t stx_blocks
        uint64_t stx_attributes_mask
        linux_statx_timestamp stx_atime
        linux_statx_timestamp stx_btime
        linux_statx_timestamp stx_ctime
        linux_statx_timestamp stx_mtime
        uint32_t stx_rdev_major
        uint32_t stx_rdev_minor
        uint32_t stx_dev_major
        uint32_t stx_dev_minor

cdef extern from "<dirent.h>" nogil:
    # The kernel's linux_dirent64 has no exported header; glibc's dirent64 is the same.
    ctypedef struct linux_dirent64 "struct dirent64":
        uint64_t d_ino
        int64_t d_off
        uint16_t d_reclen
        uint8_t d_type
        char d_name[256]

cdef extern from "<fcntl.h>" nogil:
    ctypedef struct linux_flock "struct flock":
        int16_t l_type
        int16_t l_whence
        int64_t l_start
        int64_t l_len
        int32_t l_pid

cdef extern from "<sys/uio.h>" nogil:
    ctypedef struct linux_iovec "struct iovec":
        void *iov_base
        uint64_t iov_len

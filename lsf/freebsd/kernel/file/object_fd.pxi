# Descriptors of POSIX objects, which are files for Linux: shared memory is one in memory, a message queue one of a file system of its own.
# Known by a mark, which goes with duplicates and to children, not over exec or in a message. Models: FreeBSD sys/kern/uipc_shm.c (shm_ops),
# uipc_mqueue.c (mqueueops).

cdef enum:
    STAT_BLOCK = 512                    # S_BLKSIZE
    OPENED_PATHS = 1                    # what process_own.paths_opened counts: descriptors of O_PATH and O_EXEC,
    OPENED_OBJECTS = 2                  # and of these objects
    LINUX_MQUEUE_MAGIC = 0x19800202     # f_type of Linux's file system of message queues (ipc/mqueue.c)


cdef void object_made(process_t *proc, long fd) noexcept nogil:
    """A descriptor was opened for one, or could not be."""
    if not is_error(fd):
        fd_mark(proc, <int> fd, fd_marks(proc, <int> fd) | MARK_OBJECT)
        proc.own.stat_apart = 1
        proc.own.paths_opened |= OPENED_OBJECTS


cdef inline bint is_object(process_t *proc, int fd) noexcept nogil:
    return fd_marks(proc, fd) & MARK_OBJECT != 0


cdef bint is_queue(int fd) noexcept nogil:
    """Of objects: a message queue."""
    cdef linux_statfs fs
    return linux_syscall2(LINUX_SYS_fstatfs, <uint32_t> fd, <uint64_t> &fs) == 0 and fs.f_type == LINUX_MQUEUE_MAGIC


cdef bint is_not_written(process_t *proc, int fd, long error) noexcept nogil:
    """Whether a write that failed was one to a message queue or a process descriptor, which have no writes (invfo_rdwr)."""
    if error == -LINUX_EINVAL:
        return is_object(proc, fd) and not descriptor_is_hidden(proc, fd) and is_queue(fd)
    return not descriptor_is_hidden(proc, fd) and procdesc_process(fd) > 0


cdef void object_stat(int fd, freebsd_stat *st) noexcept nogil:
    """shm_stat: blocks are pages. mqf_stat: a FIFO of which little more is told."""
    cdef freebsd_stat was
    if not is_queue(fd):
        st.st_blocks = st.st_blocks * STAT_BLOCK // PAGE_SIZE
        st.st_blksize = PAGE_SIZE
        return
    memcpy(&was, st, sizeof(was))
    memset(st, 0, sizeof(freebsd_stat))
    st.st_mode = LINUX_S_IFIFO | (was.st_mode & FREEBSD_ACCESSPERMS)
    st.st_uid = was.st_uid
    st.st_gid = was.st_gid
    st.st_atim = was.st_atim
    st.st_mtim = was.st_mtim
    st.st_ctim = was.st_ctim
    st.st_birthtim = was.st_birthtim


cdef long object_seek(int fd, int64_t offset, int whence) noexcept nogil:
    """shm_seek: the offset is not beyond the object's end; a message queue has none."""
    cdef linux_stat st
    cdef int64_t from_ = 0
    if is_queue(fd):
        return -LINUX_ESPIPE
    if whence == FREEBSD_SEEK_CUR:
        from_ = linux_syscall3(LINUX_SYS_lseek, fd, 0, FREEBSD_SEEK_CUR)
    elif whence == FREEBSD_SEEK_END:
        linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)
        from_ = st.st_size
    elif whence != FREEBSD_SEEK_SET:
        return -LINUX_EINVAL
    if offset > 0 and from_ > <int64_t> IOSIZE_MAX - offset:
        return -LINUX_EOVERFLOW
    offset += from_
    if is_error(linux_syscall2(LINUX_SYS_fstat, fd, <uint64_t> &st)) or offset < 0 or offset > st.st_size:
        return -LINUX_EINVAL
    return linux_syscall3(LINUX_SYS_lseek, fd, <uint64_t> offset, FREEBSD_SEEK_SET)

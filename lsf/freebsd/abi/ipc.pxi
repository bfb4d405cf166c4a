# System V IPC: <sys/ipc.h>, <sys/shm.h>, <sys/sem.h>, <sys/msg.h>. struct sembuf and the messages have the same layout.

cdef struct freebsd_ipc_perm:
    uint32_t cuid
    uint32_t cgid
    uint32_t uid
    uint32_t gid
    uint16_t mode
    uint16_t seq
    int64_t key

cdef struct freebsd_shmid_ds:
    freebsd_ipc_perm shm_perm
    uint64_t shm_segsz
    int32_t shm_lpid
    int32_t shm_cpid
    uint32_t shm_nattch
    int64_t shm_atime
    int64_t shm_dtime
    int64_t shm_ctime

cdef struct freebsd_semid_ds:
    freebsd_ipc_perm sem_perm
    uint64_t sem_base
    uint16_t sem_nsems
    int64_t sem_otime
    int64_t sem_ctime

cdef struct freebsd_msqid_ds:
    freebsd_ipc_perm msg_perm
    uint64_t msg_first
    uint64_t msg_last
    uint64_t msg_cbytes
    uint64_t msg_qnum
    uint64_t msg_qbytes
    int32_t msg_lspid
    int32_t msg_lrpid
    int64_t msg_stime
    int64_t msg_rtime
    int64_t msg_ctime

# The kernel's own, which sysctl tells; their pointers are 0 there.

cdef struct freebsd_shmid_kernel:
    freebsd_shmid_ds u
    uint64_t object
    uint64_t label
    uint64_t cred

cdef struct freebsd_semid_kernel:
    freebsd_semid_ds u
    uint64_t label
    uint64_t cred

cdef struct freebsd_msqid_kernel:
    freebsd_msqid_ds u
    uint64_t label
    uint64_t cred

# As before FreeBSD 8: ids of 16 bits (freebsd7_shmctl(2), freebsd7___semctl(2), freebsd7_msgctl(2)).

cdef struct freebsd_ipc_perm_old:
    uint16_t cuid
    uint16_t cgid
    uint16_t uid
    uint16_t gid
    uint16_t mode
    uint16_t seq
    int64_t key

cdef struct freebsd_shmid_ds_old:
    freebsd_ipc_perm_old shm_perm
    int32_t shm_segsz
    int32_t shm_lpid
    int32_t shm_cpid
    int16_t shm_nattch
    int64_t shm_atime
    int64_t shm_dtime
    int64_t shm_ctime
    uint64_t shm_internal

cdef struct freebsd_semid_ds_old:
    freebsd_ipc_perm_old sem_perm
    uint64_t sem_base
    uint16_t sem_nsems
    int64_t sem_otime
    int64_t sem_pad1
    int64_t sem_ctime
    int64_t sem_pad2
    int64_t sem_pad3[4]

cdef struct freebsd_msqid_ds_old:
    freebsd_ipc_perm_old msg_perm
    uint64_t msg_first
    uint64_t msg_last
    uint64_t msg_cbytes
    uint64_t msg_qnum
    uint64_t msg_qbytes
    int32_t msg_lspid
    int32_t msg_lrpid
    int64_t msg_stime
    int64_t msg_pad1
    int64_t msg_rtime
    int64_t msg_pad2
    int64_t msg_ctime
    int64_t msg_pad3
    int64_t msg_pad4[4]


cdef inline void freebsd_ipc_perm_from_linux(freebsd_ipc_perm *to, const linux_ipc_perm *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_ipc_perm))
    to.cuid = source.cuid
    to.cgid = source.cgid
    to.uid = source.uid
    to.gid = source.gid
    to.mode = <uint16_t>source.mode
    to.seq = source.seq
    to.key = source.key


cdef inline void linux_ipc_perm_from_freebsd(linux_ipc_perm *to, const freebsd_ipc_perm *source) noexcept nogil:
    """For IPC_SET, which takes the owner and the mode."""
    memset(to, 0, sizeof(linux_ipc_perm))
    to.uid = source.uid
    to.gid = source.gid
    to.mode = source.mode


cdef inline void freebsd_shmid_ds_from_linux(freebsd_shmid_ds *to, const linux_shmid_ds *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_shmid_ds))
    freebsd_ipc_perm_from_linux(&to.shm_perm, &source.shm_perm)
    to.shm_segsz = source.shm_segsz
    to.shm_lpid = source.shm_lpid
    to.shm_cpid = source.shm_cpid
    to.shm_nattch = <uint32_t>source.shm_nattch
    to.shm_atime = source.shm_atime
    to.shm_dtime = source.shm_dtime
    to.shm_ctime = source.shm_ctime


cdef inline void freebsd_semid_ds_from_linux(freebsd_semid_ds *to, const linux_semid_ds *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_semid_ds))
    freebsd_ipc_perm_from_linux(&to.sem_perm, &source.sem_perm)
    to.sem_nsems = <uint16_t>source.sem_nsems
    to.sem_otime = source.sem_otime
    to.sem_ctime = source.sem_ctime


cdef inline void freebsd_msqid_ds_from_linux(freebsd_msqid_ds *to, const linux_msqid_ds *source,
                                             uint64_t bytes) noexcept nogil:
    """`bytes`: what the queue holds, a member whose name differs from one libc to another."""
    memset(to, 0, sizeof(freebsd_msqid_ds))
    freebsd_ipc_perm_from_linux(&to.msg_perm, &source.msg_perm)
    to.msg_cbytes = bytes
    to.msg_qnum = source.msg_qnum
    to.msg_qbytes = source.msg_qbytes
    to.msg_lspid = source.msg_lspid
    to.msg_lrpid = source.msg_lrpid
    to.msg_stime = source.msg_stime
    to.msg_rtime = source.msg_rtime
    to.msg_ctime = source.msg_ctime


cdef inline void freebsd_ipc_perm_from_old(freebsd_ipc_perm *to, const freebsd_ipc_perm_old *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_ipc_perm))
    to.cuid = source.cuid
    to.cgid = source.cgid
    to.uid = source.uid
    to.gid = source.gid
    to.mode = source.mode
    to.seq = source.seq
    to.key = source.key


cdef inline void freebsd_ipc_perm_old_from_new(freebsd_ipc_perm_old *to, const freebsd_ipc_perm *source) noexcept nogil:
    """FreeBSD too keeps the lower half of an id."""
    memset(to, 0, sizeof(freebsd_ipc_perm_old))
    to.cuid = <uint16_t>source.cuid
    to.cgid = <uint16_t>source.cgid
    to.uid = <uint16_t>source.uid
    to.gid = <uint16_t>source.gid
    to.mode = source.mode
    to.seq = source.seq
    to.key = source.key


cdef inline void freebsd_shmid_ds_old_from_new(freebsd_shmid_ds_old *to, const freebsd_shmid_ds *source) noexcept nogil:
    """A size or number of attaches that does not fit is the greatest that does."""
    memset(to, 0, sizeof(freebsd_shmid_ds_old))
    freebsd_ipc_perm_old_from_new(&to.shm_perm, &source.shm_perm)
    to.shm_segsz = 0x7fffffff if source.shm_segsz > 0x7fffffff else <int32_t>source.shm_segsz
    to.shm_lpid = source.shm_lpid
    to.shm_cpid = source.shm_cpid
    to.shm_nattch = 0x7fff if source.shm_nattch > 0x7fff else <int16_t>source.shm_nattch
    to.shm_atime = source.shm_atime
    to.shm_dtime = source.shm_dtime
    to.shm_ctime = source.shm_ctime


cdef inline void freebsd_semid_ds_old_from_new(freebsd_semid_ds_old *to, const freebsd_semid_ds *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_semid_ds_old))
    freebsd_ipc_perm_old_from_new(&to.sem_perm, &source.sem_perm)
    to.sem_base = source.sem_base
    to.sem_nsems = source.sem_nsems
    to.sem_otime = source.sem_otime
    to.sem_ctime = source.sem_ctime


cdef inline void freebsd_msqid_ds_old_from_new(freebsd_msqid_ds_old *to, const freebsd_msqid_ds *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_msqid_ds_old))
    freebsd_ipc_perm_old_from_new(&to.msg_perm, &source.msg_perm)
    to.msg_first = source.msg_first
    to.msg_last = source.msg_last
    to.msg_cbytes = source.msg_cbytes
    to.msg_qnum = source.msg_qnum
    to.msg_qbytes = source.msg_qbytes
    to.msg_lspid = source.msg_lspid
    to.msg_lrpid = source.msg_lrpid
    to.msg_stime = source.msg_stime
    to.msg_rtime = source.msg_rtime
    to.msg_ctime = source.msg_ctime

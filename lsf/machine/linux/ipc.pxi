# Linux's structs: ipc.

cdef extern from "<sys/ipc.h>" nogil:
    ctypedef struct linux_ipc_perm "struct ipc_perm":
        int32_t key "__key"
        uint32_t uid
        uint32_t gid
        uint32_t cuid
        uint32_t cgid
        uint32_t mode
        uint16_t seq "__seq"

cdef extern from "<sys/shm.h>" nogil:
    ctypedef struct linux_shmid_ds "struct shmid_ds":
        linux_ipc_perm shm_perm
        uint64_t shm_segsz
        int64_t shm_atime
        int64_t shm_dtime
        int64_t shm_ctime
        int32_t shm_cpid
        int32_t shm_lpid
        uint64_t shm_nattch

cdef extern from "<sys/sem.h>" nogil:
    ctypedef struct linux_semid_ds "struct semid_ds":
        linux_ipc_perm sem_perm
        int64_t sem_otime
        int64_t sem_ctime
        uint64_t sem_nsems

cdef extern from "<sys/msg.h>" nogil:
    ctypedef struct linux_msqid_ds "struct msqid_ds":
        linux_ipc_perm msg_perm
        int64_t msg_stime
        int64_t msg_rtime
        int64_t msg_ctime
        uint64_t msg_qnum
        uint64_t msg_qbytes
        int32_t msg_lspid
        int32_t msg_lrpid

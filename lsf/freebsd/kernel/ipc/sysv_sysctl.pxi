# The tables of System V IPC as sysctl tells them to ipcs(1): kern.ipc.shmsegs, sema and msqids.
# Model: FreeBSD sys/kern/sysv_shm.c (sysctl_shmsegs), sysv_sem.c (sysctl_sema), sysv_msg.c (sysctl_msqids).
#
# FreeBSD's table has a place for each number that an object can have; ipcs makes an id of the place (its low 16 bits) and of
# the object's sequence. An id of Linux's is taken apart likewise: its low 16 bits are the place. Linux counts its own sequence
# from bit 15 on, so that places above 32767 are needed: kern.ipc.shmmni, semmni and msgmni are Linux's limit and 32768 more.

cdef enum:
    IPC_SHARED_MEMORY = 0               # sysctl_ipc_table's argument
    IPC_SEMAPHORES = 1
    IPC_QUEUES = 2
    IPC_PLACES_OF_SEQUENCE = 32768
    SHMSEG_FREE = 0x200                 # kernel-private bits of the modes
    SHMSEG_ALLOCATED = 0x800
    SEM_ALLOC = 0x200


cdef int64_t ipc_places(int64_t kind) noexcept nogil:
    """Places of a table."""
    cdef char text[64]
    cdef const char *at = text
    cdef int64_t number = 0
    cdef int i
    if kind == IPC_SEMAPHORES:
        if read_file(b"/proc/sys/kernel/sem", text, sizeof(text)) > 0:
            for i in range(4):
                at = parse_number(at, &number)
    elif read_file(b"/proc/sys/kernel/shmmni" if kind == IPC_SHARED_MEMORY else b"/proc/sys/kernel/msgmni", text,
                   sizeof(text)) > 0:
        parse_number(text, &number)
    if not 0 < number <= IPC_PLACES_OF_SEQUENCE:
        number = IPC_PLACES_OF_SEQUENCE
    return IPC_PLACES_OF_SEQUENCE + number


cdef public long sysctl_ipc_places(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, ipc_places(request.row.value))


cdef uint64_t ipc_record_size(int64_t kind) noexcept nogil:
    if kind == IPC_SHARED_MEMORY:
        return sizeof(freebsd_shmid_kernel)
    return sizeof(freebsd_semid_kernel) if kind == IPC_SEMAPHORES else sizeof(freebsd_msqid_kernel)


cdef long shared_memory_record(long index, freebsd_shmid_kernel *record) noexcept nogil:
    """The segment of an index of Linux's: its id, or an error."""
    cdef linux_shmid_ds info
    cdef long result = linux_syscall3(LINUX_SYS_shmctl, index, LINUX_SHM_STAT_ANY, <uint64_t> &info)
    if result == -LINUX_EINVAL:
        result = linux_syscall3(LINUX_SYS_shmctl, index, LINUX_SHM_STAT, <uint64_t> &info)
    if not is_error(result):
        freebsd_shmid_ds_from_linux(&record.u, &info)
        record.u.shm_perm.mode |= SHMSEG_ALLOCATED
        record.u.shm_perm.seq = <uint16_t> (result >> 16)
    return result


cdef long semaphores_record(long index, freebsd_semid_kernel *record) noexcept nogil:
    cdef linux_semid_ds info
    cdef long result = linux_syscall4(LINUX_SYS_semctl, index, 0, LINUX_SEM_STAT_ANY, <uint64_t> &info)
    if result == -LINUX_EINVAL:
        result = linux_syscall4(LINUX_SYS_semctl, index, 0, LINUX_SEM_STAT, <uint64_t> &info)
    if not is_error(result):
        freebsd_semid_ds_from_linux(&record.u, &info)
        record.u.sem_perm.mode |= SEM_ALLOC
        record.u.sem_perm.seq = <uint16_t> (result >> 16)
    return result


cdef long queue_record(long index, freebsd_msqid_kernel *record) noexcept nogil:
    cdef linux_msqid_ds info
    cdef long result = linux_syscall3(LINUX_SYS_msgctl, index, LINUX_MSG_STAT_ANY, <uint64_t> &info)
    if result == -LINUX_EINVAL:
        result = linux_syscall3(LINUX_SYS_msgctl, index, LINUX_MSG_STAT, <uint64_t> &info)
    if not is_error(result):
        # The bytes in the queue stand between the last time and the number of messages.
        freebsd_msqid_ds_from_linux(&record.u, &info, (<uint64_t *> &info.msg_qnum - 1)[0])
        record.u.msg_perm.seq = <uint16_t> (result >> 16)
    return result


cdef long ipc_highest(int64_t kind) noexcept nogil:
    """The highest index that Linux uses; below 0: none."""
    cdef uint64_t info[32]              # struct shminfo, seminfo or msginfo
    if kind == IPC_SHARED_MEMORY:
        return linux_syscall3(LINUX_SYS_shmctl, 0, LINUX_SHM_INFO, <uint64_t> info)
    if kind == IPC_SEMAPHORES:
        return linux_syscall4(LINUX_SYS_semctl, 0, 0, LINUX_SEM_INFO, <uint64_t> info)
    return linux_syscall3(LINUX_SYS_msgctl, 0, LINUX_MSG_INFO, <uint64_t> info)


cdef void ipc_fill(int64_t kind, char *table, int64_t places) noexcept nogil:
    cdef freebsd_shmid_kernel segment
    cdef freebsd_semid_kernel semaphores
    cdef freebsd_msqid_kernel queue
    cdef void *record = &segment if kind == IPC_SHARED_MEMORY else <void *> &semaphores if kind == IPC_SEMAPHORES else <void *> &queue
    cdef long index = 0, highest = ipc_highest(kind), result
    memset(&segment, 0, sizeof(segment))
    memset(&semaphores, 0, sizeof(semaphores))
    memset(&queue, 0, sizeof(queue))
    if kind == IPC_SHARED_MEMORY:
        for index in range(places):
            (<freebsd_shmid_kernel *> table)[index].u.shm_perm.mode = SHMSEG_FREE
        index = 0
    while index <= highest:
        if kind == IPC_SHARED_MEMORY:
            result = shared_memory_record(index, &segment)
        elif kind == IPC_SEMAPHORES:
            result = semaphores_record(index, &semaphores)
        else:
            result = queue_record(index, &queue)
        index += 1
        if not is_error(result) and result & 0xffff < places:
            memcpy(table + <uint64_t> (result & 0xffff) * ipc_record_size(kind), record, ipc_record_size(kind))


cdef public long sysctl_ipc_table(sysctl_request_t *request) noexcept nogil:
    cdef int64_t kind = request.row.value, places = ipc_places(kind)
    cdef uint64_t size = <uint64_t> places * ipc_record_size(kind), memory
    cdef long result
    if request.old == 0:
        return sysctl_out(request, NULL, size)
    memory = map_memory(page_up(size))
    if memory == 0:
        return -LINUX_ENOMEM
    ipc_fill(kind, <char *> memory, places)
    result = sysctl_out(request, <void *> memory, size)
    linux_syscall2(LINUX_SYS_munmap, memory, page_up(size))
    return result

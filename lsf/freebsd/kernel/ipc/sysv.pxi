# System V shared memory, semaphores and message queues: Linux's own. Commands and structs are numbered and laid out
# otherwise; keys are 64 bits wide on FreeBSD, of which ftok(3) uses the lower half.
# Model: FreeBSD sys/kern/sysv_shm.c, sysv_sem.c, sysv_msg.c.

cdef enum:
    FIRST_SEM_CALL = 220        # freebsd7___semctl, semget, semop
    FIRST_MSG_CALL = 224        # freebsd7_msgctl, msgget, msgsnd, msgrcv


cdef public long sys_shmget(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall3(LINUX_SYS_shmget, <uint32_t> frame.arg[0], frame.arg[1], <uint32_t> frame.arg[2])


cdef public long sys_shmat(frame_t *frame, area_t *area) noexcept nogil:
    """SHM_REMAP takes the place of what is mapped at the address. Its number was 030000 before FreeBSD 15, which is SHM_RND
    and SHM_RDONLY, and the kernel asked for either bit; 040000, which meant nothing then, is taken on every release."""
    cdef linux_shmid_ds info
    cdef uaddr address = frame.arg[1]
    cdef uint32_t flags = <uint32_t> frame.arg[2]
    cdef uint64_t linux_flags = flags & FREEBSD_SHM_RDONLY
    cdef long result = linux_syscall3(LINUX_SYS_shmctl, frame.arg[0], FREEBSD_IPC_STAT, <uint64_t> &info)
    if address == 0:
        return linux_syscall3(LINUX_SYS_shmat, frame.arg[0], 0, linux_flags)
    if flags & FREEBSD_SHM_RND:
        address = page_down(address)
    elif address & (PAGE_SIZE - 1):
        return -LINUX_EINVAL
    if not is_error(result):
        evict_trampolines(area, address, page_up(info.shm_segsz))
        if not range_is_valid(address, address + page_up(info.shm_segsz)) \
                or range_is_kept(area.proc, address, page_up(info.shm_segsz)):
            return -LINUX_EINVAL
    if flags & FREEBSD_SHM_REMAP or (area.proc.own.osreldate < FREEBSD_SINCE_SHM_REMAP
                                     and flags & (FREEBSD_SHM_RND | FREEBSD_SHM_RDONLY)):
        linux_flags |= LINUX_SHM_REMAP
    if is_error(result):
        return result
    result = linux_syscall3(LINUX_SYS_shmat, frame.arg[0], address, linux_flags)
    return -LINUX_ENOMEM if result == -LINUX_EINVAL else result         # something is mapped there


cdef public long sys_shmdt(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall1(LINUX_SYS_shmdt, frame.arg[0])


cdef long shmctl(frame_t *frame, bint old) noexcept nogil:
    """shmctl(2); `old`: with the struct that it had before FreeBSD 8. SHM_LOCK and the commands of Linux are EINVAL."""
    cdef freebsd_shmid_ds out
    cdef freebsd_shmid_ds_old was
    cdef linux_shmid_ds info
    cdef int command = <int> frame.arg[1]
    cdef long result
    if command == FREEBSD_IPC_STAT:
        result = linux_syscall3(LINUX_SYS_shmctl, frame.arg[0], FREEBSD_IPC_STAT, <uint64_t> &info)
        if is_error(result):
            return result
        freebsd_shmid_ds_from_linux(&out, &info)
        if old:
            freebsd_shmid_ds_old_from_new(&was, &out)
            return copyout(&was, frame.arg[2], sizeof(was))
        return copyout(&out, frame.arg[2], sizeof(out))
    if command == FREEBSD_IPC_SET:
        if old:
            result = copyin(frame.arg[2], &was, sizeof(was))
            freebsd_ipc_perm_from_old(&out.shm_perm, &was.shm_perm)
        else:
            result = copyin(frame.arg[2], &out, sizeof(out))
        if result < 0:
            return result
        memset(&info, 0, sizeof(info))
        linux_ipc_perm_from_freebsd(&info.shm_perm, &out.shm_perm)
        return linux_syscall3(LINUX_SYS_shmctl, frame.arg[0], FREEBSD_IPC_SET, <uint64_t> &info)
    if command == FREEBSD_IPC_RMID:
        return linux_syscall3(LINUX_SYS_shmctl, frame.arg[0], FREEBSD_IPC_RMID, 0)
    return -LINUX_EINVAL


cdef public long sys_shmctl(frame_t *frame, area_t *area) noexcept nogil:
    return shmctl(frame, False)


cdef public long sys_freebsd7_shmctl(frame_t *frame, area_t *area) noexcept nogil:
    return shmctl(frame, True)


cdef public long sys_semget(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall3(LINUX_SYS_semget, <uint32_t> frame.arg[0], <uint32_t> frame.arg[1], <uint32_t> frame.arg[2])


cdef long semctl_struct(int semid, int command, uaddr target, bint old) noexcept nogil:
    """IPC_STAT, IPC_SET and SEM_STAT, whose semid is an index and whose result is the id."""
    cdef freebsd_semid_ds out
    cdef freebsd_semid_ds_old was
    cdef linux_semid_ds info
    cdef long result, copied
    if command == FREEBSD_IPC_SET:
        if old:
            result = copyin(target, &was, sizeof(was))
            freebsd_ipc_perm_from_old(&out.sem_perm, &was.sem_perm)
        else:
            result = copyin(target, &out, sizeof(out))
        if result < 0:
            return result
        memset(&info, 0, sizeof(info))
        linux_ipc_perm_from_freebsd(&info.sem_perm, &out.sem_perm)
        return linux_syscall4(LINUX_SYS_semctl, semid, 0, FREEBSD_IPC_SET, <uint64_t> &info)
    result = linux_syscall4(LINUX_SYS_semctl, semid, 0, LINUX_SEM_STAT if command == FREEBSD_SEM_STAT
                            else FREEBSD_IPC_STAT, <uint64_t> &info)
    if is_error(result):
        return result
    freebsd_semid_ds_from_linux(&out, &info)
    if old:
        freebsd_semid_ds_old_from_new(&was, &out)
        copied = copyout(&was, target, sizeof(was))
    else:
        copied = copyout(&out, target, sizeof(out))
    return copied if copied < 0 else result


cdef long semctl(frame_t *frame, bint old) noexcept nogil:
    """__semctl(2), whose fourth argument is the address of the union; `old`: with the struct from before FreeBSD 8."""
    cdef uint64_t value = 0
    cdef int semid = <int> frame.arg[0], number = <int> frame.arg[1], command = <int> frame.arg[2], linux
    if command == FREEBSD_IPC_STAT or command == FREEBSD_IPC_SET or command == FREEBSD_GETALL or command == FREEBSD_SETALL \
            or command == FREEBSD_SETVAL or command == FREEBSD_SEM_STAT:
        if fetch_guest64(frame.arg[3], &value) < 0:
            return -LINUX_EFAULT
    if command == FREEBSD_IPC_STAT or command == FREEBSD_IPC_SET or command == FREEBSD_SEM_STAT:
        return semctl_struct(semid, command, value, old)
    if command == FREEBSD_IPC_RMID:
        linux = FREEBSD_IPC_RMID
    elif command == FREEBSD_GETPID:
        linux = 11
    elif command == FREEBSD_GETVAL:
        linux = 12
    elif command == FREEBSD_GETALL:
        linux = 13
    elif command == FREEBSD_GETNCNT:
        linux = 14
    elif command == FREEBSD_GETZCNT:
        linux = 15
    elif command == FREEBSD_SETVAL:
        linux = 16
        value = <uint64_t> <int64_t> <int32_t> value
    elif command == FREEBSD_SETALL:
        linux = 17
    else:
        return -LINUX_EINVAL
    return linux_syscall4(LINUX_SYS_semctl, semid, number, linux, value)


cdef public long sys___semctl(frame_t *frame, area_t *area) noexcept nogil:
    return semctl(frame, False)


cdef public long sys_freebsd7___semctl(frame_t *frame, area_t *area) noexcept nogil:
    return semctl(frame, True)


cdef public long sys_semsys(frame_t *frame, area_t *area) noexcept nogil:
    """The calls on semaphores by their number in semcalls[] of sysv_sem.c: freebsd7___semctl and the next two."""
    cdef uint32_t which = <uint32_t> frame.arg[0]
    return run_inner(frame, area, FIRST_SEM_CALL + which, 0) if which < 3 else -LINUX_EINVAL


cdef public long sys_msgget(frame_t *frame, area_t *area) noexcept nogil:
    return linux_syscall2(LINUX_SYS_msgget, <uint32_t> frame.arg[0], <uint32_t> frame.arg[1])


cdef long msgctl(frame_t *frame, bint old) noexcept nogil:
    """msgctl(2); `old`: with the struct that it had before FreeBSD 8."""
    cdef freebsd_msqid_ds out
    cdef freebsd_msqid_ds_old was
    cdef linux_msqid_ds info
    cdef int command = <int> frame.arg[1]
    cdef long result
    if command == FREEBSD_IPC_RMID:
        return linux_syscall3(LINUX_SYS_msgctl, frame.arg[0], FREEBSD_IPC_RMID, 0)
    if command == FREEBSD_IPC_SET:
        if old:
            result = copyin(frame.arg[2], &was, sizeof(was))
            freebsd_ipc_perm_from_old(&out.msg_perm, &was.msg_perm)
            out.msg_qbytes = was.msg_qbytes
        else:
            result = copyin(frame.arg[2], &out, sizeof(out))
        if result < 0:
            return result
        memset(&info, 0, sizeof(info))
        linux_ipc_perm_from_freebsd(&info.msg_perm, &out.msg_perm)
        info.msg_qbytes = out.msg_qbytes
        return linux_syscall3(LINUX_SYS_msgctl, frame.arg[0], FREEBSD_IPC_SET, <uint64_t> &info)
    if command != FREEBSD_IPC_STAT:
        return -LINUX_EINVAL
    result = linux_syscall3(LINUX_SYS_msgctl, frame.arg[0], FREEBSD_IPC_STAT, <uint64_t> &info)
    if is_error(result):
        return result
    # The bytes in the queue stand between the last time and the number of messages.
    freebsd_msqid_ds_from_linux(&out, &info, (<uint64_t *> &info.msg_qnum - 1)[0])
    if old:
        freebsd_msqid_ds_old_from_new(&was, &out)
        return copyout(&was, frame.arg[2], sizeof(was))
    return copyout(&out, frame.arg[2], sizeof(out))


cdef public long sys_msgctl(frame_t *frame, area_t *area) noexcept nogil:
    return msgctl(frame, False)


cdef public long sys_freebsd7_msgctl(frame_t *frame, area_t *area) noexcept nogil:
    return msgctl(frame, True)


cdef public long sys_msgsys(frame_t *frame, area_t *area) noexcept nogil:
    """The calls on message queues by their number in msgcalls[] of sysv_msg.c: freebsd7_msgctl and the next three."""
    cdef uint32_t which = <uint32_t> frame.arg[0]
    return run_inner(frame, area, FIRST_MSG_CALL + which, 0) if which < 4 else -LINUX_EINVAL

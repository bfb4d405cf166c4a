# The table of ioctl(2) (lsf/freebsd/tables/ioctls.py), and what every request needs.


cdef const lsf_ioctl_t *ioctl_row(uint32_t command) noexcept nogil:
    """The table's row, or NULL."""
    cdef int low = 0, high = LSF_IOCTLS, middle
    while low < high:
        middle = (low + high) >> 1
        if lsf_ioctl[middle].command < command:
            low = middle + 1
        else:
            high = middle
    if low < LSF_IOCTLS and lsf_ioctl[low].command == command:
        return &lsf_ioctl[low]
    return NULL


cdef long ioctl_check(process_t *proc, int fd) noexcept nogil:
    """0, or -EBADF for a descriptor that is not open, is the shim's, or is open for neither reading nor writing (sys_ioctl)."""
    cdef long result
    if descriptor_is_hidden(proc, fd):
        return -LINUX_EBADF
    result = linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFL)
    return result if is_error(result) else -LINUX_EBADF if result & LINUX_O_PATH else 0


cdef inline long linux_ioctl(int fd, uint32_t command, uint64_t argument) noexcept nogil:
    return restartable(blocking_syscall(LINUX_SYS_ioctl, fd, command, argument, 0, 0, 0))


cdef inline long copyout_int(int value, uaddr target) noexcept nogil:
    return copyout(&value, target, 4)

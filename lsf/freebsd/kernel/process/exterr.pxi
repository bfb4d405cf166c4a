# exterrctl(2): where a thread wants to be told more of an error than its number. Model: FreeBSD 15's sys_generic.c.
#
# FreeBSD writes there when a call fails and has more to say. Nothing here ever has, so the memory stays as the program
# made it, with error 0, which its libc takes for "nothing more is known".


cdef public long sys_exterrctl(frame_t *frame, area_t *area) noexcept nogil:
    cdef uint32_t op = <uint32_t> frame.arg[0], flags = <uint32_t> frame.arg[1], version = 0
    if flags & ~<uint32_t> FREEBSD_EXTERRCTLF_FORCE:
        return -LINUX_EINVAL
    if op == FREEBSD_EXTERRCTL_ENABLE:
        if area.own.exterr != 0 and not flags & FREEBSD_EXTERRCTLF_FORCE:
            return -LINUX_EBUSY
        area.own.exterr = 0
        if fetch_guest32(frame.arg[2], &version) < 0:
            return -LINUX_EFAULT
        if version != FREEBSD_UEXTERROR_VER:
            return -LINUX_EINVAL
        area.own.exterr = frame.arg[2]
        return 0
    if op == FREEBSD_EXTERRCTL_DISABLE and area.own.exterr != 0:
        area.own.exterr = 0
        return 0
    return -LINUX_EINVAL

# Transfers of the pass lane that Linux does not make as they are: on netlink and routing sockets, local streams that keep
# records, masters of terminals, and inotify's descriptors. Who makes such a descriptor widens the bounds of the hidden ones
# (hide_number), so that the calls come here; no other process pays for it.

cdef long own_transfer(area_t *area, frame_t *frame, uint64_t nr) noexcept nogil:
    """The result of such a transfer, or -LINUX_ENOSYS where the call is none."""
    cdef int fd = <int> frame.arg[0]
    cdef long left
    if not (nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_write or nr == FREEBSD_SYS_readv or nr == FREEBSD_SYS_writev):
        return -LINUX_ENOSYS
    if is_learned_master(area.proc, fd):
        return master_transfer(area, frame, nr)
    if is_inotify(area.proc, fd):
        return inotify_transfer(area, frame, nr)
    if nr == FREEBSD_SYS_read or nr == FREEBSD_SYS_readv:
        left = record_left(area, fd)
        if left >= 0:
            return record_passed(area, frame, nr, <uint64_t> left)
    return netlink_transfer(area, frame, nr)

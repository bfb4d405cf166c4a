# Events: <sys/event.h>, <sys/poll.h>, <sys/aio.h>.

# FreeBSD 12 and later.
cdef struct freebsd_kevent:
    uint64_t ident
    int16_t filter
    uint16_t flags
    uint32_t fflags
    int64_t data
    uint64_t udata
    uint64_t ext[4]

# FreeBSD 4 to 11.
cdef struct freebsd11_kevent:
    uint64_t ident
    int16_t filter
    uint16_t flags
    uint32_t fflags
    int64_t data
    uint64_t udata

cdef struct freebsd_pollfd:
    int32_t fd
    int16_t events
    int16_t revents

cdef struct freebsd_aiocb_private:
    int64_t status
    int64_t error
    uint64_t kernelinfo

cdef struct freebsd_aiocb:
    int32_t aio_fildes
    int64_t aio_offset
    uint64_t aio_buf
    uint64_t aio_nbytes
    int32_t spare[2]
    uint64_t spare2
    int32_t aio_lio_opcode
    int32_t aio_reqprio
    freebsd_aiocb_private aiocb_private
    freebsd_sigevent aio_sigevent

cdef inline uint64_t freebsd_inotify_events_from_linux(char *data, uint64_t size) noexcept nogil:
    """Records of inotify(2) as Linux has them become FreeBSD's, in their place: their new size. They differ in how
    names are padded alone: to 4 bytes (_IN_NAMESIZE), not to 16."""
    cdef linux_inotify_event *event
    cdef uint64_t at = 0, to = 0, length, i
    while at + sizeof(linux_inotify_event) <= size:
        event = <linux_inotify_event *> &data[at]
        length = 0
        if at + sizeof(linux_inotify_event) + event.len > size:
            break
        at += sizeof(linux_inotify_event) + event.len
        while length < event.len and data[at - event.len + length] != 0:
            length += 1
        length = (length + 4) & ~<uint64_t> 3 if event.len else 0
        for i in range(sizeof(linux_inotify_event) + length):
            data[to + i] = (<char *> event)[i]
        event = <linux_inotify_event *> &data[to]
        event.len = <uint32_t> length
        to += sizeof(linux_inotify_event) + length
    return to


cdef inline void freebsd_kevent_from_freebsd11(freebsd_kevent *to, const freebsd11_kevent *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd_kevent))
    to.ident = source.ident
    to.filter = source.filter
    to.flags = source.flags
    to.fflags = source.fflags
    to.data = source.data
    to.udata = source.udata


cdef inline void freebsd11_kevent_from_freebsd(freebsd11_kevent *to, const freebsd_kevent *source) noexcept nogil:
    memset(to, 0, sizeof(freebsd11_kevent))
    to.ident = source.ident
    to.filter = source.filter
    to.flags = source.flags
    to.fflags = source.fflags
    to.data = source.data
    to.udata = source.udata

# sysctl(2): the walk through the tree, and the calls about the tree itself. The tree: lsf/freebsd/tables/sysctls.py; the
# values: sysctl_values.pxi and its neighbours, and kern_proc.pxi.
# Model: FreeBSD sys/kern/kern_sysctl.c.

cdef extern from "sysctls.h" nogil:
    ctypedef struct sysctl_request_t "struct sysctl_request":
        area_t *area
        const sysctl_row_t *row
        const int32_t *rest
        uint32_t nrest
        uaddr old
        uint64_t old_size, old_at
        uaddr new_
        uint64_t new_size
        uint8_t *inside
    ctypedef struct sysctl_row_t "struct sysctl_row":
        const char *name
        const char *format
        const char *description
        long (*function)(sysctl_request_t *) noexcept nogil
        const char *text
        int64_t value
        uint32_t kind
        int32_t number
        uint16_t first, count
    const sysctl_row_t sysctl_rows[1]
    const uint32_t CTLFLAG_GUESTS

cdef enum:
    SYSCTL_NAME_MAX = 1024


cdef long sysctl_out(sysctl_request_t *request, const void *data, uint64_t size) noexcept nogil:
    """SYSCTL_OUT: append to the old value. What does not fit is cut, and the call ends with ENOMEM."""
    cdef uint64_t at = request.old_at, fits = size
    request.old_at += size
    if request.old == 0 and request.inside == NULL:
        return 0
    if at >= request.old_size:
        fits = 0
    elif fits > request.old_size - at:
        fits = request.old_size - at
    if request.inside != NULL:
        memcpy(request.inside + at, data, fits)
    elif fits != 0 and copyout(data, request.old + at, fits) < 0:
        return -LINUX_EFAULT
    return -LINUX_ENOMEM if fits < size else 0


cdef long sysctl_out_string(sysctl_request_t *request, const char *text) noexcept nogil:
    return sysctl_out(request, text, string_length(text) + 1)


cdef long sysctl_out_number(sysctl_request_t *request, int64_t value) noexcept nogil:
    """A number in the size that the row's type has."""
    cdef uint32_t kind = request.row.kind & FREEBSD_CTLTYPE
    cdef int32_t small = <int32_t> value
    if kind == FREEBSD_CTLTYPE_INT or kind == FREEBSD_CTLTYPE_UINT:
        return sysctl_out(request, &small, 4)
    return sysctl_out(request, &value, 1 if kind == FREEBSD_CTLTYPE_U8 else 8)


cdef public long sysctl_number(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, request.row.value)


cdef public long sysctl_string(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_string(request, request.row.text)


cdef const sysctl_row_t *sysctl_child(const sysctl_row_t *row, int32_t number) noexcept nogil:
    cdef const sysctl_row_t *child = &sysctl_rows[row.first]
    cdef unsigned i
    for i in range(row.count):
        if child.number == number:
            return child
        child += 1
    return NULL


cdef long sysctl_find(const int32_t *name, uint32_t length, const sysctl_row_t **found, uint32_t *used) noexcept nogil:
    """The row of a number, as sysctl_find_oid: a node with a function takes the rest of it."""
    cdef const sysctl_row_t *row = &sysctl_rows[0]
    cdef uint32_t i = 0
    while i < length:
        row = sysctl_child(row, name[i])
        if row == NULL:
            return -LINUX_ENOENT
        i += 1
        if row.kind & FREEBSD_CTLTYPE != FREEBSD_CTLTYPE_NODE:
            if i != length:
                return -LINUX_ENOTDIR
            break
        if row.function != NULL:
            break
    found[0] = row
    used[0] = i
    return 0


cdef long sysctl_by_name(const char *text, uint64_t size, int32_t *name, uint32_t *length) noexcept nogil:
    """The number of a dotted name: 0 or -ENOENT. A dot at the end is ignored."""
    cdef const sysctl_row_t *row = &sysctl_rows[0]
    cdef const sysctl_row_t *child
    cdef uint64_t at = 0, end, i
    cdef unsigned n
    length[0] = 0
    while size > 0 and (text[size - 1] == 0 or text[size - 1] == c'.'):
        size -= 1
    if size == 0:
        return -LINUX_ENOENT
    while True:
        end = at
        while end < size and text[end] != c'.':
            end += 1
        child = NULL
        for n in range(row.count):
            i = 0
            while i < end - at and sysctl_rows[row.first + n].name[i] == text[at + i]:
                i += 1
            if i == end - at and sysctl_rows[row.first + n].name[i] == 0:
                child = &sysctl_rows[row.first + n]
                break
        if child == NULL or length[0] == FREEBSD_CTL_MAXNAME:
            return -LINUX_ENOENT
        row = child
        name[length[0]] = row.number
        length[0] += 1
        if end >= size:
            return 0
        if row.kind & FREEBSD_CTLTYPE != FREEBSD_CTLTYPE_NODE or row.function != NULL:
            return -LINUX_ENOENT
        at = end + 1


cdef bint sysctl_may_write(const sysctl_row_t *row) noexcept nogil:
    """What root may set on FreeBSD is Linux's, and nobody's to set here, but for what is the guests' alone."""
    if not row.kind & FREEBSD_CTLFLAG_WR:
        return False
    return row.kind & FREEBSD_CTLFLAG_ANYBODY != 0 or (row.kind & CTLFLAG_GUESTS and linux_syscall0(LINUX_SYS_geteuid) == 0)


cdef long sysctl_perform(area_t *area, const int32_t *name, uint32_t length, uaddr old, uaddr old_size, uaddr new_,
                         uint64_t new_size) noexcept nogil:
    """userland_sysctl and sysctl_root."""
    cdef sysctl_request_t request
    cdef uint32_t used = 0
    cdef uint64_t size
    cdef long result
    memset(&request, 0, sizeof(request))
    request.area = area
    request.old = old
    if old_size != 0 and fetch_guest64(old_size, &request.old_size) < 0:
        return -LINUX_EFAULT
    if new_ != 0:
        request.new_ = new_
        request.new_size = new_size
    result = sysctl_find(name, length, &request.row, &used)
    if result < 0:
        return result
    if request.row.kind & FREEBSD_CTLTYPE == FREEBSD_CTLTYPE_NODE and request.row.function == NULL:
        return -LINUX_EISDIR
    if new_ != 0 and not sysctl_may_write(request.row):
        return -LINUX_EPERM
    if area.proc.own.capmode and (old != 0 and not request.row.kind & FREEBSD_CTLFLAG_CAPRD
                                  or new_ != 0 and not request.row.kind & FREEBSD_CTLFLAG_CAPWR):
        return -LINUX_EPERM
    request.rest = name + used
    request.nrest = length - used
    result = request.row.function(&request)
    if result < 0 and result != -LINUX_ENOMEM:
        return result
    if old_size != 0:
        size = request.old_at
        if old != 0 and size > request.old_size:
            size = request.old_size
        if store_guest64(old_size, size) < 0:
            return -LINUX_EFAULT
    return result


cdef public long sys___sysctl(frame_t *frame, area_t *area) noexcept nogil:
    cdef int32_t name[FREEBSD_CTL_MAXNAME]
    cdef uint32_t length = <uint32_t> frame.arg[1]
    if length > FREEBSD_CTL_MAXNAME or length < 2:
        return -LINUX_EINVAL
    if copyin(frame.arg[0], name, length * 4) < 0:
        return -LINUX_EFAULT
    return sysctl_perform(area, name, length, frame.arg[2], frame.arg[3], frame.arg[4], frame.arg[5])


cdef public long sys___sysctlbyname(frame_t *frame, area_t *area) noexcept nogil:
    cdef char text[SYSCTL_NAME_MAX]
    cdef int32_t name[FREEBSD_CTL_MAXNAME]
    cdef uint32_t length = 0
    cdef uint64_t size = frame.arg[1]
    cdef long result
    if size > SYSCTL_NAME_MAX or size == 0:
        return -LINUX_EINVAL
    if copyin(frame.arg[0], text, size) < 0:
        return -LINUX_EFAULT
    result = sysctl_by_name(text, size, name, &length)
    if result < 0:
        return result
    return sysctl_perform(area, name, length, frame.arg[2], frame.arg[3], frame.arg[4], frame.arg[5])


# What CTL_SYSCTL (0) offers: the tree itself.

cdef public long sysctl_name2oid(sysctl_request_t *request) noexcept nogil:
    cdef char text[SYSCTL_NAME_MAX]
    cdef int32_t name[FREEBSD_CTL_MAXNAME]
    cdef uint32_t length = 0
    cdef long result
    if request.new_size == 0:
        return -LINUX_ENOENT
    if request.new_size >= SYSCTL_NAME_MAX:
        return -LINUX_ENAMETOOLONG
    if copyin(request.new_, text, request.new_size) < 0:
        return -LINUX_EFAULT
    text[request.new_size] = 0
    result = sysctl_by_name(text, string_length(text), name, &length)
    if result < 0:
        return result
    return sysctl_out(request, name, length * 4)


cdef uint64_t sysctl_dotted(const int32_t *numbers, uint64_t count, char *name, uint64_t size) noexcept nogil:
    """The dotted name of a number, into `size` bytes: its length. One that the tree does not have stands for itself."""
    cdef const sysctl_row_t *row = &sysctl_rows[0]
    cdef uint64_t i, at = 0
    name[0] = 0
    for i in range(count):
        if i > 0:
            at = append(name, at, size, b".")
        row = sysctl_child(row, numbers[i]) if row != NULL else NULL
        if row != NULL:
            at = append(name, at, size, row.name)
        else:
            at = append_number(name, at, size, <uint32_t> numbers[i], 10)
    return at


cdef public long sysctl_name(sysctl_request_t *request) noexcept nogil:
    cdef char name[SYSCTL_NAME_MAX]
    sysctl_dotted(request.rest, request.nrest, name, sizeof(name))
    return sysctl_out_string(request, name)


cdef bint sysctl_first_leaf(const sysctl_row_t *row, bint all_, int32_t *out, uint32_t *length) noexcept nogil:
    """Descend to the first name below a row that has a value; out and *length hold the number of the row itself."""
    cdef const sysctl_row_t *child
    cdef unsigned i
    if row.kind & FREEBSD_CTLFLAG_SKIP and not all_:
        return False
    if row.kind & FREEBSD_CTLTYPE != FREEBSD_CTLTYPE_NODE or row.function != NULL:
        return True
    for i in range(row.count):
        child = &sysctl_rows[row.first + i]
        out[length[0]] = child.number
        length[0] += 1
        if sysctl_first_leaf(child, all_, out, length):
            return True
        length[0] -= 1
    return False


cdef bint sysctl_following(const sysctl_row_t *row, const int32_t *name, uint32_t count, bint all_, int32_t *out,
                           uint32_t *length) noexcept nogil:
    """The first name with a value after a given number, below a row."""
    cdef const sysctl_row_t *child
    cdef unsigned i
    for i in range(row.count):
        child = &sysctl_rows[row.first + i]
        if count > 0 and child.number < name[0]:
            continue
        out[length[0]] = child.number
        length[0] += 1
        if count > 0 and child.number == name[0]:
            # Something below it comes next, if it has names below; else what follows it.
            if child.kind & FREEBSD_CTLTYPE == FREEBSD_CTLTYPE_NODE and child.function == NULL \
                    and sysctl_following(child, name + 1, count - 1, all_, out, length):
                return True
        elif sysctl_first_leaf(child, all_, out, length):
            return True
        length[0] -= 1
    return False


cdef public long sysctl_next(sysctl_request_t *request) noexcept nogil:
    """The number of the next name that has a value, in order; ENOENT at the end."""
    cdef int32_t name[FREEBSD_CTL_MAXNAME]
    cdef uint32_t length = 0
    if not sysctl_following(&sysctl_rows[0], request.rest, request.nrest, request.row.value != 0, name, &length):
        return -LINUX_ENOENT
    return sysctl_out(request, name, length * 4)


cdef public long sysctl_oidfmt(sysctl_request_t *request) noexcept nogil:
    cdef const sysctl_row_t *row = NULL
    cdef uint32_t used = 0
    cdef long result = sysctl_find(request.rest, request.nrest, &row, &used)
    cdef uint32_t kind
    if result < 0:
        return result
    kind = row.kind & ~CTLFLAG_GUESTS
    result = sysctl_out(request, &kind, 4)
    return result if result < 0 else sysctl_out_string(request, row.format)


cdef public long sysctl_oiddescr(sysctl_request_t *request) noexcept nogil:
    cdef const sysctl_row_t *row = NULL
    cdef uint32_t used = 0
    cdef long result = sysctl_find(request.rest, request.nrest, &row, &used)
    if result < 0:
        return result
    return sysctl_out_string(request, row.description)


cdef public long sysctl_oidlabel(sysctl_request_t *request) noexcept nogil:
    """No name has an aggregation label."""
    return -LINUX_ENOENT

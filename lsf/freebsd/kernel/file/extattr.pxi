# extattr(2).
#
# FreeBSD's namespace `user` is Linux's prefix "user."; `system` is not offered. A list is a length byte and a name
# each, where Linux has names with NULs.

cdef enum:
    EXTATTR_PREFIX = 5                  # "user."
    EXTATTR_NAME_MAX = 255

# Which of Linux's calls serves: of a path, of a link, of a descriptor.
cdef enum:
    XATTR_FILE = 0
    XATTR_LINK = 1
    XATTR_FD = 2


cdef long xattr_name(uint64_t name_space, uaddr name, char *linux_name) noexcept nogil:
    """Linux's name of an attribute, in 264 bytes."""
    cdef long result
    if <int> name_space == FREEBSD_EXTATTR_NAMESPACE_SYSTEM:
        return -LINUX_EPERM if linux_syscall0(LINUX_SYS_geteuid) != 0 else -LINUX_EOPNOTSUPP
    if <int> name_space != FREEBSD_EXTATTR_NAMESPACE_USER:
        return -LINUX_EPERM                 # extattr_check_cred
    append(linux_name, 0, 264, b"user.")
    if name == 0:
        return 0
    result = copyinstr(name, linux_name + EXTATTR_PREFIX, EXTATTR_NAME_MAX + 1, NULL)
    if result < 0:
        return result
    return -LINUX_EINVAL if linux_name[EXTATTR_PREFIX] == 0 else 0


cdef uint64_t xattr_file(process_t *proc, uint64_t file, int *kind, char *link) noexcept nogil:
    """The first argument of Linux's call: the path, or a descriptor that is none for a hidden one. One for execution alone is named by
    its link in /proc, since Linux's calls take no such descriptor."""
    if kind[0] != XATTR_FD:
        return file
    if descriptor_is_hidden(proc, <int> file):
        return <uint64_t> -1
    if path_kind(<int> file) == ACCESS_EXECUTE:
        kind[0] = XATTR_FILE
        descriptor_path(<int> file, link)
        return <uint64_t> link
    return file


cdef long xattr_get(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    """extattr_get_*: the value's size without a buffer; what fits into a buffer that is too small."""
    cdef char name[264]
    cdef char link[32]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], &kind, link), size = frame.arg[4], memory
    cdef uint64_t data = frame.arg[3]
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = LINUX_SYS_fgetxattr if kind == XATTR_FD else LINUX_SYS_lgetxattr if kind == XATTR_LINK \
            else LINUX_SYS_getxattr
    if result < 0:
        return result
    if data == 0 or size == 0:
        result = linux_syscall4(call, file, <uint64_t> name, 0, 0)
        return 0 if data != 0 and not is_error(result) else result
    result = linux_syscall4(call, file, <uint64_t> name, data, size if size < LINUX_XATTR_SIZE_MAX else LINUX_XATTR_SIZE_MAX)
    if result != -LINUX_ERANGE:
        return result
    memory = map_memory(LINUX_XATTR_SIZE_MAX)
    if memory == 0:
        return -LINUX_ENOMEM
    result = linux_syscall4(call, file, <uint64_t> name, memory, LINUX_XATTR_SIZE_MAX)
    if not is_error(result):
        if <uint64_t> result > size:
            result = <long> size
        if copyout(<void *> memory, data, <uint64_t> result) < 0:
            result = -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_munmap, memory, LINUX_XATTR_SIZE_MAX)
    return result


cdef long xattr_set(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    cdef char name[264]
    cdef char link[32]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], &kind, link)
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = LINUX_SYS_fsetxattr if kind == XATTR_FD else LINUX_SYS_lsetxattr if kind == XATTR_LINK \
            else LINUX_SYS_setxattr
    if result < 0:
        return result
    result = linux_syscall5(call, file, <uint64_t> name, frame.arg[3], frame.arg[4], 0)
    return result if is_error(result) else <long> frame.arg[4]


cdef long xattr_delete(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    cdef char name[264]
    cdef char link[32]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], &kind, link)
    cdef long result = xattr_name(frame.arg[1], frame.arg[2], name)
    cdef long call = (LINUX_SYS_fremovexattr if kind == XATTR_FD else LINUX_SYS_lremovexattr if kind == XATTR_LINK
                      else LINUX_SYS_removexattr)
    if result < 0:
        return result
    return linux_syscall2(call, file, <uint64_t> name)


cdef long xattr_list(process_t *proc, frame_t *frame, int kind) noexcept nogil:
    """extattr_list_*: the size of the list without a buffer; what fits into one that is too small."""
    cdef char name[264]
    cdef char link[32]
    cdef uint64_t file = xattr_file(proc, frame.arg[0], &kind, link), data = frame.arg[2], size = frame.arg[3]
    cdef uint64_t memory, at = 0, end = 0, length
    cdef char *text
    cdef long result = xattr_name(frame.arg[1], 0, name)
    cdef long call = LINUX_SYS_flistxattr if kind == XATTR_FD else LINUX_SYS_llistxattr if kind == XATTR_LINK \
            else LINUX_SYS_listxattr
    if result < 0:
        return result
    memory = map_memory(LINUX_XATTR_SIZE_MAX)
    if memory == 0:
        return -LINUX_ENOMEM
    text = <char *> memory
    result = linux_syscall3(call, file, memory, LINUX_XATTR_SIZE_MAX - 1)
    # In place: a name of Linux's is longer by its prefix than a name of FreeBSD's by its length byte.
    while not is_error(result) and at < <uint64_t> result:
        length = string_length(&text[at])
        if string_starts(&text[at], name) and length > EXTATTR_PREFIX:
            text[end] = <char> (length - EXTATTR_PREFIX)
            for at in range(at + EXTATTR_PREFIX, at + length):
                end += 1
                text[end] = text[at]
            end += 1
            at += 2
        else:
            at += length + 1
    if not is_error(result):
        result = <long> end
        if data != 0:
            if end > size:
                result = <long> size
            if copyout(text, data, <uint64_t> result) < 0:
                result = -LINUX_EFAULT
    linux_syscall2(LINUX_SYS_munmap, memory, LINUX_XATTR_SIZE_MAX)
    return result


cdef public long sys_extattr_get_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_get_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_get_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_get(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_set_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_set_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_set_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_set(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_delete_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_delete_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_delete_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_delete(area.proc, frame, XATTR_FD)


cdef public long sys_extattr_list_file(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_FILE)


cdef public long sys_extattr_list_link(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_LINK)


cdef public long sys_extattr_list_fd(frame_t *frame, area_t *area) noexcept nogil:
    return xattr_list(area.proc, frame, XATTR_FD)

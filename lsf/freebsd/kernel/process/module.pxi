# Kernel modules: those parts of FreeBSD's kernel that are modules there and that LSF has, which programs ask for by name
# before they use them. Nothing is loaded or unloaded, and there are no files that they came from.
# Model: FreeBSD sys/kern/kern_module.c.

cdef enum:
    MODULES = 7                         # the last of them since 13.2
    MODULE_NAME = 32                    # bytes, in struct module_stat of before FreeBSD 13 and here
    MODSTAT_V1 = 44                     # sizes of struct module_stat: without data,
    MODSTAT_V2 = 56                     # with them,
    MODSTAT_V3 = 1048                   # with names of MAXPATHLEN


cdef const char *module_name(int number) noexcept nogil:
    """From 1 on; NULL behind the last."""
    if number == 1:
        return b"aio"
    if number == 2:
        return b"mqueuefs"
    if number == 3:
        return b"sem"
    if number == 4:
        return b"sysvmsg"
    if number == 5:
        return b"sysvsem"
    if number == 6:
        return b"sysvshm"
    if number == MODULES and SHIM.own.osreldate >= FREEBSD_SINCE_NETLINK:
        return b"netlink"
    return NULL


cdef public long sys_modfind(frame_t *frame, area_t *area) noexcept nogil:
    cdef char name[FREEBSD_PATH_MAX]
    cdef int number
    cdef long result = copyinstr(frame.arg[0], name, sizeof(name), NULL)
    if result < 0:
        return result
    for number in range(1, MODULES + 1):
        if module_name(number) != NULL and string_equal(name, module_name(number)):
            return number
    return -LINUX_ENOENT


cdef public long sys_modnext(frame_t *frame, area_t *area) noexcept nogil:
    """The module behind another one, 0 behind the last."""
    cdef int number = <int> frame.arg[0]
    if number != 0 and (number < 0 or module_name(number) == NULL):
        return -LINUX_ENOENT
    return number + 1 if module_name(number + 1) != NULL else 0


cdef public long sys_modfnext(frame_t *frame, area_t *area) noexcept nogil:
    """Of the same file: all are the kernel's."""
    return sys_modnext(frame, area) if <int> frame.arg[0] != 0 else -LINUX_ENOENT


cdef public long sys_modstat(frame_t *frame, area_t *area) noexcept nogil:
    cdef int number = <int> frame.arg[0]
    cdef uint64_t target = frame.arg[1], behind, none = 0
    cdef uint32_t version = 0
    cdef const char *name = module_name(number) if number > 0 else NULL
    if name == NULL:
        return -LINUX_ENOENT
    if fetch_guest32(target, &version) < 0:
        return -LINUX_EFAULT
    if version != MODSTAT_V1 and version != MODSTAT_V2 and version != MODSTAT_V3:
        return -LINUX_EINVAL
    behind = target + 4 + (FREEBSD_PATH_MAX if version == MODSTAT_V3 else MODULE_NAME)
    if copyout(name, target + 4, string_length(name) + 1) < 0 or store_guest32(behind, 1) < 0 \
            or store_guest32(behind + 4, <uint32_t> number) < 0:
        return -LINUX_EFAULT
    return 0 if version == MODSTAT_V1 else copyout(&none, target + version - 8, 8)

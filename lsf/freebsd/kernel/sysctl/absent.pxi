# What sysctl tells of parts of FreeBSD's kernel that LSF has no equal of: the answers of a kernel in which they are empty, so that
# programs show nothing instead of failing. Model: FreeBSD sys/kern/kern_malloc.c, subr_bus.c, kern_jail.c, sys/vm/uma_core.c,
# sys/geom/geom_dump.c.

cdef enum:
    ZEROS_MOST = 128
    STREAM_VERSION = 1                  # of struct malloc_type_stream_header and uma_stream_header
    BUS_USER_VERSION = 2                # <sys/bus.h>
    BUS_GENERATION = 1                  # of the tree of devices, which stays empty


cdef public long sysctl_zeros(sysctl_request_t *request) noexcept nogil:
    """As many bytes of counters that stand at 0; none: an empty list."""
    cdef char zeros[ZEROS_MOST]
    memset(zeros, 0, sizeof(zeros))
    return sysctl_out(request, zeros, <uint64_t> request.row.value) if request.row.value else 0


cdef public long sysctl_none(sysctl_request_t *request) noexcept nogil:
    """hw.bus.devices and hw.bus.rman: by the generation and the number of things that are not there."""
    return -LINUX_EINVAL if request.nrest < 2 or request.rest[0] != BUS_GENERATION else -LINUX_ENOENT


cdef public long sysctl_length(sysctl_request_t *request) noexcept nogil:
    """How large a parameter of a jail is that is a structure (sysctl_jail_param)."""
    return sysctl_out(request, &request.row.value, 8)


cdef public long sysctl_empty_stream(sysctl_request_t *request) noexcept nogil:
    """The allocators of the kernel's memory: a header and no record."""
    cdef uint32_t header[4]
    memset(header, 0, sizeof(header))
    header[0] = STREAM_VERSION
    header[1] = request.area.proc.ncpu
    return sysctl_out(request, header, sizeof(header))


cdef public long sysctl_bus_info(sysctl_request_t *request) noexcept nogil:
    """struct u_businfo: the version and the generation."""
    cdef uint32_t info[2]
    info[0] = BUS_USER_VERSION
    info[1] = BUS_GENERATION
    return sysctl_out(request, info, sizeof(info))


cdef public long sysctl_geom_xml(sysctl_request_t *request) noexcept nogil:
    """The classes that GENERIC has, each without a geom."""
    return sysctl_out_string(
        request,
        b"<mesh>\n"
        b"  <class id=\"0x1\">\n    <name>RAID</name>\n  </class>\n"
        b"  <class id=\"0x2\">\n    <name>DISK</name>\n  </class>\n"
        b"  <class id=\"0x3\">\n    <name>DEV</name>\n  </class>\n"
        b"  <class id=\"0x4\">\n    <name>LABEL</name>\n  </class>\n"
        b"  <class id=\"0x5\">\n    <name>VFS</name>\n  </class>\n"
        b"  <class id=\"0x6\">\n    <name>SWAP</name>\n  </class>\n"
        b"  <class id=\"0x7\">\n    <name>PART</name>\n  </class>\n"
        b"</mesh>\n")

# What sysctl(3) returns: <sys/resource.h>, <sys/vmmeter.h>, <vm/vm_param.h>, <sys/devicestat.h>.

cdef struct freebsd_loadavg:
    uint32_t ldavg[3]               # in units of 1/fscale
    int64_t fscale

# FreeBSD 12 and later (64-bit counters).
cdef struct freebsd_vmtotal:
    uint64_t t_vm
    uint64_t t_avm
    uint64_t t_rm
    uint64_t t_arm
    uint64_t t_vmshr
    uint64_t t_avmshr
    uint64_t t_rmshr
    uint64_t t_armshr
    uint64_t t_free
    int16_t t_rq
    int16_t t_dw
    int16_t t_pw
    int16_t t_sl
    int16_t t_sw
    uint16_t t_pad[3]

# FreeBSD 12 and later (64-bit dev_t): XSWDEV_VERSION 2.
cdef struct freebsd_xswdev:
    uint32_t xsw_version
    uint64_t xsw_dev
    int32_t xsw_flags
    int32_t xsw_nblks
    int32_t xsw_used

# <sys/devicestat.h>. Counters are of no data, reads, writes and frees.
cdef struct freebsd_devstat:
    uint32_t sequence0
    int32_t allocated
    uint32_t start_count
    uint32_t end_count
    freebsd_bintime busy_from
    uint64_t dev_links
    uint32_t device_number
    char device_name[16]
    int32_t unit_number
    uint64_t bytes[4]
    uint64_t operations[4]
    freebsd_bintime duration[4]
    freebsd_bintime busy_time
    freebsd_bintime creation_time
    uint32_t block_size
    uint64_t tag_types[3]
    uint32_t flags
    uint32_t device_type
    uint32_t priority
    uint64_t id
    uint32_t sequence1


cdef inline void freebsd_loadavg_from_linux(freebsd_loadavg *to, const linux_sysinfo *source) noexcept nogil:
    """Linux counts in 1/65536, FreeBSD in 1/2048."""
    cdef int i
    memset(to, 0, sizeof(freebsd_loadavg))
    for i in range(3):
        to.ldavg[i] = <uint32_t>(source.loads[i] >> 5)
    to.fscale = FREEBSD_FSCALE

# sysctl vfs.conflist: the file systems that getvfsbyname(3) knows. Those are the names that statfs(2) gives here.

cdef enum:
    VFCF_NETWORK = 0x00020000

cdef struct freebsd_xvfsconf:       # <sys/mount.h>
    uint64_t vfc_vfsops
    char vfc_name[16]
    int32_t vfc_typenum
    int32_t vfc_refcount
    int32_t vfc_flags
    uint64_t vfc_next


cdef public long sysctl_conflist(sysctl_request_t *request) noexcept nogil:
    """One struct xvfsconf a file system; the type number is Linux's magic, as in statfs."""
    cdef freebsd_xvfsconf conf
    cdef lsf_fstype *row = lsf_fstypes
    cdef long result = 0
    while result == 0:
        memset(&conf, 0, sizeof(conf))
        copy_text(conf.vfc_name, row.name, sizeof(conf.vfc_name))
        conf.vfc_typenum = <int32_t> row.magic
        conf.vfc_refcount = 1
        conf.vfc_flags = 0 if row.local else VFCF_NETWORK
        result = sysctl_out(request, &conf, sizeof(conf))
        if row.magic == 0:
            break
        row += 1
    return result

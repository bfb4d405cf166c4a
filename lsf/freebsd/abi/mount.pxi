# File systems: <sys/mount.h>.

# FreeBSD 12 and later.
cdef struct freebsd_statfs:
    uint32_t f_version
    uint32_t f_type
    uint64_t f_flags
    uint64_t f_bsize
    uint64_t f_iosize
    uint64_t f_blocks
    uint64_t f_bfree
    int64_t f_bavail
    uint64_t f_files
    int64_t f_ffree
    uint64_t f_syncwrites
    uint64_t f_asyncwrites
    uint64_t f_syncreads
    uint64_t f_asyncreads
    uint32_t f_nvnodelistsize       # spare up to FreeBSD 13, as the next
    uint32_t f_spare0
    uint64_t f_spare[9]
    uint32_t f_namemax
    uint32_t f_owner
    int32_t f_fsid[2]
    char f_charspare[80]
    char f_fstypename[16]
    char f_mntfromname[1024]
    char f_mntonname[1024]

# FreeBSD 5 to 11.
cdef struct freebsd11_statfs:
    uint32_t f_version
    uint32_t f_type
    uint64_t f_flags
    uint64_t f_bsize
    uint64_t f_iosize
    uint64_t f_blocks
    uint64_t f_bfree
    int64_t f_bavail
    uint64_t f_files
    int64_t f_ffree
    uint64_t f_syncwrites
    uint64_t f_asyncwrites
    uint64_t f_syncreads
    uint64_t f_asyncreads
    uint64_t f_spare[10]
    uint32_t f_namemax
    uint32_t f_owner
    int32_t f_fsid[2]
    char f_charspare[80]
    char f_fstypename[16]
    char f_mntfromname[88]
    char f_mntonname[88]

# An element of the sysctl vfs.conflist, which getvfsbyname(3) reads.
cdef struct freebsd_xvfsconf:
    uint64_t vfc_vfsops
    char vfc_name[16]
    int32_t vfc_typenum
    int32_t vfc_refcount
    int32_t vfc_flags
    uint64_t vfc_next

cdef extern from *:
    """
    /*
     * Linux's f_type (<linux/magic.h> and the file systems' sources), the name that FreeBSD programs know, and whether
     * the files are on this machine. FreeBSD's own name where it has the same file system, Linux's where it has not.
     */
    static const struct lsf_fstype {
        unsigned int magic;
        unsigned int local;
        char name[16];
    } lsf_fstypes[] __attribute__((unused)) = {
        { 0xef53, 1, "ext2fs" },            /* ext2, ext3, ext4 */
        { 0x01021994, 1, "tmpfs" },         /* devtmpfs too */
        { 0x794c7630, 1, "overlay" },
        { 0x9fa0, 1, "linprocfs" },
        { 0x62656572, 1, "linsysfs" },
        { 0x1cd1, 1, "devfs" },             /* devpts */
        { 0x9123683e, 1, "btrfs" },
        { 0x58465342, 1, "xfs" },
        { 0xf2f52010, 1, "f2fs" },
        { 0xca451a4e, 1, "bcachefs" },
        { 0x2fc12fc1, 1, "zfs" },
        { 0x19540119, 1, "ufs" },           /* UFS2; the next is UFS1 */
        { 0x00011954, 1, "ufs" },
        { 0x858458f6, 1, "tmpfs" },         /* ramfs */
        { 0x73717368, 1, "squashfs" },
        { 0xe0f5e1e2, 1, "erofs" },
        { 0x28cd3d45, 1, "cramfs" },
        { 0x4d44, 1, "msdosfs" },
        { 0x2011bab0, 1, "exfat" },
        { 0x5346544e, 1, "ntfs" },
        { 0x7366746e, 1, "ntfs" },          /* ntfs3 */
        { 0x9660, 1, "cd9660" },
        { 0x15013346, 1, "udf" },
        { 0x482b, 1, "hfsplus" },
        { 0x52654973, 1, "reiserfs" },
        { 0x3153464a, 1, "jfs" },
        { 0x24051905, 1, "ubifs" },
        { 0x72b6, 1, "jffs2" },
        { 0x137f, 1, "minix" },
        { 0xf15f, 1, "ecryptfs" },
        { 0x65735546, 1, "fusefs" },
        { 0x65735543, 1, "fusectl" },
        { 0x6969, 0, "nfs" },
        { 0xff534d42, 0, "smbfs" },         /* cifs */
        { 0xfe534d42, 0, "smbfs" },         /* smb2 */
        { 0x517b, 0, "smbfs" },
        { 0x01021997, 0, "p9fs" },
        { 0x00c36400, 0, "ceph" },
        { 0x5346414f, 0, "afs" },
        { 0x6b414653, 0, "afs" },
        { 0x73757245, 0, "coda" },
        { 0x0bd00bd0, 0, "lustre" },
        { 0x0187, 1, "autofs" },
        { 0x27e0eb, 1, "cgroup" },
        { 0x63677270, 1, "cgroup2" },
        { 0x64626720, 1, "debugfs" },
        { 0x74726163, 1, "tracefs" },
        { 0x73636673, 1, "securityfs" },
        { 0xf97cff8c, 1, "selinuxfs" },
        { 0xcafe4a11, 1, "bpf" },
        { 0x6165676c, 1, "pstore" },
        { 0xde5e81e4, 1, "efivarfs" },
        { 0x62656570, 1, "configfs" },
        { 0x958458f6, 1, "hugetlbfs" },
        { 0x19800202, 1, "mqueuefs" },
        { 0x42494e4d, 1, "binfmt_misc" },
        { 0x6e736673, 1, "nsfs" },
        { 0x50495045, 1, "pipefs" },
        { 0x534f434b, 1, "sockfs" },
        { 0x09041934, 1, "anon_inodefs" },
        { 0x67596969, 1, "rpc_pipefs" },
        { 0x786f4256, 0, "vboxsf" },
        { 0xbacbacbc, 0, "vmhgfs" },
        { 0, 1, "unknown" }
    };
    """
    ctypedef struct lsf_fstype "const struct lsf_fstype":
        uint32_t magic
        uint32_t local
        const char *name
    lsf_fstype *lsf_fstypes


cdef inline uint64_t copy_text(char *to, const char *source, uint64_t room) noexcept nogil:
    """As strlcpy: at most room - 1 bytes and a NUL; a NULL source is an empty text. Returns how many bytes stand there."""
    cdef uint64_t length = 0
    if source != NULL:
        while length + 1 < room and source[length] != 0:
            to[length] = source[length]
            length += 1
    to[length] = 0
    return length


cdef inline lsf_fstype *fstype_from_linux(uint32_t magic) noexcept nogil:
    """The row of a Linux f_type; "unknown", and local, for one that is not in the table."""
    cdef lsf_fstype *row = lsf_fstypes
    while row.magic != magic and row.magic != 0:
        row += 1
    return row


cdef inline uint64_t freebsd_mount_flags_from_linux(uint64_t flags) noexcept nogil:
    cdef uint64_t result = 0
    if flags & LINUX_ST_RDONLY:
        result |= FREEBSD_MNT_RDONLY
    if flags & LINUX_ST_NOSUID:
        result |= FREEBSD_MNT_NOSUID
    if flags & LINUX_ST_NOEXEC:
        result |= FREEBSD_MNT_NOEXEC
    if flags & LINUX_ST_SYNCHRONOUS:
        result |= FREEBSD_MNT_SYNCHRONOUS
    if flags & LINUX_ST_NOATIME:
        result |= FREEBSD_MNT_NOATIME
    if flags & LINUX_ST_NOSYMFOLLOW:
        result |= FREEBSD_MNT_NOSYMFOLLOW
    return result


cdef inline void freebsd_statfs_from_linux(freebsd_statfs *to, const linux_statfs *source, const char *mounted_from,
                                           const char *mounted_on) noexcept nogil:
    """`mounted_from` and `mounted_on` are what /proc/self/mountinfo says, or NULL; they are cut to fit.

    f_bsize is the unit of the block counts (Linux's f_frsize), f_iosize the best size of a transfer (Linux's f_bsize).
    f_type is Linux's: FreeBSD numbers file systems as they are loaded, so programs go by f_fstypename. The reads and
    writes since the mount, and the owner, are not told by Linux: 0.
    """
    cdef lsf_fstype *row = fstype_from_linux(<uint32_t>source.f_type)
    memset(to, 0, sizeof(freebsd_statfs))
    to.f_version = FREEBSD_STATFS_VERSION
    to.f_type = <uint32_t>source.f_type
    to.f_flags = freebsd_mount_flags_from_linux(<uint64_t>source.f_flags)
    if row.local:
        to.f_flags |= FREEBSD_MNT_LOCAL
    to.f_bsize = <uint64_t>(source.f_frsize if source.f_frsize != 0 else source.f_bsize)
    to.f_iosize = <uint64_t>source.f_bsize
    to.f_blocks = source.f_blocks
    to.f_bfree = source.f_bfree
    to.f_bavail = <int64_t>source.f_bavail
    to.f_files = source.f_files
    to.f_ffree = <int64_t>source.f_ffree
    to.f_namemax = <uint32_t>source.f_namelen
    to.f_fsid[0] = source.f_fsid.val[0]
    to.f_fsid[1] = source.f_fsid.val[1]
    copy_text(to.f_fstypename, row.name, sizeof(to.f_fstypename))
    copy_text(to.f_mntfromname, mounted_from, sizeof(to.f_mntfromname))
    copy_text(to.f_mntonname, mounted_on, sizeof(to.f_mntonname))


cdef inline void freebsd11_statfs_from_freebsd(freebsd11_statfs *to, const freebsd_statfs *source) noexcept nogil:
    """As freebsd11_cvtstatfs: the names are cut to 87 bytes."""
    memset(to, 0, sizeof(freebsd11_statfs))
    to.f_version = FREEBSD_STATFS_VERSION_11
    to.f_type = source.f_type
    to.f_flags = source.f_flags
    to.f_bsize = source.f_bsize
    to.f_iosize = source.f_iosize
    to.f_blocks = source.f_blocks
    to.f_bfree = source.f_bfree
    to.f_bavail = source.f_bavail
    to.f_files = source.f_files
    to.f_ffree = source.f_ffree
    to.f_syncwrites = source.f_syncwrites
    to.f_asyncwrites = source.f_asyncwrites
    to.f_syncreads = source.f_syncreads
    to.f_asyncreads = source.f_asyncreads
    to.f_namemax = source.f_namemax
    to.f_owner = source.f_owner
    to.f_fsid[0] = source.f_fsid[0]
    to.f_fsid[1] = source.f_fsid[1]
    copy_text(to.f_fstypename, source.f_fstypename, sizeof(to.f_fstypename))
    copy_text(to.f_mntfromname, source.f_mntfromname, sizeof(to.f_mntfromname))
    copy_text(to.f_mntonname, source.f_mntonname, sizeof(to.f_mntonname))

# Limits of resources that Linux does not have: SBSIZE, NPTS, SWAP, KQUEUES, UMTXP and PIPEBUF. struct process keeps them, and
# execve(2) hands them over.
# Model: FreeBSD sys/kern/kern_resource.c (kern_proc_setrlimit, chglimit).

cdef enum:
    LIMITS_KEPT = 6


cdef inline uint32_t limit_count(process_t *proc) noexcept nogil:
    """How many limits the guest's release has."""
    return FREEBSD_RLIM_NLIMITS if proc.own.osreldate >= FREEBSD_SINCE_PIPEBUF else FREEBSD_RLIMIT_PIPEBUF


cdef inline uint32_t limit_kept_at(uint32_t which) noexcept nogil:
    """Where a limit that Linux does not have is kept: SBSIZE, and those from NPTS on."""
    return 0 if which == FREEBSD_RLIMIT_SBSIZE else which - FREEBSD_RLIMIT_NPTS + 1


cdef void limit_kept(process_t *guest, uint32_t which, freebsd_rlimit *limit) noexcept nogil:
    """What a guest has, of which `guest` may be a copy; NULL is nobody's, without limits."""
    cdef kept_limit_t none = kept_limit_t(0, 0)
    cdef kept_limit_t *kept = &none if guest == NULL else &guest.own.limits_kept[limit_kept_at(which)]
    limit.rlim_cur = kept.below_cur ^ FREEBSD_RLIM_INFINITY
    limit.rlim_max = kept.below_max ^ FREEBSD_RLIM_INFINITY


cdef long limit_keep(kept_limit_t *kept, const linux_rlimit *wanted) noexcept nogil:
    """setrlimit(2) of such a limit: 0 or -EPERM."""
    cdef freebsd_rlimit limit
    cdef int64_t most = kept.below_max ^ FREEBSD_RLIM_INFINITY
    freebsd_rlimit_from_linux(&limit, wanted)
    if (limit.rlim_cur > most or limit.rlim_max > most) and linux_syscall0(LINUX_SYS_geteuid) != 0:
        return -LINUX_EPERM
    if limit.rlim_cur > limit.rlim_max:
        limit.rlim_cur = limit.rlim_max
    kept.below_cur = limit.rlim_cur ^ FREEBSD_RLIM_INFINITY
    kept.below_max = limit.rlim_max ^ FREEBSD_RLIM_INFINITY
    return 0


cdef bint limit_reached(process_t *proc, uint32_t which, uint64_t count) noexcept nogil:
    """chglimit: whether one more than `count` exceeds the soft limit, of which 0 is none."""
    cdef freebsd_rlimit limit
    limit_kept(proc, which, &limit)
    return limit.rlim_cur != 0 and count >= <uint64_t> limit.rlim_cur

# Threads: <sys/thr.h>, <sys/_umtx.h>, <sys/umtx.h>, <sys/rtprio.h>, <sys/sched.h>.

cdef struct freebsd_rtprio:
    uint16_t type
    uint16_t prio

cdef struct freebsd_sched_param:
    int32_t sched_priority "freebsd_sched_priority"

cdef struct freebsd_thr_param:
    uint64_t start_func
    uint64_t arg
    uint64_t stack_base
    uint64_t stack_size
    uint64_t tls_base
    uint64_t tls_size
    uint64_t child_tid
    uint64_t parent_tid
    int32_t flags
    uint64_t rtp
    uint64_t spare[3]

cdef struct freebsd_umutex:
    int32_t m_owner
    uint32_t m_flags
    uint32_t m_ceilings[2]
    uint64_t m_rb_lnk               # spare before FreeBSD 11
    uint32_t m_spare[2]

cdef struct freebsd_ucond:
    uint32_t c_has_waiters
    uint32_t c_flags
    uint32_t c_clockid
    uint32_t c_spare[1]

cdef struct freebsd_urwlock:
    int32_t rw_state
    uint32_t rw_flags
    uint32_t rw_blocked_readers
    uint32_t rw_blocked_writers
    uint32_t rw_spare[4]

# Up to FreeBSD 10 (UMTX_OP_SEM_WAIT and _WAKE).
cdef struct freebsd_usem:
    uint32_t has_waiters
    uint32_t count
    uint32_t flags

cdef struct freebsd_usem2:
    uint32_t count                  # the highest bit says that someone waits
    uint32_t flags

cdef struct freebsd_umtx_time:
    freebsd_timespec timeout
    uint32_t flags                  # UMTX_ABSTIME
    uint32_t clockid

cdef struct freebsd_umtx_robust_lists_params:
    uint64_t robust_list_offset
    uint64_t robust_priv_list_offset
    uint64_t robust_inact_offset

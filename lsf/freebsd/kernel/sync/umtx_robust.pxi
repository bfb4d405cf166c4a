# _umtx_op(2): robust mutexes, whose owner may end.

cdef long robust_release(area_t *area, uaddr m, uint64_t *next_, bint inactive) noexcept nogil:
    """umtx_handle_rb: leave one mutex of an ending thread to the next owner."""
    cdef freebsd_umutex mutex
    if copyin(m, &mutex, sizeof(mutex)) < 0:
        return -LINUX_EFAULT
    if next_ != NULL:
        next_[0] = mutex.m_rb_lnk
    if not mutex.m_flags & FREEBSD_UMUTEX_ROBUST:
        return -LINUX_EINVAL
    if <uint32_t> mutex.m_owner & ~FREEBSD_UMUTEX_CONTESTED != <uint32_t> area.tid:
        return 0 if inactive else -LINUX_EINVAL
    return mutex_unlock(area, m, True)


cdef void robust_list(area_t *area, uaddr head, uint64_t *inactive) noexcept nogil:
    cdef uint64_t m = 0, next_
    cdef bint is_inactive
    cdef int i
    if head == 0 or fetch_guest64(head, &m) < 0:
        return
    for i in range(UMTX_MAX_ROBUST):
        if m == 0:
            return
        is_inactive = m == inactive[0]
        if is_inactive:
            inactive[0] = 0
        next_ = 0
        if robust_release(area, m, &next_, is_inactive) < 0:
            return
        m = next_


cdef void umtx_thread_exit(area_t *area) noexcept nogil:
    """When a thread ends or executes a program: the robust mutexes that it holds are their next owners' (EOWNERDEAD)."""
    cdef uint64_t inactive = 0
    lent_over(area)
    if area.own.robust[0] == 0 and area.own.robust[1] == 0 and area.own.robust[2] == 0:
        return
    if area.own.robust[2] != 0:
        fetch_guest64(area.own.robust[2], &inactive)
    robust_list(area, area.own.robust[0], &inactive)
    robust_list(area, area.own.robust[1], &inactive)
    if inactive != 0:
        robust_release(area, inactive, NULL, True)
    area.own.robust[0] = 0
    area.own.robust[1] = 0
    area.own.robust[2] = 0


cdef long umtx_robust_lists(area_t *area, uaddr params, uint64_t size) noexcept nogil:
    cdef uint64_t lists[3]
    if size > sizeof(lists):
        return -LINUX_EINVAL
    memset(lists, 0, sizeof(lists))
    if copyin(params, lists, size) < 0:
        return -LINUX_EFAULT
    memcpy(area.own.robust, lists, sizeof(lists))
    return 0

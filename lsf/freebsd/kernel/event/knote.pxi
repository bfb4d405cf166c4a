# Knotes: memory and tables.

cdef inline bint bit_test(const uint64_t *words, uint64_t n) noexcept nogil:
    return n < EVENT_WORDS * 64 and (words[n >> 6] >> (n & 63)) & 1


cdef inline void bit_set(uint64_t *words, uint64_t n) noexcept nogil:
    words[n >> 6] |= 1UL << (n & 63)


cdef inline void bit_clear(uint64_t *words, uint64_t n) noexcept nogil:
    words[n >> 6] &= ~(1UL << (n & 63))


cdef inline bint is_descriptor_filter(int filt) noexcept nogil:
    """f_isfd of the filter; 0 is a name of a kqueue."""
    return (filt == FREEBSD_EVFILT_READ or filt == FREEBSD_EVFILT_WRITE or filt == FREEBSD_EVFILT_VNODE
            or filt == FREEBSD_EVFILT_PROCDESC
            or filt == FREEBSD_EVFILT_EMPTY or filt == 0)


cdef inline uint32_t event_hash(uint64_t ident) noexcept nogil:
    return <uint32_t> ((ident ^ (ident >> 10) ^ (ident >> 20)) & (EVENT_HASH - 1))


cdef events_t *events_of(process_t *proc) noexcept nogil:
    """The process's table, made when it is first needed; NULL when memory is short."""
    if proc.own.events == NULL:
        proc.own.events = <void *> map_memory(page_up(sizeof(events_t)))
    return <events_t *> proc.own.events


cdef knote_t *knote_new(events_t *ev) noexcept nogil:
    """A zeroed knote with an index and a generation of its own, or NULL."""
    cdef knote_t *kn
    cdef knote_t *chunk
    cdef uint32_t i, index, generation
    if ev.free == NULL:
        if ev.chunk_count == KNOTE_CHUNKS:
            return NULL
        chunk = <knote_t *> map_memory(page_up(KNOTES_PER_CHUNK * sizeof(knote_t)))
        if chunk == NULL:
            return NULL
        ev.chunks[ev.chunk_count] = chunk
        for i in range(KNOTES_PER_CHUNK):
            chunk[i].index = ev.chunk_count * KNOTES_PER_CHUNK + i
            chunk[i].hash_next = ev.free
            ev.free = &chunk[i]
        ev.chunk_count += 1
    kn = ev.free
    ev.free = kn.hash_next
    index = kn.index
    generation = kn.generation
    memset(kn, 0, sizeof(knote_t))
    kn.index = index
    kn.generation = generation + 1
    kn.source = -1
    kn.parent = -1
    return kn


cdef void knote_insert(events_t *ev, knote_t *kn) noexcept nogil:
    cdef uint32_t at = event_hash(kn.kev.ident)
    kn.hash_next = ev.hash[at]
    ev.hash[at] = kn
    if kn.kev.filter != 0:
        kn.list_next = kn.kq.list
        if kn.list_next != NULL:
            kn.list_next.list_previous = kn
        kn.kq.list = kn
    if is_descriptor_filter(kn.kev.filter):
        bit_set(ev.watched, kn.kev.ident)


cdef void knote_free(events_t *ev, knote_t *kn) noexcept nogil:
    """Take a knote out of every list and give it back."""
    cdef knote_t **at = &ev.hash[event_hash(kn.kev.ident)]
    cdef knote_t *other
    knote_dequeue(kn)
    while at[0] != NULL and at[0] != kn:
        at = &at[0].hash_next
    if at[0] == kn:
        at[0] = kn.hash_next
        if kn.kev.filter != 0:
            if kn.list_previous != NULL:
                kn.list_previous.list_next = kn.list_next
            else:
                kn.kq.list = kn.list_next
            if kn.list_next != NULL:
                kn.list_next.list_previous = kn.list_previous
        if is_descriptor_filter(kn.kev.filter):
            other = ev.hash[event_hash(kn.kev.ident)]
            while other != NULL and not (other.kev.ident == kn.kev.ident and is_descriptor_filter(other.kev.filter)):
                other = other.hash_next
            if other == NULL:
                bit_clear(ev.watched, kn.kev.ident)
    kn.generation += 1
    kn.kq = NULL
    kn.hash_next = ev.free
    ev.free = kn


cdef knote_t *knote_find(events_t *ev, kqueue_t *kq, uint64_t ident, int filt) noexcept nogil:
    cdef knote_t *kn = ev.hash[event_hash(ident)]
    while kn != NULL and not (kn.kev.ident == ident and kn.kev.filter == filt and (kn.kq == kq or kq == NULL)):
        kn = kn.hash_next
    return kn


cdef knote_t *knote_at(events_t *ev, uint64_t name) noexcept nogil:
    """The knote that epoll names, or NULL when it is gone."""
    cdef uint32_t index = <uint32_t> name
    cdef knote_t *kn
    if index >= ev.chunk_count * KNOTES_PER_CHUNK:
        return NULL
    kn = &ev.chunks[index / KNOTES_PER_CHUNK][index % KNOTES_PER_CHUNK]
    return kn if kn.generation == <uint32_t> (name >> 32) and kn.kq != NULL else NULL


cdef inline uint64_t knote_name(const knote_t *kn) noexcept nogil:
    return <uint64_t> kn.generation << 32 | kn.index


cdef void knote_enqueue(knote_t *kn) noexcept nogil:
    cdef kqueue_t *kq = kn.kq
    if kn.status & (KN_QUEUED | KN_DISABLED):
        return
    kn.status |= KN_QUEUED
    kn.queue_next = NULL
    kn.queue_previous = kq.queue_last
    if kq.queue_last != NULL:
        kq.queue_last.queue_next = kn
    else:
        kq.queue_first = kn
    kq.queue_last = kn
    kq.count += 1


cdef void knote_dequeue(knote_t *kn) noexcept nogil:
    cdef kqueue_t *kq = kn.kq
    if not kn.status & KN_QUEUED:
        return
    kn.status &= ~<uint32_t> KN_QUEUED
    if kn.queue_previous != NULL:
        kn.queue_previous.queue_next = kn.queue_next
    else:
        kq.queue_first = kn.queue_next
    if kn.queue_next != NULL:
        kn.queue_next.queue_previous = kn.queue_previous
    else:
        kq.queue_last = kn.queue_previous
    kq.count -= 1


cdef void knote_activate(knote_t *kn) noexcept nogil:
    """KNOTE_ACTIVATE, from outside of a scan: whoever waits is woken."""
    kn.status |= KN_ACTIVE
    knote_enqueue(kn)
    kqueue_signal(kn.kq)


cdef kqueue_t *kqueue_find(events_t *ev, uint64_t fd) noexcept nogil:
    """The kqueue that one of the guest's descriptors names, or NULL."""
    cdef knote_t *name
    if ev == NULL or not bit_test(ev.watched, fd):
        return NULL
    name = knote_find(ev, NULL, fd, 0)
    return name.kq if name != NULL else NULL

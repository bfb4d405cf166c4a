# Counting from inside: with --stats every call goes through the hook stats_call, which counts it in memory that all
# guests of one `lsf` share (struct stats in runtime.h). Nothing here runs where nobody counts.
#
# The memory is a memfd. A process, the owner (lsf/stats.py), waits with flock(2) until no guest holds the launcher's open
# file any more; a mapping holds it too, so the end is seen however a guest ends. The last guest to leave by exit(2) lets
# the owner write before it ends, so that whoever waits for it finds the summary.

cdef enum:
    STATS_VERSION = 1
    STATS_PATIENCE = 5000       # milliseconds that the last guest waits for the owner


cdef void stats_map(process_t *proc) noexcept nogil:
    """Map the memory behind proc.stats_fd; where that fails nothing is counted."""
    cdef long result = linux_syscall6(LINUX_SYS_mmap, STATS_BASE, STATS_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                                      LINUX_MAP_SHARED | LINUX_MAP_FIXED_NOREPLACE, proc.stats_fd, 0)
    if is_error(result) or (<stats_t *> STATS_BASE).version != STATS_VERSION:
        complain(b"--stats: the memory of the counters cannot be mapped", NULL, NULL, NULL)
        linux_syscall1(LINUX_SYS_close, proc.stats_fd)
        proc.stats_fd = -1
        return
    proc.stats = <stats_t *> STATS_BASE


cdef void stats_start(process_t *proc, area_t *area) noexcept nogil:
    """A program begins: the first one of `lsf`, or one that a guest executed."""
    stats_map(proc)
    if proc.stats == NULL:
        return
    hook_add(area, HOOK_COUNT, stats_call, lsf_lane_none)
    proc.stats_image = atomic_add32(&proc.stats.images, 1) + 1
    proc.stats.engine = proc.engine
    proc.stats.no_patch = proc.no_patch
    if not proc.stats_counted:
        if stats_now(proc) != 0:
            proc.stats.started = stats_now(proc)        # until now it was the launcher's time
        stats_expect(proc, 1)
        stats_after_fork(proc)


cdef void stats_expect(process_t *proc, int count) noexcept nogil:
    """A process will be there (1), or will not after all (-1). Counted before its birth, so that no parent is the last."""
    if proc.stats == NULL:
        return
    atomic_add32(&proc.stats.alive, <uint32_t> count)
    atomic_add32(&proc.stats.processes, <uint32_t> count)


cdef void stats_after_fork(process_t *proc) noexcept nogil:
    """A new process takes its place among those that live. Without one (the list is full) it is not seen to leave."""
    cdef int i, at = proc.pid % STATS_PROCESSES
    proc.stats_counted = 1
    if proc.stats == NULL:
        return
    for i in range(STATS_PROCESSES):
        if atomic_cas32(&proc.stats.live[at], 0, <uint32_t> proc.pid) == 0:
            return
        at = (at + 1) % STATS_PROCESSES


cdef bint stats_remove(stats_t *stats, uint32_t pid) noexcept nogil:
    """Take a process off the list: True for the one that does it, and nobody is left."""
    cdef int i
    for i in range(STATS_PROCESSES):
        if atomic_load32(&stats.live[i]) == pid and atomic_cas32(&stats.live[i], pid, 0) == pid:
            return atomic_add32(&stats.alive, <uint32_t> -1) == 1
    return False


cdef bint stats_sweep(stats_t *stats) noexcept nogil:
    """Take off the list who was killed: True where nobody is left."""
    cdef int i
    cdef uint32_t pid
    for i in range(STATS_PROCESSES):
        pid = atomic_load32(&stats.live[i])
        if pid != 0 and linux_syscall2(LINUX_SYS_kill, pid, 0) == -LINUX_ESRCH and stats_remove(stats, pid):
            return True
    return False


cdef void stats_leave(area_t *area) noexcept nogil:
    """This process is about to end. The last one waits until the owner has written the summary."""
    cdef process_t *proc = area.proc
    cdef uint64_t poll_one[1]
    cdef long owner
    if proc.stats == NULL:
        return
    if not stats_remove(proc.stats, <uint32_t> proc.pid) and not stats_sweep(proc.stats):
        return
    block_all(NULL)
    owner = linux_syscall2(LINUX_SYS_pidfd_open, proc.stats.owner, 0)
    if is_error(owner) or proc.stats_fd < 0 or is_error(linux_syscall2(LINUX_SYS_flock, proc.stats_fd, LINUX_LOCK_UN)):
        return
    poll_one[0] = <uint64_t> owner | 0x100000000UL        # struct pollfd: POLLIN
    linux_syscall3(LINUX_SYS_poll, <uint64_t> poll_one, 1, STATS_PATIENCE)


cdef void stats_uncount(process_t *proc) noexcept nogil:
    """This process becomes a Linux program."""
    if proc.stats != NULL:
        stats_remove(proc.stats, <uint32_t> proc.pid)


cdef void stats_count(process_t *proc) noexcept nogil:
    """It did not."""
    if proc.stats != NULL:
        atomic_add32(&proc.stats.alive, 1)
        stats_after_fork(proc)


cdef uint64_t stats_now(process_t *proc) noexcept nogil:
    """Nanoseconds; 0 where the vDSO does not tell them."""
    cdef uint64_t now[2]
    if proc.vdso_clock_gettime == NULL or proc.vdso_clock_gettime(LINUX_CLOCK_MONOTONIC, now) != 0:
        return 0
    return now[0] * 1000000000 + now[1]


cdef long stats_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Run a call and count it: before, since not every call returns; its time and its error when it has returned."""
    cdef process_t *proc = area.proc
    cdef stats_t *stats = proc.stats
    cdef uint64_t nr = called_number(frame)
    cdef stats_row_t *row = &stats.rows[nr if nr < GUEST_NSYSCALLS else STATS_ROWS - 1]
    cdef uint64_t *way = &stats.jumped
    cdef uint64_t begin
    cdef int pid = proc.pid, error
    cdef long result
    if area.trapped_again or not (range_is_ours(frame.ret, 1) or site_is_patched(frame.ret)):
        way = &stats.trapped
        area.trapped_again = 0
        stats_trap(proc, frame.ret)
    atomic_add64(way, 1)
    atomic_add64(&row.calls, 1)
    begin = stats_now(proc)
    result = run_hooks(frame, area, rest)
    if proc.pid != pid:
        return result           # the child of a fork
    error = call_error(area, result)
    if error == AGAIN:
        atomic_add64(way, <uint64_t> -1)
        atomic_add64(&row.calls, <uint64_t> -1)
        atomic_add64(&stats.restarts, 1)
        return result
    atomic_add64(&row.nanoseconds, stats_now(proc) - begin)
    if error:
        atomic_add64(&row.errors, 1)
    return result


# Sites that could not be patched.

cdef inline uint64_t site_key(process_t *proc, uint64_t ret) noexcept nogil:
    return ret | <uint64_t> (proc.stats_image & 0xffff) << 48


cdef stats_site_t *stats_site_at(stats_t *stats, uint64_t key, bint make) noexcept nogil:
    """The record of a site. Where there is none: a new one, or NULL if none is to be made, or can be."""
    cdef uint64_t at = (key * 0x9e3779b97f4a7c15UL) >> 54
    cdef uint64_t seen
    cdef int i
    for i in range(64):
        seen = stats.sites[at].key
        if seen == 0 and make:
            seen = atomic_cas64(&stats.sites[at].key, 0, key)
            if seen == 0:
                return &stats.sites[at]
        if seen == key:
            return &stats.sites[at]
        if seen == 0:
            return NULL
        at = (at + 1) % STATS_SITES
    return NULL


cdef void stats_trap(process_t *proc, uint64_t ret) noexcept nogil:
    """A call trapped: count it at its site if that is one that cannot be patched."""
    cdef stats_site_t *site = stats_site_at(proc.stats, site_key(proc, ret), False)
    if site != NULL:
        atomic_add64(&site.traps, 1)


cdef void stats_site(area_t *area, uint64_t ret, int outcome) noexcept nogil:
    """A site was patched, or was not; the call that led to it goes on, and is counted then."""
    cdef stats_t *stats = area.proc.stats
    cdef stats_site_t *site
    if outcome == OUTCOME_PATCHED:
        area.trapped_again = 1
        atomic_add32(&stats.patched, 1)
        return
    if outcome == OUTCOME_NONE:
        area.trapped_again = 1 if not area.proc.no_patch else 0
        return
    site = stats_site_at(stats, site_key(area.proc, ret), True)
    if site == NULL:
        atomic_add32(&stats.sites_lost, 1)
    elif atomic_cas32(&site.claimed, 0, 1) != 0:
        return                          # another process says, or has said, what there is to say
    else:
        # Those before this one, which is counted when it goes on.
        atomic_add64(&site.traps, 1 if area.proc.engine == ENGINE_PTRACE else PATCH_AFTER - 1)
        if site_name(site, ret) and outcome == OUTCOME_OWN_CODE:
            outcome = OUTCOME_SHARED
        site.reason = outcome
    atomic_add32(&stats.refused[outcome], 1)


cdef bint site_name(stats_site_t *site, uint64_t ret) noexcept nogil:
    """Find the file that the syscall before ret is in; no name where it is in none, or /proc is missing. True where it is
    mapped shared."""
    cdef mapping_t mapping
    cdef uint64_t room = 1 << 20, memory = map_memory(room), length
    cdef const char *line = <const char *> memory
    cdef bint shared = False
    if memory == 0:
        return False
    site.offset = ret - 2
    if read_file(b"/proc/self/maps", <char *> memory, room) < 0:
        line = b""
    while line[0] != 0:
        line = mapping_parse(line, &mapping)
        if mapping.start <= ret - 2 < mapping.end:
            shared = mapping.shared
            if mapping.path[0] == c'/':
                site.offset = ret - 2 - mapping.start + mapping.offset
                length = mapping.path_length
                if length >= sizeof(site.name):         # the end tells more
                    mapping.path += length - sizeof(site.name) + 1
                    length = sizeof(site.name) - 1
                memcpy(site.name, mapping.path, length)
                site.name[length] = 0
            break
    linux_syscall2(LINUX_SYS_munmap, memory, room)
    return shared

# Who stands before the calls of a thread: a list of functions, the outermost first. A hook runs the call by running the rest of
# the list, and sees its result; the last of all is the call itself. Where nobody is hooked in, entry.S goes to the handler at once.

cdef enum:
    HOOK_COUNT = 0          # counts (machine/watch/stats.pxi)
    HOOK_PRINT = 1          # prints
    HOOK_RECORD = 2         # keeps records: the personality's
    HOOK_WAKE = 3           # the next sleep is to end: the personality's
    HOOK_DEBUG = 4          # another guest traces this one: the personality's
    HOOK_RIGHTS = 5         # refuses what the process, or its descriptor, has no right to: the personality's
    HOOK_CONFINE = 6        # a folder keeps the paths that begin in it inside: the personality's
    HOOK_VIEW = 7           # gives Linux's paths for the guest's (machine/view/lookup.pxi)
    HOOK_TRACE = 8          # a tracer sees results (machine/watch/trace.pxi)


cdef void hook_add(area_t *area, int which, lsf_hook_t function, const uint32_t *lanes) noexcept nogil:
    """Hook a function into the calls of this thread, and of those that it makes. NULL: calls only come where they can be seen.
    lanes: the calls that entry.S may still pass by itself; NULL: those that the others leave it."""
    area.proc.hooks[which].function = function
    area.proc.hooks[which].lanes = lanes
    area.hooks |= 1UL << which
    hooks_apply(area)


cdef void hook_add_everywhere(area_t *area, int which, lsf_hook_t function, const uint32_t *lanes) noexcept nogil:
    """Hook a function into the calls of every thread of this process, and of those that come."""
    cdef area_t *other = NULL
    atomic_or64(&area.proc.hooks_everywhere, 1UL << which)
    hook_add(area, which, function, lanes)
    while (other := area_next(area.proc, other)) != NULL:       # one that is being made sees to itself (hooks_begin)
        if other != area and not other.service:
            atomic_or64(&other.hooks, 1UL << which)
            hooks_apply(other)


cdef void hooks_begin(area_t *area) noexcept nogil:
    """A thread begins: what was hooked in everywhere while it was made, and its maker's hooks were copied, is its, too."""
    if area.proc.hooks_everywhere & ~area.hooks:
        atomic_or64(&area.hooks, area.proc.hooks_everywhere)
        hooks_apply(area)


cdef void hook_remove(area_t *area, int which) noexcept nogil:
    area.hooks &= ~(1UL << which)
    hooks_apply(area)


cdef void hook_remove_everywhere(area_t *area, int which) noexcept nogil:
    """Take a function out of the calls of every thread of this process, and of those that come."""
    cdef area_t *other = NULL
    atomic_and64(&area.proc.hooks_everywhere, ~(1UL << which))
    while (other := area_next(area.proc, other)) != NULL:
        if other.hooks & 1UL << which:
            atomic_and64(&other.hooks, ~(1UL << which))
            hooks_apply(other)


cdef void hooks_inherit(area_t *child, area_t *area, int but) noexcept nogil:
    """A new thread or process has its maker's hooks, but for one."""
    child.hooks = area.hooks & ~(1UL << but)
    hooks_apply(child)


cdef void hooks_apply(area_t *area) noexcept nogil:
    """The outermost hook that cares says which calls are passed: who counts sees more than a view does."""
    cdef uint64_t hooks = area.hooks
    cdef const uint32_t *lanes = NULL
    while hooks and lanes == NULL:
        lanes = area.proc.hooks[count_trailing_zeros(hooks)].lanes
        hooks &= hooks - 1
    area.lanes = lanes if lanes != NULL else lsf_lane


cdef long run_hooks(frame_t *frame, area_t *area, uint64_t hooks) noexcept nogil:
    """Run a call through these hooks (bits), and then as its row says."""
    cdef lsf_hook_t function
    while hooks:
        function = area.proc.hooks[count_trailing_zeros(hooks)].function
        hooks &= hooks - 1
        if function != NULL:
            return function(frame, area, hooks)
    if frame.nr >= GUEST_NSYSCALLS:
        return sys_nosys(frame, area)
    return run_row(frame, area)


cdef public long call_hooked(frame_t *frame, area_t *area) noexcept nogil:
    """What entry.S calls instead of a handler where somebody is hooked in."""
    return run_hooks(frame, area, area.hooks)


cdef long run_call(frame_t *frame, area_t *area) noexcept nogil:
    """Run a call that another one stands for: it is counted and printed as that one, but its rights and its paths are its own."""
    return run_hooks(frame, area, area.hooks & (1UL << HOOK_VIEW | 1UL << HOOK_CONFINE | 1UL << HOOK_RIGHTS))

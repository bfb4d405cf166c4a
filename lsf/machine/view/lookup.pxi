# The view by look-up: where Linux lets LSF neither mount nor chroot, the shim itself says which file a path means, as
# qemu-user's -L does. A view is a list of rules "what the guest calls X is the host's Y", made by lsf/view.py and handed
# from program to program; the longest guest name wins.
#
# There is one place: `lookup_call` stands between the entry and every call that takes a path (the table of its personality: lsf_paths), and gives
# the call Linux's paths in the place of the guest's. Where this view is off, no call comes here. Symbolic links are walked
# by hand, since an absolute one means a place in the guest's tree. What stays the guest's own (the name of a program,
# interpreters, addresses of local sockets, the current directory) asks here where it is needed.

cdef enum:
    LOOKUP_PATH = 4096
    LOOKUP_RULES = 256
    LOOKUP_LINKS = 32               # as MAXSYMLINKS of BSD

cdef extern from "paths.h" nogil:
    enum:
        LSF_FOLLOW_NEVER, LSF_FOLLOW_ALWAYS, LSF_FOLLOW_OPEN, LSF_FOLLOW_AT, LSF_FOLLOW_LINKAT, LSF_FOLLOW_INOTIFY
    ctypedef struct lsf_path_t "struct lsf_path":
        uint16_t nr
        int8_t argument, directory, flags
        uint8_t follow
    const lsf_path_t lsf_paths[1]
    const uint32_t lsf_lane_lookup[1]

cdef struct lookup_rule_t:
    char *guest                     # without a slash at the end; "" is all that no other rule names
    char *host
    uint64_t guest_length, host_length
    bint whole                      # /dev and /proc: Linux walks in there by itself, for their links lead nowhere else

cdef struct lookup_t:
    uint64_t count
    char *top                       # the folder to list as "/", or NULL
    lookup_rule_t rules[LOOKUP_RULES]

# A path on its way: what is found so far, as the guest calls it, and what is left (at the end of `rest`).
cdef struct lookup_walk_t:
    char guest[LOOKUP_PATH]
    char rest[LOOKUP_PATH]
    char link[LOOKUP_PATH]
    uint64_t length, at


cdef bint lookup_begin(process_t *proc, char **pairs, uint64_t count) noexcept nogil:
    """Take over the rules of a handover: `count` pairs of strings. False where there is no memory for them."""
    cdef lookup_t *view
    cdef lookup_rule_t *rule
    cdef uint64_t i, size = sizeof(lookup_t)
    cdef char *at
    for i in range(2 * count):
        size += string_length(pairs[i]) + 1
    view = <lookup_t *> map_memory(page_up(size))
    if view == NULL or count > LOOKUP_RULES:
        return False
    at = <char *> view + sizeof(lookup_t)
    for i in range(2 * count):
        size = string_length(pairs[i]) + 1
        memcpy(at, pairs[i], size)
        rule = &view.rules[i >> 1]
        if i & 1:
            rule.host = at
            rule.host_length = size - 1
            if string_equal(rule.guest, b"/"):
                view.top = at
        else:
            rule.guest = at
            rule.guest_length = size - 1
            rule.whole = string_equal(at, b"/dev") or string_equal(at, b"/proc")
        at += size
    view.count = count
    proc.lookup = view
    return True


cdef void lookup_arm(process_t *proc, area_t *area) noexcept nogil:
    """Lead every call of this thread that takes a path through the view, where there is one."""
    if proc.lookup != NULL:
        hook_add(area, HOOK_VIEW, lookup_call, lsf_lane_lookup)


cdef uint64_t lookup_append(uint64_t *argv, uint64_t at, process_t *proc) noexcept nogil:
    """Put the rules into the argument list of a handover, from `at` on; the end."""
    cdef lookup_t *view = <lookup_t *> proc.lookup
    cdef uint64_t i
    for i in range(lookup_count(proc)):
        argv[at] = <uint64_t> view.rules[i].guest
        argv[at + 1] = <uint64_t> view.rules[i].host
        at += 2
    return at


cdef uint64_t lookup_count(process_t *proc) noexcept nogil:
    return (<lookup_t *> proc.lookup).count if proc.lookup != NULL else 0


cdef bint is_under(const char *path, const char *folder, uint64_t length) noexcept nogil:
    """True where `folder` (of this length) is `path` or one of the folders that it lies in."""
    return string_starts(path, folder) and (path[length] == 0 or path[length] == c'/')


cdef lookup_rule_t *lookup_rule(lookup_t *view, const char *guest) noexcept nogil:
    """The rule for a path of the guest's without links in it; NULL for none. They are sorted, the longest first."""
    cdef uint64_t i
    for i in range(view.count):
        if is_under(guest, view.rules[i].guest, view.rules[i].guest_length):
            return &view.rules[i]
    return NULL


cdef lookup_rule_t *lookup_host(lookup_t *view, const char *guest, char *host) noexcept nogil:
    """Linux's name of such a path, in LOOKUP_PATH bytes; returns the rule that gave it."""
    cdef lookup_rule_t *rule = lookup_rule(view, guest)
    cdef uint64_t at = 0
    if guest[0] == 0 and view.top != NULL:
        append(host, 0, LOOKUP_PATH, view.top)
        return rule
    if rule != NULL:
        at = append(host, 0, LOOKUP_PATH, rule.host)
        guest += rule.guest_length
    at = append(host, at, LOOKUP_PATH, guest)
    if at == 0:
        append(host, 0, LOOKUP_PATH, b"/")
    return rule


cdef void lookup_guest(process_t *proc, char *path, uint64_t size) noexcept nogil:
    """Rewrite a path of Linux's, in `size` bytes, as the guest calls it. One that it cannot name stays."""
    cdef lookup_t *view = <lookup_t *> proc.lookup
    cdef lookup_rule_t *rule
    cdef lookup_rule_t *best = NULL
    cdef char copy[LOOKUP_PATH]
    cdef uint64_t i, at
    if view == NULL or path[0] != c'/':
        return
    if view.top != NULL and string_equal(path, view.top):
        append(path, 0, size, b"/")
        return
    for i in range(view.count):
        rule = &view.rules[i]
        if (rule.host != view.top and is_under(path, rule.host, rule.host_length)
                and (best == NULL or rule.host_length > best.host_length)):
            best = rule
    if best == NULL:
        return
    append(copy, 0, LOOKUP_PATH, path + best.host_length)
    at = append(path, 0, size, best.guest)
    at = append(path, at, size, copy)
    if at == 0:
        append(path, 0, size, b"/")


cdef bint lookup_push(lookup_walk_t *walk, const char *text) noexcept nogil:
    """Put text before what is left to walk; False where there is no room."""
    cdef uint64_t length = string_length(text)
    if length > walk.at:
        return False
    walk.at -= length
    memcpy(&walk.rest[walk.at], text, length)
    return True


cdef void lookup_up(lookup_walk_t *walk) noexcept nogil:
    """Take the last name off what is found."""
    while walk.length > 0 and walk.guest[walk.length - 1] != c'/':
        walk.length -= 1
    if walk.length > 0:
        walk.length -= 1
    walk.guest[walk.length] = 0


cdef bint lookup_leads_on(lookup_t *view, lookup_walk_t *walk) noexcept nogil:
    """True where a rule names something below what is found."""
    cdef uint64_t i
    for i in range(view.count):
        if is_under(view.rules[i].guest, walk.guest, walk.length):
            return True
    return False


cdef long lookup_walk(lookup_t *view, lookup_walk_t *walk, bint follow, char *host) noexcept nogil:
    """Walk what is left: 1 with Linux's path in `host`, 2 where a link or a .. was met on the way, or a negative errno.

    What is not there, or may not be seen, is for Linux to say: the rest is then appended as it is.
    """
    cdef lookup_rule_t *rule
    cdef const char *rest
    cdef uint64_t n, at
    cdef long got, result = 1
    cdef int links = 0
    cdef bint last, as_it_is = False
    while True:
        while walk.rest[walk.at] == c'/':
            walk.at += 1
        rest = &walk.rest[walk.at]
        n = 0
        while rest[n] != 0 and rest[n] != c'/':
            n += 1
        if n == 0:
            break
        walk.at += n
        if n == 1 and rest[0] == c'.':
            continue
        if n == 2 and rest[0] == c'.' and rest[1] == c'.':
            result = 2
            lookup_host(view, walk.guest, host)
            append(host, string_length(host), LOOKUP_PATH, b"/.")
            got = mode_of(LINUX_AT_FDCWD, <uint64_t> host, 0)
            if is_error(got):
                return got                      # no folder, or not to be searched
            lookup_up(walk)
            continue
        if walk.length + n + 2 > LOOKUP_PATH:
            return -LINUX_ENAMETOOLONG
        walk.guest[walk.length] = c'/'
        memcpy(&walk.guest[walk.length + 1], rest, n)
        walk.length += n + 1
        walk.guest[walk.length] = 0
        rule = lookup_host(view, walk.guest, host)
        if rule != NULL and rule.whole:
            as_it_is = True
            break
        last = True
        at = walk.at
        while walk.rest[at] != 0:
            if walk.rest[at] != c'/':
                last = False
            at += 1
        if last and not follow and walk.rest[walk.at] == 0:
            break
        got = linux_syscall3(LINUX_SYS_readlink, <uint64_t> host, <uint64_t> walk.link, LOOKUP_PATH - 1)
        if got == -LINUX_EINVAL:
            continue                            # it is there, and no link
        if got == -LINUX_ENOENT and not last and lookup_leads_on(view, walk):
            continue                            # on the way to a bind that has no place in the root
        if is_error(got):
            as_it_is = True
            break
        result = 2
        links += 1
        if links > LOOKUP_LINKS:
            return -LINUX_ELOOP
        walk.link[got] = 0
        if not lookup_push(walk, walk.link):
            return -LINUX_ENAMETOOLONG
        if walk.link[0] == c'/':
            walk.length = 0
            walk.guest[0] = 0
        else:
            lookup_up(walk)
    at = string_length(host)
    if as_it_is:
        if at + string_length(&walk.rest[walk.at]) + 1 > LOOKUP_PATH:
            return -LINUX_ENAMETOOLONG
        append(host, at, LOOKUP_PATH, &walk.rest[walk.at])
        return result
    lookup_host(view, walk.guest, host)
    at = string_length(host)
    if walk.at > 0 and walk.rest[LOOKUP_PATH - 2] == c'/' and host[at - 1] != c'/':
        append(host, at, LOOKUP_PATH, b"/")     # a slash at the end asks for a folder
    return result


cdef long lookup_path(process_t *proc, int dirfd, uaddr path, bint follow, char *host) noexcept nogil:
    """What a path of the guest's means: 1 with Linux's absolute path in `host` (LOOKUP_PATH bytes), 0 where Linux finds the
    same by itself (or has the error to say), or a negative errno."""
    cdef lookup_t *view = <lookup_t *> proc.lookup
    cdef lookup_walk_t walk
    cdef lookup_rule_t *base = NULL
    cdef uint64_t length = 0
    cdef long got, result
    if path == 0 or copyinstr(path, walk.link, LOOKUP_PATH, &length) < 0 or length < 2:
        return 0
    if length > GUEST_PATH_MAX:
        return -LINUX_ENAMETOOLONG
    walk.length = 0
    walk.guest[0] = 0
    if walk.link[0] != c'/':
        if dirfd == LINUX_AT_FDCWD:
            got = linux_syscall2(LINUX_SYS_getcwd, <uint64_t> walk.guest, LOOKUP_PATH)
        else:
            got = descriptor_name(dirfd, walk.guest, LOOKUP_PATH)
        if is_error(got) or walk.guest[0] != c'/':
            return 0                            # removed, or no folder at all
        lookup_guest(proc, walk.guest, LOOKUP_PATH)
        if walk.guest[1] == 0:
            walk.guest[0] = 0
        walk.length = string_length(walk.guest)
        if walk.length > 0:                     # what lies at the top is for the rules alone
            base = lookup_rule(view, walk.guest)
    walk.at = LOOKUP_PATH - length
    memcpy(&walk.rest[walk.at], walk.link, length)
    result = lookup_walk(view, &walk, follow, host)
    if result == 1 and base != NULL and base == lookup_rule(view, walk.guest):
        return 0                                # plain names below where it starts
    return 1 if result > 0 else result


cdef long lookup_call(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """The hook: a call that takes paths gets Linux's in their place."""
    if frame.nr < GUEST_NSYSCALLS and lsf_path_first[frame.nr] != 0:
        return lookup_run(frame, area, rest)
    return run_hooks(frame, area, rest)


cdef long lookup_run(frame_t *frame, area_t *area, uint64_t rest) noexcept nogil:
    """Run a call that takes paths with Linux's paths in their place. The guest's registers stay as they were."""
    cdef char host[2 * LOOKUP_PATH]
    cdef uint64_t saved[6]
    cdef const lsf_path_t *row = &lsf_paths[lsf_path_first[frame.nr] - 1]
    cdef bint follow, beneath = False
    cdef uint64_t at = 0, nr = frame.nr
    cdef long result
    cdef int i
    for i in range(6):
        saved[i] = frame.arg[i]
    while row.nr == nr:
        follow = lookup_follows(row, frame, &beneath)
        result = 0
        if not beneath:
            result = lookup_path(area.proc, <int> saved[row.directory] if row.directory >= 0 else LINUX_AT_FDCWD,
                                 saved[row.argument], follow, &host[at])
        if result < 0:
            break
        if result > 0:
            frame.arg[row.argument] = <uint64_t> &host[at]
            at += LOOKUP_PATH
        row += 1
    else:
        result = run_hooks(frame, area, rest)
    for i in range(6):
        frame.arg[i] = saved[i]
    return result


cdef long lookup_address(process_t *proc, uint8_t *address, long length) noexcept nogil:
    """The address of a local socket, for Linux: its new length."""
    cdef char host[LOOKUP_PATH]
    cdef long result
    if proc.lookup == NULL or address[0] != LINUX_AF_UNIX or length < 3:
        return length
    result = lookup_path(proc, LINUX_AT_FDCWD, <uint64_t> &address[2], True, host)
    if result <= 0:
        return length if result == 0 else result
    if string_length(host) > 107:
        return -LINUX_ENAMETOOLONG
    memset(&address[2], 0, 108)
    return <long> append(<char *> &address[2], 0, 108, host) + 3

# A program is handed over to an image that begins: the words (lsf/start/handover.py), written before execve(2) and read at
# the start, and the strings and rules that come with them.

# What the start learns from argv, the words of a handover and the auxiliary vector.

cdef enum:
    HANDOVER_ROOM = 1536                # for the words of a handover
    CONFINED_ROOM = 32                  # descriptors with FD_RESOLVE_BENEATH among them
    KEPT_NICE_BEYOND = 1
    KEPT_NOCLDSTOP = 2
    KEPT_CTL_SHIFT = 4              # then 4 bits for each kind of procctl
    KEPT_REAPER = 4
    KEPT_INOTIFY = 8                # some descriptor is inotify's
    KEPT_SUBTREE_SHIFT = 40


cdef struct start_t:
    uint64_t argc
    char **argv                 # the guest's
    char **envp
    uint64_t envc
    char *path                  # the program as the caller named it
    int target_fd               # opened already, or -1
    bint search                 # look the program up in PATH
    bint linux                  # a Linux program is executed as it is
    bint has_directory          # the last of the rules is followed by the directory to start in
    uint64_t rules              # how many rules of a view by look-up there are
    uint64_t random
    uint64_t vdso
    bint has_mask
    uint64_t mask[2]
    uint64_t ignored, ignored_high, pending
    bint woken                  # thr_wake came before, and no sleep has ended by it
    bint ordinary               # Linux's dispositions are as a start leaves them
    uint64_t *linux_stack
    linux_rlimit stack_limit    # as it is now
    bint executed               # by another guest, which has chosen the limits
    int rights_fd               # what limited descriptors have (caps_file); 0: none is limited
    int strings_fd              # the guest's arguments and environment, where Linux did not take them; 0: it did
    uint64_t strings_argc, strings_envc


cdef long parse_hex(const char **text) noexcept nogil:
    cdef uint64_t value = 0
    cdef char c
    while True:
        c = text[0][0]
        if c'0' <= c <= c'9':
            value = value * 16 + (c - 48)
        elif c'a' <= c <= c'f':
            value = value * 16 + (c - 87)
        else:
            return <long> value
        text[0] += 1


cdef void parse_words(process_t *proc, start_t *start, const char *text) noexcept nogil:
    """The words of a handover (lsf/start/handover.py)."""
    cdef char key
    cdef uint64_t value
    cdef uint64_t limit = 0
    cdef bint same = False
    while text[0] != 0:
        key = text[0]
        text += 1
        if text[0] != c'=':
            return
        text += 1
        value = <uint64_t> parse_hex(&text)
        if key == HANDOVER_VERSION:
            same = value == HANDOVER_NUMBER
        elif key == HANDOVER_TARGET:
            start.target_fd = <int> value
        elif key == HANDOVER_IMAGE:  # to be hidden
            proc.image_fd = hide_descriptor(<int> value, False)
        elif key == HANDOVER_IMAGE_HIDDEN:  # hidden already
            proc.image_fd = <int> value
            hide_number(<int> value)
        elif key == HANDOVER_ORDINARY:
            start.ordinary = value != 0
        elif key == HANDOVER_ENGINE:
            proc.engine = <uint32_t> value
        elif key == HANDOVER_TRUSS:
            proc.truss_fd = <int> value
        elif key == HANDOVER_NOSIGPIPE:
            proc.own.nosigpipe = <uint32_t> value
        elif key == HANDOVER_TRACER:
            proc.tracer = <uint32_t> value
        elif key == HANDOVER_TRUSS_PIDS:
            proc.own.truss_pids = <uint32_t> value
        elif key == HANDOVER_STATS:
            proc.stats_fd = <int> value
        elif key == HANDOVER_STATS_COUNTED:
            proc.stats_counted = <uint32_t> value
        elif key == HANDOVER_MASK:
            start.mask[0] = value
            start.has_mask = True
        elif key == HANDOVER_MASK_HIGH:
            start.mask[1] = value
            start.has_mask = True
        elif key == HANDOVER_IGNORED:
            start.ignored = value
        elif key == HANDOVER_IGNORED_HIGH:
            start.ignored_high = value
        elif key == HANDOVER_PENDING:
            start.pending = value
        elif key == HANDOVER_DEBUG:
            proc.debug = <uint32_t> value
        elif key == HANDOVER_FILTER:
            proc.filter_installed = <uint32_t> value
        elif key == HANDOVER_OSRELDATE:
            proc.own.osreldate = <uint32_t> value
            proc.own.osreldate_given = 1
        elif key == HANDOVER_FAKEROOT:
            proc.own.fakeroot = <uint32_t> value
            proc.own.stat_apart = 1
        elif key == HANDOVER_RULES:
            start.rules = value
        elif key == HANDOVER_STACK:
            proc.own.stack_linux = value
            start.executed = True
        elif key == HANDOVER_STRINGS:
            start.strings_fd = <int> value
        elif key == HANDOVER_STRINGS_ARGC:
            start.strings_argc = value
        elif key == HANDOVER_STRINGS_ENVC:
            start.strings_envc = value
        elif key == HANDOVER_SEARCH:
            start.search = value != 0
        elif key == HANDOVER_LINUX:
            start.linux = value != 0
        elif key == HANDOVER_DIRECTORY:
            start.has_directory = value != 0
        elif key == HANDOVER_PROCDESC:
            proc.life_fd = <int> value
            hide_number(<int> value)
        elif key == HANDOVER_KEPT:
            process_keep(proc, value)
        elif key == HANDOVER_WOKEN:
            start.woken = value != 0
        elif key == HANDOVER_RECORD:
            ktrace_all(proc, <int32_t> value)
        elif key == HANDOVER_RECORD_FACS:
            proc.own.ktrace_facs = <uint32_t> value
        elif key == HANDOVER_BENEATH:
            fd_mark(proc, <int> value, fd_marks(proc, <int> value) | MARK_BENEATH)
        elif key == HANDOVER_SOCKETS:
            sockets_watch(proc, <uint32_t> value)
        elif key == HANDOVER_CAPMODE:
            proc.own.capmode = value != 0
        elif key == HANDOVER_RIGHTS:
            start.rights_fd = <int> value
        elif key == HANDOVER_CPUSET:
            proc.own.cpuset = <uint32_t> value
        elif key == HANDOVER_LIMIT:
            limit = value
        elif key == HANDOVER_LIMIT_CUR and limit < LIMITS_KEPT:
            proc.own.limits_kept[limit].below_cur = <int64_t> value
        elif key == HANDOVER_LIMIT_MAX and limit < LIMITS_KEPT:
            proc.own.limits_kept[limit].below_max = <int64_t> value
        elif HANDOVER_LOGIN <= key < HANDOVER_LOGIN + 4:
            memcpy(&proc.own.login[8 * (key - HANDOVER_LOGIN)], &value, 8)
        elif key == HANDOVER_USERS:
            take_ids(LINUX_SYS_setresuid, proc, value)
        elif key == HANDOVER_GROUPS:
            take_ids(LINUX_SYS_setresgid, proc, value)
        elif key == HANDOVER_FEXECVE:
            proc.own.by_fexecve = 1
        elif key == HANDOVER_DEBUGGER:
            proc.own.debugger = <int> value
        elif key == HANDOVER_TRACING:
            proc.own.tracing = 1
        elif key == HANDOVER_NO_PATCH:
            proc.no_patch = <uint32_t> value
        if text[0] == c',':
            text += 1
    if start.rights_fd and not caps_from_file(proc, start.rights_fd):
        die(EXIT_LSF, b"a handover without the rights of its descriptors", NULL)
    if not same:
        die(EXIT_LSF, b"the shim", b"another version of LSF started it; install LSF anew")


cdef void take_strings(process_t *proc, start_t *start) noexcept nogil:
    """The arguments and the environment that another image put into a file (strings_file in exec.pxi)."""
    cdef linux_stat info
    cdef uint64_t count = start.strings_argc + start.strings_envc, i, at = 0
    cdef char **pointers = NULL
    cdef long memory = linux_syscall2(LINUX_SYS_fstat, start.strings_fd, <uint64_t> &info)
    if not is_error(memory):
        memory = linux_syscall6(LINUX_SYS_mmap, 0, info.st_size, LINUX_PROT_READ, LINUX_MAP_PRIVATE, start.strings_fd, 0)
    if start.strings_argc <= FREEBSD_ARG_MAX and start.strings_envc <= FREEBSD_ARG_MAX:
        pointers = <char **> map_memory((count + 2) * 8)
    if is_error(memory) or pointers == NULL:
        die(EXIT_LSF, b"a handover without its arguments", NULL)
    if proc.stack_top - <uint64_t> start.linux_stack + info.st_size + 8 * count + 65536 > start.stack_limit.rlim_cur:
        refuse_stack(start)
    for i in range(count):
        if at >= <uint64_t> info.st_size:
            die(EXIT_LSF, b"a handover with too few arguments", NULL)
        pointers[i] = <char *> (<uint64_t> memory + at)
        at += string_length(pointers[i]) + 1
    strings_below(start, pointers, count)
    linux_syscall2(LINUX_SYS_munmap, memory, info.st_size)
    linux_syscall1(LINUX_SYS_close, start.strings_fd)
    start.argc = start.strings_argc
    start.argv = pointers
    start.envc = start.strings_envc
    start.envp = &pointers[start.argc]      # its end is NULL


cdef uint64_t take_view(process_t *proc, start_t *start, char **argv, uint64_t argc) noexcept nogil:
    """The rules of a view by look-up, and the directory to start in if one is given: how many arguments they are."""
    cdef uint64_t count = 2 * start.rules
    cdef char host[LOOKUP_PATH]
    cdef const char *directory
    cdef const char *place
    cdef long result
    if start.rules > LOOKUP_RULES or count + start.has_directory > argc or not lookup_begin(proc, argv, start.rules):
        die(EXIT_LSF, b"the rules of the view are damaged, or there is no memory for them", NULL)
    if not start.has_directory:
        return count
    directory = argv[count]
    place = directory
    result = lookup_path(proc, LINUX_AT_FDCWD, <uint64_t> directory, True, host)
    if result > 0:
        place = host
    if result >= 0:
        result = linux_syscall1(LINUX_SYS_chdir, <uint64_t> place)
    if is_error(result):
        complain(b"--chdir ", directory, b": ", error_text(result))
        linux_syscall1(LINUX_SYS_exit_group, EXIT_LSF)
    return count + 1


cdef uint64_t append_word(char *words, uint64_t at, int key, uint64_t value) noexcept nogil:
    """One more word of a handover (lsf/start/handover.py)."""
    cdef char head[4]
    head[0] = c','
    head[1] = <char> key
    head[2] = c'='
    head[3] = 0
    at = append(words, at, HANDOVER_ROOM, &head[0 if at != 0 else 1])
    return append_number(words, at, HANDOVER_ROOM, value, 16)


cdef uint64_t process_kept(process_t *proc) noexcept nogil:
    """What FreeBSD keeps over exec, and Linux does not know. Model: kern_exec.c (do_execve), kern_sig.c (execsigs:
    PS_NOCLDSTOP stays), kern_procctl.c."""
    cdef uint64_t kept = 0, value
    cdef int i
    if proc.own.nice_beyond:
        kept |= KEPT_NICE_BEYOND
    if proc.handlers[FREEBSD_SIGCHLD].flags & FREEBSD_SA_NOCLDSTOP:
        kept |= KEPT_NOCLDSTOP
    if proc.own.reaper:
        kept |= KEPT_REAPER
    if proc.own.fd_marked & MARK_INOTIFY:
        kept |= KEPT_INOTIFY
    kept |= <uint64_t> proc.own.subtree << KEPT_SUBTREE_SHIFT
    for i in range(CTL_KINDS):
        value = proc.own.ctl[i]
        if i == CTL_TRACE and value != FREEBSD_PROC_TRACE_CTL_DISABLE_EXEC:
            value = 0
        elif i == CTL_STACKGAP and not value & FREEBSD_PROC_STACKGAP_DISABLE_EXEC:
            value &= ~<uint64_t> FREEBSD_PROC_STACKGAP_DISABLE
        kept |= value << (KEPT_CTL_SHIFT + 4 * i)
    return kept


cdef void process_keep(process_t *proc, uint64_t kept) noexcept nogil:
    """In the new image."""
    cdef int i
    proc.own.nice_beyond = kept & KEPT_NICE_BEYOND != 0
    proc.own.reaper = kept & KEPT_REAPER != 0
    proc.own.subtree = <uint32_t> (kept >> KEPT_SUBTREE_SHIFT)
    for i in range(CTL_KINDS):
        proc.own.ctl[i] = <uint32_t> (kept >> (KEPT_CTL_SHIFT + 4 * i)) & 0xf
    if kept & KEPT_INOTIFY:
        inotify_learn_all(proc)
    if kept & KEPT_NOCLDSTOP:
        proc.handlers[FREEBSD_SIGCHLD].flags = FREEBSD_SA_NOCLDSTOP | FREEBSD_SA_RESTART | HANDLER_SET | HANDLER_KNOWN
        apply_disposition(proc, FREEBSD_SIGCHLD)


cdef uint64_t append_confined(char *words, uint64_t at, process_t *proc) noexcept nogil:
    """The descriptors with FD_RESOLVE_BENEATH, which stays over exec. More than there is room for are not handed over at all."""
    cdef int fd = fd_marked_from(proc, 0), count = 0
    while fd >= 0:
        if fd_marks(proc, fd) & MARK_BENEATH:
            count += 1
            if count <= CONFINED_ROOM:
                at = append_word(words, at, HANDOVER_BENEATH, <uint64_t> fd)
            else:
                linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_SETFD, FREEBSD_FD_CLOEXEC)
        fd = fd_marked_from(proc, <uint32_t> fd + 1)
    return at


cdef uint64_t append_limits(char *words, uint64_t at, process_t *proc) noexcept nogil:
    """The limits that Linux does not have, of which one is set."""
    cdef kept_limit_t *kept
    cdef int i
    for i in range(LIMITS_KEPT):
        kept = &proc.own.limits_kept[i]
        if kept.below_cur | kept.below_max:
            at = append_word(words, at, HANDOVER_LIMIT, i)
            at = append_word(words, at, HANDOVER_LIMIT_CUR, <uint64_t> kept.below_cur)
            at = append_word(words, at, HANDOVER_LIMIT_MAX, <uint64_t> kept.below_max)
    return at


cdef uint32_t sockets_passed(process_t *proc) noexcept nogil:
    """process_own.sockets for the new image. A kind that is read by the shim slows every read down, so such a socket is looked for."""
    cdef proc_walk_t walk
    cdef uint32_t kinds = proc.own.sockets & ~<uint32_t> SOCKETS_READ
    cdef int fd
    if kinds == proc.own.sockets:
        return kinds
    if walk_begin(&walk, b"/proc/self/fd") < 0:
        return proc.own.sockets
    fd = walk_next(&walk)
    while fd >= 0:
        if fd != walk.fd and linux_syscall2(LINUX_SYS_fcntl, fd, LINUX_F_GETFD) == 0:
            kinds |= socket_kind(fd)
        fd = walk_next(&walk)
    return kinds


cdef void handover_words(process_t *proc, area_t *area, int target, char *words) noexcept nogil:
    """The words of a handover, in HANDOVER_ROOM bytes; parse_words reads them."""
    cdef uint64_t at = append_word(words, 0, HANDOVER_VERSION, HANDOVER_NUMBER), kept
    cdef uint64_t ignored[2]
    cdef uint64_t login[4]              # of 33 bytes, the last of which is NUL
    at = append_word(words, at, HANDOVER_TARGET, target)
    at = append_word(words, at, HANDOVER_IMAGE_HIDDEN, proc.image_fd)
    at = append_word(words, at, HANDOVER_ENGINE, proc.engine)
    if proc.truss_fd >= 0 and not proc.own.truss_over:
        at = append_word(words, at, HANDOVER_TRUSS, proc.truss_fd)
        if proc.own.truss_pids:
            at = append_word(words, at, HANDOVER_TRUSS_PIDS, 1)
    if proc.tracer:
        at = append_word(words, at, HANDOVER_TRACER, proc.tracer)
    if proc.record_fd >= 0:
        at = append_word(words, at, HANDOVER_RECORD, proc.record_fd)
        at = append_word(words, at, HANDOVER_RECORD_FACS, proc.own.ktrace_facs)
    if proc.stats_fd >= 0:
        at = append_word(words, at, HANDOVER_STATS, proc.stats_fd)
        at = append_word(words, at, HANDOVER_STATS_COUNTED, proc.stats_counted)
    at = append_word(words, at, HANDOVER_MASK, area.sigmask[0])
    at = append_word(words, at, HANDOVER_MASK_HIGH, area.sigmask[1])
    ignored[0] = virtual_ignored(proc)
    ignored[1] = 0
    carried_ignored(proc, ignored)
    at = append_word(words, at, HANDOVER_IGNORED, ignored[0])
    at = append_word(words, at, HANDOVER_IGNORED_HIGH, ignored[1])
    at = append_word(words, at, HANDOVER_PENDING, virtual_waits(area))
    if proc.filter_installed:
        at = append_word(words, at, HANDOVER_FILTER, 1)
    if proc.debug:
        at = append_word(words, at, HANDOVER_DEBUG, proc.debug)
    if proc.own.osreldate_given:
        at = append_word(words, at, HANDOVER_OSRELDATE, proc.own.osreldate)
    at = append_word(words, at, HANDOVER_STACK, proc.own.stack_linux)
    if proc.own.nosigpipe:
        at = append_word(words, at, HANDOVER_NOSIGPIPE, proc.own.nosigpipe)
    if proc.no_patch & ~<uint32_t> NO_PATCH_TRACED:
        at = append_word(words, at, HANDOVER_NO_PATCH, 1)
    if proc.own.debugged and debug_page(proc).state != DEBUG_LEFT:
        at = append_word(words, at, HANDOVER_DEBUGGER, proc.own.debugger)
    if proc.own.tracing:
        at = append_word(words, at, HANDOVER_TRACING, 1)
    if area.frame.nr == FREEBSD_SYS_fexecve and (proc.record_fd >= 0 or proc.own.debugged):
        at = append_word(words, at, HANDOVER_FEXECVE, 1)
    if proc.own.fakeroot:
        at = append_word(words, at, HANDOVER_FAKEROOT, 1)
    if proc.own.users_shown:
        at = append_word(words, at, HANDOVER_USERS, ids_word(proc.own.users))
    if proc.own.groups_shown:
        at = append_word(words, at, HANDOVER_GROUPS, ids_word(proc.own.groups))
    if proc.lookup != NULL:
        at = append_word(words, at, HANDOVER_RULES, lookup_count(proc))
    kept = process_kept(proc)
    if kept:
        at = append_word(words, at, HANDOVER_KEPT, kept)
    if proc.life_fd >= 0:
        at = append_word(words, at, HANDOVER_PROCDESC, proc.life_fd)
    if area.woken == WOKEN_PENDING:
        at = append_word(words, at, HANDOVER_WOKEN, 1)
    if proc.own.cpuset:
        at = append_word(words, at, HANDOVER_CPUSET, proc.own.cpuset)
    at = append_limits(words, at, proc)
    if proc.own.fd_marked & MARK_BENEATH:
        at = append_confined(words, at, proc)
    if proc.own.capmode:
        at = append_word(words, at, HANDOVER_CAPMODE, 1)
    kept = sockets_passed(proc)
    if kept:
        at = append_word(words, at, HANDOVER_SOCKETS, kept)
    memcpy(login, proc.own.login, sizeof(login))
    if login[0]:
        at = append_word(words, at, HANDOVER_LOGIN, login[0])
        at = append_word(words, at, HANDOVER_LOGIN + 1, login[1])
        at = append_word(words, at, HANDOVER_LOGIN + 2, login[2])
        at = append_word(words, at, HANDOVER_LOGIN + 3, login[3])
    # Where Linux ignores them now it will after exec; a handler of ours would be reset.
    if (proc.handlers[FREEBSD_SIGIO].function <= FREEBSD_SIG_IGN
        and proc.handlers[FREEBSD_SIGINFO].function <= FREEBSD_SIG_IGN
            and not event_wants_signal(proc, FREEBSD_SIGIO) and not event_wants_signal(proc, FREEBSD_SIGINFO)):
        append_word(words, at, HANDOVER_ORDINARY, 1)


cdef uint64_t handover_places(process_t *proc) noexcept nogil:
    """How many arguments come before the guest's own: name, words, path, and the rules of a view by look-up."""
    return 3 + 2 * lookup_count(proc)

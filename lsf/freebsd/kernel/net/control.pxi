# Control messages of local sockets: descriptors, credentials, times. Model: FreeBSD sys/kern/uipc_usrreq.c
# (unp_internalize, unp_externalize, unp_addsockcred), unix(4).
#
# Linux merges all descriptors of a message, tells credentials to every receiver that has asked, whether or not the sender
# attached any, and carries nothing else. So a message that has more than one SCM_RIGHTS takes a descriptor along, the last
# one: the manifest, a sealed memfd that lists what the sender attached, in its order. The receiver's shim reads it, shows
# what it says, and closes it. What it says of who the sender is comes from Linux alone. A Linux program at the other end
# finds one descriptor more than it expects, or has no room for any.

cdef enum:
    MANIFEST_MAGIC = 0x324c5254434c534c
    MANIFEST_HEAD = 24              # bytes before the entries
    MANIFEST_MOST = SOCKET_CONTROL_MAX // 16 + 1
    MANIFEST_EOR = -1               # type_ of an entry that is no message of the sender's: a record of time[0] bytes ends here
    MANIFEST_SEALS = 0xf            # SEAL, SHRINK, GROW, WRITE
    RIGHTS_MOST = 253               # Linux's SCM_MAX_FD
    RIGHTS_MOST_FREEBSD = 254       # what fits an mbuf cluster as pointers
    CREDENTIALS_GROUPS = 16         # CMGROUP_MAX

# One control message of the sender's.
cdef struct manifest_entry_t:
    int32_t type_
    int32_t count                   # SCM_RIGHTS: how many of the descriptors are its
    uint64_t time[2]

# What descriptors are limited to follows behind the entries (caps_write), each by its place among the descriptors.
cdef struct manifest_t:
    uint64_t magic
    uint64_t count
    uint64_t words
    manifest_entry_t entries[MANIFEST_MOST]

# Who sent a message.
cdef struct sender_t:
    int32_t pid
    uint32_t uid, euid, gid, egid
    int32_t ngroups
    uint32_t groups[CREDENTIALS_GROUPS]     # the effective one first

# The guest's control part on its way out.
cdef struct control_t:
    uint8_t answer[SOCKET_CONTROL]
    uint64_t length, room
    bint full
    uint64_t eor                    # the length of a record that has ended; 0: none
    int32_t *rights                 # the descriptors that came; -1 where it has been closed
    int rights_count
    process_t *limited              # of whose descriptors some are; NULL: none is


# ------------------------------------------------------------------ sending

cdef void control_time(int32_t type_, uint64_t *time) noexcept nogil:
    """The time that the kernel puts into such a message."""
    linux_syscall2(LINUX_SYS_clock_gettime, LINUX_CLOCK_MONOTONIC if type_ == FREEBSD_SCM_MONOTONIC else LINUX_CLOCK_REALTIME,
                    <uint64_t> time)
    if type_ == FREEBSD_SCM_TIMESTAMP:
        time[1] //= 1000
    elif type_ == FREEBSD_SCM_BINTIME:
        time[1] = bintime_fraction(time[1])


cdef long manifest_rights(process_t *proc, int fd, const int32_t *rights, int count) noexcept nogil:
    """Write what some of the descriptors of a message are limited to behind its entries: 0 or an error."""
    cdef uint64_t words[4 + IOCTLS_MOST]
    cdef const caps_t *caps
    cdef long result
    cdef int i
    for i in range(count):
        caps = caps_of(proc, rights[i])
        if caps != NULL:
            caps_write(words, <uint32_t> i, caps)
            result = linux_syscall3(LINUX_SYS_write, fd, <uint64_t> words, 8 * caps_size(caps))
            if result != <long> (8 * caps_size(caps)):
                return result if is_error(result) else -LINUX_ENOBUFS
    return 0


cdef uint64_t rights_words(process_t *proc, const int32_t *rights, int count) noexcept nogil:
    """How many words that is."""
    cdef const caps_t *caps
    cdef uint64_t words = 0
    cdef int i
    if proc.own.fd_caps == NULL:
        return 0
    for i in range(count):
        caps = caps_of(proc, rights[i])
        if caps != NULL:
            words += caps_size(caps)
    return words


cdef long manifest_make(process_t *proc, const manifest_t *list_, const int32_t *rights, int count) noexcept nogil:
    """The descriptor of a manifest, or an error."""
    cdef uint64_t size = MANIFEST_HEAD + list_.count * sizeof(manifest_entry_t)
    cdef long result, fd = linux_syscall2(LINUX_SYS_memfd_create, <uint64_t> <const char *> b"lsf-control",
                                          LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING)
    if is_error(fd):
        return fd
    result = linux_syscall3(LINUX_SYS_write, fd, <uint64_t> list_, size)
    if result == <long> size:
        result = manifest_rights(proc, <int> fd, rights, count) if list_.words else 0
        if result == 0:
            result = linux_syscall3(LINUX_SYS_fcntl, fd, LINUX_F_ADD_SEALS, MANIFEST_SEALS)
    elif not is_error(result):
        result = -LINUX_ENOBUFS
    if is_error(result):
        linux_syscall1(LINUX_SYS_close, fd)
        return result
    return fd


cdef long control_entry(process_t *proc, const uint8_t *raw, uint64_t size, manifest_entry_t *entry, int32_t *rights,
                        int *count) noexcept nogil:
    """Take one message, whose data has `size` bytes: 1, 0 for one that says nothing, or an error."""
    cdef uint64_t i
    cdef int32_t fd
    entry.count = 0
    if entry.type_ == FREEBSD_SCM_RIGHTS:
        if size // 4 > RIGHTS_MOST_FREEBSD or count[0] + size // 4 > RIGHTS_MOST:
            return -LINUX_EMSGSIZE
        for i in range(size // 4):
            memcpy(&fd, raw + 4 * i, 4)
            if descriptor_is_hidden(proc, fd):
                return -LINUX_EBADF
            if proc.own.events != NULL and descriptor_is_kqueue(proc, fd):
                return -LINUX_EOPNOTSUPP          # not DFLAG_PASSABLE
            rights[count[0]] = fd
            count[0] += 1
        entry.count = <int32_t> (size // 4)
        return entry.count > 0
    if entry.type_ == FREEBSD_SCM_TIMESTAMP or FREEBSD_SCM_BINTIME <= entry.type_ <= FREEBSD_SCM_MONOTONIC:
        control_time(entry.type_, entry.time)
        return 1
    return 1 if entry.type_ == FREEBSD_SCM_CREDS else -LINUX_EINVAL


cdef long local_control_in(process_t *proc, const uint8_t *raw, uint64_t length, uint8_t *control, uint64_t eor,
                           int *manifest) noexcept nogil:
    """unp_internalize: Linux's control part for the guest's, and its length; *manifest is to be closed when it is sent. eor: how
    many bytes of a record the message ends, 0 for none."""
    cdef manifest_t list_
    cdef manifest_entry_t *entry
    cdef freebsd_cmsghdr header
    cdef linux_ucred *credentials
    cdef int32_t rights[RIGHTS_MOST + 1]
    cdef uint64_t at = 0, data
    cdef int count = 0
    cdef long result
    cdef bint attested = False
    list_.magic = MANIFEST_MAGIC
    list_.count = 0
    while length - at >= sizeof(header):
        memcpy(&header, raw + at, sizeof(header))
        if header.cmsg_level != FREEBSD_SOL_SOCKET or header.cmsg_len < 16 or header.cmsg_len > length - at:
            break
        data = header.cmsg_len - 16
        entry = &list_.entries[list_.count]
        memset(entry, 0, sizeof(manifest_entry_t))
        entry.type_ = header.cmsg_type
        result = control_entry(proc, raw + at + 16, data, entry, rights, &count)
        if result < 0:
            return result
        attested = attested or entry.type_ == FREEBSD_SCM_CREDS
        list_.count += <uint64_t> result
        at += 16 + cmsg_align(data)
        if at > length:
            at = length
    if at < length:
        return -LINUX_EINVAL
    if eor:
        memset(&list_.entries[list_.count], 0, sizeof(manifest_entry_t))
        list_.entries[list_.count].type_ = MANIFEST_EOR
        list_.entries[list_.count].time[0] = eor
        list_.count += 1
    list_.words = rights_words(proc, rights, count)
    if list_.words or list_.count > 1 or (list_.count == 1 and list_.entries[0].type_ != FREEBSD_SCM_RIGHTS):
        if count == RIGHTS_MOST:
            return -LINUX_EMSGSIZE
        result = manifest_make(proc, &list_, rights, count)
        if is_error(result):
            return result
        manifest[0] = <int> result
        rights[count] = manifest[0]
        count += 1
    at = 0
    if attested:
        memset(control, 0, CREDENTIALS_SPACE)
        put_cmsg(<char *> control, sizeof(linux_ucred), LINUX_SOL_SOCKET, LINUX_SCM_CREDENTIALS, 0)
        credentials = <linux_ucred *> (control + 16)
        credentials.pid = <int32_t> linux_syscall0(LINUX_SYS_getpid)
        credentials.uid = <uint32_t> linux_syscall0(LINUX_SYS_getuid)
        credentials.gid = <uint32_t> linux_syscall0(LINUX_SYS_getgid)
        at = CREDENTIALS_SPACE
    if count:
        put_cmsg(<char *> control + at, 4 * <uint64_t> count, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS, 0)
        memcpy(control + at + 16, rights, 4 * <uint64_t> count)
        at += 16 + cmsg_align(4 * <uint64_t> count)
    return <long> at


cdef long control_in(area_t *area, int fd, const freebsd_msghdr *message, uint8_t *control, uint64_t eor,
                     int *manifest) noexcept nogil:
    """Take control messages from the guest: their Linux length. *manifest: -1, or a descriptor to close afterwards. The
    shim's own descriptors are not the guest's to send."""
    cdef uint8_t raw[SOCKET_CONTROL_MAX]
    cdef freebsd_cmsghdr header
    cdef uint64_t length = message.msg_controllen
    if length < sizeof(freebsd_cmsghdr):
        return -LINUX_EINVAL
    if length > SOCKET_CONTROL_MAX:
        return -LINUX_EMSGSIZE if area.proc.own.osreldate >= FREEBSD_SINCE_CONTROL_EMSGSIZE else -LINUX_EINVAL
    if copyin(message.msg_control, raw, length) < 0:
        return -LINUX_EFAULT
    memcpy(&header, raw, sizeof(header))
    if header.cmsg_level == FREEBSD_SOL_SOCKET or socket_option(fd, LINUX_SO_DOMAIN) == LINUX_AF_UNIX:
        return local_control_in(area.proc, raw, length, control, eor, manifest)
    return linux_cmsgs_from_freebsd(control, SOCKET_CONTROL, raw, length)


# ------------------------------------------------------------------ receiving

cdef bint credentials_can_come(int fd) noexcept nogil:
    """Ask Linux to tell the senders of a local socket from now on: it keeps them back from who has not asked."""
    return socket_option(fd, LINUX_SO_PASSCRED) > 0 or set_socket_option(fd, LINUX_SO_PASSCRED, 1) == 0


cdef void credentials_inherit(int listener, int fd) noexcept nogil:
    """What a listening socket asks for, the accepted one does too (unp_copy_peercred)."""
    if socket_option(listener, LINUX_SO_PASSCRED) <= 0:
        return
    if socket_option(listener, KEPT_CREDS) > 0:
        set_socket_option(fd, KEPT_CREDS, 1)
    if socket_option(listener, KEPT_CREDS_PERSISTENT) > 0:
        set_socket_option(fd, KEPT_CREDS_PERSISTENT, 1)
    set_socket_option(fd, LINUX_SO_PASSCRED, 1)


cdef void sender_known(const linux_ucred *sender, sender_t *who) noexcept nogil:
    """Linux tells real ids and one group. More is known, and known to be so, of this process alone."""
    cdef uint32_t ids[3]
    cdef uint32_t groups[64]
    cdef long count, i
    memset(who, 0, sizeof(sender_t))
    who.pid = sender.pid
    who.uid = who.euid = sender.uid
    who.gid = who.egid = sender.gid
    who.ngroups = 1
    if sender.pid == <int32_t> linux_syscall0(LINUX_SYS_getpid):
        who.euid = <uint32_t> linux_syscall0(LINUX_SYS_geteuid)
        who.egid = <uint32_t> linux_syscall0(LINUX_SYS_getegid)
        count = linux_syscall2(LINUX_SYS_getgroups, 64, <uint64_t> groups)
        for i in range(count if not is_error(count) else 0):
            if groups[i] != who.egid and who.ngroups < CREDENTIALS_GROUPS:
                who.groups[who.ngroups] = groups[i]
                who.ngroups += 1
    who.groups[0] = who.egid


cdef void control_begin(control_t *out, uint64_t room) noexcept nogil:
    """A control part with room for so many bytes, and nothing in it yet."""
    out.room = room if room < SOCKET_CONTROL else SOCKET_CONTROL
    out.length = 0
    out.full = False
    out.eor = 0
    out.rights_count = 0
    out.limited = NULL


cdef bint control_put(control_t *out, int32_t type_, const void *data, uint64_t size) noexcept nogil:
    """Add a message. What does not fit whole, with its padding, is left out, and so is all that follows."""
    cdef uint64_t space = 16 + cmsg_align(size)
    if out.full or out.length + space > out.room:
        out.full = True
        return False
    memset(out.answer + out.length, 0, space)
    put_cmsg(<char *> out.answer + out.length, size, FREEBSD_SOL_SOCKET, type_, 1)
    memcpy(out.answer + out.length + 16, data, size)
    out.length += space
    return True


cdef void control_put_rights(control_t *out, int first, int count) noexcept nogil:
    """Some of the descriptors that came; those that the guest does not learn of are closed."""
    cdef int i
    if count == 0 or control_put(out, FREEBSD_SCM_RIGHTS, out.rights + first, 4 * <uint64_t> count):
        return
    for i in range(first, first + count):
        linux_syscall1(LINUX_SYS_close, <uint32_t> out.rights[i])
        out.rights[i] = -1


cdef void control_put_cmsgcred(control_t *out, const sender_t *who) noexcept nogil:
    """The answer to SCM_CREDS."""
    cdef freebsd_cmsgcred cred
    memset(&cred, 0, sizeof(cred))
    cred.cmcred_pid = who.pid
    cred.cmcred_uid = who.uid
    cred.cmcred_euid = who.euid
    cred.cmcred_gid = who.gid
    cred.cmcred_ngroups = <int16_t> who.ngroups
    memcpy(cred.cmcred_groups, who.groups, 4 * <uint64_t> who.ngroups)
    control_put(out, FREEBSD_SCM_CREDS, &cred, sizeof(cred))


cdef void control_put_sockcred(process_t *proc, control_t *out, const sender_t *who, bint persistent) noexcept nogil:
    """The answer to LOCAL_CREDS (SOCKCREDSIZE) and LOCAL_CREDS_PERSISTENT (SOCKCRED2SIZE)."""
    cdef uint32_t words[7 + CREDENTIALS_GROUPS]
    cdef int first = 1 if proc.own.osreldate >= FREEBSD_SINCE_GROUPS_APART else 0, at = 2 if persistent else 0
    cdef int count = who.ngroups - first
    words[0] = 0                            # sc_version
    words[1] = <uint32_t> who.pid
    words[at] = who.uid
    words[at + 1] = who.euid
    words[at + 2] = who.gid
    words[at + 3] = who.egid
    words[at + 4] = <uint32_t> count
    memcpy(&words[at + 5], who.groups + first, 4 * <uint64_t> count)
    control_put(out, FREEBSD_SCM_CREDS2 if persistent else FREEBSD_SCM_CREDS, words, 4 * <uint64_t> (at + 5 + count))


cdef bint manifest_read(int fd, manifest_t *list_) noexcept nogil:
    """True for a manifest. The numbers in it are anybody's."""
    cdef linux_stat st
    cdef long got
    if (is_error(linux_syscall2(LINUX_SYS_fstat, <uint32_t> fd, <uint64_t> &st))
        or st.st_mode & LINUX_S_IFMT != LINUX_S_IFREG
            or st.st_nlink != 0 or st.st_size < MANIFEST_HEAD):
        return False
    if linux_syscall3(LINUX_SYS_fcntl, <uint32_t> fd, LINUX_F_GET_SEALS, 0) != MANIFEST_SEALS:
        return False
    got = linux_syscall4(LINUX_SYS_pread64, <uint32_t> fd, <uint64_t> list_, sizeof(manifest_t), 0)
    return (got >= MANIFEST_HEAD and list_.magic == MANIFEST_MAGIC and list_.count <= MANIFEST_MOST
            and list_.words <= RIGHTS_MOST * (4 + IOCTLS_MOST)
            and MANIFEST_HEAD + list_.count * sizeof(manifest_entry_t) + 8 * list_.words == <uint64_t> st.st_size)


cdef void control_put_listed(control_t *out, const manifest_t *list_, const sender_t *who, bint cmsgcred) noexcept nogil:
    """What the manifest says, as far as the descriptors suffice; cmsgcred: credentials that were attached are shown."""
    cdef int first = 0, left = out.rights_count, count
    cdef uint64_t i
    for i in range(list_.count):
        if list_.entries[i].type_ == FREEBSD_SCM_RIGHTS:
            count = list_.entries[i].count
            if count < 0 or count > left:
                count = left
            control_put_rights(out, first, count)
            first += count
            left -= count
        elif list_.entries[i].type_ == FREEBSD_SCM_CREDS:
            if cmsgcred and who.pid != 0:
                control_put_cmsgcred(out, who)
        elif list_.entries[i].type_ == MANIFEST_EOR:
            out.eor = list_.entries[i].time[0]
        elif list_.entries[i].type_ == FREEBSD_SCM_TIMESTAMP \
                or FREEBSD_SCM_BINTIME <= list_.entries[i].type_ <= FREEBSD_SCM_MONOTONIC:
            control_put(out, list_.entries[i].type_, list_.entries[i].time, 16)
    control_put_rights(out, first, left)


cdef void control_limit(process_t *proc, control_t *out, int manifest, const manifest_t *list_) noexcept nogil:
    """The descriptors that came are limited as the manifest says. One that cannot be is closed."""
    cdef uint64_t words[4 + IOCTLS_MOST]
    cdef uint64_t at = MANIFEST_HEAD + list_.count * sizeof(manifest_entry_t), left = list_.words, used
    cdef uint32_t number = 0
    cdef caps_t caps
    cdef long got
    while left:
        got = linux_syscall4(LINUX_SYS_pread64, manifest, <uint64_t> words, sizeof(words), at)
        used = caps_read(proc, words, <uint64_t> got // 8 if got > 0 else 0, &number, &caps)
        if used == 0 or used > left:
            return
        if number < <uint32_t> out.rights_count and out.rights[number] >= 0 and caps_set(proc, out.rights[number], &caps) < 0:
            linux_syscall1(LINUX_SYS_close, <uint32_t> out.rights[number])
        at += 8 * used
        left -= used
    capsicum_arm(current_area())


cdef void local_control_out(process_t *proc, int fd, uint8_t *control, uint64_t length, control_t *out,
                            bint peek) noexcept nogil:
    """unp_externalize: the guest's control part for Linux's, of which `out` keeps the descriptors. Who only looks gets none."""
    cdef manifest_t list_
    cdef linux_cmsghdr *header
    cdef sender_t who
    cdef uint64_t at = 0
    cdef int manifest = -1, i
    cdef bint persistent, once = False
    memset(&who, 0, sizeof(who))
    while length - at >= sizeof(linux_cmsghdr):
        header = <linux_cmsghdr *> (control + at)
        if header.cmsg_len < 16 or header.cmsg_len > length - at:
            break
        if header.cmsg_level == LINUX_SOL_SOCKET and header.cmsg_type == LINUX_SCM_RIGHTS:
            out.rights = <int32_t *> (control + at + 16)
            out.rights_count = <int> ((header.cmsg_len - 16) // 4)
        elif header.cmsg_level == LINUX_SOL_SOCKET and header.cmsg_type == LINUX_SCM_CREDENTIALS \
                and (<linux_ucred *> (control + at + 16)).pid != 0:
            sender_known(<linux_ucred *> (control + at + 16), &who)
        at += cmsg_align(header.cmsg_len)
        if at > length:
            break
    if who.pid != 0:
        persistent = socket_option(fd, KEPT_CREDS_PERSISTENT) > 0
        once = not persistent and socket_option(fd, KEPT_CREDS) > 0
        if persistent or once:
            control_put_sockcred(proc, out, &who, persistent)
        if once and not peek and socket_option(fd, LINUX_SO_TYPE) != FREEBSD_SOCK_DGRAM:
            set_socket_option(fd, KEPT_CREDS, 0)        # a connection tells its sender once
    list_.count = 0
    list_.words = 0
    if out.rights_count and manifest_read(out.rights[out.rights_count - 1], &list_):
        out.rights_count -= 1
        manifest = out.rights[out.rights_count]
    else:
        list_.count = 0
        list_.words = 0
    if peek:
        control_dispose(out)
        out.rights_count = 0
    control_put_listed(out, &list_, &who, not once)
    if proc.own.osreldate >= FREEBSD_SINCE_INOTIFY:
        for i in range(out.rights_count):
            inotify_learn(proc, out.rights[i])
    if list_.words:
        control_limit(proc, out, manifest, &list_)
        out.limited = proc
    if manifest >= 0:
        linux_syscall1(LINUX_SYS_close, <uint32_t> manifest)
    for i in range(out.rights_count):
        if out.rights[i] >= 0:
            socket_came(proc, out.rights[i])


cdef void control_dispose(control_t *out) noexcept nogil:
    """m_dispose_extcontrolm: a call that fails after all leaves no descriptor behind."""
    cdef int i
    for i in range(out.rights_count):
        if out.rights[i] >= 0:
            if out.limited != NULL:
                fd_mark(out.limited, out.rights[i], 0)
            linux_syscall1(LINUX_SYS_close, <uint32_t> out.rights[i])

# The values of sysctl names that say something of the machine and the system. Data come from Linux's system calls where
# there is one, so that a root without /proc answers too, else from /proc.

cdef enum:
    STATHZ = 128                    # the unit of kern.cp_time: CLK_TCK of <time.h>, which programs compile in


cdef public long sysctl_file(sysctl_request_t *request) noexcept nogil:
    """A number in a file of /proc: field in the value's highest byte, below it what to say without the file."""
    cdef char text[256]
    cdef const char *at = text
    cdef int64_t value = request.row.value & 0xffffffffffffffUL
    cdef int i, field = <int> (request.row.value >> 56)
    if read_file(request.row.text, text, sizeof(text)) > 0:
        for i in range(field):
            while at[0] == c' ' or at[0] == c'\t':
                at += 1
            while at[0] != 0 and at[0] != c' ' and at[0] != c'\t' and at[0] != c'\n':
                at += 1
        if at[0] != 0:
            parse_number(at, &value)
    if request.row.kind & FREEBSD_CTLTYPE == FREEBSD_CTLTYPE_INT and value > 0x7fffffff:
        value = 0x7fffffff
    return sysctl_out_number(request, value)


cdef void release_text(uint32_t osreldate, char *text, uint64_t size) noexcept nogil:
    """uname -r for an osreldate: 1403000 is 14.3-RELEASE; a stable branch counts from x500."""
    cdef uint64_t at = append_number(text, 0, size, osreldate // 100000, 10)
    at = append(text, at, size, b".")
    at = append_number(text, at, size, osreldate // 1000 % 100, 10)
    if osreldate % 1000 >= 500:
        append(text, at, size, b"-STABLE")
    else:
        append(text, at, size, b"-RELEASE")


cdef void version_text(uint32_t osreldate, char *text, uint64_t size) noexcept nogil:
    cdef char release[32]
    cdef uint64_t at
    release_text(osreldate, release, sizeof(release))
    at = append(text, 0, size, b"FreeBSD ")
    at = append(text, at, size, release)
    append(text, at, size, b" LSF\n")


cdef public long sysctl_osrelease(sysctl_request_t *request) noexcept nogil:
    cdef char text[32]
    release_text(request.area.proc.own.osreldate, text, sizeof(text))
    return sysctl_out_string(request, text)


cdef public long sysctl_version(sysctl_request_t *request) noexcept nogil:
    cdef char text[64]
    version_text(request.area.proc.own.osreldate, text, sizeof(text))
    return sysctl_out_string(request, text)


cdef public long sysctl_osreldate(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, request.area.proc.own.osreldate)


cdef public long sysctl_posix1version(sysctl_request_t *request) noexcept nogil:
    """_POSIX_VERSION of <sys/unistd.h>."""
    return sysctl_out_number(request, 200809 if request.area.proc.own.osreldate >= FREEBSD_SINCE_POSIX_2008 else 200112)


cdef public long sysctl_hostname(sysctl_request_t *request) noexcept nogil:
    cdef linux_utsname name
    linux_syscall1(LINUX_SYS_uname, <uint64_t> &name)
    return sysctl_out_string(request, name.nodename)


cdef public long sysctl_domainname(sysctl_request_t *request) noexcept nogil:
    cdef linux_utsname name
    linux_syscall1(LINUX_SYS_uname, <uint64_t> &name)
    if string_equal(name.domainname, b"(none)"):
        name.domainname[0] = 0
    return sysctl_out_string(request, name.domainname)


cdef void host_uuid(char *text) noexcept nogil:
    """37 bytes: from FreeBSD's /etc/hostid, else from /etc/machine-id, else zero, as a host has it that was given none."""
    cdef char id_[64]
    cdef uint64_t i, at = 0
    if read_file(b"/etc/hostid", text, 37) == 36 and text[8] == c'-':
        return
    append(text, 0, 37, b"00000000-0000-0000-0000-000000000000")
    if read_file(b"/etc/machine-id", id_, sizeof(id_)) < 32:
        return
    for i in range(32):
        if not (c'0' <= id_[i] <= c'9' or c'a' <= id_[i] <= c'f'):
            append(text, 0, 37, b"00000000-0000-0000-0000-000000000000")
            return
        if text[at] == c'-':
            at += 1
        text[at] = id_[i]
        at += 1


cdef public long sysctl_hostuuid(sysctl_request_t *request) noexcept nogil:
    cdef char text[37]
    host_uuid(text)
    return sysctl_out_string(request, text)


cdef public long sysctl_hostid(sysctl_request_t *request) noexcept nogil:
    """The first 32 bits of the UUID."""
    cdef char text[37]
    cdef int64_t value = 0
    cdef int i
    host_uuid(text)
    for i in range(8):
        value = value * 16 + (text[i] - 48 if text[i] <= c'9' else text[i] - 87)
    return sysctl_out_number(request, value)


cdef extern from *:
    """
    #define TRAP_ENOTCAP_FILE "/dev/shm/.lsf.trap_enotcap"
    #define KEEP_DEBUGGED_FILE "/dev/shm/.lsf.keep_debugged"
    """
    const char *TRAP_ENOTCAP_FILE
    const char *KEEP_DEBUGGED_FILE


cdef bint machine_flag(const char *file) noexcept nogil:
    """What root has set for all guests: there is a file of root's."""
    cdef linux_stat st
    return linux_syscall2(LINUX_SYS_lstat, <uint64_t> file, <uint64_t> &st) == 0 and st.st_uid == 0


cdef long machine_flag_set(const char *file, bint on) noexcept nogil:
    cdef long result
    linux_syscall1(LINUX_SYS_unlink, <uint64_t> file)
    if not on:
        return 0
    result = linux_syscall3(LINUX_SYS_open, <uint64_t> file, LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_WRONLY | LINUX_O_CLOEXEC, 0o644)
    if is_error(result):
        return -LINUX_EPERM
    linux_syscall1(LINUX_SYS_close, result)
    return 0


cdef bint trap_enotcap() noexcept nogil:
    """kern.trap_enotcap."""
    return machine_flag(TRAP_ENOTCAP_FILE)


cdef public long sysctl_trap_enotcap(sysctl_request_t *request) noexcept nogil:
    """sysctl_handle_bool: what is not 0 is 1."""
    cdef uint8_t value = trap_enotcap()
    cdef long result = sysctl_out(request, &value, 1)
    if result < 0 or request.new_ == 0:
        return result
    if request.new_size < 1:
        return -LINUX_EINVAL
    if copyin(request.new_, &value, 1) < 0:
        return -LINUX_EFAULT
    return machine_flag_set(TRAP_ENOTCAP_FILE, value != 0)


cdef bint keep_debugged() noexcept nogil:
    """kern.kill_on_debugger_exit is 0."""
    return machine_flag(KEEP_DEBUGGED_FILE)


cdef public long sysctl_kill_on_debugger_exit(sysctl_request_t *request) noexcept nogil:
    """What is not 0 is 1."""
    cdef int32_t value = not keep_debugged()
    cdef long result = sysctl_out(request, &value, 4)
    if result < 0 or request.new_ == 0:
        return result
    if request.new_size < 4:
        return -LINUX_EINVAL
    if copyin(request.new_, &value, 4) < 0:
        return -LINUX_EFAULT
    return machine_flag_set(KEEP_DEBUGGED_FILE, value == 0)


cdef public long sysctl_clockrate(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_clockinfo info
    info.hz = HZ
    info.tick = 1000000 // HZ
    info.spare = 0
    info.stathz = STATHZ
    info.profhz = STATHZ * 64
    return sysctl_out(request, &info, sizeof(info))


cdef public long sysctl_boottime(sysctl_request_t *request) noexcept nogil:
    cdef freebsd_timeval boot
    getboottime(&boot)
    return sysctl_out(request, &boot, sizeof(boot))


cdef public long sysctl_process(sysctl_request_t *request) noexcept nogil:
    """What differs from process to process."""
    cdef process_t *proc = request.area.proc
    if request.row.value == 0:
        return sysctl_out_number(request, proc.own.ps_strings)
    if request.row.value == 1:
        return sysctl_out_number(request, proc.stack_top)
    if request.row.value == 2:
        return sysctl_out_number(request, 3)
    return sysctl_out_number(request, 1 if proc.ncpu > 1 else 0)


cdef public long sysctl_ncpu(sysctl_request_t *request) noexcept nogil:
    """The processors that this process may use."""
    return sysctl_out_number(request, <int64_t> request.area.proc.ncpu + request.row.value)


cdef public long sysctl_limit(sysctl_request_t *request) noexcept nogil:
    cdef linux_rlimit limit
    limit.rlim_cur = 0
    linux_syscall4(LINUX_SYS_prlimit64, 0, freebsd_to_linux_rlimit(<int> request.row.value), 0, <uint64_t> &limit)
    return sysctl_out_number(request, 0x7fffffff if limit.rlim_cur > 0x7fffffff else <int64_t> limit.rlim_cur)


cdef public long sysctl_arandom(sysctl_request_t *request) noexcept nogil:
    cdef unsigned char buffer[256]
    cdef uint64_t size = request.old_size if request.old_size < sizeof(buffer) else sizeof(buffer)
    linux_syscall3(LINUX_SYS_getrandom, <uint64_t> buffer, size, 0)
    return sysctl_out(request, buffer, size)


cdef public long sysctl_pagesizes(sysctl_request_t *request) noexcept nogil:
    cdef uint64_t sizes[3]
    sizes[0] = PAGE_SIZE
    sizes[1] = SUPERPAGE
    sizes[2] = 0
    return sysctl_out(request, sizes, request.old_size if request.old != 0 and request.old_size < sizeof(sizes) else sizeof(sizes))


cdef public long sysctl_widened(sysctl_request_t *request) noexcept nogil:
    """A long that was an int before FreeBSD 13, and is one still for who has no room for more (sysctl_maxphys, sysctl_bufspace)."""
    return sysctl_out(request, &request.row.value, 8 if request.old_size >= 8 else 4)


cdef public long sysctl_model(sysctl_request_t *request) noexcept nogil:
    """The processor's own name."""
    cdef uint32_t text[13]
    cdef uint32_t leaf, highest = 0, b = 0, c = 0, d = 0
    cdef const char *name = <char *> text
    memset(text, 0, sizeof(text))
    cpuid(0x80000000UL, 0, &highest, &b, &c, &d)
    if highest >= 0x80000004UL:
        for leaf in range(3):
            cpuid(0x80000002UL + leaf, 0, &text[leaf * 4], &text[leaf * 4 + 1], &text[leaf * 4 + 2], &text[leaf * 4 + 3])
    while name[0] == c' ':
        name += 1
    if name[0] == 0:
        name = b"amd64"
    return sysctl_out_string(request, name)


cdef int64_t tsc_frequency() noexcept nogil:
    """In Hz: what the processor says, else Linux's measure; 0 when neither is there."""
    cdef char text[4096]
    cdef const char *at
    cdef int64_t mhz = 0, part = 0
    cdef uint32_t a = 0, b = 0, c = 0, d = 0
    cpuid(0, 0, &a, &b, &c, &d)
    if a >= 0x15:
        cpuid(0x15, 0, &a, &b, &c, &d)
        if a != 0 and b != 0 and c != 0:
            return <int64_t> c * b // a
    if read_file(b"/proc/cpuinfo", text, sizeof(text)) > 0:
        at = find_text(text, b"cpu MHz\t\t: ")
        if at != NULL:
            at = parse_number(at, &mhz)
            if at[0] == c'.':
                parse_number(at + 1, &part)
            return mhz * 1000000 + part * 1000
    return 0


cdef public long sysctl_tsc_freq(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, tsc_frequency())


cdef public long sysctl_clock_mhz(sysctl_request_t *request) noexcept nogil:
    return sysctl_out_number(request, tsc_frequency() // 1000000)


cdef public long sysctl_loadavg(sysctl_request_t *request) noexcept nogil:
    cdef linux_sysinfo info
    cdef freebsd_loadavg load
    memset(&info, 0, sizeof(info))
    linux_syscall1(LINUX_SYS_sysinfo, <uint64_t> &info)
    freebsd_loadavg_from_linux(&load, &info)
    return sysctl_out(request, &load, sizeof(load))

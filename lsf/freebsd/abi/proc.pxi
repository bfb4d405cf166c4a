# Processes: <sys/resource.h>, <sys/wait.h>, <sys/procctl.h>, <sys/user.h> (kinfo_*), <sys/priority.h>, <sys/ucred.h>.

cdef struct freebsd_rusage:
    freebsd_timeval ru_utime
    freebsd_timeval ru_stime
    int64_t ru_maxrss               # kilobytes on both sides
    int64_t ru_ixrss
    int64_t ru_idrss
    int64_t ru_isrss
    int64_t ru_minflt
    int64_t ru_majflt
    int64_t ru_nswap
    int64_t ru_inblock
    int64_t ru_oublock
    int64_t ru_msgsnd
    int64_t ru_msgrcv
    int64_t ru_nsignals
    int64_t ru_nvcsw
    int64_t ru_nivcsw

# struct __wrusage, of wait6(2).
cdef struct freebsd_wrusage:
    freebsd_rusage wru_self
    freebsd_rusage wru_children

cdef struct freebsd_rlimit:
    int64_t rlim_cur
    int64_t rlim_max

cdef struct freebsd_priority:
    uint8_t pri_class
    uint8_t pri_level
    uint8_t pri_native
    uint8_t pri_user

cdef struct freebsd_procctl_reaper_status:
    uint32_t rs_flags
    uint32_t rs_children
    uint32_t rs_descendants
    int32_t rs_reaper
    int32_t rs_pid
    uint32_t rs_pad0[15]

cdef struct freebsd_procctl_reaper_pidinfo:
    int32_t pi_pid
    int32_t pi_subtree
    uint32_t pi_flags
    uint32_t pi_pad0[15]

cdef struct freebsd_procctl_reaper_pids:
    uint32_t rp_count
    uint32_t rp_pad0[15]
    uint64_t rp_pids

cdef struct freebsd_procctl_reaper_kill:
    int32_t rk_sig
    uint32_t rk_flags
    int32_t rk_subtree
    uint32_t rk_killed
    int32_t rk_fpid
    uint32_t rk_pad0[15]

# LOCAL_PEERCRED.
cdef struct freebsd_xucred:
    uint32_t cr_version
    uint32_t cr_uid
    int16_t cr_ngroups
    uint32_t cr_groups[16]
    uint32_t cr_padding0
    int32_t cr_pid                  # FreeBSD 13; a union with a pointer, hence the padding
    uint32_t cr_padding1

cdef struct freebsd_kinfo_proc:
    int32_t ki_structsize
    int32_t ki_layout
    uint64_t ki_args
    uint64_t ki_paddr
    uint64_t ki_addr
    uint64_t ki_tracep
    uint64_t ki_textvp
    uint64_t ki_fd
    uint64_t ki_vmspace
    uint64_t ki_wchan
    int32_t ki_pid
    int32_t ki_ppid
    int32_t ki_pgid
    int32_t ki_tpgid
    int32_t ki_sid
    int32_t ki_tsid
    int16_t ki_jobc
    int16_t ki_spare_short1
    uint32_t ki_tdev_freebsd11      # ki_tdev before FreeBSD 12
    freebsd_sigset ki_siglist
    freebsd_sigset ki_sigmask
    freebsd_sigset ki_sigignore
    freebsd_sigset ki_sigcatch
    uint32_t ki_uid
    uint32_t ki_ruid
    uint32_t ki_svuid
    uint32_t ki_rgid
    uint32_t ki_svgid
    int16_t ki_ngroups
    int16_t ki_spare_short2
    uint32_t ki_groups[16]
    uint64_t ki_size                # bytes
    int64_t ki_rssize               # pages, as the next four
    int64_t ki_swrss
    int64_t ki_tsize
    int64_t ki_dsize
    int64_t ki_ssize
    uint16_t ki_xstat
    uint16_t ki_acflag
    uint32_t ki_pctcpu              # fraction of FSCALE (2048)
    uint32_t ki_estcpu
    uint32_t ki_slptime
    uint32_t ki_swtime
    uint32_t ki_cow
    uint64_t ki_runtime             # microseconds
    freebsd_timeval ki_start
    freebsd_timeval ki_childtime
    int64_t ki_flag
    int64_t ki_kiflag
    int32_t ki_traceflag
    int8_t ki_stat
    int8_t ki_nice
    int8_t ki_lock
    int8_t ki_rqindex
    uint8_t ki_oncpu_old
    uint8_t ki_lastcpu_old
    char ki_tdname[17]
    char ki_wmesg[9]
    char ki_login[18]
    char ki_lockname[9]
    char ki_comm[20]
    char ki_emul[17]
    char ki_loginclass[18]
    char ki_moretdname[4]           # spare before FreeBSD 12
    char ki_sparestrings[46]
    int32_t ki_spareints[2]
    uint64_t ki_tdev                # FreeBSD 12
    int32_t ki_oncpu
    int32_t ki_lastcpu
    int32_t ki_tracer
    int32_t ki_flag2
    int32_t ki_fibnum
    uint32_t ki_cr_flags
    int32_t ki_jid
    int32_t ki_numthreads
    int32_t ki_tid
    freebsd_priority ki_pri
    freebsd_rusage ki_rusage
    freebsd_rusage ki_rusage_ch
    uint64_t ki_pcb
    uint64_t ki_kstack
    uint64_t ki_udata
    uint64_t ki_tdaddr
    uint64_t ki_pd                  # FreeBSD 13
    uint64_t ki_spareptrs[5]
    int64_t ki_sparelongs[12]
    int64_t ki_sflag
    int64_t ki_tdflags

# What fills a kinfo_proc, as /proc tells it. LSF's own; everything in FreeBSD's units, ids and device numbers.
cdef struct lsf_process_facts:
    int32_t pid
    int32_t ppid
    int32_t pgid
    int32_t sid
    int32_t tpgid                   # foreground process group of the terminal; -1: no terminal
    int32_t tid                     # thread that the record is about
    int32_t threads
    int32_t processor
    int32_t tracer                  # process id, 0: none
    int32_t nice
    uint32_t uid
    uint32_t ruid
    uint32_t svuid
    uint32_t gid
    uint32_t rgid
    uint32_t svgid
    uint32_t osreldate              # of the kernel that is shown
    uint32_t group_count            # supplementary groups at `groups`
    const uint32_t *groups
    uint64_t terminal               # FreeBSD's dev_t; counts only where tpgid is not -1
    uint64_t size                   # bytes
    int64_t resident_pages
    int64_t text_pages
    int64_t data_pages
    int64_t stack_pages
    freebsd_timeval start           # since the epoch
    freebsd_timeval now
    freebsd_rusage self
    freebsd_rusage children
    char state                      # Linux's letter: R S D T t Z X I
    const char *comm
    const char *thread_name
    const char *wait_message        # what it sleeps on; NULL: nothing known
    const char *login
    freebsd_sigset pending
    freebsd_sigset mask
    freebsd_sigset ignored
    freebsd_sigset caught

# struct sockaddr_storage, as kinfo_file holds it.
cdef struct freebsd_sockaddr_storage:
    uint8_t ss_len
    uint8_t ss_family
    char ss_pad1[6]
    int64_t ss_align
    char ss_pad2[112]

# The variants of kinfo_file's union kf_un that the shim fills, each padded by the union to 304 bytes.
cdef struct freebsd_kf_sock:
    uint32_t kf_sock_sendq
    int32_t kf_sock_domain0
    int32_t kf_sock_type0
    int32_t kf_sock_protocol0
    freebsd_sockaddr_storage kf_sa_local
    freebsd_sockaddr_storage kf_sa_peer
    uint64_t kf_sock_pcb
    uint64_t kf_sock_inpcb
    uint64_t kf_sock_unpconn
    uint16_t kf_sock_snd_sb_state
    uint16_t kf_sock_rcv_sb_state
    uint32_t kf_sock_recvq

cdef struct freebsd_kf_file:
    int32_t kf_file_type
    int32_t kf_spareint[3]
    uint64_t kf_spareint64[29]
    uint64_t kf_file_nlink          # spare in 12
    uint64_t kf_file_fsid
    uint64_t kf_file_rdev
    uint64_t kf_file_fileid
    uint64_t kf_file_size
    uint32_t kf_file_fsid_freebsd11
    uint32_t kf_file_rdev_freebsd11
    uint16_t kf_file_mode
    uint16_t kf_file_pad0
    uint32_t kf_file_pad1

cdef struct freebsd_kf_pipe:
    uint32_t kf_spareint[4]
    uint64_t kf_spareint64[32]
    uint64_t kf_pipe_addr
    uint64_t kf_pipe_peer
    uint32_t kf_pipe_buffer_cnt
    uint32_t kf_pipe_buffer_in
    uint32_t kf_pipe_buffer_out
    uint32_t kf_pipe_buffer_size

cdef struct freebsd_kf_pts:
    uint32_t kf_spareint[4]
    uint64_t kf_spareint64[32]
    uint32_t kf_pts_dev_freebsd11
    uint32_t kf_pts_pad0
    uint64_t kf_pts_dev
    uint32_t kf_pts_pad1[4]

cdef struct freebsd_kf_proc:
    uint32_t kf_spareint[4]
    uint64_t kf_spareint64[32]
    int32_t kf_pid

cdef union freebsd_kf_un:
    freebsd_kf_sock kf_sock
    freebsd_kf_file kf_file
    freebsd_kf_pipe kf_pipe
    freebsd_kf_pts kf_pts
    freebsd_kf_proc kf_proc

cdef struct freebsd_kinfo_file:
    int32_t kf_structsize
    int32_t kf_type
    int32_t kf_fd
    int32_t kf_ref_count
    int32_t kf_flags
    int32_t kf_pad0
    int64_t kf_offset
    freebsd_kf_un kf_un
    uint16_t kf_status
    uint16_t kf_pad1
    int32_t kf_ispare0
    freebsd_cap_rights kf_cap_rights
    uint64_t kf_cap_spare
    char kf_path[1024]

cdef struct freebsd_kinfo_vmentry:
    int32_t kve_structsize
    int32_t kve_type
    uint64_t kve_start
    uint64_t kve_end
    uint64_t kve_offset
    uint64_t kve_vn_fileid
    uint32_t kve_vn_fsid_freebsd11
    int32_t kve_flags
    int32_t kve_resident
    int32_t kve_private_resident
    int32_t kve_protection
    int32_t kve_ref_count
    int32_t kve_shadow_count
    int32_t kve_vn_type
    uint64_t kve_vn_size
    uint32_t kve_vn_rdev_freebsd11
    uint16_t kve_vn_mode
    uint16_t kve_status
    uint64_t kve_vn_fsid            # a union with kve_obj
    uint64_t kve_vn_rdev
    int32_t kve_ispare[8]
    char kve_path[1024]

cdef struct freebsd_kinfo_sigtramp:
    uint64_t ksigtramp_start
    uint64_t ksigtramp_end
    uint64_t ksigtramp_spare[4]

# FreeBSD 14.
cdef struct freebsd_kinfo_vm_layout:
    uint64_t kvm_min_user_addr
    uint64_t kvm_max_user_addr
    uint64_t kvm_text_addr
    uint64_t kvm_text_size
    uint64_t kvm_data_addr
    uint64_t kvm_data_size
    uint64_t kvm_stack_addr
    uint64_t kvm_stack_size
    int32_t kvm_map_flags
    uint64_t kvm_shp_addr
    uint64_t kvm_shp_size
    uint64_t kvm_spare[12]


cdef inline void freebsd_rusage_from_linux(freebsd_rusage *to, const linux_rusage *source) noexcept nogil:
    """The layouts agree (so a guest address may go straight to Linux); units too: kilobytes."""
    memset(to, 0, sizeof(freebsd_rusage))
    to.ru_utime.tv_sec = source.ru_utime.tv_sec
    to.ru_utime.tv_usec = source.ru_utime.tv_usec
    to.ru_stime.tv_sec = source.ru_stime.tv_sec
    to.ru_stime.tv_usec = source.ru_stime.tv_usec
    to.ru_maxrss = source.ru_maxrss
    to.ru_ixrss = source.ru_ixrss
    to.ru_idrss = source.ru_idrss
    to.ru_isrss = source.ru_isrss
    to.ru_minflt = source.ru_minflt
    to.ru_majflt = source.ru_majflt
    to.ru_nswap = source.ru_nswap
    to.ru_inblock = source.ru_inblock
    to.ru_oublock = source.ru_oublock
    to.ru_msgsnd = source.ru_msgsnd
    to.ru_msgrcv = source.ru_msgrcv
    to.ru_nsignals = source.ru_nsignals
    to.ru_nvcsw = source.ru_nvcsw
    to.ru_nivcsw = source.ru_nivcsw


cdef inline int64_t freebsd_limit_from_linux(uint64_t limit) noexcept nogil:
    """FreeBSD's RLIM_INFINITY is the largest rlim_t, which is signed: 2^63 - 1."""
    return <int64_t>limit if limit < 0x7fffffffffffffffUL else 0x7fffffffffffffffL


cdef inline uint64_t linux_limit_from_freebsd(int64_t limit) noexcept nogil:
    """A negative limit is infinity too, as setrlimit(2) takes it."""
    return <uint64_t>limit if 0 <= limit < 0x7fffffffffffffffL else 0xffffffffffffffffUL


cdef inline void freebsd_rlimit_from_linux(freebsd_rlimit *to, const linux_rlimit *source) noexcept nogil:
    to.rlim_cur = freebsd_limit_from_linux(source.rlim_cur)
    to.rlim_max = freebsd_limit_from_linux(source.rlim_max)


cdef inline void linux_rlimit_from_freebsd(linux_rlimit *to, const freebsd_rlimit *source) noexcept nogil:
    to.rlim_cur = linux_limit_from_freebsd(source.rlim_cur)
    to.rlim_max = linux_limit_from_freebsd(source.rlim_max)


cdef inline int8_t freebsd_process_state_from_linux(char state) noexcept nogil:
    """ki_stat for the letter in /proc/PID/stat; an unknown one sleeps."""
    if state == c"R":
        return FREEBSD_SRUN
    if state == c"T" or state == c"t":
        return FREEBSD_SSTOP
    if state == c"Z" or state == c"X":
        return FREEBSD_SZOMB
    return FREEBSD_SSLEEP


cdef inline int freebsd_user_priority(uint32_t osreldate) noexcept nogil:
    """PUSER and PRI_MIN_TIMESHARE of <sys/priority.h>: 14 and 15 took levels from the kernel's own threads."""
    return 120 if osreldate < FREEBSD_SINCE_PUSER_88 else FREEBSD_PUSER if osreldate < FREEBSD_SINCE_PUSER_56 else 56


cdef inline void freebsd_kinfo_proc_from_facts(freebsd_kinfo_proc *to, const lsf_process_facts *facts) noexcept nogil:
    """Kernel addresses, %cpu, jail and FIB stay 0; the priority is that of a time-sharing process of this niceness."""
    cdef uint32_t group
    cdef int64_t microseconds
    memset(to, 0, sizeof(freebsd_kinfo_proc))
    to.ki_structsize = sizeof(freebsd_kinfo_proc)
    to.ki_pid = facts.pid
    to.ki_ppid = facts.ppid
    to.ki_pgid = facts.pgid
    to.ki_sid = facts.sid
    to.ki_tpgid = facts.tpgid
    to.ki_flag = FREEBSD_P_INMEM
    to.ki_sflag = FREEBSD_PS_INMEM
    if facts.tpgid != -1:
        to.ki_tsid = facts.sid
        to.ki_tdev = facts.terminal
        to.ki_tdev_freebsd11 = <uint32_t>facts.terminal
        to.ki_flag |= FREEBSD_P_CONTROLT
        to.ki_kiflag |= FREEBSD_KI_CTTY
    else:
        to.ki_tdev = 0xffffffffffffffffUL       # NODEV
        to.ki_tdev_freebsd11 = 0xffffffffUL
    if facts.sid == facts.pid:
        to.ki_kiflag |= FREEBSD_KI_SLEADER
    if facts.threads > 1:
        to.ki_flag |= FREEBSD_P_HADTHREADS
    to.ki_siglist = facts.pending
    to.ki_sigmask = facts.mask
    to.ki_sigignore = facts.ignored
    to.ki_sigcatch = facts.caught
    to.ki_uid = facts.uid
    to.ki_ruid = facts.ruid
    to.ki_svuid = facts.svuid
    to.ki_rgid = facts.rgid
    to.ki_svgid = facts.svgid
    # On FreeBSD the first group is the effective one.
    to.ki_groups[0] = facts.gid
    to.ki_ngroups = 1
    for group in range(facts.group_count):
        if to.ki_ngroups == FREEBSD_KI_NGROUPS:
            to.ki_cr_flags |= FREEBSD_KI_CRF_GRP_OVERFLOW
            break
        to.ki_groups[to.ki_ngroups] = facts.groups[group]
        to.ki_ngroups += 1
    to.ki_size = facts.size
    to.ki_rssize = facts.resident_pages
    to.ki_tsize = facts.text_pages
    to.ki_dsize = facts.data_pages
    to.ki_ssize = facts.stack_pages
    to.ki_rusage = facts.self
    to.ki_rusage_ch = facts.children
    to.ki_runtime = <uint64_t>((facts.self.ru_utime.tv_sec + facts.self.ru_stime.tv_sec) * 1000000
                               + facts.self.ru_utime.tv_usec + facts.self.ru_stime.tv_usec)
    microseconds = facts.children.ru_utime.tv_usec + facts.children.ru_stime.tv_usec
    to.ki_childtime.tv_sec = facts.children.ru_utime.tv_sec + facts.children.ru_stime.tv_sec + microseconds // 1000000
    to.ki_childtime.tv_usec = microseconds % 1000000
    to.ki_start = facts.start
    if facts.now.tv_sec > facts.start.tv_sec:
        to.ki_swtime = <uint32_t>(facts.now.tv_sec - facts.start.tv_sec)
    to.ki_stat = freebsd_process_state_from_linux(facts.state)
    to.ki_nice = <int8_t>facts.nice
    to.ki_pri.pri_class = FREEBSD_PRI_TIMESHARE
    to.ki_pri.pri_level = <uint8_t>(freebsd_user_priority(facts.osreldate) + 20 + facts.nice)
    to.ki_pri.pri_native = to.ki_pri.pri_level
    to.ki_pri.pri_user = to.ki_pri.pri_level
    to.ki_lastcpu = facts.processor
    to.ki_lastcpu_old = <uint8_t>(facts.processor if 0 <= facts.processor < FREEBSD_NOCPU_OLD else FREEBSD_NOCPU_OLD)
    to.ki_oncpu = -1
    to.ki_oncpu_old = FREEBSD_NOCPU_OLD
    if to.ki_stat == FREEBSD_SRUN:
        to.ki_oncpu = to.ki_lastcpu
        to.ki_oncpu_old = to.ki_lastcpu_old
    to.ki_tracer = facts.tracer
    to.ki_numthreads = facts.threads
    to.ki_tid = facts.tid
    copy_text(to.ki_tdname, facts.thread_name, sizeof(to.ki_tdname))
    copy_text(to.ki_wmesg, facts.wait_message, sizeof(to.ki_wmesg))
    copy_text(to.ki_login, facts.login, sizeof(to.ki_login))
    copy_text(to.ki_comm, facts.comm, sizeof(to.ki_comm))
    copy_text(to.ki_emul, "FreeBSD ELF64", sizeof(to.ki_emul))
    copy_text(to.ki_loginclass, "default", sizeof(to.ki_loginclass))


cdef inline uint64_t packed_kinfo_size(uint64_t path_offset, uint64_t path_length) noexcept nogil:
    """Length of a kinfo_file or kinfo_vmentry as sysctl(3) packs it: cut behind the path's NUL, rounded up to 8."""
    return (path_offset + path_length + 1 + 7) & ~<uint64_t>7

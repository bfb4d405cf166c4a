# Processes: <sys/resource.h>, <sys/wait.h>, <sys/procctl.h>, <sys/user.h> (kinfo_*), <sys/priority.h>, <sys/ucred.h>.

cdef enum:
    FREEBSD_RLIM_NLIMITS = 16
    FREEBSD_KI_NGROUPS = 16
    FREEBSD_PATH_MAX = 1024

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
    int32_t cr_pid                  # a union with a pointer; FreeBSD 13

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
    uint64_t ki_pd                  # FreeBSD 14
    uint64_t ki_spareptrs[5]
    int64_t ki_sparelongs[12]
    int64_t ki_sflag
    int64_t ki_tdflags

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
    uint64_t kf_file_nlink          # FreeBSD 15
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

cdef extern from "<sys/resource.h>" nogil:
    ctypedef struct linux_rusage "struct rusage":
        linux_timeval ru_utime
        linux_timeval ru_stime
        int64_t ru_maxrss
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
    ctypedef struct linux_rlimit "struct rlimit":
        uint64_t rlim_cur
        uint64_t rlim_max

cdef extern from "<sys/sysinfo.h>" nogil:
    ctypedef struct linux_sysinfo "struct sysinfo":
        int64_t uptime
        uint64_t loads[3]           # in units of 1/65536
        uint64_t totalram           # in units of mem_unit bytes, as the next five
        uint64_t freeram
        uint64_t sharedram
        uint64_t bufferram
        uint64_t totalswap
        uint64_t freeswap
        uint16_t procs
        uint64_t totalhigh
        uint64_t freehigh
        uint32_t mem_unit

cdef extern from "<sys/utsname.h>" nogil:
    ctypedef struct linux_utsname "struct utsname":
        char sysname[65]
        char nodename[65]
        char release[65]
        char version[65]
        char machine[65]
        char domainname[65]

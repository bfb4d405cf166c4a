# Linux's structs: proc.

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

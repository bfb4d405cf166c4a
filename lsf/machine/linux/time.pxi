# Linux's structs: time.

cdef extern from "<sys/time.h>" nogil:
    ctypedef struct linux_timespec "struct timespec":
        int64_t tv_sec
        int64_t tv_nsec
    ctypedef struct linux_timeval "struct timeval":
        int64_t tv_sec
        int64_t tv_usec
    ctypedef struct linux_itimerval "struct itimerval":
        linux_timeval it_interval
        linux_timeval it_value
    ctypedef struct linux_timezone "struct timezone":
        int32_t tz_minuteswest
        int32_t tz_dsttime

cdef extern from "<time.h>" nogil:
    ctypedef struct linux_itimerspec "struct itimerspec":
        linux_timespec it_interval
        linux_timespec it_value

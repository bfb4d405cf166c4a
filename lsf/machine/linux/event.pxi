# Linux's structs: event.

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union linux_epoll_data "epoll_data_t":
        void *ptr
        int32_t fd
        uint32_t u32
        uint64_t u64
    ctypedef struct linux_epoll_event "struct epoll_event":
        uint32_t events
        linux_epoll_data data

cdef extern from "<poll.h>" nogil:
    ctypedef struct linux_pollfd "struct pollfd":
        int32_t fd
        int16_t events
        int16_t revents

cdef extern from "<sys/inotify.h>" nogil:
    ctypedef struct linux_inotify_event "struct inotify_event":
        int32_t wd
        uint32_t mask
        uint32_t cookie
        uint32_t len                    # of the name that follows, with its padding; 0: there is none

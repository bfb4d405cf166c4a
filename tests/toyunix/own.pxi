# Toyunix's share of the machine's structs (tables/own.h).

cdef extern from "own.h" nogil:
    ctypedef struct process_own_t "struct process_own":
        uint64_t raised

    ctypedef struct process_last_t "struct process_last":
        pass

    ctypedef struct area_own_t "struct area_own":
        pass

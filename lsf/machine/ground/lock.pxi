# A lock, before the structs that have some.

cdef extern from "machine/ground/lock.h" nogil:
    ctypedef struct lock_t "struct lock":
        uint32_t word

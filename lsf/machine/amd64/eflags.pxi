# The processor's flags.

cdef enum:
    EFLAGS_CF = 0x1
    EFLAGS_TF = 0x100
    EFLAGS_DF = 0x400
    EFLAGS_RF = 0x10000
    EFLAGS_AC = 0x40000

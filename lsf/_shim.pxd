"""What the machine declares, and FreeBSD's maps of errors and signals."""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

include "machine/ground/lock.pxi"
include "freebsd/state/own.pxi"
include "machine/ground/runtime.pxi"

cdef extern from "decode.h" nogil:
    const char *lsf_strerror(unsigned number)

cdef extern from "dispatch.h" nogil:
    const uint8_t lsf_errno_to_linux[1]
    const uint8_t lsf_signal_to_linux[1]
    const uint8_t lsf_signal_from_linux[1]
    const uint8_t lsf_signal_queued[1]
    const uint8_t lsf_signal_default[1]
    uint64_t lsf_signal_linux_only(int signo)
    const uint64_t LSF_SIGNALS_QUEUED
    const int LSF_SIGNAL_TERMINATE, LSF_SIGNAL_CORE, LSF_SIGNAL_STOP, LSF_SIGNAL_CONTINUE, LSF_SIGNAL_IGNORE
    int linux_to_freebsd_si_code(int linux_signal, int code, int *signal)
    int freebsd_to_linux_si_code(int signal, int code)

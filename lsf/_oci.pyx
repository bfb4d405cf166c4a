# cython: language_level=3
"""lsf-oci, an OCI runtime for FreeBSD images (docs/user/containers.md): a program of its own, freestanding as the shim is.

Every container waits for it four times, and a node of a cluster may have no Python, so it needs neither that nor libc. The rules of the
shim's code hold (lsf/_shim.pyx), but that nothing here is a guest's.
"""
from libc.string cimport memcmp, memcpy, memset

from lsf._structs cimport *

cdef extern from "decode.h" nogil:
    const char *lsf_strerror(unsigned number)

include "machine/ground/lock.pxi"
include "freebsd/state/own.pxi"
include "machine/ground/runtime.pxi"
include "machine/ground/result.pxi"
include "machine/ground/text.pxi"
include "machine/ground/files.pxi"
include "machine/engine/program.pxi"
include "generated/handover.pxi"
include "freebsd/kernel/image/release.pxi"
include "freebsd/kernel/image/program.pxi"
include "oci/host.pxi"
include "oci/json.pxi"
include "oci/tree.pxi"
include "oci/bundle.pxi"
include "oci/command.pxi"

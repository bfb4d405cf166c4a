# cython: language_level=3
"""Every FreeBSD struct that the shim meets, its Linux twin, and the converters between them.

One rule: a converter is a pure function of its arguments. It is `cdef inline`, so it is compiled into the shim and
into the Python extension `lsf._structs`, where tests reach it. Nothing here may need Python or libc; the only
external functions are memcpy, memset, memcmp and strlen, which the shim has itself.

Conventions:
  - A struct is called as in its header, with a prefix: `freebsd_stat`, `linux_stat`. A struct of an older release
    carries FreeBSD's own prefix for it: `freebsd11_stat` (COMPAT_FREEBSD11).
  - A pointer inside a FreeBSD struct is a guest address: uint64_t.
  - A converter is called `<target>_from_<source>`, takes the target first, zeroes it, and copies field by field.
    It returns nothing, a size, or a negative Linux errno where a value has no counterpart.
  - Layouts are those of FreeBSD 14/amd64 unless the name or a comment says otherwise.
  - tests/unit/test_abi_oracle.py compares every size and offset with FreeBSD's and Linux's headers.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

include "machine/linux/numbers.pxi"
include "machine/linux/elf.pxi"
include "machine/linux/time.pxi"
include "machine/linux/file.pxi"
include "machine/linux/mount.pxi"
include "machine/linux/signal.pxi"
include "machine/linux/proc.pxi"
include "machine/linux/ipc.pxi"
include "machine/linux/event.pxi"
include "machine/linux/socket.pxi"
include "machine/linux/route.pxi"
include "machine/linux/tty.pxi"
include "generated/numbers.pxi"

include "freebsd/abi/time.pxi"
include "freebsd/abi/file.pxi"
include "freebsd/abi/mount.pxi"
include "freebsd/abi/signal.pxi"
include "freebsd/abi/thread.pxi"
include "freebsd/abi/ptrace.pxi"
include "freebsd/abi/proc.pxi"
include "freebsd/abi/ipc.pxi"
include "freebsd/abi/event.pxi"
include "freebsd/abi/socket.pxi"
include "freebsd/abi/route.pxi"
include "freebsd/abi/pcb.pxi"
include "freebsd/abi/tty.pxi"
include "freebsd/abi/exec.pxi"
include "freebsd/abi/sysctl.pxi"

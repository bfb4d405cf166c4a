# cython: language_level=3
"""The shim: FreeBSD's kernel inside a guest process.

One translation unit, compiled twice: freestanding into the image that is mapped into every guest (lsf/shim.elf), and
as this Python extension, so that handlers can be called and tested in-process.

Rules of the code in shim/*.pxi (the build fails where they are broken): no Python object, no libc, no module-level
variable (state is struct process), no raise or assert. A handler is `sys_NAME(frame, area)`; it returns a value, or
-errno with Linux's number, or freebsd_error(e) for an errno that only FreeBSD has. Guest memory is touched with
copyin, copyout, copyinstr and the accessors alone.
"""
from lsf._structs cimport *

include "shim/core.pxi"
include "shim/loader.pxi"
include "shim/exec.pxi"
include "shim/start.pxi"
include "shim/carrier.pxi"
include "shim/signal.pxi"
include "shim/fork.pxi"
include "shim/misc.pxi"
include "shim/fcntl.pxi"
include "shim/file.pxi"
include "shim/stat.pxi"
include "shim/dir.pxi"
include "shim/names.pxi"
include "shim/patch.pxi"
include "shim/mount.pxi"
include "shim/poll.pxi"
include "shim/attr.pxi"
include "shim/shm.pxi"
include "shim/truss.pxi"
include "shim/truss_print.pxi"
include "shim/generated/flags.pxi"
include "shim/memmax.pxi"
include "shim/mem.pxi"
include "shim/time.pxi"
include "shim/umtx.pxi"
include "shim/thread.pxi"
include "shim/sigwait.pxi"
include "shim/event.pxi"
include "shim/event_filters.pxi"
include "shim/limit.pxi"
include "shim/cred.pxi"
include "shim/sched.pxi"
include "shim/procfs.pxi"
include "shim/proc.pxi"
include "shim/procctl.pxi"
include "shim/sysv.pxi"
include "shim/sysctl.pxi"
include "shim/sysctl_values.pxi"
include "shim/sysctl_proc.pxi"
include "shim/sysctl_one.pxi"
include "shim/ioctl.pxi"
include "shim/tty.pxi"
include "shim/socket.pxi"
include "shim/sockopt.pxi"
include "shim/route.pxi"
include "shim/route_dump.pxi"
include "shim/hosted.pxi"

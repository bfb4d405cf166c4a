# cython: language_level=3
"""The shim: FreeBSD's kernel inside a guest process.

One translation unit, compiled twice: freestanding into the image that is mapped into every guest (lsf/shim.elf), and
as this Python extension, so that handlers can be called and tested in-process.

Rules of the code in machine/ and freebsd/ (the build fails where they are broken): no Python object, no libc, no module-level
variable (state is struct process), no raise or assert. A handler is `sys_NAME(frame, area)`; it returns a value, or
-errno with Linux's number, or freebsd_error(e) for an errno that only FreeBSD has. Guest memory is touched with
copyin, copyout, copyinstr and the accessors alone.
"""
from lsf._structs cimport *

# The machine: nothing here knows whose programs it runs.
include "machine/ground/core.pxi"
include "machine/ground/procfs.pxi"
include "machine/amd64/instructions.pxi"
include "machine/amd64/functions.pxi"
include "machine/amd64/trampolines.pxi"
include "machine/amd64/patch.pxi"
include "machine/engine/misc.pxi"
include "machine/view/lookup.pxi"
include "machine/view/fakeroot.pxi"
include "machine/watch/trace.pxi"
include "machine/watch/stats.pxi"

# FreeBSD's kernel. A folder uses those above it (lsf/_build/layers.py).
include "generated/flags.pxi"
include "generated/ioctls.pxi"
include "freebsd/kernel/time/time.pxi"
include "freebsd/kernel/cred/cred.pxi"
include "freebsd/kernel/cred/cred_all.pxi"
include "freebsd/kernel/signal/carrier.pxi"
include "freebsd/kernel/signal/signal.pxi"
include "freebsd/kernel/signal/sigfastblock.pxi"
include "freebsd/kernel/signal/sigwait.pxi"
include "freebsd/kernel/signal/wake.pxi"
include "freebsd/kernel/file/fcntl.pxi"
include "freebsd/kernel/file/file.pxi"
include "freebsd/kernel/file/stat.pxi"
include "freebsd/kernel/file/dir.pxi"
include "freebsd/kernel/file/names.pxi"
include "freebsd/kernel/file/mount.pxi"
include "freebsd/kernel/file/poll.pxi"
include "freebsd/kernel/file/attr.pxi"
include "freebsd/kernel/file/shm.pxi"
include "freebsd/kernel/file/specialfd.pxi"
include "freebsd/kernel/memory/memmax.pxi"
include "freebsd/kernel/memory/mem.pxi"
include "freebsd/kernel/memory/stack.pxi"
include "freebsd/kernel/sync/umtx.pxi"
include "freebsd/kernel/sync/ksem.pxi"
include "freebsd/kernel/sync/mqueue.pxi"
include "freebsd/kernel/sync/sysv.pxi"
include "freebsd/kernel/tty/ioctl.pxi"
include "freebsd/kernel/tty/tty.pxi"
include "freebsd/kernel/sysctl/sysctl.pxi"
include "freebsd/kernel/sysctl/sysctl_values.pxi"
include "freebsd/kernel/sysctl/sysctl_proc.pxi"
include "freebsd/kernel/sysctl/sysctl_one.pxi"
include "freebsd/kernel/net/socket.pxi"
include "freebsd/kernel/net/control.pxi"
include "freebsd/kernel/net/failed.pxi"
include "freebsd/kernel/net/sockopt.pxi"
include "freebsd/kernel/net/route.pxi"
include "freebsd/kernel/net/route_dump.pxi"
include "freebsd/kernel/net/pcblist.pxi"
include "freebsd/kernel/event/event.pxi"
include "freebsd/kernel/event/event_filters.pxi"
include "freebsd/kernel/event/aio.pxi"
include "freebsd/kernel/process/fork.pxi"
include "freebsd/kernel/process/proc.pxi"
include "freebsd/kernel/process/procdesc.pxi"
include "freebsd/kernel/process/procctl.pxi"
include "freebsd/kernel/process/limit.pxi"
include "freebsd/kernel/process/sched.pxi"
include "freebsd/kernel/process/thread.pxi"
include "freebsd/kernel/process/exterr.pxi"
include "freebsd/kernel/image/loader.pxi"
include "freebsd/kernel/image/exec.pxi"
include "freebsd/kernel/image/start.pxi"
include "freebsd/kernel/truss/truss.pxi"
include "freebsd/kernel/truss/truss_print.pxi"

# The extension alone: handlers that Python can call.
include "freebsd/kernel/hosted.pxi"

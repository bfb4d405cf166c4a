# The main stack: FreeBSD's size, limits and guard on Linux's stack, which the kernel grows at a fault.
# Model: FreeBSD sys/kern/kern_exec.c (exec_map_stack), sys/kern/kern_resource.c (kern_proc_setrlimit) and
# sys/vm/vm_map.c (vm_map_stack, vm_map_growstack).
#
# FreeBSD sets 512 MiB (maxssiz) of addresses aside and lets the soft limit decide how much of it is used. Linux lets the
# stack grow to the soft limit at the time of the fault, into what happens to be free: at exec it leaves as much room as
# the limit was then, at least 128 MiB. So the soft limit is raised as soon as the shim runs, and where the room is short
# the stack, of which some pages are in use then, moves. (A mapping of 512 MiB of our own would depend on no limit. But
# mlockall(2) would fill it, RLIMIT_AS and strict overcommit would count it, and its first pages are faults more.)
#
# Linux programs get back the limit that was found, unless a guest has set one.

cdef enum:
    STACK_MARGIN = 2 << 20          # what Linux maps of a new stack, and the gap that it keeps below, are less


cdef inline bint stack_holds(process_t *proc, uint64_t start, uint64_t size) noexcept nogil:
    """True where a range touches the addresses that are set aside for the main stack."""
    return start < proc.stack_top and start + size > proc.stack_low


cdef void stack_for_linux(process_t *proc, linux_rlimit *ours) noexcept nogil:
    """Before a Linux program is executed: the limit that it would have without us. `ours` is for stack_for_guest."""
    cdef linux_rlimit wanted
    if proc.own.stack_linux == 0:
        return
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_STACK, 0, <uint64_t> ours)
    wanted.rlim_cur = proc.own.stack_linux
    wanted.rlim_max = ours.rlim_max
    linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_STACK, <uint64_t> &wanted, 0)


cdef void stack_for_guest(process_t *proc, linux_rlimit *ours) noexcept nogil:
    """After such an exec that failed."""
    if proc.own.stack_linux != 0:
        linux_syscall4(LINUX_SYS_prlimit64, 0, LINUX_RLIMIT_STACK, <uint64_t> ours, 0)


cdef void stack_protect(process_t *proc, uint64_t old, uint64_t new) noexcept nogil:
    """What of the stack lies between two soft limits becomes inaccessible, or accessible again: FreeBSD does that when
    the limit is set, Linux looks at it only when the stack grows."""
    cdef mapping_t mapping
    cdef uint64_t end
    if new < old:
        end = page_down(proc.stack_top - new)
        if mapping_find(end, &mapping) == 0 and mapping.start < end and mapping.end == proc.stack_top:
            linux_syscall3(LINUX_SYS_mprotect, mapping.start, end - mapping.start, LINUX_PROT_NONE)
    elif old < new:
        end = page_down(proc.stack_top - old)
        if mapping_find(end - 1, &mapping) == 0 and mapping.end == end and stack_holds(proc, mapping.start, 1):
            linux_syscall3(LINUX_SYS_mprotect, mapping.start, end - mapping.start, LINUX_PROT_READ | LINUX_PROT_WRITE)

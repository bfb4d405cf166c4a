"""The tree of sysctl names: numbers, types and where each value comes from.

One row per name in ROWS, in FreeBSD's order of numbers within a node:

    name | number | type | source | description

number  FreeBSD's own (`<sys/sysctl.h>`), or `auto`: one that FreeBSD gives out at boot; programs ask for it by name.
type    `N` node, `A` string, `CU` a byte, `I` int, `IU` unsigned, `L` long, `LU` unsigned long, `Q` int64, `QU` uint64, `S,name` a
        structure, `B` and `E,name` int as a boolean or one of some names; and behind a blank the flags `w` (a privileged
        user may write it), `W` (anybody may), `s` (not listed), `t` (set at the start alone), `c` and `C` (read, and written, in
        capability mode), `g` (with `w`: root may write it here too, since it is no setting of Linux's but the guests' alone).
source  `= 5`, `= "text"`  a constant
        `file PATH FIELD DEFAULT`  the FIELDth word (from 0) of the first line of a file of Linux's /proc, a number
        `call FUNCTION [ARGUMENT]`  the shim's sysctl_FUNCTION, with a number of its own; on a node it takes the rest of
        the name. Nothing: a plain node.

Model: the SYSCTL_ declarations in FreeBSD's sys/kern, sys/vm and sys/amd64.
"""

from __future__ import annotations

import dataclasses

#: Numbers that FreeBSD gives out itself start here (CTL_AUTO_START).
AUTO = 0x100

KIND = {"N": 1, "I": 2, "B": 2, "E": 2, "A": 3, "Q": 4, "S": 5, "IU": 6, "L": 7, "LU": 8, "QU": 9, "CU": 10}
SIZES = {"CU": 1, "I": 4, "B": 4, "E": 4, "IU": 4, "L": 8, "LU": 8, "Q": 8, "QU": 8}
CTLFLAG_RD = 0x80000000
CTLFLAG_WR = 0x40000000
CTLFLAG_ANYBODY = 0x10000000
CTLFLAG_SKIP = 0x01000000
CTLFLAG_TUN = 0x00080000
CTLFLAG_MPSAFE = 0x00040000
CTLFLAG_CAPRD = 0x00008000
CTLFLAG_CAPWR = 0x00004000
#: LSF's own, which no program sees: `g`. A bit that FreeBSD gives no meaning.
CTLFLAG_GUESTS = 0x00000100

ROWS = """
sysctl | 0 | N | | Sysctl internal magic
sysctl.name | 1 | N Wc | call name |
sysctl.next | 2 | N Wc | call next |
sysctl.name2oid | 3 | I WcC | call name2oid |
sysctl.oidfmt | 4 | N Wc | call oidfmt |
sysctl.oiddescr | 5 | N Wc | call oiddescr |
sysctl.oidlabel | 6 | N Wc | call oidlabel |
sysctl.nextnoskip | 7 | N Wc | call next 1 |
kern | 1 | N | | High kernel, proc, limits &c
kern.ostype | 1 | A c | = "FreeBSD" | Operating system type
kern.osrelease | 2 | A c | call osrelease | Operating system release
kern.osrevision | 3 | I c | = 199506 | Operating system revision
kern.version | 4 | A | call version | Kernel version
kern.maxvnodes | 5 | LU w | = 100000 | Target for maximum number of vnodes
kern.maxproc | 6 | I | file /proc/sys/kernel/pid_max 0 99999 | Maximum number of processes
kern.maxfiles | 7 | I w | file /proc/sys/fs/file-max 0 100000 | Maximum number of files
kern.argmax | 8 | I c | = 524288 | Maximum bytes of argument to execve(2)
kern.securelevel | 9 | I w | = -1 | Current secure level
kern.hostname | 10 | A wc | call hostname | Hostname
kern.hostid | 11 | LU wc | call hostid | Host ID
kern.clockrate | 12 | S,clockinfo | call clockrate | Rate and period of various kernel clocks
kern.proc | 14 | N | | Process table
kern.proc.all | 0 | S,proc | call proc 0 | Return entire process table
kern.proc.pid | 1 | N | call proc 1 | Process table
kern.proc.pgrp | 2 | N | call proc 2 | Process table
kern.proc.sid | 3 | N | call proc 3 | Process table
kern.proc.tty | 4 | N | call proc 4 | Process table
kern.proc.uid | 5 | N | call proc 5 | Process table
kern.proc.ruid | 6 | N | call proc 6 | Process table
kern.proc.args | 7 | N WC | call args | Process argument list
kern.proc.proc | 8 | N | call proc 8 | Return process table, no threads
kern.proc.sv_name | 9 | N | call sv_name | Process syscall vector name (ABI type)
kern.proc.rgid | 10 | N | call proc 10 | Process table
kern.proc.gid | 11 | N | call proc 11 | Process table
kern.proc.pathname | 12 | N | call pathname | Process executable path
kern.proc.pid_td | 17 | N | call proc 17 | Process table, including threads
kern.proc.pgrp_td | 18 | N | call proc 18 | Process table, including threads
kern.proc.sid_td | 19 | N | call proc 19 | Process table, including threads
kern.proc.tty_td | 20 | N | call proc 20 | Process table, including threads
kern.proc.uid_td | 21 | N | call proc 21 | Process table, including threads
kern.proc.ruid_td | 22 | N | call proc 22 | Process table, including threads
kern.proc.proc_td | 24 | N | call proc 24 | Return process table, including threads
kern.proc.rgid_td | 26 | N | call proc 26 | Process table, including threads
kern.proc.gid_td | 27 | N | call proc 27 | Process table, including threads
kern.proc.vmmap | 32 | N | call vmmap | Process vm map entries
kern.proc.filedesc | 33 | N | call filedesc | Process filedesc entries
kern.proc.groups | 34 | N | call proc_groups | Process groups
kern.proc.env | 35 | N | call env | Process environment
kern.proc.auxv | 36 | N | call auxv | Process ELF auxiliary vector
kern.proc.rlimit | 37 | N W | call proc_rlimit | Process resource limits
kern.proc.ps_strings | 38 | N | call of_guest 0 | Process ps_strings location
kern.proc.umask | 39 | N | call proc_umask | Process umask
kern.proc.osrel | 40 | N | call of_guest 1 | Process binary osreldate
kern.proc.sigtramp | 41 | N | call of_guest 2 | Process signal trampoline location
kern.proc.cwd | 42 | N | call cwd | Process current working directory
kern.proc.nfds | 43 | N c | call nfds | Number of open file descriptors
kern.proc.vm_layout | 45 | N | call vm_layout | Process virtual address space layout info
kern.proc.rlimit_usage | 46 | N | call rlimit_usage | Process limited resources usage info
kern.file | 15 | S,xfile | call file_table | Entire file table
kern.posix1version | 17 | I c | call posix1version | Version of POSIX attempting to comply to
kern.ngroups | 18 | I c | = 1023 | Maximum number of supplemental groups a user can belong to
kern.job_control | 19 | I c | = 1 | Whether job control is available
kern.saved_ids | 20 | I c | = 0 | Whether saved set-group/user ID is available
kern.boottime | 21 | S,timeval | call boottime | Estimated system boottime
kern.domainname | 22 | A wc | call domainname | Name of the current YP/NIS domain
kern.osreldate | 24 | I c | call osreldate | Kernel release date
kern.bootfile | 26 | A w | = "/boot/kernel/kernel" | Name of kernel file booted
kern.maxfilesperproc | 27 | I w | file /proc/sys/fs/nr_open 0 1048576 | Maximum files allowed open per process
kern.maxprocperuid | 28 | I w | call limit 7 | Maximum processes allowed per userid
kern.ipc | 30 | N | | IPC
kern.ps_strings | 32 | LU c | call process 0 | Location of process' ps_strings structure
kern.usrstack | 33 | LU c | call process 1 | Top of process stack
kern.logsigexit | 34 | I w | = 0 | Log processes quitting on abnormal signals to syslog(3)
kern.iov_max | 35 | I | = 1024 | Maximum number of elements in an I/O vector; sysconf(_SC_IOV_MAX)
kern.hostuuid | 36 | A wc | call hostuuid | Host UUID
kern.arandom | 37 | S,random c | call arandom | arc4rand
kern.maxphys | 38 | L c | call widened 1048576 | Maximum block I/O access size
kern.tty_nin | auto | LU | = 0 | Total amount of bytes received
kern.tty_nout | auto | LU | = 0 | Total amount of bytes transmitted
kern.msgbuf | auto | A | call msgbuf | Contents of kernel message buffer
kern.msgbuf_clear | auto | I w | = 0 | Clear kernel message buffer
kern.suspend_blocked | auto | I w | = 0 | Block suspend due to a pending shutdown
kern.init_path | auto | A | = "/sbin/init:/sbin/oinit:/sbin/init.bak:/rescue/init" | Path used to search the init process
kern.racct | auto | N | | Resource Accounting
kern.racct.enable | auto | CU | = 0 | Enable RACCT/RCTL
kern.consmute | auto | I w | = 0 | State of the console muting
kern.init_shutdown_timeout | auto | I w | = 120 | Shutdown timeout of init(8). Unused within kernel, but used to control init(8)
kern.base_address | auto | LU | = -2147483648 | Kernel base address
kern.relbase_address | auto | LU | = -2147483648 | Kernel relocated base address
kern.malloc_count | auto | I | = 0 | Count of kernel malloc types
kern.malloc_stats | auto | S,malloc_type_ustats | call empty_stream | Return malloc types
kern.shutdown | auto | N | | Shutdown environment
kern.shutdown.dumpdevname | auto | A | = "" | Device(s) for kernel dumps
kern.geom | auto | N | | GEOMetry management
kern.geom.confxml | auto | A | call geom_xml | Dump the GEOM config in XML
kern.geom.confdot | auto | A | = "digraph geom {\\n}\\n" | Dump the GEOM config in dot
kern.geom.conftxt | auto | A | = "" | Dump the GEOM config in txt
kern.ident | auto | A | = "LSF" | Kernel identifier
kern.maxtsiz | auto | LU | = 34359738368 | Maximum text size
kern.dfldsiz | auto | LU | = 34359738368 | Initial data size limit
kern.maxdsiz | auto | LU | = 34359738368 | Maximum data size
kern.dflssiz | auto | LU | = 8388608 | Initial stack size limit
kern.maxssiz | auto | LU | = 536870912 | Maximum stack size
kern.sgrowsiz | auto | LU | = 131072 | Amount to grow stack on a stack fault
kern.sugid_coredump | auto | I | call core_setting 0 | Allow setuid and setgid processes to dump core
kern.openfiles | auto | I | file /proc/sys/fs/file-nr 0 0 | System-wide number of open files
kern.stackprot | auto | I | call process 2 | Stack memory permissions
kern.ccpu | auto | I | = 0 | Decay factor used for updating %CPU in 4BSD scheduler
kern.fscale | auto | I | = 2048 | Fixed-point scale factor used for calculating load average values
kern.cp_time | auto | L | call cp_time | CPU time statistics
kern.cp_times | auto | L | call cp_times | per-CPU time statistics
kern.hz | auto | I | = 1000 | Number of clock ticks per second
kern.maxusers | auto | I | = 384 | Hint for kernel tuning
kern.nselcoll | auto | I | = 0 |
kern.pid_max | auto | I | file /proc/sys/kernel/pid_max 0 99999 | Maximum allowed pid
kern.lastpid | auto | I | file /proc/loadavg 4 0 | Last used PID
kern.randompid | auto | I w | = 0 | Random PID modulus
kern.signosys | auto | I w | = 1 | Send SIGSYS on return from invalid syscall
kern.lognosys | auto | I w | = 0 | Log invalid syscalls
kern.forcesigexit | auto | I w | = 1 | Force trap signal to be handled
kern.sig_discard_ign | auto | CU w | = 1 | Discard ignored signals on delivery, otherwise queue them to the target queue
kern.sigfastblock_fetch_always | auto | CU w | = 0 | Fetch sigfastblock word on each syscall entry for proper blocking semantic
kern.wait_dequeue_sigchld | auto | CU w | = 1 | Dequeue SIGCHLD on wait(2) for live process
kern.core_dump_can_intr | auto | I w | = 1 | Core dumping interruptible with SIGKILL
kern.disallow_high_osrel | auto | I w | = 0 | Disallow execution of binaries built for higher version of the world
kern.ps_arg_cache_limit | auto | LU w | = 256 | Process' command line characters cache limit
kern.sync_on_panic | auto | I w | = 0 | Do a sync before rebooting from a panic
kern.pid_max_limit | auto | I | = 99999 | Maximum allowed pid (kern.pid_max) top limit
kern.maxthread | auto | I t | = 1000000 | Maximum number of threads
kern.kstack_pages | auto | I t | = 4 | Kernel stack size in pages
kern.chroot_allow_open_directories | auto | I w | = 1 | Allow a process to chroot(2) if it has a directory open
kern.tty_info_kstacks | auto | I w | = 0 | Adjust format of kernel stack(9) traces on ^T (tty info): 0 - disabled; 1 - long; 2 - compact
kern.tty_drainwait | auto | I w | = 300 | Default output drain timeout in seconds
kern.boot_tag | auto | A t | = "---<<BOOT>>---" | Tag added to dmesg at start of boot
kern.hz_min | auto | I | = 8 | Minimum hz value supported
kern.hz_max | auto | I | = 137438 | Maximum hz value supported
kern.kill_on_debugger_exit | auto | I wgt | call kill_on_debugger_exit | Kill ptraced processes when debugger exits
kern.trap_enotcap | auto | CU wgt | call trap_enotcap | Deliver SIGTRAP on ECAPMODE and ENOTCAPABLE
kern.module_path | auto | A w | = "/boot/kernel;/boot/modules" | module load search path
kern.corefile | auto | A w | call corefile | Process corefile name format string
kern.coredump | auto | I w | call core_setting 1 | Enable/Disable coredumps
kern.devname | auto | S, Ws | call devname | devname(3) handler
kern.disks | auto | A | = "" | names of available disks
kern.console | auto | A | = "" | Console device control
kern.vty | auto | A | = "" | Console vty driver
kern.vm_guest | auto | A | = "none" | Virtual machine guest detected?
kern.conftxt | auto | A | = "ident\\tLSF\\nmachine\\tamd64\\n" | Kernel configuration file
kern.supported_archs | auto | A c | = "amd64" | Supported architectures for binaries
kern.kq_calloutmax | auto | IU w | = 4096 | Maximum number of callouts allocated for kqueue
kern.threads | auto | N | | thread allocation
kern.threads.max_threads_per_proc | auto | I w | = 1500 | Limit on threads per proc
kern.sched | auto | N | | Scheduler
kern.sched.name | auto | A | = "ULE" | Scheduler name
kern.sigqueue | auto | N | | POSIX real time signal
kern.sigqueue.max_pending_per_proc | auto | I | = 128 | Max pending signals per proc
kern.sched.cpusetsize | auto | I c | = 128 | sizeof(cpuset_t)
kern.sched.cpusetsizemin | auto | IU c | call cpusetsizemin | The minimum size of cpuset_t allowed by the kernel
kern.sched.quantum | auto | I w | = 94488 | Quantum for timeshare threads in microseconds
kern.sched.topology_spec | auto | A | call topology | XML dump of detected CPU topology
kern.sched.always_steal | auto | I w | = 0 | Always run the stealer from the idle thread
kern.sched.trysteal_limit | auto | I w | = 2 | Topological distance limit for stealing threads in sched_switch()
kern.sched.steal_thresh | auto | I w | = 2 | Minimum load on remote CPU before we'll steal
kern.sched.steal_idle | auto | I w | = 1 | Attempts to steal work from other cores before idling
kern.sched.balance_interval | auto | I w | = 127 | Average period in stathz ticks to run the long-term balancer
kern.sched.balance | auto | I w | = 1 | Enables the long-term load balancer
kern.sched.affinity | auto | I w | = 1 | Number of hz ticks to keep thread affinity for
kern.sched.idlespinthresh | auto | I w | = 157 | Threshold before we will permit idle thread spinning
kern.sched.idlespins | auto | I w | = 10000 | Number of times idle thread will spin waiting for new work
kern.sched.static_boost | auto | I w | = 115 | Assign static kernel priorities to sleeping threads
kern.sched.preempt_thresh | auto | I w | = 40 | Maximal (lowest) priority for preemption
kern.sched.interact | auto | IU w | = 30 | Interactivity score threshold
kern.sched.slice | auto | I w | = 12 | Quantum for timeshare threads in stathz ticks
kern.sched.preemption | auto | I | = 1 | Kernel preemption enabled
kern.smp | auto | N | | Kernel SMP
kern.smp.maxid | auto | I c | call maxid | Max CPU ID.
kern.smp.maxcpus | auto | I c | = 1024 | Max number of CPUs that the system was compiled for.
kern.smp.active | auto | I | call process 3 | Indicates system is running in SMP mode
kern.smp.disabled | auto | I c | = 0 | SMP has been disabled from the loader
kern.smp.cpus | auto | I c | call ncpu | Number of CPUs online
kern.smp.cores | auto | I c | call ncpu | Number of physical cores online
kern.smp.threads_per_core | auto | I c | = 1 | Number of SMT threads online per core
kern.smp.topology | auto | I t | = 0 | Topology override setting; 0 is default provided by hardware.
kern.features | auto | N | | Kernel Features
kern.features.compat_freebsd4 | auto | I c | = 0 |
kern.features.compat_freebsd10 | auto | I c | = 1 |
kern.features.compat_freebsd11 | auto | I c | = 1 |
kern.features.compat_freebsd12 | auto | I c | = 1 |
kern.features.inet | auto | I c | = 1 | Internet Protocol version 4
kern.features.inet6 | auto | I c | = 1 | Internet Protocol version 6
kern.features.security_capabilities | auto | I c | = 1 | Capsicum Capabilities
kern.features.security_capability_mode | auto | I c | = 1 | Capsicum Capability Mode
kern.features.posix_shm | auto | I c | = 1 | POSIX shared memory
kern.features.evdev_support | auto | I c | = 0 | Evdev support in hybrid drivers
kern.features.netlink | auto | I c | = 1 | Netlink support
kern.features.aio | auto | I c | = 1 | Asynchronous I/O
kern.features.posix_sem | auto | I c | = 1 | POSIX semaphores
kern.features.p1003_1b_semaphores | auto | I c | = 1 | POSIX P1003.1B semaphores support
kern.features.p1003_1b_mqueue | auto | I c | = 1 | POSIX P1003.1B message queues support
kern.features.sysv_shm | auto | I c | = 1 | System V shared memory segments support
kern.features.sysv_sem | auto | I c | = 1 | System V semaphores support
kern.features.sysv_msg | auto | I c | = 1 | System V message queues support
kern.features.process_descriptors | auto | I c | = 1 | Process Descriptors
kern.features.compat_freebsd14 | auto | I c | = 1 | Compatible with FreeBSD 14
kern.features.compat_freebsd13 | auto | I c | = 1 | Compatible with FreeBSD 13
kern.features.compat_freebsd9 | auto | I c | = 1 | Compatible with FreeBSD 9
kern.features.compat_freebsd7 | auto | I c | = 1 | Compatible with FreeBSD 7
kern.features.compat_freebsd6 | auto | I c | = 1 | Compatible with FreeBSD 6
kern.features.compat_freebsd5 | auto | I c | = 1 | Compatible with FreeBSD 5
kern.features.ktrace | auto | I c | = 1 | Kernel support for system-call tracing
kern.features.kposix_priority_scheduling | auto | I c | = 1 | POSIX P1003.1B realtime extensions
kern.elf64 | auto | N | | ELF sysctls
kern.elf64.fallback_brand | auto | I w | = -1 | ELF64 brand of last resort
kern.elf64.nxstack | auto | I w | = 1 | ELF64: support PT_GNU_STACK for non-executable stack control
kern.elf64.aslr | auto | N | |
kern.elf64.aslr.enable | auto | I w | = 1 | ELF64: enable address map randomization
kern.elf64.aslr.pie_enable | auto | I w | = 1 | ELF64: enable address map randomization for PIE binaries
kern.elf64.aslr.stack | auto | I w | = 1 | ELF64: enable stack address randomization
kern.elf64.aslr.shared_page | auto | I w | = 1 | ELF64: enable shared page address randomization
kern.elf64.aslr.honor_sbrk | auto | I w | = 0 | ELF64: assume sbrk is used
kern.elf64.allow_wx | auto | CU w | = 1 | ELF64: Allow pages to be mapped simultaneously writable and executable
kern.elf64.sigfastblock | auto | I w | = 1 | enable sigfastblock for new processes
kern.elf64.pie_base | auto | LU w | = 16912384 | PIE load base without randomization
kern.elf64.vdso | auto | I w | = 1 | ELF64: enable vdso preloading
kern.devstat | auto | N | | Device Statistics
kern.devstat.numdevs | auto | I | call devstat_count | Number of devices in the devstat list
kern.devstat.generation | auto | L | call devstat_generation | Devstat list generation
kern.devstat.version | auto | I | = 6 | Devstat list version number
kern.devstat.all | auto | S,devstat | call devstat | All devices in the devstat list
kern.timecounter | auto | N | |
kern.timecounter.hardware | auto | A w | = "TSC" | Timecounter hardware selected
kern.timecounter.choice | auto | A | = "TSC(1000)" | Timecounter hardware detected
kern.timecounter.fast_gettime | auto | I w | = 0 | Enable fast time of day
kern.timecounter.invariant_tsc | auto | I t | = 1 | Indicates whether the TSC is P-state invariant
kern.timecounter.smp_tsc | auto | I t | = 1 | Indicates whether the TSC is safe to use in SMP mode
kern.timecounter.smp_tsc_adjust | auto | I t | = 0 | Try to adjust TSC on APs to match BSP
kern.timecounter.nanosleep_precise | auto | CU w | = 1 | clock_nanosleep() with CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME and nanosleep(2) use precise clock
kern.timecounter.tick | auto | I | = 1 | Approximate number of hardclock ticks in a millisecond
kern.timecounter.stepwarnings | auto | I w | = 0 | Log time steps
kern.timecounter.alloweddeviation | auto | I w | = 5 | Allowed time interval deviation in percents
kern.ipc.maxsockbuf | auto | LU w | file /proc/sys/net/core/rmem_max 0 2097152 | Maximum socket buffer size
kern.ipc.soacceptqueue | auto | IU w | file /proc/sys/net/core/somaxconn 0 128 | Maximum listen socket pending connection accept queue size
kern.ipc.somaxconn | auto | I w | file /proc/sys/net/core/somaxconn 0 128 | Maximum listen socket pending connection accept queue size (compat)
kern.ipc.maxsockets | auto | I w | = 100000 | Maximum number of sockets available
kern.ipc.numopensockets | auto | IU | file /proc/net/sockstat 2 0 | Number of open sockets
kern.ipc.nmbclusters | auto | I w | = 250000 | Maximum number of mbuf clusters allowed
kern.ipc.maxpipekva | auto | L w | = 100000000 | Pipe KVA limit
kern.ipc.pipe_mindirect | auto | L w | = 8192 | Minimum write size triggering VM optimization
kern.ipc.piperesizeallowed | auto | I w | = 1 | Pipe resizing allowed
kern.ipc.pipebuf_reserv | auto | I w | = 2 | Superuser-reserved percentage of the pipe buffers space
kern.ipc.umtx_max_robust | auto | I w | = 1000 | Maximum number of robust mutexes allowed for each thread
kern.ipc.umtx_vnode_persistent | auto | I w | = 0 | False forces destruction of umtx attached to file, on last close
kern.ipc.shmmax | auto | LU w | file /proc/sys/kernel/shmmax 0 536870912 | Maximum shared memory segment size
kern.ipc.shmmin | auto | LU w | = 1 | Minimum shared memory segment size
kern.ipc.shmmni | auto | LU | call ipc_places 0 | Number of shared memory identifiers
kern.ipc.shmseg | auto | LU | file /proc/sys/kernel/shmmni 0 128 | Number of segments per process
kern.ipc.shmall | auto | LU w | file /proc/sys/kernel/shmall 0 131072 | Maximum number of pages available for shared memory
kern.ipc.shm_use_phys | auto | I w | = 0 | Enable/Disable locking of shared memory pages in core
kern.ipc.shm_allow_removed | auto | I w | = 1 | Enable/Disable attachment to attached segments marked for removal
kern.ipc.shmsegs | auto | S, | call ipc_table 0 | Array of struct shmid_kernel for each potential shared memory segment
kern.ipc.posix_shm_list | auto | S, | call posix_shm_list | POSIX SHM list
kern.ipc.semmni | auto | I | call ipc_places 1 | Number of semaphore identifiers
kern.ipc.semmns | auto | I | file /proc/sys/kernel/sem 1 340 | Maximum number of semaphores in the system
kern.ipc.semmsl | auto | I w | file /proc/sys/kernel/sem 0 340 | Max semaphores per id
kern.ipc.semopm | auto | I | file /proc/sys/kernel/sem 2 100 | Max operations per semop call
kern.ipc.semmnu | auto | I | = 150 | Maximum number of undo structures in the system
kern.ipc.semume | auto | I | = 50 | Max undo entries per process
kern.ipc.semusz | auto | I | = 624 | Size in bytes of undo structure
kern.ipc.semvmx | auto | I w | = 32767 | Semaphore maximum value
kern.ipc.semaem | auto | I w | = 16384 | Adjust on exit max value
kern.ipc.sema | auto | S, | call ipc_table 1 | Array of struct semid_kernel for each potential semaphore
kern.ipc.msgmax | auto | I | file /proc/sys/kernel/msgmax 0 16384 | Maximum message size
kern.ipc.msgmni | auto | I | call ipc_places 2 | Number of message queue identifiers
kern.ipc.msgmnb | auto | I w | file /proc/sys/kernel/msgmnb 0 2048 | Maximum number of bytes in a queue
kern.ipc.msgtql | auto | I | = 40 | Maximum number of messages in the system
kern.ipc.msgssz | auto | I | = 8 | Size of a message segment
kern.ipc.msgseg | auto | I | = 2048 | Number of message segments
kern.ipc.msqids | auto | S, | call ipc_table 2 | Array of struct msqid_kernel for each potential message queue
kern.ipc.nsfbufs | auto | I | = 0 | Maximum number of sendfile(2) sf_bufs available
kern.ipc.nsfbufspeak | auto | I | = 0 | Number of sendfile(2) sf_bufs at peak usage
kern.ipc.nsfbufsused | auto | I | = 0 | Number of sendfile(2) sf_bufs in use
kern.ipc.sfstat | auto | S,sfstat w | call zeros 88 | sendfile statistics
kern.ipc.tls | auto | N | | Kernel TLS offload
kern.ipc.tls.enable | auto | CU w | = 0 | Enable support for kernel TLS offload
kern.mqueue | auto | N | | POSIX real time message queue
kern.mqueue.maxmsg | auto | I w | = 100 | Default maximum messages in queue
kern.mqueue.maxmsgsize | auto | I w | = 16384 | Default maximum message size
kern.mqueue.default_maxmsg | auto | I w | = 10 | Default maximum messages in queue
kern.mqueue.default_msgsize | auto | I w | = 1024 | Default maximum message size
kern.mqueue.maxmq | auto | I w | = 100 | maximum message queues
vm | 2 | N | | Virtual memory
vm.vmtotal | 1 | S,vmtotal | call vmtotal | System virtual memory statistics
vm.loadavg | 2 | S,loadavg | call loadavg | Machine loadaverage history
vm.v_free_min | 3 | IU w | = 25000 | Minimum low-free-pages threshold
vm.v_free_target | 4 | IU w | = 85000 | Desired free pages
vm.v_free_reserved | 5 | IU w | = 5000 | Pages reserved for deadlock
vm.v_inactive_target | 6 | IU w | = 128000 | Pages desired inactive
vm.v_pageout_free_min | auto | IU w | = 34 | Min pages reserved for kernel
vm.v_free_severe | auto | IU w | = 15000 | Severe page depletion point
vm.swap_enabled | 11 | I w | = 1 | Enable entire process swapout
vm.overcommit | 12 | I w | = 0 | Configure virtual memory overcommit behavior. See tuning(7) for details.
vm.swap_total | auto | QU | call memory 10 | Total amount of available swap storage.
vm.swap_reserved | auto | QU | call memory 11 | Amount of swap storage needed to back all allocated anonymous memory.
vm.nswapdev | auto | I | call swap_devices | Number of swap devices
vm.dmmax | auto | I | = 32 | Maximum size of a swap block in pages
vm.swap_info | auto | N | call swap_info | Swap statistics by device
vm.kmem_size | auto | LU | call memory 0 | Size of kernel memory
vm.kmem_map_size | auto | LU | call memory 12 | Current kmem allocation size
vm.max_wired | auto | LU | call memory 8 | System-wide limit to user-wired page count
vm.max_user_wired | auto | LU w | call memory 9 | system-wide limit to user-wired page count
vm.zone_count | auto | I | = 0 | Number of UMA zones
vm.zone_stats | auto | S,uma_type_header | call empty_stream | Zone Stats
vm.malloc | auto | N | | Malloc information
vm.malloc.zone_count | auto | IU | = 0 | Number of malloc zones
vm.malloc.zone_sizes | auto | S, | call zeros 0 | Zone sizes used by malloc
vm.ndomains | auto | I | = 1 | Number of physical memory domains available.
vm.stats | auto | N | | VM meter stats
vm.stats.sys | auto | N | | VM meter sys stats
vm.stats.sys.v_swtch | auto | QU | call vmstat 0 | Context switches
vm.stats.sys.v_intr | auto | QU | call vmstat 1 | Device interrupts
vm.stats.sys.v_trap | auto | QU | call counter | Traps
vm.stats.sys.v_syscall | auto | QU | call counter | System calls
vm.stats.sys.v_soft | auto | QU | call counter | Software interrupts
vm.stats.vm | auto | N | | VM meter vm stats
vm.stats.vm.v_vm_faults | auto | QU | call vmstat 2 | Address memory faults
vm.stats.vm.v_forks | auto | QU | call vmstat 3 | Number of fork() calls
vm.stats.vm.v_io_faults | auto | QU | call counter | Page faults requiring I/O
vm.stats.vm.v_cow_faults | auto | QU | call counter | Copy-on-write faults
vm.stats.vm.v_cow_optim | auto | QU | call counter | Optimized COW faults
vm.stats.vm.v_zfod | auto | QU | call counter | Pages zero-filled on demand
vm.stats.vm.v_ozfod | auto | QU | call counter | Optimized zero fill pages
vm.stats.vm.v_vnodein | auto | QU | call counter | Vnode pager pageins
vm.stats.vm.v_vnodeout | auto | QU | call counter | Vnode pager pageouts
vm.stats.vm.v_vnodepgsin | auto | QU | call counter | Vnode pages paged in
vm.stats.vm.v_vnodepgsout | auto | QU | call counter | Vnode pages paged out
vm.stats.vm.v_intrans | auto | QU | call counter | In transit page faults
vm.stats.vm.v_reactivated | auto | QU | call counter | Pages reactivated by pagedaemon
vm.stats.vm.v_pdwakeups | auto | QU | call counter | Pagedaemon wakeups
vm.stats.vm.v_pdpages | auto | QU | call counter | Pages analyzed by pagedaemon
vm.stats.vm.v_pdshortfalls | auto | QU | call counter | Page reclamation shortfalls
vm.stats.vm.v_tfree | auto | QU | call counter | Total pages freed
vm.stats.vm.v_dfree | auto | QU | call counter | Pages freed by pagedaemon
vm.stats.vm.v_pfree | auto | QU | call counter | Pages freed by exiting processes
vm.stats.vm.v_tcached | auto | IU | = 0 | Dummy for compatibility
vm.stats.vm.v_vforks | auto | QU | call counter | Number of vfork() calls
vm.stats.vm.v_rforks | auto | QU | call counter | Number of rfork() calls
vm.stats.vm.v_kthreads | auto | QU | call counter | Number of fork() calls by kernel
vm.stats.vm.v_forkpages | auto | QU | call counter | VM pages affected by fork()
vm.stats.vm.v_vforkpages | auto | QU | call counter | VM pages affected by vfork()
vm.stats.vm.v_rforkpages | auto | QU | call counter | VM pages affected by rfork()
vm.stats.vm.v_kthreadpages | auto | QU | call counter | VM pages affected by fork() by kernel
vm.stats.vm.v_swapin | auto | QU | call counter | Swap pager pageins
vm.stats.vm.v_swapout | auto | QU | call counter | Swap pager pageouts
vm.stats.vm.v_swappgsin | auto | QU | call counter | Swap pages swapped in
vm.stats.vm.v_swappgsout | auto | QU | call counter | Swap pages swapped out
vm.stats.vm.v_page_size | auto | IU | = 4096 | Page size in bytes
vm.stats.vm.v_page_count | auto | IU | call memory 8 | Total number of pages in system
vm.stats.vm.v_free_reserved | auto | IU | = 5000 | Pages reserved for deadlock
vm.stats.vm.v_free_target | auto | IU | = 85000 | Pages desired free
vm.stats.vm.v_free_min | auto | IU | = 25000 | Minimum low-free-pages threshold
vm.stats.vm.v_free_count | auto | IU | call memory 1 | Free pages
vm.stats.vm.v_wire_count | auto | IU | call memory 2 | Wired pages
vm.stats.vm.v_active_count | auto | IU | call memory 3 | Active pages
vm.stats.vm.v_inactive_target | auto | IU | = 128000 | Desired inactive pages
vm.stats.vm.v_inactive_count | auto | IU | call memory 4 | Inactive pages
vm.stats.vm.v_laundry_count | auto | IU | call memory 5 | Pages eligible for laundering
vm.stats.vm.v_cache_count | auto | IU | = 0 | Dummy for compatibility
vm.stats.vm.v_cache_min | auto | IU | = 0 | Dummy for compatibility
vm.stats.vm.v_cache_max | auto | IU | = 0 | Dummy for compatibility
vm.stats.vm.v_pageout_free_min | auto | IU | = 34 | Min pages reserved for kernel
vm.stats.vm.v_interrupt_free_min | auto | IU | = 2 | Reserved pages for interrupt code
vfs | 3 | N | | File system
vfs.bufspace | auto | L | call widened 0 | Physical memory used for buffers
vfs.numvnodes | auto | LU | = 0 | Number of vnodes in existence
vfs.freevnodes | auto | LU | = 0 | Number of "free" vnodes
vfs.numdirtybuffers | auto | I | = 0 | Number of buffers that are dirty (has unwritten changes) at the moment
vfs.cache | auto | N | | Name cache
vfs.cache.nchstats | auto | S,nchstats | call zeros 64 | VFS cache effectiveness statistics
vfs.lookup_cap_dotdot | auto | I wt | = 1 | enables ".." components in path lookup in capability mode
vfs.lookup_cap_dotdot_nonlocal | auto | I wt | = 1 | enables ".." components in path lookup in capability mode on non-local mount
vfs.usermount | auto | I w | = 0 | Unprivileged users may mount and unmount file systems
vfs.timestamp_precision | auto | I w | = 3 | File timestamp precision
vfs.nfs | auto | N | | NFS filesystem
vfs.nfs.iodmin | auto | IU w | = 0 | Min number of nfsiod kthreads to keep as spares
vfs.nfs.iodmax | auto | IU w | = 20 | Max number of nfsiod kthreads
vfs.aio | auto | N | | Async IO management
vfs.aio.enable_unsafe | auto | I w | = 0 | Permit asynchronous IO on all file types, not just known-safe types
vfs.aio.max_aio_per_proc | auto | I w | = 32 | Maximum active aio requests per process
vfs.aio.max_aio_queue_per_proc | auto | I w | = 256 | Maximum queued aio requests per process
vfs.aio.max_aio_queue | auto | I w | = 1024 | Maximum number of aio requests to queue, globally
vfs.aio.max_buf_aio | auto | I w | = 16 | Maximum buf aio requests per process
vfs.inotify | auto | N | | inotify configuration
vfs.inotify.max_queued_events | auto | I wt | file /proc/sys/fs/inotify/max_queued_events 0 16384 | Maximum number of events to queue on an inotify descriptor
vfs.inotify.max_user_instances | auto | I wt | file /proc/sys/fs/inotify/max_user_instances 0 256 | Maximum number of inotify descriptors per user
vfs.inotify.max_user_watches | auto | I wt | file /proc/sys/fs/inotify/max_user_watches 0 8192 | Maximum number of inotify watches per user
vfs.conflist | auto | S,xvfsconf | call vfs_conflist | List of all configured filesystems
net | 4 | N | | Network, (see socket.h)
net.local | 1 | N | | Local domain
net.local.stream | 1 | N | | SOCK_STREAM
net.local.stream.sendspace | auto | LU w | call local_space | Default stream send space.
net.local.stream.recvspace | auto | LU w | call local_space | Default stream receive space.
net.local.stream.pcblist | auto | S,xunpcb | call local_pcblist 1 | List of active local stream sockets
net.local.dgram | 2 | N | | SOCK_DGRAM
net.local.dgram.maxdgram | auto | LU w | = 8192 | Maximum datagram size.
net.local.dgram.recvspace | auto | LU w | = 16384 | Maximum datagram receive space.
net.local.dgram.pcblist | auto | S,xunpcb | call local_pcblist 2 | List of active local datagram sockets
net.local.seqpacket | 5 | N | | SOCK_SEQPACKET
net.local.seqpacket.maxseqpacket | auto | LU w | call local_space | Default seqpacket send space.
net.local.seqpacket.recvspace | auto | LU w | call local_space | Default seqpacket receive space.
net.local.seqpacket.pcblist | auto | S,xunpcb | call local_pcblist 5 | List of active local seqpacket sockets
net.inet | 2 | N | | Internet Family
net.inet.ip | 0 | N | | IP
net.inet.ip.forwarding | 1 | I w | file /proc/sys/net/ipv4/ip_forward 0 0 | Enable IP forwarding between interfaces
net.inet.ip.ttl | 3 | I w | file /proc/sys/net/ipv4/ip_default_ttl 0 64 | Maximum TTL on IP packets
net.inet.ip.connect_inaddr_wild | auto | I w | = 1 | Allow connecting to INADDR_ANY or INADDR_BROADCAST for connect(2)
net.inet.ip.stats | 12 | S,ipstat w | call statistics 0 | IP statistics (struct ipstat, netinet/ip_var.h)
net.inet.ip.portrange | auto | N | | IP Ports
net.inet.ip.portrange.lowfirst | auto | I w | = 1023 |
net.inet.ip.portrange.lowlast | auto | I w | = 600 |
net.inet.ip.portrange.first | auto | I w | file /proc/sys/net/ipv4/ip_local_port_range 0 49152 |
net.inet.ip.portrange.last | auto | I w | file /proc/sys/net/ipv4/ip_local_port_range 1 65535 |
net.inet.ip.portrange.hifirst | auto | I w | = 49152 |
net.inet.ip.portrange.hilast | auto | I w | = 65535 |
net.inet.ip.portrange.reservedhigh | auto | I w | call reservedhigh |
net.inet.ip.portrange.reservedlow | auto | I w | = 0 |
net.inet.ip.portrange.randomized | auto | I w | = 1 | Enable random port allocation
net.inet.icmp | 1 | N | | ICMP
net.inet.icmp.maskrepl | 1 | I w | = 0 | Reply to ICMP Address Mask Request packets
net.inet.icmp.stats | 2 | S,icmpstat w | call statistics 1 | ICMP statistics (struct icmpstat, netinet/icmp_var.h)
net.inet.tcp | 6 | N | | TCP
net.inet.tcp.sendspace | 8 | LU w | file /proc/sys/net/ipv4/tcp_wmem 1 32768 | Initial send socket buffer size
net.inet.tcp.recvspace | 9 | LU w | file /proc/sys/net/ipv4/tcp_rmem 1 65536 | Initial receive socket buffer size
net.inet.tcp.stats | 4 | S,tcpstat w | call statistics 3 | TCP statistics (struct tcpstat, netinet/tcp_var.h)
net.inet.tcp.states | auto | QU | call tcp_states | TCP connection counts by TCP state
net.inet.tcp.pcblist | 11 | S,xtcpcb | call pcblist 0 | List of active TCP connections
net.inet.tcp.cc | auto | N | | Congestion control related settings
net.inet.tcp.cc.algorithm | auto | A w | = "cubic" | Default congestion control algorithm
net.inet.tcp.cc.available | auto | A | = "\\nCCmod           D PCB count\\ncubic           * 0\\n" | List available congestion control algorithms
net.inet.udp | 17 | N | | UDP
net.inet.udp.maxdgram | 3 | LU w | = 9216 | Maximum outgoing UDP datagram size
net.inet.udp.recvspace | 4 | LU w | file /proc/sys/net/core/rmem_default 0 42080 | Maximum space for incoming UDP datagrams
net.inet.udp.stats | 2 | S,udpstat w | call statistics 2 | UDP statistics (struct udpstat, netinet/udp_var.h)
net.inet.udp.pcblist | 5 | S,xinpcb | call pcblist 1 | List of active UDP sockets
net.inet.udplite | 136 | N | | UDP-Lite
net.inet.udplite.pcblist | auto | S,xinpcb | call pcblist 3 | List of active UDP-Lite sockets
net.inet.igmp | 2 | N | | IGMP
net.inet.igmp.stats | auto | S,igmpstat w | call igmp_statistics | IGMP statistics (struct igmpstat, netinet/igmp_var.h)
net.inet.raw | 255 | N | | RAW
net.inet.raw.pcblist | auto | S,xinpcb | call pcblist 2 | List of active raw IP sockets
net.routetable | 17 | N s | call route | Return route tables and interface/address lists
net.route | auto | N | | Routing
net.route.stats | auto | S,rtstat w | call zeros 128 | route statistics
net.route.netisr_maxqlen | auto | I w | = 256 | maximum routing socket dispatch queue length
net.route.multipath | auto | IU w | = 1 | Enable route multipath
net.link | 18 | N | | Link layers
net.link.generic | 0 | N s | call ifmib | Generic link-management
net.link.ether | 6 | N | | Ethernet
net.link.ether.arp | auto | N | | ARP
net.link.ether.arp.stats | auto | S,arpstat w | call arp_statistics | ARP statistics (struct arpstat, net/if_arp.h)
net.inet6 | 28 | N | | Internet6 Family
net.inet6.ip6 | 41 | N | | IP6
net.inet6.ip6.forwarding | 1 | I w | file /proc/sys/net/ipv6/conf/all/forwarding 0 0 | Enable forwarding of IPv6 packets between interfaces
net.inet6.ip6.stats | 6 | S,ip6stat w | call statistics 4 | IP6 statistics (struct ip6stat, netinet6/ip6_var.h)
net.inet6.ip6.hlim | 3 | I w | file /proc/sys/net/ipv6/conf/default/hop_limit 0 64 | Default hop limit to use for outgoing IPv6 packets
net.inet6.ip6.v6only | 24 | I w | = 1 | Restrict AF_INET6 sockets to IPv6 addresses only
net.inet6.ip6.addrctlpolicy | 38 | S w | call zeros 0 | Address selection policies
net.inet6.ip6.rip6stats | 36 | S,rip6stat w | call zeros 56 | Raw IP6 statistics (struct rip6stat, netinet6/raw_ip6.h)
net.inet6.icmp6 | 58 | N | | ICMP6
net.inet6.icmp6.stats | 1 | S,icmp6stat w | call statistics 5 | ICMPv6 statistics (struct icmp6stat, netinet/icmp6.h)
net.my_fibnum | auto | I | = 0 | default FIB of caller
net.fibs | auto | IU | = 1 | set number of fibs
net.ifdescr_maxlen | auto | IU w | = 1024 | administrative maximum length for interface description
net.bpf | auto | N | | bpf sysctl
net.bpf.stats | auto | N | call zeros 0 | bpf statistics portal
net.isr | auto | N | | netisr
net.isr.dispatch | auto | A w | = "direct" | netisr dispatch policy
net.isr.maxthreads | auto | I | = 1 | Use at most this many CPUs for netisr processing
net.isr.bindthreads | auto | I | = 0 | Bind netisr threads to CPUs.
net.isr.maxqlimit | auto | IU | = 10240 | Maximum netisr per-protocol, per-CPU queue depth.
net.isr.defaultqlimit | auto | IU | = 256 | Default netisr per-protocol, per-CPU queue limit if not set by protocol
net.isr.maxprot | auto | IU | = 16 | Compile-time limit on the number of protocols supported by netisr.
net.isr.numthreads | auto | IU | = 1 | Number of extant netisr threads.
net.isr.proto | auto | S,sysctl_netisr_proto | call netisr 0 | Return list of protocols registered with netisr
net.isr.workstream | auto | S,sysctl_netisr_workstream | call netisr 1 | Return list of workstreams implemented by netisr
net.isr.work | auto | S,sysctl_netisr_work | call netisr 2 | Return list of per-workstream, per-protocol work in netisr
debug | 5 | N | | Debugging
debug.minidump | auto | I w | = 1 | Enable mini crash dumps
debug.iosize_max_clamp | auto | I w | = 0 | Clamp max i/o size to INT_MAX
debug.devfs_iosize_max_clamp | auto | I w | = 1 | Clamp max i/o size to INT_MAX for devices
debug.bootverbose | auto | I w | = 0 | Control the output of verbose kernel messages
debug.ncores | auto | I w | = 5 | Maximum number of generated process corefiles while using index format
hw | 6 | N | | hardware
hw.machine | 1 | A c | = "amd64" | Machine class
hw.model | 2 | A c | call model | Machine model
hw.ncpu | 3 | I c | call ncpu | Number of active CPUs
hw.byteorder | 4 | I c | = 1234 | System byte order
hw.physmem | 5 | LU | call memory 0 | Amount of physical memory (in bytes)
hw.usermem | 6 | LU | call memory 6 | Amount of memory (in bytes) which is not wired
hw.pagesize | 7 | I c | = 4096 | System memory page size
hw.floatingpoint | 10 | I | = 1 | Floating point instructions executed in hardware
hw.machine_arch | 11 | A c | = "amd64" | System architecture
hw.realmem | 12 | LU | call memory 0 | Amount of memory (in bytes) reported by the firmware
hw.availpages | auto | L | call memory 8 | Amount of physical memory (in pages)
hw.pagesizes | auto | S,pagesizes | call pagesizes | Supported page sizes
hw.clockrate | auto | I | call clock_mhz | CPU instruction clock rate
hw.instruction_sse | auto | I | = 1 | SIMD/MMX2 instructions available in CPU
hw.intrcnt | auto | S, | call interrupts 0 | Interrupt Counts
hw.intrnames | auto | S, | call interrupts 1 | Interrupt Names
hw.bus | auto | N | |
hw.bus.info | auto | S,u_businfo | call bus_info | bus-related data
hw.bus.devices | auto | N | call none | system device tree
hw.bus.rman | auto | N | call none | kernel resource manager
hw.bus.devctl_queue | auto | I w | = 1000 | devctl queue length
machdep | 7 | N | | machine dependent
machdep.tsc_freq | auto | QU w | call tsc_freq | Time Stamp Counter frequency
machdep.wall_cmos_clock | auto | I w | = 0 | Enables application of machdep.adjkerntz
machdep.disable_rtc_set | auto | I w | = 0 | Disallow adjusting time-of-day clock
machdep.adjkerntz | auto | I w | = 0 | Local offset from UTC in seconds
machdep.hyperthreading_allowed | auto | I | = 1 | Use Intel HTT logical CPUs
machdep.bootmethod | auto | A | call bootmethod | System firmware boot method
machdep.acpi_root | auto | LU | = 0 | The physical address of the RSDP
user | 8 | N | | user-level
user.cs_path | 1 | A | = "/usr/bin:/bin:/usr/sbin:/sbin" | PATH that finds all the standard utilities
user.bc_base_max | 2 | I | = 0 | Max ibase/obase values in bc(1)
user.bc_dim_max | 3 | I | = 0 | Max array size in bc(1)
user.bc_scale_max | 4 | I | = 0 | Max scale value in bc(1)
user.bc_string_max | 5 | I | = 0 | Max string length in bc(1)
user.coll_weights_max | 6 | I | = 0 | Maximum number of weights assigned to an LC_COLLATE locale entry
user.expr_nest_max | 7 | I | = 0 |
user.line_max | 8 | I | = 0 | Max length (bytes) of a text-processing utility's input line
user.re_dup_max | 9 | I | = 0 | Maximum number of repeats of a regexp permitted
user.posix2_version | 10 | I | = 0 | The version of POSIX 1003.2 with which the system attempts to comply
user.posix2_c_bind | 11 | I | = 0 | Whether C development supports the C bindings option
user.posix2_c_dev | 12 | I | = 0 | Whether system supports the C development utilities option
user.posix2_char_term | 13 | I | = 0 |
user.posix2_fort_dev | 14 | I | = 0 | Whether system supports FORTRAN development utilities
user.posix2_fort_run | 15 | I | = 0 | Whether system supports FORTRAN runtime utilities
user.posix2_localedef | 16 | I | = 0 | Whether system supports creation of locales
user.posix2_sw_dev | 17 | I | = 0 | Whether system supports software development utilities
user.posix2_upe | 18 | I | = 0 | Whether system supports the user portability utilities
user.stream_max | 19 | I | = 0 | Min Maximum number of streams a process may have open at one time
user.tzname_max | 20 | I | = 0 | Min Maximum number of types supported for timezone names
user.localbase | 21 | A w | = "/usr/local" | Prefix used to install and locate add-on packages
p1003_1b | 9 | N | | p1003_1b, (see p1003_1b.h)
p1003_1b.asynchronous_io | 1 | I c | = 200112 |
p1003_1b.mapped_files | 2 | I c | = 200112 |
p1003_1b.memlock | 3 | I c | = 0 |
p1003_1b.memlock_range | 4 | I c | = 0 |
p1003_1b.memory_protection | 5 | I c | = 0 |
p1003_1b.message_passing | 6 | I c | = 200112 |
p1003_1b.prioritized_io | 7 | I c | = 0 |
p1003_1b.priority_scheduling | 8 | I c | = 200112 |
p1003_1b.realtime_signals | 9 | I c | = 200112 |
p1003_1b.semaphores | 10 | I c | = 200112 |
p1003_1b.fsync | 11 | I c | = 200112 |
p1003_1b.shared_memory_objects | 12 | I c | = 200112 |
p1003_1b.synchronized_io | 13 | I c | = 0 |
p1003_1b.timers | 14 | I c | = 200112 |
p1003_1b.aio_listio_max | 15 | I c | = 256 |
p1003_1b.aio_max | 16 | I c | = 1024 |
p1003_1b.aio_prio_delta_max | 17 | I c | = 0 |
p1003_1b.delaytimer_max | 18 | I c | = 2147483647 |
p1003_1b.mq_open_max | 19 | I c | = 0 |
p1003_1b.pagesize | 20 | I c | = 4096 |
p1003_1b.rtsig_max | 21 | I c | = 62 |
p1003_1b.sem_nsems_max | 22 | I c | = 30 |
p1003_1b.sem_value_max | 23 | I c | = 2147483647 |
p1003_1b.sigqueue_max | 24 | I c | = 128 |
p1003_1b.timer_max | 25 | I c | = 32 |
security | 14 | N | | Security
security.jail | auto | N | | Jails
security.jail.jailed | auto | I | = 0 | Process in jail?
security.jail.vnet | auto | I | = 0 | Jail owns vnet?
security.jail.list | auto | S | call zeros 0 | List of active jails
security.jail.jail_max_af_ips | auto | IU w | = 255 | Number of IP addresses a jail may have at most per address family (deprecated)
security.jail.set_hostname_allowed | auto | I w | = 1 | Processes in jail can set their hostnames (deprecated)
security.jail.socket_unixiproute_only | auto | I w | = 1 | Processes in jail are limited to creating UNIX/IP/route sockets only (deprecated)
security.jail.sysvipc_allowed | auto | I w | = 0 | Processes in jail can use System V IPC primitives (deprecated)
security.jail.allow_raw_sockets | auto | I w | = 0 | Prison root can create raw sockets (deprecated)
security.jail.chflags_allowed | auto | I w | = 0 | Processes in jail can alter system file flags (deprecated)
security.jail.mount_allowed | auto | I w | = 0 | Processes in jail can mount/unmount jail-friendly file systems (deprecated)
security.jail.mlock_allowed | auto | I w | = 0 | Processes in jail can lock/unlock physical pages in memory
security.jail.enforce_statfs | auto | I w | = 2 | Processes in jail cannot see all mounted file systems (deprecated)
security.jail.devfs_ruleset | auto | I | = 0 | Ruleset for the devfs filesystem in jail (deprecated)
security.jail.children | auto | N | | Limits and stats of child jails
security.jail.children.max | auto | I | = 999999 | Maximum number of child jails
security.jail.children.cur | auto | I | = 0 | Current number of child jails
security.jail.param | auto | N | | Jail parameters
security.jail.param.jid | auto | I t | = 0 | Jail ID
security.jail.param.parent | auto | I | = 0 | Jail parent ID
security.jail.param.name | auto | A w | = "256" | Jail name
security.jail.param.path | auto | A t | = "1024" | Jail root path
security.jail.param.securelevel | auto | I w | = 0 | Jail secure level
security.jail.param.osreldate | auto | I t | = 0 | Jail value for kern.osreldate and uname -K
security.jail.param.osrelease | auto | A t | = "32" | Jail value for kern.osrelease and uname -r
security.jail.param.enforce_statfs | auto | I w | = 0 | Jail cannot see all mounted file systems
security.jail.param.devfs_ruleset | auto | I w | = 0 | Ruleset for in-jail devfs mounts
security.jail.param.persist | auto | B w | = 0 | Jail persistence
security.jail.param.vnet | auto | E,jailsys t | = 0 | Virtual network stack
security.jail.param.dying | auto | B | = 0 | Jail is in the process of shutting down
security.jail.param.children | auto | N | | Number of child jails
security.jail.param.children.cur | auto | I | = 0 | Current number of child jails
security.jail.param.children.max | auto | I w | = 0 | Maximum number of child jails
security.jail.param.host | auto | N | | Jail host info
security.jail.param.host. | auto | E,jailsys w | = 0 | Jail host info
security.jail.param.host.hostname | auto | A w | = "256" | Jail hostname
security.jail.param.host.domainname | auto | A w | = "256" | Jail NIS domainname
security.jail.param.host.hostuuid | auto | A w | = "64" | Jail host UUID
security.jail.param.host.hostid | auto | LU w | = 0 | Jail host ID
security.jail.param.cpuset | auto | N | | Jail cpuset
security.jail.param.cpuset.id | auto | I | = 0 | Jail cpuset ID
security.jail.param.ip4 | auto | N | | Jail IPv4 address virtualization
security.jail.param.ip4. | auto | E,jailsys t | = 0 | Jail IPv4 address virtualization
security.jail.param.ip4.addr | auto | S,in_addr,a w | call length 4 | Jail IPv4 addresses
security.jail.param.ip4.saddrsel | auto | B w | = 0 | Do (not) use IPv4 source address selection rather than the primary jail IPv4 address.
security.jail.param.ip6 | auto | N | | Jail IPv6 address virtualization
security.jail.param.ip6. | auto | E,jailsys t | = 0 | Jail IPv6 address virtualization
security.jail.param.ip6.addr | auto | S,in6_addr,a w | call length 16 | Jail IPv6 addresses
security.jail.param.ip6.saddrsel | auto | B w | = 0 | Do (not) use IPv6 source address selection rather than the primary jail IPv6 address.
security.jail.param.sysvmsg | auto | N | | SYSV message queues
security.jail.param.sysvmsg. | auto | E,jailsys w | = 0 | SYSV message queues
security.jail.param.sysvsem | auto | N | | SYSV semaphores
security.jail.param.sysvsem. | auto | E,jailsys w | = 0 | SYSV semaphores
security.jail.param.sysvshm | auto | N | | SYSV shared memory
security.jail.param.sysvshm. | auto | E,jailsys w | = 0 | SYSV shared memory
security.jail.param.allow | auto | N | | Jail permission flags
security.jail.param.allow.set_hostname | auto | B w | = 0 | Jail may set hostname
security.jail.param.allow.sysvipc | auto | B w | = 0 | Jail may use SYSV IPC
security.jail.param.allow.raw_sockets | auto | B w | = 0 | Jail may create raw sockets
security.jail.param.allow.chflags | auto | B w | = 0 | Jail may alter system file flags
security.jail.param.allow.quotas | auto | B w | = 0 | Jail may set file quotas
security.jail.param.allow.socket_af | auto | B w | = 0 | Jail may create sockets other than just UNIX/IPv4/IPv6/route
security.jail.param.allow.mlock | auto | B w | = 0 | Jail may lock (unlock) physical pages in memory
security.jail.param.allow.reserved_ports | auto | B w | = 0 | Jail may bind sockets to reserved ports
security.jail.param.allow.read_msgbuf | auto | B w | = 0 | Jail may read the kernel message buffer
security.jail.param.allow.unprivileged_proc_debug | auto | B w | = 0 | Unprivileged processes may use process debugging facilities
security.jail.param.allow.suser | auto | B w | = 0 | Processes in jail with uid 0 have privilege
security.jail.param.allow.nfsd | auto | B w | = 0 | Mountd/nfsd may run in the jail
security.jail.param.allow.mount | auto | N | | Jail mount/unmount permission flags
security.jail.param.allow.mount. | auto | B w | = 0 | Jail may mount/unmount jail-friendly file systems in general
security.jail.param.allow.mount.devfs | auto | B w | = 0 | Jail may mount the devfs file system
security.jail.param.allow.mount.fdescfs | auto | B w | = 0 | Jail may mount the fdescfs file system
security.jail.param.allow.mount.nullfs | auto | B w | = 0 | Jail may mount the nullfs file system
security.jail.param.allow.mount.procfs | auto | B w | = 0 | Jail may mount the procfs file system
security.jail.param.allow.mount.tmpfs | auto | B w | = 0 | Jail may mount the tmpfs file system
security.bsd | auto | N | | BSD security policy
security.bsd.see_other_uids | auto | I w | = 1 | Unprivileged processes may see subjects/objects with different real uid
security.bsd.see_other_gids | auto | I w | = 1 | Unprivileged processes may see subjects/objects with different real gid
security.bsd.unprivileged_proc_debug | auto | I w | = 1 | Unprivileged processes may use process debugging facilities
security.bsd.unprivileged_mlock | auto | I w | = 1 | Allow non-root users to call mlock(2)
security.bsd.unprivileged_idprio | auto | I w | = 0 | Allow non-root users to set an idle priority
security.bsd.hardlink_check_uid | auto | I w | = 0 | Unprivileged processes cannot create hard links to files owned by other users
security.bsd.stack_guard_page | auto | I w | = 1 | Specifies the number of guard pages for a stack that grows
security.bsd.map_at_zero | auto | I w | = 0 | Permit processes to map an object at virtual address 0.
security.bsd.unprivileged_get_quota | auto | I w | = 0 | Unprivileged processes may retrieve quotas for other uids and gids
security.bsd.allow_read_dir | auto | I w | = 0 | Enable read(2) of directory by root for filesystems that support it
security.bsd.hardlink_check_gid | auto | I w | = 0 | Unprivileged processes cannot create hard links to files owned by other groups
security.bsd.unprivileged_chroot | auto | I w | = 0 | Unprivileged processes can use chroot(2)
security.bsd.allow_ptrace | auto | CU w | = 1 | Deny ptrace(2) use by returning ENOSYS
security.bsd.conservative_signals | auto | I w | = 1 | Unprivileged processes prevented from sending certain signals to processes whose credentials have changed
security.bsd.see_jail_proc | auto | I w | = 1 | Unprivileged processes may see subjects/objects with different jail ids
security.bsd.suser_enabled | auto | I w | = 1 | Processes with uid 0 have privilege
security.bsd.unprivileged_read_msgbuf | auto | I w | call msgbuf_readable | Unprivileged processes may read the kernel message buffer
"""


class SysctlError(Exception):
    """A row of the table that cannot be."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One name. `kind` is FreeBSD's type and flags; `how` is '', '=', 'file' or 'call'."""

    name: str
    number: int
    kind: int
    format: str
    how: str
    function: str
    text: str
    value: int
    description: str

    @property
    def is_node(self) -> bool:
        """True for a node, with or without a function of its own."""
        return self.kind & 0xF == KIND["N"]

    @property
    def parent(self) -> str:
        """The name of the node above; '' for the root."""
        return self.name.rpartition(".")[0]


def _source(source: str, letter: str) -> tuple[str, str, str, int]:
    """(how, function, text, value) of a row's source."""
    words = source.split()
    if not words:
        return "", "", "", 0
    if words[0] == "=":
        text = source[1:].strip()
        if letter == "A":
            if text[:1] != '"' or text[-1:] != '"':
                raise SysctlError("a string's constant stands in quotes")
            return "=", "string", text[1:-1], 0
        return "=", "number", "", int(text, 0)
    if words[0] == "file" and len(words) == 4:
        # The field in the highest byte, the default below it.
        return "file", "file", words[1], int(words[2]) << 56 | int(words[3])
    if words[0] == "call" and len(words) in (2, 3):
        return "call", words[1], "", int(words[2]) if len(words) == 3 else 0
    raise SysctlError(f"unknown source {source!r}")


def _parse(text: str) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    taken: dict[str, set[int]] = {}
    for line in text.strip().splitlines():
        columns = [column.strip() for column in line.split("|", 4)]
        try:
            name, number_text, type_text, source, description = columns
            letter, _, flags = type_text.partition(" ")
            base = letter.partition(",")[0]
            how, function, constant, value = _source(source, base)
        except (ValueError, SysctlError) as error:
            raise SysctlError(f"{line!r}: {error}") from None
        parent = name.rpartition(".")[0]
        if parent and not (parent in rows and rows[parent].is_node):
            raise SysctlError(f"{name}: its node is missing")
        used = taken.setdefault(parent, set())
        number = max([AUTO - 1, *used]) + 1 if number_text == "auto" else int(number_text)
        if number in used or name in rows:
            raise SysctlError(f"{name}: twice")
        used.add(number)
        kind = KIND[base] | CTLFLAG_RD | CTLFLAG_MPSAFE
        if "w" in flags or "W" in flags:
            kind |= CTLFLAG_WR
        if "W" in flags:
            kind |= CTLFLAG_ANYBODY
        if "s" in flags:
            kind |= CTLFLAG_SKIP
        if "t" in flags:
            kind |= CTLFLAG_TUN
        if "c" in flags:
            kind |= CTLFLAG_CAPRD
        if "C" in flags:
            kind |= CTLFLAG_CAPWR
        if "g" in flags:
            kind |= CTLFLAG_GUESTS
        rows[name] = Row(name, number, kind, letter, how, function, constant, value, description)
    return tuple(rows.values())


TABLE: tuple[Row, ...] = _parse(ROWS)
BY_NAME: dict[str, Row] = {row.name: row for row in TABLE}


def numbers(name: str) -> tuple[int, ...]:
    """The whole number of a name, from the root."""
    parts = name.split(".")
    return tuple(BY_NAME[".".join(parts[: i + 1])].number for i in range(len(parts)))


def ordered() -> list[tuple[Row | None, int, int]]:
    """(row, index of its first child, number of children): the root (None) first, the children of a node together and
    by number."""
    children: dict[str, list[Row]] = {}
    for row in TABLE:
        children.setdefault(row.parent, []).append(row)
    result: list[tuple[Row | None, int, int]] = []
    queue: list[Row | None] = [None]
    following = 1
    for parent in queue:
        below = sorted(children.get(parent.name if parent else "", []), key=lambda child: child.number)
        result.append((parent, following if below else 0, len(below)))
        queue += below
        following += len(below)
    return result

/* Linux's own headers, for its numbers (numbers.pxi declares them as LINUX_*), with what older headers than these lack. */
#ifndef LSF_LINUX_H
#define LSF_LINUX_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/audit.h>
#include <linux/auxvec.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/kcmp.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/memfd.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/personality.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/stat.h>

/* Members that these headers define as macros; the structs that are declared beside them have members of those names. */
#undef sa_handler
#undef sa_sigaction
#undef si_pid
#undef si_uid
#undef si_timerid
#undef si_overrun
#undef si_status
#undef si_utime
#undef si_stime
#undef si_value
#undef si_int
#undef si_ptr
#undef si_addr
#undef si_addr_lsb
#undef si_lower
#undef si_upper
#undef si_pkey
#undef si_band
#undef si_fd
#undef si_call_addr
#undef si_syscall
#undef si_arch
#undef sigev_notify_function
#undef sigev_notify_attributes
#undef sigev_notify_thread_id
#undef st_atime
#undef st_mtime
#undef st_ctime

/* The kernel's own: a handler returns them, no program sees them (linux/errno.h). */
#define ERESTARTSYS 512		/* begin the call anew after a handler with SA_RESTART; EINTR after another one */
#define ERESTARTNOINTR 513	/* begin the call anew after any handler */

/* Numbers of the kernel's that no header for programs has. */
#define LSF_USER_CS 0x33	/* __USER_CS of arch/x86/include/asm/segment.h */
#define LSF_USER_DS 0x2b	/* __USER_DS */
#define LSF_STK_LIM (8 << 20)	/* _STK_LIM: the soft limit of the stack that nobody has chosen */
#define LSF_MAX_ARG_STRLEN 131072	/* include/uapi/linux/binfmts.h: of one argument, with its NUL */
#define LSF_PF_KTHREAD 0x00200000	/* include/linux/sched.h, in /proc/PID/stat */

/* Beside <termios.h> and <signal.h>, which have structs of the same names, these cannot be included. */
#define BOTHER 0010000		/* asm/termbits.h */
#define IBSHIFT 16
#undef TCGETS2			/* their sizes are those of struct termios2 */
#define TCGETS2 0x802c542a
#undef TCSETS2
#define TCSETS2 0x402c542b
#define SA_RESTORER 0x04000000	/* asm/signal.h */
#define SYS_USER_DISPATCH 2	/* asm/siginfo.h */
#define PIDFD_GET_INFO 0xc040ff0bUL	/* linux/pidfd.h, Linux 6.13 */
#define PIDFD_INFO_EXIT 8	/* Linux 6.15 */
#undef SYS_SECCOMP
#define SYS_SECCOMP 1		/* asm/siginfo.h */

/* What the headers of older systems lack. */
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 2
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif
#ifndef MADV_KEEPONFORK
#define MADV_KEEPONFORK 19
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
/* An enumerator, which the preprocessor cannot ask for (<sys/wait.h>). */
#define LSF_P_PIDFD 3
#ifndef RESOLVE_BENEATH
#define RESOLVE_BENEATH 8
#endif
#ifndef RESOLVE_NO_MAGICLINKS
#define RESOLVE_NO_MAGICLINKS 2
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74	/* linux/in6.h */
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000
#endif
#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000	/* include/linux/statfs.h */
#endif
#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif
#ifndef SYSLOG_ACTION_READ_ALL	/* include/linux/syslog.h */
#define SYSLOG_ACTION_READ_ALL 3
#define SYSLOG_ACTION_SIZE_BUFFER 10
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#endif

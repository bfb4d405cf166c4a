/*
 * Capability mode: cap_enter(2), capsicum(4); sys/kern/syscalls.master (CAPENABLED), subr_syscall.c, and the handlers that look at
 * IN_CAPABILITY_MODE.
 */
#include "guest.h"
#include <sys/capsicum.h>
#include <sys/cpuset.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/un.h>
#include <sys/user.h>
#include <netinet/in.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

static u32
mode(void)
{
	u32 value = 7;

	CHECK_EQ(sys(SYS_cap_getmode, &value), 0);
	return (value);
}

static void
enter(void)
{
	CHECK_EQ(mode(), 0);
	CHECK_EQ(sys(SYS_cap_enter), 0);
	CHECK_EQ(mode(), 1);
}

TEST(names_are_gone)
{
	struct stat st;
	char text[64];
	int dir = OPEN(".", O_RDONLY);

	CHECK_EQ(sys(SYS_close, OPEN("f", O_CREAT | O_RDWR)), 0);
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	CHECK_ERR(sys(SYS_cap_getmode, 0), EFAULT);
	enter();
	CHECK_EQ(sys(SYS_cap_enter), 0);
	CHECK_ERR(sys(SYS_open, "f", O_RDONLY), ECAPMODE);
	CHECK_ERR(sys(SYS_access, "f", 0), ECAPMODE);
	CHECK_ERR(sys(SYS_chdir, "d"), ECAPMODE);
	CHECK_ERR(sys(SYS_fchdir, dir), ECAPMODE);
	CHECK_ERR(sys(SYS_mkdir, "e", 0755), ECAPMODE);
	CHECK_ERR(sys(SYS_unlink, "f"), ECAPMODE);
	CHECK_ERR(sys(SYS_rename, "f", "g"), ECAPMODE);
	CHECK_ERR(sys(SYS_readlink, "f", text, 1), ECAPMODE);
	CHECK_ERR(sys(SYS___getcwd, text, sizeof(text)), ECAPMODE);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], guest_argv, guest_envp), ECAPMODE);
	CHECK_ERR(sys(SYS_chroot, "d"), ECAPMODE);
	CHECK_ERR(sys(SYS_mount, "nullfs", "d", 0, NULL), ECAPMODE);
	CHECK_ERR(sys(SYS_ptrace, 0, 0, NULL, 0), ECAPMODE);
	CHECK_ERR(sys(SYS_syscall, SYS_open, "f", O_RDONLY), ECAPMODE);
	CHECK_ERR(sys(SYS___syscall, SYS_open, "f", O_RDONLY), ECAPMODE);
	/* The current directory is no place to begin either. */
	CHECK_ERR(sys(SYS_openat, AT_FDCWD, "f", O_RDONLY), ECAPMODE);
	CHECK_ERR(sys(SYS_openat, AT_FDCWD, "/", O_RDONLY), ECAPMODE);
	CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "f", &st, 0), ECAPMODE);
	CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "f", 0), ECAPMODE);
	CHECK_ERR(sys(SYS_openat, AT_FDCWD, 8, O_RDONLY), EFAULT);
	/* A directory that is open is. */
	CHECK_OK(sys(SYS_openat, dir, "f", O_RDONLY));
	CHECK_EQ(sys(SYS_fstatat, dir, "f", &st, 0), 0);
	CHECK_OK(sys(SYS_openat, dir, "d/../f", O_RDONLY));
	CHECK_ERR(sys(SYS_openat, dir, "../x", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "/", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fstatat, dir, "/", &st, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_mkdirat, dir, "e", 0755), 0);
	CHECK_ERR(sys(SYS_openat, 999, "f", O_RDONLY), EBADF);
	/* All else goes on. */
	CHECK_EQ(sys(SYS_getppid) > 0, 1);
	CHECK_OK(sys(SYS_pipe2, text, 0));
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0));
}

TEST(what_arguments_say)
{
	struct sockaddr_in to = { .sin_len = sizeof(to), .sin_family = AF_INET, .sin_port = 0x3500, .sin_addr = { 0x0100007f } };
	struct sockaddr_un local = { .sun_len = sizeof(local), .sun_family = AF_UNIX, .sun_path = "s" };
	int udp = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), dir = OPEN(".", O_RDONLY), unix_;
	int mib[2] = { CTL_KERN, KERN_OSRELDATE }, secret[2] = { CTL_KERN, KERN_MAXPROC }, value;
	size_t size = sizeof(value);
	cpuset_t set;
	long tid;
	u64 base;

	CHECK_EQ(sys(SYS_thr_self, &tid), 0);
	enter();
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 0), 0);
	CHECK_ERR(sys(SYS_kill, sys(SYS_getppid), 0), ECAPMODE);
	CHECK_ERR(sys(SYS_kill, 0, 0), ECAPMODE);
	CHECK_ERR(sys(SYS_kill, -1, 0), ECAPMODE);
	CHECK_ERR(sys(SYS_thr_kill2, sys(SYS_getpid), tid, 0), ECAPMODE);
	CHECK_EQ(sys(SYS_thr_kill, tid, 0), 0);
	CHECK_ERR(sys(SYS_bind, udp, &to, sizeof(to)), ECAPMODE);
	CHECK_ERR(sys(SYS_connect, udp, &to, sizeof(to)), ECAPMODE);
	CHECK_ERR(sys(SYS_sendto, udp, "x", 1, 0, &to, sizeof(to)), ECAPMODE);
	CHECK_ERR(sys(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP), ECAPMODE);
	CHECK_ERR(sys(SYS_socket, AF_ROUTE, SOCK_RAW, 0), ECAPMODE);
	CHECK_OK(sys(SYS_socket, AF_INET6, SOCK_STREAM, 0));
	unix_ = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_bindat, AT_FDCWD, unix_, &local, sizeof(local)), ECAPMODE);
	CHECK_EQ(sys(SYS_bindat, dir, unix_, &local, sizeof(local)), 0);
	CHECK_ERR(sys(SYS_connectat, AT_FDCWD, unix_, &local, sizeof(local)), ECAPMODE);
	CHECK_ERR(sys(SYS_fcntl, udp, F_KINFO, 0), ECAPMODE);
	CHECK_ERR(sys(SYS_shm_open2, "/x", O_RDWR | O_CREAT, 0600, 0, NULL), ECAPMODE);
	CHECK_OK(sys(SYS_shm_open2, 1 /* SHM_ANON */, O_RDWR, 0600, 0, NULL));
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof(set), &set), 0);
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_TID, tid, sizeof(set), &set), 0);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, sys(SYS_getppid), sizeof(set), &set), ECAPMODE);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_ROOT, CPU_WHICH_PID, -1, sizeof(set), &set), ECAPMODE);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &base), 0);
	CHECK_ERR(sys(SYS_sysarch, I386_SET_IOPERM, &base), ECAPMODE);
	/* Of sysctl what is marked. */
	CHECK_EQ(sys(SYS___sysctl, mib, 2, &value, &size, NULL, 0), 0);
	CHECK_ERR(sys(SYS___sysctl, secret, 2, &value, &size, NULL, 0), EPERM);
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.maxproc", 12, &value, &size, NULL, 0), EPERM);
	size = sizeof(value);
	CHECK_EQ(sys(SYS___sysctlbyname, "hw.ncpu", 7, &value, &size, NULL, 0), 0);
	CHECK_ERR(sys(SYS_procctl, P_PID, 0, PROC_TRAPCAP_STATUS, &value), ECAPMODE);
	CHECK_ERR(sys(SYS_wait6, P_PID, 1, NULL, 0, NULL, NULL), ECAPMODE);
}

static volatile int had, had_code, had_errno, had_call;

static void
on_trap(int signo, siginfo_t *info, void *context)
{
	(void)context;
	had = signo;
	had_code = info->si_code;
	had_errno = info->si_errno;
	had_call = info->si_syscall;
}

static void
trap_handler(void)
{
	struct sigaction sa = { 0 };

	sa.sa_sigaction = on_trap;
	sa.sa_flags = SA_SIGINFO;
	CHECK_EQ(sys(SYS_sigaction, SIGTRAP, &sa, NULL), 0);
}

TEST(trap)
{
	int enable = PROC_TRAPCAP_CTL_ENABLE, fd;
	cap_rights_t rights = { { 1UL << 57, 1UL << 58 } };

	trap_handler();
	fd = OPEN("f", O_CREAT | O_RDWR);
	CHECK_EQ(sys(SYS_cap_rights_limit, fd, &rights), 0);
	CHECK_EQ(sys(SYS_procctl, P_PID, sys(SYS_getpid), PROC_TRAPCAP_CTL, &enable), 0);
	/* In capability mode alone. */
	CHECK_ERR(sys(SYS_read, fd, &rights, 1), ENOTCAPABLE);
	CHECK_EQ(had, 0);
	enter();
	CHECK_ERR(sys(SYS_open, "f", O_RDONLY), ECAPMODE);
	CHECK_EQ(had, SIGTRAP);
	CHECK_EQ(had_code, TRAP_CAP);
	CHECK_EQ(had_errno, ECAPMODE);
	CHECK_EQ(had_call, SYS_open);
	had = 0;
	CHECK_ERR(sys(SYS_read, fd, &rights, 1), ENOTCAPABLE);
	CHECK_EQ(had, SIGTRAP);
	CHECK_EQ(had_errno, ENOTCAPABLE);
}

/* Inherited by a child; blocked it kills. */
TEST(trap_blocked)
{
	int enable = PROC_TRAPCAP_CTL_ENABLE, pid, status;
	sigset_t block = { { 1U << (SIGTRAP - 1) } };

	trap_handler();
	CHECK_EQ(sys(SYS_procctl, P_PID, sys(SYS_getpid), PROC_TRAPCAP_CTL, &enable), 0);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_sigprocmask, SIG_BLOCK, &block, NULL);
		sys(SYS_cap_enter);
		sys(SYS_open, "f", O_RDONLY);
		guest_exit(0);
	}
	status = guest_wait(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP);
}

HELPER(still)
{
	CHECK_EQ(mode(), 1);
	CHECK_ERR(sys(SYS_open, "f", O_RDONLY), ECAPMODE);
	guest_exit(0);
}

/* In a process that has entered it: what comes of it is, too. */
static void
inside(int script, int self)
{
	char *args[] = { guest_argv[0], "@still", NULL }, told = 0;
	int ends[2], pid;

	enter();
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	pid = guest_fork();
	if (pid == 0) {
		told = mode() == 1 && sys(SYS_open, "f", O_RDONLY) == -ECAPMODE ? 'y' : 'n';
		sys(SYS_write, ends[1], &told, 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &told, 1), 1);
	CHECK_EQ(told, 'y');
	pid = (int)sys(SYS_vfork);
	if (pid == 0) {
		told = sys(SYS_open, "f", O_RDONLY) == -ECAPMODE ? 'v' : 'n';
		sys(SYS_write, ends[1], &told, 1);
		guest_exit(0);
	}
	if (GUEST_RELEASE >= 15) {
		CHECK_OK(pid);
		CHECK_EQ(sys(SYS_read, ends[0], &told, 1), 1);
		CHECK_EQ(told, 'v');
	} else
		CHECK_EQ(pid, -ECAPMODE);
	CHECK_ERR(sys(SYS_fexecve, script, args, guest_envp), ECAPMODE);
	sys(SYS_fexecve, self, args, guest_envp);
	guest_exit(9);
}

TEST(children_and_exec)
{
	int self, pid, status, script;

	self = OPEN(guest_argv[0], O_RDONLY);
	script = OPEN("script", O_CREAT | O_RDWR);
	CHECK_EQ(sys(SYS_write, script, "#!/bin/sh\n", 10), 10);
	CHECK_EQ(sys(SYS_fchmod, script, 0755), 0);
	CHECK_EQ(sys(SYS_close, script), 0);
	script = OPEN("script", O_RDONLY);
	pid = guest_fork();
	if (pid == 0)
		inside(script, self);
	status = guest_wait(pid);
	CHECK_EQ(status, 0);
}

/* A child of vfork that enters capability mode leaves its parent outside. */
TEST(vfork_enters)
{
	int pid = (int)sys(SYS_vfork), status;

	if (pid == 0) {
		sys(SYS_cap_enter);
		guest_exit(sys(SYS_open, ".", O_RDONLY) == -ECAPMODE ? 0 : 1);
	}
	status = guest_wait(pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(mode(), 0);
	CHECK_OK(sys(SYS_open, ".", O_RDONLY));
}

static volatile u32 go, ready, seen;
static char stack[2][65536] __attribute__((aligned(16)));
static long tids[2];

static void
thread(void *arg)
{
	(void)arg;
	__atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST))
		sys(SYS_sched_yield);
	if (sys(SYS_open, ".", O_RDONLY) == -ECAPMODE)
		__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	sys(SYS_thr_exit, NULL);
}

static void
start(int i)
{
	struct thr_param param = { .start_func = thread, .stack_base = stack[i], .stack_size = sizeof(stack[i]), .child_tid = &tids[i] };

	CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
}

/* The threads that there are, and those that come. */
TEST(threads)
{
	start(0);
	while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST))
		sys(SYS_sched_yield);
	enter();
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 2)
		sys(SYS_sched_yield);
	CHECK_EQ(seen, 1);
	__atomic_store_n(&ready, 0, __ATOMIC_SEQ_CST);
	start(1);
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 2)
		sys(SYS_sched_yield);
	CHECK_EQ(seen, 2);
}

TEST(shown)
{
	struct kinfo_proc kp;
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, 0 }, ends[2][2], pid;
	size_t size = sizeof(kp);
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends[0], 0), 0);
	CHECK_EQ(sys(SYS_pipe2, ends[1], 0), 0);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_cap_enter);
		sys(SYS_write, ends[0][1], "x", 1);
		sys(SYS_read, ends[1][0], &c, 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0][0], &c, 1), 1);
	mib[3] = pid;
	CHECK_EQ(sys(SYS___sysctl, mib, 4, &kp, &size, NULL, 0), 0);
	CHECK_EQ(kp.ki_cr_flags & KI_CRF_CAPABILITY_MODE, KI_CRF_CAPABILITY_MODE);
	mib[3] = (int)sys(SYS_getpid);
	CHECK_EQ(sys(SYS___sysctl, mib, 4, &kp, &size, NULL, 0), 0);
	CHECK_EQ(kp.ki_cr_flags & KI_CRF_CAPABILITY_MODE, 0);
	CHECK_EQ(sys(SYS_write, ends[1][1], "x", 1), 1);
	guest_wait(pid);
}

/* wait4 is there since 15, and finds no child that has a descriptor. */
TEST(waits)
{
	int fd, pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0)), other, status;

	if (pid == 0) {		/* it goes on: one that has ended is found all the same (kern_wait6) */
		guest_sleep_ms(60000);
		guest_exit(0);
	}
	other = guest_fork();
	if (other == 0)
		guest_exit(3);
	enter();
	if (GUEST_RELEASE < 15) {
		CHECK_ERR(sys(SYS_wait4, other, &status, 0, NULL), ECAPMODE);
		return;
	}
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
	CHECK_EQ(sys(SYS_wait4, other, &status, 0, NULL), other);
	CHECK_EQ(status, 3 << 8);
}

/* kern.trap_enotcap (sys_capability.c) is PROC_TRAPCAP_CTL for everybody. For test_machine_settings.py, since it is the whole machine's. */
static long
enotcap(const u8 *set, u8 *now)
{
	size_t size = 1;

	return (sys(SYS___sysctlbyname, "kern.trap_enotcap", 17, now, &size, set, set ? 1 : 0));
}

HELPER(machine)
{
	u8 on = 7, off = 0, now = 9;

	CHECK_EQ(enotcap(NULL, &now), 0);
	CHECK_EQ(now, 0);
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.trap_enotcap", 17, NULL, NULL, &on, 0), EINVAL);
	CHECK_EQ(enotcap(&on, &now), 0);
	CHECK_EQ(now, 0);
	CHECK_EQ(enotcap(NULL, &now), 0);
	CHECK_EQ(now, 1);
	trap_handler();
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_setuid, 65534), 0);
		CHECK_ERR(enotcap(&off, &now), EPERM);
		enter();
		CHECK_ERR(sys(SYS_open, "f", O_RDONLY), ECAPMODE);
		CHECK_EQ(had, SIGTRAP);
		CHECK_EQ(had_code, TRAP_CAP);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(enotcap(&off, &now), 0);
	CHECK_EQ(now, 1);
	enter();
	CHECK_ERR(sys(SYS_open, "f", O_RDONLY), ECAPMODE);
	CHECK_EQ(had, 0);
	say("ok\n");
	guest_exit(0);
}

/*
 * ktrace(2) and utrace(2): what a process writes about itself and its children (sys/kern/kern_ktrace.c, sys/ktrace.h).
 */
#include "trace_file.h"
#include <sys/capsicum.h>
#include <sys/cpuset.h>
#include <sys/event.h>
#include <sys/poll.h>
#include <sys/procctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/thr.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <machine/trap.h>
#include <vm/vm.h>
#include <vm/vm_param.h>

TEST(calls)
{
	struct ktr_syscall *call;
	struct ktr_sysret *back;
	int fd;

	begin(KTRFAC_SYSCALL | KTRFAC_SYSRET | KTRFAC_NAMEI | KTRFAC_GENIO);
	fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0644));
	CHECK_EQ(sys(SYS_write, fd, "hello", 5), 5);
	CHECK_ERR(sys(SYS_access, "missing", 0), ENOENT);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	CHECK_EQ(sys(SYS_lseek, fd, 0, 0), 0);
	read_all();
	/* The first is what the call that began it came to. */
	back = next(0, 0);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_SYSRET);
	CHECK_EQ(back->ktr_code, SYS_ktrace);
	CHECK_EQ(back->ktr_error, 0);
	call = next(0, 0);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_SYSCALL);
	CHECK_EQ(header->ktr_pid, sys(SYS_getpid));
	CHECK_EQ(call->ktr_code, SYS_open);
	CHECK_EQ(call->ktr_narg, 3);
	CHECK_EQ(call->ktr_args[1], O_RDWR | O_CREAT);
	CHECK_EQ(call->ktr_args[2], 0644);
	char *name = next(0, 0);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_NAMEI);
	CHECK_EQ(header->ktr_len, 4);
	CHECK_EQ(memcmp(name, "file", 4), 0);
	back = next(0, 0);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_SYSRET);
	CHECK_EQ(back->ktr_code, SYS_open);
	CHECK_EQ(back->ktr_error, 0);
	CHECK_EQ(back->ktr_retval, fd);
	struct ktr_genio *io = next(KTR_GENIO, 0);
	CHECK(io != NULL);
	CHECK_EQ(io->ktr_fd, fd);
	CHECK_EQ(io->ktr_rw, 1);
	CHECK_EQ(header->ktr_len, sizeof(*io) + 5);
	CHECK_EQ(memcmp(io + 1, "hello", 5), 0);
	do
		back = next(KTR_SYSRET, 0);
	while (back != NULL && back->ktr_code != SYS_access);
	CHECK(back != NULL);
	CHECK_EQ(back->ktr_error, ENOENT);
	CHECK_EQ(back->ktr_retval, 0);
	/* The last is the call that ended it. */
	call = next(KTR_SYSCALL, 0);
	while (call != NULL && call->ktr_code != SYS_ktrace)
		call = next(KTR_SYSCALL, 0);
	CHECK(call != NULL);
	CHECK(next(KTR_SYSCALL, 0) == NULL);
	/* Nobody else sees the descriptor. */
	CHECK_ERR(sys(SYS_fcntl, fd + 1, F_GETFD), EBADF);
}

TEST(only_what_was_asked_for)
{
	begin(KTRFAC_USER);
	CHECK_EQ(sys(SYS_utrace, "mark", 4), 0);
	CHECK_ERR(sys(SYS_utrace, "x", KTR_USER_MAXLEN + 1), EINVAL);
	CHECK_ERR(sys(SYS_utrace, 8, 4), EFAULT);
	CHECK_EQ(trace(KTROP_CLEAR, KTRFAC_USER), 0);
	CHECK_EQ(sys(SYS_utrace, "lost", 4), 0);
	read_all();
	char *text = next(0, 0);
	CHECK(text != NULL);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_USER);
	CHECK_EQ(header->ktr_len, 4);
	CHECK_EQ(memcmp(text, "mark", 4), 0);
	CHECK(next(0, 0) == NULL);
	/* Untraced, neither size nor address is looked at. */
	CHECK_EQ(sys(SYS_utrace, 8, 100000), 0);
}

static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

TEST(signals)
{
	struct ktr_psig *p;
	int pid;

	begin(KTRFAC_PSIG | KTRFAC_INHERIT);
	guest_handle(SIGUSR1, nothing, 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), SIGTERM);
	read_all();
	p = next(KTR_PSIG, (int)sys(SYS_getpid));
	CHECK(p != NULL);
	CHECK_EQ(p->signo, SIGUSR1);
	CHECK_EQ(p->action, (sig_t)nothing);
	CHECK_EQ(p->code, SI_USER);
	p = next(KTR_PSIG, pid);
	CHECK(p != NULL);
	CHECK_EQ(p->signo, SIGTERM);
	CHECK_EQ(p->action, SIG_DFL);
}

/* The next record of a type, but for calls of others than this number (and their returns). */
static void *
next_of(int type, int code)
{
	short *number;

	do
		number = next(type, 0);
	while (number != NULL && *number != code);
	return (number);
}

/* sigsuspend delivers the signal that ends it, and returns then; kill returns, and then its signal is delivered. */
TEST(signals_that_sigsuspend_waits_for)
{
	sigset_t none = { { 0 } }, set = { { 1u << (SIGUSR1 - 1) } };
	struct ktr_sysret *r;
	struct ktr_psig *p;
	long back;
	int i;

	guest_handle(SIGUSR1, nothing, 0);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
		begin(KTRFAC_SYSCALL | KTRFAC_SYSRET | KTRFAC_PSIG);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
		if (i == 0)
			CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
		else
			CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
		CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
		read_all();
		r = next_of(KTR_SYSRET, i == 0 ? SYS_sigsuspend : SYS_sigprocmask);
		CHECK(r != NULL);
		CHECK_EQ(r->ktr_error, i == 0 ? EINTR : 0);
		back = at;
		at = 0;
		p = next(KTR_PSIG, 0);
		CHECK(p != NULL);
		CHECK_EQ(p->signo, SIGUSR1);
		CHECK_EQ(p->action, (sig_t)nothing);
		CHECK_EQ(at < back, i == 0);
	}
}

/* Who dies of the signal that ends its sigsuspend does not return. */
TEST(of_one_that_dies_in_sigsuspend)
{
	sigset_t none = { { 0 } }, set = { { 1u << (SIGTERM - 1) } };
	int pid;

	begin(KTRFAC_SYSRET | KTRFAC_PSIG | KTRFAC_INHERIT);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL);
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		sys(SYS_sigsuspend, &none);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), SIGTERM);
	read_all();
	CHECK(next(KTR_PSIG, pid) != NULL);
	CHECK(next_of(KTR_SYSRET, SYS_sigsuspend) == NULL);
	at = 0;
	CHECK(next_of(KTR_SYSRET, SYS_sigsuspend) == NULL);
}

/* Who kills itself: the call returns before its signal has its effect. */
TEST(of_one_that_kills_itself)
{
	struct ktr_sysret *r;
	struct ktr_psig *p;
	int pid;

	begin(KTRFAC_PSIG | KTRFAC_SYSRET | KTRFAC_INHERIT);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_kill, sys(SYS_getpid), SIGKILL);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), SIGKILL);
	read_all();
	do
		r = next(KTR_SYSRET, pid);
	while (r != NULL && r->ktr_code != SYS_kill);
	CHECK(r != NULL);
	CHECK_EQ(r->ktr_error, 0);
	p = next(KTR_PSIG, pid);
	CHECK(p != NULL);
	CHECK_EQ(p->signo, SIGKILL);
	CHECK_EQ(p->action, SIG_DFL);
	CHECK_EQ(p->code, 0);
}

HELPER(executed)
{
	CHECK_EQ(sys(SYS_utrace, "new image", 9), 0);
	CHECK_OK(sys(SYS_getpid));
}

/* The call that executed a program has its own name when it is over. */
TEST(executed_by_a_descriptor)
{
	char *const argv[] = { guest_argv[0], "@executed", NULL };
	struct ktr_sysret *back;
	int pid;

	begin(KTRFAC_SYSRET | KTRFAC_INHERIT);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_fexecve, CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY | O_CLOEXEC)), argv, guest_envp);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	do {
		back = next(KTR_SYSRET, pid);
		CHECK(back != NULL);
		CHECK_NE(back->ktr_code, SYS_execve);
	} while (back->ktr_code != SYS_fexecve);
	CHECK_EQ(back->ktr_error, -2);		/* EJUSTRETURN */
}

/* A child is traced where KTRFAC_INHERIT says so, and what it executes. */
TEST(children)
{
	char *const argv[] = { guest_argv[0], "@executed", NULL };
	int heirs[2];

	for (int inherit = 0; inherit < 2; inherit++) {
		begin(KTRFAC_SYSCALL | KTRFAC_SYSRET | KTRFAC_USER | KTRFAC_PROCCTOR | KTRFAC_PROCDTOR | (inherit ? KTRFAC_INHERIT : 0));
		heirs[inherit] = guest_fork();
		if (heirs[inherit] == 0) {
			sys(SYS_getppid);
			sys(SYS_execve, guest_argv[0], argv, guest_envp);
			guest_exit(3);
		}
		CHECK_EQ(guest_wait(heirs[inherit]), 0);
		CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
		read_all();
		if (!inherit) {
			CHECK(next(0, heirs[0]) == NULL);
			continue;
		}
		CHECK(next(KTR_PROCCTOR, heirs[1]) != NULL);
		struct ktr_sysret *back = next(KTR_SYSRET, heirs[1]);
		CHECK_EQ(back->ktr_code, SYS_fork);
		CHECK_EQ(back->ktr_retval, 0);
		do
			back = next(KTR_SYSRET, heirs[1]);
		while (back != NULL && back->ktr_code != SYS_execve);
		CHECK(back != NULL);
		CHECK_EQ(back->ktr_error, -2);	/* EJUSTRETURN */
		char *text = next(KTR_USER, heirs[1]);
		CHECK(text != NULL);
		CHECK_EQ(memcmp(text, "new image", 9), 0);
		CHECK(next(KTR_PROCDTOR, heirs[1]) != NULL);
	}
}

/* KTR_CAPFAIL: what Capsicum refuses, and, outside capability mode, which calls it would (subr_syscall.c, sys_capability.c). */
TEST(violations)
{
	cap_rights_t rights = { { CAP_WRITE, 1UL << 58 } }, more = { { CAP_WRITE | CAP_READ, 1UL << 58 } };
	struct ktr_cap_fail *got;
	int fd = (int)CHECK_OK(sys(SYS_open, "f", O_CREAT | O_RDWR, 0600));

	CHECK_EQ(sys(SYS_cap_rights_limit, fd, &rights), 0);
	begin(KTRFAC_CAPFAIL);
	sys(SYS_getpid);
	CHECK_ERR(sys(SYS_open, "none", O_RDONLY), ENOENT);
	CHECK_ERR(sys(SYS_read, fd, data, 1), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fcntl, fd, F_GETFL, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_cap_rights_limit, fd, &more), ENOTCAPABLE);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	got = next(KTR_CAPFAIL, 0);
	CHECK(got != NULL);
	CHECK_EQ(header->ktr_len, sizeof(*got));
	CHECK_EQ(got->cap_type, CAPFAIL_SYSCALL);
	CHECK_EQ(got->cap_code, SYS_open);
	CHECK_EQ(got->cap_svflags & 0xff, 9);
	for (int i = 0; i < 3; i++) {
		got = next(KTR_CAPFAIL, 0);
		CHECK(got != NULL);
		CHECK_EQ(got->cap_type, i == 2 ? CAPFAIL_INCREASE : CAPFAIL_NOTCAPABLE);
		CHECK_EQ(got->cap_code, i == 2 ? SYS_cap_rights_limit : i ? SYS_fcntl : SYS_read);
		CHECK_EQ(got->cap_data.cap_needed.cr_rights[0], i == 2 ? more.cr_rights[0] : i ? CAP_FCNTL : CAP_READ);
		CHECK_EQ(got->cap_data.cap_held.cr_rights[0], rights.cr_rights[0]);
	}
}

static union ktr_cap_data *
expect_violation(int type, int call)
{
	struct ktr_cap_fail *got = next(KTR_CAPFAIL, 0);

	CHECK(got != NULL);
	CHECK_EQ(header->ktr_len, sizeof(*got));
	CHECK_EQ(got->cap_type, type);
	CHECK_EQ(got->cap_code, call);
	return (&got->cap_data);
}

/* Calls that capability mode has, with what it does not let them have: paths, signals, protocols, addresses, sets of processors. */
TEST(violations_of_arguments)
{
	struct sockaddr_in own = { .sin_len = sizeof(own), .sin_family = AF_INET };
	u32 length = sizeof(own);
	cpuset_t cpus;
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), fd;
	char kinfo[8];

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	own.sin_addr.s_addr = 0x0100007f;
	CHECK_EQ(sys(SYS_bind, s, &own, sizeof(own)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &own, &length), 0);
	begin(KTRFAC_CAPFAIL);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getppid), 0), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 0), 0);
	sys(SYS_fcntl, s, F_KINFO, kinfo);
	CHECK_EQ(sys(SYS_fcntl, s, F_GETFD, 0), 0);
	sys(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	own.sin_len = 0;		/* the length is the call's to say */
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &own, sizeof(own)), 1);
	own.sin_len = sizeof(own);
	fd = (int)CHECK_OK(sys(SYS_openat, AT_FDCWD, ".", O_RDONLY));
	CHECK_OK(sys(SYS_openat, fd, "/", O_RDONLY));
	CHECK_OK(sys(SYS_openat, fd, ".", O_RDONLY));
	CHECK_ERR(sys(SYS_renameat, AT_FDCWD, "none", fd, "/none"), ENOENT);
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, sys(SYS_getppid), sizeof(cpus), &cpus), 0);
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(cpus), &cpus), 0);
	CHECK_OK(sys(SYS_shm_open2, SHM_ANON, O_RDWR, 0600, 0, NULL));
	sys(SYS_shm_open2, "/none", O_RDWR, 0600, 0, NULL);
	CHECK_ERR(sys(SYS_bindat, AT_FDCWD, s, &own, sizeof(own)), EINVAL);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	CHECK_EQ(expect_violation(CAPFAIL_SIGNAL, SYS_kill)->cap_int, 0);
	CHECK_EQ(expect_violation(CAPFAIL_SYSCALL, SYS_fcntl)->cap_int, F_KINFO);
	CHECK_EQ(expect_violation(CAPFAIL_PROTO, SYS_socket)->cap_int, IPPROTO_ICMP);
	CHECK_EQ(memcmp(&expect_violation(CAPFAIL_SOCKADDR, SYS_sendto)->cap_sockaddr, &own, sizeof(own)), 0);
	CHECK_STR(expect_violation(CAPFAIL_NAMEI, SYS_openat)->cap_path, "AT_FDCWD");
	CHECK_STR(expect_violation(CAPFAIL_NAMEI, SYS_openat)->cap_path, "/");
	CHECK_STR(expect_violation(CAPFAIL_NAMEI, SYS_renameat)->cap_path, "AT_FDCWD");
	expect_violation(CAPFAIL_CPUSET, SYS_cpuset_getaffinity);
	CHECK_STR(expect_violation(CAPFAIL_NAMEI, SYS_shm_open2)->cap_path, "/none");
	CHECK_STR(expect_violation(CAPFAIL_NAMEI, SYS_bindat)->cap_path, "AT_FDCWD");
	/* That ktrace(2) is none of its calls comes too late for FreeBSD's file. */
	if (next(0, 0) != NULL)
		CHECK_EQ(((struct ktr_cap_fail *)(header + 1))->cap_code, SYS_ktrace);
	CHECK(next(0, 0) == NULL);
}

/* Makes one call again and again, with a pause in which it waits for something. */
static void
call_on(int number)
{
	int signo = SIGKILL;

	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_PDEATHSIG_CTL, &signo), 0);
	for (;;) {
		sys(number);
		guest_sleep_ms(5);
	}
}

static int
calls_of(int pid, int number)
{
	struct ktr_syscall *call;
	int count = 0;

	read_all();
	while ((call = next(KTR_SYSCALL, pid)) != NULL)
		count += call->ktr_code == number;
	return (count);
}

/* True when no call is recorded for a while. *count: how many are. */
static int
calls_rest(int pid, int number, int *count)
{
	*count = calls_of(pid, number);
	guest_sleep_ms(40);
	return (calls_of(pid, number) == *count);
}

/* Other processes: by number, with those that come from it, a group; what they do is recorded from then on, and no more when that is cleared. */
TEST(others)
{
	int family[2], pair[2], facs = KTRFAC_SYSCALL | KTRFAC_PROCCTOR;

	CHECK_EQ(sys(SYS_pipe2, pair, 0), 0);
	family[0] = guest_fork();
	if (family[0] == 0) {
		CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
		family[1] = guest_fork();
		if (family[1] == 0)
			call_on(SYS_getuid);
		CHECK_EQ(sys(SYS_write, pair[1], &family[1], sizeof(int)), sizeof(int));
		call_on(SYS_getgid);
	}
	CHECK_EQ(sys(SYS_read, pair[0], &family[1], sizeof(int)), sizeof(int));
	guest_put(FILE_, "", 0);
	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET, facs, family[0]), 0);
	GUEST_UNTIL(calls_of(family[0], SYS_getgid) > 2);
	at = 0;
	CHECK(next(KTR_PROCCTOR, family[0]) != NULL);
	CHECK_EQ(calls_of(family[1], SYS_getuid), 0);
	CHECK_EQ(calls_of((int)sys(SYS_getpid), SYS_ktrace), 0);
	CHECK_EQ(sys(SYS_ktrace, NULL, KTROP_CLEAR, ~0, family[0]), 0);
	int before;
	GUEST_UNTIL(calls_rest(family[0], SYS_getgid, &before));

	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET | KTRFLAG_DESCEND, facs, family[0]), 0);
	GUEST_UNTIL(calls_of(family[0], SYS_getgid) > before);
	GUEST_UNTIL((before = calls_of(family[1], SYS_getuid)) > 0);
	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_CLEARFILE, 0, 0), 0);
	GUEST_UNTIL(calls_rest(family[1], SYS_getuid, &before));

	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET, facs, -family[0]), 0);
	GUEST_UNTIL(calls_of(family[1], SYS_getuid) > before);
	CHECK_ERR(sys(SYS_ktrace, FILE_, KTROP_SET, facs, -0x7ffffff0), ESRCH);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(sys(SYS_kill, family[i], SIGKILL), 0);
	CHECK_EQ(guest_wait(family[0]), SIGKILL);
}

/* A process that waits by sigwait(2), whatever it has blocked, is recorded from then on, and waits on. */
TEST(of_one_that_waits)
{
	sigset_t set = { { 1u << (SIGUSR1 - 1) } };
	int signo = 0;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_sigwait, &set, &signo), 0);
		CHECK_EQ(signo, SIGUSR1);
		sys(SYS_getuid);
		guest_exit(0);
	}
	guest_sleep_ms(50);
	guest_put(FILE_, "", 0);
	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET, KTRFAC_SYSCALL, pid), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(calls_of(pid, SYS_getuid), 1);
}

/* One that a tracer has stopped is recorded from when it goes on. */
TEST(of_one_that_is_stopped)
{
	int status, pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS_ptrace, PT_TRACE_ME, 0, 0, 0), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGSTOP), 0);
		sys(SYS_getuid);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK(WIFSTOPPED(status));
	guest_put(FILE_, "", 0);
	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET, KTRFAC_SYSCALL, pid), 0);
	CHECK_EQ(sys(SYS_ptrace, PT_CONTINUE, pid, 1, 0), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(calls_of(pid, SYS_getuid), 1);
}

/* One that job control has stopped, too, be it that who asked has ended by then. */
TEST(of_one_that_job_control_has_stopped)
{
	int status, asker, pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGSTOP), 0);
		for (int i = 0; i < 3; i++)
			sys(SYS_getuid);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGSTOP), 0);
		sys(SYS_getgid);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK_EQ(status, W_STOPCODE(SIGSTOP));
	guest_put(FILE_, "", 0);
	asker = guest_fork();
	if (asker == 0) {
		long before = guest_now_ms();
		CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_SET, KTRFAC_SYSCALL, pid), 0);
		CHECK(guest_now_ms() - before < 500);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(asker), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK_EQ(status, W_STOPCODE(SIGSTOP));
	CHECK_EQ(calls_of(pid, SYS_getuid), 3);
	CHECK_EQ(sys(SYS_ktrace, NULL, KTROP_CLEAR, ~0, pid), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(calls_of(pid, SYS_getgid), 0);
}

TEST(cleared_by_its_file)
{
	begin(KTRFAC_USER);
	guest_put("other", "", 0);
	CHECK_EQ(sys(SYS_ktrace, "other", KTROP_CLEARFILE, 0, 0), 0);
	CHECK_EQ(sys(SYS_utrace, "still", 5), 0);
	CHECK_EQ(sys(SYS_ktrace, FILE_, KTROP_CLEARFILE, 0, 0), 0);
	CHECK_EQ(sys(SYS_utrace, "gone", 4), 0);
	read_all();
	CHECK(next(KTR_USER, 0) != NULL);
	CHECK(next(KTR_USER, 0) == NULL);
}

TEST(errors)
{
	CHECK_ERR(trace(KTROP_SET, KTRFAC_SYSCALL), ENOENT);
	guest_put(FILE_, "", 0);
	CHECK_ERR(trace(KTROP_SET, 0), EINVAL);
	CHECK_EQ(trace(3, KTRFAC_SYSCALL), 0);		/* neither sets nor clears the file: it clears the points */
	CHECK_ERR(sys(SYS_ktrace, FILE_, KTROP_SET, KTRFAC_SYSCALL, 0x7ffffff0), ESRCH);
	CHECK_ERR(sys(SYS_ktrace, "/dev/null", KTROP_SET, KTRFAC_SYSCALL, sys(SYS_getpid)), EACCES);
	CHECK_EQ(sys(SYS_symlink, FILE_, "link"), 0);
	CHECK_ERR(sys(SYS_ktrace, "link", KTROP_SET, KTRFAC_SYSCALL, sys(SYS_getpid)), EMLINK);
	CHECK_ERR(sys(SYS_ktrace, 8, KTROP_SET, KTRFAC_SYSCALL, sys(SYS_getpid)), EFAULT);
	CHECK_EQ(trace(KTROP_CLEAR, KTRFAC_SYSCALL), 0);
}

/* kern_ktrace.c (ktrstruct, ktrstructarray, ktrsysctl) and who calls them: the structs of a call by their names, what it is given before it, what it
 * gives after it, and that only where it did what was asked. */
static void
expect_struct(const char *name, const void *data, size_t n)
{
	char *got = next(KTR_STRUCT, 0);

	CHECK(got != NULL);
	CHECK_EQ(guest_strcmp(got, name), 0);
	CHECK_EQ(header->ktr_len, strlen(name) + 1 + n);
	CHECK_EQ(memcmp(got + strlen(name) + 1, data, n), 0);
}

static void
expect_array(const char *name, const void *data, size_t each, size_t count)
{
	struct ktr_struct_array *got = next(KTR_STRUCT_ARRAY, 0);

	CHECK(got != NULL);
	CHECK_EQ(got->struct_size, each);
	CHECK_EQ(guest_strcmp((char *)(got + 1), name), 0);
	CHECK_EQ(header->ktr_len, sizeof(*got) + strlen(name) + 1 + each * count);
	CHECK_EQ(memcmp((char *)(got + 1) + strlen(name) + 1, data, each * count), 0);
}

TEST(structs)
{
	static struct stat st;
	struct sockaddr_in own = { .sin_len = sizeof(own), .sin_family = AF_INET }, bound = own;
	struct kevent change, events[2];
	struct pollfd polled = { .events = POLLIN };
	u32 length = sizeof(bound);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), kq = (int)CHECK_OK(sys(SYS_kqueue));

	own.sin_addr.s_addr = 0x0100007f;
	polled.fd = s;
	EV_SET(&change, 7, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0, NULL);
	begin(KTRFAC_STRUCT | KTRFAC_STRUCT_ARRAY);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, ".", &st, 0), 0);
	CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "missing", &st, 0), ENOENT);
	own.sin_len = 0;		/* the length is the call's to say */
	CHECK_EQ(sys(SYS_bind, s, &own, sizeof(own)), 0);
	own.sin_len = sizeof(own);
	CHECK_EQ(sys(SYS_getsockname, s, &bound, &length), 0);
	CHECK_EQ(sys(SYS_kevent, kq, &change, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_poll, &polled, 1, 0), sys(SYS_poll, &polled, 1, 0));
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	expect_struct("stat", &st, sizeof(st));
	expect_struct("sockaddr", &own, sizeof(own));
	expect_struct("sockaddr", &bound, sizeof(bound));
	CHECK(next(KTR_STRUCT, 0) == NULL);
	at = 0;
	expect_array("kevent", &change, sizeof(change), 1);
	expect_array("kevent", events, sizeof(change), 0);
	expect_array("pollfd", &polled, sizeof(polled), 1);
	expect_array("pollfd", &polled, sizeof(polled), 1);
	CHECK(next(KTR_STRUCT_ARRAY, 0) == NULL);
}

/* sys_capability.c, kern_time.c, kern_cpuset.c, kern_thr.c, uipc_syscalls.c (kern_sendit, kern_recvit), and stat(2) of FreeBSD 11, of which the
 * kernel's is told. */
TEST(more_structs)
{
	struct itimerval timer = { { 0, 0 }, { 1000, 0 } }, back;
	struct sockaddr_in own = { .sin_len = sizeof(own), .sin_family = AF_INET }, from;
	struct iovec piece = { data, 1 };
	struct msghdr message = { .msg_name = &own, .msg_namelen = sizeof(own), .msg_iov = &piece, .msg_iovlen = 1 };
	cap_rights_t rights = { { CAP_WRITE | CAP_READ | CAP_FSTAT, 1UL << 58 } }, held;
	struct thr_param thread = { .flags = THR_SUSPENDED, .stack_size = 5 };
	static struct stat st;
	cpuset_t cpus;
	char old[128];
	u32 length = sizeof(own);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	int fd = (int)CHECK_OK(sys(SYS_open, "f", O_CREAT | O_RDWR, 0600));

	own.sin_addr.s_addr = 0x0100007f;
	CHECK_EQ(sys(SYS_bind, s, &own, sizeof(own)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &own, &length), 0);
	begin(KTRFAC_STRUCT);
	CHECK_EQ(sys(SYS_cap_rights_limit, fd, &rights), 0);
	CHECK_EQ(sys(SYS___cap_rights_get, CAP_RIGHTS_VERSION_00, fd, &held), 0);
	CHECK_ERR(sys(SYS___cap_rights_get, CAP_RIGHTS_VERSION_00, 999, &held), EBADF);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_VIRTUAL, &timer, &back), 0);
	CHECK_ERR(sys(SYS_setitimer, 3, &timer, NULL), EINVAL);
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(cpus), &cpus), 0);
	CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(cpus), &cpus), 0);
	CHECK_EQ(sys(SYS_sendmsg, s, &message, 0), 1);
	message.msg_name = &from;
	CHECK_EQ(sys(SYS_recvmsg, s, &message, 0), 1);
	thread.stack_base = (char *)8;
	CHECK_ERR(sys(SYS_thr_new, &thread, sizeof(thread)), EFAULT);
	CHECK_EQ(sys(SYS_freebsd11_stat, "f", old), 0);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "f", &st, 0), 0);
	read_all();
	expect_struct("caprights", &rights, sizeof(rights));
	expect_struct("caprights", &rights, sizeof(rights));
	expect_struct("itimerval", &timer, sizeof(timer));
	expect_struct("itimerval", &back, sizeof(back));
	expect_struct("cpuset_t", &cpus, sizeof(cpus));
	expect_struct("cpuset_t", &cpus, sizeof(cpus));
	expect_struct("sockaddr", &own, sizeof(own));
	expect_struct("sockaddr", &own, sizeof(own));
	expect_struct("thrparam", &thread, sizeof(thread));
	expect_struct("stat", &st, sizeof(st));
	CHECK(next(KTR_STRUCT, 0) == NULL);
}

static volatile char *behind;

static void
mend(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	sys(SYS_mprotect, behind, PAGE_SIZE, PROT_READ | PROT_WRITE);
}

/* vm_fault.c (vm_fault_trap): a fault that a signal comes of, before it. (What the kernel mends by itself is told of as well.) */
TEST(faults)
{
	struct ktr_fault *fault;
	struct ktr_faultend *end;

	behind = guest_map(PAGE_SIZE);
	CHECK_EQ(sys(SYS_mprotect, behind, PAGE_SIZE, PROT_READ), 0);
	guest_handle(SIGSEGV, mend, 0);
	guest_handle(SIGBUS, mend, 0);
	begin(KTRFAC_FAULT | KTRFAC_FAULTEND | KTRFAC_PSIG);
	behind[5] = 1;
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	do
		fault = next(KTR_FAULT, 0);
	while (fault != NULL && fault->vaddr != (vm_offset_t)behind + 5);
	CHECK(fault != NULL);
	CHECK_EQ(header->ktr_len, sizeof(*fault));
	CHECK_EQ(fault->type, VM_PROT_WRITE);
	end = next(KTR_FAULTEND, 0);
	CHECK(end != NULL);
	CHECK_EQ(header->ktr_len, sizeof(*end));
	CHECK_EQ(end->result, KERN_PROTECTION_FAILURE);
	CHECK(next(KTR_PSIG, 0) != NULL);
}

TEST(signals_that_are_waited_for)
{
	struct timespec time = { 5, 0 };
	sigset_t set = { { 1u << (SIGUSR1 - 1) } };
	struct ktr_psig *p;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	begin(KTRFAC_PSIG);
	CHECK_EQ(sys(SYS_sigtimedwait, &set, NULL, &time), SIGUSR1);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	p = next(KTR_PSIG, 0);
	CHECK(p != NULL);
	CHECK_EQ(p->signo, SIGUSR1);
	CHECK_EQ(p->action, SIG_DFL);
	CHECK(next(0, 0) == NULL);
}

TEST(sysctl_names)
{
	int name[3] = { CTL_KERN, KERN_OSTYPE, 0 }, unknown[2] = { CTL_KERN, 9999 };
	char value[64];
	size_t n = sizeof(value);

	begin(KTRFAC_SYSCTL);
	CHECK_EQ(sys(SYS___sysctl, name, 2, value, &n, NULL, 0), 0);
	CHECK_ERR(sys(SYS___sysctl, unknown, 2, value, &n, NULL, 0), ENOENT);
	n = sizeof(value);
	CHECK_EQ(sys(SYS___sysctlbyname, "kern.ostype", 11, value, &n, NULL, 0), 0);
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.none", 9, value, &n, NULL, 0), ENOENT);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	char *text = next(KTR_SYSCTL, 0);
	CHECK(text != NULL);
	CHECK_EQ(guest_strcmp(text, "kern.ostype"), 0);
	CHECK_EQ(header->ktr_len, 12);
	text = next(KTR_SYSCTL, 0);
	CHECK(text != NULL);
	CHECK_EQ(guest_strcmp(text, "kern.9999"), 0);
	text = next(KTR_SYSCTL, 0);
	CHECK(text != NULL);
	CHECK_EQ(guest_strcmp(text, "kern.ostype"), 0);
	CHECK(next(0, 0) == NULL);
}

/* What execve(2) keeps of a process, and what it resets: sys/kern/kern_exec.c (do_execve), kern_sig.c (execsigs,
 * sig_drop_caught), kern_time.c (itimers_exec), kern_procctl.c, execve(2). Each case executes a helper that looks. */
#include "guest.h"
#include <sys/cpuset.h>
#include <sys/procctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

static char *no_strings[] = { NULL };

/* The status of this program's helper, executed in a child after the body. */
#define AFTER_EXEC(helper, ...) do { \
	int pid_ = guest_fork(); \
	if (pid_ == 0) { \
		char *argv_[] = { guest_argv[0], "@" helper, NULL }; \
		__VA_ARGS__; \
		CHECK_EQ(sys(SYS_execve, guest_argv[0], argv_, no_strings), 0); \
	} \
	CHECK_EQ(guest_wait(pid_), 0); \
} while (0)

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static void
set(int signo, void *action, int flags)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_handler = action;
	act.sa_flags = flags;
	CHECK_EQ(sys(SYS_sigaction, signo, &act, NULL), 0);
}

static void *
action_of(int signo)
{
	struct sigaction act;

	CHECK_EQ(sys(SYS_sigaction, signo, NULL, &act), 0);
	return ((void *)act.sa_handler);
}

static void
child_can_be_waited_for(void)
{
	int status, pid = guest_fork();

	if (pid == 0)
		guest_exit(5);
	CHECK_EQ(sys(SYS_wait4, -1, &status, 0, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
}

HELPER(look_ignored)
{
	CHECK_EQ(action_of(SIGCHLD), SIG_DFL);
	CHECK_EQ(action_of(SIGUSR1), SIG_IGN);
	CHECK_EQ(action_of(SIGPIPE), SIG_IGN);
	CHECK_EQ(action_of(SIGSEGV), SIG_IGN);
	CHECK_EQ(action_of(100), SIG_IGN);
	child_can_be_waited_for();
}

/* For who starts this program with SIGCHLD and SIGUSR1 ignored. */
HELPER(look_started)
{
	CHECK_EQ(action_of(SIGCHLD), SIG_DFL);
	CHECK_EQ(action_of(SIGUSR1), SIG_IGN);
	child_can_be_waited_for();
}

static void
ignore_all(void)
{
	set(SIGCHLD, SIG_IGN, 0);
	set(SIGUSR1, SIG_IGN, 0);
	set(SIGPIPE, SIG_IGN, 0);
	set(SIGSEGV, SIG_IGN, 0);
	set(100, SIG_IGN, 0);
}

/* Ignored signals stay ignored, all but SIGCHLD (execsigs). */
TEST(ignored_signals)
{
	AFTER_EXEC("look_ignored", ignore_all());
}

static int __attribute__((noinline))
vforked(void)
{
	char *argv[] = { guest_argv[0], "@look_ignored", NULL };
	int pid = (int)sys(SYS_vfork);

	if (pid == 0) {
		sys(SYS_execve, "/no/such/program", argv, no_strings);
		sys(SYS_execve, guest_argv[0], argv, no_strings);
		sys(SYS_exit, 1);
	}
	return (pid);
}

/* The parent's SIGCHLD is as it was, after a failed exec too. */
TEST(ignored_signals_of_the_parent)
{
	char *argv[] = { "program", NULL };
	int status;

	ignore_all();
	CHECK_ERR(sys(SYS_execve, "/no/such/program", argv, no_strings), ENOENT);
	CHECK_EQ(action_of(SIGCHLD), SIG_IGN);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(3);
	CHECK_ERR(sys(SYS_wait4, pid, &status, 0, NULL), ECHILD);
	CHECK(vforked() > 0);
	CHECK_EQ(action_of(SIGCHLD), SIG_IGN);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
	set(SIGCHLD, SIG_DFL, 0);
	CHECK_EQ(guest_wait(vforked()), 0);
}

HELPER(look_no_wait)
{
	struct sigaction act;

	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, NULL, &act), 0);
	CHECK_EQ(act.sa_handler, SIG_DFL);
	CHECK_EQ(act.sa_flags & SA_NOCLDWAIT, 0);
	CHECK_EQ(act.sa_flags & SA_NOCLDSTOP, SA_NOCLDSTOP);
	child_can_be_waited_for();
}

/* PS_NOCLDWAIT is reset, PS_NOCLDSTOP is not. */
TEST(children)
{
	AFTER_EXEC("look_no_wait", set(SIGCHLD, (void *)handler, SA_NOCLDWAIT | SA_NOCLDSTOP));
	AFTER_EXEC("look_no_wait", set(SIGCHLD, SIG_DFL, SA_NOCLDWAIT | SA_NOCLDSTOP));
}

HELPER(look_signals)
{
	sigset_t mask, pending;
	stack_t stack;
	struct timespec none = { 0, 0 };
	siginfo_t info;

	CHECK_EQ(action_of(SIGUSR1), SIG_DFL);
	CHECK_EQ(action_of(SIGUSR2), SIG_DFL);
	CHECK_EQ(action_of(SIGURG), SIG_DFL);
	CHECK_EQ(action_of(101), SIG_DFL);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	CHECK_EQ(mask.__bits[0], 1U << (SIGUSR1 - 1) | 1U << (SIGURG - 1) | 1U << (SIGBUS - 1));
	CHECK_EQ(mask.__bits[3], 1U << (101 - 97));
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0], 1U << (SIGUSR1 - 1) | 1U << (SIGBUS - 1));
	CHECK_EQ(pending.__bits[3], 1U << (101 - 97));
	/* What was caught and is ignored by default now is no longer pending; a handler does not find it. */
	set(SIGURG, (void *)handler, 0);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0], 1U << (SIGUSR1 - 1) | 1U << (SIGBUS - 1));
	pending.__bits[3] = 0;
	CHECK_EQ(sys(SYS_sigtimedwait, &pending, &info, &none), SIGBUS);
	CHECK_EQ(sys(SYS_sigtimedwait, &pending, &info, &none), SIGUSR1);
	CHECK_ERR(sys(SYS_sigtimedwait, &pending, &info, &none), EAGAIN);
	CHECK_EQ(sys(SYS_sigtimedwait, &mask, &info, &none), 101);
	memset(&stack, 0x55, sizeof(stack));
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &stack), 0);
	CHECK_EQ(stack.ss_flags, SS_DISABLE);
	CHECK_EQ(stack.ss_size, 0);
	CHECK_EQ(stack.ss_sp, 0);
}

TEST(handlers_mask_pending_stack)
{
	stack_t stack = { .ss_sp = guest_map(65536), .ss_size = 65536 };
	sigset_t mask = { { 1U << (SIGUSR1 - 1) | 1U << (SIGURG - 1) | 1U << (SIGBUS - 1), 0, 0, 1U << (101 - 97) } };

	AFTER_EXEC("look_signals", {
		CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
		set(SIGUSR1, (void *)handler, SA_ONSTACK);
		set(SIGUSR2, (void *)handler, 0);
		set(SIGURG, (void *)handler, 0);
		set(101, (void *)handler, 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGURG), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGBUS), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 101), 0);
	});
}

HELPER(look_timers)
{
	struct itimerval it;
	struct itimerspec its;

	CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &it), 0);
	CHECK_BETWEEN(it.it_value.tv_sec, 50, 60);
	CHECK_EQ(it.it_interval.tv_sec, 7);
	CHECK_EQ(sys(SYS_getitimer, ITIMER_VIRTUAL, &it), 0);
	CHECK_BETWEEN(it.it_value.tv_sec, 50, 60);
	for (int i = 0; i < 8; i++)
		CHECK_ERR(sys(SYS_ktimer_gettime, i, &its), EINVAL);
	/* It runs on. */
	memset(&it, 0, sizeof(it));
	it.it_value.tv_usec = 50000;
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &it, NULL), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &it), 0);	/* a child has none */
		CHECK_EQ(it.it_value.tv_sec + it.it_value.tv_usec, 0);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &(struct itimerval){ 0 }, NULL), 0);
}

TEST(timers)
{
	struct itimerval minute = { { 7, 0 }, { 60, 0 } };
	struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
	struct sigevent event;
	int id;

	AFTER_EXEC("look_timers", {
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &minute, NULL), 0);
		CHECK_EQ(sys(SYS_setitimer, ITIMER_VIRTUAL, &minute, NULL), 0);
		memset(&event, 0, sizeof(event));
		event.sigev_notify = SIGEV_SIGNAL;
		event.sigev_signo = SIGKILL;
		CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), 0);
		soon.it_value.tv_sec = 1;
		CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &soon, NULL), 0);
	});
}

HELPER(look_alarmed)
{
	guest_sleep_ms(10000);
	guest_exit(9);
}

/* The alarm of the old program ends the new one. */
TEST(alarm)
{
	struct itimerval soon = { { 0, 0 }, { 0, 300000 } };
	int pid = guest_fork();

	if (pid == 0) {
		char *argv[] = { guest_argv[0], "@look_alarmed", NULL };
		set(SIGALRM, (void *)handler, 0);
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
		CHECK_EQ(sys(SYS_execve, guest_argv[0], argv, no_strings), 0);
	}
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGALRM);
}

static int
status_of(int command)
{
	int value = -9;

	CHECK_EQ(sys(SYS_procctl, P_PID, 0, command, &value), 0);
	return (value);
}

static void
control(int command, int value)
{
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, command, &value), 0);
}

HELPER(look_properties)
{
	struct rlimit limit;
	cpusetid_t id = -1;
	struct procctl_reaper_status reaper;

	CHECK_EQ(sys(SYS_umask, 0), 027);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_CORE, &limit), 0);
	CHECK_EQ(limit.rlim_cur, 4096);
	CHECK_EQ(sys(SYS_getpriority, PRIO_PROCESS, 0), 20);
	CHECK_EQ(sys(SYS_cpuset_getid, CPU_LEVEL_CPUSET, CPU_WHICH_PID, -1L, &id), 0);
	CHECK_NE(id, 1);		/* the set that it made */
	CHECK_EQ(status_of(PROC_PDEATHSIG_STATUS), SIGUSR2);
	CHECK_EQ(status_of(PROC_TRACE_STATUS), -1);
	CHECK_EQ(status_of(PROC_ASLR_STATUS) & 3, PROC_ASLR_FORCE_DISABLE);
	CHECK_EQ(status_of(PROC_PROTMAX_STATUS) & 3, PROC_PROTMAX_FORCE_DISABLE);
	CHECK_EQ(status_of(PROC_STACKGAP_STATUS), PROC_STACKGAP_DISABLE | PROC_STACKGAP_DISABLE_EXEC);
	CHECK_EQ(status_of(PROC_WXMAP_STATUS) & PROC_WX_MAPPINGS_PERMIT, PROC_WX_MAPPINGS_PERMIT);
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_STATUS, &reaper), 0);
	CHECK_EQ(reaper.rs_flags & REAPER_STATUS_OWNED, REAPER_STATUS_OWNED);
}

TEST(properties)
{
	struct rlimit limit = { 4096, 8192 };
	cpusetid_t id;

	AFTER_EXEC("look_properties", {
		CHECK_EQ(sys(SYS_umask, 027) >= 0, 1);
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &limit), 0);
		CHECK_EQ(sys(SYS_setpriority, PRIO_PROCESS, 0, 20), 0);
		CHECK_EQ(sys(SYS_cpuset, &id), 0);
		control(PROC_PDEATHSIG_CTL, SIGUSR2);
		control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE_EXEC);
		control(PROC_ASLR_CTL, PROC_ASLR_FORCE_DISABLE);
		control(PROC_PROTMAX_CTL, PROC_PROTMAX_FORCE_DISABLE);
		control(PROC_STACKGAP_CTL, PROC_STACKGAP_DISABLE | PROC_STACKGAP_DISABLE_EXEC);
		control(PROC_WXMAP_CTL, PROC_WX_MAPPINGS_PERMIT);
		CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_ACQUIRE, NULL), 0);
	});
}

HELPER(look_reset)
{
	CHECK_EQ(status_of(PROC_TRACE_STATUS), 0);
	CHECK_EQ(status_of(PROC_STACKGAP_STATUS), PROC_STACKGAP_ENABLE | PROC_STACKGAP_ENABLE_EXEC);
}

/* Without the forms that last: P2_NOTRACE_EXEC, P2_STKGAP_DISABLE_EXEC. */
TEST(properties_that_end)
{
	AFTER_EXEC("look_reset", {
		control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE);
		CHECK_EQ(status_of(PROC_TRACE_STATUS), -1);
		control(PROC_STACKGAP_CTL, PROC_STACKGAP_DISABLE);
	});
	AFTER_EXEC("look_reset", {
		control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE_EXEC);
		control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE);
	});
}

HELPER(look_login)
{
	char name[64];

	CHECK_EQ(sys(SYS_getlogin, name, sizeof(name)), 0);
	CHECK_STR(name, "a-login-name-of-28-characters");
}

/* It is the session's. */
TEST(login)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("setlogin is root's");
	AFTER_EXEC("look_login", CHECK_EQ(sys(SYS_setlogin, "a-login-name-of-28-characters"), 0));
}

HELPER(look_files)
{
	char c;
	struct flock lock = { .l_type = F_WRLCK };

	CHECK_ERR(sys(SYS_fcntl, 20, F_GETFD, 0), EBADF);
	CHECK_EQ(sys(SYS_fcntl, 21, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_lseek, 21, 0, SEEK_CUR), 2);
	CHECK_EQ(sys(SYS_read, 21, &c, 1), 1);
	CHECK_EQ(c, 'c');
	/* The locks are held still. */
	IN_CHILD({
		CHECK_ERR(sys(SYS_fcntl, 21, F_SETLK, &lock), EAGAIN);
		long other = CHECK_OK(sys(SYS_open, "other", O_RDWR));
		CHECK_ERR(sys(SYS_flock, other, LOCK_EX | LOCK_NB), EAGAIN);
	});
}

TEST(files)
{
	struct flock lock = { .l_type = F_WRLCK };

	guest_put("data", "abcdef", 6);
	guest_put("other", "", 0);	/* on FreeBSD one kind of lock excludes the other */
	AFTER_EXEC("look_files", {
		char two[2];
		long fd = CHECK_OK(sys(SYS_open, "data", O_RDWR));
		CHECK_EQ(sys(SYS_dup2, fd, 21), 21);
		CHECK_EQ(sys(SYS_dup2, 0, 20), 20);
		CHECK_EQ(sys(SYS_fcntl, 20, F_SETFD, FD_CLOEXEC), 0);
		CHECK_EQ(sys(SYS_read, 21, two, 2), 2);
		CHECK_EQ(sys(SYS_fcntl, 21, F_SETLK, &lock), 0);
		CHECK_EQ(sys(SYS_dup2, CHECK_OK(sys(SYS_open, "other", O_RDWR)), 22), 22);
		CHECK_EQ(sys(SYS_flock, 22, LOCK_EX), 0);
	});
}

HELPER(look_woken)
{
	struct timespec minute = { 60, 0 }, little = { 0, 1000000 };

	CHECK_ERR(sys(SYS_nanosleep, &minute, NULL), EINTR);
	CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0);
}

/* td_pflags is not touched: thr_wake of the own thread still ends the next sleep. */
TEST(woken)
{
	long self;

	AFTER_EXEC("look_woken", {
		CHECK_EQ(sys(SYS_thr_self, &self), 0);
		CHECK_EQ(sys(SYS_thr_wake, self), 0);
	});
}

/* fork, vfork, rfork, wait4, wait6, exit, process groups. */
#include "guest.h"

TEST(fork)
{
	int parent = (int)sys(SYS_getpid), ends[2], child_sees[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		int report[2] = { (int)sys(SYS_getpid), (int)sys(SYS_getppid) };
		CHECK_EQ(sys(SYS_write, ends[1], report, 8), 8);
		guest_exit(0);
	}
	CHECK_NE(pid, parent);
	CHECK_EQ(sys(SYS_read, ends[0], child_sees, 8), 8);
	CHECK_EQ(child_sees[0], pid);
	CHECK_EQ(child_sees[1], parent);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
}

TEST(memory_is_copied)
{
	static int variable = 1;
	volatile int on_stack = 1;

	IN_CHILD({
		variable = 2;
		on_stack = 2;
	});
	CHECK_EQ(variable, 1);
	CHECK_EQ(on_stack, 1);
}

TEST(descriptors_are_shared)
{
	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));

	IN_CHILD({
		CHECK_EQ(sys(SYS_lseek, fd, 6, SEEK_SET), 6);
		CHECK_EQ(sys(SYS_close, 0), 0);
	});
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), 6);
	CHECK_OK(sys(SYS_fcntl, 0, F_GETFD, 0));
}

TEST(exit_codes)
{
	static const int codes[] = { 0, 1, 2, 42, 127, 128, 255, 256, 511 };

	for (size_t i = 0; i < nitems(codes); i++) {
		int pid = guest_fork();
		if (pid == 0)
			guest_exit(codes[i]);
		int status = guest_wait(pid);
		CHECK(WIFEXITED(status));
		CHECK_EQ(WEXITSTATUS(status), codes[i] & 0xff);
	}
}

TEST(many_children)
{
	int pids[50];
	u64 sum = 0, got = 0;

	for (int i = 0; i < 50; i++) {
		pids[i] = guest_fork();
		if (pids[i] == 0)
			guest_exit(i);
		sum += (u64)pids[i];
	}
	for (int i = 0; i < 50; i++) {
		int status;
		long pid = CHECK_OK(sys(SYS_wait4, -1, &status, 0, NULL));
		got += (u64)pid;
		for (int k = 0; k < 50; k++)
			if (pids[k] == pid)
				CHECK_EQ(WEXITSTATUS(status), k);
	}
	CHECK_EQ(sum, got);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

TEST(deep)
{
	/* Each generation forks the next one and adds to its status. */
	for (int depth = 0; depth < 10; depth++) {
		int pid = guest_fork();
		if (pid != 0) {
			int status = guest_wait(pid);
			CHECK(WIFEXITED(status));
			if (depth == 0) {
				CHECK_EQ(WEXITSTATUS(status), 10);
				return;
			}
			guest_exit(WEXITSTATUS(status) + 1);
		}
	}
	guest_exit(1);
}

TEST(wait_options)
{
	int ends[2], status = 77;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
		guest_exit(5);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_wait4, -1, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_wait4, 0, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_wait4, -sys(SYS_getpgrp), &status, WNOHANG, NULL), 0);
	CHECK_EQ(status, 77);
	CHECK_ERR(sys(SYS_wait4, sys(SYS_getpid), &status, WNOHANG, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, pid, &status, 0x1000, NULL), EINVAL);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	/* WNOWAIT leaves it to be waited for again. */
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOWAIT, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
	CHECK_EQ(sys(SYS_kill, pid, 0), 0);
	status = 0;
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
	CHECK_ERR(sys(SYS_kill, pid, 0), ESRCH);
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
}

TEST(stop_and_continue)
{
	int status;

	int pid = guest_fork();
	if (pid == 0)
		for (;;)
			guest_sleep_ms(1000);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), SIGSTOP);
	CHECK_EQ(status, (SIGSTOP << 8) | 0177);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED | WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WCONTINUED, NULL), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(status, SIGCONT);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	CHECK(!WCOREDUMP(status));
}

TEST(resource_usage)
{
	struct rusage ru;

	memset(&ru, 0x55, sizeof(ru));
	int pid = guest_fork();
	if (pid == 0) {
		/* By its own clock: the machine may be busy with others. */
		do {
			for (volatile int i = 0; i < 100000; i++)
				;
			CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &ru), 0);
		} while (ru.ru_utime.tv_sec == 0 && ru.ru_utime.tv_usec < 20000);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_wait4, pid, NULL, 0, &ru), pid);
	long used = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
	CHECK_BETWEEN(used, 10000, 5000000);
	CHECK_BETWEEN(ru.ru_maxrss, 1, 1 << 24);
	CHECK_BETWEEN(ru.ru_minflt, 1, 1 << 24);
	CHECK_BETWEEN(ru.ru_nvcsw, 0, 1 << 24);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_CHILDREN, &ru), 0);
	used = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
	CHECK(used >= 10000);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &ru), 0);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_THREAD, &ru), 0);
	CHECK_ERR(sys(SYS_getrusage, 99, &ru), EINVAL);
}

static void
on_counted(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

/* postsig_done counts the signals that handlers were called for; a new process begins anew. */
TEST(usage_of_signals)
{
	struct rusage ru;

	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &ru), 0);
	CHECK_EQ(ru.ru_nsignals, 0);
	guest_handle(SIGUSR1, on_counted, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGURG), 0);	/* ignored */
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &ru), 0);
	CHECK_EQ(ru.ru_nsignals, 5);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_THREAD, &ru), 0);
	CHECK_EQ(ru.ru_nsignals, 5);
	IN_CHILD({
		CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &ru), 0);
		CHECK_EQ(ru.ru_nsignals, 0);
	});
}

TEST(wait6)
{
	siginfo_t info;
	struct __wrusage usage;
	int status;

	int pid = guest_fork();
	if (pid == 0)
		guest_exit(9);
	memset(&info, 0x44, sizeof(info));
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WEXITED | WNOWAIT, &usage, &info), pid);
	CHECK_EQ(WEXITSTATUS(status), 9);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(info.si_uid, sys(SYS_getuid));
	CHECK_EQ(sys(SYS_wait6, P_ALL, 0, &status, WEXITED, NULL, NULL), pid);
	CHECK_ERR(sys(SYS_wait6, P_PID, pid, &status, WEXITED, NULL, NULL), ECHILD);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		guest_sleep_ms(5000);
	}
	CHECK_EQ(sys(SYS_wait6, P_PGID, sys(SYS_getpgrp), &status, WEXITED, NULL, &info), pid);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGTERM);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	/* Nothing to wait for is no question. */
	CHECK_ERR(sys(SYS_wait6, P_ALL, 0, &status, WNOHANG, NULL, NULL), EINVAL);
	CHECK_ERR(sys(SYS_wait6, 99, 0, &status, WEXITED, NULL, NULL), ECHILD);
}

/* By session, user, group and jail; and kinds of which there is never a child. */
TEST(wait6_kinds)
{
	static const int none[] = { 1 /* P_PPID */, 4, 8, 9, 10, 11, 13, 14, 15, 99 };
	siginfo_t info;
	int status, pid, other;

	/* one in a session of its own, and one in ours */
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_setsid), sys(SYS_getpid));
		guest_sleep_ms(100);
		guest_exit(5);
	}
	other = guest_fork();
	if (other == 0)
		guest_exit(6);
	CHECK_EQ(sys(SYS_wait6, P_PID, other, NULL, WEXITED | WNOWAIT, NULL, NULL), other);
	while (sys(SYS_getsid, pid) != pid)
		guest_sleep_ms(1);
	memset(&info, 0, sizeof(info));
	CHECK_EQ(sys(SYS_wait6, P_SID, pid, &status, WEXITED | WNOHANG, NULL, &info), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(sys(SYS_wait6, P_SID, pid, &status, WEXITED | WNOWAIT, NULL, NULL), pid);
	CHECK_EQ(sys(SYS_wait6, P_SID, pid, &status, WEXITED, NULL, &info), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
	CHECK_EQ(info.si_status, 5);
	CHECK_ERR(sys(SYS_wait6, P_SID, pid, &status, WEXITED, NULL, NULL), ECHILD);
	CHECK_EQ(sys(SYS_wait6, P_SID, sys(SYS_getsid, 0), &status, WEXITED, NULL, &info), other);
	CHECK_EQ(info.si_status, 6);

	for (int kind = P_UID; kind <= P_JAILID; kind += kind == P_UID ? 1 : P_JAILID - P_GID) {
		long id = kind == P_UID ? sys(SYS_geteuid) : kind == P_GID ? sys(SYS_getegid) : 0;
		pid = guest_fork();
		if (pid == 0) {
			guest_sleep_ms(30);
			guest_exit(kind);
		}
		CHECK_ERR(sys(SYS_wait6, kind, id + 12345, &status, WEXITED, NULL, NULL), ECHILD);
		CHECK_EQ(sys(SYS_wait6, kind, id, &status, WEXITED | WNOHANG, NULL, NULL), 0);
		CHECK_EQ(sys(SYS_wait6, kind, id, &status, WEXITED, NULL, NULL), pid);
		CHECK_EQ(WEXITSTATUS(status), kind);
	}

	/* stopped and continued */
	pid = guest_fork();
	if (pid == 0)
		for (;;)
			guest_sleep_ms(1000);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait6, P_UID, sys(SYS_geteuid), &status, WUNTRACED, NULL, &info), pid);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	CHECK_EQ(sys(SYS_wait6, P_GID, sys(SYS_getegid), &status, WCONTINUED, NULL, &info), pid);
	CHECK_EQ(info.si_code, CLD_CONTINUED);
	for (size_t i = 0; i < nitems(none); i++)
		CHECK_ERR(sys(SYS_wait6, none[i], pid, &status, WEXITED | WNOHANG, NULL, NULL), ECHILD);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(sys(SYS_wait6, P_SID, sys(SYS_getsid, 0), &status, WEXITED, NULL, NULL), pid);
}

static void
burn(long ms)
{
	struct timespec t;

	do
		CHECK_EQ(sys(SYS_clock_gettime, CLOCK_PROF, &t), 0);
	while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

/* What the child's own children used is told apart, too. */
TEST(wait6_usage)
{
	struct __wrusage usage;
	int status;

	int pid = guest_fork();
	if (pid == 0) {
		int child = guest_fork();
		if (child == 0) {
			burn(200);
			guest_exit(0);
		}
		guest_wait(child);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WEXITED | WNOWAIT, &usage, NULL), pid);
	long children = (usage.wru_children.ru_utime.tv_sec + usage.wru_children.ru_stime.tv_sec) * 1000 +
	    (usage.wru_children.ru_utime.tv_usec + usage.wru_children.ru_stime.tv_usec) / 1000;
	CHECK_BETWEEN(children, 150, 5000);
	memset(&usage, 0x55, sizeof(usage));
	CHECK_EQ(sys(SYS_wait6, P_ALL, 0, &status, WEXITED, &usage, NULL), pid);
	CHECK_BETWEEN(usage.wru_children.ru_utime.tv_sec, 0, 5);
	/* a zombie's own has its children's in it (exit1) */
	long own = (usage.wru_self.ru_utime.tv_sec + usage.wru_self.ru_stime.tv_sec) * 1000 +
	    (usage.wru_self.ru_utime.tv_usec + usage.wru_self.ru_stime.tv_usec) / 1000;
	CHECK_BETWEEN(own, children - 20, 6000);
}

TEST(wait6_nothing_yet)
{
	siginfo_t info;
	int status = 3;

	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(300);
		guest_exit(0);
	}
	memset(&info, 0x44, sizeof(info));
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WEXITED | WNOHANG, NULL, &info), 0);
	/* proc_to_reap has filled it when it looked at the child, which is alive (kern_exit.c). */
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 0);
	CHECK_EQ(info.si_uid, sys(SYS_getuid));
	CHECK_EQ(status, 3);
	memset(&info, 0x44, sizeof(info));
	CHECK_EQ(sys(SYS_wait6, P_ALL, 0, &status, WEXITED | WNOHANG, NULL, &info), 0);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_ERR(sys(SYS_wait6, P_PID, 0x3ffffff, &status, WEXITED | WNOHANG, NULL, &info), ECHILD);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

/* The child of vfork runs in the parent's memory while the parent waits. */
static int __attribute__((noinline))
vforked(volatile int *shared, int code)
{
	long pid = sys(SYS_vfork);

	if (pid == 0) {
		*shared += 1;
		guest_sleep_ms(20);
		*shared += 1;
		guest_exit(code);
	}
	return ((int)pid);
}

TEST(vfork)
{
	static volatile int shared;

	for (int i = 0; i < 20; i++) {
		shared = 0;
		int pid = vforked(&shared, i);
		CHECK_EQ(shared, 2);
		CHECK_NE(pid, sys(SYS_getpid));
		CHECK_EQ(WEXITSTATUS(guest_wait(pid)), i);
	}
}

static void
caught(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static char *no_strings[] = { NULL };

/* When the parent goes on because the child is dead, the child is a zombie: exit1 in kern_exit.c wakes it after that. How it
 * ended is told by `how`. */
static int __attribute__((noinline))
dead_child(long call, long flags, int how)
{
	long pid = sys(call, flags);

	if (pid == 0) {
		if (how == 1)
			sys(SYS_execve, "/no/such/program", no_strings, no_strings);
		if (how == 2)
			sys(SYS_kill, sys(SYS_getpid), SIGKILL);
		if (how == 3)
			*(volatile int *)8 = 0;
		if (how == 4)
			sys(SYS_execve, guest_argv[0], (void *)16, no_strings);
		sys(SYS_exit, 7);
	}
	return ((int)pid);
}

TEST(vfork_zombie)
{
	int status;

	for (int i = 0; i < 300; i++) {
		int how = i % 5, pid = dead_child(i & 1 && how != 3 ? SYS_vfork : SYS_rfork, RFSPAWN, how);
		CHECK(pid > 0);
		CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
		if (how == 2)
			CHECK_EQ(WTERMSIG(status), SIGKILL);
		else if (how == 3)
			CHECK(WIFSIGNALED(status));
		else
			CHECK_EQ(WEXITSTATUS(status), 7);
	}
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
	/* Where the parent wants no zombies there is none, and the parent does not wait for ever. */
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, &ignore, NULL), 0);
	for (int i = 0; i < 20; i++)
		CHECK(dead_child(SYS_vfork, 0, i % 3) > 0);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
}

/* RFSPAWN is vfork with the caught signals at their defaults, and goes with no other flag (kern_fork.c, sys_rfork). */
static long __attribute__((noinline))
spawn(volatile int *shared)
{
	long pid = sys(SYS_rfork, RFSPAWN);

	if (pid == 0) {
		struct sigaction act;
		memset(&act, 0x55, sizeof(act));
		sys(SYS_sigaction, SIGUSR1, NULL, &act);
		shared[0] = act.sa_handler == SIG_DFL;
		sys(SYS_sigaction, SIGUSR2, NULL, &act);
		shared[1] = act.sa_handler == SIG_IGN;
		shared[2] = 1;
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		sys(SYS_exit, 0);
	}
	return (pid);
}

TEST(rfork_spawn)
{
	static volatile int shared[3];
	struct sigaction ignore = { .sa_handler = SIG_IGN }, now;

	guest_handle(SIGUSR1, caught, 0);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR2, &ignore, NULL), 0);
	long pid = spawn(shared);
	CHECK(pid > 0);
	CHECK_EQ(shared[0], 1);
	CHECK_EQ(shared[1], 1);
	CHECK_EQ(shared[2], 1);
	CHECK_EQ(WTERMSIG(guest_wait((int)pid)), SIGUSR1);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, NULL, &now), 0);
	CHECK(now.sa_sigaction == (void (*)(int, struct __siginfo *, void *))caught);
	CHECK_ERR(sys(SYS_rfork, RFSPAWN | RFPROC | RFFDG), EINVAL);
	CHECK_ERR(sys(SYS_rfork, RFSPAWN | RFPROC | RFMEM), EINVAL);
}

HELPER(exit_with)
{
	guest_exit((int)guest_number(guest_argv[2]));
}

TEST(vfork_and_exec)
{
	char *argv[] = { guest_argv[0], "@exit_with", "33", NULL }, *env[] = { NULL };

	for (int i = 0; i < 20; i++) {
		volatile long pid = sys(SYS_vfork);
		if (pid == 0) {
			sys(SYS_execve, guest_argv[0], argv, env);
			guest_exit(99);
		}
		CHECK_OK(pid);
		CHECK_EQ(WEXITSTATUS(guest_wait((int)pid)), 33);
	}
	/* A failed exec leaves the child able to go on. */
	volatile long pid = sys(SYS_vfork);
	if (pid == 0) {
		guest_exit(sys(SYS_execve, "/missing", argv, env) == -ENOENT ? 21 : 22);
	}
	CHECK_EQ(WEXITSTATUS(guest_wait((int)pid)), 21);
}

static volatile int handled;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	handled = signo;
}

/* What the vfork child does to its signals and descriptors does not happen to the parent. */
TEST(vfork_child_is_a_process_of_its_own)
{
	guest_handle(SIGUSR1, on_signal, 0);
	volatile long pid = sys(SYS_vfork);
	if (pid == 0) {
		struct sigaction act = { .sa_handler = SIG_IGN };
		sigset_t set = { { 1U << (SIGUSR2 - 1) } };
		sys(SYS_sigaction, SIGUSR1, &act, NULL);
		sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL);
		sys(SYS_close, 0);
		sys(SYS_chdir, "/");
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(handled, SIGUSR1);
	sigset_t mask;
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	CHECK_EQ(mask.__bits[0], 0);
	CHECK_OK(sys(SYS_fcntl, 0, F_GETFD, 0));
}

TEST(vfork_child_dies)
{
	volatile long pid = sys(SYS_vfork);
	if (pid == 0) {
		sys(SYS_kill, sys(SYS_getpid), SIGKILL);
		for (;;)
			;
	}
	CHECK_EQ(WTERMSIG(guest_wait((int)pid)), SIGKILL);
	CHECK_OK(sys(SYS_getpid));
}

TEST(rfork)
{
	long pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG));

	if (pid == 0)
		guest_exit(4);
	CHECK_EQ(WEXITSTATUS(guest_wait((int)pid)), 4);
	CHECK_ERR(sys(SYS_rfork, RFPROC | RFFDG | RFCFDG), EINVAL);
	CHECK_ERR(sys(SYS_rfork, 1 << 3), EINVAL);
}

static volatile int told;

static void
count_told(int signo)
{
	(void)signo;
	told++;
}

/* Nobody's child but the reaper's: its end is not told, and it is not waited for. */
TEST(rfork_nowait)
{
	static const int more[] = { 0, RFFDG, RFFDG | RFTSIGZMB | RFTSIGFLAGS(SIGUSR1), RFFDG | RFLINUXTHPN };
	struct sigaction act = { .sa_handler = count_told };
	int me = (int)sys(SYS_getpid);

	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, &act, NULL), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	for (size_t i = 0; i < nitems(more); i++) {
		int ends[2], report[3] = { 0, 0, 0 };
		CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
		long pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFNOWAIT | more[i]));
		if (pid == 0) {
			report[0] = (int)sys(SYS_getpid);
			report[1] = (int)sys(SYS_getppid);
			report[2] = (int)sys(SYS_getpgrp);
			sys(SYS_write, ends[1], report, sizeof(report));
			guest_exit(7);
		}
		CHECK_EQ(sys(SYS_read, ends[0], report, sizeof(report)), sizeof(report));
		CHECK_EQ(report[0], pid);
		CHECK_NE(report[1], me);
		CHECK_EQ(report[2], sys(SYS_getpgrp));
		CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
		CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
		for (int ms = 0; ms < 100 && sys(SYS_kill, pid, 0) == 0; ms++)
			guest_sleep_ms(1);
		CHECK_EQ(told, 0);
	}
}

TEST(orphans)
{
	int ends[2], parents[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		int me = (int)sys(SYS_getpid);
		if (guest_fork() == 0) {
			while (sys(SYS_getppid) == me)
				guest_sleep_ms(1);
			int report[2] = { me, (int)sys(SYS_getppid) };
			sys(SYS_write, ends[1], report, 8);
			guest_exit(0);
		}
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_read, ends[0], parents, 8), 8);
	CHECK_EQ(parents[0], pid);
	CHECK_NE(parents[1], pid);
	CHECK_NE(parents[1], sys(SYS_getpid));
}

TEST(process_groups)
{
	int me = (int)sys(SYS_getpid);

	CHECK_EQ(sys(SYS_getpgid, 0), sys(SYS_getpgrp));
	CHECK_EQ(sys(SYS_getpgid, me), sys(SYS_getpgrp));
	CHECK_EQ(sys(SYS_getsid, 0), sys(SYS_getsid, me));
	CHECK_ERR(sys(SYS_getpgid, 0x7ffffff0), ESRCH);
	CHECK_ERR(sys(SYS_getsid, 0x7ffffff0), ESRCH);
	IN_CHILD({
		int child = (int)sys(SYS_getpid);
		CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
		CHECK_EQ(sys(SYS_getpgrp), child);
		CHECK_ERR(sys(SYS_setsid), EPERM);
		CHECK_ERR(sys(SYS_setpgid, 0, 0x7ffffff0), EPERM);
	});
	IN_CHILD({
		int child = (int)sys(SYS_getpid);
		CHECK_EQ(sys(SYS_setsid), child);
		CHECK_EQ(sys(SYS_getsid, 0), child);
		CHECK_EQ(sys(SYS_getpgrp), child);
		CHECK_ERR(sys(SYS_setpgid, 0, 0), EPERM);
	});
	CHECK_ERR(sys(SYS_setpgid, 0, -1), EINVAL);
	CHECK_ERR(sys(SYS_setpgid, 0x7ffffff0, 0), ESRCH);
}

TEST(kill_errors)
{
	CHECK_ERR(sys(SYS_kill, 0x7ffffff0, SIGTERM), ESRCH);
	CHECK_ERR(sys(SYS_kill, sys(SYS_getpid), 128 + 1), EINVAL);
	CHECK_ERR(sys(SYS_kill, sys(SYS_getpid), -1), EINVAL);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 0), 0);
	CHECK_ERR(sys(SYS_kill, -0x7ffffff0L, SIGTERM), ESRCH);
}

TEST(no_zombies_where_ignored)
{
	struct sigaction act = { .sa_handler = SIG_IGN };

	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, &act, NULL), 0);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(0);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
	act.sa_handler = SIG_DFL;
	act.sa_flags = SA_NOCLDWAIT;
	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, &act, NULL), 0);
	pid = guest_fork();
	if (pid == 0)
		guest_exit(0);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
}

TEST(priorities)
{
	/* It is inherited: under nice(1) it is not 0. */
	int inherited = (int)CHECK_OK(sys(SYS_getpriority, PRIO_PROCESS, 0));
	IN_CHILD({
		CHECK_EQ(sys(SYS_setpriority, PRIO_PROCESS, 0, inherited + 3), 0);
		CHECK_EQ(sys(SYS_getpriority, PRIO_PROCESS, 0), inherited + 3);
		/* A value that looks like an errno is none: the carry flag decides. */
		if (sys(SYS_setpriority, PRIO_PROCESS, 0, -7) == 0) {
			struct sysret ret = guest_syscall(SYS_getpriority, PRIO_PROCESS, 0, 0, 0, 0, 0);
			CHECK(!ret.failed);
			CHECK_EQ((long)(int)ret.value, -7);
		}
	});
	CHECK_ERR(sys(SYS_getpriority, 99, 0), EINVAL);
	CHECK_ERR(sys(SYS_getpriority, PRIO_PROCESS, 0x7ffffff0), ESRCH);
	/* Beyond the ends it is cut, not refused. */
	IN_CHILD({
		CHECK_EQ(sys(SYS_setpriority, PRIO_PROCESS, 0, 1000), 0);
		CHECK_EQ(sys(SYS_getpriority, PRIO_PROCESS, 0), 20);
	});
}

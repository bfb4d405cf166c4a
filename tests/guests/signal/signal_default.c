/* Default actions, as a parent sees them by wait status (sigproptbl in sys/kern/kern_sig.c). */
#include "guest.h"

/* k: killed, c: killed with a core (if limits allow), i: ignored, s: stopped, 0: none of these */
static const struct { int signo; char action; } table[] = {
	{ SIGHUP, 'k' }, { SIGINT, 'k' }, { SIGQUIT, 'c' }, { SIGILL, 'c' }, { SIGTRAP, 'c' }, { SIGABRT, 'c' }, { SIGFPE, 'c' },
	{ SIGKILL, 'k' }, { SIGBUS, 'c' }, { SIGSEGV, 'c' }, { SIGSYS, 'c' }, { SIGPIPE, 'k' }, { SIGALRM, 'k' }, { SIGTERM, 'k' },
	{ SIGURG, 'i' }, { SIGSTOP, 's' }, { SIGTSTP, 's' }, { SIGCONT, 'i' }, { SIGCHLD, 'i' }, { SIGTTIN, 's' },
	{ SIGTTOU, 's' }, { SIGIO, 'i' }, { SIGXCPU, 'k' }, { SIGXFSZ, 'k' }, { SIGVTALRM, 'k' }, { SIGPROF, 'k' },
	{ SIGWINCH, 'i' }, { SIGUSR1, 'k' }, { SIGUSR2, 'k' },
};

/* A child in a process group of its own session (not orphaned), which waits; the signal comes from the parent. */
static int
status_after(int signo, int from_itself)
{
	int ends[2], status;
	char c;
	struct rlimit none = { 0, 0 };

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
		CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
		CHECK_EQ(sys(SYS_write, ends[1], "r", 1), 1);
		if (from_itself)
			CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), signo), 0);
		guest_sleep_ms(150);
		guest_exit(77);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	if (!from_itself) {
		guest_sleep_ms(5);
		CHECK_EQ(sys(SYS_kill, pid, signo), 0);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	if (WIFSTOPPED(status)) {
		int again;
		CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
		CHECK_EQ(sys(SYS_wait4, pid, &again, 0, NULL), pid);
	}
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	return (status);
}

static void
check_all(int from_itself)
{
	int failures = 0;

	for (size_t i = 0; i < nitems(table); i++) {
		int s = table[i].signo;
		int status = status_after(s, from_itself);
		int right;

		switch (table[i].action) {
		case 'k':
		case 'c':
			right = WIFSIGNALED(status) && WTERMSIG(status) == s && !WCOREDUMP(status);
			break;
		case 's':
			right = WIFSTOPPED(status) && WSTOPSIG(status) == s;
			break;
		default:
			right = WIFEXITED(status) && WEXITSTATUS(status) == 77;
		}
		if (!right) {
			warn_("signal %d (action %c): status %x\n", s, table[i].action, (u64)status);
			failures++;
		}
	}
	CHECK_EQ(failures, 0);
}

TEST(sent_by_the_parent)
{
	check_all(0);
}

TEST(sent_by_itself)
{
	check_all(1);
}

TEST(numbers_linux_lacks)
{
	static const struct { int signo; char action; } more[] = { { SIGEMT, 'c' }, { SIGINFO, 'i' }, { SIGTHR, 'k' },
		{ SIGLIBRT, 'k' }, { SIGRTMIN, 'k' }, { 100, 'k' }, { SIGRTMAX, 'k' } };
	int failures = 0;

	for (size_t i = 0; i < nitems(more); i++) {
		int status = status_after(more[i].signo, 1);
		int right = more[i].action == 'i' ? WIFEXITED(status) && WEXITSTATUS(status) == 77
		    : WIFSIGNALED(status) && WTERMSIG(status) == more[i].signo;
		if (!right) {
			warn_("signal %d: status %x\n", more[i].signo, (u64)status);
			failures++;
		}
	}
	CHECK_EQ(failures, 0);
}

/* A SIGSEGV that somebody sends is not a fault: it takes a waiting process as any signal does. */
TEST(segv_sent_to_a_waiting_process)
{
	int ends[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		sys(SYS_read, ends[0], &c, 1);
		guest_exit(77);
	}
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_kill, pid, SIGSEGV), 0);
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

/* judge: policy, 15.0 takes a group that setsid made for no orphan (12.1 does), and SIGTSTP stops it where nobody could continue it */
TEST(stop_in_a_session_s_first_group)
{
	/* SIGTSTP by default does nothing where nobody could continue the process. */
	int pid = guest_fork();

	if (pid == 0) {
		CHECK_OK(sys(SYS_setsid));
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGTSTP), 0);
		guest_exit(78);
	}
	int status;
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 78);
}

static int told_[2];

static void
on_hangup(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	sys(SYS_write, told_[1], signo == SIGHUP ? "h" : "c", 1);
}

/* A process of a group of its own, whose parent `leads` it from another group of a new session, waits `stopped` or not for that one to
 * end; then it says what it got, and what the stops of terminals do to it. */
static void
member(int stopped)
{
	static const int stops[] = { SIGTSTP, SIGTTIN, SIGTTOU };
	int leader = (int)sys(SYS_getppid);

	CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
	guest_handle(SIGHUP, on_hangup, 0);
	guest_handle(SIGCONT, on_hangup, 0);
	CHECK_EQ(sys(SYS_write, told_[1], "r", 1), 1);
	if (stopped)
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGTSTP), 0);
	while (sys(SYS_getppid) == leader)
		guest_sleep_ms(5);
	for (size_t i = 0; i < nitems(stops); i++)
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), stops[i]), 0);
	sys(SYS_write, told_[1], "e", 1);
	guest_exit(0);
}

/* The group of job control is orphaned when the parent ends: stopped members get SIGHUP and SIGCONT (orphanpg), and the stops of
 * terminals do nothing from then on. */
TEST(orphaned_group)
{
	for (int stopped = 0; stopped < 2; stopped++) {
		char c;
		CHECK_EQ(sys(SYS_pipe2, told_, 0), 0);
		int leader = guest_fork();
		if (leader == 0) {
			int status;
			CHECK_OK(sys(SYS_setsid));
			int pid = guest_fork();
			if (pid == 0)
				member(stopped);
			CHECK_EQ(sys(SYS_read, told_[0], &c, 1), 1);
			if (stopped) {
				CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
				CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
			}
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(leader), 0);
		CHECK_EQ(sys(SYS_close, told_[1]), 0);
		int hangups = 0, continued = 0, ends = 0;
		while (sys(SYS_read, told_[0], &c, 1) == 1) {
			hangups += c == 'h';
			continued += c == 'c';
			ends += c == 'e';
		}
		CHECK_EQ(hangups, stopped);
		CHECK_EQ(continued, stopped);
		CHECK_EQ(ends, 1);
		CHECK_EQ(sys(SYS_close, told_[0]), 0);
	}
}

/* A second member whose parent is another: the group stays one of job control until that parent is gone, too. */
TEST(orphaned_by_the_last_parent)
{
	char c;
	int status;

	CHECK_EQ(sys(SYS_pipe2, told_, 0), 0);
	int leader = guest_fork();
	if (leader == 0) {
		CHECK_OK(sys(SYS_setsid));
		int first = guest_fork();
		if (first == 0) {
			CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
			CHECK_EQ(sys(SYS_write, told_[1], "r", 1), 1);
			for (;;)
				guest_sleep_ms(1000);
		}
		CHECK_EQ(sys(SYS_read, told_[0], &c, 1), 1);
		int shell = guest_fork();
		if (shell == 0) {
			int second = guest_fork();
			if (second == 0) {
				CHECK_EQ(sys(SYS_setpgid, 0, first), 0);
				CHECK_EQ(sys(SYS_write, told_[1], "r", 1), 1);
				for (;;)
					guest_sleep_ms(1000);
			}
			CHECK_EQ(sys(SYS_read, told_[0], &c, 1), 1);
			CHECK_EQ(sys(SYS_kill, second, SIGTTIN), 0);
			CHECK_EQ(sys(SYS_wait4, second, &status, WUNTRACED, NULL), second);
			CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(shell), 0);
		/* This one is the first member's parent still: SIGTSTP stops it. */
		CHECK_EQ(sys(SYS_kill, first, SIGTSTP), 0);
		CHECK_EQ(sys(SYS_wait4, first, &status, WUNTRACED, NULL), first);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(leader), 0);
	CHECK_EQ(sys(SYS_close, told_[1]), 0);
	/* Now SIGHUP has ended both. */
	CHECK_EQ(sys(SYS_read, told_[0], &c, 1), 0);
}

TEST(abort_of_the_whole_process)
{
	/* A signal that kills, kills all threads. */
	int pid = guest_fork();

	if (pid == 0) {
		static struct guest_thread t;
		extern void waiting(void *);
		guest_thread_start(&t, waiting, NULL);
		guest_sleep_ms(10);
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		guest_sleep_ms(1000);
		guest_exit(1);
	}
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGTERM);
}

void
waiting(void *unused)
{
	(void)unused;
	for (;;)
		guest_sleep_ms(1000);
}

static volatile int sys_count, sys_code;

static void
on_sys(int signo, siginfo_t *info, void *context)
{
	(void)context;
	CHECK_EQ(signo, SIGSYS);
	sys_code = info->si_code;
	sys_count++;
}

/* A number that the kernel does not have: ENOSYS, and SIGSYS (kern.signosys), which ends the program by default. What a
 * kernel has and was built without gives ENOSYS alone. */
TEST(no_such_call)
{
	static const int none[] = { 91, 67, 146, 20000, 0x7fffffff, 379 };
	sigset_t set = { { 1u << (SIGSYS - 1) } }, pending;

	for (size_t i = 0; i < nitems(none); i++) {
		int pid = guest_fork();
		if (pid == 0) {
			struct rlimit no = { 0, 0 };
			CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &no), 0);
			sys(none[i]);
			guest_exit(0);
		}
		CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGSYS);
	}
	guest_handle(SIGSYS, on_sys, 0);
	for (size_t i = 0; i < nitems(none); i++) {
		CHECK_ERR(sys(none[i]), ENOSYS);
		CHECK_EQ(sys_count, i + 1);
		CHECK_EQ(sys_code, SI_KERNEL);
	}
	sys_count = 0;
	CHECK_ERR(sys(SYS_syscall, 20000), ENOSYS);
	CHECK_EQ(sys_count, 1);
	/* Blocked it waits. */
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	CHECK_ERR(sys(20000), ENOSYS);
	CHECK_EQ(sys_count, 1);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0] & set.__bits[0], set.__bits[0]);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
	CHECK_EQ(sys_count, 2);
}

static volatile int told;

static void
note_end(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	told = signo;
}

/* Signals of Linux's that FreeBSD does not have come as SIGTERM: tests/start/test_command.py sends them, once SIGTERM is blocked, and lets it go on. */
HELPER(told_to_end)
{
	sigset_t term = { { 1u << (SIGTERM - 1) } }, none = { { 0 } };
	char byte;

	guest_handle(SIGTERM, note_end, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &term, NULL), 0);
	say("ready\n");
	CHECK_EQ(sys(SYS_read, 0, &byte, 1), 1);
	CHECK_EQ(told, 0);
	while (told == 0)
		CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
	say("signal %d\n", told);
}

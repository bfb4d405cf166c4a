/* Real-time signals 77 to 128 and the nameless 34 to 64, for which Linux has no number: masks, pending, order, values. */
#include "guest.h"

static volatile int count, last_signo, last_code, last_pid;
static volatile int order[256];

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	order[count++ & 255] = signo;
	last_signo = signo;
	last_code = info->si_code;
	last_pid = info->si_pid;
}

static sigset_t
set_of(int signo)
{
	sigset_t set = { { 0, 0, 0, 0 } };

	set.__bits[(signo - 1) / 32] = 1U << ((signo - 1) % 32);
	return (set);
}

static void
block(int signo)
{
	sigset_t set = set_of(signo);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
}

static void
unblock(int signo)
{
	sigset_t set = set_of(signo);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
}

static int
is_pending(int signo)
{
	sigset_t set;
	CHECK_EQ(sys(SYS_sigpending, &set), 0);
	return (set.__bits[(signo - 1) / 32] >> ((signo - 1) % 32) & 1);
}

static void
raise_(int signo)
{
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), signo), 0);
}

TEST(every_number)
{
	for (int s = 1; s <= 128; s++) {
		if (s == SIGKILL || s == SIGSTOP)
			continue;
		guest_handle(s, note, 0);
		count = 0;
		raise_(s);
		CHECK_EQ(count, 1);
		CHECK_EQ(last_signo, s);
		CHECK_EQ(last_code, SI_USER);
		CHECK_EQ(last_pid, sys(SYS_getpid));
	}
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 129), -EINVAL);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), -1), -EINVAL);
}

TEST(blocked_and_pending)
{
	static const int signals[] = { SIGRTMIN, 92, 100, SIGRTMAX, 127, 128, 40, 64 };

	for (size_t i = 0; i < nitems(signals); i++) {
		int s = signals[i];
		guest_handle(s, note, 0);
		count = 0;
		block(s);
		CHECK_EQ(is_pending(s), 0);
		raise_(s);
		CHECK_EQ(count, 0);
		CHECK_EQ(is_pending(s), 1);
		CHECK_EQ(is_pending(101), 0);
		unblock(s);
		CHECK_EQ(count, 1);
		CHECK_EQ(last_signo, s);
		CHECK_EQ(is_pending(s), 0);
	}
}

/* With everything blocked too, each is told from the others. */
TEST(pending_under_a_full_mask)
{
	sigset_t all = { { ~0U, ~0U, ~0U, ~0U } }, old;

	guest_handle(100, note, 0);
	guest_handle(101, note, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, &old), 0);
	raise_(100);
	CHECK_EQ(is_pending(100), 1);
	CHECK_EQ(is_pending(101), 0);
	raise_(101);
	CHECK_EQ(is_pending(101), 1);
	CHECK_EQ(count, 0);
	unblock(101);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_signo, 101);
	CHECK_EQ(is_pending(100), 1);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &old, NULL), 0);
	CHECK_EQ(count, 2);
	CHECK_EQ(last_signo, 100);
}

TEST(ignored_is_forgotten)
{
	struct sigaction act;

	block(100);
	guest_handle(100, note, 0);
	raise_(100);
	CHECK_EQ(is_pending(100), 1);
	memset(&act, 0, sizeof(act));
	act.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, 100, &act, NULL), 0);
	CHECK_EQ(is_pending(100), 0);
	guest_handle(100, note, 0);
	unblock(100);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_sigaction, 100, &act, NULL), 0);
	raise_(100);
	CHECK_EQ(count, 0);
}

static void
nested(int signo, siginfo_t *info, void *context)
{
	note(signo, info, context);
	if (count < 3) {
		raise_(signo);
		CHECK(is_pending(signo));
	}
}

/* In its own handler a signal is blocked; another one is not. */
TEST(mask_in_a_handler)
{
	guest_handle(110, nested, 0);
	raise_(110);
	CHECK_EQ(count, 3);
	CHECK_EQ(is_pending(110), 0);
}

TEST(ignored_or_blocked_does_not_interrupt)
{
	struct timespec t = { 0, 300000000 }, left = { 9, 9 };
	struct sigaction act;
	int ends[2];
	char c;

	memset(&act, 0, sizeof(act));
	act.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, 100, &act, NULL), 0);
	guest_handle(101, note, 0);
	block(101);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int parent = (int)sys(SYS_getpid);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_kill, parent, 100), 0);
		CHECK_EQ(sys(SYS_kill, parent, 101), 0);
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_nanosleep, &t, &left), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(count, 0);
	CHECK(is_pending(101));
	unblock(101);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_pid, pid);
}

TEST(interrupts)
{
	int ends[2];
	char c;

	guest_handle(102, note, 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int parent = (int)sys(SYS_getpid);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(60);
		CHECK_EQ(sys(SYS_kill, parent, 102), 0);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), -EINTR);
	CHECK_EQ(count, 1);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(suspend)
{
	sigset_t wait = { { 0, 0, 0, 0 } };

	guest_handle(103, note, 0);
	block(103);
	raise_(103);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_sigsuspend, &wait), -EINTR);
	CHECK_EQ(count, 1);
	int parent = (int)sys(SYS_getpid);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(60);
		CHECK_EQ(sys(SYS_kill, parent, 103), 0);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_sigsuspend, &wait), -EINTR);
	CHECK_EQ(count, 2);
	CHECK_EQ(guest_wait(pid), 0);
	raise_(103);
	CHECK_EQ(count, 2);
	CHECK(is_pending(103));
}

TEST(queued)
{
	/* kill(2) queues real-time signals as sigqueue does. */
	guest_handle(104, note, 0);
	block(104);
	for (int i = 0; i < 20; i++)
		raise_(104);
	unblock(104);
	CHECK_EQ(count, 20);
}

static volatile int thread_ready, thread_stop;

static void
idle(void *unused)
{
	(void)unused;
	unblock(105);
	thread_ready = 1;
	while (!thread_stop)
		guest_sleep_ms(5);
}

/* One that its process gets while this thread blocks it goes to a thread that does not. */
TEST(another_thread_takes_it)
{
	static struct guest_thread t;

	guest_handle(105, note, SA_RESTART);
	block(105);
	guest_thread_start(&t, idle, NULL);
	while (!thread_ready)
		guest_sleep_ms(1);
	for (int i = 1; i <= 50; i++) {
		raise_(105);
		for (int k = 0; k < 2000 && count < i; k++)
			guest_sleep_ms(1);
		CHECK_EQ(count, i);
	}
	thread_stop = 1;
	guest_thread_join(&t);
}

/* One that is sent to a thread stays with it. */
TEST(sent_to_a_thread)
{
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	guest_handle(106, note, 0);
	block(106);
	CHECK_EQ(sys(SYS_thr_kill, id, 106), 0);
	CHECK(is_pending(106));
	CHECK_EQ(count, 0);
	unblock(106);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_code, SI_LWP);
	CHECK_EQ(sys(SYS_thr_kill, id, 129), -EINVAL);
	CHECK_EQ(sys(SYS_thr_kill2, sys(SYS_getpid), id, 106), 0);
	CHECK_EQ(count, 2);
}

TEST(child_has_none_pending)
{
	guest_handle(107, note, 0);
	block(107);
	raise_(107);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(is_pending(107), 0);
		unblock(107);
		CHECK_EQ(count, 0);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK(is_pending(107));
}

HELPER(pending_after_exec)
{
	struct sigaction act;

	CHECK(is_pending(108));
	CHECK_EQ(is_pending(109), 0);
	CHECK_EQ(sys(SYS_sigaction, 109, NULL, &act), 0);
	CHECK(act.sa_handler == SIG_IGN);
	guest_handle(108, note, 0);
	unblock(108);
	CHECK_EQ(count, 2);
}

TEST(exec)
{
	char *argv[] = { guest_argv[0], "@pending_after_exec", NULL }, *env[] = { NULL };
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, 109, &act, NULL), 0);
	int pid = guest_fork();
	if (pid == 0) {
		block(108);
		raise_(108);
		raise_(108);
		CHECK_EQ(sys(SYS_execve, "/nowhere/at/all", argv, env), -ENOENT);
		CHECK(is_pending(108));
		sys(SYS_execve, argv[0], argv, env);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

/* The group of a child: kill(0) and kill(-group). */
TEST(to_a_group)
{
	int pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
		guest_handle(111, note, SA_RESTART);
		int other = guest_fork();
		if (other == 0)
			for (;;)
				guest_sleep_ms(5);
		CHECK_EQ(sys(SYS_kill, 0, 111), 0);
		CHECK_EQ(count, 1);
		CHECK_EQ(sys(SYS_kill, -sys(SYS_getpgrp), 111), 0);
		CHECK_EQ(count, 2);
		CHECK_EQ(sys(SYS_kill, other, SIGKILL), 0);
		guest_wait(other);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

/* sigwait(2), sigwaitinfo(2), sigtimedwait(2) and sigqueue(2). */
#include "guest.h"

#define BIT(signo) (1u << ((signo) - 1))

static sigset_t set;
static siginfo_t info;
static volatile int count;
static struct guest_thread threads[4];
static volatile long result;

static void
note(int signo, siginfo_t *si, void *context)
{
	(void)signo, (void)si, (void)context;
	count++;
}

static void
block(u32 bits)
{
	sigset_t mask = { { bits } };

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
}

static void
wait_for(u32 bits)
{
	memset(&set, 0, sizeof(set));
	set.__bits[0] = bits;
	memset(&info, 0x55, sizeof(info));
}

static int
me(void)
{
	return ((int)sys(SYS_getpid));
}

TEST(errors)
{
	struct timespec bad = { 0, 1000000000 }, zero = { 0, 0 };

	block(BIT(SIGUSR1));
	wait_for(BIT(SIGUSR1));
	CHECK_ERR(sys(SYS_sigtimedwait, 8, &info, &zero), EFAULT);
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, 8), EFAULT);
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &bad), EINVAL);
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &zero), EAGAIN);
	/* A signal that is pending comes before the check of the time. */
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &bad), SIGUSR1);
	/* The information is not needed, and a bad address loses the signal. */
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_sigtimedwait, &set, NULL, &zero), SIGUSR1);
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_ERR(sys(SYS_sigwaitinfo, &set, 8), EFAULT);
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &zero), EAGAIN);
	CHECK_EQ(sys(SYS_sigwait, 8, 8), EFAULT);	/* as the value */
	/* A time below zero is past, not wrong. */
	struct timespec past = { -5, 0 };
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &past), EAGAIN);
	past.tv_sec = (long)(1UL << 63);
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &past), EAGAIN);
	past.tv_nsec = -1;
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &past), EINVAL);
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_sigwait, &set, 8), EFAULT);	/* as the value */
}

TEST(information)
{
	block(-1);
	wait_for(BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGCHLD));
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR2), 0);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR2);
	CHECK_EQ(info.si_signo, SIGUSR2);
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_pid, me());
	CHECK_EQ(info.si_uid, sys(SYS_getuid));
	long id;
	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	CHECK_EQ(sys(SYS_thr_kill, id, SIGUSR1), 0);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
	CHECK_EQ(info.si_code, SI_LWP);
	CHECK_EQ(sys(SYS_sigqueue, me(), SIGUSR1, 0x1122334455667788), 0);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
	CHECK_EQ(info.si_code, SI_QUEUE);
	CHECK_EQ(info.si_value.sival_ptr, 0x1122334455667788);
	guest_handle(SIGCHLD, note, 0);		/* else it is ignored */
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(7);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 7);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 7);
}

/* Those that LSF keeps itself: they are in no Linux mask. */
TEST(virtual_signals)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGSYS };
	struct timespec soon = { 0, 50000000 };

	block(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGSYS));
	for (size_t i = 0; i < nitems(signals); i++) {
		wait_for(BIT(signals[i]));
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &soon), EAGAIN);
		CHECK_EQ(sys(SYS_kill, me(), signals[i]), 0);
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signals[i]);
		CHECK_EQ(info.si_signo, signals[i]);
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &soon), EAGAIN);
	}
}

static void
sender(void *argument)
{
	long signo = (long)argument;

	guest_sleep_ms(40);
	CHECK_EQ(sys(SYS_kill, me(), signo), 0);
}

/* While one waits. The signal need not be blocked for the waiter to get it: its handler is not called. */
TEST(while_waiting)
{
	static const int signals[] = { SIGUSR1, SIGHUP, SIGINFO, SIGTHR };

	for (size_t i = 0; i < nitems(signals); i++) {
		block(-1);	/* the sender's mask */
		if (signals[i] == SIGINFO)
			guest_handle(SIGINFO, note, 0);	/* else it is ignored */
		guest_thread_start(&threads[0], sender, (void *)(long)signals[i]);
		wait_for(0);
		set.__bits[(signals[i] - 1) / 32] = 1u << ((signals[i] - 1) & 31);
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signals[i]);
		guest_thread_join(&threads[0]);
		guest_handle(signals[i], note, 0);
		guest_thread_start(&threads[0], sender, (void *)(long)signals[i]);
		block(0);
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signals[i]);
		CHECK_EQ(count, 0);
		guest_thread_join(&threads[0]);
	}
}

/* Another signal ends the wait, and it is never begun anew; sigwait tells so by its value. */
TEST(interrupted)
{
	struct timespec far = { 100, 0 };
	int signo = 99;

	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR2, note, flags);
		block(-1);
		guest_thread_start(&threads[0], sender, (void *)SIGUSR2);
		block(BIT(SIGUSR1));
		wait_for(BIT(SIGUSR1));
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &far), EINTR);
		guest_thread_join(&threads[0]);
		block(-1);
		guest_thread_start(&threads[0], sender, (void *)SIGUSR2);
		block(BIT(SIGUSR1));
		CHECK_EQ(sys(SYS_sigwait, &set, &signo), EINTR);
		CHECK_EQ(signo, 99);
		guest_thread_join(&threads[0]);
	}
	CHECK_EQ(count, 4);
}

TEST(timeout)
{
	struct timespec t = { 0, 40000000 };

	block(BIT(SIGUSR1));
	wait_for(BIT(SIGUSR1));
	long before = guest_now_ms();
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
	CHECK(guest_now_ms() - before >= 40);
}

/* A stop and a continue do not end it. */
TEST(stopped)
{
	struct timespec t = { 0, 300000000 };
	int pid = guest_fork(), status;

	if (pid == 0) {
		block(BIT(SIGUSR1));
		wait_for(BIT(SIGUSR1));
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
		guest_exit(0);
	}
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	guest_sleep_ms(400);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(guest_wait(pid), 0);
}

/* The order: the lowest number first. Real-time signals queue with their values. */
TEST(order)
{
	int rt = SIGRTMIN;

	block(-1);
	sigset_t all = { { -1, -1, -1, -1 } };
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sys(SYS_sigqueue, me(), rt, i), 0);
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	wait_for(-1);
	set.__bits[2] = -1;
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), rt);
		CHECK_EQ(info.si_value.sival_int, i);
		CHECK_EQ(info.si_code, SI_QUEUE);
	}
}

TEST(queue_errors)
{
	block(BIT(SIGUSR1));
	CHECK_ERR(sys(SYS_sigqueue, me(), 129, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, 0, SIGUSR1, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, -1, SIGUSR1, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, 0x7ffffff0, SIGUSR1, 0), ESRCH);
	CHECK_ERR(sys(SYS_sigqueue, 0x7ffffff0, 0, 0), ESRCH);
	CHECK_EQ(sys(SYS_sigqueue, me(), 0, 0), 0);
}

static void
thread_waits(void *argument)
{
	sigset_t usr1 = { { BIT(SIGUSR1) } };
	siginfo_t si;

	(void)argument;
	result = sys(SYS_sigwaitinfo, &usr1, &si);
	if (result == SIGUSR1)
		result = si.si_value.sival_int;
}

/* __SIGQUEUE_TID: to a thread (pthread_sigqueue). */
TEST(to_thread)
{
	block(BIT(SIGUSR1));
	for (int i = 0; i < 3; i++) {
		guest_thread_start(&threads[i], thread_waits, NULL);
	}
	guest_sleep_ms(30);
	for (int i = 0; i < 3; i++) {
		result = -1;
		CHECK_EQ(sys(SYS_sigqueue, threads[i].id, (long)(SIGUSR1 | 0x80000000u), 70 + i), 0);
		guest_thread_join(&threads[i]);
		CHECK_EQ(result, 70 + i);
	}
	CHECK_ERR(sys(SYS_sigqueue, 0x7ffffff0, (long)(SIGUSR1 | 0x80000000u), 0), ESRCH);
	CHECK_ERR(sys(SYS_sigqueue, 1, (long)(SIGUSR1 | 0x80000000u), 0), ESRCH);	/* not of this process */
}

/* A signal that is not blocked and has its default action is the waiter's all the same. */
TEST(default_action_is_not_taken)
{
	static const int signals[] = { SIGUSR1, SIGTERM, SIGTHR, 65, 100 };

	for (size_t i = 0; i < nitems(signals); i++) {
		/* The thread that sends has it blocked, else it would be its too. */
		memset(&set, 0xff, sizeof(set));
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &set, NULL), 0);
		guest_thread_start(&threads[0], sender, (void *)(long)signals[i]);
		wait_for(0);
		set.__bits[(signals[i] - 1) / 32] = 1u << ((signals[i] - 1) & 31);
		block(0);
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signals[i]);
		guest_thread_join(&threads[0]);
	}
	/* After the wait the action is the default again. */
	int pid = guest_fork();
	if (pid == 0) {
		struct timespec soon = { 0, 1000000 };
		wait_for(BIT(SIGUSR1));
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &soon), EAGAIN);
		sys(SYS_kill, me(), SIGUSR1);
		guest_exit(1);
	}
	CHECK_EQ(guest_wait(pid), SIGUSR1);
}

/* What is ignored, by default too, is forgotten when it is sent, blocked or not: there is nothing to wait for. */
TEST(ignored_is_forgotten)
{
	static const int signals[] = { SIGUSR1, SIGCHLD, SIGURG, SIGWINCH, SIGINFO, SIGIO, 70, 110, SIGSEGV };
	struct timespec soon = { 0, 20000000 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t all, pending;

	memset(&all, 0xff, sizeof(all));
	for (size_t i = 0; i < nitems(signals); i++) {
		int signo = signals[i], word = (signo - 1) / 32;
		u32 bit = 1u << ((signo - 1) & 31);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, NULL), 0);
		wait_for(0);
		set.__bits[word] = bit;
		if (signo == SIGUSR1 || signo >= 64 || signo == SIGSEGV)
			CHECK_EQ(sys(SYS_sigaction, signo, &ignore, NULL), 0);
		CHECK_EQ(sys(SYS_kill, me(), signo), 0);
		CHECK_EQ(sys(SYS_sigpending, &pending), 0);
		CHECK_EQ(pending.__bits[word] & bit, 0);
		CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &soon), EAGAIN);
		/* A handler comes too late for it. */
		guest_handle(signo, note, 0);
		CHECK_EQ(sys(SYS_sigpending, &pending), 0);
		CHECK_EQ(pending.__bits[word] & bit, 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
		CHECK_EQ(count, 0);
		/* With a handler it is waited for. */
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
		CHECK_EQ(sys(SYS_kill, me(), signo), 0);
		CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &soon), signo);
		CHECK_EQ(info.si_signo, signo);
		CHECK_EQ(count, 0);
	}
}

/* A stop signal with its default action stops the process that waits for it; the wait goes on. */
TEST(stops_by_default)
{
	int status, pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
		block(-1);
		wait_for(BIT(SIGTSTP) | BIT(SIGUSR1));
		guest_exit((int)sys(SYS_sigwaitinfo, &set, &info));
	}
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_kill, pid, SIGTSTP), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), SIGUSR1);
}

/* Signals without a Linux number: pending, while one waits, with values, and others that do not end the wait. */
TEST(carried)
{
	struct timespec t = { 0, 60000000 };
	sigset_t all;
	long id;

	memset(&all, 0xff, sizeof(all));
	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	for (int full = 0; full < 2; full++) {
		/* With all of them blocked, and with all but one. */
		sigset_t mask = all;
		if (!full)
			mask.__bits[3] &= ~(1u << 31);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
		for (int signo = 92; signo <= 126; signo += 17) {
			wait_for(0);
			set.__bits[(signo - 1) / 32] = 1u << ((signo - 1) & 31);
			CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
			CHECK_EQ(sys(SYS_sigqueue, me(), signo + 1, 5), 0);
			CHECK_EQ(sys(SYS_sigqueue, me(), signo, 0x1122334455667788), 0);
			CHECK_EQ(sys(SYS_sigqueue, me(), signo, 2), 0);
			CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signo);
			CHECK_EQ(info.si_signo, signo);
			CHECK_EQ(info.si_code, SI_QUEUE);
			CHECK_EQ(info.si_value.sival_ptr, 0x1122334455667788);
			CHECK_EQ(info.si_pid, me());
			CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &t), signo);
			CHECK_EQ(info.si_value.sival_ptr, 2);
			/* One that comes while this one waits, and another one before it. */
			guest_thread_start(&threads[0], sender, (void *)(long)(signo + 1));
			CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
			guest_thread_join(&threads[0]);
			guest_thread_start(&threads[0], sender, (void *)(long)signo);
			CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signo);
			guest_thread_join(&threads[0]);
			/* The others still are there. */
			wait_for(0);
			set.__bits[signo / 32] = 1u << (signo & 31);
			CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), signo + 1);
			CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &t), signo + 1);
			CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
		}
	}
	CHECK_ERR(sys(SYS_sigqueue, me(), 129, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, 0, 100, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, 0x3ffffff, 100, 0), ESRCH);
}

static volatile int stop;
static long waiter;

static void
shoot_thread(void *argument)
{
	struct timespec t = { 0, 50000 };

	(void)argument;
	while (!stop) {
		sys(SYS_thr_kill, waiter, SIGUSR1);
		sys(SYS_nanosleep, &t, NULL);
	}
}

static void
shoot_process(void *argument)
{
	struct timespec t = { 0, 70000 };

	(void)argument;
	while (!stop) {
		sys(SYS_kill, me(), 100);
		sys(SYS_nanosleep, &t, NULL);
	}
}

/* No signal is lost, and no other one is taken, while handlers of others run all the time. */
TEST(under_fire)
{
	long ended = guest_now_ms() + 1500, turns = 0;

	guest_handle(SIGUSR1, note, 0);
	guest_handle(100, note, SA_RESTART);
	block(BIT(SIGUSR2));
	CHECK_EQ(sys(SYS_thr_self, &waiter), 0);
	guest_thread_start(&threads[0], shoot_thread, NULL);
	guest_thread_start(&threads[1], shoot_process, NULL);
	wait_for(BIT(SIGUSR2));
	while (guest_now_ms() < ended) {
		int signo = 0;
		long error;
		CHECK_EQ(turns++ % 2 ? sys(SYS_kill, me(), SIGUSR2) : sys(SYS_thr_kill, waiter, SIGUSR2), 0);
		do
			error = sys(SYS_sigwait, &set, &signo);
		while (error == EINTR);
		CHECK_EQ(error, 0);
		CHECK_EQ(signo, SIGUSR2);
	}
	stop = 1;
	guest_thread_join(&threads[0]);
	guest_thread_join(&threads[1]);
	CHECK(count > 10);
	CHECK(turns > 10);
}

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
	CHECK_ERR(sys(SYS_sigwait, 8, 8), EFAULT);
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

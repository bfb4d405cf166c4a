/* POSIX timers, CPU clocks of others, the clock discipline, interrupted sleep. */
#include "guest.h"
#include <sys/timex.h>

static volatile int count, value_seen, code_seen, timer_seen, overrun_seen;

static void
on_timer(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	count++;
	value_seen = info->si_value.sival_int;
	code_seen = info->si_code;
	timer_seen = info->si_timerid;
	overrun_seen += info->si_overrun;
}

static struct itimerspec
spec(long first_ms, long every_ms)
{
	struct itimerspec s = { { every_ms / 1000, every_ms % 1000 * 1000000 }, { first_ms / 1000, first_ms % 1000 * 1000000 } };

	return (s);
}

TEST(timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec set = spec(10, 20), now, old;
	int id = -1;

	event.sigev_value.sival_int = 4711;
	guest_handle(SIGUSR1, on_timer, SA_RESTART);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), 0);
	CHECK(id >= 0);
	CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
	CHECK_EQ(now.it_value.tv_sec | now.it_value.tv_nsec, 0);
	CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, NULL), 0);
	CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
	CHECK_EQ(now.it_interval.tv_nsec, 20000000);
	for (long until = guest_now_ms() + 2000; count < 3 && guest_now_ms() < until;)
		guest_sleep_ms(5);
	CHECK(count >= 3);
	CHECK_EQ(value_seen, 4711);
	CHECK_EQ(code_seen, SI_TIMER);
	CHECK_EQ(timer_seen, id);
	set = spec(0, 0);
	CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 20000000);
	CHECK_OK(sys(SYS_ktimer_getoverrun, id));
	CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
	CHECK_ERR(sys(SYS_ktimer_delete, id), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_settime, id, 0, &set, NULL), EINVAL);
}

/* The signals that Linux has no number for, to a handler and to one who waits, blocked and not. */
TEST(timer_of_every_signal)
{
	static const int signals[] = { 40, 65, 91, 92, 110, 128 };
	int ids[40];
	siginfo_t info;
	long me;

	CHECK_EQ(sys(SYS_thr_self, &me), 0);
	for (size_t i = 0; i < nitems(signals); i++) {
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			struct sigevent event = { .sigev_notify = to_thread ? SIGEV_THREAD_ID : SIGEV_SIGNAL, .sigev_signo = signals[i] };
			struct itimerspec set = spec(5, 0);
			sigset_t only = { { 0 } };
			int id = -1;

			event.sigev_notify_thread_id = (int)me;
			event.sigev_value.sival_int = 100 + (int)i;
			only.__bits[(signals[i] - 1) / 32] = 1u << ((signals[i] - 1) & 31);
			guest_handle(signals[i], on_timer, SA_RESTART);
			count = 0;
			CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), 0);
			CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, NULL), 0);
			for (long until = guest_now_ms() + 5000; count == 0 && guest_now_ms() < until;)
				guest_sleep_ms(2);
			CHECK_EQ(count, 1);
			CHECK_EQ(value_seen, 100 + i);
			CHECK_EQ(code_seen, SI_TIMER);
			CHECK_EQ(timer_seen, id);
			CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &only, NULL), 0);
			CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, NULL), 0);
			guest_sleep_ms(20);
			CHECK_EQ(sys(SYS_sigwaitinfo, &only, &info), signals[i]);
			CHECK_EQ(info.si_code, SI_TIMER);
			CHECK_EQ(info.si_timerid, id);
			CHECK_EQ(info.si_value.sival_int, 100 + i);
			CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &only, NULL), 0);
			CHECK_EQ(count, 1);
			CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
		}
	}
	/* A timer that is gone makes room. */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 100 };
	for (int round = 0; round < 3; round++) {
		/* TIMER_MAX is 32, and three of them are those of setitimer(2). */
		for (int i = 0; i < 29; i++) {
			event.sigev_signo = i % 2 ? 100 : SIGUSR1;
			event.sigev_notify = i % 3 ? SIGEV_SIGNAL : SIGEV_NONE;
			CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &ids[i]), 0);
		}
		CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &ids[29]), EAGAIN);
		for (int i = 0; i < 29; i++)
			CHECK_EQ(sys(SYS_ktimer_delete, ids[i]), 0);
	}
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 129;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, ids), EINVAL);
	event.sigev_signo = 0;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, ids), EINVAL);
}

TEST(timer_at_a_time)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct timespec t;
	struct itimerspec set, now;
	int id;

	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, &event, &id), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &t), 0);
	set = spec(0, 0);
	set.it_value.tv_sec = t.tv_sec + 100;
	CHECK_EQ(sys(SYS_ktimer_settime, id, TIMER_ABSTIME, &set, NULL), 0);
	CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
	CHECK_BETWEEN(now.it_value.tv_sec, 98, 100);
	set.it_value.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_ktimer_settime, id, 0, &set, NULL), EINVAL);
	/* Not inherited. */
	IN_CHILD(CHECK_ERR(sys(SYS_ktimer_gettime, id, &now), EINVAL));
	CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
}

TEST(timer_refused)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	int id;

	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_VIRTUAL, &event, &id), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_create, 99, &event, &id), EINVAL);
	event.sigev_signo = 0;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), EINVAL);
	event.sigev_signo = 129;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), EINVAL);
	event.sigev_notify = 77;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, 8, &id), EFAULT);
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, NULL, 8), EFAULT);
}

/* Without a sigevent it is SIGALRM. */
TEST(timer_by_default)
{
	struct itimerspec set = spec(5, 0);
	int id;

	guest_handle(SIGALRM, on_timer, 0);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, NULL, &id), 0);
	CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, NULL), 0);
	for (long until = guest_now_ms() + 2000; count == 0 && guest_now_ms() < until;)
		guest_sleep_ms(5);
	CHECK_EQ(count, 1);
	CHECK_EQ(code_seen, SI_TIMER);
}

/* To a thread, as librt has it for SIGEV_THREAD. */
TEST(timer_to_a_thread)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
	struct itimerspec set = spec(5, 0);
	long tid;
	int id;

	CHECK_EQ(sys(SYS_thr_self, &tid), 0);
	event.sigev_notify_thread_id = (lwpid_t)tid;
	guest_handle(SIGUSR2, on_timer, 0);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), 0);
	CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &set, NULL), 0);
	for (long until = guest_now_ms() + 2000; count == 0 && guest_now_ms() < until;)
		guest_sleep_ms(5);
	CHECK_EQ(count, 1);
}

TEST(interrupted_sleep)
{
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	struct timespec t = { 5, 0 }, left = { 77, 77 };

	guest_handle(SIGALRM, on_timer, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	long before = guest_now_ms();
	/* Never restarted. */
	CHECK_ERR(sys(SYS_nanosleep, &t, &left), EINTR);
	CHECK_BETWEEN(guest_now_ms() - before, 25, 2000);
	CHECK_BETWEEN(left.tv_sec * 1000 + left.tv_nsec / 1000000, 2900, 4980);
	CHECK_EQ(count, 1);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	left.tv_sec = 77;
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &left), EINTR);
	CHECK_BETWEEN(left.tv_sec * 1000 + left.tv_nsec / 1000000, 2900, 4980);
	/* At a time: nothing remains to be told. */
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
	t.tv_sec += 5;
	left.tv_sec = 77;
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left), EINTR);
	CHECK_EQ(left.tv_sec, 77);
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_VIRTUAL, 0, &t, NULL), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 8, NULL), EFAULT);
}

/* The remainder is what was asked for less what has passed: never more, however soon the signal comes. */
TEST(remainder)
{
	struct timespec t = { 0, 20000000 }, left;
	int interrupted = 0;

	guest_handle(SIGALRM, on_timer, 0);
	for (int n = 0; n < 100 && interrupted < 20; n++) {
		struct itimerval soon = { { 0, 0 }, { 0, 30 } };
		left.tv_sec = 77;
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
		long result = sys(SYS_nanosleep, &t, &left);
		if (result == 0)
			continue;	/* the signal came before the sleep */
		CHECK_EQ(result, -EINTR);
		CHECK_BETWEEN(left.tv_sec * 1000000000 + left.tv_nsec, 0, 19999999);
		interrupted++;
	}
}

TEST(clocks_of_others)
{
	struct timespec t, u;
	int clock = 0;
	long tid;

	CHECK_EQ(sys(SYS_thr_self, &tid), 0);
	CHECK_EQ(sys(SYS_clock_getcpuclockid2, 0, CPUCLOCK_WHICH_PID, &clock), 0);
	CHECK(clock < 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	CHECK_EQ(sys(SYS_clock_gettime, clock, &u), 0);
	CHECK_BETWEEN((u.tv_sec - t.tv_sec) * 1000000000 + u.tv_nsec - t.tv_nsec, 0, 500000000);
	CHECK_EQ(sys(SYS_clock_getres, clock, &u), 0);
	CHECK_EQ(sys(SYS_clock_getcpuclockid2, tid, CPUCLOCK_WHICH_TID, &clock), 0);
	CHECK_EQ(sys(SYS_clock_gettime, clock, &u), 0);
	int pid = guest_fork();
	if (pid == 0)
		for (;;)
			guest_sleep_ms(1000);
	CHECK_EQ(sys(SYS_clock_getcpuclockid2, pid, CPUCLOCK_WHICH_PID, &clock), 0);
	CHECK_EQ(sys(SYS_clock_gettime, clock, &u), 0);
	CHECK_BETWEEN(u.tv_sec, 0, 1);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	guest_wait(pid);
	CHECK_ERR(sys(SYS_clock_gettime, clock, &u), EINVAL);
	CHECK_ERR(sys(SYS_clock_getcpuclockid2, pid, CPUCLOCK_WHICH_PID, &clock), ESRCH);
	CHECK_ERR(sys(SYS_clock_getcpuclockid2, 0, 9, &clock), EINVAL);
}

/* judge: policy, LSF sets no clock */
TEST(clock_discipline)
{
	struct ntptimeval ntv;
	struct timeval delta = { 77, 77 };
	struct timespec t;

	CHECK_BETWEEN(sys(SYS_ntp_gettime, &ntv), 0, 5);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &t), 0);
	CHECK_BETWEEN(t.tv_sec - ntv.time.tv_sec, 0, 1);
	CHECK_EQ(sys(SYS_adjtime, NULL, &delta), 0);
	CHECK_BETWEEN(delta.tv_usec, 0, 999999);
	CHECK_ERR(sys(SYS_adjtime, &delta, NULL), EPERM);
	CHECK_ERR(sys(SYS_settimeofday, &delta, NULL), EPERM);
}

TEST(reads_only)
{
	struct itimerval soon = { { 0, 0 }, { 100, 0 } }, old;

	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	/* Without a new value it changes nothing. */
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, NULL, &old), 0);
	CHECK_BETWEEN(old.it_value.tv_sec, 98, 100);
	CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &old), 0);
	CHECK_BETWEEN(old.it_value.tv_sec, 98, 100);
}

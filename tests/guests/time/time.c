/* Clocks, sleeping, interval timers. */
#include "guest.h"

static i64
nanoseconds(const struct timespec *t)
{
	return (t->tv_sec * 1000000000L + t->tv_nsec);
}

static i64
read_clock(int clock)
{
	struct timespec t = { -1, -1 };

	CHECK_EQ(sys(SYS_clock_gettime, clock, &t), 0);
	CHECK_BETWEEN(t.tv_nsec, 0, 999999999);
	return (nanoseconds(&t));
}

TEST(clocks)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_VIRTUAL, CLOCK_PROF, CLOCK_MONOTONIC, CLOCK_UPTIME, CLOCK_UPTIME_PRECISE,
		CLOCK_UPTIME_FAST, CLOCK_REALTIME_PRECISE, CLOCK_REALTIME_FAST, CLOCK_MONOTONIC_PRECISE, CLOCK_MONOTONIC_FAST,
		CLOCK_SECOND, CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID };
	struct timespec t;

	for (size_t i = 0; i < nitems(clocks); i++) {
		i64 a = read_clock(clocks[i]);
		i64 b = read_clock(clocks[i]);
		if (b < a)
			warn_("clock %d goes backwards: %l, %l\n", clocks[i], a, b);
		CHECK(b >= a);
		memset(&t, 0xff, sizeof(t));
		CHECK_EQ(sys(SYS_clock_getres, clocks[i], &t), 0);
		CHECK_BETWEEN(nanoseconds(&t), 1, 1000000000);
		CHECK_EQ(sys(SYS_clock_getres, clocks[i], NULL), 0);
	}
	CHECK_ERR(sys(SYS_clock_gettime, 3, &t), EINVAL);
	CHECK_ERR(sys(SYS_clock_gettime, 99, &t), EINVAL);
	CHECK_ERR(sys(SYS_clock_gettime, -1, &t), EINVAL);
	CHECK_ERR(sys(SYS_clock_getres, 99, &t), EINVAL);
}

/* The numbers mean other clocks than Linux's: the values tell. */
TEST(clocks_are_the_right_ones)
{
	i64 real = read_clock(CLOCK_REALTIME), up = read_clock(CLOCK_MONOTONIC);
	struct timeval tv;

	CHECK(real / 1000000000 > 1600000000);
	CHECK_BETWEEN(read_clock(CLOCK_REALTIME_PRECISE) - real, 0, 1000000000);
	CHECK_BETWEEN(read_clock(CLOCK_REALTIME_FAST) - real, -100000000, 1000000000);
	CHECK_BETWEEN(read_clock(CLOCK_SECOND) - real, -1100000000, 1000000000);
	CHECK_EQ(read_clock(CLOCK_SECOND) % 1000000000, 0);
	CHECK_BETWEEN(read_clock(CLOCK_MONOTONIC_PRECISE) - up, 0, 1000000000);
	CHECK_BETWEEN(read_clock(CLOCK_MONOTONIC_FAST) - up, -100000000, 1000000000);
	CHECK(read_clock(CLOCK_UPTIME) > 0);
	CHECK_BETWEEN(read_clock(CLOCK_UPTIME_FAST) - read_clock(CLOCK_UPTIME), -100000000, 1000000000);
	CHECK_EQ(sys(SYS_gettimeofday, &tv, NULL), 0);
	CHECK_BETWEEN(tv.tv_sec * 1000000000 + tv.tv_usec * 1000 - real, -1000, 2000000000);
	CHECK_BETWEEN(tv.tv_usec, 0, 999999);
	struct timezone tz = { 77, 77 };
	CHECK_EQ(sys(SYS_gettimeofday, &tv, &tz), 0);
	CHECK_EQ(tz.tz_minuteswest, 0);
}

/* Compute until a clock of CPU time has moved on so far; where others use the machine that takes longer. */
static void
burn(int clock, i64 nanoseconds)
{
	i64 start = read_clock(clock);
	long until = guest_now_ms() + 20000;

	while (read_clock(clock) - start < nanoseconds && guest_now_ms() < until)
		for (volatile int i = 0; i < 10000; i++)
			;
}

TEST(cpu_clocks)
{
	i64 process = read_clock(CLOCK_PROCESS_CPUTIME_ID), thread = read_clock(CLOCK_THREAD_CPUTIME_ID);
	i64 virtual = read_clock(CLOCK_VIRTUAL), prof = read_clock(CLOCK_PROF);

	guest_sleep_ms(60);
	CHECK_BETWEEN(read_clock(CLOCK_PROCESS_CPUTIME_ID) - process, 0, 30000000);
	burn(CLOCK_PROCESS_CPUTIME_ID, 60000000);
	burn(CLOCK_VIRTUAL, 5000000);
	i64 used = read_clock(CLOCK_PROCESS_CPUTIME_ID) - process;
	CHECK_BETWEEN(used, 60000000, 25000000000);
	CHECK_BETWEEN(read_clock(CLOCK_THREAD_CPUTIME_ID) - thread, 10000000, 25000000000);
	CHECK_BETWEEN(read_clock(CLOCK_PROF) - prof, 10000000, 25000000000);
	CHECK_BETWEEN(read_clock(CLOCK_VIRTUAL) - virtual, 5000000, 25000000000);
}

TEST(sleep)
{
	struct timespec t = { 0, 50000000 }, left = { 7, 7 };
	long before = guest_now_ms();

	CHECK_EQ(sys(SYS_nanosleep, &t, &left), 0);
	CHECK_BETWEEN(guest_now_ms() - before, 49, 500);
	CHECK_EQ(left.tv_sec, 7);
	t.tv_nsec = 0;
	CHECK_EQ(sys(SYS_nanosleep, &t, NULL), 0);
	t.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_nanosleep, &t, NULL), EINVAL);
	t.tv_nsec = -1;
	CHECK_ERR(sys(SYS_nanosleep, &t, NULL), EINVAL);
	/* Negative seconds are over at once. */
	t.tv_sec = -5, t.tv_nsec = 0;
	CHECK_EQ(sys(SYS_nanosleep, &t, NULL), 0);
}

/* clock_nanosleep returns the error number itself. */
TEST(sleep_on_a_clock)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME, CLOCK_REALTIME_FAST, CLOCK_MONOTONIC_PRECISE,
		CLOCK_SECOND };
	struct timespec t;

	for (size_t i = 0; i < nitems(clocks); i++) {
		long before = guest_now_ms();
		t.tv_sec = 0, t.tv_nsec = 20000000;
		CHECK_EQ(sys(SYS_clock_nanosleep, clocks[i], 0, &t, NULL), 0);
		CHECK_BETWEEN(guest_now_ms() - before, 19, 1500);
		if (clocks[i] == CLOCK_SECOND)
			continue;
		before = guest_now_ms();
		i64 at = read_clock(clocks[i]) + 30000000;
		t.tv_sec = at / 1000000000, t.tv_nsec = at % 1000000000;
		CHECK_EQ(sys(SYS_clock_nanosleep, clocks[i], TIMER_ABSTIME, &t, NULL), 0);
		CHECK_BETWEEN(guest_now_ms() - before, 20, 500);
		CHECK(read_clock(clocks[i]) >= at - 10000000);
		t.tv_sec = 1;
		CHECK_EQ(sys(SYS_clock_nanosleep, clocks[i], TIMER_ABSTIME, &t, NULL), 0);
	}
	t.tv_nsec = 1000000000;
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &t, NULL), EINVAL);
	t.tv_nsec = 0;
	CHECK_EQ(sys(SYS_clock_nanosleep, 99, 0, &t, NULL), EINVAL);
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_REALTIME, 0x40, &t, NULL), EINVAL);
}

static volatile int ticks, signo_seen;

static void
tick(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	ticks++;
	signo_seen = signo;
}

TEST(interval_timer)
{
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, old, off = { { 0, 0 }, { 0, 0 } };

	guest_handle(SIGALRM, tick, 0);
	CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &old), 0);
	CHECK_EQ(old.it_value.tv_sec | old.it_value.tv_usec | old.it_interval.tv_usec, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 20000);
	CHECK_BETWEEN(old.it_value.tv_usec, 1, 20000);
	long until = guest_now_ms() + 150;
	while (guest_now_ms() < until)
		guest_sleep_ms(5);
	CHECK_BETWEEN(ticks, 3, 9);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &off, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 20000);
	ticks = 0;
	guest_sleep_ms(50);
	CHECK_EQ(ticks, 0);
	timer.it_value.tv_usec = 1000000;
	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), EINVAL);
	timer.it_value.tv_usec = -1;
	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), EINVAL);
	CHECK_ERR(sys(SYS_setitimer, 99, &off, NULL), EINVAL);
	CHECK_ERR(sys(SYS_getitimer, 99, &old), EINVAL);
}

TEST(cpu_timers)
{
	struct itimerval timer = { { 0, 0 }, { 0, 20000 } };

	guest_handle(SIGVTALRM, tick, SA_RESTART);
	guest_handle(SIGPROF, tick, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_VIRTUAL, &timer, NULL), 0);
	for (long until = guest_now_ms() + 3000; ticks == 0 && guest_now_ms() < until;)
		burn(CLOCK_PROCESS_CPUTIME_ID, 5000000);
	CHECK_EQ(ticks, 1);
	CHECK_EQ(signo_seen, SIGVTALRM);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_PROF, &timer, NULL), 0);
	for (long until = guest_now_ms() + 3000; ticks == 1 && guest_now_ms() < until;)
		burn(CLOCK_PROCESS_CPUTIME_ID, 5000000);
	CHECK_EQ(signo_seen, SIGPROF);
}

TEST(setting_needs_rights_and_sense)
{
	struct timespec t = { 0, 1000000000 };

	/* Only refusals are tried: nobody wants the machine's clock changed. Who may not gets EPERM before all else. */
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };
	for (size_t i = 0; i < nitems(clocks); i++) {
		long ret = sys(SYS_clock_settime, clocks[i], &t);
		CHECK(ret == -EINVAL || ret == -EPERM);
	}
}

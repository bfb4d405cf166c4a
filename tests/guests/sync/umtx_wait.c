/* _umtx_op(2): WAIT, WAIT_UINT, WAKE and NWAKE, private and shared, with every kind of timeout. */
#include "asleep.h"

static volatile long word;
static volatile u32 word32;
static volatile int woken;
static struct guest_thread threads[8];

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

/* Until so many threads sleep in the kernel there is no way to know; a wake-up that finds none is tried again. */
static void
wake_until(volatile int *counter, int wanted, int op, const volatile void *address, long count)
{
	for (int i = 0; i < 2000 && __atomic_load_n(counter, __ATOMIC_SEQ_CST) < wanted; i++) {
		CHECK_EQ(sys(SYS__umtx_op, address, op, count, NULL, NULL), 0);
		guest_sleep_ms(1);
	}
	CHECK_EQ(*counter, wanted);
}

TEST(other_value)
{
	word = 5;
	CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 4, NULL, NULL), 0);
	CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 5 | 1L << 40, NULL, NULL), 0);
	word = 5 | 1L << 40;
	CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 5, NULL, NULL), 0);
	word32 = 5;
	CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAIT_UINT, 4, NULL, NULL), 0);
	CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAIT_UINT_PRIVATE, 4, NULL, NULL), 0);
	/* The value is an unsigned long: one with bits above 32 is never a 32-bit word's. */
	CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAIT_UINT, 5 | 1L << 32, NULL, NULL), 0);
}

TEST(faults)
{
	CHECK_ERR(sys(SYS__umtx_op, 8, UMTX_OP_WAIT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(sys(SYS__umtx_op, 8, UMTX_OP_WAIT_UINT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(sys(SYS__umtx_op, 8, UMTX_OP_WAIT_UINT_PRIVATE, 0, NULL, NULL), EFAULT);
	CHECK_ERR(sys(SYS__umtx_op, 8, UMTX_OP_WAKE, 1, NULL, NULL), EFAULT);
	CHECK_EQ(sys(SYS__umtx_op, 8, UMTX_OP_WAKE_PRIVATE, 1, NULL, NULL), 0);
	CHECK_ERR(sys(SYS__umtx_op, 8, UMTX_OP_NWAKE_PRIVATE, 2, NULL, NULL), EFAULT);
	CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, NULL, 8), EFAULT);
	CHECK_ERR(sys(SYS__umtx_op, &word, 29, 0, NULL, NULL), EINVAL);
	CHECK_ERR(sys(SYS__umtx_op, &word, 0x3fffffff, 0, NULL, NULL), EINVAL);
}

static void
timeout(int op, const volatile void *address, clockid_t clock, int flags)
{
	struct _umtx_time t = { { 0, 30000000 }, flags, clock };
	long before = guest_now_ms();

	if (flags & UMTX_ABSTIME) {
		CHECK_EQ(sys(SYS_clock_gettime, clock, &t._timeout), 0);
		t._timeout.tv_nsec += 30000000;
		if (t._timeout.tv_nsec >= 1000000000)
			t._timeout.tv_sec++, t._timeout.tv_nsec -= 1000000000;
	}
	CHECK_ERR(sys(SYS__umtx_op, address, op, 0, sizeof(t), &t), ETIMEDOUT);
	/* The _FAST clocks lag by up to a tick of the machine's. */
	CHECK(guest_now_ms() - before >= (clock == CLOCK_REALTIME_FAST || clock == CLOCK_MONOTONIC_FAST ? 18 : 29));
}

TEST(timeouts)
{
	static const int ops[] = { UMTX_OP_WAIT, UMTX_OP_WAIT_UINT, UMTX_OP_WAIT_UINT_PRIVATE };
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_REALTIME_PRECISE, CLOCK_REALTIME_FAST, CLOCK_MONOTONIC,
	    CLOCK_MONOTONIC_FAST, CLOCK_UPTIME, CLOCK_UPTIME_PRECISE };
	struct timespec relative = { 0, 30000000 };

	word = 0;
	for (size_t i = 0; i < nitems(ops); i++) {
		long before = guest_now_ms();
		CHECK_ERR(sys(SYS__umtx_op, &word, ops[i], 0, 0, &relative), ETIMEDOUT);
		CHECK_ERR(sys(SYS__umtx_op, &word, ops[i], 0, sizeof(relative), &relative), ETIMEDOUT);
		CHECK(guest_now_ms() - before >= 59);
		for (size_t k = 0; k < nitems(clocks); k++) {
			timeout(ops[i], &word, clocks[k], 0);
			timeout(ops[i], &word, clocks[k], UMTX_ABSTIME);
		}
	}
}

/* CPU time does not pass while a thread sleeps alone, but another one's does for the process's clock. */
static volatile int stop;

static void
spin(void *argument)
{
	(void)argument;
	while (!stop)
		;
}

TEST(cpu_clock)
{
	struct _umtx_time t = { { 0, 20000000 }, 0, CLOCK_PROCESS_CPUTIME_ID };

	word = 0;
	stop = 0;
	guest_thread_start(&threads[0], spin, NULL);
	CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, sizeof(t), &t), ETIMEDOUT);
	stop = 1;
	guest_thread_join(&threads[0]);
}

TEST(past)
{
	struct _umtx_time t = { { 1, 0 }, UMTX_ABSTIME, CLOCK_REALTIME };
	struct timespec zero = { 0, 0 };

	word = 0;
	CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, sizeof(t), &t), ETIMEDOUT);
	t._clockid = CLOCK_MONOTONIC;
	t._timeout.tv_sec = 0;
	t._timeout.tv_nsec = 1;		/* at 0 FreeBSD waits for ever: the sleep takes that for no time at all */
	CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT, 0, sizeof(t), &t), ETIMEDOUT);
	CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT_PRIVATE, 0, 0, &zero), ETIMEDOUT);
}

TEST(bad_timeouts)
{
	struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };

	word = 0;
	for (size_t i = 0; i < nitems(bad); i++) {
		CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, 0, &bad[i]), EINVAL);
		CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT, 0, 0, &bad[i]), EINVAL);
		CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT_PRIVATE, 0, 0, &bad[i]), EINVAL);
	}
	/* Far away is not an error. */
	struct _umtx_time t = { { 0x7fffffffffffffff, 999999999 }, 0, CLOCK_MONOTONIC };
	word = 1;
	CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, sizeof(t), &t), 0);
}

static void
sleeper(void *argument)
{
	long op = (long)argument;

	CHECK_EQ(sys(SYS__umtx_op, op == UMTX_OP_WAIT ? (const volatile void *)&word : &word32, op, 0, NULL, NULL), 0);
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

/* Every kind of sleeper of a private mapping is found by every kind of waker. */
TEST(kinds)
{
	static const int ops[] = { UMTX_OP_WAIT, UMTX_OP_WAIT_UINT, UMTX_OP_WAIT_UINT_PRIVATE };

	for (size_t i = 0; i < nitems(ops); i++) {
		const volatile void *address = ops[i] == UMTX_OP_WAIT ? (const volatile void *)&word : &word32;
		word = word32 = 0;
		woken = 0;
		guest_thread_start(&threads[0], sleeper, (void *)(long)ops[i]);
		wake_until(&woken, 1, UMTX_OP_WAKE, address, 1);
		guest_thread_start(&threads[1], sleeper, (void *)(long)ops[i]);
		wake_until(&woken, 2, UMTX_OP_WAKE_PRIVATE, address, 1);
		guest_thread_join(&threads[0]);
		guest_thread_join(&threads[1]);
	}
}

/* One wake-up of one wakes one. */
TEST(one)
{
	word32 = 0;
	woken = 0;
	for (int i = 0; i < 4; i++)
		guest_thread_start(&threads[i], sleeper, (void *)UMTX_OP_WAIT_UINT_PRIVATE);
	for (int i = 0; i < 4; i++)
		guest_asleep(&threads[i]);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAKE_PRIVATE, i == 3 ? 0 : 1, NULL, NULL), 0);
		GUEST_UNTIL(__atomic_load_n(&woken, __ATOMIC_SEQ_CST) >= i);
		guest_sleep_ms(20);
		CHECK_EQ(woken, i);
	}
	CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAKE_PRIVATE, 1, NULL, NULL), 0);
	for (int i = 0; i < 4; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(woken, 4);
}

TEST(all)
{
	word32 = 0;
	woken = 0;
	for (int i = 0; i < 8; i++)
		guest_thread_start(&threads[i], sleeper, (void *)UMTX_OP_WAIT_UINT);
	for (int i = 0; i < 8; i++)
		guest_asleep(&threads[i]);
	CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAKE, INT_MAX, NULL, NULL), 0);
	for (int i = 0; i < 8; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(woken, 8);
}

static volatile u32 many[200];

static void
sleep_at(void *argument)
{
	CHECK_EQ(sys(SYS__umtx_op, argument, UMTX_OP_WAIT_UINT_PRIVATE, 0, NULL, NULL), 0);
}

TEST(nwake)
{
	const volatile void *list[200];

	for (int i = 0; i < 200; i++)
		list[i] = &many[i];
	guest_thread_start(&threads[0], sleep_at, (void *)&many[0]);
	guest_thread_start(&threads[1], sleep_at, (void *)&many[127]);
	guest_thread_start(&threads[2], sleep_at, (void *)&many[128]);
	guest_thread_start(&threads[3], sleep_at, (void *)&many[199]);
	for (int i = 0; i < 4; i++)
		guest_asleep(&threads[i]);
	CHECK_EQ(sys(SYS__umtx_op, list, UMTX_OP_NWAKE_PRIVATE, 200, NULL, NULL), 0);
	for (int i = 0; i < 4; i++)
		guest_thread_join(&threads[i]);
}

/* Between processes: a shared mapping is one object, a private one is two. */
TEST(processes)
{
	volatile u32 *shared = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_ANON | MAP_SHARED, -1, 0));
	struct timespec soon = { 0, 100000000 };
	int pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS__umtx_op, shared, UMTX_OP_WAIT_UINT, 0, NULL, NULL), 0);
		CHECK_EQ(shared[0], 1);
		CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAIT_UINT, 0, 0, &soon), -ETIMEDOUT);
		guest_exit(0);
	}
	guest_sleep_ms(50);
	shared[0] = 1;
	CHECK_EQ(sys(SYS__umtx_op, shared, UMTX_OP_WAKE, 1, NULL, NULL), 0);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(sys(SYS__umtx_op, &word32, UMTX_OP_WAKE, 1, NULL, NULL), 0);
		guest_sleep_ms(10);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

static volatile long waiter_result;

static void
interrupted(void *argument)
{
	struct timespec far = { 100, 0 };

	waiter_result = sys(SYS__umtx_op, &word, (long)argument, 0, 0,
	    (long)argument == UMTX_OP_WAIT_UINT ? &far : NULL);
}

/* A wait is never restarted, SA_RESTART or not. */
TEST(signals)
{
	static const int ops[] = { UMTX_OP_WAIT, UMTX_OP_WAIT_UINT, UMTX_OP_WAIT_UINT_PRIVATE };

	word = 0;
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR1, handler, flags);
		for (size_t i = 0; i < nitems(ops); i++) {
			guest_thread_start(&threads[0], interrupted, (void *)(long)ops[i]);
			guest_asleep(&threads[0]);
			CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
			guest_thread_join(&threads[0]);
			CHECK_EQ(waiter_result, -EINTR);
		}
	}
}

/* Two threads hand a token to and fro, with a signal now and then: no wake-up is lost. */
#define ROUNDS 20000
static volatile u32 turn;

static void
pass(int me, int op_wait, int op_wake)
{
	for (u32 i = me; i < ROUNDS; i += 2) {
		u32 now;
		while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != i) {
			long result = sys(SYS__umtx_op, &turn, op_wait, now, NULL, NULL);
			CHECK(result == 0 || result == -EINTR);
		}
		__atomic_store_n(&turn, i + 1, __ATOMIC_RELEASE);
		CHECK_EQ(sys(SYS__umtx_op, &turn, op_wake, 1, NULL, NULL), 0);
	}
}

static void
passer(void *argument)
{
	pass(1, UMTX_OP_WAIT_UINT_PRIVATE, (long)argument);
}

TEST(token)
{
	guest_handle(SIGUSR1, handler, 0);
	/* Last the mixed kinds: one sleeps shared and the other wakes private, and the other way round. */
	for (int round = 0; round < 2; round++) {
		turn = 0;
		guest_thread_start(&threads[0], passer, (void *)(long)(round ? UMTX_OP_WAKE : UMTX_OP_WAKE_PRIVATE));
		if (round == 0)
			for (int i = 0; i < 100; i++)
				sys(SYS_thr_kill, threads[0].id, SIGUSR1);
		pass(0, round ? UMTX_OP_WAIT_UINT : UMTX_OP_WAIT_UINT_PRIVATE, UMTX_OP_WAKE_PRIVATE);
		guest_thread_join(&threads[0]);
		CHECK_EQ(turn, ROUNDS);
	}
}


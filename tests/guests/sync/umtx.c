/* _umtx_op(2): what libthr and Go's runtime build on (sys/kern/kern_umtx.c). */
#include "guest.h"

#define OP(object, op, value, a, b) sys(SYS__umtx_op, object, op, value, a, b)
#define SIZE(t) ((void *)(u64)sizeof(t))

static volatile u64 wide;
static volatile u32 word;
static volatile int woken, started;

TEST(wait_does_not_wait)
{
	/* Another value than the expected one: 0 at once. */
	wide = 5;
	word = 5;
	CHECK_EQ(OP(&wide, UMTX_OP_WAIT, 6, NULL, NULL), 0);
	CHECK_EQ(OP(&word, UMTX_OP_WAIT_UINT, 6, NULL, NULL), 0);
	CHECK_EQ(OP(&word, UMTX_OP_WAIT_UINT_PRIVATE, 6, NULL, NULL), 0);
	/* All 64 bits count for WAIT. */
	wide = 0x100000005;
	CHECK_EQ(OP(&wide, UMTX_OP_WAIT, 5, NULL, NULL), 0);
	CHECK_EQ(OP(&wide, UMTX_OP_WAKE, 1, NULL, NULL), 0);
	CHECK_EQ(OP(&word, UMTX_OP_WAKE_PRIVATE, 0x7fffffff, NULL, NULL), 0);
}

TEST(errors)
{
	CHECK_ERR(OP(&word, 999, 0, NULL, NULL), EINVAL);
	CHECK_ERR(OP(&word, -1, 0, NULL, NULL), EINVAL);
	CHECK_ERR(OP(8, UMTX_OP_WAIT_UINT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_WAIT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EFAULT);
	struct timespec t = { 0, 1000000000 };
	word = 0;
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(t), &t), EINVAL);
	t.tv_nsec = -1;
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(t), &t), EINVAL);
	t.tv_nsec = 0, t.tv_sec = -1;
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(t), &t), EINVAL);
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(t), 8), EFAULT);
}

TEST(timeouts)
{
	struct timespec t = { 0, 30000000 };
	struct _umtx_time u;
	long before;

	word = 0;
	wide = 0;
	before = guest_now_ms();
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT_PRIVATE, 0, SIZE(t), &t), ETIMEDOUT);
	CHECK_BETWEEN(guest_now_ms() - before, 29, 500);
	before = guest_now_ms();
	CHECK_ERR(OP(&wide, UMTX_OP_WAIT, 0, SIZE(t), &t), ETIMEDOUT);
	CHECK_BETWEEN(guest_now_ms() - before, 29, 500);
	/* A clock, relative and absolute. */
	memset(&u, 0, sizeof(u));
	u._clockid = CLOCK_MONOTONIC;
	u._timeout = t;
	before = guest_now_ms();
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(u), &u), ETIMEDOUT);
	CHECK_BETWEEN(guest_now_ms() - before, 29, 500);
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_UPTIME, CLOCK_REALTIME_FAST, CLOCK_MONOTONIC_PRECISE };
	for (size_t i = 0; i < nitems(clocks); i++) {
		u._clockid = (u32)clocks[i];
		u._flags = UMTX_ABSTIME;
		CHECK_EQ(sys(SYS_clock_gettime, clocks[i], &u._timeout), 0);
		u._timeout.tv_nsec += 30000000;
		if (u._timeout.tv_nsec >= 1000000000)
			u._timeout.tv_sec++, u._timeout.tv_nsec -= 1000000000;
		before = guest_now_ms();
		CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(u), &u), ETIMEDOUT);
		CHECK_BETWEEN(guest_now_ms() - before, 15, 500);
		/* In the past. */
		u._timeout.tv_sec = 1;
		CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(u), &u), ETIMEDOUT);
	}
	t.tv_nsec = 0;
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT, 0, SIZE(t), &t), ETIMEDOUT);
}

static void
wait_word(void *op)
{
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(OP(&word, (long)op, 0, NULL, NULL), 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
}

static void
wait_until(volatile int *what, int value)
{
	for (int i = 0; i < 5000 && *what < value; i++)
		guest_sleep_ms(1);
	CHECK_EQ(*what, value);
}

static void
wake_tests(int wait_op, int wake_op)
{
	struct guest_thread t[5];

	woken = started = 0;
	word = 0;
	for (int i = 0; i < 5; i++)
		guest_thread_start(&t[i], wait_word, (void *)(long)wait_op);
	wait_until(&started, 5);
	guest_sleep_ms(30);
	CHECK_EQ(woken, 0);
	CHECK_EQ(OP(&word, wake_op, 1, NULL, NULL), 0);
	wait_until(&woken, 1);
	guest_sleep_ms(20);
	CHECK_EQ(woken, 1);
	CHECK_EQ(OP(&word, wake_op, 2, NULL, NULL), 0);
	wait_until(&woken, 3);
	CHECK_EQ(OP(&word, wake_op, 0x7fffffff, NULL, NULL), 0);
	wait_until(&woken, 5);
	for (int i = 0; i < 5; i++)
		guest_thread_join(&t[i]);
}

TEST(wake)
{
	wake_tests(UMTX_OP_WAIT_UINT, UMTX_OP_WAKE);
	wake_tests(UMTX_OP_WAIT_UINT_PRIVATE, UMTX_OP_WAKE_PRIVATE);
}

static void
wait_wide(void *unused)
{
	(void)unused;
	started = 1;
	CHECK_EQ(OP(&wide, UMTX_OP_WAIT, 0x500000005, NULL, NULL), 0);
	woken = 1;
}

TEST(wake_64_bits)
{
	struct guest_thread t;

	wide = 0x500000005;
	guest_thread_start(&t, wait_wide, NULL);
	wait_until(&started, 1);
	guest_sleep_ms(20);
	CHECK_EQ(woken, 0);
	CHECK_EQ(OP(&wide, UMTX_OP_WAKE, 1, NULL, NULL), 0);
	guest_thread_join(&t);
}

/* Between processes, in shared memory. */
TEST(wake_another_process)
{
	volatile u32 *shared = (u32 *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));

	int pid = guest_fork();
	if (pid == 0) {
		shared[1] = 1;
		while (shared[0] == 0)
			CHECK_EQ(OP(&shared[0], UMTX_OP_WAIT_UINT, 0, NULL, NULL), 0);
		guest_exit(31);
	}
	while (shared[1] == 0)
		guest_sleep_ms(1);
	guest_sleep_ms(20);
	shared[0] = 1;
	CHECK_EQ(OP(&shared[0], UMTX_OP_WAKE, 1, NULL, NULL), 0);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 31);
}

TEST(wake_many_addresses)
{
	static volatile u32 words[3];
	void *addresses[3] = { (void *)&words[0], (void *)&words[1], (void *)&words[2] };

	CHECK_EQ(OP(addresses, UMTX_OP_NWAKE_PRIVATE, 3, NULL, NULL), 0);
	CHECK_EQ(OP(addresses, UMTX_OP_NWAKE_PRIVATE, 0, NULL, NULL), 0);
	CHECK_ERR(OP(8, UMTX_OP_NWAKE_PRIVATE, 3, NULL, NULL), EFAULT);
	struct guest_thread t;
	word = 0;
	addresses[1] = (void *)&word;
	guest_thread_start(&t, wait_word, (void *)(long)UMTX_OP_WAIT_UINT_PRIVATE);
	wait_until(&started, 1);
	guest_sleep_ms(20);
	CHECK_EQ(OP(addresses, UMTX_OP_NWAKE_PRIVATE, 3, NULL, NULL), 0);
	guest_thread_join(&t);
}

static volatile int signalled;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	signalled++;
}

TEST(interrupted)
{
	struct itimerval timer = { { 0, 0 }, { 0, 30000 } };
	struct timespec t = { 5, 0 };

	guest_handle(SIGALRM, on_signal, 0);
	word = 0;
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT_PRIVATE, 0, NULL, NULL), EINTR);
	CHECK_EQ(signalled, 1);
	/* With a timeout it is EINTR also after SA_RESTART (umtxq_sleep turns ERESTART into EINTR). */
	guest_handle(SIGALRM, on_signal, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(OP(&word, UMTX_OP_WAIT_UINT_PRIVATE, 0, SIZE(t), &t), EINTR);
	CHECK_EQ(signalled, 2);
}

/* ------------------------------------------------------------------ mutexes */

static struct umutex mutex;
static volatile long guarded;

static void
lock(void)
{
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	/* As libthr does it: the word first, the kernel where that fails. */
	for (;;) {
		lwpid_t free = UMUTEX_UNOWNED;
		if (__atomic_compare_exchange_n(&mutex.m_owner, &free, (lwpid_t)self, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		long ret = OP(&mutex, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL);
		if (ret == 0)
			return;
		CHECK(ret == -EINTR);
	}
}

static void
unlock(void)
{
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	lwpid_t mine = (lwpid_t)self;
	if (!__atomic_compare_exchange_n(&mutex.m_owner, &mine, UMUTEX_UNOWNED, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

static void
contend(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5000; i++) {
		lock();
		long value = guarded;
		if (i % 64 == 0)
			sys(SYS_sched_yield);
		guarded = value + 1;
		unlock();
	}
}

TEST(mutex)
{
	struct guest_thread t[4];
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(mutex.m_owner, self);
	CHECK_ERR(OP(&mutex, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EBUSY);
	CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(mutex.m_owner & ~UMUTEX_CONTESTED, 0);
	mutex.m_owner = 0;
	CHECK_ERR(OP(&mutex, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EPERM);
	CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	mutex.m_owner = 0;
	for (int i = 0; i < 4; i++)
		guest_thread_start(&t[i], contend, NULL);
	for (int i = 0; i < 4; i++)
		guest_thread_join(&t[i]);
	CHECK_EQ(guarded, 20000);
	CHECK_EQ(mutex.m_owner & ~UMUTEX_CONTESTED, 0);
}

static void
hold(void *unused)
{
	(void)unused;
	lock();
	started = 1;
	guest_sleep_ms(100);
	unlock();
}

TEST(mutex_timeout)
{
	struct guest_thread t;
	struct timespec brief = { 0, 20000000 };

	guest_thread_start(&t, hold, NULL);
	wait_until(&started, 1);
	CHECK_ERR(OP(&mutex, UMTX_OP_MUTEX_LOCK, 0, SIZE(brief), &brief), ETIMEDOUT);
	CHECK_EQ(OP(&mutex, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	unlock();
	guest_thread_join(&t);
}

/* ------------------------------------------------------------------ condition variables */

static struct ucond condition;
static volatile int ready;

static void
consumer(void *unused)
{
	(void)unused;
	lock();
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	while (ready == 0) {
		/* The kernel releases the mutex while it waits; libthr takes it again. */
		long ret = OP(&condition, UMTX_OP_CV_WAIT, 0, &mutex, NULL);
		CHECK(ret == 0 || ret == -EINTR);
		lock();
	}
	ready--;
	woken++;
	unlock();
}

TEST(condition)
{
	struct guest_thread t[3];

	for (int i = 0; i < 3; i++)
		guest_thread_start(&t[i], consumer, NULL);
	wait_until(&started, 3);
	guest_sleep_ms(30);
	lock();
	ready = 1;
	unlock();
	CHECK_EQ(OP(&condition, UMTX_OP_CV_SIGNAL, 0, NULL, NULL), 0);
	wait_until(&woken, 1);
	lock();
	ready = 2;
	unlock();
	CHECK_EQ(OP(&condition, UMTX_OP_CV_BROADCAST, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		guest_thread_join(&t[i]);
	CHECK_EQ(woken, 3);
}

TEST(condition_timeout)
{
	struct timespec brief = { 0, 20000000 };

	lock();
	CHECK_ERR(OP(&condition, UMTX_OP_CV_WAIT, 0, &mutex, &brief), ETIMEDOUT);
	/* It was unlocked for the wait. */
	CHECK_EQ(mutex.m_owner & ~UMUTEX_CONTESTED, 0);
	/* Absolute, with the condition's clock. */
	condition.c_clockid = CLOCK_MONOTONIC;
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &brief), 0);
	lock();
	CHECK_ERR(OP(&condition, UMTX_OP_CV_WAIT, CVWAIT_ABSTIME | CVWAIT_CLOCKID, &mutex, &brief), ETIMEDOUT);
}

/* ------------------------------------------------------------------ read-write locks */

static struct urwlock rw;

static void
reader(void *unused)
{
	(void)unused;
	CHECK_EQ(OP(&rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
}

TEST(read_write_lock)
{
	struct guest_thread t[3];
	struct timespec brief = { 0, 20000000 };

	CHECK_EQ(OP(&rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), 0);
	CHECK_ERR(OP(&rw, UMTX_OP_RW_WRLOCK, 0, SIZE(brief), &brief), ETIMEDOUT);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_WRLOCK, 0, NULL, NULL), 0);
	CHECK_ERR(OP(&rw, UMTX_OP_RW_RDLOCK, 0, SIZE(brief), &brief), ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		guest_thread_start(&t[i], reader, NULL);
	guest_sleep_ms(30);
	CHECK_EQ(woken, 0);
	CHECK_EQ(OP(&rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		guest_thread_join(&t[i]);
	CHECK_EQ(woken, 3);
}

/* ------------------------------------------------------------------ semaphores */

static struct _usem2 semaphore;

static void
poster(void *unused)
{
	(void)unused;
	guest_sleep_ms(30);
	__atomic_add_fetch(&semaphore._count, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(OP(&semaphore, UMTX_OP_SEM2_WAKE, 0, NULL, NULL), 0);
}

TEST(semaphore)
{
	struct guest_thread t;
	struct timespec brief = { 0, 20000000 };

	CHECK_ERR(OP(&semaphore, UMTX_OP_SEM2_WAIT, 0, SIZE(brief), &brief), ETIMEDOUT);
	guest_thread_start(&t, poster, NULL);
	CHECK_EQ(OP(&semaphore, UMTX_OP_SEM2_WAIT, 0, NULL, NULL), 0);
	CHECK_EQ(USEM_COUNT(semaphore._count), 1);
	/* It does not wait while there is something to take. */
	CHECK_EQ(OP(&semaphore, UMTX_OP_SEM2_WAIT, 0, NULL, NULL), 0);
	guest_thread_join(&t);
}

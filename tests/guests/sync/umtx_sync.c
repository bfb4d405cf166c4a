/* _umtx_op(2) on struct ucond, urwlock, _usem2 and _usem, used as libthr and libc use them. */
#include "asleep.h"

#define OP(obj, op, val, a1, a2) sys(SYS__umtx_op, obj, op, val, a1, a2)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)

static struct guest_thread threads[16];
static volatile long result;

struct shared {
	struct umutex mutex;
	struct ucond cv;
	struct urwlock rw;
	struct _usem2 sem2;
	struct _usem sem;
	volatile long a, b, value, waiting, errors;
};
static struct shared local, *s = &local;

static inline u32
self(void)
{
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	return ((u32)id);
}

static int
cas(volatile void *at, u32 was, u32 is)
{
	return (__atomic_compare_exchange_n((volatile u32 *)at, &was, is, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

static void
lock(u32 id)
{
	for (;;) {
		u32 owner = LOAD(&s->mutex.m_owner);
		if ((owner & ~UMUTEX_CONTESTED) == 0 && cas(&s->mutex.m_owner, owner, id | owner))
			return;
		long error = OP(&s->mutex, UMTX_OP_MUTEX_WAIT, 0, NULL, NULL);
		CHECK(error == 0 || error == -EINTR);
	}
}

static void
unlock(u32 id)
{
	u32 owner;

	do {
		owner = LOAD(&s->mutex.m_owner);
		CHECK_EQ(owner & ~UMUTEX_CONTESTED, id);
	} while (!cas(&s->mutex.m_owner, owner, UMUTEX_UNOWNED));
	if (owner & UMUTEX_CONTESTED)
		CHECK_EQ(OP(&s->mutex, UMTX_OP_MUTEX_WAKE2, s->mutex.m_flags, NULL, NULL), 0);
}

/* libthr's signal: the flag first. */
static void
cv_signal(int op)
{
	if (LOAD(&s->cv.c_has_waiters) != 0)
		CHECK_EQ(OP(&s->cv, op, 0, NULL, NULL), 0);
}

static long
cv_wait(u32 id, long flags, void *timeout)
{
	long error = OP(&s->cv, UMTX_OP_CV_WAIT, flags, &s->mutex, timeout);

	lock(id);
	return (error);
}

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static struct shared *
share(void)
{
	s = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));
	s->mutex.m_flags = s->cv.c_flags = s->rw.rw_flags = s->sem2._flags = s->sem._flags = USYNC_PROCESS_SHARED;
	return (s);
}

/* Runs the body in so many threads, or in so many processes, and waits for them. */
static void
crowd(int n, void (*body)(void *), int processes, int signals)
{
	int pids[16];

	for (int i = 0; i < n; i++) {
		if (!processes) {
			guest_thread_start(&threads[i], body, (void *)(long)i);
		} else if ((pids[i] = guest_fork()) == 0) {
			body((void *)(long)i);
			guest_exit(0);
		}
	}
	for (int i = 0; i < signals; i++)
		processes ? sys(SYS_kill, pids[i % n], SIGUSR1) : sys(SYS_thr_kill, threads[i % n].id, SIGUSR1);
	for (int i = 0; i < n; i++) {
		if (processes)
			CHECK_EQ(guest_wait(pids[i]), 0);
		else
			guest_thread_join(&threads[i]);
	}
}

/* ------------------------------------------------------------------ condition variables */

TEST(cv_errors)
{
	struct timespec bad = { 0, 1000000000 };
	u32 id = self();

	lock(id);
	CHECK_ERR(OP(&s->cv, UMTX_OP_CV_WAIT, 0, &s->mutex, &bad), EINVAL);
	CHECK_ERR(OP(8, UMTX_OP_CV_WAIT, 0, &s->mutex, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_CV_SIGNAL, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_CV_BROADCAST, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(&s->cv, UMTX_OP_CV_WAIT, 0, 8, NULL), EFAULT);
	s->cv.c_clockid = 14;
	CHECK_ERR(OP(&s->cv, UMTX_OP_CV_WAIT, CVWAIT_CLOCKID, &s->mutex, NULL), EINVAL);
	CHECK_EQ((u32)s->mutex.m_owner, id);
	unlock(id);
	/* Not the owner. */
	CHECK_ERR(OP(&s->cv, UMTX_OP_CV_WAIT, 0, &s->mutex, NULL), EPERM);
	CHECK_EQ(s->cv.c_has_waiters, 0);
}

TEST(cv_timeout)
{
	static const struct { long flags; clockid_t clock; } ways[] = { { 0, 0 }, { CVWAIT_CLOCKID, CLOCK_MONOTONIC },
	    { CVWAIT_ABSTIME, CLOCK_REALTIME }, { CVWAIT_ABSTIME | CVWAIT_CLOCKID, CLOCK_REALTIME },
	    { CVWAIT_ABSTIME | CVWAIT_CLOCKID, CLOCK_MONOTONIC } };
	u32 id = self();

	for (size_t i = 0; i < nitems(ways); i++) {
		struct timespec t = { 0, 30000000 };
		if (ways[i].flags & CVWAIT_ABSTIME) {
			CHECK_EQ(sys(SYS_clock_gettime, ways[i].clock, &t), 0);
			t.tv_nsec += 30000000;
			if (t.tv_nsec >= 1000000000)
				t.tv_sec++, t.tv_nsec -= 1000000000;
		}
		s->cv.c_clockid = ways[i].clock;
		long before = guest_now_ms();
		lock(id);
		CHECK_ERR(cv_wait(id, ways[i].flags, &t), ETIMEDOUT);
		unlock(id);
		CHECK(guest_now_ms() - before >= 29);
		CHECK_EQ(s->cv.c_has_waiters, 0);
	}
}

static void
wait_once(void *argument)
{
	u32 id = self();

	(void)argument;
	lock(id);
	s->waiting++;
	result = cv_wait(id, 0, NULL);
	s->value++;
	unlock(id);
}

/* One signal wakes one, a broadcast the rest; the flag says whether somebody waits. */
TEST(cv_signal)
{
	u32 id = self();

	for (int i = 0; i < 5; i++)
		guest_thread_start(&threads[i], wait_once, NULL);
	while (LOAD(&s->waiting) < 5)
		guest_sleep_ms(1);
	for (int i = 0; i < 5; i++)
		guest_asleep(&threads[i]);
	CHECK(s->cv.c_has_waiters != 0);
	for (int i = 1; i <= 2; i++) {
		CHECK_EQ(OP(&s->cv, UMTX_OP_CV_SIGNAL, 0, NULL, NULL), 0);
		GUEST_UNTIL(LOAD(&s->value) >= i);
		guest_sleep_ms(20);
		CHECK_EQ(s->value, i);
		CHECK(s->cv.c_has_waiters != 0);
	}
	CHECK_EQ(OP(&s->cv, UMTX_OP_CV_BROADCAST, 0, NULL, NULL), 0);
	CHECK_EQ(s->cv.c_has_waiters, 0);
	for (int i = 0; i < 5; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(s->value, 5);
	CHECK_EQ(OP(&s->cv, UMTX_OP_CV_SIGNAL, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&s->cv, UMTX_OP_CV_BROADCAST, 0, NULL, NULL), 0);
	/* The last one that is signalled takes the flag with it. */
	guest_thread_start(&threads[0], wait_once, NULL);
	while (LOAD(&s->waiting) < 6)
		guest_sleep_ms(1);
	lock(id);
	CHECK(s->cv.c_has_waiters != 0);
	CHECK_EQ(OP(&s->cv, UMTX_OP_CV_SIGNAL, 0, NULL, NULL), 0);
	CHECK_EQ(s->cv.c_has_waiters, 0);
	unlock(id);
	guest_thread_join(&threads[0]);
}

TEST(cv_interrupted)
{
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR1, handler, flags);
		guest_thread_start(&threads[0], wait_once, NULL);
		guest_asleep(&threads[0]);
		CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
		guest_thread_join(&threads[0]);
		CHECK_EQ(result, -EINTR);
		CHECK_EQ(s->cv.c_has_waiters, 0);
	}
}

/* A bounded buffer of one place: even numbers put, odd ones take; signals and time-outs in between. */
#define ITEMS 2000

static void
buffer(void *argument)
{
	u32 id = self();
	struct timespec little = { 0, 50000 };
	long me = (long)argument;

	for (int i = 0; i < ITEMS; i++) {
		lock(id);
		while (me % 2 ? s->value == 0 : s->value != 0) {
			long error = cv_wait(id, 0, me >= 4 ? &little : NULL);
			CHECK(error == 0 || error == -EINTR || (me >= 4 && error == -ETIMEDOUT));
		}
		s->value = !s->value;
		s->a++;
		cv_signal(UMTX_OP_CV_BROADCAST);
		unlock(id);
	}
}

TEST(cv_buffer)
{
	guest_handle(SIGUSR1, handler, 0);
	crowd(8, buffer, 0, 400);
	CHECK_EQ(s->a, 8 * ITEMS);
	CHECK_EQ(s->cv.c_has_waiters, 0);
}

TEST(cv_buffer_shared)
{
	guest_handle(SIGUSR1, handler, 0);
	share();
	crowd(8, buffer, 1, 200);
	CHECK_EQ(s->a, 8 * ITEMS);
	CHECK_EQ(s->cv.c_has_waiters, 0);
}

/* Each signal lets one through: tokens that are given one by one are all taken, with single signals only. */
static void
take_tokens(void *argument)
{
	u32 id = self();
	struct timespec little = { 0, 20000 };

	for (;;) {
		lock(id);
		while (s->value == 0) {
			long error = cv_wait(id, 0, (long)argument >= 5 ? &little : NULL);
			CHECK(error == 0 || error == -ETIMEDOUT || error == -EINTR);
		}
		s->value--;
		s->b++;
		if (s->b == s->a) {
			s->value = 1000;	/* the last: everybody goes */
			cv_signal(UMTX_OP_CV_BROADCAST);
		}
		int over = s->b >= s->a;
		unlock(id);
		if (over)
			return;
	}
}

TEST(cv_tokens)
{
	u32 id = self();

	guest_handle(SIGUSR1, handler, 0);
	s->a = 10000;
	for (int i = 0; i < 6; i++)
		guest_thread_start(&threads[i], take_tokens, (void *)(long)i);
	for (int i = 0; i < s->a; i++) {
		lock(id);
		s->value++;
		cv_signal(UMTX_OP_CV_SIGNAL);
		unlock(id);
		if (i % 64 == 0)
			sys(SYS_thr_kill, threads[i / 64 % 6].id, SIGUSR1);
		while (i % 16 == 0 && LOAD(&s->b) <= i - 16)
			sys(SYS_sched_yield);
	}
	for (int i = 0; i < 6; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(s->cv.c_has_waiters, 0);
}

/* A condition variable that is freed as soon as its waiter has come back is not touched again: after a broadcast. */
TEST(cv_freed)
{
	u32 id = self();

	for (int i = 0; i < 300; i++) {
		s = guest_map(4096);
		guest_thread_start(&threads[0], wait_once, NULL);
		while (LOAD(&s->waiting) == 0)
			sys(SYS_sched_yield);
		lock(id);
		CHECK_EQ(OP(&s->cv, i % 2 ? UMTX_OP_CV_BROADCAST : UMTX_OP_CV_SIGNAL, 0, NULL, NULL), 0);
		CHECK_EQ(s->cv.c_has_waiters, 0);
		unlock(id);
		guest_thread_join(&threads[0]);
		CHECK_EQ(sys(SYS_munmap, s, 4096), 0);
	}
}

/* ------------------------------------------------------------------ read-write locks */

static void
rdlock(long flags)
{
	u32 state = LOAD(&s->rw.rw_state), wrflags = URWLOCK_WRITE_OWNER;

	if (!((flags | s->rw.rw_flags) & URWLOCK_PREFER_READER))
		wrflags |= URWLOCK_WRITE_WAITERS;
	while (!(state & wrflags)) {
		if (cas(&s->rw.rw_state, state, state + 1))
			return;
		state = LOAD(&s->rw.rw_state);
	}
	long error;
	while ((error = OP(&s->rw, UMTX_OP_RW_RDLOCK, flags, NULL, NULL)) != 0)
		CHECK_EQ(error, -EINTR);
}

static void
wrlock(void)
{
	u32 state = LOAD(&s->rw.rw_state);

	while (!(state & URWLOCK_WRITE_OWNER) && URWLOCK_READER_COUNT(state) == 0) {
		if (cas(&s->rw.rw_state, state, state | URWLOCK_WRITE_OWNER))
			return;
		state = LOAD(&s->rw.rw_state);
	}
	long error;
	while ((error = OP(&s->rw, UMTX_OP_RW_WRLOCK, 0, NULL, NULL)) != 0)
		CHECK_EQ(error, -EINTR);
}

static void
rwunlock(void)
{
	u32 state = LOAD(&s->rw.rw_state);

	if (state & URWLOCK_WRITE_OWNER) {
		if (cas(&s->rw.rw_state, URWLOCK_WRITE_OWNER, 0))
			return;
	} else {
		for (;;) {
			CHECK(URWLOCK_READER_COUNT(state) != 0);
			if ((state & (URWLOCK_WRITE_WAITERS | URWLOCK_READ_WAITERS)) && URWLOCK_READER_COUNT(state) == 1)
				break;
			if (cas(&s->rw.rw_state, state, state - 1))
				return;
			state = LOAD(&s->rw.rw_state);
		}
	}
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
}

TEST(rw_errors)
{
	struct timespec bad = { -1, 0 };
	struct _umtx_time t = { { 0, 20000000 }, 0, CLOCK_MONOTONIC };

	CHECK_ERR(OP(&s->rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), EPERM);
	CHECK_ERR(OP(8, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_RW_WRLOCK, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(&s->rw, UMTX_OP_RW_RDLOCK, 0, 0, &bad), EINVAL);
	s->rw.rw_state = URWLOCK_MAX_READERS;
	CHECK_ERR(OP(&s->rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), EAGAIN);
	s->rw.rw_state = 0;
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_RDLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(s->rw.rw_state, 2);
	CHECK_ERR(OP(&s->rw, UMTX_OP_RW_WRLOCK, 0, sizeof(t), &t), ETIMEDOUT);
	CHECK_EQ(s->rw.rw_state, 2);
	CHECK_EQ(s->rw.rw_blocked_writers, 0);
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_WRLOCK, 0, NULL, NULL), 0);
	CHECK_EQ((u32)s->rw.rw_state, URWLOCK_WRITE_OWNER);
	CHECK_ERR(OP(&s->rw, UMTX_OP_RW_RDLOCK, 0, sizeof(t), &t), ETIMEDOUT);
	CHECK_EQ((u32)s->rw.rw_state, URWLOCK_WRITE_OWNER);
	CHECK_EQ(OP(&s->rw, UMTX_OP_RW_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(s->rw.rw_state, 0);
}

static void
write_once(void *argument)
{
	struct timespec *t = argument;

	result = OP(&s->rw, UMTX_OP_RW_WRLOCK, 0, 0, t);
	s->value++;
	if (result == 0) {
		guest_sleep_ms(20);
		rwunlock();
	}
}

static void
read_once(void *argument)
{
	rdlock((long)argument);
	s->b++;
	rwunlock();
}

/* A waiting writer holds new readers back, unless they have PREFER_READER; one that gives up lets them in. */
TEST(rw_preference)
{
	struct timespec t = { 1, 0 };

	rdlock(0);
	guest_thread_start(&threads[0], write_once, NULL);
	guest_asleep(&threads[0]);
	CHECK((u32)s->rw.rw_state & URWLOCK_WRITE_WAITERS);
	guest_thread_start(&threads[1], read_once, (void *)0);
	guest_thread_start(&threads[2], read_once, (void *)URWLOCK_PREFER_READER);
	guest_thread_join(&threads[2]);
	guest_asleep(&threads[1]);
	CHECK_EQ(s->b, 1);
	CHECK_EQ(s->value, 0);
	rwunlock();
	guest_thread_join(&threads[0]);
	guest_thread_join(&threads[1]);
	CHECK_EQ(s->value, 1);
	CHECK_EQ(s->b, 2);
	CHECK_EQ(s->rw.rw_state, 0);

	rdlock(0);
	guest_thread_start(&threads[0], write_once, &t);
	guest_asleep(&threads[0]);
	guest_thread_start(&threads[1], read_once, (void *)0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, -ETIMEDOUT);
	guest_thread_join(&threads[1]);
	CHECK_EQ(s->b, 3);
	rwunlock();
	CHECK_EQ(s->rw.rw_state, 0);
}

TEST(rw_interrupted)
{
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR1, handler, flags);
		rdlock(0);
		guest_thread_start(&threads[0], write_once, NULL);
		guest_asleep(&threads[0]);
		CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
		guest_thread_join(&threads[0]);
		CHECK_EQ(result, -EINTR);
		rwunlock();
		CHECK_EQ(s->rw.rw_state, 0);
	}
}

#define RW_ROUNDS 3000

static void
read_write(void *argument)
{
	struct timespec little = { 0, 30000 };
	long me = (long)argument;

	for (int i = 0; i < RW_ROUNDS; i++) {
		if (me == 7) {
			/* One that gives up now and then. */
			if (OP(&s->rw, i % 2 ? UMTX_OP_RW_RDLOCK : UMTX_OP_RW_WRLOCK, 0, 0, &little) == 0)
				rwunlock();
		} else if ((me + i) % 3 == 0) {
			wrlock();
			s->a++;
			s->b = s->b + 1;
			rwunlock();
			__atomic_fetch_add(&s->value, 1, __ATOMIC_SEQ_CST);
		} else {
			rdlock(me == 2 ? URWLOCK_PREFER_READER : 0);
			if (s->a != s->b)
				s->errors++;
			rwunlock();
		}
	}
}

TEST(rw_crowd)
{
	guest_handle(SIGUSR1, handler, 0);
	crowd(8, read_write, 0, 400);
	CHECK_EQ(s->errors, 0);
	CHECK_EQ(s->a, s->value);
	CHECK_EQ(s->b, s->value);
	CHECK_EQ(s->rw.rw_state, 0);
	CHECK_EQ(s->rw.rw_blocked_readers, 0);
	CHECK_EQ(s->rw.rw_blocked_writers, 0);
}

TEST(rw_crowd_shared)
{
	guest_handle(SIGUSR1, handler, 0);
	share();
	crowd(8, read_write, 1, 200);
	CHECK_EQ(s->errors, 0);
	CHECK_EQ(s->a, s->value);
	CHECK_EQ(s->b, s->value);
	CHECK_EQ(s->rw.rw_state, 0);
}

TEST(rw_crowd_readers_first)
{
	s->rw.rw_flags = URWLOCK_PREFER_READER;
	crowd(8, read_write, 0, 0);
	CHECK_EQ(s->errors, 0);
	CHECK_EQ(s->a, s->value);
	CHECK_EQ(s->rw.rw_state, 0);
}

/* ------------------------------------------------------------------ semaphores */

static void
sem_post(void)
{
	u32 count = __atomic_fetch_add(&s->sem2._count, 1, __ATOMIC_SEQ_CST);

	if (count & USEM_HAS_WAITERS)
		CHECK_EQ(OP(&s->sem2, UMTX_OP_SEM2_WAKE, 0, NULL, NULL), 0);
}

static long
sem_wait(void *timeout, long size)
{
	for (;;) {
		u32 count = LOAD(&s->sem2._count);
		while (USEM_COUNT(count) > 0) {
			if (cas(&s->sem2._count, count, count - 1))
				return (0);
			count = LOAD(&s->sem2._count);
		}
		long error = OP(&s->sem2, UMTX_OP_SEM2_WAIT, 0, size, timeout);
		if (error != 0)
			return (error);
	}
}

TEST(sem2)
{
	struct { struct _umtx_time t; struct timespec left; } t = { { { 0, 30000000 }, 0, CLOCK_MONOTONIC }, { 9, 9 } };

	s->sem2._count = 2;
	CHECK_EQ(OP(&s->sem2, UMTX_OP_SEM2_WAIT, 0, NULL, NULL), 0);
	CHECK_EQ(s->sem2._count, 2);
	CHECK_EQ(sem_wait(NULL, 0), 0);
	CHECK_EQ(sem_wait(NULL, 0), 0);
	long before = guest_now_ms();
	CHECK_ERR(sem_wait(&t, sizeof(t)), ETIMEDOUT);
	CHECK(guest_now_ms() - before >= 30);
	CHECK_EQ(t.left.tv_sec, 9);
	CHECK_EQ(OP(&s->sem2, UMTX_OP_SEM2_WAKE, 0, NULL, NULL), 0);
	CHECK_ERR(OP(8, UMTX_OP_SEM2_WAIT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_SEM2_WAKE, 0, NULL, NULL), EFAULT);
	struct timespec bad = { 0, -1 };
	CHECK_ERR(OP(&s->sem2, UMTX_OP_SEM2_WAIT, 0, 0, &bad), EINVAL);
}

static struct { struct _umtx_time t; struct timespec left; } sem_time;

static void
sem_waiter(void *argument)
{
	result = OP(&s->sem2, UMTX_OP_SEM2_WAIT, 0, argument == NULL ? 0 : sizeof(sem_time), argument);
}

/* Interrupted: what is left of a relative time is told; without one, SA_RESTART decides. */
TEST(sem2_interrupted)
{
	guest_handle(SIGUSR1, handler, SA_RESTART);
	sem_time.t._timeout.tv_sec = 10;
	sem_time.t._clockid = CLOCK_MONOTONIC;
	guest_thread_start(&threads[0], sem_waiter, &sem_time);
	guest_sleep_ms(50);
	guest_asleep(&threads[0]);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, -EINTR);
	CHECK_EQ(sem_time.left.tv_sec, 9);
	CHECK(sem_time.left.tv_nsec < 970000000);

	guest_thread_start(&threads[0], sem_waiter, NULL);
	guest_asleep(&threads[0]);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_sleep_ms(30);
	CHECK_EQ(threads[0].done, 0);
	guest_handle(SIGUSR1, handler, 0);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, -EINTR);
}

#define PINGS 4000

static void
ping(void *argument)
{
	struct timespec little = { 0, 30000 };
	long me = (long)argument;

	for (int i = 0; i < PINGS; i++) {
		if (me % 2 == 0) {
			sem_post();
		} else {
			long error;
			do
				error = sem_wait(me == 5 ? &little : NULL, 0);
			while (error == -EINTR || error == -ETIMEDOUT);
			CHECK_EQ(error, 0);
			__atomic_fetch_add(&s->a, 1, __ATOMIC_SEQ_CST);
		}
	}
}

TEST(sem2_crowd)
{
	guest_handle(SIGUSR1, handler, 0);
	crowd(8, ping, 0, 400);
	CHECK_EQ(s->a, 4 * PINGS);
	CHECK_EQ(USEM_COUNT(s->sem2._count), 0);
}

TEST(sem2_crowd_shared)
{
	guest_handle(SIGUSR1, handler, 0);
	share();
	crowd(8, ping, 1, 200);
	CHECK_EQ(s->a, 4 * PINGS);
}

/* struct _usem, up to FreeBSD 9. */
static void
old_post(void)
{
	__atomic_fetch_add(&s->sem._count, 1, __ATOMIC_SEQ_CST);
	if (LOAD(&s->sem._has_waiters))
		CHECK_EQ(OP(&s->sem, UMTX_OP_SEM_WAKE, 0, NULL, NULL), 0);
}

static long
old_wait(void *timeout)
{
	for (;;) {
		u32 count;
		while ((count = LOAD(&s->sem._count)) > 0)
			if (cas(&s->sem._count, count, count - 1))
				return (0);
		long error = OP(&s->sem, UMTX_OP_SEM_WAIT, 0, NULL, timeout);
		if (error != 0)
			return (error);
	}
}

static void
old_ping(void *argument)
{
	struct timespec little = { 0, 30000 };
	long me = (long)argument;

	for (int i = 0; i < PINGS; i++) {
		if (me % 2 == 0) {
			old_post();
		} else {
			long error;
			do
				error = old_wait(me == 5 ? &little : NULL);
			while (error == -EINTR || error == -ETIMEDOUT);
			CHECK_EQ(error, 0);
			__atomic_fetch_add(&s->a, 1, __ATOMIC_SEQ_CST);
		}
	}
}

TEST(sem)
{
	struct timespec t = { 0, 20000000 };

	CHECK_ERR(old_wait(&t), ETIMEDOUT);
	CHECK_ERR(OP(8, UMTX_OP_SEM_WAIT, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_SEM_WAKE, 0, NULL, NULL), EFAULT);
	old_post();
	CHECK_EQ(old_wait(NULL), 0);
}

TEST(sem_crowd)
{
	guest_handle(SIGUSR1, handler, 0);
	crowd(8, old_ping, 0, 400);
	CHECK_EQ(s->a, 4 * PINGS);
	CHECK_EQ(s->sem._count, 0);
}

/* ------------------------------------------------------------------ SHM: pages for keys */

static volatile u32 *
page(void *key, int how)
{
	long fd = CHECK_OK(OP(NULL, UMTX_OP_SHM, how, key, NULL));
	struct stat st;

	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 4096);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	volatile u32 *p = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	CHECK_EQ(sys(SYS_close, fd), 0);
	return (p);
}

TEST(shm)
{
	long *key = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));
	static long private_key;

	CHECK_ERR(OP(NULL, UMTX_OP_SHM, 0, key, NULL), EINVAL);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_CREAT | UMTX_SHM_LOOKUP, key, NULL), EINVAL);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_CREAT, 8, NULL), EFAULT);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_LOOKUP, key, NULL), ESRCH);
	volatile u32 *p = page(key, UMTX_SHM_CREAT);
	p[0] = 42;
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_LOOKUP, key + 1, NULL), ESRCH);
	CHECK_EQ(page(key, UMTX_SHM_LOOKUP)[0], 42);
	CHECK_EQ(page(key, UMTX_SHM_CREAT)[0], 42);	/* it exists */
	CHECK_EQ(OP(NULL, UMTX_OP_SHM, UMTX_SHM_ALIVE, p, NULL), 0);
	/* Another process sees the same key, at another address too. */
	int pid = guest_fork();
	if (pid == 0) {
		volatile u32 *q = page(key, UMTX_SHM_LOOKUP);
		CHECK_EQ(q[0], 42);
		q[0] = 43;
		CHECK_EQ(OP(q, UMTX_OP_WAKE, 1, NULL, NULL), 0);
		page(key + 2, UMTX_SHM_CREAT)[0] = 7;
		guest_exit(0);
	}
	while (LOAD(p) == 42)
		CHECK(OP(p, UMTX_OP_WAIT_UINT, 42, NULL, NULL) == 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(page(key + 2, UMTX_SHM_LOOKUP)[0], 7);
	CHECK_EQ(OP(NULL, UMTX_OP_SHM, UMTX_SHM_DESTROY, key + 2, NULL), 0);
	CHECK_EQ(OP(NULL, UMTX_OP_SHM, UMTX_SHM_DESTROY, key, NULL), 0);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_DESTROY, key, NULL), ESRCH);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_LOOKUP, key, NULL), ESRCH);
	CHECK_ERR(OP(NULL, UMTX_OP_SHM, UMTX_SHM_ALIVE, p, NULL), ENOTTY);
	/* A key in private memory. */
	volatile u32 *r = page(&private_key, UMTX_SHM_CREAT);
	r[0] = 5;
	CHECK_EQ(page(&private_key, UMTX_SHM_LOOKUP)[0], 5);
	CHECK_EQ(OP(NULL, UMTX_OP_SHM, UMTX_SHM_DESTROY, &private_key, NULL), 0);
}

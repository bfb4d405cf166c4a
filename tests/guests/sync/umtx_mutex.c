/* _umtx_op(2) on struct umutex: every kind of mutex, every operation, robust lists; used as libthr uses them. */
#include "asleep.h"

#define OP(obj, op, val, a1, a2) sys(SYS__umtx_op, obj, op, val, a1, a2)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)

static struct guest_thread threads[16];
static struct umutex mutex;
static struct umutex *m = &mutex;
static volatile long counter, result;

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

/* libthr's locking of a normal mutex (FreeBSD 10 and later). */
static void
lock(struct umutex *mu, u32 id)
{
	for (;;) {
		u32 owner = LOAD(&mu->m_owner);
		if ((owner & ~UMUTEX_CONTESTED) == 0 && cas(&mu->m_owner, owner, id | owner))
			return;
		long error = OP(mu, UMTX_OP_MUTEX_WAIT, 0, NULL, NULL);
		CHECK(error == 0 || error == -EINTR);
	}
}

static void
unlock(struct umutex *mu, u32 id)
{
	u32 owner;

	do {
		owner = LOAD(&mu->m_owner);
		CHECK_EQ(owner & ~UMUTEX_CONTESTED, id);
	} while (!cas(&mu->m_owner, owner, UMUTEX_UNOWNED));
	if (owner & UMUTEX_CONTESTED)
		CHECK_EQ(OP(mu, UMTX_OP_MUTEX_WAKE2, mu->m_flags, NULL, NULL), 0);
}

/* libthr's unlocking up to FreeBSD 9. */
static void
unlock_old(struct umutex *mu, u32 id)
{
	if (cas(&mu->m_owner, id, UMUTEX_UNOWNED))
		return;
	CHECK(cas(&mu->m_owner, id | UMUTEX_CONTESTED, UMUTEX_CONTESTED));
	CHECK_EQ(OP(mu, UMTX_OP_MUTEX_WAKE, 0, NULL, NULL), 0);
}

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

TEST(lock_unlock)
{
	u32 id = self();

	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(m->m_owner, id);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EBUSY);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(m->m_owner, UMUTEX_UNOWNED);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EPERM);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	/* Free, and marked: it is taken with the mark. */
	m->m_owner = UMUTEX_CONTESTED;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_WAIT, 0, NULL, NULL), 0);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), 0);
	CHECK_EQ((u32)m->m_owner, id | UMUTEX_CONTESTED);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(m->m_owner, UMUTEX_UNOWNED);
	m->m_owner = id + 1;
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EPERM);
	CHECK_ERR(OP(8, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_MUTEX_WAKE, 0, NULL, NULL), EFAULT);
	CHECK_ERR(OP(8, UMTX_OP_MUTEX_WAKE2, 0, NULL, NULL), EFAULT);
	m->m_flags = UMUTEX_PRIO_INHERIT | UMUTEX_PRIO_PROTECT;
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EINVAL);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EINVAL);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_WAKE2, m->m_flags, NULL, NULL), EINVAL);
}

TEST(timeouts)
{
	static const u32 kinds[] = { 0, UMUTEX_PRIO_INHERIT, UMUTEX_PRIO_PROTECT, USYNC_PROCESS_SHARED,
	    USYNC_PROCESS_SHARED | UMUTEX_PRIO_PROTECT };
	struct timespec bad = { 0, 1000000000 };

	for (size_t i = 0; i < nitems(kinds); i++) {
		struct _umtx_time t = { { 0, 30000000 }, 0, CLOCK_MONOTONIC };
		memset(m, 0, sizeof(*m));
		m->m_flags = kinds[i];
		m->m_owner = 1 | UMUTEX_CONTESTED;	/* init's */
		long before = guest_now_ms();
		CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), ETIMEDOUT);
		CHECK(guest_now_ms() - before >= 30);
		CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &t._timeout), 0);
		t._timeout.tv_sec -= 1;
		t._flags = UMTX_ABSTIME;
		t._clockid = CLOCK_REALTIME;
		CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), ETIMEDOUT);
		CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, 0, &bad), EINVAL);
		if (kinds[i] == 0 || kinds[i] == USYNC_PROCESS_SHARED)
			CHECK_ERR(OP(m, UMTX_OP_MUTEX_WAIT, 0, sizeof(t), &t), ETIMEDOUT);
	}
}

/* The mark is there while one waits, and goes when nobody does. */
static void
take(void *argument)
{
	(void)argument;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	counter++;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

TEST(mark)
{
	u32 id = self();

	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		guest_thread_start(&threads[i], take, NULL);
	for (int i = 0; i < 3; i++)
		guest_asleep(&threads[i]);
	CHECK_EQ((u32)LOAD(&m->m_owner), id | UMUTEX_CONTESTED);
	CHECK_EQ(counter, 0);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(counter, 3);
	CHECK_EQ(m->m_owner, UMUTEX_UNOWNED);
}

#define ROUNDS 3000

static void
contend(void *argument)
{
	u32 id = self();
	long how = (long)argument;

	for (int i = 0; i < ROUNDS; i++) {
		if (how == 3) {
			CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		} else if (how == 2 && !cas(&m->m_owner, 0, id)) {
			CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		} else if (how < 2) {
			lock(m, id);
		}
		counter = counter + 1;
		if (how == 0)
			unlock(m, id);
		else if (how == 1)
			unlock_old(m, id);
		else if (how == 3 || !cas(&m->m_owner, id, 0))
			CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	}
}

static void
contention(u32 flags, long how, int signals)
{
	memset(m, 0, sizeof(*m));
	m->m_flags = flags;
	if (flags & UMUTEX_PRIO_PROTECT)
		m->m_owner = UMUTEX_CONTESTED;
	counter = 0;
	for (int i = 0; i < 6; i++)
		guest_thread_start(&threads[i], contend, (void *)how);
	for (int i = 0; i < signals; i++)
		sys(SYS_thr_kill, threads[i % 6].id, SIGUSR1);
	for (int i = 0; i < 6; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(counter, 6 * ROUNDS);
	CHECK_EQ((u32)m->m_owner, flags & UMUTEX_PRIO_PROTECT ? UMUTEX_CONTESTED : 0);
}

TEST(contention_normal)
{
	guest_handle(SIGUSR1, handler, 0);
	for (int how = 0; how < 4; how++) {
		contention(0, how, 0);
		contention(0, how, 300);
	}
}

TEST(contention_shared)
{
	for (int how = 0; how < 4; how++)
		contention(USYNC_PROCESS_SHARED, how, 0);
}

TEST(contention_inherit)
{
	guest_handle(SIGUSR1, handler, 0);
	contention(UMUTEX_PRIO_INHERIT, 2, 0);
	contention(UMUTEX_PRIO_INHERIT, 3, 300);
}

TEST(contention_protect)
{
	guest_handle(SIGUSR1, handler, 0);
	contention(UMUTEX_PRIO_PROTECT, 3, 0);
	contention(UMUTEX_PRIO_PROTECT, 3, 300);
}

/* Between processes. */
TEST(processes)
{
	struct shared { struct umutex mutex; volatile long counter; } *shared;
	int pids[4];

	shared = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));
	for (int kind = 0; kind < 3; kind++) {
		static const u32 flags[] = { 0, UMUTEX_PRIO_INHERIT, UMUTEX_PRIO_PROTECT };
		memset(shared, 0, sizeof(*shared));
		shared->mutex.m_flags = flags[kind] | USYNC_PROCESS_SHARED;
		shared->mutex.m_owner = kind == 2 ? UMUTEX_CONTESTED : 0;
		for (int i = 0; i < 4; i++) {
			pids[i] = guest_fork();
			if (pids[i] != 0)
				continue;
			u32 id = self();
			for (int k = 0; k < 2000; k++) {
				if (kind == 0)
					lock(&shared->mutex, id);
				else
					CHECK_EQ(OP(&shared->mutex, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
				shared->counter = shared->counter + 1;
				if (kind == 0)
					unlock(&shared->mutex, id);
				else
					CHECK_EQ(OP(&shared->mutex, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
			}
			guest_exit(0);
		}
		for (int i = 0; i < 4; i++)
			CHECK_EQ(guest_wait(pids[i]), 0);
		CHECK_EQ(shared->counter, 8000);
	}
}

static volatile int in_handler;

static void
count_handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	in_handler++;
}

static void
locker(void *argument)
{
	struct timespec far = { 100, 0 };

	result = OP(m, UMTX_OP_MUTEX_LOCK, 0, 0, argument ? &far : NULL);
	if (result == 0)
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

/* A lock without a timeout is begun anew after any handler, one with a timeout is not. */
TEST(signals)
{
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR1, count_handler, flags);
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		in_handler = 0;
		guest_thread_start(&threads[0], locker, NULL);
		for (int i = 0; i < 3; i++) {
			guest_asleep(&threads[0]);
			CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
			GUEST_UNTIL(in_handler == i + 1);
		}
		guest_asleep(&threads[0]);
		CHECK_EQ(in_handler, 3);
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
		guest_thread_join(&threads[0]);
		CHECK_EQ(result, 0);

		CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		guest_thread_start(&threads[0], locker, m);
		guest_asleep(&threads[0]);
		CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
		guest_thread_join(&threads[0]);
		CHECK_EQ(result, -EINTR);
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	}
}

static void
mutex_waiter(void *argument)
{
	(void)argument;
	result = OP(m, UMTX_OP_MUTEX_WAIT, 0, NULL, NULL);
}

/* MUTEX_WAIT follows SA_RESTART. */
TEST(wait_signals)
{
	m->m_owner = 1;
	guest_handle(SIGUSR1, count_handler, 0);
	guest_thread_start(&threads[0], mutex_waiter, NULL);
	guest_asleep(&threads[0]);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, -EINTR);
	guest_handle(SIGUSR1, count_handler, SA_RESTART);
	guest_thread_start(&threads[0], mutex_waiter, NULL);
	guest_asleep(&threads[0]);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_sleep_ms(30);
	CHECK_EQ(threads[0].done, 0);
	__atomic_store_n(&m->m_owner, 0, __ATOMIC_SEQ_CST);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_WAKE2, 0, NULL, NULL), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 0);
	CHECK_EQ(in_handler, 2);
}

TEST(deadlock)
{
	m->m_flags = UMUTEX_PRIO_INHERIT;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EDEADLK);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EDEADLK);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

TEST(protect)
{
	u32 old = 77;

	m->m_flags = UMUTEX_PRIO_PROTECT;
	m->m_owner = UMUTEX_CONTESTED;
	m->m_ceilings[0] = 5;
	m->m_ceilings[1] = -1;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ((u32)m->m_owner, self() | UMUTEX_CONTESTED);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EBUSY);
	CHECK_EQ(OP(m, UMTX_OP_SET_CEILING, 7, &old, NULL), 0);
	CHECK_EQ(old, 5);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ((u32)m->m_owner, UMUTEX_CONTESTED);
	CHECK_EQ(OP(m, UMTX_OP_SET_CEILING, 9, &old, NULL), 0);
	CHECK_EQ(old, 7);
	CHECK_EQ(m->m_ceilings[0], 9);
	CHECK_EQ((u32)m->m_owner, UMUTEX_CONTESTED);
	CHECK_ERR(OP(m, UMTX_OP_SET_CEILING, 32, &old, NULL), EINVAL);
	m->m_ceilings[0] = 32;
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EINVAL);
	m->m_flags = 0;
	CHECK_ERR(OP(m, UMTX_OP_SET_CEILING, 1, &old, NULL), EINVAL);
}

/* ------------------------------------------------------------------ robust mutexes */

struct lists {
	uintptr_t list, private_list, inactive;
};

static void
set_lists(struct lists *lists)
{
	struct umtx_robust_lists_params params = { (uintptr_t)&lists->list, (uintptr_t)&lists->private_list,
	    (uintptr_t)&lists->inactive };

	memset(lists, 0, sizeof(*lists));
	CHECK_EQ(OP(NULL, UMTX_OP_ROBUST_LISTS, sizeof(params), &params, NULL), 0);
}

static struct umutex robust[4];

static void
die_holding(void *argument)
{
	static struct lists lists;

	(void)argument;
	set_lists(&lists);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(OP(&robust[i], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	/* Two in one list, one in the other, one in between. */
	robust[1].m_rb_lnk = (uintptr_t)&robust[0];
	lists.list = (uintptr_t)&robust[1];
	lists.private_list = (uintptr_t)&robust[2];
	lists.inactive = (uintptr_t)&robust[3];
	guest_sleep_ms(30);
}

TEST(owner_dies)
{
	for (int kind = 0; kind < 3; kind++) {
		static const u32 kinds[] = { 0, UMUTEX_PRIO_INHERIT, UMUTEX_PRIO_PROTECT };
		memset(robust, 0, sizeof(robust));
		for (int i = 0; i < 4; i++) {
			robust[i].m_flags = UMUTEX_ROBUST | kinds[kind];
			robust[i].m_owner = kind == 2 ? UMUTEX_CONTESTED : 0;
			robust[i].m_ceilings[1] = -1;
		}
		guest_thread_start(&threads[0], die_holding, NULL);
		while (LOAD(&robust[3].m_owner) == 0 || (u32)LOAD(&robust[3].m_owner) == UMUTEX_CONTESTED)
			guest_sleep_ms(1);
		/* One waits already, the others come later. */
		CHECK_ERR(OP(&robust[0], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EOWNERDEAD);
		CHECK_EQ((u32)robust[0].m_owner, self() | UMUTEX_CONTESTED);
		guest_thread_join(&threads[0]);
		for (int i = 1; i < 4; i++) {
			CHECK_EQ((u32)robust[i].m_owner, UMUTEX_RB_OWNERDEAD);
			CHECK_ERR(OP(&robust[i], UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EOWNERDEAD);
		}
		/* Made consistent (libthr clears its flag) it is as good as new; if not, it is lost. */
		CHECK_EQ(OP(&robust[1], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
		CHECK_EQ(OP(&robust[1], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		robust[2].m_flags |= UMUTEX_NONCONSISTENT;
		CHECK_EQ(OP(&robust[2], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
		CHECK_EQ((u32)robust[2].m_owner, UMUTEX_RB_NOTRECOV);
		CHECK_ERR(OP(&robust[2], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), ENOTRECOVERABLE);
		if (kind == 0)
			CHECK_EQ(OP(&robust[2], UMTX_OP_MUTEX_WAIT, 0, NULL, NULL), 0);
	}
	CHECK_ERR(OP(NULL, UMTX_OP_ROBUST_LISTS, 100, robust, NULL), EINVAL);
	CHECK_ERR(OP(NULL, UMTX_OP_ROBUST_LISTS, 24, 8, NULL), EFAULT);
}

static void
get_lost(void *argument)
{
	(void)argument;
	CHECK_ERR(OP(&robust[0], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), ENOTRECOVERABLE);
}

/* All who wait for a mutex that becomes unrecoverable come back. */
TEST(not_recoverable)
{
	robust[0].m_flags = UMUTEX_ROBUST | UMUTEX_NONCONSISTENT;
	robust[0].m_owner = self();
	/* The unlock wakes one (do_unlock_normal), which wakes nobody: more would sleep on, on FreeBSD. */
	guest_thread_start(&threads[0], get_lost, NULL);
	guest_asleep(&threads[0]);
	CHECK_EQ(OP(&robust[0], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	guest_thread_join(&threads[0]);
}

/* The owner's process ends: by _exit, by exec, by a signal that kills, by SIGKILL. */
HELPER(end)
{
	guest_exit(0);
}

TEST(process_dies)
{
	struct umutex *shared = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED,
	    -1, 0));

	for (int how = 0; how < 4; how++) {
		memset(shared, 0, sizeof(*shared));
		shared->m_flags = UMUTEX_ROBUST | USYNC_PROCESS_SHARED;
		int pid = guest_fork();
		if (pid == 0) {
			struct lists lists;
			char *argv[] = { guest_argv[0], "@end", NULL }, *envp[] = { NULL };
			set_lists(&lists);
			CHECK_EQ(OP(shared, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
			lists.list = (uintptr_t)shared;
			guest_sleep_ms(50);
			if (how == 1)
				sys(SYS_execve, guest_argv[0], argv, envp);
			if (how == 2)
				sys(SYS_kill, sys(SYS_getpid), SIGTERM);
			if (how == 3)
				sys(SYS_kill, sys(SYS_getpid), SIGKILL);
			guest_exit(0);
		}
		while (LOAD(&shared->m_owner) == 0)
			guest_sleep_ms(1);
		struct _umtx_time t = { { 5, 0 }, 0, CLOCK_MONOTONIC };
		CHECK_ERR(OP(shared, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), EOWNERDEAD);
		CHECK_EQ((u32)shared->m_owner, self() | UMUTEX_CONTESTED);
		CHECK_EQ(guest_wait(pid), how == 2 ? SIGTERM : how == 3 ? SIGKILL : 0);
	}
}

TEST(min_timeout)
{
	long value = 5;
	struct timespec t = { 0, 1000000 };

	CHECK_EQ(OP(NULL, UMTX_OP_GET_MIN_TIMEOUT, 0, &value, NULL), 0);
	CHECK_EQ(value, 0);
	CHECK_EQ(OP(NULL, UMTX_OP_SET_MIN_TIMEOUT, 60000000, NULL, NULL), 0);
	CHECK_EQ(OP(NULL, UMTX_OP_GET_MIN_TIMEOUT, 0, &value, NULL), 0);
	CHECK_EQ(value, 60000000);
	CHECK_ERR(OP(NULL, UMTX_OP_GET_MIN_TIMEOUT, 0, 8, NULL), EFAULT);
	long before = guest_now_ms();
	CHECK_ERR(OP(&value, UMTX_OP_WAIT, 60000000, 0, &t), ETIMEDOUT);
	CHECK(guest_now_ms() - before >= 59);
}

/* For test_numbers.py: makes threads and processes, in each way, and tells their numbers. */
static void
tell_number(void *argument)
{
	say("%s %d\n", (const char *)argument, (int)self());
}

HELPER(numbers)
{
	static const int calls[] = { SYS_fork, SYS_vfork };

	guest_handle(SIGCHLD, count_handler, 0);
	for (int i = 0; i < 10; i++) {
		guest_thread_start(&threads[0], tell_number, "thread");
		guest_thread_join(&threads[0]);
		for (int how = 0; how < 2; how++) {
			if (how != i % 2 && i > 3)
				continue;
			int pid = (int)CHECK_OK(sys(calls[how]));
			if (pid == 0) {
				tell_number("process");
				guest_exit(i);
			}
			int got = guest_wait(pid);
			CHECK_EQ(got, i << 8);
			CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
		}
	}
	guest_exit(0);
}

/* struct umtx of FreeBSD 5 and 6. */
static volatile u64 old_lock;

static void
old_contend(void *argument)
{
	u64 id = self();

	for (int i = 0; i < ROUNDS; i++) {
		u64 free_ = 0, mine = id;
		if (!__atomic_compare_exchange_n(&old_lock, &free_, id, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			if (argument)
				CHECK_EQ(sys(SYS_freebsd10__umtx_lock, &old_lock), 0);
			else
				CHECK_EQ(OP(&old_lock, UMTX_OP_LOCK, id, NULL, NULL), 0);
		}
		counter = counter + 1;
		if (!__atomic_compare_exchange_n(&old_lock, &mine, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			if (argument)
				CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, &old_lock), 0);
			else
				CHECK_EQ(OP(&old_lock, UMTX_OP_UNLOCK, id, NULL, NULL), 0);
		}
	}
}

TEST(old_umtx)
{
	struct timespec t = { 0, 20000000 };

	guest_handle(SIGUSR1, handler, 0);
	for (long how = 0; how < 2; how++) {
		counter = 0;
		for (int i = 0; i < 6; i++)
			guest_thread_start(&threads[i], old_contend, (void *)how);
		for (int i = 0; i < 200; i++)
			sys(SYS_thr_kill, threads[i % 6].id, SIGUSR1);
		for (int i = 0; i < 6; i++)
			guest_thread_join(&threads[i]);
		CHECK_EQ(counter, 6 * ROUNDS);
		CHECK_EQ(old_lock, 0);
	}
	CHECK_ERR(OP(&old_lock, UMTX_OP_UNLOCK, 5, NULL, NULL), EPERM);
	CHECK_EQ(OP(&old_lock, UMTX_OP_LOCK, 5, NULL, NULL), 0);
	CHECK_EQ(old_lock, 5);
	CHECK_ERR(OP(&old_lock, UMTX_OP_LOCK, 6, NULL, &t), ETIMEDOUT);
	CHECK_EQ(OP(&old_lock, UMTX_OP_UNLOCK, 5, NULL, NULL), 0);
}

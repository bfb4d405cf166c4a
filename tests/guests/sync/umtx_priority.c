/* _umtx_op(2): what mutexes with UMUTEX_PRIO_INHERIT and UMUTEX_PRIO_PROTECT do to priorities, and how the former come to their next
 * owner. The threads share one processor, so that one of a lower priority does not run while one of a higher does. */
#include "asleep.h"
#include <sys/cpuset.h>
#include <sys/sched.h>

#define OP(obj, op, val, a1, a2) sys(SYS__umtx_op, obj, op, val, a1, a2)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

static struct guest_thread threads[4];
static struct umutex mutex[2];
static struct umutex *m = &mutex[0];
static volatile int held, ended, place, places[4], hog_was_told;

static u32
self(void)
{
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	return ((u32)id);
}

/* Of the calling thread; 0 for one of the kernel's usual kind. */
static void
set_priority(int priority)
{
	struct sched_param param = { priority };

	CHECK_EQ(sys(SYS_sched_setscheduler, 0, priority ? SCHED_FIFO : SCHED_OTHER, &param), 0);
}

static int
priority_now(void)
{
	struct sched_param param = { -1 };

	CHECK_EQ(sys(SYS_sched_getparam, 0, &param), 0);
	return (param.sched_priority);
}

static long turns;			/* of a loop in a millisecond */
static u64 ticks;			/* of the processor in one */

static u64
ticks_now(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return ((u64)high << 32 | low);
}

static void
turn(long count)
{
	for (volatile long i = 0; i < count; i++)
		;
}

static void
calibrate(void)
{
	u64 before = ticks_now();
	long start = guest_now_ms();

	for (turns = 0; guest_now_ms() - start < 40; turns += 10000)
		turn(10000);
	turns /= 40;
	ticks = (ticks_now() - before) / 40;
}

/* Uses the processor for so long, and makes no call meanwhile. */
static void
spin_ms(long ms)
{
	turn(ms * turns);
}

/* One processor for this thread and those that it makes; the case is not for who may not have priorities. */
static void
share_a_processor(void)
{
	struct sched_param param = { 30 };
	u64 set[16] = { 0 };

	if (sys(SYS_geteuid) != 0 || sys(SYS_sched_setscheduler, 0, SCHED_FIFO, &param) != 0)
		SKIP("may not have priorities");
	calibrate();
	long size = sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(set), set);
	CHECK(size >= 0);
	for (int i = 0, found = 0; i < 1024; i++) {
		if (found)
			set[i / 64] &= ~(1UL << (i % 64));
		found |= set[i / 64] >> (i % 64) & 1;
	}
	CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_TID, -1L, sizeof(set), set), 0);
}

/* Has the lowest priority, and the mutex for 60 ms of the processor; says, if asked to, when that is over. */
static void
low(void *argument)
{
	set_priority(3);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	STORE(&held, 1);
	spin_ms(60);
	CHECK_EQ(priority_now(), 3);
	if (argument != NULL)
		STORE(&ended, 1);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

static void
high(void *argument)
{
	set_priority((int)(long)argument);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	places[place] = (int)(long)argument;
	place++;
	STORE(&ended, 1);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

/* Takes the processor for 600 ms, or until the others are done. */
static void
hog(void *argument)
{
	(void)argument;
	set_priority(10);
	sys(SYS_sched_yield);			/* to those above; a kernel without PREEMPTION waits for that */
	for (u64 end = ticks_now() + 600 * ticks; ticks_now() < end;) {
		if (LOAD(&ended)) {
			hog_was_told = 1;
			break;
		}
	}
}

static void
start_low(void *says_so)
{
	guest_thread_start(&threads[0], low, says_so);
	while (!LOAD(&held))
		guest_sleep_ms(5);
}

static void
join(int count)
{
	for (int i = 0; i < count; i++)
		guest_thread_join(&threads[i]);
}

/* High waits for what low holds, and the hog between them keeps the processor: only with high's priority does low ever come to its end. */
static void
inversion(u32 flags)
{
	memset(m, 0, sizeof(*m));
	m->m_flags = flags;
	held = ended = place = hog_was_told = 0;
	start_low(NULL);
	guest_thread_start(&threads[1], high, (void *)20L);
	guest_asleep(&threads[1]);
	CHECK_EQ((u32)LOAD(&m->m_owner), threads[0].id | UMUTEX_CONTESTED);
	guest_thread_start(&threads[2], hog, NULL);
	join(3);
	CHECK_EQ(place, 1);
	CHECK_EQ(m->m_owner, 0);
}

TEST(inherited)
{
	static const u32 kinds[] = { 0, USYNC_PROCESS_SHARED, UMUTEX_ROBUST };

	share_a_processor();
	inversion(0);			/* what it would be */
	CHECK_EQ(hog_was_told, 0);
	for (size_t i = 0; i < nitems(kinds); i++) {
		inversion(kinds[i] | UMUTEX_PRIO_INHERIT);
		CHECK_EQ(hog_was_told, 1);
	}
}

static void
middle(void *argument)
{
	set_priority(5);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	high(argument);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

static void
last(void *argument)
{
	(void)argument;
	set_priority(20);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

/* It is lent on: the last one waits for the middle's, which waits for low's. */
TEST(inherited_on)
{
	share_a_processor();
	m->m_flags = mutex[1].m_flags = UMUTEX_PRIO_INHERIT;
	start_low(NULL);
	guest_thread_start(&threads[1], middle, (void *)6L);
	guest_asleep(&threads[1]);
	guest_thread_start(&threads[2], last, NULL);
	guest_asleep(&threads[2]);
	guest_thread_start(&threads[3], hog, NULL);
	join(4);
	CHECK_EQ(hog_was_told, 1);
}

/* The one of the highest priority is the next. */
TEST(order)
{
	share_a_processor();
	m->m_flags = UMUTEX_PRIO_INHERIT;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	for (int i = 0; i < 3; i++) {
		static const long priorities[] = { 7, 12, 9 };
		guest_thread_start(&threads[i], high, (void *)priorities[i]);
		guest_asleep(&threads[i]);
	}
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	join(3);
	CHECK_EQ(places[0], 12);
	CHECK_EQ(places[1], 9);
	CHECK_EQ(places[2], 7);
}

/* Low has the ceiling's priority while it holds the mutex, and is not kept from its end by the hog. */
TEST(ceiling)
{
	share_a_processor();
	m->m_flags = UMUTEX_PRIO_PROTECT;
	m->m_owner = UMUTEX_CONTESTED;
	m->m_ceilings[0] = 15;
	m->m_ceilings[1] = -1;
	start_low(m);
	guest_thread_start(&threads[1], hog, NULL);
	join(2);
	CHECK_EQ(hog_was_told, 1);
	/* It was lent only. */
	held = ended = hog_was_told = 0;
	m->m_ceilings[0] = 5;
	start_low(m);
	guest_thread_start(&threads[1], hog, NULL);
	join(2);
	CHECK_EQ(hog_was_told, 0);
}

static void
holds_and_gives(void *argument)
{
	long how = (long)argument;

	set_priority(3);
	m->m_owner = mutex[1].m_owner = UMUTEX_CONTESTED;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	mutex[1].m_ceilings[1] = how == 2 ? 15 : -1;
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	if (how == 1)
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	if (how == 3)
		set_priority(4);
	STORE(&held, 1);
	spin_ms(60);
	STORE(&ended, 1);
}

/* What the unlocking thread holds besides is in m_ceilings[1]; -1 takes all back. */
TEST(ceilings_within)
{
	share_a_processor();
	for (long how = 0; how < 3; how++) {
		for (int i = 0; i < 2; i++) {
			memset(&mutex[i], 0, sizeof(mutex[i]));
			mutex[i].m_flags = UMUTEX_PRIO_PROTECT;
			mutex[i].m_ceilings[0] = i ? 20 : 15;
			mutex[i].m_ceilings[1] = -1;
		}
		held = ended = hog_was_told = 0;
		guest_thread_start(&threads[0], holds_and_gives, (void *)how);
		while (!LOAD(&held))
			guest_sleep_ms(5);
		guest_thread_start(&threads[1], hog, NULL);
		join(2);
		CHECK_EQ(hog_was_told, how == 2);
	}
}

static void
sees_its_own(void *argument)
{
	(void)argument;
	places[0] = priority_now();
}

/* It is lent to the thread: a child, of which there are three kinds, has the priority that its maker has by itself. */
TEST(ceiling_of_child)
{
	share_a_processor();
	set_priority(3);
	m->m_flags = UMUTEX_PRIO_PROTECT;
	m->m_owner = UMUTEX_CONTESTED;
	m->m_ceilings[0] = 15;
	m->m_ceilings[1] = -1;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(priority_now());
	CHECK_EQ(guest_wait(pid), 3 << 8);
	pid = (int)sys(SYS_vfork);
	if (pid == 0)
		guest_exit(priority_now());
	CHECK_EQ(guest_wait(pid), 3 << 8);
	guest_thread_start(&threads[0], sees_its_own, NULL);
	join(1);
	CHECK_EQ(places[0], 3);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(priority_now(), 3);
}

/* Who has a higher priority than the ceiling is refused, by its own priority and not by what is lent to it. */
TEST(above_ceiling)
{
	share_a_processor();
	set_priority(10);
	m->m_flags = UMUTEX_PRIO_PROTECT;
	m->m_owner = UMUTEX_CONTESTED;
	m->m_ceilings[1] = -1;
	m->m_ceilings[0] = 9;
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), EINVAL);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EINVAL);
	m->m_ceilings[0] = 20;
	mutex[1] = *m;
	mutex[1].m_ceilings[0] = 10;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(priority_now(), 10);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(&mutex[1], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(priority_now(), 10);
	set_priority(0);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(sys(SYS_sched_getscheduler, 0), SCHED_OTHER);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(sys(SYS_sched_getscheduler, 0), SCHED_OTHER);
}

/* A priority that is set while another is lent is the thread's when that is over. */
TEST(set_within)
{
	share_a_processor();
	m->m_flags = UMUTEX_PRIO_PROTECT;
	m->m_owner = UMUTEX_CONTESTED;
	m->m_ceilings[0] = 31;
	m->m_ceilings[1] = -1;
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	set_priority(12);
	CHECK_EQ(priority_now(), 12);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	CHECK_EQ(priority_now(), 12);
}

/* ------------------------------------------------------------------ without priorities */

static struct umtx_robust_lists_params params;
static uintptr_t robust_list;

static void
hold_robust(struct umutex *mu)
{
	params.robust_list_offset = (uintptr_t)&robust_list;
	CHECK_EQ(OP(NULL, UMTX_OP_ROBUST_LISTS, sizeof(params), &params, NULL), 0);
	CHECK_EQ(OP(mu, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	robust_list = (uintptr_t)mu;
}

static volatile long results[3];

static void
waiter(void *argument)
{
	results[(long)argument] = OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL);
}

static volatile int stays;	/* `dies` does not until this is 0 */

static void
dies(void *argument)
{
	if (argument != NULL)
		hold_robust(m);
	else
		CHECK_EQ(OP(m, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	STORE(&held, 1);
	do {
		guest_sleep_ms(60);
	} while (LOAD(&stays));
}

/* The owner ends while two wait. The first has EOWNERDEAD, and ends with it; so has the second. */
TEST(robust_waiters)
{
	m->m_flags = UMUTEX_PRIO_INHERIT | UMUTEX_ROBUST;
	guest_thread_start(&threads[0], dies, m);
	while (!LOAD(&held))
		guest_sleep_ms(1);
	guest_thread_start(&threads[1], waiter, (void *)1L);
	guest_thread_join(&threads[0]);
	guest_thread_join(&threads[1]);
	CHECK_EQ(results[1], -EOWNERDEAD);
	CHECK_EQ((u32)m->m_owner, threads[1].id | UMUTEX_CONTESTED);
}

/* By a signal, by SIGKILL, by exec: a mutex of several processes. */
HELPER(end)
{
	guest_exit(0);
}

TEST(robust_processes)
{
	struct umutex *shared = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));

	for (int how = 0; how < 5; how++) {
		memset(shared, 0, sizeof(*shared));
		shared->m_flags = UMUTEX_ROBUST | UMUTEX_PRIO_INHERIT | USYNC_PROCESS_SHARED;
		int pid = guest_fork();
		if (pid == 0) {
			char *argv[] = { guest_argv[0], "@end", NULL }, *envp[] = { NULL };
			hold_robust(shared);
			guest_sleep_ms(how == 4 ? 0 : 50);
			if (how == 1)
				sys(SYS_execve, guest_argv[0], argv, envp);
			if (how == 2)
				sys(SYS_kill, sys(SYS_getpid), SIGTERM);
			if (how >= 3)
				sys(SYS_kill, sys(SYS_getpid), SIGKILL);
			guest_exit(0);
		}
		while (LOAD(&shared->m_owner) == 0)
			guest_sleep_ms(1);
		if (how == 4)
			guest_sleep_ms(50);
		struct _umtx_time t = { { 5, 0 }, 0, CLOCK_MONOTONIC };
		CHECK_ERR(OP(shared, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), EOWNERDEAD);
		CHECK_EQ((u32)shared->m_owner, self() | UMUTEX_CONTESTED);
		CHECK_EQ(guest_wait(pid), how == 2 ? SIGTERM : how >= 3 ? SIGKILL : 0);
	}
}

/* It was not made consistent: who waits hears so. */
TEST(not_recoverable)
{
	m->m_flags = UMUTEX_PRIO_INHERIT | UMUTEX_ROBUST | UMUTEX_NONCONSISTENT;
	m->m_owner = self();
	guest_thread_start(&threads[0], waiter, (void *)0L);
	guest_asleep(&threads[0]);
	CHECK_EQ((u32)LOAD(&m->m_owner), self() | UMUTEX_CONTESTED);
	CHECK_EQ(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(results[0], -ENOTRECOVERABLE);
	CHECK_EQ((u32)m->m_owner, UMUTEX_RB_NOTRECOV);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), ENOTRECOVERABLE);
}

static void
waits_in_vain(void *argument)
{
	struct timespec t = { 0, 200000000 };

	results[(long)argument] = OP(m, UMTX_OP_MUTEX_LOCK, 0, 0, &t);
}

/* A mutex that is not robust is never free again, for who waited when its owner ended, and for who comes later. */
TEST(dead_for_ever)
{
	struct timespec t = { 0, 30000000 };

	m->m_flags = UMUTEX_PRIO_INHERIT;
	guest_thread_start(&threads[0], dies, NULL);
	while (!LOAD(&held))
		guest_sleep_ms(1);
	guest_thread_start(&threads[1], waits_in_vain, (void *)1L);
	guest_thread_start(&threads[2], waits_in_vain, (void *)2L);
	guest_thread_join(&threads[0]);
	guest_sleep_ms(20);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_TRYLOCK, 0, NULL, NULL), EBUSY);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, 0, &t), ETIMEDOUT);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), EPERM);
	guest_thread_join(&threads[1]);
	guest_thread_join(&threads[2]);
	CHECK_EQ(results[1], -ETIMEDOUT);
	CHECK_EQ(results[2], -ETIMEDOUT);
	CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, 0, &t), ETIMEDOUT);
}

static void
crossed(void *argument)
{
	long i = (long)argument;
	struct timespec t = { 0, i ? 100000000 : 400000000 };

	CHECK_EQ(OP(&mutex[i], UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	/* Who came late would find the other's mutex free, and that one would end with it. */
	__atomic_fetch_add(&held, 1, __ATOMIC_SEQ_CST);
	while (LOAD(&held) < 2)
		guest_sleep_ms(1);
	results[i] = OP(&mutex[1 - i], UMTX_OP_MUTEX_LOCK, 0, 0, &t);
	CHECK_EQ(OP(&mutex[i], UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
}

/* Two who wait for each other wait; when one gives up, the other has its mutex. */
TEST(crossed)
{
	held = 0;
	mutex[0].m_flags = mutex[1].m_flags = UMUTEX_PRIO_INHERIT;
	guest_thread_start(&threads[0], crossed, (void *)0L);
	guest_thread_start(&threads[1], crossed, (void *)1L);
	join(2);
	CHECK_EQ(results[1], -ETIMEDOUT);
	CHECK_EQ(results[0], 0);
}

/* A wait for it ends by each clock's time. */
TEST(clocks)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_SECOND, CLOCK_UPTIME_FAST };

	for (int kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < nitems(clocks); i++) {
			struct _umtx_time t = { { 0, 40000000 }, 0, (u32)clocks[i] };
			m->m_flags = UMUTEX_PRIO_INHERIT | (kind ? UMUTEX_ROBUST : 0);
			m->m_owner = 0;
			held = 0;
			stays = 1;
			guest_thread_start(&threads[0], dies, NULL);
			while (!LOAD(&held))
				guest_sleep_ms(1);
			CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), ETIMEDOUT);
			CHECK_EQ(sys(SYS_clock_gettime, clocks[i], &t._timeout), 0);
			t._flags = UMTX_ABSTIME;
			CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), ETIMEDOUT);
			t._timeout.tv_sec = -1;
			CHECK_ERR(OP(m, UMTX_OP_MUTEX_LOCK, 0, sizeof(t), &t), EINVAL);
			STORE(&stays, 0);
			guest_thread_join(&threads[0]);
		}
	}
}

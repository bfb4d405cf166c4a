/* thr_kill(2), thr_kill2(2), thr_suspend(2), thr_wake(2), thr_set_name(2), thr_exit(2). */
#include "guest.h"

static struct guest_thread threads[8];
static volatile int count, go;
static volatile long result;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	CHECK_EQ(signo, SIGUSR1);
	__atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
}

static void
idle(void *argument)
{
	(void)argument;
	while (!go)
		guest_sleep_ms(5);
}

static long
self(void)
{
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	return (id);
}

TEST(kill)
{
	guest_handle(SIGUSR1, note, SA_RESTART);
	CHECK_ERR(sys(SYS_thr_kill, -1, SIGUSR1), ESRCH);
	CHECK_ERR(sys(SYS_thr_kill, -1, 129), EINVAL);
	for (int i = 0; i < 4; i++)
		guest_thread_start(&threads[i], idle, NULL);
	/* All but the caller. */
	CHECK_EQ(sys(SYS_thr_kill, -1, 0), 0);
	CHECK_EQ(sys(SYS_thr_kill, -1, SIGUSR1), 0);
	for (int i = 0; i < 1000 && count < 4; i++)
		guest_sleep_ms(1);
	guest_sleep_ms(10);
	CHECK_EQ(count, 4);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(sys(SYS_thr_kill, threads[i].id, 0), 0);
		CHECK_EQ(sys(SYS_thr_kill, threads[i].id, SIGUSR1), 0);
		CHECK_EQ(sys(SYS_thr_kill2, sys(SYS_getpid), threads[i].id, SIGUSR1), 0);
	}
	for (int i = 0; i < 1000 && count < 12; i++)
		guest_sleep_ms(1);
	CHECK(count >= 8 && count <= 12);	/* two of the same that wait are one */
	CHECK_ERR(sys(SYS_thr_kill, threads[0].id, 129), EINVAL);
	CHECK_ERR(sys(SYS_thr_kill, threads[0].id, -1), EINVAL);
	CHECK_ERR(sys(SYS_thr_kill, 0x7ffffff0, 129), ESRCH);
	CHECK_ERR(sys(SYS_thr_kill, 0, SIGUSR1), ESRCH);
	CHECK_ERR(sys(SYS_thr_kill, 1, SIGUSR1), ESRCH);	/* another process's */
	go = 1;
	for (int i = 0; i < 4; i++)
		guest_thread_join(&threads[i]);
	CHECK_ERR(sys(SYS_thr_kill, threads[0].id, 0), ESRCH);
}

TEST(kill2)
{
	int pid = guest_fork();

	guest_handle(SIGUSR1, note, 0);
	if (pid == 0) {
		guest_thread_start(&threads[0], idle, NULL);
		for (int i = 0; i < 2000 && count < 2; i++)
			guest_sleep_ms(1);
		guest_exit(count == 2 ? 0 : 1);
	}
	guest_sleep_ms(50);
	/* -1 is every thread of the process. */
	CHECK_EQ(sys(SYS_thr_kill2, pid, -1, 0), 0);
	CHECK_EQ(sys(SYS_thr_kill2, pid, -1, SIGUSR1), 0);
	CHECK_ERR(sys(SYS_thr_kill2, pid, -1, 129), EINVAL);
	CHECK_ERR(sys(SYS_thr_kill2, pid, self(), SIGUSR1), ESRCH);	/* not of that process */
	CHECK_ERR(sys(SYS_thr_kill2, 0x7ffffff0, -1, SIGUSR1), ESRCH);
	CHECK_EQ(guest_wait(pid), 0);
}

static void
suspend(void *argument)
{
	result = sys(SYS_thr_suspend, argument);
}

TEST(suspend_wake)
{
	struct timespec soon = { 0, 30000000 }, bad = { 0, -1 }, zero = { 0, 0 }, far = { 100, 0 };

	long before = guest_now_ms();
	CHECK_ERR(sys(SYS_thr_suspend, &soon), ETIMEDOUT);
	CHECK(guest_now_ms() - before >= 30);
	CHECK_ERR(sys(SYS_thr_suspend, &zero), ETIMEDOUT);
	CHECK_ERR(sys(SYS_thr_suspend, &bad), EINVAL);
	CHECK_ERR(sys(SYS_thr_suspend, 8), EFAULT);
	/* One that came before counts, once. */
	CHECK_EQ(sys(SYS_thr_wake, self()), 0);
	CHECK_EQ(sys(SYS_thr_suspend, &far), 0);
	CHECK_ERR(sys(SYS_thr_suspend, &zero), ETIMEDOUT);
	guest_thread_start(&threads[0], suspend, NULL);
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_thr_wake, threads[0].id), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 0);
	CHECK_ERR(sys(SYS_thr_wake, 0x7ffffff0), ESRCH);
	guest_handle(SIGUSR1, note, SA_RESTART);
	guest_thread_start(&threads[0], suspend, &far);
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, -EINTR);
}

TEST(names)
{
	guest_thread_start(&threads[0], idle, NULL);
	CHECK_EQ(sys(SYS_thr_set_name, self(), "main"), 0);
	CHECK_EQ(sys(SYS_thr_set_name, threads[0].id, "a thread of nineteen and more"), 0);
	CHECK_EQ(sys(SYS_thr_set_name, self(), NULL), 0);
	CHECK_ERR(sys(SYS_thr_set_name, self(), 8), EFAULT);
	CHECK_ERR(sys(SYS_thr_set_name, 0x7ffffff0, "x"), ESRCH);
	go = 1;
	guest_thread_join(&threads[0]);
}

/* The first thread may end before the others; the last one is told that it is. */
static volatile long last_state;

static void
last(void *argument)
{
	long state = 0;

	(void)argument;
	while (__atomic_load_n(&last_state, __ATOMIC_SEQ_CST) == 0)
		sys(SYS__umtx_op, &last_state, UMTX_OP_WAIT, 0, NULL, NULL);
	guest_sleep_ms(30);
	CHECK_ERR(sys(SYS_thr_kill, -1, 0), ESRCH);
	CHECK_EQ(sys(SYS_thr_exit, &state), 0);
	CHECK_EQ(state, 1);
	say("ok %s.%s\n", GUEST_NAME, "exit_first");
	guest_exit(0);
}

TEST(exit_first)
{
	guest_thread_start(&threads[0], last, NULL);
	sys(SYS_thr_exit, &last_state);
	CHECK(0);
}

/* Many threads that end at once: exactly one is the last. */
static volatile int returned;

static void
ends(void *argument)
{
	(void)argument;
	while (!go)
		;
	sys(SYS_thr_exit, NULL);
	__atomic_fetch_add(&returned, 1, __ATOMIC_SEQ_CST);
	guest_sleep_ms(30);
	guest_exit(returned == 1 ? 0 : 9);
}

TEST(exit_all)
{
	for (int round = 0; round < 20; round++)
		IN_CHILD({
			for (int i = 0; i < 6; i++)
				guest_thread_start(&threads[i], ends, NULL);
			go = 1;
			sys(SYS_thr_exit, NULL);
			__atomic_fetch_add(&returned, 1, __ATOMIC_SEQ_CST);
			guest_sleep_ms(30);
			guest_exit(returned == 1 ? 0 : 9);
		});
}

/* Thousands of threads, one after the other and some at a time: areas are used again. */
static void
nothing(void *argument)
{
	__atomic_fetch_add((volatile int *)argument, 1, __ATOMIC_SEQ_CST);
}

TEST(many)
{
	for (int i = 0; i < 500; i++) {
		for (int k = 0; k < 8; k++)
			guest_thread_start(&threads[k], nothing, (void *)&count);
		for (int k = 0; k < 8; k++)
			guest_thread_join(&threads[k]);
	}
	CHECK_EQ(count, 4000);
}

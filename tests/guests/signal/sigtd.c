/* Which thread takes a signal that was sent to the process: one that does not block it, or waits for it, and none that ends. sys/kern/kern_sig.c
 * (sigtd, kern_sigtimedwait, tdsigcleanup). */
#include "asleep.h"
#include <sys/socket.h>
#include <aio.h>

static const int kinds[] = { SIGSEGV, SIGBUS, SIGSYS, SIGUSR1 };
static const sigset_t all_kinds = { { 1u << (SIGSEGV - 1) | 1u << (SIGBUS - 1) | 1u << (SIGSYS - 1) | 1u << (SIGUSR1 - 1), 0, 0, 0 } };
static volatile int *shared;	/* how many signals have come; whether it is over */
static volatile long taker;

static void
take(int signo, siginfo_t *info, void *context)
{
	long self = 0;

	(void)signo, (void)context;
	sys(SYS_thr_self, &self);
	taker = info->si_code == SI_USER ? self : -1;
	__atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST);
}

static void
setup(void)
{
	shared = (volatile int *)sys(SYS_mmap, NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	CHECK(!FAILED(shared));
	for (size_t i = 0; i < nitems(kinds); i++)
		guest_handle(kinds[i], take, 0);
}

static void
sleep_unblocked(void *unused)
{
	(void)unused;
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &all_kinds, NULL), 0);
	while (shared[1] == 0)
		guest_sleep_ms(1000);
}

TEST(one_that_does_not_block_it)
{
	static struct guest_thread other;

	setup();
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &all_kinds, NULL), 0);
	guest_thread_start(&other, sleep_unblocked, NULL);
	guest_asleep(&other);
	for (size_t i = 0; i < nitems(kinds); i++) {
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), kinds[i]), 0);
		GUEST_UNTIL(shared[0] == (int)i + 1);
		CHECK_EQ(taker, other.id);
	}
	shared[1] = 1;
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	guest_thread_join(&other);
	CHECK_EQ(shared[0], (int)nitems(kinds) + 1);
}

static void
wait_for_each(void *unused)
{
	siginfo_t info;

	(void)unused;
	for (size_t i = 0; i < nitems(kinds); i++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &all_kinds, &info), kinds[i]);
		CHECK_EQ(info.si_code, SI_USER);
		shared[0]++;
	}
}

TEST(one_that_waits_for_it)
{
	static struct guest_thread other;

	setup();
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &all_kinds, NULL), 0);
	guest_thread_start(&other, wait_for_each, NULL);
	for (size_t i = 0; i < nitems(kinds); i++) {
		guest_asleep(&other);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), kinds[i]), 0);
		GUEST_UNTIL(shared[0] == (int)i + 1);
	}
	guest_thread_join(&other);
}

static void
nothing(void *unused)
{
	(void)unused;
}

/* Makes threads that end at once. */
static void
churn(void *unused)
{
	static struct guest_thread short_[3];

	(void)unused;
	while (shared[1] == 0) {
		for (size_t i = 0; i < nitems(short_); i++)
			guest_thread_start(&short_[i], nothing, NULL);
		for (size_t i = 0; i < nitems(short_); i++)
			guest_thread_join(&short_[i]);
	}
	guest_exit(0);
}

/* A process without its first thread is sent signals one by one: each comes. */
static void
send_each(int pid, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		CHECK_EQ(sys(SYS_kill, pid, kinds[i % 3]), 0);
		GUEST_UNTIL(shared[0] == i + 1);
	}
	shared[1] = 1;
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(none_that_ends)
{
	static struct guest_thread keeper;
	long gone;
	int pid;

	setup();
	pid = guest_fork();
	if (pid == 0) {
		guest_thread_start(&keeper, churn, NULL);
		sys(SYS_thr_exit, &gone);
	}
	guest_sleep_ms(20);
	send_each(pid, 400);
}

static void
sleep_and_end(void *unused)
{
	sleep_unblocked(unused);
	guest_exit(0);
}

/* The thread by which requests wait is not the program's. */
TEST(none_of_the_system_s)
{
	static struct guest_thread keeper;
	static struct aiocb request;
	static char byte;
	int pair[2], pid;
	long gone;

	setup();
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
		request.aio_fildes = pair[0];
		request.aio_buf = &byte;
		request.aio_nbytes = 1;
		CHECK_EQ(sys(SYS_aio_read, &request), 0);
		guest_thread_start(&keeper, sleep_and_end, NULL);
		sys(SYS_thr_exit, &gone);
	}
	guest_sleep_ms(50);
	send_each(pid, 60);
}

static volatile int step;

/* Waits for the kinds that no thread took when they came, by each of the ways there are. */
static void
find_each(void *unused)
{
	sigset_t pending, none = { { 0, 0, 0, 0 } };
	struct timespec now = { 0, 0 };
	siginfo_t info;

	(void)unused;
	GUEST_UNTIL(step == 1);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0] & all_kinds.__bits[0], all_kinds.__bits[0]);
	CHECK_EQ(sys(SYS_sigtimedwait, &all_kinds, &info, &now), SIGBUS);
	CHECK_EQ(sys(SYS_sigtimedwait, &all_kinds, &info, &now), SIGSEGV);
	CHECK_EQ(shared[0], 0);
	CHECK_EQ(sys(SYS_sigsuspend, &none), -EINTR);	/* SIGSYS or SIGUSR1, or both */
	CHECK(shared[0] == 1 || shared[0] == 2);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &all_kinds, NULL), 0);
	CHECK_EQ(shared[0], 2);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0] & all_kinds.__bits[0], 0);
	step = 2;
}

/* One that waits for the process is any thread's that no longer blocks it, once. */
TEST(one_that_unblocks_it)
{
	static struct guest_thread other;
	sigset_t pending;

	setup();
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &all_kinds, NULL), 0);
	guest_thread_start(&other, find_each, NULL);
	for (size_t i = 0; i < nitems(kinds); i++)
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), kinds[i]), 0);
	guest_sleep_ms(20);
	step = 1;
	guest_thread_join(&other);
	CHECK_EQ(step, 2);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0] & all_kinds.__bits[0], 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &all_kinds, NULL), 0);
	CHECK_EQ(shared[0], 2);
}

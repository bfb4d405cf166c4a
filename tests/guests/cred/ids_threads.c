/* Ids are the process's: all threads change with the one that calls, whatever they are at. */
#include "guest.h"
#include <sys/poll.h>

enum { READS, POLLS, SLEEPS, WAITS, RUNS, BLOCKED, KINDS };

static int fds[2], quiet[2];
static volatile int go, started;
static volatile long word;
static uid_t users[KINDS][3];
static gid_t groups[KINDS][8];
static long group_count[KINDS], result[KINDS];

static void
look(int kind)
{
	CHECK_EQ(sys(SYS_getresuid, &users[kind][0], &users[kind][1], &users[kind][2]), 0);
	group_count[kind] = CHECK_OK(sys(SYS_getgroups, 8, groups[kind]));
}

static void
look_for(void *argument)
{
	look((int)(long)argument);
}

static void
thread(void *argument)
{
	int kind = (int)(long)argument;
	u64 all[2] = { ~0UL, ~0UL };
	char byte;
	struct pollfd p = { quiet[0], POLLIN, 0 };
	struct timespec t = { 0, 300000000 };

	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	if (kind == READS)
		result[kind] = sys(SYS_read, fds[0], &byte, 1);
	else if (kind == POLLS)
		result[kind] = sys(SYS_poll, &p, 1, 20000);
	else if (kind == SLEEPS)
		result[kind] = sys(SYS_nanosleep, &t, NULL);
	else if (kind == WAITS) {
		while (!word && (result[kind] = sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, NULL, NULL)) == 0)
			;
	} else if (kind == BLOCKED) {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, all, NULL), 0);
		result[kind] = sys(SYS_read, quiet[0], &byte, 1);
	}
	while (!go)
		if (kind == RUNS)
			__asm__ volatile("pause");
		else
			guest_sleep_ms(1);
	look(kind);
}

TEST(all_follow)
{
	struct guest_thread t[KINDS];
	gid_t list[3] = { 300, 400, 500 };

	if (sys(SYS_geteuid) != 0)
		SKIP("only root can change its user");
	IN_CHILD({
		CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
		CHECK_EQ(sys(SYS_pipe2, quiet, 0), 0);
		for (long i = 0; i < KINDS; i++)
			guest_thread_start(&t[i], thread, (void *)i);
		while (started < KINDS)
			guest_sleep_ms(1);
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_setgroups, 3, list), 0);
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_EQ(sys(SYS_seteuid, 1002), 0);
		go = 1;
		CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
		CHECK_EQ(sys(SYS_write, quiet[1], "xy", 2), 2);
		word = 1;
		CHECK_OK(sys(SYS__umtx_op, &word, UMTX_OP_WAKE, 1, NULL, NULL));
		for (int i = 0; i < KINDS; i++) {
			guest_thread_join(&t[i]);
			CHECK_EQ(users[i][0], 1000);
			CHECK_EQ(users[i][1], 1002);
			CHECK_EQ(users[i][2], 1002);
			CHECK_EQ(group_count[i], 3);
			CHECK(groups[i][0] == 300 && groups[i][1] == 400 && groups[i][2] == 500);
		}
		/* No call ended because of it. */
		CHECK_EQ(result[READS], 1);
		CHECK_EQ(result[POLLS], 1);
		CHECK_EQ(result[SLEEPS], 0);
		CHECK_EQ(result[WAITS], 0);
		CHECK_EQ(result[BLOCKED], 1);
	});
}

static volatile int stop;

static void
change(void *argument)
{
	uid_t mine = (uid_t)(long)argument, r, e, s;

	for (int i = 0; i < 30; i++) {
		CHECK_EQ(sys(SYS_setresuid, -1, i & 1 ? mine : 0, 0), 0);
		CHECK_EQ(sys(SYS_getresuid, &r, &e, &s), 0);
		CHECK(r == mine && s == 0 && (e == 0 || e == mine));
	}
	__atomic_add_fetch(&stop, 1, __ATOMIC_SEQ_CST);
}

static void
come_and_go(void *argument)
{
	struct guest_thread t;

	(void)argument;
	while (stop < 2) {
		guest_thread_start(&t, look_for, (void *)READS);
		guest_thread_join(&t);
	}
}

/* Two that change them at once, while others come and go; in the end all agree. */
TEST(at_once)
{
	struct guest_thread t[3];

	if (sys(SYS_geteuid) != 0)
		SKIP("only root can change its user");
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1000, 0, 0), 0);
		guest_thread_start(&t[0], change, (void *)1000);
		guest_thread_start(&t[1], change, (void *)1000);
		guest_thread_start(&t[2], come_and_go, NULL);
		for (int i = 0; i < 3; i++)
			guest_thread_join(&t[i]);
		CHECK_EQ(sys(SYS_seteuid, 0), 0);
		CHECK_EQ(sys(SYS_setresuid, 3000, 3000, 3000), 0);
		guest_thread_start(&t[0], look_for, (void *)RUNS);
		guest_thread_join(&t[0]);
		CHECK(users[RUNS][0] == 3000 && users[RUNS][1] == 3000);
		CHECK_ERR(sys(SYS_setuid, 0), EPERM);
	});
}

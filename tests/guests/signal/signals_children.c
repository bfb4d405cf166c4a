/* SIGCHLD: one for each child that ends, until it is waited for (sigparent in sys/kern/kern_sig.c, proc_reap in kern_exit.c). */
#include "guest.h"
#include <sys/event.h>

#define BIT(signo) (1U << ((signo) - 1))
#define CHILDREN 5

static volatile int count, reaped, reap_each, reap_told;
static volatile siginfo_t seen[64];
static int pids[CHILDREN];

static void
note(int signo, siginfo_t *info, void *context)
{
	int status;

	(void)signo, (void)context;
	if (count < 64)
		seen[count] = *info;
	count++;
	if (reap_told && sys(SYS_wait4, info->si_pid, &status, WNOHANG, NULL) == info->si_pid)
		reaped++;
	for (int n = 0; n < reap_each; n++)
		if (sys(SYS_wait4, -1, &status, WNOHANG, NULL) > 0)
			reaped++;
}

static void
mask(int how, u32 bits)
{
	sigset_t set = { { bits, 0, 0, 0 } };

	CHECK_EQ(sys(SYS_sigprocmask, how, &set, NULL), 0);
}

static u32
pending(void)
{
	sigset_t set;

	CHECK_EQ(sys(SYS_sigpending, &set), 0);
	return (set.__bits[0]);
}

/* Children that end with 1, 2, ... and are zombies when this returns. */
static void
five_dead(void)
{
	siginfo_t info;

	for (int n = 0; n < CHILDREN; n++) {
		pids[n] = guest_fork();
		if (pids[n] == 0)
			guest_exit(n + 1);
	}
	for (int n = 0; n < CHILDREN; n++)
		CHECK_EQ(sys(SYS_wait6, P_PID, pids[n], NULL, WEXITED | WNOWAIT, NULL, &info), pids[n]);
}

static void
wait_for_all(void)
{
	for (int n = 0; n < CHILDREN; n++)
		guest_wait(pids[n]);
}

/* Each child was told of once, with how it ended. */
static void
check_seen(void)
{
	CHECK_EQ(count, CHILDREN);
	for (int n = 0; n < CHILDREN; n++) {
		int found = 0;
		for (int i = 0; i < CHILDREN; i++)
			if (seen[i].si_pid == pids[n]) {
				found++;
				CHECK_EQ(seen[i].si_signo, SIGCHLD);
				CHECK_EQ(seen[i].si_code, CLD_EXITED);
				CHECK_EQ(seen[i].si_status, n + 1);
				CHECK_EQ(seen[i].si_uid, sys(SYS_getuid));
				CHECK_EQ(seen[i].si_errno, 0);
			}
		CHECK_EQ(found, 1);
	}
}

TEST(blocked)
{
	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	CHECK_EQ(count, 0);
	CHECK_EQ(pending(), BIT(SIGCHLD));
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	check_seen();
	mask(SIG_BLOCK, BIT(SIGCHLD));
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, CHILDREN);
	wait_for_all();
	mask(SIG_BLOCK, BIT(SIGCHLD));
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, CHILDREN);
}

TEST(in_the_middle_of_a_handler)
{
	guest_handle(SIGCHLD, note, SA_NODEFER);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	check_seen();
	wait_for_all();
}

TEST(waited_for)
{
	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	wait_for_all();
	CHECK_EQ(pending(), 0);
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, 0);
}

TEST(some_waited_for)
{
	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	guest_wait(pids[0]);
	guest_wait(pids[3]);
	CHECK_EQ(pending(), BIT(SIGCHLD));
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, CHILDREN - 2);
	for (int i = 0; i < count; i++)
		CHECK(seen[i].si_pid != pids[0] && seen[i].si_pid != pids[3]);
}

/* The one that Linux keeps is of the child that is waited for: the others are told all the same. */
TEST(first_waited_for)
{
	sigset_t set = { { BIT(SIGCHLD), 0, 0, 0 } };
	siginfo_t info;

	guest_handle(SIGCHLD, note, 0);
	for (int how = 0; how < 2; how++) {
		count = 0;
		mask(SIG_BLOCK, BIT(SIGCHLD));
		for (int n = 0; n < CHILDREN; n++) {
			pids[n] = guest_fork();
			if (pids[n] == 0)
				guest_exit(0);
			CHECK_EQ(sys(SYS_wait6, P_PID, pids[n], NULL, WEXITED | WNOWAIT, NULL, NULL), pids[n]);
		}
		guest_wait(pids[0]);
		for (int n = 1; n < CHILDREN && how == 0; n++)
			CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
		mask(SIG_UNBLOCK, BIT(SIGCHLD));
		CHECK_EQ(count, how == 0 ? 0 : CHILDREN - 1);
		for (int n = 1; n < CHILDREN; n++)
			guest_wait(pids[n]);
	}
}

TEST(handler_waits_for_all)
{
	guest_handle(SIGCHLD, note, 0);
	reap_each = CHILDREN + 1;
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, 1);
	CHECK_EQ(reaped, CHILDREN);
}

TEST(handler_waits_for_one)
{
	guest_handle(SIGCHLD, note, 0);
	reap_told = 1;
	for (int n = 0; n < 30; n++)
		if (guest_fork() == 0)
			guest_exit(0);
	for (int i = 0; i < 5000 && reaped < 30; i++)
		guest_sleep_ms(1);
	CHECK_EQ(reaped, 30);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

TEST(sigwaitinfo)
{
	sigset_t set = { { BIT(SIGCHLD), 0, 0, 0 } };
	struct timespec none = { 0, 0 };
	siginfo_t info;

	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	guest_wait(pids[2]);
	for (int n = 0; n < CHILDREN - 1; n++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGCHLD);
		seen[n] = info;
		CHECK(info.si_pid != pids[2]);
		for (int i = 0; i < n; i++)
			CHECK(seen[i].si_pid != info.si_pid);
	}
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &none), EAGAIN);
	CHECK_EQ(count, 0);
}

TEST(sigsuspend)
{
	sigset_t empty = { { 0, 0, 0, 0 } };

	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	for (int n = 0; n < CHILDREN; n++)
		CHECK_ERR(sys(SYS_sigsuspend, &empty), EINTR);
	check_seen();
}

/* The signal ends the sleep of a wait before the child can be taken. */
TEST(ends_a_wait)
{
	int status = 0;

	guest_handle(SIGCHLD, note, 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(50);
		guest_exit(7);
	}
	CHECK_ERR(sys(SYS_wait4, pid, &status, 0, NULL), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EQ(seen[0].si_pid, pid);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, 7 << 8);
	guest_handle(SIGCHLD, note, SA_RESTART);
	pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(50);
		guest_exit(8);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(count, 2);
	CHECK_EQ(status, 8 << 8);
}

/* SA_NOCLDWAIT: the children are init's, and so is the signal. */
TEST(not_waited_for)
{
	guest_handle(SIGCHLD, note, SA_NOCLDWAIT);
	for (int n = 0; n < 3; n++)
		if (guest_fork() == 0)
			guest_exit(0);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
	guest_sleep_ms(50);
	CHECK_EQ(count, 0);
}

TEST(events)
{
	struct kevent change = { SIGCHLD, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL, { 0 } }, got;
	struct timespec none = { 0, 0 };

	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_kevent, kq, &change, 1, NULL, 0, NULL), 0);
	five_dead();
	i64 sum = 0;
	while (sys(SYS_kevent, kq, NULL, 0, &got, 1, &none) == 1)
		sum += got.data;
	CHECK_EQ(sum, CHILDREN);
	wait_for_all();
}

TEST(killed)
{
	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	for (int n = 0; n < CHILDREN; n++) {
		pids[n] = guest_fork();
		if (pids[n] == 0)
			for (;;)
				guest_sleep_ms(1000);
	}
	for (int n = 0; n < CHILDREN; n++)
		CHECK_EQ(sys(SYS_kill, pids[n], SIGUSR1), 0);
	for (int n = 0; n < CHILDREN; n++)
		CHECK_EQ(sys(SYS_wait6, P_PID, pids[n], NULL, WEXITED | WNOWAIT, NULL, NULL), pids[n]);
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQ(seen[i].si_code, CLD_KILLED);
		CHECK_EQ(seen[i].si_status, SIGUSR1);
	}
	wait_for_all();
}

/* A child of a fork has no children, and none was told of. */
TEST(in_a_child)
{
	guest_handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, BIT(SIGCHLD));
	five_dead();
	mask(SIG_UNBLOCK, BIT(SIGCHLD));
	CHECK_EQ(count, CHILDREN);
	IN_CHILD({
		count = 0;
		mask(SIG_BLOCK, BIT(SIGCHLD));
		five_dead();
		mask(SIG_UNBLOCK, BIT(SIGCHLD));
		CHECK_EQ(count, CHILDREN);
	});
	wait_for_all();
}

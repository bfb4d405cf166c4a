/* Limits of resources: those that Linux does not have, and what is counted against them. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <sys/event.h>

#ifndef RLIMIT_PIPEBUF
#define RLIMIT_PIPEBUF 15
#endif

static const int kept[] = { RLIMIT_SBSIZE, RLIMIT_NPTS, RLIMIT_SWAP, RLIMIT_KQUEUES, RLIMIT_UMTXP };
#define KEPT ((int)(sizeof(kept) / sizeof(kept[0])))

static void
lower_all(void)
{
	for (int i = 0; i < KEPT; i++) {
		struct rlimit limit = { (1 << 20) + i, (1 << 21) + i };
		CHECK_EQ(sys(SYS_setrlimit, kept[i], &limit), 0);
	}
}

static void
check_lowered(void)
{
	for (int i = 0; i < KEPT; i++) {
		struct rlimit limit;
		CHECK_EQ(sys(SYS_getrlimit, kept[i], &limit), 0);
		CHECK_EQ(limit.rlim_cur, (1 << 20) + i);
		CHECK_EQ(limit.rlim_max, (1 << 21) + i);
	}
}

TEST(those_that_linux_lacks)
{
	struct rlimit limit = { 7, 5 };

	lower_all();
	check_lowered();
	IN_CHILD(check_lowered());
	/* The soft limit is cut to the new maximum. */
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), 0);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_KQUEUES, &limit), 0);
	CHECK_EQ(limit.rlim_cur, 5);
	/* A negative one is infinity. */
	limit = (struct rlimit){ -5, -1 };
	if (sys(SYS_geteuid) != 0) {
		CHECK_ERR(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), EPERM);
		limit = (struct rlimit){ 6, 5 };
		CHECK_ERR(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), EPERM);
		return;
	}
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), 0);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_KQUEUES, &limit), 0);
	CHECK_EQ(limit.rlim_cur, RLIM_INFINITY);
	CHECK_EQ(limit.rlim_max, RLIM_INFINITY);
}

TEST(raised_by_a_user)
{
	struct rlimit limit = { 5, 5 };

	if (sys(SYS_geteuid) == 0) {
		CHECK_EQ(sys(SYS_setgid, 65534), 0);
		CHECK_EQ(sys(SYS_setuid, 65534), 0);
	}
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_SWAP, &limit), 0);
	limit.rlim_cur = 6;
	CHECK_ERR(sys(SYS_setrlimit, RLIMIT_SWAP, &limit), EPERM);
	limit = (struct rlimit){ 5, RLIM_INFINITY };
	CHECK_ERR(sys(SYS_setrlimit, RLIMIT_SWAP, &limit), EPERM);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_SWAP, &limit), 0);
	CHECK_EQ(limit.rlim_max, 5);
}

HELPER(look_lowered)
{
	check_lowered();
}

TEST(kept_over_exec)
{
	char *argv[] = { guest_argv[0], "@look_lowered", NULL };
	int pid = guest_fork();

	if (pid == 0) {
		lower_all();
		CHECK_EQ(sys(SYS_execve, guest_argv[0], argv, argv + 2), 0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(seen_by_sysctl)
{
	int name[5] = { CTL_KERN, KERN_PROC, KERN_PROC_RLIMIT, (int)sys(SYS_getpid), RLIMIT_UMTXP };
	struct rlimit limit;
	size_t n = sizeof(limit);

	lower_all();
	CHECK_EQ(sys(SYS___sysctl, name, 5, &limit, &n, NULL, 0), 0);
	CHECK_EQ(limit.rlim_cur, (1 << 20) + 4);
	IN_CHILD({
		/* The parent's, not its own. */
		struct rlimit other = { 9, 9 };
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_UMTXP, &other), 0);
		CHECK_EQ(sys(SYS___sysctl, name, 5, &limit, &n, NULL, 0), 0);
		CHECK_EQ(limit.rlim_cur, (1 << 20) + 4);
		CHECK_EQ(limit.rlim_max, (1 << 21) + 4);
	});
	name[3] = 99998;
	CHECK_ERR(sys(SYS___sysctl, name, 5, &limit, &n, NULL, 0), ESRCH);
}

/* procctl's kin limits(1) -P, and psutil: of oneself and of another process. */
TEST(set_by_sysctl)
{
	int me = (int)sys(SYS_getpid), name[5] = { CTL_KERN, KERN_PROC, KERN_PROC_RLIMIT, me, RLIMIT_NOFILE };
	struct rlimit limit = { 100, 200 }, seen;
	size_t n = sizeof(seen);
	int to_child[2], to_parent[2];
	char c = 0;

	CHECK_EQ(sys(SYS___sysctl, name, 5, &seen, &n, &limit, sizeof(limit)), 0);
	CHECK(seen.rlim_cur > 100);		/* as it was */
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &seen), 0);
	CHECK_EQ(seen.rlim_cur, 100);
	CHECK_EQ(seen.rlim_max, 200);
	CHECK_ERR(sys(SYS___sysctl, name, 5, NULL, NULL, &limit, sizeof(limit) - 1), EINVAL);
	CHECK_ERR(sys(SYS___sysctl, name, 5, NULL, NULL, 8, sizeof(limit)), EFAULT);
	CHECK_EQ(sys(SYS_pipe2, to_child, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, to_parent, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_write, to_parent[1], "r", 1), 1);
		CHECK_EQ(sys(SYS_read, to_child[0], &c, 1), 1);
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &seen), 0);
		CHECK_EQ(seen.rlim_cur, 50);
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_SWAP, &seen), 0);
		CHECK_EQ(seen.rlim_cur, 7000);
		CHECK_EQ(seen.rlim_max, 7000);	/* the soft limit is cut */
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, to_parent[0], &c, 1), 1);
	name[3] = pid;
	limit.rlim_cur = 50;
	CHECK_EQ(sys(SYS___sysctl, name, 5, NULL, NULL, &limit, sizeof(limit)), 0);
	name[4] = RLIMIT_SWAP;
	limit = (struct rlimit){ 9000, 7000 };
	CHECK_EQ(sys(SYS___sysctl, name, 5, NULL, NULL, &limit, sizeof(limit)), 0);
	CHECK_EQ(sys(SYS___sysctl, name, 5, &seen, &n, NULL, 0), 0);
	CHECK_EQ(seen.rlim_max, 7000);
	CHECK_EQ(sys(SYS_write, to_child[1], "g", 1), 1);
	CHECK_EQ(guest_wait(pid), 0);
	name[3] = 99998;
	CHECK_ERR(sys(SYS___sysctl, name, 5, NULL, NULL, &limit, sizeof(limit)), ESRCH);
}

TEST(kqueues_are_counted)
{
	struct rlimit limit = { 3, 3 };
	long fd = 0;
	int made = 0;

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), 0);
	while (made < 4 && (fd = sys(SYS_kqueue)) >= 0)
		made++;
	CHECK(made <= 3);
	CHECK_EQ(fd, -ENOMEM);
	if (made > 0) {
		CHECK_EQ(sys(SYS_close, 3), 0);
		CHECK_EQ(sys(SYS_kqueue), 3);
	}
	/* None is no limit. */
	limit.rlim_cur = 0;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_KQUEUES, &limit), 0);
	CHECK_OK(sys(SYS_kqueue));
}

TEST(terminals_are_counted)
{
	struct rlimit limit = { 2, RLIM_INFINITY };
	long fd = 0;
	int made = 0;

	if (sys(SYS_geteuid) == 0)
		CHECK_EQ(sys(SYS_setuid, 65533), 0);
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NPTS, &limit), 0);
	while (made < 3 && (fd = sys(SYS_posix_openpt, O_RDWR | O_NOCTTY)) >= 0)
		made++;
	CHECK(made <= 2);
	CHECK_EQ(fd, -EAGAIN);
}

TEST(one_process_at_least)
{
	struct rlimit limit = { 0, 100 };

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NPROC, &limit), 0);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NPROC, &limit), 0);
	CHECK_EQ(limit.rlim_cur, 1);
}

/* The sixteenth came with 14.2. */
TEST(number_of_limits)
{
	struct rlimit limit;

	CHECK_ERR(sys(SYS_getrlimit, 16, &limit), EINVAL);
	CHECK_ERR(sys(SYS_getrlimit, -1, &limit), EINVAL);
	if (GUEST_RELEASE >= 15) {
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_PIPEBUF, &limit), 0);
		limit.rlim_cur = 1 << 20;
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_PIPEBUF, &limit), 0);
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_PIPEBUF, &limit), 0);
		CHECK_EQ(limit.rlim_cur, 1 << 20);
	}
	CHECK_ERR(sys(SYS_setrlimit, RLIMIT_SWAP, 8), EFAULT);
	CHECK_ERR(sys(SYS_getrlimit, RLIMIT_SWAP, 8), EFAULT);
}

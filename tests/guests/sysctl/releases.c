/*
 * What the kernel of one release says otherwise than that of another. Each case asks which one it is (kern.osreldate);
 * test_guests.py runs them under several. The values: <sys/priority.h>, <sys/unistd.h>, <x86/ucontext.h> of each.
 */
#include "guest.h"
#include <sys/sysctl.h>
#include <sys/user.h>
#include <sys/sched.h>
#include <machine/ucontext.h>
#include <sys/ucontext.h>

static int
number(int first, int second)
{
	int mib[2] = { first, second }, value = 0;
	size_t n = sizeof(value);

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &value, &n, NULL, 0), 0);
	CHECK_EQ(n, sizeof(value));
	return (value);
}

/* 13, 14 or 15. */
static int
release(void)
{
	return (number(CTL_KERN, KERN_OSRELDATE) / 100000);
}

/* PUSER: with PRI_MAX_TIMESHARE 223 it bounds the priorities of SCHED_OTHER, and ki_pri counts from it. */
TEST(priorities)
{
	int user = release() < 14 ? 120 : release() == 14 ? 88 : 56;
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)sys(SYS_getpid) };
	struct kinfo_proc kp;
	struct sched_param param = { 0 };
	size_t n = sizeof(kp);

	CHECK_EQ(sys(SYS_sched_get_priority_max, SCHED_OTHER), 223 - user);
	CHECK_EQ(sys(SYS_sched_getparam, 0, &param), 0);
	CHECK_BETWEEN(param.sched_priority, 0, 223 - user);
	CHECK_EQ(sys(SYS___sysctl, mib, 4, &kp, &n, NULL, 0), 0);
	CHECK_BETWEEN(kp.ki_pri.pri_level, user, 223);
	CHECK_EQ(kp.ki_pri.pri_level, user + 20 + kp.ki_nice);
}

TEST(posix_version)
{
	CHECK_EQ(number(CTL_KERN, KERN_POSIX1), release() < 15 ? 200112 : 200809);
}

/* _MC_FLAG_MASK has _MC_HASTLSBASE (8) since 15. */
TEST(context_flags)
{
	static ucontext_t uc;
	static volatile int been;

	CHECK_EQ(sys(SYS_getcontext, &uc), 0);
	if (been == 1)
		return;
	been = 1;
	uc.uc_mcontext.mc_flags |= 16;
	CHECK_ERR(sys(SYS_setcontext, &uc), EINVAL);
	uc.uc_mcontext.mc_flags ^= 16 | 8;
	if (release() < 15)
		CHECK_ERR(sys(SYS_setcontext, &uc), EINVAL);
	else {
		sys(SYS_setcontext, &uc);	/* goes on above */
		CHECK(!"came back");
	}
}

/* Calls that came after 13.5 are unknown numbers before that: ENOSYS, and SIGSYS (kern.signosys). sys/kern/syscalls.master, and the
 * SYS_ numbers of each release's <sys/syscall.h>. */
static const struct { int number, since; } calls[] = {
	{ 580 /* fspacectl */, 1400000 }, { 585 /* timerfd_create */, 1400000 }, { 586, 1400000 }, { 587, 1400000 },
	{ 589 /* getrlimitusage */, 1402000 }, { 590 /* fchroot */, 1500000 }, { 591 /* setcred */, 1500000 },
	{ 592 /* exterrctl */, 1500000 }, { 593 /* inotify_add_watch_at */, 1500000 }, { 594, 1500000 },
	{ 595 /* getgroups */, 1500000 }, { 596 /* setgroups */, 1500000 }, { 597 /* jail_attach_jd */, 1500000 },
	{ 598, 1500000 }, { 600 /* pdrfork */, 1501000 }, { 601 /* pdwait */, 1501000 },
	{ 581 /* sched_getcpu */, 1300000 }, { 583 /* kqueuex */, 1300000 }, { 588 /* kcmp */, 1300000 },
};

static volatile int unknown;

static void
count_unknown(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	unknown += signo == SIGSYS;
}

TEST(calls_of_a_release)
{
	int date = number(CTL_KERN, KERN_OSRELDATE), expected = 0;

	guest_handle(SIGSYS, count_unknown, 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* Arguments that no call takes. */
		long result = sys(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);

		expected += date < calls[i].since;
		if (date < calls[i].since)
			CHECK_EQ(result, -ENOSYS);
		else
			CHECK_NE(result, -ENOSYS);
		CHECK_EQ(unknown, expected);
	}
}

/* vfs_syscalls.c, kern_getdirentries: what is no directory is ENOTDIR on 15, and was EINVAL; what has no vnode is EINVAL still. */
TEST(entries_of_a_file)
{
	static char buffer[4096];
	int ends[2];

	guest_put("file", "x", 1);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
	CHECK_ERR(sys(SYS_getdirentries, fd, buffer, 4096L, NULL), release() < 15 ? EINVAL : ENOTDIR);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_getdirentries, ends[0], buffer, 4096L, NULL), EINVAL);
}

/* uipc_mqueue.c: since 15 a queue's name may begin without a slash. It is the same queue. */
TEST(names_of_message_queues)
{
	char name[32];

	format(name, sizeof(name), "/lsfq%d", (int)sys(SYS_getpid));
	long ret = sys(SYS_kmq_open, name + 1, O_RDWR | O_CREAT, 0600, NULL);
	if (release() < 15)
		CHECK_EQ(ret, -EINVAL);
	else {
		CHECK(ret >= 0);
		CHECK_OK(sys(SYS_kmq_open, name, O_RDWR, 0, NULL));
		CHECK_EQ(sys(SYS_kmq_unlink, name + 1), 0);
		CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR, 0, NULL), ENOENT);
	}
	CHECK_ERR(sys(SYS_kmq_open, "/..", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_open, "/.", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
}

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

/* sys_machdep.c, exec_machdep.c (sendsig), kern_thr.c, vm_machdep.c (copy_thread): since 15 (P_OSREL_TLSBASE) a thread can say which FS base its handlers of
 * signals find, whatever it is where the signal comes. rtld and libthr of 15 do. */
enum { GET_TLSBASE = 135, SET_TLSBASE = 136, DISABLE_TLSBASE = 137, C_RUNTIME = 4 };

static u64 tls_block[2] = { 0x1111, 0x2222 }, other_block[2] = { 0x3333, 0x4444 };
static volatile u64 found_base;

static void
note_base(int signo, siginfo_t *info, void *context)
{
	u64 base = 0;

	(void)signo, (void)info, (void)context;
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &base), 0);
	found_base = base;
}

static u64
base_after_a_signal(void)
{
	u64 base = 0;

	found_base = 0;
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_NE(found_base, 0);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &base), 0);
	return (base);
}

static void
in_a_thread(void *argument)
{
	u64 base = 0;

	(void)argument;
	CHECK_ERR(sys(SYS_sysarch, GET_TLSBASE, &base), ESRCH);
}

TEST(tls_base)
{
	void *tls = tls_block, *other = other_block, *back = NULL;
	struct guest_thread t;
	ucontext_t uc;

	guest_handle(SIGUSR1, note_base, 0);
	if (number(CTL_KERN, KERN_OSRELDATE) < 1500044) {
		CHECK_ERR(sys(SYS_sysarch, SET_TLSBASE, &tls), EINVAL);
		CHECK_ERR(sys(SYS_sysarch, GET_TLSBASE, &back), EINVAL);
		return;
	}
	CHECK_ERR(sys(SYS_sysarch, GET_TLSBASE, &back), ESRCH);
	CHECK_ERR(sys(SYS_sysarch, SET_TLSBASE, 8), EFAULT);
	CHECK_EQ(sys(SYS_sysarch, SET_TLSBASE, &tls), 0);
	CHECK_EQ(sys(SYS_sysarch, GET_TLSBASE, &back), 0);
	CHECK_EQ(back, tls_block);
	CHECK_EQ(base_after_a_signal(), tls_block);
	CHECK_EQ(found_base, tls_block);
	/* The handler finds it, and what was there before is there again after it. */
	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &other), 0);
	CHECK_EQ(base_after_a_signal(), other_block);
	CHECK_EQ(found_base, tls_block);
	/* getcontext tells it (mc_tlsbase, behind mc_xfpustate_len). */
	CHECK_EQ(sys(SYS_getcontext, &uc), 0);
	CHECK_EQ(uc.uc_mcontext.mc_xfpustate_len, 0);
	CHECK_EQ((&uc.uc_mcontext.mc_xfpustate_len)[1], tls_block);
	/* Neither a child of fork nor a thread that does not ask for it has it. */
	IN_CHILD({
		CHECK_ERR(sys(SYS_sysarch, GET_TLSBASE, &back), ESRCH);
		CHECK_EQ(base_after_a_signal(), other_block);
		CHECK_EQ(found_base, other_block);
	});
	guest_thread_start(&t, in_a_thread, NULL);
	guest_thread_join(&t);
	CHECK_EQ(sys(SYS_sysarch, DISABLE_TLSBASE, NULL), 0);
	CHECK_EQ(base_after_a_signal(), other_block);
	CHECK_EQ(found_base, other_block);
	CHECK_ERR(sys(SYS_sysarch, GET_TLSBASE, &back), ESRCH);
}

static volatile u64 thread_tls, thread_error;

static void
tell_tls(void *argument)
{
	u64 base = 0;

	(void)argument;
	thread_error = (u64)sys(SYS_sysarch, GET_TLSBASE, &base);
	thread_tls = base;
	sys(SYS_thr_exit, NULL);
}

/* THR_C_RUNTIME; what thr_new does not know is EINVAL since then, and was not looked at before. */
TEST(thread_flags)
{
	static u8 stack[65536] __attribute__((aligned(16)));
	static long id;
	struct thr_param param = {
		.start_func = tell_tls, .stack_base = (char *)stack, .stack_size = sizeof(stack), .tls_base = (char *)tls_block,
		.child_tid = &id, .flags = 0x1000,
	};
	int new_ = number(CTL_KERN, KERN_OSRELDATE) >= 1500044;

	thread_tls = 1;
	CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), new_ ? -EINVAL : 0);
	if (!new_) {
		while (thread_tls == 1)
			sys(SYS_sched_yield);
		CHECK_EQ(thread_error, -EINVAL);
		return;
	}
	param.flags = C_RUNTIME | THR_SYSTEM_SCOPE;
	CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
	while (thread_tls == 1)
		sys(SYS_sched_yield);
	CHECK_EQ(thread_error, 0);
	CHECK_EQ(thread_tls, tls_block);
}

/* kern_procctl.c; vfs_vnops.c: a file system that makes no clones. */
TEST(small_commands)
{
	int date = number(CTL_KERN, KERN_OSRELDATE), value = 2, state = 0;

	guest_put("file", "x", 1);
	int in = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0)), out = (int)CHECK_OK(sys(SYS_open, "copy", O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(sys(SYS_copy_file_range, in, NULL, out, NULL, 1L, 0x00800000), date < 1500068 ? -EINVAL : -EOPNOTSUPP);
	CHECK_ERR(sys(SYS_copy_file_range, in, NULL, out, NULL, 1L, 0x00400000), EINVAL);
	CHECK_EQ(sys(SYS_fpathconf, in, 69), date < 1500068 ? -EINVAL : 0);
	if (date < 1500000) {
		CHECK_ERR(sys(SYS_procctl, 0, 0L, 24, &state), EINVAL);
		return;
	}
	CHECK_EQ(sys(SYS_procctl, 0, 0L, 24, &state), 0);
	CHECK_EQ(state, 1);
	CHECK_EQ(sys(SYS_procctl, 0, 0L, 23, &value), 0);
	CHECK_EQ(sys(SYS_procctl, 0, 0L, 24, &state), 0);
	CHECK_EQ(state, 2);
	value = 4;
	CHECK_ERR(sys(SYS_procctl, 0, 0L, 23, &value), EINVAL);
}

/* thr_kill(2), thr_kill2(2), thr_suspend(2), thr_wake(2), thr_set_name(2), thr_exit(2). */
#include "asleep.h"
#include <machine/ucontext.h>
#include <sys/rtprio.h>
#include <sys/ucontext.h>

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
	/* kill(2) knows processes alone (pfind_any): a thread's number is none. */
	int seen = count;
	CHECK_ERR(sys(SYS_kill, threads[0].id, 0), ESRCH);
	CHECK_ERR(sys(SYS_kill, threads[1].id, SIGUSR1), ESRCH);
	CHECK_ERR(sys(SYS_kill, threads[2].id, SIGKILL), ESRCH);
	CHECK_EQ(count, seen);
	go = 1;
	for (int i = 0; i < 4; i++)
		guest_thread_join(&threads[i]);
	CHECK_ERR(sys(SYS_thr_kill, threads[0].id, 0), ESRCH);
}

TEST(kill2)
{
	int pid, ends[2], stay[2];
	char byte = 0;

	guest_handle(SIGUSR1, note, SA_RESTART);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, stay, 0), 0);
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_close, stay[1]), 0);
		guest_thread_start(&threads[0], idle, NULL);
		CHECK_EQ(sys(SYS_write, ends[1], &byte, 1), 1);
		for (int i = 0; i < 2000 && count < 2; i++)
			guest_sleep_ms(1);
		CHECK_EQ(sys(SYS_read, stay[0], &byte, 1), 0);
		guest_exit(count == 2 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &byte, 1), 1);
	/* -1 is every thread of the process. */
	CHECK_EQ(sys(SYS_thr_kill2, pid, -1, 0), 0);
	CHECK_EQ(sys(SYS_thr_kill2, pid, -1, SIGUSR1), 0);
	CHECK_ERR(sys(SYS_thr_kill2, pid, -1, 129), EINVAL);
	CHECK_ERR(sys(SYS_thr_kill2, pid, self(), SIGUSR1), ESRCH);	/* not of that process */
	CHECK_ERR(sys(SYS_thr_kill2, 0x7ffffff0, -1, SIGUSR1), ESRCH);
	CHECK_EQ(sys(SYS_close, stay[1]), 0);
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
	guest_asleep(&threads[0]);
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

static ucontext_t contexts[64];
static long ids[64];
static volatile u64 created_fs, created_mask;

static void
created(u64 argument)
{
	u64 fs;
	sigset_t mask;

	CHECK_EQ(self(), __atomic_load_n(&ids[argument], __ATOMIC_SEQ_CST));
	CHECK_EQ(sys(SYS_sysarch, 128, &fs), 0);	/* AMD64_GET_FSBASE */
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	created_fs = fs;
	created_mask = mask.__bits[0];
	__atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
	sys(SYS_thr_exit, NULL);
	CHECK(0);
}

/* A thread that begins with a context: its registers, vector registers and FS base; the mask is its maker's. */
TEST(create)
{
	static char tls[64];
	sigset_t mask = { { 1u << (SIGHUP - 1) } };

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
	for (int i = 0; i < 64; i++) {
		ucontext_t *c = &contexts[i];
		CHECK_EQ(sys(SYS_getcontext, c), 0);
		c->uc_mcontext.mc_rip = (long)created;
		c->uc_mcontext.mc_rsp = ((long)guest_map(GUEST_STACK) + GUEST_STACK) - 8;
		c->uc_mcontext.mc_rdi = i;
		c->uc_sigmask.__bits[0] = 0xffff;
		c->uc_mcontext.mc_flags |= _MC_HASBASES;
		c->uc_mcontext.mc_fsbase = (long)tls;
		CHECK_EQ(sys(SYS_thr_create, c, &ids[i], 0), 0);
		CHECK(ids[i] > 0);
		for (int k = 0; k < 5000 && count <= i; k++)
			guest_sleep_ms(1);
		CHECK_EQ(count, i + 1);
		CHECK_EQ(created_fs, tls);
		CHECK_EQ(created_mask, 1u << (SIGHUP - 1));
	}
	/* Without a base it has its maker's. */
	u64 fs;
	CHECK_EQ(sys(SYS_sysarch, 128, &fs), 0);
	contexts[0].uc_mcontext.mc_flags &= ~_MC_HASBASES;
	CHECK_EQ(sys(SYS_thr_create, &contexts[0], &ids[0], 0), 0);
	for (int k = 0; k < 5000 && count < 65; k++)
		guest_sleep_ms(1);
	CHECK_EQ(count, 65);
	CHECK_EQ(created_fs, fs);
}

TEST(create_errors)
{
	ucontext_t c;
	long id;

	CHECK_ERR(sys(SYS_thr_create, 8, &id, 0), EFAULT);
	CHECK_EQ(sys(SYS_getcontext, &c), 0);
	c.uc_mcontext.mc_rip = (long)created;
	c.uc_mcontext.mc_len = 8;
	CHECK_ERR(sys(SYS_thr_create, &c, &id, 0), EINVAL);
	c.uc_mcontext.mc_len = sizeof(mcontext_t);
	c.uc_mcontext.mc_flags |= 0x80;
	CHECK_ERR(sys(SYS_thr_create, &c, &id, 0), EINVAL);
	c.uc_mcontext.mc_flags &= ~0x80;
	CHECK_ERR(sys(SYS_thr_create, &c, 8, 0), EFAULT);
	c.uc_mcontext.mc_flags |= _MC_HASFPXSTATE;
	c.uc_mcontext.mc_xfpustate = 8;
	c.uc_mcontext.mc_xfpustate_len = 1 << 20;
	CHECK_ERR(sys(SYS_thr_create, &c, &id, 0), EINVAL);
	c.uc_mcontext.mc_xfpustate_len = 64;
	CHECK_ERR(sys(SYS_thr_create, &c, &id, 0), EFAULT);
	/* None of them left a thread. */
	CHECK_ERR(sys(SYS_thr_kill, -1, 0), ESRCH);
}

static volatile int class;

static void
look_at_priority(void *argument)
{
	struct rtprio rtp;

	(void)argument;
	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(sys(SYS_rtprio_thread, RTP_LOOKUP, 0, &rtp), 0);
		class = rtp.type;
		if (class == RTP_PRIO_FIFO)
			break;
		guest_sleep_ms(1);
	}
}

/* thr_new with a priority: checked first of all, and for the superuser. */
TEST(new_with_priority)
{
	struct thr_param p;
	struct rtprio rtp = { RTP_PRIO_IDLE, 0 };
	static struct guest_thread t;

	memset(&p, 0, sizeof(p));
	memset(&t, 0, sizeof(t));
	t.run = look_at_priority;
	t.stack = guest_map(GUEST_STACK);
	p.start_func = guest_thread_main;
	p.arg = &t;
	p.stack_base = t.stack;
	p.stack_size = GUEST_STACK;
	p.tls_base = t.tls;
	p.rtp = (struct rtprio *)8;
	CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p)), EFAULT);
	p.rtp = &rtp;
	CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p)), EINVAL);
	rtp.type = RTP_PRIO_FIFO;
	rtp.prio = 32;
	if (sys(SYS_geteuid) != 0) {
		CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p)), EPERM);
		return;
	}
	CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p)), EINVAL);
	rtp.prio = 20;
	struct rtprio normal = { RTP_PRIO_NORMAL, 0 };
	int allowed = sys(SYS_rtprio_thread, RTP_SET, 0, &rtp) == 0;
	CHECK_EQ(sys(SYS_rtprio_thread, RTP_SET, 0, &normal), 0);
	if (!allowed)
		SKIP("this machine lets nobody have a real-time priority");
	CHECK_EQ(sys(SYS_thr_new, &p, sizeof(p)), 0);
	guest_thread_join(&t);
	CHECK_EQ(class, RTP_PRIO_FIFO);
}

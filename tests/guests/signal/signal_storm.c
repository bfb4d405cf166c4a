/* Signals at full rate from another process, over calls of every lane: no call may give a wrong result, no register may
 * change, and every handler must return to where the program was. */
#include "guest.h"

static volatile u64 signals;
static int sent;
static volatile u64 wrong_context;

static void
count(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u64 rip = (u64)uc->uc_mcontext.mc_rip;

	(void)info;
	if (signal != sent)
		wrong_context++;
	/* The context is the guest's own: nothing of the shim's range shows. */
	if (rip >= 0x6ffff0000000UL && rip < 0x6ffff0100000UL)
		wrong_context++;
	if ((u64)uc->uc_mcontext.mc_rsp >= 0x6ffff0000000UL && (u64)uc->uc_mcontext.mc_rsp < 0x700030800000UL)
		wrong_context++;
	signals++;
}

static void
storm_of(int signal, void (*work)(u64), int flags, u64 want)
{
	struct sigaction action = {0};
	long parent = sys(SYS_getpid), child, thread;
	u64 rounds = 0;
	int status;

	CHECK_EQ(sys(SYS_thr_self, &thread), 0);
	sent = signal;
	action.sa_sigaction = count;
	action.sa_flags = SA_SIGINFO | flags;
	CHECK_EQ(sys(SYS_sigaction, signal, &action, NULL), 0);
	child = sys(SYS_fork);
	CHECK(child >= 0);
	if (child == 0) {
		/* Ends when the parent kills it, or is gone. */
		for (int n = 1; (signal == SIGSYS ? sys(SYS_thr_kill2, parent, thread, signal) : sys(SYS_kill, parent, signal)) == 0; n++) {
			for (volatile int pause = 0; pause < 300; pause++)
				;
			/* Under ptrace one is taken more slowly than the next is sent: without a rest the program stands still. */
			if (n % 2048 == 0)
				guest_sleep_ms(1);
		}
		guest_exit(0);
	}
	/* On a busy machine sender and receiver seldom run at once, and what is sent meanwhile is one signal. */
	long until = guest_now_ms() + (guest_env("LSF_TEST_STRESS") != NULL ? 8000 : 1500);
	while (signals < want && (signals < 100 || guest_now_ms() < until))
		work(rounds++);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	while (sys(SYS_wait4, child, &status, 0, NULL) == -EINTR)
		;
	CHECK_EQ(wrong_context, 0);
	CHECK(rounds > 0);
}

static void
storm(void (*work)(u64), int flags, u64 want)
{
	storm_of(SIGUSR1, work, flags, want);
}

static void
pass_lane(u64 round)
{
	static long pid;

	if (round == 0)
		pid = sys(SYS_getpid);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(sys(SYS_getpid), pid);
}

TEST(pass)
{
	storm(pass_lane, SA_RESTART, 20000);
}

/* Linux drops the SIGSYS of a trap while another one waits for the thread: the call must be made all the same. */
TEST(sigsys)
{
	storm_of(SIGSYS, pass_lane, SA_RESTART, 20000);
}

static void
translate_lane(u64 round)
{
	sigset_t set, old;

	(void)round;
	memset(&set, 0, sizeof(set));
	for (int i = 0; i < 20; i++) {
		memset(&old, 0xff, sizeof(old));
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, &old), 0);
		for (int word = 0; word < 4; word++)
			CHECK_EQ(old.__bits[word], 0);
	}
}

TEST(translate)
{
	storm(translate_lane, 0, 20000);
}

static void
failing_calls(u64 round)
{
	(void)round;
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 16, NULL), -EFAULT);
		CHECK_EQ(sys(SYS_sigaction, 9999, NULL, NULL), -EINVAL);
		CHECK_EQ(sys(SYS_read, 9999, NULL, 0), -EBADF);
	}
}

TEST(errors)
{
	storm(failing_calls, SA_RESTART, 20000);
}

static void
blocking_and_unblocking(u64 round)
{
	sigset_t set;

	(void)round;
	memset(&set, 0, sizeof(set));
	set.__bits[_SIG_WORD(SIGUSR1)] = _SIG_BIT(SIGUSR1);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	u64 before = signals;
	for (int i = 0; i < 10; i++)
		sys(SYS_getppid);
	CHECK_EQ(signals, before);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
}

TEST(masked)
{
	storm(blocking_and_unblocking, 0, 5000);
}

/* Registers and vector registers over user code only. */
static void
user_code(u64 round)
{
	u64 a = round * 3 + 1, b = round ^ 0x5555, c, d;
	double x = (double)round, y;

	for (int i = 0; i < 2000; i++) {
		__asm__ volatile("mov %2, %0\n\tmov %3, %1\n\tlea (%0,%1), %0" : "=&r"(c), "=&r"(d) : "r"(a), "r"(b));
		CHECK_EQ(c, a + b);
		__asm__ volatile("movapd %1, %0\n\taddsd %0, %0" : "=&x"(y) : "x"(x));
		CHECK(y == x + x);
	}
}

TEST(user)
{
	storm(user_code, SA_RESTART, 20000);
}

static void
forking(u64 round)
{
	int status = -1;
	long child = sys(SYS_fork), got;

	(void)round;
	if (child == 0)
		guest_exit(5);
	CHECK(child > 0);
	while ((got = sys(SYS_wait4, child, &status, 0, NULL)) == -EINTR)
		;
	CHECK_EQ(got, child);
	CHECK_EQ(status, 5 << 8);
}

TEST(fork_under_fire)
{
	storm(forking, 0, 3000);
}

#define SENDERS 4

static void
count_faults(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	signals++;
}

/* A process is sent what Linux leaves unblocked in a handler, faster than it takes it: no room may run out by that. */
TEST(kinds_of_faults)
{
	static const int kinds[] = { SIGBUS, SIGSEGV };
	int senders[SENDERS], receiver, status, ready[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	receiver = guest_fork();
	if (receiver == 0) {
		guest_handle(SIGBUS, count_faults, 0);
		guest_handle(SIGSEGV, count_faults, 0);
		CHECK_EQ(sys(SYS_write, ready[1], "r", 1), 1);
		long until = guest_now_ms() + 800;
		while (guest_now_ms() < until)
			;
		CHECK(signals > 0);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = guest_fork();
		if (senders[i] == 0) {
			/* For a time: under a slow engine its receiver gets nowhere meanwhile. */
			long until = guest_now_ms() + 600;
			while (guest_now_ms() < until && sys(SYS_kill, receiver, kinds[i & 1]) == 0)
				;
			guest_exit(0);
		}
	}
	status = guest_wait(receiver);
	for (int i = 0; i < SENDERS; i++)
		guest_wait(senders[i]);
	CHECK_EQ(status, 0);
}

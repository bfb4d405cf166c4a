/* sigfastblock(2): signals blocked by a word in memory. FreeBSD's manual page, and sys/kern/kern_sig.c. */
#include "guest.h"

#define SETPTR 1
#define UNBLOCK 2
#define UNSETPTR 3
#define PEND 1u
#define INC 16u

static volatile u32 word;
static volatile int count, last, last_code, last_pid;

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)context;
	last = signo;
	last_code = info->si_code;
	last_pid = info->si_pid;
	count++;
}

static long
fast(int command, volatile void *at)
{
	return (sys(SYS_sigfastblock, command, at));
}

static void
block(void)
{
	__atomic_add_fetch(&word, INC, __ATOMIC_SEQ_CST);
}

/* As rtld's sig_fastunblock does it. */
static void
unblock(void)
{
	if (__atomic_fetch_sub(&word, INC, __ATOMIC_SEQ_CST) == (PEND | INC))
		CHECK_EQ(fast(UNBLOCK, NULL), 0);
}

TEST(errors)
{
	CHECK_ERR(fast(0, &word), EINVAL);
	CHECK_ERR(fast(4, &word), EINVAL);
	CHECK_ERR(fast(-1, &word), EINVAL);
	CHECK_ERR(fast(UNBLOCK, NULL), EINVAL);
	CHECK_ERR(fast(UNSETPTR, NULL), EINVAL);
	CHECK_ERR(fast(SETPTR, (char *)&word + 1), EINVAL);
	CHECK_EQ(fast(SETPTR, &word), 0);
	CHECK_ERR(fast(SETPTR, &word), EBUSY);
	CHECK_ERR(fast(UNBLOCK, NULL), EBUSY);		/* nothing is pending */
	word = INC;
	CHECK_ERR(fast(UNSETPTR, NULL), EBUSY);
	word = PEND;
	CHECK_EQ(fast(UNBLOCK, NULL), 0);
	CHECK_EQ(word, 0);
	word = PEND;
	CHECK_EQ(fast(UNSETPTR, NULL), 0);
	CHECK_ERR(fast(UNSETPTR, NULL), EINVAL);
	/* An address that cannot be read is taken, and found bad when it is needed. */
	CHECK_EQ(fast(SETPTR, (void *)16), 0);
	CHECK_ERR(fast(UNBLOCK, NULL), EFAULT);
	CHECK_ERR(fast(UNBLOCK, NULL), EINVAL);
	CHECK_EQ(fast(SETPTR, (void *)16), 0);
	CHECK_ERR(fast(UNSETPTR, NULL), EFAULT);
}

/* What comes while the word blocks is delivered when it does not any more, each kind of signal. */
TEST(held)
{
	static const int signals[] = { SIGUSR1, SIGTERM, SIGCHLD, SIGSEGV, SIGSYS, SIGTHR, 65, 126 };
	long pid = sys(SYS_getpid), self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	CHECK_EQ(fast(SETPTR, &word), 0);
	for (int i = 0; i < 8; i++) {
		int signo = signals[i];

		guest_handle(signo, handler, SA_RESTART);
		for (int how = 0; how < 2; how++) {
			count = 0;
			block();
			block();
			CHECK_EQ(how ? sys(SYS_thr_kill, self, signo) : sys(SYS_kill, pid, signo), 0);
			for (int k = 0; k < 50; k++)
				sys(SYS_getppid);
			CHECK_EQ(count, 0);
			CHECK_EQ(word, 2 * INC | PEND);
			unblock();
			CHECK_EQ(count, 0);
			unblock();
			CHECK_EQ(count, 1);
			CHECK_EQ(last, signo);
			CHECK_EQ(word, 0);
		}
	}
	/* Without the word nothing is held. */
	CHECK_EQ(fast(UNSETPTR, NULL), 0);
	word = INC;
	count = 0;
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(count, 1);
}

/* A signal that is blocked by the mask as well stays so; and a mask that is changed meanwhile lets nothing through. */
TEST(with_the_mask)
{
	sigset_t set, old;
	long pid = sys(SYS_getpid);

	CHECK_EQ(fast(SETPTR, &word), 0);
	guest_handle(SIGUSR1, handler, 0);
	memset(&set, 0, sizeof(set));
	set.__bits[0] = 1u << (SIGUSR1 - 1);
	block();
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, &old), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	unblock();
	CHECK_EQ(count, 0);
	block();
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &old, NULL), 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(word & PEND, PEND);
	unblock();
	CHECK_EQ(count, 1);
}

/* SIGKILL is not held. */
TEST(not_held)
{
	int pid;

	CHECK_EQ(fast(SETPTR, &word), 0);
	pid = guest_fork();
	if (pid == 0) {
		block();
		sys(SYS_kill, sys(SYS_getpid), SIGKILL);
		guest_exit(1);
	}
	CHECK_EQ(guest_wait(pid), SIGKILL);
}

/* It is each thread's own, the child of a fork keeps it, a program that is executed has none. */
HELPER(executed)
{
	guest_exit(fast(UNSETPTR, NULL) == -EINVAL ? 0 : 1);
}

static volatile long thread_said;

static void
other(void *argument)
{
	(void)argument;
	thread_said = fast(UNSETPTR, NULL);
}

TEST(whose)
{
	struct guest_thread thread;
	char *args[] = { guest_argv[0], "@executed", NULL }, *env[] = { NULL };
	int pid;

	CHECK_EQ(fast(SETPTR, &word), 0);
	guest_thread_start(&thread, other, NULL);
	guest_thread_join(&thread);
	CHECK_EQ(thread_said, -EINVAL);
	pid = guest_fork();
	if (pid == 0) {
		if (fast(SETPTR, &word) != -EBUSY)
			guest_exit(2);
		sys(SYS_execve, guest_argv[0], args, env);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 0);
	pid = (int)sys(SYS_vfork);
	if (pid == 0)
		guest_exit(fast(SETPTR, &word) == -EBUSY ? 0 : 1);
	CHECK_EQ(guest_wait(pid), 0);
}

static volatile long thread_stage;

static void
ends_blocked(void *argument)
{
	(void)argument;
	if (fast(SETPTR, &word) != 0)
		guest_exit(90);
	block();
	thread_stage = 1;
	while (!(word & PEND))
		sys(SYS_getppid);
}

/* A signal to the process that came to a thread whose word blocks it: another thread gets it, also when that one ends with
 * its word as it is. (tdsendsignal leaves it on the process's queue, tdsigcleanup wakes others.) */
TEST(thread_ends)
{
	struct guest_thread thread;
	sigset_t set, old;
	long pid = sys(SYS_getpid);

	guest_handle(SIGUSR1, handler, 0);
	memset(&set, 0, sizeof(set));
	set.__bits[0] = 1u << (SIGUSR1 - 1);
	for (int i = 1; i <= 20; i++) {
		word = 0;
		thread_stage = 0;
		guest_thread_start(&thread, ends_blocked, NULL);
		while (thread_stage == 0)
			sys(SYS_sched_yield);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, &old), 0);
		CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
		guest_thread_join(&thread);
		CHECK_EQ(count, i - 1);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &old, NULL), 0);
		CHECK_EQ(count, i);
		CHECK_EQ(last_code, SI_USER);
		CHECK_EQ(last_pid, pid);
	}
}

/* Signals at full rate over critical sections: none runs within one, none is lost. */
static volatile int inside, wrong;

static void
counted(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	if (inside)
		wrong++;
	count++;
}

TEST(storm)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
	long until = guest_now_ms() + 3000;

	CHECK_EQ(fast(SETPTR, &word), 0);
	guest_handle(SIGALRM, counted, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &often, NULL), 0);
	while (count < 2000 && guest_now_ms() < until) {
		block();
		inside = 1;
		sys(SYS_getppid);
		for (volatile int i = 0; i < 200; i++)
			;
		sys(SYS_getpgrp);
		inside = 0;
		unblock();
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &never, NULL), 0);
	CHECK_EQ(wrong, 0);
	CHECK(count > 50);
	CHECK_EQ(word & ~PEND, 0);
}

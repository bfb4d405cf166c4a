/* Signals, timers and waiting with arguments that make no sense: FreeBSD's errno, or the death that FreeBSD gives. */
#include "guest.h"
#include <sys/wait.h>

static volatile int count;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	count++;
}

static int
me(void)
{
	return ((int)sys(SYS_getpid));
}

static void
no_core(void)
{
	struct rlimit none = { 0, 0 };

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
}

/* Nobody looks at the address of an alternate stack before it is used; a frame that cannot be written is SIGILL. */
TEST(alternate_stack_anywhere)
{
	static const u64 places[] = { 0, 8, 0x1000, 0x7fffffffe000, 0x800000000000, 0xffff800000000000, (u64)-8192,
		0x6ffff0000000, 0x6ffff0110000, 0x6ffff0150000, 0x700030800000 };

	for (size_t i = 0; i < nitems(places); i++) {
		int pid = guest_fork();
		if (pid == 0) {
			stack_t stack = { .ss_sp = (void *)places[i], .ss_size = 8192 }, old;
			no_core();
			guest_handle(SIGUSR1, note, SA_ONSTACK);
			CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
			CHECK_EQ(sys(SYS_sigaltstack, NULL, &old), 0);
			CHECK_EQ(old.ss_sp, places[i]);
			CHECK_EQ(old.ss_flags, 0);
			sys(SYS_kill, me(), SIGUSR1);
			guest_exit(3);
		}
		CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGILL);
	}
	/* One that wraps around, or is everything: the stack pointer is not said to be on what has no end. */
	stack_t stack = { .ss_sp = (void *)8192, .ss_size = (size_t)-1 }, old;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &old), 0);
	CHECK_EQ(old.ss_flags, 0);
	stack.ss_flags = SS_DISABLE;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	stack.ss_flags = SS_ONSTACK;
	CHECK_ERR(sys(SYS_sigaltstack, &stack, NULL), EINVAL);
	stack.ss_flags = 0;
	stack.ss_size = 2047;
	CHECK_ERR(sys(SYS_sigaltstack, &stack, NULL), ENOMEM);
	CHECK_ERR(sys(SYS_sigaltstack, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_sigaltstack, NULL, 8), EFAULT);
}

TEST(handler_anywhere)
{
	static const u64 places[] = { 2, 0x1000, 0x7fffffffe000, 0x800000000000, 0xffff800000000000, (u64)-1 };

	for (size_t i = 0; i < nitems(places); i++) {
		int pid = guest_fork();
		if (pid == 0) {
			struct sigaction act = { .sa_handler = (void (*)(int))places[i] };
			no_core();
			CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
			sys(SYS_kill, me(), SIGUSR1);
			guest_exit(3);
		}
		int status = guest_wait(pid);
		CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
	}
	CHECK_ERR(sys(SYS_sigaction, SIGUSR1, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_sigaction, SIGUSR1, NULL, 8), EFAULT);
}

TEST(numbers)
{
	static const int bad[] = { -1, 129, 255, 0x7fffffff, (int)0x80000000 };
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	for (size_t i = 0; i < nitems(bad); i++) {
		CHECK_ERR(sys(SYS_kill, me(), bad[i]), EINVAL);
		CHECK_ERR(sys(SYS_kill, 0, bad[i]), EINVAL);
		CHECK_ERR(sys(SYS_kill, -1, bad[i]), EINVAL);
		CHECK_ERR(sys(SYS_thr_kill, id, bad[i]), EINVAL);
		CHECK_ERR(sys(SYS_thr_kill2, me(), id, bad[i]), EINVAL);
	}
	CHECK_ERR(sys(SYS_sigqueue, me(), 129, 0), EINVAL);
	/* An int: what stands above it in the register does not count. */
	CHECK_EQ(sys(SYS_kill, me(), 0x4141414100000000), 0);
	CHECK_EQ(sys(SYS_thr_kill, id, 0x4141414100000000), 0);
	CHECK_EQ(sys(SYS_thr_kill2, me(), id, 0x4141414100000000), 0);
	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(sys(SYS_kill, me(), 0x4141414100000000 | SIGUSR1), 0);
	CHECK_EQ(sys(SYS_thr_kill, id, 0x4141414100000000 | SIGUSR1), 0);
	CHECK_EQ(sys(SYS_thr_kill2, me(), id, 0x4141414100000000 | SIGUSR1), 0);
	CHECK_EQ(count, 3);
	CHECK_ERR(sys(SYS_kill, (int)0x80000000, SIGUSR1), ESRCH);
	CHECK_ERR(sys(SYS_kill, 0x7fffffff, 0), ESRCH);
	CHECK_ERR(sys(SYS_kill, -0x7fffffff, 0), ESRCH);
	CHECK_ERR(sys(SYS_sigprocmask, 0, "0123456789abcdef", NULL), EINVAL);
	CHECK_ERR(sys(SYS_sigprocmask, 4, "0123456789abcdef", NULL), EINVAL);
	CHECK_EQ(sys(SYS_sigprocmask, 77, NULL, NULL), 0);	/* without a set nobody looks at it */
	CHECK_ERR(sys(SYS_sigprocmask, SIG_BLOCK, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_sigprocmask, SIG_BLOCK, NULL, 8), EFAULT);
	CHECK_ERR(sys(SYS_sigsuspend, 8), EFAULT);
	CHECK_ERR(sys(SYS_sigpending, 8), EFAULT);
	CHECK_ERR(sys(SYS_sigreturn, 8), EFAULT);
}

TEST(times)
{
	struct itimerval t = { { 0, 0 }, { -1, 0 } };
	struct timespec past = { -1, 0 }, wrong = { 0, 1000000000 }, negative = { 0, -1 };
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec s = { { 0, 0 }, { -1, 0 } };
	int timer;

	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), EINVAL);
	t.it_value.tv_sec = 0;
	t.it_value.tv_usec = 1000000;
	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), EINVAL);
	t.it_value.tv_usec = -1;
	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), EINVAL);
	t.it_value.tv_usec = 0;
	CHECK_ERR(sys(SYS_setitimer, 3, &t, NULL), EINVAL);
	CHECK_ERR(sys(SYS_setitimer, -1, &t, NULL), EINVAL);
	CHECK_ERR(sys(SYS_setitimer, ITIMER_REAL, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_getitimer, 3, &t), EINVAL);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_ERR(sys(SYS_ktimer_settime, timer, 0, &s, NULL), EINVAL);
	s.it_value.tv_sec = 0;
	s.it_value.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_ktimer_settime, timer, 0, &s, NULL), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_settime, timer, 0, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_ktimer_settime, 0x7fffffff, 0, &s, NULL), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_gettime, -1, &s), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_create, 99, &event, &timer), EINVAL);
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, 8, &timer), EFAULT);
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, 8), EFAULT);
	event.sigev_notify = 77;
	CHECK_ERR(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &timer), EINVAL);
	CHECK_ERR(sys(SYS_thr_suspend, &past), EINVAL);
	CHECK_ERR(sys(SYS_thr_suspend, &wrong), EINVAL);
	CHECK_ERR(sys(SYS_thr_suspend, &negative), EINVAL);
	CHECK_ERR(sys(SYS_thr_suspend, 8), EFAULT);
	past.tv_sec = 0;
	CHECK_ERR(sys(SYS_thr_suspend, &past), ETIMEDOUT);
	CHECK_ERR(sys(SYS_nanosleep, &wrong, NULL), EINVAL);
	CHECK_ERR(sys(SYS_nanosleep, &negative, NULL), EINVAL);
}

TEST(strangers)
{
	int status;
	static const int types[] = { 1, 3, 4, 5, 6, 8, 9, 10, 11, 99, -1 };

	CHECK_ERR(sys(SYS_wait4, 1, &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, me(), &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, 0x7fffffff, &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, (int)0x80000000, &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, -0x7fffffff, &status, WNOHANG, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0x1000, NULL), EINVAL);
	CHECK_ERR(sys(SYS_wait4, 0x7fffffff, &status, -1, NULL), EINVAL);
	for (size_t i = 0; i < nitems(types); i++)
		CHECK_ERR(sys(SYS_wait6, types[i], 12345678L, &status, WEXITED, NULL, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait6, P_ALL, 0, &status, 0, NULL, NULL), EINVAL);
	CHECK_ERR(sys(SYS_wait6, P_ALL, 0, &status, WNOHANG, NULL, NULL), EINVAL);
	CHECK_ERR(sys(SYS_wait6, P_ALL, 0, &status, 0x4000 | WEXITED, NULL, NULL), EINVAL);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(0);
	/* A child whose status cannot be stored is gone all the same. */
	CHECK_ERR(sys(SYS_wait4, pid, 8, 0, NULL), EFAULT);
	CHECK_ERR(sys(SYS_wait4, pid, &status, 0, NULL), ECHILD);
	CHECK_ERR(sys(SYS_pdkill, 77, SIGTERM), EBADF);
	CHECK_ERR(sys(SYS_pdkill, 0, 129), EINVAL);
	CHECK_ERR(sys(SYS_pdgetpid, 77, &status), EBADF);
}

/* What siginfo says of where a signal comes from (ksiginfo_t in sys/sys/signalvar.h, and who fills it). */
#include "guest.h"
#include <sys/cpuset.h>
#include <sys/procdesc.h>

#define BIT(signo) (1U << ((signo) - 1))

static volatile int count;
static siginfo_t last;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	last = *info;
	count++;
}

static void
check(int signo, int code, int pid, int uid)
{
	for (int i = 0; i < 2000 && count == 0; i++)
		guest_sleep_ms(1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last.si_signo, signo);
	CHECK_EQ(last.si_code, code);
	CHECK_EQ(last.si_pid, pid);
	CHECK_EQ(last.si_uid, uid);
	CHECK_EQ(last.si_errno, 0);
	CHECK_EQ(last.si_addr, 0);
	count = 0;
}

static int
me(void)
{
	return ((int)sys(SYS_getpid));
}

static int
user(void)
{
	return ((int)sys(SYS_getuid));
}

/* psignal: the kernel alone, without a sender. */
TEST(of_the_kernel)
{
	struct itimerval soon = { { 0, 0 }, { 0, 1000 } };
	struct rlimit limit;
	int pipe[2];

	guest_handle(SIGPIPE, note, 0);
	CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
	CHECK_EQ(sys(SYS_close, pipe[0]), 0);
	CHECK_ERR(sys(SYS_write, pipe[1], "x", 1), EPIPE);
	check(SIGPIPE, SI_KERNEL, 0, 0);
	CHECK_EQ(sys(SYS_kill, me(), SIGPIPE), 0);
	check(SIGPIPE, SI_USER, me(), user());

	guest_handle(SIGALRM, note, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	check(SIGALRM, SI_KERNEL, 0, 0);

	guest_handle(SIGXFSZ, note, 0);
	guest_put("file", "0123456789", 10);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 10;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_FSIZE, &limit), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_WRONLY | O_APPEND));
	CHECK_ERR(sys(SYS_write, fd, "x", 1), EFBIG);
	check(SIGXFSZ, SI_KERNEL, 0, 0);
}

/* One that is waited for says the same. */
TEST(waited_for)
{
	sigset_t set = { { BIT(SIGPIPE), 0, 0, 0 } };
	siginfo_t info;
	int pipe[2];

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
	CHECK_EQ(sys(SYS_close, pipe[0]), 0);
	CHECK_ERR(sys(SYS_write, pipe[1], "x", 1), EPIPE);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGPIPE);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_EQ(info.si_pid, 0);
}

TEST(of_a_process)
{
	long id;
	int fd;

	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	check(SIGUSR1, SI_USER, me(), user());
	CHECK_EQ(sys(SYS_kill, 0, SIGURG), 0);
	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	CHECK_EQ(sys(SYS_thr_kill, id, SIGUSR1), 0);
	check(SIGUSR1, SI_LWP, me(), user());
	CHECK_EQ(sys(SYS_sigqueue, me(), SIGUSR1, 0x123456789abcUL), 0);
	check(SIGUSR1, SI_QUEUE, me(), user());
	CHECK_EQ(last.si_value.sival_ptr, 0x123456789abcUL);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_kill, sys(SYS_getppid), SIGUSR1), 0);
		guest_exit(0);
	}
	check(SIGUSR1, SI_USER, pid, user());
	guest_wait(pid);

	/* pdkill is the kernel's word (kern_psignal) */
	pid = (int)sys(SYS_pdfork, &fd, 0);
	if (pid == 0) {
		check(SIGUSR1, SI_KERNEL, 0, 0);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_pdkill, fd, SIGUSR1), 0);
	CHECK_EQ(guest_wait(pid), 0);
}

/* Signals for a child that has not run yet are kept like any: each of them arrives. */
TEST(for_a_child_that_has_not_run)
{
	sigset_t mask = { { BIT(SIGUSR1) } };
	cpuset_t mine, one;

	/* On one processor the child waits for the parent's to be free. */
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(mine), &mine), 0);
	memset(&one, 0, sizeof(one));
	for (size_t i = 0; i < 8 * sizeof(mine); i++) {
		if (CPU_ISSET(i, &mine)) {
			CPU_SET(i, &one);
			break;
		}
	}
	CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(one), &one), 0);
	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &mask, NULL), 0);
	for (int round = 0; round < 20; round++) {
		int pid = guest_fork();
		if (pid == 0) {
			CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &mask, NULL), 0);
			for (int i = 0; i < 2000 && count < 3; i++)
				guest_sleep_ms(1);
			CHECK_EQ(count, 3);
			guest_exit(0);
		}
		for (i64 begun = guest_now_ms(); guest_now_ms() < begun + 1;)
			continue;
		for (int i = 0; i < 3; i++)
			CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
		CHECK_EQ(guest_wait(pid), 0);
	}
}

/* A timer's signal names the timer. */
TEST(of_a_timer)
{
	struct sigevent event;
	struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
	int timer;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGUSR2;
	event.sigev_value.sival_int = 77;
	guest_handle(SIGUSR2, note, 0);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_EQ(sys(SYS_ktimer_settime, timer, 0, &soon, NULL), 0);
	check(SIGUSR2, SI_TIMER, 0, 0);
	CHECK_EQ(last.si_timerid, timer);
	CHECK_EQ(last.si_overrun, 0);
	CHECK_EQ(last.si_value.sival_int, 77);
}

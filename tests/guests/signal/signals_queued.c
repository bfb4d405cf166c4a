/* Every signal that is sent is queued (sigqueue_add in sys/kern/kern_sig.c): kill(2), sigqueue(2), thr_kill(2). */
#include "guest.h"
#include <sys/event.h>

#define BIT(signo) (1U << ((signo) - 1))
#define MANY 100	/* kern.sigqueue.max_pending_per_proc is 128 */

static volatile int count;
static volatile siginfo_t seen[256];

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	if (count < 256)
		seen[count] = *info;
	count++;
}

static int
me(void)
{
	return ((int)sys(SYS_getpid));
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

static const int queued[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGURG, SIGCHLD, SIGIO, SIGXFSZ, SIGVTALRM,
    SIGPROF, SIGWINCH, SIGINFO, SIGUSR1, SIGUSR2 };

TEST(by_kill)
{
	for (size_t i = 0; i < nitems(queued); i++) {
		int signo = queued[i];
		guest_handle(signo, note, 0);
		count = 0;
		mask(SIG_BLOCK, BIT(signo));
		for (int n = 0; n < 5; n++)
			CHECK_EQ(sys(SYS_kill, me(), signo), 0);
		CHECK_EQ(count, 0);
		CHECK_EQ(pending(), BIT(signo));
		mask(SIG_UNBLOCK, BIT(signo));
		CHECK_EQ(count, 5);
		CHECK_EQ(pending(), 0);
		for (int n = 0; n < 5; n++) {
			CHECK_EQ(seen[n].si_signo, signo);
			CHECK_EQ(seen[n].si_code, SI_USER);
			CHECK_EQ(seen[n].si_pid, me());
			CHECK_EQ(seen[n].si_uid, sys(SYS_getuid));
			CHECK_EQ(seen[n].si_value.sival_ptr, 0);
			CHECK_EQ(seen[n].si_errno, 0);
			CHECK_EQ(seen[n].si_status, 0);
		}
	}
}

TEST(values)
{
	guest_handle(SIGUSR2, note, 0);
	mask(SIG_BLOCK, BIT(SIGUSR2));
	for (u64 n = 0; n < 20; n++)
		CHECK_EQ(sys(SYS_sigqueue, me(), SIGUSR2, 0x1234567890UL + n), 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR2));
	CHECK_EQ(count, 20);
	for (u64 n = 0; n < 20; n++) {
		CHECK_EQ(seen[n].si_code, SI_QUEUE);
		CHECK_EQ(seen[n].si_value.sival_ptr, 0x1234567890UL + n);
		CHECK_EQ(seen[n].si_pid, me());
	}
}

TEST(by_thr_kill)
{
	long id;

	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	guest_handle(SIGUSR1, note, 0);
	mask(SIG_BLOCK, BIT(SIGUSR1));
	for (int n = 0; n < 5; n++)
		CHECK_EQ(sys(SYS_thr_kill, id, SIGUSR1), 0);
	CHECK_EQ(sys(SYS_thr_kill2, me(), id, SIGUSR1), 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 6);
	for (int n = 0; n < 6; n++) {
		CHECK_EQ(seen[n].si_code, SI_LWP);
		CHECK_EQ(seen[n].si_pid, me());
	}
}

/* Sends by kill, sigqueue and thr_kill2 to its parent, which blocks the signal. */
static void
send_to_parent(long thread)
{
	int parent = (int)sys(SYS_getppid);

	for (u64 n = 0; n < MANY / 2; n++) {
		CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
		CHECK_EQ(sys(SYS_sigqueue, parent, SIGUSR1, n), 0);
	}
	CHECK_EQ(sys(SYS_thr_kill2, parent, thread, SIGUSR2), 0);
	CHECK_EQ(sys(SYS_thr_kill2, parent, thread, SIGUSR2), 0);
}

TEST(from_another_process)
{
	sigset_t set = { { BIT(SIGUSR1) | BIT(SIGUSR2), 0, 0, 0 } };
	siginfo_t info;
	long thread;

	CHECK_EQ(sys(SYS_thr_self, &thread), 0);
	mask(SIG_BLOCK, BIT(SIGUSR1) | BIT(SIGUSR2));
	int pid = guest_fork();
	if (pid == 0) {
		send_to_parent(thread);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(pending() & ~BIT(SIGCHLD), BIT(SIGUSR1) | BIT(SIGUSR2));
	for (u64 n = 0; n < MANY; n++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
		CHECK_EQ(info.si_code, n % 2 ? SI_QUEUE : SI_USER);
		CHECK_EQ(info.si_pid, pid);
		CHECK_EQ(info.si_uid, sys(SYS_getuid));
		CHECK_EQ(info.si_value.sival_ptr, n % 2 ? n / 2 : 0);
	}
	for (u64 n = 0; n < 2; n++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR2);
		CHECK_EQ(info.si_code, SI_LWP);
	}
	struct timespec none = { 0, 0 };
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &none), EAGAIN);
}

/* One that is not blocked is lost as little, however slowly it is handled. */
TEST(caught_while_more_come)
{
	int pipe[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_handle(SIGTERM, note, 0);
		CHECK_EQ(sys(SYS_write, pipe[1], "", 1), 1);
		for (int i = 0; i < 5000 && count < MANY; i++)
			guest_sleep_ms(1);
		guest_exit(count == MANY ? 0 : count);
	}
	CHECK_EQ(sys(SYS_read, pipe[0], &c, 1), 1);
	for (int n = 0; n < MANY; n++)
		CHECK_EQ(sys(SYS_kill, pid, SIGTERM), 0);
	CHECK_EQ(guest_wait(pid), 0);
}

/* 128 are kept of a process; beyond, sigqueue(2) fails, and what kill(2) sends merges into one more. */
TEST(overflow)
{
	int pipe[2];
	char c;

	guest_handle(SIGUSR1, note, 0);
	mask(SIG_BLOCK, BIT(SIGUSR1));
	for (u64 n = 0; n < 128; n++)
		CHECK_EQ(sys(SYS_sigqueue, me(), SIGUSR1, n), 0);
	CHECK_ERR(sys(SYS_sigqueue, me(), SIGUSR1, 0), EAGAIN);
	for (int n = 0; n < 50; n++)
		CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 129);
	CHECK_EQ(sys(SYS_sigqueue, me(), SIGUSR1, 0), 0);
	CHECK_EQ(count, 130);

	count = 0;
	mask(SIG_BLOCK, BIT(SIGUSR1));
	CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		int parent = (int)sys(SYS_getppid);
		for (u64 n = 0; n < 128; n++)
			CHECK_EQ(sys(SYS_sigqueue, parent, SIGUSR1, n), 0);
		CHECK_ERR(sys(SYS_sigqueue, parent, SIGUSR1, 0), EAGAIN);
		for (int n = 0; n < 500; n++)
			CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
		CHECK_ERR(sys(SYS_sigqueue, parent, SIGUSR1, 0), EAGAIN);
		CHECK_EQ(sys(SYS_write, pipe[1], "", 1), 1);
		while (sys(SYS_sigqueue, parent, SIGUSR1, 0) == -EAGAIN)
			guest_sleep_ms(1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, pipe[0], &c, 1), 1);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_BETWEEN(count, 129, 130);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(count, 130);
}

static struct guest_thread thread;
static volatile int stage;

static void
blocked_thread(void *argument)
{
	(void)argument;
	mask(SIG_BLOCK, BIT(SIGUSR1));
	stage = 1;
	while (stage == 1)
		guest_sleep_ms(1);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	stage = 3;
}

/* Of a thread, too: the process has 128 for all of them. */
TEST(overflow_of_a_thread)
{
	guest_handle(SIGUSR1, note, 0);
	guest_thread_start(&thread, blocked_thread, NULL);
	while (stage == 0)
		guest_sleep_ms(1);
	for (int n = 0; n < 5000; n++)
		CHECK_EQ(sys(SYS_thr_kill, thread.id, SIGUSR1), 0);
	guest_sleep_ms(2);
	for (int n = 0; n < 500; n++)
		CHECK_EQ(sys(SYS_thr_kill, thread.id, SIGUSR1), 0);
	CHECK_EQ(count, 0);
	stage = 2;
	while (stage != 3)
		guest_sleep_ms(1);
	guest_thread_join(&thread);
	CHECK_EQ(count, 129);
	CHECK_EQ(seen[5].si_code, SI_LWP);
	/* there is room again */
	mask(SIG_BLOCK, BIT(SIGUSR1));
	for (int n = 0; n < 100; n++)
		CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 229);
}

/* The lowest number first, of one number the oldest. */
TEST(order)
{
	static const int sent[] = { SIGUSR2, SIGUSR1, SIGTERM, SIGUSR1, SIGHUP, SIGRTMIN, SIGTERM };
	static const int wanted[] = { SIGHUP, SIGTERM, SIGTERM, SIGUSR1, SIGUSR1, SIGUSR2, SIGRTMIN };
	static const int values[] = { 4, 2, 6, 1, 3, 0, 5 };
	sigset_t set = { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } };
	siginfo_t info;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	for (u64 n = 0; n < nitems(sent); n++)
		CHECK_EQ(sys(SYS_sigqueue, me(), sent[n], n), 0);
	for (u64 n = 0; n < nitems(wanted); n++) {
		CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), wanted[n]);
		CHECK_EQ(info.si_value.sival_int, values[n]);
	}
}

TEST(ignored_is_forgotten)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	mask(SIG_BLOCK, BIT(SIGUSR1));
	for (int n = 0; n < 5; n++)
		CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_EQ(pending(), BIT(SIGUSR1));
	act.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	CHECK_EQ(pending(), 0);
	CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	CHECK_EQ(pending(), 0);
	guest_handle(SIGUSR1, note, 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 0);
}

HELPER(executed)
{
	long wanted = guest_number(guest_argv[2]);

	CHECK_EQ(pending(), BIT(SIGUSR1));
	guest_handle(SIGUSR1, note, 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, wanted);
	guest_exit(0);
}

TEST(kept_over_exec)
{
	const char *argv[] = { guest_argv[0], "@executed", "5", NULL };

	IN_CHILD({
		mask(SIG_BLOCK, BIT(SIGUSR1));
		for (int n = 0; n < 5; n++)
			CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, guest_envp));
	});
}

TEST(child_has_none)
{
	guest_handle(SIGUSR1, note, 0);
	mask(SIG_BLOCK, BIT(SIGUSR1));
	for (int n = 0; n < 5; n++)
		CHECK_EQ(sys(SYS_kill, me(), SIGUSR1), 0);
	IN_CHILD({
		CHECK_EQ(pending(), 0);
		mask(SIG_UNBLOCK, BIT(SIGUSR1));
		CHECK_EQ(count, 0);
	});
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 5);
}

/* What is not caught does what it always does. */
TEST(defaults)
{
	static const int deadly[] = { SIGHUP, SIGINT, SIGPIPE, SIGALRM, SIGTERM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2 };
	static const int harmless[] = { SIGURG, SIGCHLD, SIGIO, SIGWINCH, SIGINFO };

	for (size_t i = 0; i < nitems(deadly); i++) {
		int pid = guest_fork();
		if (pid == 0)
			for (;;)
				guest_sleep_ms(1000);
		CHECK_EQ(sys(SYS_kill, pid, deadly[i]), 0);
		CHECK_EQ(guest_wait(pid), deadly[i]);
	}
	int pid = guest_fork();
	if (pid == 0) {
		for (size_t i = 0; i < nitems(harmless); i++)
			CHECK_EQ(sys(SYS_kill, me(), harmless[i]), 0);
		guest_sleep_ms(100);
		guest_exit(3);
	}
	for (size_t i = 0; i < nitems(harmless); i++)
		CHECK_EQ(sys(SYS_kill, pid, harmless[i]), 0);
	CHECK_EQ(guest_wait(pid), 3 << 8);
}

/* A signal that came from elsewhere while it is pending, too. */
TEST(with_a_timers)
{
	struct itimerval timer = { { 0, 0 }, { 0, 1000 } };

	guest_handle(SIGALRM, note, 0);
	mask(SIG_BLOCK, BIT(SIGALRM));
	CHECK_EQ(sys(SYS_kill, me(), SIGALRM), 0);
	CHECK_EQ(sys(SYS_kill, me(), SIGALRM), 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	guest_sleep_ms(20);
	mask(SIG_UNBLOCK, BIT(SIGALRM));
	CHECK_EQ(count, 3);
	int kernel = 0;
	for (int n = 0; n < 3; n++)
		kernel += seen[n].si_code == SI_KERNEL && seen[n].si_pid == 0;
	CHECK_EQ(kernel, 1);
}

/* EVFILT_SIGNAL counts all that another process sends, once they have been handled. */
TEST(events)
{
	struct kevent change = { SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL, { 0 } }, got;
	struct timespec none = { 0, 0 };
	i64 sum = 0;

	guest_handle(SIGUSR1, note, 0);
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_kevent, kq, &change, 1, NULL, 0, NULL), 0);
	mask(SIG_BLOCK, BIT(SIGUSR1));
	int pid = guest_fork();
	if (pid == 0) {
		for (int n = 0; n < 7; n++)
			CHECK_EQ(sys(SYS_kill, sys(SYS_getppid), SIGUSR1), 0);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	mask(SIG_UNBLOCK, BIT(SIGUSR1));
	CHECK_EQ(count, 7);
	while (sys(SYS_kevent, kq, NULL, 0, &got, 1, &none) == 1)
		sum += got.data;
	CHECK_EQ(sum, 7);
}

/* ptrace(2): what stops a process that waits for signals, is stopped already, or makes threads. sys/kern/kern_sig.c (kern_sigtimedwait, sigprocess,
 * ptracestop, sig_handle_first_stop), sys_process.c (PT_ATTACH, PT_DETACH), kern_exit.c. */
#include "traced.h"
#include <sys/event.h>
#include <sys/procctl.h>
#include <sys/sysctl.h>
#include <sys/umtx.h>
#include <machine/reg.h>

static void
go_on(int pid, int signo)
{
	CHECK_EQ(PT(PT_CONTINUE, pid, 1, signo), 0);
}

/* A child that is traced and has stopped; it goes on behind. */
#define TRACED(pid, ...) do { \
	(pid) = guest_fork(); \
	if ((pid) == 0) { \
		trace_me(); \
		__VA_ARGS__; \
		guest_exit(0); \
	} \
	next_stop((pid), SIGSTOP); \
} while (0)

static const sigset_t waited = { { 1u << (SIGUSR1 - 1) | 1u << (SIGUSR2 - 1), 0, 0, 0 } };

/* What a sigtimedwait gives of SIGUSR1 and SIGUSR2, with a limit in milliseconds. */
static long
take(siginfo_t *info, int limit)
{
	struct timespec time = { limit / 1000, limit % 1000 * 1000000L };

	return (sys(SYS_sigtimedwait, &waited, info, &time));
}

/* The tracer sees a signal before the wait that takes it; what it drops ends the wait. */
TEST(signals_that_are_waited_for)
{
	struct ptrace_lwpinfo info;
	int pid;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &waited, NULL), 0);	/* in the child, too, before it is sent any */
	TRACED(pid, {
		siginfo_t got = { 0 };
		CHECK_EQ(take(&got, 20000), SIGUSR1);
		CHECK_EQ(got.si_value.sival_int, 5);
		CHECK_EQ(got.si_code, SI_QUEUE);
		CHECK_ERR(take(&got, 20000), EINTR);		/* dropped */
		CHECK_ERR(take(&got, 20000), EINTR);		/* another in its place: it wants another wait, */
		CHECK_EQ(take(&got, 20000), SIGUSR2);
		CHECK_NE(got.si_code, SI_QUEUE);		/* and no more is known of it */
		guest_handle(SIGTERM, count, 0);
		CHECK_ERR(take(&got, 20000), EINTR);		/* one that is not waited for */
		CHECK_EQ(seen, 1);
		guest_exit(3);
	});
	go_on(pid, 0);
	for (int i = 0; i < 4; i++) {
		static const int answers[] = { SIGUSR1, 0, SIGUSR2, SIGTERM };

		guest_sleep_ms(60);
		CHECK_EQ(sys(SYS_sigqueue, pid, SIGUSR1, 5), 0);
		info = next_stop(pid, SIGUSR1);
		CHECK_EQ(info.pl_event, PL_EVENT_SIGNAL);
		CHECK_EQ(info.pl_flags & PL_FLAG_SI, PL_FLAG_SI);
		CHECK_EQ(info.pl_siginfo.si_signo, SIGUSR1);
		CHECK_EQ(info.pl_siginfo.si_code, SI_QUEUE);
		CHECK_EQ(info.pl_siginfo.si_value.sival_int, 5);
		/* While it waits they are not blocked. */
		CHECK_EQ(info.pl_sigmask.__bits[0], 0);
		go_on(pid, answers[i]);
	}
	ends(pid, 3);
}

/* Those that are pending when a wait begins: one that is dropped leaves the others, and the time. */
TEST(signals_that_waited_first)
{
	int pid;

	TRACED(pid, {
		siginfo_t got = { 0 };
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &waited, NULL), 0);
		sys(SYS_kill, sys(SYS_getpid), SIGUSR2);
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		CHECK_EQ(take(&got, 20000), SIGUSR2);
		CHECK_ERR(take(&got, 30), EAGAIN);
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		CHECK_ERR(take(&got, 30), EAGAIN);
		int number = 0;
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		CHECK_EQ(sys(SYS_sigwait, &waited, &number), 0);
		CHECK_EQ(number, SIGUSR1);
		guest_exit(4);
	});
	go_on(pid, 0);
	next_stop(pid, SIGUSR1);
	go_on(pid, 0);
	next_stop(pid, SIGUSR2);
	go_on(pid, SIGUSR2);
	next_stop(pid, SIGUSR1);
	go_on(pid, 0);
	next_stop(pid, SIGUSR1);
	go_on(pid, SIGUSR1);
	ends(pid, 4);
}

/* Who is let go at such a stop has the signal all the same. */
TEST(let_go_with_a_signal_that_is_waited_for)
{
	int pid;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &waited, NULL), 0);
	for (int i = 0; i < 2; i++) {
		TRACED(pid, {
			siginfo_t got;
			guest_exit((int)sys(SYS_sigwaitinfo, &waited, &got));
		});
		go_on(pid, 0);
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
		next_stop(pid, SIGUSR1);
		CHECK_EQ(PT(PT_DETACH, pid, 1, i == 0 ? SIGUSR1 : SIGUSR2), 0);
		ends(pid, i == 0 ? SIGUSR1 : SIGUSR2);
	}
}

/* What a parent's death sends (procctl) to a child that another process traces, and that waits for it. */
TEST(a_parent_s_death_is_shown_too)
{
	int ready[2], told[2], pid = 0, status;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, told, 0), 0);
	int parent = guest_fork();
	if (parent == 0) {
		pid = guest_fork();
		if (pid == 0) {
			int signo = SIGUSR1, got = 0;
			CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &waited, NULL), 0);
			CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_PDEATHSIG_CTL, &signo), 0);
			pid = (int)sys(SYS_getpid);
			CHECK_EQ(sys(SYS_write, ready[1], &pid, sizeof(pid)), sizeof(pid));
			while (sys(SYS_sigwait, &waited, &got) != 0)
				;
			CHECK_EQ(got, SIGUSR1);
			guest_exit(14);
		}
		CHECK_EQ(sys(SYS_read, told[0], &c, 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &pid, sizeof(pid)), sizeof(pid));
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	next_stop(pid, SIGSTOP);
	go_on(pid, 0);
	CHECK_EQ(sys(SYS_write, told[1], "x", 1), 1);
	next_stop(pid, SIGUSR1);
	go_on(pid, SIGUSR1);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, W_EXITCODE(14, 0));
	ends(parent, 0);
}

/* The parent of one that another process traces hears of its end when the tracer has: by a SIGCHLD of its own (proc_reap). */
TEST(end_is_the_parents_behind_the_tracer)
{
	sigset_t chld = { { 1u << (SIGCHLD - 1), 0, 0, 0 } };
	struct timespec long_ = { 5, 0 };
	siginfo_t info;
	int go[2], stay[2], status = 0;
	char c = 0;

	CHECK_EQ(sys(SYS_pipe2, go, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, stay, 0), 0);
	guest_handle(SIGCHLD, count, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &chld, NULL), 0);
	int child = guest_fork();
	if (child == 0) {
		CHECK_EQ(sys(SYS_read, go[0], &c, 1), 1);
		guest_exit(9);
	}
	int tracer = guest_fork();
	if (tracer == 0) {
		CHECK_EQ(sys(SYS_close, stay[1]), 0);
		CHECK_EQ(PT(PT_ATTACH, child, 0, 0), 0);
		next_stop(child, SIGSTOP);
		go_on(child, 0);
		CHECK_EQ(sys(SYS_write, go[1], "x", 1), 1);
		guest_sleep_ms(200);		/* it ends, and nobody has waited */
		ends(child, 9);
		CHECK_EQ(sys(SYS_read, stay[0], &c, 1), 0);
		guest_exit(0);
	}
	long taken = 0;
	while (taken == 0) {
		CHECK_EQ(sys(SYS_sigtimedwait, &chld, &info, &long_), SIGCHLD);
		taken = sys(SYS_wait4, child, &status, WNOHANG, NULL);
	}
	CHECK_EQ(taken, child);
	CHECK_EQ(status, W_EXITCODE(9, 0));
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(sys(SYS_close, stay[1]), 0);
	ends(tracer, 0);
}

/* A process that job control has stopped is stopped by PT_ATTACH once more, and nobody has sent it SIGCONT. */
TEST(attach_to_one_that_is_stopped)
{
	sigset_t cont = { { 1u << (SIGCONT - 1), 0, 0, 0 } }, pending;
	int status, pid;

	for (int i = 0; i < 3; i++) {
		pid = guest_fork();
		if (pid == 0) {
			if (i == 0)
				guest_handle(SIGCONT, count, 0);
			if (i == 1)
				CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &cont, NULL), 0);
			sys(SYS_kill, sys(SYS_getpid), SIGSTOP);
			CHECK_EQ(seen, 0);
			CHECK_EQ(sys(SYS_sigpending, &pending), 0);
			CHECK_EQ(pending.__bits[0], 0);
			guest_exit(5);
		}
		CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
		CHECK_EQ(status, W_STOPCODE(SIGSTOP));
		CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
		next_stop(pid, SIGSTOP);
		go_on(pid, 0);
		ends(pid, 5);
	}
}

/* One of the calls that sleep for half a second. */
static void
sleep_somehow(int how)
{
	struct timespec time = { 0, 500000000 };
	struct timeval tv = { 0, 500000 };
	struct kevent got;
	long word = 0;

	switch (how) {
	case 0:
		CHECK_EQ(sys(SYS_nanosleep, &time, NULL), 0);
		break;
	case 1:
		CHECK_EQ(sys(SYS_poll, NULL, 0, 500), 0);
		break;
	case 2:
		CHECK_EQ(sys(SYS_select, 0, NULL, NULL, NULL, &tv), 0);
		break;
	case 3:
		CHECK_EQ(sys(SYS_kevent, sys(SYS_kqueue), NULL, 0, &got, 1, &time), 0);
		break;
	case 4:
		CHECK_ERR(sys(SYS__umtx_op, &word, UMTX_OP_WAIT, 0, NULL, &time), ETIMEDOUT);
		break;
	default:
		CHECK_ERR(take(NULL, 500), EAGAIN);
	}
}

static void
sleep_half_a_second(void *how)
{
	long before = guest_now_ms();

	sleep_somehow((int)(long)how);
	CHECK_BETWEEN(guest_now_ms() - before, 495, 750);
	seen++;
}

static void
sleep_for(int limit)
{
	struct timespec time = { limit / 1000, limit % 1000 * 1000000L };
	long before = guest_now_ms();

	CHECK_EQ(sys(SYS_nanosleep, &time, NULL), 0);
	CHECK_BETWEEN(guest_now_ms() - before, limit - 5, limit + 400);
}

/* PT_ATTACH leaves who sleeps asleep: no thread reports, and no time is lost. */
TEST(attach_to_who_sleeps)
{
	struct ptrace_lwpinfo info;
	int pid;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	pid = guest_fork();
	if (pid == 0) {
		sleep_half_a_second(0);
		guest_exit(8);
	}
	guest_sleep_ms(250);
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	info = next_stop(pid, SIGSTOP);
	CHECK_EQ(info.pl_event, PL_EVENT_NONE);
	CHECK_EQ(info.pl_flags & PL_FLAG_SI, 0);
	go_on(pid, 0);
	ends(pid, 8);

	/* A signal that it goes on with is nobody's. */
	pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(800);
		guest_exit(9);
	}
	guest_sleep_ms(20);
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	next_stop(pid, SIGSTOP);
	CHECK_EQ(PT(PT_DETACH, pid, 1, SIGTERM), 0);
	ends(pid, 9);

	/* SIGSTOP ends a sleep, as any signal of one that is traced. */
	TRACED(pid, {
		struct timespec time = { 5, 0 };
		CHECK_ERR(sys(SYS_nanosleep, &time, NULL), EINTR);
		guest_exit(10);
	});
	go_on(pid, 0);
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	info = next_stop(pid, SIGSTOP);
	CHECK_EQ(info.pl_event, PL_EVENT_SIGNAL);
	go_on(pid, 0);
	ends(pid, 10);
}

/* Nor by many, however the next one meets a sleep that is about to go on. */
TEST(attach_to_who_sleeps_again_and_again)
{
	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	int pid = guest_fork();
	if (pid == 0) {
		sleep_for(1200);
		guest_exit(8);
	}
	guest_sleep_ms(100);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
		next_stop(pid, SIGSTOP);
		CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
		guest_sleep_ms(20);
	}
	ends(pid, 8);
}

/* The time that a call may take runs on while another thread stops the process. */
TEST(a_stop_takes_of_the_time)
{
	static struct guest_thread sleepers[6];
	int pid;

	TRACED(pid, {
		for (size_t i = 0; i < nitems(sleepers); i++)
			guest_thread_start(&sleepers[i], sleep_half_a_second, (void *)i);
		guest_sleep_ms(150);
		sys(SYS_kill, sys(SYS_getpid), SIGTRAP);
		guest_sleep_ms(200);
		sys(SYS_kill, sys(SYS_getpid), SIGTRAP);
		for (size_t i = 0; i < nitems(sleepers); i++)
			guest_thread_join(&sleepers[i]);
		guest_exit(seen);
	});
	for (int i = 0; i < 2; i++) {
		go_on(pid, 0);
		stops(pid, SIGTRAP);
	}
	go_on(pid, 0);
	ends(pid, nitems(sleepers));
}

static volatile int made, over;

static void
short_life(void *unused)
{
	(void)unused;
	__atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
}

/* Makes and joins threads, and never stops to. */
static void
make_threads(void *unused)
{
	struct guest_thread *mine = unused;

	while (over == 0) {
		guest_thread_start(mine, short_life, NULL);
		guest_thread_join(mine);
	}
}

/* Every thread that there is stands in the list, those that are being made and that end, too: what the list has not does not run. */
TEST(threads_that_come_and_go)
{
	static struct guest_thread makers[3], made_by[3];
	struct ptrace_lwpinfo info;
	struct reg regs;
	lwpid_t lwps[16];
	volatile int *shared = guest_map(PAGE_SIZE);
	int pid, status, stopped = 0, born = 0, exited = 0, before, round;
	long n, end;

	shared = (volatile int *)sys(SYS_mmap, NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	CHECK(!FAILED(shared));
	for (int events = 0; events < 2; events++) {
		TRACED(pid, {
			for (size_t i = 0; i < nitems(makers); i++)
				guest_thread_start(&makers[i], make_threads, &made_by[i]);
			while (shared[0] == 0)
				shared[1 + (seen++ & 7)]++;
			over = 1;
			for (size_t i = 0; i < nitems(makers); i++)
				guest_thread_join(&makers[i]);
			guest_exit(made > 0 ? 6 : 7);
		});
		CHECK_EQ(PT(PT_LWP_EVENTS, pid, 0, events), 0);
		go_on(pid, 0);
		end = guest_now_ms() + 1500;
		for (round = 0; round < 120 && guest_now_ms() < end; round++) {
			guest_sleep_ms(1);
			CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
			for (;;) {
				CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
				CHECK(WIFSTOPPED(status));
				n = PT(PT_GETLWPLIST, pid, lwps, nitems(lwps));
				CHECK_BETWEEN(n, 1, 7);
				for (long j = 0; j < n; j++) {
					CHECK_EQ(PT(PT_GETREGS, lwps[j], &regs, 0), 0);
					CHECK_NE(regs.r_rip, 0);
				}
				CHECK_EQ(PT(PT_GETNUMLWPS, pid, 0, 0), n);
				before = shared[1];
				CHECK_EQ(PT(PT_LWPINFO, pid, &info, sizeof(info)), 0);
				born += (info.pl_flags & PL_FLAG_BORN) != 0;
				exited += (info.pl_flags & PL_FLAG_EXITED) != 0;
				CHECK_EQ(PT(PT_GETNUMLWPS, pid, 0, 0), n);
				CHECK_EQ(shared[1], before);
				go_on(pid, 0);
				stopped++;
				if (WSTOPSIG(status) == SIGUSR1)
					break;
				CHECK_EQ(WSTOPSIG(status), SIGTRAP);
			}
		}
		shared[0] = 1;
		for (;;) {
			CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
			if (!WIFSTOPPED(status))
				break;
			go_on(pid, 0);
		}
		CHECK_EQ(status, W_EXITCODE(6, 0));
		shared[0] = 0;
		CHECK(events == 0 ? born + exited == 0 : born > 0 && exited > 0);
	}
	CHECK(stopped > 20);
}

/* A child with a process descriptor is told of by wait(2) while it is traced, and its end by the descriptor alone (proc_to_reap). */
TEST(a_descriptor_s_child)
{
	int fd, status, pid;

	for (int round = 0; round < 2; round++) {
		pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
		if (pid == 0) {
			trace_me();
			CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
			guest_exit(3);
		}
		stops(pid, SIGSTOP);
		CHECK_EQ(PT(PT_CONTINUE, pid, 1, 0), 0);
		CHECK_EQ(sys(SYS_wait4, -1, &status, 0, NULL), pid);
		CHECK(WIFSTOPPED(status));
		CHECK_EQ(PT(PT_CONTINUE, pid, 1, 0), 0);
		if (round == 1)
			guest_sleep_ms(100);	/* it has ended */
		CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
		CHECK_ERR(sys(SYS_wait6, P_ALL, 0L, &status, WEXITED | WTRAPPED, NULL, NULL), ECHILD);
		CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), ESRCH);
		if (round == 1)
			ends(pid, 3);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
}

/* Who is killed by the last close of its descriptor while it is stopped is stopped until its tracer lets it go. */
TEST(closed_while_it_is_stopped)
{
	int fd, status, pid;

	pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (pid == 0) {
		trace_me();
		guest_exit(3);
	}
	stops(pid, SIGSTOP);
	CHECK_EQ(sys(SYS_close, fd), 0);
	guest_sleep_ms(100);
	CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
}

#define CROWD 12
#define CROWD_EACH 3
#define CROWD_ALL (1 + CROWD + CROWD * CROWD_EACH)
#define CROWD_TRACERS 6

static struct guest_thread crowd[CROWD][CROWD_EACH];
static volatile int *crowd_word;	/* how many have begun; the second: 1 to begin, 2 to end */

static void
crowd_member(void *unused)
{
	(void)unused;
	__atomic_add_fetch(&crowd_word[0], 1, __ATOMIC_SEQ_CST);
	while (crowd_word[1] < 2)
		guest_sleep_ms(2);
}

static void
crowd_maker(void *mine)
{
	struct guest_thread *threads = mine;

	while (crowd_word[1] == 0)
		sys(SYS__umtx_op, &crowd_word[1], UMTX_OP_WAIT_UINT, 0, NULL, NULL);
	for (int i = 0; i < CROWD_EACH; i++)
		guest_thread_start(&threads[i], crowd_member, NULL);
	for (int i = 0; i < CROWD_EACH; i++)
		guest_thread_join(&threads[i]);
}

static void
trace_crowds(void)
{
	static struct guest_thread makers[CROWD];
	static lwpid_t lwps[2 * CROWD_ALL];
	struct reg regs;
	long end = guest_now_ms() + 2500;
	int pid, status;

	crowd_word = (volatile int *)sys(SYS_mmap, NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	CHECK(!FAILED(crowd_word));
	for (int round = 0; round < 60 && guest_now_ms() < end; round++) {
		crowd_word[0] = crowd_word[1] = 0;
		TRACED(pid, {
			for (int i = 0; i < CROWD; i++)
				guest_thread_start(&makers[i], crowd_maker, crowd[i]);
			crowd_word[1] = 1;
			sys(SYS__umtx_op, &crowd_word[1], UMTX_OP_WAKE, CROWD, NULL, NULL);
			for (int i = 0; i < CROWD; i++)
				guest_thread_join(&makers[i]);
			guest_exit(8);
		});
		go_on(pid, 0);
		while (crowd_word[0] < CROWD * CROWD_EACH)
			guest_sleep_ms(1);
		CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
		CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
		CHECK_EQ(status, W_STOPCODE(SIGUSR1));
		CHECK_EQ(PT(PT_GETNUMLWPS, pid, 0, 0), CROWD_ALL);
		CHECK_EQ(PT(PT_GETLWPLIST, pid, lwps, nitems(lwps)), CROWD_ALL);
		for (int i = 0; i < CROWD_ALL; i++) {
			CHECK_EQ(PT(PT_GETREGS, lwps[i], &regs, 0), 0);
			CHECK_NE(regs.r_rip, 0);
		}
		crowd_word[1] = 2;
		go_on(pid, 0);
		ends(pid, 8);
	}
}

/* Many threads make others at once, and a tracer sees each of them. (Many tracers, so that threads are interrupted anywhere.) */
TEST(threads_made_at_once)
{
	int tracers[CROWD_TRACERS];

	for (int i = 0; i < CROWD_TRACERS; i++) {
		tracers[i] = guest_fork();
		if (tracers[i] == 0) {
			trace_crowds();
			guest_exit(0);
		}
	}
	for (int i = 0; i < CROWD_TRACERS; i++)
		CHECK_EQ(guest_wait(tracers[i]), 0);
}

/* Started where there is no memory for what a tracer and its tracee share. */
HELPER(no_room)
{
	int pid = guest_fork();

	if (pid == 0) {
		CHECK_ERR(PT(PT_TRACE_ME, 0, 0, 0), ENOMEM);
		guest_sleep_ms(20000);
		guest_exit(0);
	}
	CHECK_ERR(PT(PT_ATTACH, pid, 0, 0), ENOMEM);
	guest_sleep_ms(100);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(guest_wait(pid), SIGKILL);
	say("ok\n");
}

/* kern.kill_on_debugger_exit, for test_machine_settings.py, since it is the whole machine's. */
static int
kill_on_exit(const int *set)
{
	size_t size = sizeof(int);
	int now = 9;

	CHECK_EQ(sys(SYS___sysctlbyname, "kern.kill_on_debugger_exit", 26, &now, &size, set, set ? sizeof(int) : 0), 0);
	return (now);
}

/* How a process ends whose tracer ends: itself, or by SIGKILL; traced from outside while it runs or stands. */
static int
end_of_one_left(int stands, int killed)
{
	int pid = guest_fork(), status, tracer;

	if (pid == 0) {
		for (int i = 0; i < 40; i++)
			guest_sleep_ms(10);
		guest_exit(7);
	}
	tracer = guest_fork();
	if (tracer == 0) {
		CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
		stops(pid, SIGSTOP);
		if (!stands)
			go_on(pid, 0);
		if (killed)
			sys(SYS_kill, sys(SYS_getpid), SIGKILL);
		guest_exit(0);
	}
	guest_wait(tracer);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	return (status);
}

HELPER(left_by_its_tracer)
{
	int off = 0;

	CHECK_EQ(kill_on_exit(NULL), 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(end_of_one_left(i & 1, i >> 1), SIGKILL);
	CHECK_EQ(kill_on_exit(&off), 1);
	CHECK_EQ(kill_on_exit(NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(end_of_one_left(i & 1, i >> 1), W_EXITCODE(7, 0));
	say("ok\n");
}

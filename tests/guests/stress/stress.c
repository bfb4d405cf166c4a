/* Much at once, and for long: nothing hangs, no signal is lost, and nothing is left behind: no process, thread, descriptor,
 * mapping or area (the shim's memory of a thread).
 *
 *     stress @CASE AMOUNT
 */
#include "guest.h"
#include <sys/procctl.h>

static struct guest_thread threads[2000];
static volatile int handled;

static long
amount(void)
{
	CHECK(guest_argc > 2);
	return (guest_number(guest_argv[2]));
}

static int
me(void)
{
	return ((int)sys(SYS_getpid));
}

/* ------------------------------------------------------------------ what a process has */

struct count {
	long tasks, descriptors, mappings, areas;
};

static long
entries(const char *path)
{
	static char buffer[65536];
	long n = 0, size, base;
	int fd = (int)CHECK_OK(sys(SYS_open, path, O_RDONLY | O_DIRECTORY, 0));

	while ((size = CHECK_OK(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), &base))) > 0)
		for (long at = 0; at < size; at += *(u16 *)(buffer + at + 16))
			n++;
	CHECK_EQ(sys(SYS_close, fd), 0);
	return (n);
}

static long
lines(const char *path)
{
	static char buffer[65536];
	long n = 0, size;
	int fd = (int)CHECK_OK(sys(SYS_open, path, O_RDONLY, 0));

	while ((size = CHECK_OK(sys(SYS_read, fd, buffer, sizeof(buffer)))) > 0)
		for (long at = 0; at < size; at++)
			n += buffer[at] == '\n';
	CHECK_EQ(sys(SYS_close, fd), 0);
	return (n);
}

/* Of Linux's account, which knows the shim's things too; the areas have slots in the shim's data (lsf/machine/amd64/layout.h). */
static void
take_count(struct count *c)
{
	const volatile u32 *first = (const volatile u32 *)0x6ffff0110400, *others = (const volatile u32 *)0x6ffff0120000;

	/* A thread that was joined may not be quite gone. */
	for (int i = 0; i < 5000; i++) {
		c->tasks = entries("/proc/self/task");
		c->areas = 0;
		for (int k = 0; k < 8192; k++)
			c->areas += (k < 64 ? first[2 * k] : others[2 * (k - 64)]) != 0;
		if (c->tasks == 3 && c->areas == 1)	/* with . and .. */
			break;
		guest_sleep_ms(1);
	}
	c->descriptors = entries("/proc/self/fd");
	c->mappings = lines("/proc/self/maps");
}

/* Twice the same: what the first time leaves is kept for the second, which must leave no more. */
static void
run_twice(void (*work)(long), long n)
{
	struct count before, after;

	work(n);
	take_count(&before);
	work(n);
	take_count(&after);
	CHECK_EQ(before.tasks, 3);
	CHECK_EQ(after.tasks, 3);
	CHECK_EQ(before.areas, 1);
	CHECK_EQ(after.areas, 1);
	CHECK_EQ(after.descriptors, before.descriptors);
	CHECK_BETWEEN(after.mappings, 1, before.mappings + 4);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, WNOHANG, NULL), ECHILD);
	say("ok %s\n", guest_argv[1]);
}

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

/* ------------------------------------------------------------------ a timer every millisecond */

static u32 mutex_[8] __attribute__((aligned(32)));	/* struct umutex */
static volatile long total;

static void
add_under_mutex(void *argument)
{
	long id;

	(void)argument;
	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	for (int i = 0; i < 200; i++) {
		u32 free_ = 0;
		if (!__atomic_compare_exchange_n(&mutex_[0], &free_, (u32)id, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			CHECK_EQ(sys(SYS__umtx_op, mutex_, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
		CHECK_EQ(mutex_[0] & 0x7fffffff, id);
		total = total + 1;
		u32 owned = (u32)id;
		if (!__atomic_compare_exchange_n(&mutex_[0], &owned, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			CHECK_EQ(sys(SYS__umtx_op, mutex_, UMTX_OP_MUTEX_UNLOCK, 0, NULL, NULL), 0);
	}
}

static void
write_and_read(int turn)
{
	char path[64], out[4096], in[4096];
	struct stat st;
	int pair[2];

	format(path, sizeof(path), "file.%d", turn % 4);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(turn + (int)i);
	int fd = (int)CHECK_OK(sys(SYS_open, path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	CHECK_EQ(sys(SYS_write, fd, out, sizeof(out)), sizeof(out));
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(sys(SYS_read, fd, in, sizeof(in)), sizeof(in));
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, sizeof(out));
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(sys(SYS_pipe2, pair, 0), 0);
	CHECK_EQ(sys(SYS_write, pair[1], "x", 1), 1);
	CHECK_EQ(sys(SYS_read, pair[0], in, sizeof(in)), 1);
	CHECK_EQ(sys(SYS_close, pair[0]), 0);
	CHECK_EQ(sys(SYS_close, pair[1]), 0);
	void *map = guest_map(16384);
	memset(map, turn, 16384);
	CHECK_EQ(sys(SYS_munmap, map, 16384), 0);
}

static void
timer_storm(long turns)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 100 };
	struct itimerspec each = { { 0, 1000000 }, { 0, 1000000 } };
	int id;

	guest_handle(SIGALRM, note, SA_RESTART);
	guest_handle(100, note, SA_RESTART);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, &event, &id), 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &every, NULL), 0);
	CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &each, NULL), 0);
	for (long turn = 0; turn < turns; turn++) {
		total = 0;
		for (int i = 0; i < 3; i++)
			guest_thread_start(&threads[i], add_under_mutex, NULL);
		for (int i = 0; i < 8; i++)
			write_and_read((int)turn + i);
		for (int i = 0; i < 3; i++)
			guest_thread_join(&threads[i]);
		CHECK_EQ(total, 600);
		int pid = guest_fork();
		if (pid == 0)
			guest_exit((int)turn & 63);
		CHECK_EQ(WEXITSTATUS(guest_wait(pid)), turn & 63);
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &off, NULL), 0);
	CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
	guest_sleep_ms(5);
	CHECK(handled > 0);
}

HELPER(timers)
{
	run_twice(timer_storm, amount());
}

/* ------------------------------------------------------------------ forks */

static void
fork_many(long n)
{
	static char *arguments[] = { "stress", "@exit_at_once", NULL }, *none[] = { NULL };
	char self[1024];
	int mib[4] = { 1, 14, 12, -1 };			/* kern.proc.pathname */
	size_t size = sizeof(self);
	long reaped = 0, sum = 0, wanted = 0;

	CHECK_EQ(sys(SYS___sysctl, mib, 4, self, &size, NULL, 0), 0);
	for (long i = 0; i < n;) {
		int alive = 0;
		for (; alive < 8 && i < n; alive++, i++) {
			int how = (int)i % 16;
			int pid = (int)CHECK_OK(sys(how == 0 ? SYS_vfork : SYS_fork));
			if (pid == 0) {
				if (how <= 1)
					sys(SYS_execve, self, arguments, none);
				guest_exit((int)i & 127);
			}
			wanted += how <= 1 ? 5 : i & 127;
		}
		for (; alive > 0; alive--, reaped++) {
			int status;
			CHECK_OK(sys(SYS_wait4, -1, &status, 0, NULL));
			CHECK(WIFEXITED(status));
			sum += WEXITSTATUS(status);
		}
	}
	CHECK_EQ(reaped, n);
	CHECK_EQ(sum, wanted);
}

HELPER(exit_at_once)
{
	guest_exit(5);
}

HELPER(forks)
{
	run_twice(fork_many, amount());
}

/* ------------------------------------------------------------------ a token that 200 threads pass on */

#define RING 200
static volatile u32 tokens[RING];
static long rounds;

static void
pass_on(void *argument)
{
	long i = (long)argument;

	for (u32 round = 1; round <= rounds; round++) {
		u32 seen;
		while ((seen = __atomic_load_n(&tokens[i], __ATOMIC_SEQ_CST)) != round)
			sys(SYS__umtx_op, &tokens[i], UMTX_OP_WAIT_UINT_PRIVATE, seen, NULL, NULL);
		long next = (i + 1) % RING;
		__atomic_store_n(&tokens[next], next == 0 ? round + 1 : round, __ATOMIC_SEQ_CST);
		CHECK_EQ(sys(SYS__umtx_op, &tokens[next], UMTX_OP_WAKE_PRIVATE, 1, NULL, NULL), 0);
	}
}

static void
token_ring(long n)
{
	rounds = n;
	memset((void *)tokens, 0, sizeof(tokens));
	for (long i = 0; i < RING; i++)
		guest_thread_start(&threads[i], pass_on, (void *)i);
	__atomic_store_n(&tokens[0], 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(sys(SYS__umtx_op, &tokens[0], UMTX_OP_WAKE_PRIVATE, 1, NULL, NULL), 0);
	for (long i = 0; i < RING; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(tokens[0], n + 1);
}

HELPER(token)
{
	run_twice(token_ring, amount());
}

/* ------------------------------------------------------------------ threads that live at once */

static volatile u32 gate, arrived;

static void
wait_at_gate(void *argument)
{
	(void)argument;
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
		sys(SYS__umtx_op, &gate, UMTX_OP_WAIT_UINT_PRIVATE, 0, NULL, NULL);
}

static void
alive_at_once(long n)
{
	CHECK(n <= 2000);
	gate = 0;
	arrived = 0;
	handled = 0;
	guest_handle(SIGUSR1, note, SA_RESTART);
	for (long i = 0; i < n; i++)
		guest_thread_start(&threads[i], wait_at_gate, NULL);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < n)
		guest_sleep_ms(1);
	/* Each is known by its number, and takes a signal. */
	for (long i = 0; i < n; i++)
		CHECK_EQ(sys(SYS_thr_kill, threads[i].id, SIGUSR1), 0);
	for (int i = 0; i < 20000 && handled < n; i++)
		guest_sleep_ms(1);
	CHECK_EQ(handled, n);
	/* A process with so many threads forks. */
	IN_CHILD(CHECK_ERR(sys(SYS_thr_kill, -1, 0), ESRCH));
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(sys(SYS__umtx_op, &gate, UMTX_OP_WAKE_PRIVATE, 1000000, NULL, NULL), 0);
	for (long i = 0; i < n; i++)
		guest_thread_join(&threads[i]);
}

HELPER(alive)
{
	run_twice(alive_at_once, amount());
}

/* ------------------------------------------------------------------ signals between processes */

static volatile long expected[2];

/* Queued signals come in the order they were sent, each with its value. */
static void
in_order(int signo, siginfo_t *info, void *context)
{
	(void)context;
	int which = signo == 100;
	if (info->si_value.sival_ptr != (void *)expected[which])
		guest_fail(__FILE__, __LINE__, "order", (u64)info->si_value.sival_ptr, (u64)expected[which], 2);
	expected[which]++;
}

static void
signal_rate(long n)
{
	int parent = me(), pid, status;

	expected[0] = expected[1] = 0;
	handled = 0;
	guest_handle(70, in_order, SA_RESTART);
	guest_handle(100, in_order, SA_RESTART);
	guest_handle(SIGUSR1, note, SA_RESTART);
	pid = guest_fork();
	if (pid == 0) {
		for (long i = 0; i < n; i++) {
			/* A queue that is full is told. */
			while (sys(SYS_sigqueue, parent, 70, i) == -EAGAIN)
				guest_sleep_ms(1);
			while (sys(SYS_sigqueue, parent, 100, i) == -EAGAIN)
				guest_sleep_ms(1);
			CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
		}
		guest_exit(0);
	}
	char byte;
	int pair[2];
	sigset_t all, old;
	memset(&all, 0xff, sizeof(all));
	CHECK_EQ(sys(SYS_pipe2, pair, 0), 0);
	/* Calls of every lane meanwhile. */
	for (long i = 0; sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0; i++) {
		CHECK_EQ(sys(SYS_getpid), parent);
		CHECK_EQ(sys(SYS_write, pair[1], "y", 1), 1);
		CHECK_EQ(sys(SYS_read, pair[0], &byte, 1), 1);
		CHECK_EQ(byte, 'y');
		/* And masks that change. */
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &all, &old), 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &old, NULL), 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &old, NULL), 0);
		if (i % 8 == 0) {
			struct timespec t = { 0, 1000 };
			sys(SYS_nanosleep, &t, NULL);
		}
	}
	CHECK_EQ(status, 0);
	for (int i = 0; i < 5000 && (expected[0] < n || expected[1] < n); i++)
		guest_sleep_ms(1);
	CHECK_EQ(expected[0], n);
	CHECK_EQ(expected[1], n);
	CHECK(handled > 0);
	CHECK_EQ(sys(SYS_close, pair[0]), 0);
	CHECK_EQ(sys(SYS_close, pair[1]), 0);
}

static volatile int pong;

static void
answer(int signo, siginfo_t *info, void *context)
{
	(void)context;
	CHECK_EQ(sys(SYS_kill, info->si_pid, signo == SIGUSR1 ? SIGUSR2 : SIGUSR1), 0);
	pong++;
}

static void
note_pong(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	pong++;
}

/* One answer to each signal: a lost one would end the game. */
static void
ping_pong(long n)
{
	sigset_t both = { { 1u << (SIGUSR1 - 1) | 1u << (SIGUSR2 - 1) } }, none = { { 0 } };
	int parent = me(), pid;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &both, NULL), 0);
	guest_handle(SIGUSR1, answer, 0);
	guest_handle(SIGUSR2, note_pong, 0);
	pong = 0;
	pid = guest_fork();
	if (pid == 0) {
		for (long i = 0; i < n; i++) {
			CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
			while (pong <= i)
				sys(SYS_sigsuspend, &none);
		}
		guest_exit(0);
	}
	for (long i = 0; i < n; i++)
		while (pong <= i)
			sys(SYS_sigsuspend, &none);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(pong, n);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL), 0);
}

static void
both_ways(long n)
{
	signal_rate(n);
	ping_pong(n);
}

HELPER(signals)
{
	run_twice(both_ways, amount());
}

/* ------------------------------------------------------------------ kill -9 at any moment */

static void
busy(void *argument)
{
	long seed = (long)argument;

	for (long i = 0;; i++) {
		struct timespec t = { 0, 100000 };
		u32 word = 0;
		int pair[2];
		switch ((seed + i) % 4) {
		case 0:
			sys(SYS_nanosleep, &t, NULL);
			break;
		case 1:
			sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT_PRIVATE, 0, (void *)sizeof(t), &t);
			break;
		case 2:
			if (sys(SYS_pipe2, pair, 0) == 0) {
				sys(SYS_close, pair[0]);
				sys(SYS_close, pair[1]);
			}
			break;
		default: {
			int pid = (int)sys(SYS_fork);
			if (pid == 0)
				guest_exit(0);
			if (pid > 0)
				(void)guest_wait(pid);
		}
		}
	}
}

static void
kill_at_random(long n)
{
	u64 state = 88172645463325252UL;

	/* Orphans come here, and not to a process that takes its time. */
	sys(SYS_procctl, 0, 0, PROC_REAP_ACQUIRE, NULL);	/* the second time EBUSY */
	for (long i = 0; i < n; i++) {
		state ^= state << 13, state ^= state >> 7, state ^= state << 17;
		int pid = guest_fork();
		if (pid == 0) {
			sys(SYS_setpgid, 0, 0);
			for (long k = 0; k < 3; k++)
				guest_thread_start(&threads[k], busy, (void *)k);
			if (guest_fork() == 0)
				busy((void *)7);
			busy((void *)3);
		}
		while (sys(SYS_setpgid, pid, pid) == -EINTR)
			;
		struct timespec t = { 0, (long)(state % 20000000) };
		sys(SYS_nanosleep, &t, NULL);
		/* The process alone, and then what it left. */
		CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
		CHECK_EQ(guest_wait(pid), SIGKILL);
		for (;;) {
			sys(SYS_kill, -pid, SIGKILL);
			long got = sys(SYS_wait4, -1, NULL, 0, NULL);
			if (got == -ECHILD)
				break;
			CHECK_OK(got);
		}
		CHECK_ERR(sys(SYS_kill, -pid, 0), ESRCH);
	}
}

HELPER(kills)
{
	run_twice(kill_at_random, amount());
}

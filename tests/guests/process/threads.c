/* thr_new(2) and its kin (sys/kern/kern_thr.c). */
#include "guest.h"
#include <sys/cpuset.h>
#include <sys/rtprio.h>

static volatile int counter;

static void
increment(void *argument)
{
	__atomic_add_fetch((volatile int *)argument, 1, __ATOMIC_SEQ_CST);
}

TEST(one)
{
	struct guest_thread t;
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	guest_thread_start(&t, increment, (void *)&counter);
	CHECK_NE(t.id, 0);
	CHECK_NE(t.id, self);
	guest_thread_join(&t);
	CHECK_EQ(counter, 1);
	CHECK_EQ(t.child_id, t.id);
	CHECK_EQ(t.done, 1);
}

struct facts {
	long self;
	u64 fs, rsp, flags;
	int pid;
	sigset_t mask;
	stack_t stack;
	u32 mxcsr;
	u16 x87;
};

static void
gather(void *argument)
{
	struct facts *f = argument;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(f->mxcsr), "=m"(f->x87));
	f->rsp = (u64)__builtin_frame_address(0);
	CHECK_EQ(sys(SYS_thr_self, &f->self), 0);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &f->fs), 0);
	f->pid = (int)sys(SYS_getpid);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &f->mask), 0);
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &f->stack), 0);
}

TEST(how_it_starts)
{
	struct guest_thread t;
	struct facts f;
	sigset_t mask = { { 1U << (SIGUSR1 - 1) | 1U << (SIGSEGV - 1) } };
	stack_t stack = { .ss_sp = guest_map(65536), .ss_size = 65536 };

	memset(&f, 0x55, sizeof(f));
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
	guest_thread_start(&t, gather, &f);
	CHECK_EQ(sys(SYS_thr_self, &f.self), 0);	/* raced, but only until the join */
	void *base = t.stack;
	guest_thread_join(&t);
	CHECK_EQ(f.fs, t.tls);
	CHECK_EQ(f.pid, sys(SYS_getpid));
	CHECK(f.rsp > (u64)base && f.rsp < (u64)base + GUEST_STACK);
	CHECK(f.rsp > (u64)base + GUEST_STACK - 1024);
	/* The mask is inherited, the alternate stack is not. */
	CHECK_EQ(f.mask.__bits[0], mask.__bits[0]);
	CHECK_EQ(f.stack.ss_flags, SS_DISABLE);
	CHECK_EQ(f.mxcsr, 0x1f80);
	CHECK_EQ(f.x87, 0x37f);
}

static void
check_id(void *argument)
{
	struct guest_thread *t = argument;
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	CHECK_EQ(t->child_id, self);
	while (__atomic_load_n(&t->id, __ATOMIC_ACQUIRE) == 0)
		sys(SYS_sched_yield);
	CHECK_EQ(t->id, self);
}

TEST(identifiers)
{
	struct guest_thread t[8];

	/* child_tid is there before the thread runs, parent_tid when thr_new returns. */
	for (int i = 0; i < 8; i++) {
		guest_thread_start(&t[i], check_id, &t[i]);
		CHECK_NE(t[i].id, 0);
		for (int k = 0; k < i; k++)
			CHECK_NE(t[k].id, t[i].id);
	}
	for (int i = 0; i < 8; i++)
		guest_thread_join(&t[i]);
}

static void
calls(void *argument)
{
	int id = (int)(long)argument;
	char name[32], buffer[32], back[32];
	struct stat st;

	format(name, sizeof(name), "file-%d", id);
	for (int i = 0; i < 200; i++) {
		size_t n = format(buffer, sizeof(buffer), "%d:%d", id, i);
		int fd = (int)CHECK_OK(sys(SYS_open, name, O_RDWR | O_CREAT | O_TRUNC, 0644));
		CHECK_EQ(sys(SYS_write, fd, buffer, n), n);
		CHECK_EQ(sys(SYS_pread, fd, back, sizeof(back), 0), n);
		CHECK(memcmp(buffer, back, n) == 0);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_size, n);
		CHECK_ERR(sys(SYS_fstat, fd, 8), EFAULT);
		CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "missing", &st, 0), ENOENT);
		CHECK_EQ(sys(SYS_close, fd), 0);
		void *p = guest_map(8192);
		*(volatile char *)p = 1;
		CHECK_EQ(sys(SYS_munmap, p, 8192), 0);
	}
}

TEST(syscalls_at_once)
{
	struct guest_thread t[8];

	for (int i = 0; i < 8; i++)
		guest_thread_start(&t[i], calls, (void *)(long)i);
	for (int i = 0; i < 8; i++)
		guest_thread_join(&t[i]);
}

/* Areas and stacks of threads that ended are used again. */
TEST(many_one_after_the_other)
{
	struct guest_thread t;

	for (int i = 0; i < 1500; i++) {
		guest_thread_start(&t, increment, (void *)&counter);
		guest_thread_join(&t);
	}
	CHECK_EQ(counter, 1500);
}

static volatile int gate;

static void
wait_at_gate(void *argument)
{
	increment(argument);
	while (gate == 0)
		sys(SYS__umtx_op, &gate, UMTX_OP_WAIT_UINT, 0, NULL, NULL);
}

TEST(many_at_once)
{
	enum { N = 200 };
	static struct guest_thread t[N];

	for (int i = 0; i < N; i++)
		guest_thread_start(&t[i], wait_at_gate, (void *)&counter);
	while (counter < N)
		guest_sleep_ms(1);
	gate = 1;
	CHECK_EQ(sys(SYS__umtx_op, &gate, UMTX_OP_WAKE, 1000, NULL, NULL), 0);
	for (int i = 0; i < N; i++)
		guest_thread_join(&t[i]);
}

TEST(refused)
{
	struct thr_param p;

	memset(&p, 0, sizeof(p));
	CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p) + 8), EINVAL);
	CHECK_ERR(sys(SYS_thr_new, &p, -1), EINVAL);
	CHECK_ERR(sys(SYS_thr_new, 8, sizeof(p)), EFAULT);
	/* A thread pointer that is no address of the user's. */
	p.start_func = increment;
	p.stack_base = guest_map(65536);
	p.stack_size = 65536;
	p.tls_base = (void *)0xffff800000000000;
	CHECK_ERR(sys(SYS_thr_new, &p, sizeof(p)), EINVAL);
	CHECK_OK(sys(SYS_getpid));
	/* A start that is no address, or no code: the thread takes the process with it. A bad stack: the call finds that (cpu_set_upcall). */
	static const u64 starts[] = { 0x4f4e4500656c6966, 0x800000000000, 0xffffffff81000000, -1UL, 0, 8 };
	p.tls_base = NULL;
	for (size_t i = 0; i < 2 * nitems(starts); i++) {
		int pid = guest_fork();
		if (pid == 0) {
			struct rlimit none = { 0, 0 };
			CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
			p.start_func = (void (*)(void *))(i < nitems(starts) ? starts[i] : (u64)increment);
			if (i >= nitems(starts)) {
				p.stack_base = (void *)starts[i - nitems(starts)];
				p.stack_size = 16;
			}
			CHECK_EQ(sys(SYS_thr_new, &p, sizeof(p)), i < nitems(starts) ? 0 : -EFAULT);
			if (i < nitems(starts))
				guest_sleep_ms(5000);
			guest_exit(0);
		}
		int status = guest_wait(pid);
		if (i >= nitems(starts)) {
			CHECK_EQ(status, 0);
			continue;
		}
		CHECK(WIFSIGNALED(status));
		CHECK(WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGILL);
	}
	/* Only one thread: the last one cannot leave by thr_exit without ending the process. */
	IN_CHILD(sys(SYS_thr_exit, NULL));
}

static volatile long target;
static volatile int who, told;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	long self;

	(void)info, (void)context;
	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	who = self == target;
	told = signo;
}

static void
sleeper(void *unused)
{
	(void)unused;
	while (gate == 0)
		guest_sleep_ms(5);
}

TEST(signal_to_one)
{
	struct guest_thread t[3];

	guest_handle(SIGUSR1, on_signal, 0);
	for (int i = 0; i < 3; i++)
		guest_thread_start(&t[i], sleeper, NULL);
	for (int i = 0; i < 3; i++) {
		target = t[i].id;
		told = 0;
		CHECK_EQ(sys(SYS_thr_kill, t[i].id, SIGUSR1), 0);
		while (told == 0)
			guest_sleep_ms(1);
		CHECK_EQ(who, 1);
	}
	CHECK_EQ(sys(SYS_thr_kill2, sys(SYS_getpid), t[1].id, 0), 0);
	gate = 1;
	for (int i = 0; i < 3; i++)
		guest_thread_join(&t[i]);
	CHECK_ERR(sys(SYS_thr_kill, t[1].id, SIGUSR1), ESRCH);
}

/* Masks are each thread's own; a signal to the process goes to one that takes it. */
static void
taker(void *unused)
{
	sigset_t none = { { 0 } };

	(void)unused;
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL), 0);
	CHECK_EQ(sys(SYS_thr_self, &target), 0);
	gate = 1;
	while (told == 0)
		guest_sleep_ms(5);
}

TEST(signal_to_the_process)
{
	struct guest_thread t;
	sigset_t set = { { 1U << (SIGUSR1 - 1) } };

	guest_handle(SIGUSR1, on_signal, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	guest_thread_start(&t, taker, NULL);
	while (gate == 0)
		guest_sleep_ms(1);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	guest_thread_join(&t);
	CHECK_EQ(told, SIGUSR1);
	CHECK_EQ(who, 1);
}

static void
suspended(void *argument)
{
	volatile long *result = argument;
	struct timespec t = { 0, 20000000 };

	/* Times out, then is woken, then finds a wake-up that came before. */
	result[0] = sys(SYS_thr_suspend, &t);
	result[1] = sys(SYS_thr_suspend, NULL);
	while (gate == 0)
		sys(SYS_sched_yield);
	result[2] = sys(SYS_thr_suspend, NULL);
}

TEST(suspend_and_wake)
{
	struct guest_thread t;
	static volatile long result[3] = { 1, 1, 1 };

	guest_thread_start(&t, suspended, (void *)result);
	while (result[0] == 1)
		guest_sleep_ms(5);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_thr_wake, t.id), 0);
	while (result[1] == 1)
		guest_sleep_ms(5);
	CHECK_EQ(sys(SYS_thr_wake, t.id), 0);
	gate = 1;
	guest_thread_join(&t);
	CHECK_EQ(result[0], -ETIMEDOUT);
	CHECK_EQ(result[1], 0);
	CHECK_EQ(result[2], 0);
	CHECK_ERR(sys(SYS_thr_wake, 0x7ffffff0), ESRCH);
}

TEST(names)
{
	long self;

	CHECK_EQ(sys(SYS_thr_self, &self), 0);
	CHECK_EQ(sys(SYS_thr_set_name, self, "worker"), 0);
	CHECK_EQ(sys(SYS_thr_set_name, self, "a name that is longer than any that Linux takes"), 0);
	CHECK_ERR(sys(SYS_thr_set_name, 0x7ffffff0, "x"), ESRCH);
	CHECK_ERR(sys(SYS_thr_set_name, self, 8), EFAULT);
}

static void
exit_process(void *unused)
{
	(void)unused;
	guest_sleep_ms(10);
	guest_exit(61);
}

TEST(exit_takes_all)
{
	int pid = guest_fork();

	if (pid == 0) {
		struct guest_thread t[3];
		guest_thread_start(&t[0], sleeper, NULL);
		guest_thread_start(&t[1], sleeper, NULL);
		guest_thread_start(&t[2], exit_process, NULL);
		for (;;)
			guest_sleep_ms(1000);
	}
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 61);
}

/* The first thread may leave while others go on; the process ends with the last. */
static void
survivor(void *unused)
{
	(void)unused;
	guest_sleep_ms(30);
	guest_exit(62);
}

TEST(first_thread_leaves)
{
	int pid = guest_fork();

	if (pid == 0) {
		static struct guest_thread t;
		guest_thread_start(&t, survivor, NULL);
		sys(SYS_thr_exit, NULL);
		guest_exit(1);
	}
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 62);
}

/* fork from a thread: the child has this one thread, and its thread pointer. */
static void
forker(void *argument)
{
	volatile int *failures = argument;
	u64 fs;

	for (int i = 0; i < 10; i++) {
		int pid = guest_fork();
		if (pid == 0) {
			struct guest_thread t;
			__asm__ volatile("rdfsbase %0" : "=r"(fs));
			u64 asked = 0;
			CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &asked), 0);
			CHECK_EQ(fs, asked);
			CHECK_NE(fs, 0);
			/* It can make threads of its own. */
			guest_thread_start(&t, increment, (void *)&counter);
			guest_thread_join(&t);
			guest_exit(0);
		}
		if (guest_wait(pid) != 0)
			__atomic_add_fetch(failures, 1, __ATOMIC_SEQ_CST);
	}
}

TEST(fork_from_threads)
{
	struct guest_thread t[4];
	static volatile int failures;

	for (int i = 0; i < 4; i++)
		guest_thread_start(&t[i], forker, (void *)&failures);
	for (int i = 0; i < 4; i++)
		guest_thread_join(&t[i]);
	CHECK_EQ(failures, 0);
}

static volatile int storm_count;

static void
storm_handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	__atomic_add_fetch(&storm_count, 1, __ATOMIC_SEQ_CST);
}

/* A timer storm over threads that work, begin and end. */
TEST(storm)
{
	struct itimerval timer = { { 0, 300 }, { 0, 300 } };
	struct guest_thread t[4], brief;
	long until = guest_now_ms() + 400;

	guest_handle(SIGALRM, storm_handler, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	while (guest_now_ms() < until) {
		for (int i = 0; i < 4; i++)
			guest_thread_start(&t[i], calls, (void *)(long)i);
		for (int k = 0; k < 20; k++) {
			guest_thread_start(&brief, increment, (void *)&counter);
			guest_thread_join(&brief);
		}
		for (int i = 0; i < 4; i++)
			guest_thread_join(&t[i]);
	}
	CHECK(storm_count > 50);
}

TEST(yield)
{
	CHECK_EQ(sys(SYS_sched_yield), 0);
}

static int pipe_[2];
static volatile int handled;

static void
count_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void
read_one(void *argument)
{
	char c;
	long got;

	(void)argument;
	do
		got = sys(SYS_read, pipe_[0], &c, 1);
	while (got == -EINTR);
	CHECK_EQ(got, 1);
}

/* A signal that is sent to a thread before its first instruction is handled then, not when it makes some other call. */
TEST(signal_at_birth)
{
	struct guest_thread t;

	CHECK_EQ(sys(SYS_pipe2, pipe_, 0), 0);
	guest_handle(SIGUSR1, count_signal, 0);
	for (int i = 0; i < 300; i++) {
		guest_thread_start(&t, read_one, NULL);
		CHECK_EQ(sys(SYS_thr_kill, t.id, SIGUSR1), 0);
		long begun = guest_now_ms();
		while (handled <= i && guest_now_ms() - begun < 5000)
			sys(SYS_sched_yield);
		CHECK_EQ(handled, i + 1);
		CHECK_EQ(sys(SYS_write, pipe_[1], "x", 1), 1);
		guest_thread_join(&t);
	}
}

static void
until_handled(void *argument)
{
	long begun = guest_now_ms();

	while (handled <= (int)(long)argument && guest_now_ms() - begun < 5000)
		guest_sleep_ms(1);
}

/* The same for the signals of faults, which come even while the thread is being made. On one processor, and by rank, a
 * new thread does not run before its maker sleeps. */
TEST(fault_at_birth)
{
	struct guest_thread t;
	struct rtprio rank = { .type = RTP_PRIO_FIFO, .prio = RTP_PRIO_MAX };
	cpuset_t set;
	long *words = (long *)&set;
	size_t i = 0;

	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(set), &set), 0);
	while (words[i] == 0)
		i++;
	words[i] &= -words[i];
	memset(&words[i + 1], 0, sizeof(set) - (i + 1) * sizeof(long));
	CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1L, sizeof(set), &set), 0);
	sys(SYS_rtprio_thread, RTP_SET, 0, &rank);	/* where it may; else that is likely */
	guest_handle(SIGSEGV, count_signal, 0);
	guest_handle(SIGBUS, count_signal, 0);
	for (int k = 0; k < 100; k++) {
		guest_thread_start(&t, until_handled, (void *)(long)k);
		CHECK_EQ(sys(SYS_thr_kill, t.id, k % 2 ? SIGSEGV : SIGBUS), 0);
		guest_thread_join(&t);
		CHECK_EQ(handled, k + 1);
	}
}

/* Programs for tests/test_tracing.py to look at and to change; each TEST works without a tracer too. */
#include "guest.h"

/* What a call gave: "NAME 5", "NAME -2". On descriptor 2, for a tracer may meddle with the others. */
static void
report(const char *name, long value)
{
	warn_("%s %d\n", name, (int)value);
}

HELPER(results)
{
	char buf[16] = "";
	int fd;

	report("write", sys(SYS_write, 1, "data\n", 5));
	fd = (int)sys(SYS_open, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	report("open", fd);
	report("missing", sys(SYS_open, "missing", O_RDONLY));
	report("pwrite", sys(SYS_pwrite, fd, "hello", 5, 3));
	report("pread", sys(SYS_pread, fd, buf, 5, 3));
	warn_("buffer %s\n", buf);
	report("lseek", sys(SYS_lseek, fd, 0, SEEK_END));
	report("mmap", (long)sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0) > 0);
	report("getppid", sys(SYS_getppid) > 0);
	report("indirect", sys(SYS___syscall, SYS_lseek, fd, 2, SEEK_SET));
	report("close", sys(SYS_close, fd));
}

TEST(calls)
{
	CHECK_ERR(sys(SYS_open, "missing", O_RDONLY), ENOENT);
}

/* After a call the registers of the arguments are what they were, whatever a tracer made of them. */
TEST(registers)
{
	u64 rdi = 4000, rsi = 0x1111, rdx = 2, number = SYS_lseek;
	register u64 r8 __asm__("r8") = 0x8888;
	register u64 r9 __asm__("r9") = 0x9999;
	register u64 r12 __asm__("r12") = 0xc12;
	u8 carry;

	__asm__ volatile("syscall\n\tsetc %0"
	    : "=r"(carry), "+a"(number), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9), "+r"(r12)
	    :
	    : "rcx", "r11", "r10", "memory", "cc");
	report("number", (long)number);
	CHECK_EQ(rdi, 4000);
	CHECK_EQ(rsi, 0x1111);
	CHECK_EQ(rdx, 2);
	CHECK_EQ(r12, 0xc12);
	report("carry", carry);
}

static volatile int seen[130];

static void
count(int signo, siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	seen[signo]++;
}

HELPER(signals)
{
	int pid = (int)sys(SYS_getpid);

	guest_handle(SIGUSR1, count, 0);
	guest_handle(SIGUSR2, count, 0);
	guest_handle(100, count, 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(sys(SYS_kill, pid, 100), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGWINCH), 0);
	report("usr1", seen[SIGUSR1]);
	report("usr2", seen[SIGUSR2]);
	report("rt35", seen[100]);
}

/* A wait that a signal comes into, and that its byte ends later; `restart` or not. */
HELPER(waits)
{
	struct itimerval t = { { 0, 0 }, { 0, 50000 } };
	int ends[2];
	char c;
	long got;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	guest_handle(SIGALRM, count, guest_argc > 2 ? SA_RESTART : 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(400);
		sys(SYS_write, ends[1], "x", 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
	got = sys(SYS_read, ends[0], &c, 1);
	report("read", got);
	report("alarms", seen[SIGALRM]);
	if (got < 0)
		CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	guest_wait(pid);
}

/* Many signals into many calls: what is shown of each call must fit together. */
TEST(storm)
{
	struct itimerval t = { { 0, 700 }, { 0, 700 } }, none = { { 0, 0 }, { 0, 0 } };
	long calls = 0;

	guest_handle(SIGALRM, count, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
	while (seen[SIGALRM] < 100) {
		CHECK_ERR(sys(SYS_close, 4000), EBADF);
		CHECK(sys(SYS_getppid) > 0);
		calls++;
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &none, NULL), 0);
	report("loops", calls);
}

long __attribute__((noinline, used))
target(long a, long b)
{
	__asm__ volatile("" : : : "memory");
	return (a * 2 + b);
}

TEST(breakpoint)
{
	CHECK_EQ(target(1, 2), 4);
	CHECK_EQ(target(10, 3), 23);
	CHECK_EQ(target(100, 4), 204);
}

static void
call_target(void *argument)
{
	for (long i = 0; i < 50; i++)
		CHECK_EQ(target(i, (long)argument), 2 * i + (long)argument);
}

TEST(breakpoint_threads)
{
	struct guest_thread a, b;

	guest_thread_start(&a, call_target, (void *)1);
	guest_thread_start(&b, call_target, (void *)2);
	call_target((void *)3);
	guest_thread_join(&a);
	guest_thread_join(&b);
}

TEST(breakpoint_children)
{
	int pid = guest_fork();

	if (pid == 0)
		guest_exit((int)target(1, 5));
	CHECK_EQ(guest_wait(pid), 7 << 8);
	CHECK_EQ(target(2, 5), 9);
}

HELPER(fault)
{
	*(volatile int *)0x10 = 1;
}

HELPER(sleep)
{
	int pid = guest_fork();

	for (;;)
		guest_sleep_ms(100);
	guest_wait(pid);
}

HELPER(busy)
{
	int pid = guest_fork();

	for (volatile long i = 0;; i++)
		;
	guest_wait(pid);
}

HELPER(exec)
{
	char *env[] = { NULL };

	CHECK_ERR(sys(SYS_execve, guest_argv[2], &guest_argv[2], env), 0);
}

HELPER(executed)
{
	guest_exit(7);
}

static void
nothing(void *argument __attribute__((unused)))
{
	CHECK_ERR(sys(SYS_close, 4001), EBADF);
}

TEST(family)
{
	char *args[] = { guest_argv[0], "@executed", NULL }, *env[] = { NULL };
	struct guest_thread t;
	int pid = guest_fork();
	long number = SYS_vfork;

	if (pid == 0)
		guest_exit(3);
	CHECK_EQ(guest_wait(pid), 3 << 8);
	guest_thread_start(&t, nothing, NULL);
	guest_thread_join(&t);
	__asm__ volatile("syscall" : "+a"(number) : : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	if (number == 0) {
		sys(SYS_execve, args[0], args, env);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait((int)number), 7 << 8);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_kill, sys(SYS_getpid), SIGBUS);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid) & 0x7f, SIGBUS);
}

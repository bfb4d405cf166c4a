/*
 * The other ways into a kernel: int 0x80, sysenter, code of other segments, Linux's pages, and jumps into LSF itself.
 * None of them makes a call of Linux's; what cannot run has an end that says so.
 */
#include "guest.h"
#include <sys/socket.h>

/* ------------------------------------------------------------------ int 0x80 */

/*
 * FreeBSD/amd64 has the gate of i386's calls open to 64-bit code too, and takes the call from the same table and the
 * same registers, but for the fourth argument, which is in rcx: int0x80_syscall in sys/amd64/ia32/ia32_exception.S,
 * cpu_fetch_syscall_args in sys/amd64/amd64/trap.c. (Go called so for some years.)
 */
static long
by_interrupt(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	u8 carry;

	__asm__ volatile("int $0x80\n\tsetc %0"
	    : "=r"(carry), "+a"(number), "+d"(c), "+c"(d), "+r"(r8), "+r"(r9), "+D"(a), "+S"(b)
	    :
	    : "r10", "r11", "memory", "cc");
	return (carry ? -number : number);
}

/* judge: own, where a kernel has 32-bit programs and LSF has none */
TEST(interrupt_is_a_call)
{
	struct stat st;

	for (int i = 0; i < 100; i++) {
		CHECK_EQ(by_interrupt(SYS_getppid, 0, 0, 0, 0, 0, 0), sys(SYS_getppid));
		CHECK_EQ(by_interrupt(SYS_issetugid, 0, 0, 0, 0, 0, 0), sys(SYS_issetugid));
	}
	CHECK_EQ(by_interrupt(SYS_close, 77, 0, 0, 0, 0, 0), -EBADF);
	CHECK_EQ(by_interrupt(SYS_read, 77, 0, 0, 0, 0, 0), -EBADF);
	/* Six arguments, the fourth among them: flags of mmap; and of fstatat, where it is the last. */
	u64 at = (u64)by_interrupt(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1UL, 0);
	CHECK(!FAILED(at));
	*(volatile char *)at = 1;
	CHECK_EQ(by_interrupt(SYS_symlink, (u64)"missing", (u64)"doors-link", 0, 0, 0, 0), 0);
	CHECK_EQ(by_interrupt(SYS_fstatat, AT_FDCWD, (u64)"doors-link", (u64)&st, 0, 0, 0), -ENOENT);
	CHECK_EQ(by_interrupt(SYS_fstatat, AT_FDCWD, (u64)"doors-link", (u64)&st, AT_SYMLINK_NOFOLLOW, 0, 0), 0);
	CHECK_EQ(by_interrupt(SYS_unlink, (u64)"doors-link", 0, 0, 0, 0, 0), 0);
	int pid = (int)by_interrupt(SYS_fork, 0, 0, 0, 0, 0, 0);
	if (pid == 0)
		by_interrupt(SYS_exit, 21, 0, 0, 0, 0, 0);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 21);
	/* exit is 1 for i386 Linux too, whose argument is in ebx. */
	pid = guest_fork();
	if (pid == 0)
		__asm__ volatile("mov $42, %%ebx\n\tint $0x80" : : "a"(1), "D"(22) : "rbx");
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 22);
}

static volatile int alarms;

static void
on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	alarms++;
}

/* Interrupted, it is begun anew with all its arguments; the fourth is the flags of recvfrom. */
/* judge: own, where a kernel has 32-bit programs and LSF has none */
TEST(interrupt_restarts)
{
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, off = { { 0, 0 }, { 0, 0 } };
	char data[8] = "";
	int s[2], pid;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_write, s[1], "ab", 2), 2);
	guest_handle(SIGALRM, on_alarm, SA_RESTART);
	pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(300);
		CHECK_EQ(sys(SYS_write, s[1], "cd", 2), 2);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_recvfrom, s[0], data, 2, MSG_PEEK, NULL, NULL), 2);
	CHECK_EQ(sys(SYS_recvfrom, s[0], data, 2, 0, NULL, NULL), 2);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_EQ(by_interrupt(SYS_recvfrom, (u64)s[0], (u64)data, 2, MSG_PEEK, 0, 0), 2);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &off, NULL), 0);
	CHECK_EQ(memcmp(data, "cd", 2), 0);
	CHECK_BETWEEN(alarms, 2, 100);
	CHECK_EQ(sys(SYS_recvfrom, s[0], data, 2, MSG_DONTWAIT, NULL, NULL), 2);	/* it was a look */
	CHECK_EQ(guest_wait(pid), 0);
}

/* ------------------------------------------------------------------ other code */

#define LOW 0x30000000UL		/* code and stack of 32 bits */

/* A child that executes this code; its wait status. The code gets eax and ebx. With `wide` it is 64-bit code. */
static int
run_code(const void *code, size_t size, int wide, u32 eax, u32 ebx)
{
	struct itimerval timer = { { 0, 0 }, { 0, 500000 } };
	struct rlimit none = { 0, 0 };
	int pid = guest_fork();

	if (pid != 0)
		return (guest_wait(pid));
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_EQ(sys(SYS_mmap, LOW, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), LOW);
	memcpy((void *)LOW, code, size);
	if (wide)
		__asm__ volatile("mov %2, %%rsp\n\tjmp *%3" : : "a"(eax), "b"(ebx), "r"(LOW + 65536 - 64), "r"(LOW), "D"(7) : "memory");
	else
		__asm__ volatile("mov %2, %%rsp\n\tpush $0x23\n\tpush %3\n\tlretq"
		    : : "a"(eax), "b"(ebx), "r"(LOW + 65536 - 64), "r"(LOW) : "memory");
	__builtin_unreachable();
}

/* Ends by one of two signals, and has not exited, above all not with 42, which is what i386 Linux would do. */
#define ENDS_BY(status, one, other) do { \
	int status_ = (status); \
	if (!WIFSIGNALED(status_) || (WTERMSIG(status_) != (one) && WTERMSIG(status_) != (other))) { \
		warn_("%s:%d: wait status %x\n", __FILE__, __LINE__, (u64)status_); \
		guest_exit(1); \
	} \
} while (0)

/* Linux's selector of 32-bit code; whether a processor knows syscall and sysenter there depends on its maker. */
/* judge: own, where a kernel has 32-bit programs and LSF has none */
TEST(calls_of_32_bit_code)
{
	static const u8 by_syscall[] = { 0x0f, 0x05, 0x0f, 0x0b }, by_int[] = { 0xcd, 0x80, 0x0f, 0x0b },
	    by_sysenter[] = { 0x89, 0xe5, 0x0f, 0x34, 0x0f, 0x0b };

	for (int i = 0; i < 3; i++) {
		ENDS_BY(run_code(by_int, sizeof(by_int), 0, i == 0 ? 1 : i == 1 ? 252 : 20, 42), SIGSYS, SIGSYS);
		ENDS_BY(run_code(by_syscall, sizeof(by_syscall), 0, i == 0 ? 1 : i == 1 ? 252 : 20, 42), SIGSYS, SIGILL);
		ENDS_BY(run_code(by_sysenter, sizeof(by_sysenter), 0, i == 0 ? 1 : i == 1 ? 252 : 20, 42), SIGSYS, SIGILL);
	}
}

static volatile int after_fault;

static void
on_fault(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	CHECK_OK(sys(SYS_getppid));
	guest_exit(after_fault + signo);
}

/* A signal in 32-bit code has a handler in 64-bit code, as sendsig in sys/amd64/amd64/exec_machdep.c sets tf_cs. */
/* judge: own, where a kernel has 32-bit programs and LSF has none */
TEST(signals_of_32_bit_code)
{
	static const u8 undefined[] = { 0x0f, 0x0b }, reads_0[] = { 0xa1, 0, 0, 0, 0 }, loops[] = { 0xeb, 0xfe };

	after_fault = 100;
	guest_handle(SIGILL, on_fault, 0);
	guest_handle(SIGBUS, on_fault, 0);
	guest_handle(SIGALRM, on_fault, 0);
	CHECK_EQ(WEXITSTATUS(run_code(undefined, sizeof(undefined), 0, 0, 0)), 100 + SIGILL);
	CHECK_EQ(run_code(reads_0, sizeof(reads_0), 0, 0, 0), (100 + SIGBUS) << 8);	/* %ds is null */
	CHECK_EQ(WEXITSTATUS(run_code(loops, sizeof(loops), 0, 0, 0)), 100 + SIGALRM);
}

TEST(sysenter_in_64_bit_code)
{
	static const u8 code[] = { 0x48, 0x89, 0xe5, 0x0f, 0x34, 0x0f, 0x0b };
	int status = run_code(code, sizeof(code), 1, 1, 42);

	CHECK(WIFSIGNALED(status));
	CHECK_NE(WTERMSIG(status), SIGALRM);
	CHECK_NE(WTERMSIG(status), SIGABRT);
}

/* ------------------------------------------------------------------ Linux's pages */

/*
 * Linux's vsyscall page, where FreeBSD has its kernel. Where a filter sees its calls they are faults; without one Linux
 * answers, if it has the page, with the time of day, and nothing can be done. In no case is it another call.
 */
TEST(vsyscall_page)
{
	struct timeval now, told = { 0, 0 };
	int pid = guest_fork(), status;

	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		long result;

		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
		__asm__ volatile("call *%1" : "=a"(result) : "r"(0xffffffffff600000UL), "D"(&told), "S"(0) : "rcx", "r11", "memory");
		CHECK_EQ(sys(SYS_gettimeofday, &now, NULL), 0);
		CHECK_EQ(result, 0);
		CHECK_BETWEEN(told.tv_sec, now.tv_sec - 5, now.tv_sec);
		guest_exit(33);
	}
	status = guest_wait(pid);
	if (WIFSIGNALED(status))
		ENDS_BY(status, SIGSEGV, SIGSYS);
	else
		CHECK_EQ(WEXITSTATUS(status), 33);
}

static char maps[1 << 18];

/* The syscall in Linux's vDSO, to which it falls back: from a program it is FreeBSD's exit, for Linux a write. */
/* judge: own, the doors are Linux's */
TEST(vdso)
{
	static char code[65536];
	u64 start = 0, end = 0;
	size_t n = 0;
	long got;
	int fd = (int)sys(SYS_open, "/proc/self/maps", O_RDONLY), found = 0;

	if (fd < 0)
		SKIP("there is no /proc of Linux's");
	while (n + 1 < sizeof(maps) && (got = sys(SYS_read, fd, maps + n, sizeof(maps) - 1 - n)) > 0)
		n += (size_t)got;
	for (char *line = maps; *line != '\0';) {
		char *next = line;

		while (*next != '\0' && *next != '\n')
			next++;
		if (next - line > 6 && memcmp(next - 6, "[vdso]", 6) == 0) {
			for (start = 0; *line != '-'; line++)
				start = start * 16 + (u64)(*line <= '9' ? *line - '0' : *line - 'a' + 10);
			for (end = 0, line++; *line != ' '; line++)
				end = end * 16 + (u64)(*line <= '9' ? *line - '0' : *line - 'a' + 10);
		}
		line = *next == '\n' ? next + 1 : next;
	}
	if (start == 0 || end - start > sizeof(code))
		SKIP("there is no vDSO");
	memcpy(code, (void *)start, end - start);
	for (u64 i = 0; i + 1 < end - start; i++) {
		if (code[i] != 0x0f || code[i + 1] != 0x05)
			continue;
		int pid = guest_fork();
		if (pid == 0) {
			__asm__ volatile("jmp *%0" : : "r"(start + i), "a"(SYS_exit), "D"(77), "S"(maps), "d"(0) : "memory");
			__builtin_unreachable();
		}
		CHECK_EQ(guest_wait(pid), 77 << 8);
		found++;
	}
	CHECK(found > 0);
}

/* ------------------------------------------------------------------ jumps into LSF */

#define WINDOW 0x6ffff0000000UL

static u64 seed = 1;

static u64
random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed);
}

/* What a child that jumps there with these registers says, and how it ends. Its words are in a file. */
static int
jump(u64 at, const u64 *r, int log)
{
	register u64 target __asm__("r11");
	int pid = guest_fork(), status = -1;

	if (pid == 0) {
		struct itimerval timer = { { 0, 100000 }, { 0, 100000 } };
		struct rlimit none = { 0, 0 }, some = { 3, 3 };

		sys(SYS_setrlimit, RLIMIT_CORE, &none);
		sys(SYS_setrlimit, RLIMIT_CPU, &some);
		sys(SYS_dup2, log, 2);
		sys(SYS_dup2, log, 1);
		sys(SYS_setitimer, ITIMER_REAL, &timer, NULL);
		target = at;
		__asm__ volatile("mov 0(%0), %%rbx\n\tmov 8(%0), %%rcx\n\tmov 16(%0), %%rdx\n\tmov 24(%0), %%rsi\n\t"
		    "mov 32(%0), %%rdi\n\tmov 40(%0), %%rbp\n\tmov 48(%0), %%r8\n\tmov 56(%0), %%r9\n\tmov 64(%0), %%r10\n\t"
		    "mov 72(%0), %%r12\n\tmov 80(%0), %%r13\n\tmov 88(%0), %%r14\n\tmov 96(%0), %%r15\n\t"
		    "mov 104(%0), %%rax\n\tjmp *%%r11"
		    : : "a"(r), "r"(target) : "memory");
		__builtin_unreachable();
	}
	for (int i = 0; i < 4000 && sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0; i++)
		guest_sleep_ms(i < 10 ? 0 : 1);
	if (status == -1) {
		CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
		(void)guest_wait(pid);
		warn_("a jump to %x hangs\n", at);
	}
	return (status);
}

static char words[4096];

static void
jumps(const u64 *places, int count)
{
	int log = (int)CHECK_OK(sys(SYS_open, "doors-log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600)), bugs = 0, hangs = 0;
	u64 r[14];

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < 14; j++)
			r[j] = random_word();
		r[1] = i % 3 == 0 ? r[1] : i % 3 == 1 ? 0 : (u64)jump;	/* rcx, to which a call returns */
		CHECK_EQ(sys(SYS_ftruncate, log, 0), 0);
		hangs += jump(places[i], r, log) == -1;
		long n = sys(SYS_pread, log, words, sizeof(words) - 1, 0);
		words[n < 0 ? 0 : n] = '\0';
		for (const char *at = words; *at != '\0'; at++)
			if (guest_starts(at, "a bug in LSF")) {
				warn_("a jump to %x: %s", places[i], words);
				bugs++;
				break;
			}
	}
	CHECK_EQ(sys(SYS_close, log), 0);
	CHECK_EQ(sys(SYS_unlink, "doors-log"), 0);
	CHECK_EQ(hangs, 0);
	CHECK_EQ(bugs, 0);
}

/* The bytes of the ways in: every fourth, of which another run takes others, or all with LSF_TEST_STRESS=full. */
TEST(jumps_to_the_entry)
{
	static u64 places[0x600];
	int count = 0, step = guest_env("LSF_TEST_STRESS") != NULL ? 1 : 4;
	struct timespec now;

	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	for (int i = (int)(now.tv_nsec / 1000 % step); i < 0x600; i += step)
		places[count++] = WINDOW + (u64)i;
	jumps(places, count);
}

TEST(jumps_into_the_window)
{
	static u64 places[600];
	int count = guest_env("LSF_TEST_STRESS") != NULL ? 600 : 200;

	for (int i = 0; i < count; i++)
		places[i] = WINDOW + (i % 3 ? 0x600 + random_word() % 0xfa00 : 0x10000 + random_word() % 0x50000);
	jumps(places, count);
	CHECK_OK(sys(SYS_getppid));
}

/* ------------------------------------------------------------------ addresses */

/* LSF's memory is not the program's to name: nothing is mapped there, on FreeBSD. */
TEST(its_memory_is_not_written)
{
	/* the window, the data, an area's stacks and its struct, the heap */
	static const u64 places[] = { WINDOW, WINDOW + 0x800, 0x6ffff0110000, 0x6ffff0110600, 0x6ffff0140000 + 0x1fb00,
	    0x6ffff0140000 + 0x1f000, 0x700030800000, 0x700fffffff00 };
	int fds[2], zero = (int)CHECK_OK(sys(SYS_open, "/dev/zero", O_RDONLY));
	int file = (int)CHECK_OK(sys(SYS_open, "doors-data", O_RDWR | O_CREAT, 0600)), timer;
	char room[64];

	CHECK_EQ(sys(SYS_pwrite, file, room, 64, 0), 64);
	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	CHECK_EQ(sys(SYS_ktimer_create, CLOCK_MONOTONIC, NULL, &timer), 0);
	for (int i = 0; i < 3 * 8; i++) {
		u64 at = places[i % 8];

		CHECK_ERR(sys(SYS_read, zero, at, 64), EFAULT);
		CHECK_ERR(sys(SYS_pread, file, at, 64, 0), EFAULT);
		CHECK_ERR(sys(SYS_getrusage, RUSAGE_SELF, at), EFAULT);
		CHECK_ERR(sys(SYS_getitimer, ITIMER_REAL, at), EFAULT);
		CHECK_ERR(sys(SYS_getrandom, at, 64, 0), EFAULT);
		CHECK_ERR(sys(SYS_ktimer_gettime, timer, at), EFAULT);
		CHECK_ERR(sys(SYS_clock_gettime, CLOCK_REALTIME, at), EFAULT);
		CHECK_ERR(sys(SYS_fstat, file, at), EFAULT);
		CHECK_ERR(sys(SYS_read, 99, at, 64), EBADF);
	}
	CHECK_EQ(sys(SYS_read, zero, 0x700000000000UL - 4096, 0), 0);
	CHECK_EQ(sys(SYS_unlink, "doors-data"), 0);
}

static void
nothing_to_do(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

/* A stack pointer that lies in the shim's own stacks, beneath its data, or in nothing: what fails or comes then is the program's, and ends it as with any stack
 * that cannot be written (sys/amd64/amd64/exec_machdep.c, sendsig). */
/* judge: own, such addresses are the shim's */
TEST(a_stack_of_the_shim_s)
{
	static const int ends_[] = { SIGSEGV, SIGILL, SIGTRAP, SIGUSR1, 0, SIGILL };
	int log = (int)CHECK_OK(sys(SYS_open, "doors-log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600)), status, pid;

	for (u64 at = WINDOW + 0x140000 - 8; at < WINDOW + 0x140000 + 3 * 0x20000; at += 0xff8) {
		for (int i = 0; i < (int)nitems(ends_); i++) {
			pid = guest_fork();
			if (pid == 0) {
				struct rlimit none = { 0, 0 };

				CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
				CHECK_EQ(sys(SYS_dup2, log, 2), 2);
				if (i == 5)
					guest_handle(SIGSEGV, nothing_to_do, 0);
				switch (i) {
				case 0:
				case 5:
					__asm__ volatile("mov %0, %%rsp\n\tmovb $1, 8" : : "r"(at) : "memory");
				case 1:
					__asm__ volatile("mov %0, %%rsp\n\tud2" : : "r"(at) : "memory");
				case 2:
					__asm__ volatile("mov %0, %%rsp\n\tint3\n\tud2" : : "r"(at) : "memory");
				case 3:
					__asm__ volatile("mov %1, %%rsp\n\tmov $37, %%eax\n\tmov %0, %%edi\n\tmov $30, %%esi\n\tsyscall\n\tud2"
					    : : "r"((int)sys(SYS_getpid)), "r"(at) : "rax", "rdi", "rsi", "rcx", "r11", "memory");
				default:
					__asm__ volatile("mov %0, %%rsp\n\tmov $20, %%eax\n\tsyscall\n\tmov $1, %%eax\n\txor %%edi, %%edi\n\tsyscall"
					    : : "r"(at) : "rax", "rdi", "rcx", "r11", "memory");
				}
				__builtin_unreachable();
			}
			status = guest_wait(pid);
			if (status != ends_[i] && (status & 0x7f) != SIGSEGV) {
				warn_("stack %x, way %d: %x\n", at, i, status);
				CHECK_EQ(status, ends_[i]);
			}
		}
	}
	long n = sys(SYS_pread, log, words, sizeof(words) - 1, 0);
	words[n < 0 ? 0 : n] = '\0';
	CHECK_STR(words, "");
	CHECK_EQ(sys(SYS_unlink, "doors-log"), 0);
}

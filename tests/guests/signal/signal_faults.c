/* Signals of the machine's own: SEGV, BUS, FPE, ILL, TRAP with FreeBSD's codes (sys/amd64/amd64/trap.c, vm_fault_trap). */
#include "guest.h"
#include <machine/trap.h>
#include <machine/ucontext.h>
#include <sys/ucontext.h>

static siginfo_t info_;
static ucontext_t context_;
static volatile int count;
static void *jump[5];

static void
catch_(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	count++;
	info_ = *info;
	context_ = *(ucontext_t *)context;
	__builtin_longjmp(jump, 1);
}

static void
unblock(void)
{
	sigset_t none = { { 0 } };

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL), 0);
}

#define FAULT(code) do { \
	if (__builtin_setjmp(jump) == 0) { \
		code; \
		CHECK(!"reached"); \
	} \
	unblock(); \
} while (0)

#define EXPECT(signo, code, trap) do { \
	CHECK_EQ(info_.si_signo, signo); \
	CHECK_EQ(info_.si_code, code); \
	CHECK_EQ(info_.si_trapno, trap); \
	CHECK_EQ(context_.uc_mcontext.mc_trapno, trap); \
} while (0)

static void
catch_all(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

	for (size_t i = 0; i < nitems(signals); i++)
		guest_handle(signals[i], catch_, 0);
}

TEST(unmapped)
{
	volatile char *bad = guest_map(4096);

	catch_all();
	CHECK_EQ(sys(SYS_munmap, bad, 4096), 0);
	for (int i = 0; i < 3; i++) {
		FAULT(*(bad + 123) = 1);
		EXPECT(SIGSEGV, SEGV_MAPERR, T_PAGEFLT);
		CHECK_EQ(info_.si_addr, bad + 123);
		CHECK_EQ(context_.uc_mcontext.mc_addr, bad + 123);
		/* The error code tells a write (2) by the user (4). */
		CHECK_EQ(context_.uc_mcontext.mc_err & 7, 6);
		FAULT((void)*bad);
		EXPECT(SIGSEGV, SEGV_MAPERR, T_PAGEFLT);
		CHECK_EQ(context_.uc_mcontext.mc_err & 7, 4);
	}
	FAULT(*(volatile char *)8 = 1);
	EXPECT(SIGSEGV, SEGV_MAPERR, T_PAGEFLT);
	CHECK_EQ(info_.si_addr, 8);
	FAULT(((void (*)(void))0x10)());
	EXPECT(SIGSEGV, SEGV_MAPERR, T_PAGEFLT);
	CHECK_EQ(info_.si_addr, 0x10);
	CHECK_EQ(context_.uc_mcontext.mc_rip, 0x10);
}

TEST(protected)
{
	volatile char *p = guest_map(8192);

	catch_all();
	CHECK_EQ(sys(SYS_mprotect, p, 4096, PROT_READ), 0);
	FAULT(p[7] = 1);
	EXPECT(SIGSEGV, SEGV_ACCERR, T_PAGEFLT);
	CHECK_EQ(info_.si_addr, p + 7);
	CHECK_EQ(sys(SYS_mprotect, p, 4096, PROT_NONE), 0);
	FAULT((void)p[9]);
	EXPECT(SIGSEGV, SEGV_ACCERR, T_PAGEFLT);
	/* Not executable. */
	p[4096] = (char)0xc3;
	FAULT(((void (*)(void))(p + 4096))());
	EXPECT(SIGSEGV, SEGV_ACCERR, T_PAGEFLT);
	CHECK_EQ(info_.si_addr, p + 4096);
}

/* The address has no meaning to the processor: a protection fault, which is SIGBUS. */
TEST(no_address)
{
	catch_all();
	FAULT(*(volatile char *)0x8000000000000000UL = 1);
	CHECK_EQ(info_.si_signo, SIGBUS);
	CHECK_EQ(info_.si_code, BUS_OBJERR);
	CHECK_EQ(info_.si_trapno, T_PROTFLT);
	FAULT(__asm__ volatile("hlt"));
	CHECK_EQ(info_.si_signo, SIGBUS);
	CHECK_EQ(info_.si_trapno, T_PROTFLT);
}

TEST(beyond_the_file)
{
	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR, 0));
	volatile char *p = (char *)CHECK_OK(sys(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

	catch_all();
	FAULT((void)p[5000]);
	EXPECT(SIGBUS, BUS_OBJERR, T_PAGEFLT);
	CHECK_EQ(info_.si_addr, p + 5000);
	/* The kernel's own access gives EFAULT. */
	CHECK_EQ(sys(SYS_pwrite, fd, "x", 1, 0), 1);
	CHECK_ERR(sys(SYS_pwrite, fd, p + 5000, 10, 0), EFAULT);
	struct stat *st = (void *)(p + 4096);
	CHECK_ERR(sys(SYS_fstat, fd, st), EFAULT);
}

TEST(arithmetic)
{
	volatile int zero = 0;
	int q;

	catch_all();
	FAULT(__asm__ volatile("xor %%edx, %%edx\n\tmov $5, %%eax\n\tidivl %1" : "=&a"(q) : "m"(zero) : "edx"));
	EXPECT(SIGFPE, FPE_INTDIV, T_DIVIDE);
	CHECK_EQ(info_.si_addr, context_.uc_mcontext.mc_rip);
}

/* SSE exceptions, unmasked. (A processor that qemu emulates raises none: no kernel there confirms it.) */
TEST(vector_arithmetic)
{
	catch_all();
	u32 mxcsr = 0x1f80 & ~0x200;	/* division by zero */
	FAULT(__asm__ volatile("ldmxcsr %0\n\tpxor %%xmm1, %%xmm1\n\tpcmpeqd %%xmm0, %%xmm0\n\tpsrld $25, %%xmm0\n\tpslld $23, %%xmm0\n\tdivps %%xmm1, %%xmm0"
	    : : "m"(mxcsr) : "xmm0", "xmm1"));
	CHECK_EQ(info_.si_signo, SIGFPE);
	CHECK_EQ(info_.si_code, FPE_FLTDIV);
	CHECK_EQ(info_.si_trapno, T_XMMFLT);
}

TEST(instructions)
{
	catch_all();
	FAULT(__asm__ volatile("ud2"));
	EXPECT(SIGILL, ILL_PRVOPC, T_PRIVINFLT);
	CHECK_EQ(info_.si_addr, context_.uc_mcontext.mc_rip);
	FAULT(__asm__ volatile("int3"));
	EXPECT(SIGTRAP, TRAP_BRKPT, T_BPTFLT);
}

TEST(single_step)
{
	catch_all();
	FAULT(__asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" : : : "memory", "cc"));
	EXPECT(SIGTRAP, TRAP_TRACE, T_TRCTRAP);
}

static void
step(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	if (++count < 2000)
		uc->uc_mcontext.mc_rflags |= 0x100;
}

/* One step comes behind the load of the number, when the site is patched too; the call itself ends the stepping. */
/* judge: own, the shim's instructions are not counted */
TEST(single_step_through_a_call)
{
	guest_handle(SIGTRAP, step, 0);
	for (int i = 0; i < 60; i++) {
		u64 a, b, pid = (u64)sys(SYS_getpid);
		__asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tmov $20, %%eax\n\tsyscall\n\tnop\n\tnop\n\tnop"
		    : "=a"(a) : : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
		__asm__ volatile("pushfq\n\tandl $0xfffffeff, (%%rsp)\n\tpopfq\n\tmov $20, %%eax\n\tsyscall"
		    : "=a"(b) : : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
		CHECK_EQ(a, pid);
		CHECK_EQ(b, pid);
	}
	CHECK_EQ(count, 60);
}

/* A handler that mends the cause returns, and the instruction is run again. */
static char *mend_page;

static void
mend(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	count++;
	CHECK_EQ(info->si_addr, mend_page + 42);
	CHECK_EQ(sys(SYS_mprotect, mend_page, 4096, PROT_READ | PROT_WRITE), 0);
}

TEST(mended)
{
	mend_page = guest_map(4096);
	guest_handle(SIGSEGV, mend, 0);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(sys(SYS_mprotect, mend_page, 4096, PROT_NONE), 0);
		((volatile char *)mend_page)[42] = (char)i;
		CHECK_EQ(count, i + 1);
		CHECK_EQ(mend_page[42], (char)i);
	}
}

static void
skip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	count++;
	uc->uc_mcontext.mc_rip += 2;	/* ud2 */
	uc->uc_mcontext.mc_rax = 0x77;
}

TEST(skipped)
{
	u64 rax = 1;

	guest_handle(SIGILL, skip, 0);
	__asm__ volatile("ud2" : "+a"(rax));
	CHECK_EQ(count, 1);
	CHECK_EQ(rax, 0x77);
}

/* Stack overflow: only a handler on another stack can run. */
static volatile int depth;

static int __attribute__((noinline))
recurse(volatile char *above)
{
	volatile char room[4096];

	room[0] = *above;
	if (++depth > 1 << 30)
		return (0);
	return (recurse(room) + room[0]);
}

TEST(stack_overflow)
{
	stack_t stack = { .ss_sp = guest_map(65536), .ss_size = 65536 };
	struct rlimit rl;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_STACK, &rl), 0);
	if (rl.rlim_cur > 8L << 20) {
		rl.rlim_cur = 8L << 20;
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_STACK, &rl), 0);
	}
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	guest_handle(SIGSEGV, catch_, SA_ONSTACK);
	FAULT({
		char c = 0;
		recurse(&c);
	});
	CHECK_EQ(info_.si_signo, SIGSEGV);
	CHECK(depth > 100);
	CHECK_OK(sys(SYS_getpid));
}

/* A fault while its signal is blocked or ignored ends the process with that signal (trapsignal, sigexit). */
TEST(blocked_or_ignored)
{
	for (int how = 0; how < 2; how++) {
		int pid = guest_fork();
		if (pid == 0) {
			struct sigaction act = { .sa_handler = SIG_IGN };
			sigset_t set = { { 1U << (SIGSEGV - 1) } };
			if (how == 0)
				CHECK_EQ(sys(SYS_sigaction, SIGSEGV, &act, NULL), 0);
			else {
				guest_handle(SIGSEGV, catch_, 0);
				CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
			}
			*(volatile char *)8 = 1;
			guest_exit(5);
		}
		int status = guest_wait(pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGSEGV);
	}
}

TEST(default_action)
{
	static const struct { int signo; int how; } cases[] = { { SIGSEGV, 0 }, { SIGILL, 1 }, { SIGFPE, 2 }, { SIGTRAP, 3 }, { SIGBUS, 4 } };

	for (size_t i = 0; i < nitems(cases); i++) {
		int pid = guest_fork();
		if (pid == 0) {
			volatile int zero = 0;
			switch (cases[i].how) {
			case 0: *(volatile char *)8 = 1; break;
			case 1: __asm__ volatile("ud2"); break;
			case 2: __asm__ volatile("xor %%edx, %%edx\n\tidivl %0" : : "m"(zero), "a"(1) : "edx"); break;
			case 3: __asm__ volatile("int3"); break;
			case 4: __asm__ volatile("hlt"); break;
			}
			guest_exit(5);
		}
		int status = guest_wait(pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), cases[i].signo);
	}
}

/* A handler whose stack cannot take the frame: the process ends with SIGILL (sendsig, sigexit). */
TEST(no_room_for_the_frame)
{
	int pid = guest_fork();

	if (pid == 0) {
		guest_handle(SIGUSR1, catch_, 0);
		long self = sys(SYS_getpid);
		register long number __asm__("rax") = SYS_kill;
		__asm__ volatile("mov $0x1000, %%esp\n\tsyscall\n\thlt" : : "r"(number), "D"(self), "S"((long)SIGUSR1) : "memory");
	}
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGILL);
}

/* A bad handler address is a fault like any other, after the frame is made. */
TEST(bad_handler_address)
{
	int pid = guest_fork();

	if (pid == 0) {
		struct sigaction act;
		memset(&act, 0, sizeof(act));
		act.sa_handler = (void (*)(int))0x10;
		CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		guest_exit(5);
	}
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

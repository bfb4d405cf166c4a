/* getcontext(2), setcontext(2), swapcontext(2), and damaged contexts given to sigreturn(2). */
#include "guest.h"
#include <machine/ucontext.h>
#include <sys/ucontext.h>

ucontext_t here;
static ucontext_t there;
static char stack[65536] __attribute__((aligned(16)));
static volatile int steps;

TEST(get_and_set)
{
	volatile int rounds = 0;

	memset(&here, 0x5a, sizeof(here));
	CHECK_EQ(sys(SYS_getcontext, &here), 0);
	rounds++;
	CHECK_EQ(here.uc_mcontext.mc_len, sizeof(mcontext_t));
	CHECK_EQ(here.uc_flags, 0x5a5a5a5a);
	CHECK_EQ((u64)here.uc_link, 0x5a5a5a5a5a5a5a5aUL);
	CHECK_EQ(here.uc_mcontext.mc_rax, 0);
	if (rounds < 5) {
		sys(SYS_setcontext, &here);
		CHECK(0);
	}
	CHECK_EQ(rounds, 5);
}

TEST(mask)
{
	sigset_t set = { { 1U << (SIGUSR1 - 1), 0, 0, 1U << 3 } }, none = { { 0, 0, 0, 0 } }, now;
	volatile int rounds = 0;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &set, NULL), 0);
	CHECK_EQ(sys(SYS_getcontext, &here), 0);
	CHECK_EQ(here.uc_sigmask.__bits[0], set.__bits[0]);
	CHECK_EQ(here.uc_sigmask.__bits[3], set.__bits[3]);
	if (rounds++ == 0) {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL), 0);
		sys(SYS_setcontext, &here);
		CHECK(0);
	}
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &now), 0);
	CHECK_EQ(now.__bits[0], set.__bits[0]);
	CHECK_EQ(now.__bits[3], set.__bits[3]);
}

static void
other_side(u64 argument)
{
	CHECK_EQ(argument, 77);
	for (;;) {
		steps++;
		sys(SYS_swapcontext, &there, &here);
	}
}

/* Two stacks that take turns, as makecontext(3) has it. */
TEST(swap)
{
	u64 *top = (u64 *)(stack + sizeof(stack)) - 2;

	CHECK_EQ(sys(SYS_getcontext, &there), 0);
	top[-1] = 0;
	there.uc_mcontext.mc_rsp = (long)(top - 1);
	there.uc_mcontext.mc_rip = (long)other_side;
	there.uc_mcontext.mc_rdi = 77;
	for (int i = 1; i <= 100; i++) {
		CHECK_EQ(sys(SYS_swapcontext, &here, &there), 0);
		CHECK_EQ(steps, i);
	}
}


/* Registers that a function keeps, and the SSE registers, are the context's. */
u64 kept_registers[8];
u64 vector_register = 0x123456789abcdef0;
_Static_assert(__builtin_offsetof(ucontext_t, uc_mcontext.mc_r9) == 64, "mc_r9");
void context_registers(void);
__asm__(".text\n"
    "context_registers:\n\t"
    "push %rbp\n\t push %rbx\n\t push %r12\n\t push %r13\n\t push %r14\n\t push %r15\n\t"
    "mov $0x1111, %ebx\n\t mov $0x2222, %r12d\n\t mov $0x3333, %r13d\n\t mov $0x4444, %r14d\n\t mov $0x5555, %r15d\n\t"
    "mov $0x6666, %ebp\n\t movq vector_register(%rip), %xmm7\n\t xor %r9d, %r9d\n\t"
    "lea here(%rip), %rdi\n\t mov $421, %eax\n\t syscall\n\t"
    "test %r9d, %r9d\n\t jnz 2f\n\t"
    "movq $1, 64+here(%rip)\n\t"	/* the second time r9 is 1 */
    "xor %ebx, %ebx\n\t xor %r12d, %r12d\n\t xor %r13d, %r13d\n\t xor %r14d, %r14d\n\t xor %r15d, %r15d\n\t"
    "xor %ebp, %ebp\n\t pxor %xmm7, %xmm7\n\t"
    "lea here(%rip), %rdi\n\t mov $422, %eax\n\t syscall\n\t"
    "ud2\n"
    "2:\n\t lea kept_registers(%rip), %rcx\n\t"
    "mov %rbx, (%rcx)\n\t mov %r12, 8(%rcx)\n\t mov %r13, 16(%rcx)\n\t mov %r14, 24(%rcx)\n\t mov %r15, 32(%rcx)\n\t"
    "mov %rbp, 40(%rcx)\n\t movq %xmm7, 48(%rcx)\n\t mov %rax, 56(%rcx)\n\t"
    "pop %r15\n\t pop %r14\n\t pop %r13\n\t pop %r12\n\t pop %rbx\n\t pop %rbp\n\t ret\n");

TEST(registers)
{
	context_registers();
	for (int i = 0; i < 6; i++)
		CHECK_EQ(kept_registers[i], 0x1111 * (u64)(i + 1));
	CHECK_EQ(kept_registers[6], vector_register);
	CHECK_EQ(kept_registers[7], 0);
}

TEST(errors)
{
	CHECK_EQ(sys(SYS_getcontext, NULL), -EINVAL);
	CHECK_EQ(sys(SYS_setcontext, NULL), -EINVAL);
	CHECK_EQ(sys(SYS_swapcontext, NULL, &here), -EINVAL);
	CHECK_EQ(sys(SYS_swapcontext, &here, NULL), -EINVAL);
	CHECK_EQ(sys(SYS_getcontext, (void *)8), -EFAULT);
	CHECK_EQ(sys(SYS_setcontext, (void *)8), -EFAULT);
	CHECK_EQ(sys(SYS_swapcontext, &here, (void *)8), -EFAULT);
	CHECK_EQ(sys(SYS_getcontext, &here), 0);
	there = here;
	there.uc_mcontext.mc_len = 1;
	CHECK_EQ(sys(SYS_setcontext, &there), -EINVAL);
	there = here;
	there.uc_mcontext.mc_flags = 0x1000;
	CHECK_EQ(sys(SYS_setcontext, &there), -EINVAL);
	there = here;
	there.uc_mcontext.mc_ownedfp = 5;
	CHECK_EQ(sys(SYS_setcontext, &there), -EINVAL);
	there = here;
	there.uc_mcontext.mc_fpformat = 5;
	CHECK_EQ(sys(SYS_setcontext, &there), -EINVAL);
	CHECK_EQ(sys(SYS_sigreturn, NULL), -EFAULT);
}

/* A program may end by a bad context, as by any bad jump, but by a signal that FreeBSD would give it, never by a fault of
 * its kernel (SIGABRT is LSF's own). */
TEST(fuzz)
{
	struct rlimit none = { 0, 0 };
	u64 random = 88172645463325252UL;
	int failures = 0;

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
	for (int i = 0; i < (guest_env("LSF_TEST_STRESS") != NULL ? 300 : 100); i++) {
		u64 seed = random;
		int pid = guest_fork();
		if (pid == 0) {
			static ucontext_t bad;
			struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
			sys(SYS_setitimer, 0, &soon, NULL);
			CHECK_EQ(sys(SYS_getcontext, &bad), 0);
			u64 *words = (u64 *)&bad;
			for (int k = 0; k < 1 + i % 5; k++) {
				seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
				u64 value = seed;
				if (seed & 1 << 20)
					value = 0x6ffff0000000 + (seed & 0xffffff);	/* the shim's addresses */
				else if (seed & 1 << 21)
					value = words[seed % (sizeof(bad) / 8)] ^ 1UL << (seed >> 30 & 63);
				words[(seed >> 8) % (sizeof(bad) / 8)] = value;
			}
			bad.uc_sigmask.__bits[0] = 0;
			if (i & 1)
				sys(SYS_setcontext, &bad);
			else
				sys(SYS_sigreturn, &bad);
			guest_exit(3);
		}
		int status = guest_wait(pid);
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSEGV && WTERMSIG(status) != SIGBUS && WTERMSIG(status) != SIGILL
		    && WTERMSIG(status) != SIGTRAP && WTERMSIG(status) != SIGFPE && WTERMSIG(status) != SIGALRM) {
			warn_("round %d: status %x\n", i, (u64)status);
			failures++;
		}
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
	}
	CHECK_EQ(failures, 0);
}

/* sigaction, sigprocmask, sigaltstack with arguments of any kind: an errno or success. */
TEST(fuzz_of_arguments)
{
	static struct sigaction act;
	static stack_t alternate;
	u64 random = 362436069;

	for (int i = 0; i < 3000; i++) {
		u64 word[3];
		for (int k = 0; k < 3; k++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			word[k] = random & 3 ? random & 0xff : random;
			u64 pointers[] = { 0, (u64)&act, (u64)&alternate, random, 8, 0x6ffff0000000, ~0UL };
			if (k > 0)
				word[k] = pointers[random >> 40 & 7 ? (random >> 43) % 7 : 1];
		}
		if (word[1] == (u64)&act && word[0] != SIGALRM)
			act.sa_handler = random >> 50 & 1 ? SIG_IGN : SIG_DFL;
		act.sa_flags = (int)(random >> 20 & 0x7f);
		alternate.ss_flags = (int)(random >> 30 & 7);
		alternate.ss_size = random >> 45;
		long ret[3] = { sys(SYS_sigaction, word[0], word[1], word[2]), sys(SYS_sigprocmask, word[0], word[1], word[2]),
			sys(SYS_sigaltstack, word[1], word[2]) };
		for (int k = 0; k < 3; k++)
			CHECK(ret[k] == 0 || ret[k] == -EINVAL || ret[k] == -EFAULT || ret[k] == -ENOMEM || ret[k] == -EPERM);
	}
}

static u64 wide[4] __attribute__((aligned(32)));

/* AMD64_GET_XFPUSTATE: what follows the FXSAVE image, as libthr asks for it to complete a context. */
TEST(vector_state)
{
	static char state[16384] __attribute__((aligned(64)));
	struct { void *addr; int len; } request = { state, 0 };
	u32 a = 13, b = 0, c = 0, d = 0;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	request.len = (int)b - 512;
	CHECK_ERR(sys(SYS_sysarch, 132, 8), EFAULT);
	request.len++;
	CHECK_ERR(sys(SYS_sysarch, 132, &request), EINVAL);
	request.len = -1;
	CHECK_ERR(sys(SYS_sysarch, 132, &request), EINVAL);
	request.len = (int)b - 512;
	request.addr = (void *)8;
	CHECK_ERR(sys(SYS_sysarch, 132, &request), EFAULT);
	request.addr = state;
	u32 low;
	__asm__ volatile("xgetbv" : "=a"(low) : "c"(0) : "rdx");
	if (!(low & 4))
		SKIP("this processor has no AVX");
	for (int i = 0; i < 4; i++)
		wide[i] = 0x1111111111111111 * (u64)(i + 1);
	u64 ret = SYS_sysarch;
	__asm__ volatile("vmovdqa %1, %%ymm7\n\tsyscall" : "+a"(ret) : "m"(wide), "D"(132UL), "S"(&request)
	    : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	CHECK_EQ(ret, 0);
	CHECK((*(u64 *)state & 4) != 0);
	/* The upper halves lie where CPUID says. */
	u32 size = 13, at, sub = 2;
	__asm__ volatile("cpuid" : "+a"(size), "=b"(at), "+c"(sub), "=d"(d));
	CHECK_EQ(((u64 *)(state + at - 512))[14], wide[2]);
	CHECK_EQ(((u64 *)(state + at - 512))[15], wide[3]);
	/* A context that is completed so is gone on with, upper halves and all. */
	static volatile int rounds;
	static u64 seen[4] __attribute__((aligned(32)));
	CHECK_EQ(sys(SYS_getcontext, &here), 0);
	if (rounds++ == 0) {
		here.uc_mcontext.mc_xfpustate = (long)state;
		here.uc_mcontext.mc_xfpustate_len = request.len;
		here.uc_mcontext.mc_flags |= _MC_HASFPXSTATE;
		__asm__ volatile("vzeroall" : : : "memory");
		sys(SYS_setcontext, &here);
		CHECK(0);
	}
	__asm__ volatile("vmovdqa %%ymm7, %0" : "=m"(seen));
	CHECK_EQ(seen[2], wide[2]);
	CHECK_EQ(seen[3], wide[3]);
}

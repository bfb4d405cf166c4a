/* What a syscall leaves as it was: all registers but rax, rcx, r11 (and rdx where there is a second value), the vector
 * and x87 state, the stack's red zone. The carry flag tells success from failure. */
#include "guest.h"

struct probe {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rsp, rflags;
	u64 zone[16];
	u8 vector[16][32];
};
static struct probe probe_in __attribute__((used)), probe_out __attribute__((used));
static u64 probe_has_avx __attribute__((used));
void probe_run(void);

#define V(n) \
	"	movups probe_in+264+32*" #n "(%rip), %xmm" #n "\n"
#define VY(n) \
	"	vmovups probe_in+264+32*" #n "(%rip), %ymm" #n "\n"
#define W(n) \
	"	movups %xmm" #n ", probe_out+264+32*" #n "(%rip)\n"
#define WY(n) \
	"	vmovups %ymm" #n ", probe_out+264+32*" #n "(%rip)\n"
#define ALL(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
#define Z_IN(n) \
	"	mov probe_in+136+8*" #n "(%rip), %rax\n" \
	"	mov %rax, -8-8*" #n "(%rsp)\n"
#define Z_OUT(n) \
	"	mov -8-8*" #n "(%rsp), %rax\n" \
	"	mov %rax, probe_out+136+8*" #n "(%rip)\n"

__asm__(
    ".text\n"
    "probe_run:\n"
    "	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	cmpq $0, probe_has_avx(%rip)\n"
    "	jne 1f\n"
    ALL(V)
    "	jmp 2f\n"
    "1:\n"
    ALL(VY)
    "2:\n"
    ALL(Z_IN)
    "	mov probe_in+8(%rip), %rbx\n"
    "	mov probe_in+24(%rip), %rdx\n"
    "	mov probe_in+32(%rip), %rsi\n"
    "	mov probe_in+40(%rip), %rdi\n"
    "	mov probe_in+48(%rip), %rbp\n"
    "	mov probe_in+56(%rip), %r8\n"
    "	mov probe_in+64(%rip), %r9\n"
    "	mov probe_in+72(%rip), %r10\n"
    "	mov probe_in+88(%rip), %r12\n"
    "	mov probe_in+96(%rip), %r13\n"
    "	mov probe_in+104(%rip), %r14\n"
    "	mov probe_in+112(%rip), %r15\n"
    "	mov %rsp, probe_in+120(%rip)\n"
    "	mov probe_in+0(%rip), %rax\n"
    ".globl probe_site\n"
    "probe_site:\n"
    "	syscall\n"
    ".globl probe_after\n"
    "probe_after:\n"
    "	mov %rax, probe_out+0(%rip)\n"
    "	mov %rbx, probe_out+8(%rip)\n"
    "	mov %rcx, probe_out+16(%rip)\n"
    "	mov %rdx, probe_out+24(%rip)\n"
    "	mov %rsi, probe_out+32(%rip)\n"
    "	mov %rdi, probe_out+40(%rip)\n"
    "	mov %rbp, probe_out+48(%rip)\n"
    "	mov %r8, probe_out+56(%rip)\n"
    "	mov %r9, probe_out+64(%rip)\n"
    "	mov %r10, probe_out+72(%rip)\n"
    "	mov %r11, probe_out+80(%rip)\n"
    "	mov %r12, probe_out+88(%rip)\n"
    "	mov %r13, probe_out+96(%rip)\n"
    "	mov %r14, probe_out+104(%rip)\n"
    "	mov %r15, probe_out+112(%rip)\n"
    "	mov %rsp, probe_out+120(%rip)\n"
    ALL(Z_OUT)
    "	pushfq\n"
    "	popq probe_out+128(%rip)\n"
    "	cmpq $0, probe_has_avx(%rip)\n"
    "	jne 1f\n"
    ALL(W)
    "	jmp 2f\n"
    "1:\n"
    ALL(WY)
    "	vzeroupper\n"
    "2:\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
    "	ret\n");
_Static_assert(__builtin_offsetof(struct probe, zone) == 136 && __builtin_offsetof(struct probe, vector) == 264, "used by the assembly");

static int
has_avx(void)
{
	u32 a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if ((c & (3u << 27)) != (3u << 27))	/* AVX and OSXSAVE */
		return (0);
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return ((a & 6) == 6);
}

/* Runs one syscall with every register set to something, and compares. `second`: rdx may change. */
static void
probe(long number, u64 a, u64 b, u64 c, long want, int second)
{
	u64 seed = 0x9e3779b97f4a7c15UL * (u64)(number + 1);
	u64 *words = (u64 *)&probe_in;

	for (size_t i = 0; i < sizeof(probe_in) / 8; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		words[i] = seed;
	}
	probe_has_avx = (u64)has_avx();
	probe_in.rax = (u64)number;
	probe_in.rdi = a;
	probe_in.rsi = b;
	probe_in.rdx = c;
	memset(&probe_out, 0, sizeof(probe_out));
	probe_run();
	int failed = probe_out.rflags & 1;
	if (want < 0) {
		CHECK(failed);
		CHECK_EQ(probe_out.rax, -want);
	} else {
		if (failed)
			warn_("syscall %l failed with %u\n", number, probe_out.rax);
		CHECK(!failed);
		if (want != 0x7fffffff)
			CHECK_EQ(probe_out.rax, want);
	}
	CHECK_EQ(probe_out.rbx, probe_in.rbx);
	if (!second)
		CHECK_EQ(probe_out.rdx, probe_in.rdx);
	CHECK_EQ(probe_out.rsi, probe_in.rsi);
	CHECK_EQ(probe_out.rdi, probe_in.rdi);
	CHECK_EQ(probe_out.rbp, probe_in.rbp);
	CHECK_EQ(probe_out.rsp, probe_in.rsp);
	/* FreeBSD's kernel leaves zero in these three (exception.S), so that no program counts on them; LSF leaves them alone. */
	CHECK(probe_out.r8 == probe_in.r8 || probe_out.r8 == 0);
	CHECK(probe_out.r9 == probe_in.r9 || probe_out.r9 == 0);
	CHECK(probe_out.r10 == probe_in.r10 || probe_out.r10 == 0);
	CHECK_EQ(probe_out.r12, probe_in.r12);
	CHECK_EQ(probe_out.r13, probe_in.r13);
	CHECK_EQ(probe_out.r14, probe_in.r14);
	CHECK_EQ(probe_out.r15, probe_in.r15);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(probe_out.zone[i], probe_in.zone[i]);
	for (int i = 0; i < 16; i++)
		CHECK(memcmp(probe_out.vector[i], probe_in.vector[i], probe_has_avx ? 32 : 16) == 0);
	/* Trap flag, direction flag and alignment check stay clear. */
	CHECK_EQ(probe_out.rflags & 0x40500, 0);
}

#define ANY 0x7fffffff

TEST(pass_lane)
{
	for (int i = 0; i < 3; i++) {
		probe(SYS_getpid, 1, 2, 3, sys(SYS_getpid), 0);
		probe(SYS_getuid, 1, 2, 3, sys(SYS_getuid), 0);
		probe(SYS_umask, 022, 2, 3, ANY, 0);
		probe(SYS_lseek, 1000, 0, 0, -EBADF, 0);
	}
}

TEST(translate_lane)
{
	static struct stat st;
	static struct timespec now;

	for (int i = 0; i < 3; i++) {
		probe(SYS_open, (u64)"/", O_RDONLY | O_DIRECTORY, 0, 3, 0);
		probe(SYS_fstat, 3, (u64)&st, 0, 0, 0);
		probe(SYS_close, 3, 1, 2, 0, 0);
		probe(SYS_fstat, 3, (u64)&st, 0, -EBADF, 0);
		probe(SYS_open, (u64)"/nonexistent", O_RDONLY, 0, -ENOENT, 0);
		probe(SYS_open, 8, O_RDONLY, 0, -EFAULT, 0);
		probe(SYS_clock_gettime, CLOCK_MONOTONIC, (u64)&now, 0, 0, 0);
	}
}

TEST(refuse_lane)
{
	/* The kernel also sends SIGSYS for numbers that it does not know (kern.signosys). */
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	probe(1000, 1, 2, 3, -ENOSYS, 0);
	probe(1 << 20, 1, 2, 3, -ENOSYS, 0);
	probe(-1L, 1, 2, 3, -ENOSYS, 0);
	probe(0x7fffffffffffffffL, 1, 2, 3, -ENOSYS, 0);
}

/* The number is an int to the kernel: the upper half of rax does not count (td_frame->tf_rax is narrowed to int). */
TEST(number_is_32_bits)
{
	CHECK_EQ(guest_call(SYS_getpid | (1L << 32), 0, 0, 0, 0, 0, 0), sys(SYS_getpid));
}

TEST(blocking_call)
{
	int ends[2];
	static char buffer[16];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
		guest_exit(0);
	}
	probe(SYS_read, (u64)ends[0], (u64)buffer, 16, 1, 0);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(second_value)
{
	/* fork's child has 0 and rdx 1; the parent's rdx is 0. */
	struct sysret ret = guest_syscall(SYS_fork, 1, 2, 3, 4, 5, 6);

	CHECK(!ret.failed);
	if (ret.value == 0) {
		CHECK_EQ(ret.second, 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)ret.value), 0);
	/* pipe of FreeBSD 10 and before (freebsd10_pipe, 42) returns both descriptors in registers. */
	ret = guest_syscall(42, 0, 0, 0, 0, 0, 0);
	CHECK(!ret.failed);
	CHECK_EQ(sys(SYS_write, ret.second, "ab", 2), 2);
	char two[2];
	CHECK_EQ(sys(SYS_read, ret.value, two, 2), 2);
	CHECK(two[0] == 'a' && two[1] == 'b');
}

/* syscall(2) and __syscall(2): the real number is the first argument and all others move up by one. */
TEST(indirect)
{
	char c = 0;
	int ends[2];

	CHECK_EQ(sys(SYS_syscall, SYS_getpid), sys(SYS_getpid));
	CHECK_EQ(sys(SYS___syscall, SYS_getpid), sys(SYS_getpid));
	CHECK_EQ(sys(SYS_syscall, SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_syscall, SYS_write, ends[1], "q", 1), 1);
	CHECK_EQ(sys(SYS___syscall, SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(c, 'q');
	struct sigaction ignore = { .sa_handler = SIG_IGN };	/* it comes with ENOSYS (kern.signosys) */
	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	CHECK_ERR(sys(SYS_syscall, 10000), ENOSYS);
	CHECK_ERR(sys(SYS_syscall, SYS_close, 999), EBADF);
	/* pread through it: offset is the fourth real argument. */
	guest_put("data", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "data", O_RDONLY, 0));
	CHECK_EQ(sys(SYS___syscall, SYS_pread, fd, &c, 1, 7), 1);
	CHECK_EQ(c, '7');
	/* Six real arguments: the last one comes from the stack, behind the return address. */
	register u64 r10 __asm__("r10") = PROT_READ | PROT_WRITE;
	register u64 r8 __asm__("r8") = MAP_PRIVATE;
	register u64 r9 __asm__("r9") = (u64)fd;
	u64 ret = SYS___syscall;
	u8 carry;
	__asm__ volatile("sub $16, %%rsp\n\tmovq $0, 8(%%rsp)\n\tsyscall\n\tsetc %1\n\tlea 16(%%rsp), %%rsp"
	    : "+a"(ret), "=r"(carry), "+r"(r10), "+r"(r8), "+r"(r9)
	    : "D"((u64)SYS_mmap), "S"(0UL), "d"(4096UL) : "rcx", "r11", "memory", "cc");
	CHECK_EQ(carry, 0);
	CHECK_EQ(*(char *)ret, '0');
}

TEST(direction_flag)
{
	u64 ret = SYS_fstatat;
	struct stat st;
	register u64 r10 __asm__("r10") = 0;

	__asm__ volatile("std\n\tsyscall\n\tcld" : "+a"(ret), "+r"(r10)
	    : "D"((u64)AT_FDCWD), "S"("."), "d"(&st) : "rcx", "r8", "r9", "r11", "memory", "cc");
	CHECK_EQ(ret, 0);
	CHECK(S_ISDIR(st.st_mode));
}

/* With alignment checks on (PSL_AC) the kernel's own accesses do not trap, however the guest's data lie. */
TEST(alignment_check)
{
	static char room[512];
	struct stat *st = (struct stat *)(room + 1);
	u64 ret = SYS_fstatat;
	register u64 r10 __asm__("r10") = 0;

	__asm__ volatile("pushfq\n\torl $0x40000, (%%rsp)\n\tpopfq\n\tsyscall\n\tpushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq"
	    : "+a"(ret), "+r"(r10)
	    : "D"((u64)AT_FDCWD), "S"("."), "d"(st) : "rcx", "r8", "r9", "r11", "memory", "cc");
	CHECK_EQ(ret, 0);
}

TEST(x87_and_mxcsr)
{
	struct stat st;
	double value = 3.25, back = 0;
	u32 mxcsr = 0x7f80, mxcsr_back = 0;	/* rounds towards zero */
	u16 control = 0x27f, control_back = 0;
	u64 ret = SYS_fstatat;
	register u64 r10 __asm__("r10") = 0;

	__asm__ volatile("ldmxcsr %5\n\tfldcw %6\n\tfldl %7\n\tsyscall\n\tfstpl %1\n\tstmxcsr %2\n\tfnstcw %3\n\tfninit"
	    : "+a"(ret), "=m"(back), "=m"(mxcsr_back), "=m"(control_back), "+r"(r10)
	    : "m"(mxcsr), "m"(control), "m"(value), "D"((u64)AT_FDCWD), "S"("."), "d"(&st)
	    : "rcx", "r8", "r9", "r11", "memory", "cc");
	CHECK_EQ(ret, 0);
	CHECK(back == value);
	CHECK_EQ(mxcsr_back, 0x7f80);
	CHECK_EQ(control_back, 0x27f);
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

/* A stack pointer that points nowhere is the program's business until a signal comes: the kernel does not touch it. */
TEST(stack_pointer_untouched)
{
	u64 ret = SYS_getpid, saved;

	__asm__ volatile("mov %%rsp, %1\n\tmov $0x10, %%esp\n\tsyscall\n\tmov %1, %%rsp"
	    : "+a"(ret), "=&b"(saved) : : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	CHECK_EQ(ret, sys(SYS_getpid));
}

TEST(general_use_of_gs)
{
	/* A program may set its GS base; the shim's own is not the program's. */
	void *base = NULL, *mine = (void *)0x123456789000;

	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_GSBASE, &base), 0);
	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_GSBASE, &mine), 0);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_GSBASE, &base), 0);
	CHECK_EQ(base, mine);
	CHECK_OK(sys(SYS_getppid));
}

TEST(thread_pointer)
{
	static u64 block[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };
	void *base = block, *back = NULL;
	u64 got;

	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &base), 0);
	__asm__ volatile("mov %%fs:8, %0" : "=r"(got));
	CHECK_EQ(got, block[1]);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &back), 0);
	CHECK_EQ(back, block);
	CHECK_ERR(sys(SYS_sysarch, AMD64_GET_FSBASE, (void *)8), EFAULT);
	CHECK_ERR(sys(SYS_sysarch, AMD64_SET_FSBASE, (void *)8), EFAULT);
	CHECK_ERR(sys(SYS_sysarch, 9999, &back), EINVAL);
	/* An address that is not the user's is refused. */
	base = (void *)0xffff800000000000;
	CHECK_ERR(sys(SYS_sysarch, AMD64_SET_FSBASE, &base), EINVAL);
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &back), 0);
	CHECK_EQ(back, block);
	/* The child has it too. */
	IN_CHILD({
		__asm__ volatile("mov %%fs:0, %0" : "=r"(got));
		CHECK_EQ(got, block[0]);
	});
}

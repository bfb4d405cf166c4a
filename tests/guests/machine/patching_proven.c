/* Only what is proven is patched: bytes before a syscall that look like a load of its number and are a part of something else,
 * instructions that a branch leads into, that fault, or that depend on their place. Calls with EFLAGS.AC set. The break, and
 * mappings, where jumps lead. Every answer must be the same patched and unpatched; amd64 as its manual says, and FreeBSD's
 * sys/amd64/amd64/exception.S (fast_syscall), sys/vm/vm_unix.c (kern_break). */
#include "guest.h"

#define ROUNDS 60	/* more traps than it takes until a site is patched */
#define FUNCTION(name, code) \
	long name(long a, long b, long c, long d); \
	__asm__(".text\n.p2align 6\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n" code ".cfi_endproc\n.size " #name ",.-" #name "\n")

/* ---- look-alikes: the four bytes before the syscall are the number, and b8 stands before them ---- */

/* A store of the number into the red zone: c7 44 24 b8 14 00 00 00 0f 05. */
FUNCTION(stores_number, "mov $20,%eax; movl $0,-0x48(%rsp); movl $0x5a5a5a5a,-0x17(%rsp); movl $20,-0x48(%rsp); syscall\n"
    "mov -0x48(%rsp),%edx; mov %edx,(%rdi); mov -0x17(%rsp),%edx; mov %edx,(%rsi); ret\n");
/* The same where no table tells of the function. */
__asm__(".text\n.p2align 6\nstores_number_unknown: mov $20,%eax; movl $0,-0x48(%rsp); movl $0x5a5a5a5a,-0x17(%rsp)\n"
    "movl $20,-0x48(%rsp); syscall; mov -0x48(%rsp),%edx; mov %edx,(%rdi); mov -0x17(%rsp),%edx; mov %edx,(%rsi); ret\n");
long stores_number_unknown(long a, long b, long c, long d);

TEST(number_is_stored)
{
	for (int i = 0; i < ROUNDS; i++) {
		int stored = 0, neighbour = 0;

		CHECK_EQ(stores_number((long)&stored, (long)&neighbour, 0, 0), sys(SYS_getpid));
		CHECK_EQ(stored, 20);
		CHECK_EQ(neighbour, 0x5a5a5a5a);
		stored = neighbour = 0;
		CHECK_EQ(stores_number_unknown((long)&stored, (long)&neighbour, 0, 0), sys(SYS_getpid));
		CHECK_EQ(stored, 20);
		CHECK_EQ(neighbour, 0x5a5a5a5a);
	}
}

/* cmp $20 with a displacement of b8, an addition whose SIB byte is b8, and movabs of r8 that ends so. */
FUNCTION(compares, "mov $20,%eax; movl $20,-0x48(%rsp); cmpl $20,-0x48(%rsp); syscall; sete %dl; movzbl %dl,%edx; mov %rdx,(%rdi); ret\n");
FUNCTION(adds, "movq $7,(%rdi); mov $20,%eax; xor %edx,%edx; .byte 0x81,0x04,0x17; .long 20\n syscall; ret\n");
FUNCTION(loads_r8, "mov $20,%eax; .byte 0x49,0xb8,0,0,0,0xb8,20,0,0,0\n syscall; mov %r8,(%rdi); ret\n");

TEST(number_is_elsewhere)
{
	long value;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(compares((long)&value, 0, 0, 0), sys(SYS_getpid));
		CHECK(value == 0 || value == 1);	/* a call changes the flags */
		CHECK_EQ(adds((long)&value, 0, 0, 0), sys(SYS_getpid));
		CHECK_EQ(value, 27);
		loads_r8((long)&value, 0, 0, 0);
	}
}

/* ---- what is displaced ---- */

volatile long shared_number = SYS_getppid;
/* It depends on its place. Followed by bytes that no jump can be made of: c3 cc cc cc leads below the first address. */
FUNCTION(relative, "movl shared_number(%rip),%eax; syscall; ret; int3; int3; int3; int3; int3; int3\n");
FUNCTION(relative_store, "mov $20,%eax; movq $77,shared_number(%rip); syscall; ret; int3; int3; int3; int3; int3; int3\n");
FUNCTION(relative_address, "mov $20,%eax; lea shared_number(%rip),%r9; syscall; mov %r9,(%rdi); ret; int3; int3; int3; int3; int3\n");

TEST(relative_to_rip)
{
	long parent = sys(SYS_getppid), pid = sys(SYS_getpid), at = 0;

	for (int i = 0; i < ROUNDS; i++) {
		shared_number = i & 1 ? SYS_getpid : SYS_getppid;
		CHECK_EQ(relative(0, 0, 0, 0), i & 1 ? pid : parent);
		shared_number = 1;
		CHECK_EQ(relative_store(0, 0, 0, 0), pid);
		CHECK_EQ(shared_number, 77);
		CHECK_EQ(relative_address((long)&at, 0, 0, 0), pid);
	}
}

/* A branch leads to the second of two instructions, to the syscall itself, and back to before the displaced one. */
FUNCTION(entered, "mov $5,%ecx; cmp $1,%rdi; je 2f; cmp $2,%rdi; mov $20,%eax; je 3f; 1: mov $20,%eax; 2: mov $39,%eax; 3: syscall\n"
    "cmp $3,%rsi; jb 4f; ret; int3; int3; int3; 4: add $1,%rsi; mov $0,%edi; jmp 1b\n");
FUNCTION(loops, "xor %edx,%edx; 1: mov $20,%eax; nop; syscall; inc %edx; cmp $4,%edx; jb 1b; ret; int3; int3\n");

TEST(branches)
{
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(entered(0, 3, 0, 0), parent);
		CHECK_EQ(entered(1, 3, 0, 0), parent);
		CHECK_EQ(entered(2, 3, 0, 0), pid);
		CHECK_EQ(entered(1, 0, 0, 0), parent);
		CHECK_EQ(loops(0, 0, 0, 0), pid);
	}
}

/* The displaced instruction faults: the handler sees it where it stands in the program's text, and mends what it needs. */
FUNCTION(reads, "mov $20,%eax; fault_here: mov 0x100(%rdi),%rdx; syscall; mov %rdx,(%rsi); ret; int3; int3; int3; int3\n");
extern u8 fault_here[];
static volatile u64 fault_rip, fault_rdi;
static long room[64];

static void
mend(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	fault_rip = uc->uc_mcontext.mc_rip;
	fault_rdi = uc->uc_mcontext.mc_rdi;
	uc->uc_mcontext.mc_rdi = (u64)room;
}

TEST(displaced_faults)
{
	long pid = sys(SYS_getpid), read = 0;

	room[32] = 4711;
	guest_handle(SIGSEGV, mend, 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(reads((long)room, (long)&read, 0, 0), pid);
		CHECK_EQ(read, 4711);
		read = 0;
		CHECK_EQ(reads(0x10, (long)&read, 0, 0), pid);
		CHECK_EQ(read, 4711);
		CHECK_EQ(fault_rip, (u64)fault_here);
		CHECK_EQ(fault_rdi, 0x10);
	}
}

/* ---- EFLAGS.AC: a call does not care, and keeps it (fast_syscall saves and restores rflags) ---- */

static long
call_with_ac(long number, long a, long b, long c, u64 *flags)
{
	long result = number;
	register long r10 __asm__("r10") = 0;

	__asm__ volatile("sub $136,%%rsp; pushfq; orq $0x40000,(%%rsp); popfq; syscall; pushfq; mov (%%rsp),%%rcx; andq $~0x40000,(%%rsp); popfq\n"
	    "jnc 1f; neg %0; 1: add $136,%%rsp"
	    : "+a"(result), "=&c"(*flags), "+D"(a), "+S"(b), "+d"(c), "+r"(r10) : : "r8", "r9", "r11", "memory", "cc");
	return (result);
}

static volatile int seen;

static void
count(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	seen++;
}

static void
no_bus(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	say("SIGBUS at %x\n", (u64)info->si_addr);
	guest_exit(5);
}

TEST(alignment_check)
{
	static char path[64] = "xx/etc/passwd", buffer[300];
	struct stat st;
	u64 flags = 0;
	int ends[2];
	long pid = sys(SYS_getpid);

	guest_handle(SIGBUS, no_bus, 0);
	guest_handle(SIGUSR1, count, 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(call_with_ac(SYS_getpid, 0, 0, 0, &flags), pid);
		CHECK(flags & 0x40000);
		CHECK_EQ(call_with_ac(SYS_fstatat, AT_FDCWD, (long)"/", (long)&st, &flags), 0);
		CHECK(flags & 0x40000);
		CHECK_EQ(call_with_ac(SYS_access, (long)path + 2, 0, 0, &flags), sys(SYS_access, path + 2, 0));
		CHECK_EQ(call_with_ac(SYS_write, ends[1], (long)buffer + 1, 3, &flags), 3);
		CHECK_EQ(call_with_ac(SYS_read, ends[0], (long)buffer + 1, 3, &flags), 3);
		CHECK_EQ(call_with_ac(SYS_sigpending, (long)buffer + 3, 0, 0, &flags), 0);
		CHECK(flags & 0x40000);
		CHECK_EQ(call_with_ac(SYS_sigpending, 1, 0, 0, &flags), -EFAULT);
		CHECK(flags & 0x40000);
		CHECK_EQ(call_with_ac(SYS_kill, pid, SIGUSR1, 0, &flags), 0);
		CHECK_EQ(seen, i + 1);
		CHECK(flags & 0x40000);
	}
}

/* ---- room that the program wants ---- */

__asm__(".text\n.p2align 6\nplain_call: mov $20,%eax; syscall; jnc 1f; neg %rax; 1: ret\n");
long plain_call(void);

/* The break grows by 3 GB after sites were patched, as long as memory for it is to be had. */
TEST(break_goes_on)
{
	long pid = sys(SYS_getpid);
	u64 start = (u64)sys(SYS_break, 0), step = 256UL << 20;

	CHECK(start != 0 && !FAILED(start));
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(plain_call(), pid);
	for (int i = 1; i <= 12; i++) {
		long got = sys(SYS_break, start + i * step);
		if (i > 1 && got == -ENOMEM && FAILED(sys(SYS_mmap, NULL, step * 12, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0L)))
			SKIP("no memory for a break of this size");
		CHECK(!FAILED(got));
		*(volatile long *)(start + i * step - 8) = i;
		for (int k = 0; k < 20; k++)
			CHECK_EQ(plain_call(), pid);
	}
	for (int i = 1; i <= 12; i++)
		CHECK_EQ(*(volatile long *)(start + i * step - 8), i);
}

static volatile int stop, wrong;
static struct guest_thread threads[4];

static void
hammer(void *argument)
{
	long pid = (long)argument;

	while (!stop)
		if (plain_call() != pid)
			wrong++;
}

static u64
jump_target(void)
{
	const u8 *call = (const u8 *)plain_call;
	int distance;

	for (int at = 0; at < 7; at++)
		if (call[at] == 0xe9) {
			memcpy(&distance, call + at + 1, 4);
			return ((u64)call + at + 5 + (u64)(i64)distance);
		}
	return (0);
}

/* Mappings are made where jumps lead while other threads run through them; what is mapped is the program's alone. */
TEST(mapped_over_under_fire)
{
	long pid = sys(SYS_getpid);

	for (int i = 0; i < 3; i++)
		guest_thread_start(&threads[i], hammer, (void *)pid);
	for (int i = 0; i < 200; i++) {
		u64 target = 0;

		for (int k = 0; k < 2000 && (target = jump_target()) == 0; k++)
			CHECK_EQ(plain_call(), pid);
		if (target == 0)
			break;
		u8 *page = (u8 *)(target & ~4095UL);
		CHECK_EQ(sys(SYS_mmap, page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0L), page);
		memset(page, 0xcc, 4096);
		CHECK_EQ(plain_call(), pid);
		CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(wrong, 0);
}

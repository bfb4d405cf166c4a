/* Site patching: calls through sites of each form, many times, from several threads at once and after fork; what the text
 * says before and after; text that must be left alone. Every answer must be the same patched and unpatched. */
#include "guest.h"

#define STUB(name, load) \
	long name(long a, long b, long c, long d); \
	__asm__(".text\n.p2align 6\n" #name ":\n" load "1:	jnc 2f\n	neg %rax\n2:	ret\n")

/* libc's form, libc's short form, Go's form, Go's generic form (number on the stack) */
STUB(libc_getpid, "	.byte 0x48, 0xc7, 0xc0, 20, 0, 0, 0\n	mov %rcx, %r10\n	syscall\n");
STUB(short_getpid, "	mov $20, %eax\n	mov %rcx, %r10\n	syscall\n");
STUB(go_getpid, "	mov $20, %eax\n	syscall\n");
__asm__(".text\n.p2align 6\ngeneric_stub:\n	mov 8(%rsp), %rax\n	syscall\n	ret\n");
/* The number comes in a register. */
STUB(register_call, "	mov %rdi, %rax\n	nop\n	nop\n	syscall\n");
/* A jump in the load's place would lie across a cache line; the syscall itself lies across one. */
__asm__(".text\n.p2align 6\n.skip 61\nacross_line:\n	mov $20, %eax\n	syscall\n	ret\n");
__asm__(".text\n.p2align 6\n.skip 58\nitself_across:\n	mov $20, %eax\n	syscall\n	jnc 1f\n	neg %rax\n1:	ret\n");
long itself_across(void);
long across_line(void);
STUB(libc_close, "	.byte 0x48, 0xc7, 0xc0, 6, 0, 0, 0\n	mov %rcx, %r10\n	syscall\n");
STUB(libc_pread, "	.byte 0x48, 0xc7, 0xc0, 0xdb, 1, 0, 0\n	mov %rcx, %r10\n	syscall\n");

static long
generic(long number)
{
	long result;

	__asm__ volatile("sub $136, %%rsp\n	push %1\n	call generic_stub\n	add $144, %%rsp"
	    : "=a"(result) : "r"(number) : "rcx", "r11", "memory", "cc");
	return (result);
}

TEST(every_form)
{
	long pid = sys(SYS_getpid);

	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(libc_getpid(0, 0, 0, 0), pid);
		CHECK_EQ(short_getpid(0, 0, 0, 0), pid);
		CHECK_EQ(go_getpid(0, 0, 0, 0), pid);
		CHECK_EQ(generic(SYS_getpid), pid);
		CHECK_EQ(register_call(SYS_getpid, 0, 0, 0), pid);
		CHECK_EQ(across_line(), pid);
		CHECK_EQ(itself_across(), pid);
		CHECK_EQ(libc_close(-1, 0, 0, 0), -EBADF);
	}
}

TEST(fourth_argument)
{
	/* pread takes its offset from r10: a wrong trampoline would lose it. */
	char text[4];
	long fd = sys(SYS_open, "/proc/self/exe", O_RDONLY);

	if (fd < 0)
		return;
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(libc_pread(fd, (long)text, 3, 1), 3);
		CHECK(memcmp(text, "ELF", 3) == 0);
	}
	sys(SYS_close, fd);
}

/* What a program sees that reads its own text: a jump may be in the place of the syscall, or of an instruction before it. All
 * other bytes are what they were. */
TEST(text_seen)
{
	const u8 *site = (const u8 *)libc_getpid, *unknown = (const u8 *)register_call;
	static const u8 after[] = { 0x73, 0x03, 0x48, 0xf7, 0xd8, 0xc3 };

	for (int i = 0; i < 50; i++) {
		libc_getpid(0, 0, 0, 0);
		register_call(SYS_getpid, 0, 0, 0);
	}
	CHECK(site[0] == 0x48 || site[0] == 0xe9);
	CHECK((site[10] == 0x0f && site[11] == 0x05) || site[10] == 0xe9 || (site[10] == 0x48 && site[11] == 0xe9));
	CHECK(memcmp(site + 12, after, sizeof(after)) == 0);
	CHECK_EQ(unknown[0], 0x48);
	CHECK_EQ(unknown[1], 0x89);
	CHECK_EQ(unknown[3], 0x90);
	CHECK(memcmp(unknown + 7, after, sizeof(after)) == 0);
}

/* Code written at run time, on a page that stays writable: rewritten after it was patched, it must do the new thing. */
TEST(rewritten_code)
{
	u8 *page = (u8 *)sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANON | MAP_PRIVATE, -1, 0);
	static const u8 code[] = {0xb8, 20, 0, 0, 0, 0x0f, 0x05, 0xc3};
	long (*call)(void) = (long (*)(void))page;
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	CHECK(!FAILED(page));
	memcpy(page, code, sizeof(code));
	for (int i = 0; i < 100; i++)
		CHECK_EQ(call(), pid);
	memcpy(page, code, sizeof(code));
	page[1] = SYS_getppid;
	for (int i = 0; i < 100; i++)
		CHECK_EQ(call(), parent);
	/* The page is still writable and executable: patching restores what was there. */
	page[100] = 1;
	CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
}

static volatile int ready, finished, wrong;
static long expected;

static void
hammer(void *argument)
{
	(void)argument;
	while (!ready)
		;
	for (int i = 0; i < 20000; i++)
		if (go_getpid(0, 0, 0, 0) != expected || libc_getpid(0, 0, 0, 0) != expected || short_getpid(0, 0, 0, 0) != expected)
			wrong = 1;
	__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sys(SYS_thr_exit, NULL);
}

TEST(threads)
{
	static long tids[8], tls[8][8];
	static u8 stacks[8][16384] __attribute__((aligned(16)));

	expected = sys(SYS_getpid);
	for (int i = 0; i < 8; i++) {
		struct thr_param param = {0};
		param.start_func = hammer;
		param.stack_base = (char *)stacks[i];
		param.stack_size = sizeof(stacks[i]);
		param.tls_base = (char *)tls[i];
		param.tls_size = sizeof(tls[i]);
		param.child_tid = &tids[i];
		param.parent_tid = &tids[i];
		CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
	}
	ready = 1;
	while (finished < 8)
		sys(SYS_sched_yield);
	CHECK_EQ(wrong, 0);
}

TEST(fork_keeps_patches)
{
	int status = -1;
	long pid = sys(SYS_getpid);

	for (int i = 0; i < 50; i++)
		CHECK_EQ(libc_getpid(0, 0, 0, 0), pid);
	long child = sys(SYS_fork);
	if (child == 0)
		guest_exit(libc_getpid(0, 0, 0, 0) == sys(SYS_getpid) && libc_getpid(0, 0, 0, 0) != pid ? 0 : 1);
	CHECK_EQ(sys(SYS_wait4, child, &status, 0, NULL), child);
	CHECK_EQ(status, 0);
}

/* Site patching beside code that is not a program's fixed text: written or changed at run time, mapped anew at the same
 * address, unmapped under its own feet. What the program sees must be what FreeBSD shows it, patched or not. */
#include "guest.h"

#define ROUNDS 60	/* more traps than it takes until a site is patched */

typedef long (*call_t)(long, long, long, long);

/* mov $number, %eax; syscall; jnc 1f; neg %rax; 1: ret */
static void
write_call(u8 *at, u32 number)
{
	static const u8 code[] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x73, 0x03, 0x48, 0xf7, 0xd8, 0xc3 };

	memcpy(at, code, sizeof(code));
	memcpy(at + 1, &number, 4);
}

/* Code stands inside its page: before the first byte of a mapping there is nothing that could be looked at. */
#define INSIDE 64

static u8 *
map_page(int prot)
{
	return ((u8 *)CHECK_OK(sys(SYS_mmap, NULL, 4096, prot, MAP_ANON | MAP_PRIVATE, -1, 0)));
}

static void
check_calls(u8 *at, long wanted)
{
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(((call_t)at)(0, 0, 0, 0), wanted);
}

/* Four bytes of an instruction are rewritten, again and again: a jump in their place would go astray. */
TEST(immediate_rewritten)
{
	u8 *code = map_page(PROT_READ | PROT_WRITE | PROT_EXEC) + INSIDE;
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	write_call(code, SYS_getpid);
	for (int i = 0; i < 5; i++) {
		code[1] = SYS_getpid;
		check_calls(code, pid);
		code[1] = SYS_getppid;
		check_calls(code, parent);
	}
	CHECK_EQ(code[0], 0xb8);
}

/* The same with memory that is never writable and executable at once. */
TEST(written_then_protected)
{
	u8 *page = map_page(PROT_READ | PROT_WRITE), *code = page + INSIDE;
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	write_call(code, SYS_getpid);
	for (int i = 0; i < 5; i++) {
		code[1] = SYS_getpid;
		CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC), 0);
		check_calls(code, pid);
		CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE), 0);
		code[1] = SYS_getppid;
		CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_EXEC), 0);
		check_calls(code, parent);
		CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE), 0);
	}
	CHECK_EQ(code[0], 0xb8);
	page[100] = 1;
}

/* A page of this program's text, with one call in it. */
__asm__(".text\n.p2align 12\nown_page:\n	.skip 64, 0x90\nown_call:\n"
    "	mov $20, %eax\n	syscall\n	jnc 1f\n	neg %rax\n1:	ret\n"
    ".p2align 6\nown_unmap:\n	mov $73, %eax\n	syscall\n	jnc 1f\n	neg %rax\n1:	ret\n"
    "	.p2align 12\n	.skip 64, 0x90\nkept_call:\n	mov $20, %eax\n	syscall\n	jnc 1f\n	neg %rax\n1:	ret\n	.p2align 12\n");
extern u8 own_page[], own_call[], own_unmap[], kept_call[];

/* Text that was patched is made writable: it reads as it was written, and may be changed byte by byte. */
TEST(text_made_writable)
{
	static const u8 text[] = { 0xb8, 20, 0, 0, 0, 0x0f, 0x05 };
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	check_calls(own_call, pid);
	CHECK_EQ(sys(SYS_mprotect, own_page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(memcmp(own_call, text, sizeof(text)) == 0);
	own_call[1] = SYS_getppid;
	check_calls(own_call, parent);
	own_call[1] = SYS_getpid;
	CHECK_EQ(sys(SYS_mprotect, own_page, 4096, PROT_READ | PROT_EXEC), 0);
	check_calls(own_call, pid);
	CHECK(memcmp(own_call, text, sizeof(text)) == 0);
}

/* Where a patched call's jump leads: in the place of the syscall, or of the load before it; 0 where there is none. */
static u64
jump_of(const u8 *call)
{
	int distance;

	for (int at = 0; at < 8; at++)
		if (call[at] == 0xe9) {
			memcpy(&distance, call + at + 1, 4);
			return ((u64)call + at + 5 + (u64)(i64)distance);
		}
	return (0);
}

/* Fixed text is patched, or nothing here tests anything. Where the jump leads there is nothing of the program's: to it that
 * memory is free, and it gets it when it wants it; the calls go on. */
/* judge: own, trampolines */
TEST(trampoline_gives_way)
{
	long pid = sys(SYS_getpid);

	for (int i = 0; i < 4; i++) {
		check_calls(kept_call, pid);
		u64 target = jump_of(kept_call), page = target & ~4095UL;
		if (i == 0)
			CHECK(target != 0);
		else if (target == 0)
			break;
		CHECK_ERR(sys(SYS_pread, sys(SYS_open, "/dev/zero", O_RDONLY), target, 8, 0L), EFAULT);
		if (i == 0)
			CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
		if (i == 1)
			CHECK_EQ(sys(SYS_madvise, page, 4096, MADV_DONTNEED), 0);
		if (i >= 2) {
			CHECK_EQ(sys(SYS_mmap, page, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), page);
			for (int k = 0; k < 4096; k++)
				CHECK_EQ(((u8 *)page)[k], 0);
			memset((void *)page, 0xcc, 4096);
		}
		check_calls(kept_call, pid);
	}
	check_calls(kept_call, pid);
}

static u8 *
map_file_with(const char *path, u8 *where, int at, u32 number)
{
	u8 code[128];
	long fd = CHECK_OK(sys(SYS_open, path, O_CREAT | O_TRUNC | O_RDWR, 0700));
	long flags = MAP_PRIVATE | (where != NULL ? MAP_FIXED : 0);

	memset(code, 0x90, sizeof(code));
	write_call(code + INSIDE + at, number);
	CHECK_EQ(sys(SYS_write, fd, code, sizeof(code)), sizeof(code));
	u8 *page = (u8 *)CHECK_OK(sys(SYS_mmap, where, 4096, PROT_READ | PROT_EXEC, flags, fd, 0));
	sys(SYS_close, fd);
	sys(SYS_unlink, path);
	return (page);
}

/* Other code at the address of a patched site, as dlclose and dlopen bring it: unmapped in between, and mapped over. */
TEST(mapped_anew)
{
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);
	u8 *page = map_file_with("code", NULL, 0, SYS_getpid);

	for (int i = 0; i < 4; i++) {
		check_calls(page + INSIDE, pid);
		if (i & 1)
			CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
		CHECK_EQ(map_file_with("code", page, 0, SYS_getppid), page);
		check_calls(page + INSIDE, parent);
		/* The same place for the syscall is now in the middle of nothing. */
		CHECK_EQ(map_file_with("code", page, 8, SYS_getppid), page);
		check_calls(page + INSIDE, parent);
		CHECK_EQ(map_file_with("code", page, 0, SYS_getpid), page);
	}
	CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
}

/* The bytes of a call as data within instructions, and a load of another register that looks like that of rax. */
__asm__(".text\n.p2align 6\nhidden_bytes:\n"
    "	movabs $0x050f00000014b800, %rax\n	ret\n"
    ".p2align 6\nother_register:\n"
    "	mov %rcx, %r10\n	mov $202, %eax\n	jmp 1f\n	nop\n"
    "1:	mov $202, %r8d\n	syscall\n	jnc 2f\n	neg %rax\n2:	ret\n");
extern u8 hidden_bytes[], other_register[];

TEST(look_alikes)
{
	int name[2] = { 1, 1 };		/* kern.ostype */
	char text[32];
	u64 size;

	for (int i = 0; i < ROUNDS; i++) {
		register long r9 __asm__("r9") = 4;
		long result = 202, a = (long)name, b = 2, c = (long)text, d = (long)&size;

		CHECK_EQ(((call_t)hidden_bytes)(0, 0, 0, 0), 0x050f00000014b800);
		size = sizeof(text);
		/* r8, the new value, is 202: a bad address, or not allowed. Were it 0, the call would succeed. */
		__asm__ volatile("xor %%r8d, %%r8d\n	call other_register"
		    : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+c"(d), "+r"(r9) : : "r8", "r10", "r11", "memory", "cc");
		CHECK(result == -EFAULT || result == -EPERM);
	}
}

/* A call copied out of text that was never called yet is a call like any other. */
TEST(text_copied)
{
	static const u8 text[] = { 0xb8, 20, 0, 0, 0, 0x0f, 0x05 };
	u8 *page = map_page(PROT_READ | PROT_WRITE | PROT_EXEC);
	long pid = sys(SYS_getpid);

	CHECK(memcmp(own_call, text, sizeof(text)) == 0);
	memcpy(page + INSIDE, own_call, 16);
	check_calls(page + INSIDE, pid);
	check_calls(own_call, pid);
	check_calls(page + INSIDE, pid);
}

/* A program that takes away the text that it runs on gets the SIGSEGV that FreeBSD gives it, after the call. */
TEST(own_text_unmapped)
{
	for (int patched = 0; patched < 2; patched++) {
		long child = guest_fork();
		if (child == 0) {
			for (int i = 0; patched && i < ROUNDS; i++)
				CHECK_EQ(((call_t)own_unmap)((long)own_page, 0, 0, 0), -EINVAL);
			((call_t)own_unmap)((long)own_page, 4096, 0, 0);
			guest_exit(1);
		}
		int status = 0;
		CHECK_EQ(sys(SYS_wait4, child, &status, 0, NULL), child);
		CHECK_EQ(status & 0x7f, SIGSEGV);
	}
}

/* GS is the shim's: a program that loads it itself ends, with a message, and does not run wild. */
/* judge: own, a base of %gs is refused */
TEST(gs_base_loaded)
{
	static const u64 bases[] = { 0, 0x1000, 0x123456789000 };

	for (int i = 0; i < 6; i++) {
		long child = guest_fork();
		if (child == 0) {
			sys(SYS_close, 2);
			if (i & 1)
				check_calls(own_call, sys(SYS_getpid));
			__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" : : "a"(bases[i / 2]));	/* wrgsbase %rax */
			((call_t)own_call)(0, 0, 0, 0);
			guest_exit(1);
		}
		int status = 0;
		CHECK_EQ(sys(SYS_wait4, child, &status, 0, NULL), child);
		CHECK_EQ(status & 0x7f, SIGABRT);
	}
}

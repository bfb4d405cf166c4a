/* What stands beside a syscall that is patched: another one, so near that their jumps would share bytes; the next page,
 * which the program maps anew or writes to; data behind a call or a syscall that does not come back. Every answer must be
 * the same patched and unpatched; amd64 as its manual says, FreeBSD's sys/amd64/amd64/exception.S (fast_syscall). */
#include "guest.h"

#define ROUNDS 60	/* more traps than it takes until a site is patched */
#define FUNCTION(name, code) \
	long name(long a, long b, long c, long d); \
	__asm__(".text\n.p2align 6\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n" code \
	    ".cfi_endproc\n.size " #name ",.-" #name "\n")
/* Bytes of which no jump in the syscall's own place can be made: it would lead below the first address. */
#define NO_JUMP "int3; int3; int3; int3; int3; int3\n"

/* ---- two syscalls in a row: the first one's number comes in rsi ---- */

/* The load of the second number would be the distance of the first one's jump, and a jump itself. */
FUNCTION(in_a_row, "test %edi,%edi; jnz 1f; mov %esi,%eax; syscall; 1: mov $39,%eax; syscall; ret; " NO_JUMP);
/* The second syscall would be the first one's distance, and a jump itself. */
FUNCTION(side_by_side, "test %edi,%edi; jnz 1f; mov %esi,%eax; syscall; 1: syscall; nop; nop; nop; nop; nop; ret; " NO_JUMP);

static long
second_of_a_row(long skip)
{
	register long result __asm__("rax");

	__asm__ volatile("call in_a_row" : "=r"(result) : "D"(skip), "S"(SYS_getpid)
	    : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return (result);
}

/* umask(0), and then the call whose number is the old mask; or directly the call of a number. */
static long
second_of_two(long number, long skip)
{
	long result = number;

	__asm__ volatile("call side_by_side\n	jnc 1f\n	neg %0\n1:" : "+a"(result) : "D"(skip), "S"(SYS_umask)
	    : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return (result);
}

TEST(sites_in_a_row)
{
	long parent = sys(SYS_getppid);

	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(second_of_a_row(0), parent);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(second_of_a_row(1), parent);
}

/* The second one is patched first, and put back when the program wants the memory where its jump leads. */
TEST(second_site_first)
{
	long parent = sys(SYS_getppid);
	int distance;

	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(second_of_a_row(1), parent);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(second_of_a_row(0), parent);
	for (u8 *at = (u8 *)in_a_row; at < (u8 *)in_a_row + 24; at++)
		if (*at == 0xe9) {
			memcpy(&distance, at + 1, 4);
			CHECK_EQ(sys(SYS_munmap, (u64)(at + 5 + distance) & ~4095UL, 4096), 0);
			break;
		}
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(second_of_a_row(0), parent);
		CHECK_EQ(second_of_a_row(1), parent);
	}
}

TEST(sites_side_by_side)
{
	long parent = sys(SYS_getppid);

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(second_of_two(SYS_getppid, 1), parent);
		sys(SYS_umask, SYS_getppid);
		CHECK_EQ(second_of_two(0, 0), parent);
	}
}

/* ---- the next page ---- */

static u8 *
map_text(const u8 *text, u64 size, u8 *where)
{
	u64 flags = MAP_PRIVATE | (where != NULL ? MAP_FIXED : 0);
	long fd = CHECK_OK(sys(SYS_open, "text", O_CREAT | O_TRUNC | O_RDWR, 0700));

	CHECK_EQ(sys(SYS_write, fd, text, size), size);
	u8 *page = (u8 *)CHECK_OK(sys(SYS_mmap, where, size, PROT_READ | PROT_EXEC, flags, fd, 0L));
	sys(SYS_close, fd);
	sys(SYS_unlink, "text");
	return (page);
}

typedef long (*call_t)(void);

static u8 two_pages[8192];
static const u8 last_call[] = { 0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05 };	/* mov $20,%eax; syscall */
static const u8 then[] = { 0x90, 0x90, 0x90, 0x90, 0xc3 }, now[] = { 0xfc, 0xfc, 0xfc, 0xfc, 0xc3 };	/* nop, cld */

/* A syscall whose last byte is the last but `left` of its page; a function that begins with the load of its number. */
static call_t
map_last_call(int left)
{
	u8 *call = two_pages + 4096 - left - sizeof(last_call);

	memset(two_pages, 0x90, sizeof(two_pages));
	memcpy(call, last_call, sizeof(last_call));
	memcpy(call + sizeof(last_call), then, sizeof(then));
	return ((call_t)(map_text(two_pages, sizeof(two_pages), NULL) + (call - two_pages)));
}

TEST(next_page_anew)
{
	long pid = sys(SYS_getpid);

	for (int left = 0; left < 4; left++) {
		call_t call = map_last_call(left);
		u8 *page = (u8 *)(((u64)call + 4096) & ~4095UL);

		for (int i = 0; i < ROUNDS; i++)
			CHECK_EQ(call(), pid);
		memset(two_pages, 0x90, 4096);
		memcpy(two_pages, now, sizeof(now));
		CHECK_EQ(map_text(two_pages, 4096, page), page);
		for (int i = 0; i < ROUNDS; i++)
			CHECK_EQ(call(), pid);
	}
}

TEST(next_page_written)
{
	long pid = sys(SYS_getpid);

	for (int left = 0; left < 4; left++) {
		call_t call = map_last_call(left);
		u8 *page = (u8 *)(((u64)call + 4096) & ~4095UL);

		for (int i = 0; i < ROUNDS; i++)
			CHECK_EQ(call(), pid);
		CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
		memset(page, 0x90, 8);
		memcpy(page + 8, now, sizeof(now));
		for (int i = 0; i < ROUNDS; i++)
			CHECK_EQ(call(), pid);
	}
}

/* The load of a number in one page, its syscall in the next: which then has another load before it. */
__asm__(".section .text.pages,\"ax\",@progbits\n.p2align 12\n.skip 4096-5\n"
    ".type over_the_edge,@function\nover_the_edge: .cfi_startproc\n"
    "mov $20,%eax; second_page: nop; syscall; ret; " NO_JUMP
    ".cfi_endproc\n.size over_the_edge,.-over_the_edge\n.p2align 12\n.text\n");
long over_the_edge(void);
extern u8 second_page[];

TEST(load_in_another_page)
{
	static const u8 text[] = { 0xb0, SYS_getppid, 0x0f, 0x05, 0xc3 };	/* mov $39,%al; syscall; ret */
	long pid = sys(SYS_getpid), parent = sys(SYS_getppid);

	CHECK_EQ((u64)second_page & 4095, 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(over_the_edge(), pid);
	memset(two_pages, 0x90, 4096);
	memcpy(two_pages, text, sizeof(text));
	CHECK_EQ(map_text(two_pages, 4096, second_page), second_page);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(over_the_edge(), parent);
}

/* ---- data that looks like the beginning of an instruction, which would end at the syscall: 3d is cmp $imm32,%eax ---- */

#define LOAD_AND_CALL "xor %eax,%eax; mov $20,%al; syscall; ret; " NO_JUMP

__asm__(".text\nskip_a_byte: pop %rdx; inc %rdx; jmp *%rdx\n");
FUNCTION(after_a_call, "call skip_a_byte; .byte 0x3d\n" LOAD_AND_CALL);
FUNCTION(after_no_return, "call skip_a_byte; .byte 0x3d\n behind_the_call: " LOAD_AND_CALL);
FUNCTION(after_the_end, "mov $1,%eax; xor %edi,%edi; syscall; .byte 0x3d\n behind_exit: " LOAD_AND_CALL);
long behind_the_call(void), behind_exit(void);

TEST(data_between)
{
	long pid = sys(SYS_getpid);

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(after_a_call(0, 0, 0, 0), pid);
		CHECK_EQ(behind_the_call(), pid);
		CHECK_EQ(behind_exit(), pid);
	}
}

/* What children of one parent find out about its sites is used by those that follow, and changes nothing: a child may say wrong
 * things of it too. amd64 as its manual says, and FreeBSD's sys/amd64/amd64/exception.S (fast_syscall). */
#include "guest.h"
#include <sys/mman.h>

#define CHILDREN 40
#define CALLS 100
#define FUNCTION(name, code) \
	long name(void); \
	__asm__(".text\n.p2align 6\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n" code ".cfi_endproc\n.size " #name ",.-" #name "\n")

FUNCTION(call_getpgrp, "mov $81,%eax; syscall; ret\n");
/* 0f 05 within an instruction: mov $0x9090050f,%eax; and behind the end of a function, where nothing leads. */
FUNCTION(within, "nop; nop; nop; nop; nop; .byte 0xb8,0x0f,0x05,0x90,0x90; ret\n");
FUNCTION(behind, "mov $81,%eax; ret; mov $20,%eax; .byte 0x0f,0x05; ret\n");
static const u8 constants[16] = { 0xb8, 20, 0, 0, 0, 0x0f, 0x05, 0xc3 };

static int
child_calls(void)
{
	int pid = guest_fork();

	if (pid == 0) {
		long group = sys(SYS_getpgrp);

		for (int i = 0; i < CALLS; i++)
			if (call_getpgrp() != group)
				guest_exit(1);
		guest_exit(0);
	}
	return (guest_wait(pid));
}

/* Only the children make the call (tests/test_stats.py counts how often it traps). */
TEST(connections)
{
	for (int i = 0; i < CHILDREN; i++)
		CHECK_EQ(child_calls(), 0);
	CHECK_EQ(call_getpgrp(), sys(SYS_getpgrp));
}

/* Children that map other code where their parent has its own, and call there. */
TEST(other_code)
{
	u8 *page = (u8 *)CHECK_OK(sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0));
	static const u8 code[] = { 0xb8, 81, 0, 0, 0, 0x0f, 0x05, 0xc3 };

	for (int i = 0; i < CHILDREN / 2; i++) {
		int pid = guest_fork();

		if (pid == 0) {
			memcpy(page + 16, code, sizeof(code));
			CHECK_EQ(sys(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC), 0);
			for (int n = 0; n < CALLS; n++)
				CHECK_EQ(((long (*)(void))(page + 16))(), sys(SYS_getpgrp));
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(pid), 0);
		CHECK_EQ(page[16], 0);
	}
}

/* The page that the family shares, if it has one: the one pointer into LSF's own heap in the first words of its data. */
static volatile u64 *
family_page(void)
{
	for (volatile u64 *at = (u64 *)0x6ffff0110000; at < (u64 *)0x6ffff0110400; at++)
		if (*at >= 0x700030800000 && *at < 0x701030800000 && *at % 4096 == 0)
			return ((u64 *)*at);
	return (NULL);
}

/* A child that has given up rights, or is broken, writes what it likes. */
/* judge: own, it writes into LSF's memory */
TEST(wrong_hints)
{
	u64 hints[] = { (u64)within + 8, (u64)within + 7, (u64)behind + 13, (u64)constants + 7, 0x6ffff0000002, 1, 4096, ~0UL, (u64)&hints,
	    1UL << 63, (u64)call_getpgrp + 7 };
	u8 before[3][16];

	memcpy(before[0], (void *)within, 16);
	memcpy(before[1], (void *)behind, 16);
	memcpy(before[2], constants, 16);
	for (int i = 0; i < CHILDREN; i++) {
		int pid = guest_fork();

		if (pid == 0) {
			volatile u64 *page = family_page();

			if (page != NULL) {
				for (int n = 0; n < (int)(sizeof(hints) / sizeof(hints[0])); n++)
					page[1 + n] = hints[n];
				*(volatile u32 *)page = i % 2 ? 11 : 0xffffffff;
			}
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(pid), 0);
	}
	CHECK(memcmp(before[0], (void *)within, 16) == 0);
	CHECK(memcmp(before[1], (void *)behind, 16) == 0);
	CHECK(memcmp(before[2], constants, 16) == 0);
	CHECK_EQ(within() & 0xffffffff, 0x9090050f);
	CHECK_EQ(behind(), 81);
	CHECK_EQ(call_getpgrp(), sys(SYS_getpgrp));
	CHECK_EQ(child_calls(), 0);
}

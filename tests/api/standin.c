/*
 * standin.c: the shim and a guest in one Linux executable, to test the supervisor of the ptrace engine alone.
 *
 * The section .window lies where the shim's window lies, and its first byte is the `entry` to which the supervisor
 * redirects. entry knows a handful of FreeBSD numbers and gives each to a Linux call with the same arguments. The
 * rest of the file is the guest: its `syscall` instructions lie outside the window, so they must all arrive at entry.
 *
 *     standin registers | loop N | fork N | cpus | set-cpus | vdso | exec PROGRAM ARG...
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Where the shim has its stacks. */
#define SHIM_STACK 0x6ffff0150000UL
__asm__(".pushsection .areas, \"aw\", @nobits\n	.skip 65536\n	.popsection\n");

/* What entry last saw, for `registers`. */
struct seen {
	uint64_t rax, rcx, rdi, rsi, rdx, r10, r8, r9, rsp, flags;
} seen;

__asm__(
	".pushsection .window,\"ax\"\n"
	".globl entry, _start\n"
	"entry:\n"
	/* The red zone belongs to the guest: step over it. */
	"	lea -128(%rsp), %rsp\n"
	"	pushfq\n"
	"	mov %rax, seen+0\n"
	"	mov %rcx, seen+8\n"
	"	mov %rdi, seen+16\n"
	"	mov %rsi, seen+24\n"
	"	mov %rdx, seen+32\n"
	"	mov %r10, seen+40\n"
	"	mov %r8, seen+48\n"
	"	mov %r9, seen+56\n"
	"	popq seen+72\n"
	"	lea 128(%rsp), %rsp\n"
	"	mov %rsp, seen+64\n"
	"	lea numbers(%rip), %r11\n"
	"1:	cmpl %eax, (%r11)\n"
	"	je 2f\n"
	"	add $8, %r11\n"
	"	cmpl $0, (%r11)\n"
	"	jne 1b\n"
	"	ud2\n"
	"2:	mov 4(%r11), %eax\n"
	"	push %rcx\n"
	"	syscall\n"
	"	ret\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	movabs $guest, %rax\n"
	"	call *%rax\n"
	"	ud2\n"
	/* FreeBSD's number, Linux's number */
	"	.p2align 3\n"
	"numbers:\n"
	"	.long 1, 231\n"		/* exit: exit_group */
	"	.long 2, 57\n"		/* fork */
	"	.long 4, 1\n"		/* write */
	"	.long 7, 61\n"		/* wait4 */
	"	.long 20, 39\n"		/* getpid */
	"	.long 59, 59\n"		/* execve */
	"	.long 487, 204\n"	/* cpuset_getaffinity: sched_getaffinity */
	"	.long 488, 203\n"	/* cpuset_setaffinity: sched_setaffinity */
	"	.long 0, 0\n"
	/* The second trap of a site comes here; nothing is patched. */
	"	.org entry + 0x400\n"
	"	jmp entry\n"
	".popsection\n"
);

static long
call(long number, long a, long b, long c)
{
	long value;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;

	__asm__ volatile ("syscall" : "=a" (value) : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
	    : "rcx", "r11", "memory");
	return (value);
}

static size_t
length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return (n);
}

static void
say(const char *s)
{
	call(4, 1, (long)s, length(s));
}

static int
same(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++, b++)
		;
	return (*a == *b);
}

static void __attribute__((noreturn))
leave(int status)
{
	call(1, status, 0, 0);
	__builtin_trap();	/* without a supervisor that was no exit */
}

#define CHECK(x) do { if (!(x)) { say("failed: " #x "\n"); leave(1); } } while (0)

static long
number_of(const char *s)
{
	long n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + *s++ - '0';
	return (n);
}

static void
registers(void)
{
	long value, site;
	uint64_t rsp, direction = 0x400 | 0x40000;
	register long r10 __asm__("r10") = 0x1010;
	register long r8 __asm__("r8") = 0x0808;
	register long r9 __asm__("r9") = 0x0909;

	/* With the direction flag set, which entry may not see, and the alignment check, which stays the program's. */
	__asm__ volatile (
	    "mov %%rsp, %[rsp]\n pushfq\n or %[set], (%%rsp)\n popfq\n"
	    "syscall\n"
	    "0: pushfq\n andq $~0x40400, (%%rsp)\n popfq\n lea 0b(%%rip), %[site]"
	    : "=a" (value), [site] "=&r" (site), [rsp] "=&r" (rsp)
	    : "a" (20L), "D" (0x1111), "S" (0x2222), "d" (0x3333), "r" (r10), "r" (r8), "r" (r9), [set] "r" (direction)
	    : "rcx", "r11", "memory", "cc");
	CHECK(value > 1);
	CHECK(seen.rax == 20);
	CHECK(seen.rcx == (uint64_t)site);
	CHECK(seen.rdi == 0x1111 && seen.rsi == 0x2222 && seen.rdx == 0x3333);
	CHECK(seen.r10 == 0x1010 && seen.r8 == 0x0808 && seen.r9 == 0x0909);
	CHECK(seen.rsp == rsp);
	CHECK((seen.flags & direction) == 0x40000);
}

static void
forks(long n)
{
	int status, i;
	long pid;

	for (i = 0; i < n; i++) {
		pid = call(2, 0, 0, 0);
		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(call(20, 0, 0, 0) > 1);
			leave(i & 127);
		}
		CHECK(call(7, pid, (long)&status, 0) == pid);
		CHECK(status == (i & 127) << 8);
	}
}

/* How many CPUs the mask has, after a run that makes the supervisor pin this process. */
static int
cpus(void)
{
	uint8_t mask[128];
	int count = 0;
	long size, i;

	for (i = 0; i < 20000; i++)
		call(20, 0, 0, 0);
	size = call(487, 0, sizeof mask, (long)mask);
	CHECK(size > 0);
	for (i = 0; i < size * 8; i++)
		count += mask[i / 8] >> (i % 8) & 1;
	return (count);
}

/* Set a mask of one CPU; it must still be so after the supervisor had its chance to interfere. */
static void
set_cpus(void)
{
	uint8_t mask[128] = { 1 };

	CHECK(cpus() > 0);
	CHECK(call(488, 0, sizeof mask, (long)mask) == 0);
	CHECK(cpus() == 1);
}

/* clock_gettime of a clock that the vDSO does not serve: it makes a Linux syscall, whose number FreeBSD has not. */
static void
vdso(uint64_t *sp)
{
	char *base = NULL;
	Elf64_Ehdr *header;
	Elf64_Shdr *section;
	Elf64_Sym *symbol;
	struct timespec t = { -1, -1 };
	int (*function)(clockid_t, struct timespec *) = NULL;
	size_t i, k;

	for (sp++; *sp != 0; sp++)
		;
	for (sp++; *sp != 0; sp++)
		;
	for (sp++; *sp != AT_NULL; sp += 2)
		if (*sp == AT_SYSINFO_EHDR)
			base = (char *)sp[1];
	CHECK(base != NULL);
	header = (Elf64_Ehdr *)base;
	section = (Elf64_Shdr *)(base + header->e_shoff);
	for (i = 0; i < header->e_shnum; i++) {
		if (section[i].sh_type != SHT_DYNSYM)
			continue;
		symbol = (Elf64_Sym *)(base + section[i].sh_offset);
		for (k = 0; k < section[i].sh_size / sizeof *symbol; k++)
			if (same(base + section[section[i].sh_link].sh_offset + symbol[k].st_name, "__vdso_clock_gettime"))
				function = (void *)(base + symbol[k].st_value);
	}
	CHECK(function != NULL);
	/* As the shim calls it, on its stack. */
	long result;
	register uint64_t stack __asm__("r12") = SHIM_STACK;
	__asm__ volatile ("xchg %%rsp, %1\n call *%2\n mov %1, %%rsp"
	    : "=a" (result), "+r" (stack)
	    : "r" (function), "D" (CLOCK_PROCESS_CPUTIME_ID), "S" (&t)
	    : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	CHECK(result == 0);
	CHECK(t.tv_sec == 0 && t.tv_nsec > 0);
}

__attribute__((used)) void
guest(uint64_t *sp)
{
	int argc = *sp, i;
	char **argv = (char **)(sp + 1);

	CHECK(argc >= 2);
	if (same(argv[1], "registers"))
		registers();
	else if (same(argv[1], "loop"))
		for (i = number_of(argv[2]); i > 0; i--)
			call(20, 0, 0, 0);
	else if (same(argv[1], "fork"))
		forks(number_of(argv[2]));
	else if (same(argv[1], "cpus"))
		leave(cpus());
	else if (same(argv[1], "set-cpus"))
		set_cpus();
	else if (same(argv[1], "vdso"))
		vdso(sp);
	else if (same(argv[1], "exec"))
		call(59, (long)argv[2], (long)(argv + 2), (long)(argv + argc + 1));
	else
		leave(2);
	say("ok\n");
	leave(0);
}

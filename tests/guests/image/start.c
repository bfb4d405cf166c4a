/* The program's start: arguments, environment, auxiliary vector, stack, registers (execve(2), sys/kern/imgact_elf.c). */
#include "guest.h"
#include <sys/exec.h>
#include <sys/sysctl.h>

TEST(hello)
{
	say("hello from FreeBSD/%s\n", "amd64");
}

/* Registers at the first instruction: exec_setregs in sys/amd64/amd64/exec_machdep.c. */
TEST(registers_at_entry)
{
	CHECK_EQ(guest_entry.rdi, (u64)guest_argv - 8);
	CHECK_EQ(guest_entry.rsp, ((guest_entry.rdi - 8) & ~0xfUL) + 8);
	CHECK_EQ(guest_entry.rbx, 0);
	CHECK_EQ(guest_entry.rbp, 0);
	CHECK_EQ(guest_entry.rdx, 0);
	CHECK_EQ(guest_entry.rsi, 0);		/* no rtld, so no cleanup function */
	CHECK_EQ(guest_entry.r12, 0);
	CHECK_EQ(guest_entry.r13, 0);
	CHECK_EQ(guest_entry.r14, 0);
	CHECK_EQ(guest_entry.r15, 0);
	CHECK_EQ(guest_entry.rflags, 0x202);
	CHECK_EQ(guest_entry.mxcsr, 0x1f80);
	CHECK_EQ(guest_entry.x87_control, 0x37f);
}

TEST(no_thread_pointer_at_entry)
{
	void *base = (void *)1;

	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &base), 0);
	CHECK_EQ(base, NULL);
}

TEST(argument_vector)
{
	CHECK_EQ(guest_argc, 2);
	CHECK_STR(guest_argv[1], "argument_vector");
	CHECK_EQ(guest_argv[2], NULL);
	CHECK_EQ((u64)guest_argv % 8, 0);
	/* The strings lie one after the other, arguments first: setproctitle and ps count on it. */
	CHECK_EQ(guest_argv[1], guest_argv[0] + strlen(guest_argv[0]) + 1);
	CHECK(guest_envp[0] != NULL);
	CHECK_EQ(guest_envp[0], guest_argv[1] + strlen(guest_argv[1]) + 1);
	for (char **e = guest_envp; e[1] != NULL; e++)
		CHECK_EQ(e[1], e[0] + strlen(e[0]) + 1);
}

static u64
aux(long type)
{
	Elf64_Auxinfo *a = guest_aux(type);

	if (a == NULL)
		warn_("no auxv entry %l\n", type);
	CHECK(a != NULL);
	return ((u64)a->a_un.a_val);
}

TEST(auxv_complete)
{
	static const int wanted[] = {
		AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_FLAGS, AT_ENTRY, AT_BASE, AT_EHDRFLAGS, AT_EXECPATH, AT_OSRELDATE,
		AT_CANARY, AT_CANARYLEN, AT_NCPUS, AT_PAGESIZES, AT_PAGESIZESLEN, AT_STACKPROT, AT_BSDFLAGS, AT_ARGC,
		AT_ARGV, AT_ENVC, AT_ENVV, AT_PS_STRINGS, AT_USRSTACKBASE, AT_USRSTACKLIM,
	};

	for (size_t i = 0; i < nitems(wanted); i++)
		aux(wanted[i]);
	/* None twice, none that FreeBSD does not have: Linux's 11 to 17, 23 and 31 mean other things here. */
	for (Elf64_Auxinfo *a = guest_auxv; a->a_type != AT_NULL; a++) {
		CHECK_BETWEEN(a->a_type, 1, AT_COUNT - 1);
		CHECK(a->a_type != AT_UID && a->a_type != AT_EUID && a->a_type != AT_GID && a->a_type != AT_EGID);
		for (Elf64_Auxinfo *b = a + 1; b->a_type != AT_NULL; b++)
			CHECK_NE(b->a_type, a->a_type);
	}
}

extern char __ehdr_start[];
extern void _start(void);

TEST(auxv_program_headers)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)__ehdr_start;

	CHECK_EQ(aux(AT_PHDR), (u64)header + header->e_phoff);
	CHECK_EQ(aux(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK_EQ(aux(AT_PHNUM), header->e_phnum);
	CHECK_EQ(aux(AT_ENTRY), _start);
	CHECK_EQ(aux(AT_BASE), 0);
	CHECK_EQ(aux(AT_FLAGS), 0);
	CHECK_EQ(aux(AT_EHDRFLAGS), header->e_flags);
}

TEST(auxv_machine)
{
	u64 *sizes = (u64 *)aux(AT_PAGESIZES);
	u64 length = aux(AT_PAGESIZESLEN);
	int ncpu = 0;
	size_t n = sizeof(ncpu);
	int name[2] = { CTL_HW, HW_NCPU };

	CHECK_EQ(aux(AT_PAGESZ), 4096);
	CHECK(length >= 8 && length % 8 == 0);
	CHECK_EQ(sizes[0], 4096);
	for (u64 i = 1; i < length / 8; i++)
		CHECK(sizes[i] == 0 || (sizes[i] > sizes[i - 1] && (sizes[i] & (sizes[i] - 1)) == 0));
	CHECK_EQ(sys(SYS___sysctl, name, 2, &ncpu, &n, NULL, 0), 0);
	CHECK_EQ(aux(AT_NCPUS), ncpu);
	CHECK_EQ(aux(AT_STACKPROT) & (PROT_READ | PROT_WRITE), PROT_READ | PROT_WRITE);
}

TEST(auxv_release)
{
	int release = 0;
	size_t n = sizeof(release);
	int name[2] = { CTL_KERN, KERN_OSRELDATE };

	CHECK_EQ(sys(SYS___sysctl, name, 2, &release, &n, NULL, 0), 0);
	CHECK_EQ(aux(AT_OSRELDATE), release);
	CHECK_BETWEEN(release, 1000000, 1699999);
}

TEST(auxv_execpath)
{
	const char *path = (const char *)aux(AT_EXECPATH);

	CHECK_EQ(path[0], '/');
	CHECK_STR(path, guest_argv[0]);
}

HELPER(canary)
{
	guest_write(1, (const char *)aux(AT_CANARY), 64);
}

TEST(auxv_canary)
{
	u8 *canary = (u8 *)aux(AT_CANARY);
	int zeros = 0, ends[2];
	char other[64];

	CHECK_EQ(aux(AT_CANARYLEN), 64);
	for (int i = 0; i < 64; i++)
		zeros += canary[i] == 0;
	CHECK(zeros < 16);

	/* Another run has another one. */
	char *argv[] = { guest_argv[0], "@canary", NULL }, *env[] = { NULL };
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_dup2, ends[1], 1), 1);
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, env));
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_read, ends[0], other, 64), 64);
	CHECK(memcmp(other, canary, 64) != 0);
}

TEST(auxv_arguments)
{
	int count = 0;

	for (char **e = guest_envp; *e != NULL; e++)
		count++;
	CHECK_EQ(aux(AT_ARGC), guest_argc);
	CHECK_EQ(aux(AT_ARGV), guest_argv);
	CHECK_EQ(aux(AT_ENVC), count);
	CHECK_EQ(aux(AT_ENVV), guest_envp);
}

TEST(ps_strings)
{
	struct ps_strings *ps = (struct ps_strings *)aux(AT_PS_STRINGS);
	u64 address = 0;
	size_t n = sizeof(address);
	int name[2] = { CTL_KERN, KERN_PS_STRINGS };
	int count = 0;

	for (char **e = guest_envp; *e != NULL; e++)
		count++;
	CHECK_EQ(ps->ps_argvstr, guest_argv);
	CHECK_EQ(ps->ps_nargvstr, guest_argc);
	CHECK_EQ(ps->ps_envstr, guest_envp);
	CHECK_EQ(ps->ps_nenvstr, count);
	CHECK_EQ(sys(SYS___sysctl, name, 2, &address, &n, NULL, 0), 0);
	CHECK_EQ(n, 8);
	CHECK_EQ(address, ps);
	/* setproctitle writes to it. */
	char *title[] = { "renamed", NULL };
	ps->ps_argvstr = title;
	ps->ps_nargvstr = 1;
}

/* The stack's top is where ps_strings ends, kern.usrstack says the same, and it holds all of the arguments. */
TEST(stack_top)
{
	u64 top = aux(AT_USRSTACKBASE), usrstack = 0;
	u64 limit = aux(AT_USRSTACKLIM);
	size_t n = sizeof(usrstack);
	int name[2] = { CTL_KERN, KERN_USRSTACK };
	struct rlimit rl;

	CHECK_EQ(sys(SYS___sysctl, name, 2, &usrstack, &n, NULL, 0), 0);
	CHECK_EQ(n, 8);
	CHECK_EQ(usrstack, top);
	CHECK(aux(AT_PS_STRINGS) + sizeof(struct ps_strings) <= top);
	CHECK(guest_entry.rsp < top);
	CHECK((u64)guest_argv[0] < top && (u64)aux(AT_EXECPATH) < top);
	CHECK_EQ(top % 4096, 0);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_STACK, &rl), 0);
	CHECK_EQ(limit, rl.rlim_cur);
}

/* All that the limit promises can be used (at most 6 MB of it here), in any step, by the thread that starts. */
TEST(stack_grows)
{
	struct rlimit rl;
	u64 top = aux(AT_USRSTACKBASE);

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_STACK, &rl), 0);
	u64 size = rl.rlim_cur < (6UL << 20) + 65536 ? rl.rlim_cur - 65536 : 6UL << 20;
	volatile char *end = (char *)(top - size);
	for (volatile char *p = (char *)((u64)__builtin_frame_address(0) - 65536); p > end; p -= 4096)
		*p = 1;
}

/* Nothing of the kernel's block is read-only, and it is followed by nothing. */
TEST(start_block_writable)
{
	for (int i = 0; i < guest_argc; i++)
		for (char *c = guest_argv[i]; *c != '\0'; c++)
			*(volatile char *)c = *c;
	((volatile char *)aux(AT_EXECPATH))[0] = '/';
	volatile u8 *canary = (u8 *)aux(AT_CANARY);
	canary[0] = canary[0];
}

TEST(descriptors_at_start)
{
	/* 0, 1 and 2 are open, and nothing else: the shim's own are hidden. */
	for (int fd = 0; fd < 3; fd++)
		CHECK_OK(sys(SYS_fcntl, fd, F_GETFD, 0));
	for (int fd = 3; fd < 2048; fd++)
		CHECK_ERR(sys(SYS_fcntl, fd, F_GETFD, 0), EBADF);
	CHECK_EQ(sys(SYS_open, "/dev/null", O_RDONLY, 0), 3);
}

TEST(signal_state_at_start)
{
	sigset_t mask;
	struct sigaction act;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	for (int i = 0; i < _SIG_WORDS; i++)
		CHECK_EQ(mask.__bits[i], 0);
	for (int s = 1; s <= 126; s++) {
		memset(&act, 0xff, sizeof(act));
		CHECK_EQ(sys(SYS_sigaction, s, NULL, &act), 0);
		CHECK_EQ(act.sa_handler, SIG_DFL);
		CHECK_EQ(act.sa_flags, SA_RESTART);	/* ps_sigintr is empty */
	}
	stack_t stack;
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &stack), 0);
	CHECK_EQ(stack.ss_flags, SS_DISABLE);
}

/* ------------------------------------------------------------------ for tests/test_command.py */

HELPER(arguments)
{
	for (int i = 2; i < guest_argc; i++) {
		guest_write(1, "[", 1);
		guest_write(1, guest_argv[i], strlen(guest_argv[i]));
		guest_write(1, "]\n", 2);
	}
}

HELPER(environment)
{
	for (char **e = guest_envp; *e != NULL; e++)
		say("%s\n", *e);
}

HELPER(names)
{
	say("argv0 %s\nexecpath %s\n", guest_argv[0], (const char *)aux(AT_EXECPATH));
}

HELPER(exit)
{
	guest_exit((int)guest_number(guest_argv[2]));
}

HELPER(kill_self)
{
	sys(SYS_kill, sys(SYS_getpid), guest_number(guest_argv[2]));
	guest_sleep_ms(2000);
	guest_exit(99);
}

HELPER(cat)
{
	char buffer[4096];
	long n;

	while ((n = sys(SYS_read, 0, buffer, sizeof(buffer))) > 0)
		guest_write(1, buffer, (size_t)n);
	CHECK_EQ(n, 0);
}

HELPER(open_descriptors)
{
	for (int fd = 0; fd < 4096; fd++)
		if (sys(SYS_fcntl, fd, F_GETFD, 0) >= 0)
			say("%d\n", fd);
}

HELPER(sleep)
{
	say("sleeping\n");
	guest_sleep_ms(guest_number(guest_argv[2]));
}

HELPER(unknown_syscall)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };	/* it comes with ENOSYS (kern.signosys) */

	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	CHECK_ERR(sys(1580), ENOSYS);
	CHECK_ERR(sys(1580), ENOSYS);
	say("still here\n");
}

HELPER(full_disk)
{
	static char block[65536];
	int fd = (int)CHECK_OK(sys(SYS_open, guest_argv[2], O_WRONLY | O_CREAT, 0644));
	long ret, total = 0;

	while ((ret = sys(SYS_write, fd, block, sizeof(block))) > 0)
		total += ret;
	CHECK_EQ(ret, -ENOSPC);
	CHECK_ERR(sys(SYS_write, fd, block, sizeof(block)), ENOSPC);
	say("full after %l\n", total);
}

HELPER(read_only)
{
	struct stat st;

	CHECK_ERR(sys(SYS_open, "/new", O_WRONLY | O_CREAT, 0644), EROFS);
	CHECK_ERR(sys(SYS_mkdir, "/new", 0755), EROFS);
	CHECK_ERR(sys(SYS_unlink, guest_argv[0]), EROFS);
	CHECK_ERR(sys(SYS_open, guest_argv[0], O_RDWR, 0), EROFS);
	CHECK_EQ(guest_stat("/", &st), 0);
	say("read-only\n");
}

/* What a parent can do to a process before it starts. */
HELPER(inherited_signals)
{
	sigset_t mask;
	struct sigaction act;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	say("blocked");
	for (int s = 1; s <= 31; s++)
		if (mask.__bits[0] & (1U << (s - 1)))
			say(" %d", s);
	say("\nignored");
	for (int s = 1; s <= 31; s++) {
		CHECK_EQ(sys(SYS_sigaction, s, NULL, &act), 0);
		if (act.sa_handler == SIG_IGN)
			say(" %d", s);
	}
	say("\n");
	CHECK_ERR(sys(SYS_open, 8, O_RDONLY, 0), EFAULT);
	IN_CHILD(CHECK_OK(sys(SYS_getppid)));
}

/* A family that does not end by itself: says who it is, then sleeps. */
HELPER(family)
{
	for (int i = 0; i < 3; i++) {
		int pid = guest_fork();
		if (pid == 0) {
			if (i == 1)
				CHECK_OK(sys(SYS_setsid));
			for (;;)
				guest_sleep_ms(1000);
		}
		say("%d\n", pid);
	}
	say("%l\nready\n", sys(SYS_getpid));
	for (;;)
		guest_sleep_ms(1000);
}

static volatile int interrupts;

static void
on_interrupt(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	interrupts++;
}

HELPER(catch_interrupt)
{
	guest_handle(SIGINT, on_interrupt, 0);
	say("ready\n");
	while (interrupts == 0)
		guest_sleep_ms(20);
	say("caught\n");
	guest_exit(3);
}

/* execve of a file that is damaged: an errno, or the death of the new image; this process sees which. */
HELPER(try_exec)
{
	char *argv[] = { guest_argv[2], NULL }, *env[] = { NULL };
	int pid = guest_fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
		long ret = sys(SYS_execve, guest_argv[2], argv, env);
		guest_exit(ret < 0 && ret > -97 ? 40 : 41);
	}
	int status = guest_wait(pid);
	/* It ran well, gave an errno, or was refused by LSF after the point of no return. */
	if (WIFEXITED(status))
		CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 40 || WEXITSTATUS(status) == 126);
	else
		CHECK(WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGKILL);
}

HELPER(argument_length)
{
	guest_exit(strlen(guest_argv[2]) == guest_number(guest_argv[3]) ? 0 : 1);
}

HELPER(exec_with_argument)
{
	u64 length = guest_number(guest_argv[2]);
	char *big = guest_map(length + 1), *env[] = { NULL };
	char *argv[] = { guest_argv[0], "@argument_length", big, guest_argv[2], NULL };

	memset(big, 'a', length);
	guest_exit((int)-sys(SYS_execve, guest_argv[0], argv, env));
}

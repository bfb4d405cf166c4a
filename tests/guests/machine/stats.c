/* Calls for tests/test_stats.py to count; each case works without --stats too. */
#include "guest.h"

/* As libc has it, where it can be patched. */
long stub_getpgrp(void);
__asm__(".p2align 5\nstub_getpgrp:\n	mov $81, %eax\n	syscall\n	ret\n");

TEST(counts)
{
	struct sigaction ignore;

	/* Calls that FreeBSD does not have send SIGSYS. */
	memset(&ignore, 0, sizeof(ignore));
	ignore.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	for (int i = 0; i < 500; i++)
		CHECK_OK(stub_getpgrp());
	for (int i = 0; i < 40; i++)
		CHECK_ERR(sys(SYS_close, 4000), EBADF);
	/* The call inside an indirect one counts. */
	CHECK_ERR(sys(0, SYS_dup, 98), EBADF);
	CHECK_ERR(sys(SYS___syscall, SYS_dup, 97), EBADF);
	/* One that LSF refuses, and numbers that no FreeBSD has. */
	CHECK_ERR(sys(SYS_nfssvc, 0, 0), ENOSYS);
	CHECK_ERR(sys(9999), ENOSYS);
	CHECK_ERR(sys(9999), ENOSYS);
	/* A result that looks like an error is none. */
	CHECK_EQ(sys(SYS_setpriority, 0, 0, 19), 0);
	for (int i = 0; i < 5; i++)
		CHECK_OK(sys(SYS_getpriority, 0, 0));
}

HELPER(exec)
{
	for (int i = 0; i < 30; i++)
		CHECK_OK(sys(SYS_getegid));
	guest_exit(5);
}

static void
exec_self(void)
{
	char *args[] = { guest_argv[0], "@exec", NULL }, *env[] = { NULL };

	sys(SYS_execve, guest_argv[0], args, env);
	guest_exit(99);
}

static int
vfork_and_exec(void)
{
	int pid = (int)sys(SYS_vfork);

	if (pid == 0)
		exec_self();
	return ((int)CHECK_OK(pid));
}

/* A child, a child of vfork that executes, and one of it that only ends. */
TEST(processes)
{
	int pid = guest_fork();

	if (pid == 0) {
		for (int i = 0; i < 20; i++)
			sys(SYS_getpgrp);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 3 << 8);
	CHECK_EQ(guest_wait(vfork_and_exec()), 5 << 8);
	pid = (int)sys(SYS_vfork);
	if (pid == 0)
		guest_exit(6);
	CHECK_EQ(guest_wait(pid), 6 << 8);
}

static void
thread(void *argument __attribute__((unused)))
{
	for (int i = 0; i < 1000; i++)
		sys(SYS_getpgrp);
}

TEST(threads)
{
	struct guest_thread a, b;

	guest_thread_start(&a, thread, NULL);
	guest_thread_start(&b, thread, NULL);
	thread(NULL);
	guest_thread_join(&a);
	guest_thread_join(&b);
}

/* The first guest ends long before its child. */
TEST(orphan)
{
	if (guest_fork() == 0) {
		guest_sleep_ms(500);
		for (int i = 0; i < 70; i++)
			sys(SYS_getpgrp);
		guest_exit(0);
	}
}

/* A child that is killed does not keep the last guest from being the last. */
TEST(killed)
{
	int ends[2], pid;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	pid = guest_fork();
	if (pid == 0) {
		for (int i = 0; i < 20; i++)
			sys(SYS_getpgrp);
		sys(SYS_write, ends[1], "x", 1);
		guest_sleep_ms(60000);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(guest_wait(pid), SIGKILL);
}

static int ends[2];
static volatile int alarms;

static void
on_alarm(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	if (++alarms == 10)
		sys(SYS_write, ends[1], "x", 1);
}

/* One read that fails with EINTR, and one that is restarted until the handler brings what is waited for. */
TEST(interrupted)
{
	struct itimerval t = { { 0, 20000 }, { 0, 20000 } };
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	alarms = 10;
	guest_handle(SIGALRM, on_alarm, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EINTR);
	guest_handle(SIGALRM, on_alarm, SA_RESTART);
	alarms = 0;
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
}

HELPER(killed_last)
{
	for (int i = 0; i < 20; i++)
		sys(SYS_getpgrp);
	sys(SYS_kill, sys(SYS_getpid), guest_strcmp(guest_argv[2], "kill") == 0 ? SIGKILL : SIGTERM);
	guest_exit(99);
}

/* The descriptor of the counters is not found by close_range, nor by dup2 onto every number, and goes along with exec. */
TEST(hidden)
{
	int pid = guest_fork();

	if (pid == 0) {
		for (int fd = 3; fd < 400; fd++)
			CHECK_EQ(sys(SYS_dup2, 0, fd), fd);
		CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);
		exec_self();
	}
	CHECK_EQ(guest_wait(pid), 5 << 8);
}

/* A Linux program is no guest, but the guest that waits for it goes on; one that cannot be executed leaves its caller. */
HELPER(linux)
{
	char *args[] = { "sh", "-c", "exit 9", NULL }, *env[] = { NULL };
	int pid = guest_fork();

	if (pid == 0) {
		args[2] = NULL;
		sys(SYS_execve, "/nonexistent", args, env);
		args[2] = "exit 9";
		sys(SYS_execve, "/bin/sh", args, env);
		guest_exit(98);
	}
	CHECK_EQ(guest_wait(pid), 9 << 8);
	for (int i = 0; i < 20; i++)
		sys(SYS_getpgrp);
}

/* --- sites that are patched, and sites that cannot be --- */

static const unsigned char usual[] = { 0xb8, SYS_getpgrp, 0, 0, 0, 0x0f, 0x05, 0xc3 };		/* mov $81,%eax; syscall; ret */
static const unsigned char unusual[] = { 0x6a, SYS_getpgrp, 0x58, 0x0f, 0x05, 0xc3 };	/* push $81; pop %rax; syscall; ret */
/* What follows the syscall would be the rest of a jump that leads below the first address. */
static const unsigned char unreachable[] = { 0xb8, SYS_getpgrp, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc };

static void
call_often(const unsigned char *code)
{
	for (int i = 0; i < 60; i++)
		CHECK_OK(((long (*)(void))code)());
}

/* A stub, `offset` bytes into a file that is mapped as a program's text is. */
static unsigned char *
map_file(const unsigned char *stub, int size, int offset, int flags, void *at)
{
	static unsigned char page[4096];
	unsigned char *text;
	int fd;

	memcpy(page + offset, stub, size);
	guest_put("text", page, sizeof(page));
	fd = (int)CHECK_OK(sys(SYS_open, "text", O_RDONLY));
	text = (void *)CHECK_OK(sys(SYS_mmap, at, sizeof(page), PROT_READ | PROT_EXEC, flags, fd, 0));
	sys(SYS_close, fd);
	return (text + offset);
}

static void
call_in_file(const unsigned char *stub, int size, int offset, int flags, void *at)
{
	call_often(map_file(stub, size, offset, flags, at));
}

TEST(site_usual)
{
	call_in_file(usual, sizeof(usual), 64, MAP_PRIVATE, NULL);
}

TEST(site_unusual)
{
	call_in_file(unusual, sizeof(unusual), 64, MAP_PRIVATE, NULL);
}

TEST(site_shared)
{
	call_in_file(usual, sizeof(usual), 64, MAP_SHARED, NULL);
}

TEST(site_across_lines)
{
	call_in_file(usual, sizeof(usual), 64 - 6, MAP_PRIVATE, NULL);
}

#define LOW ((void *)0x20000000)

TEST(site_unreachable)
{
	call_in_file(unreachable, sizeof(unreachable), 64, MAP_PRIVATE | MAP_FIXED, LOW);
}

/* Two processes of one image: one line for the site. */
TEST(site_in_two_processes)
{
	unsigned char *call = map_file(unreachable, sizeof(unreachable), 64, MAP_PRIVATE | MAP_FIXED, LOW);
	int pid = guest_fork();

	if (pid == 0) {
		call_often(call);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	call_often(call);
}

TEST(site_own_code)
{
	unsigned char *text = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_ANON | MAP_PRIVATE, -1, 0));

	memcpy(text + 64, usual, sizeof(usual));
	call_often(text + 64);
}

/* Everything that a jump reaches is mapped. */
TEST(site_no_room)
{
	unsigned char *base = (void *)0x100000000000, *middle = base + 0x80000000;

	CHECK_EQ(sys(SYS_mmap, base, 0x100000000, PROT_NONE, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), base);
	call_in_file(usual, sizeof(usual), 64, MAP_PRIVATE | MAP_FIXED, middle);
}

/* How many mappings and descriptors Linux shows of the counters: none without --stats. */
HELPER(seen)
{
	static char maps[65536];
	long got, size = 0;
	int found = 0;
	int fd = (int)CHECK_OK(sys(SYS_open, "/proc/self/maps", O_RDONLY));

	while (size < (long)sizeof(maps) - 1 && (got = CHECK_OK(sys(SYS_read, fd, maps + size, sizeof(maps) - 1 - size))) > 0)
		size += got;
	for (char *at = maps; *at != 0; at++)
		found += guest_starts(at, "memfd:lsf-stats");
	say("%d\n", found);
}

/* Programs that treat their surroundings badly, by accident or on purpose: the shim must not be hurt. */
#include "guest.h"

static char *no_env[] = { NULL };

HELPER(alive)
{
	CHECK_OK(sys(SYS_getpid));
	IN_CHILD(CHECK_OK(sys(SYS_getppid)));
	guest_exit(50);
}

/* fork, exec and threads still work from here. */
static void
check_all_works(void)
{
	char *argv[] = { guest_argv[0], "@alive", NULL };
	struct stat st;

	CHECK_EQ(guest_stat("/", &st), 0);
	CHECK_ERR(guest_stat((void *)8, &st), EFAULT);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
	}
	int status = guest_wait(pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 50);
}

TEST(closefrom)
{
	CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);
	check_all_works();
	for (int fd = 3; fd < 1100; fd++)
		sys(SYS_close, fd);
	check_all_works();
}

TEST(dup2_onto_everything)
{
	struct rlimit rl;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &rl), 0);
	for (int fd = 3; fd < 1024 && fd < rl.rlim_cur; fd++)
		CHECK_EQ(sys(SYS_dup2, 0, fd), fd);
	check_all_works();
	for (int fd = 3; fd < 1024 && fd < rl.rlim_cur; fd++)
		CHECK_EQ(sys(SYS_close, fd), 0);
	check_all_works();
}

TEST(every_descriptor_in_use)
{
	struct rlimit rl = { 32, 32 };

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &rl), 0);
	for (int fd = 3; fd < 32; fd++)
		CHECK_EQ(sys(SYS_open, "/", O_RDONLY, 0), fd);
	CHECK_ERR(sys(SYS_open, "/", O_RDONLY, 0), EMFILE);
	check_all_works();
}

TEST(no_standard_descriptors)
{
	int copy = (int)CHECK_OK(sys(SYS_fcntl, 1, F_DUPFD, 10));
	int error = (int)CHECK_OK(sys(SYS_fcntl, 2, F_DUPFD, 11));

	guest_stderr = error;
	CHECK_EQ(sys(SYS_close, 0), 0);
	CHECK_EQ(sys(SYS_close, 1), 0);
	CHECK_EQ(sys(SYS_close, 2), 0);
	/* The lowest free number is 0: none of the shim's own descriptors sits there, before exec or after. */
	CHECK_EQ(sys(SYS_open, "/", O_RDONLY, 0), 0);
	CHECK_EQ(sys(SYS_close, 0), 0);
	check_all_works();
	CHECK_EQ(sys(SYS_open, "/", O_RDONLY, 0), 0);
	CHECK_EQ(sys(SYS_close, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, copy, F_DUP2FD, 1), 1);
}

HELPER(lowest)
{
	CHECK_EQ(sys(SYS_dup, 10), guest_number(guest_argv[2]));
	guest_exit(51);
}

TEST(exec_without_standard_descriptors)
{
	char *argv[] = { guest_argv[0], "@lowest", "0", NULL };
	int pid = guest_fork();

	if (pid == 0) {
		CHECK_EQ(sys(SYS_dup2, 2, 10), 10);
		guest_stderr = 10;
		for (int fd = 0; fd < 3; fd++)
			CHECK_EQ(sys(SYS_close, fd), 0);
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
	}
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 51);
}

/* The shim's own descriptors are seen nowhere: not by number, not in /dev/fd. */
TEST(hidden_descriptors)
{
	for (int fd = 3; fd < 70000; fd++) {
		long ret = sys(SYS_fcntl, fd, F_GETFD, 0);
		if (ret != -EBADF)
			warn_("descriptor %d: %l\n", fd, ret);
		CHECK_EQ(ret, -EBADF);
	}
	check_all_works();
	CHECK_EQ(sys(SYS_dup, 0), 3);
}

TEST(chroot_without_proc)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("chroot needs root");
	static char buffer[65536];
	int in = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY, 0));
	CHECK_EQ(sys(SYS_mkdir, "root", 0755), 0);
	int out = (int)CHECK_OK(sys(SYS_open, "root/prog", O_WRONLY | O_CREAT, 0755));
	long n;
	while ((n = CHECK_OK(sys(SYS_read, in, buffer, sizeof(buffer)))) > 0)
		CHECK_EQ(sys(SYS_write, out, buffer, n), n);
	CHECK_EQ(sys(SYS_close, in), 0);
	CHECK_EQ(sys(SYS_close, out), 0);
	IN_CHILD({
		char *argv[] = { "/prog", "@alive", NULL };
		CHECK_EQ(sys(SYS_chroot, "root"), 0);
		CHECK_EQ(sys(SYS_chdir, "/"), 0);
		CHECK_ERR(sys(SYS_open, "/proc", O_RDONLY, 0), ENOENT);
		CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);
		guest_argv[0] = "/prog";
		check_all_works();
		int pid = guest_fork();
		if (pid == 0)
			CHECK_OK(sys(SYS_execve, "/prog", argv, no_env));
		CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 50);
	});
}

static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

TEST(everything_blocked_and_ignored)
{
	sigset_t all = { { ~0U, ~0U, ~0U, ~0U } };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, NULL), 0);
	check_all_works();
	for (int s = 1; s <= 31; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD)
			CHECK_EQ(sys(SYS_sigaction, s, &ignore, NULL), 0);
	check_all_works();
	for (int s = 1; s <= 31; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD)
			CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), s), 0);
	check_all_works();
}

/* A handler for the signal that the engines use, and the signal itself. */
TEST(sigsys_is_the_programs_too)
{
	guest_handle(SIGSYS, nothing, 0);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGSYS), 0);
		CHECK_OK(sys(SYS_getppid));
	}
}

/* Jumps into the shim's window with garbage do not crash other processes; this one may die. */
TEST(jump_into_the_shim)
{
	for (u64 at = 0x6ffff0000000; at < 0x6ffff0000000 + 512; at += 13) {
		int pid = guest_fork();
		if (pid == 0) {
			struct rlimit none = { 0, 0 };
			struct itimerval timer = { { 0, 0 }, { 0, 200000 } };
			CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
			CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
			guest_stderr = (int)sys(SYS_open, "/dev/null", O_WRONLY, 0);
			sys(SYS_dup2, guest_stderr, 2);
			__asm__ volatile("xor %%ecx, %%ecx\n\tmov $20, %%eax\n\tjmp *%0" : : "r"(at) : "rcx", "memory");
			__builtin_unreachable();
		}
		int status = -1;
		for (int i = 0; i < 300 && sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0; i++)
			guest_sleep_ms(10);
		if (status == -1) {
			CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
			(void)guest_wait(pid);
			warn_("a jump to %x hangs\n", at);
			CHECK(0);
		}
	}
	check_all_works();
}

TEST(stack_pointer_anywhere)
{
	/* Calls work with any stack pointer: the shim has its own stack. */
	static const u64 stacks[] = { 0, 8, 0x7fffffffffff, 0xffff800000000000, 0x6ffff0000800 };
	u64 saved;

	for (size_t i = 0; i < nitems(stacks); i++) {
		u64 ret = SYS_open;
		__asm__ volatile("mov %%rsp, %1\n\tmov %2, %%rsp\n\tsyscall\n\tmov %1, %%rsp"
		    : "+a"(ret), "=&b"(saved) : "r"(stacks[i]), "D"("/"), "S"((u64)O_RDONLY), "d"(0UL)
		    : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
		CHECK_EQ(ret, 3);
		CHECK_EQ(sys(SYS_close, 3), 0);
	}
}

/* A signal while the stack pointer is bad and a call is under way ends this process only, by SIGILL. */
TEST(signal_with_a_bad_stack)
{
	int pid = guest_fork();

	if (pid == 0) {
		struct itimerval timer = { { 0, 0 }, { 0, 30000 } };
		struct rlimit none = { 0, 0 };
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
		guest_handle(SIGALRM, nothing, 0);
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
		static struct timespec t = { 5, 0 };
		__asm__ volatile("mov $16, %%esp\n\tmov $240, %%eax\n\tsyscall\n\thlt" : : "D"(&t), "S"(0UL) : "rax", "memory");
		__builtin_unreachable();
	}
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGILL);
}

/* The child of a process with many threads and little room. */
TEST(small_address_space)
{
	struct rlimit rl = { 256 << 20, 256 << 20 };

	IN_CHILD({
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_VMEM, &rl), 0);
		check_all_works();
	});
}
